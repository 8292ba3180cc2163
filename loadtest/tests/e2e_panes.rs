//! Four people of four kinds – a phone of ours and ffmpeg with H.264, ffmpeg with VP8, Chromium – see the right ones in
//! the right panes of every layout and in every mode of pane placement, while the speaker changes; and slides, and what
//! is recorded of it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its own functions included"
)]

mod panes;

use panes::expect::{LAYOUTS, Place, filled, follow, ninth};
use panes::{BROWSER, COLOURS, Meeting, SLIDES};
use plenum_loadtest::peer::floor_client::status;
use plenum_loadtest::peer::video_phone::{Rgb, SAMPLED, Seen, alike, shows};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Who spoke, the last one first, without somebody.
fn without(spoke: &[usize], who: usize) -> Vec<usize> {
    spoke.iter().copied().filter(|one| *one != who).collect()
}

fn now_speaks(spoke: &mut Vec<usize>, who: usize) {
    spoke.retain(|one| *one != who);
    spoke.insert(0, who);
}

/// CM-081, CM-082: every layout, with another speaker in each.
fn all_layouts(meeting: &mut Meeting) {
    let mut spoke = Vec::new();
    meeting.order("layout", &["speakerOnly"]);
    for who in [3, 1, 0, 2] {
        meeting.talk(who);
        now_speaks(&mut spoke, who);
        let viewer = (who + 1) % 4;
        meeting.wait(viewer, "the first words", |seen| {
            filled(seen, (0.0, 0.0, 1.0, 1.0), Some(who))
        });
    }
    let mut before: Vec<Vec<usize>> = (0..4)
        .map(|who| without(&spoke, who)[..1].to_vec())
        .collect();
    for (turn, layout) in LAYOUTS.iter().enumerate() {
        meeting.order("layout", &[layout.name]);
        for speaker in [None, Some(turn % 4)] {
            if let Some(speaker) = speaker {
                meeting.talk(speaker);
                now_speaks(&mut spoke, speaker);
            }
            for (who, panes) in before.iter_mut().enumerate() {
                let others = without(&spoke, who);
                *panes = follow(panes, layout.large, layout.panes.len(), &others);
            }
            let what = format!("{} while {speaker:?} speaks, {before:?}", layout.name);
            let right = |who: usize, seen: &Seen| layout.holds(seen, &before[who]);
            meeting.wait_all(&what, right);
            if speaker.is_some() && !layout.large {
                // Nobody moves for a voice where all panes are equal; until it leads.
                meeting.stays(&what, 2 * SECOND, right);
            }
        }
    }
}

/// The panes of somebody's picture where all four are placed in their order, by the words of CM-101 to CM-120.
fn placed(viewer: usize, own: &str, mode: &str, spoke: &[usize]) -> Vec<Option<usize>> {
    let mut panes: Vec<Option<usize>> = Vec::new();
    match mode {
        "allowself" => panes.push(Some(spoke[0])),
        "suppressself" => panes.push(Some(if spoke[0] == viewer {
            spoke[1]
        } else {
            spoke[0]
        })),
        _ => {}
    }
    for who in 0..4 {
        match (who == viewer, own) {
            (true, "skip") => {}
            (true, "blank") => panes.push(None),
            _ => panes.push(Some(who)),
        }
    }
    panes
}

/// CM-101, CM-102, CM-110 to CM-120: both modes of placement in all nine ways, with two speakers in each.
fn all_modes(meeting: &mut Meeting) {
    for (who, importance) in ["4", "3", "2", "1"].iter().enumerate() {
        let endpoint = meeting.endpoints[who].clone();
        meeting.order("looks", &[&endpoint, "--importance", importance]);
    }
    meeting.order("layout", &["allEqualNinths"]);
    let mut spoke = vec![0, 1];
    meeting.talk(1);
    meeting.order(
        "placement",
        &["--highest-importance", "4", "--active-speaker", "allowself"],
    );
    for who in [1, 0] {
        meeting.talk(who);
        meeting.wait(3, "the first words", |seen| {
            filled(seen, ninth(0), Some(who))
        });
    }
    let mut next = 0;
    for own in ["skip", "self", "blank"] {
        for mode in ["none", "allowself", "suppressself"] {
            let words = [
                "--highest-importance",
                "4",
                "--self-pane",
                own,
                "--active-speaker",
                mode,
            ];
            meeting.order("placement", &words);
            for changes in [false, true] {
                if changes {
                    next = (next + 1) % 4;
                    meeting.talk(next);
                    now_speaks(&mut spoke, next);
                }
                let what = format!("{own}, {mode}, {spoke:?}");
                meeting.wait_all(&what, |viewer, seen| {
                    let panes = placed(viewer, own, mode, &spoke);
                    let rest = panes.len()..9;
                    let wanted = panes.into_iter().chain(rest.map(|_| None));
                    let mut places = (0..9).map(ninth).zip(wanted);
                    places.all(|(place, who): (Place, _)| filled(seen, place, who))
                });
            }
        }
    }
}

