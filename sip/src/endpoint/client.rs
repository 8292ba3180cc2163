//! The client transactions: their table, targets and failover, and what their machines want done.

use super::compose::{target_of, transport_of};
use super::{
    Body, ClientTxId, Contact, Endpoint, Event, FlowId, InviteId, Output, ResolveId, Target,
    Transport, Via,
};
use crate::dialog::{Dialog, Hop, next_hop};
use crate::id::unhex;
use crate::msg::{CSeq, HeaderName, Host, Method, Request, Response, Scheme, StatusCode};
use crate::msg::{Text, Uri};
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::client_non_invite::ClientNonInvite;
use crate::transaction::timer::{Owner, Timer};
use crate::transaction::{Action, Actions, COOKIE, Path, Reply, to_tag};
use bytes::Bytes;
use rand::Rng as _;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// §18.1.1: a request longer than this goes over a congestion-controlled transport.
const LARGE: usize = 1300;
/// How many branches of a fork may answer one INVITE; the 2xx of more are dropped.
pub(super) const FORKS: usize = 16;
/// How many targets are tried for one request.
const TARGETS: usize = 8;

/// One client transaction, or a series of them to different targets for the same request.
#[derive(Debug)]
pub(super) struct ClientTx {
    machine: Machine,
    pub(super) method: Method,
    pub(super) seq: u32,
    branch: u64,
    /// With our Via in front once it was sent; gone when a non-INVITE has its final response.
    pub(super) request: Option<Request>,
    contact: Option<Contact>,
    bytes: Bytes,
    /// The ACK to its failure response.
    ack: Bytes,
    /// Where it was sent.
    via: Option<Via>,
    rest: VecDeque<Hopeful>,
    pub(super) purpose: Purpose,
    /// The ACKs to its 2xx, one per fork; they outlive the usage.
    acks: SmallVec<[Acked; 1]>,
}

/// A way that may work.
#[derive(Clone, Copy, Debug)]
struct Hopeful {
    via: Via,
    /// Too long for it, but TCP was refused (§18.1.1).
    whatever_size: bool,
}

#[derive(Debug)]
struct Acked {
    tag: Text,
    sent: Option<(Via, Bytes)>,
}

#[derive(Clone, Copy, Debug)]
enum Machine {
    /// Waits for the resolver.
    Unsent,
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

/// Who waits for the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The transaction user, outside any dialog.
    User,
    /// The transaction user, inside this usage.
    InDialog(InviteId),
    /// The usage: its first INVITE.
    Invite(InviteId),
    /// The usage: its re-INVITE or UPDATE.
    Modify(InviteId),
    /// Nobody: BYE, CANCEL, PRACK.
    Own,
}

/// A question to the resolver.
#[derive(Debug)]
pub(super) enum Resolving {
    /// Where to send this request.
    Client(ClientTxId),
    /// Where to send the ACK for the 2xx with this To tag.
    Ack {
        tx: ClientTxId,
        tag: Text,
        request: Box<Request>,
    },
}

/// How a request was answered.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) response: Response,
    /// No response came; this one stands for a timeout (408) or transport failure (503).
    pub(super) made_up: bool,
}

impl Endpoint {
    /// Sends a request: on the known hop, or where the resolver says.
    pub(super) fn start_client(
        &mut self,
        now: Instant,
        request: Request,
        contact: Option<Contact>,
        purpose: Purpose,
        hop: &Hop,
    ) -> ClientTxId {
        let uri = next_hop(&request);
        let id = self.insert_client(request, contact, purpose);
        match locate(hop, &uri) {
            Some(via) => {
                self.offer_way(id, via);
                self.try_next(now, id);
            }
            None => self.resolve(Resolving::Client(id), uri),
        }
        id
    }

    fn insert_client(
        &mut self,
        request: Request,
        contact: Option<Contact>,
        purpose: Purpose,
    ) -> ClientTxId {
        self.clients.insert(ClientTx {
            machine: Machine::Unsent,
            method: request.method.clone(),
            seq: request.headers.cseq().map_or(0, |cseq| cseq.seq),
            branch: 0,
            request: Some(request),
            contact,
            bytes: Bytes::new(),
            ack: Bytes::new(),
            via: None,
            rest: VecDeque::new(),
            purpose,
            acks: SmallVec::new(),
        })
    }

