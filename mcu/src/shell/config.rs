//! How the audio MCU is set up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::video::VideoSetup;
use crate::control::Protection;
use crate::recording::Recorder;
use plenum_media::negotiated::Codec;

/// How the MCU is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where IPv4 media sockets are bound; `None` does without IPv4. Unspecified (0.0.0.0): each leg is bound to the
    /// address its description names where that is one of this machine, so that a host with several addresses sends
    /// from the one its peer sends to.
    pub bind_v4: Option<Ipv4Addr>,
    /// Where IPv6 media sockets are bound; `None` does without IPv6.
    pub bind_v6: Option<Ipv6Addr>,
    /// What session descriptions name as our IPv4 address. Without: the address the signalling reached us
    /// at, else the bound one.
    pub advertised_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub advertised_v6: Option<Ipv6Addr>,
    /// RTP and RTCP ports, for each address family.
    pub ports: RangeInclusive<u16>,
    /// Mixing threads; 0 takes one per core.
    pub workers: usize,
    /// The codecs we speak, the most wanted first.
    pub codecs: Vec<Codec>,
    /// The offerer's order of codecs decides instead of ours.
    pub prefer_remote: bool,
    /// Audio per packet when the peer does not say, ms.
    pub ptime_ms: u8,
    /// Opus: the most bits a second that we send and ask for.
    pub opus_bitrate: u32,
    /// Comfort noise (RFC 3389) is offered and accepted.
    pub comfort_noise: bool,
    /// Whether media may, or must, be encrypted where nobody says otherwise.
    pub protection: Protection,
    /// Ways through NATs.
    pub nat: Nat,
    /// DTMF tones within the audio are looked for where no telephone-event was agreed on.
    pub inband_dtmf: bool,
    /// Video; without it every video section is refused.
    pub video: Option<VideoSetup>,
    /// Who keeps recordings; without, nothing can be recorded.
    pub recorder: Option<Arc<dyn Recorder>>,
}

impl Config {
    /// Mixing threads: as many as are wanted, or one for each processor.
    pub(super) fn mixing_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

impl Default for Config {
    /// Every IPv4 address, ports 16384 to 32767, a thread per core, all codecs.
    fn default() -> Self {
        Self {
            bind_v4: Some(Ipv4Addr::UNSPECIFIED),
            bind_v6: None,
            advertised_v4: None,
            advertised_v6: None,
            ports: 16_384..=32_767,
            workers: 0,
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
            prefer_remote: false,
            ptime_ms: 20,
            opus_bitrate: 40_000,
            comfort_noise: true,
            protection: Protection::Optional,
            nat: Nat::default(),
            inband_dtmf: true,
            video: None,
            recorder: None,
        }
    }
}

/// Which address a peer is told, by its own.
type Told = Arc<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>;

/// Whether a peer may, or must, encrypt, by its address.
type ProtectionOf = Arc<dyn Fn(IpAddr) -> Option<Protection> + Send + Sync>;

/// Ways through NATs, and what else goes by the peer's network.
#[derive(Clone)]
pub struct Nat {
    /// What we do about ICE (RFC 8445).
    pub ice: Ice,
    /// The address that a peer is told, by its own; `None`: what everybody is told.
    pub told: Told,
    /// Whether a peer may, or must, encrypt, by its address; `None`: as everybody.
    pub protection: ProtectionOf,
    /// Who is asked for addresses of ours, with [`Ice::Full`].
    pub servers: Servers,
}

/// Servers that give addresses to our sockets (RFC 8445 §5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// A STUN server, `HOST:PORT`.
    pub stun: Option<String>,
    /// A TURN server.
    pub turn: Option<TurnLogin>,
}

/// A TURN server and who we are there. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnLogin {
    /// `HOST:PORT`.
    pub server: String,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for TurnLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnLogin")
            .field("server", &self.server)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Nat {
    /// Somebody is asked for addresses of ours.
    pub(super) fn asks(&self) -> bool {
        self.ice == Ice::Full && self.servers != Servers::default()
    }
}

/// What we do about ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ice {
    /// Nothing.
    Off,
    /// We answer checks.
    Lite,
    /// We make checks as well, and offer ICE ourselves.
    Full,
}

impl Default for Nat {
    /// ICE in answers, everybody is told the same address.
    fn default() -> Self {
        Self {
            ice: Ice::Lite,
            told: Arc::new(|_| None),
            protection: Arc::new(|_| None),
            servers: Servers::default(),
        }
    }
}

impl fmt::Debug for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nat")
            .field("ice", &self.ice)
            .finish_non_exhaustive()
    }
}
