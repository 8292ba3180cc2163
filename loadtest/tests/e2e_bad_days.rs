//! What goes wrong in the field: refusals, phones that vanish, floods of half-open calls, slow readers.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::process::Usage;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::wire::Message;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn start(settings: ServerSettings) -> Server {
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn request(phone: &RawPhone, method: &str, uri: &str, id: &str, body: &str) -> String {
    phone.request(&Fields {
        method,
        uri,
        branch: id,
        call_id: id,
        cseq: &format!("1 {method}"),
        to_tag: "",
        more: "",
        body,
    })
}

/// Calls `user@domain` once and returns the status and whether a Warning or Reason explains it.
fn call(server: &Server, user: &str, domain: &str, id: &str) -> (u16, bool) {
    let phone = RawPhone::new(server.sip()).unwrap();
    let uri = format!("sip:{user}@{domain}");
    phone
        .send(request(&phone, "INVITE", &uri, id, &phone.offer()))
        .unwrap();
    let text = phone.final_response("INVITE").unwrap().unwrap();
    let answer = Message::parse(text.as_bytes()).unwrap();
    let explained = answer
        .header("Warning", "")
        .or_else(|| answer.header("Reason", ""))
        .is_some();
    let tag = answer.to_tag().unwrap_or_default();
    let branch = if answer.status() == Some(200) {
        format!("{id}ack")
    } else {
        id.to_owned()
    };
    let acknowledgement = phone.request(&Fields {
        method: "ACK",
        uri: &uri,
        branch: &branch,
        call_id: id,
        cseq: "1 ACK",
        to_tag: tag,
        more: "",
        body: "",
    });
    phone.send(acknowledgement).unwrap();
    (answer.status().unwrap(), explained)
}

#[test]
fn refusals_have_their_status_and_say_why() {
    let server = start(ServerSettings {
        sip: "domains = [\"conf.example.com\"]\n".to_owned(),
        conferences: "ad_hoc = false\n".to_owned(),
        rest: "[[conference]]\nname = \"small\"\nmax_participants = 1\n\n\
               [[conference]]\nname = \"closed\"\nlocked = true\n"
            .to_owned(),
        ..ServerSettings::default()
    });
    let domain = "conf.example.com";
    assert_eq!(call(&server, "small", domain, "r1").0, 200);
    assert_eq!(call(&server, "small", domain, "r2"), (486, true), "full");
    assert_eq!(call(&server, "closed", domain, "r3"), (403, true), "locked");
    assert_eq!(
        call(&server, "nobody", domain, "r4"),
        (404, true),
        "unknown"
    );
    assert_eq!(
        call(&server, "small", "elsewhere.example.com", "r5"),
        (404, true),
        "wrong domain"
    );
}

#[test]
fn a_phone_that_vanishes_is_let_go() {
    let limits = "media_timeout_s = 3\n".to_owned();
    let server = start(ServerSettings {
        limits,
        ..ServerSettings::default()
    });
    let mut fleet = Fleet::new(server.sip(), 20 * SECOND, 3).unwrap();
    for (codec, hz) in [(Codec::Pcmu, 440.0), (Codec::Opus, 1000.0)] {
        let signal = Signal::Tone { hz, dbfs: -20.0 };
        fleet
            .add(PhoneSettings::new("standup", codec, signal))
            .unwrap();
    }
    fleet.invite(0);
    fleet.invite(1);
    assert!(
        fleet
            .run_until(5 * SECOND, |fleet| fleet.up() == 2)
            .unwrap()
    );
    fleet.run(SECOND).unwrap();
    fleet.phones_mut()[0].unplug(true);
    fleet.run(5 * SECOND).unwrap();
    // Back on the wire it hears the BYE that the server is still repeating.
    fleet.phones_mut()[0].unplug(false);
    let over = fleet.run_until(10 * SECOND, |fleet| {
        *fleet.phones()[0].call.state() == CallState::Over { by_server: true }
    });
    assert!(
        over.unwrap(),
        "{:?}\n{}",
        fleet.phones()[0].call.state(),
        server.log()
    );
    assert_eq!(
        *fleet.phones()[1].call.state(),
        CallState::Up,
        "the other one stays"
    );
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    assert!(fleet.phones()[1].receiver.packets() >= 45, "and is sent to");
}

#[test]
fn ten_thousand_half_open_invites_are_bounded() {
    let limits = "half_open_calls = 500\n".to_owned();
    let mut server = start(ServerSettings {
        limits,
        ..ServerSettings::default()
    });
    let phone = RawPhone::new(server.sip()).unwrap();
    let offer = phone.offer();
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    let count = |answers: &mut BTreeMap<u16, u32>, text: &str| {
        let status = Message::parse(text.as_bytes()).and_then(|message| message.status());
        if let Some(status) = status.filter(|status| *status >= 200) {
            *answers.entry(status).or_default() += 1;
        }
    };
    for number in 0..10_000 {
        let uri = format!("sip:half{}@{}", number % 50, server.sip());
        let id = format!("half{number}");
        phone
            .send(request(&phone, "INVITE", &uri, &id, &offer))
            .unwrap();
        // A wait of any length costs the kernel's tick, so answers are read in batches.
        while number % 50 == 49
            && let Some(text) = phone.receive(Duration::from_millis(1)).unwrap()
        {
            count(&mut answers, &text);
        }
    }
    while let Some(text) = phone.receive(SECOND / 5).unwrap() {
        count(&mut answers, &text);
        if answers.get(&503).is_some_and(|refused| *refused > 5000) {
            break;
        }
    }
    assert!(
        answers.get(&503).is_some_and(|refused| *refused > 5000),
        "{answers:?}"
    );
    assert!(server.alive(), "{}", server.log());
    let resident = Usage::of(server.pid()).unwrap().resident_kib;
    assert!(resident < 400 * 1024, "{resident} KiB");
    let (status, _) = call(&server, "standup", &server.sip().to_string(), "later");
    assert!(status == 200 || status == 503, "{status}");
}

#[test]
fn a_slow_reader_holds_up_nobody_else() {
    let mut server = start(ServerSettings::default());
    let mut slow = TcpStream::connect(server.sip()).unwrap();
    slow.set_write_timeout(Some(SECOND / 2)).unwrap();
    let local = slow.local_addr().unwrap();
    for number in 0..20_000 {
        let options = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKslow{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:slow@{local}>;tag=1\r\nTo: <sip:{to}>\r\n\
             Call-ID: slow{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            to = server.sip()
        );
        // Sooner or later the server reads no more, or closes: either is right.
        if slow.write_all(options.as_bytes()).is_err() {
            break;
        }
    }
    let (status, _) = call(&server, "standup", &server.sip().to_string(), "meanwhile");
    assert_eq!(status, 200);
    let resident = Usage::of(server.pid()).unwrap().resident_kib;
    assert!(server.alive() && resident < 200 * 1024, "{resident} KiB");
}
