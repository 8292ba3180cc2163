//! Widening of sequence numbers and timestamps at the door, so that nothing inside ever wraps.

/// Widens 16-bit sequence numbers to the nearest value to the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct WideSequence {
    last: Option<i64>,
}

impl WideSequence {
    /// The wide value nearest to the highest one given so far.
    pub fn widen(&mut self, sequence: u16) -> i64 {
        let wide = match self.last {
            None => i64::from(sequence),
            Some(last) => last + wrapping_distance_16(last, sequence),
        };
        self.last = Some(self.last.map_or(wide, |last| last.max(wide)));
        wide
    }
}

/// Widens 32-bit timestamps to the nearest value to the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct WideTimestamp {
    last: Option<i64>,
}

impl WideTimestamp {
    /// The wide value nearest to the last one given.
    pub fn widen(&mut self, timestamp: u32) -> i64 {
        let wide = match self.last {
            None => i64::from(timestamp),
            Some(last) => last + wrapping_distance_32(last, timestamp),
        };
        self.last = Some(wide);
        wide
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "modular arithmetic on the low 16 bits is the meaning of the operation"
)]
fn wrapping_distance_16(last: i64, sequence: u16) -> i64 {
    i64::from(sequence.wrapping_sub(last as u16) as i16)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "modular arithmetic on the low 32 bits is the meaning of the operation"
)]
fn wrapping_distance_32(last: i64, timestamp: u32) -> i64 {
    i64::from(timestamp.wrapping_sub(last as u32) as i32)
}
