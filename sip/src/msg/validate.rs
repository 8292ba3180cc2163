//! The checks of a message that need nothing but the message (RFC 3261 §8.1.1, §8.2).
//!
//! Only fields that are needed to handle the message at all are checked here; a malformed field
//! nobody needs is ignored (RFC 3261 §8.2: "A UAS SHOULD ignore any malformed header fields that
//! are not necessary for processing requests"). Nothing is kept, so nothing is shared or allocated.

use super::header::{HeaderError, Headers};
use super::message::{Request, Response};
use super::method::Method;
use super::name::HeaderName;
use super::parse::MalformedReason;
use super::scan::{self, Reason};
use super::typed::{AddressRef, EMPTY_ELEMENT, HopRef};

/// Fields every message must have (RFC 3261 §8.1.1). Max-Forwards is missing in those of RFC 2543.
const MANDATORY: [HeaderName; 5] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
];

/// Checks a request.
pub(super) fn request(request: &Request) -> Result<(), MalformedReason> {
    let headers = &request.headers;
    let seen = Seen::all(headers)?;
    if common(headers)? != request.method {
        return Err(MalformedReason::MethodMismatch);
    }
    if request.uri.headers.is_some() {
        return Err(MalformedReason::RequestLine(
            "Header Fields in the Request-URI",
        ));
    }
    let rest = || -> Result<(), HeaderError> {
        headers.max_forwards()?;
        headers.content_type()?;
        if seen.has(HeaderName::Require) {
            headers.require()?;
        }
        for name in [HeaderName::Route, HeaderName::RecordRoute] {
            if seen.has(name.clone()) {
                each(headers, &name, address)?;
            }
        }
        let is_star = || {
            headers
                .get(&HeaderName::Contact)
                .is_some_and(|value| *value == "*")
        };
        if seen.has(HeaderName::Contact) && needs_contact(&request.method) && !is_star() {
            each(headers, &HeaderName::Contact, address)?;
        }
        Ok(())
    };
    rest().map_err(MalformedReason::Header)
}

/// Checks a response.
pub(super) fn response(response: &Response) -> Result<(), MalformedReason> {
    Seen::all(&response.headers)?;
    common(&response.headers).map(drop)
}

/// Returns the method of CSeq.
fn common(headers: &Headers) -> Result<Method, MalformedReason> {
    let read = || -> Result<Method, HeaderError> {
        each(headers, &HeaderName::Via, |hop| HopRef::read(hop)?.check())?;
        for name in [HeaderName::From, HeaderName::To] {
            let value = headers
                .get(&name)
                .map(|value| AddressRef::read(value.as_bytes()));
            if let Some(Err(reason)) = value {
                return Err(HeaderError::new(name, reason));
            }
        }
        headers.call_id()?;
        Ok(headers.cseq()?.method)
    };
    read().map_err(MalformedReason::Header)
}

/// Which names occur: one pass over the fields instead of one for each name.
#[derive(Clone, Copy)]
struct Seen(u128);

impl Seen {
    /// All names, once it is sure that mandatory ones are there and single ones are there once.
    fn all(headers: &Headers) -> Result<Self, MalformedReason> {
        let mut seen = 0;
        for field in headers {
            let bit = field.name.bit();
            if seen & bit != 0 && stands_once(&field.name) {
                return Err(MalformedReason::Repeated(field.name.clone()));
            }
            seen |= bit;
        }
        let seen = Self(seen);
        match MANDATORY.into_iter().find(|name| !seen.has(name.clone())) {
            Some(name) => Err(MalformedReason::Missing(name)),
            None => Ok(seen),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "names without octets cost nothing"
    )]
    fn has(self, name: HeaderName) -> bool {
        self.0 & name.bit() != 0
    }
}

/// Fields that may stand only once, and matter here.
const fn stands_once(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::MaxForwards
            | HeaderName::ContentType
    )
}

/// Checks every element of a comma-separated field.
fn each(
    headers: &Headers,
    name: &HeaderName,
    check: impl Fn(&[u8]) -> Result<(), Reason>,
) -> Result<(), HeaderError> {
    for value in headers.get_all(name) {
        for element in scan::Elements::of(value.as_bytes()) {
            let checked = element.and_then(|element| match element {
                [] => Err(EMPTY_ELEMENT),
                _ => check(element),
            });
            checked.map_err(|reason| HeaderError::new(name.clone(), reason))?;
        }
    }
    Ok(())
}

fn address(element: &[u8]) -> Result<(), Reason> {
    AddressRef::read(element).map(drop)
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
