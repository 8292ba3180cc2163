//! Matroska (RFC 9559), the part of it that WebM has, written live: nothing is patched later, so that a file can be
//! played from its first second on, and after any end.
//!
//! Segment and clusters have unknown sizes (RFC 9559 §24.2, livestreaming); a cluster lasts a second at most. Opus is
//! mapped as its private data says (RFC 7845 §5.1), VP8 as it is.
//!
//! Where a file comes to an orderly end it gets an index, so that players can go to any second of it:
//!
//! 1. [`Writer::index`] goes to the end of the file (`Cues`, RFC 9559 §22): one point for each keyframe, or for each
//!    cluster where there is sound alone.
//! 2. [`Writer::patches`] go, in their order, over the room that was left for them: where the index is (`SeekHead`), how
//!    long the file lasts, and how long its segment is.
//!
//! Whatever becomes of the process between two of these, the file plays as one without an end does: an index that nothing
//! points to is passed over.

use plenum_media::video::frame::VideoCodec;
use std::time::Duration;

/// A cluster begins anew after this long.
const CLUSTER_MS: u64 = 900;
/// What libopus wants to be skipped at 48 kHz (RFC 7845 §4.2).
const PRE_SKIP: u16 = 312;
/// The numbers of the tracks.
const SOUND: u8 = 1;
const PICTURES: u8 = 2;
/// A size that is not known yet, of eight octets (RFC 8794 §6.2).
const UNKNOWN: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
/// Octets of the element that holds the duration.
const DURATION_OCTETS: usize = 11;
/// Octets of the element that says where others are: three of 21 octets, after its identifier and size.
const SEEK_OCTETS: usize = 68;
/// Points of the index at most: beyond, every second one is left out.
const POINTS: usize = 16_384;
const INFO: [u8; 4] = [0x15, 0x49, 0xA9, 0x66];
const TRACKS: [u8; 4] = [0x16, 0x54, 0xAE, 0x6B];
const CUES: [u8; 4] = [0x1C, 0x53, 0xBB, 0x6B];

/// Writes one file. All that is written goes to the end of a buffer of the caller's.
#[derive(Debug)]
pub struct Writer {
    /// When the cluster that is open began, ms.
    cluster: Option<u64>,
    /// Where it begins; like all places within the segment.
    cluster_at: u64,
    /// What is written so far, in octets of the file.
    written: u64,
    /// Where what is in the segment begins in the file.
    segment: u64,
    duration_at: u64,
    tracks_at: u64,
    /// The track that players go by.
    led_by: u8,
    points: Vec<Point>,
    /// Every so many of them is kept.
    every: u64,
    seen: u64,
}

/// Where a player may begin.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// When, ms.
    at: u64,
    /// The place of its cluster.
    cluster: u64,
}

/// Octets that go over others of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where, from the beginning of the file.
    pub at: u64,
    /// What.
    pub octets: Vec<u8>,
}

