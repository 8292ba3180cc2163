//! SIP messages: our own types, zero-copy where it pays.
//!
//! [`parse()`] reads one message out of one [`bytes::Bytes`]; header values are slices of it, and
//! the typed views of [`typed`] are read when asked for. [`Request::print`] and
//! [`Response::print`] write it again: names in their registered spelling, values octet for octet,
//! folds as one space, `Content-Length` always true.
//!
//! | file | what |
//! |---|---|
//! | `parse` | octets to [`Message`], or [`Malformed`] with the answer it deserves |
//! | `validate` | the checks of RFC 3261 §8.2 that are the message's own |
//! | `message`, `print` | [`Request`], [`Response`], and their way out |
//! | `header`, `name`, `typed` | the fields, their names, their typed views |
//! | `uri`, `params` | URIs and parameters, spelled as received |
//! | `multipart` | bodies of several parts (RFC 2046, RFC 5621) |
//! | `text`, `method`, `status`, `scan` | the small parts |
//!
//! # Decisions
//!
//! *Why not `rsip`?* Measured at version 0.4.0: it reads no compact names, no folded fields, no
//! IPv6 references and no `tel:` URIs, drops requests with methods it does not know, and corrupts
//! binary bodies; it allocates a string for each header and takes about ten times as long. It
//! remains the oracle of a differential test (`tests/msg_rsip.rs`): what it can read, we read alike.

mod header;
mod message;
mod method;
pub mod multipart;
mod name;
mod params;
mod parse;
mod print;
pub(crate) mod scan;
mod status;
mod text;
pub mod typed;
mod uri;
mod validate;

pub use header::{Field, HeaderError, Headers};
pub use message::{Message, Request, Response};
pub use method::Method;
pub use name::HeaderName;
pub use params::{Param, Params};
pub use parse::{Framing, Malformed, MalformedReason, parse};
pub use status::StatusCode;
pub use text::Text;
pub use typed::{
    AuthParams, CSeq, Contacts, Date, Disposition, Event, MediaType, NameAddr, RAck, Reason,
    Refresher, Replaces, RetryAfter, SessionExpires, SubscriptionState, Tokens, Via, Warning,
};
pub use uri::{Host, Scheme, Uri, UriError, UriParts};
