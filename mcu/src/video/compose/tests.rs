use super::canvas::{Composer, Face, Look, Style};
use super::scale::{Fit, scale};
use super::text::Fonts;
use crate::video::layout::SourceId;
use crate::video::layout::arrange::{Pixels, Rect};
use plenum_media::video::picture::{Colour, Picture};
use proptest::prelude::*;
use std::sync::Arc;

fn red() -> Colour {
    Colour::rgb(200, 30, 30)
}

fn bars() -> Colour {
    Colour::rgb(0, 0, 0)
}

fn near(a: Colour, b: Colour) -> bool {
    a.y.abs_diff(b.y)
        .max(a.u.abs_diff(b.u))
        .max(a.v.abs_diff(b.v))
        < 4
}

fn face(name: &str) -> Face {
    Face {
        name: Arc::from(name),
        muted: false,
        speaking: false,
    }
}

/// Left half dark, right half bright.
fn halves(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height, Colour::rgb(0, 0, 0));
    for row in picture.planes_mut()[0].rows_mut() {
        let middle = row.len() / 2;
        row[middle..].fill(200);
    }
    picture
}

/// Every other column bright.
fn stripes(width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height, Colour::rgb(0, 0, 0));
    for row in picture.planes_mut()[0].rows_mut() {
        for pair in row.as_chunks_mut::<2>().0 {
            pair[1] = 200;
        }
    }
    picture
}

fn scaled(source: &Picture, width: usize, height: usize, fit: Fit) -> Picture {
    let mut to = Picture::new(width, height, Colour::rgb(1, 2, 3));
    scale(source, &mut to, fit, bars());
    to
}

#[test]
fn every_factor_gives_the_same_halves() {
    for (width, height) in [
        (64, 48),
        (32, 24),
        (16, 12),
        (8, 6),
        (42, 32),
        (128, 96),
        (64, 48),
    ] {
        let made = scaled(&halves(64, 48), width, height, Fit::Fit);
        assert_eq!((made.width(), made.height()), (width, height));
        let (left, right) = (width / 8, width - 1 - width / 8);
        for y in [0, height / 2, height - 1] {
            assert!(
                made.colour_at(left, y).y.abs_diff(16) < 3,
                "{width}×{height}"
            );
            assert!(
                made.colour_at(right, y).y.abs_diff(200) < 3,
                "{width}×{height}"
            );
        }
    }
}

#[test]
fn the_mean_of_whole_factors_is_exact() {
    for factor in 2..=8 {
        for sample in [0_u8, 1, 127, 128, 254, 255] {
            let colour = Colour {
                y: sample,
                u: sample,
                v: sample,
            };
            let source = Picture::new(16 * factor, 16 * factor, colour);
            let made = scaled(&source, 16, 16, Fit::Fit);
            assert_eq!(made, Picture::new(16, 16, colour), "{factor} {sample}");
        }
    }
}

#[test]
fn a_picture_a_little_too_large_for_its_pane_is_cut_not_blurred() {
    let source = stripes(640, 360);
    let made = scaled(&source, 632, 352, Fit::Crop);
    for y in [0, 351] {
        assert_eq!(
            made.planes()[0].row(y),
            &source.planes()[0].row(y + 4)[4..636]
        );
    }
    // All of it has to be seen: then it has to be scaled.
    let whole = scaled(&source, 632, 352, Fit::Fit);
    assert_ne!(whole.planes()[0].row(0), &source.planes()[0].row(4)[4..636]);
}

#[test]
fn the_aspect_is_kept_by_bars_by_cutting_or_by_both() {
    let portrait = Picture::new(90, 160, red());
    let rows_of_red = |fit, x: usize| {
        let made = scaled(&portrait, 160, 90, fit);
        near(made.colour_at(x, 45), red())
    };
    assert!(!rows_of_red(Fit::Fit, 50) && rows_of_red(Fit::Fit, 80));
    assert!(rows_of_red(Fit::Fill, 0) && rows_of_red(Fit::Fill, 159));
    // Three quarters of the height are kept: 90 × 120 in 90 rows is 67 wide.
    assert!(
        !rows_of_red(Fit::Crop, 44) && rows_of_red(Fit::Crop, 50) && rows_of_red(Fit::Crop, 108)
    );
    // 4:3 in 16:9: exactly a quarter is cut, and there are no bars.
    let made = scaled(&Picture::new(64, 48, red()), 160, 90, Fit::Crop);
    assert!(near(made.colour_at(0, 0), red()) && near(made.colour_at(159, 89), red()));
}

