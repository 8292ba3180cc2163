//! A picture in memory that belongs to somebody else.

use crate::CodecError;

/// Three borrowed planes of a picture in 4:2:0 with 8 bits.
///
/// Each plane is long enough for its rows: that is checked when the value is made, and the libraries are told no
/// more than was checked.
#[derive(Clone, Copy, Debug)]
pub struct I420<'a> {
    width: usize,
    height: usize,
    planes: [&'a [u8]; 3],
    strides: [usize; 3],
}

impl<'a> I420<'a> {
    /// A picture of `width` × `height` luma samples; chroma has half of both, rounded up.
    /// A plane may end with its last sample: octets between that and the stride are not asked for.
    pub fn new(
        width: usize,
        height: usize,
        planes: [&'a [u8]; 3],
        strides: [usize; 3],
    ) -> Result<Self, CodecError> {
        let picture = Self {
            width,
            height,
            planes,
            strides,
        };
        let most = 1 << 15;
        if width == 0 || height == 0 || width > most || height > most {
            return Err(CodecError::Format);
        }
        for (index, (plane, stride)) in planes.iter().zip(strides).enumerate() {
            let (columns, rows) = picture.plane_size(index);
            if stride < columns || stride > 4 * most || plane.len() < stride * (rows - 1) + columns
            {
                return Err(CodecError::Format);
            }
        }
        Ok(picture)
    }

    /// Luma columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Luma rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns and rows of plane 0 (luma), 1 or 2 (chroma).
    pub fn plane_size(&self, index: usize) -> (usize, usize) {
        if index == 0 {
            (self.width, self.height)
        } else {
            (self.width.div_ceil(2), self.height.div_ceil(2))
        }
    }

    /// The rows of a plane, each exactly as long as the plane is wide.
    pub fn rows(&self, index: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (columns, rows) = self.plane_size(index);
        let plane = self.planes.get(index).copied().unwrap_or_default();
        let stride = self.strides.get(index).copied().unwrap_or(1).max(1);
        plane
            .chunks(stride)
            .take(rows)
            .filter_map(move |row| row.get(..columns))
    }

    pub(crate) fn planes(&self) -> [&'a [u8]; 3] {
        self.planes
    }

    pub(crate) fn strides(&self) -> [usize; 3] {
        self.strides
    }
}
