//! One phone's RTP: what it sends packet by packet, and the account of what it receives (RFC 3550).

use crate::clock::Moment;
use crate::codec::Codec;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Between two packets of a phone whose clock is right.
pub const PACKET_TIME: Duration = Duration::from_millis(20);
/// Octets of the fixed header (§5.1).
const HEADER: usize = 12;
/// Packets of 20 ms that a telephone event lasts, and the repetitions of its end (RFC 4733 §2.5.1.4).
const EVENT_PACKETS: u16 = 5;
const EVENT_ENDS: u16 = 3;

/// A stream being sent.
#[derive(Debug)]
pub struct RtpSender {
    payloads: Rc<[Vec<u8>]>,
    payload_type: u8,
    dtmf_type: Option<u8>,
    step: u32,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    position: usize,
    first_position: usize,
    sent_at: Vec<Moment>,
    events: VecDeque<EventPacket>,
    event_start: u32,
}

#[derive(Clone, Copy, Debug)]
struct EventPacket {
    code: u8,
    end: bool,
    duration: u16,
    first: bool,
}

impl RtpSender {
    /// A stream that repeats these payloads for ever, with numbers chosen by `seed`.
    pub fn new(codec: Codec, payloads: Rc<[Vec<u8>]>, payload_type: u8, seed: u32) -> Self {
        let [_, _, high, low] = seed.wrapping_mul(40_503).to_be_bytes();
        Self {
            payloads,
            payload_type,
            dtmf_type: None,
            step: codec.timestamp_step(),
            ssrc: seed.wrapping_mul(2_654_435_761),
            sequence: u16::from_be_bytes([high, low]),
            timestamp: seed.wrapping_mul(77_777),
            position: 0,
            first_position: 0,
            sent_at: Vec::new(),
            events: VecDeque::new(),
            event_start: 0,
        }
    }

    /// Begins so many payloads into the signal.
    pub fn begin_at(&mut self, offset: usize) {
        self.first_position = offset % self.payloads.len().max(1);
        self.position = self.first_position;
    }

    /// Another stream of the same signal begins: its source, and its first sequence number.
    pub fn renumber(&mut self, ssrc: u32, sequence: u16) {
        self.ssrc = ssrc;
        self.sequence = sequence;
    }

    /// Which payload of the signal went first.
    pub fn first_position(&self) -> usize {
        self.first_position
    }

    /// How many payloads the signal has before it repeats.
    pub fn loop_packets(&self) -> usize {
        self.payloads.len()
    }

    /// The payload types that the far side wants.
    pub fn set_payload_types(&mut self, audio: u8, dtmf: Option<u8>) {
        self.payload_type = audio;
        self.dtmf_type = dtmf;
    }

    /// Queues a digit (`0`–`9`, `*`, `#`, `A`–`D`) of 100 ms, followed by 100 ms of audio.
    pub fn press(&mut self, digit: char) {
        let Some(code) = "0123456789*#ABCD"
            .find(digit)
            .and_then(|n| u8::try_from(n).ok())
        else {
            return;
        };
        let step = u16::try_from(self.step).unwrap_or(u16::MAX);
        for n in 1..=EVENT_PACKETS + EVENT_ENDS {
            let (first, end) = (n == 1, n > EVENT_PACKETS);
            let duration = step.saturating_mul(n.min(EVENT_PACKETS));
            self.events.push_back(EventPacket {
                code,
                end,
                duration,
                first,
            });
        }
        let pause = EventPacket {
            code: u8::MAX,
            end: false,
            duration: 0,
            first: false,
        };
        self.events.extend([pause; 5]);
    }

    /// Digits are still being sent.
    pub fn pressing(&self) -> bool {
        !self.events.is_empty()
    }

    /// Writes the next packet into `buffer` and notes when it was sent.
    pub fn next_packet(&mut self, now: Moment, buffer: &mut Vec<u8>) {
        buffer.clear();
        let event = self
            .events
            .pop_front()
            .filter(|event| event.code != u8::MAX);
        match (event, self.dtmf_type) {
            (Some(event), Some(payload_type)) => {
                if event.first {
                    self.event_start = self.timestamp;
                }
                self.header(buffer, payload_type, event.first, self.event_start);
                let [high, low] = event.duration.to_be_bytes();
                buffer.extend([event.code, if event.end { 0x8a } else { 0x0a }, high, low]);
            }
            _ => {
                let marker = self.sent_at.is_empty();
                self.header(buffer, self.payload_type, marker, self.timestamp);
                if let Some(payload) = self.payloads.get(self.position) {
                    buffer.extend_from_slice(payload);
                }
            }
        }
        self.position = (self.position + 1) % self.payloads.len().max(1);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.step);
        self.sent_at.push(now);
    }

    /// When each packet was sent, from the first.
    pub fn sent_at(&self) -> &[Moment] {
        &self.sent_at
    }

    fn header(&self, buffer: &mut Vec<u8>, payload_type: u8, marker: bool, timestamp: u32) {
        buffer.push(0x80);
        buffer.push(payload_type | if marker { 0x80 } else { 0 });
        buffer.extend(self.sequence.to_be_bytes());
        buffer.extend(timestamp.to_be_bytes());
        buffer.extend(self.ssrc.to_be_bytes());
    }
}

