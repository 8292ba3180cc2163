//! Requests inside a dialog: RFC 3261 §12.2.2, and what ends a usage (RFC 5057 §5).

use super::client::Outcome;
use super::compose::session_body;
use super::receive::Refusal;
use super::server::{Arrival, Extra, ServerRole};
use super::{
    Answer, Body, ClientTxId, CommandError, EndCause, Endpoint, Event, InviteId, OutOfDialog,
    ServerTxId,
};
use crate::dialog::offer_answer::{Carrier, Meaning};
use crate::dialog::{Hop, Modify, Order, Stage, Usage, route};
use crate::event::Holder;
use crate::id::hex;
use crate::msg::{
    CSeq, HeaderName, Headers, Method, NameAddr, Request, Response, StatusCode, Text,
};
use crate::transaction::from_tag;
use crate::transaction::timer::{Owner, Timer};
use std::time::Instant;

/// What became of a request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handed on at once")]
pub(super) enum Placed {
    /// It is being answered.
    Here,
    /// It was not for this part.
    Elsewhere(Arrival),
}

impl Endpoint {
    /// A request that names a living usage (§12.2.2).
    pub(super) fn on_in_dialog(&mut self, now: Instant, id: InviteId, arrival: Arrival) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let seq = arrival.request.headers.cseq().map_or(0, |cseq| cseq.seq);
        let closing = usage.up_mut().is_some_and(|up| up.closing.is_some());
        let remote = from_tag(&arrival.request.headers);
        let Some(dialog) = usage.dialog_with_mut(&remote) else {
            return;
        };
        let order = dialog.order(seq);
        if arrival.direct && dialog.is_direct() {
            dialog.hop = Hop::Flow(arrival.from);
            self.note_call_flow(id);
        }
        if order == Order::Old {
            return self.refuse(
                now,
                &arrival,
                Refusal::new(StatusCode::SERVER_INTERNAL_ERROR),
            );
        }
        if let Err(refusal) = self.check_content(&arrival.request) {
            return self.refuse(now, &arrival, refusal);
        }
        let method = &arrival.request.method;
        if *method == Method::Bye {
            return self.on_bye(now, id, &arrival);
        }
        if closing {
            let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
            return self.refuse(now, &arrival, refusal);
        }
        if matches!(method, Method::Invite | Method::Update) {
            return self.on_modify_request(now, id, arrival);
        }
        if *method == Method::Prack {
            return self.on_prack(now, id, &arrival);
        }
        let up = matches!(
            self.usages.get(id).map(|usage| &usage.stage),
            Some(Stage::Up(_))
        );
        let subscribes = matches!(arrival.request.method, Method::Subscribe | Method::Refer);
        if subscribes && !up {
            // An early dialog may end with its INVITE; a subscription could not outlive it.
            let later = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR);
            let later = later.with(HeaderName::RetryAfter, Text::from_static("5"));
            return self.refuse(now, &arrival, later);
        }
        let holder = Holder::Invite(id);
        let Placed::Elsewhere(arrival) = self.on_event_request(now, holder, arrival) else {
            return;
        };
        let tx = self.open_pending(now, id, &arrival, ServerRole::User);
        let request = arrival.request;
        self.event(Event::InDialog { id, tx, request });
    }

    /// A transaction inside the usage that waits for the transaction user.
    pub(super) fn open_pending(
        &mut self,
        now: Instant,
        id: InviteId,
        arrival: &Arrival,
        role: ServerRole,
    ) -> ServerTxId {
        let tx = self.open_server(now, arrival, role, Some(id), None);
        if let Some(usage) = self.usages.get_mut(id) {
            usage.pending.push(tx);
        }
        tx
    }

    /// BYE (§15.1.2): answered at once, whatever the state; what is unanswered ends with 487.
    fn on_bye(&mut self, now: Instant, id: InviteId, arrival: &Arrival) {
        let tx = self.open_server(now, arrival, ServerRole::Own, None, None);
        self.reply(now, tx, StatusCode::OK, Extra::default());
        let reason = arrival.request.headers.get(&HeaderName::Reason).cloned();
        let cause = EndCause::Bye(reason);
        match self.usages.get(id).map(|usage| &usage.stage) {
            Some(Stage::Incoming(_)) => {
                self.finish_incoming(now, id, StatusCode::REQUEST_TERMINATED, cause);
            }
            Some(Stage::Calling(calling)) => {
                // The 2xx was lost, and its sender gave up waiting for the ACK.
                let invite = calling.tx;
                self.drop_invite(now, invite);
                self.end(now, id, cause);
            }
            Some(Stage::Up(_)) | None => self.end(now, id, cause),
        }
    }

    /// PRACK (RFC 3262 §3): acknowledges the provisional its RAck names, or is answered 481.
    fn on_prack(&mut self, now: Instant, id: InviteId, arrival: &Arrival) {
        let request = &arrival.request;
        let rack = request.headers.rack();
        let seq = self.invite_seq(id);
        if let Ok(rack) = &rack
            && let Some(up) = self.usages.get_mut(id).and_then(Usage::up_mut)
            && up.late_prack == Some((rack.rseq, rack.seq))
        {
            // §3: the 2xx did not wait for it, but its sender waits for our answer.
            up.late_prack = None;
            let tx = self.open_server(now, arrival, ServerRole::Own, None, None);
            self.reply(now, tx, StatusCode::OK, Extra::default());
            return;
        }
        let matches = rack.is_ok_and(|rack| {
            Some(rack.seq) == seq
                && rack.method == Method::Invite
                && self.reliable_acknowledged(id, rack.rseq)
        });
        if !matches {
            return self.refuse(now, arrival, Refusal::new(StatusCode::CALL_DOES_NOT_EXIST));
        }
        let body = session_body(&request.headers, &request.body);
        let meaning = self.usages.get_mut(id).and_then(|usage| {
            let dialog = usage.dialogs.first_mut()?;
            Some(dialog.offer.received(Carrier::Prack, body.is_some()))
        });
        if meaning == Some(Meaning::Offer) {
            let tx = self.open_pending(now, id, arrival, ServerRole::Prack);
            if let Some(server) = self.servers.get_mut(tx) {
                server.offer = true;
            }
            return self.event(Event::Pracked {
                id,
                tx: Some(tx),
                body,
            });
        }
        let tx = self.open_server(now, arrival, ServerRole::Own, None, None);
        self.reply(now, tx, StatusCode::OK, Extra::default());
        let body = body.filter(|_| meaning == Some(Meaning::Answer));
        self.event(Event::Pracked { id, tx: None, body });
        self.after_reliable(now, id);
    }

    fn invite_seq(&mut self, id: InviteId) -> Option<u32> {
        let tx = self.usages.get_mut(id)?.incoming_mut()?.tx;
        self.servers.get(tx).map(|server| server.seq)
    }

    /// Answers an `InDialog` or `Request` event. Via, From, Call-ID and CSeq are ours; To is too,
    /// unless the response brings a tag of its own (for a subscription's dialog, RFC 6665).
    pub fn respond(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        response: Response,
    ) -> Result<(), CommandError> {
        let server = self.servers.get_mut(tx).ok_or(CommandError::Gone)?;
        if server.role != ServerRole::User {
            return Err(CommandError::WrongState);
        }
        if server.method == Method::Subscribe && response.status.is_success() {
            return Err(CommandError::BadStatus);
        }
        let own_to = response.headers.to().is_ok_and(|to| to.tag().is_some());
        let to = response.headers.get(&HeaderName::To).filter(|_| own_to);
        if !server.set_to(to) {
            return Err(CommandError::Gone);
        }
        let usage = server.usage;
        let mut headers = Headers::with_capacity(response.headers.len());
        for field in &response.headers {
            if !is_copied(&field.name) {
                headers.push(field.name.clone(), field.value.clone());
            }
        }
        let status = response.status;
        let extra = Extra {
            reason: Some(response.reason),
            headers,
            body: None,
        };
        self.reply_with_octets(now, tx, status, extra, response.body);
        if status.is_final()
            && let Some(usage) = usage
        {
            self.unpend(usage, tx);
        }
        Ok(())
    }

    /// Answers an `InDialog` or `Request` event from the parts of a response.
    pub fn respond_with(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        answer: Answer,
    ) -> Result<(), CommandError> {
        let mut response = Response::new(answer.status);
        response.headers = answer.headers;
        if let Some(reason) = answer.reason {
            response.reason = reason;
        }
        Self::put_body(
            &mut response.headers,
            &mut response.body,
            answer.body.as_ref(),
        );
        self.respond(now, tx, response)
    }

    pub(super) fn unpend(&mut self, id: InviteId, tx: ServerTxId) {
        if let Some(usage) = self.usages.get_mut(id) {
            usage.pending.retain(|pending| *pending != tx);
        }
    }

    /// Sends a request outside any dialog; a `Response` event follows. INVITE, ACK, CANCEL and BYE
    /// have commands of their own, and so have SUBSCRIBE and REFER: what is notified for one sent
    /// by this command is refused with 481.
    pub fn request(&mut self, now: Instant, out: OutOfDialog) -> ClientTxId {
        let tag = hex(self.random_tag());
        let from = if out.from.tag().is_some() {
            out.from
        } else {
            out.from.with_tag(&tag)
        };
        let call_id = match out.headers.get(&HeaderName::CallId) {
            Some(call_id) => call_id.clone(),
            None => self.random_call_id(),
        };
        let seq = out.headers.cseq().map_or(1, |cseq| cseq.seq);
        let mut headers = Headers::with_capacity(16);
        headers.push(HeaderName::MaxForwards, Text::from_static("70"));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &out.to);
        headers.push(HeaderName::CallId, call_id);
        headers.push(
            HeaderName::CSeq,
            CSeq {
                seq,
                method: out.method.clone(),
            },
        );
        let uri = route(&mut headers, &out.route, out.uri);
        for field in &out.headers {
            if !is_copied(&field.name) {
                headers.push(field.name.clone(), field.value.clone());
            }
        }
        let mut request = Request {
            method: out.method,
            uri,
            headers,
            body: bytes::Bytes::new(),
        };
        Self::put_body(&mut request.headers, &mut request.body, out.body.as_ref());
        self.stamp_user_agent(&mut request);
        let written = request.headers.has(&HeaderName::Contact);
        let asked = out.contact.filter(|_| !written);
        let contact = asked.or_else(|| contact_of(&request, &from));
        let purpose = super::client::Purpose::User;
        self.start_towards(now, request, contact, purpose, &out.reach)
    }

    /// Sends a request inside the call's dialog: INFO, MESSAGE, OPTIONS and the like; a `Response`
    /// event follows, even if the call ends before it. What makes or feeds a subscription has
    /// commands of its own.
    pub fn request_in_dialog(
        &mut self,
        now: Instant,
        id: InviteId,
        method: Method,
        headers: Headers,
        body: Option<Body>,
    ) -> Result<ClientTxId, CommandError> {
        let owned = [
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Prack,
            Method::Subscribe,
            Method::Refer,
            Method::Notify,
            Method::Benotify,
        ];
        if owned.contains(&method) {
            return Err(CommandError::WrongState);
        }
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let contact = Some(usage.contact.clone()).filter(|_| refreshes(&method));
        let dialog = usage.dialogs.first_mut().ok_or(CommandError::WrongState)?;
        let seq = dialog.next_seq();
        let mut request = dialog.request(method, seq);
        let hop = dialog.hop.clone();
        for field in &headers {
            request
                .headers
                .push(field.name.clone(), field.value.clone());
        }
        Self::put_body(&mut request.headers, &mut request.body, body.as_ref());
        self.stamp_user_agent(&mut request);
        let purpose = super::client::Purpose::InDialog(id);
        Ok(self.start_client(now, request, contact, purpose, &hop))
    }

    /// A response to a request of the transaction user's inside a dialog; 481 and 408 end the
    /// usage (RFC 5057 §5.1).
    pub(super) fn on_in_dialog_response(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ClientTxId,
        outcome: Outcome,
    ) {
        let status = outcome.response.status;
        self.event(Event::Response {
            tx,
            response: outcome.response,
            insecure: None,
        });
        if is_gone(status) {
            self.on_dialog_gone(now, id);
        }
    }

    /// The peer knows the dialog no more, or does not answer (§12.2.1.2): BYE, and the end.
    pub(super) fn on_dialog_gone(&mut self, now: Instant, id: InviteId) {
        if self.usages.get_mut(id).and_then(Usage::up_mut).is_some() {
            self.close_with_bye(now, id, EndCause::DialogGone, Headers::default());
        }
    }

    /// Ends the call, whatever its state: BYE when it is up, CANCEL when we called, 480 when we
    /// were called. A BYE waits for the ACK to our 2xx (§15). `Ended` follows, but not before the
    /// ACK or the answer to the CANCEL. `reason` is the value of a Reason header (RFC 3326).
    pub fn bye(
        &mut self,
        now: Instant,
        id: InviteId,
        reason: Option<Text>,
    ) -> Result<(), CommandError> {
        let mut headers = Headers::default();
        if let Some(reason) = reason {
            headers.push(HeaderName::Reason, reason);
        }
        self.bye_with(now, id, headers)
    }

    /// [`Self::bye`] with these header fields, `Reason` (RFC 3326) and others.
    ///
    /// # Errors
    /// As [`Self::bye`].
    pub fn bye_with(
        &mut self,
        now: Instant,
        id: InviteId,
        headers: Headers,
    ) -> Result<(), CommandError> {
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        match &mut usage.stage {
            Stage::Calling(_) => self.cancel(now, id),
            Stage::Incoming(_) => {
                let mut answer = Answer::new(StatusCode::TEMPORARILY_UNAVAILABLE);
                answer.headers = headers;
                self.reject(now, id, answer)
            }
            Stage::Up(up) => {
                if up.closing.is_some() {
                    return Err(CommandError::Gone);
                }
                if up.unacknowledged.is_empty() {
                    self.close_with_bye(now, id, EndCause::Local, headers);
                } else {
                    up.closing = Some((EndCause::Local, headers));
                }
                Ok(())
            }
        }
    }

    /// Nobody acknowledged our 2xx for 64·T1 (§13.3.1.4).
    pub(super) fn on_no_ack(&mut self, now: Instant, id: InviteId, unproven: bool) {
        if unproven {
            // Somebody in whose name others may have called would get the BYE, again and again.
            return self.end(now, id, EndCause::NoAck);
        }
        self.close_with_bye(now, id, EndCause::NoAck, Headers::default());
    }

    /// Sends BYE (§15.1.1) and forgets the call.
    pub(super) fn close_with_bye(
        &mut self,
        now: Instant,
        id: InviteId,
        cause: EndCause,
        headers: Headers,
    ) {
        self.pay_owed_ack(id);
        // What is bound to the call ends first, while the peer knows the dialog.
        self.end_bound(now, id);
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        if let Some(dialog) = usage.dialogs.first_mut() {
            let seq = dialog.next_seq();
            let mut request = dialog.request(Method::Bye, seq);
            let hop = dialog.hop.clone();
            match cause.reason() {
                Some(reason) if !headers.has(&HeaderName::Reason) => {
                    request.headers.push(HeaderName::Reason, reason);
                }
                Some(_) | None => {}
            }
            request.headers.append(&headers);
            self.stamp_user_agent(&mut request);
            let credentials = self.usages.get(id).map(|usage| usage.credentials.clone());
            let bye = self.start_client(now, request, None, super::client::Purpose::Own, &hop);
            self.entrust(bye, credentials.unwrap_or_default());
        }
        self.end(now, id, cause);
    }

    /// A 2xx whose offer nobody answered is acknowledged nevertheless.
    fn pay_owed_ack(&mut self, id: InviteId) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let owed = usage.up_mut().and_then(|up| up.owed_ack.take());
        if let Some((tx, seq)) = owed
            && let Some(dialog) = usage.dialogs.first().cloned()
        {
            self.send_ack(tx, &dialog, seq, None);
        }
    }

    /// Forgets the usage: its timers stop, its unanswered requests end with 487 (§15.1.2), the
    /// event is its last.
    pub(super) fn end(&mut self, now: Instant, id: InviteId, cause: EndCause) {
        self.timers.clear_all(Owner::Usage(id));
        self.end_bound(now, id);
        let Some(mut usage) = self.usages.remove(id) else {
            return;
        };
        self.tags.remove(&usage.local_tag);
        self.forget_call_flow(id, usage.flow);
        self.leave_dialog(&mut usage);
        let mut half_open = usage.incoming_mut().is_some();
        if let Some(up) = usage.up_mut() {
            for sent in &up.unacknowledged {
                let role = self.servers.get(sent.tx).map(|server| server.role);
                half_open |= role == Some(ServerRole::Invite);
                self.settle(sent.tx);
            }
            if let Modify::Active(tx, _) = &up.modify {
                self.drop_invite(now, *tx);
            }
        }
        if half_open {
            self.half_open = self.half_open.saturating_sub(1);
        }
        for tx in usage.pending {
            self.reply(now, tx, StatusCode::REQUEST_TERMINATED, Extra::default());
        }
        self.event(Event::Ended { id, cause });
    }

    pub(super) fn on_usage_timer(&mut self, now: Instant, id: InviteId, timer: Timer) {
        match timer {
            Timer::Ringing => match self.usages.get(id).map(|usage| &usage.stage) {
                Some(Stage::Incoming(_)) => self.on_ringing_out(now, id),
                Some(Stage::Calling(_)) => self.cancel_for(now, id, EndCause::Unreachable),
                Some(Stage::Up(up)) => {
                    // A re-INVITE that is answered with provisionals only.
                    if let Modify::Active(tx, _) = up.modify {
                        self.drop_invite(now, tx);
                    }
                }
                None => {}
            },
            Timer::Reliable => self.on_reliable_timer(now, id),
            Timer::ReliableEnd => {
                // RFC 3262 §3: "the UAS SHOULD reject the original request with a 5xx response".
                let status = StatusCode::SERVER_TIME_OUT;
                self.finish_incoming(now, id, status, EndCause::Unreachable);
            }
            Timer::Progress => self.on_progress_timer(now, id),
            Timer::Glare => self.on_glare_timer(now, id),
            Timer::Refresh => self.on_refresh_timer(now, id),
            Timer::Reconnect => self.on_reconnect_timer(now, id),
            Timer::Session => {
                self.close_with_bye(now, id, EndCause::SessionExpired, Headers::default())
            }
            Timer::N | Timer::Expires | Timer::Retry => {}
            Timer::A
            | Timer::B
            | Timer::D
            | Timer::E
            | Timer::F
            | Timer::G
            | Timer::H
            | Timer::I
            | Timer::J
            | Timer::K
            | Timer::L
            | Timer::M
            | Timer::Trying
            | Timer::Success
            | Timer::Cancel => {}
        }
    }
}

/// 481 and 408 say that the dialog's other end is gone (RFC 5057 §5.1).
pub(super) fn is_gone(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT
    )
}

/// Requests that carry a Contact (§8.1.1.8 and the RFCs of the methods).
fn refreshes(method: &Method) -> bool {
    matches!(
        method,
        Method::Update | Method::Subscribe | Method::Notify | Method::Refer | Method::Options
    )
}

/// A Contact for a request outside a dialog, if its method needs one and the user gave none.
fn contact_of(request: &Request, from: &NameAddr) -> Option<super::Contact> {
    let wanted = refreshes(&request.method) && !request.headers.has(&HeaderName::Contact);
    wanted.then(|| super::Contact {
        user: from.uri.user.clone(),
        ..super::Contact::default()
    })
}

/// What a transaction fills in itself.
fn is_copied(name: &HeaderName) -> bool {
    [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::RecordRoute,
        HeaderName::ContentLength,
    ]
    .contains(name)
}
