//! All certificates together, live.
//!
//! The files are looked at every `tls.poll_s` and at SIGHUP, which takes another `[tls]` as well. A file that was replaced by a good one
//! holds from the next handshake on, inbound and outbound; for a damaged one the log says what is
//! wrong with it, and what was read before stays.

use super::choice::Choice;
use super::files::{self, Certified, FileError, Stamp, stamp};
use super::self_signed;
use super::settings::{CertificateFiles, Clients, Settings};
use plenum_sip::transport::tls::{
    PeerCertificates, TlsConfigs, TlsSetupError, sip_client, sip_server, web_server,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::RootCertStore;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What is counted of certificates.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Seconds since 1970 at which each certificate ends.
    pub expiry: Family<OfCertificate, Gauge>,
    /// Changed files that could not be used.
    pub reload_failures: Counter,
}

/// Which certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfCertificate {
    /// The file of its chain.
    pub certificate: String,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_certificate_expiry_seconds",
            "Unix time at which a certificate of ours ends",
            self.expiry.clone(),
        );
        registry.register(
            "tls_reload_failures",
            "Changed certificate files that could not be used; the old ones stay",
            self.reload_failures.clone(),
        );
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate for trying out cannot be made or kept.
    #[error("{0}: the certificate for trying out cannot be kept here: {1}; set tls.folder")]
    State(PathBuf, #[source] std::io::Error),
    /// The pieces do not fit together.
    #[error(transparent)]
    Setup(#[from] TlsSetupError),
}

/// The certificates of the process.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    configs: watch::Receiver<TlsConfigs>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    /// What the certificate for trying out is for.
    names: Vec<String>,
    also: Vec<String>,
    certificates: Vec<(CertificateFiles, Certified)>,
    stamps: BTreeMap<PathBuf, Stamp>,
    /// The days of which it was said that a certificate ends within them.
    warned: BTreeMap<PathBuf, i64>,
    metrics: Metrics,
    configs: watch::Sender<TlsConfigs>,
}

impl Store {
    /// Reads everything; without configured certificates one is made for `names`, which also bears
    /// `also`.
    ///
    /// # Errors
    /// A file is wrong: at the start nothing is passed over.
    pub fn open(
        settings: &Settings,
        names: &[String],
        also: &[String],
        metrics: Metrics,
    ) -> Result<Self, TlsError> {
        let certificates = gather(settings, names, also, unix_now())?;
        let first = configs(settings, &certificates)?;
        let (sender, configs) = watch::channel(first);
        let mut inner = Inner {
            settings: settings.clone(),
            names: names.to_vec(),
            also: also.to_vec(),
            certificates,
            stamps: BTreeMap::new(),
            warned: BTreeMap::new(),
            metrics,
            configs: sender,
        };
        inner.stamps = inner.present_stamps();
        inner.note_expiry(unix_now());
        let inner = Arc::new(Mutex::new(inner));
        Ok(Self { inner, configs })
    }

    /// What handshakes are made with, now and later.
    #[must_use]
    pub fn configs(&self) -> watch::Receiver<TlsConfigs> {
        self.configs.clone()
    }

    /// Looks at the files, and takes what has changed.
    pub fn refresh(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.refresh(unix_now());
    }

