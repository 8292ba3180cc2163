//! One endpoint against messages written by hand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may"
)]

mod caller;
mod challenged;
mod door;
mod fork;
mod inside;
mod notifier;
mod reach;
mod refer;
mod screened;
mod secure;
mod sessionless;
mod subscribed;
mod vectors;
mod wire;
