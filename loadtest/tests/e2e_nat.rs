//! People behind NATs, in network namespaces: real NATs of the kernel, baresip as the phone, coturn as the TURN server.
//!
//! Needs root, `ip` and `nft`: without them every test here fails and says so.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

mod hear;

use hear::{HIGH, LOW, judge, tone};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording, Way};
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::coturn::Coturn;
use plenum_loadtest::peer::internet::{Home, Internet, Mapping, Namespace, SERVER, TURN};
use plenum_loadtest::peer::join_page;
use plenum_loadtest::peer::video_phone::Rgb;
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A server on a public address.
fn public_server(internet: &Internet, settings: ServerSettings) -> Server {
    let settings = ServerSettings {
        ip: SERVER.to_string(),
        ..settings
    };
    let start = || Server::start(&program().unwrap(), &settings).unwrap();
    internet.public.within(start).unwrap()
}

/// A phone in somebody's home.
fn phone(home: &Home, codec: Codec, hz: f64, media: &str) -> Baresip {
    let way = Way {
        media: media.to_owned(),
        address: home.address,
        ..Way::default()
    };
    let start = || Baresip::start_over(codec, tone(hz), &way).unwrap();
    home.inside.within(start).unwrap()
}

/// A metric of a server that is somewhere else.
fn metric(place: &Namespace, server: &Server, name: &str) -> u64 {
    let ask = || server.metric(name);
    place.within(ask).unwrap().unwrap()
}

#[test]
fn rfc4961_plain_phones_behind_nats_hear_each_other_and_are_hung_up_from_here() {
    let mut internet = Internet::new().unwrap();
    let usual = internet.home(Mapping::Kept).unwrap();
    let strict = internet.home(Mapping::Symmetric).unwrap();
    let server = public_server(&internet, ServerSettings::default());
    let uri = format!("sip:standup@{}", server.sip());
    let mut one = phone(&usual, Codec::Pcmu, LOW, "");
    let mut two = phone(&strict, Codec::Opus, HIGH, "");
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(6 * SECOND);
    // A request of ours finds its way back through the NATs.
    let end = || server.operate(&["conference", "end", "standup"], "");
    internet.public.within(end).unwrap().unwrap();
    for phone in [&mut one, &mut two] {
        phone.await_event("CALL_CLOSED", 15 * SECOND).unwrap();
    }
    let (one, two) = (one.finish().unwrap(), two.finish().unwrap());
    // The farewell is at the end.
    let without_end = |mut heard: Recording| {
        let most = usize::try_from(heard.rate * 6).unwrap();
        heard.samples.truncate(most);
        heard
    };
    judge("the usual NAT", &without_end(one), 2.5, HIGH, LOW);
    judge("the strict NAT", &without_end(two), 1.5, LOW, HIGH);
}

#[test]
fn rfc8445_phones_with_ice_behind_nats_are_found_by_their_checks() {
    let mut internet = Internet::new().unwrap();
    let usual = internet.home(Mapping::Kept).unwrap();
    let strict = internet.home(Mapping::Symmetric).unwrap();
    let server = public_server(&internet, ServerSettings::default());
    let uri = format!("sip:standup@{}", server.sip());
    let ice = ";medianat=ice";
    let mut one = phone(&usual, Codec::Pcma, LOW, ice);
    let secure = ";medianat=ice;mediaenc=dtls_srtp;rtcp_mux=yes";
    let mut two = phone(&strict, Codec::Opus, HIGH, secure);
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(7 * SECOND);
    assert!(
        metric(&internet.public, &server, "plenum_media_ice_selected_total") >= 2,
        "no way was chosen:\n{}",
        one.log()
    );
    let (two, one) = (two.finish().unwrap(), one.finish().unwrap());
    judge("ICE in plain", &one, 3.5, HIGH, LOW);
    judge("ICE with DTLS", &two, 3.5, LOW, HIGH);
}

/// The last seconds of what somebody heard.
fn end_of(heard: &Recording, seconds: u32) -> Recording {
    let most = usize::try_from(heard.rate * seconds).unwrap();
    let from = heard.samples.len().saturating_sub(most);
    Recording {
        rate: heard.rate,
        samples: heard.samples[from..].to_vec(),
    }
}

#[test]
fn rfc4961_a_phone_is_followed_when_its_nat_starts_anew() {
    let mut internet = Internet::new().unwrap();
    let usual = internet.home(Mapping::Kept).unwrap();
    let strict = internet.home(Mapping::Symmetric).unwrap();
    let server = public_server(&internet, ServerSettings::default());
    let uri = format!("sip:standup@{}", server.sip());
    let mut one = phone(&usual, Codec::Pcmu, LOW, "");
    let mut two = phone(&strict, Codec::Pcmu, HIGH, "");
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(3 * SECOND);
    strict.restart().unwrap();
    // Two seconds of silence of the old address, then the new one is believed.
    std::thread::sleep(7 * SECOND);
    let relatched = metric(&internet.public, &server, "plenum_media_relatched_total");
    assert_eq!(relatched, 1);
    let (one, two) = (one.heard().unwrap(), two.heard().unwrap());
    judge("the other one", &end_of(&one, 3), 0.0, HIGH, LOW);
    judge(
        "behind the NAT that restarted",
        &end_of(&two, 3),
        0.0,
        LOW,
        HIGH,
    );
}