proptest! {
    #[test]
    fn any_picture_fits_any_pane(
        sw in 2_usize..200, sh in 2_usize..200, pw in 16_usize..200, ph in 16_usize..200, fit in 0_usize..3,
    ) {
        let fit = [Fit::Fit, Fit::Fill, Fit::Crop][fit];
        let mut made = Picture::new(pw, ph, bars());
        scale(&Picture::new(sw, sh, red()), &mut made, fit, red());
        prop_assert_eq!((made.width(), made.height()), ((pw & !1).max(2), (ph & !1).max(2)));
        for plane in 0..3 {
            let expected = [red().y, red().u, red().v][plane];
            prop_assert!(made.planes()[plane].samples().iter().all(|s| s.abs_diff(expected) < 2));
        }
    }
}

#[test]
fn text_of_many_scripts_has_a_bitmap_and_is_shaped_once() {
    let mut fonts = Fonts::of_system();
    assert!(fonts.has_fonts(), "the fonts of the build packages");
    let names = ["Zoë Ångström", "Дмитрий", "Ελένη", "محمد", "שרה", "李小龙"];
    for name in names {
        let mask = fonts.line(name, 20, 400);
        assert_eq!(mask.height(), 20);
        assert!(
            mask.width > 20 && mask.coverage.iter().any(|c| *c > 128),
            "{name}"
        );
    }
    let shaped = fonts.shaped();
    for name in names {
        fonts.line(name, 20, 400);
    }
    assert_eq!(fonts.shaped(), shaped);
    assert!(fonts.line("a long name in a narrow pane", 20, 50).width <= 50);
}

#[test]
fn arabic_letters_are_joined() {
    let mut fonts = Fonts::of_system();
    let joined = fonts.line("\u{645}\u{62d}\u{645}\u{62f}", 40, 400).width;
    let apart = fonts
        .line(
            "\u{645}\u{200c}\u{62d}\u{200c}\u{645}\u{200c}\u{62f}",
            40,
            400,
        )
        .width;
    assert!(joined < apart, "{joined} {apart}");
}

#[test]
fn without_fonts_there_are_capitals() {
    let mut fonts = Fonts::none();
    let (ada, eve) = (fonts.line("Ada", 18, 400), fonts.line("Eve", 18, 400));
    assert_eq!(ada.width, eve.width);
    assert_ne!(ada, eve);
    assert_eq!(ada, fonts.line("ADA", 18, 400));
}

#[test]
fn texts_kept_are_bounded() {
    let mut fonts = Fonts::none();
    for n in 0..2000 {
        fonts.line(&n.to_string(), 10, 100);
    }
    assert!(
        format!("{fonts:?}")
            .trim_start_matches("Fonts(")
            .split(' ')
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
            <= 512
    );
}

fn quarter(column: u32, row: u32) -> Pixels {
    let half = crate::video::layout::UNIT / 2;
    let rect = Rect {
        x: column * half,
        y: row * half,
        w: half,
        h: half,
    };
    rect.on(320, 180)
}

