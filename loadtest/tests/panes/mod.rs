//! Four people of four kinds in one conference: their colours, their tones, and what each of them sees.

pub(crate) mod expect;

use plenum_loadtest::clock;
use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::video_phone::{
    self, BLUE, GREEN, RED, Rgb, Seen, SlidesSettings, VideoCodec, VideoPhone, VideoPhoneSettings,
    WHITE, YELLOW,
};
use plenum_loadtest::peer::{join_page, video_phone::alike};
use plenum_loadtest::server::{Server, ServerSettings, program};
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::io;
use std::time::Duration;

/// What they show, in the order in which they come.
pub(crate) const COLOURS: [Rgb; 4] = [RED, GREEN, BLUE, YELLOW];
/// What they say, Hz.
const TONES: [f64; 4] = [440.0, 620.0, 1000.0, 1570.0];
const NAMES: [&str; 4] = ["red", "green", "blue", "yellow"];
/// Who has a browser.
pub(crate) const BROWSER: usize = 2;
/// What the slides show that the first of them has.
pub(crate) const SLIDES: Rgb = WHITE;

/// How somebody takes part.
enum Device {
    Phone(Box<VideoPhone>),
    Browser(Box<Chromium>),
}

impl Device {
    fn look(&mut self) -> io::Result<Option<Seen>> {
        match self {
            Self::Phone(phone) => phone.look(),
            Self::Browser(browser) => join_page::look(browser),
        }
    }
}

/// The conference `board`, and those in it.
pub(crate) struct Meeting {
    pub(crate) server: Server,
    devices: Vec<Device>,
    /// What the operator calls them.
    pub(crate) endpoints: Vec<String>,
    /// Who talks.
    talking: Option<usize>,
}

impl Meeting {
    /// An H.264 phone of ours with slides, ffmpeg with VP8, Chromium, and ffmpeg with H.264.
    pub(crate) fn begin(more: &str) -> Self {
        let mut settings = ServerSettings {
            // What a slow machine can do; and it is not to refuse what it finds hard.
            limits: "video_load_permille = 1000000\n".to_owned(),
            rest: format!(
                "[video]\nnames = false\nrows = 360\nframe_rate = 10\n[join]\nbrowser = true\n{more}\
                 [[conference]]\nname = \"board\"\nagc = false\n"
            ),
            ..ServerSettings::default()
        };
        settings.http = format!("public_listen = \"{}:8443\"\n", settings.ip);
        let server = Server::start(&program().unwrap(), &settings).unwrap();
        let (colour, floor) = (SLIDES, Some("UDP/BFCP"));
        let slides = Some(SlidesSettings { colour, floor });
        let own = VideoPhoneSettings {
            slides,
            ..phone(0, VideoCodec::H264, false)
        };
        let mut devices = vec![call(&server, 0, own)];
        devices.push(call(&server, 1, phone(1, VideoCodec::Vp8, true)));
        let tone = Signal::Tone {
            hz: TONES[2],
            dbfs: -12.0,
        };
        let mut browser = Chromium::with_camera(tone, COLOURS[2]).unwrap();
        let ip = server.sip().ip();
        join_page::join_with_pictures(&mut browser, ip, "board", NAMES[2]).unwrap();
        devices.push(Device::Browser(Box::new(browser)));
        devices.push(call(&server, 3, phone(3, VideoCodec::H264, true)));
        let shown = server
            .operate(&["conference", "show", "board"], "")
            .unwrap();
        let number = |name: &&str| {
            let line = shown.lines().find(|line| line.contains(*name));
            let mut words = line.into_iter().flat_map(str::split_whitespace);
            let word = words.find(|word| word.len() > 3 && word.parse::<u64>().is_ok());
            word.unwrap_or_else(|| panic!("{name}: {shown}")).to_owned()
        };
        let endpoints = NAMES.iter().map(number).collect();
        let mut this = Self {
            server,
            devices,
            endpoints,
            talking: None,
        };
        // The browser comes with its microphone on.
        this.speak(2, false);
        this
    }

    /// A command of the operator's about this conference.
    pub(crate) fn order(&self, verb: &str, words: &[&str]) {
        let order = [&["conference", verb, "board"], words].concat();
        self.server.operate(&order, "").unwrap();
    }

