//! The focus from outside: C3P, the conference event package, phones beside (MS-CONFBAS §3,
//! RFC 4575, RFC 4579).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, its own functions included, and says what it cannot judge"
)]

mod c3p;

use c3p::{Person, body, focus_uri, mcu_uri, start};
use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::peer::sipp::SippRun;
use plenum_loadtest::sdp;
use plenum_loadtest::server::Server;
use plenum_loadtest::signal::Signal;
use plenum_loadtest::wire::Message;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const TONES: [f64; 2] = [1000.0, 440.0];

/// Phones in `standup`, each with a tone of its own.
fn phones(server: &Server, count: usize) -> Fleet {
    // Two fleets of one server are not each other's repetitions.
    static SEED: AtomicU64 = AtomicU64::new(7);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    let mut fleet = Fleet::new(server.sip(), 20 * SECOND, seed).unwrap();
    for hz in TONES.into_iter().take(count) {
        let signal = Signal::Tone { hz, dbfs: -20.0 };
        let number = fleet
            .add(PhoneSettings::new("standup", Codec::Pcmu, signal))
            .unwrap();
        fleet.invite(number);
        let up = fleet.run_until(5 * SECOND, |fleet| {
            *fleet.phones()[number].call.state() == CallState::Up
        });
        assert!(up.unwrap(), "{}", server.log());
    }
    // Who has not acknowledged is in no roster.
    fleet.run(SECOND / 4).unwrap();
    fleet
}

/// The level at which a phone hears a tone in the next second.
fn level(fleet: &mut Fleet, number: usize, hz: f64) -> f64 {
    fleet.run(SECOND / 4).unwrap();
    fleet.begin_window();
    fleet.run(SECOND).unwrap();
    let phone = &fleet.phones()[number];
    let mut heard = Heard::new(phone.settings.codec, phone.receiver.kept()).unwrap();
    heard.skip(SECOND / 4);
    heard.tone(hz).dbfs
}

/// The value of the first attribute of this name after `from`.
fn attribute<'a>(text: &'a str, from: &str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap();
    let (_, rest) = rest.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap()
}

fn joined(server: &Server, user: &str, tcp: bool) -> Person {
    let mut person = Person::new(server, user, tcp);
    person.join();
    person
}

#[test]
fn cb_038_to_cb_049_joining_over_both_transports() {
    let server = start("");
    for (user, tcp) in [("pia", true), ("ann", false)] {
        let mut person = Person::new(&server, user, tcp);
        let answer = person.join();
        c3p::schema::check(&answer);
        let role = if user == "pia" {
            "presenter"
        } else {
            "attendee"
        };
        for expect in [
            ";isfocus",
            "Allow: INVITE",
            "refresher=uac",
            "Require: timer",
            "code=\"success\"",
            &format!("entity=\"{}\"", person.aor),
            role,
        ] {
            assert!(answer.contains(expect), "{expect}: {answer}");
        }
        person.send("BYE", "", "", "");
        assert!(person.answer("BYE").starts_with("SIP/2.0 200"));
    }
}

#[test]
fn cb_017_to_cb_037_joins_that_are_refused() {
    let server = start("");
    let refused = |status: &str, change: &dyn Fn(&Person) -> String| {
        let mut ann = Person::new(&server, "ann", true);
        let text = change(&ann);
        let answer = ann.invite(&text);
        assert!(answer.starts_with(status), "{status}: {answer}\n{text}");
    };
    let swap = |from: &'static str, to: &'static str| {
        move |person: &Person| body::join(person).replacen(from, to, 1)
    };
    refused("SIP/2.0 400", &|_| "no xml".to_owned());
    refused("SIP/2.0 400", &swap("from=\"sip:ann@", "from=\"sip:eve@"));
    refused(
        "SIP/2.0 400",
        &swap("confEntity=\"sip:standup@", "confEntity=\"sip:other@"),
    );
    refused("SIP/2.0 400", &swap("attendee", "owner"));
    refused(
        "SIP/2.0 400",
        &swap("<request", "<!DOCTYPE x [<!ENTITY y \"z\">]><request"),
    );
    let mut lost = Person::new(&server, "ann", true);
    lost.focus = lost.focus.replace(c3p::ID, "NOBODY");
    let text = body::join(&lost);
    let answer = lost.invite(&text);
    assert!(answer.starts_with("SIP/2.0 404"), "{answer}");
}

