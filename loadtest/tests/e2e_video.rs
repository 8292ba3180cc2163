//! People see each other: H.264 phones by hand and a browser, judged by the pixels they decode.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::jssip;
use plenum_loadtest::peer::video_phone::{
    BLUE, GREEN, RED, Rgb, Seen, VideoPhone, VideoPhoneSettings, alike, section_port, shows,
};
use plenum_loadtest::peer::{join_page, video_phone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const ROOMS: &str = "[video]\nnames = false\n\
    [[conference]]\nname = \"pair\"\n\
    [[conference]]\nname = \"quarters\"\nlayout = \"allEqualQuarters\"\n\
    [[conference]]\nname = \"speaker\"\nlayout = \"speakerOnly\"\n";

fn start() -> Server {
    start_with(ROOMS)
}

/// A server with join pages over HTTPS, where browsers find a WebSocket.
fn start_with(rest: &str) -> Server {
    let mut settings = ServerSettings {
        rest: rest.to_owned(),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn call(server: &Server, conference: &str, name: &str, colour: Rgb) -> VideoPhone {
    let settings = VideoPhoneSettings::of(colour);
    VideoPhone::call(server.sip(), conference, name, settings).unwrap()
}

/// Waits until a phone sees what `wanted` wants.
fn wait(server: &Server, phone: &VideoPhone, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    video_phone::wait(server, what, || phone.look(), wanted)
}

#[test]
fn cm_080_two_h264_phones_see_each_other_and_not_themselves() {
    let server = start();
    let one = call(&server, "pair", "one", RED);
    let two = call(&server, "pair", "two", BLUE);
    wait(&server, &one, "one sees two", shows(BLUE, 0.5, 0.5));
    wait(&server, &two, "two sees one", shows(RED, 0.5, 0.5));
    // What a phone gets first can be decoded.
    for phone in [&one, &two] {
        let received = phone.received();
        let first = received.first().unwrap();
        assert!(first.keyframe, "the first picture is a keyframe");
        assert!(first.at < SECOND, "and comes at once: {:?}", first.at);
    }
    let (_, roster) = server.get("/metrics").unwrap();
    assert!(roster.contains("\nplenum_video_legs 2\n"));
    one.hang_up().unwrap();
    let empty = |seen: &Seen| !alike(seen.at(0.5, 0.5), RED);
    wait(&server, &two, "one is gone", empty);
    two.hang_up().unwrap();
}

#[test]
fn rfc6184_6_2_packetization_mode_0_gets_single_nal_units() {
    let server = start();
    let settings = VideoPhoneSettings {
        mode: 0,
        ..VideoPhoneSettings::of(GREEN)
    };
    let one = VideoPhone::call(server.sip(), "pair", "zero", settings).unwrap();
    assert!(
        one.answer.contains("packetization-mode=0"),
        "{}",
        one.answer
    );
    let two = call(&server, "pair", "two", BLUE);
    wait(&server, &one, "mode 0", shows(BLUE, 0.5, 0.5));
    wait(&server, &two, "mode 1", shows(GREEN, 0.5, 0.5));
    assert_eq!(
        server.metric("plenum_video_decode_faults_total").unwrap(),
        0
    );
}

#[test]
fn cm_081_the_active_speaker_is_in_the_pane_and_others_follow() {
    let server = start();
    let [one, two, three] = [("one", RED), ("two", GREEN), ("three", BLUE)]
        .map(|(name, colour)| call(&server, "speaker", name, colour));
    two.talk(true);
    wait(&server, &one, "two talks", shows(GREEN, 0.5, 0.5));
    wait(&server, &three, "two talks", shows(GREEN, 0.5, 0.5));
    // Who talks does not see himself.
    let other = |seen: &Seen| !alike(seen.at(0.5, 0.5), GREEN);
    wait(&server, &two, "two sees another", other);
    two.talk(false);
    three.talk(true);
    wait(&server, &one, "three talks", shows(BLUE, 0.5, 0.5));
    wait(&server, &two, "three talks", shows(BLUE, 0.5, 0.5));
    let (encodes, sent) = (
        server.metric("plenum_video_encodes_total").unwrap(),
        server.metric("plenum_video_frames_sent_total").unwrap(),
    );
    assert!(
        encodes < sent,
        "who sees the same shares an encode: {encodes}, {sent}"
    );
}

#[test]
fn cm_081_quarters_hold_and_leave_by_pixels() {
    let server = start();
    let one = call(&server, "quarters", "one", RED);
    let mut two = call(&server, "quarters", "two", GREEN);
    let three = call(&server, "quarters", "three", BLUE);
    let both = |seen: &Seen| alike(seen.at(0.25, 0.25), GREEN) && alike(seen.at(0.75, 0.25), BLUE);
    wait(&server, &one, "two and three", both);
    // RFC 3264 §8.4: who holds gets nothing and is seen no more.
    two.set_direction("inactive").unwrap();
    let tile = |seen: &Seen| !alike(seen.at(0.25, 0.25), GREEN) && alike(seen.at(0.75, 0.25), BLUE);
    wait(&server, &one, "two holds", tile);
    let before = two.received().len();
    std::thread::sleep(SECOND);
    assert!(two.received().len() <= before + 1, "nothing to who holds");
    two.set_direction("sendrecv").unwrap();
    wait(&server, &one, "two is back", both);
    let back = two.received();
    let first = back
        .get(before..)
        .unwrap_or_default()
        .iter()
        .find(|it| it.keyframe);
    assert!(first.is_some(), "a keyframe for who comes back");
    two.hang_up().unwrap();
    let gone = |seen: &Seen| !alike(seen.at(0.25, 0.25), GREEN);
    wait(&server, &one, "two has left", gone);
    drop(three);
}

#[test]
fn rfc4585_6_2_1_lost_packets_come_again() {
    let server = start();
    let one = call(&server, "pair", "one", RED);
    let two = call(&server, "pair", "two", BLUE);
    two.lose(5);
    wait(&server, &two, "through loss", shows(RED, 0.5, 0.5));
    std::thread::sleep(SECOND);
    assert!(two.repeated() > 0, "what was asked for came again");
    drop(one);
}

#[test]
fn rfc5168_a_keyframe_is_asked_for_by_info_in_both_directions() {
    let server = start();
    let one = call(&server, "pair", "one", RED);
    let settings = VideoPhoneSettings {
        attributes: String::new(),
        begins: 1,
        ..VideoPhoneSettings::of(BLUE)
    };
    let mut plain = VideoPhone::call(server.sip(), "pair", "plain", settings).unwrap();
    // The server has to decode it, and cannot ask by RTCP.
    let info = plain.hear("INFO", 5 * SECOND).unwrap().unwrap();
    assert!(info.contains("picture_fast_update"), "{info}");
    wait(&server, &plain, "one", shows(RED, 0.5, 0.5));
    let keys = |phone: &VideoPhone| phone.received().iter().filter(|it| it.keyframe).count();
    let before = keys(&plain);
    let kind = "Content-Type: application/media_control+xml\r\n";
    let body = "<?xml version=\"1.0\"?><media_control><vc_primitive><to_encoder>\
                <picture_fast_update/></to_encoder></vc_primitive></media_control>";
    let status = plain.say("INFO", kind, body).unwrap();
    assert!(status.starts_with("SIP/2.0 200"), "{status}");
    std::thread::sleep(SECOND);
    assert!(keys(&plain) > before, "a keyframe came");
    drop(one);
}

#[test]
fn rfc3264_6_video_is_refused_where_it_is_off() {
    let settings = ServerSettings {
        rest: "[video]\nenabled = false\n".to_owned(),
        ..ServerSettings::default()
    };
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let phone = call(&server, "standup", "one", RED);
    assert_eq!(
        section_port(&phone.answer, "video"),
        None,
        "{}",
        phone.answer
    );
    assert!(phone.answer.contains("m=video 0 "), "{}", phone.answer);
}

const CALL: &str = r#"
    globalThis.said = [];
    globalThis.player = document.body.appendChild(document.createElement("video"));
    player.muted = true;
    const socket = new JsSIP.WebSocketInterface(`wss://${location.host}/sip`);
    const agent = new JsSIP.UA({ sockets: [socket], uri: `sip:jane@${location.hostname}`, register: false });
    agent.on("connected", () => {
        globalThis.call = agent.call(`sip:pair@${location.hostname}`, {
            mediaConstraints: { audio: true, video: { width: 640, height: 360 } },
        });
        for (const kind of ["confirmed", "failed", "ended"]) {
            call.on(kind, ({ cause }) => said.push(kind, cause));
        }
        call.connection.addEventListener("track", ({ track }) => {
            if (track.kind === "video") {
                player.srcObject = new MediaStream([track]);
                player.play();
            }
        });
    });
    globalThis.pixel = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [16, 9];
        const context = canvas.getContext("2d");
        context.drawImage(player, 0, 0, 16, 9);
        return [...context.getImageData(8, 4, 1, 1).data].slice(0, 3);
    };
    agent.start();
"#;

fn browser_and_phone(codecs: &str, map: &str) {
    let rooms = "[join]\nbrowser = true\n[[conference]]\nname = \"pair\"\n";
    let server = start_with(&format!(
        "[video]\nnames = false\ncodecs = {codecs}\n{rooms}"
    ));
    let phone = call(&server, "pair", "phone", BLUE);
    let mut browser = Chromium::with_camera(Signal::Silence, GREEN).unwrap();
    browser
        .call("Page.setBypassCSP", serde_json::json!({"enabled": true}))
        .unwrap();
    let ip = server.sip().ip();
    browser
        .open(&format!("https://{ip}:8443/meet/pair/pair"))
        .unwrap();
    browser.evaluate(&jssip::script().unwrap()).unwrap();
    browser.evaluate(CALL).unwrap();
    let answered = "said.includes('confirmed') || said.includes('failed')";
    browser.wait_for(answered).unwrap();
    let said = browser.evaluate("said.join() + call.connection?.remoteDescription?.sdp");
    let said = said.unwrap();
    let said = said.as_str().unwrap_or_default();
    assert!(said.contains(map), "{said}");
    wait(
        &server,
        &phone,
        "the phone sees the browser",
        shows(GREEN, 0.5, 0.5),
    );
    let blue = "player.videoWidth > 0 && ((p) => p[2] > 150 && p[0] < 90)(pixel())";
    if let Err(error) = browser.wait_for(blue) {
        let pixel = browser
            .evaluate("[player.videoWidth, ...pixel()].join()")
            .unwrap();
        panic!(
            "the browser sees {pixel}, not the phone: {error}\n{}",
            server.log()
        );
    }
    assert_eq!(
        server.metric("plenum_video_decode_faults_total").unwrap(),
        0
    );
}

#[test]
fn rfc7741_a_browser_with_vp8_and_a_phone_with_h264_see_each_other() {
    browser_and_phone(r#"["vp8", "h264"]"#, "VP8/90000");
}

/// Presses keys by INFO.
fn press(phone: &mut VideoPhone, keys: &str) {
    for key in keys.chars() {
        let kind = "Content-Type: application/dtmf-relay\r\n";
        let body = format!("Signal={key}\r\nDuration=100\r\n");
        let status = phone.say("INFO", kind, &body).unwrap();
        assert!(status.starts_with("SIP/2.0 200"), "{status}");
    }
}

/// `plenum conference layout quarters LAYOUT`.
fn order(server: &Server, layout: &str) -> bool {
    let order = ["conference", "layout", "quarters", layout];
    server.operate(&order, "").is_ok()
}

#[test]
fn cm_081_a_key_changes_the_layout_for_who_presses_it_and_the_operator_for_all() {
    let server = start();
    let mut one = call(&server, "quarters", "one", RED);
    let two = call(&server, "quarters", "two", GREEN);
    let three = call(&server, "quarters", "three", BLUE);
    let quarters = |other: Rgb| {
        move |seen: &Seen| alike(seen.at(0.25, 0.25), other) && alike(seen.at(0.75, 0.25), BLUE)
    };
    wait(&server, &one, "quarters", quarters(GREEN));
    press(&mut one, "*2");
    let whole = |seen: &Seen| {
        let [first, last] = [seen.at(0.1, 0.1), seen.at(0.9, 0.9)];
        alike(first, last) && (alike(first, GREEN) || alike(first, BLUE))
    };
    wait(&server, &one, "one speaker", whole);
    wait(&server, &two, "quarters still", quarters(RED));
    assert!(order(&server, "speakerOnly"));
    let whole = |seen: &Seen| {
        let [first, last] = [seen.at(0.1, 0.1), seen.at(0.9, 0.9)];
        alike(first, last) && (alike(first, RED) || alike(first, BLUE))
    };
    wait(&server, &two, "the operator's choice", whole);
    assert!(!order(&server, "sideways"), "there is no such layout");
    drop(three);
}

/// A phone of somebody whom the server knows.
fn known(server: &Server, conference: &str, user: &str, colour: Rgb) -> VideoPhone {
    let settings = VideoPhoneSettings {
        user: user.to_owned(),
        ..VideoPhoneSettings::of(colour)
    };
    VideoPhone::call(server.sip(), conference, user, settings).unwrap()
}

/// The colours in the four quarters.
fn four(wanted: [Option<Rgb>; 4]) -> impl Fn(&Seen) -> bool {
    let places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
    move |seen| {
        let mut panes = places.iter().zip(wanted);
        panes.all(|((x, y), wanted)| {
            let at = seen.at(*x, *y);
            match wanted {
                Some(colour) => alike(at, colour),
                None => ![RED, GREEN, BLUE].iter().any(|colour| alike(at, *colour)),
            }
        })
    }
}

#[test]
fn cm_101_cm_112_cm_116_placed_people_stay_in_their_panes_and_the_speaker_has_the_first() {
    let server = start_with(
        "[video]\nnames = false\n\
         [[conference]]\nname = \"board\"\nlayout = \"allEqualQuarters\"\n\
         pane_placement_highest_importance = 2\n\
         [[conference.person]]\naor = \"sip:bob@example.com\"\nimportance = 2\n\
         [[conference.person]]\naor = \"sip:sally@example.com\"\nimportance = 1\n",
    );
    let sally = known(&server, "board", "sally", GREEN);
    let bob = known(&server, "board", "bob", RED);
    let andy = known(&server, "board", "andy", BLUE);
    let placed = four([Some(RED), Some(GREEN), None, None]);
    wait(&server, &andy, "bob before sally", placed);
    let own = four([Some(GREEN), Some(BLUE), None, None]);
    wait(&server, &bob, "the own pane is left out", own);
    let order = |words: &[&str]| server.operate(&[&["conference"], words].concat(), "");
    let speaker = ["placement", "board", "--active-speaker", "allowself"];
    order(&speaker).unwrap();
    sally.talk(true);
    let first = four([Some(GREEN), Some(RED), Some(GREEN), None]);
    wait(&server, &andy, "sally speaks", first);
    let odd = ["placement", "board", "--active-speaker", "sometimes"];
    assert!(order(&odd).is_err(), "CM-111");
    bob.hang_up().unwrap();
    let away = four([Some(GREEN), None, Some(GREEN), None]);
    wait(&server, &andy, "bob's pane is empty", away);
    let bob = known(&server, "board", "bob", RED);
    let back = four([Some(GREEN), Some(RED), Some(GREEN), None]);
    wait(&server, &andy, "bob is back in his pane", back);
    // Bob's camera is not to be seen; his pane is his.
    let shown = order(&["show", "board"]).unwrap();
    let line = shown
        .lines()
        .find(|line| line.contains("sip:bob@"))
        .unwrap();
    let number = line.split_whitespace().nth(3).unwrap().to_owned();
    order(&["looks", "board", &number, "--hidden", "true"]).unwrap();
    let hidden = four([Some(GREEN), None, Some(GREEN), None]);
    wait(&server, &andy, "bob is hidden", hidden);
    drop((bob, sally));
}

#[test]
fn cm_096_cm_097_seats_of_a_template_are_kept_for_those_who_are_away() {
    let server = start_with(
        "[video]\nnames = false\n\
         [[template]]\nname = \"pair\"\npanes = [[0.5, 0, 0.5, 1], [0, 0, 0.5, 1]]\n\
         [[conference]]\nname = \"pair\"\ntemplate = \"pair\"\n",
    );
    let andy = known(&server, "pair", "andy", BLUE);
    let bob = known(&server, "pair", "bob", RED);
    let right = |seen: &Seen| alike(seen.at(0.75, 0.5), RED) && !alike(seen.at(0.25, 0.5), RED);
    wait(&server, &andy, "the first pane is on the right", right);
    let seats = [
        "conference",
        "seats",
        "pair",
        "sip:bob@example.com=2",
        "--absent",
        "blank",
    ];
    server.operate(&seats, "").unwrap();
    let left = |seen: &Seen| alike(seen.at(0.25, 0.5), RED) && !alike(seen.at(0.75, 0.5), RED);
    wait(&server, &andy, "bob has the second", left);
    bob.hang_up().unwrap();
    let empty = |seen: &Seen| !alike(seen.at(0.25, 0.5), RED) && !alike(seen.at(0.75, 0.5), RED);
    wait(&server, &andy, "bob is away", empty);
    let bob = known(&server, "pair", "bob", RED);
    wait(&server, &andy, "bob is back", left);
    // Grey when it stands still (two seconds), a tile when it is gone (ten).
    bob.freeze(true);
    let grey = |seen: &Seen| {
        let (r, g, b) = seen.at(0.25, 0.5);
        r.abs_diff(g) < 16 && g.abs_diff(b) < 16 && r > 42
    };
    wait(&server, &andy, "bob stands still", grey);
}

#[test]
fn the_join_page_shows_the_picture_and_its_camera_goes_off_and_on() {
    let rooms = "[join]\nbrowser = true\n[[conference]]\nname = \"pair\"\n";
    let server = start_with(&format!("[video]\nnames = false\n{rooms}"));
    let phone = call(&server, "pair", "phone", BLUE);
    let mut browser = Chromium::with_camera(Signal::Silence, GREEN).unwrap();
    join_page::join_with_pictures(&mut browser, server.sip().ip(), "pair", "Ann").unwrap();
    wait(&server, &phone, "the camera", shows(GREEN, 0.5, 0.5));
    let picture = || join_page::look(&mut browser);
    video_phone::wait(&server, "the phone", picture, shows(BLUE, 0.5, 0.5));
    browser.evaluate("the('camera').click()").unwrap();
    let dark = |seen: &Seen| !alike(seen.at(0.5, 0.5), GREEN);
    wait(&server, &phone, "the camera is off", dark);
    browser.evaluate("the('camera').click()").unwrap();
    wait(&server, &phone, "the camera is on", shows(GREEN, 0.5, 0.5));
    assert!(browser.console().is_empty(), "{:?}", browser.console());
}
