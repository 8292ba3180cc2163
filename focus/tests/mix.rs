//! Life in a conference, step by step: the PIN, tones, keys, moderation, calling again.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::limits::Limits;
use plenum_focus::output::{Command, SipAction};
use plenum_focus::record::{Alone, ConferenceRecord};
use plenum_mcu::control::{Action, Ambience, Audience, EndpointId, MediaFilter, Report, Stage};
use plenum_sip::msg::{Method, StatusCode};
use std::time::Duration;
use support::*;

#[test]
fn the_right_pin_opens_and_the_first_digit_stops_the_prompt() {
    let mut bench = Bench::new(with_pin());
    let bob = bench.join(1, "bob");
    assert_eq!(bench.said(), ["EnterPin"]);
    assert_eq!(bench.endpoints[&bob], Stage::Apart);
    bench.obeying = false;
    bench.keys(bob, "1");
    assert!(matches!(
        bench.mcu.pop_back().unwrap().action,
        Action::Stop { .. }
    ));
    bench.obeying = true;
    bench.keys(bob, "234#");
    assert_eq!(bench.endpoints[&bob], Stage::Mix);
    assert_eq!(bench.said(), ["Welcome", "YouAreFirst"]);
    assert!(
        bench
            .events
            .iter()
            .any(|event| format!("{event:?}").contains("outcome: Right"))
    );
}

#[test]
fn three_wrong_pins_end_the_call_after_the_farewell() {
    let mut bench = Bench::new(with_pin());
    let bob = bench.join(1, "bob");
    bench.said();
    bench.keys(bob, "1#12345#");
    assert_eq!(
        bench.said(),
        ["WrongPin", "EnterPin", "WrongPin", "EnterPin"]
    );
    bench.keys(bob, "4321#");
    assert_eq!(bench.said(), ["WrongPin", "Goodbye"]);
    assert_eq!(bye_reason(&mut bench), None, "not before it was heard");
    bench.keys(bob, "1234#");
    bench.report(played(4));
    let reason = bye_reason(&mut bench).unwrap();
    assert_eq!(reason, "SIP;cause=403;text=\"Wrong PIN\"");
    assert_eq!(bench.left(), ["WrongPin"]);
    assert_eq!(bench.metrics.pin_failures.get(), 3);
    assert!(
        bench
            .events
            .iter()
            .any(|event| format!("{event:?}").contains("outcome: Wrong(3)"))
    );
}

#[test]
fn silence_while_the_pin_is_awaited_is_a_wrong_try() {
    let mut bench = Bench::new(with_pin());
    bench.join(1, "bob");
    let patience = Limits::default().pin_patience;
    bench.report(played(1));
    for _ in 0..2 {
        bench.pass(patience - Duration::from_millis(1));
        assert_eq!(bye_reason(&mut bench), None);
        bench.pass(Limits::default().farewell + patience);
    }
    bench.pass(Limits::default().farewell + patience);
    bench.pass(Limits::default().farewell);
    assert_eq!(bench.left(), ["WrongPin"]);
}

#[test]
fn a_conference_locked_meanwhile_does_not_open_to_the_right_pin() {
    let mut bench = Bench::new(with_pin());
    let bob = bench.join(1, "bob");
    bench.command(Command::Lock(true));
    bench.said();
    bench.keys(bob, "1234#");
    assert_eq!(bench.said(), ["Locked", "Goodbye"]);
    bench.pass(Limits::default().farewell);
    assert_eq!(bench.left(), ["LockedOut"]);
    assert_eq!(bench.focus.roster().in_mix(), 0);
}

#[test]
fn tones_and_music_follow_who_is_there() {
    let mut bench = Bench::new(configured());
    let ambience = |bench: &mut Bench| {
        let list = bench
            .mcu
            .drain(..)
            .filter_map(|command| match command.action {
                Action::Ambience {
                    to: Audience::One(endpoint),
                    ambience,
                } => Some((endpoint, ambience)),
                _ => None,
            });
        list.collect::<Vec<_>>()
    };
    let bob = bench.join(1, "bob");
    bench.obeying = false;
    bench.call(2, "eve", trusted(2));
    bench.obey_next();
    bench.ack(2, None);
    bench.obey_next();
    let eve = bench.last_endpoint();
    assert_eq!(bench.said(), ["YouAreFirst", "entry"]);
    assert_eq!(ambience(&mut bench), [(bob, Ambience::Silence)]);
    bench.bye(2);
    assert_eq!(ambience(&mut bench), [(bob, Ambience::Music)]);
    bench.report(Report::Removed {
        endpoint: eve,
        quality: Default::default(),
    });
    assert_eq!(
        bench.said(),
        Vec::<String>::new(),
        "too near to the last tone"
    );

    let quiet = ConferenceRecord {
        alone: Alone::Silence,
        entry_tone: false,
        ..configured()
    };
    let mut bench = Bench::new(quiet);
    bench.join(1, "bob");
    bench.join(2, "eve");
    bench.pass(Duration::from_secs(1));
    bench.bye(2);
    assert_eq!(bench.said(), ["YouAreFirst", "exit"]);
}

