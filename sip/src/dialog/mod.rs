//! Dialogs (RFC 3261 §12) and the state of an INVITE usage (RFC 5057 §3).
//!
//! What is here knows headers and rules, but neither sockets nor timers: the endpoint drives it.

pub mod offer_answer;
pub(crate) mod reliable;
pub mod session_timer;
mod usage;

pub(crate) use usage::{
    Calling, Cancelling, Fork, Incoming, Lost, Modify, Modifying, Stage, Unacknowledged, Up, Usage,
};

use crate::endpoint::{Flow, Target, Via};
use crate::id::hex;
use crate::msg::{CSeq, HeaderName, Headers, Method, NameAddr, Request, Response, Text, Uri};
use crate::transaction::{from_tag, to_tag};
use offer_answer::OfferAnswer;
use smallvec::SmallVec;

/// One dialog, early or confirmed (RFC 3261 §12).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Text,
    /// What we write into From, tag included.
    local: Text,
    /// What we write into To, tag included.
    remote: Text,
    pub(crate) remote_tag: Text,
    pub(crate) local_seq: u32,
    /// Empty until the peer sends a request (§12.1.2).
    remote_seq: Option<u32>,
    /// In the order we send it.
    routes: SmallVec<[NameAddr; 2]>,
    pub(crate) target: Uri,
    pub(crate) hop: Hop,
    pub(crate) offer: OfferAnswer,
    /// The last RSeq of the peer (RFC 3262 §4).
    pub(crate) rseq: Option<u32>,
    /// The RAck owed for a reliable provisional whose offer waits for our answer.
    pub(crate) owed_rack: Option<Text>,
}

/// Where the next request of a dialog goes.
#[derive(Clone, Debug)]
pub(crate) enum Hop {
    /// The next hop has to be resolved.
    Unknown,
    /// The peer is directly behind this flow (RFC 3581, RFC 5923).
    Flow(Flow),
    /// The next hop was resolved to this before.
    Target(Target),
}

impl Hop {
    /// The peer is reached where it is, whatever its Contact says: it is a browser (RFC 7118 §5),
    /// or holds a stream to us, of which it chose the port (RFC 5923 §1). A stream that closes is
    /// no way any more, and then the Contact counts again.
    fn outlives_contact(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Flow(flow) => flow.transport.is_reliable(),
            Self::Target(target) => target.transport.is_web(),
        }
    }
}

/// The CSeq of a request in the dialog (§12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Higher than all before.
    InOrder,
    /// Lower: answered with 500.
    Old,
}

impl Dialog {
    /// The caller's dialog out of its INVITE and a response with a To tag (§12.1.2).
    pub(crate) fn caller(invite: &Request, response: &Response) -> Option<Self> {
        let target = match response.headers.contacts() {
            Ok(contacts) => contacts.first().map(|contact| contact.uri.detached()),
            Err(_) => None,
        };
        let routes = route_set(&response.headers, true);
        Some(Self {
            call_id: invite.headers.call_id().ok()?.detached(),
            local: invite.headers.get(&HeaderName::From)?.clone(),
            remote: response.headers.get(&HeaderName::To)?.detached(),
            remote_tag: to_tag(&response.headers).unwrap_or_default().detached(),
            local_seq: invite.headers.cseq().ok()?.seq,
            remote_seq: None,
            routes,
            // A response without Contact is a broken peer; its Request-URI is the best guess.
            target: target.unwrap_or_else(|| invite.uri.clone()),
            hop: Hop::Unknown,
            offer: OfferAnswer::Idle,
            rseq: None,
            owed_rack: None,
        })
    }

    /// The subscriber's dialog out of its SUBSCRIBE or REFER and a NOTIFY that came before the answer
    /// (RFC 6665 §4.4.1).
    pub(crate) fn notified(subscribe: &Request, notify: &Request) -> Option<Self> {
        let contacts = notify.headers.contacts().ok()?;
        Some(Self {
            call_id: subscribe.headers.call_id().ok()?.detached(),
            local: subscribe.headers.get(&HeaderName::From)?.clone(),
            remote: notify.headers.get(&HeaderName::From)?.detached(),
            remote_tag: from_tag(&notify.headers).detached(),
            local_seq: subscribe.headers.cseq().ok()?.seq,
            remote_seq: Some(notify.headers.cseq().ok()?.seq),
            routes: route_set(&notify.headers, false),
            target: contacts.first()?.uri.detached(),
            hop: Hop::Unknown,
            offer: OfferAnswer::Absent,
            rseq: None,
            owed_rack: None,
        })
    }

