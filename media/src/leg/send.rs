//! The sending side of a leg: one RTP stream that never breaks, and the RTCP about both.

use super::{AudioLeg, Outgoing};
use crate::dtmf::sender::EventSender;
use crate::negotiated::{Codec, NegotiatedAudio, Payload, SendFormat};
use crate::random::SplitMix;
use crate::rtp::packet::Header;
use crate::rtp::rtcp::{self, Block, SenderInfo};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bits of the headers of IPv4, UDP and RTP.
const HEADER_BITS: u32 = (20 + 8 + 12) * 8;
/// Comfort noise is repeated this often while there is silence.
const NOISE_INTERVAL: Duration = Duration::from_millis(400);

/// The stream we send: its sequence numbers and timestamps go on over pauses and changes of codec.
#[derive(Debug)]
pub(super) struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// When `timestamp` was in force, for sender reports.
    stamped: Option<Instant>,
    /// A talk spurt is under way; the next packet of audio needs no marker.
    talking: bool,
    noise_sent: Option<Instant>,
    event: Option<EventSender>,
    pub(super) packets: u64,
    pub(super) octets: u64,
    reported: u64,
}

impl Stream {
    pub(super) fn new(ssrc: u32, seed: u64) -> Self {
        let mut rng = SplitMix::new(seed);
        let [s0, s1, _, _, t0, t1, t2, t3] = rng.bits().to_be_bytes();
        Self {
            ssrc,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            stamped: None,
            talking: false,
            noise_sent: None,
            event: None,
            packets: 0,
            octets: 0,
            reported: 0,
        }
    }

    /// Writes one packet.
    fn write(
        &mut self,
        (payload_type, marker, timestamp): (u8, bool, u32),
        payload: &[u8],
        csrcs: &[u32],
        out: &mut Vec<u8>,
    ) {
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        header.write(csrcs, out);
        out.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += u64::try_from(payload.len()).unwrap_or(0);
    }

    /// Writes the packet of an event under way. False when there is none.
    fn write_event(&mut self, agreed: &NegotiatedAudio, ticks: u32, out: &mut Vec<u8>) -> bool {
        let (Some(event), Some(payload_type)) = (&mut self.event, agreed.send_dtmf_pt) else {
            self.event = None;
            return false;
        };
        let clock = agreed.send.codec.clock_rate();
        let ticks = ticks * (event_clock(agreed) / 1000) / (clock / 1000);
        let Some(packet) = event.next(self.timestamp, ticks) else {
            self.event = None;
            return false;
        };
        let head = (payload_type, packet.marker, packet.timestamp);
        self.write(head, &packet.payload, &[], out);
        self.talking = false;
        true
    }

    fn write_noise(
        &mut self,
        now: Instant,
        payload_type: u8,
        level: u8,
        out: &mut Vec<u8>,
    ) -> bool {
        let due = self
            .noise_sent
            .is_none_or(|sent| now.saturating_duration_since(sent) >= NOISE_INTERVAL);
        if due {
            self.noise_sent = Some(now);
            self.write(
                (payload_type, false, self.timestamp),
                &[level.min(127)],
                &[],
                out,
            );
        }
        due
    }
}

impl AudioLeg {
    /// How to encode what this leg sends; `None` while it may not send or has nowhere to.
    pub fn send_format(&self) -> Option<SendFormat> {
        let agreed = self.negotiated.as_ref()?;
        (agreed.sending && self.rtp_destination().is_some()).then_some(agreed.send)
    }

    /// Makes one RTP packet of `ticks` RTP clock ticks in `out` (which is cleared first). Returns whether there is one to send.
    ///
    /// Call once per packet time, also for silence, so that the timestamps keep up with time. At most 15 `csrcs` are written.
    /// While a telephone event is being sent it takes the place of the audio.
    pub fn packetize(
        &mut self,
        now: Instant,
        outgoing: Outgoing<'_>,
        ticks: u32,
        csrcs: &[u32],
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        let Some(agreed) = self.negotiated.as_ref().filter(|agreed| agreed.sending) else {
            return false;
        };
        let stream = &mut self.stream;
        let written = stream.write_event(agreed, ticks, out)
            || match outgoing {
                Outgoing::Audio([]) => {
                    stream.talking = false;
                    false
                }
                Outgoing::Audio(payload) => {
                    let head = (agreed.send_pt, !stream.talking, stream.timestamp);
                    stream.write(head, payload, csrcs, out);
                    stream.talking = true;
                    stream.noise_sent = None;
                    true
                }
                Outgoing::Silence { noise } => {
                    stream.talking = false;
                    match agreed.send_cn_pt {
                        Some(payload_type) => stream.write_noise(now, payload_type, noise, out),
                        None => false,
                    }
                }
            };
        stream.timestamp = stream.timestamp.wrapping_add(ticks);
        stream.stamped = Some(now);
        written
    }

