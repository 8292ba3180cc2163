use super::*;
use crate::video::layout::{Identity, SelfPaneMode};
use plenum_media::video::codec::{
    BuiltIn, CodecError, DecodeError, DecoderLimits, EncoderSettings, VideoDecoder, VideoEncoder,
};
use plenum_media::video::format::SendFormat;
use plenum_media::video::frame::VideoCodec;
use plenum_media::video::picture::Colour;
use plenum_media::video::rate::PictureLimits;
use std::time::Duration;

const COLOURS: [(u8, u8, u8); 4] = [(220, 20, 20), (20, 200, 20), (30, 30, 220), (220, 200, 20)];

/// A codec whose frames are one octet a sample of colour: decoding gives a picture of that colour, encoding
/// writes the colours of a row of sample points.
#[derive(Debug)]
struct Plain;

#[derive(Debug)]
struct PlainEncoder(bool);

impl VideoDecoder for Plain {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<Option<Picture>, DecodeError> {
        match frame.data[..] {
            [y, u, v] => Ok(Some(Picture::new(64, 36, Colour { y, u, v }))),
            _ => Err(DecodeError::OtherCodec),
        }
    }
}

impl VideoEncoder for PlainEncoder {
    fn encode(
        &mut self,
        picture: &Picture,
        keyframe: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        for (x, y) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
            let colour = picture.colour_at(picture.width() * x / 4, picture.height() * y / 4);
            out.extend([colour.y, colour.u, colour.v]);
        }
        Ok(keyframe || !std::mem::replace(&mut self.0, true))
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), CodecError> {
        Ok(())
    }
}

impl Codecs for Plain {
    fn decoder(&self, _: VideoCodec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        Ok(Box::new(Self))
    }

    fn encoder(&self, _: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, CodecError> {
        Ok(Box::new(PlainEncoder(false)))
    }
}

fn config() -> VideoConfig {
    VideoConfig {
        style: Style {
            gap: 0,
            names: false,
            ..Style::default()
        },
        members: 8,
        ..VideoConfig::default()
    }
}

pub(super) fn some_instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    Instant::now()
}

pub(super) fn settings() -> VideoSettings {
    VideoSettings {
        layout: Layout::AllEqualQuarters,
        template: None,
        placement: Placement {
            self_pane: SelfPaneMode::Skip,
            ..Placement::default()
        },
        seats: Vec::new(),
        names: BTreeMap::new(),
        absent: Absent::Tile,
        audio_tiles: true,
        banner: None,
        recording: false,
    }
}

pub(super) fn viewer(source: Option<SourceId>, self_view: bool) -> ViewerSettings {
    ViewerSettings {
        source,
        layout: None,
        template: None,
        seats: None,
        pins: Vec::new(),
        self_view,
        content: None,
        shows: Shows::People,
        format: SendFormat::Vp8,
        limits: PictureLimits {
            rows: 180,
            macroblocks: u32::MAX,
            macroblocks_per_second: u32::MAX,
        },
        target: 300_000,
    }
}

fn colour(n: u64) -> Colour {
    let (r, g, b) = COLOURS[usize::try_from(n - 1).unwrap() % 4];
    Colour::rgb(r, g, b)
}

fn frame(n: u64, keyframe: bool) -> EncodedFrame {
    let Colour { y, u, v } = colour(n);
    EncodedFrame {
        codec: VideoCodec::Vp8,
        keyframe,
        timestamp: 0,
        data: Bytes::from(vec![y, u, v]),
    }
}

struct Room {
    conference: VideoConference,
    now: Instant,
    outputs: Vec<VideoOutput>,
}

impl Room {
    fn new(people: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let conference =
            VideoConference::new(settings(), config(), Box::new(Plain), Fonts::none(), now);
        let mut room = Self {
            conference,
            now,
            outputs: Vec::new(),
        };
        for n in 1..=people {
            room.join(n);
        }
        room
    }

