//! Two full documents to a partial one (RFC 4575 §4.4, CB-103).

use super::{ConferenceInfo, ConferenceView, EntityView, State, User, Users};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What changed between two full documents of one conference; `None` if nothing did.
///
/// It compares everything: O(users). A focus asks its [`Tracker`](super::Tracker) instead, which
/// knows what changed. Versions do not count. What is gone from a document as a whole
/// (description, conference state) cannot be expressed by a partial document and does not happen.
pub fn diff(old: &ConferenceInfo, new: &ConferenceInfo) -> Option<ConferenceInfo> {
    let partial = ConferenceInfo {
        state: State::Partial,
        description: changed(&old.description, &new.description),
        conference_state: changed(&old.conference_state, &new.conference_state),
        users: diff_users(old.users.as_ref(), new.users.as_ref()),
        view: diff_view(old.view.as_ref(), new.view.as_ref()),
        ..ConferenceInfo::new(new.entity.as_str())
    };
    let anything = partial.description.is_some()
        || partial.conference_state.is_some()
        || partial.users.is_some()
        || partial.view.is_some();
    anything.then_some(partial)
}

fn changed<T: Clone + PartialEq>(old: &Option<T>, new: &Option<T>) -> Option<T> {
    if old == new { None } else { new.clone() }
}

fn diff_users(old: Option<&Users>, new: Option<&Users>) -> Option<Users> {
    let old = old.map_or(&[][..], |users| &users.users);
    let new = new.map_or(&[][..], |users| &users.users);
    let users = diff_keyed(
        old,
        new,
        |user| &user.entity,
        |entity| User::deleted(entity),
    );
    (!users.is_empty()).then_some(Users {
        state: State::Partial,
        users,
    })
}

fn diff_view(old: Option<&ConferenceView>, new: Option<&ConferenceView>) -> Option<ConferenceView> {
    let old = old.map_or(&[][..], |view| &view.entities);
    let new = new.map_or(&[][..], |view| &view.entities);
    let entities = diff_keyed(
        old,
        new,
        |view| &view.entity,
        |entity| EntityView::deleted(entity),
    );
    (!entities.is_empty()).then_some(ConferenceView {
        state: State::Partial,
        entities,
    })
}

/// Those of the new that the old has not or has otherwise, then those that are gone.
fn diff_keyed<T: PartialEq>(
    old: &[Arc<T>],
    new: &[Arc<T>],
    key: impl Fn(&T) -> &str,
    deleted: impl Fn(&str) -> T,
) -> Vec<Arc<T>> {
    let mut before: BTreeMap<&str, &Arc<T>> = old.iter().map(|item| (key(item), item)).collect();
    let mut result = Vec::new();
    for item in new {
        let same = before
            .remove(key(item))
            .is_some_and(|other| Arc::ptr_eq(other, item) || other == item);
        if !same {
            result.push(Arc::clone(item));
        }
    }
    result.extend(before.into_keys().map(|key| Arc::new(deleted(key))));
    result
}
