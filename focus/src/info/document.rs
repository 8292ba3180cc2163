//! A conference document (RFC 4575 §5), whole or what changed of one.

use super::{AdmissionPolicy, DateTime, EntityView, Extension, Purpose, State, User};
use std::sync::Arc;

/// A conference document.
///
/// Users and views are shared: a snapshot of a large conference copies pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The conference-URI (CB-101).
    pub entity: String,
    /// Full, partial, or deleted when the conference has ended.
    pub state: State,
    /// Rises by one per document and subscriber (CB-102); `None` where nobody has subscribed.
    pub version: Option<u32>,
    /// What the conference is.
    pub description: Option<Description>,
    /// What goes on in it; written in the standard form only (CB-282.6).
    pub conference_state: Option<ConferenceState>,
    /// Who is in it.
    pub users: Option<Users>,
    /// What focus and MCUs say of themselves; written in the extended form only.
    pub view: Option<ConferenceView>,
}

impl ConferenceInfo {
    /// A full document that says nothing yet.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            state: State::Full,
            version: None,
            description: None,
            conference_state: None,
            users: None,
            view: None,
        }
    }

    /// A user of the document.
    pub fn user(&self, entity: &str) -> Option<&Arc<User>> {
        let users = self.users.as_ref()?;
        users.users.iter().find(|user| user.entity == entity)
    }

    /// The view of an entity of the document.
    pub fn entity_view(&self, entity: &str) -> Option<&Arc<EntityView>> {
        let view = self.view.as_ref()?;
        view.entities.iter().find(|view| view.entity == entity)
    }
}

/// The users of a document (RFC 4575 §5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// Full: all of them. Partial: those that changed.
    pub state: State,
    /// The users; each entity once.
    pub users: Vec<Arc<User>>,
}

/// What the entities of the conference say of themselves (CB-106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceView {
    /// Full: all of them. Partial: those that changed.
    pub state: State,
    /// The entities; each once.
    pub entities: Vec<Arc<EntityView>>,
}

/// What the conference is (RFC 4575 §5.3; CB-274).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// What it is about.
    pub subject: Option<String>,
    /// How it can be reached. The extended form writes those of MCUs (CB-105), the standard form
    /// those with a purpose of RFC 4575.
    pub conf_uris: Vec<ConfUri>,
    /// How many users it takes; written in the standard form only (CB-282.6).
    pub maximum_user_count: Option<u32>,
    /// What to show before joining.
    pub disclaimer: Option<String>,
    /// Whose it is.
    pub organizer: Option<Organizer>,
    /// Its id.
    pub conference_id: Option<String>,
    /// When it was changed.
    pub last_update: Option<DateTime>,
    /// When it was activated.
    pub last_activate: Option<DateTime>,
    /// Whether it is active.
    pub is_active: Option<bool>,
    /// When it may be deleted.
    pub expiry_time: Option<DateTime>,
    /// Who gets in.
    pub admission_policy: Option<AdmissionPolicy>,
    /// The organizer's data for every participant.
    pub notification_data: Vec<Extension>,
    /// How it is reached by phone.
    pub pstn_access: Option<PstnAccess>,
    /// The second group of extensions.
    pub access: Option<Access>,
}

/// A URI of the conference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfUri {
    /// The URI.
    pub uri: String,
    /// For people; the examples repeat the purpose.
    pub display_text: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
}

/// Whose a conference is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Organizer {
    /// A SIP URI.
    pub entity: Option<String>,
    /// For people.
    pub display_name: Option<String>,
}

/// How a conference is reached by phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PstnAccess {
    /// What to dial after the number: digits, the first not 0; anything else is not written.
    pub id: Option<String>,
    /// Where the numbers are, inside.
    pub internal_url: Option<String>,
    /// Where the numbers are, outside.
    pub external_url: Option<String>,
}

/// The second group of extensions of a description: how one gets in (CB-274).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// Whether waiting in the lobby makes sense (CB-129).
    pub lobby_capable: Option<bool>,
    /// Whether anonymous participants could be let in; always written (trap 8).
    pub anonymous_type_allowed: bool,
    /// Who becomes presenter on admission (CB-057).
    pub autopromote: Option<u32>,
    /// Which bits of it can be set.
    pub autopromote_allowed: Option<u32>,
    /// Whether phones skip the lobby.
    pub pstn_lobby_bypass: Option<bool>,
    /// Whether that can be switched on.
    pub pstn_lobby_bypass_allowed: Option<bool>,
    /// The title of the disclaimer.
    pub disclaimer_title: Option<String>,
    /// Whether clients may record.
    pub recording_allowed: Option<bool>,
    /// Whether clients outside may record.
    pub externaluser_recording_allowed: Option<bool>,
    /// 13, or 14 with a lobby (CB-257).
    pub server_mode: Option<u32>,
    /// Whether recording is announced.
    pub recording_notification: Option<bool>,
}

/// What goes on in the conference, by RFC 4575 §5.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConferenceState {
    /// How many users are there.
    pub user_count: Option<u32>,
    /// Whether it is active.
    pub active: Option<bool>,
    /// Whether it is locked.
    pub locked: Option<bool>,
}
