//! Where a request goes: resolving, targets, failover to the next, the 1300-octet rule
//! (RFC 3261 §18.1.1, RFC 3263 §4).

use super::client::{ClientTx, Hopeful, Machine, Purpose, Resolving};
use super::compose::{target_of, transport_of};
use super::{
    ClientTxId, Contact, Endpoint, InviteId, Output, Reach, ResolveId, Target, Transport, Via,
};
use crate::dialog::{Hop, next_hop};
use crate::msg::{HeaderName, Host, Method, Request, Scheme, StatusCode, Uri};
use crate::transaction::Actions;
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::client_non_invite::ClientNonInvite;
use bytes::Bytes;
use rand::Rng as _;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// §18.1.1: a request longer than this goes over a congestion-controlled transport.
const LARGE: usize = 1300;
/// How many targets are tried for one request.
const TARGETS: usize = 8;

impl Endpoint {
    /// Sends a request: on the known hop, or where the resolver says.
    pub(super) fn start_client(
        &mut self,
        now: Instant,
        request: Request,
        contact: Option<Contact>,
        purpose: Purpose,
        hop: &Hop,
    ) -> ClientTxId {
        let uri = next_hop(&request);
        let id = self.insert_client(request, contact, purpose);
        match locate(hop, &uri) {
            Some(via) => {
                self.offer_way(id, via);
                // The connection of the peer may be gone; its Contact is where it is reached then.
                if matches!(hop, Hop::Flow(flow) if flow.transport.is_reliable())
                    && let Some(contact) = numeric(&uri)
                {
                    self.offer_way(id, Via::Target(contact));
                }
                self.try_next(now, id);
            }
            None => self.resolve(Resolving::Client(id), uri),
        }
        id
    }

    /// Sends a request to where it is known to belong, else where the resolver says.
    pub(super) fn start_towards(
        &mut self,
        now: Instant,
        request: Request,
        contact: Option<Contact>,
        purpose: Purpose,
        reach: &Reach,
    ) -> ClientTxId {
        if reach.targets.is_empty() && reach.ways.is_empty() {
            let id = self.start_client(now, request, contact, purpose, &Hop::Unknown);
            self.entrust(id, reach.credentials.clone());
            return id;
        }
        let id = self.insert_client(request, contact, purpose);
        self.entrust(id, reach.credentials.clone());
        for way in reach.ways.iter().take(TARGETS) {
            self.offer_way(id, *way);
        }
        for target in reach.targets.iter().take(TARGETS) {
            self.offer_way(id, Via::Target(*target));
        }
        self.try_next(now, id);
        id
    }

    pub(super) fn insert_client(
        &mut self,
        request: Request,
        contact: Option<Contact>,
        purpose: Purpose,
    ) -> ClientTxId {
        if request.method == Method::Bye {
            self.byes = self.byes.saturating_add(1);
        }
        self.clients.insert(ClientTx {
            machine: Machine::Unsent,
            method: request.method.clone(),
            seq: request.headers.cseq().map_or(0, |cseq| cseq.seq),
            branch: 0,
            request: Some(request),
            contact,
            bytes: Bytes::new(),
            ack: Bytes::new(),
            via: None,
            rest: VecDeque::new(),
            credentials: self.credentials_for(purpose),
            answers: 0,
            insecure: None,
            purpose,
            acks: SmallVec::new(),
        })
    }

    pub(super) fn offer_way(&mut self, id: ClientTxId, via: Via) {
        if let Some(tx) = self.clients.get_mut(id) {
            tx.rest.push_back(Hopeful {
                via,
                whatever_size: false,
            });
        }
    }

    pub(super) fn resolve(&mut self, what: Resolving, uri: Uri) {
        let id = self.resolving.insert(what);
        self.out.push_back(Output::Resolve { id, uri });
    }

