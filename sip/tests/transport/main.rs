//! The sockets of the shell on the loopback: real datagrams and streams, every wait bounded.

#![cfg(feature = "shell")]

#[cfg(test)]
mod bed;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod tcp_limits;
#[cfg(test)]
mod udp;
