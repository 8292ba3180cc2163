//! Conference detail records: one line of JSON for each endpoint that has left, appended to a
//! file, posted over HTTP, or both.
//!
//! Each place has a thread of its own and a bounded queue, so that a slow disk or a slow collector
//! holds nobody up. What cannot be delivered (a full disk, a collector that is away for long), or
//! has to wait behind too many, is lost and counted.

mod file;
mod post;

use crate::config::Records as Places;
use file::Writer;
use post::Poster;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// What is counted of events and records.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Detail records in the file.
    pub written: Counter,
    /// Detail records posted.
    pub posted: Counter,
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
            "records_posted",
            "Conference detail records posted over HTTP",
            &self.posted,
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

/// The way to the places that records go to.
#[derive(Debug)]
pub(crate) struct Records {
    places: Vec<SyncSender<Order>>,
    metrics: Metrics,
}

impl Records {
    /// Starts a thread for each place that records go to, with room for `queue` records each.
    /// `None`: they go nowhere.
    ///
    /// # Errors
    /// The file cannot be appended to, or there is no thread to be had.
    pub(crate) fn start(to: &Places, queue: usize, metrics: Metrics) -> io::Result<Option<Self>> {
        let mut places = Vec::new();
        if let Some(path) = &to.file {
            let mut writer = Writer::new(Path::new(path), metrics.clone())?;
            let deliver = move |lines: &str, count| writer.write(lines, count);
            places.push(start("records-file", queue, deliver)?);
        }
        if let Some(url) = &to.url {
            let poster = Poster::new(url, metrics.clone());
            let deliver = move |lines: &str, count| poster.post(lines, count);
            places.push(start("records-post", queue, deliver)?);
        }
        Ok((!places.is_empty()).then_some(Self { places, metrics }))
    }

    /// Keeps a line, where there is room. Never blocks.
    pub(crate) fn keep(&self, line: &str) {
        for place in &self.places {
            if place.try_send(Order::Keep(line.to_owned())).is_err() {
                self.metrics.lost.inc();
            }
        }
    }

    /// Waits until every line so far was written or lost, `within` at most.
    pub(crate) async fn flush(&self, within: Duration) {
        let all = async {
            for place in &self.places {
                let (done, flushed) = oneshot::channel();
                if place.try_send(Order::Flush(done)).is_ok() {
                    flushed.await.ok();
                }
            }
        };
        // Later than that, the disk is stuck: the end of the server does not wait for it.
        tokio::time::timeout(within, all).await.ok();
    }
}

fn start(
    name: &str,
    queue: usize,
    deliver: impl FnMut(&str, u64) + Send + 'static,
) -> io::Result<SyncSender<Order>> {
    let (orders, inbox) = sync_channel(queue.max(1));
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || run(&inbox, deliver))?;
    Ok(orders)
}

fn run(inbox: &Receiver<Order>, mut deliver: impl FnMut(&str, u64)) {
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
            deliver(&lines, count);
        }
        for done in flushed {
            // Who does not wait any more needs no answer.
            done.send(()).ok();
        }
    }
}

/// Lines that are delivered at once.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("plenum-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn to_file(path: &Path, metrics: &Metrics) -> io::Result<Records> {
        let file = Some(path.display().to_string());
        let records = Records::start(&Places { file, url: None }, 8, metrics.clone())?;
        Ok(records.unwrap())
    }

    #[tokio::test]
    async fn lines_are_appended_also_when_the_file_is_moved_away() {
        let folder = folder("records");
        let (path, old) = (folder.join("now"), folder.join("old"));
        std::fs::write(&path, "before\n").unwrap();
        let metrics = Metrics::default();
        let records = to_file(&path, &metrics).unwrap();
        records.keep("one\n");
        records.flush(PATIENCE).await;
        std::fs::rename(&path, &old).unwrap();
        records.keep("two\n");
        records.flush(PATIENCE).await;
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "before\none\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!((metrics.written.get(), metrics.lost.get()), (2, 0));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_loses_lines_and_counts_them() {
        let metrics = Metrics::default();
        let records = to_file(Path::new("/dev/full"), &metrics).unwrap();
        records.keep("one\n");
        records.flush(PATIENCE).await;
        assert_eq!((metrics.written.get(), metrics.lost.get()), (0, 1));
    }

    #[test]
    fn a_file_that_cannot_be_made_is_refused_at_the_start() {
        let nowhere = Path::new("/proc/nowhere/records");
        assert!(to_file(nowhere, &Metrics::default()).is_err());
    }

    const PATIENCE: Duration = Duration::from_secs(30);
}
