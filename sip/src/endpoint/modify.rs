//! Changing a call that is up: re-INVITE (RFC 3261 §14), UPDATE (RFC 3311), session refresh
//! (RFC 4028).

use super::client::{Outcome, Purpose};
use super::compose::session_body;
use super::in_dialog::is_gone;
use super::receive::Refusal;
use super::server::{Arrival, Extra, ServerRole};
use super::session::push_session;
use super::{
    Answer, Body, ClientTxId, CommandError, EndCause, Endpoint, Event, InviteId, ServerTxId,
};
use crate::dialog::offer_answer::{Carrier, Meaning, OfferAnswer};
use crate::dialog::{Modify, Modifying, Stage, Unacknowledged, Usage};
use crate::msg::{HeaderName, Headers, Method, Request, Response, StatusCode};
use crate::transaction::from_tag;
use crate::transaction::timer::{Owner, Timer};
use rand::RngExt as _;
use std::time::{Duration, Instant};

/// A request that is refused this often with 491 or 422 is given up.
const TRIES: u8 = 5;

impl Endpoint {
    /// A re-INVITE or UPDATE of the peer's (§14.2, RFC 3311 §5.2).
    pub(super) fn on_modify_request(&mut self, now: Instant, id: InviteId, arrival: Arrival) {
        let request = &arrival.request;
        let body = session_body(&request.headers, &request.body);
        if let Err(refusal) = self.may_modify(id, request, body.is_some()) {
            return self.refuse(now, &arrival, refusal);
        }
        let asked = self.session_asked(&request.headers);
        if let Some(refusal) = self.too_brief(&asked) {
            return self.refuse(now, &arrival, refusal);
        }
        let hash = body.as_ref().map(|body| self.hash(&[&body.octets]));
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        usage.note_peer(&request.headers, hash);
        let no_session = usage.no_session;
        let invite = request.method == Method::Invite;
        let carrier = if invite {
            Carrier::Invite
        } else {
            Carrier::Update
        };
        if let Some(dialog) = usage.dialog_with_mut(&from_tag(&request.headers)) {
            dialog.offer.received(carrier, body.is_some());
            dialog.refresh_target(&request.headers);
            if arrival.direct && dialog.is_direct() {
                dialog.hop = crate::dialog::Hop::Flow(arrival.from);
            }
        }
        let tx = self.open_pending(now, id, &arrival, ServerRole::Modify);
        if let Some(server) = self.servers.get_mut(tx) {
            server.asked = asked;
            server.offer = body.is_some() || invite || no_session;
        }
        let method = arrival.request.method.clone();
        self.event(Event::Modify {
            id,
            tx,
            method,
            body,
            request: arrival.request,
        });
    }

    /// Overlap (§14.2, RFC 3311 §5.2, RFC 6337 §4): 491 where our offer is out, 500 where theirs
    /// is still unanswered.
    fn may_modify(&mut self, id: InviteId, request: &Request, body: bool) -> Result<(), Refusal> {
        let retry = self.rng.random_range(0..=10_u32).to_string();
        let later =
            Refusal::new(StatusCode::SERVER_INTERNAL_ERROR).with(HeaderName::RetryAfter, retry);
        let pending = Refusal::new(StatusCode::REQUEST_PENDING);
        let usage = self.usages.get(id);
        let Some(usage) = usage else {
            return Err(later);
        };
        let Some(dialog) = usage.dialog_with(&from_tag(&request.headers)) else {
            return Err(later);
        };
        let invite = request.method == Method::Invite;
        let unanswered = usage.pending.iter().any(|tx| {
            self.servers.get(*tx).is_some_and(|server| {
                server.role == ServerRole::Modify && (invite || server.method == request.method)
            })
        });
        let ours = match &usage.stage {
            Stage::Incoming(_) if invite => return Err(later),
            Stage::Calling(_) if invite => return Err(pending),
            Stage::Incoming(_) | Stage::Calling(_) => false,
            Stage::Up(up) => match &up.modify {
                Modify::Active(_, modifying) => invite && modifying.method == Method::Invite,
                Modify::None | Modify::Waiting(_) => false,
            },
        };
        if ours {
            return Err(pending);
        }
        if unanswered {
            return Err(later);
        }
        // A request without offer opens no exchange, unless it is an INVITE, which asks for one.
        match dialog.offer {
            OfferAnswer::Idle | OfferAnswer::Absent => Ok(()),
            OfferAnswer::WeOffered | OfferAnswer::TheyOwe if invite || body => Err(pending),
            OfferAnswer::TheyOffered | OfferAnswer::WeOwe if invite || body => Err(later),
            OfferAnswer::WeOffered
            | OfferAnswer::TheyOwe
            | OfferAnswer::TheyOffered
            | OfferAnswer::WeOwe => Ok(()),
        }
    }

