//! What is known of a recording: a small JSON file beside its media.

use plenum_focus::info::datetime::DateTime;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes on.
    Recording,
    /// It pauses.
    Paused,
    /// It came to an orderly end.
    Complete,
    /// The server ended before it.
    Interrupted,
    /// It could not go on.
    Failed,
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Paused => "paused",
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// Nothing more is written.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Recording | Self::Paused => false,
            Self::Complete | Self::Interrupted | Self::Failed => true,
        }
    }
}

/// A recording. Times are of the day, in UTC; lengths are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Recording {
    /// Its name, which its files begin with.
    pub id: String,
    /// The name of the conference.
    pub conference: String,
    /// How it is.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    pub started: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long it plays, pauses left out.
    pub duration_ms: u64,
    /// Octets of all files.
    pub bytes: u64,
    /// The files, in the order they are to be played.
    pub files: Vec<Media>,
    /// When nothing was recorded.
    pub pauses: Vec<Pause>,
    /// Who was there while it was recorded.
    pub participants: Vec<Participant>,
}

/// One file of a recording. A new one begins where the first pictures come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Media {
    /// Its name in the directory.
    pub name: String,
    /// It has pictures.
    pub video: bool,
    /// How long it plays.
    pub duration_ms: u64,
    /// Its octets.
    pub bytes: u64,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Pause {
    /// When it began.
    pub from: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Somebody who was there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Participant {
    /// The number of the endpoint.
    pub endpoint: u64,
    /// The display name, as it was told.
    pub name: String,
    /// The address of record, unless anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aor: Option<String>,
    /// Since when.
    pub joined: String,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

impl Recording {
    /// One that begins now.
    pub(super) fn begin(id: String, conference: &str, now: Duration) -> Self {
        Self {
            id,
            conference: conference.to_owned(),
            state: State::Recording,
            reason: None,
            started: date(now),
            ended: None,
            duration_ms: 0,
            bytes: 0,
            files: Vec::new(),
            pauses: Vec::new(),
            participants: Vec::new(),
        }
    }

    /// Nothing more will be known of it.
    pub(super) fn end(&mut self, state: State, now: Duration) {
        self.state = state;
        let at = date(now);
        for pause in &mut self.pauses {
            pause.to.get_or_insert_with(|| at.clone());
        }
        for participant in &mut self.participants {
            participant.left.get_or_insert_with(|| at.clone());
        }
        self.ended = Some(at);
    }

    /// Lengths and octets of the whole, from those of its files.
    pub(super) fn sum_up(&mut self) {
        self.duration_ms = self.files.iter().map(|file| file.duration_ms).sum();
        self.bytes = self.files.iter().map(|file| file.bytes).sum();
    }

    /// Writes it in the place of what was known before: at any moment there is one or the other.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join(format!("{}.json.new", self.id));
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        if let Err(error) = fs::write(&new, text) {
            // A part of it is of no use to anybody.
            drop(fs::remove_file(&new));
            return Err(error);
        }
        fs::rename(&new, path(folder, &self.id))
    }

    /// Reads all that there are, oldest first. What cannot be read is none.
    pub(super) fn load_all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let read = fs::read(&path).ok();
            let read = read.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
            match read.filter(|one| is_name(&one.id) && one.files.iter().all(|f| is_name(&f.name)))
            {
                Some(one) => all.push(one),
                None => tracing::warn!(path = %path.display(), "not the index of a recording"),
            }
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(all)
    }

    /// What the last server left behind when it was killed: the files are as long as they are.
    pub(super) fn recover(&mut self, folder: &Path) {
        let mut last = None;
        for file in &mut self.files {
            let Ok(known) = fs::metadata(folder.join(&file.name)) else {
                continue;
            };
            file.bytes = known.len();
            last = known.modified().ok().or(last);
        }
        let since = last.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        self.sum_up();
        self.end(State::Interrupted, since.unwrap_or_default());
    }
}

/// Where the index of a recording is.
pub(super) fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

/// Whether this may stand in a path of the directory.
pub(super) fn is_name(text: &str) -> bool {
    let usual = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.%".contains(&octet);
    !text.starts_with('.') && !text.is_empty() && text.len() <= 200 && text.bytes().all(usual)
}

/// So long after 1970, as a date with a time.
pub(super) fn date(since_1970: Duration) -> String {
    DateTime::from_unix_seconds(since_1970.as_secs()).to_string()
}
