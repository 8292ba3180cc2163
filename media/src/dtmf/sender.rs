//! Telephone events out (RFC 4733 §2.5.1): one event at a time, an update every packet time, its end three times.

/// How often the end is said (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// The volume we state: −10 dBm0.
const VOLUME: u8 = 10;

/// One event being sent.
#[derive(Clone, Copy, Debug)]
pub struct EventSender {
    event: u8,
    /// RTP timestamp of the beginning, known with the first packet.
    began: Option<u32>,
    /// Ticks it shall last.
    length: u32,
    /// Ticks said so far.
    said: u32,
    ends: u8,
}

/// One packet of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The first one carries the marker (RFC 4733 §2.5.1.2).
    pub marker: bool,
    /// The beginning of the event.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; 4],
}

impl EventSender {
    /// An event of this many ticks; `None` for what is no DTMF digit.
    pub fn new(digit: char, ticks: u32) -> Option<Self> {
        let event = super::event(digit)?;
        Some(Self {
            event,
            began: None,
            length: ticks.clamp(320, 0xffff),
            said: 0,
            ends: 0,
        })
    }

    /// The packet for the packet time that begins at `timestamp`; `None` once the end was said often enough.
    pub fn next(&mut self, timestamp: u32, ticks: u32) -> Option<EventPacket> {
        if self.ends >= ENDS {
            return None;
        }
        let marker = self.began.is_none();
        let began = *self.began.get_or_insert(timestamp);
        self.said = self.said.saturating_add(ticks).min(self.length);
        let end = self.said >= self.length;
        if end {
            self.ends += 1;
        }
        let [_, _, d0, d1] = self.said.to_be_bytes();
        let flags = if end { 0x80 | VOLUME } else { VOLUME };
        Some(EventPacket {
            marker,
            timestamp: began,
            payload: [self.event, flags, d0, d1],
        })
    }
}
