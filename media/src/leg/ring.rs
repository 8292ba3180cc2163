//! Decoded audio at 48 kHz between the packets of any length and the 20 ms ticks: read at any phase and, while the
//! delay slides, at a slightly different speed; shortened and lengthened by whole pitch periods without a click.

use crate::codec::resample::{bessel_i0, dot, sinc};
use crate::pcm::FRAME_SAMPLES;
use std::sync::OnceLock;

/// Taps of the interpolator.
const TAPS: usize = 16;
/// The output lags behind the read position by half the interpolator, so that it never looks ahead.
const LAG: usize = TAPS / 2;
/// Steps between two samples for which the interpolator's taps are tabulated.
const STEPS: usize = 128;
/// What is kept behind the read position: for the interpolator and for going back a period.
const HISTORY: usize = 1024;
/// Consumed samples are moved out once there are so many.
const COMPACT: usize = 4096;
/// The length of a crossfade, 5 ms.
const FADE: usize = 240;
/// The shortest piece cut out or put in, 2.5 ms.
const SHORTEST: usize = 120;
/// The longest, 15 ms.
const LONGEST: usize = 720;
/// A fade-in after nothing was decoded for a while, 10 ms.
const FADE_IN: usize = 480;

/// How much alike two periods of a sound are at least.
const PERIODIC: f32 = 0.6;
/// The fade of the step between two periods that are not quite alike, 1 ms.
const STEP_FADE: usize = 48;

/// A joint however bad is better than none.
pub(crate) const ANYHOW: f32 = f32::MIN;

/// The decoded audio of one leg.
#[derive(Debug)]
pub(crate) struct Ring {
    samples: Vec<f32>,
    read: usize,
    /// The position between two samples, 0 unless the delay slides or slid.
    fraction: f64,
    /// Samples still to be faded in, out of [`FADE_IN`].
    fading: usize,
}

impl Ring {
    pub(crate) fn new() -> Self {
        let mut ring = Self {
            samples: Vec::new(),
            read: 0,
            fraction: 0.0,
            fading: 0,
        };
        ring.clear();
        ring
    }

