//! The server transactions: their table, and what their machines want done.

use super::flow::host_name;
use super::screen::Stranger;
use super::subscription::Asking;
use super::{
    Answer, Body, Contact, Endpoint, Flow, InviteId, Output, Screened, ServerTxId, Transport, Via,
};
use crate::dialog::session_timer::Asked;
use crate::id::hex;
use crate::msg::{HeaderName, Headers, Method, Request, Response, Scheme, StatusCode, Text};
use crate::msg::{Host, Via as ViaField};
use crate::transaction::server_invite::ServerInvite;
use crate::transaction::server_non_invite::ServerNonInvite;
use crate::transaction::timer::{Owner, Timer};
use crate::transaction::{Action, Actions, Path, Reply, ServerKey, from_tag};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// One server transaction.
#[derive(Debug)]
pub(super) struct ServerTx {
    machine: Machine,
    key: ServerKey,
    merged: Option<u64>,
    /// Where responses go (§18.2.2).
    pub(super) flow: Flow,
    /// Over TLS, whom a new connection for responses has to lead to, should theirs be closed.
    sent_by: Option<Text>,
    /// What every response copies; gone once the final one is out.
    template: Option<Headers>,
    /// The last response, for retransmission.
    last: Bytes,
    pub(super) method: Method,
    pub(super) seq: u32,
    pub(super) role: ServerRole,
    pub(super) usage: Option<InviteId>,
    /// What the request said about session timers.
    pub(super) asked: Asked,
    /// The peer's tag.
    pub(super) remote_tag: Text,
    /// The request carried an offer.
    pub(super) offer: bool,
    /// The interval at which the 2xx to an INVITE is repeated.
    interval: Duration,
    /// What a SUBSCRIBE or REFER asks for, until it is accepted.
    pub(super) asking: Option<Box<Asking>>,
    /// The 2xx was acknowledged, or nobody waits for it any more.
    pub(super) settled: bool,
    /// Our Contact in its responses is a `sips:` URI (RFC 3261 §12.1.1).
    secured: bool,
    /// Who asked, where it was outside of all calls.
    stranger: Option<Stranger>,
}

/// Who answers a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerRole {
    /// `progress`, `accept`, `reject`, `redirect`.
    Invite,
    /// `respond_modify`, to a re-INVITE or UPDATE.
    Modify,
    /// `respond_modify`, to a PRACK with an offer.
    Prack,
    /// `respond`.
    User,
    /// The endpoint itself.
    Own,
}

#[derive(Clone, Copy, Debug)]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// A request on its way to its transaction: what the door found out about it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) key: ServerKey,
    /// Where responses go.
    pub(super) flow: Flow,
    /// The peer sent it to us itself and wants answers where it came from (RFC 3581), or a stream.
    pub(super) direct: bool,
    /// Where it came from.
    pub(super) from: Flow,
    /// How it passed the screen, where it is outside of all calls.
    pub(super) screened: Screened,
    pub(super) request: Request,
}

/// What a response carries beside the copied header fields.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) reason: Option<Text>,
    pub(super) headers: Headers,
    pub(super) body: Option<Body>,
}

impl From<Answer> for Extra {
    fn from(answer: Answer) -> Self {
        Self {
            reason: answer.reason,
            headers: answer.headers,
            body: answer.body,
        }
    }
}

impl ServerTx {
    /// Nothing was sent yet, over a transport on which nobody knows who is there.
    pub(super) fn is_silent(&self) -> bool {
        self.last.is_empty() && !self.flow.transport.is_reliable()
    }

    /// Whoever asked may not be where he says.
    pub(super) fn is_unproven(&self) -> bool {
        self.stranger.is_some_and(|stranger| stranger.is_unproven())
    }

    /// Who asked, where a refusal waits for its ACK.
    pub(super) fn unacknowledged(&self) -> Option<Stranger> {
        let waits = matches!(self.machine, Machine::Invite(ServerInvite::Completed(_)));
        self.stranger.filter(|_| waits)
    }

    /// Whether the answer may be sent once more by a timer.
    fn may_repeat(&mut self, most: u32) -> bool {
        let stranger = self.stranger.as_mut();
        stranger.is_none_or(|stranger| stranger.may_repeat(most))
    }

