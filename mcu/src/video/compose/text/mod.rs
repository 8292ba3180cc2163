//! Text of any script as bitmaps, shaped once and kept.
//!
//! # Decisions
//!
//! *The fonts are the system's.* A font that covers the world's scripts is tens of megabytes, so none is shipped: `make
//! run` installs DejaVu (Latin, Greek, Cyrillic, Arabic, Hebrew and more), and whatever else is installed in the
//! usual folders (Noto, Droid) is used for the scripts DejaVu lacks. Where there is no font at all, names are
//! shown in [`super::text::builtin`] capitals of our own.

use cosmic_text::{
    Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache, Wrap, fontdb,
};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub mod builtin;

/// Texts kept as bitmaps. Beyond: those not used for longest are dropped.
const KEPT: usize = 512;
/// Characters of one text that are shown.
const CHARACTERS: usize = 96;
/// Where systems keep their fonts.
const FOLDERS: [&str; 3] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/run/host/fonts",
];

/// How much of each pixel a text covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Columns.
    pub width: usize,
    /// Coverage, row by row, 0 to 255.
    pub coverage: Vec<u8>,
}

impl Mask {
    /// Rows.
    pub fn height(&self) -> usize {
        self.coverage.len() / self.width.max(1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    text: Arc<str>,
    size: usize,
    width: usize,
}

/// Which fonts there are: read once, for any number of [`Fonts`].
pub struct Typefaces(fontdb::Database);

impl fmt::Debug for Typefaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typefaces({})", self.0.len())
    }
}

impl Typefaces {
    /// Those in the system's usual folders. Reads files: to be called when a process begins.
    pub fn of_system() -> Self {
        let mut database = fontdb::Database::new();
        for folder in FOLDERS {
            database.load_fonts_dir(Path::new(folder));
        }
        Self(database)
    }
}

/// The fonts of this machine and the bitmaps made with them.
pub struct Fonts {
    /// `None` without any font.
    system: Option<(FontSystem, SwashCache)>,
    kept: BTreeMap<Key, (Arc<Mask>, u64)>,
    used: u64,
    shaped: u64,
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fonts({} bitmaps)", self.kept.len())
    }
}

impl Fonts {
    /// No font but the built-in capitals.
    pub fn none() -> Self {
        Self {
            system: None,
            kept: BTreeMap::new(),
            used: 0,
            shaped: 0,
        }
    }

    /// The fonts in the system's usual folders. Reads files: to be called when a process begins.
    pub fn of_system() -> Self {
        Self::of(&Typefaces::of_system())
    }

    /// Of fonts that were read before.
    pub fn of(typefaces: &Typefaces) -> Self {
        Self::with(typefaces.0.clone())
    }

    /// The fonts of these files' octets.
    pub fn of_files(files: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut database = fontdb::Database::new();
        for file in files {
            database.load_font_data(file);
        }
        Self::with(database)
    }

    fn with(mut database: fontdb::Database) -> Self {
        if database.is_empty() {
            return Self::none();
        }
        database.set_sans_serif_family("DejaVu Sans");
        let system = FontSystem::new_with_locale_and_db("en".to_owned(), database);
        Self {
            system: Some((system, SwashCache::new())),
            ..Self::none()
        }
    }

    /// Whether there is any font of the system.
    pub fn has_fonts(&self) -> bool {
        self.system.is_some()
    }

    /// How many texts were shaped so far, not counting those that were kept.
    pub fn shaped(&self) -> u64 {
        self.shaped
    }

    /// The bitmap of one line, `size` pixels high, cut off after `width` pixels.
    pub fn line(&mut self, text: &str, size: usize, width: usize) -> Arc<Mask> {
        let text: String = text
            .chars()
            .filter(|c| !c.is_control())
            .take(CHARACTERS)
            .collect();
        let key = Key {
            text: Arc::from(text),
            size: size.clamp(6, 256),
            width: width.clamp(1, 4096),
        };
        self.used += 1;
        if let Some((mask, used)) = self.kept.get_mut(&key) {
            *used = self.used;
            return Arc::clone(mask);
        }
        self.shaped += 1;
        let mask = match &mut self.system {
            Some((system, cache)) => shape(system, cache, &key),
            None => builtin::line(&key.text, key.size, key.width),
        };
        let mask = Arc::new(mask);
        self.make_room();
        self.kept.insert(key, (Arc::clone(&mask), self.used));
        mask
    }

    fn make_room(&mut self) {
        if self.kept.len() < KEPT {
            return;
        }
        let mut ages: Vec<u64> = self.kept.values().map(|(_, used)| *used).collect();
        ages.sort_unstable();
        let middle = ages.get(KEPT / 2).copied().unwrap_or(0);
        self.kept.retain(|_, (_, used)| *used >= middle);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sizes are clamped to a few thousand pixels"
)]
fn shape(system: &mut FontSystem, cache: &mut SwashCache, key: &Key) -> Mask {
    let size = key.size as f32;
    let mut buffer = Buffer::new(system, Metrics::new(size * 0.8, size));
    buffer.set_wrap(Wrap::None);
    buffer.set_size(None, Some(size));
    let attributes = Attrs::new().family(Family::SansSerif);
    buffer.set_text(&key.text, &attributes, Shaping::Advanced, None);
    buffer.shape_until_scroll(system, false);
    let natural = buffer
        .layout_runs()
        .map(|run| run.line_w)
        .fold(0.0, f32::max);
    let width = (natural.ceil() as usize).clamp(1, key.width);
    let mut mask = Mask {
        width,
        coverage: vec![0; width * key.size],
    };
    buffer.draw(
        system,
        cache,
        Color::rgb(255, 255, 255),
        |x, y, w, h, colour| {
            for row in y..y.saturating_add_unsigned(h) {
                for column in x..x.saturating_add_unsigned(w) {
                    let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column))
                    else {
                        continue;
                    };
                    if column >= width {
                        continue;
                    }
                    if let Some(sample) = mask.coverage.get_mut(row * width + column) {
                        *sample = (*sample).max(colour.a());
                    }
                }
            }
        },
    );
    mask
}
