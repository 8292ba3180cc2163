//! Offer and answer (RFC 3264) as pure functions of our capabilities, the peer's description and
//! what was agreed before.
//!
//! One audio section is taken, the first that we can speak, and the one taken before if it is
//! still there, and one of video where we speak that ([`super::video`]); every other section is
//! refused with port 0 in its place. `a=group:BUNDLE` is taken up as [`super::bundle`] says; an answer of ours without a
//! group line declines it (RFC 9143 §7.3). `a=mid` is repeated.
//!
//! Payload types go by direction (RFC 3264 §5.1): we send with the peer's numbers and receive
//! with ours. In an answer ours are the offer's, unless a number meant something else earlier in
//! the session.

use super::agreement::Agreement;
use super::attr::{Direction, Profile};
use super::bundle::{Group, Shared};
use super::describe::{AudioSection, OurDescription, OurSection};
use super::formats::{Formats, clock, name, number, usual_number};
use super::ice::{AgreedIce, IceDescription, OurIce, offered_ice};
use super::remote::RemoteAudio;
use super::security::{self, OurSecurity, Protection};
use super::sending::{ptime, send_format};
use super::video;
use super::video::sections::{OfferedPictures, Pictures};
use super::{Incompatible, Local, Malformed, MediaSection, Offers, SdpError, SessionDescription};
use crate::limits::Limits;
use crate::negotiated::{Codec, NegotiatedAudio, Payload};
use crate::path::Keying;
use bytes::Bytes;
use smallvec::SmallVec;

/// An offer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// What it says.
    pub ours: OurDescription,
    audio_index: usize,
    audio: AudioSection,
    pictures: OfferedPictures,
    history: Vec<(u8, Payload)>,
}

/// Answers the peer's offer (RFC 3264 §6 and §8). `direction` is what we want ourselves.
///
/// # Errors
/// [`Incompatible`] when no audio section can be taken, with the reason of the first one;
/// [`Malformed`] when that one does not read.
pub fn answer(
    local: &Local,
    direction: Direction,
    offer: &SessionDescription,
    previous: Option<&Agreement>,
    limits: &Limits,
) -> Result<Agreement, SdpError> {
    let group = offered_group(local, offer, previous);
    let expanded = group.as_ref().map(|group| group.expand(offer));
    let offer = expanded.as_ref().unwrap_or(offer);
    let (audio_index, remote) = choose_section(local, offer, previous, limits)?;
    let keys = previous.and_then(Agreement::keys);
    let mut ours = OurDescription::refusing(offer);
    let taken = offer.media.get(audio_index);
    let disabled = taken.is_none_or(|section| section.m.port() == 0);
    let pictures = |ours: &mut OurDescription, shared: Option<Shared<'_>>| {
        let terms = (previous, group.as_ref(), shared);
        video::sections::answer(local, direction, offer, audio_index, terms, limits, ours)
    };
    if let (true, Some(previous)) = (disabled, previous) {
        return Ok(Agreement {
            pictures: pictures(&mut ours, None),
            ours,
            audio_index,
            ..previous.disabled()
        });
    }
    let mut history = previous.map_or_else(Vec::new, |previous| previous.history.clone());
    let codec = first_common(local, &remote).ok_or_else(|| no_codec(local))?;
    let formats = answer_formats(local, &remote, codec, &history)?;
    remember(&mut history, &formats);
    let (security, keying) = if disabled {
        (OurSecurity::default(), Keying::Plain)
    } else {
        security::answer(local, remote.profile, &remote.security, remote.ice, keys)?
    };
    let rtcp_mux = local.rtcp_mux && remote.rtcp_mux;
    let theirs = IceDescription::read(offer, audio_index, limits).filter(|_| !disabled);
    let (our_ice, ice) = answer_ice(local, theirs, &remote, rtcp_mux, previous, limits);
    let taken: Vec<u8> = formats.iter().map(|&(pt, _)| pt).collect();
    let made = (&keying, ice.is_some());
    let shared = shared(group.as_ref(), audio_index, made, &taken);
    let pictures = pictures(&mut ours, shared);
    let bundled = shared.is_some() || bundles_alone(&remote, rtcp_mux, &pictures, previous);
    if bundled {
        ours.group = shared.map_or_else(|| vec![audio_index], |it| it.group.sections());
    }
    let section = AudioSection {
        formats,
        direction: remote.direction.reversed().and(direction),
        rtcp_mux,
        bundled,
        security,
        ice: our_ice,
        ..answered_as(&remote, ptime(local, &remote, codec), local.audio_level)
    };
    let audio = agreed(local, &section, &remote, codec, section.direction);
    if !disabled && let Some(slot) = ours.sections.get_mut(audio_index) {
        *slot = OurSection::Audio(section);
    }
    let theirs = numbers(&remote);
    let agreement = Agreement {
        ours,
        audio_index,
        audio,
        keying,
        ice,
        pictures,
        history,
        theirs,
    };
    Ok(if disabled {
        agreement.disabled()
    } else {
        agreement
    })
}

