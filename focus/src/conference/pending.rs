//! Commands to mixers that are not answered yet: each has a purpose and a deadline.

use crate::conference::Focus;
use crate::output::{McuType, Output, RequestId};
use crate::timer::Timer;
use plenum_mcu::control::{
    Action, Audience, CommandId, EndpointId, EndpointVideo, McuCommand, McuError, PlaybackId,
    Prompt, Sentence,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// Why a command was given: what its answer means.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// The conference itself.
    Create,
    /// The end of the conference itself.
    Destroy,
    /// A new endpoint.
    Add(EndpointId),
    /// The peer's answer to the first offer.
    Settle(EndpointId),
    /// The mix for an endpoint.
    Place(EndpointId),
    /// A new offer or answer in a session that stands.
    Renegotiate(EndpointId),
    /// The end of an endpoint.
    Remove(EndpointId),
    /// What passes between an endpoint and the mix.
    Filter {
        /// Whose.
        endpoint: EndpointId,
        /// What to say to it when applied.
        say: Option<Sentence>,
        /// Who is to be told.
        request: Option<RequestId>,
    },
    /// How an endpoint is seen, and what it sees.
    Looks {
        /// Whose.
        endpoint: EndpointId,
        /// What it is then.
        looks: Box<EndpointVideo>,
        /// Who is to be told.
        request: Option<RequestId>,
    },
    /// Prompts.
    Play(PlaybackId),
    /// A recording.
    Record,
    /// Nothing hangs on it.
    Nothing,
}

/// The commands under way. Ids rise, and each has the same time, so the first is the first to
/// run out.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    commands: BTreeMap<CommandId, (Instant, Purpose)>,
    last: u64,
}

impl Pending {
    pub(super) fn take(&mut self, id: CommandId) -> Option<Purpose> {
        self.commands.remove(&id).map(|(_, purpose)| purpose)
    }

    fn add(&mut self, deadline: Instant, purpose: Purpose) -> CommandId {
        self.last += 1;
        let id = CommandId(self.last);
        self.commands.insert(id, (deadline, purpose));
        id
    }

    fn deadline(&self) -> Option<Instant> {
        self.commands
            .first_key_value()
            .map(|(_, &(deadline, _))| deadline)
    }

    fn take_due(&mut self, now: Instant) -> Option<Purpose> {
        let first = self.commands.first_entry()?;
        (first.get().0 <= now).then(|| first.remove().1)
    }
}

impl Focus {
    /// Gives a command to the audio MCU.
    pub(super) fn mcu(&mut self, now: Instant, purpose: Purpose, action: Action) {
        let id = self
            .pending
            .add(now + self.settings.limits.mcu_deadline, purpose);
        let command = McuCommand {
            id,
            conference: self.id,
            action,
        };
        self.outputs
            .push_back(Output::Mcu(McuType::AudioVideo, command));
        self.timers.set(Timer::Command, self.pending.deadline());
    }

    /// Plays prompts to one endpoint, in the place of what it was being played.
    pub(super) fn play_to(&mut self, now: Instant, endpoint: EndpointId, prompts: Vec<Prompt>) {
        self.stop_playing(now, endpoint);
        let playback = self.play(now, Audience::One(endpoint), prompts);
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.playback = Some(playback);
            self.playing.insert(playback, endpoint);
        }
    }

    /// Plays prompts.
    pub(super) fn play(&mut self, now: Instant, to: Audience, prompts: Vec<Prompt>) -> PlaybackId {
        self.last_playback += 1;
        let playback = PlaybackId(self.last_playback);
        let action = Action::Play {
            playback,
            to,
            prompts,
            over_mix: true,
        };
        self.mcu(now, Purpose::Play(playback), action);
        playback
    }

    /// Stops what one endpoint is being played.
    pub(super) fn stop_playing(&mut self, now: Instant, endpoint: EndpointId) {
        if let Some(playback) = self.forget_playback(endpoint) {
            self.mcu(now, Purpose::Nothing, Action::Stop { playback });
        }
    }

    /// What one endpoint is being played does not matter any more.
    pub(super) fn forget_playback(&mut self, endpoint: EndpointId) -> Option<PlaybackId> {
        let playback = self.calls.get_mut(&endpoint)?.playback.take()?;
        self.playing.remove(&playback);
        Some(playback)
    }

    /// Commands whose time is over have failed.
    pub(super) fn handle_silence(&mut self, now: Instant) {
        while let Some(purpose) = self.pending.take_due(now) {
            self.settings.metrics.mcu_timeouts.inc();
            self.handle_done(now, purpose, Err(SILENCE));
        }
        self.timers.set(Timer::Command, self.pending.deadline());
    }

    /// A command was answered.
    pub(super) fn handle_answered(
        &mut self,
        now: Instant,
        id: CommandId,
        result: Result<(), McuError>,
    ) {
        let Some(purpose) = self.pending.take(id) else {
            return;
        };
        self.timers.set(Timer::Command, self.pending.deadline());
        self.handle_done(now, purpose, result);
    }
}

/// What a mixer that does not answer is taken to have answered.
pub(super) const SILENCE: McuError = McuError::Overloaded("time to mix");
