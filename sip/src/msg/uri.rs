//! URIs: `sip:`, `sips:`, `tel:` and whatever else stands where a URI may stand.

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
        let octets = text.as_bytes();
        check_octets(octets)?;
        let (scheme, rest) = scan::split_once(octets, b':');
        let rest = rest.ok_or(UriError::Scheme)?;
        let scheme = read_scheme(&text, scheme)?;
        let parts = match scheme {
            Scheme::Sip | Scheme::Sips => read_sip(&text, scheme, rest)?,
            Scheme::Tel => read_tel(&text, rest)?,
            Scheme::Other(_) => opaque(&text, scheme, rest)?,
        };
        Ok(Self {
            parts,
            spelled: Some(text),
        })
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
            && same_escaped(self.user.as_ref(), other.user.as_ref(), false)
            && same_escaped(self.password.as_ref(), other.password.as_ref(), false)
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && same_params(&self.params, &other.params)
            && same_headers(self.headers.as_ref(), other.headers.as_ref())
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
        let octets = text.as_bytes();
        if let Some(inner) = octets.strip_prefix(b"[") {
            let inner = inner.strip_suffix(b"]").ok_or(UriError::Ipv6)?;
            let address = std::str::from_utf8(inner).map_err(|_| UriError::Ipv6)?;
            return address.parse().map(Self::V6).map_err(|_| UriError::Ipv6);
        }
        let legal =
            |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
        if octets.is_empty() || !octets.iter().all(legal) {
            return Err(UriError::Host);
        }
        if octets
            .iter()
            .all(|octet| octet.is_ascii_digit() || *octet == b'.')
        {
            let address = text.to_str().ok_or(UriError::Host)?;
            return address.parse().map(Self::V4).map_err(|_| UriError::Host);
        }
        Ok(Self::Name(text.clone()))
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

fn check_octets(octets: &[u8]) -> Result<(), UriError> {
    if octets.is_empty() {
        return Err(UriError::Empty);
    }
    for &octet in octets {
        match octet {
            b' ' | b'\t' => return Err(UriError::WhiteSpace),
            b'<' | b'>' => return Err(UriError::Angle),
            b'"' | b'\\' | 0..0x20 | 0x7f => return Err(UriError::Character),
            _ => {}
        }
    }
    if scan::escapes_are_whole(octets) {
        Ok(())
    } else {
        Err(UriError::Escape)
    }
}

fn read_scheme(text: &Text, scheme: &[u8]) -> Result<Scheme, UriError> {
    if scheme.eq_ignore_ascii_case(b"sip") {
        return Ok(Scheme::Sip);
    }
    if scheme.eq_ignore_ascii_case(b"sips") {
        return Ok(Scheme::Sips);
    }
    if scheme.eq_ignore_ascii_case(b"tel") {
        return Ok(Scheme::Tel);
    }
    let legal = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
    if scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(legal) {
        Ok(Scheme::Other(text.slice_of(scheme)))
    } else {
        Err(UriError::Scheme)
    }
}

/// `SIP-URI` and `SIPS-URI` (RFC 3261 §25.1). Everything before the `@` is the user, also `;` and `?`.
fn read_sip(text: &Text, scheme: Scheme, rest: &[u8]) -> Result<UriParts, UriError> {
    let (user, password, rest) = match scan::split_once(rest, b'@') {
        (userinfo, Some(rest)) => {
            let (user, password) = scan::split_once(userinfo, b':');
            if user.is_empty() {
                return Err(UriError::User);
            }
            (
                Some(text.slice_of(user)),
                password.map(|part| text.slice_of(part)),
                rest,
            )
        }
        (rest, None) => (None, None, rest),
    };
    let (rest, headers) = scan::split_once(rest, b'?');
    let start = memchr::memchr(b';', rest).unwrap_or(rest.len());
    let (hostport, params) = rest.split_at(start);
    let (host, port) = read_hostport(text, hostport)?;
    Ok(UriParts {
        scheme,
        user,
        password,
        host,
        port,
        params: Params::of_uri(text.slice_of(params)).map_err(|_| UriError::Param)?,
        headers: headers.map(|headers| text.slice_of(headers)),
    })
}

/// `hostport`; white space around the colon is the caller's business.
pub(crate) fn read_hostport(text: &Text, hostport: &[u8]) -> Result<(Host, Option<u16>), UriError> {
    let end = if hostport.first() == Some(&b'[') {
        memchr::memchr(b']', hostport).ok_or(UriError::Ipv6)? + 1
    } else {
        memchr::memchr(b':', hostport).unwrap_or(hostport.len())
    };
    let (host, port) = hostport.split_at(end);
    let host = Host::parse(&text.slice_of(scan::trim(host)))?;
    let port = match scan::trim(port).split_first() {
        None => None,
        Some((b':', digits)) => {
            let number = scan::number(scan::trim(digits)).map_err(|_| UriError::Port)?;
            Some(u16::try_from(number).map_err(|_| UriError::Port)?)
        }
        Some(_) => return Err(UriError::Host),
    };
    Ok((host, port))
}

/// RFC 3966.
fn read_tel(text: &Text, rest: &[u8]) -> Result<UriParts, UriError> {
    let start = memchr::memchr(b';', rest).unwrap_or(rest.len());
    let (number, params) = rest.split_at(start);
    if number.is_empty() {
        return Err(UriError::User);
    }
    let mut parts = opaque(text, Scheme::Tel, number)?;
    parts.params = Params::of_uri(text.slice_of(params)).map_err(|_| UriError::Param)?;
    Ok(parts)
}

fn opaque(text: &Text, scheme: Scheme, rest: &[u8]) -> Result<UriParts, UriError> {
    if rest.is_empty() {
        return Err(UriError::Empty);
    }
    Ok(UriParts {
        scheme,
        user: Some(text.slice_of(rest)),
        password: None,
        host: Host::Name(Text::default()),
        port: None,
        params: Params::new(),
        headers: None,
    })
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

fn same_escaped(a: Option<&Text>, b: Option<&Text>, ignore_case: bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let (a, b) = (scan::unescape(a.as_bytes()), scan::unescape(b.as_bytes()));
            if ignore_case {
                a.eq_ignore_ascii_case(&b)
            } else {
                a == b
            }
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// §19.1.4: a parameter in both must match; `user`, `ttl`, `method`, `maddr` and (by erratum and
/// RFC 3263) `transport` in only one of them never match.
fn same_params(a: &Params, b: &Params) -> bool {
    const DECISIVE: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];
    let both_match = a.iter().all(|param| {
        let Ok(name) = std::str::from_utf8(param.name) else {
            return true;
        };
        b.get(name).is_none_or(|value| {
            let ours = scan::unescape(param.value.unwrap_or_default());
            ours.eq_ignore_ascii_case(&scan::unescape(value.as_bytes()))
        })
    });
    both_match && DECISIVE.iter().all(|name| a.has(name) == b.has(name))
}

/// §19.1.4: header components are never ignored; their order does not matter.
fn same_headers(a: Option<&Text>, b: Option<&Text>) -> bool {
    let sorted = |text: Option<&Text>| {
        let octets = text.map(Text::as_bytes).unwrap_or_default();
        let mut list: Vec<Vec<u8>> = octets
            .split(|&octet| octet == b'&')
            .map(|pair| scan::unescape(pair).to_ascii_lowercase())
            .collect();
        list.sort();
        list
    };
    sorted(a) == sorted(b)
}
