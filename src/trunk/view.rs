//! How trunks stand, as operators see it.

use super::exchange::Exchange;
use plenum_mcu::control::MediaTerms;
use plenum_sip::msg::Uri;
use plenum_sip::registration::Standing;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A trunk.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// The server as it is configured.
    pub server: String,
    /// Whether calls can be made by it.
    pub up: bool,
    /// `none`, `trying`, `registered`, `failed` or `removed`.
    pub registration: Cow<'static, str>,
    /// Seconds until the registration ends, unless it is refreshed before.
    pub registered_for_s: Option<u64>,
    /// What is wrong and what to do about it.
    pub problem: Option<String>,
    /// Where its servers are.
    pub servers: Vec<Server>,
    /// Calls from it now.
    pub calls_in: usize,
    /// Calls to it now.
    pub calls_out: usize,
}

/// A server of a trunk.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Server {
    /// `udp:192.0.2.7:5060`.
    pub address: String,
    /// Whether it answers; `None`: not known yet.
    pub up: Option<bool>,
}

/// A trunk, and the instants that become seconds when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) trunk: Trunk,
    pub(crate) standing: Option<Standing>,
    /// It is registered, or may be soon, and will not be when the server has ended.
    pub(crate) leaving: bool,
    /// It is configured no more, and nobody's to see.
    pub(crate) hidden: bool,
    /// Where its servers are.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What is shown, shared by cloning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    all: Arc<Mutex<Vec<Kept>>>,
    exchange: Arc<Mutex<Arc<Exchange>>>,
}

impl Shown {
    pub(crate) fn set(&self, all: Vec<Kept>) {
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// What their numbers are, from now on.
    pub(crate) fn set_exchange(&self, exchange: &Arc<Exchange>) {
        let mut kept = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Arc::clone(exchange);
    }

    /// What is agreed on about the media of a call to this address; `None` if no trunk calls it.
    pub(crate) fn terms(&self, uri: &Uri) -> Option<MediaTerms> {
        let kept = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = Arc::clone(&kept);
        drop(kept);
        exchange.terms(uri)
    }

    /// All trunks, in the order of the configuration.
    pub(crate) fn list(&self, now: Instant) -> Vec<Trunk> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let each = all.iter().filter(|kept| !kept.hidden).map(|kept| {
            let mut trunk = kept.trunk.clone();
            if let Some(Standing::Registered(until)) = kept.standing {
                trunk.registered_for_s = Some(until.saturating_duration_since(now).as_secs());
            }
            trunk
        });
        each.collect()
    }

    /// Whether a server of a trunk is at this address.
    pub(crate) fn is_server(&self, address: IpAddr) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|kept| kept.addresses.contains(&address))
    }

    /// Whether a registration is still to be removed.
    pub(crate) fn is_leaving(&self) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|kept| kept.leaving)
    }
}

/// How a standing is written.
pub(crate) fn word(standing: Option<Standing>) -> &'static str {
    match standing {
        None => "none",
        Some(Standing::Idle | Standing::Trying) => "trying",
        Some(Standing::Registered(_)) => "registered",
        Some(Standing::Failed) => "failed",
        Some(Standing::Removed) => "removed",
    }
}
