//! What the ear would notice: clicks, distortion, cut beginnings, steps.

use std::time::Duration;

use plenum_media::codec::Decoder;
use plenum_media::negotiated::Codec;
use plenum_media::pcm::FRAME_SAMPLES;

use super::phone::{Room, Says, limits, settings, tone_db};
use super::{G711, HZ};
use crate::audio::level;
use crate::audio::limiter::LOOK_AHEAD;
use crate::control::{EndpointSettings, MediaFilter};
use crate::listener::Class;

/// By how much the interpolator of a leg delays, in samples.
const LAG: usize = 8;

/// The samples that lie further from the best fit of the tones than six times the usual distance and 2 % of full
/// scale, as blocks of 50 ms.
fn clicks(samples: &[f32], tones: &[f32]) -> Vec<usize> {
    let blocks: Vec<(f64, f64)> = samples
        .chunks_exact(2_400)
        .map(|block| distance(block, tones))
        .collect();
    let mut usual: Vec<f64> = blocks.iter().map(|(rms, _)| *rms).collect();
    usual.sort_by(f64::total_cmp);
    let usual = usual[usual.len() / 2];
    let loud = |(_, (_, peak)): &(usize, &(f64, f64))| *peak > 0.02 && *peak > 6.0 * usual;
    blocks
        .iter()
        .enumerate()
        .filter(loud)
        .map(|b| b.0)
        .collect()
}

/// RMS and peak of what sines of these frequencies leave, fitted one after the other until nothing moves.
fn distance(block: &[f32], tones: &[f32]) -> (f64, f64) {
    let mut rest: Vec<f64> = block.iter().map(|x| f64::from(*x)).collect();
    for _ in 0..12 {
        for hz in tones {
            let w = std::f64::consts::TAU * f64::from(*hz) / 48_000.0;
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
    let power = rest.iter().map(|x| x * x).sum::<f64>() / rest.len() as f64;
    (
        power.sqrt(),
        rest.iter().fold(0.0, |most, x| most.max(x.abs())),
    )
}

/// The conference's signal for listeners, straight before the encoders, and what went on meanwhile.
fn mixed(room: &mut Room, ticks: u64) -> Vec<f32> {
    let class = Class {
        mix: true,
        music: false,
        announcements: true,
    };
    let mut samples = Vec::new();
    for _ in 0..ticks {
        room.run(1);
        match &room.conference.shared[class.index()] {
            Some(shared) => samples.extend_from_slice(&shared.frame().0),
            None => samples.extend_from_slice(&[0.0; FRAME_SAMPLES]),
        }
    }
    samples
}

#[test]
fn three_tones_are_heard_without_a_click() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut room = Room::new(limits());
        for n in 0..8_u64 {
            let says = match n {
                0..3 => Says::Tone(HZ[n as usize], 0.1),
                _ => Says::Silence,
            };
            room.join(n, codec, 20, says);
            room.phones.get_mut(&n).unwrap().lead = Duration::from_micros(2_300 + 1_700 * n);
        }
        room.run(1_000);
        for listener in [0, 1, 5] {
            let tones: Vec<f32> = (0..3)
                .filter(|n| *n != listener)
                .map(|n| HZ[n as usize])
                .collect();
            let heard = room.heard(listener, 100);
            let found = clicks(&heard, &tones);
            assert!(
                found.is_empty(),
                "{codec:?}, listener {listener}: {found:?}"
            );
        }
    }
}

/// The path from the talkers' decoders to the listeners' encoders, codecs apart: THD+N at most −60 dB.
#[test]
fn between_decoders_and_encoders_nothing_is_added() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut room = Room::new(limits());
        for n in 0..4_u64 {
            let says = match n {
                0..3 => Says::Tone(HZ[n as usize], 0.2),
                _ => Says::Silence,
            };
            room.join(n, codec, 20, says);
            // Every packet is whole when its tick comes, so the playout has nothing to move.
            room.phones.get_mut(&n).unwrap().lead = Duration::from_millis(3);
        }
        let mixed = mixed(&mut room, 100);
        let mut expected = vec![0.0_f32; mixed.len()];
        for talker in 0..3 {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut voice = Vec::new();
            for payload in &room.phones[&talker].sent {
                decoder.decode(payload, &mut voice).unwrap();
            }
            for (sum, x) in expected.iter_mut().zip(voice) {
                *sum += x;
            }
        }
        let (from, delay) = (FRAME_SAMPLES * 50, LAG + LOOK_AHEAD);
        let pairs = mixed[from..].iter().zip(&expected[from - delay..]);
        let (mut wrong, mut right) = (0.0_f64, 0.0_f64);
        for (got, wanted) in pairs {
            wrong += f64::from(got - wanted).powi(2);
            right += f64::from(*wanted).powi(2);
        }
        let db = 10.0 * (wrong / right).log10();
        assert!(right > 1.0 && db < -100.0, "{codec:?}: {db} dB");
    }
}

