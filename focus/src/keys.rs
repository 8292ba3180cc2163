//! What keys do in the mix: sequences of DTMF digits and the actions they stand for.

use std::time::{Duration, Instant};

/// What a key sequence does for the participant who pressed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAction {
    /// Mutes oneself, or takes it back; a sentence says which.
    ToggleMute,
    /// Stops hearing the conference, or takes it back.
    ToggleDeaf,
    /// The conference 3 dB louder for oneself.
    Louder,
    /// The conference 3 dB softer for oneself.
    Softer,
    /// Oneself 3 dB louder for the others.
    SpeakLouder,
    /// Oneself 3 dB softer for the others.
    SpeakSofter,
    /// Says how many are in the mix.
    SayCount,
    /// Another layout of the picture for oneself.
    NextLayout,
    /// Leaves the conference.
    Leave,
    /// Lets everybody in who waits in the lobby; presenters only.
    AdmitAll,
    /// Mutes everybody but presenters; presenters only.
    MuteAll,
    /// Locks the conference, or takes it back; presenters only.
    ToggleLock,
}

/// The key sequences of a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap {
    bindings: Vec<(String, KeyAction)>,
    /// A sequence not gone on with for this long is over.
    pub inter_digit: Duration,
}

impl KeyMap {
    /// A map without bindings.
    pub fn empty(inter_digit: Duration) -> Self {
        Self {
            bindings: Vec::new(),
            inter_digit,
        }
    }

    /// Binds 1 to 8 of the keys `0`–`9 * # A`–`D` to an action, replacing what the sequence did.
    ///
    /// # Errors
    /// When the sequence is empty, too long or holds other characters, or the map has `limit`
    /// bindings.
    pub fn bind(&mut self, keys: &str, action: KeyAction, limit: usize) -> Result<(), KeyMapError> {
        if keys.is_empty() || keys.len() > 8 || !keys.chars().all(is_key) {
            return Err(KeyMapError::NotKeys(keys.chars().take(16).collect()));
        }
        self.bindings.retain(|(bound, _)| bound != keys);
        if self.bindings.len() >= limit {
            return Err(KeyMapError::TooMany(limit));
        }
        self.bindings.push((keys.into(), action));
        Ok(())
    }

    fn lookup(&self, pressed: &str) -> (Option<KeyAction>, bool) {
        let exact = self
            .bindings
            .iter()
            .find(|(keys, _)| keys == pressed)
            .map(|&(_, action)| action);
        let longer = self
            .bindings
            .iter()
            .any(|(keys, _)| keys.len() > pressed.len() && keys.starts_with(pressed));
        (exact, longer)
    }
}

impl Default for KeyMap {
    /// `*6` mutes and unmutes, `*9`/`*7` louder and softer, `*0` says how many, `*2` another layout; for presenters `*1`
    /// admits all who wait, `*4` mutes all, `*5` locks and unlocks.
    fn default() -> Self {
        let bindings = [
            ("*6", KeyAction::ToggleMute),
            ("*9", KeyAction::Louder),
            ("*7", KeyAction::Softer),
            ("*0", KeyAction::SayCount),
            ("*2", KeyAction::NextLayout),
            ("*1", KeyAction::AdmitAll),
            ("*4", KeyAction::MuteAll),
            ("*5", KeyAction::ToggleLock),
        ];
        Self {
            bindings: bindings.map(|(keys, action)| (keys.into(), action)).into(),
            inter_digit: Duration::from_secs(2),
        }
    }
}

/// Why a key sequence cannot be bound: the configuration's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMapError {
    /// Not 1 to 8 keys.
    #[error("`{0}` is not a sequence of 1 to 8 of the keys 0-9 * # A-D")]
    NotKeys(String),
    /// The map is full.
    #[error("more than {0} key sequences")]
    TooMany(usize),
}

/// The keys one participant has pressed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyCollector {
    pressed: String,
    deadline: Option<Instant>,
}

impl KeyCollector {
    /// Takes one more key. The action it completes, if it does.
    pub(crate) fn key(&mut self, now: Instant, map: &KeyMap, key: char) -> Option<KeyAction> {
        if !is_key(key) {
            return None;
        }
        self.pressed.push(key);
        loop {
            let (exact, longer) = map.lookup(&self.pressed);
            if longer {
                self.deadline = Some(now + map.inter_digit);
                return None;
            }
            if exact.is_some() {
                self.clear();
                return exact;
            }
            // The keys lead nowhere; perhaps the later ones of them do.
            self.pressed.remove(0);
            if self.pressed.is_empty() {
                self.deadline = None;
                return None;
            }
        }
    }

    /// The pause after the last key was long enough: a sequence that could have gone on is over.
    pub(crate) fn timeout(&mut self, now: Instant, map: &KeyMap) -> Option<KeyAction> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return None;
        }
        let (exact, _) = map.lookup(&self.pressed);
        self.clear();
        exact
    }

    /// When [`Self::timeout`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn clear(&mut self) {
        self.pressed.clear();
        self.deadline = None;
    }
}

fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::instant;

    fn press(map: &KeyMap, keys: &str) -> Vec<KeyAction> {
        let mut collector = KeyCollector::default();
        let mut now = instant();
        let mut actions = Vec::new();
        for key in keys.chars() {
            now += if key == ' ' {
                map.inter_digit
            } else {
                Duration::from_millis(100)
            };
            actions.extend(collector.timeout(now, map));
            actions.extend(collector.key(now, map, key));
        }
        actions
    }

    #[test]
    fn sequences_fire_once_and_start_over() {
        let map = KeyMap::default();
        for (keys, actions) in [
            ("*6", &[KeyAction::ToggleMute][..]),
            ("*6*6", &[KeyAction::ToggleMute, KeyAction::ToggleMute]),
            ("6", &[]),
            ("**6", &[KeyAction::ToggleMute]),
            ("*8*6", &[KeyAction::ToggleMute]),
            ("* 6", &[]),
            ("123456", &[]),
        ] {
            assert_eq!(press(&map, keys), actions, "{keys}");
        }
    }

    #[test]
    fn a_sequence_that_may_go_on_waits_for_the_pause() {
        let mut map = KeyMap::empty(Duration::from_secs(2));
        map.bind("*1", KeyAction::SayCount, 9).unwrap();
        map.bind("*12", KeyAction::Leave, 9).unwrap();
        assert_eq!(press(&map, "*12"), [KeyAction::Leave]);
        assert_eq!(press(&map, "*1"), []);
        assert_eq!(press(&map, "*1 "), [KeyAction::SayCount]);
    }

    #[test]
    fn bindings_are_checked() {
        let mut map = KeyMap::empty(Duration::from_secs(2));
        for bad in ["", "*6x", "123456789", "é"] {
            assert!(matches!(
                map.bind(bad, KeyAction::Leave, 1),
                Err(KeyMapError::NotKeys(_))
            ));
        }
        map.bind("1", KeyAction::Leave, 1).unwrap();
        map.bind("1", KeyAction::SayCount, 1).unwrap();
        assert_eq!(
            map.bind("2", KeyAction::Leave, 1),
            Err(KeyMapError::TooMany(1))
        );
        assert_eq!(press(&map, "1"), [KeyAction::SayCount]);
    }
}
