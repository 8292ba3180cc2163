//! The time by SNTP (RFC 5905 §14): one question, one answer.

use crate::doctor::facts::Offset;
use std::time::{Duration, SystemTime};

/// Seconds from 1900 to 1970.
const UNIX: u64 = 2_208_988_800;

/// The question, which carries our time so that the answer can be told from others.
#[must_use]
pub fn question(now: SystemTime) -> [u8; 48] {
    let mut out = [0; 48];
    // Leap indicator 0, version 4, mode 3: client.
    out[0] = 0x23;
    out[40..].copy_from_slice(&stamp(now).to_be_bytes());
    out
}

/// How far we are off by an answer to the question asked at `asked`, read at `now`; `None`: it is no answer to it, or
/// the server has no time itself.
#[must_use]
pub fn offset(answer: &[u8], asked: SystemTime, now: SystemTime) -> Option<Offset> {
    let (flags, stratum) = (*answer.first()?, *answer.get(1)?);
    let field = |at: usize| {
        let octets = answer.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_be_bytes(octets))
    };
    let server = flags & 7 == 4 && flags >> 6 != 3 && (1..16).contains(&stratum);
    if !server || field(24)? != stamp(asked) {
        return None;
    }
    // RFC 5905 §8: θ = ((T2 − T1) + (T3 − T4)) / 2.
    let (t1, t2) = (i128::from(stamp(asked)), i128::from(field(32)?));
    let (t3, t4) = (i128::from(field(40)?), i128::from(stamp(now)));
    let theta = ((t2 - t1) + (t3 - t4)) / 2;
    let nanos = theta.unsigned_abs().saturating_mul(1_000_000_000) >> 32;
    let by = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    Some(Offset {
        behind: theta > 0,
        by,
    })
}

/// Seconds since 1900 in the upper, the fraction in the lower 32 bits.
fn stamp(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(UNIX) << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_000 + ms)
    }

    fn answer(asked: SystemTime, received: SystemTime, sent: SystemTime) -> [u8; 48] {
        let mut out = [0; 48];
        (out[0], out[1]) = (0x24, 2);
        out[24..32].copy_from_slice(&stamp(asked).to_be_bytes());
        out[32..40].copy_from_slice(&stamp(received).to_be_bytes());
        out[40..].copy_from_slice(&stamp(sent).to_be_bytes());
        out
    }

    #[test]
    fn rfc5905_8_the_offset_is_halfway_between_the_two_ways() {
        // 20 ms each way; the server is five seconds ahead.
        let answered = answer(at(0), at(5_020), at(5_021));
        let offset = offset(&answered, at(0), at(41)).unwrap();
        assert!(offset.behind);
        assert!(offset.by.abs_diff(Duration::from_secs(5)) < Duration::from_millis(2));
        let answered = answer(at(9_000), at(20), at(20));
        let offset = super::offset(&answered, at(9_000), at(9_040)).unwrap();
        assert!(!offset.behind);
        assert!(offset.by.abs_diff(Duration::from_secs(9)) < Duration::from_millis(2));
    }

    #[test]
    fn rfc5905_14_other_datagrams_are_no_answer() {
        let good = answer(at(0), at(20), at(20));
        assert!(offset(&good, at(0), at(40)).is_some());
        assert_eq!(offset(&good, at(1), at(40)), None, "to another question");
        assert_eq!(offset(&good[..47], at(0), at(40)), None);
        assert_eq!(offset(&question(at(0)), at(0), at(40)), None);
        let mut unsynchronised = good;
        unsynchronised[0] |= 0xc0;
        assert_eq!(offset(&unsynchronised, at(0), at(40)), None);
    }
}
