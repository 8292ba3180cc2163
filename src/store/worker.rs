//! The one thread of the server that writes.

use super::{File, KeptBan, KeptTemplate, Lock, StoreError};
use plenum_focus::store::{BindingStore, Done, KeptBinding, Users};
use plenum_sip::registrar::Change;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// What is counted of the store.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Commits.
    pub commits: Counter,
    /// Changes that were kept.
    pub changes: Counter,
    /// Changes that could not be kept.
    pub failures: Counter,
}

impl Metrics {
    /// Under the names that README lists.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("store_commits", "Commits to the store", &self.commits);
        counter("store_changes", "Changes kept in the store", &self.changes);
        counter(
            "store_failures",
            "Changes that could not be kept in the store",
            &self.failures,
        );
    }
}

/// The way to the thread that writes. When the last one is dropped, what waits is written.
pub struct Store {
    orders: Option<SyncSender<Order>>,
    users: watch::Receiver<Arc<Users>>,
    thread: Option<JoinHandle<()>>,
    metrics: Metrics,
}

/// What a server finds when it starts.
#[derive(Debug)]
pub struct Kept {
    /// The bindings of before.
    pub bindings: Vec<KeptBinding>,
    /// The key of temporary GRUUs.
    pub gruu_key: [u8; 32],
    /// Who was shut out.
    pub bans: Vec<KeptBan>,
    /// Layouts that were made.
    pub templates: Vec<KeptTemplate>,
}

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Changes that wait; beyond: refused.
    pub queue: usize,
    /// Bans that are kept; beyond: those that end last.
    pub bans: usize,
}

enum Order {
    Bindings(Registration),
    Ban(KeptBan),
    Lift(IpAddr),
    Template(KeptTemplate),
    DropTemplate(String),
}

struct Registration {
    changes: Vec<(String, Change)>,
    done: Done,
}

impl Store {
    /// Opens the store for this server, with this room. `seed` is random.
    /// `wake` is called when the users have changed.
    ///
    /// # Errors
    /// What is wrong with it, and the remedy.
    pub fn start(
        path: &Path,
        room: Room,
        seed: [u8; 32],
        metrics: Metrics,
        wake: impl Fn() + Send + 'static,
    ) -> Result<(Self, Kept), StoreError> {
        let lock = Lock::take(path)?;
        let file = File::open(path)?;
        let kept = Kept {
            bindings: file.bindings()?,
            gruu_key: file.secret("gruu", seed)?,
            bans: file.bans()?,
            templates: file.templates()?,
        };
        let (known, users) = watch::channel(Arc::new(file.users()?));
        let (orders, inbox) = sync_channel(room.queue);
        let worker = Worker {
            stamp: file.stamp()?,
            file,
            path: path.to_owned(),
            _lock: lock,
            users: known,
            metrics: metrics.clone(),
            most_bans: room.bans,
            wake: Box::new(wake),
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run(&inbox))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let store = Self {
            orders: Some(orders),
            users,
            thread: Some(thread),
            metrics,
        };
        Ok((store, kept))
    }

    /// The users as they are now.
    #[must_use]
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.borrow())
    }

    /// Keeps a ban. It holds as long as this process runs, also where it cannot be kept.
    pub fn keep_ban(&self, ban: KeptBan) {
        self.order(Order::Ban(ban));
    }

    /// Forgets a ban.
    pub fn lift_ban(&self, source: IpAddr) {
        self.order(Order::Lift(source));
    }

    /// Keeps a template. It is there as long as this process runs, also where it cannot be kept.
    pub fn keep_template(&self, template: KeptTemplate) {
        self.order(Order::Template(template));
    }

    /// Forgets a template.
    pub fn drop_template(&self, name: String) {
        self.order(Order::DropTemplate(name));
    }

    fn order(&self, order: Order) {
        let Some(orders) = &self.orders else { return };
        let refused = orders.try_send(order).err();
        let Some(TrySendError::Full(order) | TrySendError::Disconnected(order)) = refused else {
            return;
        };
        self.metrics.failures.inc();
        if let Order::Bindings(order) = order {
            (order.done)(Err(StoreError::Busy));
        }
    }
}

impl BindingStore for Store {
    fn save(&self, changes: Vec<(String, Change)>, done: Done) {
        self.order(Order::Bindings(Registration { changes, done }));
    }
}

impl Drop for Store {
    /// What was given is written before the process ends.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            thread.join().ok();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

struct Worker {
    file: File,
    path: PathBuf,
    stamp: i64,
    _lock: Lock,
    users: watch::Sender<Arc<Users>>,
    metrics: Metrics,
    most_bans: usize,
    wake: Box<dyn Fn() + Send>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(first) => {
                    let batch = std::iter::once(first).chain(inbox.try_iter().take(BATCH));
                    self.carry_out(batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    fn carry_out(&mut self, batch: impl Iterator<Item = Order>) {
        let mut registrations = Vec::new();
        for order in batch {
            match order {
                Order::Bindings(order) => registrations.push(order),
                Order::Ban(ban) => self.note("a ban", self.file.keep_ban(&ban, self.most_bans)),
                Order::Lift(source) => self.note("a ban", self.file.lift_ban(source)),
                Order::Template(one) => self.note("a template", self.file.keep_template(&one)),
                Order::DropTemplate(name) => {
                    self.note("a template", self.file.drop_template(&name));
                }
            }
        }
        if !registrations.is_empty() {
            self.commit(registrations);
        }
    }

    fn note(&self, what: &str, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
                self.metrics.commits.inc();
                self.metrics.changes.inc();
            }
            Err(error) => {
                self.metrics.failures.inc();
                tracing::error!(%error, "{what} cannot be kept; it holds until the server stops");
            }
        }
    }

    fn commit(&mut self, batch: Vec<Registration>) {
        let changes = batch.iter().flat_map(|order| &order.changes);
        let count = u64::try_from(changes.clone().count()).unwrap_or(u64::MAX);
        let outcome = self.file.save(changes);
        match &outcome {
            Ok(()) => {
                self.metrics.commits.inc();
                self.metrics.changes.inc_by(count);
            }
            Err(error) => {
                self.metrics.failures.inc_by(count);
                tracing::error!(%error, "registrations cannot be kept; calls go on");
            }
        }
        for order in batch {
            (order.done)(outcome.clone());
        }
    }

    /// Whether another process has written: then the users may be others.
    fn look(&mut self) {
        let read = || -> Result<Option<(i64, Users)>, StoreError> {
            let stamp = self.file.stamp()?;
            let changed = stamp != self.stamp;
            changed.then(|| Ok((stamp, self.file.users()?))).transpose()
        };
        match read() {
            Ok(None) => {}
            Ok(Some((stamp, users))) => {
                self.stamp = stamp;
                tracing::info!(users = users.len(), store = %self.path.display(), "users read again");
                self.users.send_replace(Arc::new(users));
                (self.wake)();
            }
            Err(error) => tracing::error!(%error, "users cannot be read; those known stay"),
        }
    }
}

/// How often another process is noticed.
const LOOK: Duration = Duration::from_millis(100);
/// Orders committed together at most.
const BATCH: usize = 1024;