impl Writer {
    /// A file that begins at `unix` after 1970, with pictures of `size` if there are to be some.
    pub fn begin(unix: Duration, size: Option<(u16, u16)>, out: &mut Vec<u8>) -> Self {
        let mut head = Vec::new();
        number(&mut head, &[0x42, 0x86], 1);
        number(&mut head, &[0x42, 0xF7], 1);
        number(&mut head, &[0x42, 0xF2], 4);
        number(&mut head, &[0x42, 0xF3], 8);
        element(&mut head, &[0x42, 0x82], b"webm");
        number(&mut head, &[0x42, 0x87], 4);
        number(&mut head, &[0x42, 0x85], 2);
        let begun = out.len();
        element(out, &[0x1A, 0x45, 0xDF, 0xA3], &head);
        out.extend_from_slice(&[0x18, 0x53, 0x80, 0x67]);
        out.extend_from_slice(&UNKNOWN);
        let segment = out.len() - begun;
        element(out, &[0xEC], &[0; SEEK_OCTETS - 2]);
        let mut info = Vec::new();
        number(&mut info, &[0x2A, 0xD7, 0xB1], 1_000_000);
        element(&mut info, &[0x4D, 0x80], b"Plenum");
        element(&mut info, &[0x57, 0x41], b"Plenum");
        // Counted from the year 2001 (RFC 8794 §7.6).
        let since = unix.saturating_sub(Duration::from_secs(978_307_200));
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(0);
        element(&mut info, &[0x44, 0x61], &nanoseconds.to_be_bytes());
        let room = info.len();
        element(&mut info, &[0xEC], &[0; DURATION_OCTETS - 2]);
        // The identifier and the size of the element around.
        let before = out.len();
        element(out, &INFO, &info);
        let around = out.len() - before - info.len();
        let duration_at = before - begun + around + room;
        let tracks_at = out.len() - begun - segment;
        let mut tracks = Vec::new();
        element(&mut tracks, &[0xAE], &sound());
        if let Some(size) = size {
            element(&mut tracks, &[0xAE], &pictures(size));
        }
        element(out, &TRACKS, &tracks);
        let place = |octets: usize| u64::try_from(octets).unwrap_or(u64::MAX);
        Self {
            cluster: None,
            cluster_at: 0,
            written: place(out.len() - begun),
            segment: place(segment),
            duration_at: place(duration_at),
            tracks_at: place(tracks_at),
            led_by: if size.is_some() { PICTURES } else { SOUND },
            points: Vec::new(),
            every: 1,
            seen: 0,
        }
    }

    /// An Opus packet that is to be heard `at` after the beginning.
    pub fn sound(&mut self, at: Duration, packet: &[u8], out: &mut Vec<u8>) {
        self.block(SOUND, at, true, packet, out);
    }

    /// A VP8 frame that is to be seen `at` after the beginning.
    pub fn picture(&mut self, at: Duration, keyframe: bool, frame: &[u8], out: &mut Vec<u8>) {
        self.block(PICTURES, at, keyframe, frame, out);
    }

    /// The index, for the end of the file; nothing where nothing was written.
    pub fn index(&self, out: &mut Vec<u8>) {
        let mut cues = Vec::new();
        for point in &self.points {
            let mut positions = Vec::new();
            number(&mut positions, &[0xF7], u64::from(self.led_by));
            number(&mut positions, &[0xF1], point.cluster);
            let mut cue = Vec::new();
            number(&mut cue, &[0xB3], point.at);
            element(&mut cue, &[0xB7], &positions);
            element(&mut cues, &[0xBB], &cue);
        }
        if !cues.is_empty() {
            element(out, &CUES, &cues);
        }
    }

    /// What is to be written over the beginning of a file of `length` octets that ends with its index, and lasts so long.
    pub fn patches(&self, lasted: Duration, length: u64) -> [Patch; 3] {
        let index_at = self.written.saturating_sub(self.segment);
        let mut seeks = Vec::new();
        // Octets before the first element: the room that this is written over.
        let info_at = u64::try_from(SEEK_OCTETS).unwrap_or(0);
        for (id, at) in [(INFO, info_at), (TRACKS, self.tracks_at), (CUES, index_at)] {
            let mut seek = Vec::new();
            element(&mut seek, &[0x53, 0xAB], &id);
            element(&mut seek, &[0x53, 0xAC], &at.to_be_bytes());
            element(&mut seeks, &[0x4D, 0xBB], &seek);
        }
        let mut head = Vec::new();
        element(&mut head, &[0x11, 0x4D, 0x9B, 0x74], &seeks);
        let mut whole = length.saturating_sub(self.segment).to_be_bytes();
        if let Some(first) = whole.first_mut() {
            *first = 0x01;
        }
        [
            Patch {
                at: self.segment,
                octets: head,
            },
            Patch {
                at: self.duration_at,
                octets: duration(lasted).to_vec(),
            },
            Patch {
                at: self.segment.saturating_sub(8),
                octets: whole.to_vec(),
            },
        ]
    }

