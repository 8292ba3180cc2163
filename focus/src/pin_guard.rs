//! Slows a source that guesses PINs, or numbers of conferences, across conferences and across their activations.
//!
//! A call that will be asked for a PIN is counted against its source when it is let in and counted
//! off when it ends, so that many calls at once guess no faster than one after another. A source
//! may fail a few times; from then on it gets one call at a time, and after each failure it is
//! refused for twice as long as before.

use crate::limits::Limits;
use crate::per_source::{PerSource, Source};
use std::time::{Duration, Instant};

/// What is remembered of the sources that were asked for PINs.
#[derive(Debug)]
pub struct PinGuard {
    sources: PerSource<Suspect>,
    calls_per_source: u32,
    free_failures: u32,
    backoff: Duration,
    ceiling: Duration,
}

/// What a call is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The PIN of a conference.
    Pin,
    /// The number of a conference, at the entry.
    Number,
}

/// A guard for each: who knows some number is not trusted to know PINs.
#[derive(Debug)]
pub struct Guards {
    pins: PinGuard,
    numbers: PinGuard,
}

impl Guards {
    /// Guards without memories.
    pub fn new(limits: &Limits) -> Self {
        Self {
            pins: PinGuard::new(limits),
            numbers: PinGuard::new(limits),
        }
    }

    /// The guard of these.
    pub fn of(&mut self, asked: Asked) -> &mut PinGuard {
        match asked {
            Asked::Pin => &mut self.pins,
            Asked::Number => &mut self.numbers,
        }
    }
}

/// How a call that was asked for a PIN went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinOutcome {
    /// The right PIN came; the source is trusted again.
    Right,
    /// This many wrong ones came, and the call ended.
    Wrong(u32),
}

impl PinGuard {
    /// A guard without memories.
    pub fn new(limits: &Limits) -> Self {
        Self {
            sources: PerSource::new(limits.pin_sources),
            calls_per_source: limits.pin_calls_per_source,
            free_failures: limits.pin_free_failures,
            backoff: limits.pin_backoff,
            ceiling: limits.pin_backoff_ceiling,
        }
    }

    /// Lets a call in that will be asked for a PIN. Each `Ok` is followed by one
    /// [`Self::handle_outcome`].
    ///
    /// # Errors
    /// How long the source is to stay away.
    pub fn admit(&mut self, now: Instant, source: Source) -> Result<(), Duration> {
        self.peek(now, source)?;
        let (free, most, backoff) = (self.free_failures, self.calls_per_source, self.backoff);
        let suspect = self.sources.touch(now, source);
        let most = if suspect.failures > free { 1 } else { most };
        if suspect.calls >= most {
            return Err(backoff);
        }
        suspect.calls += 1;
        Ok(())
    }

    /// Whether [`Self::admit`] would refuse this source for what it did before.
    ///
    /// # Errors
    /// How long the source is to stay away.
    pub fn peek(&mut self, now: Instant, source: Source) -> Result<(), Duration> {
        // No call is asked for a PIN for so long: whatever is still counted was lost.
        let forgotten = self.ceiling.saturating_mul(2);
        let quiet = self.sources.quiet_since(source);
        if quiet.is_some_and(|since| now.saturating_duration_since(since) >= forgotten) {
            self.sources.forget(source);
        }
        let suspect = self.sources.get_mut(source);
        let until = suspect.and_then(|suspect| suspect.refused_until);
        if let Some(left) = until.and_then(|until| left(now, until)) {
            return Err(left);
        }
        Ok(())
    }

    /// A call that was let in has ended its being asked.
    pub fn handle_outcome(&mut self, now: Instant, source: Source, outcome: PinOutcome) {
        let (free, backoff, ceiling) = (self.free_failures, self.backoff, self.ceiling);
        let suspect = self.sources.touch(now, source);
        suspect.calls = suspect.calls.saturating_sub(1);
        match outcome {
            PinOutcome::Right => {
                suspect.failures = 0;
                suspect.refused_until = None;
            }
            PinOutcome::Wrong(0) => {}
            PinOutcome::Wrong(_) => suspect.fail(now, free, backoff, ceiling),
        }
        if *suspect == Suspect::default() {
            self.sources.forget(source);
        }
    }

