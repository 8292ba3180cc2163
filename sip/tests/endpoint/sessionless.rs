//! Calls whose bodies are no session descriptions (RFC 3264 §1), and who refreshes them
//! (RFC 4028 §9, MS-CONFBAS §3.2.5.2.1).

use crate::subscribed::Peer;
use crate::wire::{Wire, header};
use plenum_sip::endpoint::{Accept, Answer, Body, Event};
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
