//! From payloads of any agreed codec to 48 kHz samples, with concealment of what is missing.

use super::conceal::Concealer;
use super::g711::{self, Law};
use super::g722;
use super::opus;
use super::resample::{Factor, Upsampler};
use crate::negotiated::Codec;

/// The decoder of one leg for the codec last received.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    state: State,
    narrow: Vec<f32>,
}

#[derive(Debug)]
enum State {
    G711 {
        law: Law,
        waveform: Waveform,
    },
    G722 {
        decoder: Box<g722::Decoder>,
        waveform: Waveform,
    },
    Opus {
        decoder: opus::Decoder,
    },
}

/// The codec cannot be made or refused the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the codec refused")]
pub struct Refused;

impl Decoder {
    /// A decoder in its initial state.
    pub fn new(codec: Codec) -> Result<Self, Refused> {
        let g711 = |law| State::G711 {
            law,
            waveform: Waveform::new(Factor::Six),
        };
        let state = match codec {
            Codec::Pcma => g711(Law::A),
            Codec::Pcmu => g711(Law::U),
            Codec::G722 => State::G722 {
                decoder: Box::new(g722::Decoder::default()),
                waveform: Waveform::new(Factor::Three),
            },
            Codec::Opus => State::Opus {
                decoder: opus::Decoder::new().map_err(|_| Refused)?,
            },
        };
        Ok(Self {
            codec,
            state,
            narrow: Vec::new(),
        })
    }

    /// The codec it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Back to the initial state, after a time of which nothing was decoded.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::G711 { waveform, .. } => *waveform = Waveform::new(Factor::Six),
            State::G722 { decoder, waveform } => {
                **decoder = g722::Decoder::default();
                *waveform = Waveform::new(Factor::Three);
            }
            State::Opus { decoder } => decoder.reset(),
        }
    }

    /// Appends the samples of one packet to `out`.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<f32>) -> Result<(), Refused> {
        self.narrow.clear();
        match &mut self.state {
            State::G711 { law, waveform } => {
                g711::decode(*law, payload, &mut self.narrow);
                waveform.push_decoded(&mut self.narrow, out);
            }
            State::G722 { decoder, waveform } => {
                decoder.decode(payload, &mut self.narrow);
                waveform.push_decoded(&mut self.narrow, out);
            }
            State::Opus { decoder } => {
                let start = out.len();
                let samples = opus::duration(payload).and_then(|count| usize::try_from(count).ok());
                out.resize(start + samples.unwrap_or(opus::MAX_PACKET_SAMPLES), 0.0);
                let room = out.get_mut(start..).unwrap_or_default();
                let decoded = decoder.decode(payload, room);
                out.truncate(start + decoded.unwrap_or(0));
                return decoded.map(|_| ()).map_err(|_| Refused);
            }
        }
        Ok(())
    }

    /// Appends at least `count` samples in place of what is missing. `next` is the payload that follows the gap
    /// directly, if it is there: Opus may carry a copy of what was lost in it. Returns the samples appended.
    pub fn conceal(&mut self, next: Option<&[u8]>, count: usize, out: &mut Vec<f32>) -> usize {
        let start = out.len();
        match &mut self.state {
            State::G711 { waveform, .. } | State::G722 { waveform, .. } => {
                waveform.push_concealed(count, &mut self.narrow, out);
            }
            State::Opus { decoder } => {
                let whole = count.div_ceil(opus::CONCEAL_STEP) * opus::CONCEAL_STEP;
                let whole = whole.min(opus::MAX_PACKET_SAMPLES);
                out.resize(start + whole, 0.0);
                let room = out.get_mut(start..).unwrap_or_default();
                let filled = match next {
                    Some(payload) => decoder.recover(payload, room),
                    None => decoder.conceal(room),
                };
                // What the codec refuses to conceal stays silent.
                out.truncate(start + filled.unwrap_or(whole));
            }
        }
        out.len() - start
    }

    /// The samples decoded last at the codec's own rate; empty for Opus.
    pub fn narrow(&self) -> &[f32] {
        &self.narrow
    }
}

/// What follows a codec that only knows samples: concealment at its own rate, then the way up to 48 kHz.
#[derive(Debug)]
struct Waveform {
    factor: Factor,
    concealer: Concealer,
    up: Upsampler,
}

impl Waveform {
    fn new(factor: Factor) -> Self {
        Self {
            factor,
            concealer: Concealer::new(48 / factor.get()),
            up: Upsampler::new(factor),
        }
    }

    fn push_decoded(&mut self, narrow: &mut [f32], out: &mut Vec<f32>) {
        self.concealer.join(narrow);
        self.up.push(narrow, out);
    }

    fn push_concealed(&mut self, count: usize, narrow: &mut Vec<f32>, out: &mut Vec<f32>) {
        narrow.clear();
        self.concealer
            .extend(count.div_ceil(self.factor.get()), narrow);
        self.up.push(narrow, out);
    }
}
