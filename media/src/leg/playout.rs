//! The playout of a leg: which packets make up the frame of a tick, and how much delay that takes.
//!
//! | step | does | why here |
//! |---|---|---|
//! | ceiling | drops the oldest audio beyond the hard ceiling | before anything is decoded in vain |
//! | fill | decodes, conceals or makes noise until a tick is full | on demand: nothing is decoded that is not played |
//! | adjust | cuts out or puts in a pitch period, or slides | on decoded audio, where a good joint can be found |
//! | read | interpolates the frame | the only place that knows fractions of samples |
//!
//! `edge` is the media time up to which packets were consumed. What is decoded and not read yet lies before it, so
//! cutting audio out or putting some in moves the playout without touching the edge.

use super::bridge::conceal;
use super::noise::Noise;
use super::ring::Ring;
use super::{Activity, Pulled};
use crate::codec::Decoder;
use crate::dtmf::goertzel::Detector;
use crate::jitter::buffer::{Content, PacketBuffer, Waiting};
use crate::jitter::lateness::Lateness;
use crate::jitter::skew::Skew;
use crate::jitter::timeline::{Timeline, duration, samples};
use crate::level;
use crate::metrics::Metrics;
use crate::negotiated::Codec;
use crate::pcm::PcmFrame;
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// Samples of a tick.
pub(crate) const TICK: i64 = 960;
/// A stream begins with a packet that has waited this long, 1 ms, so that a little jitter does no harm.
const HEAD_START: i64 = 48;
/// A packet is looked for when the one before it is within 2 ms of a packet time old.
const EARLY: i64 = 96;
/// Concealment of one underrun ends after this, 60 ms; then there is silence.
pub(super) const CONCEAL_MOST: i64 = 2880;
/// A gap longer than this, 250 ms, is not played out but jumped over.
pub(super) const GAP_MOST: i64 = 12_000;
/// Losses within the memory of [`Playout::losses`] from which waiting one packet longer for FEC pays.
const FEC_LOSSES: u32 = 2;

/// The receiving side of a leg after the door.
#[derive(Debug)]
pub(crate) struct Playout {
    pub(crate) buffer: PacketBuffer,
    pub(crate) timeline: Timeline,
    pub(crate) lateness: Lateness,
    pub(crate) skew: Skew,
    pub(crate) digits: SmallVec<[char; 2]>,
    pub(crate) detector: Option<Box<Detector>>,
    pub(crate) counts: Counts,
    pub(super) metrics: std::sync::Arc<Metrics>,
    pub(super) ceiling: i64,
    pub(super) decoding: Option<Box<Decoding>>,
    pub(super) noise: Noise,
    pub(super) edge: i64,
    pub(super) running: bool,
    /// Samples put out while packets were missing, by which the edge lags behind.
    pub(super) stalled: i64,
    /// They are periods of what was heard, of which the decoder does not know.
    pub(super) repeated: bool,
    /// Samples of such periods that are to be cut out again, as the packet was lost.
    pub(super) owed: i64,
    /// What was consumed last: it decides what an underrun sounds like.
    pub(super) last: Last,
    pub(super) last_activity: Activity,
    /// Samples still to be slid away (positive) or slid in (negative).
    pub(super) slide: f64,
    /// Samples still to be put in at once.
    pub(super) grow: i64,
    /// Delay that trouble brought and that is not taken back yet, in samples.
    pub(super) surplus: i64,
    pub(super) idle: u32,
    pub(super) level: u8,
    /// From arrival to being played, in samples, smoothed.
    delay: f32,
    /// Losses lately, halved every few seconds.
    pub(super) losses: u32,
    since_halved: u32,
    /// Packets are of Opus and short enough that the FEC of the next one can be waited for.
    recoverable: bool,
    /// Room kept for FEC: one packet time when losses make it worth it.
    pub(super) reserve: i64,
}

/// The decoded side, made when a frame is pulled and dropped when idle.
#[derive(Debug)]
pub(super) struct Decoding {
    pub(super) decoder: Option<Decoder>,
    pub(super) ring: Ring,
    /// Time went by without decoding.
    pub(super) cold: bool,
    /// What it decoded before that was not quiet, so its state would be heard in what comes next.
    pub(super) loud: bool,
}

/// What was consumed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Audio,
    /// Comfort noise, discontinuous transmission, or a telephone event.
    Pause,
}

/// What went into the ring during one tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    decoded: usize,
    pub(super) concealed: usize,
}

