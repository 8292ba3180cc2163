//! The dimensions a stream claims in its headers, read before a decoder allocates for them.

use crate::video::frame::VideoCodec;
use crate::video::h264::{NalType, nal_units};
use plenum_native::CodecError;

/// What a header claims, in luma samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Dimensions {
    fn largest(self, other: Self) -> Self {
        Self {
            width: self.width.max(other.width),
            height: self.height.max(other.height),
        }
    }
}

/// The largest dimensions claimed in a frame; `None` if it claims none and those before it stay in force.
pub(super) fn of(codec: VideoCodec, frame: &[u8]) -> Result<Option<Dimensions>, CodecError> {
    match codec {
        VideoCodec::H264 => of_h264(frame),
        VideoCodec::Vp8 => of_vp8(frame),
        VideoCodec::Vp9 => of_vp9(frame),
    }
}

/// The key frame header of VP8 (RFC 6386 §9.1): start code, 14 bits of width, 14 bits of height.
fn of_vp8(frame: &[u8]) -> Result<Option<Dimensions>, CodecError> {
    if frame.first().is_none_or(|tag| tag & 1 != 0) {
        return Ok(None);
    }
    match frame {
        [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Ok(Some(Dimensions {
                width: side(*w0, *w1),
                height: side(*h0, *h1),
            }))
        }
        _ => Err(CodecError::Bitstream(0)),
    }
}

/// The octets of the only frame in `data`, without the index behind it; `None` where the index names several
/// (VP9 bitstream, annex B). Their headers would have to be checked one by one, and no real-time encoder hides frames.
pub(super) fn only_vp9_frame(data: &[u8]) -> Option<&[u8]> {
    let Some(marker) = data.last().filter(|last| *last & 0xe0 == 0xc0) else {
        return Some(data);
    };
    let (frames, width) = (
        usize::from(marker & 7) + 1,
        usize::from(marker >> 3 & 3) + 1,
    );
    let Some(start) = data.len().checked_sub(2 + frames * width) else {
        return Some(data);
    };
    match data.get(start..) {
        Some([first, sizes @ .., _]) if first == marker => {
            let size = sizes
                .iter()
                .rev()
                .fold(0, |size, octet| size << 8 | usize::from(*octet));
            data.get(..size.min(start)).filter(|_| frames == 1)
        }
        Some(_) | None => Some(data),
    }
}

/// Appends one VP9 frame and an index that names it alone. Without, libvpx takes what stands behind the frame for
/// further ones, whose headers nobody has looked at.
pub(super) fn append_vp9_index(frame: &[u8], out: &mut Vec<u8>) -> Option<()> {
    /// One frame, its size in four octets.
    const MARKER: u8 = 0b1101_1000;
    let size = u32::try_from(frame.len()).ok()?;
    out.extend_from_slice(frame);
    out.push(MARKER);
    out.extend_from_slice(&size.to_le_bytes());
    out.push(MARKER);
    Some(())
}

/// The uncompressed header of VP9, as far as the frame size (VP9 bitstream §6.2), which any frame may carry.
fn of_vp9(frame: &[u8]) -> Result<Option<Dimensions>, CodecError> {
    let mut bits = Bits::new(frame);
    let header = || -> Option<Option<Dimensions>> {
        // Frame marker, then two bits of profile, then a reserved one in profile 3.
        if bits.take(2)? != 2 {
            return None;
        }
        let profile = bits.take(1)? | bits.take(1)? << 1;
        if profile == 3 {
            bits.take(1)?;
        }
        if bits.take(1)? == 1 {
            return Some(None);
        }
        let inter = bits.take(1)? == 1;
        let shown = bits.take(1)? == 1;
        let resilient = bits.take(1)? == 1;
        if inter {
            let intra_only = if shown { 0 } else { bits.take(1)? };
            if !resilient {
                bits.take(2)?;
            }
            if intra_only == 0 {
                // What is refreshed, and three references with their signs.
                bits.take(8 + 3 * 4)?;
                for _ in 0..3 {
                    // The size of a frame that was decoded is within the bound.
                    if bits.take(1)? == 1 {
                        return Some(None);
                    }
                }
            } else {
                bits.sync_code()?;
                if profile > 0 {
                    return None;
                }
                bits.take(8)?;
            }
        } else {
            bits.sync_code()?;
            skip_colours(&mut bits, profile)?;
        }
        let width = bits.take(16)? + 1;
        let height = bits.take(16)? + 1;
        Some(Some(Dimensions { width, height }))
    };
    let mut header = header;
    header().ok_or(CodecError::Bitstream(0))
}

/// `color_config` (VP9 bitstream §6.2.2).
fn skip_colours(bits: &mut Bits<'_>, profile: u32) -> Option<()> {
    if profile >= 2 {
        bits.take(1)?;
    }
    const SRGB: u32 = 7;
    let more = profile == 1 || profile == 3;
    if bits.take(3)? == SRGB {
        more.then_some(())?;
        bits.take(1)?;
    } else {
        bits.take(if more { 4 } else { 1 })?;
    }
    Some(())
}

/// Every sequence parameter set of the access unit (H.264 §7.3.2.1.1).
fn of_h264(frame: &[u8]) -> Result<Option<Dimensions>, CodecError> {
    let mut largest: Option<Dimensions> = None;
    for unit in nal_units(frame) {
        let Some((head, body)) = unit.split_first() else {
            continue;
        };
        // A subset SPS (15) has the same beginning.
        if matches!(NalType::of(*head), NalType::Sps | NalType::Other(15)) {
            let one = sps(body).ok_or(CodecError::Bitstream(0))?;
            largest = Some(largest.map_or(one, |other| other.largest(one)));
        }
    }
    Ok(largest)
}

