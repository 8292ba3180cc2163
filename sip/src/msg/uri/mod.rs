//! URIs: `sip:`, `sips:`, `tel:` and whatever else stands where a URI may stand.

mod equal;
mod read;

pub(crate) use read::{HostRef, UriRef, read_hostport};

use super::params::Params;
use super::scan;
use super::text::Text;
use bytes::BufMut;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

/// A URI. Its parts are read and written as fields ([`UriParts`]); one that is not written to
/// prints exactly as it was spelled.
///
/// `==` compares the parts as spelled; [`Uri::equivalent`] is the comparison of RFC 3261 §19.1.4.
#[derive(Clone)]
pub struct Uri {
    parts: UriParts,
    /// Dropped as soon as a part may have been changed.
    spelled: Option<Text>,
}

/// The parts of a URI.
///
/// Of a `tel:` URI the number is `user` and the host is empty; of another scheme everything after
/// the colon is `user`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UriParts {
    /// Before the first colon.
    pub scheme: Scheme,
    /// Before the `@`, still escaped.
    pub user: Option<Text>,
    /// After the colon of the user part, still escaped.
    pub password: Option<Text>,
    /// The host; empty in a URI that has none.
    pub host: Host,
    /// The port, if one is spelled.
    pub port: Option<u16>,
    /// The URI parameters.
    pub params: Params,
    /// What follows the `?`, still escaped.
    pub headers: Option<Text>,
}

/// A URI scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RFC 3261 §19.1.
    Sip,
    /// RFC 3261 §19.1.
    Sips,
    /// RFC 3966.
    Tel,
    /// Any other.
    Other(Text),
}

/// A host (RFC 3261 §25.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, in the case it was spelled.
    Name(Text),
    /// Four numbers.
    V4(Ipv4Addr),
    /// An IPv6 reference, printed in brackets.
    V6(Ipv6Addr),
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UriError {
    #[error("Empty URI")]
    Empty,
    #[error("White Space in URI")]
    WhiteSpace,
    #[error("URI in Angle Brackets")]
    Angle,
    #[error("Bad Character in URI")]
    Character,
    #[error("Missing URI Scheme")]
    Scheme,
    #[error("Broken Escape in URI")]
    Escape,
    #[error("Empty User in URI")]
    User,
    #[error("Bad Host in URI")]
    Host,
    #[error("Bad IPv6 Reference in URI")]
    Ipv6,
    #[error("Bad Port in URI")]
    Port,
    #[error("Bad Parameter in URI")]
    Param,
}

impl Uri {
    /// Reads a URI, copying it once.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, UriError> {
        Self::from_text(Text::copy_from(text))
    }

    /// Reads a URI, sharing the storage of the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: Text) -> Result<Self, UriError> {
        let parts = UriRef::read(text.as_bytes())?.share(&text);
        Ok(Self {
            parts,
            spelled: Some(text),
        })
    }

    /// Parts that were read from this spelling.
    pub(crate) const fn from_parts(parts: UriParts, spelled: Text) -> Self {
        Self {
            parts,
            spelled: Some(spelled),
        }
    }

    /// `sip:user@host` or `sip:host`. The user is escaped here where it needs it.
    #[must_use]
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        UriParts {
            scheme: Scheme::Sip,
            user: user.map(|user| Text::from(escape_user(user))),
            password: None,
            host,
            port,
            params: Params::new(),
            headers: None,
        }
        .into()
    }

    /// With this parameter set.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The user part with its escapes resolved; empty if there is none.
    #[must_use]
    pub fn user_decoded(&self) -> String {
        let user = self.user.as_ref().map(Text::as_bytes).unwrap_or_default();
        String::from_utf8_lossy(&scan::unescape(user)).into_owned()
    }

    /// The value of a URI parameter, empty for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Text> {
        self.params.get(name)
    }

    /// Whether it is `sip:` or `sips:`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// A copy with storage of its own; see [`Text::detached`].
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::parse(&self.to_octets()).unwrap_or_else(|_| self.clone())
    }

    /// The address of record: scheme, user, host and port alone.
    #[must_use]
    pub fn without_params(&self) -> Self {
        let mut uri = self.clone();
        uri.params = Params::new();
        uri.headers = None;
        uri
    }

    /// Equality of RFC 3261 §19.1.4. URIs of schemes other than `sip` and `sips` are equal when
    /// they are spelled alike.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        if !self.is_sip() || !other.is_sip() {
            return self.parts == other.parts;
        }
        self.scheme == other.scheme
            && equal::escaped(self.user.as_ref(), other.user.as_ref())
            && equal::escaped(self.password.as_ref(), other.password.as_ref())
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && equal::params(&self.params, &other.params)
            && equal::headers(self.headers.as_ref(), other.headers.as_ref())
    }
}

impl From<UriParts> for Uri {
    fn from(parts: UriParts) -> Self {
        Self {
            parts,
            spelled: None,
        }
    }
}

impl Deref for Uri {
    type Target = UriParts;

    fn deref(&self) -> &UriParts {
        &self.parts
    }
}

impl DerefMut for Uri {
    fn deref_mut(&mut self) -> &mut UriParts {
        self.spelled = None;
        &mut self.parts
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Uri {}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spelled {
            Some(spelled) => spelled.fmt(f),
            None => f.write_str(&String::from_utf8_lossy(&self.to_octets())),
        }
    }
}

impl Uri {
    /// As printed, octet for octet (unlike `Display`, which shows U+FFFD for what is not UTF-8).
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.write_octets(&mut out);
        out
    }

    pub(crate) fn write_octets(&self, out: &mut impl BufMut) {
        match &self.spelled {
            Some(spelled) => out.put_slice(spelled.as_bytes()),
            None => self.parts.write_octets(out),
        }
    }
}

impl UriParts {
    fn write_octets(&self, out: &mut impl BufMut) {
        let mut put = |octets: &[u8]| out.put_slice(octets);
        put(self.scheme.as_bytes());
        put(b":");
        if let Some(user) = &self.user {
            put(user.as_bytes());
            if let Some(password) = &self.password {
                put(b":");
                put(password.as_bytes());
            }
            if !self.host.is_empty() {
                put(b"@");
            }
        }
        put(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            put(b":");
            put(port.to_string().as_bytes());
        }
        put(self.params.as_bytes());
        if let Some(headers) = &self.headers {
            put(b"?");
            put(headers.as_bytes());
        }
    }
}

impl Scheme {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sip => b"sip",
            Self::Sips => b"sips",
            Self::Tel => b"tel",
            Self::Other(name) => name.as_bytes(),
        }
    }
}

impl Host {
    /// Reads `name`, `1.2.3.4` or `[2001:db8::1]`.
    ///
    /// # Errors
    /// [`UriError::Host`] or [`UriError::Ipv6`].
    pub fn parse(text: &Text) -> Result<Self, UriError> {
        Ok(HostRef::read(text.as_bytes())?.share(text))
    }

    /// The address, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Equality with names in either case.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.as_bytes().eq_ignore_ascii_case(b.as_bytes()),
            _ => self == other,
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Name(name) if name.is_empty())
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

fn escape_user(user: &str) -> String {
    let mut escaped = String::with_capacity(user.len());
    for &octet in user.as_bytes() {
        let plain = octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet);
        if plain {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}
