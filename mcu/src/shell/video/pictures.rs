//! The thread of pictures: decodes what the packet thread hands on, composes and encodes once every frame time.

use super::Gauges;
use super::control::{START_BITRATE, told};
use super::mail::Made;
use super::room::{Attendee, Room, State};
use super::setup::VideoSetup;
use super::tape::{RECORDER, Taped, is_marked};
use crate::control::{ConferenceId, EndpointId, McuEvent, PaneContent, Report};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::shell::EventSink;
use crate::shell::load::Load;
use crate::shell::priority;
use crate::video::compose::{Face, Fonts, Typefaces};
use crate::video::conference::{
    VideoConference, VideoConfig, VideoCounters, VideoOutput, VideoSettings,
};
use crate::video::layout::{Content, Person, SourceId, SpeechSettings};
use crate::video::plan::PlanSettings;
use crate::video::source::SourceSettings;
use crate::video::viewer::{Shows, ViewerId, ViewerSettings};
use plenum_media::sdp::video::Role;
use plenum_media::video::codec::BuiltIn;
use plenum_media::video::frame::EncodedFrame;
use plenum_media::video::negotiated::NegotiatedVideo;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// How long a thread without conferences sleeps at most.
const IDLE: Duration = Duration::from_millis(20);
/// The level we give to whoever leads by the voices, and to everybody else who talks, dBov: the mixer has decided who
/// is louder.
const LEADING: f32 = -10.0;
const TALKING: f32 = -20.0;

/// What the packet thread sends.
#[derive(Debug)]
pub(super) enum Work {
    /// A frame of a peer.
    Frame {
        conference: ConferenceId,
        source: (EndpointId, Role),
        frame: EncodedFrame,
    },
    /// A viewer needs a keyframe.
    Keyframe {
        conference: ConferenceId,
        viewer: (EndpointId, Role),
    },
    /// Bits a second a viewer may have now.
    Target {
        conference: ConferenceId,
        viewer: (EndpointId, Role),
        target: u32,
    },
}

/// A conference that has video now.
pub(super) type Opened = (ConferenceId, Arc<Room>);

/// A conference with video.
struct Shown {
    room: Arc<Room>,
    version: u64,
    video: VideoConference,
    /// Who is in it as a source, and as a viewer with what was agreed on.
    sources: BTreeSet<EndpointId>,
    viewers: BTreeMap<(EndpointId, Role), NegotiatedVideo>,
    targets: BTreeMap<(EndpointId, Role), u32>,
    talking: Vec<(SourceId, f32)>,
    taped: Taped,
    counted: VideoCounters,
}

/// The thread.
pub(super) struct Pictures {
    setup: VideoSetup,
    typefaces: Arc<Typefaces>,
    limits: Arc<Limits>,
    metrics: Metrics,
    sink: EventSink,
    gauges: Arc<Gauges>,
    opens: Receiver<Opened>,
    work: Receiver<Work>,
    made: SyncSender<Made>,
    conferences: BTreeMap<ConferenceId, Shown>,
    /// Busy since the last tick.
    busy: Duration,
    load: Load,
}

