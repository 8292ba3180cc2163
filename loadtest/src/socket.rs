//! A loopback UDP socket whose packets carry the time at which the kernel took them in.

use crate::clock::{self, Moment};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Octets a datagram may have; a longer one is cut.
pub const DATAGRAM: usize = 4096;

/// Where a datagram is received into, again and again.
#[derive(Debug)]
pub struct Inbox {
    octets: [u8; DATAGRAM],
    length: usize,
    control: Vec<u8>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            octets: [0; DATAGRAM],
            length: 0,
            control: nix::cmsg_space!(TimeSpec),
        }
    }

    /// The datagram that was received last.
    pub fn datagram(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// The same, to be decrypted where it is.
    pub fn datagram_mut(&mut self) -> &mut [u8] {
        self.octets.get_mut(..self.length).unwrap_or_default()
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// A non-blocking UDP socket on loopback.
#[derive(Debug)]
pub struct LoopbackSocket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl LoopbackSocket {
    /// Binds to `address` with a receive buffer of `buffer` octets.
    ///
    /// Fails with `InvalidInput` for an address that is not loopback: load is for the own machine only.
    pub fn bind(address: SocketAddr, buffer: usize) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let fault = format!("{address} is not loopback");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(buffer)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// Binds an even port and the next one: RTP and RTCP (RFC 3550 §11).
    pub fn bind_pair(ip: IpAddr, buffer: usize) -> io::Result<(Self, Self)> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..256 {
            let rtp = Self::bind(SocketAddr::new(ip, 0), buffer)?;
            let port = rtp.local.port();
            if port % 2 == 1 || port == u16::MAX {
                continue;
            }
            match Self::bind(SocketAddr::new(ip, port + 1), 1 << 14) {
                Ok(rtcp) => return Ok((rtp, rtcp)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends one datagram; `false` when the kernel had no room or the peer's port is closed.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> bool {
        self.socket.send_to(datagram, to).is_ok()
    }

    /// Takes the next datagram into `inbox` and tells when the kernel took it in; `None` when there
    /// is no more.
    pub fn receive(&self, inbox: &mut Inbox) -> Option<Moment> {
        loop {
            let mut vector = [IoSliceMut::new(&mut inbox.octets)];
            let got = recvmsg::<SockaddrIn>(
                self.socket.as_raw_fd(),
                &mut vector,
                Some(&mut inbox.control),
                MsgFlags::MSG_DONTWAIT,
            );
            match got {
                Ok(message) => {
                    let stamped = message.cmsgs().ok().and_then(|mut all| {
                        all.find_map(|control| {
                            let ControlMessageOwned::ScmTimestampns(spec) = control else {
                                return None;
                            };
                            Some(clock::stamp(spec))
                        })
                    });
                    inbox.length = message.bytes;
                    return Some(stamped.unwrap_or_else(clock::now));
                }
                // A port that was closed on the far side shows here once per ICMP message.
                Err(nix::Error::ECONNREFUSED | nix::Error::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for LoopbackSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
