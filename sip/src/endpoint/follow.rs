//! What follows an INVITE of ours: ACK to a failure (RFC 3261 §17.1.1.3) and to a 2xx (§13.2.2.4),
//! CANCEL (§9.1).

use super::client::{Acked, FORKS, Machine, Purpose, Resolving, Sent};
use super::flow::domain_of;
use super::way::locate;
use super::{Body, ClientTxId, Endpoint, Output, Via};
use crate::dialog::{Dialog, next_hop};
use crate::msg::{CSeq, HeaderName, Method, Request, Response, StatusCode, Text};
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::client_non_invite::ClientNonInvite;
use crate::transaction::timer::{Owner, Timer};
use crate::transaction::{Actions, to_tag};
use bytes::Bytes;
use rand::Rng as _;
use std::time::Instant;

impl Endpoint {
    /// §17.1.1.3: the ACK to a failure goes the way of the INVITE, with its Via.
    pub(super) fn ack_failure(&mut self, id: ClientTxId, response: Option<&Response>) {
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
            let request = tx.request.as_ref();
            let domain = request.and_then(|request| domain_of(request, &via));
            self.out.push_back(Output::Transmit {
                via,
                domain,
                bytes,
                tx: None,
            });
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

    pub(super) fn emit_ack(&mut self, tx: ClientTxId, tag: Text, mut request: Request, via: Via) {
        let branch = self.rng.next_u64();
        self.push_via(&mut request, &via, branch);
        let sent = Sent {
            via,
            domain: domain_of(&request, &via),
            bytes: request.print(),
        };
        self.keep_ack(tx, tag, Some(sent.clone()));
        self.transmit_ack(sent);
    }

    fn transmit_ack(&mut self, sent: Sent) {
        self.out.push_back(Output::Transmit {
            via: sent.via,
            domain: sent.domain,
            bytes: sent.bytes,
            tx: None,
        });
    }

    pub(super) fn keep_ack(&mut self, tx: ClientTxId, tag: Text, sent: Option<Sent>) {
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
        let settled = known.is_some() || tx.acks.len() >= FORKS;
        if let Some(sent) = known.and_then(|acked| acked.sent.clone()) {
            self.transmit_ack(sent);
        }
        settled
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
        }
        self.set_way(id, via);
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
    pub(super) fn give_up_cancelled(&mut self, now: Instant, id: ClientTxId) {
        if self.is_open(id) {
            self.fail_client(now, id, StatusCode::REQUEST_TIMEOUT);
        }
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
