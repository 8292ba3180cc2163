//! Random lives of a conference against a model of its surroundings: callers who cancel, hang up
//! and key in PINs whenever they like, a mixer that is slow, refuses or loses endpoints, and people
//! who are called.
//!
//! What must hold, whatever happens: every call gets one final answer and one end, every request
//! in a call one response, the roster shows as connected whom the mixer has in the mix, and at the
//! end nothing is left anywhere.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{Role, ServerMode};
use plenum_focus::limits::Limits;
use plenum_focus::output::{Command, ConferenceEvent, DialOutId, SipAction, Whom};
use plenum_focus::pin::Pin;
use plenum_focus::record::{ConferenceRecord, WithoutPresenter};
use plenum_focus::roster::{EndpointStatus, UserId};
use plenum_mcu::control::{EndpointId, Quality, Report, Stage};
use plenum_sip::endpoint::{EndCause, Event, InviteId, ServerTxId};
use plenum_sip::msg::{Method, StatusCode};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::*;

#[derive(Clone, Debug)]
enum Op {
    Call { user: u8, offer: bool },
    Ack { which: usize, body: bool },
    Cancel { which: usize },
    Bye { which: usize },
    Keys { which: usize, keys: &'static str },
    Modify { which: usize, offer: bool },
    Obey { times: usize },
    Disobey,
    Lose { which: usize },
    MediaLost { which: usize },
    Played { playback: u64 },
    DialOut,
    Place,
    Answer { which: usize, body: bool },
    Decline { which: usize },
    Lock(bool),
    Admit { all: bool, which: usize },
    Deny { which: usize },
    MuteAll(bool),
    Promote { which: usize },
    Remove { which: usize },
    Pass { seconds: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0..8_usize;
    let keys = prop::sample::select(vec![
        "1234#", "1#", "#", "*6", "*0", "12", "*", "*1", "*4", "*5",
    ]);
    prop_oneof![
        4 => (0..3_u8, any::<bool>()).prop_map(|(user, offer)| Op::Call { user, offer }),
        4 => (which.clone(), any::<bool>()).prop_map(|(which, body)| Op::Ack { which, body }),
        1 => which.clone().prop_map(|which| Op::Cancel { which }),
        1 => which.clone().prop_map(|which| Op::Bye { which }),
        4 => (which.clone(), keys).prop_map(|(which, keys)| Op::Keys { which, keys }),
        2 => (which.clone(), any::<bool>()).prop_map(|(which, offer)| Op::Modify { which, offer }),
        8 => (1..6_usize).prop_map(|times| Op::Obey { times }),
        1 => Just(Op::Disobey),
        1 => which.clone().prop_map(|which| Op::Lose { which }),
        1 => which.clone().prop_map(|which| Op::MediaLost { which }),
        2 => (0..12_u64).prop_map(|playback| Op::Played { playback }),
        1 => Just(Op::DialOut),
        2 => Just(Op::Place),
        2 => (which.clone(), any::<bool>()).prop_map(|(which, body)| Op::Answer { which, body }),
        1 => which.clone().prop_map(|which| Op::Decline { which }),
        1 => any::<bool>().prop_map(Op::Lock),
        2 => (any::<bool>(), which.clone()).prop_map(|(all, which)| Op::Admit { all, which }),
        1 => which.clone().prop_map(|which| Op::Deny { which }),
        1 => any::<bool>().prop_map(Op::MuteAll),
        1 => which.clone().prop_map(|which| Op::Promote { which }),
        1 => which.prop_map(|which| Op::Remove { which }),
        2 => (0..9_u64).prop_map(|seconds| Op::Pass { seconds }),
    ]
}

/// How a call stands for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Offering,
    Ringing,
    Unacknowledged,
    Up,
    Over,
}

#[derive(Debug, Default)]
struct Surroundings {
    peers: BTreeMap<u64, Peer>,
    finals: BTreeMap<u64, usize>,
    callers: BTreeSet<u64>,
    unplaced: Vec<DialOutId>,
    unanswered: BTreeSet<u64>,
    last_call: u64,
    last_tx: u64,
}

impl Surroundings {
    fn pick(&self, which: usize, at: &[Peer]) -> Option<u64> {
        let mut there: Vec<u64> = self
            .peers
            .iter()
            .filter(|(_, peer)| at.contains(peer))
            .map(|(id, _)| *id)
            .collect();
        (!there.is_empty()).then(|| there.swap_remove(which % there.len()))
    }

