//! Bans as operators see them.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A source that is shut out, wholly or in part.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Ban {
    /// The address, of IPv6 the network: `2001:db8:0:1::/64`.
    pub source: String,
    /// `banned`: nothing new is answered. `limited`: only requests over UDP that bring no proof are
    /// dropped.
    pub kind: Cow<'static, str>,
    /// `scanning`, `guessing`, `by hand`, or `unproven` for what is limited.
    pub why: Cow<'static, str>,
    /// Seconds it still lasts.
    pub left_s: u64,
    /// How often the source was banned.
    pub times: u32,
    /// What was dropped meanwhile.
    pub dropped: u64,
}

/// The body of a request to ban a source.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// An address, of IPv6 also a network of 64 bits.
    pub source: String,
    /// For how long, a year at most; `None`: as if it had offended.
    pub seconds: Option<u64>,
}
