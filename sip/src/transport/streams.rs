//! All stream connections: which are open, who may open one, and which one a message takes.
//!
//! RFC 3261 §18.1.1 and §18.2.2: a response goes back on the connection of its request, a request
//! takes an open connection to its target if there is one, whoever opened it.

use super::ShellLimits;
use super::connection::{Bounds, Connection, Outgoing, Shared};
use super::establish::{Begun, Setup};
use super::metrics::{CloseReason, ClosedBy, Refusal, RefusedBy, ShellMetrics};
use crate::endpoint::{ClientTxId, Flow, FlowId, Target, Transport, Via};
use crate::limits::Limits;
use crate::msg::Text;
use bytes::Bytes;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// What the tasks of listeners and connections tell.
#[derive(Debug)]
pub(super) enum News {
    /// A peer opened a connection.
    Accepted {
        transport: Transport,
        begun: Begun,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// The peer's certificate was verified; it speaks for these.
    Certified { id: FlowId, names: Vec<Text> },
    /// A message arrived.
    Message { flow: Flow, bytes: Bytes },
    /// The peer will send no more on this connection.
    ReadClosed { id: FlowId },
    /// The connection is over; these requests never left.
    Closed {
        id: FlowId,
        reason: CloseReason,
        /// Why it was not secured.
        insecure: Option<Text>,
        unsent: Vec<ClientTxId>,
    },
}

/// What the owner of the streams is told.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Message(Flow, Bytes),
    Certified(FlowId, Vec<Text>),
    Closed(FlowId),
    SendFailed(ClientTxId, Option<Text>),
}

/// The table of connections.
#[derive(Debug)]
pub(super) struct Streams {
    open: HashMap<FlowId, Link>,
    by_remote: HashMap<(Transport, SocketAddr), FlowId>,
    /// TLS connections of ours, by whom they were verified to lead to (RFC 5922 §5).
    by_domain: HashMap<(SocketAddr, String), FlowId>,
    by_source: HashMap<IpAddr, Source>,
    next_id: u64,
    news: mpsc::Sender<News>,
    inbox: mpsc::Receiver<News>,
    scratch: Vec<News>,
    bounds: Bounds,
    setup: Setup,
    /// Places for connections of peers whose handshake is not over.
    handshakes: Arc<Semaphore>,
    connections: usize,
    connections_per_source: usize,
    handshakes_per_source: usize,
    write_queue_bytes: usize,
    write_queue_messages: usize,
    metrics: ShellMetrics,
}

/// What the connections of one source hold.
#[derive(Debug)]
struct Source {
    connections: usize,
    /// Places for those whose handshake is not over: a few hosts cannot take all there are.
    handshakes: Arc<Semaphore>,
}

/// A place for a handshake: one of all, and one of its source.
pub(super) type Place = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The end of a connection that the table holds.
#[derive(Debug)]
struct Link {
    transport: Transport,
    remote: SocketAddr,
    /// Of a TLS connection of ours: whom it leads to.
    domain: Option<String>,
    /// Who counts for it, if the peer opened it.
    source: Option<IpAddr>,
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
    /// Taken when we decided to close it.
    close: Option<oneshot::Sender<CloseReason>>,
    /// The peer still reads and sends, as far as we know.
    two_way: bool,
}

impl Streams {
    pub(super) fn new(first_id: u64, limits: &Limits, shell: &ShellLimits, setup: Setup) -> Self {
        let (news, inbox) = mpsc::channel(shell.stream_queue);
        Self {
            open: HashMap::new(),
            by_remote: HashMap::new(),
            by_domain: HashMap::new(),
            by_source: HashMap::new(),
            next_id: first_id,
            news,
            inbox,
            scratch: Vec::new(),
            bounds: Bounds {
                head_bytes: shell.head_bytes,
                message_bytes: limits.message_bytes,
                idle: limits.connection_idle,
                linger: shell.linger,
                ping: shell.websocket_ping,
            },
            handshakes: Arc::new(Semaphore::new(shell.handshakes)),
            connections: limits.connections,
            connections_per_source: limits.connections_per_source,
            handshakes_per_source: shell.handshakes_per_source,
            write_queue_bytes: limits.write_queue_bytes,
            write_queue_messages: shell.write_queue_messages,
            metrics: setup.metrics.clone(),
            setup,
        }
    }

