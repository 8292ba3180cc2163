//! The agent of one leg (RFC 8445): what it holds, its verbs, how a datagram goes through it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use smallvec::SmallVec;

use super::Limits;
use super::answer::{Allowance, Early};
use super::candidate::{Candidate, Kind};
use super::check::Checklist;
use super::nominate::Selected;
use super::stun::{self, Class, Key, Message, Method, TransactionId};
use super::turn::{TurnClient, TurnInbound, TurnOutput};
use crate::metrics::Metrics;
use crate::sdp::ice::IceDescription;

/// How a datagram leaves or came: by which socket of the leg, and whether by the TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The socket, as the owner counts them: 0 RTP, 1 RTCP, 2 and 3 the same of the other family.
    pub socket: u8,
    /// Through the allocation of that socket.
    pub relayed: bool,
}

/// Name fragment and password (RFC 8445 §5.3). `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 8 letters or digits.
    pub ufrag: String,
    /// 24 letters or digits.
    pub pwd: String,
}

impl Credentials {
    /// New ones: 40 and 128 bits and more of randomness, as RFC 8445 §5.3 demands (24 and 128).
    pub fn generate(random: &mut impl Rng) -> Self {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut word = |length: usize| -> String {
            let letter = |octet: u8| {
                LETTERS
                    .get(usize::from(octet & 63))
                    .copied()
                    .unwrap_or(b'A')
            };
            let mut octets = [0; 24];
            random.fill_bytes(&mut octets);
            octets
                .iter()
                .take(length)
                .map(|octet| char::from(letter(*octet)))
                .collect()
        };
        Self {
            ufrag: word(8),
            pwd: word(24),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// A candidate of ours and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// For a reflexive candidate the path of its base.
    pub path: Path,
    /// What the peer is told.
    pub candidate: Candidate,
}

/// What an agent is made with.
#[derive(Debug)]
pub struct Config {
    /// Answer checks, make none (RFC 8445 §2.5): for a server on an address that everybody reaches.
    pub lite: bool,
    /// What our description says.
    pub credentials: Credentials,
    /// Random: settles who controls (RFC 8445 §7.3.1.1), and makes transaction identifiers.
    pub seed: [u8; 32],
    /// What our description says.
    pub locals: Vec<Local>,
    /// The allocations of sockets, where there are any.
    pub relays: Vec<(u8, TurnClient)>,
    /// Whom the allocations let in besides the peer's candidates (RFC 8656 §9): a peer that knows no address of its own
    /// outside its NAT can reach them from there.
    pub expected_from: Option<IpAddr>,
    /// What a peer can make it hold.
    pub limits: Limits,
    /// Where refusals are counted.
    pub metrics: Arc<Metrics>,
}

/// What offer and answer agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Our own credentials. Others than before: an ICE restart.
    pub local: Credentials,
    /// What the peer's description says. Other credentials than before: an ICE restart.
    pub remote: IceDescription,
    /// The first offer was ours.
    pub offered: bool,
    /// RTP and RTCP share the sockets of component 1.
    pub rtcp_mux: bool,
}

/// What an agent asks for or reports.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// To be sent by a socket of the leg.
    Transmit {
        /// Which.
        socket: u8,
        /// Where.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
    /// Nothing more until then.
    Timeout(Option<Instant>),
}

/// Something happened to the leg's way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Media of this component goes there from now on.
    Selected {
        /// 1: RTP. 2: RTCP.
        component: u8,
        /// How.
        path: Path,
        /// Where to.
        remote: SocketAddr,
    },
    /// No pair of addresses works (RFC 8445 §8.1.1).
    Failed,
    /// The peer does not consent to our media any more (RFC 7675 §5.1), or in lite mode: nothing at all came from it
    /// for as long. Nothing may be sent to it.
    ConsentLost,
}

/// What a datagram was.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// STUN or TURN; or refused and counted.
    Consumed,
    /// Anything else: these octets of the datagram.
    Media {
        /// Who sent it.
        from: SocketAddr,
        /// How it came.
        path: Path,
        /// Which octets.
        range: Range<usize>,
    },
}

/// The ICE agent of one leg.
#[derive(Debug)]
pub struct IceAgent {
    pub(super) lite: bool,
    pub(super) controlling: bool,
    pub(super) tie_breaker: u64,
    pub(super) random: StdRng,
    pub(super) local: Keyed,
    /// Before the restart: its checks are still answered.
    pub(super) previous: Option<Keyed>,
    pub(super) remote: Option<Remote>,
    pub(super) components: u8,
    pub(super) locals: Vec<Local>,
    pub(super) checks: Checklist,
    pub(super) early: Vec<Early>,
    pub(super) selected: SmallVec<[Selected; 2]>,
    /// Something else than STUN came from the peer.
    pub(super) media_heard: Option<Instant>,
    pub(super) began: Option<Instant>,
    pub(super) failed: bool,
    pub(super) allowance: Allowance,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    relays: Vec<(u8, TurnClient)>,
    expected_from: Option<IpAddr>,
    outputs: VecDeque<Output>,
}

