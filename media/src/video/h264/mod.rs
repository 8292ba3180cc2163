//! H.264: what its RTP payload format and its parameters in SDP say (RFC 6184).

mod nal;
mod pack;
mod params;
mod unpack;

pub use nal::{NalType, nal_units};
pub use pack::pack;
pub use params::{Level, PacketizationMode, Params, ParamsError, Profile};
pub use unpack::{Contents, ParameterSets, begins_frame, unpack};

#[cfg(test)]
mod tests;
