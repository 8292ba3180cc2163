//! The timers of RFC 3261 §17 (table 4), RFC 6026 §7 and of the usages, and the table they run in.

use crate::id::{ClientTxId, InviteId, NotifierId, ServerTxId, SubscriberId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A timer. The letters are those of RFC 3261 table 4; each comment says what expiry means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Send the INVITE again (§17.1.1.2).
    A,
    /// Nothing came back to the INVITE (§17.1.1.2).
    B,
    /// No more retransmissions of a failure response can come (§17.1.1.2).
    D,
    /// Send the non-INVITE request again (§17.1.2.2).
    E,
    /// Nothing final came back to the non-INVITE request (§17.1.2.2).
    F,
    /// Send the INVITE's failure response again (§17.2.1).
    G,
    /// No ACK came for the failure response (§17.2.1).
    H,
    /// No more retransmissions of the ACK can come (§17.2.1).
    I,
    /// No more retransmissions of the non-INVITE request can come (§17.2.2).
    J,
    /// No more retransmissions of the non-INVITE response can come (§17.1.2.2).
    K,
    /// No more retransmissions of the INVITE can come after a 2xx (RFC 6026 §7.1).
    L,
    /// No more 2xx can come from other branches of a fork (RFC 6026 §7.2).
    M,
    /// The transaction user has not answered the INVITE in 200 ms: send 100 (§17.2.1).
    Trying,
    /// Send the 2xx to an INVITE again (§13.3.1.4).
    Success,
    /// Send the reliable provisional again (RFC 3262 §3).
    Reliable,
    /// No PRACK came for the reliable provisional (RFC 3262 §3).
    ReliableEnd,
    /// Say again that the INVITE is still being worked on (§13.3.1.1).
    Progress,
    /// The INVITE is not answered finally in time (our bound, or its `Expires`).
    Ringing,
    /// No final response came for the INVITE we cancelled (§9.1).
    Cancel,
    /// Try again after a 491 (§14.1).
    Glare,
    /// No NOTIFY came to our SUBSCRIBE (RFC 6665 §4.1.2.4).
    N,
    /// The subscription was not refreshed (RFC 6665 §4.2.2, §4.1.2.2).
    Expires,
    /// Send the NOTIFY again that the subscriber wanted later (RFC 6665 §4.2.2).
    Retry,
    /// Refresh the session (RFC 4028 §7.2) or the subscription (RFC 6665 §4.1.2.2).
    Refresh,
    /// The connection of a call without media broke, or the question whether the peer is still
    /// there has had its time (RFC 5057 §5.1).
    Reconnect,
    /// The session was not refreshed (RFC 4028 §10).
    Session,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Client(ClientTxId),
    Server(ServerTxId),
    Usage(InviteId),
    Notifier(NotifierId),
    Subscriber(SubscriberId),
}

/// T1, T2 and T4 of RFC 3261 §17.1.1.1 and §17.1.2.1, and what we wait for beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The round-trip estimate, 500 ms by default.
    pub t1: Duration,
    /// The longest retransmission interval, 4 s by default.
    pub t2: Duration,
    /// How long a message stays in the network, 5 s by default.
    pub t4: Duration,
    /// How long a call without media may do without the connection it came over, 5 s by default:
    /// first for a request of the peer over another one, then for an answer to ours.
    pub reconnect: Duration,
}

impl Times {
    /// 64·T1: how long a transaction waits for the other side.
    pub fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Twice the interval, at most T2 (§17.1.2.2, §17.2.1).
    pub(crate) fn doubled(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            reconnect: Duration::from_secs(5),
        }
    }
}

/// All running timers; every operation is logarithmic in their number.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    due: BTreeSet<(Instant, Owner, Timer)>,
    running: BTreeMap<(Owner, Timer), Instant>,
}

impl TimerTable {
    /// Starts the timer, or moves it if it runs already.
    pub(crate) fn set(&mut self, owner: Owner, timer: Timer, at: Instant) {
        if let Some(before) = self.running.insert((owner, timer), at) {
            self.due.remove(&(before, owner, timer));
        }
        self.due.insert((at, owner, timer));
    }

    /// Stops the timer if it runs.
    pub(crate) fn clear(&mut self, owner: Owner, timer: Timer) {
        if let Some(at) = self.running.remove(&(owner, timer)) {
            self.due.remove(&(at, owner, timer));
        }
    }

    /// Stops every timer of `owner`.
    pub(crate) fn clear_all(&mut self, owner: Owner) {
        while let Some((&key, _)) = self
            .running
            .range((owner, Timer::A)..=(owner, Timer::Session))
            .next()
        {
            self.clear(key.0, key.1);
        }
    }

    /// Whether the timer runs.
    pub(crate) fn is_set(&self, owner: Owner, timer: Timer) -> bool {
        self.running.contains_key(&(owner, timer))
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Takes the next timer that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Owner, Timer)> {
        let &(at, owner, timer) = self.due.first()?;
        if at > now {
            return None;
        }
        self.clear(owner, timer);
        Some((owner, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the origin"
        )]
        Instant::now()
    }

    #[test]
    fn timers_come_in_the_order_of_their_instants() {
        let (now, mut table) = (start(), TimerTable::default());
        let owner = Owner::Client(ClientTxId(1));
        let at = |ms| now + Duration::from_millis(ms);
        table.set(owner, Timer::B, at(30));
        table.set(owner, Timer::A, at(10));
        table.set(Owner::Usage(InviteId(1)), Timer::Session, at(20));
        table.set(owner, Timer::A, at(25));
        assert_eq!(table.next(), Some(at(20)));
        assert_eq!(table.pop(at(19)), None);
        assert_eq!(
            table.pop(at(99)),
            Some((Owner::Usage(InviteId(1)), Timer::Session))
        );
        assert_eq!(table.pop(at(99)), Some((owner, Timer::A)));
        assert_eq!(table.pop(at(99)), Some((owner, Timer::B)));
        assert_eq!(table.pop(at(99)), None);
    }

    #[test]
    fn clearing_an_owner_leaves_the_others() {
        let (now, mut table) = (start(), TimerTable::default());
        let (gone, left) = (Owner::Server(ServerTxId(1)), Owner::Server(ServerTxId(2)));
        for timer in [Timer::G, Timer::H, Timer::Session, Timer::A] {
            table.set(gone, timer, now);
            table.set(left, timer, now);
        }
        table.clear_all(gone);
        table.clear(left, Timer::G);
        let mut seen = Vec::new();
        while let Some((owner, timer)) = table.pop(now) {
            assert_eq!(owner, left);
            seen.push(timer);
        }
        assert_eq!(seen, [Timer::A, Timer::H, Timer::Session]);
        assert_eq!(table.next(), None);
    }
}
