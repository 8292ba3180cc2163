//! Measuring tones in decoded audio: level, presence, distortion, clicks, silences, marks.
//!
//! Everything is a projection onto sines of known frequency; there is no Fourier transform, because
//! the generator knows which tones it sent.

use crate::signal::{dbfs, whole};
use serde::Serialize;
use std::f64::consts::TAU;

/// A tone, as found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneLevel {
    /// Frequency, Hz.
    pub hz: f64,
    /// Mean level, dB against a full-scale sine, −120 at least.
    pub dbfs: f64,
    /// Share of blocks of 100 ms (every 50 ms) in which it is within 15 dB of its mean, 0 to 1.
    pub present: f64,
}

/// Level and presence of a tone.
pub fn level(samples: &[f32], rate: u32, hz: f64) -> ToneLevel {
    let block = whole(f64::from(rate) / 10.0).max(1);
    let window = hann(block);
    let amplitudes: Vec<f64> = starts(samples.len(), block, block / 2)
        .filter_map(|start| {
            let chunk = samples.get(start..start + block)?;
            Some(projection(chunk, &window, start, rate, hz).amplitude())
        })
        .collect();
    let power = mean(amplitudes.iter().map(|a| a * a));
    let mean_amplitude = power.sqrt();
    let floor = mean_amplitude * 0.178;
    let present = mean(
        amplitudes
            .iter()
            .map(|a| if *a >= floor { 1.0 } else { 0.0 }),
    );
    ToneLevel {
        hz,
        dbfs: dbfs(mean_amplitude),
        present,
    }
}

/// Longest stretch in seconds whose level is 20 dB or more under the median, in steps of 5 ms.
pub fn longest_silence(samples: &[f32], rate: u32) -> f64 {
    let block = whole(f64::from(rate) * 0.005).max(1);
    let levels: Vec<f64> = samples
        .chunks_exact(block)
        .map(|chunk| mean(chunk.iter().map(|s| f64::from(*s) * f64::from(*s))).sqrt())
        .collect();
    let floor = median(levels.clone()) / 10.0;
    let (mut longest, mut run) = (0u32, 0u32);
    for level in levels {
        run = if level <= floor { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    f64::from(longest) * 0.005
}

/// What remains when the expected tones are taken out of the signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Residue {
    /// Distortion and noise against the tones (THD+N for one tone), dB: the median of blocks of 50 ms.
    pub thd_n_db: f64,
    /// Blocks in which a single sample stands out of the residue: a click or a cut.
    pub clicks: Vec<Click>,
    /// Blocks looked at.
    pub blocks: u32,
}

/// Where a signal leaves its tones for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Click {
    /// Seconds from the beginning of what was heard.
    pub at_s: f64,
    /// How far it leaves them, as a share of full scale.
    pub peak: f64,
    /// Root mean square of the residue of its block against the median of all.
    pub excess: f64,
}

/// Fits the tones by least squares, block by block, and looks at what is left.
///
/// Within a block each tone may swell and drift a little: a jitter buffer that plays 0.2 % faster for a while
/// neither distorts nor clicks.
///
/// A block counts as a click when its largest residual sample exceeds both 3 % of full scale, a third of a
/// talker's tone, and three times what it is in the median of all blocks: the noise that Opus makes of several
/// tones at once has peaks of its own of twice the median. Blocks in which a tone changes its level by more than
/// 3 dB, as a marked one does, are left out.
pub fn residue(samples: &[f32], rate: u32, hz: &[f64]) -> Residue {
    let block = whole(f64::from(rate) * 0.05).max(1);
    let blocks: Vec<Fit> = samples
        .chunks_exact(block)
        .enumerate()
        .filter_map(|(index, chunk)| fit(chunk, index * block, rate, hz))
        .collect();
    let steady: Vec<&Fit> = blocks
        .windows(3)
        .filter_map(|three| match three {
            [before, here, after] => before.is_like(after).then_some(here),
            _ => None,
        })
        .collect();
    let ratios = steady
        .iter()
        .map(|fit| fit.rest / fit.all.max(1e-6))
        .collect();
    let typical = median(steady.iter().map(|fit| fit.rest).collect());
    let usual_peak = median(steady.iter().map(|fit| fit.peak).collect());
    let clicks = steady
        .iter()
        .filter(|fit| fit.peak > 0.03 && fit.peak > 3.0 * usual_peak)
        .map(|fit| Click {
            at_s: fit.peak_at as f64 / f64::from(rate),
            peak: fit.peak,
            excess: fit.rest / typical.max(1e-6),
        })
        .collect();
    Residue {
        thd_n_db: dbfs(median(ratios)),
        clicks,
        blocks: u32::try_from(steady.len()).unwrap_or(u32::MAX),
    }
}

