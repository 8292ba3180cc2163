//! Layouts of somebody's own (CM-097): those of the configuration, and those that are made while the server runs, which the
//! store keeps.
//!
//! # Decisions
//! * A name belongs to the configuration or to whoever makes templates, never to both: what a file says is not changed
//!   from outside.
//! * Who uses a template has what it was when it was chosen; another one of the same name, or none, changes no picture
//!   that is being seen.

use crate::config::Config;
use crate::http::control::view::TemplateView;
use crate::store::{KeptTemplate, Store};
use plenum_mcu::control::{Frame, Layout, Template, TemplateError, UNIT};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Characters of a name at most.
const NAME: usize = 64;

/// Templates by their names.
pub type Templates = BTreeMap<String, Arc<Template>>;

/// Why a template is not made or deleted. The requester is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Empty, too long, or the name of a built-in layout.
    #[error("a template has a name of its own of 1 to {NAME} characters, which no layout has")]
    Name,
    /// Not four or five numbers.
    #[error(
        "pane {0} is [x, y, width, height], each from 0 to 1, and perhaps a whole number from 0 to 255"
    )]
    Pane(usize),
    /// The rectangles make no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The configuration has one of this name.
    #[error("the configuration has a [[template]] of this name, which is changed there")]
    Configured,
    /// There is no room for another one.
    #[error("there are {0} templates already (limits.templates)")]
    Full(usize),
    /// There is none of this name.
    #[error("there is no template of this name")]
    Unknown,
}

/// One pane: `[x, y, width, height]` in shares of the picture, with a fifth number where panes lie upon each other.
pub type Pane = Vec<f64>;

/// Reads the panes of a template of this name.
///
/// # Errors
/// What is wrong with the name, or with which pane.
pub fn read(name: &str, panes: &[Pane]) -> Result<Template, Refused> {
    let built_in = name.parse::<Layout>().is_ok();
    if name.is_empty() || built_in || name.chars().nth(NAME).is_some() {
        return Err(Refused::Name);
    }
    let mut read = Vec::new();
    // One too many is refused as such; more need not be looked at.
    for (at, pane) in panes
        .iter()
        .enumerate()
        .take(1 + plenum_mcu::control::MAX_PANES)
    {
        read.push(rectangle(pane).ok_or(Refused::Pane(at + 1))?);
    }
    Ok(Template::new(&read)?.named(name))
}

fn rectangle(pane: &[f64]) -> Option<(f64, f64, f64, f64, u8)> {
    match *pane {
        [x, y, w, h] => Some((x, y, w, h, 0)),
        [x, y, w, h, z] => {
            let mut levels = 0..=u8::MAX;
            let level = levels.find(|level| (f64::from(*level) - z).abs() < f64::EPSILON)?;
            Some((x, y, w, h, level))
        }
        _ => None,
    }
}

/// All templates there are.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    configured: Templates,
    made: Templates,
    store: Weak<Store>,
}

impl Shelf {
    /// With those of the configuration, and room for as many others as it says.
    pub(crate) fn of(config: &Config) -> Self {
        Self::new(config.template.clone(), config.limits.http.templates)
    }

    fn new(configured: Templates, most: usize) -> Self {
        let this = Self {
            most,
            ..Self::default()
        };
        this.reload(configured);
        this
    }

    /// Takes over those of before, and keeps those that come.
    pub(crate) fn remember(&self, store: &Arc<Store>, kept: Vec<KeptTemplate>) {
        let mut state = self.lock();
        for KeptTemplate { name, panes } in kept {
            match read(&name, &panes) {
                Ok(template) => drop(state.made.insert(name, Arc::new(template))),
                Err(error) => tracing::warn!(name, %error, "a template of the store is left out"),
            }
        }
        state.store = Arc::downgrade(store);
    }

    /// The configuration has these from now on.
    pub(crate) fn reload(&self, configured: Templates) {
        self.lock().configured = configured;
    }

