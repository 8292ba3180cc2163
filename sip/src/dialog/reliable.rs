//! Reliable provisional responses on the side that sends them: RFC 3262 §3.

use crate::endpoint::Body;
use crate::msg::StatusCode;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Provisionals waiting for PRACK, and those waiting for their turn.
#[derive(Clone, Debug)]
pub(crate) struct Reliable {
    next: u32,
    unacknowledged: Option<Unacknowledged>,
    queue: VecDeque<Provisional>,
}

/// The one provisional on its way.
#[derive(Clone, Debug)]
struct Unacknowledged {
    rseq: u32,
    bytes: Bytes,
    interval: Duration,
    body: bool,
}

/// A provisional that waits until the one before it is acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Provisional {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Body>,
}

/// More provisionals than these in a row are not kept: the later ones are left out.
const QUEUE: usize = 8;

impl Reliable {
    /// Starts counting at `first`, which RFC 3262 §3 wants random below 2³¹.
    pub(crate) fn new(first: u32) -> Self {
        Self {
            next: (first & 0x3FFF_FFFF).max(1),
            unacknowledged: None,
            queue: VecDeque::new(),
        }
    }

    /// Whether a provisional is on its way: the next has to wait (RFC 3262 §3).
    pub(crate) fn is_busy(&self) -> bool {
        self.unacknowledged.is_some()
    }

    /// The RSeq that is on its way: its PRACK may come after the final response (§3).
    pub(crate) fn outstanding(&self) -> Option<u32> {
        self.unacknowledged.as_ref().map(|sent| sent.rseq)
    }

    /// Whether a 2xx has to wait: an unacknowledged session description is on its way (§5).
    pub(crate) fn holds_success(&self) -> bool {
        self.unacknowledged.as_ref().is_some_and(|sent| sent.body)
            || self.queue.iter().any(|later| later.body.is_some())
    }

    /// The RSeq of the next provisional.
    pub(crate) fn rseq(&self) -> u32 {
        self.next
    }

    /// The provisional with the RSeq of [`Self::rseq`] was sent.
    pub(crate) fn sent(&mut self, bytes: Bytes, body: bool, interval: Duration) {
        self.unacknowledged = Some(Unacknowledged {
            rseq: self.next,
            bytes,
            interval,
            body,
        });
        self.next = self.next.wrapping_add(1);
    }

    /// Keeps a provisional for later; false if too many wait.
    pub(crate) fn queue(&mut self, provisional: Provisional) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back(provisional);
        }
        room
    }

    /// What to send again, and when the next time is: the interval doubles without a cap (§3).
    pub(crate) fn retransmit(&mut self) -> Option<(Bytes, Duration)> {
        let sent = self.unacknowledged.as_mut()?;
        sent.interval = sent.interval.saturating_mul(2);
        Some((sent.bytes.clone(), sent.interval))
    }

    /// A PRACK names this RSeq; false if nothing unacknowledged has it (§3: 481).
    pub(crate) fn acknowledge(&mut self, rseq: u32) -> bool {
        let matches = self
            .unacknowledged
            .as_ref()
            .is_some_and(|sent| sent.rseq == rseq);
        if matches {
            self.unacknowledged = None;
        }
        matches
    }

    /// The next provisional whose turn has come.
    pub(crate) fn take_next(&mut self) -> Option<Provisional> {
        if self.is_busy() {
            None
        } else {
            self.queue.pop_front()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3262_section_3_one_at_a_time_in_order() {
        let mut reliable = Reliable::new(u32::MAX);
        let first = reliable.rseq();
        assert!(first < 1 << 31, "RFC 3262 §3: the first RSeq is below 2^31");
        reliable.sent(
            Bytes::from_static(b"180"),
            false,
            Duration::from_millis(500),
        );
        assert!(reliable.is_busy() && !reliable.holds_success());
        let body = Body {
            content_type: crate::msg::Text::from_static("application/sdp"),
            octets: Bytes::from_static(b"v=0"),
        };
        let status = StatusCode::SESSION_PROGRESS;
        assert!(reliable.queue(Provisional {
            status,
            body: Some(body)
        }));
        assert!(reliable.holds_success());
        assert!(reliable.take_next().is_none());
        let (bytes, again) = reliable.retransmit().unwrap();
        assert_eq!(
            (bytes.as_ref(), again),
            (b"180".as_ref(), Duration::from_secs(1))
        );
        assert!(!reliable.acknowledge(first + 1));
        assert!(reliable.acknowledge(first));
        assert!(!reliable.acknowledge(first));
        assert_eq!(reliable.take_next().unwrap().status, status);
        assert_eq!(reliable.rseq(), first + 1);
        assert!(reliable.retransmit().is_none());
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut reliable = Reliable::new(1);
        let one = || Provisional {
            status: StatusCode::RINGING,
            body: None,
        };
        for _ in 0..QUEUE {
            assert!(reliable.queue(one()));
        }
        assert!(!reliable.queue(one()));
    }
}
