//! What happens in conferences, as log lines.

use plenum_focus::output::ConferenceEvent;
use plenum_focus::recording::RecordingState;
use plenum_focus::shell::EventSink;
use plenum_mcu::control::ConferenceId;

/// Writes the events of conferences to the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Journal;

impl EventSink for Journal {
    fn event(&self, conference: ConferenceId, event: &ConferenceEvent) {
        let id = conference.0;
        match event {
            ConferenceEvent::Refused { source, refusal } => {
                tracing::info!(conference = id, ?source, %refusal, "call refused");
            }
            ConferenceEvent::Joined { endpoint, user } => {
                tracing::info!(conference = id, endpoint = endpoint.0, ?user, "joined");
            }
            ConferenceEvent::Left {
                endpoint,
                reason,
                stayed,
                quality,
                ..
            } => {
                tracing::info!(
                    conference = id,
                    endpoint = endpoint.0,
                    ?reason,
                    stayed_s = stayed.as_secs(),
                    codec = quality.codec,
                    lost = quality.packets_lost,
                    received = quality.packets_received,
                    delay_ms = quality.delay.as_millis(),
                    "left"
                );
            }
            ConferenceEvent::Recording {
                state: RecordingState::Failed,
                reason,
            } => {
                tracing::error!(conference = id, reason, "the recording failed");
            }
            ConferenceEvent::Recording { state, .. } => {
                tracing::info!(conference = id, state = state.as_str(), "recording");
            }
            ConferenceEvent::Talking { .. }
            | ConferenceEvent::ActiveSpeaker { .. }
            | ConferenceEvent::Presenter { .. } => {
                tracing::trace!(conference = id, ?event, "talk");
            }
            ConferenceEvent::Activated { .. }
            | ConferenceEvent::Admitted { .. }
            | ConferenceEvent::Waiting { .. }
            | ConferenceEvent::Role { .. }
            | ConferenceEvent::Detail(_)
            | ConferenceEvent::Media { .. }
            | ConferenceEvent::Locked(_)
            | ConferenceEvent::WrongPin { .. }
            | ConferenceEvent::WrongNumber { .. }
            | ConferenceEvent::PinSettled { .. }
            | ConferenceEvent::DialOutFailed { .. }
            | ConferenceEvent::Completed { .. }
            | ConferenceEvent::Ending
            | ConferenceEvent::Ended { .. } => {
                tracing::debug!(conference = id, ?event, "conference event");
            }
        }
    }
}
