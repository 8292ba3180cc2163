//! Transactions: RFC 3261 §17 as amended by RFC 6026.
//!
//! One machine a file. A machine is a value without clock, message or address: a function takes
//! the old state and an input, answers the new state, and pushes [`Action`]s that the endpoint
//! carries out in their order.

pub mod client_invite;
pub mod client_non_invite;
pub mod server_invite;
pub mod server_non_invite;
#[cfg(test)]
mod tests;
pub mod timer;

use crate::msg::{Headers, Host, Method, Request, StatusCode, Text, Via};
use smallvec::SmallVec;
use std::io::Write as _;
use std::time::Duration;
use timer::{Timer, Times};

/// What a machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request, or the last response, (again).
    Transmit,
    /// Send the ACK to the failure response (§17.1.1.3).
    Ack,
    /// Send 100 (Trying) in the transaction user's place.
    Trying,
    /// Start the timer, or start it anew.
    Set(Timer, Duration),
    /// Stop the timer.
    Clear(Timer),
    /// The message at hand is for the transaction user.
    Deliver,
    /// Tell the transaction user that the other side did not answer.
    Timeout,
    /// Tell the transaction user that the transport failed.
    Unreachable,
    /// The transaction is over: forget it.
    Done,
}

/// Few actions come of one input.
pub type Actions = SmallVec<[Action; 6]>;

/// What of its way a machine has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The transport delivers: no retransmissions, and no waiting for those of the peer.
    pub reliable: bool,
    /// T1, T2 and T4.
    pub times: Times,
}

/// What of a response a machine has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx.
    Failure,
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        match status {
            status if status.is_provisional() => Self::Provisional,
            status if status.is_success() => Self::Success,
            _ => Self::Failure,
        }
    }
}

/// What begins a branch of RFC 3261 (§8.1.1.7).
pub const COOKIE: &str = "z9hG4bK";

/// By what a request finds its server transaction (§17.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey(Box<[u8]>);

impl ServerKey {
    /// The key of the transaction of `method` that `request` belongs to: an ACK or CANCEL looks for
    /// its INVITE. `via` is the topmost Via.
    pub(crate) fn new(request: &Request, via: &Via, method: &Method) -> Self {
        let branch = via.branch();
        let cookie = |branch: &Text| {
            let start = branch.as_bytes().get(..COOKIE.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(COOKIE.as_bytes()))
        };
        match branch.filter(cookie) {
            Some(branch) => Self::rfc3261(&branch, via, method),
            None => Self::rfc2543(request, via, method),
        }
    }

    /// §17.2.3, the three rules: branch, sent-by, method.
    fn rfc3261(branch: &Text, via: &Via, method: &Method) -> Self {
        let mut key = Vec::with_capacity(branch.len() + 32);
        key.extend_from_slice(branch.as_bytes());
        key.push(0);
        push_sent_by(&mut key, via);
        push_part(&mut key, method.as_str().as_bytes());
        Self(key.into_boxed_slice())
    }

    /// §17.2.3, without the cookie: Request-URI, From tag, Call-ID, CSeq number and the whole Via,
    /// and the To tag of what is not an INVITE or its ACK. The To tag of an ACK is that of our
    /// response, which the INVITE had not; the endpoint compares it.
    fn rfc2543(request: &Request, via: &Via, method: &Method) -> Self {
        let headers = &request.headers;
        let mut key = Vec::with_capacity(128);
        push_part(&mut key, request.uri.to_string().as_bytes());
        push_part(&mut key, via.to_text().as_bytes());
        push_part(&mut key, from_tag(headers).as_bytes());
        push_part(&mut key, headers.call_id().unwrap_or_default().as_bytes());
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        key.extend_from_slice(&seq.to_be_bytes());
        push_part(&mut key, method.as_str().as_bytes());
        if *method != Method::Invite {
            push_part(&mut key, to_tag(headers).unwrap_or_default().as_bytes());
        }
        Self(key.into_boxed_slice())
    }

    /// The octets, for hashing.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(part);
    key.push(0);
}

/// Hosts of a sent-by match in either case.
fn push_sent_by(key: &mut Vec<u8>, via: &Via) {
    match &via.host {
        Host::Name(name) => {
            let from = key.len();
            key.extend_from_slice(name.as_bytes());
            key.iter_mut()
                .skip(from)
                .for_each(|octet| octet.make_ascii_lowercase());
        }
        Host::V4(address) => key.extend_from_slice(&address.octets()),
        Host::V6(address) => key.extend_from_slice(&address.octets()),
    }
    // Writing to a Vec does not fail.
    write!(key, ":{}\0", via.port.unwrap_or(0)).unwrap_or_default();
}

/// The tag of the From; empty for a peer of RFC 2543 that sent none.
pub(crate) fn from_tag(headers: &Headers) -> Text {
    headers
        .from()
        .ok()
        .and_then(|from| from.tag())
        .unwrap_or_default()
}

/// The tag of the To.
pub(crate) fn to_tag(headers: &Headers) -> Option<Text> {
    headers.to().ok().and_then(|to| to.tag())
}
