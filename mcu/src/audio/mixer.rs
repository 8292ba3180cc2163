//! The bus of a conference and what each listener takes from it, for one tick.
//!
//! The bus is the sum of the chosen, in `f32` and before any limiter. A chosen talker's own voice is
//! subtracted exactly as it was added, so what remains of it is rounding, some −130 dB.

use plenum_media::pcm::{FRAME_SAMPLES, PcmFrame};

/// Gains change over this many samples (5 ms): too short to hear, too long to click.
pub const FADE: usize = 240;

/// Multiplies a frame: the gain moves in a straight line from `from` to `to` over [`FADE`] samples.
pub fn fade(frame: &mut PcmFrame, from: f32, to: f32) {
    let (head, tail) = frame.0.split_at_mut(FADE);
    #[expect(clippy::float_cmp, reason = "an unchanged gain is the same number")]
    let moving = from != to;
    if moving {
        let step = (to - from) / 240.0;
        let mut gain = from;
        for x in head {
            gain += step;
            *x *= gain;
        }
    } else {
        scale(head, to);
    }
    scale(tail, to);
}

/// Adds `source` to `sum` with a gain that moves from `from` to `to` over [`FADE`] samples.
pub fn add_faded(sum: &mut PcmFrame, source: &PcmFrame, from: f32, to: f32) {
    let (head, tail) = sum.0.split_at_mut(FADE);
    let (source_head, source_tail) = source.0.split_at(FADE);
    #[expect(clippy::float_cmp, reason = "an unchanged gain is the same number")]
    let moving = from != to;
    if moving {
        let step = (to - from) / 240.0;
        let mut gain = from;
        for (x, y) in head.iter_mut().zip(source_head) {
            gain += step;
            *x += *y * gain;
        }
    } else {
        add_scaled(head, source_head, to);
    }
    add_scaled(tail, source_tail, to);
}

/// `sum += source`.
pub fn add(sum: &mut PcmFrame, source: &PcmFrame) {
    for (x, y) in sum.0.iter_mut().zip(&source.0) {
        *x += *y;
    }
}

/// `sum −= source`.
pub fn subtract(sum: &mut PcmFrame, source: &PcmFrame) {
    for (x, y) in sum.0.iter_mut().zip(&source.0) {
        *x -= *y;
    }
}

fn scale(samples: &mut [f32], gain: f32) {
    if gain == 1.0 {
        return;
    }
    for x in samples {
        *x *= gain;
    }
}

fn add_scaled(sum: &mut [f32], source: &[f32], gain: f32) {
    if gain == 0.0 {
        return;
    }
    for (x, y) in sum.iter_mut().zip(source) {
        *x += *y * gain;
    }
}

const _: () = assert!(FADE < FRAME_SAMPLES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    #[test]
    fn own_voice_is_gone_to_the_rounding() {
        let tone = |hz: f32, amplitude: f32| {
            let mut frame = PcmFrame::SILENCE;
            for (n, x) in frame.0.iter_mut().enumerate() {
                *x = amplitude * (std::f32::consts::TAU * hz * n as f32 / 48_000.0).sin();
            }
            frame
        };
        let (own, other) = (tone(440.0, 1.0), tone(1_000.0, 0.1));
        let mut bus = PcmFrame::SILENCE;
        add(&mut bus, &own);
        add(&mut bus, &other);
        subtract(&mut bus, &own);
        subtract(&mut bus, &other);
        assert!(level::dbov(&bus) < -120.0);
    }

    #[test]
    fn a_fade_is_a_line_of_5_ms_and_then_the_gain() {
        let mut frame = PcmFrame([1.0; FRAME_SAMPLES]);
        fade(&mut frame, 0.0, 1.0);
        assert!((frame.0[119] - 0.5).abs() < 1e-4);
        assert!(frame.0[240..].iter().all(|x| *x == 1.0));
        fade(&mut frame, 0.5, 0.5);
        assert!(frame.0[240..].iter().all(|x| *x == 0.5));
    }

    #[test]
    fn adding_with_a_fade_is_fading_then_adding() {
        let source = PcmFrame([0.25; FRAME_SAMPLES]);
        for (from, to) in [(0.0, 1.0), (1.0, 0.0), (0.3, 0.3), (1.0, 1.0), (0.0, 0.0)] {
            let (mut a, mut b) = (PcmFrame([0.1; FRAME_SAMPLES]), source.clone());
            add_faded(&mut a, &source, from, to);
            fade(&mut b, from, to);
            let mut sum = PcmFrame([0.1; FRAME_SAMPLES]);
            add(&mut sum, &b);
            let worst =
                a.0.iter()
                    .zip(&sum.0)
                    .map(|(x, y)| (x - y).abs())
                    .fold(0.0, f32::max);
            assert!(worst < 1e-6, "{from} to {to}: {worst}");
        }
    }
}
