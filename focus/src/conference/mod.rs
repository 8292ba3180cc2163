//! One active conference: the focus of RFC 4353 §3.
//!
//! It hears from the SIP endpoint, from mixers and from whoever may command it, and says what each
//! is to do next. After every `handle_*`, [`Focus::poll_output`] is called until it answers
//! [`Output::Timeout`].
//!
//! | file | what it decides |
//! |---|---|
//! | `incoming` | calls that come in, and the events of all calls |
//! | `requests` | requests inside and outside of calls that are not offers |
//! | `renegotiation` | offers in calls that stand |
//! | `reports` | what mixers report |
//! | `mix` | who comes into the mix, tones, being alone, keys |
//! | `mixer` | a mixer that fails and comes back |
//! | `lobby` | who waits, and what becomes of them |
//! | `attendance`, `join`, `endorse` | participants connected to the focus, by C3P |
//! | `entry` | from the entry to the conference of a number |
//! | `refer` | calling and removing people by REFER |
//! | `control` | commands by INFO |
//! | `notifier` | who is told what changes, and when |
//! | `document` | the conference as a document |
//! | `pictures`, `seats`, `slides` | who is seen where, and by whom; who shows slides |
//! | `departure` | how endpoints of users who are gone left |
//! | `lead` | roles, and what becomes of a conference without a presenter |
//! | `commands` | calling out, removing, muting, locking, ending |
//! | `release` | the one way out of the conference |
//! | `pending` | commands to mixers that are not answered yet |

mod attendance;
mod call;
mod commands;
mod control;
mod departure;
mod document;
mod endorse;
mod entry;
mod incoming;
mod join;
mod lead;
mod lobby;
mod mix;
mod mixer;
mod notifier;
mod pending;
mod pictures;
mod recording;
mod refer;
mod release;
mod renegotiation;
mod reports;
mod requests;
mod seats;
mod slides;

pub use crate::conference::entry::Arrival;
#[cfg(feature = "shell")]
pub(crate) use crate::conference::requests::{answer_for, answer_without_call};

use crate::access::{Access, Role};
use crate::caller::{Peer, Vouched};
use crate::conference::attendance::Attendance;
use crate::conference::call::{Call, MediaEndpoint, SipLeg};
use crate::conference::control::{Undertaking, is_undertaking};
use crate::conference::mixer::Mixer;
use crate::conference::notifier::Notifier;
use crate::conference::pending::{Pending, Purpose};
use crate::conference::pictures::Pictures;
use crate::conference::recording::Recording;
use crate::conference::refer::{Referral, is_referral};
use crate::conference::renegotiation::Renegotiation;
use crate::disconnect::DisconnectReason;
use crate::info::MediaFiltersRules;
use crate::joining::{Context, Door, Effect, Effects, Input, State};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::output::{
    CommandError, ConferenceEvent, DialOutId, Dialler, McuType, Output, RequestId, SipAction,
};
use crate::policy::{Occupancy, Policy};
use crate::record::ConferenceRecord;
use crate::roster::{JoiningMethod, Roster, SessionType, UserId};
use crate::session_description;
use crate::timer::{Timer, Timers};
use crate::uri::{ConferenceUris, Entity, entity_of};
use bytes::Bytes;
use plenum_mcu::control::{
    Action, ConferenceId, EndpointId, McuEvent, MediaFilter, PlaybackId, Stage,
};
use plenum_sip::endpoint::{Accept, Contact, Invite, InviteId, Reach};
use plenum_sip::msg::{Host, NameAddr, Params, Uri};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What all focuses of a server share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who is trusted, and more.
    pub policy: Policy,
    /// The bounds.
    pub limits: Limits,
    /// The counters.
    pub metrics: Metrics,
    /// The host of conference URIs in calls made from a conference.
    pub host: Host,
    /// Who warns in `Warning`: a host name or a pseudonym, a token either way.
    pub agent: String,
    /// How long those whom the configuration calls may ring.
    pub ringing: Duration,
}

