//! Who has the floor and who waits (RFC 8855 §4.1, figure 3: the states of a request).
//!
//! | request is | asked for | given back | taken away | its turn comes |
//! |---|---|---|---|---|
//! | new | granted, or accepted while another holds it and nobody may take it | | | |
//! | accepted | | cancelled | | granted |
//! | granted | | released | revoked | |
//!
//! Somebody above may give the floor to a user, too: by the request that waits, or by one that the user did not make
//! (RFC 8855 §4.1 has requests of third parties). Who asks for what was given so is told that it is granted.

use plenum_media::bfcp::RequestStatus;
use std::collections::VecDeque;

/// What happens when somebody asks for the floor that another one has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloorPolicy {
    /// It goes over at once.
    #[default]
    TakeOver,
    /// Whoever asks waits until it is given back.
    Queue,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: u16,
    pub(super) user: u16,
}

/// How a request stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) request: Request,
    pub(super) status: RequestStatus,
    /// The place in the queue, from 1; 0 where there is none.
    pub(super) position: u8,
}

/// The user has a request already, or too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// One floor.
#[derive(Debug)]
pub(super) struct Floor {
    policy: FloorPolicy,
    most: usize,
    last: u16,
    holder: Option<Request>,
    /// The holder has not asked for it.
    given: bool,
    waiting: VecDeque<Request>,
}

