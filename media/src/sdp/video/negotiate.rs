//! Offer and answer of a video section (RFC 3264) as pure functions.

use super::describe::{CONTENT_LABEL, VideoFormat, VideoSection};
use super::local::{LocalVideo, Role};
use super::remote::{Bounds, Parameters, RemoteFormat, RemoteVideo, is_content};
use super::sections::Terms;
use super::transport::{self, Transport};
use crate::limits::Limits;
use crate::path::{Keying, NegotiatedPath};
use crate::sdp::agreement::Agreement;
use crate::sdp::attr::{Direction, Profile};
use crate::sdp::bundle::Shared;
use crate::sdp::ice::{AgreedIce, OurIce, offered_ice};
use crate::sdp::negotiate::first_profile;
use crate::sdp::security::{OurSecurity, Protection};
use crate::sdp::{Local, Offers, SessionDescription};
use crate::video::format::{ReceiveFormat, SendFormat};
use crate::video::frame::VideoCodec;
use crate::video::h264::{PacketizationMode, Params, Profile as H264Profile};
use crate::video::negotiated::{FeedbackSet, NegotiatedVideo};
use crate::video::rate::PictureLimits;
use bytes::Bytes;
use smallvec::SmallVec;

/// What both sides agreed on about video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedVideo {
    /// Which section it is.
    pub index: usize,
    /// What we said of it.
    pub section: VideoSection,
    /// What the video leg does.
    pub video: NegotiatedVideo,
    /// Where the keys come from.
    pub keying: Keying,
    /// How the ways between us are found.
    pub ice: Option<Box<AgreedIce>>,
    /// The sources the peer names (RFC 5576).
    pub sources: SmallVec<[u32; 4]>,
}

impl AgreedVideo {
    /// How packets are to travel; `None` for plain RTP, and where they go by the transport of sound.
    pub fn path(&self) -> Option<NegotiatedPath> {
        let more = self.keying != Keying::Plain || self.ice.is_some();
        more.then(|| NegotiatedPath {
            keying: self.keying.clone(),
            ice: self.ice.clone(),
            rtp: self.video.remote_rtp,
            rtcp: self.video.remote_rtcp,
            rtcp_mux: self.video.rtcp_mux,
        })
    }
}

/// Answers the video of an offer: the section that is taken, or `None` where none can be. Section `audio` is not
/// looked at.
pub(in crate::sdp) fn answer(
    (local, role): (&Local, Role),
    direction: Direction,
    offer: &SessionDescription,
    audio: usize,
    terms: Terms<'_>,
    limits: &Limits,
) -> Option<AgreedVideo> {
    let ours = local.stream(role)?;
    let local = ours.of(local);
    let (previous, group, shared) = terms;
    let before = previous.and_then(|previous| previous.stream(role));
    let candidates = candidates((&local, role), offer, audio, before);
    // A group in force takes in what is offered with it, and no answer can keep that out (RFC 9143 §7.3.3).
    let grouped = previous
        .and_then(Agreement::section)
        .is_some_and(|section| section.bundled);
    candidates.into_iter().find_map(|index| {
        let shared = shared.filter(|it| it.group.has(index));
        // What was read with the transport of a group has none of its own.
        if shared.is_none() && group.is_some_and(|group| group.has(index)) {
            return None;
        }
        let terms = (before, grouped, shared);
        take((&local, ours, role), direction, offer, index, terms, limits)
    })
}

/// The sections worth looking at: the one in force, then the protected ones, then the others.
fn candidates(
    (local, role): (&Local, Role),
    offer: &SessionDescription,
    audio: usize,
    before: Option<&AgreedVideo>,
) -> Vec<usize> {
    let mut found: Vec<(bool, bool, usize)> = offer
        .media
        .iter()
        .enumerate()
        .filter(|(index, section)| {
            let video = section.m.media().eq_ignore_ascii_case("video");
            let fits = is_content(offer, *index) == (role == Role::Content);
            *index != audio && video && section.m.port() != 0 && fits
        })
        .map(|(index, section)| {
            let kept = before.is_some_and(|before| before.index == index);
            let secure = Profile::parse(section.m.proto()).is_secure();
            let wanted = secure == (local.protection != Protection::Never);
            (!kept, !wanted, index)
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, _, index)| index).collect()
}

