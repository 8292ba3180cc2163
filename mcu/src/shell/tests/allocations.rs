//! What a TURN server keeps for us.

use super::*;
use crate::shell::{Ice, Nat, Servers, TurnLogin};
use plenum_media::ice::stun::{Class, Message, Method, Writer, kind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A TURN server that grants everything and counts what is given back (RFC 8656 §8: a lifetime of 0).
fn serve(socket: &UdpSocket, over: &AtomicBool, given_back: &AtomicUsize) {
    let mut buffer = [0; 2_048];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let request = Message::parse(&buffer[..length]).unwrap();
        if request.method == Method::REFRESH && request.number(kind::LIFETIME) == Some(0) {
            given_back.fetch_add(1, Ordering::Relaxed);
        }
        let granted = Writer::new(Class::Success, request.method, request.id)
            .xor_address(kind::XOR_RELAYED_ADDRESS, ([192, 0, 2, 9], 50_000).into())
            .xor_address(kind::XOR_MAPPED_ADDRESS, from)
            .attribute(kind::LIFETIME, &600_u32.to_be_bytes());
        socket.send_to(&granted.fingerprint(), from).unwrap();
    }
}

#[test]
fn rfc8656_8_a_refused_offer_gives_its_allocations_back() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let turn = TurnLogin {
        server: socket.local_addr().unwrap().to_string(),
        user: "user".to_owned(),
        password: "secret".to_owned(),
    };
    let (over, given_back) = (AtomicBool::new(false), AtomicUsize::new(0));
    let config = Config {
        bind_v4: Some(Ipv4Addr::LOCALHOST),
        ports: 41_540..=41_559,
        workers: 1,
        nat: Nat {
            ice: Ice::Full,
            servers: Servers {
                stun: None,
                turn: Some(turn),
            },
            ..Nat::default()
        },
        ..Config::default()
    };
    // A codec that nobody here speaks, from a peer that does ICE.
    let offer = Bytes::from_static(
        b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
          m=audio 9 RTP/AVP 18\r\na=ice-ufrag:peer\r\na=ice-pwd:0123456789012345678901\r\n",
    );
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&socket, &over, &given_back));
        let (send, events) = sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| drop(send.try_send(event)));
        let mut bench = Bench::with_config(config, limits(), sink, events);
        bench.create(ROOM);
        let found = (0..400).any(|n| {
            let add = Action::Add {
                endpoint: EndpointId(n),
                offer: Some(offer.clone()),
                settings: settings(),
            };
            bench.run(ROOM, add).0.unwrap_err();
            std::thread::sleep(Duration::from_millis(50));
            given_back.load(Ordering::Relaxed) > 0
        });
        over.store(true, Ordering::Relaxed);
        assert!(found, "nothing was given back");
    });
}
