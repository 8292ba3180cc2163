//! DTMF in INFO requests: `application/dtmf-relay` and `application/dtmf` (RFC 6086 calls such use
//! legacy; phones use it all the same).

use plenum_mcu::control::Digit;
use plenum_sip::msg::MediaType;
use std::time::Duration;

/// Reads a digit from an INFO body of either type. `None` when there is no digit in it.
pub(crate) fn read(media_type: &MediaType, body: &[u8]) -> Option<(Digit, Duration)> {
    let text = std::str::from_utf8(body.get(..body.len().min(MOST_OCTETS))?).ok()?;
    if media_type.subtype.eq_ignore_case("dtmf") {
        return Some((digit(text)?, DEFAULT));
    }
    let mut key = None;
    let mut duration = DEFAULT;
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("signal") {
            key = Some(digit(value)?);
        } else if name.trim().eq_ignore_ascii_case("duration") {
            let ms = value.trim().parse::<u64>().ok()?;
            duration = Duration::from_millis(ms.min(LONGEST_MS));
        }
    }
    key.map(|key| (key, duration))
}

/// Whether a body of this type is a digit.
pub(crate) fn understands(media_type: &MediaType) -> bool {
    media_type.is("application", "dtmf-relay") || media_type.is("application", "dtmf")
}

/// A key by its sign, or by its event number of RFC 4733 §3.2, which some gateways send.
fn digit(text: &str) -> Option<Digit> {
    let text = text.trim();
    let mut chars = text.chars();
    let first = chars.next()?.to_ascii_uppercase();
    if chars.next().is_none() {
        return matches!(first, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Digit(first));
    }
    match text {
        "10" => Some(Digit('*')),
        "11" => Some(Digit('#')),
        "12" => Some(Digit('A')),
        "13" => Some(Digit('B')),
        "14" => Some(Digit('C')),
        "15" => Some(Digit('D')),
        _ => None,
    }
}

/// When the INFO does not say how long the key was pressed.
const DEFAULT: Duration = Duration::from_millis(160);
const LONGEST_MS: u64 = 10_000;
const MOST_OCTETS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_their_two_forms() {
        for (subtype, body, expect) in [
            (
                "dtmf-relay",
                "Signal=5\r\nDuration=200\r\n",
                Some(('5', 200)),
            ),
            ("dtmf-relay", "Signal= #\nDuration= 100", Some(('#', 100))),
            ("dtmf-relay", "signal=10", Some(('*', 160))),
            (
                "dtmf-relay",
                "Signal=a\r\nDuration=99999999",
                Some(('A', 10_000)),
            ),
            ("dtmf-relay", "Duration=100", None),
            ("dtmf-relay", "Signal=5\r\nDuration=soon", None),
            ("dtmf-relay", "Signal=hook", None),
            ("dtmf-relay", "", None),
            ("dtmf", "7", Some(('7', 160))),
            ("dtmf", " 11\r\n", Some(('#', 160))),
            ("dtmf", "77", None),
            ("dtmf", "", None),
            ("DTMF", "*", Some(('*', 160))),
        ] {
            let media_type = MediaType::new("application", subtype);
            assert!(understands(&media_type));
            let read = read(&media_type, body.as_bytes());
            let read = read.map(|(digit, duration)| (digit.0, duration.as_millis()));
            assert_eq!(read, expect, "{subtype}: {body:?}");
        }
        assert!(!understands(&MediaType::new("application", "sdp")));
        assert_eq!(read(&MediaType::new("application", "dtmf"), b"\xff"), None);
    }
}
