//! A browser that is registered over a WebSocket, by JsSIP, and is called into a conference.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its own functions included"
)]

mod hear;

use hear::{HIGH, LOW, judge, tone};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Account, Baresip, Recording, Way};
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::jssip;
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const REGISTERED: &str = r#"
    globalThis.said = [];
    const socket = new JsSIP.WebSocketInterface(`wss://${location.host}/sip`);
    const player = document.body.appendChild(document.createElement("audio"));
    const agent = new JsSIP.UA({ sockets: [socket], uri: "ADDRESS", password: "jane-secret" });
    agent.on("registered", () => said.push("registered"));
    agent.on("registrationFailed", ({ cause }) => said.push(`not registered: ${cause}`));
    agent.on("newRTCSession", ({ originator, session, request }) => {
        globalThis.call = session;
        globalThis.offer = request.body;
        session.on("peerconnection", ({ peerconnection }) =>
            peerconnection.addEventListener("track", ({ streams, track }) => {
                player.srcObject = streams[0] ?? new MediaStream([track]);
                player.play();
            }));
        for (const kind of ["confirmed", "failed", "ended"]) {
            session.on(kind, ({ cause }) => said.push(kind, cause));
        }
        said.push("rings");
        globalThis.answer = () => session.answer({ mediaConstraints: { audio: true, video: false } });
        if (!globalThis.patient) {
            answer();
        }
    });
    agent.start();
"#;

/// A server with a user, and his browser, which is registered.
fn registered(address: &str) -> (Server, Chromium) {
    let mut settings = ServerSettings {
        // baresip understands no other digest.
        rest: "[auth]\nalgorithms = [\"MD5\"]\n[join]\nbrowser = true\n\
               [[conference]]\nname = \"standup\"\n[[conference]]\nname = \"retro\"\n"
            .to_owned(),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let address = address.replace("SERVER", &settings.ip);
    server
        .operate(&["user", "add", &address], "jane-secret\n")
        .unwrap();
    let mut browser = Chromium::start(tone(HIGH)).unwrap();
    browser
        .call("Page.setBypassCSP", serde_json::json!({"enabled": true}))
        .unwrap();
    let ip = server.sip().ip();
    browser
        .open(&format!("https://{ip}:8443/meet/standup/standup"))
        .unwrap();
    browser.evaluate(&jssip::script().unwrap()).unwrap();
    browser
        .evaluate(&REGISTERED.replace("ADDRESS", &address))
        .unwrap();
    let seen = browser.wait_for("said.length > 0").map(drop);
    seen.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
    assert_eq!(
        browser.evaluate("said[0]").unwrap().as_str(),
        Some("registered")
    );
    (server, browser)
}

#[test]
fn rfc8829_a_registered_browser_is_called_and_both_hear_exactly_each_other() {
    let address = "sip:jane@example.com";
    let (server, mut browser) = registered(address);
    let mut phone = Baresip::start(Codec::Pcma, tone(LOW)).unwrap();
    phone
        .call(&format!("sip:standup@{}", server.sip()))
        .unwrap();
    server.operate(&["call", "standup", address], "").unwrap();
    browser
        .wait_for(
            "said.includes('confirmed') && Boolean(document.querySelector('audio')?.srcObject)",
        )
        .unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
    let offer = browser.evaluate("offer").unwrap();
    let offer = offer.as_str().unwrap();
    for line in [
        " UDP/TLS/RTP/SAVPF ",
        "a=group:BUNDLE 0",
        "a=rtcp-mux",
        "a=ice-lite",
        "a=setup:actpass",
    ] {
        assert!(offer.contains(line), "{line} is not in\n{offer}");
    }
    assert!(!offer.contains("a=crypto"), "{offer}");
    std::thread::sleep(2 * SECOND);
    let heard: Recording = browser.listen(3 * SECOND).unwrap();
    judge("the browser", &heard, 0.0, LOW, HIGH);
    std::thread::sleep(SECOND);
    let heard = phone.heard().unwrap();
    let last = usize::try_from(heard.rate).unwrap() * 4;
    let from = heard.samples.len().saturating_sub(last);
    let end = Recording {
        rate: heard.rate,
        samples: heard.samples[from..].to_vec(),
    };
    judge("the phone", &end, 0.0, HIGH, LOW);
    // And is hung up from here.
    server
        .operate(&["conference", "end", "standup"], "")
        .unwrap();
    browser.wait_for("said.includes('ended')").unwrap();
}

/// RFC 3261 §16.7: who answers first has the call, the others are cancelled.
#[test]
fn a_phone_and_a_browser_of_one_user_ring_together_and_the_first_to_answer_has_the_call() {
    let (server, mut browser) = registered("sip:jane@SERVER");
    let ip = server.sip().ip().to_string();
    let account = Account {
        registrar: &ip,
        user: "jane",
        password: "jane-secret",
    };
    let by_hand = Way {
        media: ";answermode=manual".to_owned(),
        ..Way::default()
    };
    let subscribe = || Baresip::subscribe_over(Codec::Pcma, tone(LOW), &account, &by_hand);
    let address = format!("sip:jane@{ip}");
    browser.evaluate("globalThis.patient = true").unwrap();
    for (conference, browser_is_first) in [("standup", true), ("retro", false)] {
        let mut phone = subscribe().unwrap();
        browser.evaluate("said.length = 0").unwrap();
        let said = std::thread::scope(|scope| {
            let call = scope.spawn(|| server.operate(&["call", conference, &address], ""));
            let rings = phone.await_event("CALL_INCOMING", 10 * SECOND);
            let rings = rings.and_then(|()| browser.wait_for("said.includes('rings')"));
            rings.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
            if browser_is_first {
                browser.evaluate("answer()").unwrap();
            } else {
                phone.command("accept", "").unwrap();
            }
            call.join().unwrap()
        });
        said.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
        if browser_is_first {
            browser.wait_for("said.includes('confirmed')").unwrap();
            phone.await_event("CALL_CLOSED", 10 * SECOND).unwrap();
        } else {
            phone.await_event("CALL_ESTABLISHED", 10 * SECOND).unwrap();
            browser
                .wait_for("said.includes('failed') && said.includes('Canceled')")
                .unwrap();
        }
        // The farewell of the conference before may take a moment.
        let alone = (0..100).any(|_| {
            std::thread::sleep(SECOND / 10);
            let (_, metrics) = server.get("/metrics").unwrap();
            metrics.contains("\nplenum_mcu_legs 1\n")
        });
        assert!(alone, "one call, one leg:\n{}", server.log());
        server
            .operate(&["conference", "end", conference], "")
            .unwrap();
    }
}
