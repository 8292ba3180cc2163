//! A subscriber that puts together what it is told, and looks whether that is the full document
//! (RFC 4575 §4.4). Tests and the fuzz target `differ` have it in common.

use plenum_focus::info::{
    self, Audience, ConferenceInfo, Form, Rendering, State, Tracker, Watcher, apply,
};
use plenum_focus::limits::ControlLimits;

/// A subscription, and what its subscriber has.
pub(crate) struct Subscriber {
    pub(crate) watcher: Watcher,
    form: Form,
    has: Option<ConferenceInfo>,
}

impl Subscriber {
    pub(crate) fn new(audience: Audience, form: Form) -> Self {
        Self {
            watcher: Watcher::new("sip:watcher@example.com", audience),
            form,
            has: None,
        }
    }

    /// Gets the next document and checks what the subscriber has against the full one.
    pub(crate) fn notify(&mut self, tracker: &mut Tracker) {
        let document = self.watcher.document(tracker);
        assert!(!self.watcher.is_due(tracker));
        if let Some(document) = document {
            let document = read(&document);
            match &mut self.has {
                None => {
                    assert_eq!(document.state, State::Full, "CB-093: the first one is full");
                    self.has = Some(document);
                }
                Some(has) => apply(has, &document).expect("CB-102: no version is missing"),
            }
        }
        let full = Rendering::new(&tracker.snapshot(), self.form).with_version(0);
        let has = self.has.clone().expect("a first document");
        assert_eq!(sorted(has), sorted(read(&full)));
    }
}

/// Reads what we wrote, however long it is.
fn read(document: &[u8]) -> ConferenceInfo {
    let limits = plenum_focus::xml::Limits {
        octets: usize::MAX,
        elements: usize::MAX,
        ..ControlLimits::default().c3p
    };
    info::read(document, &limits).expect("what we write we read")
}

/// By entity, and without what differs between a new subscriber and an old one.
pub(crate) fn sorted(mut info: ConferenceInfo) -> ConferenceInfo {
    info.version = None;
    if let Some(users) = &mut info.users {
        users
            .users
            .sort_by(|one, other| one.entity.cmp(&other.entity));
    }
    if let Some(view) = &mut info.view {
        view.entities
            .sort_by(|one, other| one.entity.cmp(&other.entity));
    }
    info
}
