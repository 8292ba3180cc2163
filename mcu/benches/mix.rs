//! What a tick costs, by codec, number of endpoints and number of talkers.
//!
//! `cargo bench -p plenum-mcu` prints microseconds of one core for a tick of 20 ms: receiving, mixing and
//! packetising without the kernel's share (no sockets), then the same through real loopback sockets with
//! `--sockets`. The last table shows that an added silent listener costs the same at any size.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time and stops at the first surprise"
)]

use std::f32::consts::TAU;
use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_mcu::NewEndpoint;
use plenum_mcu::audio::announce::Sounds;
use plenum_mcu::conference::{McuConference, Network, Order};
use plenum_mcu::control::{
    ConferenceSettings, EndpointId, EndpointSettings, MediaFilter, Offers, Stage,
};
use plenum_mcu::limits::Limits;
use plenum_media::codec::Encoder;
use plenum_media::leg::{AudioLeg, LegConfig};
use plenum_media::negotiated::{Codec, NegotiatedAudio, Payload, SendFormat};
use plenum_media::pcm::PcmFrame;

const TICK: Duration = Duration::from_millis(20);
const WARM_UP: u32 = 100;
const MEASURED: u32 = 400;

fn main() {
    println!(
        "codec     legs talkers   µs/tick  µs/leg  ms CPU per leg and second  encodes  decodes"
    );
    for (codec, legs, talkers) in [
        (Codec::Pcmu, 10, 3),
        (Codec::Pcmu, 100, 3),
        (Codec::Pcmu, 400, 3),
        (Codec::Pcmu, 100, 100),
        (Codec::G722, 100, 3),
        (Codec::Opus, 10, 3),
        (Codec::Opus, 100, 3),
        (Codec::Opus, 400, 3),
        (Codec::Opus, 100, 100),
    ] {
        let cost = measure(codec, legs, talkers, Wire::Nowhere);
        print(codec, legs, talkers, &cost);
    }
    println!("\nthe same, sent through a loopback socket and read again");
    for (codec, legs, talkers) in [
        (Codec::Pcmu, 100, 3),
        (Codec::Pcmu, 400, 3),
        (Codec::Opus, 100, 3),
        (Codec::Opus, 100, 100),
    ] {
        let cost = measure(codec, legs, talkers, Wire::loopback(legs));
        print(codec, legs, talkers, &cost);
    }
    println!("\nmemory of a leg that has talked and listened, KiB");
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        println!("{:<9}{:>8.1}", format!("{codec:?}"), memory(codec));
    }
    println!("\na silent listener more, G.711, three talkers");
    for legs in [10, 50, 100, 200, 400] {
        let few = measure(Codec::Pcmu, legs, 3, Wire::Nowhere).per_tick;
        let more = measure(Codec::Pcmu, legs + 50, 3, Wire::Nowhere).per_tick;
        let each = (more.as_secs_f64() - few.as_secs_f64()) * 1e6 / 50.0;
        println!("{legs:>4} legs: {each:6.3} µs/tick");
    }
}

fn print(codec: Codec, legs: u16, talkers: u16, cost: &Cost) {
    let micros = cost.per_tick.as_secs_f64() * 1e6;
    let each = micros / f64::from(legs);
    println!(
        "{:<9}{legs:>5}{talkers:>8}{micros:>10.1}{each:>8.2}{:>27.4}{:>9.1}{:>9.1}",
        format!("{codec:?}"),
        each * 50.0 / 1_000.0,
        cost.encodes,
        cost.decodes,
    );
}

struct Cost {
    per_tick: Duration,
    encodes: f64,
    decodes: f64,
}

