//! One who looks: what is to be seen, in which format, how large and how fast.

use super::layout::{Layout, Pane, Seat, SourceId, Template};
use super::plan::{Class, EncoderId};
use plenum_media::video::format::SendFormat;
use plenum_media::video::rate::{self, PictureLimits, Rung};
use std::sync::Arc;

/// A viewer. Never reused within a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerId(pub u64);

/// What a stream to a viewer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// People: content has a stream of its own.
    People,
    /// Both: there is no second stream.
    PeopleAndContent,
    /// Content alone, and nothing at all while there is none.
    Content,
}

/// What is known of a viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerSettings {
    /// The viewer's own source, if it sends.
    pub source: Option<SourceId>,
    /// The viewer's own content, which is not sent back.
    pub content: Option<SourceId>,
    /// The layout chosen for this viewer; else the conference's.
    pub layout: Option<Layout>,
    /// What [`Layout::Automatic`] stands for in this view; else what it does in the conference.
    pub template: Option<Arc<Template>>,
    /// Seats for this viewer alone; else the conference's.
    pub seats: Option<Vec<Seat>>,
    /// Whom this viewer wants to see, in order.
    pub pins: Vec<SourceId>,
    /// The viewer sees the own picture.
    pub self_view: bool,
    /// Which pictures it is for.
    pub shows: Shows,
    /// In which format the picture goes out.
    pub format: SendFormat,
    /// How large it may be.
    pub limits: PictureLimits,
    /// Bits a second it may have now.
    pub target: u32,
}

/// One viewer in a conference.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) settings: ViewerSettings,
    /// What it sees.
    pub(super) panes: Vec<Pane>,
    pub(super) rung: Option<Rung>,
    pub(super) encoder: Option<EncoderId>,
    /// The viewer looks at nothing (hold, video off).
    pub(super) paused: bool,
}

impl Viewer {
    /// Size and rate class for its target now.
    pub(super) fn class(&mut self, frame_rate: u32) -> Class {
        let ViewerSettings {
            format,
            limits,
            target,
            ..
        } = self.settings;
        let rung = rate::choose(target, frame_rate, limits, self.rung);
        self.rung = Some(rung);
        Class {
            format,
            rung,
            bitrate: rate::class(target),
        }
    }
}
