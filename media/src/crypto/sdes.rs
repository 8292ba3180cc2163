//! `a=crypto:` lines (RFC 4568): keys in the session description.
//!
//! A line that cannot be used is passed over with the reason; the others are still worth having
//! (RFC 4568 §5.1.2).

use super::keys::MasterKey;
use super::srtp::PeerKey;
use super::suite::Suite;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use smallvec::SmallVec;
use std::fmt::{self, Write};
use zeroize::Zeroizing;

/// One `a=crypto:` line that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoLine {
    /// 1 to 999,999,999, unique in its section (RFC 4568 §9.1).
    pub tag: u32,
    /// What it protects with.
    pub suite: Suite,
    /// How its writer spells the suite: an answer repeats it.
    pub spelling: &'static str,
    /// The keys that its writer sends with; more than one only with identifiers.
    pub keys: SmallVec<[PeerKey; 1]>,
}

/// Why a line was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not the fields of RFC 4568 §9.1.
    #[error("it does not read")]
    Malformed,
    /// A suite that we do not know.
    #[error("its suite is unknown")]
    Suite,
    /// Another key method than `inline`.
    #[error("its key method is not inline")]
    Method,
    /// A key that is not Base64 or not as long as the suite wants.
    #[error("its key does not fit the suite")]
    Key,
    /// An identifier that does not read, or several keys that cannot be told apart.
    #[error("its key identifiers do not read")]
    Mki,
    /// `UNENCRYPTED_SRTP`, `UNENCRYPTED_SRTCP` or `UNAUTHENTICATED_SRTP`, which we never agree to.
    #[error("it asks for less than encryption with authentication")]
    Weak,
    /// A derivation rate, forward error correction, or a parameter that we do not know and must
    /// not ignore (RFC 4568 §6.3).
    #[error("it asks for a session parameter that is not available")]
    Parameter,
}

impl CryptoLine {
    /// A line of ours.
    pub fn new(tag: u32, spelling: &'static str, master: MasterKey) -> Self {
        Self {
            tag,
            suite: master.suite(),
            spelling,
            keys: SmallVec::from_iter([PeerKey {
                master,
                mki: SmallVec::new(),
            }]),
        }
    }

    /// Reads the value of an `a=crypto:` attribute.
    ///
    /// # Errors
    /// [`Unusable`] says why it is passed over.
    pub fn parse(value: &str) -> Result<Self, Unusable> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next().and_then(tag).ok_or(Unusable::Malformed)?;
        let name = fields.next().ok_or(Unusable::Malformed)?;
        let (suite, spelling) = Suite::of_sdes_name(name).ok_or(Unusable::Suite)?;
        let parameters = fields.next().ok_or(Unusable::Malformed)?;
        for parameter in fields {
            check(parameter)?;
        }
        let keys = keys(suite, parameters)?;
        Ok(Self {
            tag,
            suite,
            spelling,
            keys,
        })
    }

    /// Appends the whole line with its key.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, "a=crypto:{} {} ", self.tag, self.spelling)?;
        for (at, key) in self.keys.iter().enumerate() {
            if at > 0 {
                out.push(';');
            }
            out.push_str("inline:");
            ENGINE.encode_string(key.master.octets(), out);
            if !key.mki.is_empty() {
                let wide = |value: u64, octet: &u8| value << 8 | u64::from(*octet);
                let value = key.mki.iter().fold(0, wide);
                write!(out, "|{value}:{}", key.mki.len())?;
            }
        }
        out.push_str("\r\n");
        Ok(())
    }
}

/// RFC 4568 §9.1: one to nine digits without leading zeros, which devices send all the same.
fn tag(text: &str) -> Option<u32> {
    let digits =
        !text.is_empty() && text.len() <= 9 && text.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Whether a session parameter can be agreed to (RFC 4568 §6.3).
fn check(parameter: &str) -> Result<(), Unusable> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("UNENCRYPTED_SRTP") || is("UNENCRYPTED_SRTCP") || is("UNAUTHENTICATED_SRTP") {
        Err(Unusable::Weak)
    } else if is("KDR") && value == "0" || is("WSH") || name.starts_with('-') {
        // Our window is larger than any that is asked for in practice; a dash marks what may be
        // ignored (§6.3.7).
        Ok(())
    } else {
        Err(Unusable::Parameter)
    }
}