#[test]
fn cb_051_cb_091_cb_102_a_watcher_sees_a_phone_come_and_go() {
    let server = start("");
    for tcp in [true, false] {
        let mut pia = joined(&server, "pia", tcp);
        pia.subscribe("");
        let full = pia.notified("state=\"full\"");
        assert!(full.contains("version=\"1\""), "CB-102: {full}");
        assert!(full.contains(&focus_uri(&server)) && full.contains(&mcu_uri(&server)));
        assert!(
            full.contains("entry label=\"main-audio\""),
            "CB-284: {full}"
        );
        let mut fleet = phones(&server, 1);
        let partial = pia.notified("sip:p0@");
        assert!(partial.contains("state=\"partial\""), "{partial}");
        let come = if partial.contains("audio-video") {
            partial
        } else {
            pia.notified("audio-video")
        };
        assert!(come.contains("connected"), "{come}");
        fleet.hang_up(0);
        fleet.run(SECOND / 2).unwrap();
        let gone = pia.notified("state=\"deleted\"");
        assert!(gone.contains("sip:p0@"), "{gone}");
        pia.send("BYE", "", "", "");
        assert!(pia.answer("BYE").starts_with("SIP/2.0 200"));
    }
}

#[test]
fn cb_090_cb_091_best_effort_with_the_first_document_in_the_answer() {
    let server = start("");
    let mut pia = joined(&server, "pia", true);
    let answer = pia.subscribe("Supported: ms-benotify, ms-piggyback-first-notify\r\n");
    assert!(answer.contains("state=\"full\""), "{answer}");
    c3p::schema::check(&answer);
    let _ann = joined(&server, "ann", false);
    let partial = pia.notified("sip:ann@example.com");
    assert!(partial.starts_with("BENOTIFY "), "{partial}");
    assert!(partial.contains("version=\"2\""), "CB-102: {partial}");
}

/// pia presents, ann attends, both by C3P; pia watches.
fn meeting(server: &Server) -> (Person, Person) {
    let mut pia = joined(server, "pia", true);
    pia.subscribe("");
    pia.notified("state=\"full\"");
    let ann = joined(server, "ann", false);
    pia.notified("sip:ann@example.com");
    (pia, ann)
}

#[test]
fn cb_033_cb_182_a_lock_is_seen_and_keeps_people_out() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let focus = focus_uri(&server);
    pia.succeed(&body::lock(&focus, true));
    pia.notified("locked>true</");
    let mut bob = Person::new(&server, "bob", true);
    let text = body::join(&bob);
    let answer = bob.invite(&text);
    assert!(answer.starts_with("SIP/2.0 403"), "CB-033: {answer}");
    pia.succeed(&body::lock(&focus, false));
    pia.notified("locked>false</");
    bob.join();
}

#[test]
fn cb_165_cb_178_roles_are_given_by_presenters_only() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let focus = focus_uri(&server);
    let promote = body::role(&focus, &ann.aor, "presenter");
    ann.fail(&promote, &["unauthorized"]);
    ann.fail(&body::lock(&focus, true), &["unauthorized"]);
    ann.fail(&body::delete_user(&focus, &pia.aor), &["unauthorized"]);
    ann.fail(&body::delete_conference(&focus), &["unauthorized"]);
    pia.succeed(&promote);
    let partial = pia.notified("sip:ann@example.com");
    assert!(partial.contains("presenter"), "{partial}");
    ann.succeed(&body::lock(&focus, true));
}

#[test]
fn cb_192_somebody_is_removed() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    ann.subscribe("");
    ann.notified("state=\"full\"");
    pia.succeed(&body::delete_user(&focus_uri(&server), &ann.aor));
    let last = ann.notified("terminated");
    let state = "reason=ParticipantRemoved";
    assert!(last.contains(state), "CB-192: {last}");
    let bye = ann.await_text(5 * SECOND, |text| text.starts_with("BYE "));
    assert!(bye.contains("Participant Removed"), "{bye}");
    assert!(bye.contains("Content-Length: 0\r\n"), "CB-069: {bye}");
    let gone = pia.notified("state=\"deleted\"");
    assert!(gone.contains("sip:ann@example.com"), "{gone}");
    assert!(gone.contains("disconnection-method>booted<"), "{gone}");
    let lock = body::request(&ann, "9", &body::lock(&focus_uri(&server), true));
    ann.send("INFO", "", c3p::FOCUS_BODY, &lock);
    let answer = ann.answer("INFO");
    assert!(answer.starts_with("SIP/2.0 481"), "after removal: {answer}");
}

