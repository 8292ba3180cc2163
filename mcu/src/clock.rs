//! The tick's schedule: `start + n · 20 ms`, whatever happened before.
//!
//! A late tick is run at once and its lateness counted; the next one is due at its own time, so lateness
//! never adds up. When a whole period was missed, its frames are skipped by number: they are never mixed
//! together, and no delay grows.

use std::time::{Duration, Instant};

/// The mixing period.
pub const PERIOD: Duration = Duration::from_millis(20);

/// An absolute schedule of ticks.
#[derive(Clone, Debug)]
pub struct TickClock {
    start: Instant,
    next: u64,
}

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its number since the start.
    pub number: u64,
    /// How late it begins.
    pub late: Duration,
    /// How many ticks before it were missed and must be skipped.
    pub skipped: u64,
}

impl TickClock {
    /// The first tick is due at `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, next: 0 }
    }

    /// When the next tick is due.
    pub fn deadline(&self) -> Instant {
        self.at(self.next)
    }

    /// The tick that is due, if one is.
    pub fn due(&mut self, now: Instant) -> Option<Tick> {
        let behind = now.checked_duration_since(self.deadline())?;
        let missed = behind.as_nanos() / PERIOD.as_nanos();
        let skipped = u64::try_from(missed).unwrap_or(u64::MAX);
        let number = self.next.saturating_add(skipped);
        self.next = number.saturating_add(1);
        Some(Tick {
            number,
            late: now.saturating_duration_since(self.at(number)),
            skipped,
        })
    }

    fn at(&self, number: u64) -> Instant {
        let millis = number.saturating_mul(20);
        self.start + Duration::from_millis(millis)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time has to begin somewhere"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn lateness_does_not_move_the_schedule() {
        let start = Instant::now();
        let mut clock = TickClock::new(start);
        for n in 0..100 {
            let now = start + PERIOD * n + MS * (n % 7);
            let tick = clock.due(now).unwrap();
            assert_eq!((tick.number, tick.skipped), (u64::from(n), 0));
            assert_eq!(tick.late, MS * (n % 7));
            assert_eq!(clock.due(now), None);
        }
    }

    #[test]
    fn a_missed_period_is_skipped_whole() {
        let start = Instant::now();
        let mut clock = TickClock::new(start);
        clock.due(start);
        let tick = clock.due(start + MS * 67).unwrap();
        let expected = Tick {
            number: 3,
            late: MS * 7,
            skipped: 2,
        };
        assert_eq!(tick, expected);
        assert_eq!(clock.deadline(), start + PERIOD * 4);
    }

    proptest! {
        /// Run plus skipped ticks are exactly the periods that passed, however the thread was scheduled.
        #[test]
        fn no_tick_is_run_twice_or_forgotten(steps in proptest::collection::vec(0_u32..90, 1..200)) {
            let start = Instant::now();
            let mut clock = TickClock::new(start);
            let (mut now, mut passed) = (start, 0);
            for step in steps {
                now += MS * step;
                if let Some(tick) = clock.due(now) {
                    passed += 1 + tick.skipped;
                    prop_assert!(tick.late < PERIOD);
                }
                let periods = (now - start).as_millis() / 20 + 1;
                prop_assert_eq!(u128::from(passed), periods);
            }
        }
    }
}
