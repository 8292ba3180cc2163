//! Our TURN client, STUN client and ICE agent against coturn, over real sockets of this machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test with real sockets waits for a real server; a panic is how it fails"
)]

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_media::ice::candidate::{Candidate, Kind, priority};
use plenum_media::ice::gather::{GatherOutput, Gatherer};
use plenum_media::ice::turn::{TurnConfig, TurnFailure};
use plenum_media::ice::{
    Config, Credentials, IceAgent, Inbound, Limits, Local, Negotiated, Output, Path,
};
use plenum_media::metrics::Metrics;
use plenum_media::sdp::ice::IceDescription;

/// A coturn with the user `user` and the password `secret`.
struct Coturn {
    child: Child,
    address: SocketAddr,
}

impl Coturn {
    fn start() -> Self {
        let free = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let port = free.port().to_string();
        let pid = std::env::temp_dir().join(format!("turn-{}-{port}.pid", std::process::id()));
        let child = Command::new("turnserver")
            .args([
                "-n",
                "--listening-ip",
                "127.0.0.1",
                "--relay-ip",
                "127.0.0.1",
            ])
            .args([
                "--listening-port",
                &port,
                "--lt-cred-mech",
                "--user",
                "user:secret",
            ])
            .args([
                "--realm",
                "plenum.test",
                "--allow-loopback-peers",
                "--no-cli",
                "--no-tls",
            ])
            .args([
                "--no-dtls",
                "--no-tcp",
                "--no-rfc5780",
                "--log-file",
                "stdout",
                "--pidfile",
            ])
            .arg(pid)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("turnserver: {error}; apt install coturn"));
        Self {
            child,
            address: free,
        }
    }

    fn login(&self, password: &str) -> TurnConfig {
        TurnConfig {
            server: self.address,
            user: "user".to_owned(),
            password: password.to_owned(),
            seed: rand_seed(),
        }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Different in each test, so that no transaction looks like a repetition of another.
fn rand_seed() -> [u8; 32] {
    let mut seed = [7; 32];
    let since = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    for (octet, time) in seed.iter_mut().zip(since.as_nanos().to_be_bytes()) {
        *octet = time;
    }
    seed
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let wait = Some(Duration::from_millis(5));
    socket.set_read_timeout(wait).unwrap();
    socket
}

/// Gathers until all is done; the failure where there is one.
fn gather(socket: &UdpSocket, gatherer: &mut Gatherer) -> Option<TurnFailure> {
    let mut failure = None;
    let mut buffer = [0; 1_500];
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        match gatherer.poll_output() {
            GatherOutput::Transmit { to, bytes } => {
                socket.send_to(&bytes, to).unwrap();
            }
            GatherOutput::Complete(_) => return failure,
            GatherOutput::StunFailed => panic!("no answer by STUN"),
            GatherOutput::TurnFailed(why) => failure = Some(why),
            GatherOutput::Timeout(_) => match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    gatherer.handle_datagram(Instant::now(), from, datagram);
                }
                Err(_) => gatherer.handle_timeout(Instant::now()),
            },
        }
    }
    panic!("gathering does not end");
}

#[test]
fn rfc8656_coturn_gives_a_reflexive_and_a_relayed_address() {
    let coturn = Coturn::start();
    let socket = socket();
    let turn = Some(coturn.login("secret"));
    let mut gatherer = Gatherer::new(Instant::now(), Some(coturn.address), turn, rand_seed());
    assert_eq!(gather(&socket, &mut gatherer), None);
    let gathered = gatherer.gathered();
    assert_eq!(gathered.mapped, socket.local_addr().ok(), "there is no NAT");
    let relayed = gathered.relayed.unwrap();
    assert!(relayed.ip().is_loopback() && relayed != socket.local_addr().unwrap());
}

#[test]
fn rfc8489_9_2_5_coturn_refuses_a_wrong_password() {
    let coturn = Coturn::start();
    let turn = Some(coturn.login("wrong"));
    let mut gatherer = Gatherer::new(Instant::now(), None, turn, rand_seed());
    assert_eq!(
        gather(&socket(), &mut gatherer),
        Some(TurnFailure::Credentials)
    );
}

