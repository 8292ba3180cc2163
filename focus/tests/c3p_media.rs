//! Commands by INFO that the mixer carries out: filters, calls, announcements
//! (MS-CONFBAS §3.10, §3.11, §3.15).

#[cfg(test)]
mod support;

use plenum_focus::c3p::{Code, CommandReason, Reason, ResultBody};
use plenum_focus::info::{InitialFilters, JoiningMethod, MediaFilter, MediaFiltersRules};
use plenum_sip::endpoint::{EndCause, Event, InviteId};
use plenum_sip::msg::{HeaderName, StatusCode};
use std::time::Duration;
use support::c3p::*;
use support::commands::*;
use support::*;

#[test]
fn cb_241_announcements_on_and_off() {
    let mut bench = meeting();
    audio(&mut bench, 3, "zoe");
    bench.said();
    audio(&mut bench, 4, "yan");
    assert!(!bench.said().contains(&"entry".to_owned()));
    let response = bench.outcome(PIA, "pia", announcements(true));
    assert_eq!(response.responder, Some(mcu_uri()), "CB-154");
    succeeded(response);
    audio(&mut bench, 5, "xia");
    assert!(bench.said().contains(&"entry".to_owned()));
}

#[test]
fn cb_244_cb_287_rules_for_newcomers_and_for_muting_oneself() {
    let mut bench = meeting();
    let filters = MediaFiltersRules {
        may_modify_own_filters: vec![("attendee".into(), false)],
        initial_filters: vec![InitialFilters {
            role: "default".into(),
            ingress: Some(MediaFilter::Block),
            egress: None,
        }],
    };
    succeeded(bench.outcome(PIA, "pia", rules(filters)));
    bench.obeying = false;
    bench.sip(invite(3, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    let plenum_mcu::control::Action::Add { settings, .. } = &bench.mcu[0].action else {
        panic!("{:?}", bench.mcu)
    };
    assert!(settings.filter.muted);
    bench.obeying = true;
    bench.drain();
    bench.ack(3, None);
    let endpoint = bench.last_endpoint();
    let entity = format!("audio-{}", endpoint.0 & 0x00FF_FFFF);
    let response = bench.outcome(ANN, "ann", mute("ann", &entity, MediaFilter::Unblock));
    let other = Some(CommandReason::OtherFailure);
    failed(&response, Reason::Unauthorized, other);
}

#[test]
fn cb_248_cb_286_muting_succeeds_when_the_mixer_has_done_it() {
    let mut bench = meeting();
    let (phone, entity) = audio(&mut bench, 3, "ann");
    bench.obeying = false;
    let block = mute("ann", &entity, MediaFilter::Block);
    assert!(bench.commands(ANN, "ann", block).is_empty());
    assert!(!muted(&bench, phone));
    bench.actions();
    bench.obeying = true;
    bench.drain();
    let responses = responses(&bench.actions());
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].code, Code::Success);
    assert!(muted(&bench, phone));
    let response = bench.outcome(PIA, "pia", mute("ann", "nothing", MediaFilter::Block));
    let reason = Some(CommandReason::EndpointDoesntExist);
    failed(&response, Reason::OtherFailure, reason);
}

#[test]
fn cb_247_10_muting_all_but_some() {
    let mut bench = meeting();
    let (pia, _) = audio(&mut bench, 3, "pia");
    let (ann, _) = audio(&mut bench, 4, "ann");
    let (zoe, _) = audio(&mut bench, 5, "zoe");
    let excluded = mute_all(&["presenter", "jester"], &[&aor("ann"), &aor("nobody")]);
    let result = succeeded(bench.outcome(PIA, "pia", excluded));
    let ResultBody::ModifyUsersMediaFilters(result) = result else {
        panic!("another command")
    };
    assert_eq!(result.unsupported_roles, ["jester"]);
    assert_eq!(result.unknown_users, [aor("nobody")]);
    assert_eq!(result.unsupported_media_labels, ["smell"]);
    assert!(!muted(&bench, pia) && !muted(&bench, ann) && muted(&bench, zoe));
    succeeded(bench.outcome(PIA, "pia", mute_all(&[], &[])));
    assert!(muted(&bench, pia) && muted(&bench, ann));
}

