//! The one way out of a conference: whatever ends a call, it ends here, once, for one reason
//! (RFC 4575 §5.7.3, §5.7.5).

use crate::answer;
use crate::conference::call::{MediaEndpoint, SipLeg};
use crate::conference::pending::Purpose;
use crate::conference::{Focus, Phase};
use crate::detail::DetailRecord;
use crate::disconnect::DisconnectReason;
use crate::joining::{Input, State};
use crate::output::{CommandError, ConferenceEvent, SipAction};
use crate::pin_guard::PinOutcome;
use crate::refusal::Refusal;
use crate::roster::{EndpointStatus, Participant};
use crate::timer::Timer;
use plenum_mcu::control::{Action, EndpointId, Prompt, Quality};
use plenum_sip::endpoint::Answer;
use plenum_sip::msg::{Headers, StatusCode};
use std::net::IpAddr;
use std::time::Instant;

impl Focus {
    /// Takes a call out of the conference: tells the peer, then the mixer. It is gone when the
    /// mixer says so.
    pub(super) fn release(&mut self, now: Instant, endpoint: EndpointId, reason: DisconnectReason) {
        let Some(call) = self.calls.get(&endpoint) else {
            self.end_attendance(now, endpoint, &reason, false);
            return;
        };
        if matches!(call.state, State::Leaving(_)) {
            return;
        }
        let user = self.roster.endpoint(endpoint).map(|it| it.user);
        if let (Some(user), Some(entity)) = (user, self.media_entity(endpoint)) {
            self.note_departure(user, entity, &reason);
        }
        self.abandon_renegotiation(endpoint);
        self.end_signalling(endpoint, &reason);
        self.settle_pin(endpoint, false);
        self.forget_playback(endpoint);
        self.roster
            .set_status(now, endpoint, EndpointStatus::Disconnecting);
        self.update_alone(now);
        let deadline = now + self.settings.limits.mcu_deadline;
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        call.state = State::Leaving(reason);
        match call.media {
            MediaEndpoint::Present => {
                call.media = MediaEndpoint::Removing;
                self.timers.set(Timer::Call(endpoint), Some(deadline));
                self.mcu(now, Purpose::Remove(endpoint), Action::Remove { endpoint });
            }
            MediaEndpoint::Removing => {}
            MediaEndpoint::Absent => self.finish(now, endpoint, Quality::default()),
        }
    }

    /// The time of a call at its point has run out, or the mixer has not removed it in time.
    pub(super) fn handle_call_timeout(&mut self, now: Instant, endpoint: EndpointId) {
        let leaving = self
            .calls
            .get(&endpoint)
            .is_some_and(|call| matches!(call.state, State::Leaving(_)));
        if leaving {
            self.settings.metrics.mcu_timeouts.inc();
            self.finish(now, endpoint, Quality::default());
        } else {
            self.advance(now, endpoint, Input::Timeout);
        }
    }

    /// RFC 3261 §15: what the signalling of a call in this state is ended by.
    fn end_signalling(&mut self, endpoint: EndpointId, reason: &DisconnectReason) {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let sip = std::mem::replace(&mut call.sip, SipLeg::Over);
        let source = call.peer.source;
        match sip {
            SipLeg::Offered(id) => {
                let (answer, refusal) = self.final_answer(reason);
                self.sip(SipAction::Reject { id, answer });
                if let Some(refusal) = refusal {
                    self.settings.metrics.refused(&refusal);
                    self.event(ConferenceEvent::Refused { source, refusal });
                }
            }
            SipLeg::Calling(id) => {
                self.sip(SipAction::Cancel {
                    id,
                    reason: reason.header().into(),
                });
            }
            SipLeg::Answered(id) => {
                self.sip(SipAction::Bye {
                    id,
                    reason: reason.header().into(),
                    headers: Headers::default(),
                });
            }
            SipLeg::Unplaced(dial_out) => {
                // Should the call turn out to have been placed, it is cancelled then.
                self.by_dial_out.remove(&dial_out);
            }
            SipLeg::Over => {}
        }
    }

    /// What a call that is not answered yet is refused with.
    fn final_answer(&self, reason: &DisconnectReason) -> (Answer, Option<Refusal>) {
        let refusal = match reason {
            DisconnectReason::Refused(refusal) => refusal.clone(),
            DisconnectReason::ConferenceEnded | DisconnectReason::Drained => {
                Refusal::Draining(self.settings.limits.retry_after)
            }
            DisconnectReason::LockedOut => Refusal::Locked,
            DisconnectReason::Booted | DisconnectReason::Denied | DisconnectReason::Replaced => {
                let text = reason.text();
                return (
                    answer::warn(StatusCode::DECLINE, &self.settings.agent, &text),
                    None,
                );
            }
            DisconnectReason::Departed
            | DisconnectReason::Cancelled
            | DisconnectReason::WrongPin
            | DisconnectReason::WrongNumber
            | DisconnectReason::NoNumber
            | DisconnectReason::WentOn
            | DisconnectReason::NoAnswerSdp
            | DisconnectReason::MediaLost
            | DisconnectReason::NoAck
            | DisconnectReason::SessionExpired
            | DisconnectReason::DialogGone
            | DisconnectReason::Unreachable
            | DisconnectReason::NotPlaced(_)
            | DisconnectReason::Busy
            | DisconnectReason::NoAnswer
            | DisconnectReason::Rejected(_)
            | DisconnectReason::Fault => Refusal::Fault,
        };
        (
            answer::refuse(&refusal, &self.settings.agent),
            Some(refusal),
        )
    }

