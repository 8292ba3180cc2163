//! What the phone does by itself: it sends sound and pictures, takes what comes, and asks for what is missing.

use super::depacketiser::Depacketiser;
use super::foreign::Foreign;
use super::h264::{Picture, fragment};
use super::seen::VideoCodec;
use super::{FLASH, LIT, Marks, Shared};
use crate::{clock, g711};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Between two pictures.
pub(super) const FRAME: Duration = Duration::from_millis(40);
/// Between two packets of audio.
const AUDIO: Duration = Duration::from_millis(20);
/// A sample beyond this belongs to a beep.
const LOUD: i16 = 1_000;

/// What the phone does by itself.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) audio: Option<(UdpSocket, SocketAddr)>,
    pub(super) video: Option<(UdpSocket, SocketAddr)>,
    pub(super) camera: Camera,
    pub(super) receiver: Depacketiser,
    pub(super) sending: bool,
    pub(super) flashes: bool,
    pub(super) begins: u32,
    /// What it says, Hz.
    pub(super) tone: f64,
}

/// What a phone sends in the place of what its camera sees.
#[derive(Clone, Debug)]
pub struct Feed {
    /// One after the other, again and again.
    pub pictures: Vec<Picture>,
    /// How many a second.
    pub per_second: u32,
    /// Timestamps that have nothing to do with time.
    pub jumps: bool,
}

/// What it sees.
pub(super) enum Camera {
    /// Always the same.
    Steady(Vec<Picture>),
    /// Dark, and then light.
    Flashing(Vec<Picture>, Vec<Picture>),
    /// Somebody else's.
    Foreign(Foreign),
}

impl Camera {
    /// The picture of this number, and whether it begins a flash.
    fn picture(&self, number: u32) -> Option<(&Picture, bool)> {
        let at = |pictures: &Vec<Picture>, n: u32| n as usize % pictures.len().max(1);
        match self {
            Self::Steady(camera) => Some((camera.get(at(camera, number))?, false)),
            Self::Flashing(dark, light) => match number % 25 {
                n if n < LIT => Some((light.get(at(light, n))?, n == 0)),
                n => Some((dark.get(at(dark, n - LIT))?, false)),
            },
            Self::Foreign(_) => None,
        }
    }
}

impl Worker {
    pub(super) fn run(mut self) {
        let begun = clock::now();
        self.marks(|marks| marks.begun = begun);
        let (mut picture, mut packet) = (0_u32, 0_u32);
        let mut sequence = 1_000_u16;
        let mut frozen = 0_u32;
        let mut due = Duration::ZERO;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let since = clock::now().saturating_sub(begun);
            if since >= AUDIO * packet {
                self.send_audio(packet);
                packet += 1;
            }
            if since >= due {
                due += self.between();
                if self.shared.frozen.load(Ordering::Relaxed) {
                    frozen += 1;
                } else if self.sending {
                    let shown = self.begins + picture - frozen;
                    self.send_picture(picture, shown, &mut sequence);
                }
                picture += 1;
            }
            self.pass_on();
            self.receive(since);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The time from one picture to the next.
    fn between(&self) -> Duration {
        let feed = self.shared.feed.lock();
        let feed = feed.unwrap_or_else(PoisonError::into_inner);
        let each = |feed: &Feed| Duration::from_secs(1) / feed.per_second.max(1);
        feed.as_ref().map_or(FRAME, each)
    }

    fn send_audio(&self, number: u32) {
        // Silence is sent as well: a phone that sends nothing is lost in the end.
        let turn = AUDIO * (number % 50);
        let beeps = self.flashes && turn < FLASH;
        if beeps && turn.is_zero() {
            self.marks(|marks| marks.beeped.push(clock::now()));
        }
        let loud = beeps || self.shared.talking.load(Ordering::Relaxed);
        let mut datagram = header(0, false, number, number * 160, 0x0a0d_1001);
        for n in 0..160_u32 {
            let phase = f64::from((number * 160 + n) % 8_000) / 8_000.0;
            let wave = (phase * self.tone * std::f64::consts::TAU).sin() * 8_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within ±8000")]
            let sample = if loud { wave as i16 } else { 0 };
            datagram.push(g711::to_ulaw(sample));
        }
        if let Some((socket, to)) = &self.audio {
            drop(socket.send_to(&datagram, to));
        }
    }

    fn send_picture(&self, number: u32, shown: u32, sequence: &mut u16) {
        let Some((socket, to)) = &self.video else {
            return;
        };
        let feed = self.shared.feed.lock();
        let feed = feed.unwrap_or_else(PoisonError::into_inner);
        let (sent, stamp) = match &*feed {
            Some(feed) => {
                let at = shown as usize % feed.pictures.len().max(1);
                let step = if feed.jumps {
                    0x9e37_79b9
                } else {
                    90_000 / feed.per_second.max(1)
                };
                let picture = feed.pictures.get(at).map(|picture| (picture, false));
                (picture, number.wrapping_mul(step))
            }
            None => (self.camera.picture(shown), number.wrapping_mul(3_600)),
        };
        let Some((picture, flash)) = sent else {
            return;
        };
        if flash {
            self.marks(|marks| marks.flashed.push(clock::now()));
        }
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        for unit in picture {
            fragment(unit, &mut payloads);
        }
        let last = payloads.len().saturating_sub(1);
        for (n, payload) in payloads.iter().enumerate() {
            let mut datagram = header(
                VideoCodec::H264.payload_type(),
                n == last,
                u32::from(*sequence),
                stamp,
                0x0b0d_2002,
            );
            *sequence = sequence.wrapping_add(1);
            datagram.extend_from_slice(payload);
            drop(socket.send_to(&datagram, to));
        }
    }

    /// Sends what a foreign camera made meanwhile.
    fn pass_on(&self) {
        let (Camera::Foreign(camera), Some((socket, to))) = (&self.camera, &self.video) else {
            return;
        };
        let shows = self.sending && !self.shared.frozen.load(Ordering::Relaxed);
        let mut buffer = [0; 2_048];
        while let Ok((length, _)) = camera.socket.recv_from(&mut buffer) {
            let datagram = buffer.get(..length).filter(|_| shows);
            drop(datagram.map(|datagram| socket.send_to(datagram, to)));
        }
    }

    fn receive(&mut self, since: Duration) {
        let mut buffer = [0; 2_048];
        while let Some((audio, _)) = &self.audio
            && let Ok((length, _)) = audio.recv_from(&mut buffer)
        {
            // Who is heard is listed in the header (RFC 3550 §5.1).
            let header = 12 + 4 * usize::from(buffer[0] & 0x0f);
            self.listen(buffer.get(header..length).unwrap_or_default());
        }
        let Some((socket, to)) = &self.video else {
            return;
        };
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let datagram = buffer.get(..length).unwrap_or_default();
            match datagram {
                [_, 192..=223, ..] => self.read_control(datagram),
                _ => {
                    let loss = self.shared.loss.load(Ordering::Relaxed);
                    let missing = self.receiver.take(since, datagram, loss, &self.shared);
                    if !missing.is_empty() {
                        drop(socket.send_to(&nack(self.receiver.source, &missing), to));
                    }
                }
            }
        }
    }

