//! The video of one peer, both directions: the latch, the streams, reports and feedback. Sans-IO.
//!
//! | in | what | out |
//! |---|---|---|
//! | [`VideoLeg::handle_rtp`] | source checked, stream received | [`VideoLeg::poll_frame`] |
//! | [`VideoLeg::handle_rtcp`] | loss, feedback | [`VideoLeg::poll_event`], [`VideoLeg::target`] |
//! | [`VideoLeg::send_frame`] | packed and paced | [`VideoLeg::poll_rtp`] |
//! | time | reports (RFC 3550 §6.2), NACK, PLI, FIR | [`VideoLeg::poll_rtcp`] |

use super::assemble::AssemblerLimits;
use super::feedback::{self, Feedback};
use super::frame::{CLOCK, EncodedFrame, Payloads};
use super::negotiated::NegotiatedVideo;
use super::rate::RateSettings;
use super::receive::{Received, VideoReceiver};
use super::rtx::HistoryLimits;
use super::send::{SendEvent, VideoSender};
use crate::rtp::latch::{LatchRules, Peer, Signalled, Verdict};
use crate::rtp::packet::{self, Packet};
use crate::rtp::report::Reports;
use crate::rtp::rtcp::{self, Block, SenderInfo, Statement};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What a leg is made with.
#[derive(Clone, Debug)]
pub struct VideoLegConfig {
    /// Our canonical name.
    pub cname: String,
    /// Unpredictable: sequence numbers and timestamps begin with it.
    pub seed: u64,
    /// NTP time at the leg's beginning, seconds in the upper and fraction in the lower half.
    pub ntp_origin: u64,
    /// Bounds of what is received.
    pub assembler: AssemblerLimits,
    /// Bounds of what is kept for retransmission.
    pub history: HistoryLimits,
    /// Bits a second to begin with, and the least there ever are.
    pub rate: (u32, u32),
    /// Octets of one RTP payload.
    pub max_payload: usize,
    /// Between two pictures.
    pub frame_time: Duration,
    /// The host the signalling came from.
    pub signalled_from: Option<IpAddr>,
    /// The bounds of the latch.
    pub latch: LatchRules,
}

/// What a leg asks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoLegEvent {
    /// The peer needs a keyframe of ours.
    KeyframeNeeded,
    /// We need one of the peer's, which understands no feedback: ask by signalling (RFC 5168).
    KeyframeBySignalling,
}

/// What was received and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoLegCounters {
    /// RTP packets received.
    pub received: u64,
    /// RTP and RTCP packets not believed, malformed or of a format that was not agreed on.
    pub refused: u64,
    /// RTP packets sent.
    pub sent: u64,
}

/// Events that wait to be asked for. Beyond: the oldest goes, they repeat themselves.
const EVENTS: usize = 16;

/// The video leg of one peer.
#[derive(Debug)]
pub struct VideoLeg {
    config: VideoLegConfig,
    negotiated: Option<NegotiatedVideo>,
    sender: Option<VideoSender>,
    receiver: Option<VideoReceiver>,
    peer: Peer,
    reports: Reports,
    origin: Instant,
    /// The last frame sent: when its picture was made, and its timestamp.
    stamped: Option<(Instant, i64)>,
    /// Packets sent at the last report.
    reported: u32,
    /// A TMMBN that is owed: whose limit, and bits a second.
    notify: Option<(u32, u64)>,
    events: VecDeque<VideoLegEvent>,
    payloads: Payloads,
    scratch: Vec<u8>,
    counters: VideoLegCounters,
}

impl VideoLeg {
    /// A leg that has agreed on nothing.
    pub fn new(config: VideoLegConfig, now: Instant) -> Self {
        Self {
            negotiated: None,
            sender: None,
            receiver: None,
            peer: Peer::new(config.latch, config.signalled_from, now),
            reports: Reports::new(config.seed, now),
            origin: now,
            stamped: None,
            reported: 0,
            notify: None,
            events: VecDeque::new(),
            payloads: Payloads::default(),
            scratch: Vec::new(),
            counters: VideoLegCounters::default(),
            config,
        }
    }