    /// Makes this the last response. Takes and answers the octets that all transactions keep.
    fn keep(&mut self, last: Bytes, kept: usize) -> usize {
        let others = kept.saturating_sub(self.last.len());
        self.last = last;
        others.saturating_add(self.last.len())
    }

    /// Uses this To in the responses, if there is one; false if the final response is out.
    pub(super) fn set_to(&mut self, to: Option<&Text>) -> bool {
        let Some(template) = &mut self.template else {
            return false;
        };
        if let Some(to) = to {
            template.set(HeaderName::To, to.clone());
        }
        true
    }
}

impl Endpoint {
    /// Makes the transaction of a request; the To of its responses gets `tag` if it has none.
    pub(super) fn open_server(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        role: ServerRole,
        usage: Option<InviteId>,
        tag: Option<u64>,
    ) -> ServerTxId {
        let request = &arrival.request;
        let mut template = request.response(StatusCode::OK);
        let merged = self.merge_key(request).filter(|_| tag.is_some());
        if let Some(tag) = tag {
            template = template.with_to_tag(&hex(tag));
        }
        let mut template = template.headers;
        let dialog = matches!(
            request.method,
            Method::Invite | Method::Subscribe | Method::Refer
        );
        if dialog && tag.is_some() {
            template.copy_all(&request.headers, &HeaderName::RecordRoute);
        }
        let mut actions = Actions::new();
        let machine = if request.method == Method::Invite {
            Machine::Invite(ServerInvite::start(&mut actions))
        } else {
            Machine::NonInvite(ServerNonInvite::start())
        };
        let id = self.servers.insert(ServerTx {
            machine,
            key: arrival.key.clone(),
            merged,
            flow: arrival.flow,
            sent_by: sent_by(request, &arrival.flow),
            template: Some(template),
            last: Bytes::new(),
            method: request.method.clone(),
            seq: request.headers.cseq().map_or(0, |cseq| cseq.seq),
            role,
            usage,
            asked: Asked::default(),
            remote_tag: from_tag(&request.headers).detached(),
            offer: false,
            interval: self.config.times.t1,
            asking: None,
            settled: false,
            secured: asks_for_sips(request),
            stranger: tag.map(|tag| Stranger::new(arrival.from, arrival.screened, tag)),
        });
        self.kept = self.kept.saturating_add(arrival.key.as_bytes().len());
        self.server_keys.insert(arrival.key.clone(), id);
        if let Some(merged) = merged {
            self.merged.insert(merged, id);
        }
        self.run_server(now, id, &actions);
        if !matches!(role, ServerRole::Invite | ServerRole::Own) {
            let patience = self.patience_with_user(&request.method);
            self.timers
                .set(Owner::Server(id), Timer::Ringing, now + patience);
        }
        id
    }

    /// How long the transaction user may take: as long as the peer waits (timer F), or, for a
    /// re-INVITE, as long as an INVITE may ring. The first INVITE is bounded by its usage.
    fn patience_with_user(&self, method: &Method) -> Duration {
        if *method == Method::Invite {
            self.config.limits.ringing
        } else {
            self.config.times.patience()
        }
    }

    /// The transaction user never answered. A non-INVITE's client has given up, and a 408 would
    /// help nobody (RFC 4320 §4.2); a re-INVITE's still waits.
    fn give_up_user(&mut self, now: Instant, id: ServerTxId) {
        if !self.is_unanswered(id) {
            return;
        }
        let Some(tx) = self.servers.get(id) else {
            return;
        };
        let (usage, invite) = (tx.usage, tx.method == Method::Invite);
        let modify = matches!(tx.role, ServerRole::Modify | ServerRole::Prack);
        if let Some(usage) = usage.filter(|_| modify) {
            self.abort_exchange(usage, id);
        }
        if let Some(usage) = usage {
            self.unpend(usage, id);
        }
        if invite {
            self.reply(now, id, StatusCode::SERVER_INTERNAL_ERROR, Extra::default());
        } else {
            self.close_server(id);
        }
    }

