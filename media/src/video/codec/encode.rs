//! One encoder of any codec.

use super::{CodecError, VideoEncoder};
use crate::video::format::SendFormat;
use crate::video::h264::PacketizationMode;
use crate::video::picture::Picture;
use plenum_native::{h264, vpx};

/// What an encoder is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Codec, and for H.264 whether slices must fit into packets.
    pub format: SendFormat,
    /// Luma columns, even, 16 to 3,840.
    pub width: usize,
    /// Luma rows, even, 16 to 2,160.
    pub height: usize,
    /// Frames a second the rate control reckons with.
    pub frame_rate: u32,
    /// Bits a second to begin with.
    pub bitrate: u32,
    /// Threads the library may use.
    pub threads: u16,
    /// Octets of one RTP payload; at least 500 for H.264 in single NAL unit mode.
    pub max_payload: usize,
}

#[derive(Debug)]
enum Library {
    H264(Box<h264::Encoder>),
    Vpx(vpx::Encoder),
}

/// An encoder of the libraries built in.
#[derive(Debug)]
pub struct Encoder {
    library: Library,
}

impl Encoder {
    /// An encoder whose first frame will be a keyframe.
    pub fn new(settings: &EncoderSettings) -> Result<Self, CodecError> {
        let max_slice = match settings.format {
            SendFormat::H264(PacketizationMode::SingleNal) => {
                u32::try_from(settings.max_payload).ok()
            }
            SendFormat::H264(PacketizationMode::NonInterleaved)
            | SendFormat::Vp8
            | SendFormat::Vp9 => None,
        };
        let native = plenum_native::EncoderSettings {
            width: settings.width,
            height: settings.height,
            frame_rate: settings.frame_rate,
            bitrate: settings.bitrate,
            threads: settings.threads,
            max_slice,
        };
        let library = match settings.format {
            SendFormat::H264(_) => Library::H264(Box::new(h264::Encoder::new(&native)?)),
            SendFormat::Vp8 => Library::Vpx(vpx::Encoder::new(vpx::Codec::Vp8, &native)?),
            SendFormat::Vp9 => Library::Vpx(vpx::Encoder::new(vpx::Codec::Vp9, &native)?),
        };
        Ok(Self { library })
    }
}

impl VideoEncoder for Encoder {
    fn encode(
        &mut self,
        picture: &Picture,
        keyframe: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        let planes = picture.borrow()?;
        match &mut self.library {
            Library::H264(encoder) => encoder.encode(&planes, keyframe, out),
            Library::Vpx(encoder) => encoder.encode(&planes, keyframe, out),
        }
    }

    fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        match &mut self.library {
            Library::H264(encoder) => encoder.set_bitrate(bitrate),
            Library::Vpx(encoder) => encoder.set_bitrate(bitrate),
        }
    }
}
