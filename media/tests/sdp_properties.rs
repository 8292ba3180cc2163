//! What holds for any session description.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use plenum_media::limits::Limits;
use plenum_media::metrics::Metrics;
use plenum_media::sdp::{Local, SdpError, Session, parse, print};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn limits() -> Limits {
    Limits {
        sdp_bytes: 8_192,
        sdp_sections: 8,
        sdp_formats: 32,
        ..Limits::default()
    }
}

fn session(host: u8) -> Session {
    let local = Local::new([192, 0, 2, host].into(), 40_000, u64::from(host));
    Session::new(local, limits(), Metrics::default())
}

/// A line that a description may hold, sensible more often than not.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u8..128, codec()).prop_map(|(pt, codec)| format!("a=rtpmap:{pt} {codec}")),
        (90u8..128, codec()).prop_map(|(pt, codec)| format!("a=rtpmap:{pt} {codec}")),
        "a=fmtp:(9[6-9]|1[0-2][0-9]) (useinbandfec=[01]|maxaveragebitrate=[0-9]{1,6}|0-16|x)",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux|mid:[a-z0-9]{1,3}|group:BUNDLE 0 1)",
        "a=(max)?ptime:[0-9]{1,3}",
        "a=extmap:[0-9]{1,4}(/sendonly|/recvonly)? urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=rtcp:[0-9]{1,5}( IN IP4 192.0.2.[0-9])?",
        "b=(AS|TIAS|RS|RR|CT):[0-9]{1,6}",
        "c=IN IP4 (192.0.2.[1-9]|192.0.2.[1-9]|0.0.0.0|224.2.1.1/127|host)",
        "[a-z]=[ -~]{0,20}",
    ]
    // An m= line here would be a section that its formats do not belong to.
    .prop_filter("no media line", |line| !line.starts_with("m="))
}

fn codec() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "opus/48000/2",
        "OPUS/48000/2",
        "G722/8000",
        "PCMA/8000",
        "pcmu/8000",
        "CN/8000",
        "telephone-event/8000",
        "telephone-event/48000",
        "G729/8000",
        "speex/16000",
    ])
}

fn section() -> impl Strategy<Value = String> {
    let media = prop_oneof![5 => Just("audio"), 1 => Just("video"), 1 => Just("application")];
    let port = prop_oneof![5 => 1024u16.., 1 => Just(0u16)];
    let other = prop::sample::select(vec!["RTP/AVPF", "RTP/SAVP", "UDP/BFCP"]);
    let proto = prop_oneof![5 => Just("RTP/AVP"), 1 => other];
    let common = prop::sample::select(vec![0u8, 8, 9, 13, 18, 96, 97, 101, 110, 111]);
    let formats = prop::collection::vec(prop_oneof![3 => common, 1 => 0u8..128], 1..8);
    let lines = prop::collection::vec(line(), 0..12);
    (media, port, proto, formats, lines).prop_map(|(media, port, proto, formats, lines)| {
        let formats: Vec<String> = formats.iter().map(u8::to_string).collect();
        let mut text = format!("m={media} {port} {proto} {}\r\n", formats.join(" "));
        for line in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text
    })
}

fn description() -> impl Strategy<Value = Bytes> {
    let lines = prop::collection::vec(line(), 0..4);
    let sections = prop::collection::vec(section(), 1..5);
    (lines, sections).prop_map(|(lines, sections)| {
        let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n".to_owned();
        for line in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("c=IN IP4 192.0.2.1\r\nt=0 0\r\n");
        text.push_str(&sections.concat());
        Bytes::from(text)
    })
}

/// `m=` fields that an answer must keep: media and profile, in order.
fn sections(text: &Bytes) -> Vec<(String, String)> {
    let description = parse::parse(text, &limits()).unwrap();
    let kept = |m: &plenum_media::sdp::MediaLine| (m.media().to_owned(), m.proto().to_owned());
    description
        .media
        .iter()
        .map(|section| kept(&section.m))
        .collect()
}