/// The median cost of a tick with everybody's packet in it.
fn measure(codec: Codec, legs: u16, talkers: u16, mut wire: Wire) -> Cost {
    let mut now = Instant::now();
    let mut conference = conference();
    for n in 0..legs {
        add(&mut conference, now, n, codec, &mut wire);
    }
    let voices = [
        packets(codec, Some(0)),
        packets(codec, Some(1)),
        packets(codec, Some(2)),
    ];
    let silence = packets(codec, None);
    let mut packet = Vec::with_capacity(1_500);
    let mut times = Vec::new();
    for tick in 0..WARM_UP + MEASURED {
        if tick == WARM_UP {
            conference.take_work();
        }
        let arrival = now + TICK - Duration::from_millis(5);
        now += TICK;
        let begun = Instant::now();
        for (port, leg) in conference.legs() {
            let talks = *port < talkers;
            let source = if talks {
                &voices[usize::from(*port) % 3]
            } else {
                &silence
            };
            let payload = &source[tick as usize % source.len()];
            rtp(&mut packet, codec, tick, *port, payload);
            wire.receive(*port);
            leg.handle_rtp(arrival, remote(*port), &packet);
        }
        conference.tick(now, &mut wire);
        times.push(begun.elapsed());
        black_box(conference.drain_reports().count());
    }
    times.drain(..WARM_UP as usize);
    times.sort_unstable();
    let work = conference.take_work();
    Cost {
        per_tick: times[times.len() / 2],
        encodes: work.encodes as f64 / f64::from(MEASURED),
        decodes: work.decodes as f64 / f64::from(MEASURED),
    }
}

/// Resident memory by which a conference grows with a leg that was decoded and had an encoder of its own.
fn memory(codec: Codec) -> f64 {
    const LEGS: u16 = 300;
    let before = resident();
    let mut conference = conference();
    let mut now = Instant::now();
    for n in 0..LEGS {
        add(&mut conference, now, n, codec, &mut Wire::Nowhere);
    }
    let voice = packets(codec, Some(0));
    let mut packet = Vec::new();
    for tick in 0..400_u32 {
        now += TICK;
        // Everybody talks for a while, a few at a time.
        let talking = (tick / 5) as u16 * 4;
        for (port, leg) in conference.legs() {
            if (talking..talking + 4).contains(port) {
                rtp(
                    &mut packet,
                    codec,
                    tick,
                    *port,
                    &voice[tick as usize % voice.len()],
                );
                leg.handle_rtp(now, remote(*port), &packet);
            }
        }
        conference.tick(now, &mut Wire::Nowhere);
    }
    let kib = (resident() - before) as f64 / f64::from(LEGS);
    black_box(conference.len());
    kib
}

/// Resident memory of this process, KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().next());
    number.expect("VmRSS").parse().expect("a number")
}

/// Where packets go: nowhere, or to a socket that is read once a tick for every leg.
enum Wire {
    Nowhere,
    Loopback {
        sockets: Vec<UdpSocket>,
        addresses: Vec<SocketAddr>,
        buffer: Vec<u8>,
    },
}

impl Wire {
    fn loopback(legs: u16) -> Self {
        let open = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_nonblocking(true).expect("a socket option");
            socket
        };
        let sockets: Vec<UdpSocket> = (0..legs).map(open).collect();
        let addresses = sockets
            .iter()
            .map(|s| s.local_addr().expect("an address"))
            .collect();
        Self::Loopback {
            sockets,
            addresses,
            buffer: vec![0; 2_048],
        }
    }

    /// As a worker does it: what is there, and one more call that finds nothing, and one at the half tick.
    fn receive(&mut self, port: u16) {
        if let Self::Loopback {
            sockets, buffer, ..
        } = self
        {
            let socket = &sockets[usize::from(port)];
            while socket.recv_from(buffer).is_ok() {}
            black_box(socket.recv_from(buffer).is_ok());
        }
    }
}

impl Network<u16> for Wire {
    fn send_rtp(&mut self, port: &mut u16, _to: SocketAddr, packet: &[u8]) {
        match self {
            Self::Nowhere => {
                black_box(packet);
            }
            Self::Loopback {
                sockets, addresses, ..
            } => {
                let port = usize::from(*port);
                let sent = sockets[port].send_to(packet, addresses[port]);
                black_box(sent.is_ok());
            }
        }
    }

    fn send_rtcp(&mut self, _port: &mut u16, _to: SocketAddr, packet: &[u8]) {
        black_box(packet);
    }
}

