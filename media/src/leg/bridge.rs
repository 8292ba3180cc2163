//! What is played in place of packets that are missing.
//!
//! | the packet | is | so |
//! |---|---|---|
//! | is awaited, for the first tick | late more often than lost | periods of what was heard are repeated: it will join them, and the decoder stays as the sender expects it |
//! | is awaited longer | late or lost | the decoder conceals, up to 60 ms |
//! | is lost, as a later one is there | | its FEC or concealment is played, and the time spent waiting is cut out |

use super::adjust::SHORTEST;
use super::playout::{CONCEAL_MOST, Decoding, GAP_MOST, Last, Made, Playout, to_i64};
use crate::jitter::buffer::Content;
use crate::negotiated::Codec;

/// Samples of the longest gap that is concealed in one piece, 120 ms.
const WHOLE_MOST: usize = 5760;

impl Playout {
    /// Fills (part of) the gap before the front packet.
    pub(super) fn bridge(
        &mut self,
        gap: i64,
        decoding: &mut Decoding,
        needed: usize,
        made: &mut Made,
    ) {
        let lost = self.buffer.lost_before_front();
        if lost {
            // Losses make it worth waiting for the FEC in the packet after.
            self.losses = (self.losses + 1).min(64);
        }
        // What was already put out in place of it needs no filling.
        let credit = gap.min(self.stalled);
        self.edge += credit;
        self.stalled -= credit;
        let gap = gap - credit;
        if gap == 0 {
            return;
        }
        if gap > GAP_MOST {
            self.edge += gap;
            return;
        }
        let missing = needed.saturating_sub(decoding.ring.available());
        let added = if lost {
            let whole = usize::try_from(gap).unwrap_or(0);
            let opus = Content::Audio(Codec::Opus);
            let front = self.buffer.front().filter(|front| front.content == opus);
            let next = front.map(|front| front.payload.as_slice());
            // The packet after the gap helps only if all of the gap is filled with it.
            let (count, next) = if whole <= WHOLE_MOST {
                (whole, next)
            } else {
                (missing.min(whole), None)
            };
            let added = conceal(decoding, next, count);
            made.concealed += added;
            added
        } else {
            let count = missing.min(usize::try_from(gap).unwrap_or(0));
            self.underrun(decoding, count, made)
        };
        self.edge += to_i64(added).min(gap);
    }

    /// Whether the packets missing before the front one are lost, and periods were repeated while they were awaited.
    pub(super) fn replaces(&self, gap: i64) -> bool {
        let waited = self.repeated && self.stalled > 0;
        waited && gap <= GAP_MOST && self.buffer.lost_before_front()
    }

    /// What was put out while a packet was awaited turns out to stand for a lost one: its concealment follows, or what
    /// FEC brings back, and the time already spent is owed.
    pub(super) fn replace(&mut self, gap: i64, decoding: &mut Decoding, made: &mut Made) {
        self.repeated = false;
        self.losses = (self.losses + 1).min(64);
        let opus = Content::Audio(Codec::Opus);
        let front = self.buffer.front().filter(|front| front.content == opus);
        let next = front.map(|front| front.payload.as_slice());
        let whole = usize::try_from(gap).unwrap_or(0);
        let next = next.filter(|_| whole <= WHOLE_MOST);
        made.concealed += conceal(decoding, next, whole.min(WHOLE_MOST));
        self.edge += gap;
        self.owed += std::mem::take(&mut self.stalled);
    }

    /// Cuts the time out that was spent waiting for a packet that was lost. What follows has to be decoded for that,
    /// so it may take a tick or two.
    pub(super) fn catch_up(&mut self, decoding: &mut Decoding) {
        if self.owed > 0 {
            let spent = usize::try_from(self.owed).unwrap_or(0);
            self.owed -= to_i64(decoding.ring.cut(spent));
            if self.owed < SHORTEST {
                self.surplus += std::mem::take(&mut self.owed);
            }
        }
    }

    /// Puts out something while no packet is there: a period more of what was heard, as most such packets come yet, then
    /// concealment, then noise or silence.
    pub(super) fn underrun(
        &mut self,
        decoding: &mut Decoding,
        count: usize,
        made: &mut Made,
    ) -> usize {
        let conceals = self.last == Last::Audio && self.stalled < CONCEAL_MOST;
        if conceals {
            let first = self.stalled == 0;
            if first {
                self.lateness.ran_dry();
            }
            let repeated = if first {
                decoding.ring.repeat(count)
            } else {
                0
            };
            self.repeated = if first { repeated > 0 } else { self.repeated };
            let added = match repeated {
                0 => conceal(decoding, None, count),
                repeated => repeated,
            };
            made.concealed += added;
            if self.stalled + to_i64(added) >= CONCEAL_MOST {
                decoding.ring.fade_out(added);
            }
            return added;
        }
        let noise = &mut self.noise;
        decoding.ring.append(0, |out| noise.extend(count, out));
        count
    }
}

pub(super) fn conceal(decoding: &mut Decoding, next: Option<&[u8]>, count: usize) -> usize {
    let decoder = &mut decoding.decoder;
    decoding.ring.append(0, |out| {
        let added = decoder
            .as_mut()
            .map_or(0, |decoder| decoder.conceal(next, count, out));
        if added > 0 {
            return added;
        }
        out.resize(out.len() + count, 0.0);
        count
    })
}
