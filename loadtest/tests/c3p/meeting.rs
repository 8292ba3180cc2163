//! Conferences of phones, participants and watchers together.

use super::{Person, body, focus_uri, mcu_uri, start};
use crate::{SECOND, TONES, attribute, joined, level, meeting, phone_of, phones};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::sdp;
use plenum_loadtest::server::Server;
use std::net::SocketAddr;

/// The URIs of the users of a document, sorted.
fn users(document: &str) -> Vec<String> {
    let users = document.split("<user entity=\"").skip(1);
    let mut users: Vec<String> = users
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    users.sort();
    users
}

pub(super) fn offer(person: &Person) -> String {
    let discard = SocketAddr::new(person.local().ip(), 9);
    sdp::describe(discard, Codec::Pcmu, 1, "sendrecv")
}

/// What documents say of somebody who speaks.
const TALKING: &str = "talking>true</";

/// Mutes the first phone of the conference told.
fn mute(by: &mut Person, server: &Server, told: &str) {
    let user = phone_of(told, 0);
    let (_, of_phone) = told.split_once(&user).unwrap();
    let endpoint = attribute(of_phone, "<endpoint", "entity");
    let medium = attribute(of_phone, "<media", "id");
    let of = (user.as_str(), endpoint, medium);
    let (focus, mcu) = (focus_uri(server), mcu_uri(server));
    by.succeed(&body::ingress(&focus, &mcu, of, "block"));
}

#[test]
fn cb_107_all_see_the_same_roster() {
    let server = start("watchers = \"trusted\"\n");
    let mut pia = joined(&server, "pia", true);
    let mut fleet = phones(&server, 1);
    // The second phone subscribes, because the Contact it called says `isfocus`.
    let mut bob = Person::new(&server, "bob", false);
    bob.focus = format!("sip:standup@{}", server.sip());
    let description = offer(&bob);
    let answer = bob.call("application/sdp", &description);
    assert!(
        answer.contains(";isfocus") && answer.contains("m=audio"),
        "{answer}"
    );
    let mut zoe = Person::new(&server, "zoe", true);
    zoe.focus = format!("sip:standup@{}", server.sip());
    fleet.run(SECOND / 2).unwrap();
    let told = pia.succeed(&body::get_conference(&focus_uri(&server)));
    let expect = users(&told);
    assert_eq!(expect.len(), 3, "{told}");
    let mut speaks = Vec::new();
    for person in [&mut pia, &mut bob, &mut zoe] {
        person.subscribe("");
        let document = person.notified("state=\"full\" version");
        assert_eq!(users(&document), expect, "{document}");
        speaks.push(document.contains(TALKING));
    }
    fleet.run(SECOND).unwrap();
    for (person, known) in [&mut pia, &mut bob, &mut zoe].into_iter().zip(speaks) {
        if !known {
            let document = person.notified(TALKING);
            assert!(document.contains("sip:p0@"), "{document}");
        }
    }
    mute(&mut pia, &server, &told);
    // Plain watchers know no filters: the phone is said to receive only.
    let block = "media-ingress-filter>block<";
    let receives = "<status>recvonly</status>";
    for (person, muted) in [
        (&mut pia, block),
        (&mut bob, receives),
        (&mut zoe, receives),
    ] {
        let document = person.notified(muted);
        assert!(document.contains("sip:p0@"), "{document}");
    }
    fleet.hang_up(0);
    fleet.run(SECOND / 4).unwrap();
    for person in [&mut pia, &mut bob, &mut zoe] {
        let document = person.notified("state=\"deleted\"");
        assert!(document.contains("sip:p0@"), "{document}");
        let departed = "disconnection-method>departed<";
        assert!(document.contains(departed), "{document}");
    }
}

#[test]
fn cb_209_to_cb_215_somebody_dials_in_beside_the_focus() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let response = ann.succeed(&body::dial_in(&focus, &mcu, &ann.aor));
    assert!(response.contains("Mcu-Conference-Uri"), "{response}");
    assert!(response.contains(&mcu), "{response}");
    let mut headset = Person::new(&server, "ann", false);
    headset.focus = mcu;
    let description = offer(&headset);
    let answer = headset.call("application/sdp", &description);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let both = pia.notified("{headset}");
    assert_eq!(users(&both), [ann.aor.as_str()], "{both}");
    assert_eq!(both.matches("<endpoint ").count(), 2, "CB-208: {both}");
}

#[test]
fn cb_247_10_all_but_one_are_silenced() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut fleet = phones(&server, 2);
    let state = pia.succeed(&body::get_conference(&focus));
    let excluded = phone_of(&state, 1);
    let block = body::ingress_of_all(&focus, &mcu, "block", &excluded);
    ann.fail(&block, &["unauthorized"]);
    pia.succeed(&block);
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!(heard < -60.0, "{heard} dBFS");
    let heard = level(&mut fleet, 0, TONES[1]);
    assert!((heard + 20.0).abs() < 2.0, "{heard} dBFS");
}

#[test]
fn cb_064_cb_066_a_session_is_refreshed_by_update() {
    let server = start("");
    let mut pia = joined(&server, "pia", false);
    pia.send(
        "UPDATE",
        "Supported: timer\r\nSession-Expires: 1800\r\n",
        "",
        "",
    );
    let answer = pia.answer("UPDATE");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(
        answer.contains("Session-Expires: 1800;refresher=uac"),
        "{answer}"
    );
}

#[test]
fn cb_098_who_leaves_sees_no_more() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    ann.subscribe("");
    ann.notified("state=\"full\"");
    ann.send("BYE", "", "", "");
    assert!(ann.answer("BYE").starts_with("SIP/2.0 200"));
    ann.notified("Subscription-State: terminated");
    let gone = pia.notified("state=\"deleted\"");
    assert!(gone.contains(&ann.aor), "{gone}");
}

#[test]
fn rfc4579_5_4_the_factory_makes_a_conference() {
    let server = start("");
    let mut bob = Person::new(&server, "bob", true);
    bob.focus = format!("sip:conference-factory@{}", server.sip());
    let description = offer(&bob);
    let answer = bob.call("application/sdp", &description);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let target = bob.dialog.as_ref().unwrap().target.clone();
    assert!(
        answer.contains(";isfocus") && !target.contains("factory"),
        "{target}"
    );
    bob.subscribe("");
    let document = bob.notified("state=\"full\" version");
    assert_eq!(users(&document), [bob.aor.as_str()], "{document}");
}
