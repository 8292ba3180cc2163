//! The control plane of video: whether an offer gets it, with which sockets, and who is told.

use super::floor_control::FloorEndpoint;
use super::mail::{Mail, Transport, Travels};
use super::room::Room;
use super::{Link, Video};
use crate::control::{
    ConferenceId, EndpointId, EndpointSettings, McuError, Offers, Report, VideoMedia,
};
use crate::shell::bundle::{self, Trunk};
use crate::shell::mcu::Inner;
use crate::shell::sockets::{Place, Sockets};
use bytes::Bytes;
use plenum_media::path::sections::Section;
use plenum_media::sdp::Session;
use plenum_media::sdp::video::{AgreedVideo, LocalVideo, Role};
use plenum_media::video::leg::{VideoLeg, VideoLegConfig};
use rand::Rng;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Bits a second that a stream begins with.
pub(super) const START_BITRATE: u32 = 750_000;
/// The least there ever are.
const LEAST_BITRATE: u32 = 64_000;

/// What a video leg will need when video is agreed on.
#[derive(Debug)]
pub(in crate::shell) struct Prepared {
    sockets: Sockets,
    local: LocalVideo,
    seed: u64,
    signalled_from: Option<IpAddr>,
    worker: usize,
}

/// What the control plane keeps of an endpoint's video.
#[derive(Debug, Default)]
pub(in crate::shell) struct VideoEndpoint {
    main: Stream,
    content: Stream,
    shared: SharedTransport,
    pub(super) floor: FloorEndpoint,
    /// The canonical name of its audio, and its source.
    cname: String,
    ssrc: u32,
    pub(super) settings: Option<Box<EndpointSettings>>,
}

/// The transport that pictures share with sound (RFC 9143).
#[derive(Debug, Default)]
struct SharedTransport {
    /// The worker of video that has its branch.
    worker: Option<usize>,
    /// The end for the worker of sound, until it has it.
    trunk: Option<Box<Trunk>>,
}

/// One kind of pictures of an endpoint.
#[derive(Debug, Default)]
struct Stream {
    /// Waits for the answer to our offer.
    pending: Option<Box<Prepared>>,
    /// The worker that has the leg.
    worker: Option<usize>,
    /// What was reported last.
    said: Option<VideoMedia>,
}

/// The kinds of pictures there are.
const ROLES: [Role; 2] = [Role::Main, Role::Content];

impl VideoEndpoint {
    pub(in crate::shell) fn new(cname: String, ssrc: u32, settings: &EndpointSettings) -> Self {
        Self {
            cname,
            ssrc,
            settings: Some(Box::new(settings.clone())),
            ..Self::default()
        }
    }

    /// It has come from another conference, where it had no pictures.
    pub(in crate::shell) fn come_in(&mut self, settings: &EndpointSettings) {
        self.settings = Some(Box::new(settings.clone()));
    }

    /// The end of a new transport that pictures share, for the sockets of sound.
    pub(in crate::shell) fn take_trunk(&mut self) -> Option<Box<Trunk>> {
        self.shared.trunk.take()
    }

    /// It has slides, agreed on and in force.
    pub(super) fn has_slides(&self) -> bool {
        self.content.worker.is_some()
    }

    fn stream(&mut self, role: Role) -> &mut Stream {
        match role {
            Role::Main => &mut self.main,
            Role::Content => &mut self.content,
        }
    }
}

/// What an offer has of pictures. Cheap, and wrong only for offers that are not of the usual form: what it finds is
/// negotiated properly.
fn offered(offer: &Bytes) -> OfferedPictures {
    let mut found = OfferedPictures::default();
    let mut video = false;
    // Browsers do not say which of theirs is slides.
    let mut of_browser = 0_usize;
    for line in offer.split(|octet| *octet == b'\n') {
        if let Some(m) = line.strip_prefix(b"m=") {
            video = m
                .strip_prefix(b"video ")
                .is_some_and(|rest| !rest.starts_with(b"0 "));
            found.video |= video;
            let handshake = m
                .windows(TLS.len())
                .any(|part| part.eq_ignore_ascii_case(TLS));
            of_browser += usize::from(handshake && m.starts_with(b"video "));
            found.content |= video && of_browser > 1;
            let floor = m
                .windows(6)
                .any(|part| part.eq_ignore_ascii_case(b"P/BFCP"));
            found.floor |= floor && !m.starts_with(b"application 0 ");
        }
        let slides = |rest: &[u8]| {
            rest.windows(6)
                .any(|part| part.eq_ignore_ascii_case(b"slides"))
        };
        found.content |= video && line.strip_prefix(b"a=content:").is_some_and(slides);
    }
    found
}

