//! A leg's sockets: RTP on an even port, RTCP one above unless the two share one (RFC 5761).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use plenum_media::leg::AudioLeg;
use plenum_media::path::{
    Inbound, MediaPath, NegotiatedPath, PathEvent, PathOutput, PayloadTypes, Way,
};
use plenum_media::video::leg::VideoLeg;
use prometheus_client::metrics::gauge::Gauge;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::bundle::Trunk;
use super::ports::{Lease, PortPool};
use super::receive::Receiver;

/// The sockets of one leg. Dropping them closes the ports and gives back what the leg had reserved.
#[derive(Debug)]
pub struct Sockets {
    /// RTP, and RTCP where shared.
    pub rtp: UdpSocket,
    /// The only address RTP is taken from, if the kernel keeps the others away.
    connected: Option<SocketAddr>,
    /// RTCP where it has a port of its own; `None` once both sides agreed to send it on the RTP port.
    pub rtcp: Option<UdpSocket>,
    /// RTP and RTCP of the other address family, where the peer's checks may choose it: the path's socket 2.
    other: Option<Bound>,
    /// What packets go through where there is more than plain RTP.
    pub path: Option<Box<MediaPath>>,
    /// Pictures share the path.
    trunk: Option<Box<Trunk>>,
    address: IpAddr,
    buffer: usize,
    lease: Lease,
    place: Option<Place>,
}

/// A pair of sockets on leased ports.
#[derive(Debug)]
pub struct Bound {
    /// On the even port.
    pub rtp: UdpSocket,
    /// On the one above.
    pub rtcp: UdpSocket,
    /// Where both are bound.
    pub address: IpAddr,
    buffer: usize,
    lease: Lease,
}

impl Bound {
    /// Leases a pair and binds it to the first of `addresses` that is one of this machine, passing over ports some
    /// other process has.
    ///
    /// # Errors
    /// `AddrInUse` when no pair is free, else what the kernel said.
    pub fn open(pool: &Arc<PortPool>, addresses: &[IpAddr], buffer: usize) -> io::Result<Self> {
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
                        rtcp,
                        address,
                        buffer,
                        lease,
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

    /// The even port.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }
}

impl Sockets {
    /// The sockets of a leg that has a place.
    pub fn new(bound: Bound, place: Place) -> Self {
        let Bound {
            rtp,
            rtcp,
            address,
            buffer,
            lease,
        } = bound;
        Self {
            rtp,
            connected: None,
            rtcp: Some(rtcp),
            other: None,
            path: None,
            trunk: None,
            address,
            buffer,
            lease,
            place: Some(place),
        }
    }

    /// As [`Bound::open`], for a leg that has a place.
    ///
    /// # Errors
    /// The same.
    pub fn open(
        pool: &Arc<PortPool>,
        addresses: &[IpAddr],
        buffer: usize,
        place: Place,
    ) -> io::Result<Self> {
        Bound::open(pool, addresses, buffer).map(|bound| Self::new(bound, place))
    }

