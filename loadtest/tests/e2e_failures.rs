//! Every failure of a certificate, credential, nonce, key or address has its own clear error.
//!
//! `401` and the like are what the peer is told; a word in `Capitals` is the label of
//! `plenum_sip_handshake_failures`, `plenum_auth_denied` or `plenum_tls_reload_failures`' log line.
//!
//! | failure | error | test |
//! |---|---|---|
//! | a server's certificate has expired | `Expired`, "has expired; its owner has to renew it" | `sip/tests/transport/tls.rs` |
//! | … is not valid yet | `NotValidYet`, "check the clocks" | the same |
//! | … is for another name | `WrongName`, with both names | the same; `e2e_trunk` |
//! | … is of an authority we do not know | `UnknownAuthority`, "add … to tls.ca_files" | the same |
//! | ours is refused by the peer | `RefusedByPeer` | the same; `e2e_secure_signalling` |
//! | a client shows none and has to | `NoCertificate`, names `tls.client_certificates` | here |
//! | a client shows one of an unknown authority | `UnknownAuthority` | here |
//! | … one that has expired | `Expired` | here |
//! | … a good one that is not in `auth.trusted_certificates` | 401 | here |
//! | a file cannot be read, holds no certificate, no key, a damaged one | its name, and which | `src/tls/tests.rs`, `e2e_secure_signalling` |
//! | a key is not the certificate's | both names | `src/tls/tests.rs` |
//! | unknown user, wrong password | 401, the same for both; `UnknownUser`, `WrongPassword` | here; `e2e_users` |
//! | a disabled user | 403 "disabled"; `Disabled` | `e2e_users` |
//! | credentials of another user | 403; `AnotherUser` | `e2e_users` |
//! | … for another realm | 401; `AnotherRealm` | here |
//! | an algorithm that nobody knows, or that was not offered | 400, which of the two; `Malformed` | here |
//! | `qop` that nobody knows, count or client nonce missing | 400, which; `Malformed` | here |
//! | no `qop` | good once (RFC 2069), then 401 `stale` | `sip/tests/auth.rs` |
//! | `auth-int` and another body | 401; `WrongPassword`: the digest covers both | here |
//! | an old nonce | 401 `stale`; `Stale` | `e2e_users` |
//! | a count that was used | 401 `stale`; `Replayed` | here; `e2e_users` |
//! | a nonce that is invented, or of another realm | 401 `stale`; `ForeignNonce` | here |
//! | SDES key of bad base64 or wrong length, unknown suite, weak session parameter | 488, Warning 302 | here; which one: `media/src/crypto/sdes.rs` |
//! | encrypted media without key or fingerprint | 488, Warning 302, which | here |
//! | plain media where encryption is required, or the reverse | 488, Warning 302 | here; `sdp-fixtures` |
//! | another certificate than the fingerprint, no handshake in time | BYE with the reason | `media/src/path/tests.rs` |
//! | media address of the wrong family, a group, a name | 488, Warning 300, 330, 301 | here |
//! | media address 0.0.0.0 | 200, nothing is sent: hold (RFC 2543) | here |
//! | media address or Contact behind a NAT | followed to where packets come from | `e2e_nat` |
//! | a name that is not in the DNS | "cannot be found in the DNS" | `e2e_trunk` |

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

#[expect(dead_code, reason = "not every test needs every phone")]
mod users;

use plenum_loadtest::clock;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::digest::Login;
use plenum_loadtest::peer::raw::{Fields, RawPhone};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::wire::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use users::{UserPhone, add, challenge, start, strict};

const SECOND: Duration = Duration::from_secs(1);
const REGISTER: (&str, &str, &str) = ("REGISTER", "sip:example.com", "sip:alice@example.com");

/// Waits until it is so: what happens to a connection is counted after the peer has seen it.
fn soon(is: impl Fn() -> bool, what: &str) {
    let end = clock::now() + 5 * SECOND;
    while !is() {
        assert!(clock::now() < end, "{what}");
        std::thread::sleep(SECOND / 20);
    }
}

