//! One call to several places at once (RFC 3261 §16.7, as a user agent that forks itself).

use crate::wire::{Sent, Wire, address, header, response};
use plenum_sip::endpoint::{Branch, EndCause, Event, InviteId, Target, Transport, Via};
use plenum_sip::msg::Uri;

const PLACES: [&str; 3] = ["10.0.0.1:5060", "10.0.0.2:5060", "10.0.0.3:5060"];

fn branch(place: &str) -> Branch {
    Branch {
        uri: Uri::parse(format!("sip:bob@{place}").as_bytes()).unwrap(),
        route: Vec::new(),
        ways: vec![Via::Target(Target {
            transport: Transport::Udp,
            remote: address(place),
        })],
    }
}

/// A call to three places, and the INVITEs to them.
fn ring(wire: &mut Wire) -> (InviteId, Vec<Sent>) {
    let uri = format!("sip:bob@{}", PLACES[0]);
    let forks = PLACES[1..].iter().map(|place| branch(place)).collect();
    let id = wire.invite_forked(&uri, forks);
    let sent: Vec<Sent> = (0..3).map(|_| wire.hear()).collect();
    (id, sent)
}

#[test]
fn rfc3261_16_6_all_places_ring_with_one_request() {
    let mut wire = Wire::new();
    let (_, sent) = ring(&mut wire);
    for (invite, place) in sent.iter().zip(PLACES) {
        assert_eq!(invite.to, address(place));
        assert!(invite.text.starts_with(&format!("INVITE sip:bob@{place} ")));
        for same in ["Call-ID", "From", "CSeq"] {
            assert_eq!(header(&invite.text, same), header(&sent[0].text, same));
        }
    }
    assert_ne!(header(&sent[0].text, "Via"), header(&sent[1].text, "Via"));
}

#[test]
fn rfc3261_16_7_the_first_answer_wins_and_the_others_are_cancelled() {
    let mut wire = Wire::new();
    let (_, sent) = ring(&mut wire);
    wire.say(&response(
        &sent[0].text,
        180,
        "a",
        "Contact: <sip:a@10.0.0.1>\n",
        "",
    ));
    wire.say(&response(
        &sent[1].text,
        200,
        "b",
        "Contact: <sip:b@10.0.0.2>\n",
        "",
    ));
    let next: Vec<Sent> = (0..2).map(|_| wire.hear()).collect();
    let of = |method: &str| {
        next.iter()
            .find(|one| one.text.starts_with(method))
            .unwrap()
    };
    assert_eq!(of("CANCEL").to, address(PLACES[0]));
    assert_eq!(of("ACK").to, address("10.0.0.2:5060"));
    // The third had not said anything: it is cancelled as soon as it does.
    wire.say(&response(&sent[2].text, 180, "c", "", ""));
    let late = wire.hear();
    assert!(late.text.starts_with("CANCEL"), "{}", late.text);
    assert_eq!(late.to, address(PLACES[2]));
    assert!(matches!(wire.event(), Event::Progress { .. }));
    assert!(matches!(wire.event(), Event::Answered { .. }));
    // A second answer is acknowledged and ended.
    wire.say(&response(
        &sent[2].text,
        200,
        "c",
        "Contact: <sip:c@10.0.0.3>\n",
        "",
    ));
    let ended: Vec<Sent> = (0..2).map(|_| wire.hear()).collect();
    assert!(
        ended
            .iter()
            .any(|one| one.text.starts_with("BYE sip:c@10.0.0.3"))
    );
}

#[test]
fn rfc3261_16_7_it_fails_when_all_have_with_the_best_answer() {
    let mut wire = Wire::new();
    let (id, sent) = ring(&mut wire);
    for (invite, status) in sent.iter().zip([480, 486, 404]) {
        wire.say(&response(&invite.text, status, "t", "", ""));
        assert!(wire.hear().text.starts_with("ACK"));
    }
    match wire.event() {
        Event::Ended {
            id: over,
            cause: EndCause::Rejected(status, _),
        } => {
            assert_eq!((over, status.code()), (id, 486));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc3261_16_7_a_6xx_ends_it_for_all() {
    let mut wire = Wire::new();
    let (_, sent) = ring(&mut wire);
    wire.say(&response(&sent[0].text, 180, "a", "", ""));
    wire.say(&response(&sent[2].text, 603, "c", "", ""));
    let next: Vec<Sent> = (0..2).map(|_| wire.hear()).collect();
    assert!(next.iter().any(|one| one.text.starts_with("CANCEL")));
    assert!(matches!(wire.event(), Event::Progress { .. }));
    assert!(matches!(wire.event(), Event::Ended { .. }));
}

#[test]
fn rfc3261_9_1_who_gives_up_cancels_all() {
    let mut wire = Wire::new();
    let (id, sent) = ring(&mut wire);
    for invite in &sent {
        wire.say(&response(&invite.text, 180, "t", "", ""));
    }
    wire.endpoint.cancel(wire.now, id).unwrap();
    let cancelled: Vec<Sent> = (0..3).map(|_| wire.hear()).collect();
    assert!(cancelled.iter().all(|one| one.text.starts_with("CANCEL")));
}
