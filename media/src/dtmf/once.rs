//! The same key press may come as telephone event, in-band and by signalling; it is reported once.

use std::time::{Duration, Instant};

/// Reports of the same digit by different ways are one press within this time; SIP INFO may be that late.
const TOGETHER: Duration = Duration::from_millis(2_000);

/// By which way a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// RFC 4733.
    Event,
    /// Tones in the audio.
    InBand,
    /// SIP INFO.
    Signalled,
}

/// Counts the presses of one digit by each way, and reports as many as the way that heard most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Once {
    digit: Option<(char, Instant)>,
    heard: [u32; 3],
    reported: u32,
}

impl Once {
    /// Whether this is a press not reported yet.
    pub fn is_new(&mut self, now: Instant, digit: char, way: Way) -> bool {
        let same = self.digit.is_some_and(|(last, at)| {
            last == digit && now.saturating_duration_since(at) < TOGETHER
        });
        if !same {
            *self = Self::default();
        }
        self.digit = Some((digit, now));
        let [event, in_band, signalled] = &mut self.heard;
        let count = match way {
            Way::Event => event,
            Way::InBand => in_band,
            Way::Signalled => signalled,
        };
        *count += 1;
        if *count > self.reported {
            self.reported = *count;
            return true;
        }
        false
    }
}
