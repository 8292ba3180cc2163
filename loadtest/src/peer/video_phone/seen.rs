//! What comes to a phone, and what it looks like: pictures decoded by ffmpeg, each into a few averages.

use super::vp8;
use crate::clock;
use crate::server::Server;
use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A colour: red, green, blue.
pub type Rgb = (u8, u8, u8);

/// What cameras and slides show: far enough from each other, and from what the server paints by itself.
pub const RED: Rgb = (200, 30, 30);
/// See [`RED`].
pub const GREEN: Rgb = (30, 170, 50);
/// See [`RED`].
pub const BLUE: Rgb = (40, 50, 200);
/// See [`RED`].
pub const YELLOW: Rgb = (210, 200, 40);
/// See [`RED`].
pub const WHITE: Rgb = (235, 235, 235);

/// The size of pictures when they are judged: rows and columns of averages.
pub const SAMPLED: (usize, usize) = (128, 72);
/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(10);
/// A decoder that brought nothing for so long has nothing more.
const DECODED: Duration = Duration::from_millis(300);
/// Pictures that may be within the decoder: the next one ends the one before it.
const WITHIN: usize = 2;

/// What a stream carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoCodec {
    /// RFC 6184.
    #[default]
    H264,
    /// RFC 7741.
    Vp8,
}

impl VideoCodec {
    /// Its payload type here.
    pub(super) const fn payload_type(self) -> u8 {
        match self {
            Self::H264 => 99,
            Self::Vp8 => 98,
        }
    }

    /// Its lines of a description, for a packetization mode that H.264 alone has.
    pub(super) fn attributes(self, mode: u8) -> String {
        let number = self.payload_type();
        match self {
            Self::H264 => format!(
                "a=rtpmap:{number} H264/90000\r\n\
                 a=fmtp:{number} profile-level-id=42e01f;packetization-mode={mode}\r\n"
            ),
            Self::Vp8 => format!("a=rtpmap:{number} VP8/90000\r\n"),
        }
    }

    /// How ffmpeg calls the form in which it gets pictures.
    const fn form(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "ivf",
        }
    }

    /// Adds the picture of this number to a stream in that form.
    fn add(self, number: usize, octets: &[u8], stream: &mut Vec<u8>) {
        match self {
            Self::H264 => stream.extend_from_slice(octets),
            Self::Vp8 => vp8::add_to_ivf(number, octets, stream),
        }
    }
}

/// One picture as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its last packet came, since the phone began to listen.
    pub at: Duration,
    /// It can be decoded alone.
    pub keyframe: bool,
    /// One access unit: of H.264, NAL units with start codes.
    pub octets: Vec<u8>,
}

/// One decoded picture.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it came, since the phone began to listen.
    pub at: Duration,
    /// [`SAMPLED`] averages, row by row, three octets each.
    pub rgb: Vec<u8>,
}

impl Seen {
    /// The colour at a place given in shares of width and height.
    pub fn at(&self, x: f64, y: f64) -> Rgb {
        let (width, height) = SAMPLED;
        let index = |share: f64, of: usize| {
            let whole = crate::signal::whole(share * f64::from(u32::try_from(of).unwrap_or(0)));
            whole.min(of - 1)
        };
        let from = (index(y, height) * width + index(x, width)) * 3;
        match self.rgb.get(from..from + 3) {
            Some(&[r, g, b]) => (r, g, b),
            Some(_) | None => (0, 0, 0),
        }
    }
}

impl Seen {
    /// The averages within a part of the picture: left edge, upper edge, width and height in shares of it.
    pub fn within(&self, (x, y, w, h): (f64, f64, f64, f64)) -> Vec<Rgb> {
        let (width, height) = SAMPLED;
        let middle = |n: usize, of: usize| (n as f64 + 0.5) / of as f64;
        let mut found = Vec::new();
        for row in (0..height).map(|row| middle(row, height)) {
            for column in (0..width).map(|column| middle(column, width)) {
                if (x..x + w).contains(&column) && (y..y + h).contains(&row) {
                    found.push(self.at(column, row));
                }
            }
        }
        found
    }