    /// The resolver's answer, best target first; empty if there is none.
    pub fn handle_resolved(&mut self, now: Instant, id: ResolveId, targets: Vec<Target>) {
        match self.resolving.remove(id) {
            Some(Resolving::Client(tx)) => {
                let purpose = self.clients.get(tx).map(|client| client.purpose);
                match purpose {
                    Some(Purpose::InDialog(usage) | Purpose::Modify(usage)) => {
                        self.learn_hop(usage, targets.first());
                    }
                    Some(Purpose::Notify(id)) => {
                        if let Some(home) = self.notifiers.get(id).map(|it| it.home) {
                            self.learn_hop_of(home, targets.first());
                        }
                    }
                    Some(Purpose::Subscribe(id)) => {
                        if let Some(home) = self.subscribers.get(id).map(|it| it.home) {
                            self.learn_hop_of(home, targets.first());
                        }
                    }
                    Some(Purpose::User | Purpose::Invite(_) | Purpose::Probe(_) | Purpose::Own)
                    | None => {}
                }
                for target in targets.into_iter().take(TARGETS) {
                    self.offer_way(tx, Via::Target(target));
                }
                if !self.try_next(now, tx) {
                    self.fail_client(now, tx, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            Some(Resolving::Ack { tx, tag, request }) => {
                let purpose = self.clients.get(tx).map(|client| client.purpose);
                if let Some(Purpose::Invite(usage) | Purpose::Modify(usage)) = purpose {
                    self.learn_hop(usage, targets.first());
                }
                if let Some(target) = targets.first() {
                    self.emit_ack(tx, tag, *request, Via::Target(*target));
                }
            }
            Some(Resolving::BestEffort { id, request, last }) => {
                self.on_best_effort_resolved(now, id, *request, last, targets.first());
            }
            None => {}
        }
    }

    /// The next hop of a call that is up is resolved once; a target refresh forgets it.
    pub(super) fn learn_hop(&mut self, id: InviteId, target: Option<&Target>) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let confirmed = usage.up_mut().is_some();
        if let Some(dialog) = usage.dialogs.first_mut().filter(|_| confirmed)
            && let (Hop::Unknown, Some(target)) = (&dialog.hop, target)
        {
            dialog.hop = Hop::Target(*target);
        }
    }

    /// Sends to the next target in a transaction of its own (RFC 3263 §4.3); false if none is left.
    pub(super) fn try_next(&mut self, now: Instant, id: ClientTxId) -> bool {
        let Some(tx) = self.clients.get_mut(id) else {
            return false;
        };
        let Some(hopeful) = tx.rest.pop_front() else {
            return false;
        };
        let first = tx.via.is_none();
        let Some(mut request) = tx.request.take() else {
            return false;
        };
        let old = (tx.branch, false);
        let contact = tx.contact.take();
        if !first {
            request.headers.remove(&HeaderName::Via);
            self.branches.remove(&old);
        }
        let branch = self.rng.next_u64();
        let mut via = hopeful.via;
        let mut bytes = self.print_for(&mut request, contact.as_ref(), &via, branch);
        if let Some(tcp) = larger_way(&via, bytes.len()).filter(|_| !hopeful.whatever_size) {
            // §18.1.1: TCP first, "if […] refused, the element SHOULD retry the request over UDP".
            let fallback = Hopeful {
                via,
                whatever_size: true,
            };
            via = tcp;
            request.headers.remove(&HeaderName::Via);
            bytes = self.print_for(&mut request, contact.as_ref(), &via, branch);
            if let Some(tx) = self.clients.get_mut(id) {
                tx.rest.push_front(fallback);
            }
        }
        let path = self.path_of(&via);
        let mut actions = Actions::new();
        self.set_way(id, via);
        let Some(tx) = self.clients.get_mut(id) else {
            return false;
        };
        tx.machine = if tx.method == Method::Invite {
            Machine::Invite(ClientInvite::start(&path, &mut actions))
        } else {
            Machine::NonInvite(ClientNonInvite::start(&path, &mut actions))
        };
        tx.branch = branch;
        tx.bytes = bytes;
        tx.request = Some(request);
        tx.contact = contact;
        self.branches.insert((branch, false), id);
        self.run_client(now, id, &actions, None);
        true
    }

    pub(super) fn print_for(
        &self,
        request: &mut Request,
        contact: Option<&Contact>,
        via: &Via,
        branch: u64,
    ) -> Bytes {
        self.push_via(request, via, branch);
        if let Some(contact) = contact {
            let secured = is_secured(request);
            let value = self.contact_value(contact, via, secured);
            request.headers.set(HeaderName::Contact, value);
        }
        request.print()
    }
}

/// The way of a request, where no name has to be resolved for it (RFC 3263 §4). To a `sips:` URI
/// there is none without TLS (RFC 3261 §26.2.2).
pub(super) fn locate(hop: &Hop, uri: &Uri) -> Option<Via> {
    let known = match hop {
        Hop::Flow(flow) => Some(Via::Flow(*flow)),
        Hop::Target(target) => Some(Via::Target(*target)),
        Hop::Unknown => None,
    };
    let fits = |via: &Via| uri.scheme != Scheme::Sips || transport_of(via).is_secure();
    known.filter(fits).or_else(|| numeric(uri).map(Via::Target))
}

/// Whether our Contact in this request is a `sips:` URI: the Request-URI or the topmost Route is one
/// (RFC 3261 §8.1.1.8).
fn is_secured(request: &Request) -> bool {
    let routes = request.headers.routes().unwrap_or_default();
    let first = routes.first().map(|route| &route.uri.scheme);
    request.uri.scheme == Scheme::Sips || first == Some(&Scheme::Sips)
}

fn numeric(uri: &Uri) -> Option<Target> {
    if !uri.is_sip() {
        return None;
    }
    let maddr = uri.param("maddr");
    let host = match &maddr {
        Some(maddr) => Host::parse(maddr).ok()?,
        None => uri.host.clone(),
    };
    let ip = host.ip()?;
    let secure = uri.scheme == Scheme::Sips;
    let transport = match uri.param("transport") {
        None if secure => Transport::Tls,
        None => Transport::Udp,
        Some(name) if name.eq_ignore_case("tls") => Transport::Tls,
        Some(name) if name.eq_ignore_case("tcp") && secure => Transport::Tls,
        Some(name) if name.eq_ignore_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_case("udp") && !secure => Transport::Udp,
        Some(name) if name.eq_ignore_case("ws") && secure => Transport::Wss,
        Some(name) if name.eq_ignore_case("ws") => Transport::Ws,
        Some(name) if name.eq_ignore_case("wss") => Transport::Wss,
        // A transport we do not know is the resolver's to refuse.
        Some(_) => return None,
    };
    let port = uri.port.unwrap_or_else(|| transport.default_port());
    Some(Target {
        transport,
        remote: SocketAddr::new(ip, port),
    })
}

/// TCP to the same place, if these octets are too many for a datagram (§18.1.1).
fn larger_way(via: &Via, octets: usize) -> Option<Via> {
    match via {
        Via::Target(target) if target.transport == Transport::Udp && octets > LARGE => {
            Some(Via::Target(Target {
                transport: Transport::Tcp,
                ..target_of(via)
            }))
        }
        Via::Target(_) | Via::Flow(_) => None,
    }
}
