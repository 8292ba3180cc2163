//! Nonces that prove their own age and to whom they were sent (RFC 7616 §5.4, §5.5), and how often
//! each was used (§3.4.5).

use super::algorithm::{Hash, same};
use super::checksum::Checksum;
use crate::msg::{AuthParams, HeaderName, Request};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
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

/// Why a nonce is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worthless {
    /// It is older than it may be, or so many came since that it was forgotten.
    Expired,
    /// It is not one of ours for this realm: invented, for another realm, or made before a restart.
    Foreign,
    /// It came without a count, and was used before (RFC 2069).
    UsedUp,
}

/// What a nonce is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ours and young enough.
    Fresh(NonceId),
    /// It is not.
    Stale(Worthless),
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

    /// A nonce for a challenge that is sent to `peer`.
    pub(super) fn make(&self, now: Instant, realm: &str, random: u64, peer: IpAddr) -> String {
        let made = now.saturating_duration_since(self.began).as_millis();
        let id = NonceId {
            made: u64::try_from(made).unwrap_or(u64::MAX),
            random,
        };
        let clear = format!("{:012x}{:016x}", id.made, id.random);
        let proof = self.proof(&clear, realm);
        let sent_to = self.origin().proof(&clear, peer);
        clear + &proof + &sent_to
    }

    pub(super) fn judge(&self, now: Instant, realm: &str, nonce: &str) -> Standing {
        let Some(id) = self.read(realm, nonce) else {
            return Standing::Stale(Worthless::Foreign);
        };
        let made = self.began.checked_add(Duration::from_millis(id.made));
        let young = made.is_some_and(|made| now.saturating_duration_since(made) <= self.life);
        let forgotten = self.floor.is_some_and(|floor| id <= floor) && !self.used.contains_key(&id);
        if young && !forgotten {
            Standing::Fresh(id)
        } else {
            Standing::Stale(Worthless::Expired)
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
        let (clear, rest) = nonce.split_at_checked(CLEAR)?;
        let (proof, _) = rest.split_at_checked(PROOF)?;
        if nonce.len() != CLEAR + PROOF + SENT_TO || !same(proof, &self.proof(clear, realm)) {
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

    /// What knows to whom nonces were sent.
    pub(super) fn origin(&self) -> Origin {
        Origin(Checksum::new(self.key))
    }

    /// How many nonces are counted.
    pub(super) fn counted(&self) -> usize {
        self.used.len()
    }
}

/// Knows to whom nonces were sent. Whoever brings one back gets what is sent to that address, or was
/// told by somebody who does.
#[derive(Clone)]
pub struct Origin(Checksum);

impl Origin {
    /// Whether this request brings a nonce, in one of its credentials, that was sent to this peer.
    /// How old it is does not matter, nor whether the credentials are right.
    #[must_use]
    pub fn proves(&self, request: &Request, peer: IpAddr) -> bool {
        let mut fields = request.headers.get_all(&HeaderName::Authorization);
        fields.any(|value| {
            let nonce = AuthParams::parse(value).ok();
            let nonce = nonce.and_then(|params| params.get("nonce"));
            nonce.is_some_and(|nonce| self.is_of(&nonce, peer))
        })
    }

    fn is_of(&self, nonce: &str, peer: IpAddr) -> bool {
        let parts = nonce.split_at_checked(CLEAR);
        let sent_to =
            parts.and_then(|(clear, rest)| Some((clear, rest.split_at_checked(PROOF)?.1)));
        sent_to.is_some_and(|(clear, sent_to)| same(sent_to, &self.proof(clear, peer)))
    }

    fn proof(&self, clear: &str, peer: IpAddr) -> String {
        let sum = self.0.of(b"sent to", peer, clear.as_bytes());
        format!("{sum:016x}")
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
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

/// Digits of the time, of time and randomness, of the checksum (128 bits), and of the one that says
/// to whom it was sent (64 bits).
const MADE: usize = 12;
const CLEAR: usize = 28;
const PROOF: usize = 32;
const SENT_TO: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(most: usize) -> (Nonces, Instant) {
        #[expect(clippy::disallowed_methods, reason = "a test starts somewhere")]
        let began = Instant::now();
        let life = Duration::from_secs(300);
        (Nonces::new([7; 32], began, life, most), began)
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    const FOREIGN: Standing = Standing::Stale(Worthless::Foreign);
    const EXPIRED: Standing = Standing::Stale(Worthless::Expired);

    #[test]
    fn a_nonce_tells_to_whom_it_was_sent() {
        let (nonces, now) = nonces(10);
        let nonce = nonces.make(now, "r", 1, PEER);
        let origin = nonces.origin();
        assert!(origin.is_of(&nonce, PEER));
        assert!(origin.is_of(&nonce, "::ffff:192.0.2.7".parse().unwrap()));
        assert!(!origin.is_of(&nonce, "192.0.2.8".parse().unwrap()));
        let other = nonces.make(now, "r", 2, "192.0.2.8".parse().unwrap());
        let mixed = format!("{}{}", &nonce[..60], &other[60..]);
        assert!(!origin.is_of(&mixed, PEER) && !origin.is_of(&mixed, "192.0.2.8".parse().unwrap()));
        assert_eq!(nonces.judge(now, "r", &nonce[..60]), FOREIGN);
    }

    fn id(standing: Standing) -> NonceId {
        match standing {
            Standing::Fresh(id) => id,
            Standing::Stale(_) => panic!("stale"),
        }
    }

    #[test]
    fn rfc7616_3_4_5_a_count_is_used_once_in_any_order_within_the_window() {
        let (mut nonces, now) = nonces(10);
        let one = nonces.make(now, "r", 1, PEER);
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
        let nonce = nonces.make(now, "r", 1, PEER);
        assert!(matches!(nonces.judge(now, "r", &nonce), Standing::Fresh(_)));
        let old = now + Duration::from_secs(301);
        assert_eq!(nonces.judge(old, "r", &nonce), EXPIRED);
        assert_eq!(nonces.judge(now, "other", &nonce), FOREIGN);
        let mut forged = nonce;
        forged.replace_range(0..1, "1");
        assert_eq!(nonces.judge(now, "r", &forged), FOREIGN);
        for text in ["", "é", "0000", &"é".repeat(40)] {
            assert_eq!(nonces.judge(now, "r", text), FOREIGN);
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_falls_out_is_stale() {
        let (mut nonces, now) = nonces(2);
        let made: Vec<String> = (0..3)
            .map(|n| nonces.make(now + Duration::from_millis(n), "r", n, PEER))
            .collect();
        let now = now + Duration::from_secs(1);
        for nonce in &made {
            let id = id(nonces.judge(now, "r", nonce));
            assert!(nonces.count(now, id, 1));
        }
        assert_eq!(nonces.counted(), 2);
        assert_eq!(nonces.judge(now, "r", &made[0]), EXPIRED);
        assert!(matches!(
            nonces.judge(now, "r", &made[1]),
            Standing::Fresh(_)
        ));
        let late = now + Duration::from_secs(400);
        let fresh = nonces.make(late, "r", 9, PEER);
        let fresh = id(nonces.judge(late, "r", &fresh));
        assert!(nonces.count(late, fresh, 1));
        assert_eq!(nonces.counted(), 1, "what is too old takes no room");
    }
}
