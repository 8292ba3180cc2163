//! Why the focus says no: one status, and words a human can use (RFC 3261 §20.43, §21).

use plenum_mcu::control::McuError;
use plenum_sip::msg::{StatusCode, Text};
use std::time::Duration;

/// A refusal of a call or a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody made a conference of this name, and a call does not.
    #[error("There is no conference of this name")]
    UnknownConference,
    /// The host of the Request-URI is not ours.
    #[error("This server does not answer for that domain")]
    WrongDomain,
    /// The Request-URI is no SIP URI.
    #[error("Conferences have sip: addresses only")]
    Scheme,
    /// The caller may not create conferences, and there is none of this name.
    #[error("There is no conference of this name, and it cannot be created from your network")]
    MayNotCreate,
    /// The caller created too many conferences in the last minute.
    #[error("Too many new conferences from your address, try again later")]
    CreationRate(Duration),
    /// The server has as many active conferences as it can.
    #[error("This server has no room for another conference, try again later")]
    TooManyConferences(Duration),
    /// The conference is locked.
    #[error("This conference is locked")]
    Locked,
    /// Policy does not let the caller in, and there is no lobby (CB-033, CB-259).
    #[error("You are not invited to this conference")]
    NotInvited,
    /// The conference has no place left.
    #[error("This conference is full")]
    Full,
    /// The conference or the server is being ended.
    #[error("This conference is ending, try again later")]
    Draining(Duration),
    /// Too many wrong PINs came from the caller's address.
    #[error("Too many wrong PINs from your address, try again in {} seconds", .0.as_secs().max(1))]
    PinGuard(Duration),
    /// The conference asks people nobody knows for its key (MS-CONFBAS CB-058), with this challenge.
    #[error("This conference asks for its key")]
    Key(Text),
    /// The credentials cannot be read (RFC 3261 §22.4).
    #[error("{0}")]
    MalformedCredentials(&'static str),
    /// The body is of a type that is not understood here.
    #[error("Only session descriptions (application/sdp) are understood here")]
    UnsupportedMedia,
    /// The body cannot be read.
    #[error("The session description cannot be read: {0}")]
    MalformedOffer(String),
    /// The offer has nothing we can agree on.
    #[error("No agreement on media: {reason}")]
    Incompatible {
        /// What kind of thing cannot be agreed on (RFC 3261 §20.43).
        warn_code: u16,
        /// In words.
        reason: String,
    },
    /// The server has no resources left.
    #[error("This server is out of {0}, try again later")]
    Overloaded(&'static str, Duration),
    /// The conference has too many messages waiting.
    #[error("This conference is too busy, try again later")]
    Busy(Duration),
    /// The conference has to be recorded, and cannot be.
    #[error("This conference has to be recorded and cannot be, try again later")]
    NotRecorded(Duration),
    /// A bug of ours.
    #[error("This server made a mistake")]
    Fault,
}

impl Refusal {
    /// What the error of an MCU means to the caller. `retry_after` is for overload.
    pub fn from_mcu(error: McuError, retry_after: Duration) -> Self {
        match error {
            McuError::MalformedSdp(text) => Self::MalformedOffer(text),
            McuError::Incompatible { warn_code, reason } => {
                Self::Incompatible { warn_code, reason }
            }
            McuError::Full => Self::Full,
            McuError::Overloaded(what) => Self::Overloaded(what, retry_after),
            McuError::NotRecorded(_) => Self::NotRecorded(retry_after),
            McuError::Unknown(_) | McuError::NotSupported => Self::Fault,
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownConference | Self::WrongDomain | Self::MayNotCreate => {
                StatusCode::NOT_FOUND
            }
            Self::Scheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::Locked | Self::NotInvited => StatusCode::FORBIDDEN,
            Self::Full => StatusCode::BUSY_HERE,
            Self::PinGuard(_) => StatusCode::TEMPORARILY_UNAVAILABLE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Key(_) => StatusCode::UNAUTHORIZED,
            Self::MalformedOffer(_) | Self::MalformedCredentials(_) => StatusCode::BAD_REQUEST,
            Self::Incompatible { .. } => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::Fault => StatusCode::SERVER_INTERNAL_ERROR,
            Self::CreationRate(_)
            | Self::TooManyConferences(_)
            | Self::Draining(_)
            | Self::Overloaded(..)
            | Self::NotRecorded(_)
            | Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// After how long another try makes sense (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CreationRate(after)
            | Self::TooManyConferences(after)
            | Self::Draining(after)
            | Self::PinGuard(after)
            | Self::Overloaded(_, after)
            | Self::NotRecorded(after)
            | Self::Busy(after) => Some(*after),
            Self::UnknownConference
            | Self::WrongDomain
            | Self::Scheme
            | Self::MayNotCreate
            | Self::Locked
            | Self::NotInvited
            | Self::Full
            | Self::Key(_)
            | Self::MalformedCredentials(_)
            | Self::UnsupportedMedia
            | Self::MalformedOffer(_)
            | Self::Incompatible { .. }
            | Self::Fault => None,
        }
    }

    /// The warn-code of RFC 3261 §20.43: what the negotiation of media says, else 399.
    pub fn warn_code(&self) -> u16 {
        if let Self::Incompatible { warn_code, .. } = self {
            *warn_code
        } else {
            399
        }
    }

    /// The value of the `Warning` header field, with `agent` as who warns.
    pub fn warning(&self, agent: &str) -> String {
        let mut text = String::with_capacity(96);
        for c in self.to_string().chars().take(200) {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => text.push(' '),
                c => text.push(c),
            }
        }
        format!("{} {agent} \"{text}\"", self.warn_code())
    }

    /// A short name for counters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownConference => "unknown",
            Self::WrongDomain => "domain",
            Self::Scheme => "scheme",
            Self::MayNotCreate => "may_not_create",
            Self::CreationRate(_) => "creation_rate",
            Self::TooManyConferences(_) => "conferences",
            Self::Locked => "locked",
            Self::NotInvited => "not_invited",
            Self::Full => "full",
            Self::Draining(_) => "draining",
            Self::PinGuard(_) => "pin_guard",
            Self::Key(_) => "key",
            Self::MalformedCredentials(_) => "malformed_credentials",
            Self::UnsupportedMedia => "media_type",
            Self::MalformedOffer(_) => "malformed_offer",
            Self::Incompatible { .. } => "incompatible",
            Self::Overloaded(..) => "overloaded",
            Self::Busy(_) => "busy",
            Self::NotRecorded(_) => "not_recorded",
            Self::Fault => "fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_20_43_warnings_are_quoted_strings() {
        let refusal = Refusal::Incompatible {
            warn_code: 305,
            reason: "codec \"x\\y\"\r\nVia: evil".into(),
        };
        assert_eq!(
            refusal.warning("conf.example.com"),
            "305 conf.example.com \"No agreement on media: codec \\\"x\\\\y\\\"  Via: evil\""
        );
    }

    fn incompatible() -> McuError {
        McuError::Incompatible {
            warn_code: 304,
            reason: "video only".into(),
        }
    }

    #[test]
    fn rfc3261_20_43_the_warn_code_is_that_of_the_negotiation() {
        let refusal = Refusal::from_mcu(incompatible(), Duration::ZERO);
        assert_eq!(refusal.warn_code(), 304);
        assert_eq!(Refusal::Full.warn_code(), 399);
    }

    #[test]
    fn each_mcu_error_has_its_status() {
        let after = Duration::from_secs(7);
        for (error, code, retry) in [
            (McuError::MalformedSdp("v=".into()), 400, None),
            (incompatible(), 488, None),
            (McuError::Full, 486, None),
            (McuError::Overloaded("ports"), 503, Some(after)),
            (McuError::Unknown("endpoint"), 500, None),
            (McuError::NotSupported, 500, None),
        ] {
            let refusal = Refusal::from_mcu(error, after);
            assert_eq!(refusal.status().code(), code, "{refusal}");
            assert_eq!(refusal.retry_after(), retry, "{refusal}");
        }
    }
}
