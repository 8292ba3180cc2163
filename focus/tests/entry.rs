//! The entry: callers key in the number of a conference and go on to it.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::conference::Arrival;
use plenum_focus::output::{ConferenceEvent, SipAction};
use plenum_focus::pin::Pin;
use plenum_focus::pin_guard::PinOutcome;
use plenum_focus::record::{ConferenceRecord, Origin};
use plenum_focus::refusal::Refusal;
use plenum_focus::roster::EndpointStatus;
use plenum_mcu::control::{Action, ConferenceId, EndpointId, Stage};
use plenum_sip::msg::Method;
use std::time::Duration;
use support::*;

fn entry() -> Bench {
    Bench::new(ConferenceRecord::entry(name("standup"), "en".into(), 2))
}

/// The numbers that were keyed in since the last time.
fn numbers(bench: &mut Bench) -> Vec<String> {
    let handed = std::mem::take(&mut bench.handed_over).into_iter();
    handed.map(|it| it.number).collect()
}

fn answer(bench: &mut Bench, endpoint: EndpointId, result: Result<(), Refusal>) {
    bench.focus.handle_handed_over(bench.now, endpoint, result);
    bench.drain();
}

/// What the guards were told: how, and whether it is certain.
fn settled(bench: &Bench) -> Vec<(PinOutcome, bool)> {
    let settled = bench.events.iter().filter_map(|event| match event {
        ConferenceEvent::PinSettled {
            outcome, proven, ..
        } => Some((*outcome, *proven)),
        _ => None,
    });
    settled.collect()
}

#[test]
fn rfc4733_a_number_is_keyed_in_and_the_call_goes_on_with_its_media() {
    let mut bench = entry();
    let caller = bench.join(1, "ann");
    assert_eq!(bench.said(), ["EnterNumber"]);
    assert_eq!(bench.endpoints[&caller], Stage::Apart, "hears nobody");
    bench.keys(caller, "9*471");
    assert!(numbers(&mut bench).is_empty());
    bench.keys(caller, "1#");
    assert_eq!(numbers(&mut bench), ["4711"], "* begins anew");
    bench.actions();
    let removed = bench.removed;
    answer(&mut bench, caller, Ok(()));
    assert_eq!(bench.left(), ["WentOn"]);
    assert_eq!(settled(&bench), [(PinOutcome::Right, true)]);
    assert!(bench.actions().is_empty(), "no BYE");
    assert_eq!(bench.removed, removed, "the mixer keeps it for the other");
    assert_eq!(bench.metrics.numbers_right.get(), 1);
    assert!(bench.focus.is_ending(), "nobody is at the entry");
}

#[test]
fn three_wrong_numbers_end_the_call_and_count_as_guesses() {
    let mut bench = entry();
    let caller = bench.join(1, "ann");
    for last in [false, false, true] {
        bench.said();
        bench.keys(caller, "99#");
        assert_eq!(numbers(&mut bench), ["99"]);
        answer(&mut bench, caller, Err(Refusal::UnknownConference));
        let expect: &[&str] = if last {
            &["WrongNumber", "Goodbye"]
        } else {
            &["WrongNumber", "EnterNumber"]
        };
        assert_eq!(bench.said(), expect);
    }
    bench.actions();
    bench.pass(Duration::from_secs(10));
    assert_eq!(
        bye_reason(&mut bench).unwrap(),
        "SIP;cause=404;text=\"No conference has this number\""
    );
    assert_eq!(settled(&bench), [(PinOutcome::Wrong(3), true)]);
    assert_eq!(bench.metrics.numbers_wrong.get(), 3);
}

#[test]
fn who_keys_in_nothing_is_hung_up_but_has_guessed_nothing() {
    let mut bench = entry();
    bench.join(1, "ann");
    for _ in 0..3 {
        bench.pass(Duration::from_secs(18));
    }
    bench.pass(Duration::from_secs(8));
    assert_eq!(
        bye_reason(&mut bench).unwrap(),
        "SIP;cause=408;text=\"No conference number was keyed in\""
    );
    assert_eq!(settled(&bench), [(PinOutcome::Wrong(0), true)]);
}

#[test]
fn a_pause_ends_a_number_and_time_ends_it_all() {
    let mut bench = entry();
    let caller = bench.join(1, "ann");
    bench.keys(caller, "4711");
    bench.pass(Duration::from_secs(10));
    assert_eq!(numbers(&mut bench), ["4711"]);
    answer(&mut bench, caller, Err(Refusal::UnknownConference));
    // Somebody who never stops keying in.
    let begun = bench.now;
    while bench.handed_over.is_empty() {
        bench.keys(caller, "1");
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.now - begun, Duration::from_secs(80), "90 in all");
    bench.handed_over.clear();
    answer(&mut bench, caller, Err(Refusal::UnknownConference));
    bench.pass(Duration::from_secs(8));
    assert_eq!(bench.left(), ["WrongNumber"]);
}

