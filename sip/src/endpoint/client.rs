//! The client transactions: their table, targets and failover, and what their machines want done.

use super::compose::transport_of;
use super::flow::domain_of;
use super::{
    ClientTxId, Contact, Endpoint, Event, InviteId, NotifierId, Output, SubscriberId, Via,
};
use crate::auth::Credentials;
use crate::id::unhex;
use crate::msg::{HeaderName, Method, Request, Response, StatusCode, Text};
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::client_non_invite::ClientNonInvite;
use crate::transaction::timer::{Owner, Timer};
use crate::transaction::{Action, Actions, COOKIE, Path, Reply};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::time::Instant;

/// How many branches of a fork may answer one INVITE; the 2xx of more are dropped.
pub(super) const FORKS: usize = 16;

/// One client transaction, or a series of them to different targets for the same request.
#[derive(Debug)]
pub(super) struct ClientTx {
    pub(super) machine: Machine,
    pub(super) method: Method,
    pub(super) seq: u32,
    pub(super) branch: u64,
    /// With our Via in front once it was sent; gone when a non-INVITE has its final response.
    pub(super) request: Option<Request>,
    pub(super) contact: Option<Contact>,
    pub(super) bytes: Bytes,
    /// The ACK to its failure response.
    pub(super) ack: Bytes,
    /// Where it was sent.
    pub(super) via: Option<Via>,
    pub(super) rest: VecDeque<Hopeful>,
    pub(super) purpose: Purpose,
    /// What challenges are answered with, and how many were.
    pub(super) credentials: Credentials,
    pub(super) answers: u8,
    /// Why the connection for it was not secured.
    pub(super) insecure: Option<Text>,
    /// The ACKs to its 2xx, one per fork; they outlive the usage.
    pub(super) acks: SmallVec<[Acked; 1]>,
}

impl ClientTx {
    /// A BYE that has no final answer yet.
    fn is_waiting_bye(&self) -> bool {
        self.method == Method::Bye && self.request.is_some()
    }
}

/// A way that may work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hopeful {
    pub(super) via: Via,
    /// Too long for it, but TCP was refused (§18.1.1).
    pub(super) whatever_size: bool,
}

#[derive(Debug)]
pub(super) struct Acked {
    pub(super) tag: Text,
    pub(super) sent: Option<Sent>,
}

/// An ACK as it left.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) via: Via,
    pub(super) domain: Option<Text>,
    pub(super) bytes: Bytes,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Machine {
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
    /// The subscription that this NOTIFY is for.
    Notify(NotifierId),
    /// Our subscription: SUBSCRIBE, or the REFER that makes it.
    Subscribe(SubscriberId),
    /// The usage: whether its peer is still there.
    Probe(InviteId),
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
    /// Where to send this BENOTIFY, which may be the last.
    BestEffort {
        id: NotifierId,
        request: Box<Request>,
        last: bool,
    },
}

/// How a request was answered.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) response: Response,
    /// No response came; this one stands for a timeout (408) or transport failure (503).
    pub(crate) made_up: bool,
}

