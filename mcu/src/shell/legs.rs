//! What a new leg needs: a place on a worker, sockets, addresses, numbers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use plenum_media::crypto::keys::Seed;
use plenum_media::ice;
use plenum_media::ice::candidate::{Candidate, Kind, priority};
use plenum_media::ice::gather::Gathered;
use plenum_media::ice::turn::TurnClient;
use plenum_media::leg::{AudioLeg, LegConfig};
use plenum_media::metrics::Metrics;
use plenum_media::path::{MediaPath, NegotiatedPath};
use plenum_media::sdp::ice::LocalIce;
use plenum_media::sdp::{self, Local, Session};
use rand::Rng;
use smallvec::SmallVec;

use super::config::{Config, Ice};
use super::mcu::{Conference, Inner};
use super::ports::PortPool;
use super::reserve::{Filler, Open, Prepared, Reserve};
use super::sockets::{Bound, Place, Sockets};
use crate::control::{EndpointSettings, McuError, Offers, Protection};
use crate::limits::Limits;

/// What STUN and TURN servers gave to the sockets of a leg.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// It is for a peer that does ICE for certain.
    ice: bool,
    gathered: [Gathered; 2],
    pub(super) relays: Vec<(u8, TurnClient)>,
}

impl Given {
    /// What a description names before the peer's checks are through (RFC 8445 §5.1.4): what most likely works. A
    /// peer that may not know ICE can do nothing with it. The address, RTP's port and RTCP's.
    fn default_destination(&self) -> Option<(IpAddr, u16, u16)> {
        let [rtp, rtcp] = &self.gathered;
        let both = [(rtp.relayed, rtcp.relayed), (rtp.mapped, rtcp.mapped)];
        let found = both.into_iter().find_map(|(rtp, rtcp)| rtp.zip(rtcp));
        found
            .filter(|_| self.ice)
            .map(|(rtp, rtcp)| (rtp.ip(), rtp.port(), rtcp.port()))
    }
}

impl Inner {
    /// A place on the worker, if it can carry one more leg.
    pub(super) fn admit(&self, worker: usize) -> Result<Place, McuError> {
        let link = self.workers.get(worker);
        let link = link.ok_or(McuError::Overloaded("workers"))?;
        if link.gauges.load.load(Ordering::Relaxed) > self.limits.load_permille {
            return Err(McuError::Overloaded("processor time"));
        }
        let most = self.limits.legs_per_worker;
        let place = Place::take(&link.gauges.legs, most, &self.metrics.legs);
        place.ok_or(McuError::Overloaded("places on a worker"))
    }

    /// The family of the address in the offer, else of the one the signalling reached us at.
    pub(super) fn speaks_v6(&self, offer: Option<&Bytes>, settings: &EndpointSettings) -> bool {
        if self.config.bind_v6.is_none() || self.config.bind_v4.is_none() {
            return self.config.bind_v6.is_some();
        }
        let offered = offer.and_then(|offer| {
            let mut lines = offer.split(|octet| *octet == b'\n');
            lines.find_map(|line| match line.strip_prefix(b"c=IN IP")? {
                [b'6', ..] => Some(true),
                _ => Some(false),
            })
        });
        let reached = settings.reached_at.is_some_and(|address| address.is_ipv6());
        offered.unwrap_or(reached)
    }

    /// Sockets for a leg. Where the configuration leaves the address open they are bound to the one we name, so that
    /// packets leave from where the peer sends its own (RFC 4961), whichever way the kernel would route them.
    pub(super) fn open(
        &self,
        v6: bool,
        offer: Option<&Bytes>,
        settings: &EndpointSettings,
        place: Place,
    ) -> Result<(Sockets, Given), McuError> {
        if let Some(Prepared {
            bound,
            gathered,
            relays,
        }) = self.prepared(v6, offer, settings)
        {
            let given = Given {
                ice: offer.is_some(),
                gathered,
                relays,
            };
            return Ok((Sockets::new(bound, place), given));
        }
        let mut sockets = self.open_own(v6, settings, place, self.limits.socket_buffer)?;
        if self.wants_both(v6, offer, settings)
            && let Ok(other) = self.open_other(!v6, settings)
        {
            sockets.join(other);
        }
        Ok((sockets, Given::default()))
    }

