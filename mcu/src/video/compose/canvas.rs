//! One picture painted from panes: pictures, tiles, names, marks, borders, banner.

use super::scale::{Fit, scale};
use super::text::{Fonts, Mask};
use crate::video::layout::SourceId;
use crate::video::layout::arrange::Pixels;
use plenum_media::video::picture::{Colour, Picture};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every composed picture of a conference has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Behind the panes.
    pub background: Colour,
    /// Empty panes, and bars beside pictures.
    pub pane: Colour,
    /// Text.
    pub text: Colour,
    /// Around who is speaking.
    pub speaking: Colour,
    /// The mark of who is muted.
    pub muted: Colour,
    /// Pixels between panes at 720 rows; in proportion at others.
    pub gap: usize,
    /// How pictures are put into panes.
    pub fit: Fit,
    /// Names are shown.
    pub names: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            background: Colour::rgb(16, 18, 24),
            pane: Colour::rgb(38, 42, 52),
            text: Colour::rgb(245, 245, 245),
            speaking: Colour::rgb(60, 200, 110),
            muted: Colour::rgb(220, 60, 60),
            gap: 4,
            fit: Fit::default(),
            names: true,
        }
    }
}

/// What is known of somebody in a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// The name to be shown.
    pub name: Arc<str>,
    /// A microphone that is off.
    pub muted: bool,
    /// Speaks just now.
    pub speaking: bool,
}

