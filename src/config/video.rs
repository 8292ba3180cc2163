//! `[video]`: pictures.

use super::Config;
use super::conference::quoted;
use super::read::{Section, Setting};
use super::values::Aor;
use crate::templates::{self, Pane, Refused, Templates};
use plenum_focus::record::Person;
use plenum_mcu::control::{
    Absent, ActiveSpeakerMode, ConferenceVideo, Layout, MAX_PANES, PanePlacement, SelfPaneMode,
    Template,
};
use plenum_mcu::floor::FloorPolicy;
use plenum_mcu::shell::VideoSetup;
use plenum_media::video::frame::VideoCodec;
use std::num::NonZero;
use std::sync::Arc;
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

impl Setting for SelfPaneMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let parsed = String::read(value)?.parse();
        parsed.map_err(|_| "is skip, self or blank".to_owned())
    }
}

impl Setting for ActiveSpeakerMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let parsed = String::read(value)?.parse();
        parsed.map_err(|_| "is none, allowself or suppressself".to_owned())
    }
}

impl Setting for Absent {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let parsed = String::read(value)?.parse();
        parsed.map_err(|_| "is tile, blank or fill".to_owned())
    }
}

/// A share of the picture's width or height.
struct Share(f64);

impl Setting for Share {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let whole = value.as_integer().map(|integer| integer.as_str());
        let text = value.as_float().map(|float| float.as_str()).or(whole);
        let number = text.and_then(|text| text.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| "expected a number".to_owned())
    }
}

/// `[[template]]`: rectangles, `[x, y, width, height]` or with a fifth number that says which lies above which.
pub(super) fn read_template(section: &mut Section<'_, '_>) -> Option<(String, Arc<Template>)> {
    let name: Option<String> = section.required("name");
    let panes: Option<Vec<Vec<Share>>> = section.required("panes");
    let (name, panes) = (name?, panes?);
    let panes: Vec<Pane> = panes
        .into_iter()
        .map(|pane| pane.into_iter().map(|share| share.0).collect())
        .collect();
    match templates::read(&name, &panes) {
        Ok(template) => Some((name, Arc::new(template))),
        Err(error) => {
            let key = match &error {
                Refused::Name => "name",
                Refused::Pane(_)
                | Refused::Template(_)
                | Refused::Configured
                | Refused::Full(_)
                | Refused::Unknown => "panes",
            };
            section.refuse(key, error.to_string());
            None
        }
    }
}

/// The pictures of a conference: what both `[conferences]` and every `[[conference]]` can say.
pub(super) fn read_pictures(
    section: &mut Section<'_, '_>,
    base: &ConferenceVideo,
    templates: &Templates,
) -> ConferenceVideo {
    ConferenceVideo {
        layout: section.get("layout", &quoted(base.layout.name())),
        template: read_choice(section, templates).or_else(|| base.template.clone()),
        absent: section.get("absent_seat", &quoted(base.absent.name())),
        self_view: section.get("self_view", &base.self_view.to_string()),
        audio_tiles: section.get("audio_tiles", &base.audio_tiles.to_string()),
        ..base.clone()
    }
}

fn read_choice(section: &mut Section<'_, '_>, templates: &Templates) -> Option<Arc<Template>> {
    let name: String = section.optional("template", "(none)")?;
    let found = templates.get(&name).cloned();
    if found.is_none() {
        let text = format!("there is no [[template]] named \"{name}\"");
        section.refuse("template", text);
    }
    found
}

/// Pane placement (CM-100, CM-111), each value by itself.
pub(super) fn read_placement(section: &mut Section<'_, '_>, base: &PanePlacement) -> PanePlacement {
    let none = "(none)";
    let highest = section.optional("pane_placement_highest_importance", none);
    let self_pane = section.optional("pane_placement_self_pane_mode", none);
    let active_speaker = section.optional("pane_placement_active_speaker_mode", none);
    PanePlacement {
        highest_importance: highest.or(base.highest_importance),
        self_pane: self_pane.or(base.self_pane),
        active_speaker: active_speaker.or(base.active_speaker),
    }
}

/// `[[conference.person]]`: how somebody is seen, and what they see, whenever they come.
pub(super) fn read_person(section: &mut Section<'_, '_>) -> Option<Person> {
    let aor: Option<Aor> = section.required("aor");
    let person = Person {
        aor: String::new(),
        name: section.optional("name", "(none)"),
        importance: section.get("importance", "0"),
        pin: section.optional("pin", "(none)"),
        seat: section.optional("seat", "(none)"),
        layout: section.optional("layout", "(the conference's)"),
        change_layout: section.optional("change_layout", "(the conference's)"),
    };
    if person.importance > 2_147_483_647 {
        section.refuse("importance", "is at most 2147483647".to_owned());
    }
    if person
        .seat
        .is_some_and(|seat| !(1..=MAX_PANES).contains(&seat))
    {
        section.refuse("seat", format!("is a pane, from 1 to {MAX_PANES}"));
    }
    Some(Person {
        aor: aor?.0,
        ..person
    })
}

/// One person is described once, and one pane is kept for one person.
pub(super) fn check_people(section: &Section<'_, '_>, people: &[Person]) {
    for (at, person) in people.iter().enumerate() {
        let mut before = people.iter().take(at);
        if before.clone().any(|other| other.aor == person.aor) {
            let text = format!("there are two of \"{}\"", person.aor);
            section.refuse("person", text);
        }
        if person.seat.is_some() && before.any(|other| other.seat == person.seat) {
            let text = format!("\"{}\" has the seat of another person", person.aor);
            section.refuse("person", text);
        }
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
