//! Random lives of a conference that is steered and watched: participants by C3P and by phone,
//! a lobby, commands of those who may and those who may not, and subscribers that are slow.
//!
//! Whatever happens, what a subscriber has put together from partial documents is what the next
//! full one says; every command has one final answer; and in the end nothing is left.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{AdmissionPolicy, Members, Role, ServerMode};
use plenum_focus::c3p::{Code, Command, LobbyAccess};
use plenum_focus::output::SipAction;
use plenum_focus::record::ConferenceRecord;
use plenum_sip::endpoint::{EndCause, Event, InviteId, NotifierEvent, SubscriptionEnd};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::c3p::*;
use support::commands::*;
use support::watch::*;
use support::*;

#[derive(Clone, Debug)]
enum Op {
    Join {
        user: usize,
    },
    Phone {
        user: usize,
    },
    Leave {
        which: usize,
    },
    Subscribe {
        which: usize,
        quick: bool,
    },
    Deliver {
        which: usize,
    },
    Refresh {
        which: usize,
    },
    Command {
        which: usize,
        about: usize,
        what: usize,
    },
    Pass {
        millis: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (which, user) = (0..8_usize, 0..5_usize);
    let commands = (which.clone(), user.clone(), 0..9_usize);
    prop_oneof![
        4 => user.clone().prop_map(|user| Op::Join { user }),
        3 => user.prop_map(|user| Op::Phone { user }),
        2 => which.clone().prop_map(|which| Op::Leave { which }),
        3 => (which.clone(), any::<bool>())
            .prop_map(|(which, quick)| Op::Subscribe { which, quick }),
        5 => which.clone().prop_map(|which| Op::Deliver { which }),
        1 => which.prop_map(|which| Op::Refresh { which }),
        6 => commands.prop_map(|(which, about, what)| Op::Command { which, about, what }),
        3 => (0..250_u64).prop_map(|millis| Op::Pass { millis }),
    ]
}

const USERS: [&str; 5] = ["pia", "ann", "bob", "carl", "dora"];

#[derive(Debug, Default)]
struct Around {
    /// Calls that are up: whose, and whether they speak C3P.
    calls: BTreeMap<u64, (usize, bool)>,
    /// In which call a subscription lives.
    homes: BTreeMap<u64, u64>,
    views: Views,
    /// Final answers to commands.
    finals: usize,
    last: u64,
}

impl Around {
    /// What the peers and their endpoints make of what the focus says.
    fn take(&mut self, bench: &mut Bench) {
        loop {
            self.views.collect(bench);
            let actions = bench.actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    SipAction::Accept { id, .. } => {
                        if self.calls.contains_key(&id.0) {
                            bench.ack(id.0, None);
                        }
                    }
                    SipAction::Reject { id, .. } => self.over(bench, id.0),
                    SipAction::Bye { id, .. } => self.over(bench, id.0),
                    SipAction::Info { body, .. } => {
                        let code = read(&body.octets).code;
                        self.finals += usize::from(code != Code::Pending);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// A call has ended, and what was bound to it.
    fn over(&mut self, bench: &mut Bench, id: u64) {
        self.calls.remove(&id);
        let bound: Vec<u64> = self
            .homes
            .iter()
            .filter(|it| *it.1 == id)
            .map(|it| *it.0)
            .collect();
        for subscription in bound {
            let view = self.views.views.get_mut(&subscription).unwrap();
            if view.ended.is_none() {
                view.ended = Some("bound".into());
                let ended = NotifierEvent::Ended(SubscriptionEnd::CallEnded);
                self.views.event(bench, subscription, ended);
            }
        }
        bench.sip(Event::Ended {
            id: InviteId(id),
            cause: EndCause::Local,
        });
    }

    fn pick(&self, which: usize, c3p: Option<bool>) -> Option<(u64, usize)> {
        let calls = self
            .calls
            .iter()
            .filter(|(_, call)| c3p.is_none_or(|c3p| call.1 == c3p));
        let calls: Vec<_> = calls.map(|(id, call)| (*id, call.0)).collect();
        calls.get(which % calls.len().max(1)).copied()
    }

    fn living(&self, which: usize) -> Option<u64> {
        let living = self
            .views
            .views
            .iter()
            .filter(|(_, view)| view.ended.is_none());
        let living: Vec<u64> = living.map(|(id, _)| *id).collect();
        living.get(which % living.len().max(1)).copied()
    }

    fn apply(&mut self, bench: &mut Bench, op: &Op) {
        match *op {
            Op::Join { user } => {
                self.last += 1;
                self.calls.insert(self.last, (user, true));
                let name = USERS[user];
                let add = add_user(name, &format!("{{{}}}", self.last % 3));
                let body = c3p(1, name, Command::AddUser(add));
                bench.invite_c3p(self.last, trusted(1), join_request(name, &body));
            }
            Op::Phone { user } => {
                self.last += 1;
                self.calls.insert(self.last, (user, false));
                let uri = mcu_uri();
                bench.sip(invite(
                    self.last,
                    &uri,
                    USERS[user],
                    trusted(1),
                    Some(OFFER),
                ));
            }
            Op::Leave { which } => {
                if let Some((id, _)) = self.pick(which, None) {
                    self.over(bench, id);
                }
            }
            Op::Subscribe { which, quick } => self.subscribe(bench, which, quick),
            Op::Deliver { which } => {
                if let Some(id) = self.living(which) {
                    self.views.deliver(bench, id);
                }
            }
            Op::Refresh { which } => {
                if let Some(id) = self.living(which) {
                    self.views.refresh(bench, id);
                }
            }
            Op::Command { which, about, what } => self.command(bench, which, about, what),
            Op::Pass { millis } => bench.pass(Duration::from_millis(millis)),
        }
        self.take(bench);
    }

    fn subscribe(&mut self, bench: &mut Bench, which: usize, quick: bool) {
        let Some((id, user)) = self.pick(which, None) else {
            return;
        };
        let supported = if quick {
            "ms-benotify, ms-piggyback-first-notify"
        } else {
            ""
        };
        let before: BTreeSet<u64> = self.views.views.keys().copied().collect();
        self.views
            .subscribe(bench, Some(id), USERS[user], supported);
        let new = self.views.views.keys().find(|view| !before.contains(view));
        if let Some(new) = new {
            self.homes.insert(*new, id);
        }
    }

    fn command(&mut self, bench: &mut Bench, which: usize, about: usize, what: usize) {
        let Some((id, user)) = self.pick(which, Some(true)) else {
            return;
        };
        let target = USERS[about];
        let command = match what {
            0 => promote(target, Role::Presenter),
            1 => promote(target, Role::Attendee),
            2 => lock(about.is_multiple_of(2)),
            3 => delete(target),
            4 => access(&USERS, LobbyAccess::Granted),
            5 => access(&[target], LobbyAccess::Denied),
            6 => mute_all(&["presenter"], &[]),
            7 => announcements(about.is_multiple_of(2)),
            _ => get(),
        };
        let before = self.finals;
        let body = c3p(7, USERS[user], command);
        let (answer, actions) = bench.info_c3p(id, USERS[user], &body);
        bench.sip = actions;
        self.take(bench);
        let taken = answer.status.code() == 202;
        assert!(taken || answer.status.code() == 403, "{:?}", answer.status);
        assert_eq!(self.finals - before, usize::from(taken), "CB-151");
    }

    /// When everybody has been told, everybody knows the same as if told all of it.
    fn check(&mut self, bench: &mut Bench) {
        for _ in 0..2 {
            bench.pass(Duration::from_secs(1));
            self.take(bench);
            let living: Vec<u64> = self.views.views.keys().copied().collect();
            for id in living {
                if self.views.views[&id].ended.is_none() {
                    self.views.deliver(bench, id);
                    self.take(bench);
                }
            }
        }
        let living: Vec<u64> = self.views.views.keys().copied().collect();
        for id in living {
            if self.views.views[&id].ended.is_some() {
                continue;
            }
            let known = self.views.views[&id].content();
            self.views.refresh(bench, id);
            assert_eq!(known, self.views.views[&id].content(), "subscription {id}");
            if known.view.is_some() {
                let mut truth = View {
                    state: Some(bench.focus.snapshot()),
                    ..View::default()
                };
                let truth = std::mem::take(&mut truth).content();
                assert_eq!((known.users, known.view), (truth.users, truth.view));
            }
        }
    }
}

fn live(ops: &[Op]) {
    let mut bench = Bench::new(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            invitees: vec![aor("ann"), aor("bob")],
            ..Members::default()
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        max_endpoints: Some(5),
        ..configured()
    });
    let mut around = Around::default();
    for (n, op) in ops.iter().enumerate() {
        around.apply(&mut bench, op);
        if n % 8 == 7 {
            around.check(&mut bench);
        }
    }
    around.check(&mut bench);
    let all: Vec<u64> = around.calls.keys().copied().collect();
    for id in all {
        around.over(&mut bench, id);
        around.take(&mut bench);
    }
    assert!(
        bench.focus.roster().is_empty(),
        "{:?}",
        bench.focus.roster()
    );
    assert!(bench.endpoints.is_empty(), "the mixer keeps nobody");
    assert_eq!(bench.metrics.participants.get(), 0);
    assert_eq!(bench.metrics.subscriptions.get(), 0);
    assert!(around.views.views.values().all(|view| view.ended.is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_watches_knows_what_is(ops in prop::collection::vec(op(), 1..60)) {
        live(&ops);
    }
}
