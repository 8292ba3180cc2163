//! Simulated phones around one conference, in virtual time and without sockets.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_media::codec::{Decoder, Encoder};
use plenum_media::leg::{AudioLeg, LegConfig};
use plenum_media::negotiated::{Codec, NegotiatedAudio, Payload, SendFormat};
use plenum_media::pcm::{FRAME_SAMPLES, PcmFrame};

use crate::NewEndpoint;
use crate::audio::announce::Sounds;
use crate::conference::{McuConference, Network, Order};
use crate::control::{
    ConferenceSettings, EndpointId, EndpointSettings, McuError, MediaFilter, Offers, Report, Stage,
};
use crate::limits::Limits;

pub(super) const TICK: Duration = Duration::from_millis(20);

/// One packet a phone received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) tick: u64,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) csrcs: usize,
    pub(super) payload_type: u8,
    pub(super) payload: Vec<u8>,
}

/// What a phone says in a tick.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// Packets of digital silence.
    Silence,
    /// A sine: frequency in hertz and amplitude.
    Tone(f32, f32),
}

pub(super) struct Phone {
    pub(super) says: Says,
    pub(super) codec: Codec,
    encoder: Encoder,
    sequence: u16,
    timestamp: u32,
    sample: u32,
    /// How long before the tick its packets come.
    pub(super) lead: Duration,
    /// The payloads it sent.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) received: Vec<Received>,
}

/// Everything that was sent, by the port's name.
#[derive(Default)]
pub(super) struct Wire(Vec<(u64, Vec<u8>)>, BTreeMap<u64, u64>);

impl Network<u64> for Wire {
    fn send_rtp(&mut self, port: &mut u64, _to: SocketAddr, packet: &[u8]) {
        self.0.push((*port, packet.to_vec()));
        *self.1.entry(*port).or_default() += 1;
    }

    fn send_rtcp(&mut self, port: &mut u64, _to: SocketAddr, _packet: &[u8]) {
        *self.1.entry(*port).or_default() += 1;
    }
}

/// A conference and its phones.
pub(super) struct Room {
    pub(super) conference: McuConference<u64>,
    pub(super) phones: BTreeMap<u64, Phone>,
    pub(super) reports: Vec<Report>,
    pub(super) now: Instant,
    pub(super) tick: u64,
    wire: Wire,
}

pub(super) fn limits() -> Limits {
    Limits::default()
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        let settings = ConferenceSettings {
            max_endpoints: 500,
            language: "en".to_owned(),
            video: Default::default(),
            audio_only: false,
        };
        let sounds = Arc::new(Sounds::shipped().unwrap());
        Self {
            conference: McuConference::new(settings, Arc::new(limits), sounds),
            phones: BTreeMap::new(),
            reports: Vec::new(),
            now: Instant::now(),
            tick: 0,
            wire: Wire::default(),
        }
    }

    pub(super) fn join(&mut self, phone: u64, codec: Codec, ptime_ms: u8, says: Says) {
        self.join_at(phone, codec, ptime_ms, says, Stage::Mix);
    }

    pub(super) fn join_at(
        &mut self,
        phone: u64,
        codec: Codec,
        ptime_ms: u8,
        says: Says,
        stage: Stage,
    ) {
        let settings = EndpointSettings {
            stage,
            ..settings()
        };
        self.join_with(phone, codec, ptime_ms, says, settings);
    }

    pub(super) fn join_with(
        &mut self,
        phone: u64,
        codec: Codec,
        ptime_ms: u8,
        says: Says,
        settings: EndpointSettings,
    ) {
        let new = NewEndpoint {
            endpoint: EndpointId(phone),
            port: phone,
            leg: AudioLeg::new(config(phone), self.now),
            settings,
            negotiated: Some(negotiated(phone, codec, ptime_ms)),
        };
        self.order(Order::Add(Box::new(new))).unwrap();
        let phone_of = Phone {
            says,
            codec,
            encoder: Encoder::new(format(codec, 20)),
            sequence: 100,
            timestamp: 5_000,
            sample: 0,
            lead: Duration::from_millis(7),
            sent: Vec::new(),
            received: Vec::new(),
        };
        self.phones.insert(phone, phone_of);
    }

    pub(super) fn order(&mut self, order: Order<u64>) -> Result<(), McuError> {
        let result = self.conference.handle(self.now, order, &mut self.wire);
        self.reports.extend(self.conference.drain_reports());
        result
    }

    pub(super) fn filter(&mut self, phone: u64, filter: MediaFilter) {
        let endpoint = EndpointId(phone);
        self.order(Order::Filter { endpoint, filter }).unwrap();
    }

    /// Datagrams that were sent to a phone.
    pub(super) fn sent_to(&self, phone: u64) -> u64 {
        self.wire.1.get(&phone).copied().unwrap_or(0)
    }

    /// Lets ticks pass: every phone sends its packet a little before the tick.
    pub(super) fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            for (port, leg) in self.conference.legs() {
                let Some(phone) = self.phones.get_mut(port) else {
                    continue;
                };
                let arrival = self.now + TICK - phone.lead;
                leg.handle_rtp(arrival, remote(*port), &phone.packet());
            }
            self.now += TICK;
            self.conference.tick(self.now, &mut self.wire);
            for (port, packet) in self.wire.0.drain(..) {
                if let Some(phone) = self.phones.get_mut(&port) {
                    phone.received.push(parse(self.tick, &packet));
                }
            }
            self.reports.extend(self.conference.drain_reports());
            self.tick += 1;
        }
    }

    /// What a phone heard from a tick on, decoded.
    pub(super) fn heard(&self, phone: u64, from: u64) -> Vec<f32> {
        let phone = &self.phones[&phone];
        let mut decoder = Decoder::new(phone.codec).unwrap();
        let mut out = Vec::new();
        let mut all = Vec::new();
        for packet in &phone.received {
            out.clear();
            decoder.decode(&packet.payload, &mut out).unwrap();
            if packet.tick >= from {
                all.extend_from_slice(&out);
            }
        }
        all
    }
}

