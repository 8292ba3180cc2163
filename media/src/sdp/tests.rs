//! The state machine and what the fixtures cannot say: versions, rollback, payload type memory.

use super::attr::Direction;
use super::{ApiMisuse, Incompatible, Local, Malformed, SdpError, Session};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::negotiated::{Codec, Payload};
use bytes::Bytes;

/// Small enough to be reached in tests.
pub(crate) fn limits() -> Limits {
    Limits {
        sdp_bytes: 4_096,
        sdp_sections: 6,
        sdp_formats: 24,
        ..Limits::default()
    }
}

fn session() -> Session {
    let local = Local::new("192.0.2.100".parse().unwrap(), 40_000, 7);
    Session::new(local, limits(), Metrics::default())
}

fn sdp(media: &str) -> Bytes {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    Bytes::from(format!("{head}{}\r\n", media.replace('|', "\r\n")))
}

fn version(description: &Bytes) -> u64 {
    let text = std::str::from_utf8(description).unwrap();
    let origin = text.lines().find(|line| line.starts_with("o=")).unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

fn lines<'a>(description: &'a Bytes, start: &str) -> Vec<&'a str> {
    let text = std::str::from_utf8(description).unwrap();
    text.lines()
        .filter(|line| line.starts_with(start))
        .collect()
}

#[test]
fn the_answer_in_full() {
    let offer = sdp("m=audio 5000 RTP/AVP 96 8 101|a=rtpmap:96 opus/48000/2|\
         a=rtpmap:101 telephone-event/8000|a=rtcp-mux|a=mid:0|\
         a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level|m=video 5002 RTP/AVP 97|a=mid:1");
    let (answer, audio) = session().handle_offer(&offer).unwrap();
    let expected = "v=0\r\no=- 7 1 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\n\
        m=audio 40000 RTP/AVP 96 8 101\r\na=mid:0\r\na=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 minptime=10;maxaveragebitrate=40000;useinbandfec=1\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\n\
        a=rtcp-mux\r\na=extmap:4/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=sendrecv\r\nm=video 0 RTP/AVP 97\r\na=mid:1\r\n";
    assert_eq!(std::str::from_utf8(&answer).unwrap(), expected);
    assert_eq!(
        audio.send_dtmf_pt, None,
        "RFC 4733 §2.1: events share the audio's clock"
    );
    assert_eq!(audio.audio_level_id, Some(4));
    assert_eq!(audio.remote_rtcp, audio.remote_rtp, "RFC 5761");
}

#[test]
fn the_version_moves_only_with_the_description() {
    let mut session = session();
    let offer = sdp("m=audio 5000 RTP/AVP 8");
    let (first, _) = session.handle_offer(&offer).unwrap();
    let (refresh, _) = session.handle_offer(&offer).unwrap();
    assert_eq!(first, refresh, "RFC 3264 §8");
    let (held, audio) = session
        .handle_offer(&sdp("m=audio 5000 RTP/AVP 8|a=sendonly"))
        .unwrap();
    assert_eq!((version(&first), version(&held)), (1, 2));
    assert_eq!((audio.sending, audio.receiving), (false, true));
}

#[test]
fn our_hold_and_its_end() {
    let mut session = session();
    let offer = sdp("m=audio 5000 RTP/AVP 8");
    session.handle_offer(&offer).unwrap();
    session.set_direction(Direction::SendOnly);
    let held = session.create_offer().unwrap();
    assert_eq!(lines(&held, "a=send"), ["a=sendonly"]);
    let audio = session
        .handle_answer(&sdp("m=audio 5000 RTP/AVP 8|a=recvonly"))
        .unwrap();
    assert_eq!((audio.sending, audio.receiving), (true, false));
    let (answer, _) = session.handle_offer(&offer).unwrap();
    assert_eq!(
        lines(&answer, "a=send"),
        ["a=sendonly"],
        "our hold outlives the peer's offer"
    );
    session.set_direction(Direction::SendRecv);
    let (_, audio) = session.handle_offer(&offer).unwrap();
    assert_eq!((audio.sending, audio.receiving), (true, true));
}