#[test]
fn panes_show_what_they_should_where_they_should() {
    let style = Style {
        gap: 16,
        ..Style::default()
    };
    let mut composer = Composer::new(style.clone(), Fonts::none());
    let picture = Picture::new(64, 36, red());
    let shown = face("");
    let look = |frozen| Look::Picture {
        source: SourceId(1),
        number: 1,
        picture: &picture,
        frozen,
        whole: false,
        face: &shown,
    };
    let mut canvas = Picture::new(320, 180, bars());
    composer.begin();
    composer.compose(
        &mut canvas,
        &[
            (quarter(0, 0), look(false)),
            (quarter(1, 0), look(true)),
            (quarter(0, 1), Look::Blank),
            (quarter(1, 1), Look::Tile(&shown)),
        ],
        None,
    );
    assert!(near(canvas.colour_at(80, 45), red()));
    let grey = canvas.colour_at(240, 45);
    assert_eq!((grey.u, grey.v), (128, 128));
    assert!(near(canvas.colour_at(80, 135), style.pane));
    assert!(near(canvas.colour_at(0, 0), style.background));
    assert!(
        near(canvas.colour_at(160, 90), style.background),
        "the gap between panes"
    );
    let disc = canvas.colour_at(240, 120);
    assert!(!near(disc, style.pane), "the disc behind the initials");
    assert_eq!(
        composer.painted().scales,
        1,
        "one picture in two panes of one size"
    );
}

#[test]
fn one_picture_is_scaled_once_for_all_panes_of_one_size() {
    let mut composer = Composer::new(Style::default(), Fonts::none());
    let picture = Picture::new(64, 36, red());
    let shown = face("Ada");
    let mut canvas = Picture::new(320, 180, bars());
    for tick in 0..3_u64 {
        composer.begin();
        for _ in 0..5 {
            let look = Look::Picture {
                source: SourceId(1),
                number: tick / 2,
                picture: &picture,
                frozen: false,
                whole: false,
                face: &shown,
            };
            composer.compose(
                &mut canvas,
                &[(quarter(0, 0), look), (quarter(1, 0), look)],
                None,
            );
        }
    }
    assert_eq!(composer.painted().scales, 2, "two pictures, one size");
    assert_eq!(composer.painted().compositions, 15);
}

#[test]
fn marks_names_and_banner_are_painted() {
    let style = Style::default();
    let mut composer = Composer::new(style.clone(), Fonts::none());
    let picture = Picture::new(64, 36, Colour::rgb(250, 250, 250));
    let shown = Face {
        muted: true,
        speaking: true,
        ..face("ADA")
    };
    let look = Look::Picture {
        source: SourceId(1),
        number: 1,
        picture: &picture,
        frozen: false,
        whole: false,
        face: &shown,
    };
    let mut canvas = Picture::new(320, 180, bars());
    composer.compose(
        &mut canvas,
        &[(quarter(0, 0), look), (quarter(1, 1), Look::Absent("EVE"))],
        Some("BANNER"),
    );
    let count = |from: (usize, usize), to: (usize, usize), colour: Colour| {
        (from.1..to.1)
            .flat_map(|y| (from.0..to.0).map(move |x| (x, y)))
            .filter(|(x, y)| near(canvas.colour_at(*x, *y), colour))
            .count()
    };
    assert!(
        count((0, 0), (160, 90), style.speaking) > 100,
        "the speaker's border"
    );
    assert!(count((0, 70), (30, 90), style.muted) > 3, "the microphone");
    assert!(count((0, 0), (320, 14), style.text) > 30, "the banner");
    let name = (76..90).flat_map(|y| (12..60).map(move |x| (x, y)));
    assert!(
        name.filter(|(x, y)| canvas.colour_at(*x, *y).y < 120)
            .count()
            > 50,
        "the name's ground"
    );
}

#[test]
fn zero_size_panes_and_tiny_canvases_do_no_harm() {
    let mut composer = Composer::new(Style::default(), Fonts::none());
    let shown = face("Ada Lovelace");
    let nothing = Pixels {
        x: 0,
        y: 0,
        w: 0,
        h: 0,
    };
    for (width, height) in [(2, 2), (16, 16), (64, 2)] {
        let mut canvas = Picture::new(width, height, bars());
        let all = Rect::ALL.on(width, height);
        composer.compose(
            &mut canvas,
            &[(all, Look::Tile(&shown)), (nothing, Look::Blank)],
            Some("banner"),
        );
    }
}

#[test]
fn initials_are_the_first_and_the_last() {
    use super::canvas::initials;
    assert_eq!(initials("ada king lovelace"), "AL");
    assert_eq!(initials("Zoë"), "Z");
    assert_eq!(initials("  "), "");
}
