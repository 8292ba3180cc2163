//! Text from documents.
//!
//! A [`Writer`] makes a [`Fragment`]: text, and the namespaces that must be declared around it.
//! Fragments of the same default namespace can be put into each other as they are, which is what
//! lets a roster be written from parts that were written before.

use super::characters::{push_attribute, push_text};
use super::tokens::boolean_token;
use super::{Element, Namespace, Namespaces, Ns};

/// What a document begins with.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// Text that is part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    text: Box<str>,
    default: Option<Ns>,
    used: Namespaces,
}

impl Fragment {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The namespaces whose prefixes it uses.
    pub const fn used(&self) -> Namespaces {
        self.used
    }
}

/// Writes elements one after another.
#[derive(Debug)]
pub struct Writer {
    out: String,
    used: Namespaces,
    default: Option<Ns>,
    open: Vec<Open>,
    in_start_tag: bool,
}

#[derive(Debug)]
struct Open {
    ns: Ns,
    local: &'static str,
    outer_default: Option<Ns>,
}

impl Writer {
    /// A writer of elements inside one that declares this default namespace.
    pub const fn new(default: Ns) -> Self {
        Self {
            out: String::new(),
            used: Namespaces::none(),
            default: Some(default),
            open: Vec::new(),
            in_start_tag: false,
        }
    }

    /// Begins an element.
    pub fn open(&mut self, ns: Ns, local: &'static str) -> &mut Self {
        self.end_start_tag();
        self.out.push('<');
        self.push_prefix(ns);
        self.out.push_str(local);
        self.open.push(Open {
            ns,
            local,
            outer_default: self.default,
        });
        self.in_start_tag = true;
        self
    }

    /// Begins an element whose namespace is the default inside it.
    pub fn open_default(&mut self, ns: Ns, local: &'static str) -> &mut Self {
        let outer = self.default;
        self.default = Some(ns);
        self.open(ns, local);
        if let Some(open) = self.open.last_mut() {
            open.outer_default = outer;
        }
        if outer != Some(ns) {
            self.attribute("xmlns", ns.uri());
        }
        self
    }