    /// Puts what was agreed on in force.
    pub fn apply(&mut self, now: Instant, negotiated: NegotiatedVideo) {
        let config = &self.config;
        let send = negotiated.sender(config.max_payload);
        let (start, floor) = config.rate;
        let rate = RateSettings {
            start: start.min(negotiated.bitrate),
            floor: floor.min(negotiated.bitrate),
            ceiling: negotiated.bitrate,
        };
        match &mut self.sender {
            // Sequence numbers go on: one must not stand for two packets under the same key (RFC 3711 §3.3.1).
            Some(sender) => sender.change(send, rate.ceiling),
            None => {
                let sender = VideoSender::new(send, config.history, rate, config.seed, now);
                self.sender = Some(sender);
            }
        }
        let same = |before: &NegotiatedVideo| before.receiver() == negotiated.receiver();
        if self.receiver.is_none() || !self.negotiated.as_ref().is_some_and(same) {
            let receiver = VideoReceiver::new(negotiated.receiver(), config.assembler, now);
            self.receiver = Some(receiver);
        }
        let signalled = Signalled {
            rtp: negotiated.remote_rtp,
            rtcp: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
        };
        self.peer.signal(now, signalled);
        self.reports.set_bandwidth(negotiated.bitrate);
        self.negotiated = Some(negotiated);
    }

    /// What was agreed on.
    pub fn negotiated(&self) -> Option<&NegotiatedVideo> {
        self.negotiated.as_ref()
    }

