//! The torture corpus against the endpoint, without a network: the column `wire` of
//! `tests/corpus/expect.tsv` (RFC 3261 §8.2, RFC 4475, RFC 5118).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may"
)]

mod bounds;

use bytes::Bytes;
use plenum_sip::endpoint::{
    Answer, Config, Endpoint, Event, Events, Flow, FlowId, Output, Transport, Via,
};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Method, Response, StatusCode};
use plenum_sip::transaction::timer::Times;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

/// An endpoint whose transaction user knows nobody: 404 to everything it is asked.
struct Server {
    endpoint: Endpoint,
    now: Instant,
}

impl Server {
    fn new() -> Self {
        let config = Config {
            user_agent: "torture".into(),
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
            times: Times::default(),
            session_expires: None,
            min_se: Duration::from_secs(90),
            refuse_spent_hops: false,
            events: Events::default(),
            limits: bounds::limits(),
        };
        let endpoint = Endpoint::new(config, [7; 32], Metrics::default());
        Self {
            endpoint,
            now: Instant::now(),
        }
    }

    /// The statuses of the responses to one datagram from this port, all of which must go back to it.
    fn hear(&mut self, octets: Vec<u8>, port: u16, name: &str) -> Vec<u16> {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local,
            remote,
        };
        self.endpoint
            .handle_message(self.now, flow, Bytes::from(octets));
        let mut statuses = Vec::new();
        loop {
            match self.endpoint.poll_output() {
                Output::Timeout(_) => return statuses,
                Output::ExpectHeard { .. } => panic!("{name}: expects keep-alives"),
                Output::Event(event) => self.refuse(event),
                Output::Resolve { .. } => panic!("{name}: asks the resolver"),
                Output::Transmit { via, bytes, .. } => {
                    let Via::Flow(back) = via else {
                        panic!("{name}: leaves the flow")
                    };
                    assert_eq!(back.remote, remote, "{name}");
                    // Not parsed: what was malformed in the request is so in what is copied.
                    let line = std::str::from_utf8(bytes.get(..12).unwrap()).unwrap();
                    let status = line.strip_prefix("SIP/2.0 ").unwrap().trim();
                    statuses.push(status.parse().unwrap());
                }
            }
        }
    }

    fn refuse(&mut self, event: Event) {
        let status = StatusCode::NOT_FOUND;
        if let Event::Request { tx, .. } = event {
            self.endpoint
                .respond(self.now, tx, Response::new(status))
                .unwrap();
        } else if let Event::Invite { id, .. } = event {
            self.endpoint
                .reject(self.now, id, Answer::new(status))
                .unwrap();
        }
    }
}

#[test]
fn every_message_of_the_corpus_is_answered_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let table = fs::read_to_string(folder.join("expect.tsv")).unwrap();
    let mut server = Server::new();
    let mut wrong = Vec::new();
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    for (row, port) in rows.zip(20_000..) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [file, _, wire, ..] = cells[..] else {
            panic!("bad row: {row}")
        };
        if wire == "-" {
            continue;
        }
        let mut finals = server.hear(fs::read(folder.join(file)).unwrap(), port, file);
        finals.retain(|status| *status >= 200);
        if !is_expected(wire, &finals) {
            wrong.push(format!("{file}: expected {wire}, got {finals:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let calm = fs::read(folder.join("no-space-before-angle.sip")).unwrap();
    let calm = String::from_utf8(calm)
        .unwrap()
        .replace("z9hG4bKtort", "z9hG4bKcalm");
    assert_eq!(server.hear(calm.into_bytes(), 19_999, "calm").len(), 1);
}

/// The values of the column `wire`, as `tests/corpus/README.md` has them.
fn is_expected(wire: &str, finals: &[u16]) -> bool {
    match (wire, finals) {
        ("silence", []) => true,
        ("silence", _) | (_, []) => false,
        (_, [_, _, ..]) => false,
        (wire, [status]) => wire.split('|').any(|value| match value {
            "answered" => ![400, 416, 505, 513].contains(status),
            value => value.parse() == Ok(*status),
        }),
    }
}
