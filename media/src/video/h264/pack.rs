//! NAL units into RTP payloads (RFC 6184 §5.6 to §5.8).

use super::nal::nal_units;
use super::params::PacketizationMode;
use crate::video::frame::{PackError, Payloads};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// FU indicator and FU header.
const FU_HEAD: usize = 2;

/// Makes the payloads of one access unit in the byte stream format, none longer than `max_payload` octets.
///
/// In non-interleaved mode small units that follow each other share an aggregation packet (STAP-A) and large ones
/// are fragmented (FU-A). In single NAL unit mode a unit that is too large refuses the whole frame: the encoder
/// must be told to cut its slices.
pub fn pack(
    access_unit: &[u8],
    mode: PacketizationMode,
    max_payload: usize,
    out: &mut Payloads,
) -> Result<(), PackError> {
    out.clear();
    match mode {
        PacketizationMode::SingleNal => pack_single(access_unit, max_payload, out)?,
        PacketizationMode::NonInterleaved => pack_non_interleaved(access_unit, max_payload, out),
    }
    if out.is_empty() {
        return Err(PackError::Empty);
    }
    Ok(())
}

fn pack_single(
    access_unit: &[u8],
    max_payload: usize,
    out: &mut Payloads,
) -> Result<(), PackError> {
    for unit in nal_units(access_unit) {
        if unit.len() > max_payload {
            out.clear();
            return Err(PackError::NalTooLarge(unit.len()));
        }
        out.push(&[unit]);
    }
    Ok(())
}

fn pack_non_interleaved(access_unit: &[u8], max_payload: usize, out: &mut Payloads) {
    let mut together: Vec<&[u8]> = Vec::new();
    let mut octets = 1;
    for unit in nal_units(access_unit) {
        let added = 2 + unit.len();
        if octets + added > max_payload {
            aggregate(&mut together, out);
            octets = 1;
        }
        if 1 + added > max_payload {
            fragment(unit, max_payload, out);
        } else {
            together.push(unit);
            octets += added;
        }
    }
    aggregate(&mut together, out);
}

/// One unit goes as it is, several in a STAP-A (RFC 6184 §5.7.1).
fn aggregate(together: &mut Vec<&[u8]>, out: &mut Payloads) {
    if let [unit] = together.as_slice() {
        out.push(&[unit]);
    } else if !together.is_empty() {
        let importance = together
            .iter()
            .map(|unit| head(unit) & 0x60)
            .max()
            .unwrap_or(0);
        let mut payload = vec![importance | STAP_A];
        for unit in together.iter() {
            payload.extend_from_slice(&u16::try_from(unit.len()).unwrap_or(0).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        out.push(&[&payload]);
    }
    together.clear();
}

/// FU-A (RFC 6184 §5.8): the header of the unit is spread over indicator and FU header.
fn fragment(unit: &[u8], max_payload: usize, out: &mut Payloads) {
    let Some((header, body)) = unit.split_first() else {
        return;
    };
    // A unit that would fit alone is not fragmented: "start and end bit MUST NOT both be set".
    if unit.len() <= max_payload {
        out.push(&[unit]);
        return;
    }
    let room = max_payload.saturating_sub(FU_HEAD).max(1);
    let pieces = body.len().div_ceil(room);
    // Equal pieces, so that no packet is much smaller than its neighbours.
    let each = body.len().div_ceil(pieces.max(1)).max(1);
    let last = body.len().div_ceil(each).saturating_sub(1);
    for (index, piece) in body.chunks(each).enumerate() {
        let start = u8::from(index == 0) << 7;
        let end = u8::from(index == last) << 6;
        out.push(&[&[header & 0xe0 | FU_A, start | end | header & 0x1f], piece]);
    }
}

fn head(unit: &[u8]) -> u8 {
    unit.first().copied().unwrap_or(0)
}
