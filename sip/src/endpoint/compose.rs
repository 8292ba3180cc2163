//! The header fields every message of ours carries: Via, Contact and what we can do.

use super::{Body, Config, Contact, Endpoint, Flow, Target, Transport, Via};
use crate::id::hex;
use crate::msg::{HeaderName, Headers, Host, MediaType, Request, Text, Via as ViaField};
use crate::transaction::COOKIE;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// The configuration's lists, printed once.
#[derive(Debug, Default)]
pub(super) struct Lists {
    allow: Text,
    supported: Text,
    allow_events: Text,
    accept: Text,
    accepted: Vec<MediaType>,
}

impl Lists {
    pub(super) fn new(config: &Config) -> Self {
        let methods: Vec<&str> = config
            .allow
            .iter()
            .map(crate::msg::Method::as_str)
            .collect();
        Self {
            allow: Text::from(methods.join(", ")),
            supported: joined(&config.supported),
            allow_events: joined(&config.allow_events),
            accept: joined(&config.accept),
            accepted: config
                .accept
                .iter()
                .filter_map(|t| MediaType::parse(t).ok())
                .collect(),
        }
    }

    pub(super) fn accepts(&self, kind: &MediaType) -> bool {
        kind.kind.eq_ignore_case("multipart")
            || self.accepted.iter().any(|accepted| accepted.covers(kind))
    }

    /// Allow alone, for 405 and 501.
    pub(super) fn push_allow(&self, headers: &mut Headers) {
        push_list(headers, HeaderName::Allow, &self.allow);
    }

    /// Allow-Events alone, for 489.
    pub(super) fn push_allow_events(&self, headers: &mut Headers) {
        push_list(headers, HeaderName::AllowEvents, &self.allow_events);
    }

    /// Accept alone, for 415.
    pub(super) fn push_accept(&self, headers: &mut Headers) {
        push_list(headers, HeaderName::Accept, &self.accept);
    }

    /// What INVITE, UPDATE, their 2xx and the answer to OPTIONS tell (§13.2.1, §13.3.1.4, §11.2).
    /// What stands there already is left.
    pub(super) fn push_capabilities(&self, headers: &mut Headers) {
        push_list(headers, HeaderName::Allow, &self.allow);
        push_list(headers, HeaderName::Supported, &self.supported);
        push_list(headers, HeaderName::AllowEvents, &self.allow_events);
    }
}

fn push_list(headers: &mut Headers, name: HeaderName, value: &Text) {
    if !value.is_empty() && !headers.has(&name) {
        headers.push(name, value.clone());
    }
}

fn joined(tokens: &[Text]) -> Text {
    let tokens: Vec<String> = tokens.iter().map(Text::to_string).collect();
    Text::from(tokens.join(", "))
}

impl Endpoint {
    /// The host and port we are reached at over this way.
    fn own_address(&self, via: &Via) -> (Host, Option<u16>) {
        let Target { transport, remote } = target_of(via);
        let local = match via {
            Via::Flow(flow) => Some(self.sources.reached_by(flow)),
            Via::Target(target) => self.sources.towards(*target),
        };
        if let Some(ip) = self.sources.told(remote.ip().to_canonical()) {
            let port = local.map(|local| local.port());
            return (host_of((ip, port.unwrap_or_default()).into()), port);
        }
        let same_transport = self
            .config
            .advertised
            .iter()
            .filter(|a| a.transport == transport);
        let family = |host: &Host| match host {
            Host::Name(_) => true,
            Host::V4(_) => remote.ip().to_canonical().is_ipv4(),
            Host::V6(_) => !remote.ip().to_canonical().is_ipv4(),
        };
        let mut fitting = same_transport.clone().filter(|a| family(&a.host));
        if let Some(fits) = fitting.next() {
            return (fits.host.clone(), fits.port);
        }
        if let Some(local) = local.filter(|local| !local.ip().is_unspecified()) {
            return (host_of(local), Some(local.port()));
        }
        match same_transport
            .clone()
            .next()
            .or_else(|| self.config.advertised.first())
        {
            Some(any) => (
                any.host.clone(),
                any.port.filter(|_| any.transport == transport),
            ),
            None => (Host::Name(Text::from_static("localhost")), None),
        }
    }

    /// Puts our Via in front (§8.1.1.7), with the request for a symmetric answer (RFC 3581 §3).
    pub(super) fn push_via(&self, request: &mut Request, via: &Via, branch: u64) {
        let (host, port) = self.own_address(via);
        let mut field = ViaField::new(Text::from_static(transport_of(via).via_name()), host, port);
        let mut cookie = String::with_capacity(23);
        cookie.push_str(COOKIE);
        cookie.push_str(&hex(branch));
        field.set_branch(&cookie);
        if !transport_of(via).is_reliable() {
            field.set_rport(None);
        }
        request.headers.prepend(HeaderName::Via, &field);
    }

    /// Our Contact as the peer behind this way reaches it (§8.1.1.8); `secured`: as a `sips:` URI,
    /// whose transport names what is below TLS (RFC 5630 §3.1.3).
    pub(super) fn contact_value(&self, contact: &Contact, via: &Via, secured: bool) -> Text {
        let (host, port) = match &contact.seen_as {
            Some(seen) => seen.clone(),
            None => self.own_address(via),
        };
        let secured = secured && transport_of(via).is_secure();
        let mut value = String::with_capacity(64);
        value.push_str(if secured { "<sips:" } else { "<sip:" });
        if let Some(user) = &contact.user {
            value.push_str(&user.to_str_lossy());
            value.push('@');
        }
        // Writing to a String does not fail.
        write!(value, "{host}").unwrap_or_default();
        if let Some(port) = port {
            write!(value, ":{port}").unwrap_or_default();
        }
        let transport = match transport_of(via) {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls if secured => "",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        value.push_str(transport);
        value.push_str(&String::from_utf8_lossy(contact.uri_params.as_bytes()));
        value.push('>');
        value.push_str(&String::from_utf8_lossy(contact.params.as_bytes()));
        Text::from(value)
    }

    /// Writes a body and its type into a message.
    pub(super) fn put_body(headers: &mut Headers, to: &mut bytes::Bytes, body: Option<&Body>) {
        if let Some(body) = body {
            headers.set(HeaderName::ContentType, body.content_type.clone());
            *to = body.octets.clone();
        }
    }
}

/// The transport of a way.
pub(super) fn transport_of(via: &Via) -> Transport {
    match via {
        Via::Flow(flow) => flow.transport,
        Via::Target(target) => target.transport,
    }
}

/// The target of a way.
pub(super) fn target_of(via: &Via) -> Target {
    match via {
        Via::Flow(Flow {
            transport, remote, ..
        }) => Target {
            transport: *transport,
            remote: *remote,
        },
        Via::Target(target) => *target,
    }
}

fn host_of(address: SocketAddr) -> Host {
    match address.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => Host::V4(ip),
        std::net::IpAddr::V6(ip) => Host::V6(ip),
    }
}

/// The session description of a message: none if there is no body, or if the sender disposes of it
/// otherwise (RFC 3261 §20.11).
pub(super) fn session_body(headers: &Headers, octets: &bytes::Bytes) -> Option<Body> {
    if octets.is_empty() {
        return None;
    }
    if let Ok(Some(disposition)) = headers.content_disposition()
        && !disposition.kind.eq_ignore_case("session")
    {
        return None;
    }
    let content_type = headers.get(&HeaderName::ContentType).cloned();
    Some(Body {
        content_type: content_type.unwrap_or(Text::from_static("application/sdp")),
        octets: octets.clone(),
    })
}
