//! What is known of a conference before anybody is in it (RFC 4353 §3, conference policy).

use crate::access::{Access, AdmissionPolicy, Autopromote, Members, Permitted, ServerMode};
use crate::keys::KeyMap;
use crate::pin::Pin;
use crate::recording::{RecordWhen, RecordingPolicy};
use plenum_mcu::control::{ConferenceVideo, Layout, PanePlacement};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A conference that may be joined: configured, or made by its first caller.
///
/// It outlives activations: the active conference is [`crate::conference::Focus`].
#[derive(Clone, Debug)]
pub struct ConferenceRecord {
    /// Its name: the user part of its URI.
    pub name: ConferenceName,
    /// What it is about, for rosters (RFC 4575 §5.3).
    pub subject: Option<String>,
    /// What is keyed in at the entry to come here; without, its name, if that is digits.
    pub number: Option<String>,
    /// It is the entry: no conference, but where callers key in the number of one.
    pub entry: bool,
    /// Asked of every caller before the mix; people dialled out to are not asked.
    pub pin: Option<Pin>,
    /// Endpoints at most. `None`: the server's own limit.
    pub max_endpoints: Option<usize>,
    /// Locked from the start of each activation.
    pub locked: bool,
    /// A tone to all when somebody comes in.
    pub entry_tone: bool,
    /// A tone to all when somebody leaves.
    pub exit_tone: bool,
    /// Language of the prompts (`en`).
    pub language: String,
    /// What the only participant hears.
    pub alone: Alone,
    /// Where it comes from.
    pub origin: Origin,
    /// SIP URIs called when the conference becomes active.
    pub dial_out: Vec<String>,
    /// What keys do in the mix.
    pub keys: KeyMap,
    /// A user who calls again from the same place takes the place of their earlier endpoint.
    pub replace_on_redial: bool,
    /// An endpoint whose media has gone silent for the media timeout is hung up.
    pub hang_up_on_media_loss: bool,
    /// How long the conference stays active after the last endpoint left.
    pub grace: Duration,
    /// Automatic gain control on what people send.
    pub agc: bool,
    /// Noise gate on what people send.
    pub noise_gate: bool,
    /// Its id in conference URIs (CB-281.3): letters and digits.
    pub id: Option<String>,
    /// Whose it is, and who is invited.
    pub members: Members,
    /// Who gets in at the start of each activation, besides [`locked`](Self::locked).
    pub admission: AdmissionPolicy,
    /// Who becomes presenter on admission.
    pub autopromote: Autopromote,
    /// Phones skip the lobby.
    pub pstn_lobby_bypass: bool,
    /// What of this may be changed while it is active.
    pub permitted: Permitted,
    /// Whether it has a lobby.
    pub mode: ServerMode,
    /// What becomes of it when the last presenter has left.
    pub without_presenter: WithoutPresenter,
    /// Who may watch without taking part (RFC 4575 §6).
    pub watchers: Watchers,
    /// Its pictures, but for pane placement and seats.
    pub video: ConferenceVideo,
    /// Pane placement (CM-100): what holds unless the running conference is told otherwise.
    pub placement: PanePlacement,
    /// What is known of people before they come.
    pub people: Vec<Person>,
    /// People may choose another layout for themselves (CM-081, `changeLayoutAllowed`).
    pub change_layout: bool,
    /// Whether it is recorded.
    pub recording: RecordingPolicy,
    /// Who may show slides.
    pub slides: SlidesOf,
}

impl ConferenceRecord {
    /// A record with the given name and the defaults of an ad-hoc conference: no PIN, tones on,
    /// music while alone, over when the last one leaves.
    pub fn ad_hoc(name: ConferenceName) -> Self {
        Self {
            name,
            subject: None,
            number: None,
            entry: false,
            pin: None,
            max_endpoints: None,
            locked: false,
            entry_tone: true,
            exit_tone: true,
            language: "en".into(),
            alone: Alone::Music,
            origin: Origin::AdHoc,
            dial_out: Vec::new(),
            keys: KeyMap::default(),
            replace_on_redial: false,
            hang_up_on_media_loss: true,
            grace: Duration::ZERO,
            agc: true,
            noise_gate: true,
            id: None,
            members: Members::default(),
            admission: AdmissionPolicy::Anonymous,
            autopromote: Autopromote::default(),
            pstn_lobby_bypass: false,
            permitted: Permitted::default(),
            mode: ServerMode::default(),
            without_presenter: WithoutPresenter::GoOn,
            watchers: Watchers::default(),
            video: ConferenceVideo::default(),
            placement: PanePlacement::default(),
            people: Vec::new(),
            change_layout: true,
            recording: RecordingPolicy::default(),
            slides: SlidesOf::default(),
        }
    }

