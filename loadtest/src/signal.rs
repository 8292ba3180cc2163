//! What simulated people say: tones that can be told apart, marks that can be timed, speech-like noise.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::time::Duration;

/// From one mark of [`Signal::Marked`] to the next.
pub const MARK_PERIOD: Duration = Duration::from_secs(2);
/// How far a marked tone falls in the second half of its period, as a factor (12 dB).
const MARK_DROP: f64 = 0.251;

/// One person's signal. Levels are in dB against a full-scale sine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Digital silence.
    Silence,
    /// A steady sine.
    Tone {
        /// Frequency, Hz.
        hz: f64,
        /// Level.
        dbfs: f64,
    },
    /// A sine that rises by 12 dB at every multiple of [`MARK_PERIOD`] and falls back half a period later.
    Marked {
        /// Frequency, Hz.
        hz: f64,
        /// The upper level.
        dbfs: f64,
    },
    /// Harmonics of a wandering pitch in syllables and pauses.
    Speech {
        /// Which speaker.
        seed: u64,
        /// Level over the syllables.
        dbfs: f64,
    },
}

impl Signal {
    /// The frequency by which it is recognised.
    pub fn hz(&self) -> Option<f64> {
        match *self {
            Self::Tone { hz, .. } | Self::Marked { hz, .. } => Some(hz),
            Self::Silence | Self::Speech { .. } => None,
        }
    }

    /// The first `count` samples at `rate` samples a second, in ±1.0.
    pub fn samples(&self, rate: u32, count: usize) -> Vec<f32> {
        match *self {
            Self::Silence => vec![0.0; count],
            Self::Tone { hz, dbfs } => sine(hz, rate, count, |_| amplitude(dbfs)),
            Self::Marked { hz, dbfs } => sine(hz, rate, count, |t| amplitude(dbfs) * mark(t)),
            Self::Speech { seed, dbfs } => speech(seed, dbfs, rate, count),
        }
    }
}

/// The amplitude of a sine of this level.
pub fn amplitude(dbfs: f64) -> f64 {
    10f64.powf(dbfs / 20.0)
}

/// The level of a sine of this amplitude, dBFS, −120 at least.
pub fn dbfs(amplitude: f64) -> f64 {
    20.0 * amplitude.max(1e-6).log10()
}

fn sine(hz: f64, rate: u32, count: usize, amplitude: impl Fn(f64) -> f64) -> Vec<f32> {
    (0..count)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            narrow(amplitude(t) * (TAU * hz * t).sin())
        })
        .collect()
}

/// The course of a marked tone: 1 in the first half of a period, [`MARK_DROP`] in the second.
///
/// It takes 16 ms from one to the other, so that a mark does not splash over other tones; the middle
/// of that way is the mark.
fn mark(seconds: f64) -> f64 {
    const WAY: f64 = 0.016;
    let period = MARK_PERIOD.as_secs_f64();
    let rise = (seconds + WAY / 2.0).rem_euclid(period);
    let fall = (seconds + WAY / 2.0 - period / 2.0).rem_euclid(period);
    let eased = |way: f64| (1.0 - (std::f64::consts::PI * (way / WAY).min(1.0)).cos()) / 2.0;
    let share = if rise < period / 2.0 {
        eased(rise)
    } else {
        1.0 - eased(fall)
    };
    MARK_DROP + (1.0 - MARK_DROP) * share
}

/// Syllables of 120 to 300 ms, of which every sixth or so is a pause of 200 to 800 ms.
fn speech(seed: u64, level: f64, rate: u32, count: usize) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let pitch = random.random_range(90.0..230.0);
    let mut samples = Vec::with_capacity(count);
    let mut phase = 0.0;
    while samples.len() < count {
        let pause = random.random_bool(0.16);
        let seconds = if pause {
            random.random_range(0.2..0.8)
        } else {
            random.random_range(0.12..0.3)
        };
        let steps = whole(seconds * f64::from(rate));
        let bend: f64 = random.random_range(-0.15..0.15);
        let formants = [
            random.random_range(300.0..800.0),
            random.random_range(900.0..2400.0),
        ];
        for n in 0..steps {
            let x = n as f64 / steps as f64;
            phase += pitch * (1.0 + bend * x) / f64::from(rate);
            let voiced: f64 = (1..=16)
                .map(|k| {
                    let hz = pitch * f64::from(k);
                    let weight: f64 = formants
                        .iter()
                        .map(|f: &f64| 1.0 / (1.0 + ((hz - f) / 150.0).powi(2)))
                        .sum();
                    weight * (TAU * phase * f64::from(k)).sin()
                })
                .sum();
            let gain = if pause {
                0.0
            } else {
                (std::f64::consts::PI * x).sin()
            };
            samples.push(narrow(0.6 * amplitude(level) * gain * voiced));
        }
    }
    samples.truncate(count);
    samples
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sample needs no more than 24 bits"
)]
fn narrow(sample: f64) -> f32 {
    sample as f32
}

/// The whole part of a number that is not negative and small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass counts of samples, far below 2^52"
)]
pub fn whole(number: f64) -> usize {
    number.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_level() {
        let tone = Signal::Tone {
            hz: 1000.0,
            dbfs: -20.0,
        };
        let peak = tone.samples(8000, 8000).into_iter().fold(0.0f32, f32::max);
        assert!((f64::from(peak) - 0.1).abs() < 0.001, "{peak}");
    }

    #[test]
    fn speech_is_reproducible_pauses_and_does_not_clip() {
        let speech = Signal::Speech {
            seed: 3,
            dbfs: -20.0,
        };
        let samples = speech.samples(8000, 80_000);
        assert_eq!(samples, speech.samples(8000, 80_000));
        assert!(samples.iter().all(|s| s.abs() < 0.9));
        assert!(
            samples
                .chunks(800)
                .any(|block| block.iter().all(|s| *s == 0.0)),
            "pauses"
        );
    }
}
