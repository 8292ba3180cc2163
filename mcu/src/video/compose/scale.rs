//! Scaling of pictures with the right aspect: whole numbers by our own box filter, all else by convolution.

use crate::video::layout::arrange::Pixels;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use plenum_media::video::picture::{Colour, Picture, Plane};

/// How a picture is put into a pane of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fit {
    /// All of the picture is seen, with bars.
    Fit,
    /// All of the pane is covered; what does not fit is cut off on both sides.
    Fill,
    /// At most a quarter of the picture is cut off; for the rest there are bars.
    #[default]
    Crop,
}

/// Which part of a picture goes where in its pane. All even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Geometry {
    /// In the picture.
    from: Pixels,
    /// In the pane.
    to: Pixels,
}

/// Scales pictures; keeps only working memory.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
    sums: Vec<u16>,
    scratch: Vec<u8>,
}

impl Scaler {
    /// A picture of exactly `width` × `height` that shows `source` with the right aspect, bars in `bars`.
    pub fn scale(
        &mut self,
        source: &Picture,
        width: usize,
        height: usize,
        fit: Fit,
        bars: Colour,
    ) -> Picture {
        let mut scaled = Picture::new(width, height, bars);
        let geometry = geometry(
            (source.width(), source.height()),
            (scaled.width(), scaled.height()),
            fit,
        );
        for (index, (from, to)) in source.planes().iter().zip(scaled.planes_mut()).enumerate() {
            let divisor = if index == 0 { 1 } else { 2 };
            self.plane(from, to, geometry, divisor);
        }
        scaled
    }

    fn plane(&mut self, from: &Plane, to: &mut Plane, geometry: Geometry, divisor: usize) {
        let part = |pixels: Pixels| Pixels {
            x: pixels.x / divisor,
            y: pixels.y / divisor,
            w: (pixels.w / divisor).max(1),
            h: (pixels.h / divisor).max(1),
        };
        let (source, target) = (part(geometry.from), part(geometry.to));
        let factor = source.w / target.w.max(1);
        if source.w == target.w && source.h == target.h {
            copy(from, to, source, target);
        } else if (2..=8).contains(&factor)
            && source.w == factor * target.w
            && source.h == factor * target.h
        {
            self.shrink(from, to, source, target, factor);
        } else {
            self.resize(from, to, source, target);
        }
    }

    /// The mean of `factor` × `factor` samples each.
    fn shrink(
        &mut self,
        from: &Plane,
        to: &mut Plane,
        source: Pixels,
        target: Pixels,
        factor: usize,
    ) {
        self.sums.resize(source.w, 0);
        let area = u32::try_from(factor * factor).unwrap_or(1);
        // Division by multiplication: exact for all sums of up to 64 samples.
        let reciprocal = (1_u32 << 16).div_ceil(area);
        for row in 0..target.h {
            let first = source.y + row * factor;
            if factor == 2 {
                let above = part_of(from.row(first), source);
                let below = part_of(from.row(first + 1), source);
                let Some(out) = to
                    .row_mut(target.y + row)
                    .get_mut(target.x..target.x + target.w)
                else {
                    continue;
                };
                halve(above, below, out);
                continue;
            }
            self.sums.fill(0);
            for line in first..first + factor {
                for (sum, sample) in self.sums.iter_mut().zip(part_of(from.row(line), source)) {
                    *sum += u16::from(*sample);
                }
            }
            let out = to
                .row_mut(target.y + row)
                .iter_mut()
                .skip(target.x)
                .take(target.w);
            for (sample, sums) in out.zip(self.sums.chunks_exact(factor)) {
                let sum: u32 = sums.iter().map(|sum| u32::from(*sum)).sum();
                *sample = mean(sum, area, reciprocal);
            }
        }
    }

