//! The bounds of this crate. The numbers are the process's: `src/limits.rs` of the root crate.

use crate::xml;
use std::time::Duration;

/// Bounds on everything a caller can make the focus hold or do, each with its refusal.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Conferences active at the same time. Beyond: 503 with `Retry-After`.
    pub conferences: usize,
    /// Endpoints of one conference, whatever its record says. Beyond: 486.
    pub endpoints: usize,
    /// Octets of a conference name, unescaped. Beyond: 404, no such conference can exist.
    pub name_bytes: usize,
    /// Ad-hoc conferences one source may create in a minute. Beyond: 503 with `Retry-After`.
    pub creations_per_minute: u32,
    /// Sources whose creations are remembered. Beyond: the longest quiet one is forgotten.
    pub creation_sources: usize,
    /// Messages waiting for one conference. Beyond: 503 for requests, a busy answer for commands,
    /// DTMF digits are dropped; what ends calls or commands always finds room, and is bounded by
    /// how many of those there are.
    pub mailbox: usize,
    /// Sources whose wrong PINs are remembered. Beyond: the longest quiet one is forgotten.
    pub pin_sources: usize,
    /// Calls of one source that are being asked for a PIN at the same time, while it behaves.
    /// Beyond: 480 with `Retry-After`.
    pub pin_calls_per_source: u32,
    /// Calls of one source that may end without the right PIN before it is slowed.
    pub pin_free_failures: u32,
    /// How long a source is refused after the first failure past the free ones; it doubles with each.
    pub pin_backoff: Duration,
    /// The longest a source is refused; also how long a quiet source is remembered.
    pub pin_backoff_ceiling: Duration,
    /// Digits of a PIN that are kept. Further ones make the PIN wrong.
    pub pin_digits: usize,
    /// How long a caller may take for the next digit of the PIN before the try counts as wrong.
    pub pin_patience: Duration,
    /// How long a mixer may take for a command. Beyond: the command has failed.
    pub mcu_deadline: Duration,
    /// How long a prompt that ends a call may play before the BYE goes out anyway.
    pub farewell: Duration,
    /// Least time between two entry or exit tones, so that a crowd does not drown the talk.
    pub tone_gap: Duration,
    /// Key sequences of one conference.
    pub key_bindings: usize,
    /// What `Retry-After` says when the server is full.
    pub retry_after: Duration,
    /// Of the entry.
    pub entry: EntryLimits,
    /// Of those who steer conferences and watch them.
    pub control: ControlLimits,
}

/// Bounds on callers at the entry who key in the number of a conference.
#[derive(Clone, Debug)]
pub struct EntryLimits {
    /// Callers at once. Beyond: 486.
    pub callers: usize,
    /// Digits of a number. More belong to no number.
    pub digits: usize,
    /// Numbers that one caller may try. Beyond: hung up.
    pub tries: u32,
    /// How long a caller may take for the next digit; then the number is complete.
    pub patience: Duration,
    /// How long it may all take. Beyond: hung up.
    pub time: Duration,
}

impl Default for EntryLimits {
    fn default() -> Self {
        Self {
            callers: 100,
            digits: 32,
            tries: 3,
            patience: Duration::from_secs(10),
            time: Duration::from_secs(90),
        }
    }
}

/// Bounds on C3P and on the conference event package, each with its refusal.
#[derive(Clone, Debug)]
pub struct ControlLimits {
    /// Endpoints that wait in the lobby of one conference. Beyond: 486.
    pub lobby: usize,
    /// Endpoints at the focus of one user. Beyond: 403.
    pub focus_endpoints_per_user: usize,
    /// Commands of one participant that are not answered yet. Beyond: C3P `serverBusy`.
    pub commands_per_participant: usize,
    /// How long a command may take before its sender is told that it is pending, and between two
    /// such (CB-152): less than the 32 s after which clients give up.
    pub pending_interval: Duration,
    /// The size of C3P bodies. Beyond in octets: 413, otherwise 400.
    pub c3p: xml::Limits,
    /// Subscriptions of one user. Beyond: 403.
    pub subscriptions_per_user: usize,
    /// Subscriptions of one conference. Beyond: 503.
    pub subscriptions: usize,
    /// Least time between two notifications to one subscriber. What changes meanwhile is told
    /// together; the first change after a pause is told at once.
    pub notify_pace: Duration,
    /// Notifications of one conference in a second. With more subscribers than it allows at the
    /// pace, the pace is slower: what a crowd costs does not grow with how many watch it come.
    pub notify_rate: u32,
    /// Users that are gone which subscribers can still be told of. Beyond: they get a full
    /// document.
    pub departed: usize,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            lobby: 500,
            focus_endpoints_per_user: 10,
            commands_per_participant: 32,
            pending_interval: Duration::from_secs(28),
            c3p: xml::Limits {
                octets: 64 * 1024,
                depth: 32,
                elements: 4_096,
                attributes: 64,
            },
            subscriptions_per_user: 10,
            subscriptions: 5_000,
            notify_pace: Duration::from_millis(100),
            notify_rate: 5_000,
            departed: 1_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            conferences: 2_000,
            endpoints: 5_000,
            name_bytes: 128,
            creations_per_minute: 30,
            creation_sources: 10_000,
            mailbox: 4_096,
            pin_sources: 10_000,
            pin_calls_per_source: 200,
            pin_free_failures: 3,
            pin_backoff: Duration::from_secs(5),
            pin_backoff_ceiling: Duration::from_secs(900),
            pin_digits: 32,
            pin_patience: Duration::from_secs(15),
            mcu_deadline: Duration::from_secs(5),
            farewell: Duration::from_secs(8),
            tone_gap: Duration::from_millis(700),
            key_bindings: 32,
            retry_after: Duration::from_secs(10),
            entry: EntryLimits::default(),
            control: ControlLimits::default(),
        }
    }
}