    /// The phone of somebody who has one.
    pub(crate) fn phone(&mut self, who: usize) -> &mut VideoPhone {
        match &mut self.devices[who] {
            Device::Phone(phone) => phone,
            Device::Browser(_) => panic!("{} has no phone", NAMES[who]),
        }
    }

    /// This one talks, and nobody else any more.
    pub(crate) fn talk(&mut self, who: usize) {
        if let Some(before) = self.talking.replace(who) {
            self.speak(before, false);
        }
        self.speak(who, true);
    }

    fn speak(&mut self, who: usize, aloud: bool) {
        match &mut self.devices[who] {
            Device::Phone(phone) => phone.talk(aloud),
            Device::Browser(browser) => {
                let pressed = format!("the('mute').ariaPressed === '{}'", !aloud);
                browser.evaluate("the('mute').click()").unwrap();
                browser.wait_for(&pressed).unwrap();
            }
        }
    }

    /// Waits until somebody sees what is wanted.
    pub(crate) fn wait(&mut self, who: usize, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let what = format!("{what}: what {} sees", NAMES[who]);
        let device = &mut self.devices[who];
        video_phone::wait(&self.server, &what, || device.look(), wanted)
    }

    /// Waits until the browser's page shows slides beside the people.
    pub(crate) fn wait_for_slides_apart(&mut self, wanted: impl Fn(&Seen) -> bool) {
        let Device::Browser(browser) = &mut self.devices[BROWSER] else {
            panic!("the browser is another");
        };
        let look = || join_page::look_at_slides(browser);
        video_phone::wait(&self.server, "slides on the page", look, wanted);
    }

    /// Waits until everybody sees what is wanted of them.
    pub(crate) fn wait_all(&mut self, what: &str, wanted: impl Fn(usize, &Seen) -> bool) {
        for who in 0..self.devices.len() {
            self.wait(who, what, |seen| wanted(who, seen));
        }
    }

    /// Everybody sees what is wanted of them, all the time.
    pub(crate) fn stays(
        &mut self,
        what: &str,
        time: Duration,
        wanted: impl Fn(usize, &Seen) -> bool,
    ) {
        let end = clock::now() + time;
        while clock::now() < end {
            for (who, device) in self.devices.iter_mut().enumerate() {
                let seen = device.look().unwrap().unwrap();
                let sketch = || format!("{what}: {} sees\n{}", NAMES[who], seen.sketch());
                assert!(wanted(who, &seen), "{}", sketch());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// All talk, and each one hears the others and not oneself.
    pub(crate) fn judge_sound(&mut self) {
        let quiet: Vec<usize> = (0..4).filter(|who| Some(*who) != self.talking).collect();
        for who in quiet {
            self.speak(who, true);
        }
        std::thread::sleep(Duration::from_secs(1));
        for (who, device) in self.devices.iter_mut().enumerate() {
            let time = Duration::from_secs(1);
            let (samples, rate) = match device {
                Device::Phone(phone) => (phone.listen(time), 8_000),
                Device::Browser(browser) => {
                    let heard = browser.listen(time).unwrap();
                    (heard.samples, heard.rate)
                }
            };
            for (other, hz) in TONES.iter().enumerate() {
                let level = tones::level(&samples, rate, *hz);
                let heard = level.dbfs > -30.0;
                let names = (NAMES[who], NAMES[other]);
                assert_eq!(heard, other != who, "{names:?}: {level:?}");
            }
        }
    }
}

fn phone(who: usize, codec: VideoCodec, foreign: bool) -> VideoPhoneSettings {
    VideoPhoneSettings {
        codec,
        foreign,
        tone: TONES[who],
        user: NAMES[who].to_owned(),
        ..VideoPhoneSettings::of(COLOURS[who])
    }
}

fn call(server: &Server, who: usize, settings: VideoPhoneSettings) -> Device {
    let phone = VideoPhone::call(server.sip(), "board", NAMES[who], settings).unwrap();
    Device::Phone(Box::new(phone))
}

/// Whether nobody of the four is at a place.
pub(crate) fn nobody(seen: &Seen, x: f64, y: f64) -> bool {
    !COLOURS.iter().any(|colour| alike(seen.at(x, y), *colour))
}
