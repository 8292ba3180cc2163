//! Subscribers and notifiers who do anything at any time, over a network that loses, delays,
//! doubles and reorders: every subscription ends exactly once on each side, versions rise, and
//! nothing is left.

use crate::net::{FAIR, FOUL, Pair, Weather, sdp};
use crate::watch::{state, subscribe, wish, with_events};
use plenum_sip::endpoint::{
    AcceptRefer, AcceptSubscription, Bound, Event, InviteId, NotifierEvent, NotifierId,
    SubscriberEvent, SubscriberId, Termination, Transport,
};
use plenum_sip::msg::{Headers, NameAddr, StatusCode, Uri};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;

/// One side's view of everything that lives.
#[derive(Default)]
struct Side {
    calls: BTreeMap<InviteId, bool>,
    /// The last version sent; `None`: a REFER's.
    notifiers: BTreeMap<NotifierId, Option<u32>>,
    /// The last version received.
    watches: BTreeMap<SubscriberId, u32>,
    ended: u32,
}

struct World {
    rng: StdRng,
    sides: [Side; 2],
    delivered: u32,
    /// Subscriptions accepted.
    begun: u32,
}

const TAGS: [&str; 3] = ["", "ms-benotify", "ms-benotify, ms-piggyback-first-notify"];

impl World {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn on_event(&mut self, pair: &mut Pair, who: usize, event: Event) {
        match event {
            Event::Invite { id, .. } => {
                self.sides[who].calls.insert(id, false);
                let _ = pair.accept(who, id, sdp("answer"));
            }
            Event::Acked { id, .. } | Event::Answered { id, .. } => {
                self.sides[who].calls.insert(id, true);
            }
            Event::Ended { id, .. } => {
                assert!(self.sides[who].calls.remove(&id).is_some());
            }
            Event::Subscribe { tx, .. } => {
                let to = self.sides[who].calls.keys().next().copied();
                // A subscriber that refreshes what just ended begins anew: that must be later.
                self.begun += 1;
                let base = self.begun * 10_000;
                let accept = AcceptSubscription {
                    first: self.chance(70).then(|| state(base)),
                    bound: to.filter(|_| self.chance(30)).map(|to| Bound {
                        to,
                        reason: "noresource".into(),
                    }),
                    ..AcceptSubscription::default()
                };
                if let Ok(id) = pair.tell(who, |e, now| e.accept_subscription(now, tx, accept)) {
                    self.sides[who].notifiers.insert(id, Some(base));
                }
            }
            Event::Refer { tx, .. } => {
                let id = pair.tell(who, |e, now| {
                    e.accept_refer(now, tx, AcceptRefer::default())
                });
                if let Ok(Some(id)) = id {
                    self.sides[who].notifiers.insert(id, None);
                }
            }
            Event::Notifier { id, event } => self.on_notifier(pair, who, id, event),
            Event::Subscriber { id, event } => self.on_subscriber(who, id, event),
            Event::InDialog { .. } => panic!("a NOTIFY for nobody"),
            _ => {}
        }
    }

    fn on_notifier(&mut self, pair: &mut Pair, who: usize, id: NotifierId, event: NotifierEvent) {
        match event {
            NotifierEvent::Due { .. } => self.notify(pair, who, id),
            NotifierEvent::Delivered { .. } => self.delivered += 1,
            NotifierEvent::Ended(_) => {
                assert!(
                    self.sides[who].notifiers.remove(&id).is_some(),
                    "ended twice"
                );
                self.sides[who].ended += 1;
            }
        }
    }

    fn on_subscriber(&mut self, who: usize, id: SubscriberId, event: SubscriberEvent) {
        let body = match event {
            SubscriberEvent::Accepted(response) => response.body,
            SubscriberEvent::Notified { request, .. } => request.body,
            SubscriberEvent::Ended(_) => {
                assert!(self.sides[who].watches.remove(&id).is_some(), "ended twice");
                return;
            }
        };
        let version = std::str::from_utf8(&body).unwrap().parse::<u32>();
        if let (Ok(version), Some(last)) = (version, self.sides[who].watches.get_mut(&id)) {
            assert!(version > *last, "{version} after {last}");
            *last = version;
        }
    }

    fn notify(&mut self, pair: &mut Pair, who: usize, id: NotifierId) {
        match self.sides[who].notifiers.get(&id).copied() {
            Some(Some(version)) => {
                let sent = pair.tell(who, |e, now| e.notify(now, id, state(version + 1)));
                if sent.is_ok()
                    && let Some(last) = self.sides[who].notifiers.get_mut(&id)
                {
                    *last = Some(version + 1);
                }
            }
            Some(None) => {
                let status = if self.chance(50) {
                    StatusCode::RINGING
                } else {
                    StatusCode::OK
                };
                let _ = pair.tell(who, |e, now| e.notify_refer(now, id, status, None));
            }
            None => {}
        }
    }

    fn act(&mut self, pair: &mut Pair, who: usize) {
        let notifiers: Vec<NotifierId> = self.sides[who].notifiers.keys().copied().collect();
        for id in notifiers {
            if self.chance(10) {
                self.notify(pair, who, id);
            } else if self.chance(1) {
                let end = Termination::new("noresource");
                let _ = pair.tell(who, |e, now| e.terminate_subscription(now, id, end));
            }
        }
        let watches: Vec<SubscriberId> = self.sides[who].watches.keys().copied().collect();
        for id in watches {
            if self.chance(1) {
                let _ = pair.tell(who, |e, now| e.unsubscribe(now, id));
            }
        }
        let calls: Vec<InviteId> = self.sides[who].calls.keys().copied().collect();
        for id in calls {
            if self.chance(1) {
                let _ = pair.tell(who, |e, now| e.bye(now, id, None));
            }
        }
    }

