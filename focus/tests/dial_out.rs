//! RFC 4579 §5.3: calls from a conference.

#![expect(
    clippy::panic,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::output::{Command, DialOutId, SipAction};
use plenum_focus::pin::Pin;
use plenum_focus::record::ConferenceRecord;
use plenum_focus::roster::EndpointStatus;
use plenum_mcu::control::McuError;
use plenum_sip::endpoint::{EndCause, Event, Invite, InviteId};
use plenum_sip::msg::{HeaderName, StatusCode};
use std::time::Duration;
use support::*;

fn dial(uri: &str) -> Command {
    Command::DialOut {
        uri: uri.into(),
        ringing: Duration::from_secs(20),
    }
}

fn invite_of(bench: &mut Bench) -> (DialOutId, Box<Invite>) {
    let mut actions = bench.actions();
    match actions.pop() {
        Some(SipAction::Invite {
            dial_out, invite, ..
        }) => (dial_out, invite),
        other => panic!("{other:?}"),
    }
}

fn place(bench: &mut Bench, dial_out: DialOutId, id: u64) {
    bench
        .focus
        .handle_placed(bench.now, dial_out, Some(InviteId(id)));
    bench.drain();
}

fn bench() -> Bench {
    let subject = Some("Daily".into());
    let grace = Duration::from_secs(3600);
    Bench::new(ConferenceRecord {
        pin: Pin::new("1"),
        subject,
        grace,
        ..record()
    })
}

#[test]
fn the_one_called_comes_in_without_a_pin() {
    let mut bench = bench();
    let request = bench.command(dial("sip:bob@example.org"));
    let (dial_out, invite) = invite_of(&mut bench);
    assert_eq!(invite.uri, uri("sip:bob@example.org"));
    assert_eq!(
        invite.from.to_string(),
        "\"Daily\" <sip:standup@conf.example.com>"
    );
    assert!(invite.contact.unwrap().params.has("isfocus"));
    assert_eq!(invite.body.unwrap().octets, OFFER);
    place(&mut bench, dial_out, 1);
    let endpoint = bench.last_endpoint();
    let status = |bench: &Bench| bench.focus.roster().endpoint(endpoint).unwrap().status;
    assert_eq!(status(&bench), EndpointStatus::DialingOut);
    bench.sip(Event::Progress {
        id: InviteId(1),
        response: response(180, None),
    });
    assert_eq!(status(&bench), EndpointStatus::Alerting);
    bench.sip(Event::Answered {
        id: InviteId(1),
        response: response(200, Some(ANSWER)),
    });
    assert_eq!(status(&bench), EndpointStatus::Connected);
    assert_eq!(bench.completed(request).unwrap(), "Ok(())");
    assert_eq!(bench.said(), ["YouAreFirst"]);
}

#[test]
fn those_whom_the_record_says_are_called_at_activation() {
    let dial_out = vec!["sip:a@example.org".into(), "mailto:a@example.org".into()];
    let bench = Bench::new(ConferenceRecord {
        dial_out,
        ..record()
    });
    assert!(matches!(&bench.sip[..], [SipAction::Invite { .. }]));
    let failed = bench
        .events
        .iter()
        .any(|event| format!("{event:?}").contains("BadUri"));
    assert!(failed);
}

#[test]
fn failures_say_why() {
    for (cause, reason) in [
        (
            EndCause::Rejected(StatusCode::BUSY_HERE, "Busy".into()),
            "Busy",
        ),
        (
            EndCause::Rejected(StatusCode::TEMPORARILY_UNAVAILABLE, "".into()),
            "NoAnswer",
        ),
        (
            EndCause::Rejected(StatusCode::NOT_FOUND, "".into()),
            "Rejected(StatusCode(404))",
        ),
        (EndCause::Unreachable, "Unreachable"),
    ] {
        let mut bench = bench();
        let request = bench.command(dial("sip:bob@example.org"));
        let (dial_out, _) = invite_of(&mut bench);
        place(&mut bench, dial_out, 1);
        bench.sip(Event::Ended {
            id: InviteId(1),
            cause,
        });
        assert_eq!(
            bench.completed(request).unwrap(),
            format!("Err(NotJoined({reason}))")
        );
        assert_eq!(bench.left(), [reason]);
        assert!(bench.actions().is_empty() && bench.endpoints.is_empty());
    }
}

