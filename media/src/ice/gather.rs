//! The addresses that a STUN server sees and a TURN server gives (RFC 8445 §5.1.1), for one socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::stun::{Class, Message, Method, TransactionId, Writer, kind};
use super::transaction::{Due, RTO, Transaction};
use super::turn::{TurnClient, TurnConfig, TurnFailure, TurnInbound, TurnOutput};

/// How often the mapping of a socket that waits for use is renewed: NATs may forget after 30 s (RFC 4787 §4.3 has
/// two minutes, many do less).
const RENEW: Duration = Duration::from_secs(20);

/// What a socket got so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// What the STUN server, or else the TURN server, sees the socket as.
    pub mapped: Option<SocketAddr>,
    /// The address on the TURN server.
    pub relayed: Option<SocketAddr>,
}

/// What a gatherer asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum GatherOutput {
    /// To be sent.
    Transmit {
        /// Where.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Every server has answered or failed.
    Complete(Gathered),
    /// The STUN server does not answer.
    StunFailed,
    /// The TURN server gives nothing.
    TurnFailed(TurnFailure),
    /// Nothing more until then.
    Timeout(Option<Instant>),
}

/// Asks a STUN and a TURN server for one socket, and keeps what they gave until the socket is used.
#[derive(Debug)]
pub struct Gatherer {
    stun: Option<SocketAddr>,
    random: StdRng,
    request: Option<Transaction>,
    renew_at: Option<Instant>,
    turn: Option<TurnClient>,
    turn_open: bool,
    complete: bool,
    gathered: Gathered,
    outputs: VecDeque<GatherOutput>,
}

impl Gatherer {
    /// Begins to ask the servers there are.
    pub fn new(
        now: Instant,
        stun: Option<SocketAddr>,
        turn: Option<TurnConfig>,
        seed: [u8; 32],
    ) -> Self {
        let mut gatherer = Self {
            stun,
            random: StdRng::from_seed(seed),
            request: None,
            renew_at: None,
            turn_open: turn.is_some(),
            turn: turn.map(|turn| TurnClient::new(now, turn)),
            complete: false,
            gathered: Gathered::default(),
            outputs: VecDeque::new(),
        };
        gatherer.ask(now);
        gatherer.handle_timeout(now);
        gatherer
    }

    /// What there is so far.
    pub fn gathered(&self) -> Gathered {
        self.gathered
    }

    /// Every server has answered or failed.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The allocation, for the agent that goes on with it.
    pub fn into_turn(self) -> Option<TurnClient> {
        self.turn.filter(|turn| turn.relayed().is_some())
    }

    fn ask(&mut self, now: Instant) {
        if self.stun.is_some() {
            let mut id = [0; 12];
            self.random.fill_bytes(&mut id);
            let id = TransactionId(id);
            let bytes = Writer::new(Class::Request, Method::BINDING, id).fingerprint();
            self.request = Some(Transaction::new(now, id, bytes, RTO));
        }
    }

    /// Takes a datagram.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.stun == Some(from)
            && let Ok(message) = Message::parse(datagram)
            && self
                .request
                .as_ref()
                .is_some_and(|request| request.id == message.id)
        {
            self.request = None;
            self.renew_at = Some(now + RENEW);
            let mapped = message.xor_address(kind::XOR_MAPPED_ADDRESS);
            match mapped.filter(|_| message.class == Class::Success) {
                Some(mapped) => self.gathered.mapped = Some(mapped),
                None => self.outputs.push_back(GatherOutput::StunFailed),
            }
        } else if let Some(turn) = self.turn.as_mut().filter(|turn| turn.server() == from) {
            // Nobody is permitted yet, so there is no data.
            match turn.handle_datagram(now, datagram) {
                TurnInbound::Consumed | TurnInbound::Data { .. } => {}
            }
        }
        self.handle_timeout(now);
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.renew_at.is_some_and(|at| now >= at) {
            self.renew_at = None;
            self.ask(now);
        }
        match self.request.as_mut().map(|request| request.due(now)) {
            Some(Due::Send(bytes)) => {
                let bytes = bytes.to_vec();
                if let Some(to) = self.stun {
                    self.outputs.push_back(GatherOutput::Transmit { to, bytes });
                }
            }
            Some(Due::Expired) => {
                self.request = None;
                self.gathered.mapped = None;
                self.renew_at = Some(now + RENEW);
                self.outputs.push_back(GatherOutput::StunFailed);
            }
            Some(Due::Nothing) | None => {}
        }
        if let Some(turn) = &mut self.turn {
            turn.handle_timeout(now);
        }
        self.drain_turn();
        let asking = self.request.is_some() && self.gathered.mapped.is_none();
        if !self.complete && !asking && !self.turn_open {
            self.complete = true;
            self.outputs
                .push_back(GatherOutput::Complete(self.gathered));
        }
    }

    fn drain_turn(&mut self) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        loop {
            match turn.poll_output() {
                TurnOutput::Transmit(bytes) => {
                    let to = turn.server();
                    self.outputs.push_back(GatherOutput::Transmit { to, bytes });
                }
                TurnOutput::Allocated { relayed, mapped } => {
                    self.turn_open = false;
                    self.gathered.relayed = Some(relayed);
                    self.gathered.mapped.get_or_insert(mapped);
                }
                TurnOutput::Failed(failure) => {
                    self.turn_open = false;
                    self.gathered.relayed = None;
                    self.outputs.push_back(GatherOutput::TurnFailed(failure));
                }
                TurnOutput::Timeout(_) => break,
            }
        }
    }

    /// What to do, until a [`GatherOutput::Timeout`].
    pub fn poll_output(&mut self) -> GatherOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let request = self.request.as_ref().map(Transaction::next);
        let turn = match self.turn.as_mut().map(TurnClient::poll_output) {
            Some(TurnOutput::Timeout(at)) => at,
            Some(
                TurnOutput::Transmit(_) | TurnOutput::Allocated { .. } | TurnOutput::Failed(_),
            )
            | None => None,
        };
        GatherOutput::Timeout([request, turn, self.renew_at].into_iter().flatten().min())
    }
}
