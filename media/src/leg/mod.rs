//! One audio leg: everything between datagrams and 20 ms frames, in both directions.
//!
//! The receive path, in its order:
//!
//! | stage | takes | gives | why here |
//! |---|---|---|---|
//! | `rtp::packet` | datagram | header, payload | nothing is believed before it can be read |
//! | payload table | payload type | meaning | a packet of no agreed type must not move the latch |
//! | `rtp::latch` | source address | accepted or stray | an attacker's packet must not reach the stream's state |
//! | `rtp::source` | SSRC, sequence | wide sequence | RFC 3550 §A.1, and the loss and jitter of our reports |
//! | `dtmf` | telephone event | digit | events are not audio, but keep their place in the sequence |
//! | `jitter::timeline` | timestamp | media time | all that follows knows one clock |
//! | `jitter::buffer` | packet | order | until the tick |
//! | `playout` | tick | frame | decodes, conceals, adjusts the delay |

mod adjust;
mod bridge;
mod noise;
mod pass;
mod playout;
mod receive;
mod ring;
mod send;

use crate::codec::g722::Step;
use crate::dtmf::goertzel::Detector;
use crate::dtmf::once::Once;
use crate::dtmf::receiver::EventReceiver;
use crate::metrics::Metrics;
use crate::negotiated::{Codec, NegotiatedAudio, Payload};
use crate::rtp::latch::{LatchRules, Peer, Signalled};
use crate::rtp::report::Reports;
use crate::rtp::source::Source;
use playout::Playout;
use send::Stream;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a leg is made with.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Our own synchronisation source, unique in the conference.
    pub ssrc: u32,
    /// Our canonical name in SDES (RFC 3550 §6.5.1); cut at 64 octets.
    pub cname: String,
    /// Seeds sequence number, timestamp and RTCP timing.
    pub seed: u64,
    /// NTP time (seconds since 1900 in the upper, fraction in the lower 32 bits) of the `now` given to [`AudioLeg::new`].
    pub ntp_origin: u64,
    /// The most audio the jitter buffer ever holds.
    pub jitter_ceiling: Duration,
    /// Packets the jitter buffer ever holds.
    pub jitter_packets: usize,
    /// Neither RTP nor RTCP for this long while the peer should send: [`LegEvent::Lost`].
    pub media_timeout: Duration,
    /// The host the signalling came from: acceptable as first source even when the SDP says another one.
    pub signalled_from: Option<IpAddr>,
    /// From another host, the first source is accepted only within this time after [`AudioLeg::apply`].
    pub latch_window: Duration,
    /// Another source is accepted once the latched one was silent for this long.
    pub relatch_silence: Duration,
    /// Look for in-band DTMF when no telephone-event was agreed on.
    pub inband_dtmf: bool,
    /// Where refusals are counted.
    pub metrics: Arc<Metrics>,
}

/// What the next frame is worth before a decoder runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// There is nothing to be played.
    Nothing,
    /// Discontinuous transmission, comfort noise, or a level nobody hears.
    Silent,
    /// The level in −dBov, 0 (loudest) to 127 (silence): from RFC 6464, or read off a G.711 payload.
    Level(u8),
    /// Only decoding tells.
    Unknown {
        /// What the packet looks like.
        hint: Hint,
    },
}

/// What an undecoded packet looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The encoder marked it as voice, or it is large.
    Voice,
    /// The encoder marked it as not voice, or it is small.
    Quiet,
    /// Neither.
    Unclear,
}

/// What [`AudioLeg::pull`] put into the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Decoded audio.
    Audio,
    /// At least partly made up for lost or late packets.
    Concealed,
    /// Comfort noise; quiet enough to be left out of a mix.
    ComfortNoise,
    /// Nothing: the frame is silence.
    Nothing,
}

/// What [`AudioLeg::packetize`] is given for one packet time.
#[derive(Clone, Copy, Debug)]
pub enum Outgoing<'a> {
    /// One encoded packet. Empty means the encoder's discontinuous transmission left it out.
    Audio(&'a [u8]),
    /// Nothing is to be heard. Sends comfort noise (RFC 3389) now and then where agreed on, else nothing.
    Silence {
        /// The noise level to announce, −dBov.
        noise: u8,
    },
}

/// Something that happened on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// A DTMF digit, reported once however often and by whichever way it came.
    Dtmf(char),
    /// Neither RTP nor RTCP came for the media timeout. Reported once until media comes again.
    Lost,
    /// Media came again after [`LegEvent::Lost`].
    Back,
    /// The peer said RTCP BYE.
    Bye,
    /// The peer's synchronisation source changed.
    SourceChanged(u32),
    /// The peer's address changed (symmetric RTP followed it).
    AddressChanged(SocketAddr),
}

