//! A QR code as inline SVG, for a phone's camera.

use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;

/// The code for `text`; `None` when it is too long for one. `label` is what a screen reader says.
pub(super) fn svg(text: &str, label: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let side = code.width() + 2 * QUIET;
    let path = path(&code);
    Some(html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(label)
            shape-rendering="crispEdges" xmlns="http://www.w3.org/2000/svg" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}

/// One rectangle for each run of dark modules.
fn path(code: &QrCode) -> String {
    let mut path = String::new();
    let colors = code.to_colors();
    for (y, row) in colors.chunks(code.width()).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (left, top, width) = (x + QUIET, y + QUIET, run.len());
                // Writing to a String cannot fail.
                write!(path, "M{left} {top}h{width}v1h-{width}z").ok();
            }
            x += run.len();
        }
    }
    path
}

/// The white border that readers need, in modules.
const QUIET: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finder_patterns_stand_in_three_corners() {
        let markup = svg("sip:standup@conf.example.com", "a code").unwrap().0;
        assert!(markup.contains("viewBox=\"0 0 37 37\""), "{markup}");
        assert!(markup.contains("d=\"M4 4h7v1h-7z"), "{markup}");
        for run in ["M26 4h7v1h-7z", "M4 32h7v1h-7z"] {
            assert!(markup.contains(run), "{run}: {markup}");
        }
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(svg(&"x".repeat(4000), "a code").is_none());
    }
}
