//! Conference keys at the door of the directory (MS-CONFBAS §3.2.4.1.2).

use crate::caller::{Peer, Vouched};
use crate::key_door::{ConferenceKey, Shown, is_asked, is_stranger};
use crate::output::ConferenceEvent;
use crate::pin_guard::{Asked, PinOutcome};
use crate::record::ConferenceName;
use crate::refusal::Refusal;
use crate::shell::{Inner, NOBODY};
use plenum_sip::msg::{HeaderName, Request};
use std::net::IpAddr;
use std::time::Instant;

impl Inner {
    /// CB-058: who nobody knows proves to know the key, where there is one, before anything
    /// becomes active.
    pub(super) fn prove_key(
        &self,
        now: Instant,
        request: &Request,
        peer: &Peer,
        name: &ConferenceName,
    ) -> Result<Option<Vouched>, Refusal> {
        let (Some(source), true) = (peer.source, is_stranger(request, peer)) else {
            return Ok(None);
        };
        let Some(key) = self.key_of(name, source) else {
            return Ok(None);
        };
        self.ask_key(now, request, peer, &key)
    }

    /// The key of a conference, whether it is active or not.
    fn key_of(&self, name: &ConferenceName, source: IpAddr) -> Option<ConferenceKey> {
        let door = self.door();
        if let Some(entry) = self.names.get(name) {
            return entry.key.clone();
        }
        // Why it cannot be called is said later.
        let record = door.factory.lookup(name, source).ok()?;
        ConferenceKey::of(&record, &door.settings.host)
    }

    /// Looks at what they show, and remembers who guesses.
    fn ask_key(
        &self,
        now: Instant,
        request: &Request,
        peer: &Peer,
        key: &ConferenceKey,
    ) -> Result<Option<Vouched>, Refusal> {
        let mut door = self.door();
        let address = peer.source.ok_or(Refusal::Fault)?;
        let source = address.into();
        let asked = is_asked(request);
        if !asked && !request.headers.has(&HeaderName::Authorization) {
            return Ok(None);
        }
        door.guards
            .of(Asked::Pin)
            .peek(now, source)
            .map_err(Refusal::PinGuard)?;
        match door.keys.check(now, request, peer, key) {
            Shown::Right(vouched) => {
                let proven = door.keys.is_of(request, address);
                drop(door);
                self.tell_key(address, PinOutcome::Right, proven);
                Ok(Some(vouched))
            }
            Shown::Nothing(_) if !asked => Ok(None),
            Shown::Nothing(refusal) | Shown::Useless(refusal) => Err(refusal),
            Shown::Wrong(refusal) => {
                door.settings.metrics.pin_failures.inc();
                door.guards.of(Asked::Pin).handle_failure(now, source);
                let proven = door.keys.is_of(request, address);
                drop(door);
                self.tell_key(address, PinOutcome::Wrong(1), proven);
                Err(refusal)
            }
        }
    }

    /// Somebody has shown a key.
    fn tell_key(&self, source: IpAddr, outcome: PinOutcome, proven: bool) {
        let shown = ConferenceEvent::PinSettled {
            source,
            outcome,
            proven,
        };
        self.connections.events.event(NOBODY, &shown);
    }
}
