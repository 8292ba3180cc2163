//! A video phone by hand: SIP as text, H.264 that ffmpeg encoded (RFC 6184), and what comes back decoded by ffmpeg.
//!
//! Its camera shows one colour, or flashes with a beep each second, or is an ffmpeg of its own with H.264 or VP8. It packs and unpacks by itself, so that it is a second opinion on payload format,
//! retransmission and keyframe requests; it sends PCMU when told to talk.

mod depacketiser;
mod foreign;
mod h264;
mod seen;
mod slides;
mod vp8;
mod worker;

use self::depacketiser::Depacketiser;
use self::foreign::Foreign;
use self::h264::camera;
pub use self::h264::{Picture, film};
pub use self::seen::{
    BLUE, GREEN, RED, Received, Rgb, SAMPLED, Seen, VideoCodec, WHITE, YELLOW, alike, shows, wait,
};
use self::seen::{Eye, decode};
pub use self::slides::{Slides, SlidesSettings};
pub use self::worker::Feed;
use self::worker::{Camera, FRAME, Worker};
use crate::peer::raw::{Fields, RawPhone};
use crate::wire::Message;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a flash and its beep last.
pub const FLASH: Duration = FRAME.saturating_mul(LIT);
/// The same in pictures.
const LIT: u32 = 5;

/// How a phone is to be.
#[derive(Clone, Debug)]
pub struct VideoPhoneSettings {
    /// What its camera shows.
    pub colour: Rgb,
    /// Feedback it understands: lines of `a=rtcp-fb` and others for its video section, each with CRLF.
    pub attributes: String,
    /// The packetization mode.
    pub mode: u8,
    /// The direction of its video.
    pub direction: &'static str,
    /// What it sends and wants.
    pub codec: VideoCodec,
    /// ffmpeg packs and sends by itself; VP8 is always sent so.
    pub foreign: bool,
    /// What it says when it talks, Hz.
    pub tone: f64,
    /// Its camera is dark but for the first [`FLASH`] of each second, and it beeps meanwhile.
    pub flashes: bool,
    /// The picture its camera begins with; only those whose number is a multiple of 25 can be decoded alone.
    pub begins: u32,
    /// The user at `example.com` it says it is; empty for nobody in particular.
    pub user: String,
    /// It has a second stream.
    pub slides: Option<SlidesSettings>,
    /// What it sends from the beginning, in the place of what its camera sees.
    pub feed: Option<Feed>,
}

impl VideoPhoneSettings {
    /// Both directions, mode 1, NACK and PLI.
    pub fn of(colour: Rgb) -> Self {
        Self {
            colour,
            attributes: "a=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\n".to_owned(),
            mode: 1,
            direction: "sendrecv",
            codec: VideoCodec::H264,
            foreign: false,
            tone: 440.0,
            flashes: false,
            begins: 0,
            user: String::new(),
            slides: None,
            feed: None,
        }
    }
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
struct Shared {
    codec: VideoCodec,
    stop: AtomicBool,
    talking: AtomicBool,
    frozen: AtomicBool,
    /// Packets in a hundred that are thrown away on arrival.
    loss: AtomicU32,
    plis: AtomicU64,
    nacks: AtomicU64,
    repeated: AtomicU64,
    received: Mutex<Vec<Received>>,
    marks: Mutex<Marks>,
    /// All that was heard, in full scale.
    heard: Mutex<Vec<f32>>,
    eye: Mutex<Option<Eye>>,
    feed: Mutex<Option<Feed>>,
}

impl Shared {
    /// The pictures from this one on.
    fn received(&self, from: usize) -> Vec<Received> {
        let received = self.received.lock();
        let received = received.unwrap_or_else(PoisonError::into_inner);
        received.get(from..).unwrap_or_default().to_vec()
    }

    /// The last picture there is, if there is one.
    fn look(&self) -> io::Result<Option<Seen>> {
        let mut eye = self.eye.lock().unwrap_or_else(PoisonError::into_inner);
        let eye = match &mut *eye {
            Some(eye) => eye,
            shut => shut.insert(Eye::open(self.codec)?),
        };
        eye.take(&self.received(eye.taken))?;
        Ok(eye.last())
    }
}

/// Flashes and beeps, each as time since the system's clock began.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// When the first packet of the first picture of a flash was sent.
    pub flashed: Vec<Duration>,
    /// When the first packet of a beep was sent.
    pub beeped: Vec<Duration>,
    /// When the first sample of a beep came that was not preceded by another for as long as it lasts.
    pub heard: Vec<Duration>,
    /// The end of the beep that is being heard.
    until: Duration,
    /// When this phone began to listen, to which [`Received::at`] refers.
    pub begun: Duration,
}

