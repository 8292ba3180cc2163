//! Every reason a command can fail for here is met, and those that are not are known
//! (MS-CONFBAS §3.5.4.2.3.2; CB-172, CB-173).

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::c3p::{
    Code, Command, CommandReason, GetConference, LobbyAccess, Reason, Response,
};
use plenum_focus::info::{JoiningMethod, MediaFilter};
use plenum_focus::output::SipAction;
use plenum_mcu::control::McuError;
use plenum_sip::endpoint::{EndCause, Event, InviteId};
use plenum_sip::msg::StatusCode;
use std::collections::BTreeSet;
use std::time::Duration;
use support::c3p::*;
use support::commands::*;
use support::*;

/// Reasons of commands that nothing here can fail for.
const NOT_MET: [(CommandReason, &str); 8] = [
    (
        CommandReason::ConferenceDoesntExist,
        "a dialog ends with its conference: its INFO gets 481, and a new INVITE 404",
    ),
    (
        CommandReason::NotSupported,
        "announcements are always supported",
    ),
    (
        CommandReason::RecordingNotAllowed,
        "clients obey recording-allowed, the server does not police it (CB-238)",
    ),
    (
        CommandReason::InvalidVersion,
        "of provisioning: a conference that is active is not changed by version",
    ),
    (
        CommandReason::ActiveMediaDeletionForbidden,
        "of provisioning: modifyConference here does not change which media there are",
    ),
    (
        CommandReason::MediaNotSupported,
        "of a list that no command uses (CB-246)",
    ),
    (CommandReason::Forbidden, "of provisioning"),
    (CommandReason::InvalidAdmissionPolicy, "of provisioning"),
];

fn calling(bench: &mut Bench) {
    let command = dial("zoe", JoiningMethod::DialedOut, None);
    assert!(bench.commands(PIA, "pia", command).is_empty());
    placed(bench, 9);
}

/// What became of calling somebody who answers so.
fn called(status: u16) -> Response {
    let mut bench = meeting();
    calling(&mut bench);
    bench.sip(Event::Ended {
        id: InviteId(9),
        cause: EndCause::Rejected(StatusCode::new(status).unwrap(), "".into()),
    });
    only_failure(&bench.actions())
}

fn only_failure(actions: &[SipAction]) -> Response {
    let failures = responses(actions).into_iter();
    let mut failures = failures.filter(|response| response.code == Code::Failure);
    let failure = failures.next().expect("a failure");
    assert_eq!(failures.next(), None, "CB-151");
    failure
}

/// The mixer takes a command and says nothing.
fn in_silence() -> Response {
    let mut bench = meeting();
    let (_, entity) = audio(&mut bench, 3, "ann");
    bench.obeying = false;
    let block = mute("ann", &entity, MediaFilter::Block);
    assert!(bench.commands(PIA, "pia", block).is_empty());
    bench.actions();
    bench.pass(Duration::from_secs(6));
    only_failure(&bench.actions())
}

fn without_ports() -> Response {
    let mut bench = meeting();
    bench.refusal = Some(McuError::Overloaded("ports"));
    bench.outcome(PIA, "pia", dial("zoe", JoiningMethod::DialedOut, None))
}

/// Somebody is taken out while they are being called.
fn withdrawn() -> Response {
    let mut bench = meeting();
    calling(&mut bench);
    let (answer, actions) = bench.info_c3p(PIA, "pia", &c3p(8, "pia", delete("zoe")));
    assert_eq!(answer.status.code(), 202);
    let failure = only_failure(&actions);
    assert_eq!(failure.request_id, "7");
    failure
}

fn unreadable(damage: impl Fn(&str) -> String) -> Response {
    let mut bench = meeting();
    let body = String::from_utf8(c3p(7, "pia", lock(true))).unwrap();
    let (answer, actions) = bench.info_c3p(PIA, "pia", damage(&body).as_bytes());
    assert_eq!(answer.status.code(), 202);
    assert!(!bench.focus.is_locked());
    only_failure(&actions)
}

fn of_request() -> Vec<Response> {
    let mut bench = meeting();
    let nothing = Command::Unsupported("getConferences".into());
    vec![
        bench.outcome(ANN, "ann", lock(true)),
        bench.outcome(PIA, "pia", nothing),
        bench.outcome(PIA, "pia", delete("nobody")),
        in_silence(),
        without_ports(),
        withdrawn(),
        unreadable(|body| body.replace("locked>true<", "locked>perhaps<")),
        unreadable(|body| {
            let many = format!("<locked>{}", "<x/>".repeat(5_000));
            body.replace("<locked>", &many)
        }),
    ]
}