    fn offer_way(&mut self, id: ClientTxId, via: Via) {
        if let Some(tx) = self.clients.get_mut(id) {
            tx.rest.push_back(Hopeful {
                via,
                whatever_size: false,
            });
        }
    }

    fn resolve(&mut self, what: Resolving, uri: Uri) {
        let id = self.resolving.insert(what);
        self.out.push_back(Output::Resolve { id, uri });
    }

    /// The resolver's answer, best target first; empty if there is none.
    pub fn handle_resolved(&mut self, now: Instant, id: ResolveId, targets: Vec<Target>) {
        match self.resolving.remove(id) {
            Some(Resolving::Client(tx)) => {
                let purpose = self.clients.get(tx).map(|client| client.purpose);
                if let Some(Purpose::InDialog(usage) | Purpose::Modify(usage)) = purpose {
                    self.learn_hop(usage, targets.first());
                }
                for target in targets.into_iter().take(TARGETS) {
                    self.offer_way(tx, Via::Target(target));
                }
                if !self.try_next(now, tx) {
                    self.fail_client(now, tx, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            Some(Resolving::Ack { tx, tag, request }) => {
                let purpose = self.clients.get(tx).map(|client| client.purpose);
                if let Some(Purpose::Invite(usage) | Purpose::Modify(usage)) = purpose {
                    self.learn_hop(usage, targets.first());
                }
                if let Some(target) = targets.first() {
                    self.emit_ack(tx, tag, *request, Via::Target(*target));
                }
            }
            None => {}
        }
    }

    /// The next hop of a call that is up is resolved once; a target refresh forgets it.
    fn learn_hop(&mut self, id: InviteId, target: Option<&Target>) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let confirmed = usage.up_mut().is_some();
        if let Some(dialog) = usage.dialogs.first_mut().filter(|_| confirmed)
            && let (Hop::Unknown, Some(target)) = (&dialog.hop, target)
        {
            dialog.hop = Hop::Target(*target);
        }
    }

    /// Sends to the next target in a transaction of its own (RFC 3263 §4.3); false if none is left.
    fn try_next(&mut self, now: Instant, id: ClientTxId) -> bool {
        let Some(tx) = self.clients.get_mut(id) else {
            return false;
        };
        let Some(hopeful) = tx.rest.pop_front() else {
            return false;
        };
        let first = tx.via.is_none();
        let Some(mut request) = tx.request.take() else {
            return false;
        };
        let old = (tx.branch, false);
        let contact = tx.contact.take();
        if !first {
            request.headers.remove(&HeaderName::Via);
            self.branches.remove(&old);
        }
        let branch = self.rng.next_u64();
        let mut via = hopeful.via;
        let mut bytes = self.print_for(&mut request, contact.as_ref(), &via, branch);
        if let Some(tcp) = larger_way(&via, bytes.len()).filter(|_| !hopeful.whatever_size) {
            // §18.1.1: TCP first, "if […] refused, the element SHOULD retry the request over UDP".
            let fallback = Hopeful {
                via,
                whatever_size: true,
            };
            via = tcp;
            request.headers.remove(&HeaderName::Via);
            bytes = self.print_for(&mut request, contact.as_ref(), &via, branch);
            if let Some(tx) = self.clients.get_mut(id) {
                tx.rest.push_front(fallback);
            }
        }
        let path = self.path_of(&via);
        let mut actions = Actions::new();
        let Some(tx) = self.clients.get_mut(id) else {
            return false;
        };
        tx.machine = if tx.method == Method::Invite {
            Machine::Invite(ClientInvite::start(&path, &mut actions))
        } else {
            Machine::NonInvite(ClientNonInvite::start(&path, &mut actions))
        };
        tx.branch = branch;
        tx.bytes = bytes;
        tx.via = Some(via);
        tx.request = Some(request);
        tx.contact = contact;
        self.branches.insert((branch, false), id);
        self.run_client(now, id, &actions, None);
        true
    }

    fn print_for(
        &self,
        request: &mut Request,
        contact: Option<&Contact>,
        via: &Via,
        branch: u64,
    ) -> Bytes {
        self.push_via(request, via, branch);
        if let Some(contact) = contact {
            request
                .headers
                .set(HeaderName::Contact, self.contact_value(contact, via));
        }
        request.print()
    }

    fn path_of(&self, via: &Via) -> Path {
        Path {
            reliable: transport_of(via).is_reliable(),
            times: self.config.times,
        }
    }

    /// The octets of a `Transmit` with this `tx` could not be sent (§17.1.4).
    pub fn handle_send_failed(&mut self, now: Instant, id: ClientTxId) {
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Unsent => return,
            Machine::Invite(state) => Machine::Invite(state.on_transport_error(&mut actions)),
            Machine::NonInvite(state) => Machine::NonInvite(state.on_transport_error(&mut actions)),
        };
        self.run_client(now, id, &actions, None);
    }

    /// A stream flow is gone: what still waits for an answer on it has failed.
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        let waiting: Vec<ClientTxId> = self
            .clients
            .ids()
            .filter(|id| self.is_on(*id, flow))
            .collect();
        for id in waiting {
            self.handle_send_failed(now, id);
        }
    }

