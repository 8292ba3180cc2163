//! What this crate counts. The root crate registers it; cores only increment.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of the SIP endpoint, shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages dropped without an answer because they could not be read.
    pub dropped_malformed: Counter,
    /// Requests that could not be taken as they were and were answered 400, 416, 505 or 513.
    pub answered_malformed: Counter,
    /// Messages of nothing but line breaks (RFC 5626 §3.5.1).
    pub keep_alives: Counter,
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
        registry.register(
            "answered_malformed",
            "Malformed requests answered 400, 416, 505 or 513",
            self.answered_malformed.clone(),
        );
        registry.register(
            "keep_alives",
            "Messages of nothing but line breaks",
            self.keep_alives.clone(),
        );
    }
}
