//! The one clock of the generator: the kernel's, so that it agrees with the kernel's receive stamps.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment: the time since the Unix epoch, to the nanosecond.
pub type Moment = Duration;

/// Now.
pub fn now() -> Moment {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from)
}

/// A kernel receive stamp as a moment.
pub fn stamp(spec: TimeSpec) -> Moment {
    Duration::from(spec)
}

/// `later − earlier` in milliseconds, negative where the order is the other way round.
pub fn millis_between(earlier: Moment, later: Moment) -> f64 {
    (later.as_secs_f64() - earlier.as_secs_f64()) * 1e3
}
