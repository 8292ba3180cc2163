//! The resolver against a name server on the loopback, and without any.

use plenum_sip::endpoint::Transport;
use plenum_sip::msg::Uri;
use plenum_sip::resolve::{Policy, Resolution, Resolver};
use plenum_sip::transport::Unresolved;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// A name on the wire (RFC 1035 §3.1).
fn labels(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    let mut wire: Vec<u8> = name.split('.').flat_map(label).collect();
    wire.push(0);
    wire
}

/// The data of the records of `pbx.test`.
fn records(name: &str, kind: u16) -> Vec<Vec<u8>> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    match (name.to_ascii_lowercase().as_str(), kind) {
        ("pbx.test", NAPTR) => {
            let service = [vec![0, 1, 0, 1], text("s"), text("SIP+D2T"), text("")].concat();
            vec![[service, labels("_sip._tcp.pbx.test")].concat()]
        }
        ("_sip._tcp.pbx.test", SRV) => {
            let one = [vec![0, 2, 0, 0, 0x13, 0xC5], labels("b.pbx.test")].concat();
            let two = [vec![0, 1, 0, 0, 0x13, 0xC4], labels("a.pbx.test")].concat();
            vec![one, two]
        }
        ("a.pbx.test", A) => vec![vec![192, 0, 2, 1]],
        ("b.pbx.test", AAAA) => {
            vec![
                "2001:db8::2"
                    .parse::<std::net::Ipv6Addr>()
                    .unwrap()
                    .octets()
                    .into(),
            ]
        }
        _ => Vec::new(),
    }
}

/// Answers one query (RFC 1035 §4.1).
fn respond(query: &[u8]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let mut name = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        name.push(std::str::from_utf8(&query[at + 1..at + 1 + length]).unwrap());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let records = records(&name.join("."), kind);
    let count = u8::try_from(records.len()).unwrap();
    let mut response = [&query[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
    response.extend(&query[12..end + 4]);
    for data in records {
        response.extend([0xC0, 12]);
        response.extend(kind.to_be_bytes());
        response.extend([0, 1, 0, 0, 0, 60]);
        response.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        response.extend(data);
    }
    response
}

async fn serve(socket: UdpSocket) {
    let mut query = [0; 1500];
    loop {
        let (octets, client) = socket.recv_from(&mut query).await.unwrap();
        socket
            .send_to(&respond(&query[..octets]), client)
            .await
            .unwrap();
    }
}

fn policy() -> Policy {
    let transports = vec![Transport::Udp, Transport::Tcp];
    Policy {
        transports,
        v4: true,
        v6: true,
        targets: 8,
    }
}

async fn resolve(resolver: &mut Resolver, uri: &str) -> Result<Vec<String>, Unresolved> {
    let uri: Uri = uri.parse().unwrap();
    let targets = match resolver.resolve(&uri) {
        Resolution::Done(targets) => targets,
        Resolution::Failed(reason) => return Err(reason),
        Resolution::Pending(pending) => {
            let bound = Duration::from_secs(20);
            tokio::time::timeout(bound, pending.run())
                .await
                .expect("no end")?
        }
    };
    let words = targets
        .into_iter()
        .map(|to| format!("{:?} {}", to.transport, to.remote));
    Ok(words.collect())
}

#[tokio::test]
async fn rfc3263_4_a_name_server_is_asked_for_naptr_srv_and_addresses() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    let serving = tokio::spawn(serve(socket));
    let patience = Duration::from_secs(10);
    let mut resolver = Resolver::with_servers(&[server], policy(), patience, [1; 32]);
    let expected = ["Tcp 192.0.2.1:5060", "Tcp [2001:db8::2]:5061"].map(str::to_owned);
    assert_eq!(
        resolve(&mut resolver, "sip:pbx.test").await,
        Ok(expected.into())
    );
    let nothing = resolve(&mut resolver, "sip:nobody.test").await;
    assert_eq!(nothing, Err(Unresolved::NotFound));
    serving.abort();
}

#[tokio::test]
async fn a_silent_name_server_costs_a_bounded_time_and_numeric_hosts_none() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server: SocketAddr = silent.local_addr().unwrap();
    let patience = Duration::from_millis(400);
    let mut resolver = Resolver::with_servers(&[server], policy(), patience, [1; 32]);
    let late = resolve(&mut resolver, "sip:pbx.test").await;
    assert!(
        matches!(late, Err(Unresolved::TimedOut | Unresolved::NotFound)),
        "{late:?}"
    );
    let numeric: Uri = "sip:192.0.2.1".parse().unwrap();
    assert!(matches!(resolver.resolve(&numeric), Resolution::Done(targets) if targets.len() == 1));
    let tel: Uri = "tel:+4930".parse().unwrap();
    assert!(matches!(
        resolver.resolve(&tel),
        Resolution::Failed(Unresolved::Unsupported)
    ));
}

#[tokio::test]
async fn rfc6761_6_3_localhost_needs_no_name_server() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = silent.local_addr().unwrap();
    let patience = Duration::from_secs(10);
    let mut resolver = Resolver::with_servers(&[server], policy(), patience, [1; 32]);
    let expected = ["Udp 127.0.0.1:5060", "Udp [::1]:5060"].map(str::to_owned);
    assert_eq!(
        resolve(&mut resolver, "sip:localhost").await,
        Ok(expected.into())
    );
    assert!(silent.try_recv(&mut [0; 10]).is_err(), "nobody was asked");
}
