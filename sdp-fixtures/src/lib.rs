//! Session descriptions in the shape that families of SIP devices send, with what each must get.
//!
//! Data only: this crate knows none of the others. `corpus/README.md` tells how the descriptions
//! were made and how an expectation reads.

/// One description of a peer and the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// The kind of device or situation, the folder under `corpus`.
    pub family: &'static str,
    /// The case, unique in its family.
    pub name: &'static str,
    /// What the peer sends, octet for octet: an offer, or an answer where the expectation says so.
    pub offer: &'static str,
    /// What must come of it, in the format of `corpus/README.md`.
    pub expect: &'static str,
}

/// Every fixture, grouped by family; a case comes after the case that it continues.
pub fn corpus() -> &'static [Fixture] {
    CORPUS
}

/// The fixture `family/name`.
pub fn find(path: &str) -> Option<&'static Fixture> {
    let (family, name) = path.split_once('/')?;
    CORPUS
        .iter()
        .find(|fixture| fixture.family == family && fixture.name == name)
}

macro_rules! fixture {
    ($family:literal, $name:literal) => {
        Fixture {
            family: $family,
            name: $name,
            offer: include_str!(concat!("../corpus/", $family, "/", $name, ".sdp")),
            expect: include_str!(concat!("../corpus/", $family, "/", $name, ".expect")),
        }
    };
}

