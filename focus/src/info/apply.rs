//! A partial document onto the one a subscriber has (RFC 4575 §4.4).

use super::{ConferenceInfo, EntityView, State, User};
use std::sync::Arc;
use thiserror::Error;

/// Why a document cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// It is of another conference.
    #[error("a document of another conference")]
    OtherConference,
    /// It is not newer than what the subscriber has; it is to be ignored.
    #[error("version {found} after version {have}")]
    Stale {
        /// The subscriber's.
        have: u32,
        /// The document's.
        found: u32,
    },
    /// Documents are missing in between; the subscriber has to ask for a full one.
    #[error("version {found} after version {have}")]
    Gap {
        /// The subscriber's.
        have: u32,
        /// The document's.
        found: u32,
    },
}

/// Applies a document to the one a subscriber has.
///
/// A full document replaces it. A partial one changes what it contains: elements without state
/// are replaced, elements with state are replaced, changed or removed as the state says. After a
/// document that is deleted the conference is over, and the subscriber's says so.
///
/// # Errors
/// Of another conference; or a version that is not the next one, if both have versions. A full
/// document may skip versions (RFC 4575 §4.4). On an error nothing is changed.
pub fn apply(base: &mut ConferenceInfo, document: &ConferenceInfo) -> Result<(), ApplyError> {
    if !base.entity.eq_ignore_ascii_case(&document.entity) {
        return Err(ApplyError::OtherConference);
    }
    if let (Some(have), Some(found)) = (base.version, document.version) {
        if found <= have {
            return Err(ApplyError::Stale { have, found });
        }
        if document.state == State::Partial && found != have.saturating_add(1) {
            return Err(ApplyError::Gap { have, found });
        }
    }
    match document.state {
        State::Full => *base = document.clone(),
        State::Partial => {
            base.version = document.version.or(base.version);
            apply_parts(base, document);
        }
        State::Deleted => {
            *base = ConferenceInfo {
                state: State::Deleted,
                version: document.version,
                ..ConferenceInfo::new(base.entity.as_str())
            };
        }
    }
    Ok(())
}

fn apply_parts(base: &mut ConferenceInfo, document: &ConferenceInfo) {
    if document.description.is_some() {
        base.description.clone_from(&document.description);
    }
    if document.conference_state.is_some() {
        base.conference_state = document.conference_state;
    }
    match (&mut base.users, &document.users) {
        (_, None) => {}
        (Some(base), Some(users)) if users.state == State::Partial => {
            for user in &users.users {
                merge(
                    &mut base.users,
                    user,
                    |other| &other.entity,
                    |user| user.state,
                    merge_user,
                );
            }
        }
        (base, Some(users)) => *base = Some(users.clone()),
    }
    match (&mut base.view, &document.view) {
        (_, None) => {}
        (Some(base), Some(view)) if view.state == State::Partial => {
            for view in &view.entities {
                merge(
                    &mut base.entities,
                    view,
                    |other| &other.entity,
                    |view| view.state,
                    merge_view,
                );
            }
        }
        (base, Some(view)) => *base = Some(view.clone()),
    }
}

fn merge<T: Clone>(
    base: &mut Vec<Arc<T>>,
    change: &Arc<T>,
    key: impl Fn(&T) -> &str,
    state: impl Fn(&T) -> State,
    merge: impl FnOnce(&mut T, &T),
) {
    let at = base.iter().position(|item| key(item) == key(change));
    match (state(change), at.and_then(|at| base.get_mut(at))) {
        (State::Full, Some(item)) => *item = Arc::clone(change),
        (State::Partial, Some(item)) => merge(Arc::make_mut(item), change),
        (State::Full | State::Partial, None) => base.push(Arc::clone(change)),
        (State::Deleted, _) => {
            if let Some(at) = at {
                base.remove(at);
            }
        }
    }
}

/// Focuses other than ours send users in part.
fn merge_user(base: &mut User, change: &User) {
    replace(&mut base.display_text, &change.display_text);
    replace(&mut base.role, &change.role);
    replace(&mut base.smtp_address, &change.smtp_address);
    replace(&mut base.endorser, &change.endorser);
    for endpoint in &change.endpoints {
        let at = base.endpoints.iter().position(|other| {
            other.entity == endpoint.entity && other.session_type == endpoint.session_type
        });
        match (endpoint.state, at) {
            (State::Deleted, Some(at)) => {
                base.endpoints.remove(at);
            }
            (State::Deleted, None) => {}
            (State::Full | State::Partial, Some(at)) => {
                if let Some(other) = base.endpoints.get_mut(at) {
                    merge_endpoint(other, endpoint);
                }
            }
            (State::Full | State::Partial, None) => base.endpoints.push(endpoint.clone()),
        }
    }
}

fn merge_endpoint(base: &mut super::Endpoint, change: &super::Endpoint) {
    if change.state == State::Full {
        *base = change.clone();
        return;
    }
    replace(&mut base.display_text, &change.display_text);
    replace(&mut base.status, &change.status);
    replace(&mut base.joining_method, &change.joining_method);
    replace(&mut base.joining_info, &change.joining_info);
    replace(&mut base.disconnection_method, &change.disconnection_method);
    replace(&mut base.disconnection_info, &change.disconnection_info);
    for media in &change.media {
        match base.media.iter_mut().find(|other| other.id == media.id) {
            Some(other) => *other = media.clone(),
            None => base.media.push(media.clone()),
        }
    }
}

fn merge_view(base: &mut EntityView, change: &EntityView) {
    replace(&mut base.capabilities, &change.capabilities);
    replace(&mut base.entity_state, &change.entity_state);
}

fn replace<T: Clone>(base: &mut Option<T>, change: &Option<T>) {
    if change.is_some() {
        base.clone_from(change);
    }
}
