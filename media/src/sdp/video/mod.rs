//! Video sections (`m=video`): what the peer says, what we say, and what both agree on.
//!
//! | module | what |
//! |---|---|
//! | [`local`] | what we can do and where |
//! | [`remote`] | one section of the peer, read as a whole |
//! | [`describe`] | our own section and its text |
//! | [`negotiate`] | pure offer/answer |
//! | [`sections`] | our sections among our others |
//!
//! # Decisions
//!
//! *One section for people, one for slides, one codec each.* The first section that we can speak is taken for people, and
//! the first that says it is slides (RFC 4796) for those, or a browser's second one; an answer names one format and its retransmissions (RFC 4588),
//! so that nobody changes codecs mid-call.
//!
//! *A transport of its own.* Where the peer bundles (RFC 9143) the answer to audio and video declines the group: packets
//! of video go to the video threads and never through those that mix audio. Chromium adds every section to a group that
//! is in force, and cannot be told otherwise; so there is no group of audio alone beside video, and video that is offered
//! within a group in force is refused. What can only be bundled has port 0 and is refused, too.
//!
//! A video section that cannot be agreed on is refused with port 0; the call goes on with audio.

pub mod describe;
pub mod local;
pub mod negotiate;
pub mod remote;
pub mod sections;
#[cfg(test)]
mod tests;

pub use describe::{VideoFormat, VideoSection};
pub use local::{LocalVideo, Role};
pub use negotiate::AgreedVideo;
