//! Two endpoints over a simulated network in virtual time.

mod calls;
mod net;
mod seeds;
