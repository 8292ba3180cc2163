//! Who is in which pane of one viewer's picture.

use super::arrange::{self, Arrangement, Frame, Template};
use super::names::Layout;
use super::placement::{ActiveSpeakerMode, Placement, SelfPaneMode};
use super::speech::Speech;
use super::{Identity, SourceId};
use std::str::FromStr;

/// Somebody who could be shown. The order of a roster is that of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The source.
    pub source: SourceId,
    /// Whose it is.
    pub identity: Identity,
    /// 0 for none.
    pub importance: u32,
    /// Pinned for the whole conference, the lowest number first.
    pub pin: Option<u32>,
    /// Holds the floor.
    pub floor: bool,
    /// Sends pictures; else there is only a tile to show.
    pub video: bool,
}

/// A pane kept for somebody, here or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// For whom.
    pub identity: Identity,
    /// Which pane, 1 for the first.
    pub pane: usize,
}

/// What is in the seat of somebody who is not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// Nothing.
    Blank,
    /// A tile with the name.
    #[default]
    Tile,
    /// Somebody else, until the person comes.
    Fill,
}

/// Nothing has this name. The requester is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seat of somebody who is away shows tile, blank or fill")]
pub struct UnknownAbsent;

impl Absent {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Tile => "tile",
            Self::Fill => "fill",
        }
    }
}

impl FromStr for Absent {
    type Err = UnknownAbsent;

    fn from_str(name: &str) -> Result<Self, UnknownAbsent> {
        let all = [Self::Blank, Self::Tile, Self::Fill];
        let named = all.into_iter().find(|absent| absent.name() == name);
        named.ok_or(UnknownAbsent)
    }
}

/// Who looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewer<'a> {
    /// The viewer's own source.
    pub source: Option<SourceId>,
    /// Whom this viewer wants to see, in order.
    pub pins: &'a [SourceId],
    /// The viewer sees the own picture, though never as the speaker's. Viewers of one layout then have one picture.
    pub self_view: bool,
}

/// Everything the assignment depends on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which layout.
    pub layout: Layout,
    /// What [`Layout::Automatic`] stands for, if anything.
    pub template: Option<&'a Template>,
    /// Everybody who is here, in order of arrival.
    pub roster: &'a [Person],
    /// Panes kept for identities: the conference's, or this viewer's own.
    pub seats: &'a [Seat],
    /// What is in the seats of those who are not here.
    pub absent: Absent,
    /// Pane placement by importance.
    pub placement: Placement,
    /// Who speaks and spoke.
    pub speech: &'a Speech,
    /// Who looks.
    pub viewer: Viewer<'a>,
    /// Content to be shown in this picture, for those without a second stream.
    pub content: Option<SourceId>,
    /// People without pictures get a tile.
    pub audio_tiles: bool,
    /// What this viewer saw until now.
    pub before: &'a [Pane],
}

/// What a pane shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Nothing.
    Blank,
    /// Somebody.
    Source(SourceId),
    /// The seat of somebody who is not here.
    Absent(Identity),
    /// Slides, a screen.
    Shared(SourceId),
}

/// One pane of a viewer's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pane {
    /// Where.
    pub frame: Frame,
    /// What.
    pub content: Content,
}

/// Gives every pane of a viewer's picture its content.
pub fn place(request: &Request<'_>) -> Vec<Pane> {
    let reserved = reserve(request);
    let ranked = rank(request, &reserved);
    let shared = request.content;
    let arrangement = if shared.is_some() {
        arrange::beside_content()
    } else {
        let people = reserved.len() + ranked.len();
        let free = reserved.iter().filter(|slot| slot.is_none()).count();
        arrange::arrange(
            request.layout,
            request.template,
            people - free.min(ranked.len()),
        )
    };
    let Arrangement {
        frames,
        has_primary,
    } = arrangement;
    let skipped = usize::from(shared.is_some());
    let mut slots = reserved;
    slots.resize(frames.len().saturating_sub(skipped), None);
    let before = request.before.iter().skip(skipped).map(|pane| pane.content);
    fill(&mut slots, &ranked, before, has_primary);
    let people = slots.into_iter().map(|slot| slot.unwrap_or(Content::Blank));
    let contents = shared.map(Content::Shared).into_iter().chain(people);
    frames
        .into_iter()
        .zip(contents)
        .map(|(frame, content)| Pane { frame, content })
        .collect()
}

/// The picture of a stream that is for content alone.
pub fn content_alone(content: SourceId) -> Pane {
    Pane {
        frame: arrange::whole(),
        content: Content::Shared(content),
    }
}

/// The panes that stand still: the speaker's, seats, importance. `None` is free for others.
fn reserve(request: &Request<'_>) -> Vec<Option<Content>> {
    let placement = request.placement;
    let highest = placement.highest_importance.unwrap_or(0);
    // No layout has more panes, and importance may be as high as a 32-bit number.
    let panes = usize::try_from(highest)
        .unwrap_or(usize::MAX)
        .min(arrange::MAX_PANES);
    let mut slots: Vec<Option<Slot>> = vec![None; panes];
    for (index, slot) in slots.iter_mut().enumerate() {
        let importance = highest.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX));
        let seated =
            |person: &&Person| !request.seats.iter().any(|s| s.identity == person.identity);
        let person = request
            .roster
            .iter()
            .filter(seated)
            .find(|person| person.importance == importance);
        *slot = Some(person.map_or(Slot::Empty, |person| Slot::Person(person.source)));
    }
    for seat in request.seats {
        let index = seat.pane.saturating_sub(1);
        if index >= arrange::MAX_PANES {
            continue;
        }
        if slots.len() <= index {
            slots.resize(index + 1, None);
        }
        if let Some(slot) = slots.get_mut(index) {
            *slot = sit(request, seat);
        }
    }
    let shown = slots.into_iter().filter_map(|slot| own_pane(request, slot));
    speaker_pane(request)
        .into_iter()
        .map(Some)
        .chain(shown)
        .collect()
}

