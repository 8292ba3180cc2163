//! A subscription of ours: RFC 6665 §4.1.
//!
//! | state | waits for | leaves it by |
//! |---|---|---|
//! | `Asking` | the answer to the SUBSCRIBE or REFER | 2xx, NOTIFY, failure |
//! | `Waiting` | the first NOTIFY (timer N, §4.1.2.4) | NOTIFY, timer N |
//! | `Alive` | NOTIFYs, and the time to refresh | expiry, refusal, `terminated` |
//! | `Leaving` | the last NOTIFY, after `Expires: 0` | NOTIFY, timer N |

use super::command::Wish;
use super::{Holder, Key};
use crate::id::ClientTxId;
use crate::msg::{Method, Request, StatusCode};
use std::time::Duration;

/// A subscription of ours.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) home: Holder,
    pub(crate) key: Key,
    /// SUBSCRIBE, or the REFER that made it.
    pub(crate) method: Method,
    /// What every SUBSCRIBE says.
    pub(crate) wish: Wish,
    pub(crate) stage: Stage,
    /// The SUBSCRIBE or REFER that is not answered.
    pub(crate) tx: Option<ClientTxId>,
    /// The request that asked first, as long as no answer has made its dialog.
    pub(crate) first: Option<Box<Request>>,
    /// A 2xx came.
    pub(crate) accepted: bool,
    /// It is to be ended as soon as it can be.
    pub(crate) unwanted: bool,
    /// It was asked for again, with the time that a 423 named.
    pub(crate) raised: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Asking,
    Waiting,
    Alive,
    Leaving,
}

/// What a refused SUBSCRIBE inside the dialog means (RFC 6665 §4.1.2.2).
pub(crate) fn ends_subscription(status: StatusCode) -> bool {
    matches!(
        status.code(),
        404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604
    )
}

/// When to refresh: early enough for a transaction to run its time out, but not before half of it.
pub(crate) fn refresh_after(expires: u32, patience: Duration) -> Duration {
    let whole = Duration::from_secs(u64::from(expires));
    whole.saturating_sub(patience).max(whole / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6665_4_1_2_2_a_refresh_leaves_time_for_its_transaction() {
        let patience = Duration::from_secs(32);
        for (expires, after) in [(0, 0), (20, 10), (64, 32), (100, 68), (3600, 3568)] {
            let got = refresh_after(expires, patience);
            assert_eq!(got, Duration::from_secs(after), "{expires}");
        }
    }

    #[test]
    fn rfc6665_4_1_2_2_which_refusals_end_a_subscription() {
        for (code, ends) in [
            (400, false),
            (404, true),
            (408, false),
            (481, true),
            (486, false),
            (489, true),
            (500, false),
            (503, false),
            (604, true),
        ] {
            let status = StatusCode::new(code).unwrap();
            assert_eq!(ends_subscription(status), ends, "{code}");
        }
    }
}
