//! The transports under test, and bounds for them.

pub(crate) use crate::shell::{shell, within};

use crate::bounds::limits as wide;
use bytes::Bytes;
use plenum_sip::endpoint::{Flow, Transport};
use plenum_sip::limits::Limits;
use plenum_sip::transport::{Arrival, Listen, Security, ShellMetrics, Transports};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
pub(crate) const OK: &[u8] = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n";

/// Short where these tests go to the end.
pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: 8192,
        connection_idle: Duration::from_secs(15),
        ..wide()
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
        Self::secured(transport, addr, limits, Security::default())
    }

    pub(crate) fn secured(
        transport: Transport,
        addr: &str,
        limits: &Limits,
        security: Security,
    ) -> Self {
        let metrics = ShellMetrics::default();
        let listen = Listen {
            transport,
            addr: addr.parse().unwrap(),
        };
        let shell = shell();
        let bound = Transports::bind_secured(&[listen], limits, &shell, &metrics, security);
        let transports = bound.unwrap();
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
