//! STUN keep-alives on the UDP port of SIP (RFC 5626 §4.4.2, RFC 8489): a binding request is
//! answered with the address it came from, and nothing else of STUN is done here.
//!
//! The answer is at most 24 octets longer than the shortest question, so nobody can be flooded
//! through it with more than little.

use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

/// Whether a datagram is STUN and no SIP (RFC 5626 §8): a SIP message begins with a letter.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=3, _, _, _, cookie @ ..] if cookie.starts_with(&COOKIE))
}

/// The answer to a binding request from `source`; `None` if the datagram is none, or asks for
/// something that we would have to understand.
#[must_use]
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let (head, attributes) = datagram.split_at_checked(HEAD)?;
    let [kind @ .., _, _] = head.first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
    let transaction = head.get(8..)?;
    if *kind != REQUEST || !is_stun(datagram) || length != attributes.len() {
        return None;
    }
    if !all_optional(attributes) {
        return None;
    }
    let value = xor_mapped(source, transaction);
    let size = u16::try_from(value.len()).ok()?;
    let mut answer = BytesMut::with_capacity(HEAD + 4 + value.len());
    answer.put_slice(&SUCCESS);
    answer.put_u16(size + 4);
    answer.put_slice(&COOKIE);
    answer.put_slice(transaction);
    answer.put_u16(XOR_MAPPED_ADDRESS);
    answer.put_u16(size);
    answer.put_slice(&value);
    Some(answer.freeze())
}

/// RFC 8489 §14: attributes from 0x8000 on may be passed over.
fn all_optional(mut attributes: &[u8]) -> bool {
    while let [high, _, a, b, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*a, *b])).next_multiple_of(4);
        match rest.get(length..) {
            Some(rest) if *high >= 0x80 => attributes = rest,
            Some(_) | None => return false,
        }
    }
    attributes.is_empty()
}

/// RFC 8489 §14.2: port and address, hidden from NATs that would rewrite them.
fn xor_mapped(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let key: Vec<u8> = COOKIE.iter().chain(transaction).copied().collect();
    let (family, octets) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    let hide = |octets: &[u8]| -> Vec<u8> {
        let pairs = octets.iter().zip(&key);
        pairs.map(|(octet, key)| octet ^ key).collect()
    };
    value.extend(hide(&source.port().to_be_bytes()));
    value.extend(hide(&octets));
    value
}

const HEAD: usize = 20;
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

#[cfg(test)]
mod tests {
    use super::{answer, is_stun};

    fn request(kind: [u8; 2], attributes: &[u8]) -> Vec<u8> {
        let mut request = kind.to_vec();
        request.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        request.extend([0x21, 0x12, 0xA4, 0x42]);
        request.extend(0..12);
        request.extend(attributes);
        request
    }

    #[test]
    fn rfc8489_14_2_the_answer_tells_the_hidden_source() {
        let software = [0x80, 0x22, 0, 1, b'x', 0, 0, 0];
        for attributes in [&[][..], &software] {
            let asked = request([0, 1], attributes);
            let told = answer(&asked, "192.0.2.1:32853".parse().unwrap()).unwrap();
            assert_eq!(&told[..4], [1, 1, 0, 12]);
            assert_eq!(&told[4..20], &asked[4..20]);
            assert_eq!(&told[20..26], [0, 0x20, 0, 8, 0, 1]);
            // The vector of RFC 5769 §2.2: the same address and port under the same cookie.
            assert_eq!(&told[26..32], [0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        }
        let asked = request([0, 1], &[]);
        let told = answer(&asked, "[2001:db8::1]:5060".parse().unwrap()).unwrap();
        assert_eq!(told.len(), 44);
        assert_eq!(told[25], 2);
    }

    #[test]
    fn what_is_no_plain_binding_request_is_not_answered() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let user = [0x00, 0x06, 0, 1, b'x', 0, 0, 0];
        let mut long = request([0, 1], &[]);
        long.push(0);
        for asked in [
            request([1, 1], &[]),
            request([0, 2], &[]),
            request([0, 1], &user),
            request([0, 1], &[0x80, 0x22, 0, 9, 0]),
            long,
            request([0, 1], &[])[..19].to_vec(),
        ] {
            assert_eq!(answer(&asked, source), None, "{asked:?}");
        }
        assert!(!is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n"));
        assert!(!is_stun(b"\r\n\r\n"));
    }
}
