//! The sockets of one client of floor control: UDP and TCP on one port, of which the agreement leaves one.

use super::ports::{Lease, PortPool};
use plenum_media::bfcp::stream::MessageStream;
use plenum_media::sdp::floor::{AgreedFloor, FloorTransport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

/// Sockets that wait for an agreement.
#[derive(Debug)]
pub(in crate::shell) struct FloorSockets {
    udp: UdpSocket,
    tcp: TcpListener,
    lease: Lease,
}

impl FloorSockets {
    /// Leases a port and binds it for both transports to the first of `addresses` that is one of this machine.
    pub(in crate::shell) fn open(pool: &Arc<PortPool>, addresses: &[IpAddr]) -> io::Result<Self> {
        let mut addresses = addresses.iter().copied();
        let mut address = addresses.next().ok_or(ErrorKind::AddrNotAvailable)?;
        // Leases of taken ports are held until the search is over, so that it goes on behind them.
        let mut taken = Vec::new();
        let mut lease = pool.lease().ok_or(ErrorKind::AddrInUse)?;
        loop {
            match bind(SocketAddr::new(address, lease.port())) {
                Ok((udp, tcp)) => return Ok(Self { udp, tcp, lease }),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    taken.push(lease);
                    lease = pool.lease().ok_or(ErrorKind::AddrInUse)?;
                }
                Err(error) => address = addresses.next().ok_or(error)?,
            }
        }
    }

    /// The port.
    pub(in crate::shell) fn port(&self) -> u16 {
        self.lease.port()
    }
}

fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let udp = UdpSocket::bind(address)?;
    udp.set_nonblocking(true)?;
    let domain = Domain::for_address(address);
    let tcp = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the call before, long over, do not keep the port.
    tcp.set_reuse_address(true)?;
    tcp.set_nonblocking(true)?;
    tcp.bind(&address.into())?;
    tcp.listen(2)?;
    Ok((udp, tcp.into()))
}

/// The way to one client.
#[derive(Debug)]
pub(in crate::shell) struct FloorLink {
    way: Way,
    /// Hosts that the client's messages may come from: the one it named, and the one of its signalling.
    hosts: [Option<IpAddr>; 2],
    message: usize,
    _lease: Lease,
}

#[derive(Debug)]
enum Way {
    Udp {
        socket: UdpSocket,
        /// Where the client was heard last, or said that it is.
        to: SocketAddr,
    },
    Passive {
        listener: TcpListener,
        connection: Option<Connection>,
    },
    Active {
        connection: Option<Connection>,
    },
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    stream: MessageStream,
    /// What the kernel has not taken yet.
    unsent: Vec<u8>,
}

/// Something of a client.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shell) enum Heard {
    /// A message.
    Message(Vec<u8>),
    /// The connection is closed, or was of no use any more.
    Closed,
    /// It came from elsewhere.
    Stray,
}

/// Octets that may wait for a client that reads nothing. Beyond: its connection is closed.
const UNSENT: usize = 16 * 1_024;

impl FloorLink {
    /// What was agreed on with a client; `message`: octets of a message at most.
    pub(in crate::shell) fn new(
        sockets: FloorSockets,
        agreed: &AgreedFloor,
        signalled_from: Option<IpAddr>,
        message: usize,
    ) -> Self {
        let FloorSockets { udp, tcp, lease } = sockets;
        let way = match agreed.section.transport {
            FloorTransport::Udp => Way::Udp {
                socket: udp,
                to: agreed.remote,
            },
            FloorTransport::TcpPassive => Way::Passive {
                listener: tcp,
                connection: None,
            },
            FloorTransport::TcpActive => Way::Active {
                connection: Connection::to(agreed.remote, message),
            },
        };
        Self {
            way,
            hosts: [Some(agreed.remote.ip()), signalled_from],
            message,
            _lease: lease,
        }
    }

    /// It speaks by datagrams.
    pub(in crate::shell) fn is_udp(&self) -> bool {
        matches!(self.way, Way::Udp { .. })
    }

