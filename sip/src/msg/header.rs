//! The header fields of a message, in their order.

use super::name::HeaderName;
use super::scan::Reason;
use super::text::Text;

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: HeaderName,
    /// Its value, trimmed and unfolded (a fold counts as one space), otherwise octet for octet.
    pub value: Text,
}

/// The header fields of a message, in their order. Typed views are in [`super::typed`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Field>);

/// A header field that is missing or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} in {name}")]
pub struct HeaderError {
    /// Which.
    pub name: HeaderName,
    /// What is wrong with it, in words that fit into a reason phrase.
    pub reason: &'static str,
}

impl HeaderError {
    pub(crate) const fn new(name: HeaderName, reason: Reason) -> Self {
        Self { name, reason }
    }
}

/// What [`HeaderError::reason`] says of a mandatory field that is not there.
pub(crate) const MISSING: Reason = "Missing Value";

impl Headers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet, with room for some.
    #[must_use]
    pub fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&Text> {
        self.0
            .iter()
            .find(|field| field.name == *name)
            .map(|field| &field.value)
    }

    /// The values of all fields of this name.
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n HeaderName,
    ) -> impl Iterator<Item = &'a Text> + use<'a, 'n> {
        self.0
            .iter()
            .filter(move |field| field.name == *name)
            .map(|field| &field.value)
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub fn has(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// Adds a field at the end. Line breaks in the value would end the field; they become spaces.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Text>) {
        self.0.push(Field {
            name,
            value: one_line(value.into()),
        });
    }

    /// Adds a field in front of all others (a new topmost Via or Route).
    pub fn prepend(&mut self, name: HeaderName, value: impl Into<Text>) {
        self.0.insert(
            0,
            Field {
                name,
                value: one_line(value.into()),
            },
        );
    }

    /// Replaces all fields of this name by one, where the first of them stood, or adds it at the end.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Text>) {
        let at = self
            .0
            .iter()
            .position(|field| field.name == name)
            .unwrap_or(self.0.len());
        self.0.retain(|field| field.name != name);
        let at = at.min(self.0.len());
        self.0.insert(
            at,
            Field {
                name,
                value: one_line(value.into()),
            },
        );
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|field| field.name != *name);
    }

    /// Adds copies of all fields of this name of another message, octet for octet.
    pub fn copy_all(&mut self, from: &Self, name: &HeaderName) {
        self.0
            .extend(from.0.iter().filter(|field| field.name == *name).cloned());
    }

    /// Adds copies of all fields of another message at the end.
    pub fn append(&mut self, from: &Self) {
        self.0.extend(from.0.iter().cloned());
    }

    /// All fields.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// How many fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push_parsed(&mut self, name: HeaderName, value: Text) {
        self.0.push(Field { name, value });
    }

    pub(crate) fn first_mut(&mut self, name: &HeaderName) -> Option<&mut Text> {
        self.0
            .iter_mut()
            .find(|field| field.name == *name)
            .map(|field| &mut field.value)
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<(HeaderName, Text)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, Text)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

/// A value that a peer's or a user's text got into must not start a header field of its own.
pub(super) fn one_line(value: Text) -> Text {
    if memchr::memchr2(b'\r', b'\n', value.as_bytes()).is_none() {
        return value;
    }
    let flat = |&octet: &u8| {
        if matches!(octet, b'\r' | b'\n') {
            b' '
        } else {
            octet
        }
    };
    Text::from(value.as_bytes().iter().map(flat).collect::<Vec<u8>>())
}
