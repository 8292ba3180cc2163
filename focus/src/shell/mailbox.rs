//! The mailbox of one conference: bounded, and never full for what must arrive.
//!
//! Requests, commands and digits are refused once `limit` messages wait. What ends a call or
//! answers a command is always taken: there are only so many calls and commands. Of what tells a
//! state (talking, active speaker, media) only the latest of each endpoint is kept.

use crate::caller::Vouched;
use crate::conference::Arrival;
use crate::key_door::ConferenceKey;
use crate::output::{Command, CommandError, DialOutId, McuType, SubscriptionId};
use crate::pin_guard::Asked;
use crate::refusal::Refusal;
use crate::shell::Snapshot;
use plenum_mcu::control::{ConferenceId, EndpointId, McuEvent, Report};
use plenum_sip::endpoint::{Event, InviteId, NotifierId};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// What can be told to a conference.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "few wait at a time; a box would cost each an allocation"
)]
pub(super) enum Message {
    /// An event of the SIP endpoint. `guarded`: the source a guard let in for it; `vouched`: who its sender is.
    Sip {
        event: Event,
        guarded: Option<Guarded>,
        vouched: Option<Arc<Vouched>>,
    },
    /// A call from this entry, counted by a guard where the conference has a PIN.
    Arrival {
        arrival: Box<Arrival>,
        entry: Arc<Mailbox>,
        guarded: Option<Guarded>,
    },
    /// A call of this entry is another conference's now, or not.
    HandedOver(EndpointId, Result<(), Refusal>),
    /// A call of the conference got its id, or none.
    Placed(DialOutId, Option<InviteId>),
    /// A call of the conference is not to be made, for this reason.
    NotPlaced(DialOutId, Box<str>),
    /// A subscription of the conference got its id, or none.
    Subscribed(SubscriptionId, Option<NotifierId>),
    /// A report of a mixer.
    Mcu(McuType, McuEvent),
    /// A command, and who waits for it.
    Command(Command, oneshot::Sender<Result<(), CommandError>>),
    /// The server goes down.
    Drain(Instant),
    /// Somebody wants to see it.
    Inspect(oneshot::Sender<Snapshot>),
}

/// A source that a guard let in, to be asked for this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded {
    pub(super) source: IpAddr,
    pub(super) asked: Asked,
}

impl Message {
    /// Whether it may be refused when many wait.
    fn is_refusable(&self) -> bool {
        match self {
            Self::Sip { event, .. } => match event {
                Event::Invite { .. }
                | Event::Modify { .. }
                | Event::InDialog { .. }
                | Event::Request { .. }
                | Event::Subscribe { .. }
                | Event::Refer { .. }
                | Event::Progress { .. } => true,
                Event::Cancelled { .. }
                | Event::Pracked { .. }
                | Event::Acked { .. }
                | Event::Answered { .. }
                | Event::Refused { .. }
                | Event::Modified { .. }
                | Event::Response { .. }
                | Event::Notifier { .. }
                | Event::Subscriber { .. }
                | Event::FlowClosed { .. }
                | Event::Ended { .. } => false,
            },
            Self::Command(..) | Self::Inspect(_) => true,
            Self::Mcu(_, event) => matches!(event.report, Report::Dtmf { .. }),
            Self::Arrival { .. }
            | Self::HandedOver(..)
            | Self::Placed(..)
            | Self::NotPlaced(..)
            | Self::Subscribed(..)
            | Self::Drain(_) => false,
        }
    }

