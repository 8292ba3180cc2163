//! Life in the mix: coming in, tones, being alone, keys.

use crate::conference::Focus;
use crate::conference::pending::Purpose;
use crate::disconnect::DisconnectReason;
use crate::keys::KeyAction;
use crate::output::{ConferenceEvent, RequestId};
use crate::record::Alone;
use crate::recording::RecordingState;
use crate::roster::EndpointStatus;
use plenum_mcu::control::{Action, Ambience, Audience, EndpointId, MediaFilter, Prompt, Sentence};
use std::time::Instant;

impl Focus {
    /// The mixer has put an endpoint into the mix.
    pub(super) fn enter(&mut self, now: Instant, endpoint: EndpointId) {
        self.roster
            .set_status(now, endpoint, EndpointStatus::Connected);
        let Some(user) = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user) else {
            return;
        };
        self.settings.metrics.joins.inc();
        self.event(ConferenceEvent::Joined { endpoint, user });
        let on_joined = self
            .calls
            .get_mut(&endpoint)
            .and_then(|call| call.on_joined.take());
        if let Some(request) = on_joined {
            self.complete(request, Ok(()));
        }
        self.note_lead(now);
        self.intend(now, endpoint);
        // CB-139: a participant has one endpoint in a mixer.
        let participates = self.participates(user);
        let callee = self
            .calls
            .get(&endpoint)
            .and_then(|call| call.callee.as_ref());
        let replaces = callee.is_some_and(|callee| callee.replaces);
        if self.record.replace_on_redial || participates || replaces {
            self.replace_earlier(now, endpoint);
        }
        if self.announcements.unwrap_or(self.record.entry_tone) && self.roster.in_mix() > 1 {
            self.tone(now, Prompt::EntryTone);
        }
        self.greet(now, endpoint);
        self.note_recorded(now, endpoint, true);
        self.update_alone(now);
    }

    /// A tone to all, unless the last one is too near.
    pub(super) fn tone(&mut self, now: Instant, tone: Prompt) {
        let near = self.last_tone.is_some_and(|last| {
            now.saturating_duration_since(last) < self.settings.limits.tone_gap
        });
        if !near && self.roster.in_mix() > 0 {
            self.last_tone = Some(now);
            self.play(now, Audience::All, vec![tone]);
        }
    }

    /// Who is alone in the mix hears music, if the conference has it.
    pub(super) fn update_alone(&mut self, now: Instant) {
        let alone = self.roster.alone();
        if alone == self.lone || self.record.alone == Alone::Silence {
            return;
        }
        let before = std::mem::replace(&mut self.lone, alone);
        let before = before.filter(|before| {
            let status = self
                .roster
                .endpoint(*before)
                .map(|endpoint| endpoint.status);
            status == Some(EndpointStatus::Connected)
        });
        for (endpoint, ambience) in [(before, Ambience::Silence), (alone, Ambience::Music)] {
            if let Some(endpoint) = endpoint {
                let action = Action::Ambience {
                    to: Audience::One(endpoint),
                    ambience,
                };
                self.mcu(now, Purpose::Nothing, action);
            }
        }
    }

    /// What a key sequence does.
    pub(super) fn handle_key(&mut self, now: Instant, endpoint: EndpointId, action: KeyAction) {
        let Some(call) = self.calls.get(&endpoint) else {
            return;
        };
        let mut filter = call.wanted;
        let say = match action {
            KeyAction::ToggleMute => {
                filter.muted = !filter.muted;
                Some(if filter.muted {
                    Sentence::Muted
                } else {
                    Sentence::Unmuted
                })
            }
            KeyAction::ToggleDeaf => {
                filter.deaf = !filter.deaf;
                None
            }
            KeyAction::Louder | KeyAction::Softer => {
                filter.gain_out_db = step(filter.gain_out_db, action == KeyAction::Louder);
                None
            }
            KeyAction::SpeakLouder | KeyAction::SpeakSofter => {
                filter.gain_in_db = step(filter.gain_in_db, action == KeyAction::SpeakLouder);
                None
            }
            KeyAction::SayCount => {
                let prompts = digits(self.roster.in_mix());
                self.play_to(now, endpoint, prompts);
                return;
            }
            KeyAction::Leave => {
                self.release(now, endpoint, DisconnectReason::Departed);
                return;
            }
            KeyAction::NextLayout => {
                self.next_layout(now, endpoint);
                return;
            }
            KeyAction::AdmitAll | KeyAction::MuteAll | KeyAction::ToggleLock => {
                self.moderate_by_key(now, endpoint, action);
                return;
            }
        };
        self.set_filter(now, endpoint, filter, say, None);
    }

    /// Asks the mixer for a filter; it is in force when the mixer says so.
    pub(super) fn set_filter(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        filter: MediaFilter,
        say: Option<Sentence>,
        request: Option<RequestId>,
    ) {
        let mut in_force = filter;
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.wanted = filter;
            in_force = call.filter();
        }
        let purpose = Purpose::Filter {
            endpoint,
            say,
            request,
        };
        let action = Action::Filter {
            endpoint,
            filter: in_force,
        };
        self.mcu(now, purpose, action);
    }

    fn greet(&mut self, now: Instant, endpoint: EndpointId) {
        let pin_asked = self.calls.get(&endpoint).is_some_and(|call| call.pin_asked);
        let first = self.roster.in_mix() == 1;
        let mut prompts = Vec::new();
        if pin_asked {
            prompts.push(Prompt::Sentence(Sentence::Welcome));
        }
        if first {
            prompts.push(Prompt::Sentence(Sentence::YouAreFirst));
        }
        if self.recording() == RecordingState::On {
            prompts.push(Prompt::Sentence(Sentence::Recorded));
        }
        if !prompts.is_empty() {
            self.play_to(now, endpoint, prompts);
        }
    }

    fn replace_earlier(&mut self, now: Instant, endpoint: EndpointId) {
        let user = self
            .roster
            .endpoint(endpoint)
            .and_then(|own| self.roster.user(own.user));
        let earlier: Vec<EndpointId> = user.map_or_else(Vec::new, |user| {
            user.endpoints
                .iter()
                .copied()
                .filter(|other| *other < endpoint && self.calls.contains_key(other))
                .collect()
        });
        for other in earlier {
            self.release(now, other, DisconnectReason::Replaced);
        }
    }
}

/// One step louder or softer, within what is sensible for oneself to choose.
fn step(db: f32, louder: bool) -> f32 {
    (if louder { db + 3.0 } else { db - 3.0 }).clamp(-12.0, 12.0)
}

fn digits(number: usize) -> Vec<Prompt> {
    let decimal = number.to_string();
    decimal
        .bytes()
        .map(|digit| Prompt::Digit(digit.saturating_sub(b'0')))
        .collect()
}
