//! SDP, RTP and audio codecs, sans-IO: nothing here opens a socket, reads a clock or knows SIP.

pub mod codec;
pub mod dtmf;
pub mod jitter;
pub mod leg;
pub mod level;
pub mod limits;
pub mod metrics;
pub mod negotiated;
pub mod pcm;
mod random;
pub mod rtp;
pub mod sdp;
