//! Health, readiness and metrics, asked for as an operator's tools ask.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
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
