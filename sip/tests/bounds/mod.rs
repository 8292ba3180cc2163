//! Bounds for tests.

use plenum_sip::limits::{EventLimits, Limits};
use std::time::Duration;

/// Wide where a test does not say otherwise.
pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: 65_535,
        header_fields: 100,
        server_transactions: 1_000,
        invite_usages: 1_000,
        half_open_invites: 1_000,
        half_open_unproven: 1_000,
        unproven_repeats: 3,
        retry_after_s: 1,
        connections: 100,
        connections_per_source: 100,
        connection_idle: Duration::from_secs(600),
        write_queue_bytes: 1 << 16,
        ringing: Duration::from_secs(60),
        events: EventLimits::default(),
    }
}
