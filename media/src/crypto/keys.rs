//! Master keys: where they come from, and that nobody sees them.

use super::suite::Suite;
use ring::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// A master key and its salt for one direction (RFC 3711 §3.2.1). Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    octets: Zeroizing<Vec<u8>>,
}

impl MasterKey {
    /// From key and salt one after the other, as SDES writes them (RFC 4568 §6.1). `None` when
    /// they are not as long as the suite wants.
    pub fn new(suite: Suite, octets: &[u8]) -> Option<Self> {
        (octets.len() == suite.key_octets() + suite.salt_octets()).then(|| Self {
            suite,
            octets: Zeroizing::new(octets.to_vec()),
        })
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt one after the other: for the line that tells the peer, nothing else.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn key(&self) -> &[u8] {
        self.octets
            .get(..self.suite.key_octets())
            .unwrap_or_default()
    }

    /// The salt, filled up with zeros on the right to the 14 octets of RFC 3711: what
    /// RFC 7714 §11 makes of its 12.
    pub(super) fn salt(&self) -> Zeroizing<[u8; 14]> {
        let mut salt = Zeroizing::new([0; 14]);
        let octets = self.octets.get(self.suite.key_octets()..);
        for (to, from) in salt.iter_mut().zip(octets.unwrap_or_default()) {
            *to = *from;
        }
        salt
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, secret)", self.suite.sdes_name())
    }
}

/// Makes the secrets of one session out of a seed, so that a negotiation needs no randomness of
/// its own: HMAC-SHA256 of a counter.
#[derive(Clone)]
pub struct KeySource {
    key: hmac::Key,
    counter: u64,
}

impl KeySource {
    /// From 256 unpredictable bits.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            counter: 0,
        }
    }

    /// A master key that was never given out.
    pub fn master_key(&mut self, suite: Suite) -> MasterKey {
        let octets = suite.key_octets() + suite.salt_octets();
        MasterKey {
            suite,
            octets: self.octets(octets),
        }
    }

    /// Octets that were never given out.
    pub fn octets(&mut self, count: usize) -> Zeroizing<Vec<u8>> {
        let mut made = Zeroizing::new(Vec::with_capacity(count + 32));
        while made.len() < count {
            self.counter += 1;
            let block = hmac::sign(&self.key, &self.counter.to_be_bytes());
            made.extend_from_slice(block.as_ref());
        }
        made.truncate(count);
        made
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource(secret)")
    }
}

/// 256 unpredictable bits of one session, out of which all its keys are made. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// From a cryptographic random source.
    pub fn new(bits: [u8; 32]) -> Self {
        Self(Zeroizing::new(bits))
    }

    /// The session's key number `generation` for a suite: always the same one.
    pub fn master_key(&self, generation: u32, suite: Suite) -> MasterKey {
        let mut source = KeySource::new(&self.0);
        let place = Suite::ALL.iter().position(|&known| known == suite);
        let place = place
            .and_then(|place| u64::try_from(place).ok())
            .unwrap_or(0);
        // No suite takes more than a few blocks.
        source.counter = u64::from(generation) << 16 | place << 8;
        source.master_key(suite)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_show_and_never_repeat() {
        let mut source = KeySource::new(&[7; 32]);
        let first = source.master_key(Suite::AesCm128Tag80);
        let second = source.master_key(Suite::AesCm128Tag80);
        assert_ne!(first, second);
        assert_eq!(first.octets().len(), 30);
        let shown = format!("{first:?} {source:?}");
        assert_eq!(
            shown,
            "MasterKey(AES_CM_128_HMAC_SHA1_80, secret) KeySource(secret)"
        );
    }

    #[test]
    fn a_key_of_the_wrong_length_is_none() {
        for suite in Suite::ALL {
            let right = suite.key_octets() + suite.salt_octets();
            assert!(MasterKey::new(suite, &vec![1; right]).is_some());
            assert!(MasterKey::new(suite, &vec![1; right - 1]).is_none());
            assert!(MasterKey::new(suite, &vec![1; right + 1]).is_none());
        }
    }
}
