//! What the video of a conference costs, in microseconds of wall time per tick.
//!
//! `cargo bench -p plenum-mcu --bench compose`. No framework: medians are printed, with the bounds they should keep.
//! The same composed frames are given to ffmpeg's x264 and libvpx, one thread each, where ffmpeg is installed: they are
//! what others would encode with.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "measuring needs the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails should stop")]
#![expect(clippy::indexing_slicing, reason = "the indices are the program's own")]

use plenum_mcu::video::compose::{Composer, Face, Fonts, Look, Style};
use plenum_mcu::video::conference::{VideoConference, VideoConfig, VideoOutput, VideoSettings};
use plenum_mcu::video::layout::{Absent, Identity, Layout, Person, Placement, SourceId, arrange};
use plenum_mcu::video::viewer::{Shows, ViewerId, ViewerSettings};
use plenum_media::video::codec::{BuiltIn, Codecs, DecoderLimits, EncoderSettings};
use plenum_media::video::format::SendFormat;
use plenum_media::video::frame::EncodedFrame;
use plenum_media::video::h264::PacketizationMode;
use plenum_media::video::picture::{Colour, Picture};
use plenum_media::video::rate::PictureLimits;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const H264: SendFormat = SendFormat::H264(PacketizationMode::NonInterleaved);
const CODECS: BuiltIn = BuiltIn {
    limits: DecoderLimits {
        side: 1920,
        samples: 1920 * 1080,
    },
};
const FRAMES: usize = 100;

fn main() {
    println!(
        "composition and scaling beside the bare encode of the same frames (bound 25 %), µs a frame"
    );
    for (what, sources, layout, size, target) in [
        (
            "4 × 720p → 720p quarters",
            4,
            Layout::AllEqualQuarters,
            (1280, 720),
            (1280, 720),
        ),
        (
            "4 × 360p → 720p quarters",
            4,
            Layout::AllEqualQuarters,
            (640, 360),
            (1280, 720),
        ),
        (
            "9 × 360p → 720p ninths",
            9,
            Layout::AllEqualNinths,
            (640, 360),
            (1280, 720),
        ),
        (
            "9 × 360p → 360p ninths",
            9,
            Layout::AllEqualNinths,
            (640, 360),
            (640, 360),
        ),
        (
            "6 × 360p → 720p 1 + 5",
            6,
            Layout::OnePlusFive,
            (640, 360),
            (1280, 720),
        ),
    ] {
        composition(what, sources, layout, size, target);
    }
    println!("viewers of one 720p25 view: 20 against 1 (bound 1.15)");
    for format in [H264, SendFormat::Vp8] {
        let one = conference(format, 4, 1, 1, 720);
        let twenty = conference(format, 4, 20, 1, 720);
        let ratio = twenty.as_secs_f64() / one.as_secs_f64();
        println!(
            "  {format:?}: {} µs, {} µs, {ratio:.3}",
            one.as_micros(),
            twenty.as_micros()
        );
    }
    println!("3 views of 9 sources at 360p25, 12 viewers (bound 2 cores = 80,000 µs a tick)");
    for format in [H264, SendFormat::Vp8] {
        println!(
            "  {format:?}: {} µs",
            conference(format, 9, 12, 3, 360).as_micros()
        );
    }
}

