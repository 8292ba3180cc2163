//! G.722 against a codec that others wrote: ffmpeg's, of the Debian package `ffmpeg`.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its signals are small"
)]

use plenum_media::codec::g722::{Decoder, Encoder};
use std::io::Write;
use std::process::{Command, Stdio};

/// Passes octets through ffmpeg, of the Debian package of that name.
fn ffmpeg(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn linear(octets: &[u8]) -> Vec<f32> {
    let (pairs, _) = octets.as_chunks::<2>();
    let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
    samples.map(|sample| f32::from(sample) / 32_768.0).collect()
}

/// Two tones that come and go, over noise, at 16 kHz: 3 s.
fn sound() -> Vec<f32> {
    let mut noise = 1_u32;
    let sample = |n: u32| {
        let time = f64::from(n) / 16_000.0;
        let tone = |hz: f64| (std::f64::consts::TAU * hz * time).sin();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
        let swell = 0.5 - 0.5 * tone(2.0);
        let value = swell * (0.3 * tone(440.0) + 0.1 * tone(5_300.0)) + 0.02 * hiss;
        (value as f32 * 32_768.0).round() / 32_768.0
    };
    (0..48_000).map(sample).collect()
}

fn decode(octets: &[u8]) -> Vec<f32> {
    let mut samples = Vec::new();
    Decoder::default().decode(octets, &mut samples);
    samples
}

/// The level of `a` over the difference to `b`, dB.
fn agreement_db(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let energy: f32 = a.iter().map(|x| x * x).sum();
    let error: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
    10.0 * (energy / error.max(1e-12)).log10()
}

#[test]
fn g722_is_decoded_as_others_decode_it() {
    let sound = sound();
    let mut ours = Vec::new();
    Encoder::default().encode(&sound, &mut ours);
    let theirs = linear(&ffmpeg("-f g722 -i pipe:0 -f s16le pipe:1", &ours));
    assert_eq!(decode(&ours), theirs, "our stream, sample by sample");

    let pcm: Vec<u8> = sound
        .iter()
        .flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes())
        .collect();
    let stream = ffmpeg(
        "-f s16le -ar 16000 -ac 1 -i pipe:0 -c:a g722 -f g722 pipe:1",
        &pcm,
    );
    let theirs = linear(&ffmpeg("-f g722 -i pipe:0 -f s16le pipe:1", &stream));
    let agreement = agreement_db(&theirs, &decode(&stream));
    assert!(agreement > 50.0, "their stream: {agreement} dB");
}
