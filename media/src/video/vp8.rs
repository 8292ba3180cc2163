//! VP8 in RTP (RFC 7741).

use super::frame::{PackError, PayloadError, Payloads};

/// Extension bits of the descriptor's second octet (RFC 7741 §4.2).
const PICTURE_ID: u8 = 0x80;
const TL0_PICTURE_INDEX: u8 = 0x40;
const TEMPORAL_LAYER: u8 = 0x20;
const KEY_INDEX: u8 = 0x10;
/// Octets of the descriptor we write: flags, extension flags, 15-bit picture ID.
const OWN_DESCRIPTOR: usize = 4;

/// The payload descriptor of one packet (RFC 7741 §4.2). Layers are read over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// A VP8 partition begins here.
    pub starts_partition: bool,
    /// Which partition, 0 to 7.
    pub partition: u8,
    /// Nothing refers to this frame.
    pub non_reference: bool,
    /// 7 or 15 bits.
    pub picture_id: Option<u16>,
}

/// Splits a payload into its descriptor and its octets of picture.
pub fn split(payload: &[u8]) -> Result<(Descriptor, &[u8]), PayloadError> {
    let (&flags, mut rest) = payload.split_first().ok_or(PayloadError::Truncated)?;
    let mut picture_id = None;
    if flags & 0x80 != 0 {
        let (&extension, after) = rest.split_first().ok_or(PayloadError::Truncated)?;
        rest = after;
        if extension & PICTURE_ID != 0 {
            (picture_id, rest) = split_picture_id(rest)?;
        }
        if extension & TL0_PICTURE_INDEX != 0 {
            rest = rest.get(1..).ok_or(PayloadError::Truncated)?;
        }
        if extension & (TEMPORAL_LAYER | KEY_INDEX) != 0 {
            rest = rest.get(1..).ok_or(PayloadError::Truncated)?;
        }
    }
    let descriptor = Descriptor {
        starts_partition: flags & 0x10 != 0,
        partition: flags & 0x07,
        non_reference: flags & 0x20 != 0,
        picture_id,
    };
    Ok((descriptor, rest))
}

fn split_picture_id(rest: &[u8]) -> Result<(Option<u16>, &[u8]), PayloadError> {
    match rest {
        [high, low, rest @ ..] if high & 0x80 != 0 => {
            Ok((Some(u16::from_be_bytes([high & 0x7f, *low])), rest))
        }
        [short, rest @ ..] if short & 0x80 == 0 => Ok((Some(u16::from(*short)), rest)),
        _ => Err(PayloadError::Truncated),
    }
}

/// Can this payload be the first of a frame?
pub fn begins_frame(payload: &[u8]) -> bool {
    split(payload).is_ok_and(|(head, _)| head.starts_partition && head.partition == 0)
}

/// Joins the payloads of one frame, in sequence order, into `out` (cleared before); says whether it is a keyframe.
pub fn unpack<'a>(
    payloads: impl Iterator<Item = &'a [u8]>,
    max_octets: usize,
    out: &mut Vec<u8>,
) -> Result<bool, PayloadError> {
    out.clear();
    let mut first = true;
    for payload in payloads {
        let (head, octets) = split(payload)?;
        if first != (head.starts_partition && head.partition == 0) {
            return Err(PayloadError::Disorder);
        }
        if out.len() + octets.len() > max_octets {
            return Err(PayloadError::TooLarge);
        }
        out.extend_from_slice(octets);
        first = false;
    }
    // The frame tag's lowest bit is 0 in a keyframe (RFC 6386 §9.1).
    out.first()
        .map(|tag| tag & 1 == 0)
        .ok_or(PayloadError::Empty)
}

/// Makes the payloads of one frame, none longer than `max_payload` octets.
pub fn pack(
    frame: &[u8],
    picture_id: u16,
    max_payload: usize,
    out: &mut Payloads,
) -> Result<(), PackError> {
    out.clear();
    let room = max_payload.saturating_sub(OWN_DESCRIPTOR).max(1);
    let pieces = frame.len().div_ceil(room);
    let each = frame.len().div_ceil(pieces.max(1)).max(1);
    let [high, low] = picture_id.to_be_bytes();
    for (index, piece) in frame.chunks(each).enumerate() {
        let start = u8::from(index == 0) << 4;
        out.push(&[&[0x80 | start, PICTURE_ID, 0x80 | high, low], piece]);
    }
    if out.is_empty() {
        return Err(PackError::Empty);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc7741_4_2_every_extension_is_read_over() {
        let (head, rest) = split(&[0x90, 0xf0, 0x81, 0x02, 7, 0x20, 0xaa]).unwrap();
        assert_eq!(head.picture_id, Some(0x102));
        assert!(head.starts_partition);
        assert_eq!(rest, [0xaa]);
        let (head, rest) = split(&[0xb3, 0x80, 0x11, 0xbb]).unwrap();
        assert_eq!(
            (head.picture_id, head.partition, head.non_reference),
            (Some(0x11), 3, true)
        );
        assert_eq!(rest, [0xbb]);
        assert_eq!(split(&[0x10, 1, 2]).unwrap().1, [1, 2]);
    }

    #[test]
    fn rfc7741_4_2_a_descriptor_cut_anywhere_is_refused() {
        let whole = [0x90, 0xf0, 0x81, 0x02, 7, 0x20];
        for length in 0..whole.len() {
            assert_eq!(
                split(&whole[..length]),
                Err(PayloadError::Truncated),
                "{length}"
            );
        }
    }

    #[test]
    fn rfc7741_4_1_a_frame_without_its_first_packet_is_refused() {
        let mut payloads = Payloads::default();
        pack(&[0; 3000], 1, 1200, &mut payloads).unwrap();
        let tail = payloads.iter().skip(1).map(|(payload, _)| payload);
        assert_eq!(
            unpack(tail, 9000, &mut Vec::new()),
            Err(PayloadError::Disorder)
        );
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            frame in proptest::collection::vec(any::<u8>(), 1..5000),
            id in 0_u16..0x8000,
            max in 6_usize..1400,
        ) {
            let mut payloads = Payloads::default();
            pack(&frame, id, max, &mut payloads).unwrap();
            prop_assert!(payloads.iter().all(|(payload, _)| payload.len() <= max));
            prop_assert!(begins_frame(payloads.iter().next().unwrap().0));
            let mut out = Vec::new();
            let key = unpack(payloads.iter().map(|(p, _)| p), 5000, &mut out).unwrap();
            prop_assert_eq!(key, frame[0] & 1 == 0);
            prop_assert_eq!(out, frame);
        }

        #[test]
        fn hostile_payloads_do_not_panic(
            payloads in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..40), 0..10),
        ) {
            let mut out = Vec::new();
            let _ = unpack(payloads.iter().map(Vec::as_slice), 100, &mut out);
            prop_assert!(out.len() <= 100);
        }
    }
}
