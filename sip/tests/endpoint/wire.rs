//! One endpoint, and a peer made of text.

use bytes::Bytes;
use plenum_sip::endpoint::{
    Advertised, Body, Branch, ClientTxId, Config, Endpoint, Event, Events, Flow, FlowId, Invite,
    InviteId, Output, Reach, ResolveId, Target, Transport, Via,
};
use plenum_sip::limits::{EventLimits, Limits};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Headers, Host, Method, NameAddr, Text, Uri};
use plenum_sip::transaction::timer::Times;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// One message that left.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) transport: Transport,
    pub(crate) to: SocketAddr,
    pub(crate) text: String,
    pub(crate) tx: Option<ClientTxId>,
}

pub(crate) struct Wire {
    pub(crate) endpoint: Endpoint,
    pub(crate) metrics: Metrics,
    pub(crate) now: Instant,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) expected: Vec<(FlowId, Duration)>,
    pub(crate) resolve: VecDeque<(ResolveId, Uri)>,
    pub(crate) flow: Flow,
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(adjust: impl Fn(&mut Config)) -> Self {
        let metrics = Metrics::default();
        let mut config = config();
        adjust(&mut config);
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: address("192.0.2.1:5060"),
            remote: address("192.0.2.9:5062"),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the origin"
        )]
        let now = Instant::now();
        Self {
            endpoint: Endpoint::new(config, [7; 32], metrics.clone()),
            metrics,
            now,
            sent: VecDeque::new(),
            events: VecDeque::new(),
            expected: Vec::new(),
            resolve: VecDeque::new(),
            flow,
        }
    }

    /// Collects what the endpoint wants done.
    pub(crate) fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                Output::Timeout(_) => break,
                Output::ExpectHeard { flow, within } => self.expected.push((flow, within)),
                Output::Event(event) => self.events.push_back(event),
                Output::Resolve { id, uri } => self.resolve.push_back((id, uri)),
                Output::Transmit { via, bytes, tx, .. } => {
                    let (transport, to) = match via {
                        Via::Flow(flow) => (flow.transport, flow.remote),
                        Via::Target(target) => (target.transport, target.remote),
                    };
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.sent.push_back(Sent {
                        transport,
                        to,
                        text,
                        tx,
                    });
                }
            }
        }
    }

    /// The peer sends this; line ends are made CRLF.
    pub(crate) fn say(&mut self, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        self.endpoint.handle_message(self.now, self.flow, bytes);
        self.drain();
    }

    /// What the endpoint sends next.
    pub(crate) fn hear(&mut self) -> Sent {
        self.drain();
        self.sent.pop_front().expect("silence")
    }

    /// The status of the response that the endpoint sends next.
    pub(crate) fn status(&mut self) -> u16 {
        let sent = self.hear();
        sent.text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn event(&mut self) -> Event {
        self.drain();
        self.events.pop_front().expect("no event")
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            self.drain();
            match self.endpoint.poll_output() {
                Output::Timeout(Some(at)) if at <= end => {
                    self.now = self.now.max(at);
                    self.endpoint.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// A call to this URI with an offer of this many octets.
    pub(crate) fn invite(&mut self, uri: &str, octets: usize, route: &[&str]) -> InviteId {
        self.invite_by(uri, octets, route, Reach::default())
    }

    /// A call to this URI and to other places.
    pub(crate) fn invite_forked(&mut self, uri: &str, forks: Vec<Branch>) -> InviteId {
        let reach = Reach {
            forks,
            ..Reach::default()
        };
        self.invite_by(uri, 10, &[], reach)
    }

    fn invite_by(&mut self, uri: &str, octets: usize, route: &[&str], reach: Reach) -> InviteId {
        let uri = Uri::parse(uri.as_bytes()).unwrap();
        let mut invite = Self::call(uri, octets, route);
        invite.reach = reach;
        let id = self.endpoint.invite(self.now, invite);
        self.drain();
        id
    }

    /// The same, not made yet.
    pub(crate) fn call(uri: Uri, octets: usize, route: &[&str]) -> Invite {
        let name = |text: &&str| NameAddr::parse(&Text::from(*text)).unwrap();
        let body = Body {
            content_type: Text::from_static("application/sdp"),
            octets: Bytes::from(vec![b'v'; octets]),
        };
        Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(Uri::parse(b"sip:me@example.org").unwrap()),
            contact: None,
            body: Some(body).filter(|_| octets > 0),
            headers: Headers::new(),
            route: route.iter().map(name).collect(),
            no_session: false,
            reach: Reach::default(),
        }
    }

    pub(crate) fn resolved(&mut self, targets: &[(Transport, &str)]) {
        let (id, _) = self.resolve.pop_front().expect("nothing to resolve");
        let target = |(transport, remote): &(Transport, &str)| Target {
            transport: *transport,
            remote: address(remote),
        };
        let targets = targets.iter().map(target).collect();
        self.endpoint.handle_resolved(self.now, id, targets);
        self.drain();
    }
}

fn config() -> Config {
    let advertised = |transport| Advertised {
        transport,
        host: Host::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port: Some(5060),
    };
    Config {
        user_agent: Text::from_static("wire"),
        allow: vec![
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Update,
            Method::Prack,
            Method::Info,
        ],
        supported: vec![Text::from_static("100rel"), Text::from_static("timer")],
        allow_events: vec![Text::from_static("conference")],
        accept: vec![Text::from_static("application/sdp")],
        advertised: vec![advertised(Transport::Udp), advertised(Transport::Tcp)],
        times: Times::default(),
        session_expires: None,
        min_se: Duration::from_secs(90),
        refuse_spent_hops: false,
        events: Events::default(),
        limits: Limits {
            message_bytes: 65_536,
            header_fields: 128,
            server_transactions: 20,
            invite_usages: 4,
            half_open_invites: 2,
            half_open_unproven: 1,
            unproven_repeats: 3,
            retry_after_s: 7,
            connections: 10,
            connections_per_source: 10,
            connection_idle: Duration::from_secs(600),
            write_queue_bytes: 65_536,
            ringing: Duration::from_secs(120),
            events: EventLimits::default(),
        },
    }
}

/// The value of the first header field of this name.
pub(crate) fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let field = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    text.lines()
        .find_map(field)
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// A request of the peer outside any dialog; `n` makes it another one.
pub(crate) fn request(method: &str, n: u32, extra: &str, body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\n"
    };
    format!(
        "{method} sip:room@192.0.2.1 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKpeer{n}\n\
         Max-Forwards: 70\n\
         From: <sip:peer@example.com>;tag=peer{n}\n\
         To: <sip:room@192.0.2.1>\n\
         Call-ID: call{n}@192.0.2.9\n\
         CSeq: 1 {method}\n\
         Contact: <sip:peer@192.0.2.9:5062>\n\
         {extra}{kind}Content-Length: {}\n\n{body}",
        body.len()
    )
}

/// A response of the peer to a request it heard.
pub(crate) fn response(to: &str, status: u16, tag: &str, extra: &str, body: &str) -> String {
    let copied = |name: &str| {
        let fields = to.lines().filter(|line| line.starts_with(name));
        fields.map(|line| format!("{line}\n")).collect::<String>()
    };
    let to_field = copied("To: ");
    let to_field = if tag.is_empty() || to_field.contains(";tag=") {
        to_field
    } else {
        format!("{};tag={tag}\n", to_field.trim_end())
    };
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\n"
    };
    format!(
        "SIP/2.0 {status} Some Reason\n{}{}{to_field}{}{}{extra}{kind}Content-Length: {}\n\n{body}",
        copied("Via: "),
        copied("From: "),
        copied("Call-ID: "),
        copied("CSeq: "),
        body.len()
    )
}
