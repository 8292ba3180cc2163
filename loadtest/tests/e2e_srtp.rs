//! What happens to the keys of a long call: the sequence numbers of a stream roll over, the key changes, the source changes.
//! Nobody hears any of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const SECURE: f64 = 1000.0;
const PLAIN: f64 = 440.0;

/// A secure phone (0), whose sequence numbers begin at `sequence`, and a plain one (1).
fn conference(server: &Server, sequence: u16) -> Fleet {
    let mut fleet = Fleet::new(server.sip(), 20 * SECOND, 11).unwrap();
    for (hz, srtp) in [(SECURE, true), (PLAIN, false)] {
        let signal = Signal::Tone { hz, dbfs: -20.0 };
        let settings = PhoneSettings::new("standup", Codec::Pcmu, signal);
        fleet.add(PhoneSettings { srtp, ..settings }).unwrap();
    }
    fleet.change_source(0, 0x5eed, sequence);
    for number in 0..2 {
        fleet.invite(number);
    }
    let up = fleet.run_until(5 * SECOND, |fleet| fleet.up() == 2);
    assert!(up.unwrap(), "{}", server.log());
    // The gain of both is found.
    fleet.run(4 * SECOND).unwrap();
    fleet
}

/// Both hear each other without a break in what came since the window began, and every packet was authentic.
fn nobody_noticed(fleet: &Fleet, server: &Server, what: &str) {
    for (number, far) in [(0, PLAIN), (1, SECURE)] {
        let phone = &fleet.phones()[number];
        assert_eq!(*phone.call.state(), CallState::Up, "{what}");
        let heard = Heard::new(phone.settings.codec, phone.receiver.kept()).unwrap();
        let level = heard.tone(far);
        assert!(heard.seconds() > 2.0, "{what}: {} s", heard.seconds());
        assert!((level.dbfs + 20.0).abs() < 1.0, "{what}: {level:?}");
        assert!(level.present > 0.99, "{what}: {level:?}");
        assert_eq!(phone.receiver.malformed(), 0, "{what}");
    }
    let (_, metrics) = server.get("/metrics").unwrap();
    for refusal in ["authentication", "replayed", "malformed", "no_keys"] {
        let none = format!("\nplenum_media_srtp_{refusal}_total 0\n");
        assert!(metrics.contains(&none), "{what}: {refusal}\n{metrics}");
    }
}

#[test]
fn rfc3711_3_3_1_sequence_numbers_roll_over_within_a_call() {
    let server = Server::start(&program().unwrap(), &ServerSettings::default()).unwrap();
    // Fifty a second: the rollover is six seconds away.
    let mut fleet = conference(&server, u16::MAX - 299);
    fleet.begin_window();
    fleet.run(3 * SECOND).unwrap();
    nobody_noticed(&fleet, &server, "a rollover");
}

#[test]
fn rfc4568_7_1_4_a_new_key_and_rfc3711_3_2_3_a_new_source_within_a_call() {
    let server = Server::start(&program().unwrap(), &ServerSettings::default()).unwrap();
    let mut fleet = conference(&server, 1_000);
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    let before = fleet.phones()[0].call.keys().unwrap();
    fleet.with_call(0, |call, now, out| call.rekey([0x17; 30], now, out));
    fleet.run(2 * SECOND).unwrap();
    let after = fleet.phones()[0].call.keys().unwrap();
    assert_ne!(before.0, after.0, "the phone's");
    nobody_noticed(&fleet, &server, "a new key");
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    fleet.change_source(0, 0xd1ff, 30_000);
    fleet.run(2 * SECOND).unwrap();
    nobody_noticed(&fleet, &server, "a new source");
}
