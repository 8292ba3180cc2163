//! The trunks as the rest of the process has them: started, shown, stopped.

use super::border::{Setup, Trunks};
use super::view::Shown;
use super::{Inbox, Metrics, Note, watch};
use crate::config::Config;
use plenum_focus::shell::SipActions;
use plenum_sip::msg::{Host, Uri};
use plenum_sip::resolve::Resolver;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The way to the trunks of a running server.
#[derive(Clone, Debug)]
pub(crate) struct Switchboard {
    inbox: Inbox,
    /// How they stand.
    pub(crate) shown: Shown,
    hops: Vec<Uri>,
    actions: Arc<SipActions>,
}

impl Switchboard {
    /// The trunks of a configuration, and the way to them. One seed for each trunk,
    /// and one more.
    pub(crate) fn new(
        config: &Config,
        hosts: Vec<Host>,
        mut seeds: Vec<[u8; 32]>,
        metrics: Metrics,
        actions: Arc<SipActions>,
    ) -> (Self, Trunks) {
        let gate_seed = seeds.pop().unwrap_or_default();
        let setup = Setup {
            trunks: config.trunk.clone(),
            rules: config.dial_rule.clone(),
            hosts,
            most_users: config.limits.dialling_users,
            retry_after: config.limits.focus.retry_after,
            metrics,
            seeds,
            gate_seed,
            now: tokio::time::Instant::now().into_std(),
            clock,
        };
        let (inbox, shown) = (Inbox::default(), Shown::default());
        let trunks = Trunks::new(setup, inbox.clone(), shown.clone());
        let this = Self {
            inbox,
            shown,
            hops: trunks.hops(),
            actions,
        };
        (this, trunks)
    }

    /// Begins to look for the servers, each trunk with a resolver of its own. They are looked for
    /// as long as the runtime is there.
    pub(crate) fn watch(&self, resolvers: Vec<Resolver>) {
        for (line, (uri, resolver)) in self.hops.iter().zip(resolvers).enumerate() {
            let (inbox, actions) = (self.inbox.clone(), Arc::clone(&self.actions));
            tokio::spawn(watch(line, uri.clone(), resolver, inbox, actions));
        }
    }

    /// Removes the registrations that are to be removed, and waits for it a little.
    pub(crate) async fn stop(&self, within: Duration) {
        self.inbox.leave(Note::Stop);
        self.actions.wake();
        let until = tokio::time::Instant::now() + within;
        while self.shown.is_leaving() && tokio::time::Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "rules go by the time of day, and the trunks are told it from here"
)]
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

const LOOK: Duration = Duration::from_millis(20);
