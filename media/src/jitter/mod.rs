//! What a leg knows about time on the network: packets waiting, media time, lateness and clock skew.
//!
//! All media time is in samples at 48 kHz, in one timeline per leg that never jumps back.

pub mod buffer;
pub mod lateness;
pub mod skew;
pub mod timeline;
