//! What is recorded of a conference, judged by ffmpeg: tones, colours, lips, and after the server was killed.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::clock;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::peer::baresip::Baresip;
use plenum_loadtest::peer::video_phone::{Rgb, VideoPhone, VideoPhoneSettings, alike};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::{Signal, whole};
use plenum_loadtest::tones;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// What the two who talk say, Hz.
const LOW: f64 = 440.0;
const HIGH: f64 = 1000.0;
/// The rate of decoded sound.
const RATE: u32 = 48_000;
/// How long the notice is, at the beginning of every recording: under it voices are softer.
const NOTICE: f64 = 3.0;
const BLUE: Rgb = (40, 50, 200);
const MARK: Rgb = (220, 60, 60);

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("plenum-recordings-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(folder))
    }

    /// The settings of a server that keeps recordings there.
    fn settings(&self, more: &str, rest: &str) -> ServerSettings {
        self.with_free(1, more, rest)
    }

    /// The same, with so many MiB that have to stay free.
    fn with_free(&self, free: u32, more: &str, rest: &str) -> ServerSettings {
        ServerSettings {
            rest: format!(
                "[recording]\ndirectory = \"{}\"\nleast_free_mib = {free}\nrows = 360\n{more}\n{rest}\n",
                self.0.display()
            ),
            ..ServerSettings::default()
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A folder that is a disk of its own, of this size. Needs root (`CAP_SYS_ADMIN`).
struct SmallDisk(Folder);

impl SmallDisk {
    fn new(name: &str, size: &str) -> Self {
        let folder = Folder::new(name);
        std::fs::create_dir_all(&folder.0).unwrap();
        let options = format!("size={size}");
        let path = folder.0.to_str().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path]);
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A test that failed may have left a server in it.
        let path = self.0.0.as_os_str();
        drop(Command::new("umount").arg("-l").arg(path).output());
    }
}

fn start(settings: &ServerSettings) -> Server {
    Server::start(&program().unwrap(), settings).unwrap()
}

fn record(server: &Server, what: &str) -> Result<String, String> {
    server.operate(&["conference", "record", what, "standup"], "")
}

/// The names of the recordings there are.
fn names(server: &Server) -> Vec<String> {
    let list = server.operate(&["recording", "list"], "").unwrap();
    let rows = list.lines().skip(1);
    rows.filter_map(|row| Some(row.split_whitespace().next()?.to_owned()))
        .collect()
}

fn index(server: &Server, name: &str) -> serde_json::Value {
    let text = server.operate(&["recording", "show", name], "").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The index, once nothing is added to it any more.
fn ended(server: &Server, name: &str) -> serde_json::Value {
    for _ in 0..50 {
        let index = index(server, name);
        if index["ended"].is_string() {
            return index;
        }
        std::thread::sleep(SECOND / 10);
    }
    panic!("it does not end: {}", server.log());
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// What is heard of a file.
fn sound(file: &Path) -> Vec<f32> {
    let name = file.to_str().unwrap();
    let octets = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            name,
            "-af",
            "aresample=async=1:first_pts=0",
            "-f",
            "f32le",
            "-ac",
            "1",
            "-ar",
            "48000",
            "-",
        ],
    );
    samples(&octets)
}

/// Asks for a file of a recording with these header fields: the status line and the fields, and the octets.
fn ask(server: &Server, path: &str, fields: &str) -> (String, Vec<u8>) {
    let token = std::fs::read_to_string(server.folder().join("token")).unwrap();
    let mut stream = TcpStream::connect(server.http()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: plenum\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n{fields}\r\n",
        token.trim()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.unwrap() + 4);
    (String::from_utf8(answer).unwrap(), body)
}

/// The index that players seek by (RFC 9559).
const CUES: [u8; 4] = [0x1C, 0x53, 0xBB, 0x6B];

fn has_index(octets: &[u8]) -> bool {
    octets.windows(4).any(|four| four == CUES)
}