/// What an answer repeats of the section of the offer.
fn answered_as(remote: &RemoteAudio, ptime_ms: u8, levels: bool) -> AudioSection {
    AudioSection {
        profile: remote.profile,
        formats: SmallVec::new(),
        ptime_ms,
        direction: remote.direction,
        rtcp_mux: remote.rtcp_mux,
        level_id: remote
            .level
            .filter(|(_, level)| levels && level.sends())
            .map(|l| l.0),
        mid: remote.mid.clone(),
        bundled: false,
        security: OurSecurity::default(),
        ice: OurIce::Nothing,
    }
}

/// What we answer of ICE, and what is agreed on.
fn answer_ice(
    local: &Local,
    theirs: Option<IceDescription>,
    remote: &RemoteAudio,
    rtcp_mux: bool,
    previous: Option<&Agreement>,
    limits: &Limits,
) -> (OurIce, Option<Box<AgreedIce>>) {
    match (&local.ice, theirs) {
        (Some(ours), Some(theirs)) => {
            let before = previous.and_then(|previous| previous.ice.as_deref());
            ours.answer(theirs, remote.rtp, rtcp_mux, before, limits.ice)
        }
        (Some(_) | None, _) => (OurIce::Nothing, None),
    }
}

/// The group of an offer that pictures may share with sound.
fn offered_group(
    local: &Local,
    offer: &SessionDescription,
    previous: Option<&Agreement>,
) -> Option<Group> {
    let able = local.ice.is_some()
        && local.fingerprint.is_some()
        && local.protection != Protection::Never
        && local.rtcp_mux;
    let group = Group::read(offer).filter(|group| group.has_transport(offer));
    group.filter(|_| able && may_bundle(previous))
}

/// The group as pictures may share it with sound, which is section `audio`: over what a handshake and ICE made.
fn shared<'a>(
    group: Option<&'a Group>,
    audio: usize,
    (keying, ice): (&Keying, bool),
    taken: &'a [u8],
) -> Option<Shared<'a>> {
    let fits = ice && matches!(keying, Keying::Dtls(_));
    let group = group.filter(|group| fits && group.has(audio))?;
    Some(Shared { group, taken })
}

/// A group is taken up for sound alone.
fn bundles_alone(
    remote: &RemoteAudio,
    rtcp_mux: bool,
    pictures: &Pictures,
    previous: Option<&Agreement>,
) -> bool {
    let alone = pictures.video.is_none() && pictures.content.is_none();
    alone && remote.bundled && rtcp_mux && may_bundle(previous)
}

/// What was declined once stays so.
fn may_bundle(previous: Option<&Agreement>) -> bool {
    let section = previous.and_then(Agreement::section);
    section.is_none_or(|section| section.bundled)
}

/// An offer of ours (RFC 3264 §5), or a further one that keeps every section in its place and
/// every payload type at its meaning (§8): the codec in use first, then all else that we can.
pub fn offer(local: &Local, direction: Direction, previous: Option<&Agreement>) -> Offered {
    let mut history = previous.map_or_else(Vec::new, |previous| previous.history.clone());
    let agreed = previous.and_then(Agreement::section);
    let mut formats = Formats::new();
    let current = previous.map(|previous| previous.audio.send.codec);
    for payload in everything(local, current, agreed) {
        let earlier = history
            .iter()
            .rev()
            .find(|&&(_, meaning)| meaning == payload);
        let wanted = earlier.map_or_else(|| usual_number(payload), |&(pt, _)| pt);
        if let Some(pt) = number(payload, wanted, &history, &formats) {
            formats.push((pt, payload));
        }
    }
    remember(&mut history, &formats);
    let keys = previous.and_then(Agreement::keys);
    let audio = AudioSection {
        profile: agreed.map_or_else(|| first_profile(local), |section| section.profile),
        formats,
        ptime_ms: previous.map_or(local.ptime_ms, |previous| previous.audio.send.ptime_ms),
        direction,
        rtcp_mux: local.rtcp_mux,
        level_id: local
            .audio_level
            .then(|| agreed.and_then(|s| s.level_id).unwrap_or(1)),
        mid: agreed.map_or_else(|| first_mid(local), |section| section.mid.clone()),
        bundled: agreed.map_or(local.offers != Offers::Phone, |section| section.bundled),
        security: OurSecurity::offer(local, keys),
        ice: offered_ice(
            local,
            previous.is_none(),
            previous
                .and_then(|it| it.ice.as_ref())
                .map(|it| it.generation),
        ),
    };
    let mut sections = previous.map_or_else(Vec::new, |previous| previous.ours.sections.clone());
    let audio_index = previous.map_or(0, |previous| previous.audio_index);
    match sections.get_mut(audio_index) {
        Some(slot) => *slot = OurSection::Audio(audio.clone()),
        None => sections.push(OurSection::Audio(audio.clone())),
    }
    let pictures = video::sections::offer(local, direction, previous, &mut sections);
    let group = (0..sections.len()).filter(|_| audio.bundled);
    let before = previous.map(|previous| previous.ours.group.clone());
    let ours = OurDescription {
        timing: "0 0".to_owned(),
        group: before.unwrap_or_else(|| group.collect()),
        sections,
    };
    Offered {
        ours,
        audio_index,
        audio,
        pictures,
        history,
    }
}

