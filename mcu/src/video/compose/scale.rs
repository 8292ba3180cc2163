//! Which part of a picture goes where in a pane of another shape.

use crate::video::layout::arrange::Pixels;
use plenum_media::video::picture::{Colour, Part, Picture};

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

/// Paints all of `to` with `source` in the right aspect, bars in `bars`.
pub fn scale(source: &Picture, to: &mut Picture, fit: Fit, bars: Colour) {
    let whole = (to.width(), to.height());
    let geometry = geometry((source.width(), source.height()), whole, fit);
    if (geometry.to.w, geometry.to.h) != whole {
        to.fill(bars);
    }
    for (index, (from, to)) in source.planes().iter().zip(to.planes_mut()).enumerate() {
        let divisor = if index == 0 { 1 } else { 2 };
        let part = |pixels: Pixels| Part {
            x: pixels.x / divisor,
            y: pixels.y / divisor,
            w: (pixels.w / divisor).max(1),
            h: (pixels.h / divisor).max(1),
        };
        to.scale(part(geometry.to), from, part(geometry.from));
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
    let (cw, ch) = match fit {
        Fit::Fit => (cw, ch),
        Fit::Fill | Fit::Crop => whole_factor((cw, ch), (tw, th)).unwrap_or((cw, ch)),
    };
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

/// What of a picture gives a pane by a whole factor, where that costs at most a 24th of each side: the gap between panes
/// takes that little from them, and a whole factor is both sharper and ten times cheaper.
fn whole_factor(from: (usize, usize), to: (usize, usize)) -> Option<(usize, usize)> {
    let factor = (from.0 / to.0).min(from.1 / to.1);
    let (w, h) = (factor * to.0, factor * to.1);
    let little = |whole: usize, part: usize| 24 * (whole - part) <= whole;
    (little(from.0, w) && little(from.1, h)).then_some((w, h))
}

fn even(length: usize) -> usize {
    (length & !1).max(2)
}