    /// The peer can choose between IPv4 and IPv6 by its checks: it has candidates of the other family, or it is a browser
    /// that we call. Browsers share one port for RTP and RTCP.
    fn wants_both(&self, v6: bool, offer: Option<&Bytes>, settings: &EndpointSettings) -> bool {
        let config = &self.config;
        let both = config.bind_v4.is_some() && config.bind_v6.is_some();
        if !both || config.nat.ice == Ice::Off {
            return false;
        }
        let Some(offer) = offer else {
            return settings.offers == Offers::Browser;
        };
        let lines = || offer.split(|octet| *octet == b'\n');
        let of_other = |line: &[u8]| {
            // foundation, component, transport, priority, address
            let address = line.split(|octet| *octet == b' ').nth(4);
            line.starts_with(b"a=candidate:")
                && address.is_some_and(|address| address.contains(&b':') != v6)
        };
        lines().any(|line| line.starts_with(b"a=rtcp-mux")) && lines().any(of_other)
    }

    fn open_other(&self, v6: bool, settings: &EndpointSettings) -> io::Result<Bound> {
        let own = self.own_addresses(v6, settings);
        let (pool, addresses) = own.map_err(io::Error::other)?;
        Bound::open(pool, &addresses, self.limits.socket_buffer)
    }

    /// Sockets for video. Allocations are with their path from the beginning, so that they are given back with them.
    pub(super) fn open_video_sockets(
        &self,
        v6: bool,
        offer: Option<&Bytes>,
        settings: &EndpointSettings,
        place: Place,
    ) -> Result<(Sockets, Given), McuError> {
        let buffer = self.limits.video.socket_buffer;
        if let Some(Prepared {
            bound,
            gathered,
            relays,
        }) = self.prepared(v6, offer, settings)
        {
            let mut sockets = Sockets::new(bound, place);
            sockets.widen(buffer);
            if !relays.is_empty() {
                let path = MediaPath::with_relays(self.path.clone(), relays);
                sockets.path = Some(Box::new(path));
            }
            let given = Given {
                ice: offer.is_some(),
                gathered,
                relays: Vec::new(),
            };
            return Ok((sockets, given));
        }
        let opened = self.open_own(v6, settings, place, buffer);
        opened.map(|sockets| (sockets, Given::default()))
    }

    /// What a description names: what servers gave, unless the configuration says what this peer is told, or `own`. The
    /// address, RTP's port and RTCP's.
    pub(super) fn destination(
        &self,
        v6: bool,
        own: IpAddr,
        (sockets, given): (&Sockets, &Given),
        settings: &EndpointSettings,
    ) -> (IpAddr, u16, u16) {
        let given = given.default_destination();
        given
            .filter(|_| self.told(v6, settings).is_none())
            .unwrap_or_else(|| (own, sockets.port(), sockets.port().saturating_add(1)))
    }

