//! Connections that break, sessions that run out, joins that are called off (MS-CONFBAS §3.2.4.2,
//! §3.4.4.2).

use super::meeting::offer;
use super::{FOCUS_BODY, Person, body, focus_uri, mcu_uri, start, start_with};
use crate::{SECOND, joined};
use plenum_loadtest::digest::{Login, parameter};
use plenum_loadtest::server::Server;

const QUICK: &str = "reconnect_ms = 700\n";

#[test]
fn cb_098_whose_connection_breaks_leaves_soon() {
    let server = start_with(QUICK, "");
    let mut pia = joined(&server, "pia", true);
    pia.subscribe("");
    pia.notified("state=\"full\"");
    for best_effort in [true, false] {
        let mut ann = joined(&server, "ann", true);
        let more = if best_effort {
            "Supported: ms-benotify\r\n"
        } else {
            ""
        };
        ann.subscribe(more);
        ann.notified("state=\"full\"");
        pia.notified("sip:ann@example.com");
        drop(ann);
        let gone = pia.notified("state=\"deleted\"");
        assert!(gone.contains("sip:ann@example.com"), "{gone}");
    }
}

#[test]
fn cb_098_who_comes_back_over_another_connection_stays() {
    let server = start_with(QUICK, "");
    let mut pia = joined(&server, "pia", true);
    let mut ann = joined(&server, "ann", true);
    pia.subscribe("");
    pia.notified("sip:ann@example.com");
    ann.reconnect(&server);
    ann.send("UPDATE", "Supported: timer\r\n", "", "");
    assert!(ann.answer("UPDATE").starts_with("SIP/2.0 200"));
    pia.lacks(3 * SECOND, |text| text.contains("state=\"deleted\""));
    pia.succeed(&body::role(&focus_uri(&server), &ann.aor, "presenter"));
    ann.succeed(&body::lock(&focus_uri(&server), true));
}

#[test]
fn cb_068_a_join_that_is_called_off_leaves_nobody() {
    let server = start("");
    let mut pia = joined(&server, "pia", true);
    let mut ann = Person::new(&server, "ann", false);
    let text = body::join(&ann);
    ann.send("INVITE", "Supported: timer\r\n", FOCUS_BODY, &text);
    ann.cancel();
    assert!(ann.answer("CANCEL").starts_with("SIP/2.0 200"));
    let answer = ann.answer("INVITE");
    if answer.starts_with("SIP/2.0 200") {
        // It was accepted before the CANCEL came (RFC 3261 §9.2): she hangs up.
        ann.confirm(&answer);
        ann.send("BYE", "", "", "");
        assert!(ann.answer("BYE").starts_with("SIP/2.0 200"));
    } else {
        assert!(answer.starts_with("SIP/2.0 487"), "{answer}");
    }
    let state = pia.succeed(&body::get_conference(&focus_uri(&server)));
    assert!(!state.contains(&ann.aor), "{state}");
}

#[test]
fn cb_055_cb_058_cb_059_anonymous_participants() {
    for (admission, status) in [
        ("anonymous", "SIP/2.0 200"),
        ("openAuthenticated", "SIP/2.0 403"),
    ] {
        let server = start(&format!("admission = \"{admission}\"\n"));
        let mut pia = joined(&server, "pia", true);
        let mut guest = Person::new(&server, "x7f3", true);
        guest.aor = "sip:x7f3@anonymous.invalid".to_owned();
        let claim = "<msci:authMethod>enterprise</msci:authMethod></ci:endpoint>";
        let text = body::join(&guest).replace("/></ci:user>", &format!(">{claim}</ci:user>"));
        let answer = guest.invite(&text);
        assert!(answer.starts_with(status), "{admission}: {answer}");
        let state = pia.succeed(&body::get_conference(&focus_uri(&server)));
        assert_eq!(state.contains("anonymous.invalid"), status.ends_with("200"));
        if status.ends_with("200") {
            let (_, of_guest) = state.split_once("anonymous.invalid").unwrap();
            let (of_guest, _) = of_guest.split_once("</user>").unwrap();
            assert!(
                of_guest.contains("authMethod>anonymous<"),
                "CB-059: {state}"
            );
            // From here on a participant like any other: an attendee.
            guest.fail(&body::lock(&focus_uri(&server), true), &["unauthorized"]);
        }
    }
}