/// Counters of the playout.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) late: u64,
    pub(crate) played: u64,
    pub(crate) concealed: u64,
    pub(crate) codec: Option<Codec>,
}

impl Playout {
    pub(crate) fn new(config: &super::LegConfig) -> Self {
        Self {
            buffer: PacketBuffer::new(config.jitter_packets),
            timeline: Timeline::default(),
            lateness: Lateness::default(),
            skew: Skew::default(),
            digits: SmallVec::new(),
            detector: None,
            counts: Counts::default(),
            metrics: std::sync::Arc::clone(&config.metrics),
            ceiling: samples(config.jitter_ceiling).max(2 * TICK),
            decoding: None,
            noise: Noise::new(config.seed ^ 0x6e6f_6973_6521_2121),
            edge: 0,
            running: false,
            stalled: 0,
            repeated: false,
            owed: 0,
            last: Last::Pause,
            last_activity: Activity::Nothing,
            slide: 0.0,
            grow: 0,
            surplus: 0,
            idle: 0,
            level: level::SILENT,
            delay: 0.0,
            losses: 0,
            since_halved: 0,
            recoverable: false,
            reserve: 0,
        }
    }

    /// Another stream begins: what waits is of no use any more.
    pub(crate) fn restart(&mut self) {
        self.buffer.restart();
        self.timeline.restart();
        self.lateness.restart();
        self.skew.restart();
        self.running = false;
        self.slide = 0.0;
        self.grow = 0;
        self.surplus = 0;
    }

    /// A packet came after its time.
    pub(crate) fn missed(&mut self, media: i64) {
        self.counts.late += 1;
        self.metrics.rtp_late.inc();
        let by = self.position() - media;
        if by > 0 && by < self.ceiling {
            self.lateness.missed(by);
        }
    }

    /// Media time of the next sample to be played.
    pub(crate) fn position(&self) -> i64 {
        self.edge
            - self
                .decoding
                .as_ref()
                .map_or(0, |decoding| to_i64(decoding.ring.available()))
    }

    /// Whether more may be under way that this tick needs, or that has been waiting.
    pub(crate) fn expects_more(&self, now: Instant) -> bool {
        let Some(last) = self.buffer.last() else {
            return true;
        };
        let age = samples(now.saturating_duration_since(last.arrival));
        let suffices = self.running && last.end() >= self.position() + TICK;
        !suffices || age + EARLY >= last.samples || self.buffer.lost_before_front()
    }

    pub(crate) fn activity(&self) -> Activity {
        let until = self.position() + TICK;
        let mut waiting = self
            .buffer
            .iter()
            .filter(|packet| matches!(packet.content, Content::Audio(_)))
            .take_while(|packet| !self.running || self.stalled > 0 || packet.media < until)
            .map(|packet| packet.activity);
        if let Some(first) = waiting.next() {
            return waiting
                .next()
                .map_or(first, |second| livelier(first, second));
        }
        if !self.running {
            return Activity::Nothing;
        }
        let left = self
            .decoding
            .as_ref()
            .map_or(0, |decoding| to_i64(decoding.ring.available()));
        match self.last {
            // Concealment goes on from what was heard.
            Last::Audio if left > 0 || self.stalled < CONCEAL_MOST => self.last_activity,
            Last::Audio => Activity::Nothing,
            Last::Pause if self.noise.is_silent() => Activity::Nothing,
            Last::Pause => Activity::Silent,
        }
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    pub(crate) fn delay(&self) -> Duration {
        duration(to_whole(self.delay))
    }

    /// Octets of memory beyond the structure itself.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let decoding = self
            .decoding
            .as_ref()
            .map_or(0, |decoding| decoding.ring.memory());
        (self.buffer.memory(), decoding)
    }

    /// Decodes the frame of a tick.
    pub(crate) fn pull(&mut self, now: Instant, out: &mut PcmFrame) -> Pulled {
        self.tick();
        self.idle = 0;
        if !self.start(now) || self.rests() {
            self.stalled += if self.running { TICK } else { 0 };
            self.level = level::SILENT;
            *out = PcmFrame::SILENCE;
            return Pulled::Nothing;
        }
        self.enforce_ceiling();
        let mut decoding = self.decoding.take().unwrap_or_else(|| {
            Box::new(Decoding {
                decoder: None,
                ring: Ring::new(),
                cold: true,
                loud: true,
            })
        });
        let pulled = self.pull_from(now, &mut decoding, out);
        self.decoding = Some(decoding);
        self.level = level::of_samples(&out.0);
        pulled
    }

