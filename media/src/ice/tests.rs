//! Two agents in virtual time over a network of the test's own, with NATs in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::*;
use super::candidate::{Candidate, Kind, priority};
use super::stun::{Class, Key, Message, Method, TransactionId, Writer, kind};
use super::*;
use crate::metrics::Metrics;
use crate::sdp::ice::IceDescription;

const MS: Duration = Duration::from_millis(1);

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
fn start() -> Instant {
    Instant::now()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// One side: an agent and the addresses of its sockets.
struct Side {
    agent: IceAgent,
    sockets: Vec<SocketAddr>,
    credentials: Credentials,
    lite: bool,
    metrics: Arc<Metrics>,
    events: Vec<Event>,
}

impl Side {
    fn new(name: u8, lite: bool, sockets: &[&str]) -> Self {
        let credentials = credentials(name);
        let metrics = Arc::new(Metrics::default());
        let sockets: Vec<SocketAddr> = sockets.iter().map(|s| address(s)).collect();
        let locals = sockets.iter().enumerate().map(|(at, address)| {
            let socket = u8::try_from(at).unwrap();
            let component = socket % 2 + 1;
            let candidate = Candidate {
                foundation: format!("{}", socket / 2),
                component,
                priority: priority(Kind::Host, 65_535 - u16::from(socket / 2), component),
                address: *address,
                kind: Kind::Host,
                related: None,
            };
            Local {
                path: Path {
                    socket,
                    relayed: false,
                },
                candidate,
            }
        });
        let agent = IceAgent::new(Config {
            lite,
            credentials: credentials.clone(),
            seed: [name; 32],
            locals: locals.collect(),
            relays: Vec::new(),
            expected_from: None,
            limits: Limits::default(),
            metrics: Arc::clone(&metrics),
        });
        Self {
            agent,
            sockets,
            credentials,
            lite,
            metrics,
            events: Vec::new(),
        }
    }

    fn description(&self) -> IceDescription {
        IceDescription {
            ufrag: self.credentials.ufrag.clone(),
            pwd: self.credentials.pwd.clone(),
            lite: self.lite,
            ice2: true,
            mismatch: false,
            candidates: self
                .agent
                .locals
                .iter()
                .map(|l| l.candidate.clone())
                .collect(),
            end_of_candidates: true,
            remote_candidates: Vec::new(),
            ignored: 0,
        }
    }

    fn selected(&self) -> Vec<SocketAddr> {
        (1..=2)
            .filter_map(|c| Some(self.agent.route(c)?.1))
            .collect()
    }
}

fn credentials(name: u8) -> Credentials {
    Credentials {
        ufrag: format!("frag{name}"),
        pwd: format!("password-of-agent-no-{name:04}"),
    }
}

/// Two sides; datagrams take 10 ms. `nat` maps an inner address to the one seen outside, and lets in only who was
/// sent to (address and port dependent filtering).
struct Net {
    now: Instant,
    sides: [Side; 2],
    wire: Vec<(Instant, usize, SocketAddr, SocketAddr, Vec<u8>)>,
    nat: BTreeMap<SocketAddr, SocketAddr>,
    opened: Vec<(SocketAddr, SocketAddr)>,
    cut: bool,
}

impl Net {
    fn new(a: Side, b: Side) -> Self {
        Self {
            now: start(),
            sides: [a, b],
            wire: Vec::new(),
            nat: BTreeMap::new(),
            opened: Vec::new(),
            cut: false,
        }
    }

    fn agree(&mut self, offerer: usize, rtcp_mux: bool) {
        let descriptions = [self.sides[0].description(), self.sides[1].description()];
        for at in [1 - offerer, offerer] {
            let agreed = Negotiated {
                local: self.sides[at].credentials.clone(),
                remote: descriptions[1 - at].clone(),
                offered: at == offerer,
                rtcp_mux,
            };
            self.sides[at].agent.apply(self.now, &agreed);
        }
    }

    fn drain(&mut self) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for at in 0..2 {
            loop {
                match self.sides[at].agent.poll_output() {
                    Output::Transmit { socket, to, bytes } => {
                        let from = self.sides[at].sockets[usize::from(socket)];
                        self.opened.push((from, to));
                        let from = self.nat.get(&from).copied().unwrap_or(from);
                        self.wire.push((self.now + 10 * MS, at, from, to, bytes));
                    }
                    Output::Event(event) => self.sides[at].events.push(event),
                    Output::Timeout(due) => {
                        next = earlier(next, due);
                        break;
                    }
                }
            }
        }
        earlier(next, self.wire.iter().map(|(at, ..)| *at).min())
    }

    fn deliver(&mut self) {
        let (due, later) = std::mem::take(&mut self.wire)
            .into_iter()
            .partition(|(at, ..)| *at <= self.now);
        self.wire = later;
        let due: Vec<(Instant, usize, SocketAddr, SocketAddr, Vec<u8>)> = due;
        for (_, by, from, to, bytes) in due {
            let side = &mut self.sides[1 - by];
            let inner = side
                .sockets
                .iter()
                .position(|socket| match self.nat.get(socket) {
                    Some(outer) => *outer == to && self.opened.contains(&(*socket, from)),
                    None => *socket == to,
                });
            if let Some(socket) = inner.filter(|_| !self.cut) {
                let socket = u8::try_from(socket).unwrap();
                side.agent.handle_datagram(self.now, socket, from, &bytes);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.drain().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.deliver();
            for side in &mut self.sides {
                side.agent.handle_timeout(self.now);
            }
        }
        self.now = end;
    }
}

#[test]
fn rfc8445_2_5_a_full_agent_behind_a_nat_reaches_a_lite_one_which_learns_its_address() {
    let phone = Side::new(1, false, &["10.0.0.2:4000", "10.0.0.2:4001"]);
    let server = Side::new(2, true, &["192.0.2.1:5000", "192.0.2.1:5001"]);
    let mut net = Net::new(phone, server);
    net.nat
        .insert(address("10.0.0.2:4000"), address("203.0.113.9:61000"));
    net.nat
        .insert(address("10.0.0.2:4001"), address("203.0.113.9:61007"));
    net.agree(0, false);
    net.run(Duration::from_secs(3));
    assert!(net.sides[0].agent.is_controlling() && !net.sides[1].agent.is_controlling());
    assert_eq!(
        net.sides[0].selected(),
        [address("192.0.2.1:5000"), address("192.0.2.1:5001")]
    );
    assert_eq!(
        net.sides[1].selected(),
        [address("203.0.113.9:61000"), address("203.0.113.9:61007")]
    );
}

#[test]
fn rfc8445_6_1_1_a_full_answerer_controls_a_lite_offerer() {
    let lite = Side::new(1, true, &["192.0.2.1:5000"]);
    let full = Side::new(2, false, &["198.51.100.2:4000"]);
    let mut net = Net::new(lite, full);
    net.agree(0, true);
    net.run(Duration::from_secs(2));
    assert!(net.sides[1].agent.is_controlling());
    assert_eq!(net.sides[0].selected(), [address("198.51.100.2:4000")]);
}

#[test]
fn rfc8445_7_two_full_agents_agree_on_the_best_pair_of_each_component() {
    let a = Side::new(
        1,
        false,
        &[
            "192.0.2.1:5000",
            "192.0.2.1:5001",
            "[2001:db8::1]:5000",
            "[2001:db8::1]:5001",
        ],
    );
    let b = Side::new(
        2,
        false,
        &[
            "198.51.100.2:4000",
            "198.51.100.2:4001",
            "[2001:db8::2]:4000",
            "[2001:db8::2]:4001",
        ],
    );
    let mut net = Net::new(a, b);
    net.agree(0, false);
    net.run(Duration::from_secs(5));
    assert_eq!(
        net.sides[0].selected(),
        [address("198.51.100.2:4000"), address("198.51.100.2:4001")]
    );
    assert_eq!(
        net.sides[1].selected(),
        [address("192.0.2.1:5000"), address("192.0.2.1:5001")]
    );
}

#[test]
fn rfc8421_where_ipv4_does_not_get_through_ipv6_is_taken() {
    let a = Side::new(
        1,
        false,
        &["192.0.2.1:5000", "192.0.2.1:5001", "[2001:db8::1]:5000"],
    );
    let b = Side::new(
        2,
        false,
        &[
            "198.51.100.2:4000",
            "198.51.100.2:4001",
            "[2001:db8::2]:4000",
        ],
    );
    let mut net = Net::new(a, b);
    // Addresses that are not where the candidates say.
    net.sides[0].sockets[0] = address("192.0.2.66:1");
    net.sides[1].sockets[0] = address("192.0.2.77:1");
    net.agree(0, true);
    net.run(Duration::from_secs(5));
    assert_eq!(net.sides[0].selected(), [address("[2001:db8::2]:4000")]);
    assert_eq!(net.sides[1].selected(), [address("[2001:db8::1]:5000")]);
}

#[test]
fn rfc8445_7_3_1_1_a_role_conflict_is_settled() {
    for (first, second) in [(true, true), (false, false)] {
        let a = Side::new(1, false, &["192.0.2.1:5000"]);
        let b = Side::new(2, false, &["198.51.100.2:4000"]);
        let mut net = Net::new(a, b);
        let descriptions = [net.sides[0].description(), net.sides[1].description()];
        for (at, offered) in [(0, first), (1, second)] {
            let agreed = Negotiated {
                local: net.sides[at].credentials.clone(),
                remote: descriptions[1 - at].clone(),
                offered,
                rtcp_mux: true,
            };
            net.sides[at].agent.apply(net.now, &agreed);
        }
        net.run(Duration::from_secs(5));
        let roles = [
            net.sides[0].agent.is_controlling(),
            net.sides[1].agent.is_controlling(),
        ];
        assert_ne!(roles[0], roles[1]);
        assert_eq!(
            net.sides[0].selected().len() + net.sides[1].selected().len(),
            2
        );
    }
}

#[test]
fn rfc8445_8_2_two_lite_agents_use_each_others_best_candidate() {
    let a = Side::new(1, true, &["192.0.2.1:5000"]);
    let b = Side::new(2, true, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.agree(0, true);
    net.run(Duration::from_secs(1));
    assert_eq!(net.sides[0].selected(), [address("198.51.100.2:4000")]);
    assert!(net.wire.is_empty());
}

#[test]
fn rfc8445_8_1_1_when_nothing_works_the_agent_says_so_once() {
    let a = Side::new(1, false, &["192.0.2.1:5000"]);
    let b = Side::new(2, false, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.cut = true;
    net.agree(0, true);
    net.run(Duration::from_secs(60));
    assert_eq!(net.sides[0].events, [Event::Failed]);
    assert_eq!(net.sides[0].metrics.ice_failed.get(), 1);
}

#[test]
fn rfc7675_5_1_without_consent_media_ends_after_thirty_seconds() {
    let a = Side::new(1, false, &["192.0.2.1:5000"]);
    let b = Side::new(2, true, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.agree(0, true);
    net.run(Duration::from_secs(300));
    assert_eq!(net.sides[0].events.len(), 1, "five minutes with consent");
    net.cut = true;
    net.run(Duration::from_secs(25));
    assert!(net.sides[0].agent.route(1).is_some());
    net.run(Duration::from_secs(15));
    assert_eq!(net.sides[0].events.last(), Some(&Event::ConsentLost));
    assert_eq!(net.sides[0].agent.route(1), None);
    assert_eq!(net.sides[0].metrics.consent_lost.get(), 1);
    assert_eq!(net.sides[1].events.last(), Some(&Event::ConsentLost));
}

#[test]
fn rfc7675_3_to_a_lite_agent_a_peer_whose_media_comes_is_there() {
    let a = Side::new(1, false, &["192.0.2.1:5000"]);
    let b = Side::new(2, true, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.agree(0, true);
    net.run(Duration::from_secs(2));
    net.cut = true;
    for _ in 0..6 {
        let now = net.now;
        net.sides[1].agent.handle_media(now);
        net.run(Duration::from_secs(20));
    }
    assert!(net.sides[1].agent.route(1).is_some());
}

#[test]
fn rfc8445_9_a_restart_moves_media_and_keeps_the_old_way_until_then() {
    let a = Side::new(1, false, &["192.0.2.1:5000"]);
    let b = Side::new(2, true, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.agree(0, true);
    net.run(Duration::from_secs(2));
    // The phone changed its network, and says so with new credentials.
    net.sides[0].sockets[0] = address("203.0.113.50:7000");
    net.sides[0].credentials = credentials(3);
    net.sides[1].credentials = credentials(4);
    net.agree(0, true);
    assert_eq!(net.sides[1].selected(), [address("192.0.2.1:5000")]);
    net.run(Duration::from_secs(2));
    assert_eq!(net.sides[1].selected(), [address("203.0.113.50:7000")]);
    assert_eq!(net.sides[1].events.len(), 2);
    assert_eq!(net.sides[0].events.len(), 1, "for the phone nothing moved");
}

/// A check as some peer of [`Side`] 2 makes it.
fn check(key: &Key, more: impl Fn(Writer) -> Writer) -> Vec<u8> {
    let id = TransactionId([9; 12]);
    let writer = Writer::new(Class::Request, Method::BINDING, id)
        .attribute(kind::USERNAME, b"frag2:frag1")
        .attribute(kind::PRIORITY, &1_845_501_695_u32.to_be_bytes())
        .attribute(kind::ICE_CONTROLLING, &[1; 8]);
    more(writer).integrity(key).fingerprint()
}

fn answers(side: &mut Side, now: Instant, from: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let inbound = side.agent.handle_datagram(now, 0, address(from), bytes);
    assert_eq!(inbound, Inbound::Consumed);
    let mut sent = Vec::new();
    while let Output::Transmit { bytes, to, .. } = side.agent.poll_output() {
        assert_eq!(to, address(from));
        sent.push(bytes);
    }
    sent
}

#[test]
fn rfc8445_7_3_whoever_does_not_know_the_name_fragment_gets_nothing() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let id = TransactionId([9; 12]);
    let bare = Writer::new(Class::Request, Method::BINDING, id).fingerprint();
    let key = Key::short_term("guess");
    let stranger = Writer::new(Class::Request, Method::BINDING, id)
        .attribute(kind::USERNAME, b"fragX:frag1")
        .integrity(&key)
        .fingerprint();
    let unprinted = Writer::new(Class::Request, Method::BINDING, id)
        .attribute(kind::USERNAME, b"frag2:frag1")
        .integrity(&key)
        .finish();
    for bytes in [&bare[..], &stranger, &unprinted, &[0, 1, 0, 0], &bare[..19]] {
        assert_eq!(
            answers(&mut side, now, "203.0.113.66:1", bytes),
            Vec::<Vec<u8>>::new()
        );
    }
    assert_eq!(side.metrics.stun_refused.get(), 3);
    assert_eq!(side.metrics.stun_malformed.get(), 2);
}

#[test]
fn rfc8489_9_1_3_a_wrong_password_gets_401_and_moves_nothing() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let bytes = check(&Key::short_term("guess"), |w| {
        w.attribute(kind::USE_CANDIDATE, &[])
    });
    let sent = answers(&mut side, now, "203.0.113.66:1", &bytes);
    let answer = Message::parse(&sent[0]).unwrap();
    assert_eq!(
        (answer.class, answer.error_code()),
        (Class::Error, Some(401))
    );
    assert!(sent[0].len() <= bytes.len(), "no amplification");
    assert!(side.early_is_empty());
}

impl Side {
    fn early_is_empty(&self) -> bool {
        self.agent.early.is_empty()
    }
}

#[test]
fn rfc8489_6_3_1_an_attribute_that_must_be_understood_gets_420() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let key = Key::short_term(&credentials(2).pwd);
    let bytes = check(&key, |w| w.attribute(0x7123, &[]));
    let sent = answers(&mut side, now, "203.0.113.66:1", &bytes);
    let answer = Message::parse(&sent[0]).unwrap();
    assert_eq!(answer.error_code(), Some(420));
    assert_eq!(
        answer.attribute(kind::UNKNOWN_ATTRIBUTES),
        Some(&[0x71, 0x23][..])
    );
    assert!(answer.is_signed_with(&key));
}

#[test]
fn rfc8445_7_3_checks_before_the_answer_are_answered_and_remembered() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let key = Key::short_term(&credentials(2).pwd);
    let bytes = check(&key, |w| w.attribute(kind::USE_CANDIDATE, &[]));
    let sent = answers(&mut side, now, "203.0.113.7:9", &bytes);
    let answer = Message::parse(&sent[0]).unwrap();
    assert_eq!(
        answer.xor_address(kind::XOR_MAPPED_ADDRESS),
        Some(address("203.0.113.7:9"))
    );
    assert!(answer.is_signed_with(&key) && answer.has_fingerprint());
    let remote = Side::new(1, false, &["10.0.0.1:4000"]).description();
    let agreed = Negotiated {
        local: credentials(2),
        remote,
        offered: true,
        rtcp_mux: true,
    };
    side.agent.apply(now, &agreed);
    assert_eq!(side.selected(), [address("203.0.113.7:9")]);
}

#[test]
fn rfc5245_8_1_1_2_of_all_pairs_an_aggressive_peer_nominates_the_best_is_used() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let key = Key::short_term(&credentials(2).pwd);
    let remote = Side::new(1, false, &["10.0.0.1:4000"]).description();
    let agreed = Negotiated {
        local: credentials(2),
        remote,
        offered: false,
        rtcp_mux: true,
    };
    side.agent.apply(now, &agreed);
    let nominate = |priority: u32| {
        let writer = Writer::new(Class::Request, Method::BINDING, TransactionId([9; 12]))
            .attribute(kind::USERNAME, b"frag2:frag1")
            .attribute(kind::PRIORITY, &priority.to_be_bytes())
            .attribute(kind::USE_CANDIDATE, &[]);
        writer.integrity(&key).fingerprint()
    };
    answers(&mut side, now, "203.0.113.7:1", &nominate(1_000));
    assert_eq!(side.selected(), [address("203.0.113.7:1")]);
    answers(&mut side, now, "203.0.113.7:2", &nominate(2_000));
    answers(&mut side, now, "203.0.113.7:3", &nominate(1_500));
    assert_eq!(side.selected(), [address("203.0.113.7:2")]);
    // The best one falls silent: the peer has another network now.
    let later = now + Duration::from_secs(6);
    answers(&mut side, later, "203.0.113.7:3", &nominate(1_500));
    assert_eq!(side.selected(), [address("203.0.113.7:3")]);
}

#[test]
fn rfc8445_answers_are_limited_in_number() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    let key = Key::short_term(&credentials(2).pwd);
    let bytes = check(&key, |w| w);
    let flood = |side: &mut Side, now| {
        (0..500)
            .map(|_| answers(side, now, "203.0.113.7:9", &bytes).len())
            .sum::<usize>()
    };
    assert_eq!(flood(&mut side, now), 100);
    assert_eq!(side.metrics.stun_limited.get(), 400);
    assert_eq!(flood(&mut side, now + Duration::from_secs(1)), 100);
}

