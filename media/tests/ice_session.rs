//! Two sessions agree on ICE in their descriptions, and their paths find each other.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_media::crypto::dtls::Identity;
use plenum_media::crypto::keys::Seed;
use plenum_media::ice::candidate::{Candidate, Kind, priority};
use plenum_media::ice::stun::{Class, Method, TransactionId, Writer};
use plenum_media::ice::{Local as LocalCandidate, Path};
use plenum_media::limits::{Limits, SecurityLimits};
use plenum_media::metrics::Metrics;
use plenum_media::path::{
    Handshakes, Inbound, Keying, MediaPath, PathConfig, PathEvent, PathOutput, Way,
};
use plenum_media::sdp::ice::LocalIce;
use plenum_media::sdp::{Local, Offers, Protection, Session};

fn limits() -> Limits {
    Limits {
        sdp_bytes: 8_192,
        sdp_sections: 6,
        sdp_formats: 24,
        ..Limits::default()
    }
}

/// A session at an address, its path when there is one.
struct Side {
    session: Session,
    path: MediaPath,
    at: SocketAddr,
    events: Vec<PathEvent>,
}

fn side(at: &str, lite: bool, seed: u8) -> Side {
    let at: SocketAddr = at.parse().unwrap();
    let candidate = |component: u8| LocalCandidate {
        path: Path {
            socket: component - 1,
            relayed: false,
        },
        candidate: Candidate {
            foundation: "1".to_owned(),
            component,
            priority: priority(Kind::Host, 65_535, component),
            address: SocketAddr::new(at.ip(), at.port() + u16::from(component) - 1),
            kind: Kind::Host,
            related: None,
        },
    };
    let ice = LocalIce {
        lite,
        offer: true,
        seed: [seed; 32],
        locals: vec![candidate(1), candidate(2)],
        signalled_from: None,
    };
    let local = Local {
        ice: Some(ice),
        ..Local::new(at.ip(), at.port(), u64::from(seed))
    };
    let config = PathConfig {
        identity: Arc::new(Identity::generate().unwrap()),
        limits: SecurityLimits::default(),
        handshakes: Handshakes::new(4),
        metrics: Arc::new(Metrics::default()),
    };
    Side {
        session: Session::new(local, limits(), Metrics::default()),
        path: MediaPath::new(config),
        at,
        events: Vec::new(),
    }
}

fn text(sdp: &Bytes) -> &str {
    std::str::from_utf8(sdp).unwrap()
}

/// Lets a second pass: every datagram of RTP's sockets is delivered at once.
fn run(now: &mut Instant, sides: &mut [Side; 2]) {
    for _ in 0..50 {
        *now += Duration::from_millis(20);
        for at in 0..2 {
            sides[at].path.handle_timeout(*now);
            let mut sent = Vec::new();
            loop {
                match sides[at].path.poll_output() {
                    PathOutput::Transmit { to, octets, .. } => sent.push((to, octets)),
                    PathOutput::Event(event) => sides[at].events.push(event),
                    PathOutput::Timeout(_) => break,
                }
            }
            let from = sides[at].at;
            let other = &mut sides[1 - at];
            for (to, mut octets) in sent {
                if to == other.at {
                    let inbound = other.path.handle_datagram(*now, 0, from, &mut octets);
                    assert_eq!(inbound, Inbound::Consumed);
                }
            }
        }
    }
}

