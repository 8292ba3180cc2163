//! A conference PIN: kept out of logs, compared in constant time.

use plenum_sip::auth::{Ha1, Hash};
use std::fmt;

/// The PIN of a conference: ASCII digits.
#[derive(Clone)]
pub struct Pin(Box<[u8]>);

impl Pin {
    /// A PIN of 1 to 32 ASCII digits, else `None`.
    pub fn new(digits: &str) -> Option<Self> {
        let good =
            (1..=32).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        good.then(|| Self(digits.as_bytes().into()))
    }

    /// The digits, for whoever may have them.
    pub(crate) fn digits(&self) -> &str {
        // Nothing but ASCII digits gets in.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What digest credentials with it are judged by (RFC 7616 §3.4.2).
    pub(crate) fn ha1(&self, hash: Hash, username: &str, realm: &str) -> Ha1 {
        Ha1::new(hash, username, realm, self.digits())
    }

    /// Whether this is what was keyed in. Takes the same time wherever the first difference is;
    /// only the number of digits keyed in, which the caller knows, shows in it.
    pub fn matches(&self, entry: &PinEntry) -> bool {
        let mut difference = u8::from(self.0.len() != entry.digits.len() || entry.overrun);
        let mut own = self.0.iter().cycle();
        for keyed in &entry.digits {
            let digit = own.next().copied().unwrap_or(b'#');
            difference |= digit ^ keyed;
        }
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

/// The digits of one try, as they come.
#[derive(Clone, Default)]
pub struct PinEntry {
    digits: Vec<u8>,
    overrun: bool,
}

impl PinEntry {
    /// Takes one more key, keeping `limit` digits at most.
    pub(crate) fn key(&mut self, key: char, limit: usize) -> PinKey {
        match u8::try_from(key) {
            Ok(b'#') => PinKey::Finished,
            Ok(digit @ b'0'..=b'9') => {
                if self.digits.len() < limit {
                    self.digits.push(digit);
                } else {
                    self.overrun = true;
                }
                PinKey::More
            }
            // A mistyped PIN can be started over, and other keys belong to no PIN.
            Ok(b'*') => {
                self.clear();
                PinKey::More
            }
            Ok(_) | Err(_) => PinKey::More,
        }
    }

    /// Forgets what was keyed in.
    pub(crate) fn clear(&mut self) {
        self.digits.fill(0);
        self.digits.clear();
        self.overrun = false;
    }
}

impl fmt::Debug for PinEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinEntry(redacted)")
    }
}

/// What a key means while a PIN is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinKey {
    /// The PIN goes on.
    More,
    /// `#`: the PIN is complete.
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(keys: &str) -> PinEntry {
        let mut entry = PinEntry::default();
        for key in keys.chars() {
            assert_eq!(entry.key(key, 8), PinKey::More);
        }
        assert_eq!(entry.key('#', 8), PinKey::Finished);
        entry
    }

    #[test]
    fn only_the_very_digits_match() {
        let pin = Pin::new("1234").unwrap();
        for (keys, right) in [
            ("1234", true),
            ("99*1234", true),
            ("12A34", true),
            ("", false),
            ("123", false),
            ("12345", false),
            ("12341234", false),
            ("4321", false),
            ("1235", false),
        ] {
            assert_eq!(pin.matches(&entry(keys)), right, "{keys}");
        }
    }

    #[test]
    fn digits_past_the_limit_make_it_wrong() {
        assert!(Pin::new("12345678").unwrap().matches(&entry("12345678")));
        assert!(!Pin::new("12345678").unwrap().matches(&entry("123456789")));
    }

    #[test]
    fn pins_are_digits_and_stay_out_of_debug() {
        for bad in [
            "",
            "12a4",
            "12 4",
            "١٢٣",
            "123456789012345678901234567890123",
        ] {
            assert!(Pin::new(bad).is_none(), "{bad}");
        }
        let text = format!("{:?} {:?}", Pin::new("1234"), entry("1234"));
        assert!(!text.contains("1234") && !text.contains("49"), "{text}");
    }
}
