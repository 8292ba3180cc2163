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
    /// Sources that are watched, of those in whose name something came and of those who have shown
    /// to be there; beyond: the longest quiet one is forgotten.
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
    /// What came in the name of sources. Anybody fills it, with any names.
    claims: PerSource<Claims>,
    /// Those who have shown to be there. Only they fill it: no flood makes them forgotten.
    seen: PerSource<Seen>,
    bans: Bans,
    /// All that came over UDP without proof.
    unproven: Bucket,
}

/// What came in the name of a source without proof.
#[derive(Debug, Default)]
struct Claims {
    /// Requests.
    asked: Bucket,
    /// Probes that anybody could have sent in its name, its own among them.
    probes: Bucket,
    limited_until: Option<Instant>,
    /// What passes nevertheless.
    trickle: Bucket,
}

/// What a source has shown itself.
#[derive(Debug, Default)]
struct Seen {
    probes: Bucket,
    guesses: Bucket,
    /// When it last showed to be there.
    proven: Option<Instant>,
}

impl Claims {
    fn is_limited(&self, now: Instant) -> bool {
        self.limited_until.is_some_and(|until| until > now)
    }

    /// Whether it is limited, and what passes nevertheless has passed.
    fn is_shut(&mut self, now: Instant) -> bool {
        self.is_limited(now) && !self.trickle.take(now, TRICKLE)
    }
}

impl Sentry {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            claims: PerSource::new(settings.watched),
            seen: PerSource::new(settings.watched),
            bans: Bans::new(settings.banned, settings.ban, settings.ban_ceiling),
            unproven: Bucket::default(),
            settings,
        }
    }

    /// Whether this source has shown to be there not long ago.
    fn is_known(&self, now: Instant, source: Source) -> bool {
        let proven = self.seen.get(source).and_then(|seen| seen.proven);
        proven.is_some_and(|at| now.saturating_duration_since(at) < PROOF_LASTS)
    }

    /// Something new came from this source. `exempt` is asked only where something may follow from
    /// it; who is takes nothing of what strangers share.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        source: Source,
        evidence: Evidence,
        exempt: impl FnOnce() -> bool,
    ) -> Judgement {
        if self.bans.is_banned(now, source) {
            return Judgement::Banned;
        }
        if evidence == Evidence::Proven || exempt() {
            return Judgement::Pass;
        }
        if self.is_known(now, source) {
            let claims = self.claims.get_mut(source);
            return if claims.is_some_and(|claims| claims.is_shut(now)) {
                Judgement::Limited
            } else {
                Judgement::Pass
            };
        }
        let claims = self.claims.touch(now, source);
        if claims.is_shut(now) {
            return Judgement::Limited;
        }
        if !claims.asked.take(now, self.settings.unproven_per_source)
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
        if offence == Offence::Look && self.is_known(now, source) {
            return None;
        }
        match evidence {
            Evidence::Claimed => self.handle_claimed(now, source, exempt),
            Evidence::Proven => self.handle_proven(now, source, offence, exempt),
        }
    }

    /// Somebody offended in the name of this source.
    fn handle_claimed(
        &mut self,
        now: Instant,
        source: Source,
        exempt: impl FnOnce() -> bool,
    ) -> Option<Consequence> {
        let claims = self.claims.touch(now, source);
        if claims.probes.take(now, self.settings.probes) || claims.is_limited(now) || exempt() {
            return None;
        }
        let time = self.settings.ban;
        claims.limited_until = now.checked_add(time);
        Some(Consequence::Limited(source, time))
    }

    /// The source itself offended.
    fn handle_proven(
        &mut self,
        now: Instant,
        source: Source,
        offence: Offence,
        exempt: impl FnOnce() -> bool,
    ) -> Option<Consequence> {
        let seen = self.seen.touch(now, source);
        let (fits, why) = match offence {
            Offence::Probe | Offence::Look => {
                (seen.probes.take(now, self.settings.probes), SCANNING)
            }
            Offence::Guess => (seen.guesses.take(now, self.settings.guesses), GUESSING),
        };
        if fits || exempt() {
            return None;
        }
        // What is known of it is settled by the ban.
        self.seen.forget(source);
        self.claims.forget(source);
        let time = self.bans.ban(now, source, why, None);
        Some(Consequence::Banned(source, why, time))
    }

    /// The source has shown to be there, and what it asked for was right.
    pub(crate) fn handle_success(&mut self, now: Instant, source: Source) {
        let seen = self.seen.touch(now, source);
        seen.proven = Some(now);
        seen.probes.clear();
        if let Some(claims) = self.claims.get_mut(source) {
            claims.probes.clear();
            claims.limited_until = None;
        }
    }

    /// The source has shown to be there.
    pub(crate) fn handle_proof(&mut self, now: Instant, source: Source) {
        self.seen.touch(now, source).proven = Some(now);
    }

    /// A call of this source came about.
    pub(crate) fn handle_call(&mut self, now: Instant, source: Source) {
        let seen = self.seen.touch(now, source);
        seen.proven = Some(now);
        seen.probes.give_back();
        if let Some(claims) = self.claims.get_mut(source) {
            claims.probes.give_back();
        }
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
        let claims = self.claims.get(source);
        let limited = claims.is_some_and(|claims| claims.is_limited(now));
        self.claims.forget(source);
        self.seen.forget(source);
        self.bans.lift(now, source) || limited
    }

    /// Who is banned.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Who is limited, and for how long still.
    pub(crate) fn limits(&self, now: Instant) -> Vec<(Source, Duration)> {
        let limited = self.claims.iter().filter_map(|(source, claims)| {
            let left = claims.limited_until?.checked_duration_since(now)?;
            (!left.is_zero()).then_some((source, left))
        });
        limited.collect()
    }

    /// How many sources are watched, in the fuller table.
    #[cfg(test)]
    fn watched(&self) -> usize {
        self.claims.len().max(self.seen.len())
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Why a source is banned.
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