#[test]
fn cb_209_to_cb_215_dialling_in() {
    let mut bench = meeting();
    let dial_in = dial("ann", JoiningMethod::DialedIn, None);
    let response = bench.outcome(ANN, "ann", dial_in);
    assert_eq!(response.responder, Some(mcu_uri()));
    let ResultBody::AddUser(result) = succeeded(response) else {
        panic!("another command")
    };
    assert_eq!(result.connection_info[1].0, "Mcu-Conference-Uri");
    assert_eq!(result.connection_info[1].1, mcu_uri());
    audio(&mut bench, 3, "ann");
    let ResultBody::GetConference(Some(info), _) = succeeded(bench.outcome(PIA, "pia", get()))
    else {
        panic!("another command")
    };
    let endpoint = &info.user(&aor("ann")).unwrap().endpoints[1];
    assert_eq!(endpoint.entity, "{phone}", "as it was announced");
    assert_eq!(
        endpoint.joining_method,
        Some(JoiningMethod::DialedIn),
        "trap 66"
    );
}

#[test]
fn cb_203_to_cb_208_cb_152_dialling_out() {
    let mut bench = meeting();
    let refer_to = "sip:gw@example.org?X-A=b%20c&From=sip:evil@x&Subject=hi";
    let command = dial("zoe", JoiningMethod::DialedOut, Some(refer_to));
    assert!(bench.commands(PIA, "pia", command).is_empty());
    let invite = placed(&mut bench, 9);
    assert_eq!(invite.uri.to_string(), "sip:gw@example.org");
    assert_eq!(invite.to.uri.to_string(), aor("zoe"));
    assert_eq!(invite.from.uri.to_string(), mcu_uri());
    let custom = HeaderName::from_bytes(b"X-A");
    assert_eq!(invite.headers.get(&custom).unwrap().to_string(), "b c");
    assert!(invite.headers.has(&HeaderName::Subject));
    assert!(!invite.headers.has(&HeaderName::From));
    for _ in 0..2 {
        bench.pass(Duration::from_secs(27));
        assert!(responses(&bench.actions()).is_empty());
        bench.pass(Duration::from_secs(1));
        let pending = responses(&bench.actions());
        assert_eq!(pending.len(), 1, "CB-152");
        assert_eq!(
            (pending[0].code, pending[0].request_id.as_str()),
            (Code::Pending, "7")
        );
    }
    bench.sip(Event::Answered {
        id: InviteId(9),
        response: response(200, Some(ANSWER)),
    });
    let answers = responses(&bench.actions());
    assert_eq!(answers.len(), 1, "CB-151");
    assert_eq!(answers[0].responder, Some(mcu_uri()));
    succeeded(answers[0].clone());
    bench.pass(Duration::from_secs(60));
    assert!(responses(&bench.actions()).is_empty());
    let zoe = bench.focus.roster().by_entity(&aor("zoe")).unwrap();
    assert_eq!(zoe.endpoints.len(), 1, "CB-208");
}

#[test]
fn cb_207_why_somebody_did_not_come() {
    for (status, reason) in [
        (486, CommandReason::UserBusy),
        (480, CommandReason::UserNotAnswered),
        (603, CommandReason::UserDeclined),
        (404, CommandReason::UserUnknown),
        (500, CommandReason::OtherFailure),
    ] {
        let mut bench = meeting();
        bench.commands(PIA, "pia", dial("zoe", JoiningMethod::DialedOut, None));
        placed(&mut bench, 9);
        let status = StatusCode::new(status).unwrap();
        bench.sip(Event::Ended {
            id: InviteId(9),
            cause: EndCause::Rejected(status, "".into()),
        });
        let responses = responses(&bench.actions());
        failed(&responses[0], Reason::OtherFailure, Some(reason));
    }
    let mut bench = meeting();
    let mail = dial(
        "zoe",
        JoiningMethod::DialedOut,
        Some("mailto:zoe@example.org"),
    );
    let response = bench.outcome(PIA, "pia", mail);
    failed(
        &response,
        Reason::OtherFailure,
        Some(CommandReason::UserUnknown),
    );
}

#[test]
fn commands_of_one_participant_are_bounded() {
    let mut bench = meeting();
    let (_, entity) = audio(&mut bench, 3, "ann");
    bench.obeying = false;
    for _ in 0..32 {
        let block = mute("ann", &entity, MediaFilter::Block);
        assert!(bench.commands(ANN, "ann", block).is_empty());
    }
    let block = mute("ann", &entity, MediaFilter::Block);
    let busy = bench.commands(ANN, "ann", block);
    assert_eq!(reasons(&busy[0]).0, Some(Reason::ServerBusy));
    bench.bye(ANN);
    bench.obeying = true;
    bench.actions();
    bench.drain();
    assert!(responses(&bench.actions()).is_empty(), "nobody to tell");
}