    fn open_own(
        &self,
        v6: bool,
        settings: &EndpointSettings,
        place: Place,
        buffer: usize,
    ) -> Result<Sockets, McuError> {
        let (pool, addresses) = self.own_addresses(v6, settings)?;
        let opened = Sockets::open(pool, &addresses, buffer, place);
        opened.map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return McuError::Overloaded("media ports");
            }
            // Descriptors or memory are lacking, or the address is not ours.
            tracing::warn!(%error, "a media socket could not be opened");
            McuError::Overloaded("sockets")
        })
    }

    /// A pair of sockets that has addresses from STUN and TURN servers, for a peer that may know what to do with them.
    fn prepared(
        &self,
        v6: bool,
        offer: Option<&Bytes>,
        settings: &EndpointSettings,
    ) -> Option<Prepared> {
        let reserve = self.reserve.as_ref()?;
        let knows_ice = |offer: &Bytes| {
            let mut lines = offer.split(|octet| *octet == b'\n');
            lines.any(|line| line.starts_with(b"a=ice-ufrag:"))
        };
        if v6 != self.config.bind_v4.is_none() || !offer.is_none_or(knows_ice) {
            return None;
        }
        // Where peers are told another address than ours, it does not matter from which of ours we send.
        let elsewhere = self.told(v6, settings).is_some();
        let address = self.named(v6, settings).filter(|_| !elsewhere);
        let prepared = reserve.take(address);
        if prepared.is_none() {
            self.metrics.unprepared.inc();
        }
        prepared
    }

    /// The sockets that are kept ready, where servers are asked for addresses, and the thread that does so.
    pub(super) fn start_reserve(
        config: &Config,
        limits: &Limits,
        pools: (&Arc<PortPool>, &Arc<PortPool>),
        metrics: &Metrics,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> io::Result<Option<Arc<Reserve>>> {
        if !config.nat.asks() {
            return Ok(None);
        }
        let reserve = Reserve::new();
        let filler = Filler {
            reserve: Arc::clone(&reserve),
            servers: config.nat.servers.clone(),
            wanted: limits.reserve,
            open: Self::opener(config, pools, limits.socket_buffer),
            failures: metrics.turn_failed.clone(),
        };
        threads.push(filler.spawn()?);
        Ok(Some(reserve))
    }

    /// How the sockets of the reserve are opened.
    fn opener(config: &Config, pools: (&Arc<PortPool>, &Arc<PortPool>), buffer: usize) -> Open {
        let (pool, bound) = match (config.bind_v4, config.bind_v6) {
            (Some(v4), _) => (Arc::clone(pools.0), IpAddr::V4(v4)),
            (None, v6) => {
                let v6 = v6.unwrap_or(Ipv6Addr::UNSPECIFIED);
                (Arc::clone(pools.1), IpAddr::V6(v6))
            }
        };
        Box::new(move || {
            let specific = bound.is_unspecified().then(|| calls_from(bound.is_ipv6()));
            Bound::open(&pool, &[specific.flatten().unwrap_or(bound)], buffer)
        })
    }

    /// Session identifier, synchronisation source (unique in the conference) and seed.
    pub(super) fn numbers(&self, this: &Conference) -> (u64, u32, u64) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ssrc = random.next_u32();
        while this.endpoints.values().any(|e| e.ssrc == ssrc) {
            ssrc = random.next_u32();
        }
        // A session identifier is a decimal number that some peers read as a signed 64-bit one.
        (random.next_u64() >> 2, ssrc, random.next_u64())
    }

    /// What floor control calls a conference (RFC 8856 §5.2): not to be guessed, for a client is known by it.
    pub(super) fn confid(&self) -> u32 {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        // Some clients read it as a signed number, and some take 0 for none.
        (random.next_u32() >> 1).max(1)
    }

    /// The ports of a family, and the addresses that sockets are bound to: the first one that is ours.
    pub(super) fn own_addresses(
        &self,
        v6: bool,
        settings: &EndpointSettings,
    ) -> Result<(&Arc<PortPool>, SmallVec<[IpAddr; 2]>), McuError> {
        let (pool, bound) = if v6 {
            (&self.ports_v6, self.config.bind_v6.map(IpAddr::V6))
        } else {
            (&self.ports_v4, self.config.bind_v4.map(IpAddr::V4))
        };
        let bound = bound.ok_or(McuError::Overloaded("media addresses"))?;
        let named = self.named(v6, settings);
        let addresses = [named.filter(|_| bound.is_unspecified()), Some(bound)];
        Ok((pool, addresses.into_iter().flatten().collect()))
    }

    pub(super) fn local(
        &self,
        v6: bool,
        (sockets, given): (&Sockets, &Given),
        id: u64,
        settings: &EndpointSettings,
        seed: [u8; 32],
    ) -> Local {
        let config = &self.config;
        let bound = if v6 {
            config.bind_v6.map(IpAddr::V6)
        } else {
            config.bind_v4.map(IpAddr::V4)
        };
        let address = self.named(v6, settings).or(bound);
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let ends = (sockets, given);
        let (named, rtp_port, rtcp_port) = self.destination(v6, address, ends, settings);
        Local {
            rtcp_port,
            codecs: match settings.terms.codecs.as_slice() {
                [] => config.codecs.clone(),
                own => own.to_vec(),
            },
            telephone_events: settings.terms.dtmf.events,
            prefer_remote: config.prefer_remote,
            ptime_ms: config.ptime_ms,
            opus_bitrate: config.opus_bitrate,
            comfort_noise: config.comfort_noise,
            protection: protection(self.protection_of(settings)),
            fingerprint: Some(self.path.identity.fingerprint().clone()),
            seed: Some(Seed::new(seed)),
            offers: match settings.offers {
                Offers::Phone => sdp::Offers::Phone,
                Offers::Browser => sdp::Offers::Browser,
                Offers::Either => sdp::Offers::Either,
            },
            ice: {
                let peer = (settings.offers, settings.signalled_from);
                let mut ice = self.ice(address, sockets.port(), given, peer);
                // A host without a network of the other family has its loopback only, which is nobody else's.
                let reachable = |other: &IpAddr| other.is_loopback() == address.is_loopback();
                let other = self.named(!v6, settings).filter(reachable);
                let other = other.zip(sockets.other_port());
                if let (Some(ice), Some((address, port))) = (&mut ice, other) {
                    ice.locals.push(other_family(address, port));
                }
                ice
            },
            ..Local::new(named, rtp_port, id)
        }
    }

    /// The address we name in descriptions: the one for the peer's network, the advertised one, the bound one, the one the signalling came to, or,
    /// where we call, the one this machine calls from.
    pub(super) fn named(&self, v6: bool, settings: &EndpointSettings) -> Option<IpAddr> {
        let config = &self.config;
        let bound = if v6 {
            config.bind_v6.map(IpAddr::V6)
        } else {
            config.bind_v4.map(IpAddr::V4)
        };
        let specific = bound.filter(|address| !address.is_unspecified());
        let reached = settings
            .reached_at
            .filter(|a| a.is_ipv6() == v6 && !a.is_unspecified());
        self.told(v6, settings)
            .or(specific)
            .or(reached)
            .or_else(|| calls_from(v6))
    }

    /// Whether this peer may, or must, encrypt: as the focus says, by its network, or as everybody.
    fn protection_of(&self, settings: &EndpointSettings) -> Protection {
        let by_network = || {
            let peer = settings.signalled_from?;
            (self.config.nat.protection)(peer)
        };
        let chosen = settings.terms.protection.or_else(by_network);
        chosen.unwrap_or(self.config.protection)
    }

    /// The address that the configuration wants this peer to be told.
    fn told(&self, v6: bool, settings: &EndpointSettings) -> Option<IpAddr> {
        let config = &self.config;
        let advertised = if v6 {
            config.advertised_v6.map(IpAddr::V6)
        } else {
            config.advertised_v4.map(IpAddr::V4)
        };
        let told = settings
            .signalled_from
            .and_then(|peer| (config.nat.told)(peer));
        told.filter(|address| address.is_ipv6() == v6)
            .or(advertised)
    }

    /// What a leg brings to ICE, for RTP and for RTCP: its own address and those that servers gave it.
    pub(super) fn ice(
        &self,
        address: IpAddr,
        port: u16,
        given: &Given,
        (offers, signalled_from): (Offers, Option<IpAddr>),
    ) -> Option<LocalIce> {
        let lite = match self.config.nat.ice {
            Ice::Off => return None,
            Ice::Lite => true,
            Ice::Full => false,
        };
        let mut locals = Vec::new();
        for (socket, gathered) in (0_u8..).zip(&given.gathered) {
            let host = SocketAddr::new(address, port.saturating_add(u16::from(socket)));
            let candidate = |kind: Kind, address, related| ice::Local {
                path: ice::Path {
                    socket,
                    relayed: kind == Kind::Relayed,
                },
                candidate: Candidate {
                    // One base, one STUN and one TURN server: the kind tells them apart.
                    foundation: kind.as_str().to_owned(),
                    component: socket + 1,
                    priority: priority(kind, u16::MAX, socket + 1),
                    address,
                    kind,
                    related,
                },
            };
            locals.push(candidate(Kind::Host, host, None));
            let mapped = gathered.mapped.filter(|mapped| *mapped != host);
            locals.extend(mapped.map(|at| candidate(Kind::ServerReflexive, at, Some(host))));
            let relayed = gathered.relayed;
            locals.extend(relayed.map(|at| candidate(Kind::Relayed, at, gathered.mapped)));
        }
        Some(LocalIce {
            lite,
            // A telephone finds a public address without, and a longer offer may not fit into a datagram.
            offer: !lite || offers != Offers::Phone,
            seed: self.key_seed(),
            locals,
            signalled_from,
        })
    }

    /// What a new leg's packets go through at first; `None` where plain RTP is all.
    pub(super) fn first_path(
        &self,
        session: &Session,
        offered: bool,
        relays: Vec<(u8, TurnClient)>,
    ) -> Option<Box<MediaPath>> {
        let ours = session.local().ice.as_ref();
        let ours = ours.filter(|ice| offered && ice.offer);
        let agreed = session.path();
        if agreed.is_none() && ours.is_none() && relays.is_empty() {
            return None;
        }
        let mut path = Box::new(MediaPath::with_relays(self.path.clone(), relays));
        match (agreed, ours) {
            (Some(agreed), _) => path.apply(now(), &agreed),
            (None, Some(ours)) => path.offer_ice(ours, self.limits.media.ice),
            (None, None) => {}
        }
        Some(path)
    }

    /// A leg's path as agreed on; `None` where plain RTP is all.
    pub(super) fn path(&self, agreed: Option<NegotiatedPath>) -> Option<Box<MediaPath>> {
        let agreed = agreed?;
        let mut path = Box::new(MediaPath::new(self.path.clone()));
        path.apply(now(), &agreed);
        Some(path)
    }

    /// 256 bits out of which a session's keys are made.
    pub(super) fn key_seed(&self) -> [u8; 32] {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        seed
    }

    pub(super) fn leg(&self, ssrc: u32, seed: u64, settings: &EndpointSettings) -> AudioLeg {
        let now = now();
        let config = LegConfig {
            ssrc,
            cname: cname(seed),
            seed,
            ntp_origin: self.ntp(now),
            jitter_ceiling: self.limits.media.jitter_ceiling,
            jitter_packets: self.limits.media.jitter_packets,
            media_timeout: self.limits.media_timeout,
            signalled_from: settings.signalled_from,
            latch_window: self.limits.latch_window,
            relatch_silence: self.limits.relatch_silence,
            inband_dtmf: self.config.inband_dtmf && settings.terms.dtmf.inband,
            metrics: Arc::clone(&self.media_metrics),
        };
        AudioLeg::new(config, now)
    }

    /// NTP time: seconds since 1900 in the upper, the fraction in the lower 32 bits.
    pub(super) fn ntp(&self, now: Instant) -> u64 {
        const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
        let (then, wall) = self.started;
        let wall = wall + now.saturating_duration_since(then);
        let unix = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs().wrapping_add(SECONDS_1900_TO_1970) << 32) | fraction
    }
}