/// Takes the peer's answer to `offered` (RFC 3264 §7). Refused sections that the peer left out at
/// the end are taken as refused: some devices only repeat what they use.
///
/// # Errors
/// [`Malformed`] when the sections are not those of the offer; [`Incompatible`] when nothing was
/// agreed.
pub fn conclude(
    local: &Local,
    offered: &Offered,
    answer: &SessionDescription,
    previous: Option<&Agreement>,
    limits: &Limits,
) -> Result<Agreement, SdpError> {
    let index = offered.audio_index;
    let group = Group::read(answer).filter(|_| offered.audio.bundled);
    let group = group.filter(|group| group.has_transport(answer));
    let expanded = group.as_ref().map(|group| group.expand(answer));
    let answer = expanded.as_ref().unwrap_or(answer);
    let section = answered_section(offered, answer)?;
    let mut ours = offered.ours.clone();
    if section.m.port() == 0 {
        let previous = previous.ok_or(Incompatible::AudioRefused)?;
        let history = offered.history.clone();
        let (said, terms) = (&offered.pictures, (Some(previous), None));
        let pictures = video::sections::conclude(local, said, answer, terms, limits, &mut ours);
        return Ok(Agreement {
            ours,
            audio_index: index,
            pictures,
            history,
            ..previous.disabled()
        });
    }
    let known = &offered.audio.formats;
    let remote = RemoteAudio::read(answer, index, local.address, known, limits)?;
    // RFC 3264 §7: the offerer should send the first format of the answer.
    let offers = |codec: &Codec| known.iter().any(|&(_, p)| p == Payload::Audio(*codec));
    let codec = remote.codecs().find(offers);
    let codec = codec.ok_or_else(|| no_codec(local))?;
    let mut section = offered.audio.clone();
    let keys = previous.and_then(Agreement::keys);
    let before = previous.and_then(|previous| previous.ice.as_deref());
    let theirs = IceDescription::read(answer, index, limits);
    section.rtcp_mux &= remote.rtcp_mux;
    let ice = match (&local.ice, &section.ice) {
        (Some(ours), OurIce::Description(_)) => {
            ours.conclude(theirs, section.rtcp_mux, before, limits.ice)
        }
        (Some(_) | None, _) => None,
    };
    let (security, keying) = security::conclude(
        local,
        remote.profile,
        &section.security,
        &remote.security,
        keys,
    )?;
    let taken: Vec<u8> = known.iter().map(|&(pt, _)| pt).collect();
    let shared = shared(group.as_ref(), index, (&keying, ice.is_some()), &taken);
    let terms = (previous, shared);
    let said = &offered.pictures;
    let pictures = video::sections::conclude(local, said, answer, terms, limits, &mut ours);
    section.security = security.clone();
    section.level_id = remote
        .level
        .filter(|&(id, level)| section.level_id == Some(id) && level.sends())
        .map(|(id, _)| id);
    let direction = section.direction.and(remote.direction.reversed());
    let audio = agreed(local, &section, &remote, codec, direction);
    let (history, theirs) = (offered.history.clone(), numbers(&remote));
    if let Some(OurSection::Audio(said)) = ours.sections.get_mut(index) {
        // What is in force is what the next description says.
        said.security = security;
        said.bundled &= remote.bundled;
    }
    Ok(Agreement {
        ours,
        audio_index: index,
        audio,
        keying,
        ice,
        pictures,
        history,
        theirs,
    })
}

