//! Who is in a conference, as its pictures need it.

use crate::control::{
    ConferenceId, ConferenceVideo, EndpointId, EndpointSettings, EndpointVideo, McuEvent, Report,
    Stage,
};
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
            presenter: None,
            over: false,
        };
        let room = Room {
            version: AtomicU64::new(1),
            confid,
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
            | Report::Content { .. }
            | Report::Presenter { .. }
            | Report::KeyframeNeeded { .. }
            | Report::Dtmf { .. }
            | Report::Played { .. }
            | Report::MediaLost { .. }
            | Report::MediaFailed { .. } => {}
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

    /// What floor control calls the conference.
    pub(super) fn confid(&self) -> u32 {
        self.confid
    }

    /// What floor control calls an endpoint: a number that nobody else here has.
    pub(super) fn user(&self, endpoint: EndpointId) -> Option<u16> {
        let mut state = self.lock();
        let taken: BTreeSet<u16> = state.attendees.iter().filter_map(|one| one.user).collect();
        let mut attendees = state.attendees.iter_mut();
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
        change(&mut self.lock());
        self.version.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
