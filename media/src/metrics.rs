//! What this crate counts. The root crate registers it; cores only increment.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of everything a leg refuses, repairs or drops. One set is shared by all legs of a worker.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// RTP datagrams whose header cannot be read (RFC 3550 §A.1).
    pub rtp_malformed: Counter,
    /// RTP datagrams from an address the leg is not latched to.
    pub rtp_stray: Counter,
    /// RTP packets with a payload type that was not agreed on, or while the peer may not send.
    pub rtp_unexpected_payload: Counter,
    /// RTP packets whose sequence number fails the source's validity checks (RFC 3550 §A.1).
    pub rtp_out_of_sequence: Counter,
    /// RTP packets already received once.
    pub rtp_duplicate: Counter,
    /// RTP packets that came after their time to be played.
    pub rtp_late: Counter,
    /// RTP packets dropped because the jitter buffer was at one of its ceilings.
    pub jitter_overflow: Counter,
    /// RTCP datagrams that cannot be read (RFC 3550 §A.2) or come from a stray address.
    pub rtcp_malformed: Counter,
    /// Packets the codec refused; they are concealed like lost ones.
    pub decode_failed: Counter,
    /// Latches that moved to another source address (RTP became symmetric anew).
    pub relatched: Counter,
    /// Leg events dropped because nobody polled them.
    pub events_dropped: Counter,
    /// STUN messages on media ports that cannot be read or are not Binding.
    pub stun_malformed: Counter,
    /// STUN messages on media ports that are not for us (user name) or not signed with the password.
    pub stun_refused: Counter,
    /// STUN checks beyond what a leg answers in a second.
    pub stun_limited: Counter,
    /// Legs for which ICE found no way to the peer.
    pub ice_failed: Counter,
    /// Legs whose peer stopped consenting to media (RFC 7675).
    pub consent_lost: Counter,
    /// Allocations on a TURN server that were refused or lost.
    pub turn_failed: Counter,
    /// Ways to peers that ICE chose.
    pub ice_selected: Counter,
    /// Those of them that go by a TURN server.
    pub ice_relayed: Counter,
    /// Session descriptions that are none (answered 400).
    pub sdp_malformed: Counter,
    /// Session descriptions we could not agree to (answered 488), limits included.
    pub sdp_incompatible: Counter,
    /// Keys and protected packets.
    pub security: crate::crypto::metrics::Metrics,
}

impl Metrics {
    /// Makes every counter visible in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.security.register(registry);
        for (name, help, counter) in self.all().into_iter().chain(self.of_nat()) {
            registry.register(format!("media_{name}"), help, counter.clone());
        }
    }

    fn all(&self) -> [(&'static str, &'static str, &Counter); 13] {
        [
            (
                "rtp_malformed",
                "RTP datagrams that could not be read",
                &self.rtp_malformed,
            ),
            (
                "rtp_stray",
                "RTP datagrams from an address a leg is not latched to",
                &self.rtp_stray,
            ),
            (
                "rtp_unexpected_payload",
                "RTP packets of a payload type not agreed on",
                &self.rtp_unexpected_payload,
            ),
            (
                "rtp_out_of_sequence",
                "RTP packets that fail the sequence checks",
                &self.rtp_out_of_sequence,
            ),
            (
                "rtp_duplicate",
                "RTP packets received twice",
                &self.rtp_duplicate,
            ),
            (
                "rtp_late",
                "RTP packets too late to be played",
                &self.rtp_late,
            ),
            (
                "jitter_overflow",
                "RTP packets dropped at a jitter buffer ceiling",
                &self.jitter_overflow,
            ),
            (
                "rtcp_malformed",
                "RTCP datagrams that could not be read or are stray",
                &self.rtcp_malformed,
            ),
            (
                "decode_failed",
                "Packets a codec refused",
                &self.decode_failed,
            ),
            (
                "relatched",
                "Legs that followed their peer to another address",
                &self.relatched,
            ),
            (
                "leg_events_dropped",
                "Leg events nobody polled in time",
                &self.events_dropped,
            ),
            (
                "sdp_malformed",
                "Session descriptions that could not be read",
                &self.sdp_malformed,
            ),
            (
                "sdp_incompatible",
                "Session descriptions that could not be agreed to",
                &self.sdp_incompatible,
            ),
        ]
    }

    fn of_nat(&self) -> [(&str, &str, &Counter); 8] {
        [
            (
                "stun_malformed",
                "STUN messages on media ports that could not be read",
                &self.stun_malformed,
            ),
            (
                "stun_refused",
                "STUN messages on media ports not addressed to us or not signed with the right password",
                &self.stun_refused,
            ),
            (
                "stun_limited",
                "STUN checks beyond what a leg answers in a second",
                &self.stun_limited,
            ),
            (
                "ice_failed",
                "Legs for which ICE found no way to the peer",
                &self.ice_failed,
            ),
            (
                "consent_lost",
                "Legs whose peer stopped consenting to media",
                &self.consent_lost,
            ),
            (
                "turn_failed",
                "Allocations on a TURN server that were refused or lost",
                &self.turn_failed,
            ),
            (
                "ice_selected",
                "Ways to peers that ICE chose",
                &self.ice_selected,
            ),
            (
                "ice_relayed",
                "Ways to peers that ICE chose and that go by a TURN server",
                &self.ice_relayed,
            ),
        ]
    }
}
