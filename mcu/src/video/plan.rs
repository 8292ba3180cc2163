//! Who shares an encoder: viewers who see the same, in the same format, size and rate class.
//!
//! Encoders outlive what they show: when the picture of a group changes, the group keeps its encoder, and no keyframe is
//! needed. Only who moves to another encoder needs one, and it goes through that encoder's gate.

use super::layout::Pane;
use super::viewer::ViewerId;
use plenum_media::video::codec::{Codecs, EncoderSettings, VideoEncoder};
use plenum_media::video::format::SendFormat;
use plenum_media::video::keyframe::KeyframeGate;
use plenum_media::video::picture::Picture;
use plenum_media::video::rate::Rung;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What an encoder is for, besides what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// Codec and packetization.
    pub format: SendFormat,
    /// Picture size.
    pub rung: Rung,
    /// Bits a second.
    pub bitrate: u32,
}

/// An encoder, for as long as somebody needs it. Never reused within a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncoderId(u64);

/// One encoder and those who share it in this tick.
#[derive(Debug)]
pub struct Group {
    /// What they see.
    pub panes: Vec<Pane>,
    /// How it is encoded.
    pub class: Class,
    /// Who they are.
    pub viewers: Vec<ViewerId>,
    encoder: Option<Box<dyn VideoEncoder>>,
    keyframes: KeyframeGate,
    bitrate: u32,
    fresh: bool,
}

/// The numbers every encoder is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanSettings {
    /// Frames a second.
    pub frame_rate: u32,
    /// Threads of one encoder.
    pub threads: u16,
    /// Octets of one RTP payload.
    pub max_payload: usize,
    /// A keyframe at most this often.
    pub keyframe_spacing: Duration,
    /// Encoders at once. Beyond: viewers share the first one of their class, whatever it shows.
    pub encoders: usize,
}

impl Default for PlanSettings {
    /// 25 pictures a second, one thread, at most two keyframes a second, 16 encoders.
    fn default() -> Self {
        Self {
            frame_rate: 25,
            threads: 1,
            max_payload: 1_200,
            keyframe_spacing: Duration::from_millis(500),
            encoders: 16,
        }
    }
}

/// All encoders of one conference.
#[derive(Debug)]
pub struct EncodePlan {
    settings: PlanSettings,
    groups: BTreeMap<EncoderId, Group>,
    last: u64,
}

impl EncodePlan {
    /// No encoder yet.
    pub fn new(settings: PlanSettings) -> Self {
        Self {
            settings,
            groups: BTreeMap::new(),
            last: 0,
        }
    }

    /// A new tick: nobody has joined yet. `panes` of the groups stay until somebody joins them.
    pub fn begin(&mut self) {
        for group in self.groups.values_mut() {
            group.viewers.clear();
        }
    }

    /// A viewer joins. `before` is the encoder it had: kept if nobody else claims it for another picture.
    /// Returns the encoder it has now.
    pub fn join(
        &mut self,
        viewer: ViewerId,
        panes: &[Pane],
        class: Class,
        before: Option<EncoderId>,
    ) -> EncoderId {
        let joined = |group: &Group| !group.viewers.is_empty();
        let fits = |group: &Group| group.class == class && group.panes == panes;
        // An encoder nobody else has claimed follows its viewer to other pictures and rates, without a keyframe.
        let follows = |group: &Group| {
            let same = (group.class.format, group.class.rung) == (class.format, class.rung);
            fits(group) || (!joined(group) && same)
        };
        let own = before.filter(|id| self.groups.get(id).is_some_and(follows));
        let claimed = || {
            self.groups
                .iter()
                .find(|(_, group)| joined(group) && fits(group))
        };
        let full = self.groups.len() >= self.settings.encoders;
        let any = || {
            self.groups
                .iter()
                .find(|(_, group)| full && group.class == class)
        };
        // Who already shares the picture with others stays with them.
        let found = claimed()
            .map(|(id, _)| *id)
            .or(own)
            .or_else(|| any().map(|(id, _)| *id));
        let id = found.unwrap_or_else(|| self.add(class));
        if let Some(group) = self.groups.get_mut(&id) {
            if group.viewers.is_empty() {
                group.class = class;
                if group.panes != panes {
                    group.panes = panes.to_vec();
                }
            }
            group.viewers.push(viewer);
            if before != Some(id) {
                group.keyframes.request();
            }
        }
        id
    }

    fn add(&mut self, class: Class) -> EncoderId {
        self.last += 1;
        let id = EncoderId(self.last);
        let group = Group {
            panes: Vec::new(),
            class,
            viewers: Vec::new(),
            encoder: None,
            keyframes: KeyframeGate::new(self.settings.keyframe_spacing),
            bitrate: class.bitrate,
            fresh: true,
        };
        self.groups.insert(id, group);
        id
    }

    /// A viewer of this encoder needs a keyframe.
    pub fn request_keyframe(&mut self, id: EncoderId) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.keyframes.request();
        }
    }

    /// Drops the encoders nobody joined.
    pub fn retire(&mut self) {
        self.groups.retain(|_, group| !group.viewers.is_empty());
    }

    /// The groups of this tick.
    pub fn groups(&self) -> impl Iterator<Item = (EncoderId, &Group)> {
        self.groups.iter().map(|(id, group)| (*id, group))
    }

    /// Whether an encoder shows this, in this class.
    pub fn shows(&self, id: EncoderId, panes: &[Pane], class: Class) -> bool {
        let group = self.groups.get(&id);
        group.is_some_and(|group| group.class == class && group.panes == panes)
    }

    /// How many encoders there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Encodes the picture of a group into `out`; says whether it is a keyframe. `None` if the encoder left it out or
    /// failed, in which case it is made anew.
    pub fn encode(
        &mut self,
        now: Instant,
        id: EncoderId,
        picture: &Picture,
        codecs: &dyn Codecs,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let settings = self.settings;
        let group = self.groups.get_mut(&id)?;
        let mut encoder = match group.encoder.take() {
            Some(encoder) => encoder,
            None => {
                group.fresh = true;
                codecs
                    .encoder(&encoder_settings(&settings, group.class))
                    .ok()?
            }
        };
        if group.bitrate != group.class.bitrate && !group.fresh {
            encoder.set_bitrate(group.class.bitrate).ok()?;
        }
        group.bitrate = group.class.bitrate;
        let keyframe = group.keyframes.poll(now) || group.fresh;
        let key = encoder.encode(picture, keyframe, out).ok()?;
        group.encoder = Some(encoder);
        if key {
            group.keyframes.passed(now);
        } else if keyframe {
            // The rate control left the keyframe out: it is still owed.
            group.keyframes.request();
        }
        group.fresh = false;
        (!out.is_empty()).then_some(key)
    }
}

fn encoder_settings(settings: &PlanSettings, class: Class) -> EncoderSettings {
    EncoderSettings {
        format: class.format,
        width: class.rung.width,
        height: class.rung.height,
        frame_rate: settings.frame_rate,
        bitrate: class.bitrate,
        threads: settings.threads,
        max_payload: settings.max_payload,
    }
}