#[test]
fn a_conference_that_is_locked_says_so() {
    let mut bench = entry();
    let caller = bench.join(1, "ann");
    bench.keys(caller, "4711#");
    bench.said();
    answer(&mut bench, caller, Err(Refusal::Locked));
    assert_eq!(bench.said(), ["Locked", "Goodbye"]);
    bench.pass(Duration::from_secs(8));
    assert_eq!(
        bye_reason(&mut bench).unwrap(),
        "SIP;cause=403;text=\"This conference is locked\""
    );
    assert_eq!(settled(&bench), [(PinOutcome::Wrong(0), true)], "no guess");
}

#[test]
fn an_entry_has_room_for_so_many_and_shows_nobody_who_is_there() {
    let mut bench = entry();
    bench.join(1, "ann");
    bench.join(2, "bob");
    bench.actions();
    bench.call(3, "carl", trusted(1));
    let rejected = bench.actions().into_iter().find_map(|action| match action {
        SipAction::Reject { answer, .. } => Some(answer.status.code()),
        _ => None,
    });
    assert_eq!(rejected, Some(486));
    let uri = "sip:standup@conf.example.com";
    let request = request(Method::Subscribe, uri, "ann", None);
    bench.sip(plenum_sip::endpoint::Event::Subscribe {
        tx: plenum_sip::endpoint::ServerTxId(5),
        invite: None,
        package: "conference".into(),
        expires: 600,
        request,
        flow: flow(trusted(1)),
    });
    assert_eq!(bench.responded().status.code(), 403);
}

#[test]
fn who_hangs_up_on_the_way_is_gone_from_both() {
    let mut bench = entry();
    let caller = bench.join(1, "ann");
    bench.keys(caller, "4711#");
    bench.bye(1);
    answer(&mut bench, caller, Ok(()));
    assert_eq!(bench.left(), ["Departed"]);
    assert_eq!(bench.metrics.numbers_right.get(), 0);
}

/// Somebody comes from the entry to the conference of the bench.
fn arrive(bench: &mut Bench, id: u64) -> Result<(), Refusal> {
    let mut elsewhere = entry();
    let caller = elsewhere.join(id, "ann");
    elsewhere.keys(caller, "1#");
    let arrival = Arrival {
        from: (ConferenceId(9), EndpointId(99)),
        ..elsewhere.handed_over.pop().unwrap().arrival
    };
    let came = bench.focus.handle_arrival(bench.now, arrival);
    bench.drain();
    came
}

#[test]
fn rfc4579_5_1_who_comes_from_the_entry_is_asked_for_the_pin_and_let_in() {
    let mut bench = Bench::new(ConferenceRecord {
        pin: Pin::new("2580"),
        ..record()
    });
    assert_eq!(arrive(&mut bench, 1), Ok(()));
    assert_eq!(bench.said(), ["EnterPin"]);
    let caller = bench.last_endpoint();
    assert_eq!(bench.endpoints[&caller], Stage::Apart);
    bench.keys(caller, "2580#");
    assert_eq!(bench.endpoints[&caller], Stage::Mix);
    let status = bench.focus.roster().endpoint(caller).unwrap().status;
    assert_eq!(status, EndpointStatus::Connected);
    bench.bye(1);
    assert_eq!(bench.left(), ["Departed"]);
}

#[test]
fn a_conference_refuses_who_comes_from_the_entry_as_it_refuses_callers() {
    let mut bench = Bench::new(ConferenceRecord {
        locked: true,
        origin: Origin::Configured,
        ..record()
    });
    assert_eq!(arrive(&mut bench, 1), Err(Refusal::Locked));
    assert!(bench.actions().is_empty(), "the entry tells the caller");
}

#[test]
fn who_is_lost_on_the_way_is_hung_up() {
    let mut bench = Bench::new(record());
    bench.refusal = Some(plenum_mcu::control::McuError::Overloaded("processor time"));
    assert_eq!(arrive(&mut bench, 1), Ok(()));
    let reason = bye_reason(&mut bench).unwrap();
    assert!(reason.starts_with("SIP;cause=503"), "{reason}");
    let adopts = |action: &Action| matches!(action, Action::Adopt { .. });
    assert!(!bench.mcu.iter().any(|it| adopts(&it.action)));
}
