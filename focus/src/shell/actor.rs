//! One actor per active conference: wait, one mutation, drain.

use super::entry::asked_by;
use super::mailbox::{CallStage, Guarded, Mailbox, Message, NotTaken};
use super::{Door, Inner, Snapshot, now};
use crate::answer;
use crate::conference::{Arrival, Focus, Settings};
use crate::disconnect::DisconnectReason;
use crate::key_door::ConferenceKey;
use crate::output::{
    CommandError, ConferenceEvent, HandOver, McuType, Output, RequestId, SipAction,
};
use crate::pin_guard::Asked;
use crate::record::ConferenceRecord;
use crate::refusal::Refusal;
use plenum_mcu::control::{Action, CommandId, ConferenceId, McuCommand};
use plenum_sip::endpoint::Event;
use plenum_sip::msg::Headers;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use tracing::Instrument as _;

/// Makes a conference active: it is in the directory when this returns.
pub(super) fn activate(
    inner: &Arc<Inner>,
    door: &mut Door,
    record: Arc<ConferenceRecord>,
) -> Arc<Mailbox> {
    door.last_conference += 1;
    let id = ConferenceId(door.last_conference);
    let settings = Arc::clone(&door.settings);
    let key = ConferenceKey::of(&record, &settings.host);
    let mailbox = Mailbox::new(id, key, asked_by(&record), settings.limits.mailbox);
    let mailbox = Arc::new(mailbox);
    inner
        .names
        .insert(record.name.clone(), Arc::clone(&mailbox));
    inner.conferences.insert(id, Arc::clone(&mailbox));
    let span = tracing::info_span!("conference", id = id.0, name = %record.name);
    let life = live(Arc::clone(inner), Arc::clone(&mailbox), record, settings);
    tokio::spawn(life.instrument(span));
    mailbox
}

/// Runs a conference to its end, whichever that is, and clears up after it.
async fn live(
    inner: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    record: Arc<ConferenceRecord>,
    settings: Arc<Settings>,
) {
    let name = record.name.clone();
    let actor = run(
        Arc::clone(&inner),
        Arc::clone(&mailbox),
        record,
        Arc::clone(&settings),
    );
    let span = tracing::Span::current();
    let panicked = tokio::spawn(actor.instrument(span)).await.is_err();
    let id = mailbox.conference;
    inner
        .names
        .remove_if(&name, |_, other| other.conference == id);
    let left = mailbox.close();
    inner.conferences.remove(&id);
    if panicked {
        bury(&inner, &mailbox, &settings);
    }
    for message in left {
        inner.turn_away(now(), NotTaken::Closed(Box::new(message)));
    }
    if inner.conferences.is_empty() {
        inner.emptied.notify_waiters();
    }
}

/// The actor died of a bug: its callers and its mixer must not wait for it.
fn bury(inner: &Arc<Inner>, mailbox: &Mailbox, settings: &Settings) {
    let id = mailbox.conference;
    settings.metrics.faults.inc();
    tracing::error!(conference = id.0, "the conference ended by a fault");
    let reason = DisconnectReason::Fault.header();
    for (call, stage) in mailbox.take_calls() {
        let reason = reason.as_str().into();
        let action = match stage {
            CallStage::Offered => {
                let answer = answer::refuse(&Refusal::Fault, &settings.agent);
                SipAction::Reject { id: call, answer }
            }
            CallStage::Calling => SipAction::Cancel { id: call, reason },
            CallStage::Answered => SipAction::Bye {
                id: call,
                reason,
                headers: Headers::default(),
            },
        };
        inner.act(id, action);
    }
    // Nobody listens for the answer, so any id will do.
    let destroy = McuCommand {
        id: CommandId(u64::MAX),
        conference: id,
        action: Action::Destroy,
    };
    inner
        .connections
        .mcus
        .of(McuType::AudioVideo)
        .command(destroy);
    let fault = Some("a fault of the focus".into());
    inner
        .connections
        .events
        .event(id, &ConferenceEvent::Ended { fault });
}

async fn run(
    inner: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    record: Arc<ConferenceRecord>,
    settings: Arc<Settings>,
) {
    let mut focus = Focus::new(now(), mailbox.conference, record, settings);
    let mut seed = [0; 32];
    if SysRng.try_fill_bytes(&mut seed).is_ok() {
        focus.randomize(seed);
    }
    let mut actor = Actor {
        inner,
        mailbox,
        focus,
        waiting: BTreeMap::new(),
        last_request: 0,
    };
    loop {
        let deadline = actor.drain();
        if actor.focus.is_over() {
            return;
        }
        let messages = actor.mailbox.take();
        if messages.is_empty() {
            wait(&actor.mailbox, deadline).await;
        }
        for message in messages {
            actor.handle(message);
            actor.drain();
        }
        if deadline.is_some_and(|deadline| deadline <= now()) {
            actor.focus.handle_timeout(now());
        }
    }
}

async fn wait(mailbox: &Mailbox, deadline: Option<Instant>) {
    match deadline {
        // Which of the two it was, the loop finds out by itself.
        Some(deadline) => drop(tokio::time::timeout_at(deadline.into(), mailbox.arrived()).await),
        None => mailbox.arrived().await,
    }
}

struct Actor {
    inner: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    focus: Focus,
    waiting: BTreeMap<RequestId, oneshot::Sender<Result<(), CommandError>>>,
    last_request: u64,
}

