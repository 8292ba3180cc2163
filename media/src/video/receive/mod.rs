//! The receiving side of one video stream: datagrams to frames, and what is told to the peer.

use super::assemble::{Assembler, AssemblerLimits, Taken};
use super::feedback;
use super::format::ReceiveFormat;
use super::frame::EncodedFrame;
use super::keyframe::KeyframeGate;
use super::rtx;
use crate::rtp::packet::Packet;
use crate::rtp::sequence::WideTimestamp;
use crate::rtp::source::{Reception, Source, Validity};
use std::time::{Duration, Instant};

/// What offer and answer agreed on for receiving, as the stream needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoReceive {
    /// What each payload type means: our numbers.
    pub formats: Vec<(u8, ReceiveFormat)>,
    /// The payload type of retransmissions (RFC 4588).
    pub rtx: Option<u8>,
    /// The header extension of transport-wide sequence numbers.
    pub transport_cc: Option<u8>,
    /// The peer understands NACK.
    pub nack: bool,
    /// The peer understands PLI.
    pub pli: bool,
    /// The peer understands FIR, which is sent where it does not understand PLI.
    pub fir: bool,
}

/// Keyframes are asked for at most this often.
const KEYFRAME_SPACING: Duration = Duration::from_millis(500);
/// Where a request is a transaction of signalling (RFC 5168), which a device may not understand: a call must not
/// become a stream of requests.
const SIGNALLED_SPACING: Duration = Duration::from_secs(2);
/// Transport-wide reports are sent this often.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Packets of one transport-wide report.
const REPORTED: usize = 1024;

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It belongs to the stream.
    Taken,
    /// It was here already, or came too late.
    Superfluous,
    /// Its payload type was not agreed on.
    UnexpectedPayload,
    /// Its sequence number or source is not believed (yet).
    Refused,
}

/// One stream being received.
#[derive(Debug)]
pub struct VideoReceiver {
    receive: VideoReceive,
    limits: AssemblerLimits,
    source: Source,
    timestamps: WideTimestamp,
    assembler: Option<(u8, Assembler)>,
    keyframes: KeyframeGate,
    fir: u8,
    /// A keyframe is to be asked for by signalling.
    by_signalling: bool,
    /// The lowest transport-wide number not reported yet, and the arrivals from there on.
    arrivals: Option<(u16, Vec<Option<i64>>)>,
    reported: Instant,
    reports: u8,
    begun: Instant,
    round_trip: Duration,
}

impl VideoReceiver {
    /// Nothing received yet.
    pub fn new(receive: VideoReceive, limits: AssemblerLimits, now: Instant) -> Self {
        let spacing = match receive.pli || receive.fir {
            true => KEYFRAME_SPACING,
            false => SIGNALLED_SPACING,
        };
        Self {
            receive,
            limits,
            source: Source::default(),
            timestamps: WideTimestamp::default(),
            assembler: None,
            keyframes: KeyframeGate::new(spacing),
            fir: 0,
            by_signalling: false,
            arrivals: None,
            reported: now,
            reports: 0,
            begun: now,
            round_trip: Duration::from_millis(50),
        }
    }

