//! The torture corpus (`tests/corpus`), and the reference vectors where they are present.
//!
//! RFC 4475, RFC 5118 and the grammar of RFC 3261: every message has its expected outcome.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may"
)]

mod bounds;

use bytes::Bytes;
use plenum_sip::limits::Limits;
use plenum_sip::msg::{Framing, HeaderName, Malformed, Message, StatusCode, parse};
use std::fs;
use std::path::{Path, PathBuf};

/// What the parser makes of a message: `ok`, `drop`, or the status of the answer.
fn outcome(result: &Result<Message, Malformed>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(Malformed { answer: None, .. }) => "drop".to_owned(),
        Err(Malformed {
            answer: Some(answer),
            ..
        }) => answer.status.to_string(),
    }
}

fn read(path: &Path) -> Result<Message, Malformed> {
    let octets = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(Bytes::from(octets), &bounds::limits(), Framing::Datagram)
}

/// Printing adds `Content-Length` where there was none; apart from that nothing changes.
fn without_length(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove(&HeaderName::ContentLength),
        Message::Response(response) => response.headers.remove(&HeaderName::ContentLength),
    }
    message
}

/// print → parse → print gives the same message and the same octets, on datagram and stream.
fn assert_round_trip(name: &str, message: &Message) {
    let printed = message.print();
    for framing in [Framing::Datagram, Framing::Stream] {
        let again = parse(printed.clone(), &bounds::limits(), framing)
            .unwrap_or_else(|error| panic!("{name}: its print is malformed: {error:?}"));
        assert_eq!(again.print(), printed, "{name}: the print is not stable");
        assert_eq!(
            without_length(again),
            without_length(message.clone()),
            "{name}"
        );
    }
}

/// RFC 3261 §8.2.6: an answer is itself a readable response with a To tag.
fn assert_answer_is_sendable(name: &str, result: &Result<Message, Malformed>) {
    let Err(Malformed {
        answer: Some(answer),
        reason,
    }) = result
    else {
        return;
    };
    assert_eq!(answer.reason, reason.to_string().as_str(), "{name}");
    let printed = answer.print();
    assert!(
        printed.starts_with(format!("SIP/2.0 {} ", answer.status).as_bytes()),
        "{name}"
    );
    if answer.headers.to().is_ok() {
        assert!(
            answer.headers.to().unwrap().tag().is_some(),
            "{name}: To has no tag"
        );
    }
    assert!(answer.headers.has(&HeaderName::Via), "{name}");
}

#[test]
fn every_message_of_the_corpus_has_its_outcome() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let table = fs::read_to_string(folder.join("expect.tsv")).unwrap();
    let mut listed = Vec::new();
    let mut wrong = Vec::new();
    for row in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [file, expected, _wire, reason, case] = cells[..] else {
            panic!("bad row: {row}")
        };
        listed.push(file.to_owned());
        let result = read(&folder.join(file));
        let said = result
            .as_ref()
            .err()
            .map(|malformed| malformed.reason.to_string());
        let said = said.unwrap_or_default();
        if outcome(&result) != expected || (reason != "-" && !said.contains(reason)) {
            wrong.push(format!(
                "{file} ({case}): expected {expected} “{reason}”, got {} “{said}”",
                outcome(&result)
            ));
            continue;
        }
        assert_answer_is_sendable(file, &result);
        if let Ok(message) = &result {
            assert_round_trip(file, message);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(
        listed.len(),
        files(&folder, "sip").len(),
        "a file is not listed in expect.tsv"
    );
    assert!(listed.len() > 120, "the corpus has shrunk");
}

/// A cut anywhere, and a changed octet anywhere, never panics (RFC 3261 §7).
#[test]
fn damaged_messages_of_the_corpus_never_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for path in files(&folder, "sip") {
        let octets = fs::read(&path).unwrap();
        for cut in (0..octets.len()).step_by(7) {
            touch(octets[..cut].to_vec());
            for damage in [0, b'\r', b'"', b'%', b',', 0xff] {
                let mut damaged = octets.clone();
                damaged[cut] = damage;
                touch(damaged);
            }
        }
    }
}

/// Reads everything that can be read lazily.
fn touch(octets: Vec<u8>) {
    let Ok(message) = parse(Bytes::from(octets), &bounds::limits(), Framing::Datagram) else {
        return;
    };
    let headers = message.headers();
    drop((
        headers.contacts(),
        headers.allow(),
        headers.supported(),
        headers.accept(),
    ));
    drop((
        headers.reason(),
        headers.warning(),
        headers.retry_after(),
        headers.date(),
    ));
    drop((
        headers.event(),
        headers.subscription_state(),
        headers.session_expires(),
    ));
    drop((
        headers.authorization(),
        headers.privacy(),
        headers.replaces(),
        headers.rack(),
    ));
    drop(message.find_body("application", "sdp"));
}

