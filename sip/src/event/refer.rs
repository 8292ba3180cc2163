//! What REFER makes of a subscription: RFC 3515, RFC 4488, RFC 7614.

use crate::endpoint::Body;
use crate::msg::{HeaderName, Headers, StatusCode, Text};
use bytes::Bytes;

/// The package of the implicit subscription (RFC 3515 §2.4.4).
pub(crate) const PACKAGE: &str = "refer";

/// How the referred request goes, as a fragment of its response (RFC 3515 §2.4.5, RFC 3420).
pub(crate) fn fragment(status: StatusCode, reason: Option<&Text>) -> Body {
    let reason = reason.map_or_else(
        || Text::from_static(status.default_reason()),
        |reason| reason.clone(),
    );
    let line = [
        b"SIP/2.0 ",
        status.to_string().as_bytes(),
        b" ",
        reason.as_bytes(),
        b"\r\n",
    ]
    .concat();
    Body {
        content_type: Text::from_static("message/sipfrag;version=2.0"),
        octets: Bytes::from(line),
    }
}

/// Whether the referrer asks not to be told: `Refer-Sub: false` (RFC 4488 §4) or `Require: nosub`
/// (RFC 7614 §4).
pub(crate) fn wants_silence(headers: &Headers) -> bool {
    says_no(headers) || headers.require().unwrap_or_default().has("nosub")
}

/// Whether the referrer bears not being told (RFC 4488 §4).
pub(crate) fn bears_silence(headers: &Headers) -> bool {
    wants_silence(headers) || headers.supported().unwrap_or_default().has("norefersub")
}

/// `Refer-Sub: false`, in a REFER or its 2xx.
pub(crate) fn says_no(headers: &Headers) -> bool {
    let value = headers.get(&HeaderName::ReferSub);
    let value = value.map(Text::as_bytes).unwrap_or_default();
    let word = value.split(|octet| *octet == b';').next();
    word.unwrap_or_default()
        .trim_ascii()
        .eq_ignore_ascii_case(b"false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), Text::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn rfc4488_and_rfc7614_who_wants_to_be_told() {
        let cases: [(&[_], bool, bool); 7] = [
            (&[], false, false),
            (&[("Refer-Sub", "true")], false, false),
            (&[("Refer-Sub", "false")], true, true),
            (&[("Refer-Sub", " FALSE ;x=y")], true, true),
            (&[("Supported", "norefersub")], false, true),
            (&[("Require", "nosub")], true, true),
            (&[("Supported", "nosub")], false, false),
        ];
        for (fields, wants, bears) in cases {
            let headers = headers(fields);
            assert_eq!(wants_silence(&headers), wants, "{fields:?}");
            assert_eq!(bears_silence(&headers), bears, "{fields:?}");
        }
    }

    #[test]
    fn rfc3515_2_4_5_a_fragment_is_a_status_line() {
        let body = fragment(StatusCode::RINGING, None);
        assert_eq!(&body.octets[..], b"SIP/2.0 180 Ringing\r\n");
        let reason = Text::from_static("Away");
        let body = fragment(StatusCode::DECLINE, Some(&reason));
        assert_eq!(&body.octets[..], b"SIP/2.0 603 Away\r\n");
        assert_eq!(body.content_type, "message/sipfrag;version=2.0");
    }
}
