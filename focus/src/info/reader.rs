//! Octets to document, leniently: what is not understood is ignored (CB-009).

use super::write::is_meeting_id;
use super::{
    Access, AvState, Capabilities, ClientInfo, ConfUri, ConferenceInfo, ConferenceMedium,
    ConferenceState, ConferenceView, DateTime, Description, DialogId, Endorser, Endpoint,
    EntityState, EntityView, Execution, Extension, InitialFilters, Media, MediaFilter,
    MediaFiltersRules, MediaStatus, Organizer, Permission, PermissionOption, PstnAccess, Purpose,
    Role, State, User, Users, VideoParameters,
};
use crate::xml::tokens::{boolean, unsigned};
use crate::xml::{self, Element, Ns};
use std::sync::Arc;
use thiserror::Error;

/// Why octets are not a conference document. The sender is at fault, or our limits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Not a document at all.
    #[error(transparent)]
    Xml(#[from] xml::Error),
    /// The document element is not `conference-info`.
    #[error("not a conference document")]
    NotConferenceInfo,
    /// No `entity`.
    #[error("a conference document without entity")]
    NoEntity,
    /// `state` or `version` of the document is none.
    #[error("a conference document with a malformed {0}")]
    Malformed(&'static str),
}

/// Reads a document.
///
/// # Errors
/// Not XML within the limits, another kind of document, no entity, or a state or version that is
/// none. Users, endpoints and views without entity cannot be keyed and are ignored.
pub fn read(octets: &[u8], limits: &xml::Limits) -> Result<ConferenceInfo, ReadError> {
    from_element(&xml::read(octets, limits)?)
}

/// Reads a document that is part of another one.
pub(crate) fn from_element(element: &Element) -> Result<ConferenceInfo, ReadError> {
    if !element.means(Ns::Ci, "conference-info") {
        return Err(ReadError::NotConferenceInfo);
    }
    let entity = element.uri_attribute("entity").ok_or(ReadError::NoEntity)?;
    let state = match element.attribute("state") {
        Some(state) => State::from_token(state).ok_or(ReadError::Malformed("state"))?,
        None => State::Full,
    };
    let version = match element.attribute("version") {
        Some(version) => Some(unsigned(version).ok_or(ReadError::Malformed("version"))?),
        None => None,
    };
    let users = element.child(Ns::Ci, "users").map(|users| Users {
        state: state_of(users),
        users: users
            .children_meaning(Ns::Ci, "user")
            .filter_map(read_user)
            .map(Arc::new)
            .collect(),
    });
    let view = element
        .child(Ns::Msci, "conference-view")
        .map(|view| ConferenceView {
            state: state_of(view),
            entities: view
                .children_meaning(Ns::Msci, "entity-view")
                .filter_map(read_entity_view)
                .map(Arc::new)
                .collect(),
        });
    Ok(ConferenceInfo {
        entity: entity.into(),
        state,
        version,
        description: element
            .child(Ns::Ci, "conference-description")
            .map(read_description),
        conference_state: element
            .child(Ns::Ci, "conference-state")
            .map(|state| ConferenceState {
                user_count: number_of(state, Ns::Ci, "user-count"),
                active: boolean_of(state, Ns::Ci, "active"),
                locked: boolean_of(state, Ns::Ci, "locked"),
            }),
        users,
        view,
    })
}

/// Qualified on views, unqualified elsewhere (trap 4); full when absent (CB-103).
fn state_of(element: &Element) -> State {
    element
        .qualified_attribute(Ns::Ci, "state")
        .and_then(State::from_token)
        .unwrap_or(State::Full)
}

fn read_description(element: &Element) -> Description {
    let uris = element.child(Ns::Ci, "conf-uris");
    let access = element.child(Ns::Msci, "anonymous-type-allowed");
    Description {
        subject: text_of(element, Ns::Ci, "subject"),
        conf_uris: uris.map(read_conf_uris).unwrap_or_default(),
        maximum_user_count: number_of(element, Ns::Ci, "maximum-user-count"),
        disclaimer: text_of(element, Ns::Msci, "disclaimer"),
        organizer: element
            .child(Ns::Msci, "organizer")
            .map(|organizer| Organizer {
                entity: token_of(organizer, Ns::Msci, "entity"),
                display_name: text_of(organizer, Ns::Msci, "display-name"),
            }),
        conference_id: text_of(element, Ns::Msci, "conference-id"),
        last_update: time_of(element, Ns::Msci, "last-update"),
        last_activate: time_of(element, Ns::Msci, "last-activate"),
        is_active: boolean_of(element, Ns::Msci, "is-active"),
        expiry_time: time_of(element, Ns::Msci, "expiry-time"),
        admission_policy: parsed(
            element,
            Ns::Msci,
            "admission-policy",
            super::AdmissionPolicy::from_token,
        ),
        notification_data: element
            .child(Ns::Msci, "notification-data")
            .map(|data| extensions(&data.children))
            .unwrap_or_default(),
        pstn_access: element.child(Ns::Msci, "pstn-access").map(read_pstn_access),
        access: access.map(|_| read_access(element)),
    }
}

fn read_conf_uris(uris: &Element) -> Vec<ConfUri> {
    uris.children_meaning(Ns::Ci, "entry")
        .filter_map(|entry| {
            Some(ConfUri {
                uri: token_of(entry, Ns::Ci, "uri")?,
                display_text: text_of(entry, Ns::Ci, "display-text"),
                purpose: parsed(entry, Ns::Ci, "purpose", Purpose::from_token)?,
            })
        })
        .collect()
}

fn read_pstn_access(access: &Element) -> PstnAccess {
    let numbers = access.child(Ns::Msci, "access-numbers");
    PstnAccess {
        id: token_of(access, Ns::Msci, "id").filter(|id| is_meeting_id(id)),
        internal_url: numbers.and_then(|numbers| token_of(numbers, Ns::Msci, "internal-url")),
        external_url: numbers.and_then(|numbers| token_of(numbers, Ns::Msci, "external-url")),
    }
}

fn read_access(element: &Element) -> Access {
    Access {
        lobby_capable: boolean_of(element, Ns::Msci, "lobby-capable"),
        anonymous_type_allowed: boolean_of(element, Ns::Msci, "anonymous-type-allowed")
            .unwrap_or(false),
        autopromote: number_of(element, Ns::Msci, "autopromote"),
        autopromote_allowed: number_of(element, Ns::Msci, "autopromote-allowed"),
        pstn_lobby_bypass: boolean_of(element, Ns::Msci, "pstn-lobby-bypass"),
        pstn_lobby_bypass_allowed: boolean_of(element, Ns::Msci, "pstn-lobby-bypass-allowed"),
        disclaimer_title: text_of(element, Ns::Msci, "disclaimer-title"),
        recording_allowed: boolean_of(element, Ns::Msci, "recording-allowed"),
        externaluser_recording_allowed: boolean_of(
            element,
            Ns::Msci,
            "externaluser-recording-allowed",
        ),
        server_mode: number_of(element, Ns::Msci, "server-mode"),
        recording_notification: boolean_of(element, Ns::Msci, "recording-notification"),
    }
}

/// A user; `None` without entity.
pub(crate) fn read_user(element: &Element) -> Option<User> {
    let endorser = element.qualified_uri_attribute(Ns::Msci, "endorser");
    Some(User {
        entity: element.uri_attribute("entity")?.into(),
        state: state_of(element),
        display_text: text_of(element, Ns::Ci, "display-text"),
        role: element.child(Ns::Ci, "roles").and_then(read_role),
        endpoints: element
            .children_meaning(Ns::Ci, "endpoint")
            .filter_map(read_endpoint)
            .collect(),
        smtp_address: owned(element.qualified_uri_attribute(Ns::Msci, "smtp-address")),
        endorser: endorser.map(|entity| Endorser {
            entity: entity.into(),
            display_name: element
                .qualified_attribute(Ns::Msci, "endorser-display-name")
                .unwrap_or_default()
                .into(),
        }),
    })
}

/// The first role that is one.
pub(crate) fn read_role(roles: &Element) -> Option<Role> {
    roles
        .children_meaning(Ns::Ci, "entry")
        .find_map(|entry| Role::from_token(entry.token()))
}

/// An endpoint; `None` without entity.
pub(crate) fn read_endpoint(element: &Element) -> Option<Endpoint> {
    let qualified = |local| owned(element.qualified_attribute(Ns::Msci, local));
    let uri = |local| owned(element.qualified_uri_attribute(Ns::Msci, local));
    let behalf = element.child(Ns::Msci, "session-on-behalf-of");
    Some(Endpoint {
        entity: element.attribute("entity")?.into(),
        state: state_of(element),
        session_type: qualified("session-type"),
        epid: qualified("epid"),
        sip_instance: qualified("sip-instance"),
        endpoint_uri: uri("endpoint-uri"),
        refer_to_uri: uri("refer-to-uri"),
        asserted_identity: qualified("asserted-identity"),
        display_text: text_of(element, Ns::Ci, "display-text"),
        referred: element.child(Ns::Ci, "referred").map(read_execution),
        status: parsed(element, Ns::Ci, "status", super::EndpointStatus::from_token),
        joining_method: parsed(
            element,
            Ns::Ci,
            "joining-method",
            super::JoiningMethod::from_token,
        ),
        joining_info: element.child(Ns::Ci, "joining-info").map(read_execution),
        disconnection_method: parsed(
            element,
            Ns::Ci,
            "disconnection-method",
            super::DisconnectionMethod::from_token,
        ),
        disconnection_info: element
            .child(Ns::Ci, "disconnection-info")
            .map(read_execution),
        media: element
            .children_meaning(Ns::Ci, "media")
            .filter_map(read_media)
            .collect(),
        role: element.child(Ns::Msci, "roles").and_then(read_role),
        auth_method: parsed(
            element,
            Ns::Msci,
            "authMethod",
            super::AuthMethod::from_token,
        ),
        access_method: parsed(
            element,
            Ns::Msci,
            "accessMethod",
            super::AccessMethod::from_token,
        ),
        client_info: element.child(Ns::Msci, "clientInfo").map(read_client_info),
        capabilities: element
            .child(Ns::Msci, "endpoint-capabilities")
            .and_then(|capabilities| extensions(&capabilities.children).into_iter().next()),
        session_on_behalf_of: behalf.and_then(|behalf| token_of(behalf, Ns::Msci, "entity")),
        is_pstn_endpoint: boolean_of(element, Ns::Msci, "is-pstn-endpoint"),
        client_recording: element.child(Ns::Msci, "client-recording").is_some(),
        extensions: extensions(&element.children),
    })
}

fn read_client_info(info: &Element) -> ClientInfo {
    ClientInfo {
        conversation_id: text_of(info, Ns::Msci, "conversation-id"),
        thread_id: text_of(info, Ns::Msci, "thread-id"),
        user_agent: text_of(info, Ns::Msci2, "user-agent"),
        lobby_capable: boolean_of(info, Ns::Msci2, "lobby-capable"),
    }
}

fn read_execution(execution: &Element) -> Execution {
    Execution {
        when: time_of(execution, Ns::Ci, "when"),
        reason: text_of(execution, Ns::Ci, "reason"),
        by: token_of(execution, Ns::Ci, "by"),
    }
}

/// A stream; `None` without id.
pub(crate) fn read_media(element: &Element) -> Option<Media> {
    let filter = |local| parsed(element, Ns::Msci, local, MediaFilter::from_token);
    Some(Media {
        id: element.attribute("id")?.into(),
        display_text: text_of(element, Ns::Ci, "display-text"),
        media_type: text_of(element, Ns::Ci, "type"),
        label: text_of(element, Ns::Ci, "label"),
        src_id: text_of(element, Ns::Ci, "src-id"),
        status: parsed(element, Ns::Ci, "status", MediaStatus::from_token),
        ingress_filter: filter("media-ingress-filter"),
        egress_filter: filter("media-egress-filter"),
        presenting: boolean_of(element, Ns::Talk, "presenting").unwrap_or(false),
        barred: boolean_of(element, Ns::Talk, "barred").unwrap_or(false),
        talking: boolean_of(element, Ns::Talk, "talking").unwrap_or(false),
        layout: text_of(element, Ns::Pictures, "layout"),
        seen: text_of(element, Ns::Pictures, "seen").map_or_else(Vec::new, |seen| {
            seen.split_ascii_whitespace()
                .map(ToOwned::to_owned)
                .collect()
        }),
    })
}

/// What names a dialog; `None` if a part is missing.
pub(crate) fn read_dialog_id(element: &Element) -> Option<DialogId> {
    Some(DialogId {
        call_id: token_of(element, Ns::Ci, "call-id")?,
        from_tag: token_of(element, Ns::Ci, "from-tag")?,
        to_tag: token_of(element, Ns::Ci, "to-tag")?,
    })
}

fn read_entity_view(element: &Element) -> Option<EntityView> {
    Some(EntityView {
        entity: element.uri_attribute("entity")?.into(),
        state: state_of(element),
        capabilities: element
            .child(Ns::Msci, "entity-capabilities")
            .map(read_capabilities),
        entity_state: element
            .child(Ns::Msci, "entity-state")
            .map(read_entity_state),
    })
}

fn read_capabilities(element: &Element) -> Capabilities {
    let av = element.exact_child(Ns::Msav, "capabilities");
    let sharing = element.exact_child(Ns::Msas, "capabilities");
    let others = element
        .children
        .iter()
        .filter(|child| !child.is(Ns::Msav, "capabilities") && !child.is(Ns::Msas, "capabilities"));
    Capabilities {
        audio_video: av.map(|av| {
            let supports = |local| boolean_of(av, Ns::Msav, local).unwrap_or(false);
            (supports("supports-audio"), supports("supports-video"))
        }),
        control_permission: sharing
            .and_then(|sharing| text_of(sharing, Ns::Msas, "control-permission")),
        extensions: others.cloned().filter_map(Extension::new).collect(),
    }
}

fn read_entity_state(element: &Element) -> EntityState {
    let list = |ns, outer, inner| {
        element
            .child(ns, outer)
            .into_iter()
            .flat_map(move |list| list.children_meaning(ns, inner))
    };
    let understood = |child: &Element| {
        child.is(Ns::Msav, "state")
            || child.is(Ns::Msas, "session-ids")
            || child.is(Ns::Msmcu, "permission-options")
            || child.is(Ns::Msmcu, "permissions")
    };
    let others = element.children.iter().filter(|child| !understood(child));
    EntityState {
        application: owned(element.attribute("application")),
        display_text: text_of(element, Ns::Msci, "displayText"),
        user_count: number_of(element, Ns::Msci, "userCount"),
        active: boolean_of(element, Ns::Msci, "active"),
        locked: boolean_of(element, Ns::Msci, "locked"),
        media_filters_rules: element
            .child(Ns::Msci, "mediaFiltersRules")
            .map(read_media_filters_rules),
        media: element
            .child(Ns::Msci, "media")
            .into_iter()
            .flat_map(|media| media.children_meaning(Ns::Ci, "entry"))
            .filter_map(read_medium)
            .collect(),
        av_state: element.exact_child(Ns::Msav, "state").map(read_av_state),
        session_ids: list(Ns::Msas, "session-ids", "session-id")
            .map(|id| id.text.clone())
            .collect(),
        permission_options: list(Ns::Msmcu, "permission-options", "permission-option")
            .filter_map(|option| {
                Some(PermissionOption {
                    name: text_of(option, Ns::Msmcu, "name")?,
                    value: text_of(option, Ns::Msmcu, "value")?,
                    mutable: boolean_of(option, Ns::Msmcu, "mutable")?,
                })
            })
            .collect(),
        permissions: list(Ns::Msmcu, "permissions", "permission-type")
            .filter_map(|permission| {
                Some(Permission {
                    name: text_of(permission, Ns::Msmcu, "name")?,
                    value: text_of(permission, Ns::Msmcu, "value")?,
                })
            })
            .collect(),
        extensions: others.cloned().filter_map(Extension::new).collect(),
    }
}

pub(crate) fn read_media_filters_rules(element: &Element) -> MediaFiltersRules {
    MediaFiltersRules {
        may_modify_own_filters: element
            .children_meaning(Ns::Msci, "mayModifyOwnFilters")
            .filter_map(|rule| {
                Some((
                    token_of(rule, Ns::Msci, "role")?,
                    boolean_of(rule, Ns::Msci, "value")?,
                ))
            })
            .collect(),
        initial_filters: element
            .children_meaning(Ns::Msci, "initialFilters")
            .filter_map(|rule| {
                Some(InitialFilters {
                    role: token_of(rule, Ns::Msci, "role")?,
                    ingress: parsed(rule, Ns::Msci, "ingressFilter", MediaFilter::from_token),
                    egress: parsed(rule, Ns::Msci, "egressFilter", MediaFilter::from_token),
                })
            })
            .collect(),
    }
}

/// A medium; `None` without label or type.
pub(crate) fn read_medium(element: &Element) -> Option<ConferenceMedium> {
    let video = element
        .child(Ns::Msci, "modal-parameters")
        .and_then(|modal| modal.child(Ns::Msci, "video-parameters"));
    Some(ConferenceMedium {
        label: element.attribute("label")?.into(),
        display_text: text_of(element, Ns::Ci, "display-text"),
        media_type: text_of(element, Ns::Ci, "type")?,
        status: parsed(element, Ns::Ci, "status", MediaStatus::from_token),
        video: video.map(|video| VideoParameters {
            mode: text_of(video, Ns::Msav, "video-mode"),
            intended_primary_presenter_source: sources(video, "intended-primary-presenter-source"),
        }),
    })
}

fn read_av_state(element: &Element) -> AvState {
    AvState {
        video_mode: text_of(element, Ns::Msav, "video-mode"),
        dominant_speaker: sources(element, "dominant-speaker-source").pop(),
        intended_prime_presenter_source: sources(element, "intended-prime-presenter-source"),
    }
}

fn sources(element: &Element, local: &str) -> Vec<String> {
    element
        .child(Ns::Msav, local)
        .into_iter()
        .flat_map(|source| source.children_meaning(Ns::Msav, "entry"))
        .map(|entry| entry.token().to_owned())
        .collect()
}

fn extensions(children: &[Element]) -> Vec<Extension> {
    children
        .iter()
        .cloned()
        .filter_map(Extension::new)
        .collect()
}

fn parsed<T>(
    element: &Element,
    ns: Ns,
    local: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    element.child_token(ns, local).and_then(parse)
}

fn text_of(element: &Element, ns: Ns, local: &str) -> Option<String> {
    owned(element.child_text(ns, local))
}

fn token_of(element: &Element, ns: Ns, local: &str) -> Option<String> {
    owned(element.child_token(ns, local))
}

fn boolean_of(element: &Element, ns: Ns, local: &str) -> Option<bool> {
    parsed(element, ns, local, boolean)
}

fn number_of(element: &Element, ns: Ns, local: &str) -> Option<u32> {
    parsed(element, ns, local, unsigned)
}

fn time_of(element: &Element, ns: Ns, local: &str) -> Option<DateTime> {
    parsed(element, ns, local, DateTime::parse)
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(ToOwned::to_owned)
}
