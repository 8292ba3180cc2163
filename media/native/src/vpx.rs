//! VP8 and VP9 by libvpx.

use crate::{CodecError, EncoderSettings, I420};
use std::ffi::{c_int, c_uint, c_ulong};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;
use vpx_sys as sys;

/// Which of the two codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// VP8.
    Vp8,
    /// VP9, profile 0.
    Vp9,
}

/// A library context: made by an init call, given back when dropped.
///
/// It lives in a box, because libvpx may keep pointers into it.
struct Context(Box<sys::vpx_codec_ctx_t>);

// SAFETY: libvpx has no thread affinity and no state shared between contexts; one thread at a time uses a context,
// because every call takes it by `&mut`.
unsafe impl Send for Context {}

impl Context {
    fn begin(
        init: impl FnOnce(*mut sys::vpx_codec_ctx_t) -> sys::vpx_codec_err_t,
    ) -> Result<Self, CodecError> {
        let mut context = Box::new(MaybeUninit::<sys::vpx_codec_ctx_t>::zeroed());
        check(init(context.as_mut_ptr()), CodecError::Start)?;
        // SAFETY: a successful init call has filled the context in.
        Ok(Self(unsafe { context.assume_init() }))
    }

    fn get(&mut self) -> *mut sys::vpx_codec_ctx_t {
        &raw mut *self.0
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was initialised, and this is the only place that destroys it.
        let _code = unsafe { sys::vpx_codec_destroy(self.get()) };
    }
}

fn check(
    code: sys::vpx_codec_err_t,
    error: impl FnOnce(i64) -> CodecError,
) -> Result<(), CodecError> {
    if code == sys::vpx_codec_err_t::VPX_CODEC_OK {
        Ok(())
    } else {
        Err(error(i64::from(code as u32)))
    }
}

/// A decoder of one stream.
pub struct Decoder {
    context: Context,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vpx::Decoder")
    }
}

impl Decoder {
    /// A decoder that has seen nothing, without threads of its own.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let config = sys::vpx_codec_dec_cfg_t {
            threads: 1,
            w: 0,
            h: 0,
        };
        let version = c_int::try_from(sys::VPX_DECODER_ABI_VERSION).unwrap_or(0);
        let context = Context::begin(|context| {
            // SAFETY: takes no argument and returns a static description of the decoder.
            let interface = unsafe {
                match codec {
                    Codec::Vp8 => sys::vpx_codec_vp8_dx(),
                    Codec::Vp9 => sys::vpx_codec_vp9_dx(),
                }
            };
            // SAFETY: the context is writable memory of the right size, the interface is libvpx's own, and the
            // configuration is read before the call returns.
            unsafe {
                sys::vpx_codec_dec_init_ver(context, interface, &raw const config, 0, version)
            }
        })?;
        Ok(Self { context })
    }

    /// Decodes one frame and shows the picture, if one came out.
    pub fn decode(
        &mut self,
        frame: &[u8],
        show: &mut dyn FnMut(I420<'_>),
    ) -> Result<(), CodecError> {
        let octets = c_uint::try_from(frame.len()).map_err(|_| CodecError::Format)?;
        if frame.is_empty() {
            // To libvpx no octets mean the end of the stream.
            return Err(CodecError::Bitstream(0));
        }
        // SAFETY: the context is initialised; pointer and length describe one slice, read during the call only.
        let code = unsafe {
            sys::vpx_codec_decode(
                self.context.get(),
                frame.as_ptr(),
                octets,
                ptr::null_mut(),
                0,
            )
        };
        check(code, CodecError::Bitstream)?;
        let mut iterator: sys::vpx_codec_iter_t = ptr::null();
        loop {
            // SAFETY: the context is initialised and the iterator began as null, as the interface demands.
            let image = unsafe { sys::vpx_codec_get_frame(self.context.get(), &raw mut iterator) };
            if image.is_null() {
                return Ok(());
            }
            // SAFETY: the image is the library's and stays valid and unchanged until the next call on the context,
            // which cannot happen before the borrowed picture is gone.
            show(unsafe { borrow(image) }?);
        }
    }
}

