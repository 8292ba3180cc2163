//! Commands about who hears and is heard, and about a medium being there at all (CB-247.7, CB-247.8,
//! CB-247.10, CB-248, CB-286, CB-287): their success is the mixer's, not the roster's.
//!
//! # Decisions
//! * A medium of an endpoint that is in the mixer is taken out and brought back by the mixer: the
//!   stream stays agreed on and carries silence, or nothing, and documents do not list it any more.
//!   The other medium goes on, and the call is not ended by it; deleteUser does that.
//! * What a presenter took out, an attendee does not bring back.
//! * A camera that was never agreed on cannot be added from here.

use super::{Failure, Outcome};
use crate::access::Role;
use crate::c3p::{
    CommandReason, DeleteEndpointMedia, EndpointKeys, EndpointMedia, MediaFiltersResult, MediaKeys,
    ModifyUsersMediaFilters, ResultBody,
};
use crate::conference::Focus;
use crate::conference::call::Call;
use crate::conference::document::{AUDIO_ID, MAIN_AUDIO, MAIN_VIDEO, SLIDES_ID, VIDEO_ID};
use crate::info::{Media, MediaFilter, MediaStatus};
use crate::output::RequestId;
use crate::roster::{EndpointStatus, SessionType};
use plenum_mcu::control::{self, EndpointId, Sentence};
use std::time::Instant;

impl Focus {
    /// CB-247.7: one endpoint, one's own or, for presenters, somebody else's.
    pub(super) fn modify_endpoint_media(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &EndpointMedia,
    ) -> Result<Outcome, Failure> {
        if command.keys.media_id == VIDEO_ID {
            return self.modify_endpoint_video(now, sender, id, command);
        }
        if command.keys.media_id == SLIDES_ID {
            return self.modify_endpoint_slides(now, sender, id, command);
        }
        let (endpoint, _) = self.medium_of(&command.keys)?;
        let (ingress, egress) = (command.media.ingress_filter, command.media.egress_filter);
        let Some(call) = self.calls.get(&endpoint) else {
            return Err(Failure::Command(CommandReason::EndpointDoesntExist));
        };
        if call.withheld.is_some() {
            return Err(Failure::Command(CommandReason::MediaDoesntExist));
        }
        let wanted = filtered(call.wanted, ingress, egress);
        let role = self.role_of(sender);
        if role == Role::Attendee && !self.may_filter_self(role) {
            return Err(Failure::Unauthorized);
        }
        let say = said(call.wanted, wanted);
        self.set_filter(now, endpoint, wanted, say, Some(RequestId(id)));
        let media = Media {
            ingress_filter: ingress,
            egress_filter: egress,
            ..Media::new(AUDIO_ID)
        };
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::ModifyEndpointMedia(keys, Some(media));
        Ok(Outcome::UnderWay(result, 1))
    }

    /// CB-247.8.
    pub(super) fn delete_endpoint_media(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &DeleteEndpointMedia,
    ) -> Result<Outcome, Failure> {
        let (endpoint, medium) = self.medium_of(&command.keys)?;
        let role = self.role_of(sender);
        let call = self.calls.get_mut(&endpoint);
        let taken = call.map(|call| medium.taken_out(call));
        let Some(taken) = taken.filter(|taken| taken.is_none()) else {
            return Err(Failure::Command(CommandReason::MediaDoesntExist));
        };
        *taken = Some(role);
        self.act_on(now, endpoint, medium, RequestId(id));
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::DeleteEndpointMedia(keys, Some(Media::new(medium.id())));
        Ok(Outcome::UnderWay(result, 1))
    }

    /// CB-247.7: what was taken out comes back; who has no audio at all is called.
    pub(super) fn add_endpoint_media(
        &mut self,
        now: Instant,
        sender: EndpointId,
        id: u64,
        command: &EndpointMedia,
    ) -> Result<Outcome, Failure> {
        let other = Failure::Command(CommandReason::OtherFailure);
        let medium = Medium::of(&command.media).ok_or_else(|| other.clone())?;
        match (self.holder_of(&command.keys, medium), medium) {
            (Ok(endpoint), _) => self.bring_back(now, (sender, id), endpoint, medium)?,
            (Err(Failure::Command(CommandReason::MediaDoesntExist)), Medium::Audio) => {
                self.call_participant(now, sender, id, &command.keys)?;
            }
            // Nobody is asked for a camera by a command.
            (Err(Failure::Command(CommandReason::MediaDoesntExist)), Medium::Video) => {
                return Err(other);
            }
            (Err(failure), _) => return Err(failure),
        }
        let keys = Some(endpoint_keys(&command.keys));
        let result = ResultBody::AddEndpointMedia(keys, Some(medium.described()));
        Ok(Outcome::UnderWay(result, 1))
    }

