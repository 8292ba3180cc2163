//! One call of a conference: its signalling, its media endpoint, and where it is between the two.

use crate::access::Role;
use crate::caller::Peer;
use crate::conference::commands::Callee;
use crate::conference::renegotiation::Renegotiation;
use crate::joining::{Door, State};
use crate::output::{DialOutId, RequestId};
use bytes::Bytes;
use plenum_mcu::control::{EndpointVideo, MediaFilter, PlaybackId};
use plenum_sip::endpoint::InviteId;
use plenum_sip::msg::Text;
use std::time::Duration;

/// One call of a conference.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) peer: Peer,
    pub(crate) sip: SipLeg,
    pub(crate) media: MediaEndpoint,
    pub(crate) state: State,
    pub(crate) renegotiation: Renegotiation,
    /// What its user calls it, if it was announced.
    pub(crate) entity: Option<String>,
    /// How it is to be called, if we call and it is not just a URI.
    pub(crate) callee: Option<Box<Callee>>,
    /// It has to know the PIN.
    pub(crate) pin_asked: bool,
    /// What it found when it came; asked again after the PIN.
    pub(crate) door: Door,
    /// Wrong PINs so far, until the guard was told how it went.
    pub(crate) pin_wrong: Option<u32>,
    /// Its answer was acknowledged.
    pub(crate) acked: bool,
    /// The prompts playing to it alone.
    pub(crate) playback: Option<PlaybackId>,
    /// The filter last asked for; the one in force is in the roster.
    pub(crate) wanted: MediaFilter,
    /// Its audio was taken out of the conference, by somebody of this role (CB-247.8): nothing
    /// passes, whatever is wanted.
    pub(crate) withheld: Option<Role>,
    /// The answer in a reliable provisional response (RFC 3262 §5), and the tag of the device that gave it.
    pub(crate) early_answer: Option<(Text, Bytes)>,
    /// How long it may ring.
    pub(crate) ringing: Duration,
    /// How it is to be seen and what it is to see; what is in force is in the roster.
    pub(crate) looks: EndpointVideo,
    /// Its pictures were taken out of the conference, by somebody of this role (CB-247.8).
    pub(crate) unseen: Option<Role>,
    /// It may show slides, or may not, whatever its role.
    pub(crate) may_present: Option<bool>,
    /// It may choose another layout, whatever the conference says.
    pub(crate) change_layout: Option<bool>,
    /// Who is to be told when it is in the mix, or will never be.
    pub(crate) on_joined: Option<RequestId>,
    /// Who is to be told when it is gone.
    pub(crate) on_gone: Vec<RequestId>,
}

impl Call {
    /// What is to pass.
    pub(crate) fn filter(&self) -> MediaFilter {
        let none = self.withheld.is_some();
        MediaFilter {
            muted: none || self.wanted.muted,
            deaf: none || self.wanted.deaf,
            ..self.wanted
        }
    }
}

/// How the signalling of a call stands, which decides how it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SipLeg {
    /// It called; a final answer is owed.
    Offered(InviteId),
    /// We call, and do not know yet by which id.
    Unplaced(DialOutId),
    /// We call; no final answer has come.
    Calling(InviteId),
    /// It was answered by 200, whoever called.
    Answered(InviteId),
    /// Nothing is left to be said.
    Over,
}

/// Whether the mixer has an endpoint for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaEndpoint {
    /// It has, or was asked to make one.
    Present,
    /// It was asked to remove it.
    Removing,
    /// It has none.
    Absent,
}
