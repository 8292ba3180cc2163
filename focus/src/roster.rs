//! Who is in a conference: users, and the endpoints they are there with (RFC 4575 §5.6, §5.7).
//!
//! An endpoint is listed from its admission on, as pending; what it does in the mix (connected,
//! muted, on hold, talking) is what the mixer reports, never what somebody asked for.

use crate::caller::Peer;
use plenum_mcu::control::{EndpointId, MediaFilter};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

/// A user of one conference. Not reused within the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u64);

/// Somebody, with everything they are there with (RFC 4575 §5.6).
#[derive(Clone, Debug)]
pub struct User {
    /// Who, within the conference.
    pub id: UserId,
    /// The address of record; `None` for somebody anonymous.
    pub aor: Option<String>,
    /// The display name, as the latest endpoint gave it.
    pub display: Option<String>,
    /// Their endpoints, in the order they came.
    pub endpoints: Vec<EndpointId>,
    key: Option<UserKey>,
}

/// One endpoint of a user (RFC 4575 §5.7).
#[derive(Clone, Debug)]
pub struct Participant {
    /// Its id, the same in the mixer.
    pub id: EndpointId,
    /// Whose it is.
    pub user: UserId,
    /// Who called whom.
    pub joining: JoiningMethod,
    /// Where it is.
    pub status: EndpointStatus,
    /// When it came into the mix.
    pub joined_at: Option<Instant>,
    /// What passes between it and the mix.
    pub filter: MediaFilter,
    /// It put us on hold.
    pub on_hold: bool,
    /// It is talking.
    pub talking: bool,
}

/// The values of `joining-method` (RFC 4575 §5.7.4) that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoiningMethod {
    /// It called the conference.
    DialedIn,
    /// The conference called it.
    DialedOut,
}

/// The values of endpoint `status` (RFC 4575 §5.7.2) that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointStatus {
    /// Admitted, not yet in the mix: the call is being set up, or it is asked for the PIN.
    Pending,
    /// Being called.
    DialingOut,
    /// Being called, and it rings.
    Alerting,
    /// In the mix.
    Connected,
    /// On its way out.
    Disconnecting,
}

/// Everybody in a conference.
#[derive(Debug, Default)]
pub struct Roster {
    users: BTreeMap<UserId, User>,
    keys: BTreeMap<UserKey, UserId>,
    endpoints: BTreeMap<EndpointId, Participant>,
    in_mix: usize,
    last_user: u64,
    version: u64,
}

/// What makes two calls calls of one user: the same address of record, and where that cannot be
/// believed, the same source address too, so that nobody becomes somebody else by claiming it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UserKey {
    aor: String,
    source: Option<IpAddr>,
}

impl UserKey {
    fn of(aor: Option<&String>, peer: &Peer) -> Option<Self> {
        let source = if peer.trusted { None } else { peer.source };
        aor.map(|aor| Self {
            aor: aor.clone(),
            source,
        })
    }
}

impl Roster {
    /// The endpoints this peer is already there with.
    pub fn endpoints_of(&self, peer: &Peer) -> &[EndpointId] {
        UserKey::of(peer.aor.as_ref(), peer)
            .and_then(|key| self.keys.get(&key))
            .and_then(|user| self.users.get(user))
            .map_or(&[], |user| &user.endpoints)
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// Every user, in the order they came.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// An endpoint by id.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Participant> {
        self.endpoints.get(&id)
    }

    /// Every endpoint, in the order they came.
    pub fn endpoints(&self) -> impl Iterator<Item = &Participant> {
        self.endpoints.values()
    }

    /// Endpoints, those on their way in and out included.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether nobody is there, nor on the way in or out.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Endpoints in the mix.
    pub fn in_mix(&self) -> usize {
        self.in_mix
    }

    /// The one endpoint in the mix, if it is one.
    pub fn alone(&self) -> Option<EndpointId> {
        if self.in_mix != 1 {
            return None;
        }
        let mut connected = self
            .endpoints()
            .filter(|endpoint| endpoint.status == EndpointStatus::Connected);
        connected.next().map(|endpoint| endpoint.id)
    }

