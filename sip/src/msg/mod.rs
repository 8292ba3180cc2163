//! SIP messages: our own types, zero-copy where it pays.
//!
//! Skeleton of the contract: names and signatures the other layers build on.

use bytes::Bytes;
use std::fmt;

/// Octets of a header value or token as received: usually UTF-8, never assumed to be.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

/// A request or a response.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request (RFC 3261 §7.1).
    Request(Request),
    /// A response (RFC 3261 §7.2).
    Response(Response),
}

/// A request (RFC 3261 §7.1).
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The header fields in their order.
    pub headers: Headers,
    /// The body, octet for octet.
    pub body: Bytes,
}

/// A response (RFC 3261 §7.2).
#[derive(Clone, Debug)]
pub struct Response {
    /// 100 to 699.
    pub status: StatusCode,
    /// The reason phrase as it stands on the line.
    pub reason: Text,
    /// The header fields in their order.
    pub headers: Headers,
    /// The body, octet for octet.
    pub body: Bytes,
}

/// A status code, 100 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

/// A request method.
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

// --- the rest of the contract, to be implemented in sibling files of `msg/` ---
//
// Text:       from_static(&'static str), From<&str/String/Bytes>, as_bytes(), to_str() -> Option<&str>,
//             Display (lossy), Debug, PartialEq<str>, eq_ignore_case(&str).
// StatusCode: const fn new(u16) -> Option<Self>, code() -> u16, is_provisional/is_success/is_final/is_redirect,
//             consts (TRYING, RINGING, SESSION_PROGRESS, OK, ACCEPTED, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN,
//             NOT_FOUND, METHOD_NOT_ALLOWED, REQUEST_TIMEOUT, GONE, UNSUPPORTED_MEDIA_TYPE, BAD_EXTENSION,
//             SESSION_INTERVAL_TOO_SMALL, TEMPORARILY_UNAVAILABLE, CALL_DOES_NOT_EXIST, LOOP_DETECTED,
//             TOO_MANY_HOPS, BUSY_HERE, REQUEST_TERMINATED, NOT_ACCEPTABLE_HERE, REQUEST_PENDING,
//             SERVER_INTERNAL_ERROR, NOT_IMPLEMENTED, SERVICE_UNAVAILABLE, VERSION_NOT_SUPPORTED,
//             MESSAGE_TOO_LARGE, DECLINE, ...), default_reason() -> &'static str.
// Method:     from_bytes, as_str, Display.
// Uri:        struct { scheme: Scheme(Sip|Sips|Tel|Other(Text)), user: Option<Text> (still escaped), password,
//             host: Host (Name(Text)|V4|V6), port: Option<u16>, params: Params, headers: Option<Text> } ;
//             Uri::parse(&[u8]) -> Result<Uri, UriError>; Display exact; user_decoded() -> String;
//             param(&str); equivalence per RFC 3261 §19.1.4 (`equivalent(&Uri)`).
// Params:     ordered (name, Option<value>) list; get (case-insensitive name), set, remove, Display.
// HeaderName: enum of every name we treat + Other(Text); case-insensitive, compact forms mapped; as_str canonical.
// Headers:    ordered fields; get(name) -> Option<&Text>, get_all(name), push, prepend, set (replace all), remove,
//             iter; values are unfolded logically (folding counts as one space) ; typed accessors, each
//             Result<_, HeaderError> where HeaderError{ name: HeaderName, reason: &'static str }:
//             via() topmost, vias(), from(), to(), call_id() -> Text, cseq() -> CSeq, contacts() -> Contacts,
//             routes()/record_routes() -> SmallVec<[NameAddr]>, max_forwards(), content_type() -> MediaType,
//             expires(), min_se(), session_expires() -> SessionExpires{ seconds, refresher }, min_expires(),
//             require()/supported()/allow() token lists with has(..), rseq() -> u32, rack() -> RAck,
//             replaces() -> Replaces, refer_to() -> NameAddr, event(), retry_after(), reason(), warning(),
//             p_asserted_identity(), accept()...
// NameAddr:   { display: Option<String>, uri: Uri, params: Params } with tag()/with_tag(); Display.
// Via:        { transport: Text, host: Host, port: Option<u16>, params } with branch(), received(), rport(), set_*.
// CSeq:       { seq: u32, method: Method }.
// MediaType:  { kind: Text, subtype: Text, params } with is("application","sdp").
// Request/Response: print(&self) -> Bytes (Content-Length always right) and print_into(&mut BytesMut);
//             Request::response(status) -> Response: copies Via*, From, To, Call-ID, CSeq (and Timestamp for 100).
// parse:      parse(input: Bytes, limits: &Limits, transport: datagram|stream) -> Result<Message, Malformed>
//             Malformed { reason: MalformedReason (what is wrong, in words), answer: Option<Box<Response>> }:
//             a request that can be answered carries its answer (400, 505, 513, 416, …), anything else is dropped and counted.
//             `validate(&Request) -> Result<(), Box<Response>>`-like checks of RFC 3261 §8.2 that are the message's own.
// multipart:  parse(body, &MediaType) -> Vec<Part{headers, body}> ; find(body, type) for "the SDP part".

/// Skeleton: see the list above.
#[derive(Clone, Debug)]
pub struct Uri;
/// Skeleton: see the list above.
#[derive(Clone, Debug)]
pub struct Headers;

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}