/// In the protocol of a section with a handshake of its own.
const TLS: &[u8] = b"UDP/TLS/";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfferedPictures {
    video: bool,
    content: bool,
    floor: bool,
}

impl Inner {
    /// Makes ready for pictures where the offer has them, or where our own offer is to have them. A server that has no
    /// room for them answers without. What failed since the last exchange is taken back in this one; the next may begin
    /// anew, with other keys and sources.
    pub(in crate::shell) fn prepare_video(
        &self,
        session: &mut Session,
        state: &mut VideoEndpoint,
        (conference, endpoint): (ConferenceId, EndpointId),
        offer: Option<&Bytes>,
    ) {
        let Some(video) = &self.video else {
            return;
        };
        let Some(room) = video.rooms.find(conference) else {
            return;
        };
        for role in ROLES {
            let there = room.has_stream(endpoint, role);
            let stream = state.stream(role);
            if session.stream(role).is_some() && (stream.worker.is_none() || !there) {
                session.set_stream(role, None);
                (stream.worker, stream.said) = (None, None);
            }
        }
        // A browser is offered pictures in the group of its sound, and nobody something that only some could take.
        let settings = state.settings.as_deref();
        let known = settings.is_some_and(|settings| settings.offers != Offers::Either);
        let own = video.setup.offer && session.negotiated().is_none() && known;
        let slides = own && settings.is_some_and(|settings| settings.offers == Offers::Phone);
        let wanted = offer.map_or(
            OfferedPictures {
                video: own,
                content: slides,
                floor: slides,
            },
            offered,
        );
        for role in ROLES {
            let wanted = match role {
                Role::Main => wanted.video,
                Role::Content => wanted.content && video.setup.content,
            };
            if wanted {
                self.prepare_stream(video, session, state, (conference, offer), role);
            }
        }
        let slides = session.stream(Role::Content).is_some() || state.content.pending.is_some();
        if wanted.floor && slides {
            self.prepare_floor(video, session, state, (conference, endpoint));
        }
    }

    fn prepare_stream(
        &self,
        video: &Video,
        session: &mut Session,
        state: &mut VideoEndpoint,
        (conference, offer): (ConferenceId, Option<&Bytes>),
        role: Role,
    ) {
        if session.stream(role).is_some() || state.stream(role).pending.is_some() {
            return;
        }
        match self.open_video(video, session, state, (conference, offer)) {
            Ok(prepared) => {
                session.set_stream(role, Some(Box::new(prepared.local.clone())));
                state.stream(role).pending = Some(Box::new(prepared));
            }
            Err(error) => {
                tracing::warn!(%error, ?role, "a call goes without video");
                self.metrics.video.refused.inc();
            }
        }
    }

    fn open_video(
        &self,
        video: &Video,
        session: &Session,
        state: &VideoEndpoint,
        (conference, offer): (ConferenceId, Option<&Bytes>),
    ) -> Result<Prepared, McuError> {
        let worker = video.worker_of(conference);
        let link = video.link(worker)?;
        if link.gauges.load.load(Ordering::Relaxed) > self.limits.video.load_permille {
            return Err(McuError::Overloaded("processor time"));
        }
        let most = self.limits.video.legs_per_worker;
        let place = Place::take(&link.gauges.legs, most, &self.metrics.video.legs);
        let place = place.ok_or(McuError::Overloaded("places for video"))?;
        let settings = state.settings.as_deref();
        let settings = settings.ok_or(McuError::Unknown("endpoint"))?;
        let address = session.local().address;
        let v6 = address.is_ipv6();
        let (sockets, given) = self.open_video_sockets(v6, offer, settings, place)?;
        // A description names one address.
        let own = self.named(v6, settings).unwrap_or(address);
        let (named, rtp_port, rtcp_port) = self.destination(v6, own, (&sockets, &given), settings);
        if named != address {
            return Err(McuError::Overloaded("addresses for video"));
        }
        // On one transport, under one key, no source may be two streams' (RFC 3711 §9.1).
        let others = [&session.local().video, &session.local().content]
            .into_iter()
            .flatten();
        let mut taken: SmallVec<[u32; 5]> = SmallVec::from_slice(&[state.ssrc]);
        taken.extend(others.flat_map(|other| [other.sources.0, other.sources.1]));
        let (seed, first, second) = self.video_numbers(&taken);
        let setup = &video.setup;
        let local = LocalVideo {
            rtp_port,
            rtcp_port,
            seed: Some(plenum_media::crypto::keys::Seed::new(self.key_seed())),
            ice: {
                let peer = (Offers::Phone, settings.signalled_from);
                self.ice(own, sockets.port(), &given, peer)
            },
            codecs: setup.codecs.clone(),
            rows: setup.rows,
            bitrate: setup.bitrate,
            sources: (first, second),
            cname: state.cname.clone(),
        };
        Ok(Prepared {
            sockets,
            local,
            seed,
            signalled_from: settings.signalled_from,
            worker,
        })
    }

