//! CANCEL and its races, and INVITEs nobody answers (RFC 3261 §9, §17).

use crate::net::{FAIR, Pair, sdp};
use crate::user::shape;
use plenum_sip::endpoint::{CommandError, EndCause, Event};

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
    shape!(pair.next(1), Event::Invite { .. });
    shape!(pair.next(1), Event::Cancelled { .. });
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Cancelled,
            ..
        }
    );
    shape!(
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
    shape!(pair.next(1), Event::Invite { .. });
    pair.run_ms(300);
    pair.blocked.push((1, "SIP/2.0"));
    pair.tell(0, |e, now| e.cancel(now, caller)).unwrap();
    pair.run_ms(31_900);
    assert!(pair.peers[0].events.is_empty());
    pair.run_ms(200);
    shape!(
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
    shape!(
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
    shape!(pair.next(1), Event::Invite { .. });
    pair.run_ms(121_000);
    shape!(pair.next(1), Event::Cancelled { .. });
    shape!(
        pair.next(1),
        Event::Ended {
            cause: EndCause::Cancelled,
            ..
        }
    );
    let ended = pair.peers[0].events.pop_back();
    shape!(ended, Some(Event::Ended { .. }));
    pair.settle();
}
