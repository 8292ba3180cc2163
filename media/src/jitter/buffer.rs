//! Packets waiting to be played, in the order of their sequence numbers.

use crate::leg::Activity;
use crate::negotiated::Codec;
use std::collections::VecDeque;
use std::time::Instant;

/// Payload buffers kept for later packets.
const SPARE: usize = 12;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Audio in this codec.
    Audio(Codec),
    /// Comfort noise (RFC 3389).
    Noise,
    /// A telephone event (RFC 4733); it only keeps its place in the sequence.
    Event,
}

/// One packet waiting.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The wide sequence number.
    pub sequence: i64,
    /// Media time of its first sample.
    pub media: i64,
    /// Samples at 48 kHz it stands for; 0 for what is no audio.
    pub samples: i64,
    /// When it came.
    pub arrival: Instant,
    /// What it holds.
    pub content: Content,
    /// What it is worth undecoded.
    pub activity: Activity,
    /// Its lateness was noted when a part of it was played.
    pub noted: bool,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Waiting {
    /// Media time after its last sample.
    pub fn end(&self) -> i64 {
        self.media + self.samples
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits.
    Waits,
    /// It waits, and the oldest had to go.
    Overflowed,
    /// It came before.
    Duplicate,
    /// Its time to be played has gone by.
    Late,
}

/// The packets waiting, with payload buffers that are used again so that none is allocated per packet.
#[derive(Debug)]
pub struct PacketBuffer {
    waiting: VecDeque<Waiting>,
    spare: Vec<Vec<u8>>,
    capacity: usize,
    /// The sequence number consumed last.
    consumed: Option<i64>,
    highest: i64,
    /// Which of the 64 sequence numbers up to `highest` came.
    seen: u64,
}

impl PacketBuffer {
    /// An empty buffer for at most `capacity` packets.
    pub fn new(capacity: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            spare: Vec::new(),
            capacity: capacity.max(2),
            consumed: None,
            highest: 0,
            seen: 0,
        }
    }

    /// Takes one packet; `packet.payload` is filled from `payload`.
    pub fn insert(&mut self, mut packet: Waiting, payload: &[u8]) -> Inserted {
        if self.is_duplicate(packet.sequence) {
            return Inserted::Duplicate;
        }
        if self
            .consumed
            .is_some_and(|consumed| packet.sequence <= consumed)
        {
            return Inserted::Late;
        }
        packet.payload = self.spare.pop().unwrap_or_default();
        packet.payload.extend_from_slice(payload);
        let behind = self
            .waiting
            .iter()
            .rev()
            .take_while(|waiting| waiting.sequence > packet.sequence)
            .count();
        self.waiting.insert(self.waiting.len() - behind, packet);
        if self.waiting.len() > self.capacity {
            self.consume();
            return Inserted::Overflowed;
        }
        Inserted::Waits
    }

    /// The packet to be played next.
    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// The same, to be changed.
    pub fn front_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// The packet to be played last.
    pub fn last(&self) -> Option<&Waiting> {
        self.waiting.back()
    }

    /// All packets in order.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// Media time after the last sample waiting.
    pub fn end(&self) -> Option<i64> {
        self.waiting
            .iter()
            .rev()
            .find(|waiting| waiting.samples > 0)
            .map(Waiting::end)
    }

    /// Whether sequence numbers are missing before the front packet.
    pub fn lost_before_front(&self) -> bool {
        match (self.consumed, self.waiting.front()) {
            (Some(consumed), Some(front)) => front.sequence > consumed + 1,
            (None, _) | (_, None) => false,
        }
    }

    /// Removes the front packet; its payload buffer is used again.
    pub fn consume(&mut self) {
        if let Some(mut packet) = self.waiting.pop_front() {
            self.consumed = Some(packet.sequence);
            packet.payload.clear();
            // A burst must not leave its memory behind.
            if self.spare.len() < SPARE {
                self.spare.push(packet.payload);
            }
        }
    }

    /// Moves every packet waiting in media time.
    pub fn shift(&mut self, samples: i64) {
        for packet in &mut self.waiting {
            packet.media += samples;
        }
    }

    /// Forgets every packet and all sequence numbers: another stream begins.
    pub fn restart(&mut self) {
        while !self.waiting.is_empty() {
            self.consume();
        }
        self.consumed = None;
        self.seen = 0;
        self.highest = 0;
    }

    /// Octets of memory held.
    pub fn memory(&self) -> usize {
        let payloads: usize = self.spare.iter().map(Vec::capacity).sum::<usize>()
            + self
                .waiting
                .iter()
                .map(|packet| packet.payload.capacity())
                .sum::<usize>();
        payloads
            + self.waiting.capacity() * size_of::<Waiting>()
            + self.spare.capacity() * size_of::<Vec<u8>>()
    }

    fn is_duplicate(&mut self, sequence: i64) -> bool {
        if self.seen == 0 {
            self.highest = sequence;
        }
        let ahead = sequence - self.highest;
        if ahead > 0 {
            let by = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(by).unwrap_or(0) | 1;
            self.highest = sequence;
            return false;
        }
        let behind = u32::try_from(-ahead).unwrap_or(u32::MAX);
        // What is older than the memory is late in any case.
        let Some(bit) = 1u64.checked_shl(behind) else {
            return false;
        };
        let known = self.seen & bit != 0;
        self.seen |= bit;
        known
    }
}
