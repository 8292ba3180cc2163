//! Pictures that are none, too large, too many, too few or out of time end one stream and no more: the others of the
//! conference keep theirs, and their sound (RFC 6184, RFC 4585).

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::video_phone::{
    BLUE, Feed, GREEN, Picture, RED, Rgb, Seen, VideoPhone, VideoPhoneSettings, alike, film, wait,
};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::tones;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const FAULTS: &str = "plenum_video_decode_faults_total";

/// Two good ones and a bad one, who talk all the time.
struct Room {
    server: Server,
    one: VideoPhone,
    two: VideoPhone,
    bad: VideoPhone,
}

fn call(server: &Server, user: &str, colour: Rgb, tone: f64) -> VideoPhone {
    let settings = VideoPhoneSettings {
        user: user.to_owned(),
        tone,
        ..VideoPhoneSettings::of(colour)
    };
    VideoPhone::call(server.sip(), "board", user, settings).unwrap()
}

/// The pane of the second good one.
fn good(seen: &Seen) -> bool {
    alike(seen.at(0.25, 0.2), GREEN)
}

/// The pane of the bad one shows its colour.
fn shown(seen: &Seen) -> bool {
    good(seen) && alike(seen.at(0.75, 0.2), BLUE)
}

impl Room {
    fn new() -> Self {
        let settings = ServerSettings {
            limits: "video_load_permille = 1000000\n".to_owned(),
            rest: "[video]\nrows = 360\nframe_rate = 10\n\
                   [[conference]]\nname = \"board\"\nlayout = \"allEqualQuarters\"\nagc = false\n"
                .to_owned(),
            ..ServerSettings::default()
        };
        let server = Server::start(&program().unwrap(), &settings).unwrap();
        let one = call(&server, "one", RED, 440.0);
        let two = call(&server, "two", GREEN, 620.0);
        let bad = call(&server, "bad", BLUE, 1000.0);
        two.talk(true);
        let this = Self {
            server,
            one,
            two,
            bad,
        };
        this.wait("all are there", shown);
        this
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        wait(&self.server, what, || self.one.look(), wanted)
    }

    /// The bad one sends this for three seconds; nobody else loses anything.
    fn endure(&self, what: &str, feed: Feed) {
        self.bad.feed(Some(feed));
        let before = (self.one.received().len(), self.two.received().len());
        let heard = self.one.listen(3 * SECOND);
        let after = (self.one.received().len(), self.two.received().len());
        assert!(
            after.0 > before.0 + 8 && after.1 > before.1 + 8,
            "{what}: {before:?}, {after:?}"
        );
        let seen = self.one.look().unwrap().unwrap();
        assert!(good(&seen), "{what}:\n{}", seen.sketch());
        let level = tones::level(&heard, 8_000, 620.0);
        assert!(
            level.dbfs > -30.0 && level.present > 0.97,
            "{what}: {level:?}"
        );
        assert_eq!(tones::longest_silence(&heard, 8_000), 0.0, "{what}: gaps");
    }

    fn recovers(&self, what: &str) {
        self.bad.feed(None);
        self.wait(what, shown);
    }
}

fn steady(pictures: Vec<Picture>) -> Feed {
    Feed {
        pictures,
        per_second: 25,
        jumps: false,
    }
}

/// Octets that are the same in every run, of units that claim to be of all kinds: slices, parameter sets, aggregates whose
/// lengths are wrong, fragments that do not begin.
fn garbage() -> Vec<Picture> {
    let mut state = 12_345_u32;
    let mut octet = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let kinds = [0x65, 0x67, 0x68, 0x61, 0x78, 0x7c, 0x7d, 0x60, 0x7f];
    let unit = |kind: u8| {
        let length = 1 + usize::from(octet()) * 3;
        std::iter::once(kind)
            .chain(std::iter::repeat_with(&mut octet).take(length))
            .collect()
    };
    let units: Vec<Vec<u8>> = kinds.iter().cycle().take(90).copied().map(unit).collect();
    units.chunks(3).map(<[_]>::to_vec).collect()
}

