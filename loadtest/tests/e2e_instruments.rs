//! The instruments themselves, measured on an echo: what they say of a server is worth no more.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod reference;

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::peer::baresip::Baresip;
use plenum_loadtest::peer::sipp::Echo;
use plenum_loadtest::report::Report;
use plenum_loadtest::run::run;
use plenum_loadtest::scenario::{Good, Scenario};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use reference::{Fault, Reference};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn baresip_hears_its_echo_at_the_level_it_said_it() {
    let echo = Echo::start().unwrap();
    let signal = Signal::Tone {
        hz: 1000.0,
        dbfs: -20.0,
    };
    let mut phone = Baresip::start(Codec::Pcmu, signal).unwrap();
    phone.call(&format!("sip:echo@{}", echo.address())).unwrap();
    std::thread::sleep(4 * SECOND);
    let heard = phone.finish().unwrap();
    let middle = heard.middle(0.8, 0.8);
    let tone = tones::level(middle, heard.rate, 1000.0);
    assert!(
        (tone.dbfs + 20.0).abs() < 0.5 && tone.present > 0.98,
        "{tone:?}"
    );
    assert!(tones::level(middle, heard.rate, 440.0).dbfs < -60.0);
    assert!(tones::longest_silence(middle, heard.rate) < 0.03);
}

#[test]
fn a_simulated_phone_hears_its_echo_without_delay() {
    let echo = Echo::start().unwrap();
    let mut fleet = Fleet::new(echo.address(), 20 * SECOND, 1).unwrap();
    let signal = Signal::Marked {
        hz: 1000.0,
        dbfs: -20.0,
    };
    fleet
        .add(PhoneSettings::new("echo", Codec::Pcmu, signal))
        .unwrap();
    fleet.invite(0);
    fleet.run(6 * SECOND).unwrap();
    let phone = &fleet.phones()[0];
    assert_eq!(*phone.call.state(), CallState::Up);
    assert!(phone.receiver.packets() >= 280 && phone.receiver.lost() == 0);
    let heard = Heard::new(Codec::Pcmu, phone.receiver.kept()).unwrap();
    let delays = heard.delays_ms(&phone.sender, 1000.0);
    assert_eq!(delays.len(), 2, "{delays:?}");
    // An echo adds nothing but the time that both programs need to be scheduled.
    assert!(
        delays.iter().all(|delay| (-1.5..10.0).contains(delay)),
        "{delays:?}"
    );
    fleet.hang_up(0);
    let over = fleet.run_until(2 * SECOND, |fleet| {
        *fleet.phones()[0].call.state() == CallState::Over { by_server: false }
    });
    assert!(over.unwrap());
}

/// Sixteen phones in two conferences of a server that is known to be right or wrong.
fn judged(fault: Fault) -> Report {
    let server = Reference::start(fault).unwrap();
    let mut scenario = Scenario::load("forty-in-four").unwrap();
    scenario.seconds = 5.0;
    scenario.warmup_s = 0.5;
    scenario.good = Good {
        loss: Some(0.0),
        ..Good::default()
    };
    let phones = scenario.phones.as_mut().unwrap();
    (phones.count, phones.conferences, phones.listen) = (16, 2, 16);
    phones.codecs = vec![Codec::Pcmu, Codec::Pcma];
    run("reference", &scenario, server.address(), None).unwrap()
}

#[test]
fn a_right_server_is_found_right_and_its_delay_measured() {
    let report = judged(Fault::None);
    assert!(report.failures.is_empty(), "{report}");
    assert_eq!((report.phones, report.listeners.len()), (16, 16));
    let delay = report.worst_delay_ms().unwrap();
    // It mixes what came in the tick before: up to one tick and a little scheduling.
    assert!((0.0..60.0).contains(&delay), "{delay}");
    let thd = report
        .listeners
        .iter()
        .filter_map(|l| l.thd_n_db)
        .fold(-120.0, f64::max);
    assert!(thd < -30.0, "THD+N {thd}");
}

#[test]
fn a_server_that_returns_ones_own_voice_is_found_out() {
    let report = judged(Fault::OwnVoice);
    let echoes = report
        .failures
        .iter()
        .filter(|f| f.contains("heard itself"))
        .count();
    assert_eq!(echoes, 6, "every talker: {:?}", report.failures);
}

#[test]
fn a_server_that_mixes_conferences_is_found_out() {
    let report = judged(Fault::Leak);
    let strays = report
        .failures
        .iter()
        .filter(|f| f.contains("not of its conference"))
        .count();
    assert_eq!(strays, 16, "{:?}", report.failures);
}

#[test]
fn a_server_that_leaves_packets_out_is_found_out() {
    let report = judged(Fault::Loss);
    assert!(
        report
            .failures
            .iter()
            .any(|f| f.starts_with("share of packets lost")),
        "{report}"
    );
    assert!(report.media.gap_max_ms > 30.0);
}
