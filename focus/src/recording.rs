//! Recording as a conference sees it: whether it may be, and whether it is.

use plenum_mcu::control::McuError;

/// When a conference is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordWhen {
    /// Never.
    Never,
    /// When somebody who may says so.
    #[default]
    OnRequest,
    /// Always, and nobody can stop or pause it.
    Always,
}

/// What the record of a conference says about recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingPolicy {
    /// When.
    pub when: RecordWhen,
    /// Pictures too, should there be some.
    pub pictures: bool,
    /// With [`RecordWhen::Always`]: nobody is let in while it cannot be recorded.
    pub required: bool,
}

impl Default for RecordingPolicy {
    /// On request, with pictures.
    fn default() -> Self {
        Self {
            when: RecordWhen::OnRequest,
            pictures: true,
            required: true,
        }
    }
}

/// What somebody wants done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    /// Begin, or go on after a pause.
    Start,
    /// Stop for a while.
    Pause,
    /// End.
    Stop,
}

/// How the recording of a conference is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingState {
    /// There is none.
    #[default]
    Off,
    /// It was asked for.
    Starting,
    /// Everything is recorded.
    On,
    /// It pauses.
    Paused,
    /// It should be, and could not be kept.
    Failed,
}

impl RecordingState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::On => "on",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// Why nothing was done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The conference's policy is never to be recorded.
    #[error("this conference is never recorded")]
    Never,
    /// The conference's policy is always to be recorded.
    #[error("this conference has to be recorded")]
    Always,
    /// Nobody is there to be recorded.
    #[error("nobody is in the conference")]
    Nobody,
    /// There is no recording.
    #[error("the conference is not being recorded")]
    Off,
    /// The mixer or the recorder cannot.
    #[error("{0}")]
    Failed(McuError),
}
