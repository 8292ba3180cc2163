//! The C libraries of video behind safe types: libvpx for VP8 and VP9, OpenH264 for H.264, libyuv to scale.
//!
//! This is the only crate of the workspace that may use `unsafe`. It knows pictures as borrowed planes and streams
//! as octets; what they mean is decided above it.

pub mod h264;
mod i420;
mod scale;
pub mod vpx;

pub use i420::I420;
pub use scale::{Shape, scale};

/// What a decoder or encoder says when it cannot go on. For a decoder the stream is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The library would not start.
    #[error("codec would not start ({0})")]
    Start(i64),
    /// The bitstream is broken, or begins without a keyframe.
    #[error("bitstream refused ({0})")]
    Bitstream(i64),
    /// The library failed on a picture or a setting of ours.
    #[error("encoder failed ({0})")]
    Encode(i64),
    /// Not 8 bits of 4:2:0, or dimensions that make no picture.
    #[error("picture format not spoken")]
    Format,
}

/// What every encoder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Luma columns, even, 16 to 3,840.
    pub width: usize,
    /// Luma rows, even, 16 to 2,160.
    pub height: usize,
    /// Frames a second the rate control reckons with.
    pub frame_rate: u32,
    /// Bits a second.
    pub bitrate: u32,
    /// Threads the library may use; 1 for none of its own.
    pub threads: u16,
    /// H.264 only: octets of a slice at most, for single NAL unit mode.
    pub max_slice: Option<u32>,
}

#[cfg(test)]
mod tests;
