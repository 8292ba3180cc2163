//! The core: offences in, judgements out; told the time. See the module documentation.

use super::bans::{Ban, Bans};
use super::bucket::{Bucket, Measure};
use crate::limits::AbuseLimits;
use plenum_focus::Source;
use plenum_focus::per_source::PerSource;
use std::time::{Duration, Instant};

/// What counts, for how long, and how much is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Probes of one source.
    pub(crate) probes: Measure,
    /// Guesses of one source.
    pub(crate) guesses: Measure,
    /// How long the first ban lasts, and a limit.
    pub(crate) ban: Duration,
    /// The longest ban.
    pub(crate) ban_ceiling: Duration,
    /// New requests over UDP of one source without proof.
    pub(crate) unproven_per_source: Measure,
    /// The same of all.
    pub(crate) unproven: Measure,
    /// Sources that are watched; beyond: the longest quiet one is forgotten.
    pub(crate) watched: usize,
    /// Sources that are, or were, banned; beyond: as above.
    pub(crate) banned: usize,
}

impl Settings {
    /// So many probes and guesses in such a time, and the shortest and the longest ban.
    pub(crate) fn new(
        probes: (u32, Duration),
        guesses: (u32, Duration),
        (ban, ban_ceiling): (Duration, Duration),
        limits: &AbuseLimits,
    ) -> Self {
        let measure = |(most, within)| Measure { most, within };
        Self {
            probes: measure(probes),
            guesses: measure(guesses),
            ban,
            ban_ceiling,
            unproven_per_source: measure((limits.unproven_per_source_and_second, SECOND)),
            unproven: measure((limits.unproven_per_second, SECOND)),
            watched: limits.watched_sources,
            banned: limits.banned_sources,
        }
    }
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    /// Asks for what is not there, or not his.
    Probe,
    /// Asks whether anybody is there. Who is known to be there may.
    Look,
    /// Presents a secret that is wrong.
    Guess,
}

/// Whether it can have been anybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The source is what the packet says.
    Claimed,
    /// The source receives what is sent to it.
    Proven,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Pass,
    /// It goes on, but its source may not be what it says.
    Unproven,
    /// Its source is banned.
    Banned,
    /// Its source is limited.
    Limited,
    /// There are too many that bring no proof.
    Flood,
}

/// What an offence led to; once each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    Banned(Source, &'static str, Duration),
    Limited(Source, Duration),
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Sentry {
    settings: Settings,
    watched: PerSource<Suspect>,
    bans: Bans,
    /// All that came over UDP without proof.
    unproven: Bucket,
}

/// What is remembered of a source.
#[derive(Debug, Default)]
struct Suspect {
    /// Requests that bring no proof.
    asked: Bucket,
    /// Probes that anybody could have sent in its name, its own among them.
    claimed: Bucket,
    /// Those that it has sent itself.
    probes: Bucket,
    guesses: Bucket,
    limited_until: Option<Instant>,
    /// What passes nevertheless.
    trickle: Bucket,
    /// When it last proved to be there.
    proven: Option<Instant>,
}

impl Suspect {
    /// It has shown to be there not long ago.
    fn is_known(&self, now: Instant) -> bool {
        let proven = self.proven;
        proven.is_some_and(|at| now.saturating_duration_since(at) < PROOF_LASTS)
    }
}

