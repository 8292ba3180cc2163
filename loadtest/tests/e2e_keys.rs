//! Keys: the PIN by RFC 4733 and by INFO, the number of a conference at the entry, muting oneself, draining.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const TALKER: f64 = 1000.0;
const OTHER: f64 = 440.0;

fn start(rest: &str) -> Server {
    let settings = ServerSettings {
        rest: rest.to_owned(),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn fleet(server: &Server, conference: &str, codecs: &[Codec]) -> Fleet {
    let mut fleet = Fleet::new(server.sip(), 20 * SECOND, 7).unwrap();
    for (codec, hz) in codecs.iter().zip([TALKER, OTHER, 1630.0, 2210.0]) {
        let signal = Signal::Tone { hz, dbfs: -20.0 };
        fleet
            .add(PhoneSettings::new(conference, *codec, signal))
            .unwrap();
    }
    for number in 0..codecs.len() {
        fleet.invite(number);
        let up = fleet.run_until(5 * SECOND, |fleet| {
            *fleet.phones()[number].call.state() == CallState::Up
        });
        assert!(
            up.unwrap(),
            "{:?}\n{}",
            fleet.phones()[number].call.state(),
            server.log()
        );
    }
    fleet
}

fn press(fleet: &mut Fleet, number: usize, digits: &str) {
    for digit in digits.chars() {
        fleet.phones_mut()[number].sender.press(digit);
    }
    let sent = fleet.run_until(5 * SECOND, |fleet| {
        !fleet.phones()[number].sender.pressing()
    });
    assert!(sent.unwrap());
}

/// The level at which a phone hears a tone in the next second.
fn level(fleet: &mut Fleet, number: usize, hz: f64) -> f64 {
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    let phone = &fleet.phones()[number];
    let mut heard = Heard::new(phone.settings.codec, phone.receiver.kept()).unwrap();
    heard.skip(SECOND / 4);
    heard.tone(hz).dbfs
}

fn hears(dbfs: f64) -> bool {
    (dbfs + 20.0).abs() < 2.0
}

const LOCKED_ROOM: &str = "[[conference]]\nname = \"board\"\npin = \"2580\"\n";

#[test]
fn the_right_pin_by_telephone_events_lets_in() {
    let server = start(LOCKED_ROOM);
    let mut fleet = fleet(&server, "board", &[Codec::Pcmu, Codec::Opus]);
    assert!(
        level(&mut fleet, 0, OTHER) < -45.0,
        "nobody is heard before the PIN"
    );
    press(&mut fleet, 0, "2580#");
    press(&mut fleet, 1, "2580#");
    fleet.run(4 * SECOND).unwrap();
    assert!(hears(level(&mut fleet, 0, OTHER)), "{}", server.log());
    assert!(hears(level(&mut fleet, 1, TALKER)), "{}", server.log());
}

#[test]
fn the_right_pin_by_info_lets_in() {
    let server = start(LOCKED_ROOM);
    let mut fleet = fleet(&server, "board", &[Codec::Pcmu, Codec::Pcma]);
    for number in 0..2 {
        for digit in "2580#".chars() {
            let body = format!("Signal={digit}\r\nDuration=100\r\n");
            fleet.with_call(number, |call, now, out| {
                call.info("application/dtmf-relay", &body, now, out);
            });
            let answered = fleet
                .run_until(2 * SECOND, |f| !f.phones()[number].call.busy())
                .unwrap();
            assert!(answered && fleet.phones()[number].call.last_status() == 200);
            fleet.run(SECOND / 5).unwrap();
        }
    }
    fleet.run(4 * SECOND).unwrap();
    assert!(hears(level(&mut fleet, 0, OTHER)), "{}", server.log());
    assert!(hears(level(&mut fleet, 1, TALKER)), "{}", server.log());
}

#[test]
fn three_wrong_pins_end_the_call() {
    let server = start(LOCKED_ROOM);
    let mut fleet = fleet(&server, "board", &[Codec::Pcmu]);
    fleet.run(SECOND / 2).unwrap();
    for _ in 0..3 {
        press(&mut fleet, 0, "1111#");
        fleet.run(3 * SECOND).unwrap();
    }
    let over = fleet.run_until(10 * SECOND, |fleet| {
        *fleet.phones()[0].call.state() == CallState::Over { by_server: true }
    });
    assert!(
        over.unwrap(),
        "{:?}\n{}",
        fleet.phones()[0].call.state(),
        server.log()
    );
}

#[test]
fn star_six_mutes_and_unmutes_oneself() {
    let server = start("");
    let mut fleet = fleet(&server, "standup", &[Codec::Pcmu, Codec::G722]);
    fleet.run(3 * SECOND).unwrap();
    assert!(hears(level(&mut fleet, 1, TALKER)));
    press(&mut fleet, 0, "*6");
    fleet.run(3 * SECOND).unwrap();
    assert!(level(&mut fleet, 1, TALKER) < -60.0, "muted");
    assert!(
        hears(level(&mut fleet, 0, OTHER)),
        "who is muted still hears"
    );
    press(&mut fleet, 0, "*6");
    fleet.run(3 * SECOND).unwrap();
    assert!(hears(level(&mut fleet, 1, TALKER)), "unmuted");
}

const ENTRY: &str = "[entry]\nname = \"reception\"\n\
    [[conference]]\nname = \"board\"\nnumber = \"4711\"\npin = \"2580\"\n\
    [[trunk]]\nname = \"tel\"\nserver = \"127.0.0.9\"\noptions_s = 0\nfrom = [\"127.0.0.0/8\"]\n\
    [trunk.numbers]\n\"+493099\" = \"reception\"\n\"+493010\" = \"board\"\n";

/// A phone of these habits that is in a call.
fn add(fleet: &mut Fleet, server: &Server, settings: PhoneSettings) -> usize {
    let number = fleet.phones().len();
    fleet.add(settings).unwrap();
    fleet.invite(number);
    let up = fleet.run_until(5 * SECOND, |fleet| {
        *fleet.phones()[number].call.state() == CallState::Up
    });
    assert!(up.unwrap(), "{}", server.log());
    number
}

/// Somebody inside by the conference's own number, and somebody who comes by the entry's, keys in number and PIN: both
/// hear each other.
fn through_the_entry(codec: Codec, srtp: bool) {
    let server = start(ENTRY);
    let mut fleet = fleet(&server, "+493010", &[Codec::Pcma]);
    press(&mut fleet, 0, "2580#");
    let tone = |hz| Signal::Tone { hz, dbfs: -20.0 };
    let settings = PhoneSettings {
        srtp,
        ..PhoneSettings::new("+493099", codec, tone(OTHER))
    };
    let caller = add(&mut fleet, &server, settings);
    fleet.run(2 * SECOND).unwrap();
    assert!(
        level(&mut fleet, caller, TALKER) < -45.0,
        "nobody is heard at the entry"
    );
    assert!(level(&mut fleet, 0, OTHER) < -45.0, "nor from there");
    press(&mut fleet, caller, "4711#");
    fleet.run(SECOND).unwrap();
    let inside = server.operate(&["conference", "show", "board"], "");
    assert!(level(&mut fleet, 0, OTHER) < -45.0, "the PIN is asked for");
    press(&mut fleet, caller, "2580#");
    fleet.run(4 * SECOND).unwrap();
    let heard = (
        level(&mut fleet, caller, TALKER),
        level(&mut fleet, 0, OTHER),
    );
    assert!(
        hears(heard.0) && hears(heard.1),
        "{heard:?}\n{inside:?}\n{}",
        server.log()
    );
    let (_, metrics) = server.get("/metrics").unwrap();
    let one = "plenum_focus_numbers_right_total 1\n";
    assert!(metrics.contains(one), "{metrics}");
    fleet.with_call(caller, |call, now, out| {
        call.reinvite("sendrecv", now, out);
    });
    fleet.run(2 * SECOND).unwrap();
    assert_eq!(fleet.phones()[caller].call.last_status(), 200, "goes on");
    assert!(hears(level(&mut fleet, caller, TALKER)), "as before");
}

#[test]
fn a_number_keyed_in_at_the_entry_leads_to_its_conference_and_pin() {
    through_the_entry(Codec::Pcmu, false);
}

#[test]
fn rfc4568_an_encrypted_call_goes_on_from_the_entry_with_its_keys() {
    through_the_entry(Codec::Opus, true);
}

#[test]
fn a_video_call_comes_up_at_the_entry_with_audio() {
    let server = start("[entry]\nname = \"reception\"\n");
    for (name, video) in [("reception", "m=video 0 "), ("standup", "m=video 2")] {
        let phone = RawPhone::new(server.sip()).unwrap();
        let uri = format!("sip:{name}@{}", server.sip());
        let pictures = "m=video 9 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
        let fields = Fields {
            method: "INVITE",
            uri: &uri,
            branch: name,
            call_id: name,
            cseq: "1 INVITE",
            to_tag: "",
            more: "",
            body: &format!("{}{pictures}", phone.offer()),
        };
        phone.send(phone.request(&fields)).unwrap();
        let answer = phone.final_response("INVITE").unwrap().unwrap();
        assert!(answer.contains("m=audio 2"), "{answer}");
        assert!(answer.contains(video), "{name}: {answer}");
    }
}

#[test]
fn wrong_numbers_end_the_call_with_the_reason_and_count_as_guesses() {
    let server = start("[entry]\nname = \"reception\"\n[[conference]]\nname = \"board\"\n");
    let mut fleet = fleet(&server, "reception", &[Codec::Pcmu]);
    fleet.run(SECOND).unwrap();
    for number in ["4712#", "99#", "7#"] {
        press(&mut fleet, 0, number);
        fleet.run(2 * SECOND).unwrap();
    }
    let over = fleet.run_until(10 * SECOND, |fleet| {
        *fleet.phones()[0].call.state() == CallState::Over { by_server: true }
    });
    assert!(over.unwrap(), "{}", server.log());
    assert_eq!(
        fleet.phones()[0].call.reason(),
        "SIP;cause=404;text=\"No conference has this number\""
    );
    let (_, metrics) = server.get("/metrics").unwrap();
    for line in [
        "plenum_focus_numbers_wrong_total 3\n",
        "plenum_abuse_offences_total{kind=\"guess\",proven=\"true\"} 3\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn sigterm_says_bye_to_everybody_and_ends() {
    let mut server = start("");
    let mut fleet = fleet(&server, "standup", &[Codec::Pcmu, Codec::Opus, Codec::Pcma]);
    fleet.run(SECOND).unwrap();
    server.terminate().unwrap();
    let told = fleet.run_until(30 * SECOND, |fleet| {
        let over = CallState::Over { by_server: true };
        fleet
            .phones()
            .iter()
            .all(|phone| *phone.call.state() == over)
    });
    assert!(told.unwrap(), "{}", server.log());
    let status = server.wait(30 * SECOND).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}\n{}",
        server.log()
    );
}
