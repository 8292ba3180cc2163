//! Conference view and entity views as text, in the order of the schema (CB-276, CB-277).

use super::write::write_extensions;
use super::{
    AvState, Capabilities, ConferenceMedium, ConferenceView, EntityState, EntityView,
    MediaFiltersRules,
};
use crate::xml::tokens::boolean_token;
use crate::xml::{Ns, Writer};

/// `ci:state` is qualified here, unlike everywhere else (CB-115, trap 4).
pub(super) fn write_conference_view(w: &mut Writer, view: &ConferenceView) {
    w.open(Ns::Msci, "conference-view")
        .qualified(Ns::Ci, "state", view.state.as_str());
    for entity in &view.entities {
        write_entity_view(w, entity);
    }
    w.close();
}

/// How much of an entity view is too much: the name and the octets of the first child that is
/// longer than `limit` (CB-142: 2048). Declarations of namespaces do not count.
pub fn oversized_child(view: &EntityView, limit: usize) -> Option<(&'static str, usize)> {
    let octets = |write: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new(Ns::Ci);
        write(&mut w);
        w.into_fragment().as_str().len()
    };
    let capabilities = view.capabilities.as_ref();
    let capabilities = capabilities.map(|part| octets(&|w| write_capabilities(w, part)));
    let state = view.entity_state.as_ref();
    let state = state.map(|part| octets(&|w| write_entity_state(w, part)));
    [
        ("entity-capabilities", capabilities),
        ("entity-state", state),
    ]
    .into_iter()
    .filter_map(|(name, octets)| Some((name, octets?)))
    .find(|&(_, octets)| octets > limit)
}

/// `entity` is not qualified, although the element is (trap 5).
pub(super) fn write_entity_view(w: &mut Writer, view: &EntityView) {
    w.open(Ns::Msci, "entity-view")
        .qualified(Ns::Ci, "state", view.state.as_str())
        .attribute("entity", &view.entity);
    if let Some(capabilities) = &view.capabilities {
        write_capabilities(w, capabilities);
    }
    if let Some(state) = &view.entity_state {
        write_entity_state(w, state);
    }
    w.close();
}

fn write_capabilities(w: &mut Writer, capabilities: &Capabilities) {
    w.open(Ns::Msci, "entity-capabilities");
    if let Some((audio, video)) = capabilities.audio_video {
        w.open(Ns::Msav, "capabilities")
            .leaf(Ns::Msav, "supports-audio", boolean_token(audio))
            .leaf(Ns::Msav, "supports-video", boolean_token(video))
            .close();
    }
    if capabilities.control_permission.is_some() || !capabilities.extensions.is_empty() {
        w.separator();
        if let Some(permission) = &capabilities.control_permission {
            w.open(Ns::Msas, "capabilities")
                .leaf(Ns::Msas, "control-permission", permission)
                .close();
        }
        write_extensions(w, &capabilities.extensions);
    }
    w.close();
}

fn write_entity_state(w: &mut Writer, state: &EntityState) {
    w.open(Ns::Msci, "entity-state")
        .optional("application", state.application.as_deref())
        .optional_leaf(Ns::Msci, "displayText", state.display_text.as_deref())
        .optional_number(Ns::Msci, "userCount", state.user_count)
        .optional_boolean(Ns::Msci, "active", state.active)
        .optional_boolean(Ns::Msci, "locked", state.locked);
    if let Some(rules) = &state.media_filters_rules {
        write_media_filters_rules(w, rules);
    }
    if !state.media.is_empty() {
        w.open(Ns::Msci, "media");
        for medium in &state.media {
            write_medium(w, medium);
        }
        w.close();
    }
    if let Some(av) = &state.av_state {
        write_av_state(w, av);
    }
    write_entity_state_groups(w, state);
    w.close();
}