/// One active conference.
#[derive(Debug)]
pub struct Focus {
    id: ConferenceId,
    record: Arc<ConferenceRecord>,
    settings: Arc<Settings>,
    phase: Phase,
    access: Access,
    /// The first one has come.
    founded: bool,
    /// A presenter was there.
    led: bool,
    /// The version of the roster that was looked at for one.
    lead_version: u64,
    /// Somebody has come or wanted to: from now on it ends when it is empty.
    visited: bool,
    roster: Roster,
    calls: BTreeMap<EndpointId, Call>,
    attendances: BTreeMap<EndpointId, Attendance>,
    uris: ConferenceUris,
    /// What those who announced that they will call a mixer call themselves there (CB-209).
    expected: BTreeMap<UserId, String>,
    /// Commands of participants that are not answered yet.
    undertakings: BTreeMap<u64, Undertaking>,
    last_undertaking: u64,
    /// Who may mute and unmute themselves, and how newcomers begin (CB-287).
    filter_rules: MediaFiltersRules,
    /// Who is seen where, as commanded.
    pictures: Pictures,
    /// Tones when people come and go, if a presenter has said so; else as the record says.
    announcements: Option<bool>,
    /// Who leads the conversation.
    speaker: Option<EndpointId>,
    notifier: Notifier,
    mixer: Mixer,
    /// It had a mixer.
    mixed: bool,
    /// People lost their media with the mixer, and nobody has called since.
    bereft: bool,
    referrals: BTreeMap<u64, Referral>,
    last_referral: u64,
    /// What focus and mixers say of themselves may be different from what was notified.
    views_changed: bool,
    recording: Recording,
    by_invite: BTreeMap<InviteId, EndpointId>,
    by_dial_out: BTreeMap<DialOutId, EndpointId>,
    /// Who sent what is being handled, if somebody says.
    vouched: Option<Arc<Vouched>>,
    pending: Pending,
    playing: BTreeMap<PlaybackId, EndpointId>,
    farewell: Option<PlaybackId>,
    timers: Timers,
    outputs: VecDeque<Output>,
    /// For what is encrypted.
    rng: Option<StdRng>,
    lone: Option<EndpointId>,
    last_tone: Option<Instant>,
    last_endpoint: u64,
    last_playback: u64,
    last_dial_out: u64,
}

/// How a new call starts.
#[derive(Clone, Debug)]
struct Entry {
    role: Role,
    door: Door,
    pin_asked: bool,
    /// What passes from the start.
    filter: MediaFilter,
    /// What its user calls it.
    entity: Option<String>,
}

/// How far the conference is.
#[derive(Debug)]
enum Phase {
    /// People come and go.
    Active,
    /// Nobody comes; those who are there hear that it is over, and are hung up for this reason.
    Farewell(DisconnectReason),
    /// Nobody is there; the mixer is to say that it has nothing of it any more.
    Ending,
    /// Nothing is left.
    Over,
}

impl Focus {
    /// Activates a conference: its mixer is made, and the people its record says are called.
    pub fn new(
        now: Instant,
        id: ConferenceId,
        record: Arc<ConferenceRecord>,
        settings: Arc<Settings>,
    ) -> Self {
        settings.metrics.conferences.inc();
        let mut focus = Self {
            id,
            access: record.access(),
            uris: ConferenceUris::new(&record, &settings.host),
            attendances: BTreeMap::new(),
            expected: BTreeMap::new(),
            undertakings: BTreeMap::new(),
            last_undertaking: 0,
            filter_rules: MediaFiltersRules::default(),
            pictures: Pictures::new(&record),
            announcements: None,
            speaker: None,
            notifier: Notifier::default(),
            mixer: Mixer::default(),
            mixed: false,
            bereft: false,
            referrals: BTreeMap::new(),
            last_referral: 0,
            views_changed: false,
            recording: Recording::default(),
            founded: false,
            led: false,
            lead_version: 0,
            record,
            settings,
            phase: Phase::Active,
            visited: false,
            roster: Roster::default(),
            calls: BTreeMap::new(),
            by_invite: BTreeMap::new(),
            by_dial_out: BTreeMap::new(),
            vouched: None,
            pending: Pending::default(),
            playing: BTreeMap::new(),
            farewell: None,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            rng: None,
            lone: None,
            last_tone: None,
            last_endpoint: 0,
            last_playback: 0,
            last_dial_out: 0,
        };
        focus.create_mixer(now);
        focus.event(ConferenceEvent::Activated {
            name: focus.record.name.clone(),
        });
        // Should whoever it was activated for never come, it ends by itself.
        let deadline = now + focus.settings.limits.mcu_deadline;
        focus.timers.set(Timer::Grace, Some(deadline));
        focus.call_the_configured(now);
        focus
    }

    /// Randomness for what only one participant may read; without it, nobody is told that.
    pub fn randomize(&mut self, seed: [u8; 32]) {
        self.rng = Some(StdRng::from_seed(seed));
    }

    /// What a mixer of this conference reports.
    pub fn handle_mcu(&mut self, now: Instant, _from: McuType, event: McuEvent) {
        if event.conference == self.id && !self.is_over() {
            self.handle_report(now, event.report);
            self.settle(now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Command => self.handle_silence(now),
                Timer::Call(endpoint) => self.handle_call_timeout(now, endpoint),
                Timer::Undertaking(id) => self.handle_undertaking_timeout(now, id),
                Timer::Mixer => self.create_mixer(now),
                // Settling is telling.
                Timer::Notify => {}
                Timer::Grace => self.destroy(now),
                Timer::Farewell => self.hang_up_all(now),
                Timer::Unled => self.end_without_presenter(now),
            }
        }
        self.settle(now);
    }

