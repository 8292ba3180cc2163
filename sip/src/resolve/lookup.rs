//! The procedure of RFC 3263 §4 as questions and answers, without asking anybody itself.
//!
//! | the URI has | the questions are |
//! |---|---|
//! | a numeric host | none |
//! | a name and a port | addresses |
//! | a name and a transport | SRV of that transport, addresses |
//! | a name alone | NAPTR, then the SRVs it names, or those of our transports; addresses |
//!
//! Without any SRV record the addresses of the name itself are asked for, with the default
//! transport and port. Records we cannot follow are passed over.

use super::hop::{HopHost, NextHop};
use super::srv::{Naptr, Srv, order};
use crate::endpoint::{Target, Transport};
use crate::transport::Listen;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What we can do, and how far we go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The transports we can open, the preferred one first.
    pub transports: Vec<Transport>,
    /// We can reach IPv4.
    pub v4: bool,
    /// We can reach IPv6.
    pub v6: bool,
    /// Targets given at most, and names followed at most.
    pub targets: usize,
}

impl Policy {
    /// What can be done from these sockets.
    #[must_use]
    pub fn new(listening: &[Listen], targets: usize) -> Self {
        let mut transports = Vec::new();
        for listen in listening {
            if !listen.transport.is_web() && !transports.contains(&listen.transport) {
                transports.push(listen.transport);
            }
        }
        Self {
            transports,
            v4: listening.iter().any(|listen| listen.addr.is_ipv4()),
            v6: listening.iter().any(|listen| listen.addr.is_ipv6()),
            targets,
        }
    }

    fn allows(&self, transport: Transport, hop: &NextHop) -> bool {
        let secure = matches!(transport, Transport::Tls | Transport::Wss);
        self.transports.contains(&transport) && (secure || !hop.secure)
    }
}

/// A question for DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// NAPTR records of a domain.
    Naptr(String),
    /// SRV records of a service, with its underscored labels.
    Srv(String),
    /// A and AAAA records of a host.
    Addresses(String),
}

/// Its answer; empty when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the questions")]
pub enum Answer {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    Addresses(Vec<IpAddr>),
}

/// One resolution under way.
#[derive(Clone, Debug)]
pub struct Lookup {
    hop: NextHop,
    policy: Arc<Policy>,
    /// The domain's NAPTR records are still to be asked for.
    naptr: Option<String>,
    services: VecDeque<(Transport, String)>,
    hosts: VecDeque<(Transport, String, u16)>,
    /// An SRV record says that the service is decidedly not offered (RFC 2782, target ".").
    declined: bool,
    targets: Vec<Target>,
}

impl Lookup {
    /// Starts with the next hop of a URI. `None` if we have no transport it may take.
    #[must_use]
    pub fn new(hop: NextHop, policy: Arc<Policy>) -> Option<Self> {
        let mut lookup = Self {
            hop,
            policy,
            naptr: None,
            services: VecDeque::new(),
            hosts: VecDeque::new(),
            declined: false,
            targets: Vec::new(),
        };
        lookup.start().then_some(lookup)
    }

    fn start(&mut self) -> bool {
        let transport = self.hop.default_transport();
        let chosen = self.hop.transport.is_some() || self.hop.port.is_some();
        let port = self.hop.port.unwrap_or_else(|| transport.default_port());
        match self.hop.host.clone() {
            HopHost::Numeric(ip) => {
                self.push(Target {
                    transport,
                    remote: SocketAddr::new(ip, port),
                });
                return !self.targets.is_empty();
            }
            HopHost::Name(name) if self.hop.port.is_some() => {
                self.hosts.push_back((transport, name, port));
            }
            HopHost::Name(name) if chosen => {
                self.services
                    .push_back((transport, service(transport, &name)));
            }
            HopHost::Name(name) => self.naptr = Some(name),
        }
        let possible = |transport: &Transport| self.policy.allows(*transport, &self.hop);
        if chosen {
            possible(&transport)
        } else {
            self.policy.transports.iter().any(possible)
        }
    }

