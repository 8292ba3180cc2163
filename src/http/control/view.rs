//! What local control shows of conferences, as JSON.

use plenum_focus::access::ServerMode;
use plenum_focus::record::ConferenceRecord;
use plenum_focus::recording::RecordingState;
use plenum_focus::roster::{EndpointStatus, JoiningMethod, Participant, SessionType, User};
use plenum_focus::shell::Snapshot;
use plenum_focus::uri::id_of;
use plenum_mcu::control::{PaneContent, Placement, Template};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Instant;

/// The body of a request to call somebody.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The SIP URI to call.
    pub to: String,
}

/// Which layout is to be seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its name, or that of a template; `None`: the conference's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
}

/// Pane placement (CM-100, CM-111): of a running conference, or in force.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlacementWords {
    /// Whose importance has pane 1; panes are placed from there down to 1. 0 turns placement off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pane_placement_highest_importance: Option<u32>,
    /// `skip`, `self` or `blank`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pane_placement_self_pane_mode: Option<String>,
    /// `none`, `allowself` or `suppressself`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pane_placement_active_speaker_mode: Option<String>,
}

/// A pane kept for somebody.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeatWords {
    /// The address of record.
    pub who: String,
    /// What is written there while they are away; else a part of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which pane, from 1.
    pub pane: usize,
}

/// All panes that are kept for people.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeatList {
    /// Whose, and where.
    pub seats: Vec<SeatWords>,
    /// What is there while they are away: `tile`, `blank` or `fill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// What one endpoint wants to see.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Endpoints it wants to see, in order.
    #[serde(default)]
    pub pins: Vec<u64>,
    /// Panes kept in its view; `None`: those of the conference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<Vec<SeatWords>>,
}

/// How an endpoint is seen. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Looks {
    /// Its importance; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<u32>,
    /// Pinned for everybody, the lowest number first; 0: not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<u32>,
    /// Others see a tile in the place of its pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// It gets no pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<bool>,
    /// It may show slides, whatever its role, or may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slides: Option<bool>,
    /// It may choose another layout; `null`: as is configured.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    pub change_layout_allowed: Option<Option<bool>>,
}

/// What is said, `null` included, is not what is left out.
fn said<'de, D: serde::Deserializer<'de>>(words: D) -> Result<Option<Option<bool>>, D::Error> {
    Option::deserialize(words).map(Some)
}

/// The panes of a template.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rectangles {
    /// In order: `[x, y, width, height]` in shares of the picture, with a fifth number where panes lie upon each other.
    pub panes: Vec<Vec<f64>>,
}

/// A layout of somebody's own.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TemplateView {
    /// Its name.
    pub name: String,
    /// As in [`Rectangles`].
    pub panes: Vec<Vec<f64>>,
    /// It is from the configuration, and changed there.
    pub configured: bool,
}

/// The body of a request that gives the floor of slides to somebody.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The number of an endpoint.
    pub endpoint: u64,
}

/// The body of a request about those who wait in the lobby.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The number of a user; `None`: all of them.
    pub user: Option<u64>,
}

/// The body of a request about what somebody may do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// `presenter` or `attendee`.
    pub role: String,
}

/// The body of a failure.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Problem {
    /// Why, in words.
    pub error: String,
}

/// A conference, as a list says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Active {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Whether it is active; else it is configured, and nobody is there.
    pub active: bool,
    /// How many endpoints are there, those that wait included.
    pub endpoints: usize,
    /// How many of them wait in the lobby.
    pub waiting: usize,
    /// Whether it is locked.
    pub locked: bool,
    /// How its recording is: `off`, `starting`, `on`, `paused` or `failed`.
    #[serde(default)]
    pub recording: Cow<'static, str>,
}

/// An active conference, with who is there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Conference {
    /// What a list says of it.
    #[serde(flatten)]
    pub active: Active,
    /// Its ID in URIs and links.
    pub id: String,
    /// Whether it has a lobby.
    pub lobby: bool,
    /// Who gets in: `closedAuthenticated`, `openAuthenticated` or `anonymous`.
    pub admission: Cow<'static, str>,
    /// The layout of those who have chosen none.
    #[serde(default)]
    pub layout: Cow<'static, str>,
    /// The template that `automatic` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Pane placement in force.
    #[serde(default)]
    pub placement: PlacementWords,
    /// The panes kept for people, by the names written there.
    #[serde(default)]
    pub seats: Vec<(usize, String)>,
    /// Everybody, in the order they came.
    pub users: Vec<Somebody>,
}

/// A user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Somebody {
    /// The number of the user, for `admit`, `deny`, `role` and `remove`.
    pub user: u64,
    /// The address of record, unless anonymous.
    pub aor: Option<String>,
    /// The display name.
    pub display: Option<String>,
    /// `presenter` or `attendee`.
    pub role: Cow<'static, str>,
    /// What they are there with.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint of a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Endpoint {
    /// The number of the endpoint, for `mute` and `kick`.
    pub endpoint: u64,
    /// `audio-video`, or `focus` for a connection without media.
    pub session: Cow<'static, str>,
    /// As in RFC 4575 §5.7.2; `on-hold`: waits in the lobby.
    pub status: Cow<'static, str>,
    /// `dialed-in` or `dialed-out`.
    pub joining: Cow<'static, str>,
    /// The conference does not hear it.
    pub muted: bool,
    /// It does not hear the conference.
    pub deaf: bool,
    /// It put the conference on hold.
    pub holds: bool,
    /// It is talking.
    pub talking: bool,
    /// Its importance; 0 for none.
    #[serde(default)]
    pub importance: u32,
    /// Pinned for everybody.
    #[serde(default)]
    pub pin: Option<u32>,
    /// The layout chosen for it; else it has the conference's.
    #[serde(default)]
    pub layout: Option<Cow<'static, str>>,
    /// The template that `automatic` stands for in its view, where one was chosen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Others see a tile in the place of its pictures.
    #[serde(default)]
    pub hidden: bool,
    /// It gets no pictures.
    #[serde(default)]
    pub blind: bool,
    /// The endpoints it sees, pane by pane; `None` for a pane that shows nobody.
    #[serde(default)]
    pub seen: Vec<Option<u64>>,
    /// It shows slides to all.
    #[serde(default)]
    pub presenting: bool,
    /// Seconds since it came into the mix, else since it was admitted, called or made to wait.
    pub since_s: u64,
}