#[test]
fn cb_218_the_conference_is_told_on_demand() {
    let server = start("");
    let (mut pia, ann) = meeting(&server);
    let response = pia.succeed(&body::get_conference(&focus_uri(&server)));
    for expect in [&pia.aor, &ann.aor, &mcu_uri(&server)] {
        assert!(response.contains(expect.as_str()), "{expect}: {response}");
    }
}

#[test]
fn cb_196_the_end_of_the_conference() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let mut fleet = phones(&server, 1);
    pia.begin(&body::delete_conference(&focus_uri(&server)));
    for person in [&mut pia, &mut ann] {
        let bye = person.await_text(5 * SECOND, |text| text.starts_with("BYE "));
        assert!(bye.contains("Reason: "), "{bye}");
    }
    pia.notified("terminated");
    let over = CallState::Over { by_server: true };
    let told = fleet.run_until(5 * SECOND, |fleet| *fleet.phones()[0].call.state() == over);
    assert!(told.unwrap(), "{}", server.log());
}

#[test]
fn cb_147_commands_that_nobody_can_understand() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let focus = focus_uri(&server);
    let good = body::request(&pia, "8", &body::lock(&focus, true));
    for (damage, status, text) in [
        ("no XML", 400, "<request".to_owned()),
        (
            "a DTD",
            400,
            good.replacen("<request", "<!DOCTYPE x><request", 1),
        ),
        ("deep", 400, "<a>".repeat(1000)),
        (
            "of another",
            202,
            good.replacen("from=\"sip:pia@", "from=\"sip:eve@", 1),
        ),
        (
            "to another",
            202,
            good.replacen("to=\"sip:standup@", "to=\"sip:other@", 1),
        ),
        (
            "two",
            202,
            good.replace("</request>", "<deleteUser/></request>"),
        ),
        ("no value", 202, good.replace(">true<", ">perhaps<")),
        (
            "no target",
            202,
            good.replacen("<conferenceKeys", "<keys", 1),
        ),
    ] {
        pia.send("INFO", "", c3p::FOCUS_BODY, &text);
        let answer = pia.answer("INFO");
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status}")),
            "{damage}: {answer}"
        );
        if status == 202 {
            let response = pia.response();
            assert!(
                response.contains("reason=\"requestMalformed\""),
                "{damage}: {response}"
            );
        }
    }
    // Before a join there is no dialog for commands (CB-144).
    let mut eve = Person::new(&server, "eve", true);
    let text = body::request(&eve, "1", &body::lock(&focus, true));
    eve.send("INFO", "", c3p::FOCUS_BODY, &text);
    let answer = eve.answer("INFO");
    assert!(answer.starts_with("SIP/2.0 481"), "{answer}");
    let state = pia.succeed(&body::get_conference(&focus));
    assert!(!state.contains("locked>true<"), "{state}");
}

#[test]
fn cb_247_7_cb_286_muting_a_phone_silences_it() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut fleet = phones(&server, 2);
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!((heard + 20.0).abs() < 2.0, "{heard} dBFS");
    let state = pia.succeed(&body::get_conference(&focus));
    let user = phone_of(&state, 0);
    let (_, of_phone) = state.split_once(&user).unwrap();
    let endpoint = attribute(of_phone, "<endpoint", "entity");
    let medium = attribute(of_phone, "<media", "id");
    let of = (user.as_str(), endpoint, medium);
    pia.succeed(&body::ingress(&focus, &mcu, of, "block"));
    let partial = pia.notified("media-ingress-filter>block<");
    assert!(partial.contains(&user), "{partial}");
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!(heard < -60.0, "{heard} dBFS");
    pia.succeed(&body::ingress(&focus, &mcu, of, "unblock"));
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!((heard + 20.0).abs() < 2.0, "{heard} dBFS");
}

const LOBBY: &str = "lobby = true\nadmission = \"closedAuthenticated\"\n";

