//! Finding where an event belongs (RFC 4579 §2: the conference URI finds the focus).

use super::actor::activate;
use super::entry::asked_by;
use super::mailbox::{CallStage, Guarded, Mailbox, Message, NotTaken};
use super::{Door, Inner, NOBODY};
use crate::answer;
use crate::caller::{Peer, Vouched};
use crate::conference::{answer_for, answer_without_call};
use crate::disconnect::DisconnectReason;
use crate::output::{
    Command, CommandError, ConferenceEvent, DialOutId, McuType, SipAction, SubscriptionId,
};
use crate::policy::{Admission, Occupancy, admit, is_founder};
use crate::record::{ConferenceName, ConferenceRecord};
use crate::refusal::Refusal;
use crate::uri::{Target, target};
use plenum_mcu::control::{ConferenceId, McuEvent};
use plenum_sip::endpoint::{
    Answer, Event, Flow, InviteId, NotifierEvent, NotifierId, ServerTxId, Termination, Transport,
};
use plenum_sip::msg::{Headers, Request, Scheme, StatusCode};
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Who the sender of a request is, if somebody says.
type Voucher = Option<Arc<Vouched>>;

impl Inner {
    pub(super) fn route(self: &Arc<Self>, now: Instant, event: Event, vouched: Voucher) {
        match event {
            Event::Invite { id, request, flow } => {
                self.route_invite(now, id, request, flow, vouched);
            }
            Event::Request { tx, request, flow } => {
                self.route_request(now, tx, request, flow, vouched);
            }
            Event::Cancelled { id }
            | Event::Pracked { id, .. }
            | Event::Acked { id, .. }
            | Event::Modify { id, .. }
            | Event::InDialog { id, .. }
            | Event::Progress { id, .. }
            | Event::Answered { id, .. }
            | Event::Modified { id, .. }
            | Event::Ended { id, .. } => self.route_to_call(now, id, event),
            // Each conference hears of its own calls.
            Event::FlowClosed { flow, calls } => {
                for id in calls {
                    let calls = vec![id];
                    self.route_to_call(now, id, Event::FlowClosed { flow, calls });
                }
            }
            // A focus sends no requests but INVITE and BYE.
            Event::Response { .. } | Event::Refused { .. } | Event::Subscriber { .. } => {}
            Event::Notifier { id, event } => self.route_to_notifier(now, id, event),
            Event::Subscribe {
                invite: Some(id), ..
            }
            | Event::Refer {
                invite: Some(id), ..
            } => self.route_to_call(now, id, event),
            Event::Subscribe {
                tx,
                ref request,
                ref flow,
                ..
            }
            | Event::Refer {
                tx,
                ref request,
                ref flow,
                ..
            } => match self.active_target(request, flow) {
                Some(mailbox) => {
                    let message = Message::Sip {
                        event,
                        guarded: None,
                        vouched,
                    };
                    if let Err(not_taken) = mailbox.push(message) {
                        self.turn_away(now, not_taken);
                    }
                }
                // Nobody is there to be watched, or to refer to (RFC 4575 §3.4).
                None => {
                    let answer = Answer::new(StatusCode::TEMPORARILY_UNAVAILABLE);
                    self.act(NOBODY, SipAction::Respond { tx, answer });
                }
            },
        }
    }

    /// The active conference a request is for.
    fn active_target(&self, request: &Request, flow: &Flow) -> Option<Arc<Mailbox>> {
        let name = match self.target(request, flow).ok()? {
            Target::Conference(name) => name,
            Target::ById(by_id) => self.door().factory.by_id(&by_id).ok()?,
            Target::Factory | Target::Server => return None,
        };
        self.names.get(&name).map(|entry| Arc::clone(&entry))
    }

    fn route_to_notifier(self: &Arc<Self>, now: Instant, id: NotifierId, event: NotifierEvent) {
        let ended = matches!(event, NotifierEvent::Ended(_));
        let mailbox = if ended {
            self.notifiers.remove(&id).map(|(_, mailbox)| mailbox)
        } else {
            self.notifiers.get(&id).map(|entry| Arc::clone(&entry))
        };
        let message = Message::Sip {
            event: Event::Notifier { id, event },
            guarded: None,
            vouched: None,
        };
        if let Some(mailbox) = mailbox
            && let Err(not_taken) = mailbox.push(message)
        {
            self.turn_away(now, not_taken);
        }
    }

