//! What one subscriber gets next (CB-093, CB-102, CB-103, CB-128 to CB-131).

use super::{Form, Rendering, Sequence, Tracker};
use bytes::Bytes;

/// What a subscriber may know, and in which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A participant that speaks C3P.
    Extended,
    /// Anybody else that policy lets watch.
    Standard,
    /// Somebody who waits in the lobby.
    Lobby,
}

/// One subscription: its version, and up to where the subscriber knows the conference.
///
/// The first document is full; then each is what changed, until [`refresh`](Self::refresh) or
/// [`set_audience`](Self::set_audience) makes the next one full again. Changes between two
/// documents coalesce, whoever decides how often documents are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    user: String,
    audience: Audience,
    next_version: u32,
    since: Option<Sequence>,
    last_in_lobby: Option<Rendering>,
}

impl Watcher {
    /// A new subscription of this user.
    pub fn new(user: impl Into<String>, audience: Audience) -> Self {
        Self {
            user: user.into(),
            audience,
            next_version: 1,
            since: None,
            last_in_lobby: None,
        }
    }

    /// What the subscriber may know.
    pub const fn audience(&self) -> Audience {
        self.audience
    }

    /// Admission, or a change of policy: the next document is full (CB-130, trap 44).
    pub fn set_audience(&mut self, audience: Audience) {
        if self.audience != audience {
            self.audience = audience;
            self.since = None;
        }
    }

    /// The subscription was refreshed: the next document is full (CB-096).
    pub const fn refresh(&mut self) {
        self.since = None;
    }

    /// Whether there may be something to send. Cheap; [`document`](Self::document) says for sure.
    pub fn is_due(&self, tracker: &Tracker) -> bool {
        self.since.is_none_or(|since| since < tracker.sequence())
    }

    /// The next document, if there is anything to say. Its version is one more than that of the
    /// one before, with no gap from changes the subscriber may not know (CB-102, trap 43).
    pub fn document(&mut self, tracker: &mut Tracker) -> Option<Bytes> {
        if !self.is_due(tracker) {
            return None;
        }
        let rendering = match self.audience {
            Audience::Extended => tracker.render(Form::Extended, self.since),
            Audience::Standard => tracker.render(Form::Standard, self.since),
            Audience::Lobby => self.lobby(tracker),
        };
        self.since = Some(tracker.sequence());
        let document = rendering?.with_version(self.next_version);
        self.next_version = self.next_version.wrapping_add(1);
        Some(document)
    }

    /// What changed may not concern the lobby: then not even an equal document tells of it.
    fn lobby(&mut self, tracker: &Tracker) -> Option<Rendering> {
        let concerned = self.since.is_none_or(|since| {
            tracker.user_changed_since(&self.user, since)
                || tracker.description_changed_since(since)
        });
        if !concerned {
            return None;
        }
        let rendering = Rendering::new(&tracker.lobby(&self.user), Form::Extended);
        let same = self.since.is_some() && self.last_in_lobby.as_ref() == Some(&rendering);
        self.last_in_lobby = Some(rendering.clone());
        (!same).then_some(rendering)
    }
}
