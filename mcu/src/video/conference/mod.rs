//! The video of one conference, sans-IO: frames in, a tick at the frame rate, frames out.
//!
//! | stage | once per |
//! |---|---|
//! | decode | source somebody looks at |
//! | place | viewer, when something changed |
//! | scale, compose | view and size |
//! | encode | view, format, size and rate class |

use super::compose::{Composer, Face, Fonts, Look, Style};
use super::layout::{
    Absent, Content, Identity, Layout, Pane, Person, Placement, Request, Seat, SourceId, Speech,
    SpeechSettings, Template, Viewer as Looker, content_alone, place,
};
use super::plan::{EncodePlan, EncoderId, PlanSettings};
use super::source::{Decoded, Source, SourceSettings};
use super::viewer::{Shows, Viewer, ViewerId, ViewerSettings};
use bytes::Bytes;
use plenum_media::video::codec::Codecs;
use plenum_media::video::frame::EncodedFrame;
use plenum_media::video::picture::{BLACK, Picture};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A conference as its video needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSettings {
    /// For viewers without a choice of their own.
    pub layout: Layout,
    /// What [`Layout::Automatic`] stands for.
    pub template: Option<Arc<Template>>,
    /// Pane placement in force.
    pub placement: Placement,
    /// Panes kept for identities.
    pub seats: Vec<Seat>,
    /// The names of those who have seats, shown while they are absent.
    pub names: BTreeMap<Identity, Arc<str>>,
    /// What is in the seats of those who are not here.
    pub absent: Absent,
    /// People without pictures get tiles.
    pub audio_tiles: bool,
    /// A line above the picture.
    pub banner: Option<Arc<str>>,
    /// A mark says that the conference is recorded.
    pub recording: bool,
}

/// The numbers of every conference.
#[derive(Clone, Debug)]
pub struct VideoConfig {
    /// Sources.
    pub source: SourceSettings,
    /// Encoders, and the frame rate.
    pub plan: PlanSettings,
    /// Who leads the conversation.
    pub speech: SpeechSettings,
    /// Colours, names, fit.
    pub style: Style,
    /// Sources and viewers each. Beyond: refused.
    pub members: usize,
}

