//! How a browser and the server find each other's media, and what happens when the browser is suddenly no more.

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
use plenum_loadtest::peer::join_page;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::tones;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A server with join pages over HTTPS.
fn start(change: impl FnOnce(&mut ServerSettings)) -> Server {
    let mut settings = ServerSettings {
        rest: "[join]\nbrowser = true\n[[conference]]\nname = \"standup\"\n".to_owned(),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    change(&mut settings);
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn join(browser: &mut Chromium, server: &Server) {
    let joined = join_page::join(browser, server.sip().ip(), "standup", "Ann Example");
    joined.unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
}

/// The last seconds of what a phone heard.
fn end_of(phone: &Baresip, seconds: u32) -> Recording {
    let heard = phone.heard().unwrap();
    let most = usize::try_from(heard.rate * seconds).unwrap();
    let from = heard.samples.len().saturating_sub(most);
    Recording {
        rate: heard.rate,
        samples: heard.samples[from..].to_vec(),
    }
}

#[test]
fn rfc7675_a_killed_browser_leaves_the_roster_and_the_others_go_on() {
    let server = start(|settings| settings.limits = "ice_consent_s = 8\n".to_owned());
    let uri = format!("sip:standup@{}", server.sip());
    let mut phones = [LOW, HIGH].map(|hz| Baresip::start(Codec::Pcma, tone(hz)).unwrap());
    for phone in &mut phones {
        phone.call(&uri).unwrap();
    }
    let mut browser = Chromium::start(tone(1570.0)).unwrap();
    join(&mut browser, &server);
    let roster = || {
        server
            .operate(&["conference", "show", "standup"], "")
            .unwrap()
    };
    assert!(roster().contains("Ann Example"), "{}", roster());
    browser.kill().unwrap();
    let left = (0..150).any(|_| {
        std::thread::sleep(SECOND / 10);
        !roster().contains("Ann Example")
    });
    assert!(left, "still there after 15 s:\n{}", server.log());
    let [one, two] = &phones;
    for (name, phone, far, own) in [("the one", one, HIGH, LOW), ("the other", two, LOW, HIGH)] {
        // Since before the browser was killed; where its own tone breaks off there is a little of every frequency.
        let since = end_of(phone, 9);
        let level = tones::level(since.middle(0.0, 0.7), since.rate, far);
        assert!(level.present > 0.97, "{name}: {level:?}");
        judge(name, &end_of(phone, 4), 0.0, far, own);
    }
}

#[test]
fn rfc8421_a_browser_reaches_the_server_by_the_address_family_that_works() {
    let server = start(|settings| {
        settings.media = format!("bind = [\"{}\", \"::1\"]\n", settings.ip);
    });
    let mut phone = Baresip::start(Codec::Pcma, tone(LOW)).unwrap();
    phone
        .call(&format!("sip:standup@{}", server.sip()))
        .unwrap();
    let mut browser = Chromium::start(tone(HIGH)).unwrap();
    let hook = serde_json::json!({ "source": WITHOUT_IPV4 });
    browser
        .call("Page.addScriptToEvaluateOnNewDocument", hook)
        .unwrap();
    join(&mut browser, &server);
    std::thread::sleep(2 * SECOND);
    let heard = browser.listen(3 * SECOND).unwrap();
    judge("the browser", &heard, 0.0, LOW, HIGH);
    judge("the phone", &end_of(&phone, 4), 0.0, HIGH, LOW);
    let answer = browser.evaluate("answer").unwrap();
    let answer = answer.as_str().unwrap();
    let named = format!(" {} ", server.sip().ip());
    assert!(answer.contains(&named), "no IPv4 in\n{answer}");
    let way = browser.evaluate(WAY).unwrap();
    assert_eq!(way.as_str(), Some("::1"), "{answer}");
}

/// A network without IPv4: the browser does not get to know such addresses of the server.
const WITHOUT_IPV4: &str = r#"
    const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        [top.answer, top.connection] = [sdp, this];
        return set.call(this, { type, sdp: sdp.replace(/a=candidate:.* (\d+\.){3}\d+ \d+ typ .*\r\n/g, "") });
    };
"#;

/// The server's address that the browser sends to.
const WAY: &str = r#"(async () => {
    const stats = [...(await connection.getStats()).values()];
    const pair = stats.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    return stats.find((one) => one.id === pair?.remoteCandidateId)?.address;
})()"#;
