//! Comfort noise in (RFC 3389): the level the peer announced, gently low-passed. Its spectral part is not used.

use crate::level;
use crate::random::SplitMix;

/// White noise of unit variance through this low-pass keeps this share of its root mean square.
const SHAPED: f32 = 0.577;
/// The low-pass: y = x/2 + y/2.
const POLE: f32 = 0.5;

/// A source of noise.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    rng: SplitMix,
    amplitude: f32,
    last: f32,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: SplitMix::new(seed),
            amplitude: 0.0,
            last: 0.0,
        }
    }

    /// The peer announced noise of this level in −dBov. Louder than −30 dBov is no comfort.
    pub(crate) fn set_level(&mut self, level: u8) {
        self.amplitude = level::amplitude(level.clamp(30, level::SILENT));
        if level >= 100 {
            self.amplitude = 0.0;
        }
    }

    /// No noise was announced.
    pub(crate) fn silence(&mut self) {
        self.amplitude = 0.0;
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.amplitude == 0.0
    }

    /// Appends `count` samples.
    pub(crate) fn extend(&mut self, count: usize, out: &mut Vec<f32>) {
        if self.is_silent() {
            out.resize(out.len() + count, 0.0);
            return;
        }
        // Uniform noise in ±√3 has unit variance.
        let scale = 2.0 * 1.732 * self.amplitude / SHAPED * POLE;
        out.extend((0..count).map(|_| {
            self.last = self.last * POLE + (self.rng.unit() - 0.5) * scale;
            self.last
        }));
    }
}