/// One block and what the tones leave of it.
struct Fit {
    /// Amplitude of each tone.
    tones: Vec<f64>,
    /// Root mean square of the block.
    all: f64,
    /// Root mean square of what is left.
    rest: f64,
    /// Largest sample of what is left.
    peak: f64,
    /// Which sample that is, from the start of the signal.
    peak_at: usize,
}

impl Fit {
    fn is_like(&self, other: &Self) -> bool {
        let mut pairs = self.tones.iter().zip(&other.tones);
        pairs.all(|(a, b)| *a < 1.41 * b.max(1e-3) && *b < 1.41 * a.max(1e-3))
    }
}

/// The frequency of the one loud tone near `hz`, by the turn of its phase from block to block.
///
/// Right within ±5 Hz of `hz`; `None` when the tone is not there.
pub fn true_frequency(samples: &[f32], rate: u32, hz: f64) -> Option<f64> {
    let block = whole(f64::from(rate) / 10.0).max(1);
    let window = hann(block);
    let mut turned = (0.0, 0.0);
    let mut last: Option<Projection> = None;
    for start in starts(samples.len(), block, block) {
        let now = projection(samples.get(start..start + block)?, &window, start, rate, hz);
        if let Some(last) = last {
            turned.0 += now.re * last.re + now.im * last.im;
            turned.1 += now.im * last.re - now.re * last.im;
        }
        last = Some(now);
    }
    let strength = (turned.0 * turned.0 + turned.1 * turned.1).sqrt();
    let seconds = block as f64 / f64::from(rate);
    (strength > 1e-6).then(|| hz + turned.1.atan2(turned.0) / (TAU * seconds))
}

/// Where a marked tone rises, in samples from the start.
///
/// The envelope at `hz` (a Hann window of 16 ms, every millisecond) crosses the middle between its
/// lower and its upper level; other tones must be 150 Hz away or more.
pub fn rises(samples: &[f32], rate: u32, hz: f64) -> Vec<f64> {
    let block = whole(f64::from(rate) * 0.016).max(2);
    let hop = whole(f64::from(rate) * 0.001).max(1);
    let window = hann(block);
    let envelope: Vec<f64> = starts(samples.len(), block, hop)
        .filter_map(|start| {
            let chunk = samples.get(start..start + block)?;
            Some(projection(chunk, &window, start, rate, hz).amplitude())
        })
        .collect();
    let mut sorted = envelope.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        sorted
            .get(whole(sorted.len() as f64 * share))
            .copied()
            .unwrap_or(0.0)
    };
    let (low, high) = (at(0.15), at(0.85));
    // Without two clearly different levels there is no mark to find.
    if high < 2.0 * low || high < 1e-4 {
        return Vec::new();
    }
    let middle = f64::midpoint(low, high);
    // A mark is low for 80 ms before and high for 80 ms after; a decoder's start or a gap is not.
    let calm = |from: usize, high: bool| {
        let stretch = envelope.get(from..from + 80).unwrap_or_default();
        !stretch.is_empty() && stretch.iter().all(|level| (*level >= middle) == high)
    };
    let mut found = Vec::new();
    for (index, pair) in envelope.windows(2).enumerate() {
        let [before, after] = *pair else { continue };
        let rising = before < middle && after >= middle;
        if rising && index >= 90 && calm(index - 90, false) && calm(index + 10, true) {
            let step = (middle - before) / (after - before);
            found.push((index as f64 + step) * hop as f64 + block as f64 / 2.0);
        }
    }
    found
}

#[derive(Clone, Copy, Debug)]
struct Projection {
    re: f64,
    im: f64,
}

impl Projection {
    fn amplitude(self) -> f64 {
        self.re.hypot(self.im)
    }
}

