//! Lists of tokens: option tags, methods, event packages.

use crate::msg::header::{HeaderError, Headers};
use crate::msg::method::Method;
use crate::msg::name::HeaderName;
use crate::msg::scan;
use crate::msg::text::Text;
use smallvec::SmallVec;
use std::fmt;

/// Tokens in their order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tokens(SmallVec<[Text; 4]>);

impl Tokens {
    /// Whether the token is among them, in either case.
    #[must_use]
    pub fn has(&self, token: &str) -> bool {
        self.0.iter().any(|item| item.eq_ignore_case(token))
    }

    /// All.
    pub fn iter(&self) -> std::slice::Iter<'_, Text> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Text> for Tokens {
    fn from_iter<I: IntoIterator<Item = Text>>(tokens: I) -> Self {
        Self(tokens.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Tokens {
    type Item = &'a Text;
    type IntoIter = std::slice::Iter<'a, Text>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, token) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            token.fmt(f)?;
        }
        Ok(())
    }
}

impl Headers {
    fn tokens(&self, name: &HeaderName) -> Result<Tokens, HeaderError> {
        self.list(name, true, |item| {
            if scan::is_token(item.as_bytes()) {
                Ok(item.clone())
            } else {
                Err("Bad Token")
            }
        })
        .map(Tokens)
    }

    /// Require (RFC 3261 §20.32).
    ///
    /// # Errors
    /// Malformed.
    pub fn require(&self) -> Result<Tokens, HeaderError> {
        self.tokens(&HeaderName::Require)
    }

    /// Proxy-Require (RFC 3261 §20.29).
    ///
    /// # Errors
    /// Malformed.
    pub fn proxy_require(&self) -> Result<Tokens, HeaderError> {
        self.tokens(&HeaderName::ProxyRequire)
    }

    /// Supported (RFC 3261 §20.37).
    ///
    /// # Errors
    /// Malformed.
    pub fn supported(&self) -> Result<Tokens, HeaderError> {
        self.tokens(&HeaderName::Supported)
    }

    /// Unsupported (RFC 3261 §20.40).
    ///
    /// # Errors
    /// Malformed.
    pub fn unsupported(&self) -> Result<Tokens, HeaderError> {
        self.tokens(&HeaderName::Unsupported)
    }

    /// Allow (RFC 3261 §20.5); `None` when the field is absent, which says nothing.
    ///
    /// # Errors
    /// Malformed.
    pub fn allow(&self) -> Result<Option<Tokens>, HeaderError> {
        if !self.has(&HeaderName::Allow) {
            return Ok(None);
        }
        self.tokens(&HeaderName::Allow).map(Some)
    }

    /// Whether the peer says it understands this method.
    #[must_use]
    pub fn allows(&self, method: &Method) -> bool {
        let tokens = self.allow().ok().flatten().unwrap_or_default();
        tokens.iter().any(|token| *token == method.as_str())
    }

    /// Allow-Events (RFC 6665 §8.2.2).
    ///
    /// # Errors
    /// Malformed.
    pub fn allow_events(&self) -> Result<Tokens, HeaderError> {
        self.tokens(&HeaderName::AllowEvents)
    }

    /// Privacy (RFC 3323 §4.2): its values are separated by semicolons.
    ///
    /// # Errors
    /// Malformed.
    pub fn privacy(&self) -> Result<Tokens, HeaderError> {
        let mut tokens = Tokens::default();
        for value in self.get_all(&HeaderName::Privacy) {
            for item in value
                .as_bytes()
                .split(|&octet| matches!(octet, b';' | b','))
            {
                let item = scan::trim(item);
                if !scan::is_token(item) {
                    return Err(HeaderError::new(HeaderName::Privacy, "Bad Token"));
                }
                tokens.0.push(value.slice_of(item));
            }
        }
        Ok(tokens)
    }
}