/// What ffmpeg decodes of a file over HTTP from this second on.
fn sound_from(server: &Server, path: &str, second: u32) -> Vec<f32> {
    let token = std::fs::read_to_string(server.folder().join("token")).unwrap();
    let fields = format!("Authorization: Bearer {}\r\n", token.trim());
    let (from, url) = (
        second.to_string(),
        format!("http://{}{path}", server.http()),
    );
    let octets = run(
        "ffmpeg",
        &[
            "-v", "error", "-headers", &fields, "-ss", &from, "-i", &url, "-vn", "-f", "f32le",
            "-ac", "1", "-ar", "48000", "-",
        ],
    );
    samples(&octets)
}

fn samples(octets: &[u8]) -> Vec<f32> {
    let samples = octets.chunks_exact(4);
    samples
        .map(|octets| f32::from_le_bytes(octets.try_into().unwrap()))
        .collect()
}

fn seconds(samples: &[f32]) -> f64 {
    samples.len() as f64 / f64::from(RATE)
}

/// Both tones are there at their levels from `from` to half a second before the end.
fn judge(samples: &[f32], from: f64) {
    let end = samples.len().saturating_sub(whole(f64::from(RATE) / 2.0));
    let piece = &samples[whole(from * f64::from(RATE))..end];
    for hz in [LOW, HIGH] {
        let level = tones::level(piece, RATE, hz);
        assert!((level.dbfs + 20.0).abs() < 2.0, "{hz} Hz: {level:?}");
        assert!(level.present > 0.97, "{hz} Hz comes and goes: {level:?}");
    }
}

fn two_callers(server: &Server) -> [Baresip; 2] {
    let uri = format!("sip:standup@{}", server.sip());
    [(Codec::Opus, LOW), (Codec::Pcmu, HIGH)].map(|(codec, hz)| {
        let mut phone = Baresip::start(codec, Signal::Tone { hz, dbfs: -20.0 }).unwrap();
        phone.call(&uri).unwrap();
        phone
    })
}

#[test]
fn a_recording_is_begun_paused_ended_listed_downloaded_and_deleted() {
    let folder = Folder::new("orders");
    let server = start(&folder.settings("", ""));
    assert!(
        record(&server, "start")
            .unwrap_err()
            .contains("no conference")
    );
    let phones = two_callers(&server);
    std::thread::sleep(SECOND);
    assert!(
        record(&server, "pause")
            .unwrap_err()
            .contains("not being recorded")
    );
    record(&server, "start").unwrap();
    let shown = server.operate(&["conference", "show", "standup"], "");
    assert!(shown.unwrap().contains("recording on"));
    std::thread::sleep(6 * SECOND);
    record(&server, "pause").unwrap();
    std::thread::sleep(2 * SECOND);
    record(&server, "start").unwrap();
    std::thread::sleep(SECOND);
    let name = names(&server).pop().unwrap();
    let running = server.operate(&["recording", "delete", &name], "");
    assert!(running.unwrap_err().contains("being recorded still"));
    record(&server, "stop").unwrap();
    let index = ended(&server, &name);
    assert_eq!(index["state"], "complete");
    assert_eq!(index["conference"], "standup");
    assert_eq!(index["participants"].as_array().unwrap().len(), 2);
    assert_eq!(index["pauses"].as_array().unwrap().len(), 1);
    let to = folder.0.join("got.mka");
    server
        .operate(&["recording", "get", &name, to.to_str().unwrap()], "")
        .unwrap();
    let samples = sound(&to);
    let told = index["duration_ms"].as_f64().unwrap() / 1_000.0;
    let heard = seconds(&samples);
    assert!((heard - told).abs() < 0.3, "{heard} s of {told} s");
    assert!(
        (6.5..9.0).contains(&heard),
        "the pause is left out: {heard} s"
    );
    judge(&samples[..whole(6.0 * f64::from(RATE))], NOTICE);
    judge_parts(&server, &format!("/v1/recordings/{name}/1"), &to, heard);
    assert_eq!(
        server.get("/v1/recordings").unwrap().0,
        401,
        "without a token"
    );
    server.operate(&["recording", "delete", &name], "").unwrap();
    assert_eq!(names(&server), Vec::<String>::new());
    let left = std::fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(left, 1, "only what was downloaded");
    drop(phones);
}

