//! `plenum recording`: the recordings of the running server.

use super::client::{Client, segment};
use super::table::Table;
use super::{Arguments, Failure, other, say};
use clap::Subcommand;
use plenum::recordings::index::Recording;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

/// What `plenum recording` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Lists the recordings there are, oldest first.
    List,
    /// Shows who was there, pauses and files of a recording.
    Show {
        /// Its name, as `list` prints it.
        recording: String,
    },
    /// Downloads a file of a recording.
    Get {
        /// Its name, as `list` prints it.
        recording: String,
        /// Where it is written; it must not be there yet.
        to: PathBuf,
        /// Which of its files.
        #[arg(long, default_value_t = 1)]
        file: usize,
    },
    /// Deletes a recording that has ended.
    Delete {
        /// Its name, as `list` prints it.
        recording: String,
    },
}

/// Carries out `plenum recording`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let client = Client::new(arguments.config.as_deref())?;
    let path = |recording: &str| format!("/recordings/{}", segment(recording));
    match arguments.order {
        Order::List => {
            let all: Vec<Recording> = client.get("/recordings")?;
            say(&describe(all))
        }
        Order::Show { recording } => {
            let shown: Recording = client.get(&path(&recording))?;
            say(&serde_json::to_string_pretty(&shown).map_err(other)?)
        }
        Order::Get {
            recording,
            to,
            file,
        } => {
            let mut body = client.download(&format!("{}/{file}", path(&recording)))?;
            let mut options = OpenOptions::new();
            let new = options.write(true).create_new(true).open(&to);
            let mut new = new.map_err(|error| other(format!("{}: {error}", to.display())))?;
            io::copy(&mut body, &mut new).map(drop).map_err(other)
        }
        Order::Delete { recording } => client.delete(&path(&recording)),
    }
}

fn describe(all: Vec<Recording>) -> String {
    if all.is_empty() {
        return "there are no recordings".to_owned();
    }
    let mut table = Table::new([
        "RECORDING",
        "CONFERENCE",
        "STATE",
        "STARTED",
        "SECONDS",
        "OCTETS",
        "FILES",
    ]);
    for one in all {
        table.row([
            one.id,
            one.conference,
            one.state.as_str().to_owned(),
            one.started,
            (one.duration_ms / 1_000).to_string(),
            one.bytes.to_string(),
            one.files.len().to_string(),
        ]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_described_in_a_table() {
        let text = r#"[{"id": "20261120T220000Z-board-0a1b2c", "conference": "board", "state": "complete",
            "started": "2026-11-20T22:00:00Z", "ended": "2026-11-20T22:00:12Z", "duration_ms": 12040,
            "bytes": 96000, "files": [{"name": "20261120T220000Z-board-0a1b2c-1.mka", "video": false,
            "duration_ms": 12040, "bytes": 96000}], "pauses": [], "participants": []}]"#;
        let all: Vec<Recording> = serde_json::from_str(text).unwrap();
        let expected = "\
RECORDING                      CONFERENCE  STATE     STARTED               SECONDS  OCTETS  FILES
20261120T220000Z-board-0a1b2c  board       complete  2026-11-20T22:00:00Z  12       96000   1";
        assert_eq!(describe(all), expected);
        assert_eq!(describe(Vec::new()), "there are no recordings");
    }
}
