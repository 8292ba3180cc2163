//! The receiving half of a tick: from legs to the bus.

use std::time::Instant;

use plenum_media::leg::{Activity, Hint, IdleDecoder, LegEvent, Pulled};
use plenum_media::pcm::PcmFrame;

use super::{McuConference, Work};
use crate::audio::level::{self, SILENCE_DBOV};
use crate::audio::mixer;
use crate::control::{Digit, Report};
use crate::endpoint::{Endpoint, Voice};

/// A leg is probed for so many ticks on end, and judged from the second on: the first frame out of a
/// decoder that was idle comes far too quiet.
const STINT: u8 = 3;
/// What is probed in this order, each kind in turn from where the last tick stopped, and how many of
/// a kind in a tick. Quiet packets are looked at now and then, for a hint can be wrong.
const PROBES: [(Hint, usize); PROBE_KINDS] = [
    (Hint::Voice, usize::MAX),
    (Hint::Unclear, usize::MAX),
    (Hint::Quiet, 1),
];
/// Quiet packets are looked at every so many ticks.
const QUIET_TICKS: u64 = 8;
/// Idle decoders kept for whoever is probed or talks next.
const SPARE_DECODERS: usize = 8;
/// How many kinds of hints there are.
pub(super) const PROBE_KINDS: usize = 3;

impl<P> McuConference<P> {
    pub(super) fn hear(&mut self, now: Instant) {
        self.frames.used = 0;
        let unknown = self.measure();
        if unknown > 0 {
            self.probe(now);
        }
        self.speakers.select();
        self.decode(now);
        self.sum();
        self.observe_talk();
        self.poll_legs();
    }

    /// Learns levels without decoding. Returns of how many legs the level is unknown.
    fn measure(&mut self) -> usize {
        let mut unknown = 0;
        for (slot, endpoint) in self.slots.iter_mut().enumerate() {
            let Some(endpoint) = endpoint else { continue };
            let audible = endpoint.audible();
            let voice = &mut endpoint.voice;
            voice.frame = None;
            voice.on_bus = false;
            voice.level = None;
            voice.chosen = self.speakers.is_chosen(slot);
            let before = voice.unknown.take();
            voice.onset = false;
            if !audible {
                self.speakers.exclude(slot);
                continue;
            }
            match endpoint.leg.activity() {
                Activity::Nothing | Activity::Silent => voice.level = Some(SILENCE_DBOV),
                Activity::Level(below) => voice.level = Some(-f32::from(below)),
                Activity::Unknown { hint } => {
                    voice.unknown = Some(hint);
                    voice.onset = hint == Hint::Voice && before != Some(Hint::Voice);
                    unknown += 1;
                    continue;
                }
            }
            let level = voice.level.map(|level| level + endpoint.filter.gain_in_db);
            self.speakers.observe(slot, level);
        }
        unknown
    }

    /// Decodes some of the legs only a decoder can judge: the chosen, those whose stint has begun, those
    /// that begin to look like voice, then [`PROBES`].
    fn probe(&mut self, now: Instant) {
        let (done, _) = self.probe_kind(now, 0, usize::MAX, |voice| voice.chosen);
        let mut budget = self.limits.decodes_per_tick.saturating_sub(done);
        let begun = |voice: &Voice| (1..STINT).contains(&voice.decoded);
        budget -= self.probe_kind(now, 0, budget, begun).0;
        budget -= self.probe_kind(now, 0, budget, |voice| voice.onset).0;
        for (kind, (hint, most)) in PROBES.into_iter().enumerate() {
            if hint == Hint::Quiet && !self.tick.is_multiple_of(QUIET_TICKS) {
                continue;
            }
            let from = self.probe_from.get(kind).copied().unwrap_or(0);
            let wanted = |voice: &Voice| voice.unknown == Some(hint);
            let (done, next) = self.probe_kind(now, from, budget.min(most), wanted);
            budget -= done;
            if let Some(from) = self.probe_from.get_mut(kind) {
                *from = next;
            }
        }
        for (slot, endpoint) in self.slots.iter_mut().enumerate() {
            let Some(endpoint) = endpoint else { continue };
            if endpoint.voice.unknown.is_some() {
                let gain = endpoint.filter.gain_in_db;
                let level = endpoint.voice.level.map(|level| level + gain);
                self.speakers.observe(slot, level);
            }
        }
    }

    /// Decodes at most `most` legs of unknown level that are `wanted`, beginning at slot `from`.
    /// Returns how many they were, and the slot after the last of them.
    fn probe_kind(
        &mut self,
        now: Instant,
        from: usize,
        most: usize,
        wanted: impl Fn(&Voice) -> bool,
    ) -> (usize, usize) {
        let from = from.min(self.slots.len());
        let mut next = from;
        let (before, after) = self.slots.split_at_mut(from);
        let after = (from..).zip(after.iter_mut());
        let mut done = 0;
        for (slot, endpoint) in after.chain((0..).zip(before.iter_mut())) {
            if done >= most {
                break;
            }
            let Some(endpoint) = endpoint else { continue };
            let voice = &endpoint.voice;
            if voice.unknown.is_none() || voice.frame.is_some() || !wanted(voice) {
                continue;
            }
            let Some(frame) = self.frames.take(&mut endpoint.voice.frame) else {
                continue;
            };
            pull(endpoint, now, frame, &mut self.decoders, &mut self.work);
            // A decoder that saw nothing of the last tick has yet to find its footing.
            if endpoint.voice.decoded > 0 {
                endpoint.voice.level = Some(level::dbov(frame));
            }
            done += 1;
            next = slot + 1;
        }
        (done, next)
    }