    pub(super) fn route_subscribed(
        &self,
        conference: ConferenceId,
        subscription: SubscriptionId,
        id: Option<NotifierId>,
    ) {
        let mailbox = self.conferences.get(&conference);
        let mailbox = mailbox.map(|entry| Arc::clone(&entry));
        if let Some(mailbox) = mailbox {
            if let Some(id) = id {
                self.notifiers.insert(id, Arc::clone(&mailbox));
            }
            if mailbox.push(Message::Subscribed(subscription, id)).is_ok() {
                return;
            }
        }
        if let Some(id) = id {
            self.end_subscription(id);
        }
    }

    /// A subscription nobody serves any more.
    fn end_subscription(&self, id: NotifierId) {
        self.notifiers.remove(&id);
        let termination = Box::new(Termination::new("noresource"));
        self.act(NOBODY, SipAction::Terminate { id, termination });
    }

    pub(super) fn route_mcu(&self, from: McuType, event: McuEvent) {
        let mailbox = self
            .conferences
            .get(&event.conference)
            .map(|entry| Arc::clone(&entry));
        let not_taken = mailbox.and_then(|it| it.push(Message::Mcu(from, event)).err());
        if let Some(NotTaken::Full(_)) = not_taken {
            self.door().settings.metrics.mailbox_full.inc();
        }
    }

    pub(super) fn route_placed(
        &self,
        conference: ConferenceId,
        dial_out: DialOutId,
        id: Option<InviteId>,
    ) {
        let mailbox = self
            .conferences
            .get(&conference)
            .map(|entry| Arc::clone(&entry));
        if let Some(mailbox) = mailbox {
            if let Some(id) = id {
                self.calls.insert(id, Arc::clone(&mailbox));
                mailbox.note_call(id, CallStage::Calling);
            }
            if mailbox.push(Message::Placed(dial_out, id)).is_ok() {
                return;
            }
        }
        if let Some(id) = id {
            self.calls.remove(&id);
            let reason = DisconnectReason::ConferenceEnded.header().into();
            self.act(conference, SipAction::Cancel { id, reason });
        }
    }

    pub(super) fn route_not_placed(
        &self,
        conference: ConferenceId,
        dial_out: DialOutId,
        why: String,
    ) {
        let mailbox = self.conferences.get(&conference);
        if let Some(mailbox) = mailbox.map(|entry| Arc::clone(&entry)) {
            // One that is over waits for no call.
            drop(mailbox.push(Message::NotPlaced(dial_out, why.into())));
        }
    }

    /// Hands a command to a conference; one that calls out activates it.
    pub(super) fn give(
        self: &Arc<Self>,
        now: Instant,
        name: &ConferenceName,
        command: Command,
    ) -> Result<oneshot::Receiver<Result<(), CommandError>>, CommandError> {
        let mailbox = match self.names.get(name).map(|entry| Arc::clone(&entry)) {
            Some(mailbox) => mailbox,
            None => match command {
                Command::DialOut { .. } => self
                    .find_or_activate(now, name, None)
                    .map_err(CommandError::Refused)?,
                Command::Remove { .. }
                | Command::RemoveUser { .. }
                | Command::Filter { .. }
                | Command::Lock(_)
                | Command::Admit(_)
                | Command::Deny(_)
                | Command::MuteAll(_)
                | Command::SetRole { .. }
                | Command::Pictures(_)
                | Command::Record(_)
                | Command::RevokeFloor
                | Command::GiveFloor { .. }
                | Command::End => return Err(CommandError::UnknownConference),
            },
        };
        let (answer, answered) = oneshot::channel();
        match mailbox.push(Message::Command(command, answer)) {
            Ok(()) => Ok(answered),
            Err(NotTaken::Full(_)) => {
                self.door().settings.metrics.mailbox_full.inc();
                Err(CommandError::Busy)
            }
            Err(NotTaken::Closed(_)) => Err(CommandError::Ending),
        }
    }