    /// What the SIP endpoint makes of what the focus says, and what it tells the focus then.
    fn take(&mut self, bench: &mut Bench) {
        for action in bench.actions() {
            match action {
                SipAction::Accept { id, .. } => self.answered(id.0, Peer::Unacknowledged),
                SipAction::Reject { id, answer } => {
                    assert!(answer.status.code() >= 400);
                    self.answered(id.0, Peer::Over);
                    self.ended(bench, id.0);
                }
                SipAction::RespondModify { tx, .. } => {
                    assert!(self.unanswered.remove(&tx.0), "answered once");
                }
                SipAction::Respond { .. }
                | SipAction::Info { .. }
                | SipAction::AcceptSubscription { .. }
                | SipAction::AcceptRefer { .. }
                | SipAction::NotifyRefer { .. }
                | SipAction::Notify { .. }
                | SipAction::Terminate { .. } => panic!("nobody asked"),
                SipAction::Invite { dial_out, .. } => self.unplaced.push(dial_out),
                SipAction::Cancel { id, .. } => {
                    // A cancel that crosses the answer or the end changes nothing.
                    if self.peers[&id.0] == Peer::Ringing {
                        self.peers.insert(id.0, Peer::Over);
                        self.ended(bench, id.0);
                    }
                }
                SipAction::Bye { id, .. } => {
                    assert!(matches!(
                        self.peers[&id.0],
                        Peer::Unacknowledged | Peer::Up | Peer::Over
                    ));
                    if self.peers.insert(id.0, Peer::Over) != Some(Peer::Over) {
                        self.ended(bench, id.0);
                    }
                }
            }
        }
        self.check(bench);
    }

    fn answered(&mut self, id: u64, now: Peer) {
        *self.finals.entry(id).or_default() += 1;
        // One that was cancelled in the meantime hears nothing of it.
        if self.peers[&id] == Peer::Offering {
            self.peers.insert(id, now);
        }
    }

    fn ended(&self, bench: &mut Bench, id: u64) {
        bench.sip(Event::Ended {
            id: InviteId(id),
            cause: EndCause::Local,
        });
    }

    fn check(&self, bench: &Bench) {
        for endpoint in bench.focus.roster().endpoints() {
            let mixed = bench.endpoints.get(&endpoint.id) == Some(&Stage::Mix);
            match endpoint.status {
                EndpointStatus::Connected => assert!(mixed, "{endpoint:?}"),
                EndpointStatus::Disconnecting => {}
                EndpointStatus::Pending
                | EndpointStatus::DialingOut
                | EndpointStatus::Alerting
                | EndpointStatus::OnHold => {
                    assert!(!mixed, "{endpoint:?}")
                }
            }
        }
        for endpoint in bench.endpoints.keys() {
            assert!(
                bench.focus.roster().endpoint(*endpoint).is_some(),
                "kept by the mixer alone"
            );
        }
    }

