//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both roles, without a clock or a
//! store of its own.
//!
//! | file | what it does |
//! |---|---|
//! | `algorithm` | the hash functions and their names, HA1 |
//! | `checksum` | keyed checksums by which we know again what we have sent to an address |
//! | `digest` | what is hashed: A1, A2, request-digest, response-digest |
//! | `challenge` | a challenge: read from a 401 or 407, written into one |
//! | `client` | credentials of ours, and the answer to a challenge |
//! | `nonce` | nonces that prove their own age, and how often each was used |
//! | `server` | [`Authenticator`]: challenges, and judges the answers |
//!
//! # As server
//!
//! Nonces are not remembered: each carries its time and a keyed checksum. Only one that was used
//! with right credentials takes room, for its nonce counts, so that nobody without a password can
//! fill the table; when it is full the oldest nonces become stale. Each also tells, by a checksum of
//! its own ([`Origin`]), to which address it was sent; it is good from any other as well, since
//! devices move, but then proves nothing about where its bearer is.
//! An unknown user is judged with a secret nobody has, by the same steps and in the same time as a
//! wrong password.
//!
//! # As client
//!
//! Of several challenges for one realm the first that can be answered is (RFC 8760 §2.4): the
//! server listed them by preference. Challenges for several realms are each answered with the
//! credentials for that realm.

mod algorithm;
mod challenge;
mod checksum;
mod client;
mod digest;
mod nonce;
mod server;

pub use algorithm::{Algorithm, Ha1, Hash};
pub use challenge::{Challenge, ChallengeError};
pub(crate) use checksum::Checksum;
pub use client::{Asked, Credential, Credentials, Secret, choose};
pub use digest::Qop;
pub use nonce::{Origin, Worthless};
pub use server::{Authenticator, Denied, Granted, Settings, Verdict};
