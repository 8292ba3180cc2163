//! Simulated phones for load and faults, and the measures taken of what they hear.
//!
//! The generator shares no signalling code with the server: a parser, a transaction layer or a
//! G.711 table used on both sides would agree with itself about its mistakes.

pub mod beside;
pub mod call;
pub mod clock;
pub mod codec;
pub mod control;
pub mod crowd;
pub mod digest;
pub mod fleet;
pub mod g711;
pub mod hearing;
pub mod netem;
pub mod peer;
pub mod process;
pub mod report;
pub mod rtp;
pub mod run;
pub mod scenario;
pub mod sdp;
pub mod server;
pub mod sights;
pub mod signal;
pub mod socket;
pub mod srtp;
pub mod storm;
pub mod tones;
pub mod wire;