    /// The mixer has nothing of the endpoint any more.
    pub(super) fn finish(&mut self, now: Instant, endpoint: EndpointId, quality: Quality) {
        let Some(call) = self.calls.remove(&endpoint) else {
            return;
        };
        self.by_invite.retain(|_, other| *other != endpoint);
        self.timers.set(Timer::Call(endpoint), None);
        self.settings.metrics.participants.dec();
        let State::Leaving(reason) = call.state else {
            return;
        };
        if let Some(participant) = self.roster.endpoint(endpoint) {
            self.end_subscriptions_of(participant.user, endpoint, &reason);
        }
        self.note_recorded(now, endpoint, false);
        if let Some(joined) = self.leave(now, endpoint, &reason, quality, call.peer.source) {
            let joined = joined.joined_at;
            let tones = self.announcements.unwrap_or(self.record.exit_tone);
            if joined.is_some() && tones && matches!(self.phase, Phase::Active) {
                self.tone(now, Prompt::ExitTone);
            }
        }
        if let Some(request) = call.on_joined {
            self.complete(request, Err(CommandError::NotJoined(reason)));
        }
        for request in call.on_gone {
            self.complete(request, Ok(()));
        }
        self.end_lonely_recording(now);
        self.update_alone(now);
    }

    /// Off the roster and on the record: the endpoint as it was.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        reason: &DisconnectReason,
        quality: Quality,
        source: Option<IpAddr>,
    ) -> Option<Participant> {
        let (participant, user) = self.roster.remove(now, endpoint)?;
        if user.endpoints.is_empty() {
            self.expected.remove(&user.id);
        }
        let came_in = participant.joined_at.unwrap_or(now);
        let stayed = now.saturating_duration_since(came_in);
        self.event(ConferenceEvent::Left {
            endpoint,
            user: user.id,
            aor: user.aor.clone(),
            reason: reason.clone(),
            stayed,
            quality: Box::new(quality.clone()),
        });
        self.event(ConferenceEvent::Detail(Box::new(DetailRecord {
            conference: self.record.name.clone(),
            conference_id: self.uris.id().to_owned(),
            endpoint,
            user: user.id,
            entity: user.entity,
            aor: user.aor,
            display: user.display,
            role: user.role,
            session: participant.session,
            joining: participant.joining,
            source,
            waited: came_in.saturating_duration_since(participant.since),
            stayed,
            reason: reason.clone(),
            quality,
        })));
        Some(participant)
    }

    /// A wrong PIN was keyed in.
    pub(super) fn count_wrong_pin(&mut self, endpoint: EndpointId) {
        self.settings.metrics.pin_failures.inc();
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let source = call.peer.source;
        if let Some(wrong) = &mut call.pin_wrong {
            *wrong += 1;
        }
        self.event(ConferenceEvent::WrongPin { endpoint, source });
    }

    /// The call is not asked for the PIN any more, one way or the other.
    pub(super) fn settle_pin(&mut self, endpoint: EndpointId, right: bool) {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        if let (Some(wrong), Some(source)) = (call.pin_wrong.take(), call.peer.source) {
            let outcome = if right {
                PinOutcome::Right
            } else {
                PinOutcome::Wrong(wrong)
            };
            let acked = call.acked;
            self.tell_guard(source, outcome, acked);
        }
    }

    pub(super) fn tell_guard(&mut self, source: IpAddr, outcome: PinOutcome, proven: bool) {
        self.event(ConferenceEvent::PinSettled {
            source,
            outcome,
            proven,
        });
    }

    /// After every input: a conference nobody is in ends, at once or after its grace.
    pub(super) fn settle(&mut self, now: Instant) {
        self.note_lead(now);
        self.notify(now);
        if !self.calls.is_empty() || !self.attendances.is_empty() {
            return;
        }
        match self.phase {
            Phase::Active if !self.visited => {}
            Phase::Active if self.solitude().is_zero() => self.destroy(now),
            Phase::Active => {
                if !self.timers.is_running(Timer::Grace) {
                    self.timers.set(Timer::Grace, Some(now + self.solitude()));
                }
            }
            Phase::Farewell(_) => self.destroy(now),
            Phase::Ending | Phase::Over => {}
        }
    }

    /// RFC 4353 §5.6: nobody is there; the mixer is told to forget the conference.
    pub(super) fn destroy(&mut self, now: Instant) {
        if !self.is_ending() && self.calls.is_empty() && self.attendances.is_empty() {
            self.begin_ending();
            self.mcu(now, Purpose::Destroy, Action::Destroy);
        }
    }

    /// From here on a call to the name is another activation's.
    pub(super) fn begin_ending(&mut self) {
        if !self.is_ending() {
            self.end_subscriptions(&DisconnectReason::ConferenceEnded);
            self.phase = Phase::Ending;
            self.timers.set(Timer::Grace, None);
            self.timers.set(Timer::Farewell, None);
            self.timers.set(Timer::Mixer, None);
            self.event(ConferenceEvent::Ending);
        }
    }

    /// Nothing is left.
    pub(super) fn over(&mut self, fault: Option<String>) {
        if self.is_over() {
            return;
        }
        self.phase = Phase::Over;
        self.timers = crate::timer::Timers::default();
        self.settings.metrics.conferences.dec();
        self.event(ConferenceEvent::Ended { fault });
    }
}
