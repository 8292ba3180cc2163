//! Who is in a conference, as its pictures need it.
//!
//! Three kinds of threads meet here. The control plane changes the state; the threads of video take it as it is, shared
//! and not copied, and whoever changes it meanwhile makes the copy. What the mixer says waits in a place of its own until
//! one of the others takes it over: that lock is held for a moment only, so that a mixing thread never waits for one of
//! lower priority that copies a state.

use crate::control::{
    ConferenceId, ConferenceVideo, EndpointId, EndpointSettings, EndpointVideo, McuEvent, Report,
    Stage,
};
use crate::recording::Tape;
use plenum_media::sdp::video::Role;
use plenum_media::video::negotiated::NegotiatedVideo;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rooms of all conferences.
#[derive(Debug, Default)]
pub(in crate::shell) struct Rooms(Mutex<BTreeMap<ConferenceId, Arc<Room>>>);

/// One conference.
#[derive(Debug)]
pub(super) struct Room {
    version: AtomicU64,
    /// What floor control calls the conference (RFC 8856 §5.2).
    confid: u32,
    state: Mutex<Arc<State>>,
    voices: Mutex<Voices>,
}

/// What the mixer has said since somebody looked: at most one entry for each that came since then, for who comes and
/// goes takes all over.
#[derive(Debug, Default)]
struct Voices {
    speaker: Option<Option<EndpointId>>,
    heard: BTreeMap<EndpointId, Heard>,
    over: bool,
}

/// What the mixer has said of one.
#[derive(Debug, Default)]
struct Heard {
    talking: Option<bool>,
    muted: Option<bool>,
    gone: bool,
}

impl Voices {
    fn is_empty(&self) -> bool {
        self.speaker.is_none() && self.heard.is_empty() && !self.over
    }

    fn apply(self, state: &mut State) {
        state.speaker = self.speaker.unwrap_or(state.speaker);
        state.over |= self.over;
        let heard = self.heard;
        state.attendees.retain_mut(|one| {
            let Some(heard) = heard.get(&one.endpoint) else {
                return true;
            };
            one.talking = heard.talking.unwrap_or(one.talking);
            one.muted = heard.muted.unwrap_or(one.muted);
            !heard.gone
        });
    }
}

/// What is known of a conference.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) settings: ConferenceVideo,
    /// In order of arrival.
    pub(super) attendees: Vec<Attendee>,
    /// Who leads the conversation, by the voices.
    pub(super) speaker: Option<EndpointId>,
    /// Where it is recorded, and whether its pictures are.
    pub(super) recording: Option<(Tape, bool)>,
    /// Who has the floor of slides.
    pub(super) presenter: Option<EndpointId>,
    /// The conference is over.
    pub(super) over: bool,
}

/// Somebody in a conference, with video or without.
#[derive(Clone, Debug)]
pub(super) struct Attendee {
    pub(super) endpoint: EndpointId,
    pub(super) name: Arc<str>,
    pub(super) in_mix: bool,
    pub(super) muted: bool,
    pub(super) talking: bool,
    /// How it is seen, and what it sees.
    pub(super) looks: EndpointVideo,
    /// What was agreed on about video.
    pub(super) video: Option<NegotiatedVideo>,
    /// And about slides.
    pub(super) content: Option<NegotiatedVideo>,
    /// What floor control calls it (RFC 8856 §5.3).
    pub(super) user: Option<u16>,
}

impl Attendee {
    /// What was agreed on about pictures of this kind.
    pub(super) fn stream(&self, role: Role) -> Option<&NegotiatedVideo> {
        match role {
            Role::Main => self.video.as_ref(),
            Role::Content => self.content.as_ref(),
        }
    }
}

impl Rooms {
    pub(in crate::shell) fn open(
        &self,
        conference: ConferenceId,
        settings: ConferenceVideo,
        confid: u32,
    ) {
        let state = State {
            settings,
            attendees: Vec::new(),
            speaker: None,
            recording: None,
            presenter: None,
            over: false,
        };
        let room = Room {
            version: AtomicU64::new(1),
            confid,
            state: Mutex::new(Arc::new(state)),
            voices: Mutex::default(),
        };
        self.lock().insert(conference, Arc::new(room));
    }

    pub(super) fn find(&self, conference: ConferenceId) -> Option<Arc<Room>> {
        self.lock().get(&conference).map(Arc::clone)
    }