    /// An attribute without namespace of the element just begun.
    pub fn attribute(&mut self, local: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_start_tag, "an attribute after content");
        self.out.push(' ');
        self.push_attribute_value(local, value);
        self
    }

    /// A qualified attribute of the element just begun.
    pub fn qualified(&mut self, ns: Ns, local: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_start_tag, "an attribute after content");
        self.used.insert(ns);
        self.out.push(' ');
        self.out.push_str(ns.prefix());
        self.out.push(':');
        self.push_attribute_value(local, value);
        self
    }

    /// An attribute, if there is a value.
    pub fn optional(&mut self, local: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.attribute(local, value);
        }
        self
    }

    /// A qualified attribute, if there is a value.
    pub fn optional_qualified(&mut self, ns: Ns, local: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.qualified(ns, local, value);
        }
        self
    }

    /// Ends the element begun last.
    pub fn close(&mut self) -> &mut Self {
        let Some(open) = self.open.pop() else {
            debug_assert!(false, "an end without a beginning");
            return self;
        };
        if self.in_start_tag {
            self.in_start_tag = false;
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.push_prefix(open.ns);
            self.out.push_str(open.local);
            self.out.push('>');
        }
        self.default = open.outer_default;
        self
    }

    /// An element of text.
    pub fn leaf(&mut self, ns: Ns, local: &'static str, text: &str) -> &mut Self {
        self.open(ns, local).text(text).close()
    }

    /// An element of text, if there is a value.
    pub fn optional_leaf(&mut self, ns: Ns, local: &'static str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.leaf(ns, local, text);
        }
        self
    }

    /// A boolean element, if there is a value.
    pub fn optional_boolean(
        &mut self,
        ns: Ns,
        local: &'static str,
        value: Option<bool>,
    ) -> &mut Self {
        self.optional_leaf(ns, local, value.map(boolean_token))
    }

    /// A number, if there is a value.
    pub fn optional_number(
        &mut self,
        ns: Ns,
        local: &'static str,
        value: Option<u32>,
    ) -> &mut Self {
        self.optional_leaf(ns, local, value.map(|value| value.to_string()).as_deref())
    }

    /// The separator that opens the next group of extensions (CB-272).
    pub fn separator(&mut self) -> &mut Self {
        self.open(Ns::Cis, "separator").close()
    }

    /// Text of the element begun last.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.end_start_tag();
            push_text(&mut self.out, text);
        }
        self
    }

    /// A fragment that was written for the same default namespace.
    pub fn fragment(&mut self, fragment: &Fragment) -> &mut Self {
        debug_assert_eq!(
            self.default, fragment.default,
            "of another default namespace"
        );
        if !fragment.text.is_empty() {
            self.end_start_tag();
            self.used.extend(fragment.used);
            self.out.push_str(&fragment.text);
        }
        self
    }

    /// An element of a vocabulary that is carried but not known. Recursive; trees come from a
    /// reader that limits their depth.
    pub fn element(&mut self, element: &Element) -> &mut Self {
        self.end_start_tag();
        let start = self.out.len();
        self.out.push('<');
        let outer = self.default;
        let name_at = self.out.len();
        self.push_element_name(element);
        let name = self.out.get(name_at..).unwrap_or_default().to_owned();
        debug_assert!(start < name_at);
        match &element.namespace {
            Namespace::Foreign(uri) => {
                self.out.push(' ');
                self.push_attribute_value("xmlns:x", uri);
            }
            Namespace::Unqualified if outer.is_some() => {
                self.default = None;
                self.out.push_str(" xmlns=\"\"");
            }
            Namespace::Unqualified | Namespace::Known(_) => {}
        }
        self.element_attributes(element);
        if element.children.is_empty() && element.text.is_empty() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            push_text(&mut self.out, &element.text);
            for child in &element.children {
                self.element(child);
            }
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        self.default = outer;
        self
    }

    fn push_element_name(&mut self, element: &Element) {
        match &element.namespace {
            Namespace::Known(ns) => self.push_prefix(*ns),
            Namespace::Foreign(_) => self.out.push_str("x:"),
            Namespace::Unqualified => {}
        }
        self.out.push_str(&element.local);
    }

    fn element_attributes(&mut self, element: &Element) {
        for (number, attribute) in element.attributes.iter().enumerate() {
            self.out.push(' ');
            match &attribute.namespace {
                Namespace::Known(ns) => {
                    self.used.insert(*ns);
                    self.out.push_str(ns.prefix());
                    self.out.push(':');
                }
                Namespace::Foreign(uri) if &**uri == XML_NAMESPACE => self.out.push_str("xml:"),
                Namespace::Foreign(uri) => {
                    let prefix = format!("y{number}");
                    self.push_attribute_value(&format!("xmlns:{prefix}"), uri);
                    self.out.push(' ');
                    self.out.push_str(&prefix);
                    self.out.push(':');
                }
                Namespace::Unqualified => {}
            }
            self.push_attribute_value(&attribute.local, &attribute.value);
        }
    }

    /// What was written. Everything begun is ended.
    pub fn into_fragment(mut self) -> Fragment {
        while !self.open.is_empty() {
            self.close();
        }
        Fragment {
            text: self.out.into_boxed_str(),
            default: self.default,
            used: self.used,
        }
    }

    fn end_start_tag(&mut self) {
        if self.in_start_tag {
            self.in_start_tag = false;
            self.out.push('>');
        }
    }

    fn push_prefix(&mut self, ns: Ns) {
        if self.default != Some(ns) {
            self.used.insert(ns);
            self.out.push_str(ns.prefix());
            self.out.push(':');
        }
    }

    fn push_attribute_value(&mut self, name: &str, value: &str) {
        self.out.push_str(name);
        self.out.push_str("=\"");
        push_attribute(&mut self.out, value);
        self.out.push('"');
    }
}

/// Appends the declarations of namespaces to the start tag of a document element.
pub fn declare(out: &mut String, default: Ns, used: Namespaces) {
    out.push_str(" xmlns=\"");
    out.push_str(default.uri());
    out.push('"');
    for ns in used.iter() {
        out.push_str(" xmlns:");
        out.push_str(ns.prefix());
        out.push_str("=\"");
        out.push_str(ns.uri());
        out.push('"');
    }
}

/// Appends an attribute to the start tag of a document element.
pub fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_attribute(out, value);
    out.push('"');
}

/// What `xml:lang` and `xml:space` are qualified with; its prefix is never declared.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
