//! The recording of a conference: who wants it, whether it goes on, and that everybody knows.
//!
//! Neither RFC 4575 nor MS-CONFBAS has a recording by the server: what MS-CONFBAS calls recording is done by a client, of
//! itself (CB-237, CB-238). So the state is an extension in the mixer's view, and a presenter commands it by the same
//! element in a `modifyEndpoint` of the own endpoint, the command of MS-CONFBAS that recording goes by.

use crate::access::Role;
use crate::conference::Focus;
use crate::conference::pending::Purpose;
use crate::disconnect::DisconnectReason;
use crate::info::{self, Extension};
use crate::output::{CommandError, ConferenceEvent, RequestId};
use crate::recording::{NotRecorded, RecordOrder, RecordWhen, RecordingState};
use crate::refusal::Refusal;
use crate::roster::EndpointStatus;
use crate::xml::{Element, Namespace};
use plenum_mcu::control::{
    Action, Attendee, Audience, EndpointId, McuError, Prompt, Record, Sentence,
};
use std::time::Instant;

/// The namespace of our extension about recording.
const NAMESPACE: &str = "urn:plenum:params:xml:ns:recording";

/// The recording.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    state: RecordingState,
    /// Who is to be told when it has begun, or could not.
    waiting: Vec<RequestId>,
}

impl Focus {
    /// How the recording is.
    pub fn recording(&self) -> RecordingState {
        self.recording.state
    }

    /// What an operator wants.
    pub(super) fn handle_record(&mut self, now: Instant, request: RequestId, order: RecordOrder) {
        match self.order_recording(now, order) {
            Ok(()) if self.recording.state == RecordingState::Starting => {
                self.recording.waiting.push(request);
            }
            Ok(()) => self.complete(request, Ok(())),
            Err(error) => self.complete(request, Err(CommandError::Recording(error))),
        }
    }

    /// What somebody wants who may. It may take until it has begun.
    pub(super) fn order_recording(
        &mut self,
        now: Instant,
        order: RecordOrder,
    ) -> Result<(), NotRecorded> {
        match self.record.recording.when {
            RecordWhen::Never => return Err(NotRecorded::Never),
            RecordWhen::Always if order != RecordOrder::Start => return Err(NotRecorded::Always),
            RecordWhen::Always | RecordWhen::OnRequest => {}
        }
        match (order, self.recording.state) {
            (RecordOrder::Start, RecordingState::Off | RecordingState::Failed) => {
                if self.roster.in_mix() == 0 {
                    return Err(NotRecorded::Nobody);
                }
                self.start_recording(now);
            }
            (RecordOrder::Start, RecordingState::Paused) => {
                self.record_or_not(now, Record::Pause(false), RecordingState::On);
                self.announce_recording(now, Sentence::Recorded);
            }
            (RecordOrder::Start, RecordingState::Starting | RecordingState::On)
            | (RecordOrder::Pause, RecordingState::Paused) => {}
            (RecordOrder::Pause, RecordingState::On) => {
                self.record_or_not(now, Record::Pause(true), RecordingState::Paused);
                self.announce_recording(now, Sentence::RecordingPaused);
            }
            (
                RecordOrder::Stop,
                RecordingState::Starting | RecordingState::On | RecordingState::Paused,
            ) => {
                self.stop_recording(now);
                self.announce_recording(now, Sentence::RecordingEnded);
            }
            (
                RecordOrder::Pause,
                RecordingState::Off | RecordingState::Starting | RecordingState::Failed,
            )
            | (RecordOrder::Stop, RecordingState::Off | RecordingState::Failed) => {
                return Err(NotRecorded::Off);
            }
        }
        Ok(())
    }

    /// Somebody is coming: what always has to be recorded is, before they are let in; what could not be is tried again.
    pub(super) fn ensure_recording(&mut self, now: Instant) {
        let state = self.recording.state;
        let idle = matches!(state, RecordingState::Off | RecordingState::Failed);
        if idle && self.record.recording.when == RecordWhen::Always {
            self.start_recording(now);
        }
    }

    /// Nobody is there any more.
    pub(super) fn end_lonely_recording(&mut self, now: Instant) {
        let running = !matches!(
            self.recording.state,
            RecordingState::Off | RecordingState::Failed
        );
        if running && self.calls.is_empty() {
            self.stop_recording(now);
        }
    }

    /// What the recorder answered to the wish.
    pub(super) fn handle_recorded(&mut self, now: Instant, result: Result<(), McuError>) {
        if self.recording.state != RecordingState::Starting {
            return;
        }
        if let Err(error) = result {
            self.fail_recording(now, error);
            return;
        }
        self.set_recording(RecordingState::On, None);
        let here: Vec<EndpointId> = self
            .roster
            .endpoints()
            .filter(|one| one.status == EndpointStatus::Connected)
            .map(|one| one.id)
            .collect();
        for endpoint in here {
            self.note_recorded(now, endpoint, true);
        }
        self.announce_recording(now, Sentence::Recorded);
        for request in std::mem::take(&mut self.recording.waiting) {
            self.complete(request, Ok(()));
        }
    }

