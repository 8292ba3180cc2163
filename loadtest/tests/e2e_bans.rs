//! Who guesses is shut out: links, PINs, from an IPv6 network, by a web server.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod abuse;
#[expect(dead_code, reason = "not every test needs every phone")]
mod users;

use abuse::{HERE, SECOND, bans, connect, is_listed, public, tcp_is_closed};
use plenum_loadtest::call::CallState;
use plenum_loadtest::clock;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::digest::Login;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::peer::internet::Internet;
use plenum_loadtest::server::Server;
use plenum_loadtest::signal::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use users::{UserPhone, add, challenge, start};

/// The public side of HTTP.
struct Web {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Web {
    /// A server with it, and this in `[http]`.
    fn start(more: &str) -> (Server, Self) {
        let mut settings = public("");
        let address: SocketAddr = format!("{}:8443", settings.ip).parse().unwrap();
        settings.http = format!("public_listen = \"{address}\"\n{more}");
        let server = start(&settings);
        // It answers over SIP before it does over HTTPS.
        let end = clock::now() + 5 * SECOND;
        while TcpStream::connect(address).is_err() {
            assert!(clock::now() < end, "{}", server.log());
            std::thread::sleep(SECOND / 20);
        }
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(server.certificate()).unwrap();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = Arc::new(config.with_no_client_auth());
        (server, Self { address, config })
    }

