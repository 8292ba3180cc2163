//! What an exchange of offer and answer left in force (RFC 3264 §4).

use super::describe::{AudioSection, OurDescription, OurSection};
use super::ice::AgreedIce;
use super::security::OurSecurity;
use super::video::sections::Pictures;
use super::video::{AgreedVideo, Role};
use crate::negotiated::{NegotiatedAudio, Payload};
use crate::path::{Keying, NegotiatedPath};

/// What both sides agreed on, and what is needed to agree again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What we said last.
    pub ours: OurDescription,
    /// Which section is the conference's audio.
    pub audio_index: usize,
    /// What the RTP leg does.
    pub audio: NegotiatedAudio,
    /// Where the keys come from.
    pub keying: Keying,
    /// How the ways between us are found.
    pub ice: Option<Box<AgreedIce>>,
    /// What was agreed on about pictures.
    pub pictures: Pictures,
    /// Every payload type that we ever gave a meaning, in order.
    pub(super) history: Vec<(u8, Payload)>,
    /// The peer's payload types.
    pub(super) theirs: Vec<(u8, Payload)>,
}

impl Agreement {
    /// How packets are to travel; `None` for plain RTP.
    pub fn path(&self) -> Option<NegotiatedPath> {
        let more = self.keying != Keying::Plain || self.ice.is_some();
        more.then(|| NegotiatedPath {
            keying: self.keying.clone(),
            ice: self.ice.clone(),
            rtp: self.audio.remote_rtp,
            rtcp: self.audio.remote_rtcp,
            rtcp_mux: self.audio.rtcp_mux,
        })
    }

    /// The keys in force.
    pub(super) fn keys(&self) -> Option<(&OurSecurity, &Keying)> {
        Some((&self.section()?.security, &self.keying))
    }

    /// What was agreed on about pictures of this kind.
    pub(super) fn stream(&self, role: Role) -> Option<&AgreedVideo> {
        match role {
            Role::Main => self.pictures.video.as_deref(),
            Role::Content => self.pictures.content.as_deref(),
        }
    }

    /// The audio section as we described it last, unless it is disabled.
    pub(super) fn section(&self) -> Option<&AudioSection> {
        match self.ours.sections.get(self.audio_index)? {
            OurSection::Audio(audio) => Some(audio),
            OurSection::Video(_) | OurSection::Floor(_) | OurSection::Refused(_) => None,
        }
    }

    /// The same with its audio switched off by port 0 (RFC 3264 §8.2); it may come back.
    pub(super) fn disabled(&self) -> Self {
        let mut off = self.clone();
        off.audio.remote_rtp = None;
        off.audio.remote_rtcp = None;
        off.audio.sending = false;
        off.audio.receiving = false;
        off
    }
}