impl Sentry {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            watched: PerSource::new(settings.watched),
            bans: Bans::new(settings.banned, settings.ban, settings.ban_ceiling),
            unproven: Bucket::default(),
            settings,
        }
    }

    /// Something new came from this source.
    pub(crate) fn judge(&mut self, now: Instant, source: Source, evidence: Evidence) -> Judgement {
        if self.bans.is_banned(now, source) {
            return Judgement::Banned;
        }
        if evidence == Evidence::Proven {
            return Judgement::Pass;
        }
        let suspect = self.watched.touch(now, source);
        if suspect.limited_until.is_some_and(|until| until > now)
            && !suspect.trickle.take(now, TRICKLE)
        {
            return Judgement::Limited;
        }
        if suspect.is_known(now) {
            return Judgement::Pass;
        }
        if !suspect.asked.take(now, self.settings.unproven_per_source)
            || !self.unproven.take(now, self.settings.unproven)
        {
            return Judgement::Flood;
        }
        Judgement::Unproven
    }

    /// Somebody did something. `exempt` is asked only when something would follow from it.
    pub(crate) fn handle_offence(
        &mut self,
        now: Instant,
        source: Source,
        (offence, evidence): (Offence, Evidence),
        exempt: impl FnOnce() -> bool,
    ) -> Option<Consequence> {
        let (probes, guesses) = (self.settings.probes, self.settings.guesses);
        let suspect = self.watched.touch(now, source);
        let known = suspect.is_known(now);
        let (fits, why) = match (offence, evidence) {
            (Offence::Look, _) if known => return None,
            (Offence::Probe | Offence::Look | Offence::Guess, Evidence::Claimed) => {
                (suspect.claimed.take(now, probes), UNPROVEN)
            }
            (Offence::Probe | Offence::Look, Evidence::Proven) => {
                (suspect.probes.take(now, probes), SCANNING)
            }
            (Offence::Guess, Evidence::Proven) => (suspect.guesses.take(now, guesses), GUESSING),
        };
        if fits {
            return None;
        }
        let limited = suspect.limited_until.is_some_and(|until| until > now);
        if evidence == Evidence::Claimed && limited || exempt() {
            return None;
        }
        if evidence == Evidence::Claimed {
            let time = self.settings.ban;
            suspect.limited_until = now.checked_add(time);
            return Some(Consequence::Limited(source, time));
        }
        // What is known of it is settled by the ban.
        *suspect = Suspect::default();
        let time = self.bans.ban(now, source, why, None);
        Some(Consequence::Banned(source, why, time))
    }

    /// The source has shown to be there, and what it asked for was right.
    pub(crate) fn handle_success(&mut self, now: Instant, source: Source) {
        let suspect = self.watched.touch(now, source);
        suspect.proven = Some(now);
        suspect.claimed.clear();
        suspect.probes.clear();
        suspect.limited_until = None;
    }

    /// The source has shown to be there.
    pub(crate) fn handle_proof(&mut self, now: Instant, source: Source) {
        let suspect = self.watched.touch(now, source);
        suspect.proven = Some(now);
    }

    /// A call of this source came about.
    pub(crate) fn handle_call(&mut self, now: Instant, source: Source) {
        let suspect = self.watched.touch(now, source);
        suspect.proven = Some(now);
        suspect.claimed.give_back();
        suspect.probes.give_back();
    }

    /// An operator bans a source.
    pub(crate) fn ban(&mut self, now: Instant, source: Source, time: Option<Duration>) -> Duration {
        self.bans.ban(now, source, BY_HAND, time)
    }

    /// What was known before the process began: a ban for this reason, that lasts `left` still or ended `since` ago,
    /// the so many-th of its source.
    pub(crate) fn restore(
        &mut self,
        now: Instant,
        source: Source,
        (why, left, times): (&str, Duration, u32),
        since: Duration,
    ) {
        let mut known = [SCANNING, GUESSING, BY_HAND].into_iter();
        if let Some(why) = known.find(|one| *one == why) {
            self.bans.restore(now, source, (why, left, times), since);
        }
    }

    /// Ends ban and limit of a source; false if there is neither.
    pub(crate) fn lift(&mut self, now: Instant, source: Source) -> bool {
        let limited = self.watched.get(source).is_some_and(|suspect| {
            let until = suspect.limited_until;
            until.is_some_and(|until| until > now)
        });
        self.watched.forget(source);
        self.bans.lift(now, source) || limited
    }

    /// Who is banned.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Who is limited, and for how long still.
    pub(crate) fn limits(&self, now: Instant) -> Vec<(Source, Duration)> {
        let limited = self.watched.iter().filter_map(|(source, suspect)| {
            let left = suspect.limited_until?.checked_duration_since(now)?;
            (!left.is_zero()).then_some((source, left))
        });
        limited.collect()
    }

    /// How many sources are watched.
    #[cfg(test)]
    fn watched(&self) -> usize {
        self.watched.len()
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Why a source is banned.
const UNPROVEN: &str = "unproven";
const SCANNING: &str = "scanning";
const GUESSING: &str = "guessing";
const BY_HAND: &str = "by hand";
/// Of what a limited source asks without proof.
const TRICKLE: Measure = Measure {
    most: 1,
    within: Duration::from_secs(2),
};
/// Who has shown to be there is believed to be there for so long.
const PROOF_LASTS: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
