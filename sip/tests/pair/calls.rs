//! Calls as RFC 3261 §13 to §15 and its extensions draw them, message by message.

use crate::net::{FAIR, Pair, sdp, text};
use plenum_sip::endpoint::{
    Answer, CommandError, EndCause, Event, InviteId, ServerTxId, Transport,
};
use plenum_sip::msg::{Headers, Method, Response, StatusCode};
use std::time::Duration;

macro_rules! expect {
    ($event:expr, $pattern:pat => $value:expr) => {
        match $event {
            $pattern => $value,
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
    ($event:expr, $pattern:pat) => {
        expect!($event, $pattern => ())
    };
}

/// A call that is up: (pair, the caller's id, the callee's id).
fn call_up(mut pair: Pair) -> (Pair, InviteId, InviteId) {
    let caller = pair.invite(0, sdp("offer"));
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    expect!(pair.next(0), Event::Answered { .. });
    expect!(pair.next(1), Event::Acked { body: None, .. });
    (pair, caller, callee)
}

fn modify_of(event: Event) -> (ServerTxId, Method, String) {
    expect!(event, Event::Modify { tx, method, body, .. } => (tx, method, text(&body).to_owned()))
}

#[test]
fn rfc3261_13_a_call_and_a_bye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(1, FAIR);
        pair.transport = transport;
        let (mut pair, caller, callee) = call_up(pair);
        assert_eq!(pair.peers[1].endpoint.counts().half_open, 0);
        pair.tell(0, |endpoint, now| endpoint.bye(now, caller, None))
            .unwrap();
        expect!(
            pair.next(0),
            Event::Ended {
                cause: EndCause::Local,
                ..
            }
        );
        let id = expect!(pair.next(1), Event::Ended { id, cause: EndCause::Bye(None) } => id);
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
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    pair.run_ms(199);
    assert_eq!(pair.start_lines(1), [""; 0]);
    pair.run_ms(1);
    assert_eq!(pair.start_lines(1), ["SIP/2.0 100 Trying"]);
    pair.tell(1, |e, now| {
        e.progress(now, callee, StatusCode::RINGING, None, false)
    })
    .unwrap();
    let ringing = expect!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(ringing.status, StatusCode::RINGING);
    pair.tell(1, |e, now| {
        e.reject(now, callee, Answer::new(StatusCode::BUSY_HERE))
    })
    .unwrap();
    expect!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    let (id, status) = expect!(
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
        let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
        pair.accept(1, callee, sdp("answer")).unwrap();
        assert_eq!(pair.peers[1].endpoint.counts().half_open, 1);
        expect!(pair.next(0), Event::Answered { .. });
        // T1 doubling to T2: 0, 0.5, 1.5, 3.5, 7.5, then every 4 s until 64·T1 = 32 s.
        pair.run_ms(31_000);
        assert_eq!(pair.count(1, "SIP/2.0 200"), 10);
        assert_eq!(pair.count(0, "ACK"), 10);
        // A BYE waits for the ACK (§15), and here for its absence.
        pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
        assert_eq!(pair.count(1, "BYE"), 0);
        pair.run_ms(2000);
        expect!(
            pair.next(1),
            Event::Ended {
                cause: EndCause::NoAck,
                ..
            }
        );
        expect!(
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
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    assert_eq!(pair.count(1, "BYE"), 0);
    expect!(pair.next(0), Event::Answered { .. });
    expect!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    expect!(
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
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    pair.accept(1, callee, sdp("answer")).unwrap();
    expect!(pair.next(0), Event::Answered { .. });
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    expect!(
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
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
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
    let response = expect!(pair.next(0), Event::Answered { response, .. } => response);
    assert_eq!(response.body, "offer");
    assert_eq!(pair.count(0, "ACK"), 0);
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = expect!(pair.next(1), Event::Acked { body, .. } => body);
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
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    let mut progress = |pair: &mut Pair, status, body| {
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
    let first = expect!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(first.status, StatusCode::RINGING);
    expect!(
        pair.next(1),
        Event::Pracked {
            tx: None,
            body: None,
            ..
        }
    );
    let second = expect!(pair.next(0), Event::Progress { response, .. } => response);
    assert_eq!(second.body, "answer");
    let rseq = |response: &Response| response.headers.rseq().unwrap().unwrap();
    assert_eq!(rseq(&second), rseq(&first) + 1);
    expect!(pair.next(1), Event::Pracked { .. });
    let answered = expect!(pair.next(0), Event::Answered { response, .. } => response);
    assert!(answered.body.is_empty());
    expect!(pair.next(1), Event::Acked { .. });
    pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
    pair.settle();
}

/// RFC 6337 §2.2 pattern 4: offer in the reliable 1xx, answer in the PRACK.
#[test]
fn rfc3262_an_offer_in_a_reliable_provisional_is_answered_in_the_prack() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, None);
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    let status = StatusCode::SESSION_PROGRESS;
    pair.tell(1, |e, now| {
        e.progress(now, callee, status, sdp("offer"), true)
    })
    .unwrap();
    expect!(pair.next(0), Event::Progress { .. });
    assert_eq!(pair.count(0, "PRACK"), 0);
    let bare = pair.tell(0, |e, now| e.acknowledge(now, caller, None));
    assert_eq!(bare, Err(CommandError::BodyMissing));
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = expect!(pair.next(1), Event::Pracked { body, tx: None, .. } => body);
    assert_eq!(text(&body), "answer");
    pair.accept(1, callee, None).unwrap();
    expect!(pair.next(0), Event::Answered { .. });
    expect!(pair.next(1), Event::Acked { .. });
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}

#[test]
fn rfc3262_section_3_without_a_prack_the_invite_fails() {
    let mut pair = Pair::new(1, FAIR);
    pair.blocked.push((0, "PRACK"));
    pair.invite(0, sdp("offer"));
    let callee = expect!(pair.next(1), Event::Invite { id, .. } => id);
    pair.tell(1, |e, now| {
        e.progress(now, callee, StatusCode::RINGING, None, true)
    })
    .unwrap();
    pair.run_ms(33_000);
    // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5: doubled without a cap.
    assert_eq!(pair.count(1, "SIP/2.0 180"), 7);
    expect!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Unreachable,
            ..
        }
    );
    expect!(pair.next(0), Event::Progress { .. });
    let cause = expect!(pair.next(0), Event::Ended { cause, .. } => cause);
    assert_eq!(
        cause,
        EndCause::Rejected(StatusCode::SERVER_TIME_OUT, "Server Time-out".into())
    );
    pair.settle();
}

/// CANCEL against the answer, at every distance (§9, §15): both sides agree in the end.
#[test]
fn rfc3261_9_cancel_against_the_answer() {
    for (cancel_at, accept_at) in [
        (5, None),
        (30, None),
        (300, None),
        (300, Some(295)),
        (300, Some(291)),
        (300, Some(301)),
        (300, Some(309)),
        (300, Some(311)),
        (5, Some(11)),
        (20, Some(250)),
    ] {
        let mut pair = Pair::new(1, FAIR);
        let caller = pair.invite(0, sdp("offer"));
        let mut callee = None;
        let mut accepted = false;
        for ms in 0..2000_u64 {
            if ms == cancel_at {
                pair.tell(0, |e, now| e.cancel(now, caller)).unwrap();
            }
            if let Some(Event::Invite { id, .. }) = pair.peers[1].events.front() {
                callee = Some(*id);
                pair.peers[1].events.pop_front();
            }
            if Some(ms) == accept_at {
                accepted = pair.accept(1, callee.unwrap(), sdp("answer")).is_ok();
            }
            pair.run_ms(1);
        }
        let case = format!("cancel at {cancel_at}, accept at {accept_at:?}");
        let last = pair.peers[0].events.pop_back();
        assert!(
            matches!(
                last,
                Some(Event::Ended {
                    cause: EndCause::Local,
                    ..
                })
            ),
            "{case}: {last:?}"
        );
        let answered = pair.peers[0]
            .events
            .iter()
            .any(|e| matches!(e, Event::Answered { .. }));
        assert!(!answered, "{case}");
        let cause = match pair.peers[1].events.pop_back() {
            Some(Event::Ended { cause, .. }) => cause,
            other => panic!("{case}: {other:?}"),
        };
        if accepted {
            assert_eq!(cause, EndCause::Bye(None), "{case}");
            assert_eq!(
                (pair.count(0, "ACK"), pair.count(0, "BYE")),
                (1, 1),
                "{case}"
            );
        } else {
            assert_eq!(cause, EndCause::Cancelled, "{case}");
            assert_eq!(pair.count(1, "SIP/2.0 487"), 1, "{case}");
            assert_eq!(pair.count(0, "BYE"), 0, "{case}");
        }
        pair.settle();
    }
}

#[test]
fn rfc3261_9_1_a_cancel_waits_for_a_provisional() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, sdp("offer"));
    pair.tell(0, |e, now| e.cancel(now, caller)).unwrap();
    pair.run_ms(200);
    assert_eq!(pair.count(0, "CANCEL"), 0);
    pair.run_ms(100);
    assert_eq!(pair.count(0, "CANCEL"), 1);
    expect!(pair.next(1), Event::Invite { .. });
    expect!(pair.next(1), Event::Cancelled { .. });
    expect!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Cancelled,
            ..
        }
    );
    expect!(
        pair.next(0),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    let twice = pair.tell(0, |e, now| e.cancel(now, caller));
    assert_eq!(twice, Err(CommandError::Gone));
    pair.settle();
}

