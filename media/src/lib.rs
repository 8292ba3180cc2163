//! SDP, RTP and audio codecs, sans-IO: nothing here opens a socket, reads a clock or knows SIP.

pub mod codec;
pub mod leg;
pub mod limits;
pub mod metrics;
pub mod negotiated;
pub mod pcm;
pub mod sdp;
