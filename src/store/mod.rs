//! What has to survive the process, in one SQLite file: users, where they are registered,
//! who is shut out, and layouts that were made.
//!
//! | file | what it does |
//! |---|---|
//! | `file` | opening: lock, integrity, migrations with a copy kept, what its errors mean |
//! | `users` | users, read and written |
//! | `bindings` | registrations, read and written |
//! | `bans` | who is shut out, read and written |
//! | `templates` | layouts of somebody's own, read and written |
//! | `worker` | the one thread of the server that writes, and its batches |
//!
//! The file is in WAL mode with `synchronous = FULL`: what was acknowledged survives `kill -9` and a
//! power cut. What waits together is committed together, so that one write to the disk serves many
//! REGISTERs.
//!
//! The commands of the program open the file beside the running server; the server notices within
//! a tenth of a second.

pub mod bans;
pub mod bindings;
mod file;
pub mod templates;
pub mod users;
mod worker;

pub use bans::KeptBan;
pub use file::{File, Lock};
pub use templates::KeptTemplate;
pub use worker::{Kept, Metrics, Room, Store};

use crate::state;
use plenum_focus::store::StoreError;
use std::path::PathBuf;

/// The file of the store with this setting: in the state folder where none is set.
#[must_use]
pub fn path(setting: &str) -> PathBuf {
    if setting.is_empty() {
        state::folder().join("plenum.db")
    } else {
        PathBuf::from(setting)
    }
}

#[cfg(test)]
mod tests;