/// RFC 9110 §14: parts of a file, which is also in `got` and plays so long.
fn judge_parts(server: &Server, path: &str, got: &Path, lasts: f64) {
    let whole_file = std::fs::read(got).unwrap();
    let length = whole_file.len();
    let (fields, body) = ask(server, path, "");
    assert!(fields.starts_with("HTTP/1.1 200"), "{fields}");
    assert!(fields.contains("accept-ranges: bytes"), "{fields}");
    assert_eq!(body, whole_file);
    let tag = fields.lines().find_map(|line| line.strip_prefix("etag: "));
    let tag = tag.unwrap().to_owned();
    let (fields, body) = ask(server, path, "Range: bytes=100-299\r\n");
    assert!(fields.starts_with("HTTP/1.1 206"), "{fields}");
    assert!(
        fields.contains(&format!("content-range: bytes 100-299/{length}")),
        "{fields}"
    );
    assert_eq!(body, whole_file[100..300]);
    let (_, body) = ask(server, path, "Range: bytes=-50\r\n");
    assert_eq!(body, whole_file[length - 50..]);
    let (fields, _) = ask(server, path, &format!("Range: bytes={length}-\r\n"));
    assert!(fields.starts_with("HTTP/1.1 416"), "{fields}");
    assert!(
        fields.contains(&format!("content-range: bytes */{length}")),
        "{fields}"
    );
    let other = "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n";
    assert_eq!(ask(server, path, other).1.len(), length);
    let same = format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n");
    assert_eq!(ask(server, path, &same).1, whole_file[..10]);
    assert!(has_index(&whole_file));
    let rest = seconds(&sound_from(server, path, 4));
    assert!(
        (rest - (lasts - 4.0)).abs() < 0.3,
        "{rest} s from the fourth of {lasts}"
    );
}

#[test]
fn a_disk_that_is_full_in_the_middle_ends_the_recording_and_nothing_else() {
    let disk = SmallDisk::new("full", "400k");
    let server = start(&disk.0.with_free(0, "", ""));
    let phones = two_callers(&server);
    std::thread::sleep(SECOND);
    record(&server, "start").unwrap();
    std::thread::sleep(5 * SECOND);
    let mut filler = std::fs::File::create(disk.0.0.join("filler")).unwrap();
    while filler.write_all(&[0; 4_096]).is_ok() {}
    let failed = (0..50).any(|_| {
        std::thread::sleep(SECOND / 10);
        let shown = server.operate(&["conference", "show", "standup"], "");
        shown.unwrap().contains("recording failed")
    });
    assert!(failed, "{}", server.log());
    let name = names(&server).pop().unwrap();
    let known = index(&server, &name);
    assert_eq!(known["state"], "failed");
    assert_eq!(known["reason"], "the disk is full");
    let log = server.log();
    assert!(
        log.contains("cannot go on") && log.contains("the disk is full"),
        "{log}"
    );
    assert_eq!(server.metric("plenum_recordings_failed_total").unwrap(), 1);
    // What was written plays, and is what its index on the disk says, also to the next server.
    let file = disk.0.0.join(known["files"][0]["name"].as_str().unwrap());
    let kept = sound(&file);
    assert!(seconds(&kept) > 3.5, "{} s", seconds(&kept));
    let length = std::fs::metadata(&file).unwrap().len();
    assert_eq!(known["files"][0]["bytes"].as_u64().unwrap(), length);
    let saved = std::fs::read(disk.0.0.join(format!("{name}.json"))).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    assert_eq!(saved, known);
    // Nobody has heard a gap.
    std::thread::sleep(4 * SECOND);
    for phone in phones {
        let heard = phone.finish().unwrap();
        let rate = usize::try_from(heard.rate).unwrap();
        let last = &heard.samples[heard.samples.len().saturating_sub(8 * rate)..];
        let gap = tones::longest_silence(&last[..last.len() - rate], heard.rate);
        assert!(gap < 0.06, "a gap of {gap} s");
    }
}

