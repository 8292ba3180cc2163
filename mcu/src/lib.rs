//! The mixer of RFC 4353: MCUs and their control contract.
//!
//! An MCU knows participants as media endpoints. It never sees a SIP message, XML, a user or a role.

pub mod audio;
pub mod clock;
pub mod conference;
pub mod control;
mod endpoint;
pub mod floor;
pub mod limits;
mod listener;
pub mod metrics;
mod pictures;
pub mod recording;
#[cfg(feature = "shell")]
pub mod shell;
mod terms;
pub mod video;

pub use endpoint::NewEndpoint;
