//! Addresses with a display name and parameters (RFC 3261 §20.10).

use crate::msg::header::{HeaderError, Headers, MISSING};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan::{self, Reason};
use crate::msg::text::Text;
use crate::msg::uri::{Uri, UriError, UriRef};
use smallvec::SmallVec;
use std::fmt;

/// `"Display" <uri>;param=value`, or a bare URI with header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, unquoted.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// The header parameters (`tag`, `expires`, `q` …), not those of the URI.
    pub params: Params,
}

/// The values of Contact (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly always a list of one, without allocation"
)]
pub enum Contacts {
    /// `Contact: *`, in a REGISTER that removes all bindings.
    Star,
    /// Addresses; empty when there is no Contact.
    List(SmallVec<[NameAddr; 1]>),
}

impl NameAddr {
    /// An address that is nothing but a URI.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// Reads one address.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let address = AddressRef::read(text.as_bytes())?;
        let spelled = text.slice_of(address.spelled);
        Ok(Self {
            display: address
                .display
                .map(|display| scan::unquote(display).into_owned()),
            uri: Uri::from_parts(address.uri.share(text), spelled),
            params: Params::checked(text.slice_of(address.params)),
        })
    }

    /// The tag (RFC 3261 §19.3).
    #[must_use]
    pub fn tag(&self) -> Option<Text> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// With this tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// A copy with storage of its own; see [`Text::detached`].
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::parse(&self.to_text()).unwrap_or_else(|_| self.clone())
    }

    /// With this display name.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into());
        self
    }

    /// With this header parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The value to put into a header field, octet for octet.
    #[must_use]
    pub fn to_text(&self) -> Text {
        let mut out = Vec::with_capacity(96);
        if let Some(display) = &self.display {
            out.extend_from_slice(scan::quote(display).as_bytes());
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write_octets(&mut out);
        out.push(b'>');
        out.extend_from_slice(self.params.as_bytes());
        Text::from(out)
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl From<&NameAddr> for Text {
    fn from(address: &NameAddr) -> Self {
        address.to_text()
    }
}

impl From<NameAddr> for Text {
    fn from(address: NameAddr) -> Self {
        address.to_text()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().fmt(f)
    }
}

impl Contacts {
    /// The first address, if there is one.
    #[must_use]
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::List(list) => list.first(),
        }
    }
}

impl Headers {
    /// From (RFC 3261 §20.20).
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.must(HeaderName::From, NameAddr::parse)
    }

    /// To (RFC 3261 §20.39).
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.must(HeaderName::To, NameAddr::parse)
    }

    /// Contact (RFC 3261 §20.10).
    ///
    /// # Errors
    /// Malformed.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        if self
            .get(&HeaderName::Contact)
            .is_some_and(|value| *value == "*")
        {
            return Ok(Contacts::Star);
        }
        self.list(&HeaderName::Contact, false, NameAddr::parse)
            .map(Contacts::List)
    }

    /// Route (RFC 3261 §20.34), all values in their order.
    ///
    /// # Errors
    /// Malformed.
    pub fn routes(&self) -> Result<SmallVec<[NameAddr; 2]>, HeaderError> {
        self.list(&HeaderName::Route, false, NameAddr::parse)
    }

    /// Record-Route (RFC 3261 §20.30), all values in their order.
    ///
    /// # Errors
    /// Malformed.
    pub fn record_routes(&self) -> Result<SmallVec<[NameAddr; 2]>, HeaderError> {
        self.list(&HeaderName::RecordRoute, false, NameAddr::parse)
    }

    /// Refer-To (RFC 3515 §2.1).
    ///
    /// # Errors
    /// Missing or malformed; also when it stands twice, which a REFER must not have.
    pub fn refer_to(&self) -> Result<NameAddr, HeaderError> {
        if self.get_all(&HeaderName::ReferTo).count() > 1 {
            return Err(HeaderError::new(HeaderName::ReferTo, "More Than One Value"));
        }
        self.must(HeaderName::ReferTo, NameAddr::parse)
    }

    /// Referred-By (RFC 3892 §3).
    ///
    /// # Errors
    /// Malformed.
    pub fn referred_by(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.one(HeaderName::ReferredBy, NameAddr::parse)
    }

    /// P-Asserted-Identity (RFC 3325 §9.1): one or two values.
    ///
    /// # Errors
    /// Malformed.
    pub fn p_asserted_identity(&self) -> Result<SmallVec<[NameAddr; 2]>, HeaderError> {
        self.list(&HeaderName::PAssertedIdentity, false, NameAddr::parse)
    }

    /// Remote-Party-ID, of the draft that devices still send.
    ///
    /// # Errors
    /// Malformed.
    pub fn remote_party_id(&self) -> Result<SmallVec<[NameAddr; 1]>, HeaderError> {
        self.list(&HeaderName::RemotePartyId, false, NameAddr::parse)
    }
}

