//! A noise gate: between the words of a noisy line it lowers the noise, and leaves the words alone.
//!
//! It works on blocks of 5 ms. It opens within one block when the block stands [`OPEN_DB`] out of the
//! noise floor, stays open [`HOLD_BLOCKS`] after the last such block, and closes over 100 ms to
//! [`CLOSED`]; the gain runs in straight lines, so neither edge clicks.

use plenum_media::pcm::PcmFrame;

use super::level::{SILENCE_DBOV, dbov_of};

/// How far above the floor a block must be to open the gate, dB.
pub const OPEN_DB: f32 = 10.0;
/// How far above the floor it must be to keep it open, dB.
pub const KEEP_DB: f32 = 6.0;
/// How long it stays open: 250 ms.
pub const HOLD_BLOCKS: u32 = 50;
/// What passes when it is closed: −30 dB.
pub const CLOSED: f32 = 0.031_6;

const BLOCK: usize = 240;
/// The floor rises by 3 dB a second and falls at once.
const FLOOR_RISE_DB: f32 = 0.015;
const FLOOR_CEILING_DBOV: f32 = -42.0;
/// Below this everything is noise, dBov.
const QUIETEST_DBOV: f32 = -62.0;
const CLOSE_STEP: f32 = (1.0 - CLOSED) / 20.0;

/// The gate of one participant. It starts open, so that a first word is never cut.
#[derive(Clone, Debug)]
pub struct Gate {
    floor: f32,
    hold: u32,
    gain: f32,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            floor: FLOOR_CEILING_DBOV,
            hold: HOLD_BLOCKS,
            gain: 1.0,
        }
    }
}

impl Gate {
    /// Passes one frame through the gate.
    pub fn apply(&mut self, frame: &mut PcmFrame) {
        for block in frame.0.chunks_exact_mut(BLOCK) {
            let next = self.next_gain(dbov_of(block));
            if self.gain < 1.0 || next < 1.0 {
                let step = (next - self.gain) / 240.0;
                let mut gain = self.gain;
                for x in block {
                    gain += step;
                    *x *= gain;
                }
            }
            self.gain = next;
        }
    }

    fn next_gain(&mut self, level: f32) -> f32 {
        self.floor = level
            .min(self.floor + FLOOR_RISE_DB)
            .clamp(SILENCE_DBOV, FLOOR_CEILING_DBOV);
        let above = if self.hold > 0 { KEEP_DB } else { OPEN_DB };
        if level >= QUIETEST_DBOV.max(self.floor + above) {
            self.hold = HOLD_BLOCKS;
            return 1.0;
        }
        self.hold = self.hold.saturating_sub(1);
        if self.hold > 0 {
            self.gain
        } else {
            (self.gain - CLOSE_STEP).max(CLOSED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::dbov;
    use plenum_media::pcm::FRAME_SAMPLES;

    fn noise(amplitude: f32, seed: &mut u32) -> PcmFrame {
        let mut frame = PcmFrame::SILENCE;
        for x in &mut frame.0 {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *x = amplitude * ((*seed >> 8) as f32 / 8_388_608.0 - 1.0);
        }
        frame
    }

    #[test]
    fn steady_noise_is_lowered_by_30_db() {
        let (mut gate, mut seed) = (Gate::default(), 1);
        let mut out = 0.0;
        for _ in 0..200 {
            let mut frame = noise(0.003, &mut seed);
            gate.apply(&mut frame);
            out = dbov(&frame);
        }
        let quiet = dbov(&noise(0.003, &mut seed));
        assert!((quiet - out - 30.0).abs() < 1.5, "{quiet} → {out}");
    }

    #[test]
    fn a_word_after_noise_passes_whole_but_for_the_first_5_ms() {
        let (mut gate, mut seed) = (Gate::default(), 7);
        for _ in 0..200 {
            gate.apply(&mut noise(0.003, &mut seed));
        }
        let mut word = PcmFrame([0.2; FRAME_SAMPLES]);
        gate.apply(&mut word);
        assert!(word.0[240..].iter().all(|x| *x == 0.2));
        let step = word
            .0
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.01, "no click: {step}");
    }

    #[test]
    fn clean_speech_is_untouched() {
        let mut gate = Gate::default();
        for _ in 0..20 {
            let mut frame = PcmFrame([0.1; FRAME_SAMPLES]);
            gate.apply(&mut frame);
            assert!(frame.0.iter().all(|x| *x == 0.1));
        }
    }
}
