//! Codecs and filters against what the standards and the requirements say.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are chosen to fit"
)]

use plenum_media::codec::resample::{Downsampler, Factor, Upsampler};
use plenum_media::codec::{Decoder, Encoder, g711, opus};
use plenum_media::negotiated::{Codec, SendFormat};
use plenum_media::pcm::PcmFrame;
use std::f64::consts::TAU;

fn sine(hz: f64, rate: f64, count: usize) -> Vec<f32> {
    (0..count)
        .map(|n| (TAU * hz * n as f64 / rate).sin() as f32)
        .collect()
}

fn db(audio: &[f32]) -> f64 {
    let power = audio
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        / audio.len() as f64;
    // Against a full-scale sine.
    10.0 * (power.max(1e-20) * 2.0).log10()
}

const FACTORS: [(Factor, f64); 4] = [
    (Factor::Two, 24_000.0),
    (Factor::Three, 16_000.0),
    (Factor::Four, 12_000.0),
    (Factor::Six, 8_000.0),
];

#[test]
fn downsampling_is_flat_to_the_telephone_band_and_stops_70_db() {
    for (factor, rate) in FACTORS {
        let gain = |hz: f64| {
            let mut out = Vec::new();
            Downsampler::new(factor).push(&sine(hz, 48_000.0, 48_000), &mut out);
            db(&out[out.len() / 2..])
        };
        for share in [0.02, 0.3, 0.6, 0.8, 0.85] {
            let got = gain(share * rate / 2.0);
            assert!(got.abs() < 0.5, "{rate} Hz: {got:.2} dB at {share}");
        }
        for share in [1.15, 1.2, 1.3, 1.7, 1.9] {
            let hz = share * rate / 2.0;
            if hz < 23_900.0 {
                let got = gain(hz);
                assert!(got < -70.0, "{rate} Hz: {got:.1} dB at {share}");
            }
        }
    }
}

#[test]
fn upsampling_leaves_no_images() {
    for (factor, rate) in FACTORS {
        for share in [0.05, 0.4, 0.8, 0.84] {
            let hz = share * rate / 2.0;
            let mut out = Vec::new();
            let mut up = Upsampler::new(factor);
            for block in sine(hz, rate, rate as usize / 4).chunks(123) {
                up.push(block, &mut out);
            }
            let out = &out[2_400..12_000];
            // What the best fit at `hz` leaves over is image or distortion.
            let (mut s, mut c) = (0.0, 0.0);
            for (n, x) in out.iter().enumerate() {
                let angle = TAU * hz * n as f64 / 48_000.0;
                s += f64::from(*x) * angle.sin() * 2.0 / out.len() as f64;
                c += f64::from(*x) * angle.cos() * 2.0 / out.len() as f64;
            }
            let rest: Vec<f32> = out
                .iter()
                .enumerate()
                .map(|(n, x)| {
                    let angle = TAU * hz * n as f64 / 48_000.0;
                    x - (s * angle.sin() + c * angle.cos()) as f32
                })
                .collect();
            let got = db(&rest);
            assert!(db(out).abs() < 0.5, "{rate}: {:.2} dB at {share}", db(out));
            assert!(got < -62.0, "{rate} Hz at {share}: {got:.1} dB of images");
        }
    }
}