/// A packet kept for analysis.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When the kernel took it in.
    pub arrival: Moment,
    /// Its sequence number, counted on over the wrap.
    pub sequence: i64,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// The account of a received stream since [`RtpReceiver::begin_window`].
#[derive(Debug, Default)]
pub struct RtpReceiver {
    /// Keep every audio packet.
    pub keeping: bool,
    /// The payload type that counts as audio.
    pub audio_type: u8,
    kept: Vec<Kept>,
    step: u32,
    packets: u64,
    malformed: u64,
    other_types: u64,
    first: Option<i64>,
    highest: i64,
    /// Which of the last 128 came; the lowest bit is the highest sequence number.
    seen: u128,
    duplicates: u64,
    reordered: u64,
    ssrc: Option<u32>,
    ssrc_changes: u32,
    last_arrival: Option<Moment>,
    longest_gap: Duration,
    transit: Option<f64>,
    jitter: f64,
}

impl RtpReceiver {
    /// A receiver of this codec's audio.
    pub fn new(codec: Codec, keeping: bool) -> Self {
        Self {
            keeping,
            audio_type: codec.payload(),
            step: codec.timestamp_step(),
            ..Self::default()
        }
    }

    /// Forgets everything: what counts comes from here on.
    pub fn begin_window(&mut self) {
        let (keeping, audio_type, step) = (self.keeping, self.audio_type, self.step);
        *self = Self {
            keeping,
            audio_type,
            step,
            ..Self::default()
        };
    }

    /// A datagram came.
    pub fn handle_packet(&mut self, arrival: Moment, datagram: &[u8]) {
        let Some((header, payload)) = parse(datagram) else {
            self.malformed += 1;
            return;
        };
        if header.payload_type != self.audio_type {
            self.other_types += 1;
            return;
        }
        self.packets += 1;
        if self
            .ssrc
            .replace(header.ssrc)
            .is_some_and(|ssrc| ssrc != header.ssrc)
        {
            self.ssrc_changes += 1;
        }
        let sequence = self.count(header.sequence);
        if let Some(last) = self.last_arrival {
            self.longest_gap = self.longest_gap.max(arrival.saturating_sub(last));
        }
        self.last_arrival = Some(arrival);
        self.estimate_jitter(arrival, header.timestamp);
        if self.keeping {
            let payload = payload.to_vec();
            self.kept.push(Kept {
                arrival,
                sequence,
                timestamp: header.timestamp,
                payload,
            });
        }
    }

    /// The packets kept, in the order in which they came.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Audio packets received.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Datagrams that are no RTP.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Packets that never came, by sequence number.
    pub fn lost(&self) -> u64 {
        let expected = self.first.map_or(0, |first| self.highest - first + 1);
        let unique = self.packets - self.duplicates;
        u64::try_from(expected).unwrap_or(0).saturating_sub(unique)
    }

    /// Packets that came twice, and packets that came after a later one.
    pub fn duplicates_and_reordered(&self) -> (u64, u64) {
        (self.duplicates, self.reordered)
    }

    /// Changes of the synchronisation source: the stream began anew.
    pub fn ssrc_changes(&self) -> u32 {
        self.ssrc_changes
    }

    /// The longest time between two packets.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub fn jitter_ms(&self) -> f64 {
        self.jitter * 1e3
    }

    /// The sequence number counted on over the wrap (§A.1), and the order of things.
    fn count(&mut self, sequence: u16) -> i64 {
        let Some(_) = self.first else {
            self.first = Some(i64::from(sequence));
            self.highest = i64::from(sequence);
            self.seen = 1;
            return self.highest;
        };
        let ahead = i64::from(sequence) - (self.highest & 0xffff);
        let ahead = (ahead + 0x8000).rem_euclid(0x1_0000) - 0x8000;
        let distance = u32::try_from(ahead.abs()).unwrap_or(u32::MAX);
        if ahead > 0 {
            self.seen = self.seen.checked_shl(distance).unwrap_or(0) | 1;
            self.highest += ahead;
            return self.highest;
        }
        let bit = 1u128.checked_shl(distance).unwrap_or(0);
        if self.seen & bit == 0 {
            self.reordered += 1
        } else {
            self.duplicates += 1
        }
        self.seen |= bit;
        self.highest + ahead
    }

    fn estimate_jitter(&mut self, arrival: Moment, timestamp: u32) {
        let clock = f64::from(self.step) * 50.0;
        let transit = arrival.as_secs_f64() - f64::from(timestamp) / clock;
        if let Some(last) = self.transit {
            let d = (transit - last).abs();
            // A jump of seconds is a new stream or a wrap, not jitter.
            if d < 5.0 {
                self.jitter += (d - self.jitter) / 16.0;
            }
        }
        self.transit = Some(transit);
    }
}

