//! A socket that carries SIP, by datagrams or by a stream (RFC 3261 §18).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum Line {
    Udp {
        socket: UdpSocket,
        server: SocketAddr,
    },
    Tcp {
        stream: TcpStream,
        pending: Vec<u8>,
    },
}

impl Line {
    pub(crate) fn new(server: SocketAddr, tcp: bool) -> Self {
        if tcp {
            Self::Tcp {
                stream: TcpStream::connect(server).unwrap(),
                pending: Vec::new(),
            }
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            Self::Udp { socket, server }
        }
    }

    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Udp { .. } => "UDP",
            Self::Tcp { .. } => "TCP",
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        match self {
            Self::Udp { socket, .. } => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
        }
        .unwrap()
    }

    pub(crate) fn send(&mut self, text: &str) {
        match self {
            Self::Udp { socket, server } => {
                socket.send_to(text.as_bytes(), *server).unwrap();
            }
            Self::Tcp { stream, .. } => stream.write_all(text.as_bytes()).unwrap(),
        }
    }

    /// The next message, if one comes in time.
    pub(crate) fn receive(&mut self, time: Duration) -> Option<String> {
        let time = Some(time.max(Duration::from_millis(1)));
        let mut buffer = vec![0; 65_536];
        match self {
            Self::Udp { socket, .. } => {
                socket.set_read_timeout(time).unwrap();
                let length = socket.recv(&mut buffer).ok()?;
                Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
            }
            Self::Tcp { stream, pending } => {
                stream.set_read_timeout(time).unwrap();
                loop {
                    if let Some(text) = framed(pending) {
                        return Some(text);
                    }
                    let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
                    pending.extend_from_slice(&buffer[..length]);
                }
            }
        }
    }
}

/// The first message of a stream, taken out of it (RFC 3261 §18.3).
fn framed(pending: &mut Vec<u8>) -> Option<String> {
    let text = String::from_utf8_lossy(pending).into_owned();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text[..head]
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.trim().parse::<usize>().unwrap());
    if pending.len() < head + length {
        return None;
    }
    let message: Vec<u8> = pending.drain(..head + length).collect();
    Some(String::from_utf8(message).unwrap())
}