/// What a pane shows.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    /// A picture. The number changes with every picture of the source.
    Picture {
        /// Whose.
        source: SourceId,
        /// Which of its pictures.
        number: u64,
        /// The picture.
        picture: &'a Picture,
        /// It stands still: shown in grey.
        frozen: bool,
        /// All of it must be seen, whatever the style says: slides.
        whole: bool,
        /// Who.
        face: &'a Face,
    },
    /// No picture: initials and the name.
    Tile(&'a Face),
    /// Somebody's empty seat.
    Absent(&'a str),
    /// Nothing.
    Blank,
}

/// Counters of one composer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Painted {
    /// Pictures scaled.
    pub scales: u64,
    /// Pictures composed.
    pub compositions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ScaledKey {
    source: SourceId,
    width: usize,
    height: usize,
    whole: bool,
}

#[derive(Debug)]
struct Scaled {
    number: Option<u64>,
    picture: Picture,
    wanted: u64,
}

/// Paints the views of one conference; what they share is done once.
#[derive(Debug)]
pub struct Composer {
    style: Style,
    fonts: Fonts,
    scaled: BTreeMap<ScaledKey, Scaled>,
    painted: Painted,
    tick: u64,
}

impl Composer {
    /// With this style and these fonts.
    pub fn new(style: Style, fonts: Fonts) -> Self {
        Self {
            style,
            fonts,
            scaled: BTreeMap::new(),
            painted: Painted::default(),
            tick: 0,
        }
    }

    /// A new tick: scaled pictures that nobody wanted in the last one are dropped.
    pub fn begin(&mut self) {
        let last = self.tick;
        self.scaled.retain(|_, scaled| scaled.wanted >= last);
        self.tick += 1;
    }

    /// What was done so far.
    pub fn painted(&self) -> Painted {
        self.painted
    }

    /// Paints a whole picture. Panes are painted in the order given: the last lies on top.
    pub fn compose(
        &mut self,
        canvas: &mut Picture,
        panes: &[(Pixels, Look<'_>)],
        banner: Option<&str>,
    ) {
        self.painted.compositions += 1;
        let all = Pixels {
            x: 0,
            y: 0,
            w: canvas.width(),
            h: canvas.height(),
        };
        paint(canvas, all, self.style.background);
        let gap = (self.style.gap * canvas.height() / 720 / 2 + 1) & !1;
        let alone = panes.len() == 1;
        for (pixels, look) in panes {
            let inner = if alone { *pixels } else { inset(*pixels, gap) };
            if inner.w >= 16 && inner.h >= 16 {
                self.pane(canvas, inner, look, gap.max(2));
            }
        }
        if let Some(text) = banner {
            self.banner(canvas, all, text);
        }
    }

    /// A red disc in the corner at the top right: the conference is recorded.
    pub fn mark_recording(&self, canvas: &mut Picture) {
        let side = even_up(canvas.height() / 18).clamp(12, 64);
        let (width, height) = (canvas.width(), canvas.height());
        if width < 2 * side || height < 2 * side {
            return;
        }
        let at = Pixels {
            x: (width - side - side / 2) & !1,
            y: (side / 2) & !1,
            w: side,
            h: side,
        };
        blend(canvas, &disc(side), (at.x, at.y), at, self.style.muted);
    }

    fn pane(&mut self, canvas: &mut Picture, at: Pixels, look: &Look<'_>, border: usize) {
        match look {
            Look::Picture {
                source,
                number,
                picture,
                frozen,
                whole,
                face,
            } => {
                let key = ScaledKey {
                    source: *source,
                    width: at.w,
                    height: at.h,
                    whole: *whole,
                };
                self.picture(canvas, at, key, *number, picture);
                if *frozen {
                    grey(canvas, at);
                }
                self.face(canvas, at, face, border);
            }
            Look::Tile(face) => {
                paint(canvas, at, self.style.pane);
                self.initials(canvas, at, &face.name);
                self.face(canvas, at, face, border);
            }
            Look::Absent(name) => {
                paint(canvas, at, self.style.pane);
                let mask = self.fonts.line(name, text_size(at.h, 8), at.w);
                let dim = Colour {
                    y: self.style.text.y / 2 + 32,
                    ..self.style.text
                };
                blend(canvas, &mask, centred(&mask, at), at, dim);
            }
            Look::Blank => paint(canvas, at, self.style.pane),
        }
    }

    fn picture(
        &mut self,
        canvas: &mut Picture,
        at: Pixels,
        key: ScaledKey,
        number: u64,
        picture: &Picture,
    ) {
        if (picture.width(), picture.height()) == (at.w, at.h) {
            // Nothing to scale, so nothing to keep.
            copy(picture, canvas, at);
            return;
        }
        let scaled = self.scaled.entry(key).or_insert_with(|| Scaled {
            number: None,
            picture: Picture::new(at.w, at.h, self.style.pane),
            wanted: self.tick,
        });
        scaled.wanted = self.tick;
        if scaled.number != Some(number) {
            scaled.number = Some(number);
            let fit = if key.whole { Fit::Fit } else { self.style.fit };
            scale(picture, &mut scaled.picture, fit, self.style.pane);
            self.painted.scales += 1;
        }
        copy(&scaled.picture, canvas, at);
    }

    /// Name, microphone, and the border of who is speaking.
    fn face(&mut self, canvas: &mut Picture, at: Pixels, face: &Face, border: usize) {
        let size = text_size(at.h, 12).max(10);
        let bar = Pixels {
            x: at.x,
            y: at.y + at.h - size.min(at.h),
            w: at.w,
            h: size.min(at.h),
        };
        let mark = if face.muted { size } else { 0 };
        if self.style.names && !face.name.is_empty() {
            let room = at.w.saturating_sub(mark + size);
            let mask = self.fonts.line(&face.name, size, room);
            let under = Pixels {
                w: even_up(mask.width + size / 2 + mark).min(at.w),
                ..bar
            };
            darken(canvas, under);
            blend(
                canvas,
                &mask,
                (at.x + mark + size / 4, bar.y),
                at,
                self.style.text,
            );
        }
        if face.muted {
            let icon = microphone(size);
            blend(canvas, &icon, (at.x, bar.y), at, self.style.muted);
        }
        if face.speaking {
            frame(canvas, at, border, self.style.speaking);
        }
    }

    fn initials(&mut self, canvas: &mut Picture, at: Pixels, name: &str) {
        let side = (at.w.min(at.h) / 2) & !1;
        let disc = disc(side);
        let middle = centred(&disc, at);
        blend(canvas, &disc, middle, at, colour_of(name));
        let mask = self.fonts.line(&initials(name), side / 2, side);
        blend(canvas, &mask, centred(&mask, at), at, self.style.text);
    }

    fn banner(&mut self, canvas: &mut Picture, all: Pixels, text: &str) {
        let size = text_size(all.h, 20).max(12);
        let bar = Pixels { h: size, ..all };
        darken(canvas, bar);
        let mask = self.fonts.line(text, size, all.w);
        blend(canvas, &mask, centred(&mask, bar), bar, self.style.text);
    }
}

/// Rows of text: a share of the pane, even.
fn text_size(height: usize, share: usize) -> usize {
    even_up(height / share.max(1)).clamp(8, 64)
}

fn even_up(length: usize) -> usize {
    (length + 1) & !1
}

fn inset(pixels: Pixels, gap: usize) -> Pixels {
    Pixels {
        x: pixels.x + gap,
        y: pixels.y + gap,
        w: pixels.w.saturating_sub(2 * gap),
        h: pixels.h.saturating_sub(2 * gap),
    }
}

fn centred(mask: &Mask, at: Pixels) -> (usize, usize) {
    let start = |outer: usize, inner: usize| outer.saturating_sub(inner) / 2;
    (
        at.x + start(at.w, mask.width),
        at.y + start(at.h, mask.height()),
    )
}

/// Up to two initials, of the first and the last word.
pub(super) fn initials(name: &str) -> String {
    let mut words = name
        .split_whitespace()
        .filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next_back();
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

/// A colour of one's own, the same every time.
fn colour_of(name: &str) -> Colour {
    let sum = name.bytes().fold(7_u32, |sum, octet| {
        sum.wrapping_mul(31).wrapping_add(u32::from(octet))
    });
    let part = |shift: u32| 60 + (sum >> shift & 0x7f).to_le_bytes()[0];
    Colour::rgb(part(3), part(11), part(19))
}

/// A filled circle.
fn disc(side: usize) -> Mask {
    let side = side.max(2);
    let mut coverage = vec![0; side * side];
    for (y, row) in coverage.chunks_exact_mut(side).enumerate() {
        for (x, sample) in row.iter_mut().enumerate() {
            let (dx, dy) = ((2 * x + 1).abs_diff(side), (2 * y + 1).abs_diff(side));
            *sample = if dx * dx + dy * dy <= side * side {
                255
            } else {
                0
            };
        }
    }
    Mask {
        width: side,
        coverage,
    }
}

/// A microphone with a stroke through it, as large as a line of text.
fn microphone(size: usize) -> Mask {
    const DOTS: [u16; 12] = [
        0b1000_0110_0000,
        0b0100_1111_0000,
        0b0010_1111_0000,
        0b0001_0111_0000,
        0b0010_1011_0100,
        0b0010_1101_0100,
        0b0010_0110_0100,
        0b0001_0000_1000,
        0b0000_1111_0100,
        0b0000_0110_0010,
        0b0000_0110_0001,
        0b0001_1111_1000,
    ];
    let size = size.max(1);
    let mut coverage = vec![0; size * size];
    for (y, row) in coverage.chunks_exact_mut(size).enumerate() {
        let bits = DOTS.get(y * 12 / size).copied().unwrap_or(0);
        for (x, sample) in row.iter_mut().enumerate() {
            let set = bits >> (11 - (x * 12 / size).min(11)) & 1 == 1;
            *sample = if set { 255 } else { 0 };
        }
    }
    Mask {
        width: size,
        coverage,
    }
}

/// The same part of a plane with half the samples a side.
fn part_of(at: Pixels, plane: usize) -> Pixels {
    let divisor = if plane == 0 { 1 } else { 2 };
    Pixels {
        x: at.x / divisor,
        y: at.y / divisor,
        w: at.w / divisor,
        h: at.h / divisor,
    }
}

fn paint(canvas: &mut Picture, at: Pixels, colour: Colour) {
    let samples = [colour.y, colour.u, colour.v];
    for (index, (plane, sample)) in canvas.planes_mut().iter_mut().zip(samples).enumerate() {
        let part = part_of(at, index);
        for y in part.y..part.y + part.h {
            if let Some(row) = plane.row_mut(y).get_mut(part.x..part.x + part.w) {
                row.fill(sample);
            }
        }
    }
}

fn copy(picture: &Picture, canvas: &mut Picture, at: Pixels) {
    for (index, (from, to)) in picture.planes().iter().zip(canvas.planes_mut()).enumerate() {
        let part = part_of(at, index);
        for (row, samples) in from.rows().take(part.h).enumerate() {
            let line = to.row_mut(part.y + row);
            if let Some(out) = line.get_mut(part.x..part.x + samples.len()) {
                out.copy_from_slice(samples);
            }
        }
    }
}

/// Without colour, and half as bright.
fn grey(canvas: &mut Picture, at: Pixels) {
    for (index, plane) in canvas.planes_mut().iter_mut().enumerate() {
        let part = part_of(at, index);
        for y in part.y..part.y + part.h {
            let row = plane
                .row_mut(y)
                .get_mut(part.x..part.x + part.w)
                .unwrap_or_default();
            for sample in row {
                *sample = if index == 0 { 16 + *sample / 2 } else { 128 };
            }
        }
    }
}

fn darken(canvas: &mut Picture, at: Pixels) {
    let [luma, ..] = canvas.planes_mut();
    for y in at.y..at.y + at.h {
        let row = luma
            .row_mut(y)
            .get_mut(at.x..at.x + at.w)
            .unwrap_or_default();
        for sample in row {
            *sample = 10 + *sample / 3;
        }
    }
}

fn frame(canvas: &mut Picture, at: Pixels, width: usize, colour: Colour) {
    let width = width.min(at.w / 2).min(at.h / 2);
    let lower = at.y + at.h - width;
    let right = at.x + at.w - width;
    for edge in [
        Pixels { h: width, ..at },
        Pixels {
            y: lower,
            h: width,
            ..at
        },
        Pixels { w: width, ..at },
        Pixels {
            x: right,
            w: width,
            ..at
        },
    ] {
        paint(canvas, edge, colour);
    }
}

/// Puts a colour where a mask says, within a part of the canvas.
fn blend(
    canvas: &mut Picture,
    mask: &Mask,
    (left, top): (usize, usize),
    within: Pixels,
    colour: Colour,
) {
    let samples = [colour.y, colour.u, colour.v];
    for (index, (plane, sample)) in canvas.planes_mut().iter_mut().zip(samples).enumerate() {
        let step = if index == 0 { 1 } else { 2 };
        let part = part_of(within, index);
        for (y, line) in mask
            .coverage
            .chunks_exact(mask.width.max(1))
            .enumerate()
            .step_by(step)
        {
            let y = (top + y) / step;
            if y >= part.y + part.h {
                break;
            }
            let row = plane.row_mut(y);
            let end = (part.x + part.w).min(row.len());
            let start = left / step;
            let Some(row) = row.get_mut(start..end.max(start)) else {
                continue;
            };
            for (old, covered) in row.iter_mut().zip(line.iter().step_by(step)) {
                *old = mix(*old, sample, *covered);
            }
        }
    }
}

fn mix(old: u8, new: u8, covered: u8) -> u8 {
    let covered = u32::from(covered);
    let sum = u32::from(old) * (255 - covered) + u32::from(new) * covered + 127;
    (sum / 255).to_le_bytes()[0]
}
