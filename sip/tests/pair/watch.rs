//! A subscriber and a notifier of ours, step by step (RFC 6665, RFC 3515).

use crate::net::{FAIR, Pair};
use crate::user::{call_up, shape};
use bytes::Bytes;
use plenum_sip::endpoint::{
    AcceptRefer, AcceptSubscription, Answer, Body, Config, Event, Notification, NotifierEvent,
    NotifierId, Refer, Subscribe, SubscriberEvent, SubscriberId, SubscriptionEnd, Termination,
    Transport, Wish,
};
use plenum_sip::msg::{HeaderName, Headers, Method, NameAddr, StatusCode, Text, Uri};

/// What an endpoint needs for subscriptions.
pub(crate) fn with_events(config: &mut Config) {
    config
        .allow
        .extend([Method::Subscribe, Method::Notify, Method::Refer]);
    config.allow_events = vec![Text::from_static("conference")];
}

pub(crate) fn pair(transport: Transport) -> Pair {
    let mut pair = Pair::with(1, FAIR, |_, config| with_events(config));
    pair.transport = transport;
    pair
}

pub(crate) fn wish(expires: u32, supported: &'static str) -> Wish {
    let mut headers = Headers::new();
    if !supported.is_empty() {
        headers.push(HeaderName::Supported, Text::from_static(supported));
    }
    Wish {
        event: Text::from_static("conference"),
        expires,
        headers,
        body: None,
    }
}

pub(crate) fn subscribe(pair: &mut Pair, from: usize, wish: Wish) -> SubscriberId {
    let uri = pair.uri(from);
    let alice = Uri::parse(b"sip:alice@example.org").unwrap();
    let subscribe = Subscribe {
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(alice),
        contact: None,
        route: vec![],
        wish,
    };
    pair.tell(from, |e, now| e.subscribe(now, subscribe))
}

pub(crate) fn state(version: u32) -> Notification {
    Notification::of(Body {
        content_type: Text::from_static("application/conference-info+xml"),
        octets: Bytes::from(version.to_string()),
    })
}

fn accept(pair: &mut Pair, version: u32) -> NotifierId {
    let tx = shape!(pair.next(1), Event::Subscribe { tx, .. } => tx);
    let accept = AcceptSubscription {
        first: Some(state(version)),
        ..AcceptSubscription::default()
    };
    pair.tell(1, |e, now| e.accept_subscription(now, tx, accept))
        .unwrap()
}

fn accepted(pair: &mut Pair) -> Bytes {
    shape!(
        pair.next(0),
        Event::Subscriber { event: SubscriberEvent::Accepted(response), .. } => response.body
    )
}

fn notified(pair: &mut Pair) -> (String, Bytes) {
    shape!(
        pair.next(0),
        Event::Subscriber { event: SubscriberEvent::Notified { state, request }, .. }
            => (state.to_string(), request.body)
    )
}

fn over(pair: &mut Pair) -> SubscriptionEnd {
    shape!(
        pair.next(0),
        Event::Subscriber { event: SubscriberEvent::Ended(end), .. } => end
    )
}

fn ended(pair: &mut Pair) -> SubscriptionEnd {
    loop {
        let event = shape!(pair.next(1), Event::Notifier { event, .. } => event);
        if let NotifierEvent::Ended(end) = event {
            return end;
        }
    }
}

#[test]
fn rfc6665_a_subscription_refreshes_itself_and_ends_by_wish() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = pair(transport);
        let watch = subscribe(&mut pair, 0, wish(100, ""));
        let id = accept(&mut pair, 1);
        assert_eq!(accepted(&mut pair), "");
        assert_eq!(notified(&mut pair).1, "1");
        pair.tell(1, |e, now| e.notify(now, id, state(2))).unwrap();
        assert_eq!(
            notified(&mut pair),
            ("active;expires=100".to_owned(), "2".into())
        );
        // Ten times as long as it was asked for.
        for _ in 0..10 {
            pair.run_ms(100_000);
            while let Some(event) = pair.peers[1].events.pop_front() {
                let event = shape!(event, Event::Notifier { event, .. } => event);
                if let NotifierEvent::Due { refresh } = event {
                    assert!(refresh.is_some());
                    pair.tell(1, |e, now| e.notify(now, id, state(3))).unwrap();
                }
            }
        }
        assert!(pair.count(0, "SUBSCRIBE") > 10);
        pair.run_ms(1_000);
        pair.peers[0].events.clear();
        pair.tell(0, |e, now| e.unsubscribe(now, watch)).unwrap();
        assert_eq!(notified(&mut pair).0, "terminated;expires=0;reason=timeout");
        assert_eq!(over(&mut pair), SubscriptionEnd::Local);
        assert_eq!(ended(&mut pair), SubscriptionEnd::Unsubscribed);
        pair.settle();
    }
}

