//! Rectangles: what a layout looks like for so many people.

use super::names::Layout;
use std::sync::Arc;

/// The side of the canvas in the units of [`Rect`]. Divisible by 1 to 10, so that equal panes are exactly equal.
pub const UNIT: u32 = 25_200;
/// Panes of a template at most.
pub const MAX_PANES: usize = 64;

/// A part of the canvas, in [`UNIT`]s of its width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

/// A part of the canvas in pixels. All four are even, as 4:2:0 wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pixels {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
}

impl Rect {
    /// The whole canvas.
    pub const ALL: Self = Self {
        x: 0,
        y: 0,
        w: UNIT,
        h: UNIT,
    };

    /// On a canvas of so many pixels. Equal rectangles get equal sizes wherever they are; none leaves the canvas, and
    /// rectangles that do not overlap here do not there.
    pub fn on(self, width: usize, height: usize) -> Pixels {
        let pixels = |units: u32, side: usize| {
            let side = u64::try_from(side).unwrap_or(0);
            usize::try_from(u64::from(units) * side / u64::from(UNIT)).unwrap_or(0) & !1
        };
        Pixels {
            x: pixels(self.x, width),
            y: pixels(self.y, height),
            w: pixels(self.w, width),
            h: pixels(self.h, height),
        }
    }

    /// Do the two share any part of the canvas?
    pub const fn overlaps(self, other: Self) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }
}

/// Where a pane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame {
    /// Which part of the canvas.
    pub rect: Rect,
    /// Higher ones lie upon lower ones.
    pub z: u8,
}

/// The frames of a layout, the first of which is for the speaker if one is larger than the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement {
    /// In the order of panes 1, 2, 3, …
    pub frames: Vec<Frame>,
    /// The first one stands out.
    pub has_primary: bool,
}

/// A layout of somebody's own: rectangles that do not overlap, or lie upon each other on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    name: Arc<str>,
    frames: Vec<Frame>,
    has_primary: bool,
}

/// Why rectangles make no template. The requester is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// None, or more than [`MAX_PANES`].
    #[error("a template has 1 to {MAX_PANES} panes")]
    Count,
    /// Not a number, without extent, or not within 0 to 1.
    #[error("pane {0} is empty or leaves the canvas")]
    Outside(usize),
    /// Two panes of one z overlap.
    #[error("panes {0} and {1} overlap; give them different z")]
    Overlap(usize, usize),
}

impl Template {
    /// From `(x, y, w, h, z)` with the first four in 0 to 1 of the canvas.
    pub fn new(panes: &[(f64, f64, f64, f64, u8)]) -> Result<Self, TemplateError> {
        if panes.is_empty() || panes.len() > MAX_PANES {
            return Err(TemplateError::Count);
        }
        let mut frames: Vec<Frame> = Vec::with_capacity(panes.len());
        for (index, (x, y, w, h, z)) in panes.iter().enumerate() {
            let rect = rect(*x, *y, *w, *h).ok_or(TemplateError::Outside(index + 1))?;
            let clash = frames
                .iter()
                .position(|other| other.z == *z && other.rect.overlaps(rect));
            if let Some(other) = clash {
                return Err(TemplateError::Overlap(other + 1, index + 1));
            }
            frames.push(Frame { rect, z: *z });
        }
        let area = |frame: &Frame| u64::from(frame.rect.w) * u64::from(frame.rect.h);
        let first = frames.first().map_or(0, area);
        let has_primary = frames.iter().skip(1).all(|frame| area(frame) < first);
        Ok(Self {
            name: "".into(),
            frames,
            has_primary,
        })
    }

    /// The same with a name, by which it can be chosen.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Its name; empty where it was given none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its panes, in their order.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

fn rect(x: f64, y: f64, w: f64, h: f64) -> Option<Rect> {
    let within = |share: f64| (0.0..=1.0).contains(&share);
    // Three times a third may be a little more than one.
    let tolerance = 1e-6;
    if ![x, y, w, h].into_iter().all(within) || x + w > 1.0 + tolerance || y + h > 1.0 + tolerance {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share is within 0 to 1"
    )]
    let units = |share: f64| (share * f64::from(UNIT)).round() as u32;
    let (left, top) = (units(x), units(y));
    let rect = Rect {
        x: left,
        y: top,
        w: units(x + w).min(UNIT).saturating_sub(left),
        h: units(y + h).min(UNIT).saturating_sub(top),
    };
    (rect.w > 0 && rect.h > 0).then_some(rect)
}

