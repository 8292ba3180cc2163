//! What keeps telephone bills small: who may call which number, when, how often and how long.
//! Nothing may that no rule allows.

use super::border::reload::NOWHERE;
use super::hourly::Hourly;
use super::number::NumberPlan;
use crate::config::{DialRule, Who};
use plenum_focus::output::Dialler;
use std::collections::BTreeMap;
use std::time::Instant;

/// Why a number may not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no rule allows calls to {0}: add a [[dial_rule]] whose prefix it begins with")]
    NoRule(String),
    #[error("calls to {0} are not allowed")]
    Barred(String),
    #[error("you may not call telephone numbers from here")]
    Who,
    #[error("calls to {0} are not allowed at this time")]
    Time(String),
    #[error("too many calls by this rule at once ({0}): try again when one has ended")]
    Calls(usize),
    #[error("too many calls by this rule within an hour ({0}): try again later")]
    PerHour(usize),
    #[error("you have made too many calls within an hour ({0}): try again later")]
    PerUser(usize),
    #[error("you have too many calls at once ({0}): try again when one has ended")]
    UserCalls(usize),
    #[error("no trunk for this call is in service: see `plenum trunk list`")]
    NoTrunk,
    #[error("every trunk for this call is busy: try again when a call has ended")]
    TrunksFull,
}

impl Denied {
    /// One word for it, for metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::NoRule(_) => "no_rule",
            Self::Barred(_) => "barred",
            Self::Who => "who",
            Self::Time(_) => "time",
            Self::Calls(_) => "calls",
            Self::PerHour(_) => "per_hour",
            Self::PerUser(_) => "per_user",
            Self::UserCalls(_) => "user_calls",
            Self::NoTrunk => "no_trunk",
            Self::TrunksFull => "trunks_full",
        }
    }
}

/// The time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Minutes since midnight.
    pub(crate) minute: u32,
    /// 0 is Monday.
    pub(crate) day: u32,
}

impl Moment {
    /// Of seconds since 1970, a Thursday.
    pub(crate) fn of(unix_seconds: u64) -> Self {
        let minutes = unix_seconds / 60;
        let part = |value: u64| u32::try_from(value).unwrap_or(0);
        Self {
            minute: part(minutes % (24 * 60)),
            day: part((minutes / (24 * 60) + 3) % 7),
        }
    }
}

/// The calls of a user by a rule.
#[derive(Debug, Default)]
struct Own {
    begun: Hourly,
    now: usize,
}

/// Counts calls, and decides by the rules.
#[derive(Debug)]
pub(crate) struct Guard {
    rules: Vec<DialRule>,
    /// Calls that began by each rule.
    begun: Vec<Hourly>,
    /// The same of each user of a rule.
    users: BTreeMap<(usize, String), Own>,
    /// Calls by each rule now.
    now: Vec<usize>,
    /// Users that are remembered.
    most_users: usize,
}

impl Guard {
    pub(crate) fn new(rules: Vec<DialRule>, most_users: usize) -> Self {
        Self {
            begun: rules.iter().map(|_| Hourly::default()).collect(),
            now: rules.iter().map(|_| 0).collect(),
            users: BTreeMap::new(),
            rules,
            most_users,
        }
    }

    /// Takes other rules; those that are the same keep their counts. Answers where each has moved.
    pub(crate) fn replace(&mut self, rules: Vec<DialRule>) -> Vec<usize> {
        let new = Self::new(rules, self.most_users);
        let mut old = std::mem::replace(self, new);
        let place = |rule: &DialRule| self.rules.iter().position(|one| one == rule);
        let moved = old.rules.iter().map(|rule| place(rule).unwrap_or(NOWHERE));
        let moved: Vec<usize> = moved.collect();
        for (from, to) in moved.iter().enumerate() {
            let counts = (old.begun.get_mut(from), self.begun.get_mut(*to));
            if let (Some(from), Some(to)) = counts {
                std::mem::swap(from, to);
            }
            if let (Some(from), Some(to)) = (old.now.get(from), self.now.get_mut(*to)) {
                *to = *from;
            }
        }
        for ((rule, name), own) in old.users {
            let to = moved.get(rule).copied().unwrap_or(NOWHERE);
            if to != NOWHERE {
                self.users.insert((to, name), own);
            }
        }
        moved
    }