fn of_command() -> Vec<Response> {
    let mut bench = meeting();
    let (_, entity) = audio(&mut bench, 3, "ann");
    let again = dial("ann", JoiningMethod::DialedOut, None);
    let garbage = Command::GetConference(GetConference {
        keys: keys(),
        notify: None,
        certificate: Some("AAAA".into()),
    });
    vec![
        bench.outcome(PIA, "pia", delete("nobody")),
        bench.outcome(PIA, "pia", mute("ann", "nothing", MediaFilter::Block)),
        bench.outcome(PIA, "pia", delete_audio("ann", &entity, "2")),
        bench.outcome(PIA, "pia", add_media("ann", &entity, "audio")),
        bench.outcome(PIA, "pia", add_media("ann", &entity, "video")),
        bench.outcome(PIA, "pia", again),
        bench.outcome(PIA, "pia", garbage),
        bench.outcome(ANN, "ann", access(&["ann"], LobbyAccess::Granted)),
        called(486),
        called(480),
        called(603),
        called(604),
    ]
}

#[test]
fn cb_172_every_reason_of_a_request_is_met() {
    let met: BTreeSet<Reason> = of_request()
        .iter()
        .filter_map(|response| reasons(response).0)
        .collect();
    assert_eq!(met, Reason::ALL.iter().copied().collect());
}

#[test]
fn cb_173_cb_234_every_reason_of_a_command_is_met_or_known_not_to_be() {
    let met: BTreeSet<CommandReason> = of_command()
        .iter()
        .filter_map(|response| reasons(response).1)
        .collect();
    let known: BTreeSet<CommandReason> = NOT_MET.iter().map(|(reason, _)| *reason).collect();
    assert!(met.is_disjoint(&known), "{met:?}");
    let all: BTreeSet<CommandReason> = CommandReason::ALL.iter().copied().collect();
    assert_eq!(&met | &known, all);
}

#[test]
fn cb_139_a_second_call_to_somebody_is_refused_or_replaces_the_first() {
    let mut bench = meeting();
    bench.join(3, "zoe");
    let again = bench.outcome(PIA, "pia", dial("zoe", JoiningMethod::DialedOut, None));
    failed_for(&again, CommandReason::UserExistsAlready);
    let Command::AddUser(mut add) = dial("zoe", JoiningMethod::DialedOut, None) else {
        panic!("another command")
    };
    add.allow_session_replace = true;
    assert!(bench.commands(PIA, "pia", Command::AddUser(add)).is_empty());
    placed(&mut bench, 9);
    assert!(byes(&bench.actions()).is_empty(), "not before she answers");
    bench.sip(Event::Answered {
        id: InviteId(9),
        response: response(200, Some(ANSWER)),
    });
    let actions = bench.actions();
    succeeded(responses(&actions)[0].clone());
    assert_eq!(byes(&actions)[0].0, 3, "the first call");
    let zoe = bench.focus.roster().by_entity(&aor("zoe")).unwrap();
    assert_eq!(zoe.endpoints.len(), 1);
}

#[test]
fn cb_169_a_mixer_that_says_nothing_does_not_hold_up_the_focus() {
    let mut bench = meeting();
    audio(&mut bench, 3, "ann");
    bench.obeying = false;
    for command in [
        lock(true),
        promote("ann", plenum_focus::access::Role::Presenter),
    ] {
        succeeded(bench.outcome(PIA, "pia", command));
    }
    assert!(bench.focus.is_locked());
    succeeded(bench.outcome(PIA, "pia", delete("ann")));
    let gone = byes(&bench.actions());
    assert!(gone.iter().any(|(id, _)| *id == ANN), "{gone:?}");
}

#[test]
fn cb_254_a_phone_that_was_called_keeps_the_conference() {
    let mut bench = meeting();
    calling(&mut bench);
    bench.sip(Event::Answered {
        id: InviteId(9),
        response: response(200, Some(ANSWER)),
    });
    bench.bye(ANN);
    bench.bye(PIA);
    bench.pass(Duration::from_secs(7_200));
    assert!(!bench.focus.is_ending(), "zoe is there");
    let zoe = bench.focus.roster().by_entity(&aor("zoe")).unwrap();
    assert_eq!(zoe.endpoints.len(), 1);
    bench.bye(9);
    bench.pass(Duration::from_secs(7_200));
    assert!(bench.focus.is_over(), "the last one has left");
}
