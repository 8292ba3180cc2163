//! What is to be seen where, written down once more and by other means than the server's: rectangles in shares of the
//! picture, and the rule who is in them.

use super::{COLOURS, nobody};
use plenum_loadtest::peer::video_phone::{Seen, alike};

/// Left edge, upper edge, width, height.
pub(crate) type Place = (f64, f64, f64, f64);

/// A layout with three people to be shown.
pub(crate) struct Expected {
    pub(crate) name: &'static str,
    /// The first pane is the speaker's.
    pub(crate) large: bool,
    /// Panes 1, 2, 3: what of them nothing lies upon.
    pub(crate) panes: &'static [Place],
    /// Places where nobody is to be seen.
    pub(crate) empty: &'static [(f64, f64)],
}

const THIRD: f64 = 1.0 / 3.0;
const SIXTH: f64 = 1.0 / 6.0;
/// The upper edge of the row upon the picture.
const ROW: f64 = 1.0 - 1.0 / 6.0 - 1.0 / 60.0;
/// The large pane with two small ones on its right.
const BESIDE_THIRDS: [Place; 3] = [
    (0.0, 0.0, 2.0 * THIRD, 2.0 * THIRD),
    (2.0 * THIRD, 0.0, THIRD, THIRD),
    (2.0 * THIRD, THIRD, THIRD, THIRD),
];

/// All layouts of CM-081, for three people.
pub(crate) const LAYOUTS: [Expected; 13] = [
    Expected {
        name: "automatic",
        large: true,
        panes: &BESIDE_THIRDS,
        empty: &[(0.2, 0.85), (0.85, 0.85)],
    },
    Expected {
        name: "allEqual",
        large: false,
        panes: &[
            (0.0, 0.0, 0.5, 0.5),
            (0.5, 0.0, 0.5, 0.5),
            (0.25, 0.5, 0.5, 0.5),
        ],
        empty: &[(0.12, 0.75), (0.88, 0.75)],
    },
    Expected {
        name: "speakerOnly",
        large: true,
        panes: &[(0.0, 0.0, 1.0, 1.0)],
        empty: &[],
    },
    Expected {
        name: "telepresence",
        large: true,
        panes: &[
            (0.0, 0.0, 1.0, 0.8),
            (THIRD, ROW, SIXTH, SIXTH),
            (THIRD + SIXTH, ROW, SIXTH, SIXTH),
        ],
        empty: &[],
    },
    Expected {
        name: "stacked",
        large: true,
        panes: &[
            (0.1, 0.0, 0.8, 0.8),
            (0.3, 0.8, 0.2, 0.2),
            (0.5, 0.8, 0.2, 0.2),
        ],
        empty: &[(0.05, 0.4), (0.95, 0.4), (0.2, 0.9), (0.8, 0.9)],
    },
    Expected {
        name: "allEqualQuarters",
        large: false,
        panes: &[
            (0.0, 0.0, 0.5, 0.5),
            (0.5, 0.0, 0.5, 0.5),
            (0.0, 0.5, 0.5, 0.5),
        ],
        empty: &[(0.75, 0.75)],
    },
    Expected {
        name: "allEqualNinths",
        large: false,
        panes: &[
            (0.0, 0.0, THIRD, THIRD),
            (THIRD, 0.0, THIRD, THIRD),
            (2.0 * THIRD, 0.0, THIRD, THIRD),
        ],
        empty: &[(0.2, 0.5), (0.5, 0.5), (0.8, 0.85)],
    },
    Expected {
        name: "allEqualSixteenths",
        large: false,
        panes: &[
            (0.0, 0.0, 0.25, 0.25),
            (0.25, 0.0, 0.25, 0.25),
            (0.5, 0.0, 0.25, 0.25),
        ],
        empty: &[(0.875, 0.125), (0.125, 0.375), (0.875, 0.875)],
    },
    Expected {
        name: "allEqualTwentyFifths",
        large: false,
        panes: &[
            (0.0, 0.0, 0.2, 0.2),
            (0.2, 0.0, 0.2, 0.2),
            (0.4, 0.0, 0.2, 0.2),
        ],
        empty: &[(0.7, 0.1), (0.1, 0.3), (0.9, 0.9)],
    },
    Expected {
        name: "onePlusFive",
        large: true,
        panes: &BESIDE_THIRDS,
        empty: &[(SIXTH, 0.85), (0.5, 0.85), (0.85, 0.85)],
    },
    Expected {
        name: "onePlusSeven",
        large: true,
        panes: &[
            (0.0, 0.0, 0.75, 0.75),
            (0.75, 0.0, 0.25, 0.25),
            (0.75, 0.25, 0.25, 0.25),
        ],
        empty: &[(0.875, 0.625), (0.125, 0.875), (0.875, 0.875)],
    },
    Expected {
        name: "onePlusNine",
        large: true,
        panes: &[
            (0.0, 0.0, 0.8, 0.8),
            (0.8, 0.0, 0.2, 0.2),
            (0.8, 0.2, 0.2, 0.2),
        ],
        empty: &[(0.9, 0.5), (0.1, 0.9), (0.9, 0.9)],
    },
    Expected {
        name: "onePlusN",
        large: true,
        panes: &BESIDE_THIRDS,
        empty: &[(0.2, 0.85), (0.85, 0.85)],
    },
];

impl Expected {
    /// Whether a picture shows these people in its panes, and nobody elsewhere.
    pub(crate) fn holds(&self, seen: &Seen, people: &[usize]) -> bool {
        let mut panes = self.panes.iter().zip(people);
        panes.all(|(place, who)| filled(seen, *place, Some(*who)))
            && self.empty.iter().all(|(x, y)| nobody(seen, *x, *y))
    }
}

/// Whether a pane is somebody's from edge to edge, or nobody's.
pub(crate) fn filled(seen: &Seen, (x, y, w, h): Place, who: Option<usize>) -> bool {
    let places = [
        (0.25, 0.25),
        (0.75, 0.25),
        (0.5, 0.5),
        (0.25, 0.75),
        (0.75, 0.75),
    ];
    places.iter().all(|(right, down)| {
        let (x, y) = (x + w * right, y + h * down);
        match who {
            Some(who) => alike(seen.at(x, y), COLOURS[who]),
            None => nobody(seen, x, y),
        }
    })
}

/// Pane number `n` of nine, from 0.
pub(crate) fn ninth(n: u32) -> Place {
    let (column, row) = (f64::from(n % 3), f64::from(n / 3));
    (column * THIRD, row * THIRD, THIRD, THIRD)
}

/// Who is in which pane of somebody's picture without placement: whoever spoke last is in the large one, where there is
/// one; the others keep their panes; panes that are free are filled by who spoke last.
pub(crate) fn follow(before: &[usize], large: bool, panes: usize, spoke: &[usize]) -> Vec<usize> {
    let shown: Vec<usize> = spoke.iter().copied().take(panes).collect();
    let mut now: Vec<Option<usize>> = vec![None; shown.len()];
    if large && let (Some(pane), Some(first)) = (now.first_mut(), shown.first()) {
        *pane = Some(*first);
    }
    let taken = |now: &[Option<usize>], who: usize| now.contains(&Some(who));
    for (n, who) in before.iter().enumerate().take(shown.len()) {
        if now[n].is_none() && shown.contains(who) && !taken(&now, *who) {
            now[n] = Some(*who);
        }
    }
    for who in shown {
        if !taken(&now, who)
            && let Some(pane) = now.iter_mut().find(|pane| pane.is_none())
        {
            *pane = Some(who);
        }
    }
    now.into_iter().flatten().collect()
}
