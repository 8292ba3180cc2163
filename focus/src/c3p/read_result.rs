//! The command element of a response.

use super::scan::{conference_keys_of, endpoint_keys_of, one, one_boolean};
use super::{
    AddUserResult, Coded, CommandName, CommandReason, CommandResult, ConferenceKeys, Defect,
    Diagnostics, EndpointKeys, LobbyStatus, LockPolicy, LockResult, MediaFiltersResult, ResultBody,
    UserResult,
};
use crate::info::{self, AdmissionPolicy, CmsData, Media, Secrets};
use crate::xml::tokens::{boolean, unsigned};
use crate::xml::{Element, Ns};

/// `None` for a command that is not supported: nobody has sent it.
pub(super) fn read_result(element: &Element) -> Result<Option<CommandResult>, Defect> {
    let Some(name) = CommandName::from_token(&element.local) else {
        return Ok(None);
    };
    let Some(body) = read_body(name, element)? else {
        return Ok(None);
    };
    let diagnostics = element.child(Ns::Mscp, "diagnostics-info");
    Ok(Some(CommandResult {
        diagnostics: Diagnostics(diagnostics.map(pairs).unwrap_or_default()),
        reason: reason(name, element),
        mcu_uri: element
            .qualified_uri_attribute(Ns::Mscp, "mcuUri")
            .map(ToOwned::to_owned),
        body,
    }))
}

/// Of endorseUser the result stands for the reason (CB-082).
fn reason(name: CommandName, element: &Element) -> Option<Coded<CommandReason>> {
    if name == CommandName::EndorseUser {
        let result = element.attribute("result")?;
        return (result.trim() != "success").then(|| CommandReason::OtherFailure.into());
    }
    element
        .attribute("reason")
        .map(Coded::<CommandReason>::from_token)
}

fn read_body(name: CommandName, element: &Element) -> Result<Option<ResultBody>, Defect> {
    Ok(Some(match name {
        CommandName::AddUser => ResultBody::AddUser(add_user(element)?),
        CommandName::ModifyUser => ResultBody::ModifyUser(add_user(element)?),
        CommandName::EndorseUser => ResultBody::EndorseUser(keys(element)?),
        CommandName::ModifyUserRoles => ResultBody::ModifyUserRoles(user(element)?),
        CommandName::DeleteUser => ResultBody::DeleteUser(user(element)?),
        CommandName::ModifyConferenceLock => ResultBody::ModifyConferenceLock(lock(element)),
        CommandName::DeleteConference => ResultBody::DeleteConference(conference(element)),
        CommandName::GetConference => get_conference(element),
        CommandName::SetLobbyAccess => {
            ResultBody::SetLobbyAccess(keys(element)?, statuses(element))
        }
        CommandName::ModifyEndpoint => {
            let endpoint = element.child(Ns::Ci, "endpoint");
            let endpoint = endpoint.and_then(info::read_endpoint).map(Box::new);
            ResultBody::ModifyEndpoint(endpoint_keys(element)?, endpoint)
        }
        CommandName::ModifyConferenceAnnouncements => {
            ResultBody::ModifyConferenceAnnouncements(one_boolean(element, Ns::Cccp, "enabled")?)
        }
        CommandName::ModifyConference => ResultBody::ModifyConference(conference(element)),
        CommandName::AddEndpointMedia => {
            ResultBody::AddEndpointMedia(endpoint_keys(element)?, media(element))
        }
        CommandName::ModifyEndpointMedia => {
            ResultBody::ModifyEndpointMedia(endpoint_keys(element)?, media(element))
        }
        CommandName::DeleteEndpointMedia => {
            ResultBody::DeleteEndpointMedia(endpoint_keys(element)?, media(element))
        }
        CommandName::ModifyUsersMediaFilters => {
            ResultBody::ModifyUsersMediaFilters(media_filters(element)?)
        }
        CommandName::AddConference
        | CommandName::GetAvailableMcuTypes
        | CommandName::GetConferences
        | CommandName::GetEncryptionKey
        | CommandName::GetConferencingCapabilities => return Ok(None),
    }))
}

fn keys(element: &Element) -> Result<Option<ConferenceKeys>, Defect> {
    let keys = element.child(Ns::Cccp, "conferenceKeys");
    keys.map(conference_keys_of).transpose()
}

