//! Sockets: datagrams and streams by [`FlowId`] (RFC 3261 §18).
//!
//! | file | what it knows |
//! |---|---|
//! | `bind` | opening sockets, and what to say when that fails |
//! | `udp` | one bound socket, and which of our addresses the peer reached |
//! | `accept` | taking new connections, also when descriptors run out |
//! | `establish` | from a connection to its first message: TLS, WebSocket |
//! | `tls` | whom we talk with, and whether we want to |
//! | `connection` | one stream connection, over any octet stream |
//! | `streams` | which connections are open, and which one a message takes |
//!
//! *Invariant:* nothing here reads a message beyond its framing, and nothing that is sent ever waits:
//! it leaves, is queued within a bound, or fails at once.

mod accept;
mod bind;
mod connection;
mod establish;
mod limits;
mod metrics;
mod sources;
mod streams;
pub mod tls;
mod udp;

pub use bind::{BindError, Listen};
pub use establish::Duplex;
pub use limits::ShellLimits;
pub use metrics::{
    CloseReason, ClosedBy, Refusal, RefusedBy, ShellMetrics, Traffic, Unresolved, UnresolvedBy,
};
pub use sources::sources;

use crate::endpoint::{ClientTxId, Flow, FlowId, Transport, Via};
use crate::limits::Limits;
use crate::msg::Text;
use crate::websocket::Origins;
use bytes::Bytes;
use establish::{Begun, Setup};
use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use streams::{News, StreamEvent, Streams};
use tls::{Handshakes, TlsConfigs};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use udp::Datagrams;

/// What arrived.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// One datagram, or one framed message.
    Message(Flow, Bytes),
    /// The peer of a stream showed a certificate that was verified; it speaks for these names.
    Certified(FlowId, Vec<Text>),
    /// A stream connection is over.
    Closed(FlowId),
    /// What was sent for this transaction will never reach the peer.
    SendFailed(ClientTxId),
    /// The same, because the connection to the peer was not secured: why, with the remedy.
    NotSecured(ClientTxId, Text),
}

/// What connections are secured with, and who may open WebSockets.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Read for every handshake, so that new certificates hold from the next one on. `None`: no TLS.
    pub tls: Option<watch::Receiver<TlsConfigs>>,
    /// The pages that may open a WebSocket.
    pub origins: Origins,
    /// Who may open no connection at all.
    pub refuses: Refuses,
}

/// Whose connections are closed at accept. Asked for each; it must not wait.
#[derive(Clone, Default)]
pub struct Refuses(Option<Arc<RefusesOf>>);

type RefusesOf = dyn Fn(IpAddr) -> bool + Send + Sync;

impl Refuses {
    /// Those for whom this function says so.
    pub fn new(refuses: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(refuses)))
    }

    pub(super) fn is_refused(&self, source: IpAddr) -> bool {
        self.0.as_ref().is_some_and(|refuses| refuses(source))
    }
}

impl fmt::Debug for Refuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refuses")
    }
}

/// The way in for WebSockets that somebody else has upgraded: the HTTP server of the process.
#[derive(Clone, Debug)]
pub struct Incoming {
    news: mpsc::Sender<News>,
}

impl Incoming {
    /// Takes a WebSocket of sub-protocol `sip` whose opening handshake is done
    /// ([`crate::websocket::UpgradeRequest::check`]). It is counted and bounded as if it had been
    /// accepted here; beyond a bound it is closed.
    pub async fn accept_websocket(
        &self,
        stream: impl Duplex + 'static,
        secured: bool,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        let transport = if secured {
            Transport::Wss
        } else {
            Transport::Ws
        };
        let accepted = News::Accepted {
            transport,
            begun: Begun::WebSocket(Box::new(stream)),
            local,
            remote,
        };
        // Without an owner the process ends, and the connection with it.
        let _ended = self.news.send(accepted).await;
    }
}