    fn is_on(&self, id: ClientTxId, flow: FlowId) -> bool {
        let via = self.clients.get(id).and_then(|tx| tx.via);
        matches!(via, Some(Via::Flow(used)) if used.id == flow && used.transport.is_reliable())
    }

    /// A response from the network (§17.1.3, §18.1.2).
    pub(super) fn on_response(&mut self, now: Instant, response: Response) {
        let Some(id) = self.match_response(&response) else {
            self.metrics.stray_responses.inc();
            return;
        };
        let times = self.config.times;
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        let reliable = tx.via.is_some_and(|via| transport_of(&via).is_reliable());
        let path = Path { reliable, times };
        let reply = Reply::from(response.status);
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Unsent => return,
            Machine::Invite(state) => {
                Machine::Invite(state.on_response(reply, &path, &mut actions))
            }
            Machine::NonInvite(state) => {
                Machine::NonInvite(state.on_response(reply, &path, &mut actions))
            }
        };
        self.run_client(now, id, &actions, Some(response));
    }

    fn match_response(&self, response: &Response) -> Option<ClientTxId> {
        let branch = response.headers.via().ok()?.branch()?;
        let random = unhex(branch.as_bytes().strip_prefix(COOKIE.as_bytes())?)?;
        let cseq = response.headers.cseq().ok()?;
        let id = *self
            .branches
            .get(&(random, cseq.method == Method::Cancel))?;
        let tx = self.clients.get(id)?;
        (tx.method == cseq.method && tx.seq == cseq.seq).then_some(id)
    }

    pub(super) fn on_client_timer(&mut self, now: Instant, id: ClientTxId, timer: Timer) {
        if timer == Timer::Cancel {
            return self.give_up_cancelled(now, id);
        }
        let times = self.config.times;
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        let reliable = tx.via.is_some_and(|via| transport_of(&via).is_reliable());
        let path = Path { reliable, times };
        let mut actions = Actions::new();
        tx.machine = match tx.machine {
            Machine::Unsent => return,
            Machine::Invite(state) => Machine::Invite(state.on_timer(timer, &mut actions)),
            Machine::NonInvite(state) => {
                Machine::NonInvite(state.on_timer(timer, &path, &mut actions))
            }
        };
        self.run_client(now, id, &actions, None);
    }

    fn run_client(
        &mut self,
        now: Instant,
        id: ClientTxId,
        actions: &[Action],
        mut response: Option<Response>,
    ) {
        for action in actions {
            match *action {
                Action::Transmit => self.transmit_client(id),
                Action::Ack => self.ack_failure(id, response.as_ref()),
                Action::Set(timer, after) => {
                    self.timers.set(Owner::Client(id), timer, now + after);
                }
                Action::Clear(timer) => self.timers.clear(Owner::Client(id), timer),
                Action::Deliver => {
                    let Some(response) = response.take() else {
                        continue;
                    };
                    if self.fails_over(now, id, &response) {
                        return;
                    }
                    self.conclude(
                        now,
                        id,
                        Outcome {
                            response,
                            made_up: false,
                        },
                    );
                }
                Action::Timeout | Action::Unreachable => {
                    if self.may_fail_over(id) && self.restart(now, id) {
                        return;
                    }
                    let status = match action {
                        Action::Timeout => StatusCode::REQUEST_TIMEOUT,
                        _ => StatusCode::SERVICE_UNAVAILABLE,
                    };
                    self.conclude_made_up(now, id, status);
                }
                Action::Done => self.close_client(id),
                Action::Trying => {}
            }
        }
    }

    fn transmit_client(&mut self, id: ClientTxId) {
        if let Some(tx) = self.clients.get(id)
            && let Some(via) = tx.via
        {
            let bytes = tx.bytes.clone();
            self.out.push_back(Output::Transmit {
                via,
                bytes,
                tx: Some(id),
            });
        }
    }

    /// §17.1.1.3: the ACK to a failure goes the way of the INVITE, with its Via.
    fn ack_failure(&mut self, id: ClientTxId, response: Option<&Response>) {
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        if tx.ack.is_empty()
            && let (Some(request), Some(response)) = (&tx.request, response)
            && let Some(to) = response.headers.get(&HeaderName::To)
        {
            tx.ack = follow_up(request, Method::Ack, Some(to)).print();
        }
        if let Some(via) = tx.via {
            let bytes = tx.ack.clone();
            self.out.push_back(Output::Transmit {
                via,
                bytes,
                tx: None,
            });
        }
    }

    /// RFC 3263 §4.3: a 503 is a failure of that target, if there is another one.
    fn fails_over(&mut self, now: Instant, id: ClientTxId, response: &Response) -> bool {
        if response.status != StatusCode::SERVICE_UNAVAILABLE || !self.may_fail_over(id) {
            return false;
        }
        self.leave_residue(now, id);
        self.restart(now, id)
    }

    fn may_fail_over(&self, id: ClientTxId) -> bool {
        let Some(tx) = self.clients.get(id) else {
            return false;
        };
        let wanted = match tx.purpose {
            Purpose::Invite(usage) => self.is_wanted(usage),
            Purpose::User | Purpose::InDialog(_) | Purpose::Modify(_) | Purpose::Own => true,
        };
        !tx.rest.is_empty() && wanted
    }

    fn restart(&mut self, now: Instant, id: ClientTxId) -> bool {
        self.timers.clear_all(Owner::Client(id));
        self.try_next(now, id)
    }

    /// The failed INVITE transaction lives on beside the new one, to acknowledge the failure again.
    fn leave_residue(&mut self, now: Instant, id: ClientTxId) {
        let Some(tx) = self.clients.get(id) else {
            return;
        };
        if tx.method != Method::Invite || tx.via.is_none_or(|via| transport_of(&via).is_reliable())
        {
            return;
        }
        let residue = ClientTx {
            machine: Machine::Invite(ClientInvite::Completed),
            method: Method::Invite,
            seq: tx.seq,
            branch: tx.branch,
            request: None,
            contact: None,
            bytes: Bytes::new(),
            ack: tx.ack.clone(),
            via: tx.via,
            rest: VecDeque::new(),
            purpose: Purpose::Own,
            acks: SmallVec::new(),
        };
        let branch = tx.branch;
        let residue = self.clients.insert(residue);
        if let Some(tx) = self.clients.get_mut(id) {
            // The new transaction must not take the branch out of the table with it.
            tx.branch = 0;
        }
        self.branches.insert((branch, false), residue);
        let at = now + self.config.times.patience();
        self.timers.set(Owner::Client(residue), Timer::D, at);
    }

    /// Nothing can be sent: the transaction ends with a response made up by us.
    fn fail_client(&mut self, now: Instant, id: ClientTxId, status: StatusCode) {
        self.conclude_made_up(now, id, status);
        self.close_client(id);
    }

    fn conclude_made_up(&mut self, now: Instant, id: ClientTxId, status: StatusCode) {
        let Some(request) = self.clients.get(id).and_then(|tx| tx.request.as_ref()) else {
            return;
        };
        let response = request.response(status);
        self.conclude(
            now,
            id,
            Outcome {
                response,
                made_up: true,
            },
        );
    }

    /// Hands a response to whoever waits for it.
    fn conclude(&mut self, now: Instant, id: ClientTxId, outcome: Outcome) {
        let status = outcome.response.status;
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        let purpose = tx.purpose;
        if tx.method != Method::Invite && status.is_final() {
            tx.request = None;
            tx.bytes = Bytes::new();
        }
        match purpose {
            Purpose::Own => {}
            Purpose::User | Purpose::InDialog(_) if status == StatusCode::TRYING => {}
            Purpose::User => self.event(Event::Response {
                tx: id,
                response: outcome.response,
            }),
            Purpose::InDialog(usage) => {
                self.on_in_dialog_response(now, usage, id, outcome);
            }
            Purpose::Invite(usage) => self.on_invite_response(now, usage, id, outcome),
            Purpose::Modify(usage) => self.on_modify_response(now, usage, id, outcome),
        }
    }

    pub(super) fn close_client(&mut self, id: ClientTxId) {
        self.timers.clear_all(Owner::Client(id));
        let Some(tx) = self.clients.remove(id) else {
            return;
        };
        self.branches
            .remove(&(tx.branch, tx.method == Method::Cancel));
    }

    /// Whether the request was sent at all.
    pub(super) fn is_sent(&self, id: ClientTxId) -> bool {
        self.clients
            .get(id)
            .is_some_and(|tx| !matches!(tx.machine, Machine::Unsent))
    }

    /// Whether the INVITE has no final response.
    pub(super) fn is_open(&self, id: ClientTxId) -> bool {
        self.clients.get(id).is_some_and(|tx| match tx.machine {
            Machine::Unsent => true,
            Machine::Invite(ClientInvite::Calling(_) | ClientInvite::Proceeding) => true,
            Machine::Invite(_) => false,
            Machine::NonInvite(ClientNonInvite::Trying(_) | ClientNonInvite::Proceeding) => true,
            Machine::NonInvite(_) => false,
        })
    }

    /// Sends the CANCEL of an INVITE on its way and with its branch (§9.1), and gives the INVITE
    /// 64·T1 to end.
    pub(super) fn send_cancel(&mut self, now: Instant, invite: ClientTxId) {
        let Some(tx) = self.clients.get(invite) else {
            return;
        };
        let (Some(request), Some(via)) = (&tx.request, tx.via) else {
            return;
        };
        let request = follow_up(request, Method::Cancel, None);
        let branch = tx.branch;
        let bytes = request.print();
        let id = self.insert_client(request, None, Purpose::Own);
        let path = self.path_of(&via);
        let mut actions = Actions::new();
        if let Some(tx) = self.clients.get_mut(id) {
            tx.machine = Machine::NonInvite(ClientNonInvite::start(&path, &mut actions));
            tx.branch = branch;
            tx.bytes = bytes;
            tx.via = Some(via);
        }
        self.branches.insert((branch, true), id);
        self.run_client(now, id, &actions, None);
        let at = now + self.config.times.patience();
        self.timers.set(Owner::Client(invite), Timer::Cancel, at);
    }

    /// Nobody waits for this INVITE any more: it is cancelled where it may be, and bounded where a
    /// provisional response has stopped its timer B.
    pub(super) fn drop_invite(&mut self, now: Instant, id: ClientTxId) {
        let Some(tx) = self.clients.get(id) else {
            return;
        };
        match tx.machine {
            Machine::Unsent => self.close_client(id),
            Machine::Invite(ClientInvite::Proceeding) => self.send_cancel(now, id),
            Machine::Invite(ClientInvite::Calling(_)) => {
                let at = now + self.config.times.patience();
                self.timers.set(Owner::Client(id), Timer::Cancel, at);
            }
            Machine::Invite(_) | Machine::NonInvite(_) => {}
        }
    }

    /// §9.1: no final response came for the cancelled INVITE; it is considered gone.
    fn give_up_cancelled(&mut self, now: Instant, id: ClientTxId) {
        if self.is_open(id) {
            self.fail_client(now, id, StatusCode::REQUEST_TIMEOUT);
        }
    }

    /// Sends the ACK for a 2xx (§13.2.2.4) and keeps it for the 2xx's retransmissions.
    pub(super) fn send_ack(
        &mut self,
        tx: ClientTxId,
        dialog: &Dialog,
        seq: u32,
        body: Option<&Body>,
    ) {
        let mut request = dialog.request(Method::Ack, seq);
        let mut octets = Bytes::new();
        Self::put_body(&mut request.headers, &mut octets, body);
        request.body = octets;
        self.stamp_user_agent(&mut request);
        let tag = dialog.remote_tag.clone();
        let uri = next_hop(&request);
        match locate(&dialog.hop, &uri) {
            Some(via) => self.emit_ack(tx, tag, request, via),
            None => {
                self.keep_ack(tx, tag.clone(), None);
                self.resolve(
                    Resolving::Ack {
                        tx,
                        tag,
                        request: Box::new(request),
                    },
                    uri,
                );
            }
        }
    }

    fn emit_ack(&mut self, tx: ClientTxId, tag: Text, mut request: Request, via: Via) {
        let branch = self.rng.next_u64();
        self.push_via(&mut request, &via, branch);
        let bytes = request.print();
        self.keep_ack(tx, tag, Some((via, bytes.clone())));
        self.out.push_back(Output::Transmit {
            via,
            bytes,
            tx: None,
        });
    }

    fn keep_ack(&mut self, tx: ClientTxId, tag: Text, sent: Option<(Via, Bytes)>) {
        let Some(tx) = self.clients.get_mut(tx) else {
            return;
        };
        match tx.acks.iter_mut().find(|acked| acked.tag == tag) {
            Some(acked) => acked.sent = sent,
            None => tx.acks.push(Acked { tag, sent }),
        }
    }

    /// A 2xx that was acknowledged before gets the same ACK again; false if it was not.
    pub(super) fn repeat_ack(&mut self, tx: ClientTxId, response: &Response) -> bool {
        let Some(tx) = self.clients.get(tx) else {
            return false;
        };
        let tag = to_tag(&response.headers).unwrap_or_default();
        let known = tx.acks.iter().find(|acked| acked.tag == tag);
        if let Some((via, bytes)) = known.and_then(|acked| acked.sent.clone()) {
            self.out.push_back(Output::Transmit {
                via,
                bytes,
                tx: None,
            });
        }
        known.is_some() || tx.acks.len() >= FORKS
    }

    /// `User-Agent` in a request.
    pub(super) fn stamp_user_agent(&self, request: &mut Request) {
        let name = HeaderName::UserAgent;
        if !self.config.user_agent.is_empty() && !request.headers.has(&name) {
            request.headers.push(name, self.config.user_agent.clone());
        }
    }
}

