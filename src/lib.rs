//! Plenum: a SIP-native conference server. (The architecture page is written with the wiring.)

pub mod compose;
pub mod config;
pub mod http;
mod journal;
pub mod limits;
pub mod observe;
pub mod selfcheck;
#[cfg(test)]
mod tidy;