#[test]
fn one_offer_at_a_time() {
    // RFC 3264 §4.
    let mut session = session();
    let offer = sdp("m=audio 5000 RTP/AVP 8");
    assert_eq!(
        session.handle_answer(&offer),
        Err(ApiMisuse::NoLocalOffer.into())
    );
    assert_eq!(
        session.create_answer(),
        Err(ApiMisuse::NoRemoteOffer.into())
    );
    session.receive_offer(&offer).unwrap();
    assert_eq!(session.create_offer(), Err(ApiMisuse::AnswerOwed));
    assert_eq!(
        session.receive_offer(&offer),
        Err(ApiMisuse::AnswerOwed.into())
    );
    session.create_answer().unwrap();
    session.create_offer().unwrap();
    assert!(!session.is_stable());
    assert_eq!(
        session.handle_offer(&offer),
        Err(ApiMisuse::OfferOutstanding.into())
    );
    session.rollback();
    assert!(session.is_stable());
}

#[test]
fn a_rolled_back_offer_changes_nothing_agreed() {
    let mut session = session();
    let offer = sdp("m=audio 5000 RTP/AVP 8");
    let (answer, audio) = session.handle_offer(&offer).unwrap();
    let ours = session.create_offer().unwrap();
    session.rollback();
    assert_eq!(session.negotiated(), Some(&audio));
    let (again, _) = session.handle_offer(&offer).unwrap();
    // The refused offer used up a version: the number never goes back.
    assert_eq!(
        (version(&answer), version(&ours), version(&again)),
        (1, 2, 3)
    );
}

#[test]
fn a_refused_offer_changes_nothing_agreed() {
    let metrics = Metrics::default();
    let local = Local::new("192.0.2.100".parse().unwrap(), 40_000, 7);
    let mut session = Session::new(local, limits(), metrics.clone());
    let (_, audio) = session
        .handle_offer(&sdp("m=audio 5000 RTP/AVP 8"))
        .unwrap();
    let refused = session.handle_offer(&sdp("m=audio 5000 RTP/AVP 18"));
    let no_codec = Incompatible::NoCodec("Opus, G.722, PCMA, PCMU".to_owned());
    assert_eq!(refused, Err(SdpError::Incompatible(no_codec)));
    let broken = session.handle_offer(&Bytes::from_static(b"v=0\r\nnonsense\r\n"));
    assert_eq!(broken, Err(SdpError::Malformed(Malformed::Line(2))));
    assert_eq!(session.negotiated(), Some(&audio));
    assert!(session.is_stable());
    assert_eq!(
        (metrics.sdp_incompatible.get(), metrics.sdp_malformed.get()),
        (1, 1)
    );
}

#[test]
fn a_late_offer_shows_everything() {
    let mut session = session();
    let offer = session.create_offer().unwrap();
    assert_eq!(
        lines(&offer, "m="),
        ["m=audio 40000 RTP/AVP 111 9 8 0 110 101 13"]
    );
    // The peer answers with numbers of its own (RFC 3264 §5.1).
    let answer = sdp("m=audio 5000 RTP/AVP 120 100|a=rtpmap:120 opus/48000/2|\
         a=rtpmap:100 telephone-event/48000|a=extmap:1/sendonly \
         urn:ietf:params:rtp-hdrext:ssrc-audio-level");
    let audio = session.handle_answer(&answer).unwrap();
    assert_eq!((audio.send_pt, audio.send_dtmf_pt), (120, Some(100)));
    assert_eq!(audio.receive[0], (111, Payload::Audio(Codec::Opus)));
    assert_eq!(audio.audio_level_id, Some(1));
    assert!(!audio.rtcp_mux);
}

