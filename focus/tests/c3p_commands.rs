//! Commands by INFO: authorization, effects and failures (MS-CONFBAS §3.5 to §3.15).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{AdmissionPolicy, Autopromote, Members, Permitted, Role, ServerMode};
use plenum_focus::c3p::{
    Coded, Command, CommandReason, EndpointKeys, GetConference, LobbyAccess, LobbyStatus,
    LockPolicy, ModifyConferenceLock, ModifyEndpoint, Reason, ResultBody,
};
use plenum_focus::info::{
    Endpoint, EndpointStatus, Extension, JoiningMethod, MediaFilter, MediaFiltersRules,
};
use plenum_focus::output::SipAction;
use plenum_focus::record::ConferenceRecord;
use plenum_focus::recording::RecordingState;
use plenum_focus::xml::{Element, Namespace};
use plenum_sip::endpoint::{Event, InviteId};
use plenum_sip::msg::HeaderName;
use std::time::Duration;
use support::c3p::*;
use support::commands::*;
use support::*;

#[test]
fn cb_163_cb_164_cb_165_what_an_attendee_may_not() {
    let mut bench = meeting();
    let (_, phone) = audio(&mut bench, 3, "pia");
    for command in [
        lock(true),
        Command::DeleteConference(keys()),
        get(),
        announcements(false),
        rules(MediaFiltersRules::default()),
        mute_all(&[], &[]),
        promote("ann", Role::Presenter),
        promote("pia", Role::Attendee),
        delete("pia"),
        access(&["ann"], LobbyAccess::Granted),
        mute("pia", &phone, MediaFilter::Block),
        dial("zoe", JoiningMethod::DialedOut, None),
    ] {
        let version = bench.focus.roster().version();
        let reason = if matches!(&command, Command::SetLobbyAccess(_)) {
            CommandReason::NotAuthorized
        } else {
            CommandReason::OtherFailure
        };
        let response = bench.outcome(ANN, "ann", command);
        failed(&response, Reason::Unauthorized, Some(reason));
        let diagnostics = &response.result.unwrap().diagnostics.0[0];
        assert_eq!(diagnostics.0, "ms-diagnostics-public");
        assert!(
            diagnostics.1.starts_with("3126;reason=\"Unauthorized - "),
            "CB-161"
        );
        assert_eq!(bench.focus.roster().version(), version);
        assert!(!bench.focus.is_locked());
    }
}

#[test]
fn cb_145_to_cb_160_what_is_no_command() {
    let mut bench = meeting();
    let (answer, actions) = bench.info_c3p(PIA, "pia", b"no xml");
    assert_eq!((answer.status.code(), actions.len()), (400, 0), "CB-145");
    let swap = |from: &str, to: &str| {
        let body = String::from_utf8(c3p(7, "pia", lock(true))).unwrap();
        body.replace(from, to).into_bytes()
    };
    for (case, body) in [
        (
            "a forged sender",
            swap("from=\"sip:pia@", "from=\"sip:ann@"),
        ),
        (
            "CB-160",
            swap("confEntity=\"sip:standup@", "confEntity=\"sip:other@"),
        ),
        ("CB-180", swap("locked>true<", "locked>perhaps<")),
    ] {
        let (answer, actions) = bench.info_c3p(PIA, "pia", &body);
        assert_eq!(answer.status.code(), 202, "{case}");
        let response = &responses(&actions)[0];
        assert_eq!(
            reasons(response).0,
            Some(Reason::RequestMalformed),
            "{case}"
        );
    }
    assert!(!bench.focus.is_locked());
    let request = request(
        plenum_sip::msg::Method::Info,
        &conference_uri(),
        "pia",
        Some(("text/plain", b"x")),
    );
    let (id, tx) = (InviteId(PIA), plenum_sip::endpoint::ServerTxId(99));
    bench.actions();
    bench.sip(Event::InDialog { id, tx, request });
    let answer = bench.responded();
    assert_eq!(answer.status.code(), 415);
    assert_eq!(header(&answer, HeaderName::Accept), CCCP);
}

