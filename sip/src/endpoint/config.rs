//! What the endpoint is told once: who we are and what we can do.

use super::{Flow, Target, Transport};
use crate::limits::Limits;
use crate::msg::{Host, Method, Text};
use crate::transaction::timer::Times;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The configuration of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug)]
pub struct Config {
    /// Value of `User-Agent` in requests and `Server` in responses.
    pub user_agent: Text,
    /// The methods we answer, for `Allow`; any other is refused with 405 or 501.
    pub allow: Vec<Method>,
    /// The option tags we understand, for `Supported`; any other in `Require` is refused with 420.
    /// `100rel` and `timer` are obeyed by the endpoint itself where they stand here.
    pub supported: Vec<Text>,
    /// The event packages we notify, for `Allow-Events`; none: no such header.
    pub allow_events: Vec<Text>,
    /// The session description types we read (`application/sdp`), for `Accept`; any other is
    /// refused with 415 in INVITE, UPDATE and PRACK. `multipart/*` is always let through.
    pub accept: Vec<Text>,
    /// What stands in Via and Contact, by transport. A flow whose transport is not listed names
    /// its own local address; a request to a target whose transport is not listed names what the
    /// [`Sources`] answer, and without an answer the first entry's host.
    pub advertised: Vec<Advertised>,
    /// T1, T2 and T4.
    pub times: Times,
    /// The session interval we ask for (RFC 4028 §4), at least 90 s; `None`: no session timer
    /// unless the peer asks for one.
    pub session_expires: Option<Duration>,
    /// The shortest session interval we let a peer ask for (RFC 4028 §5), at least 90 s.
    pub min_se: Duration,
    /// Answer 483 to a request outside any dialog whose Max-Forwards is 0, as one that forwards has
    /// to. A request that has arrived may be spent (RFC 3261 §8.1.1.6): a user agent takes it.
    pub refuse_spent_hops: bool,
    /// What we let subscribers ask for.
    pub events: Events,
    /// The bounds.
    pub limits: Limits,
}

/// What we let subscribers ask for (RFC 6665 §4.2.1.1).
#[derive(Clone, Debug)]
pub struct Events {
    /// How long a subscription lasts whose SUBSCRIBE has no `Expires`.
    pub expires: Duration,
    /// The shortest time that may be asked for, at most an hour; less is refused with 423. 0
    /// always ends or fetches.
    pub min_expires: Duration,
    /// The longest time that is granted.
    pub max_expires: Duration,
    /// How long the implicit subscription of a REFER lasts.
    pub refer_expires: Duration,
    /// Option tags that `Require` may name though we do not list them in `Supported`.
    pub understood: Vec<Text>,
}

impl Default for Events {
    fn default() -> Self {
        let understood = [
            "ms-benotify",
            "ms-piggyback-first-notify",
            "com.microsoft.autoextend",
            "norefersub",
            "nosub",
            "path",
            "outbound",
            "gruu",
        ];
        Self {
            expires: Duration::from_secs(3600),
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(7200),
            refer_expires: Duration::from_secs(300),
            understood: understood.map(Text::from_static).to_vec(),
        }
    }
}

/// The host and port we are reached at over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// Over which transport.
    pub transport: Transport,
    /// The name or address.
    pub host: Host,
    /// The port; `None`: the transport's default, or a name that SRV finds.
    pub port: Option<u16>,
}

/// What the routing table says, injected as the core knows no sockets: at which of the addresses
/// we listen on a target reaches us.
#[derive(Clone, Default)]
pub struct Sources {
    source_of: Option<Arc<SourceOf>>,
    told: Option<Arc<Told>>,
    listens: Option<Arc<Listens>>,
}

type Listens = dyn Fn(Transport, u16) -> bool + Send + Sync;

type Told = dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync;

type SourceOf = dyn Fn(Target) -> Option<SocketAddr> + Send + Sync;

impl Sources {
    /// Sources by this function. It is asked for every request to a target, and must not wait.
    pub fn new(source_of: impl Fn(Target) -> Option<SocketAddr> + Send + Sync + 'static) -> Self {
        Self {
            source_of: Some(Arc::new(source_of)),
            told: None,
            listens: None,
        }
    }

    /// Knows on which ports of a transport we listen: a connection from another one is one that we have opened, and
    /// nobody reaches us there.
    #[must_use]
    pub fn listening(
        self,
        listens: impl Fn(Transport, u16) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            listens: Some(Arc::new(listens)),
            ..self
        }
    }

    /// Where the peer of this connection reaches us: its own end of it where the peer has opened it, else where we
    /// listen (RFC 3261 §18.1.1, §8.1.1.8).
    pub(super) fn reached_by(&self, flow: &Flow) -> SocketAddr {
        let listens = self.listens.as_ref();
        let opened = listens.is_some_and(|listens| !listens(flow.transport, flow.local.port()));
        let target = Target {
            transport: flow.transport,
            remote: flow.remote,
        };
        let listening = self.towards(target).filter(|_| opened);
        listening.unwrap_or(flow.local)
    }

    /// Tells peers, by their address, another address of ours than what is advertised to all: the inner one behind a
    /// NAT to those who are there as well.
    #[must_use]
    pub fn telling(self, told: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self {
            told: Some(Arc::new(told)),
            ..self
        }
    }

    pub(super) fn towards(&self, target: Target) -> Option<SocketAddr> {
        let source_of = self.source_of.as_ref();
        source_of.and_then(|source_of| source_of(target))
    }

    /// What a peer at this address is told instead of what all are.
    pub(super) fn told(&self, peer: IpAddr) -> Option<IpAddr> {
        self.told.as_ref().and_then(|told| told(peer))
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}