/// A server in somebody's home, whose SIP port is forwarded.
fn server_at(home: &Home, media: &str) -> Server {
    for protocol in ["udp", "tcp"] {
        home.forward(protocol, "5060").unwrap();
    }
    let settings = ServerSettings {
        ip: home.address.to_string(),
        sip: format!("advertise = \"{}\"\n", home.outer),
        http: format!("public_listen = \"{}:8443\"\n", home.address),
        rest: "[join]\nbrowser = true\n[[conference]]\nname = \"standup\"\n".to_owned(),
        media: format!("ice = \"full\"\n{media}"),
        ..ServerSettings::default()
    };
    let start = || Server::start(&program().unwrap(), &settings).unwrap();
    home.inside.within(start).unwrap()
}

#[test]
fn a_server_behind_nat_whose_ports_are_forwarded() {
    let mut internet = Internet::new().unwrap();
    let office = internet.home(Mapping::Kept).unwrap();
    let usual = internet.home(Mapping::Kept).unwrap();
    let strict = internet.home(Mapping::Symmetric).unwrap();
    office.forward("udp", "20000-29999").unwrap();
    let server = server_at(&office, &format!("advertise = [\"{}\"]\n", office.outer));
    let uri = format!("sip:standup@{}:5060", office.outer);
    let mut one = phone(&usual, Codec::Pcmu, LOW, "");
    let mut two = phone(&strict, Codec::Opus, HIGH, ";medianat=ice");
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(7 * SECOND);
    assert!(metric(&office.inside, &server, "plenum_media_ice_selected_total") > 0);
    let (two, one) = (two.finish().unwrap(), one.finish().unwrap());
    judge("plain", &one, 3.5, HIGH, LOW);
    judge("with ICE", &two, 3.5, LOW, HIGH);
}

/// A server's home and two phones', of which the first is behind the same kind of NAT as the server.
fn office_and_phones(mapping: Mapping) -> (Internet, Home, Home, Home) {
    let mut internet = Internet::new().unwrap();
    let office = internet.home(mapping).unwrap();
    let one = internet.home(mapping).unwrap();
    let two = internet.home(Mapping::Kept).unwrap();
    (internet, office, one, two)
}

fn turn_server(internet: &Internet) -> Coturn {
    let start = || Coturn::start(TURN);
    internet.public.within(start).unwrap().unwrap()
}

/// Calls of two phones with ICE into a server at home, and how many ways there were by TURN.
fn through_servers(office: &Home, server: &Server, one: &Home, two: &Home, media: &str) -> u64 {
    let uri = format!("sip:standup@{}:5060", office.outer);
    // Sockets with addresses from outside are ready.
    std::thread::sleep(2 * SECOND);
    let mut one = phone(one, Codec::Pcmu, LOW, media);
    let mut two = phone(two, Codec::Opus, HIGH, media);
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    // This phone tries one pair of addresses after the other, for two seconds each.
    std::thread::sleep(14 * SECOND);
    let relayed = metric(&office.inside, server, "plenum_media_ice_relayed_total");
    let unprepared = metric(&office.inside, server, "plenum_mcu_unprepared_total");
    assert_eq!(unprepared, 0, "{}", server.log());
    let heard = |phone: &Baresip| {
        let heard = phone.heard();
        heard.unwrap_or_else(|error| panic!("{error}\n{}\n{}", phone.log(), server.log()))
    };
    judge("the first", &end_of(&heard(&one), 4), 0.0, HIGH, LOW);
    judge("the second", &end_of(&heard(&two), 4), 0.0, LOW, HIGH);
    relayed
}

#[test]
fn rfc8445_a_server_behind_nat_is_found_by_its_reflexive_address() {
    let (internet, office, one, two) = office_and_phones(Mapping::Kept);
    let turn = turn_server(&internet);
    let server = server_at(&office, &format!("stun = \"{}\"\n", turn.address()));
    let media = format!(";medianat=ice;stunserver=stun:{TURN}");
    let relayed = through_servers(&office, &server, &one, &two, &media);
    assert_eq!(relayed, 0, "there is no TURN server in the configuration");
}

/// The server's configuration with this TURN server.
fn by_turn(turn: &Coturn) -> String {
    format!(
        "turn = \"{}\"\nturn_user = \"{}\"\nturn_password = \"{}\"\n",
        turn.address(),
        Coturn::USER,
        Coturn::PASSWORD
    )
}