#[test]
fn cb_146_cb_170_cb_175_who_and_what_is_refused_at_once() {
    let mut bench = meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia"), aor("ann")],
            ..Members::default()
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        ..configured()
    });
    bench.joined(3, "carl");
    let (answer, actions) = bench.info_c3p(3, "carl", &c3p(7, "carl", delete("carl")));
    assert_eq!((answer.status.code(), actions.len()), (403, 0), "CB-146");
    let Command::AddUser(mut chat) = dial("pia", JoiningMethod::DialedIn, None) else {
        panic!("another command")
    };
    chat.mcu_uri = Some(mcu_uri().replace("audio-video", "chat"));
    let (answer, _) = bench.info_c3p(PIA, "pia", &c3p(7, "pia", Command::AddUser(chat)));
    assert_eq!(answer.status.code(), 603, "CB-170");
    let unsupported = Command::Unsupported("getAvailableMcuTypes".into());
    let response = bench.outcome(PIA, "pia", unsupported);
    failed(&response, Reason::NotSupported, None);
}

#[test]
fn cb_180_to_cb_187_the_lock_and_what_goes_with_it() {
    let permitted = Permitted {
        anonymous: false,
        autopromote: Autopromote::COMPANY,
        ..Permitted::default()
    };
    let mut bench = meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            ..Members::default()
        },
        permitted,
        ..configured()
    });
    let ResultBody::ModifyConferenceLock(result) = succeeded(bench.outcome(PIA, "pia", lock(true)))
    else {
        panic!("another command")
    };
    assert_eq!((result.locked, result.policy), (Some(true), None));
    assert!(bench.focus.is_locked());
    let with = |admission_policy, autopromote| {
        Command::ModifyConferenceLock(ModifyConferenceLock {
            keys: keys(),
            locked: false,
            policy: Some(LockPolicy {
                admission_policy,
                autopromote,
                pstn_lobby_bypass: true,
            }),
        })
    };
    let response = bench.outcome(PIA, "pia", with(AdmissionPolicy::Anonymous, 0));
    failed(
        &response,
        Reason::OtherFailure,
        Some(CommandReason::OtherFailure),
    );
    let Some(ResultBody::ModifyConferenceLock(result)) = response.result.map(|result| result.body)
    else {
        panic!("another command")
    };
    assert_eq!(result.locked, Some(true), "CB-184");
    let closed = AdmissionPolicy::ClosedAuthenticated;
    let response = bench.outcome(PIA, "pia", with(closed, 0x8000_0000));
    failed(
        &response,
        Reason::OtherFailure,
        Some(CommandReason::OtherFailure),
    );
    let result = succeeded(bench.outcome(PIA, "pia", with(closed, 0x8000)));
    let ResultBody::ModifyConferenceLock(result) = result else {
        panic!("another command")
    };
    assert_eq!(result.policy.unwrap().autopromote, 0x8000, "CB-183");
    assert_eq!(bench.focus.access().admission, closed);
    assert!(!bench.focus.is_locked());
}

#[test]
fn cb_176_to_cb_179_roles() {
    let mut bench = meeting();
    let result = succeeded(bench.outcome(PIA, "pia", promote("ann", Role::Presenter)));
    let ResultBody::ModifyUserRoles(result) = result else {
        panic!("another command")
    };
    let user = result.user.unwrap();
    assert_eq!(
        (user.entity, user.role),
        (aor("ann"), Some(Role::Presenter))
    );
    succeeded(bench.outcome(ANN, "ann", lock(true)));
    let response = bench.outcome(PIA, "pia", promote("zoe", Role::Presenter));
    let unknown = Some(CommandReason::UserDoesntExist);
    failed(&response, Reason::OtherFailure, unknown);
}

#[test]
fn cb_188_to_cb_195_removing_a_user_from_everything() {
    let mut bench = meeting();
    audio(&mut bench, 3, "ann");
    succeeded(bench.outcome(PIA, "pia", delete("ann")));
    let removed = "SIP;cause=481;text=\"Participant Removed\"";
    let actions = bench.actions();
    let diagnostics = actions.iter().find_map(|action| match action {
        SipAction::Bye { headers, .. } => {
            headers.get(&HeaderName::from_static("ms-diagnostics-public"))
        }
        _ => None,
    });
    let expect = "3118;reason=\"Participant Removed\";source=";
    assert!(
        diagnostics.unwrap().to_string().starts_with(expect),
        "CB-191"
    );
    let byes = byes(&actions);
    assert_eq!(byes[0], (ANN, removed.into()));
    assert_eq!(byes[1].0, 3, "CB-194");
    assert_eq!(bench.focus.roster().users().count(), 1);
    let response = bench.outcome(PIA, "pia", delete("ann"));
    failed(
        &response,
        Reason::OtherFailure,
        Some(CommandReason::UserDoesntExist),
    );
}

