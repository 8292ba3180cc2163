//! What the endpoint tells the transaction user about subscriptions.

use crate::msg::{Request, Response, StatusCode, SubscriptionState, Text};

/// What happened to a subscription that we notify.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is moved once, to its user"
)]
pub enum NotifierEvent {
    /// The whole state is to be notified now (RFC 6665 §4.2.1.2): the subscription was accepted
    /// without a first notification, or refreshed. Answer with `notify`.
    Due {
        /// The SUBSCRIBE that refreshed it.
        refresh: Option<Request>,
    },
    /// The subscriber has answered a NOTIFY with 2xx. Best effort notifications have no answer.
    Delivered {
        /// How many notifications wait to be sent still.
        queued: usize,
    },
    /// It is over; nothing can be notified any more. Always the last event of a subscription.
    Ended(SubscriptionEnd),
}

/// What happened to a subscription of ours.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is moved once, to its user"
)]
pub enum SubscriberEvent {
    /// Our first SUBSCRIBE, or our REFER, got a 2xx. A body in it is the first notification
    /// (`ms-piggyback-first-notify`).
    Accepted(Response),
    /// A notification; a NOTIFY was answered with 200. With `terminated` comes `Ended`.
    Notified {
        /// Its Subscription-State.
        state: SubscriptionState,
        /// The NOTIFY or BENOTIFY.
        request: Request,
    },
    /// It is over. Always the last event of a subscription.
    Ended(SubscriptionEnd),
}

/// Why a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionEnd {
    /// We ended it (`terminate`, `unsubscribe`).
    Local,
    /// The subscriber ended it with `Expires: 0`, or had fetched the state once.
    Unsubscribed,
    /// It was not refreshed in time.
    Expired,
    /// The call it was bound to ended.
    CallEnded,
    /// The notifier ended it: the `reason`, and the seconds to wait before asking again.
    Terminated(Option<Text>, Option<u32>),
    /// Our SUBSCRIBE or REFER was refused with this status.
    Rejected(StatusCode, Text),
    /// A NOTIFY was refused with this status, or got no answer: 408, 503 (RFC 6665 §4.2.2).
    NotifyFailed(StatusCode),
    /// Nothing came back to our SUBSCRIBE or REFER, or no NOTIFY after its 2xx (timer N,
    /// RFC 6665 §4.1.2.4).
    Unreachable,
    /// The REFER was accepted without a subscription (RFC 4488).
    NoSubscription,
}