    fn bring_back(
        &mut self,
        now: Instant,
        (sender, id): (EndpointId, u64),
        endpoint: EndpointId,
        medium: Medium,
    ) -> Result<(), Failure> {
        let role = self.role_of(sender);
        let own = self.may_filter_self(role);
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return Err(Failure::Command(CommandReason::EndpointDoesntExist));
        };
        let taken = medium.taken_out(call);
        match (*taken, role) {
            (None, _) => return Err(Failure::Command(CommandReason::MediaExistsAlready)),
            (Some(Role::Presenter), Role::Attendee) => return Err(Failure::Unauthorized),
            (Some(Role::Attendee), Role::Attendee) if !own => return Err(Failure::Unauthorized),
            (Some(_), _) => *taken = None,
        }
        self.act_on(now, endpoint, medium, RequestId(id));
        Ok(())
    }

    /// The endpoint in the mixer and the medium that are named.
    fn medium_of(&self, keys: &MediaKeys) -> Result<(EndpointId, Medium), Failure> {
        let endpoint = self.endpoint_with(keys)?;
        let named = Medium::ALL.into_iter().find(|it| it.id() == keys.media_id);
        let medium = named.ok_or(Failure::Command(CommandReason::MediaDoesntExist))?;
        self.holder_of(keys, medium)?;
        Ok((endpoint, medium))
    }

    /// The endpoint in the mixer that has this medium.
    fn holder_of(&self, keys: &MediaKeys, medium: Medium) -> Result<EndpointId, Failure> {
        match medium {
            Medium::Audio => self.endpoint_with(keys),
            Medium::Video => self.video_of(keys),
        }
    }

    /// Has the mixer do what is wanted of a medium now.
    fn act_on(&mut self, now: Instant, endpoint: EndpointId, medium: Medium, request: RequestId) {
        match medium {
            Medium::Audio => {
                if let Some(wanted) = self.calls.get(&endpoint).map(|call| call.wanted) {
                    self.set_filter(now, endpoint, wanted, None, Some(request));
                }
            }
            Medium::Video => self.send_looks(now, endpoint, Some(request)),
        }
        if let Some(user) = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user) {
            self.roster.touch(user);
        }
    }

    /// CB-247.10: everybody at once, but for those who are left out.
    pub(super) fn modify_users_media_filters(
        &mut self,
        now: Instant,
        id: u64,
        command: &ModifyUsersMediaFilters,
    ) -> Outcome {
        let unknown = |list: &[String], known: &dyn Fn(&str) -> bool| -> Vec<String> {
            let unknown = list.iter().filter(|entry| !known(entry));
            unknown.cloned().collect()
        };
        let result = MediaFiltersResult {
            keys: command.keys.clone(),
            unsupported_roles: unknown(&command.exclude_roles, &|role| {
                Role::from_token(role).is_some()
            }),
            unknown_users: unknown(&command.exclude_users, &|user| {
                self.user_named(user).is_some()
            }),
            unsupported_media_labels: unknown(&command.media_labels, &|label| {
                [MAIN_AUDIO, MAIN_VIDEO].contains(&label)
            }),
        };
        let names = |label: &str| command.media_labels.iter().any(|named| named == label);
        let (audio, video) = (names(MAIN_AUDIO), names(MAIN_VIDEO));
        let targets = self.filter_targets(command);
        let mut parts = 0;
        let filters = (command.ingress, command.egress);
        for endpoint in targets {
            if video && self.filter_video(now, id, endpoint, filters) {
                parts += 1;
            }
            if !audio {
                continue;
            }
            let Some(before) = self.calls.get(&endpoint).map(|call| call.wanted) else {
                continue;
            };
            let wanted = filtered(before, command.ingress, command.egress);
            if wanted != before {
                parts += 1;
                let say = said(before, wanted);
                self.set_filter(now, endpoint, wanted, say, Some(RequestId(id)));
            }
        }
        Outcome::UnderWay(ResultBody::ModifyUsersMediaFilters(result), parts)
    }

    fn filter_targets(&self, command: &ModifyUsersMediaFilters) -> Vec<EndpointId> {
        let excluded: Vec<_> = command
            .exclude_users
            .iter()
            .filter_map(|user| Some(self.user_named(user)?.id))
            .collect();
        let excluded_role = |role: Role| {
            let mut roles = command.exclude_roles.iter();
            roles.any(|excluded| Role::from_token(excluded) == Some(role))
        };
        let mixed = self.roster.endpoints().filter(|endpoint| {
            endpoint.session == SessionType::AudioVideo
                && endpoint.status == EndpointStatus::Connected
                && !excluded.contains(&endpoint.user)
                && !excluded_role(self.role_of(endpoint.id))
        });
        mixed.map(|endpoint| endpoint.id).collect()
    }

    /// CB-287: whether participants may mute and unmute themselves.
    pub(super) fn may_filter_self(&self, role: Role) -> bool {
        let rules = &self.filter_rules.may_modify_own_filters;
        let of = |name: &str| {
            rules
                .iter()
                .find(|(role, _)| role == name)
                .map(|rule| rule.1)
        };
        of(role.as_str()).or_else(|| of(DEFAULT)).unwrap_or(true)
    }

    /// CB-244, CB-287: how a newcomer begins.
    pub(in crate::conference) fn initial_filter(&self, role: Role) -> control::MediaFilter {
        let rules = &self.filter_rules.initial_filters;
        let of = |name: &str| rules.iter().find(|rule| rule.role == name);
        let rule = of(role.as_str()).or_else(|| of(DEFAULT));
        let open = control::MediaFilter::default();
        rule.map_or(open, |rule| filtered(open, rule.ingress, rule.egress))
    }
}

