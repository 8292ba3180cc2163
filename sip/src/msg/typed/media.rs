//! What a body is: Content-Type, Content-Disposition, Accept.

use crate::msg::header::{HeaderError, Headers};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan::{self, Reason};
use crate::msg::text::Text;
use smallvec::SmallVec;
use std::fmt;

/// `type/subtype;params` (RFC 3261 §20.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Before the slash.
    pub kind: Text,
    /// After the slash.
    pub subtype: Text,
    /// `charset`, `boundary` …
    pub params: Params,
}

/// Content-Disposition (RFC 3261 §20.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `session`, `render`, `icon`, `alert` or another token.
    pub kind: Text,
    /// `handling` and others.
    pub params: Params,
}

impl MediaType {
    /// A type without parameters.
    #[must_use]
    pub fn new(kind: impl Into<Text>, subtype: impl Into<Text>) -> Self {
        Self {
            kind: kind.into(),
            subtype: subtype.into(),
            params: Params::new(),
        }
    }

    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (kind, params) = split_params(text);
        let (kind, subtype) = scan::split_once(kind, b'/');
        let (kind, subtype) = (scan::trim(kind), scan::trim(subtype.unwrap_or_default()));
        if !scan::is_token(kind) || !scan::is_token(subtype) {
            return Err("Bad Media Type");
        }
        Ok(Self {
            kind: text.slice_of(kind),
            subtype: text.slice_of(subtype),
            params: Params::of_header(params)?,
        })
    }

    /// Whether it is this type, in either case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_case(kind) && self.subtype.eq_ignore_case(subtype)
    }

    /// Whether a range of Accept, `type/*` and `*/*` included, takes in the other type.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let part = |range: &Text, part: &Text| {
            *range == "*" || range.as_bytes().eq_ignore_ascii_case(part.as_bytes())
        };
        part(&self.kind, &other.kind) && part(&self.subtype, &other.subtype)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

impl Disposition {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (kind, params) = split_params(text);
        if !scan::is_token(kind) {
            return Err("Bad Token");
        }
        Ok(Self {
            kind: text.slice_of(kind),
            params: Params::of_header(params)?,
        })
    }

    /// Whether a body of this disposition may be ignored by who does not understand it.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.params
            .get("handling")
            .is_some_and(|handling| handling.eq_ignore_case("optional"))
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, self.params)
    }
}

impl Headers {
    /// Content-Type.
    ///
    /// # Errors
    /// Malformed.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.one(HeaderName::ContentType, MediaType::parse)
    }

    /// Content-Disposition.
    ///
    /// # Errors
    /// Malformed.
    pub fn content_disposition(&self) -> Result<Option<Disposition>, HeaderError> {
        self.one(HeaderName::ContentDisposition, Disposition::parse)
    }

    /// Accept (RFC 3261 §20.1); `None` when the field is absent, which means `application/sdp`.
    ///
    /// # Errors
    /// Malformed.
    pub fn accept(&self) -> Result<Option<SmallVec<[MediaType; 2]>>, HeaderError> {
        if !self.has(&HeaderName::Accept) {
            return Ok(None);
        }
        self.list(&HeaderName::Accept, true, MediaType::parse)
            .map(Some)
    }

    /// Content-Encoding (RFC 3261 §20.12): the codings a body is wrapped in, outermost last.
    ///
    /// # Errors
    /// Malformed.
    pub fn content_encoding(&self) -> Result<SmallVec<[Text; 1]>, HeaderError> {
        self.list(&HeaderName::ContentEncoding, true, read_token)
    }
}

fn read_token(item: &Text) -> Result<Text, Reason> {
    if scan::is_token(item.as_bytes()) {
        Ok(item.clone())
    } else {
        Err("Bad Token")
    }
}

/// The trimmed value before the first semicolon, and the parameters from it on.
pub(super) fn split_params(text: &Text) -> (&[u8], Text) {
    let octets = scan::trim(text.as_bytes());
    let start = memchr::memchr(b';', octets).unwrap_or(octets.len());
    let (value, params) = octets.split_at(start);
    (scan::trim(value), text.slice_of(params))
}
