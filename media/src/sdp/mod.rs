//! Session descriptions (RFC 8866) and what two of them agree on (RFC 3264).
//!
//! | module | what |
//! |---|---|
//! | here | the model: lines in their order, nothing lost |
//! | [`parse`] | octets → model, tolerant of what real devices send |
//! | [`print`](mod@print) | model → octets |
//! | [`attr`] | readings of single lines: addresses, rtpmap, fmtp, extmap, directions |
//! | [`ice`] | the attributes of ICE |
//! | [`remote`] | one audio section of the peer, read as a whole |
//! | [`security`] | what sections say of keys, and what comes of it |
//! | [`bundle`] | sections that share one transport |
//! | [`describe`] | our own sections and the text they make |
//! | [`negotiate`] | pure offer/answer: capabilities + peer's description → sections + [`NegotiatedAudio`] |
//! | `sending` | rate and length of the packets we send |
//! | [`session`] | the offer/answer state machine of one session |
//! | [`video`] | video sections |
//! | [`floor`] | sections of floor control |
//!
//! [`NegotiatedAudio`]: crate::negotiated::NegotiatedAudio
//!
//! # Decisions
//!
//! The line parser is our own and not the `sdp-types` crate: that one sorts lines into one list
//! per type and so forgets how different types were interleaved, drops lines of types it does not
//! know, and copies every field. A description must come out as it came in, and the parser that
//! keeps it so is smaller than the code that would put the lost order back.
//!
//! Keys of the description are preferred to those of a handshake only where there is no
//! fingerprint: whoever sends both can do the handshake, and its keys never cross the signalling.

use bytes::Bytes;
use smallvec::SmallVec;

pub mod agreement;
pub mod attr;
pub mod bundle;
pub mod describe;
mod error;
pub mod floor;
mod formats;
pub mod ice;
mod local;
pub mod negotiate;
pub mod parse;
pub mod print;
pub mod remote;
pub mod security;
mod sending;
pub mod session;
#[cfg(test)]
pub(crate) mod tests;
pub mod video;

pub use error::{ApiMisuse, Incompatible, Malformed, SdpError};
pub use local::{Local, Offers};
pub use security::Protection;
pub use session::Session;

/// A session description: every line, in order, whether we know its type or not (RFC 8866 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    /// The lines before the first `m=`.
    pub session: Vec<Line>,
    /// The media sections, in order. Their positions are their identity (RFC 3264 §5.1).
    pub media: Vec<MediaSection>,
}

impl SessionDescription {
    /// The value of the first session-level line of this type, trimmed.
    pub fn first(&self, kind: u8) -> Option<&str> {
        first(&self.session, kind)
    }

    /// The session-level attributes as (name, value) in order; a property has an empty value.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        attributes(&self.session)
    }
}

/// One `x=value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The type: one octet, normally a lower-case letter.
    pub kind: u8,
    /// All after the `=`, without the line end. Any octets but CR LF, in the session's charset.
    pub value: Bytes,
}

impl Line {
    /// A line of our own.
    pub fn new(kind: u8, value: impl Into<Bytes>) -> Self {
        Self {
            kind,
            value: value.into(),
        }
    }

    /// The value as text without surrounding white space; empty when it is not UTF-8,
    /// which nothing that we interpret can be.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default().trim()
    }
}

/// A media description: its `m=` line and the lines after it (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSection {
    /// The `m=` line.
    pub m: MediaLine,
    /// The lines after it, in order.
    pub lines: Vec<Line>,
}

impl MediaSection {
    /// The value of the first line of this type, trimmed.
    pub fn first(&self, kind: u8) -> Option<&str> {
        first(&self.lines, kind)
    }

    /// The attributes as (name, value) in order; a property has an empty value.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        attributes(&self.lines)
    }
}

/// The `m=` line (RFC 8866 §5.14), as it came and as it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaLine {
    raw: Bytes,
    media: Bytes,
    port: u16,
    proto: Bytes,
    formats: SmallVec<[Bytes; 12]>,
}

impl MediaLine {
    /// The value as it was written.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// `audio`, `video`, `application`, …
    pub fn media(&self) -> &str {
        utf8(&self.media)
    }

    /// The first port; 0 refuses or disables the section (RFC 3264 §6, §8.2).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The transport profile, such as `RTP/AVP`.
    pub fn proto(&self) -> &str {
        utf8(&self.proto)
    }

    /// The formats in order of preference: payload types for RTP.
    pub fn formats(&self) -> impl Iterator<Item = &str> {
        self.formats.iter().map(utf8)
    }
}

/// Fields of [`MediaLine`] are only made from text that the parser has checked.
fn utf8(octets: &Bytes) -> &str {
    std::str::from_utf8(octets).unwrap_or_default()
}

fn first(lines: &[Line], kind: u8) -> Option<&str> {
    lines.iter().find(|line| line.kind == kind).map(Line::text)
}

fn attributes(lines: &[Line]) -> impl Iterator<Item = (&str, &str)> {
    lines.iter().filter(|line| line.kind == b'a').map(|line| {
        let text = line.text();
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        (name.trim_end(), value.trim_start())
    })
}
