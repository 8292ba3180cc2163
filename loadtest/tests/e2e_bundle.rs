//! A browser whose sound and pictures share one transport (RFC 9143), with `bundlePolicy: "max-bundle"`: what it sees and
//! hears, and what others see and hear of it, while sections come and go.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, its own functions included"
)]

mod hear;

use hear::{HIGH, LOW, judge, tone};
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording};
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::jssip;
use plenum_loadtest::peer::video_phone::{Rgb, VideoPhone, VideoPhoneSettings, alike};
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

const GREEN: Rgb = (30, 170, 50);
const BLUE: Rgb = (40, 50, 200);
const SECOND: Duration = Duration::from_secs(1);

/// A phone that is seen, one that is heard, and a browser that is both, in one conference.
struct Meeting {
    server: Server,
    seen: VideoPhone,
    heard: Baresip,
    browser: Chromium,
}

const SCRIPT: &str = r#"
    globalThis.said = [];
    globalThis.player = document.body.appendChild(document.createElement("video"));
    globalThis.sound = document.body.appendChild(document.createElement("audio"));
    player.muted = true;
    const socket = new JsSIP.WebSocketInterface(`wss://${location.host}/sip`);
    globalThis.agent = new JsSIP.UA({
        sockets: [socket], uri: `sip:jane@${location.hostname}`, password: "jane-secret", register: REGISTER,
    });
    globalThis.pcConfig = { bundlePolicy: "max-bundle" };
    const watch = (connection) => connection.addEventListener("track", ({ track }) => {
        const where = track.kind === "video" ? player : sound;
        where.srcObject = new MediaStream([track]);
        where.play();
    });
    agent.on("registered", () => said.push("registered"));
    agent.on("newRTCSession", ({ originator, session, request }) => {
        globalThis.call = session;
        // Where we call it is there already.
        session.on("peerconnection", ({ peerconnection }) => watch(peerconnection));
        if (session.connection) { watch(session.connection); }
        for (const kind of ["confirmed", "failed", "ended"]) {
            session.on(kind, ({ cause }) => said.push(kind, cause));
        }
        if (originator === "remote") {
            globalThis.offer = request.body;
            said.push("rings");
            session.answer({ mediaConstraints: { audio: true, video: true }, pcConfig });
        }
    });
    globalThis.dial = (video) => void agent.call(`sip:pair@${location.hostname}`,
        { mediaConstraints: { audio: true, video: video && { width: 640, height: 360 } }, pcConfig });
    agent.on("connected", () => said.push("connected"));
    globalThis.pixels = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [16, 9];
        const context = canvas.getContext("2d");
        context.drawImage(player, 0, 0, 16, 9);
        return [...context.getImageData(0, 0, 16, 9).data];
    };
    globalThis.sees = (red, green, blue) => {
        const seen = pixels();
        const near = (at) => [red, green, blue].every((one, part) => Math.abs(seen[at + part] - one) < 50);
        return player.videoWidth > 0 && [...Array(144).keys()].some((pixel) => near(pixel * 4));
    };
    globalThis.state = async () => {
        const stats = [...(await globalThis.call?.connection.getStats() ?? new Map()).values()];
        const streams = stats.filter((one) => one.type.endsWith("bound-rtp")).map((one) =>
            [one.type, one.kind, one.packetsReceived ?? one.packetsSent, one.framesDecoded, one.keyFramesDecoded].join(" "));
        return [said.join(), player.videoWidth, ...streams, call.connection.remoteDescription.sdp].join("\n");
    };
    globalThis.count = async (type) => [...(await call.connection.getStats()).values()]
        .filter((one) => one.type === type).length;
    globalThis.offered = () => new Promise((resolve, reject) => {
        if (!call.renegotiate({}, resolve)) { reject("not now"); }
    });
    agent.start();
"#;