    fn ask(&mut self, pair: &mut Pair, who: usize) {
        let up = self.sides[who].calls.iter().find(|(_, up)| **up);
        let call = up.map(|(id, _)| *id);
        let expires = [0, 60, 90, 600][self.rng.random_range(0..4)];
        let tags = TAGS[self.rng.random_range(0..TAGS.len())];
        let mut wish = wish(expires, tags);
        wish.event = format!("conference;id={}", self.rng.random_range(0..3)).into();
        let carol = NameAddr::new(Uri::parse(b"sip:carol@example.net").unwrap());
        let watch = match (self.rng.random_range(0..5), call) {
            (0, _) => {
                let id = pair.invite(who, sdp("offer"));
                self.sides[who].calls.insert(id, false);
                return;
            }
            (1 | 2, Some(call)) => pair
                .tell(who, |e, now| e.subscribe_in_dialog(now, call, wish))
                .ok(),
            (3, Some(call)) => pair
                .tell(who, |e, now| {
                    e.refer_in_dialog(now, call, &carol, Headers::new())
                })
                .ok(),
            _ => Some(subscribe(pair, who, wish)),
        };
        if let Some(watch) = watch {
            self.sides[who].watches.insert(watch, 0);
        }
    }
}

fn play(seed: u64, weather: Weather, transport: Transport) -> (Pair, World) {
    let mut pair = Pair::with(seed, weather, |_, config| {
        with_events(config);
        config.limits.events.subscriptions_per_dialog = 2;
        config.limits.events.queued_notifications = 3;
    });
    pair.transport = transport;
    let mut world = World {
        rng: StdRng::seed_from_u64(!seed),
        sides: [Side::default(), Side::default()],
        delivered: 0,
        begun: 0,
    };
    for tick in 0..1500_u32 {
        if tick < 300 && world.chance(5) {
            let who = usize::from(world.chance(30));
            world.ask(&mut pair, who);
        }
        pair.run_ms(100);
        for who in 0..2 {
            while let Some(event) = pair.peers[who].events.pop_front() {
                world.on_event(&mut pair, who, event);
            }
            world.act(&mut pair, who);
        }
    }
    finish(&mut pair, &mut world, seed);
    (pair, world)
}

/// Whoever is left goes, and what is asked is answered no more.
fn finish(pair: &mut Pair, world: &mut World, seed: u64) {
    for who in 0..2 {
        for id in pair.peers[who].endpoint.usages() {
            let _ = pair.tell(who, |e, now| e.bye(now, id, None));
        }
        for id in pair.peers[who].endpoint.subscriptions() {
            let end = Termination::new("deactivated");
            let _ = pair.tell(who, |e, now| e.terminate_subscription(now, id, end));
        }
    }
    for _ in 0..20 {
        pair.run_ms(60_000);
        for who in 0..2 {
            while let Some(event) = pair.peers[who].events.pop_front() {
                world.on_event(pair, who, event);
            }
        }
    }
    for who in 0..2 {
        let side = &world.sides[who];
        assert!(side.calls.is_empty(), "seed {seed}, side {who}");
        assert!(side.notifiers.is_empty(), "seed {seed}, side {who}");
        assert!(side.watches.is_empty(), "seed {seed}, side {who}");
        let counts = pair.peers[who].endpoint.counts();
        assert_eq!(counts, Default::default(), "seed {seed}, side {who}");
    }
}

/// What has to have happened somewhere, or nothing was proven.
const CENSUS: [&str; 7] = [
    "SUBSCRIBE",
    "NOTIFY",
    "BENOTIFY",
    "REFER",
    "BYE",
    "SIP/2.0 202",
    "SIP/2.0 481",
];

fn play_all(seeds: u64, weather: Weather, transport: Transport) -> ([usize; 7], World) {
    let mut seen = [0; 7];
    let all = World {
        rng: StdRng::seed_from_u64(0),
        sides: [Side::default(), Side::default()],
        delivered: 0,
        begun: 0,
    };
    let mut all = all;
    for seed in 0..seeds {
        let (pair, world) = play(seed, weather, transport);
        for (_, _, bytes) in &pair.wire {
            for (kind, count) in CENSUS.iter().zip(seen.iter_mut()) {
                *count += usize::from(bytes.starts_with(kind.as_bytes()));
            }
        }
        all.delivered += world.delivered;
        all.sides[0].ended += world.sides[0].ended + world.sides[1].ended;
    }
    (seen, all)
}

#[test]
fn every_subscription_ends_once_on_both_sides_in_foul_weather() {
    let (seen, all) = play_all(60, FOUL, Transport::Udp);
    let census: Vec<_> = CENSUS.iter().zip(seen).collect();
    assert!(seen.iter().all(|count| *count > 10), "{census:?}");
    let lived = (all.delivered, all.sides[0].ended);
    assert!(lived.0 > 300 && lived.1 > 200, "{lived:?} {census:?}");
}

#[test]
fn every_subscription_ends_once_on_both_sides_in_fair_weather() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (_, all) = play_all(25, FAIR, transport);
        assert!(all.delivered > 300);
    }
}
