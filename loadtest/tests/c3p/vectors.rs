//! The example requests of MS-CONFBAS §4 against the running server, where they are at hand: as
//! they are printed and as the schema wants them, with our people and conference in them.

use super::{FOCUS_BODY, Person, focus_uri, start};
use crate::{SECOND, meeting, pick_up};
use plenum_loadtest::server::Server;
use plenum_loadtest::wire::Message;
use std::path::Path;

const CONFERENCE: &str = ";gruu;opaque=app:conf:";

/// The document of an example; `None`, and said so, where there are none.
fn example(form: &str, name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/confbas-vectors");
    let path = folder.join(form).join(format!("{name}.xml"));
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("no example at {}: not judged", path.display());
    }
    text
}

/// The example as the sender's: it is about our conference, the sender is the sender, everybody
/// else is ann, and the `chat` is what the conference has of it.
fn adapted(example: &str, sender: &Person, mcu: &str) -> String {
    let from = example.split("from=\"").nth(1).unwrap();
    let from = from.split('"').next().unwrap().trim();
    let mut text = String::new();
    let mut rest = example;
    while let Some(at) = rest.find(CONFERENCE) {
        let begin = rest[..at].rfind("sip:").unwrap();
        let tail = &rest[at + CONFERENCE.len()..];
        let (kind, tail) = tail.split_once(":id:").unwrap();
        let kind = if kind == "chat" { mcu } else { kind };
        text.push_str(&rest[..begin]);
        text.push_str(&sender.focus.replace(":focus:", &format!(":{kind}:")));
        rest = tail.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    text.push_str(rest);
    let mut text = text.replace(from, &sender.aor);
    for other in ["alice", "bob", "carol", "cathy"] {
        text = text.replace(&format!("sip:{other}@fabrikam.com"), "sip:ann@example.com");
    }
    text
}

/// pia sends the example by INFO in a new meeting; the answer, and what there is.
fn sent(form: &str, name: &str, mcu: &str) -> Option<(Server, Person, Person, String)> {
    let example = example(form, name)?;
    let server = start("");
    let (mut pia, ann) = meeting(&server);
    let own = format!("{{{}}}", pia.aor);
    let text = adapted(&example, &pia, mcu).replace("{F95CF5F8-2A22-4C1F-B65E-2014CF07BD11}", &own);
    pia.send("INFO", "", FOCUS_BODY, &text);
    let answer = pia.answer("INFO");
    Some((server, pia, ann, answer))
}

/// What an example leads to: its `requestId`, what the response says, and why it fails as it is
/// printed, where it does.
const EXAMPLES: [(&str, &str, &str, Option<&str>); 9] = [
    (
        "4.4.1-01-info-modifyConferenceLock",
        "12",
        "locked>true<",
        None,
    ),
    (
        "4.4.10-01-info-modifyConference",
        "355465752",
        "conference-info",
        None,
    ),
    ("4.4.2-01-info-modifyUserRoles", "13", "presenter", None),
    (
        "4.4.3-01-info-deleteUser",
        "13",
        "sip:ann@example.com",
        None,
    ),
    // `ConferenceKeys` is no element of the schema.
    (
        "4.4.4-01-info-deleteConference",
        "13",
        "conference-info",
        Some("requestMalformed"),
    ),
    (
        "4.4.6-01-info-addUser-dialin",
        "14",
        "Mcu-Conference-Uri",
        None,
    ),
    // The certificate is none.
    (
        "4.4.7-01-info-getConference",
        "5",
        "state=\"full\"",
        Some("invalidEncryptionKey"),
    ),
    ("4.4.8-01-info-setLobbyAccess", "5", "alreadyGranted", None),
    (
        "4.4.9-01-info-modifyEndpoint",
        "298246656",
        "modifyEndpoint",
        None,
    ),
];

#[test]
fn cb_176_to_cb_246_the_examples_do_what_they_say() {
    for form in ["xml", "xml-valid"] {
        for (name, id, says, slip) in EXAMPLES {
            let Some((_server, mut pia, mut ann, answer)) = sent(form, name, "audio-video") else {
                return;
            };
            assert!(answer.starts_with("SIP/2.0 202"), "{form}/{name}: {answer}");
            let response = pia.response();
            assert!(
                response.contains(&format!("requestId=\"{id}\"")),
                "{response}"
            );
            if let (Some(slip), "xml") = (slip, form) {
                assert!(
                    response.contains("code=\"failure\""),
                    "{form}/{name}: {response}"
                );
                assert!(response.contains(slip), "{form}/{name}: {response}");
                continue;
            }
            for expect in ["code=\"success\"", says] {
                assert!(response.contains(expect), "{form}/{name}: {response}");
            }
            if name.contains("delete") {
                ann.await_text(5 * SECOND, |text| text.starts_with("BYE "));
            }
        }
    }
}

#[test]
fn cb_170_the_examples_for_a_chat_get_603_where_there_is_none() {
    for (form, name) in [
        ("xml-valid", "4.4.5-01-info-addUser-dialout"),
        ("xml-valid", "4.4.6-01-info-addUser-dialin"),
        ("xml", "4.4.6-01-info-addUser-dialin"),
    ] {
        let Some((.., answer)) = sent(form, name, "chat") else {
            return;
        };
        assert!(answer.starts_with("SIP/2.0 603"), "{form}/{name}: {answer}");
    }
    // As it is printed it spells the joining method as nobody else does.
    let Some((_server, mut pia, _ann, answer)) =
        sent("xml", "4.4.5-01-info-addUser-dialout", "chat")
    else {
        return;
    };
    assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
    let response = pia.response();
    assert!(response.contains("requestMalformed"), "{response}");
}

#[test]
fn cb_203_the_example_of_dialling_out_calls_somebody() {
    let Some(example) = example("xml-valid", "4.4.5-01-info-addUser-dialout") else {
        return;
    };
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let mut zoe = Person::new(&server, "zoe", false);
    let reached = format!("sip:zoe@{}", zoe.local());
    let text = adapted(&example, &pia, "audio-video")
        .replace("sip:ann@example.com;opaque=user:epid:123;gruu", &reached)
        .replace("sip:ann@example.com", &zoe.aor);
    pia.send("INFO", "", FOCUS_BODY, &text);
    assert!(pia.answer("INFO").starts_with("SIP/2.0 202"));
    let invite = zoe.await_text(5 * SECOND, |text| text.starts_with("INVITE "));
    pick_up(&mut zoe, &invite, "200 OK");
    let response = pia.response();
    assert!(response.contains("code=\"success\""), "{response}");
    zoe.await_text(5 * SECOND, |text| text.starts_with("ACK "));
    let here = pia.notified("dialed-out");
    assert!(here.contains(&zoe.aor), "{here}");
}

#[test]
fn cb_024_cb_037_the_examples_of_joining() {
    for form in ["xml", "xml-valid"] {
        for (name, more, status) in [
            ("4.2.1-01-invite", "", 200),
            ("4.2.1-04-invite-on-behalf", "", 403),
            (
                "4.2.1-04-invite-on-behalf",
                "P-Session-On-Behalf-Of: <sip:ann@example.com>\r\n",
                200,
            ),
        ] {
            let Some(example) = example(form, name) else {
                return;
            };
            let server = start("");
            let mut pia = Person::new(&server, "pia", true);
            assert_eq!(pia.focus, focus_uri(&server));
            let text = adapted(&example, &pia, "audio-video");
            pia.send("INVITE", more, FOCUS_BODY, &text);
            let answer = pia.answer("INVITE");
            let found = Message::parse(answer.as_bytes()).unwrap().status();
            assert_eq!(found, Some(status), "{form}/{name}: {answer}");
        }
    }
}
