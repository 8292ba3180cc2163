//! Commands that take somebody's audio out and bring it back, and that rename somebody
//! (MS-CONFBAS §7.1; CB-247.7 to CB-247.9).

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::Role;
use plenum_focus::c3p::{Command, CommandReason, Reason, ResultBody};
use plenum_focus::info::{Endpoint, MediaFilter, User};
use plenum_mcu::control::EndpointId;
use plenum_mcu::control::{Report, VideoMedia};
use plenum_sip::endpoint::{EndCause, Event, InviteId};
use plenum_sip::msg::StatusCode;
use support::c3p::*;
use support::commands::*;
use support::*;

fn passes(bench: &Bench, endpoint: EndpointId) -> bool {
    let filter = bench.focus.roster().endpoint(endpoint).unwrap().filter;
    assert_eq!(filter.muted, filter.deaf);
    !filter.muted
}

/// What documents say of a user.
fn shown(bench: &mut Bench, user: &str) -> User {
    let ResultBody::GetConference(Some(info), _) = succeeded(bench.outcome(PIA, "pia", get()))
    else {
        panic!("another command")
    };
    User::clone(info.user(&aor(user)).unwrap())
}

#[test]
fn cb_247_8_audio_is_taken_out_and_brought_back() {
    let mut bench = meeting();
    let (phone, entity) = audio(&mut bench, 3, "ann");
    assert_eq!(shown(&mut bench, "ann").endpoints[1].media.len(), 1);
    let response = bench.outcome(PIA, "pia", delete_audio("ann", &entity, "1"));
    assert_eq!(response.responder, Some(mcu_uri()), "CB-154");
    succeeded(response);
    assert!(!passes(&bench, phone));
    assert!(shown(&mut bench, "ann").endpoints[1].media.is_empty());
    // It is not there to be changed, nor to be taken out again; nobody brings it back by a key.
    for command in [
        delete_audio("ann", &entity, "1"),
        mute("ann", &entity, MediaFilter::Unblock),
    ] {
        let response = bench.outcome(PIA, "pia", command);
        failed_for(&response, CommandReason::MediaDoesntExist);
    }
    succeeded(bench.outcome(PIA, "pia", mute_all(&[], &[])));
    // What a presenter took out, an attendee does not bring back.
    let response = bench.outcome(ANN, "ann", add_media("ann", &entity, "audio"));
    let other = Some(CommandReason::OtherFailure);
    failed(&response, Reason::Unauthorized, other);
    succeeded(bench.outcome(PIA, "pia", add_media("ann", &entity, "audio")));
    assert_eq!(shown(&mut bench, "ann").endpoints[1].media.len(), 1);
    assert!(muted(&bench, phone), "as it was muted meanwhile");
    let again = bench.outcome(PIA, "pia", add_media("ann", &entity, "audio"));
    failed_for(&again, CommandReason::MediaExistsAlready);
}

#[test]
fn cb_247_8_whose_audio_was_taken_out_is_still_seen() {
    let mut bench = meeting();
    let (endpoint, entity) = audio(&mut bench, 3, "ann");
    let video = Some(VideoMedia {
        codec: "H264/90000",
        sends: true,
        receives: true,
    });
    bench.report(Report::Video { endpoint, video });
    assert_eq!(shown(&mut bench, "ann").endpoints[1].media.len(), 2);
    succeeded(bench.outcome(PIA, "pia", delete_audio("ann", &entity, "1")));
    let user = shown(&mut bench, "ann");
    let [left] = &user.endpoints[1].media[..] else {
        panic!("{:?}", user.endpoints[1].media)
    };
    assert_eq!(left.media_type.as_deref(), Some("video"));
}

#[test]
fn cb_247_8_cb_164_ones_own_audio_and_that_of_others() {
    let mut bench = meeting();
    let (phone, entity) = audio(&mut bench, 3, "ann");
    let (_, of_pia) = audio(&mut bench, 4, "pia");
    for command in [
        delete_audio("pia", &of_pia, "1"),
        add_media("pia", &of_pia, "audio"),
        rename("pia", Some("Nobody"), None),
    ] {
        let other = Some(CommandReason::OtherFailure);
        let response = bench.outcome(ANN, "ann", command);
        failed(&response, Reason::Unauthorized, other);
    }
    succeeded(bench.outcome(ANN, "ann", delete_audio("ann", &entity, "1")));
    assert!(!passes(&bench, phone));
    succeeded(bench.outcome(ANN, "ann", add_media("ann", &entity, "audio")));
    assert!(passes(&bench, phone));
}

