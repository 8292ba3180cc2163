//! One video section of the peer.

use super::describe::CONTENT_LABEL;
use crate::limits::Limits;
use crate::sdp::attr::{self, ExtMap, Profile, RtpMap};
use crate::sdp::bundle::MID_EXTENSION;
use crate::sdp::remote::{RemoteAudio, both};
use crate::sdp::{Incompatible, MediaSection, SdpError, SessionDescription};
use crate::video::frame::{CLOCK, VideoCodec};
use crate::video::h264::Params;
use crate::video::negotiated::FeedbackSet;
use bytes::Bytes;
use smallvec::SmallVec;
use std::net::IpAddr;

/// The header extension of transport-wide sequence numbers.
pub const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// What the peer says about one video section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteVideo {
    /// What video has in common with audio: addresses, keys, direction, bandwidth.
    pub transport: RemoteAudio,
    /// What we can speak of its formats, in the peer's order.
    pub formats: Vec<RemoteFormat>,
    /// The identifier of transport-wide sequence numbers.
    pub transport_cc: Option<u8>,
    /// The identifier of the MID header extension (RFC 9143 §15).
    pub mid_extension: Option<u8>,
    /// The sources that it names (RFC 5576 §4.1).
    pub sources: SmallVec<[u32; 4]>,
    /// It is content: slides, a screen (RFC 4796 §5).
    pub content: bool,
    /// What the peer calls it (RFC 4574 §4), where that is a short token.
    pub label: Option<Bytes>,
}

/// A format of the peer that we can speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFormat {
    /// The peer's number.
    pub pt: u8,
    /// What it means, and what the peer takes of it.
    pub parameters: Parameters,
    /// The peer's number for retransmissions of it (RFC 4588 §8.1).
    pub rtx: Option<u8>,
    /// The feedback the peer understands.
    pub feedback: FeedbackSet,
    /// Luma rows the peer wants at most (RFC 6236).
    pub rows: Option<usize>,
}

/// A codec with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// RFC 6184 §8.1.
    H264(Params),
    /// RFC 7741 §6.1.
    Vp8(Bounds),
    /// RFC 9628 §6.
    Vp9(Bounds),
}

/// What a receiver of VP8 or VP9 takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Macroblocks of one frame (`max-fs`).
    pub max_fs: Option<u32>,
    /// Frames a second (`max-fr`).
    pub max_fr: Option<u32>,
}

impl Parameters {
    /// The codec.
    pub const fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Vp8(_) => VideoCodec::Vp8,
            Self::Vp9(_) => VideoCodec::Vp9,
        }
    }
}

impl RemoteVideo {
    /// Reads section `index` of `description`, whose media we would send from `ours`.
    ///
    /// # Errors
    /// As [`RemoteAudio::read`].
    pub fn read(
        description: &SessionDescription,
        index: usize,
        ours: IpAddr,
        limits: &Limits,
    ) -> Result<Self, SdpError> {
        let section = description.media.get(index).ok_or(Incompatible::NoAudio)?;
        let transport = RemoteAudio::read(description, index, ours, &[], limits)?;
        let extension = |uri: &str| {
            let maps = both(description, section)
                .filter(|(name, _)| name.eq_ignore_ascii_case("extmap"))
                .filter_map(|(_, value)| ExtMap::parse(value));
            let mut known = maps.filter(|extmap| extmap.uri == uri);
            let id = known.next().and_then(|map| u8::try_from(map.id).ok());
            // RFC 8285 §4.2: what fits the one-byte form.
            id.filter(|id| (1..=14).contains(id))
        };
        Ok(Self {
            transport,
            formats: formats(section, limits),
            transport_cc: extension(TRANSPORT_CC),
            mid_extension: extension(MID_EXTENSION),
            sources: sources(section),
            content: is_content(description, index),
            label: label(section),
        })
    }

