//! Signalling over TLS and WebSockets, with peers that we did not write: baresip, openssl, and a
//! WebSocket client.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording, Way};
use plenum_loadtest::peer::browser::Browser;
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use plenum_loadtest::wire::Message;
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

const LOW: f64 = 440.0;
const HIGH: f64 = 1000.0;
const SOON: Duration = Duration::from_secs(5);

fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

fn start(transports: &[&'static str], http: &str) -> Server {
    let mut settings = ServerSettings {
        transports: transports.to_vec(),
        ..ServerSettings::default()
    };
    settings.http = http.replace("IP", &settings.ip);
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn on_port(server: &Server, port: u16) -> SocketAddr {
    SocketAddr::new(server.sip().ip(), port)
}

fn hears(heard: &Recording, far: f64) {
    let middle = heard.middle(3.0, 0.7);
    let far = tones::level(middle, heard.rate, far);
    assert!((far.dbfs + 20.0).abs() < 2.0, "{far:?}");
    assert!(far.present > 0.97, "{far:?}");
}

#[test]
fn two_phones_over_tls_verify_the_server_and_hear_each_other() {
    let server = start(&["tls"], "");
    let uri = format!("sip:standup@{};transport=tls", on_port(&server, 5061));
    let way = Way {
        transport: "tls",
        authority: Some(server.certificate()),
        ..Way::default()
    };
    let mut one = Baresip::start_over(Codec::Opus, tone(LOW), &way).unwrap();
    let mut two = Baresip::start_over(Codec::Pcma, tone(HIGH), &way).unwrap();
    one.call(&uri).unwrap();
    two.call(&uri).unwrap();
    std::thread::sleep(Duration::from_secs(7));
    let (two, one) = (two.finish().unwrap(), one.finish().unwrap());
    hears(&two, LOW);
    hears(&one, HIGH);
}

#[test]
fn a_phone_that_does_not_trust_the_server_does_not_call_it() {
    let server = start(&["tls"], "");
    let other = start(&["tls"], "");
    let way = Way {
        transport: "tls",
        authority: Some(other.certificate()),
        ..Way::default()
    };
    let mut phone = Baresip::start_over(Codec::Pcma, tone(LOW), &way).unwrap();
    let uri = format!("sip:standup@{};transport=tls", on_port(&server, 5061));
    phone.command("dial", &uri).unwrap();
    phone
        .await_event("CALL_CLOSED", Duration::from_secs(10))
        .unwrap();
}

/// What openssl says about a handshake.
fn openssl(server: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let mut child = Command::new("openssl")
        .args(["s_client", "-brief", "-verify_return_error", "-connect"])
        .arg(server.to_string())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A double CRLF, and the end: the pong comes before openssl leaves.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\r\n\r\nQ\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[test]
fn openssl_agrees_on_tls_1_2_and_1_3_and_on_nothing_older() {
    let server = start(&["tls"], "");
    let (address, authority) = (on_port(&server, 5061), server.certificate());
    let authority = authority.to_str().unwrap();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let ip = address.ip().to_string();
        let (done, said) = openssl(address, &[version, "-CAfile", authority, "-verify_ip", &ip]);
        assert!(done && said.contains(name), "{said}");
        assert!(said.contains("Verification: OK"), "{said}");
    }
    let old = [
        "-tls1_1",
        "-cipher",
        "DEFAULT@SECLEVEL=0",
        "-CAfile",
        authority,
    ];
    let (done, said) = openssl(address, &old);
    assert!(!done, "{said}");
    let (_, metrics) = server.get("/metrics").unwrap();
    let counted =
        "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"NoCommonVersion\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

/// Calls, is heard of in the answer, and is hung up by the server on the same WebSocket.
fn browser_calls(mut browser: Browser, server: &Server) {
    let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("sip:standup@{}", server.sip());
    browser.invite(&uri, rtp.local_addr().unwrap()).unwrap();
    let is_ok = |message: &Message<'_>| message.status() == Some(200);
    let ok = browser.await_message("200", SOON, is_ok).unwrap();
    let ok = Message::parse(ok.as_bytes()).unwrap();
    let tag = format!(";tag={}", ok.to_tag().unwrap());
    browser.request("ACK", &uri, 1, &tag, "", "").unwrap();
    // The mixer sends: somebody is there.
    rtp.set_read_timeout(Some(SOON)).unwrap();
    let mut packet = [0; 2048];
    assert!(rtp.recv(&mut packet).unwrap() > 12);
    // A keep-alive in between changes nothing.
    browser.say("\r\n\r\n".to_owned()).unwrap();
    server.terminate().unwrap();
    let is_bye = |message: &Message<'_>| message.method() == "BYE" && message.status().is_none();
    let bye = browser.await_message("BYE", SOON, is_bye).unwrap();
    assert!(
        bye.starts_with("BYE sip:ann@df7jal23ls0d.invalid;transport=ws SIP/2.0"),
        "{bye}"
    );
    let bye = Message::parse(bye.as_bytes()).unwrap();
    browser.say(bye.answer("200 OK", "", "", "")).unwrap();
}

#[test]
fn rfc7118_a_browser_calls_over_a_websocket_and_is_hung_up_on_it() {
    let server = start(&["ws"], "");
    let browser = Browser::open(on_port(&server, 5080), "ann").unwrap();
    browser_calls(browser, &server);
}

#[test]
fn rfc7118_a_browser_calls_over_the_https_port() {
    let server = start(&[], "public_listen = \"IP:8443\"\n");
    let address = on_port(&server, 8443);
    let browser = Browser::open_secured(address, &server.certificate(), "ann").unwrap();
    browser_calls(browser, &server);
}
