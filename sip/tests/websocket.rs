//! The server's half of RFC 6455: the opening handshake and the reader, octet by octet.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, its own functions included, and on whatever it did not expect"
)]

use bytes::Bytes;
use plenum_sip::websocket::{
    Heard, Origins, Reader, Refused, UpgradeRequest, WebSocketError, message,
};
use proptest::prelude::*;

const LIMIT: usize = 70_000;

/// A frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let length = payload.len();
    match length {
        0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    frame.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(octet, mask)| octet ^ mask));
    frame
}

/// What a reader makes of octets that arrive in pieces of this size.
fn read(octets: &[u8], piece: usize) -> Result<Vec<Heard>, WebSocketError> {
    let mut reader = Reader::new(LIMIT);
    let mut heard = Vec::new();
    for piece in octets.chunks(piece) {
        reader.buffer().extend_from_slice(piece);
        while let Some(one) = reader.poll()? {
            heard.push(one);
        }
    }
    Ok(heard)
}

fn said(text: &'static str) -> Heard {
    Heard::Message(Bytes::from_static(text.as_bytes()))
}

#[test]
fn rfc6455_5_4_fragments_become_one_message_and_control_frames_come_between() {
    let octets = [
        frame(0x01, b"OPT"),
        frame(0x89, b"?"),
        frame(0x00, b"IO"),
        frame(0x80, b"NS"),
        frame(0x82, b"BYE"),
        frame(0x8A, b""),
        frame(0x88, &1000_u16.to_be_bytes()),
    ]
    .concat();
    let expected = [
        Heard::Ping(Bytes::from_static(b"?")),
        said("OPTIONS"),
        said("BYE"),
        Heard::Pong,
        Heard::Close(1000),
    ];
    for piece in [1, 2, 3, 7, 1000] {
        assert_eq!(read(&octets, piece).unwrap(), expected, "{piece}");
    }
}

#[test]
fn rfc7118_6_blank_messages_are_keep_alives() {
    for (text, ping) in [("\r\n\r\n", true), ("\r\n", false), ("", false)] {
        let heard = read(&frame(0x81, text.as_bytes()), 100).unwrap();
        assert_eq!(heard, [Heard::KeepAlive { ping }]);
    }
}

