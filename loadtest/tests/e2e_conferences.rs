//! Many simulated phones against the real server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::report::Report;
use plenum_loadtest::run::run;
use plenum_loadtest::scenario::{Good, Scenario};
use plenum_loadtest::server::{Server, ServerSettings, program};

/// Runs a shipped scenario on a fresh server with bounds for a debug build on a busy machine.
fn carry_out(name: &str, change: impl FnOnce(&mut Scenario), settings: &ServerSettings) -> Report {
    let mut scenario = Scenario::load(name).unwrap();
    scenario.good = Good {
        loss: Some(0.0),
        gap_ms: Some(150.0),
        ..Good::default()
    };
    change(&mut scenario);
    let mut server = Server::start(&program().unwrap(), settings).unwrap();
    let report = run(name, &scenario, server.sip(), Some(server.pid())).unwrap();
    assert!(server.alive(), "the server died:\n{}", server.log());
    println!("{report}");
    report
}

#[test]
fn forty_phones_in_four_conferences_hear_exactly_their_own_talkers() {
    let report = carry_out("forty-in-four", |_| {}, &ServerSettings::default());
    assert_eq!(report.phones, 40);
    assert_eq!(report.listeners.len(), 40, "every phone is listened to");
    let talkers = |report: &Report| {
        report
            .listeners
            .iter()
            .filter(|l| l.own_dbfs.is_some())
            .count()
    };
    assert_eq!(talkers(&report), 12);
    assert!(
        report.listeners.iter().all(|l| l.stray.is_some()),
        "strays are looked for"
    );
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    let delay = report.worst_delay_ms().unwrap();
    assert!(delay < 80.0, "delay {delay} ms");
}

#[test]
fn loss_jitter_and_reordering_of_talkers_reach_nobody_as_gaps() {
    let shorter = |scenario: &mut Scenario| scenario.seconds = 8.0;
    let mut report = carry_out("lossy", shorter, &ServerSettings::default());
    // What is lost on the way to the server is concealed: tones are there, if not for all of the time.
    report
        .failures
        .retain(|failure| !failure.starts_with("phone "));
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    for listener in &report.listeners {
        for (hz, dbfs, present) in &listener.heard {
            assert!(
                (dbfs + 21.5).abs() < 4.0 && *present > 0.85,
                "{hz} Hz {dbfs} dBFS {present}"
            );
        }
    }
}

#[test]
fn people_who_come_and_go_do_not_disturb_those_who_stay() {
    let shorter = |scenario: &mut Scenario| scenario.seconds = 8.0;
    let report = carry_out("churn", shorter, &ServerSettings::default());
    let storm = report.storm.as_ref().unwrap();
    assert!(storm.completed >= 30, "{storm:?}");
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[test]
fn a_flood_at_ten_times_the_admission_limit_leaves_running_calls_without_a_gap() {
    // 40 calls are admitted; 400 a second are asked for, each wanting to stay for the whole test.
    let settings = ServerSettings {
        limits: "calls = 40\n".to_owned(),
        ..ServerSettings::default()
    };
    let flood = |scenario: &mut Scenario| {
        scenario.seconds = 5.0;
        let storm = scenario.storm.as_mut().unwrap();
        (storm.rate, storm.hold_ms) = (400.0, 5000);
    };
    let report = carry_out("flood", flood, &settings);
    let storm = report.storm.as_ref().unwrap();
    assert!(
        storm.refused.get(&503).is_some_and(|n| *n > 1000),
        "{storm:?}"
    );
    assert!(storm.completed >= 20, "what fits is admitted: {storm:?}");
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[test]
fn a_crowd_is_told_of_every_mute_and_hears_it() {
    let small = |scenario: &mut Scenario| {
        (scenario.seconds, scenario.warmup_s) = (4.0, 0.5);
        let crowd = scenario.crowd.as_mut().unwrap();
        (crowd.watchers, crowd.rate, crowd.mutes) = (30, 30.0, 3);
    };
    let report = carry_out("crowd-1000", small, &ServerSettings::default());
    let crowd = report.crowd.as_ref().unwrap();
    assert_eq!((crowd.watching, crowd.lost, crowd.untold), (30, 0, 0));
    assert_eq!(crowd.told_ms.len(), 90, "each watcher of each mute");
    assert_eq!(crowd.command_ms.len(), 3);
    assert_eq!(crowd.effect_ms.len(), 3, "taken, given back, taken");
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[test]
fn a_crowd_that_comes_while_phones_talk_loses_none_of_their_sound() {
    let small = |scenario: &mut Scenario| {
        (scenario.seconds, scenario.warmup_s) = (4.0, 1.0);
        // How long the gaps are is for a quiet machine to say.
        scenario.good.gap_ms = None;
        let crowd = scenario.crowd.as_mut().unwrap();
        (crowd.watchers, crowd.rate) = (60, 30.0);
    };
    let report = carry_out("crowd-500", small, &ServerSettings::default());
    let crowd = report.crowd.as_ref().unwrap();
    assert_eq!((crowd.watching, crowd.lost), (60, 0));
    // By the pace of the conference, and not by the square of the heads.
    assert!(crowd.notifications < 60 * 45, "{}", crowd.notifications);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}
