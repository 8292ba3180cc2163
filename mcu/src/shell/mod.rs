//! Threads and sockets around [`crate::conference`].
//!
//! | module | what |
//! |---|---|
//! | [`mcu`] | the control plane, on the caller's thread: negotiation, ports, admission |
//! | [`ports`] | the RTP port range |
//! | [`sockets`] | a leg's sockets |
//! | [`worker`] | the mixing threads: receive, tick, send |

pub mod mcu;
pub mod ports;
pub mod sockets;
#[cfg(test)]
mod tests;
mod worker;

pub use mcu::{AudioMcu, Config, EventSink, StartError};