    pub(in crate::shell) fn close(&self, conference: ConferenceId) {
        let room = self.lock().remove(&conference);
        if let Some(room) = room {
            room.change(|state| state.over = true);
        }
    }

    /// Somebody comes.
    pub(in crate::shell) fn enter(
        &self,
        conference: ConferenceId,
        endpoint: EndpointId,
        settings: &EndpointSettings,
    ) {
        let attendee = Attendee {
            endpoint,
            name: settings.name.as_str().into(),
            in_mix: settings.stage == Stage::Mix,
            muted: settings.filter.muted,
            talking: false,
            looks: EndpointVideo::clone(&settings.looks),
            video: None,
            content: None,
            user: None,
        };
        if let Some(room) = self.find(conference) {
            room.change(|state| state.attendees.push(attendee));
        }
    }

    /// Somebody leaves.
    pub(in crate::shell) fn leave(&self, conference: ConferenceId, endpoint: EndpointId) {
        if let Some(room) = self.find(conference) {
            room.change(|state| state.attendees.retain(|one| one.endpoint != endpoint));
        }
    }

    /// Into the mix, or out of it.
    pub(in crate::shell) fn place(
        &self,
        conference: ConferenceId,
        endpoint: EndpointId,
        stage: Stage,
    ) {
        self.amend(conference, endpoint, |one| one.in_mix = stage == Stage::Mix);
    }

    /// Other pictures of the whole conference.
    pub(in crate::shell) fn arrange(&self, conference: ConferenceId, pictures: &ConferenceVideo) {
        if let Some(room) = self.find(conference) {
            room.change(|state| state.settings = pictures.clone());
        }
    }

    /// How one is seen, and what it sees.
    pub(in crate::shell) fn look(
        &self,
        conference: ConferenceId,
        endpoint: EndpointId,
        looks: &EndpointVideo,
    ) {
        self.amend(conference, endpoint, |one| one.looks = looks.clone());
    }

    /// The conference is recorded, or no more.
    pub(in crate::shell) fn record(&self, conference: ConferenceId, tape: Option<(Tape, bool)>) {
        if let Some(room) = self.find(conference) {
            room.change(|state| state.recording = tape);
        }
    }

    /// Something that is shared with the room is different.
    pub(in crate::shell) fn touch(&self, conference: ConferenceId) {
        if let Some(room) = self.find(conference) {
            room.change(|_| {});
        }
    }

    /// Notes what the mixer says, on its thread.
    pub(in crate::shell) fn note(&self, event: &McuEvent) {
        let conference = event.conference;
        match &event.report {
            Report::Talking { endpoint, talking } => {
                self.hear(conference, *endpoint, |one| one.talking = Some(*talking));
            }
            Report::Media {
                endpoint, filter, ..
            } => self.hear(conference, *endpoint, |one| one.muted = Some(filter.muted)),
            Report::ActiveSpeaker { endpoint } => {
                if let Some(room) = self.find(conference) {
                    room.say(|voices| voices.speaker = Some(*endpoint));
                }
            }
            Report::Removed { endpoint, .. } => {
                self.hear(conference, *endpoint, |one| one.gone = true);
            }
            Report::Failed { .. } => {
                let room = self.lock().remove(&conference);
                if let Some(room) = room {
                    room.say(|voices| voices.over = true);
                }
            }
            Report::Done { .. }
            | Report::Answer { .. }
            | Report::Offer { .. }
            | Report::Video { .. }
            | Report::Seen { .. }
            | Report::Content { .. }
            | Report::Presenter { .. }
            | Report::KeyframeNeeded { .. }
            | Report::Dtmf { .. }
            | Report::Played { .. }
            | Report::MediaLost { .. }
            | Report::MediaFailed { .. } => {}
            Report::RecordingFailed { .. } => self.record(conference, None),
        }
    }

    fn amend(
        &self,
        conference: ConferenceId,
        endpoint: EndpointId,
        change: impl FnOnce(&mut Attendee),
    ) {
        if let Some(room) = self.find(conference) {
            room.amend(endpoint, change);
        }
    }

