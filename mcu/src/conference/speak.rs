//! The sending half of a tick: from the bus to every listener's datagrams.

use std::time::Instant;

use plenum_media::leg::Outgoing;
use plenum_media::negotiated::SendFormat;
use plenum_media::pcm::PcmFrame;
use smallvec::SmallVec;

use super::{McuConference, Network};
use crate::audio::encode_plan::{frames_per_packet, loss_class};
use crate::audio::level;
use crate::control::{Ambience, Report, Stage};
use crate::endpoint::Endpoint;
use crate::listener::{CLASSES, Class, Gains, Private, Shared, Sources};

/// A signal silent for so long may be replaced by comfort noise: 200 ms.
const QUIET_TICKS: u32 = 10;
/// The comfort noise level we announce, −dBov.
const NOISE: u8 = 70;
/// Each leg's RTCP is looked at every so many ticks.
const RTCP_TICKS: u64 = 5;
/// Encoders learn the peers' losses every second.
const LOSS_TICKS: u64 = 50;

impl<P> McuConference<P> {
    pub(super) fn speak(&mut self, now: Instant, network: &mut impl Network<P>) {
        let announced = self.announce();
        self.assign(announced.is_some());
        self.play_music();
        self.make_shared(announced.is_some(), announced.unwrap_or(1.0));
        self.tape();
        if self.tick.is_multiple_of(LOSS_TICKS) {
            self.learn_losses();
        }
        for slot in 0..self.slots.len() {
            self.speak_to(now, slot, announced, network);
        }
        self.plan.retire();
        self.poll_rtcp(now, network);
    }

    /// The next 20 ms of what is announced to all. Returns how much of the conference is heard under
    /// it, or `None` when nothing is announced.
    fn announce(&mut self) -> Option<f32> {
        let playback = self.announcements.front_mut()?;
        let under = playback.under();
        if playback.frame(&mut self.frames.announcement) {
            let playback = playback.id();
            self.announcements.pop_front();
            self.reports.push(Report::Played { playback });
        }
        Some(under)
    }

    /// Decides for everybody: which class, and whether a signal of one's own is needed.
    fn assign(&mut self, announced: bool) {
        let tick = self.tick;
        let stages = self.slots.iter().flatten().map(|e| e.stage);
        let alone = stages.filter(|stage| *stage == Stage::Mix).take(2).count() < 2;
        self.count_quiet(announced);
        self.plan.begin(tick);
        for endpoint in self.slots.iter_mut().flatten() {
            let class = class_of(endpoint, alone);
            let Some(format) = endpoint.send_format() else {
                endpoint.listener.private = None;
                endpoint.listener.group = None;
                endpoint.listener.class = None;
                continue;
            };
            let needs = own_signal(endpoint, class);
            let listener = &mut endpoint.listener;
            let changed = listener.class.is_some_and(|heard| heard != class);
            if listener
                .private
                .as_ref()
                .is_some_and(|p| p.format() != format)
            {
                listener.private = None;
            }
            if let Some(private) = &mut listener.private {
                if !private.linger(needs || changed) {
                    listener.private = None;
                }
            } else if needs || changed {
                let heard = listener.class.unwrap_or(class);
                let heard = self.shared.get(heard.index()).and_then(Option::as_deref);
                listener.private = Some(Box::new(Private::split(heard, format, tick)));
            }
            listener.class = Some(class);
            let index = class.index();
            let quiet = self.quiet.get(index).copied().unwrap_or(0);
            listener.comfort_noise =
                endpoint.takes_comfort_noise && quiet >= QUIET_TICKS && listener.private.is_none();
            if listener.private.is_some() || listener.comfort_noise {
                listener.group = None;
            } else {
                listener.group = Some(self.plan.join(class, format, listener.group));
            }
            if let Some(shared) = self.shared.get_mut(index) {
                shared.get_or_insert_with(Box::<Shared>::default).want(tick);
            }
        }
        self.assign_tape();
    }

    fn count_quiet(&mut self, announced: bool) {
        let active = self.bus.active;
        for (index, quiet) in self.quiet.iter_mut().enumerate() {
            let class = Class::from_index(index);
            let sounds = class.mix && active || class.music || class.announcements && announced;
            *quiet = if sounds { 0 } else { quiet.saturating_add(1) };
        }
    }

