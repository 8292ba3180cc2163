//! Request methods.

use super::scan;
use super::text::Text;
use std::fmt;

/// A request method. Methods are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Subscribe,
    Notify,
    Refer,
    Message,
    Publish,
    Service,
    Benotify,
    /// Any other token, kept as it was.
    Extension(Text),
}

impl Method {
    /// The method of this token; `None` if it is no token.
    #[must_use]
    pub fn from_bytes(token: &[u8]) -> Option<Self> {
        Self::known(token)
            .or_else(|| scan::is_token(token).then(|| Self::Extension(Text::copy_from(token))))
    }

    /// As [`Method::from_bytes`], sharing the storage of `whole`, of which `token` is a part.
    pub(crate) fn from_part(whole: &Text, token: &[u8]) -> Option<Self> {
        Self::known(token)
            .or_else(|| scan::is_token(token).then(|| Self::Extension(whole.slice_of(token))))
    }

    fn known(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"INFO" => Self::Info,
            b"UPDATE" => Self::Update,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"PUBLISH" => Self::Publish,
            b"SERVICE" => Self::Service,
            b"BENOTIFY" => Self::Benotify,
            _ => return None,
        })
    }

    /// The token. (An extension method is a token and therefore ASCII.)
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Service => "SERVICE",
            Self::Benotify => "BENOTIFY",
            Self::Extension(token) => token.to_str().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
