//! SIP over WebSocket, with a client that we did not write.

use crate::bed::{Bed, OK, OPTIONS, limits, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use plenum_sip::endpoint::{ClientTxId, Flow, Target, Transport, Via};
use plenum_sip::transport::{Arrival, CloseReason, ClosedBy, Security};
use plenum_sip::websocket::Origins;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Browser = WebSocketStream<TcpStream>;

async fn open(addr: SocketAddr, protocol: &str, origin: Option<&str>) -> Result<Browser, Error> {
    let mut request = format!("ws://{addr}/").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    if let Some(origin) = origin {
        headers.insert("Origin", origin.parse().unwrap());
    }
    let stream = TcpStream::connect(addr).await.unwrap();
    within(client_async(request, stream))
        .await
        .map(|(browser, _)| browser)
}

fn bed() -> Bed {
    Bed::new(Transport::Ws, "127.0.0.1:0")
}

async fn opened(bed: &mut Bed) -> Browser {
    let addr = bed.addr();
    tokio::select! {
        browser = open(addr, "sip", None) => browser.unwrap(),
        other = bed.next() => panic!("{other:?}"),
    }
}

impl Bed {
    /// What the browser hears next, while the transports do their work.
    async fn browser_hears(&mut self, browser: &mut Browser) -> Message {
        tokio::select! {
            heard = within(browser.next()) => heard.unwrap().unwrap(),
            other = self.next() => panic!("unexpected {other:?}"),
        }
    }

    async fn browser_says(&mut self, browser: &mut Browser, message: Message) -> (Flow, Bytes) {
        browser.send(message).await.unwrap();
        self.message().await
    }

    fn sends(&mut self, flow: Flow, octets: &'static [u8]) {
        let octets = Bytes::from_static(octets);
        assert!(self.transports.send(Via::Flow(flow), octets, None));
    }
}

#[tokio::test]
async fn rfc7118_5_one_message_is_one_sip_message_as_text_or_binary() {
    let mut bed = bed();
    let mut browser = opened(&mut bed).await;
    let text = Message::text(std::str::from_utf8(OPTIONS).unwrap());
    let (flow, bytes) = bed.browser_says(&mut browser, text).await;
    assert_eq!((flow.transport, &bytes[..]), (Transport::Ws, OPTIONS));
    let binary = Message::binary(OPTIONS);
    assert_eq!(bed.browser_says(&mut browser, binary).await.1, OPTIONS);
    bed.sends(flow, OK);
    let heard = bed.browser_hears(&mut browser).await;
    assert_eq!(heard, Message::text(std::str::from_utf8(OK).unwrap()));
    // A body that is no UTF-8 cannot be text.
    bed.sends(flow, b"SIP/2.0 200 OK\r\nl: 1\r\n\r\n\xFF");
    assert!(bed.browser_hears(&mut browser).await.is_binary());
    // A request takes the connection that the browser has opened: there is no other way.
    let target = Target {
        transport: Transport::Ws,
        remote: flow.remote,
    };
    let request = Bytes::from_static(OPTIONS);
    let sent = bed
        .transports
        .send(Via::Target(target), request, Some(ClientTxId(1)));
    assert!(sent);
    assert!(bed.browser_hears(&mut browser).await.is_text());
    let (sent, received) = (bed.metrics.ws.sent.get(), bed.metrics.ws.received.get());
    assert_eq!((sent, received), (3, 2));
}

#[tokio::test]
async fn messages_of_every_length_go_through_both_ways() {
    let mut bed = bed();
    let mut browser = opened(&mut bed).await;
    for octets in [1, 125, 126, 127, 4096, 8192] {
        let payload = vec![b'x'; octets];
        let message = Message::binary(payload.clone());
        let (flow, bytes) = bed.browser_says(&mut browser, message).await;
        assert_eq!(bytes, payload);
        assert!(bed.transports.send(Via::Flow(flow), bytes, None));
        let heard = bed.browser_hears(&mut browser).await;
        assert_eq!(heard.into_data(), payload);
    }
    browser
        .send(Message::binary(vec![b'x'; 8193]))
        .await
        .unwrap();
    let heard = bed.browser_hears(&mut browser).await;
    let Message::Close(Some(close)) = heard else {
        panic!("{heard:?}");
    };
    assert_eq!(u16::from(close.code), 1009);
}

#[tokio::test]
async fn rfc7118_6_both_kinds_of_keep_alive_are_answered() {
    let mut bed = bed();
    let mut browser = opened(&mut bed).await;
    browser.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(bed.browser_hears(&mut browser).await, Message::text("\r\n"));
    let ping = Message::Ping(Bytes::from_static(b"there?"));
    browser.send(ping).await.unwrap();
    let pong = Message::Pong(Bytes::from_static(b"there?"));
    assert_eq!(bed.browser_hears(&mut browser).await, pong);
    assert_eq!(bed.metrics.ws.keep_alives.get(), 2);
}

#[tokio::test]
async fn rfc6455_5_5_1_a_close_is_answered_and_told() {
    let mut bed = bed();
    let mut browser = opened(&mut bed).await;
    browser.close(None).await.unwrap();
    assert!(bed.browser_hears(&mut browser).await.is_close());
    drop(browser);
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_answer_a_ping_is_gone() {
    let mut bed = Bed::with(
        Transport::Ws,
        "127.0.0.1:0",
        &plenum_sip::limits::Limits {
            connection_idle: std::time::Duration::from_secs(600),
            ..limits()
        },
    );
    let browser = opened(&mut bed).await;
    let started = tokio::time::Instant::now();
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    // Twice the time of bounds/shell.rs.
    assert!(started.elapsed() >= std::time::Duration::from_secs(39));
    let reason = CloseReason::Idle;
    let closed = bed
        .metrics
        .connections_closed
        .get_or_create(&ClosedBy { reason });
    assert_eq!(closed.get(), 1);
    drop(browser);
}

#[tokio::test]
async fn rfc7118_4_without_the_sub_protocol_there_is_no_websocket() {
    let mut bed = bed();
    let addr = bed.addr();
    let refused = tokio::select! {
        refused = open(addr, "xmpp", None) => refused,
        _ = async { loop { bed.next().await; } } => unreachable!("the bed goes on"),
    };
    let Err(Error::Http(response)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn rfc6455_10_2_only_the_pages_that_may_connect() {
    let security = Security {
        origins: Origins::Only(vec!["https://meet.test".to_owned()]),
        ..Security::default()
    };
    let mut bed = Bed::secured(Transport::Ws, "127.0.0.1:0", &limits(), security);
    let addr = bed.addr();
    let tried = async {
        let evil = open(addr, "sip", Some("https://evil.test")).await;
        let ours = open(addr, "sip", Some("https://meet.test")).await;
        let program = open(addr, "sip", None).await;
        (evil, ours.is_ok(), program.is_ok())
    };
    let (evil, ours, program) = tokio::select! {
        tried = tried => tried,
        _ = async { loop { bed.next().await; } } => unreachable!("the bed goes on"),
    };
    let Err(Error::Http(response)) = evil else {
        panic!("{evil:?}");
    };
    assert_eq!(
        (response.status().as_u16(), ours, program),
        (403, true, true)
    );
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_told() {
    let mut bed = bed();
    let mut peer = TcpStream::connect(bed.addr()).await.unwrap();
    peer.write_all(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        .await
        .unwrap();
    assert!(matches!(bed.next().await, Arrival::Closed(_)));
    let mut answer = String::new();
    within(peer.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn rfc6455_5_1_an_unmasked_frame_ends_the_connection() {
    let mut bed = bed();
    let browser = opened(&mut bed).await;
    let mut stream = browser.into_inner();
    stream.write_all(&[0x81, 1, b'x']).await.unwrap();
    let mut answer = Vec::new();
    let read = within(stream.read_to_end(&mut answer));
    tokio::select! {
        read = read => { read.unwrap(); }
        _ = async { loop { bed.next().await; } } => unreachable!("the bed goes on"),
    }
    assert_eq!(answer, [0x88, 2, 0x03, 0xEA]);
}
