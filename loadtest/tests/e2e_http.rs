//! Health, readiness and metrics, asked for as an operator's tools ask.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Server {
    Server::start(&program().unwrap(), &ServerSettings::default()).unwrap()
}

/// Status and body of a GET.
fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(5 * SECOND)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    (status, body.to_owned())
}

#[test]
fn a_server_that_answers_calls_is_alive_and_ready() {
    let server = start();
    assert_eq!(get(server.http(), "/healthz").0, 200);
    assert_eq!(get(server.http(), "/readyz").0, 200);
    assert_eq!(get(server.http(), "/nothing").0, 404);
}

#[test]
fn metrics_are_prometheus_text_and_move_with_a_call() {
    let server = start();
    let (status, before) = get(server.http(), "/metrics");
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
    let (_, after) = get(server.http(), "/metrics");
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
