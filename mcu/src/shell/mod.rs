//! Threads and sockets around [`crate::conference`].
//!
//! | module | what |
//! |---|---|
//! | `adopt` | from one conference to another |
//! | [`mcu`] | the control plane, on the caller's thread: negotiation, ports, admission |
//! | [`config`] | how it is set up |
//! | `bundle` | pictures that share the transport of sound |
//! | `exchange` | offers and answers of audio and video together |
//! | `in_mixer` | which commands are the mixer's |
//! | `legs` | what a new leg needs |
//! | `load` | how busy a thread is |
//! | [`ports`] | the RTP port range |
//! | `priority` | which threads go first |
//! | `record` | the control plane of recording |
//! | `reserve` | sockets with addresses from STUN and TURN servers, ready for calls |
//! | `receive` | datagrams with the time of their arrival |
//! | [`sockets`] | a leg's sockets |
//! | `turns` | whose handshakes go on |
//! | [`video`] | the threads of video |
//! | `worker` | the mixing threads: receive, tick, send |

mod adopt;
mod bundle;
pub mod config;
mod exchange;
mod floor_link;
mod in_mixer;
mod legs;
mod load;
pub mod mcu;
pub mod ports;
mod priority;
mod receive;
mod record;
mod reserve;
pub mod sockets;
#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "tests look for one variant among many"
)]
mod tests;
mod turns;
pub mod video;
mod worker;

pub use config::{Config, Ice, Nat, Servers, TurnLogin};
pub use mcu::{AudioMcu, EventSink, StartError};
pub use video::VideoSetup;
