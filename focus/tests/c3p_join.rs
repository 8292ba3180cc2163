//! Joining by C3P, several endpoints, endorsing and leaving (MS-CONFBAS §3.2, §3.3).

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at what it is about"
)]

#[cfg(test)]
mod support;

use plenum_focus::access::{AdmissionPolicy, Identity, Members, Role, ServerMode};
use plenum_focus::c3p::{Command, EndorseUser, ResultBody};
use plenum_focus::caller::Vouched;
use plenum_focus::info::{ClientInfo, DialogId};
use plenum_focus::output::{ConferenceEvent, SipAction};
use plenum_focus::record::{ConferenceRecord, Origin};
use plenum_focus::roster::{EndpointStatus, SessionType};
use plenum_sip::endpoint::{EndCause, Event, InviteId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method};
use std::sync::Arc;
use std::time::Duration;
use support::c3p::*;
use support::*;

fn closed(mode: ServerMode) -> ConferenceRecord {
    ConferenceRecord {
        members: Members {
            presenters: vec![aor("pia")],
            invitees: vec![aor("ivan")],
            ..Members::default()
        },
        admission: AdmissionPolicy::ClosedAuthenticated,
        mode,
        ..configured()
    }
}

fn status(bench: &Bench, endpoint: plenum_mcu::control::EndpointId) -> EndpointStatus {
    bench.focus.roster().endpoint(endpoint).unwrap().status
}

#[test]
fn cb_038_to_cb_049_the_answer_to_a_join() {
    let mut bench = Bench::new(closed(ServerMode::Thirteen));
    let body = c3p(1, "ivan", Command::AddUser(add_user("ivan", "{a}")));
    bench.invite_c3p(1, trusted(1), join_request("ivan", &body));
    let SipAction::Accept { accept, .. } = &bench.sip[0] else {
        panic!("{:?}", bench.sip)
    };
    assert!(accept.contact.as_ref().unwrap().params.has("isfocus"));
    let response = bench.answered(1).1.unwrap();
    assert_eq!(
        (response.from.as_str(), response.to.as_str()),
        (conference_uri().as_str(), aor("ivan").as_str())
    );
    let ResultBody::AddUser(result) = response.result.unwrap().body else {
        panic!("another command")
    };
    let user = result.user.unwrap();
    assert_eq!(user.entity, aor("ivan"));
    assert_eq!((user.role, user.endpoints.len()), (Some(Role::Attendee), 0));
    let endpoint = bench.last_endpoint();
    let participant = bench.focus.roster().endpoint(endpoint).unwrap();
    assert_eq!(participant.session, SessionType::Focus);
    assert_eq!(participant.status, EndpointStatus::Connected);
}

#[test]
fn cb_048_the_role_is_that_of_policy() {
    let mut bench = Bench::new(closed(ServerMode::Thirteen));
    for (id, user, role) in [(1, "pia", Role::Presenter), (2, "ivan", Role::Attendee)] {
        let mut add = add_user(user, "{a}");
        add.user.role = Some(Role::Presenter);
        let body = c3p(1, user, Command::AddUser(add));
        bench.invite_c3p(id, trusted(1), join_request(user, &body));
        let (_, response) = bench.answered(id);
        let ResultBody::AddUser(result) = response.unwrap().result.unwrap().body else {
            panic!("another command")
        };
        assert_eq!(result.user.unwrap().role, Some(role), "{user}");
    }
}

#[test]
fn cb_017_to_cb_037_a_join_that_contradicts_itself_changes_nothing() {
    let mut bench = Bench::new(configured());
    let good = || Command::AddUser(add_user("bob", "{a}"));
    let text = |command| String::from_utf8(c3p(1, "bob", command)).unwrap();
    let swap = |from: &str, to: &str| text(good()).replace(from, to);
    let two = swap("</request>", "<deleteUser/></request>");
    let lock = "<?xml version=\"1.0\"?><request xmlns=\"urn:ietf:params:xml:ns:cccp\" \
                requestId=\"1\" from=\"sip:bob@example.com\" to=\"X\"><modifyConferenceLock/></request>";
    for (case, body) in [
        ("CB-006", "no xml".to_owned()),
        ("CB-019", lock.replace('X', &conference_uri())),
        ("CB-020", two),
        ("CB-021", swap("requestId=\"1\"", "requestId=\"abc\"")),
        ("CB-022", swap("from=\"sip:bob@", "from=\"sip:eve@")),
        ("CB-023", swap("to=\"sip:standup@", "to=\"sip:other@")),
        (
            "CB-024",
            swap("confEntity=\"sip:standup@", "confEntity=\"sip:other@"),
        ),
        ("CB-025", swap("entity=\"sip:bob@", "entity=\"sip:eve@")),
        ("CB-027", swap("attendee", "owner")),
    ] {
        bench.invite_c3p(1, trusted(1), join_request("bob", body.as_bytes()));
        assert_eq!(bench.answered(1).0, 400, "{case}: {body}");
    }
    let mut without_contact = join_request("bob", text(good()).as_bytes());
    without_contact.headers.remove(&HeaderName::Contact);
    bench.invite_c3p(1, trusted(1), without_contact);
    assert_eq!(bench.answered(1).0, 400, "CB-017");
    bench.sip(invite(1, &conference_uri(), "bob", trusted(1), None));
    assert_eq!(bench.answered(1).0, 400, "CB-019");
    let large = format!("{}{}", text(good()), " ".repeat(70_000));
    bench.invite_c3p(1, trusted(1), join_request("bob", large.as_bytes()));
    assert_eq!(bench.answered(1).0, 413);
    assert!(bench.focus.roster().is_empty());
}

