//! A floor control client by hand (RFC 8855), octet by octet: a second opinion on ours.

use crate::clock;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// FloorRequest, FloorRelease and the other primitives that clients use or hear.
pub mod primitive {
    /// A participant asks for the floor.
    pub const FLOOR_REQUEST: u8 = 1;
    /// A participant gives it back.
    pub const FLOOR_RELEASE: u8 = 2;
    /// How a request stands.
    pub const FLOOR_REQUEST_STATUS: u8 = 4;
    /// What is asked for of a floor?
    pub const FLOOR_QUERY: u8 = 7;
    /// What is asked for of it.
    pub const FLOOR_STATUS: u8 = 8;
    /// Is there a server?
    pub const HELLO: u8 = 11;
    /// There is.
    pub const HELLO_ACK: u8 = 12;
    /// A request was refused.
    pub const ERROR: u8 = 13;
}

/// States of requests.
pub mod status {
    /// Waits for its turn.
    pub const ACCEPTED: u8 = 2;
    /// Has the floor.
    pub const GRANTED: u8 = 3;
    /// Gave it back.
    pub const RELEASED: u8 = 6;
    /// The floor was taken away.
    pub const REVOKED: u8 = 7;
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloorMessage {
    /// Its primitive.
    pub primitive: u8,
    /// Its transaction.
    pub transaction: u16,
    /// The request it is about, 0 for none.
    pub request: u16,
    /// How that stands, 0 for nothing.
    pub status: u8,
    /// Its error code, 0 for none.
    pub error: u8,
}

/// A client.
#[derive(Debug)]
pub struct FloorClient {
    way: Way,
    conference: u32,
    user: u16,
    floor: u16,
    transaction: u16,
    /// It answers what the server says of its own accord.
    pub acknowledges: bool,
    stream: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream),
}

/// The value of an attribute in the section of floor control.
fn attribute(description: &str, name: &str) -> Option<u32> {
    let begin = format!("a={name}:");
    let value = description
        .lines()
        .find_map(|line| line.strip_prefix(&begin))?;
    value.split(' ').next()?.trim().parse().ok()
}

impl FloorClient {
    /// A client that does as the answer to its offer says; `socket` is the one it offered, for UDP.
    pub fn new(answer: &str, host: SocketAddr, socket: Option<UdpSocket>) -> io::Result<Self> {
        let missing = || io::Error::other(format!("no floor control in {answer}"));
        let line = answer
            .lines()
            .find(|line| line.starts_with("m=application "));
        let line = line.ok_or_else(missing)?;
        let port = line.split(' ').nth(1).and_then(|port| port.parse().ok());
        let port: u16 = port.filter(|port| *port != 0).ok_or_else(missing)?;
        let at = SocketAddr::new(host.ip(), port);
        let way = match socket {
            Some(socket) => Way::Udp(socket, at),
            None => {
                let stream = TcpStream::connect(at)?;
                stream.set_nonblocking(true)?;
                Way::Tcp(stream)
            }
        };
        let number = |name| attribute(answer, name).ok_or_else(missing);
        let short = |name| number(name).map(|it| u16::try_from(it).unwrap_or(u16::MAX));
        Ok(Self {
            way,
            conference: number("confid")?,
            user: short("userid")?,
            floor: short("floorid")?,
            transaction: 0,
            acknowledges: true,
            stream: Vec::new(),
        })
    }

    /// Asks for something and waits for the answer, repeating itself over UDP as RFC 8855 §8.3 wants it.
    pub fn ask(&mut self, primitive: u8, attributes: &[u8]) -> io::Result<FloorMessage> {
        self.transaction += 1;
        let transaction = self.transaction;
        let octets = self.message(primitive, transaction, false, attributes);
        for _ in 0..6 {
            self.send(&octets)?;
            let mine = |message: &FloorMessage| message.transaction == transaction;
            if let Some(answer) = self.hear_such(Duration::from_millis(500), mine)? {
                return Ok(answer);
            }
        }
        Err(io::Error::other("the floor control server does not answer"))
    }

    /// Asks for the floor.
    pub fn request(&mut self) -> io::Result<FloorMessage> {
        let floor = self.floor_id();
        self.ask(primitive::FLOOR_REQUEST, &floor)
    }