/// A phone in a call.
#[derive(Debug)]
pub struct VideoPhone {
    phone: RawPhone,
    uri: String,
    call_id: String,
    to_tag: String,
    cseq: u32,
    settings: VideoPhoneSettings,
    ports: (u16, u16),
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Its second stream.
    pub slides: Option<Slides>,
    /// The answer to its offer.
    pub answer: String,
}

impl VideoPhone {
    /// Calls a conference and waits until it is answered.
    pub fn call(
        server: SocketAddr,
        conference: &str,
        name: &str,
        settings: VideoPhoneSettings,
    ) -> io::Result<Self> {
        let colour = settings.colour;
        let camera = match (settings.codec, settings.foreign, settings.flashes) {
            (VideoCodec::Vp8, ..) | (VideoCodec::H264, true, _) => {
                Camera::Foreign(Foreign::start(settings.codec, colour)?)
            }
            (VideoCodec::H264, false, true) => {
                Camera::Flashing(camera((16, 16, 16))?, camera(colour)?)
            }
            (VideoCodec::H264, false, false) => Camera::Steady(camera(colour)?),
        };
        let shared = Shared {
            codec: settings.codec,
            feed: Mutex::new(settings.feed.clone()),
            ..Shared::default()
        };
        let [audio, video] = [bind()?, bind()?];
        let ports = (audio.local_addr()?.port(), video.local_addr()?.port());
        let slides = settings.slides.clone().map(Slides::new).transpose()?;
        let mut this = Self {
            phone: RawPhone::new(server)?,
            uri: format!("sip:{conference}@{server}"),
            call_id: format!("video-{name}-{}", ports.1),
            to_tag: String::new(),
            cseq: 0,
            settings,
            ports,
            shared: Arc::new(shared),
            thread: None,
            slides,
            answer: String::new(),
        };
        this.invite()?;
        let remote = |media: &str| {
            let port = section_port(&this.answer, media)?;
            Some(SocketAddr::new(server.ip(), port))
        };
        let to = remote("audio").ok_or_else(|| io::Error::other("no audio in the answer"))?;
        let worker = Worker {
            shared: Arc::clone(&this.shared),
            audio: Some((audio, to)),
            video: remote("video").map(|to| (video, to)),
            camera,
            receiver: Depacketiser::default(),
            sending: this.settings.direction != "recvonly",
            flashes: this.settings.flashes,
            begins: this.settings.begins,
            tone: this.settings.tone,
        };
        this.thread = Some(std::thread::spawn(move || worker.run()));
        let second = section_ports(&this.answer, "video").nth(1).flatten();
        if let (Some(slides), Some(port)) = (&mut this.slides, second) {
            slides.begin(SocketAddr::new(server.ip(), port))?;
        }
        Ok(this)
    }

    fn offer(&self) -> io::Result<String> {
        let (audio, video) = self.ports;
        let VideoPhoneSettings {
            attributes,
            mode,
            direction,
            codec,
            ..
        } = &self.settings;
        let (number, map) = (codec.payload_type(), codec.attributes(*mode));
        let version = self.cseq;
        let slides = self.slides.as_ref().map(Slides::offer).transpose()?;
        let slides = slides.unwrap_or_default();
        Ok(format!(
            "v=0\r\no=phone 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {audio} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
             m=video {video} RTP/AVP {number}\r\n{map}a=rtcp-mux\r\n\
             {attributes}a={direction}\r\n{slides}"
        ))
    }

    fn request(&self, method: &str, cseq: u32, more: &str, body: &str) -> String {
        let sequence = format!("{cseq} {method}");
        let branch = format!("{}{cseq}{method}", self.call_id);
        let text = self.phone.request(&Fields {
            method,
            uri: &self.uri,
            branch: &branch,
            call_id: &self.call_id,
            cseq: &sequence,
            to_tag: &self.to_tag,
            more,
            body,
        });
        let user = &self.settings.user;
        match text.split_once("From: <sip:raw@") {
            Some((before, rest)) if !user.is_empty() => {
                let after = rest.split_once('>').map_or(rest, |(_, after)| after);
                format!("{before}From: <sip:{user}@example.com>{after}")
            }
            Some(_) | None => text,
        }
    }

