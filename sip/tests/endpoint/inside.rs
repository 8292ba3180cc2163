//! Requests that overlap inside a dialog (RFC 3261 §14.2, RFC 3311 §5.2, RFC 3262 §3).

use crate::wire::{Wire, header, request, response};
use plenum_sip::endpoint::{Accept, Answer, Body, CommandError, Event, InviteId, ServerTxId};
use plenum_sip::msg::{Method, StatusCode, Text};

fn body(text: &'static str) -> Option<Body> {
    Some(Body {
        content_type: Text::from_static("application/sdp"),
        octets: text.into(),
    })
}

/// A call to us, and the words for requests inside of it.
struct Inside {
    wire: Wire,
    id: InviteId,
    to: String,
    seq: u32,
}

impl Inside {
    /// The INVITE is there, unanswered.
    fn ringing(offer: &str) -> Self {
        let mut wire = Wire::new();
        wire.say(&request(
            "INVITE",
            1,
            "Supported: 100rel\nAllow: UPDATE\n",
            offer,
        ));
        let id = match wire.event() {
            Event::Invite { id, .. } => id,
            other => panic!("{other:?}"),
        };
        Self {
            wire,
            id,
            to: String::new(),
            seq: 1,
        }
    }

    /// The call is up.
    fn up() -> Self {
        let mut inside = Self::ringing("offer");
        inside.accept("answer");
        inside.say("ACK", 1, "", "");
        assert!(matches!(inside.wire.event(), Event::Acked { .. }));
        inside
    }

    fn accept(&mut self, text: &'static str) {
        let accept = Accept {
            body: body(text),
            ..Accept::default()
        };
        self.wire
            .endpoint
            .accept(self.wire.now, self.id, accept)
            .unwrap();
        let ok = self.wire.hear().text;
        assert!(ok.starts_with("SIP/2.0 200 "));
        header(&ok, "To").clone_into(&mut self.to);
    }

    fn say(&mut self, method: &str, seq: u32, extra: &str, offer: &str) {
        let to = format!("To: {}", self.to);
        let text = request(method, 1, extra, offer)
            .replace("To: <sip:room@192.0.2.1>", &to)
            .replace("CSeq: 1", &format!("CSeq: {seq}"))
            .replace(
                "branch=z9hG4bKpeer1",
                &format!("branch=z9hG4bK{method}{seq}"),
            );
        self.wire.say(&text);
    }

    /// The next request of the peer.
    fn next(&mut self, method: &str, offer: &str) {
        self.seq += 1;
        self.say(method, self.seq, "", offer);
    }

    fn refused(&mut self, status: u16) -> String {
        let sent = self.wire.hear().text;
        assert!(sent.starts_with(&format!("SIP/2.0 {status} ")), "{sent}");
        sent
    }

    fn modify(&mut self) -> ServerTxId {
        match self.wire.event() {
            Event::Modify { tx, .. } => tx,
            other => panic!("{other:?}"),
        }
    }

    fn respond(&mut self, tx: ServerTxId, status: StatusCode, text: Option<Body>) {
        self.wire
            .endpoint
            .respond_modify(self.wire.now, tx, Answer::new(status).with_body(text))
            .unwrap();
    }
}

#[test]
fn rfc3261_14_2_a_second_invite_before_the_answer_to_the_first() {
    for second in ["INVITE", "UPDATE"] {
        let mut inside = Inside::up();
        inside.next("INVITE", "first");
        let tx = inside.modify();
        inside.next(second, "second");
        let refusal = inside.refused(500);
        assert!(header(&refusal, "Retry-After").parse::<u32>().unwrap() <= 10);
        inside.respond(tx, StatusCode::OK, body("answer"));
        assert!(inside.wire.hear().text.starts_with("SIP/2.0 200 "));
    }
}

