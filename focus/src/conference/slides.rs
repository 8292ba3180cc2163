//! Who shows slides (RFC 4796), and who may.
//!
//! | who may | when |
//! |---|---|
//! | an endpoint of which an operator or a presenter has said so | whatever its role |
//! | anybody | the record says everybody |
//! | an endpoint of a presenter | the record says presenters |
//!
//! The mixer has the floor (RFC 8855): it gives none to whom the focus has barred, and takes it from whoever is.

use crate::access::Role;
use crate::conference::Focus;
use crate::conference::call::Call;
use crate::conference::pending::Purpose;
use crate::output::{CommandError, ConferenceEvent};
use crate::record::SlidesOf;
use crate::roster::EndpointStatus;
use plenum_mcu::control::{Action, EndpointId, VideoMedia};
use std::time::Instant;

impl Focus {
    /// Whether an endpoint may show slides.
    pub(super) fn may_present(&self, endpoint: EndpointId, call: &Call) -> bool {
        match (call.may_present, self.record.slides) {
            (Some(said), _) => said,
            (None, SlidesOf::Everybody) => true,
            (None, SlidesOf::Presenters) => self.role_of(endpoint) == Role::Presenter,
        }
    }

    /// What the mixer reports of an endpoint's slides.
    pub(super) fn handle_content(&mut self, endpoint: EndpointId, content: Option<VideoMedia>) {
        if self.roster.set_content(endpoint, content) {
            self.touch_views();
        }
    }

    /// Somebody else shows slides now, or nobody.
    pub(super) fn handle_presenter(&mut self, endpoint: Option<EndpointId>) {
        if self.roster.set_presenter(endpoint) {
            self.event(ConferenceEvent::Presenter { endpoint });
        }
    }

    /// An operator takes the floor of slides away.
    pub(super) fn revoke_floor(&mut self, now: Instant) -> Result<(), CommandError> {
        if self.roster.presenter().is_none() {
            return Err(CommandError::NobodyPresents);
        }
        self.mcu(now, Purpose::Nothing, Action::RevokeFloor);
        Ok(())
    }

    /// An operator gives it to somebody, whoever has it.
    pub(super) fn give_floor(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
    ) -> Result<(), CommandError> {
        let participant = self.roster.endpoint(endpoint);
        let there = participant.filter(|it| it.status == EndpointStatus::Connected);
        let there = there.ok_or(CommandError::UnknownEndpoint)?;
        if there.content.is_none() {
            return Err(CommandError::NoSlides);
        }
        if there.looks.barred {
            return Err(CommandError::Barred);
        }
        self.mcu(now, Purpose::Nothing, Action::GiveFloor { endpoint });
        Ok(())
    }
}
