//! The command of a request out of its element.

use super::scan::{
    at_most_one, conference_keys, endpoint_keys_of, mcu_uri, media_keys, one, one_boolean,
    optional, sip_uri, user_keys,
};
use super::{
    AddUser, ClientReason, Command, CommandName, Defect, DeleteEndpointMedia, DeleteUser,
    EndorseUser, EndpointMedia, EntityChanges, GetConference, LobbyAccess, LockPolicy,
    ModifyConference, ModifyConferenceAnnouncements, ModifyConferenceLock, ModifyEndpoint,
    ModifyUserRoles, ModifyUsersMediaFilters, SetLobbyAccess,
};
use crate::info::{
    self, AdmissionPolicy, Endpoint, JoiningMethod, MediaFilter, PermissionOption, Role, User,
};
use crate::xml::tokens::{boolean, unsigned};
use crate::xml::{Element, Namespace, Ns};

pub(super) fn read_command(element: &Element) -> Result<Command, Defect> {
    let Some(name) = CommandName::from_token(&element.local) else {
        return Ok(Command::Unsupported((*element.local).into()));
    };
    Ok(match name {
        CommandName::AddUser => Command::AddUser(add_user(element)?),
        CommandName::ModifyUser => Command::ModifyUser(modify_user(element)?),
        CommandName::EndorseUser => Command::EndorseUser(endorse_user(element)?),
        CommandName::ModifyUserRoles => Command::ModifyUserRoles(ModifyUserRoles {
            keys: user_keys(element)?,
            role: one_role(one(element, Ns::Ci, "user-roles")?)?,
            mcu_uri: mcu_uri(element)?,
        }),
        CommandName::ModifyConferenceLock => {
            Command::ModifyConferenceLock(modify_conference_lock(element)?)
        }
        CommandName::DeleteUser => Command::DeleteUser(delete_user(element)?),
        CommandName::DeleteConference => Command::DeleteConference(conference_keys(element)?),
        CommandName::GetConference => Command::GetConference(get_conference(element)?),
        CommandName::SetLobbyAccess => Command::SetLobbyAccess(set_lobby_access(element)?),
        CommandName::ModifyEndpoint => Command::ModifyEndpoint(modify_endpoint(element)?),
        CommandName::ModifyConferenceAnnouncements => {
            Command::ModifyConferenceAnnouncements(ModifyConferenceAnnouncements {
                keys: conference_keys(element)?,
                enabled: one_boolean(element, Ns::Cccp, "enabled")?,
                mcu_uri: mcu_uri(element)?,
            })
        }
        CommandName::ModifyConference => Command::ModifyConference(modify_conference(element)?),
        CommandName::AddEndpointMedia => Command::AddEndpointMedia(endpoint_media(element)?),
        CommandName::ModifyEndpointMedia => Command::ModifyEndpointMedia(endpoint_media(element)?),
        CommandName::DeleteEndpointMedia => Command::DeleteEndpointMedia(DeleteEndpointMedia {
            keys: media_keys(element)?,
            mcu_uri: mcu_uri(element)?,
        }),
        CommandName::ModifyUsersMediaFilters => {
            Command::ModifyUsersMediaFilters(modify_users_media_filters(element)?)
        }
        CommandName::AddConference
        | CommandName::GetAvailableMcuTypes
        | CommandName::GetConferences
        | CommandName::GetEncryptionKey
        | CommandName::GetConferencingCapabilities => Command::Unsupported((*element.local).into()),
    })
}

/// CB-024 to CB-031 for a join, CB-202 and CB-209 with an MCU.
fn add_user(element: &Element) -> Result<AddUser, Defect> {
    let command = modify_user(element)?;
    let user = one(element, Ns::Ci, "user")?;
    let endpoint = at_most_one(user, Ns::Ci, "endpoint")?;
    let method = match endpoint {
        Some(endpoint) => optional(
            endpoint,
            Ns::Ci,
            "joining-method",
            JoiningMethod::from_token,
        )?,
        None => None,
    };
    match (&command.mcu_uri, method) {
        (_, Some(JoiningMethod::FocusOwner)) => Err(Defect::BadValue("joining-method")),
        (None, Some(JoiningMethod::DialedOut)) => Err(Defect::Missing("mcuUri")),
        (None, Some(JoiningMethod::DialedIn) | None) => {
            one(user, Ns::Ci, "roles")?;
            one(user, Ns::Ci, "endpoint")?;
            Ok(command)
        }
        (Some(_), Some(JoiningMethod::DialedIn | JoiningMethod::DialedOut)) => Ok(command),
        (Some(_), None) => Err(Defect::Missing("joining-method")),
    }
}

