//! H.264 by OpenH264.

use crate::{CodecError, EncoderSettings, I420};
use openh264::OpenH264API;
use openh264::decoder::{Decoder as Library, DecoderConfig, Flush};
use openh264::encoder::{
    BitRate, Complexity, Encoder as LibraryEncoder, EncoderConfig, FrameRate, FrameType,
    IntraFramePeriod, RateControlMode, SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSource;
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL,
    LAYER_NUM, SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};
use std::ffi::c_int;
use std::fmt;

/// A decoder of one stream.
pub struct Decoder {
    library: Library,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("h264::Decoder")
    }
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Result<Self, CodecError> {
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let library = Library::with_api_config(OpenH264API::from_source(), config)
            .map_err(|_| CodecError::Start(0))?;
        Ok(Self { library })
    }

    /// Decodes one access unit in the byte stream format and shows the picture, if one came out.
    pub fn decode(
        &mut self,
        access_unit: &[u8],
        show: &mut dyn FnMut(I420<'_>),
    ) -> Result<(), CodecError> {
        let decoded = self.library.decode(access_unit);
        let Some(picture) = decoded.map_err(|_| CodecError::Bitstream(0))? else {
            return Ok(());
        };
        let (width, height) = picture.dimensions();
        let (y, u, v) = picture.strides();
        let planes = [picture.y(), picture.u(), picture.v()];
        show(I420::new(width, height, planes, [y, u, v])?);
        Ok(())
    }
}

/// An encoder of Constrained Baseline for real time.
pub struct Encoder {
    library: LibraryEncoder,
    begun: bool,
    bitrate: u32,
    /// What the library refuses to be told to exceed.
    ceiling: u32,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h264::Encoder({} bit/s)", self.bitrate)
    }
}

impl Encoder {
    /// An encoder whose first frame will be a keyframe.
    #[expect(clippy::cast_precision_loss, reason = "frame rates are small")]
    pub fn new(settings: &EncoderSettings) -> Result<Self, CodecError> {
        let mut config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(settings.bitrate))
            .max_frame_rate(FrameRate::from_hz(settings.frame_rate as f32))
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Bitrate)
            .complexity(Complexity::Low)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .skip_frames(true)
            .num_threads(settings.threads);
        if let Some(octets) = settings.max_slice {
            config = config.max_slice_len(octets);
        }
        let mut library = LibraryEncoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|_| CodecError::Start(0))?;
        silence(&mut library)?;
        Ok(Self {
            library,
            begun: false,
            bitrate: settings.bitrate,
            ceiling: settings.bitrate,
        })
    }

    /// Encodes one picture and appends it to `out` in the byte stream format; says whether it is a keyframe.
    /// All pictures of an encoder have the dimensions of its settings.
    pub fn encode(
        &mut self,
        picture: &I420<'_>,
        keyframe: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        if keyframe && self.begun {
            self.library.force_intra_frame();
        }
        let encoded = self
            .library
            .encode(&Source(picture))
            .map_err(|_| CodecError::Encode(0))?;
        encoded.write_vec(out);
        let kind = encoded.frame_type();
        self.begun = true;
        Ok(matches!(kind, FrameType::IDR))
    }

    /// Changes the target, bits a second, from the next frame on.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        if bitrate == self.bitrate || !self.begun {
            // Before the first picture the library has no stream whose rate could change.
            return Ok(());
        }
        // A target above the ceiling is refused, so the ceiling goes first.
        if bitrate > self.ceiling {
            let ceiling = bitrate.saturating_add(bitrate / 2);
            self.set_option(ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_0, ceiling)?;
            self.ceiling = ceiling;
        }
        self.set_option(ENCODER_OPTION_BITRATE, SPATIAL_LAYER_ALL, bitrate)?;
        self.bitrate = bitrate;
        Ok(())
    }

    /// Sets one of the two options that are a bitrate.
    fn set_option(
        &mut self,
        option: ENCODER_OPTION,
        layer: LAYER_NUM,
        bitrate: u32,
    ) -> Result<(), CodecError> {
        let mut info = SBitrateInfo {
            iLayer: layer,
            iBitrate: i32::try_from(bitrate).unwrap_or(i32::MAX),
        };
        // SAFETY: the bitrates are none of the options that the wrapper relies on.
        let api = unsafe { self.library.raw_api() };
        // SAFETY: for these options OpenH264 reads one SBitrateInfo, which outlives the call, and keeps no pointer.
        // The encoder is initialised, because a picture has been encoded.
        let code = unsafe { api.set_option(option, (&raw mut info).cast()) };
        if code != 0 {
            return Err(CodecError::Encode(i64::from(code)));
        }
        Ok(())
    }
}

/// Keeps the library from writing to standard error what it thinks of our settings when it starts; the wrapper tells it
/// to be quiet only afterwards.
fn silence(library: &mut LibraryEncoder) -> Result<(), CodecError> {
    let mut level = c_int::try_from(WELS_LOG_QUIET).unwrap_or(0);
    // SAFETY: the trace level is none of the options that the wrapper relies on.
    let api = unsafe { library.raw_api() };
    // SAFETY: for this option OpenH264 reads one int, which outlives the call, and it may be set at any time.
    let code = unsafe { api.set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) };
    if code != 0 {
        return Err(CodecError::Start(i64::from(code)));
    }
    Ok(())
}

/// A picture as the library's wrapper wants it.
struct Source<'a>(&'a I420<'a>);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width(), self.0.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [y, u, v] = self.0.strides();
        (y, u, v)
    }

    fn y(&self) -> &[u8] {
        self.0.planes()[0]
    }

    fn u(&self) -> &[u8] {
        self.0.planes()[1]
    }

    fn v(&self) -> &[u8] {
        self.0.planes()[2]
    }
}
