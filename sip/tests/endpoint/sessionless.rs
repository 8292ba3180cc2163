//! Calls whose bodies are no session descriptions (RFC 3264 §1), and who refreshes them
//! (RFC 4028 §9, MS-CONFBAS §3.2.5.2.1).

use crate::subscribed::Peer;
use crate::wire::{Wire, header, response};
use plenum_sip::endpoint::{Accept, Answer, Body, EndCause, Event, FlowId, Transport};
use plenum_sip::msg::{Headers, Method, StatusCode, Text};
use std::time::Duration;

fn command(text: &'static str) -> Body {
    Body {
        content_type: Text::from_static("application/cccp+xml"),
        octets: text.into(),
    }
}

fn joined(extra: &str) -> (Peer, String) {
    let mut peer = Peer::new(Wire::with(|config| {
        config.accept.push("application/cccp+xml".into());
        config.session_expires = Some(Duration::from_secs(7200));
    }));
    peer.say(
        "INVITE",
        &format!("{extra}Content-Type: application/cccp+xml\n"),
        "addUser",
    );
    let id = match peer.wire.event() {
        Event::Invite { id, .. } => id,
        other => panic!("{other:?}"),
    };
    let accept = Accept {
        body: Some(command("response")),
        no_session: true,
        peer_refreshes: true,
        ..Accept::default()
    };
    peer.wire
        .endpoint
        .accept(peer.wire.now, id, accept)
        .unwrap();
    let ok = peer.wire.hear().text;
    header(&ok, "To").clone_into(&mut peer.to);
    peer.seq = 0;
    peer.say("ACK", "", "");
    assert!(matches!(peer.wire.event(), Event::Acked { body: None, .. }));
    peer.invite = Some(id);
    (peer, ok)
}

#[test]
fn a_join_is_answered_by_a_body_that_is_no_answer() {
    let (mut peer, ok) = joined("");
    assert!(
        ok.starts_with("SIP/2.0 200 ") && ok.ends_with("response"),
        "{ok}"
    );
    assert_eq!(header(&ok, "Content-Type"), "application/cccp+xml");
    // Neither re-INVITE nor UPDATE owes or forbids a body.
    for (method, theirs, ours) in [
        ("INVITE", "again", Some("response")),
        ("INVITE", "", None),
        ("INVITE", "", Some("response")),
        ("UPDATE", "", None),
        ("UPDATE", "", Some("response")),
    ] {
        peer.say(method, "Content-Type: application/cccp+xml\n", theirs);
        let tx = match peer.wire.event() {
            Event::Modify { tx, .. } => tx,
            other => panic!("{other:?}"),
        };
        let answer = Answer::new(StatusCode::OK).with_body(ours.map(command));
        let now = peer.wire.now;
        peer.wire.endpoint.respond_modify(now, tx, answer).unwrap();
        assert_eq!(peer.wire.status(), 200);
        if method == "INVITE" {
            peer.seq -= 1;
            peer.say("ACK", "", "");
            assert!(matches!(peer.wire.event(), Event::Acked { .. }));
        }
    }
    // Commands travel in INFO, both ways.
    peer.say("INFO", "", "");
    assert!(matches!(peer.wire.event(), Event::InDialog { .. }));
    let (now, id) = (peer.wire.now, peer.invite.unwrap());
    let body = Some(command("request"));
    let sent = peer
        .wire
        .endpoint
        .request_in_dialog(now, id, Method::Info, Headers::new(), body);
    assert!(sent.is_ok());
    let info = peer.wire.hear().text;
    assert!(
        info.starts_with("INFO ") && info.ends_with("request"),
        "{info}"
    );
}

#[test]
fn a_refused_reinvite_says_why() {
    let (mut peer, _) = joined("");
    peer.say("INVITE", "Content-Type: application/cccp+xml\n", "again");
    let tx = match peer.wire.event() {
        Event::Modify { tx, .. } => tx,
        other => panic!("{other:?}"),
    };
    let mut answer = Answer::new(StatusCode::FORBIDDEN);
    answer
        .headers
        .push(plenum_sip::msg::HeaderName::Warning, "399 focus \"Locked\"");
    answer.reason = Some("No".into());
    let now = peer.wire.now;
    peer.wire.endpoint.respond_modify(now, tx, answer).unwrap();
    let refused = peer.wire.hear().text;
    assert!(refused.starts_with("SIP/2.0 403 No\r\n"), "{refused}");
    assert_eq!(header(&refused, "Warning"), "399 focus \"Locked\"");
}

