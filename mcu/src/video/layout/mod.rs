//! Who is seen where: a pure function from layout, seats, roster and speech to panes, one viewer at a time.
//!
//! | step | where | rule |
//! |---|---|---|
//! | detect | [`speech`] | who leads the conversation, with hysteresis; the only state there is |
//! | arrange | [`arrange`] | layout and number of people → rectangles |
//! | reserve | [`assign`] | the speaker's pane, seats bound to identities, importance: these panes stand still |
//! | fill | [`assign`] | the panes left, by precedence: pin, importance, floor, latest speech, arrival |
//! | keep | [`assign`] | whoever was shown and still is keeps the pane |
//!
//! The written precedence is: placement, pin, importance, floor, loudest.

pub mod arrange;
pub mod assign;
pub mod names;
pub mod placement;
pub mod speech;

pub use arrange::{Frame, Rect, Template, TemplateError, UNIT};
pub use assign::{Absent, Content, Pane, Person, Request, Seat, Viewer, content_alone, place};
pub use names::{Family, Layout, UnknownLayout};
pub use placement::{ActiveSpeakerMode, PanePlacement, Placement, SelfPaneMode};
pub use speech::{Speech, SpeechSettings};

/// A source of video, or of audio only, in one conference. Never reused within a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// Whose source it is, beyond one call: who reconnects has the same identity again. Chosen by the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub u64);

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
