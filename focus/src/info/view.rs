//! What focus and MCUs say of themselves (CB-106 to CB-115, CB-276, CB-277, CB-283).

use super::{Extension, MediaFilter, MediaStatus, State};

/// The view of one entity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityView {
    /// The conference-URI for the focus, the MCU-Conference-URI for an MCU (CB-110).
    pub entity: String,
    /// Full unless it was read from a document that says otherwise.
    pub state: State,
    /// What it can do (CB-111).
    pub capabilities: Option<Capabilities>,
    /// How it is; present in every full view (CB-113).
    pub entity_state: Option<EntityState>,
}

impl EntityView {
    /// A view that says nothing but that the entity is there.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            state: State::Full,
            capabilities: None,
            entity_state: Some(EntityState::default()),
        }
    }

    /// The view of an entity that has left (CB-114).
    pub fn deleted(entity: impl Into<String>) -> Self {
        Self {
            state: State::Deleted,
            entity_state: None,
            ..Self::new(entity)
        }
    }
}

/// What an entity can do (CB-277).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Of the audio and video mixer: whether it does audio, and video.
    pub audio_video: Option<(bool, bool)>,
    /// Of the application sharing MCU: who may take control.
    pub control_permission: Option<String>,
    /// Elements of other vocabularies.
    pub extensions: Vec<Extension>,
}

/// How an entity is (CB-276).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntityState {
    /// Which application it serves.
    pub application: Option<String>,
    /// For people.
    pub display_text: Option<String>,
    /// How many users it has.
    pub user_count: Option<u32>,
    /// Whether it is active.
    pub active: Option<bool>,
    /// Whether it is locked; an entity that knows no lock says nothing (CB-185).
    pub locked: Option<bool>,
    /// Who may unmute themselves, and with which filters newcomers begin.
    pub media_filters_rules: Option<MediaFiltersRules>,
    /// The media it offers.
    pub media: Vec<ConferenceMedium>,
    /// The live state of the audio and video mixer.
    pub av_state: Option<AvState>,
    /// The sessions of the application sharing MCU.
    pub session_ids: Vec<String>,
    /// What presenters can permit (CB-268).
    pub permission_options: Vec<PermissionOption>,
    /// What is permitted (CB-269).
    pub permissions: Vec<Permission>,
    /// Elements of other vocabularies.
    pub extensions: Vec<Extension>,
}

/// Rules of the mixer about muting (CB-281.26). Roles are `presenter`, `attendee` or `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MediaFiltersRules {
    /// By role: whether it may change its own filters.
    pub may_modify_own_filters: Vec<(String, bool)>,
    /// By role: the filters a newcomer begins with.
    pub initial_filters: Vec<InitialFilters>,
}

/// The filters a newcomer of a role begins with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitialFilters {
    /// The role.
    pub role: String,
    /// Towards the mix.
    pub ingress: Option<MediaFilter>,
    /// From the mix.
    pub egress: Option<MediaFilter>,
}

/// A medium that an entity offers (CB-281.27, CB-284).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConferenceMedium {
    /// `main-audio`, `main-video`, `panoramic-video`, `chat` and so on.
    pub label: String,
    /// For people.
    pub display_text: Option<String>,
    /// `audio`, `video` and so on.
    pub media_type: String,
    /// Which way it flows.
    pub status: Option<MediaStatus>,
    /// How video is switched.
    pub video: Option<VideoParameters>,
}

/// How video is switched (CB-283.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VideoParameters {
    /// `dominant-speaker-switched` or `manual-switched`.
    pub mode: Option<String>,
    /// Whom everybody shall see, in the manual mode.
    pub intended_primary_presenter_source: Vec<String>,
}

/// The live state of the audio and video mixer (CB-283.4, CB-285).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AvState {
    /// `dominant-speaker-switched` or `manual-switched`.
    pub video_mode: Option<String>,
    /// Who speaks: a user's URI.
    pub dominant_speaker: Option<String>,
    /// Whom everybody shall see, in the manual mode.
    pub intended_prime_presenter_source: Vec<String>,
}

/// Something presenters can permit (CB-268).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PermissionOption {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether it can be changed.
    pub mutable: bool,
}

/// Something that is permitted or not (CB-269).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}