impl Actor {
    fn handle(&mut self, message: Message) {
        let now = now();
        match message {
            Message::Sip {
                event: Event::Invite { id, request, flow },
                guarded,
                vouched,
            } if self.focus.is_ending() => {
                self.mailbox.forget_call(id);
                let event = Event::Invite { id, request, flow };
                let message = Message::Sip {
                    event,
                    guarded,
                    vouched,
                };
                self.inner
                    .turn_away(now, NotTaken::Closed(Box::new(message)));
            }
            Message::Sip { event, vouched, .. } => {
                self.focus.handle_vouched(now, event, vouched);
            }
            Message::Arrival {
                arrival,
                entry,
                guarded,
            } => self.welcome(now, *arrival, &entry, guarded),
            Message::HandedOver(endpoint, result) => {
                self.focus.handle_handed_over(now, endpoint, result);
            }
            Message::Placed(dial_out, id) => self.focus.handle_placed(now, dial_out, id),
            Message::NotPlaced(dial_out, why) => self.focus.handle_not_placed(now, dial_out, why),
            Message::Subscribed(subscription, id) => {
                self.focus.handle_subscribed(now, subscription, id);
            }
            Message::Mcu(from, event) => self.focus.handle_mcu(now, from, event),
            Message::Command(command, answer) => {
                self.last_request += 1;
                let request = RequestId(self.last_request);
                self.waiting.insert(request, answer);
                self.focus.handle_command(now, request, command);
            }
            Message::Drain(deadline) => self.focus.handle_drain(now, deadline),
            // Who asked and went away needs no answer.
            Message::Inspect(answer) => drop(answer.send(self.snapshot())),
        }
    }

    /// A call comes from the entry.
    fn welcome(
        &mut self,
        now: Instant,
        arrival: Arrival,
        entry: &Arc<Mailbox>,
        guarded: Option<Guarded>,
    ) {
        let copy = arrival.clone();
        match self.focus.handle_arrival(now, arrival) {
            Ok(()) => {
                // The mixer has to have it before the entry lets it go, and perhaps ends.
                self.drain();
                let (_, endpoint) = copy.from;
                // An entry that is over has let go of everything.
                drop(entry.push(Message::HandedOver(endpoint, Ok(()))));
            }
            Err(refusal) => {
                let here = Some(&*self.mailbox);
                self.inner
                    .turn_back(now, (&copy, guarded), (entry, here), refusal);
            }
        }
    }

    /// The focus of the entry has a number.
    fn hand_over(&mut self, it: HandOver) {
        let (_, endpoint) = it.arrival.from;
        let now = now();
        if let Err(refusal) = self.inner.hand_over(now, &self.mailbox, it) {
            self.focus.handle_handed_over(now, endpoint, Err(refusal));
        }
    }

    /// Carries out what the focus says until it has nothing more to say.
    fn drain(&mut self) -> Option<Instant> {
        let id = self.mailbox.conference;
        loop {
            match self.focus.poll_output() {
                Output::Sip(action) => {
                    let accepted = if let SipAction::Accept { id, .. } = &action {
                        Some(*id)
                    } else {
                        None
                    };
                    self.inner.act(id, action);
                    if let Some(call) = accepted {
                        self.mailbox.move_call(call, CallStage::Answered);
                    }
                }
                Output::Mcu(mcu, command) => self.inner.connections.mcus.of(mcu).command(command),
                Output::HandOver(it) => self.hand_over(*it),
                Output::Event(event) => self.handle_event(id, event),
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn handle_event(&mut self, id: ConferenceId, event: ConferenceEvent) {
        match &event {
            ConferenceEvent::PinSettled {
                source, outcome, ..
            } => {
                let asked = self.mailbox.asks.unwrap_or(Asked::Pin);
                let mut door = self.inner.door();
                let guard = door.guards.of(asked);
                guard.handle_outcome(now(), (*source).into(), *outcome);
            }
            // The name is free before anybody hears so.
            ConferenceEvent::Ending => {
                let name = &self.focus.record().name;
                self.inner
                    .names
                    .remove_if(name, |_, other| other.conference == id);
            }
            ConferenceEvent::Completed { .. }
            | ConferenceEvent::Activated { .. }
            | ConferenceEvent::Refused { .. }
            | ConferenceEvent::Admitted { .. }
            | ConferenceEvent::Waiting { .. }
            | ConferenceEvent::Role { .. }
            | ConferenceEvent::Joined { .. }
            | ConferenceEvent::Left { .. }
            | ConferenceEvent::Detail(_)
            | ConferenceEvent::Media { .. }
            | ConferenceEvent::Talking { .. }
            | ConferenceEvent::ActiveSpeaker { .. }
            | ConferenceEvent::Presenter { .. }
            | ConferenceEvent::Locked(_)
            | ConferenceEvent::Recording { .. }
            | ConferenceEvent::WrongPin { .. }
            | ConferenceEvent::WrongNumber { .. }
            | ConferenceEvent::DialOutFailed { .. }
            | ConferenceEvent::Ended { .. } => {}
        }
        self.inner.connections.events.event(id, &event);
        if let ConferenceEvent::Completed { request, result } = event
            && let Some(answer) = self.waiting.remove(&request)
        {
            // Who does not wait any more needs no answer.
            drop(answer.send(result));
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.mailbox.conference,
            record: Arc::clone(self.focus.record()),
            locked: self.focus.is_locked(),
            access: *self.focus.access(),
            pictures: self.focus.conference_video(),
            recording: self.focus.recording(),
            document: self.focus.snapshot(),
            users: self.focus.roster().users().cloned().collect(),
            endpoints: self.focus.roster().endpoints().cloned().collect(),
        }
    }
}
