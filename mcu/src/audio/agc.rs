//! Automatic gain control: brings speech slowly to a common level, and never lifts noise.
//!
//! The gain moves only while the participant talks, at most [`STEP_DB`] a tick, towards
//! [`TARGET_DBOV`]; the limiter after the mix takes what is still too loud.

/// Where speech should be, dBov (RMS over words and the gaps between them).
pub const TARGET_DBOV: f32 = -22.0;
/// The most it amplifies, dB.
pub const MOST_DB: f32 = 15.0;
/// The most it attenuates, dB.
pub const LEAST_DB: f32 = -12.0;
/// The most it moves in a tick, dB: 4 dB a second.
pub const STEP_DB: f32 = 0.08;

/// Speech level and gain of one participant.
#[derive(Clone, Debug)]
pub struct Agc {
    speech_dbov: f32,
    gain_db: f32,
}

impl Default for Agc {
    fn default() -> Self {
        Self {
            speech_dbov: TARGET_DBOV,
            gain_db: 0.0,
        }
    }
}

impl Agc {
    /// One tick: the level of what came in, dBov, and whether it is speech. Returns the gain, dB.
    pub fn observe(&mut self, level_dbov: f32, talking: bool) -> f32 {
        // Gaps between words are much quieter than the words; they say nothing about the voice.
        if talking && level_dbov > self.speech_dbov - 20.0 {
            self.speech_dbov += (level_dbov - self.speech_dbov) * 0.04;
            let wanted = (TARGET_DBOV - self.speech_dbov).clamp(LEAST_DB, MOST_DB);
            self.gain_db += (wanted - self.gain_db).clamp(-STEP_DB, STEP_DB);
        } else if talking {
            self.speech_dbov -= 0.02;
        }
        self.gain_db
    }

    /// The gain in force, dB.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(level: f32, talking: bool) -> f32 {
        let mut agc = Agc::default();
        for _ in 0..3_000 {
            agc.observe(level, talking);
        }
        agc.gain_db()
    }

    /// (speech level in dBov) → gain in dB after a minute.
    #[test]
    fn speech_comes_to_the_target_within_the_bounds() {
        for (level, expected) in [
            (-22.0, 0.0),
            (-32.0, 10.0),
            (-36.0, 14.0),
            (-45.0, 15.0),
            (-12.0, -10.0),
            (-3.0, -12.0),
        ] {
            let gain = settle(level, true);
            assert!((gain - expected).abs() < 0.2, "{level} dBov: {gain} dB");
        }
    }

    #[test]
    fn noise_is_never_lifted() {
        assert_eq!(settle(-60.0, false), 0.0);
    }

    #[test]
    fn the_gain_moves_slowly() {
        let mut agc = Agc::default();
        let mut last = 0.0;
        for _ in 0..500 {
            let gain = agc.observe(-40.0, true);
            assert!((gain - last).abs() <= STEP_DB + 1e-6);
            last = gain;
        }
        assert!(last > 1.0);
    }
}
