//! Scanners, guessers and floods, while people talk: they learn nothing, are shut out, and nobody
//! in a call notices.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

#[expect(dead_code, reason = "not every test needs every phone")]
mod users;

use plenum_loadtest::beside::{Beside, Forged};
use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::digest::Login;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::peer::sipvicious::Scan;
use plenum_loadtest::server::{Server, ServerSettings};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::wire::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use users::{UserPhone, add, challenge, shape, start};

const SECOND: Duration = Duration::from_secs(1);
/// Where the phones are, and the scanners.
const HERE: &str = "127.0.0.1";

/// A server as it is on a public address, but that little is enough to be shut out.
fn public(more: &str) -> ServerSettings {
    ServerSettings {
        conferences: "ad_hoc = false\nentry_tone = false\nexit_tone = false\n\
                      alone = \"silence\"\ntrusted = []\n"
            .to_owned(),
        rest: format!(
            "[auth]\nalgorithms = [\"MD5\"]\n[[conference]]\nname = \"board\"\n\
             [[conference]]\nname = \"secret\"\npin = \"4711\"\n\
             [abuse]\nprobes = 30\nguesses = 10\n{more}"
        ),
        ..ServerSettings::default()
    }
}

/// Two phones talk in the conference `board`.
fn talk(server: &Server) -> Fleet {
    let mut fleet = Fleet::new(server.sip(), 60 * SECOND, 3).unwrap();
    for hz in [440.0, 1000.0] {
        let signal = Signal::Tone { hz, dbfs: -20.0 };
        let phone = PhoneSettings::new("board", Codec::Pcmu, signal);
        let number = fleet.add(phone).unwrap();
        fleet.invite(number);
    }
    let up = fleet.run_until(5 * SECOND, |fleet| fleet.up() == 2);
    assert!(up.unwrap(), "{}", server.log());
    fleet.run(SECOND).unwrap();
    fleet.begin_window();
    fleet
}

/// They have talked all the time.
fn nobody_noticed(fleet: &Fleet) {
    for phone in fleet.phones() {
        assert_eq!(*phone.call.state(), CallState::Up);
        let (packets, lost) = (phone.receiver.packets(), phone.receiver.lost());
        let gap = phone.receiver.longest_gap();
        assert!(packets > 50 && lost == 0, "{packets} packets, {lost} lost");
        assert!(gap < SECOND, "a gap of {gap:?}");
    }
}

/// Runs a tool to its end while the phones talk, from the address that they have as well.
fn scan(fleet: &mut Fleet, server: &Server, tool: &str, arguments: &[&str]) -> String {
    let mut scan = Scan::start(tool, arguments, server.sip().ip()).unwrap();
    let ended = fleet.run_until(60 * SECOND, |_| !scan.is_running());
    assert!(ended.unwrap(), "{tool} does not end");
    scan.result().unwrap()
}

fn bans(server: &Server) -> String {
    server.operate(&["ban", "list"], "").unwrap()
}

fn is_listed(server: &Server, source: &str, kind: &str) -> bool {
    let bans = bans(server);
    let mut lines = bans.lines();
    lines.any(|line| line.starts_with(&format!("{source} ")) && line.contains(kind))
}

#[test]
fn a_scanner_learns_nothing_and_is_shut_out_while_people_talk() {
    let server = start(&public(""));
    let host = server.sip().ip().to_string();
    for user in ["1001", "1050"] {
        let address = format!("sip:{user}@{host}");
        server
            .operate(&["user", "add", &address], "0777\n")
            .unwrap();
    }
    let mut fleet = talk(&server);

    // Users are not told from nobody: the tool gives up.
    let found = scan(&mut fleet, &server, "svwar", &["-e1000-1100", "--force"]);
    assert!(found.contains("found nothing"), "{found}");

    // Names of conferences: not there, not there, and then no answer at all.
    let invites = [
        "-e1000-1100",
        "-mINVITE",
        "--domain=elsewhere.test",
        "--maximumtime=2",
    ];
    let found = scan(&mut fleet, &server, "svwar", &invites);
    assert!(found.contains("found nothing"), "{found}");
    assert!(is_listed(&server, HERE, "limited"), "{}", bans(&server));
    assert!(
        !tcp_is_closed(HERE, server.sip()),
        "that may have been forged"
    );
    server.operate(&["ban", "lift", HERE], "").unwrap();

    // A password that is the 777th to be tried.
    let range = ["-u1001", "-r1-1000", "-z4", "--maximumtime=2"];
    let found = scan(&mut fleet, &server, "svcrack", &range);
    assert!(found.contains("found nothing"), "{found}");
    assert!(is_listed(&server, HERE, "guessing"), "{}", bans(&server));
    let log = server.log();
    assert_eq!(
        log.matches("why=\"guessing\"").count(),
        1,
        "said once: {log}"
    );

    // Nothing new comes in from there, by whatever way; calls from the same address go on.
    assert!(tcp_is_closed(HERE, server.sip()));
    fleet.run(SECOND).unwrap();
    nobody_noticed(&fleet);
    server.operate(&["ban", "lift", HERE], "").unwrap();
    assert!(!tcp_is_closed(HERE, server.sip()));
}