    /// The music goes on for everybody at once, while anybody hears it.
    fn play_music(&mut self) {
        let heard = self
            .slots
            .iter()
            .flatten()
            .filter_map(|e| e.listener.class)
            .any(|c| c.music);
        // One more frame is made after the last listener has left, to be faded out.
        if heard || self.music_at != 0 {
            let music = self.sounds.music();
            self.music_at = music.frame(self.music_at, &mut self.frames.music);
        }
        if !heard {
            self.music_at = 0;
        }
    }

    fn make_shared(&mut self, announced: bool, under: f32) {
        let sources = Sources {
            bus: self.bus.active.then_some(&self.bus.sum),
            music: Some(&self.frames.music),
            announcements: announced.then_some(&self.frames.announcement),
        };
        for (index, shared) in self.shared.iter_mut().enumerate().take(CLASSES) {
            let Some(shared) = shared else { continue };
            let class = Class::from_index(index);
            shared.make(self.tick, sources, class.gains(under));
        }
        for group in self.plan.groups() {
            let shared = self.shared.get(group.signal.index());
            if let Some(shared) = shared.and_then(Option::as_deref) {
                group.encode(self.tick, shared.frame(), shared.past());
                self.work.encodes += 1;
            }
        }
    }

    /// Makes, encodes and sends what one listener hears.
    fn speak_to(
        &mut self,
        now: Instant,
        slot: usize,
        announced: Option<f32>,
        network: &mut impl Network<P>,
    ) {
        let Some(Some(endpoint)) = self.slots.get_mut(slot) else {
            return;
        };
        let prompt = next_prompt(endpoint, &mut self.frames.prompt, &mut self.reports);
        let Some(format) = endpoint.send_format() else {
            return;
        };
        let class = endpoint.listener.class.unwrap_or_default();
        if let Some(private) = &mut endpoint.listener.private {
            let sources = Sources {
                bus: self.bus.active.then_some(&self.bus.sum),
                music: Some(&self.frames.music),
                announcements: announced.is_some().then_some(&self.frames.announcement),
            };
            let own = endpoint.voice.frame.filter(|_| endpoint.voice.on_bus);
            let own = own.and_then(|index| self.frames.pool.get(index));
            let gain_out = level::factor(endpoint.filter.gain_out_db);
            let gains = listening_gains(class, announced, prompt, gain_out);
            let heard = prompt.map(|_| &self.frames.prompt);
            private.make(&mut self.frames.scratch, sources, own, heard, gains);
            self.work.encodes += 1;
        }
        self.send(now, slot, format, network);
    }