/// What addUser and modifyUser have in common.
fn modify_user(element: &Element) -> Result<AddUser, Defect> {
    let user = one(element, Ns::Ci, "user")?;
    if let Some(roles) = at_most_one(user, Ns::Ci, "roles")? {
        one_role(roles)?;
    }
    if let Some(endpoint) = at_most_one(user, Ns::Ci, "endpoint")? {
        endpoint_entity(endpoint)?;
    }
    sip_uri(user.uri_attribute("entity"), "entity")?;
    let user = info::read_user(user).ok_or(Defect::Missing("entity"))?;
    let replace = element.qualified_attribute(Ns::Mscp, "allow-session-replace");
    Ok(AddUser {
        keys: conference_keys(element)?,
        mcu_uri: mcu_uri(element)?,
        allow_session_replace: replace.and_then(boolean).unwrap_or(false),
        user: of_client(user),
    })
}

/// What only focus and MCUs may say of a user is dropped (CB-059, CB-078).
fn of_client(user: User) -> User {
    User {
        state: info::State::Full,
        endorser: None,
        endpoints: user.endpoints.into_iter().map(endpoint_of_client).collect(),
        ..user
    }
}

fn endpoint_of_client(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        state: info::State::Full,
        session_type: None,
        status: None,
        role: None,
        auth_method: None,
        access_method: None,
        asserted_identity: None,
        ..endpoint
    }
}

fn endpoint_entity(endpoint: &Element) -> Result<&str, Defect> {
    endpoint
        .attribute("entity")
        .filter(|entity| !entity.is_empty())
        .ok_or(Defect::Missing("entity"))
}

/// CB-027, CB-176.
fn one_role(roles: &Element) -> Result<Role, Defect> {
    let entry = one(roles, Ns::Ci, "entry")?;
    Role::from_token(entry.token()).ok_or(Defect::BadValue("entry"))
}

/// CB-074.
fn endorse_user(element: &Element) -> Result<EndorseUser, Defect> {
    let endorsee = one(element, Ns::Cccp, "endorsee")?;
    let dialog = one(element, Ns::Ci, "dialog-id")?;
    Ok(EndorseUser {
        keys: conference_keys(element)?,
        endorsee: sip_uri(Some(endorsee.token()), "endorsee")?,
        dialog: info::read_dialog_id(dialog).ok_or(Defect::Missing("dialog-id"))?,
    })
}

/// CB-180, CB-181.
fn modify_conference_lock(element: &Element) -> Result<ModifyConferenceLock, Defect> {
    let admission = optional(
        element,
        Ns::Msci,
        "admission-policy",
        AdmissionPolicy::from_token,
    )?;
    let autopromote = optional(element, Ns::Msci, "autopromote", unsigned)?;
    let bypass = optional(element, Ns::Msci, "pstn-lobby-bypass", boolean)?;
    let policy = match (admission, autopromote, bypass) {
        (None, None, None) => None,
        (Some(admission_policy), Some(autopromote), Some(pstn_lobby_bypass)) => Some(LockPolicy {
            admission_policy,
            autopromote,
            pstn_lobby_bypass,
        }),
        _ => return Err(Defect::AllOrNone),
    };
    Ok(ModifyConferenceLock {
        keys: conference_keys(element)?,
        locked: one_boolean(element, Ns::Cccp, "locked")?,
        policy,
    })
}

/// CB-188: a single endpoint cannot be removed.
fn delete_user(element: &Element) -> Result<DeleteUser, Defect> {
    let endpoint = at_most_one(element, Ns::Cccp, "endpointEntity")?;
    if endpoint.is_some_and(|endpoint| !endpoint.token().is_empty()) {
        return Err(Defect::BadValue("endpointEntity"));
    }
    let reason = element.attribute("client-reason");
    Ok(DeleteUser {
        keys: user_keys(element)?,
        client_reason: reason.and_then(ClientReason::from_token),
        mcu_uri: mcu_uri(element)?,
    })
}

/// CB-218. A certificate that is none is for the command to answer (CB-223).
fn get_conference(element: &Element) -> Result<GetConference, Defect> {
    let key = at_most_one(element, Ns::Msci, "encryption-key")?;
    let certificate = key.and_then(|key| key.child_text(Ns::Msci, "x509-certificate"));
    Ok(GetConference {
        keys: conference_keys(element)?,
        notify: optional(element, Ns::Cccp, "notify", boolean)?,
        certificate: certificate.map(|base64| base64.split_ascii_whitespace().collect()),
    })
}

/// CB-226.
fn set_lobby_access(element: &Element) -> Result<SetLobbyAccess, Defect> {
    let users: Vec<_> = element
        .children_meaning(Ns::Cccp, "userEntity")
        .map(|user| sip_uri(Some(user.token()), "userEntity"))
        .collect::<Result<_, _>>()?;
    if users.is_empty() {
        return Err(Defect::Missing("userEntity"));
    }
    Ok(SetLobbyAccess {
        keys: conference_keys(element)?,
        users,
        access: optional(element, Ns::Cccp, "access", LobbyAccess::from_token)?
            .ok_or(Defect::Missing("access"))?,
        mcu_uri: mcu_uri(element)?,
    })
}