/// An address, borrowed: what the checks of a message need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddressRef<'a> {
    /// With its quotes, if it has some.
    display: Option<&'a [u8]>,
    uri: UriRef<'a>,
    spelled: &'a [u8],
    params: &'a [u8],
}

impl<'a> AddressRef<'a> {
    /// Reads one address.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Reason> {
        let octets = scan::trim(octets);
        let (display, rest) = match octets.first() {
            None => return Err(MISSING),
            Some(b'<') => (None, octets.get(1..).unwrap_or_default()),
            Some(b'"') => {
                let (quoted, rest) = scan::split_quoted(octets)?;
                let rest = scan::trim_start(rest).strip_prefix(b"<");
                (Some(quoted), rest.ok_or("Missing Angle Bracket")?)
            }
            Some(_) => match scan::find_outside_quotes(octets, b"<")? {
                None => return Self::read_bare(octets),
                Some(at) => {
                    let (display, rest) = octets.split_at(at);
                    let display = scan::trim(display);
                    check_display(display)?;
                    (Some(display), rest.get(1..).unwrap_or_default())
                }
            },
        };
        let (uri, params) = scan::split_once(rest, b'>');
        let params = scan::trim(params.ok_or("Missing Angle Bracket")?);
        if !matches!(params.first(), None | Some(b';')) {
            return Err("Text After Angle Bracket");
        }
        Self::with(display, uri, params)
    }

    /// `addr-spec`: a semicolon starts header parameters, and a URI with a comma, a question mark
    /// or a semicolon of its own must be in angle brackets (RFC 3261 §20).
    fn read_bare(octets: &'a [u8]) -> Result<Self, Reason> {
        let start = memchr::memchr(b';', octets).unwrap_or(octets.len());
        let (uri, params) = octets.split_at(start);
        let uri = scan::trim(uri);
        if memchr::memchr2(b'?', b',', uri).is_some() {
            return Err("URI Needs Angle Brackets");
        }
        Self::with(None, uri, params)
    }

    fn with(
        display: Option<&'a [u8]>,
        spelled: &'a [u8],
        params: &'a [u8],
    ) -> Result<Self, Reason> {
        Params::check_header(params)?;
        Ok(Self {
            display,
            uri: UriRef::read(spelled).map_err(uri_reason)?,
            spelled,
            params,
        })
    }
}

/// An unquoted display name should be tokens with white space between them. Telephones send other
/// octets too; what cannot be confused with the grammar around it is taken (RFC 4475 §3.1.2.15
/// allows either).
fn check_display(display: &[u8]) -> Result<(), Reason> {
    let unclear = |octet: &u8| matches!(octet, b',' | b';' | b'"' | b'\\' | 0..=0x08 | 0x0a..0x20);
    if display.iter().any(unclear) {
        Err("Unquoted Display Name")
    } else {
        Ok(())
    }
}

const fn uri_reason(error: UriError) -> Reason {
    match error {
        UriError::Empty => "Empty URI",
        UriError::WhiteSpace => "White Space Within the URI",
        UriError::Angle => "Bad Angle Bracket",
        UriError::Character => "Bad Character in the URI",
        UriError::Scheme => "Missing URI Scheme",
        UriError::Escape => "Broken Escape in the URI",
        UriError::User => "Empty User in the URI",
        UriError::Host => "Bad Host in the URI",
        UriError::Ipv6 => "Bad IPv6 Reference in the URI",
        UriError::Port => "Bad Port in the URI",
        UriError::Param => "Bad URI Parameter",
    }
}