#[test]
fn a_further_offer_leads_with_the_codec_in_use() {
    let mut session = session();
    session.create_offer().unwrap();
    session
        .handle_answer(&sdp("m=audio 5000 RTP/AVP 8"))
        .unwrap();
    let offer = session.create_offer().unwrap();
    assert_eq!(
        lines(&offer, "m="),
        ["m=audio 40000 RTP/AVP 8 111 9 0 101 110 13"]
    );
}

#[test]
fn payload_types_never_change_their_meaning() {
    // RFC 3264 §8.3.2: 96 was Opus for us, so it cannot become telephone events.
    let mut session = session();
    let first = sdp("m=audio 5000 RTP/AVP 96|a=rtpmap:96 opus/48000/2");
    session.handle_offer(&first).unwrap();
    let second = sdp("m=audio 5000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000");
    let (answer, audio) = session.handle_offer(&second).unwrap();
    assert_eq!(lines(&answer, "m="), ["m=audio 40000 RTP/AVP 8 97"]);
    assert_eq!(audio.send_dtmf_pt, Some(96));
    let offer = session.create_offer().unwrap();
    assert_eq!(
        lines(&offer, "m="),
        ["m=audio 40000 RTP/AVP 8 96 9 0 97 110 13"]
    );
}

#[test]
fn sections_stay_in_their_places() {
    let mut session = session();
    let offer = sdp("m=video 5002 RTP/AVP 97|m=audio 5000 RTP/AVP 8|m=application 5004 UDP/BFCP *");
    let (answer, _) = session.handle_offer(&offer).unwrap();
    let places = [
        "m=video 0 RTP/AVP 97",
        "m=audio 40000 RTP/AVP 8",
        "m=application 0 UDP/BFCP *",
    ];
    assert_eq!(lines(&answer, "m="), places);
    let ours = session.create_offer().unwrap();
    let places = [
        places[0],
        "m=audio 40000 RTP/AVP 8 111 9 0 101 110 13",
        places[2],
    ];
    assert_eq!(lines(&ours, "m="), places);
    let audio = session.handle_answer(&sdp("m=video 0 RTP/AVP 97|m=audio 5000 RTP/AVP 8"));
    assert_eq!(audio.unwrap().send_pt, 8, "left out at the end is refused");
}

#[test]
fn answers_that_are_none() {
    let mut session = session();
    session.create_offer().unwrap();
    let cases: [(&str, SdpError); 5] = [
        (
            "a=none",
            Malformed::Sections {
                answer: 0,
                offer: 1,
            }
            .into(),
        ),
        (
            "m=audio 1 RTP/AVP 8|m=audio 1 RTP/AVP 8",
            Malformed::Sections {
                answer: 2,
                offer: 1,
            }
            .into(),
        ),
        ("m=video 1 RTP/AVP 8", Malformed::NotAudio(0).into()),
        ("m=audio 0 RTP/AVP 8", Incompatible::AudioRefused.into()),
        (
            "m=audio 1 RTP/AVP 18",
            Incompatible::NoCodec("Opus, G.722, PCMA, PCMU".to_owned()).into(),
        ),
    ];
    for (media, error) in cases {
        assert_eq!(session.handle_answer(&sdp(media)), Err(error), "{media}");
    }
    assert!(session.handle_answer(&sdp("m=audio 1 RTP/AVP 8")).is_ok());
}

#[test]
fn port_zero_and_back() {
    // RFC 3264 §8.2.
    let mut session = session();
    session
        .handle_offer(&sdp("m=audio 5000 RTP/AVP 8 0"))
        .unwrap();
    let (answer, audio) = session.handle_offer(&sdp("m=audio 0 RTP/AVP 8 0")).unwrap();
    assert_eq!(lines(&answer, "m="), ["m=audio 0 RTP/AVP 8 0"]);
    assert_eq!(
        (audio.remote_rtp, audio.sending, audio.receiving),
        (None, false, false)
    );
    let (answer, audio) = session
        .handle_offer(&sdp("m=audio 5000 RTP/AVP 8 0"))
        .unwrap();
    assert_eq!(lines(&answer, "m="), ["m=audio 40000 RTP/AVP 8 0"]);
    assert!(audio.sending && audio.receiving);
}

