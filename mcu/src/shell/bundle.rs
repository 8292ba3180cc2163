//! Pictures that share the transport of sound (RFC 9143): what goes between the mixing thread, which has sockets and path,
//! and the packet thread of video.
//!
//! | from | to | what | how |
//! |---|---|---|---|
//! | [`Trunk`] | [`Branch`] | datagrams that may be of pictures, protected as they came | a bounded queue of slots made beforehand |
//! | [`Trunk`] | [`Branch`] | keys, the way to the peer, duplicates of the sockets | a state with a version, when it differs |
//! | [`Branch`] | the peer | pictures and their reports | the duplicate of the socket |
//!
//! # Decisions
//!
//! *The mixing thread never waits.* A datagram that finds no place is dropped, as if the network had lost it. The state is
//! written where nobody else looks at it at that moment, else at the next tick.
//!
//! *Neither ends with the pictures.* A branch stays until its trunk goes with the path: its keys have counted what came
//! (RFC 3711 §3.3.1), which pictures that come back go on with.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Instant;

use plenum_media::crypto::dtls::Keys;
use plenum_media::path::sections::{Section, Sections};
use plenum_media::path::{self, Inbound, MediaPath, PathConfig, PayloadTypes, Reach};
use plenum_media::rtp::packet::Packet;
use plenum_media::sdp::Session;
use plenum_media::sdp::video::Role;
use prometheus_client::metrics::counter::Counter;

/// Octets of a datagram that is handed over. Longer ones do not come over the networks that there are.
const LONGEST: usize = 1_500;

/// A datagram on its way to the other thread.
struct Datagram {
    arrival: Instant,
    length: usize,
    octets: [u8; LONGEST],
}

/// What the branch needs to know of the path.
#[derive(Debug, Default)]
struct State {
    keys: Option<Keys>,
    reach: Option<Reach>,
    /// By the numbers of the path.
    sockets: [Option<Arc<UdpSocket>>; 3],
}

/// The state, and how often it was another one.
#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    state: Mutex<State>,
}

/// The end of sound.
pub(super) struct Trunk {
    queue: SyncSender<Datagram>,
    shared: Arc<Shared>,
    sound: PayloadTypes,
    /// Of the path, what was written last.
    said: Option<(u64, Option<Reach>)>,
    dropped: Counter,
    /// Datagrams that are read at a time.
    pub(super) most: usize,
    /// Octets of the kernel's buffer.
    pub(super) buffer: usize,
}

/// The end of pictures.
pub(super) struct Branch {
    queue: Receiver<Datagram>,
    shared: Arc<Shared>,
    seen: u64,
    path: path::Branch,
    sockets: [Option<Arc<UdpSocket>>; 3],
    sections: Sections<Role>,
}

/// A packet of pictures, plain and authentic.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'p> {
    /// RTP of these pictures.
    Rtp(Role, &'p [u8]),
    /// RTCP, which any of them may be meant by.
    Rtcp(&'p [u8]),
}

/// Two ends; `most` datagrams wait between them.
pub(super) fn pair(
    config: PathConfig,
    most: usize,
    buffer: usize,
    dropped: Counter,
) -> (Trunk, Branch) {
    let (sender, receiver) = sync_channel(most.max(1));
    let shared = Arc::<Shared>::default();
    let trunk = Trunk {
        queue: sender,
        shared: Arc::clone(&shared),
        sound: PayloadTypes::default(),
        said: None,
        dropped,
        most: most.max(1),
        buffer,
    };
    let branch = Branch {
        queue: receiver,
        shared,
        seen: 0,
        path: path::Branch::new(config),
        sockets: Default::default(),
        sections: Sections::default(),
    };
    (trunk, branch)
}

impl Trunk {
    /// The payload types of sound are these from now on, and the sockets may be others.
    pub(super) fn renew(&mut self, sound: PayloadTypes) {
        self.sound = sound;
        self.said = None;
    }

    /// The payload types of sound.
    pub(super) fn sound(&self) -> PayloadTypes {
        self.sound
    }

    /// A datagram that may be of pictures.
    pub(super) fn hand_over(&self, arrival: Instant, datagram: &[u8]) {
        let mut octets = [0; LONGEST];
        let length = datagram.len();
        let fits = octets
            .get_mut(..length)
            .map(|slot| slot.copy_from_slice(datagram));
        let handed = fits.is_some_and(|()| {
            let datagram = Datagram {
                arrival,
                length,
                octets,
            };
            self.queue.try_send(datagram).is_ok()
        });
        if !handed {
            self.dropped.inc();
        }
    }

    /// Says what is different of the path, if anything is. `sockets` are those of the path.
    pub(super) fn say(&mut self, path: &MediaPath, sockets: [Option<&UdpSocket>; 3]) {
        let now = path.shared();
        if self.said == Some(now) {
            return;
        }
        let mut state = match self.shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // At the next tick.
            Err(TryLockError::WouldBlock) => return,
        };
        if self.said.is_none() {
            let duplicate = |socket: &UdpSocket| socket.try_clone().ok().map(Arc::new);
            state.sockets = sockets.map(|socket| socket.and_then(duplicate));
        }
        state.keys = path.keys().cloned();
        state.reach = now.1;
        self.said = Some(now);
        self.shared.version.fetch_add(1, Ordering::Release);
    }
}

