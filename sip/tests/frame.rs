//! Framing of a byte stream (RFC 3261 §7.5, §18.3, §20.14; RFC 5626 §3.5.1).

use plenum_sip::frame::{Frame, FrameError, Framer};
use proptest::prelude::*;

const HEAD: usize = 512;
const MESSAGE: usize = 1024;

/// Everything a framer says when the stream arrives in these pieces.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, FrameError> {
    let mut framer = Framer::new(HEAD, MESSAGE);
    let mut found = Vec::new();
    for piece in pieces {
        framer.buffer().extend_from_slice(piece);
        while let Some(frame) = framer.poll()? {
            found.push(frame);
        }
    }
    Ok(found)
}

fn whole(stream: &str) -> Result<Vec<Frame>, FrameError> {
    let together = frames([stream.as_bytes()]);
    let octets: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(together, frames(octets), "one octet at a time: {stream:?}");
    together
}

fn message(text: &str) -> Frame {
    Frame::Message(text.as_bytes().to_vec().into())
}

#[test]
fn content_length_in_every_form_ends_the_message() {
    for field in [
        "Content-Length: 4",
        "content-length:4",
        "CONTENT-LENGTH  :\t4  ",
        "l: 4",
        "L:4",
        "l:\r\n 4",
        "l: \r\n\t\r\n 4 ",
        "Content-Length: 0004",
        "Content-Length: 4\r\nl: 4",
        "X: content-length: 9\r\n l: 9\r\nl: 4\r\nCall-ID: l",
    ] {
        let one = format!("BYE sip:a@b SIP/2.0\r\n{field}\r\n\r\nbody");
        let two = format!("{one}{one}");
        assert_eq!(
            whole(&two),
            Ok(vec![message(&one), message(&one)]),
            "{field:?}"
        );
    }
}

#[test]
fn bare_line_feeds_end_a_head_too() {
    let one = "BYE sip:a@b SIP/2.0\nl: 2\n\nhi";
    assert_eq!(whole(one), Ok(vec![message(one)]));
}

#[test]
fn rfc5626_3_5_1_double_crlf_is_a_ping_and_single_is_not() {
    let one = "BYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
    let cases: [(String, Vec<Frame>); 6] = [
        ("\r\n".into(), vec![]),
        ("\r\n\r\n".into(), vec![Frame::Ping]),
        ("\r\n\r\n\r\n\r\n".into(), vec![Frame::Ping, Frame::Ping]),
        (
            format!("\r\n{one}\r\n{one}"),
            vec![message(one), message(one)],
        ),
        (
            format!("{one}\r\n\r\n{one}"),
            vec![message(one), Frame::Ping, message(one)],
        ),
        (format!("\n\n{one}"), vec![message(one)]),
    ];
    for (stream, expected) in cases {
        assert_eq!(whole(&stream), Ok(expected), "{stream:?}");
    }
}

#[test]
fn a_message_without_end_hands_out_its_head_once_and_ends_the_stream() {
    for (fields, error) in [
        ("To: b", FrameError::NoContentLength),
        ("l: x", FrameError::BadContentLength),
        ("l: -1", FrameError::BadContentLength),
        ("l:", FrameError::BadContentLength),
        ("l: 1 2", FrameError::BadContentLength),
        ("l: 1\r\n 2", FrameError::BadContentLength),
        ("l: 1, 1", FrameError::BadContentLength),
        (
            "l: 1\r\nContent-Length: 2",
            FrameError::ConflictingContentLength,
        ),
        ("l: 1000", FrameError::MessageTooLong { limit: MESSAGE }),
        (
            "l: 99999999999999999999999",
            FrameError::MessageTooLong { limit: MESSAGE },
        ),
    ] {
        let head = format!("BYE sip:a@b SIP/2.0\r\n{fields}\r\n\r\n");
        let stream = format!("{head}BYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n");
        let broken = Frame::Broken {
            head: head.into_bytes().into(),
            error,
        };
        assert_eq!(whole(&stream), Ok(vec![broken]), "{fields:?}");
    }
}

#[test]
fn a_head_without_end_is_refused_at_its_bound() {
    let endless = "a".repeat(HEAD + 1);
    assert_eq!(
        whole(&endless),
        Err(FrameError::HeadTooLong { limit: HEAD })
    );
    let lines = "a: b\r\n".repeat(HEAD / 6 + 1);
    assert_eq!(whole(&lines), Err(FrameError::HeadTooLong { limit: HEAD }));
    let fits = format!("X: {}\r\nl: 0\r\n\r\n", "a".repeat(HEAD - 13));
    assert_eq!(fits.len(), HEAD);
    assert_eq!(whole(&fits), Ok(vec![message(&fits)]));
    let one_more = format!("Y{fits}");
    assert_eq!(
        whole(&one_more),
        Err(FrameError::HeadTooLong { limit: HEAD })
    );
}

#[test]
fn nothing_comes_out_after_an_error() {
    let mut framer = Framer::new(8, 16);
    framer.buffer().extend_from_slice(b"0123456789");
    assert!(framer.poll().is_err());
    framer.buffer().extend_from_slice(b"\r\n\r\nl:0\r\n\r\n");
    assert_eq!(framer.poll(), Ok(None));
    assert!(!framer.is_mid_message());
}

/// A message with a body of any octets, and what stands before it on the stream.
fn any_message() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let field = prop_oneof![
        "[A-KM-Z][a-z]{0,6}: [ -~]{0,20}\r\n",
        "Via: [a-z]{1,8}\r\n [a-z]{0,8}\r\n"
    ];
    let fields = prop::collection::vec(field, 0..4);
    (
        0usize..6,
        fields,
        prop::collection::vec(any::<u8>(), 0..200),
        any::<bool>(),
    )
        .prop_map(|(crlfs, fields, body, compact)| {
            let name = if compact { "l" } else { "Content-Length" };
            let head = format!(
                "OPTIONS sip:a SIP/2.0\r\n{}{name}: {}\r\n\r\n",
                fields.concat(),
                body.len()
            );
            let mut message = head.into_bytes();
            message.extend(body);
            (crlfs, message)
        })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(
        messages in prop::collection::vec(any_message(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (crlfs, message) in messages {
            stream.extend(b"\r\n".repeat(crlfs));
            expected.extend(std::iter::repeat_n(Frame::Ping, crlfs / 2));
            stream.extend(&message);
            expected.push(Frame::Message(message.into()));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(frames(pieces), Ok(expected));
    }

    #[test]
    fn any_octets_are_survived_within_the_bounds(octets in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut framer = Framer::new(HEAD, MESSAGE);
        for piece in octets.chunks(7) {
            framer.buffer().extend_from_slice(piece);
            while let Ok(Some(_)) = framer.poll() {}
            prop_assert!(framer.buffer().len() <= MESSAGE + 7);
        }
    }
}
