//! Tones and what is left of them: a least-squares fit of a sine of unknown frequency, amplitude and phase.

use std::f64::consts::TAU;

/// A tone of this frequency and amplitude.
pub(crate) fn tone(hz: f64, amplitude: f32) -> impl Fn(f64) -> f32 {
    move |n| amplitude * (TAU * hz * n / 48_000.0).sin() as f32
}

/// Power outside the tone over the power of the tone, dB, in the best fit near `hz`.
pub(crate) fn thd_n(audio: &[f32], hz: f64) -> f64 {
    let mut best = f64::MAX;
    let (mut centre, mut span) = (hz, hz * 0.004);
    for _ in 0..7 {
        let around = centre;
        for step in -5..=5 {
            let candidate = around + span * f64::from(step) / 5.0;
            let residual = residual(audio, candidate);
            if residual < best {
                best = residual;
                centre = candidate;
            }
        }
        span /= 4.0;
    }
    10.0 * best.log10()
}

fn residual(audio: &[f32], hz: f64) -> f64 {
    let (mut ss, mut sc, mut cc, mut xs, mut xc, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (turn_s, turn_c) = (TAU * hz / 48_000.0).sin_cos();
    let (mut s, mut c) = (0.0f64, 1.0f64);
    for x in audio {
        let x = f64::from(*x);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        xs += x * s;
        xc += x * c;
        xx += x * x;
        (s, c) = (s * turn_c + c * turn_s, c * turn_c - s * turn_s);
    }
    let det = ss * cc - sc * sc;
    let a = (xs * cc - xc * sc) / det;
    let b = (xc * ss - xs * sc) / det;
    let tone = a * xs + b * xc;
    ((xx - tone) / tone.max(1e-12)).max(1e-12)
}

/// The worst THD+N of any window of 25 ms.
pub(crate) fn worst(audio: &[f32], hz: f64) -> (f64, usize) {
    let mut worst = (-200.0, 0);
    let mut start = 0;
    while start + 1200 <= audio.len() {
        let here = thd_n(&audio[start..start + 1200], hz);
        if here > worst.0 {
            worst = (here, start);
        }
        start += 1200;
    }
    worst
}
