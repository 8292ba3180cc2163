//! Users with passwords: registering, being called, calling, and everything that is not right.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod users;

use plenum_loadtest::codec::Codec;
use plenum_loadtest::digest::Login;
use plenum_loadtest::peer::baresip::{Account, Baresip};
use plenum_loadtest::peer::browser::Browser;
use plenum_loadtest::server::ServerSettings;
use plenum_loadtest::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use users::{UserPhone, add, challenge, register_soon, shape, start, strict};

const NOT_SEEN_YET: Duration = Duration::from_secs(3);

#[test]
fn rfc3261_10_and_rfc7616_users_register_by_either_digest_and_are_listed() {
    let server = start(&strict(""));
    add(&server, "alice");
    let mut phone = UserPhone::new(&server, "alice");
    let answer = register_soon(&mut phone);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(answer.contains(";expires=3600"), "{answer}");
    assert!(answer.contains("Authentication-Info: rspauth="), "{answer}");
    let mut other = UserPhone::new(&server, "alice");
    let to = "sip:alice@example.com";
    let how = ("REGISTER", "sip:example.com", to);
    let answer = other.ask_twice("MD5", how, "Expires: 90\r\n");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert_eq!(
        answer.matches("Contact: <sip:alice@").count(),
        2,
        "{answer}"
    );
    let list = server.operate(&["user", "list"], "").unwrap();
    assert!(list.contains(to) && !list.contains("secret"), "{list}");
    let answer = phone.register("Expires: 10\r\n");
    assert!(
        answer.starts_with("SIP/2.0 423") && answer.contains("Min-Expires: 60"),
        "{answer}"
    );
}

/// A REGISTER without credentials that says it is alice's.
fn word_of_alice(transport: &str, call: &str) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/{transport} word.invalid;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=w\r\nTo: <sip:alice@example.com>\r\n\
         Call-ID: {call}\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1:9>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn on_a_trusted_network_a_word_registers_over_a_stream_but_not_by_datagram_or_websocket() {
    let server = start(&ServerSettings {
        transports: vec!["ws"],
        ..ServerSettings::default()
    });
    add(&server, "alice");
    let mut by_datagram = UserPhone::new(&server, "alice");
    // Its first REGISTER has no credentials, and is refused.
    assert!(register_soon(&mut by_datagram).starts_with("SIP/2.0 200"));

    let mut stream = TcpStream::connect(server.sip()).unwrap();
    let word = word_of_alice("TCP", "stream");
    stream.write_all(word.as_bytes()).unwrap();
    let mut answer = [0; 2000];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");

    let page = SocketAddr::new(server.sip().ip(), 5080);
    let mut page = Browser::open(page, "alice").unwrap();
    page.say(word_of_alice("WS", "page")).unwrap();
    let answer = page.await_message("an answer", NOT_SEEN_YET, |message| {
        message.status().is_some()
    });
    let answer = answer.unwrap();
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
}

#[test]
fn wrong_password_unknown_user_replay_stale_and_disabled_each_have_their_answer() {
    let server = start(&strict("[auth]\nnonce_life_s = 2\n"));
    add(&server, "alice");
    let mut alice = UserPhone::new(&server, "alice");
    assert!(register_soon(&mut alice).starts_with("SIP/2.0 200"));
    let to = "sip:alice@example.com";
    let how = ("REGISTER", "sip:example.com", to);

    let mut wrong = UserPhone::new(&server, "alice");
    wrong.login = Login::new("alice", "guess");
    let mut unknown = UserPhone::new(&server, "mallory");
    let one = wrong.ask_twice("SHA-256", how, "");
    let two = unknown.ask_twice(
        "SHA-256",
        ("REGISTER", "sip:example.com", "sip:mallory@example.com"),
        "",
    );
    assert!(one.starts_with("SIP/2.0 401"), "{one}");
    assert_eq!(
        shape(&one),
        shape(&two),
        "an outsider cannot tell them apart"
    );

    let first = alice.ask(how.0, how.1, how.2, "");
    let asked = challenge(&first, "SHA-256");
    let answer = alice.login.answer(&asked, how.0, how.1, 1).unwrap();
    let line = format!("Authorization: {answer}\r\n");
    assert!(
        alice
            .ask(how.0, how.1, how.2, &line)
            .starts_with("SIP/2.0 200")
    );
    let again = alice.ask(how.0, how.1, how.2, &line);
    assert!(again.starts_with("SIP/2.0 401"), "replayed: {again}");
    let next = alice.login.answer(&asked, how.0, how.1, 2).unwrap();
    let next = format!("Authorization: {next}\r\n");
    assert!(
        alice
            .ask(how.0, how.1, how.2, &next)
            .starts_with("SIP/2.0 200")
    );
    std::thread::sleep(Duration::from_millis(2500));
    let late = alice.login.answer(&asked, how.0, how.1, 3).unwrap();
    let late = alice.ask(how.0, how.1, how.2, &format!("Authorization: {late}\r\n"));
    assert!(
        late.starts_with("SIP/2.0 401") && late.contains("stale=true"),
        "{late}"
    );

    add(&server, "bob");
    let other = ("REGISTER", "sip:example.com", "sip:bob@example.com");
    let stolen = alice.ask_twice("SHA-256", other, "");
    assert!(
        stolen.starts_with("SIP/2.0 403"),
        "of another user: {stolen}"
    );

    server.operate(&["user", "disable", to], "").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let disabled = alice.ask_twice("SHA-256", how, "");
    assert!(
        disabled.starts_with("SIP/2.0 403") && disabled.contains("disabled"),
        "{disabled}"
    );
    server.operate(&["user", "enable", to], "").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(alice.register("").starts_with("SIP/2.0 200"));
    let text = server
        .operate(&["user", "delete", "sip:nobody@example.com"], "")
        .unwrap_err();
    assert!(text.contains("there is no user"), "{text}");
}