#[test]
fn rfc3261_9_1_a_cancelled_invite_nobody_answers_is_given_up() {
    let mut pair = Pair::new(1, FAIR);
    let caller = pair.invite(0, sdp("offer"));
    expect!(pair.next(1), Event::Invite { .. });
    pair.run_ms(300);
    pair.blocked.push((1, "SIP/2.0"));
    pair.tell(0, |e, now| e.cancel(now, caller)).unwrap();
    pair.run_ms(31_900);
    assert!(pair.peers[0].events.is_empty());
    pair.run_ms(200);
    expect!(
        pair.next(0),
        Event::Ended {
            cause: EndCause::Local,
            ..
        }
    );
    pair.settle();
}

#[test]
fn rfc3261_17_1_1_2_nobody_there() {
    let mut pair = Pair::new(1, FAIR);
    pair.blocked.push((0, "INVITE"));
    pair.invite(0, sdp("offer"));
    pair.run_ms(32_500);
    assert_eq!(pair.count(0, "INVITE"), 7);
    expect!(
        pair.next(0),
        Event::Ended {
            cause: EndCause::Unreachable,
            ..
        }
    );
    pair.settle();
}

#[test]
fn an_invite_nobody_answers_ends_by_our_bound() {
    let mut pair = Pair::new(1, FAIR);
    pair.invite(0, sdp("offer"));
    expect!(pair.next(1), Event::Invite { .. });
    pair.run_ms(121_000);
    expect!(pair.next(1), Event::Cancelled { .. });
    expect!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Cancelled,
            ..
        }
    );
    let ended = pair.peers[0].events.pop_back();
    expect!(ended, Some(Event::Ended { .. }));
    pair.settle();
}

