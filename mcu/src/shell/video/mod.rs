//! Threads and sockets around [`crate::video`]: apart from the mixing threads, so that no picture ever delays a voice.
//!
//! | module | thread | what |
//! |---|---|---|
//! | [`setup`] | | how it is set up |
//! | `room` | all | who is in a conference, as its pictures need it: written by the control plane, read by the others |
//! | `control` | the caller's | negotiation, ports, admission |
//! | `mail` | | what that of packets is sent |
//! | `packets` | one a worker | sockets, RTP, RTCP, protection, pacing, every 5 ms |
//! | `floors` | one | who may show slides, BFCP, every 20 ms |
//! | `floor_control` | the caller's | sockets of BFCP, and who may use them |
//! | `pictures` | one a worker | decode, compose, encode, every frame time |
//! | `tape` | that of pictures | what is recorded of them |
//!
//! A conference lives on one worker. Between its two threads there are bounded queues of frames; a frame that finds no
//! place is dropped, and a keyframe asked for in its stead.
//!
//! # Decisions
//!
//! *State, not commands.* Who is in a conference, muted, talking, where, and looking at what is kept in its `room`;
//! whoever changes it counts the room's version up, and the threads take it over when the version differs. So nothing
//! can be lost in a full queue; and an audio thread that says who talks waits for nobody, for what it says has a place of
//! its own in the room.

mod control;
mod floor_control;
mod floors;
mod mail;
mod packets;
mod pictures;
mod room;
pub mod setup;
mod tape;

pub use setup::VideoSetup;

pub(super) use control::VideoEndpoint;
pub(super) use room::Rooms;

use self::floors::{FloorMail, Floors};
use self::mail::Mail;
use self::packets::Packets;
use self::pictures::Pictures;
use self::room::Room;
use super::mcu::{EventSink, StartError};
use crate::control::{ConferenceId, ConferenceVideo};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::video::compose::Typefaces;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The control plane's end of the video workers.
pub(super) struct Video {
    pub(super) setup: VideoSetup,
    pub(super) rooms: Arc<Rooms>,
    workers: Vec<Link>,
    floors: SyncSender<FloorMail>,
    /// Of the thread of floors.
    floor_gauges: Arc<Gauges>,
    threads: Vec<JoinHandle<()>>,
}

/// The control plane's end of one worker.
struct Link {
    mail: SyncSender<Mail>,
    /// Conferences that have video now, for the picture thread.
    opened: SyncSender<(ConferenceId, Arc<Room>)>,
    gauges: Arc<Gauges>,
}

/// What a worker and the control plane see of each other.
#[derive(Debug, Default)]
struct Gauges {
    /// Busy time of the picture thread, permille of real time, smoothed.
    load: AtomicU32,
    legs: Arc<AtomicUsize>,
    stop: AtomicBool,
    /// What waits for the picture thread, and for the packet thread.
    received: Backlog,
    made: Backlog,
}

/// Octets of frames that wait in a queue.
#[derive(Debug, Default)]
struct Backlog(AtomicUsize);

impl Backlog {
    /// Takes room for a frame, where there is some.
    fn take(&self, octets: usize, most: usize) -> bool {
        let more = |waiting: usize| waiting.checked_add(octets).filter(|all| *all <= most);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok()
    }

    /// A frame waits no more.
    fn give(&self, octets: usize) {
        self.0.fetch_sub(octets, Ordering::Relaxed);
    }
}

impl Video {
    /// Where it is set up.
    pub(super) fn of(
        setup: Option<&VideoSetup>,
        limits: &Arc<Limits>,
        metrics: &Metrics,
        sink: &EventSink,
    ) -> Result<Option<Self>, StartError> {
        let started = setup.map(|setup| Self::start(setup.clone(), limits, metrics, sink));
        started.transpose()
    }

    fn start(
        setup: VideoSetup,
        limits: &Arc<Limits>,
        metrics: &Metrics,
        sink: &EventSink,
    ) -> Result<Self, StartError> {
        let rooms = Arc::new(Rooms::default());
        let typefaces = Arc::new(Typefaces::of_system());
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        let (floors, floor_mail) = sync_channel(limits.video.mailbox.max(1));
        let floor_gauges = Arc::<Gauges>::default();
        let ends = (Arc::clone(&floor_gauges), floor_mail);
        let thread = Floors::new(setup.floor, limits, metrics, Arc::clone(sink), ends);
        let spawned = std::thread::Builder::new().name("floors".to_owned());
        threads.push(
            spawned
                .spawn(move || thread.run())
                .map_err(StartError::Thread)?,
        );
        for n in 0..setup.workers.max(1) {
            let video = &limits.video;
            let (mail, mails) = sync_channel(video.mailbox.max(1));
            let (opened, opens) = sync_channel(video.mailbox.max(1));
            let (received, frames) = sync_channel(video.frames.max(1));
            let (composed, made) = sync_channel(video.frames.max(1));
            let gauges = Arc::<Gauges>::default();
            let packets = Packets::new(
                limits,
                metrics,
                Arc::clone(sink),
                Arc::clone(&gauges),
                (mails, made, received),
                floors.clone(),
            );
            let pictures = Pictures::new(
                (setup.clone(), Arc::clone(&typefaces)),
                limits,
                metrics,
                Arc::clone(sink),
                Arc::clone(&gauges),
                (opens, frames, composed),
            );
            let mut spawn = |name: String, run: Box<dyn FnOnce() + Send>| {
                let thread = std::thread::Builder::new().name(name).spawn(run);
                threads.push(thread.map_err(StartError::Thread)?);
                Ok::<(), StartError>(())
            };
            spawn(format!("video-{n}"), Box::new(move || packets.run()))?;
            spawn(format!("pictures-{n}"), Box::new(move || pictures.run()))?;
            workers.push(Link {
                mail,
                opened,
                gauges,
            });
        }
        Ok(Self {
            setup,
            rooms,
            workers,
            floors,
            floor_gauges,
            threads,
        })
    }

    /// Opens the room of a conference; `confid` is what floor control calls it.
    pub(super) fn open(&self, conference: ConferenceId, pictures: ConferenceVideo, confid: u32) {
        self.rooms.open(conference, pictures, confid);
    }

    /// The busiest picture thread's load, permille of its time.
    pub(super) fn load_permille(&self) -> u32 {
        let loads = self.workers.iter();
        let loads = loads.map(|w| w.gauges.load.load(Ordering::Relaxed));
        loads.max().unwrap_or(0)
    }
}

impl Drop for Video {
    /// Stops the threads and waits for them: a frame time or so.
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.gauges.stop.store(true, Ordering::Relaxed);
        }
        self.floor_gauges.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}
