//! Conference detail records: one line of JSON for each endpoint that has left, appended to a
//! file.
//!
//! A thread of its own writes, so that a slow disk holds nobody up. The file is opened for each
//! batch of lines: it can be moved away at any time, and the next batch begins a new one. What
//! cannot be written (a full disk) or has to wait behind too many is lost and counted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// What is counted of events and records.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Detail records in the file.
    pub written: Counter,
    /// Detail records that could not be kept.
    pub lost: Counter,
    /// Readers of events that were too slow.
    pub readers_cut: Counter,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter(
            "records_written",
            "Conference detail records written",
            &self.written,
        );
        counter(
            "records_lost",
            "Conference detail records that could not be kept",
            &self.lost,
        );
        counter(
            "http_event_readers_cut",
            "Readers of live events that fell behind and were cut off",
            &self.readers_cut,
        );
    }
}

#[derive(Debug)]
enum Order {
    Keep(String),
    Flush(oneshot::Sender<()>),
}

/// The way to the file.
#[derive(Debug)]
pub(crate) struct Records {
    orders: SyncSender<Order>,
    metrics: Metrics,
}

impl Records {
    /// Starts the thread that writes, with room for `queue` records.
    ///
    /// # Errors
    /// The file cannot be appended to, or there is no thread to be had.
    pub(crate) fn start(path: &Path, queue: usize, metrics: Metrics) -> io::Result<Self> {
        open(path)?;
        let (orders, inbox) = sync_channel(queue.max(1));
        let writer = Writer {
            path: path.to_owned(),
            torn: false,
            metrics: metrics.clone(),
        };
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Self { orders, metrics })
    }

    /// Keeps a line, if there is room. Never blocks.
    pub(crate) fn keep(&self, line: String) {
        if self.orders.try_send(Order::Keep(line)).is_err() {
            self.metrics.lost.inc();
        }
    }

    /// Waits until every line so far was written or lost, `within` at most.
    pub(crate) async fn flush(&self, within: Duration) {
        let (done, flushed) = oneshot::channel();
        if self.orders.try_send(Order::Flush(done)).is_ok() {
            // Later than that, the disk is stuck: the end of the server does not wait for it.
            tokio::time::timeout(within, flushed).await.ok();
        }
    }
}

struct Writer {
    path: PathBuf,
    /// The last line may not have been written to its end.
    torn: bool,
    metrics: Metrics,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(first) = inbox.recv() {
            let mut lines = String::new();
            let (mut count, mut flushed) = (0, Vec::new());
            let rest = std::iter::from_fn(|| inbox.try_recv().ok()).take(BATCH);
            for order in std::iter::once(first).chain(rest) {
                match order {
                    Order::Keep(line) => {
                        lines.push_str(&line);
                        count += 1;
                    }
                    Order::Flush(done) => flushed.push(done),
                }
            }
            if count > 0 {
                self.write(&lines, count);
            }
            for done in flushed {
                // Who does not wait any more needs no answer.
                done.send(()).ok();
            }
        }
    }

    fn write(&mut self, lines: &str, count: u64) {
        let written = open(&self.path).and_then(|mut file| {
            if self.torn {
                file.write_all(b"\n")?;
            }
            file.write_all(lines.as_bytes())
        });
        match written {
            Ok(()) => {
                self.metrics.written.inc_by(count);
                self.torn = false;
            }
            Err(error) => {
                self.metrics.lost.inc_by(count);
                if !self.torn {
                    tracing::error!("{}: {error}; detail records are lost", self.path.display());
                }
                self.torn = true;
            }
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    // Who was where is nobody else's business.
    options.create(true).append(true).mode(0o640).open(path)
}

/// Lines that are written at once.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("plenum-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn lines_are_appended_also_when_the_file_is_moved_away() {
        let folder = folder("records");
        let (path, old) = (folder.join("now"), folder.join("old"));
        std::fs::write(&path, "before\n").unwrap();
        let metrics = Metrics::default();
        let records = Records::start(&path, 8, metrics.clone()).unwrap();
        records.keep("one\n".to_owned());
        records.flush(PATIENCE).await;
        std::fs::rename(&path, &old).unwrap();
        records.keep("two\n".to_owned());
        records.flush(PATIENCE).await;
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "before\none\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!((metrics.written.get(), metrics.lost.get()), (2, 0));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_loses_lines_and_counts_them() {
        let metrics = Metrics::default();
        let records = Records::start(Path::new("/dev/full"), 8, metrics.clone()).unwrap();
        records.keep("one\n".to_owned());
        records.flush(PATIENCE).await;
        assert_eq!((metrics.written.get(), metrics.lost.get()), (0, 1));
    }

    #[test]
    fn a_file_that_cannot_be_made_is_refused_at_the_start() {
        let nowhere = Path::new("/proc/nowhere/records");
        assert!(Records::start(nowhere, 8, Metrics::default()).is_err());
    }

    const PATIENCE: Duration = Duration::from_secs(30);
}
