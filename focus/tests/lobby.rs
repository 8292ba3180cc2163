//! Roles, the lobby and the lock for people who come with nothing but a phone (MS-CONFBAS §3.14,
//! CB-257 to CB-267).

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{AdmissionPolicy, Autopromote, Members, Role, ServerMode};
use plenum_focus::output::{Command, ConferenceEvent, SipAction, Whom};
use plenum_focus::record::{ConferenceRecord, Origin, WithoutPresenter};
use plenum_focus::roster::{EndpointStatus, UserId};
use plenum_mcu::control::{EndpointId, Stage};
use std::time::Duration;
use support::*;

/// A conference of olga's with a lobby, where pia presents and ivan is invited.
fn closed() -> ConferenceRecord {
    ConferenceRecord {
        origin: Origin::Configured,
        members: Members {
            organizer: Some("sip:olga@example.com".into()),
            presenters: vec!["sip:pia@example.com".into()],
            invitees: vec!["sip:ivan@example.com".into()],
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode: ServerMode::Fourteen,
        entry_tone: false,
        exit_tone: false,
        ..record()
    }
}

fn status(bench: &Bench, endpoint: EndpointId) -> EndpointStatus {
    bench.focus.roster().endpoint(endpoint).unwrap().status
}

fn user(bench: &Bench, endpoint: EndpointId) -> UserId {
    bench.focus.roster().endpoint(endpoint).unwrap().user
}

fn role(bench: &Bench, endpoint: EndpointId) -> Role {
    let user = user(bench, endpoint);
    bench.focus.roster().user(user).unwrap().role
}

fn rejected(bench: &mut Bench) -> Option<u16> {
    bench.actions().into_iter().find_map(|action| match action {
        SipAction::Reject { answer, .. } => Some(answer.status.code()),
        _ => None,
    })
}

#[test]
fn cb_257_cb_260_a_plain_caller_waits_with_music_and_is_admitted() {
    let mut bench = Bench::new(closed());
    let olga = bench.join(1, "olga");
    assert_eq!(status(&bench, olga), EndpointStatus::Connected);
    bench.said();
    let carl = bench.join(2, "carl");
    assert_eq!(status(&bench, carl), EndpointStatus::OnHold);
    assert_eq!(bench.endpoints[&carl], Stage::Apart);
    assert_eq!(bench.said(), ["Welcome", "Waiting"]);
    let request = bench.command(Command::Admit(Whom::User(user(&bench, carl))));
    assert_eq!(bench.completed(request).unwrap(), "Ok(())");
    assert_eq!(status(&bench, carl), EndpointStatus::Connected);
    assert_eq!(bench.endpoints[&carl], Stage::Mix);
    let again = bench.command(Command::Admit(Whom::User(user(&bench, carl))));
    assert_eq!(bench.completed(again).unwrap(), "Err(NotWaiting)");
}

#[test]
fn cb_232_who_is_denied_is_hung_up() {
    let mut bench = Bench::new(closed());
    bench.join(1, "olga");
    let carl = bench.join(2, "carl");
    bench.actions();
    bench.command(Command::Deny(Whom::User(user(&bench, carl))));
    assert_eq!(
        bye_reason(&mut bench).unwrap(),
        "SIP;cause=403;text=\"Not admitted to the conference\""
    );
    assert_eq!(bench.left(), ["Denied"]);
}

#[test]
fn cb_259_without_a_lobby_who_is_not_invited_is_refused() {
    let mut bench = Bench::new(ConferenceRecord {
        mode: ServerMode::Thirteen,
        ..closed()
    });
    bench.join(1, "ivan");
    bench.call(2, "carl", trusted(1));
    assert_eq!(rejected(&mut bench), Some(403));
    bench.call(3, "ivan", stranger(1));
    assert_eq!(rejected(&mut bench), Some(403), "claimed, not believed");
}

#[test]
fn cb_264_the_size_counts_again_at_admission() {
    let mut bench = Bench::new(ConferenceRecord {
        max_endpoints: Some(2),
        ..closed()
    });
    bench.join(1, "olga");
    let carl = bench.join(2, "carl");
    let dora = bench.join(3, "dora");
    let all = bench.command(Command::Admit(Whom::All));
    assert_eq!(bench.completed(all).unwrap(), "Err(Refused(Full))");
    assert_eq!(status(&bench, carl), EndpointStatus::Connected);
    assert_eq!(status(&bench, dora), EndpointStatus::OnHold);
    bench.bye(2);
    bench.command(Command::Admit(Whom::All));
    assert_eq!(status(&bench, dora), EndpointStatus::Connected);
}

#[test]
fn cb_258_cb_267_a_lock_holds_everybody_but_the_organizer() {
    let mut bench = Bench::new(closed());
    let pia = bench.join(1, "pia");
    bench.command(Command::Lock(true));
    assert_eq!(status(&bench, pia), EndpointStatus::Connected, "untouched");
    bench.said();
    let ivan = bench.join(2, "ivan");
    assert_eq!(status(&bench, ivan), EndpointStatus::OnHold);
    assert_eq!(bench.said(), ["Locked", "Waiting"]);
    let olga = bench.join(3, "olga");
    assert_eq!(status(&bench, olga), EndpointStatus::Connected);
}

#[test]
fn a_lock_during_the_pin_leads_to_the_lobby() {
    let mut bench = Bench::new(ConferenceRecord {
        admission: AdmissionPolicy::Anonymous,
        mode: ServerMode::Fourteen,
        ..with_pin()
    });
    let carl = bench.join(1, "carl");
    bench.command(Command::Lock(true));
    bench.keys(carl, "1234#");
    assert_eq!(status(&bench, carl), EndpointStatus::OnHold);
}

#[test]
fn cb_057_roles_on_admission_also_out_of_the_lobby() {
    let mut bench = Bench::new(ConferenceRecord {
        autopromote: Autopromote::COMPANY,
        ..closed()
    });
    let olga = bench.join(1, "olga");
    assert_eq!(role(&bench, olga), Role::Presenter);
    let carl = bench.join(2, "carl");
    bench.command(Command::Admit(Whom::All));
    assert_eq!(role(&bench, carl), Role::Presenter);
    bench.call(3, "eve", stranger(1));
    bench.ack(3, None);
    let eve = bench.last_endpoint();
    bench.command(Command::Admit(Whom::All));
    assert_eq!(role(&bench, eve), Role::Attendee);
}

#[test]
fn an_ad_hoc_conference_belongs_to_who_came_first() {
    let mut bench = Bench::new(record());
    let first = bench.join(1, "ann");
    let second = bench.join(2, "bob");
    assert_eq!(role(&bench, first), Role::Presenter);
    assert_eq!(role(&bench, second), Role::Attendee);
    let user = user(&bench, second);
    let role = Role::Presenter;
    bench.command(Command::SetRole { user, role });
    assert!(bench.events.iter().any(|event| matches!(
        event,
        ConferenceEvent::Role {
            role: Role::Presenter,
            ..
        }
    )));
}

#[test]
fn a_moderator_on_a_phone_admits_mutes_and_locks_by_keys() {
    let mut bench = Bench::new(closed());
    let olga = bench.join(1, "olga");
    let ivan = bench.join(2, "ivan");
    let carl = bench.join(3, "carl");
    bench.keys(ivan, "*1");
    assert_eq!(
        status(&bench, carl),
        EndpointStatus::OnHold,
        "attendees may not"
    );
    bench.keys(olga, "*1");
    assert_eq!(status(&bench, carl), EndpointStatus::Connected);
    bench.keys(olga, "*4");
    let muted = |bench: &Bench, id| bench.focus.roster().endpoint(id).unwrap().filter.muted;
    assert!(muted(&bench, ivan) && muted(&bench, carl) && !muted(&bench, olga));
    bench.keys(olga, "*4");
    assert!(!muted(&bench, ivan) && !muted(&bench, carl));
    bench.keys(ivan, "*5");
    assert!(!bench.focus.is_locked());
    bench.keys(olga, "*5");
    assert!(bench.focus.is_locked());
    bench.keys(olga, "*5");
    assert!(!bench.focus.is_locked());
}

#[test]
fn a_conference_without_a_presenter_ends_after_its_grace() {
    let mut bench = Bench::new(ConferenceRecord {
        without_presenter: WithoutPresenter::EndAfter(Duration::from_secs(60)),
        ..closed()
    });
    bench.join(1, "ivan");
    bench.pass(Duration::from_secs(100));
    assert!(bench.left().is_empty(), "nobody led yet");
    bench.join(2, "pia");
    bench.bye(2);
    bench.pass(Duration::from_secs(59));
    bench.join(3, "pia");
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.left(), ["Departed"], "somebody came back");
    bench.bye(3);
    bench.pass(Duration::from_secs(60));
    bench.pass(Duration::from_secs(8));
    assert_eq!(bench.left(), ["Departed", "Departed", "ConferenceEnded"]);
}
