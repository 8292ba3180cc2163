//! Keyframe requests merged and limited, so that one joiner does not cost everybody a keyframe every time.

use std::time::{Duration, Instant};

/// The gate in front of one encoder, or one peer.
#[derive(Clone, Copy, Debug)]
pub struct KeyframeGate {
    spacing: Duration,
    /// When the last keyframe went through.
    last: Option<Instant>,
    wanted: bool,
}

impl KeyframeGate {
    /// At most one keyframe in `spacing`. All requests in between become one, answered when the time is over.
    pub fn new(spacing: Duration) -> Self {
        Self {
            spacing,
            last: None,
            wanted: false,
        }
    }

    /// Somebody needs a keyframe.
    pub fn request(&mut self) {
        self.wanted = true;
    }

    /// True once for all requests so far, as soon as the spacing allows.
    pub fn poll(&mut self, now: Instant) -> bool {
        let open =
            self.timeout().is_some_and(|at| at <= now) || (self.wanted && self.last.is_none());
        if open {
            self.passed(now);
        }
        open
    }

    /// A keyframe went through for another reason: whoever asked has it.
    pub fn passed(&mut self, now: Instant) {
        self.wanted = false;
        self.last = Some(now);
    }

    /// When a request that waits will be answered.
    pub fn timeout(&self) -> Option<Instant> {
        self.last
            .filter(|_| self.wanted)
            .map(|last| last + self.spacing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_merged_and_none_is_forgotten() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begin = Instant::now();
        let mut gate = KeyframeGate::new(Duration::from_millis(500));
        assert!(!gate.poll(begin));
        gate.request();
        gate.request();
        assert!(gate.poll(begin));
        assert!(!gate.poll(begin));
        let mut keyframes = 0;
        for ms in 0..2000 {
            gate.request();
            keyframes += u32::from(gate.poll(begin + Duration::from_millis(ms)));
        }
        assert_eq!(keyframes, 3);
        gate.request();
        assert_eq!(gate.timeout(), Some(begin + Duration::from_millis(2000)));
        gate.passed(begin + Duration::from_millis(1999));
        assert!(!gate.poll(begin + Duration::from_secs(9)));
    }
}
