//! Requests and responses.

use super::header::{Headers, one_line};
use super::method::Method;
use super::name::HeaderName;
use super::status::StatusCode;
use super::text::Text;
use super::uri::Uri;
use bytes::Bytes;

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "matched at once; a box would cost an allocation"
)]
pub enum Message {
    /// A request (RFC 3261 §7.1).
    Request(Request),
    /// A response (RFC 3261 §7.2).
    Response(Response),
}

/// A request (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Message {
    /// The header fields of either.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body of either.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// A request without header fields.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::with_capacity(16),
            body: Bytes::new(),
        }
    }

    /// With another header field at the end.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// With this body and its `Content-Type`.
    #[must_use]
    pub fn with_body(mut self, content_type: impl Into<Text>, body: impl Into<Bytes>) -> Self {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// A response to this request with the fields that RFC 3261 §8.2.6.2 has copied: all Vias,
    /// From, To, Call-ID and CSeq, and into a 100 also Timestamp (§8.2.6.1). The To tag is the
    /// caller's to add.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response {
        let mut response = Response::new(status);
        for field in &self.headers {
            let copied = matches!(
                field.name,
                HeaderName::Via
                    | HeaderName::From
                    | HeaderName::To
                    | HeaderName::CallId
                    | HeaderName::CSeq
            ) || (field.name == HeaderName::Timestamp && status == StatusCode::TRYING);
            if copied {
                response
                    .headers
                    .push_parsed(field.name.clone(), field.value.clone());
            }
        }
        response
    }
}

impl Response {
    /// A response without header fields, with the default reason phrase.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: Text::from_static(status.default_reason()),
            headers: Headers::with_capacity(12),
            body: Bytes::new(),
        }
    }

    /// With another reason phrase. Line breaks in it become spaces.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Text>) -> Self {
        self.reason = one_line(reason.into());
        self
    }

    /// With another header field at the end.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// With this body and its `Content-Type`.
    #[must_use]
    pub fn with_body(mut self, content_type: impl Into<Text>, body: impl Into<Bytes>) -> Self {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// With this tag on To, unless To has one (RFC 3261 §8.2.6.2). Every other octet of To stays.
    #[must_use]
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        let has_tag = self.headers.to().is_ok_and(|to| to.tag().is_some());
        if !has_tag && let Some(to) = self.headers.first_mut(&HeaderName::To) {
            *to = Text::from([to.as_bytes(), b";tag=", tag.as_bytes()].concat());
        }
        self
    }
}
