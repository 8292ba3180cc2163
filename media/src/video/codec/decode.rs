//! One decoder of any codec, within bounds.

use super::dimensions::{self, Dimensions};
use super::{CodecError, DecodeError, VideoDecoder};
use crate::video::frame::{EncodedFrame, VideoCodec};
use crate::video::picture::Picture;
use plenum_native::{I420, h264, vpx};

/// Bounds of one decoder: they bound its memory and the time of one frame.
#[derive(Clone, Copy, Debug)]
pub struct DecoderLimits {
    /// Luma columns and rows at most. Beyond: the frame is refused before it is decoded.
    pub side: u32,
    /// Luma samples at most. Beyond: as above.
    pub samples: u32,
}

#[derive(Debug)]
enum Library {
    H264(h264::Decoder),
    Vpx(vpx::Decoder),
}

/// A decoder of the libraries built in.
#[derive(Debug)]
pub struct Decoder {
    library: Library,
    codec: VideoCodec,
    limits: DecoderLimits,
    /// A header was refused: nothing is decoded until one is accepted.
    refused: bool,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new(codec: VideoCodec, limits: DecoderLimits) -> Result<Self, CodecError> {
        let library = match codec {
            VideoCodec::H264 => Library::H264(h264::Decoder::new()?),
            VideoCodec::Vp8 => Library::Vpx(vpx::Decoder::new(vpx::Codec::Vp8)?),
            VideoCodec::Vp9 => Library::Vpx(vpx::Decoder::new(vpx::Codec::Vp9)?),
        };
        Ok(Self {
            library,
            codec,
            limits,
            refused: false,
        })
    }

    fn check(&mut self, claimed: Dimensions) -> Result<(), DecodeError> {
        let Dimensions { width, height } = claimed;
        let samples = u64::from(width) * u64::from(height);
        let DecoderLimits {
            side,
            samples: most,
        } = self.limits;
        self.refused = width.max(height) > side || samples > u64::from(most);
        if self.refused {
            return Err(DecodeError::TooLarge { width, height });
        }
        Ok(())
    }
}

impl VideoDecoder for Decoder {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<Option<Picture>, DecodeError> {
        if frame.codec != self.codec {
            return Err(DecodeError::OtherCodec);
        }
        match dimensions::of(self.codec, &frame.data)? {
            Some(claimed) => self.check(claimed)?,
            None if self.refused => return Ok(None),
            None => {}
        }
        let mut shown = None;
        let mut show = |picture: I420<'_>| shown = Some(Picture::copy_of(&picture));
        match &mut self.library {
            Library::H264(decoder) => decoder.decode(&frame.data, &mut show)?,
            Library::Vpx(decoder) => decoder.decode(&frame.data, &mut show)?,
        }
        Ok(shown)
    }
}
