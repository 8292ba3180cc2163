//! The checks of a message that need nothing but the message (RFC 3261 §8.1.1, §8.2).
//!
//! Only fields that are needed to handle the message at all are checked here; a malformed field
//! nobody needs is ignored (RFC 3261 §8.2: "A UAS SHOULD ignore any malformed header fields that
//! are not necessary for processing requests").

use super::header::{HeaderError, Headers};
use super::message::{Request, Response};
use super::method::Method;
use super::name::HeaderName;
use super::parse::MalformedReason;

/// Fields every message must have (RFC 3261 §8.1.1). Max-Forwards is missing in those of RFC 2543.
const MANDATORY: [HeaderName; 5] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
];

/// Fields that may stand only once.
const SINGLE: [HeaderName; 6] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
];

/// Checks a request.
pub(super) fn request(request: &Request) -> Result<(), MalformedReason> {
    let headers = &request.headers;
    let cseq = common(headers)?;
    if cseq != request.method {
        return Err(MalformedReason::MethodMismatch);
    }
    if request.uri.headers.is_some() {
        let reason = "Header Fields in the Request-URI";
        return Err(MalformedReason::RequestLine(reason));
    }
    headers.max_forwards().map_err(MalformedReason::Header)?;
    headers.content_type().map_err(MalformedReason::Header)?;
    headers.require().map_err(MalformedReason::Header)?;
    headers.routes().map_err(MalformedReason::Header)?;
    headers.record_routes().map_err(MalformedReason::Header)?;
    if needs_contact(&request.method) {
        headers.contacts().map_err(MalformedReason::Header)?;
    }
    Ok(())
}

/// Checks a response.
pub(super) fn response(response: &Response) -> Result<(), MalformedReason> {
    common(&response.headers).map(drop)
}

/// Returns the method of CSeq.
fn common(headers: &Headers) -> Result<Method, MalformedReason> {
    if let Some(name) = MANDATORY.iter().find(|name| !headers.has(name)) {
        return Err(MalformedReason::Missing(name.clone()));
    }
    if let Some(name) = SINGLE
        .iter()
        .find(|name| headers.get_all(name).nth(1).is_some())
    {
        return Err(MalformedReason::Repeated(name.clone()));
    }
    let read = || -> Result<Method, HeaderError> {
        headers.vias()?;
        headers.from()?;
        headers.to()?;
        headers.call_id()?;
        Ok(headers.cseq()?.method)
    };
    read().map_err(MalformedReason::Header)
}

/// Whether Contact matters to who gets this request: it makes or refreshes a dialog or a binding.
const fn needs_contact(method: &Method) -> bool {
    match method {
        Method::Invite
        | Method::Register
        | Method::Subscribe
        | Method::Notify
        | Method::Refer
        | Method::Update => true,
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Prack
        | Method::Message
        | Method::Publish
        | Method::Service
        | Method::Benotify
        | Method::Extension(_) => false,
    }
}