/// The way of a request, where no name has to be resolved for it (RFC 3263 §4).
fn locate(hop: &Hop, uri: &Uri) -> Option<Via> {
    match hop {
        Hop::Flow(flow) => Some(Via::Flow(*flow)),
        Hop::Target(target) => Some(Via::Target(*target)),
        Hop::Unknown => numeric(uri).map(Via::Target),
    }
}

fn numeric(uri: &Uri) -> Option<Target> {
    if !uri.is_sip() {
        return None;
    }
    let maddr = uri.param("maddr");
    let host = match &maddr {
        Some(maddr) => Host::parse(maddr).ok()?,
        None => uri.host.clone(),
    };
    let ip = host.ip()?;
    let secure = uri.scheme == Scheme::Sips;
    let transport = match uri.param("transport") {
        None if secure => Transport::Tls,
        None => Transport::Udp,
        Some(name) if name.eq_ignore_case("tls") => Transport::Tls,
        Some(name) if name.eq_ignore_case("tcp") && secure => Transport::Tls,
        Some(name) if name.eq_ignore_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_case("udp") => Transport::Udp,
        Some(name) if name.eq_ignore_case("ws") && secure => Transport::Wss,
        Some(name) if name.eq_ignore_case("ws") => Transport::Ws,
        Some(name) if name.eq_ignore_case("wss") => Transport::Wss,
        // A transport we do not know is the resolver's to refuse.
        Some(_) => return None,
    };
    let port = uri.port.unwrap_or(transport.default_port());
    Some(Target {
        transport,
        remote: SocketAddr::new(ip, port),
    })
}

