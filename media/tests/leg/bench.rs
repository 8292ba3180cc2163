//! A peer that sends a signal through an encoder and a network with faults to a leg that is pulled every 20 ms.

use plenum_media::codec::Encoder;
use plenum_media::leg::{AudioLeg, LegConfig, LegEvent, Pulled};
use plenum_media::metrics::Metrics;
use plenum_media::negotiated::{Codec, NegotiatedAudio, Payload, SendFormat};
use plenum_media::pcm::PcmFrame;
use smallvec::smallvec;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Where virtual time begins. The value is never looked at.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made in any other way"
)]
pub(crate) static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(crate) const PEER: &str = "192.0.2.1:4000";

pub(crate) fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

pub(crate) fn at(us: u64) -> Instant {
    *EPOCH + Duration::from_micros(us)
}

pub(crate) fn config() -> LegConfig {
    LegConfig {
        ssrc: 0x1111_1111,
        cname: "plenum@test".into(),
        seed: 7,
        ntp_origin: 0xe000_0000_0000_0000,
        jitter_ceiling: Duration::from_millis(250),
        jitter_packets: 64,
        media_timeout: Duration::from_secs(10),
        signalled_from: None,
        latch_window: Duration::from_secs(5),
        relatch_silence: Duration::from_secs(1),
        inband_dtmf: false,
        metrics: Arc::new(Metrics::default()),
    }
}

pub(crate) fn format(codec: Codec, ptime_ms: u8) -> SendFormat {
    let opus = codec == Codec::Opus;
    SendFormat {
        codec,
        ptime_ms,
        bitrate: if opus { 64_000 } else { 0 },
        playback_rate: if opus { 48_000 } else { 0 },
        fec: opus,
        dtx: false,
        cbr: false,
    }
}

pub(crate) fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 96,
        Codec::G722 => 9,
        Codec::Pcma => 8,
        Codec::Pcmu => 0,
    }
}

pub(crate) fn agreed(codec: Codec) -> NegotiatedAudio {
    let clock = codec.clock_rate();
    NegotiatedAudio {
        send: format(codec, 20),
        send_pt: payload_type(codec),
        send_dtmf_pt: Some(101),
        send_cn_pt: (clock == 8_000).then_some(13),
        receive: smallvec![
            (96, Payload::Audio(Codec::Opus)),
            (9, Payload::Audio(Codec::G722)),
            (8, Payload::Audio(Codec::Pcma)),
            (0, Payload::Audio(Codec::Pcmu)),
            (101, Payload::TelephoneEvent(clock)),
            (13, Payload::ComfortNoise(8_000)),
        ],
        remote_rtp: Some(peer()),
        remote_rtcp: Some("192.0.2.1:4001".parse().unwrap()),
        rtcp_mux: false,
        sending: true,
        receiving: true,
        audio_level_id: Some(1),
    }
}

pub(crate) fn leg(codec: Codec) -> AudioLeg {
    let mut leg = AudioLeg::new(config(), at(0));
    leg.apply(at(0), agreed(codec));
    leg
}

/// One RTP packet.
pub(crate) fn rtp(
    pt: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, u8::from(marker) << 7 | pt];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A sequence of pseudo-random numbers in 0..1.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One packet of the peer: when it is sent, µs of its own clock, and what it is.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) us: f64,
    pub(crate) packet: Vec<u8>,
}

/// Everything the peer sends: `signal(n)` is its sample `n` at 48 kHz.
pub(crate) fn speak(
    format: SendFormat,
    seconds: f64,
    (first_sequence, first_timestamp): (u16, u32),
    signal: impl Fn(f64) -> f32,
) -> Vec<Sent> {
    let mut encoder = Encoder::new(format);
    let (mut sequence, mut timestamp) = (first_sequence, first_timestamp);
    let mut sent = Vec::new();
    let clock = f64::from(format.codec.clock_rate());
    let mut ticks_sent = 0.0;
    for frame in 0..(seconds * 50.0) as usize {
        let mut pcm = PcmFrame::default();
        for (n, sample) in pcm.0.iter_mut().enumerate() {
            *sample = signal((frame * 960 + n) as f64);
        }
        encoder.push(&pcm, &mut |payload, ticks| {
            ticks_sent += f64::from(ticks);
            if !payload.is_empty() {
                let packet = rtp(
                    payload_type(format.codec),
                    false,
                    sequence,
                    timestamp,
                    0xabcd,
                    payload,
                );
                // A packet leaves when its last sample was spoken.
                sent.push(Sent {
                    us: ticks_sent / clock * 1e6,
                    packet,
                });
                sequence = sequence.wrapping_add(1);
            }
            timestamp = timestamp.wrapping_add(ticks);
        });
    }
    sent
}

/// What a run gave.
pub(crate) struct Run {
    pub(crate) audio: Vec<f32>,
    pub(crate) pulled: Vec<Pulled>,
    pub(crate) delays: Vec<f64>,
    pub(crate) events: Vec<LegEvent>,
}

/// Delivers packets (arrival µs, packet) to the leg and pulls it every 20 ms from `phase_us` on.
pub(crate) fn play(
    leg: &mut AudioLeg,
    mut arrivals: Vec<(u64, Vec<u8>)>,
    phase_us: u64,
    seconds: f64,
) -> Run {
    arrivals.sort_by_key(|(us, _)| *us);
    let mut next = arrivals.iter().peekable();
    let mut run = Run {
        audio: Vec::new(),
        pulled: Vec::new(),
        delays: Vec::new(),
        events: Vec::new(),
    };
    for tick in 0..(seconds * 50.0) as u64 {
        let now = phase_us + tick * 20_000;
        while let Some((us, packet)) = next.next_if(|(us, _)| *us <= now) {
            leg.handle_rtp(at(*us), peer(), packet);
            // As a socket is read: what is not needed yet waits for the next tick.
            if !leg.expects_more(at(now)) {
                break;
            }
        }
        let mut frame = PcmFrame::default();
        run.pulled.push(leg.pull(at(now), &mut frame));
        run.audio.extend(frame.0);
        run.delays.push(leg.delay().as_secs_f64() * 1000.0);
        while let Some(event) = leg.poll_event() {
            run.events.push(event);
        }
    }
    run
}

/// Arrivals without any fault.
pub(crate) fn clean(sent: &[Sent]) -> Vec<(u64, Vec<u8>)> {
    sent.iter()
        .map(|sent| (sent.us as u64, sent.packet.clone()))
        .collect()
}