impl Default for VideoConfig {
    /// What the parts have by default, and 200 members.
    fn default() -> Self {
        Self {
            source: SourceSettings::default(),
            plan: PlanSettings::default(),
            speech: SpeechSettings::default(),
            style: Style::default(),
            members: 200,
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoCounters {
    /// Frames decoded.
    pub decodes: u64,
    /// Frames that broke a decoder.
    pub decode_faults: u64,
    /// Frames dropped because too many came between two ticks.
    pub decode_overruns: u64,
    /// Pictures scaled.
    pub scales: u64,
    /// Pictures composed.
    pub compositions: u64,
    /// Frames encoded.
    pub encodes: u64,
    /// Ticks without pictures because of load.
    pub skipped: u64,
}

/// What comes out of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoOutput {
    /// One frame for all these viewers.
    Frame {
        /// To whom.
        viewers: Vec<ViewerId>,
        /// The frame.
        frame: EncodedFrame,
    },
    /// The peer of this source is to be asked for a keyframe.
    RequestKeyframe(SourceId),
    /// A viewer sees other people now, pane by pane.
    Seen {
        /// Who.
        viewer: ViewerId,
        /// Whom.
        panes: Vec<Content>,
    },
}

/// The conference has no place left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place left for video")]
pub struct Full;

/// Above this load, permille, pictures become fewer; below the other, more again.
const LOAD_HIGH: u32 = 850;
const LOAD_LOW: u32 = 500;
/// Every how many ticks at most a picture is made.
const SLOWEST: u64 = 5;
/// Content is shown as it is, however long it stands still.
const STILL: Duration = Duration::from_secs(24 * 3_600);
/// Ticks between two changes of the frame rate.
const LOAD_PATIENCE: u64 = 50;

/// The video of one conference.
#[derive(Debug)]
pub struct VideoConference {
    settings: VideoSettings,
    config: VideoConfig,
    codecs: Box<dyn Codecs>,
    composer: Composer,
    sources: BTreeMap<SourceId, Source>,
    /// Sources in order of arrival.
    arrivals: Vec<SourceId>,
    viewers: BTreeMap<ViewerId, Viewer>,
    plan: EncodePlan,
    speech: Speech,
    content: Option<SourceId>,
    canvases: BTreeMap<(usize, usize), Picture>,
    counters: VideoCounters,
    dirty: bool,
    begun: Instant,
    ticks: u64,
    /// A picture is made every so many ticks.
    every: u64,
    changed: u64,
}

impl VideoConference {
    /// An empty conference.
    pub fn new(
        settings: VideoSettings,
        config: VideoConfig,
        codecs: Box<dyn Codecs>,
        fonts: Fonts,
        now: Instant,
    ) -> Self {
        Self {
            settings,
            codecs,
            composer: Composer::new(config.style.clone(), fonts),
            sources: BTreeMap::new(),
            arrivals: Vec::new(),
            viewers: BTreeMap::new(),
            plan: EncodePlan::new(config.plan),
            speech: Speech::new(config.speech),
            config,
            content: None,
            canvases: BTreeMap::new(),
            counters: VideoCounters::default(),
            dirty: true,
            begun: now,
            ticks: 0,
            every: 1,
            changed: 0,
        }
    }

    /// Somebody comes, or is known better than before.
    pub fn set_source(&mut self, person: Person, face: Face) -> Result<(), Full> {
        let id = person.source;
        if let Some(source) = self.sources.get_mut(&id) {
            self.dirty |= source.person != person;
            source.person = person;
            source.face = face;
            return Ok(());
        }
        if self.sources.len() >= self.config.members {
            return Err(Full);
        }
        self.sources
            .insert(id, Source::new(person, face, self.config.source));
        self.arrivals.push(id);
        self.dirty = true;
        Ok(())
    }

    /// Somebody is gone.
    pub fn remove_source(&mut self, id: SourceId) {
        self.sources.remove(&id);
        self.arrivals.retain(|other| *other != id);
        self.speech.remove(id);
        self.dirty = true;
    }

    /// Somebody looks, or wants to see something else than before.
    pub fn set_viewer(&mut self, id: ViewerId, settings: ViewerSettings) -> Result<(), Full> {
        if let Some(viewer) = self.viewers.get_mut(&id) {
            self.dirty |= viewer.settings != settings;
            viewer.settings = settings;
            return Ok(());
        }
        self.dirty = true;
        if self.viewers.len() >= self.config.members {
            return Err(Full);
        }
        let viewer = Viewer {
            settings,
            panes: Vec::new(),
            rung: None,
            encoder: None,
            paused: false,
        };
        self.viewers.insert(id, viewer);
        Ok(())
    }

    /// Bits a second a viewer may have now.
    pub fn set_target(&mut self, id: ViewerId, target: u32) {
        if let Some(viewer) = self.viewers.get_mut(&id) {
            viewer.settings.target = target;
        }
    }

    /// A viewer looks away (hold), or looks again.
    pub fn set_paused(&mut self, id: ViewerId, paused: bool) {
        if let Some(viewer) = self.viewers.get_mut(&id)
            && viewer.paused != paused
        {
            viewer.paused = paused;
            viewer.encoder = None;
        }
    }

    /// A viewer is gone.
    pub fn remove_viewer(&mut self, id: ViewerId) {
        self.viewers.remove(&id);
    }

    /// The conference is another one from now on.
    pub fn set_settings(&mut self, settings: VideoSettings) {
        self.dirty |= self.settings != settings;
        self.settings = settings;
    }

    /// The content that is shown, if any: a source of its own, which is in nobody's pane.
    pub fn set_content(&mut self, content: Option<(SourceId, Face)>) {
        let id = content.as_ref().map(|(id, _)| *id);
        if self.content != id {
            self.dirty = true;
            if let Some(before) = std::mem::replace(&mut self.content, id) {
                self.sources.remove(&before);
            }
        }
        let Some((id, face)) = content else {
            return;
        };
        let source = self.sources.entry(id).or_insert_with(|| {
            let person = Person {
                source: id,
                identity: Identity(id.0),
                importance: 0,
                pin: None,
                floor: false,
                video: true,
            };
            // Slides stand still.
            let settings = SourceSettings {
                freeze_after: STILL,
                drop_after: STILL,
                ..self.config.source
            };
            Source::new(person, face.clone(), settings)
        });
        source.face = face;
    }

    /// Everybody who is talking now, with the level, dBov.
    pub fn observe(&mut self, now: Instant, talking: &[(SourceId, f32)]) {
        self.dirty |= self.speech.observe(now, talking);
        for (id, source) in &mut self.sources {
            source.face.speaking = talking.iter().any(|(who, _)| who == id);
        }
    }

    /// A frame from a peer.
    pub fn handle_frame(&mut self, now: Instant, id: SourceId, frame: &EncodedFrame) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        match source.decode(now, frame, self.codecs.as_ref()) {
            Decoded::Done => self.counters.decodes += 1,
            Decoded::Fault => self.counters.decode_faults += 1,
            Decoded::TooMany => self.counters.decode_overruns += 1,
            Decoded::Unseen | Decoded::Waiting => {}
        }
    }

    /// A picture that needs no decoder.
    pub fn handle_picture(&mut self, now: Instant, id: SourceId, picture: Picture) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.show(now, picture);
        }
    }

    /// A viewer needs a keyframe (PLI, FIR, RFC 5168).
    pub fn request_keyframe(&mut self, id: ViewerId) {
        if let Some(encoder) = self.viewers.get(&id).and_then(|viewer| viewer.encoder) {
            self.plan.request_keyframe(encoder);
        }
    }

    /// What share of real time the work takes, permille: the frame rate follows.
    pub fn handle_load(&mut self, permille: u32) {
        if self.ticks < self.changed + LOAD_PATIENCE {
            return;
        }
        let every = match permille {
            LOAD_HIGH.. => (self.every + 1).min(SLOWEST),
            0..LOAD_LOW => self.every.saturating_sub(1).max(1),
            LOAD_LOW..LOAD_HIGH => self.every,
        };
        if every != self.every {
            self.every = every;
            self.changed = self.ticks;
        }
    }

    /// Makes the pictures of one tick.
    pub fn tick(&mut self, now: Instant, say: &mut impl FnMut(VideoOutput)) {
        self.ticks += 1;
        for source in self.sources.values_mut() {
            source.tick(now);
        }
        if !self.ticks.is_multiple_of(self.every) {
            self.counters.skipped += 1;
            return;
        }
        if std::mem::take(&mut self.dirty) {
            self.place_all(say);
        }
        self.look(now);
        for (id, source) in &mut self.sources {
            if source.poll_keyframe(now) {
                say(VideoOutput::RequestKeyframe(*id));
            }
        }
        self.join_all();
        self.composer.begin();
        let ids: Vec<EncoderId> = self.plan.groups().map(|(id, _)| id).collect();
        for id in ids {
            self.make(now, id, say);
        }
        let painted = self.composer.painted();
        self.counters.scales = painted.scales;
        self.counters.compositions = painted.compositions;
    }

    /// What was done so far.
    pub fn counters(&self) -> VideoCounters {
        self.counters
    }

    /// What a viewer sees.
    pub fn seen(&self, id: ViewerId) -> &[Pane] {
        self.viewers.get(&id).map_or(&[], |viewer| &viewer.panes)
    }

    /// Encoders in use.
    pub fn encoders(&self) -> usize {
        self.plan.len()
    }

    fn place_all(&mut self, say: &mut impl FnMut(VideoOutput)) {
        let roster: Vec<Person> = self
            .arrivals
            .iter()
            .filter_map(|id| self.sources.get(id))
            .map(|source| source.person)
            .collect();
        for (id, viewer) in &mut self.viewers {
            let settings = &viewer.settings;
            let content = self.content.filter(|it| Some(*it) != settings.content);
            let request = Request {
                layout: settings.layout.unwrap_or(self.settings.layout),
                template: settings
                    .template
                    .as_deref()
                    .or(self.settings.template.as_deref()),
                roster: &roster,
                seats: settings.seats.as_ref().unwrap_or(&self.settings.seats),
                absent: self.settings.absent,
                placement: self.settings.placement,
                speech: &self.speech,
                viewer: Looker {
                    source: settings.source,
                    pins: &settings.pins,
                    self_view: settings.self_view,
                },
                content: content.filter(|_| settings.shows == Shows::PeopleAndContent),
                audio_tiles: self.settings.audio_tiles,
                before: &viewer.panes,
            };
            let panes = match settings.shows {
                Shows::Content => content.map(content_alone).into_iter().collect(),
                Shows::People | Shows::PeopleAndContent => place(&request),
            };
            if panes != viewer.panes {
                let contents = panes.iter().map(|pane| pane.content).collect();
                viewer.panes = panes;
                say(VideoOutput::Seen {
                    viewer: *id,
                    panes: contents,
                });
            }
        }
    }

    /// Tells every source that is in some picture that somebody looks.
    fn look(&mut self, now: Instant) {
        let active = self.viewers.values().filter(|viewer| !viewer.paused);
        let seen: BTreeSet<SourceId> = active
            .flat_map(|viewer| &viewer.panes)
            .filter_map(|pane| match pane.content {
                Content::Source(source) | Content::Shared(source) => Some(source),
                Content::Blank | Content::Absent(_) => None,
            })
            .collect();
        for id in seen {
            if let Some(source) = self.sources.get_mut(&id) {
                source.look(now);
            }
        }
    }

    /// Who sees what was seen before joins first, so that whoever turns to something else leaves the encoder to them.
    fn join_all(&mut self) {
        self.plan.begin();
        let frame_rate = self.config.plan.frame_rate;
        let mut turned = Vec::new();
        for (id, viewer) in &mut self.viewers {
            if viewer.paused || viewer.panes.is_empty() {
                continue;
            }
            let class = viewer.class(frame_rate);
            let before = viewer.encoder;
            if before.is_some_and(|id| self.plan.shows(id, &viewer.panes, class)) {
                viewer.encoder = Some(self.plan.join(*id, &viewer.panes, class, before));
            } else {
                turned.push((*id, class));
            }
        }
        for (id, class) in turned {
            if let Some(viewer) = self.viewers.get_mut(&id) {
                let encoder = self.plan.join(id, &viewer.panes, class, viewer.encoder);
                viewer.encoder = Some(encoder);
            }
        }
        self.plan.retire();
    }

    fn make(&mut self, now: Instant, id: EncoderId, say: &mut impl FnMut(VideoOutput)) {
        let Some((_, group)) = self.plan.groups().find(|(other, _)| *other == id) else {
            return;
        };
        let (panes, class, viewers) = (group.panes.clone(), group.class, group.viewers.clone());
        let size = (class.rung.width, class.rung.height);
        let mut canvas = self
            .canvases
            .remove(&size)
            .unwrap_or_else(|| Picture::new(size.0, size.1, BLACK));
        self.paint(now, &panes, &mut canvas);
        let mut data = Vec::new();
        let made = self
            .plan
            .encode(now, id, &canvas, self.codecs.as_ref(), &mut data);
        self.canvases.insert(size, canvas);
        let Some(keyframe) = made else { return };
        self.counters.encodes += 1;
        let micros = now.saturating_duration_since(self.begun).as_micros();
        let frame = EncodedFrame {
            codec: class.format.codec(),
            keyframe,
            timestamp: i64::try_from(micros * 9 / 100).unwrap_or(0),
            data: Bytes::from(data),
        };
        say(VideoOutput::Frame { viewers, frame });
    }

    fn paint(&mut self, now: Instant, panes: &[Pane], canvas: &mut Picture) {
        let (width, height) = (canvas.width(), canvas.height());
        let mut ordered: Vec<&Pane> = panes.iter().collect();
        ordered.sort_by_key(|pane| pane.frame.z);
        let looks: Vec<_> = ordered
            .into_iter()
            .map(|pane| {
                let look = look_of(pane.content, now, &self.sources, &self.settings);
                (pane.frame.rect.on(width, height), look)
            })
            .collect();
        let banner = self.settings.banner.as_deref();
        self.composer.compose(canvas, &looks, banner);
        if self.settings.recording {
            self.composer.mark_recording(canvas);
        }
    }
}

fn look_of<'a>(
    content: Content,
    now: Instant,
    sources: &'a BTreeMap<SourceId, Source>,
    settings: &'a VideoSettings,
) -> Look<'a> {
    let (id, whole) = match content {
        Content::Blank => return Look::Blank,
        Content::Absent(identity) => {
            return Look::Absent(settings.names.get(&identity).map_or("", |name| name));
        }
        Content::Source(id) => (id, false),
        Content::Shared(id) => (id, true),
    };
    let Some(source) = sources.get(&id) else {
        return Look::Blank;
    };
    match source.picture(now).filter(|_| source.person.video) {
        Some((picture, number, frozen)) => Look::Picture {
            source: id,
            number,
            picture,
            frozen,
            whole,
            face: &source.face,
        },
        None => Look::Tile(&source.face),
    }
}

#[cfg(test)]
mod panes;
#[cfg(test)]
mod tests;
