//! Users, endpoints, media and the description as text, in the order of the schema.

use super::write_view::write_conference_view;
use super::{
    Access, ConfUri, ConferenceInfo, ConferenceState, Description, DialogId, Endpoint, Execution,
    Extension, Form, Media, MediaFilter, MediaStatus, PstnAccess, Role, Secrets, State, User,
};
use crate::info::secrets::ENCRYPTED_URI;
use crate::xml::tokens::boolean_token;
use crate::xml::{Namespace, Ns, Writer};

/// A document inside another one: the element with its header and all it contains.
pub(crate) fn write_info_element(w: &mut Writer, info: &ConferenceInfo, secrets: &Secrets) {
    w.open_default(Ns::Ci, "conference-info")
        .attribute("entity", &info.entity)
        .attribute("state", info.state.as_str());
    if let Some(version) = info.version {
        w.attribute("version", &version.to_string());
    }
    write_content(w, info, Form::Extended, secrets);
    w.close();
}

/// What is inside a document, in one form.
pub(super) fn write_content(w: &mut Writer, info: &ConferenceInfo, form: Form, secrets: &Secrets) {
    match &info.description {
        Some(description) => write_description(w, description, form, secrets),
        None if !secrets.is_empty() => {
            write_description(w, &Description::default(), form, secrets);
        }
        None => {}
    }
    if let (Form::Standard, Some(state)) = (form, &info.conference_state) {
        write_conference_state(w, *state);
    }
    if let Some(users) = &info.users {
        w.open(Ns::Ci, "users")
            .attribute("state", users.state.as_str());
        for user in &users.users {
            write_user(w, user, form);
        }
        w.close();
    }
    if let (Form::Extended, Some(view)) = (form, &info.view) {
        write_conference_view(w, view);
    }
}

/// RFC 4575 §5.5.
pub(super) fn write_conference_state(w: &mut Writer, state: ConferenceState) {
    w.open(Ns::Ci, "conference-state")
        .optional_number(Ns::Ci, "user-count", state.user_count)
        .optional_boolean(Ns::Ci, "active", state.active)
        .optional_boolean(Ns::Ci, "locked", state.locked)
        .close();
}

/// RFC 4575 §5.3; CB-274.
pub(super) fn write_description(
    w: &mut Writer,
    description: &Description,
    form: Form,
    secrets: &Secrets,
) {
    w.open(Ns::Ci, "conference-description");
    if form == Form::Standard {
        w.optional_leaf(Ns::Ci, "display-text", description.subject.as_deref());
    }
    w.optional_leaf(Ns::Ci, "subject", description.subject.as_deref());
    write_conf_uris(w, &description.conf_uris, form, secrets);
    match form {
        Form::Standard => {
            w.optional_number(Ns::Ci, "maximum-user-count", description.maximum_user_count);
        }
        Form::Extended => write_description_extensions(w, description, secrets),
    }
    w.close();
}

/// `uris-type` needs an entry: where there is none the element is left out (trap 48).
fn write_conf_uris(w: &mut Writer, uris: &[ConfUri], form: Form, secrets: &Secrets) {
    let shown = |uri: &&ConfUri| match form {
        Form::Extended => true,
        Form::Standard => uri.purpose.is_standard(),
    };
    let encrypted = [
        ("web-internal", &secrets.web_internal),
        ("web-external", &secrets.web_external),
    ];
    let any_encrypted = encrypted.iter().any(|(_, data)| data.is_some());
    if !any_encrypted && !uris.iter().any(|uri| shown(&uri)) {
        return;
    }
    w.open(Ns::Ci, "conf-uris");
    for uri in uris.iter().filter(shown) {
        w.open(Ns::Ci, "entry")
            .leaf(Ns::Ci, "uri", &uri.uri)
            .optional_leaf(Ns::Ci, "display-text", uri.display_text.as_deref())
            .leaf(Ns::Ci, "purpose", uri.purpose.as_str())
            .close();
    }
    for (purpose, data) in encrypted {
        let Some(data) = data else { continue };
        w.open(Ns::Ci, "entry")
            .leaf(Ns::Ci, "uri", ENCRYPTED_URI)
            .leaf(Ns::Ci, "purpose", purpose)
            .separator()
            .open(Ns::Msci, "encrypted-uri")
            .leaf(Ns::Msci, "cms-data", data.as_base64())
            .close()
            .close();
    }
    w.close();
}