    /// It could not begin or go on: everybody hears so, and where policy says that nothing goes unrecorded, nobody more
    /// comes in.
    pub(super) fn fail_recording(&mut self, now: Instant, error: McuError) {
        if matches!(
            self.recording.state,
            RecordingState::Off | RecordingState::Failed
        ) {
            return;
        }
        self.set_recording(RecordingState::Failed, Some(error.to_string()));
        self.announce_recording(now, Sentence::NotRecorded);
        for request in std::mem::take(&mut self.recording.waiting) {
            let error = CommandError::Recording(NotRecorded::Failed(error.clone()));
            self.complete(request, Err(error));
        }
        let policy = self.record.recording;
        if policy.when != RecordWhen::Always || !policy.required {
            return;
        }
        let inside = |endpoint: &EndpointId| {
            let status = self.roster.endpoint(*endpoint).map(|one| one.status);
            status == Some(EndpointStatus::Connected)
        };
        let outside = self.calls.keys().copied().filter(|one| !inside(one));
        for endpoint in outside.collect::<Vec<_>>() {
            let refusal = Refusal::NotRecorded(self.settings.limits.retry_after);
            self.release(now, endpoint, DisconnectReason::Refused(refusal));
        }
    }

    /// The mixer is gone, and the recording with it.
    pub(super) fn lose_recording(&mut self) {
        if self.recording.state != RecordingState::Off {
            self.set_recording(RecordingState::Off, None);
        }
        for request in std::mem::take(&mut self.recording.waiting) {
            self.complete(request, Err(CommandError::Fault));
        }
    }

    /// Who looks into the recording later knows who was there when.
    pub(super) fn note_recorded(&mut self, now: Instant, endpoint: EndpointId, present: bool) {
        let running = matches!(
            self.recording.state,
            RecordingState::On | RecordingState::Paused
        );
        let participant = self.roster.endpoint(endpoint).filter(|_| running);
        let Some(user) = participant.and_then(|one| self.roster.user(one.user)) else {
            return;
        };
        let attendee = Attendee {
            endpoint,
            name: user.display.clone().unwrap_or_default(),
            aor: user.aor.clone(),
            present,
        };
        let record = Record::Attendee(attendee);
        self.mcu(now, Purpose::Nothing, Action::Record(record));
    }

    /// What our element in a `modifyEndpoint` wants; `None` without one.
    pub(in crate::conference) fn recording_wanted(
        endpoint: &info::Endpoint,
    ) -> Option<Option<RecordOrder>> {
        let mut extensions = endpoint.extensions.iter().map(Extension::element);
        let ours = |element: &&Element| {
            matches!(&element.namespace, Namespace::Foreign(uri) if **uri == *NAMESPACE)
                && &*element.local == "recording"
        };
        let wanted = extensions.find(ours)?;
        Some(match wanted.token() {
            "on" => Some(RecordOrder::Start),
            "paused" => Some(RecordOrder::Pause),
            "off" => Some(RecordOrder::Stop),
            _ => None,
        })
    }

    /// Whether this endpoint's user may command the recording.
    pub(in crate::conference) fn may_record(&self, endpoint: EndpointId) -> bool {
        self.role_of(endpoint) == Role::Presenter
    }

    /// What the mixer's view says of it; nothing where there is none.
    pub(in crate::conference) fn recording_extension(&self) -> Option<Extension> {
        if self.recording.state == RecordingState::Off {
            return None;
        }
        let mut element = Element::new(Namespace::Foreign(NAMESPACE.into()), "recording");
        element.text = self.recording.state.as_str().into();
        Extension::new(element)
    }

    fn start_recording(&mut self, now: Instant) {
        self.set_recording(RecordingState::Starting, None);
        let record = Record::Start {
            name: self.record.name.to_string(),
            pictures: self.record.recording.pictures,
        };
        self.mcu(now, Purpose::Record, Action::Record(record));
    }

    fn stop_recording(&mut self, now: Instant) {
        self.record_or_not(now, Record::Stop, RecordingState::Off);
        for request in std::mem::take(&mut self.recording.waiting) {
            let error = CommandError::Recording(NotRecorded::Off);
            self.complete(request, Err(error));
        }
    }

    fn record_or_not(&mut self, now: Instant, record: Record, state: RecordingState) {
        self.mcu(now, Purpose::Nothing, Action::Record(record));
        self.set_recording(state, None);
    }

    fn set_recording(&mut self, state: RecordingState, reason: Option<String>) {
        self.recording.state = state;
        self.touch_views();
        self.event(ConferenceEvent::Recording { state, reason });
    }

    fn announce_recording(&mut self, now: Instant, sentence: Sentence) {
        if self.roster.in_mix() > 0 {
            self.play(now, Audience::All, vec![Prompt::Sentence(sentence)]);
        }
    }
}
