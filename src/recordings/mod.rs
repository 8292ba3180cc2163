//! Recordings: the thread that writes them, and what there is of them.
//!
//! | file | what |
//! |---|---|
//! | `ID.json` | the [`index`] of a recording |
//! | `ID-N.webm` | sound and pictures |
//! | `ID-N.mka` | sound alone |
//!
//! One thread writes all recordings. The mixers hand it pieces through a bounded queue and never wait for it: where the
//! disk is slow, recordings have gaps, which are counted, and calls have none. What was recorded is written every fifth
//! of a second, and no file needs an end, so that a kill loses less than a second. A file that comes to an orderly end gets
//! an index of its keyframes, by which players go to any place in it; on a full disk it ends with what found room.

pub mod index;
mod shelf;
mod take;

pub use shelf::{NotDeleted, Shelf};

use crate::config;
use plenum_mcu::recording::{Fate, Piece, Recorder, Request, TakeId, Tape};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use take::Take;

/// Where recordings are kept, and how much of them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory.
    pub directory: PathBuf,
    /// Octets of all recordings at most; 0: as the disk has.
    pub quota: u64,
    /// Octets of the recordings of one conference at most; 0: no bound of its own.
    pub conference_quota: u64,
    /// Octets that stay free on the disk.
    pub least_free: u64,
    /// Pieces that wait for the disk. Beyond: lost and counted.
    pub queue: usize,
}

/// What is counted of recordings.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Recordings under way.
    pub running: Gauge,
    /// Recordings begun.
    pub begun: Counter,
    /// Recordings that failed, at their beginning or later.
    pub failed: Counter,
    /// Pieces that found no place in the queue.
    pub lost: Counter,
    /// Octets of all recordings that there are.
    pub octets: Gauge,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        let running = "Recordings under way";
        registry.register("recordings_running", running, self.running.clone());
        let octets = "Octets of all recordings that are kept";
        registry.register("recordings_octets", octets, self.octets.clone());
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("recordings_begun", "Recordings begun", &self.begun);
        counter(
            "recordings_failed",
            "Recordings that could not begin or go on",
            &self.failed,
        );
        counter(
            "recordings_pieces_lost",
            "Packets and pictures lost to recordings by a slow disk",
            &self.lost,
        );
    }
}