/// The frames of a layout for so many people to be shown; the template counts with [`Layout::Automatic`].
pub fn arrange(layout: Layout, template: Option<&Template>, people: usize) -> Arrangement {
    let people = people.max(1);
    let (frames, has_primary) = match (layout, template) {
        (Layout::Automatic, Some(template)) => (template.frames.clone(), template.has_primary),
        (Layout::Automatic | Layout::OnePlusN, _) => (one_plus_n(people), true),
        (Layout::AllEqual, _) => (all_equal(people), false),
        (Layout::SpeakerOnly, _) => (vec![whole()], true),
        (Layout::Telepresence, _) => (telepresence(people), true),
        (Layout::Stacked, _) => (stacked(people), true),
        (Layout::AllEqualQuarters, _) => (grid(2, 4), false),
        (Layout::AllEqualNinths, _) => (grid(3, 9), false),
        (Layout::AllEqualSixteenths, _) => (grid(4, 16), false),
        (Layout::AllEqualTwentyFifths, _) => (grid(5, 25), false),
        (Layout::OnePlusFive, _) => (one_plus(3), true),
        (Layout::OnePlusSeven, _) => (one_plus(4), true),
        (Layout::OnePlusNine, _) => (one_plus(5), true),
    };
    Arrangement {
        frames,
        has_primary,
    }
}

/// Content in the main picture of somebody without a second stream: the content below a row of six.
///
/// The first frame is the content's, the others are panes 1 to 6.
pub fn beside_content() -> Arrangement {
    let sixth = UNIT / 6;
    let mut frames = vec![Frame {
        rect: Rect {
            x: sixth / 2,
            y: sixth,
            w: 5 * sixth,
            h: 5 * sixth,
        },
        z: 0,
    }];
    frames.extend(row(6, 6, 0, 0));
    Arrangement {
        frames,
        has_primary: false,
    }
}

pub(super) const fn whole() -> Frame {
    Frame {
        rect: Rect::ALL,
        z: 0,
    }
}

fn cell(cells: u32, column: u32, row: u32, span: u32) -> Frame {
    let side = UNIT / cells.max(1);
    Frame {
        rect: Rect {
            x: column * side,
            y: row * side,
            w: span * side,
            h: span * side,
        },
        z: 0,
    }
}

fn grid(side: u32, panes: usize) -> Vec<Frame> {
    (0..side * side)
        .map(|index| cell(side, index % side, index / side, 1))
        .take(panes)
        .collect()
}

/// As few columns as hold everybody, rows centred on the canvas and the last one within itself.
fn all_equal(people: usize) -> Vec<Frame> {
    let people = people.min(25);
    let columns = (1_u32..=5)
        .find(|side| usize::try_from(side * side).is_ok_and(|cells| cells >= people))
        .unwrap_or(5);
    let wide = usize::try_from(columns).unwrap_or(1);
    let rows = u32::try_from(people.div_ceil(wide)).unwrap_or(1);
    let side = UNIT / columns;
    let top = (UNIT - rows * side) / 2;
    let last = u32::try_from(people - (people - 1) / wide * wide).unwrap_or(1);
    let mut frames = grid(columns, people);
    for (index, frame) in frames.iter_mut().enumerate() {
        frame.rect.y += top;
        if index / wide + 1 == people.div_ceil(wide) {
            frame.rect.x += (columns - last) * side / 2;
        }
    }
    frames
}

/// A large pane in the upper left of a grid with so many cells a side, small ones down its right and along the bottom.
fn one_plus(cells: u32) -> Vec<Frame> {
    let mut frames = vec![cell(cells, 0, 0, cells - 1)];
    frames.extend((0..cells - 1).map(|row| cell(cells, cells - 1, row, 1)));
    frames.extend((0..cells).map(|column| cell(cells, column, cells - 1, 1)));
    frames
}

fn one_plus_n(people: usize) -> Vec<Frame> {
    if people == 1 {
        return vec![whole()];
    }
    let holds = |cells: &u32| usize::try_from(2 * cells).is_ok_and(|panes| panes >= people);
    let cells = (3_u32..=8).find(holds).unwrap_or(8);
    let mut frames = one_plus(cells);
    frames.truncate(people);
    frames
}

/// Up to `of` panes side by side, each one `of`-th of the canvas wide and high, centred.
fn row(count: usize, of: u32, top: u32, z: u8) -> impl Iterator<Item = Frame> {
    let side = UNIT / of;
    let count = u32::try_from(count).unwrap_or(of).min(of);
    let left = (of - count) * side / 2;
    (0..count).map(move |index| Frame {
        rect: Rect {
            x: left + index * side,
            y: top,
            w: side,
            h: side,
        },
        z,
    })
}

fn telepresence(people: usize) -> Vec<Frame> {
    let mut frames = vec![whole()];
    // A little space below the row, so that it stands on the picture and not on the edge.
    let top = UNIT - UNIT / 6 - UNIT / 60;
    frames.extend(row(people - 1, 6, top, 1));
    frames
}

fn stacked(people: usize) -> Vec<Frame> {
    if people == 1 {
        return vec![whole()];
    }
    let fifth = UNIT / 5;
    let mut frames = vec![Frame {
        rect: Rect {
            x: fifth / 2,
            y: 0,
            w: 4 * fifth,
            h: 4 * fifth,
        },
        z: 0,
    }];
    frames.extend(row(people - 1, 5, 4 * fifth, 0));
    frames
}
