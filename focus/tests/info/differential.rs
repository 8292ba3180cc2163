//! Random changes of a conference: what subscribers put together from partial documents equals the
//! full document, however their documents coalesce (RFC 4575 §4.4, CB-102, CB-103).

use super::generate;
use super::subscriber::{Subscriber, sorted};
use plenum_focus::info::{
    Audience, Change, ConferenceInfo, ConferenceState, ConferenceView, Description, EntityView,
    Form, Sequence, State, Tracker, User, Users, apply, diff,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    User(usize, Box<User>),
    UserGone(usize),
    View(usize, Box<EntityView>),
    ViewGone(usize),
    Description(Box<Description>),
    State(u32, bool),
    /// This watcher gets its next document.
    Notify(usize),
    /// This watcher refreshes its subscription.
    Refresh(usize),
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => (0..6_usize, generate::user()).prop_map(|(who, user)| Step::User(who, user.into())),
        2 => (0..6_usize).prop_map(Step::UserGone),
        2 => (0..3_usize, generate::view()).prop_map(|(who, view)| Step::View(who, view.into())),
        1 => (0..3_usize).prop_map(Step::ViewGone),
        1 => generate::description().prop_map(|description| Step::Description(description.into())),
        1 => (any::<u32>(), any::<bool>()).prop_map(|(count, locked)| Step::State(count, locked)),
        4 => (0..4_usize).prop_map(Step::Notify),
        1 => (0..4_usize).prop_map(Step::Refresh),
    ]
    .boxed()
}

fn user_entity(who: usize) -> String {
    format!("sip:user{who}@example.com")
}

fn view_entity(who: usize) -> String {
    format!("sip:mcu{who}@example.com")
}

fn take(tracker: &mut Tracker, subscribers: &mut [Subscriber], step: Step) {
    match step {
        Step::User(who, user) => {
            let entity = user_entity(who);
            tracker.set_user(User { entity, ..*user });
        }
        Step::UserGone(who) => {
            let was = tracker.user(&user_entity(who)).is_some();
            assert_eq!(tracker.remove_user(&user_entity(who)), was);
        }
        Step::View(who, view) => {
            let entity = view_entity(who);
            tracker.set_view(EntityView { entity, ..*view });
        }
        Step::ViewGone(who) => {
            let was = tracker.view(&view_entity(who)).is_some();
            assert_eq!(tracker.remove_view(&view_entity(who)), was);
        }
        Step::Description(description) => {
            tracker.set_description(*description);
        }
        Step::State(user_count, locked) => {
            tracker.set_conference_state(ConferenceState {
                user_count: Some(user_count),
                active: Some(true),
                locked: Some(locked),
            });
        }
        Step::Notify(who) => subscribers[who].notify(tracker),
        Step::Refresh(who) => subscribers[who].watcher.refresh(),
    }
}

fn subscribers() -> Vec<Subscriber> {
    vec![
        Subscriber::new(Audience::Extended, Form::Extended),
        Subscriber::new(Audience::Extended, Form::Extended),
        Subscriber::new(Audience::Standard, Form::Standard),
        Subscriber::new(Audience::Standard, Form::Standard),
    ]
}

/// A partial document out of what the tracker marked.
fn partial(tracker: &Tracker, since: Sequence) -> Option<ConferenceInfo> {
    let (mut users, mut entities) = (Vec::new(), Vec::new());
    let mut partial = ConferenceInfo::new(tracker.entity());
    for change in tracker.changed_since(since)? {
        match change {
            Change::Description(description) => partial.description = Some(description.clone()),
            Change::ConferenceState(state) => partial.conference_state = Some(*state),
            Change::User(user) => users.push(Arc::clone(user)),
            Change::UserGone(entity) => users.push(Arc::new(User::deleted(entity))),
            Change::View(view) => entities.push(Arc::clone(view)),
            Change::ViewGone(entity) => entities.push(Arc::new(EntityView::deleted(entity))),
        }
    }
    let state = State::Partial;
    Some(ConferenceInfo {
        state,
        users: Some(Users { state, users }),
        view: Some(ConferenceView { state, entities }),
        ..partial
    })
}

/// What was changed is marked; what is marked but the same was changed back.
fn assert_marks_cover(marked: &ConferenceInfo, changed: Option<&ConferenceInfo>) {
    let Some(changed) = changed else { return };
    let marked_users = &marked.users.as_ref().unwrap().users;
    for user in changed.users.iter().flat_map(|users| &users.users) {
        assert!(marked_users.contains(user), "{user:?}");
    }
    let marked_views = &marked.view.as_ref().unwrap().entities;
    for view in changed.view.iter().flat_map(|view| &view.entities) {
        assert!(marked_views.contains(view), "{view:?}");
    }
}

proptest! {
    #![proptest_config(super::cases(200))]

    #[test]
    fn subscribers_have_the_full_document(
        steps in vec(step(), 1..60),
        remembered in 0..6_usize,
    ) {
        let mut tracker = Tracker::new(generate::CONFERENCE, remembered);
        let mut subscribers = subscribers();
        for step in steps {
            take(&mut tracker, &mut subscribers, step);
        }
        for subscriber in &mut subscribers {
            subscriber.notify(&mut tracker);
        }
    }

    #[test]
    fn marks_agree_with_the_comparison_of_whole_documents(
        before in vec(step(), 0..30),
        after in vec(step(), 0..30),
        remembered in 0..12_usize,
    ) {
        let mut tracker = Tracker::new(generate::CONFERENCE, remembered);
        let mut subscribers = subscribers();
        for step in before {
            take(&mut tracker, &mut subscribers, step);
        }
        let (since, old) = (tracker.sequence(), tracker.snapshot());
        for step in after {
            take(&mut tracker, &mut subscribers, step);
        }
        let new = tracker.snapshot();
        let changed = diff(&old, &new);
        if let Some(changed) = &changed {
            let mut applied = old.clone();
            apply(&mut applied, changed).unwrap();
            prop_assert_eq!(sorted(applied), sorted(new.clone()));
        } else {
            prop_assert_eq!(&old, &new);
        }
        if let Some(marked) = partial(&tracker, since) {
            assert_marks_cover(&marked, changed.as_ref());
            let mut applied = old;
            apply(&mut applied, &marked).unwrap();
            prop_assert_eq!(sorted(applied), new);
        } else {
            prop_assert!(remembered < 12, "nothing is forgotten in 30 steps");
        }
    }
}
