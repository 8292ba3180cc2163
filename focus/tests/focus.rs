//! One conference, step by step, in virtual time, with a mixer that obeys at once.

#![expect(
    clippy::panic,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::limits::Limits;
use plenum_focus::output::{Command, ConferenceEvent, SipAction};
use plenum_focus::record::ConferenceRecord;
use plenum_focus::roster::EndpointStatus;
use plenum_mcu::control::{Action, McuError, Report, Stage};
use plenum_sip::endpoint::{Answer, EndCause, Event, InviteId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method, StatusCode};
use std::time::Duration;
use support::*;

#[test]
fn rfc4579_5_1_a_caller_is_answered_by_a_focus_and_is_in_the_mix_after_ack() {
    let mut bench = Bench::new(record());
    bench.call(1, "bob", trusted(1));
    let actions = bench.actions();
    let [
        SipAction::Accept {
            id: InviteId(1),
            accept,
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(accept.body.as_ref().unwrap().octets, ANSWER);
    let contact = accept.contact.as_ref().unwrap();
    assert!(contact.params.has("isfocus"));
    assert_eq!(contact.user.as_ref().unwrap(), &"standup");
    let bob = bench.last_endpoint();
    assert_eq!(bench.endpoints[&bob], Stage::Unconfirmed, "before the ACK");
    assert_eq!(
        bench.focus.roster().endpoint(bob).unwrap().status,
        EndpointStatus::Pending
    );
    bench.ack(1, None);
    assert_eq!(bench.endpoints[&bob], Stage::Mix);
    assert_eq!(
        bench.focus.roster().endpoint(bob).unwrap().status,
        EndpointStatus::Connected
    );
    assert_eq!(bench.said(), ["YouAreFirst"]);
    bench.bye(1);
    assert!(bench.focus.is_over() && bench.endpoints.is_empty());
    assert_eq!(bench.left(), ["Departed"]);
    assert!(bench.actions().is_empty(), "the peer said BYE itself");
}

#[test]
fn rfc6337_2_2_a_late_offer_is_answered_in_the_ack() {
    let mut bench = Bench::new(configured());
    let uri = "sip:standup@conf.example.com";
    bench.sip(invite(1, uri, "bob", trusted(1), None));
    let actions = bench.actions();
    let [SipAction::Accept { accept, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(accept.body.as_ref().unwrap().octets, OFFER);
    bench.ack(1, Some(ANSWER));
    assert_eq!(bench.focus.roster().in_mix(), 1);

    bench.sip(invite(2, uri, "eve", trusted(1), None));
    bench.ack(2, None);
    let reason = bye_reason(&mut bench).unwrap();
    assert_eq!(
        reason,
        "SIP;cause=488;text=\"No usable answer to the offer\""
    );
    assert_eq!(
        (bench.left(), bench.endpoints.len()),
        (vec!["NoAnswerSdp".into()], 1)
    );
}

#[test]
fn every_refusal_has_its_status_and_its_words() {
    let open = configured();
    let locked = ConferenceRecord {
        locked: true,
        ..open.clone()
    };
    let empty = ConferenceRecord {
        max_endpoints: Some(0),
        ..open.clone()
    };
    let malformed = McuError::MalformedSdp("no v= line".into());
    let incompatible = McuError::Incompatible {
        warn_code: 304,
        reason: "only video is offered".into(),
    };
    let full = "399 \"This conference is full\"";
    let unreadable = "399 \"The session description cannot be read: no v= line\"";
    let disagreed = "304 \"No agreement on media: only video is offered\"";
    let overloaded = "399 \"This server is out of RTP ports, try again later\"";
    let sorry = "399 \"This server made a mistake\"";
    refuse(&locked, None, 403, "399 \"This conference is locked\"", "");
    refuse(&empty, None, 486, full, "");
    refuse(&open, Some(McuError::Full), 486, full, "");
    refuse(&open, Some(malformed), 400, unreadable, "");
    refuse(&open, Some(incompatible), 488, disagreed, "");
    refuse(
        &open,
        Some(McuError::Overloaded("RTP ports")),
        503,
        overloaded,
        "10",
    );
    refuse(&open, Some(McuError::Unknown("conference")), 500, sorry, "");
}

#[test]
fn rfc3261_8_2_3_other_bodies_are_refused_with_what_is_accepted() {
    let body = Some(("text/plain", OFFER));
    let answer = refused(&configured(), None, body);
    assert_eq!(answer.status.code(), 415);
    assert_eq!(
        header(&answer, HeaderName::Accept),
        "application/sdp, application/cccp+xml"
    );
}

fn refuse(
    record: &ConferenceRecord,
    by_mcu: Option<McuError>,
    status: u16,
    warning: &str,
    retry_after: &str,
) {
    let answer = refused(record, by_mcu, Some(("application/sdp", OFFER)));
    assert_eq!(answer.status.code(), status, "{warning}");
    let words = header(&answer, HeaderName::Warning).replacen("conf.example.com ", "", 1);
    assert_eq!(words, warning);
    assert_eq!(
        header(&answer, HeaderName::RetryAfter),
        retry_after,
        "{warning}"
    );
}

/// The answer to a call that is refused, which leaves nothing behind.
fn refused(
    record: &ConferenceRecord,
    by_mcu: Option<McuError>,
    body: Option<(&str, &[u8])>,
) -> Answer {
    let mut bench = Bench::new(record.clone());
    bench.refusal = by_mcu;
    let request = request(Method::Invite, "sip:standup@conf.example.com", "bob", body);
    bench.sip(Event::Invite {
        id: InviteId(1),
        request,
        flow: flow(trusted(1)),
    });
    assert!(bench.focus.roster().is_empty() && bench.endpoints.is_empty());
    let told = |event: &ConferenceEvent| matches!(event, ConferenceEvent::Refused { .. });
    assert!(bench.events.iter().any(told));
    match bench.actions().pop() {
        Some(SipAction::Reject {
            id: InviteId(1),
            answer,
        }) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_multipart_body_has_its_session_description_found() {
    let mut bench = Bench::new(configured());
    let body = b"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\n\
        Content-Type: application/sdp\r\n\r\nv=0 offer\r\n--b--\r\n";
    let request = request(
        Method::Invite,
        "sip:standup@conf.example.com",
        "bob",
        Some(("multipart/mixed;boundary=b", body)),
    );
    bench.obeying = false;
    bench.sip(Event::Invite {
        id: InviteId(1),
        request,
        flow: flow(trusted(1)),
    });
    let offered = bench.mcu.iter().any(
        |command| matches!(&command.action, Action::Add { offer: Some(offer), .. } if offer == OFFER),
    );
    assert!(offered, "{:?}", bench.mcu);
}

#[test]
fn rfc3261_11_2_other_requests_get_true_answers() {
    let mut bench = Bench::new(configured());
    bench.join(1, "bob");
    for (method, status, name, value) in [
        (
            Method::Options,
            200,
            HeaderName::Accept,
            "application/sdp, application/cccp+xml",
        ),
        (Method::Subscribe, 489, HeaderName::Warning, ""),
        (
            Method::Refer,
            405,
            HeaderName::Allow,
            "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE, REFER",
        ),
        (
            Method::Message,
            405,
            HeaderName::Warning,
            "399 conf.example.com \"There is no text chat in this conference\"",
        ),
        (
            Method::Notify,
            481,
            HeaderName::Warning,
            "399 conf.example.com \"There is no subscription for this\"",
        ),
        (
            Method::from_bytes(b"FOO").unwrap(),
            501,
            HeaderName::Warning,
            "",
        ),
    ] {
        let answer = bench.in_dialog(1, method.clone(), None);
        assert_eq!(answer.status.code(), status, "{method}");
        assert_eq!(header(&answer, name), value, "{method}");
    }
    assert_eq!(bench.in_dialog(5, Method::Info, None).status.code(), 481);

    let options = |bench: &mut Bench| {
        let request = request(Method::Options, "sip:standup@conf.example.com", "eve", None);
        bench.sip(Event::Request {
            tx: ServerTxId(1),
            request,
            flow: flow(trusted(9)),
        });
        bench.responded().status.code()
    };
    assert_eq!(options(&mut bench), 200);
    bench.command(Command::Lock(true));
    assert_eq!(options(&mut bench), 403);
}

#[test]
fn rfc3261_14_2_sessions_are_modified_or_stay_as_they_were() {
    let mut bench = Bench::new(configured());
    let bob = bench.join(1, "bob");
    let mut modify = |method: Method, body: Option<&[u8]>, refusal: Option<McuError>| {
        bench.actions();
        bench.refusal = refusal;
        let request = request(method.clone(), "sip:standup@198.51.100.1", "bob", None);
        let (id, tx, body) = (InviteId(1), ServerTxId(5), body.map(sdp));
        bench.sip(Event::Modify {
            id,
            tx,
            method,
            body,
            request,
        });
        let actions = bench.actions();
        let [
            SipAction::RespondModify {
                tx: ServerTxId(5),
                answer,
            },
        ] = &actions[..]
        else {
            panic!("{actions:?}")
        };
        (
            answer.status.code(),
            answer.body.as_ref().map(|body| body.octets.clone()),
        )
    };
    assert_eq!(
        modify(Method::Invite, Some(OFFER), None),
        (200, Some(ANSWER.into()))
    );
    assert_eq!(
        modify(Method::Update, Some(OFFER), None),
        (200, Some(ANSWER.into()))
    );
    assert_eq!(
        modify(Method::Update, None, None),
        (200, None),
        "RFC 4028 §7.4"
    );
    let incompatible = McuError::Incompatible {
        warn_code: 305,
        reason: "no codec".into(),
    };
    assert_eq!(
        modify(Method::Invite, Some(OFFER), Some(incompatible)),
        (488, None)
    );
    assert_eq!(
        modify(Method::Invite, None, None),
        (200, Some(OFFER.into()))
    );
    assert_eq!(
        modify(Method::Invite, Some(OFFER), None).0,
        491,
        "an answer is awaited"
    );
    bench.ack(1, Some(ANSWER));
    assert_eq!(bench.focus.roster().in_mix(), 1);
    assert!(bench.endpoints.contains_key(&bob));
}

#[test]
fn a_modify_whose_call_ends_meanwhile_is_answered() {
    let mut bench = Bench::new(configured());
    bench.join(1, "bob");
    bench.actions();
    bench.obeying = false;
    let request = request(Method::Invite, "sip:standup@198.51.100.1", "bob", None);
    let (id, tx, method, body) = (InviteId(1), ServerTxId(5), Method::Invite, Some(sdp(OFFER)));
    bench.sip(Event::Modify {
        id,
        tx,
        method,
        body,
        request,
    });
    bench.bye(1);
    let actions = bench.actions();
    let [SipAction::RespondModify { answer, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(answer.status.code(), 487);
}

#[test]
fn rfc3261_9_2_cancel_before_and_after_the_mixer_answered() {
    for answered in [false, true] {
        let mut bench = Bench::disobeyed(record());
        bench.obey_next();
        bench.call(1, "bob", trusted(1));
        if answered {
            bench.obey_next();
        }
        bench.sip(Event::Cancelled { id: InviteId(1) });
        bench.sip(Event::Ended {
            id: InviteId(1),
            cause: EndCause::Cancelled,
        });
        bench.obeying = true;
        bench.drain();
        let finals = bench.actions().len();
        assert_eq!(
            finals,
            usize::from(answered),
            "a 200 that crossed the CANCEL is the only word"
        );
        assert!(bench.endpoints.is_empty() && bench.focus.is_over());
        assert_eq!(bench.left(), ["Cancelled"]);
    }
}

#[test]
fn an_empty_conference_ends_after_its_grace() {
    let record = ConferenceRecord {
        grace: Duration::from_secs(30),
        ..record()
    };
    let mut bench = Bench::new(record);
    bench.join(1, "bob");
    bench.bye(1);
    bench.pass(Duration::from_secs(29));
    assert!(!bench.focus.is_over());
    bench.join(2, "bob");
    bench.pass(Duration::from_secs(29));
    bench.bye(2);
    bench.pass(Duration::from_secs(29));
    assert!(!bench.focus.is_over(), "the grace starts anew");
    bench.pass(Duration::from_secs(1));
    assert!(bench.focus.is_over());
    assert_eq!(bench.metrics.conferences.get(), 0);
}

#[test]
fn drain_tells_then_hangs_up_and_lets_nobody_in() {
    let mut bench = Bench::new(with_pin());
    let bob = bench.join(1, "bob");
    bench.keys(bob, "1234#");
    bench.join(2, "eve");
    bench.said();
    bench.actions();
    let deadline = bench.now + Duration::from_secs(3);
    bench.focus.handle_drain(bench.now, deadline);
    bench.drain();
    assert_eq!(bench.said(), ["ConferenceEnded"]);
    let reason = bye_reason(&mut bench).unwrap();
    assert_eq!(
        reason, "SIP;cause=503;text=\"The server is going down\"",
        "eve was apart"
    );
    bench.call(3, "mallory", trusted(1));
    let actions = bench.actions();
    let [SipAction::Reject { answer, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    bench.pass(Duration::from_secs(3));
    assert!(bye_reason(&mut bench).is_some());
    assert!(bench.focus.is_over() && bench.endpoints.is_empty());
    assert_eq!(bench.left(), ["Drained", "Drained"]);
}

#[test]
fn a_mixer_that_fails_or_is_silent_leaves_nobody_waiting() {
    let mut bench = Bench::new(record());
    bench.join(1, "bob");
    bench.call(2, "eve", trusted(1));
    bench.actions();
    bench.report(Report::Failed {
        reason: "worker died".into(),
    });
    let actions = bench.actions();
    assert!(
        matches!(&actions[..], [SipAction::Bye { .. }, SipAction::Bye { .. }]),
        "{actions:?}"
    );
    assert!(bench.focus.roster().is_empty() && !bench.focus.is_ending());

    let mut bench = Bench::disobeyed(record());
    bench.call(1, "bob", trusted(1));
    bench.pass(Limits::default().mcu_deadline);
    assert!(
        bench.focus.is_over(),
        "the conference could not even be made"
    );
    let actions = bench.actions();
    let [SipAction::Reject { answer, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(answer.status.code(), 500);

    let mut bench = Bench::new(configured());
    bench.obeying = false;
    bench.mcu.clear();
    bench.call(1, "bob", trusted(1));
    bench.pass(Limits::default().mcu_deadline);
    let actions = bench.actions();
    let [SipAction::Reject { answer, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(answer.status.code(), 503);
    bench.pass(Limits::default().mcu_deadline);
    assert!(
        bench.focus.roster().is_empty(),
        "not even the removal was answered"
    );
}

#[test]
fn cb_250_phones_find_their_conference_again_when_the_mixer_is_back() {
    let failed = || {
        let mut bench = Bench::new(record());
        bench.join(1, "bob");
        bench.command(Command::Lock(true));
        bench.obeying = false;
        bench.endpoints.clear();
        bench.report(Report::Failed {
            reason: "worker died".into(),
        });
        bench.mcu.clear();
        bench.actions();
        bench
    };
    let status = |bench: &mut Bench, id| {
        bench.call(id, "bob", trusted(1));
        match &bench.actions()[..] {
            [SipAction::Reject { answer, .. }] => answer.status.code(),
            [SipAction::Accept { .. }] => 200,
            other => panic!("{other:?}"),
        }
    };
    let mut bench = failed();
    assert_eq!(status(&mut bench, 2), 503, "CB-171");
    bench.obeying = true;
    bench.pass(Duration::from_secs(1));
    assert!(bench.focus.is_locked(), "as it was");
    bench.command(Command::Lock(false));
    assert_eq!(status(&mut bench, 3), 200);
    // Should nobody come back, nothing stays.
    let mut bench = failed();
    bench.obeying = true;
    bench.pass(Limits::default().retry_after - Duration::from_millis(1));
    assert!(!bench.focus.is_over());
    bench.pass(Duration::from_millis(1));
    assert!(bench.focus.is_over());
}