fn write_description_extensions(w: &mut Writer, description: &Description, secrets: &Secrets) {
    w.optional_leaf(Ns::Msci, "disclaimer", description.disclaimer.as_deref());
    if let Some(organizer) = &description.organizer {
        w.open(Ns::Msci, "organizer")
            .optional_leaf(Ns::Msci, "entity", organizer.entity.as_deref())
            .optional_leaf(Ns::Msci, "display-name", organizer.display_name.as_deref())
            .close();
    }
    w.optional_leaf(
        Ns::Msci,
        "conference-id",
        description.conference_id.as_deref(),
    );
    if let Some(key) = &secrets.conference_key {
        w.open(Ns::Msci, "conference-key")
            .leaf(Ns::Msci, "cms-data", key.as_base64())
            .close();
    }
    let time = |time: Option<super::DateTime>| time.map(|time| time.to_string());
    w.optional_leaf(
        Ns::Msci,
        "last-update",
        time(description.last_update).as_deref(),
    )
    .optional_leaf(
        Ns::Msci,
        "last-activate",
        time(description.last_activate).as_deref(),
    )
    .optional_boolean(Ns::Msci, "is-active", description.is_active)
    .optional_leaf(
        Ns::Msci,
        "expiry-time",
        time(description.expiry_time).as_deref(),
    )
    .optional_leaf(
        Ns::Msci,
        "admission-policy",
        description.admission_policy.map(|policy| policy.as_str()),
    );
    if !description.notification_data.is_empty() {
        w.open(Ns::Msci, "notification-data");
        write_extensions(w, &description.notification_data);
        w.close();
    }
    if description.pstn_access.is_none() && description.access.is_none() {
        return;
    }
    w.separator();
    if let Some(access) = &description.pstn_access {
        write_pstn_access(w, access);
    }
    if let Some(access) = &description.access {
        w.separator();
        write_access(w, access);
    }
}

fn write_pstn_access(w: &mut Writer, access: &PstnAccess) {
    w.open(Ns::Msci, "pstn-access");
    w.optional_leaf(
        Ns::Msci,
        "id",
        access.id.as_deref().filter(|id| is_meeting_id(id)),
    );
    if access.internal_url.is_some() || access.external_url.is_some() {
        w.open(Ns::Msci, "access-numbers")
            .optional_leaf(Ns::Msci, "internal-url", access.internal_url.as_deref())
            .optional_leaf(Ns::Msci, "external-url", access.external_url.as_deref())
            .close();
    }
    w.close();
}

/// The form of the schema.
pub(super) fn is_meeting_id(id: &str) -> bool {
    !id.starts_with('0') && !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_digit())
}

fn write_access(w: &mut Writer, access: &Access) {
    w.optional_boolean(Ns::Msci, "lobby-capable", access.lobby_capable)
        .leaf(
            Ns::Msci,
            "anonymous-type-allowed",
            boolean_token(access.anonymous_type_allowed),
        )
        .optional_number(Ns::Msci, "autopromote", access.autopromote)
        .optional_number(Ns::Msci, "autopromote-allowed", access.autopromote_allowed)
        .optional_boolean(Ns::Msci, "pstn-lobby-bypass", access.pstn_lobby_bypass)
        .optional_boolean(
            Ns::Msci,
            "pstn-lobby-bypass-allowed",
            access.pstn_lobby_bypass_allowed,
        )
        .optional_leaf(
            Ns::Msci,
            "disclaimer-title",
            access.disclaimer_title.as_deref(),
        )
        .optional_boolean(Ns::Msci, "recording-allowed", access.recording_allowed)
        .optional_boolean(
            Ns::Msci,
            "externaluser-recording-allowed",
            access.externaluser_recording_allowed,
        )
        .optional_number(Ns::Msci, "server-mode", access.server_mode)
        .optional_boolean(
            Ns::Msci,
            "recording-notification",
            access.recording_notification,
        );
}

/// RFC 4575 §5.6; CB-116 to CB-124.
pub(crate) fn write_user(w: &mut Writer, user: &User, form: Form) {
    w.open(Ns::Ci, "user").attribute("entity", &user.entity);
    if form == Form::Extended {
        w.optional_qualified(Ns::Msci, "smtp-address", user.smtp_address.as_deref());
    }
    w.attribute("state", user.state.as_str());
    if let (Form::Extended, Some(endorser)) = (form, &user.endorser) {
        w.qualified(Ns::Msci, "endorser", &endorser.entity)
            .qualified(Ns::Msci, "endorser-display-name", &endorser.display_name);
    }
    w.optional_leaf(Ns::Ci, "display-text", user.display_text.as_deref());
    write_roles(w, Ns::Ci, "roles", user.role);
    for (index, endpoint) in user.endpoints.iter().enumerate() {
        let earlier = user.endpoints.get(..index).unwrap_or_default();
        let repeats = earlier.iter().any(|other| other.entity == endpoint.entity);
        if form == Form::Standard && repeats {
            let unique = format!("{};connection={index}", endpoint.entity);
            write_endpoint(w, endpoint, &unique, form);
        } else {
            write_endpoint(w, endpoint, &endpoint.entity, form);
        }
    }
    w.close();
}

