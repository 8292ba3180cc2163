//! REFER and its implicit subscription (RFC 3515, RFC 4488, RFC 7614).

use crate::subscribed::{Peer, wire};
use crate::wire::{header, request};
use plenum_sip::endpoint::{
    AcceptRefer, Answer, CommandError, Event, NotifierId, ServerTxId, SubscriptionEnd,
};
use plenum_sip::msg::StatusCode;

const CAROL: &str = "Refer-To: <sip:carol@example.net>\n";

fn asked(peer: &mut Peer) -> ServerTxId {
    match peer.wire.event() {
        Event::Refer { tx, invite, .. } => {
            assert_eq!(invite, peer.invite);
            tx
        }
        other => panic!("{other:?}"),
    }
}

fn accepted(peer: &mut Peer, extra: &str, accept: AcceptRefer) -> (Option<NotifierId>, String) {
    peer.say("REFER", &format!("{CAROL}{extra}"), "");
    let tx = asked(peer);
    let now = peer.wire.now;
    let id = peer.wire.endpoint.accept_refer(now, tx, accept).unwrap();
    let answer = peer.wire.hear().text;
    header(&answer, "To").clone_into(&mut peer.to);
    (id, answer)
}

#[test]
fn rfc3515_2_4_4_the_referrer_is_told_how_it_goes() {
    for call in [true, false] {
        let mut peer = if call {
            Peer::in_call(wire())
        } else {
            Peer::new(wire())
        };
        let (id, answer) = accepted(&mut peer, "", AcceptRefer::default());
        let id = id.unwrap();
        assert!(answer.starts_with("SIP/2.0 202 "), "{answer}");
        assert!(answer.contains("Contact: "));
        let trying = peer.notified();
        assert!(
            trying.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"),
            "{trying}"
        );
        assert_eq!(header(&trying, "Event"), "refer");
        assert_eq!(
            header(&trying, "Content-Type"),
            "message/sipfrag;version=2.0"
        );
        assert_eq!(header(&trying, "Subscription-State"), "active;expires=300");
        let now = peer.wire.now;
        let endpoint = &mut peer.wire.endpoint;
        endpoint
            .notify_refer(now, id, StatusCode::RINGING, None)
            .unwrap();
        let busy = StatusCode::BUSY_HERE;
        endpoint
            .notify_refer(now, id, busy, Some(&"Out".into()))
            .unwrap();
        assert_eq!(peer.ended(id), SubscriptionEnd::Local);
        peer.answer(&trying, 200, "");
        let ringing = peer.notified();
        assert!(ringing.ends_with("SIP/2.0 180 Ringing\r\n"), "{ringing}");
        peer.answer(&ringing, 200, "");
        let last = peer.notified();
        assert!(last.ends_with("SIP/2.0 486 Out\r\n"), "{last}");
        assert_eq!(
            header(&last, "Subscription-State"),
            "terminated;expires=0;reason=noresource"
        );
        peer.answer(&last, 200, "");
        peer.settle();
    }
}

#[test]
fn rfc3515_2_4_6_the_second_refer_of_a_dialog_is_named_by_its_cseq() {
    let mut peer = Peer::in_call(wire());
    let (first, _) = accepted(&mut peer, "", AcceptRefer::default());
    assert_eq!(header(&peer.notified(), "Event"), "refer");
    let (second, _) = accepted(&mut peer, "", AcceptRefer::default());
    let name = format!("refer;id={}", peer.seq);
    assert_eq!(header(&peer.notified(), "Event"), name);
    assert_ne!(first, second);
    // The referrer may end the one it names.
    peer.say("SUBSCRIBE", &format!("Event: {name}\nExpires: 0\n"), "");
    assert_eq!(peer.wire.status(), 200);
    assert_eq!(peer.ended(second.unwrap()), SubscriptionEnd::Unsubscribed);
}

#[test]
fn rfc4488_and_rfc7614_nobody_is_told() {
    let silent = AcceptRefer {
        silent: true,
        ..AcceptRefer::default()
    };
    let cases = [
        ("Refer-Sub: false\n", AcceptRefer::default(), true),
        ("Require: nosub\n", AcceptRefer::default(), true),
        ("Supported: norefersub\n", silent.clone(), true),
        ("Supported: norefersub\n", AcceptRefer::default(), false),
        ("", silent, false),
    ];
    for (extra, accept, quiet) in cases {
        let mut peer = Peer::in_call(wire());
        let (id, answer) = accepted(&mut peer, extra, accept);
        assert_eq!(id.is_none(), quiet, "{extra}");
        assert_eq!(answer.contains("Refer-Sub: false"), quiet, "{answer}");
        if quiet {
            peer.silent();
            peer.settle();
        }
    }
}

#[test]
fn rfc3515_2_4_2_a_refer_names_one_target() {
    let two = format!("{CAROL}{CAROL}");
    for extra in ["", two.as_str(), "Refer-To: <>\n"] {
        let mut wire = wire();
        wire.say(&request("REFER", 1, extra, ""));
        assert_eq!(wire.status(), 400, "{extra}");
        assert_eq!(wire.endpoint.counts(), Default::default());
    }
}

#[test]
fn a_refused_refer_leaves_nothing() {
    let mut peer = Peer::in_call(wire());
    peer.say("REFER", CAROL, "");
    let tx = asked(&mut peer);
    let now = peer.wire.now;
    let answer = Answer::new(StatusCode::FORBIDDEN);
    peer.wire.endpoint.respond_with(now, tx, answer).unwrap();
    assert_eq!(peer.wire.status(), 403);
    let late = peer
        .wire
        .endpoint
        .accept_refer(now, tx, AcceptRefer::default());
    assert_eq!(late, Err(CommandError::Gone));
    peer.settle();
}

/// RFC 5057: the call is over while the REFER waits, so is its transaction.
#[test]
fn the_call_ends_before_the_refer_is_answered() {
    let mut peer = Peer::in_call(wire());
    peer.say("REFER", CAROL, "");
    let tx = asked(&mut peer);
    peer.say("BYE", "", "");
    assert_eq!(peer.wire.status(), 200);
    assert_eq!(peer.wire.status(), 487);
    let now = peer.wire.now;
    let late = peer
        .wire
        .endpoint
        .accept_refer(now, tx, AcceptRefer::default());
    assert_eq!(late, Err(CommandError::Gone));
    peer.invite = None;
    peer.settle();
}
