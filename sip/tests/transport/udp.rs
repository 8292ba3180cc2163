//! Datagrams.

use crate::bed::{Bed, OK, OPTIONS, limits, shell, within};
use bytes::Bytes;
use plenum_sip::endpoint::{ClientTxId, Target, Transport, Via};
use plenum_sip::transport::{BindError, Listen, ShellMetrics, Transports};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

async fn echo(listen: &str, peer: &str) {
    let mut bed = Bed::new(Transport::Udp, listen);
    let peer = UdpSocket::bind(peer).await.unwrap();
    peer.send_to(OPTIONS, bed.addr()).await.unwrap();
    let (flow, bytes) = bed.message().await;
    assert_eq!(bytes, OPTIONS);
    assert_eq!(
        (flow.local, flow.remote),
        (bed.addr(), peer.local_addr().unwrap())
    );
    assert!(
        bed.transports
            .send(Via::Flow(flow), Bytes::from_static(OK), None)
    );
    let mut answer = [0; 100];
    let read = within(async {
        tokio::select! {
            read = peer.recv_from(&mut answer) => read.unwrap(),
            _ = bed.next() => panic!("nothing else was sent"),
        }
    });
    let (octets, from) = read.await;
    assert_eq!((&answer[..octets], from), (OK, bed.addr()));
}

#[tokio::test]
async fn echo_over_ipv4_and_ipv6() {
    echo("127.0.0.1:0", "127.0.0.1:0").await;
    echo("[::1]:0", "[::1]:0").await;
}

#[tokio::test]
async fn rfc3581_4_a_wildcard_socket_answers_from_the_address_that_was_reached() {
    for (listen, reached, peer) in [
        ("0.0.0.0:0", "127.0.0.2", "127.0.0.1:0"),
        ("0.0.0.0:0", "127.0.0.1", "127.0.0.1:0"),
        ("[::]:0", "::1", "[::1]:0"),
    ] {
        let mut bed = Bed::new(Transport::Udp, listen);
        let reached = SocketAddr::new(reached.parse().unwrap(), bed.addr().port());
        let peer = UdpSocket::bind(peer).await.unwrap();
        peer.send_to(OPTIONS, reached).await.unwrap();
        let (flow, _) = bed.message().await;
        assert_eq!(flow.local, reached);
        assert!(
            bed.transports
                .send(Via::Flow(flow), Bytes::from_static(OK), None)
        );
        let mut answer = [0; 100];
        let (octets, from) = within(peer.recv_from(&mut answer)).await.unwrap();
        assert_eq!((&answer[..octets], from), (OK, reached));
    }
}

#[tokio::test]
async fn a_target_is_reached_from_a_socket_of_its_family() {
    let metrics = ShellMetrics::default();
    let listen = ["127.0.0.1:0", "[::1]:0"].map(|addr| Listen {
        transport: Transport::Udp,
        addr: addr.parse().unwrap(),
    });
    let mut transports = Transports::bind(&listen, &limits(), &shell(), &metrics).unwrap();
    let mut arrivals = Vec::new();
    for (peer, ours) in [("127.0.0.1:0", 0), ("[::1]:0", 1)] {
        let peer = UdpSocket::bind(peer).await.unwrap();
        let remote = peer.local_addr().unwrap();
        let via = Via::Target(Target {
            transport: Transport::Udp,
            remote,
        });
        assert!(transports.send(via, Bytes::from_static(OPTIONS), None));
        let mut octets = [0; 100];
        let (_, from) = within(async {
            tokio::select! {
                read = peer.recv_from(&mut octets) => read.unwrap(),
                () = transports.receive(&mut arrivals) => panic!("nothing was sent to us"),
            }
        })
        .await;
        assert_eq!(from, transports.listening()[ours].addr);
    }
    let foreign = Target {
        transport: Transport::Udp,
        remote: "192.0.2.1:5060".parse().unwrap(),
    };
    let sent = transports.send(
        Via::Target(foreign),
        Bytes::from_static(OPTIONS),
        Some(ClientTxId(1)),
    );
    assert!(!sent, "a loopback socket reaches nobody else");
}

