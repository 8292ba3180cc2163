//! How often something began within the last hour.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What began within the last hour, each by its instant. As many are remembered as begin in an
/// hour: whoever asks before he lets another begin has bounded it.
#[derive(Debug, Default)]
pub(super) struct Hourly(VecDeque<Instant>);

impl Hourly {
    /// One more begins.
    pub(super) fn begin(&mut self, now: Instant) {
        while self.0.front().is_some_and(|at| !is_recent(now, *at)) {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How many began within the last hour.
    pub(super) fn count(&self, now: Instant) -> usize {
        let recent = self.0.iter().rev();
        recent.take_while(|at| is_recent(now, **at)).count()
    }
}

fn is_recent(now: Instant, at: Instant) -> bool {
    now.saturating_duration_since(at) < HOUR
}

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_an_hour_ago_counts_no_more_and_takes_no_room() {
        #[expect(clippy::disallowed_methods, reason = "an origin to count from")]
        let start = Instant::now();
        let mut hourly = Hourly::default();
        for minute in 0..120 {
            hourly.begin(start + Duration::from_secs(60 * minute));
        }
        let last = start + Duration::from_secs(60 * 119);
        assert_eq!((hourly.count(last), hourly.0.len()), (60, 60));
        assert_eq!(hourly.count(last + Duration::from_secs(60)), 59);
        assert_eq!(hourly.count(last + HOUR), 0);
    }
}