    fn hear(&self, conference: ConferenceId, endpoint: EndpointId, note: impl FnOnce(&mut Heard)) {
        if let Some(room) = self.find(conference) {
            room.say(|voices| note(voices.heard.entry(endpoint).or_default()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConferenceId, Arc<Room>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Counts every change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The state, with its version or a later one.
    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.lock())
    }

    /// What floor control calls the conference.
    pub(super) fn confid(&self) -> u32 {
        self.confid
    }

    /// What floor control calls an endpoint: a number that nobody else here has.
    pub(super) fn user(&self, endpoint: EndpointId) -> Option<u16> {
        let mut state = self.lock();
        let taken: BTreeSet<u16> = state.attendees.iter().filter_map(|one| one.user).collect();
        let mut attendees = Arc::make_mut(&mut state).attendees.iter_mut();
        let one = attendees.find(|one| one.endpoint == endpoint)?;
        if one.user.is_none() {
            // The one after the last is least likely to be taken for somebody who has just left.
            let next = taken.last().map_or(1, |last| last.wrapping_add(1).max(1));
            let mut free = (next..=u16::MAX).chain(1..next);
            one.user = free.find(|number| !taken.contains(number));
        }
        one.user
    }

    /// Whether an endpoint still has pictures of this kind.
    pub(super) fn has_stream(&self, endpoint: EndpointId, role: Role) -> bool {
        let state = self.lock();
        let mut attendees = state.attendees.iter();
        let has = |one: &Attendee| one.endpoint == endpoint && one.stream(role).is_some();
        !state.over && attendees.any(has)
    }

    /// Whether an endpoint is in the mix.
    pub(super) fn is_mixed(&self, endpoint: EndpointId) -> bool {
        let state = self.lock();
        let mut attendees = state.attendees.iter();
        attendees.any(|one| one.endpoint == endpoint && one.in_mix)
    }

    /// Another agreement, or none.
    pub(super) fn set_stream(
        &self,
        endpoint: EndpointId,
        role: Role,
        agreed: Option<NegotiatedVideo>,
    ) {
        self.amend(endpoint, |one| match role {
            Role::Main => one.video = agreed,
            Role::Content => one.content = agreed,
        });
    }

    /// Somebody else has the floor of slides, or nobody.
    pub(super) fn set_presenter(&self, presenter: Option<EndpointId>) {
        self.change(|state| state.presenter = presenter);
    }

    fn amend(&self, endpoint: EndpointId, change: impl FnOnce(&mut Attendee)) {
        self.change(|state| {
            let mut attendees = state.attendees.iter_mut();
            if let Some(one) = attendees.find(|one| one.endpoint == endpoint) {
                change(one);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(Arc::make_mut(&mut self.lock()));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Something of the mixer's, on its thread.
    fn say(&self, note: impl FnOnce(&mut Voices)) {
        note(&mut self.voices());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The state with all that the mixer has said.
    fn lock(&self) -> MutexGuard<'_, Arc<State>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let voices = std::mem::take(&mut *self.voices());
        if !voices.is_empty() {
            voices.apply(Arc::make_mut(&mut state));
        }
        state
    }

    fn voices(&self) -> MutexGuard<'_, Voices> {
        self.voices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_mixer_says_waits_while_the_state_is_held_and_is_seen_then() {
        let rooms = Rooms::default();
        let conference = ConferenceId(1);
        rooms.open(conference, ConferenceVideo::default(), 1);
        let room = rooms.find(conference).unwrap();
        for n in 1..3 {
            let endpoint = EndpointId(n);
            room.change(|state| {
                state.attendees.push(Attendee {
                    endpoint,
                    name: "".into(),
                    in_mix: true,
                    muted: false,
                    talking: false,
                    looks: EndpointVideo::default(),
                    video: None,
                    content: None,
                    user: None,
                });
            });
        }
        let say = |report: Report| rooms.note(&McuEvent { conference, report });
        let held = room.lock();
        let before = room.version();
        let endpoint = EndpointId(1);
        for talking in [true, false, true] {
            say(Report::Talking { endpoint, talking });
        }
        let speaker = Some(endpoint);
        say(Report::ActiveSpeaker { endpoint: speaker });
        assert_eq!(room.version(), before + 4, "nobody waits");
        assert!(!held.attendees[0].talking);
        drop(held);
        let state = room.state();
        assert!(state.attendees[0].talking && !state.attendees[1].talking);
        assert_eq!(state.speaker, speaker);
        say(Report::Failed {
            reason: String::new(),
        });
        assert!(room.state().over && !state.over);
    }
}