#[test]
fn rfc3261_14_and_rfc3311_the_session_is_changed_both_ways() {
    for method in [Method::Invite, Method::Update] {
        let (mut pair, caller, callee) = call_up(Pair::new(1, FAIR));
        for (who, id) in [(0, caller), (1, callee)] {
            let change = method.clone();
            pair.tell(who, |e, now| e.modify(now, id, change.clone(), sdp("hold")))
                .unwrap();
            let again = pair.tell(who, |e, now| e.modify(now, id, change, sdp("again")));
            assert_eq!(again, Err(CommandError::Pending));
            let (tx, got, body) = modify_of(pair.next(1 - who));
            assert_eq!((got, body.as_str()), (method.clone(), "hold"));
            let none = pair.tell(1 - who, |e, now| {
                e.respond_modify(now, tx, StatusCode::OK, None)
            });
            assert_eq!(none, Err(CommandError::BodyMissing));
            let answer = pair.tell(1 - who, |e, now| {
                e.respond_modify(now, tx, StatusCode::OK, sdp("held"))
            });
            answer.unwrap();
            let response = expect!(pair.next(who), Event::Modified { response, .. } => response);
            assert_eq!(
                (response.status, &response.body[..]),
                (StatusCode::OK, &b"held"[..])
            );
            if method == Method::Invite {
                expect!(pair.next(1 - who), Event::Acked { body: None, .. });
            }
        }
        pair.tell(1, |e, now| e.bye(now, callee, None)).unwrap();
        pair.settle();
    }
}

