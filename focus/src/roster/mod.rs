//! Who is in a conference: users, and the endpoints they are there with (RFC 4575 §5.6, §5.7).
//!
//! An endpoint is listed from its admission on, as pending; what it does in the mix (connected,
//! muted, on hold, talking) is what the mixer reports, never what somebody asked for.

use crate::caller::{Peer, entity, short};
use crate::info::Role;
use plenum_mcu::control::{EndpointId, EndpointVideo, MediaFilter, PaneContent, VideoMedia};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The display name, as the latest endpoint gave it, unless they were renamed.
    pub display: Option<String>,
    /// Somebody in the conference chose the display name (CB-247.9).
    pub renamed: bool,
    /// What documents call them: a SIP URI, unique in the conference.
    pub entity: String,
    /// What they may do.
    pub role: Role,
    /// Who endorsed them last: a SIP URI and a name (CB-078).
    pub endorser: Option<(String, String)>,
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
    /// What it is connected to.
    pub session: SessionType,
    /// Who called whom.
    pub joining: JoiningMethod,
    /// Where it is.
    pub status: EndpointStatus,
    /// When it was admitted, called or made to wait.
    pub since: Instant,
    /// When it came into the mix.
    pub joined_at: Option<Instant>,
    /// What passes between it and the mix.
    pub filter: MediaFilter,
    /// It put us on hold.
    pub on_hold: bool,
    /// It says that it sends nothing.
    pub silent: bool,
    /// It is talking.
    pub talking: bool,
    /// What was agreed on about its video, if it has any.
    pub video: Option<VideoMedia>,
    /// How it is seen, and what it sees.
    pub looks: EndpointVideo,
    /// What the panes of its picture show.
    pub seen: Vec<PaneContent>,
    /// And about its slides.
    pub content: Option<VideoMedia>,
    /// It shows slides to all.
    pub presenting: bool,
}

/// What an endpoint is connected to (CB-120, CB-123).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionType {
    /// The focus itself: signalling without media.
    Focus,
    /// The audio and video mixer.
    AudioVideo,
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
    /// Waits in the lobby (CB-120).
    OnHold,
    /// In the mix; at the focus: in the conference.
    Connected,
    /// On its way out.
    Disconnecting,
}

