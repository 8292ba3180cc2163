//! A leg's sockets: RTP on an even port, RTCP one above unless the two share one (RFC 5761).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use prometheus_client::metrics::gauge::Gauge;
use socket2::{Domain, Protocol, Socket, Type};

use super::ports::{Lease, PortPool};

/// The sockets of one leg. Dropping them closes the ports and gives back what the leg had reserved.
#[derive(Debug)]
pub struct Sockets {
    /// RTP, and RTCP where shared.
    pub rtp: UdpSocket,
    /// RTCP where it has a port of its own; `None` once both sides agreed to send it on the RTP port.
    pub rtcp: Option<UdpSocket>,
    address: IpAddr,
    buffer: usize,
    lease: Lease,
    _place: Place,
}

impl Sockets {
    /// Leases a pair and binds it to the first of `addresses` that is one of this machine, passing over ports some
    /// other process has.
    ///
    /// # Errors
    /// `AddrInUse` when no pair is free, else what the kernel said.
    pub fn open(
        pool: &Arc<PortPool>,
        addresses: &[IpAddr],
        buffer: usize,
        place: Place,
    ) -> io::Result<Self> {
        let mut addresses = addresses.iter().copied();
        let mut address = addresses.next().ok_or(ErrorKind::AddrNotAvailable)?;
        // Leases of taken ports are held until the search is over, so that it goes on behind them.
        let mut taken = Vec::new();
        let mut lease = pool.lease().ok_or(ErrorKind::AddrInUse)?;
        loop {
            match bind_pair(address, lease.port(), buffer) {
                Ok((rtp, rtcp)) => {
                    return Ok(Self {
                        rtp,
                        rtcp: Some(rtcp),
                        address,
                        buffer,
                        lease,
                        _place: place,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    taken.push(lease);
                    lease = pool.lease().ok_or(ErrorKind::AddrInUse)?;
                }
                // Not an address of this machine, or a link-local one, which needs an interface beside it.
                Err(error) => address = addresses.next().ok_or(error)?,
            }
        }
    }

    /// RTCP shares the RTP port from now on, or has its own again (RFC 5761 §5.1.1).
    pub fn share(&mut self, rtcp_mux: bool) {
        if rtcp_mux {
            self.rtcp = None;
        } else if self.rtcp.is_none() {
            let address = SocketAddr::new(self.address, self.port().saturating_add(1));
            // Without it the call goes on, only the reports are missing.
            self.rtcp = bind(address, self.buffer).ok();
        }
    }

    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }
}

/// A place for one leg on a worker; given back when dropped.
#[derive(Debug)]
pub struct Place {
    legs: Arc<AtomicUsize>,
    gauge: Gauge,
}

impl Place {
    /// Takes a place, unless `most` are taken.
    pub fn take(legs: &Arc<AtomicUsize>, most: usize, gauge: &Gauge) -> Option<Self> {
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        legs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        gauge.inc();
        Some(Self {
            legs: Arc::clone(legs),
            gauge: gauge.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.legs.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

fn bind_pair(address: IpAddr, port: u16, buffer: usize) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = bind(SocketAddr::new(address, port), buffer)?;
    let rtcp = bind(SocketAddr::new(address, port.saturating_add(1)), buffer)?;
    Ok((rtp, rtcp))
}

fn bind(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(buffer)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
