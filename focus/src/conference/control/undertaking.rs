//! Commands that are not answered yet (CB-151, CB-152): one final response each, and a pending one
//! every 28 seconds until then.

use super::Failure;
use crate::c3p::{CommandReason, Reason, Request, ResultBody};
use crate::conference::Focus;
use crate::conference::pending::SILENCE;
use crate::disconnect::DisconnectReason;
use crate::output::{CommandError, RequestId};
use crate::refusal::Refusal;
use crate::timer::Timer;
use plenum_mcu::control::{EndpointId, McuError};
use std::time::Instant;

/// One command that is being worked on.
#[derive(Debug)]
pub(crate) struct Undertaking {
    /// Whose.
    pub(crate) endpoint: EndpointId,
    /// The command; duplicates of its id are commands of their own (trap 69).
    pub(crate) request: Request,
    /// Who responds, if not the focus (CB-154).
    pub(crate) responder: Option<String>,
    /// What it returns when it succeeds.
    pub(crate) result: ResultBody,
    /// How many parts are not done.
    pub(crate) parts: usize,
    /// What went wrong with one of them.
    pub(crate) failure: Option<CommandError>,
}

/// Commands of participants have ids apart from those of operators.
const OURS: u64 = 1 << 63;

/// Whether a request is a part of an undertaking.
pub(crate) const fn is_undertaking(request: RequestId) -> bool {
    request.0 & OURS != 0
}

impl Focus {
    pub(super) fn next_undertaking(&mut self) -> u64 {
        self.last_undertaking += 1;
        OURS | self.last_undertaking
    }

    pub(super) fn undertake(&mut self, now: Instant, id: u64, undertaking: Undertaking) {
        if undertaking.parts == 0 {
            self.conclude(undertaking);
            return;
        }
        if let Some(attendance) = self.attendances.get_mut(&undertaking.endpoint) {
            attendance.undertakings.insert(id);
            self.undertakings.insert(id, undertaking);
            let interval = self.settings.limits.control.pending_interval;
            self.timers
                .set(Timer::Undertaking(id), Some(now + interval));
        }
    }

    /// A part is done, or cannot be.
    pub(in crate::conference) fn part_done(
        &mut self,
        request: RequestId,
        result: Result<(), CommandError>,
    ) {
        let Some(undertaking) = self.undertakings.get_mut(&request.0) else {
            return;
        };
        if let Err(error) = result {
            undertaking.failure.get_or_insert(error);
        }
        undertaking.parts = undertaking.parts.saturating_sub(1);
        if undertaking.parts > 0 {
            return;
        }
        if let Some(undertaking) = self.forget_undertaking(request.0) {
            self.conclude(undertaking);
        }
    }

    fn conclude(&mut self, undertaking: Undertaking) {
        let Undertaking {
            endpoint,
            request,
            responder,
            result,
            failure,
            ..
        } = undertaking;
        match failure {
            None => self.succeed(endpoint, &request, responder, result),
            Some(error) => {
                let failure = failure_of(&error);
                self.fail(endpoint, &request, responder, &failure);
            }
        }
    }

    /// CB-152: it takes its time; the sender is told, and told again.
    pub(in crate::conference) fn handle_undertaking_timeout(&mut self, now: Instant, id: u64) {
        let Some(undertaking) = self.undertakings.get(&id) else {
            return;
        };
        let mut response = undertaking.request.pending();
        response.responder.clone_from(&undertaking.responder);
        let endpoint = undertaking.endpoint;
        self.inform(endpoint, &response);
        let interval = self.settings.limits.control.pending_interval;
        self.timers
            .set(Timer::Undertaking(id), Some(now + interval));
    }

    /// Nobody waits for it any more, or it is done.
    pub(in crate::conference) fn forget_undertaking(&mut self, id: u64) -> Option<Undertaking> {
        let undertaking = self.undertakings.remove(&id)?;
        self.timers.set(Timer::Undertaking(id), None);
        if let Some(attendance) = self.attendances.get_mut(&undertaking.endpoint) {
            attendance.undertakings.remove(&id);
        }
        Some(undertaking)
    }
}