    fn route_invite(
        self: &Arc<Self>,
        now: Instant,
        id: InviteId,
        request: Request,
        flow: Flow,
        mut vouched: Voucher,
    ) {
        let source = flow.remote.ip().to_canonical();
        let mailbox = match self.way(now, &request, &flow, &mut vouched) {
            Ok(mailbox) => mailbox,
            Err(refusal) => return self.refuse(id, source, refusal),
        };
        let guarded = mailbox.asks.map(|asked| Guarded { source, asked });
        self.calls.insert(id, Arc::clone(&mailbox));
        mailbox.note_call(id, CallStage::Offered);
        let event = Event::Invite { id, request, flow };
        let message = Message::Sip {
            event,
            guarded,
            vouched,
        };
        if let Err(not_taken) = mailbox.push(message) {
            mailbox.forget_call(id);
            self.calls.remove(&id);
            self.turn_away(now, not_taken);
        }
    }

    /// The conference an INVITE goes to, active now; and the PIN guard was asked.
    fn way(
        self: &Arc<Self>,
        now: Instant,
        request: &Request,
        flow: &Flow,
        vouched: &mut Voucher,
    ) -> Result<Arc<Mailbox>, Refusal> {
        let source = flow.remote.ip().to_canonical();
        let name = match self.target(request, flow)? {
            Target::Conference(name) => name,
            Target::ById(by_id) => self.door().factory.by_id(&by_id)?,
            Target::Factory => new_name()?,
            Target::Server => return Err(Refusal::UnknownConference),
        };
        let known = vouched.as_deref();
        let peer = Peer::of_request(request, flow, self.door().factory.policy(), known);
        if let Some(proven) = self.prove_key(now, request, &peer, &name)? {
            *vouched = Some(Arc::new(proven));
        }
        let known = vouched.as_deref();
        let peer = Peer::of_request(request, flow, self.door().factory.policy(), known);
        let mailbox = self.find_or_activate(now, &name, Some(&peer))?;
        if let Some(asked) = mailbox.asks {
            let admitted = self.door().guards.of(asked).admit(now, source.into());
            admitted.map_err(Refusal::PinGuard)?;
        }
        Ok(mailbox)
    }

    fn target(&self, request: &Request, flow: &Flow) -> Result<Target, Refusal> {
        let door = self.door();
        let local = flow.local.ip();
        let limit = door.settings.limits.name_bytes;
        // RFC 5630 §3.1: what asks for TLS on every hop is not answered over less.
        let secure = matches!(flow.transport, Transport::Tls | Transport::Wss);
        if request.uri.scheme == Scheme::Sips && !secure {
            return Err(Refusal::Scheme);
        }
        target(&request.uri, &door.factory.policy().domains, local, limit)
    }

    /// The active conference of this name; made active if the caller, or the operator (`None`),
    /// may. What is refused at the start leaves nothing behind.
    ///
    /// A caller has a source, else it would be one of ours.
    pub(super) fn find_or_activate(
        self: &Arc<Self>,
        now: Instant,
        name: &ConferenceName,
        caller: Option<&Peer>,
    ) -> Result<Arc<Mailbox>, Refusal> {
        let mut door = self.door();
        if door.draining {
            return Err(Refusal::Draining(door.settings.limits.retry_after));
        }
        if let Some(entry) = self.names.get(name) {
            return Ok(Arc::clone(&entry));
        }
        let source = caller.and_then(|caller| caller.source);
        if let (Some(caller), Some(source)) = (caller, source) {
            let record = door.factory.lookup(name, source)?;
            if let Admission::Refuse(refusal) = at_start(caller, &record, &door) {
                return Err(refusal);
            }
            if let Some(asked) = asked_by(&record) {
                // Asked here without being counted, so that a source that has to wait cannot
                // activate anything.
                door.guards
                    .of(asked)
                    .peek(now, source.into())
                    .map_err(Refusal::PinGuard)?;
            }
        }
        let record = door
            .factory
            .activate(now, name, source, self.conferences.len())?;
        Ok(activate(self, &mut door, record))
    }

