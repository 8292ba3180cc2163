//! The tree of a document that was read.

use super::{Namespace, Ns};

/// An element: name, attributes, and either child elements or text.
///
/// Text beside child elements carries no meaning in any of our vocabularies and is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its local name.
    pub local: Box<str>,
    /// Its attributes, without the declarations of namespaces.
    pub attributes: Vec<Attribute>,
    /// Its child elements.
    pub children: Vec<Self>,
    /// Its text, as written; empty where there are child elements.
    pub text: String,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Its namespace; most attributes have none.
    pub namespace: Namespace,
    /// Its local name.
    pub local: Box<str>,
    /// Its value, normalised (XML 1.0 §3.3.3).
    pub value: String,
}

impl Element {
    /// An element without content.
    pub fn new(namespace: impl Into<Namespace>, local: &str) -> Self {
        Self {
            namespace: namespace.into(),
            local: local.into(),
            attributes: Vec::new(),
            children: Vec::new(),
            text: String::new(),
        }
    }

    /// Whether it has exactly this name.
    pub fn is(&self, ns: Ns, local: &str) -> bool {
        &*self.local == local && self.namespace == Namespace::Known(ns)
    }

    /// Whether it is meant to have this name: exactly, or in the default namespace around it,
    /// where the examples of the protocol leave elements of other namespaces (trap 1).
    pub fn means(&self, ns: Ns, local: &str) -> bool {
        &*self.local == local
            && match &self.namespace {
                Namespace::Known(found) => *found == ns || matches!(found, Ns::Cccp | Ns::Ci),
                Namespace::Unqualified => true,
                Namespace::Foreign(_) => false,
            }
    }

    /// The first child of this name; one of exactly this name before one that only means it.
    pub fn child(&self, ns: Ns, local: &str) -> Option<&Self> {
        let exact = self.children.iter().find(|child| child.is(ns, local));
        exact.or_else(|| self.children.iter().find(|child| child.means(ns, local)))
    }

    /// The first child of exactly this name.
    pub fn exact_child(&self, ns: Ns, local: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(ns, local))
    }

    /// The children that are meant to have this name.
    pub fn children_meaning(&self, ns: Ns, local: &'static str) -> impl Iterator<Item = &Self> {
        self.children
            .iter()
            .filter(move |child| child.means(ns, local))
    }

    /// The text of a child without the space around it, if there is such a child.
    pub fn child_token(&self, ns: Ns, local: &str) -> Option<&str> {
        self.child(ns, local).map(Self::token)
    }

    /// The text of a child as it was written, if there is such a child.
    pub fn child_text(&self, ns: Ns, local: &str) -> Option<&str> {
        self.child(ns, local).map(|child| child.text.as_str())
    }

    /// The text without the space around it: numbers, URIs and enumerated values.
    pub fn token(&self) -> &str {
        self.text.trim_matches(super::characters::is_space)
    }

    /// The value of an attribute without namespace.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.find_attribute(&Namespace::Unqualified, local)
    }

    /// The value of a qualified attribute; the examples leave the prefix away (trap 3).
    pub fn qualified_attribute(&self, ns: Ns, local: &str) -> Option<&str> {
        self.find_attribute(&Namespace::Known(ns), local)
            .or_else(|| self.attribute(local))
    }

    fn find_attribute(&self, namespace: &Namespace, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| &*attribute.local == local && attribute.namespace == *namespace)
            .map(|attribute| attribute.value.as_str())
    }

    /// The value of an attribute that is a URI: the space that lists of attributes are broken
    /// with does not belong to it (trap 15).
    pub fn uri_attribute(&self, local: &str) -> Option<&str> {
        self.attribute(local).map(trim)
    }

    /// As [`uri_attribute`](Self::uri_attribute), for a qualified attribute.
    pub fn qualified_uri_attribute(&self, ns: Ns, local: &str) -> Option<&str> {
        self.qualified_attribute(ns, local).map(trim)
    }
}

fn trim(value: &str) -> &str {
    value.trim_matches(super::characters::is_space)
}