#[test]
fn rfc3311_5_2_update_against_update() {
    let mut inside = Inside::up();
    inside.next("UPDATE", "first");
    let tx = inside.modify();
    inside.next("UPDATE", "");
    assert!(header(&inside.refused(500), "Retry-After").len() < 3);
    inside.respond(tx, StatusCode::NOT_ACCEPTABLE_HERE, None);
    inside.refused(488);
    inside.next("UPDATE", "");
    let tx = inside.modify();
    let uninvited = inside.wire.endpoint.respond_modify(
        inside.wire.now,
        tx,
        Answer::new(StatusCode::OK).with_body(body("x")),
    );
    assert_eq!(uninvited, Err(CommandError::BodyUnexpected));
    inside.respond(tx, StatusCode::OK, None);
    inside.refused(200);
}

#[test]
fn rfc3261_14_2_their_offer_against_ours() {
    for (ours, theirs, offer, status) in [
        (Method::Invite, "INVITE", "offer", Some(491)),
        (Method::Invite, "INVITE", "", Some(491)),
        (Method::Invite, "UPDATE", "offer", Some(491)),
        (Method::Invite, "UPDATE", "", None),
        (Method::Update, "INVITE", "offer", Some(491)),
        (Method::Update, "UPDATE", "offer", Some(491)),
        (Method::Update, "UPDATE", "", None),
    ] {
        let mut inside = Inside::up();
        let (now, id) = (inside.wire.now, inside.id);
        inside
            .wire
            .endpoint
            .modify(now, id, ours.clone(), body("ours"))
            .unwrap();
        assert!(inside.wire.hear().text.starts_with(ours.as_str()));
        inside.next(theirs, offer);
        match status {
            Some(status) => {
                inside.refused(status);
            }
            None => {
                inside.modify();
            }
        }
    }
}

/// Our offer in a 2xx is unanswered until the ACK: another offer has to wait.
#[test]
fn rfc6337_4_an_offer_before_the_answer_in_the_ack() {
    let mut inside = Inside::ringing("");
    inside.accept("offer");
    inside.next("UPDATE", "theirs");
    inside.refused(491);
    inside.say("ACK", 1, "", "answer");
    match inside.wire.event() {
        Event::Acked {
            body: Some(answer), ..
        } => assert_eq!(answer.octets, "answer"),
        other => panic!("{other:?}"),
    }
    inside.next("UPDATE", "theirs");
    inside.modify();
}

#[test]
fn rfc3261_9_2_a_cancelled_reinvite_leaves_the_call_as_it_was() {
    let mut inside = Inside::up();
    inside.next("INVITE", "first");
    let tx = inside.modify();
    let cancel = request("CANCEL", 1, "", "")
        .replace("CSeq: 1", "CSeq: 2")
        .replace("branch=z9hG4bKpeer1", "branch=z9hG4bKINVITE2");
    inside.wire.say(&cancel);
    inside.refused(200);
    inside.refused(487);
    let late = inside.wire.endpoint.respond_modify(
        inside.wire.now,
        tx,
        Answer::new(StatusCode::OK).with_body(body("x")),
    );
    assert_eq!(late, Err(CommandError::Gone));
    inside.next("INVITE", "second");
    inside.modify();
}

#[test]
fn rfc3262_3_a_prack_for_nothing_is_answered_481() {
    let mut inside = Inside::ringing("offer");
    let (now, id) = (inside.wire.now, inside.id);
    inside
        .wire
        .endpoint
        .progress(now, id, StatusCode::RINGING, None, true)
        .unwrap();
    let ringing = inside.wire.hear().text;
    header(&ringing, "To").clone_into(&mut inside.to);
    assert_eq!(header(&ringing, "Require"), "100rel");
    let rseq: u32 = header(&ringing, "RSeq").parse().unwrap();
    for wrong in [format!("{} 1 INVITE", rseq + 1), format!("{rseq} 2 INVITE")] {
        inside.seq += 1;
        inside.say("PRACK", inside.seq, &format!("RAck: {wrong}\n"), "");
        inside.refused(481);
    }
    inside.seq += 1;
    inside.say("PRACK", inside.seq, &format!("RAck: {rseq} 1 INVITE\n"), "");
    inside.refused(200);
    assert!(matches!(
        inside.wire.event(),
        Event::Pracked {
            tx: None,
            body: None,
            ..
        }
    ));
    inside.seq += 1;
    inside.say("PRACK", inside.seq, &format!("RAck: {rseq} 1 INVITE\n"), "");
    inside.refused(481);
}

