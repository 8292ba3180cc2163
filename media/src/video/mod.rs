//! Video below the mixer, sans-IO: payload formats, loss and its repair, feedback, rate, codecs.
//!
//! | module | what it is |
//! |---|---|
//! | [`frame`] | one encoded picture, and the RTP payloads made of it |
//! | [`h264`], [`vp8`], [`vp9`] | payload formats (RFC 6184, RFC 7741, RFC 9628) |
//! | [`mod@format`] | the three behind one type |
//! | [`assemble`] | packets into frames: reordering, loss, giving up |
//! | [`feedback`] | RTCP about loss, keyframes and rate (RFC 4585, RFC 5104, REMB, transport-wide) |
//! | [`rtx`] | what was sent, sent again (RFC 4588) |
//! | [`keyframe`] | requests for keyframes merged and limited |
//! | [`rate`] | reports → target bitrate → resolution and rate class |
//! | [`mod@negotiated`] | what SDP agreed on |
//! | [`leg`] | both directions of one peer, with reports and the latch |
//! | [`send`], [`receive`] | one stream in each direction, made of all that |
//! | [`picture`] | one decoded picture |
//! | [`codec`] | frames to pictures and back, within bounds |

pub mod assemble;
pub mod codec;
pub mod feedback;
pub mod format;
pub mod frame;
pub mod h264;
pub mod keyframe;
pub mod leg;
pub mod negotiated;
pub mod picture;
pub mod rate;
pub mod receive;
pub mod rtx;
pub mod send;
pub mod vp8;
pub mod vp9;