/// Our credentials, ready to be used.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) credentials: Credentials,
    pub(super) key: Key,
}

impl Keyed {
    fn new(credentials: Credentials) -> Self {
        Self {
            key: Key::short_term(&credentials.pwd),
            credentials,
        }
    }
}

/// What we know of the peer.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) ufrag: String,
    pwd: String,
    pub(super) key: Key,
}

impl IceAgent {
    /// An agent that answers checks at once and makes none before [`Self::apply`].
    pub fn new(config: Config) -> Self {
        let mut random = StdRng::from_seed(config.seed);
        Self {
            lite: config.lite,
            controlling: false,
            tie_breaker: random.next_u64(),
            random,
            local: Keyed::new(config.credentials),
            previous: None,
            remote: None,
            components: 2,
            locals: config.locals,
            checks: Checklist::default(),
            early: Vec::new(),
            selected: SmallVec::new(),
            media_heard: None,
            began: None,
            failed: false,
            allowance: Allowance::default(),
            limits: config.limits,
            metrics: config.metrics,
            relays: config.relays,
            expected_from: config.expected_from,
            outputs: VecDeque::new(),
        }
    }

    /// Puts what was agreed on in force: at the start, with further candidates, at a restart (RFC 8445 §9).
    pub fn apply(&mut self, now: Instant, agreed: &Negotiated) {
        let remote = &agreed.remote;
        let known = self.remote.as_ref();
        let restarted = self.local.credentials != agreed.local
            || known.is_some_and(|r| r.ufrag != remote.ufrag || r.pwd != remote.pwd);
        if self.local.credentials != agreed.local {
            let new = Keyed::new(agreed.local.clone());
            self.previous = Some(std::mem::replace(&mut self.local, new));
        }
        if known.is_none() || restarted {
            // RFC 8445 §6.1.1: lite is controlled by full; among equals the offerer controls.
            self.controlling = match (self.lite, remote.lite) {
                (false, true) => true,
                (true, false) => false,
                (true, true) | (false, false) => agreed.offered,
            };
            self.checks = Checklist::default();
            self.began = Some(now);
            self.failed = false;
        }
        self.remote = Some(Remote {
            ufrag: remote.ufrag.clone(),
            pwd: remote.pwd.clone(),
            key: Key::short_term(&remote.pwd),
        });
        self.components = if agreed.rtcp_mux { 1 } else { 2 };
        let components = self.components;
        self.selected
            .retain(|selected| selected.component <= components);
        if self.lite && remote.lite {
            self.select_by_priority(now, &remote.candidates);
        }
        if !self.lite {
            self.let_in(now);
            for candidate in &remote.candidates {
                self.pair_with(now, candidate);
            }
        }
        for early in std::mem::take(&mut self.early) {
            self.checked_by_peer(now, early);
        }
        self.handle_timeout(now);
    }

