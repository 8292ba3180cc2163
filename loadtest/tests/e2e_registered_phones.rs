//! Many phones that are registered over TCP and TLS and wait for a call: what each costs.
//!
//! `PHONES` says how many of each kind; the figure in README is of 5000.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]
#![expect(dead_code, reason = "the phones of the other tests call")]

mod users;

use plenum_loadtest::digest::Login;
use plenum_loadtest::process::Usage;
use plenum_loadtest::server::Server;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use users::{add, challenge, start, strict};

/// Phones of each kind where nobody says.
const PHONES: usize = 300;
/// Registered before the first look at the memory, so that what is needed once is there.
const WARM_UP: usize = 50;
const PHONES_PER_USER: usize = 50;
/// Resident memory of the server for each, KiB.
const BOUND: f64 = 60.0;

trait Wire: Read + Write {}

impl<S: Read + Write> Wire for S {}

/// One phone and its connection.
struct Phone {
    wire: Box<dyn Wire>,
    number: usize,
    transport: &'static str,
}

impl Phone {
    fn ask(&mut self, seq: u32, more: &str) -> String {
        let Self {
            number, transport, ..
        } = self;
        let user = *number / PHONES_PER_USER;
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\n\
             Via: SIP/2.0/{transport} phone{number}.invalid;branch=z9hG4bK{number}x{seq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:user{user}@example.com>;tag=f\r\n\
             To: <sip:user{user}@example.com>\r\nCall-ID: phone{number}\r\nCSeq: {seq} REGISTER\r\n\
             Supported: path, outbound\r\n\
             Contact: <sip:user{user}@phone{number}.invalid;transport={transport}>;reg-id=1;\
             +sip.instance=\"<urn:uuid:{number}>\"\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.wire.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut octets = [0; 4096];
        while !answer.ends_with(b"\r\n\r\n") {
            let read = self.wire.read(&mut octets).unwrap();
            assert!(read > 0, "the server closed the connection");
            answer.extend_from_slice(octets.get(..read).unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    fn register(&mut self) {
        let asked = self.ask(1, "");
        assert!(asked.starts_with("SIP/2.0 401"), "{asked}");
        let name = format!("user{}", self.number / PHONES_PER_USER);
        let login = Login::new(&name, &format!("{name}-secret"));
        let asked = challenge(&asked, "SHA-256");
        let said = login
            .answer(&asked, "REGISTER", "sip:example.com", 1)
            .unwrap();
        let answer = self.ask(2, &format!("Authorization: {said}\r\n"));
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        assert!(answer.contains("Flow-Timer: 120"), "{answer}");
    }
}

fn client(server: &Server) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(server.certificate()).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

fn connect(server: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Box<dyn Wire> {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let Some(config) = tls else {
        return Box::new(stream);
    };
    let name = ServerName::IpAddress(server.ip().into());
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    Box::new(StreamOwned::new(session, stream))
}

fn resident(server: &Server) -> u64 {
    Usage::of(server.pid()).unwrap().resident_kib
}

#[test]
fn a_registered_phone_on_a_connection_of_its_own_costs_little() {
    let count = std::env::var("PHONES").map_or(PHONES, |count| count.parse().unwrap());
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let mut settings = strict("");
    settings.transports = vec!["tls"];
    settings.limits =
        format!("sip_connections_per_source = 20000\ncontacts_per_user = {PHONES_PER_USER}\n");
    let server = start(&settings);
    let all = WARM_UP + count;
    for user in 0..(all * 2).div_ceil(PHONES_PER_USER) {
        add(&server, &format!("user{user}"));
    }
    // The server looks for new users every second.
    std::thread::sleep(Duration::from_secs(3));
    let config = client(&server);
    let secured = SocketAddr::new(server.sip().ip(), 5061);
    let mut phones = Vec::new();
    for (transport, address, tls) in [("TCP", server.sip(), None), ("TLS", secured, Some(&config))]
    {
        let mut before = 0;
        for number in 0..all {
            if number == WARM_UP {
                before = resident(&server);
            }
            let mut phone = Phone {
                wire: connect(address, tls),
                number: phones.len(),
                transport,
            };
            phone.register();
            phones.push(phone);
        }
        let grown = resident(&server).saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        let each = grown as f64 / count as f64;
        println!("{count} phones over {transport}: {each:.1} KiB each");
        assert!(each <= BOUND, "{transport}: {each:.1} KiB each");
    }
    let (_, metrics) = server.get("/metrics").unwrap();
    let registered = format!("plenum_registrations {}", all * 2);
    assert!(metrics.contains(&registered), "{metrics}");
}