#[test]
fn cb_128_to_cb_131_cb_226_to_cb_232_the_lobby() {
    let server = start(LOBBY);
    let focus = focus_uri(&server);
    let mut pia = joined(&server, "pia", true);
    pia.subscribe("");
    pia.notified("state=\"full\"");
    let mut ann = joined(&server, "ann", false);
    ann.subscribe("");
    let own = ann.notified("state=\"full\"");
    assert!(
        own.contains("on-hold") && !own.contains(&pia.aor),
        "CB-128: {own}"
    );
    let admit = body::request(&ann, "7", &body::lobby(&focus, &ann.aor, "granted"));
    ann.send("INFO", "", c3p::FOCUS_BODY, &admit);
    let answer = ann.answer("INFO");
    assert!(answer.starts_with("SIP/2.0 403"), "CB-146: {answer}");
    let seen = pia.notified(&ann.aor);
    assert!(seen.contains("on-hold"), "{seen}");
    let response = pia.succeed(&body::lobby(&focus, &ann.aor, "granted"));
    assert!(response.contains(&ann.aor), "CB-227: {response}");
    let full = ann.notified("state=\"full\"");
    assert!(
        full.contains(&pia.aor) && !full.contains("on-hold"),
        "{full}"
    );
    let mut bob = joined(&server, "bob", true);
    pia.notified(&bob.aor);
    pia.succeed(&body::lobby(&focus, &bob.aor, "denied"));
    let bye = bob.await_text(5 * SECOND, |text| text.starts_with("BYE "));
    assert!(bye.contains("Reason: "), "CB-232: {bye}");
}

#[test]
fn cb_257_cb_260_phones_wait_in_the_lobby_too() {
    let server = start(LOBBY);
    let focus = focus_uri(&server);
    let mut pia = joined(&server, "pia", true);
    let mut fleet = phones(&server, 2);
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!(heard < -45.0, "apart: {heard} dBFS");
    for phone in 0..2 {
        let state = pia.succeed(&body::get_conference(&focus));
        let user = phone_of(&state, phone);
        pia.succeed(&body::lobby(&focus, &user, "granted"));
    }
    fleet.run(SECOND).unwrap();
    let heard = level(&mut fleet, 1, TONES[0]);
    assert!((heard + 20.0).abs() < 2.0, "{heard} dBFS");
}

/// The URI of a phone of ours in a document.
fn phone_of(state: &str, number: usize) -> String {
    let begin = format!("sip:p{number}@");
    let (_, rest) = state.split_once(&format!("entity=\"{begin}")).unwrap();
    format!("{begin}{}", rest.split('"').next().unwrap())
}

/// An answer to a call of the focus, with audio.
fn pick_up(callee: &mut Person, invite: &str, status: &str) {
    let discard = SocketAddr::new(callee.local().ip(), 9);
    let description = sdp::describe(discard, Codec::Pcmu, 1, "sendrecv");
    let here = callee.local();
    let (more, text) = if status.starts_with('2') {
        ("Content-Type: application/sdp\r\n", description.as_str())
    } else {
        ("", "")
    };
    let more = format!("Contact: <sip:zoe@{here}>\r\n{more}");
    let invite = Message::parse(invite.as_bytes()).unwrap();
    callee.line.send(&invite.answer(status, "zoe", &more, text));
}

#[test]
fn cb_152_cb_203_dialling_out_is_pending_until_somebody_answers() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut zoe = Person::new(&server, "zoe", false);
    let uri = format!("sip:zoe@{}?X-Ticket=a%20b", zoe.local());
    pia.begin(&body::dial_out(&focus, &mcu, &zoe.aor, &uri));
    let invite = zoe.await_text(5 * SECOND, |text| text.starts_with("INVITE "));
    assert!(
        invite.starts_with(&format!("INVITE sip:zoe@{} ", zoe.local())),
        "{invite}"
    );
    assert!(invite.contains("\r\nX-Ticket: a b\r\n"), "{invite}");
    assert!(
        invite.contains(&zoe.aor) && invite.contains(&mcu),
        "CB-203: {invite}"
    );
    pick_up(&mut zoe, &invite, "180 Ringing");
    let pending = pia.await_text(32 * SECOND, |text| text.starts_with("INFO "));
    assert!(pending.contains("code=\"pending\""), "{pending}");
    pick_up(&mut zoe, &invite, "200 OK");
    let response = pia.response();
    assert!(response.contains("code=\"success\""), "{response}");
    zoe.await_text(5 * SECOND, |text| text.starts_with("ACK "));
    let here = pia.notified("dialed-out");
    assert!(here.contains(&zoe.aor), "{here}");
    pia.succeed(&body::delete_user(&focus, &zoe.aor));
    zoe.await_text(5 * SECOND, |text| text.starts_with("BYE "));
}