/// A network whose firewall lets UDP through to a TURN server only, and that server.
fn behind_a_firewall(internet: &mut Internet) -> (Home, Coturn) {
    let office = internet.home(Mapping::Symmetric).unwrap();
    let start = || Coturn::start(TURN).unwrap();
    let turn = internet.public.within(start).unwrap();
    office.allow_udp_only_to(&format!("{TURN} . 3478")).unwrap();
    (office, turn)
}

/// Phones with ICE reach a server that reaches only its TURN server.
fn through_a_firewall(media: &str) {
    let mut internet = Internet::new().unwrap();
    let (office, turn) = behind_a_firewall(&mut internet);
    let one = internet.home(Mapping::Symmetric).unwrap();
    let two = internet.home(Mapping::Kept).unwrap();
    let server = server_at(&office, &by_turn(&turn));
    let relayed = through_servers(&office, &server, &one, &two, media);
    assert!(relayed >= 2, "{relayed} ways by TURN:\n{}", turn.log());
}

#[test]
fn rfc8656_a_server_behind_a_strict_firewall_is_reached_by_turn() {
    through_a_firewall(&format!(
        ";medianat=ice;stunserver=stun:{TURN};mediaenc=dtls_srtp;rtcp_mux=yes"
    ));
}

/// A TURN server lets in whom we name. Such a phone does not name its address outside; its signalling comes from there.
#[test]
fn rfc8656_9_phones_that_know_only_their_private_addresses_are_let_in_by_turn() {
    through_a_firewall(";medianat=ice");
}

/// A browser with a camera at home, in the conference of a server at `office`.
fn seen_from(home: &Home, office: &Home, colour: Rgb) -> Chromium {
    let start = || Chromium::with_camera(tone(LOW), colour).unwrap();
    let mut browser = home.inside.within(start).unwrap();
    join_page::open(&mut browser, office.outer, "standup").unwrap();
    browser.evaluate("the('pictures').checked = true").unwrap();
    join_page::press_join(&mut browser, "Ann Example", "").unwrap();
    browser.wait_for(join_page::JOINED).unwrap();
    browser
}

#[test]
fn rfc8656_pictures_of_browsers_come_by_turn() {
    const GREEN: Rgb = (0, 160, 0);
    const BLUE: Rgb = (0, 0, 200);
    let mut internet = Internet::new().unwrap();
    let (office, turn) = behind_a_firewall(&mut internet);
    office.forward("tcp", "8443").unwrap();
    let one = internet.home(Mapping::Symmetric).unwrap();
    let two = internet.home(Mapping::Kept).unwrap();
    let server = server_at(&office, &by_turn(&turn));
    std::thread::sleep(2 * SECOND);
    let mut green = seen_from(&one, &office, GREEN);
    let mut blue = seen_from(&two, &office, BLUE);
    let pixel = "((canvas) => { [canvas.width, canvas.height] = [16, 9]; \
                 const context = canvas.getContext('2d'); \
                 context.drawImage(the('screen'), 0, 0, 16, 9); \
                 return [...context.getImageData(8, 4, 1, 1).data]; })(shown().createElement('canvas'))";
    let sees = |test: &str| format!("the('screen').videoWidth > 0 && ((p) => {test})({pixel})");
    let seen = [
        green.wait_for(&sees("p[2] > 120 && p[1] < 90")),
        blue.wait_for(&sees("p[1] > 100 && p[2] < 90")),
    ];
    for seen in seen {
        seen.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
    }
    let relayed = metric(&office.inside, &server, "plenum_media_ice_relayed_total");
    // One of each: sound and pictures share it (RFC 9143).
    assert!(relayed >= 2, "{relayed} ways by TURN:\n{}", turn.log());
}

/// A phone with ICE whose line is cut leaves the roster with its consent, not with the media timeout.
fn cut_off(full: bool) {
    let mut internet = Internet::new().unwrap();
    let home = internet.home(Mapping::Kept).unwrap();
    let server = public_server(
        &internet,
        ServerSettings {
            media: if full { "ice = \"full\"\n" } else { "" }.to_owned(),
            limits: "ice_consent_s = 8\n".to_owned(),
            ..ServerSettings::default()
        },
    );
    let mut gone = phone(&home, Codec::Pcmu, LOW, ";medianat=ice");
    gone.call(&format!("sip:standup@{}", server.sip())).unwrap();
    std::thread::sleep(5 * SECOND);
    let legs = || metric(&internet.public, &server, "plenum_mcu_legs");
    assert_eq!(legs(), 1, "{}", server.log());
    home.cut().unwrap();
    let left = (0..250).any(|_| {
        std::thread::sleep(SECOND / 10);
        legs() == 0
    });
    assert!(left, "still there after 25 s:\n{}", server.log());
    assert_eq!(
        metric(&internet.public, &server, "plenum_media_consent_lost_total"),
        1
    );
}

#[test]
fn rfc7675_a_peer_that_does_not_consent_any_more_leaves() {
    cut_off(true);
}

#[test]
fn rfc7675_a_peer_of_a_lite_server_that_is_not_heard_of_leaves() {
    cut_off(false);
}