fn write_roles(w: &mut Writer, ns: Ns, local: &'static str, role: Option<Role>) {
    if let Some(role) = role {
        w.open(ns, local)
            .leaf(Ns::Ci, "entry", role.as_str())
            .close();
    }
}

/// RFC 4575 §5.7; CB-273. The entity is given apart: RFC 4575 wants it unique within a user,
/// while a client may use one at the focus and at an MCU (CB-063).
pub(crate) fn write_endpoint(w: &mut Writer, endpoint: &Endpoint, entity: &str, form: Form) {
    w.open(Ns::Ci, "endpoint").attribute("entity", entity);
    if endpoint.state != State::Full {
        w.attribute("state", endpoint.state.as_str());
    }
    if form == Form::Extended {
        w.optional_qualified(Ns::Msci, "session-type", endpoint.session_type.as_deref())
            .optional_qualified(Ns::Msci, "epid", endpoint.epid.as_deref())
            .optional_qualified(Ns::Msci, "sip-instance", endpoint.sip_instance.as_deref())
            .optional_qualified(Ns::Msci, "endpoint-uri", endpoint.endpoint_uri.as_deref())
            .optional_qualified(Ns::Msci, "refer-to-uri", endpoint.refer_to_uri.as_deref())
            .optional_qualified(
                Ns::Msci,
                "asserted-identity",
                endpoint.asserted_identity.as_deref(),
            );
    }
    w.optional_leaf(Ns::Ci, "display-text", endpoint.display_text.as_deref());
    write_execution(w, "referred", endpoint.referred.as_ref());
    w.optional_leaf(
        Ns::Ci,
        "status",
        endpoint.status.map(|status| status.as_str()),
    )
    .optional_leaf(
        Ns::Ci,
        "joining-method",
        endpoint.joining_method.map(|method| method.as_str()),
    );
    write_execution(w, "joining-info", endpoint.joining_info.as_ref());
    w.optional_leaf(
        Ns::Ci,
        "disconnection-method",
        endpoint.disconnection_method.map(|method| method.as_str()),
    );
    write_execution(
        w,
        "disconnection-info",
        endpoint.disconnection_info.as_ref(),
    );
    for media in &endpoint.media {
        write_media(w, media, form);
    }
    if form == Form::Extended {
        write_endpoint_extensions(w, endpoint);
    }
    w.close();
}

fn write_endpoint_extensions(w: &mut Writer, endpoint: &Endpoint) {
    write_roles(w, Ns::Msci, "roles", endpoint.role);
    w.optional_leaf(
        Ns::Msci,
        "authMethod",
        endpoint.auth_method.map(|method| method.as_str()),
    )
    .optional_leaf(
        Ns::Msci,
        "accessMethod",
        endpoint.access_method.map(|method| method.as_str()),
    );
    write_client_info(w, endpoint);
    if let Some(capabilities) = &endpoint.capabilities {
        w.open(Ns::Msci, "endpoint-capabilities");
        if !is_endpoint_capabilities(capabilities) {
            w.separator();
        }
        w.element(capabilities.element()).close();
    }
    let others = !endpoint.extensions.is_empty();
    let second = endpoint.client_recording || others;
    if endpoint.session_on_behalf_of.is_none() && endpoint.is_pstn_endpoint.is_none() && !second {
        return;
    }
    w.separator();
    if let Some(entity) = &endpoint.session_on_behalf_of {
        w.open(Ns::Msci, "session-on-behalf-of")
            .leaf(Ns::Msci, "entity", entity)
            .close();
    }
    w.optional_boolean(Ns::Msci, "is-pstn-endpoint", endpoint.is_pstn_endpoint);
    if second {
        w.separator();
    }
    if endpoint.client_recording {
        w.open(Ns::Msci, "client-recording").close();
    }
    if others {
        w.separator();
        write_extensions(w, &endpoint.extensions);
    }
}

fn is_endpoint_capabilities(extension: &Extension) -> bool {
    let element = extension.element();
    &*element.local == "endpoint-capabilities"
        && [Ns::Msacp, Ns::Msav, Ns::Msdata, Ns::Msim]
            .iter()
            .any(|&ns| element.namespace == Namespace::Known(ns))
}