    /// A wrong proof came that was judged at once: no call is asked on its account, and calls that
    /// are make it no better.
    pub fn handle_failure(&mut self, now: Instant, source: Source) {
        let (free, backoff, ceiling) = (self.free_failures, self.backoff, self.ceiling);
        let suspect = self.sources.touch(now, source);
        suspect.fail(now, free, backoff, ceiling);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Suspect {
    calls: u32,
    failures: u32,
    refused_until: Option<Instant>,
}

impl Suspect {
    fn fail(&mut self, now: Instant, free: u32, backoff: Duration, ceiling: Duration) {
        self.failures = self.failures.saturating_add(1);
        if let Some(past) = self.failures.checked_sub(free + 1) {
            let wait = backoff.saturating_mul(1 << past.min(20)).min(ceiling);
            self.refused_until = Some(now + wait);
        }
    }
}

fn left(now: Instant, until: Instant) -> Option<Duration> {
    until
        .checked_duration_since(now)
        .filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::instant;
    use std::net::IpAddr;

    fn guard() -> PinGuard {
        PinGuard::new(&Limits {
            pin_sources: 4,
            pin_calls_per_source: 10,
            pin_free_failures: 2,
            pin_backoff: Duration::from_secs(5),
            pin_backoff_ceiling: Duration::from_secs(60),
            ..Limits::default()
        })
    }

    fn source(last: u8) -> Source {
        IpAddr::from([203, 0, 113, last]).into()
    }

    /// Calls the whole day, each call with three wrong PINs as soon as it is let in.
    #[test]
    fn a_source_that_guesses_gets_slower_and_slower() {
        let (mut guard, mut now, mut guesses) = (guard(), instant(), 0);
        let end = now + Duration::from_secs(24 * 3600);
        while now < end {
            match guard.admit(now, source(1)) {
                Ok(()) => {
                    now += Duration::from_secs(1);
                    guard.handle_outcome(now, source(1), PinOutcome::Wrong(3));
                    guesses += 3;
                }
                Err(wait) => now += wait,
            }
        }
        // One call a minute once the ceiling is reached, which is soon.
        assert!((4_000..4_400).contains(&guesses), "{guesses}");
    }

    #[test]
    fn many_calls_at_once_do_not_guess_faster() {
        let (mut guard, now) = (guard(), instant());
        let at_once = (0..100)
            .filter(|_| guard.admit(now, source(1)).is_ok())
            .count();
        assert_eq!(at_once, 10);
        for _ in 0..at_once {
            guard.handle_outcome(now, source(1), PinOutcome::Wrong(3));
        }
        let wait = guard.admit(now, source(1)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(60));
        assert_eq!(guard.admit(now + wait, source(1)), Ok(()));
        assert!(
            guard.admit(now + wait, source(1)).is_err(),
            "one at a time from now on"
        );
        assert_eq!(
            guard.admit(now, source(2)),
            Ok(()),
            "others are not concerned"
        );
    }

    #[test]
    fn the_right_pin_makes_good_again_and_is_not_remembered() {
        let (mut guard, now) = (guard(), instant());
        for outcome in [
            PinOutcome::Wrong(1),
            PinOutcome::Wrong(3),
            PinOutcome::Right,
        ] {
            assert_eq!(guard.admit(now, source(1)), Ok(()));
            guard.handle_outcome(now, source(1), outcome);
        }
        assert_eq!(guard.sources.len(), 0);
    }

    #[test]
    fn hanging_up_before_the_first_digit_is_no_failure() {
        let (mut guard, now) = (guard(), instant());
        for _ in 0..50 {
            assert_eq!(guard.admit(now, source(1)), Ok(()));
            guard.handle_outcome(now, source(1), PinOutcome::Wrong(0));
        }
    }

    #[test]
    fn a_quiet_source_is_forgotten_with_the_calls_that_were_lost() {
        let (mut guard, now) = (guard(), instant());
        while guard.admit(now, source(1)).is_ok() {}
        let later = now + Duration::from_secs(120);
        assert_eq!(guard.admit(later, source(1)), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut guard, now) = (guard(), instant());
        for last in 0..=255 {
            let _ = guard.admit(now + Duration::from_secs(last.into()), source(last));
        }
        assert_eq!(guard.sources.len(), 4);
    }
}