#[test]
fn a_killed_server_leaves_all_but_a_second_and_the_next_one_lists_it() {
    let folder = Folder::new("killed");
    let server = start(&folder.settings("", ""));
    let phones = two_callers(&server);
    std::thread::sleep(SECOND);
    record(&server, "start").unwrap();
    let begun = clock::now();
    std::thread::sleep(6 * SECOND);
    let lasted = clock::now().saturating_sub(begun);
    server.kill().unwrap();
    drop(phones);
    let server = start(&folder.settings("", ""));
    let name = names(&server).pop().unwrap();
    let index = index(&server, &name);
    assert_eq!(index["state"], "interrupted");
    let file = index["files"][0]["name"].as_str().unwrap();
    let file = folder.0.join(file);
    assert!(!has_index(&std::fs::read(&file).unwrap()));
    let samples = sound(&file);
    let heard = seconds(&samples);
    assert!(
        heard >= lasted.as_secs_f64() - 1.0,
        "{heard} s of {lasted:?}"
    );
    judge(&samples, NOTICE);
}

/// The mean brightness of the picture every 10 ms.
fn brightness(file: &Path) -> Vec<f64> {
    let filter = "fps=100:start_time=0,scale=16:16,format=gray";
    let name = file.to_str().unwrap();
    let octets = run(
        "ffmpeg",
        &[
            "-v", "error", "-i", name, "-vf", filter, "-f", "rawvideo", "-",
        ],
    );
    let pictures = octets.chunks_exact(256);
    pictures
        .map(|picture| picture.iter().map(|y| f64::from(*y)).sum::<f64>() / 256.0)
        .collect()
}

/// Where values step over the middle between their least and their most, after `calm` values below it.
fn steps(values: &[f64], calm: usize) -> Vec<usize> {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| {
        (low.min(*v), high.max(*v))
    });
    let middle = f64::midpoint(low, high);
    (calm..values.len())
        .filter(|at| values[*at] >= middle && values[at - calm..*at].iter().all(|v| *v < middle))
        .collect()
}

/// Flashes are seen when beeps are heard.
fn judge_lips(file: &Path) {
    let flashed = steps(&brightness(file), 30);
    let samples = sound(file);
    // The notice is louder than the beeps.
    let from = whole(NOTICE * f64::from(RATE));
    let loud: Vec<f64> = samples[from..]
        .chunks_exact(480)
        .map(|chunk| f64::from(chunk.iter().fold(0.0_f32, |most, x| most.max(x.abs()))))
        .collect();
    let beeped = steps(&loud, 30);
    let mut apart = Vec::new();
    for beep in beeped.iter().map(|at| at + 100 * 3) {
        let near = flashed.iter().min_by_key(|flash| flash.abs_diff(beep));
        apart.extend(near.map(|flash| *flash as f64 * 10.0 - beep as f64 * 10.0));
    }
    assert!(apart.len() >= 4, "{flashed:?} {beeped:?}");
    let median = tones::median(apart.clone());
    assert!(
        median.abs() < 60.0,
        "pictures are late by {median} ms: {apart:?}"
    );
}

/// The index of pictures leads to their keyframes: who begins in the middle gets the very picture that is there.
fn judge_seeking(file: &Path) {
    assert!(has_index(&std::fs::read(file).unwrap()));
    let name = file.to_str().unwrap();
    let packets = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            "v",
            "-read_intervals",
            "7%+0.5",
            "-show_entries",
            "packet=pts_time,flags",
            "-of",
            "csv=p=0",
            name,
        ],
    );
    let packets = String::from_utf8_lossy(&packets).into_owned();
    let first = packets.lines().next().unwrap_or_default();
    let at: f64 = first.split(',').next().unwrap().parse().unwrap();
    // Without an index ffmpeg reads from the beginning to find a keyframe before the place.
    assert!(
        first.contains('K') && at > 0.5 && at <= 7.0,
        "begins with {first}"
    );
    let whole = brightness(file);
    let filter = "fps=100:start_time=0,scale=16:16,format=gray";
    let tail = run(
        "ffmpeg",
        &[
            "-v", "error", "-ss", "6", "-i", name, "-vf", filter, "-f", "rawvideo", "-",
        ],
    );
    let from: Vec<f64> = tail
        .chunks_exact(256)
        .map(|picture| picture.iter().map(|y| f64::from(*y)).sum::<f64>() / 256.0)
        .collect();
    let lit = |values: &[f64]| values.iter().filter(|y| **y > 60.0).count();
    let (expected, found) = (lit(&whole[600..]), lit(&from));
    assert!(
        expected.abs_diff(found) <= 8,
        "{found} bright pictures of {expected}"
    );
}