#[test]
fn cm_081_cm_101_cm_110_four_kinds_of_people_are_in_the_right_panes() {
    let mut meeting = Meeting::begin("");
    all_layouts(&mut meeting);
    all_modes(&mut meeting);
    meeting.judge_sound();
    let faults = meeting.server.metric("plenum_video_decode_faults_total");
    assert_eq!(faults.unwrap(), 0, "{}", meeting.server.log());
}

/// Whether slides are below the row of people.
fn slides_below(seen: &Seen) -> bool {
    let places = [
        (0.15, 0.25),
        (0.85, 0.25),
        (0.5, 0.6),
        (0.15, 0.9),
        (0.85, 0.9),
    ];
    places.iter().all(|(x, y)| alike(seen.at(*x, *y), SLIDES))
}

/// Whether these people, in any order, and nobody else are in the row above slides.
fn row_above(seen: &Seen, people: &[usize]) -> bool {
    let row: Vec<Rgb> = (0..6)
        .map(|n| seen.at((f64::from(n) + 0.5) / 6.0, 1.0 / 12.0))
        .collect();
    (0..4).all(|who| {
        let times = row
            .iter()
            .filter(|seen| alike(**seen, COLOURS[who]))
            .count();
        times == usize::from(people.contains(&who))
    })
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// What a recorded file shows at a second of it, as a viewer would see it.
fn recorded(file: &str, second: f64) -> Seen {
    let scale = format!("scale={}:{}:flags=area", SAMPLED.0, SAMPLED.1);
    let octets = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-ss",
            &second.to_string(),
            "-i",
            file,
            "-frames:v",
            "1",
            "-vf",
            &scale,
            "-pix_fmt",
            "rgb24",
            "-f",
            "rawvideo",
            "-",
        ],
    );
    let at = Duration::from_secs_f64(second);
    Seen { at, rgb: octets }
}

/// The one recording there is, of which ffprobe says that it has sound and pictures.
fn download(meeting: &Meeting, folder: &Path) -> String {
    let list = meeting.server.operate(&["recording", "list"], "").unwrap();
    let name = list
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    let file = folder.join("got.webm").to_str().unwrap().to_owned();
    let got = (0..50).any(|_| {
        std::thread::sleep(SECOND / 10);
        meeting
            .server
            .operate(&["recording", "get", name, &file], "")
            .is_ok()
    });
    assert!(got, "{}", meeting.server.log_tail());
    let probe = [
        "-v",
        "error",
        "-show_entries",
        "format=duration:stream=codec_name",
        &file,
    ];
    let probed = String::from_utf8_lossy(&run("ffprobe", &probe)).into_owned();
    assert!(
        probed.contains("vp8") && probed.contains("opus"),
        "{probed}"
    );
    file
}

#[test]
fn rfc4796_slides_of_one_are_seen_by_all_four_and_the_recording_of_it_plays() {
    let folder = std::env::temp_dir().join(format!("plenum-panes-{}", std::process::id()));
    let keep = format!(
        "[recording]\ndirectory = \"{}\"\nleast_free_mib = 1\nrows = 360\n",
        folder.display()
    );
    let mut meeting = Meeting::begin(&keep);
    meeting.talk(1);
    meeting.wait(3, "who speaks", |seen| alike(seen.at(0.3, 0.3), COLOURS[1]));
    meeting
        .server
        .operate(&["conference", "record", "start", "board"], "")
        .unwrap();
    std::thread::sleep(4 * SECOND);
    let server = meeting.server.sip();
    let phone = meeting.phone(0);
    let slides = phone.slides.as_ref().unwrap();
    let mut floor = slides.floor(&phone.answer, server).unwrap();
    slides.show(true);
    assert_eq!(floor.request().unwrap().status, status::GRANTED);
    // Who has a second stream, as presenter and browser have, sees people alone in the first one.
    meeting.wait_for_slides_apart(shows(SLIDES, 0.5, 0.5));
    for who in [1, 3] {
        let others: Vec<usize> = (0..4).filter(|other| *other != who).collect();
        meeting.wait(who, "slides", |seen| {
            slides_below(seen) && row_above(seen, &others)
        });
    }
    for who in [0, BROWSER] {
        meeting.wait(who, "people alone", |seen| {
            let mut others = (0..4).filter(|other| *other != who);
            let people = others.any(|other| alike(seen.at(0.3, 0.3), COLOURS[other]));
            people && !shows(SLIDES, 0.5, 0.6)(seen)
        });
    }
    std::thread::sleep(3 * SECOND);
    meeting
        .server
        .operate(&["conference", "record", "stop", "board"], "")
        .unwrap();
    let file = &download(&meeting, &folder);
    let early = recorded(file, 2.0);
    assert!(
        alike(early.at(0.3, 0.3), COLOURS[1]),
        "who spoke:\n{}",
        early.sketch()
    );
    let late = recorded(file, 6.5);
    assert!(
        slides_below(&late) && row_above(&late, &[0, 1, 2, 3]),
        "slides:\n{}",
        late.sketch()
    );
    drop(std::fs::remove_dir_all(&folder));
}
