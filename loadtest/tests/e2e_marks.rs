//! What the server paints by itself, seen in calls: names and initials of people without cameras, who is muted and who
//! speaks, a picture that stands still, and one's own picture.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

use plenum_loadtest::peer::video_phone::{
    BLUE, GREEN, RED, Rgb, Seen, VideoPhone, VideoPhoneSettings, alike, wait,
};
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// A pane of four: left edge, upper edge, width, height.
type Place = (f64, f64, f64, f64);
const FIRST: Place = (0.0, 0.0, 0.5, 0.5);
const SECONDARY: Place = (0.5, 0.0, 0.5, 0.5);
/// An empty pane.
const PANE: Rgb = (38, 42, 52);

fn start(rooms: &str) -> Server {
    let settings = ServerSettings {
        limits: "video_load_permille = 1000000\n".to_owned(),
        rest: format!("[video]\nrows = 360\nframe_rate = 10\n{rooms}"),
        ..ServerSettings::default()
    };
    Server::start(&program().unwrap(), &settings).unwrap()
}

fn call(
    server: &Server,
    room: &str,
    user: &str,
    direction: &'static str,
    colour: Rgb,
) -> VideoPhone {
    let settings = VideoPhoneSettings {
        user: user.to_owned(),
        direction,
        ..VideoPhoneSettings::of(colour)
    };
    VideoPhone::call(server.sip(), room, user, settings).unwrap()
}

fn part((x, y, w, h): Place, (left, top, wide, high): Place) -> Place {
    (x + w * left, y + h * top, w * wide, h * high)
}

/// Where the name is: the lower edge of a pane.
fn label(seen: &Seen, pane: Place) -> Vec<Rgb> {
    seen.within(part(pane, (0.02, 0.9, 0.5, 0.09)))
}

/// Where initials are: the middle of a pane.
fn initials(seen: &Seen, pane: Place) -> Vec<Rgb> {
    seen.within(part(pane, (0.35, 0.35, 0.3, 0.3)))
}

fn light(colour: &Rgb) -> u32 {
    u32::from(colour.0) + u32::from(colour.1) + u32::from(colour.2)
}

/// Something written: some of it much lighter than the rest.
fn written(colours: &[Rgb]) -> bool {
    let lights = colours.iter().map(light);
    let (most, least) = (lights.clone().max().unwrap(), lights.min().unwrap());
    most > least + 200
}

/// At how many places two parts of a picture differ in brightness, by more than encoding makes them.
fn differ(one: &[Rgb], other: &[Rgb]) -> usize {
    let both = one.iter().zip(other);
    both.filter(|(a, b)| light(a).abs_diff(light(b)) > 90)
        .count()
}

/// A tile: the colour of an empty pane at its corners, initials in the middle, a name below.
fn tile(seen: &Seen, pane: Place) -> bool {
    let corners = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.8)];
    let (x, y, w, h) = pane;
    let mut corners = corners
        .iter()
        .map(|(right, down)| seen.at(x + w * right, y + h * down));
    corners.all(|corner| alike(corner, PANE))
        && written(&initials(seen, pane))
        && written(&label(seen, pane))
}

/// The red microphone at the lower left.
fn marked_muted(seen: &Seen, pane: Place) -> bool {
    let corner = seen.within(part(pane, (0.0, 0.88, 0.06, 0.11)));
    corner
        .iter()
        .any(|(r, g, b)| *r > g.saturating_add(40) && *r > b.saturating_add(40))
}

/// The green frame, on the upper edge.
fn marked_speaking(seen: &Seen, pane: Place) -> bool {
    let edge = seen.within(part(pane, (0.1, 0.0, 0.8, 0.035)));
    let green = |colour: &&Rgb| colour.1 > colour.0.saturating_add(25);
    edge.iter().filter(green).count() * 3 > edge.len()
}

/// What the operator calls somebody's endpoint.
fn endpoint(server: &Server, room: &str, user: &str) -> String {
    let shown = server.operate(&["conference", "show", room], "").unwrap();
    let of_user = format!("sip:{user}@");
    let line = shown.lines().find(|line| line.contains(&of_user)).unwrap();
    let mut words = line.split_whitespace();
    let number = words.find(|word| word.len() > 3 && word.parse::<u64>().is_ok());
    number.unwrap().to_owned()
}

const BOARD: &str = "[[conference]]\nname = \"board\"\nlayout = \"allEqualQuarters\"\n";