    fn pull_from(&mut self, now: Instant, decoding: &mut Decoding, out: &mut PcmFrame) -> Pulled {
        let left_over = decoding.ring.available() > 0 && self.last == Last::Audio;
        let mut made = Made::default();
        let needed = decoding.ring.needed(self.speed(&decoding.ring).0);
        self.fill(now, decoding, needed, &mut made);
        self.adjust(now, decoding, &mut made);
        let (speed, last) = self.speed(&decoding.ring);
        self.fill(now, decoding, decoding.ring.needed(speed), &mut made);
        let before = decoding.ring.available();
        decoding.ring.read(&mut out.0, speed, last);
        self.slid(
            speed,
            to_i64(before) - to_i64(decoding.ring.available()) - TICK,
            last,
        );
        decoding.cold = false;
        self.classify(made, left_over)
    }

    fn classify(&mut self, made: Made, left_over: bool) -> Pulled {
        if made.concealed == 0 && made.decoded == 0 && !left_over {
            return if self.noise.is_silent() {
                Pulled::Nothing
            } else {
                Pulled::ComfortNoise
            };
        }
        self.counts.played += 1;
        if made.concealed == 0 {
            return Pulled::Audio;
        }
        self.counts.concealed += 1;
        Pulled::Concealed
    }

    pub(super) fn tick(&mut self) {
        self.lateness.tick();
        self.lateness.expect_drift(self.drift());
        self.since_halved += 1;
        if self.since_halved >= 250 {
            self.since_halved = 0;
            self.losses /= 2;
        }
        let recovers = self.recoverable && self.losses >= FEC_LOSSES;
        self.reserve = if recovers { TICK } else { 0 };
    }

    /// Whether the stream runs; it begins with a packet that has waited for its head start.
    pub(super) fn start(&mut self, now: Instant) -> bool {
        if self.running {
            return true;
        }
        while self
            .buffer
            .front()
            .is_some_and(|packet| packet.samples == 0)
        {
            self.buffer.consume();
        }
        let Some(front) = self.buffer.front() else {
            return false;
        };
        if samples(now.saturating_duration_since(front.arrival)) < HEAD_START {
            return false;
        }
        self.edge = front.media;
        self.stalled = 0;
        self.owed = 0;
        self.running = true;
        if let Some(decoding) = &mut self.decoding {
            decoding.loud |= !decoding.cold;
            decoding.cold = true;
            decoding.ring.clear();
        }
        true
    }

    /// Nothing waits, nothing is left to conceal and there is no noise to make.
    fn rests(&self) -> bool {
        let left = self
            .decoding
            .as_ref()
            .map_or(0, |decoding| decoding.ring.available());
        let pausing = self.last == Last::Pause || self.stalled >= CONCEAL_MOST + TICK;
        let silent = self.noise.is_silent() || self.last == Last::Audio;
        self.buffer.front().is_none() && left == 0 && self.stalled > 0 && pausing && silent
    }

    fn fill(&mut self, now: Instant, decoding: &mut Decoding, needed: usize, made: &mut Made) {
        while decoding.ring.available() < needed {
            if !self.step(now, decoding, needed, made) {
                let count = needed - decoding.ring.available();
                let added = self.underrun(decoding, count, made);
                self.stalled += to_i64(added);
            }
        }
    }

    /// Consumes one packet, or fills the gap before it. False when none waits.
    pub(super) fn step(
        &mut self,
        now: Instant,
        decoding: &mut Decoding,
        needed: usize,
        made: &mut Made,
    ) -> bool {
        let Some(front) = self.buffer.front() else {
            return false;
        };
        let Content::Audio(codec) = front.content else {
            self.pause();
            return true;
        };
        let gap = front.media - self.edge;
        let end = front.end();
        let replaces = gap > 0 && self.replaces(gap);
        if replaces {
            // The next packet is decoded at once: after that the lost one may come, but is too late.
            self.replace(gap, decoding, made);
        } else if gap > 0 {
            self.bridge(gap, decoding, needed, made);
            return true;
        }
        let gap = if replaces { 0 } else { gap };
        if end <= self.edge {
            self.rebase();
            return true;
        }
        self.decode(now, codec, gap, decoding, made);
        true
    }