#[test]
fn cb_207_dialling_out_to_somebody_who_is_busy() {
    let server = start("");
    let (mut pia, _ann) = meeting(&server);
    let (focus, mcu) = (focus_uri(&server), mcu_uri(&server));
    let mut zoe = Person::new(&server, "zoe", false);
    let uri = format!("sip:zoe@{}", zoe.local());
    pia.begin(&body::dial_out(&focus, &mcu, &zoe.aor, &uri));
    let invite = zoe.await_text(5 * SECOND, |text| text.starts_with("INVITE "));
    pick_up(&mut zoe, &invite, "486 Busy Here");
    let response = pia.response();
    assert!(response.contains("reason=\"userBusy\""), "{response}");
}

#[test]
fn rfc4579_5_5_5_11_refer_brings_somebody_in_and_out() {
    let server = start("");
    let (mut pia, mut ann) = meeting(&server);
    let mut zoe = Person::new(&server, "zoe", false);
    let uri = format!("sip:zoe@{}", zoe.local());
    ann.send("REFER", &format!("Refer-To: <{uri}>\r\n"), "", "");
    let answer = ann.answer("REFER");
    assert!(answer.starts_with("SIP/2.0 403"), "an attendee: {answer}");
    pia.send("REFER", &format!("Refer-To: <{uri}>\r\n"), "", "");
    let answer = pia.answer("REFER");
    assert!(
        answer.starts_with("SIP/2.0 202"),
        "RFC 3515 §2.4.2: {answer}"
    );
    let invite = zoe.await_text(5 * SECOND, |text| text.starts_with("INVITE "));
    pick_up(&mut zoe, &invite, "200 OK");
    let told = pia.await_text(5 * SECOND, |text| text.contains("\r\n\r\nSIP/2.0 200"));
    assert!(told.contains("Event: refer"), "{told}");
    // Who somebody is does not depend on the port (an address-of-record).
    pia.notified("\"sip:zoe@127.0.0.1\"");
    let out = format!("Refer-To: <{uri};method=BYE>\r\n");
    pia.send("REFER", &out, "", "");
    assert!(pia.answer("REFER").starts_with("SIP/2.0 202"));
    zoe.await_text(5 * SECOND, |text| text.starts_with("BYE "));
    pia.notified("state=\"deleted\"");
}

#[test]
fn rfc4575_a_subscriber_that_is_no_participant() {
    let server = start("watchers = \"trusted\"\n");
    let _pia = joined(&server, "pia", true);
    let mut fleet = phones(&server, 1);
    fleet.run(SECOND / 2).unwrap();
    let mut zoe = Person::new(&server, "zoe", false);
    zoe.focus = format!("sip:standup@{}", server.sip());
    zoe.subscribe("");
    let document = zoe.notified("state=\"full\"");
    assert!(document.starts_with("NOTIFY "), "{document}");
    for expect in [
        "sip:p0@",
        "<user-count>2</",
        "urn:ietf:params:xml:ns:conference-info",
    ] {
        assert!(document.contains(expect), "{expect}: {document}");
    }
    assert!(!document.contains("schemas.microsoft.com"), "{document}");
    let outcome = SippRun::new("uac-subscribe.xml", server.sip(), "standup");
    let outcome = outcome.run(20 * SECOND).unwrap();
    assert!(outcome.passed, "{}\n{}", outcome.account, server.log());
}

#[test]
fn rfc6665_4_2_1_2_strangers_may_not_watch_where_policy_says_so() {
    let server = start("");
    let _pia = joined(&server, "pia", true);
    let outcome = SippRun::new("uac-subscribe-refused.xml", server.sip(), "standup");
    let outcome = outcome.run(20 * SECOND).unwrap();
    assert!(outcome.passed, "{}\n{}", outcome.account, server.log());
}