impl Active {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let waits = |one: &&Participant| one.status == EndpointStatus::OnHold;
        Self {
            name: snapshot.record.name.to_string(),
            subject: snapshot.record.subject.clone(),
            active: true,
            endpoints: snapshot.endpoints.len(),
            waiting: snapshot.endpoints.iter().filter(waits).count(),
            locked: snapshot.locked,
            recording: snapshot.recording.as_str().into(),
        }
    }

    pub(crate) fn inactive(record: &ConferenceRecord) -> Self {
        Self {
            name: record.name.to_string(),
            subject: record.subject.clone(),
            active: false,
            endpoints: 0,
            waiting: 0,
            locked: record.locked,
            recording: RecordingState::Off.as_str().into(),
        }
    }
}

impl Conference {
    pub(crate) fn of(snapshot: &Snapshot, now: Instant) -> Self {
        let people = snapshot.users.iter();
        let seats = snapshot.pictures.seats.iter();
        Self {
            active: Active::of(snapshot),
            id: id_of(&snapshot.record),
            lobby: snapshot.record.mode == ServerMode::Fourteen,
            admission: snapshot.access.admission.as_str().into(),
            layout: snapshot.pictures.layout.name().into(),
            template: name_of(snapshot.pictures.template.as_deref()),
            placement: PlacementWords::of(&snapshot.pictures.placement),
            seats: seats
                .map(|named| (named.seat.pane, named.name.clone()))
                .collect(),
            users: people
                .map(|user| Somebody::of(user, &snapshot.endpoints, now))
                .collect(),
        }
    }
}

impl Somebody {
    fn of(user: &User, all: &[Participant], now: Instant) -> Self {
        let own = all.iter().filter(|one| one.user == user.id);
        Self {
            user: user.id.0,
            aor: user.aor.clone(),
            display: user.display.clone(),
            role: user.role.as_str().into(),
            endpoints: own.map(|one| Endpoint::of(one, now)).collect(),
        }
    }
}

impl Endpoint {
    fn of(one: &Participant, now: Instant) -> Self {
        let since = one.joined_at.unwrap_or(one.since);
        Self {
            endpoint: one.id.0,
            session: session_name(one.session).into(),
            status: status_name(one.status).into(),
            joining: joining_name(one.joining).into(),
            muted: one.filter.muted,
            deaf: one.filter.deaf,
            holds: one.on_hold,
            talking: one.talking,
            importance: one.looks.importance,
            pin: one.looks.pin,
            layout: one.looks.layout.map(|layout| layout.name().into()),
            template: name_of(one.looks.template.as_deref()),
            hidden: one.looks.hidden,
            blind: one.looks.blind,
            seen: one.seen.iter().map(|pane| seen(*pane)).collect(),
            presenting: one.presenting,
            since_s: now.saturating_duration_since(since).as_secs(),
        }
    }
}

fn name_of(template: Option<&Template>) -> Option<String> {
    let name = template.map(|template| template.name().to_owned());
    name.filter(|name| !name.is_empty())
}

impl PlacementWords {
    fn of(placement: &Placement) -> Self {
        let on = placement.highest_importance.map(|_| placement);
        Self {
            pane_placement_highest_importance: placement.highest_importance,
            pane_placement_self_pane_mode: on.map(|it| it.self_pane.name().to_owned()),
            pane_placement_active_speaker_mode: on.map(|it| it.active_speaker.name().to_owned()),
        }
    }
}

fn seen(pane: PaneContent) -> Option<u64> {
    match pane {
        PaneContent::Endpoint(endpoint) | PaneContent::Content(endpoint) => Some(endpoint.0),
        PaneContent::Blank | PaneContent::Absent(_) => None,
    }
}

/// How a session type is written.
pub(crate) fn session_name(session: SessionType) -> &'static str {
    match session {
        SessionType::Focus => "focus",
        SessionType::AudioVideo => "audio-video",
    }
}

/// How a joining method is written (RFC 4575 §5.7.4).
pub(crate) fn joining_name(joining: JoiningMethod) -> &'static str {
    match joining {
        JoiningMethod::DialedIn => "dialed-in",
        JoiningMethod::DialedOut => "dialed-out",
    }
}

/// How a status is written (RFC 4575 §5.7.2).
fn status_name(status: EndpointStatus) -> &'static str {
    match status {
        EndpointStatus::Pending => "pending",
        EndpointStatus::DialingOut => "dialing-out",
        EndpointStatus::Alerting => "alerting",
        EndpointStatus::OnHold => "on-hold",
        EndpointStatus::Connected => "connected",
        EndpointStatus::Disconnecting => "disconnecting",
    }
}
