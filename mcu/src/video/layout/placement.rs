//! Pane placement as Cisco Meeting Server names its parameters, and how a conference's overrides the space's.

use std::str::FromStr;

/// `panePlacementSelfPaneMode`: what a placed viewer sees in the own pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SelfPaneMode {
    /// The pane is left out, the others close up.
    #[default]
    Skip,
    /// The own picture.
    Itself,
    /// Nothing.
    Blank,
}

/// `panePlacementActiveSpeakerMode`: is pane 1 the active speaker's?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActiveSpeakerMode {
    /// No.
    #[default]
    None,
    /// Yes, for the speaker as well.
    AllowSelf,
    /// Yes, and the speaker sees the previous one.
    SuppressSelf,
}

/// No mode has this name. The requester is at fault: 400 `parameterError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the modes are skip, self, blank for one's own pane, and none, allowself, suppressself for the active speaker"
)]
pub struct UnknownMode;

impl SelfPaneMode {
    /// Its exact name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Itself => "self",
            Self::Blank => "blank",
        }
    }
}

impl ActiveSpeakerMode {
    /// Its exact name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::AllowSelf => "allowself",
            Self::SuppressSelf => "suppressself",
        }
    }
}

impl FromStr for SelfPaneMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        match name {
            "skip" => Ok(Self::Skip),
            "self" => Ok(Self::Itself),
            "blank" => Ok(Self::Blank),
            _ => Err(UnknownMode),
        }
    }
}

impl FromStr for ActiveSpeakerMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        match name {
            "none" => Ok(Self::None),
            "allowself" => Ok(Self::AllowSelf),
            "suppressself" => Ok(Self::SuppressSelf),
            _ => Err(UnknownMode),
        }
    }
}

/// The three parameters as somebody set them, on a space or on a conference. `None` is unset, which is not the same as
/// `none`: the latter, on a conference, overrides what the space says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PanePlacement {
    /// `panePlacementHighestImportance`: the importance of whom is in pane 1, down to 1.
    pub highest_importance: Option<u32>,
    /// `panePlacementSelfPaneMode`.
    pub self_pane: Option<SelfPaneMode>,
    /// `panePlacementActiveSpeakerMode`.
    pub active_speaker: Option<ActiveSpeakerMode>,
}

/// What is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Pane placement is on, from this importance down to 1.
    pub highest_importance: Option<u32>,
    /// For viewers who are placed themselves.
    pub self_pane: SelfPaneMode,
    /// Without pane placement it does nothing.
    pub active_speaker: ActiveSpeakerMode,
}

impl PanePlacement {
    /// The conference's own values before those of its space, each by itself.
    pub fn effective(conference: &Self, space: &Self) -> Placement {
        Placement {
            highest_importance: conference
                .highest_importance
                .or(space.highest_importance)
                .filter(|highest| *highest > 0),
            self_pane: conference.self_pane.or(space.self_pane).unwrap_or_default(),
            active_speaker: conference
                .active_speaker
                .or(space.active_speaker)
                .unwrap_or_default(),
        }
    }
}
