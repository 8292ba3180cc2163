//! The sending side of one video stream: payloads to datagrams, what is kept for retransmission, what comes back.

use super::feedback::Feedback;
use super::format::SendFormat;
use super::frame::{PackError, Payloads, VideoCodec};
use super::rate::{RateControl, RateSettings};
use super::rtx::{self, History, HistoryLimits};
use crate::rtp::packet::Header;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What offer and answer agreed on for sending, as the stream needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSend {
    /// Codec and packetization.
    pub format: SendFormat,
    /// The peer's payload type for it.
    pub payload_type: u8,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// The peer's payload type for retransmissions and our source for them (RFC 4588); without, packets are repeated as
    /// they were.
    pub rtx: Option<(u8, u32)>,
    /// The header extension of transport-wide sequence numbers, 1 to 14.
    pub transport_cc: Option<u8>,
    /// The header extension that names the section, 1 to 14, and its name of at most 16 octets (RFC 9143 §15).
    pub mid: Option<(u8, Bytes)>,
    /// Octets of one RTP payload.
    pub max_payload: usize,
}

/// What feedback asks of whoever encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEvent {
    /// The peer needs a keyframe (PLI, a new FIR, or packets lost that are not kept any more).
    KeyframeNeeded,
    /// A TMMBR is to be answered with TMMBN: whose it is, and the bits a second in force (RFC 5104 §4.2.2).
    Notify {
        /// Who asked.
        owner: u32,
        /// Bits a second.
        bitrate: u64,
    },
}

/// Transport-wide sent packets remembered for feedback.
const REMEMBERED: usize = 2048;
/// A frame's packets are spread over this share of the frame time: half.
const SPREAD: u32 = 2;

#[derive(Clone, Copy, Debug)]
struct Departure {
    sequence: u16,
    /// Ticks of 250 µs since the stream began.
    at: i64,
    octets: usize,
}

/// A datagram that waits for its time.
#[derive(Debug)]
struct Paced {
    at: Instant,
    datagram: Vec<u8>,
    /// It has room for the transport-wide sequence number, which is filled in when it leaves. What goes out once more
    /// under its own sequence number has none to fill in: it must be the same octet for octet, since the keys make one
    /// key stream of one number (RFC 3711 §9.1, RFC 7714 §8.2).
    numbered: bool,
    /// It has not left before, and is kept under this number when it does.
    fresh: Option<u16>,
}

/// One stream being sent.
#[derive(Debug)]
pub struct VideoSender {
    send: VideoSend,
    sequence: u16,
    rtx_sequence: u16,
    transport_sequence: u16,
    /// Added to the encoder's timestamps, so that they begin anywhere (RFC 3550 §5.1).
    offset: u32,
    history: History,
    rate: RateControl,
    departures: VecDeque<Departure>,
    begun: Instant,
    last_fir: Option<u8>,
    /// Datagrams that wait for their time.
    paced: VecDeque<Paced>,
    packets: u32,
    octets: u32,
    pictures: u64,
}

impl VideoSender {
    /// A stream that begins. `seed` must be unpredictable: sequence numbers and timestamps begin with it.
    pub fn new(
        send: VideoSend,
        history: HistoryLimits,
        rate: RateSettings,
        seed: u64,
        now: Instant,
    ) -> Self {
        let [a, b, c, d, e, f, g, h] = seed.to_be_bytes();
        Self {
            send,
            // The upper half stays free, so that the first packets do not wrap (RFC 3711 §3.3.1).
            sequence: u16::from_be_bytes([a & 0x7f, b]),
            rtx_sequence: u16::from_be_bytes([c & 0x7f, d]),
            transport_sequence: 0,
            offset: u32::from_be_bytes([e, f, g, h]),
            history: History::new(history),
            rate: RateControl::new(rate),
            departures: VecDeque::new(),
            begun: now,
            last_fir: None,
            paced: VecDeque::new(),
            packets: 0,
            octets: 0,
            pictures: 0,
        }
    }

    /// Another agreement: sequence numbers go on, and what was learnt of the way.
    pub fn change(&mut self, send: VideoSend, ceiling: u32) {
        self.send = send;
        self.rate.set_ceiling(ceiling);
    }

