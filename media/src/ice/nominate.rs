//! Which pair is used: nomination as controlling agent (RFC 8445 §8), the peer's choice, consent (RFC 7675).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;
use smallvec::SmallVec;

use super::agent::{Event, IceAgent, Path};
use super::candidate::Candidate;
use super::check::{Pair, State};
use super::stun::{Class, Message, TransactionId};

/// How long a better pair is waited for once one works.
const BETTER: Duration = Duration::from_millis(300);
/// A selected pair on which nothing came for so long may be replaced by a lesser one that the peer nominates.
const STALE: Duration = Duration::from_secs(5);
/// Consent is asked for every 5 s, at random between 0.8 and 1.2 of that (RFC 7675 §5.1).
const ASK_MS: (u64, u64) = (4_000, 2_000);
/// Requests for consent that may still be answered: those of the last 30 s.
const ASKED: usize = 8;

/// The pair in use for a component.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) component: u8,
    pub(super) path: Path,
    pub(super) remote: SocketAddr,
    priority: u32,
    /// The peer's checks or responses came by it last.
    pub(super) heard: Instant,
    consent: Instant,
    ask_at: Instant,
    asked: SmallVec<[TransactionId; ASKED]>,
}

impl IceAgent {
    /// A pair was nominated. The best nominated one is used, for an agent of RFC 5245 may nominate all (aggressive
    /// nomination); a lesser one only when the one in use has fallen silent.
    pub(super) fn offer_selection(
        &mut self,
        now: Instant,
        component: u8,
        path: Path,
        remote: SocketAddr,
        priority: u32,
    ) {
        let of = |s: &&mut Selected| s.component == component;
        if let Some(current) = self.selected.iter_mut().find(of)
            && current.path == path
            && current.remote == remote
        {
            // Chosen again, after a restart: a check that succeeded is consent as well.
            current.heard = now;
            current.consent = now;
            return;
        }
        let local = |path: Path| self.base(path).map_or(0, |base| base.priority);
        let rank = |path: Path, theirs: u32| {
            super::candidate::pair_priority(theirs.min(local(path)), theirs.max(local(path)))
        };
        if let Some(current) = self.selected.iter().find(|s| s.component == component) {
            let stale = now.saturating_duration_since(current.heard) >= STALE;
            let restarted = self.began.is_some_and(|began| current.heard < began);
            let better = rank(path, priority) > rank(current.path, current.priority);
            if !(better || stale || restarted) {
                return;
            }
        }
        let ask_at = now + self.ask_pause();
        self.selected
            .retain(|selected| selected.component != component);
        self.selected.push(Selected {
            component,
            path,
            remote,
            priority,
            heard: now,
            consent: now,
            ask_at,
            asked: SmallVec::new(),
        });
        self.metrics.ice_selected.inc();
        if path.relayed {
            self.metrics.ice_relayed.inc();
        }
        self.event(Event::Selected {
            component,
            path,
            remote,
        });
    }

    /// Both sides are lite (RFC 8445 §8.2): the peer's best candidate of the family that we have is used, without checks.
    pub(super) fn select_by_priority(&mut self, now: Instant, candidates: &[Candidate]) {
        for component in 1..=self.components {
            let usable = candidates.iter().filter_map(|theirs| {
                let ours = self.locals.iter().find(|ours| {
                    let ours = &ours.candidate;
                    ours.component == component
                        && ours.address.is_ipv4() == theirs.address.is_ipv4()
                })?;
                (theirs.component == component).then_some((ours.path, theirs))
            });
            if let Some((path, theirs)) = usable.max_by_key(|(_, theirs)| theirs.priority) {
                let (remote, priority) = (theirs.address, theirs.priority);
                self.offer_selection(now, component, path, remote, priority);
            }
        }
    }

    /// RFC 8445 §8.1.1: the controlling agent chooses the best pair that works, when none better is still open or it has
    /// waited long enough for one.
    pub(super) fn nominate(&mut self, now: Instant) {
        if !self.controlling {
            return;
        }
        for component in 1..=self.components {
            let Some((at, ripe)) = self.choice(component) else {
                continue;
            };
            if now < ripe {
                continue;
            }
            if let Some(pair) = self.checks.pairs.get_mut(at) {
                pair.nominated = true;
            }
            self.trigger(at);
            self.run_checks(now);
        }
    }