#[test]
fn bandwidth_bounds_opus() {
    let bitrate = |extra: &str| {
        let offer = sdp(&format!(
            "m=audio 5000 RTP/AVP 96|a=rtpmap:96 opus/48000/2|{extra}"
        ));
        session().handle_offer(&offer).unwrap().1.send.bitrate
    };
    assert_eq!(bitrate("a=x"), 40_000);
    assert_eq!(bitrate("a=fmtp:96 maxaveragebitrate=20000"), 20_000);
    assert_eq!(bitrate("b=TIAS:24000"), 24_000);
    assert_eq!(bitrate("b=AS:40"), 24_000, "16 kbit/s of it are headers");
    assert_eq!(bitrate("b=AS:40|a=ptime:40"), 32_000);
    assert_eq!(bitrate("b=AS:1"), 6_000);
    assert_eq!(bitrate("b=AS:0"), 40_000);
}

#[test]
fn packet_durations() {
    let ptime = |extra: &str| {
        let offer = sdp(&format!("m=audio 5000 RTP/AVP 8|{extra}"));
        session().handle_offer(&offer).unwrap().1.send.ptime_ms
    };
    let cases = [
        ("a=x", 20),
        ("a=ptime:10", 10),
        ("a=ptime:25", 20),
        ("a=ptime:30", 30),
        ("a=ptime:50", 40),
        ("a=ptime:60", 60),
        ("a=ptime:240", 60),
        ("a=ptime:5", 10),
        ("a=ptime:0", 20),
        ("a=ptime:abc", 20),
        ("a=ptime:40|a=maxptime:20", 20),
        ("a=maxptime:10", 10),
    ];
    for (extra, expected) in cases {
        assert_eq!(ptime(extra), expected, "{extra}");
    }
}

#[test]
fn rfc6716_2_1_4_opus_has_no_packet_of_30_ms() {
    for (extra, expected) in [
        ("a=ptime:30", 20),
        ("a=ptime:40", 40),
        ("a=ptime:60|a=maxptime:30", 20),
        ("a=fmtp:96 minptime=30", 20),
    ] {
        let offer = sdp(&format!(
            "m=audio 5000 RTP/AVP 96|a=rtpmap:96 opus/48000/2|{extra}"
        ));
        let (answer, audio) = session().handle_offer(&offer).unwrap();
        assert_eq!(audio.send.ptime_ms, expected, "{extra}");
        assert_eq!(lines(&answer, "a=ptime"), [format!("a=ptime:{expected}")]);
    }
}

#[test]
fn rtcp_has_its_place() {
    let rtcp = |extra: &str| {
        let offer = sdp(&format!("m=audio 5000 RTP/AVP 8|{extra}"));
        session()
            .handle_offer(&offer)
            .unwrap()
            .1
            .remote_rtcp
            .map(|rtcp| rtcp.to_string())
    };
    assert_eq!(
        rtcp("a=x").as_deref(),
        Some("192.0.2.1:5001"),
        "RFC 3550 §11"
    );
    assert_eq!(
        rtcp("a=rtcp:6001").as_deref(),
        Some("192.0.2.1:6001"),
        "RFC 3605"
    );
    assert_eq!(
        rtcp("a=rtcp:6001 IN IP4 192.0.2.2").as_deref(),
        Some("192.0.2.2:6001")
    );
    assert_eq!(
        rtcp("a=rtcp-mux").as_deref(),
        Some("192.0.2.1:5000"),
        "RFC 5761"
    );
    assert_eq!(rtcp("b=RS:0|b=RR:0"), None, "RFC 3556 §2");
}