    fn marks(&self, note: impl FnOnce(&mut Marks)) {
        let marks = self.shared.marks.lock();
        note(&mut marks.unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes where a beep begins.
    fn listen(&self, payload: &[u8]) {
        let samples = payload.iter().map(|octet| g711::from_ulaw(*octet));
        let mut kept = self.shared.heard.lock();
        let kept = kept.as_deref_mut();
        if let Ok(kept) = kept {
            kept.extend(samples.clone().map(|sample| f32::from(sample) / 32_768.0));
        }
        let mut samples = samples;
        let Some(first) = samples.position(|sample| sample.abs() > LOUD) else {
            return;
        };
        let now = clock::now();
        let at = now + Duration::from_secs_f64(first as f64 / 8_000.0);
        self.marks(|marks| {
            if at > marks.until {
                marks.heard.push(at);
            }
            marks.until = now + FLASH;
        });
    }

    /// Counts PLI, FIR and NACK in a compound packet.
    fn read_control(&self, datagram: &[u8]) {
        let mut rest = datagram;
        while let [first, kind, high, low, ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low])) * 4 + 4;
            match (kind, first & 0x1f) {
                (206, 1 | 4) => {
                    self.shared.plis.fetch_add(1, Ordering::Relaxed);
                }
                (205, 1) => {
                    self.shared.nacks.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn header(payload_type: u8, marker: bool, sequence: u32, stamp: u32, source: u32) -> Vec<u8> {
    let mut datagram = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
    let [_, _, high, low] = sequence.to_be_bytes();
    datagram.extend([high, low]);
    datagram.extend(stamp.to_be_bytes());
    datagram.extend(source.to_be_bytes());
    datagram
}

/// RFC 4585 §6.2.1, one entry for each packet.
fn nack(media: u32, missing: &[u16]) -> Vec<u8> {
    let words = u16::try_from(2 + missing.len()).unwrap_or(u16::MAX);
    // An empty receiver report first (RFC 4585 §3.1).
    let mut packet = vec![0x80, 201, 0, 1, 0x0b, 0x0d, 0x20, 0x02, 0x81, 205];
    packet.extend(words.to_be_bytes());
    packet.extend(0x0b0d_2002_u32.to_be_bytes());
    packet.extend(media.to_be_bytes());
    for sequence in missing {
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0]);
    }
    packet
}
