//! What the thread of packets is sent.

use super::room::Room;
use crate::control::{ConferenceId, EndpointId};
use crate::shell::bundle::Branch;
use crate::shell::sockets::{Place, Sockets};
use plenum_media::path::sections::Section;
use plenum_media::path::{MediaPath, NegotiatedPath};
use plenum_media::sdp::video::Role;
use plenum_media::video::frame::EncodedFrame;
use plenum_media::video::leg::VideoLeg;
use plenum_media::video::negotiated::NegotiatedVideo;
use std::sync::Arc;
use std::time::Instant;

/// What the control plane sends.
#[derive(Debug)]
pub(super) enum Mail {
    /// A new leg.
    Add {
        conference: ConferenceId,
        endpoint: EndpointId,
        role: Role,
        room: Arc<Room>,
        transport: Transport,
        leg: Box<VideoLeg>,
    },
    /// The end of a transport that pictures of this endpoint share with its sound.
    Branch {
        conference: ConferenceId,
        endpoint: EndpointId,
        branch: Box<Branch>,
    },
    /// Another agreement.
    Apply {
        conference: ConferenceId,
        endpoint: EndpointId,
        role: Role,
        negotiated: Box<NegotiatedVideo>,
        travels: Travels,
    },
    /// The peer asked by signalling for a keyframe (RFC 5168).
    Keyframe {
        conference: ConferenceId,
        endpoint: EndpointId,
    },
}

/// How the packets of a leg travel.
#[derive(Debug)]
pub(super) enum Transport {
    /// By sockets of its own.
    Own(Box<Sockets>),
    /// As its sound does (RFC 9143), by the branch of its endpoint.
    Shared {
        /// What it is there.
        section: Section<Role>,
        /// Given back with the leg.
        _place: Option<Place>,
    },
}

/// Another agreement on how packets travel.
#[derive(Debug)]
pub(super) enum Travels {
    /// By sockets of its own.
    Own {
        fresh: Option<Box<MediaPath>>,
        agreed: Option<Box<NegotiatedPath>>,
    },
    /// By its branch.
    Shared(Section<Role>),
}

/// What the picture thread sends.
#[derive(Debug)]
pub(super) enum Made {
    /// One frame for all these.
    Frame {
        conference: ConferenceId,
        viewers: Vec<(EndpointId, Role)>,
        at: Instant,
        frame: EncodedFrame,
    },
    /// A decoder needs a keyframe of this peer.
    Keyframe {
        conference: ConferenceId,
        endpoint: EndpointId,
        role: Role,
    },
}
