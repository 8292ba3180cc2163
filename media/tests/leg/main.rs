//! The leg against a simulated peer and network, in virtual time only.

mod bench;
mod delay;
mod digits;
mod quality;
mod receive;
mod send;
mod tone;
