//! The timers of one conference: each runs once at most, the earliest is found at once.

use plenum_mcu::control::EndpointId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The oldest unanswered command to a mixer has had its time.
    Command,
    /// A caller has had its time in its present state, or a key sequence is over.
    Call(EndpointId),
    /// A command of a participant takes its time.
    Undertaking(u64),
    /// The mixer failed and may be asked for again.
    Mixer,
    /// Subscribers may be told what has changed.
    Notify,
    /// Nobody came back after the last one left.
    Grace,
    /// No presenter came back after the last one left.
    Unled,
    /// The farewell has had its time: everybody is hung up.
    Farewell,
}

/// Which timers run until when.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Starts, moves or, with `None`, stops a timer.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(timer, at),
            None => self.at.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.order.insert((at, timer));
        }
    }

    /// The next timer that has run out by `now`; it runs no longer.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let &(at, timer) = self.order.first()?;
        if at > now {
            return None;
        }
        self.set(timer, None);
        Some(timer)
    }

    /// Whether a timer runs.
    pub(crate) fn is_running(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// When the next timer runs out.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::instant;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_each_once() {
        let now = instant();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        timers.set(Timer::Grace, Some(at(5)));
        timers.set(Timer::Command, Some(at(3)));
        timers.set(Timer::Grace, Some(at(2)));
        timers.set(Timer::Farewell, Some(at(1)));
        timers.set(Timer::Farewell, None);
        assert_eq!(timers.next(), Some(at(2)));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!(timers.pop(at(9)), Some(Timer::Grace));
        assert_eq!(timers.pop(at(9)), Some(Timer::Command));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.next(), None);
    }
}