    /// Decodes who is heard, or was until now and must fade; lets everybody else's 20 ms pass.
    fn decode(&mut self, now: Instant) {
        for (slot, endpoint) in self.slots.iter_mut().enumerate() {
            let Some(endpoint) = endpoint else { continue };
            let heard = self.speakers.is_chosen(slot) || endpoint.voice.gain != 0.0;
            if endpoint.voice.frame.is_none() {
                if !heard {
                    endpoint.voice.decoded = 0;
                    endpoint.leg.skip(now);
                    if self.decoders.len() < SPARE_DECODERS {
                        self.decoders.extend(endpoint.leg.give_decoder());
                    }
                    continue;
                }
                if let Some(frame) = self.frames.take(&mut endpoint.voice.frame) {
                    pull(endpoint, now, frame, &mut self.decoders, &mut self.work);
                }
            }
            endpoint.voice.decoded = endpoint.voice.decoded.saturating_add(1);
        }
    }

    /// Gate, gain, bus.
    fn sum(&mut self) {
        self.bus.sum = PcmFrame::SILENCE;
        self.bus.active = false;
        self.bus.sources.clear();
        for (slot, endpoint) in self.slots.iter_mut().enumerate() {
            let Some(endpoint) = endpoint else { continue };
            let chosen = self.speakers.is_chosen(slot);
            let talking = endpoint.talk.talking();
            let voice = &mut endpoint.voice;
            let index = voice.frame;
            let Some(frame) = index.and_then(|i| self.frames.pool.get_mut(i)) else {
                voice.gain = 0.0;
                continue;
            };
            if !chosen && voice.gain == 0.0 {
                continue;
            }
            if let Some(gate) = &mut voice.gate {
                gate.apply(frame);
            }
            let mut gain_db = endpoint.filter.gain_in_db;
            if let Some(agc) = &mut voice.agc {
                let level = voice.level.unwrap_or(SILENCE_DBOV);
                gain_db += agc.observe(level, talking);
            }
            let gain = if chosen { level::factor(gain_db) } else { 0.0 };
            mixer::fade(frame, voice.gain, gain);
            voice.gain = gain;
            voice.on_bus = true;
            mixer::add(&mut self.bus.sum, frame);
            self.bus.active = true;
            if let Some(ssrc) = endpoint.leg.peer_ssrc() {
                self.bus.sources.push((slot, ssrc));
            }
        }
    }

    fn observe_talk(&mut self) {
        for endpoint in self.slots.iter_mut().flatten() {
            let changed = if endpoint.audible() {
                endpoint
                    .voice
                    .level
                    .and_then(|level| endpoint.talk.observe(level))
            } else {
                endpoint.talk.silence()
            };
            if let Some(talking) = changed {
                self.reports.push(Report::Talking {
                    endpoint: endpoint.id,
                    talking,
                });
            }
        }
        let talkers = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, endpoint)| {
                let talk = &endpoint.as_ref()?.talk;
                talk.talking().then(|| (slot, talk.average()))
            });
        if let Some(leader) = self.active.observe(talkers) {
            let leader = leader.and_then(|slot| self.slots.get(slot)?.as_ref());
            let endpoint = leader.map(|endpoint| endpoint.id);
            self.reports.push(Report::ActiveSpeaker { endpoint });
        }
    }

    fn poll_legs(&mut self) {
        for endpoint in self.slots.iter_mut().flatten() {
            while let Some(event) = endpoint.leg.poll_event() {
                let id = endpoint.id;
                match event {
                    LegEvent::Dtmf(digit) => self.reports.push(Report::Dtmf {
                        endpoint: id,
                        digit: Digit(digit),
                    }),
                    LegEvent::Lost => self.reports.push(Report::MediaLost { endpoint: id }),
                    // Signalling ends calls; media that comes back or moves needs nobody's attention.
                    LegEvent::Back
                    | LegEvent::Bye
                    | LegEvent::SourceChanged(_)
                    | LegEvent::AddressChanged(_) => {}
                }
            }
        }
    }
}

impl super::Frames {
    /// A frame for this tick; its index goes to `index`.
    fn take(&mut self, index: &mut Option<usize>) -> Option<&mut PcmFrame> {
        if self.used == self.pool.len() {
            self.pool.push(PcmFrame::SILENCE);
        }
        let frame = self.pool.get_mut(self.used)?;
        *index = Some(self.used);
        self.used += 1;
        Some(frame)
    }
}

fn pull<P>(
    endpoint: &mut Endpoint<P>,
    now: Instant,
    frame: &mut PcmFrame,
    decoders: &mut Vec<IdleDecoder>,
    work: &mut Work,
) {
    if endpoint.leg.wants_decoder()
        && let Some(decoder) = decoders.pop()
    {
        endpoint.leg.take_decoder(decoder);
    }
    work.decodes += 1;
    match endpoint.leg.pull(now, frame) {
        Pulled::Concealed => work.concealed += 1,
        Pulled::Audio | Pulled::ComfortNoise | Pulled::Nothing => {}
    }
}