    /// Rises with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn admit(&mut self, id: EndpointId, peer: &Peer, joining: JoiningMethod) -> UserId {
        let key = UserKey::of(peer.aor.as_ref(), peer);
        let known = key.as_ref().and_then(|key| self.keys.get(key)).copied();
        let user_id = known.unwrap_or(UserId(self.last_user + 1));
        self.last_user = self.last_user.max(user_id.0);
        let user = self.users.entry(user_id).or_insert_with(|| User {
            id: user_id,
            aor: peer.aor.clone(),
            display: None,
            endpoints: Vec::new(),
            key: key.clone(),
        });
        user.display = peer.display.clone().or_else(|| user.display.take());
        user.endpoints.push(id);
        if let Some(key) = key {
            self.keys.insert(key, user_id);
        }
        let status = match joining {
            JoiningMethod::DialedIn => EndpointStatus::Pending,
            JoiningMethod::DialedOut => EndpointStatus::DialingOut,
        };
        self.endpoints.insert(
            id,
            Participant {
                id,
                user: user_id,
                joining,
                status,
                joined_at: None,
                filter: MediaFilter::default(),
                on_hold: false,
                talking: false,
            },
        );
        self.version += 1;
        user_id
    }

    pub(crate) fn set_status(&mut self, now: Instant, id: EndpointId, status: EndpointStatus) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        if endpoint.status == status {
            return;
        }
        let was = endpoint.status == EndpointStatus::Connected;
        let is = status == EndpointStatus::Connected;
        endpoint.status = status;
        if is {
            endpoint.joined_at.get_or_insert(now);
        } else {
            endpoint.talking = false;
        }
        self.in_mix = self.in_mix + usize::from(is) - usize::from(was);
        self.version += 1;
    }

    /// What the mixer reports of the media. Whether anything is different now.
    pub(crate) fn set_media(&mut self, id: EndpointId, filter: MediaFilter, on_hold: bool) -> bool {
        self.change(id, |endpoint| {
            let different = endpoint.filter != filter || endpoint.on_hold != on_hold;
            endpoint.filter = filter;
            endpoint.on_hold = on_hold;
            different
        })
    }

    /// What the mixer reports of talking. Whether anything is different now.
    pub(crate) fn set_talking(&mut self, id: EndpointId, talking: bool) -> bool {
        self.change(id, |endpoint| {
            let talking = talking && endpoint.status == EndpointStatus::Connected;
            std::mem::replace(&mut endpoint.talking, talking) != talking
        })
    }

    pub(crate) fn remove(&mut self, now: Instant, id: EndpointId) -> Option<(Participant, User)> {
        self.set_status(now, id, EndpointStatus::Disconnecting);
        let endpoint = self.endpoints.remove(&id)?;
        let user = self.users.get_mut(&endpoint.user)?;
        user.endpoints.retain(|&other| other != id);
        let user = user.clone();
        if user.endpoints.is_empty() {
            self.users.remove(&user.id);
            if let Some(key) = &user.key {
                self.keys.remove(key);
            }
        }
        self.version += 1;
        Some((endpoint, user))
    }

    fn change(&mut self, id: EndpointId, change: impl FnOnce(&mut Participant) -> bool) -> bool {
        let different = self.endpoints.get_mut(&id).is_some_and(change);
        self.version += u64::from(different);
        different
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::instant;

    fn peer(aor: &str, source: u8, trusted: bool) -> Peer {
        Peer {
            aor: (!aor.is_empty()).then(|| aor.into()),
            display: None,
            source: Some(IpAddr::from([192, 0, 2, source])),
            reached_at: None,
            trusted,
            uri: None,
        }
    }

    #[test]
    fn rfc4575_5_6_two_calls_of_one_user_are_two_endpoints() {
        let mut roster = Roster::default();
        let bob = peer("sip:bob@example.com", 1, true);
        let first = roster.admit(EndpointId(1), &bob, JoiningMethod::DialedIn);
        let elsewhere = peer("sip:bob@example.com", 2, true);
        let second = roster.admit(EndpointId(2), &elsewhere, JoiningMethod::DialedIn);
        assert_eq!(first, second);
        assert_eq!(roster.endpoints_of(&bob), [EndpointId(1), EndpointId(2)]);
        roster.remove(instant(), EndpointId(1));
        assert_eq!(roster.users().count(), 1);
        roster.remove(instant(), EndpointId(2));
        assert_eq!(roster.users().count(), 0);
        assert_ne!(
            roster.admit(EndpointId(3), &bob, JoiningMethod::DialedIn),
            first
        );
    }

    #[test]
    fn a_claimed_identity_is_believed_from_the_same_address_only() {
        let mut roster = Roster::default();
        let bob = roster.admit(
            EndpointId(1),
            &peer("sip:bob@example.com", 1, false),
            JoiningMethod::DialedIn,
        );
        let mallory = peer("sip:bob@example.com", 2, false);
        assert_eq!(roster.endpoints_of(&mallory), []);
        assert_ne!(
            roster.admit(EndpointId(2), &mallory, JoiningMethod::DialedIn),
            bob
        );
        let anonymous = peer("", 1, true);
        let one = roster.admit(EndpointId(3), &anonymous, JoiningMethod::DialedIn);
        assert_ne!(
            roster.admit(EndpointId(4), &anonymous, JoiningMethod::DialedIn),
            one
        );
    }

    #[test]
    fn the_one_in_the_mix_is_alone() {
        let (mut roster, now) = (Roster::default(), instant());
        for n in 1..=3 {
            roster.admit(EndpointId(n), &peer("", 1, true), JoiningMethod::DialedIn);
        }
        assert_eq!(roster.alone(), None);
        roster.set_status(now, EndpointId(2), EndpointStatus::Connected);
        assert_eq!(roster.alone(), Some(EndpointId(2)));
        roster.set_status(now, EndpointId(3), EndpointStatus::Connected);
        assert_eq!(roster.alone(), None);
        assert!(roster.set_talking(EndpointId(3), true));
        assert!(!roster.set_talking(EndpointId(3), true));
        roster.set_status(now, EndpointId(3), EndpointStatus::Disconnecting);
        assert!(!roster.endpoint(EndpointId(3)).unwrap().talking);
        assert_eq!(roster.alone(), Some(EndpointId(2)));
    }
}
