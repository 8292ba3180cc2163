//! The pictures of a conference and of each endpoint, as the focus wants them.

use crate::control::EndpointId;
pub use crate::video::layout::arrange::MAX_PANES;
pub use crate::video::layout::{
    Absent, ActiveSpeakerMode, Frame, Identity, Layout, PanePlacement, Placement, Seat,
    SelfPaneMode, Template, TemplateError, UNIT, UnknownLayout,
};
use std::sync::Arc;

/// The pictures of a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceVideo {
    /// For viewers without a choice of their own.
    pub layout: Layout,
    /// What [`Layout::Automatic`] stands for; else it is one large pane and small ones.
    pub template: Option<Arc<Template>>,
    /// Pane placement in force.
    pub placement: Placement,
    /// Panes kept for identities, whether they are here or not.
    pub seats: Vec<NamedSeat>,
    /// What is in the seats of those who are not here.
    pub absent: Absent,
    /// People see themselves, too.
    pub self_view: bool,
    /// People without pictures get tiles.
    pub audio_tiles: bool,
    /// A line above the picture.
    pub banner: Option<String>,
}

impl Default for ConferenceVideo {
    /// The automatic layout, tiles for those who have no camera, nobody sees himself.
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            template: None,
            placement: Placement::default(),
            seats: Vec::new(),
            absent: Absent::default(),
            self_view: false,
            audio_tiles: true,
            banner: None,
        }
    }
}

/// A seat, and what is written there while it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSeat {
    /// Whose it is, and where.
    pub seat: Seat,
    /// What they are called.
    pub name: String,
}

/// How somebody is to be seen, and what they see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointVideo {
    /// Whose endpoint it is, for seats; 0 for somebody who has none.
    pub identity: Identity,
    /// Importance, for pane placement and precedence; 0 for none.
    pub importance: u32,
    /// Pinned for the whole conference, the lowest number first.
    pub pin: Option<u32>,
    /// Others get a tile in the place of its pictures.
    pub hidden: bool,
    /// It gets no pictures.
    pub blind: bool,
    /// It may not show slides.
    pub barred: bool,
    /// The layout chosen for it.
    pub layout: Option<Layout>,
    /// What [`Layout::Automatic`] stands for in its view; else what it does for all.
    pub template: Option<Arc<Template>>,
    /// Whom it wants to see, in order.
    pub pins: Vec<EndpointId>,
    /// Seats for its own view, in the place of the conference's.
    pub seats: Option<Vec<Seat>>,
}

/// What one pane of somebody's picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaneContent {
    /// Nothing.
    Blank,
    /// An endpoint, by its pictures or by a tile.
    Endpoint(EndpointId),
    /// The seat of somebody who is not here.
    Absent(Identity),
    /// The content of an endpoint.
    Content(EndpointId),
}
