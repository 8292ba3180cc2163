//! Commands about slides (CB-247.7): the ingress filter says whether an endpoint may show them.
//!
//! # Decisions
//! * MS-CONFBAS has no floor. What it has is a filter towards the mix: blocked, the endpoint has no floor and gets none,
//!   and whoever presents ceases to. Only presenters change it, the own one included.

use super::of_media::endpoint_keys;
use super::{Failure, Outcome};
use crate::access::Role;
use crate::c3p::{CommandReason, EndpointMedia, ResultBody};
use crate::conference::Focus;
use crate::conference::document::SLIDES_ID;
use crate::info::{Media, MediaFilter};
use crate::output::RequestId;
use plenum_mcu::control::EndpointId;
use std::time::Instant;

impl Focus {
    /// CB-247.7: whether somebody may show slides.
    pub(super) fn modify_endpoint_slides(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &EndpointMedia,
    ) -> Result<Outcome, Failure> {
        let endpoint = self.endpoint_with(&command.keys)?;
        let agreed = self.roster.endpoint(endpoint).and_then(|it| it.content);
        if agreed.is_none() {
            return Err(Failure::Command(CommandReason::MediaDoesntExist));
        }
        if self.role_of(sender) != Role::Presenter {
            return Err(Failure::Unauthorized);
        }
        let ingress = command.media.ingress_filter;
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return Err(Failure::Command(CommandReason::EndpointDoesntExist));
        };
        if let Some(filter) = ingress {
            call.may_present = Some(filter == MediaFilter::Unblock);
        }
        self.send_looks(now, endpoint, Some(RequestId(id)));
        let media = Media {
            ingress_filter: ingress,
            ..Media::new(SLIDES_ID)
        };
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::ModifyEndpointMedia(keys, Some(media));
        Ok(Outcome::UnderWay(result, 1))
    }
}