#[test]
fn cb_055_cb_058_who_nobody_knows_proves_to_know_the_key() {
    let server =
        start("admission = \"anonymous\"\norganizer = \"sip:olga@example.com\"\npin = \"4711\"\n");
    // The conference URI is the organizer's.
    let of_olga = |uri: String| uri.replace("sip:standup@", "sip:olga@");
    let mut pia = Person::new(&server, "pia", true);
    pia.focus = of_olga(pia.focus);
    pia.join();
    let mut guest = Person::new(&server, "x7f3", true);
    guest.focus.clone_from(&pia.focus);
    guest.aor = "sip:x7f3@anonymous.invalid".to_owned();
    let text = body::join(&guest);
    let asked = guest.invite(&text);
    assert!(asked.starts_with("SIP/2.0 401"), "{asked}");
    let challenge = |answer: &str| {
        let lines = answer.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix("WWW-Authenticate: "));
        values.next().unwrap().to_owned()
    };
    for (name, expect) in [
        ("realm", "olga@example.com"),
        ("algorithm", "MD5-sess"),
        ("qop", "auth"),
    ] {
        let asked = challenge(&asked);
        assert_eq!(parameter(&asked, name), Some(expect), "{asked}");
    }
    let mut show = |key: &str, challenge: &str| {
        let login = Login::new("x7f3", key);
        let shown = login.answer(challenge, "INVITE", &guest.focus, 1).unwrap();
        let more = format!("Supported: timer\r\nAuthorization: {shown}\r\n");
        guest.send("INVITE", &more, FOCUS_BODY, &text);
        let answer = guest.answer("INVITE");
        guest.confirm(&answer);
        answer
    };
    let wrong = show("4712", &challenge(&asked));
    assert!(wrong.starts_with("SIP/2.0 401"), "a wrong key: {wrong}");
    let fresh = challenge(&wrong);
    let right = show("4711", &fresh);
    assert!(right.starts_with("SIP/2.0 200"), "{right}");
    let (focus, mcu) = (pia.focus.clone(), of_olga(mcu_uri(&server)));
    let state = pia.succeed(&body::get_conference(&focus));
    let (_, of_guest) = state.split_once("anonymous.invalid").unwrap();
    assert!(of_guest.contains("authMethod>anonymous<"), "{state}");
    guest.succeed(&body::dial_in(&focus, &mcu, &guest.aor));
    comes_without_pin(&server, &mut pia, &guest, &mcu);
    // The same credentials are good for nobody else.
    let mut thief = Person::new(&server, "x7f3", true);
    thief.focus.clone_from(&pia.focus);
    thief.aor = "sip:other@anonymous.invalid".to_owned();
    let login = Login::new("x7f3", "4711");
    let shown = login.answer(&fresh, "INVITE", &thief.focus, 1).unwrap();
    let more = format!("Authorization: {shown}\r\n");
    let text = body::join(&thief);
    thief.send("INVITE", &more, FOCUS_BODY, &text);
    let answer = thief.answer("INVITE");
    assert!(answer.starts_with("SIP/2.0 401"), "used before: {answer}");
}

/// CB-213: the media of somebody who has proved to know the key are not asked for the PIN.
fn comes_without_pin(server: &Server, pia: &mut Person, guest: &Person, mcu: &str) {
    let mut headset = Person::new(server, "x7f3", false);
    headset.aor.clone_from(&guest.aor);
    headset.focus = mcu.to_owned();
    let description = offer(&headset);
    let answer = headset.call("application/sdp", &description);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let focus = pia.focus.clone();
    let mut states = (0..200).map(|_| pia.succeed(&body::get_conference(&focus)));
    assert!(states.any(|state| state.contains("{headset}")));
}