#[test]
fn rfc6665_4_4_3_a_fetch() {
    let mut pair = pair(Transport::Udp);
    subscribe(&mut pair, 0, wish(0, ""));
    accept(&mut pair, 9);
    accepted(&mut pair);
    assert_eq!(notified(&mut pair).1, "9");
    let timeout = SubscriptionEnd::Terminated(Some("timeout".into()), None);
    assert_eq!(over(&mut pair), timeout);
    pair.settle();
}

#[test]
fn rfc6665_4_4_1_the_notify_comes_before_the_200() {
    let mut pair = pair(Transport::Udp);
    subscribe(&mut pair, 0, wish(300, ""));
    let tx = shape!(pair.next(1), Event::Subscribe { tx, .. } => tx);
    pair.blocked.push((1, "SIP/2.0 200"));
    let accept = AcceptSubscription {
        first: Some(state(1)),
        ..AcceptSubscription::default()
    };
    pair.tell(1, |e, now| e.accept_subscription(now, tx, accept))
        .unwrap();
    assert_eq!(notified(&mut pair).1, "1");
    pair.blocked.clear();
    accepted(&mut pair);
    let now = pair.now;
    for id in pair.peers[1].endpoint.subscriptions() {
        pair.peers[1]
            .endpoint
            .terminate_subscription(now, id, Termination::new("noresource"))
            .unwrap();
    }
    pair.tell(1, |_, _| ());
    assert_eq!(
        notified(&mut pair).0,
        "terminated;expires=0;reason=noresource"
    );
    let gone = SubscriptionEnd::Terminated(Some("noresource".into()), None);
    assert_eq!(over(&mut pair), gone);
    pair.settle();
}

#[test]
fn best_effort_notifications_arrive_and_are_not_answered() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = pair(transport);
        subscribe(
            &mut pair,
            0,
            wish(600, "ms-benotify, ms-piggyback-first-notify"),
        );
        let id = accept(&mut pair, 1);
        assert_eq!(accepted(&mut pair), "1");
        let answers = pair.count(0, "SIP/2.0");
        for version in 2..=5 {
            pair.tell(1, |e, now| e.notify(now, id, state(version)))
                .unwrap();
            assert_eq!(notified(&mut pair).1, version.to_string());
        }
        assert_eq!(pair.count(0, "SIP/2.0"), answers);
        assert_eq!(pair.count(1, "NOTIFY"), 0);
        // A stray one is not answered either.
        pair.tell(1, |e, now| {
            e.terminate_subscription(now, id, Termination::new("x"))
        })
        .unwrap();
        assert_eq!(notified(&mut pair).0, "terminated;expires=0;reason=x");
        over(&mut pair);
        assert_eq!(pair.count(0, "SIP/2.0"), answers);
        pair.settle();
    }
}

#[test]
fn rfc6665_4_1_2_how_asking_fails() {
    // Refused.
    let mut pair = pair(Transport::Udp);
    subscribe(&mut pair, 0, wish(600, ""));
    let tx = shape!(pair.next(1), Event::Subscribe { tx, .. } => tx);
    let busy = Answer::new(StatusCode::FORBIDDEN);
    pair.tell(1, |e, now| e.respond_with(now, tx, busy))
        .unwrap();
    shape!(
        over(&mut pair),
        SubscriptionEnd::Rejected(StatusCode::FORBIDDEN, _)
    );
    pair.settle();
    // Too brief: asked again with the time that the other side wants.
    subscribe(&mut pair, 0, wish(10, ""));
    let asked = shape!(pair.next(1), Event::Subscribe { expires, .. } => expires);
    assert_eq!(asked, 60);
    pair.run_ms(32_000);
    assert_eq!(over(&mut pair), SubscriptionEnd::Unreachable);
    pair.settle();
    // Nobody there.
    pair.blocked.push((0, "SUBSCRIBE"));
    subscribe(&mut pair, 0, wish(600, ""));
    pair.run_ms(32_000);
    assert_eq!(over(&mut pair), SubscriptionEnd::Unreachable);
    pair.settle();
    // Accepted, but no NOTIFY comes: timer N (§4.1.2.4).
    pair.blocked = vec![(1, "NOTIFY")];
    subscribe(&mut pair, 0, wish(600, ""));
    accept(&mut pair, 1);
    accepted(&mut pair);
    pair.run_ms(32_000);
    assert_eq!(over(&mut pair), SubscriptionEnd::Unreachable);
    let lost = SubscriptionEnd::NotifyFailed(StatusCode::REQUEST_TIMEOUT);
    assert_eq!(ended(&mut pair), lost);
    pair.settle();
}

#[test]
fn a_subscriber_that_vanishes_is_forgotten_and_so_is_a_notifier() {
    // The subscriber: its subscription expires.
    let mut pair = pair(Transport::Udp);
    subscribe(&mut pair, 0, wish(600, ""));
    accept(&mut pair, 1);
    accepted(&mut pair);
    notified(&mut pair);
    pair.blocked = vec![(0, ""), (1, "")];
    pair.run_ms(700_000);
    assert_eq!(ended(&mut pair), SubscriptionEnd::Expired);
    // The notifier has lost its state, or is not heard: the refreshes come to nothing.
    pair.run_ms(700_000);
    assert_eq!(over(&mut pair), SubscriptionEnd::Expired);
    pair.settle();
}

