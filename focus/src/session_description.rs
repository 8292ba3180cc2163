//! Finding the session description of a message; what is in it is the mixer's business.

use crate::refusal::Refusal;
use bytes::Bytes;
use plenum_sip::endpoint::Body;
use plenum_sip::msg::{HeaderName, MediaType, Request, Response, Text, multipart};

/// The media type of session descriptions (RFC 3261 §13.2.1).
pub(crate) const SDP: Text = Text::from_static("application/sdp");

/// The body of a session description.
pub(crate) fn body(sdp: Bytes) -> Body {
    Body {
        content_type: SDP,
        octets: sdp,
    }
}

/// The session description of a request; `None` when it has no body.
///
/// # Errors
/// [`Refusal::UnsupportedMedia`] when the body is something else.
pub(crate) fn of_request(request: &Request) -> Result<Option<Bytes>, Refusal> {
    of(request.headers.get(&HeaderName::ContentType), &request.body)
}

/// The session description of a response; `None` when it has none.
pub(crate) fn of_response(response: &Response) -> Option<Bytes> {
    of(
        response.headers.get(&HeaderName::ContentType),
        &response.body,
    )
    .ok()
    .flatten()
}

/// The session description of a body; `None` when there is no body.
///
/// # Errors
/// [`Refusal::UnsupportedMedia`] when the body is something else.
pub(crate) fn of_body(body: Option<&Body>) -> Result<Option<Bytes>, Refusal> {
    body.map_or(Ok(None), |body| of(Some(&body.content_type), &body.octets))
}

/// A body without `Content-Type` is taken for a session description: some devices forget it, and
/// the mixer looks at it closely anyway.
fn of(content_type: Option<&Text>, octets: &Bytes) -> Result<Option<Bytes>, Refusal> {
    if octets.is_empty() {
        return Ok(None);
    }
    let Some(content_type) = content_type else {
        return Ok(Some(octets.clone()));
    };
    let media_type = MediaType::parse(content_type).map_err(|_| Refusal::UnsupportedMedia)?;
    if media_type.is("application", "sdp") {
        return Ok(Some(octets.clone()));
    }
    if media_type.kind.eq_ignore_case("multipart") {
        let part = multipart::find(octets, &media_type, "application", "sdp");
        let part = part.map_err(|_| Refusal::UnsupportedMedia)?;
        return part
            .map(|part| Some(part.body))
            .ok_or(Refusal::UnsupportedMedia);
    }
    Err(Refusal::UnsupportedMedia)
}
