//! The receiving side of a leg: from the socket's datagrams to the playout.

use super::{Activity, AudioLeg, Hint, IdleDecoder, LegEvent, LegQuality, Pulled};
use crate::codec::g711::{self, Law};
use crate::codec::g722::Step;
use crate::codec::opus;
use crate::dtmf::once::Way;
use crate::jitter::buffer::{Content, Inserted, Waiting};
use crate::jitter::timeline;
use crate::level;
use crate::negotiated::{Codec, Payload};
use crate::pcm::PcmFrame;
use crate::rtp::latch::Verdict;
use crate::rtp::packet::{self, Packet};
use crate::rtp::rtcp::{self, Statement};
use crate::rtp::source::Validity;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Samples at 48 kHz of one octet of G.711 or G.722.
const SAMPLES_PER_OCTET: usize = 6;
/// The most one packet may stand for, 120 ms.
const MAX_SAMPLES: i64 = 5760;
/// Opus packets under so many octets a 20 ms frame hold no voice: 6.4 kbit/s.
const OPUS_QUIET_OCTETS: i64 = 16;
/// Opus packets over so many octets a 20 ms frame are likely voice: 20 kbit/s.
const OPUS_VOICE_OCTETS: i64 = 50;

/// G.722 packets whose steps stay under this hold no voice louder than some −65 dBov.
const G722_QUIET_STEP: i32 = 3_000;
/// G.722 packets with a step over this begin a sound louder than some −55 dBov.
const G722_VOICE_STEP: i32 = 6_000;

