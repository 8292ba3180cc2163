//! GRUUs: URIs that lead to one device of a user (RFC 5627).

use sha2::{Digest as _, Sha512_256};

/// Makes temporary GRUUs that only it can read.
pub(super) struct Temporary {
    key: [u8; 32],
}

impl Temporary {
    pub(super) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The user part of a temporary GRUU of the binding with this secret. Two of one binding cannot
    /// be told to be of one (RFC 5627 §3.2).
    pub(super) fn user(&self, binding: u64, random: u64) -> String {
        let hidden = binding ^ self.mask(b"hide", &[random]);
        let proof = self.mask(b"prove", &[random, hidden]);
        format!("{PREFIX}{random:016x}{hidden:016x}{proof:016x}")
    }

    /// The secret of the binding whose temporary GRUU has this user part.
    pub(super) fn binding(&self, user: &str) -> Option<u64> {
        let digits = user.strip_prefix(PREFIX)?;
        let number = |at: usize| u64::from_str_radix(digits.get(at..at + 16)?, 16).ok();
        let (random, hidden, proof) = (number(0)?, number(16)?, number(32)?);
        let ours = digits.len() == 48 && self.mask(b"prove", &[random, hidden]) == proof;
        ours.then(|| hidden ^ self.mask(b"hide", &[random]))
    }

    fn mask(&self, purpose: &[u8], numbers: &[u64]) -> u64 {
        let mut hasher = Sha512_256::new();
        hasher.update(self.key);
        hasher.update(purpose);
        for number in numbers {
            hasher.update(number.to_be_bytes());
        }
        let octets = hasher.finalize();
        octets
            .iter()
            .take(8)
            .fold(0, |number, octet| number << 8 | u64::from(*octet))
    }
}

const PREFIX: &str = "tgruu.";

#[cfg(test)]
mod tests {
    use super::Temporary;

    #[test]
    fn rfc5627_3_2_temporary_gruus_lead_back_and_tell_nothing() {
        let temporary = Temporary::new([9; 32]);
        let (one, two) = (temporary.user(7, 1), temporary.user(7, 2));
        assert_eq!(temporary.binding(&one), Some(7));
        assert_eq!(temporary.binding(&two), Some(7));
        let common = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
        assert!(common < 40, "{one} {two}");
        let forged = one.replacen("tgruu.0", "tgruu.1", 1);
        for text in ["alice", "tgruu.", "tgruu.é", &forged, &format!("{one}0")] {
            assert_eq!(temporary.binding(text), None, "{text}");
        }
        assert_eq!(Temporary::new([8; 32]).binding(&one), None);
    }
}
