//! The smallest conference server that can be right, and that can be made wrong on purpose.
//!
//! G.711 only, no jitter buffer to speak of, one thread: enough to judge the judges.

use plenum_loadtest::clock;
use plenum_loadtest::codec::{Codec, Decoder, encode};
use plenum_loadtest::rtp::PACKET_TIME;
use plenum_loadtest::sdp;
use plenum_loadtest::wire::Message;
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A talker's own voice stays in what it hears, 20 dB down.
    OwnVoice,
    /// The other conferences are heard, 20 dB down.
    Leak,
    /// Every fiftieth packet is left out.
    Loss,
}

/// A running one; ends with this value.
#[derive(Debug)]
pub(crate) struct Reference {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reference {
    pub(crate) fn start(fault: Fault) -> io::Result<Self> {
        let sip = UdpSocket::bind("127.0.0.1:0")?;
        sip.set_nonblocking(true)?;
        let address = sip.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut server = Mixer {
                sip,
                address,
                fault,
                legs: Vec::new(),
                tick: 0,
            };
            let begun = clock::now();
            while !stopped.load(Ordering::Relaxed) {
                server.answer_calls();
                if clock::now() >= begun + PACKET_TIME * server.tick {
                    server.mix();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Leg {
    conference: String,
    call_id: String,
    socket: UdpSocket,
    peer: SocketAddr,
    codec: Codec,
    decoder: Decoder,
    frames: VecDeque<Vec<f32>>,
    frame: Vec<f32>,
}

struct Mixer {
    sip: UdpSocket,
    address: SocketAddr,
    fault: Fault,
    legs: Vec<Leg>,
    tick: u32,
}

impl Mixer {
    fn answer_calls(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
            let Some(message) = buffer.get(..length).and_then(Message::parse) else {
                continue;
            };
            let answer = match message.method() {
                "INVITE" => self.join(&message),
                "BYE" => {
                    self.legs.retain(|leg| leg.call_id != message.call_id());
                    Some(message.answer("200 OK", "r", "", ""))
                }
                _ => None,
            };
            if let Some(answer) = answer {
                drop(self.sip.send_to(answer.as_bytes(), from));
            }
        }
    }

    fn join(&mut self, invite: &Message<'_>) -> Option<String> {
        let audio = sdp::remote_audio(invite.body)?;
        let codec = if audio.payload == 8 {
            Codec::Pcma
        } else {
            Codec::Pcmu
        };
        let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
        socket.set_nonblocking(true).ok()?;
        let body = sdp::describe(socket.local_addr().ok()?, codec, 1, "sendrecv");
        self.legs.push(Leg {
            conference: invite.start_line().split([':', '@']).nth(1)?.to_owned(),
            call_id: invite.call_id().to_owned(),
            socket,
            peer: audio.rtp,
            codec,
            decoder: Decoder::new(codec).ok()?,
            frames: VecDeque::new(),
            frame: Vec::new(),
        });
        let contact = format!("Contact: <sip:reference@{}>\r\n", self.address);
        Some(invite.answer("200 OK", "r", &contact, &body))
    }

    fn mix(&mut self) {
        for leg in &mut self.legs {
            leg.receive();
        }
        let lost = self.fault == Fault::Loss && self.tick % 50 == 49;
        for leg in &self.legs {
            let mut sum = vec![0.0f32; 160];
            for other in &self.legs {
                let gain = self.gain(leg, other);
                for (sum, sample) in sum.iter_mut().zip(&other.frame) {
                    *sum += gain * sample;
                }
            }
            if !lost {
                leg.send(self.tick, &sum);
            }
        }
        self.tick += 1;
    }

    fn gain(&self, listener: &Leg, talker: &Leg) -> f32 {
        let own = listener.call_id == talker.call_id;
        let here = listener.conference == talker.conference;
        match (own, here, self.fault) {
            (true, _, Fault::OwnVoice) | (false, false, Fault::Leak) => 0.1,
            (false, true, _) => 1.0,
            (true, _, _) | (false, false, _) => 0.0,
        }
    }
}

impl Leg {
    /// One frame per tick, of at most two that wait.
    fn receive(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let payload = buffer.get(12..length).unwrap_or_default();
            self.frames.push_back(self.decoder.decode(payload));
        }
        while self.frames.len() > 2 {
            self.frames.pop_front();
        }
        self.frame = self.frames.pop_front().unwrap_or_default();
    }

    fn send(&self, tick: u32, samples: &[f32]) {
        let Ok(payloads) = encode(self.codec, samples) else {
            return;
        };
        let [_, _, high, low] = tick.to_be_bytes();
        let mut packet = vec![0x80, self.codec.payload(), high, low];
        packet.extend((tick * 160).to_be_bytes());
        packet.extend(u32::from(self.peer.port()).to_be_bytes());
        packet.extend(payloads.first().into_iter().flatten());
        drop(self.socket.send_to(&packet, self.peer));
    }
}
