//! Audio levels in −dBov: 0 is the loudest a signal can be, 127 is silence (RFC 6464 §3).

/// The level of silence.
pub const SILENT: u8 = 127;

/// The level of samples in ±1.0 by their root mean square.
pub fn of_samples(samples: &[f32]) -> u8 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    of_power(sum / count(samples.len()))
}

/// The level of a mean square.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=127 just before"
)]
pub fn of_power(power: f32) -> u8 {
    if power <= 1e-13 {
        return SILENT;
    }
    (-10.0 * power.log10()).round().clamp(0.0, 127.0) as u8
}

/// The root mean square of a level.
pub fn amplitude(level: u8) -> f32 {
    10f32.powf(-f32::from(level) / 20.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "frames are far shorter than 2^24 samples"
)]
fn count(length: usize) -> f32 {
    length.max(1) as f32
}
