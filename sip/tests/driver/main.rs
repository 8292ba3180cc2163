//! The driver with real sockets on the loopback: an endpoint that answers and calls.

#![cfg(feature = "shell")]

#[cfg(test)]
mod bed;
#[cfg(test)]
#[path = "../bounds/mod.rs"]
mod bounds;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod requests;
#[cfg(test)]
#[path = "../bounds/shell.rs"]
mod shell;
#[cfg(test)]
mod stop;