#[test]
fn cb_058_a_call_that_shows_the_key_is_not_asked_for_the_pin() {
    let server = start("admission = \"anonymous\"\npin = \"4711\"\n");
    let mut pia = joined(&server, "pia", true);
    let focus = focus_uri(&server);
    let mut asked = Person::new(&server, "x7f3", true);
    asked.aor = "sip:x7f3@anonymous.invalid".to_owned();
    let text = body::join(&asked);
    let challenge = asked.invite(&text);
    let challenge = challenge
        .lines()
        .find_map(|line| line.strip_prefix("WWW-Authenticate: "));
    let mut phone = Person::new(&server, "y9", false);
    phone.aor = "sip:y9@anonymous.invalid".to_owned();
    phone.focus = mcu_uri(&server);
    let login = Login::new("y9", "4711");
    let shown = login.answer(challenge.unwrap(), "INVITE", &phone.focus, 1);
    let more = format!("Authorization: {}\r\n", shown.unwrap());
    let description = offer(&phone);
    phone.send("INVITE", &more, "application/sdp", &description);
    let answer = phone.answer("INVITE");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    phone.confirm(&answer);
    let mut states = (0..200).map(|_| pia.succeed(&body::get_conference(&focus)));
    assert!(states.any(|state| state.contains(&phone.aor)));
}

#[test]
fn cb_066_a_session_that_is_not_refreshed_ends() {
    let server = start("");
    let mut pia = joined(&server, "pia", true);
    // The shortest session there is (RFC 4028 §4).
    let timer = "Supported: timer\r\nSession-Expires: 90\r\n";
    let [mut ann, mut bob] = ["ann", "bob"].map(|user| {
        let mut person = Person::new(&server, user, true);
        let text = body::join(&person);
        person.send("INVITE", timer, FOCUS_BODY, &text);
        let answer = person.answer("INVITE");
        assert!(
            answer.contains("Session-Expires: 90;refresher=uac"),
            "{answer}"
        );
        person.confirm(&answer);
        person
    });
    ann.subscribe("Supported: ms-benotify\r\n");
    pia.subscribe("Supported: ms-benotify\r\n");
    bob.lacks(30 * SECOND, |text| text.starts_with("BYE "));
    bob.send("UPDATE", timer, "", "");
    assert!(bob.answer("UPDATE").starts_with("SIP/2.0 200"));
    let ended = ann.await_text(45 * SECOND, |text| text.starts_with("BYE "));
    assert!(ended.contains(&ann.aor), "{ended}");
    ann.notified("Subscription-State: terminated");
    let gone = pia.notified("state=\"deleted\"");
    assert!(
        gone.contains(&ann.aor) && !gone.contains(&bob.aor),
        "{gone}"
    );
    bob.succeed(&body::rename(&focus_uri(&server), &bob.aor, "Bob"));
}

#[test]
fn cb_056_federated_users_count_as_authenticated_without_a_lobby() {
    for (lobby, inside) in [(false, true), (true, false)] {
        let traits = format!("admission = \"openAuthenticated\"\nlobby = {lobby}\n");
        let server = start_with("domains = [\"example.com\", \"127.0.0.0\"]\n", &traits);
        let mut pia = Person::new(&server, "pia", true);
        pia.focus = pia
            .focus
            .replace(&server.sip().ip().to_string(), "example.com");
        pia.join();
        let mut fay = Person::new(&server, "fay", true);
        fay.aor = "sip:fay@fabrikam.example".to_owned();
        fay.focus.clone_from(&pia.focus);
        fay.join();
        let focus = pia.focus.clone();
        let state = pia.succeed(&body::get_conference(&focus));
        let (_, of_fay) = state.split_once(&fay.aor).unwrap();
        let (of_fay, _) = of_fay.split_once("</user>").unwrap();
        assert!(of_fay.contains("authMethod>federated<"), "{state}");
        let status = if inside { "connected" } else { "on-hold" };
        assert!(of_fay.contains(status), "lobby {lobby}: {state}");
    }
}
