//! The loop around the endpoint: wait, one mutation, drain.
//!
//! One task owns the [`Endpoint`], its transaction user and all sockets. What arrives is handled
//! where it was read, events are answered in the same call, and what the endpoint has to send leaves
//! before the next message is looked at: no queue and no other thread between a request and its
//! answer. Other tasks act on the endpoint through a [`SipHandle`], in the transaction user's own
//! words.
//!
//! | wakes the loop | becomes |
//! |---|---|
//! | datagrams, stream messages | `handle_message` |
//! | the end of a connection, an unsent request | `handle_flow_closed`, `handle_send_failed` |
//! | an answer of the resolver | `handle_resolved` |
//! | the next timer of the endpoint or of the transaction user | `handle_timeout` |
//! | a command | [`TransactionUser::handle_command`] |
//!
//! *Invariant:* between two waits nothing waits.

use crate::endpoint::{Endpoint, Event, Output, ResolveId, Target};
use crate::msg::{Text, Uri};
use crate::resolve::{Resolution, Resolver};
use crate::transport::{Arrival, ShellLimits, ShellMetrics, Transports, Unresolved, UnresolvedBy};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// What decides about calls: the layer above the endpoint (RFC 3261 §5, "transaction user").
///
/// Its functions are called from the driver's task and must not block. They may command the
/// endpoint at once; what it then has to send leaves as soon as they return.
pub trait TransactionUser {
    /// What other tasks ask of it through a [`SipHandle`].
    type Command: Send;

    /// Something happened.
    fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event);

    /// Another task wants something.
    fn handle_command(&mut self, now: Instant, endpoint: &mut Endpoint, command: Self::Command);

    /// The instant of [`Self::next_timeout`] has come.
    fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let _ = (now, endpoint);
    }

    /// When [`Self::handle_timeout`] is to be called. Asked again after everything that happens.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
}

/// The way of other tasks to a transaction user. When the last one is dropped, the driver stops.
#[derive(Debug)]
pub struct SipHandle<C> {
    orders: mpsc::Sender<Order<C>>,
}

/// Why a command was not taken; it comes back.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken<C> {
    /// The queue is full: the driver is overloaded.
    #[error("too many commands are waiting")]
    Full(C),
    /// The driver has stopped.
    #[error("the SIP driver has stopped")]
    Stopped(C),
}

#[derive(Debug)]
enum Order<C> {
    Command(C, tokio::time::Instant),
    StopAccepting,
    Stop,
}

/// The task around an [`Endpoint`].
#[derive(Debug)]
pub struct Driver<U: TransactionUser> {
    endpoint: Endpoint,
    user: U,
    transports: Transports,
    resolver: Resolver,
    resolving: JoinSet<(ResolveId, Result<Vec<Target>, Unresolved>)>,
    resolutions: usize,
    orders: mpsc::Receiver<Order<U::Command>>,
    /// The endpoint's next timer.
    timeout: Option<Instant>,
    metrics: ShellMetrics,
}

/// What woke the loop.
#[derive(Debug)]
enum Wake {
    Arrivals,
    Orders,
    Resolved(ResolveId, Result<Vec<Target>, Unresolved>),
    Alarm,
}

impl<U: TransactionUser> Driver<U> {
    /// Puts everything together. The transports are bound before, because the endpoint may have to
    /// be told where they listen.
    pub fn new(
        endpoint: Endpoint,
        user: U,
        transports: Transports,
        resolver: Resolver,
        limits: &ShellLimits,
        metrics: ShellMetrics,
    ) -> (Self, SipHandle<U::Command>) {
        let (orders, inbox) = mpsc::channel(limits.command_queue);
        let driver = Self {
            endpoint,
            user,
            transports,
            resolver,
            resolving: JoinSet::new(),
            resolutions: limits.resolutions,
            orders: inbox,
            timeout: None,
            metrics,
        };
        (driver, SipHandle { orders })
    }

    /// Runs until it is told to stop or the last handle is dropped. Then it stops accepting, writes
    /// what is queued, closes everything and gives the transaction user back.
    pub async fn run(mut self) -> U {
        let mut arrivals = Vec::new();
        let mut orders = Vec::new();
        let mut alarm = Box::pin(tokio::time::sleep(FAR));
        self.drain(now());
        loop {
            let armed = self.arm(alarm.as_mut());
            let wake = tokio::select! {
                () = self.transports.receive(&mut arrivals) => Wake::Arrivals,
                _ = self.orders.recv_many(&mut orders, BATCH) => Wake::Orders,
                Some(Ok((id, found))) = self.resolving.join_next() => Wake::Resolved(id, found),
                () = alarm.as_mut(), if armed => Wake::Alarm,
            };
            let now = now();
            match wake {
                Wake::Arrivals => {
                    for arrival in arrivals.drain(..) {
                        self.on_arrival(now, arrival);
                    }
                }
                Wake::Orders => {
                    let abandoned = orders.is_empty();
                    let mut going_on = !abandoned;
                    for order in orders.drain(..) {
                        going_on &= self.on_order(now, order);
                    }
                    if !going_on {
                        break;
                    }
                }
                Wake::Resolved(id, found) => self.on_resolved(now, id, found),
                Wake::Alarm => self.on_alarm(now),
            }
        }
        self.transports.finish().await;
        self.user
    }

