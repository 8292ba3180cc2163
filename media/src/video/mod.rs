//! Video below the mixer, sans-IO: payload formats, loss and its repair, feedback, rate, codecs.

pub mod assemble;
pub mod format;
pub mod frame;
pub mod h264;
pub mod vp8;
pub mod vp9;
