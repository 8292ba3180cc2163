//! The leg against a simulated peer and network, in virtual time only.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "numbers of a test are chosen to fit, and a panic is how it fails"
)]

mod bench;
mod delay;
mod digits;
mod quality;
mod receive;
mod send;
mod storm;
mod tone;
