use super::*;
use proptest::prelude::*;
use std::time::Duration;

const CONFERENCE: u32 = 77;

/// A server with users 1 to 3, who all speak by `transport`.
fn server(policy: FloorPolicy, transport: Transport) -> FloorServer {
    let metrics = FloorMetrics::default();
    let mut server = FloorServer::new(CONFERENCE, policy, FloorLimits::default(), metrics);
    for user in 1..=3 {
        server.join(user, "Ann", true, Some(transport));
    }
    server
}

fn message(version: u8, primitive: Primitive, ids: (u16, u16), with: Vec<Attribute>) -> Vec<u8> {
    let message = Message {
        version,
        responds: false,
        primitive,
        conference: CONFERENCE,
        transaction: ids.0,
        user: ids.1,
        attributes: with,
    };
    message.write().unwrap()
}

/// What came out: messages with their receivers, and presenters.
fn drained(server: &mut FloorServer, version: u8) -> (Vec<(u16, Message)>, Vec<Option<u16>>) {
    let (mut sent, mut presenters) = (Vec::new(), Vec::new());
    while let Some(output) = server.poll_output() {
        match output {
            FloorOutput::Send { user, octets } => {
                sent.push((user, Message::read(&octets, version).unwrap()));
            }
            FloorOutput::Presenter(user) => presenters.push(user),
        }
    }
    (sent, presenters)
}

/// The number and state of the request a message is about.
fn state(message: &Message) -> (u16, RequestStatus) {
    let [.., Attribute::FloorRequestInformation(id, inner)] = &message.attributes[..] else {
        panic!("{message:?}");
    };
    let Some(Attribute::OverallRequestStatus(_, overall)) = inner.first() else {
        panic!("{message:?}");
    };
    match overall.first() {
        Some(Attribute::RequestStatus { status, .. }) => (*id, *status),
        other => panic!("{other:?}"),
    }
}

fn code(message: &Message) -> u8 {
    match message.attributes.first() {
        Some(Attribute::ErrorCode { code, .. }) => *code,
        other => panic!("{other:?}"),
    }
}

fn floor() -> Vec<Attribute> {
    vec![Attribute::FloorId(FLOOR)]
}