    fn decode(
        &mut self,
        now: Instant,
        codec: Codec,
        gap: i64,
        decoding: &mut Decoding,
        made: &mut Made,
    ) {
        // Between two samples the playout is ahead of the whole ones.
        let ahead = i64::from(!decoding.ring.is_on_a_sample());
        self.note(now, to_i64(decoding.ring.available()) - ahead);
        self.ready(codec, decoding);
        let Some(front) = self.buffer.front() else {
            return;
        };
        let end = front.end();
        self.recoverable = codec == Codec::Opus && front.samples <= TICK;
        let trim = usize::try_from(-gap).unwrap_or(0);
        let before = decoding.ring.available();
        let decoder = &mut decoding.decoder;
        let result = decoding.ring.append(trim, |out| {
            decoder
                .as_mut()
                .map(|decoder| decoder.decode(&front.payload, out))
        });
        if !matches!(result, Some(Ok(()))) {
            self.metrics.decode_failed.inc();
        }
        let wanted = usize::try_from(end - self.edge).unwrap_or(0);
        let added = decoding.ring.available() - before;
        if added < wanted {
            // A refused packet is concealed like a lost one.
            made.concealed += conceal(decoding, None, wanted - added);
        }
        made.decoded += added;
        self.last = if is_pause(front) {
            Last::Pause
        } else {
            Last::Audio
        };
        if self.last == Last::Audio {
            self.noise.silence();
        }
        self.last_activity = front.activity;
        self.edge = end;
        self.catch_up(decoding);
        // What was put out while this packet was awaited is delay from now on.
        self.surplus = (self.surplus + self.stalled).min(self.ceiling);
        self.stalled = 0;
        self.buffer.consume();
        self.listen(codec, decoding, added);
    }

    /// Makes the decoder ready for the codec of the next packet.
    fn ready(&mut self, codec: Codec, decoding: &mut Decoding) {
        self.counts.codec = Some(codec);
        match &mut decoding.decoder {
            Some(decoder) if decoder.codec() == codec => {
                // Resetting Opus is dear where a hypervisor answers for the processor, and spares nothing after silence.
                if decoding.cold && (decoding.loud || codec != Codec::Opus) {
                    decoder.reset();
                }
                decoding.cold = false;
            }
            other => {
                if other.is_some() {
                    // The old codec's last samples end softly instead of in mid-air.
                    decoding.ring.fade_out(48.min(decoding.ring.available()));
                }
                *other = Decoder::new(codec).ok();
                decoding.cold = false;
            }
        }
    }

    /// A packet without audio: it only says that a pause begins.
    pub(super) fn pause(&mut self) {
        if let Some(front) = self.buffer.front() {
            match front.content {
                Content::Noise => self.noise.announce(&front.payload),
                Content::Event => self.noise.silence(),
                Content::Audio(_) => {}
            }
        }
        self.last = Last::Pause;
        self.buffer.consume();
    }

    /// The front packet lies wholly in what was played, but its sequence number is newer: the timestamps slipped.
    pub(super) fn rebase(&mut self) {
        if let Some(front) = self.buffer.front() {
            let by = self.edge - front.media;
            self.timeline.shift(by);
            self.buffer.shift(by);
            self.skew.restart();
        }
    }

    /// Notes how long the front packet has waited, once.
    pub(super) fn note(&mut self, now: Instant, theta: i64) {
        if let Some(front) = self.buffer.front_mut()
            && !front.noted
        {
            front.noted = true;
            let slack = samples(now.saturating_duration_since(front.arrival));
            self.lateness.played(slack, theta);
            let delay = to_float(slack + theta);
            let weight = if self.delay == 0.0 { 1.0 } else { 0.05 };
            self.delay += (delay - self.delay) * weight;
        }
    }
}

/// Discontinuous transmission of Opus: a packet of nothing but its header.
pub(super) fn is_pause(packet: &Waiting) -> bool {
    packet.content == Content::Audio(Codec::Opus) && packet.payload.len() <= 2
}

fn livelier(first: Activity, second: Activity) -> Activity {
    match (first, second) {
        (Activity::Level(first), Activity::Level(second)) => Activity::Level(first.min(second)),
        (Activity::Nothing | Activity::Silent, other) | (other, _) => other,
    }
}

pub(super) fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a delay is far below 2^24 samples"
)]
fn to_float(value: i64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a delay is far below 2^24 samples"
)]
pub(super) fn to_whole(value: f32) -> i64 {
    value as i64
}
