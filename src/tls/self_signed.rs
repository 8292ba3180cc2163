//! The certificate for trying out: made at the first start without a configured one, and used again
//! until it ends or another name is wanted.

use super::files::{Certified, certified};
use super::settings::CertificateFiles;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use x509_parser::time::ASN1Time;

/// Where the two files are.
pub(crate) fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles {
        chain: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    }
}

/// The kept one, if it is good for these names for another month; else a new one. `also` may stand
/// in it, and is no reason for a new one. `now` is in seconds since 1970.
///
/// # Errors
/// It cannot be kept, or not be made.
pub(crate) fn certificate(
    folder: &Path,
    names: &[String],
    also: &[String],
    now: i64,
) -> io::Result<Certified> {
    let files = files(folder);
    let covers = |kept: &Certified| names.iter().all(|name| kept.names.covers(name, false));
    let kept = certified(&files).ok();
    if let Some(kept) = kept.filter(|kept| kept.names.not_after() > now + MONTH && covers(kept)) {
        return Ok(kept);
    }
    make(folder, &files, names, also, now)?;
    tracing::info!(
        certificate = %files.chain.display(),
        "made a self-signed certificate for trying out; peers have to be told to trust it"
    );
    certified(&files).map_err(io::Error::other)
}

fn make(
    folder: &Path,
    files: &CertificateFiles,
    names: &[String],
    also: &[String],
    now: i64,
) -> io::Result<()> {
    let at = |seconds: i64| {
        let time = ASN1Time::from_timestamp(seconds).map_err(io::Error::other)?;
        Ok::<_, io::Error>(time.to_datetime())
    };
    let all: Vec<String> = names.iter().chain(also).cloned().collect();
    let mut params = CertificateParams::new(all).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Plenum, self-signed");
    // Clocks differ: it has been valid since yesterday.
    params.not_before = at(now - DAY)?;
    params.not_after = at(now + YEAR)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // The key first: a certificate without its key would be taken for whole at the next start.
    keep(&files.key, &key.serialize_pem(), 0o600)?;
    keep(&files.chain, &certificate.pem(), 0o644)
}

/// Writes a file in one step, never readable by more than `mode` says.
fn keep(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = Path::new(&name);
    fs::remove_file(new).ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;
