//! A call of ours until it is confirmed: RFC 3261 §13.2, CANCEL (§9.1), forking (§13.2.2.4),
//! reliable provisionals (RFC 3262 §4).

use super::client::{FORKS, Outcome, Purpose};
use super::compose::session_body;
use super::{Body, ClientTxId, CommandError, Contact, EndCause, Endpoint, Event, Invite, InviteId};
use crate::dialog::offer_answer::{Carrier, Meaning, OfferAnswer};
use crate::dialog::{Calling, Cancelling, Dialog, Hop, Stage, Up, Usage, route};
use crate::event::Holder;
use crate::id::hex;
use crate::msg::{CSeq, HeaderName, Headers, Method, RAck, Request, Response, StatusCode, Text};
use crate::transaction::timer::{Owner, Timer};
use crate::transaction::{Reply, to_tag};
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Calls somebody (§13.2.1). `Progress`, `Answered` and `Ended` follow.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> InviteId {
        self.call(now, None, invite)
    }

    fn call(&mut self, now: Instant, instead: Option<InviteId>, invite: Invite) -> InviteId {
        let tag = self.random_tag();
        let call_id = self.random_call_id();
        let contact = invite.contact.unwrap_or_else(|| Contact {
            user: invite.from.uri.user.clone(),
            ..Contact::default()
        });
        let from = invite.from.with_tag(&hex(tag));
        let mut to = invite.to;
        to.params.remove("tag");
        let mut headers = Headers::with_capacity(24);
        headers.push(HeaderName::MaxForwards, Text::from_static("70"));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &to);
        headers.push(HeaderName::CallId, call_id.clone());
        headers.push(
            HeaderName::CSeq,
            CSeq {
                seq: 1,
                method: Method::Invite,
            },
        );
        let uri = route(&mut headers, &invite.route, invite.uri);
        self.lists.push_capabilities(&mut headers);
        let stage = Stage::Calling(Calling::begun());
        let mut usage = Usage::new(call_id, tag, stage, contact.clone());
        usage.owns_call_id = true;
        usage.no_session = invite.no_session;
        if !invite.no_session {
            usage.local.clone_from(&invite.body);
        }
        usage.another_way = invite.reach.another_way;
        usage.credentials = invite.reach.credentials.clone();
        let id = self.enter(usage, instead);
        self.tags.insert(tag, Holder::Invite(id));
        for field in self.session_offer(id).iter().chain(&invite.headers) {
            headers.push(field.name.clone(), field.value.clone());
        }
        let mut request = Request {
            method: Method::Invite,
            uri,
            headers,
            body: Bytes::new(),
        };
        Self::put_body(
            &mut request.headers,
            &mut request.body,
            invite.body.as_ref(),
        );
        self.stamp_user_agent(&mut request);
        self.timers.set(
            Owner::Usage(id),
            Timer::Ringing,
            now + self.config.limits.ringing,
        );
        let (to_all, ours) = (request.clone(), contact.clone());
        let tx = self.start_towards(
            now,
            request,
            Some(contact),
            Purpose::Invite(id),
            &invite.reach,
        );
        if let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) {
            calling.tx = tx;
        }
        self.fork(now, id, &to_all, &ours, &invite.reach);
        id
    }

    /// A new usage, or one in the place of that which failed.
    fn enter(&mut self, usage: Usage, instead: Option<InviteId>) -> InviteId {
        match instead.and_then(|id| Some((id, self.usages.get_mut(id)?))) {
            Some((id, former)) => {
                *former = usage;
                id
            }
            None => self.usages.insert(usage),
        }
    }

    /// Whether the call is still wanted: neither cancelled nor over.
    pub(super) fn is_wanted(&self, id: InviteId) -> bool {
        self.usages.get(id).is_some_and(|usage| match &usage.stage {
            Stage::Calling(calling) => calling.cancelling.is_none(),
            Stage::Incoming(_) | Stage::Up(_) => true,
        })
    }

    /// Gives up a call of ours before its final answer (§9.1). The CANCEL waits for the first
    /// provisional response; `Ended` follows when the INVITE is answered, and a 2xx that crosses is
    /// acknowledged and ended with BYE.
    pub fn cancel(&mut self, now: Instant, id: InviteId) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let calling = usage.calling_mut().ok_or(CommandError::WrongState)?;
        if calling.cancelling.is_some() {
            return Err(CommandError::Gone);
        }
        self.cancel_for(now, id, EndCause::Local);
        Ok(())
    }

    pub(super) fn cancel_for(&mut self, now: Instant, id: InviteId, cause: EndCause) {
        let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) else {
            return;
        };
        let (tx, proceeding) = (calling.tx, calling.proceeding);
        if calling.cancelling.is_none() {
            calling.cancelling = Some(Cancelling {
                cause: cause.clone(),
                sent: false,
            });
        }
        let others = calling.leave_only(tx);
        self.drop_branches(now, others);
        if !self.is_sent(tx) {
            self.close_client(tx);
            self.end(now, id, cause);
        } else if proceeding {
            self.cancel_on_the_wire(now, id);
        }
    }

    fn cancel_on_the_wire(&mut self, now: Instant, id: InviteId) {
        let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) else {
            return;
        };
        let tx = calling.tx;
        let Some(cancelling) = calling.cancelling.as_mut().filter(|c| !c.sent) else {
            return;
        };
        cancelling.sent = true;
        self.send_cancel(now, tx);
    }

    /// A response to the first INVITE of a usage, which may be over.
    pub(super) fn on_invite_response(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        outcome: Outcome,
    ) {
        let reply = Reply::from(outcome.response.status);
        if reply == Reply::Success && self.repeat_ack(tx, &outcome.response) {
            return;
        }
        let calling = self.waits_for(id, tx);
        match reply {
            Reply::Provisional if calling => self.on_progress(now, id, tx, outcome.response),
            Reply::Success if calling => self.on_answer(now, id, tx, outcome.response),
            // Another branch of the fork, or a 2xx that crossed our CANCEL's end.
            Reply::Success => self.abandon(now, tx, &outcome.response),
            Reply::Failure if calling => self.on_rejected(now, id, tx, outcome),
            Reply::Provisional => self.cancel_late(now, tx),
            Reply::Failure => {}
        }
    }

    /// 1xx (§13.2.2.1, RFC 3262 §4).
    fn on_progress(&mut self, now: Instant, id: InviteId, tx: ClientTxId, response: Response) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let Some(calling) = usage.calling_mut() else {
            return;
        };
        calling.note_proceeding(tx);
        if calling.cancelling.is_some() {
            return self.cancel_on_the_wire(now, id);
        }
        if response.status == StatusCode::TRYING {
            return;
        }
        if to_tag(&response.headers).is_some() && !self.on_early_dialog(now, id, tx, &response) {
            return;
        }
        self.event(Event::Progress { id, response });
    }

    /// Makes or continues the early dialog of a 1xx; false if the 1xx is a repetition.
    fn on_early_dialog(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        response: &Response,
    ) -> bool {
        let Some(position) = self.early_dialog(id, tx, response) else {
            return false;
        };
        let body = session_body(&response.headers, &response.body);
        let reliable = response.headers.require().unwrap_or_default().has("100rel");
        let rseq = response.headers.rseq().ok().flatten().filter(|_| reliable);
        let Some(usage) = self.usages.get_mut(id) else {
            return false;
        };
        if response.headers.has(&HeaderName::Allow) {
            usage.peer_updates = response.headers.allows(&Method::Update);
        }
        let Some(dialog) = usage.dialogs.get_mut(position) else {
            return false;
        };
        dialog.refresh_target(&response.headers);
        let Some(rseq) = rseq else {
            let meaning = dialog.offer.received(Carrier::Unreliable, body.is_some());
            if meaning == Meaning::Stray {
                self.metrics.misplaced_bodies.inc();
            }
            return true;
        };
        // §4: only the next in order counts; a repetition was or will be acknowledged.
        if dialog.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        dialog.rseq = Some(rseq);
        let seq = response.headers.cseq().map_or(0, |cseq| cseq.seq);
        let rack = Text::from(RAck {
            rseq,
            seq,
            method: Method::Invite,
        });
        if dialog.offer.received(Carrier::Reliable, body.is_some()) == Meaning::Offer {
            dialog.owed_rack = Some(rack);
        } else {
            self.send_prack(now, id, position, rack, None);
        }
        true
    }

    fn early_dialog(&mut self, id: InviteId, tx: ClientTxId, response: &Response) -> Option<usize> {
        let tag = to_tag(&response.headers).unwrap_or_default();
        let client = self.clients.get(tx)?;
        let request = client.request.as_ref()?;
        let usage = self.usages.get_mut(id)?;
        let known = usage
            .dialogs
            .iter()
            .position(|dialog| dialog.remote_tag == tag);
        if known.is_some() {
            return known;
        }
        if usage.dialogs.len() >= FORKS {
            return None;
        }
        let mut dialog = Dialog::caller(request, response)?;
        dialog.stay_on(client.via);
        dialog.offer = offer_of(request, usage.no_session);
        usage.dialogs.push(dialog);
        usage.dialogs.len().checked_sub(1)
    }

    fn send_prack(
        &mut self,
        now: Instant,
        id: InviteId,
        position: usize,
        rack: Text,
        body: Option<&Body>,
    ) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let Some(dialog) = usage.dialogs.get_mut(position) else {
            return;
        };
        let seq = dialog.next_seq();
        let mut request = dialog.request(Method::Prack, seq);
        let hop = dialog.hop.clone();
        request.headers.push(HeaderName::RAck, rack);
        Self::put_body(&mut request.headers, &mut request.body, body);
        self.stamp_user_agent(&mut request);
        self.start_client(now, request, None, Purpose::Own, &hop);
    }

    /// The first 2xx (§13.2.2.4).
    fn on_answer(&mut self, now: Instant, id: InviteId, tx: ClientTxId, response: Response) {
        let tag = to_tag(&response.headers).unwrap_or_default();
        let Some(request) = self
            .clients
            .get(tx)
            .and_then(|client| client.request.as_ref())
        else {
            return;
        };
        let no_session = self.usages.get(id).is_some_and(|usage| usage.no_session);
        let way = self.clients.get(tx).and_then(|client| client.via);
        let (fresh, offer, seq) = (
            Dialog::caller(request, &response),
            offer_of(request, no_session),
            request.headers.cseq().map_or(0, |cseq| cseq.seq),
        );
        let body = session_body(&response.headers, &response.body);
        let hash = body.as_ref().map(|body| self.hash(&[&body.octets]));
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let others = usage.calling_mut().map(|calling| calling.leave_only(tx));
        let cancelling = usage
            .calling_mut()
            .and_then(|calling| calling.cancelling.clone());
        let early = usage
            .dialogs
            .iter()
            .position(|dialog| dialog.remote_tag == tag);
        let dialog = match (early, fresh) {
            (Some(position), _) => Some(usage.dialogs.swap_remove(position)),
            (None, Some(mut fresh)) => {
                fresh.offer = offer;
                fresh.stay_on(way);
                Some(fresh)
            }
            (None, None) => None,
        };
        let Some(mut dialog) = dialog else { return };
        dialog.confirm(&response);
        let meaning = dialog.offer.received(Carrier::Success, body.is_some());
        usage.note_peer(&response.headers, hash);
        usage.dialogs.clear();
        usage.dialogs.push(dialog.clone());
        let mut up = Up::default();
        if meaning == Meaning::Offer {
            up.owed_ack = Some((tx, seq));
        }
        usage.stage = Stage::Up(up);
        self.note_call_flow(id);
        self.drop_branches(now, others.unwrap_or_default());
        self.timers.clear_all(Owner::Usage(id));
        self.timers.clear(Owner::Client(tx), Timer::Cancel);
        if let Some(cancelling) = cancelling {
            if meaning != Meaning::Offer {
                self.send_ack(tx, &dialog, seq, None);
            }
            return self.close_with_bye(now, id, cancelling.cause, Headers::default());
        }
        if meaning != Meaning::Offer {
            self.send_ack(tx, &dialog, seq, None);
        }
        self.adopt_session(now, id, &response.headers);
        self.event(Event::Answered { id, response });
    }

    /// A 2xx nobody wants: acknowledged, and its dialog ended at once (§13.2.2.4).
    fn abandon(&mut self, now: Instant, tx: ClientTxId, response: &Response) {
        let Some(request) = self
            .clients
            .get(tx)
            .and_then(|client| client.request.as_ref())
        else {
            return;
        };
        let Some(mut dialog) = Dialog::caller(request, response) else {
            return;
        };
        self.metrics.abandoned_forks.inc();
        let seq = dialog.local_seq;
        self.send_ack(tx, &dialog, seq, None);
        // PRACKs and the like of the lost usage may have used the numbers next to the INVITE's.
        dialog.local_seq = dialog.local_seq.saturating_add(1000);
        let next = dialog.next_seq();
        let mut bye = dialog.request(Method::Bye, next);
        self.stamp_user_agent(&mut bye);
        self.start_client(now, bye, None, Purpose::Own, &dialog.hop);
    }

    /// The 2xx to a re-INVITE of a usage that is over: acknowledged, nothing else.
    pub(super) fn acknowledge_after_end(&mut self, tx: ClientTxId, response: &Response) {
        if !response.status.is_success() {
            return;
        }
        let Some(client) = self.clients.get(tx).filter(|c| c.method == Method::Invite) else {
            return;
        };
        let dialog = client
            .request
            .as_ref()
            .and_then(|r| Dialog::caller(r, response));
        let seq = client.seq;
        if let Some(dialog) = dialog {
            self.send_ack(tx, &dialog, seq, None);
        }
    }

    /// A final failure (§13.2.2.2, §13.2.2.3).
    fn on_rejected(&mut self, now: Instant, id: InviteId, tx: ClientTxId, outcome: Outcome) {
        let forked = self.is_forked(id);
        let Some(outcome) = self.on_branch_failed(now, id, tx, outcome) else {
            return;
        };
        let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) else {
            return;
        };
        let response = outcome.response;
        let cause = match calling.cancelling.take() {
            Some(cancelling) => cancelling.cause,
            None if outcome.made_up => EndCause::Unreachable,
            None if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
                && !forked
                && self.raise(id, &response) =>
            {
                return self.call_again(now, id, tx);
            }
            None => EndCause::Rejected(response.status, response.reason.clone()),
        };
        let asks = self.usages.get(id).is_some_and(|usage| usage.another_way);
        if asks && matches!(cause, EndCause::Rejected(..) | EndCause::Unreachable) {
            if let Some(usage) = self.usages.get_mut(id) {
                usage.dialogs.clear();
            }
            let unreachable = cause == EndCause::Unreachable;
            return self.event(Event::Refused {
                id,
                response,
                unreachable,
            });
        }
        self.end(now, id, cause);
    }

    /// Calls another way after [`Event::Refused`]: a new INVITE with a Call-ID and tags of its own
    /// (RFC 3261 §8.1.3.4 where it follows a redirection), which goes on as the same call.
    pub fn invite_instead(
        &mut self,
        now: Instant,
        id: InviteId,
        invite: Invite,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let open = usage.calling_mut().ok_or(CommandError::WrongState)?.tx;
        if self.is_open(open) {
            return Err(CommandError::WrongState);
        }
        let former = self.usages.get(id).map(|usage| usage.local_tag);
        if let Some(former) = former {
            self.tags.remove(&former);
        }
        self.call(now, Some(id), invite);
        Ok(())
    }

    /// Ends a call after [`Event::Refused`]; `Ended` follows with this cause.
    pub fn give_up(
        &mut self,
        now: Instant,
        id: InviteId,
        cause: EndCause,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let open = usage.calling_mut().ok_or(CommandError::WrongState)?.tx;
        if self.is_open(open) {
            return Err(CommandError::WrongState);
        }
        self.end(now, id, cause);
        Ok(())
    }

    /// The same INVITE with the interval a 422 asked for (RFC 4028 §7.3).
    fn call_again(&mut self, now: Instant, id: InviteId, tx: ClientTxId) {
        let session = self.session_offer(id);
        let Some(client) = self.clients.get(tx) else {
            return;
        };
        let seq = client.seq.saturating_add(1);
        let Some(mut request) = client.request.clone() else {
            return;
        };
        request.headers.remove(&HeaderName::Via);
        request.headers.remove(&HeaderName::MinSe);
        request.headers.set(
            HeaderName::CSeq,
            CSeq {
                seq,
                method: Method::Invite,
            },
        );
        for field in &session {
            request.headers.set(field.name.clone(), field.value.clone());
        }
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        usage.dialogs.clear();
        let contact = Some(usage.contact.clone());
        let tx = self.start_client(now, request, contact, Purpose::Invite(id), &Hop::Unknown);
        if let Some(calling) = self.usages.get_mut(id).and_then(Usage::calling_mut) {
            calling.tx = tx;
            calling.proceeding = false;
        }
    }

    /// Answers an offer of the peer's: in the ACK to its 2xx (`Answered`, `Modified`), or in the
    /// PRACK to its reliable provisional (`Progress`). Without `body` a 2xx is acknowledged without
    /// an answer; `bye` then.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        id: InviteId,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        if let Some(up) = usage.up_mut() {
            let (tx, seq) = up.owed_ack.take().ok_or(CommandError::WrongState)?;
            let dialog = usage.dialogs.first_mut().ok_or(CommandError::Gone)?;
            dialog.offer.send(Carrier::Ack, body.is_some())?;
            let dialog = dialog.clone();
            self.send_ack(tx, &dialog, seq, body.as_ref());
            self.keep_local(id, body);
            return Ok(());
        }
        let owed = usage
            .dialogs
            .iter()
            .position(|dialog| dialog.owed_rack.is_some());
        let position = owed.ok_or(CommandError::WrongState)?;
        let dialog = usage
            .dialogs
            .get_mut(position)
            .ok_or(CommandError::WrongState)?;
        if body.is_none() {
            return Err(CommandError::BodyMissing);
        }
        dialog.offer.send(Carrier::Prack, true)?;
        let rack = dialog.owed_rack.take().ok_or(CommandError::WrongState)?;
        self.send_prack(now, id, position, rack, body.as_ref());
        self.keep_local(id, body);
        Ok(())
    }

    fn keep_local(&mut self, id: InviteId, body: Option<Body>) {
        if let Some(usage) = self.usages.get_mut(id)
            && body.is_some()
        {
            usage.local = body;
        }
    }
}

/// Where the exchange of a new early dialog stands: as the INVITE left it.
fn offer_of(invite: &Request, no_session: bool) -> OfferAnswer {
    if no_session {
        return OfferAnswer::Absent;
    }
    match session_body(&invite.headers, &invite.body) {
        Some(_) => OfferAnswer::WeOffered,
        None => OfferAnswer::TheyOwe,
    }
}
