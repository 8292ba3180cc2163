//! People with and without encrypted media in one conference, with baresip as the judge of our SRTP and DTLS.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::time::Duration;

const LOW: f64 = 440.0;
const HIGH: f64 = 1000.0;

fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

/// The far tone is there at its level all the time, the own one at least 50 dB down.
fn judge(name: &str, heard: &Recording, far: f64, own: f64) {
    let middle = heard.middle(3.5, 0.7);
    let seconds = middle.len() as f64 / f64::from(heard.rate);
    assert!(seconds > 2.0, "{name}: only {seconds:.1} s recorded");
    let far = tones::level(middle, heard.rate, far);
    let own = tones::level(middle, heard.rate, own);
    assert!(
        (far.dbfs + 20.0).abs() < 2.0,
        "{name}: the other one is heard at {far:?}"
    );
    assert!(
        far.present > 0.97,
        "{name}: the other one comes and goes: {far:?}"
    );
    assert!(own.dbfs < -70.0, "{name}: hears itself at {own:?}");
}

/// A plain phone and an encrypted one hear each other.
fn plain_with(encryption: &str, rtcp_mux: bool) {
    let server = Server::start(&program().unwrap(), &ServerSettings::default()).unwrap();
    let uri = format!("sip:standup@{}", server.sip());
    let mut plain = Baresip::start(Codec::Pcmu, tone(LOW)).unwrap();
    let mut secure = Baresip::secure(Codec::Opus, tone(HIGH), encryption, rtcp_mux).unwrap();
    plain.call(&uri).unwrap();
    secure.call(&uri).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    let log = secure.log();
    let (secure, plain) = (secure.finish().unwrap(), plain.finish().unwrap());
    let verified = log.contains("verified sha-256 fingerprint OK");
    assert_eq!(verified, encryption == "dtls_srtp", "{encryption}:\n{log}");
    judge(&format!("{encryption} hears plain"), &secure, LOW, HIGH);
    judge(&format!("plain hears {encryption}"), &plain, HIGH, LOW);
}

#[test]
fn rfc4568_a_phone_that_must_encrypt_and_a_plain_one_hear_each_other() {
    plain_with("srtp-mand", false);
}

#[test]
fn rfc8643_a_phone_that_may_encrypt_and_a_plain_one_hear_each_other() {
    plain_with("srtp", true);
}

#[test]
fn rfc5763_a_phone_with_a_handshake_and_a_plain_one_hear_each_other() {
    plain_with("dtls_srtp", true);
}

#[test]
fn rfc5763_a_handshake_for_each_of_two_ports() {
    plain_with("dtls_srtp", false);
}
