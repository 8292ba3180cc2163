//! The tokio shell: one actor per active conference, and the directory that finds them.
//!
//! [`SipUser`] makes the directory the transaction user of a SIP driver. Without it, the process
//! connects four things: events of the SIP endpoint go into [`Directory::route`],
//! reports of mixers into [`Directory::route_mcu`], actions come out of a [`SipSink`] and events of
//! conferences out of an [`EventSink`]. None of these calls blocks.
//!
//! A panic in an actor ends its conference and no other: its calls get a BYE or a 500, its mixer
//! is told to forget it, and the name may be called again.

mod actor;
mod border;
mod broadcast;
mod entry;
mod keys;
mod mailbox;
mod route;
mod sip_user;

pub use border::{Border, Passage, Placing};
pub use broadcast::{Broadcast, Happened};
pub use sip_user::{SipActions, SipUser, Wake};

use crate::access::Access;
use crate::caller::Vouched;
use crate::conference::Settings;
use crate::factory::FocusFactory;
use crate::info::ConferenceInfo;
use crate::key_door::KeyDoor;
use crate::output::{
    Command, CommandError, ConferenceEvent, DialOutId, McuType, SipAction, SubscriptionId,
};
use crate::pin_guard::Guards;
use crate::record::{ConferenceName, ConferenceRecord};
use crate::recording::RecordingState;
use crate::roster::{Participant, User};
use dashmap::DashMap;
use mailbox::{Mailbox, Message};
use plenum_mcu::control::{ConferenceId, ConferenceVideo, Mcu, McuEvent};
use plenum_sip::auth::Origin;
use plenum_sip::endpoint::{Event, InviteId, NotifierId};
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Where actions for the SIP endpoint go.
pub trait SipSink: Send + Sync + Debug {
    /// Carries out an action of this conference. Never blocks. An action that comes too late is
    /// dropped: the event that was faster is on its way.
    ///
    /// [`SipAction::Invite`] is answered by [`Directory::route_placed`], before any event of the
    /// new call is routed.
    fn act(&self, conference: ConferenceId, action: SipAction);
}

/// Where events of conferences go: logs, records, whoever watches.
pub trait EventSink: Send + Sync + Debug {
    /// Takes an event. Never blocks.
    fn event(&self, conference: ConferenceId, event: &ConferenceEvent);
}

/// The mixers of the server, one of each type.
#[derive(Clone, Debug)]
pub struct Mcus {
    /// [`McuType::AudioVideo`].
    pub audio_video: Arc<dyn Mcu>,
}

impl Mcus {
    fn of(&self, mcu: McuType) -> &dyn Mcu {
        match mcu {
            McuType::AudioVideo => &*self.audio_video,
        }
    }
}

/// What the directory is connected to.
#[derive(Clone, Debug)]
pub struct Connections {
    /// For the SIP endpoint.
    pub sip: Arc<dyn SipSink>,
    /// For mixers.
    pub mcus: Mcus,
    /// For logs and records.
    pub events: Arc<dyn EventSink>,
}

/// How an active conference stands, for those who ask.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which.
    pub id: ConferenceId,
    /// What is known of it apart from who is in it.
    pub record: Arc<ConferenceRecord>,
    /// Whether it is locked now.
    pub locked: bool,
    /// Who gets in now.
    pub access: Access,
    /// Whether it is recorded.
    pub recording: RecordingState,
    /// Who is in it.
    pub users: Vec<User>,
    /// With what.
    pub endpoints: Vec<Participant>,
    /// Its pictures as they are now.
    pub pictures: ConferenceVideo,
    /// All of it as a document: what participants are told (RFC 4575, MS-CONFBAS).
    pub document: ConferenceInfo,
}

/// Finds the conference of a name, a call or a mixer's report, and activates it when there is
/// reason to. Cloning gives another handle to the same.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    door: Mutex<Door>,
    names: DashMap<ConferenceName, Arc<Mailbox>>,
    conferences: DashMap<ConferenceId, Arc<Mailbox>>,
    calls: DashMap<InviteId, Arc<Mailbox>>,
    notifiers: DashMap<NotifierId, Arc<Mailbox>>,
    connections: Connections,
    emptied: Notify,
}

/// What is looked at before somebody comes to a conference.
#[derive(Debug)]
struct Door {
    factory: FocusFactory,
    guards: Guards,
    keys: KeyDoor,
    settings: Arc<Settings>,
    last_conference: u64,
    draining: bool,
}

impl Directory {
    /// A directory without active conferences. Used inside a tokio runtime.
    pub fn new(factory: FocusFactory, settings: Settings, connections: Connections) -> Self {
        let mut seed = [0; 32];
        if let Err(error) = SysRng.try_fill_bytes(&mut seed) {
            // Nonces can be foreseen then; keys stay secret.
            tracing::error!(%error, "no randomness for challenges");
        }
        let door = Door {
            factory,
            guards: Guards::new(&settings.limits),
            keys: KeyDoor::new(settings.limits.pin_sources, seed, now()),
            settings: Arc::new(settings),
            last_conference: 0,
            draining: false,
        };
        Self(Arc::new(Inner {
            door: Mutex::new(door),
            names: DashMap::new(),
            conferences: DashMap::new(),
            calls: DashMap::new(),
            notifiers: DashMap::new(),
            connections,
            emptied: Notify::new(),
        }))
    }

