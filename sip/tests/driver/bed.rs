//! A driver under test, its transaction user, and a peer that speaks in plain text.

pub(crate) use crate::shell::within;

use crate::bounds::limits;
use crate::shell::shell as wide;
use bytes::Bytes;
use plenum_sip::driver::{Driver, SipHandle, TransactionUser};
use plenum_sip::endpoint::{Accept, Body, Config, Endpoint, Event, Events, OutOfDialog, Transport};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Headers, Method, NameAddr, StatusCode, Uri};
use plenum_sip::resolve::{Policy, Resolver};
use plenum_sip::transport::{Listen, ShellLimits, ShellMetrics, Transports};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What other tasks ask of the user: anything.
pub(crate) type Ask = Box<dyn FnOnce(Instant, &mut Endpoint) + Send>;

/// Accepts every call, answers every request with 200, and writes down what happens.
#[derive(Debug)]
pub(crate) struct Clerk {
    events: mpsc::Sender<String>,
    pub(crate) handled: u32,
}

impl TransactionUser for Clerk {
    type Command = Ask;

    fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event) {
        self.handled += 1;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the tests see the others as they are"
        )]
        let line = match event {
            Event::Invite { id, .. } => {
                let octets = Bytes::from_static(b"v=0\r\n");
                let body = Some(Body {
                    content_type: "application/sdp".into(),
                    octets,
                });
                let accept = Accept {
                    body,
                    ..Accept::default()
                };
                endpoint.accept(now, id, accept).unwrap();
                "invite".to_owned()
            }
            Event::Request { tx, request, .. } => {
                endpoint
                    .respond(now, tx, request.response(StatusCode::OK))
                    .unwrap();
                format!("request {}", request.method)
            }
            Event::Response { response, .. } => format!("response {}", response.status.code()),
            Event::Ended { cause, .. } => format!("ended {cause:?}"),
            Event::Acked { .. } => "acked".to_owned(),
            other => format!("{other:?}"),
        };
        self.events.try_send(line).unwrap();
    }

    fn handle_command(&mut self, now: Instant, endpoint: &mut Endpoint, command: Ask) {
        command(now, endpoint);
    }
}

pub(crate) struct Bed {
    pub(crate) addr: SocketAddr,
    pub(crate) handle: SipHandle<Ask>,
    pub(crate) events: mpsc::Receiver<String>,
    pub(crate) running: JoinHandle<Clerk>,
    pub(crate) metrics: ShellMetrics,
}

impl Bed {
    /// UDP and TCP on the same loopback address.
    pub(crate) fn new(ip: &str) -> Self {
        let metrics = ShellMetrics::default();
        // A port that is free for both.
        let port = loop {
            let udp = std::net::UdpSocket::bind((ip, 0)).unwrap();
            let port = udp.local_addr().unwrap().port();
            if std::net::TcpListener::bind((ip, port)).is_ok() {
                break port;
            }
        };
        let addr = SocketAddr::new(ip.parse().unwrap(), port);
        let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, addr });
        let transports = Transports::bind(&listen, &limits(), &shell(), &metrics).unwrap();
        let policy = Policy::new(transports.listening(), 8);
        let resolver = Resolver::with_servers(&[], policy, shell().resolve_timeout, [1; 32]);
        let endpoint = Endpoint::new(config(), [2; 32], Metrics::default());
        let (sender, events) = mpsc::channel(1000);
        let clerk = Clerk {
            events: sender,
            handled: 0,
        };
        let (driver, handle) = Driver::new(
            endpoint,
            clerk,
            transports,
            resolver,
            &shell(),
            metrics.clone(),
        );
        let running = tokio::spawn(driver.run());
        Self {
            addr,
            handle,
            events,
            running,
            metrics,
        }
    }

    pub(crate) async fn event(&mut self) -> String {
        within(self.events.recv())
            .await
            .expect("the driver is gone")
    }

    /// Sends a MESSAGE to this URI.
    pub(crate) async fn send_message(&self, uri: &str) {
        let uri: Uri = uri.parse().unwrap();
        let request = OutOfDialog {
            method: Method::Message,
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new("sip:clerk@plenum.test".parse().unwrap()),
            headers: Headers::default(),
            body: None,
            route: Vec::new(),
            contact: None,
            reach: plenum_sip::endpoint::Reach::default(),
        };
        let ask: Ask = Box::new(move |now, endpoint| {
            endpoint.request(now, request);
        });
        self.handle
            .command(ask)
            .await
            .map_err(|_| ())
            .expect("stopped");
    }
}

/// A request from a peer, complete enough for RFC 3261 §8.1.1.
pub(crate) fn request(method: &str, transport: &str, branch: &str, fields: &str) -> String {
    let number = if method == "BYE" { 2 } else { 1 };
    format!(
        "{method} sip:hall@plenum.test SIP/2.0\r\n\
         Via: SIP/2.0/{transport} peer.test;rport;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@peer.test>;tag=ft\r\nCall-ID: one@peer.test\r\n\
         CSeq: {number} {method}\r\nContact: <sip:a@127.0.0.1:9>\r\n{fields}Content-Length: 0\r\n\r\n"
    )
}

pub(crate) const TO: &str = "To: <sip:hall@plenum.test>\r\n";

/// The next datagram, as text.
pub(crate) async fn read(peer: &UdpSocket) -> String {
    let mut octets = vec![0; 65_535];
    let read = within(peer.recv(&mut octets)).await.unwrap();
    String::from_utf8(octets[..read].to_vec()).unwrap()
}

/// A header field of a message.
pub(crate) fn field(message: &str, name: &str) -> String {
    let line = message
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
        .to_owned()
}

fn config() -> Config {
    Config {
        user_agent: "Test".into(),
        allow: vec![
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Options,
            Method::Message,
        ],
        supported: Vec::new(),
        allow_events: Vec::new(),
        accept: vec!["application/sdp".into()],
        advertised: Vec::new(),
        times: plenum_sip::transaction::timer::Times::default(),
        session_expires: None,
        min_se: Duration::from_secs(90),
        refuse_spent_hops: false,
        events: Events::default(),
        limits: limits(),
    }
}

fn shell() -> ShellLimits {
    ShellLimits {
        command_queue: 2,
        ..wide()
    }
}