/// What holds for one section: what was agreed on before, whether a group is in force, and that which is taken up.
type OfSection<'a> = (Option<&'a AgreedVideo>, bool, Option<Shared<'a>>);

fn take(
    (local, ours, role): (&Local, &LocalVideo, Role),
    direction: Direction,
    offer: &SessionDescription,
    index: usize,
    (before, grouped, shared): OfSection<'_>,
    limits: &Limits,
) -> Option<AgreedVideo> {
    let remote = RemoteVideo::read(offer, index, local.address, limits).ok()?;
    let bundled = shared.is_some();
    if grouped && before.is_none() && remote.transport.bundled && !bundled {
        return None;
    }
    let format = choose(ours, &remote)?;
    let before = before.filter(|before| before.index == index);
    // A transport is not changed mid-call: its sockets are gone, or are others.
    if before.is_some_and(|before| before.section.bundled != bundled) {
        return None;
    }
    let theirs = &remote.transport;
    let rtcp_mux = local.rtcp_mux && theirs.rtcp_mux;
    let Transport {
        security,
        keying,
        our_ice,
        ice,
    } = match shared {
        Some(_) => Transport::of_sound(),
        None => transport::answer(local, offer, index, &remote, before, limits)?,
    };
    // One count of numbers for one transport: that of the first pictures.
    let counted = !bundled || role == Role::Main;
    let transport_cc = remote
        .transport_cc
        .filter(|_| format.feedback.transport_cc && counted);
    let section = VideoSection {
        profile: theirs.profile,
        ports: (ours.rtp_port, ours.rtcp_port),
        formats: vec![answered(ours, format, transport_cc)],
        macroblocks: ours.macroblocks(),
        bitrate: ours.bitrate,
        direction: theirs.direction.reversed().and(direction),
        rtcp_mux,
        transport_cc,
        mid: theirs.mid.clone(),
        content: (role == Role::Content).then(|| remote.label()),
        security,
        ice: our_ice,
        bundled,
        only: false,
        mid_extension: remote.mid_extension.filter(|_| bundled),
        sources: (ours.sources.0, ours.sources.1, ours.cname.clone()),
    };
    if shared.is_some_and(|shared| !shared.takes(index, &numbers(&section))) {
        return None;
    }
    let video = agreed(ours, &section, &remote, format, section.direction)?;
    Some(AgreedVideo {
        index,
        section,
        video,
        keying,
        ice,
        sources: remote.sources,
    })
}

/// The payload types of a section.
fn numbers(section: &VideoSection) -> Vec<u8> {
    let formats = section.formats.iter();
    formats
        .flat_map(|format| [Some(format.pt), format.rtx])
        .flatten()
        .collect()
}

/// The format to take: by our order of codecs, then H.264's mode 1 before 0, then the profile we encode, then the peer's
/// order.
fn choose<'a>(ours: &LocalVideo, remote: &'a RemoteVideo) -> Option<&'a RemoteFormat> {
    let rank = |format: &RemoteFormat| {
        let codec = format.parameters.codec();
        let codec = ours.codecs.iter().position(|known| *known == codec)?;
        let (mode, profile) = match &format.parameters {
            Parameters::H264(params) => (
                params.mode != PacketizationMode::NonInterleaved,
                profile_rank(params.profile)?,
            ),
            Parameters::Vp8(_) | Parameters::Vp9(_) => (false, 0),
        };
        Some((codec, mode, profile))
    };
    let ranked = remote
        .formats
        .iter()
        .filter_map(|format| Some((rank(format)?, format)));
    ranked
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, format)| format)
}