/// Everybody in a conference.
#[derive(Debug, Default)]
pub struct Roster {
    users: BTreeMap<UserId, User>,
    keys: BTreeMap<UserKey, UserId>,
    entities: BTreeMap<String, UserId>,
    changed: BTreeSet<UserId>,
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
        let mut connected = self.endpoints().filter(|endpoint| {
            endpoint.session == SessionType::AudioVideo
                && endpoint.status == EndpointStatus::Connected
        });
        connected.next().map(|endpoint| endpoint.id)
    }

    /// Rises with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A user by what documents call them.
    pub fn by_entity(&self, entity: &str) -> Option<&User> {
        self.users.get(self.entities.get(entity)?)
    }

    /// The user of this peer, if there already.
    pub fn user_of(&self, peer: &Peer) -> Option<&User> {
        let key = UserKey::of(peer.aor.as_ref(), peer)?;
        self.users.get(self.keys.get(&key)?)
    }

    /// How many places are taken: each endpoint in the mix or on its way there is one, and each
    /// user who is there without one is one. Who waits in the lobby takes none.
    pub fn places(&self) -> usize {
        let of_user = |user: &User| {
            let ours = user
                .endpoints
                .iter()
                .filter_map(|id| self.endpoints.get(id));
            let inside = ours.filter(|endpoint| endpoint.status != EndpointStatus::OnHold);
            let (mut media, mut focus) = (0, 0);
            for endpoint in inside {
                match endpoint.session {
                    SessionType::Focus => focus = 1,
                    SessionType::AudioVideo => media += 1,
                }
            }
            focus.max(media)
        };
        self.users.values().map(of_user).sum()
    }

    /// Endpoints that wait in the lobby.
    pub fn waiting(&self) -> impl Iterator<Item = &Participant> {
        self.endpoints()
            .filter(|endpoint| endpoint.status == EndpointStatus::OnHold)
    }

    /// Whether a presenter is in the conference.
    pub fn is_led(&self) -> bool {
        let inside = |id: &EndpointId| {
            let status = self.endpoints.get(id).map(|endpoint| endpoint.status);
            status == Some(EndpointStatus::Connected)
        };
        let led = |user: &User| user.role == Role::Presenter && user.endpoints.iter().any(inside);
        self.users.values().any(led)
    }

    pub(crate) fn admit(
        &mut self,
        id: EndpointId,
        peer: &Peer,
        session: SessionType,
        joining: JoiningMethod,
        role: Role,
        now: Instant,
    ) -> UserId {
        let key = UserKey::of(peer.aor.as_ref(), peer);
        let known = key.as_ref().and_then(|key| self.keys.get(key)).copied();
        let user_id = known.unwrap_or(UserId(self.last_user + 1));
        self.last_user = self.last_user.max(user_id.0);
        if known.is_none() {
            let entity = self.name(user_id, peer);
            self.entities.insert(entity.clone(), user_id);
            let user = User {
                id: user_id,
                aor: peer.aor.clone(),
                display: None,
                renamed: false,
                entity,
                role,
                endorser: None,
                endpoints: Vec::new(),
                key: key.clone(),
            };
            self.users.insert(user_id, user);
        }
        let Some(user) = self.users.get_mut(&user_id) else {
            return user_id;
        };
        if !user.renamed {
            user.display = peer.display.clone().or_else(|| user.display.take());
        }
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
                session,
                joining,
                status,
                since: now,
                joined_at: None,
                filter: MediaFilter::default(),
                on_hold: false,
                silent: false,
                talking: false,
                content: None,
                presenting: false,
                video: None,
                looks: EndpointVideo::default(),
                seen: Vec::new(),
            },
        );
        self.touch(user_id);
        user_id
    }

    /// What documents call a new user: the address of record, unless somebody has it already. Who
    /// can be believed takes it from somebody who cannot.
    fn name(&mut self, id: UserId, peer: &Peer) -> String {
        let stand_in = |id: UserId| format!("sip:guest-{}@anonymous.invalid", id.0);
        let Some(aor) = peer.aor.as_deref().map(entity) else {
            return stand_in(id);
        };
        let holder = self.entities.get(&aor).copied();
        let Some(holder) = holder.and_then(|holder| self.users.get_mut(&holder)) else {
            return aor;
        };
        let believed = holder.key.as_ref().is_none_or(|key| key.source.is_none());
        if believed || !peer.trusted {
            return stand_in(id);
        }
        let (other, name) = (holder.id, stand_in(holder.id));
        holder.entity.clone_from(&name);
        self.entities.insert(name, other);
        self.touch(other);
        aor
    }

    pub(crate) fn set_role(&mut self, id: UserId, role: Role) -> bool {
        self.change_user(id, |user| std::mem::replace(&mut user.role, role) != role)
    }

    pub(crate) fn set_endorser(&mut self, id: UserId, endorser: (String, String)) -> bool {
        self.change_user(id, |user| {
            let different = user.endorser.as_ref() != Some(&endorser);
            user.endorser = Some(endorser);
            different
        })
    }

    /// What an endpoint that joins calls its user.
    pub(crate) fn set_display(&mut self, id: UserId, display: String) -> bool {
        let display = short(display);
        self.change_user(id, |user| {
            let different = !user.renamed && user.display.as_ref() != Some(&display);
            if different {
                user.display = Some(display);
            }
            different
        })
    }

    /// What somebody is called from now on, whatever endpoints of theirs say.
    pub(crate) fn rename(&mut self, id: UserId, display: String) -> bool {
        let display = short(display);
        self.change_user(id, |user| {
            user.renamed = true;
            let different = user.display.as_ref() != Some(&display);
            user.display = Some(display);
            different
        })
    }

    /// Something of the user is different that the roster does not know itself.
    pub(crate) fn touch(&mut self, id: UserId) {
        self.version += 1;
        self.changed.insert(id);
    }

    /// The users that changed since the last time.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<UserId> {
        std::mem::take(&mut self.changed)
    }

    fn change_user(&mut self, id: UserId, change: impl FnOnce(&mut User) -> bool) -> bool {
        let different = self.users.get_mut(&id).is_some_and(change);
        if different {
            self.touch(id);
        }
        different
    }

    pub(crate) fn set_status(&mut self, now: Instant, id: EndpointId, status: EndpointStatus) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        if endpoint.status == status {
            return;
        }
        let mixed = endpoint.session == SessionType::AudioVideo;
        let was = mixed && endpoint.status == EndpointStatus::Connected;
        let is = mixed && status == EndpointStatus::Connected;
        endpoint.status = status;
        if status == EndpointStatus::Connected {
            endpoint.joined_at.get_or_insert(now);
        } else {
            endpoint.talking = false;
        }
        let user = endpoint.user;
        self.in_mix = self.in_mix + usize::from(is) - usize::from(was);
        self.touch(user);
    }

    /// What the mixer reports of the media. Whether anything is different now.
    pub(crate) fn set_media(
        &mut self,
        id: EndpointId,
        filter: MediaFilter,
        on_hold: bool,
        silent: bool,
    ) -> bool {
        self.change(id, |endpoint| {
            let before = (endpoint.filter, endpoint.on_hold, endpoint.silent);
            (endpoint.filter, endpoint.on_hold, endpoint.silent) = (filter, on_hold, silent);
            before != (filter, on_hold, silent)
        })
    }

    /// Whether anybody has video.
    pub(crate) fn has_video(&self) -> bool {
        self.endpoints.values().any(|one| one.video.is_some())
    }

    /// What the mixer reports of video. Whether anything is different now.
    pub(crate) fn set_video(&mut self, id: EndpointId, video: Option<VideoMedia>) -> bool {
        self.change(id, |endpoint| {
            if video.is_none_or(|video| !video.receives) {
                endpoint.seen.clear();
            }
            std::mem::replace(&mut endpoint.video, video) != video
        })
    }

    /// How an endpoint is seen from now on, and what it sees.
    pub(crate) fn set_looks(&mut self, id: EndpointId, looks: EndpointVideo) {
        self.change(id, |endpoint| {
            let different = endpoint.looks != looks;
            endpoint.looks = looks;
            different
        });
    }

    /// What the mixer reports of the panes an endpoint sees.
    pub(crate) fn set_seen(&mut self, id: EndpointId, panes: Vec<PaneContent>) {
        self.change(id, |endpoint| {
            let different = endpoint.seen != panes;
            endpoint.seen = panes;
            different
        });
    }

    /// Whether anybody has slides.
    pub(crate) fn has_content(&self) -> bool {
        self.endpoints.values().any(|one| one.content.is_some())
    }

    /// What the mixer reports of slides. Whether anything is different now.
    pub(crate) fn set_content(&mut self, id: EndpointId, content: Option<VideoMedia>) -> bool {
        self.change(id, |endpoint| {
            std::mem::replace(&mut endpoint.content, content) != content
        })
    }

    /// Who shows slides.
    pub(crate) fn presenter(&self) -> Option<EndpointId> {
        let mut all = self.endpoints.values();
        all.find(|one| one.presenting).map(|one| one.id)
    }

    /// Somebody else shows slides, or nobody. Whether anything is different now.
    pub(crate) fn set_presenter(&mut self, id: Option<EndpointId>) -> bool {
        let all: Vec<EndpointId> = self.endpoints.keys().copied().collect();
        let mut different = false;
        for one in all {
            different |= self.change(one, |endpoint| {
                let presents = Some(one) == id;
                std::mem::replace(&mut endpoint.presenting, presents) != presents
            });
        }
        different
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
            self.entities.remove(&user.entity);
            if let Some(key) = &user.key {
                self.keys.remove(key);
            }
        }
        self.touch(user.id);
        Some((endpoint, user))
    }

    fn change(&mut self, id: EndpointId, change: impl FnOnce(&mut Participant) -> bool) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return false;
        };
        let different = change(endpoint);
        let user = endpoint.user;
        if different {
            self.touch(user);
        }
        different
    }
}

#[cfg(test)]
mod tests;