#[test]
fn g711_agrees_with_the_standard() {
    // ITU-T G.711 tables 1a and 2a: the decoder output values at the ends of the segments, of 16 bits.
    let decoded = |law, octet: u8| {
        let mut out = Vec::new();
        g711::decode(law, &[octet], &mut out);
        (out[0] * 32_768.0) as i32
    };
    for (octet, value) in [
        (0x80, 32_124),
        (0x00, -32_124),
        (0xff, 0),
        (0x7f, 0),
        (0xfe, 8),
    ] {
        assert_eq!(decoded(g711::Law::U, octet), value, "µ-law {octet:#x}");
    }
    for (octet, value) in [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256)] {
        assert_eq!(decoded(g711::Law::A, octet), value, "A-law {octet:#x}");
    }
    for law in [g711::Law::A, g711::Law::U] {
        for octet in 0..=255u8 {
            let (mut samples, mut back) = (Vec::new(), Vec::new());
            g711::decode(law, &[octet], &mut samples);
            g711::encode(law, &samples, &mut back);
            // µ-law has two zeros.
            let twin = law == g711::Law::U && octet == 0x7f && back[0] == 0xff;
            assert!(
                back[0] == octet || twin,
                "{law:?} {octet:#x} came back as {:#x}",
                back[0]
            );
        }
        // Every sample comes back as the nearest value; at the edge of a segment, where the decision lies on the edge and
        // not half way, as one of the two nearest.
        let values: Vec<f32> = (0..=255u8)
            .map(|octet| decoded(law, octet) as f32 / 32_768.0)
            .collect();
        for sample in (-32_000..32_000).step_by(37) {
            let x = sample as f32 / 32_768.0;
            let (mut octet, mut back) = (Vec::new(), Vec::new());
            g711::encode(law, &[x], &mut octet);
            g711::decode(law, &octet, &mut back);
            let best = values
                .iter()
                .map(|value| (value - x).abs())
                .fold(f32::MAX, f32::min);
            assert!(
                (back[0] - x).abs() <= best * 2.0 + 2.0 / 32_768.0,
                "{law:?} {sample}"
            );
        }
    }
}

fn format(codec: Codec, ptime_ms: u8) -> SendFormat {
    let opus = codec == Codec::Opus;
    SendFormat {
        codec,
        ptime_ms,
        bitrate: if opus { 32_000 } else { 0 },
        playback_rate: if opus { 48_000 } else { 0 },
        fec: false,
        dtx: false,
        cbr: false,
    }
}

#[test]
fn packets_have_the_length_agreed_on() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        for ptime in [10u8, 20, 30, 40, 60] {
            let mut encoder = Encoder::new(format(codec, ptime));
            let mut ticks = Vec::new();
            for _ in 0..60 {
                encoder.push(&PcmFrame::SILENCE, &mut |payload, count| {
                    let ms = if codec == Codec::Opus {
                        opus::duration(payload).unwrap() / 48
                    } else {
                        u32::try_from(payload.len()).unwrap() / 8
                    };
                    assert_eq!(ms, count * 1000 / codec.clock_rate());
                    ticks.push(ms);
                });
            }
            let expected = if codec == Codec::Opus && ptime == 30 {
                20
            } else {
                u32::from(ptime)
            };
            assert!(
                ticks.iter().all(|ms| *ms == expected),
                "{codec:?} {ptime}: {ticks:?}"
            );
            assert_eq!(ticks.iter().sum::<u32>(), 1200);
        }
    }
}

#[test]
fn opus_dtx_leaves_silence_out() {
    let mut format = format(Codec::Opus, 20);
    format.dtx = true;
    let mut encoder = Encoder::new(format);
    let mut empty = 0;
    for _ in 0..250 {
        encoder.push(&PcmFrame::SILENCE, &mut |payload, _| {
            empty += u32::from(payload.is_empty())
        });
    }
    assert!(empty > 200, "{empty} of 250 left out");
}

/// RFC 6716 §3.1: configurations from 16 on are MDCT alone, below them SILK, which alone has FEC, takes part.
#[test]
fn opus_changes_over_to_fec_with_loss_and_back_after_ten_seconds_without() {
    let mut format = format(Codec::Opus, 20);
    format.fec = true;
    let mut encoder = Encoder::new(format);
    let mut decoder = Decoder::new(Codec::Opus).unwrap();
    let (mut modes, mut out) = (Vec::new(), Vec::new());
    let signal = sine(440.0, 48_000.0, 960 * 800);
    for (n, chunk) in signal.chunks_exact(960).enumerate() {
        match n {
            100 => encoder.set_expected_loss(5),
            150 => encoder.set_expected_loss(0),
            _ => {}
        }
        let mut frame = PcmFrame::default();
        for (to, from) in frame.0.iter_mut().zip(chunk) {
            *to = 0.3 * from;
        }
        encoder.push(&frame, &mut |payload, _| {
            modes.push(payload[0] >> 3 >= 16);
            decoder.decode(payload, &mut out).unwrap();
        });
    }
    let changes: Vec<usize> = (1..modes.len())
        .filter(|n| modes[*n] != modes[*n - 1])
        .collect();
    assert!(modes[0] && changes.len() == 2, "{changes:?}");
    assert_eq!(changes[0], 100, "at once");
    assert!((645..655).contains(&changes[1]), "{changes:?}");
    // 440 Hz at 0.3 moves 0.017 from sample to sample.
    let steps = out[4_800..].windows(2).map(|w| (w[1] - w[0]).abs());
    let most = steps.fold(0.0, f32::max);
    assert!(most < 0.05, "a step of {most}");
    // A change costs a few milliseconds of fading, never a gap.
    let quiet = out[4_800..].chunks_exact(480).map(db).fold(0.0, f64::min);
    assert!(quiet > -10.0 - 10.0, "{quiet} dB");
}