    /// The label that we repeat, or ours.
    pub(super) fn label(&self) -> Bytes {
        let ours = || Bytes::from_static(CONTENT_LABEL.as_bytes());
        self.label.clone().unwrap_or_else(ours)
    }
}

/// The different sources of `a=ssrc`, at most [`SOURCES`].
fn sources(section: &MediaSection) -> SmallVec<[u32; 4]> {
    let mut found = SmallVec::new();
    let lines = section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("ssrc"));
    for (_, value) in lines {
        let id = value.split_ascii_whitespace().next().and_then(attr::whole);
        if let Some(id) = id.filter(|id| found.len() < SOURCES && !found.contains(id)) {
            found.push(id);
        }
    }
    found
}

/// Sources of one section that are believed. Beyond: they are learnt by their packets.
const SOURCES: usize = 8;

/// Whether a section is slides: it says so (RFC 4796 §5). Browsers cannot be told to say it; where nobody says anything,
/// each but the first of their video sections is. What they refused keeps its place (RFC 8829 §5.2.2), so that the same
/// section is the first one for ever.
pub(super) fn is_content(description: &SessionDescription, index: usize) -> bool {
    let sections = || description.media.iter().enumerate();
    if sections().any(|(_, section)| content(section).next().is_some()) {
        let section = description.media.get(index);
        return section.is_some_and(says_slides);
    }
    let mut of_browser = sections().filter(|(_, section)| is_browsers_video(section));
    let first = of_browser.next();
    first.is_some() && of_browser.any(|(place, _)| place == index)
}

fn content(section: &MediaSection) -> impl Iterator<Item = &str> {
    let said = section.attributes();
    let said = said.filter(|(name, _)| name.eq_ignore_ascii_case("content"));
    said.map(|(_, value)| value)
}

fn says_slides(section: &MediaSection) -> bool {
    let mut kinds = content(section).flat_map(|value| value.split(',').map(str::trim));
    kinds.any(|kind| kind.eq_ignore_ascii_case("slides"))
}

/// RFC 8829 §5.2.1: a handshake, feedback, and a name.
fn is_browsers_video(section: &MediaSection) -> bool {
    let named = |(name, _): (&str, &str)| name.eq_ignore_ascii_case("mid");
    section.m.media().eq_ignore_ascii_case("video")
        && Profile::parse(section.m.proto()) == Profile::UdpTlsSavpf
        && section.attributes().any(named)
}

/// `a=label` (RFC 4574 §4): a token, and not longer than anybody's is.
fn label(section: &MediaSection) -> Option<Bytes> {
    let mut said = section.attributes();
    let (_, label) = said.find(|(name, _)| name.eq_ignore_ascii_case("label"))?;
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._+".contains(&octet);
    let fits = !label.is_empty() && label.len() <= 32 && label.bytes().all(plain);
    fits.then(|| Bytes::copy_from_slice(label.as_bytes()))
}

fn formats(section: &MediaSection, limits: &Limits) -> Vec<RemoteFormat> {
    let numbers = || {
        let formats = section.m.formats().take(limits.sdp_formats);
        formats.filter_map(attr::payload_type)
    };
    let mut found: Vec<RemoteFormat> = numbers().filter_map(|pt| format(section, pt)).collect();
    for pt in numbers() {
        let about = repaired(section, pt);
        let format = found.iter_mut().find(|format| Some(format.pt) == about);
        if let Some(format) = format {
            format.rtx.get_or_insert(pt);
        }
    }
    found
}

fn rtpmap(section: &MediaSection, pt: u8) -> Option<RtpMap<'_>> {
    section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("rtpmap"))
        .filter_map(|(_, value)| RtpMap::parse(value))
        .find(|map| map.pt == pt)
}

fn fmtp(section: &MediaSection, pt: u8) -> &str {
    section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("fmtp"))
        .filter_map(|(_, value)| attr::fmtp(value))
        .find(|(number, _)| *number == pt)
        .map_or("", |(_, text)| text)
}