    /// Forgets everything; what comes next is faded in.
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.samples.resize(HISTORY, 0.0);
        self.read = HISTORY;
        self.fraction = 0.0;
        self.fading = FADE_IN;
    }

    /// Whole samples not read yet.
    pub(crate) fn available(&self) -> usize {
        self.samples.len() - self.read
    }

    /// Samples that [`Self::read`] at this speed takes.
    pub(crate) fn needed(&self, speed: f64) -> usize {
        ceil(self.fraction + to_f64(FRAME_SAMPLES) * speed)
    }

    /// Whether the read position is on a sample rather than between two.
    pub(crate) fn is_on_a_sample(&self) -> bool {
        self.fraction == 0.0
    }

    /// The speed at which the next frame moves about `surplus` samples more than a frame and ends on a sample.
    pub(crate) fn landing(&self, surplus: f64) -> f64 {
        let frame = to_f64(FRAME_SAMPLES);
        ((self.fraction + frame + surplus).round() - self.fraction) / frame
    }

    /// Appends what `fill` appends, fading it in where due; the first `trim` samples of it are left out.
    pub(crate) fn append<R>(&mut self, trim: usize, fill: impl FnOnce(&mut Vec<f32>) -> R) -> R {
        let start = self.samples.len();
        let result = fill(&mut self.samples);
        let added = self.samples.len() - start;
        let trim = trim.min(added);
        if trim > 0 {
            self.samples.copy_within(start + trim.., start);
            self.samples.truncate(start + added - trim);
        }
        for sample in self.samples.iter_mut().skip(start) {
            if self.fading == 0 {
                break;
            }
            *sample *= 1.0 - ratio(self.fading, FADE_IN + 1);
            self.fading -= 1;
        }
        result
    }

    /// Fades the last `count` samples out.
    pub(crate) fn fade_out(&mut self, count: usize) {
        let start = self.samples.len().saturating_sub(count);
        for (index, sample) in self.samples.iter_mut().skip(start).enumerate() {
            *sample *= 1.0 - ratio(index + 1, count);
        }
    }

    /// The samples appended last.
    pub(crate) fn last(&self, count: usize) -> &[f32] {
        self.samples
            .get(self.samples.len().saturating_sub(count)..)
            .unwrap_or_default()
    }

    /// Fills one frame, going through the audio `speed` times as fast. `last` lands on a whole sample.
    pub(crate) fn read(&mut self, out: &mut [f32; FRAME_SAMPLES], speed: f64, last: bool) {
        let start = self.read - LAG;
        if speed == 1.0 && self.fraction == 0.0 {
            let from = self
                .samples
                .get(start..start + FRAME_SAMPLES)
                .unwrap_or_default();
            for (to, from) in out.iter_mut().zip(from) {
                *to = *from;
            }
            self.read += from.len().min(self.available());
        } else {
            self.interpolate(out, speed);
            let advanced = self.fraction + to_f64(FRAME_SAMPLES) * speed;
            let whole = if last {
                advanced.round()
            } else {
                advanced.floor()
            };
            self.fraction = if last { 0.0 } else { advanced - whole };
            self.read = (self.read + to_usize(whole)).min(self.samples.len());
        }
        if self.read > COMPACT {
            let gone = self.read - HISTORY;
            self.samples.copy_within(gone.., 0);
            self.samples.truncate(self.samples.len() - gone);
            self.read = HISTORY;
        }
    }

    /// Cuts out about `most` samples at most, where the signal joins best. Returns what was cut, 0 if the sides of the
    /// best joint are less alike than `alike` (their correlation, −1 to 1).
    pub(crate) fn shorten(&mut self, most: usize, alike: f32) -> usize {
        let position = self.read - LAG;
        let most = most.min(LONGEST).min(self.available().saturating_sub(FADE));
        let lag = best_lag(&self.samples, position, most, alike, |lag| {
            Some(position + lag)
        });
        let Some(lag) = lag else {
            return 0;
        };
        self.crossfade(position, position + lag);
        self.read += lag;
        lag
    }

    /// Plays about `most` samples at most twice, where the signal joins best. Returns what was put in.
    pub(crate) fn lengthen(&mut self, most: usize) -> usize {
        let position = self.read - LAG;
        let most = most
            .min(LONGEST)
            .min(if self.available() < FADE { 0 } else { LONGEST });
        let lag = best_lag(&self.samples, position, most, ANYHOW, |lag| {
            position.checked_sub(lag + TAPS)?;
            Some(position - lag)
        });
        let Some(lag) = lag else {
            return 0;
        };
        self.crossfade(position, position - lag);
        self.read -= lag;
        lag
    }

    /// Appends whole pitch periods of what was appended last, `count` samples or somewhat more, so that what followed
    /// the original still follows. Returns what was appended, 0 where no period is to be found.
    pub(crate) fn repeat(&mut self, count: usize) -> usize {
        let end = self.samples.len();
        let Some(position) = end.checked_sub(FADE) else {
            return 0;
        };
        let total = |lag: usize| count.div_ceil(lag.max(1)) * lag;
        let Some(lag) = period(&self.samples, position, |lag| total(lag) - count) else {
            return 0;
        };
        let at = |index: usize| self.samples.get(index).copied().unwrap_or(0.0);
        let step = at(end - 1) - at(end - lag - 1);
        let total = total(lag);
        for index in 0..total {
            let sample = self.samples.get(end - lag + index % lag);
            // A period that is a little off begins with a step, which is spread over 1 ms.
            let left = 1.0 - ratio(index % lag, STEP_FADE);
            let sample = sample.copied().unwrap_or(0.0) + step * left;
            self.samples.push(sample);
        }
        total
    }

    /// Cuts out `most` samples, or somewhat less where that joins better. Returns what was cut.
    pub(crate) fn cut(&mut self, most: usize) -> usize {
        let mut cut = 0;
        while most - cut >= SHORTEST && self.available() >= SHORTEST + FADE {
            let piece = match self.shorten(most - cut, PERIODIC) {
                0 => self.cut_anywhere(most - cut),
                piece => piece,
            };
            cut += piece;
        }
        cut
    }

    fn cut_anywhere(&mut self, most: usize) -> usize {
        let position = self.read - LAG;
        let piece = most.min(self.available() - FADE);
        self.crossfade(position, position + piece);
        self.read += piece;
        piece
    }

    /// Octets of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.samples.capacity() * size_of::<f32>()
    }

    /// Makes the audio at `to` begin like the audio at `from` and run over into itself.
    fn crossfade(&mut self, from: usize, to: usize) {
        let mut old = [0.0f32; TAPS + FADE];
        for (old, sample) in old.iter_mut().zip(self.samples.iter().skip(from - TAPS)) {
            *old = *sample;
        }
        for (index, (sample, old)) in self.samples.iter_mut().skip(to - TAPS).zip(old).enumerate() {
            let weight = ratio(index.saturating_sub(TAPS), FADE);
            *sample = *sample * weight + old * (1.0 - weight);
        }
    }

    fn interpolate(&self, out: &mut [f32; FRAME_SAMPLES], speed: f64) {
        let table = kernel();
        let mut position = self.fraction;
        for sample in out {
            let whole = to_usize(position);
            let phase = (position - position.floor()) * to_f64(STEPS);
            let step = to_usize(phase);
            let blend = to_f32(phase - phase.floor());
            let first = self.read + whole + 1 - TAPS;
            let window = self.samples.get(first..first + TAPS).unwrap_or_default();
            if let (Some(before), Some(after)) = (table.get(step), table.get(step + 1)) {
                *sample = dot(window, before) * (1.0 - blend) + dot(window, after) * blend;
            }
            position += speed;
        }
    }
}

