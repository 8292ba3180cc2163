//! A video phone by hand: SIP as text, H.264 that ffmpeg encoded (RFC 6184), and what comes back decoded by ffmpeg.
//!
//! Its camera shows one colour, or flashes with a beep each second. It packs and unpacks by itself, so that it is a second opinion on payload format,
//! retransmission and keyframe requests; it sends PCMU when told to talk.

mod h264;
mod slides;

use self::h264::{Depacketiser, Picture, camera, decode, fragment};
pub use self::slides::{Slides, SlidesSettings};
use crate::clock;
use crate::g711;
use crate::peer::raw::{Fields, RawPhone};
use crate::wire::Message;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A colour: red, green, blue.
pub type Rgb = (u8, u8, u8);

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(40);
/// Between two packets of audio.
const AUDIO: Duration = Duration::from_millis(20);
/// How long a flash and its beep last.
pub const FLASH: Duration = FRAME.saturating_mul(LIT);
/// The same in pictures.
const LIT: u32 = 5;
/// A sample beyond this belongs to a beep.
const LOUD: i16 = 1_000;
/// The payload type of H.264.
const H264: u8 = 99;
/// The size of pictures when they are judged: rows and columns of averages.
pub const SAMPLED: (usize, usize) = (64, 36);

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
    /// Its camera is dark but for the first [`FLASH`] of each second, and it beeps meanwhile.
    pub flashes: bool,
    /// The picture its camera begins with; only those whose number is a multiple of 25 can be decoded alone.
    pub begins: u32,
    /// The user at `example.com` it says it is; empty for nobody in particular.
    pub user: String,
    /// It has a second stream.
    pub slides: Option<SlidesSettings>,
}

impl VideoPhoneSettings {
    /// Both directions, mode 1, NACK and PLI.
    pub fn of(colour: Rgb) -> Self {
        Self {
            colour,
            attributes: "a=rtcp-fb:99 nack\r\na=rtcp-fb:99 nack pli\r\n".to_owned(),
            mode: 1,
            direction: "sendrecv",
            flashes: false,
            begins: 0,
            user: String::new(),
            slides: None,
        }
    }
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
struct Shared {
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

/// One picture as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its last packet came, since the phone began to listen.
    pub at: Duration,
    /// It is an IDR picture.
    pub keyframe: bool,
    /// NAL units with start codes.
    pub octets: Vec<u8>,
}

/// One decoded picture.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it came, since the phone began to listen.
    pub at: Duration,
    /// [`SAMPLED`] averages, row by row, three octets each.
    pub rgb: Vec<u8>,
}

impl Seen {
    /// The colour at a place given in shares of width and height.
    pub fn at(&self, x: f64, y: f64) -> Rgb {
        let (width, height) = SAMPLED;
        let index = |share: f64, of: usize| {
            let whole = crate::signal::whole(share * f64::from(u32::try_from(of).unwrap_or(0)));
            whole.min(of - 1)
        };
        let from = (index(y, height) * width + index(x, width)) * 3;
        match self.rgb.get(from..from + 3) {
            Some(&[r, g, b]) => (r, g, b),
            Some(_) | None => (0, 0, 0),
        }
    }
}

/// Whether two colours are the same, but for what encoding does to them.
pub fn alike(one: Rgb, other: Rgb) -> bool {
    let near = |a: u8, b: u8| a.abs_diff(b) < 40;
    near(one.0, other.0) && near(one.1, other.1) && near(one.2, other.2)
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
        let camera = match settings.flashes {
            true => Camera::Flashing(camera((16, 16, 16))?, camera(settings.colour)?),
            false => Camera::Steady(camera(settings.colour)?),
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
            shared: Arc::default(),
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
            ..
        } = &self.settings;
        let version = self.cseq;
        let slides = self.slides.as_ref().map(Slides::offer).transpose()?;
        let slides = slides.unwrap_or_default();
        Ok(format!(
            "v=0\r\no=phone 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {audio} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
             m=video {video} RTP/AVP {H264}\r\na=rtpmap:{H264} H264/90000\r\n\
             a=fmtp:{H264} profile-level-id=42e01f;packetization-mode={mode}\r\na=rtcp-mux\r\n\
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
        let received = self.shared.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pictures so far, decoded by ffmpeg.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        decode(&self.received())
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

/// What the phone does by itself.
struct Worker {
    shared: Arc<Shared>,
    audio: Option<(UdpSocket, SocketAddr)>,
    video: Option<(UdpSocket, SocketAddr)>,
    camera: Camera,
    receiver: Depacketiser,
    sending: bool,
    flashes: bool,
    begins: u32,
}

/// What it sees.
enum Camera {
    /// Always the same.
    Steady(Vec<Picture>),
    /// Dark, and then light.
    Flashing(Vec<Picture>, Vec<Picture>),
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
        }
    }
}

impl Worker {
    fn run(mut self) {
        let begun = clock::now();
        self.marks(|marks| marks.begun = begun);
        let (mut picture, mut packet) = (0_u32, 0_u32);
        let mut sequence = 1_000_u16;
        let mut frozen = 0_u32;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let since = clock::now().saturating_sub(begun);
            if since >= AUDIO * packet {
                self.send_audio(packet);
                packet += 1;
            }
            if since >= FRAME * picture {
                if self.shared.frozen.load(Ordering::Relaxed) {
                    frozen += 1;
                } else if self.sending {
                    let shown = self.begins + picture - frozen;
                    self.send_picture(picture, shown, &mut sequence);
                }
                picture += 1;
            }
            self.receive(since);
            std::thread::sleep(Duration::from_millis(2));
        }
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
            let wave = (phase * 440.0 * std::f64::consts::TAU).sin() * 8_000.0;
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
        let Some((picture, flash)) = self.camera.picture(shown) else {
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
            let stamp = number.wrapping_mul(3_600);
            let mut datagram = header(H264, n == last, u32::from(*sequence), stamp, 0x0b0d_2002);
            *sequence = sequence.wrapping_add(1);
            datagram.extend_from_slice(payload);
            drop(socket.send_to(&datagram, to));
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
        let mut samples = payload.iter().map(|octet| g711::from_ulaw(*octet));
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
