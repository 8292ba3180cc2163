//! What somebody in the lobby gets says nothing about anybody else (CB-126, CB-128 to CB-131).

use super::LIMITS;
use super::generate::{self, CONFERENCE};
use super::schema::assert_valid;
use plenum_focus::info::*;
use proptest::collection::vec;
use proptest::prelude::*;

const OWN: &str = "sip:newcomer@example.com";

fn newcomer(status: EndpointStatus) -> User {
    User {
        display_text: Some("New & Comer".into()),
        role: Some(Role::Attendee),
        endpoints: vec![Endpoint {
            session_type: Some("focus".into()),
            status: Some(status),
            ..Endpoint::new("{N}")
        }],
        ..User::new(OWN)
    }
}

/// A conference in which every word that must not be seen is `hidden`.
fn conference(lobby_capable: bool) -> Tracker {
    let mut tracker = Tracker::new(CONFERENCE, 100);
    tracker.set_description(Description {
        subject: Some("hidden".into()),
        conf_uris: vec![ConfUri {
            uri: "sip:hidden@example.com;opaque=app:conf:chat:id:1".into(),
            display_text: None,
            purpose: Purpose::Chat,
        }],
        organizer: Some(Organizer {
            entity: Some("sip:hidden@example.com".into()),
            display_name: Some("hidden".into()),
        }),
        access: Some(Access {
            lobby_capable: Some(lobby_capable),
            anonymous_type_allowed: true,
            disclaimer_title: Some("hidden".into()),
            ..Access::default()
        }),
        ..Description::default()
    });
    for number in 0..3 {
        let mut user = User::new(format!("sip:hidden{number}@example.com"));
        user.display_text = Some("hidden".into());
        tracker.set_user(user);
    }
    tracker.set_view(EntityView::new("sip:hidden-mcu@example.com"));
    tracker
}

fn document(watcher: &mut Watcher, tracker: &mut Tracker) -> Option<(String, ConferenceInfo)> {
    let octets = watcher.document(tracker)?;
    let info = read(&octets, &LIMITS).unwrap();
    Some((String::from_utf8(octets.to_vec()).unwrap(), info))
}

#[test]
fn cb_128_cb_129_cb_131_only_the_own_presence_and_whether_waiting_makes_sense() {
    for lobby_capable in [true, false] {
        let mut tracker = conference(lobby_capable);
        let mut user = newcomer(EndpointStatus::OnHold);
        user.endorser = Some(Endorser {
            entity: "sip:hidden@example.com".into(),
            display_name: "hidden".into(),
        });
        user.endpoints[0].joining_info = Some(Execution {
            by: Some("sip:hidden@example.com".into()),
            ..Execution::default()
        });
        let mut at_mcu = Endpoint::new("{hidden}");
        at_mcu.session_type = Some("chat".into());
        user.endpoints.push(at_mcu);
        tracker.set_user(user);
        let mut watcher = Watcher::new(OWN, Audience::Lobby);
        let (text, info) = document(&mut watcher, &mut tracker).unwrap();
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!((info.state, info.view), (State::Full, None));
        let description = info.description.unwrap();
        assert!(description.conf_uris.is_empty());
        assert_eq!(
            description.access.unwrap().lobby_capable,
            Some(lobby_capable),
            "CB-129"
        );
        let users = info.users.unwrap();
        assert_eq!(users.users.len(), 1);
        assert_eq!(users.users[0].endpoints.len(), 1);
        assert_eq!(
            users.users[0].endpoints[0].status,
            Some(EndpointStatus::OnHold),
            "CB-131"
        );
        assert_valid([("lobby".to_owned(), text.as_bytes())]);
    }
}