/// `inline:KEY|LIFETIME|MKI:LENGTH`, several after semicolons (RFC 4568 §6.1).
fn keys(suite: Suite, parameters: &str) -> Result<SmallVec<[PeerKey; 1]>, Unusable> {
    let mut keys = SmallVec::<[PeerKey; 1]>::new();
    for parameter in parameters
        .split(';')
        .filter(|text| !text.is_empty())
        .take(MOST_KEYS + 1)
    {
        let (method, rest) = parameter.split_once(':').ok_or(Unusable::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(Unusable::Method);
        }
        let mut parts = rest.split('|');
        let master = master(suite, parts.next().unwrap_or_default())?;
        let mut mki = SmallVec::new();
        // The lifetime, a power of two or a number, has no colon; the identifier has one. When a
        // key's life ends its writer sends another description.
        for part in parts {
            if part.contains(':') {
                mki = identifier(part).ok_or(Unusable::Mki)?;
            } else if !lifetime(part) {
                return Err(Unusable::Malformed);
            }
        }
        let same = |key: &PeerKey| key.mki.len() == mki.len() && key.mki != mki;
        if keys.len() >= MOST_KEYS || !keys.is_empty() && (mki.is_empty() || !keys.iter().all(same))
        {
            return Err(Unusable::Mki);
        }
        keys.push(PeerKey { master, mki });
    }
    if keys.is_empty() {
        return Err(Unusable::Malformed);
    }
    Ok(keys)
}

fn master(suite: Suite, text: &str) -> Result<MasterKey, Unusable> {
    // Longer than any key; nothing else is decoded.
    if text.len() > 64 {
        return Err(Unusable::Key);
    }
    let octets = ENGINE.decode(text).map(Zeroizing::new);
    let octets = octets.map_err(|_| Unusable::Key)?;
    MasterKey::new(suite, &octets).ok_or(Unusable::Key)
}