    /// The leg goes to another worker, where it has this place.
    pub(super) fn move_to(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Gives the RTP socket a receive buffer of so many octets; where the kernel has not so many, it stays as it is.
    pub(super) fn widen(&mut self, buffer: usize) {
        self.buffer = buffer;
        drop(SockRef::from(&self.rtp).set_recv_buffer_size(buffer));
    }

    /// The place of a leg that needs no sockets of its own.
    pub(super) fn into_place(mut self) -> Option<Place> {
        self.place.take()
    }

    /// Pictures share the path from now on, or go on doing so; `sound` are the payload types of sound.
    pub(super) fn bundle(&mut self, fresh: Option<Box<Trunk>>, sound: PayloadTypes) {
        if let Some(trunk) = fresh {
            self.widen(trunk.buffer);
            if let Some(other) = &self.other {
                drop(SockRef::from(&other.rtp).set_recv_buffer_size(trunk.buffer));
            }
            self.trunk = Some(trunk);
        }
        if let Some(trunk) = &mut self.trunk {
            trunk.renew(sound);
        }
    }

    /// Those who share the path hear what is different of it.
    fn say_shared(&mut self) {
        if let (Some(trunk), Some(path)) = (&mut self.trunk, &self.path) {
            let other = self.other.as_ref().map(|other| &other.rtp);
            trunk.say(path, [Some(&self.rtp), self.rtcp.as_ref(), other]);
        }
    }

    /// Takes a socket of the other address family along, for peers that share one port for RTP and RTCP.
    pub(super) fn join(&mut self, other: Bound) {
        self.other = Some(other);
    }

    /// The port of the socket of the other family.
    pub(super) fn other_port(&self) -> Option<u16> {
        self.other.as_ref().map(Bound::port)
    }

    /// The socket that a path knows by this number.
    fn by(&self, via: u8) -> &UdpSocket {
        let found = match via {
            1 => self.rtcp.as_ref(),
            2 => self.other.as_ref().map(|other| &other.rtp),
            _ => None,
        };
        found.unwrap_or(&self.rtp)
    }

    /// Connects the RTP socket to the only source that is of interest, or opens it to all again.
    pub fn hear_only(&mut self, source: Option<SocketAddr>) {
        // A socket of all addresses would be bound to one of them by it, which need not be the one the peer knows.
        if source == self.connected || self.address.is_unspecified() {
            return;
        }
        self.connected = match source {
            // Where it cannot be, it stays open to all, which is merely dearer.
            Some(source) => self.rtp.connect(source).ok().map(|()| source),
            // Where it cannot be opened for now, the next tick tries again.
            None => match self.reopened() {
                Ok(rtp) => {
                    self.rtp = rtp;
                    None
                }
                Err(_) => self.connected,
            },
        };
    }

    /// Another RTP socket on the same port, which the one there is gives way to.
    fn reopened(&self) -> io::Result<UdpSocket> {
        let old = SockRef::from(&self.rtp);
        let new = unbound(self.address, self.buffer)?;
        old.set_reuse_address(true)?;
        new.set_reuse_address(true)?;
        new.bind(&SocketAddr::new(self.address, self.port()).into())?;
        // Nobody else is to come in.
        new.set_reuse_address(false)?;
        Ok(new.into())
    }

    /// Sends from the RTP port.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send_rtp(&self, to: SocketAddr, packet: &[u8]) -> io::Result<usize> {
        if self.connected == Some(to) {
            // An ICMP error about an earlier packet makes a call fail, and is gone with it.
            self.rtp.send(packet).or_else(|_| self.rtp.send(packet))
        } else {
            self.rtp.send_to(packet, to)
        }
    }

    /// Another agreement on how packets travel: the path that there is goes on with it, or `fresh` begins.
    pub fn follow(
        &mut self,
        now: Instant,
        fresh: Option<Box<MediaPath>>,
        agreed: Option<&NegotiatedPath>,
    ) {
        match (&mut self.path, agreed) {
            (Some(path), Some(agreed)) => path.apply(now, agreed),
            (path, _) => {
                let before = std::mem::replace(path, fresh);
                if let Some(mut before) = before {
                    before.close(now);
                    self.say(&mut before);
                }
            }
        }
        if self.path.is_some() {
            self.hear_only(None);
        } else {
            self.trunk = None;
        }
    }

    /// Sends what a path wants sent. Returns why it failed, if it did.
    fn drain(&mut self) -> Option<String> {
        let mut path = self.path.take()?;
        let failed = self.say(&mut path);
        self.path = Some(path);
        failed
    }

    fn say(&self, path: &mut MediaPath) -> Option<String> {
        let mut failed = None;
        loop {
            match path.poll_output() {
                PathOutput::Transmit { via, to, octets } => {
                    // What is lost is repeated.
                    drop(self.by(via).send_to(&octets, to));
                }
                PathOutput::Event(PathEvent::Failed(failure)) => failed = Some(failure.to_string()),
                PathOutput::Event(PathEvent::Unreachable) => {
                    failed = Some("no address of the peer can be reached (ICE)".to_owned());
                }
                PathOutput::Event(PathEvent::ConsentLost) => {
                    failed = Some("the peer is gone (RFC 7675)".to_owned());
                }
                PathOutput::Event(PathEvent::Ready | PathEvent::Selected { .. }) => {}
                PathOutput::Timeout(_) => return failed,
            }
        }
    }

