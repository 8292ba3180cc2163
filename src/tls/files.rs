//! Certificate chains, keys and authorities in PEM files.

use super::settings::CertificateFiles;
use plenum_sip::transport::tls::Names;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong with a file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// There is no certificate in it.
    #[error(
        "{0}: holds no certificate; expected PEM with \"-----BEGIN CERTIFICATE-----\", the server's \
         own first"
    )]
    NoCertificate(PathBuf),
    /// A certificate in it is damaged.
    #[error("{0}: a certificate in it is damaged; was it copied whole?")]
    Damaged(PathBuf),
    /// There is no key in it.
    #[error(
        "{0}: holds no private key without a passphrase; expected PEM with PKCS #8, PKCS #1 or SEC 1"
    )]
    NoKey(PathBuf),
    /// The key cannot be used.
    #[error("{0}: this kind of key cannot be used; take RSA of 2048 bits or more, P-256 or P-384")]
    BadKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("{key} is not the key of the certificate in {chain}")]
    Mismatch {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// A certificate that can be shown.
#[derive(Clone)]
pub(crate) struct Certified {
    pub(crate) names: Names,
    pub(crate) key: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Certified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certified({:?})", self.names)
    }
}

/// What tells that a file was written or replaced: its inode, its size, its time.
pub(crate) type Stamp = Option<(u64, u64, i64, i64)>;

/// The present stamp; `None` if there is no such file.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let facts = fs::metadata(path).ok()?;
    Some((facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec()))
}

/// Reads a certificate and its key.
///
/// # Errors
/// Which file is wrong, and how.
pub(crate) fn certified(files: &CertificateFiles) -> Result<Certified, FileError> {
    let chain = certificates(&files.chain)?;
    let first = chain.first().map(|first| Names::read(first));
    let names = first
        .flatten()
        .ok_or_else(|| FileError::Damaged(files.chain.clone()))?;
    let key = read(&files.key)?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|_| FileError::NoKey(files.key.clone()))?;
    let provider = ring::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            FileError::Mismatch {
                chain: files.chain.clone(),
                key: files.key.clone(),
            }
        } else {
            FileError::BadKey(files.key.clone())
        }
    })?;
    let key = Arc::new(key);
    Ok(Certified { names, key })
}

/// The authorities in these files.
///
/// # Errors
/// Which file is wrong, and how.
pub(crate) fn authorities(files: &[PathBuf], into: &mut RootCertStore) -> Result<(), FileError> {
    for file in files {
        for certificate in certificates(file)? {
            let added = into.add(certificate);
            added.map_err(|_| FileError::Damaged(file.clone()))?;
        }
    }
    Ok(())
}

/// The authorities this system trusts, as far as they can be read.
pub(crate) fn system_authorities(into: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "an authority of this system cannot be read");
    }
    let (added, ignored) = into.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "authorities of this system");
    if added == 0 {
        tracing::warn!(
            "this system trusts no authority: TLS to others works only with tls.ca_files \
             (or install ca-certificates)"
        );
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let octets = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let found = found.map_err(|_| FileError::Damaged(path.to_owned()))?;
    if found.is_empty() {
        return Err(FileError::NoCertificate(path.to_owned()));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::Unreadable(path.to_owned(), error))
}