    /// Whether this transaction still waits for a final answer.
    pub(super) fn is_unanswered(&self, id: ServerTxId) -> bool {
        self.servers.get(id).is_some_and(|tx| tx.template.is_some())
    }

    /// Sends a response through the transaction's machine; false if it was answered before.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        id: ServerTxId,
        status: StatusCode,
        extra: Extra,
    ) -> bool {
        let Extra {
            reason,
            mut headers,
            body,
        } = extra;
        let mut octets = Bytes::new();
        Self::put_body(&mut headers, &mut octets, body.as_ref());
        self.reply_with_octets(
            now,
            id,
            status,
            Extra {
                reason,
                headers,
                body: None,
            },
            octets,
        )
    }

    /// Like [`Self::reply`], with a body whose type is among the header fields.
    pub(super) fn reply_with_octets(
        &mut self,
        now: Instant,
        id: ServerTxId,
        status: StatusCode,
        extra: Extra,
        octets: Bytes,
    ) -> bool {
        let Some(tx) = self.servers.get_mut(id) else {
            return false;
        };
        let template = match &tx.template {
            None => return false,
            Some(template) if status.is_provisional() => template.clone(),
            Some(_) => tx.template.take().unwrap_or_default(),
        };
        if status.is_final() {
            self.timers.clear(Owner::Server(id), Timer::Ringing);
        }
        let mut response = Response::new(status);
        response.headers = template;
        if status == StatusCode::TRYING || !(status.is_provisional() || status.is_success()) {
            response.headers.remove(&HeaderName::RecordRoute);
        }
        if let Some(reason) = extra.reason {
            response.reason = reason;
        }
        for field in &extra.headers {
            response
                .headers
                .push(field.name.clone(), field.value.clone());
        }
        if tx.method == Method::Options && status.is_success() {
            self.lists.push_capabilities(&mut response.headers);
            self.lists.push_accept(&mut response.headers);
        }
        self.stamp_server(&mut response.headers);
        response.body = octets;
        let bytes = response.print();
        self.reply_bytes(now, id, status, bytes);
        self.note_final(now, id, status);
        true
    }

    /// Tells the screen, and forgets at once what was done for somebody who may not be there:
    /// should the answer be lost, his request comes again as a new one (RFC 3261 §8.2.7).
    fn note_final(&mut self, now: Instant, id: ServerTxId, status: StatusCode) {
        let Some(tx) = self.servers.get_mut(id).filter(|_| status.is_final()) else {
            return;
        };
        let Some(stranger) = tx.stranger.as_mut() else {
            return;
        };
        stranger.answer = Some(status);
        let (stranger, method) = (*stranger, tx.method.clone());
        let from = (&stranger.from, stranger.screened);
        self.note_answer(now, from, Some(&method), status);
        let small = method == Method::Options || !status.is_success();
        if stranger.is_unproven() && small && method != Method::Invite {
            self.close_server(id);
        }
    }

    fn reply_bytes(&mut self, now: Instant, id: ServerTxId, status: StatusCode, bytes: Bytes) {
        let times = self.config.times;
        let Some(tx) = self.servers.get_mut(id) else {
            return;
        };
        self.kept = tx.keep(bytes, self.kept);
        let path = Path {
            reliable: tx.flow.transport.is_reliable(),
            times,
        };
        let reply = Reply::from(status);
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Invite(state) => Machine::Invite(state.on_reply(reply, &path, &mut actions)),
            Machine::NonInvite(state) => {
                Machine::NonInvite(state.on_reply(reply, &path, &mut actions))
            }
        };
        // §13.3.1.4: the 2xx to an INVITE is repeated on every transport until its ACK.
        if tx.method == Method::Invite && status.is_success() {
            tx.interval = times.t1;
            self.timers
                .set(Owner::Server(id), Timer::Success, now + times.t1);
        }
        self.run_server(now, id, &actions);
    }

    /// The bytes of the last response.
    pub(super) fn last_response(&self, id: ServerTxId) -> Bytes {
        self.servers
            .get(id)
            .map(|tx| tx.last.clone())
            .unwrap_or_default()
    }

    /// Sends the transaction's last response, or the one given, where its responses go.
    pub(super) fn transmit_response(&mut self, id: ServerTxId, bytes: Option<Bytes>) {
        if let Some(tx) = self.servers.get(id) {
            let bytes = bytes.unwrap_or_else(|| tx.last.clone());
            self.out.push_back(Output::Transmit {
                domain: tx.sent_by.clone(),
                via: Via::Flow(tx.flow),
                bytes,
                tx: None,
            });
        }
    }

    /// The request of a living transaction came again, or its ACK.
    pub(super) fn on_server_repeat(&mut self, now: Instant, id: ServerTxId, ack: bool) {
        let path_times = self.config.times;
        let Some(tx) = self.servers.get_mut(id) else {
            return;
        };
        let path = Path {
            reliable: tx.flow.transport.is_reliable(),
            times: path_times,
        };
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Invite(state) if ack => Machine::Invite(state.on_ack(&path, &mut actions)),
            Machine::Invite(state) => Machine::Invite(state.on_retransmission(&mut actions)),
            Machine::NonInvite(state) if ack => Machine::NonInvite(state),
            Machine::NonInvite(state) => Machine::NonInvite(state.on_retransmission(&mut actions)),
        };
        self.run_server(now, id, &actions);
    }

    /// Whether an ACK that finds this transaction belongs to its 2xx, that is, to the dialog.
    pub(super) fn is_accepted(&self, id: ServerTxId) -> bool {
        self.servers
            .get(id)
            .is_some_and(|tx| matches!(tx.machine, Machine::Invite(ServerInvite::Accepted)))
    }

    pub(super) fn on_server_timer(&mut self, now: Instant, id: ServerTxId, timer: Timer) {
        let times = self.config.times;
        let Some(tx) = self.servers.get_mut(id) else {
            return;
        };
        if timer == Timer::Ringing {
            return self.give_up_user(now, id);
        }
        if timer == Timer::Success {
            tx.interval = times.doubled(tx.interval);
            let next = now + tx.interval;
            let again = tx.may_repeat(self.config.limits.unproven_repeats);
            self.timers.set(Owner::Server(id), Timer::Success, next);
            if again {
                self.transmit_response(id, None);
            }
            return;
        }
        let path = Path {
            reliable: tx.flow.transport.is_reliable(),
            times,
        };
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Invite(state) => Machine::Invite(state.on_timer(timer, &path, &mut actions)),
            Machine::NonInvite(state) => Machine::NonInvite(state.on_timer(timer, &mut actions)),
        };
        if timer == Timer::G && !tx.may_repeat(self.config.limits.unproven_repeats) {
            actions.retain(|action| *action != Action::Transmit);
        }
        self.run_server(now, id, &actions);
    }

    fn run_server(&mut self, now: Instant, id: ServerTxId, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::Transmit => self.transmit_response(id, None),
                Action::Trying => self.send_trying(id),
                Action::Set(timer, after) => {
                    self.timers.set(Owner::Server(id), timer, now + after);
                }
                Action::Clear(timer) => self.timers.clear(Owner::Server(id), timer),
                Action::Timeout => self.on_server_timeout(now, id),
                Action::Done => self.close_server(id),
                // A server transaction acknowledges nothing and learns of no transport error; an
                // ACK in Accepted reaches the dialog by its tags.
                Action::Ack | Action::Deliver | Action::Unreachable => {}
            }
        }
    }

    /// §17.2.1: 100 in the user's place; it goes out beside the machine, which knows already.
    fn send_trying(&mut self, id: ServerTxId) {
        let Some(tx) = self.servers.get_mut(id) else {
            return;
        };
        let Some(template) = &tx.template else { return };
        let mut response = Response::new(StatusCode::TRYING);
        response.headers = template.clone();
        response.headers.remove(&HeaderName::RecordRoute);
        self.kept = tx.keep(response.print(), self.kept);
        self.transmit_response(id, None);
    }

    /// Timer H or L: nobody acknowledged. For a failure that is the end of it (§17.2.1); for a 2xx
    /// the dialog is (§13.3.1.4).
    fn on_server_timeout(&mut self, now: Instant, id: ServerTxId) {
        let Some(tx) = self.servers.get_mut(id) else {
            return;
        };
        let accepted = !tx.settled && tx.role != ServerRole::Own && tx.template.is_none();
        let waits = accepted && self.timers.is_set(Owner::Server(id), Timer::Success);
        let unproven = tx.is_unproven();
        if let Some(usage) = tx.usage.filter(|_| waits) {
            self.on_no_ack(now, usage, unproven);
        }
    }

    /// Nobody waits for the ACK of this 2xx any more.
    pub(super) fn settle(&mut self, id: ServerTxId) {
        self.timers.clear(Owner::Server(id), Timer::Success);
        if let Some(tx) = self.servers.get_mut(id) {
            tx.settled = true;
            // RFC 6026 §7.1: retransmitted INVITEs are absorbed, so the 2xx is not needed again.
            if tx.method == Method::Invite && tx.template.is_none() {
                self.kept = tx.keep(Bytes::new(), self.kept);
            }
        }
    }

    pub(super) fn close_server(&mut self, id: ServerTxId) {
        self.timers.clear_all(Owner::Server(id));
        let Some(tx) = self.servers.remove(id) else {
            return;
        };
        let octets = tx.key.as_bytes().len().saturating_add(tx.last.len());
        self.kept = self.kept.saturating_sub(octets);
        self.server_keys.remove(&tx.key);
        if let Some(merged) = tx.merged {
            self.merged.remove(&merged);
        }
    }

    /// Our Contact in a response of this transaction.
    pub(super) fn contact_for(&self, id: ServerTxId, contact: &Contact) -> Text {
        let server = self.servers.get(id);
        server
            .map(|tx| self.contact_value(contact, &Via::Flow(tx.flow), tx.secured))
            .unwrap_or_default()
    }

    /// `Server` in a response.
    pub(super) fn stamp_server(&self, headers: &mut Headers) {
        if !self.config.user_agent.is_empty() && !headers.has(&HeaderName::Server) {
            headers.push(HeaderName::Server, self.config.user_agent.clone());
        }
    }
}

