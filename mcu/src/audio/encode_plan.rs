//! Who shares an encoder: listeners that hear the same signal in the same format.
//!
//! A plan is kept from tick to tick, so that encoders keep their state: each tick [`EncodePlan::begin`]s
//! anew, every listener [`EncodePlan::join`]s, and [`EncodePlan::retire`] drops encoders nobody joined
//! for [`KEEP_TICKS`].

use plenum_media::codec::Encoder;
use plenum_media::negotiated::{Codec, SendFormat};
use plenum_media::pcm::PcmFrame;
use smallvec::SmallVec;

/// Opus complexity. In its MDCT layer 5 is the first that looks for the pitch: measured on two voices at once, 3 dB of
/// segmental SNR more than 4 for 12 µs a frame.
pub const COMPLEXITY: u8 = 5;
/// How long an encoder nobody needs is kept: 2 s.
pub const KEEP_TICKS: u64 = 100;

/// The packets one encoder made in one tick: none, one, or two at a packet time of 10 ms.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    octets: Vec<u8>,
    /// End of each packet in `octets`, and its duration in RTP clock ticks.
    ends: SmallVec<[(usize, u32); 2]>,
}

impl Packets {
    /// Encodes 20 ms, replacing what was there.
    pub fn encode(&mut self, encoder: &mut Encoder, frame: &PcmFrame) {
        let Self { octets, ends } = self;
        octets.clear();
        ends.clear();
        encoder.push(frame, &mut |payload, ticks| {
            octets.extend_from_slice(payload);
            ends.push((octets.len(), ticks));
        });
    }

    /// Every packet with its duration in RTP clock ticks. An empty one was left out by the encoder (DTX).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, ticks)| {
            let payload = self.octets.get(start..*end).unwrap_or_default();
            start = *end;
            (payload, *ticks)
        })
    }
}

/// One encoder and those who share it. `S` names the signal.
#[derive(Debug)]
pub struct Group<S> {
    /// What is heard.
    pub signal: S,
    /// How it is encoded.
    pub format: SendFormat,
    /// Listeners in this tick.
    pub members: usize,
    /// The packets of this tick.
    pub packets: Packets,
    encoder: Encoder,
    /// The tick whose frame the encoder saw last.
    fed: Option<u64>,
    wanted: u64,
    loss_percent: u8,
}

impl<S: Copy + PartialEq> Group<S> {
    /// Encodes the frame of a tick. `past` is what the signal was before, oldest first: an encoder that
    /// did not see the previous tick begins anew and is fed with it, so that its state fits the signal.
    pub fn encode<'a>(
        &mut self,
        tick: u64,
        frame: &PcmFrame,
        past: impl Iterator<Item = &'a PcmFrame>,
    ) {
        if tick == 0 || self.fed != Some(tick - 1) {
            self.encoder = primed(self.format, COMPLEXITY, tick, past);
            self.encoder.set_expected_loss(self.loss_percent);
        }
        self.packets.encode(&mut self.encoder, frame);
        self.fed = Some(tick);
    }

    /// The loss the worst of the members reports, percent; see [`loss_class`].
    pub fn expect_loss(&mut self, percent: u8) {
        self.loss_percent = loss_class(percent);
        self.encoder.set_expected_loss(self.loss_percent);
    }
}

/// All groups of a conference.
#[derive(Debug)]
pub struct EncodePlan<S> {
    groups: Vec<Group<S>>,
    tick: u64,
}

impl<S> Default for EncodePlan<S> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            tick: 0,
        }
    }
}

impl<S: Copy + PartialEq> EncodePlan<S> {
    /// A new tick: nobody has joined yet.
    pub fn begin(&mut self, tick: u64) {
        self.tick = tick;
        for group in &mut self.groups {
            group.members = 0;
        }
    }

    /// A listener joins. `last` is the index it got in the tick before: mostly the same again.
    pub fn join(&mut self, signal: S, format: SendFormat, last: Option<usize>) -> usize {
        let fits = |group: &Group<S>| group.signal == signal && group.format == format;
        let index = last
            .filter(|last| self.groups.get(*last).is_some_and(fits))
            .or_else(|| self.groups.iter().position(fits))
            .unwrap_or_else(|| {
                self.groups.push(Group {
                    signal,
                    format,
                    members: 0,
                    packets: Packets::default(),
                    encoder: Encoder::new(format),
                    fed: None,
                    wanted: self.tick,
                    loss_percent: 0,
                });
                self.groups.len() - 1
            });
        if let Some(group) = self.groups.get_mut(index) {
            group.members += 1;
            group.wanted = self.tick;
        }
        index
    }

    /// The groups somebody joined in this tick.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut Group<S>> {
        self.groups.iter_mut().filter(|group| group.members > 0)
    }

    /// The group of an index that [`Self::join`] returned in this tick.
    pub fn group(&self, index: usize) -> Option<&Group<S>> {
        self.groups.get(index)
    }

    /// The same, to be changed.
    pub fn group_mut(&mut self, index: usize) -> Option<&mut Group<S>> {
        self.groups.get_mut(index)
    }

    /// Drops encoders nobody needed for a while. Indices change.
    pub fn retire(&mut self) {
        let tick = self.tick;
        self.groups
            .retain(|group| tick.saturating_sub(group.wanted) < KEEP_TICKS);
    }
}

