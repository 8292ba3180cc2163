//! One bound UDP socket.
//!
//! # Decisions
//!
//! Which of our addresses did the peer reach, when the socket is bound to the wildcard address?
//! Choice: `IP_PKTINFO`, which the kernel attaches to each datagram, read with `recvmsg` of `nix`.
//! Why: a routing lookup towards the peer gives the address *we* would choose, which on a host with
//! several addresses is not the one the peer has chosen, and a NAT or firewall on the peer's side
//! drops an answer from another address (RFC 3581 §4: "the response MUST be sent from the same IP
//! address"). The same control message on sending sets the source. It also needs no cache.
//! Sockets bound to one address take the plain calls. What would change our mind: another kernel.

use super::{BindError, Listen, ShellLimits, Traffic, bind};
use crate::endpoint::{ClientTxId, Flow, FlowId, Transport};
use crate::stun;
use bytes::Bytes;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A bound socket, and what waits for it to become writable.
#[derive(Debug)]
pub(super) struct Datagrams {
    id: FlowId,
    socket: UdpSocket,
    local: SocketAddr,
    /// Space for the packet information; empty if the socket is bound to one address.
    control: Vec<u8>,
    waiting: VecDeque<Datagram>,
    queue_limit: usize,
    batch: usize,
    traffic: Traffic,
}

#[derive(Debug)]
struct Datagram {
    source: Option<IpAddr>,
    remote: SocketAddr,
    bytes: Bytes,
    tx: Option<ClientTxId>,
}