    /// Sets the alarm for the next timer. False: none runs.
    ///
    /// It is only ever moved to an earlier instant or after it went off: most timers are stopped
    /// long before they fire, and an alarm that goes off for nothing costs less than moving it with
    /// every message.
    fn arm(&self, alarm: Pin<&mut Sleep>) -> bool {
        let next = self
            .timeout
            .into_iter()
            .chain(self.user.next_timeout())
            .min();
        let Some(next) = next.map(tokio::time::Instant::from_std) else {
            return false;
        };
        if alarm.is_elapsed() || next < alarm.deadline() {
            alarm.reset(next);
        }
        true
    }

    fn on_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message(flow, bytes) => self.endpoint.handle_message(now, flow, bytes),
            Arrival::Certified(id, names) => self.endpoint.handle_certificate(id, names),
            Arrival::Closed(id) => self.endpoint.handle_flow_closed(now, id),
            Arrival::SendFailed(tx) => self.endpoint.handle_send_failed(now, tx),
            Arrival::NotSecured(tx, why) => self.endpoint.handle_not_secured(now, tx, why),
        }
        self.drain(now);
    }

    /// False: stop.
    fn on_order(&mut self, now: Instant, order: Order<U::Command>) -> bool {
        match order {
            Order::Command(command, since) => {
                self.metrics
                    .command_wait_seconds
                    .observe(since.elapsed().as_secs_f64());
                self.user.handle_command(now, &mut self.endpoint, command);
                self.drain(now);
                true
            }
            Order::StopAccepting => {
                self.transports.stop_accepting();
                true
            }
            Order::Stop => false,
        }
    }

    fn on_alarm(&mut self, now: Instant) {
        if self.timeout.is_some_and(|timeout| timeout <= now) {
            self.endpoint.handle_timeout(now);
            self.drain(now);
        }
        if self
            .user
            .next_timeout()
            .is_some_and(|timeout| timeout <= now)
        {
            self.user.handle_timeout(now, &mut self.endpoint);
            self.drain(now);
        }
    }

    fn on_resolved(&mut self, now: Instant, id: ResolveId, found: Result<Vec<Target>, Unresolved>) {
        let targets = found.unwrap_or_else(|reason| {
            self.metrics
                .resolve_failures
                .get_or_create(&UnresolvedBy { reason })
                .inc();
            Vec::new()
        });
        self.endpoint.handle_resolved(now, id, targets);
        self.drain(now);
    }

    /// Does all that the endpoint has to do until it waits for something.
    fn drain(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit {
                    via,
                    domain,
                    bytes,
                    tx,
                } => {
                    let domain = domain.as_ref().and_then(Text::to_str);
                    let sent = self.transports.send_to(via, domain, bytes, tx);
                    if let Some(tx) = tx.filter(|_| !sent) {
                        self.endpoint.handle_send_failed(now, tx);
                    }
                }
                Output::ExpectHeard { flow, within } => self.transports.expect_heard(flow, within),
                Output::Event(event) => self.user.handle_event(now, &mut self.endpoint, event),
                Output::Resolve { id, uri } => self.resolve(now, id, &uri),
                Output::Timeout(timeout) => {
                    self.timeout = timeout;
                    return;
                }
            }
        }
    }

    fn resolve(&mut self, now: Instant, id: ResolveId, uri: &Uri) {
        let failed = match self.resolver.resolve(uri) {
            Resolution::Done(targets) => {
                return self.endpoint.handle_resolved(now, id, targets);
            }
            Resolution::Pending(pending) if self.resolving.len() < self.resolutions => {
                self.resolving
                    .spawn(async move { (id, pending.run().await) });
                return;
            }
            Resolution::Pending(_) => Unresolved::Overload,
            Resolution::Failed(reason) => reason,
        };
        let reason = UnresolvedBy { reason: failed };
        self.metrics.resolve_failures.get_or_create(&reason).inc();
        self.endpoint.handle_resolved(now, id, Vec::new());
    }
}

impl<C: Send> SipHandle<C> {
    /// Gives a command to the transaction user, waiting while its queue is full.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn command(&self, command: C) -> Result<(), NotTaken<C>> {
        let order = Order::Command(command, tokio::time::Instant::now());
        match self.orders.send(order).await {
            Err(mpsc::error::SendError(Order::Command(command, _))) => {
                Err(NotTaken::Stopped(command))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Gives a command to the transaction user if its queue has room.
    ///
    /// # Errors
    /// It has none, or the driver has stopped.
    pub fn try_command(&self, command: C) -> Result<(), NotTaken<C>> {
        use mpsc::error::TrySendError::{Closed, Full};
        let order = Order::Command(command, tokio::time::Instant::now());
        match self.orders.try_send(order) {
            Err(Full(Order::Command(command, _))) => Err(NotTaken::Full(command)),
            Err(Closed(Order::Command(command, _))) => Err(NotTaken::Stopped(command)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes no new connections from now on: the first step of a drain.
    pub async fn stop_accepting(&self) {
        // A driver that has stopped accepts nothing.
        let _stopped = self.orders.send(Order::StopAccepting).await;
    }

    /// Stops the driver, after the commands that were given before: the last step of a drain.
    pub async fn stop(&self) {
        let _stopped = self.orders.send(Order::Stop).await;
    }
}

impl<C> Clone for SipHandle<C> {
    fn clone(&self) -> Self {
        Self {
            orders: self.orders.clone(),
        }
    }
}

/// The clock of the core: tokio's, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Commands taken at once.
const BATCH: usize = 64;
/// An alarm that is not set yet.
const FAR: Duration = Duration::from_secs(3600);
