//! What is counted of abuse.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of abuse.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Offences, by kind and by whether they are proven.
    pub offences: Family<Of, Counter>,
    /// Sources that were banned.
    pub bans: Counter,
    /// Sources that were limited.
    pub limits: Counter,
    /// Sources that are banned now.
    pub banned: Gauge,
    /// What was dropped or closed, by reason.
    pub shut: Family<Shut, Counter>,
}

/// An offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Of {
    /// `probe`, `look` or `guess`.
    pub kind: &'static str,
    /// Whether it can only have been its source: `true` or `false`.
    pub proven: &'static str,
}

/// Something that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Shut {
    /// Why.
    pub reason: Because,
}

/// See [`Shut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Because {
    /// The source is banned.
    Banned,
    /// The source is limited.
    Limited,
    /// Too much comes without proof.
    Flood,
    /// It is for a domain that is not ours (`abuse.unknown_domains`).
    Domain,
    /// Too many requests of one source over HTTPS.
    HttpRate,
    /// Too many connections of one source over HTTPS.
    HttpConnections,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("abuse");
        registry.register(
            "offences",
            "Probes and wrong secrets, by kind and by whether their source is proven",
            self.offences.clone(),
        );
        registry.register("bans", "Sources that were banned", self.bans.clone());
        registry.register("limits", "Sources that were limited", self.limits.clone());
        registry.register("banned", "Sources that are banned now", self.banned.clone());
        registry.register(
            "shut",
            "Requests and connections that were dropped, by reason",
            self.shut.clone(),
        );
    }

    pub(super) fn shut(&self, reason: Because) {
        self.shut.get_or_create(&Shut { reason }).inc();
    }
}
