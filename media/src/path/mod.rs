//! Everything between a leg's sockets and its RTP: what a datagram is, who may send it, and what
//! it is protected with. A leg with plain RTP and without ICE has no path and pays nothing.
//!
//! | datagram (RFC 7983) | goes to |
//! |---|---|
//! | STUN, TURN channel | the ICE agent |
//! | DTLS | the association of its component, at [`MediaPath::handle_timeout`] |
//! | RTP, RTCP | the keys of its component, and then out as [`Inbound`] |
//!
//! A component is RTP (0) or RTCP (1); with `rtcp-mux`, and with keys from the session
//! description, all goes by the first.
//!
//! Where sections share a transport (RFC 9143) the path is that of sound: what is of pictures leaves it as it came
//! ([`MediaPath::handle_shared`]), and is unprotected by a [`Branch`], which sends by the same way.
//!
//! Handshakes cost milliseconds where packets cost microseconds, so nothing of them happens in
//! [`MediaPath::handle_datagram`]: whoever drives many paths looks at [`MediaPath::has_work`] and
//! spreads the calls of [`MediaPath::handle_timeout`].

mod branch;
pub mod demultiplex;
mod guard;
mod handshake;
mod negotiated;
pub mod sections;
mod shared;
#[cfg(test)]
mod tests;
mod way;

pub use branch::Branch;
pub use guard::Unprotected;
pub use handshake::Handshakes;
pub use negotiated::{DtlsParameters, Keying, NegotiatedPath};
pub use shared::{PayloadTypes, Reach};
pub use way::Way;

use crate::crypto::dtls::{Failure, Identity, Keys};
use crate::crypto::srtp::Refusal;
use crate::ice::IceAgent;
use crate::ice::turn::TurnClient;
use crate::limits::SecurityLimits;
use crate::metrics::Metrics;
use demultiplex::Kind;
use guard::Guard;
use handshake::{Handshake, Step};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use way::Left;

/// What a path is made with; the same for all legs.
#[derive(Clone, Debug)]
pub struct PathConfig {
    /// Our certificate.
    pub identity: Arc<Identity>,
    /// Bounds.
    pub limits: SecurityLimits,
    /// Places for handshakes, shared by all paths.
    pub handshakes: Handshakes,
    /// Where refusals are counted.
    pub metrics: Arc<Metrics>,
}

/// What a datagram came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'d> {
    /// An RTP packet, plain and authentic.
    Rtp(&'d [u8]),
    /// An RTCP packet, plain and authentic.
    Rtcp(&'d [u8]),
    /// It was for the path itself.
    Consumed,
    /// It was not taken, and counted.
    Refused(Refused),
}

/// Why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing of what RFC 7983 tells apart, or of a kind that was not agreed on.
    #[error("no kind of datagram that was agreed on")]
    Unexpected,
    /// Protected media before there are keys.
    #[error("there are no keys yet")]
    NoKeys,
    /// Not from where the peer is.
    #[error("it is not from the peer")]
    Stray,
    /// More than the path takes before it is asked to work.
    #[error("too many at once")]
    Excess,
    /// The keys refuse it.
    #[error(transparent)]
    Srtp(Refusal),
}

/// What a path wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum PathOutput {
    /// Send this datagram.
    Transmit {
        /// From which of the leg's sockets: 0 RTP, 1 RTCP.
        via: u8,
        /// Where to.
        to: SocketAddr,
        /// What.
        octets: Vec<u8>,
    },
    /// Something happened.
    Event(PathEvent),
    /// Nothing more; call [`MediaPath::handle_timeout`] then, if ever.
    Timeout(Option<Instant>),
}

/// What happens to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// Media can flow, protected as agreed.
    Ready,
    /// It never will, or not any more.
    Failed(Failure),
    /// ICE chose how the peer is reached.
    Selected {
        /// 0 RTP, 1 RTCP.
        component: u8,
        /// The peer.
        remote: SocketAddr,
        /// By way of a TURN server.
        relayed: bool,
    },
    /// ICE found no way to the peer.
    Unreachable,
    /// The peer does not want media any more (RFC 7675), or is gone.
    ConsentLost,
}