    fn join(&mut self, n: u64) {
        let person = Person {
            source: SourceId(n),
            identity: Identity(n),
            importance: 0,
            pin: None,
            floor: false,
            video: true,
        };
        let face = Face {
            name: Arc::from(format!("P{n}")),
            muted: false,
            speaking: false,
        };
        self.conference.set_source(person, face).unwrap();
    }

    /// One tick of 40 ms in which these sources send a frame.
    fn tick(&mut self, senders: &[u64], keyframe: bool) {
        self.now += Duration::from_millis(40);
        for n in senders {
            self.conference
                .handle_frame(self.now, SourceId(*n), &frame(*n, keyframe));
        }
        self.outputs.clear();
        let outputs = &mut self.outputs;
        self.conference
            .tick(self.now, &mut |output| outputs.push(output));
    }

    /// What one viewer got in the last tick: the colours at the middle of each quarter.
    fn seen(&self, id: u64) -> Option<([Colour; 4], bool)> {
        self.outputs.iter().find_map(|output| match output {
            VideoOutput::Frame { viewers, frame } if viewers.contains(&ViewerId(id)) => {
                let at = |n: usize| {
                    let (y, u, v) = (
                        frame.data[3 * n],
                        frame.data[3 * n + 1],
                        frame.data[3 * n + 2],
                    );
                    // Scaling may round by one.
                    let near =
                        |c: &Colour| c.y.abs_diff(y).max(c.u.abs_diff(u)).max(c.v.abs_diff(v)) < 3;
                    let known = (1..=4).map(colour).chain([config().style.pane]).find(near);
                    known.unwrap_or(Colour { y, u, v })
                };
                Some(([at(0), at(1), at(2), at(3)], frame.keyframe))
            }
            VideoOutput::Frame { .. }
            | VideoOutput::RequestKeyframe(_)
            | VideoOutput::Seen { .. } => None,
        })
    }