    /// The round trip time last measured; it spaces repeated requests.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.min(Duration::from_secs(1));
    }

    /// Whether packets of this type were agreed on.
    pub fn expects(&self, payload_type: u8) -> bool {
        let mut known = self.receive.formats.iter();
        self.receive.rtx == Some(payload_type) || known.any(|(pt, _)| *pt == payload_type)
    }

    /// One RTP packet.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Received {
        self.note_arrival(now, packet);
        if Some(packet.payload_type) == self.receive.rtx {
            return self.handle_repeated(now, packet);
        }
        let known = self.receive.formats.iter();
        let Some((_, format)) = known.clone().find(|(pt, _)| *pt == packet.payload_type) else {
            return Received::UnexpectedPayload;
        };
        let format = format.clone();
        let sequence = match self.source.judge(packet) {
            Validity::Refused => return Received::Refused,
            Validity::Begins(sequence) => {
                self.timestamps = WideTimestamp::default();
                self.assembler = None;
                sequence
            }
            Validity::Valid(sequence) => sequence,
        };
        let micros = now.saturating_duration_since(self.begun).as_micros();
        let ticks = i64::try_from(micros * 9 / 100).unwrap_or(0);
        self.source.feed_jitter(ticks, packet.timestamp);
        // Another payload type is another codec: what is left of the one before is of no use.
        if self
            .assembler
            .as_ref()
            .is_none_or(|(pt, _)| *pt != packet.payload_type)
        {
            let fresh = Assembler::new(format, self.limits, now);
            self.assembler = Some((packet.payload_type, fresh));
        }
        let taken = self.push(
            now,
            sequence,
            packet.timestamp,
            packet.marker,
            packet.payload,
        );
        if taken == Received::Superfluous {
            self.source.forget_duplicate();
        }
        taken
    }

    /// The next complete frame.
    pub fn poll_frame(&mut self, now: Instant) -> Option<EncodedFrame> {
        let frame = self.assembler.as_mut()?.1.poll_frame(now)?;
        if frame.keyframe {
            self.keyframes.passed(now);
        }
        Some(frame)
    }

    /// The decoder needs a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframes.request();
    }

    /// Appends the feedback that is due now: NACK, PLI or FIR, transport-wide report. Called after every packet and at
    /// [`Self::timeout`].
    pub fn write_feedback(&mut self, now: Instant, sender: u32, out: &mut Vec<u8>) {
        let Some(media) = self.source.ssrc() else {
            return;
        };
        if let Some((_, assembler)) = &mut self.assembler {
            if self.receive.nack {
                let mut sequences = Vec::new();
                assembler.poll_missing(now, self.round_trip, &mut |wide| {
                    let low = u16::try_from(wide.rem_euclid(1 << 16)).unwrap_or(0);
                    sequences.push(low);
                });
                feedback::write_nack(sender, media, &sequences, out);
            }
            if assembler.keyframe_needed() {
                self.keyframes.request();
            }
        }
        if self.keyframes.poll(now) {
            if self.receive.pli {
                feedback::write_pli(sender, media, out);
            } else if self.receive.fir {
                self.fir = self.fir.wrapping_add(1);
                feedback::write_fir(sender, media, self.fir, out);
            } else {
                self.by_signalling = true;
            }
        }
        self.report_arrivals(now, sender, media, out);
    }

    /// True once when a keyframe is to be asked for by signalling, because the peer understands no feedback (RFC 5168).
    pub fn poll_signalled_request(&mut self) -> bool {
        std::mem::take(&mut self.by_signalling)
    }

    /// When [`Self::write_feedback`] has something to say without another packet.
    pub fn timeout(&self) -> Option<Instant> {
        let assembler = self
            .assembler
            .as_ref()
            .and_then(|(_, assembler)| assembler.timeout());
        let report = self
            .arrivals
            .as_ref()
            .map(|_| self.reported + REPORT_INTERVAL);
        [assembler, self.keyframes.timeout(), report]
            .into_iter()
            .flatten()
            .min()
    }

    /// The report block for now (RFC 3550 §A.3); begins a new interval.
    pub fn report(&mut self) -> Option<Reception> {
        self.source.report()
    }

    /// The synchronisation source in force.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.ssrc()
    }

    fn handle_repeated(&mut self, now: Instant, packet: &Packet<'_>) -> Received {
        let Some((original, payload)) = rtx::unwrap(packet) else {
            return Received::Superfluous;
        };
        let Some(sequence) = self.widen(original) else {
            return Received::Refused;
        };
        self.push(now, sequence, packet.timestamp, packet.marker, payload)
    }

    /// The wide number nearest to the highest one received in the stream itself.
    fn widen(&self, original: u16) -> Option<i64> {
        let (_, assembler) = self.assembler.as_ref()?;
        let highest = assembler.highest()?;
        let low = u16::try_from(highest.rem_euclid(1 << 16)).unwrap_or(0);
        let behind = i64::from(low.wrapping_sub(original));
        (behind < 1 << 15).then_some(highest - behind)
    }

    fn push(
        &mut self,
        now: Instant,
        sequence: i64,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) -> Received {
        let timestamp = self.timestamps.widen(timestamp);
        let Some((_, assembler)) = &mut self.assembler else {
            return Received::Refused;
        };
        match assembler.push(now, sequence, timestamp, marker, payload) {
            Taken::Held | Taken::Overrun => Received::Taken,
            Taken::Duplicate | Taken::Late => Received::Superfluous,
        }
    }

    fn note_arrival(&mut self, now: Instant, packet: &Packet<'_>) {
        let number = self
            .receive
            .transport_cc
            .and_then(|id| packet.extension(id));
        let Some([high, low]) = number else {
            return;
        };
        let sequence = u16::from_be_bytes([*high, *low]);
        let micros = now.saturating_duration_since(self.begun).as_micros();
        let at = i64::try_from(micros / 250).unwrap_or(0);
        let (base, arrivals) = self.arrivals.get_or_insert((sequence, Vec::new()));
        let index = usize::from(sequence.wrapping_sub(*base));
        if index >= REPORTED {
            // Behind what was reported, or a jump: the next report begins anew.
            if index < usize::from(u16::MAX / 2) {
                self.arrivals = Some((sequence, vec![Some(at)]));
            }
            return;
        }
        if arrivals.len() <= index {
            arrivals.resize(index + 1, None);
        }
        if let Some(arrival) = arrivals.get_mut(index) {
            arrival.get_or_insert(at);
        }
    }

    fn report_arrivals(&mut self, now: Instant, sender: u32, media: u32, out: &mut Vec<u8>) {
        let due = now.saturating_duration_since(self.reported) >= REPORT_INTERVAL;
        if !due {
            return;
        }
        let Some((base, arrivals)) = self.arrivals.take() else {
            return;
        };
        feedback::write_transport_cc(sender, media, self.reports, base, &arrivals, out);
        self.reports = self.reports.wrapping_add(1);
        self.reported = now;
    }
}

#[cfg(test)]
mod tests;