/// CB-172, CB-207: what went wrong, in the words of the protocol.
pub(super) fn failure_of(error: &CommandError) -> Failure {
    match error {
        CommandError::NotJoined(reason) => not_joined(reason),
        CommandError::Mcu(error) => of_mixer(error),
        CommandError::Refused(refusal) => refused(refusal),
        CommandError::Busy => Failure::Reason(Reason::ServerBusy),
        CommandError::UnknownEndpoint => Failure::Command(CommandReason::EndpointDoesntExist),
        CommandError::UnknownUser => Failure::Command(CommandReason::UserDoesntExist),
        CommandError::UnknownConference | CommandError::Ending => {
            Failure::Command(CommandReason::ConferenceDoesntExist)
        }
        CommandError::BadUri(_) | CommandError::BadSeat(_) => {
            Failure::Command(CommandReason::UserUnknown)
        }
        CommandError::Recording(_) => Failure::Command(CommandReason::RecordingNotAllowed),
        CommandError::NotWaiting
        | CommandError::NobodyPresents
        | CommandError::NoSlides
        | CommandError::Barred
        | CommandError::Fault => Failure::Command(CommandReason::OtherFailure),
    }
}

/// CB-207: why somebody who was called did not come in.
fn not_joined(reason: &DisconnectReason) -> Failure {
    Failure::Command(match reason {
        DisconnectReason::Busy => CommandReason::UserBusy,
        DisconnectReason::NoAnswer => CommandReason::UserNotAnswered,
        DisconnectReason::Rejected(status) => match status.code() {
            404 | 604 => CommandReason::UserUnknown,
            603 => CommandReason::UserDeclined,
            _ => CommandReason::OtherFailure,
        },
        // Somebody did not want them called any more.
        DisconnectReason::Booted | DisconnectReason::Denied | DisconnectReason::Replaced => {
            return Failure::Reason(Reason::RequestCancelled);
        }
        DisconnectReason::ConferenceEnded | DisconnectReason::Drained => {
            CommandReason::ConferenceDoesntExist
        }
        DisconnectReason::Refused(refusal) => return refused(refusal),
        DisconnectReason::Departed
        | DisconnectReason::Cancelled
        | DisconnectReason::WrongPin
        | DisconnectReason::WrongNumber
        | DisconnectReason::NoNumber
        | DisconnectReason::WentOn
        | DisconnectReason::LockedOut
        | DisconnectReason::NoAnswerSdp
        | DisconnectReason::MediaLost
        | DisconnectReason::NoAck
        | DisconnectReason::SessionExpired
        | DisconnectReason::DialogGone
        | DisconnectReason::Unreachable
        | DisconnectReason::NotPlaced(_)
        | DisconnectReason::Fault => CommandReason::OtherFailure,
    })
}

fn of_mixer(error: &McuError) -> Failure {
    match error {
        error if *error == SILENCE => Failure::Reason(Reason::Timeout),
        McuError::Overloaded(_) => Failure::Reason(Reason::ServerBusy),
        McuError::NotSupported => Failure::Reason(Reason::NotSupported),
        McuError::MalformedSdp(_)
        | McuError::Incompatible { .. }
        | McuError::Full
        | McuError::NotRecorded(_)
        | McuError::Unknown(_) => Failure::Command(CommandReason::OtherFailure),
    }
}

fn refused(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Overloaded(what, _) => of_mixer(&McuError::Overloaded(what)),
        Refusal::Busy(_) => Failure::Reason(Reason::ServerBusy),
        Refusal::UnknownConference
        | Refusal::WrongDomain
        | Refusal::Scheme
        | Refusal::MayNotCreate
        | Refusal::CreationRate(_)
        | Refusal::TooManyConferences(_)
        | Refusal::Locked
        | Refusal::NotInvited
        | Refusal::Full
        | Refusal::Draining(_)
        | Refusal::PinGuard(_)
        | Refusal::Key(_)
        | Refusal::MalformedCredentials(_)
        | Refusal::UnsupportedMedia
        | Refusal::MalformedOffer(_)
        | Refusal::Incompatible { .. }
        | Refusal::NotRecorded(_)
        | Refusal::Fault => Failure::Command(CommandReason::OtherFailure),
    }
}