    /// The re-INVITE was cancelled before we answered it; the session stays as it was (§14.2).
    pub(super) fn cancel_modify(&mut self, now: Instant, id: InviteId, tx: ServerTxId) {
        self.abort_exchange(id, tx);
        self.unpend(id, tx);
        self.reply(now, tx, StatusCode::REQUEST_TERMINATED, Extra::default());
    }

    /// The offer of this request comes to nothing, if it carried or asked for one.
    pub(super) fn abort_exchange(&mut self, id: InviteId, tx: ServerTxId) {
        if self.servers.get(tx).is_some_and(|server| server.offer) {
            self.close_exchange(id, tx, Carrier::Failure, false)
                .unwrap_or_default();
        }
    }

    fn close_exchange(
        &mut self,
        id: InviteId,
        tx: ServerTxId,
        carrier: Carrier,
        body: bool,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let remote = self.servers.get(tx).map(|server| &server.remote_tag);
        let dialog = remote.and_then(|remote| usage.dialog_with_mut(remote));
        let dialog = dialog.ok_or(CommandError::Gone)?;
        dialog.offer.send(carrier, body)
    }

    /// Answers a `Modify` event, or a `Pracked` event with `tx`. 2xx: `body` answers the offer, or
    /// is the offer if a re-INVITE had none. 300 to 699: the session stays as it was. Contact and
    /// session timer of a 2xx are filled in.
    pub fn respond_modify(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        answer: Answer,
    ) -> Result<(), CommandError> {
        let server = self.servers.get(tx).ok_or(CommandError::Gone)?;
        let role = server.role;
        let id = server
            .usage
            .filter(|_| matches!(role, ServerRole::Modify | ServerRole::Prack));
        let id = id.ok_or(CommandError::WrongState)?;
        if !self.is_unanswered(tx) {
            return Err(CommandError::Gone);
        }
        if !answer.status.is_final() {
            return Err(CommandError::BadStatus);
        }
        if !answer.status.is_success() {
            self.abort_exchange(id, tx);
            self.unpend(id, tx);
            self.reply(now, tx, answer.status, Extra::from(answer));
            if role == ServerRole::Prack {
                self.after_reliable(now, id);
            }
            return Ok(());
        }
        self.answer_offer(id, tx, answer.body.as_ref())?;
        self.unpend(id, tx);
        if role == ServerRole::Prack {
            self.reply(now, tx, answer.status, Extra::from(answer));
            self.after_reliable(now, id);
            return Ok(());
        }
        self.accept_modify(now, id, tx, answer);
        Ok(())
    }

    /// The exchange that the request opened, if it did, ends with the body of our 2xx.
    fn answer_offer(
        &mut self,
        id: InviteId,
        tx: ServerTxId,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        let Some(server) = self.servers.get(tx) else {
            return Err(CommandError::Gone);
        };
        let invite = server.method == Method::Invite;
        if server.offer {
            let carrier = if invite {
                Carrier::Success
            } else {
                Carrier::Answer
            };
            self.close_exchange(id, tx, carrier, body.is_some())?;
        } else if body.is_some() {
            return Err(CommandError::BodyUnexpected);
        }
        if let (Some(usage), Some(body)) = (self.usages.get_mut(id), body)
            && !usage.no_session
        {
            usage.local = Some(body.clone());
        }
        Ok(())
    }