    fn apply(&mut self, bench: &mut Bench, op: &Op) {
        match *op {
            Op::Call { user, offer } => {
                self.last_call += 1;
                self.peers.insert(self.last_call, Peer::Offering);
                self.callers.insert(self.last_call);
                let (uri, user) = ("sip:standup@conf.example.com", format!("user{user}"));
                let offer = offer.then_some(OFFER);
                bench.sip(invite(self.last_call, uri, &user, trusted(1), offer));
            }
            Op::Ack { which, body } => {
                let Some(id) = self.pick(which, &[Peer::Unacknowledged]) else {
                    return;
                };
                self.peers.insert(id, Peer::Up);
                bench.ack(id, body.then_some(ANSWER));
            }
            Op::Cancel { which } => {
                let at = [Peer::Offering, Peer::Unacknowledged];
                let Some(id) = self.pick(which, &at) else {
                    return;
                };
                // The 200 may be on its way, and is dropped then.
                self.peers.insert(id, Peer::Over);
                bench.sip(Event::Cancelled { id: InviteId(id) });
                bench.sip(Event::Ended {
                    id: InviteId(id),
                    cause: EndCause::Cancelled,
                });
            }
            Op::Bye { which } => {
                let Some(id) = self.pick(which, &[Peer::Unacknowledged, Peer::Up]) else {
                    return;
                };
                self.peers.insert(id, Peer::Over);
                bench.bye(id);
            }
            Op::Modify { which, offer } => {
                let Some(id) = self.pick(which, &[Peer::Up]) else {
                    return;
                };
                self.last_tx += 1;
                self.unanswered.insert(self.last_tx);
                let request = request(Method::Invite, "sip:standup@198.51.100.1", "bob", None);
                bench.sip(Event::Modify {
                    id: InviteId(id),
                    tx: ServerTxId(self.last_tx),
                    method: Method::Invite,
                    body: offer.then(|| sdp(OFFER)),
                    request,
                });
            }
            Op::DialOut | Op::Place | Op::Answer { .. } | Op::Decline { .. } => {
                self.called(bench, op);
            }
            Op::Keys { .. }
            | Op::Obey { .. }
            | Op::Disobey
            | Op::Lose { .. }
            | Op::MediaLost { .. }
            | Op::Played { .. }
            | Op::Lock(_)
            | Op::Admit { .. }
            | Op::Deny { .. }
            | Op::MuteAll(_)
            | Op::Promote { .. }
            | Op::Remove { .. }
            | Op::Pass { .. } => Self::mix(bench, op),
        }
    }

    /// What happens to those who are called.
    fn called(&mut self, bench: &mut Bench, op: &Op) {
        match *op {
            Op::DialOut => {
                let ringing = Duration::from_secs(10);
                bench.command(Command::DialOut {
                    uri: "sip:x@example.org".into(),
                    ringing,
                });
            }
            Op::Place => {
                let Some(dial_out) = self.unplaced.pop() else {
                    return;
                };
                self.last_call += 1;
                self.peers.insert(self.last_call, Peer::Ringing);
                bench
                    .focus
                    .handle_placed(bench.now, dial_out, Some(InviteId(self.last_call)));
                bench.drain();
            }
            Op::Answer { which, body } => {
                let Some(id) = self.pick(which, &[Peer::Ringing]) else {
                    return;
                };
                self.peers.insert(id, Peer::Up);
                let response = response(200, body.then_some(ANSWER));
                bench.sip(Event::Answered {
                    id: InviteId(id),
                    response,
                });
            }
            Op::Decline { which } => {
                let Some(id) = self.pick(which, &[Peer::Ringing]) else {
                    return;
                };
                self.peers.insert(id, Peer::Over);
                let cause = EndCause::Rejected(StatusCode::BUSY_HERE, "".into());
                bench.sip(Event::Ended {
                    id: InviteId(id),
                    cause,
                });
            }
            _ => unreachable!("an operation of others"),
        }
    }

    /// What happens in the mixer, to the conference, or by itself.
    fn mix(bench: &mut Bench, op: &Op) {
        let there = |which: usize, bench: &Bench| {
            let all: Vec<EndpointId> = bench.endpoints.keys().copied().collect();
            all.get(which % all.len().max(1)).copied()
        };
        match *op {
            Op::Keys { which, keys } => {
                if let Some(endpoint) = there(which, bench) {
                    bench.keys(endpoint, keys);
                }
            }
            Op::Obey { times } => (0..times).for_each(|_| bench.obey_next()),
            Op::Disobey => bench.disobey_next(),
            Op::Lose { which } => {
                if let Some(endpoint) = there(which, bench) {
                    bench.endpoints.remove(&endpoint);
                    bench.removed += 1;
                    bench.report(Report::Removed {
                        endpoint,
                        quality: Quality::default(),
                    });
                }
            }
            Op::MediaLost { which } => {
                if let Some(endpoint) = there(which, bench) {
                    bench.report(Report::MediaLost { endpoint });
                }
            }
            Op::Played { playback } => bench.report(played(playback)),
            Op::Admit { all, which } => {
                let whom = there(which, bench).map(|endpoint| user_of(bench, endpoint));
                let whom = whom.filter(|_| !all).map_or(Whom::All, Whom::User);
                bench.command(Command::Admit(whom));
            }
            Op::Deny { which } => {
                if let Some(endpoint) = there(which, bench) {
                    bench.command(Command::Deny(Whom::User(user_of(bench, endpoint))));
                }
            }
            Op::MuteAll(muted) => drop(bench.command(Command::MuteAll(muted))),
            Op::Promote { which } => {
                if let Some(endpoint) = there(which, bench) {
                    let user = user_of(bench, endpoint);
                    let role = Role::Presenter;
                    bench.command(Command::SetRole { user, role });
                }
            }
            Op::Lock(locked) => drop(bench.command(Command::Lock(locked))),
            Op::Remove { which } => {
                if let Some(endpoint) = there(which, bench) {
                    bench.command(Command::Remove { endpoint });
                }
            }
            Op::Pass { seconds } => bench.pass(Duration::from_secs(seconds)),
            _ => unreachable!("an operation of callers"),
        }
    }