    /// The colours at 8 × 6 places, a line for each row.
    pub fn sketch(&self) -> String {
        let place = |n: u32, of: u32| (f64::from(n) + 0.5) / f64::from(of);
        let line = |row: u32| {
            let colours = (0..8).map(|column| {
                let (r, g, b) = self.at(place(column, 8), place(row, 6));
                format!("{r:02x}{g:02x}{b:02x}")
            });
            colours.collect::<Vec<_>>().join(" ")
        };
        (0..6).map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Whether two colours are the same, but for what encoding does to them.
pub fn alike(one: Rgb, other: Rgb) -> bool {
    let near = |a: u8, b: u8| a.abs_diff(b) < 40;
    near(one.0, other.0) && near(one.1, other.1) && near(one.2, other.2)
}

/// A picture that shows a colour at a place.
pub fn shows(colour: Rgb, x: f64, y: f64) -> impl Fn(&Seen) -> bool {
    move |seen| alike(seen.at(x, y), colour)
}

/// Looks until a picture is as wanted, for ten seconds at most. Else the test fails, with a sketch of the last one and
/// the end of the log.
#[expect(clippy::panic, reason = "a test waits, and fails by panicking")]
pub fn wait(
    server: &Server,
    what: &str,
    mut look: impl FnMut() -> io::Result<Option<Seen>>,
    wanted: impl Fn(&Seen) -> bool,
) -> Seen {
    let end = clock::now() + PATIENCE;
    let mut last = Ok(None);
    while clock::now() < end {
        last = look();
        if let Ok(Some(seen)) = &last
            && wanted(seen)
        {
            return seen.clone();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let shown = match last {
        Ok(Some(seen)) => seen.sketch(),
        Ok(None) => "no picture at all".to_owned(),
        Err(error) => error.to_string(),
    };
    panic!("{what}; what is seen:\n{shown}\n{}", server.log_tail());
}

/// Watches a stream while it comes: one ffmpeg that decodes all of it.
#[derive(Debug)]
pub(super) struct Eye {
    codec: VideoCodec,
    child: Child,
    stdin: Option<ChildStdin>,
    /// How many pictures it was shown, those before the first keyframe included.
    pub(super) taken: usize,
    /// When each one came that was decoded.
    times: Vec<Duration>,
    decoded: Arc<Mutex<(usize, Vec<u8>)>>,
}

impl Eye {
    pub(super) fn open(codec: VideoCodec) -> io::Result<Self> {
        let mut child = ffmpeg(codec)
            // What it reads to find out what it is comes soon, and nothing of it is thrown away.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let decoded = Arc::<Mutex<_>>::default();
        if let Some(stdout) = child.stdout.take() {
            let decoded = Arc::clone(&decoded);
            std::thread::spawn(move || keep(stdout, &decoded));
        }
        let stdin = child.stdin.take();
        Ok(Self {
            codec,
            child,
            stdin,
            taken: 0,
            times: Vec::new(),
            decoded,
        })
    }

    /// Shows it what came since it looked last.
    pub(super) fn take(&mut self, pictures: &[Received]) -> io::Result<()> {
        let mut stream = Vec::new();
        for picture in pictures {
            self.taken += 1;
            if picture.keyframe || !self.times.is_empty() {
                let number = self.times.len();
                self.codec.add(number, &picture.octets, &mut stream);
                self.times.push(picture.at);
            }
        }
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(&stream).and_then(|()| stdin.flush()),
            None => Ok(()),
        }
    }

    /// The last picture, once what it was shown is decoded.
    pub(super) fn last(&self) -> Option<Seen> {
        let count = || self.lock().0;
        let (mut before, mut since) = (count(), clock::now());
        while before + WITHIN < self.times.len() && clock::now() < since + DECODED {
            std::thread::sleep(Duration::from_millis(5));
            let now = count();
            if now != before {
                (before, since) = (now, clock::now());
            }
        }
        let (count, rgb) = self.lock().clone();
        let at = self.times.get(count.checked_sub(1)?);
        let at = *at.or_else(|| self.times.last())?;
        Some(Seen { at, rgb })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (usize, Vec<u8>)> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps the last picture that an ffmpeg has decoded, until it ends.
fn keep(mut stdout: ChildStdout, decoded: &Mutex<(usize, Vec<u8>)>) {
    let (width, height) = SAMPLED;
    let mut picture = vec![0; width * height * 3];
    while stdout.read_exact(&mut picture).is_ok() {
        let mut decoded = decoded.lock().unwrap_or_else(PoisonError::into_inner);
        decoded.0 += 1;
        decoded.1.clone_from(&picture);
    }
}

/// From a stream on its input to averages on its output, at once.
fn ffmpeg(codec: VideoCodec) -> Command {
    let (width, height) = SAMPLED;
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-probesize", "32", "-analyzeduration", "0"])
        .args(["-fpsprobesize", "0", "-threads", "1", "-flags", "low_delay"])
        .args(["-f", codec.form(), "-i", "-", "-threads", "1"])
        .args(["-vf", &format!("scale={width}:{height}:flags=area")])
        .args(["-fps_mode", "passthrough", "-pix_fmt", "rgb24"])
        .args(["-flush_packets", "1", "-f", "rawvideo", "-"]);
    command
}

/// Decodes pictures, each into its averages. What comes before the first keyframe is left out.
pub(super) fn decode(codec: VideoCodec, received: &[Received]) -> io::Result<Vec<Seen>> {
    let first = received.iter().position(|picture| picture.keyframe);
    let wanted = first
        .and_then(|first| received.get(first..))
        .unwrap_or_default();
    let mut stream: Vec<u8> = Vec::new();
    for (number, picture) in wanted.iter().enumerate() {
        codec.add(number, &picture.octets, &mut stream);
    }
    let (width, height) = SAMPLED;
    let mut child = ffmpeg(codec)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take();
    let feeding = std::thread::spawn(move || {
        if let Some(stdin) = &mut stdin {
            drop(stdin.write_all(&stream));
        }
    });
    let output = child.wait_with_output()?;
    drop(feeding.join());
    let pictures = output.stdout.chunks_exact(width * height * 3);
    let times = wanted.iter().map(|picture| picture.at);
    Ok(pictures
        .zip(times)
        .map(|(rgb, at)| Seen {
            at,
            rgb: rgb.to_vec(),
        })
        .collect())
}
