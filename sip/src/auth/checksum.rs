//! Keyed checksums by which we know again what we have sent to an address.

use super::algorithm::Hash;
use std::fmt;
use std::net::IpAddr;

/// Makes them. Nobody without the key can.
#[derive(Clone)]
pub(crate) struct Checksum {
    key: [u8; 32],
}

impl Checksum {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Of these octets for this purpose, sent to this address. SHA-512/256 shows half of its state,
    /// so that nobody can go on hashing from it: the key in front is enough. The purposes of one key
    /// are none the beginning of another.
    pub(crate) fn of(&self, purpose: &[u8], peer: IpAddr, octets: &[u8]) -> u64 {
        let address = match peer.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let digest = Hash::Sha512T256.hex(&[&self.key, purpose, &address, octets]);
        let digits = digest.get(..16).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checksum")
    }
}
