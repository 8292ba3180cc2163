//! What a notification costs: a thousand subscribers, each told 2 KiB, by NOTIFY with its answer
//! and by BENOTIFY.
//!
//! Plain loops, the best of several rounds: `cargo bench -p plenum-sip --bench notify`.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    reason = "a benchmark reports to who runs it"
)]

use bytes::Bytes;
use plenum_sip::endpoint::{
    AcceptSubscription, Advertised, Body, Config, Endpoint, Event, Events, Flow, FlowId,
    Notification, NotifierId, Output, Transport,
};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Framing, Host, Message, Method, StatusCode, Text, parse};
use plenum_sip::transaction::timer::Times;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

#[path = "../tests/bounds/mod.rs"]
mod bounds;

const SUBSCRIBERS: u32 = 1000;

fn main() {
    for (name, supported) in [("NOTIFY", ""), ("BENOTIFY", "Supported: ms-benotify\r\n")] {
        let mut bed = Bed::new();
        let ids: Vec<NotifierId> = (0..SUBSCRIBERS)
            .map(|n| bed.subscribe(n, supported))
            .collect();
        let best = (0..10).map(|_| bed.round(&ids)).min().unwrap_or_default();
        let each = best.as_nanos() / u128::from(SUBSCRIBERS);
        println!("{name:<9} {each} ns each");
    }
}

struct Bed {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    roster: Body,
}

impl Bed {
    fn new() -> Self {
        let host = Host::V4(Ipv4Addr::LOCALHOST);
        let config = Config {
            user_agent: "bench".into(),
            allow: vec![Method::Subscribe],
            supported: vec![],
            allow_events: vec!["conference".into()],
            accept: vec![],
            advertised: vec![Advertised {
                transport: Transport::Tcp,
                host,
                port: Some(5060),
            }],
            times: Times::default(),
            session_expires: None,
            min_se: Duration::from_secs(90),
            refuse_spent_hops: false,
            events: Events::default(),
            limits: bounds::limits(),
        };
        Self {
            endpoint: Endpoint::new(config, [1; 32], Metrics::default()),
            now: instant(),
            flow: Flow {
                id: FlowId(1),
                transport: Transport::Tcp,
                local: SocketAddr::from((Ipv4Addr::LOCALHOST, 5060)),
                remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            },
            roster: Body {
                content_type: Text::from_static("application/conference-info+xml"),
                octets: Bytes::from(vec![b'x'; 2048]),
            },
        }
    }

    fn subscribe(&mut self, n: u32, supported: &str) -> NotifierId {
        let text = format!(
            "SUBSCRIBE sip:room@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/TCP 127.0.0.1:40000;branch=z9hG4bKs{n}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:ada{n}@example.com>;tag=a{n}\r\n\
             To: <sip:room@127.0.0.1>\r\n\
             Call-ID: s{n}@127.0.0.1\r\n\
             CSeq: 1 SUBSCRIBE\r\n\
             Contact: <sip:ada{n}@127.0.0.1:40000;transport=tcp>\r\n\
             Event: conference\r\n{supported}Content-Length: 0\r\n\r\n"
        );
        self.endpoint
            .handle_message(self.now, self.flow, text.into());
        let mut asked = None;
        while let Some(output) = self.next() {
            if let Output::Event(Event::Subscribe { tx, .. }) = output {
                asked = Some(tx);
            }
        }
        let accept = AcceptSubscription::default();
        let tx = asked.expect("a SUBSCRIBE is for its user");
        let id = self.endpoint.accept_subscription(self.now, tx, accept);
        while self.next().is_some() {}
        id.expect("it is accepted")
    }

    fn next(&mut self) -> Option<Output> {
        match self.endpoint.poll_output() {
            Output::Timeout(_) => None,
            other @ (Output::Transmit { .. }
            | Output::Resolve { .. }
            | Output::ExpectHeard { .. }
            | Output::Event(_)) => Some(other),
        }
    }

    /// Everybody is told; what the peers would do is not counted.
    fn round(&mut self, ids: &[NotifierId]) -> Duration {
        let mut spent = Duration::ZERO;
        for id in ids {
            let notification = Notification::of(self.roster.clone());
            let start = instant();
            self.endpoint
                .notify(self.now, *id, notification)
                .expect("it is sent");
            let sent = self.next();
            spent += instant() - start;
            let Some(Output::Transmit { bytes, tx, .. }) = sent else {
                panic!("a notification leaves at once");
            };
            if tx.is_none() {
                continue;
            }
            let limits = bounds::limits();
            let Ok(Message::Request(request)) = parse(bytes, &limits, Framing::Stream) else {
                panic!("it can be read");
            };
            let answer = request.response(StatusCode::OK).print();
            let start = instant();
            self.endpoint.handle_message(self.now, self.flow, answer);
            while self.next().is_some() {}
            spent += instant() - start;
        }
        spent
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn instant() -> Instant {
    Instant::now()
}
