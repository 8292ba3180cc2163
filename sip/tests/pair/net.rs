//! Two endpoints joined by a simulated network in virtual time. Everything follows from the seed.

use bytes::Bytes;
use plenum_sip::endpoint::{
    Accept, Advertised, Body, CommandError, Config, Contact, Endpoint, Event, Events, Flow, FlowId,
    Invite, InviteId, Output, Target, Transport, Via,
};
use plenum_sip::limits::{EventLimits, Limits};
use plenum_sip::metrics::Metrics;
use plenum_sip::msg::{Headers, Host, Method, NameAddr, Text, Uri};
use plenum_sip::transaction::timer::Times;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Datagrams lost, of a thousand.
    pub(crate) loss: u32,
    /// Datagrams that arrive twice, of a thousand.
    pub(crate) duplicated: u32,
    /// The shortest and longest time on the way, in milliseconds; the spread reorders.
    pub(crate) delay: (u64, u64),
}

pub(crate) const FAIR: Weather = Weather {
    loss: 0,
    duplicated: 0,
    delay: (10, 10),
};
pub(crate) const FOUL: Weather = Weather {
    loss: 150,
    duplicated: 100,
    delay: (5, 400),
};

pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) events: VecDeque<Event>,
    address: SocketAddr,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) peers: [Peer; 2],
    pub(crate) weather: Weather,
    pub(crate) transport: Transport,
    /// Datagrams that match are dropped: (sender, start of the message).
    pub(crate) blocked: Vec<(usize, &'static str)>,
    /// What went over the wire: milliseconds, sender, message.
    pub(crate) wire: Vec<(u64, usize, Bytes)>,
    on_the_way: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    rng: StdRng,
}

pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: 65_536,
        header_fields: 128,
        server_transactions: 1000,
        invite_usages: 100,
        half_open_invites: 50,
        half_open_unproven: 50,
        unproven_repeats: 3,
        retry_after_s: 5,
        connections: 10,
        connections_per_source: 10,
        connection_idle: Duration::from_secs(600),
        write_queue_bytes: 65_536,
        ringing: Duration::from_secs(120),
        events: EventLimits::default(),
    }
}

pub(crate) fn config(address: SocketAddr) -> Config {
    let host = Host::V4(Ipv4Addr::LOCALHOST);
    let advertised = [Transport::Udp, Transport::Tcp];
    Config {
        user_agent: Text::from_static("pair"),
        allow: vec![
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Update,
            Method::Prack,
            Method::Info,
            Method::Message,
        ],
        supported: vec![Text::from_static("100rel"), Text::from_static("timer")],
        allow_events: vec![],
        accept: vec![Text::from_static("application/sdp")],
        advertised: advertised
            .iter()
            .map(|transport| Advertised {
                transport: *transport,
                host: host.clone(),
                port: Some(address.port()),
            })
            .collect(),
        times: Times::default(),
        session_expires: Some(Duration::from_secs(90)),
        min_se: Duration::from_secs(90),
        refuse_spent_hops: false,
        events: Events::default(),
        limits: limits(),
    }
}

fn origin() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do as the origin"
    )]
    Instant::now()
}

impl Pair {
    pub(crate) fn new(seed: u64, weather: Weather) -> Self {
        Self::with(seed, weather, |_, _| ())
    }

    pub(crate) fn with(seed: u64, weather: Weather, adjust: impl Fn(usize, &mut Config)) -> Self {
        let now = origin();
        let peer = |index: usize, port| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut config = config(address);
            adjust(index, &mut config);
            let mut key = [0; 32];
            key[..8].copy_from_slice(&seed.to_be_bytes());
            key[8] = u8::try_from(index).unwrap();
            let endpoint = Endpoint::new(config, key, Metrics::default());
            Peer {
                endpoint,
                events: VecDeque::new(),
                address,
            }
        };
        Self {
            now,
            start: now,
            peers: [peer(0, 5060), peer(1, 5070)],
            weather,
            transport: Transport::Udp,
            blocked: Vec::new(),
            wire: Vec::new(),
            on_the_way: BTreeMap::new(),
            sent: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn at(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).unwrap()
    }

