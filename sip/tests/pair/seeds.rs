//! Users who do anything at any time, over a network that loses, delays, doubles and reorders:
//! whatever they do, every call ends exactly once on each side, and nothing is left.
//!
//! `PLENUM_SEED=17 cargo test -p plenum-sip --test pair seeds` runs one seed and prints its wire.

use crate::net::{FAIR, FOUL, Pair, Weather, sdp};
use plenum_sip::endpoint::{Answer, Event, InviteId, ServerTxId, Transport};
use plenum_sip::msg::{Headers, Method, NameAddr, StatusCode, Uri};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;

/// What one user knows of a call.
#[derive(Debug, Default)]
struct Call {
    incoming: bool,
    up: bool,
    ended: bool,
    /// The answer went out in a reliable provisional.
    answered_early: bool,
}

struct Users {
    rng: StdRng,
    calls: [BTreeMap<InviteId, Call>; 2],
    unanswered: [Vec<(ServerTxId, bool)>; 2],
    plain: [Vec<ServerTxId>; 2],
}

impl Users {
    fn chance(&mut self, of_a_hundred: u32) -> bool {
        self.rng.random_range(0..100) < of_a_hundred
    }

    fn call(&mut self, who: usize, id: InviteId) -> &mut Call {
        let call = self.calls[who]
            .get_mut(&id)
            .expect("an event of a call nobody knows");
        assert!(!call.ended, "an event after Ended");
        call
    }

    fn on_event(&mut self, pair: &mut Pair, who: usize, event: Event) {
        match event {
            Event::Invite { id, .. } => {
                let call = Call {
                    incoming: true,
                    ..Call::default()
                };
                assert!(
                    self.calls[who].insert(id, call).is_none(),
                    "an id came twice"
                );
            }
            Event::Ended { id, .. } => self.call(who, id).ended = true,
            Event::Answered { id, .. } | Event::Modified { id, .. } => {
                let call = self.call(who, id);
                call.up = true;
                let _ = pair.tell(who, |e, now| e.acknowledge(now, id, sdp("answer")));
            }
            Event::Progress { id, .. } => {
                self.call(who, id);
                let _ = pair.tell(who, |e, now| e.acknowledge(now, id, sdp("answer")));
            }
            Event::Acked { id, .. } => self.call(who, id).up = true,
            Event::Pracked { id, tx, .. } => {
                self.call(who, id);
                self.unanswered[who].extend(tx.map(|tx| (tx, true)));
            }
            Event::Modify {
                id,
                tx,
                method,
                body,
                ..
            } => {
                self.call(who, id);
                let body = body.is_some() || method == Method::Invite;
                self.unanswered[who].push((tx, body));
            }
            Event::InDialog { id, tx, .. } => {
                self.call(who, id);
                self.plain[who].push(tx);
            }
            Event::Request { tx, .. } => self.plain[who].push(tx),
            Event::Cancelled { id } => {
                self.call(who, id);
            }
            Event::Response { .. }
            | Event::Refused { .. }
            | Event::Subscribe { .. }
            | Event::Refer { .. }
            | Event::Notifier { .. }
            | Event::FlowClosed { .. }
            | Event::Subscriber { .. } => {}
        }
    }

    /// A user does something, or not. Refusals are part of the game: races make them ordinary.
    fn act(&mut self, pair: &mut Pair, who: usize) {
        self.answer_something(pair, who);
        let alive: Vec<InviteId> = self.calls[who]
            .iter()
            .filter(|(_, call)| !call.ended)
            .map(|(id, _)| *id)
            .collect();
        for id in alive {
            let call = &self.calls[who][&id];
            if call.incoming && !call.up {
                self.answer_call(pair, who, id);
            } else if self.chance(8) {
                self.change_call(pair, who, id);
            }
        }
    }

    fn answer_something(&mut self, pair: &mut Pair, who: usize) {
        if self.chance(60)
            && let Some((tx, body)) = self.unanswered[who].pop()
        {
            let status = if self.chance(80) {
                StatusCode::OK
            } else {
                StatusCode::NOT_ACCEPTABLE_HERE
            };
            let body = if body && status == StatusCode::OK {
                sdp("answer")
            } else {
                None
            };
            let _ = pair.tell(who, |e, now| {
                e.respond_modify(now, tx, Answer::new(status).with_body(body))
            });
        }
        if self.chance(60)
            && let Some(tx) = self.plain[who].pop()
        {
            let answer = Answer::new(StatusCode::OK);
            let _ = pair.tell(who, |e, now| e.respond_with(now, tx, answer));
        }
    }

    fn answer_call(&mut self, pair: &mut Pair, who: usize, id: InviteId) {
        match self.rng.random_range(0..100) {
            0..10 => {
                let reliable = self.chance(50);
                let _ = pair.tell(who, |e, now| {
                    e.progress(now, id, StatusCode::RINGING, None, reliable)
                });
            }
            10..16 => {
                let status = StatusCode::SESSION_PROGRESS;
                let sent = pair.tell(who, |e, now| {
                    e.progress(now, id, status, sdp("early"), true)
                });
                if sent.is_ok() {
                    self.call(who, id).answered_early = true;
                }
            }
            16..36 => {
                let call = self.call(who, id);
                let body = if call.answered_early {
                    None
                } else {
                    sdp("answer")
                };
                let _ = pair.accept(who, id, body);
            }
            36..40 => {
                let answer = Answer::new(StatusCode::BUSY_HERE);
                let _ = pair.tell(who, |e, now| e.reject(now, id, answer));
            }
            40..41 => {
                let elsewhere = NameAddr::new(Uri::parse(b"sip:else@127.0.0.1").unwrap());
                let _ = pair.tell(who, |e, now| e.redirect(now, id, vec![elsewhere]));
            }
            _ => {}
        }
    }