impl Branch {
    /// A section is described, for the first time or anew.
    pub(super) fn set(&mut self, section: Section<Role>) {
        self.sections.set(section);
    }

    /// A section is not in the group any more.
    pub(super) fn remove(&mut self, role: Role) {
        self.sections.remove(role);
    }

    /// Takes what came. False once sound is gone, and with it the path.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        most: usize,
        mut deliver: impl FnMut(Instant, Incoming<'_>),
    ) -> bool {
        self.follow(now);
        for _ in 0..most {
            let mut datagram = match self.queue.try_recv() {
                Ok(datagram) => datagram,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let arrival = datagram.arrival;
            let octets = datagram.octets.get_mut(..datagram.length);
            match self.path.handle_datagram(now, octets.unwrap_or_default()) {
                Inbound::Rtp(plain) => {
                    let packet = Packet::parse(plain).ok();
                    let role = packet.and_then(|packet| self.sections.section_of(&packet));
                    if let Some(role) = role {
                        deliver(arrival, Incoming::Rtp(role, plain));
                    }
                }
                Inbound::Rtcp(plain) => deliver(arrival, Incoming::Rtcp(plain)),
                Inbound::Consumed | Inbound::Refused(_) => {}
            }
        }
        true
    }

    /// Sends RTP; `wire` is room for its form on the wire. Until there are keys, or a way, nothing goes out. False if the
    /// kernel refused it.
    pub(super) fn send_rtp(&mut self, packet: &[u8], wire: &mut Vec<u8>) -> bool {
        let reach = self.path.protect_rtp(packet, wire);
        reach.is_none_or(|reach| self.send(reach, wire))
    }

    /// The same for RTCP.
    pub(super) fn send_rtcp(&mut self, packet: &[u8], wire: &mut Vec<u8>) -> bool {
        let reach = self.path.protect_rtcp(packet, wire);
        reach.is_none_or(|reach| self.send(reach, wire))
    }

    fn send(&self, Reach { via, to, .. }: Reach, wire: &[u8]) -> bool {
        let socket = self.sockets.get(usize::from(via));
        let socket = socket.and_then(Option::as_ref);
        socket.is_some_and(|socket| socket.send_to(wire, to).is_ok())
    }

    fn follow(&mut self, now: Instant) {
        let version = self.shared.version.load(Ordering::Acquire);
        if version == self.seen {
            return;
        }
        self.seen = version;
        let state = self.shared.state.lock();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        self.sockets.clone_from(&state.sockets);
        self.path.follow(now, state.keys.as_ref(), state.reach);
    }
}

/// The payload types of sound.
pub(super) fn sound(session: &Session) -> PayloadTypes {
    let agreed = session.negotiated();
    let types = agreed.into_iter().flat_map(|audio| &audio.receive);
    PayloadTypes::of(types.map(|&(pt, _)| pt))
}

/// Where packets of a group count as coming from: authentic as they are, from where the description says.
pub(super) fn source(signalled: Option<SocketAddr>) -> SocketAddr {
    signalled.unwrap_or_else(|| SocketAddr::from(([0; 4], 9)))
}

impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunk").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch").finish_non_exhaustive()
    }
}
