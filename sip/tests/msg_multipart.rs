//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

#![expect(clippy::panic, reason = "a test may")]

mod bounds;

use bytes::Bytes;
use plenum_sip::msg::multipart::{self, MultipartError};
use plenum_sip::msg::{Framing, MediaType, Message, Method, Request, Text, parse};
use std::fs;
use std::path::Path;

const SDP: &str = "v=0\r\ns=-\r\n";

fn media(text: &str) -> MediaType {
    MediaType::parse(&Text::from(text)).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

fn message(content_type: &'static str, body: String) -> Message {
    let uri = "sip:a@b".parse().unwrap_or_else(|error| panic!("{error}"));
    Message::Request(Request::new(Method::Invite, uri).with_body(content_type, body))
}

/// RFC 5621 §8: a body may be wrapped; the part that is understood is found at any depth.
#[test]
fn the_session_description_is_found_in_parts_within_parts() {
    let inner = format!(
        "--in\r\nContent-Type: text/plain\r\n\r\nx\r\n--in\r\nContent-Type: Application/SDP ; a=b\r\nContent-Disposition: session\r\n\r\n{SDP}\r\n--in--\r\n"
    );
    let outer = format!(
        "ignored\r\n--out\r\n\r\nplain, without fields\r\n--out \t\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n{inner}\r\n--out--\r\nignored too"
    );
    let found = message("multipart/mixed;boundary=\"out\"", outer).find_body("application", "sdp");
    let part = found.unwrap().unwrap();
    assert_eq!(part.body, SDP);
    assert_eq!(
        part.headers.content_disposition().unwrap().unwrap().kind,
        "session"
    );
}

/// A body that is one already.
#[test]
fn a_plain_body_is_its_own_part() {
    let plain = message("application/sdp", SDP.to_owned());
    assert_eq!(
        plain.find_body("application", "sdp").unwrap().unwrap().body,
        SDP
    );
    assert!(plain.find_body("text", "plain").unwrap().is_none());
}

/// RFC 2046 §5.1.1: the line break before a boundary line is not the part's; a line that only
/// starts like one is.
#[test]
fn boundary_lines_are_whole_lines() {
    let body = Bytes::from_static(b"--b\r\n\r\none\r\n--bb\r\n--b x\r\n\r\n--b\r\n\r\n\r\n--b--");
    let parts = multipart::parse(&body, &media("multipart/mixed;boundary=b")).unwrap();
    let bodies: Vec<&[u8]> = parts.iter().map(|part| part.body.as_ref()).collect();
    assert_eq!(bodies, [&b"one\r\n--bb\r\n--b x\r\n"[..], b""]);
}

/// The refusals, each for its reason.
#[test]
fn broken_bodies_are_refused() {
    let b = media("multipart/mixed;boundary=b");
    let refused = |body: &str, media: &MediaType| {
        multipart::parse(&Bytes::copy_from_slice(body.as_bytes()), media).unwrap_err()
    };
    assert_eq!(
        refused("--b\r\n\r\n", &media("multipart/mixed")),
        MultipartError::Boundary
    );
    assert_eq!(refused("", &b), MultipartError::Unterminated);
    assert_eq!(refused("--b--\r\n", &b), MultipartError::Unterminated);
    assert_eq!(
        refused("--b\r\n\r\nx\r\n", &b),
        MultipartError::Unterminated
    );
    let many = "--b\r\n\r\nx\r\n".repeat(17) + "--b--";
    assert_eq!(refused(&many, &b), MultipartError::TooMany);
    let deep = (0..6).fold(SDP.to_owned(), |inner, level| {
        format!("--b{level}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n{inner}\r\n--b{level}--\r\n", level - 1)
    });
    let deep = message("multipart/mixed;boundary=b5", deep).find_body("application", "sdp");
    assert_eq!(deep.unwrap_err(), MultipartError::TooDeep);
}

/// RFC 4475 §3.1.1.11, our message of the class: binary parts come out octet for octet.
#[test]
fn a_binary_part_comes_out_octet_for_octet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let octets = fs::read(folder.join("multipart-with-binary-part.sip")).unwrap();
    let message = parse(Bytes::from(octets), &bounds::limits(), Framing::Datagram).unwrap();
    let part = message
        .find_body("application", "octet-stream")
        .unwrap()
        .unwrap();
    assert_eq!(
        part.body.as_ref(),
        [0, 255, 13, 10, 13, 10, 1, 45, 45, 128, 10]
    );
}
