//! Pictures composed of pictures, on I420 from end to end.
//!
//! | step | where | once per |
//! |---|---|---|
//! | scale | [`scale`] | picture, size and fit |
//! | shape text | [`text`] | text, size and width |
//! | paint | [`canvas`] | view |

pub mod canvas;
pub mod scale;
pub mod text;

pub use canvas::{Composer, Face, Look, Style};
pub use scale::Fit;
pub use text::{Fonts, Mask, Typefaces};

#[cfg(test)]
mod tests;
