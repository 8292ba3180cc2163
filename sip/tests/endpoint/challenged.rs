//! Requests of ours that are challenged (RFC 3261 §22), and calls that find another way.

use crate::subscribed::{Peer, wire};
use crate::wire::{Wire, address, header, response};
use plenum_sip::auth::Credentials;
use plenum_sip::endpoint::{
    AcceptRefer, Body, Contact, EndCause, Event, Invite, InviteId, OutOfDialog, Reach, Target,
    Transport,
};
use plenum_sip::msg::{Headers, Host, Method, NameAddr, Params, StatusCode, Text, Uri};

const WWW: &str =
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\n";
const PROXY: &str = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n2\", qop=\"auth\"\n";
const STALE: &str =
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", stale=TRUE, qop=\"auth\"\n";
const CONTACT: &str = "Contact: <sip:bob@10.1.1.1>\n";

fn reach(another_way: bool) -> Reach {
    Reach {
        targets: vec![target("10.0.0.1:5060")],
        credentials: Credentials::password("me", "secret"),
        another_way,
        ..Reach::default()
    }
}

fn target(remote: &str) -> Target {
    Target {
        transport: Transport::Udp,
        remote: address(remote),
    }
}

fn register(wire: &mut Wire) {
    let uri = Uri::parse(b"sip:example.com").unwrap();
    let contact = Contact {
        user: Some(Text::from("me")),
        uri_params: Params::new().with("line", Some("k")),
        seen_as: Some((Host::V4("203.0.113.5".parse().unwrap()), Some(31_000))),
        ..Contact::default()
    };
    let out = OutOfDialog {
        method: Method::Register,
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(Uri::parse(b"sip:me@example.com").unwrap()),
        headers: Headers::new(),
        body: None,
        route: vec![],
        contact: Some(contact),
        reach: reach(false),
    };
    wire.endpoint.request(wire.now, out);
}

fn invite(wire: &Wire, another_way: bool) -> Invite {
    let uri = Uri::parse(b"sip:bob@example.com").unwrap();
    assert!(wire.resolve.is_empty());
    Invite {
        to: NameAddr::new(uri.clone()),
        uri,
        from: NameAddr::new(Uri::parse(b"sip:me@example.org").unwrap()),
        contact: None,
        body: Some(Body {
            content_type: Text::from_static("application/sdp"),
            octets: "v=0".into(),
        }),
        headers: Headers::new(),
        route: vec![],
        no_session: false,
        reach: reach(another_way),
    }
}

fn call(wire: &mut Wire, another_way: bool) -> InviteId {
    let invite = invite(wire, another_way);
    let id = wire.endpoint.invite(wire.now, invite);
    wire.drain();
    id
}

