//! Event and Subscription-State (RFC 6665).

use super::media::split_params;
use super::sequence::delta_seconds;
use crate::msg::header::{HeaderError, Headers};
use crate::msg::name::HeaderName;
use crate::msg::params::Params;
use crate::msg::scan;
use crate::msg::text::Text;
use std::fmt;

/// Event (RFC 6665 §8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event package, with its templates.
    pub package: Text,
    /// `id` and others.
    pub params: Params,
}

/// Subscription-State (RFC 6665 §8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated` or another token.
    pub state: Text,
    /// `expires`, `reason`, `retry-after`.
    pub params: Params,
}

impl Event {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (package, params) = split_params(text);
        if !scan::is_token(package) {
            return Err("Bad Event Package");
        }
        Ok(Self {
            package: text.slice_of(package),
            params: Params::of_header(params)?,
        })
    }

    /// The `id` that tells subscriptions of one dialog apart.
    #[must_use]
    pub fn id(&self) -> Option<Text> {
        self.params.get("id")
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.package, self.params)
    }
}

impl SubscriptionState {
    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &Text) -> Result<Self, &'static str> {
        let (state, params) = split_params(text);
        if !scan::is_token(state) {
            return Err("Bad Token");
        }
        Ok(Self {
            state: text.slice_of(state),
            params: Params::of_header(params)?,
        })
    }

    /// Seconds the subscription still has.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(self.params.get("expires")?.as_bytes()).ok()
    }

    /// Why it is terminated.
    #[must_use]
    pub fn reason(&self) -> Option<Text> {
        self.params.get("reason")
    }

    /// Seconds to wait before subscribing again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        delta_seconds(self.params.get("retry-after")?.as_bytes()).ok()
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

impl Headers {
    /// Event.
    ///
    /// # Errors
    /// Malformed.
    pub fn event(&self) -> Result<Option<Event>, HeaderError> {
        self.one(HeaderName::Event, Event::parse)
    }

    /// Subscription-State.
    ///
    /// # Errors
    /// Malformed.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.one(HeaderName::SubscriptionState, SubscriptionState::parse)
    }
}