    /// Takes these settings, and what has changed in the files. Where something is wrong with them, the
    /// log says what, and all stays as it was.
    pub fn reload(&self, settings: &Settings) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.reload(settings, unix_now());
    }

    #[cfg(test)]
    pub(super) fn inner_for_tests(&self) -> plenum_sip::transport::tls::Names {
        let inner = self.inner.lock().unwrap();
        inner.certificates[0].1.names.clone()
    }

    #[cfg(test)]
    pub(super) fn warnings_for_tests(&self, now: i64) -> usize {
        self.inner.lock().unwrap().note_expiry(now)
    }

    /// Looks at the files for ever.
    pub async fn watch(self) {
        loop {
            let every = {
                let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                inner.settings.poll
            };
            tokio::time::sleep(every).await;
            let store = self.clone();
            // Files may be on a slow disk.
            if tokio::task::spawn_blocking(move || store.refresh())
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl Inner {
    fn refresh(&mut self, now: i64) {
        self.note_expiry(now);
        let present = self.present_stamps();
        if present == self.stamps {
            return;
        }
        let changed = |path: &Path| present.get(path) != self.stamps.get(path);
        let mut failed = Vec::new();
        for (files, certified) in &mut self.certificates {
            if changed(&files.chain) || changed(&files.key) {
                match files::certified(files) {
                    Ok(new) => {
                        tracing::info!(certificate = %files.chain.display(), "certificate replaced");
                        *certified = new;
                    }
                    Err(error) => failed.push(error.to_string()),
                }
            }
        }
        match configs(&self.settings, &self.certificates) {
            Ok(new) => {
                self.configs.send_replace(new);
            }
            Err(error) => failed.push(error.to_string()),
        }
        for error in failed {
            self.refuse(&error);
        }
        self.stamps = present;
        self.note_expiry(now);
    }

    fn refuse(&self, error: &str) {
        self.metrics.reload_failures.inc();
        tracing::error!("{error}; what was read before stays in use");
    }

    fn reload(&mut self, settings: &Settings, now: i64) {
        if *settings == self.settings {
            return self.refresh(now);
        }
        let certificates = match gather(settings, &self.names, &self.also, now) {
            Ok(certificates) => certificates,
            Err(error) => return self.refuse(&error.to_string()),
        };
        match configs(settings, &certificates) {
            Ok(new) => self.configs.send_replace(new),
            Err(error) => return self.refuse(&error.to_string()),
        };
        tracing::info!(certificates = certificates.len(), "another [tls] is in use");
        self.certificates = certificates;
        self.settings = settings.clone();
        self.stamps = self.present_stamps();
        self.warned.clear();
        // Those that are gone end no more.
        self.metrics.expiry.clear();
        self.note_expiry(now);
    }

    fn present_stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let own = self.certificates.iter();
        let own = own.flat_map(|(files, _)| [&files.chain, &files.key]);
        let settings = &self.settings;
        let authorities = settings.ca_files.iter().chain(&settings.client_ca_files);
        own.chain(authorities)
            .map(|path| (path.clone(), stamp(path)))
            .collect()
    }

    /// Sets the metric, and warns 30, 7 and 1 days before the end and at the end, each once. Answers how
    /// many warnings that were.
    fn note_expiry(&mut self, now: i64) -> usize {
        let mut warnings = 0;
        for (files, certified) in &self.certificates {
            let label = OfCertificate {
                certificate: files.chain.display().to_string(),
            };
            let end = certified.names.not_after();
            self.metrics.expiry.get_or_create(&label).set(end);
            let days = (end - now).div_euclid(DAY);
            let Some(mark) = WARNINGS.into_iter().find(|mark| days < *mark) else {
                self.warned.remove(&files.chain);
                continue;
            };
            let last = self.warned.insert(files.chain.clone(), mark);
            if last.is_none_or(|last| mark < last) {
                tracing::warn!("{}", ending(&files.chain, end - now));
                warnings += 1;
            }
        }
        warnings
    }
}

/// Reads the certificates; without any in the configuration, the one for trying out.
fn gather(
    settings: &Settings,
    names: &[String],
    also: &[String],
    now: i64,
) -> Result<Vec<(CertificateFiles, Certified)>, TlsError> {
    let mut certificates = Vec::new();
    for files in &settings.certificates {
        certificates.push((files.clone(), files::certified(files)?));
    }
    if certificates.is_empty() {
        let folder = settings.folder.clone();
        let folder = folder.unwrap_or_else(|| crate::state::folder().join("tls"));
        let made = self_signed::certificate(&folder, names, also, now)
            .map_err(|error| TlsError::State(folder.clone(), error))?;
        certificates.push((self_signed::files(&folder), made));
    }
    Ok(certificates)
}

/// What is to be said of a certificate that ends in so many seconds.
fn ending(chain: &Path, left: i64) -> String {
    let chain = chain.display();
    if left < 0 {
        format!("{chain}: the certificate has ended; peers that verify it refuse to connect")
    } else {
        let (days, hours) = (left / DAY, left % DAY / 3600);
        format!("{chain}: the certificate ends in {days} days and {hours} hours; renew it")
    }
}

fn configs(
    settings: &Settings,
    certificates: &[(CertificateFiles, Certified)],
) -> Result<TlsConfigs, TlsError> {
    let certified = certificates.iter().map(|(_, certified)| certified.clone());
    let choice = Arc::new(Choice(certified.collect()));
    let mut roots = RootCertStore::empty();
    if settings.system_authorities {
        files::system_authorities(&mut roots);
    }
    files::authorities(&settings.ca_files, &mut roots)?;
    let mut of_clients = RootCertStore::empty();
    files::authorities(&settings.client_ca_files, &mut of_clients)?;
    let of_clients = Arc::new(of_clients);
    let peers = match settings.clients {
        Clients::Off => PeerCertificates::Off,
        Clients::Request => PeerCertificates::Request(of_clients),
        Clients::Require => PeerCertificates::Require(of_clients),
    };
    Ok(TlsConfigs {
        sip: sip_server(Arc::<Choice>::clone(&choice), &peers)?,
        web: web_server(Arc::<Choice>::clone(&choice))?,
        client: sip_client(roots, settings.wildcards, choice)?,
    })
}

/// What `plenum check` says about the files: whether it is serious, and what.
pub(crate) fn findings(settings: &Settings) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let now = unix_now();
    for one in &settings.certificates {
        match files::certified(one) {
            Err(error) => found.push((true, error.to_string())),
            Ok(certified) => {
                let left = certified.names.not_after() - now;
                if left < 30 * DAY {
                    found.push((false, ending(&one.chain, left)));
                }
            }
        }
    }
    for paths in [&settings.ca_files, &settings.client_ca_files] {
        if let Err(error) = files::authorities(paths, &mut RootCertStore::empty()) {
            found.push((true, error.to_string()));
        }
    }
    found
}

fn unix_now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates end by the clock on the wall"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

const DAY: i64 = 86_400;
/// Days before the end at which it is said, the most urgent first.
const WARNINGS: [i64; 4] = [0, 1, 7, 30];