    fn send(
        &mut self,
        now: Instant,
        slot: usize,
        format: SendFormat,
        network: &mut impl Network<P>,
    ) {
        let Some(Some(endpoint)) = self.slots.get_mut(slot) else {
            return;
        };
        let endpoint = endpoint.as_mut();
        let mut csrcs: SmallVec<[u32; 16]> = SmallVec::new();
        if endpoint.listener.class.is_some_and(|class| class.mix) {
            let others = self.bus.sources.iter().filter(|(other, _)| *other != slot);
            csrcs.extend(others.map(|(_, ssrc)| *ssrc));
        }
        let Some(to) = endpoint.leg.rtp_destination() else {
            return;
        };
        let (packet, work) = (&mut self.packet, &mut self.work);
        let (leg, port) = (&mut endpoint.leg, &mut endpoint.port);
        let mut transmit = |outgoing: Outgoing<'_>, ticks: u32| {
            if leg.packetize(now, outgoing, ticks, &csrcs, packet) {
                network.send_rtp(port, to, packet);
                work.packets += 1;
            }
        };
        let listener = &endpoint.listener;
        let group = listener.group.and_then(|index| self.plan.group(index));
        let packets = match &listener.private {
            Some(private) => Some(&private.packets),
            None => group.map(|group| &group.packets),
        };
        match packets {
            Some(packets) => {
                for (payload, ticks) in packets.iter() {
                    transmit(Outgoing::Audio(payload), ticks);
                }
            }
            None => {
                for _ in 0..packets_in(format, self.tick) {
                    transmit(Outgoing::Silence { noise: NOISE }, packet_ticks(format));
                }
            }
        }
    }

    /// Encoders are told what the listeners' reports say.
    fn learn_losses(&mut self) {
        for group in self.plan.groups() {
            let (signal, format) = (group.signal, group.format);
            let members = self.slots.iter().flatten().filter(|endpoint| {
                endpoint.listener.group.is_some()
                    && endpoint.listener.class == Some(signal)
                    && endpoint.leg.send_format() == Some(format)
            });
            let worst = members.map(|e| e.leg.peer_loss_percent()).max();
            group.expect_loss(worst.unwrap_or(0));
        }
        for endpoint in self.slots.iter_mut().flatten() {
            let loss = loss_class(endpoint.leg.peer_loss_percent());
            if let Some(private) = &mut endpoint.listener.private {
                private.expect_loss(loss);
            }
        }
    }

    fn poll_rtcp(&mut self, now: Instant, network: &mut impl Network<P>) {
        let turn = self.tick % RTCP_TICKS;
        for (slot, endpoint) in (0_u64..).zip(self.slots.iter_mut()) {
            let Some(endpoint) = endpoint else { continue };
            if slot % RTCP_TICKS == turn
                && endpoint.is_confirmed()
                && endpoint.leg.poll_rtcp(now, &mut self.packet)
                && let Some(to) = endpoint.leg.rtcp_destination()
            {
                network.send_rtcp(&mut endpoint.port, to, &self.packet);
            }
        }
    }

    /// One missed tick: legs drop what came for it, timestamps go on.
    pub(super) fn skip_one(&mut self, now: Instant) {
        for endpoint in self.slots.iter_mut().flatten() {
            endpoint.leg.skip(now);
            if let Some(format) = endpoint.leg.send_format() {
                let ticks = format.codec.clock_rate() / 50;
                endpoint
                    .leg
                    .packetize(now, Outgoing::Audio(&[]), ticks, &[], &mut self.packet);
            }
        }
    }
}

/// What an endpoint hears, prompts to it alone apart.
fn class_of<P>(endpoint: &Endpoint<P>, alone: bool) -> Class {
    let mixed = endpoint.stage == Stage::Mix;
    Class {
        mix: mixed && !alone && !endpoint.filter.deaf,
        music: endpoint.ambience == Ambience::Music && (!mixed || alone),
        announcements: mixed,
    }
}

/// Does it need a signal of its own in this tick?
fn own_signal<P>(endpoint: &Endpoint<P>, class: Class) -> bool {
    endpoint.voice.on_bus && class.mix
        || !endpoint.playbacks.is_empty()
        || endpoint.filter.gain_out_db != 0.0
}

/// The next 20 ms of the prompt that plays to this endpoint alone, and how much of everything else is
/// heard under it.
fn next_prompt<P>(
    endpoint: &mut Endpoint<P>,
    frame: &mut PcmFrame,
    reports: &mut Vec<Report>,
) -> Option<f32> {
    let playback = endpoint.playbacks.front_mut()?;
    let under = playback.under();
    if playback.frame(frame) {
        let playback = playback.id();
        endpoint.playbacks.pop_front();
        reports.push(Report::Played { playback });
    }
    Some(under)
}

fn listening_gains(
    class: Class,
    announced: Option<f32>,
    prompt: Option<f32>,
    gain_out: f32,
) -> Gains {
    let gains = class.gains(announced.unwrap_or(1.0));
    gains.with(prompt.unwrap_or(1.0), prompt.is_some(), gain_out)
}

/// How many packets of a format end with this tick.
fn packets_in(format: SendFormat, tick: u64) -> u64 {
    let phase = tick % frames_per_packet(format);
    let ptime = u64::from(format.ptime_ms).max(1);
    (phase + 1) * 20 / ptime - phase * 20 / ptime
}

fn packet_ticks(format: SendFormat) -> u32 {
    format.codec.clock_rate() / 1_000 * u32::from(format.ptime_ms)
}
