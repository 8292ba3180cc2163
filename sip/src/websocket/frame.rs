//! Frames as a server writes them: whole, and without a mask (RFC 6455 §5.1, §5.2).

use bytes::{BufMut, Bytes, BytesMut};

/// One SIP message in one frame: as text where it is UTF-8, which some browsers' stacks insist on,
/// else as binary (RFC 7118 §5).
#[must_use]
pub fn message(octets: &[u8]) -> Bytes {
    let text = std::str::from_utf8(octets).is_ok();
    frame(if text { TEXT } else { BINARY }, octets)
}

/// The question whether the peer is still there (RFC 6455 §5.5.2).
#[must_use]
pub fn ping() -> Bytes {
    frame(PING, b"")
}

/// The answer to a ping, with its application data (RFC 6455 §5.5.3).
#[must_use]
pub fn pong(data: &[u8]) -> Bytes {
    frame(
        PONG,
        data.get(..data.len().min(CONTROL_OCTETS))
            .unwrap_or_default(),
    )
}

/// The end, with its status code (RFC 6455 §5.5.1, §7.4.1).
#[must_use]
pub fn close(code: u16) -> Bytes {
    frame(CLOSE, &code.to_be_bytes())
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + LONGEST_HEAD);
    frame.put_u8(FIN | opcode);
    // RFC 6455 §5.2: the least number of octets that holds the length.
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.put_u8(length),
        (_, Ok(length)) => {
            frame.put_u8(126);
            frame.put_u16(length);
        }
        (_, Err(_)) => {
            frame.put_u8(127);
            frame.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

pub(super) const FIN: u8 = 0x80;
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;
/// RFC 6455 §5.5: a control frame carries no more.
pub(super) const CONTROL_OCTETS: usize = 125;
/// First octet, length, eight octets of length.
const LONGEST_HEAD: usize = 10;
