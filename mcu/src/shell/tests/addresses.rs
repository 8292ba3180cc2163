//! Which addresses and ports media uses: several of one host, IPv6, RTCP beside RTP or on its port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;

use super::{Bench, ROOM, limits, port_of, settings};
use crate::control::{Action, EndpointId, EndpointSettings, Protection, Report};
use crate::shell::{Config, EventSink, Nat};

/// A server that listens on all addresses of the families given.
fn bench(config: Config) -> Bench {
    let (send, events) = sync_channel(10_000);
    let sink: EventSink = Arc::new(move |event| drop(send.try_send(event)));
    let mut bench = Bench::with_config(config, limits(), sink, events);
    bench.create(ROOM);
    bench
}

fn everywhere(ports: std::ops::RangeInclusive<u16>) -> Config {
    Config {
        bind_v4: Some(Ipv4Addr::UNSPECIFIED),
        ports,
        workers: 1,
        ..Config::default()
    }
}

/// A peer with a pair of ports.
struct Peer {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Peer {
    fn new(ip: IpAddr) -> Self {
        let (rtp, rtcp) = (20_000..60_000)
            .step_by(2)
            .find_map(|port| {
                let rtp = UdpSocket::bind(SocketAddr::new(ip, port)).ok()?;
                let rtcp = UdpSocket::bind(SocketAddr::new(ip, port + 1)).ok()?;
                Some((rtp, rtcp))
            })
            .unwrap();
        for socket in [&rtp, &rtcp] {
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
        }
        Self { rtp, rtcp }
    }

    fn offer(&self, attribute: &str) -> Bytes {
        let at = self.rtp.local_addr().unwrap();
        let (family, ip) = (if at.is_ipv6() { 6 } else { 4 }, at.ip());
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0\r\n{attribute}",
            at.port()
        ))
    }

    /// Waits for one datagram of a kind: where it came from.
    fn waits(&self, socket: &UdpSocket, wanted: impl Fn(&[u8]) -> bool) -> SocketAddr {
        let mut buffer = [0; 2_048];
        for _ in 0..400 {
            if let Ok((length, from)) = socket.recv_from(&mut buffer)
                && wanted(&buffer[..length])
            {
                return from;
            }
        }
        panic!("nothing of the kind came within 20 s");
    }
}

fn is_rtp(datagram: &[u8]) -> bool {
    datagram.len() > 12 && datagram[1] & 0x7f == 0
}

/// Does a compound packet hold a BYE (RFC 3550 §6.6)?
fn has_bye(mut datagram: &[u8]) -> bool {
    while let [_, kind, high, low, ..] = *datagram {
        if kind == 203 {
            return true;
        }
        let octets = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        datagram = datagram.get(octets..).unwrap_or_default();
    }
    false
}

fn add(bench: &mut Bench, endpoint: u64, offer: Bytes, settings: EndpointSettings) -> Bytes {
    let action = Action::Add {
        endpoint: EndpointId(endpoint),
        offer: Some(offer),
        settings,
    };
    let (result, reports) = bench.run(ROOM, action);
    result.unwrap();
    let answer = |report: Report| match report {
        Report::Answer { sdp, .. } => Some(sdp),
        _ => None,
    };
    reports.into_iter().find_map(answer).unwrap()
}

/// (where the signalling came to, what the answer names, where packets come from).
#[test]
fn rfc4961_media_leaves_from_the_address_the_answer_names() {
    for (ports, reached, from) in [
        (41_000..=41_009, [127, 0, 0, 3], Some([127, 0, 0, 3])),
        // Behind a translator: no address of ours, so any will do.
        (41_010..=41_019, [192, 0, 2, 7], None),
    ] {
        let mut bench = bench(everywhere(ports));
        let peer = Peer::new(Ipv4Addr::LOCALHOST.into());
        let reached = IpAddr::from(reached);
        let settings = EndpointSettings {
            reached_at: Some(reached),
            ..settings()
        };
        let answer = add(&mut bench, 1, peer.offer("a=rtcp-mux\r\n"), settings);
        let named = format!("c=IN IP4 {reached}\r\n");
        assert!(std::str::from_utf8(&answer).unwrap().contains(&named));
        let source = peer.waits(&peer.rtp, is_rtp);
        assert_eq!(source.port(), port_of(&answer));
        if let Some(from) = from {
            assert_eq!(source.ip(), IpAddr::from(from));
        }
    }
}

