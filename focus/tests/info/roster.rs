//! Rosters as subscribers get them: what is in them, in which form, and how they change.

use super::LIMITS;
use super::generate::CONFERENCE;
use super::schema::{assert_standard, assert_valid};
use plenum_focus::c3p::{Code, CommandResult, Response, ResultBody, read_response};
use plenum_focus::info::*;

fn mcu(kind: &str) -> String {
    CONFERENCE.replace("focus", kind)
}

fn endpoint(session: &str, entity: &str, status: EndpointStatus) -> Endpoint {
    Endpoint {
        session_type: Some(session.into()),
        status: Some(status),
        joining_method: Some(JoiningMethod::DialedIn),
        ..Endpoint::new(entity)
    }
}

fn audio(ingress: MediaFilter) -> Media {
    Media {
        media_type: Some("audio".into()),
        label: Some("main-audio".into()),
        status: Some(MediaStatus::SendRecv),
        ingress_filter: Some(ingress),
        ..Media::new("1")
    }
}

/// Carol at the focus and at the mixer, with one entity for both (CB-063); a phone at the mixer.
fn conference() -> Tracker {
    let mut tracker = Tracker::new(CONFERENCE, 16);
    let uri = |uri: String, purpose| ConfUri {
        uri,
        display_text: None,
        purpose,
    };
    tracker.set_description(Description {
        subject: Some("Tea <&> biscuits".into()),
        conf_uris: vec![
            uri(mcu("audio-video"), Purpose::AudioVideo),
            uri(CONFERENCE.into(), Purpose::Participation),
        ],
        maximum_user_count: Some(50),
        admission_policy: Some(AdmissionPolicy::OpenAuthenticated),
        last_activate: DateTime::parse("2026-01-02T03:04:05Z"),
        access: Some(Access {
            lobby_capable: Some(true),
            server_mode: Some(14),
            ..Access::default()
        }),
        ..Description::default()
    });
    tracker.set_conference_state(ConferenceState {
        user_count: Some(2),
        active: Some(true),
        locked: Some(false),
    });
    let mut mixed = endpoint("audio-video", "{C}", EndpointStatus::Connected);
    mixed.media.push(audio(MediaFilter::Unblock));
    tracker.set_user(User {
        display_text: Some("Carol".into()),
        role: Some(Role::Presenter),
        endpoints: vec![
            endpoint("focus", "{C}", EndpointStatus::Connected),
            mixed.clone(),
        ],
        ..User::new("sip:carol@example.com")
    });
    tracker.set_user(User {
        role: Some(Role::Attendee),
        endpoints: vec![Endpoint {
            is_pstn_endpoint: Some(true),
            ..mixed
        }],
        ..User::new("sip:+15550100@example.com")
    });
    let mut focus = EntityView::new(CONFERENCE);
    focus.entity_state.as_mut().unwrap().locked = Some(false);
    tracker.set_view(focus);
    let mut mixer = EntityView::new(mcu("audio-video"));
    mixer.capabilities = Some(Capabilities {
        audio_video: Some((true, false)),
        ..Capabilities::default()
    });
    tracker.set_view(mixer);
    tracker
}

fn text(rendering: &Rendering) -> String {
    String::from_utf8(rendering.with_version(1).to_vec()).unwrap()
}

