//! The control plane of video: whether an offer gets it, with which sockets, and who is told.

use super::packets::Mail;
use super::{Link, Video};
use crate::control::{
    ConferenceId, EndpointId, EndpointSettings, McuError, Offers, Report, VideoMedia,
};
use crate::shell::mcu::Inner;
use crate::shell::sockets::{Place, Sockets};
use bytes::Bytes;
use plenum_media::sdp::Session;
use plenum_media::sdp::video::{AgreedVideo, LocalVideo};
use plenum_media::video::leg::{VideoLeg, VideoLegConfig};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    /// Waits for the answer to our offer.
    pending: Option<Box<Prepared>>,
    /// The worker that has the leg.
    worker: Option<usize>,
    /// What was reported last.
    said: Option<VideoMedia>,
    /// The canonical name of its audio.
    cname: String,
    settings: Option<Box<EndpointSettings>>,
}

impl VideoEndpoint {
    pub(in crate::shell) fn new(cname: String, settings: &EndpointSettings) -> Self {
        Self {
            cname,
            settings: Some(Box::new(settings.clone())),
            ..Self::default()
        }
    }
}

/// Whether an offer has a video section that is in use. Cheap, and wrong only for offers that are not of the usual form:
/// what it finds is negotiated properly.
fn offers_video(offer: &Bytes) -> bool {
    let mut lines = offer.split(|octet| *octet == b'\n');
    lines.any(|line| {
        line.strip_prefix(b"m=video ")
            .is_some_and(|rest| !rest.starts_with(b"0 "))
    })
}

impl Inner {
    /// Makes ready for video where the offer has it, or where our own offer is to have it. A server that has no room for
    /// video answers without. What failed since the last exchange is taken back in this one; the next may begin anew,
    /// with other keys and sources.
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
        if session.video().is_some() {
            let room = video.rooms.find(conference);
            let has_video = room.is_some_and(|room| room.has_video(endpoint));
            if state.worker.is_none() || !has_video {
                session.set_video(None);
                (state.worker, state.said) = (None, None);
            }
            return;
        }
        if state.pending.is_some() {
            return;
        }
        let wanted = match offer {
            Some(offer) => offers_video(offer),
            // An offer to a browser would need ICE, keys and a name in its group, of which video has none.
            None => {
                let telephone = |settings: &EndpointSettings| settings.offers == Offers::Phone;
                let telephone = state.settings.as_deref().is_some_and(telephone);
                video.setup.offer && session.negotiated().is_none() && telephone
            }
        };
        if !wanted {
            return;
        }
        match self.open_video(video, session, state, (conference, offer)) {
            Ok(prepared) => {
                session.set_video(Some(Box::new(prepared.local.clone())));
                state.pending = Some(Box::new(prepared));
            }
            Err(error) => {
                tracing::warn!(%error, "a call goes without video");
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
        let (seed, first, second) = self.video_numbers();
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

    /// After an exchange of offer and answer: the leg begins, goes on as agreed, or ends. False where what was agreed on
    /// cannot be done: nothing is in force then, and the call goes without video.
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
        let agreed = session.video().cloned();
        let prepared = state.pending.take();
        let done = match &agreed {
            Some(agreed) => {
                let ids = (conference, endpoint);
                let done = self.put_in_force(video, (agreed, prepared), state.worker, ids, &room);
                done.map(Some)
            }
            None => Ok(None),
        };
        state.worker = done.as_ref().copied().unwrap_or_else(|error| {
            tracing::warn!(%error, "a call goes without video");
            self.metrics.video.refused.inc();
            None
        });
        if state.worker.is_none() {
            session.set_video(None);
            if room.has_video(endpoint) {
                room.set_video(endpoint, None);
            }
        }
        let said = agreed
            .as_ref()
            .filter(|_| state.worker.is_some())
            .map(media);
        if said != state.said {
            state.said = said;
            reports.push(Report::Video {
                endpoint,
                video: said,
            });
        }
        done.is_ok()
    }

    /// Tells a worker what was agreed on; which one.
    fn put_in_force(
        &self,
        video: &Video,
        (agreed, prepared): (&AgreedVideo, Option<Box<Prepared>>),
        worker: Option<usize>,
        (conference, endpoint): (ConferenceId, EndpointId),
        room: &Arc<super::room::Room>,
    ) -> Result<usize, McuError> {
        if let Some(prepared) = prepared {
            let worker = prepared.worker;
            room.set_video(endpoint, Some(agreed.video.clone()));
            self.begin_video(video, *prepared, agreed, (conference, endpoint), room)?;
            return Ok(worker);
        }
        let worker = worker.filter(|_| room.has_video(endpoint));
        let worker = worker.ok_or(McuError::Unknown("video leg"))?;
        let mail = Mail::Apply {
            conference,
            endpoint,
            negotiated: Box::new(agreed.video.clone()),
            fresh: self.path(agreed.path()),
            agreed: agreed.path().map(Box::new),
        };
        post(video.link(worker)?, mail)?;
        room.set_video(endpoint, Some(agreed.video.clone()));
        Ok(worker)
    }

    /// An exchange came to nothing.
    pub(in crate::shell) fn abandon_video(session: &mut Session, state: &mut VideoEndpoint) {
        if state.pending.take().is_some() {
            session.set_video(None);
        }
    }

    fn begin_video(
        &self,
        video: &Video,
        prepared: Prepared,
        agreed: &AgreedVideo,
        (conference, endpoint): (ConferenceId, EndpointId),
        room: &Arc<super::room::Room>,
    ) -> Result<(), McuError> {
        let Prepared {
            mut sockets,
            local,
            seed,
            signalled_from,
            worker,
        } = prepared;
        let now = now();
        sockets.follow(now, self.path(agreed.path()), agreed.path().as_ref());
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
            room: Arc::clone(room),
            sockets: Box::new(sockets),
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
        let (Some(video), Some(worker)) = (&self.video, state.worker) else {
            return Err(McuError::NotSupported);
        };
        let mail = Mail::Keyframe {
            conference,
            endpoint,
        };
        post(video.link(worker)?, mail)
    }
}

/// What is said of an agreement.
fn media(agreed: &AgreedVideo) -> VideoMedia {
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
