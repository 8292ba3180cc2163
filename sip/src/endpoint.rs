//! The sans-IO endpoint: everything of RFC 3261 between a socket and a transaction user.
//!
//! The verbs are the same in every core of Plenum: `handle_*(now, …)` tells it something, then
//! [`Endpoint::poll_output`] is called until it answers [`Output::Timeout`].
//!
//! Skeleton of the contract: names and signatures the shell, the focus and the tests build on.

use crate::msg::{Message, Method, Request, Response, StatusCode, Text, Uri};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;

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

/// One stream connection, or one bound datagram socket. Given out by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

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
    /// On this flow; if it is a closed stream, on a new one to the same remote (RFC 3261 §18.2.2).
    Flow(Flow),
    /// To this target, on an existing connection to it or a new one.
    Target(Target),
}

/// An INVITE usage: one call, from INVITE to its end, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InviteId(pub u64);
/// A server transaction the transaction user has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerTxId(pub u64);
/// A client transaction the transaction user started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientTxId(pub u64);
/// A question to the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub u64);

/// A body and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// `application/sdp` and the like.
    pub content_type: Text,
    /// The octets.
    pub octets: Bytes,
}

/// What [`Endpoint::poll_output`] answers.
#[derive(Debug)]
pub enum Output {
    /// Send these octets. `tx` comes back in `handle_send_failed` when they cannot be sent.
    Transmit {
        /// How.
        via: Via,
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
    /// For the transaction user.
    Event(Event),
    /// Nothing more until this instant, or until something is handled. `None`: no timer runs.
    Timeout(Option<Instant>),
}

/// What happened, for the transaction user.
#[derive(Debug)]
pub enum Event {
    /// An INVITE outside any dialog. A 100 is sent by itself. Answer with `progress`, `accept`, `reject` or `redirect`.
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
    /// The reliable provisional (RFC 3262) was acknowledged by PRACK, with an answer if ours was an offer.
    /// If the PRACK carries an offer, answer with `respond_modify`.
    Pracked {
        /// Which.
        id: InviteId,
        /// Its body.
        body: Option<Body>,
    },
    /// The 2xx was acknowledged, with an answer if our 2xx carried the offer.
    Acked {
        /// Which.
        id: InviteId,
        /// Its body.
        body: Option<Body>,
    },
    /// A re-INVITE or UPDATE (target refresh, new offer, or a bare session refresh). Answer with `respond_modify`.
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
    /// Any other request inside the dialog (INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE …). Answer with `respond`.
    InDialog {
        /// Which.
        id: InviteId,
        /// To answer.
        tx: ServerTxId,
        /// The request.
        request: Request,
    },
    /// A request outside any dialog that is not INVITE. Answer with `respond`.
    Request {
        /// To answer.
        tx: ServerTxId,
        /// The request.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// Our INVITE got a provisional response above 100, with its body if it has one.
    Progress {
        /// Which.
        id: InviteId,
        /// The response.
        response: Response,
    },
    /// Our INVITE got its (first) 2xx. If our INVITE carried no offer, answer with `acknowledge`; else ACK was sent.
    Answered {
        /// Which.
        id: InviteId,
        /// The response.
        response: Response,
    },
    /// Our re-INVITE or UPDATE was answered finally (glare was retried by itself as RFC 3261 §14.1 says).
    Modified {
        /// Which.
        id: InviteId,
        /// The final response.
        response: Response,
    },
    /// A response to `request` or `request_in_dialog`; 408 and 503 are made up by us on timeout and transport failure.
    Response {
        /// Which.
        tx: ClientTxId,
        /// The response.
        response: Response,
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

// --- the rest of the contract, to be implemented ---
//
// pub struct Config { user_agent, server name, allow: Vec<Method>, supported: Vec<option tag>, allow_events,
//   accept, domains?, advertised: Vec<Advertised{transport, host, port}> for Via/Contact, t1/t2/t4,
//   session_expires: Duration, min_se: Duration, limits: Limits }
// Endpoint::new(config, seed: [u8; 32], metrics: Metrics)
// handle_message(now, flow: Flow, bytes: Bytes)           one datagram or one framed message
// handle_resolved(now, ResolveId, Vec<Target>)            empty: unresolvable
// handle_send_failed(now, ClientTxId) / handle_flow_closed(now, FlowId)
// handle_timeout(now)
// poll_output() -> Output
// -- UAS: progress(now, id, status, Option<Body>, reliable: bool), accept(now, id, Accept{body, extra headers, contact}),
//         reject(now, id, status, headers…), redirect(now, id, contacts)
//         respond_modify(now, tx, status, Option<Body>), respond(now, tx, Response)
// -- UAC: invite(now, Invite{to, uri, from, contact, body, headers, route}) -> InviteId, cancel(now, id),
//         acknowledge(now, id, Option<Body>), request(now, OutOfDialog) -> ClientTxId
// -- both: modify(now, id, Method, Option<Body>), request_in_dialog(now, id, Method, headers, body) -> ClientTxId,
//         bye(now, id, Option<Reason>), counts() for drain (how many usages are alive)

/// Skeleton: keeps the imports honest until the endpoint is written.
pub type Skeleton = (Message, Endpoint);
/// The endpoint.
#[derive(Debug)]
pub struct Endpoint;