/// Who decodes these profiles decodes Constrained Baseline, which is what we encode; and we decode them, but for what
/// nobody uses of them.
const fn profile_rank(profile: H264Profile) -> Option<u8> {
    match profile {
        H264Profile::ConstrainedBaseline => Some(0),
        H264Profile::Baseline => Some(1),
        H264Profile::ConstrainedHigh => Some(2),
        H264Profile::High => Some(3),
        H264Profile::Main => Some(4),
        H264Profile::Extended => None,
    }
}

/// Our form of the peer's format.
fn answered(ours: &LocalVideo, format: &RemoteFormat, transport_cc: Option<u8>) -> VideoFormat {
    let h264 = match &format.parameters {
        Parameters::H264(params) => Some(params.answer(&ours.h264(params.mode))),
        Parameters::Vp8(_) | Parameters::Vp9(_) => None,
    };
    VideoFormat {
        pt: format.pt,
        codec: format.parameters.codec(),
        h264,
        rtx: format.rtx.filter(|_| format.feedback.nack),
        feedback: FeedbackSet {
            transport_cc: transport_cc.is_some(),
            ..format.feedback
        },
    }
}

/// What the video leg does after both have spoken.
fn agreed(
    ours: &LocalVideo,
    section: &VideoSection,
    remote: &RemoteVideo,
    format: &RemoteFormat,
    direction: Direction,
) -> Option<NegotiatedVideo> {
    let said = section.formats.first()?;
    let transport = &remote.transport;
    let (send, receive) = formats(&format.parameters);
    let bounds = bounds(&format.parameters, said.h264.as_ref());
    // `b=AS` counts headers as well: a twentieth at usual packet sizes.
    let of_total = transport.bandwidth.map(|total| total - total / 20);
    let bitrate = [
        transport.payload_bandwidth,
        of_total,
        bounds.bits_per_second,
    ]
    .into_iter()
    .flatten()
    .fold(ours.bitrate, u32::min);
    let rtcp = if section.rtcp_mux {
        transport.rtp.filter(|_| transport.rtcp_on)
    } else {
        transport.rtcp
    };
    Some(NegotiatedVideo {
        send,
        send_pt: format.pt,
        send_rtx: said.rtx.and(format.rtx),
        receive,
        receive_pt: said.pt,
        receive_rtx: said.rtx,
        transport_cc: section.transport_cc,
        mid: section.mid_extension.zip(section.mid.clone()),
        feedback: said.feedback,
        limits: PictureLimits {
            rows: format.rows.map_or(ours.rows, |rows| rows.min(ours.rows)),
            macroblocks: bounds.macroblocks,
            macroblocks_per_second: bounds.macroblocks_per_second,
        },
        bitrate,
        sources: ours.sources,
        remote_rtp: transport.rtp,
        remote_rtcp: rtcp,
        rtcp_mux: section.rtcp_mux,
        sending: direction.sends() && transport.rtp.is_some(),
        receiving: direction.receives(),
    })
}

fn formats(parameters: &Parameters) -> (SendFormat, ReceiveFormat) {
    match parameters {
        Parameters::H264(params) => (
            SendFormat::H264(params.mode),
            ReceiveFormat::H264(params.sets.clone()),
        ),
        Parameters::Vp8(_) => (SendFormat::Vp8, ReceiveFormat::Vp8),
        Parameters::Vp9(_) => (SendFormat::Vp9, ReceiveFormat::Vp9),
    }
}

/// What the peer takes.
struct Taken {
    macroblocks: u32,
    macroblocks_per_second: u32,
    bits_per_second: Option<u32>,
}

