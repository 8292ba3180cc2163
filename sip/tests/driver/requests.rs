//! Requests in and out.

use crate::bed::{Bed, TO, read, request, within};
use plenum_sip::transport::{Unresolved, UnresolvedBy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

#[tokio::test]
async fn rfc3261_11_2_options_is_answered_over_udp_on_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        let mut bed = Bed::new(ip);
        let peer = UdpSocket::bind((ip, 0)).await.unwrap();
        peer.connect(bed.addr).await.unwrap();
        peer.send(request("OPTIONS", "UDP", "1", TO).as_bytes())
            .await
            .unwrap();
        let answer = read(&peer).await;
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
        let port = peer.local_addr().unwrap().port();
        assert!(answer.contains(&format!("rport={port}")), "{answer}");
        assert_eq!(bed.event().await, "request OPTIONS");
        assert_eq!(
            (bed.metrics.udp.received.get(), bed.metrics.udp.sent.get()),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn pipelined_requests_over_tcp_are_answered_on_their_connection() {
    let bed = Bed::new("127.0.0.1");
    let mut peer = TcpStream::connect(bed.addr).await.unwrap();
    let requests = ["1", "2", "3"]
        .map(|branch| request("OPTIONS", "TCP", branch, TO))
        .concat();
    for piece in requests.as_bytes().chunks(5) {
        peer.write_all(piece).await.unwrap();
    }
    let mut answers = String::new();
    while answers.matches("SIP/2.0 200 OK\r\n").count() < 3 {
        let mut octets = [0; 4096];
        let read = within(peer.read(&mut octets)).await.unwrap();
        assert!(read > 0, "closed after {answers}");
        answers.push_str(std::str::from_utf8(&octets[..read]).unwrap());
    }
    assert_eq!(bed.metrics.connections.get(), 1);
}

#[tokio::test]
async fn rfc3261_18_3_a_message_without_length_is_refused_and_the_stream_closed() {
    let bed = Bed::new("127.0.0.1");
    let mut peer = TcpStream::connect(bed.addr).await.unwrap();
    let broken =
        request("OPTIONS", "TCP", "1", TO).replace("Content-Length: 0", "Content-Length: x");
    peer.write_all(broken.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(peer.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
}

#[tokio::test]
async fn a_request_to_a_numeric_host_is_sent_and_its_response_told() {
    let mut bed = Bed::new("127.0.0.1");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bed.addr).await.unwrap();
    bed.send_message(&format!("sip:peer@{}", peer.local_addr().unwrap()))
        .await;
    let request = read(&peer).await;
    assert!(request.starts_with("MESSAGE sip:peer@"), "{request}");
    let answer = request.split_once("\r\n").unwrap().1;
    let answer = format!("SIP/2.0 202 Accepted\r\n{answer}");
    peer.send(answer.as_bytes()).await.unwrap();
    assert_eq!(bed.event().await, "response 202");
}

#[tokio::test]
async fn rfc3261_8_1_3_1_a_refused_connection_is_a_503() {
    let mut bed = Bed::new("127.0.0.1");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:peer@{};transport=tcp", gone.local_addr().unwrap());
    drop(gone);
    bed.send_message(&uri).await;
    assert_eq!(bed.event().await, "response 503");
}

#[tokio::test]
async fn a_name_nobody_knows_is_a_503() {
    let mut bed = Bed::new("127.0.0.1");
    bed.send_message("sip:peer@nobody.invalid").await;
    assert_eq!(bed.event().await, "response 503");
    let failures = bed.metrics.resolve_failures.clone();
    let count = move |reason| failures.get_or_create(&UnresolvedBy { reason }).get();
    assert_eq!(count(Unresolved::NotFound) + count(Unresolved::TimedOut), 1);
    bed.send_message("sip:peer@127.0.0.1;transport=sctp").await;
    assert_eq!(bed.event().await, "response 503");
    assert_eq!(count(Unresolved::Unsupported), 1);
}