    /// Everybody hangs up, and the mixer obeys from now on.
    fn finish(&mut self, bench: &mut Bench) {
        bench.obeying = true;
        bench.drain();
        self.take(bench);
        while let Some(dial_out) = self.unplaced.pop() {
            bench.focus.handle_placed(bench.now, dial_out, None);
            bench.drain();
        }
        while let Some(id) = self.pick(0, &[Peer::Ringing, Peer::Unacknowledged, Peer::Up]) {
            self.peers.insert(id, Peer::Over);
            bench.bye(id);
            self.take(bench);
        }
        bench.drain();
        self.take(bench);
    }
}

fn user_of(bench: &Bench, endpoint: EndpointId) -> UserId {
    bench.focus.roster().endpoint(endpoint).unwrap().user
}

fn live(ops: &[Op], pin: bool, replace: bool, lobby: bool) {
    let record = ConferenceRecord {
        pin: pin.then(|| Pin::new("1234").unwrap()),
        replace_on_redial: replace,
        mode: if lobby {
            ServerMode::Fourteen
        } else {
            ServerMode::Thirteen
        },
        without_presenter: WithoutPresenter::EndAfter(Duration::from_secs(20)),
        max_endpoints: Some(4),
        grace: Duration::from_secs(100_000),
        ..record()
    };
    // The mixer is never so slow that its silence would count, so that the model knows all it did.
    let limits = Limits {
        mcu_deadline: Duration::from_secs(1_000_000),
        ..Limits::default()
    };
    let mut bench = Bench::with_limits(record, limits);
    bench.obeying = false;
    let mut around = Surroundings::default();
    for op in ops {
        around.apply(&mut bench, op);
        around.take(&mut bench);
    }
    around.finish(&mut bench);
    check_end(&bench, &around);
}

fn check_end(bench: &Bench, around: &Surroundings) {
    assert!(
        bench.focus.roster().is_empty(),
        "{:?}",
        bench.focus.roster()
    );
    assert!(bench.endpoints.is_empty());
    assert_eq!(
        bench.added, bench.removed,
        "every endpoint added was removed"
    );
    assert!(
        around.unanswered.is_empty(),
        "{:?} have no answer",
        around.unanswered
    );
    for (id, count) in &around.finals {
        assert_eq!(*count, 1, "final answers of call {id}");
    }
    assert!(
        around.peers.values().all(|peer| *peer == Peer::Over),
        "{:?}",
        around.peers
    );
    let (mut admitted, mut left, mut settled) = (BTreeSet::new(), BTreeSet::new(), 0);
    for event in &bench.events {
        match event {
            ConferenceEvent::Admitted { endpoint, .. } => assert!(admitted.insert(*endpoint)),
            ConferenceEvent::Left { endpoint, .. } => assert!(left.insert(*endpoint)),
            ConferenceEvent::PinSettled { .. } => settled += 1,
            _ => {}
        }
    }
    assert_eq!(admitted, left, "everybody admitted has left, once");
    assert_eq!(bench.metrics.participants.get(), 0);
    if bench.focus.record().pin.is_some() {
        let calls = around.finals.len() + cancelled_early(around);
        assert_eq!(settled, calls, "the guard hears of each call once");
    }
}

/// Calls to us that ended before they had a final answer.
fn cancelled_early(around: &Surroundings) -> usize {
    around
        .callers
        .difference(&around.finals.keys().copied().collect())
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_left(
        ops in prop::collection::vec(op(), 1..80),
        pin: bool,
        replace: bool,
        lobby: bool,
    ) {
        live(&ops, pin, replace, lobby);
    }
}
