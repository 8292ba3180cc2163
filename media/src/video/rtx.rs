//! Retransmission: what was sent is kept for a while and sent again in a stream of its own (RFC 4588).

use crate::rtp::packet::Packet;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bounds of what is kept for retransmission.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Packets. Beyond: the oldest are forgotten.
    pub packets: usize,
    /// Octets. Beyond: the oldest are forgotten.
    pub octets: usize,
    /// Older ones are not sent again.
    pub age: Duration,
    /// Share of the target bitrate that retransmissions may take, percent. Beyond: requests are left unanswered, and
    /// the receiver asks for a keyframe.
    pub share_percent: u32,
}

/// A packet as it was sent: RTP header and payload.
#[derive(Debug)]
struct Sent {
    sequence: u16,
    at: Instant,
    again: Option<Instant>,
    datagram: Vec<u8>,
}

/// The packets of one stream that may be asked for again.
#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    sent: VecDeque<Sent>,
    octets: usize,
    /// Octets that may be sent again now.
    allowance: i64,
    refilled: Option<Instant>,
}

/// One packet is not sent again within this time: its first repetition is still under way.
const UNDER_WAY: Duration = Duration::from_millis(20);

impl History {
    /// Nothing sent yet.
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            sent: VecDeque::new(),
            octets: 0,
            allowance: 0,
            refilled: None,
        }
    }

    /// Keeps a datagram that is being sent: plain RTP, before protection.
    pub fn keep(&mut self, now: Instant, sequence: u16, datagram: &[u8]) {
        self.octets += datagram.len();
        self.sent.push_back(Sent {
            sequence,
            at: now,
            again: None,
            datagram: datagram.to_vec(),
        });
        let HistoryLimits {
            packets,
            octets,
            age,
            ..
        } = self.limits;
        while self.sent.front().is_some_and(|oldest| {
            self.sent.len() > packets
                || self.octets > octets
                || now.saturating_duration_since(oldest.at) > age
        }) {
            if let Some(oldest) = self.sent.pop_front() {
                self.octets -= oldest.datagram.len();
            }
        }
    }

    /// The datagram to be sent again, if it is kept, not under way already, and within the share of `bitrate`.
    pub fn again(&mut self, now: Instant, sequence: u16, bitrate: u64) -> Option<&[u8]> {
        self.refill(now, bitrate);
        let age = self.limits.age;
        let first = self.sent.front()?.sequence;
        let index = usize::from(sequence.wrapping_sub(first));
        let sent = self
            .sent
            .get_mut(index)
            .filter(|sent| sent.sequence == sequence)?;
        let recent = |at: Instant, span: Duration| now.saturating_duration_since(at) < span;
        if !recent(sent.at, age) || sent.again.is_some_and(|again| recent(again, UNDER_WAY)) {
            return None;
        }
        let octets = i64::try_from(sent.datagram.len()).unwrap_or(i64::MAX);
        if octets > self.allowance {
            return None;
        }
        self.allowance -= octets;
        sent.again = Some(now);
        Some(&sent.datagram)
    }

    /// The allowance grows with time up to what half a second allows.
    fn refill(&mut self, now: Instant, bitrate: u64) {
        let most = bitrate / 8 * u64::from(self.limits.share_percent) / 100 / 2;
        let most = i64::try_from(most).unwrap_or(i64::MAX).max(3000);
        let grown = match self.refilled {
            None => most,
            Some(last) => {
                let micros = now.saturating_duration_since(last).as_micros().min(500_000);
                let micros = i64::try_from(micros).unwrap_or(0);
                most.saturating_mul(micros) / 500_000
            }
        };
        self.refilled = Some(now);
        self.allowance = (self.allowance + grown).min(most);
    }
}

/// Appends the retransmission packet of a datagram (RFC 4588 §4): another payload type, source and sequence number, the
/// original sequence number before the payload. Nothing if the datagram is no RTP packet.
pub fn wrap(datagram: &[u8], payload_type: u8, ssrc: u32, sequence: u16, out: &mut Vec<u8>) {
    let Ok(packet) = Packet::parse(datagram) else {
        return;
    };
    // Everything before the payload stays, extensions included; padding is not repeated.
    let Some((head, _)) = payload_offset(datagram).and_then(|at| datagram.split_at_checked(at))
    else {
        return;
    };
    let start = out.len();
    out.extend_from_slice(head);
    if let Some([first, second, sequence_at @ ..]) = out.get_mut(start..) {
        *first &= !0x20;
        *second = *second & 0x80 | payload_type & 0x7f;
        let fields = sequence.to_be_bytes().into_iter();
        for (octet, value) in sequence_at.iter_mut().zip(fields) {
            *octet = value;
        }
        let source = ssrc.to_be_bytes().into_iter();
        for (octet, value) in sequence_at.iter_mut().skip(6).zip(source) {
            *octet = value;
        }
    }
    out.extend_from_slice(&packet.sequence.to_be_bytes());
    out.extend_from_slice(packet.payload);
}

