//! Subscriptions that we notify (RFC 6665 §4.2), NOTIFY and BENOTIFY.

use crate::subscribed::{Peer, WATCH, roster, wire, wire_with};
use crate::wire::{header, request};
use plenum_sip::endpoint::{
    AcceptSubscription, Answer, Bound, CommandError, EndCause, Event, FlowId, Standing,
    SubscriptionEnd, Termination, Transport,
};
use plenum_sip::msg::{HeaderName, StatusCode, Text};

fn first(text: &str) -> AcceptSubscription {
    AcceptSubscription {
        first: Some(roster(text)),
        ..AcceptSubscription::default()
    }
}

fn bare() -> AcceptSubscription {
    AcceptSubscription::default()
}

#[test]
fn rfc6665_4_2_1_1_refusals_at_the_door_leave_nothing() {
    let cases = [
        ("", 489, "Allow-Events: conference"),
        ("Event: presence\n", 489, "Allow-Events: conference"),
        ("Event: conferences\n", 489, "Allow-Events: conference"),
        ("Event: conference\nExpires: 59\n", 423, "Min-Expires: 60"),
        (
            "Event: conference\nRequire: jump\n",
            420,
            "Unsupported: jump",
        ),
    ];
    for (extra, status, field) in cases {
        let mut wire = wire();
        wire.say(&request("SUBSCRIBE", 1, extra, ""));
        let sent = wire.hear().text;
        assert!(sent.starts_with(&format!("SIP/2.0 {status} ")), "{sent}");
        assert!(sent.contains(field), "{sent}");
        assert_eq!(wire.endpoint.counts(), Default::default());
    }
    let mut wire = wire();
    let nameless =
        request("SUBSCRIBE", 1, WATCH, "").replace("Contact: <sip:peer@192.0.2.9:5062>\n", "");
    wire.say(&nameless);
    assert_eq!(wire.status(), 400);
    assert_eq!(wire.endpoint.counts(), Default::default());
}

#[test]
fn option_tags_of_best_effort_clients_are_borne() {
    for field in ["Require", "Proxy-Require"] {
        for tag in [
            "ms-benotify",
            "ms-piggyback-first-notify",
            "com.microsoft.autoextend",
        ] {
            let mut peer = Peer::new(wire());
            let extra = format!("{WATCH}{field}: {tag}\n");
            let (id, ok) = peer.subscribe(&extra, bare());
            assert!(!ok.text.contains(tag), "{}", ok.text);
            peer.due(id);
        }
    }
}

#[test]
fn rfc6665_4_2_a_life_of_a_subscription() {
    let mut peer = Peer::new(wire());
    let (id, ok) = peer.subscribe(WATCH, first("one"));
    assert_eq!(header(&ok.text, "Expires"), "600");
    assert!(
        ok.text.contains("Contact: <sip:room@192.0.2.1:5060>"),
        "{}",
        ok.text
    );
    assert!(header(&ok.text, "To").contains(";tag="));
    assert!(!ok.text.contains("one"));
    let one = peer.notified();
    assert!(
        one.starts_with("NOTIFY sip:peer@192.0.2.9:5062 SIP/2.0"),
        "{one}"
    );
    assert_eq!(header(&one, "Subscription-State"), "active;expires=600");
    assert_eq!(header(&one, "Event"), "conference");
    assert_eq!(
        header(&one, "Content-Type"),
        "application/conference-info+xml"
    );
    assert!(one.ends_with("\r\n\r\none"), "{one}");
    // One at a time, in their order.
    peer.notify(id, "two");
    peer.notify(id, "three");
    peer.silent();
    peer.wire.pass(100);
    peer.answer(&one, 200, "");
    peer.delivered(id);
    let two = peer.notified();
    assert!(two.ends_with("two"), "{two}");
    assert_eq!(header(&two, "Subscription-State"), "active;expires=600");
    peer.silent();
    peer.answer(&two, 200, "");
    peer.delivered(id);
    let three = peer.notified();
    assert!(three.ends_with("three"), "{three}");
    peer.answer(&three, 202, "");
    peer.delivered(id);
    // What is left of it grows less; a refresh starts it anew.
    peer.wire.pass(99_900);
    peer.notify(id, "four");
    let four = peer.notified();
    assert_eq!(header(&four, "Subscription-State"), "active;expires=500");
    peer.answer(&four, 200, "");
    peer.delivered(id);
    peer.say("SUBSCRIBE", "Event: conference\nExpires: 9000\n", "");
    let ok = peer.wire.hear().text;
    assert_eq!(header(&ok, "Expires"), "7200");
    peer.due(id);
    // It ends with the TU's word.
    let termination = Termination::new("noresource");
    let now = peer.wire.now;
    peer.wire
        .endpoint
        .terminate_subscription(now, id, termination)
        .unwrap();
    assert_eq!(peer.ended(id), SubscriptionEnd::Local);
    let last = peer.notified();
    assert_eq!(
        header(&last, "Subscription-State"),
        "terminated;expires=0;reason=noresource"
    );
    let late = peer.wire.endpoint.notify(now, id, roster("late"));
    assert_eq!(late, Err(CommandError::Gone));
    peer.answer(&last, 200, "");
    peer.say("SUBSCRIBE", WATCH, "");
    assert_eq!(peer.wire.status(), 481);
    peer.settle();
}

