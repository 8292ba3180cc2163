//! Codecs: 48 kHz frames to payloads and payloads to 48 kHz samples.

pub mod conceal;
pub mod decoder;
pub mod encoder;
pub mod g711;
pub mod g722;
pub mod opus;
pub mod resample;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// A sample in ±1.0 as 16-bit linear, rounded and clipped.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is clamped to i16 before"
)]
pub(crate) fn to_i16(sample: f32) -> i16 {
    // Adding a bias makes the truncation of the cast a rounding, without a call to `round`.
    let biased = sample * 32_768.0 + 32_768.5;
    let clipped = biased.clamp(0.0, 65_535.0);
    (clipped as i32 - 32_768) as i16
}
