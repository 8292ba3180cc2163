//! What goes in and out of the endpoint.

use crate::event::report::{NotifierEvent, SubscriberEvent};
use crate::id::{ClientTxId, FlowId, InviteId, NotifierId, ResolveId, ServerTxId, SubscriberId};
use crate::msg::{Method, Request, Response, StatusCode, Text, Uri};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The transport of a flow (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the transports")]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// A stream delivers what it accepts: no retransmission timers run on it (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// The octets are secured on the way (RFC 3261 §26.2.1).
    pub fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Ws => false,
        }
    }

    /// A WebSocket, which the browser alone can open (RFC 7118 §5).
    pub fn is_web(self) -> bool {
        match self {
            Self::Ws | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Tls => false,
        }
    }

    /// Its name in a Via (RFC 3261 §20.42, RFC 7118 §5.2).
    pub fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The port meant where none is written (RFC 3261 §19.1.2, RFC 7118 §5).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// Where a message came from, and where its answer goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// Our address on it, as the kernel sees it.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// A place to send to, as RFC 3263 found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub remote: SocketAddr,
}

/// How bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// On this flow, by its id; if it is a closed stream, on a new one to its `remote`, which is
    /// then the port of the peer's Via and not the one it connected from (§18.2.2).
    Flow(Flow),
    /// To this target, on an existing connection to it or a new one.
    Target(Target),
}

/// A body and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// `application/sdp` and the like.
    pub content_type: Text,
    /// The octets.
    pub octets: Bytes,
}

/// What [`Endpoint::poll_output`](super::Endpoint::poll_output) answers.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is moved once, to its user"
)]
pub enum Output {
    /// Send these octets. `tx` comes back in `handle_send_failed` when they cannot be sent.
    Transmit {
        /// How.
        via: Via,
        /// Whose certificate a TLS connection of ours has to show: the host of the next hop as it
        /// was asked for, before any resolution (RFC 5922 §4). `None`: none is opened for this.
        domain: Option<Text>,
        /// What.
        bytes: Bytes,
        /// For the failure report.
        tx: Option<ClientTxId>,
    },
    /// Find where to send a request for this URI (RFC 3263); answer with `handle_resolved`.
    Resolve {
        /// Comes back.
        id: ResolveId,
        /// The next hop: topmost Route or Request-URI.
        uri: Uri,
    },
    /// The peer of this stream has promised to be heard that often (RFC 5626 §4.4): a flow that is
    /// silent for longer has failed, and is to be closed.
    ExpectHeard {
        /// Which.
        flow: FlowId,
        /// The longest silence, from the last octets that came.
        within: Duration,
    },
    /// For the transaction user.
    Event(Event),
    /// Nothing more until this instant, or until something is handled. `None`: no timer runs.
    Timeout(Option<Instant>),
}

