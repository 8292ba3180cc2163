//! H.264 as the phone packs, unpacks and encodes it.

use super::Rgb;
use std::io;
use std::process::{Command, Stdio};

/// One picture of the camera: its NAL units.
pub type Picture = Vec<Vec<u8>>;

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

/// Adds what a packet carries to its picture, with start codes. True where it is of an IDR picture.
pub(super) fn unpack(payload: &[u8], picture: &mut Vec<u8>) -> bool {
    const START: [u8; 4] = [0, 0, 0, 1];
    let decodable = |head: u8| head & 0x1f == 5;
    match payload {
        // RFC 6184 §5.7.1.
        [head, rest @ ..] if head & 0x1f == 24 => {
            let (mut rest, mut keyframe) = (rest, false);
            while let [high, low, after @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some((unit, after)) = after.split_at_checked(length) else {
                    return keyframe;
                };
                keyframe |= unit.first().is_some_and(|head| decodable(*head));
                picture.extend(START);
                picture.extend_from_slice(unit);
                rest = after;
            }
            keyframe
        }
        // RFC 6184 §5.8.
        [head, second, rest @ ..] if head & 0x1f == 28 => {
            let unit = head & 0xe0 | second & 0x1f;
            let begins = second & 0x80 != 0;
            if begins {
                picture.extend(START);
                picture.push(unit);
            }
            picture.extend_from_slice(rest);
            begins && decodable(unit)
        }
        unit => {
            picture.extend(START);
            picture.extend_from_slice(unit);
            unit.first().is_some_and(|head| decodable(*head))
        }
    }
}

/// Four seconds of one colour, 640×360, a keyframe each second.
pub(super) fn camera(colour: Rgb) -> io::Result<Vec<Picture>> {
    film(colour, (640, 360))
}

/// A hundred pictures of one colour and this size: each twenty-fifth from the first on can be decoded alone.
pub fn film((red, green, blue): Rgb, (width, height): (u32, u32)) -> io::Result<Vec<Picture>> {
    crate::peer::installed("ffmpeg", "-version", "ffmpeg")?;
    let source = format!("color=0x{red:02x}{green:02x}{blue:02x}:s={width}x{height}:r=25:d=4");
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