/// A picture that moves and has texture, so that encoders have something to do.
fn scene(width: usize, height: usize, n: usize, source: usize) -> Picture {
    let mut picture = Picture::new(width, height, Colour::rgb(90, 110, 130));
    for (y, row) in picture.planes_mut()[0].rows_mut().enumerate() {
        for (x, sample) in row.iter_mut().enumerate() {
            let wave = (x + 3 * n + 17 * source) / 8 + (y + n) / 6;
            let grain = (x * 31 + y * 17 + n * 7) % 5;
            *sample = (60 + wave % 24 * 6 + grain).to_le_bytes()[0];
        }
    }
    picture
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn encoder_settings(format: SendFormat, width: usize, height: usize) -> EncoderSettings {
    EncoderSettings {
        format,
        width,
        height,
        frame_rate: 25,
        bitrate: if height > 400 { 1_700_000 } else { 500_000 },
        threads: 1,
        max_payload: 1200,
    }
}

fn composition(
    what: &str,
    count: usize,
    layout: Layout,
    size: (usize, usize),
    target: (usize, usize),
) {
    let pictures: Vec<Vec<Picture>> = (0..count)
        .map(|source| (0..8).map(|n| scene(size.0, size.1, n, source)).collect())
        .collect();
    let face = Face {
        name: Arc::from("Ada Lovelace"),
        muted: false,
        speaking: false,
    };
    let mut composer = Composer::new(Style::default(), Fonts::of_system());
    let mut canvas = Picture::new(target.0, target.1, Colour::rgb(0, 0, 0));
    let frames = arrange::arrange(layout, None, count).frames;
    let raw = std::env::temp_dir().join(format!("plenum-compose-{}.yuv", std::process::id()));
    let mut frames_file = BufWriter::new(File::create(&raw).unwrap());
    let mut painting = Vec::new();
    let mut encoding = [Vec::new(), Vec::new()];
    let mut encoders = [H264, SendFormat::Vp8].map(|format| {
        CODECS
            .encoder(&encoder_settings(format, target.0, target.1))
            .unwrap()
    });
    for n in 0..FRAMES {
        let panes: Vec<_> = frames
            .iter()
            .zip(&pictures)
            .zip(0_u64..)
            .map(|((frame, all), id)| {
                let look = Look::Picture {
                    source: SourceId(id),
                    number: u64::try_from(n).unwrap(),
                    picture: &all[n % all.len()],
                    frozen: false,
                    whole: false,
                    face: &face,
                };
                (frame.rect.on(target.0, target.1), look)
            })
            .collect();
        let begin = Instant::now();
        composer.begin();
        composer.compose(&mut canvas, &panes, None);
        painting.push(begin.elapsed());
        for plane in canvas.planes() {
            frames_file.write_all(plane.samples()).unwrap();
        }
        for (encoder, times) in encoders.iter_mut().zip(&mut encoding) {
            let mut out = Vec::new();
            let begin = Instant::now();
            encoder.encode(&canvas, false, &mut out).unwrap();
            times.push(begin.elapsed());
        }
    }
    frames_file.flush().unwrap();
    let painting = median(painting);
    let mut line = format!("  {what:<25} {:>5}", painting.as_micros());
    let beside = |name: &str, encode: Duration| {
        let percent = 100.0 * painting.as_secs_f64() / encode.as_secs_f64();
        format!("; {name} {:>5} ({percent:>3.0} %)", encode.as_micros())
    };
    for (name, times) in ["OpenH264", "libvpx"].iter().zip(encoding) {
        line += &beside(name, median(times));
    }
    for (name, arguments) in FOREIGN {
        if let Some(encode) = foreign(&raw, target, arguments) {
            line += &beside(name, encode);
        }
    }
    println!("{line}");
    std::fs::remove_file(raw).unwrap();
}

/// How ffmpeg is told to encode as one does in a call.
const FOREIGN: [(&str, &str); 2] = [
    (
        "x264 veryfast",
        "-c:v libx264 -preset veryfast -tune zerolatency",
    ),
    (
        "ffmpeg's libvpx",
        "-c:v libvpx -deadline realtime -cpu-used 8 -lag-in-frames 0",
    ),
];

/// Processor time a frame of an encoder in ffmpeg, without what reading the frames costs; none without ffmpeg.
fn foreign(raw: &Path, target: (usize, usize), arguments: &str) -> Option<Duration> {
    let time = |arguments: &str| {
        let size = format!("{}x{}", target.0, target.1);
        let rate = encoder_settings(H264, target.0, target.1)
            .bitrate
            .to_string();
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-benchmark", "-f", "rawvideo"])
            .args(["-pix_fmt", "yuv420p", "-r", "25", "-s", &size, "-i"])
            .arg(raw)
            .args(arguments.split(' '))
            .args(["-b:v", &rate, "-threads", "1", "-f", "null", "-"])
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, after) = said.split_once("bench: utime=")?;
        after.split('s').next()?.parse().ok()
    };
    let (encoding, reading): (f64, f64) = (time(arguments)?, time("-c:v rawvideo")?);
    let frames = f64::from(u32::try_from(FRAMES).unwrap());
    Some(Duration::from_secs_f64(
        (encoding - reading).max(0.0) / frames,
    ))
}

