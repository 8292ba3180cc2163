//! Requests of ours that are challenged: RFC 3261 §22.2, §22.3, sent again with the credentials
//! they were given.

use super::client::{ClientTx, Hopeful, Purpose};
use super::holder::call_of;
use super::{ClientTxId, Endpoint, InviteId};
use crate::auth::{Asked, Credentials, choose};
use crate::dialog::Usage;
use crate::msg::{AuthParams, CSeq, HeaderName, Request, Response, StatusCode};
use rand::Rng as _;
use std::time::Instant;

impl Endpoint {
    /// Our requests inside this call are answered with these when they are challenged (§22.2 holds within dialogs, too):
    /// for a call that came in. One that we made has those of its [`Reach`](super::Reach).
    pub fn entrust_call(&mut self, id: InviteId, credentials: Credentials) {
        if let Some(usage) = self.usages.get_mut(id) {
            usage.credentials = credentials;
        }
    }

    /// What requests for this purpose are answered with, when they are challenged.
    pub(super) fn credentials_for(&self, purpose: Purpose) -> Credentials {
        let usage = self.call_for(purpose).and_then(|id| self.usages.get(id));
        usage
            .map(|usage| usage.credentials.clone())
            .unwrap_or_default()
    }

    /// The call to which requests for this purpose belong.
    fn call_for(&self, purpose: Purpose) -> Option<InviteId> {
        match purpose {
            Purpose::Invite(id)
            | Purpose::InDialog(id)
            | Purpose::Modify(id)
            | Purpose::Probe(id) => Some(id),
            // RFC 3515 §2.4.4: in the dialog of the REFER.
            Purpose::Notify(id) => call_of(self.notifiers.get(id).map(|notifier| notifier.home)),
            Purpose::User | Purpose::Subscribe(_) | Purpose::Own => None,
        }
    }

    /// Gives a request credentials of its own.
    pub(super) fn entrust(&mut self, id: ClientTxId, credentials: Credentials) {
        if let Some(tx) = self.clients.get_mut(id) {
            tx.credentials = credentials;
        }
    }

    /// §22.2: a 401 or 407 is answered by the same request with credentials and the next CSeq, to
    /// where it came from. False: it is final, for want of credentials or because they were
    /// refused. A nonce that was only stale is no refusal (RFC 7616 §3.3), but not for ever.
    pub(super) fn answers_challenge(
        &mut self,
        now: Instant,
        id: ClientTxId,
        response: &Response,
    ) -> bool {
        let fields = match response.status {
            StatusCode::UNAUTHORIZED => response.headers.www_authenticate(),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => response.headers.proxy_authenticate(),
            _ => return false,
        };
        let Some(tx) = self.clients.get(id) else {
            return false;
        };
        let wanted = self.is_still_wanted(tx.purpose);
        let (true, Ok(fields), Some(via)) = (wanted, fields, tx.via) else {
            return false;
        };
        let Some(request) = self.answered(id, response.status, &fields) else {
            return false;
        };
        self.leave_residue(now, id);
        let seq = request.headers.cseq().map_or(0, |cseq| cseq.seq);
        let Some(tx) = self.clients.get_mut(id) else {
            return false;
        };
        let hopeful = Hopeful {
            via,
            whatever_size: true,
        };
        tx.rest.push_front(hopeful);
        tx.request = Some(request);
        tx.seq = seq;
        tx.answers += 1;
        let purpose = tx.purpose;
        self.number(purpose, seq);
        self.restart(now, id)
    }

    /// The request with the answer to these challenges.
    fn answered(
        &mut self,
        id: ClientTxId,
        status: StatusCode,
        fields: &[AuthParams],
    ) -> Option<Request> {
        let cnonce = format!("{:016x}", self.rng.next_u64());
        let tx: &ClientTx = self.clients.get(id)?;
        if tx.credentials.is_empty() {
            return None;
        }
        let mut request = tx.request.clone()?;
        let name = if status == StatusCode::UNAUTHORIZED {
            HeaderName::Authorization
        } else {
            HeaderName::ProxyAuthorization
        };
        let challenges = choose(fields);
        let refused = request.headers.has(&name) && !challenges.iter().any(|one| one.stale);
        if refused || tx.answers >= ANSWERS {
            return None;
        }
        request.headers.remove(&name);
        let uri = request.uri.to_string();
        let asked = Asked {
            method: &request.method,
            uri: &uri,
            body: &request.body,
        };
        let answers: Vec<_> = challenges
            .iter()
            .filter_map(|challenge| {
                let credential = tx.credentials.of_realm(&challenge.realm)?;
                challenge.answer(credential, &asked, 1, &cnonce)
            })
            .collect();
        if answers.is_empty() {
            return None;
        }
        for answer in answers {
            request.headers.push(name.clone(), answer);
        }
        // Another request of the dialog may have had the number after this one's (§12.2.1.1).
        let usage = self.call_for(tx.purpose).and_then(|id| self.usages.get(id));
        let dialog = usage.and_then(|usage| usage.dialogs.first());
        let used = dialog.map_or(0, |dialog| dialog.local_seq);
        let seq = tx.seq.max(used).saturating_add(1);
        let method = request.method.clone();
        request.headers.set(HeaderName::CSeq, CSeq { seq, method });
        Some(request)
    }

    /// The dialog goes on counting from the number that was used.
    fn number(&mut self, purpose: Purpose, seq: u32) {
        match purpose {
            Purpose::InDialog(_) | Purpose::Modify(_) | Purpose::Probe(_) | Purpose::Notify(_) => {
                let usage = self
                    .call_for(purpose)
                    .and_then(|id| self.usages.get_mut(id));
                let dialog = usage.and_then(|usage| usage.dialogs.first_mut());
                if let Some(dialog) = dialog {
                    dialog.local_seq = dialog.local_seq.max(seq);
                }
            }
            // What was early belongs to the INVITE that failed.
            Purpose::Invite(id) => {
                if let Some(usage) = self.usages.get_mut(id) {
                    usage.dialogs.clear();
                    if let Some(calling) = Usage::calling_mut(usage) {
                        calling.proceeding = false;
                    }
                }
            }
            Purpose::User | Purpose::Subscribe(_) | Purpose::Own => {}
        }
    }
}

/// How often one request is sent again with credentials: for the server and a proxy on its way,
/// each perhaps with a stale nonce.
const ANSWERS: u8 = 4;