#[test]
fn trap_43_others_are_not_even_told_of_by_a_gap() {
    let mut tracker = conference(true);
    tracker.set_user(newcomer(EndpointStatus::OnHold));
    let mut watcher = Watcher::new(OWN, Audience::Lobby);
    let first = document(&mut watcher, &mut tracker)
        .unwrap()
        .1
        .version
        .unwrap();
    tracker.set_user(User::new("sip:hidden7@example.com"));
    tracker.remove_user("sip:hidden1@example.com");
    tracker.remove_view("sip:hidden-mcu@example.com");
    let mut description = tracker.description().unwrap().clone();
    description.subject = Some("hidden too".into());
    tracker.set_description(description);
    assert!(watcher.is_due(&tracker));
    assert!(document(&mut watcher, &mut tracker).is_none());
    assert!(!watcher.is_due(&tracker));
    tracker.set_user(User {
        display_text: Some("Renamed".into()),
        ..newcomer(EndpointStatus::OnHold)
    });
    let (_, second) = document(&mut watcher, &mut tracker).unwrap();
    assert_eq!(second.version, Some(first + 1));
}

#[test]
fn cb_130_admission_is_a_full_document() {
    let mut tracker = conference(true);
    tracker.set_user(newcomer(EndpointStatus::OnHold));
    let mut watcher = Watcher::new(OWN, Audience::Lobby);
    let first = document(&mut watcher, &mut tracker)
        .unwrap()
        .1
        .version
        .unwrap();
    tracker.set_user(newcomer(EndpointStatus::Connected));
    watcher.set_audience(Audience::Extended);
    let (text, info) = document(&mut watcher, &mut tracker).unwrap();
    assert_eq!(
        (info.state, info.version),
        (State::Full, Some(first + 1)),
        "CB-102"
    );
    assert_eq!(info.users.as_ref().unwrap().users.len(), 4);
    let own = info.user(OWN).unwrap();
    assert_eq!(own.endpoints[0].status, Some(EndpointStatus::Connected));
    assert_valid([("admitted".to_owned(), text.as_bytes())]);
}

proptest! {
    #![proptest_config(super::cases(200))]

    /// Whatever the others are and whatever is said of the newcomer.
    #[test]
    fn lobby_documents_never_tell_of_others(
        others in vec(generate::user(), 0..4),
        own in generate::user(),
        views in vec(generate::view(), 0..3),
        description in generate::description(),
    ) {
        let mut tracker = Tracker::new(CONFERENCE, 100);
        tracker.set_description(description.clone());
        for user in others {
            tracker.set_user(user);
        }
        for view in views {
            tracker.set_view(view);
        }
        tracker.set_user(User { entity: OWN.into(), ..own });
        let lobby = tracker.lobby(OWN);
        prop_assert_eq!(&lobby.view, &None);
        prop_assert_eq!(&lobby.conference_state, &None);
        let allowed = description.access.map(|access| Description {
            access: Some(Access {
                lobby_capable: access.lobby_capable,
                anonymous_type_allowed: access.anonymous_type_allowed,
                ..Access::default()
            }),
            ..Description::default()
        });
        prop_assert_eq!(&lobby.description, &allowed);
        let users = lobby.users.unwrap().users;
        prop_assert_eq!(users.len(), 1);
        prop_assert_eq!(&users[0].entity, OWN);
        prop_assert_eq!(&users[0].endorser, &None);
        for endpoint in &users[0].endpoints {
            prop_assert!(endpoint.is_at_focus());
            prop_assert_eq!(&endpoint.referred, &None);
            let by = endpoint.joining_info.as_ref().and_then(|info| info.by.as_ref());
            prop_assert_eq!(by, None);
            prop_assert!(endpoint.extensions.is_empty());
        }
    }

    #[test]
    fn cb_112_cb_126_no_notification_has_a_sensitive_element(info in generate::info()) {
        for form in [Form::Extended, Form::Standard] {
            let octets = Rendering::new(&info, form).with_version(1).to_vec();
            let text = String::from_utf8(octets).unwrap();
            for name in [
                "conference-key", "encrypted-uri", "cms-data", "join-url", "organizer-roaming-data",
                "web-internal", "web-external", "entity-settings", "entity-policy", "Passcode",
            ] {
                prop_assert!(!text.contains(&format!(":{name}")), "{}", name);
                prop_assert!(!text.contains(&format!("<{name}")), "{}", name);
                prop_assert!(!text.contains(&format!(">{name}<")), "{}", name);
            }
        }
    }
}
