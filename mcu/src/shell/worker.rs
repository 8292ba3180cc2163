//! A mixing thread: owns its conferences' sockets, legs and mixing.
//!
//! | when | what |
//! |---|---|
//! | every 20 ms, on the absolute schedule | mailbox; then for each conference: RTP sockets, tick, reports; then handshakes of a few legs in turn |
//! | every 100 ms | each RTCP socket is read |
//!
//! Without a conference there are no ticks: the thread sleeps until it gets mail.
//!
//! Receiving a packet, mixing and sending touch no lock and no queue. A panic in one conference ends
//! that conference and leaves the others alone.
//!
//! # Decisions
//!
//! Each socket is read with `recvmsg` until nothing more is due, and every packet is sent with a call of its own.
//! Measured on the loopback of a 2-core x86 machine: `recvfrom` 0.4 µs, an empty one 0.17 µs, `recvmmsg` of
//! one packet 0.6 µs, `sendto` 1.2 µs with the receiver's share; so batching per socket saves nothing.
//! The kernel's timestamps make reading between the ticks unnecessary.
//! Where a leg hears nobody but one source, its socket is connected to it: that spares looking up the route for each
//! packet, and what comes from elsewhere ends in the kernel.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_media::path::{MediaPath, NegotiatedPath, PayloadTypes};

use crate::audio::announce::Sounds;
use crate::clock::{PERIOD, TickClock};
use crate::conference::{McuConference, Network, Order};
use crate::control::{
    CommandId, ConferenceId, ConferenceSettings, EndpointId, McuError, McuEvent, Quality, Report,
};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::recording::{Piece, Tape};

use super::adopt::{Journey, Traveller};
use super::bundle::Trunk;
use super::load::Load;
use super::mcu::EventSink;
use super::priority;
use super::receive::Receiver as Datagrams;
use super::sockets::{Place, Sockets};
use super::turns::Turns;

/// How long a worker without conferences sleeps at most before it looks whether it is to end.
const IDLE: Duration = Duration::from_millis(100);

/// What the control plane sends to a worker.
#[derive(Debug)]
pub(super) enum Mail {
    Create {
        conference: ConferenceId,
        settings: ConferenceSettings,
        place: Place,
    },
    Order {
        conference: ConferenceId,
        /// `None` when the control plane has answered already.
        command: Option<CommandId>,
        order: Order<Sockets>,
    },
    /// How an endpoint's packets travel from now on.
    Path {
        conference: ConferenceId,
        endpoint: EndpointId,
        /// For an endpoint that has had none.
        fresh: Option<Box<MediaPath>>,
        /// `None`: plain RTP.
        agreed: Option<Box<NegotiatedPath>>,
        /// Pictures that share it from now on.
        trunk: Option<Box<Trunk>>,
        /// The payload types of sound.
        sound: PayloadTypes,
    },
    /// An endpoint goes to a conference of another worker, or of this one.
    SendOff {
        conference: ConferenceId,
        endpoint: EndpointId,
        journey: Box<Journey>,
    },
    /// It comes.
    Welcome(Box<Traveller>),
    /// What is mixed goes there from now on, too.
    Tape {
        conference: ConferenceId,
        tape: Option<Tape>,
    },
    Quality {
        conference: ConferenceId,
        reply: SyncSender<Vec<(EndpointId, Quality)>>,
    },
}

/// The end of something. Its queue has a place for every leg and conference, so it is never refused.
#[derive(Debug)]
pub(super) enum Ending {
    Remove {
        conference: ConferenceId,
        command: CommandId,
        endpoint: EndpointId,
    },
    Destroy {
        conference: ConferenceId,
        command: CommandId,
    },
}

/// What a worker and the control plane see of each other.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Busy time, permille of real time, smoothed.
    pub(super) load: AtomicU32,
    pub(super) legs: Arc<AtomicUsize>,
    pub(super) stop: AtomicBool,
}

/// One mixing thread.
pub(super) struct Worker {
    pub(super) limits: Arc<Limits>,
    pub(super) sounds: Arc<Sounds>,
    pub(super) metrics: Metrics,
    pub(super) sink: EventSink,
    /// Told when a conference failed.
    pub(super) failed: Box<dyn Fn(ConferenceId) + Send>,
    pub(super) mail: Receiver<Mail>,
    pub(super) endings: Receiver<Ending>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) conferences: BTreeMap<ConferenceId, Hosted>,
    pub(super) load: Load,
}

/// A conference and its place among the worker's.
#[derive(Debug)]
pub(super) struct Hosted {
    mixer: Box<McuConference<Sockets>>,
    tape: Option<Tape>,
    _place: Place,
}