/// The windowed projection of a chunk that begins at sample `start` onto a sine; its amplitude is the sine's.
fn projection(chunk: &[f32], window: &[f64], start: usize, rate: u32, hz: f64) -> Projection {
    let step = TAU * hz / f64::from(rate);
    let angle = (step * start as f64).rem_euclid(TAU);
    let (mut im, mut re) = angle.sin_cos();
    let (turn_im, turn_re) = step.sin_cos();
    let mut sum = Projection { re: 0.0, im: 0.0 };
    for (sample, weight) in chunk.iter().zip(window) {
        let weighted = f64::from(*sample) * weight;
        sum.re += weighted * re;
        sum.im -= weighted * im;
        (re, im) = (re * turn_re - im * turn_im, re * turn_im + im * turn_re);
    }
    sum
}

/// A Hann window whose sum is 2, so that a projection gives the amplitude of a sine.
fn hann(length: usize) -> Vec<f64> {
    let scale = 2.0 / length as f64;
    (0..length)
        .map(|n| scale * (1.0 - (TAU * n as f64 / length as f64).cos()))
        .collect()
}

fn starts(length: usize, block: usize, hop: usize) -> impl Iterator<Item = usize> {
    (0..(length + 1).saturating_sub(block)).step_by(hop.max(1))
}

/// The least-squares fit of [`basis`] to a block that begins at sample `start`.
fn fit(chunk: &[f32], start: usize, rate: u32, hz: &[f64]) -> Option<Fit> {
    let basis = basis(chunk.len(), rate, hz);
    let signal: Vec<f64> = chunk.iter().map(|s| f64::from(*s)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let rows = basis
        .iter()
        .map(|row| {
            let mut equation: Vec<f64> = basis.iter().map(|column| dot(row, column)).collect();
            equation.push(dot(row, &signal));
            equation
        })
        .collect();
    let weights = solve(rows)?;
    let mut rest = signal.clone();
    for (weight, row) in weights.iter().zip(&basis) {
        for (value, b) in rest.iter_mut().zip(row) {
            *value -= weight * b;
        }
    }
    let rms = |values: &[f64]| mean(values.iter().map(|v| v * v)).sqrt();
    let (tones, _) = weights.get(1..)?.as_chunks::<4>();
    let sizes = rest.iter().map(|v| v.abs()).enumerate();
    let (peak_at, peak) = sizes.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some(Fit {
        tones: tones
            .iter()
            .map(|[sine, cosine, ..]| sine.hypot(*cosine))
            .collect(),
        all: rms(&signal),
        rest: rms(&rest),
        peak,
        peak_at: start + peak_at,
    })
}

/// A constant; per frequency a sine and a cosine, and both once more growing through zero in the middle: they
/// are what an amplitude or a phase that changes evenly adds to the first order.
fn basis(length: usize, rate: u32, hz: &[f64]) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = vec![vec![1.0; length]];
    for hz in hz {
        let angle = |n: usize| TAU * hz * n as f64 / f64::from(rate);
        let growth = |n: usize| 2.0 * n as f64 / length as f64 - 1.0;
        basis.push((0..length).map(|n| angle(n).sin()).collect());
        basis.push((0..length).map(|n| angle(n).cos()).collect());
        basis.push((0..length).map(|n| growth(n) * angle(n).sin()).collect());
        basis.push((0..length).map(|n| growth(n) * angle(n).cos()).collect());
    }
    basis
}

/// Solves a linear system given as rows of coefficients and right side; `None` when it is singular.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = rows.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            let entry = |row: &usize| {
                rows.get(*row)
                    .and_then(|r| r.get(column))
                    .map_or(0.0, |v| v.abs())
            };
            entry(a).total_cmp(&entry(b))
        })?;
        rows.swap(column, pivot);
        let pivot_row = rows.get(column)?.clone();
        let divisor = *pivot_row.get(column)?;
        if divisor.abs() < 1e-9 {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = row.get(column)? / divisor;
            if index != column {
                for (value, pivot) in row.iter_mut().zip(&pivot_row) {
                    *value -= factor * pivot;
                }
            }
        }
    }
    rows.iter()
        .enumerate()
        .map(|(i, row)| Some(row.get(size)? / row.get(i)?))
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}

