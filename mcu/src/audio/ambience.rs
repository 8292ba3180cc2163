//! Music for those who wait: a soft arpeggio, synthesised here, in a loop without a seam.
//!
//! Eight bars of a slow chord progression; every note is a decaying sum of a few partials within the
//! band a telephone carries. Tails that reach past the end of the loop are written to its beginning, so
//! the loop point is like any other.

use plenum_media::pcm::{FRAME_SAMPLES, PcmFrame, SAMPLE_RATE};
use std::sync::Arc;

/// The loop: 16 s at 48 kHz.
const LOOP_SAMPLES: usize = 16 * 48_000;
const STEP_SAMPLES: usize = 12_000;
const NOTE_SAMPLES: usize = 72_000;

/// The chords, two bars each, as semitones above A3 (220 Hz): A minor 7, F major 7, C add 9, G 6.
const CHORDS: [[i32; 4]; 4] = [[0, 3, 7, 10], [-4, 0, 3, 7], [3, 7, 10, 17], [-2, 2, 5, 14]];
/// The order in which a chord's notes come, sixteen a chord.
const FIGURE: [usize; 16] = [0, 2, 1, 3, 2, 1, 3, 2, 0, 1, 2, 3, 1, 2, 3, 1];

/// The music, made once and shared by all conferences.
#[derive(Clone, Debug)]
pub struct Music(Arc<[f32]>);

impl Music {
    /// Synthesises the loop; takes some tens of milliseconds.
    pub fn synthesise() -> Self {
        let mut samples = vec![0.0_f32; LOOP_SAMPLES];
        for (step, start) in (0..LOOP_SAMPLES).step_by(STEP_SAMPLES).enumerate() {
            let chord = CHORDS.get(step / FIGURE.len()).copied().unwrap_or_default();
            let index = FIGURE.get(step % FIGURE.len()).copied().unwrap_or(0);
            let semitones = chord.get(index).copied().unwrap_or(0);
            let accent = if step % 8 == 0 { 1.0 } else { 0.75 };
            note(&mut samples, start, semitones, accent);
        }
        Self(samples.into())
    }

    /// Writes 20 ms from a position and returns the next position.
    pub fn frame(&self, position: usize, out: &mut PcmFrame) -> usize {
        let position = position % self.0.len().max(1);
        for (x, y) in out.0.iter_mut().zip(self.0.iter().cycle().skip(position)) {
            *x = *y;
        }
        position + FRAME_SAMPLES
    }
}

/// Adds one note, wrapping round the end of the loop.
fn note(samples: &mut [f32], start: usize, semitones: i32, accent: f64) {
    const PARTIALS: [(f64, f64); 3] = [(1.0, 1.0), (2.0, 0.28), (3.0, 0.09)];
    let hz = 220.0 * 2.0_f64.powf(f64::from(semitones) / 12.0);
    let rate = f64::from(SAMPLE_RATE);
    let (before, after) = samples.split_at_mut(start.min(samples.len()));
    for (n, x) in (0_u32..).zip(after.iter_mut().chain(before).take(NOTE_SAMPLES)) {
        let t = f64::from(n) / rate;
        let attack = (t / 0.012).min(1.0);
        let release = ((1.5 - t) / 0.2).clamp(0.0, 1.0);
        let envelope = attack * release * (-t * 3.2).exp();
        let tone: f64 = PARTIALS
            .iter()
            .map(|(k, a)| a * (std::f64::consts::TAU * hz * k * t).sin())
            .sum();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a sample needs no more than 24 bits"
        )]
        let value = (0.045 * accent * envelope * tone) as f32;
        *x += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    #[test]
    fn it_is_soft_and_never_silent() {
        let music = Music::synthesise();
        let mut position = 0;
        for _ in 0..LOOP_SAMPLES / FRAME_SAMPLES {
            let mut frame = PcmFrame::SILENCE;
            position = music.frame(position, &mut frame);
            let dbov = level::dbov(&frame);
            assert!((-55.0..-20.0).contains(&dbov), "{dbov} at {position}");
            assert!(level::peak(&frame.0) < 0.25);
        }
    }

    #[test]
    fn the_loop_has_no_seam() {
        let music = Music::synthesise();
        let step = |a: &f32, b: &f32| (a - b).abs();
        let usual = music
            .0
            .windows(2)
            .map(|w| step(&w[0], &w[1]))
            .fold(0.0, f32::max);
        let seam = step(&music.0[0], &music.0[LOOP_SAMPLES - 1]);
        assert!(seam <= usual, "{seam} against {usual}");
        let mut frame = PcmFrame::SILENCE;
        let next = music.frame(LOOP_SAMPLES - 100, &mut frame);
        assert_eq!(frame.0[100..], music.0[..FRAME_SAMPLES - 100]);
        assert_eq!(next % LOOP_SAMPLES, FRAME_SAMPLES - 100);
    }
}
