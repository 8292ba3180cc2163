//! From what receivers report to a target bitrate, and from that to a resolution and a rate class.
//!
//! The target is the least of what the session allows (`b=`, `max-br`), what the peer asks for (TMMBR), what it estimates
//! (REMB) and what loss and delay tell us (receiver reports, transport-wide feedback). Receivers whose targets are in one
//! class, with one resolution, share an encoder.

use std::time::{Duration, Instant};

/// A picture size of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rung {
    /// Luma columns.
    pub width: usize,
    /// Luma rows.
    pub height: usize,
    /// Bits a second from which it is worth it, at 25 to 30 frames a second.
    pub least: u32,
}

const fn rung(width: usize, height: usize, least: u32) -> Rung {
    Rung {
        width,
        height,
        least,
    }
}

/// 180p to 1080p.
pub const LADDER: [Rung; 5] = [
    rung(320, 180, 0),
    rung(640, 360, 300_000),
    rung(960, 540, 750_000),
    rung(1280, 720, 1_200_000),
    rung(1920, 1080, 2_500_000),
];

/// The rate classes, bits a second: each half as much again as the one before.
pub const CLASSES: [u32; 11] = [
    64_000, 100_000, 150_000, 225_000, 340_000, 500_000, 750_000, 1_150_000, 1_700_000, 2_500_000,
    3_800_000,
];

/// What a receiver takes of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Luma rows at most, as configured.
    pub rows: usize,
    /// Macroblocks of one frame (`max-fs`, level).
    pub macroblocks: u32,
    /// Macroblocks a second (`max-mbps`, level).
    pub macroblocks_per_second: u32,
}

impl PictureLimits {
    fn allow(&self, rung: &Rung, frame_rate: u32) -> bool {
        let side = |length: usize| u32::try_from(length.div_ceil(16)).unwrap_or(u32::MAX);
        let macroblocks = side(rung.width).saturating_mul(side(rung.height));
        rung.height <= self.rows
            && macroblocks <= self.macroblocks
            && macroblocks.saturating_mul(frame_rate) <= self.macroblocks_per_second
    }
}

/// How much more than its least a higher rung must have before it is taken, percent.
const CLIMB_PERCENT: u64 = 115;

/// The rung for a target. The present one is left downwards at once and upwards with a margin, so that a target on the
/// edge does not make the picture change to and fro.
pub fn choose(target: u32, frame_rate: u32, limits: PictureLimits, present: Option<Rung>) -> Rung {
    let [lowest, ..] = LADDER;
    let height = present.map_or(usize::MAX, |rung| rung.height);
    let fits = |rung: &&Rung| {
        let margin = if rung.height > height {
            CLIMB_PERCENT
        } else {
            100
        };
        let enough = u64::from(rung.least) * margin / 100 <= u64::from(target);
        enough && limits.allow(rung, frame_rate)
    };
    LADDER.iter().rev().find(fits).copied().unwrap_or(lowest)
}

/// The highest class not above the target; the lowest for targets below all.
pub fn class(target: u32) -> u32 {
    let [lowest, ..] = CLASSES;
    let below = CLASSES.iter().rev().find(|class| **class <= target);
    below.copied().unwrap_or(lowest)
}

/// The numbers of the rate control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// Bits a second to begin with.
    pub start: u32,
    /// The target never falls below.
    pub floor: u32,
    /// The session's own ceiling: `b=AS`, `b=TIAS`, `max-br`, configuration.
    pub ceiling: u32,
}

/// An estimate of the peer counts for so long.
const ESTIMATE_AGE: Duration = Duration::from_secs(10);
/// Growth while nothing is lost: 8 % a second.
const GROWTH_PERCENT: u64 = 8;
/// Loss up to this does not slow us down.
const LOSS_HARMLESS_PERCENT: u8 = 2;
/// Loss from here on does.
const LOSS_HARMFUL_PERCENT: u8 = 10;
/// The queue on the way grows by so much within one report, ticks of 250 µs: 20 ms.
const QUEUE_GROWTH: i64 = 80;
/// After slowing down for delay no further step is taken for so long: the queue must first drain.
const DRAINING: Duration = Duration::from_millis(600);

/// The rate control towards one receiver.
#[derive(Clone, Copy, Debug)]
pub struct RateControl {
    settings: RateSettings,
    /// What loss and delay leave, bits a second.
    observed: u64,
    requested: Option<u64>,
    estimated: Option<(Instant, u64)>,
    grown: Option<Instant>,
    slowed: Option<Instant>,
}

impl RateControl {
    /// At its start.
    pub fn new(settings: RateSettings) -> Self {
        Self {
            settings,
            observed: u64::from(settings.start),
            requested: None,
            estimated: None,
            grown: None,
            slowed: None,
        }
    }

