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
//! *Why not `rsip`?* Measured at version 0.4.0: it reads no folded fields, no IPv6 references, no
//! `tel:` URIs and no colons in parameters, leaves compact names unread, drops requests with
//! methods it does not know, prints binary bodies corrupted, and takes octets after
//! `Content-Length` into the body. It allocates a string for each header and takes twice as long
//! for reading and printing an INVITE without having checked anything (about 4.0 against 2.0 µs;
//! ten times as long as the bare split into fields). It remains the oracle of a differential test
//! (`tests/msg_rsip.rs`): what it can read, we read alike.
//!
//! *Why are header values octets?* They need not be UTF-8 (RFC 3261 §7.3.1 says they are, devices
//! say otherwise), and what is passed on must be passed on as it was.
//!
//! *Why does parsing check fields that others read again?* A request that cannot be handled must be
//! answered before a transaction exists for it. The checks work on borrowed parts and keep nothing.

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
