//! Video sections (`m=video`): what the peer says, what we say, and what both agree on.
//!
//! | module | what |
//! |---|---|
//! | [`local`] | what we can do and where |
//! | [`remote`] | one section of the peer, read as a whole |
//! | [`describe`] | our own section and its text |
//! | [`negotiate`] | pure offer/answer |
//! | `transport` | of its own, or that of sound |
//! | [`sections`] | our sections among our others |
//!
//! # Decisions
//!
//! *One section for people, one for slides, one codec each.* The first section that we can speak is taken for people, and
//! the first that says it is slides (RFC 4796) for those, or a browser's second one; an answer names one format and its retransmissions (RFC 4588),
//! so that nobody changes codecs mid-call.
//!
//! *In a group or with a transport of its own.* Where the peer bundles as browsers do, with ICE and a handshake
//! ([`super::bundle`]), pictures go by the transport of sound; else the group is declined and they have a transport of their
//! own. What can only be bundled has port 0 then and is refused. A section that is in a group does not leave it, and one
//! that is not does not join it: it is refused.
//!
//! *Transport-wide numbers for the first pictures.* They count the packets of a transport, whatever they carry, but only
//! those that have the extension: a peer that was answered with it in one section of the group numbers the packets of
//! that section alone. So in a group it is agreed on for the picture of people, which is what a rate is estimated for, and
//! neither for sound, whose packets are too small to tell anything and would need a number for each in the mixing
//! threads, nor for slides, which share the rate that is estimated for the transport. We send no REMB and no TMMBR: in a
//! group they would bound all that the peer sends, and nothing here knows better than a peer's own estimate; both are
//! obeyed.
//!
//! A video section that cannot be agreed on is refused with port 0; the call goes on with audio.

#[cfg(test)]
mod bundle_tests;
pub mod describe;
pub mod local;
pub mod negotiate;
pub mod remote;
pub mod sections;
#[cfg(test)]
mod tests;
mod transport;

pub use describe::{VideoFormat, VideoSection};
pub use local::{LocalVideo, Role};
pub use negotiate::AgreedVideo;
