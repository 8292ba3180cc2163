//! A look-ahead limiter: what leaves it never exceeds [`CEILING`], and its gain has no steps.
//!
//! The frame is seen as blocks of 16 samples. Each block *needs* a gain that brings its peak under the
//! ceiling. The gain applied runs in straight lines between the block edges, and the value at an edge is
//! the mean of four minima, each of which already covers every block the edge touches, so no sample can
//! pass above the ceiling:
//!
//! | stage | value | why |
//! |---|---|---|
//! | need | `n[b] = min(1, ceiling / peak(b))` | what the block alone would ask for |
//! | minimum | `e[j] = min(n[j-1..=j+3])` | every edge value that is averaged covers both neighbours |
//! | hold, release | `r[j] = min(e[j], r[j-1])` for 12 ms after the last peak that needed it, then `min(e[j], r[j-1] + (1 − r[j-1])·k)` | the gain does not ripple between the peaks of one tone; it recovers with a time constant, never above `e` |
//! | edge | `g[j] = mean(r[j-3..=j])` | the attack is spread over four blocks: no step, no click |
//! | output | `y[b] = x[b] · line(g[b], g[b+1])` | delayed by [`LOOK_AHEAD`] samples, 1.33 ms |

use plenum_media::pcm::{FRAME_SAMPLES, PcmFrame};

use super::level;

/// The largest magnitude that leaves the limiter: −0.2 dB, room for the codecs' own overshoot.
pub const CEILING: f32 = 0.977;
/// By how many samples the output is late (1.33 ms).
pub const LOOK_AHEAD: usize = BLOCK * AHEAD;

const BLOCK: usize = 16;
const AHEAD: usize = 4;
const BLOCKS: usize = FRAME_SAMPLES / BLOCK;
/// Recovery per block of 1/3 ms: a time constant of about 80 ms.
const RELEASE: f32 = 0.004_16;
/// Blocks before recovery begins: 12 ms, more than half a period of 42 Hz.
const HOLD: u32 = 36;
/// A peak that needs no more than this above the gain in force keeps it there.
const NEAR: f32 = 0.02;
/// Above this the gain counts as unity again; the step that is left is −100 dB.
const UNITY: f32 = 0.999_99;

/// The state of one limited signal. Give every distinct signal its own; a signal that splits off
/// another starts with a clone of that one's state and so continues without a seam.
#[derive(Clone, Debug)]
pub struct Limiter {
    delayed: [f32; LOOK_AHEAD],
    /// Needs of the block before the delayed ones, and of those.
    needs: [f32; AHEAD + 1],
    /// The last four released minima, oldest first.
    released: [f32; 4],
    /// Blocks until recovery may begin.
    hold: u32,
    /// The gain at the edge where the next output begins.
    edge: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            delayed: [0.0; LOOK_AHEAD],
            needs: [1.0; AHEAD + 1],
            released: [1.0; 4],
            hold: 0,
            edge: 1.0,
        }
    }
}

impl Limiter {
    /// Limits one frame in place. The output is the input [`LOOK_AHEAD`] samples ago.
    pub fn limit(&mut self, frame: &mut PcmFrame) {
        if self.at_rest() && level::peak(&frame.0) <= CEILING {
            self.delay(frame);
        } else {
            self.limit_blocks(frame);
        }
    }

    /// The gain in force at the end of the last frame, 0 to 1.
    pub fn gain(&self) -> f32 {
        self.edge
    }

    /// Nothing that is still delayed and nothing in the recent past asks for less than unity gain.
    fn at_rest(&self) -> bool {
        self.edge >= UNITY
            && self.needs.iter().all(|need| *need >= 1.0)
            && self.released.iter().all(|gain| *gain >= UNITY)
    }

    /// The common case: only the delay line moves.
    fn delay(&mut self, frame: &mut PcmFrame) {
        self.delay_line(frame);
        self.released = [1.0; 4];
        self.edge = 1.0;
    }

    fn limit_blocks(&mut self, frame: &mut PcmFrame) {
        let mut needs = [1.0_f32; BLOCKS + AHEAD + 1];
        let (old, new) = needs.split_at_mut(AHEAD + 1);
        old.copy_from_slice(&self.needs);
        for (need, block) in new.iter_mut().zip(frame.0.chunks_exact(BLOCK)) {
            let peak = level::peak(block);
            *need = if peak > CEILING { CEILING / peak } else { 1.0 };
        }
        self.delay_line(frame);

        // Window `w` of five needs starts at block b−1 … b+3 where b is the block being output, and
        // the edge that matters is the one at its end, b+1: hence the windows from the second on.
        for (block, window) in frame
            .0
            .chunks_exact_mut(BLOCK)
            .zip(needs.windows(AHEAD + 1).skip(1))
        {
            let minimum = window.iter().copied().fold(1.0_f32, f32::min);
            let next = self.next_edge(minimum);
            apply_line(block, self.edge, next);
            self.edge = next;
        }
        if let Some(last) = needs.last_chunk::<{ AHEAD + 1 }>() {
            self.needs = *last;
        }
        if self.released.iter().all(|gain| *gain >= UNITY) && self.edge >= UNITY {
            self.edge = 1.0;
            self.released = [1.0; 4];
        }
    }

    /// Moves the samples through the delay line without touching the gain.
    fn delay_line(&mut self, frame: &mut PcmFrame) {
        let mut tail = [0.0; LOOK_AHEAD];
        if let Some(last) = frame.0.last_chunk::<LOOK_AHEAD>() {
            tail = *last;
        }
        frame
            .0
            .copy_within(..FRAME_SAMPLES - LOOK_AHEAD, LOOK_AHEAD);
        if let Some(first) = frame.0.first_chunk_mut::<LOOK_AHEAD>() {
            *first = self.delayed;
        }
        self.delayed = tail;
    }