#[test]
fn a_refusal_is_the_users_and_leaves_nothing() {
    let mut peer = Peer::new(wire());
    peer.say("SUBSCRIBE", WATCH, "");
    let (tx, expires) = peer.asked();
    assert_eq!(expires, 600);
    let now = peer.wire.now;
    let ok = Answer::new(StatusCode::OK);
    let refused = peer.wire.endpoint.respond_with(now, tx, ok);
    assert_eq!(refused, Err(CommandError::BadStatus));
    let answer = Answer::new(StatusCode::NOT_ACCEPTABLE);
    peer.wire.endpoint.respond_with(now, tx, answer).unwrap();
    assert_eq!(peer.wire.status(), 406);
    let late = peer.wire.endpoint.accept_subscription(now, tx, bare());
    assert_eq!(late, Err(CommandError::Gone));
    peer.settle();
    // Nor does one that is never answered.
    let mut peer = Peer::new(wire());
    peer.say("SUBSCRIBE", WATCH, "");
    peer.asked();
    peer.settle();
}

#[test]
fn rfc6665_4_2_2_what_ends_a_subscription() {
    let failed = |status| SubscriptionEnd::NotifyFailed(StatusCode::new(status).unwrap());
    for status in [301, 404, 481, 486, 500, 503, 603] {
        let mut peer = Peer::in_call(wire());
        let (id, _) = peer.subscribe(WATCH, first("one"));
        let one = peer.notified();
        peer.notify(id, "two");
        peer.answer(&one, status, "");
        assert_eq!(peer.ended(id), failed(status));
        peer.silent();
        peer.settle();
    }
    // Timer F.
    let mut peer = Peer::in_call(wire());
    let (id, _) = peer.subscribe(WATCH, first("one"));
    peer.wire.pass(31_999);
    assert!(peer.wire.events.is_empty());
    peer.wire.pass(1);
    assert_eq!(peer.ended(id), failed(408));
    assert!(peer.wire.sent.len() > 5);
    peer.settle();
}

#[test]
fn rfc6665_4_2_2_retry_after_keeps_it_alive_for_a_while() {
    let mut peer = Peer::new(wire());
    let (id, _) = peer.subscribe(WATCH, first("one"));
    let one = peer.notified();
    peer.answer(&one, 503, "Retry-After: 10\n");
    peer.notify(id, "two");
    peer.wire.pass(9_999);
    peer.silent();
    peer.wire.pass(1);
    let again = peer.notified();
    assert!(again.ends_with("one"), "{again}");
    assert_eq!(header(&again, "Subscription-State"), "active;expires=590");
    assert_ne!(header(&again, "CSeq"), header(&one, "CSeq"));
    peer.answer(&again, 200, "");
    peer.delivered(id);
    let two = peer.notified();
    assert!(two.ends_with("two"));
    // Held back again, it ends without what was held.
    peer.answer(&two, 500, "Retry-After: 100\n");
    peer.say("SUBSCRIBE", "Event: conference\nExpires: 0\n", "");
    assert_eq!(peer.wire.status(), 200);
    assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
    let last = peer.notified();
    assert!(header(&last, "Subscription-State").starts_with("terminated"));
    peer.answer(&last, 200, "");
    peer.silent();
    peer.settle();
    // Longer than it lives: over at once.
    let mut peer = Peer::new(wire());
    let (id, _) = peer.subscribe(WATCH, first("one"));
    let one = peer.notified();
    peer.answer(&one, 503, "Retry-After: 600\n");
    assert!(matches!(peer.ended(id), SubscriptionEnd::NotifyFailed(_)));
    peer.settle();
}

