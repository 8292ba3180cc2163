//! A command as text, in the order of the schema.

use super::{
    AddUser, Command, CommandName, ConferenceKeys, EndpointKeys, EndpointMedia, EntityChanges,
    GetConference, LockPolicy, MediaKeys, ModifyConference, ModifyConferenceLock, ModifyEndpoint,
    ModifyUserRoles, ModifyUsersMediaFilters, SetLobbyAccess, UserKeys,
};
use crate::info::{self, Form};
use crate::xml::tokens::boolean_token;
use crate::xml::{Element, Ns, Writer};

pub(super) fn write_command(w: &mut Writer, command: &Command) {
    match command {
        Command::AddUser(add) => write_add_user(w, CommandName::AddUser, add),
        Command::ModifyUser(add) => write_add_user(w, CommandName::ModifyUser, add),
        Command::EndorseUser(endorse) => {
            w.open(Ns::Cccp, "endorseUser");
            write_conference_keys(w, &endorse.keys);
            w.leaf(Ns::Cccp, "endorsee", &endorse.endorsee);
            info::write_dialog_id(w, &endorse.dialog);
            w.close();
        }
        Command::ModifyUserRoles(modify) => write_modify_user_roles(w, modify),
        Command::ModifyConferenceLock(modify) => write_modify_conference_lock(w, modify),
        Command::DeleteUser(delete) => {
            open(w, CommandName::DeleteUser, delete.mcu_uri.as_deref());
            w.optional(
                "client-reason",
                delete.client_reason.map(|reason| reason.as_str()),
            );
            write_user_keys(w, &delete.keys);
            w.close();
        }
        Command::DeleteConference(keys) => {
            open(w, CommandName::DeleteConference, None);
            write_conference_keys(w, keys);
            w.close();
        }
        Command::GetConference(get) => write_get_conference(w, get),
        Command::SetLobbyAccess(set) => write_set_lobby_access(w, set),
        Command::ModifyEndpoint(modify) => write_modify_endpoint(w, modify),
        Command::ModifyConferenceAnnouncements(modify) => {
            open(
                w,
                CommandName::ModifyConferenceAnnouncements,
                modify.mcu_uri.as_deref(),
            );
            write_conference_keys(w, &modify.keys);
            w.leaf(Ns::Cccp, "enabled", boolean_token(modify.enabled))
                .close();
        }
        Command::ModifyConference(modify) => write_modify_conference(w, modify),
        Command::AddEndpointMedia(media) => {
            write_endpoint_media(w, CommandName::AddEndpointMedia, media);
        }
        Command::ModifyEndpointMedia(media) => {
            write_endpoint_media(w, CommandName::ModifyEndpointMedia, media);
        }
        Command::DeleteEndpointMedia(delete) => {
            open(
                w,
                CommandName::DeleteEndpointMedia,
                delete.mcu_uri.as_deref(),
            );
            write_media_keys(w, &delete.keys);
            w.close();
        }
        Command::ModifyUsersMediaFilters(modify) => write_media_filters(w, modify),
        Command::Unsupported(name) => {
            w.element(&Element::new(Ns::Cccp, name));
        }
    }
}

fn open(w: &mut Writer, name: CommandName, mcu_uri: Option<&str>) {
    w.open(Ns::Cccp, name.as_str())
        .optional_qualified(Ns::Mscp, "mcuUri", mcu_uri);
}

fn write_add_user(w: &mut Writer, name: CommandName, add: &AddUser) {
    open(w, name, add.mcu_uri.as_deref());
    if add.allow_session_replace {
        w.qualified(Ns::Mscp, "allow-session-replace", "true");
    }
    write_conference_keys(w, &add.keys);
    info::write_user(w, &add.user, Form::Extended);
    w.close();
}

fn write_modify_user_roles(w: &mut Writer, modify: &ModifyUserRoles) {
    open(w, CommandName::ModifyUserRoles, modify.mcu_uri.as_deref());
    write_user_keys(w, &modify.keys);
    w.open(Ns::Ci, "user-roles")
        .leaf(Ns::Ci, "entry", modify.role.as_str())
        .close()
        .close();
}

fn write_modify_conference_lock(w: &mut Writer, modify: &ModifyConferenceLock) {
    open(w, CommandName::ModifyConferenceLock, None);
    write_conference_keys(w, &modify.keys);
    w.leaf(Ns::Cccp, "locked", boolean_token(modify.locked));
    if let Some(policy) = modify.policy {
        w.separator();
        write_lock_policy(w, policy);
    }
    w.close();
}

fn write_get_conference(w: &mut Writer, get: &GetConference) {
    open(w, CommandName::GetConference, None);
    write_conference_keys(w, &get.keys);
    w.optional_boolean(Ns::Cccp, "notify", get.notify);
    if let Some(certificate) = &get.certificate {
        w.open(Ns::Msci, "encryption-key")
            .leaf(Ns::Msci, "x509-certificate", certificate)
            .close();
    }
    w.close();
}

fn write_set_lobby_access(w: &mut Writer, set: &SetLobbyAccess) {
    open(w, CommandName::SetLobbyAccess, set.mcu_uri.as_deref());
    write_conference_keys(w, &set.keys);
    for user in &set.users {
        w.leaf(Ns::Cccp, "userEntity", user);
    }
    w.leaf(Ns::Cccp, "access", set.access.as_str()).close();
}