fn conference() -> McuConference<u16> {
    let limits = Limits {
        load_permille: 1_000,
        ..Limits::default()
    };
    let settings = ConferenceSettings {
        max_endpoints: 1_000,
        language: "en".to_owned(),
        video: Default::default(),
        audio_only: false,
    };
    McuConference::new(settings, Arc::new(limits), Arc::new(Sounds::synthesised()))
}

fn add(
    conference: &mut McuConference<u16>,
    now: Instant,
    port: u16,
    codec: Codec,
    wire: &mut Wire,
) {
    let config = LegConfig {
        ssrc: u32::from(port),
        cname: "bench".to_owned(),
        seed: u64::from(port),
        ntp_origin: 0,
        jitter_ceiling: Duration::from_millis(200),
        jitter_packets: 64,
        media_timeout: Duration::from_secs(30),
        signalled_from: None,
        latch_window: Duration::from_secs(10),
        relatch_silence: Duration::from_secs(5),
        inband_dtmf: false,
        metrics: Arc::default(),
    };
    let new = NewEndpoint {
        endpoint: EndpointId(u64::from(port)),
        port,
        leg: AudioLeg::new(config, now),
        settings: EndpointSettings {
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
        },
        negotiated: Some(negotiated(port, codec)),
    };
    conference
        .handle(now, Order::Add(Box::new(new)), wire)
        .expect("room for one more");
}

fn negotiated(port: u16, codec: Codec) -> NegotiatedAudio {
    let number = payload_type(codec);
    NegotiatedAudio {
        send: format(codec),
        send_pt: number,
        send_dtmf_pt: None,
        send_cn_pt: None,
        receive: [(number, Payload::Audio(codec))].into_iter().collect(),
        remote_rtp: Some(remote(port)),
        remote_rtcp: Some(remote(port)),
        rtcp_mux: true,
        sending: true,
        receiving: true,
        audio_level_id: None,
    }
}

fn format(codec: Codec) -> SendFormat {
    let opus = codec == Codec::Opus;
    SendFormat {
        codec,
        ptime_ms: 20,
        bitrate: if opus { 32_000 } else { 0 },
        playback_rate: if opus { 48_000 } else { 0 },
        fec: false,
        dtx: false,
        cbr: false,
    }
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 96,
        Codec::G722 => 9,
        Codec::Pcma => 8,
        Codec::Pcmu => 0,
    }
}

fn remote(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + port))
}

/// A second of something like a voice (a pulse train through two resonances, in syllables), or silence.
fn packets(codec: Codec, voice: Option<u16>) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(format(codec));
    let mut payloads = Vec::new();
    for n in 0..100_usize {
        let mut frame = PcmFrame::SILENCE;
        if let Some(voice) = voice {
            let pitch = 110.0 + 40.0 * f32::from(voice);
            for (i, x) in frame.0.iter_mut().enumerate() {
                let t = (n * 960 + i) as f32 / 48_000.0;
                let syllable = 0.55 + 0.45 * (TAU * 4.0 * t).sin();
                let harmonics: f32 = (1..=18_u8)
                    .map(|k| {
                        let hz = pitch * f32::from(k);
                        let weight = 1.0 / (1.0 + ((hz - 600.0) / 300.0).powi(2))
                            + 0.5 / (1.0 + ((hz - 1_700.0) / 400.0).powi(2));
                        weight * (TAU * hz * t).sin()
                    })
                    .sum();
                *x = 0.08 * syllable * harmonics;
            }
        }
        encoder.push(&frame, &mut |payload, _| payloads.push(payload.to_vec()));
    }
    payloads.split_off(50)
}

fn rtp(packet: &mut Vec<u8>, codec: Codec, tick: u32, port: u16, payload: &[u8]) {
    let step = codec.clock_rate() / 50;
    packet.clear();
    packet.extend([0x80, payload_type(codec)]);
    packet.extend((tick as u16).to_be_bytes());
    packet.extend(tick.wrapping_mul(step).to_be_bytes());
    packet.extend((1_000 + u32::from(port)).to_be_bytes());
    packet.extend_from_slice(payload);
}