#[test]
fn our_own_rtcp_port_is_told() {
    let mut local = Local::new("2001:db8::1".parse().unwrap(), 40_000, 7);
    local.rtcp_port = 50_000;
    local.session_name = "a\r\nm=b".to_owned();
    let offer = Session::new(local, limits(), Metrics::default())
        .create_offer()
        .unwrap();
    assert_eq!(lines(&offer, "a=rtcp:"), ["a=rtcp:50000"]);
    assert_eq!(lines(&offer, "s="), ["s=am=b"]);
    assert_eq!(lines(&offer, "c="), ["c=IN IP6 2001:db8::1"]);
}

#[test]
fn the_offerers_order_when_told() {
    let mut local = Local::new("192.0.2.100".parse().unwrap(), 40_000, 7);
    local.prefer_remote = true;
    let mut session = Session::new(local, limits(), Metrics::default());
    let offer = sdp("m=audio 5000 RTP/AVP 18 0 8 9");
    let (answer, audio) = session.handle_offer(&offer).unwrap();
    assert_eq!(audio.send.codec, Codec::Pcmu);
    assert_eq!(lines(&answer, "m="), ["m=audio 40000 RTP/AVP 0 8 9"]);
}

#[test]
fn rfc4091_of_two_address_families_the_one_is_taken_that_we_have() {
    let offer = "a=group:ANAT 1 2|m=audio 5000 RTP/AVP 8|c=IN IP6 2001:db8::7|a=mid:1|\
                 m=audio 6000 RTP/AVP 8|c=IN IP4 192.0.2.1|a=mid:2";
    for (ours, taken) in [("192.0.2.100", 1), ("2001:db8::1", 0)] {
        let local = Local::new(ours.parse().unwrap(), 40_000, 7);
        let mut session = Session::new(local, limits(), Metrics::default());
        let (answer, audio) = session.handle_offer(&sdp(offer)).unwrap();
        let ports: Vec<bool> = lines(&answer, "m=")
            .iter()
            .map(|line| line.starts_with("m=audio 40000"))
            .collect();
        assert_eq!(ports, [taken == 0, taken == 1], "{ours}");
        let rtp = audio.remote_rtp.unwrap();
        assert_eq!(rtp.port(), if taken == 0 { 5000 } else { 6000 });
    }
}

#[test]
fn numbers_once_said_need_no_rtpmap() {
    let mut session = session();
    let full = sdp("m=audio 5000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000");
    session.handle_offer(&full).unwrap();
    let (_, audio) = session
        .handle_offer(&sdp("m=audio 5000 RTP/AVP 8 101"))
        .unwrap();
    assert_eq!(audio.send_dtmf_pt, Some(101));
}

#[test]
fn nothing_of_the_peer_breaks_our_lines() {
    let offer = Bytes::from_static(
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nt=0\ra=x\r\nm=audio 5000 RTP/AVP 8\r\na=mid:1\ra=y\r\n",
    );
    let (answer, _) = session().handle_offer(&offer).unwrap();
    assert_eq!(lines(&answer, "t="), ["t=0 0"]);
    assert_eq!(lines(&answer, "a=mid"), Vec::<&str>::new());
}

#[test]
fn a_peer_that_uses_up_all_numbers_is_refused() {
    let mut session = session();
    for pt in 0..128 {
        let offer = format!("m=audio 5000 RTP/AVP {pt}|a=rtpmap:{pt} opus/48000/2");
        session.handle_offer(&sdp(&offer)).unwrap();
    }
    let none_left = session.handle_offer(&sdp("m=audio 5000 RTP/AVP 8"));
    assert!(matches!(
        none_left,
        Err(SdpError::Incompatible(Incompatible::NoCodec(_)))
    ));
    let offer = session.create_offer().unwrap();
    assert_eq!(lines(&offer, "m=").len(), 1);
}
