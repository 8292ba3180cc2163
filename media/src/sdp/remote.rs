//! One audio section of the peer, read as a whole: media level over session level
//! (RFC 8866 §5.7, §6), hold in its old and new forms (RFC 3264 §8.4), RTCP's place.

use super::attr::{self, AddressError, Direction, ExtMap, OpusParameters, Profile, RtpMap};
use super::security::RemoteSecurity;
use super::{Incompatible, Malformed, MediaSection, SdpError, SessionDescription};
use crate::limits::Limits;
use crate::negotiated::{Codec, Payload};
use bytes::Bytes;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// What the peer says about one audio section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAudio {
    /// One of RTP's.
    pub profile: Profile,
    /// What we can speak of its formats, in the peer's order.
    pub formats: SmallVec<[RemoteFormat; 8]>,
    /// Where it wants RTP; `None` with port 0 or the address `0.0.0.0` or `::`.
    pub rtp: Option<SocketAddr>,
    /// Where it wants RTCP when RTCP has its own port; `None` also when `b=RS:0` and `b=RR:0`
    /// turn it off (RFC 3556 §2).
    pub rtcp: Option<SocketAddr>,
    /// It can take RTCP on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// RTCP is not turned off.
    pub rtcp_on: bool,
    /// Which way media may flow, seen from the peer; without receiving when [`Self::rtp`] is `None`.
    pub direction: Direction,
    /// The packet duration it asks for, milliseconds.
    pub ptime: Option<u32>,
    /// The longest packet it takes, milliseconds.
    pub maxptime: Option<u32>,
    /// `b=AS`: bits a second with IP, UDP and RTP headers (RFC 8866 §5.8).
    pub bandwidth: Option<u32>,
    /// `b=TIAS`: bits a second without headers (RFC 3890 §6.2).
    pub payload_bandwidth: Option<u32>,
    /// The identifier of RFC 6464 levels and their direction, seen from the peer.
    pub level: Option<(u8, Direction)>,
    /// Its `a=mid:` (RFC 5888 §4).
    pub mid: Option<Bytes>,
    /// What it says of keys.
    pub security: RemoteSecurity,
    /// It speaks ICE, so that the address of the section need not be where media goes (RFC 8839 §4.2.1).
    pub ice: bool,
    /// Its section is in a group that may share one transport (RFC 9143 §7.2).
    pub bundled: bool,
}

/// A format of the peer that we can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFormat {
    /// The peer's number.
    pub pt: u8,
    /// What it means.
    pub payload: Payload,
    /// Opus only: what the peer wants.
    pub opus: OpusParameters,
}

impl RemoteAudio {
    /// Reads section `index` of `description`, whose media we would send from `ours`. Payload
    /// types without an rtpmap mean what RFC 3551 says, else what `known` says: devices leave
    /// rtpmaps out once they have been said.
    ///
    /// # Errors
    /// [`Incompatible`] for a transport or an address that we cannot use, [`Malformed`] when a
    /// section in use has no address.
    pub fn read(
        description: &SessionDescription,
        index: usize,
        ours: IpAddr,
        known: &[(u8, Payload)],
        limits: &Limits,
    ) -> Result<Self, SdpError> {
        let section = description.media.get(index).ok_or(Incompatible::NoAudio)?;
        let profile = profile(section.m.proto())?;
        let rtp = destination(description, section, index, ours)?;
        let rtcp_on = rtcp_on(description, section);
        let said = Self::direction(description, section);
        Ok(Self {
            profile,
            formats: formats(section, known, limits),
            rtp,
            rtcp: rtp.filter(|_| rtcp_on).and_then(|rtp| rtcp(section, rtp)),
            rtcp_mux: section
                .attributes()
                .any(|(name, _)| name.eq_ignore_ascii_case("rtcp-mux")),
            rtcp_on,
            direction: said.and(Direction::new(true, rtp.is_some())),
            ptime: number(description, section, "ptime"),
            maxptime: number(description, section, "maxptime"),
            bandwidth: bandwidth(description, section, "AS").map(|kbit| kbit.saturating_mul(1_000)),
            payload_bandwidth: bandwidth(description, section, "TIAS"),
            level: level(description, section),
            mid: mid(section),
            security: RemoteSecurity::read(description, section, limits.sdp_formats),
            ice: speaks_ice(description, section),
            bundled: bundled(description, section),
        })
    }

