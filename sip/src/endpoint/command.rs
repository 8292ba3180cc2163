//! What the transaction user tells the endpoint.

use super::{Body, Target, Via};
use crate::auth::Credentials;
use crate::msg::{Headers, Host, Method, NameAddr, Params, StatusCode, Text, Uri};
use thiserror::Error;

/// A command that cannot be obeyed; nothing was changed or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The usage or transaction is over, or its answer was given already. Races make this
    /// ordinary: a CANCEL, BYE or timeout may have come first.
    #[error("the usage or transaction is over")]
    Gone,
    /// The usage is not in a state for this (a modify before the call is up, a cancel of a call
    /// that is up).
    #[error("not possible in this state of the call")]
    WrongState,
    /// Another offer or refresh is under way, ours or the peer's; try after its end.
    #[error("an offer/answer exchange is under way")]
    Pending,
    /// The message has to carry an offer or answer (RFC 3264) and none was given.
    #[error("a session description is owed here")]
    BodyMissing,
    /// The message may not carry a session description here (RFC 6337 §2.2).
    #[error("a session description is not allowed here")]
    BodyUnexpected,
    /// The status is not one this command sends.
    #[error("this status cannot be sent here")]
    BadStatus,
}

/// What of a Contact is the transaction user's; host, port and transport are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The user part, escaped where it must be.
    pub user: Option<Text>,
    /// The parameters behind the address: `isfocus`, `+sip.instance` and the like.
    pub params: Params,
    /// The parameters of the URI, besides `transport`.
    pub uri_params: Params,
    /// The host and port instead of ours: how a peer behind an address translation sees us.
    pub seen_as: Option<(Host, Option<u16>)>,
}

/// How a request of ours gets to where it belongs.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Where the next hop is, best first, for who has resolved it already; none: the endpoint has
    /// it resolved (RFC 3263).
    pub targets: Vec<Target>,
    /// Flows and places that are known to lead there, tried before `targets`: what a registered
    /// user has opened (RFC 5626 §5.3).
    pub ways: Vec<Via>,
    /// Other places an INVITE rings at, at the same time.
    pub forks: Vec<Branch>,
    /// What a 401 or 407 to it, and to what follows in its dialog, is answered with.
    pub credentials: Credentials,
    /// An INVITE whose final failure the transaction user decides about: it gets
    /// [`Event::Refused`](super::Event::Refused), and calls another way with `invite_instead` or
    /// ends it with `give_up`.
    pub another_way: bool,
}

/// Another place at which a call rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The Request-URI.
    pub uri: Uri,
    /// The route set, first hop first.
    pub route: Vec<NameAddr>,
    /// As in [`Reach`].
    pub ways: Vec<Via>,
}

/// How an INVITE is accepted.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// The answer, or the offer if the INVITE had none. `None` only if the answer went out in an
    /// acknowledged reliable provisional.
    pub body: Option<Body>,
    /// More header fields of the 200.
    pub headers: Headers,
    /// Our Contact from here on; `None`: the user part of the Request-URI.
    pub contact: Option<Contact>,
    /// The bodies of this call are no session descriptions: no rule of offer and answer applies to
    /// any of its messages (RFC 3264 §1), and a body is neither owed nor repeated in a refresh.
    pub no_session: bool,
    /// The peer refreshes the session if it supports that at all, whatever refresher it asked for;
    /// every 2xx of this call then carries a `Session-Expires` (MS-CONFBAS §3.2.5.2.1).
    pub peer_refreshes: bool,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The Request-URI.
    pub uri: Uri,
    /// Who is called; a tag in it is ignored.
    pub to: NameAddr,
    /// Who calls; the tag is ours to set.
    pub from: NameAddr,
    /// Our Contact; `None`: the user part of `from`.
    pub contact: Option<Contact>,
    /// The offer; `None` asks the peer for one, and `acknowledge` answers it.
    pub body: Option<Body>,
    /// More header fields: `Replaces`, `Referred-By`, `Subject` and the like.
    pub headers: Headers,
    /// A pre-loaded route set (§8.1.2): outbound proxies, first hop first.
    pub route: Vec<NameAddr>,
    /// As in [`Accept`]: the bodies of this call are no session descriptions.
    pub no_session: bool,
    /// How it gets there.
    pub reach: Reach,
}

/// A request outside any dialog, not INVITE, ACK, CANCEL or BYE.
#[derive(Clone, Debug)]
pub struct OutOfDialog {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The To; a tag in it is kept, for dialogs the transaction user keeps itself (RFC 6665).
    pub to: NameAddr,
    /// The From; it gets a tag if it has none.
    pub from: NameAddr,
    /// More header fields. `Call-ID`, `CSeq` (its number) and `Contact` here replace ours.
    pub headers: Headers,
    /// The body.
    pub body: Option<Body>,
    /// The route set, first hop first.
    pub route: Vec<NameAddr>,
    /// Our Contact; `None`: the user part of `from`, where the method has one.
    pub contact: Option<Contact>,
    /// How it gets there.
    pub reach: Reach,
}

/// The answer to a request: what `respond_with`, `respond_modify` and `reject` send.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase; `None`: the status's own.
    pub reason: Option<Text>,
    /// More header fields: `Warning`, `Reason`, `Retry-After`, `Contact` and the like.
    pub headers: Headers,
    /// The body.
    pub body: Option<Body>,
}

impl Answer {
    /// The bare status.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: None,
            headers: Headers::default(),
            body: None,
        }
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: Option<Body>) -> Self {
        self.body = body;
        self
    }
}

/// How much is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// INVITE usages, from INVITE to `Ended`.
    pub usages: usize,
    /// BYEs of ours without a final answer; their calls are no usages any more.
    pub byes: usize,
    /// Of the usages, the incoming ones not confirmed by an ACK.
    pub half_open: usize,
    /// Subscriptions that we notify, until their last notification is answered.
    pub notifiers: usize,
    /// Subscriptions of ours.
    pub subscribers: usize,
    /// Dialogs of subscriptions without a call.
    pub dialogs: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions, those waiting for the resolver included.
    pub client_transactions: usize,
}
