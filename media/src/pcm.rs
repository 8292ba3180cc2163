//! The one internal audio format: 20 ms, 48 kHz, mono, `f32` in ±1.0 full scale.

/// Samples a second inside the mixer.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of one frame (20 ms).
pub const FRAME_SAMPLES: usize = 960;

/// One 20 ms frame. Values may exceed ±1.0 on a bus; only the limiter's output is guaranteed inside.
#[derive(Clone, Debug, PartialEq)]
pub struct PcmFrame(pub [f32; FRAME_SAMPLES]);

impl PcmFrame {
    /// Silence.
    pub const SILENCE: Self = Self([0.0; FRAME_SAMPLES]);
}

impl Default for PcmFrame {
    fn default() -> Self {
        Self::SILENCE
    }
}
