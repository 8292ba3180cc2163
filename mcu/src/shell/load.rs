//! How busy a thread is, as the others see it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Busy time in permille of real time, about a second's average.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load(f32);

impl Load {
    /// Busy for so long of a period that is over.
    pub(super) fn observe(&mut self, busy: Duration, period: Duration, gauge: &AtomicU32) {
        let period = period.as_secs_f32();
        let permille = busy.as_secs_f32() / period * 1_000.0;
        self.0 += (permille - self.0) * period.min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped into the range of the type"
        )]
        let load = self.0.clamp(0.0, 1_000_000.0) as u32;
        gauge.store(load, Ordering::Relaxed);
    }

    /// Nothing is to be done.
    pub(super) fn rest(&mut self, gauge: &AtomicU32) {
        self.0 = 0.0;
        gauge.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_counts_alike_however_it_is_divided() {
        for rate in [10_u32, 25, 50] {
            let (mut load, gauge) = (Load::default(), AtomicU32::new(0));
            let period = Duration::from_secs(1) / rate;
            for _ in 0..rate {
                load.observe(period / 2, period, &gauge);
            }
            let seen = gauge.load(Ordering::Relaxed);
            // Half of the way to 500, and a bit: 1 - 1/e.
            assert!((310..330).contains(&seen), "{seen} at {rate} a second");
        }
    }
}
