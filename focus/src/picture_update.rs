//! Requests for keyframes in INFO requests (RFC 5168), for devices that know no feedback in RTCP.

use bytes::Bytes;
use plenum_sip::msg::MediaType;

/// The media type (RFC 5168 §7.1).
pub(crate) const MEDIA_TYPE: &str = "application/media_control+xml";

/// Whether a body of this type is one.
pub(crate) fn understands(media_type: &MediaType) -> bool {
    media_type.is("application", "media_control+xml")
}

/// Whether the body asks for a whole picture. What it says of streams is passed over: there is one.
pub(crate) fn asks(body: &[u8]) -> bool {
    let known = b"picture_fast_update";
    let body = body.get(..body.len().min(MOST_OCTETS)).unwrap_or(body);
    body.windows(known.len()).any(|window| window == known)
}

/// A request of ours.
pub(crate) fn request() -> Bytes {
    Bytes::from_static(
        b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<media_control><vc_primitive><to_encoder>\
          <picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n",
    )
}

const MOST_OCTETS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use plenum_sip::msg::Text;

    #[test]
    fn rfc5168_our_own_request_asks_and_another_body_does_not() {
        assert!(asks(&request()));
        let ended = b"<media_control><vc_primitive><to_encoder/></vc_primitive></media_control>";
        assert!(!asks(ended));
        assert!(understands(
            &MediaType::parse(&Text::from_static(MEDIA_TYPE)).unwrap()
        ));
    }
}
