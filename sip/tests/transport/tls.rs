//! TLS: who is believed, who is not, and how each failure is told.

use crate::bed::{Bed, OK, OPTIONS, limits, within};
use crate::pki::{ALWAYS, Authority, Years, configs};
use bytes::Bytes;
use plenum_sip::endpoint::{ClientTxId, Target, Transport, Via};
use plenum_sip::transport::tls::{HandshakeFailedBy, PeerCertificates, Reason, Side, TlsConfigs};
use plenum_sip::transport::{Arrival, CloseReason, ClosedBy, Refusal, RefusedBy, Security};
use plenum_sip::websocket::Origins;
use rustls::{ClientConfig, ServerConfig, version};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn bed(configs: TlsConfigs) -> (Bed, watch::Sender<TlsConfigs>) {
    let (sender, tls) = watch::channel(configs);
    let security = Security {
        tls: Some(tls),
        origins: Origins::Any,
        ..Security::default()
    };
    let bed = Bed::secured(Transport::Tls, "127.0.0.1:0", &limits(), security);
    (bed, sender)
}

/// A server with this certificate, and a client that believes its authority.
fn pair(names: &[&str], valid: Years) -> (Bed, Bed) {
    let authority = Authority::new();
    let certificate = authority.certificate(names, valid);
    let server = configs(Some(certificate), &authority, &PeerCertificates::Off);
    let client = configs(None, &authority, &PeerCertificates::Off);
    (bed(server).0, bed(client).0)
}

fn target(remote: SocketAddr) -> Via {
    Via::Target(Target {
        transport: Transport::Tls,
        remote,
    })
}

impl Bed {
    fn request(&mut self, remote: SocketAddr, domain: &str) -> bool {
        let request = Bytes::from_static(OPTIONS);
        self.transports
            .send_to(target(remote), Some(domain), request, Some(ClientTxId(1)))
    }

    fn failed(&self, side: Side, reason: Reason) -> u64 {
        let by = HandshakeFailedBy { side, reason };
        self.metrics.handshake_failures.get_or_create(&by).get()
    }

    /// Nothing but the end of a connection and of what waited for it.
    async fn fails(&mut self, side: Side, reason: Reason) {
        loop {
            match self.next().await {
                // Who waits for it is told the same as the log.
                Arrival::NotSecured(_, why) => assert!(!why.is_empty()),
                Arrival::Closed(_) => break,
                other
                @ (Arrival::Message(..) | Arrival::Certified(..) | Arrival::SendFailed(_)) => {
                    panic!("unexpected {other:?}")
                }
            }
        }
        assert_eq!(
            self.failed(side, reason),
            1,
            "{:?}",
            self.metrics.handshake_failures
        );
    }
}

/// Both ends work until one of them has told how it failed.
async fn connection_fails(server: &mut Bed, client: &mut Bed, reason: Reason) {
    tokio::select! {
        () = client.fails(Side::Outbound, reason) => {}
        () = async { loop { let arrival = server.next().await; assert!(matches!(arrival, Arrival::Closed(_))); } } => {}
    }
}

#[tokio::test]
async fn rfc5922_4_a_message_goes_both_ways_with_the_server_of_the_domain() {
    for names in [&["a.test"][..], &["sip:a.test", "b.test"]] {
        let (mut server, mut client) = pair(names, ALWAYS);
        assert!(client.request(server.addr(), "a.test"));
        let (flow, bytes) = tokio::select! {
            message = server.message() => message,
            other = client.next() => panic!("{other:?}"),
        };
        assert_eq!((flow.transport, &bytes[..]), (Transport::Tls, OPTIONS));
        let ok = Bytes::from_static(OK);
        assert!(server.transports.send(Via::Flow(flow), ok, None));
        let (_, bytes) = tokio::select! {
            message = client.message() => message,
            other = server.next() => panic!("{other:?}"),
        };
        assert_eq!(bytes, OK);
        assert_eq!(server.metrics.tls.received.get(), 1);
    }
}

#[tokio::test]
async fn each_fault_of_a_servers_certificate_is_told() {
    let cases: [(&[&str], Years, Reason); 5] = [
        (&["b.test"], ALWAYS, Reason::WrongName),
        // RFC 5922 §7.1: where a SIP URI stands, DNS names do not count; §7.2: no wildcards.
        (&["sip:b.test", "a.test"], ALWAYS, Reason::WrongName),
        (&["*.test"], ALWAYS, Reason::WrongName),
        (&["a.test"], (2020, 2021), Reason::Expired),
        (&["a.test"], (2199, 2200), Reason::NotValidYet),
    ];
    for (names, valid, reason) in cases {
        let (mut server, mut client) = pair(names, valid);
        assert!(client.request(server.addr(), "a.test"));
        connection_fails(&mut server, &mut client, reason).await;
    }
}