#[test]
fn cb_037_on_behalf_of_somebody_needs_the_header() {
    let mut add = add_user("bob", "{a}");
    add.user.endpoints[0].session_on_behalf_of = Some(aor("boss"));
    let body = c3p(1, "bob", Command::AddUser(add));
    for (header, status) in [
        (None, 403),
        (Some("<sip:other@example.com>"), 403),
        (Some("<sip:boss@example.com>"), 200),
    ] {
        let mut bench = Bench::new(record());
        let mut request = join_request("bob", &body);
        if let Some(header) = header {
            let name = HeaderName::from_bytes(b"p-session-on-behalf-of");
            request.headers.push(name, header);
        }
        bench.invite_c3p(1, trusted(1), request);
        assert_eq!(bench.answered(1).0, status, "{header:?}");
    }
}

#[test]
fn cb_033_cb_036_cb_259_cb_260_refused_full_or_on_hold() {
    let mut bench = Bench::new(ConferenceRecord {
        max_endpoints: Some(1),
        ..closed(ServerMode::Thirteen)
    });
    assert_eq!(bench.join_c3p(1, "carl", "{a}").0, 403);
    bench.joined(2, "ivan");
    assert_eq!(bench.join_c3p(3, "pia", "{a}").0, 603);
    assert_eq!(bench.join_c3p(4, "ivan", "{b}").0, 200, "takes no place");
    let mut bench = Bench::new(closed(ServerMode::Fourteen));
    let carl = bench.joined(1, "carl");
    assert_eq!(status(&bench, carl), EndpointStatus::OnHold);
    assert_eq!(bench.focus.roster().places(), 0);
}

#[test]
fn cb_060_to_cb_063_endpoints_of_one_user_are_independent() {
    let mut bench = Bench::new(configured());
    let first = bench.joined(1, "bob");
    let second = bench.joined(2, "bob");
    assert_eq!(bench.focus.roster().users().count(), 1);
    bench.bye(1);
    assert!(bench.focus.roster().endpoint(first).is_none());
    assert_eq!(status(&bench, second), EndpointStatus::Connected);
    let (code, _) = bench.join_c3p(3, "bob", "{2}");
    assert_eq!(code, 200);
    assert_eq!(bench.focus.roster().len(), 1, "CB-062: it was replaced");
    assert!(bench.left().contains(&"Replaced".to_owned()));
    for id in 10..19 {
        bench.joined(id, "bob");
    }
    assert_eq!(bench.join_c3p(30, "bob", "{30}").0, 403, "the limit");
    assert_eq!(bench.join_c3p(31, "bob", "{10}").0, 200, "replaces");
}

#[test]
fn cb_025_nobody_joins_as_somebody_who_is_there() {
    let mut bench = Bench::new(configured());
    bench.joined(1, "bob");
    let body = c3p(1, "bob", Command::AddUser(add_user("bob", "{x}")));
    bench.invite_c3p(2, stranger(1), join_request("bob", &body));
    assert_eq!(bench.answered(2).0, 403);
}

#[test]
fn cb_064_cb_067_refreshes_change_nothing() {
    let mut bench = Bench::new(configured());
    bench.joined(1, "bob");
    let body = c3p(5, "bob", Command::AddUser(add_user("bob", "{1}")));
    for (method, octets, expect) in [
        (Method::Update, None, false),
        (Method::Invite, Some(&body), true),
    ] {
        let content = octets.map(|octets| (CCCP, octets.as_slice()));
        let request = request(method.clone(), &conference_uri(), "bob", content);
        let body = octets.map(|octets| plenum_sip::endpoint::Body {
            content_type: CCCP.into(),
            octets: octets.clone().into(),
        });
        let (id, tx) = (InviteId(1), ServerTxId(9));
        bench.actions();
        bench.sip(Event::Modify {
            id,
            tx,
            method,
            body,
            request,
        });
        let SipAction::RespondModify { answer, .. } = &bench.sip[0] else {
            panic!("{:?}", bench.sip)
        };
        assert_eq!(answer.status.code(), 200);
        assert_eq!(answer.body.is_some(), expect);
    }
    assert_eq!(bench.focus.roster().len(), 1);
}