#[test]
fn a_forged_from_is_challenged_strangers_come_in_and_users_are_who_they_are() {
    let server = start(&strict(""));
    add(&server, "alice");
    let mut alice = UserPhone::new(&server, "alice");
    assert!(register_soon(&mut alice).starts_with("SIP/2.0 200"));
    let uri = format!("sip:standup@{}", server.sip());
    let forged = alice.ask("INVITE", &uri, &uri, "");
    assert!(forged.starts_with("SIP/2.0 401"), "{forged}");
    let claimed = "P-Asserted-Identity: <sip:alice@example.com>\r\n";
    let forged = alice.ask("INVITE", &uri, &uri, claimed);
    assert!(forged.starts_with("SIP/2.0 401"), "{forged}");
    let proven = alice.ask_twice("SHA-256", ("INVITE", &uri, &uri), "");
    assert!(proven.starts_with("SIP/2.0 200"), "{proven}");
    let roster = server
        .operate(&["conference", "show", "standup"], "")
        .unwrap();
    assert!(roster.contains("alice@example.com"), "{roster}");
    let mut stranger = Baresip::start(Codec::Pcmu, Signal::Silence).unwrap();
    stranger.call(&uri).unwrap();
}

#[test]
fn registrations_survive_kill_9_and_all_devices_ring() {
    let folder = std::env::temp_dir().join(format!("plenum-kept-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rest = format!("[store]\nfile = \"{}\"\n", folder.join("kept.db").display());
    let settings = strict(&rest);
    let server = start(&settings);
    add(&server, "bob");
    let mut phones = ["bob", "bob", "bob"].map(|name| UserPhone::new(&server, name));
    for phone in &mut phones {
        assert!(register_soon(phone).starts_with("SIP/2.0 200"));
    }
    server.kill().unwrap();
    let server = Arc::new(start(&settings));
    let calling = Arc::clone(&server);
    let call = std::thread::spawn(move || {
        calling.operate(&["call", "standup", "sip:bob@example.com"], "")
    });
    let rung: Vec<String> = phones
        .iter()
        .map(|phone| phone.request("INVITE").unwrap())
        .collect();
    let line = |text: &String, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap().to_owned()
    };
    assert_eq!(
        line(&rung[0], "Call-ID"),
        line(&rung[1], "Call-ID"),
        "one call"
    );
    for (phone, invite) in phones.iter().zip(&rung) {
        phone.answer(invite, "180 Ringing");
    }
    phones[2].answer(&rung[2], "486 Busy Here");
    phones[1].answer(&rung[1], "200 OK");
    assert!(phones[1].request("ACK").is_some());
    let cancel = phones[0].request("CANCEL").unwrap();
    phones[0].answer(&cancel, "200 OK");
    phones[0].answer(&rung[0], "487 Request Terminated");
    assert!(phones[0].request("ACK").is_some());
    call.join().unwrap().unwrap();
    let text = server
        .operate(&["call", "standup", "sip:nobody@example.com"], "")
        .unwrap_err();
    assert!(text.contains("there is no user"), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn baresip_registers_is_called_and_heard_of() {
    let server = start(&ServerSettings {
        rest: "[auth]\nalgorithms = [\"MD5\"]\n".to_owned(),
        ..ServerSettings::default()
    });
    let (host, address) = (server.sip().ip(), server.sip().to_string());
    let carol = format!("sip:carol@{host}");
    server
        .operate(&["user", "add", &carol], "carol-secret\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let account = Account {
        user: "carol",
        registrar: &address,
        password: "carol-secret",
    };
    let mut phone = Baresip::subscribe(Codec::Pcmu, Signal::Silence, &account).unwrap();
    let called = server.operate(&["call", "standup", &carol], "");
    assert!(called.is_ok(), "{called:?}\n{}", phone.log());
    let established = phone.await_event("CALL_ESTABLISHED", Duration::from_secs(5));
    established.unwrap();
    let copy = server.folder().join("copy.db");
    server
        .operate(&["store", "backup", copy.to_str().unwrap()], "")
        .unwrap();
    assert!(copy.exists());
}

#[test]
fn whom_the_conferences_trust_is_taken_at_sighup() {
    let server = start(&strict(""));
    add(&server, "alice");
    let mut phone = UserPhone::new(&server, "alice");
    let answer = register_soon(&mut phone);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let uri = format!("sip:board@{}", server.sip());
    let answer = phone.ask("INVITE", &uri, &uri, "");
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
    let file = server.folder().join("plenum.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let trusting = text.replace("trusted = []", "trusted = [\"127.0.0.0/8\"]");
    assert_ne!(text, trusting);
    std::fs::write(&file, trusting).unwrap();
    server.reload().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let answer = phone.ask("INVITE", &uri, &uri, "");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}