#[test]
fn cb_195_removing_oneself_is_answered_before_the_bye() {
    let mut bench = meeting();
    succeeded(bench.outcome(ANN, "ann", delete("ann")));
    let actions = bench.actions();
    assert!(matches!(actions[0], SipAction::Info { .. }));
    assert!(matches!(
        actions[1],
        SipAction::Bye {
            id: InviteId(ANN),
            ..
        }
    ));
}

#[test]
fn cb_196_to_cb_201_ending_the_conference() {
    let mut bench = meeting();
    let (phone, _) = audio(&mut bench, 3, "zoe");
    succeeded(bench.outcome(PIA, "pia", Command::DeleteConference(keys())));
    let actions = bench.actions();
    assert!(matches!(actions[0], SipAction::Info { .. }), "trap 61");
    let text = "SIP;cause=481;text=\"Conference Terminated - Organizer Ended Session\"";
    let byes = byes(&actions);
    assert_eq!(byes[..2], [(PIA, text.into()), (ANN, text.into())]);
    assert_eq!(bench.said().last().unwrap(), "ConferenceEnded");
    bench.pass(Duration::from_secs(8));
    assert!(bench.focus.roster().endpoint(phone).is_none());
    assert!(bench.focus.is_over());
}

#[test]
fn cb_218_to_cb_223_the_roster() {
    let mut bench = meeting();
    audio(&mut bench, 3, "ann");
    let result = succeeded(bench.outcome(PIA, "pia", get()));
    let ResultBody::GetConference(Some(info), secrets) = result else {
        panic!("another command")
    };
    assert!(secrets.is_empty(), "CB-222");
    let ann = info.user(&aor("ann")).unwrap();
    let types: Vec<_> = ann
        .endpoints
        .iter()
        .map(|endpoint| endpoint.session_type.as_deref().unwrap())
        .collect();
    assert_eq!(types, ["focus", "audio-video"]);
    assert_eq!(ann.endpoints[0].status, Some(EndpointStatus::Connected));
    let view = info.entity_view(&mcu_uri()).unwrap();
    assert_eq!(
        view.entity_state.as_ref().unwrap().media[0].label,
        "main-audio"
    );
    let with_garbage = Command::GetConference(GetConference {
        keys: keys(),
        notify: None,
        certificate: Some("AAAA".into()),
    });
    let response = bench.outcome(PIA, "pia", with_garbage);
    let reason = Some(CommandReason::InvalidEncryptionKey);
    failed(&response, Reason::OtherFailure, reason);
}