    /// The number of a payload in the peer's description.
    pub fn number_of(&self, payload: Payload) -> Option<u8> {
        self.formats
            .iter()
            .find(|format| format.payload == payload)
            .map(|format| format.pt)
    }

    /// The audio codecs in the peer's order.
    pub fn codecs(&self) -> impl Iterator<Item = Codec> {
        self.formats
            .iter()
            .filter_map(|format| match format.payload {
                Payload::Audio(codec) => Some(codec),
                Payload::TelephoneEvent(_) | Payload::ComfortNoise(_) => None,
            })
    }

    /// The direction attribute in force (RFC 3264 §5.1: sendrecv when there is none).
    fn direction(description: &SessionDescription, section: &MediaSection) -> Direction {
        let said = both(description, section).find_map(|(name, _)| Direction::parse(name));
        said.unwrap_or_default()
    }
}

/// The `a=mid:` of a section, when it is the token that RFC 5888 §4 wants: we repeat it.
pub(super) fn mid(section: &MediaSection) -> Option<Bytes> {
    let (_, mid) = section
        .attributes()
        .find(|(name, _)| name.eq_ignore_ascii_case("mid"))?;
    let token = !mid.is_empty() && mid.bytes().all(|octet| octet.is_ascii_graphic());
    token.then(|| Bytes::copy_from_slice(mid.as_bytes()))
}

/// The attributes that hold for a section: its own first, then the session's.
pub(super) fn both<'a>(
    description: &'a SessionDescription,
    section: &'a MediaSection,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    section.attributes().chain(description.attributes())
}

fn profile(proto: &str) -> Result<Profile, Incompatible> {
    match Profile::parse(proto) {
        Profile::Other => Err(Incompatible::Transport(attr::quotable(proto))),
        profile @ (Profile::Avp
        | Profile::Avpf
        | Profile::Savp
        | Profile::Savpf
        | Profile::UdpTlsSavp
        | Profile::UdpTlsSavpf) => Ok(profile),
    }
}

fn speaks_ice(description: &SessionDescription, section: &MediaSection) -> bool {
    both(description, section).any(|(name, _)| name.eq_ignore_ascii_case("ice-ufrag"))
}

/// RFC 9143 §7.2: `a=group:BUNDLE` with the section's identification tag.
fn bundled(description: &SessionDescription, section: &MediaSection) -> bool {
    let Some(mid) = mid(section) else {
        return false;
    };
    let named = |value: &str| {
        let mut words = value.split_ascii_whitespace();
        let bundle = words
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("BUNDLE"));
        bundle && words.any(|word| word.as_bytes() == mid)
    };
    let mut groups = description.attributes();
    groups.any(|(name, value)| name.eq_ignore_ascii_case("group") && named(value))
}

fn destination(
    description: &SessionDescription,
    section: &MediaSection,
    index: usize,
    ours: IpAddr,
) -> Result<Option<SocketAddr>, SdpError> {
    let port = section.m.port();
    if port == 0 {
        return Ok(None);
    }
    let value = section.first(b'c').or_else(|| description.first(b'c'));
    let theirs = match attr::connection(value.ok_or(Malformed::NoConnection(index))?) {
        Ok(address) => address,
        Err(AddressError::Unreadable) => return Err(Malformed::Connection(index).into()),
        Err(AddressError::Format(text)) => return Err(Incompatible::AddressFormat(text).into()),
        Err(AddressError::Multicast(group)) => return Err(Incompatible::Multicast(group).into()),
    };
    // With ICE the address is only the default one (RFC 8839 §4.2.1), or none at all while candidates are still being
    // found (RFC 8840 §4.1.1); the checks find the peer.
    let usable = !theirs.is_unspecified() && theirs.is_ipv4() == ours.is_ipv4();
    if speaks_ice(description, section) && !usable {
        let nowhere = if ours.is_ipv4() {
            IpAddr::from([0; 4])
        } else {
            IpAddr::from([0; 16])
        };
        return Ok(Some(SocketAddr::new(nowhere, port)));
    }
    // RFC 3264 §8.4: the hold of RFC 2543 is an address of zeros, of either family.
    if theirs.is_unspecified() {
        return Ok(None);
    }
    if theirs.is_ipv4() != ours.is_ipv4() {
        return Err(Incompatible::Network { ours, theirs }.into());
    }
    Ok(Some(SocketAddr::new(theirs, port)))
}

