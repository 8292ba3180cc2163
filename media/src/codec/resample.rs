//! Whole-number resampling between 48 kHz and 8, 12, 16 or 24 kHz: polyphase windowed-sinc filters in `f32`.
//!
//! The prototype low-pass at 48 kHz has 32 taps per sample of the lower rate, a Kaiser window, and its −6 dB point
//! at the Nyquist frequency of the lower rate: flat to 0.85 of it (3.4 kHz at 8 kHz, the telephone's band), at least
//! 70 dB down from 1.15 of it. The delay is 16 samples of the lower rate: 2 ms at 8 kHz, 1 ms at 16 kHz; a sharper
//! filter would cost more of the 30 ms there are from mouth to ear.

use std::sync::OnceLock;

/// Taps per sample of the lower rate.
const TAPS: usize = 32;
/// Output phases worked on side by side; more than any factor.
const LANES: usize = 8;
/// The shape of the Kaiser window, for about 75 dB.
const KAISER_BETA: f64 = 7.2;

/// How many samples at 48 kHz one sample of the lower rate stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// 24 kHz.
    Two,
    /// 16 kHz.
    Three,
    /// 12 kHz.
    Four,
    /// 8 kHz.
    Six,
}

impl Factor {
    /// The factor as a number.
    pub const fn get(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Six => 6,
        }
    }

    fn prototype(self) -> &'static [f32] {
        static TWO: OnceLock<Vec<f32>> = OnceLock::new();
        static THREE: OnceLock<Vec<f32>> = OnceLock::new();
        static FOUR: OnceLock<Vec<f32>> = OnceLock::new();
        static SIX: OnceLock<Vec<f32>> = OnceLock::new();
        let cell = match self {
            Self::Two => &TWO,
            Self::Three => &THREE,
            Self::Four => &FOUR,
            Self::Six => &SIX,
        };
        cell.get_or_init(|| prototype(self.get()))
    }

    /// The prototype as one row per input sample, oldest first, holding the tap of every output phase.
    fn rows(self) -> &'static [[f32; LANES]; TAPS] {
        static TWO: OnceLock<Box<[[f32; LANES]; TAPS]>> = OnceLock::new();
        static THREE: OnceLock<Box<[[f32; LANES]; TAPS]>> = OnceLock::new();
        static FOUR: OnceLock<Box<[[f32; LANES]; TAPS]>> = OnceLock::new();
        static SIX: OnceLock<Box<[[f32; LANES]; TAPS]>> = OnceLock::new();
        let cell = match self {
            Self::Two => &TWO,
            Self::Three => &THREE,
            Self::Four => &FOUR,
            Self::Six => &SIX,
        };
        cell.get_or_init(|| Box::new(rows(self.get(), self.prototype())))
    }
}

/// From a lower rate up to 48 kHz.
#[derive(Clone, Debug)]
pub struct Upsampler {
    factor: Factor,
    /// The last `TAPS - 1` input samples, then the ones being worked on.
    line: Vec<f32>,
}

impl Upsampler {
    /// An upsampler that has heard silence so far.
    pub fn new(factor: Factor) -> Self {
        Self {
            factor,
            line: vec![0.0; TAPS - 1],
        }
    }

    /// Appends `factor` samples for every one of `input`.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        let rows = self.factor.rows();
        self.line.extend_from_slice(input);
        // Up to four phases take half the vector instructions of eight.
        match self.factor {
            Factor::Two | Factor::Three | Factor::Four => {
                upsample::<4>(&self.line, rows, self.factor.get(), out);
            }
            Factor::Six => upsample::<LANES>(&self.line, rows, self.factor.get(), out),
        }
        keep_last(&mut self.line, TAPS - 1);
    }
}

/// All phases of an output grow together, one input sample after the other.
fn upsample<const N: usize>(
    line: &[f32],
    rows: &[[f32; LANES]; TAPS],
    factor: usize,
    out: &mut Vec<f32>,
) {
    for window in line.windows(TAPS) {
        let mut lanes = [0.0f32; N];
        for (sample, row) in window.iter().zip(rows) {
            for (lane, tap) in lanes.iter_mut().zip(row) {
                *lane += sample * tap;
            }
        }
        out.extend_from_slice(lanes.get(..factor).unwrap_or_default());
    }
}

/// From 48 kHz down to a lower rate.
#[derive(Clone, Debug)]
pub struct Downsampler {
    factor: Factor,
    /// The last inputs that still matter, then the ones being worked on.
    line: Vec<f32>,
}

impl Downsampler {
    /// A downsampler that has heard silence so far.
    pub fn new(factor: Factor) -> Self {
        let history = TAPS * factor.get() - factor.get();
        Self {
            factor,
            line: vec![0.0; history],
        }
    }

    /// Appends one sample for every `factor` of `input`, whose length must be a multiple of it.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        let taps = self.factor.prototype();
        let step = self.factor.get();
        self.line.extend_from_slice(input);
        out.extend(
            self.line
                .windows(taps.len())
                .step_by(step)
                .map(|window| dot(window, taps)),
        );
        keep_last(&mut self.line, taps.len() - step);
    }
}

/// The inner product, in eight lanes that the compiler turns into vector instructions.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (left, _) = left.as_chunks::<8>();
    let (right, _) = right.as_chunks::<8>();
    for (left, right) in left.iter().zip(right) {
        for ((lane, left), right) in lanes.iter_mut().zip(left).zip(right) {
            *lane += left * right;
        }
    }
    lanes.iter().sum()
}

fn keep_last(line: &mut Vec<f32>, count: usize) {
    let gone = line.len().saturating_sub(count);
    line.copy_within(gone.., 0);
    line.truncate(count);
}

/// A symmetric low-pass of unit gain at DC.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "filter design in f64 over a few hundred taps, kept as f32"
)]
fn prototype(factor: usize) -> Vec<f32> {
    let length = TAPS * factor;
    let centre = (length - 1) as f64 / 2.0;
    let taps: Vec<f64> = (0..length)
        .map(|tap| {
            let offset = tap as f64 - centre;
            let ratio = offset / centre;
            let window = bessel_i0(KAISER_BETA * (1.0 - ratio * ratio).max(0.0).sqrt());
            sinc(offset / factor as f64) * window
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / sum) as f32).collect()
}

#[expect(clippy::cast_precision_loss, reason = "the factor is at most six")]
fn rows(factor: usize, prototype: &[f32]) -> [[f32; LANES]; TAPS] {
    let mut rows = [[0.0; LANES]; TAPS];
    // Tap `k·factor + phase` of the prototype meets the input `k` samples before the newest.
    for (row, taps) in rows.iter_mut().rev().zip(prototype.chunks(factor)) {
        for (to, tap) in row.iter_mut().zip(taps) {
            *to = tap * factor as f32;
        }
    }
    rows
}

/// sin(πx)/(πx).
pub(crate) fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = std::f64::consts::PI * x;
    angle.sin() / angle
}

/// The modified Bessel function of order zero, by its power series.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..32 {
        let k = f64::from(k);
        term *= quarter / (k * k);
        sum += term;
    }
    sum
}
