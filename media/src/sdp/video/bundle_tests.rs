//! Sound and pictures in one group, as browsers offer them (RFC 9143, RFC 8829).

use super::*;
use crate::crypto::fingerprint::Fingerprint;
use crate::crypto::keys::Seed;
use crate::metrics::Metrics;
use crate::path::Keying;
use crate::sdp::attr::Direction;
use crate::sdp::ice::LocalIce;
use crate::sdp::tests::limits;
use crate::sdp::{Local, Offers, Session};
use crate::video::frame::VideoCodec;
use bytes::Bytes;

const FINGERPRINT: &str = "sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

fn video(sources: (u32, u32), port: u16) -> Box<LocalVideo> {
    Box::new(LocalVideo {
        rtp_port: port,
        rtcp_port: port + 1,
        seed: Some(Seed::new([7; 32])),
        ice: Some(ice(2)),
        codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
        rows: 720,
        bitrate: 1_500_000,
        sources,
        cname: "us".to_owned(),
    })
}

fn ice(seed: u8) -> LocalIce {
    LocalIce {
        lite: true,
        offer: true,
        seed: [seed; 32],
        locals: Vec::new(),
        signalled_from: None,
    }
}

fn local() -> Local {
    Local {
        fingerprint: Fingerprint::parse(FINGERPRINT),
        ice: Some(ice(1)),
        video: Some(video((11, 12), 40_002)),
        content: Some(video((13, 14), 40_004)),
        ..Local::new("192.0.2.100".parse().unwrap(), 40_000, 7)
    }
}

fn session(local: Local) -> Session {
    Session::new(local, limits(), Metrics::default())
}

/// What a section says of its transport.
fn transport(ufrag: &str) -> String {
    format!(
        "a=rtcp-mux|a=ice-ufrag:{ufrag}|a=ice-pwd:asd88fgpdd777uzjYhagZg|a=fingerprint:{FINGERPRINT}|a=setup:actpass|"
    )
}

/// `group`, and lines of each section's own: its port and transport before its formats.
struct Offer<'a> {
    group: &'a str,
    audio: (u16, String),
    video: (u16, String),
    slides: Option<(u16, String)>,
}

const VIDEO: &str = "a=rtcp-fb:96 goog-remb|a=rtcp-fb:96 transport-cc|a=rtcp-fb:96 nack|a=rtcp-fb:96 nack pli|\
    a=rtpmap:96 VP8/90000|a=rtpmap:97 rtx/90000|a=fmtp:97 apt=96|\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01|\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid|";

impl Offer<'_> {
    fn text(&self) -> Bytes {
        let (port, own) = &self.audio;
        let mut text = format!(
            "v=0|o=- 1 2 IN IP4 127.0.0.1|s=-|t=0 0|{}m=audio {port} UDP/TLS/RTP/SAVPF 111 0|c=IN IP4 0.0.0.0|a=mid:0|\
             a=rtpmap:111 opus/48000/2|a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level|\
             a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01|\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid|{own}a=sendrecv|",
            self.group
        );
        let sections = [
            (1, "100 cname:x", Some(&self.video)),
            (2, "200 cname:x|a=content:slides", self.slides.as_ref()),
        ];
        for (mid, ssrc, section) in sections {
            let Some((port, own)) = section else { continue };
            text += &format!(
                "m=video {port} UDP/TLS/RTP/SAVPF 96 97|c=IN IP4 0.0.0.0|a=mid:{mid}|{VIDEO}{own}a=ssrc:{ssrc}|a=sendrecv|"
            );
        }
        Bytes::from(text.replace('|', "\r\n"))
    }
}

/// Chromium with `bundlePolicy: "max-bundle"`.
fn max_bundle() -> Offer<'static> {
    Offer {
        group: "a=group:BUNDLE 0 1 2|",
        audio: (9, transport("chro")),
        video: (9, transport("chro")),
        slides: Some((9, transport("chro"))),
    }
}

/// Firefox: what can only be bundled has port 0 and no transport.
fn bundle_only() -> Offer<'static> {
    let only = || (0, "a=bundle-only|".to_owned());
    Offer {
        group: "a=group:BUNDLE 0 1 2|",
        audio: (9, transport("fire")),
        video: only(),
        slides: Some(only()),
    }
}

/// Sections that could do without the group.
fn balanced() -> Offer<'static> {
    Offer {
        group: "a=group:BUNDLE 0 1|",
        audio: (5_000, transport("aaaa")),
        video: (5_002, transport("vvvv")),
        slides: None,
    }
}

fn said(answer: &Bytes) -> &str {
    std::str::from_utf8(answer).unwrap()
}

fn sections(answer: &Bytes) -> Vec<&str> {
    said(answer).split("\r\nm=").skip(1).collect()
}