/// The value of one line of the metrics.
fn count(server: &Server, line: &str) -> u64 {
    let (_, metrics) = server.get("/metrics").unwrap();
    let value = metrics.lines().find_map(|one| one.strip_prefix(line));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

fn denied(server: &Server, reason: &str) -> u64 {
    let line = format!("plenum_auth_denied_total{{reason=\"{reason}\"}}");
    count(server, &line)
}

#[test]
fn rfc7616_each_failure_of_credentials_and_nonces_is_told_apart() {
    let server = start(&strict(
        "[auth]\nalgorithms = [\"SHA-256\"]\nauth_int = true\n",
    ));
    add(&server, "alice");
    std::thread::sleep(SECOND / 2);
    let mut alice = UserPhone::new(&server, "alice");
    let asked = alice.ask(REGISTER.0, REGISTER.1, REGISTER.2, "");
    let asked = challenge(&asked, "SHA-256");
    let login = Login::new("alice", "alice-secret");
    let right = |nc| login.answer(&asked, REGISTER.0, REGISTER.1, nc).unwrap();
    let invented = asked.replace("nonce=\"", "nonce=\"0");
    let other = |name: &str, password: &str, asked: &str| {
        let login = Login::new(name, password);
        login.answer(asked, REGISTER.0, REGISTER.1, 1).unwrap()
    };
    let altered = |nc, from: &str, to: &str| right(nc).replace(from, to);
    let (realm, elsewhere) = ("example.com\", nonce", "other.test\", nonce");
    let malformed = [
        (
            altered(3, "SHA-256", "MD5"),
            "400 Digest Algorithm Not Offered",
        ),
        (
            altered(4, "SHA-256", "SHA-9"),
            "400 Unknown Digest Algorithm",
        ),
        (
            altered(5, "qop=auth", "qop=auth-conf"),
            "400 Unknown Quality",
        ),
        (altered(6, ", nc=", ", n="), "400 Nonce Count Missing"),
        (altered(7, ", cnonce=", ", c="), "400 Client Nonce Missing"),
    ];
    let cases = [
        (right(1), "200", ""),
        (right(1), "401", "Replayed"),
        (
            other("alice", "alice-secret", &invented),
            "401",
            "ForeignNonce",
        ),
        (
            other("mallory", "alice-secret", &asked),
            "401",
            "UnknownUser",
        ),
        (other("alice", "guess", &asked), "401", "WrongPassword"),
        (altered(2, realm, elsewhere), "401", "AnotherRealm"),
        // The digest was made of `auth`: to the body of `auth-int` it does not fit.
        (
            altered(8, "qop=auth", "qop=auth-int"),
            "401",
            "WrongPassword",
        ),
        (right(9), "200", ""),
    ];
    let malformed = malformed.map(|(credentials, said)| (credentials, said, "Malformed"));
    let cases = malformed.into_iter().chain(cases);
    for (credentials, expected, reason) in cases {
        let before = denied(&server, reason);
        let line = format!("Authorization: {credentials}\r\n");
        let answer = alice.ask(REGISTER.0, REGISTER.1, REGISTER.2, &line);
        let status = format!("SIP/2.0 {expected}");
        assert!(answer.starts_with(&status), "{reason}: {answer}");
        let stale = ["Replayed", "ForeignNonce"].contains(&reason);
        assert_eq!(answer.contains("stale=true"), stale, "{reason}: {answer}");
        if !reason.is_empty() {
            assert_eq!(denied(&server, reason), before + 1, "{reason}");
        }
    }
    assert!(!server.log().contains("alice-secret"));
}

/// What an offer is answered: status line and Warning; the call is let go.
fn offered(server: &Server, name: &str, offer: &str) -> String {
    let phone = RawPhone::new(server.sip()).unwrap();
    let uri = format!("sip:standup@{}", server.sip());
    let mut fields = Fields {
        method: "INVITE",
        uri: &uri,
        branch: name,
        call_id: name,
        cseq: "1 INVITE",
        to_tag: "",
        more: "",
        body: offer,
    };
    phone.send(phone.request(&fields)).unwrap();
    let text = phone.final_response("INVITE").unwrap().unwrap();
    let answer = Message::parse(text.as_bytes()).unwrap();
    let said = format!(
        "{} {}",
        answer.start_line(),
        answer.header("Warning", "").unwrap_or_default()
    );
    fields.to_tag = answer.to_tag().unwrap();
    let (ack, branch) = ("ACK", format!("{name}ack"));
    fields.body = "";
    fields.cseq = "1 ACK";
    fields.method = ack;
    if answer.status() == Some(200) {
        fields.branch = &branch;
        phone.send(phone.request(&fields)).unwrap();
        std::thread::sleep(SECOND / 2);
        fields.method = "BYE";
        fields.cseq = "2 BYE";
        phone.send(phone.request(&fields)).unwrap();
        phone.final_response("BYE").unwrap().unwrap();
    } else {
        phone.send(phone.request(&fields)).unwrap();
    }
    said
}

#[test]
fn rfc3261_20_43_each_failure_of_keys_and_addresses_in_an_offer_has_its_warning() {
    const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    let server = start(&ServerSettings::default());
    let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
    rtp.set_nonblocking(true).unwrap();
    let plain =
        plenum_loadtest::sdp::describe(rtp.local_addr().unwrap(), Codec::Pcmu, 1, "sendrecv");
    let secure = plain.replace("RTP/AVP", "RTP/SAVP");
    let crypto = |line: &str| format!("{secure}a=crypto:1 {line}\r\n");
    let address = |to: &str| plain.replace("c=IN IP4 127.0.0.1", &format!("c=IN {to}"));
    let sha80 = "AES_CM_128_HMAC_SHA1_80";
    let unusable = ["short", "base64", "suite", "weak"].into_iter().zip([
        crypto(&format!("{sha80} inline:c2hvcnQ=")),
        crypto(&format!("{sha80} inline:*{KEY}")),
        crypto(&format!("F8_128_HMAC_SHA1_80 inline:{KEY}")),
        crypto(&format!("{sha80} inline:{KEY} UNENCRYPTED_SRTP")),
    ]);
    let handshake = plain.replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + "a=setup:actpass\r\n";
    let no_key = "302 plenum \"No agreement on media: Incompatible transport protocol: encrypted media without usable keys:";
    let refused = [
        (
            "keyless",
            secure.clone(),
            "neither a=crypto nor a=fingerprint",
        ),
        ("print", handshake, "no usable a=fingerprint"),
        ("family", address("IP6 2001:db8::1"), "300 "),
        ("group", address("IP4 239.1.2.3/127"), "330 "),
        ("name", address("IP4 phone.example.com"), "301 "),
    ];
    let unusable = unusable.map(|(name, offer)| (name, offer, "no a=crypto line can be used"));
    for (name, offer, warning) in unusable.chain(refused) {
        let said = offered(&server, name, &offer);
        assert!(said.starts_with("SIP/2.0 488 "), "{name}: {said}");
        assert!(said.contains(warning), "{name}: {said}");
        let of_keys = !warning.starts_with('3');
        assert_eq!(said.contains(no_key), of_keys, "{name}: {said}");
        assert!(!said.contains(KEY), "{said}");
    }
    for (name, offer) in [
        ("good", crypto(&format!("{sha80} inline:{KEY}"))),
        ("hold", address("IP4 0.0.0.0")),
    ] {
        let said = offered(&server, name, &offer);
        assert!(said.starts_with("SIP/2.0 200 "), "{name}: {said}");
    }
    assert!(!server.log().contains(KEY));
    let required = start(&ServerSettings {
        media: "protection = \"required\"\n".to_owned(),
        ..ServerSettings::default()
    });
    let said = offered(&required, "plain", &plain);
    assert!(said.contains("encrypted media is required"), "{said}");
}

/// Certificates made by openssl, in a folder that goes with the test.
struct Authority(PathBuf);

impl Authority {
    fn new(name: &str) -> Self {
        let folder = format!("plenum-{}-{name}", std::process::id());
        let this = Self(std::env::temp_dir().join(folder));
        fs::create_dir_all(&this.0).unwrap();
        this.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN={name} \
             -keyout ca.key -out ca.pem"
        ));
        fs::write(this.0.join("index"), "").unwrap();
        let text = "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n\
                    default_md=sha256\npolicy=any\ncopy_extensions=copy\n[any]\ncommonName=supplied\n";
        fs::write(this.0.join("ca.cnf"), text).unwrap();
        this
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn openssl(&self, arguments: &str) {
        let run = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .output()
            .unwrap();
        assert!(run.status.success(), "{arguments}: {run:?}");
    }

    /// A certificate for this name, valid until then (`YYMMDDHHMMSSZ`).
    fn certify(&self, name: &str, until: &str) {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -addext \
             subjectAltName=DNS:{name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -rand_serial \
             -startdate 200101000000Z -enddate {until} -in {name}.csr -out {name}.pem"
        ));
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What a request over TLS is answered; empty where there is no connection.
fn over_tls(server: &Server, shown: Option<(&Authority, &str)>, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(server.certificate()).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some((authority, name)) => {
            let chain = CertificateDer::from_pem_file(authority.path(&format!("{name}.pem")));
            let key = PrivateKeyDer::from_pem_file(authority.path(&format!("{name}.key")));
            let chain = vec![chain.unwrap()];
            config.with_client_auth_cert(chain, key.unwrap()).unwrap()
        }
    };
    let address = SocketAddr::new(server.sip().ip(), 5061);
    let name = ServerName::IpAddress(address.ip().into());
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(3 * SECOND)).unwrap();
    let mut stream = StreamOwned::new(session, tcp);
    // Who is refused may learn it only when it reads.
    drop(stream.write_all(request.as_bytes()));
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(buffer.get(..read).unwrap()).into_owned()
}

