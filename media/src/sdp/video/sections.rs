//! Our video section among our others.

use super::describe::VideoSection;
use super::negotiate::{self, AgreedVideo};
use crate::limits::Limits;
use crate::sdp::agreement::Agreement;
use crate::sdp::attr::Direction;
use crate::sdp::describe::{OurDescription, OurSection, RefusedSection};
use crate::sdp::{Local, SessionDescription};

/// Takes up the video of an offer in our answer, where it can be.
pub(in crate::sdp) fn answer(
    local: &Local,
    direction: Direction,
    offer: &SessionDescription,
    audio: usize,
    previous: Option<&Agreement>,
    limits: &Limits,
    ours: &mut OurDescription,
) -> Option<Box<AgreedVideo>> {
    let video = negotiate::answer(local, direction, offer, audio, previous, limits)?;
    *ours.sections.get_mut(video.index)? = OurSection::Video(Box::new(video.section.clone()));
    Some(Box::new(video))
}

/// Puts video into an offer of ours, in its place; what is not wanted any more stays there with port 0.
pub(in crate::sdp) fn offer(
    local: &Local,
    direction: Direction,
    previous: Option<&Agreement>,
    sections: &mut Vec<OurSection>,
) -> Option<(usize, VideoSection)> {
    let before = previous.and_then(|previous| previous.video.as_ref());
    let Some(section) = negotiate::offer(local, direction, previous) else {
        if let Some(slot) = before.and_then(|before| sections.get_mut(before.index)) {
            *slot = OurSection::Refused(RefusedSection::video());
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
pub(in crate::sdp) fn conclude(
    local: &Local,
    (index, section): &(usize, VideoSection),
    answer: &SessionDescription,
    previous: Option<&Agreement>,
    limits: &Limits,
    ours: &mut OurDescription,
) -> Option<Box<AgreedVideo>> {
    let video = negotiate::conclude(local, (*index, section), answer, previous, limits);
    if let Some(slot) = ours.sections.get_mut(*index) {
        *slot = match (&video, answer.media.get(*index)) {
            (Some(video), _) => OurSection::Video(Box::new(video.section.clone())),
            (None, Some(theirs)) => OurSection::Refused(RefusedSection::of(theirs)),
            (None, None) => OurSection::Refused(RefusedSection::video()),
        };
    }
    video.map(Box::new)
}
