//! The end of a shared path where pictures are (RFC 9143 §9): keys of its own for the same association, and the way that
//! the path chose.
//!
//! # Decisions
//!
//! *Two contexts on one key.* All that SRTP counts, it counts for each source (RFC 3711 §3.2.3): rollovers, replays, the
//! key stream. Sound and pictures have different sources, ours as well as the peer's, so each side may have a context of
//! its own. Reports of the peer are given to both and looked at by both.

use super::guard::Guard;
use super::{Inbound, PathConfig, Reach, Refused, demultiplex, refusal};
use crate::crypto::dtls::Keys;
use demultiplex::Kind;
use std::time::Instant;

/// The end of a shared path.
#[derive(Debug)]
pub struct Branch {
    config: PathConfig,
    guard: Guard,
    keyed: bool,
    reach: Option<Reach>,
}

impl Branch {
    /// An end that takes and gives nothing until [`Self::follow`].
    pub fn new(config: PathConfig) -> Self {
        Self {
            config,
            guard: Guard::default(),
            keyed: false,
            reach: None,
        }
    }

    /// What the path has now. Keys that stay the same go on.
    pub fn follow(&mut self, now: Instant, keys: Option<&Keys>, reach: Option<Reach>) {
        match keys {
            Some(keys) => self.guard.install_dtls(now, keys, &self.config.limits),
            None if self.keyed => self.guard = Guard::default(),
            None => {}
        }
        self.keyed = keys.is_some();
        self.reach = reach;
    }

    /// Takes one datagram that the path put aside; it is decrypted where it is.
    pub fn handle_datagram<'d>(&mut self, now: Instant, datagram: &'d mut [u8]) -> Inbound<'d> {
        self.guard.handle_timeout(now);
        let refused = match demultiplex::kind(datagram) {
            Kind::Rtp => match self.guard.unprotect_rtp(now, datagram) {
                Ok(packet) => return Inbound::Rtp(packet),
                other => refusal(Some(other)),
            },
            Kind::Rtcp => match self.guard.unprotect_rtcp(now, datagram) {
                Ok(packet) => return Inbound::Rtcp(packet),
                other => refusal(Some(other)),
            },
            Kind::Stun | Kind::Channel | Kind::Dtls | Kind::Unknown => Refused::Unexpected,
        };
        self.config.metrics.refused(refused);
        Inbound::Refused(refused)
    }

    /// Makes the form of an RTP packet on the wire in `out` and says how it goes; `None` while there are no keys or no way.
    pub fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Option<Reach> {
        let reach = self.reach?;
        self.guard.protect_rtp(packet, out).ok()?;
        Some(wrapped(reach, out))
    }

    /// The same for RTCP.
    pub fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Option<Reach> {
        let reach = self.reach?;
        self.guard.protect_rtcp(packet, out).ok()?;
        Some(wrapped(reach, out))
    }
}

/// The header of a TURN server's channel (RFC 8656 §12.4), where it goes by one.
fn wrapped(reach: Reach, packet: &mut Vec<u8>) -> Reach {
    if let Some(number) = reach.channel {
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let ([a, b], [c, d]) = (number.to_be_bytes(), length.to_be_bytes());
        packet.splice(0..0, [a, b, c, d]);
    }
    reach
}
