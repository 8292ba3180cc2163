//! The conference event package (RFC 4575, RFC 6665; MS-CONFBAS §3.4.4).

#[cfg(test)]
mod support;

use plenum_focus::access::{AdmissionPolicy, Members, Role, ServerMode};
use plenum_focus::c3p::LobbyAccess;
use plenum_focus::info::{EndpointStatus, JoiningMethod, State};
use plenum_focus::limits::{ControlLimits, Limits};
use plenum_focus::output::{Command, SipAction, Whom};
use plenum_focus::record::{ConferenceRecord, Watchers};
use plenum_mcu::control::Report;
use plenum_sip::endpoint::{Event, ServerTxId};
use plenum_sip::msg::HeaderName;
use std::time::Duration;
use support::c3p::*;
use support::commands::*;
use support::watch::*;
use support::*;

const PACE: Duration = Duration::from_millis(100);

/// pia has subscribed and taken her first document.
fn watched() -> (Bench, Views) {
    let (mut bench, mut views) = (meeting(), Views::default());
    bench.actions();
    views.subscribe(&mut bench, Some(PIA), "pia", "");
    views.deliver(&mut bench, 1);
    (bench, views)
}

fn pass(bench: &mut Bench, views: &mut Views, time: Duration) {
    bench.pass(time);
    views.collect(bench);
}

#[test]
fn cb_093_cb_101_cb_104_to_cb_120_the_first_document_is_full() {
    let (_, views) = watched();
    let view = &views.views[&1];
    assert_eq!((view.last, view.documents), (Some(State::Full), 1));
    let state = view.state.as_ref().unwrap();
    assert_eq!(state.entity, conference_uri());
    let description = state.description.as_ref().unwrap();
    assert_eq!(description.conf_uris[0].uri, mcu_uri(), "CB-105");
    let focus = state.entity_view(&conference_uri()).unwrap();
    assert_eq!(
        focus.entity_state.as_ref().unwrap().locked,
        Some(false),
        "CB-108"
    );
    assert!(
        state
            .entity_view(&mcu_uri())
            .unwrap()
            .capabilities
            .is_some(),
        "CB-111"
    );
    assert_eq!(view.users(), [aor("ann"), aor("pia")]);
    let pia = state.user(&aor("pia")).unwrap();
    assert_eq!(pia.role, Some(Role::Presenter), "CB-117");
    let endpoint = &pia.endpoints[0];
    assert_eq!(endpoint.session_type.as_deref(), Some("focus"));
    assert_eq!(endpoint.status, Some(EndpointStatus::Connected));
    assert_eq!(endpoint.entity, "{1}");
}

#[test]
fn cb_051_cb_102_cb_103_cb_124_changes_are_partial() {
    let (mut bench, mut views) = watched();
    bench.joined_quietly(5, "carl", &mut views);
    let view = &views.views[&1];
    assert_eq!((view.last, view.documents), (Some(State::Partial), 2));
    assert_eq!(view.users(), [aor("ann"), aor("carl"), aor("pia")]);
    views.deliver(&mut bench, 1);
    pass(&mut bench, &mut views, PACE);
    bench.bye(5);
    views.collect(&mut bench);
    assert_eq!(views.views[&1].users(), [aor("ann"), aor("pia")]);
}

#[test]
fn rfc4575_5_4_who_is_counted_is_who_is_listed() {
    let mut views = Views::default();
    let mut bench = meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            ..Members::default()
        },
        watchers: Watchers::Trusted,
        ..configured()
    });
    bench.commands(PIA, "pia", dial("zoe", JoiningMethod::DialedOut, None));
    bench.actions();
    views.subscribe(&mut bench, None, "yan", "");
    views.deliver(&mut bench, 1);
    let view = &views.views[&1];
    let state = view.state.as_ref().unwrap().conference_state.unwrap();
    assert_eq!(view.users(), [aor("ann"), aor("pia")]);
    assert_eq!(state.user_count, Some(2), "zoe is called, and not there");
    bench.joined_quietly(5, "carl", &mut views);
    pass(&mut bench, &mut views, PACE);
    let state = views.views[&1].state.as_ref().unwrap();
    assert_eq!(state.conference_state.unwrap().user_count, Some(3));
}

