//! The sockets of the shell on the loopback: real datagrams and streams, every wait bounded.

#![cfg(feature = "shell")]

#[cfg(test)]
mod bed;
#[cfg(test)]
#[path = "../bounds/mod.rs"]
mod bounds;
#[cfg(test)]
#[path = "../bounds/pki.rs"]
mod pki;
#[cfg(test)]
#[path = "../bounds/shell.rs"]
mod shell;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod tcp_limits;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod udp;
#[cfg(test)]
mod websocket;
