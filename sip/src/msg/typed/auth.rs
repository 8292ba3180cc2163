//! Challenges and credentials as lists of parameters (RFC 3261 §20.7, §20.27, §20.28, §20.44).

use super::sequence::split_space;
use crate::msg::header::{HeaderError, Headers};
use crate::msg::name::HeaderName;
use crate::msg::scan;
use crate::msg::text::Text;
use smallvec::SmallVec;
use std::fmt;

/// `Digest realm="…", nonce="…"`: a scheme and its parameters, as spelled.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthParams {
    /// `Digest`, `NTLM` or another token.
    pub scheme: Text,
    params: SmallVec<[(Text, Text); 8]>,
}

impl AuthParams {
    /// Reads the value of one header field. (These fields are the exception to the comma rule:
    /// one value each, RFC 3261 §7.3.1.)
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (scheme, rest) = split_space(scan::trim(text.as_bytes()));
        if !scan::is_token(scheme) {
            return Err("Bad Authentication Scheme");
        }
        let mut params = SmallVec::new();
        for element in scan::Elements::of(rest) {
            let element = element?;
            if element.is_empty() {
                continue;
            }
            let (name, value) = scan::split_once(element, b'=');
            let value = value.unwrap_or_default();
            params.push((
                text.slice_of(scan::trim(name)),
                text.slice_of(scan::trim(value)),
            ));
        }
        Ok(Self {
            scheme: text.slice_of(scheme),
            params,
        })
    }

    /// A scheme without parameters yet.
    #[must_use]
    pub fn new(scheme: impl Into<Text>) -> Self {
        Self {
            scheme: scheme.into(),
            params: SmallVec::new(),
        }
    }

    /// With a parameter, printed as it is: quote what must be quoted.
    #[must_use]
    pub fn with(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// The value of a parameter, unquoted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self
            .params
            .iter()
            .find(|(key, _)| key.eq_ignore_case(name))?;
        Some(scan::unquote(value.as_bytes()).into_owned())
    }

    /// Names and values as spelled.
    pub fn iter(&self) -> std::slice::Iter<'_, (Text, Text)> {
        self.params.iter()
    }
}

impl<'a> IntoIterator for &'a AuthParams {
    type Item = &'a (Text, Text);
    type IntoIter = std::slice::Iter<'a, (Text, Text)>;

    fn into_iter(self) -> Self::IntoIter {
        self.params.iter()
    }
}

impl fmt::Display for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheme.fmt(f)?;
        for (at, (name, value)) in self.params.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma} {name}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for AuthParams {
    /// Without the values: they are secrets or lead to them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthParams({} …)", self.scheme)
    }
}

impl Headers {
    fn auth(&self, name: &HeaderName) -> Result<SmallVec<[AuthParams; 1]>, HeaderError> {
        self.get_all(name)
            .map(|value| {
                AuthParams::parse(value).map_err(|reason| HeaderError::new(name.clone(), reason))
            })
            .collect()
    }

    /// WWW-Authenticate.
    ///
    /// # Errors
    /// Malformed.
    pub fn www_authenticate(&self) -> Result<SmallVec<[AuthParams; 1]>, HeaderError> {
        self.auth(&HeaderName::WwwAuthenticate)
    }

    /// Proxy-Authenticate.
    ///
    /// # Errors
    /// Malformed.
    pub fn proxy_authenticate(&self) -> Result<SmallVec<[AuthParams; 1]>, HeaderError> {
        self.auth(&HeaderName::ProxyAuthenticate)
    }

    /// Authorization.
    ///
    /// # Errors
    /// Malformed.
    pub fn authorization(&self) -> Result<SmallVec<[AuthParams; 1]>, HeaderError> {
        self.auth(&HeaderName::Authorization)
    }

    /// Proxy-Authorization.
    ///
    /// # Errors
    /// Malformed.
    pub fn proxy_authorization(&self) -> Result<SmallVec<[AuthParams; 1]>, HeaderError> {
        self.auth(&HeaderName::ProxyAuthorization)
    }
}