impl Endpoint {
    pub(super) fn path_of(&self, via: &Via) -> Path {
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

    /// The octets of a `Transmit` with this `tx` could not be sent, because the connection to its
    /// target was not secured (RFC 3261 §26.3.1): `why` is said in [`Event::Response`].
    pub fn handle_not_secured(&mut self, now: Instant, id: ClientTxId, why: Text) {
        if let Some(tx) = self.clients.get_mut(id) {
            tx.insecure = Some(why);
        }
        self.handle_send_failed(now, id);
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

    pub(super) fn match_response(&self, response: &Response) -> Option<ClientTxId> {
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

    pub(super) fn run_client(
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
                    if self.fails_over(now, id, &response)
                        || self.answers_challenge(now, id, &response)
                    {
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
                    let status = if *action == Action::Timeout {
                        StatusCode::REQUEST_TIMEOUT
                    } else {
                        StatusCode::SERVICE_UNAVAILABLE
                    };
                    self.conclude_made_up(now, id, status);
                }
                Action::Done => self.close_client(id),
                Action::Trying => {}
            }
        }
    }

    pub(super) fn transmit_client(&mut self, id: ClientTxId) {
        if let Some(tx) = self.clients.get(id)
            && let Some(via) = tx.via
        {
            let bytes = tx.bytes.clone();
            let request = tx.request.as_ref();
            let domain = request.and_then(|request| domain_of(request, &via));
            self.out.push_back(Output::Transmit {
                via,
                domain,
                bytes,
                tx: Some(id),
            });
        }
    }

    /// RFC 3263 §4.3: a 503 is a failure of that target, if there is another one.
    pub(super) fn fails_over(&mut self, now: Instant, id: ClientTxId, response: &Response) -> bool {
        if response.status != StatusCode::SERVICE_UNAVAILABLE || !self.may_fail_over(id) {
            return false;
        }
        self.leave_residue(now, id);
        self.restart(now, id)
    }

    pub(super) fn may_fail_over(&self, id: ClientTxId) -> bool {
        let Some(tx) = self.clients.get(id) else {
            return false;
        };
        !tx.rest.is_empty() && self.is_still_wanted(tx.purpose)
    }

    /// Whether anybody still waits for this to succeed: a call may have been given up.
    pub(super) fn is_still_wanted(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Invite(usage) => self.is_wanted(usage),
            Purpose::User
            | Purpose::InDialog(_)
            | Purpose::Modify(_)
            | Purpose::Notify(_)
            | Purpose::Subscribe(_)
            | Purpose::Probe(_)
            | Purpose::Own => true,
        }
    }

    pub(super) fn restart(&mut self, now: Instant, id: ClientTxId) -> bool {
        self.timers.clear_all(Owner::Client(id));
        self.try_next(now, id)
    }

    /// The failed INVITE transaction lives on beside the new one, to acknowledge the failure again.
    pub(super) fn leave_residue(&mut self, now: Instant, id: ClientTxId) {
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
            credentials: Credentials::default(),
            answers: 0,
            insecure: None,
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
    pub(super) fn fail_client(&mut self, now: Instant, id: ClientTxId, status: StatusCode) {
        self.conclude_made_up(now, id, status);
        self.close_client(id);
    }

    pub(super) fn conclude_made_up(&mut self, now: Instant, id: ClientTxId, status: StatusCode) {
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
    pub(super) fn conclude(&mut self, now: Instant, id: ClientTxId, outcome: Outcome) {
        let status = outcome.response.status;
        let Some(tx) = self.clients.get_mut(id) else {
            return;
        };
        let purpose = tx.purpose;
        if tx.method != Method::Invite && status.is_final() {
            if tx.is_waiting_bye() {
                self.byes = self.byes.saturating_sub(1);
            }
            tx.request = None;
            tx.bytes = Bytes::new();
        }
        // Another target may have answered where the first was not secured.
        let insecure = tx.insecure.take().filter(|_| outcome.made_up);
        match purpose {
            Purpose::Own => {}
            Purpose::Probe(usage) => self.on_probe_response(now, usage, &outcome),
            Purpose::User | Purpose::InDialog(_) if status == StatusCode::TRYING => {}
            Purpose::User => self.event(Event::Response {
                tx: id,
                response: outcome.response,
                insecure,
            }),
            Purpose::InDialog(usage) => {
                self.on_in_dialog_response(now, usage, id, outcome);
            }
            Purpose::Invite(usage) => self.on_invite_response(now, usage, id, outcome),
            Purpose::Modify(usage) => self.on_modify_response(now, usage, id, outcome),
            Purpose::Notify(notifier) => self.on_notify_response(now, notifier, &outcome),
            Purpose::Subscribe(subscriber) => {
                self.on_subscribe_response(now, subscriber, id, outcome);
            }
        }
    }

    pub(super) fn close_client(&mut self, id: ClientTxId) {
        self.timers.clear_all(Owner::Client(id));
        self.forget_way(id);
        let Some(tx) = self.clients.remove(id) else {
            return;
        };
        if tx.is_waiting_bye() {
            self.byes = self.byes.saturating_sub(1);
        }
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

    /// `User-Agent` in a request.
    pub(super) fn stamp_user_agent(&self, request: &mut Request) {
        let name = HeaderName::UserAgent;
        if !self.config.user_agent.is_empty() && !request.headers.has(&name) {
            request.headers.push(name, self.config.user_agent.clone());
        }
    }
}