#[tokio::test]
async fn rfc5922_7_2_who_meets_a_wildcard_is_told_the_setting_for_it() {
    let (mut server, mut client) = pair(&["*.test"], ALWAYS);
    assert!(client.request(server.addr(), "a.test"));
    let told = tokio::select! {
        told = client.next() => told,
        () = async { loop { drop(server.next().await); } } => unreachable!(),
    };
    let Arrival::NotSecured(ClientTxId(1), why) = told else {
        panic!("{told:?}");
    };
    let why = why.to_str().unwrap();
    assert!(
        why.contains("*.test") && why.contains("tls.wildcards"),
        "{why}"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_told_at_both_ends() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let certificate = theirs.certificate(&["a.test"], ALWAYS);
    let off = PeerCertificates::Off;
    let mut server = bed(configs(Some(certificate), &theirs, &off)).0;
    let mut client = bed(configs(None, &ours, &off)).0;
    assert!(client.request(server.addr(), "a.test"));
    tokio::join!(
        client.fails(Side::Outbound, Reason::UnknownAuthority),
        server.fails(Side::Inbound, Reason::RefusedByPeer),
    );
    let closed = ClosedBy {
        reason: CloseReason::Handshake,
    };
    let closed = client.metrics.connections_closed.get_or_create(&closed);
    assert_eq!(closed.get(), 1);
}

#[tokio::test]
async fn mutual_tls_names_the_peer_or_refuses_it() {
    let authority = Authority::new();
    let roots = Arc::new(authority.roots());
    let of_server = authority.certificate(&["a.test"], ALWAYS);
    let of_client = authority.certificate(&["sip:trunk.test", "192.0.2.1"], ALWAYS);
    let require = PeerCertificates::Require(Arc::clone(&roots));
    let off = PeerCertificates::Off;
    let mut server = bed(configs(Some(of_server), &authority, &require)).0;
    let mut client = bed(configs(Some(of_client), &authority, &off)).0;
    assert!(client.request(server.addr(), "a.test"));
    let Arrival::Certified(id, names) = server.next().await else {
        panic!("no names");
    };
    assert_eq!(names, ["trunk.test", "192.0.2.1"]);
    let (flow, _) = server.message().await;
    assert_eq!(flow.id, id);
    let mut nobody = bed(configs(None, &authority, &off)).0;
    assert!(nobody.request(server.addr(), "a.test"));
    server.fails(Side::Inbound, Reason::NoCertificate).await;
}

#[tokio::test]
async fn who_may_show_a_certificate_may_show_none_but_no_false_one() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let of_server = ours.certificate(&["a.test"], ALWAYS);
    let request = PeerCertificates::Request(Arc::new(ours.roots()));
    let off = PeerCertificates::Off;
    let mut server = bed(configs(Some(of_server), &ours, &request)).0;
    let mut without = bed(configs(None, &ours, &off)).0;
    assert!(without.request(server.addr(), "a.test"));
    assert_eq!(server.message().await.1, OPTIONS);
    let foreign = theirs.certificate(&["trunk.test"], ALWAYS);
    let mut with = bed(configs(Some(foreign), &ours, &off)).0;
    assert!(with.request(server.addr(), "a.test"));
    server.fails(Side::Inbound, Reason::UnknownAuthority).await;
}

#[tokio::test]
async fn without_a_common_version_there_is_no_connection() {
    let authority = Authority::new();
    let certificate = authority.certificate(&["a.test"], ALWAYS);
    let off = PeerCertificates::Off;
    let mut new = configs(Some(certificate), &authority, &off);
    let only = ServerConfig::builder_with_protocol_versions(&[&version::TLS13]);
    let own = crate::pki::Own(Some(authority.certificate(&["a.test"], ALWAYS)));
    new.sip = Arc::new(only.with_no_client_auth().with_cert_resolver(Arc::new(own)));
    let mut old = configs(None, &authority, &off);
    let only = ClientConfig::builder_with_protocol_versions(&[&version::TLS12]);
    let only = only.with_root_certificates(authority.roots());
    old.client = Arc::new(only.with_no_client_auth());
    let (mut server, mut client) = (bed(new).0, bed(old).0);
    assert!(client.request(server.addr(), "a.test"));
    tokio::join!(
        server.fails(Side::Inbound, Reason::NoCommonVersion),
        client.fails(Side::Outbound, Reason::NoCommonVersion),
    );
}