#[test]
fn cb_125_one_notification_at_a_time_and_what_is_missed_comes_together() {
    let (mut bench, mut views) = watched();
    for (id, user) in [(5, "carl"), (6, "dora"), (7, "emil")] {
        bench.joined_quietly(id, user, &mut views);
        pass(&mut bench, &mut views, PACE);
    }
    assert_eq!(views.views[&1].documents, 2, "the first is not taken");
    views.deliver(&mut bench, 1);
    assert_eq!(views.views[&1].documents, 3);
    assert_eq!(views.views[&1].users().len(), 5);
}

#[test]
fn a_crowd_costs_by_time_and_not_by_heads() {
    let (mut bench, mut views) = watched();
    for id in 10..60 {
        bench.joined_quietly(id, &format!("user{id}"), &mut views);
        views.deliver(&mut bench, 1);
        pass(&mut bench, &mut views, Duration::from_millis(10));
        views.deliver(&mut bench, 1);
    }
    pass(&mut bench, &mut views, PACE);
    let view = &views.views[&1];
    assert_eq!(view.users().len(), 52);
    assert!(view.documents <= 8, "{} in half a second", view.documents);
}

#[test]
fn cb_090_best_effort_needs_no_answer_but_has_its_pace() {
    let (mut bench, mut views) = (meeting(), Views::default());
    bench.actions();
    let supported = "ms-benotify, ms-piggyback-first-notify";
    views.subscribe(&mut bench, Some(PIA), "pia", supported);
    bench.joined_quietly(5, "carl", &mut views);
    bench.joined_quietly(6, "dora", &mut views);
    assert_eq!(views.views[&1].documents, 2);
    pass(&mut bench, &mut views, PACE);
    assert_eq!(views.views[&1].documents, 3);
    assert_eq!(views.views[&1].users().len(), 4);
}

#[test]
fn cb_096_a_refresh_gets_all_of_it() {
    let (mut bench, mut views) = watched();
    bench.joined_quietly(5, "carl", &mut views);
    let before = views.views[&1].content();
    views.refresh(&mut bench, 1);
    let view = &views.views[&1];
    assert_eq!(view.last, Some(State::Full));
    assert_eq!(view.content(), before);
}

#[test]
fn cb_086_to_cb_089_who_may_not_watch_and_how_not() {
    let (mut bench, mut views) = watched();
    views.subscribe(&mut bench, None, "zoe", "");
    assert_eq!(views.statuses.pop(), Some(403), "CB-089");
    let mut text = subscribe_request("pia", "");
    text.headers.push(HeaderName::Accept, "text/plain");
    views.request(&mut bench, Some(PIA), text);
    assert_eq!(views.statuses.pop(), Some(406), "CB-088");
    bench.sip(Event::Subscribe {
        tx: ServerTxId(77),
        invite: None,
        package: "presence".into(),
        expires: 3600,
        request: subscribe_request("pia", ""),
        flow: flow(trusted(1)),
    });
    views.collect(&mut bench);
    assert_eq!(views.statuses.pop(), Some(489), "CB-086");
    for _ in 1..10 {
        views.subscribe(&mut bench, Some(PIA), "pia", "");
        assert_eq!(views.statuses.pop(), Some(200));
    }
    views.subscribe(&mut bench, Some(PIA), "pia", "");
    assert_eq!(views.statuses.pop(), Some(403), "the limit");
}

#[test]
fn rfc4575_plain_participants_and_watchers_get_the_standard_document() {
    let (mut bench, mut views) = (
        Bench::new(ConferenceRecord {
            watchers: Watchers::Trusted,
            subject: Some("Stand-up".into()),
            ..configured()
        }),
        Views::default(),
    );
    bench.join(1, "bob");
    views.subscribe(&mut bench, None, "bob", "");
    views.subscribe(&mut bench, None, "zoe", "");
    assert_eq!(views.statuses, [200, 200]);
    for view in views.views.values() {
        let state = view.state.as_ref().unwrap();
        assert!(state.view.is_none());
        assert_eq!(state.conference_state.unwrap().user_count, Some(1));
        let bob = state.user(&aor("bob")).unwrap();
        assert_eq!(
            bob.endpoints[0].media[0].media_type.as_deref(),
            Some("audio")
        );
        assert!(bob.endpoints[0].session_type.is_none());
    }
    bench.bye(1);
    views.collect(&mut bench);
    assert_eq!(views.views[&1].ended.as_deref(), Some("noresource"));
    assert!(views.views[&2].ended.is_none(), "policy lets zoe watch on");
}