    /// What to ask next; `None` when [`Self::into_targets`] is complete.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        if let Some(name) = &self.naptr {
            return Some(Question::Naptr(name.clone()));
        }
        if let Some((_, name)) = self.services.front() {
            return Some(Question::Srv(name.clone()));
        }
        let (_, name, _) = self.hosts.front()?;
        Some(Question::Addresses(name.clone()))
    }

    /// Takes the answer to [`Self::question`]. For `draw` see [`order`].
    pub fn handle_answer(&mut self, answer: Answer, draw: impl FnMut(u32) -> u32) {
        match answer {
            Answer::Naptr(records) => self.on_naptr(records),
            Answer::Srv(records) => self.on_srv(records, draw),
            Answer::Addresses(addresses) => self.on_addresses(&addresses),
        }
    }

    /// Where to send, in the order to try.
    #[must_use]
    pub fn into_targets(self) -> Vec<Target> {
        self.targets
    }

    /// RFC 3263 §4.1: records of services we cannot do are discarded; without any, SRV is asked
    /// for each of our transports.
    fn on_naptr(&mut self, mut records: Vec<Naptr>) {
        let Some(name) = self.naptr.take() else {
            return;
        };
        records.sort_by_key(|record| (record.order, record.preference));
        for record in records {
            match record.transport() {
                Some(transport) if self.policy.allows(transport, &self.hop) => {
                    self.services.push_back((transport, record.replacement));
                }
                Some(_) | None => {}
            }
        }
        if self.services.is_empty() {
            for transport in self.policy.transports.clone() {
                if self.policy.allows(transport, &self.hop) {
                    self.services
                        .push_back((transport, service(transport, &name)));
                }
            }
        }
        self.services.truncate(self.policy.targets);
    }

    /// RFC 3263 §4.2.
    fn on_srv(&mut self, records: Vec<Srv>, draw: impl FnMut(u32) -> u32) {
        let Some((transport, _)) = self.services.pop_front() else {
            return;
        };
        self.declined |= records.iter().any(|record| record.target.is_empty());
        for record in order(records, draw) {
            if self.hosts.len() < self.policy.targets {
                self.hosts
                    .push_back((transport, record.target, record.port));
            }
        }
        if self.services.is_empty() && self.hosts.is_empty() && !self.declined {
            self.fall_back();
        }
    }

    /// RFC 3263 §4.2: no SRV records, so the name itself is a host.
    fn fall_back(&mut self) {
        let HopHost::Name(name) = self.hop.host.clone() else {
            return;
        };
        let default = self.hop.default_transport();
        let mut possible = self.policy.transports.iter().copied();
        let transport = if self.policy.allows(default, &self.hop) {
            Some(default)
        } else {
            possible.find(|transport| self.policy.allows(*transport, &self.hop))
        };
        if let Some(transport) = transport {
            self.hosts
                .push_back((transport, name, transport.default_port()));
        }
    }

    /// IPv4 first: over UDP a path that does not work costs the whole transaction timeout, and
    /// broken IPv6 is the more common of the two.
    fn on_addresses(&mut self, addresses: &[IpAddr]) {
        let Some((transport, _, port)) = self.hosts.pop_front() else {
            return;
        };
        let v4 = addresses.iter().filter(|ip| ip.is_ipv4());
        let v6 = addresses.iter().filter(|ip| ip.is_ipv6());
        for ip in v4.chain(v6) {
            self.push(Target {
                transport,
                remote: SocketAddr::new(*ip, port),
            });
        }
    }

    fn push(&mut self, target: Target) {
        let family = if target.remote.is_ipv4() {
            self.policy.v4
        } else {
            self.policy.v6
        };
        let possible = family && self.policy.allows(target.transport, &self.hop);
        if possible && self.targets.len() < self.policy.targets && !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }
}

/// The name of a service (RFC 3263 §4.1, RFC 7118 §7).
fn service(transport: Transport, domain: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{domain}"),
        Transport::Tcp => format!("_sip._tcp.{domain}"),
        Transport::Tls => format!("_sips._tcp.{domain}"),
        Transport::Ws => format!("_sip._ws.{domain}"),
        Transport::Wss => format!("_sips._ws.{domain}"),
    }
}