/// Where responses to a request go whose topmost Via is this (§18.2.2, RFC 3581 §4).
///
/// `maddr` is for those who ask a multicast group. To another host nothing goes: what we say would
/// be heard by somebody who is not where the request came from, and prove him to be there.
pub(super) fn answer_flow(from: Flow, via: &ViaField) -> Flow {
    let default = from.transport.default_port();
    let sent_by = via.port.unwrap_or(default);
    if from.transport.is_reliable() {
        // On the connection it came on; should that be closed, on a new one to the sent-by port.
        return Flow {
            remote: SocketAddr::new(from.remote.ip(), sent_by),
            ..from
        };
    }
    if via.rport().is_some() {
        return from;
    }
    let maddr = via
        .params
        .get("maddr")
        .and_then(|maddr| Host::parse(&maddr).ok());
    let ip = maddr
        .and_then(|host| host.ip())
        .filter(IpAddr::is_multicast)
        .unwrap_or_else(|| from.remote.ip());
    Flow {
        remote: SocketAddr::new(ip, sent_by),
        ..from
    }
}

/// The host that a TLS peer says to listen at for responses (§18.2.2).
fn sent_by(request: &Request, from: &Flow) -> Option<Text> {
    let via = request.headers.via().ok()?;
    (from.transport == Transport::Tls).then(|| host_name(&via.host))
}

/// RFC 3261 §12.1.1: the Request-URI, or the topmost Record-Route, or without any the Contact is a
/// `sips:` URI.
fn asks_for_sips(request: &Request) -> bool {
    let recorded = request.headers.record_routes().unwrap_or_default();
    let contacts = request.headers.contacts();
    let peer = match recorded.first() {
        Some(route) => Some(&route.uri.scheme),
        None => contacts
            .as_ref()
            .ok()
            .and_then(|contacts| contacts.first())
            .map(|contact| &contact.uri.scheme),
    };
    request.uri.scheme == Scheme::Sips || peer == Some(&Scheme::Sips)
}
