//! The conference factory (RFC 4353 §5.3, RFC 4579 §5.4): records by name, and new ones where
//! policy allows.

use crate::limits::Limits;
use crate::per_source::{PerSource, Source};
use crate::policy::Policy;
use crate::record::{ConferenceName, ConferenceRecord, Origin};
use crate::refusal::Refusal;
use crate::uri::{ById, derived_id, id_of, is_of};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Knows which conferences may be joined, active or not.
#[derive(Debug)]
pub struct FocusFactory {
    policy: Policy,
    limits: Limits,
    records: BTreeMap<ConferenceName, Arc<ConferenceRecord>>,
    ids: BTreeMap<String, ConferenceName>,
    template: ConferenceRecord,
    creations: PerSource<Creations>,
}

impl FocusFactory {
    /// A factory of the configured `records`. Ad-hoc conferences are copies of `template` with
    /// the name that was called.
    pub fn new(
        policy: Policy,
        limits: Limits,
        records: Vec<ConferenceRecord>,
        template: ConferenceRecord,
    ) -> Self {
        let creations = PerSource::new(limits.creation_sources);
        let records = by_name(records);
        Self {
            policy,
            limits,
            ids: ids(&records),
            records,
            template,
            creations,
        }
    }

    /// Takes new configured records, template and policy. Active conferences keep what they have.
    pub fn reconfigure(
        &mut self,
        policy: Policy,
        records: Vec<ConferenceRecord>,
        template: ConferenceRecord,
    ) {
        self.policy = policy;
        self.records = by_name(records);
        self.ids = ids(&self.records);
        self.template = template;
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Every configured record.
    pub fn records(&self) -> impl Iterator<Item = &Arc<ConferenceRecord>> {
        self.records.values()
    }

    /// The name of the conference with this ID, whether or not there is one: a record's own, or
    /// the one the ID follows from.
    ///
    /// # Errors
    /// [`Refusal::UnknownConference`].
    pub fn by_id(&self, by_id: &ById) -> Result<ConferenceName, Refusal> {
        let named = self.records.get(&by_id.user);
        let own = named.filter(|record| is_of(by_id, record));
        let known = own.or_else(|| {
            let record = self.records.get(self.ids.get(&by_id.id)?)?;
            is_of(by_id, record).then_some(record)
        });
        if let Some(record) = known {
            return Ok(record.name.clone());
        }
        let follows = derived_id(&by_id.user).eq_ignore_ascii_case(&by_id.id);
        if named.is_none() && follows {
            Ok(by_id.user.clone())
        } else {
            Err(Refusal::UnknownConference)
        }
    }

    /// The configured conference with this number: the one that says so, else the one that is named so.
    pub fn numbered(&self, number: &str) -> Option<ConferenceName> {
        let says = |record: &&Arc<ConferenceRecord>| record.number.as_deref() == Some(number);
        let named = || {
            let name = ConferenceName::new(number, self.limits.name_bytes)?;
            self.records
                .get(&name)
                .filter(|record| record.number.is_none() && !record.entry)
        };
        let found = self.records.values().find(says).or_else(named);
        found.map(|record| record.name.clone())
    }

    /// The record a call from `source` to a conference that is not active would get, without
    /// making anything: what OPTIONS is answered from.
    ///
    /// # Errors
    /// Why a call would be refused, as far as it does not depend on load.
    pub fn lookup(
        &self,
        name: &ConferenceName,
        source: IpAddr,
    ) -> Result<Arc<ConferenceRecord>, Refusal> {
        if !self.records.contains_key(name) {
            self.policy.may_create(source)?;
        }
        Ok(self.record(name))
    }

    /// The record for activating a conference on a call from `source`, while `active` others are
    /// active. `source` is `None` for the operator's own doing, which no policy or rate limits.
    ///
    /// # Errors
    /// Why not.
    pub fn activate(
        &mut self,
        now: Instant,
        name: &ConferenceName,
        source: Option<IpAddr>,
        active: usize,
    ) -> Result<Arc<ConferenceRecord>, Refusal> {
        let record = match source {
            Some(address) => self.lookup(name, address)?,
            None => self.record(name),
        };
        if active >= self.limits.conferences {
            return Err(Refusal::TooManyConferences(self.limits.retry_after));
        }
        match (record.origin, source) {
            (Origin::AdHoc, Some(address)) => self.count_creation(now, address.into())?,
            (Origin::AdHoc, None) | (Origin::Configured, _) => {}
        }
        Ok(record)
    }

    fn record(&self, name: &ConferenceName) -> Arc<ConferenceRecord> {
        if let Some(record) = self.records.get(name) {
            return Arc::clone(record);
        }
        let mut record = self.template.clone();
        record.name = name.clone();
        record.id = None;
        record.origin = Origin::AdHoc;
        Arc::new(record)
    }

    fn count_creation(&mut self, now: Instant, source: Source) -> Result<(), Refusal> {
        let most = self.limits.creations_per_minute;
        let creations = self.creations.touch(now, source);
        let since = creations.since.get_or_insert(now);
        if now.saturating_duration_since(*since) >= MINUTE {
            *since = now;
            creations.count = 0;
        }
        if creations.count >= most {
            let left = MINUTE.saturating_sub(now.saturating_duration_since(*since));
            return Err(Refusal::CreationRate(left));
        }
        creations.count += 1;
        Ok(())
    }
}

/// What one source created in the current minute.
#[derive(Debug, Default)]
struct Creations {
    since: Option<Instant>,
    count: u32,
}

fn by_name(records: Vec<ConferenceRecord>) -> BTreeMap<ConferenceName, Arc<ConferenceRecord>> {
    records
        .into_iter()
        .map(|record| (record.name.clone(), Arc::new(record)))
        .collect()
}

/// By ID, in lower case.
fn ids(
    records: &BTreeMap<ConferenceName, Arc<ConferenceRecord>>,
) -> BTreeMap<String, ConferenceName> {
    let id = |record: &Arc<ConferenceRecord>| id_of(record).to_ascii_lowercase();
    records
        .values()
        .map(|record| (id(record), record.name.clone()))
        .collect()
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::AdHoc;
    use crate::tests::instant;

    fn name(text: &str) -> ConferenceName {
        ConferenceName::new(text, 64).unwrap()
    }

    fn factory(ad_hoc: AdHoc) -> FocusFactory {
        let limits = Limits {
            conferences: 3,
            creations_per_minute: 2,
            ..Limits::default()
        };
        let mut board = ConferenceRecord::ad_hoc(name("board"));
        board.origin = Origin::Configured;
        let template = ConferenceRecord::ad_hoc(name("template"));
        let policy = Policy {
            ad_hoc,
            ..Policy::default()
        };
        FocusFactory::new(policy, limits, vec![board], template)
    }

    fn caller() -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn cb_016_conferences_by_id() {
        let mut own = ConferenceRecord::ad_hoc(name("board"));
        own.origin = Origin::Configured;
        own.id = Some("B0A4D".into());
        own.members.organizer = Some("sip:olga@example.com".into());
        let template = ConferenceRecord::ad_hoc(name("template"));
        let factory = FocusFactory::new(Policy::default(), Limits::default(), vec![own], template);
        let by_id = |user: &str, id: &str| {
            let (user, id) = (name(user), id.to_owned());
            let entity = crate::uri::Entity::Focus;
            factory.by_id(&ById { user, id, entity })
        };
        assert_eq!(by_id("olga", "b0a4d"), Ok(name("board")));
        let derived = derived_id(&name("standup")).to_lowercase();
        assert_eq!(by_id("standup", &derived), Ok(name("standup")));
        for (user, id) in [
            ("bob", "b0a4d"),
            ("board", "b0a4d"),
            ("board", derived_id(&name("board")).as_str()),
            ("bob", &derived),
            ("olga", "b0a4e"),
        ] {
            assert_eq!(
                by_id(user, id),
                Err(Refusal::UnknownConference),
                "{user} {id}"
            );
        }
    }

    #[test]
    fn configured_ones_are_always_there_and_others_by_policy() {
        let mut factory = factory(AdHoc::Nobody);
        let board = factory
            .activate(instant(), &name("board"), caller(), 0)
            .unwrap();
        assert_eq!(board.origin, Origin::Configured);
        let refused = factory
            .activate(instant(), &name("other"), caller(), 0)
            .unwrap_err();
        assert_eq!(refused, Refusal::UnknownConference);
    }

    #[test]
    fn creations_are_limited_per_source_and_minute() {
        let mut factory = factory(AdHoc::Anybody);
        let now = instant();
        for n in 0..2 {
            assert!(
                factory
                    .activate(now, &name(&format!("c{n}")), caller(), 0)
                    .is_ok()
            );
        }
        let later = now + Duration::from_secs(20);
        let refused = factory
            .activate(later, &name("c2"), caller(), 0)
            .unwrap_err();
        assert_eq!(refused, Refusal::CreationRate(Duration::from_secs(40)));
        let neighbour = Some(IpAddr::from([192, 0, 2, 2]));
        assert!(factory.activate(later, &name("c2"), neighbour, 0).is_ok());
        assert!(
            factory.activate(later, &name("board"), caller(), 0).is_ok(),
            "not a creation"
        );
        assert!(
            factory
                .activate(now + MINUTE, &name("c2"), caller(), 0)
                .is_ok()
        );
    }

    #[test]
    fn active_conferences_are_limited() {
        let mut factory = factory(AdHoc::Anybody);
        let refused = factory
            .activate(instant(), &name("board"), caller(), 3)
            .unwrap_err();
        assert_eq!(
            refused,
            Refusal::TooManyConferences(Limits::default().retry_after)
        );
    }
}
