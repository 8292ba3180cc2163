//! Slides: a second stream (RFC 4796) with a floor that BFCP asks for (RFC 8855, RFC 8856), judged by the pixels that
//! phones decode.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod slides;

use plenum_loadtest::peer::floor_client::{primitive, status};
use plenum_loadtest::peer::video_phone::{
    BLUE, GREEN, RED, Seen, WHITE, YELLOW, alike, section_port, section_ports, shows, wait,
};
use plenum_loadtest::server::Server;
use slides::{SECOND, await_presenting, call, floor, presenting, slides, start};

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").unwrap().1;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[test]
fn rfc4796_slides_go_to_the_second_stream_and_into_the_picture_of_who_has_none() {
    let server = start("");
    let one = call(&server, "one", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let two = call(&server, "two", GREEN, Some((WHITE, Some("UDP/BFCP"))));
    let plain = call(&server, "plain", BLUE, None);
    for wanted in [
        "a=content:slides",
        "a=label:3",
        "a=floorid:1 mstrm:3",
        "a=floorctrl:s-only",
    ] {
        assert!(one.answer.contains(wanted), "{wanted} in {}", one.answer);
    }
    let mut client = floor(&server, &one);
    assert_eq!(
        client.ask(primitive::HELLO, &[]).unwrap().primitive,
        primitive::HELLO_ACK
    );
    // Without the floor nothing is shown.
    slides(&one).show(true);
    std::thread::sleep(SECOND);
    assert!(slides(&two).received().is_empty(), "nobody has the floor");
    let granted = client.request().unwrap();
    assert_eq!(granted.status, status::GRANTED, "{granted:?}");
    let second = || slides(&two).look();
    wait(
        &server,
        "the second stream",
        second,
        shows(YELLOW, 0.5, 0.5),
    );
    let main = || plain.look();
    wait(
        &server,
        "content in the picture",
        main,
        shows(YELLOW, 0.5, 0.6),
    );
    // Who has a second stream sees people in the first one.
    let people = |seen: &Seen| {
        let rows = [0.1, 0.3, 0.5, 0.7, 0.9];
        !rows.iter().any(|y| alike(seen.at(0.5, *y), YELLOW))
    };
    wait(&server, "people in the first", || two.look(), people);
    assert!(
        slides(&one).received().is_empty(),
        "nobody gets the own slides"
    );
    await_presenting(&server, 1);
    let released = client.release(granted.request).unwrap();
    assert_eq!(released.status, status::RELEASED);
    await_presenting(&server, 0);
    wait(&server, "people again", main, people);
    let before = slides(&two).received().len();
    std::thread::sleep(SECOND);
    assert!(
        slides(&two).received().len() <= before + 1,
        "no slides any more"
    );
}

#[test]
fn rfc8855_13_1_the_next_one_takes_over_by_tcp_and_the_first_is_told() {
    let server = start("");
    let one = call(&server, "one", RED, Some((YELLOW, Some("TCP/BFCP"))));
    let two = call(&server, "two", GREEN, Some((WHITE, Some("UDP/BFCP"))));
    let three = call(&server, "three", BLUE, Some((RED, Some("TCP/BFCP"))));
    assert!(one.answer.contains("a=setup:passive"), "{}", one.answer);
    let [mut first, mut second, mut third] = [&one, &two, &three].map(|it| floor(&server, it));
    assert_eq!(third.watch().unwrap().primitive, primitive::FLOOR_STATUS);
    for phone in [&one, &two] {
        slides(phone).show(true);
    }
    let granted = first.request().unwrap();
    assert_eq!(granted.status, status::GRANTED);
    let told = third.hear(status::GRANTED, 2 * SECOND).unwrap().unwrap();
    assert_eq!(
        told.primitive,
        primitive::FLOOR_STATUS,
        "who watches hears of it"
    );
    let seen = || slides(&three).look();
    wait(&server, "slides of one", seen, shows(YELLOW, 0.5, 0.5));
    assert_eq!(second.request().unwrap().status, status::GRANTED);
    let revoked = first.hear(status::REVOKED, 2 * SECOND).unwrap().unwrap();
    assert_eq!((revoked.request, revoked.transaction), (granted.request, 0));
    wait(&server, "slides of two", seen, shows(WHITE, 0.5, 0.5));
    let seen = || slides(&one).look();
    wait(&server, "one sees them, too", seen, shows(WHITE, 0.5, 0.5));
    // Who hangs up presents no more.
    drop(second);
    two.hang_up().unwrap();
    await_presenting(&server, 0);
}

#[test]
fn rfc8855_4_1_in_a_queue_the_next_one_waits_until_an_operator_takes_the_floor_away() {
    let server = start("content = \"queue\"\n");
    let one = call(&server, "one", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let two = call(&server, "two", GREEN, Some((WHITE, Some("TCP/BFCP"))));
    let [mut first, mut second] = [&one, &two].map(|it| floor(&server, it));
    let refused = server.operate(&["conference", "revoke-floor", "board"], "");
    assert!(refused.unwrap_err().contains("nobody shows slides"));
    assert_eq!(first.request().unwrap().status, status::GRANTED);
    assert_eq!(second.request().unwrap().status, status::ACCEPTED);
    await_presenting(&server, 1);
    let revoke = || server.operate(&["conference", "revoke-floor", "board"], "");
    revoke().unwrap();
    assert!(first.hear(status::REVOKED, 2 * SECOND).unwrap().is_some());
    assert!(second.hear(status::GRANTED, 2 * SECOND).unwrap().is_some());
    // The client of TCP goes away without a word.
    drop(second);
    await_presenting(&server, 0);
    assert_eq!(metric(&server, "plenum_floor_revoked_total"), 1);
    assert_eq!(metric(&server, "plenum_floor_granted_total"), 2);
}

#[test]
fn rfc8855_8_3_who_answers_nothing_loses_the_floor() {
    let server = start("");
    let one = call(&server, "one", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let mut client = floor(&server, &one);
    client.watch().unwrap();
    client.acknowledges = false;
    assert_eq!(client.request().unwrap().status, status::GRANTED);
    await_presenting(&server, 1);
    std::thread::sleep(8 * SECOND);
    await_presenting(&server, 0);
    assert_eq!(metric(&server, "plenum_floor_silent_total"), 1);
}

#[test]
fn rfc4796_without_floor_control_whoever_sends_slides_presents() {
    let server = start("");
    let one = call(&server, "one", RED, Some((YELLOW, None)));
    let plain = call(&server, "plain", BLUE, None);
    assert_eq!(presenting(&server), 0);
    slides(&one).show(true);
    let main = || plain.look();
    wait(
        &server,
        "content in the picture",
        main,
        shows(YELLOW, 0.5, 0.6),
    );
    await_presenting(&server, 1);
    slides(&one).show(false);
    std::thread::sleep(6 * SECOND);
    await_presenting(&server, 0);
}

#[test]
fn rfc8856_encrypted_floor_control_is_refused_and_slides_are_not() {
    let server = start("");
    for proto in ["UDP/TLS/BFCP", "TCP/TLS/BFCP"] {
        let one = call(&server, "one", RED, Some((YELLOW, Some(proto))));
        let refused = format!("m=application 0 {proto} *");
        assert!(one.answer.contains(&refused), "{}", one.answer);
        assert!(section_ports(&one.answer, "video").all(|port| port.is_some()));
        assert_eq!(section_port(&one.answer, "application"), None);
        one.hang_up().unwrap();
    }
}

#[test]
fn rfc3264_6_where_slides_are_off_both_their_sections_are_refused() {
    let server = start("content = \"off\"\n");
    let one = call(&server, "one", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let ports: Vec<_> = section_ports(&one.answer, "video").collect();
    assert!(matches!(ports[..], [Some(_), None]), "{}", one.answer);
    assert_eq!(section_port(&one.answer, "application"), None);
}