impl Datagrams {
    /// Binds the socket.
    pub(super) fn bind(
        id: FlowId,
        listen: Listen,
        limits: &ShellLimits,
        traffic: Traffic,
    ) -> Result<Self, BindError> {
        let socket = bind::udp(listen, limits)?;
        let prepare = || {
            let local = socket.local_addr()?;
            let control = match local.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => {
                    setsockopt(&socket, Ipv4PacketInfo, &true)?;
                    nix::cmsg_space!(libc::in_pktinfo)
                }
                IpAddr::V6(ip) if ip.is_unspecified() => {
                    setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
                    nix::cmsg_space!(libc::in6_pktinfo)
                }
                IpAddr::V4(_) | IpAddr::V6(_) => Vec::new(),
            };
            Ok((local, control))
        };
        let (local, control) = prepare().map_err(|source| BindError::Other { listen, source })?;
        Ok(Self {
            id,
            socket,
            local,
            control,
            waiting: VecDeque::new(),
            queue_limit: limits.datagram_queue,
            batch: limits.datagram_batch,
            traffic,
        })
    }

    pub(super) fn id(&self) -> FlowId {
        self.id
    }

    /// Where it is bound, with the port the kernel chose.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether a datagram to this address can leave here: the family must be the same, and from
    /// the loopback nothing but the loopback is reached.
    pub(super) fn reaches(&self, remote: SocketAddr) -> bool {
        self.local.is_ipv4() == remote.is_ipv4()
            && (!self.local.ip().is_loopback() || remote.ip().is_loopback())
    }

    /// Whether a datagram can leave here from this address of ours.
    pub(super) fn sends_from(&self, source: IpAddr) -> bool {
        self.local.ip().is_unspecified() || self.local.ip() == source
    }

    /// Reads up to a batch of messages, without waiting between them. Pending: nothing is there.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        mut message: impl FnMut(Flow, Bytes),
    ) -> Poll<()> {
        loop {
            match self.socket.poll_recv_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.traffic.receive_failures.inc();
                    return Poll::Pending;
                }
            }
            let mut found = false;
            for _ in 0..self.batch {
                match self.receive(scratch) {
                    Ok((octets, local, remote)) => {
                        let octets = scratch.get(..octets).unwrap_or_default();
                        if is_keep_alive(octets) {
                            self.traffic.keep_alives.inc();
                            continue;
                        }
                        if stun::is_stun(octets) {
                            self.traffic.keep_alives.inc();
                            if let Some(answer) = stun::answer(octets, remote) {
                                // Lost as any datagram may be: it will be asked for again.
                                let _sent = self.transmit(Some(local.ip()), remote, &answer);
                            }
                            continue;
                        }
                        found = true;
                        self.traffic.received.inc();
                        let flow = Flow {
                            id: self.id,
                            transport: Transport::Udp,
                            local,
                            remote,
                        };
                        message(flow, Bytes::copy_from_slice(octets));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // What ICMP said about an earlier datagram; the socket itself is fine.
                    Err(_) => {
                        self.traffic.receive_failures.inc();
                    }
                }
            }
            if found {
                return Poll::Ready(());
            }
        }
    }

    /// One datagram: its octets, the address it was sent to, and who sent it.
    fn receive(&mut self, scratch: &mut [u8]) -> io::Result<(usize, SocketAddr, SocketAddr)> {
        if self.control.is_empty() {
            let (octets, remote) = self.socket.try_recv_from(scratch)?;
            return Ok((octets, self.local, remote));
        }
        let Self {
            socket,
            control,
            local,
            ..
        } = self;
        socket.try_io(Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(scratch)];
            let received = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut slices,
                Some(control),
                MsgFlags::MSG_DONTWAIT,
            )?;
            let remote = received.address.as_ref().and_then(socket_addr);
            let remote = remote.ok_or(io::ErrorKind::InvalidData)?;
            let reached = received
                .cmsgs()?
                .find_map(|control| reached(&control, local.port()));
            Ok((received.bytes, reached.unwrap_or(*local), remote))
        })
    }

    /// Sends, or queues when the socket is full; false when that is impossible.
    pub(super) fn send(
        &mut self,
        source: Option<IpAddr>,
        remote: SocketAddr,
        bytes: Bytes,
        tx: Option<ClientTxId>,
    ) -> bool {
        if self.waiting.is_empty() {
            match self.transmit(source, remote, &bytes) {
                Ok(()) => {
                    self.traffic.sent.inc();
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.traffic.send_failures.inc();
                    return false;
                }
            }
        }
        if self.waiting.len() >= self.queue_limit {
            self.traffic.send_failures.inc();
            return false;
        }
        self.waiting.push_back(Datagram {
            source,
            remote,
            bytes,
            tx,
        });
        true
    }

    /// Sends what waits, as far as the socket takes it. Ready when nothing waits any longer.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        mut failed: impl FnMut(ClientTxId),
    ) -> Poll<()> {
        while let Some(next) = self.waiting.front() {
            match self.transmit(next.source, next.remote, &next.bytes) {
                Ok(()) => {
                    self.traffic.sent.inc();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.poll_send_ready(cx).is_pending() {
                        return Poll::Pending;
                    }
                    continue;
                }
                Err(_) => {
                    self.traffic.send_failures.inc();
                    if let Some(tx) = next.tx {
                        failed(tx);
                    }
                }
            }
            self.waiting.pop_front();
        }
        Poll::Ready(())
    }

    fn transmit(&self, source: Option<IpAddr>, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let sent = match (source, self.control.is_empty()) {
            (None, _) | (Some(_), true) => self.socket.try_send_to(bytes, remote)?,
            (Some(source), false) => self.socket.try_io(Interest::WRITABLE, || {
                let slices = [IoSlice::new(bytes)];
                let to = SockaddrStorage::from(remote);
                let fd = self.socket.as_raw_fd();
                let flags = MsgFlags::MSG_DONTWAIT;
                let sent = match source {
                    IpAddr::V4(ip) => {
                        let info = packet_info_v4(ip);
                        let control = [ControlMessage::Ipv4PacketInfo(&info)];
                        sendmsg(fd, &slices, &control, flags, Some(&to))
                    }
                    IpAddr::V6(ip) => {
                        let info = libc::in6_pktinfo {
                            ipi6_addr: libc::in6_addr {
                                s6_addr: ip.octets(),
                            },
                            ipi6_ifindex: 0,
                        };
                        let control = [ControlMessage::Ipv6PacketInfo(&info)];
                        sendmsg(fd, &slices, &control, flags, Some(&to))
                    }
                };
                Ok(sent?)
            })?,
        };
        if sent < bytes.len() {
            Err(io::ErrorKind::WriteZero.into())
        } else {
            Ok(())
        }
    }
}

/// The address the kernel takes towards this remote. Nothing is sent: connecting a datagram socket
/// only looks the route up.
pub(super) fn route_source(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

fn packet_info_v4(source: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(source.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

/// The address a datagram was sent to, if this control message tells.
fn reached(control: &ControlMessageOwned, port: u16) -> Option<SocketAddr> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the kernel has many control messages"
    )]
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let ip = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, port).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            // Only a link-local address needs the interface to mean something.
            let scope = if ip.is_unicast_link_local() {
                info.ipi6_ifindex
            } else {
                0
            };
            Some(SocketAddrV6::new(ip, port, 0, scope).into())
        }
        _ => None,
    }
}

fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}

/// Devices hold their NAT bindings open with nothing, CRLFs, blanks or zero octets.
fn is_keep_alive(octets: &[u8]) -> bool {
    octets
        .iter()
        .all(|octet| matches!(octet, b'\r' | b'\n' | b' ' | b'\t' | 0))
}
