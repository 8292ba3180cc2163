//! The opening handshake (RFC 6455 §4.2, RFC 7118 §4): from an HTTP request to a WebSocket.
//!
//! Where HTTP is spoken by somebody else, [`UpgradeRequest`] is filled from its request; on a port of
//! our own [`UpgradeRequest::read`] reads the head itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Which pages may open a WebSocket here (RFC 6455 §10.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any page, and programs that are no page.
    #[default]
    Any,
    /// Pages of these origins (`https://meet.example.com`), and programs that name no origin.
    Only(Vec<String>),
}

impl Origins {
    fn allows(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Only(_), None) => true,
            (Self::Only(known), Some(origin)) => known
                .iter()
                .any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(origin)),
        }
    }
}

/// What of an HTTP request decides about the upgrade.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpgradeRequest<'a> {
    /// `Upgrade`.
    pub upgrade: Option<&'a str>,
    /// `Connection`.
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a str>,
    /// `Sec-WebSocket-Protocol`, all of them joined by commas.
    pub protocols: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
}

/// Why a request is not upgraded, with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no HTTP request.
    #[error("not an HTTP request")]
    NotHttp,
    /// It wants something else than a WebSocket.
    #[error("this is a WebSocket for SIP (RFC 7118); the request asks for no WebSocket")]
    NotWebSocket,
    /// RFC 6455 §4.4: we know version 13.
    #[error("the WebSocket version is not 13")]
    Version,
    /// The key is not 16 octets in base64.
    #[error("Sec-WebSocket-Key is missing or not 16 octets in base64")]
    Key,
    /// RFC 7118 §4: "the client MUST include the value \"sip\"".
    #[error("the sub-protocol \"sip\" is not among Sec-WebSocket-Protocol")]
    Protocol,
    /// The page is not one of those that may.
    #[error("pages of this origin may not connect; add the origin to sip.websocket_origins")]
    Origin,
}

impl Refused {
    /// The HTTP status it is answered with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotHttp | Self::Key | Self::Protocol => 400,
            Self::NotWebSocket | Self::Version => 426,
            Self::Origin => 403,
        }
    }

    /// The whole answer on a port of our own.
    #[must_use]
    pub fn response(self) -> String {
        let reason = match self.status() {
            403 => "Forbidden",
            426 => "Upgrade Required",
            _ => "Bad Request",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{self}\n",
            self.status(),
            self.to_string().len() + 1,
        )
    }
}

impl<'a> UpgradeRequest<'a> {
    /// Reads the head of a request, from the request line to the empty line.
    ///
    /// # Errors
    /// It is no GET of HTTP/1.1.
    pub fn read(head: &'a str) -> Result<Self, Refused> {
        let mut lines = head.split("\r\n");
        let mut line = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (line.next(), line.next(), line.next());
        if method != Some("GET") || target.is_none() || version != Some("HTTP/1.1") {
            return Err(Refused::NotHttp);
        }
        let mut request = Self::default();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(Refused::NotHttp)?;
            let field = [
                ("upgrade", &mut request.upgrade),
                ("connection", &mut request.connection),
                ("sec-websocket-version", &mut request.version),
                ("sec-websocket-key", &mut request.key),
                ("sec-websocket-protocol", &mut request.protocols),
                ("origin", &mut request.origin),
            ];
            let known = field
                .into_iter()
                .find(|(known, _)| name.eq_ignore_ascii_case(known));
            if let Some((_, field)) = known {
                *field = Some(value.trim());
            }
        }
        Ok(request)
    }

    /// The value of `Sec-WebSocket-Accept` with which the upgrade is granted (RFC 6455 §4.2.2); the
    /// sub-protocol is [`Self::PROTOCOL`].
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, origins: &Origins) -> Result<String, Refused> {
        let has = |list: Option<&str>, wanted: &str| {
            list.unwrap_or_default()
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(wanted))
        };
        if !has(self.upgrade, "websocket") || !has(self.connection, "upgrade") {
            return Err(Refused::NotWebSocket);
        }
        if self.version != Some("13") {
            return Err(Refused::Version);
        }
        let key = self.key.unwrap_or_default();
        if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
            return Err(Refused::Key);
        }
        if !has(self.protocols, Self::PROTOCOL) {
            return Err(Refused::Protocol);
        }
        if !origins.allows(self.origin) {
            return Err(Refused::Origin);
        }
        let mut hash = Sha1::new();
        hash.update(key);
        hash.update(GUID);
        Ok(STANDARD.encode(hash.finalize()))
    }

    /// The answer that grants it on a port of our own.
    #[must_use]
    pub fn response(accept: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
            Self::PROTOCOL
        )
    }

    /// The sub-protocol (RFC 7118 §4).
    pub const PROTOCOL: &'static str = "sip";
}

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