#[test]
fn rfc6665_4_2_2_it_expires() {
    let mut peer = Peer::new(wire());
    let (id, _) = peer.subscribe(WATCH, bare());
    peer.due(id);
    peer.wire.pass(599_999);
    peer.silent();
    peer.wire.pass(1);
    assert_eq!(peer.ended(id), SubscriptionEnd::Expired);
    let last = peer.notified();
    assert_eq!(
        header(&last, "Subscription-State"),
        "terminated;expires=0;reason=timeout"
    );
    peer.settle();
}

#[test]
fn rfc6665_4_2_1_2_pending_until_somebody_decides() {
    let mut peer = Peer::new(wire());
    let accept = AcceptSubscription {
        standing: Standing::Pending,
        ..bare()
    };
    let (id, _) = peer.subscribe(WATCH, accept);
    peer.due(id);
    let now = peer.wire.now;
    peer.wire
        .endpoint
        .notify(now, id, Default::default())
        .unwrap();
    let none = peer.notified();
    assert_eq!(header(&none, "Subscription-State"), "pending;expires=600");
    assert!(none.ends_with("Content-Length: 0\r\n\r\n"), "{none}");
    peer.answer(&none, 200, "");
    let mut all = roster("all");
    all.standing = Some(Standing::Active);
    peer.wire.endpoint.notify(now, id, all).unwrap();
    assert_eq!(
        header(&peer.notified(), "Subscription-State"),
        "active;expires=600"
    );
}

#[test]
fn rfc6665_4_4_3_a_fetch_gets_one_notification() {
    let fetch = "Event: conference\nExpires: 0\n";
    for early in [true, false] {
        let mut peer = Peer::new(wire());
        let (id, ok) = peer.subscribe(fetch, if early { first("all") } else { bare() });
        assert_eq!(header(&ok.text, "Expires"), "0");
        if !early {
            peer.due(id);
            peer.notify(id, "all");
        }
        assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
        let all = peer.notified();
        assert!(all.ends_with("all"), "{all}");
        assert_eq!(
            header(&all, "Subscription-State"),
            "terminated;expires=0;reason=timeout"
        );
        peer.answer(&all, 200, "");
        peer.settle();
    }
    // The user who forgets is not waited for.
    let mut peer = Peer::new(wire());
    let (id, _) = peer.subscribe(fetch, bare());
    peer.due(id);
    peer.wire.pass(32_000);
    assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
    peer.settle();
}

#[test]
fn a_piggybacked_first_notification_is_in_the_200() {
    let extra = format!(
        "{WATCH}Supported: ms-benotify\nSupported: ms-piggyback-first-notify\nProxy-Require: ms-benotify\n"
    );
    let mut peer = Peer::in_call(wire());
    let (id, ok) = peer.subscribe(&extra, first("one"));
    let ok = ok.text;
    assert!(ok.ends_with("\r\n\r\none"), "{ok}");
    assert_eq!(
        header(&ok, "Content-Type"),
        "application/conference-info+xml"
    );
    assert_eq!(header(&ok, "Subscription-State"), "active;expires=600");
    assert_eq!(header(&ok, "Expires"), "600");
    assert!(header(&ok, "Supported").contains("ms-piggyback-first-notify"));
    peer.silent();
    // Best effort: nothing is waited for, nothing comes again, the order is that of the CSeq.
    for text in ["two", "three", "four"] {
        peer.notify(id, text);
    }
    let mut seqs = vec![];
    for text in ["two", "three", "four"] {
        let sent = peer.notified();
        assert!(
            sent.starts_with("BENOTIFY ") && sent.ends_with(text),
            "{sent}"
        );
        seqs.push(
            header(&sent, "CSeq")
                .split(' ')
                .next()
                .unwrap()
                .parse::<u32>()
                .unwrap(),
        );
    }
    assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?}");
    peer.wire.pass(100_000);
    peer.silent();
    assert!(peer.wire.events.is_empty());
    let mut termination = Termination::new("ParticipantRemoved");
    let diagnostics = HeaderName::from_static("ms-diagnostics-public");
    termination
        .headers
        .push(diagnostics, Text::from_static("3119"));
    let now = peer.wire.now;
    peer.wire
        .endpoint
        .terminate_subscription(now, id, termination)
        .unwrap();
    assert_eq!(peer.ended(id), SubscriptionEnd::Local);
    let last = peer.notified();
    assert_eq!(
        header(&last, "Subscription-State"),
        "terminated;expires=0;reason=ParticipantRemoved"
    );
    assert_eq!(header(&last, "ms-diagnostics-public"), "3119");
    peer.settle();
}

