//! Two endpoints over a simulated network in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test may"
)]

mod calls;
mod change;
mod events;
mod net;
mod races;
mod seeds;
mod user;
mod watch;