#[derive(Clone, Copy, Debug)]
struct Header {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// The header and payload of an RTP packet, `None` for anything that is none.
fn parse(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let (fixed, mut rest) = datagram.split_first_chunk::<HEADER>()?;
    let [flags, marked, s1, s0, t3, t2, t1, t0, c3, c2, c1, c0] = *fixed;
    if flags >> 6 != 2 || (72..80).contains(&(marked & 0x7f)) {
        return None;
    }
    rest = rest.get(4 * usize::from(flags & 15)..)?;
    if flags & 0x10 != 0 {
        let ([_, _, high, low], after) = rest.split_first_chunk::<4>()?;
        rest = after.get(4 * usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    if flags & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    let header = Header {
        payload_type: marked & 0x7f,
        sequence: u16::from_be_bytes([s1, s0]),
        timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
        ssrc: u32::from_be_bytes([c3, c2, c1, c0]),
    };
    Some((header, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> RtpSender {
        let payloads: Rc<[Vec<u8>]> = vec![vec![1; 160], vec![2; 160]].into();
        RtpSender::new(Codec::Pcmu, payloads, 0, 9)
    }

    fn packets(sender: &mut RtpSender, count: u32) -> Vec<Vec<u8>> {
        let mut buffer = Vec::new();
        (0..count)
            .map(|n| {
                sender.next_packet(PACKET_TIME * n, &mut buffer);
                buffer.clone()
            })
            .collect()
    }

    #[test]
    fn a_clean_stream_has_no_loss_and_no_jitter_over_the_wrap() {
        let (mut sender, mut receiver) = (sender(), RtpReceiver::new(Codec::Pcmu, true));
        for (n, packet) in (0..70_000u32).zip(packets(&mut sender, 70_000)) {
            receiver.handle_packet(PACKET_TIME * n, &packet);
        }
        assert_eq!((receiver.packets(), receiver.lost()), (70_000, 0));
        assert_eq!(receiver.longest_gap(), PACKET_TIME);
        assert!(receiver.jitter_ms() < 0.01, "{}", receiver.jitter_ms());
        assert_eq!(receiver.kept().last().unwrap().payload, [2; 160]);
    }

    #[test]
    fn loss_duplicates_and_reordering_are_told_apart() {
        let mut receiver = RtpReceiver::new(Codec::Pcmu, false);
        let all = packets(&mut sender(), 10);
        for n in [0, 1, 3, 2, 2, 4, 7, 8, 9] {
            receiver.handle_packet(Duration::from_secs(1), &all[n]);
        }
        assert_eq!(receiver.lost(), 2);
        assert_eq!(receiver.duplicates_and_reordered(), (1, 1));
    }

    #[test]
    fn a_digit_is_an_event_with_one_timestamp_and_three_ends() {
        let mut sender = sender();
        sender.set_payload_types(0, Some(101));
        sender.press('#');
        let all = packets(&mut sender, 9);
        let events: Vec<_> = all.iter().filter(|p| p[1] & 0x7f == 101).collect();
        assert_eq!(events.len(), 8);
        assert!(
            events
                .iter()
                .all(|p| p[4..8] == events[0][4..8] && p[12] == 11)
        );
        let ends: Vec<bool> = events.iter().map(|p| p[13] & 0x80 != 0).collect();
        assert_eq!(ends, [false, false, false, false, false, true, true, true]);
        assert_eq!(events[7][14..16], 800u16.to_be_bytes(), "RFC 4733 §2.5.1.4");
        assert_eq!(
            events[0][1] & 0x80,
            0x80,
            "RFC 4733 §2.5.1.1: marker at the beginning"
        );
    }

    #[test]
    fn what_is_no_rtp_is_counted_apart() {
        let mut receiver = RtpReceiver::new(Codec::Pcmu, false);
        for junk in [
            &b""[..],
            &[0; 40],
            &[0x80, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            receiver.handle_packet(Duration::ZERO, junk);
        }
        assert_eq!((receiver.malformed(), receiver.packets()), (3, 0));
    }
}