#[test]
fn cb_066_cb_070_a_dialog_that_ends_is_a_leave() {
    let mut bench = Bench::new(record());
    bench.joined(1, "bob");
    bench.sip(Event::Ended {
        id: InviteId(1),
        cause: EndCause::SessionExpired,
    });
    assert_eq!(bench.left(), ["SessionExpired"]);
    assert!(bench.focus.is_over(), "nobody is there any more");
    assert_eq!(bench.metrics.participants.get(), 0);
}

#[test]
fn cb_213_the_media_of_a_participant_join_its_user() {
    let mut bench = Bench::new(configured());
    bench.joined(1, "bob");
    bench.sip(invite(2, &mcu_uri(), "bob", trusted(1), Some(OFFER)));
    bench.ack(2, None);
    let users: Vec<_> = bench.focus.roster().users().collect();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].endpoints.len(), 2);
    assert_eq!(bench.focus.roster().places(), 1);
}

#[test]
fn cb_139_a_participant_has_one_endpoint_in_the_mixer_and_keeps_the_one_at_the_focus() {
    for replace_on_redial in [false, true] {
        let mut bench = Bench::new(ConferenceRecord {
            replace_on_redial,
            ..configured()
        });
        let focus = bench.joined(1, "bob");
        for id in [2, 3] {
            bench.sip(invite(id, &mcu_uri(), "bob", trusted(1), Some(OFFER)));
            bench.ack(id, None);
        }
        assert_eq!(status(&bench, focus), EndpointStatus::Connected);
        assert_eq!(bench.focus.roster().len(), 2);
        assert_eq!(bench.left(), ["Replaced"]);
    }
}

#[test]
fn cb_055_a_pin_is_for_phones_of_people_who_are_not_known() {
    let mut bench = Bench::new(ConferenceRecord {
        origin: Origin::Configured,
        grace: Duration::from_secs(60),
        ..with_pin()
    });
    bench.joined(1, "bob");
    bench.sip(invite(2, &mcu_uri(), "bob", trusted(1), Some(OFFER)));
    bench.ack(2, None);
    assert_eq!(
        status(&bench, bench.last_endpoint()),
        EndpointStatus::Connected
    );
    let body = c3p(1, "eve", Command::AddUser(add_user("eve", "{x}")));
    bench.invite_c3p(3, stranger(1), join_request("eve", &body));
    assert_eq!(bench.answered(3).0, 403);
    let settled = bench.events.iter();
    let settled = settled.filter(|event| matches!(event, ConferenceEvent::PinSettled { .. }));
    assert_eq!(settled.count(), 3, "the guard hears of each INVITE once");
}

#[test]
fn cb_262_the_media_of_somebody_in_the_lobby_do_not() {
    let mut bench = Bench::new(closed(ServerMode::Fourteen));
    bench.joined(1, "carl");
    bench.sip(invite(2, &mcu_uri(), "carl", trusted(1), Some(OFFER)));
    let refused = bench.actions().into_iter().find_map(|action| match action {
        SipAction::Reject { answer, .. } => Some(answer.status.code()),
        _ => None,
    });
    assert_eq!(refused, Some(403));
}

#[test]
fn cb_013_cb_099_cb_121_cb_122_what_a_client_says_of_itself_is_in_the_roster() {
    let mut bench = Bench::new(configured());
    let mut add = add_user("bob", "{a}");
    let asked = &mut add.user.endpoints[0];
    asked.endpoint_uri = Some("sip:bob@10.0.0.1".into());
    asked.client_info = Some(ClientInfo {
        conversation_id: Some("7".into()),
        ..ClientInfo::default()
    });
    let body = c3p(1, "bob", Command::AddUser(add));
    let mut request = join_request("bob", &body);
    request.headers.remove(&HeaderName::Contact);
    request.headers.remove(&HeaderName::From);
    request.headers.push(
        HeaderName::From,
        "<sip:bob@example.com>;tag=1;epid=c0ffee".to_owned(),
    );
    let gruu = "sip:bob@example.com;opaque=user:epid:x;gruu";
    request.headers.push(
        HeaderName::Contact,
        format!("<{gruu}>;+sip.instance=\"<urn:uuid:1>\""),
    );
    bench.invite_c3p(1, trusted(1), request);
    assert_eq!(bench.answered(1).0, 200);
    let state = bench.focus.snapshot();
    let endpoint = &state.user(&aor("bob")).unwrap().endpoints[0];
    assert_eq!(endpoint.epid.as_deref(), Some("c0ffee"), "CB-013");
    assert_eq!(endpoint.sip_instance.as_deref(), Some("<urn:uuid:1>"));
    assert_eq!(endpoint.endpoint_uri.as_deref(), Some(gruu), "CB-121");
    let told = endpoint.client_info.as_ref().unwrap();
    assert_eq!(told.conversation_id.as_deref(), Some("7"), "CB-122");
}

