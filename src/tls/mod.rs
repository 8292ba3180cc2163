//! The certificates of the process: for SIP over TLS, secure WebSockets and HTTPS.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings` | `[tls]` of the configuration |
//! | `files` | certificate chains, keys and authorities in PEM files, and whether they have changed |
//! | `choice` | which certificate is shown for which name |
//! | `self_signed` | the certificate for trying out, made at the first start |
//! | `store` | all of them together, live: reloading, expiry |
//!
//! A key is read from its file into the store and nowhere else; nothing here can print one.

mod choice;
mod files;
mod self_signed;
mod settings;
mod store;

pub use files::FileError;
pub use settings::{CertificateFiles, Clients, Settings};
pub use store::{Metrics, OfCertificate, Store, TlsError};

pub(crate) use files::certified;
pub(crate) use store::findings;

#[cfg(test)]
mod tests;
