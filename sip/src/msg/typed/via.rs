//! Via (RFC 3261 §20.42).

use crate::msg::header::{HeaderError, Headers, MISSING};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan::{self, Reason};
use crate::msg::text::Text;
use crate::msg::uri::{Host, HostRef, read_hostport};
use smallvec::SmallVec;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One hop of the way a response goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other token, as spelled.
    pub transport: Text,
    /// Host of `sent-by`.
    pub host: Host,
    /// Port of `sent-by`, if one is spelled.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` …
    pub params: Params,
}

impl Via {
    /// A hop without parameters.
    #[must_use]
    pub fn new(transport: impl Into<Text>, host: Host, port: Option<u16>) -> Self {
        Self {
            transport: transport.into(),
            host,
            port,
            params: Params::new(),
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let hop = HopRef::read(text.as_bytes())?;
        hop.check()?;
        Ok(Self {
            transport: text.slice_of(hop.transport),
            host: hop.host.share(text),
            port: hop.port,
            params: Params::checked(text.slice_of(hop.params)),
        })
    }

    /// The branch (RFC 3261 §8.1.1.7).
    #[must_use]
    pub fn branch(&self) -> Option<Text> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// Where the request really came from; in brackets or not (RFC 5118 §4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let received = self.params.get("received")?;
        let text = received.to_str()?;
        text.strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text)
            .parse()
            .ok()
    }

    /// `rport` (RFC 3581): `None` absent, `Some(None)` asked for, `Some(Some(port))` filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        let rport = self.params.get("rport")?;
        Some(rport.to_str().and_then(|port| port.parse().ok()))
    }

    /// Sets the branch.
    pub fn set_branch(&mut self, branch: &str) {
        self.params.set("branch", Some(branch));
    }

    /// Sets `received`.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", Some(&address.to_string()));
    }

    /// Sets `rport`; `None` asks the peer to fill it in.
    pub fn set_rport(&mut self, port: Option<u16>) {
        self.params
            .set("rport", port.map(|port| port.to_string()).as_deref());
    }

    /// The value to put into a header field, octet for octet.
    #[must_use]
    pub fn to_text(&self) -> Text {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            out.push(b':');
            out.extend_from_slice(port.to_string().as_bytes());
        }
        out.extend_from_slice(self.params.as_bytes());
        Text::from(out)
    }
}

impl From<&Via> for Text {
    fn from(via: &Via) -> Self {
        via.to_text()
    }
}

impl From<Via> for Text {
    fn from(via: Via) -> Self {
        via.to_text()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().fmt(f)
    }
}

impl Headers {
    /// The topmost Via.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn via(&self) -> Result<Via, HeaderError> {
        self.must(HeaderName::Via, |value| {
            let first = scan::Elements::of(value.as_bytes())
                .next()
                .ok_or(MISSING)??;
            Via::parse(&value.slice_of(first))
        })
    }

    /// All Vias, topmost first.
    ///
    /// # Errors
    /// Malformed.
    pub fn vias(&self) -> Result<SmallVec<[Via; 2]>, HeaderError> {
        self.list(&HeaderName::Via, false, Via::parse)
    }

    /// Adds `received` and fills in `rport` of the topmost Via (RFC 3261 §18.2.1, RFC 3581 §4),
    /// leaving every other octet of it as it was spelled.
    ///
    /// `received` is added when sent-by is another host than the source, and always where `rport`
    /// was asked for; one that the sender wrote itself goes. A Via whose parameters are malformed is stamped too: its answer has to find
    /// back.
    ///
    /// # Errors
    /// Missing, or unreadable up to sent-by.
    pub fn stamp_via(&mut self, source: SocketAddr) -> Result<(), HeaderError> {
        let fault = |reason| HeaderError::new(HeaderName::Via, reason);
        let value = self
            .first_mut(&HeaderName::Via)
            .ok_or_else(|| fault(MISSING))?;
        let (first, rest) = split_first_element(value);
        let hop = HopRef::read(first).map_err(fault)?;
        let mut params = Params::checked(value.slice_of(hop.params));
        let asked = params.get("rport").is_some_and(|port| port.is_empty());
        let address = source.ip().to_canonical();
        if hop.host.ip().map(|ip| ip.to_canonical()) != Some(address) || asked {
            params.set("received", Some(&address.to_string()));
        } else if params.has("received") {
            params.remove("received");
        } else {
            return Ok(());
        }
        if asked {
            params.set("rport", Some(&source.port().to_string()));
        }
        let (spelled, _) = scan::split_once(first, b';');
        *value = Text::from([spelled, params.as_bytes(), rest].concat());
        Ok(())
    }

    /// Replaces the topmost Via.
    pub fn set_top_via(&mut self, via: &Via) {
        match self.first_mut(&HeaderName::Via) {
            None => self.prepend(HeaderName::Via, via),
            Some(value) => {
                let (_, rest) = split_first_element(value);
                *value = Text::from([via.to_text().as_bytes(), rest].concat());
            }
        }
    }
}

/// A Via value, borrowed: what the checks of a message need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HopRef<'a> {
    version: &'a [u8],
    transport: &'a [u8],
    host: HostRef<'a>,
    port: Option<u16>,
    params: &'a [u8],
}

impl<'a> HopRef<'a> {
    /// Reads the part before the parameters, of any version of SIP. That is enough to know that
    /// somebody waits for an answer.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Reason> {
        let octets = scan::trim(octets);
        let start = memchr::memchr(b';', octets).unwrap_or(octets.len());
        let (hop, params) = octets.split_at(start);
        let (protocol, rest) = scan::split_once(hop, b'/');
        let (version, rest) = scan::split_once(rest.ok_or("Bad Protocol")?, b'/');
        if !scan::trim(protocol).eq_ignore_ascii_case(b"SIP") {
            return Err("Bad Protocol");
        }
        let rest = scan::trim(rest.ok_or("Missing Transport")?);
        let end = rest
            .iter()
            .position(|&octet| scan::is_space(octet))
            .ok_or("Missing Sent-By")?;
        let (transport, sent_by) = rest.split_at(end);
        if !scan::is_token(transport) {
            return Err("Bad Transport");
        }
        let (host, port) = read_hostport(scan::trim(sent_by)).map_err(|_| "Bad Sent-By")?;
        Ok(Self {
            version: scan::trim(version),
            transport,
            host,
            port,
            params,
        })
    }

    /// Checks what [`HopRef::read`] leaves open.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        if self.version != b"2.0" {
            return Err("Bad Protocol");
        }
        Params::check_header(self.params)
    }
}

/// The first element of a list, and the rest with its comma.
fn split_first_element(value: &Text) -> (&[u8], &[u8]) {
    let octets = value.as_bytes();
    let comma = scan::find_outside_quotes(octets, b",").ok().flatten();
    octets.split_at(comma.unwrap_or(octets.len()))
}
