//! Checks of our own (RFC 8445 §6.1, §7.2): pairs, their order, pacing, triggered checks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agent::{IceAgent, Path, earlier};
use super::candidate::{Candidate, Kind, pair_priority, priority};
use super::stun::{Class, Key, Message, Method, TransactionId, Writer, kind};
use super::transaction::{Due, RTO, Transaction};

/// Ta: the time between two checks (RFC 8445 §14.2).
const PACE: Duration = Duration::from_millis(50);

/// Where a pair stands (RFC 8445 §6.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for another pair of the same foundation.
    Frozen,
    /// To be checked.
    Waiting,
    /// Being checked.
    InProgress,
    /// Works both ways.
    Succeeded,
    /// Does not.
    Failed,
}

/// A pair of addresses.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) path: Path,
    pub(super) component: u8,
    pub(super) remote: SocketAddr,
    pub(super) remote_priority: u32,
    local_priority: u32,
    foundation: (Path, String),
    pub(super) state: State,
    /// The peer, or we, chose it; it is used once it has succeeded.
    pub(super) nominated: bool,
    /// When it succeeded.
    pub(super) worked: Option<Instant>,
    check: Option<Check>,
}

#[derive(Debug)]
struct Check {
    request: Transaction,
    nominates: bool,
    /// The role we had when we sent it.
    controlling: bool,
}

/// All pairs, and when the next check may go.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    pub(super) pairs: Vec<Pair>,
    triggered: VecDeque<usize>,
    paced: Option<Instant>,
}

/// What a response says about a pair.
enum Verdict {
    Works { nominates: bool },
    RoleConflict { controlling: bool },
    Fails,
}

impl Pair {
    pub(super) fn priority(&self, controlling: bool) -> u64 {
        if controlling {
            pair_priority(self.local_priority, self.remote_priority)
        } else {
            pair_priority(self.remote_priority, self.local_priority)
        }
    }
}

impl IceAgent {
    /// Pairs a candidate of the peer with ours of the same component and family (RFC 8445 §6.1.2.2). Reflexive
    /// candidates of ours are their bases here (§6.1.2.4), so the bases are all there is to pair.
    pub(super) fn pair_with(&mut self, now: Instant, remote: &Candidate) {
        if remote.component > self.components {
            return;
        }
        let fits = |local: &super::Local| {
            let candidate = &local.candidate;
            matches!(candidate.kind, Kind::Host | Kind::Relayed)
                && candidate.component == remote.component
                && candidate.address.is_ipv4() == remote.address.is_ipv4()
        };
        let paths: Vec<Path> = self
            .locals
            .iter()
            .filter(|l| fits(l))
            .map(|l| l.path)
            .collect();
        for path in paths {
            self.add_pair(now, path, remote);
        }
        self.bound_pairs();
    }

    /// The index of the pair, made if need be.
    fn add_pair(&mut self, now: Instant, path: Path, remote: &Candidate) -> Option<usize> {
        let pairs = &mut self.checks.pairs;
        if let Some(at) = pairs
            .iter()
            .position(|p| p.path == path && p.remote == remote.address)
        {
            return Some(at);
        }
        let local_priority = self.base(path)?.priority;
        let foundation = (
            Path {
                socket: path.socket & !1,
                ..path
            },
            remote.foundation.clone(),
        );
        let pairs = &mut self.checks.pairs;
        let shared = pairs.iter().any(|pair| pair.foundation == foundation);
        pairs.push(Pair {
            path,
            component: remote.component,
            remote: remote.address,
            remote_priority: remote.priority,
            local_priority,
            foundation,
            state: if shared {
                State::Frozen
            } else {
                State::Waiting
            },
            nominated: false,
            worked: None,
            check: None,
        });
        let at = pairs.len() - 1;
        self.permit(now, path, remote.address);
        Some(at)
    }

    /// RFC 8445 §6.1.2.5: the least pairs that are not being checked go.
    fn bound_pairs(&mut self) {
        let (most, controlling) = (self.limits.pairs, self.controlling);
        let Checklist {
            pairs, triggered, ..
        } = &mut self.checks;
        while pairs.len() > most {
            let idle =
                |pair: &Pair| matches!(pair.state, State::Frozen | State::Waiting | State::Failed);
            let all = pairs.iter().enumerate().filter(|(_, pair)| idle(pair));
            let Some((least, _)) = all.min_by_key(|(_, pair)| pair.priority(controlling)) else {
                return;
            };
            pairs.remove(least);
            // Positions behind it move up by one.
            triggered.retain(|at| *at != least);
            for at in triggered.iter_mut().filter(|at| **at > least) {
                *at -= 1;
            }
        }
    }

