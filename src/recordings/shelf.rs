//! All recordings there are, and how much room is left for more.

use super::index::{self, Recording, State};
use super::{Metrics, Settings};
use nix::sys::statvfs::statvfs;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The recordings in a directory.
#[derive(Debug)]
pub struct Shelf {
    settings: Settings,
    recordings: Mutex<BTreeMap<String, Recording>>,
    metrics: Metrics,
}

/// Why a recording was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum NotDeleted {
    /// There is none of this name.
    #[error("there is no such recording")]
    Unknown,
    /// It goes on.
    #[error("it is being recorded still")]
    Running,
    /// The system refused.
    #[error("it cannot be deleted: {0}")]
    Io(#[from] io::Error),
}

impl Shelf {
    /// What is in the directory, which is made where it is not there. What was being recorded when the last server
    /// ended is interrupted.
    pub(super) fn open(settings: Settings, metrics: Metrics) -> io::Result<Self> {
        let folder = &settings.directory;
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(named)?;
        let mut recordings = BTreeMap::new();
        for mut one in Recording::load_all(folder).map_err(named)? {
            if !one.state.is_over() {
                one.recover(folder);
                tracing::warn!(
                    recording = one.id,
                    "was interrupted by the end of the server"
                );
                one.save(folder).map_err(named)?;
            }
            recordings.insert(one.id.clone(), one);
        }
        let shelf = Self {
            settings,
            recordings: Mutex::new(recordings),
            metrics,
        };
        shelf.measure();
        Ok(shelf)
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Recording> {
        self.lock().values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Recording> {
        self.lock().get(id).cloned()
    }

    /// Where a file of a recording is.
    #[must_use]
    pub fn file(&self, id: &str, number: usize) -> Option<PathBuf> {
        let recordings = self.lock();
        let file = recordings.get(id)?.files.get(number)?;
        Some(self.settings.directory.join(&file.name))
    }

    /// Deletes a recording with its files.
    ///
    /// # Errors
    /// [`NotDeleted`]
    pub fn delete(&self, id: &str) -> Result<(), NotDeleted> {
        let mut recordings = self.lock();
        let one = recordings.get(id).ok_or(NotDeleted::Unknown)?;
        if !one.state.is_over() {
            return Err(NotDeleted::Running);
        }
        for file in &one.files {
            missing_is_well(fs::remove_file(self.settings.directory.join(&file.name)))?;
        }
        missing_is_well(fs::remove_file(index::path(&self.settings.directory, id)))?;
        recordings.remove(id);
        drop(recordings);
        self.measure();
        Ok(())
    }

    /// Why nothing more of this conference can be kept; `None` while it can.
    pub(super) fn refuses(&self, conference: &str) -> Option<String> {
        let settings = &self.settings;
        let (mut all, mut own) = (0_u64, 0_u64);
        for one in self.lock().values() {
            all = all.saturating_add(one.bytes);
            if one.conference == conference {
                own = own.saturating_add(one.bytes);
            }
        }
        if settings.quota > 0 && all >= settings.quota {
            return Some("the quota of all recordings is used up (recording.quota_mib)".to_owned());
        }
        if settings.conference_quota > 0 && own >= settings.conference_quota {
            let text = "the quota of this conference is used up (recording.conference_quota_mib)";
            return Some(text.to_owned());
        }
        let known = statvfs(&settings.directory);
        let free = known.map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        match free {
            Ok(free) if free < settings.least_free => {
                Some("the disk is full (recording.least_free_mib)".to_owned())
            }
            Ok(_) => None,
            Err(error) => Some(format!("the disk cannot be looked at: {error}")),
        }
    }

    /// Takes over what is known of a recording, and keeps it on the disk.
    pub(super) fn put(&self, one: &Recording) -> io::Result<()> {
        self.lock().insert(one.id.clone(), one.clone());
        self.measure();
        one.save(&self.settings.directory)
    }

    /// A recording that nobody is heard in.
    pub(super) fn discard(&self, id: &str) {
        if let Some(one) = self.lock().get_mut(id) {
            one.state = State::Complete;
        }
        if let Err(error) = self.delete(id) {
            tracing::error!(recording = id, %error, "an empty recording stays");
        }
    }

    fn measure(&self) {
        let sum = self.lock().values().map(|one| one.bytes).sum::<u64>();
        let sum = i64::try_from(sum).unwrap_or(i64::MAX);
        self.metrics.octets.set(sum);
    }

    /// Each holder of the lock makes one change.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Recording>> {
        self.recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody may have tidied up by hand.
fn missing_is_well(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
