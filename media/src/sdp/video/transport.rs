//! The transport of a video section: one of its own, or that of sound in the same group (RFC 9143).

use super::describe::VideoSection;
use super::negotiate::AgreedVideo;
use super::remote::RemoteVideo;
use crate::limits::Limits;
use crate::path::Keying;
use crate::sdp::ice::{AgreedIce, IceDescription, OurIce};
use crate::sdp::security::{self, OurSecurity};
use crate::sdp::{Local, SessionDescription};

/// Keys and ways of a section.
pub(super) struct Transport {
    pub(super) security: OurSecurity,
    pub(super) keying: Keying,
    pub(super) our_ice: OurIce,
    pub(super) ice: Option<Box<AgreedIce>>,
}

impl Transport {
    /// That of sound, of which pictures say nothing.
    pub(super) fn of_sound() -> Self {
        Self {
            security: OurSecurity::default(),
            keying: Keying::Plain,
            our_ice: OurIce::Nothing,
            ice: None,
        }
    }
}

/// A transport of its own.
pub(super) fn answer(
    local: &Local,
    offer: &SessionDescription,
    index: usize,
    remote: &RemoteVideo,
    before: Option<&AgreedVideo>,
    limits: &Limits,
) -> Option<Transport> {
    let keys = before.map(|before| (&before.section.security, &before.keying));
    let transport = &remote.transport;
    let (security, keying) = security::answer(
        local,
        transport.profile,
        &transport.security,
        transport.ice,
        keys,
    )
    .ok()?;
    let rtcp_mux = local.rtcp_mux && transport.rtcp_mux;
    let theirs = IceDescription::read(offer, index, limits);
    let (our_ice, ice) = match (&local.ice, theirs) {
        (Some(ours), Some(theirs)) => {
            let before = before.and_then(|before| before.ice.as_deref());
            ours.answer(theirs, transport.rtp, rtcp_mux, before, limits.ice)
        }
        (Some(_) | None, _) => (OurIce::Nothing, None),
    };
    Some(Transport {
        security,
        keying,
        our_ice,
        ice,
    })
}

/// What the answer agrees to of a transport of its own.
pub(super) fn conclude(
    local: &Local,
    (index, offered): (usize, &VideoSection),
    answer: &SessionDescription,
    remote: &RemoteVideo,
    before: Option<&AgreedVideo>,
    limits: &Limits,
) -> Option<Transport> {
    let keys = before.map(|before| (&before.section.security, &before.keying));
    let (security, keying) = security::conclude(
        local,
        remote.transport.profile,
        &offered.security,
        &remote.transport.security,
        keys,
    )
    .ok()?;
    let ice = match (&local.ice, &offered.ice) {
        (Some(ours), OurIce::Description(_)) => {
            let theirs = IceDescription::read(answer, index, limits);
            let before = before.and_then(|before| before.ice.as_deref());
            let rtcp_mux = offered.rtcp_mux && remote.transport.rtcp_mux;
            ours.conclude(theirs, rtcp_mux, before, limits.ice)
        }
        (Some(_) | None, _) => None,
    };
    Some(Transport {
        security,
        keying,
        our_ice: OurIce::Nothing,
        ice,
    })
}