/// The secret of carl's dialog, which the ACK completed.
fn endorsement(to_tag: &str) -> Command {
    Command::EndorseUser(EndorseUser {
        keys: keys(),
        endorsee: aor("carl"),
        dialog: DialogId {
            call_id: "1@example.com".into(),
            from_tag: "1".into(),
            to_tag: to_tag.into(),
        },
    })
}

fn endorse(bench: &mut Bench, id: u64, user: &str, to_tag: &str) -> (u16, Option<bool>) {
    let body = c3p(3, user, endorsement(to_tag));
    bench.invite_c3p(id, trusted(1), join_request(user, &body));
    let ended = bench
        .sip
        .iter()
        .any(|action| matches!(action, SipAction::Bye { .. }));
    let (status, response) = bench.answered(id);
    assert_eq!(ended, status == 200, "CB-081");
    let failed = response.map(|response| response.result.unwrap().reason.is_none());
    (status, failed)
}

#[test]
fn cb_073_to_cb_084_endorsing() {
    let mut bench = Bench::new(closed(ServerMode::Fourteen));
    let carl = bench.joined(1, "carl");
    bench.ack(1, None);
    assert_eq!(endorse(&mut bench, 2, "eve", "ours"), (401, None), "CB-079");
    assert_eq!(
        endorse(&mut bench, 3, "pia", "wrong"),
        (200, Some(false)),
        "CB-075"
    );
    assert_eq!(status(&bench, carl), EndpointStatus::OnHold);
    assert_eq!(endorse(&mut bench, 4, "pia", "ours"), (200, Some(true)));
    assert_eq!(status(&bench, carl), EndpointStatus::Connected, "CB-077");
    let user = bench.focus.roster().users().next().unwrap();
    assert_eq!(user.role, Role::Presenter, "CB-076");
    assert_eq!(user.endorser.as_ref().unwrap().0, aor("pia"), "CB-078");
    assert_eq!(bench.focus.roster().users().count(), 1, "CB-084");
}

/// Somebody nobody knows, who has proved to know the key.
fn with_key(user: &str) -> Vouched {
    Vouched {
        aor: Some(aor(user)),
        display: None,
        identity: Identity::Anonymous,
        trusted: false,
        phone: false,
        key: true,
        media: Default::default(),
    }
}

#[test]
fn cb_058_whoever_has_the_key_is_not_asked_by_voice() {
    let mut bench = Bench::new(with_pin());
    let vouched = Some(Arc::new(with_key("eve")));
    let event = invite(1, &mcu_uri(), "eve", stranger(1), Some(OFFER));
    bench.focus.handle_vouched(bench.now, event, vouched);
    bench.drain();
    bench.ack(1, None);
    let eve = bench.last_endpoint();
    assert_eq!(status(&bench, eve), EndpointStatus::Connected);
    assert!(!bench.said().contains(&"EnterPin".to_owned()));
    bench.sip(invite(2, &mcu_uri(), "ida", stranger(2), Some(OFFER)));
    bench.ack(2, None);
    assert_eq!(bench.said().last().map(String::as_str), Some("EnterPin"));
}

#[test]
fn cb_058_cb_079_whoever_has_the_key_can_endorse() {
    for (key, status) in [(true, 200), (false, 401)] {
        let mut bench = Bench::new(ConferenceRecord {
            origin: Origin::Configured,
            ..with_pin()
        });
        bench.joined(1, "carl");
        bench.ack(1, None);
        let body = c3p(3, "eve", endorsement("ours"));
        let vouched = Some(Arc::new(Vouched {
            key,
            ..with_key("eve")
        }));
        let event = Event::Invite {
            id: InviteId(2),
            request: join_request("eve", &body),
            flow: flow(stranger(1)),
        };
        bench.actions();
        bench.focus.handle_vouched(bench.now, event, vouched);
        bench.drain();
        assert_eq!(bench.answered(2).0, status);
        let carl = bench.focus.roster().by_entity(&aor("carl")).unwrap();
        assert_eq!(carl.endorser.is_some(), key, "CB-078");
    }
}

#[test]
fn cb_005_other_types_are_not_understood() {
    let mut bench = Bench::new(configured());
    let mut request = join_request(
        "bob",
        &c3p(1, "bob", Command::AddUser(add_user("bob", "{a}"))),
    );
    request.headers.set(HeaderName::ContentType, "text/xml");
    bench.invite_c3p(1, trusted(1), request);
    assert_eq!(bench.answered(1).0, 415);
    assert_eq!(bench.focus.roster().users().count(), 0);
}
