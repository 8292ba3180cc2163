//! Calls that are changed, refreshed and lost (RFC 3261 §14, RFC 3311, RFC 4028, RFC 5057).

use crate::net::{FAIR, Pair, sdp, text};
use crate::user::{call_up, modify_of, shape};
use plenum_sip::endpoint::{Answer, CommandError, EndCause, Event};
use plenum_sip::msg::{Headers, Method, Response, StatusCode};
use std::time::Duration;

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
                e.respond_modify(now, tx, Answer::new(StatusCode::OK).with_body(None))
            });
            assert_eq!(none, Err(CommandError::BodyMissing));
            let answer = pair.tell(1 - who, |e, now| {
                e.respond_modify(now, tx, Answer::new(StatusCode::OK).with_body(sdp("held")))
            });
            answer.unwrap();
            let response = shape!(pair.next(who), Event::Modified { response, .. } => response);
            assert_eq!(
                (response.status, &response.body[..]),
                (StatusCode::OK, &b"held"[..])
            );
            if method == Method::Invite {
                shape!(pair.next(1 - who), Event::Acked { body: None, .. });
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
        e.respond_modify(now, tx, Answer::new(StatusCode::OK).with_body(sdp("offer")))
    })
    .unwrap();
    let response = shape!(pair.next(0), Event::Modified { response, .. } => response);
    assert_eq!(response.body, "offer");
    pair.tell(0, |e, now| e.acknowledge(now, caller, sdp("answer")))
        .unwrap();
    let body = shape!(pair.next(1), Event::Acked { body, .. } => body);
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
                            e.respond_modify(
                                now,
                                tx,
                                Answer::new(StatusCode::OK).with_body(sdp("ok")),
                            )
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
            shape!(pair.next(1), Event::InDialog { tx, request, .. } => (tx, request));
        let response = request.response(StatusCode::new(status).unwrap());
        pair.tell(1, |e, now| e.respond(now, tx, response)).unwrap();
        let got = shape!(pair.next(0), Event::Response { tx, response, .. } => (tx, response));
        assert_eq!((got.0, got.1.status.code()), (sent.unwrap(), status));
        let alive = pair.peers[0].endpoint.counts().usages == 1;
        assert_eq!(alive, !ends, "{status}");
        if ends {
            shape!(
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
    let tx = shape!(pair.next(1), Event::InDialog { tx, .. } => tx);
    pair.tell(0, |e, now| e.bye(now, caller, None)).unwrap();
    shape!(pair.next(0), Event::Ended { .. });
    let response = shape!(pair.next(0), Event::Response { response, .. } => response);
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
                            e.respond_modify(now, tx, Answer::new(StatusCode::OK).with_body(answer))
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
        shape!(
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
