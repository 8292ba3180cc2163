//! What is refused at the door, and where answers go (RFC 3261 §8.2, §17.2.3, §18.2, RFC 3581).

use crate::wire::{Wire, address, header, request};
use plenum_sip::endpoint::{Accept, Answer, Body, EndCause, Event, InviteId, Transport};
use plenum_sip::msg::{Response, StatusCode, Text};

fn invited(wire: &mut Wire) -> InviteId {
    match wire.event() {
        Event::Invite { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

fn answer() -> Accept {
    let body = Body {
        content_type: Text::from_static("application/sdp"),
        octets: "answer".into(),
    };
    Accept {
        body: Some(body),
        ..Accept::default()
    }
}

#[test]
fn rfc3261_8_2_refusals_and_what_they_carry() {
    let cases = [
        ("JUMP", "", "", 501, "Allow: INVITE, ACK, CANCEL"),
        (
            "SUBSCRIBE",
            "Event: conference\n",
            "",
            405,
            "Allow: INVITE, ACK, CANCEL",
        ),
        (
            "INVITE",
            "Require: 100rel, jump\n",
            "v=0",
            420,
            "Unsupported: jump",
        ),
        ("OPTIONS", "Require: jump\n", "", 420, "Unsupported: jump"),
        (
            "INVITE",
            "Content-Encoding: gzip\n",
            "v=0",
            415,
            "Accept-Encoding: identity",
        ),
        (
            "INVITE",
            "Content-Disposition: recipe\n",
            "v=0",
            415,
            "Accept: application/sdp",
        ),
        (
            "INVITE",
            "Supported: timer\nSession-Expires: 60\n",
            "v=0",
            422,
            "Min-SE: 90",
        ),
        ("BYE", "", "", 481, ""),
        ("UPDATE", "", "", 481, ""),
    ];
    for (n, (method, extra, body, status, carries)) in (0..).zip(cases) {
        let mut wire = Wire::new();
        let text = request(method, n, extra, body);
        let inside = matches!(method, "BYE" | "UPDATE");
        let text = if inside {
            text.replace("192.0.2.1>\nCall", "192.0.2.1>;tag=x\nCall")
        } else {
            text
        };
        wire.say(&text);
        let refusal = wire.hear();
        assert!(
            refusal.text.starts_with(&format!("SIP/2.0 {status} ")),
            "{}",
            refusal.text
        );
        assert!(refusal.text.contains(carries), "{}", refusal.text);
        assert!(header(&refusal.text, "To").contains(";tag="));
        assert!(wire.events.is_empty(), "{method} {extra}");
        assert_eq!(
            wire.endpoint.counts(),
            Default::default(),
            "no state for {method}"
        );
        // §8.2.7: the retransmission is refused with the same tag.
        wire.say(&text);
        assert_eq!(wire.hear().text, refusal.text);
        assert_eq!(wire.metrics.refused_requests.get(), 2);
    }
}

#[test]
fn rfc3261_8_2_3_a_body_we_may_ignore_is_no_reason_to_refuse() {
    let mut wire = Wire::new();
    let optional = "Content-Disposition: recipe;handling=optional\n";
    wire.say(&request("INVITE", 1, optional, "v=0"));
    let id = invited(&mut wire);
    let status = wire.endpoint.accept(wire.now, id, Accept::default());
    assert!(
        status.is_err(),
        "the INVITE carried no offer, so the 2xx has to"
    );
}

#[test]
fn rfc3261_8_1_1_6_a_spent_request_that_arrived_is_taken_unless_told_otherwise() {
    let spent = request("OPTIONS", 1, "", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    let mut wire = Wire::new();
    wire.say(&spent);
    assert!(matches!(wire.event(), Event::Request { .. }));
    let mut wire = Wire::with(|config| config.refuse_spent_hops = true);
    wire.say(&spent);
    assert_eq!(wire.status(), 483);
}

#[test]
fn rfc3261_8_2_2_2_the_same_request_on_another_way_is_merged() {
    let mut wire = Wire::new();
    let text = request("OPTIONS", 1, "", "");
    wire.say(&text);
    let tx = match wire.event() {
        Event::Request { tx, .. } => tx,
        other => panic!("{other:?}"),
    };
    wire.say(&text);
    assert!(
        wire.sent.is_empty(),
        "a retransmission waits for the answer"
    );
    wire.say(&text.replace("branch=z9hG4bKpeer1", "branch=z9hG4bKother"));
    assert_eq!(wire.status(), 482);
    wire.endpoint
        .respond_with(wire.now, tx, Answer::new(StatusCode::OK))
        .unwrap();
    let ok = wire.hear();
    assert!(ok.text.contains("Allow: INVITE") && ok.text.contains("Accept: application/sdp"));
    wire.say(&text);
    assert_eq!(wire.hear().text, ok.text, "and then gets it again");
    let twice = wire
        .endpoint
        .respond(wire.now, tx, Response::new(StatusCode::OK));
    assert!(twice.is_err());
    wire.pass(32_000);
    assert_eq!(wire.endpoint.counts(), Default::default());
}

/// §17.2.3: branch, sent-by and method make the transaction; without the cookie the rules of
/// RFC 2543 do.
#[test]
fn rfc3261_17_2_3_what_is_the_same_transaction() {
    let base = request("OPTIONS", 1, "", "");
    let old = base.replace("z9hG4bKpeer1", "1");
    let cases = [
        (&base, "peer1\nMax", "peer1\nMax", true),
        (
            &base,
            "192.0.2.9:5062;branch",
            "192.0.2.9:5063;branch",
            false,
        ),
        (&old, "branch=1", "branch=1", true),
        (&old, "branch=1", "branch=2", false),
        (&old, "OPTIONS sip:room@", "OPTIONS sip:hall@", false),
    ];
    for (text, from, to, same) in cases {
        let mut wire = Wire::new();
        wire.say(text);
        wire.event();
        wire.say(&text.replace(from, to));
        // Another transaction of the same request is a merged one.
        assert_eq!(wire.sent.is_empty(), same, "{from} -> {to}");
    }
}

#[test]
fn rfc3261_18_2_2_and_rfc3581_where_the_answer_goes() {
    let cases = [
        (
            "192.0.2.9:5062",
            "192.0.2.9:5062",
            "SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKpeer1\r",
        ),
        (
            "192.0.2.9",
            "192.0.2.9:5060",
            "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKpeer1\r",
        ),
        ("nat.example:5070", "192.0.2.9:5070", ";received=192.0.2.9"),
        ("10.0.0.1:5070;rport", "192.0.2.9:5062", ";rport=5062"),
        (
            "10.0.0.1:5070;maddr=239.1.1.1",
            "239.1.1.1:5070",
            ";received=192.0.2.9",
        ),
        // What is said to somebody must not be heard by somebody else.
        (
            "192.0.2.9:5070;maddr=192.0.2.66",
            "192.0.2.9:5070",
            ";maddr=192.0.2.66",
        ),
        (
            "[2001:db8::1]:5070;rport",
            "192.0.2.9:5062",
            ";received=192.0.2.9",
        ),
    ];
    for (sent_by, goes, carries) in cases {
        let mut wire = Wire::new();
        wire.say(&request("JUMP", 1, "", "").replace("192.0.2.9:5062;", &format!("{sent_by};")));
        let sent = wire.hear();
        assert_eq!(sent.to, address(goes), "{sent_by}");
        assert!(sent.text.contains(carries), "{sent_by}: {}", sent.text);
    }
}

#[test]
fn rfc3261_18_1_2_strays_are_counted_and_dropped() {
    let mut wire = Wire::new();
    let stray = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef\n\
        From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n";
    wire.say(stray);
    wire.say(&request("ACK", 1, "", "").replace("192.0.2.1>\nCall", "192.0.2.1>;tag=x\nCall"));
    assert!(wire.sent.is_empty() && wire.events.is_empty());
    assert_eq!(
        (
            wire.metrics.stray_responses.get(),
            wire.metrics.stray_acks.get()
        ),
        (1, 1)
    );
    wire.say(&request("CANCEL", 1, "", ""));
    assert_eq!(wire.status(), 481);
}

#[test]
fn rfc3261_21_5_4_overload_is_refused_before_state_is_made() {
    let mut wire = Wire::new();
    wire.say(&request("INVITE", 1, "", "v=0"));
    wire.say(&request("INVITE", 2, "", "v=0"));
    let first = invited(&mut wire);
    let before = wire.endpoint.counts();
    wire.say(&request("INVITE", 3, "", "v=0"));
    let refusal = wire.hear();
    assert!(
        refusal.text.starts_with("SIP/2.0 503 "),
        "half-open: {}",
        refusal.text
    );
    assert_eq!(header(&refusal.text, "Retry-After"), "7");
    assert_eq!(
        header(&refusal.text, "Warning"),
        "399 plenum \"This server has no room for another call, try again later\""
    );
    assert_eq!(wire.endpoint.counts(), before);
    assert_eq!(wire.metrics.refused_overload.get(), 1);
    // The first is confirmed: there is room for one more half-open call.
    wire.endpoint.accept(wire.now, first, answer()).unwrap();
    let ok = wire.hear().text;
    let ack = request("ACK", 1, "", "").replace("peer1\nMax", "ack1\nMax");
    wire.say(&ack.replace(
        "To: <sip:room@192.0.2.1>",
        &format!("To: {}", header(&ok, "To")),
    ));
    assert_eq!(wire.endpoint.counts().half_open, 1);
    wire.say(&request("INVITE", 3, "", "v=0"));
    for n in 10..27 {
        wire.say(&request("OPTIONS", n, "", ""));
    }
    assert_eq!(wire.endpoint.counts().server_transactions, 20);
    assert!(wire.sent.is_empty());
    wire.say(&request("OPTIONS", 30, "", ""));
    assert_eq!(wire.status(), 503, "transactions");
    assert_eq!(wire.endpoint.counts().server_transactions, 20);
    // New work is shed before that of calls that are up.
    let inside = |method: &str, seq: u32| {
        request(method, 1, "", "")
            .replace("CSeq: 1", &format!("CSeq: {seq}"))
            .replace("peer1\nMax", &format!("in{seq}\nMax"))
            .replace(
                "To: <sip:room@192.0.2.1>",
                &format!("To: {}", header(&ok, "To")),
            )
    };
    for seq in 2..7 {
        wire.say(&inside("INFO", seq));
    }
    assert!(wire.sent.is_empty(), "{:?}", wire.sent);
    assert_eq!(wire.endpoint.counts().server_transactions, 25);
    wire.say(&inside("INFO", 7));
    assert_eq!(wire.status(), 503, "a quarter more");
    // A BYE frees more than it takes.
    wire.say(&inside("BYE", 8));
    assert_eq!(wire.status(), 200);
}

/// §12.2.2: requests of the dialog in their order; what names no dialog gets 481.
#[test]
fn rfc3261_12_2_2_order_and_identity() {
    let mut wire = Wire::new();
    wire.say(&request(
        "INVITE",
        1,
        "Record-Route: <sip:p1;lr>, <sip:p2;lr>\n",
        "v=0",
    ));
    let id = invited(&mut wire);
    wire.endpoint.accept(wire.now, id, answer()).unwrap();
    let ok = wire.hear().text;
    assert_eq!(header(&ok, "Record-Route"), "<sip:p1;lr>, <sip:p2;lr>");
    assert_eq!(header(&ok, "Contact"), "<sip:room@192.0.2.1:5060>");
    let inside = |method: &str, n: u32, seq: u32| {
        request(method, 1, "", "")
            .replace(
                "To: <sip:room@192.0.2.1>",
                &format!("To: {}", header(&ok, "To")),
            )
            .replace("CSeq: 1", &format!("CSeq: {seq}"))
            .replace("branch=z9hG4bKpeer1", &format!("branch=z9hG4bKin{n}"))
    };
    wire.say(&inside("ACK", 1, 1));
    assert!(matches!(wire.event(), Event::Acked { .. }));
    wire.say(&inside("INFO", 2, 5));
    assert!(matches!(wire.event(), Event::InDialog { .. }));
    wire.say(&inside("INFO", 3, 4));
    assert_eq!(wire.status(), 500);
    wire.say(&inside("INFO", 4, 6).replace("tag=peer1", "tag=thief"));
    assert_eq!(wire.status(), 481);
    wire.say(&inside("BYE", 5, 7));
    assert!(matches!(
        wire.event(),
        Event::Ended {
            cause: EndCause::Bye(None),
            ..
        }
    ));
    let statuses = [wire.status(), wire.status()];
    assert_eq!(
        statuses,
        [200, 487],
        "the BYE, and the INFO nobody answered"
    );
    wire.say(&inside("BYE", 6, 8));
    assert_eq!(wire.status(), 481);
}

/// A caller that is directly behind its flow is reached there (RFC 3581); else its Contact and the
/// route set count (§12.2.1.1).
#[test]
fn rfc3261_12_1_1_our_requests_follow_the_route_set() {
    let cases = [
        (
            "",
            "192.0.2.9:5062;rport",
            "192.0.2.9:5062",
            "sip:peer@10.9.9.9",
        ),
        ("", "192.0.2.9:5062", "10.9.9.9:5060", "sip:peer@10.9.9.9"),
        (
            "Record-Route: <sip:10.0.0.7;lr>\n",
            "192.0.2.9:5062;rport",
            "10.0.0.7:5060",
            "sip:peer@10.9.9.9",
        ),
        (
            "Record-Route: <sip:10.0.0.7:5080>\n",
            "192.0.2.9:5062",
            "10.0.0.7:5080",
            "sip:10.0.0.7:5080",
        ),
    ];
    for (routes, via, goes, uri) in cases {
        let mut wire = Wire::new();
        let text = request("INVITE", 1, routes, "v=0")
            .replace("peer@192.0.2.9:5062>", "peer@10.9.9.9>")
            .replace("UDP 192.0.2.9:5062", &format!("UDP {via}"));
        wire.say(&text);
        let id = invited(&mut wire);
        wire.endpoint.accept(wire.now, id, answer()).unwrap();
        let ok = wire.hear().text;
        wire.say(&request("ACK", 1, "", "").replace(
            "To: <sip:room@192.0.2.1>",
            &format!("To: {}", header(&ok, "To")),
        ));
        wire.endpoint
            .bye(wire.now, id, Some(Text::from_static("SIP;cause=200")))
            .unwrap();
        let bye = wire.hear();
        assert_eq!(bye.to, address(goes), "{routes}{via}");
        assert!(
            bye.text.starts_with(&format!("BYE {uri} SIP/2.0")),
            "{}",
            bye.text
        );
        assert_eq!(header(&bye.text, "Reason"), "SIP;cause=200");
        assert_eq!(bye.transport, Transport::Udp);
    }
}

/// Long branches are kept as long as their transactions: they count against the same bound.
#[test]
fn rfc3261_17_2_3_long_branches_do_not_fill_the_memory() {
    let mut wire = Wire::new();
    let options = |n: u32| {
        let long = format!("branch=z9hG4bK{}peer{n}\n", "x".repeat(9_000));
        let text = request("OPTIONS", n, "", "");
        text.replace(&format!("branch=z9hG4bKpeer{n}\n"), &long)
    };
    let mut taken = Vec::new();
    for n in 0..3 {
        wire.say(&options(n));
        match wire.event() {
            Event::Request { tx, .. } => taken.push(tx),
            other => panic!("{other:?}"),
        }
    }
    assert!(wire.sent.is_empty());
    wire.say(&options(3));
    assert_eq!(wire.status(), 503);
    assert_eq!(wire.endpoint.counts().server_transactions, 3);
    // What was taken is answered, and when it is forgotten there is room again.
    for tx in taken {
        let answer = Answer::new(StatusCode::OK);
        wire.endpoint.respond_with(wire.now, tx, answer).unwrap();
        assert_eq!(wire.status(), 200);
    }
    wire.pass(33_000);
    for n in 4..7 {
        wire.say(&options(n));
        assert!(matches!(wire.event(), Event::Request { .. }));
    }
}
