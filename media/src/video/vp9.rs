//! VP9 in RTP (RFC 9628), one spatial layer.

use super::frame::{PackError, PayloadError, Payloads};

/// The bits of the descriptor's first octet (RFC 9628 §4.2).
const PICTURE_ID: u8 = 0x80;
const INTER: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGIN: u8 = 0x08;
const END: u8 = 0x04;
const STRUCTURE: u8 = 0x02;
/// Octets of the descriptor we write: flags, 15-bit picture ID.
const OWN_DESCRIPTOR: usize = 3;
/// Reference indices of one packet in flexible mode.
const MAX_REFERENCES: usize = 3;

/// The payload descriptor of one packet, as far as one layer needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The frame refers to earlier ones.
    pub inter: bool,
    /// A frame of a layer begins here.
    pub begins: bool,
    /// A frame of a layer ends here.
    pub ends: bool,
}

/// Splits a payload into its descriptor and its octets of picture.
pub fn split(payload: &[u8]) -> Result<(Descriptor, &[u8]), PayloadError> {
    let (&flags, mut rest) = payload.split_first().ok_or(PayloadError::Truncated)?;
    if flags & PICTURE_ID != 0 {
        let long = rest.first().is_some_and(|octet| octet & 0x80 != 0);
        rest = skip(rest, if long { 2 } else { 1 })?;
    }
    if flags & LAYERS != 0 {
        // In non-flexible mode TL0PICIDX follows the layer indices.
        rest = skip(rest, if flags & FLEXIBLE == 0 { 2 } else { 1 })?;
    }
    if flags & FLEXIBLE != 0 && flags & INTER != 0 {
        rest = skip_references(rest)?;
    }
    if flags & STRUCTURE != 0 {
        rest = skip_structure(rest)?;
    }
    let descriptor = Descriptor {
        inter: flags & INTER != 0,
        begins: flags & BEGIN != 0,
        ends: flags & END != 0,
    };
    Ok((descriptor, rest))
}

fn skip(octets: &[u8], count: usize) -> Result<&[u8], PayloadError> {
    octets.get(count..).ok_or(PayloadError::Truncated)
}

/// P_DIFF and N, at most three times (RFC 9628 §4.2).
fn skip_references(mut rest: &[u8]) -> Result<&[u8], PayloadError> {
    for _ in 0..MAX_REFERENCES {
        let (&reference, after) = rest.split_first().ok_or(PayloadError::Truncated)?;
        rest = after;
        if reference & 1 == 0 {
            break;
        }
    }
    Ok(rest)
}

/// The scalability structure (RFC 9628 §4.2.1).
fn skip_structure(rest: &[u8]) -> Result<&[u8], PayloadError> {
    let (&head, mut rest) = rest.split_first().ok_or(PayloadError::Truncated)?;
    if head & 0x10 != 0 {
        rest = skip(rest, 4 * (usize::from(head >> 5) + 1))?;
    }
    if head & 0x08 != 0 {
        let (&groups, after) = rest.split_first().ok_or(PayloadError::Truncated)?;
        rest = after;
        for _ in 0..groups {
            let (&group, after) = rest.split_first().ok_or(PayloadError::Truncated)?;
            rest = skip(after, usize::from(group >> 2 & 3))?;
        }
    }
    Ok(rest)
}

/// Can this payload be the first of a frame?
pub fn begins_frame(payload: &[u8]) -> bool {
    split(payload).is_ok_and(|(head, _)| head.begins)
}

/// Joins the payloads of one frame, in sequence order, into `out` (cleared before); says whether it is a keyframe.
pub fn unpack<'a>(
    payloads: impl Iterator<Item = &'a [u8]>,
    max_octets: usize,
    out: &mut Vec<u8>,
) -> Result<bool, PayloadError> {
    out.clear();
    let mut keyframe = None;
    for payload in payloads {
        let (head, octets) = split(payload)?;
        if keyframe.is_none() != head.begins {
            return Err(PayloadError::Disorder);
        }
        if out.len() + octets.len() > max_octets {
            return Err(PayloadError::TooLarge);
        }
        out.extend_from_slice(octets);
        keyframe.get_or_insert(!head.inter);
    }
    keyframe
        .filter(|_| !out.is_empty())
        .ok_or(PayloadError::Empty)
}

/// Makes the payloads of one frame, none longer than `max_payload` octets.
pub fn pack(
    frame: &[u8],
    keyframe: bool,
    picture_id: u16,
    max_payload: usize,
    out: &mut Payloads,
) -> Result<(), PackError> {
    out.clear();
    let room = max_payload.saturating_sub(OWN_DESCRIPTOR).max(1);
    let pieces = frame.len().div_ceil(room);
    let each = frame.len().div_ceil(pieces.max(1)).max(1);
    let last = frame.len().div_ceil(each).saturating_sub(1);
    let [high, low] = picture_id.to_be_bytes();
    for (index, piece) in frame.chunks(each).enumerate() {
        let mut flags = PICTURE_ID;
        for (set, bit) in [
            (!keyframe, INTER),
            (index == 0, BEGIN),
            (index == last, END),
        ] {
            if set {
                flags |= bit;
            }
        }
        out.push(&[&[flags, 0x80 | high, low], piece]);
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
    fn rfc9628_4_2_layers_references_and_structure_are_read_over() {
        let flags = PICTURE_ID | INTER | LAYERS | FLEXIBLE | BEGIN;
        let payload = [flags, 0x81, 2, 0x00, 0x03, 0x04, 0xaa];
        let (head, rest) = split(&payload).unwrap();
        assert!(head.inter && head.begins && !head.ends);
        assert_eq!(rest, [0xaa]);
        let structure = [STRUCTURE | END, 0x18, 1, 2, 3, 4, 2, 0x04, 9, 0x00, 0xbb];
        assert_eq!(split(&structure).unwrap().1, [0xbb]);
        for length in 0..structure.len() - 1 {
            assert_eq!(
                split(&structure[..length]),
                Err(PayloadError::Truncated),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            frame in proptest::collection::vec(any::<u8>(), 1..5000),
            key: bool,
            max in 6_usize..1400,
        ) {
            let mut payloads = Payloads::default();
            pack(&frame, key, 7, max, &mut payloads).unwrap();
            prop_assert!(payloads.iter().all(|(payload, _)| payload.len() <= max));
            let mut out = Vec::new();
            prop_assert_eq!(unpack(payloads.iter().map(|(p, _)| p), 5000, &mut out), Ok(key));
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