fn agree(sides: &mut [Side; 2], now: Instant) -> (Bytes, Bytes) {
    let offer = sides[0].session.create_offer().unwrap();
    let (answer, _) = sides[1].session.handle_offer(&offer).unwrap();
    sides[0].session.handle_answer(&answer).unwrap();
    for side in sides {
        let path = side.session.path().unwrap();
        side.path.apply(now, &path);
    }
    (offer, answer)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn rfc8839_a_full_offerer_and_a_lite_answerer_find_each_other() {
    let mut now = start();
    let mut sides = [
        side("198.51.100.1:4000", false, 1),
        side("192.0.2.1:5000", true, 2),
    ];
    let (offer, answer) = agree(&mut sides, now);
    assert!(text(&offer).contains("a=candidate:1 1 UDP 2130706431 198.51.100.1 4000 typ host"));
    assert!(!text(&offer).contains("a=ice-lite"));
    let session = text(&answer).split("m=").next().unwrap();
    assert!(session.contains("a=ice-lite\r\n") && session.contains("a=ice-options:ice2\r\n"));
    assert!(!text(&answer).contains(" 5001 "), "RTCP shares the port");
    let mut packet = vec![0x80];
    assert_eq!(
        sides[0].path.way(0, &mut packet),
        Way::None,
        "nothing before a check went through"
    );
    run(&mut now, &mut sides);
    for (at, to) in [(0, sides[1].at), (1, sides[0].at)] {
        assert_eq!(
            sides[at].path.way(0, &mut packet),
            Way::Selected { via: 0, to }
        );
        assert_eq!(
            sides[at].path.way(1, &mut packet),
            Way::Selected { via: 0, to }
        );
        let selected = PathEvent::Selected {
            component: 0,
            remote: to,
            relayed: false,
        };
        assert!(
            sides[at].events.contains(&selected),
            "{:?}",
            sides[at].events
        );
    }
    // Nothing changes: the same credentials, no restart (RFC 8839 §4.4.1).
    let again = agree(&mut sides, now);
    assert_eq!((again.0, again.1), (offer, answer));
    run(&mut now, &mut sides);
    assert_eq!(
        sides[0]
            .events
            .iter()
            .filter(|e| matches!(e, PathEvent::Selected { .. }))
            .count(),
        1
    );
}

/// Lets time pass for one side. Whether the peer counts as gone then.
fn wait(side: &mut Side, now: &mut Instant, span: Duration) -> bool {
    *now += span;
    side.path.handle_timeout(*now);
    let mut gone = false;
    loop {
        match side.path.poll_output() {
            PathOutput::Transmit { .. } => {}
            PathOutput::Event(event) => gone |= event == PathEvent::ConsentLost,
            PathOutput::Timeout(_) => return gone,
        }
    }
}

#[test]
fn rfc8445_11_a_peer_on_hold_is_there_by_its_keep_alives_and_a_stranger_is_not_the_peer() {
    let mut now = start();
    let mut sides = [
        side("198.51.100.1:4000", false, 1),
        side("192.0.2.1:5000", true, 2),
    ];
    for side in &mut sides {
        let local = Local {
            protection: Protection::Never,
            ..side.session.local().clone()
        };
        side.session = Session::new(local, limits(), Metrics::default());
    }
    agree(&mut sides, now);
    run(&mut now, &mut sides);
    let (peer, stranger) = (sides[0].at, "203.0.113.66:4000".parse().unwrap());
    let ours = &mut sides[1];
    let keep_alive = Writer::new(Class::Indication, Method::BINDING, TransactionId([5; 12]));
    let keep_alive = keep_alive.fingerprint();
    for _ in 0..6 {
        ours.path
            .handle_datagram(now, 0, peer, &mut keep_alive.clone());
        assert!(!wait(ours, &mut now, Duration::from_secs(20)));
    }
    let mut gone = false;
    for sequence in 0..4 {
        let mut rtp = [0x80, 0, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        ours.path.handle_datagram(now, 0, stranger, &mut rtp);
        gone |= wait(ours, &mut now, Duration::from_secs(10));
    }
    assert!(gone, "a stranger's packets do not keep a call");
}

#[test]
fn rfc8839_4_2_5_a_rewritten_address_is_answered_with_ice_mismatch_and_plain_rtp() {
    let mut sides = [
        side("198.51.100.1:4000", false, 1),
        side("192.0.2.1:5000", true, 2),
    ];
    let offer = sides[0].session.create_offer().unwrap();
    let rewritten = text(&offer).replace("c=IN IP4 198.51.100.1", "c=IN IP4 203.0.113.9");
    let (answer, audio) = sides[1]
        .session
        .handle_offer(&Bytes::from(rewritten))
        .unwrap();
    assert!(text(&answer).contains("a=ice-mismatch\r\n"));
    assert!(!text(&answer).contains("a=ice-ufrag") && !text(&answer).contains("a=candidate"));
    assert_eq!(sides[1].session.path(), None);
    assert_eq!(audio.remote_rtp, "203.0.113.9:4000".parse().ok());
    sides[0].session.handle_answer(&answer).unwrap();
    assert_eq!(sides[0].session.path(), None);
}

#[test]
fn rfc8839_4_4_3_the_peers_new_credentials_get_new_ones_of_ours() {
    let mut sides = [
        side("198.51.100.1:4000", false, 1),
        side("192.0.2.1:5000", true, 2),
    ];
    let ufrag = |sdp: &Bytes| {
        let lines = text(sdp).lines();
        lines
            .filter_map(|l| l.strip_prefix("a=ice-ufrag:"))
            .next()
            .unwrap()
            .to_owned()
    };
    let (offer, answer) = agree(&mut sides, start());
    let restarted = text(&offer).replace(&ufrag(&offer), "restarted");
    let (second, _) = sides[1]
        .session
        .handle_offer(&Bytes::from(restarted))
        .unwrap();
    assert_ne!(ufrag(&answer), ufrag(&second));
}

#[test]
fn rfc8839_a_peer_without_ice_gets_none() {
    let mut answerer = side("192.0.2.1:5000", true, 2);
    let mut plain = Session::new(
        Local::new("198.51.100.1".parse().unwrap(), 4_000, 9),
        limits(),
        Metrics::default(),
    );
    let offer = plain.create_offer().unwrap();
    let (answer, _) = answerer.session.handle_offer(&offer).unwrap();
    assert!(!text(&answer).contains("a=ice") && !text(&answer).contains("a=candidate"));
    assert_eq!(answerer.session.path(), None);
    let other = answerer.session.create_offer().unwrap();
    assert!(
        !text(&other).contains("a=ice"),
        "nor later in the same session"
    );
}

/// A lite server that offers, and what a browser answers to it.
fn offered(offers: Offers, protection: Protection) -> (Session, String) {
    let lite = side("192.0.2.1:5000", true, 1);
    let local = Local {
        offers,
        protection,
        fingerprint: Some(Identity::generate().unwrap().fingerprint().clone()),
        seed: Some(Seed::new([3; 32])),
        ..lite.session.local().clone()
    };
    let mut session = Session::new(local, limits(), Metrics::default());
    let offer = session.create_offer().unwrap();
    (session, text(&offer).to_owned())
}

const BROWSER_ANSWERS: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 PROFILE 111 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:active\r\na=mid:0\r\n\
    a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/48000\r\n";

#[test]
fn rfc8829_5_2_1_an_offer_for_a_browser_is_bundled_and_has_a_handshake_and_ice_only() {
    let (mut session, offer) = offered(Offers::Browser, Protection::Optional);
    for line in [
        "m=audio 5000 UDP/TLS/RTP/SAVPF ",
        "\r\na=group:BUNDLE 0\r\n",
        "\r\na=mid:0\r\n",
        "\r\na=rtcp-mux\r\n",
        "\r\na=ice-lite\r\n",
        "\r\na=setup:actpass\r\n",
        "\r\na=msid:",
    ] {
        assert!(offer.contains(line), "{line:?} is not in {offer}");
    }
    assert!(!offer.contains("a=crypto"), "{offer}");
    let opus = offer.split("a=rtpmap:").find(|line| line.contains("opus"));
    let number = opus.unwrap().split(' ').next().unwrap();
    let answer = BROWSER_ANSWERS
        .replace("PROFILE 111", &format!("UDP/TLS/RTP/SAVPF {number}"))
        .replace("rtpmap:111", &format!("rtpmap:{number}"));
    session.handle_answer(&Bytes::from(answer)).unwrap();
    let path = session.path().unwrap();
    assert!(matches!(path.keying, Keying::Dtls(_)));
    assert!(path.rtcp_mux && path.ice.is_some());
}

#[test]
fn rfc8829_5_1_2_an_offer_for_either_has_what_telephones_take_and_browsers_need() {
    let (mut session, offer) = offered(Offers::Either, Protection::Optional);
    for line in [
        "RTP/AVP ",
        "a=crypto:",
        "a=fingerprint:",
        "a=ice-ufrag:",
        "a=group:BUNDLE 0",
    ] {
        assert!(offer.contains(line), "{line:?} is not in {offer}");
    }
    // A telephone that knows nothing of all that.
    let plain = "v=0\r\no=- 1 1 IN IP4 198.51.100.2\r\ns=-\r\nc=IN IP4 198.51.100.2\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 0\r\n";
    session.handle_answer(&Bytes::from(plain)).unwrap();
    assert_eq!(session.path(), None);
}

#[test]
fn a_policy_without_encryption_offers_none_to_browsers_either() {
    let (_, offer) = offered(Offers::Browser, Protection::Never);
    assert!(
        offer.contains("RTP/AVP ") && !offer.contains("a=fingerprint"),
        "{offer}"
    );
}