    /// The pair to nominate for a component and when, unless one is nominated or in use already.
    fn choice(&self, component: u8) -> Option<(usize, Instant)> {
        let of = |pair: &&Pair| pair.component == component;
        let restarted = |heard: Instant| self.began.is_some_and(|began| heard < began);
        let in_use = self.selected.iter().find(|s| s.component == component);
        if in_use.is_some_and(|s| !restarted(s.heard)) {
            return None;
        }
        let mut pairs = self.checks.pairs.iter().filter(of);
        if pairs.any(|pair| pair.nominated && pair.state != State::Failed) {
            return None;
        }
        let priority = |pair: &Pair| pair.priority(true);
        let all = self
            .checks
            .pairs
            .iter()
            .enumerate()
            .filter(|(_, pair)| of(pair));
        let works = all.filter(|(_, pair)| pair.state == State::Succeeded);
        let (at, best) = works.max_by_key(|(_, pair)| priority(pair))?;
        let open = |pair: &&Pair| {
            matches!(
                pair.state,
                State::Frozen | State::Waiting | State::InProgress
            )
        };
        let mut rest = self.checks.pairs.iter().filter(of).filter(open);
        let worked = best.worked?;
        let waits = rest.any(|pair| priority(pair) > priority(best));
        Some((at, if waits { worked + BETTER } else { worked }))
    }

    /// When a nomination becomes due.
    pub(super) fn next_nomination(&self) -> Option<Instant> {
        let components = (1..=self.components).filter(|_| self.controlling);
        components
            .filter_map(|component| Some(self.choice(component)?.1))
            .min()
    }

    /// RFC 7675 §5.1: asks for consent on what is in use, and notices when it ended.
    pub(super) fn keep_consent(&mut self, now: Instant) {
        let consent = self.limits.consent;
        let lost = |s: &Selected| now.saturating_duration_since(s.consent) >= consent;
        if self.selected.iter().any(lost) {
            self.lose_consent();
        }
        for at in 0..self.selected.len() {
            let pause = self.ask_pause();
            let Some(selected) = self.selected.get_mut(at).filter(|s| s.ask_at <= now) else {
                continue;
            };
            selected.ask_at = now + pause;
            let (path, remote) = (selected.path, selected.remote);
            let (id, bytes) = self.binding_request(path, false);
            if let Some(selected) = self.selected.get_mut(at) {
                if selected.asked.len() == ASKED {
                    selected.asked.remove(0);
                }
                selected.asked.push(id);
            }
            self.transmit(path, remote, bytes);
        }
    }

    /// When consent is to be asked for or runs out.
    pub(super) fn next_consent(&self) -> Option<Instant> {
        let consent = self.limits.consent;
        let selected = self.selected.iter();
        selected.map(|s| s.ask_at.min(s.consent + consent)).min()
    }

    /// An agent in lite mode asks for nothing (RFC 7675 §3), but a peer that is there is heard: by its media, its
    /// reports or its own questions. From whom nothing at all came for as long as consent lasts is gone.
    pub(super) fn notice_silence(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now) {
            self.lose_consent();
        }
    }

    /// When a peer in use counts as gone if nothing more comes from it.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        let checks = self.selected.iter().map(|selected| selected.heard).max()?;
        let heard = self.media_heard.map_or(checks, |media| media.max(checks));
        Some(heard + self.limits.consent)
    }

    fn lose_consent(&mut self) {
        self.metrics.consent_lost.inc();
        self.selected.clear();
        self.failed = true;
        self.event(Event::ConsentLost);
    }

    /// Takes a signed response to a request for consent; `false`: it is none.
    pub(super) fn consented(
        &mut self,
        now: Instant,
        path: Path,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        let asked = |s: &&mut Selected| s.asked.contains(&message.id);
        let Some(selected) = self.selected.iter_mut().find(asked) else {
            return false;
        };
        if message.class == Class::Success && selected.path == path && selected.remote == from {
            selected.consent = now;
            selected.heard = now;
            selected.asked.clear();
        }
        true
    }

    /// Nothing works: said once.
    pub(super) fn give_up(&mut self, now: Instant) {
        if !self.failed && self.gives_up_at().is_some_and(|at| now >= at) {
            self.failed = true;
            self.metrics.ice_failed.inc();
            self.event(Event::Failed);
        }
    }

    pub(super) fn gives_up_at(&self) -> Option<Instant> {
        let lacking = (1..=self.components).any(|c| self.route(c).is_none());
        let began = self.began.filter(|_| lacking && !self.failed)?;
        Some(began + self.limits.patience)
    }

    fn ask_pause(&mut self) -> Duration {
        Duration::from_millis(ASK_MS.0 + self.random.next_u64() % ASK_MS.1)
    }
}