    /// A seed and two different synchronisation sources for a video leg, none of them `taken`.
    fn video_numbers(&self, taken: &[u32]) -> (u64, u32, u32) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = |not: Option<u32>| {
            let mut ssrc = random.next_u32();
            while taken.contains(&ssrc) || Some(ssrc) == not {
                ssrc = random.next_u32();
            }
            ssrc
        };
        let first = fresh(None);
        let other = fresh(Some(first));
        (random.next_u64(), first, other)
    }

    /// After an exchange of offer and answer: legs begin, go on as agreed, or end. False where what was agreed on cannot
    /// be done: of that nothing is in force then, and the call goes on without.
    pub(in crate::shell) fn settle_video(
        &self,
        session: &mut Session,
        state: &mut VideoEndpoint,
        (conference, endpoint): (ConferenceId, EndpointId),
        reports: &mut Vec<Report>,
    ) -> bool {
        let Some(video) = &self.video else {
            return true;
        };
        let Some(room) = video.rooms.find(conference) else {
            return true;
        };
        let ids = (conference, endpoint);
        let mut done = true;
        if session.path().is_none() {
            state.shared = SharedTransport::default();
        }
        for role in ROLES {
            let agreed = session.stream(role).cloned();
            let settled = self.settle_stream(video, state, agreed.as_ref(), (ids, role), &room);
            if let Err(error) = settled {
                tracing::warn!(%error, ?role, "a call goes without video");
                self.metrics.video.refused.inc();
                done = false;
            }
        }
        if let Err(error) = self.settle_floor(video, session, state, ids, &room) {
            tracing::warn!(%error, "a call goes without slides");
            self.metrics.video.refused.inc();
            state.content.worker = None;
            session.set_floor(None);
            done = false;
        }
        for role in ROLES {
            let agreed = session.stream(role).map(said);
            let stream = state.stream(role);
            let agreed = agreed.filter(|_| stream.worker.is_some());
            if agreed.is_none() {
                session.set_stream(role, None);
                if room.has_stream(endpoint, role) {
                    room.set_stream(endpoint, role, None);
                }
            }
            if agreed != stream.said {
                stream.said = agreed;
                reports.push(told(role, endpoint, agreed));
            }
        }
        done
    }

    /// Tells a worker what was agreed on, or nobody.
    fn settle_stream(
        &self,
        video: &Video,
        state: &mut VideoEndpoint,
        agreed: Option<&AgreedVideo>,
        ((conference, endpoint), role): ((ConferenceId, EndpointId), Role),
        room: &Arc<Room>,
    ) -> Result<(), McuError> {
        let stream = state.stream(role);
        // Until it is done it is not.
        let (pending, worker) = (stream.pending.take(), stream.worker.take());
        let Some(agreed) = agreed else {
            return Ok(());
        };
        if let Some(prepared) = pending {
            let worker = prepared.worker;
            if agreed.section.bundled {
                self.share(video, &mut state.shared, worker, (conference, endpoint))?;
            }
            let stream = state.stream(role);
            room.set_stream(endpoint, role, Some(agreed.video.clone()));
            let ids = (conference, endpoint, role);
            self.begin_video(video, *prepared, agreed, ids, room)?;
            stream.worker = Some(worker);
            return Ok(());
        }
        let worker = worker.filter(|_| room.has_stream(endpoint, role));
        let worker = worker.ok_or(McuError::Unknown("video leg"))?;
        let mail = Mail::Apply {
            conference,
            endpoint,
            role,
            negotiated: Box::new(agreed.video.clone()),
            travels: match agreed.section.bundled {
                true => Travels::Shared(section(role, agreed)),
                false => Travels::Own {
                    fresh: self.path(agreed.path()),
                    agreed: agreed.path().map(Box::new),
                },
            },
        };
        post(video.link(worker)?, mail)?;
        room.set_stream(endpoint, role, Some(agreed.video.clone()));
        state.stream(role).worker = Some(worker);
        Ok(())
    }

    /// Makes a transport that pictures share with sound, unless there is one.
    fn share(
        &self,
        video: &Video,
        shared: &mut SharedTransport,
        worker: usize,
        (conference, endpoint): (ConferenceId, EndpointId),
    ) -> Result<(), McuError> {
        if shared.worker == Some(worker) {
            return Ok(());
        }
        let limits = &self.limits.video;
        let (trunk, branch) = bundle::pair(
            self.path.clone(),
            limits.bundled_datagrams,
            limits.socket_buffer,
            self.metrics.video.datagrams_dropped.clone(),
        );
        let mail = Mail::Branch {
            conference,
            endpoint,
            branch: Box::new(branch),
        };
        post(video.link(worker)?, mail)?;
        shared.worker = Some(worker);
        shared.trunk = Some(Box::new(trunk));
        Ok(())
    }

    /// An exchange came to nothing.
    pub(in crate::shell) fn abandon_video(session: &mut Session, state: &mut VideoEndpoint) {
        for role in ROLES {
            if state.stream(role).pending.take().is_some() {
                session.set_stream(role, None);
            }
        }
        state.floor.abandon(session);
    }

    fn begin_video(
        &self,
        video: &Video,
        prepared: Prepared,
        agreed: &AgreedVideo,
        (conference, endpoint, role): (ConferenceId, EndpointId, Role),
        room: &Arc<Room>,
    ) -> Result<(), McuError> {
        let Prepared {
            mut sockets,
            local,
            seed,
            signalled_from,
            worker,
        } = prepared;
        let now = now();
        let transport = if agreed.section.bundled {
            Transport::Shared {
                section: section(role, agreed),
                _place: sockets.into_place(),
            }
        } else {
            sockets.follow(now, self.path(agreed.path()), agreed.path().as_ref());
            Transport::Own(Box::new(sockets))
        };
        let limits = &self.limits.video;
        let config = VideoLegConfig {
            cname: local.cname,
            seed,
            ntp_origin: self.ntp(now),
            assembler: limits.assembler,
            history: limits.history,
            rate: (START_BITRATE, LEAST_BITRATE),
            max_payload: limits.max_payload,
            frame_time: Duration::from_secs(1) / video.setup.frame_rate.max(1),
            signalled_from,
            latch: plenum_media::rtp::latch::LatchRules {
                window: self.limits.latch_window,
                silence: self.limits.relatch_silence,
            },
        };
        let mut leg = VideoLeg::new(config, now);
        leg.apply(now, agreed.video.clone());
        let link = video.link(worker)?;
        let opened = link.opened.try_send((conference, Arc::clone(room)));
        opened.map_err(|_| McuError::Overloaded("processor time"))?;
        let mail = Mail::Add {
            conference,
            endpoint,
            role,
            room: Arc::clone(room),
            transport,
            leg: Box::new(leg),
        };
        post(link, mail)
    }

    /// The peer asked by signalling for a keyframe (RFC 5168).
    pub(in crate::shell) fn signalled_keyframe(
        &self,
        state: &VideoEndpoint,
        conference: ConferenceId,
        endpoint: EndpointId,
    ) -> Result<(), McuError> {
        let (Some(video), Some(worker)) = (&self.video, state.main.worker) else {
            return Err(McuError::NotSupported);
        };
        let mail = Mail::Keyframe {
            conference,
            endpoint,
        };
        post(video.link(worker)?, mail)
    }
}