    /// RFC 8445 §7.3.1.4, §7.3.1.5.
    pub(super) fn triggered_check(
        &mut self,
        now: Instant,
        path: Path,
        remote: &Candidate,
        nominates: bool,
    ) {
        let room = self.checks.pairs.len() < self.limits.pairs;
        let known = |pair: &Pair| pair.path == path && pair.remote == remote.address;
        if !room && !self.checks.pairs.iter().any(known) {
            return;
        }
        let Some(at) = self.add_pair(now, path, remote) else {
            return;
        };
        let Some(pair) = self.checks.pairs.get_mut(at) else {
            return;
        };
        pair.nominated |= nominates;
        match pair.state {
            State::Succeeded => {
                if pair.nominated {
                    let (component, remote, priority) =
                        (pair.component, pair.remote, pair.remote_priority);
                    self.offer_selection(now, component, path, remote, priority);
                }
            }
            State::Frozen | State::Waiting | State::Failed | State::InProgress => {
                if pair.state == State::Failed {
                    pair.state = State::Waiting;
                    self.failed = false;
                }
                self.trigger(at);
            }
        }
        self.run_checks(now);
    }

    /// The pair is checked next.
    pub(super) fn trigger(&mut self, at: usize) {
        if !self.checks.triggered.contains(&at) {
            self.checks.triggered.push_back(at);
        }
    }

    /// Sends what is due: retransmissions, and every 50 ms one new check (RFC 8445 §6.1.4.2).
    pub(super) fn run_checks(&mut self, now: Instant) {
        let mut due: Vec<(Path, SocketAddr, Vec<u8>)> = Vec::new();
        for pair in &mut self.checks.pairs {
            let (path, remote) = (pair.path, pair.remote);
            match pair.check.as_mut().map(|check| check.request.due(now)) {
                Some(Due::Send(bytes)) => due.push((path, remote, bytes.to_vec())),
                Some(Due::Expired) => {
                    pair.check = None;
                    if pair.state == State::InProgress {
                        pair.state = State::Failed;
                    }
                }
                Some(Due::Nothing) | None => {}
            }
        }
        for (path, remote, bytes) in due {
            self.transmit(path, remote, bytes);
        }
        if self.checks.paced.is_some_and(|at| now < at) {
            return;
        }
        match self.next_pair() {
            Some(at) => {
                self.checks.paced = Some(now + PACE);
                self.check(now, at);
            }
            None => self.checks.paced = None,
        }
    }

    /// Triggered checks first, then the best waiting pair, then the best frozen one.
    fn next_pair(&mut self) -> Option<usize> {
        if let Some(at) = self.checks.triggered.pop_front() {
            return Some(at);
        }
        let controlling = self.controlling;
        let best = |state: State| {
            let pairs = self.checks.pairs.iter().enumerate();
            pairs
                .filter(|(_, pair)| pair.state == state)
                .max_by_key(|(_, pair)| pair.priority(controlling))
                .map(|(at, _)| at)
        };
        best(State::Waiting).or_else(|| best(State::Frozen))
    }

    fn has_work(&self) -> bool {
        let waits = |pair: &Pair| matches!(pair.state, State::Waiting | State::Frozen);
        !self.checks.triggered.is_empty() || self.checks.pairs.iter().any(waits)
    }