impl Hosted {
    /// What was mixed goes onto the tape, if there is one.
    fn record(&self, at: Instant) {
        let Some(tape) = &self.tape else { return };
        for packet in self.mixer.recorded() {
            let packet = Bytes::copy_from_slice(packet);
            tape.put(Piece::Sound { at, packet });
        }
    }
}

impl Worker {
    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        priority::prefer();
        let mut clock = TickClock::new(now());
        let mut io = Io {
            receiver: Datagrams::new(self.limits.datagram),
            reads: self.limits.datagrams_per_read,
            received: 0,
            refused: 0,
            protected: Vec::with_capacity(1_500),
            turns: Turns::default(),
        };
        while !self.gauges.stop.load(Ordering::Relaxed) {
            if self.conferences.is_empty() {
                self.idle(&mut io);
                clock = TickClock::new(now());
                continue;
            }
            let begun = now();
            if let Some(tick) = clock.due(begun) {
                self.metrics.tick_lateness.observe(tick.late.as_secs_f64());
                self.read_mail(&mut io);
                if tick.skipped > 0 {
                    self.metrics.ticks_skipped.inc_by(tick.skipped);
                }
                let rtcp = tick.number.is_multiple_of(5);
                self.tick_all(&mut io, tick.skipped, rtcp);
                self.shake_hands(&mut io);
                self.account(&mut io, begun);
            }
            std::thread::sleep(clock.deadline().saturating_duration_since(now()));
        }
    }

    /// Waits for mail, or at most [`IDLE`].
    fn idle(&mut self, io: &mut Io) {
        self.load.rest(&self.gauges.load);
        match self.mail.recv_timeout(IDLE) {
            Ok(mail) => self.deliver(mail, io),
            Err(RecvTimeoutError::Timeout) => {}
            // The control plane is gone and will say stop.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(IDLE),
        }
        self.read_mail(io);
    }

    /// Orders first and endings after them; but only those endings that were there before, so that an
    /// order is never overtaken by the end of what it is about.
    fn read_mail(&mut self, io: &mut Io) {
        let endings: Vec<Ending> = self.endings.try_iter().collect();
        while let Ok(mail) = self.mail.try_recv() {
            self.deliver(mail, io);
        }
        for ending in endings {
            match ending {
                Ending::Remove {
                    conference,
                    command,
                    endpoint,
                } => self.order(conference, Some(command), Order::Remove { endpoint }, io),
                Ending::Destroy {
                    conference,
                    command,
                } => self.destroy(conference, command, io),
            }
        }
    }

    fn deliver(&mut self, mail: Mail, io: &mut Io) {
        match mail {
            Mail::Create {
                conference,
                settings,
                place,
            } => {
                let limits = Arc::clone(&self.limits);
                let mixer = McuConference::new(settings, limits, Arc::clone(&self.sounds));
                let hosted = Hosted {
                    mixer: Box::new(mixer),
                    tape: None,
                    _place: place,
                };
                self.conferences.insert(conference, hosted);
            }
            Mail::Order {
                conference,
                command,
                order,
            } => self.order(conference, command, order, io),
            Mail::Path {
                conference,
                endpoint,
                fresh,
                agreed,
                trunk,
                sound,
            } => {
                self.guarded(conference, |mixer| {
                    let sockets = mixer.port_mut(endpoint)?;
                    sockets.follow(now(), fresh, agreed.as_deref());
                    sockets.bundle(trunk, sound);
                    Some(())
                });
            }
            Mail::SendOff {
                conference,
                endpoint,
                journey,
            } => self.send_off(conference, endpoint, *journey),
            Mail::Welcome(traveller) => {
                let Traveller {
                    command,
                    conference,
                    leaver,
                } = *traveller;
                let order = Order::Adopt(Box::new(leaver));
                self.order(conference, Some(command), order, io);
            }
            Mail::Tape { conference, tape } => {
                if let Some(hosted) = self.conferences.get_mut(&conference) {
                    hosted.mixer.record(tape.is_some());
                    hosted.tape = tape;
                }
            }
            Mail::Quality { conference, reply } => {
                let hosted = self.conferences.get(&conference);
                let quality = hosted.map(|h| h.mixer.quality()).unwrap_or_default();
                // Whoever asked may have stopped waiting.
                drop(reply.try_send(quality));
            }
        }
    }

    fn order(
        &mut self,
        conference: ConferenceId,
        command: Option<CommandId>,
        order: Order<Sockets>,
        io: &mut Io,
    ) {
        let agreed = rtcp_mux(&order);
        let result = self.guarded(conference, |mixer| {
            let result = mixer.handle(now(), order, io);
            if let Some((endpoint, rtcp_mux)) = agreed
                && let Some(sockets) = mixer.port_mut(endpoint)
            {
                sockets.share(rtcp_mux);
            }
            result
        });
        let result = result.unwrap_or(Err(McuError::Unknown("conference")));
        if let Some(command) = command {
            self.report(conference, Report::Done { command, result });
        }
    }

    /// Hands an endpoint on. Whoever waits for it is told if it is lost on the way: where it went to is too busy to take
    /// it in, or it failed here.
    fn send_off(&mut self, conference: ConferenceId, endpoint: EndpointId, journey: Journey) {
        let Journey {
            command,
            to,
            endpoint: name,
            settings,
            place,
            mail,
        } = journey;
        let leaver = self.guarded(conference, |mixer| mixer.part_with(endpoint));
        let result = match leaver.flatten() {
            None => Err(McuError::Unknown("endpoint")),
            Some(leaver) => {
                let traveller = Traveller {
                    command,
                    conference: to,
                    leaver: leaver.under(name, &settings, |sockets| sockets.move_to(place)),
                };
                mail.try_send(Mail::Welcome(Box::new(traveller)))
                    .map_err(|_| McuError::Overloaded("processor time"))
            }
        };
        if result.is_err() {
            self.report(to, Report::Done { command, result });
        }
    }

    fn destroy(&mut self, conference: ConferenceId, command: CommandId, io: &mut Io) {
        let ended = self.guarded(conference, |mixer| {
            for (endpoint, _) in mixer.quality() {
                // It was there a moment ago, and nothing else can fail.
                drop(mixer.handle(now(), Order::Remove { endpoint }, io));
            }
        });
        let result = match ended {
            Some(()) => Ok(()),
            None => Err(McuError::Unknown("conference")),
        };
        self.conferences.remove(&conference);
        self.report(conference, Report::Done { command, result });
    }

    fn tick_all(&mut self, io: &mut Io, skipped: u64, rtcp: bool) {
        let mut next = self.conferences.keys().next().copied();
        while let Some(conference) = next {
            let mixed = self.guarded(conference, |mixer| {
                // What comes while the sockets are read has not waited at all: by a later clock it would seem to have,
                // and the playout would be moved too close to it.
                let now = now();
                io.receive(now, mixer, rtcp);
                io.keep_up(now, conference, mixer);
                mixer.skip(now, skipped);
                mixer.tick(now, io);
                now
            });
            if let Some((at, hosted)) = mixed.zip(self.conferences.get(&conference)) {
                hosted.record(at);
            }
            let later = (
                std::ops::Bound::Excluded(conference),
                std::ops::Bound::Unbounded,
            );
            next = self.conferences.range(later).next().map(|(id, _)| *id);
        }
    }

    /// Goes on with handshakes when all mixes are out, those of a few legs in one tick: each costs as much as mixing for
    /// dozens.
    fn shake_hands(&mut self, io: &mut Io) {
        for (conference, endpoint) in io.turns.next(self.limits.handshakes_per_tick) {
            self.guarded(conference, |mixer| {
                let sockets = mixer.port_mut(endpoint);
                if let Some(reason) = sockets.and_then(|sockets| sockets.drive(now())) {
                    fail_media(mixer, endpoint, reason);
                }
            });
        }
    }

    /// Runs something on a conference and reports what came of it. A panic ends the conference: it, its
    /// legs and its ports go, and the focus is told.
    fn guarded<T>(
        &mut self,
        conference: ConferenceId,
        run: impl FnOnce(&mut McuConference<Sockets>) -> T,
    ) -> Option<T> {
        let hosted = self.conferences.get_mut(&conference)?;
        // The conference is never used again after a panic, so no broken state can be seen.
        let sink = &self.sink;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let value = run(&mut hosted.mixer);
            for report in hosted.mixer.drain_reports() {
                sink(McuEvent { conference, report });
            }
            value
        }));
        match result {
            Ok(value) => Some(value),
            Err(panic) => {
                let reason = words(panic.as_ref());
                self.fail(conference, reason);
                None
            }
        }
    }

    fn fail(&mut self, conference: ConferenceId, reason: String) {
        tracing::error!(
            conference = conference.0,
            reason,
            "the mixer of a conference failed"
        );
        self.metrics.conferences_failed.inc();
        let gone = self.conferences.remove(&conference);
        // Dropping what a panic left behind may panic again.
        drop(catch_unwind(AssertUnwindSafe(|| drop(gone))));
        (self.failed)(conference);
        self.report(conference, Report::Failed { reason });
    }

    fn report(&self, conference: ConferenceId, report: Report) {
        (self.sink)(McuEvent { conference, report });
    }

    fn account(&mut self, io: &mut Io, begun: Instant) {
        let metrics = &self.metrics;
        for hosted in self.conferences.values_mut() {
            let work = hosted.mixer.take_work();
            metrics.decodes.inc_by(work.decodes);
            metrics.concealed.inc_by(work.concealed);
            metrics.encodes.inc_by(work.encodes);
            metrics.packets_sent.inc_by(work.packets);
        }
        metrics
            .datagrams_received
            .inc_by(std::mem::take(&mut io.received));
        metrics.sends_failed.inc_by(std::mem::take(&mut io.refused));
        let busy = now().saturating_duration_since(begun);
        metrics.tick_duration.observe(busy.as_secs_f64());
        self.load.observe(busy, PERIOD, &self.gauges.load);
    }
}

