//! The process as its operator meets it: draining, reloading, a full disk, ports running out, calling
//! somebody from the command line.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::clock;
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::peer::sipp::Echo;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn start(settings: &ServerSettings) -> Server {
    Server::start(&program().unwrap(), settings).unwrap()
}

/// A phone in a call, or the refusal it got.
struct Caller {
    phone: RawPhone,
    uri: String,
    id: String,
    answer: String,
}

impl Caller {
    fn call(server: &Server, user: &str, id: &str) -> Self {
        let phone = RawPhone::new(server.sip()).unwrap();
        let mut caller = Self {
            uri: format!("sip:{user}@{}", server.sip()),
            id: id.to_owned(),
            answer: String::new(),
            phone,
        };
        let offer = caller.phone.offer();
        caller.say("INVITE", 1, "i", &offer);
        caller.answer = caller.phone.final_response("INVITE").unwrap().unwrap();
        let branch = if caller.status() == 200 { "a" } else { "i" };
        caller.say("ACK", 1, branch, "");
        caller
    }

    fn say(&self, method: &str, cseq: u32, branch: &str, body: &str) {
        let tag = self.tag();
        let request = self.phone.request(&Fields {
            method,
            uri: &self.uri,
            branch: &format!("{}{branch}", self.id),
            call_id: &self.id,
            cseq: &format!("{cseq} {method}"),
            to_tag: &tag,
            more: "",
            body,
        });
        self.phone.send(request).unwrap();
    }

    fn tag(&self) -> String {
        let answer = Message::parse(self.answer.as_bytes());
        let tag = answer.as_ref().and_then(Message::to_tag);
        tag.unwrap_or_default().to_owned()
    }

    fn status(&self) -> u16 {
        let answer = Message::parse(self.answer.as_bytes()).unwrap();
        answer.status().unwrap()
    }

    fn header(&self, name: &str) -> String {
        let answer = Message::parse(self.answer.as_bytes()).unwrap();
        answer.header(name, "").unwrap_or_default().to_owned()
    }

    fn hang_up(&self) {
        self.say("BYE", 2, "b", "");
        let answer = self.phone.final_response("BYE").unwrap().unwrap();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// Waits for the server's BYE, answers it, and returns its Reason.
    fn await_bye(&self, time: Duration) -> String {
        let bye = self
            .phone
            .await_message(time, |message| message.method() == "BYE");
        let bye = bye.unwrap().expect("no BYE");
        let (first, rest) = bye.split_once("\r\n").unwrap();
        assert!(first.starts_with("BYE "), "{first}");
        self.phone
            .send(format!("SIP/2.0 200 OK\r\n{rest}"))
            .unwrap();
        let message = Message::parse(bye.as_bytes()).unwrap();
        message.header("Reason", "").unwrap_or_default().to_owned()
    }
}

#[test]
fn a_drain_tells_everybody_and_admits_nobody() {
    let mut server = start(&ServerSettings::default());
    let callers: Vec<Caller> = (0..3)
        .map(|number| Caller::call(&server, "standup", &format!("up{number}")))
        .collect();
    assert!(callers.iter().all(|caller| caller.status() == 200));
    server.terminate().unwrap();
    std::thread::sleep(SECOND / 5);
    let late = Caller::call(&server, "other", "late");
    assert_eq!(late.status(), 503, "{}", late.answer);
    assert!(!late.header("Retry-After").is_empty(), "{}", late.answer);
    assert!(!late.header("Warning").is_empty(), "{}", late.answer);
    for caller in &callers {
        let reason = caller.await_bye(10 * SECOND);
        assert!(reason.contains("text="), "RFC 3326 §2: {reason}");
    }
    let ended = server.wait(10 * SECOND).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{ended:?}\n{}",
        server.log()
    );
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = start(&ServerSettings::default());
    let caller = Caller::call(&server, "standup", "up");
    assert_eq!(caller.status(), 200);
    server.terminate().unwrap();
    std::thread::sleep(SECOND / 5);
    assert!(server.alive(), "somebody is in a call");
    let begun = clock::now();
    server.terminate().unwrap();
    assert!(server.wait(5 * SECOND).unwrap().is_some());
    assert!(clock::now() - begun < SECOND);
}

