//! Our video section among our others.

use super::describe::VideoSection;
use super::local::Role;
use super::negotiate::{self, AgreedVideo};
use crate::limits::Limits;
use crate::sdp::agreement::Agreement;
use crate::sdp::attr::Direction;
use crate::sdp::bundle::{Group, Shared};
use crate::sdp::describe::{OurDescription, OurSection, RefusedSection};
use crate::sdp::floor::{self, AgreedFloor, FloorSection};
use crate::sdp::{Local, SessionDescription};

/// What was agreed on about pictures and what belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// People.
    pub video: Option<Box<AgreedVideo>>,
    /// Slides.
    pub content: Option<Box<AgreedVideo>>,
    /// Their floor.
    pub floor: Option<Box<AgreedFloor>>,
}

/// Sections of an offer of ours, with their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedPictures {
    video: Option<(usize, VideoSection)>,
    content: Option<(usize, VideoSection)>,
    floor: Option<(usize, FloorSection)>,
}

/// What holds for an answer: what was agreed on before, the group that is offered, and that which is taken up.
pub(in crate::sdp) type Terms<'a> = (Option<&'a Agreement>, Option<&'a Group>, Option<Shared<'a>>);

/// Takes up the pictures of an offer in our answer, where they can be.
pub(in crate::sdp) fn answer(
    local: &Local,
    direction: Direction,
    offer: &SessionDescription,
    audio: usize,
    terms: Terms<'_>,
    limits: &Limits,
    ours: &mut OurDescription,
) -> Pictures {
    let mut one = |role| {
        let local = (local, role);
        answer_one(local, direction, offer, audio, terms, limits, ours)
    };
    let (video, content) = (one(Role::Main), one(Role::Content));
    let (previous, _, _) = terms;
    let slides = content.as_deref().map(|content| &content.section);
    let floor = floor::answer(local, slides, offer, previous, ours);
    Pictures {
        video,
        content,
        floor,
    }
}

/// Puts pictures into an offer of ours, in their places; what is not wanted any more stays there with port 0.
pub(in crate::sdp) fn offer(
    local: &Local,
    direction: Direction,
    previous: Option<&Agreement>,
    sections: &mut Vec<OurSection>,
) -> OfferedPictures {
    let mut one = |role| offer_one((local, role), direction, previous, sections);
    let (video, content) = (one(Role::Main), one(Role::Content));
    let slides = content.as_ref().map(|(_, section)| section);
    let floor = floor::offer(local, slides, previous, sections);
    OfferedPictures {
        video,
        content,
        floor,
    }
}

/// What the answer means for the pictures of our offer.
pub(in crate::sdp) fn conclude(
    local: &Local,
    offered: &OfferedPictures,
    answer: &SessionDescription,
    terms: (Option<&Agreement>, Option<Shared<'_>>),
    limits: &Limits,
    ours: &mut OurDescription,
) -> Pictures {
    let mut one = |role, said: Option<&(usize, VideoSection)>| {
        conclude_one((local, role), said?, answer, terms, limits, ours)
    };
    let video = one(Role::Main, offered.video.as_ref());
    let content = one(Role::Content, offered.content.as_ref());
    let floor = offered.floor.as_ref();
    let floor = floor.and_then(|it| floor::conclude(it, content.is_some(), answer, ours));
    Pictures {
        video,
        content,
        floor,
    }
}

/// Takes up the video of an offer in our answer, where it can be.
fn answer_one(
    (local, role): (&Local, Role),
    direction: Direction,
    offer: &SessionDescription,
    audio: usize,
    terms: Terms<'_>,
    limits: &Limits,
    ours: &mut OurDescription,
) -> Option<Box<AgreedVideo>> {
    let video = negotiate::answer((local, role), direction, offer, audio, terms, limits)?;
    *ours.sections.get_mut(video.index)? = OurSection::Video(Box::new(video.section.clone()));
    Some(Box::new(video))
}

/// Puts video into an offer of ours, in its place.
fn offer_one(
    (local, role): (&Local, Role),
    direction: Direction,
    previous: Option<&Agreement>,
    sections: &mut Vec<OurSection>,
) -> Option<(usize, VideoSection)> {
    let before = previous.and_then(|previous| previous.stream(role));
    let Some(section) = negotiate::offer((local, role), direction, previous) else {
        if let Some(slot) = before.and_then(|before| sections.get_mut(before.index)) {
            *slot = OurSection::Refused(RefusedSection::left_out("video", "RTP/AVP", " 0"));
        }
        return None;
    };
    let index = before.map_or(sections.len(), |before| before.index);
    let said = OurSection::Video(Box::new(section.clone()));
    match sections.get_mut(index) {
        Some(slot) => *slot = said,
        None => sections.push(said),
    }
    Some((index, section))
}

/// What the answer means for the video of our offer. What is in force is what the next description says; a section that
/// was refused stays in its place with port 0 (RFC 3264 §8.2).
fn conclude_one(
    (local, role): (&Local, Role),
    (index, section): &(usize, VideoSection),
    answer: &SessionDescription,
    terms: (Option<&Agreement>, Option<Shared<'_>>),
    limits: &Limits,
    ours: &mut OurDescription,
) -> Option<Box<AgreedVideo>> {
    let video = negotiate::conclude((local, role), (*index, section), answer, terms, limits);
    if let Some(slot) = ours.sections.get_mut(*index) {
        *slot = match (&video, answer.media.get(*index)) {
            (Some(video), _) => OurSection::Video(Box::new(video.section.clone())),
            (None, Some(theirs)) => OurSection::Refused(RefusedSection::of(theirs)),
            (None, None) => OurSection::Refused(RefusedSection::left_out("video", "RTP/AVP", " 0")),
        };
    }
    video.map(Box::new)
}