#[expect(clippy::disallowed_methods, reason = "a test begins now")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn rfc8855_13_1_a_floor_is_granted_taken_over_and_released_over_tcp() {
    let (now, mut server) = (now(), server(FloorPolicy::TakeOver, Transport::Tcp));
    let ask = |user| message(RELIABLE, Primitive::FloorRequest, (9, user), floor());
    server.handle_message(now, 1, &ask(1));
    let (sent, presenters) = drained(&mut server, RELIABLE);
    let [(1, granted)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(granted.primitive, Primitive::FloorRequestStatus);
    assert_eq!((granted.transaction, granted.responds), (9, false));
    let (first, status) = state(granted);
    assert_eq!(status, RequestStatus::Granted);
    assert_eq!(presenters, [Some(1)]);

    server.handle_message(now, 2, &ask(2));
    let (sent, presenters) = drained(&mut server, RELIABLE);
    let [(2, over), (1, revoked)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let (second, status) = state(over);
    assert_eq!(status, RequestStatus::Granted);
    // §8: what the server says of its own accord has no transaction over TCP.
    assert_eq!(revoked.transaction, 0);
    assert_eq!(state(revoked), (first, RequestStatus::Revoked));
    assert_eq!(presenters, [Some(2)]);

    let release = |id| {
        let which = vec![Attribute::FloorRequestId(id)];
        message(RELIABLE, Primitive::FloorRelease, (10, 2), which)
    };
    server.handle_message(now, 2, &release(first));
    let (sent, _) = drained(&mut server, RELIABLE);
    assert_eq!(code(&sent[0].1), ErrorCode::NoRequest.number());
    server.handle_message(now, 2, &release(second));
    let (sent, presenters) = drained(&mut server, RELIABLE);
    assert_eq!(state(&sent[0].1), (second, RequestStatus::Released));
    assert_eq!(presenters, [None]);
}

#[test]
fn rfc8855_13_5_who_watches_hears_of_changes_over_udp_until_it_acknowledges() {
    let (begun, mut server) = (now(), server(FloorPolicy::Queue, Transport::Udp));
    let query = message(UNRELIABLE, Primitive::FloorQuery, (1, 3), floor());
    server.handle_message(begun, 3, &query);
    let (sent, _) = drained(&mut server, UNRELIABLE);
    assert_eq!(sent[0].1.primitive, Primitive::FloorStatus);
    assert!(sent[0].1.responds);
    server.handle_message(
        begun,
        1,
        &message(UNRELIABLE, Primitive::FloorRequest, (5, 1), floor()),
    );
    server.handle_timeout(begun);
    let (sent, _) = drained(&mut server, UNRELIABLE);
    let told = sent.iter().find(|(user, _)| *user == 3).unwrap().1.clone();
    assert_eq!(told.primitive, Primitive::FloorStatus);
    assert!(!told.responds && told.transaction != 0);
    assert_eq!(state(&told).1, RequestStatus::Granted);
    let later = begun + Duration::from_millis(600);
    server.handle_timeout(later);
    let (sent, _) = drained(&mut server, UNRELIABLE);
    assert_eq!(sent, [(3, told.clone())], "it comes again");
    let heard = message(
        UNRELIABLE,
        Primitive::FloorStatusAck,
        (told.transaction, 3),
        Vec::new(),
    );
    server.handle_message(later, 3, &heard);
    server.handle_timeout(begun + Duration::from_secs(9));
    assert!(drained(&mut server, UNRELIABLE).0.is_empty());
}

#[test]
fn rfc8855_8_3_a_client_that_never_answers_loses_the_floor() {
    let (begun, mut server) = (now(), server(FloorPolicy::TakeOver, Transport::Udp));
    let query = message(UNRELIABLE, Primitive::FloorQuery, (1, 1), floor());
    let ask = message(UNRELIABLE, Primitive::FloorRequest, (2, 1), floor());
    server.handle_message(begun, 1, &query);
    server.handle_message(begun, 1, &ask);
    assert_eq!(server.presenter(), Some(1));
    let mut sent = 0;
    for tenth in 0..90 {
        server.handle_timeout(begun + Duration::from_millis(100 * tenth));
        sent += drained(&mut server, UNRELIABLE).0.len();
    }
    assert_eq!(server.presenter(), None);
    // Two answers, and the status of the floor four times.
    assert_eq!(sent, 6);
    assert_eq!(server.metrics.silent.get(), 1);
}

#[test]
fn rfc8855_13_a_repeated_request_is_one_request() {
    let (now, mut server) = (now(), server(FloorPolicy::Queue, Transport::Udp));
    let ask = message(UNRELIABLE, Primitive::FloorRequest, (2, 1), floor());
    server.handle_message(now, 1, &ask);
    server.handle_message(now, 1, &ask);
    let (sent, presenters) = drained(&mut server, UNRELIABLE);
    assert_eq!(presenters, [Some(1)]);
    assert_eq!(sent[0], sent[1]);
    let again = message(UNRELIABLE, Primitive::FloorRequest, (3, 1), floor());
    server.handle_message(now, 1, &again);
    let (sent, _) = drained(&mut server, UNRELIABLE);
    assert_eq!(code(&sent[0].1), ErrorCode::TooManyRequests.number());
}

#[test]
fn rfc8855_13_8_who_has_no_right_is_told_so() {
    let (now, mut server) = (now(), server(FloorPolicy::TakeOver, Transport::Tcp));
    let mut refused = |primitive, ids, with| {
        server.handle_message(now, 1, &message(RELIABLE, primitive, ids, with));
        let (sent, _) = drained(&mut server, RELIABLE);
        assert_eq!(sent[0].1.primitive, Primitive::Error);
        code(&sent[0].1)
    };
    let ask = Primitive::FloorRequest;
    assert_eq!(refused(ask, (1, 2), floor()), ErrorCode::NoUser.number());
    let other = vec![Attribute::FloorId(9)];
    assert_eq!(
        refused(ask, (2, 1), other),
        ErrorCode::InvalidFloor.number()
    );
    let mut for_another = floor();
    for_another.push(Attribute::BeneficiaryId(2));
    let unauthorized = ErrorCode::Unauthorized.number();
    assert_eq!(refused(ask, (3, 1), for_another), unauthorized);
    let chair = Primitive::ChairAction;
    assert_eq!(refused(chair, (4, 1), Vec::new()), unauthorized);
    // Who waits in the lobby shows nothing.
    server.join(1, "Ann", false, Some(Transport::Tcp));
    server.handle_message(now, 1, &message(RELIABLE, ask, (5, 1), floor()));
    assert_eq!(code(&drained(&mut server, RELIABLE).0[0].1), unauthorized);
    server.present(1);
    assert_eq!(server.presenter(), None);
}

#[test]
fn who_speaks_no_bfcp_presents_by_sending_and_an_operator_can_end_it() {
    let mut server = server(FloorPolicy::TakeOver, Transport::Tcp);
    server.join(4, "browser", true, None);
    server.present(4);
    assert_eq!(server.presenter(), Some(4));
    assert!(server.revoke());
    assert_eq!(server.presenter(), None);
    assert!(!server.revoke());
    server.present(4);
    server.leave(4);
    let (_, presenters) = drained(&mut server, RELIABLE);
    assert_eq!(presenters, [Some(4), None, Some(4), None]);
}

proptest! {
    #[test]
    fn whatever_comes_the_server_answers_at_most_once_and_goes_on(
        datagrams in proptest::collection::vec(
            (1_u16..4, proptest::collection::vec(any::<u8>(), 0..64)), 0..40,
        ),
    ) {
        let (now, mut server) = (now(), server(FloorPolicy::Queue, Transport::Udp));
        for (user, mut octets) in datagrams {
            if let [first, _, high, low, ..] = octets.as_mut_slice() {
                (*first, *high) = (0x40, 0);
                *low %= 16;
            }
            server.handle_message(now, user, &octets);
            let mut sent = 0;
            while let Some(output) = server.poll_output() {
                sent += usize::from(matches!(output, FloorOutput::Send { .. }));
            }
            prop_assert!(sent <= 1);
        }
    }
}
