//! Our own sections, and the session description they make.

use super::attr::{AUDIO_LEVEL, Direction, Profile};
use super::floor::FloorSection;
use super::formats::{Formats, encoding};
use super::ice::{IceDescription, OurIce};
use super::security::OurSecurity;
use super::video::VideoSection;
use super::{Local, MediaSection, SessionDescription, remote};
use crate::negotiated::{Codec, Payload};
use bytes::Bytes;
use std::fmt::Write;
use std::net::IpAddr;

/// What we say about a session, apart from the version number of the `o=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurDescription {
    /// The value of the `t=` line: the offer's in an answer (RFC 3264 §6), else `0 0`.
    pub timing: String,
    /// The sections of our group in its order (RFC 9143 §7.3); those that are not taken are passed over. Empty: none.
    pub group: Vec<usize>,
    /// Our media sections; as many as there ever were, none is ever removed (RFC 3264 §8).
    pub sections: Vec<OurSection>,
}

impl OurDescription {
    /// An answer that takes nothing of the offer.
    pub(super) fn refusing(offer: &SessionDescription) -> Self {
        let sections = offer.media.iter().map(RefusedSection::of);
        Self {
            timing: timing(offer).to_owned(),
            group: Vec::new(),
            sections: sections.map(OurSection::Refused).collect(),
        }
    }
}

/// The offer's `t=`, which the answer repeats (RFC 3264 §6), when it is made of numbers.
fn timing(offer: &SessionDescription) -> &str {
    let numbers = |t: &&str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit() || c == ' ');
    offer.first(b't').filter(numbers).unwrap_or("0 0")
}

/// One of our media sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OurSection {
    /// Refused or disabled: port 0, media, profile and formats as the peer had them.
    Refused(RefusedSection),
    /// The conference's audio.
    Audio(AudioSection),
    /// The conference's video, or its slides.
    Video(Box<VideoSection>),
    /// Who may show slides.
    Floor(Box<FloorSection>),
}

/// A section that we refuse (RFC 3264 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSection {
    media: String,
    proto: String,
    formats: String,
    mid: Option<Bytes>,
}

impl RefusedSection {
    /// The refusal of the peer's section.
    pub fn of(section: &MediaSection) -> Self {
        let mut formats = String::new();
        for format in section.m.formats() {
            formats.push(' ');
            formats.push_str(format);
        }
        if formats.is_empty() {
            // The grammar wants one even here (RFC 8866 §9); nobody reads it.
            formats.push_str(" 0");
        }
        Self {
            media: section.m.media().to_owned(),
            proto: section.m.proto().to_owned(),
            formats,
            mid: remote::mid(section),
        }
    }
}

impl RefusedSection {
    /// A section of ours that the peer's answer left out.
    pub(super) fn left_out(media: &str, proto: &str, formats: &str) -> Self {
        Self {
            media: media.to_owned(),
            proto: proto.to_owned(),
            formats: formats.to_owned(),
            mid: None,
        }
    }
}

/// Our audio section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSection {
    /// The offer's in an answer.
    pub profile: Profile,
    /// Our payload types, the most wanted first.
    pub formats: Formats,
    /// The packet duration that we would like to receive.
    pub ptime_ms: u8,
    /// Which way media may flow, seen from us.
    pub direction: Direction,
    /// RTCP on the RTP port.
    pub rtcp_mux: bool,
    /// The identifier of RFC 6464 levels, which we only receive.
    pub level_id: Option<u8>,
    /// The offer's `a=mid:`, or none.
    pub mid: Option<Bytes>,
    /// The section's group is taken up (RFC 9143 §7.3).
    pub bundled: bool,
    /// What we say of keys.
    pub security: OurSecurity,
    /// What we say of ICE.
    pub ice: OurIce,
}