/// The 2xx does not wait for the PRACK of a bare 180; the PRACK is answered all the same.
#[test]
fn rfc3262_3_a_prack_after_the_final_response() {
    let mut inside = Inside::ringing("offer");
    let (now, id) = (inside.wire.now, inside.id);
    let ringing = StatusCode::RINGING;
    inside
        .wire
        .endpoint
        .progress(now, id, ringing, None, true)
        .unwrap();
    let rack = format!(
        "RAck: {} 1 INVITE\n",
        header(&inside.wire.hear().text, "RSeq")
    );
    inside.accept("answer");
    inside.say("PRACK", 2, &rack, "");
    inside.refused(200);
    inside.say("PRACK", 3, &rack, "");
    inside.refused(481);
}

/// RFC 6337 §2.2 pattern 5: an offer in the PRACK is answered in its 200.
#[test]
fn rfc6337_an_offer_in_the_prack() {
    let mut inside = Inside::ringing("offer");
    let (now, id) = (inside.wire.now, inside.id);
    let status = StatusCode::SESSION_PROGRESS;
    inside
        .wire
        .endpoint
        .progress(now, id, status, body("answer"), true)
        .unwrap();
    let progress = inside.wire.hear().text;
    header(&progress, "To").clone_into(&mut inside.to);
    let rack = format!("RAck: {} 1 INVITE\n", header(&progress, "RSeq"));
    inside.seq += 1;
    inside.say("PRACK", inside.seq, &rack, "second offer");
    let tx = match inside.wire.event() {
        Event::Pracked {
            tx: Some(tx),
            body: Some(offer),
            ..
        } => {
            assert_eq!(offer.octets, "second offer");
            tx
        }
        other => panic!("{other:?}"),
    };
    inside.respond(tx, StatusCode::OK, body("second answer"));
    assert!(inside.refused(200).ends_with("second answer"));
    let accept = Accept::default();
    inside.wire.endpoint.accept(now, id, accept).unwrap();
    inside.refused(200);
}

/// A user who never answers costs no memory for ever.
#[test]
fn what_the_user_never_answers_is_given_up() {
    let mut inside = Inside::up();
    inside.next("INFO", "");
    inside.next("UPDATE", "offer");
    inside.wire.say(&request("OPTIONS", 9, "", ""));
    assert_eq!(inside.wire.endpoint.counts().server_transactions, 4);
    inside.wire.pass(33_000);
    assert!(inside.wire.sent.is_empty(), "RFC 4320 §4.2: no 408");
    assert_eq!(inside.wire.endpoint.counts().server_transactions, 0);
    inside.wire.events.clear();
    inside.next("INVITE", "offer");
    inside.modify();
    inside.wire.pass(130_000);
    let statuses: Vec<u16> =
        std::iter::from_fn(|| (!inside.wire.sent.is_empty()).then(|| inside.wire.status()))
            .collect();
    assert_eq!(statuses.first(), Some(&100));
    assert!(statuses.iter().skip(1).all(|status| *status == 500) && statuses.len() > 1);
    let (now, id) = (inside.wire.now, inside.id);
    inside.wire.endpoint.bye(now, id, None).unwrap();
    let bye = inside.wire.hear().text;
    inside.wire.say(&response(&bye, 200, "", "", ""));
    inside.wire.pass(60_000);
    assert_eq!(inside.wire.endpoint.counts(), Default::default());
}