fn bounds(parameters: &Parameters, ours: Option<&Params>) -> Taken {
    match parameters {
        Parameters::H264(params) => {
            // Without asymmetry the level of the answer is that of both directions (RFC 6184 §8.2.2).
            let symmetric = ours.filter(|ours| !(ours.asymmetry && params.asymmetry));
            let least = |theirs: u32, ours: fn(&Params) -> u32| {
                symmetric.map_or(theirs, |params| theirs.min(ours(params)))
            };
            Taken {
                macroblocks: least(params.frame_macroblocks(), Params::frame_macroblocks),
                macroblocks_per_second: least(
                    params.macroblocks_per_second(),
                    Params::macroblocks_per_second,
                ),
                bits_per_second: Some(least(params.bits_per_second(), Params::bits_per_second)),
            }
        }
        Parameters::Vp8(Bounds { max_fs, max_fr }) | Parameters::Vp9(Bounds { max_fs, max_fr }) => {
            let frame = max_fs.unwrap_or(u32::MAX);
            Taken {
                macroblocks: frame,
                macroblocks_per_second: max_fr.map_or(u32::MAX, |fr| frame.saturating_mul(fr)),
                bits_per_second: None,
            }
        }
    }
}

/// Our section in an offer: the one there was with what is in force, or a new one where we want to offer video.
pub(in crate::sdp) fn offer(
    (local, role): (&Local, Role),
    direction: Direction,
    previous: Option<&Agreement>,
) -> Option<VideoSection> {
    let ours = local.stream(role)?;
    let of_video = ours.of(local);
    let before = previous.and_then(|previous| previous.stream(role));
    let keys = before.map(|before| (&before.section.security, &before.keying));
    let security = OurSecurity::offer(&of_video, keys);
    let generation = before.and_then(|before| before.ice.as_ref());
    let ice = offered_ice(
        &of_video,
        before.is_none(),
        generation.map(|agreed| agreed.generation),
    );
    match before {
        Some(before) if before.section.bundled => Some(VideoSection {
            direction,
            ..before.section.clone()
        }),
        Some(before) => Some(VideoSection {
            direction,
            security,
            ice,
            rtcp_mux: of_video.rtcp_mux,
            ..before.section.clone()
        }),
        None if of_video.offers == Offers::Browser => {
            Some(bundled_offer(&of_video, ours, role, direction))
        }
        None => Some(VideoSection {
            profile: first_profile(&of_video),
            ports: (ours.rtp_port, ours.rtcp_port),
            formats: everything(ours),
            macroblocks: ours.macroblocks(),
            bitrate: ours.bitrate,
            direction,
            rtcp_mux: of_video.rtcp_mux,
            transport_cc: None,
            mid: None,
            content: (role == Role::Content).then(|| Bytes::from_static(CONTENT_LABEL.as_bytes())),
            security,
            ice,
            bundled: false,
            only: false,
            mid_extension: None,
            sources: (ours.sources.0, ours.sources.1, ours.cname.clone()),
        }),
    }
}

/// A new section in an offer of ours to a browser: in the group of sound, or not at all (RFC 9143 §7.2.2).
fn bundled_offer(
    local: &Local,
    ours: &LocalVideo,
    role: Role,
    direction: Direction,
) -> VideoSection {
    let main = role == Role::Main;
    let mut formats = everything(ours);
    for format in &mut formats {
        format.feedback.transport_cc = main;
    }
    VideoSection {
        profile: first_profile(local),
        ports: (ours.rtp_port, ours.rtcp_port),
        formats,
        macroblocks: ours.macroblocks(),
        bitrate: ours.bitrate,
        direction,
        rtcp_mux: true,
        // Sound has 1 for its levels.
        transport_cc: main.then_some(3),
        mid: Some(Bytes::from_static(if main { b"1" } else { b"2" })),
        content: (!main).then(|| Bytes::from_static(CONTENT_LABEL.as_bytes())),
        security: OurSecurity::default(),
        ice: OurIce::Nothing,
        bundled: true,
        only: true,
        mid_extension: Some(4),
        sources: (ours.sources.0, ours.sources.1, ours.cname.clone()),
    }
}

