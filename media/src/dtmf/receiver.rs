//! Telephone events in (RFC 4733 §2.5.2): when a packet begins a new event and when it repeats one.

/// The longest duration one packet can state (RFC 4733 §2.5.1.3).
const LONGEST: u32 = 0xffff;
/// Timestamps may move by this many ticks within one event of a sender that moves them wrongly: 100 ms at 8 kHz.
const WANDER: u32 = 800;

/// The event last heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventReceiver {
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    event: u8,
    timestamp: u32,
    duration: u32,
    ended: bool,
}

impl EventReceiver {
    /// Takes in one packet; returns the digit if this packet is the first heard of its event.
    ///
    /// The digit is reported at its beginning, so a lost end costs nothing, and a lost beginning only time.
    pub fn hear(&mut self, marker: bool, timestamp: u32, payload: &[u8]) -> Option<char> {
        let &[event, flags, d0, d1, ..] = payload else {
            return None;
        };
        let heard = Heard {
            event,
            timestamp,
            duration: u32::from(u16::from_be_bytes([d0, d1])),
            ended: flags & 0x80 != 0,
        };
        if let Some(last) = self.last {
            let step = timestamp.wrapping_sub(last.timestamp);
            if step > u32::MAX / 2 {
                // Older than what is known: reordered.
                return None;
            }
            if step == 0 || continues(&last, &heard, marker, step) {
                let ended = heard.ended || (step == 0 && last.ended);
                self.last = Some(Heard { ended, ..heard });
                return None;
            }
        }
        self.last = Some(heard);
        super::digit(event)
    }

    /// Forgets everything: timestamps begin anew with a new source.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

/// Whether a packet with a later timestamp still belongs to the event before it: a long event in several segments
/// (RFC 4733 §2.5.1.3), or a sender that moves the timestamp with every update.
fn continues(last: &Heard, heard: &Heard, marker: bool, step: u32) -> bool {
    if marker || last.ended || last.event != heard.event {
        return false;
    }
    let segment = step.abs_diff(LONGEST) <= WANDER || step == last.duration && step > WANDER;
    let wandering = step <= WANDER && heard.duration > last.duration;
    segment || wandering
}
