//! Who is in a conference, as its pictures need it.

use crate::control::{
    ConferenceId, ConferenceVideo, EndpointId, EndpointSettings, EndpointVideo, McuEvent, Report,
    Stage,
};
use crate::recording::Tape;
use plenum_media::video::negotiated::NegotiatedVideo;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rooms of all conferences.
#[derive(Debug, Default)]
pub(in crate::shell) struct Rooms(Mutex<BTreeMap<ConferenceId, Arc<Room>>>);

/// One conference.
#[derive(Debug)]
pub(super) struct Room {
    version: AtomicU64,
    state: Mutex<State>,
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
}

impl Rooms {
    pub(in crate::shell) fn open(&self, conference: ConferenceId, settings: ConferenceVideo) {
        let state = State {
            settings,
            attendees: Vec::new(),
            speaker: None,
            recording: None,
            over: false,
        };
        let room = Room {
            version: AtomicU64::new(1),
            state: Mutex::new(state),
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

    /// Takes over what the mixer says.
    pub(in crate::shell) fn note(&self, event: &McuEvent) {
        let conference = event.conference;
        match &event.report {
            Report::Talking { endpoint, talking } => {
                self.amend(conference, *endpoint, |one| one.talking = *talking);
            }
            Report::Media {
                endpoint, filter, ..
            } => self.amend(conference, *endpoint, |one| one.muted = filter.muted),
            Report::ActiveSpeaker { endpoint } => {
                if let Some(room) = self.find(conference) {
                    room.change(|state| state.speaker = *endpoint);
                }
            }
            Report::Removed { endpoint, .. } => self.leave(conference, *endpoint),
            Report::Failed { .. } => self.close(conference),
            Report::Done { .. }
            | Report::Answer { .. }
            | Report::Offer { .. }
            | Report::Video { .. }
            | Report::Seen { .. }
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConferenceId, Arc<Room>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Counts every change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A copy of the state, with its version or a later one.
    pub(super) fn state(&self) -> State {
        self.lock().clone()
    }

    /// What was agreed on about an endpoint's video, if it still has some.
    pub(super) fn has_video(&self, endpoint: EndpointId) -> bool {
        let state = self.lock();
        let mut attendees = state.attendees.iter();
        !state.over && attendees.any(|one| one.endpoint == endpoint && one.video.is_some())
    }

    /// Whether an endpoint is in the mix.
    pub(super) fn is_mixed(&self, endpoint: EndpointId) -> bool {
        let state = self.lock();
        let mut attendees = state.attendees.iter();
        attendees.any(|one| one.endpoint == endpoint && one.in_mix)
    }

    /// Another agreement, or none.
    pub(super) fn set_video(&self, endpoint: EndpointId, video: Option<NegotiatedVideo>) {
        self.amend(endpoint, |one| one.video = video);
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
        change(&mut self.lock());
        self.version.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
