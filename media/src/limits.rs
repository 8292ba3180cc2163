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
    /// Bounds of keys and handshakes.
    pub security: SecurityLimits,
    /// Of ICE.
    pub ice: crate::ice::Limits,
}

impl Default for Limits {
    /// What suits a server of a thousand legs.
    fn default() -> Self {
        Self {
            sdp_bytes: 16_384,
            sdp_sections: 8,
            sdp_formats: 32,
            jitter_ceiling: Duration::from_millis(200),
            jitter_packets: 64,
            security: SecurityLimits::default(),
            ice: crate::ice::Limits::default(),
        }
    }
}

/// Bounds on what protected media can make a leg hold or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityLimits {
    /// Synchronisation sources of one peer. Beyond: their packets are refused and counted.
    pub srtp_sources: usize,
    /// Old keys are good for late packets this long after a change.
    pub late_key: Duration,
    /// A DTLS handshake not done after this, from the agreement on, has failed.
    pub dtls_handshake: Duration,
    /// DTLS handshakes at once. Beyond: they wait.
    pub dtls_handshakes: usize,
    /// DTLS datagrams of one leg that wait to be worked on. Beyond: dropped and counted; the peer repeats them.
    pub dtls_waiting: usize,
    /// Octets one DTLS association takes from its peer. Beyond: ignored and counted.
    pub dtls_octets: usize,
}

impl Default for SecurityLimits {
    /// What suits a server of a thousand legs.
    fn default() -> Self {
        Self {
            srtp_sources: 64,
            late_key: Duration::from_secs(5),
            dtls_handshake: Duration::from_secs(15),
            dtls_handshakes: 64,
            dtls_waiting: 8,
            dtls_octets: 64 * 1024,
        }
    }
}