impl Phone {
    fn packet(&mut self) -> Vec<u8> {
        let mut frame = PcmFrame::SILENCE;
        match self.says {
            Says::Silence => {}
            Says::Tone(hz, amplitude) => {
                for (n, x) in (self.sample..).zip(frame.0.iter_mut()) {
                    *x = amplitude * (TAU * hz * n as f32 / 48_000.0).sin();
                }
            }
        }
        self.sample += FRAME_SAMPLES as u32;
        let mut packet = vec![0x80, number(self.codec)];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(0x0102_0304_u32.to_be_bytes());
        let mut step = 0;
        let sent = &mut self.sent;
        self.encoder.push(&frame, &mut |payload, ticks| {
            packet.extend_from_slice(payload);
            sent.push(payload.to_vec());
            step = ticks;
        });
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(step);
        packet
    }
}

/// In the mix, without anything in its way.
pub(super) fn settings() -> EndpointSettings {
    EndpointSettings {
        stage: Stage::Mix,
        filter: MediaFilter::default(),
        signalled_from: None,
        reached_at: None,
        agc: false,
        noise_gate: false,
        name: String::new(),
        looks: Box::default(),
        terms: Default::default(),
        offers: Offers::Phone,
    }
}

fn parse(tick: u64, packet: &[u8]) -> Received {
    let csrcs = usize::from(packet[0] & 0x0f);
    Received {
        tick,
        sequence: u16::from_be_bytes([packet[2], packet[3]]),
        timestamp: u32::from_be_bytes(packet[4..8].try_into().unwrap()),
        csrcs,
        payload_type: packet[1] & 0x7f,
        payload: packet[12 + 4 * csrcs..].to_vec(),
    }
}

pub(super) fn format(codec: Codec, ptime_ms: u8) -> SendFormat {
    let opus = codec == Codec::Opus;
    SendFormat {
        codec,
        ptime_ms,
        bitrate: if opus { 40_000 } else { 0 },
        playback_rate: if opus { 48_000 } else { 0 },
        fec: false,
        dtx: false,
        cbr: false,
    }
}

fn number(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 96,
        Codec::G722 => 9,
        Codec::Pcma => 8,
        Codec::Pcmu => 0,
    }
}

fn remote(phone: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(phone).unwrap() * 2))
}

pub(super) fn negotiated(phone: u64, codec: Codec, ptime_ms: u8) -> NegotiatedAudio {
    NegotiatedAudio {
        send: format(codec, ptime_ms),
        send_pt: number(codec),
        send_dtmf_pt: None,
        send_cn_pt: None,
        receive: [(number(codec), Payload::Audio(codec))]
            .into_iter()
            .collect(),
        remote_rtp: Some(remote(phone)),
        remote_rtcp: Some(remote(phone)),
        rtcp_mux: true,
        sending: true,
        receiving: true,
        audio_level_id: None,
    }
}

fn config(phone: u64) -> LegConfig {
    LegConfig {
        ssrc: 7_000 + u32::try_from(phone).unwrap(),
        cname: format!("phone{phone}@test"),
        seed: phone,
        ntp_origin: 0,
        jitter_ceiling: Duration::from_millis(200),
        jitter_packets: 64,
        media_timeout: Duration::from_secs(30),
        signalled_from: None,
        latch_window: Duration::from_secs(10),
        relatch_silence: Duration::from_secs(5),
        inband_dtmf: false,
        metrics: Arc::default(),
    }
}

/// The level of one frequency in some samples, dB relative to a full-scale sine.
pub(super) fn tone_db(samples: &[f32], hz: f32) -> f32 {
    let (mut re, mut im) = (0.0_f64, 0.0_f64);
    for (n, x) in samples.iter().enumerate() {
        let angle = f64::from(TAU) * f64::from(hz) * n as f64 / 48_000.0;
        re += f64::from(*x) * angle.cos();
        im += f64::from(*x) * angle.sin();
    }
    let amplitude = 2.0 * (re * re + im * im).sqrt() / samples.len() as f64;
    (20.0 * amplitude.max(1e-9).log10()) as f32
}

/// What is left of some samples after the best fitting sines of these frequencies are taken out, dB
/// relative to what was taken: total harmonic distortion and noise.
pub(super) fn residual_db(samples: &[f32], tones: &[f32]) -> f32 {
    let mut rest: Vec<f64> = samples.iter().map(|x| f64::from(*x)).collect();
    let power = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let total = power(&rest);
    for _ in 0..4 {
        for hz in tones {
            let w = f64::from(TAU) * f64::from(*hz) / 48_000.0;
            let (mut re, mut im) = (0.0, 0.0);
            for (n, x) in rest.iter().enumerate() {
                re += x * (w * n as f64).cos();
                im += x * (w * n as f64).sin();
            }
            let scale = 2.0 / rest.len() as f64;
            for (n, x) in rest.iter_mut().enumerate() {
                *x -= scale * (re * (w * n as f64).cos() + im * (w * n as f64).sin());
            }
        }
    }
    (10.0 * (power(&rest) / total).log10()) as f32
}