/// Whether a TCP connection from an address is closed at once; one that is not answers OPTIONS.
fn tcp_is_closed(from: &str, server: SocketAddr) -> bool {
    let mut stream = connect(from, server);
    let local = stream.local_addr().unwrap();
    let port = local.port();
    let options = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKtcp{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:t@{local}>;tag=1\r\nTo: <sip:{server}>\r\n\
         Call-ID: tcp{port}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    );
    // A connection that is closed already may refuse to be written to.
    drop(stream.write_all(options.as_bytes()));
    let mut buffer = [0; 512];
    !matches!(stream.read(&mut buffer), Ok(read) if read > 0)
}

/// A TCP connection from this address.
fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(2 * SECOND)).unwrap();
    stream
}

#[test]
fn what_can_be_forged_bans_nobody_and_who_has_the_password_gets_in() {
    let server = start(&public(""));
    add(&server, "alice");
    std::thread::sleep(3 * SECOND);
    let (uri, to) = ("sip:example.com", "sip:alice@example.com");
    let credentials = |asked: &str, password: &str, nc| {
        let asked = challenge(asked, "MD5");
        let login = Login::new("alice", password);
        let said = login.answer(&asked, "REGISTER", uri, nc).unwrap();
        format!("Authorization: {said}\r\n")
    };

    // Wrong passwords with a challenge that was sent elsewhere: anybody can send them in any name.
    let mut other = UserPhone::at(&server, "alice", "127.0.0.71");
    let elsewhere = other.ask("REGISTER", uri, to, "");
    let mut alice = UserPhone::at(&server, "alice", "127.0.0.70");
    for number in 1..=60 {
        let wrong = credentials(&elsewhere, "guess", number);
        alice.tell("REGISTER", uri, to, &wrong);
    }
    while alice.raw.receive(SECOND / 2).unwrap().is_some() {}
    assert!(
        is_listed(&server, "127.0.0.70", "limited"),
        "{}",
        bans(&server)
    );

    // Alice is there as well, asks until she is heard, and everything is good.
    let asked = loop {
        alice.tell("REGISTER", uri, to, "");
        if let Some(asked) = alice.raw.receive(SECOND / 2).unwrap() {
            break asked;
        }
    };
    let right = credentials(&asked, "alice-secret", 1);
    let answer = alice.ask("REGISTER", uri, to, &right);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(!bans(&server).contains("127.0.0.70"), "{}", bans(&server));

    // Wrong passwords with challenges of one's own.
    let asked = other.ask("REGISTER", uri, to, "");
    for number in 1..=15 {
        let wrong = credentials(&asked, "guess", number);
        other.tell("REGISTER", uri, to, &wrong);
    }
    while other.raw.receive(SECOND / 2).unwrap().is_some() {}
    assert!(
        is_listed(&server, "127.0.0.71", "guessing"),
        "{}",
        bans(&server)
    );
    other.tell(
        "REGISTER",
        uri,
        to,
        &credentials(&asked, "alice-secret", 16),
    );
    assert_eq!(
        other.raw.receive(SECOND).unwrap(),
        None,
        "also not the right one"
    );
}