    /// Remembers that a player may begin here.
    fn point(&mut self, at: u64) {
        if self.points.len() >= POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.every = self.every.saturating_mul(2);
        }
        if self.seen.is_multiple_of(self.every) {
            self.points.push(Point {
                at,
                cluster: self.cluster_at,
            });
        }
        self.seen += 1;
    }

    fn block(&mut self, track: u8, at: Duration, key: bool, data: &[u8], out: &mut Vec<u8>) {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let before = out.len();
        let cluster = self.cluster.filter(|begun| at < begun + CLUSTER_MS);
        let begun = cluster.unwrap_or_else(|| {
            out.extend_from_slice(&[0x1F, 0x43, 0xB6, 0x75]);
            out.extend_from_slice(&UNKNOWN);
            number(out, &[0xE7], at);
            at
        });
        if cluster.is_none() {
            self.cluster_at = self.written.saturating_sub(self.segment);
        }
        self.cluster = Some(begun);
        // Sound can be heard from anywhere; once a cluster is enough.
        if track == self.led_by && key && (track == PICTURES || cluster.is_none()) {
            self.point(at);
        }
        // What is older than its cluster by more than half a minute was lost long ago.
        let behind = begun.saturating_sub(at).min(30_000);
        let ahead = at.saturating_sub(begun);
        let ahead = i16::try_from(ahead).unwrap_or(i16::MAX);
        let offset = ahead.saturating_sub(i16::try_from(behind).unwrap_or(i16::MAX));
        out.push(0xA3);
        size(out, data.len() + 4);
        out.push(0x80 | track);
        out.extend_from_slice(&offset.to_be_bytes());
        out.push(if key { 0x80 } else { 0 });
        out.extend_from_slice(data);
        let more = u64::try_from(out.len() - before).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(more);
    }
}

/// The element of the duration.
fn duration(lasted: Duration) -> [u8; DURATION_OCTETS] {
    let mut made = [0x44, 0x89, 0x88, 0, 0, 0, 0, 0, 0, 0, 0];
    let milliseconds = lasted.as_secs_f64() * 1_000.0;
    for (octet, value) in made.iter_mut().skip(3).zip(milliseconds.to_be_bytes()) {
        *octet = value;
    }
    made
}

/// The size of the pictures that begin with this keyframe (RFC 6386 §9.1), `None` for anything else.
pub fn size_of(codec: VideoCodec, frame: &[u8]) -> Option<(u16, u16)> {
    let &[a, _, _, 0x9D, 0x01, 0x2A, w, wide, h, high, ..] = frame else {
        return None;
    };
    let side = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3FFF;
    let (width, height) = (side(w, wide), side(h, high));
    let whole = codec == VideoCodec::Vp8 && a & 1 == 0 && width > 0 && height > 0;
    whole.then_some((width, height))
}

fn sound() -> Vec<u8> {
    let mut private = Vec::from(*b"OpusHead");
    private.extend_from_slice(&[1, 1]);
    private.extend_from_slice(&PRE_SKIP.to_le_bytes());
    private.extend_from_slice(&48_000_u32.to_le_bytes());
    private.extend_from_slice(&[0, 0, 0]);
    let mut track = Vec::new();
    number(&mut track, &[0xD7], u64::from(SOUND));
    number(&mut track, &[0x73, 0xC5], u64::from(SOUND));
    number(&mut track, &[0x83], 2);
    number(&mut track, &[0x9C], 0);
    element(&mut track, &[0x86], b"A_OPUS");
    element(&mut track, &[0x63, 0xA2], &private);
    number(
        &mut track,
        &[0x56, 0xAA],
        u64::from(PRE_SKIP) * 1_000_000 / 48,
    );
    number(&mut track, &[0x56, 0xBB], 80_000_000);
    let mut audio = Vec::new();
    element(&mut audio, &[0xB5], &48_000_f64.to_be_bytes());
    number(&mut audio, &[0x9F], 1);
    element(&mut track, &[0xE1], &audio);
    track
}

