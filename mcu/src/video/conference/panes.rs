//! The right people in the right panes, by the pixels that real decoders give: every layout of CM-081 with each mode of
//! pane placement while the speaker changes, from cameras of H.264 and VP8 to viewers of both.

use super::*;
use crate::video::layout::{ActiveSpeakerMode, Identity, SelfPaneMode, arrange};
use plenum_media::video::codec::{BuiltIn, DecoderLimits, EncoderSettings, VideoDecoder};
use plenum_media::video::format::SendFormat;
use plenum_media::video::h264::PacketizationMode;
use plenum_media::video::picture::Colour;
use plenum_media::video::rate::PictureLimits;
use std::time::Duration;

/// Bob in pane 1, Sally in 2, Andy in 3, Mark in 4; Eve is not placed.
const PEOPLE: [(char, u32, (u8, u8, u8)); 5] = [
    ('B', 4, (220, 20, 20)),
    ('S', 3, (20, 190, 20)),
    ('A', 2, (40, 40, 220)),
    ('M', 1, (220, 210, 20)),
    ('E', 0, (210, 40, 210)),
];
const BOB: usize = 0;
const SALLY: usize = 1;

const CODECS: BuiltIn = BuiltIn {
    limits: DecoderLimits {
        side: 640,
        samples: 640 * 360,
    },
};

fn format_of(person: usize) -> SendFormat {
    if person.is_multiple_of(2) {
        SendFormat::H264(PacketizationMode::NonInterleaved)
    } else {
        SendFormat::Vp8
    }
}

fn id(person: usize) -> u64 {
    u64::try_from(person + 1).unwrap()
}

fn colour_of((r, g, b): (u8, u8, u8)) -> Colour {
    Colour::rgb(r, g, b)
}

/// One keyframe of one colour.
fn camera(person: usize) -> EncodedFrame {
    let settings = EncoderSettings {
        format: format_of(person),
        width: 160,
        height: 90,
        frame_rate: 25,
        bitrate: 200_000,
        threads: 1,
        max_payload: 1_200,
    };
    let mut encoder = CODECS.encoder(&settings).unwrap();
    let mut data = Vec::new();
    let picture = Picture::new(160, 90, colour_of(PEOPLE[person].2));
    assert!(encoder.encode(&picture, true, &mut data).unwrap());
    EncodedFrame {
        codec: settings.format.codec(),
        keyframe: true,
        timestamp: 0,
        data: Bytes::from(data),
    }
}

/// Everybody, with a screen of their own.
struct Studio {
    video: VideoConference,
    cameras: Vec<EncodedFrame>,
    screens: Vec<Box<dyn VideoDecoder>>,
    pictures: Vec<Option<Picture>>,
    now: Instant,
}

impl Studio {
    fn new() -> Self {
        let now = tests::some_instant();
        let config = VideoConfig {
            style: Style {
                names: false,
                ..Style::default()
            },
            ..VideoConfig::default()
        };
        let mut video = VideoConference::new(
            settings(Layout::Automatic, Placement::default()),
            config,
            Box::new(CODECS),
            Fonts::none(),
            now,
        );
        for (person, (letter, importance, _)) in PEOPLE.iter().enumerate() {
            let source = SourceId(id(person));
            let someone = Person {
                source,
                identity: Identity::default(),
                importance: *importance,
                pin: None,
                floor: false,
                video: true,
            };
            let face = Face {
                name: letter.to_string().into(),
                muted: false,
                speaking: false,
            };
            video.set_source(someone, face).unwrap();
            let looks = ViewerSettings {
                source: Some(source),
                layout: None,
                seats: None,
                pins: Vec::new(),
                self_view: false,
                format: format_of(person + 1),
                limits: PictureLimits {
                    rows: 180,
                    macroblocks: u32::MAX,
                    macroblocks_per_second: u32::MAX,
                },
                target: 400_000,
                ..tests::viewer(None, false)
            };
            video.set_viewer(ViewerId(id(person)), looks).unwrap();
        }
        let screen = |person| CODECS.decoder(format_of(person + 1).codec()).unwrap();
        Self {
            video,
            cameras: (0..PEOPLE.len()).map(camera).collect(),
            screens: (0..PEOPLE.len()).map(screen).collect(),
            pictures: vec![None; PEOPLE.len()],
            now,
        }
    }

    /// Somebody talks long enough to lead, while every camera goes on.
    fn talk(&mut self, person: usize) {
        for _ in 0..100 {
            self.now += Duration::from_millis(20);
            self.video
                .observe(self.now, &[(SourceId(id(person)), -20.0)]);
        }
        self.video.observe(self.now, &[]);
    }