    /// What somebody from there is answered; `more` are lines of the header.
    fn get(&self, from: &str, path: &str, more: &str) -> String {
        let name = ServerName::IpAddress(self.address.ip().into());
        let session = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let mut stream = StreamOwned::new(session, connect(from, self.address));
        let host = self.address;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        // What is closed at once cannot be written to, nor read.
        drop(stream.write_all(request.as_bytes()));
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer
    }
}

#[test]
fn links_are_not_guessed_for_long() {
    let (server, web) = Web::start("");
    let (guesser, guest) = ("127.0.0.81", "127.0.0.82");
    for number in 0..31 {
        let answer = web.get(guesser, &format!("/meet/board/{number}"), "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
    }
    assert_eq!(web.get(guesser, "/meet/board/board", ""), "", "closed");
    assert!(is_listed(&server, guesser, "scanning"), "{}", bans(&server));
    assert!(tcp_is_closed(guesser, server.sip()), "over SIP, too");
    let answer = web.get(guest, "/meet/board/board", "");
    assert!(answer.contains("sip:board@"), "{answer}");
    // Nor does one guest take all places.
    let idle: Vec<TcpStream> = (0..70).map(|_| connect(guest, web.address)).collect();
    std::thread::sleep(SECOND / 5);
    assert_eq!(web.get(guest, "/meet/board/board", ""), "");
    assert!(
        web.get("127.0.0.83", "/meet/board/board", "")
            .starts_with("HTTP/1.1 200")
    );
    drop(idle);
}

#[test]
fn who_guesses_links_by_a_web_server_is_shut_out_and_not_the_web_server() {
    guess_by_a_web_server("X-Forwarded-For", |hops| {
        // The other header is not read.
        format!(
            "X-Forwarded-For: {}\r\nForwarded: for=203.0.113.98\r\n",
            hops.join(", ")
        )
    });
}

#[test]
fn rfc7239_the_same_by_a_web_server_that_writes_forwarded() {
    guess_by_a_web_server("Forwarded", |hops| {
        let hops: Vec<String> = hops
            .iter()
            .map(|hop| format!("for={hop};proto=https"))
            .collect();
        format!(
            "X-Forwarded-For: 203.0.113.98\r\nForwarded: {}\r\n",
            hops.join(", ")
        )
    });
}

fn guess_by_a_web_server(header: &str, line: impl Fn(&[&str]) -> String) {
    let (server, web) = Web::start(&format!(
        "trusted_proxies = [\"127.0.0.84/31\"]\nforwarded_by = \"{header}\"\n"
    ));
    let (outer, inner, guesser) = ("127.0.0.84", "127.0.0.85", "198.51.100.7");
    // What the guesser has put there himself is not believed.
    let by = line(&["203.0.113.99", guesser, outer]);
    for number in 0..31 {
        let answer = web.get(inner, &format!("/meet/board/{number}"), &by);
        assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
    }
    assert!(is_listed(&server, guesser, "scanning"), "{}", bans(&server));
    let answer = web.get(inner, "/meet/board/board", &by);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let another = line(&["198.51.100.8"]);
    let answer = web.get(inner, "/meet/board/board", &another);
    assert!(answer.contains("sip:board@"), "{answer}");
    // Nobody else is believed.
    for number in 0..31 {
        web.get("127.0.0.86", &format!("/meet/board/{number}"), &another);
    }
    assert!(is_listed(&server, "127.0.0.86", "scanning"));
    assert!(!is_listed(&server, "198.51.100.8", "scanning"));
}

#[test]
fn who_guesses_pins_is_shut_out() {
    let mut settings = public("");
    settings.rest = settings.rest.replace("guesses = 10", "guesses = 3");
    let server = start(&settings);
    let mut fleet = Fleet::new(server.sip(), 60 * SECOND, 9).unwrap();
    for number in 0..2 {
        let phone = PhoneSettings::new("secret", Codec::Pcmu, Signal::Silence);
        assert_eq!(fleet.add(phone).unwrap(), number);
        fleet.invite(number);
        let up = fleet.run_until(5 * SECOND, |fleet| {
            *fleet.phones()[number].call.state() == CallState::Up
        });
        assert!(up.unwrap(), "{}", server.log());
        assert!(!is_listed(&server, HERE, "guessing"), "three are free");
        for _ in 0..3 {
            fleet.run(SECOND / 2).unwrap();
            for digit in "1111#".chars() {
                fleet.phones_mut()[number].sender.press(digit);
            }
            let sent = fleet.run_until(5 * SECOND, |fleet| {
                !fleet.phones()[number].sender.pressing()
            });
            assert!(sent.unwrap());
        }
        let over = fleet.run_until(10 * SECOND, |fleet| {
            *fleet.phones()[number].call.state() == CallState::Over { by_server: true }
        });
        assert!(over.unwrap(), "{}", server.log());
    }
    assert!(is_listed(&server, HERE, "guessing"), "{}", bans(&server));
    assert!(tcp_is_closed(HERE, server.sip()));
}

#[test]
fn rfc6177_guesses_from_anywhere_in_an_ipv6_network_ban_all_of_it() {
    let internet = Internet::new().unwrap();
    let (ours, here, beside) = ("2001:db8:1::5", "2001:db8:2::1", "2001:db8:2::ffff:1");
    let elsewhere = "2001:db8:2:1::1";
    for address in [ours, here, beside, elsewhere] {
        internet.own(address.parse().unwrap()).unwrap();
    }
    let test = || {
        let mut settings = public("");
        settings.ip = format!("[{ours}]");
        let server = start(&settings);
        add(&server, "alice");
        std::thread::sleep(SECOND / 2);
        let (uri, to) = ("sip:example.com", "sip:alice@example.com");
        let mut guesses = 0;
        for source in [here, beside] {
            let mut phone = UserPhone::at(&server, "alice", source);
            let asked = phone.ask("REGISTER", uri, to, "");
            let asked = challenge(&asked, "MD5");
            let login = Login::new("alice", "guess");
            for number in 1..=8 {
                guesses += 1;
                let wrong = login.answer(&asked, "REGISTER", uri, number).unwrap();
                phone.tell("REGISTER", uri, to, &format!("Authorization: {wrong}\r\n"));
            }
            while phone.raw.receive(SECOND / 2).unwrap().is_some() {}
            let banned = is_listed(&server, "2001:db8:2::/64", "guessing");
            assert_eq!(banned, guesses > 10, "{}", bans(&server));
        }
        for (source, answered) in [(here, false), (beside, false), (elsewhere, true)] {
            let mut phone = UserPhone::at(&server, "alice", source);
            phone.tell("REGISTER", uri, to, "");
            let answer = phone.raw.receive(SECOND).unwrap();
            assert_eq!(answer.is_some(), answered, "{source}");
        }
    };
    internet.public.within(test).unwrap();
}
