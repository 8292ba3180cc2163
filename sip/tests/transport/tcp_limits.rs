//! Streams: what a peer cannot make us hold.

use crate::bed::{Bed, OK, OPTIONS, limits, within};
use bytes::Bytes;
use plenum_sip::endpoint::{ClientTxId, Target, Transport, Via};
use plenum_sip::limits::Limits;
use plenum_sip::transport::{Arrival, CloseReason, ClosedBy, Refusal, RefusedBy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_slow_reader_is_closed_and_holds_up_nobody() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut slow = TcpStream::connect(bed.addr()).await.unwrap();
    slow.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    let chunk = Bytes::from(vec![b'x'; 8192]);
    let mut sent = 0u32;
    while bed.transports.send(Via::Flow(flow), chunk.clone(), None) {
        sent += 1;
        assert!(sent < 100_000, "the queue has no bound");
        tokio::task::yield_now().await;
    }
    let mut other = TcpStream::connect(bed.addr()).await.unwrap();
    other.write_all(OPTIONS).await.unwrap();
    let (mut closed, mut served) = (false, false);
    while !(closed && served) {
        match bed.next().await {
            Arrival::Closed(id) => closed |= id == flow.id,
            Arrival::Message(..) => served = true,
            Arrival::SendFailed(_) | Arrival::NotSecured(..) | Arrival::Certified(..) => {
                panic!("no request was sent")
            }
        }
    }
    let reason = ClosedBy {
        reason: CloseReason::SlowReader,
    };
    assert_eq!(
        bed.metrics.connections_closed.get_or_create(&reason).get(),
        1
    );
}

async fn refused(limits: &Limits, bound: Refusal) {
    let mut bed = Bed::with(Transport::Tcp, "127.0.0.1:0", limits);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
        peer.write_all(OPTIONS).await.unwrap();
        bed.message().await;
        kept.push(peer);
    }
    let mut third = TcpStream::connect(bed.addr()).await.unwrap();
    let mut octets = [0; 10];
    tokio::select! {
        read = within(third.read(&mut octets)) => assert_eq!(read.unwrap(), 0),
        other = bed.next() => panic!("unexpected {other:?}"),
    }
    assert_eq!(
        bed.metrics
            .connections_refused
            .get_or_create(&RefusedBy { bound })
            .get(),
        1
    );
    // A place that becomes free is given again.
    kept.pop();
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    let mut fourth = TcpStream::connect(bed.addr()).await.unwrap();
    fourth.write_all(OPTIONS).await.unwrap();
    bed.message().await;
    assert_eq!(bed.metrics.connections.get(), 2);
}

#[tokio::test]
async fn connections_are_bounded_in_total_and_by_source() {
    refused(
        &Limits {
            connections: 2,
            ..limits()
        },
        Refusal::Total,
    )
    .await;
    refused(
        &Limits {
            connections_per_source: 2,
            ..limits()
        },
        Refusal::Source,
    )
    .await;
}

#[tokio::test]
async fn a_new_connection_of_ours_counts_too() {
    let mut bed = Bed::with(
        Transport::Tcp,
        "127.0.0.1:0",
        &Limits {
            connections: 0,
            ..limits()
        },
    );
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        transport: Transport::Tcp,
        remote: peer.local_addr().unwrap(),
    };
    let request = Bytes::from_static(OPTIONS);
    assert!(
        !bed.transports
            .send(Via::Target(target), request, Some(ClientTxId(1)))
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_traffic_keeps_it_open() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    let started = tokio::time::Instant::now();
    tokio::time::advance(limits().connection_idle / 2).await;
    peer.write_all(OPTIONS).await.unwrap();
    bed.message().await;
    assert!(matches!(bed.next().await, Arrival::Closed(id) if id == flow.id));
    assert!(started.elapsed() >= limits().connection_idle * 3 / 2);
    let reason = ClosedBy {
        reason: CloseReason::Idle,
    };
    assert_eq!(
        bed.metrics.connections_closed.get_or_create(&reason).get(),
        1
    );
}

/// The clock stands still only while nothing is on its way: it would jump to the next alarm.
#[tokio::test]
async fn rfc5626_4_4_who_has_promised_keep_alives_is_closed_without_them() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    // Sooner than any connection without traffic is closed.
    let silence = limits().connection_idle * 3 / 4;
    bed.transports.expect_heard(flow.id, silence);
    let ok = Bytes::from_static(OK);
    assert!(bed.transports.send(Via::Flow(flow), ok.clone(), None));
    let mut answer = vec![0; OK.len()];
    peer.read_exact(&mut answer).await.unwrap();
    let started = tokio::time::Instant::now();
    tokio::time::pause();
    tokio::time::advance(silence * 2 / 3).await;
    tokio::time::resume();
    peer.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    tokio::select! {
        read = peer.read_exact(&mut pong) => assert_eq!(read.unwrap(), 2),
        other = bed.next() => panic!("{other:?}"),
    }
    // What we send keeps nobody alive.
    assert!(bed.transports.send(Via::Flow(flow), ok, None));
    peer.read_exact(&mut answer).await.unwrap();
    tokio::time::pause();
    assert!(matches!(bed.next().await, Arrival::Closed(id) if id == flow.id));
    assert!(started.elapsed() >= silence * 5 / 3);
    let reason = ClosedBy {
        reason: CloseReason::Silent,
    };
    let closed = bed.metrics.connections_closed.get_or_create(&reason);
    assert_eq!(closed.get(), 1);
}

#[tokio::test]
async fn an_endless_head_closes_the_connection() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(&[b'a'; 5000]).await.unwrap();
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    let reason = ClosedBy {
        reason: CloseReason::Framing,
    };
    assert_eq!(
        bed.metrics.connections_closed.get_or_create(&reason).get(),
        1
    );
}
