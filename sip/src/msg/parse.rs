//! Octets to messages, and what a malformed one is answered with.

use super::header::{HeaderError, Headers};
use super::message::{Message, Request, Response};
use super::method::Method;
use super::name::HeaderName;
use super::scan;
use super::status::StatusCode;
use super::text::Text;
use super::typed::HopRef;
use super::uri::{Scheme, Uri, UriError};
use super::validate;
use crate::limits::Limits;
use crate::metrics::Metrics;
use bytes::Bytes;

/// How the message was cut out of what came in (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One datagram: octets after `Content-Length` are cut, fewer are an error.
    Datagram,
    /// One message of a stream, cut by `Content-Length`, which is therefore mandatory with a body.
    Stream,
}

/// What could not be read, and what to send back.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong.
    pub reason: MalformedReason,
    /// The response, for a request that can be answered; `None`: drop it silently.
    pub answer: Option<Box<Response>>,
}

/// What is wrong with a message. The words are the reason phrase of its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedReason {
    /// Nothing but line breaks: a keep-alive (RFC 5626 §3.5.1), not a fault.
    #[error("Empty Message")]
    Empty,
    /// The first line is of no SIP message.
    #[error("Not a SIP Message")]
    NotSip,
    /// The status line cannot be read.
    #[error("Bad Status-Line")]
    StatusLine,
    /// The request line cannot be read.
    #[error("Bad Request-Line: {0}")]
    RequestLine(&'static str),
    /// `SIP/x.y` other than 2.0: 505.
    #[error("Version Not Supported")]
    Version,
    /// The scheme of the Request-URI is none of ours: 416.
    #[error("Unsupported URI Scheme")]
    Scheme,
    /// The Request-URI cannot be read.
    #[error("Bad Request-URI: {0}")]
    RequestUri(UriError),
    /// A CR or LF that is no line end.
    #[error("Bare CR or LF in Header")]
    LineEnd,
    /// A header line without a name and a colon.
    #[error("Bad Header Field Line")]
    HeaderLine,
    /// More than [`Limits::header_fields`].
    #[error("Too Many Header Fields")]
    TooManyHeaders,
    /// More octets than [`Limits::message_bytes`]: 513.
    #[error("Message Too Large")]
    TooLarge,
    /// No empty line after the header fields.
    #[error("Missing End of Header Fields")]
    Truncated,
    /// A mandatory field is not there.
    #[error("Missing {0} Header Field")]
    Missing(HeaderName),
    /// A field that may stand only once stands twice.
    #[error("More Than One {0} Header Field")]
    Repeated(HeaderName),
    /// A field that is needed cannot be read.
    #[error("{0}")]
    Header(HeaderError),
    /// Two values of `Content-Length` that differ.
    #[error("Conflicting Content-Length Values")]
    LengthConflict,
    /// Fewer octets than `Content-Length` says.
    #[error("Body Shorter Than Content-Length")]
    BodyTooShort,
    /// A body on a stream without `Content-Length`.
    #[error("Missing Content-Length on a Stream")]
    LengthMissing,
    /// CSeq is of another method than the request line.
    #[error("CSeq Method Does Not Match the Request")]
    MethodMismatch,
}

impl MalformedReason {
    /// The status to answer with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Self::Scheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::TooLarge => StatusCode::MESSAGE_TOO_LARGE,
            Self::Empty
            | Self::NotSip
            | Self::StatusLine
            | Self::RequestLine(_)
            | Self::RequestUri(_)
            | Self::LineEnd
            | Self::HeaderLine
            | Self::TooManyHeaders
            | Self::Truncated
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::Header(_)
            | Self::LengthConflict
            | Self::BodyTooShort
            | Self::LengthMissing
            | Self::MethodMismatch => StatusCode::BAD_REQUEST,
        }
    }
}

impl Malformed {
    /// Counts it: answered, dropped, or a keep-alive.
    pub fn count(&self, metrics: &Metrics) {
        if self.answer.is_some() {
            metrics.answered_malformed.inc();
        } else if self.reason == MalformedReason::Empty {
            metrics.keep_alives.inc();
        } else {
            metrics.dropped_malformed.inc();
        }
    }

    const fn silent(reason: MalformedReason) -> Self {
        Self {
            reason,
            answer: None,
        }
    }
}

/// Reads one message. Header values and body share the storage of `input`.
///
/// A request that is read without error has the fields of RFC 3261 §8.1.1 in readable form (but
/// Max-Forwards, which RFC 2543 did not know, may be missing); a response has Via, From, To,
/// Call-ID and CSeq.
///
/// # Errors
/// [`Malformed`], with its answer if it is a request that can be answered: one with a topmost Via
/// that can be read, other than ACK.
pub fn parse(input: Bytes, limits: &Limits, framing: Framing) -> Result<Message, Malformed> {
    let too_large = input.len() > limits.message_bytes;
    let whole = Text::from(input);
    let octets = without_line_breaks(whole.as_bytes());
    if octets.is_empty() {
        return Err(Malformed::silent(MalformedReason::Empty));
    }
    let (line, rest) = split_line(octets);
    if line
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
    {
        let (status, reason) =
            read_status_line(&whole, line).ok_or(Malformed::silent(MalformedReason::StatusLine))?;
        let head = Head::read(&whole, rest, limits);
        return read_response(&whole, status, reason, head, framing, too_large)
            .map(Message::Response)
            .map_err(Malformed::silent);
    }
    let start =
        RequestLine::read(&whole, line).ok_or(Malformed::silent(MalformedReason::NotSip))?;
    let mut head = Head::read(&whole, rest, limits);
    if too_large {
        head.fault = Some(MalformedReason::TooLarge);
    }
    read_request(&whole, start, head, framing).map(Message::Request)
}

