//! RFC 3261 user agent core: sans-IO, with a tokio shell.
//!
//! | layer | module | what it knows |
//! |---|---|---|
//! | messages | [`msg`] | parsing, validating, printing |
//! | framing | [`frame`] | one message out of a byte stream |
//! | transactions | [`transaction`] | RFC 3261 §17 as amended by RFC 6026 |
//! | dialogs | [`dialog`] | RFC 3261 §12, the INVITE usage |
//! | endpoint | [`endpoint`] | the sans-IO top: bytes and commands in, bytes and events out |
//! | shell | [`transport`], [`resolve`], [`driver`] | sockets, DNS, the loop |
//!
//! A body is octets and a media type: this crate reads neither SDP nor XML.

pub mod dialog;
#[cfg(feature = "shell")]
pub mod driver;
pub mod endpoint;
pub mod frame;
mod id;
pub mod limits;
pub mod metrics;
pub mod msg;
#[cfg(feature = "shell")]
pub mod resolve;
#[cfg(feature = "shell")]
pub mod transport;
pub mod transaction;