#[test]
fn rfc9143_7_3_all_sections_share_the_transport_of_sound() {
    for (offer, group, count) in [
        (max_bundle(), "a=group:BUNDLE 0 1 2", 3),
        (bundle_only(), "a=group:BUNDLE 0 1 2", 3),
        (balanced(), "a=group:BUNDLE 0 1", 2),
    ] {
        let mut session = session(local());
        let (answer, audio) = session.handle_offer(&offer.text()).unwrap();
        assert!(
            said(&answer).contains(&format!("\r\n{group}\r\n")),
            "{}",
            said(&answer)
        );
        let sections = sections(&answer);
        assert_eq!(sections.len(), count);
        for (index, section) in sections.iter().enumerate() {
            let port = section.split(' ').nth(1);
            assert_eq!(port, Some("40000"), "the port of sound: {section}");
            assert!(section.contains("a=rtcp-mux\r\n"), "{section}");
            for line in ["a=ice-ufrag:", "a=fingerprint:", "a=setup:"] {
                assert_eq!(section.contains(line), index == 0, "{line}: {section}");
            }
        }
        assert!(audio.rtcp_mux);
        let main = session.stream(Role::Main).unwrap();
        assert!(main.section.bundled && main.path().is_none());
        assert_eq!(main.keying, Keying::Plain);
        assert_eq!(main.sources.as_slice(), [100]);
        assert_eq!(main.video.mid, Some((4, Bytes::from_static(b"1"))));
        assert_eq!(
            main.video.transport_cc,
            Some(3),
            "the first pictures are counted"
        );
        assert_eq!(main.video.remote_rtp, audio.remote_rtp);
        let Some(slides) = session.stream(Role::Content) else {
            continue;
        };
        assert_eq!(slides.sources.as_slice(), [200]);
        assert_eq!(slides.video.mid, Some((4, Bytes::from_static(b"2"))));
        assert!(slides.video.transport_cc.is_none() && !slides.video.feedback.transport_cc);
        assert!(slides.video.feedback.remb, "we obey the viewer of slides");
    }
}

#[test]
fn rfc9143_7_3_without_what_a_group_needs_it_is_declined() {
    let mut without_mux = max_bundle();
    without_mux.audio.1 = without_mux.audio.1.replace("a=rtcp-mux|", "");
    let mut without_ice = balanced();
    without_ice.audio.1 = format!("a=rtcp-mux|a=fingerprint:{FINGERPRINT}|a=setup:actpass|");
    let mut without_group = balanced();
    without_group.group = "";
    let deaf = Local {
        ice: None,
        ..local()
    };
    for (ours, offer) in [
        (local(), without_mux),
        (local(), without_ice),
        (local(), without_group),
        (deaf, balanced()),
    ] {
        let mut session = session(ours);
        let (answer, _) = session.handle_offer(&offer.text()).unwrap();
        assert!(!said(&answer).contains("a=group"), "{}", said(&answer));
        let main = session.stream(Role::Main).unwrap();
        assert!(!main.section.bundled && main.path().is_some());
        assert!(
            sections(&answer)[1].starts_with("video 40002 "),
            "its own port"
        );
        assert!(
            said(&answer).matches("a=setup:").count() >= 2,
            "its own handshake"
        );
    }
    // And what has no transport of its own is refused.
    let mut session = session(Local {
        ice: None,
        ..local()
    });
    let (answer, _) = session.handle_offer(&bundle_only().text()).unwrap();
    assert!(
        sections(&answer)[1].starts_with("video 0 "),
        "{}",
        said(&answer)
    );
}

#[test]
fn rfc9143_9_1_a_number_that_means_two_things_is_refused() {
    let mut offer = max_bundle();
    offer.slides = None;
    offer.group = "a=group:BUNDLE 0 1|";
    let text = said(&offer.text()).replace("SAVPF 96 97", "SAVPF 111 97");
    let text = text.replace(":96 ", ":111 ").replace("apt=96", "apt=111");
    // The rtpmap of sound itself.
    let mut session = session(local());
    let (answer, _) = session.handle_offer(&Bytes::from(text)).unwrap();
    assert!(
        sections(&answer)[1].starts_with("video 0 "),
        "{}",
        said(&answer)
    );
    assert!(said(&answer).contains("a=group:BUNDLE 0\r\n"));
    assert!(session.stream(Role::Main).is_none());
}

#[test]
fn rfc9143_7_3_1_the_transport_is_described_in_the_tagged_section() {
    let mut offer = bundle_only();
    offer.group = "a=group:BUNDLE 1 0|";
    offer.slides = None;
    offer.video = (9, transport("tagg"));
    offer.audio = (0, "a=bundle-only|".to_owned());
    let mut session = session(local());
    let (answer, _) = session.handle_offer(&offer.text()).unwrap();
    assert!(
        said(&answer).contains("a=group:BUNDLE 1 0\r\n"),
        "{}",
        said(&answer)
    );
    let [audio, video] = sections(&answer)[..] else {
        panic!("{}", said(&answer));
    };
    assert!(
        !audio.contains("a=ice-ufrag") && !audio.contains("a=fingerprint"),
        "{audio}"
    );
    assert!(
        video.contains("a=ice-ufrag") && video.contains("a=setup:active"),
        "{video}"
    );
    let path = session.path().unwrap();
    assert_eq!(path.ice.unwrap().negotiated.remote.ufrag, "tagg");
}

