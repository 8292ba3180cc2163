//! Who is nobody's user and wants to join by C3P a conference with a PIN proves by digest to know
//! it (MS-CONFBAS §3.2.4.1.2; CB-055, CB-058): the PIN is the conference key.
//!
//! The realm is the organizer, without an organizer the conference, so that a client knows which
//! key is meant; the name in the credentials can be any. Wrong keys slow their source like wrong
//! PINs. A call with a session description is not asked, as phones are asked by voice; but if it
//! shows the key, it is not asked by voice either.

use crate::access::Identity;
use crate::c3p;
use crate::caller::{Peer, Vouched};
use crate::pin::Pin;
use crate::record::ConferenceRecord;
use crate::refusal::Refusal;
use plenum_sip::auth::{Algorithm, Authenticator, Hash, Origin, Settings, Verdict};
use plenum_sip::msg::{Host, Method, Request};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// The challenge that clients of MS-CONFBAS know.
const ALGORITHM: Algorithm = Algorithm {
    hash: Hash::Md5,
    session: true,
};

/// The key of a conference, and where it is valid.
#[derive(Clone, Debug)]
pub struct ConferenceKey {
    pin: Pin,
    realm: String,
}

impl ConferenceKey {
    /// The key of this conference; `None` if it has no PIN. `host` is our name.
    pub fn of(record: &ConferenceRecord, host: &Host) -> Option<Self> {
        let organizer = record.members.organizer.as_deref();
        let realm = match organizer.and_then(|aor| aor.strip_prefix("sip:")) {
            Some(organizer) => organizer.to_owned(),
            None => format!("{}@{host}", record.name),
        };
        let pin = record.pin.clone()?;
        Some(Self { pin, realm })
    }
}

/// Whether this is somebody who can prove to know the key.
pub fn is_stranger(request: &Request, peer: &Peer) -> bool {
    request.method == Method::Invite && peer.identity == Identity::Anonymous && !peer.key
}

/// Whether a stranger with this request has to.
pub fn is_asked(request: &Request) -> bool {
    c3p::is_carried(request)
}

/// How credentials with a key were.
#[derive(Debug)]
pub enum Shown {
    /// Right: this is who showed them.
    Right(Vouched),
    /// There are none for this key.
    Nothing(Refusal),
    /// They are not fresh, or cannot be read.
    Useless(Refusal),
    /// Wrong.
    Wrong(Refusal),
}

/// Asks for keys.
#[derive(Debug)]
pub struct KeyDoor {
    authenticator: Authenticator,
}

impl KeyDoor {
    /// One that remembers the counts of `counted_nonces`.
    pub fn new(counted_nonces: usize, seed: [u8; 32], now: Instant) -> Self {
        let settings = Settings {
            algorithms: vec![ALGORITHM],
            auth_int: false,
            counted_nonces,
            ..Settings::default()
        };
        Self {
            authenticator: Authenticator::new(settings, seed, now),
        }
    }

    /// Looks at the credentials of a request of this peer.
    pub fn check(
        &mut self,
        now: Instant,
        request: &Request,
        peer: &Peer,
        key: &ConferenceKey,
    ) -> Shown {
        let realm = &key.realm;
        let secret = |name: &str, hash| Some(key.pin.ha1(hash, name, realm));
        let presented = (request, address_of(peer));
        match self.authenticator.check(now, presented, realm, secret) {
            Verdict::Granted(_) => Shown::Right(Vouched {
                aor: peer.aor.clone(),
                display: peer.display.clone(),
                identity: peer.identity,
                trusted: peer.trusted,
                phone: peer.phone,
                key: true,
                media: peer.media.clone(),
            }),
            Verdict::Absent => Shown::Nothing(self.ask(now, peer, realm, false)),
            Verdict::Stale(_) => Shown::Useless(self.ask(now, peer, realm, true)),
            Verdict::Malformed(what) => Shown::Useless(Refusal::MalformedCredentials(what)),
            Verdict::Denied { .. } => Shown::Wrong(self.ask(now, peer, realm, false)),
        }
    }

    /// What knows to whom challenges were sent.
    pub fn origin(&self) -> Origin {
        self.authenticator.origin()
    }

    /// Whether a request brings back a challenge that was sent to this address.
    pub fn is_of(&self, request: &Request, address: IpAddr) -> bool {
        self.origin().proves(request, address)
    }

    fn ask(&mut self, now: Instant, peer: &Peer, realm: &str, stale: bool) -> Refusal {
        let address = address_of(peer);
        let mut challenges = self.authenticator.challenge(now, realm, stale, address);
        challenges.pop().map_or(Refusal::Fault, Refusal::Key)
    }
}

fn address_of(peer: &Peer) -> IpAddr {
    peer.source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