    fn next_edge(&mut self, minimum: f32) -> f32 {
        let [_, b, c, d] = self.released;
        self.hold = if minimum <= d + NEAR && minimum < 1.0 {
            HOLD
        } else {
            self.hold.saturating_sub(1)
        };
        let recovered = if self.hold > 0 {
            d
        } else {
            d + (1.0 - d) * RELEASE
        };
        let released = minimum.min(recovered);
        self.released = [b, c, d, released];
        // A mean may round above its largest term; the least significant bits are kept under it.
        (b + c + d + released) * (0.25 * (1.0 - 2.0 * f32::EPSILON))
    }
}

fn apply_line(block: &mut [f32], from: f32, to: f32) {
    let step = (to - from) / 16.0;
    let mut gain = from;
    for x in block {
        *x = (*x * gain).clamp(-1.0, 1.0);
        gain += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(limiter: &mut Limiter, input: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        for chunk in input.chunks_exact(FRAME_SAMPLES) {
            let mut frame = PcmFrame(chunk.try_into().unwrap());
            limiter.limit(&mut frame);
            out.extend_from_slice(&frame.0);
        }
        out
    }

    fn sine(amplitude: f32, hz: f32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| level::sine(amplitude, hz, n))
            .collect()
    }

    #[test]
    fn below_the_ceiling_it_only_delays() {
        let input = sine(0.9, 997.0, FRAME_SAMPLES * 5);
        let output = run(&mut Limiter::default(), &input);
        assert!(output[..LOOK_AHEAD].iter().all(|x| *x == 0.0));
        assert_eq!(output[LOOK_AHEAD..], input[..input.len() - LOOK_AHEAD]);
    }

    #[test]
    fn nothing_leaves_above_the_ceiling() {
        for (amplitude, hz) in [(1.2, 50.0), (3.0, 440.0), (4.0, 3_999.0), (2.5, 17.0)] {
            let mut input = vec![0.0; FRAME_SAMPLES + 333];
            input.extend(sine(amplitude, hz, FRAME_SAMPLES * 20));
            let output = run(&mut Limiter::default(), &input);
            let peak = level::peak(&output);
            assert!(peak <= CEILING * 1.000_01, "{amplitude} at {hz} Hz: {peak}");
            assert!(peak > CEILING * 0.8, "{amplitude} at {hz} Hz: {peak}");
        }
    }

    #[test]
    fn a_single_loud_sample_anywhere_in_a_block_stays_below_the_ceiling() {
        for at in FRAME_SAMPLES - 40..FRAME_SAMPLES + 40 {
            let mut input = vec![0.5; FRAME_SAMPLES * 3];
            input[at] = -3.7;
            let output = run(&mut Limiter::default(), &input);
            assert!(level::peak(&output) <= CEILING * 1.000_01, "at {at}");
        }
    }

    #[test]
    fn the_gain_comes_down_and_goes_up_without_a_step() {
        let mut input = vec![0.5; FRAME_SAMPLES];
        input.extend(vec![2.0; FRAME_SAMPLES]);
        input.extend(vec![0.5; FRAME_SAMPLES * 40]);
        let output = run(&mut Limiter::default(), &input);
        // The gain itself: output over input, moved back by the delay.
        let gain: Vec<f32> = output[LOOK_AHEAD..]
            .iter()
            .zip(&input)
            .map(|(y, x)| y / x)
            .collect();
        let step = gain
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.012, "{step}");
        assert!(gain[gain.len() - 1] > 0.99, "it recovers");
        assert!(gain[FRAME_SAMPLES * 2 + 48 * 40] < 0.8, "but not at once");
    }

    #[test]
    fn after_recovery_it_is_bit_transparent_again() {
        let mut input = vec![2.0; FRAME_SAMPLES];
        input.extend(sine(0.5, 300.0, FRAME_SAMPLES * 120));
        let output = run(&mut Limiter::default(), &input);
        let n = input.len();
        assert_eq!(
            output[n - FRAME_SAMPLES..],
            input[n - FRAME_SAMPLES - LOOK_AHEAD..n - LOOK_AHEAD]
        );
    }

    #[test]
    fn a_tone_too_loud_becomes_a_clean_tone() {
        for (hz, amplitude) in [(100.0, 1.5), (440.0, 2.5), (997.0, 1.1), (3_000.0, 3.0)] {
            let input = sine(amplitude, hz, FRAME_SAMPLES * 100);
            let output = run(&mut Limiter::default(), &input);
            let settled = &output[FRAME_SAMPLES * 50..];
            let rest = level::residual_dbov(settled, hz);
            let tone = level::dbov_of(settled);
            assert!(rest - tone < -60.0, "{hz} Hz: THD+N {} dB", rest - tone);
        }
    }

    #[test]
    fn a_clone_continues_without_a_seam() {
        let input = sine(1.7, 440.0, FRAME_SAMPLES * 6);
        let mut whole = Limiter::default();
        let expected = run(&mut whole, &input);
        let mut first = Limiter::default();
        let mut output = run(&mut first, &input[..FRAME_SAMPLES * 3]);
        let mut second = first.clone();
        output.extend(run(&mut second, &input[FRAME_SAMPLES * 3..]));
        assert_eq!(output, expected);
    }
}