#[test]
fn pictures_are_recorded_with_a_mark_and_lips_fit() {
    let folder = Folder::new("pictures");
    let server = start(&folder.settings("", "[video]\nnames = false"));
    let flashes = VideoPhoneSettings {
        flashes: true,
        ..VideoPhoneSettings::of((250, 250, 250))
    };
    let one = VideoPhone::call(server.sip(), "standup", "one", flashes).unwrap();
    let two = VideoPhoneSettings::of(BLUE);
    let two = VideoPhone::call(server.sip(), "standup", "two", two).unwrap();
    std::thread::sleep(2 * SECOND);
    record(&server, "start").unwrap();
    std::thread::sleep(11 * SECOND);
    let seen = two.seen().unwrap().pop().unwrap();
    record(&server, "stop").unwrap();
    let name = names(&server).pop().unwrap();
    let index = ended(&server, &name);
    let files = index["files"].as_array().unwrap();
    // A slow machine may begin with a moment of sound alone.
    assert!(files.len() <= 2, "pictures came once: {index}");
    let file = folder
        .0
        .join(files[files.len() - 1]["name"].as_str().unwrap());
    let probed = run(
        "ffprobe",
        &["-v", "error", "-show_streams", file.to_str().unwrap()],
    );
    let probed = String::from_utf8_lossy(&probed).into_owned();
    for part in ["codec_name=opus", "codec_name=vp8", "height=360"] {
        assert!(probed.contains(part), "no {part} in\n{probed}");
    }
    judge_lips(&file);
    judge_seeking(&file);
    // A disc in the corner at the top right, for who looks and for the recording.
    let (red, green, blue) = seen.at(0.968, 0.055);
    assert!(
        red > green + 40 && red > blue + 40,
        "no mark but {:?}",
        (red, green, blue)
    );
    let crop = "crop=2:2:618:18,format=rgb24";
    let name = file.to_str().unwrap();
    let words = format!("-v error -ss 3 -i {name} -vf {crop} -frames:v 1 -f rawvideo -");
    let pixels = run("ffmpeg", &words.split(' ').collect::<Vec<_>>());
    let corner = (pixels[0], pixels[1], pixels[2]);
    assert!(
        alike(corner, MARK),
        "no mark in the recording but {corner:?}"
    );
    drop(one);
}

#[test]
fn what_always_has_to_be_recorded_is_and_nobody_comes_in_where_it_cannot_be() {
    let folder = Folder::new("always");
    let rooms = "[[conference]]\nname = \"standup\"\nrecord = \"always\"\n\
        [[conference]]\nname = \"secret\"\nrecord = \"never\"";
    let server = start(&folder.settings("", rooms));
    let phones = two_callers(&server);
    std::thread::sleep(2 * SECOND);
    for what in ["pause", "stop"] {
        let refused = record(&server, what).unwrap_err();
        assert!(refused.contains("has to be recorded"), "{refused}");
    }
    let secret = server.operate(&["conference", "record", "start", "secret"], "");
    assert!(secret.is_err());
    let name = names(&server).pop().unwrap();
    for phone in phones {
        phone.finish().unwrap();
    }
    let index = ended(&server, &name);
    assert_eq!(
        index["participants"].as_array().unwrap().len(),
        2,
        "{index}"
    );
    drop(server);
    // A disk that is never free enough.
    let full = folder
        .settings("", rooms)
        .rest
        .replace("mib = 1\n", "mib = 99999999999\n");
    let full = ServerSettings {
        rest: full,
        ..ServerSettings::default()
    };
    let server = start(&full);
    let settings = VideoPhoneSettings::of(BLUE);
    let refused = VideoPhone::call(server.sip(), "standup", "late", settings.clone());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("SIP/2.0 503"), "{refused}");
    assert!(refused.contains("has to be recorded"), "{refused}");
    // A thread of its own writes the log.
    let told = (0..20).any(|_| {
        std::thread::sleep(SECOND / 10);
        server.log().contains("the disk is full")
    });
    assert!(told, "{}", server.log());
    // Others are not concerned.
    VideoPhone::call(server.sip(), "another", "other", settings).unwrap();
}