impl AudioLeg {
    /// Takes one datagram from the RTP port. With `rtcp_mux` it may be RTCP as well (RFC 5761 §4).
    pub fn handle_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if packet::is_rtcp(datagram) {
            self.handle_rtcp(now, from, datagram);
            return;
        }
        let Ok(packet) = Packet::parse(datagram) else {
            self.config.metrics.rtp_malformed.inc();
            return;
        };
        let Some(payload) = self.meaning(packet.payload_type) else {
            self.config.metrics.rtp_unexpected_payload.inc();
            return;
        };
        if !self.passes_latch(now, from, &packet) {
            self.config.metrics.rtp_stray.inc();
            return;
        }
        self.heard(now);
        if !self
            .negotiated
            .as_ref()
            .is_some_and(|agreed| agreed.receiving)
        {
            self.config.metrics.rtp_unexpected_payload.inc();
            return;
        }
        let sequence = match self.source.judge(&packet) {
            Validity::Valid(sequence) => sequence,
            Validity::Begins(sequence) => {
                self.begin_stream(packet.ssrc);
                sequence
            }
            Validity::Refused => {
                self.config.metrics.rtp_out_of_sequence.inc();
                return;
            }
        };
        self.received += 1;
        self.take(now, &packet, sequence, payload);
    }

    /// Whether a packet may wait that is needed at this tick: what came last is more than a packet time old, or does not
    /// suffice. A packet that is left waiting for the next tick has the time of its arrival all the same.
    pub fn expects_more(&self, now: Instant) -> bool {
        self.playout.expects_more(now)
    }

    /// The only address RTP can come from as things are, so that all others may be kept away until this is `None` again.
    pub fn only_source(&self, now: Instant) -> Option<SocketAddr> {
        self.peer.only_source(now)
    }

    /// Takes one datagram from the RTCP port.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let known = self.peer.may_report(from);
        let ours = self.config.ssrc;
        let ntp_now = middle(self.ntp(now));
        let peer = self.source.ssrc();
        let reports = &mut self.reports;
        let mut bye = false;
        let read = known
            && rtcp::read(datagram, &mut |statement| {
                bye |= matches!(statement, Statement::Bye(ssrc) if Some(ssrc) == peer);
                reports.hear(now, (ours, peer), ntp_now, statement);
            })
            .is_ok();
        if !read {
            self.config.metrics.rtcp_malformed.inc();
            return;
        }
        self.reports.passed(datagram.len(), true);
        self.peer.reported(from);
        self.heard(now);
        if bye {
            self.event(LegEvent::Bye);
        }
    }

    /// A DTMF digit that came by signalling, de-duplicated against the media.
    pub fn handle_signalled_dtmf(&mut self, now: Instant, digit: char, _duration: Duration) {
        let digit = digit.to_ascii_uppercase();
        if crate::dtmf::event(digit).is_some() {
            self.press(now, digit, Way::Signalled);
        }
    }

    /// What the frame of this tick is worth, without running a decoder. Call before [`Self::pull`] or [`Self::skip`].
    pub fn activity(&self) -> Activity {
        self.playout.activity()
    }

    /// Decodes exactly the 20 ms of this tick. Call this or [`Self::skip`] once a tick.
    pub fn pull(&mut self, now: Instant, out: &mut PcmFrame) -> Pulled {
        let pulled = self.playout.pull(now, out);
        self.after_tick(now);
        pulled
    }

    /// Lets 20 ms pass without running a decoder. The next frame pulled is faded in.
    pub fn skip(&mut self, now: Instant) {
        self.playout.skip(now);
        self.after_tick(now);
    }

    /// Whether the next [`Self::pull`] will make a decoder of Opus, unless [`Self::take_decoder`] provides one.
    pub fn wants_decoder(&self) -> bool {
        self.playout.wants_decoder()
    }

    /// Gives away a decoder of Opus that is idle, so that another leg need not make one. Ask after [`Self::skip`].
    pub fn give_decoder(&mut self) -> Option<IdleDecoder> {
        self.playout.give_decoder().map(IdleDecoder)
    }

    /// Takes over a decoder that another leg gave away.
    pub fn take_decoder(&mut self, decoder: IdleDecoder) {
        self.playout.take_decoder(decoder.0);
    }

    /// The level of the last pulled frame in −dBov, 127 for silence.
    pub fn level(&self) -> u8 {
        self.playout.level()
    }

    /// Clock skew of the peer against ours in parts per million; positive when the peer is faster.
    pub fn skew_ppm(&self) -> f32 {
        self.playout.skew.ppm()
    }

    /// From a packet's arrival to its first sample being played, smoothed: what this leg adds to the way of the sound.
    pub fn delay(&self) -> Duration {
        self.playout.delay()
    }

    /// How the media of this leg has been so far.
    pub fn quality(&self) -> LegQuality {
        let counts = self.playout.counts;
        let clock = counts.codec.map_or(8_000, Codec::clock_rate);
        LegQuality {
            codec: counts.codec,
            packets_received: self.received,
            packets_sent: self.stream.packets,
            octets_sent: self.stream.octets,
            packets_lost: self.source.lost(),
            packets_late: counts.late,
            frames_played: counts.played,
            frames_concealed: counts.concealed,
            jitter: Duration::from_micros(
                u64::from(self.source.jitter()) * 1_000_000 / u64::from(clock),
            ),
            delay: self.delay(),
            skew_ppm: self.skew_ppm(),
            peer_loss_percent: self.reports.loss_percent(),
            round_trip: self.reports.round_trip(),
        }
    }

    /// The next event, if any. Poll after every tick.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    fn meaning(&self, payload_type: u8) -> Option<Payload> {
        let agreed = self.negotiated.as_ref()?;
        let known = agreed
            .receive
            .iter()
            .find(|(number, _)| *number == payload_type);
        known.map(|(_, payload)| *payload)
    }

    fn passes_latch(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> bool {
        let before = self.peer.latched();
        let same = self.source.ssrc() == Some(packet.ssrc);
        match self.peer.judge(now, from, packet.ssrc, same) {
            Verdict::Accepted => true,
            Verdict::Moved => {
                if before.is_some() {
                    self.config.metrics.relatched.inc();
                    self.event(LegEvent::AddressChanged(from));
                }
                true
            }
            Verdict::Stray => false,
        }
    }

    fn begin_stream(&mut self, ssrc: u32) {
        if self.received > 0 {
            self.event(LegEvent::SourceChanged(ssrc));
        }
        self.playout.restart();
        self.telephone_events.reset();
        self.g722_step = Step::default();
    }

    fn take(&mut self, now: Instant, packet: &Packet<'_>, sequence: i64, payload: Payload) {
        let (content, samples) = match payload {
            Payload::Audio(codec) => match samples(codec, packet.payload) {
                Some(samples) => (Content::Audio(codec), samples),
                // Empty packets keep a NAT binding alive (RFC 6263 §4.1); they only have a place in the sequence.
                None => (Content::Event, 0),
            },
            Payload::ComfortNoise(_) => (Content::Noise, 0),
            Payload::TelephoneEvent(_) => {
                let heard =
                    self.telephone_events
                        .hear(packet.marker, packet.timestamp, packet.payload);
                if let Some(digit) = heard {
                    self.press(now, digit, Way::Event);
                }
                (Content::Event, 0)
            }
        };
        let media = match content {
            Content::Audio(codec) => self.place(now, packet, sequence, codec.clock_rate()),
            Content::Noise | Content::Event => 0,
        };
        let waiting = Waiting {
            sequence,
            media,
            samples,
            arrival: now,
            content,
            activity: self.worth(packet, content, samples),
            noted: false,
            payload: Vec::new(),
        };
        let room = if samples > 0 || content == Content::Noise {
            packet.payload
        } else {
            &[]
        };
        match self.playout.buffer.insert(waiting, room) {
            Inserted::Waits => {}
            Inserted::Overflowed => {
                self.config.metrics.jitter_overflow.inc();
            }
            Inserted::Duplicate => {
                self.source.forget_duplicate();
                self.received -= 1;
                self.config.metrics.rtp_duplicate.inc();
            }
            Inserted::Late if samples > 0 => self.playout.missed(media),
            Inserted::Late => {}
        }
    }

    fn place(&mut self, now: Instant, packet: &Packet<'_>, sequence: i64, clock: u32) -> i64 {
        let since = timeline::samples(now.saturating_duration_since(self.began));
        self.source
            .feed_jitter(since * i64::from(clock) / 48_000, packet.timestamp);
        let placed = self
            .playout
            .timeline
            .place(sequence, packet.timestamp, clock, now);
        if placed.jumped {
            self.playout.skew.restart();
        }
        self.playout.skew.arrived(now, placed.media);
        placed.media
    }

    /// What a packet is worth without decoding it.
    fn worth(&mut self, packet: &Packet<'_>, content: Content, samples: i64) -> Activity {
        let Content::Audio(codec) = content else {
            return Activity::Silent;
        };
        let id = self
            .negotiated
            .as_ref()
            .and_then(|agreed| agreed.audio_level_id);
        if let Some(level) = id.and_then(|id| packet.audio_level(id)) {
            return if level >= level::SILENT {
                Activity::Silent
            } else {
                Activity::Level(level)
            };
        }
        let law = match codec {
            Codec::Pcma => Law::A,
            Codec::Pcmu => Law::U,
            Codec::G722 => {
                let hint = match self.g722_step.follow(packet.payload) {
                    ..G722_QUIET_STEP => Hint::Quiet,
                    G722_QUIET_STEP..G722_VOICE_STEP => Hint::Unclear,
                    _ => Hint::Voice,
                };
                return Activity::Unknown { hint };
            }
            Codec::Opus => return opus_worth(packet.payload, samples),
        };
        Activity::Level(level::of_power(g711::power(law, packet.payload)))
    }

    fn heard(&mut self, now: Instant) {
        self.liveness.heard = now;
        if self.liveness.lost {
            self.liveness.lost = false;
            self.event(LegEvent::Back);
        }
    }

    fn press(&mut self, now: Instant, digit: char, way: Way) {
        if self.once.is_new(now, digit, way) {
            self.event(LegEvent::Dtmf(digit));
        }
    }

    fn after_tick(&mut self, now: Instant) {
        while let Some(digit) = self.playout.digits.pop() {
            self.press(now, digit, Way::InBand);
        }
        let silent = now.saturating_duration_since(self.liveness.heard);
        let expected = self
            .negotiated
            .as_ref()
            .is_some_and(|agreed| agreed.receiving);
        if expected && !self.liveness.lost && silent >= self.config.media_timeout {
            self.liveness.lost = true;
            self.event(LegEvent::Lost);
        }
    }
}

/// The samples at 48 kHz of a payload; `None` if it is empty, longer than 120 ms, or not of this codec.
fn samples(codec: Codec, payload: &[u8]) -> Option<i64> {
    let samples = match codec {
        Codec::Opus => i64::from(opus::duration(payload)?),
        Codec::G722 | Codec::Pcma | Codec::Pcmu => {
            i64::try_from(payload.len() * SAMPLES_PER_OCTET).ok()?
        }
    };
    (1..=MAX_SAMPLES).contains(&samples).then_some(samples)
}

fn opus_worth(payload: &[u8], samples: i64) -> Activity {
    if payload.len() <= 2 {
        return Activity::Silent;
    }
    let octets = i64::try_from(payload.len()).unwrap_or(i64::MAX) * 960 / samples.max(1);
    let hint = match opus::voice_activity(payload) {
        Some(true) => Hint::Voice,
        Some(false) => Hint::Quiet,
        None if octets < OPUS_QUIET_OCTETS => Hint::Quiet,
        None if octets > OPUS_VOICE_OCTETS => Hint::Voice,
        None => Hint::Unclear,
    };
    Activity::Unknown { hint }
}

/// The middle 32 bits of an NTP time (RFC 3550 §4).
pub(super) fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or(0)
}
