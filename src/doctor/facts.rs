//! What the doctor looks at.

use crate::config::Listen;
use crate::doctor::owner::Owner;
use plenum_media::ice::turn::TurnFailure;
use plenum_sip::endpoint::Target;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// All that was found out. What was not looked at is `None` or empty.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `http.listen` answers as a Plenum does.
    pub running: Option<bool>,
    /// The sockets of `sip.listen`.
    pub ports: Vec<(Listen, Port)>,
    /// How many media ports were tried, and which of them somebody else has.
    pub media_ports: (usize, Vec<u16>),
    /// The addresses of this machine.
    pub addresses: Vec<IpAddr>,
    /// What `sip.advertise` means where it is a name: its addresses, or why there are none.
    pub advertised_name: Option<Result<Vec<IpAddr>, String>>,
    /// Each of `sip.domains` that is a name: where callers go (RFC 3263), or why nowhere.
    pub domains: Vec<(String, Result<Vec<Target>, String>)>,
    /// What the STUN server sees us as; `Err` when it does not answer.
    pub observed: Option<Result<SocketAddr, String>>,
    /// The address the TURN server gives; `Err` says why it gives none.
    pub relayed: Option<Result<SocketAddr, TurnFailure>>,
    /// What the kernel or a time service says: the clock is synchronised.
    pub synchronised: Option<bool>,
    /// How far our clock is off by the time server; `Err` when it does not answer.
    pub offset: Option<Result<Offset, String>>,
    /// Certificates.
    pub certificates: Vec<(String, Certificate)>,
}

/// Whether a signalling port can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// It is free.
    Free,
    /// Somebody has it.
    Taken(Option<Owner>),
    /// It cannot be bound.
    Refused(String),
}

/// How far our clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// We are early (too small) rather than late.
    pub behind: bool,
    /// By so much.
    pub by: Duration,
}

/// What a certificate file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It cannot be used.
    Unreadable(String),
    /// It can.
    Readable {
        /// Whole days until it expires; negative: ago.
        days: i64,
        /// The names it is for.
        names: Vec<String>,
    },
}
