//! Whose medium a command is about, and audio for those who have none (CB-247.7).
//!
//! # Decisions
//! * A participant who is at the focus only gets audio by a call of the mixer.

use super::Failure;
use super::undertaking::failure_of;
use crate::c3p::{CommandReason, MediaKeys};
use crate::conference::Focus;
use crate::conference::commands::Callee;
use crate::output::RequestId;
use plenum_mcu::control::EndpointId;
use plenum_sip::msg::{Headers, Uri};
use std::time::Instant;

impl Focus {
    /// The endpoint in the mixer that a medium is of.
    pub(super) fn endpoint_with(&self, keys: &MediaKeys) -> Result<EndpointId, Failure> {
        let fail = |reason| Failure::Command(reason);
        let user = self.user_named(&keys.user_entity);
        let user = user.ok_or_else(|| fail(CommandReason::UserDoesntExist))?;
        let named = |id: &&EndpointId| {
            let named = self.media_entity(**id);
            named.is_some_and(|named| named == keys.endpoint_entity)
        };
        match user.endpoints.iter().find(named) {
            Some(endpoint) => Ok(*endpoint),
            None if self
                .attendance_named(user.id, &keys.endpoint_entity)
                .is_some() =>
            {
                Err(fail(CommandReason::MediaDoesntExist))
            }
            None => Err(fail(CommandReason::EndpointDoesntExist)),
        }
    }

    /// Audio for somebody who is at the focus and not in the mixer: the mixer calls them.
    pub(super) fn call_participant(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        keys: &MediaKeys,
    ) -> Result<(), Failure> {
        let other = || Failure::Command(CommandReason::OtherFailure);
        let user = self.user_named(&keys.user_entity).ok_or_else(other)?;
        if user.endpoints.iter().any(|id| self.calls.contains_key(id)) {
            return Err(Failure::Command(CommandReason::MediaExistsAlready));
        }
        let (role, to) = (user.role, user.entity.clone());
        let endpoint = self.attendance_named(user.id, &keys.endpoint_entity);
        let attendance = endpoint.and_then(|endpoint| self.attendances.get(&endpoint));
        // Whoever is not believed could have somebody else called.
        let attendance = attendance.filter(|it| it.peer.trusted).ok_or_else(other)?;
        let reached = attendance.endpoint_uri.as_deref().unwrap_or(&to);
        let uri = Uri::parse(reached.trim().as_bytes()).map_err(|_| other())?;
        let callee = Callee {
            uri,
            to: Uri::parse(to.as_bytes()).ok(),
            headers: Headers::new(),
            from_mcu: true,
            entity: None,
            role,
            by: self.dialler(sender),
            replaces: false,
        };
        let ringing = self.settings.ringing;
        let called = self.dial_out(now, callee, ringing, Some(RequestId(id)));
        called.map_err(|error| failure_of(&error))
    }
}