#[test]
fn keys_mute_oneself_and_the_roster_says_what_the_mixer_does() {
    let mut bench = Bench::new(configured());
    let bob = bench.join(1, "bob");
    bench.said();
    bench.obeying = false;
    bench.mcu.clear();
    bench.keys(bob, "*6");
    let muted = |bench: &Bench| bench.focus.roster().endpoint(bob).unwrap().filter.muted;
    assert!(!muted(&bench), "asked for, not in force");
    bench.obey_next();
    assert!(muted(&bench));
    assert_eq!(bench.said(), ["Muted"]);
    bench.obeying = true;
    bench.drain();
    bench.keys(bob, "*6");
    assert!(!muted(&bench));
    assert_eq!(bench.said(), ["Unmuted"]);
    bench.keys(bob, "*0");
    assert_eq!(bench.said(), ["1"]);
    bench.keys(bob, "*9*9");
    assert_eq!(
        bench
            .focus
            .roster()
            .endpoint(bob)
            .unwrap()
            .filter
            .gain_out_db,
        6.0
    );
}

#[test]
fn digits_and_wishes_for_a_picture_come_by_info_too() {
    let mut bench = Bench::new(configured());
    bench.join(1, "bob");
    bench.actions();
    let wish = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>\
                </vc_primitive></media_control>";
    for (content_type, body, status, told) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160", 200, 1),
        ("application/dtmf", "#", 200, 1),
        ("application/dtmf-relay", "Signal=hook", 400, 0),
        ("application/media_control+xml", wish, 200, 1),
        ("application/media_control+xml", "<x/>", 200, 0),
        ("text/plain", "5", 415, 0),
    ] {
        bench.obeying = false;
        let answer = bench.in_dialog(1, Method::Info, Some((content_type, body.as_bytes())));
        assert_eq!(answer.status.code(), status, "{content_type}: {body}");
        assert_eq!(bench.mcu.drain(..).count(), told, "{content_type}: {body}");
    }
    assert_eq!(
        bench.in_dialog(1, Method::Info, None).status,
        StatusCode::OK
    );
}

#[test]
fn two_calls_of_one_user_are_two_endpoints_unless_told_otherwise() {
    let mut bench = Bench::new(configured());
    bench.join(1, "bob");
    bench.join(2, "bob");
    assert_eq!(bench.focus.roster().users().count(), 1);
    assert_eq!(bench.focus.roster().in_mix(), 2);

    let replacing = ConferenceRecord {
        replace_on_redial: true,
        max_endpoints: Some(1),
        ..configured()
    };
    let mut bench = Bench::new(replacing);
    let first = bench.join(1, "bob");
    bench.actions();
    bench.call(2, "eve", trusted(1));
    assert!(
        matches!(&bench.actions()[..], [SipAction::Reject { .. }]),
        "full"
    );
    bench.call(3, "bob", trusted(1));
    assert!(
        bench.endpoints.contains_key(&first),
        "not before the new one is in"
    );
    bench.ack(3, None);
    assert!(!bench.endpoints.contains_key(&first));
    assert_eq!(bench.left(), ["Replaced"]);
    assert_eq!(bench.focus.roster().in_mix(), 1);
}

#[test]
fn nobody_is_replaced_by_somebody_who_only_claims_their_name() {
    let replacing = ConferenceRecord {
        replace_on_redial: true,
        ..configured()
    };
    let mut bench = Bench::new(replacing);
    for (id, from) in [(1, stranger(1)), (2, stranger(2))] {
        bench.call(id, "bob", from);
        bench.ack(id, None);
    }
    assert_eq!(bench.focus.roster().in_mix(), 2);
    assert_eq!(bench.focus.roster().users().count(), 2);
}

#[test]
fn media_that_stops_ends_the_call_unless_told_otherwise() {
    for hang_up in [true, false] {
        let record = ConferenceRecord {
            hang_up_on_media_loss: hang_up,
            ..configured()
        };
        let mut bench = Bench::new(record);
        let endpoint = bench.join(1, "bob");
        bench.report(Report::MediaLost { endpoint });
        let reason = bye_reason(&mut bench);
        let expect = hang_up.then(|| "SIP;cause=408;text=\"No media came\"".to_owned());
        assert_eq!(reason, expect);
    }
}

#[test]
fn moderation_is_complete_when_the_mixer_says_so() {
    let mut bench = Bench::new(configured());
    let endpoint = bench.join(1, "bob");
    bench.said();
    bench.obeying = false;
    bench.mcu.clear();
    let filter = MediaFilter {
        muted: true,
        ..MediaFilter::default()
    };
    let request = bench.command(Command::Filter { endpoint, filter });
    assert_eq!(bench.completed(request), None);
    bench.obey_next();
    assert_eq!(bench.completed(request).unwrap(), "Ok(())");
    assert_eq!(bench.said(), ["Muted"]);
    bench.mcu.clear();
    let request = bench.command(Command::Remove { endpoint });
    assert_eq!(
        bye_reason(&mut bench).unwrap(),
        "SIP;cause=200;text=\"Removed from the conference\""
    );
    assert_eq!(bench.completed(request), None);
    bench.obey_next();
    assert_eq!(bench.completed(request).unwrap(), "Ok(())");
    assert_eq!(bench.left(), ["Booted"]);
    let request = bench.command(Command::Remove {
        endpoint: EndpointId(1),
    });
    assert_eq!(bench.completed(request).unwrap(), "Err(UnknownEndpoint)");
}