/// Whatever refresher the peer asks for, it is the peer.
#[test]
fn rfc4028_9_the_caller_refreshes_where_it_can() {
    let cases = [
        ("Supported: timer\n", Some("7200;refresher=uac")),
        (
            "Supported: timer\nSession-Expires: 900;refresher=uas\n",
            Some("900;refresher=uac"),
        ),
        (
            "Supported: timer\nSession-Expires: 900\n",
            Some("900;refresher=uac"),
        ),
        ("", Some("7200;refresher=uas")),
    ];
    for (extra, expires) in cases {
        let (mut peer, ok) = joined(extra);
        let theirs = extra.contains("timer");
        assert_eq!(header(&ok, "Session-Expires"), expires.unwrap(), "{extra}");
        assert_eq!(ok.contains("Require: timer"), theirs, "{ok}");
        peer.say("UPDATE", extra, "");
        let tx = match peer.wire.event() {
            Event::Modify { tx, .. } => tx,
            other => panic!("{other:?}"),
        };
        let now = peer.wire.now;
        let answer = Answer::new(StatusCode::OK);
        peer.wire.endpoint.respond_modify(now, tx, answer).unwrap();
        let ok = peer.wire.hear().text;
        assert_eq!(header(&ok, "Session-Expires"), expires.unwrap(), "{extra}");
    }
}

/// Joined over a stream, of which the peer is `flow`.
fn joined_by_stream() -> Peer {
    let mut wire = Wire::with(|config| config.accept.push("application/cccp+xml".into()));
    wire.flow.transport = Transport::Tcp;
    let mut peer = Peer::new(wire);
    peer.say("INVITE", "Content-Type: application/cccp+xml\n", "addUser");
    let id = match peer.wire.event() {
        Event::Invite { id, .. } => id,
        other => panic!("{other:?}"),
    };
    let accept = Accept {
        body: Some(command("response")),
        no_session: true,
        ..Accept::default()
    };
    let now = peer.wire.now;
    peer.wire.endpoint.accept(now, id, accept).unwrap();
    let ok = peer.wire.hear().text;
    header(&ok, "To").clone_into(&mut peer.to);
    peer.seq = 0;
    peer.say("ACK", "", "");
    peer.wire.event();
    peer.invite = Some(id);
    peer
}

fn hang_up_stream(peer: &mut Peer) {
    let (now, flow) = (peer.wire.now, peer.wire.flow.id);
    peer.wire.endpoint.handle_flow_closed(now, flow);
    peer.wire.drain();
    assert!(matches!(peer.wire.event(), Event::FlowClosed { .. }));
}

fn ended(peer: &mut Peer) -> EndCause {
    match peer.wire.event() {
        Event::Ended { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc5057_5_1_whose_stream_broke_is_asked_once_and_gone() {
    let mut peer = joined_by_stream();
    hang_up_stream(&mut peer);
    peer.wire.pass(4_999);
    assert!(peer.wire.sent.is_empty(), "the peer has a while");
    peer.wire.pass(1);
    let probe = peer.wire.hear();
    assert!(
        probe.text.starts_with("OPTIONS sip:peer@"),
        "{}",
        probe.text
    );
    // The stream is gone, and nobody listens at the Contact.
    let (now, tx) = (peer.wire.now, probe.tx.unwrap());
    peer.wire.endpoint.handle_send_failed(now, tx);
    assert!(peer.wire.events.is_empty());
    let again = peer.wire.hear();
    assert_eq!(again.to, crate::wire::address("192.0.2.9:5062"));
    peer.wire
        .endpoint
        .handle_send_failed(now, again.tx.unwrap());
    assert_eq!(ended(&mut peer), EndCause::Unreachable);
    assert_eq!(peer.wire.metrics.lost_calls.get(), 1);
}

#[test]
fn rfc5057_5_1_whose_contact_does_not_answer_is_gone_too() {
    let mut peer = joined_by_stream();
    hang_up_stream(&mut peer);
    peer.wire.pass(9_999);
    assert!(peer.wire.events.is_empty());
    peer.wire.pass(1);
    assert_eq!(ended(&mut peer), EndCause::Unreachable);
}

#[test]
fn rfc5057_5_1_who_answers_stays() {
    for (status, gone) in [(200, false), (501, false), (481, true)] {
        let mut peer = joined_by_stream();
        hang_up_stream(&mut peer);
        peer.wire.pass(5_000);
        let probe = peer.wire.hear().text;
        peer.wire.say(&response(&probe, status, "", "", ""));
        if gone {
            assert_eq!(ended(&mut peer), EndCause::DialogGone);
        } else {
            peer.wire.pass(60_000);
            assert!(peer.wire.events.is_empty(), "{status}");
        }
    }
}

#[test]
fn rfc3261_12_2_2_a_request_over_another_stream_keeps_the_call() {
    let mut peer = joined_by_stream();
    hang_up_stream(&mut peer);
    peer.wire.flow.id = FlowId(2);
    peer.say("INFO", "", "");
    assert!(matches!(peer.wire.event(), Event::InDialog { .. }));
    peer.wire.pass(60_000);
    assert!(peer.wire.events.is_empty() && peer.wire.sent.is_empty());
    // That one can break as well.
    hang_up_stream(&mut peer);
    peer.wire.pass(10_000);
    assert_eq!(ended(&mut peer), EndCause::Unreachable);
}
