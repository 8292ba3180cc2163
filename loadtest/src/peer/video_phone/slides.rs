//! The phone's second stream: slides (RFC 4796), and the floor they need.

use super::h264::{Depacketiser, camera, decode};
use super::{Camera, H264, Received, Rgb, Seen, Shared, Worker, bind};
use crate::peer::floor_client::FloorClient;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
        let mut offer = format!(
            "m=video {video} RTP/AVP {H264}\r\na=rtpmap:{H264} H264/90000\r\n\
             a=fmtp:{H264} profile-level-id=42e01f;packetization-mode=1\r\na=rtcp-mux\r\n\
             a=rtcp-fb:{H264} nack\r\na=rtcp-fb:{H264} nack pli\r\n\
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
        let received = self.shared.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, decoded by ffmpeg.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        decode(&self.received())
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
