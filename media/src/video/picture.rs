//! A picture of our own: planar 4:2:0 with 8 bits (I420).

use plenum_native::{I420, Shape, scale};

/// The sample of black, limited range (BT.601, BT.709).
pub const BLACK: Colour = Colour {
    y: 16,
    u: 128,
    v: 128,
};

/// A colour, limited range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Colour {
    /// Luma, 16 to 235.
    pub y: u8,
    /// Blue difference, 128 for grey.
    pub u: u8,
    /// Red difference, 128 for grey.
    pub v: u8,
}

impl Colour {
    /// From red, green and blue, 0 to 255 each, by BT.601.
    pub fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let (r, g, b) = (i32::from(red), i32::from(green), i32::from(blue));
        let sample = |sum: i32, offset: i32| u8::try_from((sum + 128) / 256 + offset).unwrap_or(0);
        // 128 × 256 is added before the division, so that it rounds towards one side only.
        let difference = |sum: i32| sample(sum + 128 * 256, 0);
        Self {
            y: sample(66 * r + 129 * g + 25 * b, 16),
            u: difference(-38 * r - 74 * g + 112 * b),
            v: difference(112 * r - 94 * g - 18 * b),
        }
    }
}

/// One plane of samples without gaps between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    width: usize,
    samples: Vec<u8>,
}

impl Plane {
    fn new(width: usize, height: usize, sample: u8) -> Self {
        Self {
            width: width.max(1),
            samples: vec![sample; width.max(1) * height],
        }
    }

    /// Samples of one row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.samples.len() / self.width
    }

    /// One row; empty outside the plane.
    pub fn row(&self, y: usize) -> &[u8] {
        let start = y.saturating_mul(self.width);
        self.samples
            .get(start..start.saturating_add(self.width))
            .unwrap_or_default()
    }

    /// One row, to be written.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        let start = y.saturating_mul(self.width);
        self.samples
            .get_mut(start..start.saturating_add(self.width))
            .unwrap_or_default()
    }

    /// All rows, one after another.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.samples.chunks_exact(self.width)
    }

    /// All rows, to be written.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        self.samples.chunks_exact_mut(self.width)
    }

    /// Fills a part with a part of another plane, scaled where they differ in size: halved as often as that goes, which
    /// vector instructions do best, and bilinear from there. Nothing is written where a part is not within its plane.
    pub fn scale(&mut self, to: Part, from: &Self, part: Part) {
        let factor = (part.w / to.w.max(1)).min(part.h / to.h.max(1));
        let whole = (factor * to.w, factor * to.h) == (part.w, part.h);
        if factor < 2 || (whole && factor == 2) {
            self.resample(to, from, part);
            return;
        }
        let mut half = Self::new(part.w / 2, part.h / 2, 0);
        let all = Part {
            x: 0,
            y: 0,
            w: half.width,
            h: half.height(),
        };
        let even = Part {
            w: 2 * all.w,
            h: 2 * all.h,
            ..part
        };
        half.resample(all, from, even);
        self.scale(to, &half, all);
    }

    fn resample(&mut self, to: Part, from: &Self, part: Part) {
        let (Some((first, shape)), Some((start, made))) = (part.of(from.width), to.of(self.width))
        else {
            return;
        };
        let (Some(from), Some(to)) = (from.samples.get(first..), self.samples.get_mut(start..))
        else {
            return;
        };
        let _written = scale(from, shape, to, made);
    }

    /// All samples, row by row.
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    /// All samples, to be written.
    pub fn samples_mut(&mut self) -> &mut [u8] {
        &mut self.samples
    }
}

/// A part of a plane, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first column.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// Columns.
    pub w: usize,
    /// Rows.
    pub h: usize,
}

impl Part {
    /// Where it begins in a plane of this width, and its shape there; none if it reaches beyond the last column.
    fn of(&self, width: usize) -> Option<(usize, Shape)> {
        let shape = Shape {
            width: self.w,
            height: self.h,
            stride: width,
        };
        (self.x.checked_add(self.w)? <= width)
            .then_some((self.y.checked_mul(width)?.checked_add(self.x)?, shape))
    }
}