/// The text of our session description (RFC 8866 §5), version `version`.
pub fn describe(local: &Local, version: u64, ours: &OurDescription) -> Bytes {
    let mut out = String::with_capacity(512);
    // Writing to a String cannot fail; the result is there for writers that can.
    let _written = write_description(&mut out, local, version, ours);
    Bytes::from(out)
}

fn write_description(
    out: &mut String,
    local: &Local,
    version: u64,
    ours: &OurDescription,
) -> std::fmt::Result {
    let address = local.address;
    let family = match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    write!(
        out,
        "v=0\r\no=- {} {version} IN {family} {address}\r\ns=",
        local.session_id
    )?;
    // RFC 8866 §5.3: the name must not be empty.
    let visible = |letter: &char| !letter.is_control();
    let before = out.len();
    out.extend(local.session_name.chars().filter(visible));
    if out.len() == before {
        out.push('-');
    }
    write!(out, "\r\nc=IN {family} {address}\r\nt={}\r\n", ours.timing)?;
    write_group(out, ours)?;
    write_ice(out, ours)?;
    let is_video = |section: &OurSection| matches!(section, OurSection::Video(_));
    let seen = ours.sections.iter().any(is_video);
    let tagged = bundled(ours).next().map(|(index, _)| index);
    for (index, section) in ours.sections.iter().enumerate() {
        match section {
            OurSection::Refused(refused) => {
                let RefusedSection {
                    media,
                    proto,
                    formats,
                    mid,
                } = refused;
                write!(out, "m={media} 0 {proto}{formats}\r\n")?;
                write_mid(out, mid.as_ref())?;
            }
            OurSection::Audio(audio) => {
                // What is bundled says nothing of the transport but where that is the tagged section (RFC 9143 §7.1.3).
                let other = audio.bundled && tagged != Some(index);
                write_audio(out, local, audio, (seen, !other))?;
            }
            OurSection::Video(video) => {
                let audio = sound(ours).filter(|_| tagged == Some(index));
                video.write(out, (local.rtp_port, local.rtcp_port), audio)?;
            }
            OurSection::Floor(floor) => floor.write(out)?,
        }
    }
    Ok(())
}

/// RFC 8839 §4.2.1.2: what belongs before the sections.
fn write_ice(out: &mut String, ours: &OurDescription) -> std::fmt::Result {
    let mut said = ours.sections.iter().filter_map(|section| match section {
        OurSection::Audio(AudioSection {
            ice: OurIce::Description(ice),
            ..
        }) => Some(ice),
        OurSection::Video(video) => match &video.ice {
            OurIce::Description(ice) => Some(ice),
            OurIce::Nothing | OurIce::Mismatch => None,
        },
        OurSection::Audio(_) | OurSection::Floor(_) | OurSection::Refused(_) => None,
    });
    said.next().map_or(Ok(()), |ice| ice.write_session(out))
}

/// The sections that we take of our group, with their names; the first one is the tagged section.
fn bundled(ours: &OurDescription) -> impl Iterator<Item = (usize, &str)> {
    ours.group.iter().filter_map(|index| {
        let mid = match ours.sections.get(*index)? {
            OurSection::Audio(audio) if audio.bundled => audio.mid.as_ref(),
            OurSection::Video(video) if video.bundled => video.mid.as_ref(),
            OurSection::Audio(_)
            | OurSection::Video(_)
            | OurSection::Floor(_)
            | OurSection::Refused(_) => None,
        };
        Some((*index, std::str::from_utf8(mid?).ok()?))
    })
}

/// Our sound, which has the transport of the group.
fn sound(ours: &OurDescription) -> Option<&AudioSection> {
    ours.sections.iter().find_map(|section| match section {
        OurSection::Audio(audio) => Some(audio),
        OurSection::Video(_) | OurSection::Floor(_) | OurSection::Refused(_) => None,
    })
}

