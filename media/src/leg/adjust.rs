//! How the playout delay follows what the packets need: down when there is room, up when packets came too late.
//!
//! | situation | shrinks by | grows by |
//! |---|---|---|
//! | nobody listens | a jump | a jump |
//! | silence, much to move, or delay that trouble brought | cutting at the best joint, 15 ms a tick at most | repeating at the best joint |
//! | audio, little to move: the peer's clock | playing 0.2 % faster | playing 0.2 % slower |
//! | above the ceiling | dropping the oldest | |

use super::playout::{Decoding, Made, Playout, TICK, to_i64, to_whole};
use super::ring::{ANYHOW, Ring};
use std::time::Instant;

/// Excess delay below this, 1 ms, is left alone.
const TOLERATED: i64 = 48;
/// A slide ends a quarter of a millisecond before the next packet would be needed a tick earlier.
const SPARED: i64 = 12;
/// Excess delay from here on is cut out rather than slid away: 22 ms, more than one tick.
const CUT: i64 = 1056;
/// The longest piece cut out at once: 15 ms.
const PIECE: i64 = 720;
/// Excess delay from here on is cut out even where the joint is not perfect: 40 ms.
const URGENT: i64 = 1920;
/// How much alike the sides of a joint must be where there is no hurry: the joint is some 30 dB under the sound.
const ALIKE: f32 = 0.998;
/// The shortest piece the ring can cut out or put in.
pub(super) const SHORTEST: i64 = 120;
/// The speed of a slide against normal: 0.2 %, a thirtieth of a semitone.
const SLIDE: f64 = 0.002;
/// Frames quieter than this (−dBov) may be cut anywhere.
pub(super) const QUIET: u8 = 60;
/// How long a slide by a whole tick takes, with a little to spare, in samples: 12 s.
const SLIDE_TIME: f32 = 576_000.0;
/// A skew below this is noise of the estimate.
const SKEW_PPM: f32 = 4.0;

impl Playout {
    /// The speed to read the next frame with, and whether the slide ends with it, on a whole sample.
    pub(super) fn speed(&self, ring: &Ring) -> (f64, bool) {
        if self.slide.abs() > 960.0 * SLIDE {
            (1.0 + SLIDE.copysign(self.slide), false)
        } else if self.slide == 0.0 && ring.is_on_a_sample() {
            (1.0, false)
        } else {
            (ring.landing(self.slide), true)
        }
    }

    /// A frame was read that took so many samples more than a tick.
    pub(super) fn slid(&mut self, speed: f64, surplus: i64, last: bool) {
        self.slide = if last {
            0.0
        } else {
            self.slide - 960.0 * (speed - 1.0)
        };
        if surplus != 0 {
            self.moved(surplus);
        }
    }

    /// The delay shrank by so many samples, or grew if negative.
    fn moved(&mut self, shrunk: i64) {
        self.lateness.moved(shrunk);
        self.surplus = (self.surplus - shrunk).clamp(0, self.ceiling);
    }

    /// Delay that trouble brought goes as soon as the network allows; a clock's drift has time to be slid away.
    fn hastens(&self, excess: i64) -> bool {
        excess >= SHORTEST && (excess >= CUT || self.surplus >= SHORTEST)
    }

    /// Moves the playout of decoded audio by what a frame allows.
    pub(super) fn adjust(&mut self, now: Instant, decoding: &mut Decoding, made: &mut Made) {
        self.plan_growth();
        if self.grow > 0 {
            self.slide = self.slide.min(0.0);
            self.grow_now(decoding);
            return;
        }
        let Some(room) = self.lateness.room() else {
            return;
        };
        let excess = room - self.reserve;
        if self.slide != 0.0 {
            if self.slide < 0.0 || !self.hastens(excess) {
                return;
            }
            // A slide takes too long for this.
            self.slide = 0.0;
        }
        if excess > TOLERATED {
            self.shrink(now, excess, decoding, made);
        } else if room < 0 && self.drift() > 0 {
            // A slow peer's packets will soon be too late: the playout falls back before they are.
            let by = room.max(-TICK);
            if self.level >= QUIET {
                self.grow = -by;
                self.grow_now(decoding);
            } else {
                self.slide = whole(by);
            }
        }
    }

