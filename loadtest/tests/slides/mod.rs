//! What the tests of slides share: a server for them, phones that have some, and what they see.

use plenum_loadtest::peer::floor_client::FloorClient;
use plenum_loadtest::peer::video_phone::{
    Rgb, Slides, SlidesSettings, VideoPhone, VideoPhoneSettings,
};
use plenum_loadtest::server::{Server, ServerSettings, program};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A server with a conference, `more` in its section on video, and join pages over HTTPS.
pub(crate) fn start(more: &str) -> Server {
    start_room(more, "")
}

/// The same, with `room` in the section of the conference.
pub(crate) fn start_room(more: &str, room: &str) -> Server {
    // What a slow machine can do; and it is not to refuse what it finds hard.
    let mut settings = ServerSettings {
        limits: "video_load_permille = 1000000\n".to_owned(),
        rest: format!(
            "[join]\nbrowser = true\n[video]\nnames = false\nrows = 360\nframe_rate = 10\n{more}\
             [[conference]]\nname = \"board\"\n{room}"
        ),
        ..ServerSettings::default()
    };
    settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
    Server::start(&program().unwrap(), &settings).unwrap()
}

/// A phone with a camera, and slides if it has a colour for them.
pub(crate) fn call(
    server: &Server,
    name: &str,
    camera: Rgb,
    slides: Option<(Rgb, Option<&'static str>)>,
) -> VideoPhone {
    let settings = VideoPhoneSettings {
        slides: slides.map(|(colour, floor)| SlidesSettings { colour, floor }),
        ..VideoPhoneSettings::of(camera)
    };
    VideoPhone::call(server.sip(), "board", name, settings).unwrap()
}

pub(crate) fn slides(phone: &VideoPhone) -> &Slides {
    phone.slides.as_ref().unwrap()
}

pub(crate) fn floor(server: &Server, phone: &VideoPhone) -> FloorClient {
    slides(phone).floor(&phone.answer, server.sip()).unwrap()
}

/// How many the roster says to be presenting.
pub(crate) fn presenting(server: &Server) -> usize {
    let roster = server
        .operate(&["conference", "show", "board"], "")
        .unwrap();
    roster.matches("presenting").count()
}

pub(crate) fn await_presenting(server: &Server, wanted: usize) {
    for _ in 0..50 {
        if presenting(server) == wanted {
            return;
        }
        std::thread::sleep(SECOND / 10);
    }
    panic!("{wanted} should be presenting: {}", server.log());
}