/// All sockets of one endpoint.
#[derive(Debug)]
pub struct Transports {
    datagrams: Vec<Datagrams>,
    streams: Streams,
    listening: Vec<Listen>,
    /// The tasks of the listeners; they end with it.
    accepting: JoinSet<()>,
    scratch: Box<[u8]>,
    linger: Duration,
}

impl Transports {
    /// Listens on all of these addresses, without TLS. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// One of the addresses cannot be listened on; the error says which one and what to do.
    pub fn bind(
        listen: &[Listen],
        limits: &Limits,
        shell: &ShellLimits,
        metrics: &ShellMetrics,
    ) -> Result<Self, BindError> {
        Self::bind_secured(listen, limits, shell, metrics, Security::default())
    }

    /// Listens on all of these addresses. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// One of the addresses cannot be listened on; the error says which one and what to do.
    pub fn bind_secured(
        listen: &[Listen],
        limits: &Limits,
        shell: &ShellLimits,
        metrics: &ShellMetrics,
        security: Security,
    ) -> Result<Self, BindError> {
        let secured = security.tls.is_some();
        let setup = Setup {
            handshakes: security.tls.map(Handshakes::new),
            origins: Arc::new(security.origins),
            refuses: security.refuses,
            handshake_timeout: shell.handshake_timeout,
            connect_timeout: shell.connect_timeout,
            metrics: metrics.clone(),
        };
        let first_stream = u64::try_from(listen.len()).unwrap_or(u64::MAX);
        let mut transports = Self {
            datagrams: Vec::new(),
            streams: Streams::new(first_stream, limits, shell, setup),
            listening: Vec::new(),
            accepting: JoinSet::new(),
            scratch: vec![0; DATAGRAM_OCTETS].into(),
            linger: shell.linger,
        };
        for (listen, id) in listen.iter().zip(0..) {
            match listen.transport {
                Transport::Udp => {
                    let socket = Datagrams::bind(FlowId(id), *listen, shell, metrics.udp.clone())?;
                    transports.listening.push(Listen {
                        addr: socket.local(),
                        ..*listen
                    });
                    transports.datagrams.push(socket);
                }
                Transport::Tls | Transport::Wss if !secured => {
                    return Err(BindError::Unsupported(*listen));
                }
                Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                    transports.listen_stream(*listen, metrics)?;
                }
            }
        }
        Ok(transports)
    }

    fn listen_stream(&mut self, listen: Listen, metrics: &ShellMetrics) -> Result<(), BindError> {
        let listener = bind::tcp(listen)?;
        let addr = listener
            .local_addr()
            .map_err(|source| BindError::Other { listen, source })?;
        self.listening.push(Listen { addr, ..listen });
        let failures = metrics.accept_failures.clone();
        let accept = accept::accept(listen.transport, listener, self.streams.news(), failures);
        self.accepting.spawn(accept);
        Ok(())
    }

    /// Where we listen, with the ports the kernel chose.
    #[must_use]
    pub fn listening(&self) -> &[Listen] {
        &self.listening
    }

    /// The way in for WebSockets on the port of the HTTP server.
    #[must_use]
    pub fn incoming(&self) -> Incoming {
        Incoming {
            news: self.streams.news(),
        }
    }

    /// As [`Self::send_to`] where nothing has to be verified.
    pub fn send(&mut self, via: Via, bytes: Bytes, tx: Option<ClientTxId>) -> bool {
        self.send_to(via, None, bytes, tx)
    }

    /// Sends without waiting. False: it cannot be sent at all. A failure that shows later is an
    /// [`Arrival::SendFailed`] if `tx` is given. A TLS connection is opened only to who proves to be
    /// `domain` (RFC 5922 §4): the host that was asked for, whatever it was resolved to.
    pub fn send_to(
        &mut self,
        via: Via,
        domain: Option<&str>,
        bytes: Bytes,
        tx: Option<ClientTxId>,
    ) -> bool {
        match via {
            Via::Flow(Flow {
                id,
                transport: Transport::Udp,
                local,
                remote,
            }) => {
                let socket = self.datagrams.iter_mut().find(|socket| socket.id() == id);
                socket.is_some_and(|socket| socket.send(Some(local.ip()), remote, bytes, tx))
            }
            Via::Target(target) if target.transport == Transport::Udp => {
                let socket = self.socket_towards(target.remote);
                socket.is_some_and(|socket| socket.send(None, target.remote, bytes, tx))
            }
            Via::Flow(_) | Via::Target(_) => self.streams.send(via, domain, bytes, tx),
        }
    }

    /// Closes this stream when nothing comes from its peer for longer than `within`, now and later
    /// (RFC 5626 §4.4).
    pub fn expect_heard(&self, flow: FlowId, within: Duration) {
        self.streams.expect_heard(flow, within);
    }

    /// The socket for a datagram that answers nothing. Where several reach the remote, it is the
    /// one whose address the kernel would take: from another one the answers may not find back.
    fn socket_towards(&mut self, remote: SocketAddr) -> Option<&mut Datagrams> {
        let reaches = |socket: &&Datagrams| socket.reaches(remote);
        let source = match self.datagrams.iter().filter(reaches).count() {
            0 | 1 => None,
            _ => udp::route_source(remote),
        };
        let chosen = self.datagrams.iter().position(|socket| {
            socket.reaches(remote) && source.is_some_and(|source| socket.sends_from(source))
        });
        let first = || {
            self.datagrams
                .iter()
                .position(|socket| socket.reaches(remote))
        };
        let chosen = chosen.or_else(first)?;
        self.datagrams.get_mut(chosen)
    }

    /// Waits until something arrives, and appends all that is there up to a batch. Meanwhile, what
    /// waits for full sockets is sent. Nothing is lost when the future is dropped.
    pub async fn receive(&mut self, arrivals: &mut Vec<Arrival>) {
        poll_fn(|cx| self.poll_receive(cx, arrivals)).await;
    }

    /// The poll form of [`Self::receive`].
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, arrivals: &mut Vec<Arrival>) -> Poll<()> {
        for socket in &mut self.datagrams {
            // Pending here means that the wakers are set; what counts is what arrived.
            let _ = socket.poll_flush(cx, |tx| arrivals.push(Arrival::SendFailed(tx)));
            let _ = socket.poll_receive(cx, &mut self.scratch, |flow, bytes| {
                arrivals.push(Arrival::Message(flow, bytes));
            });
        }
        let _ = self.streams.poll_event(cx, |event| {
            arrivals.push(match event {
                StreamEvent::Message(flow, bytes) => Arrival::Message(flow, bytes),
                StreamEvent::Certified(id, names) => Arrival::Certified(id, names),
                StreamEvent::Closed(id) => Arrival::Closed(id),
                StreamEvent::SendFailed(tx, None) => Arrival::SendFailed(tx),
                StreamEvent::SendFailed(tx, Some(why)) => Arrival::NotSecured(tx, why),
            });
        });
        if arrivals.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Takes no new connections from now on; those that are open stay.
    pub fn stop_accepting(&mut self) {
        self.accepting.abort_all();
    }

    /// Stops accepting, writes what is queued and closes everything, within twice
    /// [`ShellLimits::linger`]. What arrives meanwhile is dropped.
    pub async fn finish(mut self) {
        self.stop_accepting();
        self.streams.finish();
        let flushed = poll_fn(|cx| {
            let mut flushed = true;
            for socket in &mut self.datagrams {
                flushed &= socket.poll_flush(cx, |_| {}).is_ready();
            }
            while self.streams.poll_event(cx, drop).is_ready() {}
            if flushed && self.streams.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        if tokio::time::timeout(self.linger * 2, flushed)
            .await
            .is_err()
        {
            tracing::info!("closed before everything that was queued could be sent");
        }
    }
}

/// The largest UDP payload there is.
const DATAGRAM_OCTETS: usize = 65_535;
