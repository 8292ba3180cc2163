//! The bounds that only the shell knows; what a peer can make the crate hold is bounded by
//! [`crate::limits::Limits`] as well.

use std::time::Duration;

/// Bounds of sockets, connections, queues and the resolver.
#[derive(Clone, Debug)]
pub struct ShellLimits {
    /// Octets of start line and header fields on a stream. Beyond: the connection is closed.
    pub head_bytes: usize,
    /// A new outgoing connection is up within this time, or the request fails as unreachable.
    pub connect_timeout: Duration,
    /// Connections of peers whose TLS or WebSocket handshake is not over. Beyond: a new one is closed
    /// at accept.
    pub handshakes: usize,
    /// The same of one IPv4 address or IPv6 /64 network.
    pub handshakes_per_source: usize,
    /// A TLS or WebSocket handshake is over within this time, or the connection is closed.
    pub handshake_timeout: Duration,
    /// A WebSocket that was silent for so long is pinged; after as long again it is closed.
    pub websocket_ping: Duration,
    /// A connection whose peer has stopped sending, or sent what cannot be framed, stays open this
    /// long for the answers that are still to be written. Also the time to flush when we stop.
    pub linger: Duration,
    /// Messages waiting to be written to one stream peer, next to the bound in octets.
    /// Beyond: the connection is closed.
    pub write_queue_messages: usize,
    /// Datagrams waiting for one full socket. Beyond: the datagram is dropped and reported.
    pub datagram_queue: usize,
    /// Datagrams read from one socket before anything else gets its turn.
    pub datagram_batch: usize,
    /// Receive buffer asked of the kernel for each UDP socket, in octets.
    pub datagram_receive_buffer: usize,
    /// Send buffer asked of the kernel for each UDP socket, in octets.
    pub datagram_send_buffer: usize,
    /// Messages and news of all streams waiting for the driver. Beyond: the streams wait.
    pub stream_queue: usize,
    /// Commands waiting for the driver. Beyond: whoever sends a command waits or is refused.
    pub command_queue: usize,
    /// Resolutions under way at once. Beyond: the request fails as unresolvable.
    pub resolutions: usize,
    /// All questions of one resolution are answered within this time, or it fails.
    pub resolve_timeout: Duration,
    /// Targets one resolution may give, and SRV records it may follow. Beyond: the rest is ignored.
    pub resolve_targets: usize,
}
