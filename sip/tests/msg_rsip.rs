//! Differential test against `rsip`: what it can read, we read alike (RFC 3261 §7).
//!
//! `rsip` 0.4.0 is not a judge of what it cannot read: those messages of our corpus are listed, so
//! that it shows when the list changes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod bounds;

use bytes::Bytes;
use plenum_sip::msg::{Framing, Message, parse};
use rsip::prelude::{HeadersExt, UntypedHeader};
use std::fs;
use std::path::{Path, PathBuf};

/// Valid messages `rsip` rejects: line breaks in front, folds, IPv6, `tel:`, colons in parameters,
/// methods it does not know, octets that are not UTF-8.
const RSIP_REJECTS: &[&str] = &[
    "crlf-before-the-message.sip",
    "gruu-with-colons-in-parameters.sip",
    "ipv6-mapped-ipv4.sip",
    "ipv6-port-after-brackets.sip",
    "ipv6-port-inside-brackets.sip",
    "ipv6-references.sip",
    "octets-not-utf8.sip",
    "percent-is-no-escape-in-tokens.sip",
    "tel-uris.sip",
    "unknown-method.sip",
    "unusual-but-legal-characters.sip",
    "white-space-and-folds.sip",
];

/// Valid messages `rsip` reads wrongly: compact names it leaves unread, methods it takes in any
/// case, octets after `Content-Length` it takes into the body.
const RSIP_MISREADS: &[&str] = &[
    "compact-names.sip",
    "contact-with-escaped-headers.sip",
    "many-transports.sip",
    "method-in-lower-case-is-another-method.sip",
    "octets-after-the-message.sip",
];

#[test]
fn what_rsip_reads_is_read_alike() {
    let (mut rejected, mut misread, mut compared) = (Vec::new(), Vec::new(), 0);
    for path in messages() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let octets = fs::read(&path).unwrap();
        let Ok(ours) = parse(
            Bytes::from(octets.clone()),
            &bounds::limits(),
            Framing::Datagram,
        ) else {
            continue;
        };
        // `rsip` slices octets where it should not; a panic of it is a rejection.
        let theirs = std::panic::catch_unwind(|| rsip::SipMessage::try_from(octets.as_slice()));
        match theirs {
            Ok(Ok(theirs)) => match difference(&ours, &theirs) {
                None => compared += 1,
                Some(difference) => misread.push(format!("{name}: {difference}")),
            },
            // The reference vectors may be absent; what is listed is our own.
            Ok(Err(_)) | Err(_) if name.starts_with("4.") => {}
            Ok(Err(_)) | Err(_) => rejected.push(name),
        }
    }
    println!("{compared} messages are read alike");
    let names: Vec<&str> = misread
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names, RSIP_MISREADS, "{misread:#?}");
    assert_eq!(rejected, RSIP_REJECTS);
    assert!(compared >= 30, "only {compared} messages were compared");
}

/// The first thing that differs, in words.
fn difference(ours: &Message, theirs: &rsip::SipMessage) -> Option<String> {
    let (start, headers) = match (ours, theirs) {
        (Message::Request(ours), rsip::SipMessage::Request(theirs)) => {
            let start = (
                format!("{} {}", ours.method, ours.uri),
                format!("{} {}", theirs.method, theirs.uri),
            );
            (start, &theirs.headers)
        }
        (Message::Response(ours), rsip::SipMessage::Response(theirs)) => {
            let start = (
                ours.status.to_string(),
                theirs.status_code.code().to_string(),
            );
            (start, &theirs.headers)
        }
        _ => return Some("request or response?".to_owned()),
    };
    if !same_uri(&start.0, &start.1) {
        return Some(format!("start line {start:?}"));
    }
    let fields: Vec<(String, String)> = ours
        .headers()
        .iter()
        .map(|field| (field.name.to_string(), field.value.to_string()))
        .collect();
    let other: Vec<(String, String)> = headers
        .iter()
        .map(|header| split(&header.to_string()))
        .collect();
    let same = |(a, b): (&(String, String), &(String, String))| {
        a.0.eq_ignore_ascii_case(&b.0) && a.1 == b.1
    };
    if fields.len() != other.len() || !fields.iter().zip(&other).all(same) {
        let first = fields.iter().zip(&other).find(|pair| !same(*pair));
        return Some(format!("fields: {first:?}"));
    }
    typed_difference(ours, theirs).or_else(|| body_difference(ours, theirs))
}

/// `rsip` writes the transport parameter in capitals, and cuts a parameter value at its colon.
fn same_uri(ours: &str, theirs: &str) -> bool {
    let spelled = theirs.replace("transport=TLS", "transport=tls");
    let cut = ours
        .strip_prefix(&spelled)
        .is_some_and(|rest| rest.starts_with(':'));
    ours == spelled || (cut && ours.contains(";opaque=app:"))
}

fn split(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.trim().to_owned(), value.trim().to_owned())
}

/// From, To, Call-ID and CSeq as both understand them.
fn typed_difference(ours: &Message, theirs: &rsip::SipMessage) -> Option<String> {
    let headers = ours.headers();
    let cseq = theirs.cseq_header().ok()?;
    if let (Ok(seq), Ok(method)) = (cseq.seq(), cseq.method()) {
        let mine = headers.cseq().unwrap();
        if (mine.seq, mine.method.as_str()) != (seq, method.to_string().as_str()) {
            return Some(format!("CSeq {mine}"));
        }
    }
    if headers.call_id().unwrap() != theirs.call_id_header().ok()?.value() {
        return Some("Call-ID".to_owned());
    }
    let from = theirs.from_header().ok()?;
    if let (Ok(uri), Ok(tag)) = (from.uri(), from.tag()) {
        let mine = headers.from().unwrap();
        if !same_uri(&mine.uri.to_string(), &uri.to_string()) {
            return Some(format!("From URI {} {uri}", mine.uri));
        }
        if mine.tag().map(|tag| tag.to_string()) != tag.map(|tag| tag.value().to_owned()) {
            return Some("From tag".to_owned());
        }
    }
    None
}

fn body_difference(ours: &Message, theirs: &rsip::SipMessage) -> Option<String> {
    let same = ours.body().as_ref() == theirs.body().as_slice();
    (!same).then(|| "body".to_owned())
}

fn messages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut list = Vec::new();
    for folder in ["tests/corpus", "../../shared/spec/confbas-vectors/wire"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else {
            println!("reference vectors are absent, not compared: {folder}");
            continue;
        };
        list.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "sip")),
        );
    }
    list.sort();
    list
}