/// Octets before the payload of a datagram that parses: fixed header, sources, extension.
fn payload_offset(datagram: &[u8]) -> Option<usize> {
    let first = *datagram.first()?;
    let sources = 12 + usize::from(first & 0x0f) * 4;
    if first & 0x10 == 0 {
        return Some(sources);
    }
    let words = datagram.get(sources + 2..sources + 4)?;
    let words = <[u8; 2]>::try_from(words).ok()?;
    Some(sources + 4 + usize::from(u16::from_be_bytes(words)) * 4)
}

/// The original sequence number and payload in a retransmission packet (RFC 4588 §4); `None` for mere padding.
pub fn unwrap<'a>(packet: &Packet<'a>) -> Option<(u16, &'a [u8])> {
    let (original, payload) = packet.payload.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*original), payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packet::Header;

    const LIMITS: HistoryLimits = HistoryLimits {
        packets: 4,
        octets: 4000,
        age: Duration::from_secs(1),
        share_percent: 20,
    };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Instant::now()
    }

    fn datagram(sequence: u16) -> Vec<u8> {
        let header = Header {
            marker: true,
            payload_type: 96,
            sequence,
            timestamp: 7,
            ssrc: 1,
        };
        let mut out = Vec::new();
        header.write(&[9], &mut out);
        out.extend_from_slice(&[1, 2, 3]);
        out
    }

    #[test]
    fn rfc4588_4_a_packet_goes_out_and_comes_back() {
        let mut out = Vec::new();
        wrap(&datagram(65_535), 97, 2, 5, &mut out);
        let packet = Packet::parse(&out).unwrap();
        assert_eq!(
            (packet.payload_type, packet.ssrc, packet.sequence),
            (97, 2, 5)
        );
        assert_eq!((packet.timestamp, packet.marker), (7, true));
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [9]);
        assert_eq!(unwrap(&packet), Some((65_535, &[1, 2, 3][..])));
        let mut empty = packet;
        empty.payload = &[];
        assert_eq!(unwrap(&empty), None);
    }

    #[test]
    fn only_what_is_kept_is_sent_again_and_not_twice_at_once() {
        let (mut history, now) = (History::new(LIMITS), start());
        for sequence in 65_533..=65_535 {
            history.keep(now, sequence, &datagram(sequence));
        }
        for sequence in 0..3 {
            history.keep(now, sequence, &datagram(sequence));
        }
        assert_eq!(history.again(now, 65_534, 1_000_000), None, "forgotten");
        assert_eq!(
            history.again(now, 65_535, 1_000_000),
            Some(&datagram(65_535)[..])
        );
        assert_eq!(history.again(now, 65_535, 1_000_000), None, "under way");
        let later = now + Duration::from_millis(30);
        assert!(history.again(later, 65_535, 1_000_000).is_some());
        assert_eq!(
            history.again(now + Duration::from_secs(2), 2, 1_000_000),
            None,
            "too old"
        );
        assert_eq!(history.again(later, 77, 1_000_000), None);
    }

    #[test]
    fn retransmissions_keep_to_their_share() {
        let limits = HistoryLimits {
            packets: 1000,
            octets: 1_000_000,
            ..LIMITS
        };
        let (mut history, now) = (History::new(limits), start());
        for sequence in 0..500 {
            history.keep(now, sequence, &[0; 1000]);
        }
        let mut octets = 0;
        for sequence in 0..500_u16 {
            let at = now + Duration::from_millis(u64::from(sequence));
            octets += history.again(at, sequence, 800_000).map_or(0, <[u8]>::len);
        }
        // 20 % of 100,000 octets a second, for half a second, and a burst of as much at the beginning.
        assert!((15_000..=20_000).contains(&octets), "{octets}");
    }
}
