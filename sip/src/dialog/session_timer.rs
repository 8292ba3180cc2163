//! Session timers: RFC 4028.

use std::time::Duration;

/// Who has to refresh, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// We do.
    Us,
    /// The peer does.
    Them,
}

/// A session that expires unless it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// Seconds between a refresh and the expiry.
    pub interval: u32,
    /// Who refreshes.
    pub refresher: Refresher,
}

/// What a request said about the session timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `Session-Expires`.
    pub interval: Option<u32>,
    /// Its `refresher`, seen from the one who answers.
    pub refresher: Option<Refresher>,
    /// `Min-SE`; 0 if there was none.
    pub min_se: u32,
    /// `timer` in `Supported` or `Require`.
    pub supported: bool,
}

/// The interval RFC 4028 §4 recommends, where nobody asks for another.
const RECOMMENDED: u32 = 1800;

/// No interval below this is allowed (RFC 4028 §4).
pub const LEAST: u32 = 90;

impl SessionTimer {
    /// The answerer's choice (RFC 4028 §9 and its table 2). `ours` is what we would ask for.
    ///
    /// The caller has refused intervals below our `Min-SE` with 422 already.
    pub fn choose(asked: &Asked, ours: Option<u32>) -> Option<Self> {
        let interval = match (asked.interval, ours) {
            (Some(theirs), Some(ours)) => theirs.min(ours),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        // "MUST NOT be lower than Min-SE"; the peer's own interval may be, if it is confused.
        let floor = asked
            .min_se
            .min(asked.interval.unwrap_or(u32::MAX))
            .max(LEAST);
        let refresher = match (asked.supported, asked.refresher) {
            // A peer that does not know the extension cannot refresh.
            (false, _) | (true, Some(Refresher::Us)) => Refresher::Us,
            (true, Some(Refresher::Them)) => Refresher::Them,
            // Free to choose: the one who asked for the timer keeps it running.
            (true, None) if asked.interval.is_some() => Refresher::Them,
            (true, None) => Refresher::Us,
        };
        Some(Self {
            interval: interval.max(floor),
            refresher,
        })
    }

    /// As [`Self::choose`], but the peer refreshes if it can at all, and asked or not.
    pub fn choose_peer(asked: &Asked, ours: Option<u32>) -> Option<Self> {
        if !asked.supported {
            return Self::choose(asked, ours);
        }
        let asked = Asked {
            refresher: Some(Refresher::Them),
            ..*asked
        };
        Self::choose(&asked, ours.or(Some(RECOMMENDED)))
    }

    /// When the refresher sends its refresh: at half the interval (RFC 4028 §7.2).
    pub fn refresh_after(&self) -> Option<Duration> {
        match self.refresher {
            Refresher::Us => Some(Duration::from_secs(u64::from(self.interval)) / 2),
            Refresher::Them => None,
        }
    }

    /// When the session is given up: a third of the interval, at most 32 s, before its end
    /// (RFC 4028 §10); the refresher waits to the end for its own refresh.
    pub fn expires_after(&self) -> Duration {
        let early = match self.refresher {
            Refresher::Us => 0,
            Refresher::Them => 32.min(self.interval / 3),
        };
        Duration::from_secs(u64::from(self.interval.saturating_sub(early)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Refresher::{Them, Us};

    /// RFC 4028 §9, table 2, and the interval rules of the same section.
    #[test]
    fn rfc4028_table_2() {
        let asked = |interval, refresher, min_se, supported| Asked {
            interval,
            refresher,
            min_se,
            supported,
        };
        let chosen = |interval, refresher| {
            Some(SessionTimer {
                interval,
                refresher,
            })
        };
        let cases = [
            (asked(None, None, 0, false), None, None),
            (asked(None, None, 0, false), Some(600), chosen(600, Us)),
            (asked(None, None, 0, true), Some(600), chosen(600, Us)),
            (asked(None, None, 900, true), Some(600), chosen(900, Us)),
            (asked(Some(1800), None, 0, false), None, chosen(1800, Us)),
            (asked(Some(1800), None, 0, true), None, chosen(1800, Them)),
            (
                asked(Some(1800), None, 0, true),
                Some(600),
                chosen(600, Them),
            ),
            (
                asked(Some(1800), None, 1000, true),
                Some(600),
                chosen(1000, Them),
            ),
            (asked(Some(1800), Some(Us), 0, true), None, chosen(1800, Us)),
            (
                asked(Some(1800), Some(Them), 0, true),
                None,
                chosen(1800, Them),
            ),
            (
                asked(Some(1800), Some(Them), 0, false),
                None,
                chosen(1800, Us),
            ),
            (asked(Some(200), None, 500, true), None, chosen(200, Them)),
        ];
        for (asked, ours, want) in cases {
            assert_eq!(
                SessionTimer::choose(&asked, ours),
                want,
                "{asked:?} {ours:?}"
            );
        }
    }

    #[test]
    fn rfc4028_section_10_expiry_leaves_room() {
        let timer = |interval, refresher| SessionTimer {
            interval,
            refresher,
        };
        assert_eq!(timer(1800, Them).expires_after(), Duration::from_secs(1768));
        assert_eq!(timer(90, Them).expires_after(), Duration::from_secs(60));
        assert_eq!(timer(90, Us).expires_after(), Duration::from_secs(90));
        assert_eq!(timer(90, Us).refresh_after(), Some(Duration::from_secs(45)));
        assert_eq!(timer(90, Them).refresh_after(), None);
    }
}
