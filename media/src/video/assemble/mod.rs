//! Packets into frames: reordering, loss and what is asked for again, and when to give up.
//!
//! A frame is complete when its packets follow each other without a gap from a known beginning to the marker bit, or
//! to a packet with another timestamp. A gap is asked for again (RFC 4585 §6.2.1) and waited for; after
//! [`AssemblerLimits::patience`] the frame is given up, and nothing is delivered until the next keyframe, because
//! every later picture would be predicted from one that is missing.

use super::format::ReceiveFormat;
use super::frame::EncodedFrame;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bounds of one stream being assembled.
#[derive(Clone, Copy, Debug)]
pub struct AssemblerLimits {
    /// Packets held at once. Beyond: everything held is given up.
    pub packets: usize,
    /// Octets of one frame. Beyond: the frame is given up.
    pub frame_octets: usize,
    /// Missing packets that are asked for at once. Beyond: a keyframe is asked for instead.
    pub missing: usize,
    /// How often one missing packet is asked for.
    pub requests: u8,
    /// How long a gap is waited for.
    pub patience: Duration,
    /// How long a keyframe is waited for; then pictures are delivered without, for senders that only refresh
    /// gradually.
    pub keyframe_patience: Duration,
}

/// A gap may be mere reordering for so long; then it is asked for.
const REORDERING: Duration = Duration::from_millis(10);
/// No packet is asked for again sooner than this.
const LEAST_RETRY: Duration = Duration::from_millis(20);

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is held.
    Held,
    /// It is here already.
    Duplicate,
    /// Its frame has been delivered or given up.
    Late,
    /// The stream jumped or overran its bounds: everything held was given up before it.
    Overrun,
}

#[derive(Debug)]
struct Held {
    timestamp: i64,
    marker: bool,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    asked: Option<Instant>,
    times: u8,
}

/// The assembler of one synchronisation source.
#[derive(Debug)]
pub struct Assembler {
    format: ReceiveFormat,
    limits: AssemblerLimits,
    held: BTreeMap<i64, Held>,
    missing: BTreeMap<i64, Missing>,
    /// Where the next frame begins, once known.
    next: Option<i64>,
    highest: Option<i64>,
    /// Since when the frame at `next` has a gap with packets behind it.
    gap_since: Option<Instant>,
    /// Since when pictures are withheld.
    awaiting_keyframe: Option<Instant>,
    keyframe_needed: bool,
    frames_lost: u64,
    scratch: Vec<u8>,
}

/// The packets of a frame as far as they are there.
enum Extent {
    /// Complete, up to this sequence number.
    Complete(i64),
    /// This one is missing although later ones came.
    Gap(i64),
    /// The end has not come yet.
    Open,
}

impl Assembler {
    /// Nothing received yet; the first frame delivered will be a keyframe.
    pub fn new(format: ReceiveFormat, limits: AssemblerLimits, now: Instant) -> Self {
        Self {
            format,
            limits,
            held: BTreeMap::new(),
            missing: BTreeMap::new(),
            next: None,
            highest: None,
            gap_since: None,
            awaiting_keyframe: Some(now),
            keyframe_needed: false,
            frames_lost: 0,
            scratch: Vec::new(),
        }
    }

    /// Takes one packet by its wide sequence number and wide timestamp.
    pub fn push(
        &mut self,
        now: Instant,
        sequence: i64,
        timestamp: i64,
        marker: bool,
        payload: &[u8],
    ) -> Taken {
        if self.next.is_some_and(|next| sequence < next) {
            return Taken::Late;
        }
        if self.held.contains_key(&sequence) {
            return Taken::Duplicate;
        }
        let overrun = self.note_sequence(now, sequence) || self.held.len() >= self.limits.packets;
        if overrun {
            self.abandon(now);
        }
        self.missing.remove(&sequence);
        let payload = payload.to_vec();
        self.held.insert(
            sequence,
            Held {
                timestamp,
                marker,
                payload,
            },
        );
        if overrun { Taken::Overrun } else { Taken::Held }
    }

    /// The next complete frame in order.
    pub fn poll_frame(&mut self, now: Instant) -> Option<EncodedFrame> {
        loop {
            let start = match self.next {
                Some(next) => next,
                None => self.find_beginning()?,
            };
            match self.extent(start) {
                Extent::Complete(end) => {
                    let frame = self.take(now, start, end);
                    if frame.is_some() {
                        return frame;
                    }
                }
                Extent::Gap(at) => {
                    let since = *self.gap_since.get_or_insert(now);
                    if now.saturating_duration_since(since) < self.limits.patience {
                        return None;
                    }
                    self.give_up(now, start, at);
                }
                Extent::Open => {
                    self.gap_since = None;
                    return None;
                }
            }
        }
    }

    /// Says every sequence number to be asked for now (RFC 4585 §6.2.1). `round_trip` spaces the repetitions.
    pub fn poll_missing(&mut self, now: Instant, round_trip: Duration, ask: &mut impl FnMut(i64)) {
        let retry = round_trip.mul_f32(1.25).max(LEAST_RETRY);
        for (sequence, missing) in &mut self.missing {
            let due = match missing.asked {
                None => missing.since + REORDERING,
                Some(asked) => asked + retry,
            };
            if due <= now && missing.times < self.limits.requests {
                missing.asked = Some(now);
                missing.times += 1;
                ask(*sequence);
            }
        }
    }

    /// A keyframe is needed to go on. Stays so until one is delivered.
    pub fn keyframe_needed(&self) -> bool {
        self.keyframe_needed || self.awaiting_keyframe.is_some()
    }