    /// What state it tells, if it tells one.
    fn state(&self) -> Option<StateKey> {
        let Self::Mcu(from, event) = self else {
            return None;
        };
        let (kind, endpoint) = match event.report {
            Report::Talking { endpoint, .. } => (StateKind::Talking, Some(endpoint)),
            Report::ActiveSpeaker { .. } => (StateKind::Speaker, None),
            Report::Media { endpoint, .. } => (StateKind::Media, Some(endpoint)),
            Report::Video { endpoint, .. } => (StateKind::Video, Some(endpoint)),
            Report::Seen { endpoint, .. } => (StateKind::Seen, Some(endpoint)),
            Report::Content { endpoint, .. } => (StateKind::Content, Some(endpoint)),
            Report::Presenter { .. } => (StateKind::Presenter, None),
            Report::Done { .. }
            | Report::Answer { .. }
            | Report::Offer { .. }
            | Report::Removed { .. }
            | Report::KeyframeNeeded { .. }
            | Report::Dtmf { .. }
            | Report::Played { .. }
            | Report::MediaLost { .. }
            | Report::MediaFailed { .. }
            | Report::RecordingFailed { .. }
            | Report::Failed { .. } => return None,
        };
        Some((*from, kind, endpoint))
    }
}

type StateKey = (McuType, StateKind, Option<EndpointId>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum StateKind {
    Media,
    Video,
    Seen,
    Content,
    Presenter,
    Talking,
    Speaker,
}

/// Why a message was not taken; the message comes back.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Too many wait.
    Full(Box<Message>),
    /// The conference is over.
    Closed(Box<Message>),
}

/// The mailbox of one conference.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) conference: ConferenceId,
    /// What clients that have it may show.
    pub(super) key: Option<ConferenceKey>,
    /// What its callers are asked for.
    pub(super) asks: Option<Asked>,
    queue: Mutex<Queue>,
    arrived: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    states: BTreeMap<StateKey, Message>,
    /// Calls of the conference that have not ended, and how to end them should the actor die.
    calls: BTreeMap<InviteId, CallStage>,
    closed: bool,
}

/// How a call stands, as far as the shell has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStage {
    /// It called; no final answer was given.
    Offered,
    /// We call; no final answer has come.
    Calling,
    /// It is up.
    Answered,
}

impl Mailbox {
    pub(super) fn new(
        conference: ConferenceId,
        key: Option<ConferenceKey>,
        asks: Option<Asked>,
        limit: usize,
    ) -> Self {
        let queue = Mutex::default();
        Self {
            conference,
            key,
            asks,
            queue,
            arrived: Notify::new(),
            limit,
        }
    }

    pub(super) fn push(&self, message: Message) -> Result<(), NotTaken> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(NotTaken::Closed(Box::new(message)));
        }
        if queue.messages.len() >= self.limit && message.is_refusable() {
            return Err(NotTaken::Full(Box::new(message)));
        }
        match message.state() {
            Some(key) => {
                queue.states.insert(key, message);
            }
            None => queue.messages.push_back(message),
        }
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// Everything that waits. States come last: what they are about was made by then.
    pub(super) fn take(&self) -> VecDeque<Message> {
        let mut queue = self.lock();
        let mut messages = std::mem::take(&mut queue.messages);
        messages.extend(std::mem::take(&mut queue.states).into_values());
        messages
    }

    /// Takes nothing more; everything that waits.
    pub(super) fn close(&self) -> VecDeque<Message> {
        self.lock().closed = true;
        self.take()
    }

    /// Completes when something has arrived since the last time.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(super) fn note_call(&self, id: InviteId, stage: CallStage) {
        self.lock().calls.insert(id, stage);
    }

    /// The call stands differently now, if it has not ended.
    pub(super) fn move_call(&self, id: InviteId, stage: CallStage) {
        if let Some(before) = self.lock().calls.get_mut(&id) {
            *before = stage;
        }
    }

    pub(super) fn forget_call(&self, id: InviteId) {
        self.lock().calls.remove(&id);
    }

    pub(super) fn take_calls(&self) -> BTreeMap<InviteId, CallStage> {
        std::mem::take(&mut self.lock().calls)
    }

    /// A panic while the lock is held leaves nothing half done: each of its holders makes one
    /// change.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
