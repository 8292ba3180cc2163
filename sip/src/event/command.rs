//! What the transaction user tells the endpoint about subscriptions.

use crate::endpoint::{Body, Contact};
use crate::id::InviteId;
use crate::msg::{Headers, NameAddr, StatusCode, Text, Uri};

/// Whether a subscriber may see the state already (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Somebody has still to decide; what is notified says nothing.
    Pending,
    /// It may.
    #[default]
    Active,
}

/// A call whose end is the end of a subscription too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The call.
    pub to: InviteId,
    /// The `reason` of the last notification, when the call ended without a `terminate` before.
    pub reason: Text,
}

/// How a SUBSCRIBE is accepted.
#[derive(Clone, Debug, Default)]
pub struct AcceptSubscription {
    /// Pending or active.
    pub standing: Standing,
    /// The longest time it may last, in seconds; `None`: as asked and configured.
    pub expires: Option<u32>,
    /// The first notification. It leaves directly behind the 200, or within it where the
    /// subscriber supports `ms-piggyback-first-notify`. `None`: it is asked for by
    /// [`NotifierEvent::Due`](super::report::NotifierEvent::Due).
    pub first: Option<Notification>,
    /// Our Contact; `None`: the call's, or the user part of the Request-URI.
    pub contact: Option<Contact>,
    /// More header fields of the 200.
    pub headers: Headers,
    /// The call it ends with.
    pub bound: Option<Bound>,
}

/// How a REFER is accepted.
#[derive(Clone, Debug)]
pub struct AcceptRefer {
    /// 202, or 200 (RFC 7647 §4).
    pub status: StatusCode,
    /// The referrer must not be told how it goes: `Refer-Sub: false` (RFC 4488), if it allows that.
    pub silent: bool,
    /// Our Contact; `None`: the call's, or the user part of the Request-URI.
    pub contact: Option<Contact>,
    /// More header fields of the response.
    pub headers: Headers,
}

impl Default for AcceptRefer {
    fn default() -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            silent: false,
            contact: None,
            headers: Headers::new(),
        }
    }
}

/// What is notified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// From here on pending or active; `None`: as before.
    pub standing: Option<Standing>,
    /// More header fields.
    pub headers: Headers,
    /// The state; its octets are shared, not copied.
    pub body: Option<Body>,
}

impl Notification {
    /// Of this state, with nothing else.
    pub fn of(body: Body) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }
}

/// How a subscription is ended by the notifier (RFC 6665 §4.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Termination {
    /// The `reason`: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`,
    /// `invariant`, or one of an extension.
    pub reason: Text,
    /// Seconds to wait before subscribing again; only with `probation`, `giveup` and unknown ones.
    pub retry_after: Option<u32>,
    /// More header fields of the last notification.
    pub headers: Headers,
    /// The last state.
    pub body: Option<Body>,
}

impl Termination {
    /// For this reason, with nothing else.
    pub fn new(reason: impl Into<Text>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }
}

/// A subscription to make outside any dialog.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The Request-URI.
    pub uri: Uri,
    /// Whose state; a tag in it is ignored.
    pub to: NameAddr,
    /// Who asks; the tag is ours to set.
    pub from: NameAddr,
    /// Our Contact; `None`: the user part of `from`.
    pub contact: Option<Contact>,
    /// A pre-loaded route set, first hop first.
    pub route: Vec<NameAddr>,
    /// What is asked for.
    pub wish: Wish,
}

/// What a subscription asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The Event header field: the package, with an `id` where several are in one dialog.
    pub event: Text,
    /// Seconds; 0 fetches the state once.
    pub expires: u32,
    /// More header fields of every SUBSCRIBE: `Accept`, `Supported` and the like.
    pub headers: Headers,
    /// The body of every SUBSCRIBE: a filter.
    pub body: Option<Body>,
}

/// A REFER to send outside any dialog.
#[derive(Clone, Debug)]
pub struct Refer {
    /// The Request-URI.
    pub uri: Uri,
    /// Who is referred; a tag in it is ignored.
    pub to: NameAddr,
    /// Who refers; the tag is ours to set.
    pub from: NameAddr,
    /// Our Contact; `None`: the user part of `from`.
    pub contact: Option<Contact>,
    /// A pre-loaded route set, first hop first.
    pub route: Vec<NameAddr>,
    /// To whom.
    pub refer_to: NameAddr,
    /// More header fields: `Referred-By`, `Refer-Sub` and the like.
    pub headers: Headers,
}
