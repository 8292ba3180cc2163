//! Calls of ours: targets, forks, late and doubled answers (RFC 3261 §13.2.2.4, RFC 3263 §4.3).

use crate::wire::{Sent, Wire, address, header, response};
use plenum_sip::endpoint::{EndCause, Event, Transport};
use plenum_sip::msg::{Headers, Method, NameAddr, Text, Uri};
use std::collections::HashSet;

const CONTACT: &str = "Contact: <sip:bob@10.1.1.1>\n";

fn ended(wire: &mut Wire) -> EndCause {
    match wire.event() {
        Event::Ended { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

fn is(sent: &Sent, method: &str) -> bool {
    sent.text.starts_with(method)
}

#[test]
fn rfc3261_8_1_1_what_a_call_of_ours_looks_like() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@example.com", 10, &["<sip:10.0.0.7;lr>"]);
    let invite = wire.hear();
    assert_eq!(
        (invite.transport, invite.to),
        (Transport::Udp, address("10.0.0.7:5060"))
    );
    assert!(invite.tx.is_some());
    assert!(invite.text.starts_with(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"
    ));
    for (name, value) in [
        ("Max-Forwards", "70"),
        ("Route", "<sip:10.0.0.7;lr>"),
        ("To", "<sip:bob@example.com>"),
        ("CSeq", "1 INVITE"),
        ("Contact", "<sip:me@192.0.2.1:5060>"),
        ("Supported", "100rel, timer"),
        ("Allow-Events", "conference"),
        ("User-Agent", "wire"),
        ("Content-Type", "application/sdp"),
        ("Content-Length", "10"),
    ] {
        assert_eq!(header(&invite.text, name), value);
    }
    assert!(header(&invite.text, "Via").ends_with(";rport"));
}

#[test]
fn rfc3263_4_3_the_next_target_is_tried_with_a_new_branch() {
    let targets = [
        (Transport::Tcp, "10.0.0.1:5060"),
        (Transport::Udp, "10.0.0.2:5060"),
        (Transport::Udp, "10.0.0.3:5060"),
    ];
    let mut wire = Wire::new();
    let id = wire.invite("sip:bob@example.com", 10, &[]);
    assert_eq!(
        wire.resolve
            .front()
            .map(|(_, uri)| uri.to_string())
            .as_deref(),
        Some("sip:bob@example.com")
    );
    wire.resolved(&targets);
    let first = wire.hear();
    assert_eq!(
        (first.transport, first.to),
        (Transport::Tcp, address("10.0.0.1:5060"))
    );
    assert_eq!(
        header(&first.text, "Contact"),
        "<sip:me@192.0.2.1:5060;transport=tcp>"
    );
    wire.endpoint
        .handle_send_failed(wire.now, first.tx.unwrap());
    let second = wire.hear();
    assert_eq!(second.to, address("10.0.0.2:5060"));
    assert_eq!(header(&second.text, "Contact"), "<sip:me@192.0.2.1:5060>");
    let refused = response(&second.text, 503, "x", "", "");
    wire.say(&refused);
    let (ack, third) = (wire.hear(), wire.hear());
    assert!(is(&ack, "ACK") && ack.to == address("10.0.0.2:5060"));
    assert_eq!(third.to, address("10.0.0.3:5060"));
    wire.say(&refused);
    assert_eq!(
        wire.hear().text,
        ack.text,
        "the failed transaction still acknowledges"
    );
    let branches: HashSet<&str> = [&first, &second, &third]
        .into_iter()
        .map(|sent| header(&sent.text, "Via"))
        .collect();
    assert_eq!(branches.len(), 3);
    assert!(wire.events.is_empty());
    wire.pass(32_000);
    assert_eq!(ended(&mut wire), EndCause::Unreachable);
    assert_eq!(wire.endpoint.usages(), []);
    assert!(wire.endpoint.cancel(wire.now, id).is_err());
    wire.pass(40_000);
    assert_eq!(wire.endpoint.counts(), Default::default());
}

#[test]
fn rfc3263_4_unresolvable() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@nowhere.invalid", 10, &[]);
    wire.resolved(&[]);
    assert_eq!(ended(&mut wire), EndCause::Unreachable);
    // Cancelled while the resolver works: nothing is sent at all.
    let id = wire.invite("sip:bob@example.com", 10, &[]);
    wire.endpoint.cancel(wire.now, id).unwrap();
    assert_eq!(ended(&mut wire), EndCause::Local);
    wire.resolved(&[(Transport::Udp, "10.0.0.2:5060")]);
    assert!(wire.sent.is_empty());
    assert_eq!(wire.endpoint.counts(), Default::default());
}

#[test]
fn rfc3261_18_1_1_a_long_request_goes_by_tcp_or_at_last_by_udp() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@10.0.0.2", 1300, &[]);
    let tcp = wire.hear();
    assert_eq!(
        (tcp.transport, tcp.to),
        (Transport::Tcp, address("10.0.0.2:5060"))
    );
    assert!(header(&tcp.text, "Via").starts_with("SIP/2.0/TCP "));
    wire.endpoint.handle_send_failed(wire.now, tcp.tx.unwrap());
    let udp = wire.hear();
    assert_eq!(
        (udp.transport, udp.to),
        (Transport::Udp, address("10.0.0.2:5060"))
    );
    assert!(header(&udp.text, "Via").starts_with("SIP/2.0/UDP "));
    assert_eq!(udp.text.matches("Via:").count(), 1);
    wire.endpoint.handle_send_failed(wire.now, udp.tx.unwrap());
    assert_eq!(ended(&mut wire), EndCause::Unreachable);
}

