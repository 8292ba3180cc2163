//! The control plane of the audio MCU, on its caller's thread: negotiation, ports, admission.
//!
//! | command | answered |
//! |---|---|
//! | `Create`, `Add`, `Renegotiate`, `Answer`, `Rollback` | at once: call set-up waits for no tick |
//! | all that act in the mixer | by the worker, when it has applied them at a tick |
//!
//! Nothing here is locked while the event sink is called, so the sink may send commands itself.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use plenum_media::crypto::dtls::{Identity, NoIdentity};
use plenum_media::negotiated::NegotiatedAudio;
use plenum_media::path::{Handshakes, PathConfig};
use plenum_media::sdp::{Local, Session};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

use super::bundle::sound;
use super::config::Config;
use super::exchange::{Change, overheard};
use super::in_mixer::in_mixer;
use super::legs::cname;
use super::load::Load;
use super::ports::PortPool;
use super::reserve::Reserve;
use super::sockets::{Place, Sockets};
use super::video::{Video, VideoEndpoint};
use super::worker::{Ending, Gauges, Mail, Worker};
use crate::NewEndpoint;
use crate::audio::announce::Sounds;
use crate::conference::Order;
use crate::control::{
    Action, CommandId, ConferenceId, ConferenceSettings, EndpointId, EndpointSettings, Mcu,
    McuCommand, McuError, McuEvent, Quality, Report,
};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::recording::Tape;

/// Where events go. Called on any thread, worker threads included: it must not block.
pub type EventSink = Arc<dyn Fn(McuEvent) + Send + Sync>;

/// Why the MCU could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread could not be started.
    #[error("a mixing thread could not be started")]
    Thread(#[source] io::Error),
    /// No certificate for encrypted media.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The operating system gives no random numbers.
    #[error("no random numbers to be had")]
    Random,
}

/// The audio MCU.
pub struct AudioMcu {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Metrics,
    pub(super) media_metrics: Arc<plenum_media::metrics::Metrics>,
    pub(super) sink: EventSink,
    pub(super) ports_v4: Arc<PortPool>,
    pub(super) ports_v6: Arc<PortPool>,
    /// Sockets with addresses from STUN and TURN servers, where these are asked.
    pub(super) reserve: Option<Arc<Reserve>>,
    pub(super) workers: Vec<WorkerLink>,
    pub(super) conferences: Arc<AtomicUsize>,
    pub(super) directory: Arc<Directory>,
    /// What every path is made with.
    pub(super) path: PathConfig,
    pub(super) random: Mutex<StdRng>,
    /// The same moment by both clocks, for the reports' NTP times.
    pub(super) started: (Instant, SystemTime),
    pub(super) video: Option<Video>,
}

/// The conferences there are.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<BTreeMap<ConferenceId, Arc<Mutex<Conference>>>>);

/// The control plane's end of a worker's queues.
pub(super) struct WorkerLink {
    pub(super) mail: SyncSender<Mail>,
    pub(super) endings: SyncSender<Ending>,
    pub(super) gauges: Arc<Gauges>,
}

/// What the control plane knows of a conference.
#[derive(Debug)]
pub(super) struct Conference {
    pub(super) worker: usize,
    pub(super) max_endpoints: usize,
    pub(super) endpoints: BTreeMap<EndpointId, Endpoint>,
    /// Of the recording under way.
    pub(super) tape: Option<Tape>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) session: Session,
    pub(super) ssrc: u32,
    pub(super) video: VideoEndpoint,
}