/// The value of a parameter of `a=fmtp`.
fn parameter(fmtp: &str, name: &str) -> Option<u32> {
    fmtp.split(';')
        .filter_map(|one| one.split_once('='))
        .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
        .and_then(|(_, value)| attr::whole(value))
}

/// RFC 4588 §8.1: the payload type whose packets this one sends again.
fn repaired(section: &MediaSection, pt: u8) -> Option<u8> {
    let map = rtpmap(section, pt)?;
    if !map.name.eq_ignore_ascii_case("rtx") {
        return None;
    }
    u8::try_from(parameter(fmtp(section, pt), "apt")?).ok()
}

fn format(section: &MediaSection, pt: u8) -> Option<RemoteFormat> {
    let map = rtpmap(section, pt).filter(|map| map.clock == CLOCK)?;
    let text = fmtp(section, pt);
    let bounds = || Bounds {
        max_fs: parameter(text, "max-fs").filter(|fs| *fs > 0),
        max_fr: parameter(text, "max-fr").filter(|fr| *fr > 0),
    };
    let is = |name: &str| map.name.eq_ignore_ascii_case(name);
    let parameters = if is("H264") {
        Parameters::H264(Params::parse(text).ok()?)
    } else if is("VP8") {
        Parameters::Vp8(bounds())
    } else if is("VP9") {
        // Profile 0 is 8 bits and 4:2:0, which is what we have.
        let profile = parameter(text, "profile-id").unwrap_or(0);
        Parameters::Vp9((profile == 0).then(bounds)?)
    } else {
        return None;
    };
    Some(RemoteFormat {
        pt,
        parameters,
        rtx: None,
        feedback: feedback(section, pt),
        rows: rows(section, pt),
    })
}

/// `a=rtcp-fb` of a payload type or of all (RFC 4585 §4.2).
fn feedback(section: &MediaSection, pt: u8) -> FeedbackSet {
    let mut flags = [false; 6];
    for (name, value) in section.attributes() {
        if !name.eq_ignore_ascii_case("rtcp-fb") {
            continue;
        }
        let Some((about, what)) = value.split_once(|letter: char| letter.is_ascii_whitespace())
        else {
            continue;
        };
        if about != "*" && attr::payload_type(about) != Some(pt) {
            continue;
        }
        let words: Vec<&str> = what.split_ascii_whitespace().take(2).collect();
        let said = words.join(" ");
        for (flag, known) in flags.iter_mut().zip(FeedbackSet::NAMES) {
            *flag |= known.eq_ignore_ascii_case(&said);
        }
    }
    FeedbackSet::of(flags)
}

/// RFC 6236 §3.1: the most rows in the sets that the peer wants to receive.
fn rows(section: &MediaSection, pt: u8) -> Option<usize> {
    let values = section
        .attributes()
        .filter(|(name, _)| name.eq_ignore_ascii_case("imageattr"))
        .filter_map(|(_, value)| value.split_once(|letter: char| letter.is_ascii_whitespace()));
    let mut about = values.filter(|(whom, _)| *whom == "*" || attr::payload_type(whom) == Some(pt));
    let (_, sets) = about.next()?;
    let wanted = sets.split("recv").nth(1)?.split("send").next()?;
    let heights = wanted.split("y=").skip(1).filter_map(height);
    heights.max().filter(|rows| *rows > 0)
}

/// The largest number of one value: `640`, or a range or a list, `[320:16:640]`, `[320,640]`.
fn height(value: &str) -> Option<usize> {
    let (numbers, end) = match value.strip_prefix('[') {
        Some(rest) => (rest, "]"),
        None => (value, ",]"),
    };
    let numbers = numbers.split(|letter| end.contains(letter)).next()?;
    let numbers = numbers.split([':', '-', ',']);
    numbers
        .filter_map(|number| number.trim().parse().ok())
        .max()
}