    /// All of them.
    pub(crate) fn rules(&self) -> &[DialRule] {
        &self.rules
    }

    pub(crate) fn rule(&self, rule: usize) -> Option<&DialRule> {
        self.rules.get(rule)
    }

    /// The rule a number goes by: that with the longest prefix, of equal ones the first.
    pub(crate) fn rule_for(&self, number: &str) -> Option<usize> {
        longest(self.rules.iter().map(|rule| rule.prefix.as_str()), number)
    }

    /// Whether somebody may call a number now, and by which rule.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        moment: Moment,
        by: &Dialler,
        number: &str,
    ) -> Result<usize, Denied> {
        let denied = || Denied::NoRule(number.to_owned());
        let at = self.rule_for(number).ok_or_else(denied)?;
        self.forget(now);
        let rule = self.rules.get(at).ok_or_else(denied)?;
        if !rule.allow {
            return Err(Denied::Barred(number.to_owned()));
        }
        if !rule.who.contains(&who(by)) {
            return Err(Denied::Who);
        }
        if !is_open(rule, moment) {
            return Err(Denied::Time(number.to_owned()));
        }
        if self.now.get(at).is_some_and(|calls| *calls >= rule.calls) {
            return Err(Denied::Calls(rule.calls));
        }
        let hour = self.begun.get(at).map_or(0, |begun| begun.count(now));
        if hour >= rule.calls_per_hour {
            return Err(Denied::PerHour(rule.calls_per_hour));
        }
        if *by != Dialler::Operator {
            let own = self.users.get(&(at, key(by)));
            let known = own.map_or(0, |own| own.begun.count(now));
            // Where nobody more can be counted nobody more may call.
            let countable = own.is_some() || self.users.len() < self.most_users;
            if known >= rule.calls_per_user_and_hour || !countable {
                return Err(Denied::PerUser(rule.calls_per_user_and_hour));
            }
            if own.is_some_and(|own| own.now >= rule.calls_per_user) {
                return Err(Denied::UserCalls(rule.calls_per_user));
            }
        }
        Ok(at)
    }

    /// A call by this rule begins.
    pub(crate) fn begin(&mut self, now: Instant, by: &Dialler, rule: usize) {
        if let Some(calls) = self.now.get_mut(rule) {
            *calls += 1;
        }
        if let Some(begun) = self.begun.get_mut(rule) {
            begun.begin(now);
        }
        if *by != Dialler::Operator {
            let own = self.users.entry((rule, key(by))).or_default();
            own.begun.begin(now);
            own.now += 1;
        }
    }

    /// A call by this rule has ended.
    pub(crate) fn end(&mut self, by: &Dialler, rule: usize) {
        if let Some(own) = self.users.get_mut(&(rule, key(by))) {
            own.now = own.now.saturating_sub(1);
        }
        if let Some(calls) = self.now.get_mut(rule) {
            *calls = calls.saturating_sub(1);
        }
    }

    fn forget(&mut self, now: Instant) {
        let remembered = |own: &Own| own.now > 0 || own.begun.count(now) > 0;
        self.users.retain(|_, own| remembered(own));
    }
}

fn who(by: &Dialler) -> Who {
    match by {
        Dialler::Operator => Who::Operator,
        Dialler::Participant(Some(_)) => Who::Users,
        Dialler::Participant(None) => Who::Anonymous,
    }
}

/// All who are anonymous count as one.
fn key(by: &Dialler) -> String {
    match by {
        Dialler::Participant(Some(aor)) => aor.clone(),
        Dialler::Participant(None) | Dialler::Operator => String::new(),
    }
}

