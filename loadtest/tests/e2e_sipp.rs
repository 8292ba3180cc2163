//! Odd and ordinary call flows by SIPp.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::sipp::SippRun;
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

fn start() -> Server {
    // A short T1 shortens 64·T1 from 32 seconds to 6.4.
    let sip = "t1_ms = 100\n".to_owned();
    Server::start(
        &program().unwrap(),
        &ServerSettings {
            sip,
            ..ServerSettings::default()
        },
    )
    .unwrap()
}

fn passes(scenario: &'static str, change: impl FnOnce(&mut SippRun)) {
    let server = start();
    let mut flow = SippRun::new(scenario, server.sip(), "standup");
    change(&mut flow);
    let outcome = flow.run(Duration::from_secs(40)).unwrap();
    assert!(
        outcome.passed,
        "{scenario}: {:?}\n{}\n{}",
        outcome.status,
        outcome.account,
        server.log()
    );
}

#[test]
fn calls_over_udp() {
    passes("call.xml", |flow| (flow.calls, flow.rate) = (100, 50));
}

#[test]
fn calls_over_tcp() {
    passes("call.xml", |flow| {
        (flow.calls, flow.rate, flow.tcp) = (50, 50, true)
    });
}

#[test]
fn late_offer() {
    passes("late-offer.xml", |_| {});
}

#[test]
fn hold_and_resume() {
    passes("hold.xml", |_| {});
}

#[test]
fn bye_before_ack() {
    passes("early-bye.xml", |_| {});
}

#[test]
fn a_200_that_nobody_acknowledges() {
    passes("no-ack.xml", |_| {});
}

#[test]
fn unknown_method() {
    passes("unknown-method.xml", |_| {});
}

#[test]
fn required_extension_unknown() {
    passes("require-unknown.xml", |_| {});
}

#[test]
fn options() {
    passes("options.xml", |_| {});
}

#[test]
fn digits_by_info() {
    passes("info-dtmf.xml", |_| {});
}

#[test]
fn session_timers() {
    passes("session-timer.xml", |_| {});
}
