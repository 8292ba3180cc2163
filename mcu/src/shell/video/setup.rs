//! How the video MCU is set up.

use crate::floor::FloorPolicy;
use crate::video::compose::Style;
use plenum_media::video::frame::VideoCodec;

/// How video is set up.
#[derive(Clone, Debug)]
pub struct VideoSetup {
    /// Workers, of two threads each; at least 1.
    pub workers: usize,
    /// The codecs we speak, the most wanted first.
    pub codecs: Vec<VideoCodec>,
    /// Luma rows of a picture at most, in either direction.
    pub rows: usize,
    /// Pictures a second.
    pub frame_rate: u32,
    /// Bits a second at most, in either direction.
    pub bitrate: u32,
    /// Video is offered where we call, or are asked for an offer.
    pub offer: bool,
    /// Luma rows of a recorded picture at most.
    pub recorded_rows: usize,
    /// Bits a second of recorded pictures.
    pub recorded_bitrate: u32,
    /// Slides have a stream of their own (RFC 4796), with floor control (RFC 8856); without, sections of them are
    /// refused.
    pub content: bool,
    /// What happens when two want to show slides.
    pub floor: FloorPolicy,
    /// Colours, names, fit.
    pub style: Style,
}

impl Default for VideoSetup {
    /// One worker, 720 rows at 25 pictures and 1.5 Mbit/s.
    fn default() -> Self {
        Self {
            workers: 1,
            codecs: vec![VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9],
            rows: 720,
            frame_rate: 25,
            bitrate: 1_500_000,
            offer: false,
            recorded_rows: 720,
            recorded_bitrate: 1_500_000,
            content: true,
            floor: FloorPolicy::default(),
            style: Style::default(),
        }
    }
}