/// A section of a group, as its packets tell it.
fn section(role: Role, agreed: &AgreedVideo) -> Section<Role> {
    let video = &agreed.video;
    let types = [Some(video.receive_pt), video.receive_rtx];
    Section {
        key: role,
        mid: video.mid.clone(),
        types: types.into_iter().flatten().collect(),
        sources: agreed.sources.clone(),
    }
}

/// What the focus is told of the pictures of one.
pub(super) fn told(role: Role, endpoint: EndpointId, video: Option<VideoMedia>) -> Report {
    match role {
        Role::Main => Report::Video { endpoint, video },
        Role::Content => Report::Content {
            endpoint,
            content: video,
        },
    }
}

/// What is said of an agreement.
fn said(agreed: &AgreedVideo) -> VideoMedia {
    VideoMedia {
        codec: agreed.video.rtpmap(),
        sends: agreed.video.receiving,
        receives: agreed.video.sending,
    }
}

impl Video {
    /// A conference lives on one worker.
    fn worker_of(&self, conference: ConferenceId) -> usize {
        let workers = u64::try_from(self.workers.len()).unwrap_or(1).max(1);
        usize::try_from(conference.0 % workers).unwrap_or(0)
    }

    fn link(&self, worker: usize) -> Result<&Link, McuError> {
        let link = self.workers.get(worker);
        link.ok_or(McuError::Unknown("worker"))
    }
}

fn post(link: &Link, mail: Mail) -> Result<(), McuError> {
    let full = McuError::Overloaded("processor time");
    link.mail.try_send(mail).map_err(|_| full)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
