//! How much less delay every recent packet would have allowed: the measure the playout delay follows.
//!
//! A packet is needed at the tick that plays its first sample. If it had been waiting for `slack` then, and its first
//! sample is at offset θ of that tick's frame, the playout can move forward by θ without needing it at an earlier
//! tick, and by 20 ms more for every 20 ms of slack above the margin. The least such *room* of all packets of the
//! last seconds is what the delay can shrink by; a negative room is what it must grow by.

/// Samples of a tick.
const TICK: i64 = 960;
/// Slack that is never given away: 2 ms.
const MARGIN: i64 = 96;
/// After a shrink that was too much 4 ms more are kept, and again, up to 8 ms.
const STEP: i64 = 192;
const CAUTION_MOST: i64 = 384;
/// Half a millisecond, left when a slow peer's drift was made up for.
const REST: i64 = 24;
/// Ticks of one bucket: 240 ms.
const BUCKET_TICKS: u32 = 12;
/// Buckets remembered at most: about 5 s.
const BUCKETS: usize = 21;
/// Buckets looked at while the network behaves: about 2.4 s.
const HOLD: usize = 10;
/// A buffer that ran dry within so many ticks after shrinking (10 s) shrank too early.
const REGRET_TICKS: u64 = 500;

/// The room of recent packets.
#[derive(Clone, Debug)]
pub struct Lateness {
    buckets: [Bucket; BUCKETS],
    current: usize,
    filled: usize,
    ticks_in_bucket: u32,
    ticks: u64,
    hold: usize,
    last_shrink: Option<u64>,
    margin: i64,
    /// Slack kept beyond the margin, since less was too little.
    caution: i64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    room: i64,
    late: u32,
}

const EMPTY: Bucket = Bucket {
    room: i64::MAX,
    late: 0,
};

impl Default for Lateness {
    fn default() -> Self {
        Self {
            buckets: [EMPTY; BUCKETS],
            current: 0,
            filled: 0,
            ticks_in_bucket: 0,
            ticks: 0,
            hold: HOLD,
            last_shrink: None,
            margin: MARGIN,
            caution: 0,
        }
    }
}

impl Lateness {
    /// One tick went by.
    pub fn tick(&mut self) {
        self.ticks += 1;
        self.ticks_in_bucket += 1;
        if self.ticks_in_bucket < BUCKET_TICKS {
            return;
        }
        self.ticks_in_bucket = 0;
        self.current = (self.current + 1) % BUCKETS;
        self.filled = (self.filled + 1).min(BUCKETS);
        *self.bucket() = EMPTY;
    }

    /// A packet was needed `slack` samples of time after it came, for offset `theta` of the frame.
    pub fn played(&mut self, slack: i64, theta: i64) {
        let room = theta + TICK * (slack - self.margin).div_euclid(TICK);
        let bucket = self.bucket();
        bucket.room = bucket.room.min(room);
    }

    /// The peer's clock will use up so much slack before the playout can have moved by a tick.
    pub fn expect_drift(&mut self, samples: i64) {
        self.margin = MARGIN.max(samples + REST) + self.caution;
    }

    /// A packet came when the playout was already `by` samples past its beginning.
    pub fn missed(&mut self, by: i64) {
        let bucket = self.bucket();
        bucket.room = bucket.room.min(-by);
        bucket.late += 1;
        self.regret();
    }

    /// The buffer ran dry while packets were under way.
    pub fn ran_dry(&mut self) {
        self.regret();
    }

    /// By how much the delay can shrink (positive) or packets came too late (negative), once enough was seen.
    pub fn room(&self) -> Option<i64> {
        if self.filled < self.hold {
            return None;
        }
        self.recent()
            .map(|bucket| bucket.room)
            .min()
            .filter(|&room| room != i64::MAX)
    }

    /// The growth that packets too late to be played ask for: 0 until there are two of them.
    pub fn growth(&self) -> i64 {
        let late: u32 = self.recent().map(|bucket| bucket.late).sum();
        if late < 2 {
            return 0;
        }
        self.recent()
            .map(|bucket| -bucket.room)
            .max()
            .unwrap_or(0)
            .max(0)
    }

    /// The delay shrank by so many samples, or grew if negative.
    pub fn moved(&mut self, shrunk: i64) {
        for bucket in &mut self.buckets {
            if bucket.room != i64::MAX {
                bucket.room -= shrunk;
            }
            if shrunk < 0 {
                bucket.late = 0;
            }
        }
        if shrunk > 0 {
            self.last_shrink = Some(self.ticks);
        }
    }

    /// Another stream begins.
    pub fn restart(&mut self) {
        *self = Self {
            hold: self.hold,
            ..Self::default()
        };
    }

    /// A shrink that was followed by trouble makes the next one wait longer.
    fn regret(&mut self) {
        match self.last_shrink {
            Some(at) if self.ticks - at < REGRET_TICKS => {
                self.hold = (self.hold * 2).min(BUCKETS - 1);
                self.caution = (self.caution + STEP).min(CAUTION_MOST);
                self.last_shrink = None;
            }
            Some(at) if self.ticks - at > 4 * REGRET_TICKS => {
                self.hold = HOLD;
                self.caution = 0;
            }
            Some(_) | None => {}
        }
    }

    fn recent(&self) -> impl Iterator<Item = &Bucket> {
        (0..=self.hold.min(self.filled))
            .filter_map(|back| self.buckets.get((self.current + BUCKETS - back) % BUCKETS))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`current` is always taken modulo the length"
    )]
    fn bucket(&mut self) -> &mut Bucket {
        &mut self.buckets[self.current]
    }
}