fn write_modify_endpoint(w: &mut Writer, modify: &ModifyEndpoint) {
    open(w, CommandName::ModifyEndpoint, modify.mcu_uri.as_deref());
    write_endpoint_keys(w, &modify.keys);
    info::write_endpoint(w, &modify.endpoint, &modify.endpoint.entity, Form::Extended);
    w.close();
}

fn write_modify_conference(w: &mut Writer, modify: &ModifyConference) {
    open(w, CommandName::ModifyConference, Some(&modify.mcu_uri));
    w.open_default(Ns::Ci, "conference-info")
        .attribute("entity", &modify.conf_entity)
        .attribute("state", "partial")
        .open(Ns::Msci, "conference-view")
        .qualified(Ns::Ci, "state", "partial")
        .open(Ns::Msci, "entity-view")
        .qualified(Ns::Ci, "state", "partial")
        .attribute("entity", &modify.mcu_uri);
    write_entity_changes(w, &modify.changes);
    w.close().close().close().close();
}

fn write_entity_changes(w: &mut Writer, changes: &EntityChanges) {
    w.open(Ns::Msci, "entity-settings");
    if let Some(rules) = &changes.media_filters_rules {
        info::write_media_filters_rules(w, rules);
    }
    if !changes.media.is_empty() {
        w.open(Ns::Msci, "media");
        for medium in &changes.media {
            info::write_medium(w, medium);
        }
        w.close();
    }
    if let Some(enabled) = changes.entry_exit_announcements {
        w.open(Ns::Msav, "settings")
            .open(Ns::Msmcu, "entry-exit-announcements")
            .leaf(Ns::Msmcu, "enabled", boolean_token(enabled))
            .close()
            .close();
    }
    if !changes.permission_options.is_empty() {
        w.separator().open(Ns::Msmcu, "permission-options");
        for option in &changes.permission_options {
            w.open(Ns::Msmcu, "permission-option")
                .leaf(Ns::Msmcu, "name", &option.name)
                .leaf(Ns::Msmcu, "value", &option.value)
                .leaf(Ns::Msmcu, "mutable", boolean_token(option.mutable))
                .close();
        }
        w.close();
    }
    w.close();
}

fn write_endpoint_media(w: &mut Writer, name: CommandName, command: &EndpointMedia) {
    open(w, name, command.mcu_uri.as_deref());
    write_media_keys(w, &command.keys);
    info::write_media(w, &command.media, Form::Extended);
    w.close();
}

fn write_media_filters(w: &mut Writer, modify: &ModifyUsersMediaFilters) {
    open(
        w,
        CommandName::ModifyUsersMediaFilters,
        modify.mcu_uri.as_deref(),
    );
    write_conference_keys(w, &modify.keys);
    for label in &modify.media_labels {
        w.leaf(Ns::Cccp, "mediaLabel", label);
    }
    let token = |filter: Option<info::MediaFilter>| filter.map(info::MediaFilter::as_str);
    w.optional_leaf(Ns::Msci, "media-ingress-filter", token(modify.ingress))
        .optional_leaf(Ns::Msci, "media-egress-filter", token(modify.egress));
    for role in &modify.exclude_roles {
        w.leaf(Ns::Cccp, "excludeRole", role);
    }
    for user in &modify.exclude_users {
        w.leaf(Ns::Cccp, "excludeUser", user);
    }
    w.close();
}

/// The second group of modifyConferenceLock, in requests and responses (CB-183).
pub(super) fn write_lock_policy(w: &mut Writer, policy: LockPolicy) {
    w.leaf(
        Ns::Msci,
        "admission-policy",
        policy.admission_policy.as_str(),
    )
    .leaf(Ns::Msci, "autopromote", &policy.autopromote.to_string())
    .leaf(
        Ns::Msci,
        "pstn-lobby-bypass",
        boolean_token(policy.pstn_lobby_bypass),
    );
}

pub(super) fn write_conference_keys(w: &mut Writer, keys: &ConferenceKeys) {
    w.open(Ns::Cccp, "conferenceKeys")
        .attribute("confEntity", &keys.conf_entity)
        .optional_qualified(Ns::Msci, "conference-id", keys.conference_id.as_deref())
        .close();
}

fn write_user_keys(w: &mut Writer, keys: &UserKeys) {
    w.open(Ns::Cccp, "userKeys")
        .attribute("confEntity", &keys.conf_entity)
        .attribute("userEntity", &keys.user_entity)
        .close();
}

pub(super) fn write_endpoint_keys(w: &mut Writer, keys: &EndpointKeys) {
    w.open(Ns::Cccp, "endpointKeys")
        .attribute("confEntity", &keys.conf_entity)
        .attribute("userEntity", &keys.user_entity)
        .attribute("endpointEntity", &keys.endpoint_entity)
        .close();
}

fn write_media_keys(w: &mut Writer, keys: &MediaKeys) {
    w.open(Ns::Cccp, "mediaKeys")
        .attribute("confEntity", &keys.conf_entity)
        .attribute("userEntity", &keys.user_entity)
        .attribute("endpointEntity", &keys.endpoint_entity)
        .attribute("mediaId", &keys.media_id)
        .close();
}
