//! Parameters of URIs and header values, kept as they were spelled.

use super::scan::{self, Reason};
use super::text::Text;
use std::fmt;

/// `;name[=value]` in their order, octet for octet as received.
///
/// Names match in either case (RFC 3261 §7.3.1). Looking up walks the few octets; nothing is
/// allocated for parameters nobody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Params(Text);

/// One parameter, as spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Before the `=`.
    pub name: &'a [u8],
    /// After the `=`, with its quotes if it has any; `None` for a flag such as `lr`.
    pub value: Option<&'a [u8]>,
}

impl Params {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parameters of a header value: white space and quoted values are allowed.
    pub(crate) fn of_header(text: Text) -> Result<Self, Reason> {
        Self::check_header(text.as_bytes())?;
        Ok(Self(text))
    }

    /// Parameters that were checked already.
    pub(crate) const fn checked(text: Text) -> Self {
        Self(text)
    }

    /// Whether [`Params::of_header`] would take them.
    pub(crate) fn check_header(octets: &[u8]) -> Result<(), Reason> {
        for piece in Pieces::of(octets) {
            let piece = piece?;
            if !scan::is_token(piece.name) {
                return Err("Bad Parameter Name");
            }
            if let Some(value) = piece.value {
                check_header_value(value)?;
            }
        }
        Ok(())
    }

    /// Whether they can stand in a URI: no empty names or values. (That there is no white space
    /// and every escape is whole was checked of the whole URI.)
    pub(crate) fn check_uri(octets: &[u8]) -> Result<(), Reason> {
        for piece in Pieces::of(octets) {
            let piece = piece?;
            if piece.name.is_empty() || piece.value.is_some_and(<[u8]>::is_empty) {
                return Err("Empty URI Parameter");
            }
        }
        Ok(())
    }

    /// The value of a parameter as spelled, empty for a flag; `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Text> {
        let param = self.find(name)?;
        Some(
            param
                .value
                .map_or_else(Text::default, |value| self.0.slice_of(value)),
        )
    }

    /// As [`Params::get`], without quotes and backslashes.
    #[must_use]
    pub fn get_unquoted(&self, name: &str) -> Option<String> {
        self.find(name)
            .map(|param| scan::unquote(param.value.unwrap_or_default()).into_owned())
    }

    /// Whether it is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Replaces the value where the parameter stands, or adds it at the end.
    ///
    /// `value` is printed as it is: quote what is no token.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let mut spelled = Vec::with_capacity(self.0.len() + name.len() + 16);
        let mut done = false;
        for param in self.iter() {
            if !param.name.eq_ignore_ascii_case(name.as_bytes()) {
                write_param(&mut spelled, param.name, param.value);
            } else if !done {
                done = true;
                write_param(&mut spelled, name.as_bytes(), value.map(str::as_bytes));
            }
        }
        if !done {
            write_param(&mut spelled, name.as_bytes(), value.map(str::as_bytes));
        }
        self.0 = Text::from(spelled);
    }

    /// With this parameter set.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.set(name, value);
        self
    }

    /// Removes every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut spelled = Vec::with_capacity(self.0.len());
        for param in self
            .iter()
            .filter(|param| !param.name.eq_ignore_ascii_case(name.as_bytes()))
        {
            write_param(&mut spelled, param.name, param.value);
        }
        self.0 = Text::from(spelled);
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'_>> {
        Pieces::of(self.0.as_bytes()).filter_map(Result::ok)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As spelled, with the leading `;`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn find(&self, name: &str) -> Option<Param<'_>> {
        self.iter()
            .find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

struct Pieces<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    fn of(octets: &'a [u8]) -> Self {
        Self {
            rest: scan::trim_start(octets).strip_prefix(b";"),
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Param<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let end = match scan::find_outside_quotes(text, b";") {
            Ok(end) => end,
            Err(reason) => return Some(Err(reason)),
        };
        let (piece, rest) = text.split_at(end.unwrap_or(text.len()));
        self.rest = rest.get(1..);
        let (name, value) = scan::split_once(piece, b'=');
        Some(Ok(Param {
            name: scan::trim(name),
            value: value.map(scan::trim),
        }))
    }
}

/// `token / host / quoted-string` (RFC 3261 §25.1 `gen-value`), generously: what cannot be
/// confused with the grammar around it.
fn check_header_value(value: &[u8]) -> Result<(), Reason> {
    match value.first() {
        None => Err("Empty Parameter Value"),
        Some(b'"') => match scan::split_quoted(value)? {
            (_, []) => Ok(()),
            (_, _) => Err("Text After a Quoted Parameter Value"),
        },
        Some(_)
            if value
                .iter()
                .any(|octet| matches!(octet, b' ' | b'\t' | b'"' | b',')) =>
        {
            Err("Bad Parameter Value")
        }
        Some(_) => Ok(()),
    }
}

fn write_param(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    out.push(b';');
    out.extend_from_slice(name);
    if let Some(value) = value {
        out.push(b'=');
        out.extend_from_slice(value);
    }
}