#[test]
fn ipv6_media_goes_both_ways() {
    let config = Config {
        bind_v4: Some(Ipv4Addr::LOCALHOST),
        bind_v6: Some(Ipv6Addr::LOCALHOST),
        ports: 41_020..=41_029,
        workers: 1,
        ..Config::default()
    };
    let mut bench = bench(config);
    let peer = Peer::new(Ipv6Addr::LOCALHOST.into());
    let answer = add(&mut bench, 1, peer.offer(""), settings());
    let text = std::str::from_utf8(&answer).unwrap();
    assert!(text.contains("c=IN IP6 ::1\r\n"), "{text}");
    let source = peer.waits(&peer.rtp, is_rtp);
    assert_eq!(
        source,
        SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port_of(&answer))
    );
    for n in 0..10_u8 {
        let mut packet = vec![0x80, 0, 0, n, 0, 0, 0, n, 1, 2, 3, 4];
        packet.extend([0xff; 160]);
        peer.rtp.send_to(&packet, source).unwrap();
    }
    let received = |bench: &Bench| bench.mcu.quality(ROOM)[0].1.packets_received;
    assert!((0..100).any(|_| received(&bench) > 0));
}

#[test]
fn rfc3550_11_rtcp_has_the_port_above_and_says_bye_there() {
    let mut bench = bench(everywhere(41_030..=41_039));
    let peer = Peer::new(Ipv4Addr::LOCALHOST.into());
    let answer = add(&mut bench, 1, peer.offer(""), settings());
    peer.waits(&peer.rtp, is_rtp);
    let endpoint = EndpointId(1);
    bench.run(ROOM, Action::Remove { endpoint }).0.unwrap();
    let source = peer.waits(&peer.rtcp, has_bye);
    assert_eq!(source.port(), port_of(&answer) + 1);
}

#[test]
fn rfc5761_a_shared_port_leaves_the_other_closed_and_can_be_given_up() {
    let mut bench = bench(everywhere(41_040..=41_049));
    let peer = Peer::new(Ipv4Addr::LOCALHOST.into());
    let answer = add(&mut bench, 1, peer.offer("a=rtcp-mux\r\n"), settings());
    peer.waits(&peer.rtp, is_rtp);
    let above = SocketAddr::from(([0, 0, 0, 0], port_of(&answer) + 1));
    assert!(UdpSocket::bind(above).is_ok(), "nobody needs it");
    let endpoint = EndpointId(1);
    let offer = Some(peer.offer(""));
    bench
        .run(ROOM, Action::Renegotiate { endpoint, offer })
        .0
        .unwrap();
    // The change is in force before the mixer answers the next command.
    bench.run(ROOM, Action::Remove { endpoint }).0.unwrap();
    let source = peer.waits(&peer.rtcp, has_bye);
    assert_eq!(source.port(), above.port());
}

/// A call of ours has no address that it came to: its offer names one that can be reached, of the family that is known.
#[test]
fn an_offer_of_ours_names_an_address() {
    let mut bench = bench(Config {
        bind_v6: Some(Ipv6Addr::UNSPECIFIED),
        ..everywhere(33_400..=33_440)
    });
    let families = [None, Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))];
    for (endpoint, reached_at) in (1..).zip(families) {
        let action = Action::Add {
            endpoint: EndpointId(endpoint),
            offer: None,
            settings: EndpointSettings {
                reached_at,
                ..settings()
            },
        };
        let (result, reports) = bench.run(ROOM, action);
        result.unwrap();
        let offer = reports.into_iter().find_map(|report| match report {
            Report::Offer { sdp, .. } => Some(String::from_utf8(sdp.to_vec()).unwrap()),
            _ => None,
        });
        let offer = offer.unwrap();
        let family = if reached_at.is_some() { "IP6" } else { "IP4" };
        let start = format!("c=IN {family} ");
        let named = offer.lines().find_map(|line| line.strip_prefix(&start));
        let named: IpAddr = named.unwrap_or_else(|| panic!("{offer}")).parse().unwrap();
        assert!(!named.is_unspecified(), "{offer}");
        // It is one of this machine.
        UdpSocket::bind((named, 0)).unwrap();
    }
}

/// Whether plain RTP and encrypted media are taken goes by the peer's network before what holds for all.
#[test]
fn rfc4568_encryption_is_asked_for_or_refused_by_the_peers_network() {
    let [strict, old, other] = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]].map(IpAddr::from);
    let of = move |peer: IpAddr| match peer {
        peer if peer == strict => Some(Protection::Required),
        peer if peer == old => Some(Protection::Never),
        _ => None,
    };
    let mut bench = bench(Config {
        nat: Nat {
            protection: Arc::new(of),
            ..Nat::default()
        },
        ..everywhere(41_050..=41_079)
    });
    let plain = "m=audio 4000 RTP/AVP 0\r\n";
    let secure = "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                  inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let mut endpoint = 0;
    let mut taken = |peer: IpAddr, media: &str| {
        endpoint += 1;
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}"
        );
        let action = Action::Add {
            endpoint: EndpointId(endpoint),
            offer: Some(Bytes::from(offer)),
            settings: EndpointSettings {
                signalled_from: Some(peer),
                ..settings()
            },
        };
        bench.run(ROOM, action).0.is_ok()
    };
    for (peer, expected) in [
        (strict, [false, true]),
        (old, [true, false]),
        (other, [true, true]),
    ] {
        assert_eq!(
            [taken(peer, plain), taken(peer, secure)],
            expected,
            "{peer}"
        );
    }
}
