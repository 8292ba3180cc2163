//! Which parts of the document changed since when.
//!
//! The tracker holds the state of one conference. Each change of a part gets the next
//! [`Sequence`], and the part keeps only its latest: what a subscriber has missed since its last
//! document is read off from there on, in O(changed), and twenty changes of one user are one
//! entry. What was written of a user or view is kept until it changes, so that a full document is
//! put together rather than written again; whole renderings are kept until anything changes, so
//! that subscribers who missed the same share one.

use super::lobby::lobby_document;
use super::write::{write_conference_state, write_description, write_user};
use super::write_view::write_entity_view;
use super::{
    ConferenceInfo, ConferenceState, ConferenceView, Description, Endpoint, EntityView, Form,
    Rendering, Secrets, State, User, Users,
};
use crate::xml::{Fragment, Ns, Writer};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A point in the history of a conference. Rises by one with each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(u64);

/// One part that changed, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'t> {
    /// The description.
    Description(&'t Description),
    /// The conference state of RFC 4575.
    ConferenceState(&'t ConferenceState),
    /// A user that came or changed.
    User(&'t Arc<User>),
    /// A user that is gone.
    UserGone(&'t str),
    /// A view that came or changed.
    View(&'t Arc<EntityView>),
    /// A view that is gone.
    ViewGone(&'t str),
}

/// The state of one conference, and when each part of it changed.
#[derive(Debug)]
pub struct Tracker {
    entity: String,
    sequence: Sequence,
    /// Subscribers that know less than this cannot be told what is gone.
    horizon: Sequence,
    description: Option<Description>,
    description_changed: Sequence,
    conference_state: Option<ConferenceState>,
    state_changed: Sequence,
    users: BTreeMap<Arc<str>, Part<User>>,
    views: BTreeMap<Arc<str>, Part<EntityView>>,
    /// How the endpoints of users that are gone left.
    departed: BTreeMap<Arc<str>, Vec<Endpoint>>,
    log: BTreeMap<Sequence, Subject>,
    gone: BTreeMap<Sequence, Subject>,
    remembered: usize,
    renderings: Vec<Cached>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Description,
    ConferenceState,
    User(Arc<str>),
    View(Arc<str>),
}

/// A user or view: what it is, or that it is gone.
#[derive(Debug)]
struct Part<T> {
    content: Option<Arc<T>>,
    born: Sequence,
    changed: Sequence,
    extended: OnceCell<Fragment>,
    standard: OnceCell<Fragment>,
}

#[derive(Debug)]
struct Cached {
    form: Form,
    since: Option<Sequence>,
    rendering: Option<Rendering>,
}

impl Tracker {
    /// A conference of which nothing is known but its URI. Of users and views that are gone, at
    /// most `remembered` are kept; subscribers that missed more get a full document.
    pub fn new(entity: impl Into<String>, remembered: usize) -> Self {
        Self {
            entity: entity.into(),
            sequence: Sequence::default(),
            horizon: Sequence::default(),
            description: None,
            description_changed: Sequence::default(),
            conference_state: None,
            state_changed: Sequence::default(),
            users: BTreeMap::new(),
            views: BTreeMap::new(),
            departed: BTreeMap::new(),
            log: BTreeMap::new(),
            gone: BTreeMap::new(),
            remembered,
            renderings: Vec::new(),
        }
    }

    /// The conference-URI.
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// Now.
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Sets the description. Whether that is a change.
    pub fn set_description(&mut self, description: Description) -> bool {
        if self.description.as_ref() == Some(&description) {
            return false;
        }
        self.description = Some(description);
        let last = self.description_changed;
        self.description_changed = self.mark(last, Subject::Description);
        true
    }

    /// The description.
    pub const fn description(&self) -> Option<&Description> {
        self.description.as_ref()
    }

    /// Sets the conference state of RFC 4575. Whether that is a change.
    pub fn set_conference_state(&mut self, state: ConferenceState) -> bool {
        if self.conference_state.as_ref() == Some(&state) {
            return false;
        }
        self.conference_state = Some(state);
        let last = self.state_changed;
        self.state_changed = self.mark(last, Subject::ConferenceState);
        true
    }

    /// Sets a user, by its entity. Whether that is a change.
    pub fn set_user(&mut self, user: User) -> bool {
        let user = User {
            state: State::Full,
            ..user
        };
        let known = self.users.get_key_value(user.entity.as_str());
        let key = known.map_or_else(|| user.entity.as_str().into(), |(key, _)| Arc::clone(key));
        let last = known.map(|(_, part)| part.changed);
        if known.is_some_and(|(_, part)| part.content.as_deref() == Some(&user)) {
            return false;
        }
        let changed = self.mark(last.unwrap_or_default(), Subject::User(Arc::clone(&key)));
        self.departed.remove(&key);
        set(&mut self.users, key, user, changed);
        true
    }

    /// Removes a user. Whether it was there.
    pub fn remove_user(&mut self, entity: &str) -> bool {
        self.remove_departed(entity, Vec::new())
    }

    /// Removes a user whose endpoints left as these say. Whether it was there.
    pub fn remove_departed(&mut self, entity: &str, endpoints: Vec<Endpoint>) -> bool {
        let Some((key, last)) = present(&self.users, entity) else {
            return false;
        };
        let subject = Subject::User(Arc::clone(&key));
        let changed = self.mark(last, subject.clone());
        remove(&mut self.users, &key, changed);
        if !endpoints.is_empty() && self.remembered > 0 {
            self.departed.insert(key, endpoints);
        }
        self.bury(changed, subject);
        true
    }

    /// A user.
    pub fn user(&self, entity: &str) -> Option<&Arc<User>> {
        self.users.get(entity)?.content.as_ref()
    }

    /// All users, by entity.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values().filter_map(|part| part.content.as_ref())
    }

    /// Sets the view of an entity. Whether that is a change.
    pub fn set_view(&mut self, view: EntityView) -> bool {
        let view = EntityView {
            state: State::Full,
            ..view
        };
        let known = self.views.get_key_value(view.entity.as_str());
        let key = known.map_or_else(|| view.entity.as_str().into(), |(key, _)| Arc::clone(key));
        let last = known.map(|(_, part)| part.changed);
        if known.is_some_and(|(_, part)| part.content.as_deref() == Some(&view)) {
            return false;
        }
        let changed = self.mark(last.unwrap_or_default(), Subject::View(Arc::clone(&key)));
        set(&mut self.views, key, view, changed);
        true
    }

    /// Removes the view of an entity that has left (CB-114). Whether it was there.
    pub fn remove_view(&mut self, entity: &str) -> bool {
        let Some((key, last)) = present(&self.views, entity) else {
            return false;
        };
        let subject = Subject::View(Arc::clone(&key));
        let changed = self.mark(last, subject.clone());
        remove(&mut self.views, &key, changed);
        self.bury(changed, subject);
        true
    }

    /// The view of an entity.
    pub fn view(&self, entity: &str) -> Option<&Arc<EntityView>> {
        self.views.get(entity)?.content.as_ref()
    }

    /// Whether a user came, changed or left since.
    pub fn user_changed_since(&self, entity: &str, since: Sequence) -> bool {
        self.users
            .get(entity)
            .is_some_and(|part| part.changed > since)
    }

    /// Whether the description changed since.
    pub fn description_changed_since(&self, since: Sequence) -> bool {
        self.description_changed > since
    }

    /// What changed since, each part once, in the order of its latest change. `None` if that is
    /// not remembered any more: the subscriber needs a full document.
    pub fn changed_since(&self, since: Sequence) -> Option<impl Iterator<Item = Change<'_>>> {
        if since < self.horizon {
            return None;
        }
        let changes = self.log.range((Bound::Excluded(since), Bound::Unbounded));
        Some(changes.filter_map(move |(_, subject)| self.change(subject, since)))
    }

    fn change(&self, subject: &Subject, since: Sequence) -> Option<Change<'_>> {
        match subject {
            Subject::Description => self.description.as_ref().map(Change::Description),
            Subject::ConferenceState => self.conference_state.as_ref().map(Change::ConferenceState),
            Subject::User(entity) => {
                let (key, part) = self.users.get_key_value(entity)?;
                match &part.content {
                    Some(user) => Some(Change::User(user)),
                    None => (part.born <= since).then_some(Change::UserGone(key)),
                }
            }
            Subject::View(entity) => {
                let (key, part) = self.views.get_key_value(entity)?;
                match &part.content {
                    Some(view) => Some(Change::View(view)),
                    None => (part.born <= since).then_some(Change::ViewGone(key)),
                }
            }
        }
    }

    /// The full document. Copies pointers to users and views.
    pub fn snapshot(&self) -> ConferenceInfo {
        let entities: Vec<_> = self
            .views
            .values()
            .filter_map(|part| part.content.clone())
            .collect();
        ConferenceInfo {
            description: self.description.clone(),
            conference_state: self.conference_state,
            users: Some(Users {
                state: State::Full,
                users: self.users().cloned().collect(),
            }),
            view: Some(ConferenceView {
                state: State::Full,
                entities,
            }),
            ..ConferenceInfo::new(self.entity.as_str())
        }
    }

    /// What somebody in the lobby gets: always full, and never about anybody else (CB-128).
    pub fn lobby(&self, own_entity: &str) -> ConferenceInfo {
        let own = self.user(own_entity).map(|user| &**user);
        lobby_document(&self.entity, self.description.as_ref(), own)
    }

    /// The document for subscribers whose last one was of `since`: partial, or full if there was
    /// none or too much is forgotten; `None` if nothing changed that the form can say. Rendered
    /// once for all who ask for the same.
    pub fn render(&mut self, form: Form, since: Option<Sequence>) -> Option<Rendering> {
        let since = since.filter(|&since| since >= self.horizon);
        let known = self
            .renderings
            .iter()
            .find(|cached| cached.form == form && cached.since == since);
        if let Some(cached) = known {
            return cached.rendering.clone();
        }
        let rendering = match since {
            None => Some(self.render_full(form)),
            Some(since) => self.render_partial(form, since),
        };
        if self.renderings.len() >= RENDERINGS {
            self.renderings.remove(0);
        }
        self.renderings.push(Cached {
            form,
            since,
            rendering: rendering.clone(),
        });
        rendering
    }

    fn render_full(&self, form: Form) -> Rendering {
        let mut w = Writer::new(Ns::Ci);
        if let Some(description) = &self.description {
            write_description(&mut w, description, form, &Secrets::default());
        }
        if let (Form::Standard, Some(state)) = (form, self.conference_state) {
            write_conference_state(&mut w, state);
        }
        w.open(Ns::Ci, "users").attribute("state", "full");
        for part in self.users.values() {
            write_user_part(&mut w, part, form);
        }
        w.close();
        if form == Form::Extended {
            w.open(Ns::Msci, "conference-view")
                .qualified(Ns::Ci, "state", "full");
            for part in self.views.values() {
                write_view_part(&mut w, part);
            }
            w.close();
        }
        Rendering::of_content(&self.entity, State::Full, &w.into_fragment())
    }

    fn render_partial(&self, form: Form, since: Sequence) -> Option<Rendering> {
        let mut description = None;
        let mut state = None;
        let (mut users, mut views) = (Vec::new(), Vec::new());
        for change in self.changed_since(since)? {
            match change {
                Change::Description(changed) => description = Some(changed),
                Change::ConferenceState(changed) => state = Some(*changed),
                Change::User(user) => users.push(user.entity.as_str()),
                Change::UserGone(entity) => users.push(entity),
                Change::View(view) => views.push(view.entity.as_str()),
                Change::ViewGone(entity) => views.push(entity),
            }
        }
        let mut w = Writer::new(Ns::Ci);
        if let Some(description) = description {
            write_description(&mut w, description, form, &Secrets::default());
        }
        if let (Form::Standard, Some(state)) = (form, state) {
            write_conference_state(&mut w, state);
        }
        if !users.is_empty() {
            w.open(Ns::Ci, "users").attribute("state", "partial");
            for entity in users {
                match self.users.get(entity) {
                    Some(part) if part.content.is_some() => write_user_part(&mut w, part, form),
                    Some(_) | None => write_user(&mut w, &self.departed_user(entity), form),
                }
            }
            w.close();
        }
        if form == Form::Extended && !views.is_empty() {
            w.open(Ns::Msci, "conference-view")
                .qualified(Ns::Ci, "state", "partial");
            for entity in views {
                match self.views.get(entity) {
                    Some(part) if part.content.is_some() => write_view_part(&mut w, part),
                    Some(_) | None => write_entity_view(&mut w, &EntityView::deleted(entity)),
                }
            }
            w.close();
        }
        let content = w.into_fragment();
        (!content.as_str().is_empty())
            .then(|| Rendering::of_content(&self.entity, State::Partial, &content))
    }

    fn departed_user(&self, entity: &str) -> User {
        User {
            endpoints: self.departed.get(entity).cloned().unwrap_or_default(),
            ..User::deleted(entity)
        }
    }

    /// Notes a change of a part whose last one was `last`.
    fn mark(&mut self, last: Sequence, subject: Subject) -> Sequence {
        self.log.remove(&last);
        self.gone.remove(&last);
        self.sequence.0 += 1;
        self.log.insert(self.sequence, subject);
        self.renderings.clear();
        self.sequence
    }

    /// Keeps what is gone for those who still have it, up to the bound.
    fn bury(&mut self, at: Sequence, subject: Subject) {
        self.gone.insert(at, subject);
        while self.gone.len() > self.remembered {
            let Some((at, subject)) = self.gone.pop_first() else {
                return;
            };
            self.log.remove(&at);
            self.horizon = self.horizon.max(at);
            match subject {
                Subject::User(entity) => {
                    self.users.remove(&entity);
                    self.departed.remove(&entity);
                }
                Subject::View(entity) => drop(self.views.remove(&entity)),
                Subject::Description | Subject::ConferenceState => {}
            }
        }
    }
}

/// The key of a part that is there, and its latest change.
fn present<T>(parts: &BTreeMap<Arc<str>, Part<T>>, entity: &str) -> Option<(Arc<str>, Sequence)> {
    let (key, part) = parts.get_key_value(entity)?;
    part.content
        .is_some()
        .then(|| (Arc::clone(key), part.changed))
}

fn set<T>(parts: &mut BTreeMap<Arc<str>, Part<T>>, key: Arc<str>, content: T, at: Sequence) {
    let born = parts.get(&key).map_or(at, |part| part.born);
    parts.insert(
        key,
        Part {
            content: Some(Arc::new(content)),
            born,
            changed: at,
            extended: OnceCell::new(),
            standard: OnceCell::new(),
        },
    );
}

fn remove<T>(parts: &mut BTreeMap<Arc<str>, Part<T>>, key: &str, at: Sequence) {
    if let Some(part) = parts.get_mut(key) {
        part.content = None;
        part.changed = at;
        part.extended = OnceCell::new();
        part.standard = OnceCell::new();
    }
}

fn write_user_part(w: &mut Writer, part: &Part<User>, form: Form) {
    let Some(user) = &part.content else {
        return;
    };
    let cell = match form {
        Form::Extended => &part.extended,
        Form::Standard => &part.standard,
    };
    w.fragment(cell.get_or_init(|| {
        let mut w = Writer::new(Ns::Ci);
        write_user(&mut w, user, form);
        w.into_fragment()
    }));
}

fn write_view_part(w: &mut Writer, part: &Part<EntityView>) {
    if let Some(view) = &part.content {
        w.fragment(part.extended.get_or_init(|| {
            let mut w = Writer::new(Ns::Ci);
            write_entity_view(&mut w, view);
            w.into_fragment()
        }));
    }
}

/// How many renderings are kept: subscribers that fell behind differently, in two forms.
const RENDERINGS: usize = 8;
