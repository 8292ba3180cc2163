//! What is agreed on about media with one peer: part of the contract, [`crate::control`].

use plenum_media::negotiated::Codec;

/// What is different with one peer from what the configuration says of all: a trunk's terms, or a user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTerms {
    /// Whether media may, or must, be encrypted; `None` leaves it to the configuration.
    pub protection: Option<Protection>,
    /// The codecs that are spoken, the most wanted first; empty: those of everybody.
    pub codecs: Vec<Codec>,
    /// How keys come.
    pub dtmf: DtmfWays,
}

/// How keys are taken from a peer. None are sent to any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfWays {
    /// As telephone events (RFC 4733), which are offered and accepted then.
    pub events: bool,
    /// By INFO.
    pub info: bool,
    /// As tones in the audio, where no telephone events are agreed on.
    pub inband: bool,
}

impl Default for DtmfWays {
    /// However they come.
    fn default() -> Self {
        Self {
            events: true,
            info: true,
            inband: true,
        }
    }
}

/// Whether media of a peer may, or must, be encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Plain RTP only; encrypted offers are refused.
    Never,
    /// As the peer can and wants; offered beside plain RTP.
    #[default]
    Optional,
    /// Encrypted only; plain offers are refused.
    Required,
}

impl Protection {
    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Never, Self::Optional, Self::Required]
            .into_iter()
            .find(|one| one.name() == name)
    }
}
