//! What a focus is told to do by those who may: RFC 4353 §3 (conference policy), RFC 4579 §5.3
//! (calling out), §5.11 (removing).

use crate::access::Role;
use crate::caller::Peer;
use crate::conference::call::SipLeg;
use crate::conference::pending::Purpose;
use crate::conference::{Entry, Focus, Phase};
use crate::disconnect::DisconnectReason;
use crate::joining::{Described, Door, State};
use crate::output::{Command, CommandError, ConferenceEvent, DialOutId, Dialler, RequestId};
use crate::refusal::Refusal;
use crate::roster::{EndpointStatus, JoiningMethod};
use crate::timer::Timer;
use plenum_mcu::control::{Action, Audience, EndpointId, MediaFilter, Prompt, Sentence};
use plenum_sip::msg::{Headers, Scheme, Uri};
use std::time::{Duration, Instant};

/// Somebody to be called.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    /// The Request-URI.
    pub(crate) uri: Uri,
    /// Who they are, if that is another URI.
    pub(crate) to: Option<Uri>,
    /// More header fields of the INVITE.
    pub(crate) headers: Headers,
    /// The mixer calls, by its own URI.
    pub(crate) from_mcu: bool,
    /// What their endpoint is called.
    pub(crate) entity: Option<String>,
    /// What they are in the conference.
    pub(crate) role: Role,
    /// Who wants them called.
    pub(crate) by: Dialler,
    /// Whether their other endpoints in the mixer go when they come in.
    pub(crate) replaces: bool,
}

impl Callee {
    fn plain(uri: &str) -> Result<Self, CommandError> {
        let bad = |_| CommandError::BadUri(uri.chars().take(128).collect());
        // A number without a scheme is meant as one (RFC 3966 §3).
        let number = uri
            .bytes()
            .all(|octet| octet.is_ascii_digit() || b"+*#-.() ".contains(&octet));
        let digits = || {
            uri.chars()
                .filter(|c| !"-.() ".contains(*c))
                .collect::<String>()
        };
        let text = if number && !uri.is_empty() {
            format!("tel:{}", digits())
        } else {
            uri.to_owned()
        };
        Ok(Self {
            uri: Uri::parse(text.as_bytes()).map_err(bad)?,
            to: None,
            headers: Headers::new(),
            from_mcu: false,
            entity: None,
            role: Role::Attendee,
            by: Dialler::Operator,
            replaces: false,
        })
    }
}

impl Focus {
    /// Carries out a command; [`ConferenceEvent::Completed`] says how it went, once.
    pub fn handle_command(&mut self, now: Instant, request: RequestId, command: Command) {
        self.visited = true;
        match command {
            Command::DialOut { uri, ringing } => {
                let dialled = Callee::plain(&uri)
                    .and_then(|callee| self.dial_out(now, callee, ringing, Some(request)));
                if let Err(error) = dialled {
                    self.complete(request, Err(error));
                }
            }
            Command::Remove { endpoint } => match self.calls.get_mut(&endpoint) {
                Some(call) => {
                    call.on_gone.push(request);
                    self.release(now, endpoint, DisconnectReason::Booted);
                }
                None if self.attendances.contains_key(&endpoint) => {
                    self.release(now, endpoint, DisconnectReason::Booted);
                    self.complete(request, Ok(()));
                }
                None => self.complete(request, Err(CommandError::UnknownEndpoint)),
            },
            Command::RemoveUser { user } => {
                let known = self.roster.user(user).map(drop);
                self.remove_user(now, user);
                self.complete(request, known.ok_or(CommandError::UnknownUser));
            }
            Command::Filter { endpoint, filter } => {
                self.moderate(now, request, endpoint, filter);
            }
            Command::Lock(locked) => {
                self.lock(locked);
                self.complete(request, Ok(()));
            }
            Command::Admit(whom) => {
                let result = self.decide_on(now, whom, true);
                self.complete(request, result);
            }
            Command::Deny(whom) => {
                let result = self.decide_on(now, whom, false);
                self.complete(request, result);
            }
            Command::MuteAll(muted) => {
                self.mute_all(now, muted);
                self.complete(request, Ok(()));
            }
            Command::SetRole { user, role } => {
                let result = self.change_role(now, user, role);
                self.complete(request, result);
            }
            Command::Pictures(command) => self.handle_picture_command(now, request, command),
            Command::Record(order) => self.handle_record(now, request, order),
            Command::RevokeFloor => {
                let result = self.revoke_floor(now);
                self.complete(request, result);
            }
            Command::GiveFloor { endpoint } => {
                let result = self.give_floor(now, endpoint);
                self.complete(request, result);
            }
            Command::End => {
                self.begin_farewell(now, None, DisconnectReason::ConferenceEnded);
                self.complete(request, Ok(()));
            }
        }
        self.settle(now);
    }

    /// The server goes down: nobody is let in, those in the mix hear that it is over, and all are
    /// hung up when they have heard it, or at the `deadline`.
    pub fn handle_drain(&mut self, now: Instant, deadline: Instant) {
        self.begin_farewell(now, Some(deadline), DisconnectReason::Drained);
        self.settle(now);
    }

