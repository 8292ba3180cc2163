//! The recording of a conference's pictures: one more viewer, who sees everybody and sends nothing.

use super::room::State;
use crate::recording::{Piece, Tape};
use crate::video::conference::VideoConference;
use crate::video::viewer::{Shows, ViewerId, ViewerSettings};
use plenum_media::video::format::SendFormat;
use plenum_media::video::frame::EncodedFrame;
use plenum_media::video::rate::PictureLimits;
use std::time::{Duration, Instant};

/// The recording, as a viewer.
pub(super) const RECORDER: ViewerId = ViewerId(u64::MAX);
/// How far apart keyframes of a recording are.
const KEYFRAMES: Duration = Duration::from_secs(4);

/// Where the pictures of a conference are recorded, if they are.
#[derive(Debug)]
pub(super) struct Taped {
    tape: Option<Tape>,
    rows: usize,
    bitrate: u32,
    /// A picture shows what came since the one before: how old that is in the mean, when it is composed. Without it
    /// lips would come after their words.
    age: Duration,
    keyframe_at: Option<Instant>,
}

impl Taped {
    /// Not recorded yet; later in so many rows and bits a second, a picture each `frame_time`.
    pub(super) fn new(rows: usize, bitrate: u32, frame_time: Duration) -> Self {
        Self {
            tape: None,
            rows,
            bitrate,
            age: frame_time / 2,
            keyframe_at: None,
        }
    }

    /// Takes over what a room says; after a pause there is a keyframe.
    pub(super) fn follow(&mut self, video: &mut VideoConference, state: &State) {
        let taped = state.recording.as_ref().filter(|_| !state.over);
        let wanted = taped.filter(|(tape, pictures)| *pictures && !tape.is_over());
        self.tape = wanted.map(|(tape, _)| tape.clone());
        let settings = ViewerSettings {
            source: None,
            content: None,
            layout: None,
            template: None,
            seats: None,
            pins: Vec::new(),
            self_view: true,
            shows: Shows::PeopleAndContent,
            format: SendFormat::Vp8,
            limits: PictureLimits {
                rows: self.rows,
                macroblocks: u32::MAX,
                macroblocks_per_second: u32::MAX,
            },
            target: self.bitrate,
        };
        // Where no place is left, the voices are recorded.
        if self.tape.is_none() || video.set_viewer(RECORDER, settings).is_err() {
            self.tape = None;
            video.remove_viewer(RECORDER);
            return;
        }
        let paused = self.tape.as_ref().is_some_and(Tape::is_paused);
        video.set_paused(RECORDER, paused);
        self.keyframe_at = None;
    }

    /// A recording can be entered at every keyframe, so that there is one every few seconds.
    pub(super) fn request_keyframe(&mut self, video: &mut VideoConference, at: Instant) {
        if self.tape.is_some() && self.keyframe_at.is_none_or(|due| at >= due) {
            self.keyframe_at = Some(at + KEYFRAMES);
            video.request_keyframe(RECORDER);
        }
    }

    /// Records a frame that is for the recording, too, which is no viewer of it from here on. Says whether it was lost.
    pub(super) fn take(
        &self,
        at: Instant,
        frame: &EncodedFrame,
        viewers: &mut Vec<ViewerId>,
    ) -> bool {
        let Some(tape) = self.tape.as_ref().filter(|_| viewers.contains(&RECORDER)) else {
            return false;
        };
        viewers.retain(|viewer| *viewer != RECORDER);
        let (at, frame) = (at.checked_sub(self.age).unwrap_or(at), frame.clone());
        !tape.put(Piece::Picture { at, frame })
    }
}

/// The pictures bear the mark of being recorded.
pub(super) fn is_marked(state: &State) -> bool {
    let marked = |(tape, _): &(Tape, bool)| !tape.is_paused() && !tape.is_over();
    state.recording.as_ref().is_some_and(marked)
}
