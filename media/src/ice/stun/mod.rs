//! STUN messages (RFC 8489): reading what comes from anywhere, writing what we say.
//!
//! Only messages with the magic cookie are read; those of RFC 3489 had none and no agent of today sends them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ring::hmac;
use subtle::ConstantTimeEq;

/// The second word of every message (RFC 8489 §5).
const COOKIE: u32 = 0x2112_A442;
/// What the CRC of FINGERPRINT is mixed with (RFC 8489 §14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const HEADER: usize = 20;
/// Attributes of one message that are looked at; a message with more is refused.
const MAX_ATTRIBUTES: usize = 32;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §16.1, RFC 8656 §18).
pub mod kind {
    /// USERNAME.
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY: HMAC-SHA1.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// CHANNEL-NUMBER of TURN.
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    /// LIFETIME of TURN, seconds.
    pub const LIFETIME: u16 = 0x000D;
    /// XOR-PEER-ADDRESS of TURN.
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    /// DATA of TURN.
    pub const DATA: u16 = 0x0013;
    /// REALM.
    pub const REALM: u16 = 0x0014;
    /// NONCE.
    pub const NONCE: u16 = 0x0015;
    /// XOR-RELAYED-ADDRESS of TURN.
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// REQUESTED-ADDRESS-FAMILY of TURN.
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    /// REQUESTED-TRANSPORT of TURN.
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// MESSAGE-INTEGRITY-SHA256.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// PRIORITY of ICE.
    pub const PRIORITY: u16 = 0x0024;
    /// USE-CANDIDATE of ICE.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// SOFTWARE.
    pub const SOFTWARE: u16 = 0x8022;
    /// FINGERPRINT.
    pub const FINGERPRINT: u16 = 0x8028;
    /// ICE-CONTROLLED.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// ICE-CONTROLLING.
    pub const ICE_CONTROLLING: u16 = 0x802A;
}

/// What a Binding request may carry that must be understood (RFC 8489 §14: types below 0x8000).
const UNDERSTOOD: [u16; 7] = [
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    kind::MESSAGE_INTEGRITY_SHA256,
    kind::REALM,
    kind::NONCE,
    kind::PRIORITY,
    kind::USE_CANDIDATE,
];

/// The class of a message (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// It worked.
    Success,
    /// It did not.
    Error,
}

/// The method of a message, 12 bits (RFC 8489 §18.2, RFC 8656 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(pub u16);

impl Method {
    /// Binding: all that ICE needs.
    pub const BINDING: Self = Self(0x001);
    /// TURN: an allocation.
    pub const ALLOCATE: Self = Self(0x003);
    /// TURN: its refresh, or its end.
    pub const REFRESH: Self = Self(0x004);
    /// TURN: datagrams to a peer.
    pub const SEND: Self = Self(0x006);
    /// TURN: datagrams from a peer.
    pub const DATA: Self = Self(0x007);
    /// TURN: who may send to us.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// TURN: a short header for a peer.
    pub const CHANNEL_BIND: Self = Self(0x009);
}

/// Tells a response from all others (RFC 8489 §5): 96 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionId(pub [u8; 12]);

/// Why a datagram is no message that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Too short, another cookie, or a length that is not the datagram's.
    #[error("no STUN header")]
    Header,
    /// An attribute goes beyond the end, or there are too many.
    #[error("unreadable STUN attributes")]
    Attributes,
    /// The FINGERPRINT is there and wrong.
    #[error("wrong STUN fingerprint")]
    Fingerprint,
}

