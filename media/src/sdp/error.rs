//! Who is at fault when a description cannot be used, and the words for it.

use std::net::IpAddr;

/// Why a description was not taken. The session is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The peer sent something that is not a session description: 400.
    #[error("malformed session description: {0}")]
    Malformed(#[from] Malformed),
    /// A proper description that we cannot agree to: 488 with a Warning.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// Our own code called in the wrong state: a bug, or glare that SIP should have caught.
    #[error(transparent)]
    ApiMisuse(#[from] ApiMisuse),
}

/// What is wrong with the octets (RFC 8866 §9).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// The first line is not `v=0` (RFC 8866 §5.1).
    #[error("it does not begin with v=0")]
    Version,
    /// A line, counted from 1, has no `type=`.
    #[error("line {0} is not of the form type=value")]
    Line(usize),
    /// An `m=` line, counted from 1 over all lines, lacks a field or has an impossible port.
    #[error("line {0} is not a media line")]
    MediaLine(usize),
    /// A media section in use has no address (RFC 8866 §5.7).
    #[error("media section {0} has no connection address")]
    NoConnection(usize),
    /// The `c=` line of a media section in use does not read (RFC 8866 §5.7).
    #[error("the connection address of media section {0} does not read")]
    Connection(usize),
    /// The answer has other media sections than our offer (RFC 3264 §6).
    #[error("the answer has {answer} media sections, the offer has {offer}")]
    Sections {
        /// How many it has.
        answer: usize,
        /// How many we offered.
        offer: usize,
    },
    /// The answer has another kind of media where we offered audio (RFC 3264 §6).
    #[error("media section {0} of the answer is not audio as offered")]
    NotAudio(usize),
}

/// Why we cannot agree. [`Incompatible::warning_code`] is the code of RFC 3261 §20.43,
/// the `Display` text is for the Warning's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// Larger than `Limits::sdp_bytes`.
    #[error("Session description larger than {0} octets")]
    TooLong(usize),
    /// More sections than `Limits::sdp_sections`.
    #[error("More than {0} media sections")]
    TooManySections(usize),
    /// No audio section to take.
    #[error("Media type not available: no audio was offered")]
    NoAudio,
    /// The peer's answer refused the audio we offered.
    #[error("Media type not available: the audio we offered was refused")]
    AudioRefused,
    /// Audio, but no codec in common.
    #[error("Incompatible media format: no common audio codec, we speak {0}")]
    NoCodec(String),
    /// Encrypted media only.
    #[error(
        "Incompatible transport protocol: encrypted media ({0}) is not available, offer RTP/AVP"
    )]
    Encrypted(String),
    /// Plain media only, where encryption is required.
    #[error(
        "Incompatible transport protocol: encrypted media is required here, offer RTP/SAVP or UDP/TLS/RTP/SAVP"
    )]
    Unprotected,
    /// Encrypted media without keys that we can use.
    #[error("Incompatible transport protocol: encrypted media without usable keys: {0}")]
    NoKeys(&'static str),
    /// A transport that is none of RTP's.
    #[error("Incompatible transport protocol: {0} is not available, offer RTP/AVP")]
    Transport(String),
    /// The peer's media address is of the other IP version than ours.
    #[error("Incompatible network protocol: our media address is {ours}, yours is {theirs}")]
    Network {
        /// Ours.
        ours: IpAddr,
        /// Theirs.
        theirs: IpAddr,
    },
    /// A network or address type that is not IP, or a host name.
    #[error("Incompatible network address format: an IP address is needed, not {0}")]
    AddressFormat(String),
    /// A multicast group.
    #[error("Multicast not available: {0}")]
    Multicast(IpAddr),
}

impl Incompatible {
    /// The warn-code that says it (RFC 3261 §20.43).
    pub fn warning_code(&self) -> u16 {
        match self {
            Self::Network { .. } => 300,
            Self::AddressFormat(_) => 301,
            Self::Encrypted(_) | Self::Unprotected | Self::NoKeys(_) | Self::Transport(_) => 302,
            Self::NoAudio | Self::AudioRefused => 304,
            Self::NoCodec(_) => 305,
            Self::Multicast(_) => 330,
            Self::TooLong(_) | Self::TooManySections(_) => 399,
        }
    }
}

/// A call that the state does not allow (RFC 3264 §4: one offer at a time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiMisuse {
    /// An offer came or was to be made while ours is unanswered: glare, 491 is SIP's answer to it.
    #[error("our offer is still unanswered")]
    OfferOutstanding,
    /// The peer's offer is unanswered.
    #[error("the peer's offer is still unanswered")]
    AnswerOwed,
    /// An answer came though we have no offer out.
    #[error("we have no offer out")]
    NoLocalOffer,
    /// An answer was to be made though there is no offer.
    #[error("the peer has no offer out")]
    NoRemoteOffer,
}
