//! Commands about who hears and is heard (CB-247.7, CB-247.10, CB-248, CB-286, CB-287): their
//! success is the mixer's, not the roster's.

use super::{Failure, Outcome};
use crate::access::Role;
use crate::c3p::{
    CommandReason, EndpointKeys, EndpointMedia, MediaFiltersResult, MediaKeys,
    ModifyUsersMediaFilters, ResultBody,
};
use crate::conference::Focus;
use crate::conference::document::{AUDIO_ID, MAIN_AUDIO, MAIN_VIDEO, SLIDES_ID, VIDEO_ID};
use crate::info::{Media, MediaFilter};
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
        let endpoint = self.audio_of(&command.keys)?;
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
    let blocks = |filter: Option<MediaFilter>, before: bool| {
        filter.map_or(before, |filter| filter == MediaFilter::Block)
    };
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