    /// When something of the check list is due.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let pairs = self.checks.pairs.iter();
        let requests = pairs.filter_map(|pair| Some(pair.check.as_ref()?.request.next()));
        let paced = self.checks.paced.filter(|_| self.has_work());
        earlier(requests.min(), paced)
    }

    fn check(&mut self, now: Instant, at: usize) {
        let Some(pair) = self.checks.pairs.get(at) else {
            return;
        };
        let (path, remote) = (pair.path, pair.remote);
        let controlling = self.controlling;
        let nominates = controlling && pair.nominated;
        let (id, bytes) = self.binding_request(path, nominates);
        let request = Transaction::new(now, id, bytes, RTO);
        if let Some(pair) = self.checks.pairs.get_mut(at) {
            if pair.state != State::Succeeded {
                pair.state = State::InProgress;
            }
            pair.check = Some(Check {
                request,
                nominates,
                controlling,
            });
            if let Some(check) = &mut pair.check
                && let Due::Send(bytes) = check.request.due(now)
            {
                let bytes = bytes.to_vec();
                self.transmit(path, remote, bytes);
            }
        }
    }

    /// A Binding request to the peer (RFC 8445 §7.2.2).
    pub(super) fn binding_request(
        &mut self,
        path: Path,
        nominates: bool,
    ) -> (TransactionId, Vec<u8>) {
        let id = self.new_id();
        let preference = self
            .base(path)
            .map_or(0, |base| base.priority >> 8 & 0xffff);
        let preference = u16::try_from(preference).unwrap_or_default();
        let component = self.component_of(path.socket);
        let (ufrag, key) = match &self.remote {
            Some(remote) => (remote.ufrag.as_str(), remote.key.clone()),
            None => ("", Key::short_term("")),
        };
        let name = format!("{ufrag}:{}", self.local.credentials.ufrag);
        let role = if self.controlling {
            kind::ICE_CONTROLLING
        } else {
            kind::ICE_CONTROLLED
        };
        let reflexive = priority(Kind::PeerReflexive, preference, component);
        let mut request = Writer::new(Class::Request, Method::BINDING, id)
            .attribute(kind::USERNAME, name.as_bytes())
            .attribute(kind::PRIORITY, &reflexive.to_be_bytes())
            .attribute(role, &self.tie_breaker.to_be_bytes());
        if nominates {
            request = request.attribute(kind::USE_CANDIDATE, &[]);
        }
        (id, request.integrity(&key).fingerprint())
    }

    /// RFC 8445 §7.2.5.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        path: Path,
        from: SocketAddr,
        message: &Message<'_>,
    ) {
        let Some(remote) = &self.remote else {
            return;
        };
        // RFC 8489 §9.1.4: what is not signed does not count. A 401 cannot be, but only a mistaken peer sends one.
        if !message.is_signed_with(&remote.key) {
            self.metrics.stun_refused.inc();
            return;
        }
        if self.consented(now, path, from, message) {
            return;
        }
        let of = |pair: &Pair| {
            pair.check
                .as_ref()
                .is_some_and(|check| check.request.id == message.id)
        };
        let Some(at) = self.checks.pairs.iter().position(of) else {
            return;
        };
        let Some(pair) = self.checks.pairs.get_mut(at) else {
            return;
        };
        let Some(check) = pair.check.take() else {
            return;
        };
        let (nominates, controlling) = (check.nominates, check.controlling);
        // RFC 8445 §7.2.5.2.1: the response must come back the way the request went.
        let symmetric = pair.path == path && pair.remote == from;
        let verdict = match (message.class, message.error_code()) {
            (Class::Success, _) if symmetric => Verdict::Works { nominates },
            (Class::Error, Some(487)) => Verdict::RoleConflict { controlling },
            (Class::Success | Class::Error | Class::Request | Class::Indication, _) => {
                Verdict::Fails
            }
        };
        match verdict {
            Verdict::Works { nominates } => self.pair_works(now, at, nominates),
            // Not simply the other role: we may have switched since (RFC 8445 §7.2.5.1).
            Verdict::RoleConflict { controlling } => {
                if self.controlling == controlling {
                    self.switch_role();
                }
                self.trigger(at);
            }
            Verdict::Fails => pair.state = State::Failed,
        }
        self.handle_timeout(now);
    }

    /// RFC 8445 §7.2.5.3.
    fn pair_works(&mut self, now: Instant, at: usize, nominates: bool) {
        let Some(pair) = self.checks.pairs.get_mut(at) else {
            return;
        };
        pair.state = State::Succeeded;
        pair.worked.get_or_insert(now);
        let used = nominates || pair.nominated && !self.controlling;
        let (component, path, remote) = (pair.component, pair.path, pair.remote);
        let (priority, foundation) = (pair.remote_priority, pair.foundation.clone());
        for pair in &mut self.checks.pairs {
            if pair.state == State::Frozen && pair.foundation == foundation {
                pair.state = State::Waiting;
            }
        }
        if used {
            self.offer_selection(now, component, path, remote, priority);
        }
    }

    /// RFC 8445 §7.3.1.1: priorities of pairs follow the role.
    pub(super) fn switch_role(&mut self) {
        self.controlling = !self.controlling;
        for pair in &mut self.checks.pairs {
            // What we had chosen ourselves is not ours to choose any more, and the other way round.
            pair.nominated = false;
        }
    }
}