#[test]
fn cb_128_to_cb_131_the_lobby_learns_nothing_and_is_told_all_on_admission() {
    let mut bench = meeting_of(ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia"), aor("ann")],
            ..Members::default()
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        ..configured()
    });
    let mut views = Views::default();
    bench.joined(5, "carl");
    bench.actions();
    views.subscribe(&mut bench, Some(5), "carl", "");
    views.deliver(&mut bench, 1);
    let view = &views.views[&1];
    assert_eq!(view.users(), [aor("carl")]);
    let state = view.state.as_ref().unwrap();
    let own = &state.user(&aor("carl")).unwrap().endpoints[0];
    assert_eq!(own.status, Some(EndpointStatus::OnHold));
    let description = state.description.as_ref().unwrap();
    assert_eq!(
        description.access.as_ref().unwrap().lobby_capable,
        Some(true)
    );
    assert!(description.conf_uris.is_empty());
    bench.joined_quietly(6, "dora", &mut views);
    pass(&mut bench, &mut views, PACE);
    assert_eq!(views.views[&1].documents, 1, "nothing about others");
    bench.outcome(PIA, "pia", access(&["carl"], LobbyAccess::Granted));
    views.collect(&mut bench);
    pass(&mut bench, &mut views, PACE);
    let view = &views.views[&1];
    assert_eq!((view.last, view.documents), (Some(State::Full), 2));
    assert_eq!(view.users().len(), 4);
}

#[test]
fn cb_098_cb_190_to_cb_199_subscriptions_end_before_their_dialogs() {
    let (mut bench, mut views) = watched();
    views.subscribe(&mut bench, Some(ANN), "ann", "");
    bench.commands(PIA, "pia", delete("ann"));
    let ends: Vec<_> = bench
        .sip
        .iter()
        .filter(|action| matches!(action, SipAction::Terminate { .. } | SipAction::Bye { .. }))
        .collect();
    let SipAction::Terminate { termination, .. } = ends[0] else {
        panic!("CB-192: {ends:?}")
    };
    let diagnostics = HeaderName::from_bytes(b"ms-diagnostics-public");
    let diagnostics = termination.headers.get(&diagnostics).unwrap().to_string();
    assert!(diagnostics.starts_with("3118;reason=\"Participant Removed\""));
    assert!(matches!(ends[1], SipAction::Bye { .. }));
    views.collect(&mut bench);
    assert_eq!(views.views[&2].ended.as_deref(), Some("ParticipantRemoved"));
    bench.command(Command::End);
    views.collect(&mut bench);
    assert_eq!(
        views.views[&1].ended.as_deref(),
        Some("ConferenceTerminated")
    );
}

#[test]
fn cb_190_somebody_denied() {
    let mut bench = Bench::new(ConferenceRecord {
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        ..configured()
    });
    let mut views = Views::default();
    bench.joined(1, "carl");
    views.subscribe(&mut bench, Some(1), "carl", "");
    bench.command(Command::Deny(Whom::All));
    views.collect(&mut bench);
    assert_eq!(views.views[&1].ended.as_deref(), Some("ParticipantDenied"));
}