    /// The decoder lost its state: pictures are withheld until a keyframe.
    pub fn require_keyframe(&mut self, now: Instant) {
        self.awaiting_keyframe.get_or_insert(now);
    }

    /// When something is to be done without a packet: ask again or give up.
    pub fn timeout(&self) -> Option<Instant> {
        let give_up = self.gap_since.map(|since| since + self.limits.patience);
        let ask = self
            .missing
            .values()
            .filter(|missing| missing.times < self.limits.requests)
            .map(|missing| {
                let waited = missing.asked.map(|asked| asked + LEAST_RETRY);
                waited.unwrap_or(missing.since + REORDERING)
            })
            .min();
        [give_up, ask].into_iter().flatten().min()
    }

    /// The highest sequence number so far.
    pub fn highest(&self) -> Option<i64> {
        self.highest
    }

    /// Frames given up so far.
    pub fn frames_lost(&self) -> u64 {
        self.frames_lost
    }

    /// Notes what is missing between the highest packet so far and this one; true if that is too much.
    fn note_sequence(&mut self, now: Instant, sequence: i64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return false;
        };
        if sequence <= highest {
            return false;
        }
        self.highest = Some(sequence);
        let gap = usize::try_from(sequence - highest - 1).unwrap_or(usize::MAX);
        if gap + self.missing.len() > self.limits.missing {
            return true;
        }
        for absent in highest + 1..sequence {
            let missing = Missing {
                since: now,
                asked: None,
                times: 0,
            };
            self.missing.insert(absent, missing);
        }
        false
    }

    /// The first held packet that begins a frame for certain; what is before it is dropped.
    fn find_beginning(&mut self) -> Option<i64> {
        loop {
            let (&first, held) = self.held.first_key_value()?;
            if self.format.begins_frame(&held.payload) {
                self.next = Some(first);
                self.forget_missing_before(first);
                return Some(first);
            }
            let (timestamp, marker) = (held.timestamp, held.marker);
            self.held.pop_first();
            // Behind the last packet of a frame the next one begins, whatever its payload looks like.
            let following = self.held.first_key_value();
            let ended = |held: &Held| marker || held.timestamp != timestamp;
            if following.is_some_and(|(at, held)| *at == first + 1 && ended(held)) {
                self.next = Some(first + 1);
                self.forget_missing_before(first + 1);
                return self.next;
            }
        }
    }

    fn extent(&self, start: i64) -> Extent {
        let mut timestamp = None;
        for (expected, (&sequence, held)) in (start..).zip(self.held.range(start..)) {
            if sequence != expected {
                return Extent::Gap(expected);
            }
            let first = *timestamp.get_or_insert(held.timestamp);
            if held.timestamp != first {
                return Extent::Complete(expected - 1);
            }
            if held.marker {
                return Extent::Complete(expected);
            }
        }
        Extent::Open
    }

    /// Takes a complete frame out; `None` if it is withheld, mere padding or no frame.
    fn take(&mut self, now: Instant, start: i64, end: i64) -> Option<EncodedFrame> {
        let later = self.held.split_off(&(end + 1));
        let packets = std::mem::replace(&mut self.held, later);
        self.next = Some(end + 1);
        self.gap_since = None;
        self.forget_missing_before(end + 1);
        let timestamp = packets.get(&start)?.timestamp;
        // Packets without payload are padding that probes the path's bandwidth.
        let mut payloads = packets
            .values()
            .map(|held| held.payload.as_slice())
            .filter(|payload| !payload.is_empty())
            .peekable();
        payloads.peek()?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let unpacked = self
            .format
            .unpack(payloads, self.limits.frame_octets, &mut scratch);
        let data = Bytes::copy_from_slice(&scratch);
        self.scratch = scratch;
        let Ok(keyframe) = unpacked else {
            self.lose(now);
            return None;
        };
        if !self.may_deliver(now, keyframe) {
            return None;
        }
        Some(EncodedFrame {
            codec: self.format.codec(),
            keyframe,
            timestamp,
            data,
        })
    }

    fn may_deliver(&mut self, now: Instant, keyframe: bool) -> bool {
        let Some(since) = self.awaiting_keyframe else {
            return true;
        };
        let waited = now.saturating_duration_since(since);
        if !keyframe && waited < self.limits.keyframe_patience {
            return false;
        }
        self.awaiting_keyframe = None;
        self.keyframe_needed = !keyframe;
        true
    }

    /// The frame at `start` will not be completed: on with the first frame that begins behind the gap.
    fn give_up(&mut self, now: Instant, start: i64, gap: i64) {
        let broken = self.held.get(&start).map(|held| held.timestamp);
        self.lose(now);
        self.held = self.held.split_off(&gap);
        // The rest of the broken frame has its timestamp.
        while let Some(entry) = self.held.first_entry() {
            if Some(entry.get().timestamp) != broken {
                break;
            }
            let ended = entry.get().marker.then_some(*entry.key() + 1);
            entry.remove();
            if let Some(next) = ended {
                self.next = Some(next);
                self.forget_missing_before(next);
                return;
            }
        }
        self.next = None;
        let least = self.held.first_key_value().map(|(at, _)| *at);
        self.forget_missing_before(least.unwrap_or(i64::MAX));
    }

    fn lose(&mut self, now: Instant) {
        self.frames_lost += 1;
        self.gap_since = None;
        self.awaiting_keyframe.get_or_insert(now);
    }

    fn abandon(&mut self, now: Instant) {
        self.lose(now);
        self.held.clear();
        self.missing.clear();
        self.next = None;
    }

    fn forget_missing_before(&mut self, sequence: i64) {
        self.missing = self.missing.split_off(&sequence);
    }
}

#[cfg(test)]
mod tests;