#[test]
fn nobody_rings_for_ever() {
    let mut bench = bench();
    let request = bench.command(dial("sip:bob@example.org"));
    let (dial_out, _) = invite_of(&mut bench);
    place(&mut bench, dial_out, 1);
    bench.pass(Duration::from_secs(20));
    assert!(matches!(
        &bench.actions()[..],
        [SipAction::Cancel {
            id: InviteId(1),
            ..
        }]
    ));
    assert_eq!(
        bench.completed(request).unwrap(),
        "Err(NotJoined(NoAnswer))"
    );
    // The 200 crossed the CANCEL (RFC 3261 §9.1): it is hung up.
    bench.sip(Event::Answered {
        id: InviteId(1),
        response: response(200, Some(ANSWER)),
    });
    assert!(matches!(
        &bench.actions()[..],
        [SipAction::Bye {
            id: InviteId(1),
            ..
        }]
    ));
}

#[test]
fn a_call_given_up_before_it_was_placed_is_cancelled_when_it_is() {
    let mut bench = bench();
    bench.command(dial("sip:bob@example.org"));
    let (dial_out, _) = invite_of(&mut bench);
    let endpoint = bench.last_endpoint();
    bench.command(Command::Remove { endpoint });
    assert!(bench.actions().is_empty());
    place(&mut bench, dial_out, 1);
    assert!(matches!(
        &bench.actions()[..],
        [SipAction::Cancel {
            id: InviteId(1),
            ..
        }]
    ));
}

#[test]
fn what_cannot_be_called_is_refused_at_once() {
    for (uri, refusal, expect) in [
        ("bob", None, "Err(BadUri(\"bob\"))"),
        (
            "mailto:bob@example.org",
            None,
            "Err(BadUri(\"mailto:bob@example.org\"))",
        ),
        (
            "sip:bob@example.org",
            Some(McuError::Overloaded("RTP ports")),
            "Err(NotJoined(Refused(Overloaded(\"RTP ports\", 10s))))",
        ),
    ] {
        let mut bench = bench();
        bench.refusal = refusal;
        let request = bench.command(dial(uri));
        assert_eq!(bench.completed(request).unwrap(), expect);
        assert!(bench.actions().is_empty() && bench.focus.roster().is_empty());
    }
}

#[test]
fn rfc3262_5_an_answer_before_the_2xx_is_one_if_it_is_of_the_same_device() {
    let of = |status, body, tag: &str, reliable| {
        let mut response = response(status, body);
        let to = format!("<sip:bob@example.org>;tag={tag}");
        response.headers.push(HeaderName::To, &*to);
        if reliable {
            response.headers.push(HeaderName::RSeq, "1");
        }
        response
    };
    for (tag, reliable, comes_in) in [
        ("one", true, true),
        ("one", false, false),
        ("two", true, false),
    ] {
        let mut bench = bench();
        bench.command(dial("sip:bob@example.org"));
        let (dial_out, _) = invite_of(&mut bench);
        place(&mut bench, dial_out, 1);
        let endpoint = bench.last_endpoint();
        bench.sip(Event::Progress {
            id: InviteId(1),
            response: of(183, Some(ANSWER), "one", reliable),
        });
        bench.sip(Event::Answered {
            id: InviteId(1),
            response: of(200, None, tag, false),
        });
        let there = bench.focus.roster().endpoint(endpoint);
        let connected = there.is_some_and(|it| it.status == EndpointStatus::Connected);
        assert_eq!(connected, comes_in, "{tag}, reliable: {reliable}");
    }
}

#[test]
fn an_answer_without_or_with_a_useless_description_ends_the_call() {
    for (body, refusal, reason) in [
        (None, None, "NoAnswerSdp"),
        (
            Some(ANSWER),
            Some(McuError::Incompatible {
                warn_code: 305,
                reason: "nothing".into(),
            }),
            "Refused(Incompatible { warn_code: 305, reason: \"nothing\" })",
        ),
    ] {
        let mut bench = bench();
        bench.command(dial("sip:bob@example.org"));
        let (dial_out, _) = invite_of(&mut bench);
        place(&mut bench, dial_out, 1);
        bench.refusal = refusal;
        bench.sip(Event::Answered {
            id: InviteId(1),
            response: response(200, body),
        });
        assert!(matches!(&bench.actions()[..], [SipAction::Bye { .. }]));
        assert_eq!(bench.left(), [reason]);
    }
}