/// Codec, ticks that may pass from the packet with the first sound in it to that sound in the mix.
#[test]
fn a_talker_is_heard_from_the_first_syllable_on() {
    for (codec, most) in [
        (Codec::Pcmu, 0),
        (Codec::Pcma, 0),
        (Codec::G722, 2),
        (Codec::Opus, 2),
    ] {
        let mut room = Room::new(limits());
        for n in 0..30_u64 {
            room.join(n, codec, 20, Says::Silence);
        }
        room.run(200);
        for (n, talker) in [7_u64, 20, 3, 29].into_iter().enumerate() {
            room.phones.get_mut(&talker).unwrap().says = Says::Tone(HZ[n], 0.2);
            let mixed = mixed(&mut room, 20);
            let loud = |frame: &[f32]| level::dbov_of(frame) > -30.0;
            let begun = mixed.chunks_exact(FRAME_SAMPLES).position(loud);
            // The codec itself moves a part of the first frame into the second.
            assert!(
                begun.is_some_and(|b| b <= most + 1),
                "{codec:?}, {talker}: {begun:?}"
            );
            room.phones.get_mut(&talker).unwrap().says = Says::Silence;
            room.run(150);
        }
    }
}

#[test]
fn where_nobody_talks_there_is_digital_silence() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut room = Room::new(limits());
        for n in 0..5_u64 {
            room.join(n, codec, 20, Says::Silence);
        }
        room.phones.get_mut(&1).unwrap().says = Says::Tone(440.0, 0.2);
        room.run(100);
        room.phones.get_mut(&1).unwrap().says = Says::Silence;
        room.run(200);
        let heard = room.heard(0, 200);
        let db = level::dbov_of(&heard);
        assert!(db < -75.0, "{codec:?}: {db} dBov of nothing");
    }
}

#[test]
fn mute_deaf_and_gains_are_in_force_within_two_ticks() {
    let filter = MediaFilter::default();
    let muted = MediaFilter {
        muted: true,
        ..filter
    };
    let softer = MediaFilter {
        gain_in_db: -20.0,
        ..filter
    };
    for (changed, expected) in [(muted, -200.0..-80.0), (softer, -35.0..-33.0)] {
        let mut room = Room::new(limits());
        room.join(0, G711, 20, Says::Tone(440.0, 0.2));
        room.join(1, G711, 20, Says::Silence);
        let before = mixed(&mut room, 100);
        assert!((-15.0..-13.0).contains(&tone_db(&before[FRAME_SAMPLES * 50..], 440.0)));
        room.filter(0, changed);
        let after = mixed(&mut room, 50);
        let settled = tone_db(&after[FRAME_SAMPLES * 2..FRAME_SAMPLES * 42], 440.0);
        assert!(expected.contains(&settled), "{settled} dB");
        // What changes, changes without a step.
        let step = after
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.02, "a step of {step}");
    }
}

/// A quiet and a loud voice come to the same level; between its words a noisy line is lowered.
#[test]
fn gain_control_evens_voices_out_and_the_gate_lowers_noise() {
    let mut levels = Vec::new();
    for amplitude in [0.02, 0.3] {
        let mut room = Room::new(limits());
        let controlled = EndpointSettings {
            agc: true,
            ..settings()
        };
        room.join_with(0, G711, 20, Says::Silence, controlled);
        room.join(1, G711, 20, Says::Silence);
        // A voice is what stands out of the silence before it.
        room.run(50);
        room.phones.get_mut(&0).unwrap().says = Says::Tone(440.0, amplitude);
        let heard = mixed(&mut room, 500);
        levels.push(tone_db(&heard[FRAME_SAMPLES * 400..], 440.0));
        let steps = heard.windows(2).map(|w| (w[1] - w[0]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.03, "no step on the way");
    }
    assert!((levels[0] - levels[1]).abs() < 1.5, "{levels:?} dB");

    let mut room = Room::new(limits());
    let gated = EndpointSettings {
        noise_gate: true,
        ..settings()
    };
    room.join_with(0, G711, 20, Says::Tone(300.0, 0.004), gated);
    room.join(1, G711, 20, Says::Silence);
    let noise = mixed(&mut room, 250);
    let lowered = tone_db(&noise[FRAME_SAMPLES * 200..], 300.0);
    assert!(lowered < -70.0, "noise of −48 dB is heard at {lowered} dB");
    room.phones.get_mut(&0).unwrap().says = Says::Tone(300.0, 0.2);
    let words = mixed(&mut room, 10);
    let opened = tone_db(&words[FRAME_SAMPLES * 2..FRAME_SAMPLES * 10], 300.0);
    assert!(
        (opened + 14.0).abs() < 1.0,
        "words of −14 dB are heard at {opened} dB"
    );
}
