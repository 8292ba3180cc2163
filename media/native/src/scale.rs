//! Scaling of one plane of samples by libyuv.

use std::ffi::c_int;

/// How libyuv weighs samples: `kFilterBox`, the mean of what a sample covers. Below a factor of two, and where it
/// enlarges, that is bilinear.
const FILTER_BOX: c_int = 3;

#[link(name = "yuv")]
unsafe extern "C" {
    fn ScalePlane(
        from: *const u8,
        from_stride: c_int,
        from_width: c_int,
        from_height: c_int,
        to: *mut u8,
        to_stride: c_int,
        to_width: c_int,
        to_height: c_int,
        filter: c_int,
    );
}

/// How samples lie in memory: `height` rows of `width` samples, each row `stride` samples behind the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples of a row, 1 to 16,384.
    pub width: usize,
    /// Rows, 1 to 16,384.
    pub height: usize,
    /// From a row to the next, at least `width`.
    pub stride: usize,
}

impl Shape {
    const LONGEST: usize = 16_384;

    /// The numbers as C has them, if this many samples hold all rows.
    fn within(&self, samples: usize) -> Option<[c_int; 3]> {
        let sides = 1..=Self::LONGEST;
        let sound = sides.contains(&self.width)
            && sides.contains(&self.height)
            && (self.width..=Self::LONGEST).contains(&self.stride)
            && (self.height - 1) * self.stride + self.width <= samples;
        let number = |length: usize| c_int::try_from(length).ok();
        sound
            .then_some([self.stride, self.width, self.height].map(number))
            .and_then(|[stride, width, height]| Some([stride?, width?, height?]))
    }
}

/// Scales `from` to all of `to`. False, and nothing is written, where a shape does not fit into its samples.
#[must_use]
pub fn scale(from: &[u8], shape: Shape, to: &mut [u8], made: Shape) -> bool {
    let (Some([stride, width, height]), Some([to_stride, to_width, to_height])) =
        (shape.within(from.len()), made.within(to.len()))
    else {
        return false;
    };
    // SAFETY: both shapes lie within their slices, which do not overlap, as one is borrowed to be written. libyuv reads
    // and writes only within `height` rows of `width` samples, and keeps no pointer.
    unsafe {
        ScalePlane(
            from.as_ptr(),
            stride,
            width,
            height,
            to.as_mut_ptr(),
            to_stride,
            to_width,
            to_height,
            FILTER_BOX,
        );
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Shape, scale};

    const FROM: Shape = Shape {
        width: 6,
        height: 4,
        stride: 8,
    };
    const TO: Shape = Shape {
        width: 3,
        height: 2,
        stride: 3,
    };

    #[test]
    fn a_half_is_the_mean_of_four() {
        let from: Vec<u8> = (0..32).map(|n| if n % 8 < 6 { n * 8 } else { 0 }).collect();
        let mut to = [0; 6];
        assert!(scale(&from, FROM, &mut to, TO));
        assert_eq!(to, [36, 52, 68, 164, 180, 196]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (from, mut to) = ([7; 30], [1; 6]);
        assert!(
            scale(&from, FROM, &mut to, TO),
            "the last row needs no gap behind it"
        );
        for (shape, made) in [
            (Shape { height: 5, ..FROM }, TO),
            (Shape { width: 0, ..FROM }, TO),
            (Shape { stride: 5, ..FROM }, TO),
            (FROM, Shape { height: 3, ..TO }),
            (FROM, Shape { height: 0, ..TO }),
            (
                FROM,
                Shape {
                    stride: usize::MAX,
                    ..TO
                },
            ),
        ] {
            assert!(!scale(&from, shape, &mut to, made), "{shape:?} {made:?}");
        }
    }
}
