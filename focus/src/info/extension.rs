//! Elements of vocabularies that are carried but not understood.

use crate::xml::{Element, Namespace, Ns};

/// A foreign element at one of the extension points of the schema (CB-280).
///
/// It is in a namespace, in none of those whose elements have their own place in the document,
/// and nowhere in it is anything that a notification must not contain (CB-112, CB-126).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension(Element);

impl Extension {
    /// Takes an element, if it may be carried.
    pub fn new(element: Element) -> Option<Self> {
        (may_extend(&element.namespace) && !is_unfit(&element)).then_some(Self(element))
    }

    /// The element.
    pub const fn element(&self) -> &Element {
        &self.0
    }
}

const fn may_extend(namespace: &Namespace) -> bool {
    match namespace {
        Namespace::Unqualified => false,
        Namespace::Foreign(_) => true,
        Namespace::Known(ns) => match ns {
            Ns::Cccp | Ns::Ci | Ns::Cis | Ns::Msci | Ns::Talk | Ns::Pictures => false,
            Ns::Mscp
            | Ns::Msci2
            | Ns::Msav
            | Ns::Msas
            | Ns::Msdata
            | Ns::Msim
            | Ns::Msacp
            | Ns::Msmcu => true,
        },
    }
}

/// By local name alone: a key does not become public by another namespace around it.
///
/// Nor are names taken that XML keeps for itself: they could not be written with a prefix of ours.
fn is_unfit(element: &Element) -> bool {
    let reserved =
        matches!(&element.namespace, Namespace::Foreign(uri) if uri.starts_with(RESERVED));
    reserved || SENSITIVE.contains(&&*element.local) || element.children.iter().any(is_unfit)
}

/// What the namespaces of the prefixes `xml` and `xmlns` begin with.
const RESERVED: &str = "http://www.w3.org/";

const SENSITIVE: [&str; 15] = [
    "cms-data",
    "conf-key",
    "conference-key",
    "encrypted-uri",
    "encryption-key",
    "entity-policy",
    "entity-settings",
    "join-url",
    "leaderPasscode",
    "organizer-roaming-data",
    "participantPasscode",
    "pstnLeaderPasscode",
    "settings",
    "web-external",
    "web-internal",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cb_126_nothing_sensitive_is_carried_at_any_depth() {
        let foreign = |local: &str| Element::new(Namespace::Foreign("urn:example:x".into()), local);
        assert!(Extension::new(foreign("badge")).is_some());
        for name in SENSITIVE {
            assert_eq!(Extension::new(foreign(name)), None, "{name}");
            let mut around = foreign("badge");
            let mut between = foreign("between");
            between.children.push(foreign(name));
            around.children.push(between);
            assert_eq!(Extension::new(around), None, "{name} inside");
        }
    }

    #[test]
    fn cb_280_extensions_are_in_another_namespace_than_the_schemas_they_extend() {
        assert_eq!(Extension::new(Element::new(Ns::Ci, "badge")), None);
        assert_eq!(Extension::new(Element::new(Ns::Msci, "badge")), None);
        let unqualified = Element::new(Namespace::Unqualified, "badge");
        assert_eq!(Extension::new(unqualified), None);
        assert!(Extension::new(Element::new(Ns::Msim, "endpoint-capabilities")).is_some());
    }
}