/// The worker's side of its sockets.
struct Io {
    receiver: Datagrams,
    reads: usize,
    received: u64,
    refused: u64,
    /// A packet as it goes out.
    protected: Vec<u8>,
    /// Legs whose handshakes are to go on.
    turns: Turns<(ConferenceId, EndpointId)>,
}

impl Io {
    fn receive(&mut self, now: Instant, mixer: &mut McuConference<Sockets>, rtcp: bool) {
        let Self {
            receiver,
            reads,
            received,
            ..
        } = self;
        receiver.begin();
        for (sockets, leg) in mixer.legs() {
            if sockets.path.is_some() {
                *received += sockets.receive(now, receiver, *reads, rtcp, leg);
                continue;
            }
            *received += receiver.read(&sockets.rtp, *reads, |arrival, from, packet| {
                leg.handle_rtp(arrival, from, packet);
                leg.expects_more(now)
            });
            sockets.hear_only(leg.only_source(now));
            if rtcp && let Some(socket) = &sockets.rtcp {
                *received += receiver.read(socket, *reads, |arrival, from, packet| {
                    leg.handle_rtcp(arrival, from, packet);
                    true
                });
            }
        }
    }

    /// Answers checks, keeps consent, and notes whose handshakes wait.
    fn keep_up(
        &mut self,
        now: Instant,
        conference: ConferenceId,
        mixer: &mut McuConference<Sockets>,
    ) {
        let mut failed = Vec::new();
        for (endpoint, sockets) in mixer.ports() {
            let (reason, waits) = sockets.keep_up(now);
            failed.extend(reason.map(|reason| (endpoint, reason)));
            if waits {
                self.turns.wait((conference, endpoint));
            }
        }
        for (endpoint, reason) in failed {
            fail_media(mixer, endpoint, reason);
        }
    }

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, packet: &[u8]) {
        if socket.send_to(packet, to).is_err() {
            self.refused += 1;
        }
    }
}