/// The visible part of an image of libvpx.
///
/// # Safety
///
/// `image` was returned by libvpx and stays valid and unchanged for `'a`.
unsafe fn borrow<'a>(image: *const sys::vpx_image_t) -> Result<I420<'a>, CodecError> {
    // SAFETY: the image is valid; the field is read as a number, so that a format the bindings do not know is no
    // invalid enum.
    let format = unsafe { (&raw const (*image).fmt).cast::<u32>().read() };
    if format != sys::vpx_img_fmt::VPX_IMG_FMT_I420 as u32 {
        return Err(CodecError::Format);
    }
    // SAFETY: the image is valid, and these fields are plain numbers and pointers.
    let (width, height, planes, strides) =
        unsafe { ((*image).d_w, (*image).d_h, (*image).planes, (*image).stride) };
    let width = usize::try_from(width).map_err(|_| CodecError::Format)?;
    let height = usize::try_from(height).map_err(|_| CodecError::Format)?;
    let mut slices: [&[u8]; 3] = [&[]; 3];
    let mut widths = [0_usize; 3];
    let halves = [(width, height), (width.div_ceil(2), height.div_ceil(2))];
    for (index, ((plane, stride), slice)) in planes.iter().zip(strides).zip(&mut slices).enumerate()
    {
        let (columns, rows) = if index == 0 { halves[0] } else { halves[1] };
        let stride = usize::try_from(stride).map_err(|_| CodecError::Format)?;
        if plane.is_null() || stride < columns || columns == 0 || rows == 0 {
            return Err(CodecError::Format);
        }
        let octets = stride * (rows - 1) + columns;
        // SAFETY: a plane of an I420 image holds `rows` rows, `stride` octets apart, of at least `columns` samples;
        // that many octets are read and no more.
        *slice = unsafe { std::slice::from_raw_parts(*plane, octets) };
        if let Some(place) = widths.get_mut(index) {
            *place = stride;
        }
    }
    I420::new(width, height, slices, widths)
}

/// An encoder for real time.
pub struct Encoder {
    context: Context,
    config: Box<sys::vpx_codec_enc_cfg_t>,
    frames: i64,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vpx::Encoder({} kbit/s)", self.config.rc_target_bitrate)
    }
}

// SAFETY: as for `Context`; the configuration is plain data whose pointers stay null.
unsafe impl Send for Encoder {}

impl Encoder {
    /// An encoder whose first frame will be a keyframe.
    pub fn new(codec: Codec, settings: &EncoderSettings) -> Result<Self, CodecError> {
        // SAFETY: takes no argument and returns a static description of the encoder.
        let interface = unsafe {
            match codec {
                Codec::Vp8 => sys::vpx_codec_vp8_cx(),
                Codec::Vp9 => sys::vpx_codec_vp9_cx(),
            }
        };
        let mut config = Box::new(MaybeUninit::<sys::vpx_codec_enc_cfg_t>::zeroed());
        // SAFETY: the interface is libvpx's own and the configuration is writable memory of the right size.
        let code = unsafe { sys::vpx_codec_enc_config_default(interface, config.as_mut_ptr(), 0) };
        check(code, CodecError::Start)?;
        // SAFETY: the call above has filled the configuration in.
        let mut config = unsafe { config.assume_init() };
        configure(&mut config, settings)?;
        let version = c_int::try_from(sys::VPX_ENCODER_ABI_VERSION).unwrap_or(0);
        let context = Context::begin(|context| {
            // SAFETY: context and interface as for a decoder; the configuration lives in a box for as long as the
            // context, which keeps a pointer to it.
            unsafe {
                sys::vpx_codec_enc_init_ver(context, interface, &raw const *config, 0, version)
            }
        })?;
        let mut encoder = Self {
            context,
            config,
            frames: 0,
        };
        encoder.tune(codec)?;
        Ok(encoder)
    }

    fn tune(&mut self, codec: Codec) -> Result<(), CodecError> {
        use sys::vp8e_enc_control_id as Control;
        let settings: &[(Control, c_int)] = match codec {
            Codec::Vp8 => &[
                (Control::VP8E_SET_CPUUSED, -8),
                (Control::VP8E_SET_STATIC_THRESHOLD, 1),
                (Control::VP8E_SET_MAX_INTRA_BITRATE_PCT, 450),
            ],
            Codec::Vp9 => &[
                (Control::VP8E_SET_CPUUSED, 8),
                (Control::VP9E_SET_AQ_MODE, 3),
                (Control::VP8E_SET_MAX_INTRA_BITRATE_PCT, 450),
            ],
        };
        for (control, value) in settings {
            let control = c_int::try_from(*control as u32).unwrap_or(0);
            // SAFETY: the context is initialised, and each of these controls takes one int by value.
            let code = unsafe { sys::vpx_codec_control_(self.context.get(), control, *value) };
            check(code, CodecError::Start)?;
        }
        Ok(())
    }

    /// Encodes one picture and appends it to `out`; says whether it is a keyframe. Nothing is appended when the
    /// rate control dropped the picture. All pictures have the dimensions of the settings.
    pub fn encode(
        &mut self,
        picture: &I420<'_>,
        keyframe: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        let image = self.image(picture)?;
        let flags = if keyframe { sys::VPX_EFLAG_FORCE_KF } else { 0 };
        // SAFETY: the context is initialised. The image's planes are as long as its dimensions and strides say,
        // which the picture guarantees, and are only read, during this call, because no frames are kept back.
        let code = unsafe {
            sys::vpx_codec_encode(
                self.context.get(),
                image.as_ptr(),
                self.frames,
                1,
                i64::from(flags),
                c_ulong::from(sys::VPX_DL_REALTIME),
            )
        };
        check(code, CodecError::Encode)?;
        self.frames += 1;
        self.collect(out)
    }

