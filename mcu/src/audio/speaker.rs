//! Which few of the many are heard: the N loudest, with hysteresis in level and in time.
//!
//! | step | rule | why here |
//! |---|---|---|
//! | observe | level rises at once, falls by [`DECAY_DB`] a tick | pauses between words do not count as silence |
//! | release | an incumbent below `close_dbov` loses its place | frees places before they are filled |
//! | fill | free places go at once to the loudest above `open_dbov` | the first syllable is heard |
//! | challenge | one louder by `advantage_db` for `challenge` ticks replaces the weakest incumbent that has been in for `hold` ticks | a place changes hands only for a reason, at most one a tick |

use super::level::SILENCE_DBOV;

/// By how much the level falls per tick when the observed one is lower: 50 dB a second.
pub const DECAY_DB: f32 = 1.0;

/// The numbers of the selection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// How many are heard at once, 1 to 16.
    pub talkers: usize,
    /// Above this level somebody may get a place, dBov.
    pub open_dbov: f32,
    /// Below this level an incumbent loses it, dBov; lower than `open_dbov`.
    pub close_dbov: f32,
    /// By how much a challenger must be louder than an incumbent, dB.
    pub advantage_db: f32,
    /// For how many ticks in a row.
    pub challenge: u32,
    /// For how many ticks a place is safe.
    pub hold: u32,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            talkers: 4,
            open_dbov: -58.0,
            close_dbov: -64.0,
            advantage_db: 6.0,
            challenge: 3,
            hold: 25,
        }
    }
}

/// One participant as the selection sees it.
#[derive(Clone, Copy, Debug)]
struct Speaker {
    level: f32,
    /// Ticks since it got its place.
    chosen_for: Option<u32>,
    /// Ticks in a row that it was louder than the weakest incumbent by the advantage.
    challenging: u32,
}

/// The selection of one conference. Participants are known by their slot, a small dense number.
#[derive(Clone, Debug)]
pub struct Speakers {
    selection: Selection,
    slots: Vec<Option<Speaker>>,
}