#[test]
fn each_breach_of_the_protocol_has_its_error_and_close_code() {
    let wide = |first, octets: &[u8]| [&[first][..], octets, &[0; 4]].concat();
    let cases = [
        (vec![0x81, 0x01, b'x'], WebSocketError::NotMasked, 1002),
        (frame(0xC1, b"x"), WebSocketError::ReservedBits, 1002),
        (frame(0x83, b"x"), WebSocketError::UnknownOpcode, 1002),
        (frame(0x89, &[b'x'; 126]), WebSocketError::BadControl, 1002),
        (frame(0x09, b"x"), WebSocketError::BadControl, 1002),
        (frame(0x88, b"x"), WebSocketError::BadControl, 1002),
        (frame(0x80, b"x"), WebSocketError::BadFragment, 1002),
        (
            [frame(0x01, b"x"), frame(0x81, b"x")].concat(),
            WebSocketError::BadFragment,
            1002,
        ),
        (wide(0x81, &[0xFE, 0, 125]), WebSocketError::BadLength, 1002),
        (
            wide(0x81, &[0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            WebSocketError::BadLength,
            1002,
        ),
        (frame(0x81, b"\xFF"), WebSocketError::NotUtf8, 1007),
        (
            frame(0x82, &vec![0; LIMIT + 1]),
            WebSocketError::TooLong { limit: LIMIT },
            1009,
        ),
        (
            [frame(0x02, &vec![1; LIMIT]), frame(0x80, b"x")].concat(),
            WebSocketError::TooLong { limit: LIMIT },
            1009,
        ),
    ];
    for (octets, error, code) in cases {
        assert_eq!(read(&octets, 4096), Err(error));
        assert_eq!(error.close_code(), code);
    }
}

#[test]
fn a_reader_that_gave_up_holds_and_says_nothing() {
    let mut reader = Reader::new(LIMIT);
    reader.buffer().extend_from_slice(&[0x81, 0x01, b'x']);
    assert!(reader.poll().is_err());
    reader.buffer().extend_from_slice(&frame(0x81, b"more"));
    assert_eq!(reader.poll(), Ok(None));
    assert!(reader.buffer().is_empty());
}

/// The request of RFC 6455 §1.3 with the sub-protocol of RFC 7118, one line replaced.
fn request(line: &str, with: &str) -> String {
    "GET / HTTP/1.1\r\nHost: server.test\r\nUpgrade: websocket\r\n\
     Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Origin: https://page.test\r\nSec-WebSocket-Protocol: sip, chat\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n"
        .replace(line, with)
}

#[test]
fn rfc6455_4_2_2_the_key_is_answered_as_the_rfc_computes_it() {
    let head = request("", "");
    let accept = UpgradeRequest::read(&head).unwrap().check(&Origins::Any);
    assert_eq!(accept.unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn rfc6455_4_2_1_each_missing_piece_is_refused_in_its_own_words() {
    let only = Origins::Only(vec!["https://other.test/".to_owned()]);
    let cases = [
        ("GET /", "POST /", Refused::NotHttp),
        ("HTTP/1.1", "HTTP/1.0", Refused::NotHttp),
        ("Upgrade: websocket", "Upgrade: h2c", Refused::NotWebSocket),
        ("keep-alive, Upgrade", "keep-alive", Refused::NotWebSocket),
        ("Version: 13", "Version: 8", Refused::Version),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", Refused::Key),
        ("sip, chat", "chat", Refused::Protocol),
        ("", "", Refused::Origin),
    ];
    for (line, with, refused) in cases {
        let head = match line {
            "" => request("", ""),
            line => request(line, with),
        };
        let checked = UpgradeRequest::read(&head).and_then(|request| request.check(&only));
        assert_eq!(checked, Err(refused));
        let answer = refused.response();
        assert!(answer.starts_with(&format!("HTTP/1.1 {}", refused.status())));
    }
    let page = request("https://page.test", "https://OTHER.test");
    assert!(UpgradeRequest::read(&page).unwrap().check(&only).is_ok());
}

proptest! {
    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..300) {
        let mut reader = Reader::new(1000);
        for piece in octets.chunks(piece) {
            reader.buffer().extend_from_slice(piece);
            while let Ok(Some(heard)) = reader.poll() {
                if let Heard::Message(bytes) = heard {
                    prop_assert!(bytes.len() <= 1000);
                }
            }
            prop_assert!(reader.buffer().len() <= 1000 + 14 + 300);
        }
    }

    #[test]
    fn what_a_client_writes_arrives_in_whatever_pieces(
        messages in prop::collection::vec(prop::collection::vec(1_u8..128, 1..400), 1..5),
        piece in 1_usize..500,
    ) {
        let octets: Vec<u8> = messages.iter().flat_map(|message| frame(0x82, message)).collect();
        let heard = read(&octets, piece).unwrap();
        for (heard, sent) in heard.iter().zip(&messages) {
            match heard {
                Heard::Message(bytes) => prop_assert_eq!(bytes, sent),
                Heard::KeepAlive { .. } => prop_assert!(sent.iter().all(|octet| b"\r\n".contains(octet))),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(heard.len(), messages.len());
    }

    #[test]
    fn what_the_server_writes_has_the_shortest_length(octets in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let written = message(&octets);
        let head = written.len() - octets.len();
        let expected = match octets.len() { 0..126 => 2, 126..65_536 => 4, _ => 10 };
        prop_assert_eq!(head, expected);
        prop_assert_eq!(&written[head..], &octets[..]);
    }
}
