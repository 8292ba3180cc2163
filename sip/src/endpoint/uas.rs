//! A call to us until it is confirmed: RFC 3261 §13.3, CANCEL (§9.2), reliable provisionals
//! (RFC 3262 §3).

use super::compose::session_body;
use super::receive::Refusal;
use super::screen::same_peer;
use super::server::{Arrival, Extra, ServerRole};
use super::session::push_session;
use super::{
    Accept, Answer, Body, CommandError, Contact, EndCause, Endpoint, Event, InviteId, Proof,
    Screened, ServerTxId,
};
use crate::dialog::offer_answer::{Carrier, OfferAnswer};
use crate::dialog::reliable::{Provisional, Reliable};
use crate::dialog::{Dialog, Hop, Incoming, Stage, Unacknowledged, Up, Usage};
use crate::event::Holder;
use crate::id::hex;
use crate::msg::{HeaderName, Headers, NameAddr, StatusCode, Text};
use crate::transaction::timer::{Owner, Timer};
use rand::Rng as _;
use std::time::{Duration, Instant};

/// How often a provisional is said again, lest a proxy give up (§13.3.1.1).
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

impl Endpoint {
    /// An INVITE outside any dialog: the usage begins.
    pub(super) fn on_invite(&mut self, now: Instant, arrival: Arrival) {
        let limits = &self.config.limits;
        // Those who may not be there wait in a small corner.
        let unproven = arrival.screened == Screened::Unproven;
        let waiting = if unproven {
            limits.half_open_unproven.min(limits.half_open_invites)
        } else {
            limits.half_open_invites
        };
        if self.usages.len() >= limits.invite_usages || self.half_open >= waiting {
            let refusal =
                self.overload("This server has no room for another call, try again later");
            return self.refuse_stateless(now, &arrival, refusal);
        }
        let request = &arrival.request;
        let asked = self.session_asked(&request.headers);
        if let Some(refusal) = self.too_brief(&asked) {
            return self.refuse_stateless(now, &arrival, refusal);
        }
        let tag = self.tag_of_call(&arrival);
        let first_seq = self.rng.next_u32() & 0xFFFF;
        let Some(mut dialog) = Dialog::callee(request, tag, first_seq) else {
            // §12.1.1: a Contact is mandatory in what creates a dialog.
            let refusal = Refusal::new(StatusCode::BAD_REQUEST);
            let refusal = refusal.saying("An INVITE needs a Contact");
            return self.refuse_stateless(now, &arrival, refusal);
        };
        if arrival.direct && dialog.is_direct() {
            dialog.hop = Hop::Flow(arrival.from);
        }
        let offer = session_body(&request.headers, &request.body).is_some();
        dialog.offer.received(Carrier::Invite, offer);
        let tx = self.open_server(now, &arrival, ServerRole::Invite, None, Some(tag));
        let contact = Contact {
            user: request.uri.user.as_ref().map(Text::detached),
            ..Contact::default()
        };
        let expires = request.headers.expires().ok().flatten();
        let stage = Stage::Incoming(Box::new(Incoming {
            tx,
            reliable: Reliable::new(self.rng.next_u32()),
            can_100rel: self.supports("100rel")
                && request
                    .headers
                    .supported()
                    .unwrap_or_default()
                    .has("100rel"),
            must_100rel: request.headers.require().unwrap_or_default().has("100rel"),
            accepting: None,
            expires: false,
        }));
        let mut usage = Usage::new(dialog.call_id.clone(), tag, stage, contact);
        usage.dialogs.push(dialog);
        usage.note_peer(
            &request.headers,
            Some(self.hash(&[&request.body])).filter(|_| offer),
        );
        let id = self.usages.insert(usage);
        self.tags.insert(tag, Holder::Invite(id));
        self.note_call_flow(id);
        self.half_open = self.half_open.saturating_add(1);
        if let Some(server) = self.servers.get_mut(tx) {
            server.usage = Some(id);
            server.asked = asked;
        }
        self.bound_ringing(now, id, expires);
        self.event(Event::Invite {
            id,
            request: arrival.request,
            flow: arrival.from,
        });
    }

    /// Our tag in a call to us. That of a peer who may not be there shows, in the ACK of a refusal,
    /// that he is.
    fn tag_of_call(&mut self, arrival: &Arrival) -> u64 {
        let unproven = arrival.screened == Screened::Unproven;
        let cookie = unproven.then(|| self.cookie(arrival, Proof::Refused(None)));
        let free = cookie.filter(|cookie| !self.tags.contains_key(cookie));
        free.unwrap_or_else(|| self.random_tag())
    }

