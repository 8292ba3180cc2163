//! Locating SIP servers (RFC 3263): the order of records, the procedure, and real questions.

#![cfg(feature = "shell")]

#[cfg(test)]
mod dns;
#[cfg(test)]
mod order;
#[cfg(test)]
mod procedure;
