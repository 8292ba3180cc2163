//! Secrecy of media: keys and what is done with them.
//!
//! | module | what |
//! |---|---|
//! | [`suite`] | the protection suites, their names and sizes |
//! | [`keys`] | master keys, and a source of them |
//! | [`srtp`] | protecting and unprotecting packets (RFC 3711, RFC 6188, RFC 7714) |
//! | [`sdes`] | keys in the session description (RFC 4568) |
//! | [`fingerprint`] | what a session description says of a certificate (RFC 8122) |
//! | [`dtls`] | keys by a handshake on the media path (RFC 5763, RFC 5764) |
//!
//! Keys are wiped when dropped and have no readable `Debug`.

pub mod dtls;
pub mod fingerprint;
pub mod keys;
pub mod metrics;
pub mod sdes;
pub mod srtp;
pub mod suite;
#[cfg(test)]
mod tests;
mod transform;
mod window;
