//! What the operator sees: the log and the metrics.

use crate::config::Log;
use crate::log::{self, Lines};
use prometheus_client::registry::Registry;
use std::fs::OpenOptions;
use std::io;
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process; at most `most` lines wait to be written. What is answered can be asked to
/// write the last ones before the end.
///
/// # Errors
/// The log file cannot be opened. Once open, a full disk or a reader that reads no more loses lines, never calls.
pub fn start_log(log: &Log, most: usize) -> io::Result<Lines> {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = match &log.file {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            Lines::start(file, most, log::lost())?
        }
        None => Lines::start(io::stderr(), most, log::lost())?,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(writer.clone());
    // A second start in one process (tests) keeps the first subscriber.
    if log.json {
        subscriber.json().try_init().ok();
    } else {
        subscriber.try_init().ok();
    }
    Ok(writer)
}

/// The counters of every crate, and the registry that prints them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Of the SIP endpoint.
    pub sip: plenum_sip::metrics::Metrics,
    /// Of the SIP sockets and the driver.
    pub transport: plenum_sip::transport::ShellMetrics,
    /// Of RTP and session descriptions.
    pub media: plenum_media::metrics::Metrics,
    /// Of the mixer.
    pub mcu: plenum_mcu::metrics::Metrics,
    /// Of the focuses.
    pub focus: plenum_focus::metrics::Metrics,
    /// Of live events and detail records.
    pub records: crate::records::Metrics,
    /// Of recordings.
    pub recordings: crate::recordings::Metrics,
    /// Of the store.
    pub store: crate::store::Metrics,
    /// Of users and registrations.
    pub users: crate::users::Metrics,
    /// Of abuse.
    pub abuse: crate::abuse::Metrics,
    /// Of trunks.
    pub trunk: crate::trunk::Metrics,
    /// Of certificates.
    pub tls: crate::tls::Metrics,
    /// Of the HTTP server.
    pub http: crate::http::server::Metrics,
}

impl Metrics {
    /// All of them under the prefix `plenum_`.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("plenum");
        self.sip.register(&mut registry);
        self.transport.register(&mut registry);
        self.media.register(&mut registry);
        self.mcu.register(&mut registry);
        self.focus.register(&mut registry);
        self.tls.register(&mut registry);
        self.http.register(&mut registry);
        self.records.register(&mut registry);
        self.recordings.register(&mut registry);
        self.store.register(&mut registry);
        self.users.register(&mut registry);
        self.abuse.register(&mut registry);
        self.trunk.register(&mut registry);
        registry.register(
            "log_lines_lost",
            "Lines of the log that could not be written in time or at all",
            log::lost(),
        );
        registry
    }
}

/// The registry in the text format of Prometheus.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    prometheus_client::encoding::text::encode(&mut text, registry).ok();
    text
}

/// The name of every metric, for the README's list.
#[must_use]
pub fn metric_names() -> Vec<String> {
    let text = render(&Metrics::default().registry());
    let help = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
    help.filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}
