//! `[video]`: pictures.

use super::Config;
use super::conference::quoted;
use super::read::{Section, Setting};
use plenum_mcu::control::ConferenceVideo;
use plenum_mcu::floor::FloorPolicy;
use plenum_mcu::shell::VideoSetup;
use plenum_mcu::video::layout::Layout;
use plenum_media::video::frame::VideoCodec;
use std::num::NonZero;
use toml::de::DeValue;

/// `[video]`: pictures.
#[derive(Clone, Debug)]
pub struct Video {
    /// Video is spoken at all.
    pub enabled: bool,
    /// Video is offered where we call, or are asked for an offer.
    pub offer: bool,
    /// Codecs in order of preference.
    pub codecs: Vec<VideoCodec>,
    /// Luma rows at most, in either direction.
    pub rows: usize,
    /// Pictures a second.
    pub frame_rate: u32,
    /// Bits a second at most, in either direction.
    pub bitrate: u32,
    /// Workers, of two threads each; 0: one for every two processors.
    pub workers: usize,
    /// Names are shown.
    pub names: bool,
    /// What happens when two want to show slides; `None`: slides have no stream of their own.
    pub content: Option<FloorPolicy>,
}

/// How slides are treated, as the file says it.
struct Content(Option<FloorPolicy>);

impl Setting for Content {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "take-over" => Ok(Self(Some(FloorPolicy::TakeOver))),
            "queue" => Ok(Self(Some(FloorPolicy::Queue))),
            "off" => Ok(Self(None)),
            other => Err(format!("is take-over, queue or off, not \"{other}\"")),
        }
    }
}

/// A codec's name in the file.
struct Name(VideoCodec);

impl Setting for Name {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match String::read(value)?.to_ascii_lowercase().as_str() {
            "h264" => Ok(Self(VideoCodec::H264)),
            "vp8" => Ok(Self(VideoCodec::Vp8)),
            "vp9" => Ok(Self(VideoCodec::Vp9)),
            other => Err(format!("no codec \"{other}\"; there are h264, vp8, vp9")),
        }
    }
}

impl Setting for Layout {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let name = String::read(value)?;
        name.parse()
            .map_err(|unknown: plenum_mcu::video::layout::UnknownLayout| unknown.to_string())
    }
}

impl Video {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let codecs: Vec<Name> = section.get("codecs", r#"["h264", "vp8", "vp9"]"#);
        let video = Self {
            enabled: section.get("enabled", "true"),
            offer: section.get("offer", "false"),
            codecs: codecs.into_iter().map(|name| name.0).collect(),
            rows: section.get("rows", "720"),
            frame_rate: section.get("frame_rate", "25"),
            bitrate: section.get("bitrate", "1500000"),
            workers: section.get("workers", "0"),
            names: section.get("names", "true"),
            content: section.get::<Content>("content", r#""take-over""#).0,
        };
        if video.codecs.is_empty() {
            section.refuse("codecs", "must name at least one codec".to_owned());
        }
        if ![180, 360, 540, 720, 1080].contains(&video.rows) {
            section.refuse("rows", "is 180, 360, 540, 720 or 1080".to_owned());
        }
        if !(5..=30).contains(&video.frame_rate) {
            section.refuse("frame_rate", "is from 5 to 30".to_owned());
        }
        if !(64_000..=20_000_000).contains(&video.bitrate) {
            section.refuse("bitrate", "is from 64000 to 20000000".to_owned());
        }
        video
    }
}

/// The pictures of a conference: what both `[conferences]` and every `[[conference]]` can say.
pub(super) fn read_pictures(
    section: &mut Section<'_, '_>,
    base: &ConferenceVideo,
) -> ConferenceVideo {
    ConferenceVideo {
        layout: section.get("layout", &quoted(base.layout.name())),
        self_view: section.get("self_view", &base.self_view.to_string()),
        audio_tiles: section.get("audio_tiles", &base.audio_tiles.to_string()),
        ..base.clone()
    }
}

impl Config {
    /// What the mixer is told of video; `None` where it is off.
    pub(crate) fn video_setup(&self) -> Option<VideoSetup> {
        let video = &self.video;
        let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let workers = match video.workers {
            0 => (processors() / 2).max(1),
            workers => workers,
        };
        let mut setup = VideoSetup {
            workers,
            codecs: video.codecs.clone(),
            rows: video.rows,
            frame_rate: video.frame_rate,
            bitrate: video.bitrate,
            offer: video.offer,
            recorded_rows: self.recording.rows,
            recorded_bitrate: self.recording.bitrate,
            content: video.content.is_some(),
            floor: video.content.unwrap_or_default(),
            ..VideoSetup::default()
        };
        setup.style.names = video.names;
        video.enabled.then_some(setup)
    }
}