#[test]
fn best_effort_without_piggyback_follows_the_200() {
    let extra = format!("{WATCH}Supported: ms-benotify\n");
    let mut peer = Peer::new(wire());
    let (id, ok) = peer.subscribe(&extra, first("one"));
    assert_eq!(header(&ok.text, "Subscription-State"), "active;expires=600");
    let one = peer.notified();
    assert!(
        one.starts_with("BENOTIFY ") && one.ends_with("one"),
        "{one}"
    );
    // An answer that should not be is dropped.
    peer.answer(&one, 481, "");
    peer.notify(id, "two");
    assert!(peer.notified().ends_with("two"));
    assert_eq!(peer.wire.metrics.stray_responses.get(), 1);
}

/// Nothing else tells that the one who never answers is gone.
#[test]
fn best_effort_ends_with_the_stream() {
    let extra = format!("{WATCH}Supported: ms-benotify\n");
    for back in [true, false] {
        let mut peer = Peer::new(wire());
        peer.wire.flow.transport = Transport::Tcp;
        let (id, _) = peer.subscribe(&extra, first("one"));
        peer.notified();
        let old = peer.wire.flow.id;
        peer.wire.flow.id = FlowId(2);
        if back {
            peer.say("SUBSCRIBE", &extra, "");
            assert_eq!(peer.wire.status(), 200);
            peer.due(id);
        }
        let now = peer.wire.now;
        peer.wire.endpoint.handle_flow_closed(now, old);
        if back {
            assert!(peer.wire.events.is_empty());
            peer.wire.endpoint.handle_flow_closed(now, FlowId(2));
        }
        let gone = SubscriptionEnd::NotifyFailed(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(peer.ended(id), gone);
        peer.silent();
        peer.settle();
    }
}

#[test]
fn a_fetch_can_be_answered_within_the_200() {
    let extra =
        "Event: conference\nExpires: 0\nSupported: ms-benotify, ms-piggyback-first-notify\n";
    let mut peer = Peer::new(wire());
    let (id, ok) = peer.subscribe(extra, first("all"));
    assert!(ok.text.ends_with("all"));
    assert!(header(&ok.text, "Subscription-State").starts_with("terminated;expires=0"));
    assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
    peer.silent();
    peer.settle();
}

#[test]
fn rfc5057_the_end_of_the_call_is_not_the_end_of_the_subscription() {
    let mut peer = Peer::in_call(wire());
    let (id, _) = peer.subscribe(WATCH, first("one"));
    let one = peer.notified();
    peer.answer(&one, 200, "");
    peer.delivered(id);
    peer.say("BYE", "", "");
    assert_eq!(peer.wire.status(), 200);
    assert!(matches!(
        peer.wire.event(),
        Event::Ended {
            cause: EndCause::Bye(_),
            ..
        }
    ));
    peer.invite = None;
    // The dialog goes on: its CSeq, its route, its refreshes.
    peer.notify(id, "two");
    let two = peer.notified();
    assert_eq!(header(&two, "From"), header(&one, "From"));
    assert_eq!(header(&two, "Call-ID"), header(&one, "Call-ID"));
    peer.answer(&two, 200, "");
    peer.delivered(id);
    peer.say("SUBSCRIBE", WATCH, "");
    assert_eq!(peer.wire.status(), 200);
    peer.due(id);
    for method in ["BYE", "INVITE", "UPDATE"] {
        peer.say(method, "", "");
        assert_eq!(peer.wire.status(), 481, "{method}");
    }
    peer.say("SUBSCRIBE", "Event: conference\nExpires: 0\n", "");
    assert_eq!(peer.wire.status(), 200);
    assert_eq!(peer.ended(id), SubscriptionEnd::Unsubscribed);
    let last = peer.notified();
    peer.answer(&last, 200, "");
    peer.settle();
}

#[test]
fn rfc5057_the_end_of_the_subscription_is_not_the_end_of_the_call() {
    for status in [481, 408] {
        let mut peer = Peer::in_call(wire());
        let (id, _) = peer.subscribe(WATCH, first("one"));
        let one = peer.notified();
        peer.answer(&one, status, "");
        assert!(matches!(peer.ended(id), SubscriptionEnd::NotifyFailed(_)));
        peer.say("INFO", "", "");
        assert!(matches!(peer.wire.event(), Event::InDialog { .. }));
        peer.settle();
    }
}

#[test]
fn a_bound_subscription_ends_before_its_call() {
    for ours in [true, false] {
        let mut peer = Peer::in_call(wire());
        let call = peer.invite.unwrap();
        let accept = AcceptSubscription {
            bound: Some(Bound {
                to: call,
                reason: Text::from_static("noresource"),
            }),
            ..first("one")
        };
        let (id, _) = peer.subscribe(&format!("{WATCH}Supported: ms-benotify\n"), accept);
        peer.notified();
        let now = peer.wire.now;
        if ours {
            peer.wire.endpoint.bye(now, call, None).unwrap();
        } else {
            peer.say("BYE", "", "");
            assert_eq!(peer.wire.status(), 200);
        }
        assert_eq!(peer.ended(id), SubscriptionEnd::CallEnded);
        let last = peer.notified();
        assert_eq!(
            header(&last, "Subscription-State"),
            "terminated;expires=0;reason=noresource"
        );
        if ours {
            assert!(peer.wire.hear().text.starts_with("BYE "));
        }
        assert!(matches!(peer.wire.event(), Event::Ended { .. }));
        peer.invite = None;
        peer.settle();
    }
}

#[test]
fn rfc6665_8_2_1_several_subscriptions_of_a_dialog() {
    let mut peer = Peer::in_call(wire());
    let watch = |id: &str| format!("Event: conference{id}\nExpires: 600\n");
    let (plain, _) = peer.subscribe(&watch(""), bare());
    peer.due(plain);
    let (seven, _) = peer.subscribe(&watch(";id=7"), bare());
    assert_ne!(plain, seven);
    peer.due(seven);
    peer.notify(seven, "of seven");
    let sent = peer.notified();
    assert_eq!(header(&sent, "Event"), "conference;id=7");
    peer.answer(&sent, 200, "");
    peer.delivered(seven);
    peer.say("SUBSCRIBE", &watch(";id=7"), "");
    assert_eq!(peer.wire.status(), 200);
    peer.due(seven);
    peer.say("SUBSCRIBE", "Event: conference;id=7\nExpires: 0\n", "");
    assert_eq!(peer.wire.status(), 200);
    assert_eq!(peer.ended(seven), SubscriptionEnd::Unsubscribed);
    peer.notified();
    peer.notify(plain, "of the other");
    assert!(peer.notified().ends_with("of the other"));
}

#[test]
fn there_is_a_bound_on_everything_a_subscriber_can_ask_for() {
    let tight = || {
        wire_with(|config| {
            config.limits.events.subscriptions = 3;
            config.limits.events.subscriptions_per_dialog = 2;
            config.limits.events.queued_notifications = 2;
        })
    };
    let mut peer = Peer::in_call(tight());
    let (id, _) = peer.subscribe(WATCH, first("one"));
    let one = peer.notified();
    peer.notify(id, "two");
    peer.notify(id, "three");
    let now = peer.wire.now;
    let full = peer.wire.endpoint.notify(now, id, roster("four"));
    assert_eq!(full, Err(CommandError::Pending));
    assert_eq!(peer.wire.metrics.refused_notifications.get(), 1);
    peer.subscribe("Event: conference;id=2\n", bare());
    peer.answer(&one, 200, "");
    peer.wire.sent.clear();
    peer.say("SUBSCRIBE", "Event: conference;id=3\n", "");
    let refused = std::iter::from_fn(|| peer.wire.sent.pop_front())
        .last()
        .unwrap();
    assert!(refused.text.starts_with("SIP/2.0 403 "), "{}", refused.text);
    let mut other = Peer::new(peer.wire);
    other.n = 2;
    other.wire.events.clear();
    other.subscribe(WATCH, bare());
    other.wire.events.clear();
    other.wire.say(&request("SUBSCRIBE", 3, WATCH, ""));
    let refused = other.wire.hear().text;
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    assert_eq!(header(&refused, "Retry-After"), "7");
    assert_eq!(other.wire.endpoint.counts().notifiers, 3);
    assert_eq!(other.wire.endpoint.subscriptions().len(), 3);
}