#[test]
fn rfc9143_7_5_sections_come_and_go_and_the_transport_stays() {
    let mut session = session(Local {
        content: None,
        ..local()
    });
    let mut offer = max_bundle();
    (offer.slides, offer.group) = (None, "a=group:BUNDLE 0|");
    let camera = std::mem::take(&mut offer.video);
    session.handle_offer(&offer.text()).unwrap();
    assert!(session.stream(Role::Main).is_none());
    let before = session.path().unwrap();
    (offer.video, offer.group) = (camera, "a=group:BUNDLE 0 1|");
    let (answer, _) = session.handle_offer(&offer.text()).unwrap();
    assert!(
        said(&answer).contains("a=group:BUNDLE 0 1\r\n"),
        "{}",
        said(&answer)
    );
    assert!(session.stream(Role::Main).unwrap().section.bundled);
    assert_eq!(
        session.path().unwrap(),
        before,
        "neither handshake nor checks begin anew"
    );
    // Hold, by us and by them, in the group.
    session.set_direction(Direction::SendOnly);
    let ours = session.create_offer().unwrap();
    assert!(
        said(&ours).contains("a=group:BUNDLE 0 1\r\n"),
        "{}",
        said(&ours)
    );
    assert_eq!(
        said(&ours).matches("a=ice-ufrag:").count(),
        1,
        "{}",
        said(&ours)
    );
    assert_eq!(
        said(&ours).matches(" 40000 UDP/TLS").count(),
        2,
        "{}",
        said(&ours)
    );
    let held = said(&offer.text()).replace("a=sendrecv", "a=recvonly");
    session
        .handle_answer(&Bytes::from(held.replace("actpass", "passive")))
        .unwrap();
    assert!(session.stream(Role::Main).unwrap().section.bundled);
    session.set_direction(Direction::SendRecv);
    // RFC 8839 §4.4.3.1.1: another fragment restarts the one agent there is.
    (offer.audio.1, offer.video.1) = (transport("next"), transport("next"));
    session.handle_offer(&offer.text()).unwrap();
    let restarted = session.path().unwrap();
    assert_eq!(restarted.ice.as_ref().unwrap().generation, 1);
    assert_eq!(restarted.keying, before.keying);
    // Gone, and what leaves the group with an address of its own is refused: there is nobody at ours.
    let mut alone = max_bundle();
    (alone.slides, alone.group) = (None, "a=group:BUNDLE 0|");
    alone.audio.1 = transport("next");
    let (answer, _) = session.handle_offer(&alone.text()).unwrap();
    assert!(
        sections(&answer)[1].starts_with("video 0 "),
        "{}",
        said(&answer)
    );
    assert!(said(&answer).contains("a=group:BUNDLE 0\r\n"));
}

#[test]
fn rfc9143_7_2_2_browsers_are_offered_pictures_in_the_group_alone() {
    let ours = || Local {
        offers: Offers::Browser,
        content: None,
        ..local()
    };
    let mut us = session(ours());
    let offer = us.create_offer().unwrap();
    let text = said(&offer);
    for line in [
        "a=group:BUNDLE 0 1\r\n",
        "\r\nm=video 0 UDP/TLS/RTP/SAVPF ",
        "a=bundle-only\r\n",
        "a=mid:1\r\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.matches("a=ice-ufrag:").count(), 1, "{text}");
    let mut them = session(local());
    let (answer, _) = them.handle_offer(&offer).unwrap();
    us.handle_answer(&answer).unwrap();
    for side in [&us, &them] {
        let main = side.stream(Role::Main).unwrap();
        assert!(main.section.bundled && main.video.mid.is_some());
        assert!(main.video.transport_cc.is_some());
    }
    let again = us.create_offer().unwrap();
    assert!(!said(&again).contains("bundle-only"), "{}", said(&again));
    us.rollback();
    // Who does not bundle has no pictures, and the call goes on.
    let mut us = session(ours());
    let offer = us.create_offer().unwrap();
    let mut them = session(Local {
        video: None,
        ..local()
    });
    let (answer, _) = them.handle_offer(&offer).unwrap();
    let declined = said(&answer).replace("a=group:BUNDLE 0\r\n", "");
    us.handle_answer(&Bytes::from(declined)).unwrap();
    assert!(us.stream(Role::Main).is_none());
    let again = us.create_offer().unwrap();
    assert!(!said(&again).contains("a=group"), "{}", said(&again));
}