fn endpoint_keys(element: &Element) -> Result<Option<EndpointKeys>, Defect> {
    let keys = element.child(Ns::Cccp, "endpointKeys");
    keys.map(endpoint_keys_of).transpose()
}

fn media(element: &Element) -> Option<Media> {
    element.child(Ns::Ci, "media").and_then(info::read_media)
}

fn conference(element: &Element) -> Option<String> {
    let info = element.child(Ns::Ci, "conference-info")?;
    info.uri_attribute("entity").map(ToOwned::to_owned)
}

fn add_user(element: &Element) -> Result<AddUserResult, Defect> {
    let connection = element.child(Ns::Mscp, "connection-info");
    Ok(AddUserResult {
        keys: keys(element)?,
        user: element.child(Ns::Ci, "user").and_then(info::read_user),
        connection_info: connection.map(pairs).unwrap_or_default(),
    })
}

fn user(element: &Element) -> Result<UserResult, Defect> {
    Ok(UserResult {
        keys: keys(element)?,
        user: element.child(Ns::Ci, "user").and_then(info::read_user),
    })
}

fn lock(element: &Element) -> LockResult {
    let token = |local| element.child_token(Ns::Msci, local);
    let admission_policy = token("admission-policy").and_then(AdmissionPolicy::from_token);
    let autopromote = token("autopromote").and_then(unsigned);
    let bypass = token("pstn-lobby-bypass").and_then(boolean);
    let policy = match (admission_policy, autopromote, bypass) {
        (Some(admission_policy), Some(autopromote), Some(pstn_lobby_bypass)) => Some(LockPolicy {
            admission_policy,
            autopromote,
            pstn_lobby_bypass,
        }),
        _ => None,
    };
    LockResult {
        conf_entity: conference(element),
        locked: element.child_token(Ns::Cccp, "locked").and_then(boolean),
        policy,
    }
}

/// The document and the secrets in it part here.
fn get_conference(element: &Element) -> ResultBody {
    let element = element.child(Ns::Ci, "conference-info");
    let Some(info) = element.and_then(|element| info::from_element(element).ok()) else {
        return ResultBody::GetConference(None, Secrets::default());
    };
    let description = element.and_then(|info| info.child(Ns::Ci, "conference-description"));
    let secrets = description.map(secrets_of).unwrap_or_default();
    ResultBody::GetConference(Some(Box::new(info)), secrets)
}

fn secrets_of(description: &Element) -> Secrets {
    let cms = |holder: &Element| {
        let data = holder.child_text(Ns::Msci, "cms-data")?;
        CmsData::from_base64(data)
    };
    let uri = |purpose: &str| {
        let entries = description.child(Ns::Ci, "conf-uris")?;
        let entry = entries
            .children_meaning(Ns::Ci, "entry")
            .find(|entry| entry.child_token(Ns::Ci, "purpose") == Some(purpose))?;
        cms(entry.child(Ns::Msci, "encrypted-uri")?)
    };
    Secrets {
        conference_key: description.child(Ns::Msci, "conference-key").and_then(cms),
        web_internal: uri("web-internal"),
        web_external: uri("web-external"),
    }
}

fn statuses(element: &Element) -> Vec<(String, Coded<LobbyStatus>)> {
    element
        .children_meaning(Ns::Cccp, "status")
        .filter_map(|status| {
            Some((
                status.child_token(Ns::Cccp, "userEntity")?.to_owned(),
                Coded::<LobbyStatus>::from_token(status.attribute("reason")?),
            ))
        })
        .collect()
}

fn media_filters(element: &Element) -> Result<MediaFiltersResult, Defect> {
    let texts = |local| -> Vec<String> {
        let elements = element.children_meaning(Ns::Cccp, local);
        elements.map(|child| child.token().to_owned()).collect()
    };
    Ok(MediaFiltersResult {
        keys: conference_keys_of(one(element, Ns::Cccp, "conferenceKeys")?)?,
        unsupported_roles: texts("unsupportedRole"),
        unknown_users: texts("unknownUser"),
        unsupported_media_labels: texts("unsupportedMediaLabel"),
    })
}

/// Keys and values of diagnostics-info and connection-info.
fn pairs(element: &Element) -> Vec<(String, String)> {
    element
        .children_meaning(Ns::Mscp, "entry")
        .filter_map(|entry| {
            Some((
                entry.child_token(Ns::Mscp, "key")?.to_owned(),
                entry.child_token(Ns::Mscp, "value")?.to_owned(),
            ))
        })
        .collect()
}