/// TCP to the same place, if these octets are too many for a datagram (§18.1.1).
fn larger_way(via: &Via, octets: usize) -> Option<Via> {
    match via {
        Via::Target(target) if target.transport == Transport::Udp && octets > LARGE => {
            Some(Via::Target(Target {
                transport: Transport::Tcp,
                ..target_of(via)
            }))
        }
        Via::Target(_) | Via::Flow(_) => None,
    }
}

/// The ACK to a failure, or the CANCEL, of an INVITE: its topmost Via, Route, From, Call-ID and
/// CSeq number (§17.1.1.3, §9.1).
fn follow_up(invite: &Request, method: Method, to: Option<&Text>) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    let from = &invite.headers;
    let headers = &mut request.headers;
    headers.copy_all(from, &HeaderName::Via);
    headers.push(HeaderName::MaxForwards, Text::from_static("70"));
    headers.copy_all(from, &HeaderName::Route);
    headers.copy_all(from, &HeaderName::From);
    match to {
        Some(to) => headers.push(HeaderName::To, to.clone()),
        None => headers.copy_all(from, &HeaderName::To),
    }
    headers.copy_all(from, &HeaderName::CallId);
    let seq = from.cseq().map_or(0, |cseq| cseq.seq);
    headers.push(HeaderName::CSeq, CSeq { seq, method });
    headers.copy_all(from, &HeaderName::UserAgent);
    request
}