fn lifetime(text: &str) -> bool {
    let number = text.strip_prefix("2^").unwrap_or(text);
    !number.is_empty() && number.len() <= 20 && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// `1:4`: a number and how many octets it takes, 1 to 128 by the grammar; more than 8 nobody
/// sends.
fn identifier(text: &str) -> Option<SmallVec<[u8; 4]>> {
    let (value, length) = text.split_once(':')?;
    let (value, length) = (value.parse::<u64>().ok()?, length.parse::<usize>().ok()?);
    let octets = value.to_be_bytes();
    let start = octets.len().checked_sub(length)?;
    let (high, used) = octets.split_at_checked(start)?;
    (!used.is_empty() && high.iter().all(|&octet| octet == 0)).then(|| SmallVec::from_slice(used))
}

/// Keys of one line at most.
const MOST_KEYS: usize = 4;

/// Keys come with and without padding.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::Seed;

    const KEY: &str = "MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm";

    fn suite_of(value: &str) -> Result<Suite, Unusable> {
        CryptoLine::parse(value).map(|line| line.suite)
    }

    #[test]
    fn rfc4568_9_1_lines_of_devices_read() {
        let sha80 = "AES_CM_128_HMAC_SHA1_80";
        for value in [
            format!("1 {sha80} inline:{KEY}"),
            format!("01 {sha80} inline:{KEY}|2^20"),
            format!("1  {sha80}  INLINE:{KEY}|1048576|1:4"),
            format!("1 {sha80} inline:{KEY}|2^31|1:1 WSH=128 KDR=0"),
            format!("1 {sha80} inline:{KEY} -x-vendor=1"),
            format!("999999999 aes_cm_128_hmac_sha1_80 inline:{KEY};"),
        ] {
            assert_eq!(suite_of(&value), Ok(Suite::AesCm128Tag80), "{value}");
        }
        // 46 octets are 62 letters and two of padding, which some leave out.
        let long = "A".repeat(62);
        for value in [
            format!("2 AES_256_CM_HMAC_SHA1_80 inline:{long}=="),
            format!("2 AES_256_CM_HMAC_SHA1_80 inline:{long}"),
            format!("2 AES_CM_256_HMAC_SHA1_80 inline:{long}"),
        ] {
            assert_eq!(suite_of(&value), Ok(Suite::AesCm256Tag80), "{value}");
        }
    }

    #[test]
    fn rfc4568_6_1_keys_are_told_apart_by_identifiers() {
        let two =
            format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|258:4");
        let line = CryptoLine::parse(&two).unwrap();
        let names: Vec<&[u8]> = line.keys.iter().map(|key| key.mki.as_slice()).collect();
        assert_eq!(names, [&[0, 0, 0, 1], &[0, 0, 1, 2]]);
        let mut text = String::new();
        line.write(&mut text).unwrap();
        let value = text.strip_prefix("a=crypto:").unwrap().trim_end();
        assert_eq!(CryptoLine::parse(value), Ok(line));
    }

    #[test]
    fn rfc4568_5_1_2_what_cannot_be_used_is_named() {
        let sha80 = "AES_CM_128_HMAC_SHA1_80";
        let cases = [
            (String::new(), Unusable::Malformed),
            (format!("x {sha80} inline:{KEY}"), Unusable::Malformed),
            (
                format!("1234567890 {sha80} inline:{KEY}"),
                Unusable::Malformed,
            ),
            (format!("1 {sha80}"), Unusable::Malformed),
            (format!("1 {sha80} ;"), Unusable::Malformed),
            (format!("1 {sha80} inline:{KEY}|soon"), Unusable::Malformed),
            (
                format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
                Unusable::Suite,
            ),
            (
                format!("1 {sha80} uri:https://example.org"),
                Unusable::Method,
            ),
            (format!("1 {sha80} inline:short"), Unusable::Key),
            (format!("1 {sha80} inline:{KEY}AAAA"), Unusable::Key),
            (
                format!("1 {sha80} inline:{}", "A".repeat(70)),
                Unusable::Key,
            ),
            (format!("1 {sha80} inline:*{KEY}"), Unusable::Key),
            (format!("1 {sha80} inline:{KEY}|2^20|1:0"), Unusable::Mki),
            (format!("1 {sha80} inline:{KEY}|2^20|256:1"), Unusable::Mki),
            (
                format!("1 {sha80} inline:{KEY};inline:{KEY}"),
                Unusable::Mki,
            ),
            (
                format!("1 {sha80} inline:{KEY} UNENCRYPTED_SRTP"),
                Unusable::Weak,
            ),
            (
                format!("1 {sha80} inline:{KEY} UNENCRYPTED_SRTCP"),
                Unusable::Weak,
            ),
            (
                format!("1 {sha80} inline:{KEY} unauthenticated_srtp"),
                Unusable::Weak,
            ),
            (
                format!("1 {sha80} inline:{KEY} KDR=24"),
                Unusable::Parameter,
            ),
            (
                format!("1 {sha80} inline:{KEY} FEC_ORDER=FEC_SRTP"),
                Unusable::Parameter,
            ),
            (format!("1 {sha80} inline:{KEY} NEW"), Unusable::Parameter),
        ];
        for (value, reason) in cases {
            assert_eq!(suite_of(&value), Err(reason), "{value}");
        }
    }

    #[test]
    fn what_we_write_reads_and_does_not_show_otherwise() {
        let seed = Seed::new([1; 32]);
        for (tag, suite) in (1..).zip(Suite::ALL) {
            let line = CryptoLine::new(tag, suite.sdes_name(), seed.master_key(0, suite));
            let mut text = String::new();
            line.write(&mut text).unwrap();
            let value = text.strip_prefix("a=crypto:").unwrap().trim_end();
            assert_eq!(CryptoLine::parse(value).as_ref(), Ok(&line));
            let key = value.split_once("inline:").unwrap().1;
            assert!(!format!("{line:?}").contains(key));
        }
    }
}