    fn change_call(&mut self, pair: &mut Pair, who: usize, id: InviteId) {
        let body = if self.chance(80) {
            sdp("changed")
        } else {
            None
        };
        let _ = match self.rng.random_range(0..7) {
            0 => pair.tell(who, |e, now| e.bye(now, id, Some("SIP;cause=200".into()))),
            1 => pair.tell(who, |e, now| e.cancel(now, id)),
            2 | 3 => pair.tell(who, |e, now| e.modify(now, id, Method::Invite, body)),
            4 | 5 => pair.tell(who, |e, now| e.modify(now, id, Method::Update, body)),
            _ => pair
                .tell(who, |e, now| {
                    e.request_in_dialog(now, id, Method::Info, Headers::new(), None)
                })
                .map(|_| ()),
        };
    }
}

fn play(seed: u64, weather: Weather, transport: Transport) -> Pair {
    let mut pair = Pair::new(seed, weather);
    pair.transport = transport;
    let none = || [BTreeMap::new(), BTreeMap::new()];
    let mut users = Users {
        rng: StdRng::seed_from_u64(!seed),
        calls: none(),
        unanswered: [vec![], vec![]],
        plain: [vec![], vec![]],
    };
    // Twenty seconds of making calls, then only their users' whims for two minutes, then silence.
    for tick in 0..1400_u32 {
        if tick < 200 && users.chance(4) {
            let who = usize::from(users.chance(30));
            let body = if users.chance(70) { sdp("offer") } else { None };
            let id = pair.invite(who, body);
            users.calls[who].insert(id, Call::default());
        }
        pair.run_ms(100);
        for who in 0..2 {
            while let Some(event) = pair.peers[who].events.pop_front() {
                users.on_event(&mut pair, who, event);
            }
            users.act(&mut pair, who);
        }
    }
    // Whoever is left hangs up, and what is asked is answered no more.
    for who in 0..2 {
        for id in pair.peers[who].endpoint.usages() {
            let _ = pair.tell(who, |e, now| e.bye(now, id, None));
        }
    }
    pair.run_ms(400_000);
    for who in 0..2 {
        while let Some(event) = pair.peers[who].events.pop_front() {
            users.on_event(&mut pair, who, event);
        }
        let left = users.calls[who].iter().filter(|(_, call)| !call.ended);
        assert_eq!(
            left.map(|(id, _)| *id).collect::<Vec<_>>(),
            [],
            "seed {seed}, side {who}"
        );
        let counts = pair.peers[who].endpoint.counts();
        assert_eq!(counts, Default::default(), "seed {seed}, side {who}");
    }
    pair
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("PLENUM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    }
}

/// What has to have happened somewhere, or the users were too tame to prove anything.
const CENSUS: [&str; 16] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "UPDATE",
    "PRACK",
    "INFO",
    "SIP/2.0 100",
    "SIP/2.0 180",
    "SIP/2.0 183",
    "SIP/2.0 200",
    "SIP/2.0 302",
    "SIP/2.0 481",
    "SIP/2.0 486",
    "SIP/2.0 487",
    "SIP/2.0 491",
];

fn take_census(pair: &Pair, seen: &mut [usize; 16]) {
    for (_, _, bytes) in &pair.wire {
        for (kind, count) in CENSUS.iter().zip(seen.iter_mut()) {
            *count += usize::from(bytes.starts_with(kind.as_bytes()));
        }
    }
}

fn show(pair: &Pair) {
    if std::env::var_os("PLENUM_SEED").is_some() {
        for (at, from, bytes) in &pair.wire {
            println!(
                "--- {at} ms from {from}\n{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}

#[test]
fn every_call_ends_once_on_both_sides_in_foul_weather() {
    let mut seen = [0; 16];
    let seeds = seeds(300);
    for seed in &seeds {
        let pair = play(*seed, FOUL, Transport::Udp);
        take_census(&pair, &mut seen);
        show(&pair);
    }
    let census: Vec<_> = CENSUS.iter().zip(seen).collect();
    assert!(
        seeds.len() == 1 || seen.iter().all(|count| *count > 50),
        "{census:?}"
    );
}

#[test]
fn every_call_ends_once_on_both_sides_in_fair_weather() {
    for seed in seeds(100) {
        for transport in [Transport::Udp, Transport::Tcp] {
            show(&play(seed, FAIR, transport));
        }
    }
}

/// The same seed is the same history, message by message.
#[test]
fn a_seed_is_a_history() {
    let wire = |seed| play(seed, FOUL, Transport::Udp).wire;
    assert_eq!(wire(7), wire(7));
    assert_ne!(wire(7), wire(8));
}
