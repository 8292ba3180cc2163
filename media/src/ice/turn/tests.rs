//! The client against a server of the test's own, message by message.

use super::*;

const SEED: [u8; 32] = [7; 32];

/// A server that wants the user `user` with the password `secret`.
struct Server {
    nonce: &'static str,
    key: Key,
}

fn config(password: &str) -> TurnConfig {
    TurnConfig {
        server: "192.0.2.5:3478".parse().unwrap(),
        user: "user".to_owned(),
        password: password.to_owned(),
        seed: SEED,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
fn start() -> Instant {
    Instant::now()
}

impl Server {
    fn new() -> Self {
        Self {
            nonce: "one",
            key: Key::long_term("user", "realm", "secret"),
        }
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let message = Message::parse(request).unwrap();
        let nonce = message.attribute(kind::NONCE);
        let error = |code, reason: &str| {
            Writer::new(Class::Error, message.method, message.id)
                .error_code(code, reason)
                .attribute(kind::REALM, b"realm")
                .attribute(kind::NONCE, self.nonce.as_bytes())
                .finish()
        };
        if !message.is_signed_with(&self.key) {
            return error(401, "Unauthorized");
        }
        if nonce != Some(self.nonce.as_bytes()) {
            return error(438, "Stale Nonce");
        }
        let relayed = "198.51.100.1:50000".parse().unwrap();
        let mapped = "203.0.113.1:1234".parse().unwrap();
        Writer::new(Class::Success, message.method, message.id)
            .xor_address(kind::XOR_RELAYED_ADDRESS, relayed)
            .xor_address(kind::XOR_MAPPED_ADDRESS, mapped)
            .attribute(kind::LIFETIME, &600_u32.to_be_bytes())
            .integrity(&self.key)
            .fingerprint()
    }
}

/// Lets the two talk until both are silent; the events and when something is due next.
fn talk(
    now: Instant,
    client: &mut TurnClient,
    server: &Server,
) -> (Vec<TurnOutput>, Option<Instant>) {
    let mut events = Vec::new();
    loop {
        match client.poll_output() {
            TurnOutput::Transmit(bytes) => {
                client.handle_datagram(now, &server.answer(&bytes));
            }
            event @ (TurnOutput::Allocated { .. } | TurnOutput::Failed(_)) => events.push(event),
            TurnOutput::Timeout(at) => return (events, at),
        }
    }
}

fn allocated(now: Instant, server: &Server) -> TurnClient {
    let mut client = TurnClient::new(now, config("secret"));
    let (events, _) = talk(now, &mut client, server);
    assert!(
        matches!(events[..], [TurnOutput::Allocated { .. }]),
        "{events:?}"
    );
    client
}

#[test]
fn rfc8656_7_an_allocation_is_made_with_credentials_and_refreshed() {
    let (now, mut server) = (start(), Server::new());
    let mut client = allocated(now, &server);
    assert_eq!(client.relayed(), "198.51.100.1:50000".parse().ok());
    // The nonce goes stale (RFC 8489 §9.2.5); nobody notices.
    server.nonce = "two";
    let later = now + Duration::from_secs(300);
    client.handle_timeout(later);
    let (events, next) = talk(later, &mut client, &server);
    assert_eq!(events, []);
    assert_eq!(next, Some(later + Duration::from_secs(300)));
}

#[test]
fn rfc8489_9_2_5_wrong_credentials_are_said_so_and_not_tried_for_ever() {
    let now = start();
    let mut client = TurnClient::new(now, config("wrong"));
    let (events, next) = talk(now, &mut client, &Server::new());
    assert_eq!(events, [TurnOutput::Failed(TurnFailure::Credentials)]);
    assert_eq!(next, None);
    assert!(!format!("{client:?}").contains("wrong"));
}

#[test]
fn rfc8489_6_2_1_a_silent_server_is_given_up() {
    let mut now = start();
    let mut client = TurnClient::new(now, config("secret"));
    let mut sent = 0;
    loop {
        match client.poll_output() {
            TurnOutput::Transmit(_) => sent += 1,
            TurnOutput::Allocated { .. } => panic!(),
            TurnOutput::Failed(failure) => {
                assert_eq!((failure, sent), (TurnFailure::NoAnswer, 7));
                return;
            }
            TurnOutput::Timeout(at) => {
                now = at.unwrap();
                client.handle_timeout(now);
            }
        }
    }
}

#[test]
fn rfc8656_12_data_goes_by_channels_once_they_are_bound() {
    let (now, server) = (start(), Server::new());
    let mut client = allocated(now, &server);
    let peer: SocketAddr = "198.51.100.77:4000".parse().unwrap();
    let mut packet = b"early".to_vec();
    client.wrap(peer, &mut packet);
    let message = Message::parse(&packet).unwrap();
    assert_eq!(
        (message.class, message.method),
        (Class::Indication, Method::SEND)
    );
    assert_eq!(message.attribute(kind::DATA), Some(&b"early"[..]));
    client.permit(now, peer);
    client.permit(now, peer);
    let (_, next) = talk(now, &mut client, &server);
    assert_eq!(next, Some(now + REBIND), "permissions last five minutes");
    let mut packet = b"late!".to_vec();
    client.wrap(peer, &mut packet);
    assert_eq!(packet, b"\x40\x00\x00\x05late!");
    let inbound = client.handle_datagram(now, &packet);
    assert_eq!(inbound, TurnInbound::Data { peer, range: 4..9 });
    assert_eq!(
        client.handle_datagram(now, b"\x40\x01\x00\x05late!"),
        TurnInbound::Consumed
    );
    assert_eq!(
        client.handle_datagram(now, b"\x40\x00\x00\x06late!"),
        TurnInbound::Consumed
    );
    let other: SocketAddr = "198.51.100.77:4002".parse().unwrap();
    let indication = Writer::new(Class::Indication, Method::DATA, TransactionId([1; 12]))
        .xor_address(kind::XOR_PEER_ADDRESS, other)
        .attribute(kind::DATA, b"hello")
        .finish();
    match client.handle_datagram(now, &indication) {
        TurnInbound::Data { peer, range } => {
            assert_eq!((peer, &indication[range]), (other, &b"hello"[..]));
        }
        TurnInbound::Consumed => panic!(),
    }
}

#[test]
fn rfc8656_8_an_allocation_is_given_back() {
    let (now, server) = (start(), Server::new());
    let mut client = allocated(now, &server);
    client.close(now);
    let TurnOutput::Transmit(bytes) = client.poll_output() else {
        panic!();
    };
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        (message.method, message.number(kind::LIFETIME)),
        (Method::REFRESH, Some(0))
    );
    assert_eq!(client.poll_output(), TurnOutput::Timeout(None));
    assert_eq!(client.relayed(), None);
}

#[test]
fn rfc8489_9_2_5_an_unsigned_success_is_not_believed() {
    let now = start();
    let (server, mut client) = (Server::new(), TurnClient::new(now, config("secret")));
    let TurnOutput::Transmit(first) = client.poll_output() else {
        panic!();
    };
    client.handle_datagram(now, &server.answer(&first));
    let TurnOutput::Transmit(second) = client.poll_output() else {
        panic!();
    };
    let forged = Server {
        nonce: "one",
        key: Key::long_term("user", "realm", "guess"),
    };
    let id = Message::parse(&second).unwrap().id;
    let forged = Writer::new(Class::Success, Method::ALLOCATE, id)
        .xor_address(
            kind::XOR_RELAYED_ADDRESS,
            "198.51.100.66:1".parse().unwrap(),
        )
        .xor_address(kind::XOR_MAPPED_ADDRESS, "198.51.100.66:1".parse().unwrap())
        .integrity(&forged.key)
        .fingerprint();
    client.handle_datagram(now, &forged);
    assert_eq!(client.relayed(), None);
    client.handle_datagram(now, &server.answer(&second));
    assert!(client.relayed().is_some());
}