    /// Takes what came in by `socket`: STUN is consumed, relayed datagrams are unwrapped, the rest is media.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        socket: u8,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Inbound {
        let relay = self
            .relays
            .iter_mut()
            .find(|(at, relay)| *at == socket && relay.server() == from);
        let mut path = Path {
            socket,
            relayed: false,
        };
        let (from, range) = match relay.map(|(_, relay)| relay.handle_datagram(now, datagram)) {
            None => (from, 0..datagram.len()),
            Some(TurnInbound::Data { peer, range }) => {
                path.relayed = true;
                (peer, range)
            }
            Some(TurnInbound::Consumed) => {
                self.drain_relays();
                return Inbound::Consumed;
            }
        };
        let inner = datagram.get(range.clone()).unwrap_or_default();
        if !stun::is_stun(inner) {
            return Inbound::Media { from, path, range };
        }
        self.handle_stun(now, path, from, inner);
        Inbound::Consumed
    }

    fn handle_stun(&mut self, now: Instant, path: Path, from: SocketAddr, datagram: &[u8]) {
        let message = match Message::parse(datagram) {
            Ok(message) if message.method == Method::BINDING => message,
            Ok(_) | Err(_) => {
                self.metrics.stun_malformed.inc();
                return;
            }
        };
        match message.class {
            Class::Request => self.handle_request(now, path, from, &message),
            Class::Success | Class::Error => self.handle_response(now, path, from, &message),
            // A keep-alive (RFC 8445 §11): all that comes from a peer whose call is on hold.
            Class::Indication => {
                if self.selected.iter().any(|s| s.remote == from) {
                    self.handle_media(now);
                }
            }
        }
        self.drain_relays();
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (_, relay) in &mut self.relays {
            relay.handle_timeout(now);
        }
        if !self.lite && self.remote.is_some() {
            self.run_checks(now);
            self.nominate(now);
            self.keep_consent(now);
            self.give_up(now);
        } else if self.lite {
            self.notice_silence(now);
        }
        self.drain_relays();
    }

    /// What to do, until an [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let mut next = None;
        for (_, relay) in &mut self.relays {
            if let TurnOutput::Timeout(Some(at)) = relay.poll_output() {
                next = earlier(next, Some(at));
            }
        }
        if !self.lite && self.remote.is_some() {
            next = earlier(next, self.next_check());
            next = earlier(next, self.next_nomination());
            next = earlier(next, self.next_consent());
            next = earlier(next, self.gives_up_at());
        } else if self.lite {
            next = earlier(next, self.silent_at());
        }
        Output::Timeout(next)
    }

    /// Media or a report came from the peer, and was authentic where that can be told.
    pub fn handle_media(&mut self, now: Instant) {
        self.media_heard = Some(now);
    }

    /// Where media of a component goes now.
    pub fn route(&self, component: u8) -> Option<(Path, SocketAddr)> {
        let selected = self.selected.iter().find(|s| s.component == component)?;
        Some((selected.path, selected.remote))
    }

    /// Packets from there come by a way that was chosen, or by a TURN server, which lets nobody through but those we
    /// named.
    pub fn is_way(&self, from: SocketAddr) -> bool {
        let selected = self.selected.iter();
        let mut direct = selected.filter(|s| !s.path.relayed);
        direct.any(|s| s.remote == from) || self.relays.iter().any(|(_, r)| r.server() == from)
    }

    /// Makes a datagram ready for a path: gives it the header of the TURN server where it goes by one. Returns where it
    /// is to be sent, by the socket of the path.
    pub fn wrap(&mut self, path: Path, to: SocketAddr, packet: &mut Vec<u8>) -> SocketAddr {
        let relay = self
            .relays
            .iter_mut()
            .find(|(at, _)| path.relayed && *at == path.socket);
        match relay {
            Some((_, relay)) => {
                relay.wrap(to, packet);
                relay.server()
            }
            None => to,
        }
    }

    /// How others than this agent may send to a peer by a path: where to, by the socket of the path, and the channel
    /// whose header a TURN server wants (RFC 8656 §12.4). `None` as long as that has no channel for the peer.
    pub fn shared_way(&self, path: Path, to: SocketAddr) -> Option<(SocketAddr, Option<u16>)> {
        let mut relays = self.relays.iter();
        match relays.find(|(at, _)| path.relayed && *at == path.socket) {
            Some((_, relay)) => Some((relay.server(), Some(relay.channel(to)?))),
            None => Some((to, None)),
        }
    }

    /// Gives allocations back. Drain [`Self::poll_output`] once more.
    pub fn close(&mut self, now: Instant) {
        for (_, relay) in &mut self.relays {
            relay.close(now);
        }
        self.drain_relays();
        self.relays.clear();
    }

    /// Our role: we choose the pair (RFC 8445 §2.3).
    pub fn is_controlling(&self) -> bool {
        self.controlling
    }

    pub(super) fn transmit(&mut self, path: Path, to: SocketAddr, mut bytes: Vec<u8>) {
        let to = self.wrap(path, to, &mut bytes);
        let socket = path.socket;
        self.outputs
            .push_back(Output::Transmit { socket, to, bytes });
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn new_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        self.random.fill_bytes(&mut id);
        TransactionId(id)
    }

    /// Lets a peer's address through the allocation of a path.
    pub(super) fn permit(&mut self, now: Instant, path: Path, peer: SocketAddr) {
        let relay = self
            .relays
            .iter_mut()
            .find(|(at, _)| path.relayed && *at == path.socket);
        if let Some((_, relay)) = relay {
            relay.permit(now, peer);
        }
        // The permission is asked for before the first check goes through it.
        self.drain_relays();
    }

    /// Lets in whoever comes from where the signalling does. A permission is for a host, whichever the port; the channel
    /// that comes with it stays unused.
    fn let_in(&mut self, now: Instant) {
        const DISCARD: u16 = 9;
        let Some(host) = self.expected_from else {
            return;
        };
        for (_, relay) in &mut self.relays {
            if relay
                .relayed()
                .is_some_and(|at| at.is_ipv4() == host.is_ipv4())
            {
                relay.permit(now, SocketAddr::new(host, DISCARD));
            }
        }
        self.drain_relays();
    }

    /// The component of a socket.
    pub(super) fn component_of(&self, socket: u8) -> u8 {
        let of = |local: &&Local| local.path.socket == socket;
        self.locals
            .iter()
            .find(of)
            .map_or(1, |local| local.candidate.component)
    }

    /// The candidate a path sends from: a host's or a relay's.
    pub(super) fn base(&self, path: Path) -> Option<&Candidate> {
        let of = |local: &&Local| {
            local.path == path && matches!(local.candidate.kind, Kind::Host | Kind::Relayed)
        };
        self.locals.iter().find(of).map(|local| &local.candidate)
    }

    fn drain_relays(&mut self) {
        for (socket, relay) in &mut self.relays {
            loop {
                let bytes = match relay.poll_output() {
                    TurnOutput::Transmit(bytes) => bytes,
                    TurnOutput::Allocated { .. } => continue,
                    TurnOutput::Failed(_) => {
                        self.metrics.turn_failed.inc();
                        continue;
                    }
                    TurnOutput::Timeout(_) => break,
                };
                let (socket, to) = (*socket, relay.server());
                self.outputs
                    .push_back(Output::Transmit { socket, to, bytes });
            }
        }
    }
}

pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
