//! Layouts of somebody's own, made while the server runs, and who may choose another layout: seen by pixels.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::video_phone::{
    BLUE, GREEN, RED, Rgb, Seen, VideoPhone, VideoPhoneSettings, alike, wait,
};
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn start(folder: &Folder) -> Server {
    std::fs::create_dir_all(&folder.0).unwrap();
    let settings = ServerSettings {
        rest: format!(
            "[video]\nnames = false\nrows = 360\nframe_rate = 10\n[store]\nfile = \"{}/plenum.db\"\n\
             [[template]]\nname = \"wall\"\npanes = [[0, 0, 1, 1]]\n\
             [[conference]]\nname = \"board\"\nlayout = \"allEqualQuarters\"\n",
            folder.0.display()
        ),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn folder(name: &str) -> Folder {
    let name = format!("plenum-templates-{}-{name}", std::process::id());
    Folder(std::env::temp_dir().join(name))
}

fn call(server: &Server, user: &str, colour: Rgb) -> VideoPhone {
    let settings = VideoPhoneSettings {
        user: user.to_owned(),
        ..VideoPhoneSettings::of(colour)
    };
    VideoPhone::call(server.sip(), "board", user, settings).unwrap()
}

fn endpoint(server: &Server, user: &str) -> String {
    let shown = server
        .operate(&["conference", "show", "board"], "")
        .unwrap();
    let of_user = format!("sip:{user}@");
    let line = shown.lines().find(|line| line.contains(&of_user)).unwrap();
    let mut words = line.split_whitespace();
    let number = words.find(|word| word.len() > 3 && word.parse::<u64>().is_ok());
    number.unwrap().to_owned()
}

fn quarters(left: Rgb, right: Rgb) -> impl Fn(&Seen) -> bool {
    move |seen| {
        alike(seen.at(0.25, 0.25), left)
            && alike(seen.at(0.75, 0.25), right)
            && !alike(seen.at(0.25, 0.75), left)
    }
}

/// The template of this test: two panes of which the first is below the second.
fn stacked(first: Rgb, second: Rgb) -> impl Fn(&Seen) -> bool {
    move |seen| {
        let sides = [seen.at(0.1, 0.25), seen.at(0.9, 0.25)];
        alike(seen.at(0.5, 0.75), first)
            && alike(seen.at(0.5, 0.25), second)
            && sides.iter().all(|side| !alike(*side, second))
    }
}

/// Presses the keys for another layout.
fn press(phone: &mut VideoPhone) {
    for key in ["*", "2"] {
        let kind = "Content-Type: application/dtmf-relay\r\n";
        let body = format!("Signal={key}\r\nDuration=100\r\n");
        phone.say("INFO", kind, &body).unwrap();
    }
}

const PANES: [&str; 2] = ["0.25,0.5,0.5,0.5", "0.25,0,0.5,0.5"];

#[test]
fn cm_097_a_template_is_made_chosen_kept_and_deleted_while_the_server_runs() {
    let folder = folder("kept");
    let server = start(&folder);
    let template =
        |server: &Server, words: &[&str]| server.operate(&[&["template"], words].concat(), "");
    let one = call(&server, "one", RED);
    let two = call(&server, "two", GREEN);
    let three = call(&server, "three", BLUE);
    wait(&server, "quarters", || one.look(), quarters(GREEN, BLUE));
    for (words, why) in [
        (
            &["put", "pile", "0,0,0.6,1", "0.5,0,0.5,1"][..],
            "panes 1 and 2 overlap",
        ),
        (
            &["put", "pile", "0,0,0,1"],
            "pane 1 is empty or leaves the canvas",
        ),
        (
            &["put", "pile", "0.5,0,0.6,1"],
            "pane 1 is empty or leaves the canvas",
        ),
        (&["put", "pile", "0,0,1"], "pane 1 is [x, y, width, height]"),
        (&["put", "allEqual", "0,0,1,1"], "a name of its own"),
        (&["put", "wall", "0,0,1,1"], "the configuration has"),
        (&["delete", "pile"], "no template of this name"),
    ] {
        let refused = template(&server, words).unwrap_err();
        assert!(refused.contains(why), "{words:?}: {refused}");
    }
    let layout = |server: &Server, words: &[&str]| {
        server.operate(&[&["conference", "layout", "board"], words].concat(), "")
    };
    let unknown = layout(&server, &["pile"]).unwrap_err();
    assert!(
        unknown.contains("nor is there such a template"),
        "{unknown}"
    );
    template(&server, &["put", "pile", PANES[0], PANES[1]]).unwrap();
    // For one viewer, then for all others.
    layout(&server, &["pile", "--endpoint", &endpoint(&server, "one")]).unwrap();
    wait(&server, "one's choice", || one.look(), stacked(GREEN, BLUE));
    wait(
        &server,
        "quarters still",
        || two.look(),
        quarters(RED, BLUE),
    );
    layout(&server, &["pile"]).unwrap();
    wait(&server, "everybody's", || two.look(), stacked(RED, BLUE));
    wait(&server, "everybody's", || three.look(), stacked(RED, GREEN));
    drop((one, two, three));
    // The store keeps it, also where the server is killed.
    std::thread::sleep(SECOND / 2);
    server.kill().unwrap();
    let server = start(&folder);
    let list = template(&server, &["list"]).unwrap();
    assert!(list.contains("pile") && list.contains("wall"), "{list}");
    let one = call(&server, "one", RED);
    let two = call(&server, "two", GREEN);
    layout(&server, &["pile"]).unwrap();
    let below = |seen: &Seen| alike(seen.at(0.5, 0.75), GREEN) && !alike(seen.at(0.5, 0.25), GREEN);
    wait(&server, "after the restart", || one.look(), below);
    template(&server, &["delete", "pile"]).unwrap();
    assert!(layout(&server, &["pile"]).is_err());
    assert!(!template(&server, &["list"]).unwrap().contains("pile"));
    drop(two);
}

#[test]
fn cm_089_who_may_not_change_the_layout_may_again_when_that_is_taken_back() {
    let folder = folder("may");
    let server = start(&folder);
    let mut one = call(&server, "one", RED);
    let two = call(&server, "two", GREEN);
    let three = call(&server, "three", BLUE);
    wait(&server, "quarters", || one.look(), quarters(GREEN, BLUE));
    let number = endpoint(&server, "one");
    let may = |what: &str| {
        let order = [
            "conference",
            "looks",
            "board",
            &number,
            "--change-layout",
            what,
        ];
        server.operate(&order, "").unwrap();
    };
    may("false");
    press(&mut one);
    std::thread::sleep(2 * SECOND);
    let seen = one.look().unwrap().unwrap();
    let same = quarters(GREEN, BLUE)(&seen);
    assert!(same, "refused:\n{}", seen.sketch());
    may("inherited");
    press(&mut one);
    let whole = |seen: &Seen| {
        let at = seen.at(0.1, 0.1);
        [GREEN, BLUE].iter().any(|colour| alike(at, *colour)) && alike(at, seen.at(0.9, 0.9))
    };
    wait(&server, "allowed", || one.look(), whole);
    drop((two, three));
}
