//! The devices of a user, group after group (RFC 3261 §16.6, RFC 5626 §5.3): those of the highest q
//! ring together, the next when all of these have failed.

use plenum_sip::endpoint::{Branch, Invite, InviteId};
use plenum_sip::registrar::Reached;
use std::collections::{BTreeMap, VecDeque};

/// The calls that have further devices to ring.
#[derive(Debug, Default)]
pub(super) struct Ringing(BTreeMap<InviteId, VecDeque<Invite>>);

impl Ringing {
    /// The call of the first group, and those of the others; `None` if there is nobody.
    pub(super) fn split(
        invite: Invite,
        groups: Vec<Vec<Reached>>,
    ) -> Option<(Invite, VecDeque<Invite>)> {
        let last = groups.len().saturating_sub(1);
        let calls = groups.into_iter().enumerate().filter_map(|(at, group)| {
            let mut call = invite.clone();
            let mut devices = group.into_iter();
            let first = devices.next()?;
            call.uri = first.uri;
            call.route = first.route;
            call.reach.ways = first.ways;
            call.reach.another_way = at < last;
            call.reach.forks = devices.map(branch).collect();
            Some(call)
        });
        let mut calls: VecDeque<Invite> = calls.collect();
        let first = calls.pop_front()?;
        Some((first, calls))
    }

    pub(super) fn remember(&mut self, id: InviteId, rest: VecDeque<Invite>) {
        if !rest.is_empty() {
            self.0.insert(id, rest);
        }
    }

    /// The next group of a call that failed.
    pub(super) fn next(&mut self, id: InviteId) -> Option<Invite> {
        let rest = self.0.get_mut(&id)?;
        let next = rest.pop_front();
        if rest.is_empty() {
            self.0.remove(&id);
        }
        next
    }

    pub(super) fn forget(&mut self, id: InviteId) {
        self.0.remove(&id);
    }
}

fn branch(device: Reached) -> Branch {
    Branch {
        uri: device.uri,
        route: device.route,
        ways: device.ways,
    }
}