impl Pictures {
    pub(super) fn new(
        (setup, typefaces): (VideoSetup, Arc<Typefaces>),
        limits: &Arc<Limits>,
        metrics: &Metrics,
        sink: EventSink,
        gauges: Arc<Gauges>,
        (opens, work, made): (Receiver<Opened>, Receiver<Work>, SyncSender<Made>),
    ) -> Self {
        Self {
            setup,
            typefaces,
            limits: Arc::clone(limits),
            metrics: metrics.clone(),
            sink,
            gauges,
            opens,
            work,
            made,
            conferences: BTreeMap::new(),
            busy: Duration::ZERO,
            load: Load::default(),
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        priority::defer();
        let period = Duration::from_secs(1) / self.setup.frame_rate.max(1);
        let mut next = now() + period;
        while !self.gauges.stop.load(Ordering::Relaxed) {
            while let Ok((conference, room)) = self.opens.try_recv() {
                self.open(conference, room);
            }
            let wait = next.saturating_duration_since(now());
            let idle = self.conferences.is_empty();
            match self.work.recv_timeout(if idle { IDLE } else { wait }) {
                Ok(work) => {
                    let begun = now();
                    self.take(begun, work);
                    self.busy += now().saturating_duration_since(begun);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The packet thread is gone; soon somebody will say stop.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(IDLE),
            }
            let begun = now();
            if begun < next {
                continue;
            }
            // Where ticks take longer than their period there is no other moment for what waits.
            self.take_waiting();
            self.tick_all(begun);
            self.account(begun, period);
            // What was missed is not made up for: the next picture shows the present.
            next = (next + period).max(now());
        }
    }

    /// Takes what waits, and no more than that.
    fn take_waiting(&mut self) {
        for _ in 0..self.limits.video.frames {
            match self.work.try_recv() {
                Ok(work) => self.take(now(), work),
                Err(_) => return,
            }
        }
    }

    fn open(&mut self, conference: ConferenceId, room: Arc<Room>) {
        if self.conferences.contains_key(&conference) {
            return;
        }
        let settings = settings(&room.state());
        let config = config(&self.setup, &self.limits);
        let codecs = BuiltIn {
            limits: self.limits.video.decoder,
        };
        let fonts = Fonts::of(&self.typefaces);
        let video = VideoConference::new(settings, config, Box::new(codecs), fonts, now());
        let shown = Shown {
            version: 0,
            room,
            video,
            sources: BTreeSet::new(),
            viewers: BTreeMap::new(),
            targets: BTreeMap::new(),
            talking: Vec::new(),
            taped: Taped::new(
                self.setup.recorded_rows.min(self.setup.rows),
                self.setup.recorded_bitrate,
                Duration::from_secs(1) / self.setup.frame_rate.max(1),
            ),
            counted: VideoCounters::default(),
        };
        self.conferences.insert(conference, shown);
        self.metrics.video.conferences.inc();
        self.follow(conference);
    }

    fn take(&mut self, now: Instant, work: Work) {
        match work {
            Work::Frame {
                conference,
                source,
                frame,
            } => {
                self.gauges.received.give(frame.data.len());
                self.guarded(conference, |shown| {
                    shown
                        .video
                        .handle_frame(now, SourceId(number(source)), &frame);
                });
            }
            Work::Keyframe { conference, viewer } => {
                self.guarded(conference, |shown| {
                    shown.video.request_keyframe(ViewerId(number(viewer)));
                });
            }
            Work::Target {
                conference,
                viewer,
                target,
            } => {
                self.guarded(conference, |shown| {
                    shown.targets.insert(viewer, target);
                    shown.video.set_target(ViewerId(number(viewer)), target);
                });
            }
        }
    }

    /// Takes over what is new in a room. Answers whether anybody has video there still.
    fn follow(&mut self, conference: ConferenceId) -> bool {
        let rows = self.setup.rows;
        self.guarded(conference, |shown| {
            let version = shown.room.version();
            if shown.version != version {
                shown.version = version;
                shown.follow(&shown.room.state(), rows);
            }
            !shown.viewers.is_empty()
        })
        .unwrap_or(false)
    }

    fn tick_all(&mut self, at: Instant) {
        let all: Vec<ConferenceId> = self.conferences.keys().copied().collect();
        let load = self.gauges.load.load(Ordering::Relaxed);
        for conference in all {
            if !self.follow(conference) {
                if self.conferences.remove(&conference).is_some() {
                    self.metrics.video.conferences.dec();
                }
                continue;
            }
            let made = self.made.clone();
            let metrics = self.metrics.clone();
            let sink = Arc::clone(&self.sink);
            let (gauges, limits) = (Arc::clone(&self.gauges), Arc::clone(&self.limits));
            self.guarded(conference, |shown| {
                shown.video.handle_load(load);
                shown.video.observe(at, &shown.talking);
                shown.tick(at, conference, (&made, &sink), (&gauges, &limits), &metrics);
                shown.count(&metrics);
            });
        }
    }

    /// Runs something on a conference. A panic ends its video, and nothing else: the voices are elsewhere.
    fn guarded<T>(
        &mut self,
        conference: ConferenceId,
        run: impl FnOnce(&mut Shown) -> T,
    ) -> Option<T> {
        let shown = self.conferences.get_mut(&conference)?;
        // The conference is never used again after a panic, so no broken state can be seen.
        let result = catch_unwind(AssertUnwindSafe(|| run(shown)));
        if result.is_err() {
            tracing::error!(
                conference = conference.0,
                "the video of a conference failed"
            );
            self.metrics.video.failed.inc();
            self.metrics.video.conferences.dec();
            let gone = self.conferences.remove(&conference);
            if let Some(shown) = &gone {
                let state = shown.room.state();
                for endpoint in state.attendees.iter().map(|one| one.endpoint) {
                    for role in [Role::Main, Role::Content] {
                        if shown.room.has_stream(endpoint, role) {
                            shown.room.set_stream(endpoint, role, None);
                            let report = told(role, endpoint, None);
                            (self.sink)(McuEvent { conference, report });
                        }
                    }
                }
            }
            // Dropping what a panic left behind may panic again.
            drop(catch_unwind(AssertUnwindSafe(|| drop(gone))));
        }
        result.ok()
    }

    fn account(&mut self, begun: Instant, period: Duration) {
        self.busy += now().saturating_duration_since(begun);
        let busy = std::mem::take(&mut self.busy);
        self.metrics.video.tick_duration.observe(busy.as_secs_f64());
        self.load.observe(busy, period, &self.gauges.load);
    }
}

impl Shown {
    fn follow(&mut self, state: &State, rows: usize) {
        self.video.set_settings(settings(state));
        let present: Vec<&Attendee> = state
            .attendees
            .iter()
            .filter(|one| one.in_mix && !state.over)
            .collect();
        for attendee in &present {
            let sends = attendee.video.as_ref().is_some_and(|video| video.receiving);
            let person = Person {
                source: SourceId(attendee.endpoint.0),
                identity: attendee.looks.identity,
                importance: attendee.looks.importance,
                pin: attendee.looks.pin,
                floor: state.presenter == Some(attendee.endpoint),
                video: sends && !attendee.looks.hidden,
            };
            let face = Face {
                name: Arc::clone(&attendee.name),
                muted: attendee.muted,
                speaking: attendee.talking,
            };
            // Beyond the bound nobody more is shown; they are heard.
            if self.video.set_source(person, face).is_ok() {
                self.sources.insert(attendee.endpoint);
            }
        }
        let gone = |one: &EndpointId| !present.iter().any(|other| other.endpoint == *one);
        let gone: Vec<EndpointId> = self.sources.iter().copied().filter(gone).collect();
        for endpoint in gone {
            self.sources.remove(&endpoint);
            self.video.remove_source(SourceId(endpoint.0));
        }
        self.talking = present
            .iter()
            .filter(|one| one.talking)
            .map(|one| {
                let leads = state.speaker == Some(one.endpoint);
                let level = if leads { LEADING } else { TALKING };
                (SourceId(one.endpoint.0), level)
            })
            .collect();
        self.follow_content(state);
        self.follow_viewers(state, rows);
        self.taped.follow(&mut self.video, state);
    }

    /// The slides of whoever has the floor and sends some.
    fn follow_content(&mut self, state: &State) {
        let mut attendees = state.attendees.iter();
        let shows = |one: &&Attendee| {
            let sends = one
                .content
                .as_ref()
                .is_some_and(|content| content.receiving);
            Some(one.endpoint) == state.presenter && one.in_mix && sends && !state.over
        };
        let content = attendees.find(shows).map(|one| {
            let face = Face {
                name: Arc::clone(&one.name),
                muted: false,
                speaking: false,
            };
            (SourceId(number((one.endpoint, Role::Content))), face)
        });
        self.video.set_content(content);
    }

    fn follow_viewers(&mut self, state: &State, rows: usize) {
        let all = state.attendees.iter().filter(|_| !state.over);
        let mut here = BTreeSet::new();
        for attendee in all {
            for role in [Role::Main, Role::Content] {
                if let Some(agreed) = attendee.stream(role) {
                    here.insert((attendee.endpoint, role));
                    self.follow_viewer(state, attendee, role, agreed, rows);
                }
            }
        }
        let gone = |one: &(EndpointId, Role)| !here.contains(one);
        let gone: Vec<_> = self.viewers.keys().copied().filter(gone).collect();
        for key in gone {
            self.viewers.remove(&key);
            self.targets.remove(&key);
            self.video.remove_viewer(ViewerId(number(key)));
        }
    }

    fn follow_viewer(
        &mut self,
        state: &State,
        attendee: &Attendee,
        role: Role,
        agreed: &NegotiatedVideo,
        rows: usize,
    ) {
        let key = (attendee.endpoint, role);
        let before = self.viewers.insert(key, agreed.clone());
        let target = self.targets.get(&key).copied();
        let mut limits = agreed.limits;
        limits.rows = limits.rows.min(rows);
        let apart = attendee
            .content
            .as_ref()
            .is_some_and(|content| content.sending);
        let settings = ViewerSettings {
            source: Some(SourceId(number((attendee.endpoint, Role::Main)))),
            content: Some(SourceId(number((attendee.endpoint, Role::Content)))),
            layout: attendee.looks.layout,
            template: attendee.looks.template.clone(),
            seats: attendee.looks.seats.clone(),
            pins: attendee
                .looks
                .pins
                .iter()
                .map(|one| SourceId(one.0))
                .collect(),
            self_view: state.settings.self_view,
            shows: match (role, apart) {
                (Role::Content, _) => Shows::Content,
                (Role::Main, true) => Shows::People,
                (Role::Main, false) => Shows::PeopleAndContent,
            },
            format: agreed.send,
            limits,
            target: target.unwrap_or_else(|| agreed.bitrate.min(START_BITRATE)),
        };
        let viewer = ViewerId(number(key));
        // Beyond the bound nobody more gets a picture.
        if self.video.set_viewer(viewer, settings).is_err() {
            return;
        }
        let looks = agreed.sending && attendee.in_mix && !attendee.looks.blind;
        self.video.set_paused(viewer, !looks);
        let looked = before.is_some_and(|before| before.sending);
        if looks && !looked {
            self.video.request_keyframe(viewer);
        }
    }

    fn tick(
        &mut self,
        at: Instant,
        conference: ConferenceId,
        (made, sink): (&SyncSender<Made>, &EventSink),
        (gauges, limits): (&Gauges, &Limits),
        metrics: &Metrics,
    ) {
        let mut dropped = Vec::new();
        let octets_most = limits.video.queue_octets;
        self.taped.request_keyframe(&mut self.video, at);
        let taped = &self.taped;
        self.video.tick(at, &mut |output| match output {
            VideoOutput::Frame { mut viewers, frame } => {
                if taped.take(at, &frame, &mut viewers) {
                    dropped.push(RECORDER);
                }
                if viewers.is_empty() {
                    return;
                }
                let octets = frame.data.len();
                let room = gauges.made.take(octets, octets_most);
                let frame = Made::Frame {
                    conference,
                    viewers: viewers.iter().map(|viewer| leg(viewer.0)).collect(),
                    at,
                    frame,
                };
                if !room || made.try_send(frame).is_err() {
                    if room {
                        gauges.made.give(octets);
                    }
                    metrics.video.frames_dropped.inc();
                    dropped.extend(viewers);
                }
            }
            VideoOutput::RequestKeyframe(source) => {
                let (endpoint, role) = leg(source.0);
                let wish = Made::Keyframe {
                    conference,
                    endpoint,
                    role,
                };
                // It is asked for again.
                drop(made.try_send(wish));
            }
            VideoOutput::Seen { viewer, panes } => {
                // What is in a stream of slides is told by who presents.
                if let (endpoint, Role::Main) = leg(viewer.0) {
                    let panes = panes.into_iter().map(shown).collect();
                    let report = Report::Seen { endpoint, panes };
                    sink(McuEvent { conference, report });
                }
            }
        });
        for viewer in dropped {
            self.video.request_keyframe(viewer);
        }
    }

    fn count(&mut self, metrics: &Metrics) {
        let (now, before) = (self.video.counters(), self.counted);
        let video = &metrics.video;
        video.decodes.inc_by(now.decodes - before.decodes);
        let faults = now.decode_faults + now.decode_overruns;
        let counted = before.decode_faults + before.decode_overruns;
        video.decode_faults.inc_by(faults - counted);
        video
            .compositions
            .inc_by(now.compositions - before.compositions);
        video.encodes.inc_by(now.encodes - before.encodes);
        video.skipped.inc_by(now.skipped - before.skipped);
        self.counted = now;
    }
}

/// What a pane shows, as the focus is told.
fn shown(content: Content) -> PaneContent {
    match content {
        Content::Blank => PaneContent::Blank,
        Content::Source(source) => PaneContent::Endpoint(EndpointId(source.0)),
        Content::Absent(identity) => PaneContent::Absent(identity),
        Content::Shared(source) => PaneContent::Content(leg(source.0).0),
    }
}

/// What the pictures call a stream: people as the control plane does, their slides with the highest bit set, which no
/// endpoint has.
fn number((endpoint, role): (EndpointId, Role)) -> u64 {
    match role {
        Role::Main => endpoint.0,
        Role::Content => endpoint.0 | SLIDES,
    }
}

/// The stream that has this number.
fn leg(number: u64) -> (EndpointId, Role) {
    let role = if number & SLIDES == 0 {
        Role::Main
    } else {
        Role::Content
    };
    (EndpointId(number & !SLIDES), role)
}

const SLIDES: u64 = 1 << 63;

fn settings(state: &State) -> VideoSettings {
    let seats = &state.settings.seats;
    VideoSettings {
        layout: state.settings.layout,
        template: state.settings.template.clone(),
        placement: state.settings.placement,
        seats: seats.iter().map(|named| named.seat).collect(),
        names: seats
            .iter()
            .map(|named| (named.seat.identity, named.name.as_str().into()))
            .collect(),
        absent: state.settings.absent,
        audio_tiles: state.settings.audio_tiles,
        banner: state.settings.banner.as_deref().map(Arc::from),
        recording: is_marked(state),
    }
}

fn config(setup: &VideoSetup, limits: &Limits) -> VideoConfig {
    VideoConfig {
        source: SourceSettings::default(),
        plan: PlanSettings {
            frame_rate: setup.frame_rate,
            max_payload: limits.video.max_payload,
            encoders: limits.video.encoders,
            ..PlanSettings::default()
        },
        speech: SpeechSettings::default(),
        style: setup.style.clone(),
        members: limits.video.members,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
