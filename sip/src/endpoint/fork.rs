//! One call to several places at once, as a proxy would fork it (RFC 3261 §16.6, §16.7): all its
//! INVITEs are one request with one Call-ID, From tag and CSeq, each with a Request-URI, route and
//! branch of its own. The first 2xx wins and the others are cancelled; a 6xx ends them all; else
//! the call fails when all have, with the best of their answers.

use super::client::{Machine, Outcome, Purpose};
use super::{ClientTxId, Contact, Endpoint, InviteId, Reach};
use crate::dialog::{Calling, Fork, Usage, route};
use crate::msg::{HeaderName, Request, StatusCode};
use crate::transaction::client_invite::ClientInvite;
use std::time::Instant;

impl Endpoint {
    /// Sends the INVITE to the other places as well.
    pub(super) fn fork(
        &mut self,
        now: Instant,
        id: InviteId,
        request: &Request,
        contact: &Contact,
        reach: &Reach,
    ) {
        for branch in &reach.forks {
            let mut request = request.clone();
            request.headers.remove(&HeaderName::Route);
            request.uri = route(&mut request.headers, &branch.route, branch.uri.clone());
            let towards = Reach {
                ways: branch.ways.clone(),
                credentials: reach.credentials.clone(),
                ..Reach::default()
            };
            let contact = Some(contact.clone());
            let tx = self.start_towards(now, request, contact, Purpose::Invite(id), &towards);
            if let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) {
                calling.forks.push(Fork {
                    tx,
                    proceeding: false,
                });
            }
        }
    }

    /// A branch failed. What the call fails with, if it was the last one, or if nobody else may
    /// answer any more (§16.7 step 5).
    pub(super) fn on_branch_failed(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let calling = self.usages.get_mut(id).and_then(Usage::calling_mut)?;
        if outcome.response.status.code() >= 600 {
            let others = calling.leave_only(tx);
            self.drop_branches(now, others);
            return Some(outcome);
        }
        let best = match calling.failed.take() {
            Some(known) if rank(&known) <= rank(&outcome) => *known,
            Some(_) | None => outcome,
        };
        if calling.forget(tx) {
            calling.failed = Some(Box::new(best));
            return None;
        }
        Some(best)
    }

    /// Nobody waits for these INVITEs any more.
    pub(super) fn drop_branches(&mut self, now: Instant, branches: Vec<ClientTxId>) {
        for tx in branches {
            self.drop_invite(now, tx);
        }
    }

    /// A place that nobody waits for has begun to ring: now it can be told (§9.1).
    pub(super) fn cancel_late(&mut self, now: Instant, tx: ClientTxId) {
        let Some(client) = self.clients.get(tx) else {
            return;
        };
        let rings = matches!(client.machine, Machine::Invite(ClientInvite::Proceeding));
        if rings && !self.branches.contains_key(&(client.branch, true)) {
            self.send_cancel(now, tx);
        }
    }

    /// Whether the call rings at more than one place, or did.
    pub(super) fn is_forked(&mut self, id: InviteId) -> bool {
        let calling = self.usages.get_mut(id).and_then(Usage::calling_mut);
        calling.is_some_and(|calling| !calling.forks.is_empty() || calling.failed.is_some())
    }

    /// Whether the call waits for this branch.
    pub(super) fn waits_for(&mut self, id: InviteId, tx: ClientTxId) -> bool {
        let calling = self.usages.get_mut(id).and_then(Usage::calling_mut);
        calling.is_some_and(|calling| calling.has(tx))
    }
}

impl Calling {
    /// Whether this is one of its branches.
    fn has(&self, tx: ClientTxId) -> bool {
        self.tx == tx || self.forks.iter().any(|fork| fork.tx == tx)
    }

    /// A branch has a provisional response.
    pub(super) fn note_proceeding(&mut self, tx: ClientTxId) {
        if self.tx == tx {
            self.proceeding = true;
        }
        for fork in self.forks.iter_mut().filter(|fork| fork.tx == tx) {
            fork.proceeding = true;
        }
    }

    /// This branch is all that is left of it. Answers the others.
    pub(super) fn leave_only(&mut self, tx: ClientTxId) -> Vec<ClientTxId> {
        let all = std::mem::take(&mut self.forks);
        let others = all.iter().map(|fork| fork.tx).chain([self.tx]);
        let others = others.filter(|one| *one != tx).collect();
        if let Some(fork) = all.iter().find(|fork| fork.tx == tx) {
            self.proceeding = fork.proceeding;
        }
        self.tx = tx;
        others
    }

    /// This branch is over; false if it was the last.
    fn forget(&mut self, tx: ClientTxId) -> bool {
        if self.tx != tx {
            self.forks.retain(|fork| fork.tx != tx);
            return true;
        }
        match self.forks.pop() {
            Some(next) => {
                self.tx = next.tx;
                self.proceeding = next.proceeding;
                true
            }
            None => false,
        }
    }
}

/// How much an answer says of why the call failed, the best first (§16.7 step 6): what we made up
/// ourselves says least, then what only says that nobody was there.
fn rank(outcome: &Outcome) -> u8 {
    let status = outcome.response.status;
    match status {
        _ if outcome.made_up => 4,
        StatusCode::BUSY_HERE | StatusCode::DECLINE => 0,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE => 2,
        _ if status.code() >= 500 => 3,
        _ => 1,
    }
}