#[tokio::test]
async fn what_is_no_tls_is_told_apart_from_who_goes_and_who_is_silent() {
    let (mut server, mut client) = pair(&["a.test"], ALWAYS);
    let mut plain = TcpStream::connect(server.addr()).await.unwrap();
    plain.write_all(OPTIONS).await.unwrap();
    server.fails(Side::Inbound, Reason::NotTls).await;
    drop(TcpStream::connect(server.addr()).await.unwrap());
    server.fails(Side::Inbound, Reason::PeerClosed).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(client.request(listener.local_addr().unwrap(), "a.test"));
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    stream.write_all(OK).await.unwrap();
    client.fails(Side::Outbound, Reason::NotTls).await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_and_its_place() {
    let authority = Authority::new();
    let certificate = authority.certificate(&["a.test"], ALWAYS);
    let (_sender, tls) = watch::channel(configs(
        Some(certificate),
        &authority,
        &PeerCertificates::Off,
    ));
    let security = Security {
        tls: Some(tls),
        ..Security::default()
    };
    let mut server = Bed::secured(Transport::Tls, "127.0.0.1:0", &limits(), security);
    let mut silent = Vec::new();
    // As many as one source may have (bounds/shell.rs) and one more, then from another source as many
    // as there are places and one more.
    for (source, count) in [("127.0.0.1:0", 17), ("127.0.0.2:0", 5)] {
        for _ in 0..count {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(source.parse().unwrap()).unwrap();
            silent.push(socket.connect(server.addr()).await.unwrap());
        }
    }
    for _ in 0..20 {
        assert!(matches!(server.next().await, Arrival::Closed(_)));
    }
    assert_eq!(server.failed(Side::Inbound, Reason::TimedOut), 20);
    for bound in [Refusal::SourceHandshakes, Refusal::Handshakes] {
        let refused = RefusedBy { bound };
        let refused = server.metrics.connections_refused.get_or_create(&refused);
        assert_eq!(refused.get(), 1, "{bound:?}");
    }
    // The places are free again.
    let more = TcpStream::connect(server.addr()).await.unwrap();
    assert!(matches!(server.next().await, Arrival::Closed(_)));
    drop(more);
    assert_eq!(server.failed(Side::Inbound, Reason::TimedOut), 21);
}

#[tokio::test]
async fn a_connection_is_used_again_for_its_domain_only() {
    let (mut server, mut client) = pair(&["a.test", "b.test"], ALWAYS);
    for domain in ["a.test", "a.test", "b.test"] {
        assert!(client.request(server.addr(), domain));
        let message = tokio::select! {
            message = server.message() => message,
            other = client.next() => panic!("{other:?}"),
        };
        assert_eq!(message.1, OPTIONS);
    }
    assert_eq!(client.metrics.connections.get(), 2);
    // One that the peer has opened leads to nobody who was asked for, but to its address.
    let remote = server.message_source(&mut client).await;
    assert!(server.request(remote, "a.test"));
    server.fails_to_connect().await;
    assert!(server.request(remote, &remote.ip().to_string()));
    assert_eq!(client.message().await.1, OPTIONS);
}

impl Bed {
    /// Where a further request of this client comes from.
    async fn message_source(&mut self, client: &mut Self) -> SocketAddr {
        assert!(client.request(self.addr(), "a.test"));
        self.message().await.0.remote
    }

    /// A port that only connects listens to nobody.
    async fn fails_to_connect(&mut self) {
        assert!(matches!(self.next().await, Arrival::SendFailed(_)));
        assert!(matches!(self.next().await, Arrival::Closed(_)));
    }
}

#[tokio::test]
async fn without_a_name_to_verify_no_connection_is_opened() {
    let (server, mut client) = pair(&["a.test"], ALWAYS);
    let request = Bytes::from_static(OPTIONS);
    let sent = client
        .transports
        .send(target(server.addr()), request, Some(ClientTxId(1)));
    assert!(!sent);
}

#[tokio::test]
async fn new_certificates_hold_from_the_next_handshake_on() {
    let authority = Authority::new();
    let off = PeerCertificates::Off;
    let with = |name: &str| {
        let certificate = authority.certificate(&[name], ALWAYS);
        configs(Some(certificate), &authority, &off)
    };
    let (mut server, sender) = bed(with("a.test"));
    let mut client = bed(configs(None, &authority, &off)).0;
    assert!(client.request(server.addr(), "a.test"));
    assert_eq!(server.message().await.1, OPTIONS);
    sender.send_replace(with("b.test"));
    // The connection that is up stays, and a new one meets the new certificate.
    assert!(client.request(server.addr(), "a.test"));
    assert_eq!(server.message().await.1, OPTIONS);
    assert!(client.request(server.addr(), "b.test"));
    assert_eq!(server.message().await.1, OPTIONS);
    assert_eq!(client.metrics.connections.get(), 2);
}

#[tokio::test]
async fn rfc8446_2_2_a_peer_that_comes_back_resumes_its_session() {
    let authority = Authority::new();
    let certificate = authority.certificate(&["a.test"], ALWAYS);
    let (mut server, _sender) = bed(configs(
        Some(certificate),
        &authority,
        &PeerCertificates::Off,
    ));
    let config = ClientConfig::builder().with_root_certificates(authority.roots());
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config.with_no_client_auth()));
    for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let stream = TcpStream::connect(server.addr()).await.unwrap();
        let mut stream = tokio::select! {
            stream = connector.connect("a.test".try_into().unwrap(), stream) => stream.unwrap(),
            other = server.next() => panic!("{other:?}"),
        };
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        stream.write_all(OPTIONS).await.unwrap();
        let (flow, _) = server.message().await;
        let ok = Bytes::from_static(OK);
        assert!(server.transports.send(Via::Flow(flow), ok, None));
        let mut answer = vec![0; OK.len()];
        // The ticket comes with the first octets.
        tokio::select! {
            read = within(stream.read_exact(&mut answer)) => { read.unwrap(); }
            other = server.next() => panic!("{other:?}"),
        }
    }
}