impl AudioMcu {
    /// Starts the workers. Events go to `sink`.
    ///
    /// # Errors
    /// [`StartError`] when a thread or random numbers cannot be had.
    pub fn start(
        config: Config,
        limits: Limits,
        sounds: Sounds,
        metrics: Metrics,
        media_metrics: plenum_media::metrics::Metrics,
        sink: EventSink,
    ) -> Result<Self, StartError> {
        let mut random = StdRng::try_from_rng(&mut SysRng).map_err(|_| StartError::Random)?;
        let (limits, sounds) = (Arc::new(limits), Arc::new(sounds));
        let directory = Arc::new(Directory::default());
        let video = Video::of(config.video.as_ref(), &limits, &metrics, &sink)?;
        let sink = overheard(sink, video.as_ref());
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for n in 0..config.mixing_threads() {
            let (link, mail, endings) = link(&limits);
            let forget = Arc::clone(&directory);
            let worker = Worker {
                limits: Arc::clone(&limits),
                sounds: Arc::clone(&sounds),
                metrics: metrics.clone(),
                sink: Arc::clone(&sink),
                failed: Box::new(move |conference| drop(forget.lock().remove(&conference))),
                mail,
                endings,
                gauges: Arc::clone(&link.gauges),
                conferences: BTreeMap::new(),
                load: Load::default(),
            };
            let thread = std::thread::Builder::new().name(format!("mixer-{n}"));
            let thread = thread.spawn(move || worker.run());
            threads.push(thread.map_err(StartError::Thread)?);
            workers.push(link);
        }
        let (first, last) = (*config.ports.start(), *config.ports.end());
        let mut pool = || {
            Arc::new(PortPool::new(
                first,
                last,
                random.next_u64(),
                metrics.ports.clone(),
            ))
        };
        let (ports_v4, ports_v6) = (pool(), pool());
        let pools = (&ports_v4, &ports_v6);
        let reserve = Inner::start_reserve(&config, &limits, pools, &media_metrics, &mut threads)
            .map_err(StartError::Thread)?;
        let media_metrics = Arc::new(media_metrics);
        let security = limits.media.security.clone();
        let path = PathConfig {
            identity: Arc::new(Identity::generate()?),
            handshakes: Handshakes::new(security.dtls_handshakes),
            limits: security,
            metrics: Arc::clone(&media_metrics),
        };
        let inner = Inner {
            path,
            config,
            limits,
            metrics,
            media_metrics,
            sink,
            ports_v4,
            ports_v6,
            reserve,
            workers,
            conferences: Arc::default(),
            directory,
            random: Mutex::new(random),
            started: clocks(),
            video,
        };
        Ok(Self {
            inner: Arc::new(inner),
            threads,
        })
    }

    /// How the media of everybody in a conference is now; empty when there is no such conference.
    ///
    /// Asks the worker and waits for its next tick, at most 200 ms: not for a thread that must not block.
    pub fn quality(&self, conference: ConferenceId) -> Vec<(EndpointId, Quality)> {
        let Some(found) = self.inner.directory.find(conference) else {
            return Vec::new();
        };
        let worker = found.lock().unwrap_or_else(PoisonError::into_inner).worker;
        let (reply, answer) = sync_channel(1);
        let question = Mail::Quality { conference, reply };
        let asked = self.inner.workers.get(worker);
        if asked.is_none_or(|w| w.mail.try_send(question).is_err()) {
            return Vec::new();
        }
        let patience = Duration::from_millis(200);
        answer.recv_timeout(patience).unwrap_or_default()
    }

    /// The busiest picture thread's load in permille of its time; 0 without video.
    pub fn video_load_permille(&self) -> u32 {
        let video = self.inner.video.as_ref();
        video.map_or(0, Video::load_permille)
    }

    /// The busiest worker's load in permille of its time.
    pub fn load_permille(&self) -> u32 {
        let loads = self.inner.workers.iter();
        let loads = loads.map(|w| w.gauges.load.load(Ordering::Relaxed));
        loads.max().unwrap_or(0)
    }
}

