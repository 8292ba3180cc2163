//! What the pieces of the audio path cost, in nanoseconds of wall time per 20 ms of one stream.
//!
//! `cargo bench -p plenum-media`. No framework: the best of twenty rounds is printed.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "measuring needs the clock")]

use plenum_media::codec::{Decoder, Encoder};
use plenum_media::leg::{AudioLeg, LegConfig, Outgoing};
use plenum_media::metrics::Metrics;
use plenum_media::negotiated::{Codec, NegotiatedAudio, Payload, SendFormat};
use plenum_media::pcm::PcmFrame;
use smallvec::smallvec;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FRAMES: usize = 2_000;
const ROUNDS: usize = 20;

fn main() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let packets = packets(codec);
        report(codec, "handle_rtp + skip", || {
            run_leg(codec, &packets, false)
        });
        report(codec, "handle_rtp + pull", || {
            run_leg(codec, &packets, true)
        });
        report(codec, "decode", || decode(codec, &packets));
        report(codec, "encode", || encode(codec));
        report(codec, "packetize", || packetize(codec, &packets));
    }
}

fn report(codec: Codec, what: &str, mut run: impl FnMut() -> Duration) {
    let best = (0..ROUNDS).map(|_| run()).min().unwrap_or_default();
    let each = best.as_nanos() / FRAMES as u128;
    println!("{:<14} {what:<18} {each:>8} ns", codec.rtpmap());
}

fn format(codec: Codec) -> SendFormat {
    let opus = codec == Codec::Opus;
    SendFormat {
        codec,
        ptime_ms: 20,
        bitrate: if opus { 32_000 } else { 0 },
        playback_rate: if opus { 48_000 } else { 0 },
        fec: opus,
        dtx: false,
        cbr: false,
    }
}

/// A voice-like buzz with a syllable rhythm.
fn frame(index: usize) -> PcmFrame {
    let mut frame = PcmFrame::default();
    for (n, sample) in frame.0.iter_mut().enumerate() {
        let t = (index * 960 + n) as f32 / 48_000.0;
        let rhythm = 0.5 - 0.5 * (t * 4.0 * std::f32::consts::TAU).cos();
        let phase = (t * 130.0).fract();
        *sample = 0.4 * rhythm * (phase - 0.5) * (t * 700.0 * std::f32::consts::TAU).sin();
    }
    frame
}

fn packets(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(format(codec));
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for index in 0..FRAMES {
        encoder.push(&frame(index), &mut |payload, ticks| {
            let sequence = u16::try_from(packets.len()).unwrap_or(0);
            let timestamp = u32::from(sequence) * ticks;
            let mut packet = vec![0x80, 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend(1u32.to_be_bytes());
            packet.extend(payload);
            packets.push(packet);
        });
    }
    packets
}

fn leg(codec: Codec, now: Instant) -> AudioLeg {
    let config = LegConfig {
        ssrc: 1,
        cname: "bench".into(),
        seed: 1,
        ntp_origin: 0,
        jitter_ceiling: Duration::from_millis(250),
        jitter_packets: 64,
        media_timeout: Duration::from_secs(30),
        signalled_from: None,
        latch_window: Duration::from_secs(5),
        relatch_silence: Duration::from_secs(1),
        inband_dtmf: false,
        metrics: Arc::new(Metrics::default()),
    };
    let mut leg = AudioLeg::new(config, now);
    leg.apply(
        now,
        NegotiatedAudio {
            send: format(codec),
            send_pt: 96,
            send_dtmf_pt: None,
            send_cn_pt: None,
            receive: smallvec![(96, Payload::Audio(codec))],
            remote_rtp: Some(peer()),
            remote_rtcp: None,
            rtcp_mux: true,
            sending: true,
            receiving: true,
            audio_level_id: None,
        },
    );
    leg
}

fn peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))
}

fn run_leg(codec: Codec, packets: &[Vec<u8>], pull: bool) -> Duration {
    let start = Instant::now();
    let mut leg = leg(codec, start);
    let mut out = PcmFrame::default();
    let mut now = start;
    let began = Instant::now();
    for packet in packets {
        now += Duration::from_millis(15);
        leg.handle_rtp(now, peer(), packet);
        now += Duration::from_millis(5);
        black_box(leg.activity());
        if pull {
            black_box(leg.pull(now, &mut out));
        } else {
            leg.skip(now);
        }
    }
    began.elapsed()
}

fn decode(codec: Codec, packets: &[Vec<u8>]) -> Duration {
    let Ok(mut decoder) = Decoder::new(codec) else {
        return Duration::ZERO;
    };
    let mut out = Vec::new();
    let began = Instant::now();
    for packet in packets {
        out.clear();
        let payload = packet.get(12..).unwrap_or_default();
        black_box(decoder.decode(payload, &mut out).is_ok());
    }
    began.elapsed()
}

fn encode(codec: Codec) -> Duration {
    let frames: Vec<PcmFrame> = (0..50).map(frame).collect();
    let mut encoder = Encoder::new(format(codec));
    let began = Instant::now();
    for frame in frames.iter().cycle().take(FRAMES) {
        encoder.push(frame, &mut |payload, _| {
            black_box(payload.len());
        });
    }
    began.elapsed()
}

fn packetize(codec: Codec, packets: &[Vec<u8>]) -> Duration {
    let now = Instant::now();
    let mut leg = leg(codec, now);
    let mut out = Vec::new();
    let began = Instant::now();
    for packet in packets {
        let payload = packet.get(12..).unwrap_or_default();
        black_box(leg.packetize(now, Outgoing::Audio(payload), 160, &[1, 2, 3], &mut out));
    }
    began.elapsed()
}