    /// Where listeners send what they accept.
    pub(super) fn news(&self) -> mpsc::Sender<News> {
        self.news.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sends on the connection that the rules name, opening one if need be; false when that is
    /// impossible. Never waits. `domain` is whom a TLS connection of ours has to lead to.
    pub(super) fn send(
        &mut self,
        via: Via,
        domain: Option<&str>,
        bytes: Bytes,
        tx: Option<ClientTxId>,
    ) -> bool {
        let target = match via {
            Via::Target(target) => target,
            Via::Flow(flow) => {
                // A request needs a peer that can answer on the same connection.
                let usable = |link: &&Link| link.close.is_some() && (link.two_way || tx.is_none());
                if self.open.get(&flow.id).filter(usable).is_some() {
                    return self.enqueue(flow.id, bytes, tx);
                }
                Target {
                    transport: flow.transport,
                    remote: flow.remote,
                }
            }
        };
        let known = self.known(target, domain);
        // A request's flow is a connection that the peer opened: its port listens to nobody. A
        // response names the port of the sent-by (RFC 3261 §18.2.2).
        let lost = matches!(via, Via::Flow(_)) && tx.is_some();
        let open = |streams: &mut Self| match lost {
            true => None,
            false => streams.connect(target, domain),
        };
        let Some(id) = known.or_else(|| open(self)) else {
            self.metrics.traffic(target.transport).send_failures.inc();
            return false;
        };
        self.enqueue(id, bytes, tx)
    }

    /// The open connection that leads there. Where a TLS connection has to lead to a domain, one
    /// that the peer opened does not do: nobody has shown there that he is that domain (RFC 5922
    /// §5). For an address, being there is all that is asked.
    fn known(&self, target: Target, domain: Option<&str>) -> Option<FlowId> {
        let by_remote = self.by_remote.get(&(target.transport, target.remote));
        let Some(domain) = domain.filter(|_| target.transport == Transport::Tls) else {
            return by_remote.copied();
        };
        let numeric = domain.parse::<IpAddr>().is_ok();
        let ours = self.by_domain.get(&(target.remote, domain.to_owned()));
        ours.or_else(|| by_remote.filter(|_| numeric)).copied()
    }

    /// Its peer has promised to be heard so often. Holds from the next message to it on.
    pub(super) fn expect_heard(&self, id: FlowId, within: Duration) {
        if let Some(link) = self.open.get(&id) {
            let silence = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
            link.shared.silence.store(silence, Ordering::Relaxed);
        }
    }

    /// Closes every connection once its queue is written.
    pub(super) fn finish(&mut self) {
        #[expect(
            clippy::iter_over_hash_type,
            reason = "the order of closing has no meaning"
        )]
        for link in self.open.values_mut() {
            // A closed channel takes nothing more; its task writes what is in it and ends.
            link.queue = mpsc::channel(1).0;
        }
        self.by_remote.clear();
        self.by_domain.clear();
    }

    /// What happened. Pending: nothing that concerns the owner.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        mut tell: impl FnMut(StreamEvent),
    ) -> Poll<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut told = false;
        while !told {
            if self
                .inbox
                .poll_recv_many(cx, &mut scratch, BATCH)
                .is_pending()
            {
                break;
            }
            for news in scratch.drain(..) {
                self.on_news(news, &mut |event| {
                    told = true;
                    tell(event);
                });
            }
        }
        self.scratch = scratch;
        if told { Poll::Ready(()) } else { Poll::Pending }
    }

    fn on_news(&mut self, news: News, tell: &mut impl FnMut(StreamEvent)) {
        match news {
            News::Accepted {
                transport,
                begun,
                local,
                remote,
            } => self.on_accepted(Target { transport, remote }, begun, local),
            News::Certified { id, names } => tell(StreamEvent::Certified(id, names)),
            News::Message { flow, bytes } => tell(StreamEvent::Message(flow, bytes)),
            News::ReadClosed { id } => {
                if let Some(link) = self.open.get_mut(&id) {
                    link.two_way = false;
                    self.forget_remote(id);
                }
            }
            News::Closed {
                id,
                reason,
                insecure,
                unsent,
            } => {
                self.on_closed(id, reason);
                for tx in unsent {
                    tell(StreamEvent::SendFailed(tx, insecure.clone()));
                }
                tell(StreamEvent::Closed(id));
            }
        }
    }

    /// Decides whether a new connection may stay.
    fn on_accepted(&mut self, target: Target, begun: Begun, local: SocketAddr) {
        let source = source_of(target.remote.ip());
        let known = self.by_source.get(&source);
        let of_source = known.map_or(0, |known| known.connections);
        let handshakes = known.map_or_else(
            || Arc::new(Semaphore::new(self.handshakes_per_source)),
            |known| Arc::clone(&known.handshakes),
        );
        let refusal = if self.open.len() >= self.connections {
            Some(Refusal::Total)
        } else if of_source >= self.connections_per_source {
            Some(Refusal::Source)
        } else if self.setup.refuses.is_refused(target.remote.ip()) {
            Some(Refusal::Unwelcome)
        } else {
            None
        };
        let place = match refusal {
            None => self.place(target.transport, &begun, &handshakes),
            Some(refusal) => Err(refusal),
        };
        let place = match place {
            Ok(place) => place,
            Err(bound) => {
                let refused = RefusedBy { bound };
                self.metrics
                    .connections_refused
                    .get_or_create(&refused)
                    .inc();
                return;
            }
        };
        let connection = self.insert(target, Some(source), None, local);
        let connections = of_source + 1;
        let held = Source {
            connections,
            handshakes,
        };
        self.by_source.insert(source, held);
        tokio::spawn(self.setup.clone().serve(connection, begun, place));
    }

    /// A place for its handshake, if it needs one.
    fn place(
        &self,
        transport: Transport,
        begun: &Begun,
        of_source: &Arc<Semaphore>,
    ) -> Result<Option<Place>, Refusal> {
        let plain = matches!(transport, Transport::Udp | Transport::Tcp);
        if plain || matches!(begun, Begun::WebSocket(_)) {
            return Ok(None);
        }
        let one = Arc::clone(of_source).try_acquire_owned();
        let one = one.map_err(|_| Refusal::SourceHandshakes)?;
        let place = Arc::clone(&self.handshakes).try_acquire_owned();
        let place = place.map_err(|_| Refusal::Handshakes)?;
        Ok(Some((place, one)))
    }

    /// Opens a connection; what is sent meanwhile waits in its queue. A TLS connection is opened to
    /// somebody only whose name can be verified, and a WebSocket is never: only browsers open them
    /// (RFC 7118 §5).
    fn connect(&mut self, target: Target, domain: Option<&str>) -> Option<FlowId> {
        let domain = match target.transport {
            Transport::Tcp => None,
            Transport::Tls => Some(domain?.to_owned()),
            Transport::Udp | Transport::Ws | Transport::Wss => return None,
        };
        if self.open.len() >= self.connections {
            let refused = RefusedBy {
                bound: Refusal::Total,
            };
            self.metrics
                .connections_refused
                .get_or_create(&refused)
                .inc();
            return None;
        }
        // Our address is known once the connection is up.
        let connection = self.insert(target, None, domain.clone(), target.remote);
        let id = connection.flow.id;
        tokio::spawn(self.setup.clone().open(connection, domain));
        Some(id)
    }

    fn insert(
        &mut self,
        target: Target,
        source: Option<IpAddr>,
        domain: Option<String>,
        local: SocketAddr,
    ) -> Connection {
        let Target { transport, remote } = target;
        let id = FlowId(self.next_id);
        self.next_id += 1;
        let (queue, queue_end) = mpsc::channel(self.write_queue_messages);
        let (close, close_end) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let connection = Connection {
            flow: Flow {
                id,
                transport,
                local,
                remote,
            },
            news: self.news.clone(),
            queue: queue_end,
            shared: Arc::clone(&shared),
            close: close_end,
            traffic: self.metrics.traffic(transport).clone(),
            bounds: self.bounds,
            ours: source.is_none(),
            buffers: false,
        };
        match &domain {
            Some(domain) => self.by_domain.insert((remote, domain.clone()), id),
            None => self.by_remote.insert((transport, remote), id),
        };
        let close = Some(close);
        let link = Link {
            transport,
            remote,
            domain,
            source,
            queue,
            shared,
            close,
            two_way: true,
        };
        self.open.insert(id, link);
        self.metrics.connections.inc();
        connection
    }

    /// Puts a message into a connection's queue. A peer that lets it run full is not waited for.
    fn enqueue(&mut self, id: FlowId, bytes: Bytes, tx: Option<ClientTxId>) -> bool {
        let Some(link) = self.open.get_mut(&id) else {
            return false;
        };
        let octets = bytes.len();
        let waiting = link.shared.queued.fetch_add(octets, Ordering::Relaxed);
        let fits = waiting.saturating_add(octets) <= self.write_queue_bytes;
        if fits && link.queue.try_send(Outgoing { bytes, tx }).is_ok() {
            return true;
        }
        self.metrics.traffic(link.transport).send_failures.inc();
        if let Some(close) = link.close.take() {
            // An error means that its task has ended already, and its news are on the way.
            let _ended = close.send(CloseReason::SlowReader);
        }
        self.forget_remote(id);
        false
    }

    fn on_closed(&mut self, id: FlowId, reason: CloseReason) {
        self.forget_remote(id);
        let Some(link) = self.open.remove(&id) else {
            return;
        };
        self.metrics.connections.dec();
        self.metrics
            .connections_closed
            .get_or_create(&ClosedBy { reason })
            .inc();
        if let Some(source) = link.source
            && let Some(held) = self.by_source.get_mut(&source)
        {
            held.connections = held.connections.saturating_sub(1);
            if held.connections == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Requests to its remote no longer take this connection.
    fn forget_remote(&mut self, id: FlowId) {
        let Some(link) = self.open.get(&id) else {
            return;
        };
        let key = (link.transport, link.remote);
        if self.by_remote.get(&key) == Some(&id) {
            self.by_remote.remove(&key);
        }
        if let Some(domain) = &link.domain {
            let key = (link.remote, domain.clone());
            if self.by_domain.get(&key) == Some(&id) {
                self.by_domain.remove(&key);
            }
        }
    }
}

/// Whom a connection counts for. An IPv6 host chooses among 2^64 addresses of its network at will,
/// so the network counts.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// News taken at once.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use super::source_of;

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        for (ip, source) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(
                source_of(ip.parse().unwrap()),
                source.parse::<std::net::IpAddr>().unwrap()
            );
        }
    }
}