/// The lag at which the audio `at(lag)` looks most like the audio at `position`, coarse first, then fine.
fn best_lag(
    samples: &[f32],
    position: usize,
    most: usize,
    alike: f32,
    at: impl Fn(usize) -> Option<usize>,
) -> Option<usize> {
    if most < SHORTEST {
        return None;
    }
    let here = samples.get(position..position + FADE)?;
    let score = |lag: usize| {
        let there = at(lag).and_then(|start| samples.get(start..start + FADE));
        there.map_or(-1.0, |there| {
            dot(here, there) / (dot(here, here) * dot(there, there) + 1e-12).sqrt()
        })
    };
    let coarse = (SHORTEST..=most)
        .step_by(6)
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
    let fine = (coarse.saturating_sub(5).max(SHORTEST)..=(coarse + 5).min(most))
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
    let quiet = dot(here, here) < to_f32(to_f64(FADE)) * 1e-7;
    if quiet {
        // Nobody hears the join, so the longest piece goes.
        return Some(most);
    }
    (score(fine) >= alike).then_some(fine)
}

/// The lag by which the audio at `position` repeats most, with some preference for little `waste`.
fn period(samples: &[f32], position: usize, waste: impl Fn(usize) -> usize) -> Option<usize> {
    let here = samples.get(position..position + FADE)?;
    let energy = dot(here, here);
    if energy < to_f32(to_f64(FADE)) * 1e-7 {
        return None;
    }
    let score = |lag: usize| {
        let start = position.checked_sub(lag);
        let there = start.and_then(|start| samples.get(start..start + FADE));
        there.map_or(-1.0, |there| {
            dot(here, there) / (energy * dot(there, there) + 1e-12).sqrt()
        })
    };
    let value = |lag: usize| score(lag) - 0.05 * ratio(waste(lag), LONGEST);
    let coarse = (SHORTEST..=LONGEST)
        .step_by(6)
        .max_by(|a, b| value(*a).total_cmp(&value(*b)))?;
    let fine = (coarse.saturating_sub(5).max(SHORTEST)..=(coarse + 5).min(LONGEST))
        .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
    (score(fine) >= PERIODIC).then_some(fine)
}

/// The interpolator: rows of taps for every step between two samples, a Kaiser-windowed sinc.
#[expect(
    clippy::cast_possible_truncation,
    reason = "filter design in f64, kept as f32"
)]
fn kernel() -> &'static [[f32; TAPS]] {
    static KERNEL: OnceLock<Vec<[f32; TAPS]>> = OnceLock::new();
    KERNEL.get_or_init(|| {
        (0..=STEPS)
            .map(|step| {
                let fraction = to_f64(step) / to_f64(STEPS);
                let mut row = [0.0f64; TAPS];
                for (tap, value) in row.iter_mut().enumerate() {
                    let offset = to_f64(tap) - (to_f64(LAG) - 1.0) - fraction;
                    let edge = offset / to_f64(LAG);
                    let window = bessel_i0(7.0 * (1.0 - edge * edge).max(0.0).sqrt());
                    *value = sinc(offset) * window;
                }
                let sum: f64 = row.iter().sum();
                row.map(|value| (value / sum) as f32)
            })
            .collect()
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of samples stay far below 2^24"
)]
fn ratio(part: usize, whole: usize) -> f32 {
    (part as f32 / whole.max(1) as f32).min(1.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of samples stay far below 2^52"
)]
fn to_f64(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "audio needs no more than 24 bits"
)]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions within a few frames, never negative"
)]
fn to_usize(value: f64) -> usize {
    value as usize
}

fn ceil(value: f64) -> usize {
    to_usize(value.ceil())
}
