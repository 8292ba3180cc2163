//! What one listener hears: a signal shared with all who hear the same, or one of its own.
//!
//! A listener hears the sum of a few sources, each with a gain. Without anything of its own it belongs
//! to a [`Class`], and all of a class share one signal and, per format, one encoder. It gets a signal of
//! its own
//!
//! - while its own voice is on the bus and must be subtracted,
//! - while a prompt plays to it alone,
//! - while its listening gain is not 0 dB,
//! - when its class changes, so that the change can be faded,
//!
//! and keeps it for [`LINGER_TICKS`] after the need has passed. In that time its signal equals the
//! class's, both encoders come to the same state, and going back is inaudible.

use plenum_media::codec::Encoder;
use plenum_media::negotiated::SendFormat;
use plenum_media::pcm::PcmFrame;

use crate::audio::encode_plan::{COMPLEXITY, HISTORY, Packets, primed};
use crate::audio::limiter::Limiter;
use crate::audio::mixer;

/// How long a signal of one's own outlives its need: 1 s.
pub(crate) const LINGER_TICKS: u32 = 50;

/// The sources a listener hears, apart from what is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    /// The conference.
    pub(crate) mix: bool,
    /// The music.
    pub(crate) music: bool,
    /// What is announced to all.
    pub(crate) announcements: bool,
}

/// How many classes there are.
pub(crate) const CLASSES: usize = 8;

impl Class {
    /// A dense number below [`CLASSES`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.mix) | usize::from(self.music) << 1 | usize::from(self.announcements) << 2
    }

    /// The class of a number.
    pub(crate) fn from_index(index: usize) -> Self {
        Self {
            mix: index & 1 != 0,
            music: index & 2 != 0,
            announcements: index & 4 != 0,
        }
    }

    /// The gains of this class while the conference is lowered to `under` by an announcement.
    pub(crate) fn gains(self, under: f32) -> Gains {
        let on = |heard: bool, gain: f32| if heard { gain } else { 0.0 };
        Gains {
            mix: on(self.mix, under),
            music: on(self.music, under),
            announcements: on(self.announcements, 1.0),
            prompt: 0.0,
        }
    }
}

/// The gain of every source in what a listener hears.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Gains {
    pub(crate) mix: f32,
    pub(crate) music: f32,
    pub(crate) announcements: f32,
    pub(crate) prompt: f32,
}

impl Gains {
    /// Under a prompt of its own, and with its listening gain.
    pub(crate) fn with(self, under: f32, prompt: bool, gain_out: f32) -> Self {
        Self {
            mix: self.mix * under * gain_out,
            music: self.music * under * gain_out,
            announcements: self.announcements * under * gain_out,
            prompt: if prompt { gain_out } else { 0.0 },
        }
    }
}

/// The sources of one tick. `None` is silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) bus: Option<&'a PcmFrame>,
    pub(crate) music: Option<&'a PcmFrame>,
    pub(crate) announcements: Option<&'a PcmFrame>,
}

/// Adds the sources up; every gain moves from its old value to the new one within 5 ms.
pub(crate) fn compose(
    out: &mut PcmFrame,
    sources: Sources<'_>,
    own: Option<&PcmFrame>,
    prompt: Option<&PcmFrame>,
    from: Gains,
    to: Gains,
) {
    *out = PcmFrame::SILENCE;
    let mut add = |source: Option<&PcmFrame>, from: f32, to: f32| {
        if let Some(source) = source {
            mixer::add_faded(out, source, from, to);
        }
    };
    add(sources.bus, from.mix, to.mix);
    add(own, -from.mix, -to.mix);
    add(sources.music, from.music, to.music);
    add(sources.announcements, from.announcements, to.announcements);
    // A prompt begins and ends in silence; only the listening gain fades.
    add(prompt, to.prompt, to.prompt);
}

/// The signal all listeners of a class hear.
#[derive(Debug)]
pub(crate) struct Shared {
    gains: Gains,
    limiter: Limiter,
    frame: PcmFrame,
    /// The frames before, oldest first.
    past: [PcmFrame; HISTORY],
    wanted: Option<u64>,
    made: Option<u64>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            gains: Gains::default(),
            limiter: Limiter::default(),
            frame: PcmFrame::SILENCE,
            past: [const { PcmFrame::SILENCE }; HISTORY],
            wanted: None,
            made: None,
        }
    }
}

impl Shared {
    /// Somebody hears it, or may return to it, in this tick.
    pub(crate) fn want(&mut self, tick: u64) {
        self.wanted = Some(tick);
    }

    /// Makes the frame of this tick if somebody wants it.
    pub(crate) fn make(&mut self, tick: u64, sources: Sources<'_>, gains: Gains) {
        if self.wanted != Some(tick) {
            return;
        }
        if tick == 0 || self.made != Some(tick - 1) {
            *self = Self {
                gains,
                wanted: self.wanted,
                ..Self::default()
            };
        }
        self.past.rotate_left(1);
        if let Some(newest) = self.past.last_mut() {
            *newest = self.frame.clone();
        }
        compose(&mut self.frame, sources, None, None, self.gains, gains);
        self.limiter.limit(&mut self.frame);
        self.gains = gains;
        self.made = Some(tick);
    }

    /// The frame last made.
    pub(crate) fn frame(&self) -> &PcmFrame {
        &self.frame
    }

