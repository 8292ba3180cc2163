//! Reading URIs: first into borrowed parts, which cost nothing, then into shared ones where somebody
//! keeps them. The checks of a message need only the first.

use super::{Host, Scheme, UriError, UriParts};
use crate::msg::params::Params;
use crate::msg::scan;
use crate::msg::text::Text;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parts of a URI, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UriRef<'a> {
    scheme: SchemeRef<'a>,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: HostRef<'a>,
    port: Option<u16>,
    params: &'a [u8],
    headers: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
enum SchemeRef<'a> {
    Sip,
    Sips,
    Tel,
    Other(&'a [u8]),
}

/// A host, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostRef<'a> {
    Name(&'a [u8]),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl<'a> UriRef<'a> {
    /// Reads a URI.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, UriError> {
        check_octets(octets)?;
        let (scheme, rest) = scan::split_once(octets, b':');
        let rest = rest.ok_or(UriError::Scheme)?;
        match SchemeRef::read(scheme)? {
            scheme @ (SchemeRef::Sip | SchemeRef::Sips) => Self::read_sip(scheme, rest),
            SchemeRef::Tel => Self::read_tel(rest),
            scheme @ SchemeRef::Other(_) => Self::opaque(scheme, rest),
        }
    }

    /// `SIP-URI` and `SIPS-URI` (RFC 3261 §25.1). Everything before the `@` is the user, also `;`
    /// and `?`.
    fn read_sip(scheme: SchemeRef<'a>, rest: &'a [u8]) -> Result<Self, UriError> {
        let (user, password, rest) = match scan::split_once(rest, b'@') {
            (userinfo, Some(rest)) => {
                let (user, password) = scan::split_once(userinfo, b':');
                if user.is_empty() {
                    return Err(UriError::User);
                }
                (Some(user), password, rest)
            }
            (rest, None) => (None, None, rest),
        };
        let (rest, headers) = scan::split_once(rest, b'?');
        let start = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (hostport, params) = rest.split_at(start);
        let (host, port) = read_hostport(hostport)?;
        Params::check_uri(params).map_err(|_| UriError::Param)?;
        Ok(Self {
            scheme,
            user,
            password,
            host,
            port,
            params,
            headers,
        })
    }

    /// RFC 3966 §3.
    fn read_tel(rest: &'a [u8]) -> Result<Self, UriError> {
        let start = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (number, params) = rest.split_at(start);
        Params::check_uri(params).map_err(|_| UriError::Param)?;
        Ok(Self {
            params,
            ..Self::opaque(SchemeRef::Tel, number)?
        })
    }

    fn opaque(scheme: SchemeRef<'a>, rest: &'a [u8]) -> Result<Self, UriError> {
        if rest.is_empty() {
            return Err(UriError::Empty);
        }
        Ok(Self {
            scheme,
            user: Some(rest),
            password: None,
            host: HostRef::Name(&[]),
            port: None,
            params: &[],
            headers: None,
        })
    }

    /// The parts, sharing the storage of the text that was read.
    pub(crate) fn share(self, text: &Text) -> UriParts {
        UriParts {
            scheme: match self.scheme {
                SchemeRef::Sip => Scheme::Sip,
                SchemeRef::Sips => Scheme::Sips,
                SchemeRef::Tel => Scheme::Tel,
                SchemeRef::Other(name) => Scheme::Other(text.slice_of(name)),
            },
            user: self.user.map(|part| text.slice_of(part)),
            password: self.password.map(|part| text.slice_of(part)),
            host: self.host.share(text),
            port: self.port,
            params: Params::checked(text.slice_of(self.params)),
            headers: self.headers.map(|part| text.slice_of(part)),
        }
    }
}

impl<'a> SchemeRef<'a> {
    fn read(scheme: &'a [u8]) -> Result<Self, UriError> {
        if scheme.eq_ignore_ascii_case(b"sip") {
            return Ok(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case(b"sips") {
            return Ok(Self::Sips);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            return Ok(Self::Tel);
        }
        let legal =
            |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
        if scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(legal) {
            Ok(Self::Other(scheme))
        } else {
            Err(UriError::Scheme)
        }
    }
}

impl<'a> HostRef<'a> {
    /// Reads `name`, `1.2.3.4` or `[2001:db8::1]`.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, UriError> {
        if let Some(inner) = octets.strip_prefix(b"[") {
            let inner = inner.strip_suffix(b"]").ok_or(UriError::Ipv6)?;
            let address = std::str::from_utf8(inner).map_err(|_| UriError::Ipv6)?;
            return address.parse().map(Self::V6).map_err(|_| UriError::Ipv6);
        }
        let numeric = |octet: &u8| octet.is_ascii_digit() || *octet == b'.';
        if octets.first().is_some_and(u8::is_ascii_digit) && octets.iter().all(numeric) {
            let address = std::str::from_utf8(octets).map_err(|_| UriError::Host)?;
            return address.parse().map(Self::V4).map_err(|_| UriError::Host);
        }
        let legal =
            |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
        if octets.is_empty() || !octets.iter().all(legal) {
            return Err(UriError::Host);
        }
        Ok(Self::Name(octets))
    }

    /// The address, if it is one.
    pub(crate) const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// The host, sharing the storage of the text that was read.
    pub(crate) fn share(self, text: &Text) -> Host {
        match self {
            Self::Name(name) => Host::Name(text.slice_of(name)),
            Self::V4(address) => Host::V4(address),
            Self::V6(address) => Host::V6(address),
        }
    }
}

/// `hostport`; white space around the colon, which only Via may have, is the caller's business.
pub(crate) fn read_hostport(hostport: &[u8]) -> Result<(HostRef<'_>, Option<u16>), UriError> {
    let end = if hostport.first() == Some(&b'[') {
        memchr::memchr(b']', hostport).ok_or(UriError::Ipv6)? + 1
    } else {
        memchr::memchr(b':', hostport).unwrap_or(hostport.len())
    };
    let (host, port) = hostport.split_at(end);
    let host = HostRef::read(scan::trim(host))?;
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

/// Octets that stand in no URI, whatever its scheme.
fn check_octets(octets: &[u8]) -> Result<(), UriError> {
    if octets.is_empty() {
        return Err(UriError::Empty);
    }
    let odd = |octet: u8| matches!(octet, 0..=0x20 | b'"' | b'%' | b'<' | b'>' | b'\\' | 0x7f);
    if !octets
        .iter()
        .fold(false, |found, &octet| found | odd(octet))
    {
        return Ok(());
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