    /// Another agreement on the same transport: where the client is now.
    pub(in crate::shell) fn follow(&mut self, agreed: &AgreedFloor) {
        let [named, _] = &mut self.hosts;
        *named = Some(agreed.remote.ip());
        match &mut self.way {
            Way::Udp { to, .. } => *to = agreed.remote,
            Way::Active { connection } if !agreed.section.existing => {
                *connection = Connection::to(agreed.remote, self.message);
            }
            Way::Active { .. } | Way::Passive { .. } => {}
        }
    }

    /// What has come, at most `most` messages.
    pub(in crate::shell) fn receive(&mut self, buffer: &mut [u8], most: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        let hosts = self.hosts;
        let known = |from: SocketAddr| hosts.contains(&Some(from.ip().to_canonical()));
        match &mut self.way {
            Way::Udp { socket, to } => {
                while heard.len() < most
                    && let Ok((length, from)) = socket.recv_from(buffer)
                {
                    if known(from) {
                        *to = from;
                        let octets = buffer.get(..length).unwrap_or_default();
                        heard.push(Heard::Message(octets.to_vec()));
                    } else {
                        heard.push(Heard::Stray);
                    }
                }
            }
            Way::Passive {
                listener,
                connection,
            } => {
                if let Ok((socket, from)) = listener.accept() {
                    if known(from) {
                        // RFC 4145 §5: a client that connects anew has lost what it had.
                        heard.extend(connection.take().map(|_| Heard::Closed));
                        *connection = Connection::of(socket, self.message);
                    } else {
                        heard.push(Heard::Stray);
                    }
                }
                Connection::read(connection, buffer, most, &mut heard);
            }
            Way::Active { connection } => Connection::read(connection, buffer, most, &mut heard),
        }
        heard
    }

    /// Sends a message. What cannot be sent over UDP is repeated; over TCP the connection is at its end.
    pub(in crate::shell) fn send(&mut self, octets: &[u8]) {
        match &mut self.way {
            Way::Udp { socket, to } => drop(socket.send_to(octets, *to)),
            Way::Passive { connection, .. } | Way::Active { connection } => {
                if let Some(open) = connection {
                    open.unsent.extend_from_slice(octets);
                    open.flush();
                }
            }
        }
    }
}

impl Connection {
    fn of(socket: TcpStream, message: usize) -> Option<Self> {
        socket.set_nonblocking(true).ok()?;
        // Messages are short and far between.
        socket.set_nodelay(true).ok()?;
        Some(Self {
            socket,
            stream: MessageStream::new(message),
            unsent: Vec::new(),
        })
    }

    /// Begins to connect; whether it came to be shows when it is read or written.
    fn to(remote: SocketAddr, message: usize) -> Option<Self> {
        let domain = Domain::for_address(remote);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).ok()?;
        socket.set_nonblocking(true).ok()?;
        // It is under way, which non-blocking sockets call an error.
        drop(socket.connect(&remote.into()));
        Self::of(socket.into(), message)
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written.min(self.unsent.len()))),
                // The next round sends the rest, or reads that the connection is closed.
                Err(_) => return,
            }
        }
    }

    fn read(this: &mut Option<Self>, buffer: &mut [u8], most: usize, heard: &mut Vec<Heard>) {
        let Some(open) = this else {
            return;
        };
        open.flush();
        let mut ended = open.unsent.len() > UNSENT;
        while !ended && heard.len() < most {
            match open.stream.next_message() {
                Ok(Some(message)) => {
                    heard.push(Heard::Message(message));
                    continue;
                }
                Ok(None) => {}
                Err(_) => {
                    ended = true;
                    continue;
                }
            }
            match open.socket.read(buffer) {
                Ok(0) => ended = true,
                Ok(length) => {
                    let octets = buffer.get(..length).unwrap_or_default();
                    // Messages are taken out before there is no room for more.
                    ended = open.stream.push(octets) < octets.len();
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return;
                }
                Err(_) => ended = true,
            }
        }
        if ended {
            *this = None;
            heard.push(Heard::Closed);
        }
    }
}
