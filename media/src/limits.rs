//! The bounds of this crate. The numbers are the process's: `src/limits.rs` of the root crate.

use std::time::Duration;

/// Bounds on everything a peer can make a session description or a leg hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of one session description. Beyond: refused with 488.
    pub sdp_bytes: usize,
    /// Media sections of one session description. Beyond: refused with 488.
    pub sdp_sections: usize,
    /// Payload formats of one media section that are looked at; further ones are ignored.
    pub sdp_formats: usize,
    /// The most audio the jitter buffer of one leg ever holds. Beyond: the oldest is dropped and counted.
    pub jitter_ceiling: Duration,
    /// Packets the jitter buffer of one leg ever holds. Beyond: the oldest is dropped and counted.
    pub jitter_packets: usize,
}
