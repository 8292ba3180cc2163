//! What is counted of users and registrations.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of users and registrations.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Users in the store.
    pub users: Gauge,
    /// Bindings that are alive.
    pub registrations: Gauge,
    /// Requests that were asked for credentials.
    pub challenged: Counter,
    /// Requests with right credentials.
    pub granted: Counter,
    /// Requests with credentials that were not taken.
    pub denied: Family<Denial, Counter>,
    /// REGISTERs that were acknowledged.
    pub registered: Counter,
    /// REGISTERs that were refused, for other reasons than credentials.
    pub refused_registers: Counter,
}

/// Why credentials were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Denial {
    /// The reason.
    pub reason: DenialReason,
}

/// See [`Denial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum DenialReason {
    /// There is no such user.
    UnknownUser,
    /// The password is another.
    WrongPassword,
    /// The very same credentials came before.
    Replayed,
    /// The nonce is too old, or was used up.
    Stale,
    /// The nonce is not ours for this realm: invented, for another one, or of before a restart.
    ForeignNonce,
    /// They are for another realm.
    AnotherRealm,
    /// They cannot be read.
    Malformed,
    /// The user is shut out.
    Disabled,
    /// They are right, but of another user than the request is for.
    AnotherUser,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("users", "Users in the store", self.users.clone());
        registry.register(
            "registrations",
            "Contacts registered now",
            self.registrations.clone(),
        );
        registry.register(
            "auth_challenged",
            "Requests answered 401",
            self.challenged.clone(),
        );
        registry.register(
            "auth_granted",
            "Requests with right credentials",
            self.granted.clone(),
        );
        registry.register(
            "auth_denied",
            "Requests whose credentials were not taken, by reason",
            self.denied.clone(),
        );
        registry.register(
            "registered",
            "REGISTERs acknowledged",
            self.registered.clone(),
        );
        registry.register(
            "refused_registers",
            "REGISTERs refused for other reasons than credentials",
            self.refused_registers.clone(),
        );
    }
}
