//! What travels between payload formats and codecs: one encoded frame, and the payloads made of it.

use bytes::Bytes;

/// The RTP clock of every video payload format, hertz.
pub const CLOCK: u32 = 90_000;

/// A video codec Plenum speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VideoCodec {
    /// H.264 (RFC 6184).
    H264,
    /// VP8 (RFC 6386, RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
}

impl VideoCodec {
    /// The codec as SDP writes it: `H264/90000`.
    pub const fn rtpmap(self) -> &'static str {
        match self {
            Self::H264 => "H264/90000",
            Self::Vp8 => "VP8/90000",
            Self::Vp9 => "VP9/90000",
        }
    }
}

/// One encoded picture. H.264 is in the byte stream format with start codes (H.264 Annex B).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// In which codec.
    pub codec: VideoCodec,
    /// It can be decoded without any frame before it.
    pub keyframe: bool,
    /// Ticks of [`CLOCK`], widened so that they never wrap.
    pub timestamp: i64,
    /// The picture.
    pub data: Bytes,
}

/// The RTP payloads of one frame, made once for every receiver of the same format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    octets: Vec<u8>,
    /// The end of each payload in `octets`.
    ends: Vec<usize>,
}

impl Payloads {
    /// No payload, the memory kept.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// Appends one payload, given in pieces.
    pub fn push(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.octets.extend_from_slice(piece);
        }
        self.ends.push(self.octets.len());
    }

    /// Every payload and whether it is the last of the frame, which carries the marker bit.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(index, end)| {
            let payload = self.octets.get(start..*end).unwrap_or_default();
            start = *end;
            (payload, index + 1 == self.ends.len())
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Octets of all payloads together.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }
}

/// Why payloads make no frame. The sender is at fault; the frame is treated as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Shorter than its own headers say.
    #[error("truncated payload")]
    Truncated,
    /// A fragment without its beginning, or a unit that begins before the last one ended.
    #[error("fragments in disorder")]
    Disorder,
    /// A packet type of a mode that was not agreed on (RFC 6184 §5.2), or a reserved one.
    #[error("packet type {0} not in use")]
    PacketType(u8),
    /// The frame exceeds the bound on its octets.
    #[error("frame too large")]
    TooLarge,
    /// No octet of picture in it.
    #[error("empty frame")]
    Empty,
}

/// Why a frame cannot be put into packets. We are at fault, or the agreed format does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A NAL unit larger than a packet, in single NAL unit mode (RFC 6184 §6.2).
    #[error("NAL unit of {0} octets in single NAL unit mode")]
    NalTooLarge(usize),
    /// Nothing to send.
    #[error("empty frame")]
    Empty,
}
