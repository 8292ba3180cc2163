//! Session-Expires and Min-SE (RFC 4028), Replaces (RFC 3891).

use super::media::split_params;
use super::sequence::delta_seconds;
use crate::msg::header::{HeaderError, Headers};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan;
use crate::msg::text::Text;
use std::fmt;

/// Who refreshes the session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub seconds: u32,
    /// Who refreshes; `None` leaves it to the answer.
    pub refresher: Option<Refresher>,
}

/// Replaces (RFC 3891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// Call-ID of the dialog to replace.
    pub call_id: Text,
    /// Its tag on the side of who receives this.
    pub to_tag: Text,
    /// Its tag on the other side.
    pub from_tag: Text,
    /// Only if the dialog is early.
    pub early_only: bool,
}

impl SessionExpires {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (seconds, params) = split_params(text);
        let refresher = match Params::of_header(params)?.get("refresher") {
            None => None,
            Some(who) if who.eq_ignore_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err("Bad Refresher"),
        };
        Ok(Self {
            seconds: delta_seconds(seconds)?,
            refresher,
        })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.seconds)
    }
}

impl Replaces {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (call_id, params) = split_params(text);
        let params = Params::of_header(params)?;
        if call_id.is_empty() || call_id.iter().any(|&octet| scan::is_space(octet)) {
            return Err("Bad Call-ID");
        }
        Ok(Self {
            call_id: text.slice_of(call_id),
            to_tag: params.get("to-tag").ok_or("Missing to-tag")?,
            from_tag: params.get("from-tag").ok_or("Missing from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    /// Reads the value as it stands in the headers of a Refer-To URI, escaped.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse_escaped(text: &[u8]) -> Result<Self, &'static str> {
        Self::parse(&Text::copy_from(&scan::unescape(text)))
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{};to-tag={};from-tag={}",
            self.call_id, self.to_tag, self.from_tag
        )?;
        if self.early_only {
            f.write_str(";early-only")
        } else {
            Ok(())
        }
    }
}

impl Headers {
    /// Session-Expires.
    ///
    /// # Errors
    /// Malformed.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        self.one(HeaderName::SessionExpires, SessionExpires::parse)
    }

    /// Min-SE (RFC 4028 §5), in seconds.
    ///
    /// # Errors
    /// Malformed.
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        self.one(HeaderName::MinSe, |value| {
            delta_seconds(split_params(value).0)
        })
    }

    /// Replaces.
    ///
    /// # Errors
    /// Malformed; also when it stands twice (RFC 3891 §3).
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        if self.get_all(&HeaderName::Replaces).count() > 1 {
            return Err(HeaderError::new(
                HeaderName::Replaces,
                "More Than One Value",
            ));
        }
        self.one(HeaderName::Replaces, Replaces::parse)
    }
}
