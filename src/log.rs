//! The log's way out: a bounded queue and a thread that writes, so that nobody waits for a slow or blocked reader.
//!
//! What does not fit the queue, or is refused by a full disk, is lost and counted; the next line that goes out is
//! preceded by one that says how many are missing.

use prometheus_client::metrics::counter::Counter;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Octets of a line at most; the rest is cut.
const LINE: usize = 8_192;
/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// Lines that could not be written. There is one log in a process.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// The counter of lines that could not be written.
#[must_use]
pub fn lost() -> Counter {
    LOST.clone()
}

/// Takes lines and never blocks.
#[derive(Clone, Debug)]
pub struct Lines {
    queue: SyncSender<Item>,
    lost: Counter,
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// All before it has been written once this is answered.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the thread that writes to `out`; at most `most` lines wait for it.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(out: impl Write + Send + 'static, most: usize, lost: Counter) -> io::Result<Self> {
        let (queue, lines) = sync_channel(most.max(1));
        let counter = lost.clone();
        let write = move || write_all(out, &lines, &counter);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(write)?;
        Ok(Self { queue, lost })
    }

    /// Waits until what was logged so far is written, or for a second.
    pub fn settle(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            // The time being over means that nobody reads; the end does not wait for that.
            written.recv_timeout(FLUSH).ok();
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = line.get(..LINE).unwrap_or(line);
        let mut owned = kept.to_vec();
        if kept.len() < line.len() {
            owned.push(b'\n');
        }
        if self.queue.try_send(Item::Line(owned)).is_err() {
            self.lost.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn write_all(mut out: impl Write, lines: &Receiver<Item>, lost: &Counter) {
    let mut told = lost.get();
    while let Ok(item) = lines.recv() {
        match item {
            Item::Line(line) => {
                let missing = lost.get().saturating_sub(told);
                let notice = if missing > 0 {
                    format!("plenum: {missing} lines of the log are lost here\n")
                } else {
                    String::new()
                };
                let written = out.write_all(&[notice.as_bytes(), &line].concat());
                if written.is_err() {
                    lost.inc();
                } else {
                    told += missing;
                }
            }
            Item::Flush(done) => {
                // A buffer of the process is emptied; where that fails the lines are lost with it.
                out.flush().ok();
                done.try_send(()).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes only when told to, and may refuse.
    struct Gate {
        entered: SyncSender<()>,
        passes: Receiver<bool>,
        out: SyncSender<String>,
    }

    #[expect(clippy::unwrap_in_result, reason = "what fails here is the test")]
    impl Write for Gate {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.entered.send(()).unwrap();
            if !self.passes.recv().unwrap() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let text = String::from_utf8(octets.to_vec()).unwrap();
            self.out.send(text).unwrap();
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_reader_or_a_full_disk_costs_lines_and_nobody_waits() {
        let (entered, inside) = sync_channel(8);
        let (pass, passes) = sync_channel(8);
        let (out, written) = sync_channel(8);
        let gate = Gate {
            entered,
            passes,
            out,
        };
        let lost = Counter::default();
        let mut lines = Lines::start(gate, 2, lost.clone()).unwrap();
        lines.write_all(b"1\n").unwrap();
        inside.recv().unwrap();
        // The reader is blocked with the first line; two more wait, the others are lost.
        for line in [b"2\n", b"3\n", b"4\n", b"5\n"] {
            lines.write_all(line).unwrap();
        }
        assert_eq!(lost.get(), 2);
        for passes in [true, false, true] {
            pass.send(passes).unwrap();
        }
        assert_eq!(written.recv().unwrap(), "1\n");
        let notice = "plenum: 3 lines of the log are lost here\n3\n";
        assert_eq!(written.recv().unwrap(), notice);
        assert_eq!(lost.get(), 3);
    }

    /// Tells how much it was given.
    struct Kept(SyncSender<usize>);

    #[expect(clippy::unwrap_in_result, reason = "what fails here is the test")]
    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.send(octets.len()).unwrap();
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_end_waits_for_the_last_line_and_a_long_line_is_cut() {
        let (out, written) = sync_channel(8);
        let mut lines = Lines::start(Kept(out), 10, Counter::default()).unwrap();
        lines.write_all(&[b'x'; LINE * 2]).unwrap();
        lines.settle();
        assert_eq!(written.try_recv(), Ok(LINE + 1));
    }
}
