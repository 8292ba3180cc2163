//! `plenum store`: the file that has to survive.

use super::{Arguments, Failure, load, other, say};
use clap::Subcommand;
use plenum::store::{File, path};
use std::path::PathBuf;

/// What `plenum store` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Writes a copy, also while the server runs. A file of that name is replaced.
    Backup {
        /// The copy.
        file: PathBuf,
    },
}

/// Carries out `plenum store`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let config = load(arguments.config.as_deref())?;
    match arguments.order {
        Order::Backup { file } => {
            let store = File::open_to_read(&path(&config.store.file)).map_err(other)?;
            store.backup(&file).map_err(other)?;
            say(&format!("written: {}", file.display()))
        }
    }
}