/// RFC 4475, the published octets. What the RFC leaves open is decided as in our own corpus.
#[test]
fn the_messages_of_rfc_4475_have_the_outcome_the_rfc_says() {
    const REFUSED: [(&str, &str); 24] = [
        ("BADASPEC_I", "400"),
        ("BADDN_I", "400"),
        ("BADINV01_I", "400"),
        ("BADVERS_V", "505"),
        ("BIGCODE_V", "drop"),
        ("CLERR_I", "400"),
        ("ESCRURI_V", "400"),
        ("INSUF_I", "400"),
        ("LTGTRURI_I", "400"),
        ("LWSRURI_I", "400"),
        ("LWSSTART_V", "400"),
        ("MCL01_I", "400"),
        ("MISMATCH01_V", "400"),
        ("MISMATCH02_V", "400"),
        ("MULTI01_I", "400"),
        ("NCL_I", "400"),
        ("NOVELSC_V", "416"),
        ("QUOTBAL_I", "400"),
        ("REGBADCT_I", "400"),
        ("SCALAR02_V", "400"),
        ("SCALARLG_V", "drop"),
        ("TEST_I", "drop"),
        ("TRWS_I", "400"),
        ("UNKSCM_V", "416"),
    ];
    let Some(folder) = reference("rfc4475") else {
        return;
    };
    let mut wrong = Vec::new();
    let messages = files(&folder, "dat");
    for path in &messages {
        let name = path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches("TC_");
        let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
        let expected = refused.map_or("ok", |(_, expected)| expected);
        let result = read(path);
        if outcome(&result) != expected {
            let said = result
                .as_ref()
                .err()
                .map(|malformed| malformed.reason.clone());
            wrong.push(format!(
                "{name}: expected {expected}, got {} {said:?}",
                outcome(&result)
            ));
        } else if let Ok(message) = &result {
            assert_round_trip(name, message);
        }
        assert_answer_is_sendable(name, &result);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(messages.len(), 50);
}

/// The messages of MS-CONFBAS: all can be read, print what was read, octet for octet where the
/// names are spelled as registered.
#[test]
fn the_messages_of_confbas_are_read_and_round_trip() {
    let Some(folder) = reference("confbas-vectors/wire") else {
        return;
    };
    let messages = files(&folder, "sip");
    for path in &messages {
        let name = path.file_name().unwrap().to_str().unwrap();
        let message = read(path).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_round_trip(name, &message);
    }
    assert_eq!(messages.len(), 52);
}

/// RFC 3261 §21.5.7: more octets than we take are answered 513, with the fields of the request.
#[test]
fn a_message_above_the_limit_is_answered_513() {
    let limits = Limits {
        message_bytes: 1_000,
        ..bounds::limits()
    };
    let mut message = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/no-space-before-angle.sip"),
    )
    .unwrap();
    message.resize(1_001, b'x');
    let refused = parse(Bytes::from(message.clone()), &limits, Framing::Datagram).unwrap_err();
    let answer = refused.answer.unwrap();
    assert_eq!(answer.status, StatusCode::MESSAGE_TOO_LARGE);
    assert!(answer.headers.call_id().is_ok());
    message.truncate(1_000);
    assert!(parse(Bytes::from(message), &limits, Framing::Datagram).is_ok());
}

/// The bound on header fields: the last field that fits is taken, one more is answered 400.
#[test]
fn a_message_with_too_many_fields_is_answered_400() {
    let limits = Limits {
        header_fields: 20,
        ..bounds::limits()
    };
    let message = |extra: usize| {
        let lines = "X-More: 1\r\n".repeat(extra);
        format!(
            "OPTIONS sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/UDP c.example;branch=z9hG4bKx\r\n\
             From: <sip:c@c.example>;tag=1\r\nTo: <sip:a@b.example>\r\nCall-ID: 1\r\n\
             CSeq: 1 OPTIONS\r\n{lines}\r\n"
        )
    };
    assert!(parse(Bytes::from(message(15)), &limits, Framing::Datagram).is_ok());
    let refused = parse(Bytes::from(message(16)), &limits, Framing::Datagram).unwrap_err();
    assert_eq!(refused.answer.unwrap().reason, "Too Many Header Fields");
}

/// RFC 3261 §18.3, §20.14: on a stream a body needs `Content-Length`.
#[test]
fn a_body_on_a_stream_without_content_length_is_answered_400() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let octets = fs::read(folder.join("no-content-length-on-a-datagram.sip")).unwrap();
    let refused = parse(Bytes::from(octets), &bounds::limits(), Framing::Stream).unwrap_err();
    assert_eq!(
        refused.answer.unwrap().reason,
        "Missing Content-Length on a Stream"
    );
}

/// RFC 3261 §8.2.7: a stateless answer to a retransmission has the same To tag.
#[test]
fn the_answer_to_a_retransmission_is_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/missing-from.sip");
    let print = || read(&path).unwrap_err().answer.unwrap().print();
    assert_eq!(print(), print());
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// A folder of reference vectors beside the repository, where it is present.
fn reference(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/spec")
        .join(name);
    if !folder.is_dir() {
        println!(
            "reference vectors are absent, not run: {}",
            folder.display()
        );
        return None;
    }
    Some(folder)
}