impl Drop for AudioMcu {
    /// Stops the workers and waits for them, 20 ms or so.
    fn drop(&mut self) {
        for worker in &self.inner.workers {
            worker.gauges.stop.store(true, Ordering::Relaxed);
        }
        if let Some(reserve) = &self.inner.reserve {
            reserve.stop();
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl std::fmt::Debug for AudioMcu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioMcu")
            .field("config", &self.inner.config)
            .field("workers", &self.inner.workers.len())
            .finish_non_exhaustive()
    }
}

impl Mcu for AudioMcu {
    fn command(&self, command: McuCommand) {
        let inner = &self.inner;
        let McuCommand {
            id,
            conference,
            action,
        } = command;
        let mut reports = Vec::new();
        let change = Change::of(&action);
        let result = inner.carry_out(conference, id, action, &mut reports);
        if result.is_ok() {
            inner.show(conference, change);
        }
        let result = match result {
            Ok(Settled::Now) => Some(Ok(())),
            Ok(Settled::ByWorker) => None,
            Err(error) => {
                inner.count(&error);
                Some(Err(error))
            }
        };
        reports.extend(result.map(|result| Report::Done {
            command: id,
            result,
        }));
        for report in reports {
            (inner.sink)(McuEvent { conference, report });
        }
    }
}

/// Who answers a command.
pub(super) enum Settled {
    Now,
    ByWorker,
}

impl Inner {
    fn carry_out(
        &self,
        conference: ConferenceId,
        id: CommandId,
        action: Action,
        reports: &mut Vec<Report>,
    ) -> Result<Settled, McuError> {
        let action = match self.begin((id, conference), action) {
            ControlFlow::Break(result) => return result,
            ControlFlow::Continue(action) => action,
        };
        let found = self.directory.find(conference);
        let found = found.ok_or(McuError::Unknown("conference"))?;
        let mut this = found.lock().unwrap_or_else(PoisonError::into_inner);
        match action {
            Action::Create(_) | Action::Adopt { .. } => Err(McuError::Unknown("conference")),
            Action::Destroy => {
                self.directory.lock().remove(&conference);
                let ending = Ending::Destroy {
                    conference,
                    command: id,
                };
                self.end(this.worker, ending)
            }
            Action::Add {
                endpoint,
                offer,
                settings,
            } => self.add(conference, &mut this, endpoint, offer, settings, reports),
            Action::Renegotiate { endpoint, offer } => {
                self.renegotiate(conference, &mut this, endpoint, offer.as_ref(), reports)
            }
            Action::Answer { endpoint, answer } => {
                self.conclude(conference, &mut this, endpoint, &answer, reports)
            }
            Action::Keyframe { endpoint } => {
                let one = this.endpoint(endpoint)?;
                self.signalled_keyframe(&one.video, conference, endpoint)?;
                Ok(Settled::Now)
            }
            Action::Pictures(_) | Action::RevokeFloor => Ok(Settled::Now),
            Action::Looks { endpoint, .. } | Action::GiveFloor { endpoint } => {
                this.endpoint(endpoint)?;
                Ok(Settled::Now)
            }
            Action::Record(record) => self.record(conference, id, &mut this, record),
            Action::Rollback { endpoint } => {
                let Endpoint { session, video, .. } = this.endpoint(endpoint)?;
                session.rollback();
                Self::abandon_video(session, video);
                Ok(Settled::Now)
            }
            Action::Remove { endpoint } => {
                let gone = this.endpoints.remove(&endpoint);
                gone.ok_or(McuError::Unknown("endpoint"))?;
                let ending = Ending::Remove {
                    conference,
                    command: id,
                    endpoint,
                };
                self.end(this.worker, ending)
            }
            action @ (Action::Place { .. }
            | Action::Filter { .. }
            | Action::Play { .. }
            | Action::Stop { .. }
            | Action::Ambience { .. }
            | Action::SignalledDtmf { .. }) => {
                let order = in_mixer(action).ok_or(McuError::NotSupported)?;
                self.order(conference, this.worker, Some(id), order)
            }
        }
    }

    pub(super) fn create(
        &self,
        conference: ConferenceId,
        settings: ConferenceSettings,
    ) -> Result<Settled, McuError> {
        let mut directory = self.directory.lock();
        if directory.contains_key(&conference) {
            return Err(McuError::Unknown("conference: it is already there"));
        }
        let most = self.limits.conferences;
        let place = Place::take(&self.conferences, most, &self.metrics.conferences);
        let place = place.ok_or(McuError::Overloaded("conferences"))?;
        let burden = |w: &WorkerLink| {
            let legs = w.gauges.legs.load(Ordering::Relaxed);
            (w.gauges.load.load(Ordering::Relaxed) / 50, legs)
        };
        let workers = self.workers.iter().enumerate();
        let (worker, link) = workers
            .min_by_key(|(_, w)| burden(w))
            .ok_or(McuError::Overloaded("workers"))?;
        let max_endpoints = settings.max_endpoints;
        let pictures = (!settings.audio_only).then(|| settings.video.clone());
        let mail = Mail::Create {
            conference,
            settings,
            place,
        };
        post(&link.mail, mail)?;
        let entry = Conference {
            worker,
            max_endpoints,
            endpoints: BTreeMap::new(),
            tape: None,
        };
        directory.insert(conference, Arc::new(Mutex::new(entry)));
        if let (Some(video), Some(pictures)) = (&self.video, pictures) {
            video.open(conference, pictures, self.confid());
        }
        Ok(Settled::Now)
    }

    fn add(
        &self,
        conference: ConferenceId,
        this: &mut Conference,
        endpoint: EndpointId,
        offer: Option<Bytes>,
        settings: EndpointSettings,
        reports: &mut Vec<Report>,
    ) -> Result<Settled, McuError> {
        if this.endpoints.contains_key(&endpoint) {
            return Err(McuError::Unknown("endpoint: it is already there"));
        }
        if this.endpoints.len() >= this.max_endpoints {
            return Err(McuError::Full);
        }
        let place = self.admit(this.worker)?;
        let v6 = self.speaks_v6(offer.as_ref(), &settings);
        let (mut sockets, given) = self.open(v6, offer.as_ref(), &settings, place)?;
        let (session_id, ssrc, seed) = self.numbers(this);
        let ends = (&sockets, &given);
        let local = Local {
            source: Some((ssrc, cname(seed))),
            ..self.local(v6, ends, session_id, &settings, self.key_seed())
        };
        let limits = self.limits.media.clone();
        let mut one = Endpoint {
            session: Session::new(local, limits, (*self.media_metrics).clone()),
            ssrc,
            video: VideoEndpoint::new(cname(seed), ssrc, &settings),
        };
        self.enter(conference, endpoint, &settings);
        let ids = (conference, endpoint);
        let negotiated = match self.negotiate(ids, &mut one, offer.as_ref(), reports) {
            Ok(negotiated) => negotiated,
            Err(error) => {
                // Allocations on a TURN server end with the path, not by themselves.
                sockets.path = self.first_path(&one.session, false, given.relays);
                self.leave(conference, endpoint);
                reports.clear();
                return Err(error);
            }
        };
        sockets.path = self.first_path(&one.session, offer.is_none(), given.relays);
        sockets.bundle(one.video.take_trunk(), sound(&one.session));
        let new = NewEndpoint {
            endpoint,
            port: sockets,
            leg: self.leg(ssrc, seed, &settings),
            settings,
            negotiated,
        };
        let order = Order::Add(Box::new(new));
        if let Err(error) = self.order(conference, this.worker, None, order) {
            self.leave(conference, endpoint);
            reports.clear();
            return Err(error);
        }
        this.endpoints.insert(endpoint, one);
        Ok(Settled::Now)
    }