impl Speakers {
    /// Nobody yet.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            slots: Vec::new(),
        }
    }

    /// A participant takes a slot, silent at first.
    pub fn insert(&mut self, slot: usize) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Speaker {
                level: SILENCE_DBOV,
                chosen_for: None,
                challenging: 0,
            });
        }
    }

    /// A participant leaves its slot.
    pub fn remove(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = None;
        }
    }

    /// What this tick brought from a participant, dBov; `None` if its level was not learnt this time.
    pub fn observe(&mut self, slot: usize, level_dbov: Option<f32>) {
        if let Some(Some(speaker)) = self.slots.get_mut(slot) {
            let fallen = (speaker.level - DECAY_DB).max(SILENCE_DBOV);
            speaker.level = level_dbov.map_or(fallen, |level| level.max(fallen));
        }
    }

    /// The participant may not be heard (muted, apart, on hold): it loses its place now.
    pub fn exclude(&mut self, slot: usize) {
        if self.slots.get(slot).is_some_and(Option::is_some) {
            self.insert(slot);
        }
    }

    /// Gives the places of this tick.
    pub fn select(&mut self) {
        let taken = self.release();
        let mut free = self.selection.talkers.saturating_sub(taken);
        while free > 0 && self.fill() {
            free -= 1;
        }
        if free == 0 {
            self.challenge();
        }
    }

    /// Does the participant have a place?
    pub fn is_chosen(&self, slot: usize) -> bool {
        self.get(slot).is_some_and(|s| s.chosen_for.is_some())
    }

    /// The participant's level as the selection sees it, dBov.
    pub fn level(&self, slot: usize) -> f32 {
        self.get(slot).map_or(SILENCE_DBOV, |s| s.level)
    }

    fn get(&self, slot: usize) -> Option<&Speaker> {
        self.slots.get(slot).and_then(Option::as_ref)
    }

    /// Incumbents grow older or lose their places; returns how many remain.
    fn release(&mut self) -> usize {
        let close = self.selection.close_dbov;
        let mut taken = 0;
        for speaker in self.slots.iter_mut().flatten() {
            speaker.chosen_for = match speaker.chosen_for {
                Some(ticks) if speaker.level >= close => {
                    taken += 1;
                    Some(ticks.saturating_add(1))
                }
                Some(_) | None => None,
            };
        }
        taken
    }

    /// The loudest without a place gets one, if it is loud enough.
    fn fill(&mut self) -> bool {
        let open = self.selection.open_dbov;
        let loudest = self
            .slots
            .iter_mut()
            .flatten()
            .filter(|s| s.chosen_for.is_none() && s.level >= open)
            .max_by(|a, b| a.level.total_cmp(&b.level));
        match loudest {
            Some(speaker) => {
                speaker.chosen_for = Some(0);
                speaker.challenging = 0;
                true
            }
            None => false,
        }
    }

    fn challenge(&mut self) {
        let Selection {
            open_dbov,
            advantage_db,
            challenge,
            hold,
            ..
        } = self.selection;
        let weakest = self
            .slots
            .iter()
            .flatten()
            .filter(|s| s.chosen_for.is_some_and(|ticks| ticks >= hold))
            .map(|s| s.level)
            .min_by(f32::total_cmp);
        let Some(weakest) = weakest else { return };
        let bar = open_dbov.max(weakest + advantage_db);
        let mut ready: Option<&mut Speaker> = None;
        for speaker in self.slots.iter_mut().flatten() {
            if speaker.chosen_for.is_some() || speaker.level < bar {
                speaker.challenging = 0;
                continue;
            }
            speaker.challenging = speaker.challenging.saturating_add(1);
            if speaker.challenging >= challenge
                && ready.as_ref().is_none_or(|best| best.level < speaker.level)
            {
                ready = Some(speaker);
            }
        }
        let Some(winner) = ready else { return };
        winner.chosen_for = Some(0);
        winner.challenging = 0;
        let loser = self
            .slots
            .iter_mut()
            .flatten()
            .filter(|s| s.chosen_for.is_some_and(|ticks| ticks >= hold))
            .min_by(|a, b| a.level.total_cmp(&b.level));
        if let Some(loser) = loser {
            loser.chosen_for = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn speakers(talkers: usize, people: usize) -> Speakers {
        let mut speakers = Speakers::new(Selection {
            talkers,
            ..Selection::default()
        });
        for slot in 0..people {
            speakers.insert(slot);
        }
        speakers
    }

    fn tick(speakers: &mut Speakers, levels: &[f32]) -> Vec<usize> {
        for (slot, level) in levels.iter().enumerate() {
            speakers.observe(slot, Some(*level));
        }
        speakers.select();
        (0..levels.len())
            .filter(|slot| speakers.is_chosen(*slot))
            .collect()
    }

    #[test]
    fn free_places_are_given_in_the_first_tick() {
        let mut speakers = speakers(2, 4);
        let levels = [-30.0, -127.0, -20.0, -40.0];
        assert_eq!(tick(&mut speakers, &levels), [0, 2]);
    }

    /// The gain and hysteresis table: (challenger over incumbent in dB, ticks) → who is in.
    #[test]
    fn a_place_changes_hands_by_level_and_time() {
        for (advantage, ticks, expected) in [
            (5.0, 100, 0),
            (7.0, 2, 0),
            (7.0, 3, 1),
            (20.0, 3, 1),
            (-3.0, 100, 0),
        ] {
            let mut speakers = speakers(1, 2);
            for _ in 0..40 {
                tick(&mut speakers, &[-40.0, -127.0]);
            }
            let mut chosen = Vec::new();
            for _ in 0..ticks {
                chosen = tick(&mut speakers, &[-40.0, -40.0 + advantage]);
            }
            assert_eq!(chosen, [expected], "{advantage} dB for {ticks} ticks");
        }
    }

    #[test]
    fn a_new_incumbent_is_safe_for_the_hold_time() {
        let mut speakers = speakers(1, 2);
        tick(&mut speakers, &[-50.0, -127.0]);
        for _ in 1..25 {
            assert_eq!(tick(&mut speakers, &[-50.0, -10.0]), [0]);
        }
        let mut chosen = Vec::new();
        for _ in 0..4 {
            chosen = tick(&mut speakers, &[-50.0, -10.0]);
        }
        assert_eq!(chosen, [1]);
    }

    #[test]
    fn a_pause_between_words_keeps_the_place_and_silence_loses_it() {
        let mut speakers = speakers(1, 1);
        tick(&mut speakers, &[-30.0]);
        for _ in 0..25 {
            assert_eq!(tick(&mut speakers, &[-127.0]), [0], "half a second");
        }
        for _ in 0..10 {
            tick(&mut speakers, &[-127.0]);
        }
        assert!(tick(&mut speakers, &[-127.0]).is_empty());
    }

    #[test]
    fn an_excluded_participant_loses_its_place_at_once() {
        let mut speakers = speakers(1, 2);
        tick(&mut speakers, &[-10.0, -30.0]);
        speakers.exclude(0);
        speakers.observe(1, Some(-30.0));
        speakers.select();
        assert!(!speakers.is_chosen(0));
        assert!(speakers.is_chosen(1));
    }

    proptest! {
        #[test]
        fn invariants_hold_for_any_levels(
            talkers in 1_usize..6,
            ticks in proptest::collection::vec(proptest::collection::vec(-127.0_f32..0.0, 9), 1..120),
        ) {
            let mut speakers = speakers(talkers, 9);
            let mut before: Vec<usize> = Vec::new();
            for levels in &ticks {
                let chosen = tick(&mut speakers, levels);
                prop_assert!(chosen.len() <= talkers);
                let close = speakers.selection.close_dbov;
                prop_assert!(chosen.iter().all(|s| speakers.level(*s) >= close));
                // Nobody loud waits while a place is free.
                let open = speakers.selection.open_dbov;
                let waiting = (0..9).any(|s| !chosen.contains(&s) && speakers.level(s) >= open);
                prop_assert!(!waiting || chosen.len() == talkers);
                // Of those still loud enough, at most one is replaced in a tick.
                let replaced = before
                    .iter()
                    .filter(|s| !chosen.contains(s) && speakers.level(**s) >= close)
                    .count();
                prop_assert!(replaced <= 1);
                before = chosen;
            }
        }

        #[test]
        fn whoever_is_clearly_loudest_long_enough_is_heard(
            levels in proptest::collection::vec(-127.0_f32..-20.0, 9),
            loud in 0_usize..9,
        ) {
            let mut speakers = speakers(3, 9);
            for _ in 0..60 {
                tick(&mut speakers, &levels);
            }
            let mut louder = levels;
            louder[loud] = -5.0;
            let mut chosen = Vec::new();
            for _ in 0..30 {
                chosen = tick(&mut speakers, &louder);
            }
            prop_assert!(chosen.contains(&loud));
        }
    }
}
