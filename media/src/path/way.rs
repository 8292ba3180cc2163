//! ICE within a path: the agent, and what follows from the pair it selected.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{MediaPath, NegotiatedPath, PathEvent, PathOutput};
use crate::ice::turn::TurnOutput;
use crate::ice::{self, Config, Credentials, Event, IceAgent, Inbound, Output};
use crate::sdp::ice::{AgreedIce, LocalIce};

/// Where packets of a component go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Where the peer said, or where its packets come from: there is no ICE.
    Signalled,
    /// There, by this socket.
    Selected {
        /// The leg's socket.
        via: u8,
        /// The peer, or the TURN server.
        to: SocketAddr,
    },
    /// Nowhere yet, or not any more.
    None,
}

/// What STUN and TURN left of a datagram.
pub(super) enum Left {
    /// Nothing.
    Consumed,
    /// These octets, which this peer sent by the TURN server.
    Media(SocketAddr, std::ops::Range<usize>),
}

impl MediaPath {
    /// The agent follows what was agreed on.
    pub(super) fn apply_ice(&mut self, now: Instant, agreed: &NegotiatedPath) {
        let Some(AgreedIce {
            ours,
            negotiated,
            limits,
            ..
        }) = agreed.ice.as_deref()
        else {
            self.close_ice(now);
            return;
        };
        let agent = self.agent(ours, negotiated.local.clone(), *limits);
        agent.apply(now, negotiated);
        self.drain_ice();
    }

    /// Makes ready for the peer of an offer of ours: its checks may come before its answer (RFC 8445 §7.3), and
    /// allocations have to be kept until then.
    pub fn offer_ice(&mut self, ours: &LocalIce, limits: ice::Limits) {
        self.agent(ours, ours.credentials(0), limits);
        self.drain_ice();
    }

    fn agent(
        &mut self,
        ours: &LocalIce,
        credentials: Credentials,
        limits: ice::Limits,
    ) -> &mut IceAgent {
        let (relays, metrics) = (&mut self.relays, &self.config.metrics);
        self.ice.get_or_insert_with(|| {
            Box::new(IceAgent::new(Config {
                lite: ours.lite,
                credentials,
                seed: ours.seed,
                locals: ours.locals.clone(),
                relays: std::mem::take(relays),
                expected_from: ours.signalled_from,
                limits,
                metrics: Arc::clone(metrics),
            }))
        })
    }

    /// Does without ICE: allocations are given back.
    pub(super) fn close_ice(&mut self, now: Instant) {
        if let Some(agent) = &mut self.ice {
            agent.close(now);
        }
        self.drain_ice();
        self.ice = None;
        self.ice_due = None;
        for (via, mut relay) in std::mem::take(&mut self.relays) {
            relay.close(now);
            while let TurnOutput::Transmit(octets) = relay.poll_output() {
                let to = relay.server();
                self.outputs
                    .push_back(PathOutput::Transmit { via, to, octets });
            }
        }
    }

    /// Media came from the peer.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(agent) = &mut self.ice {
            agent.handle_media(now);
        }
    }

    /// Media came that anybody may have sent: the peer is there if it came by a way that was checked.
    pub(super) fn hear_plain(&mut self, now: Instant, from: SocketAddr, relayed: bool) {
        if let Some(agent) = &mut self.ice
            && (relayed || agent.is_way(from))
        {
            agent.handle_media(now);
        }
    }

    /// STUN and TURN go to the agent.
    pub(super) fn take_ice(
        &mut self,
        now: Instant,
        via: u8,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Left> {
        let agent = self.ice.as_mut()?;
        let left = match agent.handle_datagram(now, via, from, datagram) {
            Inbound::Consumed => Left::Consumed,
            Inbound::Media { from, path, range } if path.relayed => Left::Media(from, range),
            // A channel of no server of ours.
            Inbound::Media { .. } => return None,
        };
        self.drain_ice();
        Some(left)
    }

    /// The source that a packet counts as for whoever follows the peer's address. With ICE the ways were checked, so
    /// what is authentic, or came by the chosen way, is of one source, whichever it took.
    pub fn source(&self, from: SocketAddr) -> SocketAddr {
        let agent = self.ice.as_ref();
        let checked = agent.is_some_and(|agent| self.protects() || agent.is_way(from));
        let signalled = self.agreed.as_ref().and_then(|agreed| agreed.rtp);
        signalled.filter(|_| checked).unwrap_or(from)
    }

    /// Where packets of a component go: 0 RTP, 1 RTCP. Where it is by a TURN server, `packet` gets its header.
    pub fn way(&mut self, component: u8, packet: &mut Vec<u8>) -> Way {
        let Some(agent) = &mut self.ice else {
            return Way::Signalled;
        };
        let shared = self.agreed.as_ref().is_some_and(|agreed| agreed.rtcp_mux);
        let component = if shared { 1 } else { component + 1 };
        match agent.route(component) {
            Some((path, remote)) => {
                let to = agent.wrap(path, remote, packet);
                Way::Selected {
                    via: path.socket,
                    to,
                }
            }
            None => Way::None,
        }
    }

    pub(super) fn run_ice(&mut self, now: Instant) {
        if let Some(agent) = &mut self.ice {
            agent.handle_timeout(now);
        }
        self.drain_ice();
    }

    /// What the agent wants done. Afterwards its next timeout is known.
    fn drain_ice(&mut self) {
        let Some(agent) = &mut self.ice else {
            self.ice_due = None;
            return;
        };
        loop {
            match agent.poll_output() {
                Output::Transmit { socket, to, bytes } => {
                    let (via, octets) = (socket, bytes);
                    self.outputs
                        .push_back(PathOutput::Transmit { via, to, octets });
                }
                Output::Event(Event::Selected {
                    component,
                    path,
                    remote,
                }) => {
                    let component = component.saturating_sub(1);
                    let handshake = self.handshakes.get_mut(usize::from(component));
                    if let Some(Some(handshake)) = handshake {
                        handshake.signalled(Some(remote));
                    }
                    let event = PathEvent::Selected {
                        component,
                        remote,
                        relayed: path.relayed,
                    };
                    self.outputs.push_back(PathOutput::Event(event));
                }
                Output::Event(Event::Failed) => {
                    self.outputs
                        .push_back(PathOutput::Event(PathEvent::Unreachable));
                }
                Output::Event(Event::ConsentLost) => {
                    self.outputs
                        .push_back(PathOutput::Event(PathEvent::ConsentLost));
                }
                Output::Timeout(due) => {
                    self.ice_due = due;
                    return;
                }
            }
        }
    }
}
