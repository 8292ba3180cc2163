//! One conference's mixer: endpoints in, a tick every 20 ms, datagrams and reports out.
//!
//! Sans-IO: the caller gives the time, hands each leg what its sockets received ([`McuConference::legs`]),
//! applies orders between ticks ([`McuConference::handle`]), and calls [`McuConference::tick`].
//!
//! | step of a tick | where |
//! |---|---|
//! | measure, probe, select, decode, sum | `hear.rs` |
//! | talk and active-speaker reports, DTMF, lost media | `hear.rs` |
//! | classes, shared and own signals, encode, packetise | `speak.rs` |
//! | RTCP, a fifth of the legs each tick | `speak.rs` |
//!
//! The order of the audio stages and its reasons: [`crate::audio`].

mod hear;
mod orders;
mod speak;
mod tape;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "virtual time has to begin somewhere, and tests look for one variant among many"
)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use plenum_media::leg::{AudioLeg, IdleDecoder};
use plenum_media::pcm::PcmFrame;
use smallvec::SmallVec;

use crate::audio::announce::{Playback, Sounds};
use crate::audio::encode_plan::EncodePlan;
use crate::audio::speaker::{Selection, Speakers};
use crate::audio::talk::ActiveSpeaker;
use crate::control::{Ambience, ConferenceSettings, EndpointId, Quality, Report};
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::listener::{CLASSES, Class, Shared};

pub use orders::{Leaver, Order};

/// Where a conference's datagrams go. Nothing here may block.
pub trait Network<P> {
    /// One RTP packet.
    fn send_rtp(&mut self, port: &mut P, to: SocketAddr, packet: &[u8]);
    /// One RTCP packet.
    fn send_rtcp(&mut self, port: &mut P, to: SocketAddr, packet: &[u8]);
}

/// What a conference did since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Frames that went through a decoder.
    pub decodes: u64,
    /// Of these, frames that were at least partly concealed.
    pub concealed: u64,
    /// Frames that went through an encoder.
    pub encodes: u64,
    /// RTP packets sent.
    pub packets: u64,
}

/// The mixer of one conference. `P` is what an endpoint's datagrams are sent through.
#[derive(Debug)]
pub struct McuConference<P> {
    settings: ConferenceSettings,
    limits: Arc<Limits>,
    sounds: Arc<Sounds>,
    slots: Vec<Option<Box<Endpoint<P>>>>,
    members: usize,
    speakers: Speakers,
    active: ActiveSpeaker,
    announcements: VecDeque<Playback>,
    /// What an endpoint that is added later hears when nothing else is to be heard.
    ambience: Ambience,
    /// Ticks run, without the skipped ones.
    tick: u64,
    bus: Bus,
    plan: EncodePlan<Class>,
    shared: [Option<Box<Shared>>; CLASSES],
    /// For how many ticks each class's signal has been silent.
    quiet: [u32; CLASSES],
    music_at: usize,
    /// Where probing goes on, by kind of hint.
    probe_from: [usize; hear::PROBE_KINDS],
    frames: Frames,
    /// Decoders of those who fell silent.
    decoders: Vec<IdleDecoder>,
    packet: Vec<u8>,
    taped: Option<tape::Taped>,
    reports: Vec<Report>,
    work: Work,
}

/// The sum of the chosen in one tick.
#[derive(Debug, Default)]
struct Bus {
    sum: PcmFrame,
    /// Somebody is on it.
    active: bool,
    /// Slot and synchronisation source of those on it.
    sources: SmallVec<[(usize, u32); 16]>,
}

/// Frames used within one tick.
#[derive(Debug, Default)]
struct Frames {
    /// Decoded voices; grows to the most that were ever decoded in one tick, which the limits bound.
    pool: Vec<PcmFrame>,
    used: usize,
    scratch: PcmFrame,
    prompt: PcmFrame,
    announcement: PcmFrame,
    music: PcmFrame,
}

impl<P> McuConference<P> {
    /// An empty conference.
    pub fn new(settings: ConferenceSettings, limits: Arc<Limits>, sounds: Arc<Sounds>) -> Self {
        let selection = Selection {
            talkers: limits.talkers.clamp(1, 15),
            ..Selection::default()
        };
        Self {
            settings,
            limits,
            sounds,
            slots: Vec::new(),
            members: 0,
            speakers: Speakers::new(selection),
            active: ActiveSpeaker::default(),
            announcements: VecDeque::new(),
            ambience: Ambience::Silence,
            tick: 0,
            bus: Bus::default(),
            plan: EncodePlan::default(),
            shared: [const { None }; CLASSES],
            quiet: [0; CLASSES],
            music_at: 0,
            probe_from: [0; hear::PROBE_KINDS],
            frames: Frames::default(),
            decoders: Vec::new(),
            packet: Vec::with_capacity(1_500),
            taped: None,
            reports: Vec::new(),
            work: Work::default(),
        }
    }

    /// Every leg with its port, for the caller to hand in what was received.
    pub fn legs(&mut self) -> impl Iterator<Item = (&mut P, &mut AudioLeg)> {
        self.slots
            .iter_mut()
            .flatten()
            .map(|endpoint| (&mut endpoint.port, &mut endpoint.leg))
    }

    /// Every port with its endpoint.
    pub fn ports(&mut self) -> impl Iterator<Item = (EndpointId, &mut P)> {
        self.slots
            .iter_mut()
            .flatten()
            .map(|endpoint| (endpoint.id, &mut endpoint.port))
    }

    /// Something that the caller noticed of an endpoint.
    pub fn note(&mut self, report: Report) {
        self.reports.push(report);
    }

    /// What an endpoint's datagrams are sent through.
    pub fn port_mut(&mut self, endpoint: EndpointId) -> Option<&mut P> {
        let mut endpoints = self.slots.iter_mut().flatten();
        endpoints.find(|e| e.id == endpoint).map(|e| &mut e.port)
    }

    /// Mixes 20 ms and sends them.
    pub fn tick(&mut self, now: Instant, network: &mut impl Network<P>) {
        self.hear(now);
        self.speak(now, network);
        self.tick += 1;
    }

    /// Lets ticks pass that were missed: what came for them is dropped, timestamps go on, no delay grows.
    pub fn skip(&mut self, now: Instant, ticks: u64) {
        // Beyond a second nobody's buffer holds anything that could be skipped.
        for _ in 0..ticks.min(50) {
            self.skip_one(now);
        }
    }

    /// What happened since the last call, in order.
    pub fn drain_reports(&mut self) -> impl Iterator<Item = Report> {
        self.reports.drain(..)
    }

    /// What was done since the last call.
    pub fn take_work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    /// How many endpoints there are.
    pub fn len(&self) -> usize {
        self.members
    }

    /// There is no endpoint.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// How everybody's media is now.
    pub fn quality(&self) -> Vec<(EndpointId, Quality)> {
        let endpoints = self.slots.iter().flatten();
        endpoints.map(|e| (e.id, e.quality())).collect()
    }

    /// Groups that shared an encoder in the last tick.
    pub fn shared_encodes(&mut self) -> usize {
        self.plan.groups().count()
    }

    fn slot_of(&self, endpoint: EndpointId) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|e| e.id == endpoint))
    }
}
