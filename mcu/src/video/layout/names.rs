//! The layouts by their names, which are those of Cisco Meeting Server's API.

use std::fmt;
use std::str::FromStr;

/// A layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// The template if there is one, else [`Self::OnePlusN`].
    #[default]
    Automatic,
    /// Panes of one size, as many as people, up to 25.
    AllEqual,
    /// One pane.
    SpeakerOnly,
    /// One pane over all, a row of up to six upon its lower edge.
    Telepresence,
    /// One large pane, a row of up to five below it.
    Stacked,
    /// Four panes.
    AllEqualQuarters,
    /// Nine panes.
    AllEqualNinths,
    /// Sixteen panes.
    AllEqualSixteenths,
    /// Twenty-five panes.
    AllEqualTwentyFifths,
    /// A large pane and five small ones.
    OnePlusFive,
    /// A large pane and seven small ones.
    OnePlusSeven,
    /// A large pane and nine small ones.
    OnePlusNine,
    /// A large pane and as many small ones as people, up to fifteen.
    OnePlusN,
}

/// How a web client arranges a layout by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// One person.
    SpeakerOnly,
    /// All of one size.
    AllEqual,
    /// One larger than the others.
    SpeakerLarge,
    /// As the template says.
    Custom,
}

impl Family {
    /// As it is shown to users.
    pub const fn title(self) -> &'static str {
        match self {
            Self::SpeakerOnly => "Speaker Only",
            Self::AllEqual => "All Equal",
            Self::SpeakerLarge => "Speaker Large",
            Self::Custom => "Custom",
        }
    }
}

/// No layout has this name. The requester is at fault: 400 `parameterError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown layout; the layouts are automatic, allEqual, speakerOnly, telepresence, stacked, allEqualQuarters, allEqualNinths, allEqualSixteenths, allEqualTwentyFifths, onePlusFive, onePlusSeven, onePlusNine, onePlusN"
)]
pub struct UnknownLayout;

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 13] = [
        Self::Automatic,
        Self::AllEqual,
        Self::SpeakerOnly,
        Self::Telepresence,
        Self::Stacked,
        Self::AllEqualQuarters,
        Self::AllEqualNinths,
        Self::AllEqualSixteenths,
        Self::AllEqualTwentyFifths,
        Self::OnePlusFive,
        Self::OnePlusSeven,
        Self::OnePlusNine,
        Self::OnePlusN,
    ];

    /// Its exact name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::AllEqual => "allEqual",
            Self::SpeakerOnly => "speakerOnly",
            Self::Telepresence => "telepresence",
            Self::Stacked => "stacked",
            Self::AllEqualQuarters => "allEqualQuarters",
            Self::AllEqualNinths => "allEqualNinths",
            Self::AllEqualSixteenths => "allEqualSixteenths",
            Self::AllEqualTwentyFifths => "allEqualTwentyFifths",
            Self::OnePlusFive => "onePlusFive",
            Self::OnePlusSeven => "onePlusSeven",
            Self::OnePlusNine => "onePlusNine",
            Self::OnePlusN => "onePlusN",
        }
    }

    /// Its panes follow the number of people.
    pub const fn is_dynamic(self) -> bool {
        match self {
            Self::Automatic
            | Self::AllEqual
            | Self::Telepresence
            | Self::Stacked
            | Self::OnePlusN => true,
            Self::SpeakerOnly
            | Self::AllEqualQuarters
            | Self::AllEqualNinths
            | Self::AllEqualSixteenths
            | Self::AllEqualTwentyFifths
            | Self::OnePlusFive
            | Self::OnePlusSeven
            | Self::OnePlusNine => false,
        }
    }

    /// What a web client is told, which arranges dynamic layouts by itself.
    pub const fn family(self, has_template: bool) -> Family {
        match self {
            Self::Automatic if has_template => Family::Custom,
            Self::SpeakerOnly => Family::SpeakerOnly,
            Self::AllEqual
            | Self::AllEqualQuarters
            | Self::AllEqualNinths
            | Self::AllEqualSixteenths
            | Self::AllEqualTwentyFifths => Family::AllEqual,
            Self::Automatic
            | Self::Telepresence
            | Self::Stacked
            | Self::OnePlusFive
            | Self::OnePlusSeven
            | Self::OnePlusNine
            | Self::OnePlusN => Family::SpeakerLarge,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(name: &str) -> Result<Self, UnknownLayout> {
        let named = Self::ALL.into_iter().find(|layout| layout.name() == name);
        named.ok_or(UnknownLayout)
    }
}