/// The path of one leg.
#[derive(Debug)]
pub struct MediaPath {
    config: PathConfig,
    agreed: Option<NegotiatedPath>,
    guards: [Guard; 2],
    handshakes: [Option<Handshake>; 2],
    ready: bool,
    /// The keys of a handshake, for those who share the transport, and how often there were others.
    keys: (u64, Option<Keys>),
    ice: Option<Box<IceAgent>>,
    ice_due: Option<Instant>,
    /// Allocations on a TURN server, until there is an agent for them.
    relays: Vec<(u8, TurnClient)>,
    outputs: VecDeque<PathOutput>,
}

impl MediaPath {
    /// A path that takes and gives nothing until [`Self::apply`].
    pub fn new(config: PathConfig) -> Self {
        Self {
            config,
            agreed: None,
            guards: Default::default(),
            handshakes: Default::default(),
            ready: false,
            keys: (0, None),
            ice: None,
            ice_due: None,
            relays: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The same with allocations on a TURN server, each for the socket of its number.
    pub fn with_relays(config: PathConfig, relays: Vec<(u8, TurnClient)>) -> Self {
        Self {
            relays,
            ..Self::new(config)
        }
    }

    /// Puts what was agreed on in force, at the start and at every change mid-call. Keys that stay
    /// the same go on; old ones are good for late packets a moment longer.
    pub fn apply(&mut self, now: Instant, agreed: &NegotiatedPath) {
        let before = self.agreed.replace(agreed.clone());
        match &agreed.keying {
            Keying::Plain => {
                self.guards = Default::default();
                self.handshakes = Default::default();
                self.share_keys(None);
                self.become_ready();
            }
            Keying::Sdes { send, receive } => {
                self.handshakes = Default::default();
                self.share_keys(None);
                let [guard, other] = &mut self.guards;
                *other = Guard::default();
                guard.install(now, send, receive, &self.config.limits);
                self.become_ready();
            }
            Keying::Dtls(parameters) => {
                let same = before.is_some_and(|before| before.keying == agreed.keying);
                if !same {
                    self.ready = false;
                }
                let components = if agreed.rtcp_mux { 1 } else { 2 };
                for (component, slot) in self.handshakes.iter_mut().enumerate() {
                    let wanted = parameters.role.filter(|_| component < components);
                    match wanted {
                        None => *slot = None,
                        Some(_) if same && slot.is_some() => {}
                        Some(role) => {
                            let limits = &self.config.limits;
                            *slot = Some(Handshake::new(now, role, parameters, limits));
                        }
                    }
                }
                self.address();
            }
        }
        self.apply_ice(now, agreed);
    }

    /// Takes one datagram; `via` is the socket it came by, 0 RTP, 1 RTCP. Protected packets are decrypted where they
    /// are.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        via: u8,
        from: SocketAddr,
        datagram: &'d mut [u8],
    ) -> Inbound<'d> {
        match self.unwrap(now, via, from, datagram) {
            Ok((datagram, from, relayed)) => self.take(now, via, (from, relayed), datagram),
            Err(other) => other,
        }
    }

