//! What local control shows of conferences, as JSON.

use plenum_focus::access::ServerMode;
use plenum_focus::record::ConferenceRecord;
use plenum_focus::recording::RecordingState;
use plenum_focus::roster::{EndpointStatus, JoiningMethod, Participant, SessionType, User};
use plenum_focus::shell::Snapshot;
use plenum_focus::uri::id_of;
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
    /// Its name; `None`: the conference's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
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
        Self {
            active: Active::of(snapshot),
            id: id_of(&snapshot.record),
            lobby: snapshot.record.mode == ServerMode::Fourteen,
            admission: snapshot.access.admission.as_str().into(),
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
            presenting: one.presenting,
            since_s: now.saturating_duration_since(since).as_secs(),
        }
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