    /// An INVITE, or a re-INVITE, with the offer of now; the answer is taken and acknowledged.
    fn invite(&mut self) -> io::Result<()> {
        self.cseq += 1;
        let invite = self.request("INVITE", self.cseq, "", &self.offer()?);
        self.phone.send(invite)?;
        let answered = self.phone.final_response("INVITE")?;
        let answered = answered.ok_or_else(|| io::Error::other("INVITE was not answered"))?;
        if !answered.starts_with("SIP/2.0 200") {
            return Err(io::Error::other(answered));
        }
        if let Some(message) = Message::parse(answered.as_bytes()) {
            message
                .to_tag()
                .unwrap_or_default()
                .clone_into(&mut self.to_tag);
        }
        let body = answered.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        body.clone_into(&mut self.answer);
        self.phone.send(self.request("ACK", self.cseq, "", ""))
    }

    /// Another direction of its video (`sendrecv`, `inactive` …) by re-INVITE.
    pub fn set_direction(&mut self, direction: &'static str) -> io::Result<()> {
        self.settings.direction = direction;
        self.invite()
    }

    /// Says something within the call, such as an INFO; the answer's status line.
    pub fn say(&mut self, method: &str, more: &str, body: &str) -> io::Result<String> {
        self.cseq += 1;
        let text = self.request(method, self.cseq, more, body);
        // The body is not a session description.
        let text = text.replace("Content-Type: application/sdp\r\n", "");
        self.phone.send(text)?;
        let answered = self.phone.final_response(method)?.unwrap_or_default();
        Ok(answered.lines().next().unwrap_or_default().to_owned())
    }

    /// The next request of the server with this method, within `time`.
    pub fn hear(&self, method: &str, time: Duration) -> io::Result<Option<String>> {
        self.phone.await_message(time, |message| {
            message.status().is_none() && message.method() == method
        })
    }

    /// Talks, or is silent.
    pub fn talk(&self, talking: bool) {
        self.shared.talking.store(talking, Ordering::Relaxed);
    }

    /// The camera sends nothing any more, or goes on.
    pub fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Sends this in the place of what its camera sees; `None`: that again.
    pub fn feed(&self, feed: Option<Feed>) {
        let now = self.shared.feed.lock();
        *now.unwrap_or_else(PoisonError::into_inner) = feed;
    }

    /// Throws away so many of a hundred packets that come.
    pub fn lose(&self, percent: u32) {
        self.shared.loss.store(percent, Ordering::Relaxed);
    }

    /// How often a keyframe was asked for, and how often a packet, by RTCP.
    pub fn asked(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.shared.plis), read(&self.shared.nacks))
    }

    /// Packets that came again after this phone had asked for them.
    pub fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Relaxed)
    }

    /// The flashes and beeps that it sent, and the beeps that it heard, so far.
    pub fn marks(&self) -> Marks {
        let marks = self.shared.marks.lock();
        marks.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pictures so far, as they came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received(0)
    }

    /// The pictures so far, decoded by ffmpeg.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        decode(self.settings.codec, &self.received())
    }

    /// What it sees now.
    pub fn look(&self) -> io::Result<Option<Seen>> {
        self.shared.look()
    }

    /// What it hears in this time from now on, 8000 samples a second in full scale.
    pub fn listen(&self, time: Duration) -> Vec<f32> {
        let heard = || {
            let heard = self.shared.heard.lock();
            heard.unwrap_or_else(PoisonError::into_inner)
        };
        let from = heard().len();
        std::thread::sleep(time);
        heard().get(from..).unwrap_or_default().to_vec()
    }

    /// Hangs up.
    pub fn hang_up(mut self) -> io::Result<()> {
        self.say("BYE", "", "").map(drop)
    }
}

impl Drop for VideoPhone {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The port of the first section of this kind, unless it is refused.
pub fn section_port(description: &str, media: &str) -> Option<u16> {
    section_ports(description, media).next().flatten()
}

/// The ports of all sections of this kind; `None` where one is refused.
pub fn section_ports(description: &str, media: &str) -> impl Iterator<Item = Option<u16>> {
    let begin = format!("m={media} ");
    let lines = description.lines();
    lines.filter_map(move |line| {
        let port = line.strip_prefix(&begin)?.split(' ').next()?.parse();
        Some(port.ok().filter(|port| *port != 0))
    })
}