#[test]
fn rfc3261_26_3_2_4_answers_to_who_may_not_be_there_stay_small() {
    let mut settings = public("");
    settings.sip = "t1_ms = 100\n".to_owned();
    let server = start(&settings);
    let mut forger = UserPhone::at(&server, "forger", "127.0.0.75");
    let host = server.sip();
    let mut exchange = |name: &str, method: &str| {
        let uri = format!("sip:{name}@{host}");
        forger.tell(method, &uri, &uri, "");
        let mut answers = Vec::new();
        while let Some(answer) = forger.raw.receive(2 * SECOND).unwrap() {
            answers.push(answer);
        }
        answers
    };
    // Nobody acknowledges. The 200 is said four times, a refusal once.
    let answers = exchange("board", "INVITE");
    assert_eq!(answers.len(), 4, "{answers:?}");
    let octets: usize = answers.iter().map(String::len).sum();
    assert!(octets < 6 * 600, "{octets} octets for one INVITE");
    for (name, method) in [
        ("nobody", "INVITE"),
        ("nobody", "REGISTER"),
        ("board", "OPTIONS"),
    ] {
        let answers = exchange(name, method);
        assert_eq!(answers.len(), 1, "{method}: {answers:?}");
    }
}

#[test]
fn rfc3261_26_3_2_4_no_media_go_to_who_may_not_have_called() {
    let server = start(&public(""));
    let host = server.sip();
    for name in ["board", "secret"] {
        // The one who is to be flooded, and the one who sends in his name.
        let victim = UdpSocket::bind("127.0.0.99:0").unwrap();
        victim.set_nonblocking(true).unwrap();
        let forger = RawPhone::at("127.0.0.98".parse().unwrap(), host).unwrap();
        let at = victim.local_addr().unwrap();
        let offer = plenum_loadtest::sdp::describe(at, Codec::Pcmu, 1, "sendrecv");
        let uri = format!("sip:{name}@{host}");
        let mut fields = Fields {
            method: "INVITE",
            uri: &uri,
            branch: name,
            call_id: name,
            cseq: "1 INVITE",
            to_tag: "",
            more: "",
            body: &offer,
        };
        forger.send(forger.request(&fields)).unwrap();
        let answer = forger.final_response("INVITE").unwrap().unwrap();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        assert_eq!(datagrams(&victim, 2 * SECOND), 0, "{name}: before the ACK");
        // With the ACK it was no forgery.
        let message = Message::parse(answer.as_bytes()).unwrap();
        fields.method = "ACK";
        fields.cseq = "1 ACK";
        fields.branch = "ack";
        fields.to_tag = message.to_tag().unwrap();
        fields.body = "";
        forger.send(forger.request(&fields)).unwrap();
        let after = datagrams(&victim, SECOND);
        assert!(after >= 25, "{name}: {after} packets after the ACK");
    }
}

/// How many datagrams come within this time.
fn datagrams(socket: &UdpSocket, time: Duration) -> usize {
    std::thread::sleep(time);
    let mut buffer = [0; 2048];
    std::iter::repeat_with(|| socket.recv(&mut buffer))
        .take_while(Result::is_ok)
        .count()
}

#[test]
fn what_scanners_are_told_names_no_version_or_nothing_at_all() {
    let server = start(&public(""));
    let mut phone = UserPhone::at(&server, "curious", "127.0.0.74");
    let uri = format!("sip:board@{}", server.sip());
    let answer = phone.ask("OPTIONS", &uri, &uri, "");
    assert!(answer.contains("\r\nServer: Plenum\r\n"), "{answer}");
    drop(server);
    let mut settings = public("unknown_domains = \"silent\"\n");
    settings.sip = "domains = [\"conf.example.com\"]\nuser_agent = \"\"\n".to_owned();
    let server = start(&settings);
    let mut fleet = Fleet::new(server.sip(), SECOND, 5).unwrap();
    let map = ["--first=1", "-p5060"];
    let found = scan(&mut fleet, &server, "svmap", &map);
    assert!(found.contains("found nothing"), "{found}");
    let mut phone = UserPhone::at(&server, "curious", "127.0.0.74");
    let uri = "sip:board@conf.example.com";
    let answer = phone.ask("OPTIONS", uri, uri, "");
    assert!(!answer.contains("\r\nServer:"), "{answer}");
}

#[test]
fn other_domains_can_be_met_with_silence() {
    let mut settings = public("unknown_domains = \"silent\"\n");
    settings.sip = "domains = [\"conf.example.com\"]\n".to_owned();
    let server = start(&settings);
    let mut phone = UserPhone::at(&server, "curious", "127.0.0.76");
    for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE"] {
        let uri = "sip:board@elsewhere.example.com";
        phone.tell(method, uri, uri, "");
        let answer = phone.raw.receive(SECOND / 2).unwrap();
        assert_eq!(answer, None, "{method}");
    }
    let uri = "sip:board@conf.example.com";
    let answer = phone.ask("OPTIONS", uri, uri, "");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}

