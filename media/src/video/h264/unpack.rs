//! RTP payloads into an access unit in the byte stream format (RFC 6184 §5.6 to §5.8).

use super::nal::{NalType, START_CODE};
use crate::video::frame::PayloadError;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Parameter sets of each kind that are kept.
const MAX_SETS: usize = 8;
/// Octets of one parameter set that is kept.
const MAX_SET_OCTETS: usize = 1024;

/// Parameter sets that came outside the stream (`sprop-parameter-sets`, RFC 6184 §8.1), each without start code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sets: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Takes every sequence and picture parameter set of a list, within a bound; other units are ignored.
    pub fn new(sets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let is_set = |set: &Vec<u8>| {
            let kind = set.first().map(|head| NalType::of(*head));
            matches!(kind, Some(NalType::Sps | NalType::Pps)) && set.len() <= MAX_SET_OCTETS
        };
        Self {
            sets: sets.into_iter().filter(is_set).take(2 * MAX_SETS).collect(),
        }
    }

    /// Each set, without start code.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.sets.iter().map(Vec::as_slice)
    }
}

/// What an access unit turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Decoding can begin here: an IDR picture, or a sequence parameter set with a picture after it, as
    /// encoders send it that refresh gradually.
    pub keyframe: bool,
    /// A sequence parameter set was in it.
    pub parameter_sets: bool,
    /// A slice was in it.
    pub picture: bool,
}

/// Joins the payloads of one frame, in sequence order, into `out` (cleared before).
///
/// A keyframe without parameter sets of its own gets those of `sets` in front.
pub fn unpack<'a>(
    payloads: impl Iterator<Item = &'a [u8]>,
    sets: &ParameterSets,
    max_octets: usize,
    out: &mut Vec<u8>,
) -> Result<Contents, PayloadError> {
    out.clear();
    let mut unpacking = Unpacking {
        out,
        max_octets,
        contents: Contents::default(),
        fragment: None,
    };
    for payload in payloads {
        unpacking.take(payload)?;
    }
    if unpacking.fragment.is_some() {
        return Err(PayloadError::Disorder);
    }
    let mut contents = unpacking.contents;
    if !contents.picture && !contents.parameter_sets {
        return Err(PayloadError::Empty);
    }
    if contents.keyframe && !contents.parameter_sets {
        prepend(sets, out);
    }
    contents.keyframe |= contents.parameter_sets && contents.picture;
    Ok(contents)
}

/// Can this payload be the first of a frame? Told without its predecessor: a parameter set, a delimiter, or
/// a slice that begins at the first macroblock (H.264 §7.3.3: `first_mb_in_slice` 0 is one set bit).
pub fn begins_frame(payload: &[u8]) -> bool {
    let Some((&head, body)) = payload.split_first() else {
        return false;
    };
    match head & 0x1f {
        STAP_A => body.get(2..).is_some_and(begins_frame),
        FU_A => match body {
            [fu, first, ..] => fu & 0x80 != 0 && begins_unit(NalType::of(*fu), Some(*first)),
            _ => false,
        },
        _ => begins_unit(NalType::of(head), body.first().copied()),
    }
}

fn begins_unit(kind: NalType, first: Option<u8>) -> bool {
    match kind {
        NalType::Slice | NalType::IdrSlice => first.is_some_and(|octet| octet & 0x80 != 0),
        NalType::Sei | NalType::Sps | NalType::Pps | NalType::Delimiter => true,
        NalType::Other(_) | NalType::NotNal(_) => false,
    }
}

struct Unpacking<'o> {
    out: &'o mut Vec<u8>,
    max_octets: usize,
    contents: Contents,
    /// The type of the unit whose fragments are being joined.
    fragment: Option<u8>,
}

impl Unpacking<'_> {
    fn take(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        let (&head, body) = payload.split_first().ok_or(PayloadError::Truncated)?;
        match head & 0x1f {
            FU_A => self.take_fragment(head, body),
            _ if self.fragment.is_some() => Err(PayloadError::Disorder),
            1..=23 => self.take_unit(payload),
            STAP_A => self.take_aggregate(body),
            kind => Err(PayloadError::PacketType(kind)),
        }
    }

    fn take_unit(&mut self, unit: &[u8]) -> Result<(), PayloadError> {
        let head = unit.first().copied().ok_or(PayloadError::Truncated)?;
        self.note(NalType::of(head));
        self.append(&START_CODE)?;
        self.append(unit)
    }

    /// STAP-A (RFC 6184 §5.7.1): size and unit, one after another.
    fn take_aggregate(&mut self, mut rest: &[u8]) -> Result<(), PayloadError> {
        while !rest.is_empty() {
            let (size, after) = rest
                .split_first_chunk::<2>()
                .ok_or(PayloadError::Truncated)?;
            let size = usize::from(u16::from_be_bytes(*size));
            let (unit, after) = after
                .split_at_checked(size)
                .ok_or(PayloadError::Truncated)?;
            match unit.first().map(|head| head & 0x1f) {
                Some(1..=23) => self.take_unit(unit)?,
                // An aggregation packet must hold no other packet (RFC 6184 §5.7.1); an empty unit says nothing.
                Some(kind) => return Err(PayloadError::PacketType(kind)),
                None => {}
            }
            rest = after;
        }
        Ok(())
    }

    /// FU-A (RFC 6184 §5.8).
    fn take_fragment(&mut self, indicator: u8, body: &[u8]) -> Result<(), PayloadError> {
        let (&fu, piece) = body.split_first().ok_or(PayloadError::Truncated)?;
        let (start, end, kind) = (fu & 0x80 != 0, fu & 0x40 != 0, fu & 0x1f);
        match (start, self.fragment) {
            (true, None) => {
                if !(1..=23).contains(&kind) {
                    return Err(PayloadError::PacketType(kind));
                }
                self.note(NalType::of(kind));
                self.append(&START_CODE)?;
                self.append(&[indicator & 0xe0 | kind])?;
                self.fragment = Some(kind);
            }
            (false, Some(open)) if open == kind => {}
            (true, Some(_)) | (false, Some(_) | None) => return Err(PayloadError::Disorder),
        }
        self.append(piece)?;
        if end {
            self.fragment = None;
        }
        Ok(())
    }

    fn note(&mut self, kind: NalType) {
        match kind {
            NalType::IdrSlice => {
                self.contents.keyframe = true;
                self.contents.picture = true;
            }
            NalType::Slice => self.contents.picture = true,
            NalType::Sps => self.contents.parameter_sets = true,
            NalType::Sei
            | NalType::Pps
            | NalType::Delimiter
            | NalType::Other(_)
            | NalType::NotNal(_) => {}
        }
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), PayloadError> {
        if self.out.len() + octets.len() > self.max_octets {
            return Err(PayloadError::TooLarge);
        }
        self.out.extend_from_slice(octets);
        Ok(())
    }
}

fn prepend(sets: &ParameterSets, out: &mut Vec<u8>) {
    let mut front = Vec::new();
    for set in sets.iter() {
        front.extend_from_slice(&START_CODE);
        front.extend_from_slice(set);
    }
    out.splice(..0, front);
}
