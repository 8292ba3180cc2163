//! A subscription that we notify: RFC 6665 §4.2.
//!
//! | state | notifications | leaves it by |
//! |---|---|---|
//! | `Alive(Pending)` | say nothing | activation, expiry, end |
//! | `Alive(Active)` | tell the state | expiry, end |
//! | `Fetched` | the only one is the last | the answer to it |
//! | `Ending` | the last is queued or on its way | the answer to it |

use super::command::{Notification, Standing, Termination};
use super::delivery::Delivery;
use super::{Holder, Key};
use crate::endpoint::Body;
use crate::id::{FlowId, InviteId};
use crate::msg::{Headers, Text};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A subscription that we notify.
#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) home: Holder,
    pub(crate) key: Key,
    /// The Event header field of its notifications.
    pub(crate) event: Text,
    pub(crate) stage: Stage,
    pub(crate) expires: Instant,
    pub(crate) mode: Mode,
    pub(crate) bound: Option<(InviteId, Text)>,
    /// The stream its best effort notifications leave on.
    pub(crate) flow: Option<FlowId>,
    pub(crate) delivery: Delivery,
    /// The notification at hand, for sending it again.
    pub(crate) current: Option<Item>,
    pub(crate) queue: VecDeque<Item>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Alive(Standing),
    Fetched,
    Ending,
}

/// How its notifications travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// NOTIFY: a transaction each.
    Notify,
    /// BENOTIFY: nothing comes back ([MS-SIP] best effort notify).
    BestEffort,
}

/// A notification on its way.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
    pub(crate) last: Option<Last>,
}

/// What the last notification says.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    reason: Text,
    retry_after: Option<u32>,
}

impl From<Notification> for Item {
    fn from(notification: Notification) -> Self {
        Self {
            headers: notification.headers,
            body: notification.body,
            last: None,
        }
    }
}

impl From<Termination> for Item {
    fn from(termination: Termination) -> Self {
        Self {
            headers: termination.headers,
            body: termination.body,
            last: Some(Last {
                reason: termination.reason,
                retry_after: termination.retry_after,
            }),
        }
    }
}

impl Item {
    /// The only notification of a fetch (RFC 6665 §4.4.3) is the last.
    pub(crate) fn ends_fetch(mut self) -> Self {
        self.last = Some(Last {
            reason: Text::from_static("timeout"),
            retry_after: None,
        });
        self
    }
}

impl Notifier {
    /// What is left of it.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.expires.saturating_duration_since(now)
    }

    /// The Subscription-State of a notification that leaves now (RFC 6665 §4.1.3, §8.2.3).
    pub(crate) fn state(&self, now: Instant, last: Option<&Last>) -> Text {
        let mut value = String::with_capacity(48);
        match last {
            None => {
                let standing = match self.stage {
                    Stage::Alive(Standing::Pending) => "pending",
                    Stage::Alive(Standing::Active) | Stage::Fetched | Stage::Ending => "active",
                };
                let left = seconds(self.remaining(now));
                // Writing to a String does not fail.
                write!(value, "{standing};expires={left}").unwrap_or_default();
            }
            Some(last) => {
                value.push_str("terminated;expires=0");
                if !last.reason.is_empty() {
                    write!(value, ";reason={}", last.reason).unwrap_or_default();
                }
                if let Some(after) = last.retry_after {
                    write!(value, ";retry-after={after}").unwrap_or_default();
                }
            }
        }
        Text::from(value)
    }

    /// Whether the transaction user may notify and terminate it.
    pub(crate) fn is_open(&self) -> bool {
        match self.stage {
            Stage::Alive(_) | Stage::Fetched => true,
            Stage::Ending => false,
        }
    }

    /// The next notification, if it may leave now.
    pub(crate) fn next(&mut self) -> Option<Item> {
        if !self.delivery.is_free() {
            return None;
        }
        self.queue.pop_front()
    }
}

/// Whole seconds, rounded up: a subscription that lives is never said to have none left.
pub(crate) fn seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// The time to live that is granted (RFC 6665 §4.2.1.1), or the least that would be.
pub(crate) fn grant(asked: u32, least: u32, most: u32) -> Result<u32, u32> {
    // "MUST NOT" refuse an hour or more as too brief, and 0 is no duration.
    if asked != 0 && asked < least && asked < 3600 {
        return Err(least);
    }
    Ok(asked.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DialogId;

    fn notifier(stage: Stage, now: Instant, left: u64) -> Notifier {
        Notifier {
            home: Holder::Alone(DialogId(1)),
            key: Key::refer(1),
            event: Text::from_static("refer"),
            stage,
            expires: now + Duration::from_millis(left),
            mode: Mode::Notify,
            bound: None,
            flow: None,
            delivery: Delivery::Idle,
            current: None,
            queue: VecDeque::new(),
        }
    }

    /// RFC 6665 §8.2.3, and what [MS-SIP] clients read of it.
    #[test]
    fn rfc6665_8_2_3_the_state_of_every_notification() {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the origin"
        )]
        let now = Instant::now();
        let (active, pending) = (
            Stage::Alive(Standing::Active),
            Stage::Alive(Standing::Pending),
        );
        let last = |reason, after| {
            Some(Termination {
                retry_after: after,
                ..Termination::new(reason)
            })
        };
        let cases = [
            (active, 60_000, None, "active;expires=60"),
            (active, 59_001, None, "active;expires=60"),
            (active, 1, None, "active;expires=1"),
            (active, 0, None, "active;expires=0"),
            (pending, 5_000, None, "pending;expires=5"),
            (
                Stage::Ending,
                5_000,
                last("noresource", None),
                "terminated;expires=0;reason=noresource",
            ),
            (
                Stage::Ending,
                0,
                last("probation", Some(30)),
                "terminated;expires=0;reason=probation;retry-after=30",
            ),
            (Stage::Ending, 0, last("", None), "terminated;expires=0"),
        ];
        for (stage, left, termination, want) in cases {
            let last = termination.and_then(|termination| Item::from(termination).last);
            let got = notifier(stage, now, left).state(now, last.as_ref());
            assert_eq!(got, want);
        }
    }

    #[test]
    fn rfc6665_4_2_1_1_the_time_that_is_granted() {
        let cases = [
            (0, 60, 7200, Ok(0)),
            (59, 60, 7200, Err(60)),
            (60, 60, 7200, Ok(60)),
            (9000, 60, 7200, Ok(7200)),
            (3600, 5000, 7200, Ok(3600)),
            (3599, 5000, 7200, Err(5000)),
            (u32::MAX, 60, 7200, Ok(7200)),
        ];
        for (asked, least, most, want) in cases {
            assert_eq!(grant(asked, least, most), want, "{asked}");
        }
    }
}
