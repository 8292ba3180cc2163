//! Roles, and what those who lead a conference do by keys (CB-176 to CB-179, CB-265 to CB-267).

use crate::access::Role;
use crate::conference::{Focus, Phase};
use crate::disconnect::DisconnectReason;
use crate::keys::KeyAction;
use crate::output::{CommandError, ConferenceEvent, Whom};
use crate::record::WithoutPresenter;
use crate::roster::{EndpointStatus, SessionType, UserId};
use crate::timer::Timer;
use plenum_mcu::control::{EndpointId, Prompt, Sentence};
use std::time::Instant;

impl Focus {
    /// The role of the user an endpoint belongs to.
    pub(super) fn role_of(&self, endpoint: EndpointId) -> Role {
        let user = self.roster.endpoint(endpoint).map(|it| it.user);
        let user = user.and_then(|user| self.roster.user(user));
        user.map_or(Role::Attendee, |user| user.role)
    }

    /// CB-178: the role of the focus is the one that counts.
    pub(super) fn change_role(
        &mut self,
        now: Instant,
        user: UserId,
        role: Role,
    ) -> Result<(), CommandError> {
        if self.roster.user(user).is_none() {
            return Err(CommandError::UnknownUser);
        }
        if self.roster.set_role(user, role) {
            self.event(ConferenceEvent::Role { user, role });
            self.note_lead(now);
            let endpoints = self.roster.user(user).map(|it| it.endpoints.clone());
            // What they may show is a matter of their role.
            self.renew_looks(now, endpoints.unwrap_or_default());
        }
        Ok(())
    }

    pub(super) fn lock(&mut self, locked: bool) {
        if std::mem::replace(&mut self.access.locked, locked) != locked {
            self.touch_views();
            self.event(ConferenceEvent::Locked(locked));
        }
    }

    /// What a presenter does by keys; from anybody else the keys do nothing.
    pub(super) fn moderate_by_key(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        action: KeyAction,
    ) {
        if self.role_of(endpoint) != Role::Presenter {
            return;
        }
        match action {
            KeyAction::AdmitAll => {
                if self.decide_on(now, Whom::All, true).is_err() {
                    self.play_to(now, endpoint, vec![Prompt::Sentence(Sentence::Full)]);
                }
            }
            KeyAction::MuteAll => {
                let loud = |id: &EndpointId| self.calls.get(id).is_some_and(|it| !it.wanted.muted);
                let any_loud = self.led_by_others().iter().any(loud);
                self.mute_all(now, any_loud);
            }
            KeyAction::ToggleLock => {
                self.lock(!self.access.locked);
                if self.access.locked {
                    self.play_to(now, endpoint, vec![Prompt::Sentence(Sentence::Locked)]);
                }
            }
            KeyAction::ToggleMute
            | KeyAction::ToggleDeaf
            | KeyAction::Louder
            | KeyAction::Softer
            | KeyAction::SpeakLouder
            | KeyAction::SpeakSofter
            | KeyAction::SayCount
            | KeyAction::NextLayout
            | KeyAction::Leave => {}
        }
    }

    /// Mutes everybody in the mix but presenters, or takes it back.
    pub(super) fn mute_all(&mut self, now: Instant, muted: bool) {
        for endpoint in self.led_by_others() {
            let Some(call) = self.calls.get(&endpoint) else {
                continue;
            };
            let mut filter = call.wanted;
            if filter.muted == muted {
                continue;
            }
            filter.muted = muted;
            let say = if muted {
                Sentence::Muted
            } else {
                Sentence::Unmuted
            };
            self.set_filter(now, endpoint, filter, Some(say), None);
        }
    }

    /// Those in the mix who do not lead.
    fn led_by_others(&self) -> Vec<EndpointId> {
        let mixed = self.roster.endpoints().filter(|endpoint| {
            endpoint.session == SessionType::AudioVideo
                && endpoint.status == EndpointStatus::Connected
        });
        let attendee = |id: &EndpointId| self.role_of(*id) == Role::Attendee;
        mixed.map(|endpoint| endpoint.id).filter(attendee).collect()
    }

    /// After every input: a conference that was led and is not any more may have to end.
    pub(super) fn note_lead(&mut self, now: Instant) {
        let WithoutPresenter::EndAfter(grace) = self.record.without_presenter else {
            return;
        };
        if std::mem::replace(&mut self.lead_version, self.roster.version()) == self.roster.version()
        {
            return;
        }
        let is_led = self.roster.is_led();
        self.led |= is_led;
        let orphaned = self.led && !is_led && matches!(self.phase, Phase::Active);
        if !orphaned {
            self.timers.set(Timer::Unled, None);
        } else if !self.timers.is_running(Timer::Unled) {
            self.timers.set(Timer::Unled, Some(now + grace));
        }
    }

    pub(super) fn end_without_presenter(&mut self, now: Instant) {
        self.begin_farewell(now, None, DisconnectReason::ConferenceEnded);
    }
}
