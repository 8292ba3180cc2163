//! ICE (RFC 8445) with STUN (RFC 8489), consent (RFC 7675) and TURN as a client (RFC 8656), sans-IO.
//!
//! | module | what |
//! |---|---|
//! | [`stun`] | messages: read, written, signed |
//! | [`candidate`] | candidates and priorities |
//! | [`agent`] | the agent of one leg: verbs, roles, what was selected |
//! | `answer` | Binding requests of the peer: all that an agent in lite mode does |
//! | `check` | checks of our own: pairs, pacing, triggered checks |
//! | `nominate` | nomination as controlling agent, selection, consent |
//! | `transaction` | retransmission of requests |
//! | [`turn`] | an allocation on a TURN server |
//! | [`gather`] | addresses that a STUN or TURN server gives to a socket |
//!
//! # Decisions
//!
//! *Our own, not `rtc-ice`.* In lite mode, which is how a server on a public address runs, ICE is the answering of
//! Binding requests, on the path of every packet: that must not allocate a connection's worth of state, must answer
//! nobody who does not know the password, and must count what it refuses. The full agent shares all of that and adds
//! the check list. The crates that exist read clocks, resolve names and make tasks of their own, or own the sockets.
//!
//! *HMAC by ring, compared by `subtle`.* STUN demands SHA-1 for its codes; ring has it for legacy protocols only,
//! which this is. MESSAGE-INTEGRITY-SHA256 is not needed by ICE (RFC 8445 §7.1) and ignored.
//!
//! *Relayed candidates are bound to channels.* A ChannelBind makes the permission as well, so one request for each
//! address of the peer does both; datagrams from other ports of a permitted host come as Data indications.
//!
//! *Regular nomination, as RFC 8445 has it; aggressive nomination of the peer is followed.* An agent of RFC 5245 may
//! put USE-CANDIDATE on every check: the best pair so nominated is used.
//!
//! *No trickling.* Our candidates are known before the description is written; the peer's further candidates are
//! found as peer-reflexive ones.

pub mod agent;
mod answer;
pub mod candidate;
mod check;
pub mod gather;
mod nominate;
pub mod stun;
mod transaction;
pub mod turn;

use std::time::Duration;

pub use agent::{Config, Credentials, Event, IceAgent, Inbound, Local, Negotiated, Output, Path};

/// Bounds on what a peer can make an agent hold or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Candidates of one description that are looked at; further ones are ignored.
    pub candidates: usize,
    /// Candidate pairs of one agent. Beyond: the least are left out (RFC 8445 §6.1.2.5).
    pub pairs: usize,
    /// Binding requests answered in a second by one agent. Beyond: dropped and counted.
    pub answers_per_second: u32,
    /// No pair works for this long: the agent gives up.
    pub patience: Duration,
    /// Consent ends so long after the last response (RFC 7675 §5.1: 30 s).
    pub consent: Duration,
}

impl Default for Limits {
    /// 16 candidates, 64 pairs, 100 answers a second, 20 s, 30 s.
    fn default() -> Self {
        Self {
            candidates: 16,
            pairs: 64,
            answers_per_second: 100,
            patience: Duration::from_secs(20),
            consent: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests;
