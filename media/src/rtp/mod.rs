//! RTP and RTCP on the wire (RFC 3550), without timing or buffering.

pub mod latch;
pub mod packet;
pub mod report;
pub mod rtcp;
pub mod sequence;
pub mod source;
