//! A challenge: `WWW-Authenticate` and `Proxy-Authenticate` (RFC 7616 §3.3, RFC 8760 §2.2).

use super::algorithm::{Algorithm, Hash};
use super::digest::Qop;
use crate::msg::{AuthParams, Text};
use std::fmt::Write as _;
use thiserror::Error;

/// A challenge to which an answer can be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are asked for.
    pub realm: String,
    /// The server's nonce, unquoted.
    pub nonce: String,
    /// To be returned as it is.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// The qualities offered that we know; none: RFC 2069's form.
    pub qop: Vec<Qop>,
    /// The digest was right, only its nonce was too old.
    pub stale: bool,
}

/// Why a challenge cannot be answered. It is the server's fault, or our lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChallengeError {
    /// Another scheme than Digest.
    #[error("the challenge is not a Digest")]
    Scheme,
    /// It has no `realm` or no `nonce`.
    #[error("the challenge has no realm or no nonce")]
    Incomplete,
    /// A hash function we do not know.
    #[error("the algorithm of the challenge is not known")]
    Algorithm,
    /// It has `qop`, but none we know.
    #[error("none of the qualities of protection is known")]
    Qop,
}

impl Challenge {
    /// Reads one challenge.
    ///
    /// # Errors
    /// Why it cannot be answered.
    pub fn read(params: &AuthParams) -> Result<Self, ChallengeError> {
        if !params.scheme.eq_ignore_case("Digest") {
            return Err(ChallengeError::Scheme);
        }
        let (Some(realm), Some(nonce)) = (params.get("realm"), params.get("nonce")) else {
            return Err(ChallengeError::Incomplete);
        };
        let algorithm = match params.get("algorithm") {
            None => Algorithm::plain(Hash::Md5),
            Some(name) => Algorithm::from_name(&name).ok_or(ChallengeError::Algorithm)?,
        };
        let qop = match params.get("qop") {
            None => Vec::new(),
            Some(list) => {
                let known = list.split(',').map(str::trim).filter_map(Qop::from_name);
                let known: Vec<Qop> = known.collect();
                if known.is_empty() {
                    return Err(ChallengeError::Qop);
                }
                known
            }
        };
        let stale = params.get("stale");
        Ok(Self {
            realm,
            nonce,
            opaque: params.get("opaque"),
            algorithm,
            qop,
            stale: stale.is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The value of the header field.
    #[must_use]
    pub fn print(&self) -> Text {
        let mut value = format!(
            "Digest realm={}, nonce={}",
            quote(&self.realm),
            quote(&self.nonce)
        );
        if let Some(opaque) = &self.opaque {
            push(&mut value, "opaque", &quote(opaque));
        }
        push(&mut value, "algorithm", self.algorithm.name());
        if !self.qop.is_empty() {
            let names: Vec<&str> = self.qop.iter().map(|qop| qop.name()).collect();
            push(&mut value, "qop", &quote(&names.join(",")));
        }
        if self.stale {
            push(&mut value, "stale", "true");
        }
        Text::from(value)
    }
}

pub(super) fn push(value: &mut String, name: &str, what: &str) {
    // Writing to a String does not fail.
    write!(value, ", {name}={what}").unwrap_or_default();
}

pub(super) fn quote(text: &str) -> String {
    crate::msg::scan::quote(text)
}
