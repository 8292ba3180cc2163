//! The codecs a simulated phone speaks. G.711 is the generator's own (ITU-T G.711).

use crate::g711;
use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use serde::{Deserialize, Serialize};

/// A codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus, mono.
    Opus,
}

impl Codec {
    /// The payload type we offer it with.
    pub fn payload(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// The value of its `rtpmap` attribute.
    pub fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// Samples a second of the audio in it.
    pub fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// Steps of the RTP timestamp in 20 ms; G.722 counts as if it had 8 kHz (RFC 3551 §4.5.2).
    pub fn timestamp_step(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 160,
            Self::Opus => 960,
        }
    }

    /// Samples of 20 ms.
    pub fn frame(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => 160,
            Self::G722 => 320,
            Self::Opus => 960,
        }
    }
}

/// Why a codec cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// libopus refused.
    #[error("opus: {0}")]
    Opus(#[from] opus::Error),
    /// The G.722 codec refused.
    #[error("g722: {0:?}")]
    G722(audio_codec::CodecError),
}

/// Bits a second of Opus that a phone sends.
pub const OPUS_BITRATE: i32 = 32_000;

/// Encodes samples at [`Codec::rate`] into payloads of 20 ms; an incomplete last frame is left out.
pub fn encode(codec: Codec, samples: &[f32]) -> Result<Vec<Vec<u8>>, CodecError> {
    let frames = samples.chunks_exact(codec.frame());
    match codec {
        Codec::Pcmu => Ok(frames
            .map(|f| f.iter().map(|s| g711::to_ulaw(integer(*s))).collect())
            .collect()),
        Codec::Pcma => Ok(frames
            .map(|f| f.iter().map(|s| g711::to_alaw(integer(*s))).collect())
            .collect()),
        Codec::G722 => {
            let mut encoder = G722Encoder::new();
            frames
                .map(|frame| {
                    let frame: Vec<i16> = frame.iter().map(|s| integer(*s)).collect();
                    let mut payload = vec![0; 160];
                    let length = encoder
                        .encode_into(&frame, &mut payload)
                        .map_err(CodecError::G722)?;
                    payload.truncate(length);
                    Ok(payload)
                })
                .collect()
        }
        Codec::Opus => {
            let mut encoder =
                opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip)?;
            encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BITRATE))?;
            encoder.set_complexity(5)?;
            frames
                .map(|frame| Ok(encoder.encode_vec_float(frame, 1275)?))
                .collect()
        }
    }
}

/// Packets of the end that are encoded before the beginning of a loop.
const LEAD_IN: usize = 50;

/// Encodes samples that are to be repeated: the first payload follows upon the last one as if the encoder had never
/// stopped, so that a decoder hears no seam.
pub fn encode_loop(codec: Codec, samples: &[f32]) -> Result<Vec<Vec<u8>>, CodecError> {
    let whole = samples.len() / codec.frame();
    let lead_in = LEAD_IN.min(whole);
    let from = (whole - lead_in) * codec.frame();
    let end = samples.get(from..whole * codec.frame()).unwrap_or_default();
    let mut payloads = encode(codec, &[end, samples].concat())?;
    payloads.drain(..lead_in);
    Ok(payloads)
}

/// Decodes payloads in the order of their timestamps.
pub enum Decoder {
    /// G.711 µ-law has no state.
    Pcmu,
    /// G.711 A-law has no state.
    Pcma,
    /// G.722.
    G722(Box<G722Decoder>),
    /// Opus.
    Opus(opus::Decoder),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pcmu => "Pcmu",
            Self::Pcma => "Pcma",
            Self::G722(_) => "G722",
            Self::Opus(_) => "Opus",
        })
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::new(G722Decoder::new())),
            Codec::Opus => Self::Opus(opus::Decoder::new(48_000, opus::Channels::Mono)?),
        })
    }

    /// The samples of one payload, at [`Codec::rate`]; nothing for a payload that cannot be decoded.
    pub fn decode(&mut self, payload: &[u8]) -> Vec<f32> {
        match self {
            Self::Pcmu => payload.iter().map(|o| real(g711::from_ulaw(*o))).collect(),
            Self::Pcma => payload.iter().map(|o| real(g711::from_alaw(*o))).collect(),
            Self::G722(decoder) => {
                let mut samples = vec![0; decoder.max_decode_samples(payload.len())];
                let length = decoder.decode_into(payload, &mut samples).unwrap_or(0);
                samples.truncate(length);
                samples.into_iter().map(real).collect()
            }
            Self::Opus(decoder) => {
                let mut samples = vec![0.0; 5760];
                let length = decoder
                    .decode_float(payload, &mut samples, false)
                    .unwrap_or(0);
                samples.truncate(length);
                samples
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn integer(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

fn real(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use crate::tones;

    #[test]
    fn a_tone_survives_every_codec() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let tone = Signal::Tone {
                hz: 1000.0,
                dbfs: -20.0,
            };
            let rate = codec.rate();
            let payloads = encode(codec, &tone.samples(rate, codec.frame() * 100)).unwrap();
            let mut decoder = Decoder::new(codec).unwrap();
            let heard: Vec<f32> = payloads.iter().flat_map(|p| decoder.decode(p)).collect();
            assert_eq!(heard.len(), codec.frame() * 100, "{codec:?}");
            let level = tones::level(&heard[codec.frame() * 10..], rate, 1000.0);
            assert!(
                (level.dbfs + 20.0).abs() < 0.5 && level.present > 0.99,
                "{codec:?} {level:?}"
            );
            let residue = tones::residue(&heard[codec.frame() * 10..], rate, &[1000.0]);
            assert!(
                residue.thd_n_db < -30.0 && residue.clicks.is_empty(),
                "{codec:?} {residue:?}"
            );
        }
    }

    #[test]
    fn a_loop_has_no_seam_in_any_codec() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let tone = Signal::Tone {
                hz: 1630.0,
                dbfs: -20.0,
            };
            let rate = codec.rate();
            let payloads = encode_loop(codec, &tone.samples(rate, codec.frame() * 100)).unwrap();
            assert_eq!(payloads.len(), 100);
            let mut decoder = Decoder::new(codec).unwrap();
            let three_times = payloads.iter().chain(&payloads).chain(&payloads);
            let heard: Vec<f32> = three_times.flat_map(|p| decoder.decode(p)).collect();
            let residue = tones::residue(&heard[codec.frame() * 20..], rate, &[1630.0]);
            assert!(residue.clicks.is_empty(), "{codec:?} {residue:?}");
        }
    }
}