/// §13.2.2.4: the first 2xx is the call; the others are acknowledged and ended.
#[test]
fn rfc3261_13_2_2_4_forked_answers() {
    let mut wire = Wire::new();
    let id = wire.invite("sip:bob@10.0.0.2", 10, &[]);
    let invite = wire.hear().text;
    wire.say(&response(&invite, 180, "one", CONTACT, ""));
    wire.say(&response(&invite, 180, "two", CONTACT, ""));
    assert!(matches!(wire.event(), Event::Progress { .. }));
    assert!(matches!(wire.event(), Event::Progress { .. }));
    wire.say(&response(&invite, 200, "two", CONTACT, "answer"));
    assert!(matches!(wire.event(), Event::Answered { .. }));
    let ack = wire.hear();
    assert!(is(&ack, "ACK sip:bob@10.1.1.1 ") && ack.to == address("10.1.1.1:5060"));
    assert_eq!(header(&ack.text, "CSeq"), "1 ACK");
    assert_ne!(
        header(&ack.text, "Via"),
        header(&invite, "Via"),
        "an ACK of its own (§13.2.2.4)"
    );
    for _ in 0..2 {
        wire.say(&response(&invite, 200, "two", CONTACT, "answer"));
        assert_eq!(wire.hear().text, ack.text, "the same ACK again");
    }
    for tag in ["one", "three"] {
        wire.say(&response(&invite, 200, tag, CONTACT, "answer"));
        let (ack, bye) = (wire.hear(), wire.hear());
        assert!(is(&ack, "ACK") && is(&bye, "BYE"), "{ack:?} {bye:?}");
        assert!(header(&bye.text, "To").ends_with(tag));
        wire.say(&response(&bye.text, 200, "", "", ""));
        wire.say(&response(&invite, 200, tag, CONTACT, "answer"));
        assert_eq!(wire.hear().text, ack.text);
        assert!(wire.sent.is_empty(), "one BYE is enough");
    }
    assert_eq!(wire.metrics.abandoned_forks.get(), 2);
    assert!(wire.events.is_empty());
    wire.endpoint.bye(wire.now, id, None).unwrap();
    wire.pass(80_000);
    assert_eq!(wire.endpoint.counts(), Default::default());
}

/// A fork cannot make us keep more than so many dialogs.
#[test]
fn rfc3261_13_2_2_4_forks_are_bounded() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@10.0.0.2", 10, &[]);
    let invite = wire.hear().text;
    for n in 0..200 {
        wire.say(&response(&invite, 180, &format!("early{n}"), CONTACT, ""));
    }
    for n in 0..200 {
        wire.say(&response(
            &invite,
            200,
            &format!("late{n}"),
            CONTACT,
            "answer",
        ));
    }
    assert!(wire.endpoint.counts().client_transactions <= 17);
    let progress = wire
        .events
        .iter()
        .filter(|event| matches!(event, Event::Progress { .. }));
    assert_eq!(progress.count(), 16);
}