#[test]
fn cm_080_people_without_cameras_have_tiles_with_their_names_and_marks() {
    let server = start(BOARD);
    let one = call(&server, "board", "one", "sendrecv", RED);
    let anna = call(&server, "board", "anna", "recvonly", GREEN);
    let zoe = call(&server, "board", "maximiliane", "recvonly", BLUE);
    let tiles = |seen: &Seen| tile(seen, FIRST) && tile(seen, SECONDARY);
    let seen = wait(&server, "two tiles", || one.look(), tiles);
    let names = differ(&label(&seen, FIRST), &label(&seen, SECONDARY));
    let letters = differ(&initials(&seen, FIRST), &initials(&seen, SECONDARY));
    assert!(
        names >= 3 && letters >= 3,
        "the same: {names}, {letters}\n{}",
        seen.sketch()
    );
    let plain = |seen: &Seen| {
        let panes = [FIRST, SECONDARY];
        !panes
            .iter()
            .any(|pane| marked_muted(seen, *pane) || marked_speaking(seen, *pane))
    };
    wait(&server, "no marks", || one.look(), plain);
    let number = endpoint(&server, "board", "anna");
    server
        .operate(&["conference", "mute", "board", &number], "")
        .unwrap();
    let muted = |seen: &Seen| marked_muted(seen, FIRST) && !marked_muted(seen, SECONDARY);
    wait(&server, "anna is muted", || one.look(), muted);
    server
        .operate(&["conference", "unmute", "board", &number], "")
        .unwrap();
    wait(
        &server,
        "anna is not muted",
        || one.look(),
        |seen| !marked_muted(seen, FIRST),
    );
    zoe.talk(true);
    let speaks = |seen: &Seen| marked_speaking(seen, SECONDARY) && !marked_speaking(seen, FIRST);
    wait(&server, "zoe speaks", || one.look(), speaks);
    zoe.talk(false);
    wait(&server, "zoe is silent", || one.look(), plain);
    // Their own pictures show the one with a camera, with a name upon it.
    let named = |seen: &Seen| alike(seen.at(0.25, 0.2), RED) && written(&label(seen, FIRST));
    wait(&server, "a name upon a picture", || anna.look(), named);
}

#[test]
fn a_picture_that_stands_still_is_greyed_then_dropped_and_comes_back() {
    let server = start(BOARD);
    let one = call(&server, "board", "one", "sendrecv", RED);
    let two = call(&server, "board", "two", "sendrecv", GREEN);
    let three = call(&server, "board", "three", "sendrecv", BLUE);
    let pane = |colour: Rgb| move |seen: &Seen| alike(seen.at(0.25, 0.2), colour);
    wait(&server, "two", || one.look(), pane(GREEN));
    // It sends sound all the time, and stays in the call.
    two.freeze(true);
    let beside = |seen: &Seen| alike(seen.at(0.75, 0.2), BLUE);
    let grey = |seen: &Seen| {
        let (r, g, b) = seen.at(0.25, 0.2);
        r.abs_diff(g) < 16 && g.abs_diff(b) < 16 && r > 50 && beside(seen)
    };
    wait(&server, "in grey", || one.look(), grey);
    let dropped = |seen: &Seen| tile(seen, FIRST) && beside(seen);
    // Eight seconds more.
    std::thread::sleep(6 * SECOND);
    wait(&server, "a tile", || one.look(), dropped);
    two.freeze(false);
    wait(&server, "it goes on", || one.look(), pane(GREEN));
    drop(three);
}

#[test]
fn one_sees_oneself_where_the_conference_says_so_but_never_as_the_speaker() {
    let server = start(
        "[[conference]]\nname = \"mirror\"\nlayout = \"allEqualQuarters\"\nself_view = true\n",
    );
    let one = call(&server, "mirror", "one", "sendrecv", RED);
    let two = call(&server, "mirror", "two", "sendrecv", GREEN);
    let both = |seen: &Seen| {
        let panes = [seen.at(0.25, 0.2), seen.at(0.75, 0.2)];
        [RED, GREEN]
            .iter()
            .all(|colour| panes.iter().any(|seen| alike(*seen, *colour)))
    };
    for phone in [&one, &two] {
        wait(&server, "both, oneself included", || phone.look(), both);
    }
    server
        .operate(&["conference", "layout", "mirror", "speakerOnly"], "")
        .unwrap();
    let alone = |colour: Rgb| move |seen: &Seen| alike(seen.at(0.5, 0.3), colour);
    for (phone, other) in [(&one, GREEN), (&two, RED)] {
        phone.talk(true);
        wait(
            &server,
            "who speaks sees the other",
            || phone.look(),
            alone(other),
        );
        phone.talk(false);
    }
}