impl Floor {
    /// Nobody's. `most`: requests that may wait.
    pub(super) const fn new(policy: FloorPolicy, most: usize) -> Self {
        Self {
            policy,
            most,
            last: 0,
            holder: None,
            given: false,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn holder(&self) -> Option<u16> {
        self.holder.map(|request| request.user)
    }

    /// Every request there is and how it stands: the holder's first.
    pub(super) fn standing(&self) -> Vec<Change> {
        let held = self.holder.map(|request| Change {
            request,
            status: RequestStatus::Granted,
            position: 0,
        });
        held.into_iter().chain(self.places()).collect()
    }

    /// Somebody asks. The last change is that of the request itself.
    pub(super) fn request(&mut self, user: u16) -> Result<Vec<Change>, TooMany> {
        if let Some(request) = self.holder.filter(|one| self.given && one.user == user) {
            self.given = false;
            return Ok(vec![granted(request)]);
        }
        if self.of(user).is_some() {
            return Err(TooMany);
        }
        let request = Request {
            id: self.next_id(),
            user,
        };
        match (self.holder, self.policy) {
            (None, _) => {
                self.hold(request, false);
                Ok(vec![granted(request)])
            }
            (Some(before), FloorPolicy::TakeOver) => {
                self.hold(request, false);
                Ok(vec![revoked(before), granted(request)])
            }
            (Some(_), FloorPolicy::Queue) => {
                if self.waiting.len() >= self.most {
                    return Err(TooMany);
                }
                self.waiting.push_back(request);
                let accepted = self.places().pop();
                Ok(accepted.into_iter().collect())
            }
        }
    }

    /// Somebody gives a request back, or leaves. The first change is that of the request itself; none, if there is no
    /// such request of this user. `id`: which one; `None`: any.
    pub(super) fn give_back(&mut self, user: u16, id: Option<u16>) -> Vec<Change> {
        let same = |one: &Request| one.user == user && id.is_none_or(|id| one.id == id);
        if let Some(request) = self.holder.take_if(|one| same(one)) {
            return self.end(request, RequestStatus::Released);
        }
        let Some(request) = self.waiting.iter().copied().find(|one| same(one)) else {
            return Vec::new();
        };
        self.waiting.retain(|one| *one != request);
        let cancelled = Change {
            request,
            status: RequestStatus::Cancelled,
            position: 0,
        };
        std::iter::once(cancelled).chain(self.places()).collect()
    }

    /// Somebody above gives the floor to a user, of whoever has it. Nothing changes where that is the same.
    pub(super) fn give(&mut self, user: u16) -> Vec<Change> {
        if self.holder() == Some(user) {
            return Vec::new();
        }
        let before = self.holder.map(revoked);
        let asked = self.waiting.iter().copied().find(|one| one.user == user);
        let request = asked.unwrap_or_else(|| Request {
            id: self.next_id(),
            user,
        });
        self.waiting.retain(|one| *one != request);
        self.hold(request, asked.is_none());
        let changes = before.into_iter().chain([granted(request)]);
        changes.chain(self.places()).collect()
    }

    fn hold(&mut self, request: Request, given: bool) {
        self.holder = Some(request);
        self.given = given;
    }

    /// Somebody above takes the floor away.
    pub(super) fn revoke(&mut self) -> Vec<Change> {
        let holder = self.holder.take();
        holder.map_or_else(Vec::new, |request| {
            self.end(request, RequestStatus::Revoked)
        })
    }

    /// The floor is free: whoever waited longest has it.
    fn end(&mut self, request: Request, status: RequestStatus) -> Vec<Change> {
        self.holder = self.waiting.pop_front();
        self.given = false;
        let ended = Change {
            request,
            status,
            position: 0,
        };
        std::iter::once(ended).chain(self.standing()).collect()
    }

    fn places(&self) -> Vec<Change> {
        let places = (1_u8..=u8::MAX).chain(std::iter::repeat(u8::MAX));
        let waiting = self.waiting.iter().zip(places);
        waiting
            .map(|(request, position)| Change {
                request: *request,
                status: RequestStatus::Accepted,
                position,
            })
            .collect()
    }

    fn of(&self, user: u16) -> Option<&Request> {
        let mut all = self.holder.iter().chain(&self.waiting);
        all.find(|request| request.user == user)
    }

    fn next_id(&mut self) -> u16 {
        let taken = |floor: &Self, id: u16| {
            let mut all = floor.holder.iter().chain(&floor.waiting);
            all.any(|request| request.id == id)
        };
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            // There are fewer requests than numbers.
            if !taken(self, self.last) {
                return self.last;
            }
        }
    }
}

fn granted(request: Request) -> Change {
    Change {
        request,
        status: RequestStatus::Granted,
        position: 0,
    }
}

fn revoked(request: Request) -> Change {
    Change {
        request,
        status: RequestStatus::Revoked,
        position: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(changes: &[Change]) -> Vec<(u16, RequestStatus, u8)> {
        let each = changes.iter();
        each.map(|one| (one.request.user, one.status, one.position))
            .collect()
    }

    #[test]
    fn rfc8855_4_1_whoever_asks_takes_over_or_waits() {
        use RequestStatus::{Accepted, Cancelled, Granted, Released, Revoked};
        let mut floor = Floor::new(FloorPolicy::TakeOver, 8);
        assert_eq!(said(&floor.request(1).unwrap()), [(1, Granted, 0)]);
        let over = floor.request(2).unwrap();
        assert_eq!(said(&over), [(1, Revoked, 0), (2, Granted, 0)]);
        assert_eq!(said(&floor.give_back(2, None)), [(2, Released, 0)]);
        assert_eq!(floor.holder(), None);

        let mut floor = Floor::new(FloorPolicy::Queue, 2);
        floor.request(1).unwrap();
        assert_eq!(said(&floor.request(2).unwrap()), [(2, Accepted, 1)]);
        assert_eq!(said(&floor.request(3).unwrap()), [(3, Accepted, 2)]);
        assert_eq!(floor.request(4), Err(TooMany));
        assert_eq!(floor.request(2), Err(TooMany));
        let left = floor.give_back(2, None);
        assert_eq!(said(&left), [(2, Cancelled, 0), (3, Accepted, 1)]);
        assert_eq!(said(&floor.revoke()), [(1, Revoked, 0), (3, Granted, 0)]);
        assert!(floor.give_back(3, Some(99)).is_empty());
        assert_eq!(floor.holder(), Some(3));
    }

    #[test]
    fn rfc8855_4_1_somebody_above_gives_the_floor_to_whoever_waits_or_has_not_asked() {
        use RequestStatus::{Accepted, Granted, Released, Revoked};
        let mut floor = Floor::new(FloorPolicy::Queue, 8);
        floor.request(1).unwrap();
        floor.request(2).unwrap();
        floor.request(3).unwrap();
        let given = floor.give(3);
        assert_eq!(
            said(&given),
            [(1, Revoked, 0), (3, Granted, 0), (2, Accepted, 1)]
        );
        assert!(floor.give(3).is_empty());
        assert_eq!(floor.request(3), Err(TooMany), "it has asked");
        assert_eq!(
            said(&floor.give(4)),
            [(3, Revoked, 0), (4, Granted, 0), (2, Accepted, 1)]
        );
        let id = floor.standing()[0].request.id;
        let asked = floor.request(4).unwrap();
        assert_eq!(said(&asked), [(4, Granted, 0)]);
        assert_eq!(asked[0].request.id, id);
        assert_eq!(floor.request(4), Err(TooMany));
        let back = floor.give_back(4, Some(id));
        assert_eq!(said(&back), [(4, Released, 0), (2, Granted, 0)]);
    }

    proptest! {
        #[test]
        fn one_holds_it_nobody_twice_and_none_waits_for_a_free_floor(
            steps in proptest::collection::vec((0_u8..4, 1_u16..6), 0..60),
            queued: bool,
        ) {
            let policy = if queued { FloorPolicy::Queue } else { FloorPolicy::TakeOver };
            let mut floor = Floor::new(policy, 3);
            for (what, user) in steps {
                match what {
                    0 => drop(floor.request(user)),
                    1 => drop(floor.give_back(user, None)),
                    2 => drop(floor.give(user)),
                    _ => drop(floor.revoke()),
                }
                let standing = floor.standing();
                let mut users: Vec<u16> = standing.iter().map(|one| one.request.user).collect();
                users.sort_unstable();
                users.dedup();
                prop_assert_eq!(users.len(), standing.len());
                prop_assert_eq!(standing.is_empty(), floor.holder().is_none());
                prop_assert!(standing.len() <= 4);
            }
        }
    }
}
