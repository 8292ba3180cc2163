//! What is recorded of a conference: a listener that hears everybody and what is announced to all, and sends nothing.

use super::McuConference;
use crate::audio::encode_plan::Packets;
use crate::listener::{Class, Shared};
use crate::recording::SOUND;

/// What a recording hears: no music, which only those hear who wait.
const HEARD: Class = Class {
    mix: true,
    music: false,
    announcements: true,
};

/// The recording of one conference.
#[derive(Debug, Default)]
pub(super) struct Taped {
    /// Its group in the encode plan.
    group: Option<usize>,
    /// The packets of this tick.
    packets: Packets,
}

impl<P> McuConference<P> {
    /// Begins or ends to encode what a recording hears.
    pub fn record(&mut self, on: bool) {
        self.taped = on.then(Taped::default);
    }

    /// The Opus packets of the last tick, for the recording.
    pub fn recorded(&self) -> impl Iterator<Item = &[u8]> {
        let taped = self.taped.iter();
        taped.flat_map(|taped| taped.packets.iter().map(|(packet, _)| packet))
    }

    /// It hears what all of its class hear, and shares their encoder where they hear it in the same format.
    pub(super) fn assign_tape(&mut self) {
        let Some(taped) = &mut self.taped else {
            return;
        };
        taped.group = Some(self.plan.join(HEARD, SOUND, taped.group));
        if let Some(shared) = self.shared.get_mut(HEARD.index()) {
            shared
                .get_or_insert_with(Box::<Shared>::default)
                .want(self.tick);
        }
    }

    /// Keeps the packets, before the plan changes its indices.
    pub(super) fn tape(&mut self) {
        let Some(taped) = &mut self.taped else {
            return;
        };
        let group = taped.group.and_then(|index| self.plan.group(index));
        if let Some(group) = group {
            taped.packets.clone_from(&group.packets);
        }
    }
}
