//! The source of a stream: validity (RFC 3550 §A.1), loss (§A.3) and jitter (§A.8).

use super::packet::Packet;
use super::sequence::WideSequence;

/// Sequence numbers a source may skip forward and still be the same stream.
const MAX_DROPOUT: i64 = 3000;
/// Sequence numbers a packet may be behind and still be merely reordered.
const MAX_MISORDER: i64 = 100;

/// What the source says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The next packet, or a reordered one, with its wide sequence number.
    Valid(i64),
    /// The stream begins here: the first packet, a new synchronisation source, or a restarted sequence.
    Begins(i64),
    /// Not believed yet.
    Refused,
}

/// What a report block says about the source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// The synchronisation source reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative with duplicates.
    pub cumulative_lost: i32,
    /// The extended highest sequence number received.
    pub highest: u32,
    /// Interarrival jitter in timestamp ticks.
    pub jitter: u32,
}

/// The current stream of the peer.
#[derive(Clone, Debug, Default)]
pub struct Source {
    ssrc: Option<u32>,
    wide: WideSequence,
    first: i64,
    highest: i64,
    received: u64,
    /// Packets lost in streams that ended before this one.
    lost_before: u64,
    expected_prior: u64,
    received_prior: u64,
    /// A sequence jump or another SSRC: believed when the very next sequence number follows.
    candidate: Option<(u32, u16)>,
    transit: Option<i64>,
    /// Interarrival jitter in ticks, times 16.
    jitter_16: i64,
}

impl Source {
    /// The synchronisation source in force.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Judges one packet (RFC 3550 §A.1). A new SSRC or a large jump is believed with its second packet in a row.
    pub fn judge(&mut self, packet: &Packet<'_>) -> Validity {
        let Some(ssrc) = self.ssrc else {
            return self.begin(packet);
        };
        if packet.ssrc != ssrc {
            return self.judge_candidate(packet);
        }
        let mut wide = self.wide;
        let sequence = wide.widen(packet.sequence);
        let step = sequence - self.highest;
        if !(-MAX_MISORDER..MAX_DROPOUT).contains(&step) {
            return self.judge_candidate(packet);
        }
        self.candidate = None;
        self.wide = wide;
        self.highest = self.highest.max(sequence);
        self.received += 1;
        Validity::Valid(sequence)
    }

    /// Takes a packet back that turned out to be a duplicate.
    pub fn forget_duplicate(&mut self) {
        self.received = self.received.saturating_sub(1);
    }

    /// Feeds the interarrival jitter (RFC 3550 §A.8): arrival and timestamp in the same ticks.
    pub fn feed_jitter(&mut self, arrival: i64, timestamp: u32) {
        let transit = arrival.wrapping_sub(i64::from(timestamp));
        if let Some(last) = self.transit {
            let step = (transit - last).abs();
            // A jump of the timestamps is no jitter.
            if step < 1 << 20 {
                self.jitter_16 += step - ((self.jitter_16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Interarrival jitter in ticks.
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter_16 >> 4).unwrap_or(0)
    }

    /// Packets lost over the life of the leg.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// The report block for now (RFC 3550 §A.3); begins a new interval.
    pub fn report(&mut self) -> Option<Reception> {
        let ssrc = self.ssrc?;
        let expected = self.expected();
        let interval = expected.saturating_sub(self.expected_prior);
        let got = self.received.saturating_sub(self.received_prior);
        let lost = interval.saturating_sub(got);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let fraction = lost.saturating_mul(256).checked_div(interval).unwrap_or(0);
        let cumulative =
            i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(0);
        Some(Reception {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(cumulative.clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0),
            highest: u32::try_from(self.highest.rem_euclid(1 << 32)).unwrap_or(0),
            jitter: self.jitter(),
        })
    }

    fn expected(&self) -> u64 {
        if self.ssrc.is_none() {
            return 0;
        }
        u64::try_from(self.highest - self.first + 1).unwrap_or(0)
    }

    fn judge_candidate(&mut self, packet: &Packet<'_>) -> Validity {
        if self.candidate == Some((packet.ssrc, packet.sequence)) {
            return self.begin(packet);
        }
        self.candidate = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
        Validity::Refused
    }

    fn begin(&mut self, packet: &Packet<'_>) -> Validity {
        let lost_before = self.lost();
        *self = Self {
            ssrc: Some(packet.ssrc),
            lost_before,
            ..Self::default()
        };
        let sequence = self.wide.widen(packet.sequence);
        self.first = sequence;
        self.highest = sequence;
        self.received = 1;
        Validity::Begins(sequence)
    }
}
