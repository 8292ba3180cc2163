//! `a=fingerprint:` (RFC 8122 §5): which certificate the peer will show.

use ring::digest;
use std::fmt;

/// A hash of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    digest: Vec<u8>,
}

/// The hash functions that we can check with, the weakest first. MD2 and MD5 must not be used
/// (RFC 8122 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// Old devices only.
    Sha1,
    /// What everybody uses.
    Sha256,
    /// Rare.
    Sha384,
    /// Rare.
    Sha512,
}

impl Hash {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8], hash: Hash) -> Self {
        Self {
            hash,
            digest: digest::digest(hash.algorithm(), certificate)
                .as_ref()
                .to_vec(),
        }
    }

    /// Reads `sha-256 12:34:…` with or without colons, in either case. `None` for a hash that we
    /// do not know or a digest of the wrong length.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, digits) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let mut known = Hash::ALL.into_iter();
        let hash = known.find(|hash| hash.name().eq_ignore_ascii_case(name))?;
        let most = hash.algorithm().output_len();
        let mut digest = Vec::with_capacity(most);
        let mut high = None;
        for letter in digits.trim().chars().filter(|&letter| letter != ':') {
            let digit = u8::try_from(letter.to_digit(16)?).ok()?;
            match high.take() {
                None => high = Some(digit),
                Some(high) if digest.len() < most => digest.push(high << 4 | digit),
                Some(_) => return None,
            }
        }
        (high.is_none() && digest.len() == most).then_some(Self { hash, digest })
    }

    /// Whether `certificate` is the one that `said` tells of. Only the strongest hash counts
    /// (RFC 8122 §5: an attacker must not choose the weakest); of several digests by it one must
    /// match.
    pub fn match_any(said: &[Self], certificate: &[u8]) -> bool {
        let Some(strongest) = said.iter().map(|one| one.hash).max() else {
            return false;
        };
        let shown = Self::of(certificate, strongest);
        said.contains(&shown)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash.name())?;
        for (at, octet) in self.digest.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8122_5_what_is_printed_reads_in_any_spelling() {
        for hash in Hash::ALL {
            let one = Fingerprint::of(b"certificate", hash);
            let text = one.to_string();
            assert_eq!(Fingerprint::parse(&text), Some(one.clone()));
            let other = text.replace(':', "").to_ascii_lowercase();
            assert_eq!(Fingerprint::parse(&other), Some(one));
        }
        for bad in [
            "",
            "sha-256",
            "md5 00:11",
            "sha-1 00:11",
            "sha-1 000102030405060708090a0b0c0d0e0f1011121",
            "sha-1 0g:0102030405060708090a0b0c0d0e0f10111213",
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc8122_5_only_the_strongest_hash_counts() {
        let right = |hash| Fingerprint::of(b"theirs", hash);
        let wrong = |hash| Fingerprint::of(b"another", hash);
        let matches = |said: &[Fingerprint]| Fingerprint::match_any(said, b"theirs");
        assert!(matches(&[right(Hash::Sha1)]));
        assert!(matches(&[wrong(Hash::Sha1), right(Hash::Sha256)]));
        assert!(matches(&[wrong(Hash::Sha256), right(Hash::Sha256)]));
        assert!(!matches(&[right(Hash::Sha1), wrong(Hash::Sha512)]));
        assert!(!matches(&[]));
    }
}