#[tokio::test]
async fn of_several_sockets_the_one_that_is_routed_to_the_target_sends() {
    let metrics = ShellMetrics::default();
    let listen = ["127.0.0.2:0", "127.0.0.1:0"].map(|addr| Listen {
        transport: Transport::Udp,
        addr: addr.parse().unwrap(),
    });
    let mut transports = Transports::bind(&listen, &limits(), &shell(), &metrics).unwrap();
    let peer = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let target = Target {
        transport: Transport::Udp,
        remote: peer.local_addr().unwrap(),
    };
    // A socket is writable once the loop has seen it, so the peer waits while the loop runs.
    assert!(transports.send(Via::Target(target), Bytes::from_static(OPTIONS), None));
    let mut octets = [0; 100];
    let (_, from) = within(async {
        tokio::select! {
            read = peer.recv_from(&mut octets) => read.unwrap(),
            () = async { transports.receive(&mut Vec::new()).await } => panic!("nothing was sent to us"),
        }
    })
    .await;
    assert_eq!(from, transports.listening()[1].addr);
}

#[tokio::test]
async fn keep_alives_are_counted_and_not_delivered() {
    let mut bed = Bed::new(Transport::Udp, "127.0.0.1:0");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for keep_alive in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b" "] {
        peer.send_to(keep_alive, bed.addr()).await.unwrap();
    }
    peer.send_to(OPTIONS, bed.addr()).await.unwrap();
    assert_eq!(bed.message().await.1, OPTIONS);
    assert_eq!(bed.metrics.udp.keep_alives.get(), 5);
    assert_eq!(bed.metrics.udp.received.get(), 1);
}

#[tokio::test]
async fn many_datagrams_at_once_arrive_in_batches_and_in_order() {
    let mut bed = Bed::new(Transport::Udp, "127.0.0.1:0");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for number in 0..100 {
        peer.send_to(format!("{number}").as_bytes(), bed.addr())
            .await
            .unwrap();
    }
    for number in 0..100 {
        assert_eq!(bed.message().await.1, format!("{number}"));
    }
}

#[tokio::test]
async fn a_datagram_beyond_the_largest_payload_fails_at_once() {
    let mut bed = Bed::new(Transport::Udp, "127.0.0.1:0");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.send_to(OPTIONS, bed.addr()).await.unwrap();
    let (flow, _) = bed.message().await;
    let huge = Bytes::from(vec![b'x'; 70_000]);
    assert!(
        !bed.transports
            .send(Via::Flow(flow), huge, Some(ClientTxId(7)))
    );
    assert_eq!(bed.metrics.udp.send_failures.get(), 1);
}

#[tokio::test]
async fn ipv6_sockets_leave_ipv4_to_others_and_a_taken_address_is_named() {
    let metrics = ShellMetrics::default();
    let bind = |addr: SocketAddr, transport| {
        Transports::bind(&[Listen { transport, addr }], &limits(), &shell(), &metrics)
    };
    for transport in [Transport::Udp, Transport::Tcp] {
        let v6 = bind("[::]:0".parse().unwrap(), transport).unwrap();
        let port = v6.listening()[0].addr.port();
        let v4 = bind(SocketAddr::new("0.0.0.0".parse().unwrap(), port), transport).unwrap();
        let taken = bind(v4.listening()[0].addr, transport).unwrap_err();
        assert!(matches!(taken, BindError::InUse(_)), "{taken:?}");
        assert!(
            taken.to_string().contains(&format!("0.0.0.0:{port}")),
            "{taken}"
        );
        let foreign = bind("192.0.2.1:0".parse().unwrap(), transport).unwrap_err();
        assert!(matches!(foreign, BindError::NotOurs(_)), "{foreign:?}");
    }
}

#[tokio::test]
async fn rfc5626_4_4_2_a_stun_keep_alive_is_answered_and_not_delivered() {
    let mut bed = Bed::new(Transport::Udp, "127.0.0.1:0");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    request.extend([7; 12]);
    peer.send_to(&request, bed.addr()).await.unwrap();
    let mut answer = [0; 100];
    let (octets, from) = tokio::select! {
        read = within(peer.recv_from(&mut answer)) => read.unwrap(),
        other = bed.next() => panic!("{other:?}"),
    };
    assert_eq!((octets, from), (32, bed.addr()));
    assert_eq!(answer[..2], [1, 1]);
    assert_eq!(bed.metrics.udp.keep_alives.get(), 1);
}