fn final_status(wire: &mut Wire) -> u16 {
    match wire.event() {
        Event::Response { response, .. } => response.status.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc3261_22_2_a_register_is_sent_again_with_credentials_and_the_next_number() {
    let mut wire = Wire::new();
    register(&mut wire);
    let first = wire.hear();
    assert_eq!(first.to, address("10.0.0.1:5060"), "nothing was resolved");
    assert_eq!(
        header(&first.text, "Contact"),
        "<sip:me@203.0.113.5:31000;line=k>"
    );
    assert!(!first.text.contains("Authorization"));
    wire.say(&response(&first.text, 401, "a", WWW, ""));
    let second = wire.hear();
    assert_eq!(header(&second.text, "CSeq"), "2 REGISTER");
    assert_eq!(
        header(&second.text, "Call-ID"),
        header(&first.text, "Call-ID")
    );
    assert_ne!(header(&second.text, "Via"), header(&first.text, "Via"));
    let answer = header(&second.text, "Authorization");
    for part in [
        "username=\"me\"",
        "realm=\"r\"",
        "nonce=\"n1\"",
        "uri=\"sip:example.com\"",
    ] {
        assert!(answer.contains(part), "{answer}");
    }
    assert!(!second.text.contains("secret"));
    wire.say(&response(&second.text, 200, "a", "", ""));
    assert_eq!(final_status(&mut wire), 200);
}

#[test]
fn rfc7616_3_3_credentials_that_are_refused_are_not_sent_again_but_a_stale_nonce_is_no_refusal() {
    let mut wire = Wire::new();
    register(&mut wire);
    let first = wire.hear();
    wire.say(&response(&first.text, 401, "a", WWW, ""));
    let second = wire.hear();
    wire.say(&response(&second.text, 401, "a", STALE, ""));
    let third = wire.hear();
    assert!(header(&third.text, "Authorization").contains("n3"));
    wire.say(&response(&third.text, 401, "a", WWW, ""));
    assert_eq!(final_status(&mut wire), 401);
    assert!(wire.sent.is_empty());
}

#[test]
fn a_server_that_calls_every_nonce_stale_does_not_go_on_for_ever() {
    let mut wire = Wire::new();
    register(&mut wire);
    let mut sent = 1;
    let mut last = wire.hear();
    while sent < 20 {
        wire.say(&response(&last.text, 401, "a", STALE, ""));
        match wire.sent.pop_front() {
            Some(next) => last = next,
            None => break,
        }
        sent += 1;
    }
    assert_eq!(sent, 5);
    assert_eq!(final_status(&mut wire), 401);
}

#[test]
fn rfc3261_22_3_an_invite_answers_the_proxy_then_the_server_and_acknowledges_both() {
    let mut wire = Wire::new();
    let id = call(&mut wire, false);
    let first = wire.hear();
    wire.say(&response(&first.text, 407, "a", PROXY, ""));
    let ack = wire.hear();
    assert!(ack.text.starts_with("ACK"));
    let second = wire.hear();
    assert_eq!(header(&second.text, "CSeq"), "2 INVITE");
    assert!(header(&second.text, "Proxy-Authorization").contains("realm=\"p\""));
    assert_eq!(header(&second.text, "From"), header(&first.text, "From"));
    // The 407 again: its ACK again, nothing else.
    wire.say(&response(&first.text, 407, "a", PROXY, ""));
    assert!(wire.hear().text.starts_with("ACK"));
    assert!(wire.sent.is_empty());
    wire.say(&response(&second.text, 401, "b", WWW, ""));
    wire.hear();
    let third = wire.hear();
    assert_eq!(header(&third.text, "CSeq"), "3 INVITE");
    assert!(
        third.text.contains("Proxy-Authorization: ") && third.text.contains("\r\nAuthorization: ")
    );
    wire.say(&response(&third.text, 200, "c", CONTACT, "v=0"));
    assert!(matches!(wire.event(), Event::Answered { .. }));
    assert!(wire.hear().text.starts_with("ACK"));
    wire.endpoint.bye(wire.now, id, None).unwrap();
    let bye = wire.hear();
    assert_eq!(header(&bye.text, "CSeq"), "4 BYE");
    wire.say(&response(&bye.text, 407, "c", PROXY, ""));
    let again = wire.hear();
    assert_eq!(header(&again.text, "CSeq"), "5 BYE");
    assert!(again.text.contains("Proxy-Authorization: "));
}

#[test]
fn rfc3261_22_2_requests_inside_a_call_from_outside_are_answered_with_its_credentials() {
    let mut peer = Peer::in_call(wire());
    let id = peer.invite.unwrap();
    let credentials = Credentials::password("me", "secret");
    peer.wire.endpoint.entrust_call(id, credentials);
    // The REFER of the peer makes NOTIFYs of ours.
    peer.say("REFER", "Refer-To: <sip:carol@example.net>\n", "");
    let tx = match peer.wire.event() {
        Event::Refer { tx, .. } => tx,
        other => panic!("{other:?}"),
    };
    let now = peer.wire.now;
    let endpoint = &mut peer.wire.endpoint;
    let refer = endpoint.accept_refer(now, tx, AcceptRefer::default());
    assert!(refer.unwrap().is_some());
    peer.wire.hear();
    let notify = peer.notified();
    // Another request takes the number after the NOTIFY's before its challenge comes.
    let (info, none) = (Method::Info, Headers::default());
    let endpoint = &mut peer.wire.endpoint;
    endpoint
        .request_in_dialog(now, id, info, none, None)
        .unwrap();
    let info = peer.wire.hear().text;
    let at = number(&notify);
    assert_eq!(number(&info), at + 1);
    let again = challenged(&mut peer, &notify, at + 2);
    peer.answer(&again, 200, "");
    let again = challenged(&mut peer, &info, at + 3);
    peer.answer(&again, 200, "");
    await_event(
        &mut peer,
        |event| matches!(event, Event::Response { response, .. } if response.status == StatusCode::OK),
    );
    for (method, seq) in [(Method::Update, at + 5), (Method::Invite, at + 7)] {
        let body = Some(Body {
            content_type: Text::from_static("application/sdp"),
            octets: "v=0".into(),
        });
        let endpoint = &mut peer.wire.endpoint;
        endpoint.modify(now, id, method, body).unwrap();
        let first = peer.wire.hear().text;
        let again = challenged(&mut peer, &first, seq);
        assert!(again.ends_with("v=0"), "{again}");
        peer.wire.say(&response(&again, 200, "", CONTACT, "v=0"));
        await_event(&mut peer, |event| matches!(event, Event::Modified { .. }));
        if first.starts_with("INVITE") {
            assert!(peer.wire.hear().text.starts_with("ACK"));
        }
    }
    peer.wire.endpoint.bye(now, id, None).unwrap();
    // The subscription ends before the call.
    let bye = loop {
        let text = peer.wire.hear().text;
        if text.starts_with("BYE") {
            break text;
        }
    };
    let again = challenged(&mut peer, &bye, number(&bye) + 1);
    assert!(!again.contains("secret"));
}

/// The number of a request in its dialog.
fn number(request: &str) -> u32 {
    let (number, _) = header(request, "CSeq").split_once(' ').unwrap();
    number.parse().unwrap()
}

/// Passes over events until this one comes.
fn await_event(peer: &mut Peer, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&peer.wire.event()) {}
}

/// Challenges a request: the same with credentials, and this number.
fn challenged(peer: &mut Peer, request: &str, seq: u32) -> String {
    assert!(!request.contains("Authorization: "), "{request}");
    peer.answer(request, 401, WWW);
    if request.starts_with("INVITE") {
        assert!(peer.wire.hear().text.starts_with("ACK"));
    }
    let again = peer.wire.hear().text;
    assert_eq!(number(&again), seq, "{again}");
    let answer = header(&again, "Authorization");
    assert!(answer.contains("username=\"me\"") && answer.contains("nonce=\"n1\""));
    again
}

#[test]
fn a_call_that_was_given_up_is_not_made_again_with_credentials() {
    let mut wire = Wire::new();
    let id = call(&mut wire, false);
    let first = wire.hear();
    wire.say(&response(&first.text, 180, "a", CONTACT, ""));
    wire.endpoint.cancel(wire.now, id).unwrap();
    wire.drain();
    wire.say(&response(&first.text, 407, "a", PROXY, ""));
    wire.drain();
    assert!(!wire.sent.iter().any(|sent| sent.text.starts_with("INVITE")));
}

#[test]
fn rfc3261_8_1_3_4_a_refused_call_goes_another_way_as_the_same_call() {
    let mut wire = Wire::new();
    let id = call(&mut wire, true);
    let first = wire.hear();
    wire.say(&response(&first.text, 503, "a", "", ""));
    wire.hear();
    match wire.event() {
        Event::Refused {
            id: refused,
            response,
            unreachable,
        } => {
            assert_eq!(
                (refused, response.status.code(), unreachable),
                (id, 503, false)
            );
        }
        other => panic!("{other:?}"),
    }
    let mut other = invite(&wire, true);
    other.reach.targets = vec![target("10.0.0.2:5060")];
    wire.endpoint.invite_instead(wire.now, id, other).unwrap();
    let second = wire.hear();
    assert_eq!(second.to, address("10.0.0.2:5060"));
    assert_ne!(
        header(&second.text, "Call-ID"),
        header(&first.text, "Call-ID")
    );
    wire.say(&response(&second.text, 200, "b", CONTACT, "v=0"));
    match wire.event() {
        Event::Answered { id: answered, .. } => assert_eq!(answered, id),
        other => panic!("{other:?}"),
    }
    assert_eq!(wire.endpoint.counts().usages, 1);
}

#[test]
fn nobody_answers_and_the_call_is_given_up() {
    let mut wire = Wire::new();
    let id = call(&mut wire, true);
    wire.hear();
    wire.pass(33_000);
    match wire.event() {
        Event::Refused { unreachable, .. } => assert!(unreachable),
        other => panic!("{other:?}"),
    }
    let late = wire.endpoint.cancel(wire.now, id);
    assert!(late.is_ok(), "it can still be cancelled");
    match wire.event() {
        Event::Ended { cause, .. } => assert_eq!(cause, EndCause::Local),
        other => panic!("{other:?}"),
    }
    let other = invite(&wire, true);
    assert!(wire.endpoint.invite_instead(wire.now, id, other).is_err());
    let cause = EndCause::Rejected(StatusCode::BUSY_HERE, Text::from_static("x"));
    assert!(wire.endpoint.give_up(wire.now, id, cause).is_err());
}

#[test]
fn an_open_call_does_not_go_another_way() {
    let mut wire = Wire::new();
    let id = call(&mut wire, true);
    let other = invite(&wire, true);
    assert!(wire.endpoint.invite_instead(wire.now, id, other).is_err());
    assert!(
        wire.endpoint
            .give_up(wire.now, id, EndCause::Local)
            .is_err()
    );
}