    fn accept_modify(&mut self, now: Instant, id: InviteId, tx: ServerTxId, answer: Answer) {
        let up = self.usages.get_mut(id).and_then(Usage::up_mut).is_some();
        let server = self.servers.get(tx);
        let (seq, invite, asked) = server.map_or_else(Default::default, |server| {
            (server.seq, server.method == Method::Invite, server.asked)
        });
        // RFC 4028 §9: an UPDATE before the call is up says nothing about the session's life.
        let timer = self.answer_session(id, &asked).filter(|_| up);
        let mut headers = self.dialog_headers(tx, id);
        push_session(&mut headers, timer);
        for field in &answer.headers {
            headers.push(field.name.clone(), field.value.clone());
        }
        if invite && let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut) {
            up.unacknowledged.push(Unacknowledged { seq, tx });
        }
        let status = answer.status;
        let extra = Extra {
            headers,
            ..Extra::from(answer)
        };
        self.reply(now, tx, status, extra);
        if up {
            self.run_session(now, id, timer);
        }
    }

    /// Sends a re-INVITE or UPDATE; `Modified` follows. UPDATE becomes re-INVITE where the peer
    /// does not allow it. An INVITE without `body` asks the peer for an offer. Before the call is up
    /// neither is possible.
    pub fn modify(
        &mut self,
        now: Instant,
        id: InviteId,
        method: Method,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        let modifying = Modifying {
            method,
            body,
            refresh: false,
            tries: 0,
        };
        self.start_modify(now, id, modifying)
    }

    pub(super) fn start_modify(
        &mut self,
        now: Instant,
        id: InviteId,
        mut modifying: Modifying,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get(id).ok_or(CommandError::Gone)?;
        let Stage::Up(up) = &usage.stage else {
            return Err(CommandError::WrongState);
        };
        if up.closing.is_some() {
            return Err(CommandError::Gone);
        }
        if modifying.method == Method::Update && !usage.peer_updates {
            modifying.method = Method::Invite;
        }
        if !matches!(modifying.method, Method::Invite | Method::Update) {
            return Err(CommandError::WrongState);
        }
        let invite = modifying.method == Method::Invite;
        let open = usage.pending.iter().any(|tx| {
            self.servers
                .get(*tx)
                .is_some_and(|server| server.role == ServerRole::Modify)
        });
        let unacknowledged = invite && !up.unacknowledged.is_empty();
        if open || unacknowledged || !matches!(up.modify, Modify::None) {
            return Err(CommandError::Pending);
        }
        self.send_modify(now, id, modifying)
    }

    fn send_modify(
        &mut self,
        now: Instant,
        id: InviteId,
        modifying: Modifying,
    ) -> Result<(), CommandError> {
        let session = self.session_offer(id);
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let contact = usage.contact.clone();
        let dialog = usage.dialogs.first_mut().ok_or(CommandError::Gone)?;
        let invite = modifying.method == Method::Invite;
        let carrier = if invite {
            Carrier::Invite
        } else {
            Carrier::Update
        };
        dialog.offer.send(carrier, modifying.body.is_some())?;
        let seq = dialog.next_seq();
        let mut request = dialog.request(modifying.method.clone(), seq);
        let hop = dialog.hop.clone();
        if let Some(body) = modifying.body.as_ref().filter(|_| !modifying.refresh) {
            usage.local = Some(body.clone());
        }
        self.lists.push_capabilities(&mut request.headers);
        for field in &session {
            request
                .headers
                .push(field.name.clone(), field.value.clone());
        }
        Self::put_body(
            &mut request.headers,
            &mut request.body,
            modifying.body.as_ref(),
        );
        self.stamp_user_agent(&mut request);
        let tx = self.start_client(now, request, Some(contact), Purpose::Modify(id), &hop);
        if self.clients.get(tx).is_some()
            && let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut)
        {
            up.modify = Modify::Active(tx, modifying);
            let bound = now + self.config.limits.ringing;
            self.timers.set(Owner::Usage(id), Timer::Ringing, bound);
        }
        Ok(())
    }

    /// A response to our re-INVITE or UPDATE.
    pub(super) fn on_modify_response(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        outcome: Outcome,
    ) {
        let response = outcome.response;
        if !response.status.is_final() {
            return;
        }
        if response.status.is_success() && self.repeat_ack(tx, &response) {
            return;
        }
        let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut) else {
            return self.acknowledge_after_end(tx, &response);
        };
        let modifying = match std::mem::take(&mut up.modify) {
            Modify::Active(active, modifying) if active == tx => {
                self.timers.clear(Owner::Usage(id), Timer::Ringing);
                modifying
            }
            other @ (Modify::Active(..) | Modify::None | Modify::Waiting(_)) => {
                up.modify = other;
                return;
            }
        };
        if response.status.is_success() {
            return self.on_modify_success(now, id, tx, &modifying, response);
        }
        if let Some(dialog) = self
            .usages
            .get_mut(id)
            .and_then(|usage| usage.dialogs.first_mut())
        {
            dialog.offer.received(Carrier::Failure, false);
        }
        self.on_modify_failure(now, id, modifying, response);
    }

    fn on_modify_failure(
        &mut self,
        now: Instant,
        id: InviteId,
        mut modifying: Modifying,
        response: Response,
    ) {
        let status = response.status;
        let again = modifying.tries < TRIES;
        modifying.tries = modifying.tries.saturating_add(1);
        if status == StatusCode::REQUEST_PENDING && again {
            return self.wait_for_glare(now, id, modifying);
        }
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL && again && self.raise(id, &response) {
            self.send_modify(now, id, modifying).unwrap_or_default();
            return;
        }
        if !modifying.refresh {
            self.event(Event::Modified { id, response });
        }
        if is_gone(status) {
            self.close_with_bye(now, id, EndCause::DialogGone, Headers::default());
        }
    }

    /// §14.1: whoever made the Call-ID waits 2.1 s to 4 s, the other at most 2 s, in steps of 10 ms.
    fn wait_for_glare(&mut self, now: Instant, id: InviteId, modifying: Modifying) {
        let Some(usage) = self.usages.get(id) else {
            return;
        };
        let range = if usage.owns_call_id {
            210..=400_u64
        } else {
            0..=200_u64
        };
        let after = Duration::from_millis(self.rng.random_range(range) * 10);
        if let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut) {
            up.modify = Modify::Waiting(modifying);
        }
        self.timers.set(Owner::Usage(id), Timer::Glare, now + after);
    }

    /// The wait after a 491 is over.
    pub(super) fn on_glare_timer(&mut self, now: Instant, id: InviteId) {
        let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut) else {
            return;
        };
        let Modify::Waiting(modifying) = std::mem::take(&mut up.modify) else {
            return;
        };
        let again = modifying.clone();
        if self.start_modify(now, id, modifying) == Err(CommandError::Pending) {
            // The peer's own exchange is still open: wait as long again.
            self.wait_for_glare(now, id, again);
        }
    }

    fn on_modify_success(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        modifying: &Modifying,
        response: Response,
    ) {
        let body = session_body(&response.headers, &response.body);
        let hash = body.as_ref().map(|body| self.hash(&[&body.octets]));
        let seq = self.clients.get(tx).map_or(0, |client| client.seq);
        let invite = modifying.method == Method::Invite;
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let changed = hash.is_some_and(|hash| hash != usage.remote);
        usage.remote = hash.unwrap_or(usage.remote);
        let Some(dialog) = usage.dialogs.first_mut() else {
            return;
        };
        dialog.refresh_target(&response.headers);
        let carrier = if invite {
            Carrier::Success
        } else {
            Carrier::Answer
        };
        let meaning = dialog.offer.received(carrier, body.is_some());
        let dialog = dialog.clone();
        if invite && meaning == Meaning::Offer {
            if let Some(up) = usage.up_mut() {
                up.owed_ack = Some((tx, seq));
            }
        } else if invite {
            self.send_ack(tx, &dialog, seq, None);
        }
        self.adopt_session(now, id, &response.headers);
        if !modifying.refresh || changed || meaning == Meaning::Offer {
            self.event(Event::Modified { id, response });
        }
    }
}