    fn requests(&self) -> Vec<u64> {
        let of = |output: &VideoOutput| match output {
            VideoOutput::RequestKeyframe(SourceId(n)) => Some(*n),
            VideoOutput::Frame { .. } | VideoOutput::Seen { .. } => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }
}

#[test]
fn everybody_sees_the_others_in_their_panes() {
    let mut room = Room::new(4);
    for n in 1..=4 {
        room.conference
            .set_viewer(ViewerId(n), viewer(Some(SourceId(n)), false))
            .unwrap();
    }
    room.tick(&[], false);
    assert_eq!(
        room.requests(),
        [1, 2, 3, 4],
        "somebody looks: keyframes are needed"
    );
    room.tick(&[1, 2, 3, 4], true);
    let blank = config().style.pane;
    for (n, expected) in [
        (1, [2, 3, 4]),
        (2, [1, 3, 4]),
        (3, [1, 2, 4]),
        (4, [1, 2, 3]),
    ] {
        let (seen, _) = room.seen(n).unwrap();
        let expected = expected.map(colour);
        assert_eq!([seen[0], seen[1], seen[2]], expected, "viewer {n}");
        assert_eq!(seen[3], blank);
    }
    assert_eq!(room.conference.counters().decodes, 4);
}

#[test]
fn twenty_viewers_of_one_view_cost_one_encode() {
    let mut room = Room::new(4);
    room.conference.config.members = 32;
    for n in 1..=20 {
        room.conference
            .set_viewer(ViewerId(n), viewer(None, true))
            .unwrap();
    }
    for _ in 0..10 {
        room.tick(&[1, 2, 3, 4], true);
    }
    let counters = room.conference.counters();
    assert_eq!((counters.encodes, counters.compositions), (10, 10));
    assert_eq!(room.conference.encoders(), 1);
}

#[test]
fn a_view_that_changes_keeps_its_encoder_and_costs_no_keyframe() {
    let mut room = Room::new(4);
    for n in 1..=3 {
        let settings = ViewerSettings {
            layout: Some(Layout::SpeakerOnly),
            ..viewer(None, false)
        };
        room.conference.set_viewer(ViewerId(n), settings).unwrap();
    }
    room.tick(&[1, 2, 3, 4], true);
    room.tick(&[1, 2, 3, 4], true);
    assert_eq!(room.seen(1).unwrap().0[0], colour(1));
    for _ in 0..30 {
        room.conference.observe(room.now, &[(SourceId(3), -20.0)]);
        room.tick(&[1, 2, 3, 4], true);
        assert!(!room.seen(1).unwrap().1, "no keyframe");
    }
    assert_eq!(room.seen(2).unwrap().0[0], colour(3));
    assert_eq!(room.conference.encoders(), 1);
}

#[test]
fn one_who_chooses_another_layout_sees_it_at_once_and_alone() {
    let mut room = Room::new(4);
    for n in 1..=2 {
        room.conference
            .set_viewer(ViewerId(n), viewer(None, false))
            .unwrap();
    }
    for _ in 0..20 {
        room.tick(&[1, 2, 3, 4], true);
    }
    let chosen = ViewerSettings {
        layout: Some(Layout::SpeakerOnly),
        ..viewer(None, false)
    };
    room.conference.set_viewer(ViewerId(2), chosen).unwrap();
    room.tick(&[1, 2, 3, 4], true);
    let (seen, key) = room.seen(2).unwrap();
    assert_eq!(seen, [colour(1); 4]);
    assert!(key, "a new encoder begins with a keyframe");
    let (seen, key) = room.seen(1).unwrap();
    assert_eq!(seen, [1, 2, 3, 4].map(colour));
    assert!(!key, "nobody else pays for it");
}

#[test]
fn keyframe_requests_of_many_are_one_keyframe() {
    let mut room = Room::new(1);
    for n in 1..=5 {
        room.conference
            .set_viewer(ViewerId(n), viewer(None, false))
            .unwrap();
    }
    let mut keyframes = 0;
    for _ in 0..50 {
        for n in 1..=5 {
            room.conference.request_keyframe(ViewerId(n));
        }
        room.tick(&[1], true);
        keyframes += u32::from(room.seen(1).unwrap().1);
    }
    // Two seconds, one keyframe each half second.
    assert!((4..=5).contains(&keyframes), "{keyframes}");
}

#[test]
fn a_frozen_source_is_grey_and_then_a_tile() {
    let mut room = Room::new(1);
    let settings = ViewerSettings {
        layout: Some(Layout::SpeakerOnly),
        ..viewer(None, false)
    };
    room.conference.set_viewer(ViewerId(1), settings).unwrap();
    room.tick(&[], false);
    room.tick(&[1], true);
    assert_eq!(room.seen(1).unwrap().0[0], colour(1));
    for _ in 0..60 {
        room.tick(&[], false);
    }
    let grey = room.seen(1).unwrap().0[0];
    assert_eq!((grey.u, grey.v), (128, 128));
    for _ in 0..250 {
        room.tick(&[], false);
    }
    assert_eq!(room.seen(1).unwrap().0[0], config().style.pane, "a tile");
    room.tick(&[1], true);
    assert_eq!(room.seen(1).unwrap().0[0], colour(1), "and back");
}

#[test]
fn a_decoder_fault_ends_one_stream_until_its_next_keyframe() {
    let mut room = Room::new(2);
    room.conference
        .set_viewer(ViewerId(1), viewer(None, false))
        .unwrap();
    room.tick(&[], false);
    room.tick(&[1, 2], true);
    let broken = EncodedFrame {
        data: Bytes::from_static(b"?"),
        ..frame(1, true)
    };
    room.conference.handle_frame(room.now, SourceId(1), &broken);
    for _ in 0..20 {
        room.tick(&[1, 2], false);
    }
    let counters = room.conference.counters();
    assert_eq!(counters.decode_faults, 1);
    assert_eq!(counters.decodes, 2 + 20, "the other goes on");
    room.tick(&[1], true);
    assert_eq!(room.conference.counters().decodes, 2 + 20 + 1);
}

#[test]
fn a_source_at_120_frames_a_second_is_seen_and_one_at_300_is_decoded_within_its_bound() {
    for (each, most, refused) in [(5, 251, false), (12, 32 + 2 * 128, true)] {
        let mut room = Room::new(1);
        room.conference
            .set_viewer(ViewerId(1), viewer(None, false))
            .unwrap();
        room.tick(&[], false);
        room.tick(&[1], true);
        for _ in 0..50 {
            room.tick(&vec![1; each], refused);
        }
        let counters = room.conference.counters();
        assert!(counters.decodes <= most + 1, "{each}: {counters:?}");
        assert!(counters.decodes >= most - 10, "{each}: {counters:?}");
        assert_eq!(
            counters.decode_overruns > 0,
            refused,
            "{each}: {counters:?}"
        );
    }
}

#[test]
fn nobody_looks_and_nothing_is_decoded_or_encoded() {
    let mut room = Room::new(3);
    for _ in 0..5 {
        room.tick(&[1, 2, 3], true);
    }
    assert_eq!(room.conference.counters(), VideoCounters::default());
}

#[test]
fn load_makes_pictures_fewer_and_more_again() {
    let mut room = Room::new(1);
    room.conference
        .set_viewer(ViewerId(1), viewer(None, false))
        .unwrap();
    let run = |room: &mut Room, permille| {
        let before = room.conference.counters().encodes;
        for _ in 0..300 {
            room.conference.handle_load(permille);
            room.tick(&[1], true);
        }
        room.conference.counters().encodes - before
    };
    assert_eq!(run(&mut room, 700), 300);
    assert!(run(&mut room, 950) < 200);
    run(&mut room, 100);
    assert_eq!(run(&mut room, 700), 300);
}

#[test]
fn members_are_bounded() {
    let mut room = Room::new(8);
    for n in 1..=8 {
        room.conference
            .set_viewer(ViewerId(n), viewer(None, false))
            .unwrap();
    }
    assert_eq!(
        room.conference.set_viewer(ViewerId(9), viewer(None, false)),
        Err(Full)
    );
    room.conference.remove_source(SourceId(1));
    room.join(9);
}

#[test]
fn with_real_codecs_a_picture_goes_in_and_the_view_comes_out() {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    let codecs = BuiltIn {
        limits: DecoderLimits {
            side: 640,
            samples: 640 * 360,
        },
    };
    let source_settings = EncoderSettings {
        format: SendFormat::Vp8,
        width: 160,
        height: 90,
        frame_rate: 25,
        bitrate: 200_000,
        threads: 1,
        max_payload: 1200,
    };
    let mut camera = codecs.encoder(&source_settings).unwrap();
    let mut screen = codecs.decoder(VideoCodec::Vp8).unwrap();
    let mut room = Room::new(1);
    room.conference.codecs = Box::new(codecs);
    let settings = ViewerSettings {
        layout: Some(Layout::SpeakerOnly),
        target: 200_000,
        ..viewer(None, false)
    };
    room.conference.set_viewer(ViewerId(1), settings).unwrap();
    room.now = now;
    let mut shown = None;
    for n in 0..4 {
        room.tick(&[], false);
        for output in &room.outputs {
            if let VideoOutput::Frame { frame, .. } = output {
                shown = screen.decode(frame).unwrap();
            }
        }
        let mut data = Vec::new();
        let keyframe = camera
            .encode(&Picture::new(160, 90, colour(2)), n == 0, &mut data)
            .unwrap();
        let frame = EncodedFrame {
            data: Bytes::from(data),
            ..frame(2, keyframe)
        };
        room.conference.handle_frame(room.now, SourceId(1), &frame);
    }
    let shown = shown.unwrap();
    assert_eq!((shown.width(), shown.height()), (320, 180));
    let (seen, sent) = (shown.colour_at(160, 60), colour(2));
    assert!(
        seen.y.abs_diff(sent.y) < 8 && seen.u.abs_diff(sent.u) < 8 && seen.v.abs_diff(sent.v) < 8
    );
}
