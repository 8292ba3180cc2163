//! What trunks and users have agreed on about media, on the wire: codecs and their order, how keys come, encryption.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

#[expect(dead_code, reason = "not every test needs every phone")]
mod users;

use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use users::{UserPhone, register_soon, start, strict};

const KEY: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                   inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// An offer of µ-law, A-law and telephone events by this profile, with whatever more.
fn offer(profile: &str, more: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 9 {profile} 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{more}"
    )
}

/// A call of a provider at this address to this number, acknowledged; the answer and its tag.
fn call(server: &Server, from: &str, number: &str, offer: &str) -> (RawPhone, String) {
    let phone = RawPhone::at(from.parse().unwrap(), server.sip()).unwrap();
    let answer = ask(&phone, server, ("INVITE", number, ""), "", offer);
    let tag = Message::parse(answer.as_bytes()).unwrap().to_tag();
    let tag = tag.unwrap().to_owned();
    let uri = format!("sip:{number}@{}", server.sip());
    let ack = Fields {
        method: "ACK",
        uri: &uri,
        branch: if answer.starts_with("SIP/2.0 200") {
            "acknowledged"
        } else {
            "INVITE"
        },
        call_id: &phone.local().port().to_string(),
        cseq: "1 ACK",
        to_tag: &tag,
        more: "",
        body: "",
    };
    phone.send(phone.request(&ack)).unwrap();
    (phone, answer)
}

fn ask(
    phone: &RawPhone,
    server: &Server,
    (method, number, to_tag): (&str, &str, &str),
    more: &str,
    body: &str,
) -> String {
    let (uri, cseq) = (
        format!("sip:{number}@{}", server.sip()),
        if method == "INVITE" { 1 } else { 2 },
    );
    let cseq = format!("{cseq} {method}");
    let fields = Fields {
        method,
        uri: &uri,
        branch: method,
        call_id: &phone.local().port().to_string(),
        cseq: &cseq,
        to_tag,
        more,
        body,
    };
    let text = phone.request(&fields);
    let kind = "Content-Type: application/dtmf-relay";
    let text = match method {
        "INFO" => text.replace("Content-Type: application/sdp", kind),
        _ => text,
    };
    phone.send(text).unwrap();
    phone.final_response(method).unwrap().unwrap()
}

fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    text.lines()
        .find(|line| line.starts_with(begin))
        .unwrap_or_default()
}

/// What is named of `m=audio 12345 PROFILE FORMATS`.
fn audio(text: &str) -> String {
    let words = line(text, "m=audio").split_whitespace().skip(2);
    words.collect::<Vec<_>>().join(" ")
}

const IN: &str = "[[trunk]]\nname = \"picky\"\nserver = \"127.0.0.71\"\noptions_s = 0\n\
    codecs = [\"pcma\", \"g722\"]\ndtmf = [\"info\"]\n[trunk.numbers]\n\"1\" = \"board\"\n\
    [[trunk]]\nname = \"secret\"\nserver = \"127.0.0.72\"\noptions_s = 0\n\
    protection = \"required\"\ndtmf = [\"rfc4733\"]\n[trunk.numbers]\n\"2\" = \"board\"\n\
    [[trunk]]\nname = \"plain\"\nserver = \"127.0.0.73\"\noptions_s = 0\n\
    protection = \"never\"\n[trunk.numbers]\n\"3\" = \"board\"\n";

#[test]
fn calls_from_a_trunk_are_answered_by_its_terms() {
    let settings = ServerSettings {
        rest: IN.to_owned(),
        ..ServerSettings::default()
    };
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let plain = offer("RTP/AVP", "");
    let digit = "Signal=5\r\nDuration=100\r\n";
    let tag = |answer: &str| {
        let message = Message::parse(answer.as_bytes()).unwrap();
        message.to_tag().unwrap().to_owned()
    };

    let (phone, answer) = call(&server, "127.0.0.71", "1", &plain);
    assert_eq!(
        audio(&answer),
        "RTP/AVP 8",
        "its codec, no events: {answer}"
    );
    let info = ask(&phone, &server, ("INFO", "1", &tag(&answer)), "", digit);
    assert!(info.starts_with("SIP/2.0 200"), "{info}");

    let (_, answer) = call(&server, "127.0.0.72", "2", &plain);
    assert!(answer.starts_with("SIP/2.0 488"), "RFC 3264 §6: {answer}");
    let warning = line(&answer, "Warning:");
    assert!(warning.contains("ncrypt"), "{answer}");
    let (phone, answer) = call(&server, "127.0.0.72", "2", &offer("RTP/SAVP", KEY));
    assert_eq!(audio(&answer), "RTP/SAVP 8 0 101", "{answer}");
    assert!(line(&answer, "a=crypto:1").contains("inline:"), "{answer}");
    let info = ask(&phone, &server, ("INFO", "2", &tag(&answer)), "", digit);
    assert!(info.starts_with("SIP/2.0 415"), "{info}");

    let (_, answer) = call(&server, "127.0.0.73", "3", &offer("RTP/SAVP", KEY));
    assert!(answer.starts_with("SIP/2.0 488"), "{answer}");
    let (_, answer) = call(&server, "127.0.0.73", "3", &plain);
    assert_eq!(audio(&answer), "RTP/AVP 8 0 101", "{answer}");
}