/// The candidate of the socket of the other address family (RFC 8421 §4): a little less wanted than the one that the
/// session description names.
fn other_family(address: IpAddr, port: u16) -> ice::Local {
    ice::Local {
        path: ice::Path {
            socket: 2,
            relayed: false,
        },
        candidate: Candidate {
            foundation: "other".to_owned(),
            component: 1,
            priority: priority(Kind::Host, u16::MAX - 1, 1),
            address: SocketAddr::new(address, port),
            kind: Kind::Host,
            related: None,
        },
    }
}

/// The canonical name of a leg, of its audio as of its video (RFC 3550 §6.5.1).
pub(super) fn cname(seed: u64) -> String {
    format!("{seed:016x}@plenum")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}

fn protection(policy: Protection) -> sdp::Protection {
    match policy {
        Protection::Never => sdp::Protection::Never,
        Protection::Optional => sdp::Protection::Optional,
        Protection::Required => sdp::Protection::Required,
    }
}

/// The address the kernel takes to go out. Without a default route it is one of a network this machine is in, and
/// without a network the loopback. Nothing is sent: connecting a datagram socket only looks the route up.
fn calls_from(v6: bool) -> Option<IpAddr> {
    // Addresses for documentation are behind the default route everywhere.
    let (any, out): (IpAddr, IpAddr) = if v6 {
        let out = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), out.into())
    } else {
        let out = Ipv4Addr::new(192, 0, 2, 1);
        (Ipv4Addr::UNSPECIFIED.into(), out.into())
    };
    let routed = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((out, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    routed().or_else(|| {
        let interfaces = nix::ifaddrs::getifaddrs().ok()?;
        let mut addresses: Vec<IpAddr> = interfaces
            .filter_map(|interface| {
                let address = interface.address?;
                let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
            })
            .filter(|address| address.is_ipv6() == v6)
            .collect();
        // An address that is valid on one link only is not one to tell a peer.
        addresses.retain(|it| !matches!(it, IpAddr::V6(v6) if v6.is_unicast_link_local()));
        addresses.sort_by_key(IpAddr::is_loopback);
        addresses.into_iter().next()
    })
}
