//! Signalling over TLS and WebSockets, with peers that we did not write: baresip, openssl, and a
//! WebSocket client.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::clock;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::{Baresip, Recording, Way};
use plenum_loadtest::peer::browser::Browser;
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use plenum_loadtest::wire::Message;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
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
fn two_phones_over_tls_hear_each_other() {
    let server = start(&["tls"], "");
    let uri = format!("sip:standup@{};transport=tls", on_port(&server, 5061));
    let way = Way {
        transport: "tls",
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
    let mut input = child.stdin.take().unwrap();
    // After a handshake that failed it may have left already.
    drop(input.write_all(b"\r\n\r\nQ\n"));
    drop(input);
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
    // Who believes somebody else only, or asks for another name, does not go on.
    let other = start(&["tls"], "");
    let stranger = other.certificate();
    let stranger = stranger.to_str().unwrap();
    let (done, said) = openssl(address, &["-CAfile", stranger]);
    assert!(!done && said.contains("self-signed certificate"), "{said}");
    let name = ["-CAfile", authority, "-verify_hostname", "b.test"];
    let (done, said) = openssl(address, &name);
    assert!(!done && said.contains("mismatch"), "{said}");
    counted(
        &server,
        "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"RefusedByPeer\"} 2",
    );
    let old = [
        "-tls1_1",
        "-cipher",
        "DEFAULT@SECLEVEL=0",
        "-CAfile",
        authority,
    ];
    let (done, said) = openssl(address, &old);
    assert!(!done, "{said}");
    counted(
        &server,
        "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"NoCommonVersion\"} 1",
    );
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

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("plenum-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A certificate for this name with its key, in `FILE.pem` and `FILE.key`.
    fn certify(&self, file: &str, name: &str) {
        let (subject, also) = (
            format!("/CN={name}"),
            format!("subjectAltName=DNS:{name}.test"),
        );
        let done = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "20"])
            .args(["-subj", &subject, "-addext", &also, "-keyout"])
            .arg(self.0.join(format!("{file}.key")))
            .arg("-out")
            .arg(self.0.join(format!("{file}.pem")))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// The section that names them.
    fn section(&self, file: &str) -> String {
        let path = self.0.join(file);
        let path = path.display();
        format!("[[tls.certificate]]\nchain = \"{path}.pem\"\nkey = \"{path}.key\"\n")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Whom the server's certificate is for.
fn shown(server: SocketAddr) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect"])
        .arg(server.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let subject = text.lines().find_map(|line| line.strip_prefix("subject="));
    let name = subject.and_then(|subject| subject.split('=').next_back());
    name.unwrap_or_default().trim().to_owned()
}

fn is_shown_soon(server: SocketAddr, name: &str) {
    let end = clock::now() + SOON;
    while shown(server) != name {
        assert!(clock::now() < end, "still {}", shown(server));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn other_certificates_hold_from_the_next_handshake_on_by_themselves_and_at_sighup() {
    let folder = Folder::new("live");
    folder.certify("one", "first");
    folder.certify("two", "third");
    let mut settings = ServerSettings {
        transports: vec!["tls"],
        ..ServerSettings::default()
    };
    settings.tls = format!("poll_s = 1\n{}", folder.section("one"));
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let address = on_port(&server, 5061);
    assert_eq!(shown(address), "first");
    assert!(server.log().contains("renew it"), "{}", server.log());
    // Who is connected stays so.
    let way = Way {
        transport: "tls",
        ..Way::default()
    };
    let mut phone = Baresip::start_over(Codec::Pcma, tone(LOW), &way).unwrap();
    let uri = format!("sip:standup@{address};transport=tls");
    phone.call(&uri).unwrap();
    folder.certify("one", "second");
    is_shown_soon(address, "second");
    let config = server.folder().join("plenum.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(&folder.section("one"), &folder.section("two"));
    fs::write(&config, text).unwrap();
    server.reload().unwrap();
    is_shown_soon(address, "third");
    let (_, metrics) = server.get("/metrics").unwrap();
    let ends: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("plenum_tls_certificate_expiry_seconds{"))
        .collect();
    assert!(
        matches!(ends[..], [end] if end.contains("two.pem")),
        "{ends:?}"
    );
    assert!(
        metrics.contains("plenum_tls_reload_failures_total 0"),
        "{metrics}"
    );
    // A damaged file changes nothing and is told.
    fs::write(folder.0.join("two.pem"), "nothing").unwrap();
    server.reload().unwrap();
    let end = clock::now() + SOON;
    while !server.log().contains("two.pem: holds no certificate") {
        assert!(clock::now() < end, "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(shown(address), "third");
    phone.finish().unwrap();
}

/// A connection that has said so much.
fn begun(server: SocketAddr, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(said).unwrap();
    stream
}

/// What the server says until it closes.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end as well.
    drop(stream.read_to_end(&mut all));
    all
}

fn counted(server: &Server, line: &str) {
    let end = clock::now() + SOON;
    loop {
        let (_, metrics) = server.get("/metrics").unwrap();
        if metrics.lines().any(|one| one == line) {
            return;
        }
        let family = line.split('{').next().unwrap();
        let near: Vec<&str> = metrics
            .lines()
            .filter(|one| one.starts_with(family))
            .collect();
        assert!(clock::now() < end, "no {line} among {near:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn handshakes_that_lead_to_nothing_are_counted_and_harm_nobody() {
    let mut settings = ServerSettings {
        transports: vec!["tls", "ws"],
        ..ServerSettings::default()
    };
    settings.limits =
        "handshakes_per_source = 150\nhandshake_timeout_s = 3\nsip_connections_per_source = 300\n"
            .to_owned();
    let server = Server::start(&program().unwrap(), &settings).unwrap();
    let (tls, ws) = (on_port(&server, 5061), on_port(&server, 5080));
    // Half of a ClientHello, and nothing more: more of them than there are places.
    let open: Vec<TcpStream> = (0..200).map(|_| begun(tls, &[22, 3, 1, 2, 0, 1])).collect();
    // The other transports do not notice.
    let phone = RawPhone::new(server.sip()).unwrap();
    let options = phone.request(&Fields {
        method: "OPTIONS",
        uri: "sip:standup@example.com",
        branch: "during",
        call_id: "during",
        cseq: "1 OPTIONS",
        to_tag: "",
        more: "",
        body: "",
    });
    phone.send(options).unwrap();
    assert!(phone.final_response("OPTIONS").unwrap().is_some());
    counted(
        &server,
        "plenum_sip_connections_refused_total{bound=\"SourceHandshakes\"} 50",
    );
    // Those in place have their time, then the places are free again.
    let timed_out = "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"TimedOut\"}";
    counted(&server, &format!("{timed_out} 150"));
    drop(open);
    // Somebody opens a WebSocket letter by letter.
    let mut slow = begun(ws, b"GET / HTTP/1.1\r\nHost: a\r\n");
    counted(&server, &format!("{timed_out} 151"));
    assert!(rest(&mut slow).is_empty());
    // Plain SIP on the TLS port, HTTP on the port of SIP.
    let mut plain = begun(tls, b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    rest(&mut plain);
    counted(
        &server,
        "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"NotTls\"} 1",
    );
    let mut http = begun(server.sip(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rest(&mut http);
    counted(
        &server,
        "plenum_sip_connections_closed_total{reason=\"Framing\"} 1",
    );
    // A frame of 64 MiB is announced: closed with 1009, "too big", before it comes.
    let mut large = begun(
        ws,
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
          Sec-WebSocket-Protocol: sip\r\n\r\n",
    );
    let mut accepted = [0; 12];
    large.read_exact(&mut accepted).unwrap();
    assert_eq!(&accepted, b"HTTP/1.1 101");
    large
        .write_all(&[0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4])
        .unwrap();
    let said = rest(&mut large);
    assert!(said.ends_with(&[0x88, 2, 3, 0xf1]), "{said:?}");
    counted(
        &server,
        "plenum_sip_connections_closed_total{reason=\"Framing\"} 2",
    );
    // And a browser still calls.
    browser_calls(Browser::open(ws, "ann").unwrap(), &server);
}
