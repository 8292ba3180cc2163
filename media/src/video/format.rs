//! One agreed payload format: the codec and what of its parameters matters between packets and frames.

use super::frame::{PackError, PayloadError, Payloads, VideoCodec};
use super::h264::{self, PacketizationMode, ParameterSets};
use super::{vp8, vp9};

/// How packets received become frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveFormat {
    /// H.264 with the parameter sets of SDP.
    H264(ParameterSets),
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

impl ReceiveFormat {
    /// The codec.
    pub const fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Vp8 => VideoCodec::Vp8,
            Self::Vp9 => VideoCodec::Vp9,
        }
    }

    /// Can this payload be the first of a frame?
    pub fn begins_frame(&self, payload: &[u8]) -> bool {
        match self {
            Self::H264(_) => h264::begins_frame(payload),
            Self::Vp8 => vp8::begins_frame(payload),
            Self::Vp9 => vp9::begins_frame(payload),
        }
    }

    /// Joins the payloads of one frame into `out` (cleared before); says whether it is a keyframe.
    pub fn unpack<'a>(
        &self,
        payloads: impl Iterator<Item = &'a [u8]>,
        max_octets: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, PayloadError> {
        match self {
            Self::H264(sets) => {
                let contents = h264::unpack(payloads, sets, max_octets, out)?;
                Ok(contents.keyframe)
            }
            Self::Vp8 => vp8::unpack(payloads, max_octets, out),
            Self::Vp9 => vp9::unpack(payloads, max_octets, out),
        }
    }
}

/// How frames become packets. Receivers with equal formats share the payloads of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SendFormat {
    /// H.264 in this mode.
    H264(PacketizationMode),
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

impl SendFormat {
    /// The codec.
    pub const fn codec(self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Vp8 => VideoCodec::Vp8,
            Self::Vp9 => VideoCodec::Vp9,
        }
    }

    /// Makes the payloads of one frame. `picture` counts the frames of the stream; VP8 and VP9 number them by it.
    pub fn pack(
        self,
        frame: &[u8],
        keyframe: bool,
        picture: u64,
        max_payload: usize,
        out: &mut Payloads,
    ) -> Result<(), PackError> {
        let picture = u16::try_from(picture % 0x8000).unwrap_or(0);
        match self {
            Self::H264(mode) => h264::pack(frame, mode, max_payload, out),
            Self::Vp8 => vp8::pack(frame, picture, max_payload, out),
            Self::Vp9 => vp9::pack(frame, keyframe, picture, max_payload, out),
        }
    }
}
