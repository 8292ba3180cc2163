//! The lobby (MS-CONFBAS §3.14; CB-226 to CB-233, CB-257 to CB-264): plain callers wait apart from
//! the mix with music, participants without media wait for a notification.

use crate::access::{Decision, Subject, decide};
use crate::c3p::LobbyStatus;
use crate::caller::Peer;
use crate::conference::call::Call;
use crate::conference::pending::Purpose;
use crate::conference::{Focus, Phase};
use crate::disconnect::DisconnectReason;
use crate::joining::{Door, Input};
use crate::output::{CommandError, ConferenceEvent, Whom};
use crate::policy::is_founder;
use crate::refusal::Refusal;
use crate::roster::{EndpointStatus, SessionType, UserId};
use plenum_mcu::control::{Action, Ambience, Audience, EndpointId, Prompt, Sentence};
use std::time::Instant;

impl Focus {
    pub(super) fn subject<'a>(&self, peer: &'a Peer) -> Subject<'a> {
        peer.subject(!self.founded && is_founder(&self.record))
    }

    /// What a call finds at its next step: after the PIN the conference may be another than
    /// when it came. Nobody who was let in is held up later.
    pub(super) fn door_for(&self, call: &Call) -> Door {
        if !call.pin_asked || call.door == Door::Open && !self.access.locked {
            return call.door;
        }
        let subject = call.peer.subject(false);
        match decide(
            &subject,
            &self.access,
            &self.record.members,
            self.record.mode,
        ) {
            Decision::Admit(_) => Door::Open,
            Decision::Lobby(_) => Door::Lobby,
            Decision::Refuse(_) => Door::Shut,
        }
    }

    /// A caller is to wait: it hears why, and then music.
    pub(super) fn hold(&mut self, now: Instant, endpoint: EndpointId) {
        self.roster
            .set_status(now, endpoint, EndpointStatus::OnHold);
        let why = if self.access.locked {
            Sentence::Locked
        } else {
            Sentence::Welcome
        };
        let prompts = [why, Sentence::Waiting].map(Prompt::Sentence);
        self.play_to(now, endpoint, prompts.to_vec());
        self.soothe(now, endpoint, Ambience::Music);
        if let Some(user) = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user) {
            self.event(ConferenceEvent::Waiting { endpoint, user });
        }
    }

    /// A caller waits no longer.
    pub(super) fn stop_waiting(&mut self, now: Instant, endpoint: EndpointId) {
        self.roster
            .set_status(now, endpoint, EndpointStatus::Pending);
        self.stop_playing(now, endpoint);
        self.soothe(now, endpoint, Ambience::Silence);
    }

    fn soothe(&mut self, now: Instant, endpoint: EndpointId, ambience: Ambience) {
        let action = Action::Ambience {
            to: Audience::One(endpoint),
            ambience,
        };
        self.mcu(now, Purpose::Nothing, action);
    }

    /// Admits or sends away. For all: as far as there is room.
    pub(super) fn decide_on(
        &mut self,
        now: Instant,
        whom: Whom,
        granted: bool,
    ) -> Result<(), CommandError> {
        let user = match whom {
            Whom::All => {
                let mut waiting: Vec<UserId> = self
                    .roster
                    .waiting()
                    .map(|endpoint| endpoint.user)
                    .collect();
                waiting.dedup();
                let mut full = false;
                for user in waiting {
                    full |= self.decide_on_user(now, user, granted) == LobbyStatus::ConferenceFull;
                }
                return if full {
                    Err(CommandError::Refused(Refusal::Full))
                } else {
                    Ok(())
                };
            }
            Whom::User(user) => user,
        };
        match self.decide_on_user(now, user, granted) {
            LobbyStatus::Success => Ok(()),
            LobbyStatus::ConferenceFull => Err(CommandError::Refused(Refusal::Full)),
            LobbyStatus::UserDoesntExist => Err(CommandError::UnknownUser),
            LobbyStatus::AlreadyGranted => Err(CommandError::NotWaiting),
        }
    }

    /// CB-229, CB-230: one user, with all their endpoints that wait.
    pub(super) fn decide_on_user(
        &mut self,
        now: Instant,
        user: UserId,
        granted: bool,
    ) -> LobbyStatus {
        let Some(endpoints) = self.roster.user(user).map(|user| user.endpoints.clone()) else {
            return LobbyStatus::UserDoesntExist;
        };
        let waits = |id: &EndpointId| {
            let status = self.roster.endpoint(*id).map(|endpoint| endpoint.status);
            status == Some(EndpointStatus::OnHold)
        };
        let waiting: Vec<EndpointId> = endpoints.into_iter().filter(waits).collect();
        if waiting.is_empty() {
            return LobbyStatus::AlreadyGranted;
        }
        if !matches!(self.phase, Phase::Active) {
            return LobbyStatus::UserDoesntExist;
        }
        if !granted {
            for endpoint in waiting {
                self.release(now, endpoint, DisconnectReason::Denied);
            }
            return LobbyStatus::Success;
        }
        if self.roster.places() >= self.most_endpoints() {
            return LobbyStatus::ConferenceFull;
        }
        for endpoint in waiting {
            self.let_in(now, endpoint);
        }
        LobbyStatus::Success
    }

    fn let_in(&mut self, now: Instant, endpoint: EndpointId) {
        match self.roster.endpoint(endpoint).map(|it| it.session) {
            Some(SessionType::AudioVideo) => self.advance(now, endpoint, Input::Admitted),
            Some(SessionType::Focus) => self.connect_attendance(now, endpoint),
            None => {}
        }
    }
}