    /// The callee's dialog out of an INVITE (§12.1.1).
    pub(crate) fn callee(invite: &Request, local_tag: u64, first_seq: u32) -> Option<Self> {
        let to = invite.headers.to().ok()?.with_tag(&hex(local_tag));
        let contact = invite.headers.contacts().ok()?;
        Some(Self {
            call_id: invite.headers.call_id().ok()?.detached(),
            local: to.to_text(),
            remote: invite.headers.get(&HeaderName::From)?.detached(),
            remote_tag: from_tag(&invite.headers).detached(),
            local_seq: first_seq,
            remote_seq: Some(invite.headers.cseq().ok()?.seq),
            routes: route_set(&invite.headers, false),
            target: contact.first()?.uri.detached(),
            hop: Hop::Unknown,
            offer: OfferAnswer::Idle,
            rseq: None,
            owed_rack: None,
        })
    }

    /// The peer answered on this way, and no proxy wants to stay between: what lies behind a flow is
    /// reached on that flow only, and a browser's Contact names no place at all (RFC 5626 §4.3,
    /// RFC 7118 §5).
    pub(crate) fn stay_on(&mut self, way: Option<Via>) {
        self.hop = match way {
            Some(Via::Flow(flow)) if self.is_direct() => Hop::Flow(flow),
            Some(Via::Target(target)) if self.is_direct() && target.transport.is_web() => {
                Hop::Target(target)
            }
            Some(Via::Flow(_) | Via::Target(_)) | None => Hop::Unknown,
        };
    }

    /// Whether the peer is reached without a proxy in between.
    pub(crate) fn is_direct(&self) -> bool {
        self.routes.is_empty()
    }

    /// Takes a Contact of a target refresh request or response (§12.2).
    pub(crate) fn refresh_target(&mut self, headers: &Headers) {
        let Ok(contacts) = headers.contacts() else {
            return;
        };
        let Some(contact) = contacts.first() else {
            return;
        };
        if contact.uri == self.target {
            return;
        }
        self.target = contact.uri.detached();
        if self.is_direct() && !self.hop.outlives_contact() {
            self.hop = Hop::Unknown;
        }
    }

    /// The route set of the 2xx replaces that of the early dialog (§13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Response) {
        let routes = route_set(&response.headers, true);
        if routes != self.routes {
            self.routes = routes;
            self.hop = Hop::Unknown;
        }
        self.refresh_target(&response.headers);
    }

    /// Compares the CSeq of a request with those before, and keeps it (§12.2.2).
    pub(crate) fn order(&mut self, seq: u32) -> Order {
        match self.remote_seq {
            Some(last) if seq < last => Order::Old,
            _ => {
                self.remote_seq = Some(seq);
                Order::InOrder
            }
        }
    }

    /// Like [`Self::order`], for what no transaction keeps from coming twice.
    pub(crate) fn order_once(&mut self, seq: u32) -> Order {
        if self.remote_seq == Some(seq) {
            return Order::Old;
        }
        self.order(seq)
    }

    /// The next CSeq of ours.
    pub(crate) fn next_seq(&mut self) -> u32 {
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// A request of this dialog without Via and Contact (§12.2.1.1).
    pub(crate) fn request(&self, method: Method, seq: u32) -> Request {
        let mut headers = Headers::with_capacity(16);
        headers.push(HeaderName::MaxForwards, Text::from_static("70"));
        headers.push(HeaderName::From, self.local.clone());
        headers.push(HeaderName::To, self.remote.clone());
        headers.push(HeaderName::CallId, self.call_id.clone());
        headers.push(
            HeaderName::CSeq,
            CSeq {
                seq,
                method: method.clone(),
            },
        );
        let uri = route(&mut headers, &self.routes, self.target.clone());
        Request {
            method,
            uri,
            headers,
            body: bytes::Bytes::new(),
        }
    }
}

/// The route set out of the Record-Route fields, with storage of its own: a call must not keep the
/// message alive that made it.
fn route_set(headers: &Headers, reversed: bool) -> SmallVec<[NameAddr; 2]> {
    let recorded = headers.record_routes().unwrap_or_default();
    let mut routes: SmallVec<[NameAddr; 2]> = recorded.iter().map(NameAddr::detached).collect();
    if reversed {
        routes.reverse();
    }
    routes
}

/// Writes the route set and answers the Request-URI (§12.2.1.1): a strict router in front wants to
/// find itself there and the target at the end of the routes.
pub(crate) fn route(headers: &mut Headers, routes: &[NameAddr], target: Uri) -> Uri {
    match routes.split_first() {
        Some((first, rest)) if first.uri.param("lr").is_none() => {
            for hop in rest {
                headers.push(HeaderName::Route, hop);
            }
            headers.push(HeaderName::Route, NameAddr::new(target));
            let mut uri = first.uri.clone();
            uri.headers = None;
            uri.params.remove("method");
            uri
        }
        _ => {
            for hop in routes {
                headers.push(HeaderName::Route, hop);
            }
            target
        }
    }
}

/// The URI of the next hop of a request (§8.1.2): the topmost Route, or the Request-URI.
pub(crate) fn next_hop(request: &Request) -> Uri {
    let strict = request.headers.routes().unwrap_or_default();
    match strict.first() {
        // With a strict router in front the Request-URI is the router itself.
        Some(first) if first.uri.param("lr").is_some() => first.uri.clone(),
        _ => request.uri.clone(),
    }
}