    /// Bilinear convolution: smooth when enlarging, without aliasing when shrinking.
    fn resize(&mut self, from: &Plane, to: &mut Plane, source: Pixels, target: Pixels) {
        let side = |length: usize| u32::try_from(length).unwrap_or(1);
        let (Ok(image), length) = (
            ImageRef::new(
                side(from.width()),
                side(from.height()),
                from.samples(),
                PixelType::U8,
            ),
            target.w * target.h,
        ) else {
            return;
        };
        self.scratch.resize(length, 0);
        let made = Image::from_slice_u8(
            side(target.w),
            side(target.h),
            &mut self.scratch,
            PixelType::U8,
        );
        let Ok(mut made) = made else { return };
        let edge = |length: usize| f64::from(side(length));
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(
                if source.x == 0 { 0.0 } else { edge(source.x) },
                if source.y == 0 { 0.0 } else { edge(source.y) },
                edge(source.w),
                edge(source.h),
            );
        if self
            .resizer
            .resize(&image, &mut made, Some(&options))
            .is_err()
        {
            return;
        }
        for (row, samples) in self.scratch.chunks_exact(target.w.max(1)).enumerate() {
            let line = to.row_mut(target.y + row);
            if let Some(out) = line.get_mut(target.x..target.x + target.w) {
                out.copy_from_slice(samples);
            }
        }
    }
}

/// Two rows into one of half the width; a form that compilers turn into vector instructions.
fn halve(above: &[u8], below: &[u8], out: &mut [u8]) {
    let (above, below) = (above.as_chunks::<2>().0, below.as_chunks::<2>().0);
    for ((out, [a, b]), [c, d]) in out.iter_mut().zip(above).zip(below) {
        let sum = u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d) + 2;
        *out = (sum >> 2).to_le_bytes()[0];
    }
}

fn mean(sum: u32, area: u32, reciprocal: u32) -> u8 {
    (((sum + area / 2) * reciprocal) >> 16)
        .min(255)
        .to_le_bytes()[0]
}

fn part_of(row: &[u8], part: Pixels) -> &[u8] {
    row.get(part.x..part.x + part.w).unwrap_or_default()
}

fn copy(from: &Plane, to: &mut Plane, source: Pixels, target: Pixels) {
    for row in 0..target.h {
        let samples = part_of(from.row(source.y + row), source);
        let line = to.row_mut(target.y + row);
        if let Some(out) = line.get_mut(target.x..target.x + samples.len()) {
            out.copy_from_slice(samples);
        }
    }
}

fn geometry(source: (usize, usize), pane: (usize, usize), fit: Fit) -> Geometry {
    let (sw, sh) = source;
    let (pw, ph) = pane;
    // The part of the picture that has the pane's shape, and what may be cut off of it at most.
    let wide = sw * ph >= sh * pw;
    let covering = if wide {
        (even(sh * pw / ph.max(1)).min(sw), sh)
    } else {
        (sw, even(sw * ph / pw.max(1)).min(sh))
    };
    let least = |side: usize| even(side * 3 / 4);
    let (cw, ch) = match fit {
        Fit::Fit => source,
        Fit::Fill => covering,
        Fit::Crop => (
            covering.0.max(least(sw)).min(sw),
            covering.1.max(least(sh)).min(sh),
        ),
    };
    // That part, as large as it can be in the pane.
    let (tw, th) = if cw * ph >= ch * pw {
        (pw, even(ch * pw / cw.max(1)).min(ph))
    } else {
        (even(cw * ph / ch.max(1)).min(pw), ph)
    };
    // A strip narrower than a line or two is no bar but rounding.
    let snap = |side: usize, whole: usize| if whole - side <= 4 { whole } else { side };
    let (tw, th) = (snap(tw, pw), snap(th, ph));
    let centred = |inner: usize, outer: usize| ((outer - inner) / 2) & !1;
    Geometry {
        from: Pixels {
            x: centred(cw, sw),
            y: centred(ch, sh),
            w: cw,
            h: ch,
        },
        to: Pixels {
            x: centred(tw, pw),
            y: centred(th, ph),
            w: tw,
            h: th,
        },
    }
}

fn even(length: usize) -> usize {
    (length & !1).max(2)
}
