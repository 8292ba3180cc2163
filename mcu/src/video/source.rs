//! One source of pictures: decoded while somebody looks, grey when it stands still, a tile when it is gone.

use super::compose::Face;
use super::layout::Person;
use plenum_media::video::codec::{Codecs, VideoDecoder};
use plenum_media::video::frame::{EncodedFrame, VideoCodec};
use plenum_media::video::keyframe::KeyframeGate;
use plenum_media::video::picture::Picture;
use std::time::{Duration, Instant};

/// The numbers of every source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// Without a new picture for so long it is shown in grey.
    pub freeze_after: Duration,
    /// Without a new picture for so long there is a tile instead.
    pub drop_after: Duration,
    /// A source nobody looks at is decoded for so long, so that a pane that changes to and fro costs no keyframe.
    pub linger: Duration,
    /// Keyframes are asked for at most this often.
    pub keyframe_spacing: Duration,
    /// Frames decoded in a second. Beyond, and beyond the burst: dropped until a keyframe.
    pub decodes_per_second: u32,
    /// Frames that may come at once, after a stall of the way or of a processor.
    pub decode_burst: u32,
}

impl Default for SourceSettings {
    /// Grey after two seconds, a tile after ten, at most two keyframes a second. A camera of 120 pictures a second is
    /// decoded, and so are a second's pictures of a usual one that come all at once.
    fn default() -> Self {
        Self {
            freeze_after: Duration::from_secs(2),
            drop_after: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            keyframe_spacing: Duration::from_millis(500),
            decodes_per_second: 128,
            decode_burst: 32,
        }
    }
}

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A picture, or none from a frame that shows none.
    Done,
    /// Nobody looks: not decoded.
    Unseen,
    /// A keyframe is needed first.
    Waiting,
    /// More than may be decoded.
    TooMany,
    /// The decoder refused it; the stream goes on with the next keyframe.
    Fault,
}

/// One source.
#[derive(Debug)]
pub struct Source {
    /// Who it is, as the layout needs it.
    pub person: Person,
    /// Who it is, as the picture shows it.
    pub face: Face,
    settings: SourceSettings,
    decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    picture: Option<Picture>,
    number: u64,
    /// When the picture came.
    shown: Option<Instant>,
    /// When somebody last looked.
    seen: Option<Instant>,
    /// What comes next must be a keyframe.
    broken: bool,
    /// When as many frames as were decoded would have come at the rate that is allowed.
    paid: Option<Instant>,
    keyframes: KeyframeGate,
}

impl Source {
    /// Nothing received yet.
    pub fn new(person: Person, face: Face, settings: SourceSettings) -> Self {
        Self {
            person,
            face,
            settings,
            decoder: None,
            picture: None,
            number: 0,
            shown: None,
            seen: None,
            broken: true,
            paid: None,
            keyframes: KeyframeGate::new(settings.keyframe_spacing),
        }
    }

    /// A picture that needs no decoder: content made here, or a test's.
    pub fn show(&mut self, now: Instant, picture: Picture) {
        self.picture = Some(picture);
        self.number += 1;
        self.shown = Some(now);
    }

    /// A frame from the peer.
    pub fn decode(&mut self, now: Instant, frame: &EncodedFrame, codecs: &dyn Codecs) -> Decoded {
        // A source that sends is there, also while nobody looks.
        if !self.is_wanted(now) {
            self.broken = true;
            self.shown = self.shown.map(|_| now);
            return Decoded::Unseen;
        }
        if self.broken && !frame.keyframe {
            self.keyframes.request();
            return Decoded::Waiting;
        }
        if !self.pay(now) {
            self.lose();
            return Decoded::TooMany;
        }
        let same = self
            .decoder
            .take()
            .filter(|(codec, _)| *codec == frame.codec);
        let made = || {
            codecs
                .decoder(frame.codec)
                .ok()
                .map(|decoder| (frame.codec, decoder))
        };
        let Some((codec, mut decoder)) = same.or_else(made) else {
            self.lose();
            return Decoded::Fault;
        };
        match decoder.decode(frame) {
            Ok(picture) => {
                self.broken = false;
                self.decoder = Some((codec, decoder));
                if frame.keyframe {
                    self.keyframes.passed(now);
                }
                if let Some(picture) = picture {
                    self.show(now, picture);
                }
                Decoded::Done
            }
            // The decoder is not trusted any more: the next keyframe gets a new one.
            Err(_) => {
                self.lose();
                Decoded::Fault
            }
        }
    }

    /// Somebody looks at it in this tick.
    pub fn look(&mut self, now: Instant) {
        if !self.is_wanted(now) {
            self.keyframes.request();
        }
        self.seen = Some(now);
    }

    /// A new tick.
    pub fn tick(&mut self, now: Instant) {
        let gone = self
            .shown
            .is_some_and(|at| now.saturating_duration_since(at) >= self.settings.drop_after);
        if gone {
            self.picture = None;
            self.shown = None;
        }
    }

    /// True if the peer is to be asked for a keyframe now.
    pub fn poll_keyframe(&mut self, now: Instant) -> bool {
        self.is_wanted(now) && self.broken && self.person.video && self.keyframes.poll(now)
    }

    /// The latest picture, its number, and whether it stands still.
    pub fn picture(&self, now: Instant) -> Option<(&Picture, u64, bool)> {
        let picture = self.picture.as_ref()?;
        let age = now.saturating_duration_since(self.shown?);
        Some((picture, self.number, age >= self.settings.freeze_after))
    }

    /// Takes one frame from what may be decoded (the virtual scheduling of ITU-T I.371); false: not now.
    fn pay(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / self.settings.decodes_per_second.max(1);
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + each;
        let kept = paid <= now + each * self.settings.decode_burst;
        if kept {
            self.paid = Some(paid);
        }
        kept
    }

    fn is_wanted(&self, now: Instant) -> bool {
        self.seen
            .is_some_and(|seen| now.saturating_duration_since(seen) < self.settings.linger)
    }

    fn lose(&mut self) {
        self.broken = true;
        self.decoder = None;
        self.keyframes.request();
    }
}
