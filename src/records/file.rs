//! Detail records in a file. It is opened for each batch of lines: it can be moved away at any time,
//! and the next batch begins a new one.

use super::Metrics;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes to a file.
pub(super) struct Writer {
    path: PathBuf,
    /// The last line may not have been written to its end.
    torn: bool,
    metrics: Metrics,
}

impl Writer {
    /// # Errors
    /// The file cannot be appended to.
    pub(super) fn new(path: &Path, metrics: Metrics) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        open(path).map_err(named)?;
        Ok(Self {
            path: path.to_owned(),
            torn: false,
            metrics,
        })
    }

    pub(super) fn write(&mut self, lines: &str, count: u64) {
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
