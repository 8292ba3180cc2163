//! Codecs behind one port: frames to pictures and pictures to frames.
//!
//! # Decisions
//!
//! *H.264 by OpenH264, built from source.* Twice as fast as anything else with a free licence. A source build leaves
//! the patent licence of AVC to the operator; Cisco's grant covers only the binary Cisco builds.
//!
//! *VP8 and VP9 by the system's libvpx.* No crate with a safe interface compiles against it, so that the binding is
//! ours, in the crate `plenum-native`, which alone may use `unsafe`.
//!
//! *Dimensions are read before decoding.* A decoder allocates for what a header claims; so a stream that claims more
//! than the bound is refused by its header (`dimensions`), and the library never sees it.

mod decode;
mod dimensions;
mod encode;

pub use decode::{Decoder, DecoderLimits};
pub use dimensions::Dimensions;
pub use encode::{Encoder, EncoderSettings};
pub use plenum_native::CodecError;

use super::frame::{EncodedFrame, VideoCodec};
use super::picture::Picture;

/// Decodes one stream.
pub trait VideoDecoder: Send + std::fmt::Debug {
    /// The picture of the next frame; `None` if none came out. On an error the stream needs a keyframe.
    fn decode(&mut self, frame: &EncodedFrame) -> Result<Option<Picture>, DecodeError>;
}

/// Encodes one view in one format.
pub trait VideoEncoder: Send + std::fmt::Debug {
    /// Appends the next frame to `out` and says whether it is a keyframe; nothing is appended when the rate
    /// control left the picture out. Every picture has the dimensions of the encoder's settings.
    fn encode(
        &mut self,
        picture: &Picture,
        keyframe: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError>;

    /// Changes the target, bits a second, from the next frame on.
    fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError>;
}

/// Makes decoders and encoders. Whoever needs codecs is given this, so that it can be tested without.
pub trait Codecs: Send + std::fmt::Debug {
    /// A decoder of this codec.
    fn decoder(&self, codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, CodecError>;

    /// An encoder with these settings.
    fn encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, CodecError>;
}

/// The codecs this build has.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Bounds of every decoder.
    pub limits: DecoderLimits,
}

impl Codecs for BuiltIn {
    fn decoder(&self, codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        Ok(Box::new(Decoder::new(codec, self.limits)?))
    }

    fn encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, CodecError> {
        Ok(Box::new(Encoder::new(settings)?))
    }
}

/// Why a frame gave no picture. The sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The library refused it.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Larger than the bound.
    #[error("{width}×{height} exceeds the bound")]
    TooLarge {
        /// Luma columns the stream claims.
        width: u32,
        /// Luma rows the stream claims.
        height: u32,
    },
    /// Another codec than the decoder's.
    #[error("frame of another codec")]
    OtherCodec,
}

#[cfg(test)]
mod tests;
