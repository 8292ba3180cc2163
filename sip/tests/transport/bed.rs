//! The transports under test, and bounds for them.

use bytes::Bytes;
use plenum_sip::endpoint::{Flow, Transport};
use plenum_sip::limits::{EventLimits, Limits};
use plenum_sip::transport::{Arrival, Listen, ShellLimits, ShellMetrics, Transports};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
pub(crate) const OK: &[u8] = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n";

pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: 8192,
        header_fields: 100,
        server_transactions: 100,
        invite_usages: 100,
        half_open_invites: 100,
        retry_after_s: 1,
        connections: 100,
        connections_per_source: 100,
        connection_idle: Duration::from_secs(15),
        write_queue_bytes: 1 << 16,
        ringing: Duration::from_secs(60),
        events: EventLimits::default(),
    }
}

pub(crate) fn shell() -> ShellLimits {
    ShellLimits {
        head_bytes: 4096,
        connect_timeout: Duration::from_secs(5),
        linger: Duration::from_millis(200),
        write_queue_messages: 1000,
        datagram_queue: 100,
        datagram_batch: 16,
        datagram_receive_buffer: 1 << 20,
        datagram_send_buffer: 1 << 20,
        stream_queue: 16,
        command_queue: 16,
        resolutions: 4,
        resolve_timeout: Duration::from_secs(1),
        resolve_targets: 8,
    }
}

/// Transports under test, and what arrived at them.
pub(crate) struct Bed {
    pub(crate) transports: Transports,
    pub(crate) metrics: ShellMetrics,
    arrived: VecDeque<Arrival>,
}

impl Bed {
    pub(crate) fn new(transport: Transport, addr: &str) -> Self {
        Self::with(transport, addr, &limits())
    }

    pub(crate) fn with(transport: Transport, addr: &str, limits: &Limits) -> Self {
        let metrics = ShellMetrics::default();
        let listen = Listen {
            transport,
            addr: addr.parse().unwrap(),
        };
        let transports = Transports::bind(&[listen], limits, &shell(), &metrics).unwrap();
        Self {
            transports,
            metrics,
            arrived: VecDeque::new(),
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.transports.listening()[0].addr
    }

    pub(crate) async fn next(&mut self) -> Arrival {
        while self.arrived.is_empty() {
            let mut arrivals = Vec::new();
            within(self.transports.receive(&mut arrivals)).await;
            self.arrived.extend(arrivals);
        }
        self.arrived.pop_front().unwrap()
    }

    pub(crate) async fn message(&mut self) -> (Flow, Bytes) {
        let arrival = self.next().await;
        let Arrival::Message(flow, bytes) = arrival else {
            panic!("no message but {arrival:?}")
        };
        (flow, bytes)
    }
}

/// A bound on every wait.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("nothing came in time")
}

/// Longer than every timer under test, also those of tests in paused time.
const PATIENCE: Duration = Duration::from_secs(20);