    /// Bits a second to be sent now.
    pub fn target(&self, now: Instant) -> u32 {
        let fresh = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) < ESTIMATE_AGE;
        let estimated = self
            .estimated
            .filter(fresh)
            .map_or(u64::MAX, |(_, bitrate)| bitrate);
        let least = self
            .observed
            .min(self.requested.unwrap_or(u64::MAX))
            .min(estimated)
            .min(u64::from(self.settings.ceiling));
        u32::try_from(least)
            .unwrap_or(u32::MAX)
            .max(self.settings.floor)
    }

    /// The session was changed.
    pub fn set_ceiling(&mut self, ceiling: u32) {
        self.settings.ceiling = ceiling;
    }

    /// TMMBR: a limit until the peer sets another (RFC 5104 §3.5.4). What is in force is the answer (TMMBN).
    pub fn handle_tmmbr(&mut self, bitrate: u64) -> u64 {
        self.requested = Some(bitrate);
        bitrate
    }

    /// REMB.
    pub fn handle_remb(&mut self, now: Instant, bitrate: u64) {
        self.estimated = Some((now, bitrate));
        // Below the estimate there is room; climbing towards it must not take minutes.
        self.observed = self.observed.max(bitrate / 2);
    }

    /// A report block: the share lost since the last one, in 256ths (RFC 3550 §6.4.1).
    pub fn handle_loss(&mut self, now: Instant, fraction_lost: u8) {
        self.observed = self.observed.min(u64::from(self.settings.ceiling));
        let percent = u32::from(fraction_lost) * 100 / 256;
        let percent = u8::try_from(percent).unwrap_or(100);
        if percent > LOSS_HARMFUL_PERCENT {
            self.observed -= self.observed * u64::from(percent) / 200;
            self.observed = self.observed.max(u64::from(self.settings.floor));
            self.grown = Some(now);
        } else if percent <= LOSS_HARMLESS_PERCENT {
            self.grow(now);
        } else {
            self.grown = Some(now);
        }
    }

    /// Transport-wide feedback: for every packet when it was sent and, if it came, when, both in ticks of 250 µs, and
    /// its octets. A queue that grows means that we send faster than the path carries: then what came through is the
    /// measure.
    pub fn handle_arrivals(&mut self, now: Instant, packets: &[(i64, Option<i64>, usize)]) {
        let mut delays = packets
            .iter()
            .filter_map(|(sent, arrived, _)| Some((*arrived)? - sent));
        let Some(first) = delays.next() else {
            return;
        };
        let growth = delays.next_back().map_or(0, |last| last - first);
        let draining = self
            .slowed
            .is_some_and(|at| now.saturating_duration_since(at) < DRAINING);
        if growth < QUEUE_GROWTH || draining {
            return;
        }
        if let Some(through) = throughput(packets) {
            self.observed = self.observed.min(through * 85 / 100);
            self.observed = self.observed.max(u64::from(self.settings.floor));
            self.slowed = Some(now);
            self.grown = Some(now);
        }
    }

    fn grow(&mut self, now: Instant) {
        let since = self.grown.map_or(Duration::from_secs(1), |grown| {
            now.saturating_duration_since(grown)
        });
        let millis = u64::try_from(since.as_millis()).unwrap_or(0).min(2_000);
        let more = self.observed * GROWTH_PERCENT * millis / 100_000 + 1_000;
        // Above what is sent the estimate would mean nothing.
        self.observed = (self.observed + more).min(u64::from(self.settings.ceiling));
        self.grown = Some(now);
    }
}

