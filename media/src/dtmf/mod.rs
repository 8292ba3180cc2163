//! DTMF digits: as telephone events (RFC 4733), in-band, and signalled; each reported once.

pub mod goertzel;
pub mod once;
pub mod receiver;
pub mod sender;

/// The digits in the order of their event codes (RFC 4733 §3.2).
const DIGITS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// The digit of an event code; `None` for events that are no DTMF.
pub fn digit(event: u8) -> Option<char> {
    DIGITS.get(usize::from(event)).copied()
}

/// The event code of a digit.
pub fn event(digit: char) -> Option<u8> {
    let upper = digit.to_ascii_uppercase();
    DIGITS
        .iter()
        .position(|&known| known == upper)
        .and_then(|index| u8::try_from(index).ok())
}
