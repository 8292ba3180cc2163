//! The command element of a response as text, in the order of the schema.

use super::write_command::{write_conference_keys, write_endpoint_keys, write_lock_policy};
use super::{
    AddUserResult, Coded, CommandReason, CommandResult, ConferenceKeys, EndpointKeys, LobbyStatus,
    LockResult, MediaFiltersResult, ResultBody, UserResult,
};
use crate::info::{self, ConferenceInfo, Form, Media, Secrets};
use crate::xml::tokens::boolean_token;
use crate::xml::{Ns, Writer};

pub(super) fn write_result(w: &mut Writer, result: &CommandResult) {
    w.open(Ns::Cccp, result.body.name().as_str());
    let reason = result.reason.as_ref().map(Coded::<CommandReason>::as_str);
    if let ResultBody::EndorseUser(keys) = &result.body {
        w.attribute("result", reason.map_or("success", |_| "otherFailure"));
        write_optional_keys(w, keys.as_ref());
        write_pairs(w, "diagnostics-info", &result.diagnostics.0);
        w.close();
        return;
    }
    w.optional("reason", reason)
        .optional_qualified(Ns::Mscp, "mcuUri", result.mcu_uri.as_deref());
    write_pairs(w, "diagnostics-info", &result.diagnostics.0);
    write_body(w, &result.body);
    w.close();
}

fn write_body(w: &mut Writer, body: &ResultBody) {
    match body {
        ResultBody::AddUser(result) | ResultBody::ModifyUser(result) => write_add_user(w, result),
        ResultBody::EndorseUser(keys) => write_optional_keys(w, keys.as_ref()),
        ResultBody::ModifyUserRoles(result) | ResultBody::DeleteUser(result) => {
            write_user(w, result);
        }
        ResultBody::ModifyConferenceLock(result) => write_lock(w, result),
        ResultBody::DeleteConference(entity) => write_conference(w, entity.as_deref(), None),
        ResultBody::GetConference(info, secrets) => write_roster(w, info.as_deref(), secrets),
        ResultBody::SetLobbyAccess(keys, statuses) => {
            write_optional_keys(w, keys.as_ref());
            write_statuses(w, statuses);
        }
        ResultBody::ModifyEndpoint(keys, endpoint) => {
            write_optional_endpoint_keys(w, keys.as_ref());
            if let Some(endpoint) = endpoint {
                info::write_endpoint(w, endpoint, &endpoint.entity, Form::Extended);
            }
        }
        ResultBody::ModifyConferenceAnnouncements(enabled) => {
            w.leaf(Ns::Cccp, "enabled", boolean_token(*enabled));
        }
        ResultBody::ModifyConference(entity) => {
            write_conference(w, entity.as_deref(), Some("partial"));
        }
        ResultBody::AddEndpointMedia(keys, media)
        | ResultBody::ModifyEndpointMedia(keys, media)
        | ResultBody::DeleteEndpointMedia(keys, media) => {
            write_media(w, keys.as_ref(), media.as_ref());
        }
        ResultBody::ModifyUsersMediaFilters(result) => write_media_filters(w, result),
    }
}

fn write_optional_keys(w: &mut Writer, keys: Option<&ConferenceKeys>) {
    if let Some(keys) = keys {
        write_conference_keys(w, keys);
    }
}

fn write_optional_endpoint_keys(w: &mut Writer, keys: Option<&EndpointKeys>) {
    if let Some(keys) = keys {
        write_endpoint_keys(w, keys);
    }
}

fn write_add_user(w: &mut Writer, result: &AddUserResult) {
    write_optional_keys(w, result.keys.as_ref());
    if let Some(user) = &result.user {
        info::write_user(w, user, Form::Extended);
    }
    write_pairs(w, "connection-info", &result.connection_info);
}

fn write_user(w: &mut Writer, result: &UserResult) {
    write_optional_keys(w, result.keys.as_ref());
    if let Some(user) = &result.user {
        info::write_user(w, user, Form::Extended);
    }
}

fn write_lock(w: &mut Writer, result: &LockResult) {
    write_conference(w, result.conf_entity.as_deref(), None);
    w.optional_boolean(Ns::Cccp, "locked", result.locked);
    if let Some(policy) = result.policy {
        w.separator();
        write_lock_policy(w, policy);
    }
}

/// A conference document that says nothing but which.
fn write_conference(w: &mut Writer, entity: Option<&str>, state: Option<&str>) {
    if let Some(entity) = entity {
        w.open(Ns::Ci, "conference-info")
            .attribute("entity", entity)
            .optional("state", state)
            .close();
    }
}

fn write_roster(w: &mut Writer, info: Option<&ConferenceInfo>, secrets: &Secrets) {
    if let Some(info) = info {
        info::write_info_element(w, info, secrets);
    }
}

fn write_statuses(w: &mut Writer, statuses: &[(String, Coded<LobbyStatus>)]) {
    for (user, status) in statuses {
        w.open(Ns::Cccp, "status")
            .attribute("reason", status.as_str())
            .leaf(Ns::Cccp, "userEntity", user)
            .close();
    }
}

fn write_media(w: &mut Writer, keys: Option<&EndpointKeys>, media: Option<&Media>) {
    write_optional_endpoint_keys(w, keys);
    if let Some(media) = media {
        info::write_media(w, media, Form::Extended);
    }
}

fn write_media_filters(w: &mut Writer, result: &MediaFiltersResult) {
    write_conference_keys(w, &result.keys);
    for role in &result.unsupported_roles {
        w.leaf(Ns::Cccp, "unsupportedRole", role);
    }
    for user in &result.unknown_users {
        w.leaf(Ns::Cccp, "unknownUser", user);
    }
    for label in &result.unsupported_media_labels {
        w.leaf(Ns::Cccp, "unsupportedMediaLabel", label);
    }
}

fn write_pairs(w: &mut Writer, local: &'static str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    w.open(Ns::Mscp, local);
    for (key, value) in pairs {
        w.open(Ns::Mscp, "entry")
            .leaf(Ns::Mscp, "key", key)
            .leaf(Ns::Mscp, "value", value)
            .close();
    }
    w.close();
}