#[test]
fn rfc6665_4_1_2_2_a_refused_refresh() {
    let mut pair = pair(Transport::Udp);
    subscribe(&mut pair, 0, wish(600, ""));
    let id = accept(&mut pair, 1);
    accepted(&mut pair);
    notified(&mut pair);
    // Its last word is lost.
    pair.blocked = vec![(1, "NOTIFY")];
    pair.tell(1, |e, now| {
        e.terminate_subscription(now, id, Termination::new("x"))
    })
    .unwrap();
    pair.run_ms(100_000);
    pair.blocked.clear();
    pair.run_ms(600_000);
    shape!(
        over(&mut pair),
        SubscriptionEnd::Rejected(StatusCode::CALL_DOES_NOT_EXIST, _)
    );
    pair.settle();
}

#[test]
fn rfc5057_a_subscription_in_a_call_of_ours() {
    let (mut pair, caller, callee) = call_up(pair(Transport::Udp));
    let watch = pair
        .tell(0, |e, now| {
            e.subscribe_in_dialog(now, caller, wish(600, ""))
        })
        .unwrap();
    let id = accept(&mut pair, 1);
    accepted(&mut pair);
    assert_eq!(notified(&mut pair).1, "1");
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    shape!(pair.next(0), Event::Ended { .. });
    pair.run_ms(1_000);
    assert_eq!(pair.peers[0].endpoint.counts().dialogs, 1);
    pair.peers[1].events.clear();
    pair.tell(1, |e, now| e.notify(now, id, state(2))).unwrap();
    assert_eq!(notified(&mut pair).1, "2");
    pair.tell(0, |e, now| e.unsubscribe(now, watch)).unwrap();
    notified(&mut pair);
    assert_eq!(over(&mut pair), SubscriptionEnd::Local);
    pair.settle();
}

#[test]
fn rfc3515_a_refer_of_ours_in_a_call_and_outside() {
    let carol = NameAddr::new(Uri::parse(b"sip:carol@example.net").unwrap());
    for inside in [true, false] {
        let mut pair = pair(Transport::Udp);
        if inside {
            let (up, caller, _) = call_up(pair);
            pair = up;
            let sent = pair.tell(0, |e, now| {
                e.refer_in_dialog(now, caller, &carol, Headers::new())
            });
            sent.unwrap();
        } else {
            let uri = pair.uri(0);
            let refer = Refer {
                to: NameAddr::new(uri.clone()),
                uri,
                from: NameAddr::new(Uri::parse(b"sip:alice@example.org").unwrap()),
                contact: None,
                route: vec![],
                refer_to: carol.clone(),
                headers: Headers::new(),
            };
            pair.tell(0, |e, now| e.refer(now, refer));
        }
        let tx = shape!(pair.next(1), Event::Refer { tx, request, .. } => {
            assert_eq!(request.headers.refer_to().unwrap().uri, carol.uri);
            tx
        });
        let id = pair.tell(1, |e, now| e.accept_refer(now, tx, AcceptRefer::default()));
        let id = id.unwrap().unwrap();
        accepted(&mut pair);
        assert_eq!(notified(&mut pair).1, "SIP/2.0 100 Trying\r\n");
        pair.tell(1, |e, now| e.notify_refer(now, id, StatusCode::OK, None))
            .unwrap();
        assert_eq!(notified(&mut pair).1, "SIP/2.0 200 OK\r\n");
        let done = SubscriptionEnd::Terminated(Some("noresource".into()), None);
        assert_eq!(over(&mut pair), done);
        for side in 0..2 {
            for id in pair.peers[side].endpoint.usages() {
                let _ = pair.tell(side, |e, now| e.bye(now, id, None));
            }
        }
        pair.settle();
    }
}

#[test]
fn rfc4488_a_refer_of_ours_without_subscription() {
    let (mut pair, caller, callee) = call_up(pair(Transport::Udp));
    let carol = NameAddr::new(Uri::parse(b"sip:carol@example.net").unwrap());
    let mut headers = Headers::new();
    headers.push(HeaderName::ReferSub, "false");
    pair.tell(0, |e, now| e.refer_in_dialog(now, caller, &carol, headers))
        .unwrap();
    let tx = shape!(pair.next(1), Event::Refer { tx, .. } => tx);
    let id = pair.tell(1, |e, now| e.accept_refer(now, tx, AcceptRefer::default()));
    assert_eq!(id, Ok(None));
    accepted(&mut pair);
    assert_eq!(over(&mut pair), SubscriptionEnd::NoSubscription);
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    pair.settle();
}