    /// The INVITE is answered within its own `Expires` (§13.3.1) and our own bound.
    fn bound_ringing(&mut self, now: Instant, id: InviteId, expires: Option<u32>) {
        let bound = self.config.limits.ringing;
        let asked = expires.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let own = asked.is_none_or(|asked| asked > bound);
        if let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) {
            incoming.expires = !own;
        }
        let after = asked.filter(|_| !own).unwrap_or(bound);
        self.timers
            .set(Owner::Usage(id), Timer::Ringing, now + after);
    }

    /// Answers 101 to 199 (§13.3.1.1). With `reliable` it is sent until a PRACK comes (RFC 3262),
    /// if the caller supports that; without, a caller that requires it gets it nevertheless.
    /// A body in a reliable one is the answer, or the offer if the INVITE had none; in an
    /// unreliable one it previews the answer.
    pub fn progress(
        &mut self,
        now: Instant,
        id: InviteId,
        status: StatusCode,
        body: Option<Body>,
        reliable: bool,
    ) -> Result<(), CommandError> {
        if !status.is_provisional() || status == StatusCode::TRYING {
            return Err(CommandError::BadStatus);
        }
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let incoming = usage.incoming_mut().ok_or(CommandError::WrongState)?;
        if incoming.accepting.is_some() {
            return Err(CommandError::WrongState);
        }
        let tx = incoming.tx;
        let reliable = incoming.must_100rel || (reliable && incoming.can_100rel);
        let waits = reliable && incoming.reliable.is_busy();
        let carrier = if reliable {
            Carrier::Reliable
        } else {
            Carrier::Unreliable
        };
        let dialog = usage.dialogs.first_mut().ok_or(CommandError::Gone)?;
        let mut offer = dialog.offer;
        offer.send(carrier, body.is_some())?;
        if waits {
            let incoming = usage.incoming_mut().ok_or(CommandError::Gone)?;
            let queued = incoming.reliable.queue(Provisional { status, body });
            return if queued {
                Ok(())
            } else {
                Err(CommandError::Pending)
            };
        }
        dialog.offer = offer;
        if reliable {
            self.send_reliable(now, id, Provisional { status, body });
        } else {
            let headers = self.dialog_headers(tx, id);
            self.reply(
                now,
                tx,
                status,
                Extra {
                    reason: None,
                    headers,
                    body,
                },
            );
        }
        self.timers
            .set(Owner::Usage(id), Timer::Progress, now + PROGRESS_EVERY);
        Ok(())
    }

    /// RFC 3262 §3: with RSeq and Require, again at doubling intervals for 64·T1.
    fn send_reliable(&mut self, now: Instant, id: InviteId, provisional: Provisional) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        if let Some(body) = &provisional.body {
            usage.local = Some(body.clone());
        }
        let Some(incoming) = usage.incoming_mut() else {
            return;
        };
        let (tx, rseq) = (incoming.tx, incoming.reliable.rseq());
        let mut headers = self.dialog_headers(tx, id);
        headers.push(HeaderName::Require, Text::from_static("100rel"));
        headers.push(HeaderName::RSeq, rseq.to_string());
        let body = provisional.body.is_some();
        let extra = Extra {
            reason: None,
            headers,
            body: provisional.body,
        };
        self.reply(now, tx, provisional.status, extra);
        let (bytes, times) = (self.last_response(tx), self.config.times);
        if let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) {
            incoming.reliable.sent(bytes, body, times.t1);
        }
        self.timers
            .set(Owner::Usage(id), Timer::Reliable, now + times.t1);
        self.timers
            .set(Owner::Usage(id), Timer::ReliableEnd, now + times.patience());
    }

    /// The Contact and capabilities of a response that makes or refreshes a dialog.
    pub(super) fn dialog_headers(&self, tx: ServerTxId, id: InviteId) -> Headers {
        let mut headers = Headers::with_capacity(8);
        if let Some(usage) = self.usages.get(id) {
            headers.push(HeaderName::Contact, self.contact_for(tx, &usage.contact));
        }
        self.lists.push_capabilities(&mut headers);
        headers
    }

    /// A PRACK came for the provisional with this RSeq; false if it is not on its way.
    pub(super) fn reliable_acknowledged(&mut self, id: InviteId, rseq: u32) -> bool {
        let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) else {
            return false;
        };
        if !incoming.reliable.acknowledge(rseq) {
            return false;
        }
        self.timers.clear(Owner::Usage(id), Timer::Reliable);
        self.timers.clear(Owner::Usage(id), Timer::ReliableEnd);
        true
    }

    /// What waited for the PRACK is sent now: the next provisional, or the 2xx.
    pub(super) fn after_reliable(&mut self, now: Instant, id: InviteId) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let Some(incoming) = usage.incoming_mut() else {
            return;
        };
        if let Some(next) = incoming.reliable.take_next() {
            if let Some(dialog) = usage.dialogs.first_mut() {
                let fits = dialog.offer.send(Carrier::Reliable, next.body.is_some());
                if fits.is_err() {
                    self.metrics.misplaced_bodies.inc();
                    return self.after_reliable(now, id);
                }
            }
            return self.send_reliable(now, id, next);
        }
        if let Some(accept) = incoming.accepting.take()
            && self.accept_now(now, id, accept).is_err()
        {
            self.metrics.misplaced_bodies.inc();
            self.finish_incoming(now, id, StatusCode::SERVER_INTERNAL_ERROR, EndCause::Local);
        }
    }

    /// Answers 200 (§13.3.1.4): the call is up, and `Acked` or `Ended` follows. Waits by itself for
    /// the PRACK of a reliable provisional with a body (RFC 3262 §5).
    pub fn accept(
        &mut self,
        now: Instant,
        id: InviteId,
        accept: Accept,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let incoming = usage.incoming_mut().ok_or(CommandError::WrongState)?;
        if incoming.accepting.is_some() {
            return Err(CommandError::WrongState);
        }
        if incoming.reliable.holds_success() {
            if accept.body.is_some() {
                return Err(CommandError::BodyUnexpected);
            }
            incoming.accepting = Some(accept);
            return Ok(());
        }
        self.accept_now(now, id, accept)
    }

    fn accept_now(
        &mut self,
        now: Instant,
        id: InviteId,
        accept: Accept,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let incoming = usage.incoming_mut().ok_or(CommandError::WrongState)?;
        let (tx, outstanding) = (incoming.tx, incoming.reliable.outstanding());
        let dialog = usage.dialogs.first_mut().ok_or(CommandError::Gone)?;
        if accept.no_session {
            dialog.offer = OfferAnswer::Absent;
        }
        dialog.offer.send(Carrier::Success, accept.body.is_some())?;
        if let Some(contact) = accept.contact {
            usage.contact = contact;
        }
        usage.no_session = accept.no_session;
        usage.peer_refreshes = accept.peer_refreshes;
        if !accept.no_session
            && let Some(body) = &accept.body
        {
            usage.local = Some(body.clone());
        }
        let seq = self.servers.get(tx).map_or(0, |server| server.seq);
        let mut up = Up {
            late_prack: outstanding.map(|rseq| (rseq, seq)),
            ..Up::default()
        };
        up.unacknowledged.push(Unacknowledged { seq, tx });
        usage.stage = Stage::Up(up);
        let asked = self
            .servers
            .get(tx)
            .map(|server| server.asked)
            .unwrap_or_default();
        let timer = self.answer_session(id, &asked);
        let mut headers = self.dialog_headers(tx, id);
        push_session(&mut headers, timer);
        for field in &accept.headers {
            headers.push(field.name.clone(), field.value.clone());
        }
        self.timers.clear_all(Owner::Usage(id));
        self.reply(
            now,
            tx,
            StatusCode::OK,
            Extra {
                reason: None,
                headers,
                body: accept.body,
            },
        );
        self.run_session(now, id, timer);
        Ok(())
    }

    /// Answers 300 to 699; `Ended` follows.
    pub fn reject(
        &mut self,
        now: Instant,
        id: InviteId,
        answer: Answer,
    ) -> Result<(), CommandError> {
        if !answer.status.is_final() || answer.status.is_success() {
            return Err(CommandError::BadStatus);
        }
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let tx = usage.incoming_mut().ok_or(CommandError::WrongState)?.tx;
        self.reply(now, tx, answer.status, Extra::from(answer));
        self.end(now, id, EndCause::Local);
        Ok(())
    }

    /// Answers 302 with these addresses (§13.3.1.2); `Ended` follows.
    pub fn redirect(
        &mut self,
        now: Instant,
        id: InviteId,
        contacts: Vec<NameAddr>,
    ) -> Result<(), CommandError> {
        let mut answer = Answer::new(StatusCode::MOVED_TEMPORARILY);
        for contact in &contacts {
            answer.headers.push(HeaderName::Contact, contact);
        }
        self.reject(now, id, answer)
    }

    /// Ends an unanswered call to us with this status.
    pub(super) fn finish_incoming(
        &mut self,
        now: Instant,
        id: InviteId,
        status: StatusCode,
        cause: EndCause,
    ) {
        let Some(tx) = self
            .usages
            .get_mut(id)
            .and_then(Usage::incoming_mut)
            .map(|i| i.tx)
        else {
            return;
        };
        self.reply(now, tx, status, Extra::default());
        self.end(now, id, cause);
    }

    /// A CANCEL found this INVITE (§9.2); it changes nothing once a final response is out.
    pub(super) fn cancel_invite(&mut self, now: Instant, tx: ServerTxId) {
        if !self.is_unanswered(tx) {
            return;
        }
        let Some(server) = self.servers.get(tx) else {
            return;
        };
        let Some(id) = server.usage else { return };
        match server.role {
            ServerRole::Invite => {
                self.event(Event::Cancelled { id });
                self.finish_incoming(now, id, StatusCode::REQUEST_TERMINATED, EndCause::Cancelled);
            }
            ServerRole::Modify => self.cancel_modify(now, id, tx),
            ServerRole::Prack | ServerRole::User | ServerRole::Own => {}
        }
    }

    /// Nobody answered the INVITE in time.
    pub(super) fn on_ringing_out(&mut self, now: Instant, id: InviteId) {
        let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) else {
            return;
        };
        let status = if incoming.expires {
            StatusCode::REQUEST_TERMINATED
        } else {
            StatusCode::REQUEST_TIMEOUT
        };
        self.event(Event::Cancelled { id });
        self.finish_incoming(now, id, status, EndCause::Cancelled);
    }

    /// The unacknowledged provisional again (RFC 3262 §3).
    pub(super) fn on_reliable_timer(&mut self, now: Instant, id: InviteId) {
        let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) else {
            return;
        };
        let tx = incoming.tx;
        if let Some((bytes, interval)) = incoming.reliable.retransmit() {
            self.timers
                .set(Owner::Usage(id), Timer::Reliable, now + interval);
            self.transmit_response(tx, Some(bytes));
        }
    }

    /// The last provisional again (§13.3.1.1).
    pub(super) fn on_progress_timer(&mut self, now: Instant, id: InviteId) {
        let Some(incoming) = self.usages.get_mut(id).and_then(Usage::incoming_mut) else {
            return;
        };
        let (tx, busy) = (incoming.tx, incoming.reliable.is_busy());
        if !busy {
            self.transmit_response(tx, None);
        }
        self.timers
            .set(Owner::Usage(id), Timer::Progress, now + PROGRESS_EVERY);
    }

    /// The ACK to one of our 2xx (§13.3.1.4).
    pub(super) fn on_dialog_ack(&mut self, now: Instant, id: InviteId, arrival: &Arrival) {
        let request = &arrival.request;
        let seq = request.headers.cseq().map_or(0, |cseq| cseq.seq);
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let position = usage
            .up_mut()
            .and_then(|up| up.unacknowledged.iter().position(|sent| sent.seq == seq));
        let (Some(position), Some(up)) = (position, usage.up_mut()) else {
            // The ACK of a 2xx that was acknowledged before.
            return;
        };
        let tx = up.unacknowledged.remove(position).tx;
        let closing = up.closing.clone().filter(|_| up.unacknowledged.is_empty());
        let body = session_body(&request.headers, &request.body);
        let local_tag = hex(usage.local_tag).into();
        if let Some(dialog) = usage.dialogs.first_mut() {
            dialog.offer.received(Carrier::Ack, body.is_some());
        }
        if let Some(body) = &body {
            let hash = self.hash(&[&body.octets]);
            if let Some(usage) = self.usages.get_mut(id) {
                usage.remote = hash;
            }
        }
        let first = self.servers.get(tx);
        if let Some(first) = first.filter(|server| server.role == ServerRole::Invite) {
            self.half_open = self.half_open.saturating_sub(1);
            // Another address may have heard of the tag from this one.
            if same_peer(first.flow.remote, arrival.from.remote) {
                self.note_confirmed(now, &arrival.from);
            }
        }
        self.settle(tx);
        match closing {
            Some((cause, headers)) => self.close_with_bye(now, id, cause, headers),
            None => self.event(Event::Acked {
                id,
                local_tag,
                body,
            }),
        }
    }
}