#[test]
fn cb_226_to_cb_234_the_lobby_by_users() {
    let mut bench = meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia"), aor("ann")],
            ..Members::default()
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        max_endpoints: Some(3),
        ..configured()
    });
    for (id, user) in [(3, "carl"), (4, "dora"), (5, "emil")] {
        bench.joined(id, user);
    }
    let statuses = |response| match succeeded(response) {
        ResultBody::SetLobbyAccess(_, statuses) => {
            let status = |coded| match coded {
                Coded::Known(status) => status,
                Coded::Other(other) => panic!("{other}"),
            };
            statuses
                .into_iter()
                .map(|(_, it)| status(it))
                .collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let granted = access(&["carl", "dora", "ann", "zoe"], LobbyAccess::Granted);
    assert_eq!(
        statuses(bench.outcome(PIA, "pia", granted)),
        [
            LobbyStatus::Success,
            LobbyStatus::ConferenceFull,
            LobbyStatus::AlreadyGranted,
            LobbyStatus::UserDoesntExist
        ]
    );
    let denied = access(&["emil", "carl", "zoe"], LobbyAccess::Denied);
    assert_eq!(
        statuses(bench.outcome(PIA, "pia", denied)),
        [
            LobbyStatus::Success,
            LobbyStatus::AlreadyGranted,
            LobbyStatus::UserDoesntExist
        ]
    );
    let reason = "SIP;cause=481;text=\"Participant Denied\"";
    assert_eq!(byes(&bench.actions()), [(5, reason.into())], "CB-232");
}

#[test]
fn cb_235_to_cb_238_recording_is_ones_own() {
    let mut bench = meeting();
    let modify = |user: &str, entity: &str, recording| {
        Command::ModifyEndpoint(ModifyEndpoint {
            keys: EndpointKeys {
                conf_entity: conference_uri(),
                user_entity: aor(user),
                endpoint_entity: entity.into(),
            },
            endpoint: Box::new(Endpoint {
                client_recording: recording,
                ..Endpoint::new(entity)
            }),
            mcu_uri: None,
        })
    };
    let records = |bench: &mut Bench| {
        let ResultBody::GetConference(Some(info), _) = succeeded(bench.outcome(PIA, "pia", get()))
        else {
            panic!("another command")
        };
        info.user(&aor("ann")).unwrap().endpoints[0].client_recording
    };
    succeeded(bench.outcome(ANN, "ann", modify("ann", "{2}", true)));
    assert!(records(&mut bench));
    succeeded(bench.outcome(ANN, "ann", modify("ann", "{2}", false)));
    assert!(!records(&mut bench));
    let response = bench.outcome(ANN, "ann", modify("ann", "{other}", true));
    let reason = Some(CommandReason::EndpointDoesntExist);
    failed(&response, Reason::OtherFailure, reason);
}

#[test]
fn cb_237_our_extension_in_it_commands_the_recording_of_the_conference() {
    let mut bench = meeting();
    let modify = |user: &str, word: &str| {
        let uri = "urn:plenum:params:xml:ns:recording";
        let mut element = Element::new(Namespace::Foreign(uri.into()), "recording");
        element.text = word.into();
        let entity = if user == "pia" { "{1}" } else { "{2}" };
        Command::ModifyEndpoint(ModifyEndpoint {
            keys: EndpointKeys {
                conf_entity: conference_uri(),
                user_entity: aor(user),
                endpoint_entity: entity.into(),
            },
            endpoint: Box::new(Endpoint {
                extensions: Extension::new(element).into_iter().collect(),
                ..Endpoint::new(entity)
            }),
            mcu_uri: None,
        })
    };
    let not_allowed = Some(CommandReason::RecordingNotAllowed);
    let nobody = bench.outcome(PIA, "pia", modify("pia", "on"));
    failed(&nobody, Reason::OtherFailure, not_allowed);
    audio(&mut bench, 3, "ann");
    let attendee = bench.outcome(ANN, "ann", modify("ann", "on"));
    failed(&attendee, Reason::OtherFailure, not_allowed);
    for (word, state) in [
        ("on", RecordingState::On),
        ("paused", RecordingState::Paused),
        ("on", RecordingState::On),
        ("off", RecordingState::Off),
    ] {
        succeeded(bench.outcome(PIA, "pia", modify("pia", word)));
        assert_eq!(bench.focus.recording(), state, "{word}");
        let result = succeeded(bench.outcome(PIA, "pia", get()));
        let ResultBody::GetConference(Some(info), _) = result else {
            panic!("another command")
        };
        let told = format!("{info:?}").contains(&format!("text: \"{}\"", state.as_str()));
        assert_eq!(told, state != RecordingState::Off, "{word}");
    }
}

#[test]
fn cb_266_the_role_is_on_the_endpoint_in_the_mixer() {
    let mut bench = meeting();
    audio(&mut bench, 3, "ann");
    for role in [Role::Attendee, Role::Presenter] {
        succeeded(bench.outcome(PIA, "pia", promote("ann", role)));
        let result = succeeded(bench.outcome(PIA, "pia", get()));
        let ResultBody::GetConference(Some(info), _) = result else {
            panic!("another command")
        };
        let ann = info.user(&aor("ann")).unwrap();
        let endpoint = &ann.endpoints[1];
        assert_eq!((ann.role, endpoint.role), (Some(role), Some(role)));
    }
}

#[test]
fn cb_151_a_request_id_again_is_a_command_of_its_own() {
    let mut bench = meeting();
    for locked in [true, false, false] {
        let responses = bench.commands(PIA, "pia", lock(locked));
        assert_eq!(responses.len(), 1);
        assert_eq!(responses[0].request_id, "7");
        succeeded(responses[0].clone());
        assert_eq!(bench.focus.is_locked(), locked);
    }
}
