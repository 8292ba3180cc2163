//! The bounds of this crate. The numbers are the process's: `src/limits.rs` of the root crate.

use std::time::Duration;

/// Bounds on everything a peer can make this crate hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of one message, start line to end of body. Beyond: 513 on a datagram, the connection is closed on a stream.
    pub message_bytes: usize,
    /// Header fields of one message. Beyond: 400 "Too Many Header Fields".
    pub header_fields: usize,
    /// Server transactions alive at once; most of them only wait for late repetitions, 32 s each.
    /// Beyond: 503 with `Retry-After`, without state. Requests of calls that are up get a quarter
    /// more, so that new work is shed first, and a BYE is always taken. They keep a KiB each on
    /// average: long branches and responses count for more.
    pub server_transactions: usize,
    /// INVITE usages (half-open and confirmed) alive at once. Beyond: 503 with `Retry-After`, without state.
    pub invite_usages: usize,
    /// INVITE usages not yet confirmed by ACK. Beyond: 503 with `Retry-After`, without state.
    pub half_open_invites: usize,
    /// Of these, whether or not the others are, when one more is by a peer over UDP that may not be
    /// where it says. Beyond: 503 with `Retry-After`, without state; its ACK shows that it is there.
    pub half_open_unproven: usize,
    /// How often an answer to an INVITE is sent again to such a peer. Beyond: it is not.
    pub unproven_repeats: u32,
    /// Seconds a peer is asked to stay away with a 503.
    pub retry_after_s: u32,
    /// Stream connections open at once. Beyond: a new one is closed at accept.
    pub connections: usize,
    /// Stream connections open at once from one address. Beyond: a new one is closed at accept.
    pub connections_per_source: usize,
    /// A stream connection without traffic is closed after this time.
    pub connection_idle: Duration,
    /// Octets waiting to be written to one slow stream peer. Beyond: the connection is closed.
    pub write_queue_bytes: usize,
    /// An INVITE is answered finally within this time, or by 408 on our side.
    pub ringing: Duration,
    /// Bounds of subscriptions.
    pub events: EventLimits,
}

impl Limits {
    /// Whether there is room for another server transaction beside so many that keep so many octets.
    pub(crate) fn has_room(&self, transactions: usize, octets: usize, in_call: bool) -> bool {
        let more = if in_call {
            self.server_transactions / 4
        } else {
            0
        };
        let room = self.server_transactions.saturating_add(more);
        transactions < room && octets < room.saturating_mul(TRANSACTION_OCTETS)
    }
}

/// Bounds on what subscribers can make this crate hold (RFC 6665).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Subscriptions we notify, alive at once, implicit ones of REFER included. Beyond: 503 with
    /// `Retry-After`, without state.
    pub subscriptions: usize,
    /// Of these, in one dialog. Beyond: 403.
    pub subscriptions_per_dialog: usize,
    /// Notifications of one subscription that wait for the answer to the one before. Beyond: the
    /// command fails with `Pending`.
    pub queued_notifications: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            subscriptions: 20_000,
            subscriptions_per_dialog: 8,
            queued_notifications: 8,
        }
    }
}

/// What a server transaction keeps on average: its key and its last response.
const TRANSACTION_OCTETS: usize = 1024;
