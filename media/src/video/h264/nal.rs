//! NAL units in the byte stream format (H.264 §7.3.1, Annex B).

/// What a NAL unit holds, as far as transport cares (H.264 Table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalType {
    /// A coded slice of a picture that refers to others.
    Slice,
    /// A coded slice of a picture from which decoding can begin.
    IdrSlice,
    /// Supplemental enhancement information.
    Sei,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// Another type within 1 to 23.
    Other(u8),
    /// A packet type of RFC 6184 §5.2, or a reserved number: no NAL unit at all.
    NotNal(u8),
}

impl NalType {
    /// From the first octet of a NAL unit.
    pub const fn of(header: u8) -> Self {
        match header & 0x1f {
            1 => Self::Slice,
            5 => Self::IdrSlice,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            kind @ 1..=23 => Self::Other(kind),
            kind => Self::NotNal(kind),
        }
    }
}

/// The start code written before every NAL unit.
pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Every NAL unit of a byte stream, without start codes and trailing zeros; empty ones are left out.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        while let Some(from) = rest {
            let end = find_start_code(from).unwrap_or(from.len());
            let (unit, following) = from.split_at_checked(end)?;
            rest = after_start_code(following);
            let kept = unit
                .iter()
                .rposition(|octet| *octet != 0)
                .map_or(0, |last| last + 1);
            if let Some(unit) = unit.get(..kept).filter(|unit| !unit.is_empty()) {
                return Some(unit);
            }
        }
        None
    })
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    stream.get(find_start_code(stream)? + 3..)
}

/// Where the three octets 0, 0, 1 begin.
///
/// Every third octet is looked at: one greater than 1 can be no part of a start code.
fn find_start_code(stream: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(last) = stream.get(at) {
        match last {
            0 => at += 1,
            1 => {
                if stream.get(at - 2..at) == Some(&[0, 0]) {
                    return Some(at - 2);
                }
                at += 3;
            }
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h264_annex_b_start_codes_of_three_and_four_octets_and_trailing_zeros() {
        let stream = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 9,
        ];
        let units: Vec<_> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 9]]);
    }

    #[test]
    fn a_stream_without_start_code_has_no_units() {
        assert_eq!(nal_units(&[0x65, 1, 2, 3]).count(), 0);
        assert_eq!(nal_units(&[]).count(), 0);
        assert_eq!(nal_units(&[0, 0, 1]).count(), 0);
    }

    proptest! {
        #[test]
        fn the_skipping_search_finds_what_the_plain_one_does(
            stream in proptest::collection::vec(0_u8..4, 0..80),
        ) {
            let plain = stream.windows(3).position(|three| three == [0, 0, 1]);
            prop_assert_eq!(find_start_code(&stream), plain);
        }
    }
}
