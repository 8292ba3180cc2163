//! Sections of floor control (`m=application`, RFC 8856): what the peer says, what we answer, what both agree on.
//!
//! We are the floor control server, always: whoever says `s-only` is refused. A section is taken only beside one of
//! slides, whose label its floor names; over UDP or TCP, plain: BFCP over TLS or DTLS is refused with port 0.

use super::agreement::Agreement;
use super::attr;
use super::describe::{OurDescription, OurSection, RefusedSection, write_mid};
use super::remote::mid;
use super::video::VideoSection;
use super::{Local, MediaSection, SessionDescription};
use bytes::Bytes;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The floor of slides: there is one in a conference.
pub const FLOOR: u16 = 1;

/// Our side of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalFloor {
    /// Where BFCP comes in, over UDP or TCP; not 0.
    pub port: u16,
    /// `a=confid`: the conference.
    pub conference: u32,
    /// `a=userid`: the peer.
    pub user: u16,
}

/// How messages travel, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorTransport {
    /// In datagrams.
    Udp,
    /// By TCP; the peer connects to us (`a=setup:passive`, RFC 4145 §4).
    TcpPassive,
    /// By TCP; we connect.
    TcpActive,
}

impl FloorTransport {
    const fn proto(self) -> &'static str {
        match self {
            Self::Udp => "UDP/BFCP",
            Self::TcpPassive | Self::TcpActive => "TCP/BFCP",
        }
    }

    /// `a=bfcpver` (RFC 8856 §5.5).
    const fn version(self) -> u8 {
        match self {
            Self::Udp => crate::bfcp::message::UNRELIABLE,
            Self::TcpPassive | Self::TcpActive => crate::bfcp::message::RELIABLE,
        }
    }
}

/// Our section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloorSection {
    /// What it names.
    pub local: LocalFloor,
    /// How messages travel.
    pub transport: FloorTransport,
    /// The label of the slides (RFC 4574).
    pub label: Bytes,
    /// The connection there is goes on (RFC 4145 §5).
    pub existing: bool,
    /// It is in an offer: who connects is left to the peer.
    pub offered: bool,
    /// The offer's `a=mid:`, or none.
    pub mid: Option<Bytes>,
}

/// What both sides agreed on about floor control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedFloor {
    /// Which section it is.
    pub index: usize,
    /// What we said of it.
    pub section: FloorSection,
    /// Where the peer takes messages.
    pub remote: SocketAddr,
}

impl FloorSection {
    /// Appends the section (RFC 8856 §4, §5).
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let LocalFloor {
            port,
            conference,
            user,
        } = self.local;
        write!(out, "m=application {port} {} *\r\n", self.transport.proto())?;
        write_mid(out, self.mid.as_ref())?;
        let setup = match (self.transport, self.offered) {
            (FloorTransport::Udp, _) => None,
            (FloorTransport::TcpPassive | FloorTransport::TcpActive, true) => Some("actpass"),
            (FloorTransport::TcpPassive, false) => Some("passive"),
            (FloorTransport::TcpActive, false) => Some("active"),
        };
        if let Some(setup) = setup {
            let connection = if self.existing { "existing" } else { "new" };
            write!(out, "a=setup:{setup}\r\na=connection:{connection}\r\n")?;
        }
        let label = std::str::from_utf8(&self.label).unwrap_or_default();
        write!(
            out,
            "a=floorctrl:s-only\r\na=confid:{conference}\r\na=userid:{user}\r\n\
             a=floorid:{FLOOR} mstrm:{label}\r\na=bfcpver:{}\r\n",
            self.transport.version()
        )
    }
}

/// What the peer says in a section that we can take.
struct RemoteFloor {
    remote: SocketAddr,
    transport: FloorTransport,
    renewed: bool,
}

