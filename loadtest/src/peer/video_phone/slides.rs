//! The phone's second stream: slides (RFC 4796), and the floor they need.

use super::depacketiser::Depacketiser;
use super::h264::camera;
use super::seen::{VideoCodec, decode};
use super::worker::{Camera, Worker};
use super::{Received, Rgb, Seen, Shared, bind};
use crate::peer::floor_client::FloorClient;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// What a phone offers for slides.
#[derive(Clone, Debug)]
pub struct SlidesSettings {
    /// What they show.
    pub colour: Rgb,
    /// How the floor is asked for: `UDP/BFCP`, `TCP/BFCP`; `None`: by sending slides.
    pub floor: Option<&'static str>,
}

/// Slides of a phone: nothing is sent until it is told to show them.
#[derive(Debug)]
pub struct Slides {
    settings: SlidesSettings,
    video: UdpSocket,
    bfcp: UdpSocket,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Slides {
    pub(super) fn new(settings: SlidesSettings) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        shared.frozen.store(true, Ordering::Relaxed);
        Ok(Self {
            settings,
            video: bind()?,
            bfcp: bind()?,
            shared,
            thread: None,
        })
    }

    /// Its sections of the offer.
    pub(super) fn offer(&self) -> io::Result<String> {
        let video = self.video.local_addr()?.port();
        let codec = VideoCodec::H264;
        let (number, map) = (codec.payload_type(), codec.attributes(1));
        let mut offer = format!(
            "m=video {video} RTP/AVP {number}\r\n{map}a=rtcp-mux\r\n\
             a=rtcp-fb:{number} nack\r\na=rtcp-fb:{number} nack pli\r\n\
             a=content:slides\r\na=label:3\r\na=sendrecv\r\n"
        );
        if let Some(proto) = self.settings.floor {
            let (port, setup) = if proto.starts_with("TCP") {
                (9, "a=setup:active\r\na=connection:new\r\n")
            } else {
                (self.bfcp.local_addr()?.port(), "")
            };
            offer.push_str(&format!(
                "m=application {port} {proto} *\r\n{setup}a=floorctrl:c-only\r\n"
            ));
        }
        Ok(offer)
    }

    /// Begins to receive, and to send once told to.
    pub(super) fn begin(&mut self, to: SocketAddr) -> io::Result<()> {
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            audio: None,
            video: Some((self.video.try_clone()?, to)),
            camera: Camera::Steady(camera(self.settings.colour)?),
            receiver: Depacketiser::default(),
            sending: true,
            flashes: false,
            begins: 0,
            tone: 0.0,
        };
        self.thread = Some(std::thread::spawn(move || worker.run()));
        Ok(())
    }

    /// Its floor control client, by the answer to the offer.
    pub fn floor(&self, answer: &str, server: SocketAddr) -> io::Result<FloorClient> {
        let udp = self
            .settings
            .floor
            .is_some_and(|proto| proto.starts_with("UDP"));
        let socket = udp.then(|| self.bfcp.try_clone()).transpose()?;
        FloorClient::new(answer, server, socket)
    }

    /// Shows its slides, or does not any more.
    pub fn show(&self, shows: bool) {
        self.shared.frozen.store(!shows, Ordering::Relaxed);
    }

    /// The pictures of others' slides so far, as they came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received(0)
    }

    /// The same, decoded by ffmpeg.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        decode(VideoCodec::H264, &self.received())
    }

    /// What others' slides show now.
    pub fn look(&self) -> io::Result<Option<Seen>> {
        self.shared.look()
    }
}

impl Drop for Slides {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