    /// The frames before it, oldest first.
    pub(crate) fn past(&self) -> impl Iterator<Item = &PcmFrame> {
        self.past.iter()
    }
}

/// A signal of one listener's own, with its encoder.
#[derive(Debug)]
pub(crate) struct Private {
    gains: Gains,
    limiter: Limiter,
    encoder: Encoder,
    pub(crate) packets: Packets,
    lingering: u32,
}

impl Private {
    /// Splits off the signal the listener heard so far: before [`Shared::make`] of this tick.
    pub(crate) fn split(shared: Option<&Shared>, format: SendFormat, tick: u64) -> Self {
        let fresh = shared.filter(|shared| tick > 0 && shared.made == Some(tick - 1));
        let past = fresh.into_iter().flat_map(|shared| {
            let older = shared.past.iter().skip(1);
            older.chain(std::iter::once(&shared.frame))
        });
        Self {
            gains: fresh.map_or_else(Gains::default, |shared| shared.gains),
            limiter: fresh.map_or_else(Limiter::default, |shared| shared.limiter.clone()),
            encoder: primed(format, COMPLEXITY, tick, past),
            packets: Packets::default(),
            lingering: LINGER_TICKS,
        }
    }

    /// The format it encodes into.
    pub(crate) fn format(&self) -> SendFormat {
        self.encoder.format()
    }

    /// One tick passed; returns whether the signal is still to be kept.
    pub(crate) fn linger(&mut self, needed: bool) -> bool {
        self.lingering = if needed {
            LINGER_TICKS
        } else {
            self.lingering.saturating_sub(1)
        };
        self.lingering > 0
    }

    /// Makes and encodes the frame of this tick.
    pub(crate) fn make(
        &mut self,
        scratch: &mut PcmFrame,
        sources: Sources<'_>,
        own: Option<&PcmFrame>,
        prompt: Option<&PcmFrame>,
        gains: Gains,
    ) {
        compose(scratch, sources, own, prompt, self.gains, gains);
        self.gains = gains;
        self.limiter.limit(scratch);
        self.packets.encode(&mut self.encoder, scratch);
    }

    /// The loss the peer reports, percent.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        self.encoder.set_expected_loss(percent);
    }
}

/// What a listener heard in the last tick, and so begins the next with.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    /// Its class; `None` until it is sent something, so that its first frame needs no fading.
    pub(crate) class: Option<Class>,
    pub(crate) private: Option<Box<Private>>,
    /// Its group in the encode plan, while it shares.
    pub(crate) group: Option<usize>,
    /// It is sent comfort noise instead of encoded silence.
    pub(crate) comfort_noise: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;
    use plenum_media::pcm::FRAME_SAMPLES;

    const MIX: Gains = Gains {
        mix: 1.0,
        music: 0.0,
        announcements: 0.0,
        prompt: 0.0,
    };

    fn sine(hz: f32, amplitude: f32, frame: usize) -> PcmFrame {
        let mut out = PcmFrame::SILENCE;
        for (n, x) in out.0.iter_mut().enumerate() {
            *x = level::sine(amplitude, hz, frame * FRAME_SAMPLES + n);
        }
        out
    }

    /// The path from the bus to the encoder, sample by sample: what a talker hears of himself and of others.
    #[test]
    fn the_mixing_path_is_clean_and_without_own_voice() {
        let mut limiter = Limiter::default();
        let mut heard = Vec::new();
        for frame in 0..50 {
            let (own, other) = (sine(440.0, 0.7, frame), sine(1_010.0, 0.7, frame));
            let mut bus = own.clone();
            mixer::add(&mut bus, &other);
            let sources = Sources {
                bus: Some(&bus),
                music: None,
                announcements: None,
            };
            let mut out = PcmFrame::SILENCE;
            compose(&mut out, sources, Some(&own), None, MIX, MIX);
            limiter.limit(&mut out);
            heard.extend_from_slice(&out.0);
        }
        let settled = &heard[FRAME_SAMPLES * 5..];
        let thd = level::residual_dbov(settled, 1_010.0) - level::dbov_of(settled);
        assert!(thd < -100.0, "THD+N {thd} dB, own voice included");
        assert!(
            limiter.gain() == 1.0,
            "the sum of both would have been limited"
        );
    }

    #[test]
    fn gains_follow_class_announcement_prompt_and_listening_gain() {
        let class = Class {
            mix: true,
            music: false,
            announcements: true,
        };
        let gains = class.gains(0.25).with(0.5, true, 2.0);
        let expected = Gains {
            mix: 0.25,
            music: 0.0,
            announcements: 1.0,
            prompt: 2.0,
        };
        assert_eq!(gains, expected);
        for index in 0..CLASSES {
            assert_eq!(Class::from_index(index).index(), index);
        }
    }

    #[test]
    fn a_change_of_class_is_faded() {
        let bus = PcmFrame([0.5; FRAME_SAMPLES]);
        let sources = Sources {
            bus: Some(&bus),
            music: None,
            announcements: None,
        };
        let mut out = PcmFrame::SILENCE;
        compose(&mut out, sources, None, None, MIX, Gains::default());
        let step = out
            .0
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(
            step < 0.01 && out.0[0] > 0.49 && out.0[240] == 0.0,
            "{step}"
        );
    }
}