    /// RFC 3261 §11.2: a request outside of calls, to the server or to a conference.
    fn route_request(
        self: &Arc<Self>,
        now: Instant,
        tx: ServerTxId,
        request: Request,
        flow: Flow,
        vouched: Voucher,
    ) {
        let target = match self.target(&request, &flow) {
            Ok(Target::ById(by_id)) => {
                let name = self.door().factory.by_id(&by_id);
                name.map(Target::Conference)
            }
            other => other,
        };
        if let Ok(Target::Conference(name)) = &target
            && let Some(mailbox) = self.names.get(name).map(|entry| Arc::clone(&entry))
        {
            let event = Event::Request { tx, request, flow };
            if let Err(not_taken) = mailbox.push(Message::Sip {
                event,
                guarded: None,
                vouched,
            }) {
                self.turn_away(now, not_taken);
            }
            return;
        }
        let answer = self.answer_inactive(&request, &flow, target, vouched.as_deref());
        self.act(NOBODY, SipAction::Respond { tx, answer });
    }

    fn answer_inactive(
        &self,
        request: &Request,
        flow: &Flow,
        target: Result<Target, Refusal>,
        vouched: Option<&Vouched>,
    ) -> Answer {
        let door = self.door();
        let agent = &door.settings.agent;
        let record = match target {
            Ok(Target::Server | Target::Factory | Target::ById(_)) => {
                return answer_without_call(&request.method, agent);
            }
            Ok(Target::Conference(name)) => {
                door.factory.lookup(&name, flow.remote.ip().to_canonical())
            }
            Err(refusal) => Err(refusal),
        };
        let refusal = match record {
            Ok(_) if door.draining => Refusal::Draining(door.settings.limits.retry_after),
            Ok(record) => {
                let caller = Peer::of_request(request, flow, door.factory.policy(), vouched);
                let admission = at_start(&caller, &record, &door);
                return answer_for(&request.method, admission, agent);
            }
            Err(refusal) => refusal,
        };
        door.settings.metrics.refused(&refusal);
        answer::refuse(&refusal, agent)
    }

    fn route_to_call(self: &Arc<Self>, now: Instant, id: InviteId, event: Event) {
        let ended = matches!(event, Event::Ended { .. });
        let mailbox = if ended {
            self.calls.remove(&id).map(|(_, mailbox)| mailbox)
        } else {
            self.calls.get(&id).map(|entry| Arc::clone(&entry))
        };
        let message = Message::Sip {
            event,
            guarded: None,
            vouched: None,
        };
        let Some(mailbox) = mailbox else {
            return self.turn_away(now, NotTaken::Closed(Box::new(message)));
        };
        if ended {
            mailbox.forget_call(id);
        } else if let Message::Sip {
            event: Event::Answered { .. },
            ..
        } = &message
        {
            mailbox.move_call(id, CallStage::Answered);
        }
        if let Err(not_taken) = mailbox.push(message) {
            self.turn_away(now, not_taken);
        }
    }

    /// A message no conference took: whoever waits for an answer gets one.
    pub(super) fn turn_away(self: &Arc<Self>, now: Instant, not_taken: NotTaken) {
        let (message, full) = match not_taken {
            NotTaken::Full(message) => (*message, true),
            NotTaken::Closed(message) => (*message, false),
        };
        if full {
            self.door().settings.metrics.mailbox_full.inc();
        }
        match message {
            Message::Sip {
                event,
                guarded,
                vouched,
            } => self.turn_away_event(now, event, guarded, vouched, full),
            Message::Command(_, answer) => {
                let error = if full {
                    CommandError::Busy
                } else {
                    CommandError::Ending
                };
                // Who does not wait any more needs no answer.
                drop(answer.send(Err(error)));
            }
            Message::Arrival {
                arrival,
                entry,
                guarded,
            } => {
                let refusal = Refusal::Draining(self.door().settings.limits.retry_after);
                self.turn_back(now, (&arrival, guarded), (&entry, None), refusal);
            }
            Message::Placed(_, Some(id)) => {
                let reason = DisconnectReason::ConferenceEnded.header().into();
                self.act(NOBODY, SipAction::Cancel { id, reason });
            }
            Message::Subscribed(_, Some(id)) => self.end_subscription(id),
            Message::Placed(_, None)
            | Message::NotPlaced(..)
            | Message::Subscribed(_, None)
            | Message::Mcu(..)
            | Message::HandedOver(..)
            | Message::Drain(_)
            | Message::Inspect(_) => {}
        }
    }