    /// The worker is told how packets travel from now on, before it is told what is in them.
    pub(super) fn follow(
        &self,
        conference: ConferenceId,
        worker: usize,
        endpoint: EndpointId,
        one: &mut Endpoint,
    ) -> Result<(), McuError> {
        let agreed = one.session.path();
        let link = self.worker(worker)?;
        let mail = Mail::Path {
            conference,
            endpoint,
            fresh: self.path(agreed.clone()),
            agreed: agreed.map(Box::new),
            trunk: one.video.take_trunk(),
            sound: sound(&one.session),
        };
        post(&link.mail, mail)
    }

    pub(super) fn apply(
        &self,
        conference: ConferenceId,
        worker: usize,
        endpoint: EndpointId,
        negotiated: Option<NegotiatedAudio>,
    ) -> Result<Settled, McuError> {
        let Some(negotiated) = negotiated.map(Box::new) else {
            return Ok(Settled::Now);
        };
        let order = Order::Apply {
            endpoint,
            negotiated,
        };
        self.order(conference, worker, None, order)?;
        Ok(Settled::Now)
    }

    fn order(
        &self,
        conference: ConferenceId,
        worker: usize,
        command: Option<CommandId>,
        order: Order<Sockets>,
    ) -> Result<Settled, McuError> {
        let link = self.worker(worker)?;
        let mail = Mail::Order {
            conference,
            command,
            order,
        };
        post(&link.mail, mail)?;
        Ok(Settled::ByWorker)
    }

    fn worker(&self, worker: usize) -> Result<&WorkerLink, McuError> {
        let link = self.workers.get(worker);
        link.ok_or(McuError::Unknown("worker"))
    }

    fn end(&self, worker: usize, ending: Ending) -> Result<Settled, McuError> {
        let link = self.worker(worker)?;
        post(&link.endings, ending)?;
        Ok(Settled::ByWorker)
    }

    fn count(&self, error: &McuError) {
        match error {
            McuError::Overloaded("media ports") => self.metrics.refused_ports.inc(),
            McuError::Overloaded(_) => self.metrics.refused_overload.inc(),
            McuError::Full => self.metrics.refused_full.inc(),
            McuError::MalformedSdp(_)
            | McuError::Incompatible { .. }
            | McuError::Unknown(_)
            | McuError::NotRecorded(_)
            | McuError::NotSupported => 0,
        };
    }
}

impl Conference {
    pub(super) fn endpoint(&mut self, endpoint: EndpointId) -> Result<&mut Endpoint, McuError> {
        let found = self.endpoints.get_mut(&endpoint);
        found.ok_or(McuError::Unknown("endpoint"))
    }
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConferenceId, Arc<Mutex<Conference>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, conference: ConferenceId) -> Option<Arc<Mutex<Conference>>> {
        self.lock().get(&conference).map(Arc::clone)
    }
}

/// The queues between the control plane and a worker, and both their ends.
fn link(limits: &Limits) -> (WorkerLink, Receiver<Mail>, Receiver<Ending>) {
    let (mail, mails) = sync_channel(limits.mailbox.max(1));
    // Every leg and every conference ends once, and holds its place until the worker has ended it.
    let most = limits.legs_per_worker.saturating_add(limits.conferences);
    let (ending, endings) = sync_channel(most.max(1));
    let link = WorkerLink {
        mail,
        endings: ending,
        gauges: Arc::default(),
    };
    (link, mails, endings)
}

pub(super) fn post<T>(queue: &SyncSender<T>, mail: T) -> Result<(), McuError> {
    let full = McuError::Overloaded("processor time");
    queue.try_send(mail).map_err(|_| full)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clocks for its cores"
)]
fn clocks() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}
