//! What we can do and where: the local side of a negotiation.

use super::attr::{OPUS_BITRATE_MAX, OPUS_BITRATE_MIN};
use super::floor::LocalFloor;
use super::ice::LocalIce;
use super::security::Protection;
use super::video::{LocalVideo, Role};
use crate::crypto::fingerprint::Fingerprint;
use crate::crypto::keys::Seed;
use crate::negotiated::Codec;
use std::net::IpAddr;

/// Our side of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address the peer shall send media to (the advertised one).
    pub address: IpAddr,
    /// Where RTP comes in; not 0.
    pub rtp_port: u16,
    /// Where RTCP comes in when it does not share RTP's port.
    pub rtcp_port: u16,
    /// The session identifier of our `o=` line; unique among our sessions, best random.
    pub session_id: u64,
    /// The `s=` line. Control characters are left out when it is printed; empty prints `-`.
    pub session_name: String,
    /// The codecs we speak, the most wanted first.
    pub codecs: Vec<Codec>,
    /// The offerer's order of codecs decides instead of ours.
    pub prefer_remote: bool,
    /// Audio per packet when the peer does not say: 10, 20, 30, 40 or 60 ms.
    pub ptime_ms: u8,
    /// RTP and RTCP may share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Opus: the most bits a second that we send and ask for, 6,000 to 510,000.
    pub opus_bitrate: u32,
    /// Comfort noise (RFC 3389) is offered and accepted.
    pub comfort_noise: bool,
    /// Telephone events (RFC 4733) are offered and accepted.
    pub telephone_events: bool,
    /// Levels of RFC 6464 are asked for.
    pub audio_level: bool,
    /// Whether media may, or must, be protected.
    pub protection: Protection,
    /// Of our certificate; without one there is no DTLS.
    pub fingerprint: Option<Fingerprint>,
    /// Where our keys come from; without it there is no SDES.
    pub seed: Option<Seed>,
    /// What we bring to ICE; without it there is none.
    pub ice: Option<LocalIce>,
    /// What we do with pictures; without it every video section is refused.
    pub video: Option<Box<LocalVideo>>,
    /// What we do with slides; without it their sections are refused.
    pub content: Option<Box<LocalVideo>>,
    /// How the floor of slides is asked for here.
    pub floor: Option<LocalFloor>,
    /// The source of our sound and its canonical name (RFC 5576). Browsers are told in a group with pictures: of packets
    /// whose source they do not know they believe no payload type there.
    pub source: Option<(u32, String)>,
    /// Whom an offer of ours is for.
    pub offers: Offers,
}

/// Whom an offer of ours is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offers {
    /// Telephones.
    #[default]
    Phone,
    /// Browsers: `UDP/TLS/RTP/SAVPF`, keys by handshake alone, bundled sections (RFC 8829 §5.2.1).
    Browser,
    /// Either: the profile and keys of telephones, and beside them what browsers need, who take every profile
    /// (RFC 8829 §5.1.2).
    Either,
}

impl Local {
    /// Everything on, 20 ms, Opus before G.722 before PCMA before PCMU, RTCP one port above RTP.
    pub fn new(address: IpAddr, rtp_port: u16, session_id: u64) -> Self {
        Self {
            address,
            rtp_port,
            rtcp_port: rtp_port.saturating_add(1),
            session_id,
            session_name: "-".to_owned(),
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
            prefer_remote: false,
            ptime_ms: 20,
            rtcp_mux: true,
            opus_bitrate: 40_000,
            comfort_noise: true,
            telephone_events: true,
            audio_level: true,
            protection: Protection::Optional,
            fingerprint: None,
            seed: None,
            ice: None,
            source: None,
            offers: Offers::Phone,
            video: None,
            content: None,
            floor: None,
        }
    }

    /// What we do with pictures of this kind.
    pub(super) fn stream(&self, role: Role) -> Option<&LocalVideo> {
        match role {
            Role::Main => self.video.as_deref(),
            Role::Content => self.content.as_deref(),
        }
    }

    /// The ceiling within what RFC 7587 §6.1 allows.
    pub(super) fn opus_ceiling(&self) -> u32 {
        self.opus_bitrate.clamp(OPUS_BITRATE_MIN, OPUS_BITRATE_MAX)
    }
}