    /// So many pictures for everybody.
    fn film(&mut self, frames: usize) {
        for _ in 0..frames {
            self.now += Duration::from_millis(40);
            for (person, frame) in self.cameras.iter().enumerate() {
                self.video
                    .handle_frame(self.now, SourceId(id(person)), frame);
            }
            let (screens, pictures) = (&mut self.screens, &mut self.pictures);
            self.video.tick(self.now, &mut |output| {
                let VideoOutput::Frame { viewers, frame } = output else {
                    return;
                };
                for viewer in viewers {
                    let at = usize::try_from(viewer.0 - 1).unwrap();
                    if let Ok(Some(picture)) = screens[at].decode(&frame) {
                        pictures[at] = Some(picture);
                    }
                }
            });
        }
    }

    /// What one sees in the middle of each frame, as letters; `.` for an empty pane.
    fn seen(&self, person: usize, frames: &[arrange::Frame]) -> String {
        let picture = self.pictures[person].as_ref().unwrap();
        let letter = |frame: &arrange::Frame| {
            let at = frame.rect.on(picture.width(), picture.height());
            let seen = picture.colour_at(at.x + at.w / 2, at.y + at.h / 2);
            let near = |other: Colour| {
                let far = seen.y.abs_diff(other.y).max(seen.u.abs_diff(other.u));
                far.max(seen.v.abs_diff(other.v)) < 20
            };
            let known = PEOPLE.iter().find(|(_, _, rgb)| near(colour_of(*rgb)));
            let empty = near(Style::default().pane).then_some('.');
            known.map(|(letter, ..)| *letter).or(empty).unwrap_or('?')
        };
        frames.iter().map(letter).collect()
    }
}

fn settings(layout: Layout, placement: Placement) -> VideoSettings {
    VideoSettings {
        layout,
        placement,
        ..tests::settings()
    }
}

/// What the specification says somebody sees, from pane 1 on (CM-101, CM-102, CM-114 to CM-120).
fn told(
    viewer: usize,
    self_pane: SelfPaneMode,
    mode: ActiveSpeakerMode,
    (active, previous): (usize, Option<usize>),
) -> String {
    let letter = |person: usize| PEOPLE[person].0;
    let mut panes = String::new();
    match mode {
        ActiveSpeakerMode::None => {}
        ActiveSpeakerMode::SuppressSelf if viewer == active => {
            panes.push(previous.map_or('.', letter));
        }
        ActiveSpeakerMode::AllowSelf | ActiveSpeakerMode::SuppressSelf => {
            panes.push(letter(active))
        }
    }
    for person in 0..4 {
        match self_pane {
            SelfPaneMode::Skip if person == viewer => {}
            SelfPaneMode::Blank if person == viewer => panes.push('.'),
            SelfPaneMode::Skip | SelfPaneMode::Blank | SelfPaneMode::Itself => {
                panes.push(letter(person));
            }
        }
    }
    if viewer != 4 {
        panes.push('E');
    }
    panes
}

#[test]
fn cm_080_cm_081_cm_102_cm_111_every_layout_and_mode_by_pixels_while_the_speaker_changes() {
    use ActiveSpeakerMode::{AllowSelf, None as Off, SuppressSelf};
    let mut studio = Studio::new();
    let mut previous = None;
    for layout in Layout::ALL {
        for self_pane in [
            SelfPaneMode::Skip,
            SelfPaneMode::Itself,
            SelfPaneMode::Blank,
        ] {
            for active_speaker in [Off, AllowSelf, SuppressSelf] {
                let placement = Placement {
                    highest_importance: Some(4),
                    self_pane,
                    active_speaker,
                };
                // Who was shown keeps the pane: nobody is shown where the next layout has panes.
                let between = settings(Layout::SpeakerOnly, placement);
                studio.video.set_settings(between);
                studio.film(1);
                studio.video.set_settings(settings(layout, placement));
                for active in [SALLY, BOB] {
                    studio.talk(active);
                    studio.film(3);
                    for (viewer, (name, ..)) in PEOPLE.iter().enumerate() {
                        let told = told(viewer, self_pane, active_speaker, (active, previous));
                        let frames = arrange::arrange(layout, None, told.len()).frames;
                        let told: String = told
                            .chars()
                            .chain(std::iter::repeat('.'))
                            .take(frames.len())
                            .collect();
                        assert_eq!(
                            studio.seen(viewer, &frames),
                            told,
                            "{layout} {self_pane:?} {active_speaker:?}, {} sees, {} talks",
                            name,
                            PEOPLE[active].0,
                        );
                    }
                    previous = Some(active);
                }
            }
        }
    }
}
