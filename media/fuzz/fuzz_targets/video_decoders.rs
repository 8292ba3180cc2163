//! Whatever comes as frames of video: the decoders, which are C and C++, give pictures within their bound or refuse.
//!
//! The input is one octet for the codec, then frames, each after its length in two octets.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use plenum_media::video::codec::{BuiltIn, Codecs as _, DecoderLimits};
use plenum_media::video::frame::{EncodedFrame, VideoCodec};

const LIMITS: DecoderLimits = DecoderLimits {
    side: 512,
    samples: 256 * 256,
};
/// Frames of one input at most, so that each input is short.
const FRAMES: usize = 16;

fuzz_target!(|octets: &[u8]| {
    let Some((kind, mut rest)) = octets.split_first() else {
        return;
    };
    let codec = match kind % 3 {
        0 => VideoCodec::H264,
        1 => VideoCodec::Vp8,
        _ => VideoCodec::Vp9,
    };
    let Ok(mut decoder) = (BuiltIn { limits: LIMITS }).decoder(codec) else {
        return;
    };
    for number in 0..FRAMES {
        let [high, low, after @ ..] = rest else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (data, after) = after.split_at(length.min(after.len()));
        rest = after;
        let frame = EncodedFrame {
            codec,
            keyframe: number == 0,
            timestamp: 0,
            data: Bytes::copy_from_slice(data),
        };
        // As in the mixer, a decoder that refused a frame is not used again.
        let Ok(picture) = decoder.decode(&frame) else {
            return;
        };
        if let Some(picture) = picture {
            let (width, height) = (picture.width(), picture.height());
            assert!(width <= 512 && height <= 512 && width * height <= 256 * 256);
            let samples = picture
                .planes()
                .iter()
                .flat_map(|plane| plane.rows().flatten());
            std::hint::black_box(samples.fold(0_u64, |sum, sample| sum + u64::from(*sample)));
        }
    }
});