fn no_misuse<T>(result: Result<T, SdpError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(SdpError::Malformed(_) | SdpError::Incompatible(_)) => None,
        Err(SdpError::ApiMisuse(misuse)) => panic!("{misuse}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(3264),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let octets = Bytes::from(octets);
        no_misuse(session(1).handle_offer(&octets));
        let mut offerer = session(1);
        offerer.create_offer().unwrap();
        no_misuse(offerer.handle_answer(&octets));
    }

    #[test]
    fn damaged_descriptions_never_panic(
        text in description(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut octets = text.to_vec();
        for (index, octet) in damage {
            let length = octets.len();
            octets[index.index(length)] = octet;
        }
        let octets = Bytes::from(octets);
        let mut session = session(1);
        no_misuse(session.handle_offer(&octets));
        session.create_offer().unwrap();
        no_misuse(session.handle_answer(&octets));
    }

    #[test]
    fn well_formed_text_prints_as_it_came(text in description()) {
        prop_assert_eq!(print::print(&parse::parse(&text, &limits()).unwrap()), text);
    }

    #[test]
    fn printing_loses_nothing(octets in "(v=0(\r\n|\n))([ a-z]?[a-z] ?=[\\PC\t]{0,12}(\r\n|\n|\n\n)){0,12}") {
        let octets = Bytes::from(octets);
        if let Ok(description) = parse::parse(&octets, &limits()) {
            let printed = print::print(&description);
            prop_assert_eq!(parse::parse(&printed, &limits()).unwrap(), description);
        }
    }

    // RFC 3264 §6: as many sections, in the same order, each refused or taken as it was offered.
    #[test]
    fn answers_mirror_their_offers(first in description(), second in description()) {
        let mut session = session(1);
        for offer in [first, second] {
            if let Some((answer, _)) = no_misuse(session.handle_offer(&offer)) {
                prop_assert_eq!(sections(&answer), sections(&offer));
                let again = no_misuse(session.handle_offer(&offer));
                prop_assert_eq!(again.map(|(answer, _)| answer), Some(answer), "RFC 3264 §8");
            }
        }
    }

    // The offerer reads our answer and both sides mean the same: what one sends the other expects.
    #[test]
    fn both_sides_agree(first in description(), second in description()) {
        let (mut answerer, mut offerer) = (session(1), session(2));
        // What happened before gives both sides payload types and sections of their own.
        no_misuse(answerer.handle_offer(&first));
        let offer = offerer.create_offer().unwrap();
        no_misuse(offerer.handle_answer(&second));
        offerer.rollback();
        let offer = if offerer.negotiated().is_some() { offerer.create_offer().unwrap() } else {
            offerer.create_offer().map(|again| { assert_eq!(again, offer); again }).unwrap()
        };
        let (answer, theirs) = answerer.handle_offer(&offer).unwrap();
        let ours = offerer.handle_answer(&answer).unwrap();
        prop_assert_eq!(sections(&answer), sections(&offer));
        prop_assert_eq!(ours.send.codec, theirs.send.codec);
        prop_assert_eq!((ours.sending, ours.receiving), (theirs.receiving, theirs.sending));
        prop_assert_eq!(ours.rtcp_mux, theirs.rtcp_mux);
        for (sender, receiver) in [(&ours, &theirs), (&theirs, &ours)] {
            let expects = |pt| receiver.receive.iter().find(|&&(known, _)| known == pt);
            let codec = plenum_media::negotiated::Payload::Audio(sender.send.codec);
            prop_assert_eq!(expects(sender.send_pt), Some(&(sender.send_pt, codec)));
            for pt in sender.send_dtmf_pt.into_iter().chain(sender.send_cn_pt) {
                prop_assert!(expects(pt).is_some(), "{} is not expected", pt);
            }
        }
    }
}
