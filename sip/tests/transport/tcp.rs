//! Streams: framing, reuse, ends.

use crate::bed::{Bed, OK, OPTIONS, within};
use bytes::Bytes;
use plenum_sip::endpoint::{ClientTxId, Target, Transport, Via};
use plenum_sip::transport::{Arrival, CloseReason, ClosedBy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

impl Bed {
    fn closed(&self, reason: CloseReason) -> u64 {
        self.metrics
            .connections_closed
            .get_or_create(&ClosedBy { reason })
            .get()
    }

    /// The next octets the peer reads, while the transports do their work.
    async fn peer_reads(&mut self, peer: &mut TcpStream, octets: usize) -> Vec<u8> {
        let mut read = vec![0; octets];
        tokio::select! {
            done = within(peer.read_exact(&mut read)) => { done.unwrap(); }
            other = self.next() => panic!("unexpected {other:?}"),
        }
        read
    }
}

#[tokio::test]
async fn pipelined_and_bytewise_messages_arrive_whole_on_ipv4_and_ipv6() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let mut bed = Bed::new(Transport::Tcp, listen);
        let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
        peer.set_nodelay(true).unwrap();
        peer.write_all(&OPTIONS.repeat(3)).await.unwrap();
        for _ in 0..3 {
            let (flow, bytes) = bed.message().await;
            assert_eq!(bytes, OPTIONS);
            assert_eq!(
                (flow.local, flow.remote),
                (bed.addr(), peer.local_addr().unwrap())
            );
        }
        for octet in OPTIONS {
            peer.write_all(&[*octet]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(bed.message().await.1, OPTIONS);
        assert_eq!(bed.metrics.tcp.received.get(), 4);
    }
}

#[tokio::test]
async fn rfc5626_3_5_1_a_ping_gets_a_pong() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(bed.peer_reads(&mut peer, 2).await, b"\r\n");
    assert_eq!(bed.metrics.tcp.keep_alives.get(), 1);
}

#[tokio::test]
async fn rfc3261_18_2_2_responses_and_requests_take_the_connection_the_peer_opened() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    assert!(
        bed.transports
            .send(Via::Flow(flow), Bytes::from_static(OK), None)
    );
    assert_eq!(bed.peer_reads(&mut peer, OK.len()).await, OK);
    let target = Target {
        transport: Transport::Tcp,
        remote: peer.local_addr().unwrap(),
    };
    let request = Bytes::from_static(OPTIONS);
    assert!(
        bed.transports
            .send(Via::Target(target), request, Some(ClientTxId(1)))
    );
    assert_eq!(bed.peer_reads(&mut peer, OPTIONS.len()).await, OPTIONS);
    assert_eq!(bed.metrics.connections.get(), 1);
}

#[tokio::test]
async fn rfc3261_18_1_1_requests_to_one_target_share_one_new_connection() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        transport: Transport::Tcp,
        remote: peer.local_addr().unwrap(),
    };
    for _ in 0..2 {
        let sent = bed
            .transports
            .send(Via::Target(target), Bytes::from_static(OPTIONS), None);
        assert!(sent);
    }
    let (mut stream, _) = within(peer.accept()).await.unwrap();
    assert_eq!(
        bed.peer_reads(&mut stream, 2 * OPTIONS.len()).await,
        OPTIONS.repeat(2)
    );
    stream.write_all(OK).await.unwrap();
    let (flow, bytes) = bed.message().await;
    assert_eq!(bytes, OK);
    assert_eq!(
        (flow.local, flow.remote),
        (stream.peer_addr().unwrap(), target.remote)
    );
    assert_eq!(bed.metrics.connections.get(), 1);
}

#[tokio::test]
async fn rfc3261_18_2_2_a_response_to_a_closed_connection_opens_a_new_one() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        transport: Transport::Tcp,
        remote: listener.local_addr().unwrap(),
    };
    assert!(
        bed.transports
            .send(Via::Target(target), Bytes::from_static(OPTIONS), None)
    );
    let (mut first, _) = within(listener.accept()).await.unwrap();
    first.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    drop(first);
    assert!(matches!(bed.next().await, Arrival::Closed(id) if id == flow.id));
    assert!(
        bed.transports
            .send(Via::Flow(flow), Bytes::from_static(OK), None)
    );
    let (mut second, _) = within(listener.accept()).await.unwrap();
    assert_eq!(bed.peer_reads(&mut second, OK.len()).await, OK);
}

#[tokio::test]
async fn a_refused_connection_fails_every_request_that_waited_for_it() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        transport: Transport::Tcp,
        remote: gone.local_addr().unwrap(),
    };
    drop(gone);
    for number in 0..3 {
        let request = Bytes::from_static(OPTIONS);
        assert!(
            bed.transports
                .send(Via::Target(target), request, Some(ClientTxId(number)))
        );
    }
    for number in 0..3 {
        assert!(matches!(bed.next().await, Arrival::SendFailed(ClientTxId(tx)) if tx == number));
    }
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    assert_eq!(bed.closed(CloseReason::ConnectFailed), 1);
    assert_eq!(bed.metrics.connections.get(), 0);
}

#[tokio::test]
async fn a_stream_that_cannot_be_framed_gets_its_answer_and_is_closed() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nl: x\r\n\r\nrest")
        .await
        .unwrap();
    let (flow, bytes) = bed.message().await;
    assert_eq!(bytes, "OPTIONS sip:a@b SIP/2.0\r\nl: x\r\n\r\n");
    assert!(
        bed.transports
            .send(Via::Flow(flow), Bytes::from_static(OK), None)
    );
    assert_eq!(bed.peer_reads(&mut peer, OK.len()).await, OK);
    assert!(matches!(bed.next().await, Arrival::Closed(id) if id == flow.id));
    assert_eq!(within(peer.read(&mut [0; 10])).await.unwrap(), 0);
    assert_eq!(bed.closed(CloseReason::Framing), 1);
}

#[tokio::test]
async fn a_peer_that_only_stopped_sending_still_gets_its_answer() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    peer.shutdown().await.unwrap();
    let (flow, _) = bed.message().await;
    assert!(
        bed.transports
            .send(Via::Flow(flow), Bytes::from_static(OK), None)
    );
    assert_eq!(bed.peer_reads(&mut peer, OK.len()).await, OK);
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    assert_eq!(bed.closed(CloseReason::Peer), 1);
}

#[tokio::test]
async fn what_is_queued_is_written_before_we_stop() {
    let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(OPTIONS).await.unwrap();
    let (flow, _) = bed.message().await;
    for _ in 0..100 {
        assert!(
            bed.transports
                .send(Via::Flow(flow), Bytes::from_static(OK), None)
        );
    }
    let addr = bed.addr();
    let mut read = Vec::new();
    let (end, ()) = tokio::join!(within(peer.read_to_end(&mut read)), bed.transports.finish());
    end.unwrap();
    assert_eq!(read, OK.repeat(100));
    assert!(TcpStream::connect(addr).await.is_err());
}
