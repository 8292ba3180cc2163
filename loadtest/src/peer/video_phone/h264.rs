//! H.264 as the phone packs, unpacks, encodes and decodes it.

use super::{Received, Rgb, SAMPLED, Seen, Shared};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One picture of the camera: its NAL units.
pub(super) type Picture = Vec<Vec<u8>>;

/// Octets of one RTP payload.
const PAYLOAD: usize = 1_100;

/// RFC 6184 §5.6 and §5.8: one packet, or fragments.
pub(super) fn fragment(unit: &[u8], out: &mut Vec<Vec<u8>>) {
    let Some((&head, rest)) = unit.split_first() else {
        return;
    };
    if unit.len() <= PAYLOAD {
        out.push(unit.to_vec());
        return;
    }
    let pieces: Vec<&[u8]> = rest.chunks(PAYLOAD - 2).collect();
    for (n, piece) in pieces.iter().enumerate() {
        let (start, end) = (n == 0, n + 1 == pieces.len());
        let second = head & 0x1f | u8::from(start) << 7 | u8::from(end) << 6;
        let mut payload = vec![head & 0xe0 | 28, second];
        payload.extend_from_slice(piece);
        out.push(payload);
    }
}

/// Packets into pictures.
#[derive(Default)]
pub(super) struct Depacketiser {
    pub(super) source: u32,
    /// Packets that wait for one before them, by sequence number since the beginning.
    waiting: BTreeMap<u64, (bool, Vec<u8>)>,
    next: Option<u64>,
    asked: BTreeMap<u64, Duration>,
    count: u32,
    picture: Vec<u8>,
    keyframe: bool,
}

impl Depacketiser {
    /// Takes one packet; answers which ones are to be asked for.
    pub(super) fn take(
        &mut self,
        at: Duration,
        datagram: &[u8],
        loss: u32,
        shared: &Shared,
    ) -> Vec<u16> {
        let (Some(&[_, kind, high, low, _, _, _, _, s0, s1, s2, s3]), Some(payload)) =
            (datagram.first_chunk::<12>(), datagram.get(12..))
        else {
            return Vec::new();
        };
        self.source = u32::from_be_bytes([s0, s1, s2, s3]);
        let low = u16::from_be_bytes([high, low]);
        let next = self.next.unwrap_or_else(|| u64::from(low) + (1 << 32));
        let ahead = low.wrapping_sub(u16::try_from(next & 0xffff).unwrap_or(0));
        let wide = if ahead < 1 << 15 {
            next + u64::from(ahead)
        } else {
            // Here already.
            return Vec::new();
        };
        self.next = Some(next);
        let again = self.asked.contains_key(&wide);
        // Every so manieth is lost, but not when it comes again.
        self.count = self.count.wrapping_add(loss);
        if !again && self.count >= 100 {
            self.count -= 100;
            return self.missing(at, wide + 1);
        }
        if again && !self.waiting.contains_key(&wide) {
            shared.repeated.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting
            .insert(wide, (kind & 0x80 != 0, payload.to_vec()));
        while let Some(next) = self.next
            && let Some((marker, payload)) = self.waiting.remove(&next)
        {
            self.next = Some(next + 1);
            self.asked.remove(&next);
            self.unpack(&payload);
            if marker {
                let octets = std::mem::take(&mut self.picture);
                let keyframe = std::mem::take(&mut self.keyframe);
                let mut received = shared
                    .received
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                received.push(Received {
                    at,
                    keyframe,
                    octets,
                });
            }
        }
        self.missing(at, wide)
    }

    /// What is missing before this one, and was not asked for just now.
    fn missing(&mut self, at: Duration, before: u64) -> Vec<u16> {
        let Some(next) = self.next else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        for wide in next..before {
            let asked = self.asked.get(&wide);
            let lately = asked.is_some_and(|then| at.saturating_sub(*then).as_millis() < 60);
            if !self.waiting.contains_key(&wide) && !lately {
                self.asked.insert(wide, at);
                missing.push(u16::try_from(wide & 0xffff).unwrap_or(0));
            }
        }
        missing
    }

    fn unpack(&mut self, payload: &[u8]) {
        const START: [u8; 4] = [0, 0, 0, 1];
        match payload {
            // RFC 6184 §5.7.1.
            [head, rest @ ..] if head & 0x1f == 24 => {
                let mut rest = rest;
                while let [high, low, after @ ..] = rest {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let Some((unit, after)) = after.split_at_checked(length) else {
                        return;
                    };
                    self.note(unit);
                    self.picture.extend(START);
                    self.picture.extend_from_slice(unit);
                    rest = after;
                }
            }
            // RFC 6184 §5.8.
            [head, second, rest @ ..] if head & 0x1f == 28 => {
                if second & 0x80 != 0 {
                    let unit = head & 0xe0 | second & 0x1f;
                    self.note(&[unit]);
                    self.picture.extend(START);
                    self.picture.push(unit);
                }
                self.picture.extend_from_slice(rest);
            }
            unit => {
                self.note(unit);
                self.picture.extend(START);
                self.picture.extend_from_slice(unit);
            }
        }
    }

    fn note(&mut self, unit: &[u8]) {
        self.keyframe |= unit.first().is_some_and(|head| head & 0x1f == 5);
    }
}

/// Four seconds of one colour, a keyframe each second.
pub(super) fn camera((red, green, blue): Rgb) -> io::Result<Vec<Picture>> {
    crate::peer::installed("ffmpeg", "-version", "ffmpeg")?;
    let source = format!("color=0x{red:02x}{green:02x}{blue:02x}:s=640x360:r=25:d=4");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source])
        .args([
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-profile:v",
            "baseline",
        ])
        .args([
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-threads",
            "1",
        ])
        .args([
            "-g",
            "25",
            "-x264-params",
            "slices=1:aud=1",
            "-f",
            "h264",
            "-",
        ])
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(said));
    }
    let mut pictures: Vec<Picture> = Vec::new();
    for unit in units(&output.stdout) {
        // An access unit delimiter begins each picture, and need not be sent.
        if unit.first().is_some_and(|head| head & 0x1f == 9) {
            pictures.push(Vec::new());
        } else if let Some(picture) = pictures.last_mut() {
            picture.push(unit.to_vec());
        }
    }
    Ok(pictures)
}

/// The NAL units between start codes.
fn units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == [0, 0, 1])
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| stream.get(start + 3..end))
        .map(|unit| unit.strip_suffix(&[0]).unwrap_or(unit))
        .collect()
}

/// Decodes pictures, each into its averages. What comes before the first keyframe is left out.
pub(super) fn decode(received: &[Received]) -> io::Result<Vec<Seen>> {
    let first = received.iter().position(|picture| picture.keyframe);
    let wanted = first
        .and_then(|first| received.get(first..))
        .unwrap_or_default();
    let stream: Vec<u8> = wanted
        .iter()
        .flat_map(|picture| picture.octets.iter().copied())
        .collect();
    let (width, height) = SAMPLED;
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-", "-threads", "1"])
        .args(["-vf", &format!("scale={width}:{height}:flags=area")])
        .args([
            "-fps_mode",
            "passthrough",
            "-pix_fmt",
            "rgb24",
            "-f",
            "rawvideo",
            "-",
        ])
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