    /// Sends a DTMF digit as a telephone event (RFC 4733). Returns false when none was agreed on or one is still being sent.
    pub fn send_dtmf(&mut self, digit: char, duration: Duration) -> bool {
        let Some(agreed) = &self.negotiated else {
            return false;
        };
        if agreed.send_dtmf_pt.is_none() || self.stream.event.is_some() {
            return false;
        }
        let ticks = duration.as_millis() * u128::from(event_clock(agreed)) / 1000;
        self.stream.event = EventSender::new(digit, u32::try_from(ticks).unwrap_or(u32::MAX));
        self.stream.event.is_some()
    }

    /// RTP came from the peer since its address was signalled last.
    pub fn has_heard(&self) -> bool {
        self.peer.latched().is_some()
    }

    /// Where RTP goes: the latched source, else what the peer signalled. `None` while the peer wants none.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.peer.rtp_destination()
    }

    /// Where RTCP goes: with RTP when multiplexed, else where it comes from, else what the peer signalled.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.peer.rtcp_destination()
    }

    /// Writes the RTCP compound packet that is due, if one is. Returns whether `out` holds one. Cheap when none is due.
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        out.clear();
        let sent = self.stream.packets != self.stream.reported;
        if self.negotiated.is_none() || !self.reports.due(now, sent) {
            return false;
        }
        self.write_report(now, out);
        true
    }

    /// Writes the last RTCP packet of this leg: reports and BYE (RFC 3550 §6.6).
    pub fn write_bye(&mut self, now: Instant, out: &mut Vec<u8>) {
        out.clear();
        self.write_report(now, out);
        rtcp::write_bye(self.config.ssrc, out);
    }

    /// The share of our packets the peer reports lost, percent: for [`crate::codec::Encoder::set_expected_loss`].
    pub fn peer_loss_percent(&self) -> u8 {
        self.reports.loss_percent()
    }

    fn write_report(&mut self, now: Instant, out: &mut Vec<u8>) {
        let sent = self.stream.packets != self.stream.reported;
        self.stream.reported = self.stream.packets;
        let sender = sent.then(|| self.sender_info(now));
        let (last_report, since) = self.reports.last_sender_report(now);
        let block = self.source.report().map(|reception| Block {
            reception,
            last_report,
            since,
        });
        rtcp::write_report(self.config.ssrc, sender, block, &self.config.cname, out);
        self.reports.passed(out.len(), false);
    }

    fn sender_info(&self, now: Instant) -> SenderInfo {
        let clock = self
            .negotiated
            .as_ref()
            .map_or(8_000, |agreed| agreed.send.codec.clock_rate());
        let stamped = self.stream.stamped.unwrap_or(now);
        let since = now.saturating_duration_since(stamped).as_micros() * u128::from(clock);
        let ahead = u32::try_from(since / 1_000_000).unwrap_or(0);
        SenderInfo {
            ntp: self.ntp(now),
            timestamp: self.stream.timestamp.wrapping_add(ahead),
            packets: wrapped(self.stream.packets),
            octets: wrapped(self.stream.octets),
        }
    }
}

/// The clock of the telephone events: that of the audio if agreed on, else whichever was.
fn event_clock(agreed: &NegotiatedAudio) -> u32 {
    let audio = agreed.send.codec.clock_rate();
    let clocks = agreed
        .receive
        .iter()
        .filter_map(|(_, payload)| match payload {
            Payload::TelephoneEvent(clock) => Some(*clock),
            Payload::Audio(_) | Payload::ComfortNoise(_) => None,
        });
    clocks
        .min_by_key(|clock| clock.abs_diff(audio))
        .unwrap_or(audio)
        .max(1000)
}

/// Bits a second of what is sent, with the headers of IPv4, UDP and RTP.
pub(super) fn bandwidth(format: &SendFormat) -> u32 {
    let payload = match format.codec {
        Codec::Opus if format.bitrate > 0 => format.bitrate,
        Codec::Opus | Codec::G722 | Codec::Pcma | Codec::Pcmu => 64_000,
    };
    payload + HEADER_BITS * 1_000 / u32::from(format.ptime_ms).max(1)
}

/// Counters of sender reports wrap (RFC 3550 §6.4.1).
fn wrapped(count: u64) -> u32 {
    u32::try_from(count & 0xffff_ffff).unwrap_or(0)
}
