//! The sending side of a leg.

use super::{AudioLeg, Outgoing, SendFormat};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

impl AudioLeg {
    /// How to encode what this leg sends; `None` while it may not send or has nowhere to.
    pub fn send_format(&self) -> Option<SendFormat> {
        self.negotiated
            .as_ref()
            .filter(|agreed| agreed.sending)
            .map(|agreed| agreed.send)
    }

    /// Makes one RTP packet of `ticks` RTP clock ticks in `out` (which is cleared first). Returns whether there is one to send.
    ///
    /// Call once per packet time, also for silence, so that the timestamps keep up with time. At most 15 `csrcs` are written.
    /// While a telephone event is being sent it takes the place of the audio.
    pub fn packetize(
        &mut self,
        _now: Instant,
        _outgoing: Outgoing<'_>,
        _ticks: u32,
        _csrcs: &[u32],
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        false
    }

    /// Sends a DTMF digit as a telephone event (RFC 4733). Returns false when none was agreed on or one is still being sent.
    pub fn send_dtmf(&mut self, _digit: char, _duration: Duration) -> bool {
        false
    }

    /// Where RTP goes: the latched source, else what the peer signalled.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.negotiated
            .as_ref()
            .and_then(|agreed| agreed.remote_rtp)
    }

    /// Where RTCP goes.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.negotiated
            .as_ref()
            .and_then(|agreed| agreed.remote_rtcp)
    }

    /// Writes the RTCP compound packet that is due, if one is. Returns whether `out` holds one. Cheap when none is due.
    pub fn poll_rtcp(&mut self, _now: Instant, out: &mut Vec<u8>) -> bool {
        out.clear();
        false
    }

    /// Writes the last RTCP packet of this leg: reports and BYE (RFC 3550 §6.6).
    pub fn write_bye(&mut self, _now: Instant, out: &mut Vec<u8>) {
        out.clear();
    }

    /// The share of our packets the peer reports lost, percent: for [`crate::codec::Encoder::set_expected_loss`].
    pub fn peer_loss_percent(&self) -> u8 {
        0
    }
}
