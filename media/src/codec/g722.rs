//! G.722 at 64 kbit/s (ITU-T G.722, RFC 3551 §4.5.2): the only importer of `audio-codec`.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use std::fmt;

/// Samples handed to the codec at a time (20 ms at 16 kHz).
const CHUNK: usize = 320;

/// Decodes octets to 16 kHz samples, two for one.
pub struct Decoder(G722Decoder);

impl Default for Decoder {
    fn default() -> Self {
        Self(G722Decoder::new())
    }
}

impl Decoder {
    /// Appends two samples for every octet.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<f32>) {
        let mut samples = [0i16; CHUNK];
        for octets in payload.chunks(CHUNK / 2) {
            let count = self.0.decode_into(octets, &mut samples).unwrap_or(0);
            out.extend(
                samples
                    .iter()
                    .take(count)
                    .map(|&sample| f32::from(sample) / 32_768.0),
            );
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("g722::Decoder")
    }
}

/// How the quantizer's step of the lower band follows the sound, by the upper four of its six bits
/// (ITU-T G.722 tables 6 and 9: W_L over the sign-folded code).
const STEPS: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
/// The logarithm of the step is between 0 and this (ITU-T G.722 §3.5: DLT limits of nabla).
const STEP_MOST: i32 = 18_432;

/// The step of a stream's quantizer, followed without decoding: a table look-up a sample. It is large while there is
/// voice and falls to nothing in silence within some 50 ms, whatever was missed before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step(i32);

impl Step {
    /// Follows one packet. Returns the largest step in it as a logarithm: 2048 double the step, 0 is silence.
    pub fn follow(&mut self, payload: &[u8]) -> i32 {
        let mut most = 0;
        for octet in payload {
            let change = STEPS.get(usize::from(octet >> 2 & 0x0f)).copied();
            self.0 = (self.0 * 127 / 128 + change.unwrap_or(0)).clamp(0, STEP_MOST);
            most = most.max(self.0);
        }
        most
    }
}

/// Encodes 16 kHz samples to octets, one for two.
pub struct Encoder(G722Encoder);

impl Default for Encoder {
    fn default() -> Self {
        Self(G722Encoder::new())
    }
}

impl Encoder {
    /// Appends one octet for every two samples.
    pub fn encode(&mut self, samples: &[f32], out: &mut Vec<u8>) {
        let mut linear = [0i16; CHUNK];
        let mut octets = [0u8; CHUNK / 2 + 1];
        for chunk in samples.chunks(CHUNK) {
            for (to, from) in linear.iter_mut().zip(chunk) {
                *to = super::to_i16(*from);
            }
            let input = linear.get(..chunk.len()).unwrap_or_default();
            let count = self.0.encode_into(input, &mut octets).unwrap_or(0);
            out.extend_from_slice(octets.get(..count).unwrap_or_default());
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("g722::Encoder")
    }
}