/// An encoder that has heard what its listeners have.
///
/// All encoders of a packet time divide the conference's ticks in the same places, so in the middle of
/// a packet the new encoder is given that packet's earlier frames. At a boundary it is given whole
/// packets more, which are thrown away: the first packet it sends then predicts from the same sound the
/// listener's decoder has just played. G.722 adapts slowest and gets all there is.
pub fn primed<'a>(
    format: SendFormat,
    complexity: u8,
    tick: u64,
    past: impl Iterator<Item = &'a PcmFrame>,
) -> Encoder {
    let mut encoder = Encoder::new(format);
    encoder.set_complexity(complexity);
    let frames = usize::try_from(frames_per_packet(format)).unwrap_or(1);
    let phase = usize::try_from(tick % frames_per_packet(format)).unwrap_or(0);
    let past: SmallVec<[&PcmFrame; HISTORY]> = past.collect();
    let wanted = match format.codec {
        _ if phase != 0 => phase,
        Codec::G722 => past.len() / frames * frames,
        Codec::Opus => past.len().min(OPUS_HISTORY) / frames * frames,
        Codec::Pcma | Codec::Pcmu if past.len() >= frames => frames,
        Codec::Pcma | Codec::Pcmu => 0,
    };
    for _ in past.len()..wanted {
        encoder.push(&PcmFrame::SILENCE, &mut |_, _| {});
    }
    for frame in past.iter().skip(past.len().saturating_sub(wanted)) {
        encoder.push(frame, &mut |_, _| {});
    }
    encoder.begin_anew();
    encoder
}

/// How many of them Opus needs.
const OPUS_HISTORY: usize = 3;
/// How many past frames [`primed`] can use at most.
pub const HISTORY: usize = 6;

/// After how many 20 ms ticks the packets of a format end together with a tick.
pub const fn frames_per_packet(format: SendFormat) -> u64 {
    match format.ptime_ms {
        40 => 2,
        30 | 60 => 3,
        _ => 1,
    }
}

/// Few classes, so that an encoder is not retuned by every report: 0, 5 or 15 percent.
pub const fn loss_class(percent: u8) -> u8 {
    match percent {
        0..=1 => 0,
        2..=9 => 5,
        _ => 15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(codec: Codec, ptime_ms: u8) -> SendFormat {
        SendFormat {
            codec,
            ptime_ms,
            bitrate: 0,
            playback_rate: 0,
            fec: false,
            dtx: false,
            cbr: false,
        }
    }

    const FORMATS: [(Codec, u8); 4] = [
        (Codec::Pcmu, 20),
        (Codec::Pcma, 20),
        (Codec::G722, 20),
        (Codec::Pcmu, 30),
    ];

    proptest! {
        /// Equal signal and format ⇔ the same group, over any sequence of ticks.
        #[test]
        fn groups_are_the_distinct_pairs(
            ticks in proptest::collection::vec(
                proptest::collection::vec((0_u8..3, 0_usize..4), 1..20), 1..40),
        ) {
            let mut plan = EncodePlan::<u8>::default();
            let mut last: Vec<Option<usize>> = vec![None; 20];
            for (tick, listeners) in (0_u64..).zip(&ticks) {
                plan.begin(tick * 30);
                let mut seen: Vec<((u8, usize), usize)> = Vec::new();
                for (n, (signal, kind)) in listeners.iter().enumerate() {
                    let (codec, ptime) = FORMATS[*kind];
                    let index = plan.join(*signal, format(codec, ptime), last[n]);
                    last[n] = Some(index);
                    for (pair, other) in &seen {
                        prop_assert_eq!(*pair == (*signal, *kind), *other == index);
                    }
                    seen.push(((*signal, *kind), index));
                }
                let mut distinct: Vec<_> = seen.iter().map(|(pair, _)| *pair).collect();
                distinct.sort_unstable();
                distinct.dedup();
                prop_assert_eq!(plan.groups().count(), distinct.len());
                prop_assert_eq!(plan.groups().map(|g| g.members).sum::<usize>(), listeners.len());
                plan.retire();
            }
        }
    }

    #[test]
    fn an_encoder_nobody_needs_is_dropped_after_two_seconds() {
        let mut plan = EncodePlan::<u8>::default();
        plan.begin(0);
        plan.join(1, format(Codec::Pcmu, 20), None);
        plan.begin(KEEP_TICKS - 1);
        plan.retire();
        assert_eq!(plan.groups.len(), 1);
        plan.begin(KEEP_TICKS);
        plan.retire();
        assert!(plan.groups.is_empty());
    }

    #[test]
    fn losses_fall_into_three_classes() {
        let classes: Vec<u8> = [0, 1, 2, 9, 10, 100].into_iter().map(loss_class).collect();
        assert_eq!(classes, [0, 0, 5, 5, 15, 15]);
    }

    #[test]
    fn a_late_encoder_keeps_the_packet_boundaries() {
        let format = format(Codec::Pcmu, 60);
        let past = [PcmFrame::SILENCE, PcmFrame::SILENCE, PcmFrame::SILENCE];
        for tick in 3..9 {
            let mut encoder = primed(format, COMPLEXITY, tick, past.iter());
            let mut made = None;
            for n in tick..tick + 3 {
                encoder.push(&PcmFrame::SILENCE, &mut |_, ticks| {
                    made = made.or(Some((n, ticks)))
                });
            }
            assert_eq!(made, Some((tick / 3 * 3 + 2, 480)), "begun at {tick}");
        }
    }
}