    fn turn_away_event(
        self: &Arc<Self>,
        now: Instant,
        event: Event,
        guarded: Option<Guarded>,
        vouched: Voucher,
        full: bool,
    ) {
        self.unguard(now, guarded);
        let busy = self.busy();
        let gone = || Answer::new(StatusCode::CALL_DOES_NOT_EXIST);
        match event {
            Event::Invite { id, flow, .. } if full => {
                self.refuse(id, flow.remote.ip().to_canonical(), busy);
            }
            // The conference it was meant for is over: the name may be called again.
            Event::Invite { id, request, flow } => {
                self.route_invite(now, id, request, flow, vouched);
            }
            Event::Request { tx, request, flow } if !full => {
                self.route_request(now, tx, request, flow, vouched);
            }
            Event::Modify { tx, .. } | Event::Pracked { tx: Some(tx), .. } => {
                let answer = if full { self.busy_answer() } else { gone() };
                self.act(NOBODY, SipAction::RespondModify { tx, answer });
            }
            Event::InDialog { tx, .. }
            | Event::Request { tx, .. }
            | Event::Subscribe { tx, .. }
            | Event::Refer { tx, .. } => {
                let answer = if full { self.busy_answer() } else { gone() };
                self.act(NOBODY, SipAction::Respond { tx, answer });
            }
            // Answered after the conference that called was over.
            Event::Answered { id, .. } => {
                let reason = DisconnectReason::ConferenceEnded.header().into();
                let headers = Headers::default();
                self.act(
                    NOBODY,
                    SipAction::Bye {
                        id,
                        reason,
                        headers,
                    },
                );
            }
            Event::Cancelled { .. }
            | Event::Pracked { tx: None, .. }
            | Event::Acked { .. }
            | Event::Progress { .. }
            | Event::Modified { .. }
            | Event::Response { .. }
            | Event::Refused { .. }
            | Event::Notifier {
                event: NotifierEvent::Delivered { .. } | NotifierEvent::Ended(_),
                ..
            }
            | Event::Subscriber { .. }
            | Event::FlowClosed { .. }
            | Event::Ended { .. } => {}
            Event::Notifier {
                id,
                event: NotifierEvent::Due { .. },
            } => self.end_subscription(id),
        }
    }

    pub(super) fn busy(&self) -> Refusal {
        Refusal::Busy(self.door().settings.limits.retry_after)
    }

    fn busy_answer(&self) -> Answer {
        answer::refuse(&self.busy(), &self.door().settings.agent)
    }

    fn refuse(&self, id: InviteId, source: IpAddr, refusal: Refusal) {
        let answer = {
            let door = self.door();
            door.settings.metrics.refused(&refusal);
            answer::refuse(&refusal, &door.settings.agent)
        };
        self.act(NOBODY, SipAction::Reject { id, answer });
        let event = ConferenceEvent::Refused {
            source: Some(source),
            refusal,
        };
        self.connections.events.event(NOBODY, &event);
    }
}

/// A name nobody guesses, for a conference that the factory makes (RFC 4579 §5.4).
fn new_name() -> Result<ConferenceName, Refusal> {
    let random = SysRng.try_next_u64().map_err(|_| Refusal::Fault)?;
    ConferenceName::new(&format!("c-{random:016x}"), usize::MAX).ok_or(Refusal::Fault)
}

/// What becomes of a call to a conference that nobody is in.
fn at_start(caller: &Peer, record: &ConferenceRecord, door: &Door) -> Admission {
    let subject = caller.subject(is_founder(record));
    let occupancy = Occupancy::at_start(record);
    admit(&subject, record, &occupancy, &door.settings.limits)
}