fn pictures((width, height): (u16, u16)) -> Vec<u8> {
    let mut track = Vec::new();
    number(&mut track, &[0xD7], u64::from(PICTURES));
    number(&mut track, &[0x73, 0xC5], u64::from(PICTURES));
    number(&mut track, &[0x83], 1);
    number(&mut track, &[0x9C], 0);
    element(&mut track, &[0x86], b"V_VP8");
    let mut video = Vec::new();
    number(&mut video, &[0xB0], u64::from(width));
    number(&mut video, &[0xBA], u64::from(height));
    element(&mut track, &[0xE0], &video);
    track
}

fn element(out: &mut Vec<u8>, id: &[u8], data: &[u8]) {
    out.extend_from_slice(id);
    size(out, data.len());
    out.extend_from_slice(data);
}

fn number(out: &mut Vec<u8>, id: &[u8], value: u64) {
    let octets = value.to_be_bytes();
    let skip = octets
        .iter()
        .take_while(|octet| **octet == 0)
        .count()
        .min(7);
    element(out, id, octets.get(skip..).unwrap_or_default());
}

/// A size of one octet where it fits, else of eight (RFC 8794 §4).
fn size(out: &mut Vec<u8>, length: usize) {
    let length = u64::try_from(length).unwrap_or(0);
    match u8::try_from(length) {
        Ok(short) if short < 0x7F => out.push(0x80 | short),
        Ok(_) | Err(_) => {
            let mut octets = length.to_be_bytes();
            if let Some(first) = octets.first_mut() {
                *first = 0x01;
            }
            out.extend_from_slice(&octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn clusters(octets: &[u8]) -> usize {
        let begins = |window: &&[u8]| **window == [0x1F, 0x43, 0xB6, 0x75];
        octets.windows(4).filter(begins).count()
    }

    #[test]
    fn rfc9559_clusters_last_a_second_at_most() {
        let mut out = Vec::new();
        let mut writer = Writer::begin(Duration::ZERO, Some((640, 360)), &mut out);
        for packet in 0..150 {
            writer.sound(packet * 20 * MS, &[0xFC, 0xFF, 0xFE], &mut out);
        }
        assert_eq!(clusters(&out), 4, "of 0.9 s each");
    }

    #[test]
    fn rfc9559_the_room_for_the_duration_is_where_it_is_said_to_be() {
        let mut out = Vec::new();
        let writer = Writer::begin(Duration::ZERO, None, &mut out);
        let at = usize::try_from(writer.duration_at).unwrap();
        assert_eq!(out[at..at + 2], [0xEC, 0x89]);
        assert_eq!(duration(2_500 * MS)[..3], [0x44, 0x89, 0x88]);
        assert_eq!(duration(2_500 * MS)[3..], 2_500_f64.to_be_bytes());
    }

    /// A file of three seconds with a keyframe each, and its end.
    fn ended() -> (Vec<u8>, Vec<u8>) {
        let mut out = Vec::new();
        let mut writer = Writer::begin(Duration::ZERO, Some((640, 360)), &mut out);
        for tick in 0..150 {
            writer.sound(tick * 20 * MS, &[0xFC, 0xFF, 0xFE], &mut out);
            if tick % 2 == 0 {
                writer.picture(tick * 20 * MS, tick % 50 == 0, &[0x10; 200], &mut out);
            }
        }
        let before = out.clone();
        writer.index(&mut out);
        let length = u64::try_from(out.len()).unwrap();
        for patch in writer.patches(3_000 * MS, length) {
            let at = usize::try_from(patch.at).unwrap();
            out[at..at + patch.octets.len()].copy_from_slice(&patch.octets);
        }
        (before, out)
    }

    /// The elements of one level: identifiers, where their contents are, and those.
    fn elements(octets: &[u8], from: usize) -> Vec<(Vec<u8>, usize, &[u8])> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < octets.len() {
            let id = octets[at].leading_zeros() as usize + 1;
            let size = octets[at + id].leading_zeros() as usize + 1;
            let mut length = usize::from(octets[at + id]) & (0xFF_usize >> size);
            for octet in &octets[at + id + 1..at + id + size] {
                length = length << 8 | usize::from(*octet);
            }
            let unknown = size == 8 && length == (1 << 56) - 1;
            let begin = at + id + size;
            let end = if unknown { begin } else { begin + length };
            found.push((octets[at..at + id].to_vec(), from + at, &octets[begin..end]));
            at = end;
        }
        found
    }

    fn value(octets: &[u8]) -> usize {
        octets
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet))
    }

    #[test]
    fn rfc9559_22_the_index_leads_to_the_clusters_of_keyframes() {
        let (_, out) = ended();
        let file = elements(&out, 0);
        let [_, (_, _, segment)] = &file[..] else {
            panic!("a head and one segment: {}", file.len());
        };
        let inside = elements(segment, 0);
        let at = |id: &[u8]| {
            let found = inside.iter().find(|(other, ..)| other == id).unwrap();
            (found.1, found.2)
        };
        // SeekHead says where the others are.
        let (first, seeks) = at(&[0x11, 0x4D, 0x9B, 0x74]);
        assert_eq!(first, 0);
        for (_, _, seek) in elements(seeks, 0) {
            let parts = elements(seek, 0);
            assert_eq!(at(parts[0].2).0, value(parts[1].2));
        }
        let (_, cues) = at(&CUES);
        let cues = elements(cues, 0);
        assert_eq!(cues.len(), 3);
        for (second, (_, _, cue)) in cues.iter().enumerate() {
            let parts = elements(cue, 0);
            assert_eq!(value(parts[0].2), second * 1_000);
            let position = value(elements(parts[1].2, 0)[1].2);
            assert_eq!(segment[position..position + 4], [0x1F, 0x43, 0xB6, 0x75]);
            // Its time is not after the keyframe.
            let length = usize::from(segment[position + 13] & 0x7F);
            let begun = value(&segment[position + 14..position + 14 + length]);
            assert!(begun <= second * 1_000 && second * 1_000 < begun + 1_000);
        }
    }

    #[test]
    fn rfc9559_a_file_without_its_end_differs_in_nothing_but_the_room_for_it() {
        let (before, out) = ended();
        let room = out.iter().zip(&before);
        let last = room
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(at, _)| at);
        assert!(last.max().unwrap() < 300, "only in the head");
        assert!(before.windows(4).all(|four| four != CUES));
    }

    #[test]
    fn an_index_is_bounded_however_long_the_file_is() {
        let mut out = Vec::new();
        let mut writer = Writer::begin(Duration::ZERO, None, &mut out);
        for second in 0..50_000 {
            writer.sound(second * 1_000 * MS, &[0xFC], &mut out);
            out.clear();
        }
        let points = writer.points.len();
        assert!(points <= POINTS && points > POINTS / 4, "{points}");
        let apart: Vec<u64> = writer
            .points
            .windows(2)
            .map(|two| two[1].at - two[0].at)
            .collect();
        assert!(apart.iter().all(|it| *it == apart[0]), "evenly");
    }

    #[test]
    fn rfc8794_sizes_of_one_octet_and_of_eight() {
        let mut out = Vec::new();
        size(&mut out, 0x7E);
        size(&mut out, 0x7F);
        assert_eq!(out, [0xFE, 0x01, 0, 0, 0, 0, 0, 0, 0x7F]);
    }

    #[test]
    fn rfc6386_9_1_the_size_is_in_the_keyframe() {
        let frame = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01, 0];
        assert_eq!(size_of(VideoCodec::Vp8, &frame), Some((640, 360)));
        assert_eq!(size_of(VideoCodec::H264, &frame), None);
        assert_eq!(size_of(VideoCodec::Vp8, &frame[1..]), None);
        assert_eq!(size_of(VideoCodec::Vp8, &[]), None);
    }
}