/// What commands are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Audio,
    Video,
}

impl Medium {
    const ALL: [Self; 2] = [Self::Audio, Self::Video];

    /// Its number, type and label in documents.
    const fn names(self) -> [&'static str; 3] {
        match self {
            Self::Audio => [AUDIO_ID, "audio", MAIN_AUDIO],
            Self::Video => [VIDEO_ID, "video", MAIN_VIDEO],
        }
    }

    const fn id(self) -> &'static str {
        let [id, ..] = self.names();
        id
    }

    /// The one that is described by its type, else its label, else its number.
    fn of(media: &Media) -> Option<Self> {
        let (kind, label) = (media.media_type.as_deref(), media.label.as_deref());
        Self::ALL.into_iter().find(|it| {
            let [id, own, main] = it.names();
            let by_type = kind.map(|kind| kind.eq_ignore_ascii_case(own));
            let by_label = label.map(|label| label == main);
            by_type.or(by_label).unwrap_or(media.id == id)
        })
    }

    /// As an answer tells of it.
    fn described(self) -> Media {
        let [id, kind, label] = self.names();
        Media {
            media_type: Some(kind.into()),
            label: Some(label.into()),
            status: (self == Self::Audio).then_some(MediaStatus::SendRecv),
            ..Media::new(id)
        }
    }

    /// Who has taken it out of the conference.
    const fn taken_out(self, call: &mut Call) -> &mut Option<Role> {
        match self {
            Self::Audio => &mut call.withheld,
            Self::Video => &mut call.unseen,
        }
    }
}

/// Whether something is blocked now that was or was not before.
pub(super) fn blocks(filter: Option<MediaFilter>, before: bool) -> bool {
    filter.map_or(before, |filter| filter == MediaFilter::Block)
}

/// The endpoint of a medium.
pub(super) fn endpoint_keys(keys: &MediaKeys) -> EndpointKeys {
    EndpointKeys {
        conf_entity: keys.conf_entity.clone(),
        user_entity: keys.user_entity.clone(),
        endpoint_entity: keys.endpoint_entity.clone(),
    }
}

fn filtered(
    before: control::MediaFilter,
    ingress: Option<MediaFilter>,
    egress: Option<MediaFilter>,
) -> control::MediaFilter {
    control::MediaFilter {
        muted: blocks(ingress, before.muted),
        deaf: blocks(egress, before.deaf),
        ..before
    }
}

/// What somebody hears whose filter was changed.
fn said(before: control::MediaFilter, after: control::MediaFilter) -> Option<Sentence> {
    match (before.muted, after.muted) {
        (false, true) => Some(Sentence::Muted),
        (true, false) => Some(Sentence::Unmuted),
        (true, true) | (false, false) => None,
    }
}

/// The rule for roles without one of their own.
const DEFAULT: &str = "default";
