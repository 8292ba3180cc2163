//! Commands that take the audio of an endpoint out of the conference and bring it back
//! (CB-247.7, CB-247.8).
//!
//! # Decisions
//! * The audio of an endpoint that is in the mixer is taken out and brought back by the mixer: the
//!   stream stays agreed on and carries silence, and documents do not list it any more. Pictures go
//!   on, and the call is not ended by it; deleteUser does that.
//! * A participant who is at the focus only gets audio by a call of the mixer.
//! * What a presenter took out, an attendee does not bring back.

use super::of_media::endpoint_keys;
use super::undertaking::failure_of;
use super::{Failure, Outcome};
use crate::access::Role;
use crate::c3p::{CommandReason, DeleteEndpointMedia, EndpointMedia, MediaKeys, ResultBody};
use crate::conference::Focus;
use crate::conference::commands::Callee;
use crate::conference::document::{AUDIO_ID, MAIN_AUDIO};
use crate::info::{Media, MediaStatus};
use crate::output::RequestId;
use plenum_mcu::control::EndpointId;
use plenum_sip::msg::{Headers, Uri};
use std::time::Instant;

impl Focus {
    /// The endpoint in the mixer whose audio this is.
    pub(super) fn audio_of(&self, keys: &MediaKeys) -> Result<EndpointId, Failure> {
        let fail = |reason| Failure::Command(reason);
        let user = self.user_named(&keys.user_entity);
        let user = user.ok_or_else(|| fail(CommandReason::UserDoesntExist))?;
        let named = |id: &&EndpointId| {
            let named = self.media_entity(**id);
            named.is_some_and(|named| named == keys.endpoint_entity)
        };
        match user.endpoints.iter().find(named) {
            Some(endpoint) if keys.media_id == AUDIO_ID => Ok(*endpoint),
            Some(_) => Err(fail(CommandReason::MediaDoesntExist)),
            None if self
                .attendance_named(user.id, &keys.endpoint_entity)
                .is_some() =>
            {
                Err(fail(CommandReason::MediaDoesntExist))
            }
            None => Err(fail(CommandReason::EndpointDoesntExist)),
        }
    }

    /// CB-247.8.
    pub(super) fn delete_endpoint_media(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &DeleteEndpointMedia,
    ) -> Result<Outcome, Failure> {
        let endpoint = self.audio_of(&command.keys)?;
        let role = self.role_of(sender);
        let call = self.calls.get_mut(&endpoint);
        let Some(call) = call.filter(|call| call.withheld.is_none()) else {
            return Err(Failure::Command(CommandReason::MediaDoesntExist));
        };
        call.withheld = Some(role);
        let wanted = call.wanted;
        self.set_filter(now, endpoint, wanted, None, Some(RequestId(id)));
        self.touch_user_of(endpoint);
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::DeleteEndpointMedia(keys, Some(Media::new(AUDIO_ID)));
        Ok(Outcome::UnderWay(result, 1))
    }

    /// CB-247.7.
    pub(super) fn add_endpoint_media(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &EndpointMedia,
    ) -> Result<Outcome, Failure> {
        if !is_audio(&command.media) {
            return Err(Failure::Command(CommandReason::OtherFailure));
        }
        let audio = MediaKeys {
            media_id: AUDIO_ID.into(),
            ..command.keys.clone()
        };
        match self.audio_of(&audio) {
            Ok(endpoint) => self.bring_back(now, sender, id, endpoint)?,
            Err(Failure::Command(CommandReason::MediaDoesntExist)) => {
                self.call_participant(now, sender, id, &command.keys)?;
            }
            Err(failure) => return Err(failure),
        }
        let media = Media {
            media_type: Some("audio".into()),
            label: Some(MAIN_AUDIO.into()),
            status: Some(MediaStatus::SendRecv),
            ..Media::new(AUDIO_ID)
        };
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::AddEndpointMedia(keys, Some(media));
        Ok(Outcome::UnderWay(result, 1))
    }

    fn bring_back(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        endpoint: EndpointId,
    ) -> Result<(), Failure> {
        let role = self.role_of(sender);
        let own = self.may_filter_self(role);
        let there = Failure::Command(CommandReason::MediaExistsAlready);
        let call = self.calls.get_mut(&endpoint).ok_or_else(|| there.clone())?;
        match (call.withheld, role) {
            (None, _) => return Err(there),
            (Some(Role::Presenter), Role::Attendee) => return Err(Failure::Unauthorized),
            (Some(Role::Attendee), Role::Attendee) if !own => return Err(Failure::Unauthorized),
            (Some(_), _) => call.withheld = None,
        }
        let wanted = call.wanted;
        self.set_filter(now, endpoint, wanted, None, Some(RequestId(id)));
        self.touch_user_of(endpoint);
        Ok(())
    }

    /// Audio for somebody who is at the focus and not in the mixer: the mixer calls them.
    fn call_participant(
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

    fn touch_user_of(&mut self, endpoint: EndpointId) {
        if let Some(user) = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user) {
            self.roster.touch(user);
        }
    }
}

/// What we have to add: nothing else is taken out.
fn is_audio(media: &Media) -> bool {
    let audio = |text: &str| text.eq_ignore_ascii_case("audio");
    let by_type = media.media_type.as_deref().map(audio);
    let by_label = media.label.as_deref().map(|label| label == MAIN_AUDIO);
    by_type.or(by_label).unwrap_or(media.id == AUDIO_ID)
}
