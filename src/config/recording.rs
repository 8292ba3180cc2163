//! `[recording]`: where recordings are kept, and what every conference says about being recorded.

use super::conference::quoted;
use super::read::{Section, Setting};
use crate::limits::Limits;
use crate::recordings::Settings;
use plenum_focus::recording::{RecordWhen, RecordingPolicy};
use toml::de::DeValue;

/// `[recording]`
#[derive(Clone, Debug)]
pub struct Recording {
    /// The directory they are kept in; `None`: nothing can be recorded.
    pub directory: Option<String>,
    /// MiB of all recordings at most; 0: as the disk has.
    pub quota_mib: u64,
    /// MiB of the recordings of one conference at most; 0: no bound of its own.
    pub conference_quota_mib: u64,
    /// MiB that stay free on the disk.
    pub least_free_mib: u64,
    /// Rows of recorded pictures at most.
    pub rows: usize,
    /// Bits a second of recorded pictures.
    pub bitrate: u32,
}

/// Octets of a MiB.
const MIB: u64 = 1 << 20;

impl Setting for RecordWhen {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "never" => Ok(Self::Never),
            "on_request" => Ok(Self::OnRequest),
            "always" => Ok(Self::Always),
            _ => Err("is \"never\", \"on_request\" or \"always\"".to_owned()),
        }
    }
}

const fn name_of(when: RecordWhen) -> &'static str {
    match when {
        RecordWhen::Never => "never",
        RecordWhen::OnRequest => "on_request",
        RecordWhen::Always => "always",
    }
}

impl Recording {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let directory: String = section.get("directory", "\"\"");
        let recording = Self {
            directory: Some(directory).filter(|directory| !directory.is_empty()),
            quota_mib: section.get("quota_mib", "0"),
            conference_quota_mib: section.get("conference_quota_mib", "0"),
            least_free_mib: section.get("least_free_mib", "512"),
            rows: section.get("rows", "720"),
            bitrate: section.get("bitrate", "1500000"),
        };
        if ![180, 360, 540, 720, 1080].contains(&recording.rows) {
            section.refuse("rows", "is 180, 360, 540, 720 or 1080".to_owned());
        }
        if !(64_000..=20_000_000).contains(&recording.bitrate) {
            section.refuse("bitrate", "is from 64000 to 20000000".to_owned());
        }
        recording
    }

    /// What the recorder is told; `None` where there is no place.
    pub(crate) fn settings(&self, limits: &Limits) -> Option<Settings> {
        Some(Settings {
            directory: self.directory.as_ref()?.into(),
            quota: self.quota_mib.saturating_mul(MIB),
            conference_quota: self.conference_quota_mib.saturating_mul(MIB),
            least_free: self.least_free_mib.saturating_mul(MIB),
            queue: limits.recording_queue,
        })
    }
}

/// Whether a conference is recorded: what both `[conferences]` and every `[[conference]]` can say.
pub(super) fn read_recording(
    section: &mut Section<'_, '_>,
    base: RecordingPolicy,
) -> RecordingPolicy {
    RecordingPolicy {
        when: section.get("record", &quoted(name_of(base.when))),
        pictures: section.get("record_video", &base.pictures.to_string()),
        required: section.get("record_required", &base.required.to_string()),
    }
}
