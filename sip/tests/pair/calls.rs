//! Calls as RFC 3261 §13 and §15 draw them, and reliable provisionals (RFC 3262).

use crate::net::{FAIR, Pair, sdp, text};
use crate::user::{call_up, shape};
use plenum_sip::endpoint::{Answer, CommandError, EndCause, Event, Transport};
use plenum_sip::msg::{Response, StatusCode};

#[test]
fn rfc3261_13_a_call_and_a_bye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(1, FAIR);
        pair.transport = transport;
        let (mut pair, caller, callee) = call_up(pair);
        assert_eq!(pair.peers[1].endpoint.counts().half_open, 0);
        pair.tell(0, |endpoint, now| endpoint.bye(now, caller, None))
            .unwrap();
        shape!(
            pair.next(0),
            Event::Ended {
                cause: EndCause::Local,
                ..
            }
        );
        let id = shape!(pair.next(1), Event::Ended { id, cause: EndCause::Bye(None) } => id);
        assert_eq!(id, callee);
        pair.run_ms(1000);
        let requests = [
            "INVITE sip:bob@127.0.0.1:5070",
            "ACK sip:room@",
            "BYE sip:room@",
        ];
        assert_eq!(pair.start_lines(0).len(), requests.len());
        for (line, start) in pair.start_lines(0).iter().zip(requests) {
            assert!(line.starts_with(start), "{line}");
        }
        assert_eq!(pair.start_lines(1), ["SIP/2.0 200 OK", "SIP/2.0 200 OK"]);
        pair.settle();
    }
}

#[test]
fn rfc3261_17_2_1_trying_comes_after_200_ms_of_silence() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    pair.run_ms(199);
    assert_eq!(pair.start_lines(1), [""; 0]);
    pair.run_ms(1);
    assert_eq!(pair.start_lines(1), ["SIP/2.0 100 Trying"]);
    pair.tell(1, |e, now| {
        e.progress(now, callee, StatusCode::RINGING, None, false)
    })
    .unwrap();
    let ringing = shape!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(ringing.status, StatusCode::RINGING);
    pair.tell(1, |e, now| {
        e.reject(now, callee, Answer::new(StatusCode::BUSY_HERE))
    })
    .unwrap();
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    let (id, status) = shape!(
        pair.next(0),
        Event::Ended { id, cause: EndCause::Rejected(status, _) } => (id, status)
    );
    assert_eq!((id, status), (caller, StatusCode::BUSY_HERE));
    pair.run_ms(100);
    assert_eq!(pair.count(0, "ACK"), 1);
    pair.settle();
}

#[test]
fn rfc3261_13_3_1_4_the_2xx_is_repeated_until_the_ack_and_the_call_ends_without() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(1, FAIR);
        pair.transport = transport;
        pair.blocked.push((0, "ACK"));
        pair.invite(0, sdp("offer"));
        let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
        pair.accept(1, callee, sdp("answer")).unwrap();
        assert_eq!(pair.peers[1].endpoint.counts().half_open, 1);
        shape!(pair.next(0), Event::Answered { .. });
        // T1 doubling to T2: 0, 0.5, 1.5, 3.5, 7.5, then every 4 s until 64·T1 = 32 s.
        pair.run_ms(31_000);
        assert_eq!(pair.count(1, "SIP/2.0 200"), 10);
        assert_eq!(pair.count(0, "ACK"), 10);
        // A BYE waits for the ACK (§15), and here for its absence.
        pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
        assert_eq!(pair.count(1, "BYE"), 0);
        pair.run_ms(2000);
        shape!(
            pair.next(1),
            Event::Ended {
                cause: EndCause::NoAck,
                ..
            }
        );
        shape!(
            pair.next(0),
            Event::Ended {
                cause: EndCause::Bye(_),
                ..
            }
        );
        assert_eq!(pair.count(1, "BYE"), 1);
        pair.settle();
    }
}

#[test]
fn rfc3261_15_a_bye_of_the_callee_waits_for_the_ack() {
    let mut pair = Pair::new(1, FAIR);
    pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    assert_eq!(pair.count(1, "BYE"), 0);
    shape!(pair.next(0), Event::Answered { .. });
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    shape!(
        pair.next(0),
        Event::Ended {
            cause: EndCause::Bye(_),
            ..
        }
    );
    pair.settle();
}

#[test]
fn rfc3261_15_a_bye_that_overtakes_the_ack() {
    let mut pair = Pair::new(1, FAIR);
    pair.blocked.push((0, "ACK"));
    let caller = pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    shape!(pair.next(0), Event::Answered { .. });
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Bye(_),
            ..
        }
    );
    let sent = pair.count(1, "SIP/2.0 200");
    pair.run_ms(20_000);
    assert_eq!(
        pair.count(1, "SIP/2.0 200"),
        sent,
        "the 2xx is not repeated after the end"
    );
    pair.settle();
}