/// The middle value, 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    const RATE: u32 = 8000;

    fn mix(signals: &[Signal], seconds: usize) -> Vec<f32> {
        let mut sum = vec![0.0; 8000 * seconds];
        for signal in signals {
            for (sum, sample) in sum.iter_mut().zip(signal.samples(RATE, 8000 * seconds)) {
                *sum += sample;
            }
        }
        sum
    }

    fn tone(hz: f64) -> Signal {
        Signal::Tone { hz, dbfs: -20.0 }
    }

    #[test]
    fn levels_of_mixed_tones_are_told_apart() {
        let samples = mix(&[tone(440.0), tone(1000.0), tone(1630.0)], 2);
        for hz in [440.0, 1000.0, 1630.0] {
            let found = level(&samples, RATE, hz);
            assert!(
                (found.dbfs + 20.0).abs() < 0.1 && found.present > 0.99,
                "{found:?}"
            );
        }
        assert!(level(&samples, RATE, 1250.0).dbfs < -80.0);
    }

    #[test]
    fn a_tone_that_stops_is_not_present() {
        let mut samples = mix(&[tone(440.0)], 2);
        samples[8000..].fill(0.0);
        assert!((level(&samples, RATE, 440.0).present - 0.5).abs() < 0.05);
        samples[8000..].copy_from_slice(&mix(&[tone(440.0)], 1));
        samples[4000..4800].fill(0.0);
        assert!((longest_silence(&samples, RATE) - 0.1).abs() < 0.011);
    }

    #[test]
    fn distortion_is_measured_and_a_click_found() {
        let mut samples = mix(
            &[
                tone(1000.0),
                Signal::Tone {
                    hz: 3000.0,
                    dbfs: -70.0,
                },
            ],
            2,
        );
        let clean = residue(&samples, RATE, &[1000.0]);
        assert!(
            (clean.thd_n_db + 50.0).abs() < 0.5 && clean.clicks.is_empty(),
            "{clean:?}"
        );
        samples[5001] += 0.08;
        let clicks = residue(&samples, RATE, &[1000.0]).clicks;
        assert_eq!(clicks.len(), 1, "{clicks:?}");
        assert!(
            (clicks[0].at_s - 5001.0 / 8000.0).abs() < 1e-6,
            "{clicks:?}"
        );
    }

    #[test]
    fn a_slide_is_no_click_and_a_bad_joint_is_one() {
        let slid = mix(&[tone(1000.0 * 1.002), tone(440.0), tone(1630.0)], 2);
        let found = residue(&slid, RATE, &[1000.0, 440.0, 1630.0]);
        assert!(found.clicks.is_empty(), "{found:?}");
        let mut cut = mix(&[tone(1000.0)], 2);
        // A quarter of a period is missing.
        cut.drain(5001..5003);
        let others = mix(&[tone(440.0), tone(1630.0)], 2);
        for (sample, other) in cut.iter_mut().zip(others) {
            *sample += other;
        }
        let clicks = residue(&cut, RATE, &[1000.0, 440.0, 1630.0]).clicks;
        assert_eq!(clicks.len(), 1, "{clicks:?}");
        assert!((clicks[0].at_s - 0.625).abs() < 0.005, "{clicks:?}");
    }

    #[test]
    fn a_mark_is_no_click() {
        let marked = Signal::Marked {
            hz: 1000.0,
            dbfs: -20.0,
        };
        let found = residue(&mix(&[marked, tone(440.0)], 6), RATE, &[1000.0, 440.0]);
        assert!(
            found.clicks.is_empty() && found.thd_n_db < -100.0,
            "{found:?}"
        );
    }

    #[test]
    fn a_shifted_frequency_is_found() {
        let samples = mix(&[tone(1000.2)], 3);
        let found = true_frequency(&samples, RATE, 1000.0).unwrap();
        assert!((found - 1000.2).abs() < 0.002, "{found}");
        assert_eq!(true_frequency(&[0.0; 8000], RATE, 1000.0), None);
    }

    #[test]
    fn marks_are_found_to_the_millisecond_among_other_tones() {
        let marked = Signal::Marked {
            hz: 1000.0,
            dbfs: -20.0,
        };
        let mut samples = mix(&[marked, tone(440.0), tone(1630.0)], 7);
        samples.drain(..1234);
        let found = rises(&samples, RATE, 1000.0);
        assert_eq!(found.len(), 3, "{found:?}");
        for (found, expected) in found.iter().zip([14_766.0, 30_766.0, 46_766.0]) {
            assert!(
                (found - expected).abs() < 8.0,
                "{found} instead of {expected}"
            );
        }
        assert!(rises(&samples, RATE, 440.0).is_empty());
    }
}