/// What is recorded goes to a thread of its own; ends with this value.
#[derive(Debug)]
pub struct Recordings {
    shelf: Arc<Shelf>,
    begins: SyncSender<Begin>,
    pieces: SyncSender<(TakeId, Piece)>,
    last: AtomicU64,
    lost: Counter,
    failed: Counter,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// A recording that is to begin.
type Begin = (TakeId, Request, plenum_mcu::recording::Reel);

/// How many may be about to begin at once.
const BEGINS: usize = 256;
/// How often the thread looks for what ended.
const LOOK: Duration = Duration::from_millis(100);

impl Recordings {
    /// Starts the thread, where the configuration has a place for recordings.
    ///
    /// # Errors
    /// The directory cannot be made or read, or there is no thread to be had.
    pub fn start(
        config: &config::Config,
        metrics: &Metrics,
        seed: [u8; 32],
    ) -> io::Result<Option<Self>> {
        let Some(settings) = config.recording.settings(&config.limits) else {
            return Ok(None);
        };
        let (begins, begun) = sync_channel(BEGINS);
        let (pieces, taken) = sync_channel(settings.queue.max(1));
        let shelf = Arc::new(Shelf::open(settings.clone(), metrics.clone())?);
        let stop = Arc::<AtomicBool>::default();
        let writer = Writer {
            settings,
            shelf: Arc::clone(&shelf),
            metrics: metrics.clone(),
            takes: BTreeMap::new(),
            random: StdRng::from_seed(seed),
        };
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let thread = thread.spawn(move || writer.run(&begun, &taken, &told))?;
        Ok(Some(Self {
            shelf,
            begins,
            pieces,
            last: AtomicU64::new(0),
            lost: metrics.lost.clone(),
            failed: metrics.failed.clone(),
            stop,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// What there is.
    #[must_use]
    pub fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf)
    }
}

impl Drop for Recordings {
    /// All recordings come to an orderly end.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // One that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl Recorder for Recordings {
    fn begin(&self, request: Request) -> Result<Tape, String> {
        if let Some(reason) = self.shelf.refuses(&request.name) {
            self.failed.inc();
            return Err(reason);
        }
        let take = TakeId(self.last.fetch_add(1, Ordering::Relaxed));
        let (tape, reel) = Tape::new(take, self.pieces.clone(), self.lost.clone());
        let begin = self.begins.try_send((take, request, reel));
        begin.map_err(|_| "too many recordings begin at once".to_owned())?;
        Ok(tape)
    }
}

/// The thread.
struct Writer {
    settings: Settings,
    shelf: Arc<Shelf>,
    metrics: Metrics,
    takes: BTreeMap<TakeId, Take>,
    random: StdRng,
}

impl Writer {
    fn run(
        mut self,
        begins: &Receiver<Begin>,
        pieces: &Receiver<(TakeId, Piece)>,
        stop: &AtomicBool,
    ) {
        let mut next = clocks().0;
        while !stop.load(Ordering::Relaxed) {
            while let Ok((id, request, reel)) = begins.try_recv() {
                self.begin(id, request, reel);
            }
            match pieces.recv_timeout(LOOK) {
                Ok((id, piece)) => self.take(id, piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let (now, _) = clocks();
            if now >= next {
                next = now + LOOK;
                self.look();
            }
        }
        for (_, mut take) in std::mem::take(&mut self.takes) {
            self.end(&mut take, None);
        }
    }

    fn begin(&mut self, id: TakeId, request: Request, reel: plenum_mcu::recording::Reel) {
        let (now, unix) = clocks();
        let name = self.name_of(&request.name, unix);
        match Take::begin(request, reel, name, (now, unix), &self.shelf) {
            Ok(take) => {
                tracing::info!(recording = take.id(), "begun");
                self.metrics.begun.inc();
                self.metrics.running.inc();
                take.tell(Fate::Begun);
                self.takes.insert(id, take);
            }
            Err((request, reason)) => {
                tracing::error!(conference = request.name, reason, "cannot be recorded");
                self.metrics.failed.inc();
                (request.tell)(Fate::Failed(reason));
            }
        }
    }

    fn take(&mut self, id: TakeId, piece: Piece) {
        // A piece may come after the end of its take.
        let Some(take) = self.takes.get_mut(&id) else {
            return;
        };
        if let Err(error) = take.take(piece, clocks().1, &self.settings.directory) {
            self.fail(id, take::words(&error));
        }
    }

    /// Ends what is over, and looks whether the rest can go on.
    fn look(&mut self) {
        let all: Vec<TakeId> = self.takes.keys().copied().collect();
        for id in all {
            let Some(take) = self.takes.get_mut(&id) else {
                continue;
            };
            if take.is_over() {
                if let Some(mut take) = self.takes.remove(&id) {
                    self.end(&mut take, None);
                }
            } else if let Err(reason) = take.tick(clocks(), &self.shelf) {
                self.fail(id, reason);
            }
        }
    }

    fn fail(&mut self, id: TakeId, reason: String) {
        if let Some(mut take) = self.takes.remove(&id) {
            tracing::error!(recording = take.id(), reason, "cannot go on");
            self.metrics.failed.inc();
            self.end(&mut take, Some(reason.clone()));
            take.tell(Fate::Failed(reason));
        }
    }

    fn end(&self, take: &mut Take, failed: Option<String>) {
        self.metrics.running.dec();
        let places = (&*self.shelf, self.settings.directory.as_path());
        let orderly = failed.is_none();
        if let Err(error) = take.end(failed, clocks(), places) {
            tracing::error!(recording = take.id(), %error, "is without its end");
        }
        if orderly && take.is_empty() {
            self.shelf.discard(take.id());
        }
        tracing::info!(recording = take.id(), "ended");
    }

    /// The conference, the time, and something that makes it the only one.
    fn name_of(&mut self, conference: &str, unix: Duration) -> String {
        let mut name = String::new();
        for octet in conference.bytes().take(32) {
            if octet.is_ascii_alphanumeric() || b"-_".contains(&octet) {
                name.push(char::from(octet));
            } else {
                name.push('_');
            }
        }
        let date = index::date(unix).replace([':', '-'], "");
        format!("{date}-{name}-{:06x}", self.random.next_u32() & 0x00FF_FFFF)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is a shell: recordings carry the time of day"
)]
fn clocks() -> (Instant, Duration) {
    // A clock before 1970 is not set; the epoch says so.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    (Instant::now(), unix.unwrap_or_default())
}
