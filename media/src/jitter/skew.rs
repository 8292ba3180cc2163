//! The peer's clock against ours: a line through the least transit times of the last minute.
//!
//! The least transit of a second is hardly touched by jitter, because some packet always comes through quickly.

use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// Seconds remembered.
const SECONDS: usize = 64;
/// Seconds needed before anything is said.
const ENOUGH: usize = 12;
/// A crystal is never worse than this; a steeper line is a network that changed.
const STEEPEST_PPM: f32 = 1000.0;

/// The least transit times and the line through them.
#[derive(Clone, Debug)]
pub struct Skew {
    /// (seconds since the origin, least transit in samples).
    points: [(f32, f32); SECONDS],
    count: usize,
    next: usize,
    origin: Option<(Instant, i64)>,
    second: Option<(Instant, f32)>,
    ppm: f32,
}

impl Default for Skew {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); SECONDS],
            count: 0,
            next: 0,
            origin: None,
            second: None,
            ppm: 0.0,
        }
    }
}

impl Skew {
    /// A packet with its first sample at `media` came now.
    pub fn arrived(&mut self, now: Instant, media: i64) {
        let (start, first) = *self.origin.get_or_insert((now, media));
        let elapsed = now.saturating_duration_since(start);
        let transit = to_f32(super::timeline::samples(elapsed) - (media - first));
        match &mut self.second {
            None => self.second = Some((now, transit)),
            Some((began, least)) => {
                *least = least.min(transit);
                if now.saturating_duration_since(*began) >= Duration::from_secs(1) {
                    let point = (elapsed.as_secs_f32(), *least);
                    self.second = Some((now, transit));
                    self.add(point);
                }
            }
        }
    }

    /// Positive when the peer's clock is faster than ours.
    pub fn ppm(&self) -> f32 {
        self.ppm
    }

    /// Timestamps jumped: the points mean nothing any more, the estimate stays until there are new ones.
    pub fn restart(&mut self) {
        *self = Self {
            ppm: self.ppm,
            ..Self::default()
        };
    }

    fn add(&mut self, point: (f32, f32)) {
        if let Some(slot) = self.points.get_mut(self.next) {
            *slot = point;
        }
        self.next = (self.next + 1) % SECONDS;
        self.count = (self.count + 1).min(SECONDS);
        if self.count >= ENOUGH {
            // Transit grows when the peer is slow; its unit is samples of 1/48,000 s a second.
            let ppm = -self.slope() / 48_000.0 * 1e6;
            self.ppm = ppm.clamp(-STEEPEST_PPM, STEEPEST_PPM);
        }
    }

    /// The median slope between every point and the one half the memory later (after Theil and Sen): a blackout that
    /// spoils a few points does not bend it.
    fn slope(&self) -> f32 {
        let oldest = if self.count < SECONDS { 0 } else { self.next };
        let half = self.count / 2;
        let point = |index: usize| self.points.get((oldest + index) % SECONDS).copied();
        let mut slopes: SmallVec<[f32; SECONDS]> = (0..self.count - half)
            .filter_map(|index| {
                let (from, to) = (point(index)?, point(index + half)?);
                Some((to.1 - from.1) / (to.0 - from.0).max(0.5))
            })
            .collect();
        slopes.sort_unstable_by(f32::total_cmp);
        slopes.get(slopes.len() / 2).copied().unwrap_or(0.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a slope needs no more than 24 bits"
)]
fn to_f32(value: i64) -> f32 {
    value as f32
}