impl RemoteFloor {
    fn read(offer: &SessionDescription, section: &MediaSection) -> Option<Self> {
        let port = section.m.port();
        if port == 0 || !section.m.media().eq_ignore_ascii_case("application") {
            return None;
        }
        let said = |name: &str| {
            let mut all = section.attributes();
            all.find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        // RFC 8856 §5.1: who says nothing is a client in an offer.
        if said("floorctrl").is_some_and(|roles| roles.eq_ignore_ascii_case("s-only")) {
            return None;
        }
        let transport = match section.m.proto() {
            proto if proto.eq_ignore_ascii_case("UDP/BFCP") => FloorTransport::Udp,
            proto if proto.eq_ignore_ascii_case("TCP/BFCP") => {
                // RFC 4145 §4.1: who says nothing connects.
                let waits = said("setup").is_some_and(|role| role.eq_ignore_ascii_case("passive"));
                if waits {
                    FloorTransport::TcpActive
                } else {
                    FloorTransport::TcpPassive
                }
            }
            _ => return None,
        };
        let address = section.first(b'c').or_else(|| offer.first(b'c'))?;
        let address: IpAddr = attr::connection(address).ok()?;
        Some(Self {
            remote: SocketAddr::new(address, port),
            transport,
            renewed: said("connection").is_none_or(|said| said.eq_ignore_ascii_case("new")),
        })
    }
}

/// Takes up floor control in our answer, where there are slides.
pub(super) fn answer(
    local: &Local,
    slides: Option<&VideoSection>,
    offer: &SessionDescription,
    previous: Option<&Agreement>,
    ours: &mut OurDescription,
) -> Option<Box<AgreedFloor>> {
    let own = local.floor?;
    let label = slides?.content.clone()?;
    let before = previous.and_then(|previous| previous.pictures.floor.as_deref());
    let mut found = offer
        .media
        .iter()
        .enumerate()
        .filter_map(|(index, theirs)| {
            let remote = RemoteFloor::read(offer, theirs)?;
            Some((index, theirs, remote))
        });
    let first = before.map(|before| before.index);
    let (index, theirs, remote) = match first {
        Some(first) => found.find(|(index, ..)| *index == first)?,
        None => found.next()?,
    };
    // Another transport is another section (RFC 8856 §10).
    if before.is_some_and(|before| before.section.transport != remote.transport) {
        return None;
    }
    let same = before.is_some();
    let section = FloorSection {
        local: own,
        transport: remote.transport,
        label,
        existing: same && !remote.renewed,
        offered: false,
        mid: mid(theirs),
    };
    *ours.sections.get_mut(index)? = OurSection::Floor(Box::new(section.clone()));
    Some(Box::new(AgreedFloor {
        index,
        section,
        remote: remote.remote,
    }))
}

/// Puts floor control into an offer of ours, in its place, or as a new section over UDP beside slides.
pub(super) fn offer(
    local: &Local,
    slides: Option<&VideoSection>,
    previous: Option<&Agreement>,
    sections: &mut Vec<OurSection>,
) -> Option<(usize, FloorSection)> {
    let before = previous.and_then(|previous| previous.pictures.floor.as_deref());
    let label = slides.and_then(|slides| slides.content.clone());
    let Some((own, label)) = local.floor.zip(label) else {
        if let Some(slot) = before.and_then(|before| sections.get_mut(before.index)) {
            *slot = OurSection::Refused(RefusedSection::left_out("application", "UDP/BFCP", " *"));
        }
        return None;
    };
    let section = FloorSection {
        local: own,
        transport: before.map_or(FloorTransport::Udp, |before| before.section.transport),
        label,
        existing: before.is_some(),
        offered: true,
        mid: before.and_then(|before| before.section.mid.clone()),
    };
    let index = before.map_or(sections.len(), |before| before.index);
    let said = OurSection::Floor(Box::new(section.clone()));
    match sections.get_mut(index) {
        Some(slot) => *slot = said,
        None => sections.push(said),
    }
    Some((index, section))
}

/// What the answer means for the floor control of our offer.
pub(super) fn conclude(
    (index, offered): &(usize, FloorSection),
    slides: bool,
    answer: &SessionDescription,
    ours: &mut OurDescription,
) -> Option<Box<AgreedFloor>> {
    let theirs = answer.media.get(*index);
    let remote = theirs.and_then(|theirs| RemoteFloor::read(answer, theirs));
    let same_kind = |remote: &RemoteFloor| {
        (remote.transport == FloorTransport::Udp) == (offered.transport == FloorTransport::Udp)
    };
    let remote = remote.filter(|remote| slides && same_kind(remote));
    let agreed = remote.map(|remote| AgreedFloor {
        index: *index,
        section: FloorSection {
            transport: remote.transport,
            existing: offered.existing && !remote.renewed,
            offered: false,
            ..offered.clone()
        },
        remote: remote.remote,
    });
    if let Some(slot) = ours.sections.get_mut(*index) {
        *slot = match (&agreed, theirs) {
            (Some(agreed), _) => OurSection::Floor(Box::new(agreed.section.clone())),
            (None, Some(theirs)) => OurSection::Refused(RefusedSection::of(theirs)),
            (None, None) => {
                OurSection::Refused(RefusedSection::left_out("application", "UDP/BFCP", " *"))
            }
        };
    }
    agreed.map(Box::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::sdp::Session;
    use crate::sdp::tests::limits;
    use crate::sdp::video::{LocalVideo, Role};
    use crate::video::frame::VideoCodec;

    fn pictures(port: u16) -> Option<Box<LocalVideo>> {
        Some(Box::new(LocalVideo {
            rtp_port: port,
            rtcp_port: port + 1,
            seed: None,
            ice: None,
            codecs: vec![VideoCodec::H264],
            rows: 720,
            bitrate: 1_500_000,
            sources: (u32::from(port), u32::from(port) + 1),
            cname: "us".to_owned(),
        }))
    }

    fn session() -> Session {
        let local = Local {
            video: pictures(40_002),
            content: pictures(40_004),
            floor: Some(LocalFloor {
                port: 40_006,
                conference: 99,
                user: 7,
            }),
            ..Local::new("192.0.2.100".parse().unwrap(), 40_000, 7)
        };
        Session::new(local, limits(), Metrics::default())
    }

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                        m=audio 5000 RTP/AVP 8\r\n";
    const CODEC: &str = "a=rtpmap:97 H264/90000\r\n\
                         a=fmtp:97 profile-level-id=42801f;packetization-mode=1\r\n";

    /// As room systems offer it: the floor before the slides.
    fn offer(floor: &str, slides: u16) -> Bytes {
        Bytes::from(format!(
            "{HEAD}m=video 5002 RTP/AVP 97\r\n{CODEC}a=content:main\r\na=label:11\r\n{floor}\
             m=video {slides} RTP/AVP 97\r\n{CODEC}a=content:slides\r\na=label:12\r\n"
        ))
    }

    fn sections(description: &Bytes) -> Vec<String> {
        let text = std::str::from_utf8(description).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("m="));
        lines.map(str::to_owned).collect()
    }

    const UDP: &str = "m=application 5070 UDP/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\n\
                       a=userid:18\r\na=floorid:2 mstrm:12\r\n";

    #[test]
    fn rfc8856_10_the_sections_keep_their_order_and_the_floor_names_the_slides() {
        let mut session = session();
        let (answer, _) = session.handle_offer(&offer(UDP, 5_004)).unwrap();
        assert_eq!(
            sections(&answer)[1..],
            [
                "m=video 40002 RTP/AVP 97",
                "m=application 40006 UDP/BFCP *",
                "m=video 40004 RTP/AVP 97"
            ]
        );
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(text.contains(
            "a=floorctrl:s-only\r\na=confid:99\r\na=userid:7\r\na=floorid:1 mstrm:12\r\n\
             a=bfcpver:2\r\n"
        ));
        assert_eq!(
            text.matches("a=content:slides\r\na=label:12\r\n").count(),
            1
        );
        let floor = session.floor().unwrap();
        assert_eq!(floor.remote, SocketAddr::from(([192, 0, 2, 1], 5070)));
        assert_eq!(session.stream(Role::Content).unwrap().index, 3);
        assert_eq!(session.video().unwrap().index, 1);
        // Without slides there is nothing to have the floor of.
        let (answer, _) = session.handle_offer(&offer(UDP, 0)).unwrap();
        assert_eq!(
            sections(&answer)[2..],
            ["m=application 0 UDP/BFCP *", "m=video 0 RTP/AVP 97"]
        );
        assert!(session.floor().is_none());
    }

    #[test]
    fn rfc4145_4_who_waits_is_connected_to_and_who_connects_is_waited_for() {
        let cases = [
            ("actpass", "passive", FloorTransport::TcpPassive),
            ("active", "passive", FloorTransport::TcpPassive),
            ("passive", "active", FloorTransport::TcpActive),
        ];
        for (theirs, ours, transport) in cases {
            let mut session = session();
            let floor = format!(
                "m=application 5070 TCP/BFCP *\r\na=setup:{theirs}\r\na=connection:new\r\n"
            );
            let (answer, _) = session.handle_offer(&offer(&floor, 5_004)).unwrap();
            let text = std::str::from_utf8(&answer).unwrap();
            let said = format!("a=setup:{ours}\r\na=connection:new\r\n");
            assert!(text.contains(&said), "{text}");
            assert!(text.contains("a=bfcpver:1"));
            assert_eq!(session.floor().unwrap().section.transport, transport);
            let again = floor.replace("new", "existing");
            let (answer, _) = session.handle_offer(&offer(&again, 5_004)).unwrap();
            let text = std::str::from_utf8(&answer).unwrap();
            assert!(text.contains("a=connection:existing"), "{text}");
        }
    }

    #[test]
    fn rfc8856_4_what_we_do_not_speak_is_refused_in_its_place() {
        for (proto, more) in [
            ("UDP/TLS/BFCP", ""),
            ("TCP/TLS/BFCP", "a=setup:actpass\r\n"),
            ("UDP/BFCP", "a=floorctrl:s-only\r\n"),
            ("DTLS/SCTP", ""),
        ] {
            let mut session = session();
            let floor = format!("m=application 5070 {proto} *\r\n{more}");
            let (answer, _) = session.handle_offer(&offer(&floor, 5_004)).unwrap();
            assert_eq!(sections(&answer)[2], format!("m=application 0 {proto} *"));
            assert!(session.stream(Role::Content).is_some());
            assert!(session.floor().is_none());
        }
    }

    #[test]
    fn rfc3264_8_our_offers_keep_every_section_in_its_place() {
        let mut session = session();
        let first = session.create_offer().unwrap();
        let said = [
            "m=audio 40000 RTP/AVP 96 9 8 0 97 101 13",
            "m=video 40002 RTP/AVP 96 97 98 99",
            "m=video 40004 RTP/AVP 96 97 98 99",
            "m=application 40006 UDP/BFCP *",
        ];
        assert_eq!(sections(&first)[1..], said[1..]);
        let slides = "m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
                      a=fmtp:96 profile-level-id=42801f;packetization-mode=1\r\n";
        let answer = format!(
            "{HEAD}m=video 0 RTP/AVP 96\r\n{slides}m=application 5070 UDP/BFCP *\r\n\
             a=floorctrl:c-only\r\n"
        );
        session.handle_answer(&Bytes::from(answer)).unwrap();
        assert!(session.video().is_none());
        assert_eq!(session.stream(Role::Content).unwrap().index, 2);
        assert_eq!(session.floor().unwrap().index, 3);
        session.set_stream(Role::Main, None);
        let again = session.create_offer().unwrap();
        assert_eq!(
            sections(&again)[1..],
            [
                "m=video 0 RTP/AVP 96",
                "m=video 40004 RTP/AVP 96",
                "m=application 40006 UDP/BFCP *"
            ]
        );
    }
}