#[test]
fn cb_185_cb_187_cb_286_what_is_steered_is_seen() {
    let (mut bench, mut views) = watched();
    bench.outcome(PIA, "pia", lock(true));
    views.collect(&mut bench);
    let locked = |views: &Views| {
        let state = views.views[&1].state.clone().unwrap();
        let view = state.entity_view(&conference_uri()).cloned().unwrap();
        view.entity_state.as_ref().unwrap().locked
    };
    assert_eq!(locked(&views), Some(true));
    views.deliver(&mut bench, 1);
    bench.sip(invite(9, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    bench.ack(9, None);
    let phone = bench.last_endpoint();
    bench.command(Command::MuteAll(true));
    assert!(bench.focus.roster().endpoint(phone).unwrap().filter.muted);
    pass(&mut bench, &mut views, PACE);
    let state = views.views[&1].state.clone().unwrap();
    let media = state.user(&aor("ann")).unwrap().endpoints[1].media[0].clone();
    assert_eq!(media.ingress_filter.unwrap().as_str(), "block");
}

#[test]
fn who_speaks_is_in_the_roster() {
    let (mut bench, mut views) = watched();
    bench.sip(invite(9, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    bench.ack(9, None);
    let endpoint = bench.last_endpoint();
    for talking in [true, false] {
        bench.report(Report::Talking { endpoint, talking });
        pass(&mut bench, &mut views, PACE);
        views.deliver(&mut bench, 1);
        let state = views.views[&1].state.clone().unwrap();
        let media = &state.user(&aor("ann")).unwrap().endpoints[1].media[0];
        assert_eq!(media.talking, talking);
    }
}

#[test]
fn cb_105_cb_114_cb_171_cb_250_a_mixer_that_fails_comes_back() {
    let (mut bench, mut views) = watched();
    bench.sip(invite(9, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    bench.ack(9, None);
    pass(&mut bench, &mut views, PACE);
    views.deliver(&mut bench, 1);
    let view = |views: &Views| {
        let state = views.views[&1].state.clone().unwrap();
        assert_eq!(
            state.description.as_ref().unwrap().conf_uris[0].uri,
            mcu_uri()
        );
        state.entity_view(&mcu_uri()).is_some()
    };
    assert!(view(&views));
    bench.obeying = false;
    bench.endpoints.clear();
    let reason = "a bug".to_owned();
    bench.report(Report::Failed { reason });
    pass(&mut bench, &mut views, PACE);
    assert!(!view(&views), "CB-114");
    assert_eq!(views.views[&1].users().len(), 2, "the focus goes on");
    let (answer, _) = bench.info_c3p(PIA, "pia", &c3p(7, "pia", announcements(true)));
    assert_eq!(answer.status.code(), 503, "CB-171");
    assert!(answer.headers.has(&HeaderName::RetryAfter));
    bench.sip(invite(10, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    assert_eq!(bench.answered(10).0, 503);
    views.deliver(&mut bench, 1);
    bench.mcu.clear();
    pass(&mut bench, &mut views, Duration::from_secs(1));
    bench.disobey_next();
    pass(&mut bench, &mut views, Duration::from_millis(1_999));
    assert!(bench.mcu.is_empty(), "later and later");
    bench.obeying = true;
    pass(&mut bench, &mut views, Duration::from_millis(1));
    pass(&mut bench, &mut views, PACE);
    assert!(view(&views));
    bench.sip(invite(11, &mcu_uri(), "ann", trusted(1), Some(OFFER)));
    assert_eq!(bench.answered_status(11), 200);
}

#[test]
fn what_a_crowd_costs_does_not_grow_with_those_who_watch() {
    let control = ControlLimits {
        notify_rate: 20,
        ..ControlLimits::default()
    };
    let limits = Limits {
        control,
        ..Limits::default()
    };
    let (mut bench, mut views) = (Bench::with_limits(configured(), limits), Views::default());
    let quick = "ms-benotify, ms-piggyback-first-notify";
    for id in 1..=10 {
        let user = format!("user{id}");
        bench.joined_quietly(id, &user, &mut views);
        views.subscribe(&mut bench, Some(id), &user, quick);
    }
    pass(&mut bench, &mut views, Duration::from_secs(1));
    let told = |views: &Views| {
        views
            .views
            .values()
            .map(|view| view.documents)
            .sum::<usize>()
    };
    let before = told(&views);
    for id in 11..=50 {
        bench.joined_quietly(id, &format!("user{id}"), &mut views);
        pass(&mut bench, &mut views, PACE);
    }
    let during = told(&views) - before;
    assert!(during <= 20 * 4 + 20, "{during} in four seconds");
    pass(&mut bench, &mut views, Duration::from_secs(1));
    assert!(views.views.values().all(|view| view.users().len() == 50));
}
