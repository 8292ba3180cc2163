//! The trunks as the rest of the process has them: started, shown, changed, stopped.

use super::border::reload::Wanted;
use super::border::{Setup, Trunks};
use super::view::Shown;
use super::{Inbox, Metrics, Note, watch};
use crate::abuse::Watch;
use crate::config::{Config, Trunk};
use plenum_focus::shell::SipActions;
use plenum_sip::msg::Host;
use plenum_sip::resolve::Resolver;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::AbortHandle;

/// The way to the trunks of a running server.
#[derive(Debug)]
pub(crate) struct Switchboard {
    inbox: Inbox,
    /// How they stand.
    pub(crate) shown: Shown,
    known: Vec<Known>,
    actions: Arc<SipActions>,
}

/// A trunk, and the task that looks for its servers.
#[derive(Debug)]
struct Known {
    config: Arc<Trunk>,
    token: String,
    watching: Option<AbortHandle>,
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
        (shown, watch): (Shown, Watch),
    ) -> (Self, Trunks) {
        let gate_seed = seeds.pop().unwrap_or_default();
        let trunks = config.trunk.iter().cloned().zip(seeds);
        let trunks: Vec<Wanted> = trunks.map(|(trunk, seed)| wanted(trunk, seed)).collect();
        let known = trunks.iter().map(|one| Known {
            config: Arc::clone(&one.config),
            token: one.token.clone(),
            watching: None,
        });
        let known = known.collect();
        let setup = Setup {
            trunks,
            rules: config.dial_rule.clone(),
            hosts,
            most_users: config.limits.dialling_users,
            retry_after: config.limits.focus.retry_after,
            metrics,
            gate_seed,
            watch,
            now: tokio::time::Instant::now().into_std(),
            clock,
        };
        let inbox = Inbox::default();
        let trunks = Trunks::new(setup, inbox.clone(), shown.clone());
        let this = Self {
            inbox,
            shown,
            known,
            actions,
        };
        (this, trunks)
    }

    /// Begins to look for the servers of those that are not looked for yet, each with a resolver of
    /// its own. They are looked for as long as they are configured.
    ///
    /// # Errors
    /// As `resolver`.
    pub(crate) fn watch<E>(
        &mut self,
        mut resolver: impl FnMut() -> Result<Resolver, E>,
    ) -> Result<(), E> {
        for one in &mut self.known {
            if one.watching.is_none() {
                let uri = one.config.hop().clone();
                let (inbox, actions) = (self.inbox.clone(), Arc::clone(&self.actions));
                let task = watch(one.token.clone(), uri, resolver()?, inbox, actions);
                one.watching = Some(tokio::spawn(task).abort_handle());
            }
        }
        Ok(())
    }

    /// Takes the trunks and rules of another configuration. Those that are the same stay as they
    /// are; [`Self::watch`] is for the others. One seed for each trunk.
    pub(crate) fn reload(&mut self, config: &Config, seeds: Vec<[u8; 32]>) {
        let mut before = std::mem::take(&mut self.known);
        let mut all = Vec::new();
        for (trunk, seed) in config.trunk.iter().zip(seeds) {
            let same = before.iter().position(|one| *one.config == *trunk);
            let (known, seed) = match same.map(|at| before.swap_remove(at)) {
                Some(known) => (known, None),
                None => {
                    let new = wanted(trunk.clone(), seed);
                    let known = Known {
                        config: new.config,
                        token: new.token,
                        watching: None,
                    };
                    (known, new.seed)
                }
            };
            all.push(Wanted {
                config: Arc::clone(&known.config),
                token: known.token.clone(),
                seed,
            });
            self.known.push(known);
        }
        for gone in before.into_iter().filter_map(|one| one.watching) {
            gone.abort();
        }
        let rules = config.dial_rule.clone();
        self.inbox.leave(Note::Reload(all, rules));
        self.actions.wake();
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

/// A new trunk; tokens and waiting times come from the seed.
fn wanted(trunk: Trunk, seed: [u8; 32]) -> Wanted {
    let token = seed.iter().take(8).map(|octet| format!("{octet:02x}"));
    Wanted {
        config: Arc::new(trunk),
        token: token.collect(),
        seed: Some(seed),
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