    /// A call from `from` to the other.
    pub(crate) fn invite(&mut self, from: usize, body: Option<Body>) -> InviteId {
        let now = self.now;
        let uri = self.uri(from);
        let alice = Uri::parse(b"sip:alice@example.org").unwrap();
        let invite = Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(alice),
            contact: None,
            body,
            headers: Headers::new(),
            route: vec![],
            no_session: false,
            reach: plenum_sip::endpoint::Reach::default(),
        };
        let id = self.peers[from].endpoint.invite(now, invite);
        self.drain();
        id
    }

    /// The URI of the other side, over the transport in use.
    pub(crate) fn uri(&self, from: usize) -> Uri {
        let transport = match self.transport {
            Transport::Tcp => ";transport=tcp",
            _ => "",
        };
        let uri = format!("sip:bob@{}{transport}", self.peers[1 - from].address);
        Uri::parse(uri.as_bytes()).unwrap()
    }

    /// Does something to an endpoint at the present instant.
    pub(crate) fn tell<T>(
        &mut self,
        who: usize,
        tell: impl FnOnce(&mut Endpoint, Instant) -> T,
    ) -> T {
        let answer = tell(&mut self.peers[who].endpoint, self.now);
        self.drain();
        answer
    }

    pub(crate) fn accept(
        &mut self,
        who: usize,
        id: InviteId,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        let contact = Some(Contact {
            user: Some(Text::from_static("room")),
            ..Contact::default()
        });
        let accept = Accept {
            body,
            contact,
            ..Accept::default()
        };
        self.tell(who, |endpoint, now| endpoint.accept(now, id, accept))
    }

    fn drain(&mut self) {
        for who in 0..2 {
            loop {
                match self.peers[who].endpoint.poll_output() {
                    Output::Timeout(_) => break,
                    Output::Event(event) => self.peers[who].events.push_back(event),
                    Output::Resolve { id, .. } => {
                        let remote = self.peers[1 - who].address;
                        let target = Target {
                            transport: self.transport,
                            remote,
                        };
                        self.peers[who]
                            .endpoint
                            .handle_resolved(self.now, id, vec![target]);
                    }
                    Output::Transmit { via, bytes, .. } => self.send(who, &via, bytes),
                    Output::ExpectHeard { .. } => {}
                }
            }
        }
    }

    fn send(&mut self, from: usize, via: &Via, bytes: Bytes) {
        let remote = match via {
            Via::Flow(flow) => flow.remote,
            Via::Target(target) => target.remote,
        };
        self.wire.push((self.at(), from, bytes.clone()));
        let to = usize::from(remote == self.peers[1].address);
        assert_eq!(remote, self.peers[to].address, "sent to nobody: {bytes:?}");
        let start = |start: &str| bytes.starts_with(start.as_bytes());
        if self
            .blocked
            .iter()
            .any(|(who, what)| *who == from && start(what))
        {
            return;
        }
        let reliable = self.transport.is_reliable();
        if !reliable && self.rng.random_range(0..1000) < self.weather.loss {
            return;
        }
        let copies = if !reliable && self.rng.random_range(0..1000) < self.weather.duplicated {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let (shortest, longest) = self.weather.delay;
            // A stream keeps its order: everything on it takes the same time.
            let delay = if reliable {
                shortest
            } else {
                self.rng.random_range(shortest..=longest)
            };
            self.sent += 1;
            let at = self.now + Duration::from_millis(delay);
            self.on_the_way.insert((at, self.sent), (to, bytes.clone()));
        }
    }

    fn next_timer(&mut self) -> Option<Instant> {
        let next = |peer: &mut Peer| match peer.endpoint.poll_output() {
            Output::Timeout(at) => at,
            other => panic!("not drained: {other:?}"),
        };
        let timers = [next(&mut self.peers[0]), next(&mut self.peers[1])];
        timers.into_iter().flatten().min()
    }

    /// Handles what is due next, unless that is after `deadline`.
    fn step(&mut self, deadline: Instant) -> bool {
        let arrival = self.on_the_way.keys().next().copied();
        let timer = self.next_timer();
        let packet_first = match (arrival, timer) {
            (None, None) => return false,
            (Some((at, _)), Some(timer)) => at <= timer,
            (Some(_), None) => true,
            (None, Some(_)) => false,
        };
        let at = if packet_first {
            arrival.map(|(at, _)| at)
        } else {
            timer
        }
        .unwrap();
        if at > deadline {
            return false;
        }
        self.now = self.now.max(at);
        if packet_first {
            let (to, bytes) = self.on_the_way.remove(&arrival.unwrap()).unwrap();
            let flow = Flow {
                id: FlowId(1),
                transport: self.transport,
                local: self.peers[to].address,
                remote: self.peers[1 - to].address,
            };
            self.peers[to]
                .endpoint
                .handle_message(self.now, flow, bytes);
        } else {
            self.peers[0].endpoint.handle_timeout(self.now);
            self.peers[1].endpoint.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    /// Lets this much time pass, or less if nothing more can happen.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        let deadline = self.now + Duration::from_millis(ms);
        while self.step(deadline) {}
        self.now = deadline;
    }

    /// Lets time pass until one of them has an event, at most this much.
    pub(crate) fn run_to_event(&mut self, ms: u64) {
        let deadline = self.now + Duration::from_millis(ms);
        while self.peers.iter().all(|peer| peer.events.is_empty()) {
            if !self.step(deadline) {
                self.now = deadline;
                return;
            }
        }
    }

    /// The next event of a peer, within ten seconds.
    pub(crate) fn next(&mut self, who: usize) -> Event {
        let deadline = self.now + Duration::from_secs(10);
        loop {
            if let Some(event) = self.peers[who].events.pop_front() {
                return event;
            }
            let log = self.wire.len();
            assert!(
                self.step(deadline),
                "no event for {who}; {log} messages so far"
            );
        }
    }

    /// The requests and responses that went over the wire, by start line, from `who`.
    pub(crate) fn start_lines(&self, who: usize) -> Vec<String> {
        let first_line = |bytes: &Bytes| {
            String::from_utf8_lossy(bytes)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let mine = self.wire.iter().filter(|(_, from, _)| *from == who);
        mine.map(|(_, _, bytes)| first_line(bytes)).collect()
    }

    /// How many messages that begin like this `who` has sent.
    pub(crate) fn count(&self, who: usize, start: &str) -> usize {
        self.start_lines(who)
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// The last message of `who` that begins like this.
    pub(crate) fn last(&self, who: usize, start: &str) -> String {
        let mut mine = self.wire.iter().rev().filter(|(_, from, _)| *from == who);
        let found = mine.find(|(_, _, bytes)| bytes.starts_with(start.as_bytes()));
        String::from_utf8_lossy(&found.expect(start).2).into_owned()
    }

    /// Lets every timer run out, and checks that nothing is left on either side.
    pub(crate) fn settle(&mut self) {
        self.run_ms(400_000);
        for (who, peer) in self.peers.iter().enumerate() {
            assert_eq!(
                peer.endpoint.counts(),
                Default::default(),
                "left on side {who}"
            );
        }
    }
}

pub(crate) fn sdp(text: &'static str) -> Option<Body> {
    Some(Body {
        content_type: Text::from_static("application/sdp"),
        octets: Bytes::from_static(text.as_bytes()),
    })
}

/// The octets of a body, for comparing.
pub(crate) fn text(body: &Option<Body>) -> &str {
    body.as_ref()
        .map_or("", |body| std::str::from_utf8(&body.octets).unwrap())
}