#[test]
fn rfc3261_12_2_1_1_route_set_of_the_answer_is_reversed_and_its_contact_is_the_target() {
    let mut wire = Wire::new();
    let id = wire.invite("sip:bob@10.0.0.2", 10, &[]);
    let invite = wire.hear().text;
    let routes = format!("{CONTACT}Record-Route: <sip:10.7.7.1;lr>, <sip:p2.example;lr>\n");
    wire.say(&response(&invite, 200, "one", &routes, "answer"));
    assert_eq!(
        wire.resolve
            .front()
            .map(|(_, uri)| uri.to_string())
            .as_deref(),
        Some("sip:p2.example;lr")
    );
    assert!(wire.sent.is_empty());
    wire.resolved(&[(Transport::Udp, "10.7.7.2:5060")]);
    let ack = wire.hear();
    assert!(is(&ack, "ACK sip:bob@10.1.1.1 ") && ack.to == address("10.7.7.2:5060"));
    let first = ack.text.find("<sip:p2.example;lr>").unwrap();
    assert!(first < ack.text.find("<sip:10.7.7.1;lr>").unwrap());
    // The next hop is known from here on.
    wire.endpoint
        .request_in_dialog(wire.now, id, Method::Info, Headers::new(), None)
        .unwrap();
    let info = wire.hear();
    assert!(is(&info, "INFO") && info.to == address("10.7.7.2:5060"));
    assert_eq!(header(&info.text, "CSeq"), "2 INFO");
}

/// RFC 3262 §4: in order, once each; a repetition is not acknowledged by another PRACK.
#[test]
fn rfc3262_4_provisionals_out_of_order() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@10.0.0.2", 10, &[]);
    let invite = wire.hear().text;
    let reliable = |rseq: u32| format!("{CONTACT}Require: 100rel\nRSeq: {rseq}\n");
    wire.say(&response(&invite, 180, "one", &reliable(7), ""));
    let prack = wire.hear();
    assert!(is(&prack, "PRACK sip:bob@10.1.1.1 "));
    assert_eq!(
        (header(&prack.text, "RAck"), header(&prack.text, "CSeq")),
        ("7 1 INVITE", "2 PRACK")
    );
    for ignored in [7, 6, 9] {
        wire.say(&response(&invite, 180, "one", &reliable(ignored), ""));
        assert!(wire.sent.is_empty(), "RSeq {ignored}");
    }
    wire.say(&response(&invite, 183, "one", &reliable(8), ""));
    assert_eq!(header(&wire.hear().text, "RAck"), "8 1 INVITE");
    assert_eq!(wire.events.len(), 2);
}

#[test]
fn rfc3261_9_1_the_cancel_is_the_invites_twin() {
    let mut wire = Wire::new();
    let id = wire.invite("sip:bob@10.0.0.2", 10, &["<sip:10.0.0.7;lr>"]);
    let invite = wire.hear().text;
    wire.endpoint.cancel(wire.now, id).unwrap();
    wire.drain();
    assert!(wire.sent.is_empty());
    wire.say(&response(&invite, 100, "", "", ""));
    let cancel = wire.hear().text;
    assert!(cancel.starts_with("CANCEL sip:bob@10.0.0.2 "));
    for same in ["Via", "Route", "From", "To", "Call-ID"] {
        assert_eq!(header(&cancel, same), header(&invite, same), "{same}");
    }
    assert_eq!(header(&cancel, "CSeq"), "1 CANCEL");
    wire.say(&response(&cancel, 200, "one", "", ""));
    assert!(
        wire.events.is_empty(),
        "the answer to the CANCEL is not the end"
    );
    wire.say(&response(&invite, 487, "one", "", ""));
    assert!(is(&wire.hear(), "ACK"));
    assert_eq!(ended(&mut wire), EndCause::Local);
    wire.pass(40_000);
    assert_eq!(wire.endpoint.counts(), Default::default());
}

