//! The receiving side of a leg.

use super::{Activity, AudioLeg, LegEvent, LegQuality, Pulled};
use crate::pcm::PcmFrame;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

impl AudioLeg {
    /// Takes one datagram from the RTP port. With `rtcp_mux` it may be RTCP as well (RFC 5761 §4).
    pub fn handle_rtp(&mut self, _now: Instant, _from: SocketAddr, _packet: &[u8]) {}

    /// Takes one datagram from the RTCP port.
    pub fn handle_rtcp(&mut self, _now: Instant, _from: SocketAddr, _packet: &[u8]) {}

    /// A DTMF digit that came by signalling, de-duplicated against the media.
    pub fn handle_signalled_dtmf(&mut self, _now: Instant, _digit: char, _duration: Duration) {}

    /// What the frame of this tick is worth, without running a decoder. Call before [`Self::pull`] or [`Self::skip`].
    pub fn activity(&self) -> Activity {
        Activity::Nothing
    }

    /// Decodes exactly the 20 ms of this tick. Call this or [`Self::skip`] once a tick.
    pub fn pull(&mut self, _now: Instant, out: &mut PcmFrame) -> Pulled {
        *out = PcmFrame::SILENCE;
        Pulled::Nothing
    }

    /// Lets 20 ms pass without running a decoder.
    pub fn skip(&mut self, _now: Instant) {}

    /// The level of the last pulled frame in −dBov, 127 for silence.
    pub fn level(&self) -> u8 {
        127
    }

    /// Clock skew of the peer against ours in parts per million; positive when the peer is faster.
    pub fn skew_ppm(&self) -> f32 {
        0.0
    }

    /// From a packet's arrival to its being pulled, smoothed.
    pub fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// How the media of this leg has been so far.
    pub fn quality(&self) -> LegQuality {
        LegQuality::default()
    }

    /// The next event, if any. Poll after every tick.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        None
    }
}