#[derive(Clone, Copy)]
enum Slot {
    Empty,
    Person(SourceId),
    Absent(Identity),
}

fn sit(request: &Request<'_>, seat: &Seat) -> Option<Slot> {
    // Who is here twice sits with the device that came last.
    let person = request
        .roster
        .iter()
        .rev()
        .find(|person| person.identity == seat.identity);
    match (person, request.absent) {
        (Some(person), _) => Some(Slot::Person(person.source)),
        (None, Absent::Blank) => Some(Slot::Empty),
        (None, Absent::Tile) => Some(Slot::Absent(seat.identity)),
        (None, Absent::Fill) => None,
    }
}

/// The content of a reserved pane, unless it is the viewer's own and left out.
fn own_pane(request: &Request<'_>, slot: Option<Slot>) -> Option<Option<Content>> {
    let content = match slot {
        None => return Some(None),
        Some(Slot::Empty) => Content::Blank,
        Some(Slot::Absent(identity)) => Content::Absent(identity),
        Some(Slot::Person(source)) if Some(source) == request.viewer.source => {
            match request.placement.self_pane {
                SelfPaneMode::Skip => return None,
                SelfPaneMode::Itself => Content::Source(source),
                SelfPaneMode::Blank => Content::Blank,
            }
        }
        Some(Slot::Person(source)) => Content::Source(source),
    };
    Some(Some(content))
}

/// Pane 1 in active speaker mode, which needs pane placement to be on.
fn speaker_pane(request: &Request<'_>) -> Option<Content> {
    request.placement.highest_importance?;
    let here = |source: &SourceId| request.roster.iter().any(|person| person.source == *source);
    let active = request.speech.active().filter(here);
    let shown = match request.placement.active_speaker {
        ActiveSpeakerMode::None => return None,
        ActiveSpeakerMode::SuppressSelf if active.is_some() && active == request.viewer.source => {
            request.speech.previous().filter(here)
        }
        ActiveSpeakerMode::AllowSelf | ActiveSpeakerMode::SuppressSelf => active,
    };
    Some(shown.map_or(Content::Blank, Content::Source))
}

/// Everybody who may fill a free pane, in order of precedence.
fn rank(request: &Request<'_>, reserved: &[Option<Content>]) -> Vec<Ranked> {
    let placing = request.placement.highest_importance;
    let speaking = usize::from(speaker_pane(request).is_some());
    let stands = |source| {
        let content = Some(Content::Source(source));
        reserved.iter().skip(speaking).any(|slot| *slot == content)
    };
    let seated = |person: &Person| {
        request
            .seats
            .iter()
            .any(|seat| seat.identity == person.identity)
            || placing.is_some_and(|highest| (1..=highest).contains(&person.importance))
    };
    let is_self = |person: &Person| Some(person.source) == request.viewer.source;
    let mut ranked: Vec<Ranked> = request
        .roster
        .iter()
        .enumerate()
        .filter(|(_, person)| person.video || request.audio_tiles)
        .filter(|(_, person)| !stands(person.source) && Some(person.source) != request.content)
        .filter(|(_, person)| !is_self(person) || (request.viewer.self_view && !seated(person)))
        .map(|(arrival, person)| Ranked {
            own_pin: position(request.viewer.pins, person.source),
            pin: person.pin.unwrap_or(u32::MAX),
            importance: u32::MAX - person.importance,
            floor: !person.floor,
            spoke: request.speech.rank(person.source).unwrap_or(usize::MAX),
            arrival,
            is_self: is_self(person),
            source: person.source,
        })
        .collect();
    ranked.sort_unstable();
    ranked
}

fn position(pins: &[SourceId], source: SourceId) -> usize {
    pins.iter()
        .position(|pin| *pin == source)
        .unwrap_or(usize::MAX)
}

/// The order of its fields is the precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    own_pin: usize,
    pin: u32,
    importance: u32,
    floor: bool,
    spoke: usize,
    arrival: usize,
    is_self: bool,
    source: SourceId,
}

/// Fills the free panes with the first of the ranked. Whoever was shown keeps the pane; a pane that stands out is
/// always the first one's, and who was in it gets the pane the first one leaves.
fn fill(
    slots: &mut [Option<Content>],
    ranked: &[Ranked],
    before: impl Iterator<Item = Content>,
    has_primary: bool,
) {
    let mut waiting = ranked.to_vec();
    if let Some(slot @ None) = slots.first_mut().filter(|_| has_primary) {
        // Nobody wants to look at oneself while others are there.
        let first = waiting.iter().position(|one| !one.is_self).unwrap_or(0);
        if first < waiting.len() {
            *slot = Some(Content::Source(waiting.remove(first).source));
        }
    }
    waiting.truncate(slots.iter().filter(|slot| slot.is_none()).count());
    for (slot, seen) in slots.iter_mut().zip(before) {
        let still = waiting
            .iter()
            .position(|one| seen == Content::Source(one.source));
        if let (None, Some(index)) = (&slot, still) {
            *slot = Some(Content::Source(waiting.remove(index).source));
        }
    }
    let left = slots.iter_mut().filter(|slot| slot.is_none());
    for (slot, one) in left.zip(waiting) {
        *slot = Some(Content::Source(one.source));
    }
}