    /// The one of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Template>> {
        let state = self.lock();
        let found = state.configured.get(name).or_else(|| state.made.get(name));
        found.cloned()
    }

    /// All of them, by their names.
    pub(crate) fn list(&self) -> Vec<TemplateView> {
        let state = self.lock();
        let view = |configured: bool| {
            move |(name, template): (&String, &Arc<Template>)| TemplateView {
                name: name.clone(),
                panes: template.frames().iter().map(pane).collect(),
                configured,
            }
        };
        let made = state.made.iter();
        // One that the configuration has as well, since a later reload, is not to be reached.
        let made = made.filter(|(name, _)| !state.configured.contains_key(*name));
        let all = state.configured.iter().map(view(true));
        all.chain(made.map(view(false))).collect()
    }

    /// Makes one, in the place of another one of this name.
    pub(crate) fn put(&self, name: &str, panes: Vec<Pane>) -> Result<(), Refused> {
        let template = Arc::new(read(name, &panes)?);
        let mut state = self.lock();
        if state.configured.contains_key(name) {
            return Err(Refused::Configured);
        }
        if !state.made.contains_key(name) && state.made.len() >= self.most {
            return Err(Refused::Full(self.most));
        }
        state.made.insert(name.to_owned(), template);
        if let Some(store) = state.store.upgrade() {
            let name = name.to_owned();
            store.keep_template(KeptTemplate { name, panes });
        }
        Ok(())
    }

    /// Deletes one.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.made.remove(name).is_none() {
            return Err(match state.configured.contains_key(name) {
                true => Refused::Configured,
                false => Refused::Unknown,
            });
        }
        if let Some(store) = state.store.upgrade() {
            store.drop_template(name.to_owned());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As it is told: shares of the picture with four digits, and the level where it is not the lowest.
fn pane(frame: &Frame) -> Pane {
    let share = |units: u32| (f64::from(units) / f64::from(UNIT) * 1e4).round() / 1e4;
    let rect = frame.rect;
    let sides = [rect.x, rect.y, rect.w, rect.h].map(share);
    let level = (frame.z > 0).then(|| f64::from(frame.z));
    sides.into_iter().chain(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cm_097_any_panes_make_a_template_within_the_picture_or_are_refused(
            panes in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![any::<f64>(), 0.0..=1.0, 0.0..0.3, Just(0.0), Just(0.5), Just(1.0)],
                    3..6,
                ),
                0..5,
            ),
            name in ".{0,70}",
        ) {
            let Ok(template) = read(&name, &panes) else {
                return Ok(());
            };
            let frames = template.frames();
            prop_assert_eq!(frames.len(), panes.len());
            for (at, frame) in frames.iter().enumerate() {
                let rect = frame.rect;
                prop_assert!(rect.w > 0 && rect.h > 0);
                prop_assert!(rect.x + rect.w <= UNIT && rect.y + rect.h <= UNIT);
                let mut below = frames[..at].iter().filter(|other| other.z == frame.z);
                prop_assert!(!below.any(|other| other.rect.overlaps(rect)));
            }
        }
    }

    fn halves() -> Vec<Pane> {
        vec![vec![0.0, 0.0, 0.5, 1.0], vec![0.5, 0.0, 0.5, 1.0]]
    }

    fn shelf() -> Shelf {
        let stage = read("stage", &[vec![0.0, 0.0, 1.0, 1.0]]).unwrap();
        Shelf::new(Templates::from([("stage".to_owned(), Arc::new(stage))]), 2)
    }

    #[test]
    fn cm_097_what_is_no_template_is_refused_and_says_why() {
        let shelf = shelf();
        let refused = |name: &str, panes: Vec<Pane>| shelf.put(name, panes).unwrap_err();
        assert_eq!(refused("", halves()), Refused::Name);
        assert_eq!(refused("allEqual", halves()), Refused::Name);
        assert_eq!(refused(&"x".repeat(65), halves()), Refused::Name);
        assert_eq!(refused("stage", halves()), Refused::Configured);
        assert_eq!(refused("a", vec![vec![0.0; 3]]), Refused::Pane(1));
        let half = vec![0.0, 0.0, 0.5, 1.0, 0.5];
        assert_eq!(refused("a", vec![half]), Refused::Pane(1));
        let template = |error| Refused::Template(error);
        assert_eq!(refused("a", Vec::new()), template(TemplateError::Count));
        let many = vec![vec![0.0, 0.0, 0.1, 0.1]; 65];
        assert_eq!(refused("a", many), template(TemplateError::Count));
        for bad in [
            [0.0, 0.0, 0.0, 1.0],
            [0.5, 0.0, 0.6, 1.0],
            [-0.1, 0.0, 0.5, 1.0],
            [f64::NAN, 0.0, 0.5, 1.0],
            [0.0, 0.0, f64::INFINITY, 1.0],
        ] {
            let outside = template(TemplateError::Outside(2));
            let panes = vec![vec![0.0, 0.0, 0.1, 0.1, 9.0], bad.to_vec()];
            assert_eq!(refused("a", panes), outside, "{bad:?}");
        }
        let over = vec![vec![0.0, 0.0, 0.5, 1.0], vec![0.4, 0.0, 0.5, 1.0]];
        assert_eq!(refused("a", over), template(TemplateError::Overlap(1, 2)));
        assert_eq!(shelf.list().len(), 1);
    }

    #[test]
    fn cm_097_templates_are_made_replaced_listed_and_deleted() {
        let shelf = shelf();
        shelf.put("pair", halves()).unwrap();
        let first = shelf.find("pair").unwrap();
        assert_eq!(first.name(), "pair");
        shelf
            .put("pair", vec![vec![0.0, 0.0, 1.0, 1.0, 3.0]])
            .unwrap();
        assert_ne!(shelf.find("pair").unwrap(), first, "another one");
        let list = shelf.list();
        let names: Vec<_> = list
            .iter()
            .map(|one| (&*one.name, one.configured))
            .collect();
        assert_eq!(names, [("stage", true), ("pair", false)]);
        assert_eq!(list[1].panes, [[0.0, 0.0, 1.0, 1.0, 3.0]]);
        shelf.put("other", halves()).unwrap();
        assert_eq!(shelf.put("third", halves()), Err(Refused::Full(2)));
        assert_eq!(shelf.delete("third"), Err(Refused::Unknown));
        assert_eq!(shelf.delete("stage"), Err(Refused::Configured));
        shelf.delete("pair").unwrap();
        assert_eq!(shelf.find("pair"), None);
    }
}