/// Bits a second between the first and the last arrival.
fn throughput(packets: &[(i64, Option<i64>, usize)]) -> Option<u64> {
    let arrivals = || packets.iter().filter_map(|(_, arrived, _)| *arrived);
    let span = arrivals().max()? - arrivals().min()?;
    let octets: usize = packets
        .iter()
        .filter(|(_, arrived, _)| arrived.is_some())
        .map(|(_, _, octets)| octets)
        .sum();
    let bits = u64::try_from(octets).ok()? * 8;
    (bits * 4_000).checked_div(u64::try_from(span).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: PictureLimits = PictureLimits {
        rows: 1080,
        macroblocks: u32::MAX,
        macroblocks_per_second: u32::MAX,
    };
    const SETTINGS: RateSettings = RateSettings {
        start: 500_000,
        floor: 100_000,
        ceiling: 2_000_000,
    };

    fn begin() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Instant::now()
    }

    #[test]
    fn the_ladder_follows_the_target_with_a_margin_upwards() {
        let rows = |target, present| choose(target, 25, ALL, present).height;
        let targets = [10_000, 300_000, 800_000, 1_200_000, 9_000_000];
        assert_eq!(
            targets.map(|target| rows(target, None)),
            [180, 360, 540, 720, 1080]
        );
        let [_, small, medium, ..] = LADDER;
        assert_eq!(rows(760_000, Some(small)), 360, "not yet");
        assert_eq!(rows(870_000, Some(small)), 540);
        assert_eq!(rows(760_000, Some(medium)), 540, "still");
        assert_eq!(rows(740_000, Some(medium)), 360);
    }

    #[test]
    fn rfc6184_8_1_max_fs_and_max_mbps_bound_the_picture() {
        let limits = PictureLimits {
            macroblocks: 1_620,
            macroblocks_per_second: 40_500,
            ..ALL
        };
        assert_eq!(choose(9_000_000, 25, limits, None).height, 360);
        let fast = PictureLimits {
            macroblocks: 3_600,
            macroblocks_per_second: 108_000,
            ..ALL
        };
        assert_eq!(choose(9_000_000, 30, fast, None).height, 720);
        assert_eq!(choose(9_000_000, 60, fast, None).height, 360);
    }

    #[test]
    fn rfc5104_a_request_and_an_estimate_bound_the_target() {
        let (mut rate, now) = (RateControl::new(SETTINGS), begin());
        assert_eq!(rate.target(now), 500_000);
        rate.handle_tmmbr(300_000);
        assert_eq!(rate.target(now), 300_000);
        rate.handle_tmmbr(900_000);
        rate.handle_remb(now, 200_000);
        assert_eq!(rate.target(now), 200_000);
        assert_eq!(
            rate.target(now + ESTIMATE_AGE),
            500_000,
            "estimates grow old, limits do not"
        );
        rate.handle_remb(now, 10);
        assert_eq!(rate.target(now), 100_000, "never below the floor");
    }

    #[test]
    fn loss_slows_down_and_its_absence_speeds_up() {
        let (mut rate, mut now) = (RateControl::new(SETTINGS), begin());
        for _ in 0..60 {
            now += Duration::from_secs(1);
            rate.handle_loss(now, 0);
        }
        assert_eq!(rate.target(now), 2_000_000, "the session's ceiling");
        rate.handle_loss(now, 77);
        let target = rate.target(now);
        assert!(target < 2_000_000 && target > 1_500_000, "{target}");
        let before = rate.target(now);
        rate.handle_loss(now + Duration::from_secs(1), 13);
        assert_eq!(rate.target(now), before, "5 % is left alone");
    }

    #[test]
    fn a_growing_queue_brings_the_target_below_what_came_through() {
        let (mut rate, now) = (RateControl::new(SETTINGS), begin());
        // 1,000 octets every 10 ms, arriving every 20 ms: 400 kbit/s come through.
        let packets: Vec<_> = (0..20)
            .map(|n| (n * 40, Some(1_000 + n * 80), 1_000))
            .collect();
        rate.handle_arrivals(now, &packets);
        let target = rate.target(now);
        assert!((300_000..400_000).contains(&target), "{target}");
        rate.handle_arrivals(now, &packets);
        assert_eq!(rate.target(now), target, "the queue drains first");
        let steady: Vec<_> = (0..20).map(|n| (n * 40, Some(n * 40), 1_000)).collect();
        rate.handle_arrivals(now + Duration::from_secs(2), &steady);
        assert_eq!(rate.target(now), target);
    }

    proptest! {
        #[test]
        fn the_target_keeps_its_bounds(
            steps in proptest::collection::vec((0_u8..4, any::<u32>(), 0_u64..3000), 0..60),
        ) {
            let (mut rate, mut now) = (RateControl::new(SETTINGS), begin());
            for (kind, value, ms) in steps {
                now += Duration::from_millis(ms);
                match kind {
                    0 => { rate.handle_tmmbr(u64::from(value)); }
                    1 => rate.handle_remb(now, u64::from(value)),
                    2 => rate.handle_loss(now, value.to_le_bytes()[0]),
                    _ => rate.handle_arrivals(now, &[(0, Some(0), 100), (0, Some(i64::from(value)), 100)]),
                }
                let target = rate.target(now);
                prop_assert!((SETTINGS.floor..=SETTINGS.ceiling).contains(&target));
            }
        }

        #[test]
        fn a_class_is_never_above_its_target(target in 64_000_u32..20_000_000) {
            let class = class(target);
            prop_assert!(class <= target);
            prop_assert!(u64::from(target) <= u64::from(class) * 8 / 5 || class == 3_800_000);
        }
    }
}