    /// The entry: open to all, without tones, music, keys and recordings.
    pub fn entry(name: ConferenceName, language: String, callers: usize) -> Self {
        Self {
            entry: true,
            max_endpoints: Some(callers),
            entry_tone: false,
            exit_tone: false,
            language,
            alone: Alone::Silence,
            origin: Origin::Configured,
            recording: RecordingPolicy {
                when: RecordWhen::Never,
                ..RecordingPolicy::default()
            },
            ..Self::ad_hoc(name)
        }
    }

    /// Who gets in when it becomes active.
    pub fn access(&self) -> Access {
        Access {
            locked: self.locked,
            admission: self.admission,
            autopromote: self.autopromote,
            pstn_lobby_bypass: self.pstn_lobby_bypass,
        }
    }
}

/// The name of a conference: unescaped, in lower case, so that `StandUp` and `standup` meet.
///
/// RFC 3261 §19.1.4 compares user parts case-sensitively; people who dial by hand do not, and
/// nothing is gained by two conferences whose names differ in case only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceName(Arc<str>);

impl ConferenceName {
    /// The name for this unescaped user part; `None` when it is empty, longer than `limit` octets,
    /// or holds control characters.
    pub fn new(user: &str, limit: usize) -> Option<Self> {
        if user.is_empty() || user.len() > limit || user.chars().any(char::is_control) {
            return None;
        }
        Some(Self(user.to_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the user part of a SIP URI, escaped where RFC 3261 §25.1 demands it.
    pub fn escaped(&self) -> String {
        let mut user = String::with_capacity(self.0.len());
        for octet in self.0.bytes() {
            if octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet) {
                user.push(char::from(octet));
            } else {
                user.push_str(&format!("%{octet:02X}"));
            }
        }
        user
    }
}

impl fmt::Display for ConferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// How somebody is to be seen, and what they see, whenever they come (CM-080, CM-089, CM-101).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The address of record. Only calls that are believed to be theirs are.
    pub aor: String,
    /// What is written in their seat while they are away.
    pub name: Option<String>,
    /// Importance, for pane placement and precedence; 0 for none.
    pub importance: u32,
    /// Pinned for everybody, the lowest number first.
    pub pin: Option<u32>,
    /// The pane kept for them, from 1.
    pub seat: Option<usize>,
    /// The layout they begin with; else the conference's.
    pub layout: Option<Layout>,
    /// They may choose another layout; else as the conference says.
    pub change_layout: Option<bool>,
}

/// A pane kept for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatFor {
    /// The address of record.
    pub aor: String,
    /// What is written there while they are away.
    pub name: String,
    /// Which pane, from 1.
    pub pane: usize,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Made by its first caller; forgotten when the last one leaves.
    AdHoc,
    /// From the configuration; may become active again and again.
    Configured,
}

/// Who may show slides, unless an operator or a presenter says otherwise of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlidesOf {
    /// Whoever is in.
    #[default]
    Everybody,
    /// Whose role is presenter, as long as it is.
    Presenters,
}

/// What becomes of a conference when its last presenter has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutPresenter {
    /// It goes on.
    GoOn,
    /// It ends if no presenter comes back within this time.
    EndAfter(Duration),
}

/// Who may watch a conference without taking part in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watchers {
    /// Participants only.
    #[default]
    Participants,
    /// Also those who would be let in by policy, on networks that are trusted.
    Trusted,
}

/// What the only participant of a conference hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// Music made by the server.
    Music,
    /// Nothing.
    Silence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_are_one() {
        assert_eq!(
            ConferenceName::new("StandUp", 64),
            ConferenceName::new("standup", 64)
        );
        assert_ne!(
            ConferenceName::new("standup", 64),
            ConferenceName::new("stand-up", 64)
        );
    }

    #[test]
    fn names_out_of_bounds_are_none() {
        assert_eq!(ConferenceName::new("", 64), None);
        assert_eq!(ConferenceName::new("a\r\nb", 64), None);
        assert_eq!(ConferenceName::new("abcde", 4), None);
        assert!(ConferenceName::new("abcd", 4).is_some());
    }

    #[test]
    fn rfc3261_25_1_escaping_of_the_user_part() {
        let name = ConferenceName::new("café @9", 64).unwrap();
        assert_eq!(name.escaped(), "caf%C3%A9%20%409");
        assert_eq!(
            ConferenceName::new("weekly+q&a", 64).unwrap().escaped(),
            "weekly+q&a"
        );
    }
}