/// A picture. Width and height are even and at least 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    planes: [Plane; 3],
}

impl Picture {
    /// A picture of one colour; odd dimensions lose their last column or row, and none is below 2.
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        let (width, height) = ((width & !1).max(2), (height & !1).max(2));
        Self {
            planes: [
                Plane::new(width, height, colour.y),
                Plane::new(width / 2, height / 2, colour.u),
                Plane::new(width / 2, height / 2, colour.v),
            ],
        }
    }

    /// A copy of somebody else's picture, without an odd last column or row.
    pub fn copy_of(picture: &I420<'_>) -> Self {
        let (width, height) = (
            (picture.width() & !1).max(2),
            (picture.height() & !1).max(2),
        );
        let plane = |index: usize, width: usize, height: usize| {
            let mut samples = Vec::with_capacity(width * height);
            for row in picture.rows(index).take(height) {
                samples.extend_from_slice(row.get(..width).unwrap_or(row));
            }
            samples.resize(width * height, 128);
            Plane { width, samples }
        };
        Self {
            planes: [
                plane(0, width, height),
                plane(1, width / 2, height / 2),
                plane(2, width / 2, height / 2),
            ],
        }
    }

    /// One colour everywhere.
    pub fn fill(&mut self, colour: Colour) {
        let [y, u, v] = &mut self.planes;
        y.samples.fill(colour.y);
        u.samples.fill(colour.u);
        v.samples.fill(colour.v);
    }

    /// Luma columns.
    pub fn width(&self) -> usize {
        let [y, _, _] = &self.planes;
        y.width()
    }

    /// Luma rows.
    pub fn height(&self) -> usize {
        let [y, _, _] = &self.planes;
        y.height()
    }

    /// Luma, blue difference, red difference.
    pub fn planes(&self) -> &[Plane; 3] {
        &self.planes
    }

    /// The planes, to be written.
    pub fn planes_mut(&mut self) -> &mut [Plane; 3] {
        &mut self.planes
    }

    /// The colour of the sample at a luma position, clamped into the picture.
    pub fn colour_at(&self, x: usize, y: usize) -> Colour {
        let [luma, blue, red] = &self.planes;
        let sample = |plane: &Plane, x: usize, y: usize| {
            let row = plane.row(y.min(plane.height().saturating_sub(1)));
            row.get(x.min(row.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0)
        };
        Colour {
            y: sample(luma, x, y),
            u: sample(blue, x / 2, y / 2),
            v: sample(red, x / 2, y / 2),
        }
    }

    /// The planes as the codecs' libraries take them.
    pub(crate) fn borrow(&self) -> Result<I420<'_>, plenum_native::CodecError> {
        let [y, u, v] = &self.planes;
        I420::new(
            y.width(),
            y.height(),
            [y.samples(), u.samples(), v.samples()],
            [y.width(), u.width(), v.width()],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_what_bt601_says() {
        let of = |r, g, b| {
            let colour = Colour::rgb(r, g, b);
            (colour.y, colour.u, colour.v)
        };
        assert_eq!(of(0, 0, 0), (16, 128, 128));
        assert_eq!(of(255, 255, 255), (235, 128, 128));
        assert_eq!(of(255, 0, 0), (82, 90, 240));
        assert_eq!(of(0, 0, 255), (41, 240, 110));
    }

    #[test]
    fn odd_dimensions_lose_their_last_column_and_row() {
        let picture = Picture::new(33, 17, BLACK);
        assert_eq!((picture.width(), picture.height()), (32, 16));
        let samples = [7; 99];
        let odd = I420::new(5, 3, [&samples, &samples, &samples], [11, 9, 9]).unwrap();
        let copy = Picture::copy_of(&odd);
        assert_eq!((copy.width(), copy.height()), (4, 2));
        assert!(
            copy.planes()
                .iter()
                .all(|plane| plane.samples().iter().all(|s| *s == 7))
        );
        assert_eq!(copy.planes()[1].samples().len(), 2);
    }
}
