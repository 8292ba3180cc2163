//! Who leads the conversation, with hysteresis: a cough changes nothing, a second of speech does.

use super::SourceId;
use std::time::{Duration, Instant};

/// Speakers remembered, the latest first.
const MEMORY: usize = 64;

/// The numbers of the detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeechSettings {
    /// For how long somebody must speak to lead.
    pub challenge: Duration,
    /// Pauses up to this long do not end speech.
    pub pause: Duration,
    /// Who leads does so for at least this long. With `challenge` below a second together.
    pub hold: Duration,
    /// By how much one must be louder than a leader who is speaking as well, dB.
    pub advantage_db: f32,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        Self {
            challenge: Duration::from_millis(400),
            pause: Duration::from_millis(250),
            hold: Duration::from_millis(800),
            advantage_db: 6.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Challenger {
    source: SourceId,
    since: Instant,
    heard: Instant,
}

/// The detection of one conference.
#[derive(Clone, Debug)]
pub struct Speech {
    settings: SpeechSettings,
    /// Everybody who has led, the present leader first.
    history: Vec<SourceId>,
    since: Option<Instant>,
    /// When the leader was last heard.
    heard: Option<Instant>,
    challenger: Option<Challenger>,
}

impl Speech {
    /// Nobody has spoken yet.
    pub fn new(settings: SpeechSettings) -> Self {
        Self {
            settings,
            history: Vec::new(),
            since: None,
            heard: None,
            challenger: None,
        }
    }

    /// What was heard just now: everybody who is talking, with the level, dBov. True if somebody else leads now.
    pub fn observe(&mut self, now: Instant, talking: &[(SourceId, f32)]) -> bool {
        let leader = self.active();
        let leading = talking.iter().find(|(source, _)| Some(*source) == leader);
        if leading.is_some() {
            self.heard = Some(now);
        }
        let bar = leading.map_or(f32::MIN, |(_, level)| level + self.settings.advantage_db);
        let loudest = talking
            .iter()
            .filter(|(source, level)| Some(*source) != leader && *level >= bar)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        self.challenge(now, loudest.map(|(source, _)| *source));
        self.decide(now)
    }

    /// A source is gone: the one who led before leads again.
    pub fn remove(&mut self, source: SourceId) {
        if self.active() == Some(source) {
            self.since = None;
            self.heard = None;
        }
        self.history.retain(|other| *other != source);
        if self
            .challenger
            .is_some_and(|challenger| challenger.source == source)
        {
            self.challenger = None;
        }
    }

    /// Who leads; nobody until the first speech.
    pub fn active(&self) -> Option<SourceId> {
        self.history.first().copied()
    }

    /// Who led before.
    pub fn previous(&self) -> Option<SourceId> {
        self.history.get(1).copied()
    }

    /// How long ago somebody led, counted in leaders; `None` for never.
    pub fn rank(&self, source: SourceId) -> Option<usize> {
        self.history.iter().position(|other| *other == source)
    }

    fn challenge(&mut self, now: Instant, loudest: Option<SourceId>) {
        let pause = self.settings.pause;
        let over = |challenger: Challenger| now.saturating_duration_since(challenger.heard) > pause;
        match (loudest, &mut self.challenger) {
            (Some(source), Some(challenger)) if challenger.source == source => {
                challenger.heard = now;
            }
            (Some(source), place) if place.is_none_or(over) || self.history.is_empty() => {
                *place = Some(Challenger {
                    source,
                    since: now,
                    heard: now,
                });
            }
            // Somebody is louder for a moment: the challenger keeps the place until silent for a pause.
            (Some(_), _) => {}
            (None, place) => {
                if place.is_some_and(over) {
                    *place = None;
                }
            }
        }
    }

    fn decide(&mut self, now: Instant) -> bool {
        let Some(challenger) = self.challenger else {
            return false;
        };
        // Silence is no speech: what counts is from the first to the last moment that was heard.
        let spoken = challenger.heard.saturating_duration_since(challenger.since);
        let held = self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= self.settings.hold);
        if spoken < self.settings.challenge || !held {
            return false;
        }
        self.history.retain(|other| *other != challenger.source);
        self.history.insert(0, challenger.source);
        self.history.truncate(MEMORY);
        self.since = Some(now);
        self.heard = Some(now);
        self.challenger = None;
        true
    }
}
