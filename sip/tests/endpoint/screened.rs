//! Strangers who may not be where they say: how little is done for them (RFC 3261 §26.3.2.4), and
//! how they show that they are there.

use crate::wire::{Wire, address, header, request};
use plenum_sip::endpoint::{Accept, Answer, Body, Event, Flow, InviteId, Proof, Screen, Screened};
use plenum_sip::msg::{Method, Request, StatusCode, Text};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Everybody passes in one way, but `192.0.2.66` is not heard.
#[derive(Clone, Debug)]
struct Strict {
    passes: Screened,
    proofs: Arc<Mutex<Vec<(IpAddr, Proof)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Screen for Strict {
    fn judge(&mut self, _: Instant, from: &Flow, _: Option<&Request>) -> Screened {
        if from.remote == address("192.0.2.66:5062") {
            Screened::Drop
        } else {
            self.passes
        }
    }

    fn handle_answer(
        &mut self,
        _: Instant,
        (_, screened): (&Flow, Screened),
        method: Option<&Method>,
        status: StatusCode,
    ) {
        assert_eq!(screened, self.passes);
        assert_eq!(method.is_none(), status == StatusCode::BAD_REQUEST);
        self.answers.lock().unwrap().push(status.code());
    }

    fn handle_proof(&mut self, _: Instant, from: &Flow, proof: Proof) {
        let proof = (from.remote.ip(), proof);
        self.proofs.lock().unwrap().push(proof);
    }
}

fn screened() -> (Wire, Strict) {
    passing(Screened::Unproven)
}

fn passing(passes: Screened) -> (Wire, Strict) {
    let mut wire = Wire::with(|config| config.allow.push(Method::Register));
    let screen = Strict {
        passes,
        proofs: Arc::default(),
        answers: Arc::default(),
    };
    wire.endpoint.set_screen(Box::new(screen.clone()));
    (wire, screen)
}

fn invited(wire: &mut Wire) -> InviteId {
    match wire.event() {
        Event::Invite { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

fn ack(n: u32, tag: &str) -> String {
    let text = request("ACK", n, "", "");
    let to = format!("192.0.2.1>;tag={tag}\nCall");
    text.replace("192.0.2.1>\nCall", &to)
}

fn tag(text: &str) -> String {
    let (_, tag) = header(text, "To").split_once(";tag=").unwrap();
    tag.to_owned()
}

#[test]
fn a_refusal_is_said_once_without_state_and_its_ack_is_a_proof() {
    let (mut wire, screen) = screened();
    wire.say(&request("INVITE", 1, "", "v=0"));
    let id = invited(&mut wire);
    let answer = Answer::new(StatusCode::UNAUTHORIZED);
    wire.endpoint.reject_once(wire.now, id, answer).unwrap();
    let refusal = wire.hear();
    assert!(refusal.text.starts_with("SIP/2.0 401 "), "{}", refusal.text);
    assert_eq!(wire.endpoint.counts(), Default::default(), "no state");
    wire.pass(40_000);
    assert!(wire.sent.is_empty(), "said once");

    // A tag that is made up, and the right one from another address, prove nothing.
    wire.say(&ack(1, "00000000deadbeef"));
    wire.flow.remote = address("192.0.2.10:5062");
    wire.say(&ack(1, &tag(&refusal.text)));
    assert!(screen.proofs.lock().unwrap().is_empty());
    assert_eq!(wire.metrics.stray_acks.get(), 2);
    wire.flow.remote = address("192.0.2.9:5062");
    wire.say(&ack(1, &tag(&refusal.text)));
    let proofs = screen.proofs.lock().unwrap().clone();
    assert_eq!(proofs, [(wire.flow.remote.ip(), Proof::Refused(None))]);
    assert_eq!(*screen.answers.lock().unwrap(), [401]);
}

/// Who is known to be there has state, and his ACK shows nevertheless that it was he who asked.
#[test]
fn rfc3261_17_1_1_3_the_ack_of_a_refusal_with_state_is_a_proof_once() {
    for (passes, proofs) in [(Screened::Known, 1), (Screened::Proven, 0)] {
        let (mut wire, screen) = passing(passes);
        let refused = |wire: &mut Wire, number| {
            wire.say(&request("INVITE", number, "", "v=0"));
            let id = invited(wire);
            let answer = Answer::new(StatusCode::NOT_FOUND);
            wire.endpoint.reject_once(wire.now, id, answer).unwrap();
            let refusal = wire.hear();
            wire.events.clear();
            tag(&refusal.text)
        };
        let first = refused(&mut wire, 1);
        wire.say(&ack(1, "00000000deadbeef"));
        let second = refused(&mut wire, 2);
        assert_ne!(first, second);
        wire.flow.remote = address("192.0.2.10:5062");
        wire.say(&ack(2, &second));
        assert!(screen.proofs.lock().unwrap().is_empty());

        wire.flow.remote = address("192.0.2.9:5062");
        let third = refused(&mut wire, 3);
        for _ in 0..2 {
            wire.say(&ack(3, &third));
        }
        let status = Some(StatusCode::NOT_FOUND);
        let proof = (wire.flow.remote.ip(), Proof::Refused(status));
        let expected = vec![proof; proofs];
        assert_eq!(*screen.proofs.lock().unwrap(), expected, "{passes:?}");
    }
}

#[test]
fn what_cannot_be_read_is_answered_as_such() {
    let (mut wire, screen) = screened();
    let text = request("OPTIONS", 1, "", "").replace("CSeq: 1 OPTIONS", "CSeq: x OPTIONS");
    wire.say(&text);
    assert_eq!(wire.status(), 400);
    assert_eq!(*screen.answers.lock().unwrap(), [400]);
}

#[test]
fn rfc3261_8_2_7_other_refusals_and_options_leave_nothing_behind() {
    let (mut wire, screen) = screened();
    for (n, (method, status)) in [("REGISTER", 401), ("OPTIONS", 200)]
        .into_iter()
        .enumerate()
    {
        let n = u32::try_from(n).unwrap();
        wire.say(&request(method, n, "", ""));
        let Event::Request { tx, .. } = wire.event() else {
            panic!("no request");
        };
        let answer = Answer::new(StatusCode::new(status).unwrap());
        wire.endpoint.respond_with(wire.now, tx, answer).unwrap();
        assert_eq!(wire.status(), status);
        assert_eq!(wire.endpoint.counts(), Default::default(), "{method}");
    }
    assert_eq!(*screen.answers.lock().unwrap(), [401, 200]);
    wire.flow.remote = address("192.0.2.66:5062");
    wire.say(&request("OPTIONS", 9, "", ""));
    wire.say("OPTIONS nonsense\n\n");
    wire.say(&request("CANCEL", 10, "", ""));
    assert!(wire.sent.is_empty() && wire.events.is_empty());
    assert_eq!(wire.metrics.screened.get(), 3);
}

#[test]
fn the_200_is_said_a_few_times_and_the_rest_waits_in_a_small_corner() {
    let (mut wire, screen) = screened();
    wire.say(&request("INVITE", 1, "", "v=0"));
    let id = invited(&mut wire);
    let body = Body {
        content_type: Text::from_static("application/sdp"),
        octets: "answer".into(),
    };
    let accept = Accept {
        body: Some(body),
        ..Accept::default()
    };
    wire.endpoint.accept(wire.now, id, accept).unwrap();
    let first = wire.hear();

    // One may wait (`half_open_unproven`); the ACK of a 503 shows that the other is there.
    wire.say(&request("INVITE", 2, "", "v=0"));
    let busy = wire.hear();
    assert!(busy.text.starts_with("SIP/2.0 503 "), "{}", busy.text);
    wire.say(&ack(2, &tag(&busy.text)));

    wire.pass(31_000);
    let said = wire.sent.iter().filter(|sent| sent.text == first.text);
    assert_eq!(said.count(), 3, "`unproven_repeats`");
    wire.sent.clear();

    let text = ack(1, &tag(&first.text)).replace("z9hG4bK", "z9hG4bKack");
    wire.say(&text);
    assert!(matches!(wire.event(), Event::Acked { .. }));
    let source = wire.flow.remote.ip();
    let expected = [(source, Proof::TurnedAway), (source, Proof::Confirmed)];
    assert_eq!(*screen.proofs.lock().unwrap(), expected);
    assert_eq!(wire.endpoint.counts().half_open, 0);
}
