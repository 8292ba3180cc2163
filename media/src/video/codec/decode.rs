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
    /// A frame as the library takes it.
    framed: Vec<u8>,
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
            framed: Vec::new(),
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
        let data = match self.codec {
            VideoCodec::H264 | VideoCodec::Vp8 => Some(&frame.data[..]),
            VideoCodec::Vp9 => dimensions::only_vp9_frame(&frame.data),
        };
        let data = data.ok_or(CodecError::Bitstream(0))?;
        match dimensions::of(self.codec, data)? {
            Some(claimed) => self.check(claimed)?,
            None if self.refused => return Ok(None),
            None => {}
        }
        let mut shown = None;
        let mut show = |picture: I420<'_>| shown = Some(Picture::copy_of(&picture));
        let data = match self.codec {
            VideoCodec::H264 | VideoCodec::Vp8 => data,
            VideoCodec::Vp9 => {
                self.framed.clear();
                let framed = dimensions::append_vp9_index(data, &mut self.framed);
                framed.ok_or(CodecError::Format)?;
                &self.framed
            }
        };
        match &mut self.library {
            Library::H264(decoder) => decoder.decode(data, &mut show)?,
            Library::Vpx(decoder) => decoder.decode(data, &mut show)?,
        }
        Ok(shown)
    }
}
