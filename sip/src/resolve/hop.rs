//! The next hop of a request, as its URI names it (RFC 3263 §4.1).

use crate::endpoint::Transport;
use crate::msg::{Host, Scheme, Uri};
use std::net::IpAddr;

/// What a URI says about where to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// `sips:`: every hop is secure.
    pub secure: bool,
    /// `maddr` if there is one, else the host.
    pub host: HopHost,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// The transport, if one is given.
    pub transport: Option<Transport>,
}

/// A host to find or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HopHost {
    /// An address.
    Numeric(IpAddr),
    /// A name for DNS.
    Name(String),
}

impl NextHop {
    /// Reads a URI. `None` if no request can be sent for it: it has no host, or asks for a
    /// transport that does not exist or is not secure enough for `sips:`.
    #[must_use]
    pub fn new(uri: &Uri) -> Option<Self> {
        let secure = match &uri.scheme {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other(_) => return None,
        };
        // RFC 3261 §19.1.1: maddr overrides any address derived from the host field.
        let host = match uri.param("maddr") {
            Some(maddr) => HopHost::new(maddr.to_str()?),
            None => match &uri.host {
                Host::V4(ip) => HopHost::Numeric(IpAddr::V4(*ip)),
                Host::V6(ip) => HopHost::Numeric(IpAddr::V6(*ip)),
                Host::Name(name) => HopHost::new(name.to_str()?),
            },
        };
        if host == HopHost::Name(String::new()) {
            return None;
        }
        let transport = match uri.param("transport") {
            Some(name) => Some(transport(name.to_str()?, secure)?),
            None => None,
        };
        Some(Self {
            secure,
            host,
            port: uri.port,
            transport,
        })
    }

    /// The transport when neither the URI nor DNS names one (RFC 3263 §4.1).
    #[must_use]
    pub fn default_transport(&self) -> Transport {
        let default = if self.secure {
            Transport::Tls
        } else {
            Transport::Udp
        };
        self.transport.unwrap_or(default)
    }
}

impl HopHost {
    /// RFC 2606 §2: a name that is nobody's, such as browsers put into their Contact (RFC 7118 §5).
    pub(super) fn is_nowhere(&self) -> bool {
        match self {
            Self::Numeric(_) => false,
            Self::Name(name) => name.rsplit('.').next() == Some("invalid"),
        }
    }

    fn new(host: &str) -> Self {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        match bare.parse() {
            Ok(ip) => Self::Numeric(ip),
            Err(_) => Self::Name(bare.trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

/// A transport parameter; with `sips:` it names what is below TLS (RFC 3261 §26.2.2).
fn transport(name: &str, secure: bool) -> Option<Transport> {
    let transports = [
        ("udp", Transport::Udp, None),
        ("tcp", Transport::Tcp, Some(Transport::Tls)),
        ("tls", Transport::Tls, Some(Transport::Tls)),
        ("ws", Transport::Ws, Some(Transport::Wss)),
        ("wss", Transport::Wss, Some(Transport::Wss)),
    ];
    let (_, plain, secured) = transports
        .into_iter()
        .find(|(known, ..)| name.eq_ignore_ascii_case(known))?;
    if secure { secured } else { Some(plain) }
}