#[test]
fn a_reload_takes_new_conferences_and_keeps_calls_and_nonsense_changes_nothing() {
    let mut server = start(&ServerSettings::default());
    let caller = Caller::call(&server, "standup", "before");
    let file = server.folder().join("plenum.toml");
    let text = fs::read_to_string(&file).unwrap();
    let locked = "[[conference]]\nname = \"closed\"\nlocked = true\n";
    for (number, more) in ["", locked, "[[conference]]\nnam = 1\n", "[[["]
        .iter()
        .enumerate()
    {
        fs::write(&file, format!("{text}{more}")).unwrap();
        server.reload().unwrap();
        std::thread::sleep(SECOND / 2);
        assert!(server.alive(), "{}", server.log());
        let other = Caller::call(&server, "closed", &format!("closed{number}"));
        let expected = if number == 0 { 200 } else { 403 };
        assert_eq!(other.status(), expected, "{more}\n{}", server.log());
        if expected == 200 {
            other.hang_up();
            // The conference of that call has to end before its name is looked up anew.
            std::thread::sleep(SECOND / 2);
        }
    }
    assert!(server.log().contains("nam: "), "{}", server.log());
    caller.hang_up();
}

#[test]
fn a_full_disk_for_the_log_stops_no_call() {
    let mut server = start(&ServerSettings {
        rest: "[log]\nfile = \"/dev/full\"\nlevel = \"debug\"\n".to_owned(),
        ..ServerSettings::default()
    });
    for number in 0..20 {
        let caller = Caller::call(&server, "standup", &format!("full{number}"));
        assert_eq!(caller.status(), 200, "{}", caller.answer);
        caller.hang_up();
    }
    assert!(server.alive());
    server.terminate().unwrap();
    let ended = server.wait(10 * SECOND).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}

#[test]
fn when_media_ports_run_out_callers_are_told_and_ports_come_back() {
    let server = start(&ServerSettings {
        ports: "20000-20003".to_owned(),
        ..ServerSettings::default()
    });
    let first = Caller::call(&server, "standup", "p1");
    let second = Caller::call(&server, "standup", "p2");
    assert_eq!((first.status(), second.status()), (200, 200));
    let third = Caller::call(&server, "standup", "p3");
    assert_eq!(third.status(), 503);
    assert!(
        third.header("Warning").contains("ports"),
        "{}",
        third.answer
    );
    assert!(!third.header("Retry-After").is_empty());
    first.hang_up();
    std::thread::sleep(SECOND / 2);
    assert_eq!(Caller::call(&server, "standup", "p4").status(), 200);
    second.hang_up();
}

/// `plenum call` with this server's configuration.
fn call_out(server: &Server, to: &str) -> Result<String, String> {
    server.operate(&["call", "standup", to], "")
}

fn settings_with_token() -> ServerSettings {
    let mut settings = ServerSettings::default();
    let folder = std::env::temp_dir().join(format!("plenum-token-{}", settings.ip));
    settings.sip = "t1_ms = 100\n".to_owned();
    settings.http = format!("token_file = \"{}\"\n", folder.display());
    settings
}

#[test]
fn who_is_called_from_the_command_line_is_in_the_conference() {
    let server = start(&settings_with_token());
    let echo = Echo::start().unwrap();
    let out = call_out(&server, &format!("sip:echo@{}", echo.address()));
    assert!(out.is_ok(), "{out:?}\n{}", server.log());
    assert!(server.log().contains("joined"), "{}", server.log());
}

#[test]
fn who_cannot_be_called_is_named_on_the_command_line() {
    let server = start(&settings_with_token());
    let silent = RawPhone::new(server.sip()).unwrap();
    let busy = RawPhone::new(server.sip()).unwrap();
    let address: SocketAddr = busy.local();
    let answering = std::thread::spawn(move || {
        let invite = busy.await_message(5 * SECOND, |message| message.method() == "INVITE");
        let invite = invite.unwrap().unwrap();
        let contact = Message::parse(invite.as_bytes())
            .unwrap()
            .header("Contact", "m")
            .unwrap()
            .to_owned();
        let head: Vec<&str> = invite
            .split("\r\n")
            .filter(|line| {
                ["Via:", "From:", "Call-ID:", "CSeq:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        let to = invite
            .split("\r\n")
            .find(|line| line.starts_with("To:"))
            .unwrap();
        let answer = format!(
            "SIP/2.0 486 Busy Here\r\n{}\r\n{to};tag=b\r\nContent-Length: 0\r\n\r\n",
            head.join("\r\n")
        );
        busy.send(answer).unwrap();
        contact
    });
    let words = call_out(&server, &format!("sip:busy@{address}"))
        .unwrap_err()
        .to_lowercase();
    assert!(words.contains("busy"), "{words}");
    let contact = answering.join().unwrap();
    assert!(
        contact.contains(&server.sip().to_string()) && contact.contains("isfocus"),
        "a BYE would go to {contact}"
    );
    for (to, word) in [
        (format!("sip:nobody@{}", silent.local()), "reach"),
        ("sip:bob@nowhere.invalid".to_owned(), "reach"),
        ("nonsense".to_owned(), "sip address"),
    ] {
        let words = call_out(&server, &to).unwrap_err().to_lowercase();
        assert!(words.contains(word), "{to}: {words}");
    }
}
