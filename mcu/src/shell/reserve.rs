//! Sockets kept ready for calls, with the addresses that a STUN and a TURN server give them (RFC 8445 §5.1.1).
//!
//! Calls are answered at once, so nobody can wait for a server on the internet: a thread asks before, and keeps a few
//! sockets whose mappings and allocations it renews. A call takes one pair; when none is ready it does without.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plenum_media::ice::gather::{GatherOutput, Gathered, Gatherer};
use plenum_media::ice::turn::{TurnClient, TurnConfig, TurnOutput};
use prometheus_client::metrics::counter::Counter;
use rand::TryRng;
use rand::rngs::SysRng;

use super::config::Servers;
use super::sockets::Bound;

/// How often the sockets are looked at while servers are asked.
const PACE: Duration = Duration::from_millis(20);
/// The same while nothing is to be done but to renew what there is.
const IDLE: Duration = Duration::from_millis(200);
/// After a server gave nothing, it is asked again so much later.
const AGAIN: Duration = Duration::from_secs(10);

/// Opens one pair of sockets.
pub(super) type Open = Box<dyn Fn() -> io::Result<Bound> + Send>;

/// A pair of sockets and what the servers gave it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) bound: Bound,
    /// Of RTP and RTCP.
    pub(super) gathered: [Gathered; 2],
    /// The allocations, by the socket they belong to.
    pub(super) relays: Vec<(u8, TurnClient)>,
}

/// The sockets that are ready.
#[derive(Debug)]
pub(super) struct Reserve {
    ready: Mutex<VecDeque<Waiting>>,
    stop: AtomicBool,
}

/// A pair of sockets that is kept.
#[derive(Debug)]
struct Waiting {
    bound: Bound,
    gatherers: [Gatherer; 2],
}

/// The thread that fills a reserve.
pub(super) struct Filler {
    pub(super) reserve: Arc<Reserve>,
    pub(super) servers: Servers,
    /// Pairs that are kept.
    pub(super) wanted: usize,
    pub(super) open: Open,
    /// Counts what a server did not give.
    pub(super) failures: Counter,
}

impl Reserve {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            ready: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// A pair bound to this address, if one is ready.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Prepared> {
        let mut ready = self.lock();
        let fits = |pair: &Waiting| address.is_none_or(|it| it == pair.bound.address);
        let at = ready.iter().position(fits)?;
        let Waiting {
            bound, gatherers, ..
        } = ready.remove(at)?;
        drop(ready);
        let gathered = [&gatherers[0], &gatherers[1]].map(Gatherer::gathered);
        let relays = (0..).zip(gatherers);
        let relays = relays.filter_map(|(socket, one)| Some((socket, one.into_turn()?)));
        Some(Prepared {
            bound,
            gathered,
            relays: relays.collect(),
        })
    }

    /// Lets the thread give everything back and end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filler {
    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("addresses".to_owned());
        thread.spawn(move || self.run())
    }

    fn run(self) {
        let mut asked: VecDeque<Waiting> = VecDeque::new();
        let mut not_before = now();
        let mut complained = false;
        while !self.reserve.stop.load(Ordering::Relaxed) {
            let there = self.reserve.lock().len() + asked.len();
            let mut failure = None;
            if there < self.wanted && not_before <= now() {
                match self.begin() {
                    Ok(pair) => asked.push_back(pair),
                    Err(error) => failure = Some(error.to_string()),
                }
            }
            for pair in &mut asked {
                failure = pair.work(now()).or(failure);
            }
            let (done, rest) = asked.into_iter().partition(Waiting::is_complete);
            asked = rest;
            {
                let mut ready = self.reserve.lock();
                for pair in &mut *ready {
                    failure = pair.work(now()).or(failure);
                }
                ready.extend(done);
                ready.retain(Waiting::is_of_use);
            }
            if let Some(why) = failure {
                not_before = now() + AGAIN;
                self.failures.inc();
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(why, "calls lack an address from STUN or TURN");
                }
            } else if there >= self.wanted {
                complained = false;
            }
            let idle = asked.is_empty() && there >= self.wanted;
            std::thread::sleep(if idle { IDLE } else { PACE });
        }
        for pair in self.reserve.lock().drain(..).chain(asked) {
            pair.give_back();
        }
    }

    fn begin(&self) -> io::Result<Waiting> {
        let bound = (self.open)()?;
        let stun = self.servers.stun.as_deref();
        let stun = stun.map(|name| resolved(name, bound.address)).transpose()?;
        let turn = self.servers.turn.as_ref();
        let turn = turn
            .map(|turn| Ok::<_, io::Error>((turn, resolved(&turn.server, bound.address)?)))
            .transpose()?;
        let gatherer = || {
            let seed = seed()?;
            let turn = turn.map(|(login, server)| TurnConfig {
                server,
                user: login.user.clone(),
                password: login.password.clone(),
                seed,
            });
            Ok::<_, io::Error>(Gatherer::new(now(), stun, turn, seed))
        };
        Ok(Waiting {
            gatherers: [gatherer()?, gatherer()?],
            bound,
        })
    }
}

impl Waiting {
    fn is_complete(&self) -> bool {
        self.gatherers.iter().all(Gatherer::is_complete)
    }

    /// Some server gives it an address.
    fn is_of_use(&self) -> bool {
        let nothing = Gathered::default();
        self.gatherers.iter().any(|one| one.gathered() != nothing)
    }

    /// Reads what came, sends what is due. Answers why a server gives nothing, if one does not.
    fn work(&mut self, now: Instant) -> Option<String> {
        let mut failure = None;
        let mut buffer = [0; 1_500];
        let sockets = [&self.bound.rtp, &self.bound.rtcp];
        for (socket, gatherer) in sockets.into_iter().zip(&mut self.gatherers) {
            // What is not for the gatherer is thrown away; a flood waits for the next round.
            for _ in 0..16 {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        gatherer.handle_datagram(now, from, datagram);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
            gatherer.handle_timeout(now);
            loop {
                match gatherer.poll_output() {
                    GatherOutput::Transmit { to, bytes } => {
                        // What is lost is repeated.
                        drop(socket.send_to(&bytes, to));
                    }
                    GatherOutput::Complete(_) => {}
                    GatherOutput::StunFailed => {
                        failure = Some("the STUN server does not answer".to_owned());
                    }
                    GatherOutput::TurnFailed(why) => failure = Some(why.to_string()),
                    GatherOutput::Timeout(_) => break,
                }
            }
        }
        failure
    }

    fn give_back(self) {
        let sockets = [&self.bound.rtp, &self.bound.rtcp];
        for (socket, gatherer) in sockets.into_iter().zip(self.gatherers) {
            if let Some(mut turn) = gatherer.into_turn() {
                turn.close(now());
                while let TurnOutput::Transmit(bytes) = turn.poll_output() {
                    drop(socket.send_to(&bytes, turn.server()));
                }
            }
        }
    }
}

/// The first address of a server in the family of ours.
fn resolved(server: &str, ours: IpAddr) -> io::Result<SocketAddr> {
    let mut all = server.to_socket_addrs()?;
    let found = all.find(|it| it.is_ipv4() == ours.is_ipv4());
    found.ok_or_else(|| io::Error::other(format!("{server} has no address of our family")))
}

fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