    fn collect(&mut self, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        let mut iterator: sys::vpx_codec_iter_t = ptr::null();
        let mut key = false;
        loop {
            // SAFETY: the context is initialised and the iterator began as null.
            let packet =
                unsafe { sys::vpx_codec_get_cx_data(self.context.get(), &raw mut iterator) };
            if packet.is_null() {
                return Ok(key);
            }
            // SAFETY: the packet is valid until the next call on the context; the kind is read as a number.
            let kind = unsafe { (&raw const (*packet).kind).cast::<u32>().read() };
            if kind != sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT as u32 {
                continue;
            }
            // SAFETY: the kind says that this member of the union is the one in use.
            let frame = unsafe { (*packet).data.frame };
            let octets = usize::try_from(frame.sz).map_err(|_| CodecError::Encode(0))?;
            // SAFETY: buffer and size describe the packet's octets, valid until the next call on the context.
            let octets = unsafe { std::slice::from_raw_parts(frame.buf.cast::<u8>(), octets) };
            out.extend_from_slice(octets);
            key |= frame.flags & sys::VPX_FRAME_IS_KEY != 0;
        }
    }

    /// The picture as libvpx describes one, with the planes' own pointers.
    fn image(&self, picture: &I420<'_>) -> Result<MaybeUninit<sys::vpx_image_t>, CodecError> {
        let width = c_uint::try_from(picture.width()).map_err(|_| CodecError::Format)?;
        let height = c_uint::try_from(picture.height()).map_err(|_| CodecError::Format)?;
        if (width, height) != (self.config.g_w, self.config.g_h) {
            return Err(CodecError::Format);
        }
        let mut image = MaybeUninit::<sys::vpx_image_t>::zeroed();
        let [y, u, v] = picture.planes();
        let format = sys::vpx_img_fmt::VPX_IMG_FMT_I420;
        // SAFETY: the image is writable memory of the right size; the call only fills in its fields and keeps the
        // pointer, through which nothing is written.
        let wrapped = unsafe {
            sys::vpx_img_wrap(
                image.as_mut_ptr(),
                format,
                width,
                height,
                1,
                y.as_ptr().cast_mut(),
            )
        };
        if wrapped.is_null() {
            return Err(CodecError::Format);
        }
        let mut strides = [0; 4];
        for (stride, place) in picture.strides().into_iter().zip(&mut strides) {
            *place = c_int::try_from(stride).map_err(|_| CodecError::Format)?;
        }
        let planes = [y, u, v].map(|plane| plane.as_ptr().cast_mut());
        let [y, u, v] = planes;
        let filled = image.as_mut_ptr();
        // SAFETY: the call above succeeded, so the image is initialised.
        unsafe { (*filled).planes = [y, u, v, ptr::null_mut()] };
        // SAFETY: as above.
        unsafe { (*filled).stride = strides };
        Ok(image)
    }

    /// Changes the target, bits a second, from the next frame on.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        let kilobits = (bitrate / 1000).max(1);
        if kilobits == self.config.rc_target_bitrate {
            return Ok(());
        }
        self.config.rc_target_bitrate = kilobits;
        // SAFETY: context and configuration are initialised, and the configuration lives as long as the context.
        let code =
            unsafe { sys::vpx_codec_enc_config_set(self.context.get(), &raw const *self.config) };
        check(code, CodecError::Encode)
    }
}

fn configure(
    config: &mut sys::vpx_codec_enc_cfg_t,
    settings: &EncoderSettings,
) -> Result<(), CodecError> {
    config.g_w = c_uint::try_from(settings.width).map_err(|_| CodecError::Format)?;
    config.g_h = c_uint::try_from(settings.height).map_err(|_| CodecError::Format)?;
    config.g_threads = c_uint::from(settings.threads.max(1));
    config.g_timebase = sys::vpx_rational_t {
        num: 1,
        den: c_int::try_from(settings.frame_rate.max(1)).map_err(|_| CodecError::Format)?,
    };
    config.g_error_resilient = 0;
    config.g_lag_in_frames = 0;
    config.g_pass = sys::vpx_enc_pass::VPX_RC_ONE_PASS;
    config.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    config.rc_target_bitrate = (settings.bitrate / 1000).max(1);
    config.rc_dropframe_thresh = 0;
    config.rc_resize_allowed = 0;
    config.rc_min_quantizer = 4;
    config.rc_max_quantizer = 56;
    config.rc_undershoot_pct = 100;
    config.rc_overshoot_pct = 15;
    config.rc_buf_sz = 1000;
    config.rc_buf_initial_sz = 500;
    config.rc_buf_optimal_sz = 600;
    config.kf_mode = sys::vpx_kf_mode::VPX_KF_AUTO;
    // A keyframe comes when somebody needs one.
    config.kf_max_dist = 100_000;
    Ok(())
}
