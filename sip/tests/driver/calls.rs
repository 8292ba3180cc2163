//! Whole calls.

use crate::bed::{Bed, TO, field, read, request};
use tokio::net::UdpSocket;

#[tokio::test]
async fn invite_200_ack_bye_200() {
    let mut bed = Bed::new("127.0.0.1");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bed.addr).await.unwrap();
    peer.send(request("INVITE", "UDP", "1", TO).as_bytes())
        .await
        .unwrap();
    let answer = read(&peer).await;
    assert!(
        answer.starts_with("SIP/2.0 200 OK\r\n") && answer.ends_with("v=0\r\n"),
        "{answer}"
    );
    let to = format!("{}\r\n", field(&answer, "To"));
    let ack = request("ACK", "UDP", "2", &to);
    peer.send(ack.as_bytes()).await.unwrap();
    peer.send(request("BYE", "UDP", "3", &to).as_bytes())
        .await
        .unwrap();
    assert!(read(&peer).await.starts_with("SIP/2.0 200 OK\r\n"));
    for expected in ["invite", "acked", "ended Bye(None)"] {
        assert_eq!(bed.event().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn rfc3261_13_3_1_4_an_answer_is_repeated_by_the_clock_until_the_call_is_given_up() {
    let mut bed = Bed::new("127.0.0.1");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bed.addr).await.unwrap();
    peer.send(request("INVITE", "UDP", "1", TO).as_bytes())
        .await
        .unwrap();
    assert_eq!(bed.event().await, "invite");
    let started = tokio::time::Instant::now();
    assert_eq!(bed.event().await, "ended NoAck");
    assert_eq!(started.elapsed().as_secs(), 32);
    let mut answers = 0;
    while read(&peer).await.starts_with("SIP/2.0 200 OK\r\n") {
        answers += 1;
    }
    // At 0, 0.5, 1.5, 3.5, 7.5, and every 4 s until 31.5; then a BYE.
    assert_eq!(answers, 11);
}
