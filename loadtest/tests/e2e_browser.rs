//! The web client in a real browser: Chromium calls over WebSocket and HTTPS, with ICE, DTLS and SRTP,
//! and hears and is heard by a plain phone.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording};
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::join_page::{self, JOINED};
use plenum_loadtest::peer::jssip;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::time::Duration;

const PHONE: f64 = 440.0;
const BROWSER: f64 = 1000.0;
const SECOND: Duration = Duration::from_secs(1);

const ROOMS: &str = "[join]\nbrowser = true\n\
    [[conference]]\nname = \"standup\"\n\
    [[conference]]\nname = \"board\"\npin = \"2580\"\n\
    [[conference]]\nname = \"closed\"\nlocked = true\n\
    [[conference]]\nname = \"small\"\nmax_participants = 1\n\
    [[conference]]\nname = \"private\"\nlocked = true\nlobby = true\n";

fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

/// A server with join pages over HTTPS.
fn start() -> Server {
    let mut settings = ServerSettings {
        rest: ROOMS.to_owned(),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn link(server: &Server, conference: &str) -> String {
    join_page::link(server.sip().ip(), conference)
}

fn open(browser: &mut Chromium, server: &Server, conference: &str) {
    join_page::open(browser, server.sip().ip(), conference).unwrap();
}

fn press_join(browser: &mut Chromium, name: &str, pin: &str) {
    join_page::press_join(browser, name, pin).unwrap();
}

fn join(browser: &mut Chromium, server: &Server, conference: &str, name: &str, pin: &str) {
    open(browser, server, conference);
    press_join(browser, name, pin);
    wait(browser, server, JOINED);
}

/// Waits for the page; fails with the end of the server's log.
fn wait(browser: &mut Chromium, server: &Server, expression: &str) {
    if let Err(error) = browser.wait_for(expression) {
        let log = server.log();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        panic!("{error}\n{}", tail.join("\n"));
    }
}

/// The far tone is there at its level, the own one at least 50 dB down.
fn judge(name: &str, samples: &[f32], rate: u32, far: f64, own: f64) {
    let seconds = samples.len() as f64 / f64::from(rate);
    assert!(seconds > 1.5, "{name}: only {seconds:.1} s recorded");
    let far = tones::level(samples, rate, far);
    let own = tones::level(samples, rate, own);
    assert!(
        (far.dbfs + 20.0).abs() < 3.0,
        "{name}: the other one is heard at {far:?}"
    );
    assert!(
        far.present > 0.95,
        "{name}: the other one comes and goes: {far:?}"
    );
    assert!(own.dbfs < -70.0, "{name}: hears itself at {own:?}");
}

fn judge_browser(browser: &mut Chromium) {
    let heard: Recording = browser.listen(3 * SECOND).unwrap();
    judge("the browser", &heard.samples, heard.rate, PHONE, BROWSER);
}

#[test]
fn a_browser_and_a_plain_phone_hear_exactly_each_other() {
    let server = start();
    let mut phone = Baresip::start(Codec::Pcma, tone(PHONE)).unwrap();
    phone
        .call(&format!("sip:standup@{}", server.sip()))
        .unwrap();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    join(&mut browser, &server, "standup", "Ann Example", "");
    wait(
        &mut browser,
        &server,
        "the('player').srcObject?.active === true",
    );
    std::thread::sleep(2 * SECOND);
    judge_browser(&mut browser);
    std::thread::sleep(3 * SECOND);
    let heard = phone.finish().unwrap();
    // The end of it: before, the browser was not there.
    let last = usize::try_from(heard.rate).unwrap() * 4;
    let from = heard.samples.len().saturating_sub(last);
    let to = heard.samples.len() - usize::try_from(heard.rate / 2).unwrap();
    judge(
        "the phone",
        &heard.samples[from..to],
        heard.rate,
        BROWSER,
        PHONE,
    );
    assert!(browser.console().is_empty(), "{:?}", browser.console());
}

/// What the phone hears in the next seconds, which it has to be told to listen for.
fn phone_level(phone: &Baresip, hz: f64) -> f64 {
    std::thread::sleep(2 * SECOND);
    let heard = phone.heard().unwrap();
    let last = usize::try_from(heard.rate).unwrap();
    let from = heard.samples.len().saturating_sub(last);
    tones::level(&heard.samples[from..], heard.rate, hz).dbfs
}

#[test]
fn jssip_calls_holds_resumes_and_hangs_up() {
    let server = start();
    let mut phone = Baresip::start(Codec::Opus, tone(PHONE)).unwrap();
    phone
        .call(&format!("sip:standup@{}", server.sip()))
        .unwrap();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    // A page of somebody else, whose policy would allow its own scripts and our server.
    browser
        .call("Page.setBypassCSP", serde_json::json!({"enabled": true}))
        .unwrap();
    browser.open(&link(&server, "standup")).unwrap();
    browser.evaluate(&jssip::script().unwrap()).unwrap();
    browser.evaluate(JSSIP_CALL).unwrap();
    wait(
        &mut browser,
        &server,
        "said.includes('confirmed') && Boolean(document.querySelector('audio')?.srcObject)",
    );
    std::thread::sleep(2 * SECOND);
    judge_browser(&mut browser);
    assert!(
        (phone_level(&phone, BROWSER) + 20.0).abs() < 3.0,
        "{}",
        phone_level(&phone, BROWSER)
    );
    browser.evaluate("call.hold()").unwrap();
    wait(&mut browser, &server, "said.includes('hold')");
    let held = phone_level(&phone, BROWSER);
    assert!(held < -70.0, "held, and heard at {held} dBFS");
    browser.evaluate("call.unhold()").unwrap();
    wait(&mut browser, &server, "said.includes('unhold')");
    std::thread::sleep(SECOND);
    judge_browser(&mut browser);
    let back = phone_level(&phone, BROWSER);
    assert!((back + 20.0).abs() < 3.0, "back, and heard at {back} dBFS");
    // RFC 8445 §9.
    browser.evaluate("call.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => said.push('restarted'))").unwrap();
    wait(&mut browser, &server, "said.includes('restarted')");
    std::thread::sleep(SECOND);
    judge_browser(&mut browser);
    browser.evaluate("call.terminate()").unwrap();
    wait(&mut browser, &server, "said.includes('ended')");
    // The phone's alone is left; the server has to read the BYE first.
    let alone = || {
        server
            .get("/metrics")
            .unwrap()
            .1
            .contains("\nplenum_mcu_legs 1\n")
    };
    assert!((0..50).any(|_| {
        std::thread::sleep(SECOND / 10);
        alone()
    }));
}

const JSSIP_CALL: &str = r#"
    globalThis.said = [];
    const socket = new JsSIP.WebSocketInterface(`wss://${location.host}/sip`);
    const player = document.body.appendChild(document.createElement("audio"));
    const agent = new JsSIP.UA({ sockets: [socket], uri: `sip:jane@${location.hostname}`, register: false });
    agent.on("connected", () => {
        globalThis.call = agent.call(`sip:standup@${location.hostname}`, {
            mediaConstraints: { audio: true, video: false },
        });
        for (const kind of ["confirmed", "failed", "ended", "hold", "unhold"]) {
            call.on(kind, ({ cause }) => said.push(kind, cause));
        }
        call.connection.addEventListener("track", ({ streams, track }) => {
            player.srcObject = streams[0] ?? new MediaStream([track]);
            player.play();
        });
    });
    agent.start();
"#;

/// What the roster says of a person: `speaking`, `muted` or nothing; `None` when not there.
fn seen(name: &str) -> String {
    format!(
        "[...the('people').children].find((one) => one.children[0].textContent === {name:?})?.children[1].textContent"
    )
}

#[expect(clippy::too_many_lines, reason = "one visit, from the door to the end")]
#[test]
fn the_page_shows_who_is_there_who_speaks_and_who_is_muted_with_the_keyboard_alone() {
    let server = start();
    let mut phone = Baresip::start(Codec::Pcmu, tone(PHONE)).unwrap();
    phone
        .call(&format!("sip:standup@{}", server.sip()))
        .unwrap();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    browser.open(&link(&server, "standup")).unwrap();
    // To the link, through the form in its frame, and into the call.
    wait(
        &mut browser,
        &server,
        "Boolean(document.getElementById('launchReachLink'))",
    );
    browser.press("Tab").unwrap();
    browser.press("Enter").unwrap();
    wait(
        &mut browser,
        &server,
        "the('name') === shown().activeElement && the('microphone').options.length > 0",
    );
    browser.type_text("Ann Example").unwrap();
    for _ in 0..4 {
        browser.press("Tab").unwrap();
    }
    wait(
        &mut browser,
        &server,
        "the('join') === shown().activeElement",
    );
    browser.press("Enter").unwrap();
    wait(&mut browser, &server, JOINED);
    wait(&mut browser, &server, "the('count').textContent === '2'");
    wait(
        &mut browser,
        &server,
        &format!("{} === 'speaking'", seen("Ann Example")),
    );
    // The key of the button, from anywhere.
    browser.press("m").unwrap();
    wait(&mut browser, &server, "the('mute').ariaPressed === 'true'");
    wait(
        &mut browser,
        &server,
        &format!("{} === 'muted'", seen("Ann Example")),
    );
    let muted = phone_level(&phone, BROWSER);
    assert!(muted < -70.0, "muted, and heard at {muted} dBFS");
    browser.press("m").unwrap();
    wait(
        &mut browser,
        &server,
        &format!("{} === 'speaking'", seen("Ann Example")),
    );
    let back = phone_level(&phone, BROWSER);
    assert!((back + 20.0).abs() < 3.0, "back, and heard at {back} dBFS");
    // Another microphone, without a new offer.
    browser.evaluate(OTHER_MICROPHONE).unwrap();
    let other = phone_level(&phone, BROWSER);
    assert!(
        (other + 20.0).abs() < 3.0,
        "another microphone, and heard at {other} dBFS"
    );
    // What a screen reader is told.
    let tree = browser.accessibility().unwrap().join("\n");
    for wanted in [
        "status \"\" live=\"polite\"",
        "button \"Mute\"",
        "button \"Leave\"",
        "combobox \"Microphone\"",
        "textbox \"PIN or keys\"",
        "heading \"Who is here (2)\"",
        "list \"Who is here (2)\"",
    ] {
        assert!(tree.contains(wanted), "{wanted} is not in\n{tree}");
    }
    assert!(browser.console().is_empty(), "{:?}", browser.console());
    browser.evaluate("the('leave').focus()").unwrap();
    browser.press("Enter").unwrap();
    wait(
        &mut browser,
        &server,
        "the('problem').textContent === 'You have left the conference.'",
    );
    wait(
        &mut browser,
        &server,
        "the('join') === shown().activeElement && !the('join').disabled",
    );
}

const OTHER_MICROPHONE: &str = r#"
    the("other-microphone").selectedIndex = the("other-microphone").options.length - 1;
    the("other-microphone").dispatchEvent(new Event("change"));
"#;

#[test]
fn each_refusal_has_its_words() {
    let server = start();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    // A wrong PIN, then the right one.
    open(&mut browser, &server, "board");
    press_join(&mut browser, "Ann", "1111");
    wait(
        &mut browser,
        &server,
        "the('status').textContent.startsWith('The PIN was not accepted.')",
    );
    browser
        .evaluate("the('digits').value = '2580'; the('keys').requestSubmit()")
        .unwrap();
    wait(&mut browser, &server, JOINED);
    // Without one the page asks.
    open(&mut browser, &server, "board");
    press_join(&mut browser, "Ann", "");
    wait(
        &mut browser,
        &server,
        "the('status').textContent.startsWith('The conference has a PIN.')",
    );
    let problem =
        |text: &str| format!("the('problem').textContent === {text:?} && the('call').hidden");
    open(&mut browser, &server, "closed");
    press_join(&mut browser, "Ann", "");
    wait(
        &mut browser,
        &server,
        &problem("You may not join: This conference is locked"),
    );
    let mut phone = Baresip::start(Codec::Pcmu, tone(PHONE)).unwrap();
    phone.call(&format!("sip:small@{}", server.sip())).unwrap();
    open(&mut browser, &server, "small");
    press_join(&mut browser, "Ann", "");
    wait(&mut browser, &server, &problem("The conference is full."));
    // The same page again, as soon as there is room.
    phone.finish().unwrap();
    press_join(&mut browser, "Ann", "");
    wait(&mut browser, &server, JOINED);
    server.kill().unwrap();
    wait_without(
        &mut browser,
        &problem("The connection to the server was lost."),
    );
}

#[test]
fn the_lobby_has_its_words() {
    let server = start();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    let waiting = "the('status').textContent.startsWith('You are in the lobby.') \
                   && the('count').textContent === '0'";
    open(&mut browser, &server, "private");
    press_join(&mut browser, "Ann Example", "");
    wait(&mut browser, &server, waiting);
    server
        .operate(&["conference", "admit", "private"], "")
        .unwrap();
    wait(&mut browser, &server, JOINED);
    wait(&mut browser, &server, "the('count').textContent === '1'");
    browser.evaluate("the('leave').click()").unwrap();
    press_join(&mut browser, "Ann Example", "");
    wait(&mut browser, &server, waiting);
    server
        .operate(&["conference", "deny", "private"], "")
        .unwrap();
    wait(
        &mut browser,
        &server,
        "the('call').hidden && the('problem').textContent !== ''",
    );
    let words = browser.evaluate("the('problem').textContent").unwrap();
    assert_eq!(words.as_str(), Some("Not admitted to the conference"));
}

#[test]
fn a_denied_microphone_has_its_words() {
    let server = start();
    let mut browser = Chromium::without_microphone().unwrap();
    browser.open(&link(&server, "standup")).unwrap();
    browser
        .evaluate("document.getElementById('launchReachLink').click()")
        .unwrap();
    wait(&mut browser, &server, "the('join')?.disabled === false");
    press_join(&mut browser, "Ann", "");
    wait(
        &mut browser,
        &server,
        "the('problem').textContent.startsWith('The browser does not let this page use the microphone.')",
    );
}

/// Waits for the page of a server that is gone.
fn wait_without(browser: &mut Chromium, expression: &str) {
    browser.wait_for(expression).unwrap();
}

#[test]
fn rfc3261_14_2_rfc3311_the_page_takes_what_a_server_may_ask_in_a_call() {
    let server = start();
    let mut browser = Chromium::start(tone(BROWSER)).unwrap();
    let ip = server.sip().ip();
    browser
        .open(&format!(
            "https://{ip}:8443/meet/web?meet=/meet/standup/standup"
        ))
        .unwrap();
    let said = browser.evaluate(ASKED_IN_A_CALL).unwrap();
    let said: Vec<&str> = said
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it.as_str())
        .collect();
    let expected = [
        "held: 200 recvonly",
        "resumed: 200 sendrecv",
        "asked for an offer: 200 sendrecv",
        "the answer came: stable",
        "refreshed: 200",
        "late: 500",
        "of another call: 481",
        "unknown: 405",
        "over: 200",
        "told: \"Too late\" it's over",
    ];
    assert_eq!(said, expected, "{:?}", browser.console());
}

/// A real call of the page's own modules, whose agent is then asked by hand.
const ASKED_IN_A_CALL: &str = r#"(async () => {
    const { Agent } = await import("/meet/web/agent.js");
    const { Message } = await import("/meet/web/message.js");
    const { Sound } = await import("/meet/web/media.js");
    const sound = new Sound(...["audio", "video", "video"].map((one) => document.createElement(one)));
    await sound.open("");
    const agent = new Agent(`wss://${location.host}/sip`, 'Bob "the" Builder');
    const once = (type) => new Promise((resolve) => agent.addEventListener(type, resolve, { once: true }));
    const accepted = once("accepted");
    const up = once("up");
    agent.connect();
    await up;
    agent.call(`sip:standup@${location.hostname}`, await sound.offer());
    const { sdp } = await accepted;
    await sound.accept(sdp);
    agent.addEventListener("offer", async ({ sdp, answer }) =>
        answer(sdp === "" ? await sound.offer() : await sound.answer(sdp), (answered) => sound.accept(answered)));

    let told;
    const socket = agent.socket;
    agent.socket = { send: (text) => told(Message.parse(text)), close() {} };
    const ask = (method, number, body = "", callId = agent.callId) => new Promise((resolve) => {
        told = resolve;
        const { to, target } = agent.dialog;
        const request = new Message({ method, uri: "sip:page@page.invalid" }, [
            ["v", "SIP/2.0/WSS server.test;branch=z9hG4bK1"], ["f", to], ["t", agent.from], ["i", callId],
            ["cseq", `${number} ${method}`], ["m", `<${target}>`],
            ["reason", 'SIP;cause=200;text="\\"Too late\\" it\'s over"'],
        ], body);
        agent.onRequest(Message.parse(request.toString()));
        if (method === "ACK") { resolve(); }
    });
    const direction = ({ body }) => /a=(sendrecv|sendonly|recvonly|inactive)/.exec(body)?.[1] ?? "";
    const offer = (version, direction) => sdp.replace(/(o=\S+ \S+) \d+/, `$1 ${version}`)
        .replace("a=setup:active", "a=setup:actpass").replace("a=sendrecv", `a=${direction}`);
    const lines = [];
    const note = (what, answer) => lines.push(`${what}: ${answer.status} ${direction(answer)}`.trim());
    note("held", await ask("INVITE", 1, offer(2, "sendonly")));
    note("resumed", await ask("UPDATE", 2, offer(3, "sendrecv")));
    note("asked for an offer", await ask("INVITE", 3));
    await ask("ACK", 3, offer(4, "sendrecv").replace("a=setup:actpass", "a=setup:active"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    lines.push(`the answer came: ${sound.connection.signalingState}`);
    note("refreshed", await ask("UPDATE", 4));
    note("late", await ask("INVITE", 3, offer(5, "sendrecv")));
    note("of another call", await ask("OPTIONS", 5, "", "another"));
    note("unknown", await ask("PUBLISH", 6));
    const ended = once("ended");
    note("over", await ask("BYE", 7));
    lines.push(`told: ${(await ended).reason}`);
    agent.socket = socket;
    agent.close();
    sound.close();
    return lines;
})()"#;
