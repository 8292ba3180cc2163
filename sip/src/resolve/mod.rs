//! Where to send a request: locating SIP servers (RFC 3263).
//!
//! | file | what it knows |
//! |---|---|
//! | `hop` | what the URI says |
//! | `lookup` | the procedure, as questions and answers |
//! | `srv` | the order of records (RFC 2782) |
//! | `dns` | who answers |
//!
//! *Invariant:* a numeric target asks nobody.

mod dns;
mod hop;
mod lookup;
mod srv;

pub use hop::{HopHost, NextHop};
pub use lookup::{Answer, Lookup, Policy, Question};
pub use srv::{Naptr, Srv, order};

use crate::endpoint::Target;
use crate::msg::Uri;
use crate::transport::Unresolved;
use dns::Dns;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Finds targets for URIs.
pub struct Resolver {
    dns: Arc<Dns>,
    policy: Arc<Policy>,
    timeout: Duration,
    rng: StdRng,
}

/// How a resolution begins.
#[derive(Debug)]
pub enum Resolution {
    /// Done already: the host is numeric.
    Done(Vec<Target>),
    /// To be awaited.
    Pending(Box<PendingResolution>),
    /// It cannot be done.
    Failed(Unresolved),
}

/// A resolution that has to ask somebody.
pub struct PendingResolution {
    dns: Arc<Dns>,
    lookup: Lookup,
    timeout: Duration,
    rng: StdRng,
}

impl Resolver {
    /// Asks `/etc/hosts` and the name servers of this host. A resolution ends within `timeout`.
    /// The seed decides between SRV records of the same priority.
    #[must_use]
    pub fn system(policy: Policy, timeout: Duration, seed: [u8; 32]) -> Self {
        Self::new(Dns::system(timeout / QUESTIONS), policy, timeout, seed)
    }

    /// As [`Self::system`], with these name servers.
    #[must_use]
    pub fn with_servers(
        servers: &[SocketAddr],
        policy: Policy,
        timeout: Duration,
        seed: [u8; 32],
    ) -> Self {
        Self::new(
            Dns::with_servers(servers, timeout / QUESTIONS),
            policy,
            timeout,
            seed,
        )
    }

    fn new(dns: Dns, policy: Policy, timeout: Duration, seed: [u8; 32]) -> Self {
        Self {
            dns: Arc::new(dns),
            policy: Arc::new(policy),
            timeout,
            rng: StdRng::from_seed(seed),
        }
    }

    /// Begins a resolution.
    pub fn resolve(&mut self, uri: &Uri) -> Resolution {
        let hop = NextHop::new(uri);
        if hop.as_ref().is_some_and(|hop| hop.host.is_nowhere()) {
            return Resolution::Failed(Unresolved::NotFound);
        }
        let lookup = hop.and_then(|hop| Lookup::new(hop, Arc::clone(&self.policy)));
        match lookup {
            None => Resolution::Failed(Unresolved::Unsupported),
            Some(lookup) if lookup.question().is_none() => Resolution::Done(lookup.into_targets()),
            Some(lookup) => Resolution::Pending(Box::new(PendingResolution {
                dns: Arc::clone(&self.dns),
                lookup,
                timeout: self.timeout,
                rng: StdRng::from_rng(&mut self.rng),
            })),
        }
    }
}

impl PendingResolution {
    /// Asks what is to be asked, one question after the other.
    ///
    /// # Errors
    /// Nothing was found, in time.
    pub async fn run(mut self) -> Result<Vec<Target>, Unresolved> {
        let mut late = false;
        let end = Instant::now() + self.timeout;
        while let Some(question) = self.lookup.question() {
            let patience = (Instant::now() + self.timeout / QUESTIONS).min(end);
            let asked = tokio::time::timeout_at(patience, self.dns.ask(&question));
            let answer = asked.await.unwrap_or_else(|_| {
                late = true;
                nothing(&question)
            });
            let rng = &mut self.rng;
            self.lookup
                .handle_answer(answer, |last| rng.random_range(0..=last));
        }
        let targets = self.lookup.into_targets();
        match (targets.is_empty(), late) {
            (false, _) => Ok(targets),
            (true, true) => Err(Unresolved::TimedOut),
            (true, false) => Err(Unresolved::NotFound),
        }
    }
}

fn nothing(question: &Question) -> Answer {
    match question {
        Question::Naptr(_) => Answer::Naptr(Vec::new()),
        Question::Srv(_) => Answer::Srv(Vec::new()),
        Question::Addresses(_) => Answer::Addresses(Vec::new()),
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingResolution")
            .field("lookup", &self.lookup)
            .finish_non_exhaustive()
    }
}

/// A silent DNS costs this many questions of a name alone: NAPTR, three SRVs and the addresses.
const QUESTIONS: u32 = 5;
