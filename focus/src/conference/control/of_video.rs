//! Commands about pictures (CB-247.7, CB-247.8, CB-283.3, CB-285, CB-286).
//!
//! # Decisions
//! * Ingress blocked: others see a tile in the place of the pictures. Egress blocked: it gets none.
//!   Audio goes on; the stream stays agreed on.
//! * A layout may be asked for in an element of ours, by those who may choose one (CM-089) and by
//!   presenters.
//! * `manual-switched` means: whom it names goes before importance, floor and speech in everybody's
//!   picture, but not before what somebody chose for the own one.

use super::of_media::{blocks, endpoint_keys};
use super::{Failure, Outcome};
use crate::access::Role;
use crate::c3p::{CommandReason, EndpointMedia, MediaKeys, ResultBody};
use crate::conference::Focus;
use crate::conference::document::{MAIN_VIDEO, VIDEO_ID};
use crate::info::{ConferenceMedium, Media, MediaFilter};
use crate::output::RequestId;
use plenum_mcu::control::{EndpointId, EndpointVideo, Layout};
use std::time::Instant;

/// Who is seen is who speaks, or whom a presenter says.
const DOMINANT: &str = "dominant-speaker-switched";
const MANUAL: &str = "manual-switched";

impl Focus {
    /// The live mode (CB-283.4).
    pub(in crate::conference) fn video_mode(&self) -> &'static str {
        if self.pictures.intended.is_empty() {
            DOMINANT
        } else {
            MANUAL
        }
    }

    /// The endpoint in the mixer whose pictures these are.
    pub(super) fn video_of(&self, keys: &MediaKeys) -> Result<EndpointId, Failure> {
        let endpoint = self.endpoint_with(keys)?;
        let agreed = self.roster.endpoint(endpoint).and_then(|it| it.video);
        match agreed {
            Some(_) => Ok(endpoint),
            None => Err(Failure::Command(CommandReason::MediaDoesntExist)),
        }
    }

    /// CB-247.7: filters, and the layout.
    pub(super) fn modify_endpoint_video(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &EndpointMedia,
    ) -> Result<Outcome, Failure> {
        let endpoint = self.video_of(&command.keys)?;
        let (ingress, egress) = (command.media.ingress_filter, command.media.egress_filter);
        let layout = asked(command.media.layout.as_deref())?;
        let role = self.role_of(sender);
        let Some(call) = self.calls.get(&endpoint) else {
            return Err(Failure::Command(CommandReason::EndpointDoesntExist));
        };
        if call.unseen.is_some() {
            return Err(Failure::Command(CommandReason::MediaDoesntExist));
        }
        let filters = ingress.is_some() || egress.is_some();
        let may_filter = role == Role::Presenter || self.may_filter_self(role);
        let may_choose = role == Role::Presenter || self.may_change_layout(call);
        if (filters && !may_filter) || (layout.is_some() && !may_choose) {
            return Err(Failure::Unauthorized);
        }
        if let Some(call) = self.calls.get_mut(&endpoint) {
            call.looks = filtered(&call.looks, ingress, egress);
            if let Some(layout) = layout {
                (call.looks.layout, call.looks.template) = (layout, None);
            }
        }
        self.send_looks(now, endpoint, Some(RequestId(id)));
        let media = Media {
            ingress_filter: ingress,
            egress_filter: egress,
            layout: command.media.layout.clone(),
            ..Media::new(VIDEO_ID)
        };
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::ModifyEndpointMedia(keys, Some(media));
        Ok(Outcome::UnderWay(result, 1))
    }

    /// CB-247.10: the pictures of one of many. Whether the mixer was told anything.
    pub(super) fn filter_video(
        &mut self,
        now: Instant,
        id: u64,
        endpoint: EndpointId,
        (ingress, egress): (Option<MediaFilter>, Option<MediaFilter>),
    ) -> bool {
        let agreed = self.roster.endpoint(endpoint).and_then(|it| it.video);
        let Some(call) = self.calls.get_mut(&endpoint).filter(|_| agreed.is_some()) else {
            return false;
        };
        let looks = filtered(&call.looks, ingress, egress);
        if looks == call.looks {
            return false;
        }
        call.looks = looks;
        self.send_looks(now, endpoint, Some(RequestId(id)));
        true
    }

    /// CB-242, CB-283.3, CB-285: how video is switched, read as a whole before anything is done.
    /// `None`: nothing is said of it.
    pub(super) fn intended_sources(
        &self,
        media: &[ConferenceMedium],
    ) -> Result<Option<Vec<String>>, Failure> {
        let other = || Failure::Command(CommandReason::OtherFailure);
        let mut intended = None;
        for medium in media {
            let Some(video) = &medium.video else {
                continue;
            };
            if medium.label != MAIN_VIDEO {
                return Err(other());
            }
            let sources = &video.intended_primary_presenter_source;
            intended = match video.mode.as_deref() {
                Some(DOMINANT) if sources.is_empty() => Some(Vec::new()),
                Some(MANUAL) if !sources.is_empty() => Some(self.entities_of(sources)?),
                Some(_) | None => return Err(other()),
            };
        }
        Ok(intended)
    }

    fn entities_of(&self, sources: &[String]) -> Result<Vec<String>, Failure> {
        let named = sources.iter().map(|source| {
            let user = self.user_named(source).map(|user| user.entity.clone());
            user.ok_or(Failure::Command(CommandReason::OtherFailure))
        });
        named.collect()
    }
}

/// The layout that is asked for; `automatic` takes a choice back where the conference has it.
fn asked(name: Option<&str>) -> Result<Option<Option<Layout>>, Failure> {
    let other = || Failure::Command(CommandReason::OtherFailure);
    match name {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(name) => Ok(Some(Some(name.parse().map_err(|_| other())?))),
    }
}

fn filtered(
    before: &EndpointVideo,
    ingress: Option<MediaFilter>,
    egress: Option<MediaFilter>,
) -> EndpointVideo {
    EndpointVideo {
        hidden: blocks(ingress, before.hidden),
        blind: blocks(egress, before.blind),
        ..before.clone()
    }
}
