//! People with and without encrypted media in one conference, with baresip as the judge of our SRTP and DTLS.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod hear;

use hear::{HIGH, LOW, judge, tone};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::Baresip;
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

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
    judge(
        &format!("{encryption} hears plain"),
        &secure,
        3.5,
        LOW,
        HIGH,
    );
    judge(&format!("plain hears {encryption}"), &plain, 3.5, HIGH, LOW);
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