/// A sequence parameter set (ITU-T H.264 §7.3.2.1) of 16384 × 9216 samples.
fn giant() -> Vec<u8> {
    let mut bits = String::new();
    for (number, plain) in [
        (0, false),
        (0, false),
        (0, false),
        (0, false),
        (1, false),
        (0, true),
        (1_023, false),
        (575, false),
        (1, true),
        (1, true),
        (0, true),
        (0, true),
        // The end of the payload.
        (1, true),
    ] {
        if plain {
            bits.push_str(&number.to_string());
        } else {
            let code = format!("{:b}", number + 1);
            bits.push_str(&"0".repeat(code.len() - 1));
            bits.push_str(&code);
        }
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let octets = bits.as_bytes().chunks(8).map(|chunk| {
        chunk
            .iter()
            .fold(0_u8, |octet, bit| octet << 1 | (bit - b'0'))
    });
    [0x67, 66, 0xc0, 51].into_iter().chain(octets).collect()
}

#[test]
fn hostile_bitstreams_end_one_stream_and_no_more() {
    let room = Room::new();
    let before = room.server.metric(FAULTS).unwrap();
    room.endure("garbage", steady(garbage()));
    room.recovers("after garbage");
    let mut pictures = film(BLUE, (640, 360)).unwrap();
    for picture in &mut pictures {
        if let Some(set) = picture
            .iter_mut()
            .find(|unit| unit.first().is_some_and(|head| head & 0x1f == 7))
        {
            *set = giant();
        }
    }
    room.endure("16K", steady(pictures.clone()));
    room.wait("no such picture is shown", |seen| {
        good(seen) && !alike(seen.at(0.75, 0.2), BLUE)
    });
    room.recovers("after 16K");
    let faults = room.server.metric(FAULTS).unwrap();
    assert!(faults > before, "they were counted: {before}, {faults}");
    // Truncated: the second half of every slice is missing.
    let mut cut = film(BLUE, (640, 360)).unwrap();
    for unit in cut.iter_mut().flatten() {
        unit.truncate(unit.len().div_ceil(2).max(2));
    }
    room.endure("truncated", steady(cut));
    room.recovers("after truncated ones");
}

#[test]
fn odd_but_right_pictures_are_seen() {
    let room = Room::new();
    let sizes = [(320, 180), (1280, 720), (176, 144)];
    let films = sizes.map(|size| film(BLUE, size).unwrap());
    let changing: Vec<Picture> = (0..100).map(|n| films[n / 5 % 3][n % 5].clone()).collect();
    let before = room.server.metric(FAULTS).unwrap();
    room.endure("another size five times a second", steady(changing));
    room.wait("in any size", shown);
    let pictures = film(BLUE, (640, 360)).unwrap();
    let jumping = Feed {
        jumps: true,
        ..steady(pictures.clone())
    };
    room.endure("timestamps that jump", jumping);
    room.wait("in spite of its timestamps", shown);
    let fast = Feed {
        per_second: 120,
        ..steady(pictures.clone())
    };
    room.endure("120 a second", fast);
    room.wait("at 120 a second", shown);
    let alone: Vec<Picture> = pictures.iter().step_by(25).cloned().collect();
    let slow = Feed {
        per_second: 1,
        ..steady(alone)
    };
    room.endure("one a second", slow);
    room.wait("at one a second", shown);
    // Two, for a machine that stands still and then sends more at once than are decoded.
    let wrong = room.server.metric(FAULTS).unwrap() - before;
    assert!(wrong <= 2, "{wrong} pictures were found to be wrong");
}

#[test]
fn rfc4585_6_3_1_without_any_keyframe_there_are_initials_and_few_requests() {
    let room = Room::new();
    let pictures = film(BLUE, (640, 360)).unwrap();
    let never: Vec<Picture> = (0..100)
        .filter(|n| n % 25 != 0)
        .map(|n| pictures[n].clone())
        .collect();
    let settings = VideoPhoneSettings {
        user: "late".to_owned(),
        feed: Some(steady(never)),
        ..VideoPhoneSettings::of(BLUE)
    };
    let late = VideoPhone::call(room.server.sip(), "board", "late", settings).unwrap();
    let tile = |seen: &Seen| {
        let middle = seen.within((0.2, 0.7, 0.1, 0.1));
        let light = |(r, g, b): &Rgb| u32::from(*r) + u32::from(*g) + u32::from(*b) > 450;
        shown(seen) && !alike(seen.at(0.05, 0.6), BLUE) && middle.iter().any(light)
    };
    room.wait("initials", tile);
    let (before, _) = late.asked();
    std::thread::sleep(5 * SECOND);
    let (after, _) = late.asked();
    let asked = after - before;
    assert!(
        (2..=12).contains(&asked),
        "in five seconds it was asked {asked} times"
    );
    room.wait("initials still", tile);
}