fn rtcp(section: &MediaSection, rtp: SocketAddr) -> Option<SocketAddr> {
    let said = section
        .attributes()
        .find(|(name, _)| name.eq_ignore_ascii_case("rtcp"));
    match said.and_then(|(_, value)| attr::rtcp(value)) {
        Some((0, _)) => None,
        Some((port, address)) => {
            let usable = |other: &IpAddr| other.is_ipv4() == rtp.is_ipv4();
            Some(SocketAddr::new(
                address.filter(usable).unwrap_or_else(|| rtp.ip()),
                port,
            ))
        }
        // RFC 3550 §11: the next higher port.
        None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
    }
}

fn formats(
    section: &MediaSection,
    known: &[(u8, Payload)],
    limits: &Limits,
) -> SmallVec<[RemoteFormat; 8]> {
    // One pass over the attributes: what each of the 128 numbers was said to be, the first time.
    let mut said = [None; 128];
    for (_, value) in section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("rtpmap"))
    {
        let Some(rtpmap) = RtpMap::parse(value) else {
            continue;
        };
        if let Some(slot) = said.get_mut(usize::from(rtpmap.pt)) {
            slot.get_or_insert_with(|| rtpmap.payload());
        }
    }
    let mut formats = SmallVec::<[RemoteFormat; 8]>::new();
    for pt in section
        .m
        .formats()
        .take(limits.sdp_formats)
        .filter_map(attr::payload_type)
    {
        let assumed = || {
            let earlier = || known.iter().find(|&&(number, _)| number == pt);
            attr::static_payload(pt).or_else(|| earlier().map(|&(_, payload)| payload))
        };
        let payload = said
            .get(usize::from(pt))
            .copied()
            .flatten()
            .unwrap_or_else(assumed);
        let Some(payload) = payload else { continue };
        // The first number for a payload is the preferred one (RFC 3264 §6.1); one is enough.
        if formats
            .iter()
            .all(|format| format.payload != payload && format.pt != pt)
        {
            let opus = match payload {
                Payload::Audio(Codec::Opus) => opus(section, pt),
                Payload::Audio(Codec::G722 | Codec::Pcma | Codec::Pcmu)
                | Payload::TelephoneEvent(_)
                | Payload::ComfortNoise(_) => OpusParameters::default(),
            };
            formats.push(RemoteFormat { pt, payload, opus });
        }
    }
    formats
}

fn opus(section: &MediaSection, pt: u8) -> OpusParameters {
    section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("fmtp"))
        .filter_map(|(_, value)| attr::fmtp(value))
        .find(|&(number, _)| number == pt)
        .map_or_else(OpusParameters::default, |(_, text)| {
            OpusParameters::parse(text)
        })
}

fn number(description: &SessionDescription, section: &MediaSection, name: &str) -> Option<u32> {
    both(description, section)
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .find_map(|(_, value)| attr::whole(value))
        .filter(|&number| number > 0)
}

/// The value of `b=<kind>:`; the section's own, else the session's.
fn bandwidth(description: &SessionDescription, section: &MediaSection, kind: &str) -> Option<u32> {
    raw_bandwidth(description, section, kind).filter(|&value| value > 0)
}

fn raw_bandwidth(
    description: &SessionDescription,
    section: &MediaSection,
    kind: &str,
) -> Option<u32> {
    section
        .lines
        .iter()
        .chain(&description.session)
        .filter(|line| line.kind == b'b')
        .find_map(|line| {
            let (known, value) = line.text().split_once(':')?;
            known
                .trim()
                .eq_ignore_ascii_case(kind)
                .then(|| attr::whole(value))?
        })
}

/// RFC 3556 §2: with both shares at zero there is no RTCP.
fn rtcp_on(description: &SessionDescription, section: &MediaSection) -> bool {
    let off = |kind| raw_bandwidth(description, section, kind) == Some(0);
    !(off("RS") && off("RR"))
}

/// RFC 8285 §5: 1 to 14 fit the one-byte header, 16 to 255 the two-byte one. Identifiers from
/// 4096 on are proposals without a number yet; we do not take those up.
fn level(description: &SessionDescription, section: &MediaSection) -> Option<(u8, Direction)> {
    both(description, section)
        .filter(|(name, _)| name.eq_ignore_ascii_case("extmap"))
        .filter_map(|(_, value)| ExtMap::parse(value))
        .filter(|extmap| extmap.uri == attr::AUDIO_LEVEL)
        .find_map(|extmap| {
            let id = u8::try_from(extmap.id)
                .ok()
                .filter(|&id| id != 0 && id != 15)?;
            Some((id, extmap.direction))
        })
}
