//! What the commands of the program share: the configuration, words, and why one failed.

pub(crate) mod ban;
mod client;
pub(crate) mod conference;
pub(crate) mod doctor;
mod pictures;
pub(crate) mod recording;
pub(crate) mod store;
mod table;
pub(crate) mod template;
pub(crate) mod trunk;
pub(crate) mod user;

use clap::{Args, Subcommand};
use plenum::config::Config;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of a command that is told what to do.
#[derive(Debug, Args)]
pub(crate) struct Arguments<Order: Subcommand> {
    #[command(subcommand)]
    order: Order,
    /// The configuration of the server.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong: exit code 64.
    Configuration(String),
    /// Anything else: exit code 1.
    Other(String),
}

pub(crate) fn other(error: impl ToString) -> Failure {
    Failure::Other(error.to_string())
}

/// The configuration in this file; without one, the default.
pub(crate) fn load(path: Option<&Path>) -> Result<Config, Failure> {
    let (name, text) = match path {
        None => ("(default)".to_owned(), String::new()),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Configuration(format!("{name}: {error}")))?;
            (name, text)
        }
    };
    Config::parse(&text).map_err(|problems| {
        let lines = problems.iter().map(|problem| format!("{name}: {problem}"));
        Failure::Configuration(lines.collect::<Vec<_>>().join("\n"))
    })
}

/// Prints a line.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(other)
}