/// What happened, for the transaction user.
#[derive(Debug)]
pub enum Event {
    /// An INVITE outside any dialog. A 100 is sent by itself after 200 ms.
    /// Answer with `progress`, `accept`, `reject` or `redirect`.
    Invite {
        /// The new usage.
        id: InviteId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The INVITE was cancelled or timed out before a final answer; 487 was sent. `Ended` follows.
    Cancelled {
        /// Which.
        id: InviteId,
    },
    /// The reliable provisional (RFC 3262) was acknowledged by PRACK, with an answer if ours was
    /// an offer, or with an offer of the peer's.
    Pracked {
        /// Which.
        id: InviteId,
        /// Set if the PRACK carries an offer: answer with `respond_modify`. Else it is answered.
        tx: Option<ServerTxId>,
        /// Its body.
        body: Option<Body>,
    },
    /// The 2xx was acknowledged, with an answer if our 2xx carried the offer.
    Acked {
        /// Which.
        id: InviteId,
        /// Our tag in its dialog (RFC 3261 §12.1.1).
        local_tag: Text,
        /// Its body.
        body: Option<Body>,
    },
    /// A re-INVITE or UPDATE (target refresh, new offer, or a bare session refresh).
    /// Answer with `respond_modify`.
    Modify {
        /// Which.
        id: InviteId,
        /// To answer.
        tx: ServerTxId,
        /// `Invite` or `Update`.
        method: Method,
        /// The offer; none in a re-INVITE asks us for one.
        body: Option<Body>,
        /// The whole request.
        request: Request,
    },
    /// Any other request inside the dialog (INFO, MESSAGE, OPTIONS …).
    /// Answer with `respond`.
    InDialog {
        /// Which.
        id: InviteId,
        /// To answer.
        tx: ServerTxId,
        /// The request.
        request: Request,
    },
    /// A SUBSCRIBE for a package of ours (RFC 6665). Answer with `accept_subscription`, or refuse
    /// with `respond_with`.
    Subscribe {
        /// To answer.
        tx: ServerTxId,
        /// The call whose dialog it came in.
        invite: Option<InviteId>,
        /// The event package.
        package: Text,
        /// Seconds that will be granted; 0 fetches the state once.
        expires: u32,
        /// The request; what it accepts stands in `Accept` and is the user's to judge (406).
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// A REFER (RFC 3515) with one Refer-To. Answer with `accept_refer`, or refuse with
    /// `respond_with`.
    Refer {
        /// To answer.
        tx: ServerTxId,
        /// The call whose dialog it came in.
        invite: Option<InviteId>,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// Something happened to a subscription that we notify.
    Notifier {
        /// Which.
        id: NotifierId,
        /// What.
        event: NotifierEvent,
    },
    /// Something happened to a subscription of ours.
    Subscriber {
        /// Which.
        id: SubscriberId,
        /// What.
        event: SubscriberEvent,
    },
    /// Any other request outside of calls. Answer with `respond`.
    Request {
        /// To answer.
        tx: ServerTxId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// Our INVITE got a provisional response above 100, with its body if it has one.
    /// A reliable one (RFC 3262) is acknowledged by itself, unless it carries an offer: then
    /// answer with `acknowledge`.
    Progress {
        /// Which.
        id: InviteId,
        /// The response.
        response: Response,
    },
    /// Our INVITE got its (first) 2xx. If it carries an offer (our INVITE carried none), answer
    /// with `acknowledge`; else the ACK was sent.
    Answered {
        /// Which.
        id: InviteId,
        /// The response.
        response: Response,
    },
    /// Our INVITE failed finally, and `another_way` was asked for. Answer at once with
    /// `invite_instead` or `give_up`.
    Refused {
        /// Which.
        id: InviteId,
        /// The failure; 408 and 503 are made up by us on timeout and transport failure.
        response: Response,
        /// Nobody answered: the response is made up.
        unreachable: bool,
    },
    /// Our re-INVITE or UPDATE was answered finally (glare was retried by itself as RFC 3261 §14.1
    /// says). If a 2xx carries an offer (our re-INVITE carried none), answer with `acknowledge`.
    /// Also sent for a session refresh of the endpoint's own whose answer differs from the last.
    Modified {
        /// Which.
        id: InviteId,
        /// The final response.
        response: Response,
    },
    /// A response above 100 to `request` or `request_in_dialog`; 408 and 503 are made up by us on
    /// timeout and transport failure.
    Response {
        /// Which.
        tx: ClientTxId,
        /// The response.
        response: Response,
        /// Of a 503 made up by us: why the connection to the peer was not secured, with the remedy.
        insecure: Option<Text>,
    },
    /// A stream connection (TCP, TLS, WebSocket) is over. What waited for an answer on it has failed
    /// already. Nothing else is ended by that: a peer that is alive comes back on another flow and
    /// says so by a request (RFC 5626 §4.5); whoever keeps a binding or an attendance of a peer that
    /// is reached on this flow only ends it.
    FlowClosed {
        /// Which; never used again.
        flow: FlowId,
        /// The calls whose peer was reached on it, in the order of their ids.
        calls: Vec<InviteId>,
    },
    /// The usage is over; its id is never used again. Always the last event of a usage.
    Ended {
        /// Which.
        id: InviteId,
        /// Why.
        cause: EndCause,
    },
}

/// Why an INVITE usage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The peer sent BYE; its `Reason` if it gave one.
    Bye(Option<Text>),
    /// We ended it (`bye`, `cancel`, `reject`).
    Local,
    /// The peer cancelled before the final answer.
    Cancelled,
    /// Our INVITE was answered with this final status.
    Rejected(StatusCode, Text),
    /// No ACK within 64·T1 after our 2xx (RFC 3261 §13.3.1.4).
    NoAck,
    /// Nothing came back: transaction timeout, unreachable, or unresolvable.
    Unreachable,
    /// The session timer ran out (RFC 4028 §10).
    SessionExpired,
    /// The peer answered 481 or 408 inside the dialog (RFC 5057).
    DialogGone,
}

impl EndCause {
    /// What a BYE of ours says of it in `Reason`, where nobody said something else (RFC 3326 §2).
    pub(super) fn reason(&self) -> Option<Text> {
        let reason = match self {
            Self::NoAck => "SIP;cause=408;text=\"No ACK came\"",
            Self::SessionExpired => "SIP;cause=408;text=\"The session was not refreshed\"",
            Self::Unreachable => "SIP;cause=408;text=\"No answer came in time\"",
            Self::DialogGone => "SIP;cause=481;text=\"The call is not known any more\"",
            Self::Bye(_) | Self::Local | Self::Cancelled | Self::Rejected(..) => return None,
        };
        Some(Text::from_static(reason))
    }
}