struct Side {
    agent: IceAgent,
    socket: UdpSocket,
    heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl Side {
    fn new(
        lite: bool,
        credentials: &Credentials,
        gatherer: Option<Gatherer>,
        socket: UdpSocket,
    ) -> Self {
        let relay = gatherer.and_then(Gatherer::into_turn);
        let (kind, address) = match &relay {
            Some(relay) => (Kind::Relayed, relay.relayed().unwrap()),
            None => (Kind::Host, socket.local_addr().unwrap()),
        };
        let candidate = Candidate {
            foundation: "1".to_owned(),
            component: 1,
            priority: priority(kind, 65_535, 1),
            address,
            kind,
            related: None,
        };
        let path = Path {
            socket: 0,
            relayed: relay.is_some(),
        };
        let agent = IceAgent::new(Config {
            lite,
            credentials: credentials.clone(),
            seed: rand_seed(),
            locals: vec![Local { path, candidate }],
            relays: relay.map(|relay| (0, relay)).into_iter().collect(),
            expected_from: None,
            limits: Limits::default(),
            metrics: Arc::new(Metrics::default()),
        });
        Self {
            agent,
            socket,
            heard: Vec::new(),
        }
    }

    fn step(&mut self) {
        let mut buffer = [0; 1_500];
        if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let datagram = buffer.get(..length).unwrap();
            match self
                .agent
                .handle_datagram(Instant::now(), 0, from, datagram)
            {
                Inbound::Media { from, range, .. } => {
                    self.heard
                        .push((from, datagram.get(range).unwrap().to_vec()));
                }
                Inbound::Consumed => {}
            }
        }
        self.agent.handle_timeout(Instant::now());
        while let Output::Transmit { to, bytes, .. } = self.agent.poll_output() {
            self.socket.send_to(&bytes, to).unwrap();
        }
    }

    fn say(&mut self, packet: &[u8]) {
        let (path, remote) = self.agent.route(1).unwrap();
        let mut packet = packet.to_vec();
        let to = self.agent.wrap(path, remote, &mut packet);
        self.socket.send_to(&packet, to).unwrap();
    }
}

/// A description with one candidate.
fn describe(
    credentials: &Credentials,
    lite: bool,
    kind: Kind,
    address: SocketAddr,
) -> IceDescription {
    IceDescription {
        ufrag: credentials.ufrag.clone(),
        pwd: credentials.pwd.clone(),
        lite,
        ice2: true,
        mismatch: false,
        candidates: vec![Candidate {
            foundation: "1".to_owned(),
            component: 1,
            priority: priority(kind, 65_535, 1),
            address,
            kind,
            related: None,
        }],
        end_of_candidates: true,
        remote_candidates: Vec::new(),
        ignored: 0,
    }
}

#[test]
fn rfc8445_media_goes_both_ways_by_a_relayed_candidate() {
    let coturn = Coturn::start();
    let (ours, theirs) = (socket(), socket());
    let turn = Some(coturn.login("secret"));
    let mut gatherer = Gatherer::new(Instant::now(), None, turn, rand_seed());
    assert_eq!(gather(&ours, &mut gatherer), None);
    let relayed = gatherer.gathered().relayed.unwrap();
    let credentials = ["one", "two"].map(|name| Credentials {
        ufrag: format!("ufrag{name}"),
        pwd: format!("a-password-of-side-{name}"),
    });
    let [first, second] = &credentials;
    let mut behind = Side::new(false, first, Some(gatherer), ours);
    let mut public = Side::new(true, second, None, theirs);
    let agreed = |local: &Credentials, remote, offered| Negotiated {
        local: local.clone(),
        remote,
        offered,
        rtcp_mux: true,
    };
    let host = public.socket.local_addr().unwrap();
    let to_public = agreed(first, describe(second, true, Kind::Host, host), true);
    let to_behind = agreed(
        second,
        describe(first, false, Kind::Relayed, relayed),
        false,
    );
    behind.agent.apply(Instant::now(), &to_public);
    public.agent.apply(Instant::now(), &to_behind);
    let end = Instant::now() + Duration::from_secs(20);
    while (behind.agent.route(1).is_none() || public.agent.route(1).is_none())
        && Instant::now() < end
    {
        behind.step();
        public.step();
    }
    let path = Path {
        socket: 0,
        relayed: true,
    };
    assert_eq!(behind.agent.route(1), Some((path, host)));
    assert_eq!(
        public.agent.route(1).unwrap().1,
        relayed,
        "our own address is not seen"
    );
    let (there, back) = (b"\x80 from behind".to_vec(), b"\x80 to it".to_vec());
    for _ in 0..20 {
        behind.say(&there);
        public.say(&back);
        behind.step();
        public.step();
    }
    assert!(public.heard.contains(&(relayed, there)));
    assert!(behind.heard.contains(&(host, back)));
    behind.agent.close(Instant::now());
    behind.step();
}