/// The section of the answer that speaks of our audio.
fn answered_section<'a>(
    offered: &Offered,
    answer: &'a SessionDescription,
) -> Result<&'a MediaSection, Malformed> {
    let (index, ours) = (offered.audio_index, offered.ours.sections.len());
    let theirs = answer.media.len();
    match answer.media.get(index).filter(|_| theirs <= ours) {
        Some(section) if section.m.media().eq_ignore_ascii_case("audio") => Ok(section),
        Some(_) => Err(Malformed::NotAudio(index)),
        None => Err(Malformed::Sections {
            answer: theirs,
            offer: ours,
        }),
    }
}

/// What we offer first: protected where it must be, else plain with the keys beside it (RFC 8643).
pub(super) fn first_profile(local: &Local) -> Profile {
    match (local.protection, local.offers) {
        (Protection::Required | Protection::Optional, Offers::Browser) => Profile::UdpTlsSavpf,
        (Protection::Required, Offers::Phone | Offers::Either) => Profile::Savp,
        (Protection::Never, _) | (Protection::Optional, Offers::Phone | Offers::Either) => {
            Profile::Avp
        }
    }
}

/// Browsers name their sections, and want one to be named that is bundled (RFC 9143 §7.2).
fn first_mid(local: &Local) -> Option<Bytes> {
    (local.offers != Offers::Phone).then(|| Bytes::from_static(b"0"))
}

