//! Binding sockets, with errors that say what to do.

use super::ShellLimits;
use crate::endpoint::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, UdpSocket};

/// An address to listen on. `[::]` listens on IPv6 only; add `0.0.0.0` for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// The address; port 0 lets the kernel choose one.
    pub addr: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        };
        write!(f, "{transport} {}", self.addr)
    }
}

/// Why an address could not be listened on, and what to do about it. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {0}: the address is in use; \
         stop the program that holds it (`ss -lnp` shows it) or choose another port"
    )]
    InUse(Listen),
    /// The address is not one of this host.
    #[error(
        "cannot listen on {0}: no interface of this host has that address; \
         take one that `ip address` shows, or the wildcard address"
    )]
    NotOurs(Listen),
    /// The port needs a privilege we do not have.
    #[error(
        "cannot listen on {0}: permission denied; \
         choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
    )]
    Denied(Listen),
    /// The process has no certificate.
    #[error("cannot listen on {0}: there is no certificate; name one in [[tls.certificate]]")]
    Unsupported(Listen),
    /// Anything else.
    #[error("cannot listen on {listen}: {source}; check that the host has this address family")]
    Other {
        /// Where.
        listen: Listen,
        /// What the kernel says.
        source: io::Error,
    },
}

impl BindError {
    fn new(listen: Listen, source: io::Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the kinds are the standard library's"
        )]
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(listen),
            io::ErrorKind::AddrNotAvailable => Self::NotOurs(listen),
            io::ErrorKind::PermissionDenied => Self::Denied(listen),
            _ => Self::Other { listen, source },
        }
    }
}

/// A bound UDP socket with large buffers.
pub(super) fn udp(listen: Listen, limits: &ShellLimits) -> Result<UdpSocket, BindError> {
    let bind = || {
        let socket = open(listen.addr, Type::DGRAM, Protocol::UDP)?;
        // The kernel gives what `net.core.rmem_max` allows; less than asked for is no error.
        socket.set_recv_buffer_size(limits.datagram_receive_buffer)?;
        socket.set_send_buffer_size(limits.datagram_send_buffer)?;
        socket.bind(&listen.addr.into())?;
        UdpSocket::from_std(socket.into())
    };
    bind().map_err(|error| BindError::new(listen, error))
}

/// A listening TCP socket.
pub(super) fn tcp(listen: Listen) -> Result<TcpListener, BindError> {
    let bind = || {
        let socket = open(listen.addr, Type::STREAM, Protocol::TCP)?;
        // Connections of a previous process in TIME_WAIT must not keep us from starting.
        socket.set_reuse_address(true)?;
        socket.bind(&listen.addr.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    bind().map_err(|error| BindError::new(listen, error))
}

fn open(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.is_ipv6() {
        // One socket, one family: the peer's IPv4 address never appears as ::ffff:a.b.c.d.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Connections the kernel may hold for us before accept.
const BACKLOG: i32 = 1024;
