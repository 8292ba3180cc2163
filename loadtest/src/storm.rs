//! Calls that come at a rate, stay for a while and go: signalling load without media of its own.

use crate::call::{Call, CallPlan, CallState};
use crate::clock::{self, Moment};
use crate::codec::Codec;
use crate::control;
use crate::socket::{Inbox, LoopbackSocket};
use crate::wire::Message;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// SIP sockets that the calls share.
const SIP_SOCKETS: usize = 4;
/// RTP sockets that the calls name in their offers; nobody reads them.
const SINKS: usize = 32;

/// What storm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StormSettings {
    /// Calls begun per second.
    pub rate: f64,
    /// From the answer to the BYE, ms.
    pub hold_ms: u64,
    /// The conferences called in turn: `calls-0`, `calls-1` …
    #[serde(default = "one")]
    pub conferences: u32,
    /// The user part they begin with.
    pub prefix: String,
    /// They join without media by C3P, and each gives one command.
    #[serde(default)]
    pub control: bool,
    /// Refusals with 4xx to 6xx are expected: they are counted, not held against the server.
    #[serde(default)]
    pub refusals_expected: bool,
}

fn one() -> u32 {
    1
}

/// What became of the calls of a storm.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StormResult {
    /// Calls begun.
    pub begun: u64,
    /// Calls answered, acknowledged and ended as they should.
    pub completed: u64,
    /// Calls refused, by status; 0 stands for no answer.
    pub refused: BTreeMap<u16, u64>,
    /// Calls that the server ended.
    pub ended_by_server: u64,
    /// Requests that had to be sent again.
    pub retransmissions: u64,
    /// From INVITE to 200, milliseconds, in order of size.
    #[serde(skip)]
    pub setup_ms: Vec<f64>,
    /// From a command to the INFO that says it succeeded, milliseconds, in order of size.
    #[serde(skip)]
    pub command_ms: Vec<f64>,
}

#[derive(Debug)]
struct StormCall {
    call: Call,
    socket: usize,
    hang_up_at: Option<Moment>,
    commanded_at: Option<Moment>,
}

/// Calls that come and go.
#[derive(Debug)]
pub struct Storm {
    settings: StormSettings,
    server: SocketAddr,
    sip: Vec<LoopbackSocket>,
    sinks: Vec<LoopbackSocket>,
    calls: BTreeMap<u64, StormCall>,
    timers: BinaryHeap<Reverse<(Moment, u64)>>,
    next_id: u64,
    next_at: Option<Moment>,
    pausing: bool,
    result: StormResult,
}

