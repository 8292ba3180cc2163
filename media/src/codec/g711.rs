//! G.711 A-law and µ-law (ITU-T G.711), with tables made at compile time.

/// Samples in ±1.0 of every A-law octet.
static A_LAW: [f32; 256] = table(true);
/// Samples in ±1.0 of every µ-law octet.
static U_LAW: [f32; 256] = table(false);

/// Their squares.
static A_LAW_POWER: [f32; 256] = squares(table(true));
static U_LAW_POWER: [f32; 256] = squares(table(false));

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMA.
    A,
    /// PCMU.
    U,
}

/// Appends one sample for every octet.
pub fn decode(law: Law, payload: &[u8], out: &mut Vec<f32>) {
    let table = decoding(law);
    out.extend(payload.iter().map(|&octet| lookup(table, octet)));
}

/// Fills the beginning of `out` with one sample for every octet that has room.
pub fn decode_into(law: Law, payload: &[u8], out: &mut [f32]) {
    let table = decoding(law);
    for (sample, octet) in out.iter_mut().zip(payload) {
        *sample = lookup(table, *octet);
    }
}

/// The mean square of a payload, without decoding it anywhere.
pub fn power(law: Law, payload: &[u8]) -> f32 {
    let table = match law {
        Law::A => &A_LAW_POWER,
        Law::U => &U_LAW_POWER,
    };
    // Several sums at once: one alone would wait for each addition.
    let (eights, rest) = payload.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, octet) in sums.iter_mut().zip(eight) {
            *sum += lookup(table, *octet);
        }
    }
    let rest: f32 = rest.iter().map(|octet| lookup(table, *octet)).sum();
    let count = u16::try_from(payload.len()).unwrap_or(u16::MAX).max(1);
    (sums.iter().sum::<f32>() + rest) / f32::from(count)
}

/// Appends one octet for every sample in ±1.0.
pub fn encode(law: Law, samples: &[f32], out: &mut Vec<u8>) {
    match law {
        Law::A => out.extend(samples.iter().map(|&sample| a_law(super::to_i16(sample)))),
        Law::U => out.extend(samples.iter().map(|&sample| u_law(super::to_i16(sample)))),
    }
}

fn decoding(law: Law) -> &'static [f32; 256] {
    match law {
        Law::A => &A_LAW,
        Law::U => &U_LAW,
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "an octet is always inside a table of 256"
)]
fn lookup(table: &[f32; 256], octet: u8) -> f32 {
    table[usize::from(octet)]
}

/// The position of the highest set bit above the seventh: the segment of a magnitude below 2^15.
#[expect(clippy::cast_possible_truncation, reason = "the segment is 0 to 7")]
fn segment(magnitude: u16) -> u8 {
    (15 - (magnitude | 0x80).leading_zeros() as u8) - 7
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the mantissa is masked to four bits"
)]
fn u_law(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let segment = segment(magnitude);
    let mantissa = (magnitude >> (segment + 3)) as u8 & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | segment << 4 | mantissa)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the mantissa is masked to four bits"
)]
fn a_law(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, (!sample).unsigned_abs())
    } else {
        (0x80, sample.unsigned_abs())
    };
    let segment = segment(magnitude);
    let shift = if segment == 0 { 4 } else { segment + 3 };
    let mantissa = (magnitude >> shift) as u8 & 0x0f;
    (sign | segment << 4 | mantissa) ^ 0x55
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "evaluated at compile time over all 256 octets"
)]
const fn table(a_law: bool) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut index = 0;
    while index < 256 {
        let octet = index as u8;
        let linear = if a_law {
            a_law_linear(octet)
        } else {
            u_law_linear(octet)
        };
        table[index] = linear as f32 / 32_768.0;
        index += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time over all 256 octets"
)]
const fn squares(mut table: [f32; 256]) -> [f32; 256] {
    let mut index = 0;
    while index < 256 {
        table[index] *= table[index];
        index += 1;
    }
    table
}

const fn u_law_linear(octet: u8) -> i32 {
    let bits = !octet;
    let magnitude = (((((bits & 0x0f) as i32) << 3) + 132) << ((bits >> 4) & 7)) - 132;
    if bits & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

const fn a_law_linear(octet: u8) -> i32 {
    let bits = octet ^ 0x55;
    let mantissa = ((bits & 0x0f) as i32) << 4;
    let segment = (bits >> 4) & 7;
    let magnitude = if segment == 0 {
        mantissa + 8
    } else {
        (mantissa + 0x108) << (segment - 1)
    };
    if bits & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}