    /// Reads what came for a leg with a path; once nothing but media comes, the RTCP port only where `rtcp` says so.
    /// Returns how many datagrams there were.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        receiver: &mut Receiver,
        most: usize,
        rtcp: bool,
        leg: &mut impl Inlet,
    ) -> u64 {
        let Some(path) = &mut self.path else {
            return 0;
        };
        let settled = path.is_settled();
        let trunk = self.trunk.as_deref();
        let most = trunk.map_or(most, |trunk| trunk.most);
        let mut take = |via: u8, arrival: Instant, from: SocketAddr, packet: &mut [u8]| {
            let taken = match trunk {
                None => path.handle_datagram(arrival, via, from, packet),
                Some(trunk) => {
                    let mut aside = |datagram: &[u8]| trunk.hand_over(arrival, datagram);
                    path.handle_shared(arrival, via, from, packet, trunk.sound(), &mut aside)
                }
            };
            match taken {
                Inbound::Rtp(packet) => {
                    leg.handle_rtp(arrival, path.source(from), packet);
                    leg.expects_more(now) || trunk.is_some()
                }
                Inbound::Rtcp(packet) => {
                    leg.handle_rtcp(arrival, path.source(from), packet);
                    true
                }
                Inbound::Consumed | Inbound::Refused(_) => true,
            }
        };
        let mut count = receiver.read(&self.rtp, most, |arrival, from, packet| {
            take(0, arrival, from, packet)
        });
        if let Some(socket) = self.rtcp.as_ref().filter(|_| rtcp || !settled) {
            count += receiver.read(socket, most, |arrival, from, packet| {
                take(1, arrival, from, packet)
            });
        }
        if let Some(other) = &self.other {
            count += receiver.read(&other.rtp, most, |arrival, from, packet| {
                take(2, arrival, from, packet)
            });
        }
        self.hear_only(leg.only_source(now).filter(|_| settled));
        self.say_shared();
        count
    }

    /// Sends a packet of component 0 (RTP) or 1 (RTCP) as the leg's path has it; `made` is room for its form on the
    /// wire. Until there are keys, or a way to the peer, nothing goes out. False if the kernel refused it.
    pub(super) fn send_by_path(
        &mut self,
        component: u8,
        to: SocketAddr,
        packet: &[u8],
        made: &mut Vec<u8>,
    ) -> bool {
        let Some(path) = &mut self.path else {
            return true;
        };
        let protected = match component {
            0 => path.protect_rtp(packet, made),
            _ => path.protect_rtcp(packet, made),
        };
        if protected.is_err() {
            return true;
        }
        if !path.protects() {
            made.clear();
            made.extend_from_slice(packet);
        }
        let (via, to) = match path.way(component, made) {
            Way::Signalled if to.ip().is_unspecified() => return true,
            Way::Signalled => (component, to),
            Way::Selected { via, to } => (via, to),
            Way::None => return true,
        };
        if self.connected == Some(to) {
            return self.send_rtp(to, made).is_ok();
        }
        self.by(via).send_to(made, to).is_ok()
    }

    /// Goes on with what costs little: answers to checks, consent, the end of old keys. Returns why the path failed, if
    /// it did, and whether a handshake waits for [`Self::drive`].
    pub(super) fn keep_up(&mut self, now: Instant) -> (Option<String>, bool) {
        let Some(path) = self.path.as_mut().filter(|path| path.is_due(now)) else {
            return (None, false);
        };
        if path.has_work(now) {
            return (self.drain(), true);
        }
        (self.drive(now), false)
    }

