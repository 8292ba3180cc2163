//! From RTP timestamps of whatever clock to one continuous media time.

use crate::rtp::sequence::WideTimestamp;
use std::time::{Duration, Instant};

/// A timestamp that disagrees with the clock on the wall by more than this is a jump, not jitter.
const JUMP: i64 = 48_000;

/// The mapping in force.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    wide: WideTimestamp,
    segment: Option<Segment>,
    newest: Option<Newest>,
}

/// Since when timestamps of one clock run without a jump.
#[derive(Clone, Copy, Debug)]
struct Segment {
    clock: u32,
    timestamp: i64,
    media: i64,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    sequence: i64,
    media: i64,
    arrival: Instant,
}

/// Where a packet is in media time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Media time of its first sample.
    pub media: i64,
    /// The timestamps jumped here or began to run in another clock.
    pub jumped: bool,
}

impl Timeline {
    /// Places a packet. Timestamp jumps and changes of clock are bridged by the time on the wall.
    pub fn place(&mut self, sequence: i64, timestamp: u32, clock: u32, arrival: Instant) -> Placed {
        let wide = self.wide.widen(timestamp);
        let is_newest = self.newest.is_none_or(|newest| sequence > newest.sequence);
        let expected = self.newest.map_or(0, |newest| {
            newest.media + samples(arrival.saturating_duration_since(newest.arrival))
        });
        let natural = self
            .segment
            .and_then(|segment| segment.media_of(wide, clock));
        let placed = match natural {
            Some(media) if !is_newest || (media - expected).abs() <= JUMP => Placed {
                media,
                jumped: false,
            },
            Some(_) | None => {
                self.segment = Some(Segment {
                    clock,
                    timestamp: wide,
                    media: expected,
                });
                Placed {
                    media: expected,
                    jumped: true,
                }
            }
        };
        if is_newest {
            self.newest = Some(Newest {
                sequence,
                media: placed.media,
                arrival,
            });
        }
        placed
    }

    /// Moves what comes from now on by so many samples.
    pub fn shift(&mut self, samples: i64) {
        if let Some(segment) = &mut self.segment {
            segment.media += samples;
        }
        if let Some(newest) = &mut self.newest {
            newest.media += samples;
        }
    }

    /// Another stream begins: sequence numbers and timestamps mean nothing any more, media time goes on.
    pub fn restart(&mut self) {
        self.segment = None;
        self.wide = WideTimestamp::default();
        if let Some(newest) = &mut self.newest {
            newest.sequence = i64::MIN;
        }
    }
}

impl Segment {
    fn media_of(self, timestamp: i64, clock: u32) -> Option<i64> {
        if clock != self.clock {
            return None;
        }
        Some(self.media + (timestamp - self.timestamp) * 48_000 / i64::from(clock.max(1)))
    }
}

/// A time as samples at 48 kHz.
pub fn samples(time: Duration) -> i64 {
    let whole = time.as_secs().saturating_mul(48_000);
    // 6 / 125,000 of a nanosecond is a sample.
    let part = u64::from(time.subsec_nanos()) * 6 / 125_000;
    i64::try_from(whole.saturating_add(part)).unwrap_or(i64::MAX)
}

/// Samples at 48 kHz as a time.
pub fn duration(samples: i64) -> Duration {
    Duration::from_micros(u64::try_from(samples.max(0)).unwrap_or(0) * 1000 / 48)
}