    /// Gives a request back.
    pub fn release(&mut self, request: u16) -> io::Result<FloorMessage> {
        let [high, low] = request.to_be_bytes();
        self.ask(primitive::FLOOR_RELEASE, &[3 << 1 | 1, 4, high, low])
    }

    /// Wants to hear of the floor from now on.
    pub fn watch(&mut self) -> io::Result<FloorMessage> {
        let floor = self.floor_id();
        self.ask(primitive::FLOOR_QUERY, &floor)
    }

    /// What the server says of its own accord about a request that stands so, within `time`.
    pub fn hear(&mut self, status: u8, time: Duration) -> io::Result<Option<FloorMessage>> {
        self.hear_such(time, |message| message.status == status)
    }

    fn floor_id(&self) -> [u8; 4] {
        let [high, low] = self.floor.to_be_bytes();
        [2 << 1 | 1, 4, high, low]
    }

    fn message(&self, primitive: u8, transaction: u16, responds: bool, with: &[u8]) -> Vec<u8> {
        let version: u8 = match self.way {
            Way::Udp(..) => 2,
            Way::Tcp(_) => 1,
        };
        let words = u16::try_from(with.len() / 4).unwrap_or(u16::MAX);
        let mut octets = vec![version << 5 | u8::from(responds) << 4, primitive];
        octets.extend(words.to_be_bytes());
        octets.extend(self.conference.to_be_bytes());
        octets.extend(transaction.to_be_bytes());
        octets.extend(self.user.to_be_bytes());
        octets.extend_from_slice(with);
        octets
    }

    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket, to) => socket.send_to(octets, *to).map(drop),
            Way::Tcp(stream) => stream.write_all(octets),
        }
    }

    fn hear_such(
        &mut self,
        time: Duration,
        wanted: impl Fn(&FloorMessage) -> bool,
    ) -> io::Result<Option<FloorMessage>> {
        let until = clock::now() + time;
        while clock::now() < until {
            let Some(octets) = self.next_octets() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let message = read(&octets);
            self.acknowledge(&octets, &message)?;
            if wanted(&message) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// RFC 8855 §10.1: over UDP what the server says of its own accord is acknowledged.
    fn acknowledge(&mut self, octets: &[u8], message: &FloorMessage) -> io::Result<()> {
        let unasked = octets.first().is_some_and(|first| first & 0x10 == 0);
        if !(self.acknowledges && unasked && matches!(self.way, Way::Udp(..))) {
            return Ok(());
        }
        let primitive = match message.primitive {
            primitive::FLOOR_REQUEST_STATUS => 14,
            primitive::FLOOR_STATUS => 15,
            _ => return Ok(()),
        };
        let answer = self.message(primitive, message.transaction, true, &[]);
        self.send(&answer)
    }

    fn next_octets(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2_048];
        match &mut self.way {
            Way::Udp(socket, _) => {
                let (length, _) = socket.recv_from(&mut buffer).ok()?;
                buffer.get(..length).map(<[u8]>::to_vec)
            }
            Way::Tcp(stream) => {
                if let Ok(length) = stream.read(&mut buffer) {
                    let octets = buffer.get(..length).unwrap_or_default();
                    self.stream.extend_from_slice(octets);
                }
                let [_, _, high, low, ..] = self.stream.as_slice() else {
                    return None;
                };
                let length = 12 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
                (self.stream.len() >= length).then(|| self.stream.drain(..length).collect())
            }
        }
    }
}

/// What a message says: the state is the overall one of the first request in it.
fn read(octets: &[u8]) -> FloorMessage {
    let at = |index: usize| octets.get(index).copied().unwrap_or_default();
    let mut message = FloorMessage {
        primitive: at(1),
        transaction: u16::from_be_bytes([at(8), at(9)]),
        request: 0,
        status: 0,
        error: 0,
    };
    let mut rest = octets.get(12..).unwrap_or_default();
    while let [first, length, one, two, ..] = rest {
        let length = usize::from(*length).max(4).next_multiple_of(4);
        match first >> 1 {
            6 => message.error = *one,
            // The states are within this group: its first attribute is OVERALL-REQUEST-STATUS, and in that REQUEST-STATUS.
            15 if message.request == 0 => {
                message.request = u16::from_be_bytes([*one, *two]);
                message.status = rest.get(10).copied().unwrap_or_default();
            }
            _ => {}
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    message
}
