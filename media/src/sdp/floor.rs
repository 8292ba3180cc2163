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
    let own = local.floor?;
    let label = slides?.content.clone()?;
    let before = previous.and_then(|previous| previous.pictures.floor.as_deref());
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
