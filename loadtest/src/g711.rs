//! ITU-T G.711, computed from its segment definition.

/// A µ-law octet as a linear sample.
pub fn from_ulaw(octet: u8) -> i16 {
    let code = !octet;
    let segment = (code >> 4) & 7;
    let magnitude = (((i16::from(code & 15) << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// A linear sample as a µ-law octet.
pub fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 0x84;
    // The biased magnitude has its highest bit between 7 and 14: the segment counts from there.
    let segment = 8u32.saturating_sub(magnitude.leading_zeros());
    let mantissa = low_octet(magnitude >> (segment + 3)) & 15;
    !(sign | (low_octet(segment.try_into().unwrap_or(7)) << 4) | mantissa)
}

/// An A-law octet as a linear sample.
pub fn from_alaw(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = (i16::from(code & 15) << 4) + 8;
    let magnitude = if segment == 0 {
        step
    } else {
        (step + 0x100) << (segment - 1)
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// A linear sample as an A-law octet.
pub fn to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, sample.unsigned_abs() - 1)
    } else {
        (0x80, sample.unsigned_abs())
    };
    let magnitude = magnitude.min(32_767);
    let (segment, mantissa) = if magnitude < 0x100 {
        (0, magnitude >> 4)
    } else {
        let segment = 15 - magnitude.leading_zeros().min(15) - 7;
        (segment, magnitude >> (segment + 3))
    };
    let segment = low_octet(segment.try_into().unwrap_or(7));
    (sign | (segment << 4) | (low_octet(mantissa) & 15)) ^ 0x55
}

fn low_octet(value: u16) -> u8 {
    let [_, low] = value.to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_the_way_through_linear() {
        for octet in 0..=255u8 {
            assert_eq!(to_alaw(from_alaw(octet)), octet);
            // µ-law has two zeros; both decode to 0, which encodes to 0xFF.
            if octet != 0x7f {
                assert_eq!(to_ulaw(from_ulaw(octet)), octet);
            }
        }
    }

    #[test]
    fn known_points() {
        assert_eq!(
            (from_ulaw(0x00), from_ulaw(0x80), from_ulaw(0xff)),
            (-32_124, 32_124, 0)
        );
        assert_eq!(
            (from_alaw(0x2a), from_alaw(0xaa), from_alaw(0xd5)),
            (-32_256, 32_256, 8)
        );
    }

    #[test]
    fn the_error_stays_within_half_a_step() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            let linear = i32::from(sample).clamp(-32_635, 32_635);
            let bound = (linear.abs() / 16).max(8) + 8;
            assert!(
                (i32::from(from_ulaw(to_ulaw(sample))) - linear).abs() <= bound,
                "{sample}"
            );
            assert!(
                (i32::from(from_alaw(to_alaw(sample))) - linear).abs() <= bound,
                "{sample}"
            );
        }
    }
}