    /// One datagram from the RTP port, plain. It may be RTCP as well (RFC 5761 §4), agreed on or not.
    pub fn handle_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if packet::is_rtcp(datagram) {
            self.handle_rtcp(now, from, datagram);
            return;
        }
        self.counters.received += 1;
        if !self.receive(now, from, datagram) {
            self.counters.refused += 1;
        }
    }

    /// As with audio: a packet of no agreed type must not move the latch, and one of a peer that may not send shows all
    /// the same where it is, which a viewer behind a NAT has no other way to say.
    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let (Ok(packet), Some(receiver)) = (Packet::parse(datagram), &mut self.receiver) else {
            return false;
        };
        if !receiver.expects(packet.payload_type) {
            return false;
        }
        let same = receiver.ssrc() == Some(packet.ssrc);
        match self.peer.judge(now, from, packet.ssrc, same) {
            Verdict::Accepted | Verdict::Moved => {}
            Verdict::Stray => return false,
        }
        if !self.negotiated.as_ref().is_some_and(|it| it.receiving) {
            return false;
        }
        match receiver.handle_packet(now, &packet) {
            Received::Taken | Received::Superfluous => true,
            Received::UnexpectedPayload | Received::Refused => false,
        }
    }

    /// One RTCP packet, plain.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let agreed = self.negotiated.as_ref();
        let Some(ssrc) = agreed.map(|agreed| agreed.sources.0) else {
            return;
        };
        if !self.peer.may_report(from) {
            self.counters.refused += 1;
            return;
        }
        let source = self.receiver.as_ref().and_then(VideoReceiver::ssrc);
        let (ntp, reports) = (middle(self.ntp(now)), &mut self.reports);
        let mut lost = None;
        let read = rtcp::read(datagram, &mut |statement| {
            if let Statement::Block {
                about,
                fraction_lost,
                ..
            } = statement
                && about == ssrc
            {
                lost = Some(fraction_lost);
            }
            reports.hear(now, (ssrc, source), ntp, statement);
        });
        if read.is_err() {
            self.counters.refused += 1;
            return;
        }
        reports.passed(datagram.len(), true);
        self.peer.reported(from);
        if let (Some(round_trip), Some(receiver)) = (reports.round_trip(), &mut self.receiver) {
            receiver.set_round_trip(round_trip);
        }
        if let (Some(lost), Some(sender)) = (lost, &mut self.sender) {
            sender.handle_loss(now, lost);
        }
        self.handle_feedback(now, datagram);
    }

    fn handle_feedback(&mut self, now: Instant, datagram: &[u8]) {
        let Some(sender) = &mut self.sender else {
            return;
        };
        let (events, notify) = (&mut self.events, &mut self.notify);
        feedback::read(datagram, &mut |said: Feedback| {
            sender.handle_feedback(now, &said, &mut |event| match event {
                SendEvent::KeyframeNeeded => push(events, VideoLegEvent::KeyframeNeeded),
                SendEvent::Notify { owner, bitrate } => *notify = Some((owner, bitrate)),
            });
        });
    }

    /// The next frame received.
    pub fn poll_frame(&mut self, now: Instant) -> Option<EncodedFrame> {
        self.receiver.as_mut()?.poll_frame(now)
    }

    /// Whoever decodes needs a keyframe of the peer.
    pub fn request_keyframe(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.request_keyframe();
        }
    }

    /// Sends a frame of the picture that was made at `made`. Nothing goes out while the peer wants nothing.
    pub fn send_frame(&mut self, now: Instant, made: Instant, frame: &EncodedFrame) {
        let sending = self.negotiated.as_ref().is_some_and(|it| it.sending);
        let (Some(sender), true) = (&mut self.sender, sending) else {
            return;
        };
        // A frame of another codec than the agreed one was encoded before the agreement changed.
        if sender.codec() != frame.codec {
            return;
        }
        self.payloads.clear();
        let packed = sender.pack(&frame.data, frame.keyframe, &mut self.payloads);
        if packed.is_err() {
            push(&mut self.events, VideoLegEvent::KeyframeNeeded);
            return;
        }
        let frame_time = self.config.frame_time;
        sender.handle_frame(now, &self.payloads, frame.timestamp, frame_time);
        self.stamped = Some((made, frame.timestamp));
    }

    /// The next RTP packet whose time has come, plain.
    pub fn poll_rtp(&mut self, now: Instant) -> Option<Vec<u8>> {
        let datagram = self.sender.as_mut()?.poll_datagram(now)?;
        self.counters.sent += 1;
        Some(datagram)
    }

    /// Writes the compound packet that is due, if one is: reports, feedback, or both (RFC 4585 §3.1).
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        out.clear();
        let Some(ssrc) = self.negotiated.as_ref().map(|agreed| agreed.sources.0) else {
            return false;
        };
        self.scratch.clear();
        if let Some(receiver) = &mut self.receiver {
            receiver.write_feedback(now, ssrc, &mut self.scratch);
            if receiver.poll_signalled_request() {
                push(&mut self.events, VideoLegEvent::KeyframeBySignalling);
            }
        }
        if let Some(limit) = self.notify.take() {
            feedback::write_tmmbn(ssrc, &[limit], 0, &mut self.scratch);
        }
        let sent = self.sender.as_ref().map_or(0, |sender| sender.sent().0);
        if self.reports.due(now, sent != self.reported) {
            self.write_report(now, ssrc, out);
        } else if self.scratch.is_empty() {
            return false;
        } else {
            // Feedback may not stand alone where nobody agreed on that (RFC 5506 §3).
            rtcp::write_report(ssrc, None, None, &self.config.cname, out);
        }
        out.extend_from_slice(&self.scratch);
        true
    }

    /// Writes the last packet of this leg (RFC 3550 §6.6).
    pub fn write_bye(&mut self, now: Instant, out: &mut Vec<u8>) {
        out.clear();
        if let Some(ssrc) = self.negotiated.as_ref().map(|agreed| agreed.sources.0) {
            self.write_report(now, ssrc, out);
            rtcp::write_bye(ssrc, out);
        }
    }

    /// What the leg asks of others.
    pub fn poll_event(&mut self) -> Option<VideoLegEvent> {
        self.events.pop_front()
    }

    /// Bits a second to be encoded for the peer now.
    pub fn target(&self, now: Instant) -> u32 {
        self.sender.as_ref().map_or(0, |sender| sender.target(now))
    }

    /// What was received and sent.
    pub fn counters(&self) -> VideoLegCounters {
        self.counters
    }

    /// RTP came from the peer since its address was signalled last.
    pub fn has_heard(&self) -> bool {
        self.peer.latched().is_some()
    }

    /// Where RTP goes: where the peer's comes from, else what it signalled.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.peer.rtp_destination()
    }

    /// Where RTCP goes.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.peer.rtcp_destination()
    }

    fn write_report(&mut self, now: Instant, ssrc: u32, out: &mut Vec<u8>) {
        let (packets, octets) = self.sender.as_ref().map_or((0, 0), VideoSender::sent);
        let stamped = self.stamped.filter(|_| packets != self.reported);
        self.reported = packets;
        let sender = stamped.zip(self.sender.as_ref());
        let info = sender.map(|((made, timestamp), sender)| {
            let since = now.saturating_duration_since(made).as_micros();
            let ahead = since * u128::from(CLOCK) / 1_000_000;
            let ahead = i64::try_from(ahead).unwrap_or(0);
            SenderInfo {
                ntp: self.ntp(now),
                timestamp: sender.wire_timestamp(timestamp + ahead),
                packets,
                octets,
            }
        });
        let (last_report, since) = self.reports.last_sender_report(now);
        let reception = self.receiver.as_mut().and_then(VideoReceiver::report);
        let block = reception.map(|reception| Block {
            reception,
            last_report,
            since,
        });
        rtcp::write_report(ssrc, info, block, &self.config.cname, out);
        self.reports.passed(out.len(), false);
    }

    fn ntp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        let since = (since.as_secs() << 32) | fraction;
        self.config.ntp_origin.wrapping_add(since)
    }
}

fn push(events: &mut VecDeque<VideoLegEvent>, event: VideoLegEvent) {
    if events.len() >= EVENTS {
        events.pop_front();
    }
    if !events.contains(&event) {
        events.push_back(event);
    }
}

/// The middle 32 bits of an NTP time.
fn middle(ntp: u64) -> u32 {
    u32::try_from(ntp >> 16 & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests;