/// RFC 9143 §7.3: the group with the sections that we take.
fn write_group(out: &mut String, ours: &OurDescription) -> std::fmt::Result {
    let mut taken = bundled(ours).map(|(_, mid)| mid).peekable();
    if taken.peek().is_none() {
        return Ok(());
    }
    out.push_str("a=group:BUNDLE");
    for mid in taken {
        write!(out, " {mid}")?;
    }
    out.push_str("\r\n");
    Ok(())
}

/// Keys and ways of a section, or of the group whose tagged section it is.
pub(super) fn write_transport(
    out: &mut String,
    security: &OurSecurity,
    ice: &OurIce,
    rtcp_mux: bool,
) -> std::fmt::Result {
    security.write(out)?;
    match ice {
        OurIce::Nothing => {}
        OurIce::Mismatch => out.push_str(IceDescription::MISMATCH),
        OurIce::Description(ice) => ice.write_media(out, rtcp_mux)?,
    }
    Ok(())
}

/// `seen`: there is video beside it; `own`: the transport is described here.
fn write_audio(
    out: &mut String,
    local: &Local,
    audio: &AudioSection,
    (seen, own): (bool, bool),
) -> std::fmt::Result {
    write!(out, "m=audio {} {}", local.rtp_port, audio.profile.as_str())?;
    for (pt, _) in &audio.formats {
        write!(out, " {pt}")?;
    }
    out.push_str("\r\n");
    write_mid(out, audio.mid.as_ref())?;
    for &(pt, payload) in &audio.formats {
        let (name, clock, channels) = encoding(payload);
        write!(out, "a=rtpmap:{pt} {name}/{clock}{channels}\r\n")?;
        match payload {
            // RFC 7587 §6.1: what we want to receive. The packets may be as short as our shortest.
            Payload::Audio(Codec::Opus) => write!(
                out,
                "a=fmtp:{pt} minptime=10;maxaveragebitrate={};useinbandfec=1\r\n",
                local.opus_ceiling()
            )?,
            // RFC 4733 §2.4.1: the sixteen keys.
            Payload::TelephoneEvent(_) => write!(out, "a=fmtp:{pt} 0-15\r\n")?,
            Payload::Audio(Codec::G722 | Codec::Pcma | Codec::Pcmu) | Payload::ComfortNoise(_) => {}
        }
    }
    write!(out, "a=ptime:{}\r\na=maxptime:60\r\n", audio.ptime_ms)?;
    if audio.rtcp_mux {
        out.push_str("a=rtcp-mux\r\n");
    }
    if audio.profile.has_feedback() {
        out.push_str("a=rtcp-rsize\r\n");
    }
    // RFC 3605 §2.1: needed when the port is not the next one.
    if local.rtp_port.checked_add(1) != Some(local.rtcp_port) {
        write!(out, "a=rtcp:{}\r\n", local.rtcp_port)?;
    }
    if let Some(id) = audio.level_id {
        write!(out, "a=extmap:{id}/recvonly {AUDIO_LEVEL}\r\n")?;
    }
    if own {
        write_transport(out, &audio.security, &audio.ice, audio.rtcp_mux)?;
    }
    if audio.bundled || (seen && audio.mid.is_some()) {
        // RFC 8830 §2: browsers give a track without a stream otherwise.
        out.push_str("a=msid:plenum audio\r\n");
    }
    // Also on hold: a source that was forgotten and comes again is not played by every browser.
    let source = local.source.as_ref();
    if let Some((ssrc, cname)) = source.filter(|_| audio.bundled && seen) {
        write!(out, "a=ssrc:{ssrc} cname:{cname}\r\n")?;
    }
    write!(out, "a={}\r\n", audio.direction.as_str())
}

pub(super) fn write_mid(out: &mut String, mid: Option<&Bytes>) -> std::fmt::Result {
    match mid.and_then(|mid| std::str::from_utf8(mid).ok()) {
        Some(mid) => write!(out, "a=mid:{mid}\r\n"),
        None => Ok(()),
    }
}
