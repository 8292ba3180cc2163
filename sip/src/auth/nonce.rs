//! Nonces that prove their own age (RFC 7616 §5.4, §5.5), and how often each was used (§3.4.5).

use super::algorithm::{Hash, same};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a nonce says: when it was made, and which of that moment it is. Sorted by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    /// Milliseconds since the authenticator began.
    made: u64,
    random: u64,
}

/// Makes nonces and knows its own again.
pub(super) struct Nonces {
    key: [u8; 32],
    began: Instant,
    life: Duration,
    most: usize,
    /// The nonces used with right credentials.
    used: BTreeMap<NonceId, Window>,
    /// Nonces up to this one were forgotten.
    floor: Option<NonceId>,
}

/// What a nonce is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ours and young enough.
    Fresh(NonceId),
    /// It is not ours, or too old.
    Stale,
}

/// Which nonce counts were used: the highest, and which of the 64 up to it.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32], began: Instant, life: Duration, most: usize) -> Self {
        Self {
            key,
            began,
            life,
            most,
            used: BTreeMap::new(),
            floor: None,
        }
    }

    pub(super) fn make(&self, now: Instant, realm: &str, random: u64) -> String {
        let made = now.saturating_duration_since(self.began).as_millis();
        let id = NonceId {
            made: u64::try_from(made).unwrap_or(u64::MAX),
            random,
        };
        let clear = format!("{:012x}{:016x}", id.made, id.random);
        let proof = self.proof(&clear, realm);
        clear + &proof
    }

    pub(super) fn judge(&self, now: Instant, realm: &str, nonce: &str) -> Standing {
        let Some(id) = self.read(realm, nonce) else {
            return Standing::Stale;
        };
        let made = self.began.checked_add(Duration::from_millis(id.made));
        let young = made.is_some_and(|made| now.saturating_duration_since(made) <= self.life);
        let forgotten = self.floor.is_some_and(|floor| id <= floor) && !self.used.contains_key(&id);
        if young && !forgotten {
            Standing::Fresh(id)
        } else {
            Standing::Stale
        }
    }

    /// Whether the nonce is in the second half of its life.
    pub(super) fn is_ageing(&self, now: Instant, id: NonceId) -> bool {
        let made = self.began.checked_add(Duration::from_millis(id.made));
        made.is_none_or(|made| now.saturating_duration_since(made) > self.life / 2)
    }

    /// Uses this count of the nonce; false if it was used before, or is too far back to tell.
    pub(super) fn count(&mut self, now: Instant, id: NonceId, nc: u32) -> bool {
        self.forget_old(now);
        if !self.used.contains_key(&id) && self.used.len() >= self.most {
            // The oldest go: whoever still uses them is challenged again, with `stale`.
            if let Some((oldest, _)) = self.used.pop_first() {
                self.floor = self.floor.max(Some(oldest));
            }
        }
        self.used.entry(id).or_default().take(nc)
    }

    fn forget_old(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        let Some(before) = age.checked_sub(self.life) else {
            return;
        };
        let before = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
        while let Some(oldest) = self.used.first_entry() {
            if oldest.key().made >= before {
                return;
            }
            oldest.remove();
        }
    }

    fn read(&self, realm: &str, nonce: &str) -> Option<NonceId> {
        let (clear, proof) = nonce.split_at_checked(CLEAR)?;
        if !same(proof, &self.proof(clear, realm)) {
            return None;
        }
        let (made, random) = clear.split_at_checked(MADE)?;
        Some(NonceId {
            made: u64::from_str_radix(made, 16).ok()?,
            random: u64::from_str_radix(random, 16).ok()?,
        })
    }

    /// A keyed checksum. SHA-512/256 shows half of its state, so that nobody can go on hashing from
    /// it: the key in front is enough.
    fn proof(&self, clear: &str, realm: &str) -> String {
        let mut proof = Hash::Sha512T256.hex(&[&self.key, clear.as_bytes(), realm.as_bytes()]);
        proof.truncate(PROOF);
        proof
    }

    /// How many nonces are counted.
    pub(super) fn counted(&self) -> usize {
        self.used.len()
    }
}

impl Window {
    fn take(&mut self, nc: u32) -> bool {
        if nc == 0 {
            return false;
        }
        if nc > self.highest {
            let by = nc - self.highest;
            self.seen = if by < 64 { self.seen << by } else { 0 } | 1;
            self.highest = nc;
            return true;
        }
        let back = self.highest - nc;
        let bit = if back < 64 { 1_u64 << back } else { 0 };
        let free = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        free
    }
}

/// Digits of the time, of time and randomness, of the checksum (128 bits).
const MADE: usize = 12;
const CLEAR: usize = 28;
const PROOF: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(most: usize) -> (Nonces, Instant) {
        #[expect(clippy::disallowed_methods, reason = "a test starts somewhere")]
        let began = Instant::now();
        let life = Duration::from_secs(300);
        (Nonces::new([7; 32], began, life, most), began)
    }

    fn id(standing: Standing) -> NonceId {
        match standing {
            Standing::Fresh(id) => id,
            Standing::Stale => panic!("stale"),
        }
    }

    #[test]
    fn rfc7616_3_4_5_a_count_is_used_once_in_any_order_within_the_window() {
        let (mut nonces, now) = nonces(10);
        let one = nonces.make(now, "r", 1);
        let one = id(nonces.judge(now, "r", &one));
        for (nc, fresh) in [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (200, true),
            (137, true),
            (136, false),
            (0, false),
        ] {
            assert_eq!(nonces.count(now, one, nc), fresh, "{nc}");
        }
    }

    #[test]
    fn rfc7616_5_4_a_nonce_has_an_age_a_realm_and_a_maker() {
        let (nonces, now) = nonces(10);
        let nonce = nonces.make(now, "r", 1);
        assert!(matches!(nonces.judge(now, "r", &nonce), Standing::Fresh(_)));
        let old = now + Duration::from_secs(301);
        assert_eq!(nonces.judge(old, "r", &nonce), Standing::Stale);
        assert_eq!(nonces.judge(now, "other", &nonce), Standing::Stale);
        let mut forged = nonce;
        forged.replace_range(0..1, "1");
        assert_eq!(nonces.judge(now, "r", &forged), Standing::Stale);
        for text in ["", "é", "0000", &"é".repeat(40)] {
            assert_eq!(nonces.judge(now, "r", text), Standing::Stale);
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_falls_out_is_stale() {
        let (mut nonces, now) = nonces(2);
        let made: Vec<String> = (0..3)
            .map(|n| nonces.make(now + Duration::from_millis(n), "r", n))
            .collect();
        let now = now + Duration::from_secs(1);
        for nonce in &made {
            let id = id(nonces.judge(now, "r", nonce));
            assert!(nonces.count(now, id, 1));
        }
        assert_eq!(nonces.counted(), 2);
        assert_eq!(nonces.judge(now, "r", &made[0]), Standing::Stale);
        assert!(matches!(
            nonces.judge(now, "r", &made[1]),
            Standing::Fresh(_)
        ));
        let late = now + Duration::from_secs(400);
        let fresh = nonces.make(late, "r", 9);
        let fresh = id(nonces.judge(late, "r", &fresh));
        assert!(nonces.count(late, fresh, 1));
        assert_eq!(nonces.counted(), 1, "what is too old takes no room");
    }
}