/// Offer in 2xx, answer in ACK (RFC 3264 §4, RFC 6337 §2.2 pattern 2).
#[test]
fn rfc6337_a_late_offer_is_answered_in_the_ack() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, None);
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    assert_eq!(pair.accept(1, callee, None), Err(CommandError::BodyMissing));
    let early = pair.tell(1, |e, now| {
        e.progress(
            now,
            callee,
            StatusCode::SESSION_PROGRESS,
            sdp("offer"),
            false,
        )
    });
    assert_eq!(
        early,
        Err(CommandError::BodyUnexpected),
        "no offer in an unreliable 1xx"
    );
    pair.accept(1, callee, sdp("offer")).unwrap();
    let response = shape!(pair.next(0), Event::Answered { response, .. } => response);
    assert_eq!(response.body, "offer");
    assert_eq!(pair.count(0, "ACK"), 0);
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = shape!(pair.next(1), Event::Acked { body, .. } => body);
    assert_eq!(text(&body), "answer");
    let twice = pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")));
    assert_eq!(twice, Err(CommandError::WrongState));
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}

/// RFC 3262 §3 and §5: provisionals one by one, the 2xx after the PRACK of the answer.
#[test]
fn rfc3262_reliable_provisionals_carry_the_answer() {
    let mut pair = Pair::new(1, FAIR);
    pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    let progress = |pair: &mut Pair, status, body| {
        pair.tell(1, |e, now| e.progress(now, callee, status, body, true))
    };
    progress(&mut pair, StatusCode::RINGING, None).unwrap();
    progress(&mut pair, StatusCode::SESSION_PROGRESS, sdp("answer")).unwrap();
    assert_eq!(
        pair.accept(1, callee, sdp("answer")),
        Err(CommandError::BodyUnexpected)
    );
    pair.accept(1, callee, None).unwrap();
    assert_eq!(pair.start_lines(1), ["SIP/2.0 180 Ringing"]);
    let first = shape!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(first.status, StatusCode::RINGING);
    shape!(
        pair.next(1),
        Event::Pracked {
            tx: None,
            body: None,
            ..
        }
    );
    let second = shape!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(second.body, "answer");
    let rseq = |response: &Response| response.headers.rseq().unwrap().unwrap();
    assert_eq!(rseq(&second), rseq(&first) + 1);
    shape!(pair.next(1), Event::Pracked { .. });
    let answered = shape!(pair.next(0), Event::Answered { response, .. } => response);
    assert!(answered.body.is_empty());
    shape!(pair.next(1), Event::Acked { .. });
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    pair.settle();
}

/// RFC 6337 §2.2 pattern 4: offer in the reliable 1xx, answer in the PRACK.
#[test]
fn rfc3262_an_offer_in_a_reliable_provisional_is_answered_in_the_prack() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, None);
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    let status = StatusCode::SESSION_PROGRESS;
    pair.tell(1, |e, now| {
        e.progress(now, callee, status, sdp("offer"), true)
    })
    .unwrap();
    shape!(pair.next(0), Event::Progress { .. });
    assert_eq!(pair.count(0, "PRACK"), 0);
    let bare = pair.tell(0, |e, now| e.acknowledge(now, caller, None));
    assert_eq!(bare, Err(CommandError::BodyMissing));
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = shape!(pair.next(1), Event::Pracked { body, tx: None, .. } => body);
    assert_eq!(text(&body), "answer");
    pair.accept(1, callee, None).unwrap();
    shape!(pair.next(0), Event::Answered { .. });
    shape!(pair.next(1), Event::Acked { .. });
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}

#[test]
fn rfc3262_section_3_without_a_prack_the_invite_fails() {
    let mut pair = Pair::new(1, FAIR);
    pair.blocked.push((0, "PRACK"));
    pair.invite(0, sdp("offer"));
    let callee = shape!(pair.next(1), Event::Invite { id, .. } => id);
    pair.tell(1, |e, now| {
        e.progress(now, callee, StatusCode::RINGING, None, true)
    })
    .unwrap();
    pair.run_ms(33_000);
    // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5: doubled without a cap.
    assert_eq!(pair.count(1, "SIP/2.0 180"), 7);
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Unreachable,
            ..
        }
    );
    shape!(pair.next(0), Event::Progress { .. });
    let cause = shape!(pair.next(0), Event::Ended { cause, .. } => cause);
    assert_eq!(
        cause,
        EndCause::Rejected(StatusCode::SERVER_TIME_OUT, "Server Time-out".into())
    );
    pair.settle();
}