/// Counters over the life of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegQuality {
    /// The codec last received.
    pub codec: Option<Codec>,
    /// RTP packets received and accepted.
    pub packets_received: u64,
    /// RTP packets made to be sent.
    pub packets_sent: u64,
    /// Octets of payload sent.
    pub octets_sent: u64,
    /// Packets that never came, by sequence number.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Frames pulled with any audio or concealment in them.
    pub frames_played: u64,
    /// Of these, concealed ones.
    pub frames_concealed: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// See [`AudioLeg::delay`].
    pub delay: Duration,
    /// See [`AudioLeg::skew_ppm`].
    pub skew_ppm: f32,
    /// Share of our packets the peer lost lately, percent, from its RTCP reports.
    pub peer_loss_percent: u8,
    /// Round trip time from the peer's RTCP reports.
    pub round_trip: Option<Duration>,
}

/// A decoder that no leg needs at the moment, with its memory. Making one takes as long as decoding ten packets, and a
/// hundred where a hypervisor answers for the processor's features.
#[derive(Debug)]
pub struct IdleDecoder(Box<playout::Decoding>);

/// One audio leg.
#[derive(Debug)]
pub struct AudioLeg {
    config: LegConfig,
    began: Instant,
    negotiated: Option<NegotiatedAudio>,
    peer: Peer,
    source: Source,
    playout: Playout,
    reports: Reports,
    telephone_events: EventReceiver,
    g722_step: Step,
    once: Once,
    liveness: Liveness,
    received: u64,
    events: VecDeque<LegEvent>,
    stream: Stream,
}

/// When the peer was last heard by RTP or RTCP.
#[derive(Clone, Copy, Debug)]
struct Liveness {
    heard: Instant,
    lost: bool,
}

/// Events nobody polled; more are dropped and counted.
const MAX_EVENTS: usize = 32;

impl AudioLeg {
    /// A leg that neither sends nor receives until [`Self::apply`].
    pub fn new(config: LegConfig, now: Instant) -> Self {
        let rules = LatchRules {
            window: config.latch_window,
            silence: config.relatch_silence,
        };
        Self {
            began: now,
            negotiated: None,
            peer: Peer::new(rules, config.signalled_from, now),
            source: Source::default(),
            playout: Playout::new(&config),
            reports: Reports::new(config.seed, now),
            telephone_events: EventReceiver::default(),
            g722_step: Step::default(),
            once: Once::default(),
            liveness: Liveness {
                heard: now,
                lost: false,
            },
            received: 0,
            events: VecDeque::new(),
            stream: Stream::new(config.ssrc, config.seed),
            config,
        }
    }

    /// Puts what was agreed on in force, at the start and at every change mid-call.
    pub fn apply(&mut self, now: Instant, negotiated: NegotiatedAudio) {
        let signalled = Signalled {
            rtp: negotiated.remote_rtp,
            rtcp: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
        };
        self.peer.signal(now, signalled);
        let was_receiving = self
            .negotiated
            .as_ref()
            .is_some_and(|agreed| agreed.receiving);
        if negotiated.receiving && !was_receiving {
            // The media timeout counts from when the peer may send.
            self.liveness.heard = now;
        }
        let has_events = negotiated
            .receive
            .iter()
            .any(|(_, payload)| matches!(payload, Payload::TelephoneEvent(_)));
        self.playout.detector =
            (self.config.inband_dtmf && !has_events).then(Box::<Detector>::default);
        self.reports
            .set_bandwidth(send::bandwidth(&negotiated.send));
        self.negotiated = Some(negotiated);
    }

    /// What was agreed on last.
    pub fn negotiated(&self) -> Option<&NegotiatedAudio> {
        self.negotiated.as_ref()
    }

    /// Our own synchronisation source.
    pub fn ssrc(&self) -> u32 {
        self.config.ssrc
    }

    /// The peer's synchronisation source, once known: what others see as its contributing source.
    pub fn peer_ssrc(&self) -> Option<u32> {
        self.source.ssrc()
    }

    /// Octets of memory: of the leg and its packets, and of the decoded side, which is made when a frame is pulled.
    pub fn memory(&self) -> (usize, usize) {
        let (packets, decoded) = self.playout.memory();
        (size_of::<Self>() + packets, decoded)
    }

    fn event(&mut self, event: LegEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.config.metrics.events_dropped.inc();
            return;
        }
        self.events.push_back(event);
    }

    /// The middle 32 bits and the whole of our NTP time.
    fn ntp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        let fraction = u64::from(since.subsec_nanos()) * (1 << 32) / 1_000_000_000;
        self.config
            .ntp_origin
            .wrapping_add(since.as_secs() << 32)
            .wrapping_add(fraction)
    }
}
