//! The DTLS association of one component: which address it is with, when it may begin, and what
//! waits for it (RFC 5763 §5, §6.7).
//!
//! | state | begins | ends |
//! |---|---|---|
//! | waiting | with the agreement | a place is free and, as passive side, a datagram came |
//! | running | the association is made | keys, or a failure |
//!
//! Both end in time: the deadline counts from the agreement.

use super::{DtlsParameters, PathConfig, Refused};
use crate::crypto::dtls::{Association, Failure, Keys, Progress, Role};
use crate::crypto::fingerprint::Fingerprint;
use crate::limits::SecurityLimits;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Places for handshakes that run at the same time, in the whole process.
#[derive(Clone, Debug)]
pub struct Handshakes {
    running: Arc<AtomicUsize>,
    most: usize,
}

impl Handshakes {
    /// `most` at once; others wait.
    pub fn new(most: usize) -> Self {
        Self {
            running: Arc::default(),
            most,
        }
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Slot> {
        let more = |running: usize| (running < self.most).then_some(running + 1);
        let taken = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Slot(Arc::clone(&self.running)))
    }
}

/// A place; given back when dropped.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came of some work.
#[derive(Debug)]
pub(super) enum Step {
    Continues,
    Keys(Keys),
    Failed(Failure),
}

/// One component's handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    role: Role,
    fingerprints: Vec<Fingerprint>,
    association: Option<Association>,
    slot: Option<Slot>,
    /// Where the description says the peer is.
    signalled: Option<SocketAddr>,
    /// Where its messages come from.
    peer: Option<SocketAddr>,
    inbox: VecDeque<SmallVec<[u8; 256]>>,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    deadline: Instant,
    /// When to look for a place again.
    retry: Option<Instant>,
}

impl Handshake {
    pub(super) fn new(
        now: Instant,
        role: Role,
        parameters: &DtlsParameters,
        limits: &SecurityLimits,
    ) -> Self {
        Self {
            role,
            fingerprints: parameters.fingerprints.clone(),
            association: None,
            slot: None,
            signalled: None,
            peer: None,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            deadline: now + limits.dtls_handshake,
            // The active side begins by itself.
            retry: Some(now),
        }
    }

    /// Where the peer is by the description, or by ICE.
    pub(super) fn signalled(&mut self, address: Option<SocketAddr>) {
        if address.is_some() {
            self.signalled = address;
        }
    }

    /// Takes a datagram to be worked on later. The first address that speaks is the peer's, unless
    /// the one of the description speaks, too.
    pub(super) fn take(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        config: &PathConfig,
    ) -> Result<(), Refused> {
        let signalled = self
            .signalled
            .is_some_and(|address| address.ip() == from.ip());
        match self.peer {
            Some(peer) if peer == from => {}
            // Repetitions may come from another port of the same host; anything else must wait
            // until the association shows by its keys whom it is with.
            Some(peer) if signalled && peer.ip() != from.ip() && self.slot.is_some() => {
                self.association = None;
                self.inbox.clear();
                self.retry = Some(now);
                self.peer = Some(from);
            }
            Some(_) if !signalled => return Err(Refused::Stray),
            Some(_) | None => self.peer = Some(from),
        }
        if self.inbox.len() >= config.limits.dtls_waiting {
            return Err(Refused::Excess);
        }
        let used_up = |association: &Association| association.octets_left() < datagram.len();
        if self.association.as_ref().is_some_and(used_up) {
            return Err(Refused::Excess);
        }
        self.inbox.push_back(SmallVec::from_slice(datagram));
        Ok(())
    }

    /// Whether [`Self::work`] would do some of what is dear: begin, or read what came. Not while it waits for a place.
    pub(super) fn has_work(&self, now: Instant) -> bool {
        let begins = || {
            let partner = self.signalled.is_some() || self.peer.is_some();
            self.role == Role::Active && self.association.is_none() && partner
        };
        let waits = self.association.is_none() && self.retry.is_some_and(|retry| retry > now);
        !waits && (!self.inbox.is_empty() || begins())
    }

    /// Works on what waits and what is due.
    pub(super) fn work(&mut self, now: Instant, config: &PathConfig) -> Step {
        let begun = self.begin(now, config);
        if let Some(step) = self.step(begun) {
            return step;
        }
        let Some(association) = &mut self.association else {
            let late = now >= self.deadline;
            return if late {
                Step::Failed(Failure::Timeout)
            } else {
                Step::Continues
            };
        };
        while let Some(datagram) = self.inbox.pop_front() {
            let progress = association.handle_datagram(now, &datagram);
            if let Some(step) = step(progress) {
                return self.end(step);
            }
        }
        let progress = association.handle_timeout(now);
        let step = step(progress);
        self.step(step).unwrap_or(Step::Continues)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.association {
            Some(association) => association.poll_timeout(),
            None => Some(
                self.retry
                    .map_or(self.deadline, |retry| retry.min(self.deadline)),
            ),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outbox.pop_front()
    }

    pub(super) fn close(&mut self, now: Instant) {
        if let Some(association) = &mut self.association {
            association.close(now);
        }
        self.collect();
    }

    /// Makes the association once there is a place, and somebody to talk to.
    fn begin(&mut self, now: Instant, config: &PathConfig) -> Option<Step> {
        let partner = match self.role {
            Role::Active => self.signalled.is_some() || self.peer.is_some(),
            Role::Passive => !self.inbox.is_empty(),
        };
        if self.association.is_some() || !partner {
            self.retry = None;
            return None;
        }
        if self.slot.is_none() {
            self.slot = config.handshakes.take();
        }
        if self.slot.is_none() {
            if self.retry.is_none_or(|retry| retry <= now) {
                config.metrics.security.dtls_waited.inc();
            }
            self.retry = Some(now + RETRY);
            return None;
        }
        self.retry = None;
        let octets = config.limits.dtls_octets;
        let fingerprints = self.fingerprints.clone();
        let mut association = Association::new(
            &config.identity,
            self.role,
            fingerprints,
            self.deadline,
            octets,
        );
        let started = association.start(now, &config.identity);
        self.association = Some(association);
        step(started)
    }

    fn step(&mut self, step: Option<Step>) -> Option<Step> {
        self.collect();
        step.map(|step| self.end(step))
    }

    /// The handshake is over, one way or the other: its place is free again.
    fn end(&mut self, step: Step) -> Step {
        self.collect();
        self.slot = None;
        step
    }

    fn collect(&mut self) {
        let Some(association) = &mut self.association else {
            return;
        };
        let to = self.peer.or(self.signalled);
        while let Some(octets) = association.poll_transmit() {
            if let Some(to) = to {
                self.outbox.push_back((to, octets.to_vec()));
            }
        }
    }
}

fn step(progress: Progress) -> Option<Step> {
    match progress {
        Progress::Continues => None,
        Progress::Keys(keys) => Some(Step::Keys(keys)),
        Progress::Failed(failure) => Some(Step::Failed(failure)),
    }
}

/// How often a waiting handshake looks for a place.
const RETRY: Duration = Duration::from_millis(100);