#[test]
fn rfc7983_7_what_is_not_stun_is_media() {
    let (now, mut side) = (start(), Side::new(2, true, &["192.0.2.1:5000"]));
    for first in [20, 63, 128, 191, 200] {
        let inbound = side
            .agent
            .handle_datagram(now, 0, address("203.0.113.7:9"), &[first, 1, 2]);
        let path = Path {
            socket: 0,
            relayed: false,
        };
        assert_eq!(
            inbound,
            Inbound::Media {
                from: address("203.0.113.7:9"),
                path,
                range: 0..3
            }
        );
    }
}

#[test]
fn limits_a_peer_with_many_addresses_makes_no_more_pairs_than_allowed() {
    let a = Side::new(1, false, &["192.0.2.1:5000"]);
    let b = Side::new(2, true, &["198.51.100.2:4000"]);
    let mut net = Net::new(a, b);
    net.agree(0, true);
    let key = Key::short_term(&credentials(1).pwd);
    for port in 1..500_u16 {
        let bytes = Writer::new(Class::Request, Method::BINDING, TransactionId([9; 12]))
            .attribute(kind::USERNAME, b"frag1:frag2")
            .attribute(kind::PRIORITY, &u32::from(port).to_be_bytes())
            .integrity(&key)
            .fingerprint();
        let from = SocketAddr::new("203.0.113.1".parse().unwrap(), port);
        net.now += 20 * MS;
        net.sides[0].agent.handle_datagram(net.now, 0, from, &bytes);
    }
    assert!(net.sides[0].agent.checks.pairs.len() <= Limits::default().pairs);
    net.run(Duration::from_secs(10));
    assert_eq!(net.sides[0].selected(), [address("198.51.100.2:4000")]);
}