    /// What is to be done next; called until it answers [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.timers.next()))
    }

    /// Which conference.
    pub fn id(&self) -> ConferenceId {
        self.id
    }

    /// What is known of it apart from who is in it.
    pub fn record(&self) -> &Arc<ConferenceRecord> {
        &self.record
    }

    /// What it is called in documents.
    pub fn uris(&self) -> &ConferenceUris {
        &self.uris
    }

    /// Who is in it.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether it is locked now.
    pub fn is_locked(&self) -> bool {
        self.access.locked
    }

    /// Who gets in now.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether new calls are to go to another activation of the same name.
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Over)
    }

    /// Whether nothing of it is left, and nothing more will be said.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn occupancy(&self) -> Occupancy {
        Occupancy {
            places: self.roster.places(),
            waiting: self.roster.waiting().count(),
            access: self.access,
            ending: !matches!(self.phase, Phase::Active),
        }
    }

    /// Whether a URI means this conference, by name or by ID.
    fn is_ours(&self, uri: &Uri) -> bool {
        match entity_of(uri) {
            Some((Entity::Focus, id)) => id.eq_ignore_ascii_case(self.uris.id()),
            Some((Entity::Mcu(_), _)) => false,
            None => {
                let user = uri.user_decoded().to_lowercase();
                uri.param("opaque").is_none() && user == self.record.name.as_str()
            }
        }
    }

    fn most_endpoints(&self) -> usize {
        crate::policy::most_endpoints(&self.record, &self.settings.limits)
    }

    fn event(&mut self, event: ConferenceEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn sip(&mut self, action: SipAction) {
        self.outputs.push_back(Output::Sip(action));
    }

    fn complete(&mut self, request: RequestId, result: Result<(), CommandError>) {
        if is_undertaking(request) {
            self.part_done(request, result);
        } else if is_referral(request) {
            self.referral_done(request, result);
        } else {
            self.event(ConferenceEvent::Completed { request, result });
        }
    }

    fn endpoint_of(&self, id: InviteId) -> Option<EndpointId> {
        self.by_invite.get(&id).copied()
    }

    /// A new call, admitted: listed from now on.
    fn admit(
        &mut self,
        now: Instant,
        peer: Peer,
        sip: SipLeg,
        state: State,
        joining: JoiningMethod,
        entry: Entry,
    ) -> EndpointId {
        let endpoint = self.next_endpoint();
        let session = SessionType::AudioVideo;
        let user = self
            .roster
            .admit(endpoint, &peer, session, joining, entry.role, now);
        self.event(ConferenceEvent::Admitted {
            endpoint,
            user,
            aor: peer.aor.clone(),
            source: peer.source,
            joining,
        });
        let pin_asked = entry.pin_asked;
        let asked = pin_asked || self.record.entry;
        let looks = self.looks_of(&peer);
        let change_layout = self.person(&peer).and_then(|person| person.change_layout);
        let call = Call {
            acked: false,
            pin_wrong: (asked && peer.source.is_some()).then_some(0),
            peer,
            sip,
            media: MediaEndpoint::Present,
            looks: looks.clone(),
            unseen: None,
            may_present: None,
            early_answer: None,
            change_layout,
            state,
            renegotiation: Renegotiation::Idle,
            entity: entry.entity.or_else(|| self.expected.remove(&user)),
            callee: None,
            pin_asked,
            door: entry.door,
            playback: None,
            wanted: entry.filter,
            withheld: None,
            ringing: self.settings.ringing,
            on_joined: None,
            on_gone: Vec::new(),
        };
        self.calls.insert(endpoint, call);
        self.roster.set_looks(endpoint, looks);
        self.ensure_recording(now);
        self.founded = true;
        self.settings.metrics.participants.inc();
        self.timers.set(Timer::Grace, None);
        self.bereft = false;
        self.visited = true;
        endpoint
    }

    fn next_endpoint(&mut self) -> EndpointId {
        self.last_endpoint += 1;
        // Sixteen million endpoints in one activation are beyond any life of a conference.
        EndpointId((self.id.0 << 24) | self.last_endpoint)
    }

    /// One step of one call.
    fn advance(&mut self, now: Instant, endpoint: EndpointId, input: Input) {
        let Some(door) = self.calls.get(&endpoint).map(|call| self.door_for(call)) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let mut effects = Effects::new();
        let context = Context {
            now,
            record: &self.record,
            limits: &self.settings.limits,
            door,
            pin_asked: call.pin_asked,
            ringing: call.ringing,
        };
        let state = std::mem::replace(&mut call.state, State::Settling);
        call.state = state.step(&context, input, &mut effects);
        if !matches!(call.state, State::Leaving(_)) {
            self.timers
                .set(Timer::Call(endpoint), call.state.deadline());
        }
        for effect in effects {
            self.apply(now, endpoint, effect);
        }
    }

    fn apply(&mut self, now: Instant, endpoint: EndpointId, effect: Effect) {
        match effect {
            Effect::Accept(sdp) => self.accept(endpoint, sdp),
            Effect::Invite(sdp) => self.invite(endpoint, sdp),
            Effect::Answer(answer) => {
                let action = Action::Answer { endpoint, answer };
                self.mcu(now, Purpose::Settle(endpoint), action);
            }
            Effect::Play(prompts) => self.play_to(now, endpoint, prompts),
            Effect::StopPlaying => self.stop_playing(now, endpoint),
            Effect::Wait => self.hold(now, endpoint),
            Effect::StopWaiting => self.stop_waiting(now, endpoint),
            Effect::Confirm => {
                let stage = Stage::Apart;
                self.mcu(now, Purpose::Nothing, Action::Place { endpoint, stage });
            }
            Effect::Place => {
                let (purpose, stage) = (Purpose::Place(endpoint), Stage::Mix);
                self.mcu(now, purpose, Action::Place { endpoint, stage });
            }
            Effect::Entered => self.enter(now, endpoint),
            Effect::HandOver(number) => self.hand_over(now, endpoint, number),
            Effect::NumberWrong => self.count_wrong_number(endpoint),
            Effect::PinWrong => self.count_wrong_pin(endpoint),
            Effect::PinRight => self.settle_pin(endpoint, true),
            Effect::Key(action) => self.handle_key(now, endpoint, action),
            Effect::Leave(reason) => self.release(now, endpoint, reason),
        }
    }

    /// RFC 4579 §3.3: the Contact of a focus says so.
    fn accept(&mut self, endpoint: EndpointId, sdp: Bytes) {
        let contact = self.contact();
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let SipLeg::Offered(id) = call.sip else {
            return;
        };
        call.sip = SipLeg::Answered(id);
        let accept = Accept {
            body: Some(session_description::body(sdp)),
            contact: Some(contact),
            ..Accept::default()
        };
        self.sip(SipAction::Accept { id, accept });
    }

    /// RFC 4579 §5.3: the focus calls from the conference URI.
    fn invite(&mut self, endpoint: EndpointId, sdp: Bytes) {
        let Some(call) = self.calls.get(&endpoint) else {
            return;
        };
        let (SipLeg::Unplaced(dial_out), Some(uri)) = (call.sip, &call.peer.uri) else {
            return;
        };
        let callee = call.callee.as_deref();
        let plain = Uri::sip(
            Some(self.record.name.as_str()),
            self.settings.host.clone(),
            None,
        );
        // CB-203: who was asked for by C3P is called by the mixer.
        let mixer = self.uris.mcu(McuType::AudioVideo);
        let own = match callee {
            Some(callee) if callee.from_mcu => Uri::parse(mixer.as_bytes()).unwrap_or(plain),
            Some(_) | None => plain,
        };
        let to = callee.and_then(|callee| callee.to.clone());
        let headers = callee.map(|callee| callee.headers.clone());
        let by = callee.map_or(Dialler::Operator, |callee| callee.by.clone());
        let name = self.record.subject.clone();
        let display = name.unwrap_or_else(|| self.record.name.to_string());
        let invite = Invite {
            uri: uri.clone(),
            to: NameAddr::new(to.unwrap_or_else(|| uri.clone())),
            from: NameAddr::new(own).with_display(display),
            contact: Some(self.contact()),
            body: Some(session_description::body(sdp)),
            headers: headers.unwrap_or_default(),
            route: Vec::new(),
            no_session: false,
            reach: Reach::default(),
        };
        self.settings.metrics.dial_outs.inc();
        self.sip(SipAction::Invite {
            dial_out,
            invite: Box::new(invite),
            by,
        });
    }

    fn contact(&self) -> Contact {
        Contact {
            user: Some(self.record.name.escaped().into()),
            params: Params::new().with("isfocus", None),
            ..Contact::default()
        }
    }
}

impl Drop for Focus {
    /// Gauges are right also after a panic.
    fn drop(&mut self) {
        if !self.is_over() {
            self.settings.metrics.conferences.dec();
        }
        let left = self.calls.len() + self.attendances.len();
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        self.settings.metrics.participants.dec_by(left);
        let watching = i64::try_from(self.notifier.len()).unwrap_or(i64::MAX);
        self.settings.metrics.subscriptions.dec_by(watching);
    }
}
