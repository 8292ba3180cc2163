//! The way of notifications to one subscriber: RFC 6665 §4.2.2. One NOTIFY at a time; its answer
//! decides whether the next one follows, the same one is sent again, or the subscription is over.

use crate::msg::StatusCode;
use std::time::Duration;

/// A NOTIFY that is put off this often by `Retry-After` has failed.
const TRIES: u8 = 5;

/// Where the notification at hand is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is none: the next one may be sent.
    #[default]
    Idle,
    /// It was sent and is not answered.
    Outstanding(u8),
    /// The subscriber wants it later (`Retry-After`).
    Held(u8),
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next one may be sent.
    Delivered,
    /// The same one is to be sent again after this time.
    Again(Duration),
    /// The subscription is over.
    Failed,
    /// It is no answer to what is outstanding.
    Nothing,
}

impl Delivery {
    /// A notification leaves (§4.2.2): "a notifier MUST NOT send a NOTIFY before the response to
    /// the one before"; the caller has asked [`Self::is_free`].
    pub(crate) fn sent(self) -> Self {
        match self {
            Self::Idle => Self::Outstanding(1),
            Self::Held(tries) => Self::Outstanding(tries.saturating_add(1)),
            Self::Outstanding(tries) => Self::Outstanding(tries),
        }
    }

    /// Whether the next notification may be sent.
    pub(crate) fn is_free(self) -> bool {
        self == Self::Idle
    }

    /// The answer came, or what stands for it (§4.2.2): only a `Retry-After` keeps a subscription
    /// alive that refuses its notification, and only while it lasts.
    pub(crate) fn answered(
        self,
        status: StatusCode,
        retry_after: Option<Duration>,
        remaining: Duration,
    ) -> (Self, Verdict) {
        let Self::Outstanding(tries) = self else {
            return (self, Verdict::Nothing);
        };
        if status.is_success() {
            return (Self::Idle, Verdict::Delivered);
        }
        match retry_after {
            Some(after) if after < remaining && tries < TRIES && status.is_failure() => {
                (Self::Held(tries), Verdict::Again(after))
            }
            Some(_) | None => (Self::Idle, Verdict::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rfc6665_4_2_2_what_the_answer_to_a_notify_means() {
        let (idle, held) = (Delivery::Idle, Delivery::Held(1));
        let cases = [
            (200, None, 60, idle, Verdict::Delivered),
            (202, Some(5), 60, idle, Verdict::Delivered),
            (302, Some(5), 60, idle, Verdict::Failed),
            (404, None, 60, idle, Verdict::Failed),
            (408, None, 60, idle, Verdict::Failed),
            (481, None, 60, idle, Verdict::Failed),
            (503, None, 60, idle, Verdict::Failed),
            (503, Some(5), 60, held, Verdict::Again(seconds(5))),
            (500, Some(0), 60, held, Verdict::Again(seconds(0))),
            (603, Some(59), 60, held, Verdict::Again(seconds(59))),
            (503, Some(60), 60, idle, Verdict::Failed),
            (503, Some(5), 0, idle, Verdict::Failed),
        ];
        for (status, after, remaining, next, verdict) in cases {
            let code = StatusCode::new(status).unwrap();
            let got =
                Delivery::Outstanding(1).answered(code, after.map(seconds), seconds(remaining));
            assert_eq!(got, (next, verdict), "{status} {after:?} {remaining}");
        }
    }

    #[test]
    fn a_notification_is_put_off_five_times_at_most() {
        let (mut state, mut put_off) = (Delivery::Idle, 0);
        let verdict = loop {
            state = state.sent();
            assert!(!state.is_free());
            let busy = StatusCode::SERVICE_UNAVAILABLE;
            let (next, verdict) = state.answered(busy, Some(seconds(1)), seconds(3600));
            state = next;
            match verdict {
                Verdict::Again(_) => put_off += 1,
                other @ (Verdict::Delivered | Verdict::Failed | Verdict::Nothing) => break other,
            }
        };
        assert_eq!(
            (verdict, put_off, state),
            (Verdict::Failed, 4, Delivery::Idle)
        );
    }

    #[test]
    fn an_answer_to_nothing_changes_nothing() {
        for state in [Delivery::Idle, Delivery::Held(2)] {
            let got = state.answered(StatusCode::OK, None, seconds(60));
            assert_eq!(got, (state, Verdict::Nothing));
        }
    }
}
