//! Who is shut out until when, and why.

use plenum_focus::Source;
use plenum_focus::per_source::PerSource;
use std::time::{Duration, Instant};

/// The sources that are shut out, and those that were lately.
#[derive(Debug)]
pub(super) struct Bans {
    sources: PerSource<Record>,
    first: Duration,
    ceiling: Duration,
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) source: Source,
    pub(crate) why: &'static str,
    pub(crate) left: Duration,
    /// How often the source was banned, with this time.
    pub(crate) times: u32,
    /// What was dropped meanwhile.
    pub(crate) dropped: u64,
}

#[derive(Debug, Default)]
struct Record {
    until: Option<Instant>,
    why: &'static str,
    times: u32,
    dropped: u64,
}

impl Bans {
    pub(super) fn new(most: usize, first: Duration, ceiling: Duration) -> Self {
        Self {
            sources: PerSource::new(most),
            first,
            ceiling,
        }
    }

    /// Bans a source, for `time`, but a year at most, or twice as long as the last time. Answers
    /// for how long.
    pub(super) fn ban(
        &mut self,
        now: Instant,
        source: Source,
        why: &'static str,
        time: Option<Duration>,
    ) -> Duration {
        let quiet = self.sources.quiet_since(source);
        // Who was good for so long begins anew.
        let reformed = self.ceiling.saturating_mul(2);
        if quiet.is_some_and(|since| now.saturating_duration_since(since) > reformed) {
            self.sources.forget(source);
        }
        let (first, ceiling) = (self.first, self.ceiling);
        let record = self.sources.touch(now, source);
        let doubled = first.saturating_mul(1 << record.times.min(20)).min(ceiling);
        let time = time.unwrap_or(doubled).min(LONGEST);
        record.times = record.times.saturating_add(1);
        record.until = now.checked_add(time);
        record.why = why;
        record.dropped = 0;
        time
    }

    /// Takes over a ban of before; one whose source has been good for long enough is forgotten.
    pub(super) fn restore(
        &mut self,
        now: Instant,
        source: Source,
        (why, left, times): (&'static str, Duration, u32),
        since: Duration,
    ) {
        if since > self.ceiling.saturating_mul(2) {
            return;
        }
        let record = self.sources.touch(now, source);
        record.until = now.checked_add(left);
        record.why = why;
        record.times = times;
    }

    /// Whether a source is banned; what comes from it is counted.
    pub(super) fn is_banned(&mut self, now: Instant, source: Source) -> bool {
        let Some(record) = self.sources.get_mut(source) else {
            return false;
        };
        let banned = record.until.is_some_and(|until| until > now);
        if banned {
            record.dropped = record.dropped.saturating_add(1);
        }
        banned
    }

    /// Ends the ban of a source; false if there is none.
    pub(super) fn lift(&mut self, now: Instant, source: Source) -> bool {
        let record = self.sources.get_mut(source);
        let until = record.and_then(|record| record.until);
        let banned = until.is_some_and(|until| until > now);
        if banned {
            self.sources.forget(source);
        }
        banned
    }

    /// The bans that hold, the oldest first.
    pub(super) fn list(&self, now: Instant) -> Vec<Ban> {
        let holding = self.sources.iter().filter_map(|(source, record)| {
            let left = record.until?.checked_duration_since(now)?;
            (!left.is_zero()).then_some(Ban {
                source,
                why: record.why,
                left,
                times: record.times,
                dropped: record.dropped,
            })
        });
        holding.collect()
    }
}

/// No ban lasts longer, whatever an operator asks for: instants have an end.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