#[test]
fn opus_bandwidth_follows_the_playback_rate() {
    for (rate, most) in [(8_000u32, 4), (16_000, 8), (48_000, 20)] {
        let mut format = format(Codec::Opus, 20);
        format.playback_rate = rate;
        format.bitrate = 64_000;
        let mut encoder = Encoder::new(format);
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        let mut out = Vec::new();
        let signal = sine(6_000.0, 48_000.0, 48_000);
        for chunk in signal.chunks_exact(960) {
            let mut frame = PcmFrame::default();
            frame.0.copy_from_slice(chunk);
            encoder.push(&frame, &mut |payload, _| {
                decoder.decode(payload, &mut out).unwrap()
            });
        }
        let level = db(&out[24_000..]);
        assert_eq!(level > -20.0, most > 6, "{rate}: 6 kHz at {level:.1} dB");
    }
}

#[test]
fn opus_stereo_and_every_frame_size_decode_to_mono_48k() {
    // TOC octets: SILK 10 ms mono, hybrid 20 ms stereo, CELT 2.5 ms, SILK 60 ms: their durations in samples.
    for (toc, samples) in [(0x00u8, 480), (0x7c, 960), (0x80, 120), (0x18, 2880)] {
        assert_eq!(opus::duration(&[toc, 1, 2, 3]), Some(samples), "{toc:#x}");
    }
    assert_eq!(opus::duration(&[]), None);
    let mut decoder = Decoder::new(Codec::Opus).unwrap();
    let mut out = Vec::new();
    // A stereo packet of silence: code 0, no data but padding zeros.
    assert!(decoder.decode(&[0xfc, 0xff, 0xfe], &mut out).is_ok());
    assert_eq!(out.len(), 960);
}

#[test]
fn g722_keeps_its_band() {
    for (hz, least) in [(300.0, -3.0), (1_000.0, -3.0), (5_000.0, -4.0)] {
        let mut encoder = Encoder::new(format(Codec::G722, 20));
        let mut decoder = Decoder::new(Codec::G722).unwrap();
        let mut out = Vec::new();
        for chunk in sine(hz, 48_000.0, 48_000).chunks_exact(960) {
            let mut frame = PcmFrame::default();
            for (to, from) in frame.0.iter_mut().zip(chunk) {
                *to = from * 0.5;
            }
            encoder.push(&frame, &mut |payload, _| {
                decoder.decode(payload, &mut out).unwrap()
            });
        }
        let level = db(&out[24_000..]) + 6.02;
        assert!((least..1.0).contains(&level), "{hz}: {level:.2} dB");
    }
}

#[test]
fn concealment_goes_on_and_fades() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let mut encoder = Encoder::new(format(codec, 20));
        let mut decoder = Decoder::new(codec).unwrap();
        let mut out = Vec::new();
        for chunk in sine(200.0, 48_000.0, 9_600).chunks_exact(960) {
            let mut frame = PcmFrame::default();
            for (to, from) in frame.0.iter_mut().zip(chunk) {
                *to = from * 0.5;
            }
            encoder.push(&frame, &mut |payload, _| {
                decoder.decode(payload, &mut out).unwrap()
            });
        }
        let before = out.len();
        decoder.conceal(None, 4_800, &mut out);
        let first = db(&out[before..before + 480]);
        assert!(first > -8.5, "{codec:?}: the first 10 ms at {first:.1} dB");
        let last = db(&out[before + 3_600..]);
        assert!(last < -60.0, "{codec:?}: after 75 ms still {last:.1} dB");
        let step = out[before - 480..]
            .windows(2)
            .map(|p| (p[1] - p[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.03, "{codec:?}: a step of {step}");
    }
}