/// What somebody is offered who is called, and refuses.
fn offered(server: &Arc<Server>, provider: &RawPhone, number: &str) -> String {
    let (calling, number) = (Arc::clone(server), number.to_owned());
    let call = std::thread::spawn(move || calling.operate(&["call", "board", &number], ""));
    let invite = provider.await_message(Duration::from_secs(5), |message| {
        message.status().is_none() && message.method() == "INVITE"
    });
    let invite = invite.unwrap().unwrap();
    let message = Message::parse(invite.as_bytes()).unwrap();
    provider
        .send(message.answer("486 Busy Here", "t", "", ""))
        .unwrap();
    let text = call.join().unwrap().unwrap_err();
    assert!(text.contains("Busy") || text.contains("486"), "{text}");
    invite
}

#[test]
fn calls_to_a_trunk_are_offered_its_terms() {
    let settings = ServerSettings::default();
    let sip: SocketAddr = format!("{}:5060", settings.ip).parse().unwrap();
    let provider = |address: &str| RawPhone::at(address.parse().unwrap(), sip).unwrap();
    let (secret, plain) = (provider("127.0.0.74"), provider("127.0.0.75"));
    let rest = format!(
        "[[trunk]]\nname = \"secret\"\nserver = \"{}\"\noptions_s = 0\ncodecs = [\"pcmu\", \"opus\"]\n\
         protection = \"required\"\n[[trunk]]\nname = \"plain\"\nserver = \"{}\"\noptions_s = 0\n\
         protection = \"never\"\ndtmf = [\"info\", \"inband\"]\n\
         [[dial_rule]]\nprefix = \"+49\"\ntrunks = [\"secret\"]\n\
         [[dial_rule]]\nprefix = \"+44\"\ntrunks = [\"plain\"]\n",
        secret.local(),
        plain.local()
    );
    let settings = ServerSettings { rest, ..settings };
    let server = Arc::new(Server::start(&program().unwrap(), &settings).unwrap());
    let invite = offered(&server, &secret, "+4930123");
    assert!(audio(&invite).starts_with("RTP/SAVP 0 "), "{invite}");
    assert!(line(&invite, "a=crypto:").contains("inline:"), "{invite}");
    assert!(
        !invite.contains("PCMA") && !invite.contains("G722"),
        "{invite}"
    );
    let order = invite.find("PCMU/8000") < invite.find("opus/48000");
    assert!(order && invite.contains("telephone-event"), "{invite}");
    let invite = offered(&server, &plain, "+44123");
    assert!(audio(&invite).starts_with("RTP/AVP "), "{invite}");
    let none = ["a=crypto", "a=fingerprint", "telephone-event"];
    assert!(!none.iter().any(|what| invite.contains(what)), "{invite}");
}

#[test]
fn a_users_media_are_encrypted_as_the_user_says() {
    let server = Arc::new(start(&strict("")));
    let aor = "sip:alice@example.com";
    let added = ["user", "add", aor, "--protection", "required"];
    server.operate(&added, "alice-secret\n").unwrap();
    let list = server.operate(&["user", "list"], "").unwrap();
    assert!(list.contains("required"), "{list}");
    let mut alice = UserPhone::new(&server, "alice");
    assert!(register_soon(&mut alice).starts_with("SIP/2.0 200"));
    let uri = format!("sip:standup@{}", server.sip());
    let refused = alice.ask_twice("SHA-256", ("INVITE", &uri, &uri), "");
    assert!(refused.starts_with("SIP/2.0 488"), "{refused}");
    assert!(line(&refused, "Warning:").contains("ncrypt"), "{refused}");

    let calling = Arc::clone(&server);
    let call = std::thread::spawn(move || calling.operate(&["call", "board", aor], ""));
    let invite = alice.request("INVITE").unwrap();
    assert!(audio(&invite).starts_with("RTP/SAVP "), "{invite}");
    alice.answer(&invite, "486 Busy Here");
    call.join().unwrap().unwrap_err();

    server
        .operate(&["user", "protect", aor, "optional"], "")
        .unwrap();
    let end = plenum_loadtest::clock::now() + Duration::from_secs(3);
    loop {
        let answer = alice.ask_twice("SHA-256", ("INVITE", &uri, &uri), "");
        if answer.starts_with("SIP/2.0 200") {
            break;
        }
        assert!(plenum_loadtest::clock::now() < end, "{answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
