//! What offer and answer agreed on about the transport of a leg.

use crate::crypto::dtls::Role;
use crate::crypto::fingerprint::Fingerprint;
use crate::crypto::keys::MasterKey;
use crate::crypto::srtp::PeerKey;
use crate::sdp::ice::AgreedIce;
use bytes::Bytes;
use std::net::SocketAddr;

/// How packets travel. A leg with plain RTP and without ICE has none of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedPath {
    /// How they are protected.
    pub keying: Keying,
    /// How the way to the peer is found; without it, by what it said and where its packets come from.
    pub ice: Option<Box<AgreedIce>>,
    /// Where the peer said it wants RTP.
    pub rtp: Option<SocketAddr>,
    /// Where the peer said it wants RTCP, when that has its own port.
    pub rtcp: Option<SocketAddr>,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
}

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keying {
    /// There are none: plain RTP.
    Plain,
    /// From the session description (RFC 4568).
    Sdes {
        /// Ours.
        send: MasterKey,
        /// The peer's.
        receive: Vec<PeerKey>,
    },
    /// From a handshake (RFC 5763).
    Dtls(DtlsParameters),
}

/// What the descriptions say about the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsParameters {
    /// Who begins; `None` while both sides hold (`a=setup:holdconn`).
    pub role: Option<Role>,
    /// What the peer says of its certificate.
    pub fingerprints: Vec<Fingerprint>,
    /// The peer's name for the association (RFC 8842 §4).
    pub tls_id: Option<Bytes>,
    /// Counts up with every new association that the descriptions ask for (RFC 8842 §3).
    pub generation: u32,
}