/// Whether a datagram is STUN rather than RTP, RTCP, DTLS or ChannelData, by its first octet (RFC 7983 §7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// A key of MESSAGE-INTEGRITY. `Debug` does not show it.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl Key {
    /// The short-term key (RFC 8489 §9.1.1): the password.
    pub fn short_term(password: &str) -> Self {
        Self(hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            password.as_bytes(),
        ))
    }

    /// The long-term key (RFC 8489 §9.2.2): MD5 of user, realm and password.
    pub fn long_term(user: &str, realm: &str, password: &str) -> Self {
        use md5::Digest;
        let digest = md5::Md5::digest(format!("{user}:{realm}:{password}"));
        Self(hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            digest.as_slice(),
        ))
    }

    /// The code over a message cut before its MESSAGE-INTEGRITY, whose length field counts that attribute.
    fn sign(&self, before: &[u8]) -> Option<hmac::Tag> {
        let length = before.len().checked_sub(HEADER)?.checked_add(24)?;
        let mut context = hmac::Context::with_key(&self.0);
        context.update(before.get(..2)?);
        context.update(&u16::try_from(length).ok()?.to_be_bytes());
        context.update(before.get(4..)?);
        Some(context.sign())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    /// What kind of message.
    pub class: Class,
    /// What it is about.
    pub method: Method,
    /// Which exchange it belongs to.
    pub id: TransactionId,
    /// Where the attributes end that count: at MESSAGE-INTEGRITY, else at FINGERPRINT, else at the end.
    counted: usize,
    integrity: Option<usize>,
    fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads a datagram (RFC 8489 §6.3).
    ///
    /// # Errors
    /// [`StunError`]; such a datagram is dropped.
    pub fn parse(raw: &'a [u8]) -> Result<Self, StunError> {
        let header = raw.get(..HEADER).ok_or(StunError::Header)?;
        let first = word(header, 0).ok_or(StunError::Header)?;
        let length = usize::from(half(header, 2).ok_or(StunError::Header)?);
        let sound = first >> 30 == 0
            && word(header, 4) == Some(COOKIE)
            && length % 4 == 0
            && raw.len() == HEADER + length;
        let id = header.get(8..).and_then(|id| id.try_into().ok());
        let (true, Some(id)) = (sound, id) else {
            return Err(StunError::Header);
        };
        let kind = u16::try_from(first >> 16).map_err(|_| StunError::Header)?;
        let mut message = Self {
            raw,
            class: class_of(kind),
            method: Method((kind & 0xf) | ((kind & 0xe0) >> 1) | ((kind & 0x3e00) >> 2)),
            id: TransactionId(id),
            counted: raw.len(),
            integrity: None,
            fingerprint: false,
        };
        message.scan()?;
        Ok(message)
    }

    /// Walks the attributes once: bounds, integrity, fingerprint.
    fn scan(&mut self) -> Result<(), StunError> {
        let mut at = HEADER;
        for _ in 0..=MAX_ATTRIBUTES {
            if at == self.raw.len() {
                return Ok(());
            }
            let (kind, value, next) = attribute_at(self.raw, at).ok_or(StunError::Attributes)?;
            match kind {
                kind::MESSAGE_INTEGRITY if self.integrity.is_none() && !self.fingerprint => {
                    if value.len() != 20 {
                        return Err(StunError::Attributes);
                    }
                    self.integrity = Some(at);
                    self.counted = at;
                }
                kind::FINGERPRINT => {
                    let before = self.raw.get(..at).ok_or(StunError::Attributes)?;
                    let said = word(value, 0).filter(|_| value.len() == 4);
                    // RFC 8489 §14.7: the last attribute, over all before it.
                    if said != Some(fingerprint(before)) || next != self.raw.len() {
                        return Err(StunError::Fingerprint);
                    }
                    self.fingerprint = true;
                    self.counted = self.counted.min(at);
                }
                _ => {}
            }
            at = next;
        }
        Err(StunError::Attributes)
    }

    /// It ends with a FINGERPRINT, which was right.
    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint
    }

    /// It has a MESSAGE-INTEGRITY, right or wrong.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Its MESSAGE-INTEGRITY was made with `key`. Compared in constant time.
    pub fn is_signed_with(&self, key: &Key) -> bool {
        let signed = || {
            let at = self.integrity?;
            let code = key.sign(self.raw.get(..at)?)?;
            let said = self.raw.get(at.checked_add(4)?..)?.get(..20)?;
            Some(bool::from(code.as_ref().ct_eq(said)))
        };
        signed().unwrap_or(false)
    }

    /// The attributes that count, in order: those before MESSAGE-INTEGRITY where there is one (RFC 8489 §14.5).
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let raw = self.raw.get(..self.counted).unwrap_or_default();
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let (kind, value, next) = attribute_at(raw, at)?;
            at = next;
            Some((kind, value))
        })
    }

    /// The first attribute of a type.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes()
            .find(|(known, _)| *known == kind)
            .map(|(_, value)| value)
    }

    /// An attribute of 32 bits.
    pub fn number(&self, kind: u16) -> Option<u32> {
        let value = self.attribute(kind)?;
        word(value, 0).filter(|_| value.len() == 4)
    }

    /// An attribute of 64 bits.
    pub fn long_number(&self, kind: u16) -> Option<u64> {
        let value = self.attribute(kind)?;
        value.try_into().ok().map(u64::from_be_bytes)
    }

    /// An address hidden by XOR (RFC 8489 §14.2).
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        let value = self.attribute(kind)?;
        let (family, port) = (half(value, 0)? & 0xff, half(value, 2)?);
        let port = port ^ u16::try_from(COOKIE >> 16).ok()?;
        let mask = mask(self.id);
        let ip: IpAddr = match (family, value.len()) {
            (1, 8) => Ipv4Addr::from(word(value, 4)? ^ COOKIE).into(),
            (2, 20) => {
                let octets: [u8; 16] = value.get(4..)?.try_into().ok()?;
                Ipv6Addr::from(u128::from_be_bytes(octets) ^ mask).into()
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The number of ERROR-CODE (RFC 8489 §14.8), 300 to 699.
    pub fn error_code(&self) -> Option<u16> {
        let value = self.attribute(kind::ERROR_CODE)?;
        let (class, number) = (*value.get(2)? & 7, *value.get(3)?);
        let sound = (3..=6).contains(&class) && number < 100;
        sound.then(|| u16::from(class) * 100 + u16::from(number))
    }

    /// Types that must be understood and are not (RFC 8489 §6.3.1), at most eight.
    pub fn not_understood(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.attributes()
            .map(|(kind, _)| kind)
            .filter(|kind| *kind < 0x8000 && !UNDERSTOOD.contains(kind))
            .take(8)
    }
}

/// A message being written. Attributes stand in the order of the calls.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins with the header.
    pub fn new(class: Class, method: Method, id: TransactionId) -> Self {
        let Method(method) = method;
        let class = match class {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        let kind = (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2) | class;
        let mut out = Vec::with_capacity(128);
        out.extend(kind.to_be_bytes());
        out.extend([0, 0]);
        out.extend(COOKIE.to_be_bytes());
        out.extend(id.0);
        Self(out)
    }

    /// One attribute; more than 65,535 octets are cut.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.0.extend(kind.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value.iter().take(usize::from(length)));
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
        self.set_length();
        self
    }

    /// An address hidden by XOR (RFC 8489 §14.2).
    #[must_use]
    pub fn xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let id = self.0.get(8..HEADER).and_then(|id| id.try_into().ok());
        let mask = mask(TransactionId(id.unwrap_or_default()));
        let port = address.port() ^ 0x2112;
        let mut value = Vec::with_capacity(20);
        match address.ip() {
            IpAddr::V4(ip) => {
                value.extend([0, 1]);
                value.extend(port.to_be_bytes());
                value.extend((ip.to_bits() ^ COOKIE).to_be_bytes());
            }
            IpAddr::V6(ip) => {
                value.extend([0, 2]);
                value.extend(port.to_be_bytes());
                value.extend((ip.to_bits() ^ mask).to_be_bytes());
            }
        }
        self.attribute(kind, &value)
    }

    /// ERROR-CODE (RFC 8489 §14.8).
    #[must_use]
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let class = u8::try_from(code / 100).unwrap_or_default();
        let number = u8::try_from(code % 100).unwrap_or_default();
        let mut value = vec![0, 0, class, number];
        value.extend(reason.as_bytes());
        self.attribute(kind::ERROR_CODE, &value)
    }

    /// MESSAGE-INTEGRITY over all so far.
    #[must_use]
    pub fn integrity(self, key: &Key) -> Self {
        match key.sign(&self.0) {
            Some(code) => self.attribute(kind::MESSAGE_INTEGRITY, code.as_ref()),
            None => self,
        }
    }

    /// FINGERPRINT over all so far, and the end.
    pub fn fingerprint(mut self) -> Vec<u8> {
        // The length counts the attribute to come.
        let length = (self.0.len() + 8).saturating_sub(HEADER);
        self.write_length(length);
        let code = fingerprint(&self.0);
        self.attribute(kind::FINGERPRINT, &code.to_be_bytes()).0
    }

    /// The end, without FINGERPRINT.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn set_length(&mut self) {
        let length = self.0.len().saturating_sub(HEADER);
        self.write_length(length);
    }

    fn write_length(&mut self, length: usize) {
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        if let Some(field) = self.0.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn class_of(kind: u16) -> Class {
    match (kind & 0x100 != 0, kind & 0x010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    }
}

/// Type, value and where the next attribute begins.
fn attribute_at(raw: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let (kind, length) = (half(raw, at)?, usize::from(half(raw, at + 2)?));
    let from = at + 4;
    let next = from.checked_add(length.next_multiple_of(4))?;
    let value = raw.get(from..from + length)?;
    (next <= raw.len()).then_some((kind, value, next))
}

fn half(raw: &[u8], at: usize) -> Option<u16> {
    let octets = raw.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(octets.try_into().ok()?))
}

fn word(raw: &[u8], at: usize) -> Option<u32> {
    let octets = raw.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(octets.try_into().ok()?))
}

/// Cookie and transaction identifier: what IPv6 addresses are hidden by.
fn mask(id: TransactionId) -> u128 {
    let id =
        id.0.iter()
            .fold(0, |all, octet| (all << 8) | u128::from(*octet));
    (u128::from(COOKIE) << 96) | id
}

fn fingerprint(before: &[u8]) -> u32 {
    crc32(before) ^ FINGERPRINT_MASK
}

/// CRC-32 of ITU-T V.42, bit by bit: a message has about a hundred octets and comes every few seconds.
fn crc32(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                (crc >> 1) ^ 0xEDB8_8320
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests;