/// Every format that we speak, with its retransmissions.
fn everything(ours: &LocalVideo) -> Vec<VideoFormat> {
    const H264: [Option<PacketizationMode>; 2] = [
        Some(PacketizationMode::NonInterleaved),
        Some(PacketizationMode::SingleNal),
    ];
    let modes = |codec: &VideoCodec| match codec {
        VideoCodec::H264 => H264.to_vec(),
        VideoCodec::Vp8 | VideoCodec::Vp9 => vec![None],
    };
    let forms = ours
        .codecs
        .iter()
        .flat_map(|codec| modes(codec).into_iter().map(move |mode| (*codec, mode)));
    (96..=126_u8)
        .step_by(2)
        .zip(forms)
        .map(|(pt, (codec, mode))| VideoFormat {
            pt,
            codec,
            h264: mode.map(|mode| ours.h264(mode)),
            rtx: Some(pt + 1),
            feedback: FeedbackSet {
                transport_cc: false,
                ..FeedbackSet::ALL
            },
        })
        .collect()
}

/// What the answer to our section means; `None` where it is refused or nothing can be agreed on.
pub(in crate::sdp) fn conclude(
    (local, role): (&Local, Role),
    (index, offered): (usize, &VideoSection),
    answer: &SessionDescription,
    (previous, shared): (Option<&Agreement>, Option<Shared<'_>>),
    limits: &Limits,
) -> Option<AgreedVideo> {
    let ours = local.stream(role)?;
    let local = ours.of(local);
    let theirs = answer.media.get(index)?;
    if theirs.m.port() == 0 || !theirs.m.media().eq_ignore_ascii_case("video") {
        return None;
    }
    let bundled = shared.is_some_and(|shared| shared.group.has(index));
    if offered.bundled != bundled {
        return None;
    }
    let remote = RemoteVideo::read(answer, index, local.address, limits).ok()?;
    let before = previous.and_then(|previous| previous.stream(role));
    let (format, said) = remote.formats.iter().find_map(|format| {
        let mode = |params: &Params| params.mode;
        let same = |said: &&VideoFormat| {
            let theirs = match &format.parameters {
                Parameters::H264(params) => Some(mode(params)),
                Parameters::Vp8(_) | Parameters::Vp9(_) => None,
            };
            said.codec == format.parameters.codec() && said.h264.as_ref().map(mode) == theirs
        };
        Some((format, offered.formats.iter().find(same)?))
    })?;
    let Transport {
        security,
        keying,
        ice,
        ..
    } = match bundled {
        true => Transport::of_sound(),
        false => transport::conclude(&local, (index, offered), answer, &remote, before, limits)?,
    };
    let both = said
        .feedback
        .flags()
        .into_iter()
        .zip(format.feedback.flags());
    let mut flags = [false; 6];
    for (flag, (ours, theirs)) in flags.iter_mut().zip(both) {
        *flag = ours && theirs;
    }
    let mut section = offered.clone();
    section.rtcp_mux &= remote.transport.rtcp_mux;
    section.transport_cc = section.transport_cc.and(remote.transport_cc);
    section.formats = vec![VideoFormat {
        rtx: format.rtx.and(said.rtx),
        feedback: FeedbackSet::of(flags),
        ..said.clone()
    }];
    section.security = security;
    section.mid_extension = section.mid_extension.and(remote.mid_extension);
    section.only = false;
    if bundled && shared.is_some_and(|shared| !shared.takes(index, &numbers(&section))) {
        return None;
    }
    let direction = section.direction.and(remote.transport.direction.reversed());
    let video = agreed(ours, &section, &remote, format, direction)?;
    Some(AgreedVideo {
        index,
        section,
        video,
        keying,
        ice,
        sources: remote.sources,
    })
}