/// CB-235.
fn modify_endpoint(element: &Element) -> Result<ModifyEndpoint, Defect> {
    let keys = endpoint_keys_of(one(element, Ns::Cccp, "endpointKeys")?)?;
    let endpoint = one(element, Ns::Ci, "endpoint")?;
    if endpoint_entity(endpoint)? != keys.endpoint_entity {
        return Err(Defect::Mismatch("endpoint"));
    }
    let endpoint = info::read_endpoint(endpoint).ok_or(Defect::Missing("entity"))?;
    Ok(ModifyEndpoint {
        keys,
        endpoint: Box::new(endpoint_of_client(endpoint)),
        mcu_uri: mcu_uri(element)?,
    })
}

/// CB-242: one view, of the MCU that is named.
fn modify_conference(element: &Element) -> Result<ModifyConference, Defect> {
    let mcu_uri = mcu_uri(element)?.ok_or(Defect::Missing("mcuUri"))?;
    let info = one(element, Ns::Ci, "conference-info")?;
    let view = one(info, Ns::Msci, "conference-view")?;
    let another = |child: &Element| match &child.namespace {
        Namespace::Known(ns) => matches!(ns, Ns::Ci | Ns::Msci) && !std::ptr::eq(child, view),
        Namespace::Unqualified | Namespace::Foreign(_) => false,
    };
    if info.children.iter().any(another) {
        return Err(Defect::Unexpected("conference-info"));
    }
    let entity_view = one(view, Ns::Msci, "entity-view")?;
    let entity = sip_uri(entity_view.uri_attribute("entity"), "entity")?;
    if entity != mcu_uri {
        return Err(Defect::Mismatch("entity-view"));
    }
    Ok(ModifyConference {
        mcu_uri,
        conf_entity: sip_uri(info.uri_attribute("entity"), "entity")?,
        changes: entity_changes(entity_view),
    })
}

/// Settings before state, where both say something (trap 45).
fn entity_changes(view: &Element) -> EntityChanges {
    let parts = || {
        ["entity-settings", "entity-state"]
            .into_iter()
            .filter_map(|local| view.child(Ns::Msci, local))
    };
    let media = parts().find_map(|part| part.child(Ns::Msci, "media"));
    let announcements = parts().find_map(|part| {
        part.exact_child(Ns::Msav, "settings")?
            .exact_child(Ns::Msmcu, "entry-exit-announcements")
    });
    let options = parts().find_map(|part| part.exact_child(Ns::Msmcu, "permission-options"));
    EntityChanges {
        media_filters_rules: parts()
            .find_map(|part| part.child(Ns::Msci, "mediaFiltersRules"))
            .map(info::read_media_filters_rules),
        media: media
            .into_iter()
            .flat_map(|media| media.children_meaning(Ns::Ci, "entry"))
            .filter_map(info::read_medium)
            .collect(),
        entry_exit_announcements: announcements
            .and_then(|announcements| announcements.child_token(Ns::Msmcu, "enabled"))
            .and_then(boolean),
        permission_options: options
            .into_iter()
            .flat_map(|options| options.children_meaning(Ns::Msmcu, "permission-option"))
            .filter_map(|option| {
                Some(PermissionOption {
                    name: option.child_text(Ns::Msmcu, "name")?.into(),
                    value: option.child_text(Ns::Msmcu, "value")?.into(),
                    mutable: boolean(option.child_token(Ns::Msmcu, "mutable")?)?,
                })
            })
            .collect(),
    }
}

/// CB-247.7.
fn endpoint_media(element: &Element) -> Result<EndpointMedia, Defect> {
    let keys = media_keys(element)?;
    let media = one(element, Ns::Ci, "media")?;
    let filter = |local| optional(media, Ns::Msci, local, MediaFilter::from_token);
    filter("media-ingress-filter")?;
    filter("media-egress-filter")?;
    let media = info::read_media(media).ok_or(Defect::Missing("id"))?;
    if media.id != keys.media_id {
        return Err(Defect::Mismatch("media"));
    }
    Ok(EndpointMedia {
        keys,
        media,
        mcu_uri: mcu_uri(element)?,
    })
}

/// CB-247.10.
fn modify_users_media_filters(element: &Element) -> Result<ModifyUsersMediaFilters, Defect> {
    let texts = |local| -> Vec<String> {
        let elements = element.children_meaning(Ns::Cccp, local);
        elements.map(|child| child.token().to_owned()).collect()
    };
    let filter = |local| optional(element, Ns::Msci, local, MediaFilter::from_token);
    let media_labels = texts("mediaLabel");
    if media_labels.is_empty() {
        return Err(Defect::Missing("mediaLabel"));
    }
    Ok(ModifyUsersMediaFilters {
        keys: conference_keys(element)?,
        media_labels,
        ingress: filter("media-ingress-filter")?,
        egress: filter("media-egress-filter")?,
        exclude_roles: texts("excludeRole"),
        exclude_users: texts("excludeUser"),
        mcu_uri: mcu_uri(element)?,
    })
}