#[test]
fn cb_247_7_cb_247_8_what_is_not_there() {
    let mut bench = meeting();
    let (_, entity) = audio(&mut bench, 3, "ann");
    let delete = |user, endpoint, media| delete_audio(user, endpoint, media);
    let add = |user, endpoint, kind| add_media(user, endpoint, kind);
    use CommandReason::{
        EndpointDoesntExist, MediaDoesntExist, MediaExistsAlready, OtherFailure, UserDoesntExist,
    };
    for (command, reason) in [
        (delete("eve", "x", "1"), UserDoesntExist),
        (delete("ann", "x", "1"), EndpointDoesntExist),
        (delete("ann", &entity, "2"), MediaDoesntExist),
        (delete("ann", "{2}", "1"), MediaDoesntExist),
        (add("eve", "x", "audio"), UserDoesntExist),
        (add("ann", "x", "audio"), EndpointDoesntExist),
        (add("ann", &entity, "video"), OtherFailure),
        (add("ann", "{2}", "audio"), MediaExistsAlready),
    ] {
        failed_for(&bench.outcome(PIA, "pia", command), reason);
    }
}

#[test]
fn cb_247_7_a_participant_gets_audio_by_a_call() {
    for answered in [true, false] {
        let mut bench = meeting();
        let command = add_media("ann", "{2}", "audio");
        assert!(bench.commands(ANN, "ann", command).is_empty(), "CB-151");
        let invite = placed(&mut bench, 9);
        assert_eq!(invite.uri.to_string(), format!("{};gruu", aor("ann")));
        assert_eq!(invite.to.uri.to_string(), aor("ann"));
        assert_eq!(invite.from.uri.to_string(), mcu_uri(), "CB-203");
        if answered {
            bench.sip(Event::Answered {
                id: InviteId(9),
                response: response(200, Some(ANSWER)),
            });
            let answers = responses(&bench.actions());
            succeeded(answers[0].clone());
            let ann = shown(&mut bench, "ann");
            assert_eq!(ann.endpoints.len(), 2, "{ann:?}");
            assert_eq!(ann.endpoints[1].media.len(), 1);
        } else {
            bench.sip(Event::Ended {
                id: InviteId(9),
                cause: EndCause::Rejected(StatusCode::BUSY_HERE, "".into()),
            });
            let answers = responses(&bench.actions());
            failed_for(&answers[0], CommandReason::UserBusy);
        }
    }
}

#[test]
fn cb_247_9_somebody_is_renamed() {
    let mut bench = meeting();
    let long = "x".repeat(1000);
    for (who, name, shows) in [(ANN, "Ann", "Ann"), (PIA, &long, &long[..128])] {
        let sender = if who == ANN { "ann" } else { "pia" };
        let command = rename("ann", Some(name), None);
        let ResultBody::ModifyUser(result) = succeeded(bench.outcome(who, sender, command)) else {
            panic!("another command")
        };
        let told = result.user.unwrap();
        assert_eq!(told.display_text.as_deref(), Some(shows));
        assert_eq!(told.role, Some(Role::Attendee));
        assert_eq!(
            shown(&mut bench, "ann").display_text.as_deref(),
            Some(shows)
        );
    }
    audio(&mut bench, 3, "ann");
    let shows = shown(&mut bench, "ann").display_text;
    assert_eq!(shows.as_deref(), Some(&long[..128]), "it stays");
}

#[test]
fn cb_247_9_cb_165_modify_user_promotes_for_presenters_only() {
    let mut bench = meeting();
    let promote = || rename("ann", None, Some(Role::Presenter));
    let response = bench.outcome(ANN, "ann", promote());
    let other = Some(CommandReason::OtherFailure);
    failed(&response, Reason::Unauthorized, other);
    succeeded(bench.outcome(ANN, "ann", rename("ann", Some("A"), Some(Role::Attendee))));
    succeeded(bench.outcome(PIA, "pia", promote()));
    assert_eq!(shown(&mut bench, "ann").role, Some(Role::Presenter));
}

#[test]
fn cb_247_9_who_cannot_be_renamed() {
    let mut bench = meeting();
    let response = bench.outcome(PIA, "pia", rename("eve", Some("Eve"), None));
    failed_for(&response, CommandReason::UserDoesntExist);
    let Command::ModifyUser(mut of_ann) = rename("ann", Some("Ann"), None) else {
        panic!("another command")
    };
    of_ann.user.endpoints = vec![Endpoint::new("{nothing}")];
    let response = bench.outcome(PIA, "pia", Command::ModifyUser(of_ann));
    failed_for(&response, CommandReason::OtherFailure);
    assert_eq!(shown(&mut bench, "ann").display_text, None);
}