    /// What STUN and TURN leave of a datagram: what it carries, of whom, and whether by a TURN server.
    fn unwrap<'d>(
        &mut self,
        now: Instant,
        via: u8,
        from: SocketAddr,
        datagram: &'d mut [u8],
    ) -> Result<(&'d mut [u8], SocketAddr, bool), Inbound<'d>> {
        if !matches!(demultiplex::kind(datagram), Kind::Stun | Kind::Channel) {
            return Ok((datagram, from, false));
        }
        match self.take_ice(now, via, from, datagram) {
            Some(Left::Consumed) => Err(Inbound::Consumed),
            Some(Left::Media(peer, range)) => {
                Ok((datagram.get_mut(range).unwrap_or_default(), peer, true))
            }
            None => {
                self.count(Refused::Unexpected);
                Err(Inbound::Refused(Refused::Unexpected))
            }
        }
    }

    fn take<'d>(
        &mut self,
        now: Instant,
        via: u8,
        (from, relayed): (SocketAddr, bool),
        datagram: &'d mut [u8],
    ) -> Inbound<'d> {
        let Some(agreed) = &self.agreed else {
            return Inbound::Refused(Refused::Unexpected);
        };
        let component = usize::from(via & 1);
        let plain = matches!(agreed.keying, Keying::Plain);
        let shared = agreed.rtcp_mux || matches!(agreed.keying, Keying::Sdes { .. });
        let at = if shared { 0 } else { component };
        let taken = match demultiplex::kind(datagram) {
            Kind::Dtls => self.take_dtls(now, component, from, datagram),
            Kind::Rtp if plain => {
                self.hear_plain(now, from, relayed);
                return Inbound::Rtp(datagram);
            }
            Kind::Rtcp if plain => {
                self.hear_plain(now, from, relayed);
                return Inbound::Rtcp(datagram);
            }
            Kind::Rtp => match self
                .guards
                .get_mut(at)
                .map(|guard| guard.unprotect_rtp(now, datagram))
            {
                Some(Ok(packet)) => {
                    self.hear(now);
                    return Inbound::Rtp(packet);
                }
                other => Err(refusal(other)),
            },
            Kind::Rtcp => match self
                .guards
                .get_mut(at)
                .map(|guard| guard.unprotect_rtcp(now, datagram))
            {
                Some(Ok(packet)) => {
                    self.hear(now);
                    return Inbound::Rtcp(packet);
                }
                other => Err(refusal(other)),
            },
            Kind::Stun | Kind::Channel | Kind::Unknown => Err(Refused::Unexpected),
        };
        match taken {
            Ok(()) => Inbound::Consumed,
            Err(refused) => {
                self.count(refused);
                Inbound::Refused(refused)
            }
        }
    }

    /// The form of an RTP packet that may go out: the packet itself where nothing protects it, else made in `out`.
    ///
    /// # Errors
    /// [`Unprotected`]: it must not go out.
    pub fn protect_rtp<'p>(
        &mut self,
        packet: &'p [u8],
        out: &'p mut Vec<u8>,
    ) -> Result<&'p [u8], Unprotected> {
        if self.is_plain() {
            return Ok(packet);
        }
        let [guard, _] = &mut self.guards;
        guard.protect_rtp(packet, out)?;
        Ok(out)
    }

    /// The same for RTCP.
    ///
    /// # Errors
    /// [`Unprotected`]: it must not go out.
    pub fn protect_rtcp<'p>(
        &mut self,
        packet: &'p [u8],
        out: &'p mut Vec<u8>,
    ) -> Result<&'p [u8], Unprotected> {
        if self.is_plain() {
            return Ok(packet);
        }
        let shared = self
            .agreed
            .as_ref()
            .is_none_or(|agreed| agreed.rtcp_mux || matches!(agreed.keying, Keying::Sdes { .. }));
        let [first, second] = &mut self.guards;
        let guard = if shared { first } else { second };
        guard.protect_rtcp(packet, out)?;
        Ok(out)
    }

    /// A handshake waits for [`Self::handle_timeout`], which will take as long as many packets.
    pub fn has_work(&self, now: Instant) -> bool {
        let mut handshakes = self.handshakes.iter().flatten();
        handshakes.any(|handshake| handshake.has_work(now))
    }

    /// [`Self::handle_timeout`] has something to do.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.outputs.is_empty()
            || self.has_work(now)
            || self.timeout().is_some_and(|due| due <= now)
    }

    /// Does what is due: handshakes and their repetitions, the end of old keys.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ice_due.is_some_and(|due| due <= now) {
            self.run_ice(now);
        }
        for guard in &mut self.guards {
            guard.handle_timeout(now);
        }
        for component in 0..self.handshakes.len() {
            let Some(Some(handshake)) = self.handshakes.get_mut(component) else {
                continue;
            };
            let step = handshake.work(now, &self.config);
            self.send_handshake(component);
            match step {
                Step::Continues => {}
                Step::Keys(keys) => {
                    let metrics = &self.config.metrics.security;
                    metrics.dtls_done.inc();
                    if let Some(guard) = self.guards.get_mut(component) {
                        guard.install_dtls(now, &keys, &self.config.limits);
                    }
                    self.share_keys(Some(keys).filter(|_| component == 0));
                    self.become_ready();
                }
                Step::Failed(failure) => self.fail(failure),
            }
        }
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> PathOutput {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| PathOutput::Timeout(self.timeout()))
    }

    /// Says goodbye to the peer's DTLS and gives allocations back; what it makes is in [`Self::poll_output`].
    pub fn close(&mut self, now: Instant) {
        for component in 0..self.handshakes.len() {
            if let Some(Some(handshake)) = self.handshakes.get_mut(component) {
                handshake.close(now);
            }
            self.send_handshake(component);
        }
        self.close_ice(now);
    }

    /// Media can flow, protected as agreed.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Keys are there, and no ICE asks for anything: what comes is media, by the addresses that the leg follows.
    pub fn is_settled(&self) -> bool {
        self.ready && self.ice.is_none()
    }

    /// Packets change on their way out.
    pub fn protects(&self) -> bool {
        !self.is_plain()
    }

    fn is_plain(&self) -> bool {
        let agreed = self.agreed.as_ref();
        agreed.is_some_and(|agreed| agreed.keying == Keying::Plain)
    }

    fn timeout(&self) -> Option<Instant> {
        let guards = self.guards.iter().filter_map(Guard::timeout);
        let handshakes = self
            .handshakes
            .iter()
            .flatten()
            .filter_map(Handshake::timeout);
        guards.chain(handshakes).chain(self.ice_due).min()
    }

    fn take_dtls(
        &mut self,
        now: Instant,
        component: usize,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Refused> {
        let handshake = self.handshakes.get_mut(component).and_then(Option::as_mut);
        let handshake = handshake.ok_or(Refused::Unexpected)?;
        handshake.take(now, from, datagram, &self.config)
    }

    /// Where the handshakes' first messages go.
    fn address(&mut self) {
        // With ICE nothing goes anywhere before a check went through.
        let Some(agreed) = self.agreed.as_ref().filter(|agreed| agreed.ice.is_none()) else {
            return;
        };
        let [first, second] = &mut self.handshakes;
        if let Some(first) = first {
            first.signalled(agreed.rtp);
        }
        if let Some(second) = second {
            second.signalled(agreed.rtcp);
        }
    }

    /// What a handshake has to say goes where its peer speaks from, by the way that ICE chose where there is one.
    fn send_handshake(&mut self, component: usize) {
        let said = |this: &mut Self| {
            let handshake = this.handshakes.get_mut(component)?.as_mut()?;
            handshake.poll_transmit()
        };
        let socket = u8::try_from(component).unwrap_or(0);
        while let Some((to, mut octets)) = said(self) {
            let (via, to) = match self.way(socket, &mut octets) {
                Way::Selected { via, to } => (via, to),
                Way::Signalled | Way::None => (socket, to),
            };
            self.outputs
                .push_back(PathOutput::Transmit { via, to, octets });
        }
    }

    fn become_ready(&mut self) {
        let waits = |(handshake, guard): (&Option<Handshake>, &Guard)| {
            handshake.is_some() && !guard.has_keys()
        };
        let waiting = self.handshakes.iter().zip(&self.guards).any(waits);
        if !waiting && !self.ready {
            self.ready = true;
            self.outputs.push_back(PathOutput::Event(PathEvent::Ready));
        }
    }

    /// No packet is taken or sent any more, whatever keys there were.
    fn fail(&mut self, failure: Failure) {
        self.config.metrics.security.failed(&failure);
        self.guards = Default::default();
        self.handshakes = Default::default();
        self.share_keys(None);
        self.ready = false;
        self.outputs
            .push_back(PathOutput::Event(PathEvent::Failed(failure)));
    }

    fn count(&self, refused: Refused) {
        self.config.metrics.refused(refused);
    }
}

impl Metrics {
    /// Counts a datagram that a path did not take.
    fn refused(&self, refused: Refused) {
        match refused {
            Refused::Srtp(refusal) => self.security.refused(refusal),
            Refused::NoKeys => {
                self.security.srtp_no_keys.inc();
            }
            Refused::Excess => {
                self.security.dtls_excess.inc();
            }
            Refused::Unexpected | Refused::Stray => {
                self.rtp_stray.inc();
            }
        }
    }
}

fn refusal(refused: Option<Result<&[u8], Option<Refusal>>>) -> Refused {
    match refused {
        Some(Err(Some(refusal))) => Refused::Srtp(refusal),
        Some(Err(None) | Ok(_)) | None => Refused::NoKeys,
    }
}
