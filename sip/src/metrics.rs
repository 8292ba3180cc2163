//! What this crate counts. The root crate registers it; cores only increment.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of the SIP endpoint, shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages dropped without an answer because they could not be read.
    pub dropped_malformed: Counter,
}

impl Metrics {
    /// Makes the counters visible under `sip_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sip");
        registry.register(
            "dropped_malformed",
            "Messages dropped unanswered because they could not be read",
            self.dropped_malformed.clone(),
        );
    }
}