#[test]
fn rfc3261_8_1_a_request_outside_a_dialog() {
    use plenum_sip::endpoint::OutOfDialog;
    let mut wire = Wire::new();
    let uri = Uri::parse(b"sip:bob@10.0.0.2;transport=tcp").unwrap();
    let out = OutOfDialog {
        method: Method::Options,
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(Uri::parse(b"sip:me@example.org").unwrap()),
        headers: Headers::from_iter([(plenum_sip::msg::HeaderName::Subject, Text::from("hello"))]),
        body: None,
        route: vec![],
        contact: None,
        reach: plenum_sip::endpoint::Reach::default(),
    };
    let tx = wire.endpoint.request(wire.now, out);
    let options = wire.hear();
    assert_eq!(options.transport, Transport::Tcp);
    assert_eq!(header(&options.text, "Subject"), "hello");
    assert!(header(&options.text, "From").contains(";tag="));
    wire.say(&response(&options.text, 100, "", "", ""));
    assert!(wire.events.is_empty());
    wire.say(&response(&options.text, 200, "one", "", ""));
    match wire.event() {
        Event::Response {
            tx: got,
            response,
            insecure,
        } => {
            assert_eq!((got, response.status.code()), (tx, 200));
            assert_eq!(insecure, None);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(wire.endpoint.counts(), Default::default());
}

#[test]
fn why_a_connection_was_not_secured_reaches_who_asked() {
    use plenum_sip::endpoint::OutOfDialog;
    let mut wire = Wire::new();
    let uri = Uri::parse(b"sip:10.0.0.2;transport=tls").unwrap();
    let out = OutOfDialog {
        method: Method::Options,
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(Uri::parse(b"sip:me@example.org").unwrap()),
        headers: Headers::new(),
        body: None,
        route: vec![],
        contact: None,
        reach: plenum_sip::endpoint::Reach::default(),
    };
    let tx = wire.endpoint.request(wire.now, out);
    assert_eq!(wire.hear().tx, Some(tx));
    let why = Text::from("the certificate is another one's");
    wire.endpoint.handle_not_secured(wire.now, tx, why.clone());
    wire.drain();
    match wire.event() {
        Event::Response {
            response, insecure, ..
        } => assert_eq!((response.status.code(), insecure), (503, Some(why))),
        other => panic!("{other:?}"),
    }
}

/// §12.1.2: the route set of an early dialog is the Record-Route of its 1xx, reversed.
#[test]
fn rfc3261_12_1_2_the_route_set_of_an_early_dialog() {
    let mut wire = Wire::new();
    wire.invite("sip:bob@10.0.0.2", 10, &[]);
    let invite = wire.hear().text;
    let fields = "Record-Route: <sip:10.7.7.1;lr>, <sip:10.7.7.2;lr>\nRequire: 100rel\nRSeq: 1\n";
    wire.say(&response(
        &invite,
        180,
        "one",
        &format!("{CONTACT}{fields}"),
        "",
    ));
    let prack = wire.hear();
    assert!(is(&prack, "PRACK sip:bob@10.1.1.1 "));
    assert_eq!(prack.to, address("10.7.7.2:5060"));
    assert_eq!(header(&prack.text, "Route"), "<sip:10.7.7.2;lr>");
}

/// RFC 4028 §7.2 and §10: who refreshes is what the 2xx says.
#[test]
fn rfc4028_7_2_the_refresher_is_whom_the_2xx_names() {
    for (refresher, refreshes) in [("uac", true), ("uas", false)] {
        let mut wire = Wire::new();
        wire.invite("sip:bob@10.0.0.2", 10, &[]);
        let invite = wire.hear().text;
        let fields = format!("{CONTACT}Allow: UPDATE\nSession-Expires: 90;refresher={refresher}\n");
        wire.say(&response(&invite, 200, "one", &fields, "answer"));
        assert!(is(&wire.hear(), "ACK"));
        assert!(matches!(wire.event(), Event::Answered { .. }));
        wire.pass(46_000);
        wire.drain();
        assert_eq!(!wire.sent.is_empty(), refreshes, "{refresher}");
        if refreshes {
            let update = wire.hear().text;
            assert!(update.starts_with("UPDATE "), "{update}");
            assert_eq!(header(&update, "Session-Expires"), "90;refresher=uac");
        }
        // Nobody answers and nobody refreshes: by whichever way, the call ends with a BYE.
        wire.sent.clear();
        wire.pass(if refreshes { 32_000 } else { 15_000 });
        let want = if refreshes {
            EndCause::DialogGone
        } else {
            EndCause::SessionExpired
        };
        let causes: Vec<_> = std::iter::from_fn(|| wire.events.pop_front())
            .filter_map(|event| match event {
                Event::Ended { cause, .. } => Some(cause),
                _ => None,
            })
            .collect();
        assert_eq!(causes, [want], "{refresher}");
        assert!(wire.sent.iter().any(|sent| is(sent, "BYE")));
    }
}