/// CB-278. A separator with nothing behind it is allowed here, but not written.
fn write_client_info(w: &mut Writer, endpoint: &Endpoint) {
    let Some(info) = &endpoint.client_info else {
        return;
    };
    w.open(Ns::Msci, "clientInfo")
        .optional_leaf(Ns::Msci, "conversation-id", info.conversation_id.as_deref())
        .optional_leaf(Ns::Msci, "thread-id", info.thread_id.as_deref());
    if info.user_agent.is_some() || info.lobby_capable.is_some() {
        w.separator()
            .optional_leaf(Ns::Msci2, "user-agent", info.user_agent.as_deref())
            .optional_boolean(Ns::Msci2, "lobby-capable", info.lobby_capable);
    }
    w.close();
}

fn write_execution(w: &mut Writer, local: &'static str, execution: Option<&Execution>) {
    if let Some(execution) = execution {
        let when = execution.when.map(|when| when.to_string());
        w.open(Ns::Ci, local)
            .optional_leaf(Ns::Ci, "when", when.as_deref())
            .optional_leaf(Ns::Ci, "reason", execution.reason.as_deref())
            .optional_leaf(Ns::Ci, "by", execution.by.as_deref())
            .close();
    }
}

/// RFC 4575 §5.8; CB-281.30.
pub(crate) fn write_media(w: &mut Writer, media: &Media, form: Form) {
    let status = match form {
        Form::Standard => standard_status(media),
        Form::Extended => media.status,
    };
    w.open(Ns::Ci, "media")
        .attribute("id", &media.id)
        .optional_leaf(Ns::Ci, "display-text", media.display_text.as_deref())
        .optional_leaf(Ns::Ci, "type", media.media_type.as_deref())
        .optional_leaf(Ns::Ci, "label", media.label.as_deref())
        .optional_leaf(Ns::Ci, "src-id", media.src_id.as_deref())
        .optional_leaf(Ns::Ci, "status", status.map(|status| status.as_str()));
    if form == Form::Extended {
        w.optional_leaf(
            Ns::Msci,
            "media-ingress-filter",
            media.ingress_filter.map(|filter| filter.as_str()),
        )
        .optional_leaf(
            Ns::Msci,
            "media-egress-filter",
            media.egress_filter.map(|filter| filter.as_str()),
        );
    }
    let pictures = form == Form::Extended && (media.layout.is_some() || !media.seen.is_empty());
    if media.talking || pictures {
        w.separator();
    }
    if media.talking {
        w.leaf(Ns::Talk, "talking", "true");
    }
    if pictures {
        w.optional_leaf(Ns::Pictures, "layout", media.layout.as_deref());
        if !media.seen.is_empty() {
            w.leaf(Ns::Pictures, "seen", &media.seen.join(" "));
        }
    }
    if media.presenting || media.barred {
        w.separator();
    }
    if media.presenting {
        w.leaf(Ns::Talk, "presenting", "true");
    }
    if media.barred {
        w.leaf(Ns::Talk, "barred", "true");
    }
    w.close();
}

/// RFC 4575 has no filters: to its readers a stream that is blocked flows one way less. Its
/// directions are the participant's.
fn standard_status(media: &Media) -> Option<MediaStatus> {
    let sends = media.ingress_filter != Some(MediaFilter::Block);
    let receives = media.egress_filter != Some(MediaFilter::Block);
    match (media.status, sends, receives) {
        (Some(MediaStatus::SendRecv), true, false) => Some(MediaStatus::SendOnly),
        (Some(MediaStatus::SendRecv), false, true) => Some(MediaStatus::RecvOnly),
        (Some(MediaStatus::SendRecv), false, false)
        | (Some(MediaStatus::SendOnly), false, _)
        | (Some(MediaStatus::RecvOnly), _, false) => Some(MediaStatus::Inactive),
        (status, ..) => status,
    }
}

/// CB-074.
pub(crate) fn write_dialog_id(w: &mut Writer, dialog: &DialogId) {
    w.open(Ns::Ci, "dialog-id")
        .leaf(Ns::Ci, "call-id", &dialog.call_id)
        .leaf(Ns::Ci, "from-tag", &dialog.from_tag)
        .leaf(Ns::Ci, "to-tag", &dialog.to_tag)
        .close();
}

pub(super) fn write_extensions(w: &mut Writer, extensions: &[Extension]) {
    for extension in extensions {
        w.element(extension.element());
    }
}