/// A group needs the separators of all groups before it (CB-272).
fn write_entity_state_groups(w: &mut Writer, state: &EntityState) {
    let third = !state.extensions.is_empty();
    let second = third || !state.permission_options.is_empty() || !state.permissions.is_empty();
    if !second && state.session_ids.is_empty() {
        return;
    }
    w.separator();
    if !state.session_ids.is_empty() {
        w.open(Ns::Msas, "session-ids");
        for id in &state.session_ids {
            w.leaf(Ns::Msas, "session-id", id);
        }
        w.close();
    }
    if !second {
        return;
    }
    w.separator();
    if !state.permission_options.is_empty() {
        w.open(Ns::Msmcu, "permission-options");
        for option in &state.permission_options {
            w.open(Ns::Msmcu, "permission-option")
                .leaf(Ns::Msmcu, "name", &option.name)
                .leaf(Ns::Msmcu, "value", &option.value)
                .leaf(Ns::Msmcu, "mutable", boolean_token(option.mutable))
                .close();
        }
        w.close();
    }
    if !state.permissions.is_empty() {
        w.open(Ns::Msmcu, "permissions");
        for permission in &state.permissions {
            w.open(Ns::Msmcu, "permission-type")
                .leaf(Ns::Msmcu, "name", &permission.name)
                .leaf(Ns::Msmcu, "value", &permission.value)
                .close();
        }
        w.close();
    }
    if third {
        w.separator();
        write_extensions(w, &state.extensions);
    }
}

pub(crate) fn write_media_filters_rules(w: &mut Writer, rules: &MediaFiltersRules) {
    w.open(Ns::Msci, "mediaFiltersRules");
    for (role, may) in &rules.may_modify_own_filters {
        w.open(Ns::Msci, "mayModifyOwnFilters")
            .leaf(Ns::Msci, "role", role)
            .leaf(Ns::Msci, "value", boolean_token(*may))
            .close();
    }
    for initial in &rules.initial_filters {
        w.open(Ns::Msci, "initialFilters")
            .leaf(Ns::Msci, "role", &initial.role)
            .optional_leaf(
                Ns::Msci,
                "ingressFilter",
                initial.ingress.map(|filter| filter.as_str()),
            )
            .optional_leaf(
                Ns::Msci,
                "egressFilter",
                initial.egress.map(|filter| filter.as_str()),
            )
            .close();
    }
    w.close();
}

/// The children are of RFC 4575, the element around them is not (trap 6).
pub(crate) fn write_medium(w: &mut Writer, medium: &ConferenceMedium) {
    w.open(Ns::Ci, "entry")
        .attribute("label", &medium.label)
        .optional_leaf(Ns::Ci, "display-text", medium.display_text.as_deref())
        .leaf(Ns::Ci, "type", &medium.media_type)
        .optional_leaf(
            Ns::Ci,
            "status",
            medium.status.map(|status| status.as_str()),
        );
    if let Some(video) = &medium.video {
        w.open(Ns::Msci, "modal-parameters")
            .open(Ns::Msci, "video-parameters")
            .optional_leaf(Ns::Msav, "video-mode", video.mode.as_deref());
        write_sources(
            w,
            "intended-primary-presenter-source",
            &video.intended_primary_presenter_source,
        );
        w.close().close();
    }
    w.close();
}

fn write_av_state(w: &mut Writer, av: &AvState) {
    w.open(Ns::Msav, "state")
        .optional_leaf(Ns::Msav, "video-mode", av.video_mode.as_deref());
    if let Some(speaker) = &av.dominant_speaker {
        w.open(Ns::Msav, "dominant-speaker-source")
            .leaf(Ns::Msav, "entry", speaker)
            .close();
    }
    write_sources(
        w,
        "intended-prime-presenter-source",
        &av.intended_prime_presenter_source,
    );
    w.close();
}

fn write_sources(w: &mut Writer, local: &'static str, sources: &[String]) {
    if sources.is_empty() {
        return;
    }
    w.open(Ns::Msav, local);
    for source in sources {
        w.leaf(Ns::Msav, "entry", source);
    }
    w.close();
}