const CORPUS: &[Fixture] = &[
    fixture!("desk", "wideband-siren"),
    fixture!("desk", "plain-four"),
    fixture!("desk", "plain-four-prefer-remote"),
    fixture!("desk", "enterprise-opus"),
    fixture!("desk", "optional-srtp-two-sections"),
    fixture!("desk", "srtp-only"),
    fixture!("desk", "many-narrowband"),
    fixture!("desk", "no-rtpmaps"),
    fixture!("desk", "unified-g722-events-120"),
    fixture!("desk", "lower-case-names"),
    fixture!("desk", "doorphone-pcmu"),
    fixture!("desk", "paging-sendonly"),
    fixture!("room", "full"),
    fixture!("room", "tcp-bfcp"),
    fixture!("room", "video-first"),
    fixture!("room", "encrypted-video-plain-audio"),
    fixture!("room", "chat-msrp"),
    fixture!("room", "interpreter-two-audios"),
    fixture!("soft", "open-speex-opus"),
    fixture!("soft", "open-avpf"),
    fixture!("soft", "library-console"),
    fixture!("soft", "library-windows"),
    fixture!("soft", "opus-events-8k"),
    fixture!("soft", "java-desktop"),
    fixture!("soft", "old-ilbc-ptime30"),
    fixture!("soft", "alt-ice"),
    fixture!("soft", "opus-mono-rtpmap"),
    fixture!("gateway", "isdn"),
    fixture!("gateway", "isdn-fax"),
    fixture!("gateway", "router-cn19"),
    fixture!("gateway", "ims-with-pcma"),
    fixture!("gateway", "ims-no-rtcp"),
    fixture!("gateway", "ims-mobile-codecs-only"),
    fixture!("gateway", "ptime10"),
    fixture!("gateway", "port-count"),
    fixture!("trunk", "pbx-chan"),
    fixture!("trunk", "switch-opus"),
    fixture!("trunk", "relay-rtcp"),
    fixture!("trunk", "g729-only"),
    fixture!("trunk", "session-level"),
    fixture!("trunk", "media-level-wins"),
    fixture!("trunk", "three-party-black-hole"),
    fixture!("trunk", "first-offer-port0"),
    fixture!("browser", "chromium-shaped"),
    fixture!("browser", "gecko-shaped"),
    fixture!("browser", "through-a-bridge"),
    fixture!("browser", "levels-not-for-us"),
    fixture!("browser", "levels-sendonly"),
    fixture!("secure", "best-effort-avp"),
    fixture!("secure", "best-effort-never"),
    fixture!("secure", "second-line-only"),
    fixture!("secure", "long-key-draft-name"),
    fixture!("secure", "gcm-first"),
    fixture!("secure", "no-usable-line"),
    fixture!("secure", "no-key-at-all"),
    fixture!("secure", "required-plain"),
    fixture!("secure", "required-alternatives"),
    fixture!("secure", "never-alternatives"),
    fixture!("secure", "never-encrypted"),
    fixture!("secure", "dtls-savp"),
    fixture!("secure", "dtls-passive"),
    fixture!("secure", "dtls-and-sdes"),
    fixture!("secure", "dtls-no-fingerprint"),
    fixture!("secure", "osrtp-dtls"),
    fixture!("secure", "held"),
    fixture!("secure", "dtls-refresh"),
    fixture!("secure", "dtls-new-certificate"),
    fixture!("secure", "sdes-refresh"),
    fixture!("secure", "sdes-new-key"),
    fixture!("secure", "sdes-then-plain"),
    fixture!("secure", "answer-plain"),
    fixture!("secure", "answer-sdes"),
    fixture!("secure", "answer-required-plain"),
    fixture!("secure", "answer-required-sdes"),
    fixture!("secure", "answer-wrong-tag"),
    fixture!("hold", "talk"),
    fixture!("hold", "sendonly"),
    fixture!("hold", "inactive"),
    fixture!("hold", "recvonly"),
    fixture!("hold", "rfc2543"),
    fixture!("hold", "rfc2543-inactive"),
    fixture!("hold", "session-level"),
    fixture!("hold", "port0"),
    fixture!("hold", "resume"),
    fixture!("hold", "resume-port0"),
    fixture!("hold", "both-sides"),
    fixture!("ipv6", "desk"),
    fixture!("ipv6", "scoped"),
    fixture!("ipv6", "hold-zeros"),
    fixture!("ipv6", "offered-to-ipv4"),
    fixture!("ipv6", "ipv4-offered"),
    fixture!("ipv6", "dual-section"),
    fixture!("late", "desk"),
    fixture!("late", "first-of-many"),
    fixture!("late", "own-numbers"),
    fixture!("late", "dynamic-without-rtpmap"),
    fixture!("late", "held"),
    fixture!("late", "refused"),
    fixture!("late", "levels"),
    fixture!("late", "too-many-sections"),
    fixture!("late", "reoffer-after-room"),
    fixture!("ptime", "forty-limited"),
    fixture!("ptime", "sixty"),
    fixture!("ptime", "hundred-twenty"),
    fixture!("ptime", "twenty-five"),
    fixture!("ptime", "fraction"),
    fixture!("ptime", "zero"),
    fixture!("ptime", "opus-fmtp"),
    fixture!("ptime", "opus-minptime"),
    fixture!("sequence", "start"),
    fixture!("sequence", "refresh"),
    fixture!("sequence", "codec-change"),
    fixture!("sequence", "renumbered"),
    fixture!("sequence", "moved"),
    fixture!("sequence", "video-added"),
    fixture!("sequence", "video-removed"),
    fixture!("sequence", "audio-elsewhere"),
    fixture!("sequence", "refused-reoffer"),
    fixture!("broken", "lf-only"),
    fixture!("broken", "no-s-no-t"),
    fixture!("broken", "stray-spaces"),
    fixture!("broken", "rtpmap-for-static-garbled"),
    fixture!("broken", "same-number-twice"),
    fixture!("broken", "no-connection"),
    fixture!("broken", "web-page"),
    fixture!("broken", "port-too-large"),
    fixture!("broken", "host-name"),
    fixture!("broken", "multicast"),
    fixture!("broken", "tcp-media"),
    fixture!("broken", "no-sections"),
    fixture!("broken", "video-only"),
    fixture!("video", "room-system"),
    fixture!("video", "desk-phone"),
    fixture!("video", "desk-phone-holds-video"),
    fixture!("video", "desk-phone-ends-video"),
    fixture!("video", "browser-camera"),
];
