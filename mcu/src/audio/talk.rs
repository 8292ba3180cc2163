//! Who talks, and who leads: what the roster shows, apart from what the mixer selects.
//!
//! Talking starts after [`START_TICKS`] loud ticks in a row of eight and stops after [`STOP_TICKS`]
//! quiet ones. Loud is what stands out of the participant's own background noise, so a noisy line does
//! not count as a talker, and a continuous sound well above any noise does.

use super::level::SILENCE_DBOV;

/// Loud ticks of the last eight that make a talker: 60 ms.
pub const START_TICKS: u32 = 3;
/// Quiet ticks in a row that end it: 700 ms.
pub const STOP_TICKS: u32 = 35;
/// Another must be louder by this to take the lead.
const LEAD_DB: f32 = 3.0;
/// A lead lasts at least this long: 1 s.
const LEAD_TICKS: u32 = 50;
/// How long the last speaker keeps the lead when nobody talks: 3 s.
const IDLE_TICKS: u32 = 150;

const QUIETEST_DBOV: f32 = -50.0;
const ABOVE_FLOOR_DB: f32 = 9.0;
/// The background noise is believed to be no louder than this.
const FLOOR_CEILING_DBOV: f32 = -45.0;
/// The floor rises by 2 dB a second.
const FLOOR_RISE_DB: f32 = 0.04;

/// Whether one participant talks.
#[derive(Clone, Debug)]
pub struct TalkDetector {
    floor: f32,
    /// One bit a tick, the newest lowest.
    recent: u8,
    quiet: u32,
    talking: bool,
    /// Level over about a second, dBov: who leads.
    average: f32,
}

impl Default for TalkDetector {
    fn default() -> Self {
        Self {
            floor: FLOOR_CEILING_DBOV,
            recent: 0,
            quiet: 0,
            talking: false,
            average: SILENCE_DBOV,
        }
    }
}

impl TalkDetector {
    /// One tick's level, dBov. Returns the new state when it changed.
    pub fn observe(&mut self, level_dbov: f32) -> Option<bool> {
        self.floor = level_dbov
            .min(self.floor + FLOOR_RISE_DB)
            .clamp(SILENCE_DBOV, FLOOR_CEILING_DBOV);
        let loud = level_dbov >= QUIETEST_DBOV.max(self.floor + ABOVE_FLOOR_DB);
        self.recent = (self.recent << 1) | u8::from(loud);
        self.quiet = if loud {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        let heard = if loud {
            level_dbov
        } else {
            level_dbov.max(self.average - 1.0)
        };
        self.average += (heard - self.average) * 0.1;
        let talking = if self.talking {
            self.quiet < STOP_TICKS
        } else {
            self.recent.count_ones() >= START_TICKS
        };
        let changed = talking != self.talking;
        self.talking = talking;
        changed.then_some(talking)
    }

    /// The participant was muted or taken apart. Returns `Some(false)` if it was talking.
    pub fn silence(&mut self) -> Option<bool> {
        let was = self.talking;
        self.talking = false;
        self.recent = 0;
        self.average = SILENCE_DBOV;
        was.then_some(false)
    }

    /// Is it talking?
    pub fn talking(&self) -> bool {
        self.talking
    }

    /// How loud it has been lately, dBov.
    pub fn average(&self) -> f32 {
        self.average
    }
}

/// Who leads the conversation of one conference, by slot.
#[derive(Clone, Debug, Default)]
pub struct ActiveSpeaker {
    leader: Option<usize>,
    leading_for: u32,
    idle_for: u32,
}

impl ActiveSpeaker {
    /// One tick: everybody who talks now, with their average level in dBov.
    /// Returns the new leader when it changed.
    pub fn observe(
        &mut self,
        talkers: impl Iterator<Item = (usize, f32)>,
    ) -> Option<Option<usize>> {
        self.leading_for = self.leading_for.saturating_add(1);
        let mut loudest: Option<(usize, f32)> = None;
        let mut own: Option<f32> = None;
        for (slot, level) in talkers {
            if Some(slot) == self.leader {
                own = Some(level);
            }
            if loudest.is_none_or(|(_, best)| level > best) {
                loudest = Some((slot, level));
            }
        }
        let Some((slot, level)) = loudest else {
            self.idle_for = self.idle_for.saturating_add(1);
            return (self.idle_for >= IDLE_TICKS && self.leader.is_some()).then(|| self.lead(None));
        };
        self.idle_for = 0;
        let takes_over = match own {
            None => true,
            Some(own) => {
                Some(slot) != self.leader
                    && self.leading_for >= LEAD_TICKS
                    && level >= own + LEAD_DB
            }
        };
        takes_over.then(|| self.lead(Some(slot)))
    }

    /// The leader is gone. Returns the change if it was leading.
    pub fn remove(&mut self, slot: usize) -> Option<Option<usize>> {
        (self.leader == Some(slot)).then(|| self.lead(None))
    }

    /// Who leads now.
    pub fn leader(&self) -> Option<usize> {
        self.leader
    }

    fn lead(&mut self, leader: Option<usize>) -> Option<usize> {
        self.leader = leader;
        self.leading_for = 0;
        leader
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(detector: &mut TalkDetector, levels: &[(f32, usize)]) -> Vec<(usize, bool)> {
        let mut tick = 0;
        let mut changes = Vec::new();
        for (level, ticks) in levels {
            for _ in 0..*ticks {
                if let Some(talking) = detector.observe(*level) {
                    changes.push((tick, talking));
                }
                tick += 1;
            }
        }
        changes
    }

    #[test]
    fn talking_starts_within_60_ms_and_stops_after_700_ms() {
        let levels = [(-127.0, 50), (-25.0, 100), (-127.0, 100)];
        let found = changes(&mut TalkDetector::default(), &levels);
        assert_eq!(found, [(52, true), (184, false)]);
    }

    #[test]
    fn a_click_is_not_talk_and_a_pause_is_not_its_end() {
        let click = [(-127.0, 50), (-10.0, 2), (-127.0, 50)];
        assert!(changes(&mut TalkDetector::default(), &click).is_empty());
        let pause = [(-25.0, 50), (-127.0, 30), (-25.0, 50)];
        assert_eq!(changes(&mut TalkDetector::default(), &pause), [(2, true)]);
    }

    #[test]
    fn a_noisy_line_does_not_talk_and_a_lasting_tone_does() {
        let noise = [(-127.0, 5), (-48.0, 2_000)];
        assert!(changes(&mut TalkDetector::default(), &noise).len() <= 2);
        let mut detector = TalkDetector::default();
        for _ in 0..3_000 {
            detector.observe(-18.0);
        }
        assert!(detector.talking());
    }

    #[test]
    fn the_lead_changes_with_hysteresis_and_ends_in_silence() {
        let mut active = ActiveSpeaker::default();
        assert_eq!(active.observe([(1, -30.0)].into_iter()), Some(Some(1)));
        for _ in 0..200 {
            assert_eq!(active.observe([(1, -30.0), (2, -28.0)].into_iter()), None);
        }
        let louder = [(1, -30.0), (2, -20.0)];
        assert_eq!(active.observe(louder.into_iter()), Some(Some(2)));
        // A leader that stops talking hands over at once.
        assert_eq!(active.observe([(1, -50.0)].into_iter()), Some(Some(1)));
        for _ in 1..IDLE_TICKS {
            assert_eq!(active.observe(std::iter::empty()), None);
        }
        assert_eq!(active.observe(std::iter::empty()), Some(None));
    }
}