    /// Moves the playout while nobody listens.
    pub(super) fn move_silently(&mut self) {
        self.owed = 0;
        self.plan_growth();
        let excess = self.lateness.room().unwrap_or(0) - self.reserve;
        let by = if self.grow > 0 { -self.grow } else { excess };
        self.grow = 0;
        if by < 0 && -by <= self.ceiling || by > TOLERATED {
            // A negative excess that nothing late asks for is only the reserve still to be filled.
            if by < 0 && by == excess && self.reserve == 0 {
                return;
            }
            self.edge += by;
            self.moved(by);
            self.drop_passed();
        }
    }

    /// Keeps what waits under the hard ceiling.
    pub(super) fn enforce_ceiling(&mut self) {
        let Some(end) = self.buffer.end() else {
            return;
        };
        let over = end - self.position() - self.ceiling;
        if over > 0 {
            if let Some(decoding) = &mut self.decoding {
                decoding.ring.clear();
                decoding.loud |= !decoding.cold;
                decoding.cold = true;
            }
            self.owed = 0;
            // A quarter below the ceiling, so that the next packet does not hit it again.
            self.edge = end - self.ceiling * 3 / 4;
            self.moved(over + self.ceiling / 4);
            self.metrics.jitter_overflow.inc();
            self.drop_passed();
        }
    }

    /// Packets too late to be played, or losses that FEC could mend, ask for more delay.
    fn plan_growth(&mut self) {
        // What is under way is not planned again.
        if self.grow > 0 || self.slide < 0.0 {
            return;
        }
        let late = self.lateness.growth();
        let reserve = match self.lateness.room() {
            Some(room) if self.reserve > 0 && room < 0 => -room,
            Some(room) if room < self.reserve => self.reserve - room,
            Some(_) | None => 0,
        };
        let reserve = if self.reserve > 0 { reserve } else { 0 };
        let held = self.buffer.end().map_or(0, |end| end - self.position());
        self.grow = late.max(reserve).min((self.ceiling - held).max(0));
    }

    fn grow_now(&mut self, decoding: &mut Decoding) {
        if self.grow < SHORTEST {
            self.slide -= whole(self.grow);
            self.grow = 0;
            return;
        }
        let most = usize::try_from(self.grow).unwrap_or(0);
        let added = to_i64(decoding.ring.lengthen(most));
        self.moved(-added);
        self.grow -= added;
    }

    fn shrink(&mut self, now: Instant, excess: i64, decoding: &mut Decoding, made: &mut Made) {
        let quiet = self.level >= QUIET;
        if excess < SHORTEST || !(quiet || self.hastens(excess)) {
            self.slide = whole(excess - SPARED);
            return;
        }
        let piece = usize::try_from(excess.min(PIECE)).unwrap_or(0);
        let (speed, _) = self.speed(&decoding.ring);
        let needed = decoding.ring.needed(speed);
        while decoding.ring.available() < needed + piece {
            let follows = self
                .buffer
                .front()
                .is_some_and(|front| front.media <= self.edge);
            if !follows || !self.step(now, decoding, needed + piece, made) {
                break;
            }
        }
        let most = piece.min(decoding.ring.available().saturating_sub(needed));
        let alike = match excess {
            URGENT.. => ANYHOW,
            CUT.. => 0.8,
            _ => ALIKE,
        };
        let cut = to_i64(decoding.ring.shorten(most, alike));
        if cut > 0 {
            self.moved(cut);
        } else if excess < URGENT {
            self.slide = whole((excess - SPARED).min(TICK));
        }
    }

    /// How much slack a slow peer uses up while the playout slides by a tick, in samples.
    pub(super) fn drift(&self) -> i64 {
        let ppm = self.skew.ppm();
        if ppm > -SKEW_PPM {
            0
        } else {
            to_whole(-ppm * 1e-6 * SLIDE_TIME)
        }
    }

    /// Drops packets that the playout has jumped over.
    fn drop_passed(&mut self) {
        while self
            .buffer
            .front()
            .is_some_and(|front| front.samples > 0 && front.end() <= self.edge)
        {
            self.buffer.consume();
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "delays stay far below 2^52 samples"
)]
fn whole(samples: i64) -> f64 {
    samples as f64
}