#[test]
fn calls_to_users_are_refused_and_strangers_cannot_tell_them_from_nobody() {
    let server = start(&public(""));
    add(&server, "alice");
    add(&server, "bob");
    std::thread::sleep(3 * SECOND);
    let stranger = UserPhone::at(&server, "carol", "127.0.0.77");
    // With the domain of users in From everybody would be asked for a password.
    let local = stranger.raw.local();
    let call = |name: &str| {
        let fields = Fields {
            method: "INVITE",
            uri: &format!("sip:{name}@example.com"),
            branch: name,
            call_id: name,
            cseq: "1 INVITE",
            to_tag: "",
            more: "",
            body: &stranger.raw.offer(),
        };
        let request = stranger.raw.request(&fields);
        stranger.raw.send(request).unwrap();
        let answer = stranger.raw.final_response("INVITE").unwrap().unwrap();
        shape(&answer).replace(name, "NAME")
    };
    let (alice, nobody) = (call("alice"), call("nobody"));
    assert!(alice.starts_with("SIP/2.0 404"), "{local}: {alice}");
    assert_eq!(alice, nobody);
    let mut bob = UserPhone::at(&server, "bob", "127.0.0.78");
    let uri = "sip:alice@example.com";
    let answer = bob.ask_twice("MD5", ("INVITE", uri, uri), "");
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
}

#[test]
fn links_are_not_guessed_for_long() {
    let mut settings = public("");
    let web: SocketAddr = format!("{}:8443", settings.ip).parse().unwrap();
    settings.http = format!("public_listen = \"{web}\"\n");
    let server = start(&settings);
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(server.certificate()).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = Arc::new(config.with_no_client_auth());
    let get = |from: &str, path: &str| {
        let name = ServerName::IpAddress(web.ip().into());
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = StreamOwned::new(session, connect(from, web));
        let request = format!("GET {path} HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n");
        // What is closed at once cannot be written to, nor read.
        drop(stream.write_all(request.as_bytes()));
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer
    };
    let (guesser, guest) = ("127.0.0.81", "127.0.0.82");
    for number in 0..31 {
        let answer = get(guesser, &format!("/meet/board/{number}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
    }
    assert_eq!(get(guesser, "/meet/board/board"), "", "closed");
    assert!(is_listed(&server, guesser, "scanning"), "{}", bans(&server));
    assert!(tcp_is_closed(guesser, server.sip()), "over SIP, too");
    let answer = get(guest, "/meet/board/board");
    assert!(answer.contains("sip:board@"), "{answer}");
    // Nor does one guest take all places.
    let idle: Vec<TcpStream> = (0..70).map(|_| connect(guest, web)).collect();
    std::thread::sleep(SECOND / 5);
    assert_eq!(get(guest, "/meet/board/board"), "");
    assert!(get("127.0.0.83", "/meet/board/board").starts_with("HTTP/1.1 200"));
    drop(idle);
}

#[test]
fn a_forged_flood_harms_no_call_and_keeps_nobody_out_who_is_known() {
    let mut server = start(&public(""));
    let mut fleet = talk(&server);
    // None of them acknowledges anything: each might be forged.
    let forged = Forged {
        conference: "board".to_owned(),
        rate: 4000,
        sources: 200,
    };
    let flood = Beside::start(Some(forged), None, server.sip());
    fleet.run(SECOND / 2).unwrap();
    let third = PhoneSettings::new("board", Codec::Pcmu, Signal::Silence);
    let third = fleet.add(third).unwrap();
    fleet.invite(third);
    fleet.run(2 * SECOND).unwrap();
    let forged = flood.stop().unwrap().forged;
    assert!(forged > 5000, "{forged}");
    assert_eq!(*fleet.phones()[third].call.state(), CallState::Up, "known");
    fleet.hang_up(third);
    fleet.run(SECOND / 5).unwrap();
    for phone in &fleet.phones()[..2] {
        let (gap, lost) = (phone.receiver.longest_gap(), phone.receiver.lost());
        assert!(lost == 0 && gap < SECOND, "{lost}, {gap:?}");
    }
    let [dropped, refused] = ["screened", "refused_overload"].map(|what| {
        let name = format!("plenum_sip_{what}_total");
        server.metric(&name).unwrap()
    });
    assert!(
        dropped + refused > forged / 2,
        "{dropped} dropped, {refused} refused of {forged}"
    );
    assert!(server.alive());
}
