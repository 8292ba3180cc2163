//! Health, readiness, metrics, commands, live events and detail records, as an operator's tools ask
//! for them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::peer::sipp::Echo;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Server {
    Server::start(&program().unwrap(), &ServerSettings::default()).unwrap()
}

/// Status and body of a GET.
fn get(server: &Server, path: &str) -> (u16, String) {
    server.get(path).unwrap()
}

#[test]
fn a_server_that_answers_calls_is_alive_and_ready() {
    let server = start();
    assert_eq!(get(&server, "/healthz").0, 200);
    assert_eq!(get(&server, "/readyz").0, 200);
    assert_eq!(get(&server, "/nothing").0, 404);
}

#[test]
fn metrics_are_prometheus_text_and_move_with_a_call() {
    let server = start();
    let (status, before) = get(&server, "/metrics");
    assert_eq!(status, 200);
    assert!(
        before.contains("# TYPE ") && before.trim_end().ends_with("# EOF"),
        "{before}"
    );
    let mut fleet = Fleet::new(server.sip(), 2 * SECOND, 5).unwrap();
    let signal = Signal::Tone {
        hz: 440.0,
        dbfs: -20.0,
    };
    fleet
        .add(PhoneSettings::new("standup", Codec::Pcmu, signal))
        .unwrap();
    fleet.invite(0);
    assert!(
        fleet
            .run_until(5 * SECOND, |fleet| fleet.up() == 1)
            .unwrap()
    );
    fleet.run(SECOND).unwrap();
    let (_, after) = get(&server, "/metrics");
    let samples = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let before = samples(&before);
    let moved = samples(&after)
        .into_iter()
        .filter(|line| !before.contains(line))
        .count();
    assert!(moved >= 5, "only {moved} samples moved:\n{after}");
}

/// Reads live events from now on, until the server ends.
fn events(server: &Server) -> std::thread::JoinHandle<String> {
    // It answers SIP a moment before it answers HTTP.
    while server.get("/healthz").is_err() {
        std::thread::sleep(SECOND / 20);
    }
    let mut stream = TcpStream::connect(server.http()).unwrap();
    let token = std::fs::read_to_string(server.folder().join("token")).unwrap();
    let request = format!(
        "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut octets = [0; 4096];
    // Whoever has got an answer misses nothing that happens after it.
    let head = stream.read(&mut octets).unwrap();
    let mut text = octets.get(..head).unwrap().to_vec();
    std::thread::spawn(move || {
        while let Ok(count @ 1..) = stream.read(&mut octets) {
            text.extend_from_slice(octets.get(..count).unwrap());
        }
        String::from_utf8(text).unwrap()
    })
}

/// The endpoint that `show` lists for a phone.
fn endpoint(server: &Server, phone: &str) -> String {
    let shown = server
        .operate(&["conference", "show", "standup"], "")
        .unwrap();
    let mut lines = shown.lines();
    let line = lines.find(|line| line.contains(&format!("sip:{phone}@")));
    let mut columns = line.unwrap().split_whitespace();
    let number = columns.find(|column| column.len() > 6 && column.parse::<u64>().is_ok());
    number.unwrap().to_owned()
}

/// The level at which the second phone hears the first.
fn level(fleet: &mut Fleet) -> f64 {
    fleet.run(SECOND / 2).unwrap();
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    let phone = &fleet.phones()[1];
    let heard = Heard::new(phone.settings.codec, phone.receiver.kept()).unwrap();
    heard.tone(1000.0).dbfs
}

fn call(fleet: &mut Fleet, hz: f64) -> CallState {
    let signal = Signal::Tone { hz, dbfs: -20.0 };
    let number = fleet
        .add(PhoneSettings::new("standup", Codec::Pcmu, signal))
        .unwrap();
    fleet.invite(number);
    let answered = fleet.run_until(5 * SECOND, |fleet| {
        *fleet.phones()[number].call.state() != CallState::Inviting
    });
    assert!(answered.unwrap());
    fleet.phones()[number].call.state().clone()
}

#[test]
fn an_operator_sees_and_steers_a_conference_and_keeps_its_record() {
    let mut settings = ServerSettings::default();
    let records = std::env::temp_dir().join(format!("plenum-records-{}", settings.ip));
    // What an earlier run left is not this one's.
    std::fs::write(&records, "").unwrap();
    settings.rest = format!("[records]\nfile = \"{}\"\n", records.display());
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let reader = events(&server);
    let mut fleet = Fleet::new(server.sip(), 20 * SECOND, 11).unwrap();
    assert_eq!(call(&mut fleet, 1000.0), CallState::Up);
    assert_eq!(call(&mut fleet, 440.0), CallState::Up);
    fleet.run(SECOND / 2).unwrap();
    assert!(
        server
            .operate(&["conference", "list"], "")
            .unwrap()
            .contains("standup")
    );

    let first = endpoint(&server, "p0");
    for (order, loud) in [("mute", false), ("unmute", true)] {
        server
            .operate(&["conference", order, "standup", &first], "")
            .unwrap();
        let heard = level(&mut fleet);
        assert_eq!(heard > -30.0, loud, "after {order}: {heard} dBFS");
    }
    server
        .operate(&["conference", "lock", "standup"], "")
        .unwrap();
    assert_eq!(call(&mut fleet, 660.0), CallState::Refused(403));
    server
        .operate(&["conference", "unlock", "standup"], "")
        .unwrap();
    let echo = Echo::start().unwrap();
    let to = format!("sip:echo@{}", echo.address());
    server
        .operate(&["conference", "dial", "standup", &to], "")
        .unwrap();
    server
        .operate(&["conference", "kick", "standup", &first], "")
        .unwrap();
    let unknown = server
        .operate(&["conference", "kick", "standup", "1"], "")
        .unwrap_err();
    assert!(unknown.contains("no such endpoint"), "{unknown}");
    server
        .operate(&["conference", "end", "standup"], "")
        .unwrap();
    let by_server = CallState::Over { by_server: true };
    let over = fleet.run_until(10 * SECOND, |fleet| {
        let phones = fleet.phones().iter().take(2);
        phones
            .filter(|phone| *phone.call.state() == by_server)
            .count()
            == 2
    });
    assert!(over.unwrap(), "{}", server.log());

    server.terminate().unwrap();
    let told = reader.join().unwrap();
    for event in ["activated", "joined", "media", "locked", "left", "ended"] {
        assert!(
            told.contains(&format!("event: {event}\n")),
            "{event}: {told}"
        );
    }
    let kept = std::fs::read_to_string(&records).unwrap();
    assert_eq!(kept.lines().count(), 3, "{kept}");
    let of_first = kept.lines().find(|line| line.contains("sip:p0@")).unwrap();
    assert!(of_first.contains("\"method\":\"booted\""), "{of_first}");
    std::fs::remove_file(records).unwrap();
}
