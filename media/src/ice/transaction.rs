//! A request over UDP until it is answered (RFC 8489 §6.2.1).

use std::time::{Duration, Instant};

use super::stun::TransactionId;

/// The first retransmission timeout; it doubles.
pub(super) const RTO: Duration = Duration::from_millis(500);
/// Rc: how often a request is sent.
const SENDS: u8 = 7;
/// Rm: how many timeouts are waited after the last one.
const LAST_WAIT: u32 = 16;

/// One request under way.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    bytes: Vec<u8>,
    rto: Duration,
    sent: u8,
    next: Instant,
}

/// What is due of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// Nothing yet.
    Nothing,
    /// It is to be sent again.
    Send(&'a [u8]),
    /// Nobody answered.
    Expired,
}

impl Transaction {
    /// A request that is sent for the first time when it is next asked what is due.
    pub(super) fn new(now: Instant, id: TransactionId, bytes: Vec<u8>, rto: Duration) -> Self {
        Self {
            id,
            bytes,
            rto,
            sent: 0,
            next: now,
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// What is due now.
    pub(super) fn due(&mut self, now: Instant) -> Due<'_> {
        if now < self.next {
            return Due::Nothing;
        }
        if self.sent >= SENDS {
            return Due::Expired;
        }
        self.sent += 1;
        let wait = if self.sent == SENDS {
            RTO * LAST_WAIT
        } else {
            self.rto * (1 << (self.sent - 1))
        };
        self.next = now + wait;
        Due::Send(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to begin at"
    )]
    fn rfc8489_6_2_1_sent_seven_times_and_given_up_after_39_5_seconds() {
        let start = Instant::now();
        let mut request = Transaction::new(start, TransactionId([0; 12]), vec![1], RTO);
        let (mut times, mut now) = (Vec::new(), start);
        loop {
            match request.due(now) {
                Due::Send(_) => times.push(now.duration_since(start).as_millis()),
                Due::Nothing => now = request.next(),
                Due::Expired => break,
            }
        }
        assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(now.duration_since(start).as_millis(), 39_500);
    }
}