#[test]
fn cb_104_to_cb_115_a_full_document() {
    let mut tracker = conference();
    let rendering = tracker.render(Form::Extended, None).unwrap();
    let text = text(&rendering);
    assert_valid([("full".to_owned(), text.as_bytes())]);
    let info = read(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(info.entity, CONFERENCE, "CB-101");
    let description = info.description.as_ref().unwrap();
    assert_eq!(description.subject.as_deref(), Some("Tea <&> biscuits"));
    assert_eq!(description.conf_uris.len(), 2, "CB-105");
    assert_eq!(info.users.as_ref().unwrap().users.len(), 2, "CB-107");
    let focus = info.entity_view(CONFERENCE).expect("CB-108");
    assert_eq!(
        focus.entity_state.as_ref().unwrap().locked,
        Some(false),
        "CB-108"
    );
    assert!(info.entity_view(&mcu("audio-video")).is_some(), "CB-109");
    assert!(
        text.contains("<msci:conference-view ci:state=\"full\">"),
        "CB-115, trap 4"
    );
    assert!(
        text.contains("<msci:entity-view ci:state=\"full\" entity=\""),
        "CB-115, trap 5"
    );
    assert!(
        text.contains("msci:session-type=\"audio-video\""),
        "CB-123, trap 3"
    );
    assert!(!text.contains("maximum-user-count"), "CB-282.6");
    assert!(!text.contains("conference-state"), "CB-282.6");
}

#[test]
fn rfc4575_the_standard_document_has_no_extension() {
    let mut tracker = conference();
    let rendering = tracker.render(Form::Standard, None).unwrap();
    let text = text(&rendering);
    assert_standard([("full".to_owned(), text.as_bytes())]);
    assert!(!text.contains("microsoft"), "{text}");
    assert!(!text.contains("audio-video"), "{text}");
    let info = read(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(info.conference_state.unwrap().user_count, Some(2));
    let carol = info.user("sip:carol@example.com").unwrap();
    let entities: Vec<_> = carol
        .endpoints
        .iter()
        .map(|endpoint| &*endpoint.entity)
        .collect();
    assert_eq!(
        entities,
        ["{C}", "{C};connection=1"],
        "RFC 4575 §5.7: a key"
    );
    assert_eq!(
        carol.endpoints[1].media[0].status,
        Some(MediaStatus::SendRecv)
    );
}

#[test]
fn trap_36_a_mute_is_one_user_whole_and_nothing_else() {
    let mut tracker = conference();
    let since = tracker.sequence();
    let mut user = (**tracker.user("sip:carol@example.com").unwrap()).clone();
    user.endpoints[1].media[0] = audio(MediaFilter::Block);
    assert!(tracker.set_user(user.clone()));
    assert!(!tracker.set_user(user), "the same again is no change");
    let rendering = tracker.render(Form::Extended, Some(since)).unwrap();
    let text = text(&rendering);
    assert_valid([("mute".to_owned(), text.as_bytes())]);
    let info = read(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(
        (info.state, &info.description, &info.view),
        (State::Partial, &None, &None)
    );
    let users = info.users.unwrap();
    assert_eq!((users.state, users.users.len()), (State::Partial, 1));
    assert_eq!(users.users[0].state, State::Full);
    assert_eq!(users.users[0].endpoints.len(), 2);
}

#[test]
fn rfc_4575_5_8_who_is_muted_and_who_speaks_is_told_in_words_a_plain_watcher_knows() {
    let mut tracker = conference();
    let mut user = (**tracker.user("sip:carol@example.com").unwrap()).clone();
    for (ingress, egress, on_hold, expect) in [
        (MediaFilter::Unblock, None, false, "sendrecv"),
        (MediaFilter::Block, None, false, "recvonly"),
        (
            MediaFilter::Unblock,
            Some(MediaFilter::Block),
            false,
            "sendonly",
        ),
        (
            MediaFilter::Block,
            Some(MediaFilter::Block),
            false,
            "inactive",
        ),
        (MediaFilter::Block, None, true, "inactive"),
    ] {
        let media = &mut user.endpoints[1].media[0];
        *media = audio(ingress);
        media.egress_filter = egress;
        media.talking = true;
        if on_hold {
            media.status = Some(MediaStatus::Inactive);
        }
        tracker.set_user(user.clone());
        let standard = text(&tracker.render(Form::Standard, None).unwrap());
        assert_standard([("talking".to_owned(), standard.as_bytes())]);
        let status =
            format!("<status>{expect}</status><cis:separator/><talk:talking>true</talk:talking>");
        assert!(standard.contains(&status), "{standard}");
        let extended = text(&tracker.render(Form::Extended, None).unwrap());
        assert_valid([("talking".to_owned(), extended.as_bytes())]);
        assert!(
            extended.contains("<cis:separator/><talk:talking>true<"),
            "{extended}"
        );
        let info = read(extended.as_bytes(), &LIMITS).unwrap();
        let read = info.user("sip:carol@example.com").unwrap();
        assert_eq!(read.endpoints[1].media, user.endpoints[1].media);
    }
}

#[test]
fn cb_114_cb_124_what_leaves_is_deleted() {
    let mut tracker = conference();
    let since = tracker.sequence();
    tracker.remove_view(&mcu("audio-video"));
    tracker.remove_user("sip:+15550100@example.com");
    let text = text(&tracker.render(Form::Extended, Some(since)).unwrap());
    assert_valid([("gone".to_owned(), text.as_bytes())]);
    let gone = "<user entity=\"sip:+15550100@example.com\" state=\"deleted\"/>";
    assert!(text.contains(gone), "{text}");
    let info = read(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(
        info.entity_view(&mcu("audio-video")).unwrap().state,
        State::Deleted
    );
}

#[test]
fn rfc4575_5_7_3_how_somebody_left_is_told_with_the_news_that_they_are_gone() {
    let user = "sip:+15550100@example.com";
    let left = Endpoint {
        state: State::Deleted,
        disconnection_method: Some(DisconnectionMethod::Booted),
        ..Endpoint::new("audio-1")
    };
    for remembered in [0, 8] {
        let mut tracker = Tracker::new(CONFERENCE, remembered);
        tracker.set_user(User::new(user));
        let since = tracker.sequence();
        tracker.remove_departed(user, vec![left.clone()]);
        for form in [Form::Extended, Form::Standard] {
            let text = text(&tracker.render(form, Some(since)).unwrap());
            let told = text.contains("disconnection-method>booted<");
            assert_eq!(told, remembered > 0, "{text}");
            if told {
                assert!(
                    text.contains(&format!("{user}\" state=\"deleted\"")),
                    "{text}"
                );
                assert_valid([("left".to_owned(), text.as_bytes())]);
            }
        }
        tracker.set_user(User::new(user));
        let since = tracker.sequence();
        tracker.remove_user(user);
        let text = tracker
            .render(Form::Extended, Some(since))
            .map(|it| text(&it));
        assert!(!text.unwrap().contains("booted"), "of an earlier time");
    }
}

#[test]
fn changes_coalesce_and_who_came_and_went_unseen_is_not_mentioned() {
    let mut tracker = conference();
    let since = tracker.sequence();
    for number in 0..20 {
        tracker.set_user(User {
            display_text: Some(format!("Name {number}")),
            ..User::new("sip:dave@example.com")
        });
    }
    tracker.set_user(User::new("sip:ghost@example.com"));
    tracker.remove_user("sip:ghost@example.com");
    let changes: Vec<_> = tracker.changed_since(since).unwrap().collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let again = tracker.sequence();
    assert_eq!(tracker.changed_since(again).unwrap().count(), 0);
    assert_eq!(tracker.render(Form::Extended, Some(again)), None);
}

#[test]
fn a_subscriber_that_missed_too_much_gets_a_full_document() {
    let mut tracker = Tracker::new(CONFERENCE, 2);
    for number in 0..5 {
        tracker.set_user(User::new(format!("sip:u{number}@example.com")));
    }
    let since = tracker.sequence();
    for number in 0..2 {
        tracker.remove_user(&format!("sip:u{number}@example.com"));
    }
    assert_eq!(tracker.changed_since(since).unwrap().count(), 2);
    tracker.remove_user("sip:u2@example.com");
    assert!(tracker.changed_since(since).is_none());
    let text = text(&tracker.render(Form::Extended, Some(since)).unwrap());
    assert_eq!(read(text.as_bytes(), &LIMITS).unwrap().state, State::Full);
}

#[test]
fn cb_102_versions_are_each_subscribers_own() {
    let mut tracker = conference();
    let mut early = Watcher::new("sip:a@example.com", Audience::Extended);
    let mut versions = Vec::new();
    for number in 0..4 {
        tracker.set_user(User::new(format!("sip:u{number}@example.com")));
        let document = early.document(&mut tracker).unwrap();
        versions.push(read(&document, &LIMITS).unwrap().version.unwrap());
    }
    assert_eq!(versions, [1, 2, 3, 4]);
    let mut late = Watcher::new("sip:b@example.com", Audience::Extended);
    let first = read(&late.document(&mut tracker).unwrap(), &LIMITS).unwrap();
    assert_eq!((first.state, first.version), (State::Full, Some(1)));
    assert_eq!(late.document(&mut tracker), None);
    late.refresh();
    let second = read(&late.document(&mut tracker).unwrap(), &LIMITS).unwrap();
    assert_eq!(
        (second.state, second.version),
        (State::Full, Some(2)),
        "CB-096"
    );
}

#[test]
fn rfc4575_4_4_versions_decide_what_is_applied() {
    let full = |version| ConferenceInfo {
        version: Some(version),
        ..ConferenceInfo::new(CONFERENCE)
    };
    let partial = |version| ConferenceInfo {
        state: State::Partial,
        conference_state: Some(ConferenceState::default()),
        ..full(version)
    };
    let mut base = full(7);
    let stale = ApplyError::Stale { have: 7, found: 7 };
    assert_eq!(apply(&mut base, &partial(7)), Err(stale));
    let gap = ApplyError::Gap { have: 7, found: 9 };
    assert_eq!(apply(&mut base, &partial(9)), Err(gap));
    assert_eq!(base, full(7), "nothing happened");
    assert_eq!(apply(&mut base, &partial(8)), Ok(()));
    assert_eq!(apply(&mut base, &full(20)), Ok(()), "a full one may skip");
    let other = ConferenceInfo::new("sip:other@example.com");
    assert_eq!(apply(&mut base, &other), Err(ApplyError::OtherConference));
    let over = ConferenceInfo {
        state: State::Deleted,
        ..full(21)
    };
    assert_eq!(apply(&mut base, &over), Ok(()));
    assert_eq!(base.state, State::Deleted);
}

#[test]
fn rfc4575_4_4_other_focuses_send_users_in_part() {
    let mut base = ConferenceInfo::new(CONFERENCE);
    let document = |state: &str, inside: &str| {
        let text = format!(
            "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='{CONFERENCE}' \
             state='{state}'><users state='{state}'>{inside}</users></conference-info>"
        );
        read(text.as_bytes(), &LIMITS).unwrap()
    };
    let user = "<user entity='sip:a@b' state='full'><display-text>A</display-text>\
        <endpoint entity='1'><status>pending</status></endpoint><endpoint entity='2'/></user>";
    apply(&mut base, &document("full", user)).unwrap();
    let change = "<user entity='sip:a@b' state='partial'><endpoint entity='1' state='partial'>\
        <status>connected</status></endpoint><endpoint entity='2' state='deleted'/>\
        <endpoint entity='3' state='full'/></user>";
    apply(&mut base, &document("partial", change)).unwrap();
    let user = base.user("sip:a@b").unwrap();
    assert_eq!(user.display_text.as_deref(), Some("A"));
    let entities: Vec<_> = user
        .endpoints
        .iter()
        .map(|endpoint| &*endpoint.entity)
        .collect();
    assert_eq!(entities, ["1", "3"]);
    assert_eq!(user.endpoints[0].status, Some(EndpointStatus::Connected));
}

#[test]
fn cb_219_to_cb_222_only_get_conference_tells_secrets_and_only_encrypted() {
    let info = conference().snapshot();
    let cms = |text| CmsData::from_base64(text);
    let secrets = Secrets {
        conference_key: cms("S0VZ"),
        web_internal: cms("SU5T"),
        web_external: cms("T1VU"),
    };
    let answer = |secrets: Secrets| {
        let body = ResultBody::GetConference(Some(Box::new(info.clone())), secrets);
        Response {
            result: Some(CommandResult::new(body)),
            ..Response::new("1", CONFERENCE, "sip:carol@example.com", Code::Success)
        }
    };
    let octets = answer(secrets.clone()).to_octets();
    assert_valid([("answer".to_owned(), octets.as_slice())]);
    let read = read_response(&octets, &LIMITS).unwrap();
    let Some(ResultBody::GetConference(_, found)) = read.result.map(|result| result.body) else {
        panic!()
    };
    assert_eq!(found, secrets);
    let octets = answer(Secrets::default()).to_octets();
    let text = String::from_utf8(octets).unwrap();
    for secret in ["conference-key", "encrypted-uri", "web-", "cms-data"] {
        assert!(!text.contains(secret), "CB-222: {secret}");
    }
}

#[test]
fn cb_142_each_child_of_a_view_is_at_most_2048_octets() {
    let mut view = EntityView::new(mcu("chat"));
    assert_eq!(oversized_child(&view, 2048), None);
    let state = view.entity_state.as_mut().unwrap();
    state.display_text = Some("&".repeat(500));
    let (name, octets) = oversized_child(&view, 2048).unwrap();
    assert_eq!(name, "entity-state");
    assert!(
        (2500..2700).contains(&octets),
        "escaped, as it goes out: {octets}"
    );
}

#[test]
fn a_conference_can_move_between_threads() {
    fn movable<T: Send + 'static>(_: &T) {}
    movable(&conference());
    movable(&Watcher::new("sip:a@example.com", Audience::Standard));
}
