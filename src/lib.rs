//! Plenum: a SIP-native conference server. (The architecture page is written with the wiring.)

pub mod config;
pub mod limits;