impl Storm {
    /// A storm that begins with the first [`Self::step`].
    pub fn new(settings: StormSettings, server: SocketAddr, seed: u64) -> io::Result<Self> {
        let any = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0);
        let bind = |count: usize, buffer: usize| {
            (0..count)
                .map(|_| LoopbackSocket::bind(any, buffer))
                .collect::<io::Result<Vec<_>>>()
        };
        Ok(Self {
            settings,
            server,
            sip: bind(SIP_SOCKETS, 1 << 22)?,
            sinks: bind(SINKS, 1 << 12)?,
            calls: BTreeMap::new(),
            timers: BinaryHeap::new(),
            next_id: seed << 32,
            next_at: None,
            pausing: false,
            result: StormResult::default(),
        })
    }

    /// Begins no further calls; those that are there go on to their end.
    pub fn stop(&mut self) {
        self.pausing = true;
    }

    /// Calls that are not over.
    pub fn open(&self) -> usize {
        self.calls.len()
    }

    /// Begins, answers, repeats and ends what is due at `now`.
    pub fn step(&mut self, now: Moment, inbox: &mut Inbox) {
        self.receive(inbox);
        let mut next = self.next_at.unwrap_or(now);
        while next <= now && !self.pausing {
            self.begin(now);
            next += Duration::from_secs_f64(1.0 / self.settings.rate.max(0.001));
        }
        self.next_at = Some(next);
        while self
            .timers
            .peek()
            .is_some_and(|Reverse((when, _))| *when <= now)
        {
            let Some(Reverse((_, id))) = self.timers.pop() else {
                break;
            };
            self.handle_timer(now, id);
        }
    }

    /// What became of the calls so far.
    pub fn result(&mut self) -> &StormResult {
        self.result.setup_ms.sort_by(f64::total_cmp);
        self.result.command_ms.sort_by(f64::total_cmp);
        &self.result
    }

    fn begin(&mut self, now: Moment) {
        let id = self.next_id;
        self.next_id += 1;
        self.result.begun += 1;
        let pick = |count: usize| usize::try_from(id).unwrap_or(0) % count.max(1);
        let socket = pick(self.sip.len());
        let sink = self.sinks.get(pick(self.sinks.len()));
        let (Some(sip), Some(sink)) = (self.sip.get(socket), sink) else {
            return;
        };
        let room = id % u64::from(self.settings.conferences.max(1));
        let mut call = Call::new(CallPlan {
            caller: format!("s{id:x}"),
            conference: format!("{}{room}", self.settings.prefix),
            server: self.server,
            local: sip.local(),
            rtp: sink.local(),
            codec: Codec::Pcmu,
            key: None,
            control: self.settings.control,
            id,
        });
        let mut out = Vec::new();
        call.invite(now, &mut out);
        send(sip, self.server, &out);
        self.timers
            .extend(call.next_timeout().map(|when| Reverse((when, id))));
        self.calls.insert(
            id,
            StormCall {
                call,
                socket,
                hang_up_at: None,
                commanded_at: None,
            },
        );
    }

    fn receive(&mut self, inbox: &mut Inbox) {
        let mut out = Vec::new();
        for socket in 0..self.sip.len() {
            while let Some(arrival) = self.sip.get(socket).and_then(|sip| sip.receive(inbox)) {
                let Some(message) = Message::parse(inbox.datagram()) else {
                    continue;
                };
                let id = message
                    .call_id()
                    .get(..16)
                    .and_then(|id| u64::from_str_radix(id, 16).ok());
                let Some(id) = id else { continue };
                let Some(entry) = self.calls.get_mut(&id) else {
                    // A call that is over: a repeated 200 or a BYE that crossed ours.
                    if message.status().is_none() && message.method() != "ACK" {
                        out.push(message.answer("481 Call Does Not Exist", "x", "", ""));
                    }
                    continue;
                };
                if message.method() == "INFO"
                    && message.status().is_none()
                    && control::is_success(message.body)
                    && let Some(begun) = entry.commanded_at.take()
                {
                    let took = arrival.saturating_sub(begun);
                    self.result.command_ms.push(took.as_secs_f64() * 1e3);
                }
                let before = entry.call.setup();
                entry.call.handle_message(arrival, &message, &mut out);
                if before.is_none()
                    && let Some(setup) = entry.call.setup()
                {
                    self.result.setup_ms.push(setup.as_secs_f64() * 1e3);
                    let hang_up_at = arrival + Duration::from_millis(self.settings.hold_ms);
                    entry.hang_up_at = Some(hang_up_at);
                    if self.settings.control {
                        let now = clock::now();
                        entry.commanded_at = Some(now);
                        entry.call.command(now, &mut out);
                    }
                    self.timers.push(Reverse((hang_up_at, id)));
                }
                self.settle(id);
            }
            if let Some(sip) = self.sip.get(socket) {
                send(sip, self.server, &out);
            }
            out.clear();
        }
    }

    fn handle_timer(&mut self, now: Moment, id: u64) {
        let Some(entry) = self.calls.get_mut(&id) else {
            return;
        };
        let mut out = Vec::new();
        if entry.hang_up_at.is_some_and(|when| when <= now) {
            entry.hang_up_at = None;
            entry.call.hang_up(now, &mut out);
        }
        if entry.call.next_timeout().is_some_and(|when| when <= now) {
            entry.call.handle_timeout(now, &mut out);
        }
        self.timers
            .extend(entry.call.next_timeout().map(|when| Reverse((when, id))));
        if let Some(sip) = self.sip.get(entry.socket) {
            send(sip, self.server, &out);
        }
        self.settle(id);
    }

    /// Takes a call that is over off the list and into the account.
    fn settle(&mut self, id: u64) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        match *entry.call.state() {
            CallState::Over { by_server: false } => self.result.completed += 1,
            CallState::Over { by_server: true } => self.result.ended_by_server += 1,
            CallState::Refused(status) => *self.result.refused.entry(status).or_default() += 1,
            CallState::Idle | CallState::Inviting | CallState::Up | CallState::Ending => return,
        }
        self.result.retransmissions += u64::from(entry.call.retransmissions());
        self.calls.remove(&id);
    }
}

fn send(socket: &LoopbackSocket, server: SocketAddr, out: &[String]) {
    for text in out {
        socket.send_to(text.as_bytes(), server);
    }
}
