//! Every session description of `sdp-fixtures` gets what its expectation says.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use plenum_media::crypto::dtls::Role;
use plenum_media::crypto::fingerprint::{Fingerprint, Hash};
use plenum_media::crypto::keys::Seed;
use plenum_media::limits::Limits;
use plenum_media::metrics::Metrics;
use plenum_media::negotiated::{Codec, NegotiatedAudio, Payload};
use plenum_media::path::{Keying, NegotiatedPath};
use plenum_media::sdp::attr::Direction;
use plenum_media::sdp::video::{AgreedVideo, LocalVideo};
use plenum_media::sdp::{Local, Protection, SdpError, Session, parse, print};
use plenum_media::video::format::SendFormat;
use plenum_media::video::frame::VideoCodec;
use plenum_media::video::h264::PacketizationMode;
use sdp_fixtures::{Fixture, corpus, find};
use std::fmt::Display;

fn limits() -> Limits {
    Limits {
        sdp_bytes: 16_384,
        sdp_sections: 16,
        sdp_formats: 64,
        ..Limits::default()
    }
}

#[test]
fn every_fixture_gets_its_answer() {
    let failures: Vec<String> = corpus()
        .iter()
        .flat_map(|fixture| check(fixture).1)
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_fixture_prints_as_it_came() {
    let exact = corpus().iter().filter(|fixture| fixture.family != "broken");
    for fixture in exact {
        let octets = Bytes::from_static(fixture.offer.as_bytes());
        let description = parse::parse(&octets, &limits()).unwrap();
        assert_eq!(
            print::print(&description),
            octets,
            "{}/{}",
            fixture.family,
            fixture.name
        );
    }
}

#[test]
fn there_are_enough_fixtures_of_every_kind() {
    assert!(corpus().len() >= 100);
    let kinds = [
        "desk", "room", "soft", "gateway", "trunk", "browser", "hold", "ipv6", "late", "ptime",
        "sequence", "broken", "secure", "video",
    ];
    for kind in kinds {
        assert!(
            corpus().iter().any(|fixture| fixture.family == kind),
            "{kind}"
        );
    }
}

/// Runs a fixture after those it continues: the session afterwards, and what was not as expected.
fn check(fixture: &Fixture) -> (Session, Vec<String>) {
    let expect = Expectation(fixture.expect);
    let mut session = match expect.one("after") {
        Some(before) => check(find(before).expect(before)).0,
        None => Session::new(local(&expect), limits(), Metrics::default()),
    };
    if let Some(direction) = expect.one("ours") {
        session.set_direction(Direction::parse(direction).expect(direction));
    }
    let before = session.negotiated().cloned();
    let received = Bytes::from_static(fixture.offer.as_bytes());
    let outcome = if expect.one("role") == Some("answer") {
        let ours = session.create_offer().expect("stable");
        session.handle_answer(&received).map(|audio| (ours, audio))
    } else {
        session.handle_offer(&received)
    };
    let mut failures = expect.unknown();
    match (outcome, expect.one("refuse")) {
        (Ok((ours, audio)), None) => {
            failures.extend(compare(&expect, &ours, &audio));
            let keys = keys(session.path().as_ref());
            failures.extend(differ("keys", &keys, expect.one("keys").unwrap_or("plain")));
            let pictures = pictures(&session);
            failures.extend(differ(
                "video",
                &pictures,
                expect.one("video").unwrap_or("-"),
            ));
        }
        (Err(error), Some(refusal)) => {
            failures.extend(differ("refuse", &code(&error), refusal));
            if session.negotiated() != before.as_ref() {
                failures.push("a refusal changed what was agreed".to_owned());
            }
        }
        (Ok((ours, _)), Some(_)) => failures.push(format!("was accepted: {ours:?}")),
        (Err(error), None) => failures.push(format!("was refused: {error}")),
    }
    let named = |failure: String| format!("{}/{}: {failure}", fixture.family, fixture.name);
    (session, failures.into_iter().map(named).collect())
}

fn local(expect: &Expectation) -> Local {
    let address = match expect.one("local") {
        Some("ipv6") => "2001:db8::100",
        _ => "203.0.113.100",
    };
    let mut local = Local::new(address.parse().unwrap(), 40_000, 1);
    local.prefer_remote = expect.one("prefer") == Some("remote");
    local.seed = Some(Seed::new([7; 32]));
    local.video = expect.one("pictures").map(|_| {
        Box::new(LocalVideo {
            rtp_port: 40_002,
            rtcp_port: 40_003,
            seed: Some(Seed::new([8; 32])),
            ice: None,
            codecs: vec![VideoCodec::H264, VideoCodec::Vp8],
            rows: 720,
            bitrate: 1_500_000,
            sources: (11, 12),
            cname: "us".to_owned(),
        })
    });
    local.fingerprint = Some(Fingerprint::of(b"our certificate", Hash::Sha256));
    local.protection = match expect.one("protection") {
        Some("never") => Protection::Never,
        Some("required") => Protection::Required,
        _ => Protection::Optional,
    };
    local
}

fn code(error: &SdpError) -> String {
    match error {
        SdpError::Malformed(_) => "400".to_owned(),
        SdpError::Incompatible(reason) => format!("488 {}", reason.warning_code()),
        SdpError::ApiMisuse(misuse) => misuse.to_string(),
    }
}

fn compare(expect: &Expectation, ours: &Bytes, audio: &NegotiatedAudio) -> Vec<String> {
    let ours = std::str::from_utf8(ours).expect("we write UTF-8");
    let mut failures = Vec::new();
    for (key, is) in always(audio) {
        failures.extend(differ(key, &is, expect.one(key).unwrap_or("(not said)")));
    }
    let origin = ours.lines().find(|line| line.starts_with("o="));
    let version = origin
        .and_then(|line| line.split(' ').nth(2))
        .unwrap_or_default();
    for (key, is) in sometimes(audio)
        .into_iter()
        .chain([("version", version.to_owned())])
    {
        failures.extend(expect.one(key).and_then(|wanted| differ(key, &is, wanted)));
    }
    let wanted: Vec<&str> = expect.all("m").collect();
    if !wanted.is_empty() || expect.one("role").is_none() {
        let sections: Vec<&str> = ours
            .lines()
            .filter_map(|line| line.strip_prefix("m="))
            .collect();
        failures.extend(differ(
            "m",
            &format!("{sections:?}"),
            &format!("{wanted:?}"),
        ));
    }
    let has = |start: &str| ours.lines().any(|line| line.starts_with(start));
    failures.extend(
        expect
            .all("has")
            .filter(|line| !has(line))
            .map(|line| format!("no {line}")),
    );
    failures.extend(
        expect
            .all("lacks")
            .filter(|line| has(line))
            .map(|line| format!("has {line}")),
    );
    failures
}

/// What is sent of video.
fn pictures(session: &Session) -> String {
    let Some(AgreedVideo { video, .. }) = session.video() else {
        return "-".to_owned();
    };
    let codec = match video.send {
        SendFormat::H264(PacketizationMode::SingleNal) => "h264-0",
        SendFormat::H264(PacketizationMode::NonInterleaved) => "h264-1",
        SendFormat::Vp8 => "vp8",
        SendFormat::Vp9 => "vp9",
    };
    let rtx = or_none(video.send_rtx.as_ref());
    let direction = Direction::new(video.sending, video.receiving);
    let (direction, rtp) = (direction.as_str(), or_none(video.remote_rtp.as_ref()));
    let (bitrate, rows) = (video.bitrate, video.limits.rows);
    format!(
        "{codec} {} {rtx} {direction} {bitrate} {rows} {rtp}",
        video.send_pt
    )
}

/// Where the keys come from, and which.
fn keys(path: Option<&NegotiatedPath>) -> String {
    match path.map(|path| &path.keying) {
        None | Some(Keying::Plain) => "plain".to_owned(),
        Some(Keying::Sdes { send, receive }) => {
            assert!(receive.iter().all(|key| key.master.suite() == send.suite()));
            format!("sdes {}", send.suite().sdes_name())
        }
        Some(Keying::Dtls(parameters)) => {
            let role = match parameters.role {
                Some(Role::Active) => "active",
                Some(Role::Passive) => "passive",
                None => "held",
            };
            format!("dtls {role} {}", parameters.generation)
        }
    }
}

/// What every expectation says.
fn always(audio: &NegotiatedAudio) -> [(&'static str, String); 11] {
    let number = |pt: Option<u8>| or_none(pt.as_ref());
    let receive = audio
        .receive
        .iter()
        .map(|&(pt, payload)| format!("{pt}={}", word(payload)));
    let direction = Direction::new(audio.sending, audio.receiving);
    [
        ("codec", word(Payload::Audio(audio.send.codec))),
        ("send", audio.send_pt.to_string()),
        ("dtmf", number(audio.send_dtmf_pt)),
        ("cn", number(audio.send_cn_pt)),
        ("receive", receive.collect::<Vec<_>>().join(" ")),
        ("ptime", audio.send.ptime_ms.to_string()),
        ("rtp", or_none(audio.remote_rtp.as_ref())),
        ("rtcp", or_none(audio.remote_rtcp.as_ref())),
        ("mux", yes(audio.rtcp_mux)),
        ("direction", direction.as_str().to_owned()),
        ("level", number(audio.audio_level_id)),
    ]
}

/// What an expectation says when the case is about it.
fn sometimes(audio: &NegotiatedAudio) -> [(&'static str, String); 5] {
    [
        ("bitrate", audio.send.bitrate.to_string()),
        ("rate", audio.send.playback_rate.to_string()),
        ("fec", yes(audio.send.fec)),
        ("dtx", yes(audio.send.dtx)),
        ("cbr", yes(audio.send.cbr)),
    ]
}

fn or_none(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn differ(key: &str, is: &str, wanted: &str) -> Option<String> {
    (is != wanted).then(|| format!("{key} is {is}, expected {wanted}"))
}

fn word(payload: Payload) -> String {
    match payload {
        Payload::Audio(Codec::Opus) => "opus".to_owned(),
        Payload::Audio(Codec::G722) => "g722".to_owned(),
        Payload::Audio(Codec::Pcma) => "pcma".to_owned(),
        Payload::Audio(Codec::Pcmu) => "pcmu".to_owned(),
        Payload::TelephoneEvent(clock) => format!("event/{clock}"),
        Payload::ComfortNoise(clock) => format!("cn/{clock}"),
    }
}

/// An expectation: lines of a key and a value.
struct Expectation(&'static str);

impl Expectation {
    fn lines(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let lines = self
            .0
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| line.split_once(' ').unwrap_or((line, "")))
    }

    fn all(&self, key: &'static str) -> impl Iterator<Item = &'static str> + use<> {
        self.lines()
            .filter(move |&(known, _)| known == key)
            .map(|(_, value)| value)
    }

    fn one(&self, key: &'static str) -> Option<&'static str> {
        self.all(key).next()
    }

    fn unknown(&self) -> Vec<String> {
        const KEYS: &str = " local prefer protection pictures video keys after role ours refuse codec send dtmf cn receive ptime \
             rtp rtcp mux direction level bitrate rate fec dtx cbr version m has lacks ";
        let unknown = |key: &str| !KEYS.contains(&format!(" {key} "));
        self.lines()
            .filter(|(key, _)| unknown(key))
            .map(|(key, _)| format!("key {key}?"))
            .collect()
    }
}
