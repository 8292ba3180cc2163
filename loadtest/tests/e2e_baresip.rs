//! Two people with softphones in one conference: baresip decodes what it hears, and that is measured.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod hear;

use hear::{HIGH, LOW, judge, tone};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::Baresip;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::whole;
use plenum_loadtest::tones;
use std::time::Duration;

fn hear_each_other(first: Codec, second: Codec) {
    let server = Server::start(&program().unwrap(), &ServerSettings::default()).unwrap();
    let uri = format!("sip:standup@{}", server.sip());
    let mut one = Baresip::start(first, tone(LOW)).unwrap();
    let mut two = Baresip::start(second, tone(HIGH)).unwrap();
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(Duration::from_secs(7));
    let (two, one) = (two.finish().unwrap(), one.finish().unwrap());
    judge(&format!("{first:?} with {second:?}"), &two, 3.0, LOW, HIGH);
    judge(&format!("{second:?} with {first:?}"), &one, 3.0, HIGH, LOW);
}

#[test]
fn two_people_with_opus_hear_each_other_and_not_themselves() {
    hear_each_other(Codec::Opus, Codec::Opus);
}

#[test]
fn two_people_with_g722_hear_each_other_and_not_themselves() {
    hear_each_other(Codec::G722, Codec::G722);
}

#[test]
fn a_law_and_mu_law_hear_each_other() {
    hear_each_other(Codec::Pcma, Codec::Pcmu);
}

#[test]
fn opus_and_g711_hear_each_other() {
    hear_each_other(Codec::Opus, Codec::Pcmu);
}

#[test]
fn a_person_on_hold_is_not_heard_and_comes_back() {
    let server = Server::start(&program().unwrap(), &ServerSettings::default()).unwrap();
    let uri = format!("sip:standup@{}", server.sip());
    let mut one = Baresip::start(Codec::Pcmu, tone(LOW)).unwrap();
    let mut two = Baresip::start(Codec::Opus, tone(HIGH)).unwrap();
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    one.command("hold", "").unwrap();
    std::thread::sleep(Duration::from_secs(4));
    one.command("resume", "").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let heard = two.finish().unwrap();
    let part = |from: f64, to: f64| {
        let at = |seconds: f64| whole(seconds * f64::from(heard.rate));
        let piece = &heard.samples[at(from)..at(to).min(heard.samples.len())];
        tones::level(piece, heard.rate, LOW).dbfs
    };
    assert!(
        (part(0.7, 1.7) + 20.0).abs() < 2.0,
        "before: {}",
        part(0.7, 1.7)
    );
    assert!(part(3.5, 5.5) < -60.0, "on hold: {}", part(3.5, 5.5));
    assert!(
        (part(7.3, 8.5) + 20.0).abs() < 2.0,
        "after: {}",
        part(7.3, 8.5)
    );
}
