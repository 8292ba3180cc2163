//! Video below the mixer, sans-IO: payload formats, loss and its repair, feedback, rate, codecs.
//!
//! | module | what it is |
//! |---|---|
//! | [`frame`] | one encoded picture, and the RTP payloads made of it |
//! | [`h264`], [`vp8`], [`vp9`] | payload formats (RFC 6184, RFC 7741, RFC 9628) |
//! | [`format`] | the three behind one type |
//! | [`assemble`] | packets into frames: reordering, loss, giving up |
//! | [`picture`] | one decoded picture |
//! | [`codec`] | frames to pictures and back, within bounds |

pub mod assemble;
pub mod codec;
pub mod format;
pub mod frame;
pub mod h264;
pub mod picture;
pub mod vp8;
pub mod vp9;
