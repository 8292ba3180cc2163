//! The Binary Floor Control Protocol (RFC 8855; over streams as in RFC 4582, too), below the floor itself.
//!
//! | module | what |
//! |---|---|
//! | [`message`] | the common header, and one message as a whole |
//! | [`attribute`] | what a message carries |
//! | [`stream`] | messages in a TCP stream |
//! | [`unreliable`] | the transactions of one peer over UDP: repetition and answers that are given again |
//!
//! # Decisions
//!
//! *No fragments.* A message of ours fits into one datagram, and those of clients are far smaller; whoever sends the
//! F bit is told that the message cannot be read (RFC 8855 §6.2 would have us wait for the rest, and hold memory for it).

pub mod attribute;
pub mod message;
pub mod stream;
pub mod unreliable;

pub use attribute::{Attribute, RequestStatus};
pub use message::{ErrorCode, Fault, Header, Message, Primitive};