/// A re-INVITE without a body asks for an offer; its answer is in the ACK.
#[test]
fn rfc3261_14_1_a_reinvite_without_offer() {
    let (mut pair, caller, _) = call_up(Pair::new(1, FAIR));
    pair.tell(0, |e, now| e.modify(now, caller, Method::Invite, None))
        .unwrap();
    let (tx, _, body) = modify_of(pair.next(1));
    assert_eq!(body, "");
    pair.tell(1, |e, now| {
        e.respond_modify(now, tx, StatusCode::OK, sdp("offer"))
    })
    .unwrap();
    let response = expect!(pair.next(0), Event::Modified { response, .. } => response);
    assert_eq!(response.body, "offer");
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = expect!(pair.next(1), Event::Acked { body, .. } => body);
    assert_eq!(text(&body), "answer");
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}

/// Both offer at once: 491 both ways, then the owner of the Call-ID waits longer (§14.1).
#[test]
fn rfc3261_14_1_glare_is_resolved_by_waiting() {
    for (seed, method) in (0..20).flat_map(|s| [(s, Method::Invite), (s, Method::Update)]) {
        let (mut pair, caller, callee) = call_up(Pair::new(seed, FAIR));
        for (who, id) in [(0, caller), (1, callee)] {
            let method = method.clone();
            pair.tell(who, |e, now| e.modify(now, id, method, sdp("mine")))
                .unwrap();
        }
        let start = pair.at();
        let mut modified = Vec::new();
        while modified.len() < 2 {
            pair.run_to_event(20_000);
            for who in 0..2 {
                let Some(event) = pair.peers[who].events.pop_front() else {
                    continue;
                };
                match event {
                    Event::Modify { tx, .. } => pair
                        .tell(who, |e, now| {
                            e.respond_modify(now, tx, StatusCode::OK, sdp("ok"))
                        })
                        .unwrap(),
                    Event::Modified { response, .. } => {
                        assert_eq!(response.status, StatusCode::OK);
                        modified.push((who, pair.at() - start));
                    }
                    Event::Acked { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(
            (pair.count(0, "SIP/2.0 491"), pair.count(1, "SIP/2.0 491")),
            (1, 1)
        );
        assert_eq!(
            modified[0].0, 1,
            "the callee waits at most 2 s: {modified:?}"
        );
        assert!(
            modified[1].1 >= 2100,
            "the caller waits at least 2.1 s: {modified:?}"
        );
        pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
        pair.settle();
    }
}

#[test]
fn rfc5057_481_and_silence_end_the_call_and_nothing_else_does() {
    for (status, ends) in [(481, true), (408, true), (486, false), (503, false)] {
        let (mut pair, caller, _) = call_up(Pair::new(1, FAIR));
        let sent = pair.tell(0, |e, now| {
            e.request_in_dialog(now, caller, Method::Info, Headers::new(), None)
        });
        let (tx, request) =
            expect!(pair.next(1), Event::InDialog { tx, request, .. } => (tx, request));
        let response = request.response(StatusCode::new(status).unwrap());
        pair.tell(1, |e, now| e.respond(now, tx, response)).unwrap();
        let got = expect!(pair.next(0), Event::Response { tx, response } => (tx, response));
        assert_eq!((got.0, got.1.status.code()), (sent.unwrap(), status));
        let alive = pair.peers[0].endpoint.counts().usages == 1;
        assert_eq!(alive, !ends, "{status}");
        if ends {
            expect!(
                pair.next(0),
                Event::Ended {
                    cause: EndCause::DialogGone,
                    ..
                }
            );
        } else {
            pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
        }
        pair.settle();
    }
}

#[test]
fn rfc3261_15_1_2_what_is_unanswered_at_the_bye_ends_with_487() {
    let (mut pair, caller, _) = call_up(Pair::new(1, FAIR));
    let headers = Headers::new();
    pair.tell(0, |e, now| {
        e.request_in_dialog(now, caller, Method::Info, headers, None)
    })
    .unwrap();
    let tx = expect!(pair.next(1), Event::InDialog { tx, .. } => tx);
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    expect!(pair.next(0), Event::Ended { .. });
    let response = expect!(pair.next(0), Event::Response { response, .. } => response);
    assert_eq!(response.status, StatusCode::REQUEST_TERMINATED);
    let late = pair.tell(1, |e, now| {
        e.respond(now, tx, Response::new(StatusCode::OK))
    });
    assert_eq!(late, Err(CommandError::Gone));
    pair.settle();
}

/// RFC 4028: the session lives as long as it is refreshed, by UPDATE or by re-INVITE, and ends when
/// the other side falls silent.
#[test]
fn rfc4028_sessions_are_refreshed_and_expire() {
    for update in [true, false] {
        let pair = Pair::with(1, FAIR, |_, config| {
            if !update {
                config.allow.retain(|method| *method != Method::Update);
            }
        });
        let (mut pair, _, _) = call_up(pair);
        let refresh = if update { "UPDATE" } else { "INVITE" };
        let before = pair.count(0, refresh) + pair.count(1, refresh);
        for _ in 0..4000 {
            pair.run_ms(100);
            for who in 0..2 {
                match pair.peers[who].events.pop_front() {
                    Some(Event::Modify { tx, body, .. }) => {
                        let answer = body.and_then(|_| sdp("answer"));
                        pair.tell(who, |e, now| {
                            e.respond_modify(now, tx, StatusCode::OK, answer)
                        })
                        .unwrap();
                    }
                    None | Some(Event::Acked { .. }) => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
        }
        let refreshes = pair.count(0, refresh) + pair.count(1, refresh) - before;
        assert_eq!(refreshes, 8, "every 45 s of 400 s, by {refresh}");
        // The one dies without a word.
        let silent = usize::from(pair.count(1, refresh) > 0);
        pair.blocked.push((silent, ""));
        pair.run_ms(90_000);
        let cause = pair.peers[1 - silent].events.pop_back();
        expect!(
            cause,
            Some(Event::Ended {
                cause: EndCause::SessionExpired,
                ..
            })
        );
        pair.settle();
    }
}

/// RFC 4028 §7.3: a 422 raises the interval, and the call is made with it.
#[test]
fn rfc4028_422_raises_the_interval() {
    let pair = Pair::with(1, FAIR, |who, config| {
        if who == 1 {
            config.min_se = Duration::from_secs(600);
            config.session_expires = Some(Duration::from_secs(600));
        }
    });
    let (mut pair, caller, _) = call_up(pair);
    assert_eq!(pair.count(1, "SIP/2.0 422"), 1);
    assert!(pair.last(1, "SIP/2.0 422").contains("Min-SE: 600"));
    let second = pair.last(0, "INVITE");
    assert!(second.contains("Session-Expires: 600") && second.contains("CSeq: 2 INVITE"));
    assert!(
        pair.last(1, "SIP/2.0 200")
            .contains("Session-Expires: 600;refresher=uac")
    );
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}

/// RFC 3891 §3: a call is found by the tags as its peer would name them.
#[test]
fn rfc3891_replaces_finds_the_call() {
    use plenum_sip::msg::Replaces;
    let (mut pair, caller, callee) = call_up(Pair::new(1, FAIR));
    let ack = pair.last(0, "ACK");
    let part = |name: &str| {
        let line = ack.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit([' ', '=']).next().unwrap().to_owned()
    };
    let (call_id, from, to) = (part("Call-ID"), part("From"), part("To"));
    let replaces = |to_tag: &str, from_tag: &str, early_only| Replaces {
        call_id: call_id.as_str().into(),
        to_tag: to_tag.into(),
        from_tag: from_tag.into(),
        early_only,
    };
    let find = |who: usize, what| pair.peers[who].endpoint.find_dialog(&what);
    assert_eq!(find(1, replaces(&to, &from, false)), Some(callee));
    assert_eq!(find(0, replaces(&from, &to, false)), Some(caller));
    assert_eq!(find(1, replaces(&from, &to, false)), None);
    assert_eq!(find(1, replaces(&to, &from, true)), None, "early-only");
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    pair.settle();
}