impl Network<Sockets> for Io {
    fn send_rtp(&mut self, sockets: &mut Sockets, to: SocketAddr, packet: &[u8]) {
        if sockets.path.is_some() {
            let sent = sockets.send_by_path(0, to, packet, &mut self.protected);
            self.refused += u64::from(!sent);
            return;
        }
        if sockets.send_rtp(to, packet).is_err() {
            self.refused += 1;
        }
    }

    fn send_rtcp(&mut self, sockets: &mut Sockets, to: SocketAddr, packet: &[u8]) {
        if sockets.path.is_some() {
            let sent = sockets.send_by_path(1, to, packet, &mut self.protected);
            self.refused += u64::from(!sent);
            return;
        }
        let socket = sockets.rtcp.as_ref().unwrap_or(&sockets.rtp);
        self.send(socket, to, packet);
    }
}

fn fail_media(mixer: &mut McuConference<Sockets>, endpoint: EndpointId, reason: String) {
    tracing::warn!(
        endpoint = endpoint.0,
        reason,
        "the media of an endpoint failed"
    );
    mixer.note(Report::MediaFailed { endpoint, reason });
}

/// Whether an order changes where RTCP goes (RFC 5761 §5.1.1).
fn rtcp_mux(order: &Order<Sockets>) -> Option<(EndpointId, bool)> {
    match order {
        Order::Add(new) => Some((new.endpoint, new.negotiated.as_ref()?.rtcp_mux)),
        Order::Apply {
            endpoint,
            negotiated,
        } => Some((*endpoint, negotiated.rtcp_mux)),
        Order::Adopt(_)
        | Order::Remove { .. }
        | Order::Place { .. }
        | Order::Filter { .. }
        | Order::Play { .. }
        | Order::Stop { .. }
        | Order::Ambience { .. }
        | Order::SignalledDtmf { .. } => None,
    }
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a fault without words").to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