/// What the request line says, as far as it can be read.
struct RequestLine {
    method: Option<Method>,
    uri: Result<Uri, MalformedReason>,
}

impl RequestLine {
    /// `None` if it is no SIP request at all.
    fn read(whole: &Text, line: &[u8]) -> Option<Self> {
        let trimmed = scan::trim(line);
        let (method, rest) = scan::split_once(trimmed, b' ');
        let last = memchr::memrchr(b' ', rest?)?;
        let (uri, version) = rest?.split_at(last);
        let version = scan::trim(version);
        if !version
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
        {
            return None;
        }
        let method = Method::from_part(whole, method);
        let uri = if !is_version(version) {
            Err(MalformedReason::RequestLine("Bad SIP-Version"))
        } else if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            Err(MalformedReason::Version)
        } else if method.is_none() {
            Err(MalformedReason::RequestLine("Bad Method"))
        } else if trimmed.len() != line.len() || uri != scan::trim(uri) {
            Err(MalformedReason::RequestLine("Extra White Space"))
        } else {
            Uri::from_text(whole.slice_of(uri)).map_err(MalformedReason::RequestUri)
        };
        Some(Self { method, uri })
    }
}

/// The header fields and what follows, as far as they can be read.
struct Head<'a> {
    headers: Headers,
    body: &'a [u8],
    fault: Option<MalformedReason>,
}

impl<'a> Head<'a> {
    /// Reads on after a fault, so that the answer can be made from what is there.
    fn read(whole: &Text, octets: &'a [u8], limits: &Limits) -> Self {
        let mut head = Self {
            headers: Headers::with_capacity(20),
            body: &[],
            fault: None,
        };
        let mut rest = octets;
        loop {
            if rest.is_empty() {
                head.fault(MalformedReason::Truncated);
                return head;
            }
            let (line, next) = split_line(rest);
            if line.is_empty() {
                head.body = next;
                return head;
            }
            let (length, folded) = field_length(rest, line.len(), next);
            let (field, next) = rest.split_at(length);
            rest = next;
            if head.headers.len() >= limits.header_fields {
                head.fault(MalformedReason::TooManyHeaders);
                continue;
            }
            if let Err(fault) = head.field(whole, field, folded) {
                head.fault(fault);
            }
        }
    }

    fn field(&mut self, whole: &Text, field: &[u8], folded: bool) -> Result<(), MalformedReason> {
        let field = field.strip_suffix(b"\r\n").unwrap_or(field);
        let (name, value) = scan::split_once(field, b':');
        let value = scan::trim(value.ok_or(MalformedReason::HeaderLine)?);
        let name = trim_end(name);
        if !scan::is_token(name) {
            return Err(MalformedReason::HeaderLine);
        }
        let value = if folded {
            Text::copy_from(scan::trim(&unfold(value)))
        } else {
            whole.slice_of(value)
        };
        let bare = memchr::memchr2(b'\r', b'\n', value.as_bytes()).is_some();
        if bare {
            return Err(MalformedReason::LineEnd);
        }
        self.headers
            .push_parsed(HeaderName::from_part(whole, name), value);
        Ok(())
    }

    /// The first fault is the one that is told.
    fn fault(&mut self, fault: MalformedReason) {
        self.fault.get_or_insert(fault);
    }

    /// The body as `Content-Length` has it (RFC 3261 §18.3).
    fn cut_body(&self, framing: Framing) -> Result<&'a [u8], MalformedReason> {
        let mut length = None;
        for value in self.headers.get_all(&HeaderName::ContentLength) {
            let number = scan::number(value.as_bytes()).map_err(|reason| {
                MalformedReason::Header(HeaderError::new(HeaderName::ContentLength, reason))
            })?;
            if length.is_some_and(|length| length != number) {
                return Err(MalformedReason::LengthConflict);
            }
            length = Some(number);
        }
        match length {
            None if framing == Framing::Stream && !self.body.is_empty() => {
                Err(MalformedReason::LengthMissing)
            }
            None => Ok(self.body),
            Some(length) => usize::try_from(length)
                .ok()
                .and_then(|length| self.body.get(..length))
                .ok_or(MalformedReason::BodyTooShort),
        }
    }
}