/// The audio section to take: the one agreed before or else the first in use that we can speak;
/// with none in use, one that is disabled.
fn choose_section(
    local: &Local,
    offer: &SessionDescription,
    previous: Option<&Agreement>,
    limits: &Limits,
) -> Result<(usize, RemoteAudio), SdpError> {
    let known = previous.map_or(&[][..], |previous| &previous.theirs);
    let before = previous.map(|previous| previous.audio_index);
    let is_audio = |&index: &usize| {
        let section = offer.media.get(index);
        section.is_some_and(|section| section.m.media().eq_ignore_ascii_case("audio"))
    };
    let in_use = |index: &usize| offer.media.get(*index).is_some_and(|s| s.m.port() != 0);
    let rest = (0..offer.media.len()).filter(|&index| Some(index) != before);
    let order: Vec<usize> = before.into_iter().chain(rest).filter(is_audio).collect();
    let mut refusal = None;
    // Of alternatives the protected one, where the policy allows it: those who offer both mean that.
    let secure = |&&index: &&usize| {
        let section = offer.media.get(index);
        section.is_some_and(|section| Profile::parse(section.m.proto()).is_secure())
    };
    let kept = order.iter().filter(|&&index| Some(index) == before);
    let other = || order.iter().filter(|&&index| Some(index) != before);
    let first = other().filter(|index| secure(index) && local.protection != Protection::Never);
    let last = other().filter(|index| !secure(index) || local.protection == Protection::Never);
    let candidates = kept.chain(first).chain(last);
    for &index in candidates.filter(|index| in_use(index)) {
        match RemoteAudio::read(offer, index, local.address, known, limits) {
            Ok(remote) if first_common(local, &remote).is_some() => {
                match security::answer(local, remote.profile, &remote.security, remote.ice, None) {
                    Ok(_) => return Ok((index, remote)),
                    Err(error) => refusal = refusal.or_else(|| Some(error.into())),
                }
            }
            Ok(_) => refusal = refusal.or_else(|| Some(no_codec(local).into())),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let index = order.into_iter().next().ok_or(Incompatible::NoAudio)?;
    Ok((
        index,
        RemoteAudio::read(offer, index, local.address, known, limits)?,
    ))
}

/// The codec that wins: ours in our order, or theirs in theirs.
fn first_common(local: &Local, remote: &RemoteAudio) -> Option<Codec> {
    common(local, remote).next()
}

/// The common codecs in the order of whoever decides.
fn common<'a>(local: &'a Local, remote: &'a RemoteAudio) -> impl Iterator<Item = Codec> + 'a {
    let (theirs_first, ours_first) = (local.prefer_remote, !local.prefer_remote);
    let theirs = remote
        .codecs()
        .filter(move |codec| theirs_first && local.codecs.contains(codec));
    let ours = local.codecs.iter().copied();
    theirs.chain(ours.filter(move |&codec| ours_first && remote.codecs().any(|c| c == codec)))
}

/// The formats of an answer: the chosen codec, the other common ones, telephone events with the
/// chosen codec's clock before those with another, comfort noise where a codec can use it.
fn answer_formats(
    local: &Local,
    remote: &RemoteAudio,
    codec: Codec,
    history: &[(u8, Payload)],
) -> Result<Formats, Incompatible> {
    let mut formats = Formats::new();
    for payload in in_order(common(local, remote), codec, local) {
        let Some(theirs) = remote.number_of(payload) else {
            continue;
        };
        if let Some(ours) = number(payload, theirs, history, &formats) {
            formats.push((ours, payload));
        }
    }
    // A peer that renumbered until no number was left without a meaning.
    let agreed = Payload::Audio(codec);
    let found = formats.iter().any(|&(_, payload)| payload == agreed);
    found.then_some(formats).ok_or_else(|| no_codec(local))
}

/// Everything that we can: the codec in use first, so that a hold does not change it, then what
/// was described before, then the rest.
fn everything(
    local: &Local,
    current: Option<Codec>,
    agreed: Option<&AudioSection>,
) -> SmallVec<[Payload; 8]> {
    let mut codecs = SmallVec::<[Codec; 4]>::new();
    let before = agreed.into_iter().flat_map(|section| &section.formats);
    let before = before.filter_map(|&(_, payload)| match payload {
        Payload::Audio(codec) => Some(codec),
        Payload::TelephoneEvent(_) | Payload::ComfortNoise(_) => None,
    });
    for codec in current
        .into_iter()
        .chain(before)
        .chain(local.codecs.iter().copied())
    {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    let first = codecs.first().copied().unwrap_or(Codec::Pcma);
    let spoken = |hz| codecs.iter().any(|&codec| clock(codec) == hz);
    in_order(codecs.iter().copied(), first, local)
        .filter(|&payload| match payload {
            Payload::Audio(_) => true,
            Payload::TelephoneEvent(hz) | Payload::ComfortNoise(hz) => spoken(hz),
        })
        .collect()
}

/// Audio in the order given, then telephone events, then comfort noise, which Opus does not use
/// (RFC 3389 §1 names the codecs without a scheme of their own; Opus has DTX).
fn in_order(
    codecs: impl Iterator<Item = Codec>,
    chosen: Codec,
    local: &Local,
) -> impl Iterator<Item = Payload> {
    let (first, second) = if clock(chosen) == 48_000 {
        (48_000, 8_000)
    } else {
        (8_000, 48_000)
    };
    let events = [first, second].map(Payload::TelephoneEvent);
    let events = local.telephone_events.then_some(events);
    codecs
        .map(Payload::Audio)
        .chain(events.into_iter().flatten())
        .chain(local.comfort_noise.then_some(Payload::ComfortNoise(8_000)))
}

/// What the RTP leg does after both have spoken.
fn agreed(
    local: &Local,
    section: &AudioSection,
    remote: &RemoteAudio,
    codec: Codec,
    direction: Direction,
) -> NegotiatedAudio {
    let hz = clock(codec);
    let noise = remote
        .number_of(Payload::ComfortNoise(hz))
        .filter(|_| local.comfort_noise);
    let rtcp = if section.rtcp_mux {
        remote.rtp.filter(|_| remote.rtcp_on)
    } else {
        remote.rtcp
    };
    NegotiatedAudio {
        send: send_format(local, remote, codec),
        send_pt: remote
            .number_of(Payload::Audio(codec))
            .unwrap_or_else(|| usual_number(Payload::Audio(codec))),
        send_dtmf_pt: remote.number_of(Payload::TelephoneEvent(hz)),
        send_cn_pt: noise,
        receive: section.formats.clone(),
        remote_rtp: remote.rtp,
        remote_rtcp: rtcp,
        rtcp_mux: section.rtcp_mux,
        sending: direction.sends() && remote.rtp.is_some(),
        receiving: direction.receives(),
        audio_level_id: section.level_id,
    }
}

fn no_codec(local: &Local) -> Incompatible {
    let names: Vec<&str> = local.codecs.iter().map(|&codec| name(codec)).collect();
    Incompatible::NoCodec(names.join(", "))
}

fn numbers(remote: &RemoteAudio) -> Vec<(u8, Payload)> {
    remote
        .formats
        .iter()
        .map(|format| (format.pt, format.payload))
        .collect()
}

/// Adds what is new, so that no number ever changes its meaning.
fn remember(history: &mut Vec<(u8, Payload)>, formats: &[(u8, Payload)]) {
    for &format in formats {
        if !history.contains(&format) {
            history.push(format);
        }
    }
}