    /// Goes on with the path's handshakes and sends what it wants sent. Returns why it failed, if it did.
    pub(super) fn drive(&mut self, now: Instant) -> Option<String> {
        self.path.as_mut()?.handle_timeout(now);
        self.drain()
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

impl Drop for Sockets {
    /// The peer and the servers are told, before the ports are another leg's.
    fn drop(&mut self) {
        if let Some(mut path) = self.path.take() {
            path.close(now());
            self.say(&mut path);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}

/// Where packets go that came by a path.
pub(super) trait Inlet {
    /// One RTP packet, plain.
    fn handle_rtp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]);
    /// One RTCP packet, plain.
    fn handle_rtcp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]);
    /// More may be due than what came.
    fn expects_more(&self, now: Instant) -> bool;
    /// The only address RTP can come from as things are.
    fn only_source(&self, now: Instant) -> Option<SocketAddr>;
}

impl Inlet for AudioLeg {
    fn expects_more(&self, now: Instant) -> bool {
        Self::expects_more(self, now)
    }

    fn only_source(&self, now: Instant) -> Option<SocketAddr> {
        Self::only_source(self, now)
    }

    fn handle_rtp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]) {
        Self::handle_rtp(self, arrival, from, packet);
    }

    fn handle_rtcp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]) {
        Self::handle_rtcp(self, arrival, from, packet);
    }
}

impl Inlet for VideoLeg {
    /// A picture is many packets.
    fn expects_more(&self, _now: Instant) -> bool {
        true
    }

    /// Many packets at once gain little by a connected socket.
    fn only_source(&self, _now: Instant) -> Option<SocketAddr> {
        None
    }

    fn handle_rtp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]) {
        Self::handle_rtp(self, arrival, from, packet);
    }

    fn handle_rtcp(&mut self, arrival: Instant, from: SocketAddr, packet: &[u8]) {
        Self::handle_rtcp(self, arrival, from, packet);
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
    let socket = unbound(address.ip(), buffer)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn unbound(address: IpAddr, buffer: usize) -> io::Result<Socket> {
    let domain = if address.is_ipv6() {
        Domain::IPV6
    } else {
        Domain::IPV4
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(buffer)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn got(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 16];
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn a_connected_socket_hears_one_source_until_it_is_opened_again() {
        let pool = Arc::new(PortPool::new(41_100, 41_109, 0, Gauge::default()));
        let legs = Arc::new(AtomicUsize::new(0));
        let place = Place::take(&legs, 1, &Gauge::default()).unwrap();
        let address = [IpAddr::from([127, 0, 0, 1])];
        let mut sockets = Sockets::open(&pool, &address, 65_536, place).unwrap();
        sockets.rtp.set_nonblocking(false).unwrap();
        let patience = Some(Duration::from_secs(5));
        sockets.rtp.set_read_timeout(patience).unwrap();
        let here = SocketAddr::new(address[0], sockets.port());
        let [phone, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let at = phone.local_addr().unwrap();
        for socket in [&phone, &other] {
            socket.set_read_timeout(patience).unwrap();
        }

        sockets.hear_only(Some(at));
        other.send_to(b"stray", here).unwrap();
        phone.send_to(b"voice", here).unwrap();
        assert_eq!(got(&sockets.rtp), b"voice");
        sockets.send_rtp(at, b"one").unwrap();
        sockets
            .send_rtp(other.local_addr().unwrap(), b"two")
            .unwrap();
        assert_eq!(
            (got(&phone), got(&other)),
            (b"one".to_vec(), b"two".to_vec())
        );

        // Only an ICMP error, which other's kernel got for the stray one, may be in the way.
        sockets.hear_only(None);
        drop(
            other
                .send_to(b"moved", here)
                .or_else(|_| other.send_to(b"moved", here)),
        );
        assert_eq!(got(&sockets.rtp), b"moved");
        sockets.send_rtp(at, b"still").unwrap();
        assert_eq!(got(&phone), b"still");
        let taken = UdpSocket::bind(here).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }
}