fn read_request(
    whole: &Text,
    start: RequestLine,
    head: Head<'_>,
    framing: Framing,
) -> Result<Request, Malformed> {
    let body = head.cut_body(framing);
    let Head { headers, fault, .. } = head;
    let is_ack = start.method == Some(Method::Ack);
    let reason = match (start.uri, start.method, fault, body) {
        (Err(MalformedReason::Version), ..) => MalformedReason::Version,
        (_, _, Some(fault), _) | (Err(fault), ..) | (_, _, _, Err(fault)) => fault,
        (Ok(_), None, ..) => MalformedReason::RequestLine("Bad Method"),
        (Ok(uri), Some(method), None, Ok(body)) => {
            let body = whole.slice_of(body).into_bytes();
            let request = Request {
                method,
                uri,
                headers,
                body,
            };
            return match check(&request) {
                Ok(()) => Ok(request),
                Err(reason) => Err(refuse(reason, &request.headers, is_ack)),
            };
        }
    };
    Err(refuse(reason, &headers, is_ack))
}

fn check(request: &Request) -> Result<(), MalformedReason> {
    validate::request(request)?;
    match request.uri.scheme {
        Scheme::Other(_) => Err(MalformedReason::Scheme),
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
    }
}

/// The answer to a request that cannot be taken. None to ACK (RFC 3261 §17.1.1.3), none where no
/// Via says that somebody waits for one.
fn refuse(reason: MalformedReason, headers: &Headers, is_ack: bool) -> Malformed {
    let hop = headers
        .get(&HeaderName::Via)
        .map(|via| HopRef::read(scan::split_once(via.as_bytes(), b',').0));
    if is_ack || !matches!(hop, Some(Ok(_))) {
        return Malformed::silent(reason);
    }
    let mut response = Response::new(reason.status()).with_reason(reason.to_string());
    response.headers.copy_all(headers, &HeaderName::Via);
    for name in [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ] {
        if let Some(value) = headers.get(&name) {
            response.headers.push_parsed(name, value.clone());
        }
    }
    let tag = stateless_tag(&response.headers);
    Malformed {
        reason,
        answer: Some(Box::new(response.with_to_tag(&tag))),
    }
}

/// A tag that is the same for a retransmission (RFC 3261 §8.2.7): a hash (FNV-1a) of what makes
/// the transaction.
fn stateless_tag(headers: &Headers) -> String {
    let octets = headers.iter().flat_map(|field| field.value.as_bytes());
    let hash = octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn read_response(
    whole: &Text,
    status: StatusCode,
    reason: Text,
    head: Head<'_>,
    framing: Framing,
    too_large: bool,
) -> Result<Response, MalformedReason> {
    if too_large {
        return Err(MalformedReason::TooLarge);
    }
    let body = whole.slice_of(head.cut_body(framing)?).into_bytes();
    if let Some(fault) = head.fault {
        return Err(fault);
    }
    let response = Response {
        status,
        reason,
        headers: head.headers,
        body,
    };
    validate::response(&response)?;
    Ok(response)
}

/// `SIP/2.0 code reason`; the reason may be empty, even without the space before it.
fn read_status_line(whole: &Text, line: &[u8]) -> Option<(StatusCode, Text)> {
    let (version, rest) = scan::split_once(line, b' ');
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    let (code, reason) = scan::split_once(rest?, b' ');
    if code.len() != 3 {
        return None;
    }
    let status = StatusCode::new(u16::try_from(scan::number(code).ok()?).ok()?)?;
    Some((status, whole.slice_of(reason.unwrap_or_default())))
}

/// `SIP/1*DIGIT.1*DIGIT`
fn is_version(version: &[u8]) -> bool {
    let (major, minor) = scan::split_once(version.get(4..).unwrap_or_default(), b'.');
    scan::number(major).is_ok() && minor.is_some_and(|minor| scan::number(minor).is_ok())
}

/// RFC 3261 §7.5: line breaks before the start line are ignored.
fn without_line_breaks(mut octets: &[u8]) -> &[u8] {
    while let Some(rest) = octets.strip_prefix(b"\r\n") {
        octets = rest;
    }
    octets
}

/// One line without its CRLF, and what follows. The last line may lack its end.
fn split_line(octets: &[u8]) -> (&[u8], &[u8]) {
    for at in memchr::memchr_iter(b'\n', octets) {
        if at > 0 && octets.get(at - 1) == Some(&b'\r') {
            let (line, rest) = octets.split_at(at + 1);
            return (line.strip_suffix(b"\r\n").unwrap_or(line), rest);
        }
    }
    (octets, &[])
}

/// Octets of a field with its continuation lines (RFC 3261 §7.3.1), and whether it has some.
fn field_length(octets: &[u8], first: usize, mut next: &[u8]) -> (usize, bool) {
    let mut folded = false;
    while next.first().is_some_and(|&octet| scan::is_space(octet)) {
        folded = true;
        next = split_line(next).1;
    }
    let length = if next.is_empty() && !folded {
        octets.len().max(first)
    } else {
        octets.len() - next.len()
    };
    (length, folded)
}

/// A fold, with the white space around it, is one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut flat = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        let (line, next) = split_line(rest);
        flat.extend_from_slice(scan::trim(line));
        if next.is_empty() {
            return flat;
        }
        flat.push(b' ');
        rest = next;
    }
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|&octet| !scan::is_space(octet))
        .map_or(0, |last| last + 1);
    text.split_at(end).0
}
