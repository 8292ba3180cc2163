//! Levels in dBov: decibels relative to the overload point, where the RMS of a full-scale square
//! wave is 0 dBov and a full-scale sine is −3 dBov (RFC 6464 §3 uses the same scale, negated).

use plenum_media::pcm::PcmFrame;

/// What silence measures, dBov.
pub const SILENCE_DBOV: f32 = -127.0;

/// The RMS level of a frame, dBov, between [`SILENCE_DBOV`] and about 0.
pub fn dbov(frame: &PcmFrame) -> f32 {
    dbov_of(&frame.0)
}

/// The RMS level of some samples, dBov.
pub fn dbov_of(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return SILENCE_DBOV;
    }
    // Eight partial sums let the compiler keep them in one vector register.
    let mut partial = [0.0_f32; 8];
    let chunks = samples.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (sum, x) in partial.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    let power = partial.iter().sum::<f32>() + rest;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a frame has far fewer than 2^24 samples"
    )]
    let mean = power / samples.len() as f32;
    // Below this the logarithm would leave the scale.
    if mean <= 2.0e-13 {
        return SILENCE_DBOV;
    }
    (10.0 * mean.log10()).max(SILENCE_DBOV)
}

/// The largest magnitude among some samples.
pub fn peak(samples: &[f32]) -> f32 {
    let mut partial = [0.0_f32; 8];
    let chunks = samples.chunks_exact(8);
    let rest = chunks
        .remainder()
        .iter()
        .fold(0.0_f32, |peak, x| peak.max(x.abs()));
    for chunk in chunks {
        for (peak, x) in partial.iter_mut().zip(chunk) {
            *peak = peak.max(x.abs());
        }
    }
    partial.iter().copied().fold(rest, f32::max)
}

/// The factor of a gain in dB.
pub fn factor(db: f32) -> f32 {
    if db == 0.0 {
        1.0
    } else {
        10.0_f32.powf(db / 20.0)
    }
}

/// A sample of a sine, exact also far from the beginning.
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's arithmetic")]
pub(crate) fn sine(amplitude: f32, hz: f32, n: usize) -> f32 {
    let turns = f64::from(hz) * n as f64 / 48_000.0;
    amplitude * (turns.fract() * std::f64::consts::TAU).sin() as f32
}

/// What a steady sine of this frequency leaves when it is fitted and taken out, dBov.
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test's arithmetic"
)]
pub(crate) fn residual_dbov(samples: &[f32], hz: f32) -> f32 {
    let mut rest = samples.to_vec();
    let w = std::f64::consts::TAU * f64::from(hz) / 48_000.0;
    for _ in 0..4 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, x) in (0_u32..).zip(&rest) {
            re += f64::from(*x) * (w * f64::from(n)).cos();
            im += f64::from(*x) * (w * f64::from(n)).sin();
        }
        let scale = 2.0 / rest.len() as f64;
        for (n, x) in (0_u32..).zip(&mut rest) {
            let fitted = re * (w * f64::from(n)).cos() + im * (w * f64::from(n)).sin();
            *x = (f64::from(*x) - scale * fitted) as f32;
        }
    }
    dbov_of(&rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plenum_media::pcm::FRAME_SAMPLES;

    #[test]
    fn a_full_scale_square_wave_is_0_dbov_and_silence_is_the_floor() {
        let mut frame = PcmFrame::SILENCE;
        assert_eq!(dbov(&frame), SILENCE_DBOV);
        for (n, x) in frame.0.iter_mut().enumerate() {
            *x = if n % 2 == 0 { 1.0 } else { -1.0 };
        }
        assert!(dbov(&frame).abs() < 1e-4);
        assert_eq!(peak(&frame.0), 1.0);
    }

    #[test]
    fn half_the_amplitude_is_6_db_less() {
        let frame = PcmFrame([0.5; FRAME_SAMPLES]);
        assert!((dbov(&frame) + 6.0206).abs() < 1e-3);
        assert!((factor(-6.0206) - 0.5).abs() < 1e-5);
        assert_eq!(factor(0.0), 1.0);
    }
}