fn meet(rest: &str, registers: bool) -> Meeting {
    let mut settings = ServerSettings {
        rest: format!(
            "{rest}names = false\nrows = 360\nframe_rate = 15\n[join]\nbrowser = true\n[[conference]]\nname = \"pair\"\n"
        ),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let address = format!("sip:jane@{}", settings.ip);
    server
        .operate(&["user", "add", &address], "jane-secret\n")
        .unwrap();
    let camera = VideoPhoneSettings::of(BLUE);
    let seen = VideoPhone::call(server.sip(), "pair", "phone", camera).unwrap();
    let mut heard = Baresip::start(Codec::Opus, tone(LOW)).unwrap();
    heard.call(&format!("sip:pair@{}", server.sip())).unwrap();
    let mut browser = Chromium::with_camera(tone(HIGH), GREEN).unwrap();
    browser
        .call("Page.setBypassCSP", serde_json::json!({"enabled": true}))
        .unwrap();
    let ip = server.sip().ip();
    browser
        .open(&format!("https://{ip}:8443/meet/pair/pair"))
        .unwrap();
    browser.evaluate(&jssip::script().unwrap()).unwrap();
    browser
        .evaluate(&SCRIPT.replace("REGISTER", &registers.to_string()))
        .unwrap();
    Meeting {
        server,
        seen,
        heard,
        browser,
    }
}

impl Meeting {
    fn wait(&mut self, what: &str, expression: &str) {
        if let Err(error) = self.browser.wait_for(expression) {
            let state = self.browser.evaluate("state()");
            panic!("{what}: {error}\n{state:?}\n{}", self.server.log());
        }
    }

    fn text(&mut self, expression: &str) -> String {
        let value = self.browser.evaluate(expression).unwrap();
        value.as_str().unwrap_or_default().to_owned()
    }

    /// The browser sees the phone, and the phone the browser, or does not.
    fn look(&mut self, what: &str, wanted: bool) {
        for _ in 0..30 {
            std::thread::sleep(SECOND / 2);
            let seen = self.seen.seen().unwrap();
            let green = seen.last().is_some_and(|last| {
                let places = [0.25, 0.5, 0.75].map(|x| [0.25, 0.5, 0.75].map(|y| (x, y)));
                let mut places = places.as_flattened().iter();
                places.any(|(x, y)| alike(last.at(*x, *y), GREEN))
            });
            if green == wanted {
                if wanted {
                    self.wait(what, "sees(40, 50, 200)");
                }
                return;
            }
        }
        panic!(
            "{what}: the phone's sight of the browser\n{}",
            self.server.log()
        );
    }

    /// Pictures that come now, not only one that came once.
    fn moves(&mut self, what: &str) {
        self.browser
            .evaluate("globalThis.before = player.getVideoPlaybackQuality().totalVideoFrames")
            .unwrap();
        self.wait(
            what,
            "player.getVideoPlaybackQuality().totalVideoFrames > before + 20",
        );
    }

    /// Both hear exactly each other.
    fn listen(&mut self, what: &str) {
        let heard = self.browser.listen(3 * SECOND).unwrap();
        judge(&format!("{what}: the browser"), &heard, 0.0, LOW, HIGH);
        let heard = self.heard.heard().unwrap();
        let most = usize::try_from(heard.rate * 3).unwrap();
        let from = heard.samples.len().saturating_sub(most);
        let end = Recording {
            rate: heard.rate,
            samples: heard.samples[from..].to_vec(),
        };
        judge(&format!("{what}: the phone"), &end, 0.0, HIGH, LOW);
    }

    /// The browser's sections have one transport: by what it says itself, and by the ports that the server has open.
    fn is_one_transport(&mut self, mids: &str) {
        let answer = self.text("call.connection.remoteDescription.sdp");
        let group = format!("\r\na=group:BUNDLE {mids}\r\n");
        assert!(answer.contains(&group), "{answer}");
        for line in ["a=ice-ufrag:", "a=fingerprint:"] {
            assert_eq!(answer.matches(line).count(), 1, "{line}: {answer}");
        }
        let transports = self.browser.evaluate("count('transport')").unwrap();
        assert_eq!(transports.as_u64(), Some(1));
        // One of baresip, two of the phone, one of the browser.
        assert_eq!(self.server.metric("plenum_mcu_ports_in_use").unwrap(), 4);
    }
}

#[test]
fn rfc9143_sound_and_pictures_of_a_browser_go_by_one_transport_also_after_an_ice_restart() {
    let mut meeting = meet("[video]\n", false);
    meeting.wait("connected", "said.includes('connected')");
    meeting.browser.evaluate("dial(true)").unwrap();
    meeting.wait(
        "answered",
        "said.includes('confirmed') || said.includes('failed')",
    );
    meeting.look("at first", true);
    meeting.is_one_transport("0 1");
    meeting.listen("at first");
    meeting.browser.evaluate("call.hold()").unwrap();
    meeting.wait(
        "on hold",
        "call.isOnHold().local && call.isReadyToReOffer?.() !== false",
    );
    meeting.look("on hold", false);
    meeting.browser.evaluate("call.unhold()").unwrap();
    meeting.look("back", true);
    meeting.moves("back");
    meeting.listen("back");
    // RFC 8445 §9: the whole group restarts.
    let restart = "call.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => said.push('restarted'))";
    meeting.browser.evaluate(restart).unwrap();
    meeting.wait("restarted", "said.includes('restarted')");
    meeting.moves("restarted");
    meeting.look("restarted", true);
    meeting.listen("restarted");
    meeting.is_one_transport("0 1");
    assert_eq!(
        meeting
            .server
            .metric("plenum_video_datagrams_dropped_total")
            .unwrap(),
        0
    );
    meeting.browser.evaluate("call.terminate()").unwrap();
    meeting.wait("over", "said.includes('ended')");
    let closed = |meeting: &Meeting| meeting.server.metric("plenum_mcu_ports_in_use").unwrap() == 3;
    let closed = (0..50).any(|_| {
        std::thread::sleep(SECOND / 10);
        closed(&meeting)
    });
    assert!(closed, "the browser's port is open");
}

#[test]
fn rfc9143_7_5_pictures_come_into_the_group_and_leave_it_mid_call() {
    let mut meeting = meet("[video]\n", false);
    meeting.wait("connected", "said.includes('connected')");
    meeting.browser.evaluate("dial(false)").unwrap();
    meeting.wait(
        "answered",
        "said.includes('confirmed') || said.includes('failed')",
    );
    let add = "(async () => {
        const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
        globalThis.camera = call.connection.addTransceiver(camera.getVideoTracks()[0]);
        await offered();
    })()";
    meeting.browser.evaluate(add).unwrap();
    meeting.look("added", true);
    meeting.is_one_transport("0 1");
    meeting.listen("added");
    meeting
        .browser
        .evaluate("camera.stop(); offered().then(() => {})")
        .unwrap();
    meeting.look("removed", false);
    let answer = meeting.text("call.connection.remoteDescription.sdp");
    assert!(
        answer.contains("a=group:BUNDLE 0\r\n") && answer.contains("m=video 0 "),
        "{answer}"
    );
    meeting.listen("removed");
    meeting.browser.evaluate(add).unwrap();
    meeting.look("added again", true);
    meeting.listen("added again");
}

#[test]
fn rfc9143_7_2_2_a_called_browser_is_offered_pictures_that_can_only_be_bundled() {
    let mut meeting = meet("[video]\noffer = true\n", true);
    meeting.wait("registered", "said.includes('registered')");
    let address = format!("sip:jane@{}", meeting.server.sip().ip());
    meeting
        .server
        .operate(&["call", "pair", &address], "")
        .unwrap();
    meeting.wait(
        "answered",
        "said.includes('confirmed') || said.includes('failed')",
    );
    let offer = meeting.text("offer");
    for line in [
        "a=group:BUNDLE 0 1\r\n",
        "m=video 0 UDP/TLS/RTP/SAVPF ",
        "a=bundle-only\r\n",
    ] {
        assert!(offer.contains(line), "{line}: {offer}");
    }
    meeting.look("called", true);
    meeting.listen("called");
    meeting.is_one_transport("0 1");
}
