//! `plenum store`: the file that has to survive.

use super::{Failure, load, other, say};
use clap::{Args, Subcommand};
use plenum::store::{File, path};
use std::path::PathBuf;

/// Arguments of `plenum store`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    order: Order,
    /// The configuration of the server, for its `store.file`.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Writes a copy, also while the server runs. A file of that name is replaced.
    Backup {
        /// The copy.
        file: PathBuf,
    },
}

/// Carries out `plenum store`.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = load(arguments.config.as_deref())?;
    match arguments.order {
        Order::Backup { file } => {
            let store = File::open_to_read(&path(&config.store.file)).map_err(other)?;
            store.backup(&file).map_err(other)?;
            say(&format!("written: {}", file.display()))
        }
    }
}