/// Profiles whose parameter sets say more about chroma (H.264 §7.3.2.1.1).
const CHROMA_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

fn sps(body: &[u8]) -> Option<Dimensions> {
    let raw = without_emulation(body);
    let mut bits = Bits::new(&raw);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.exp_golomb()?;
    if CHROMA_PROFILES.contains(&profile) {
        skip_chroma(&mut bits)?;
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.take(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    // Reference frames: what the decoder multiplies the picture with.
    bits.exp_golomb()?;
    bits.take(1)?;
    let columns = bits.exp_golomb()?.checked_add(1)?;
    let rows = bits.exp_golomb()?.checked_add(1)?;
    let frames_only = bits.take(1)?;
    Some(Dimensions {
        width: columns.checked_mul(16)?,
        height: rows.checked_mul(16 * (2 - frames_only))?,
    })
}

fn skip_chroma(bits: &mut Bits<'_>) -> Option<()> {
    let chroma = bits.exp_golomb()?;
    if chroma == 3 {
        bits.take(1)?;
    }
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.take(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            let code = i64::from(bits.exp_golomb()?);
            let delta = if code % 2 == 1 {
                (code + 1) / 2
            } else {
                -code / 2
            };
            next = (last + delta).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// The octets of a NAL unit without emulation prevention (H.264 §7.3.1); a parameter set is short.
fn without_emulation(body: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let kept = |octet: &u8| {
        let prevention = zeros >= 2 && *octet == 3;
        zeros = if *octet == 0 { zeros + 1 } else { 0 };
        !prevention
    };
    body.iter().take(1024).copied().filter(kept).collect()
}

/// Bits, the most significant first.
struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let octet = self.octets.get(self.at / 8)?;
            value = value << 1 | u32::from(octet >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// `ue(v)` (H.264 §9.1).
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        u32::try_from((1_u64 << zeros) - 1 + u64::from(rest)).ok()
    }

    fn sync_code(&mut self) -> Option<()> {
        (self.take(24)? == 0x49_8342).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc6386_9_1_a_key_frame_says_its_size_and_others_do_not() {
        let key = [0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x02, 0xe0, 0x41, 9];
        let claimed = Dimensions {
            width: 640,
            height: 480,
        };
        assert_eq!(of_vp8(&key), Ok(Some(claimed)));
        assert_eq!(of_vp8(&[0x11, 0, 0]), Ok(None));
        assert!(of_vp8(&key[..9]).is_err());
    }

    #[test]
    fn h264_7_3_2_1_1_a_parameter_set_says_its_size() {
        // Baseline 3.1, 1280×720 by x264's and OpenH264's common subset of fields.
        let sps_720p = [
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0xa1,
        ];
        let claimed = of_h264(&sps_720p).unwrap().unwrap();
        assert_eq!((claimed.width, claimed.height), (1280, 720));
        assert_eq!(of_h264(&[0, 0, 1, 0x41, 0x9a]), Ok(None));
        assert!(of_h264(&[0, 0, 1, 0x67, 0x42]).is_err());
    }

    /// Octets of bits written as text; blanks do not count.
    fn octets(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
        let octet = |bits: &[u8]| {
            let bits = bits.iter().chain(std::iter::repeat(&b'0')).take(8);
            bits.fold(0, |octet, bit| octet << 1 | (bit - b'0'))
        };
        bits.chunks(8).map(octet).collect()
    }

    #[test]
    fn vp9_6_2_a_frame_that_refers_to_others_may_say_its_size() {
        // Marker, profile, inter, shown, not resilient; reset; refresh, references; none has the size; 30,720×17,408.
        let explicit = octets(
            "10 00 0 1 1 0 00 00000001 0000 0000 0000 000 0111011111111111 0100001111111111",
        );
        let claimed = Dimensions {
            width: 30_720,
            height: 17_408,
        };
        assert_eq!(of_vp9(&explicit), Ok(Some(claimed)));
        let inherited = octets("10 00 0 1 1 1 00000001 0000 0000 0000 01");
        assert_eq!(of_vp9(&inherited), Ok(None));
    }

    #[test]
    fn vp9_annex_b_an_index_names_one_frame_or_the_data_is_refused() {
        let frame = [0x82, 0x49, 0x83, 0x42, 7];
        assert_eq!(only_vp9_frame(&frame), Some(&frame[..]));
        let mut indexed = Vec::new();
        append_vp9_index(&frame, &mut indexed).unwrap();
        assert_eq!(only_vp9_frame(&indexed), Some(&frame[..]));
        let two = [1, 2, 3, 0xc1, 1, 2, 0xc1];
        assert_eq!(only_vp9_frame(&two), None);
        // What only looks like the end of an index is none.
        assert_eq!(only_vp9_frame(&[1, 2, 3, 0xc1]), Some(&[1, 2, 3, 0xc1][..]));
    }

    proptest! {
        #[test]
        fn hostile_headers_do_not_panic(frame in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = of_vp8(&frame);
            let _ = of_vp9(&frame);
            let _ = only_vp9_frame(&frame);
            let _ = sps(&frame);
            let mut unit = vec![0, 0, 1, 0x67];
            unit.extend_from_slice(&frame);
            let _ = of_h264(&unit);
        }
    }
}