    /// What knows to whom challenges for conference keys were sent.
    pub fn key_origin(&self) -> Origin {
        self.0.door().keys.origin()
    }

    /// An event of the SIP endpoint goes where it belongs, or is answered here.
    pub fn route(&self, event: Event) {
        self.0.route(now(), event, None);
    }

    /// As [`Self::route`]; who sent the request is who `vouched` says, not who it says.
    pub fn route_vouched(&self, event: Event, vouched: Option<Vouched>) {
        self.0.route(now(), event, vouched.map(Arc::new));
    }

    /// A report of a mixer goes to its conference; one of a conference that is over is dropped.
    pub fn route_mcu(&self, from: McuType, event: McuEvent) {
        self.0.route_mcu(from, event);
    }

    /// The call asked for by [`SipAction::Invite`] has got this id; `None` when it could not even
    /// be tried.
    pub fn route_placed(
        &self,
        conference: ConferenceId,
        dial_out: DialOutId,
        id: Option<InviteId>,
    ) {
        self.0.route_placed(conference, dial_out, id);
    }

    /// The call asked for by [`SipAction::Invite`] is not to be made, for this reason.
    pub fn route_not_placed(&self, conference: ConferenceId, dial_out: DialOutId, why: String) {
        self.0.route_not_placed(conference, dial_out, why);
    }

    /// The subscription accepted by [`SipAction::AcceptSubscription`] has got this id; `None` when
    /// it came too late.
    pub fn route_subscribed(
        &self,
        conference: ConferenceId,
        subscription: SubscriptionId,
        id: Option<NotifierId>,
    ) {
        self.0.route_subscribed(conference, subscription, id);
    }

    /// Carries out a command and waits for how it went. A call out of a conference that is not
    /// active activates it.
    ///
    /// # Errors
    /// Why it was not carried out.
    pub async fn command(
        &self,
        name: &ConferenceName,
        command: Command,
    ) -> Result<(), CommandError> {
        let outcome = self.0.give(now(), name, command)?;
        outcome.await.unwrap_or(Err(CommandError::Fault))
    }

    /// How a conference stands; `None` when it is not active, or too busy to say.
    pub async fn inspect(&self, name: &ConferenceName) -> Option<Snapshot> {
        let mailbox = self
            .0
            .names
            .get(name)
            .map(|entry| Arc::clone(entry.value()))?;
        let (answer, answered) = oneshot::channel();
        mailbox.push(Message::Inspect(answer)).ok()?;
        answered.await.ok()
    }

    /// The names of the active conferences, sorted.
    pub fn active(&self) -> Vec<ConferenceName> {
        let mut names: Vec<_> = self
            .0
            .names
            .iter()
            .map(|entry| entry.key().clone())
            .collect();
        names.sort();
        names
    }

    /// What is configured, active or not, by name.
    pub fn configured(&self) -> Vec<Arc<ConferenceRecord>> {
        let mut records: Vec<_> = self.0.door().factory.records().cloned().collect();
        records.sort_by(|one, other| one.name.cmp(&other.name));
        records
    }

    /// Takes new settings, configured records and template; active conferences keep what they
    /// have.
    pub fn reconfigure(
        &self,
        settings: Settings,
        records: Vec<ConferenceRecord>,
        template: ConferenceRecord,
    ) {
        let mut door = self.0.door();
        door.factory
            .reconfigure(settings.policy.clone(), records, template);
        door.settings = Arc::new(settings);
    }

    /// Lets nobody in any more, tells everybody that it is over, hangs up, and waits until no
    /// conference is active, `within` at most. Three quarters of the time are for the farewell.
    /// Answers how many conferences are still active.
    pub async fn drain(&self, within: Duration) -> usize {
        self.0.door().draining = true;
        let start = now();
        let farewell = start + within * 3 / 4;
        for mailbox in self.0.sorted() {
            // One that is over already has nothing to end.
            drop(mailbox.push(Message::Drain(farewell)));
        }
        let all = async {
            loop {
                let emptied = self.0.emptied.notified();
                if self.0.conferences.is_empty() {
                    return;
                }
                emptied.await;
            }
        };
        match tokio::time::timeout_at((start + within).into(), all).await {
            Ok(()) => 0,
            Err(_) => self.0.conferences.len(),
        }
    }
}

impl Inner {
    /// Each holder of the lock leaves the door whole, also when it panics.
    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, conference: ConferenceId, action: SipAction) {
        self.connections.sip.act(conference, action);
    }

    /// Every active conference, the oldest first.
    fn sorted(&self) -> Vec<Arc<Mailbox>> {
        let mut all: Vec<_> = self
            .conferences
            .iter()
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        all.sort_by_key(|mailbox| mailbox.conference);
        all
    }
}

/// The time of the shell: tokio's, so that tests can turn it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The conference of what concerns none.
const NOBODY: ConferenceId = ConferenceId(0);