fn is_open(rule: &DialRule, moment: Moment) -> bool {
    let day = rule.days.is_empty() || rule.days.iter().any(|day| day.0 == moment.day);
    let hours = rule.hours.is_none_or(|hours| {
        if hours.from <= hours.until {
            (hours.from..hours.until).contains(&moment.minute)
        } else {
            moment.minute >= hours.from || moment.minute < hours.until
        }
    });
    day && hours
}

/// The number a rule makes of the one that was dialled.
pub(crate) fn rewritten(rule: &DialRule, number: &str) -> String {
    let rest = number.get(rule.strip..).unwrap_or_default();
    format!("{}{rest}", rule.prepend)
}

/// The longest of these prefixes that the number begins with, of equal ones the first.
pub(crate) fn longest<'a>(
    prefixes: impl DoubleEndedIterator<Item = &'a str> + ExactSizeIterator,
    number: &str,
) -> Option<usize> {
    let fitting = prefixes.enumerate();
    let fitting = fitting.filter(|(_, prefix)| number.starts_with(prefix));
    let longest = fitting.rev().max_by_key(|(_, prefix)| prefix.len());
    longest.map(|(at, _)| at)
}

/// The plan dialled numbers are read by: that of the first trunk which knows its country.
pub(crate) fn plan_of<'a>(mut plans: impl Iterator<Item = &'a NumberPlan>) -> NumberPlan {
    let known = plans.find(|plan| !plan.country.is_empty());
    known.cloned().unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may")]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::Duration;

    fn guard(text: &str) -> Guard {
        let trunk = "[[trunk]]\nname = \"t\"\nserver = \"192.0.2.1\"\n";
        let config = Config::parse(&format!("{trunk}{text}")).unwrap();
        Guard::new(config.dial_rule, 3)
    }

    fn rule(more: &str) -> String {
        format!("[[dial_rule]]\nprefix = \"+49\"\ntrunks = [\"t\"]\n{more}\n")
    }

    const MONDAY_NOON: Moment = Moment {
        minute: 12 * 60,
        day: 0,
    };

    fn ann() -> Dialler {
        Dialler::Participant(Some("sip:ann@example.com".to_owned()))
    }

    fn try_at(
        guard: &mut Guard,
        now: Instant,
        by: &Dialler,
        number: &str,
    ) -> Result<usize, Denied> {
        let rule = guard.admit(now, MONDAY_NOON, by, number)?;
        guard.begin(now, by, rule);
        Ok(rule)
    }

    #[test]
    fn what_no_rule_allows_is_denied() {
        let now = Instant::now();
        let mut nobody = guard("");
        let denied = try_at(&mut nobody, now, &Dialler::Operator, "+4930").unwrap_err();
        assert_eq!(denied, Denied::NoRule("+4930".to_owned()));
        let mut german = guard(&rule(""));
        assert!(try_at(&mut german, now, &ann(), "+4930").is_ok());
        assert!(try_at(&mut german, now, &ann(), "+4430").is_err());
        assert!(try_at(&mut german, now, &ann(), "110").is_err());
    }

    #[test]
    fn the_longest_prefix_decides() {
        let barred = "[[dial_rule]]\nprefix = \"+49900\"\nallow = false\n";
        let mut guard = guard(&format!("{}{barred}", rule("")));
        let now = Instant::now();
        assert!(try_at(&mut guard, now, &ann(), "+49301").is_ok());
        let denied = try_at(&mut guard, now, &ann(), "+499001").unwrap_err();
        assert_eq!(denied.name(), "barred");
    }

    #[test]
    fn anonymous_people_may_not_call_out_unless_a_rule_says_so() {
        let (now, anonymous) = (Instant::now(), Dialler::Participant(None));
        let denied = try_at(&mut guard(&rule("")), now, &anonymous, "+491");
        assert_eq!(denied, Err(Denied::Who));
        let mut open = guard(&rule("who = [\"anonymous\"]"));
        assert!(try_at(&mut open, now, &anonymous, "+491").is_ok());
        assert_eq!(try_at(&mut open, now, &ann(), "+491"), Err(Denied::Who));
    }

    #[test]
    fn calls_are_limited_at_once_in_an_hour_and_for_each_user() {
        let now = Instant::now();
        let mut at_once = guard(&rule("calls = 1"));
        assert!(try_at(&mut at_once, now, &ann(), "+491").is_ok());
        assert_eq!(
            try_at(&mut at_once, now, &ann(), "+491"),
            Err(Denied::Calls(1))
        );
        at_once.end(&ann(), 0);
        assert!(try_at(&mut at_once, now, &ann(), "+491").is_ok());

        let mut hourly = guard(&rule("calls_per_hour = 2"));
        for _ in 0..2 {
            assert!(try_at(&mut hourly, now, &Dialler::Operator, "+491").is_ok());
        }
        let denied = try_at(&mut hourly, now, &Dialler::Operator, "+491");
        assert_eq!(denied, Err(Denied::PerHour(2)));
        let later = now + Duration::from_secs(3600);
        assert!(try_at(&mut hourly, later, &Dialler::Operator, "+491").is_ok());

        let mut two = guard(&rule("calls_per_user = 1"));
        assert!(try_at(&mut two, now, &ann(), "+491").is_ok());
        assert_eq!(
            try_at(&mut two, now, &ann(), "+491"),
            Err(Denied::UserCalls(1))
        );
        two.end(&ann(), 0);
        assert!(try_at(&mut two, now, &ann(), "+491").is_ok());

        let mut own = guard(&rule("calls_per_user_and_hour = 1"));
        let other = |name: &str| Dialler::Participant(Some(name.to_owned()));
        assert!(try_at(&mut own, now, &ann(), "+491").is_ok());
        assert_eq!(
            try_at(&mut own, now, &ann(), "+491"),
            Err(Denied::PerUser(1))
        );
        assert!(try_at(&mut own, now, &other("b"), "+491").is_ok());
        assert!(try_at(&mut own, now, &other("c"), "+491").is_ok());
        assert!(
            try_at(&mut own, now, &other("d"), "+491").is_err(),
            "bounded"
        );
        assert!(try_at(&mut own, later, &ann(), "+491").is_ok());
    }

    #[test]
    fn hours_and_days_are_kept() {
        let now = Instant::now();
        let mut office = guard(&rule(
            "hours_utc = \"08:00-18:00\"\ndays = [\"mon\", \"fri\"]",
        ));
        let mut at = |minute, day| office.admit(now, Moment { minute, day }, &ann(), "+491");
        assert!(at(8 * 60, 0).is_ok());
        assert!(at(18 * 60 - 1, 4).is_ok());
        assert!(at(18 * 60, 0).is_err());
        assert!(at(12 * 60, 1).is_err());
        let mut night = guard(&rule("hours_utc = \"22:00-06:00\""));
        let mut at = |minute| night.admit(now, Moment { minute, day: 2 }, &ann(), "+491");
        assert!(at(23 * 60).is_ok() && at(0).is_ok());
        assert!(at(12 * 60).is_err());
    }

    #[test]
    fn moments_are_days_of_the_week() {
        // 2024-01-01 was a Monday.
        let monday = Moment::of(1_704_067_200 + 3 * 3600);
        assert_eq!((monday.day, monday.minute), (0, 180));
    }

    #[test]
    fn numbers_are_rewritten() {
        let mut guard = guard(&rule("strip = 3\nprepend = \"0\""));
        assert_eq!(rewritten(guard.rule(0).unwrap(), "+4930123"), "030123");
        assert!(
            guard
                .admit(Instant::now(), MONDAY_NOON, &ann(), "+4930")
                .is_ok()
        );
    }
}
