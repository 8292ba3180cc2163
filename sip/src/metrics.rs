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
    /// Responses that match no transaction of ours, dropped.
    pub stray_responses: Counter,
    /// ACKs that match neither a transaction nor a dialog, dropped.
    pub stray_acks: Counter,
    /// Requests answered 503 for lack of room, before any state was made.
    pub refused_overload: Counter,
    /// Requests answered with a failure by the endpoint itself, 503 included.
    pub refused_requests: Counter,
    /// Requests from outside of calls that were dropped because of who sent them.
    pub screened: Counter,
    /// Session descriptions in messages that may not carry one, ignored.
    pub misplaced_bodies: Counter,
    /// 2xx from further branches of a fork, or after a CANCEL: acknowledged and ended with BYE.
    pub abandoned_forks: Counter,
    /// Calls without media that ended because their connection broke and their peer was not found.
    pub lost_calls: Counter,
    /// SUBSCRIBEs and REFERs refused 403 because their dialog has too many subscriptions.
    pub refused_subscriptions: Counter,
    /// Notifications not taken because too many wait for the same subscriber.
    pub refused_notifications: Counter,
    /// NOTIFYs sent, but for retransmissions.
    pub notifications: Counter,
    /// BENOTIFYs sent.
    pub best_effort_notifications: Counter,
    /// NOTIFYs and BENOTIFYs whose failure ended the subscription.
    pub failed_notifications: Counter,
    /// NOTIFYs and BENOTIFYs that match no subscription of ours.
    pub stray_notifications: Counter,
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
        registry.register(
            "stray_responses",
            "Responses that match no transaction, dropped",
            self.stray_responses.clone(),
        );
        registry.register(
            "stray_acks",
            "ACKs that match neither a transaction nor a dialog, dropped",
            self.stray_acks.clone(),
        );
        registry.register(
            "refused_overload",
            "Requests answered 503 for lack of room",
            self.refused_overload.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests answered with a failure by the endpoint itself",
            self.refused_requests.clone(),
        );
        registry.register(
            "screened",
            "Requests from outside of calls dropped because of who sent them",
            self.screened.clone(),
        );
        registry.register(
            "misplaced_bodies",
            "Session descriptions in messages that may not carry one, ignored",
            self.misplaced_bodies.clone(),
        );
        registry.register(
            "abandoned_forks",
            "Further 2xx to an INVITE of ours, acknowledged and ended with BYE",
            self.abandoned_forks.clone(),
        );
        registry.register(
            "lost_calls",
            "Calls without media ended because their connection broke",
            self.lost_calls.clone(),
        );
        self.register_events(registry);
    }

    fn register_events(&self, registry: &mut Registry) {
        registry.register(
            "refused_subscriptions",
            "SUBSCRIBEs and REFERs refused 403 because their dialog has too many subscriptions",
            self.refused_subscriptions.clone(),
        );
        registry.register(
            "refused_notifications",
            "Notifications not taken because too many wait for the same subscriber",
            self.refused_notifications.clone(),
        );
        registry.register(
            "notifications",
            "NOTIFYs sent, but for retransmissions",
            self.notifications.clone(),
        );
        registry.register(
            "best_effort_notifications",
            "BENOTIFYs sent",
            self.best_effort_notifications.clone(),
        );
        registry.register(
            "failed_notifications",
            "NOTIFYs and BENOTIFYs whose failure ended the subscription",
            self.failed_notifications.clone(),
        );
        registry.register(
            "stray_notifications",
            "NOTIFYs and BENOTIFYs that match no subscription of ours",
            self.stray_notifications.clone(),
        );
    }
}