    /// RFC 4579 §5.3: calls those whom the record says.
    pub(super) fn call_the_configured(&mut self, now: Instant) {
        let record = std::sync::Arc::clone(&self.record);
        for uri in &record.dial_out {
            let ringing = self.settings.ringing;
            let dialled =
                Callee::plain(uri).and_then(|callee| self.dial_out(now, callee, ringing, None));
            if let Err(error) = dialled {
                self.event(ConferenceEvent::DialOutFailed {
                    uri: uri.clone(),
                    error,
                });
            }
        }
    }

    /// Who a participant is to the rules for calling out.
    pub(in crate::conference) fn dialler(&self, endpoint: EndpointId) -> Dialler {
        let called = self.calls.get(&endpoint).map(|call| &call.peer);
        let joined = || self.attendances.get(&endpoint).map(|one| &one.peer);
        let peer = called.or_else(joined);
        Dialler::Participant(
            peer.filter(|peer| peer.trusted)
                .and_then(|peer| peer.aor.clone()),
        )
    }

    pub(super) fn dial_out(
        &mut self,
        now: Instant,
        callee: Callee,
        ringing: Duration,
        on_joined: Option<RequestId>,
    ) -> Result<(), CommandError> {
        let known = callee.to.as_ref().unwrap_or(&callee.uri);
        let callable = |uri: &Uri| uri.is_sip() || uri.scheme == Scheme::Tel;
        if !callable(&callee.uri) || !callable(known) {
            let uri = callee.uri.to_string();
            return Err(CommandError::BadUri(uri.chars().take(128).collect()));
        }
        let occupancy = self.occupancy();
        if occupancy.ending {
            return Err(CommandError::Ending);
        }
        if !self.mixer_is_up() {
            return Err(CommandError::Refused(self.no_mixer()));
        }
        if occupancy.places >= self.most_endpoints() {
            return Err(CommandError::Refused(Refusal::Full));
        }
        self.last_dial_out += 1;
        let dial_out = DialOutId(self.last_dial_out);
        let peer = Peer {
            uri: Some(callee.uri.clone()),
            ..Peer::called(known.clone())
        };
        let filter = self.initial_filter(callee.role);
        let settings = self.endpoint_settings(&peer, filter);
        let state = State::Preparing(Described::awaited(false));
        let leg = SipLeg::Unplaced(dial_out);
        let entry = Entry {
            role: callee.role,
            door: Door::Open,
            pin_asked: false,
            filter,
            entity: callee.entity.clone(),
        };
        let endpoint = self.admit(now, peer, leg, state, JoiningMethod::DialedOut, entry);
        self.by_dial_out.insert(dial_out, endpoint);
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.callee = Some(Box::new(callee));
            call.on_joined = on_joined;
            call.ringing = ringing;
        }
        let action = Action::Add {
            endpoint,
            offer: None,
            settings,
        };
        self.mcu(now, Purpose::Add(endpoint), action);
        Ok(())
    }

    /// Somebody's filter is set by somebody else: who is muted or unmuted hears so.
    fn moderate(
        &mut self,
        now: Instant,
        request: RequestId,
        endpoint: EndpointId,
        filter: MediaFilter,
    ) {
        let Some(call) = self.calls.get(&endpoint) else {
            self.complete(request, Err(CommandError::UnknownEndpoint));
            return;
        };
        let say = match (call.wanted.muted, filter.muted) {
            (false, true) => Some(Sentence::Muted),
            (true, false) => Some(Sentence::Unmuted),
            (true, true) | (false, false) => None,
        };
        self.set_filter(now, endpoint, filter, say, Some(request));
    }

    pub(super) fn begin_farewell(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
        reason: DisconnectReason,
    ) {
        if !matches!(self.phase, Phase::Active) {
            return;
        }
        self.phase = Phase::Farewell(reason.clone());
        self.timers.set(Timer::Grace, None);
        self.end_attendances(now, &reason);
        // Who is not in the mix cannot hear it, and has nothing to lose.
        let apart = |roster: &crate::roster::Roster, endpoint: &EndpointId| {
            let status = roster.endpoint(*endpoint).map(|endpoint| endpoint.status);
            status != Some(EndpointStatus::Connected)
        };
        let outside: Vec<EndpointId> = self
            .calls
            .keys()
            .copied()
            .filter(|id| apart(&self.roster, id))
            .collect();
        for endpoint in outside {
            self.release(now, endpoint, reason.clone());
        }
        if self.roster.in_mix() > 0 {
            let prompts = vec![Prompt::Sentence(Sentence::ConferenceEnded)];
            self.farewell = Some(self.play(now, Audience::All, prompts));
            let enough = now + self.settings.limits.farewell;
            let until = deadline.map_or(enough, |deadline| deadline.min(enough));
            self.timers.set(Timer::Farewell, Some(until));
        }
    }

    /// The farewell was heard, or has had its time.
    pub(super) fn hang_up_all(&mut self, now: Instant) {
        let Phase::Farewell(reason) = &self.phase else {
            return;
        };
        let reason = reason.clone();
        self.farewell = None;
        self.timers.set(Timer::Farewell, None);
        let all: Vec<EndpointId> = self.calls.keys().copied().collect();
        for endpoint in all {
            self.release(now, endpoint, reason.clone());
        }
    }
}