    /// The codec in force.
    pub const fn codec(&self) -> VideoCodec {
        self.send.format.codec()
    }

    /// An encoder's timestamp as it stands in packets.
    pub fn wire_timestamp(&self, timestamp: i64) -> u32 {
        let timestamp = u32::try_from(timestamp.rem_euclid(1 << 32)).unwrap_or(0);
        timestamp.wrapping_add(self.offset)
    }

    /// Makes the payloads of one frame in this stream's format. Streams of one format can share them.
    pub fn pack(
        &mut self,
        frame: &[u8],
        keyframe: bool,
        out: &mut Payloads,
    ) -> Result<(), PackError> {
        self.pictures += 1;
        let VideoSend {
            format,
            max_payload,
            ..
        } = self.send;
        format.pack(frame, keyframe, self.pictures, max_payload, out)
    }

    /// Queues one frame, its packets spread over half of `frame_time`. A frame that is still waiting is not overtaken.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        payloads: &Payloads,
        timestamp: i64,
        frame_time: Duration,
    ) {
        let count = u32::try_from(payloads.len()).unwrap_or(u32::MAX).max(1);
        let step = frame_time / SPREAD / count;
        let mut at = self.paced.back().map_or(now, |last| last.at.max(now));
        let timestamp = self.wire_timestamp(timestamp);
        for (payload, marker) in payloads.iter() {
            let header = Header {
                marker,
                payload_type: self.send.payload_type,
                sequence: self.sequence,
                timestamp,
                ssrc: self.send.ssrc,
            };
            let mut datagram = Vec::with_capacity(payload.len() + 40);
            header.write(&[], &mut datagram);
            self.extend(&mut datagram);
            datagram.extend_from_slice(payload);
            let fresh = Some(self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
            let octets = u32::try_from(payload.len()).unwrap_or(0);
            self.octets = self.octets.wrapping_add(octets);
            self.paced.push_back(Paced {
                at,
                datagram,
                numbered: self.send.transport_cc.is_some(),
                fresh,
            });
            at += step;
        }
    }

    /// The next datagram whose time has come, plain RTP.
    pub fn poll_datagram(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.paced.front()?.at > now {
            return None;
        }
        let mut paced = self.paced.pop_front()?;
        if paced.numbered {
            self.depart(now, &mut paced.datagram);
        }
        if let Some(sequence) = paced.fresh {
            self.history.keep(now, sequence, &paced.datagram);
        }
        Some(paced.datagram)
    }

    /// When the next datagram's time comes.
    pub fn timeout(&self) -> Option<Instant> {
        self.paced.front().map(|paced| paced.at)
    }

    /// Feedback from the peer about this stream; about other streams it is passed over.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        feedback: &Feedback,
        say: &mut impl FnMut(SendEvent),
    ) {
        let ssrc = self.send.ssrc;
        match feedback {
            Feedback::Nack { media, sequences } if *media == ssrc => {
                let mut gone = false;
                for sequence in sequences {
                    gone |= !self.repeat(now, *sequence);
                }
                if gone {
                    say(SendEvent::KeyframeNeeded);
                }
            }
            Feedback::Pli { media } if *media == ssrc => say(SendEvent::KeyframeNeeded),
            Feedback::Fir { media, sequence } if *media == ssrc => {
                // Repetitions of one request have its number (RFC 5104 §4.3.1.1).
                if self.last_fir.replace(*sequence) != Some(*sequence) {
                    say(SendEvent::KeyframeNeeded);
                }
            }
            Feedback::Tmmbr {
                media,
                sender,
                bitrate,
                ..
            } if *media == ssrc => {
                let bitrate = self.rate.handle_tmmbr(*bitrate);
                say(SendEvent::Notify {
                    owner: *sender,
                    bitrate,
                });
            }
            Feedback::Remb { bitrate, media } if media.contains(&ssrc) => {
                self.rate.handle_remb(now, *bitrate);
            }
            Feedback::TransportCc { packets, .. } => self.handle_arrivals(now, packets),
            Feedback::Nack { .. }
            | Feedback::Pli { .. }
            | Feedback::Fir { .. }
            | Feedback::Tmmbr { .. }
            | Feedback::Tmmbn { .. }
            | Feedback::Remb { .. } => {}
        }
    }

    /// A report block about this stream: the share lost, in 256ths.
    pub fn handle_loss(&mut self, now: Instant, fraction_lost: u8) {
        self.rate.handle_loss(now, fraction_lost);
    }

    /// Bits a second to be encoded now.
    pub fn target(&self, now: Instant) -> u32 {
        self.rate.target(now)
    }

    /// Packets and octets of payload sent, for sender reports.
    pub fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Queues a packet once more; false if it is not kept any more.
    fn repeat(&mut self, now: Instant, sequence: u16) -> bool {
        let bitrate = u64::from(self.rate.target(now));
        let Some(kept) = self.history.again(now, sequence, bitrate) else {
            // What left a moment ago, or is over its share, is not gone: the peer asks again.
            return self.sequence.wrapping_sub(sequence) < 512;
        };
        let (datagram, numbered) = match self.send.rtx {
            None => (kept.to_vec(), false),
            Some((payload_type, ssrc)) => {
                let mut wrapped = Vec::with_capacity(kept.len() + 2);
                rtx::wrap(kept, payload_type, ssrc, self.rtx_sequence, &mut wrapped);
                self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
                let extended = wrapped.first().is_some_and(|first| first & 0x10 != 0);
                let head = self.send.transport_cc.map(|id| id << 4 | 1);
                let numbered = extended && head.is_some() && head == wrapped.get(16).copied();
                (wrapped, numbered)
            }
        };
        self.paced.push_front(Paced {
            at: now,
            datagram,
            numbered,
            fresh: None,
        });
        true
    }

    /// Room for the transport-wide sequence number, which comes first, and the name of the section, in the one-byte form
    /// (RFC 8285 §4.2).
    fn extend(&self, datagram: &mut Vec<u8>) {
        let mid = self.send.mid.as_ref();
        let mid = mid.filter(|(_, mid)| (1..=16).contains(&mid.len()));
        if self.send.transport_cc.is_none() && mid.is_none() {
            return;
        }
        if let Some(first) = datagram.first_mut() {
            *first |= 0x10;
        }
        let numbered = if self.send.transport_cc.is_some() {
            3
        } else {
            0
        };
        let octets = numbered + mid.map_or(0, |(_, mid)| mid.len() + 1);
        let words = octets.div_ceil(4);
        datagram.extend_from_slice(&[0xbe, 0xde, 0, u8::try_from(words).unwrap_or(0)]);
        if let Some(id) = self.send.transport_cc {
            datagram.extend_from_slice(&[id << 4 | 1, 0, 0]);
        }
        if let Some((id, mid)) = mid {
            let length = u8::try_from(mid.len() - 1).unwrap_or(0);
            datagram.push(id << 4 | length);
            datagram.extend_from_slice(mid);
        }
        datagram.resize(datagram.len() + words * 4 - octets, 0);
    }

    /// Fills the number in when the datagram leaves, and remembers when that was.
    fn depart(&mut self, now: Instant, datagram: &mut [u8]) {
        let sequence = self.transport_sequence;
        self.transport_sequence = sequence.wrapping_add(1);
        let octets = datagram.len();
        // Behind the fixed header, the extension's head and the element's: our packets have no other sources.
        for (octet, value) in datagram.iter_mut().skip(17).zip(sequence.to_be_bytes()) {
            *octet = value;
        }
        let micros = now.saturating_duration_since(self.begun).as_micros();
        let at = i64::try_from(micros / 250).unwrap_or(0);
        if self.departures.len() >= REMEMBERED {
            self.departures.pop_front();
        }
        self.departures.push_back(Departure {
            sequence,
            at,
            octets,
        });
    }

    fn handle_arrivals(&mut self, now: Instant, packets: &[(u16, Option<i64>)]) {
        let Some(first) = self.departures.front().map(|departure| departure.sequence) else {
            return;
        };
        let joined: Vec<(i64, Option<i64>, usize)> = packets
            .iter()
            .filter_map(|(sequence, arrival)| {
                let index = usize::from(sequence.wrapping_sub(first));
                let departure = self.departures.get(index)?;
                Some((departure.at, *arrival, departure.octets))
            })
            .collect();
        self.rate.handle_arrivals(now, &joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packet::Packet;
    use crate::video::format::SendFormat;

    const SEND: VideoSend = VideoSend {
        format: SendFormat::Vp8,
        payload_type: 96,
        ssrc: 11,
        rtx: None,
        transport_cc: Some(3),
        mid: None,
        max_payload: 1_200,
    };

    fn sender(send: VideoSend) -> (VideoSender, Instant) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some moment to begin at"
        )]
        let now = Instant::now();
        let history = HistoryLimits {
            packets: 100,
            octets: 100_000,
            age: Duration::from_secs(1),
            share_percent: 50,
        };
        let rate = RateSettings {
            start: 1_000_000,
            floor: 100_000,
            ceiling: 2_000_000,
        };
        (VideoSender::new(send, history, rate, 1, now), now)
    }

    fn queue(sender: &mut VideoSender, now: Instant) {
        let mut payloads = Payloads::default();
        sender.pack(&[0x31; 40], false, &mut payloads).unwrap();
        sender.handle_frame(now, &payloads, 0, Duration::from_millis(40));
    }

    fn nack(sender: &mut VideoSender, now: Instant, datagram: &[u8]) {
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let lost = Feedback::Nack {
            media: 11,
            sequences: vec![sequence],
        };
        sender.handle_feedback(now, &lost, &mut |event| panic!("{event:?}"));
    }

    #[test]
    fn rfc7714_8_2_what_goes_out_again_under_its_number_is_the_same() {
        let (mut sender, now) = sender(SEND);
        queue(&mut sender, now);
        queue(&mut sender, now);
        let first = sender.poll_datagram(now).unwrap();
        assert!(sender.poll_datagram(now).is_some());
        nack(&mut sender, now, &first);
        assert_eq!(sender.poll_datagram(now), Some(first));
    }

    #[test]
    fn rfc4588_a_stream_of_its_own_has_numbers_of_its_own() {
        let (mut sender, now) = sender(VideoSend {
            rtx: Some((97, 12)),
            ..SEND
        });
        queue(&mut sender, now);
        let first = sender.poll_datagram(now).unwrap();
        nack(&mut sender, now, &first);
        let again = sender.poll_datagram(now).unwrap();
        let number = |datagram: &[u8]| u16::from_be_bytes([datagram[17], datagram[18]]);
        assert_eq!((number(&first), number(&again)), (0, 1));
    }

    #[test]
    fn rfc9143_15_packets_name_their_section_whatever_else_they_say() {
        for (transport_cc, again) in [(Some(3), Some((97, 12))), (Some(3), None), (None, None)] {
            let (mut sender, now) = sender(VideoSend {
                transport_cc,
                rtx: again,
                mid: Some((4, Bytes::from_static(b"video"))),
                ..SEND
            });
            queue(&mut sender, now);
            let first = sender.poll_datagram(now).unwrap();
            nack(&mut sender, now, &first);
            let again = sender.poll_datagram(now).unwrap();
            for (count, datagram) in (0_u8..).zip([first, again]) {
                let packet = Packet::parse(&datagram).unwrap();
                assert_eq!(packet.extension(4), Some(&b"video"[..]));
                assert!(packet.payload.ends_with(&[0x31; 40]));
                let fresh = packet.ssrc == 12 || count == 0;
                if transport_cc.is_some() && fresh {
                    assert_eq!(packet.extension(3), Some(&[0, count][..]));
                }
            }
        }
    }

    #[test]
    fn another_agreement_leaves_the_octets_of_waiting_packets_alone() {
        let plain = VideoSend {
            transport_cc: None,
            ..SEND
        };
        let (mut sender, now) = sender(plain);
        queue(&mut sender, now);
        sender.change(SEND, 2_000_000);
        let datagram = sender.poll_datagram(now).unwrap();
        assert_eq!(&datagram[datagram.len() - 40..], &[0x31; 40]);
    }
}