fn invite(from: &str, to: &str, id: &str) -> String {
    let offer =
        plenum_loadtest::sdp::describe("127.0.0.1:9".parse().unwrap(), Codec::Pcmu, 1, "sendrecv");
    format!(
        "INVITE sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{id}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{from}>;tag={id}\r\nTo: <sip:{to}>\r\nCall-ID: {id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:{from};transport=tls>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{offer}",
        offer.len()
    )
}

/// A server that asks for certificates of clients, who are believed when they are `pbx.test`.
fn certified(clients: &str, authority: &Path) -> Server {
    let mut settings = strict(
        "[auth]\nrequired = \"everybody\"\ntrusted_certificates = [\"pbx.test\"]\n\
         [[auth.domain]]\nname = \"open.test\"\nrequired = \"nobody\"\n\
         [[auth.domain]]\nname = \"users.test\"\nrequired = \"users\"\n\
         [log]\nlevel = \"info,plenum_sip::transport=debug\"\n",
    );
    settings.transports = vec!["tls"];
    let file = authority.display();
    settings.tls = format!("client_certificates = \"{clients}\"\nclient_ca_files = [\"{file}\"]\n");
    Server::start(&program().unwrap(), &settings).unwrap()
}

#[test]
fn rfc3261_26_3_each_failure_of_a_clients_certificate_is_told_and_a_trusted_one_is_believed() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for name in ["pbx.test", "other.test"] {
        ours.certify(name, "400101000000Z");
    }
    ours.certify("old.test", "210101000000Z");
    theirs.certify("pbx.test", "400101000000Z");
    let server = certified("request", &ours.path("ca.pem"));
    add(&server, "alice");
    std::thread::sleep(SECOND / 2);
    let failed = |reason: &str| {
        let line = "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=";
        count(&server, &format!("{line}\"{reason}\"}}"))
    };
    let call = |shown, id: &str| {
        let request = invite("bob@elsewhere.test", "board@example.com", id);
        over_tls(&server, shown, &request)
    };
    let answer = call(Some((&ours, "pbx.test")), "trusted");
    assert!(
        answer.contains("SIP/2.0 200") || answer.contains("SIP/2.0 100"),
        "{answer}"
    );
    for (shown, id) in [(Some((&ours, "other.test")), "other"), (None, "none")] {
        let answer = call(shown, id);
        assert!(answer.starts_with("SIP/2.0 401"), "{id}: {answer}");
    }
    for (authority, name, reason) in [
        (&ours, "old.test", "Expired"),
        (&theirs, "pbx.test", "UnknownAuthority"),
    ] {
        assert_eq!(call(Some((authority, name)), "no"), "", "{name}");
        soon(|| failed(reason) == 1, name);
    }
    // Who has to prove who he is depends on the domain he calls, too.
    for (from, to, status) in [
        ("bob@elsewhere.test", "board@open.test", "200"),
        ("alice@example.com", "board@open.test", "200"),
        ("bob@elsewhere.test", "board@users.test", "200"),
        ("alice@example.com", "board@users.test", "401"),
        ("bob@elsewhere.test", "board@example.com", "401"),
    ] {
        let answer = over_tls(
            &server,
            None,
            &invite(from, to, &format!("{from}{to}").replace('@', "-")),
        );
        let expected = format!("SIP/2.0 {status}");
        assert!(answer.contains(&expected), "{from} calls {to}: {answer}");
    }
    let strict = certified("require", &ours.path("ca.pem"));
    let request = invite("bob@elsewhere.test", "board@open.test", "required");
    assert_eq!(over_tls(&strict, None, &request), "");
    let line = "plenum_sip_handshake_failures_total{side=\"Inbound\",reason=\"NoCertificate\"}";
    soon(|| count(&strict, line) == 1, "NoCertificate");
    soon(|| strict.log().contains("tls.client_certificates"), "log");
}