/// The median of a tick with decoding of all sources: so many viewers, in so many distinct views.
fn conference(format: SendFormat, sources: u64, viewers: u64, views: u64, rows: usize) -> Duration {
    let now = Instant::now();
    let mut conference = VideoConference::new(
        settings(),
        config(),
        Box::new(CODECS),
        Fonts::of_system(),
        now,
    );
    let mut cameras = Vec::new();
    for id in 0..sources {
        let person = Person {
            source: SourceId(id),
            identity: Identity(id),
            importance: 0,
            pin: None,
            floor: false,
            video: true,
        };
        let face = Face {
            name: Arc::from(format!("Person {id}")),
            muted: false,
            speaking: false,
        };
        conference.set_source(person, face).unwrap();
        cameras.push(CODECS.encoder(&encoder_settings(format, 640, 360)).unwrap());
    }
    let layouts = [Layout::AllEqual, Layout::OnePlusN, Layout::AllEqualNinths];
    for id in 0..viewers {
        let layout = layouts[usize::try_from(id % views).unwrap()];
        conference
            .set_viewer(ViewerId(id), viewer(format, layout, rows))
            .unwrap();
    }
    let mut times = Vec::new();
    for n in 0..FRAMES {
        let at = now + Duration::from_millis(40) * u32::try_from(n).unwrap();
        let frames: Vec<EncodedFrame> = cameras
            .iter_mut()
            .enumerate()
            .map(|(source, camera)| {
                let mut data = Vec::new();
                // The first tick tells the sources that somebody looks.
                let key = camera
                    .encode(&scene(640, 360, n, source), n < 2, &mut data)
                    .unwrap();
                EncodedFrame {
                    codec: format.codec(),
                    keyframe: key,
                    timestamp: 0,
                    data: data.into(),
                }
            })
            .collect();
        let begin = Instant::now();
        for (id, frame) in (0_u64..).zip(&frames) {
            conference.handle_frame(at, SourceId(id), frame);
        }
        let mut octets = 0;
        conference.tick(at, &mut |output| {
            if let VideoOutput::Frame { frame, .. } = output {
                octets += frame.data.len();
            }
        });
        times.push(begin.elapsed());
        std::hint::black_box(octets);
    }
    median(times)
}

fn viewer(format: SendFormat, layout: Layout, rows: usize) -> ViewerSettings {
    ViewerSettings {
        source: None,
        layout: Some(layout),
        template: None,
        seats: None,
        pins: Vec::new(),
        self_view: false,
        content: None,
        shows: Shows::People,
        format,
        limits: PictureLimits {
            rows,
            macroblocks: u32::MAX,
            macroblocks_per_second: u32::MAX,
        },
        target: if rows > 400 { 1_700_000 } else { 500_000 },
    }
}

fn settings() -> VideoSettings {
    VideoSettings {
        layout: Layout::AllEqual,
        template: None,
        placement: Placement::default(),
        seats: Vec::new(),
        names: BTreeMap::new(),
        absent: Absent::Tile,
        audio_tiles: true,
        banner: None,
        recording: false,
    }
}

fn config() -> VideoConfig {
    VideoConfig {
        members: 64,
        ..VideoConfig::default()
    }
}
