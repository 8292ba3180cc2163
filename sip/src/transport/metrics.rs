//! What the shell counts.

use super::tls::HandshakeFailedBy;
use crate::endpoint::Transport;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::borrow::Cow;

/// Counters of sockets, connections, queues and the resolver, shared by cloning.
#[derive(Clone, Debug)]
pub struct ShellMetrics {
    /// UDP.
    pub udp: Traffic,
    /// TCP.
    pub tcp: Traffic,
    /// TLS.
    pub tls: Traffic,
    /// WebSocket.
    pub ws: Traffic,
    /// WebSocket over TLS.
    pub wss: Traffic,
    /// Stream connections open or being opened.
    pub connections: Gauge,
    /// Stream connections refused, by the bound that was met.
    pub connections_refused: Family<RefusedBy, Counter>,
    /// Stream connections closed, by reason.
    pub connections_closed: Family<ClosedBy, Counter>,
    /// TLS and WebSocket handshakes that failed, by who opened the connection and reason.
    pub handshake_failures: Family<HandshakeFailedBy, Counter>,
    /// Failures of accept that stop the listener for a moment: no file descriptors, no memory.
    pub accept_failures: Counter,
    /// Resolutions that found no target.
    pub resolve_failures: Family<UnresolvedBy, Counter>,
    /// Seconds a command waited for the driver.
    pub command_wait_seconds: Histogram,
}

/// Traffic of one transport.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Messages received: datagrams, or framed messages of a stream.
    pub received: Counter,
    /// Messages handed to the kernel, or to the connection that writes them.
    pub sent: Counter,
    /// Messages that could not be sent.
    pub send_failures: Counter,
    /// Keep-alives received: empty or blank datagrams, double CRLFs on a stream.
    pub keep_alives: Counter,
    /// Failures to receive, other than that nothing was there.
    pub receive_failures: Counter,
}

/// Which bound refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedBy {
    /// The bound.
    pub bound: Refusal,
}

/// Which bound refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Refusal {
    /// `Limits::connections`.
    Total,
    /// `Limits::connections_per_source`.
    Source,
    /// `ShellLimits::handshakes`.
    Handshakes,
    /// `ShellLimits::handshakes_per_source`.
    SourceHandshakes,
    /// `Security::refuses`.
    Unwelcome,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClosedBy {
    /// The reason.
    pub reason: CloseReason,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum CloseReason {
    /// The peer closed it.
    Peer,
    /// The peer reset it, or the network did.
    Reset,
    /// It could not be opened: refused, unreachable, or not in time.
    ConnectFailed,
    /// The TLS or WebSocket handshake failed.
    Handshake,
    /// The peer sent what cannot be framed.
    Framing,
    /// The peer does not read what we write.
    SlowReader,
    /// Nothing was sent or received for `Limits::connection_idle`.
    Idle,
    /// The peer sent no keep-alive in the time it was told (RFC 5626 §4.4).
    Silent,
    /// We stop.
    Stopped,
}

/// Why a resolution failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UnresolvedBy {
    /// The reason.
    pub reason: Unresolved,
}

/// Why a resolution failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Unresolved {
    /// The URI asks for something we cannot do: a scheme without a host, a transport we lack.
    Unsupported,
    /// DNS has no usable answer.
    NotFound,
    /// DNS did not answer in time.
    TimedOut,
    /// Too many resolutions under way.
    Overload,
}

impl Default for ShellMetrics {
    fn default() -> Self {
        let buckets = [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
        Self {
            udp: Traffic::default(),
            tcp: Traffic::default(),
            tls: Traffic::default(),
            ws: Traffic::default(),
            wss: Traffic::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            connections_closed: Family::default(),
            handshake_failures: Family::default(),
            accept_failures: Counter::default(),
            resolve_failures: Family::default(),
            command_wait_seconds: Histogram::new(buckets),
        }
    }
}

impl ShellMetrics {
    /// The traffic of a transport.
    #[must_use]
    pub fn traffic(&self, transport: Transport) -> &Traffic {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
            Transport::Ws => &self.ws,
            Transport::Wss => &self.wss,
        }
    }

    /// Makes the counters visible under `sip_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sip");
        for (transport, traffic) in [
            ("udp", &self.udp),
            ("tcp", &self.tcp),
            ("tls", &self.tls),
            ("ws", &self.ws),
            ("wss", &self.wss),
        ] {
            let label = (Cow::Borrowed("transport"), Cow::Borrowed(transport));
            traffic.register(registry.sub_registry_with_label(label));
        }
        registry.register(
            "connections",
            "Stream connections open or being opened",
            self.connections.clone(),
        );
        registry.register(
            "connections_refused",
            "Stream connections refused, by the bound that was met",
            self.connections_refused.clone(),
        );
        registry.register(
            "connections_closed",
            "Stream connections closed, by reason",
            self.connections_closed.clone(),
        );
        registry.register(
            "handshake_failures",
            "TLS and WebSocket handshakes that failed, by who opened the connection and reason",
            self.handshake_failures.clone(),
        );
        registry.register(
            "accept_failures",
            "Failures of accept that stop a listener for a moment",
            self.accept_failures.clone(),
        );
        registry.register(
            "resolve_failures",
            "Resolutions that found no target, by reason",
            self.resolve_failures.clone(),
        );
        registry.register(
            "command_wait_seconds",
            "Time a command waited for the driver",
            self.command_wait_seconds.clone(),
        );
    }
}

impl Traffic {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "messages_received",
            "Datagrams or framed messages received",
            self.received.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages handed to the kernel or to the connection that writes them",
            self.sent.clone(),
        );
        registry.register(
            "send_failures",
            "Messages that could not be sent",
            self.send_failures.clone(),
        );
        registry.register(
            "keep_alives_received",
            "Blank datagrams, double CRLFs on a stream",
            self.keep_alives.clone(),
        );
        registry.register(
            "receive_failures",
            "Failures to receive, other than that nothing was there",
            self.receive_failures.clone(),
        );
    }
}
