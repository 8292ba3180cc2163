//! What trunks count.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A trunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Of {
    /// Its name.
    pub trunk: String,
}

/// A trunk, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Because {
    /// Its name.
    pub trunk: String,
    /// In one word.
    pub reason: &'static str,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Why {
    /// In one word.
    pub reason: &'static str,
}

/// Counters of trunks, shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// 1 while calls can be made by it.
    pub up: Family<Of, Gauge>,
    /// 1 while it is registered.
    pub registered: Family<Of, Gauge>,
    /// Failed registrations.
    pub registration_failures: Family<Because, Counter>,
    /// Calls from it now.
    pub calls_in: Family<Of, Gauge>,
    /// Calls to it now.
    pub calls_out: Family<Of, Gauge>,
    /// Calls from it that were refused.
    pub refused_in: Family<Because, Counter>,
    /// Calls to telephone numbers that were refused.
    pub refused_out: Family<Why, Counter>,
    /// Calls that were tried by another trunk after one had failed.
    pub failovers: Counter,
    /// Redirections followed.
    pub redirections: Counter,
    /// Calls ended because they had lasted as long as a rule allows.
    pub cut: Counter,
}

impl Metrics {
    /// Makes them visible under `trunk_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("trunk");
        registry.register("up", "1 while a trunk can be called by", self.up.clone());
        registry.register(
            "registered",
            "1 while a trunk is registered",
            self.registered.clone(),
        );
        registry.register(
            "registration_failures",
            "Failed registrations",
            self.registration_failures.clone(),
        );
        registry.register("calls_in", "Calls from a trunk now", self.calls_in.clone());
        registry.register("calls_out", "Calls to a trunk now", self.calls_out.clone());
        registry.register(
            "refused_in",
            "Calls from a trunk that were refused",
            self.refused_in.clone(),
        );
        registry.register(
            "refused_out",
            "Calls to telephone numbers that were refused",
            self.refused_out.clone(),
        );
        registry.register(
            "failovers",
            "Calls tried by another trunk after one had failed",
            self.failovers.clone(),
        );
        registry.register(
            "redirections",
            "Redirections of calls that were followed",
            self.redirections.clone(),
        );
        registry.register(
            "cut",
            "Calls ended because a rule allows no longer ones",
            self.cut.clone(),
        );
    }
}
