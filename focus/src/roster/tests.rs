use super::*;
use crate::access::Identity;
use crate::tests::instant;

fn peer(aor: &str, source: u8, trusted: bool) -> Peer {
    Peer {
        media: Default::default(),
        aor: (!aor.is_empty()).then(|| aor.into()),
        display: None,
        source: Some(IpAddr::from([192, 0, 2, source])),
        reached_at: None,
        trusted,
        identity: Identity::Anonymous,
        phone: false,
        key: false,
        uri: None,
    }
}

fn come(roster: &mut Roster, id: u64, peer: &Peer) -> UserId {
    let session = SessionType::AudioVideo;
    let method = JoiningMethod::DialedIn;
    roster.admit(
        EndpointId(id),
        peer,
        session,
        method,
        Role::Attendee,
        instant(),
    )
}

#[test]
fn an_entity_is_one_users_and_who_can_be_believed_has_it() {
    let mut roster = Roster::default();
    let entity = |roster: &Roster, id| roster.user(id).unwrap().entity.clone();
    let liar = come(&mut roster, 1, &peer("sip:bob@example.com", 1, false));
    assert_eq!(entity(&roster, liar), "sip:bob@example.com");
    let bob = come(&mut roster, 2, &peer("sip:bob@example.com", 2, true));
    assert_eq!(entity(&roster, bob), "sip:bob@example.com");
    assert_eq!(entity(&roster, liar), "sip:guest-1@anonymous.invalid");
    let other = come(&mut roster, 3, &peer("sip:bob@example.com", 3, false));
    assert_eq!(entity(&roster, other), "sip:guest-3@anonymous.invalid");
    assert_eq!(roster.by_entity("sip:bob@example.com").unwrap().id, bob);
    roster.remove(instant(), EndpointId(2));
    assert!(roster.by_entity("sip:bob@example.com").is_none());
}

#[test]
fn places_are_those_of_people_not_of_connections() {
    let (mut roster, now) = (Roster::default(), instant());
    let bob = peer("sip:bob@example.com", 1, true);
    let focus = |roster: &mut Roster, id| {
        let (session, method) = (SessionType::Focus, JoiningMethod::DialedIn);
        roster.admit(EndpointId(id), &bob, session, method, Role::Presenter, now);
        roster.set_status(now, EndpointId(id), EndpointStatus::Connected);
    };
    focus(&mut roster, 1);
    focus(&mut roster, 2);
    assert_eq!(
        (roster.places(), roster.in_mix(), roster.is_led()),
        (1, 0, true)
    );
    come(&mut roster, 3, &bob);
    assert_eq!(roster.places(), 1);
    come(&mut roster, 4, &bob);
    assert_eq!(roster.places(), 2);
    come(&mut roster, 5, &peer("", 1, false));
    roster.set_status(now, EndpointId(5), EndpointStatus::OnHold);
    assert_eq!((roster.places(), roster.waiting().count()), (2, 1));
}

#[test]
fn rfc4575_5_6_two_calls_of_one_user_are_two_endpoints() {
    let mut roster = Roster::default();
    let bob = peer("sip:bob@example.com", 1, true);
    let first = come(&mut roster, 1, &bob);
    let elsewhere = peer("sip:bob@example.com", 2, true);
    let second = come(&mut roster, 2, &elsewhere);
    assert_eq!(first, second);
    assert_eq!(roster.endpoints_of(&bob), [EndpointId(1), EndpointId(2)]);
    roster.remove(instant(), EndpointId(1));
    assert_eq!(roster.users().count(), 1);
    roster.remove(instant(), EndpointId(2));
    assert_eq!(roster.users().count(), 0);
    assert_ne!(come(&mut roster, 3, &bob), first);
}

#[test]
fn a_claimed_identity_is_believed_from_the_same_address_only() {
    let mut roster = Roster::default();
    let bob = come(&mut roster, 1, &peer("sip:bob@example.com", 1, false));
    let mallory = peer("sip:bob@example.com", 2, false);
    assert_eq!(roster.endpoints_of(&mallory), []);
    assert_ne!(come(&mut roster, 2, &mallory), bob);
    let anonymous = peer("", 1, true);
    let one = come(&mut roster, 3, &anonymous);
    assert_ne!(come(&mut roster, 4, &anonymous), one);
}

#[test]
fn the_one_in_the_mix_is_alone() {
    let (mut roster, now) = (Roster::default(), instant());
    for n in 1..=3 {
        come(&mut roster, n, &peer("", 1, true));
    }
    assert_eq!(roster.alone(), None);
    roster.set_status(now, EndpointId(2), EndpointStatus::Connected);
    assert_eq!(roster.alone(), Some(EndpointId(2)));
    roster.set_status(now, EndpointId(3), EndpointStatus::Connected);
    assert_eq!(roster.alone(), None);
    assert!(roster.set_talking(EndpointId(3), true));
    assert!(!roster.set_talking(EndpointId(3), true));
    roster.set_status(now, EndpointId(3), EndpointStatus::Disconnecting);
    assert!(!roster.endpoint(EndpointId(3)).unwrap().talking);
    assert_eq!(roster.alone(), Some(EndpointId(2)));
}
