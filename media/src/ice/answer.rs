//! Binding requests of the peer (RFC 8445 §7.3): all that an agent in lite mode does.
//!
//! Whoever does not know our name fragment gets nothing, not even an error: a media port must not be found by
//! scanning, nor make a reflector. Responses are no longer than 1.5 times the requests, and limited in number.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agent::{IceAgent, Keyed, Path};
use super::candidate::{Candidate, Kind};
use super::stun::{Class, Message, Method, Writer, kind};

/// Checks of a peer whose description is not there yet. Beyond: answered, but not remembered.
const MAX_EARLY: usize = 16;

/// A check of the peer that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Early {
    pub(super) path: Path,
    pub(super) from: SocketAddr,
    pub(super) priority: u32,
    pub(super) nominates: bool,
}

/// How many more answers this second allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    since: Option<Instant>,
    used: u32,
}

impl Allowance {
    fn take(&mut self, now: Instant, most: u32) -> bool {
        let within =
            |since: &Instant| now.saturating_duration_since(*since) < Duration::from_secs(1);
        if self.since.filter(within).is_none() {
            *self = Self {
                since: Some(now),
                used: 0,
            };
        }
        self.used = self.used.saturating_add(1);
        self.used <= most
    }
}

impl IceAgent {
    /// RFC 8445 §7.3 and RFC 8489 §6.3.1.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        path: Path,
        from: SocketAddr,
        message: &Message<'_>,
    ) {
        let Some(current) = self.addressed(message) else {
            self.metrics.stun_refused.inc();
            return;
        };
        if !self.allowance.take(now, self.limits.answers_per_second) {
            self.metrics.stun_limited.inc();
            return;
        }
        let keyed = if current {
            Some(&self.local)
        } else {
            self.previous.as_ref()
        };
        let Some(key) = keyed.map(|keyed| keyed.key.clone()) else {
            return;
        };
        let error = Writer::new(Class::Error, Method::BINDING, message.id);
        if !message.is_signed_with(&key) {
            self.metrics.stun_refused.inc();
            // RFC 8489 §9.1.3: not signed, for we share no key.
            let bytes = error.error_code(401, "Unauthenticated").fingerprint();
            return self.transmit(path, from, bytes);
        }
        let unknown: Vec<u8> = message
            .not_understood()
            .flat_map(u16::to_be_bytes)
            .collect();
        if !unknown.is_empty() {
            let error = error.error_code(420, "Unknown Attribute");
            let bytes = error.attribute(kind::UNKNOWN_ATTRIBUTES, &unknown);
            return self.transmit(path, from, bytes.integrity(&key).fingerprint());
        }
        if self.keeps_role_against(message) {
            let bytes = error.error_code(487, "Role Conflict").integrity(&key);
            return self.transmit(path, from, bytes.fingerprint());
        }
        let bytes = Writer::new(Class::Success, Method::BINDING, message.id)
            .xor_address(kind::XOR_MAPPED_ADDRESS, from)
            .integrity(&key)
            .fingerprint();
        self.transmit(path, from, bytes);
        if !current {
            return;
        }
        let check = Early {
            path,
            from,
            priority: message.number(kind::PRIORITY).unwrap_or_default(),
            nominates: message.attribute(kind::USE_CANDIDATE).is_some(),
        };
        if self.remote.is_some() {
            self.checked_by_peer(now, check);
        } else if self.early.len() < MAX_EARLY && !self.early.contains(&check) {
            self.early.push(check);
        }
    }

    /// Whether a request is for us, by its user name `OURS:THEIRS` (RFC 8445 §7.2.2): `Some(true)` for the credentials
    /// in force, `Some(false)` for those before a restart.
    fn addressed(&self, message: &Message<'_>) -> Option<bool> {
        if !message.has_integrity() || !message.has_fingerprint() {
            return None;
        }
        let name = message.attribute(kind::USERNAME)?;
        let ours = name.split(|octet| *octet == b':').next()?;
        let is = |keyed: &Keyed| keyed.credentials.ufrag.as_bytes() == ours;
        if is(&self.local) {
            return Some(true);
        }
        self.previous.as_ref().is_some_and(is).then_some(false)
    }

    /// RFC 8445 §7.3.1.1: both have the same role; whoever has the greater tie-breaker keeps its own. `true`: we do, and
    /// the request gets 487. A lite agent is controlled and never argues with a full one.
    fn keeps_role_against(&mut self, message: &Message<'_>) -> bool {
        if self.lite || self.remote.is_none() {
            return false;
        }
        let theirs = if self.controlling {
            message.long_number(kind::ICE_CONTROLLING)
        } else {
            message.long_number(kind::ICE_CONTROLLED)
        };
        let Some(theirs) = theirs else {
            return false;
        };
        if (self.tie_breaker >= theirs) == self.controlling {
            return true;
        }
        self.switch_role();
        false
    }

    /// The peer's check was answered: its address is a candidate (RFC 8445 §7.3.1.3), we check it ourselves (§7.3.1.4),
    /// and it may have chosen the pair (§7.3.1.5).
    pub(super) fn checked_by_peer(&mut self, now: Instant, check: Early) {
        let Early {
            path,
            from,
            priority,
            nominates,
        } = check;
        let component = self.component_of(path.socket);
        if component > self.components {
            return;
        }
        if self.lite {
            let known = self
                .selected
                .iter_mut()
                .find(|s| s.path == path && s.remote == from);
            if let Some(selected) = known {
                selected.heard = now;
            }
            if nominates {
                self.offer_selection(now, component, path, from, priority);
            }
            return;
        }
        let candidate = Candidate {
            // Of its own: no other candidate's success tells anything about it.
            foundation: format!("prflx{from}"),
            component,
            priority: priority.max(1),
            address: from,
            kind: Kind::PeerReflexive,
            related: None,
        };
        let nominates = nominates && !self.controlling;
        self.triggered_check(now, path, &candidate, nominates);
    }
}
