//! A count that leaks: what came long ago does not count any more.

use std::time::{Duration, Instant};

/// How much fits, and in how long all of it leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// So many fit.
    pub(crate) most: u32,
    /// A full bucket is empty after this.
    pub(crate) within: Duration,
}

/// A bucket. Empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    level: f64,
    at: Option<Instant>,
}

impl Bucket {
    /// Takes one more; false when it does not fit, and then it is not taken.
    pub(super) fn take(&mut self, now: Instant, measure: Measure) -> bool {
        self.leak(now, measure);
        let fits = self.level + 1.0 <= f64::from(measure.most);
        if fits {
            self.level += 1.0;
        }
        fits
    }

    /// Gives back what one took.
    pub(super) fn give_back(&mut self) {
        self.level = (self.level - 1.0).max(0.0);
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn leak(&mut self, now: Instant, measure: Measure) {
        let since = self.at.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let within = measure.within.as_secs_f64().max(f64::MIN_POSITIVE);
        let leaked = passed / within * f64::from(measure.most);
        self.level = (self.level - leaked).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIVE_A_SECOND: Measure = Measure {
        most: 5,
        within: Duration::from_secs(1),
    };

    #[expect(clippy::disallowed_methods, reason = "an origin to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn so_many_fit_and_come_back_with_time() {
        let (mut bucket, now) = (Bucket::default(), start());
        let taken = (0..9).filter(|_| bucket.take(now, FIVE_A_SECOND)).count();
        assert_eq!(taken, 5);
        let soon = now + Duration::from_millis(201);
        assert!(bucket.take(soon, FIVE_A_SECOND));
        assert!(!bucket.take(soon, FIVE_A_SECOND));
        bucket.give_back();
        assert!(bucket.take(soon, FIVE_A_SECOND));
        bucket.clear();
        assert!(bucket.take(soon, FIVE_A_SECOND));
    }

    proptest! {
        /// However the requests come, no more than two measures pass within the time of one.
        #[test]
        fn the_rate_is_kept(gaps in proptest::collection::vec(0_u64..400, 1..200)) {
            let (mut bucket, mut now) = (Bucket::default(), start());
            let mut taken: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(now, FIVE_A_SECOND) {
                    taken.push(now);
                }
            }
            for (at, first) in taken.iter().enumerate() {
                let until = *first + FIVE_A_SECOND.within;
                let within = taken.iter().skip(at).filter(|one| **one < until).count();
                prop_assert!(within <= 10, "{within}");
            }
        }
    }
}
