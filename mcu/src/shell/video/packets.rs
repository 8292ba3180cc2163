//! The thread of packets: sockets, RTP, RTCP, protection and pacing of the worker's legs.
//!
//! | every | what |
//! |---|---|
//! | 5 ms | mail; what came; frames to the picture thread and from it; what is due to go out |
//! | 20 ms | legs that are not in their rooms any more are let go |
//!
//! Without a leg the thread sleeps until it gets mail. A panic over one leg ends the video of that leg, and nothing else.

use super::Gauges;
use super::control::told;
use super::floors::FloorMail;
use super::mail::{Made, Mail, Transport, Travels};
use super::pictures::Work;
use super::room::Room;
use crate::control::{ConferenceId, EndpointId, McuEvent, Report};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::shell::bundle::{Branch, Incoming, source};
use crate::shell::mcu::EventSink;
use crate::shell::receive::Receiver as Datagrams;
use crate::shell::sockets::Sockets;
use crate::shell::turns::Turns;
use crate::shell::worker::words;
use plenum_media::sdp::video::Role;
use plenum_media::video::leg::{VideoLeg, VideoLegEvent};
use plenum_media::video::negotiated::NegotiatedVideo;
use plenum_media::video::rate;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(5);
/// How long a thread without legs sleeps at most.
const IDLE: Duration = Duration::from_millis(100);
/// Frames of one leg handed on in a round: one that sends many leaves the others their share of the queue.
const FRAMES: usize = 4;
/// Rounds between two looks at the rooms.
const LOOK: u64 = 4;

/// A leg and what belongs to it.
struct Hosted {
    room: Arc<Room>,
    version: u64,
    transport: Transport,
    leg: Box<VideoLeg>,
    /// The endpoint was in the mix: its peer has shown to be there.
    confirmed: bool,
    /// A frame found no place: nothing is handed on until a keyframe.
    broken: bool,
    /// The rate class told to the picture thread last.
    class: u32,
    /// Slides: when the last one came, since their floor was told that they come.
    shown: Option<Instant>,
    /// The peer has said that it sends no more, whatever it has said since.
    ceased: bool,
}

impl Hosted {
    /// Whether reports may be sent: not to an address that somebody may have named who never called. Pictures are for
    /// those in the mix alone.
    fn is_confirmed(&self) -> bool {
        self.confirmed || self.leg.has_heard()
    }

    /// A packet that came by the transport of sound.
    fn take(&mut self, arrival: Instant, role: Role, incoming: &Incoming<'_>) {
        if !matches!(self.transport, Transport::Shared { .. }) {
            return;
        }
        let from = source(self.leg.negotiated().and_then(|agreed| agreed.remote_rtp));
        match incoming {
            Incoming::Rtp(of, packet) if *of == role => self.leg.handle_rtp(arrival, from, packet),
            Incoming::Rtp(..) => {}
            Incoming::Rtcp(packet) => self.leg.handle_rtcp(arrival, from, packet),
        }
    }
}

/// A leg: whose and for what.
type LegKey = (ConferenceId, EndpointId, Role);

/// Who sends no slides for so long has ceased to show them.
const CEASED: Duration = Duration::from_secs(5);

/// The thread.
pub(super) struct Packets {
    limits: Arc<Limits>,
    metrics: Metrics,
    sink: EventSink,
    gauges: Arc<Gauges>,
    mail: Receiver<Mail>,
    made: Receiver<Made>,
    work: SyncSender<Work>,
    floors: SyncSender<FloorMail>,
    legs: BTreeMap<LegKey, Hosted>,
    branches: BTreeMap<(ConferenceId, EndpointId), Branch>,
    datagrams: Datagrams,
    rtcp: Vec<u8>,
    wire: Vec<u8>,
    /// Legs whose handshakes are to go on.
    turns: Turns<LegKey>,
}

impl Packets {
    pub(super) fn new(
        limits: &Arc<Limits>,
        metrics: &Metrics,
        sink: EventSink,
        gauges: Arc<Gauges>,
        (mail, made, work): (Receiver<Mail>, Receiver<Made>, SyncSender<Work>),
        floors: SyncSender<FloorMail>,
    ) -> Self {
        Self {
            limits: Arc::clone(limits),
            metrics: metrics.clone(),
            sink,
            gauges,
            mail,
            made,
            work,
            floors,
            legs: BTreeMap::new(),
            branches: BTreeMap::new(),
            datagrams: Datagrams::new(limits.datagram),
            rtcp: Vec::with_capacity(1_500),
            wire: Vec::with_capacity(1_500),
            turns: Turns::default(),
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let mut round = 0_u64;
        while !self.gauges.stop.load(Ordering::Relaxed) {
            if self.legs.is_empty() && self.branches.is_empty() {
                match self.mail.recv_timeout(IDLE) {
                    Ok(mail) => self.deliver(mail),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The control plane is gone and will say stop.
                    Err(RecvTimeoutError::Disconnected) => std::thread::sleep(IDLE),
                }
                // Frames for legs that are gone.
                while let Ok(made) = self.made.try_recv() {
                    self.take(made);
                }
                continue;
            }
            let next = now() + ROUND;
            round += 1;
            while let Ok(mail) = self.mail.try_recv() {
                self.deliver(mail);
            }
            while let Ok(made) = self.made.try_recv() {
                self.take(made);
            }
            if round.is_multiple_of(LOOK) {
                self.look();
            }
            self.serve();
            std::thread::sleep(next.saturating_duration_since(now()));
        }
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Add {
                conference,
                endpoint,
                role,
                room,
                transport,
                leg,
            } => {
                let mut hosted = Hosted {
                    version: 0,
                    room,
                    transport,
                    leg,
                    confirmed: false,
                    broken: false,
                    class: 0,
                    shown: None,
                    ceased: false,
                };
                let mux = hosted
                    .leg
                    .negotiated()
                    .is_some_and(|agreed| agreed.rtcp_mux);
                match &mut hosted.transport {
                    Transport::Own(sockets) => sockets.share(mux),
                    Transport::Shared { section, .. } => {
                        if let Some(branch) = self.branches.get_mut(&(conference, endpoint)) {
                            branch.set(section.clone());
                        }
                    }
                }
                self.legs.insert((conference, endpoint, role), hosted);
            }
            Mail::Branch {
                conference,
                endpoint,
                branch,
            } => {
                self.branches.insert((conference, endpoint), *branch);
            }
            Mail::Apply {
                conference,
                endpoint,
                role,
                negotiated,
                travels,
            } => self.apply((conference, endpoint, role), *negotiated, travels),
            Mail::Keyframe {
                conference,
                endpoint,
            } => self.order(Work::Keyframe {
                conference,
                viewer: (endpoint, Role::Main),
            }),
        }
    }

    fn apply(&mut self, key: LegKey, negotiated: NegotiatedVideo, travels: Travels) {
        if let (Travels::Shared(section), Some(branch)) =
            (&travels, self.branches.get_mut(&(key.0, key.1)))
        {
            branch.set(section.clone());
        }
        self.guarded(key, |hosted| {
            let now = now();
            if let (Transport::Own(sockets), Travels::Own { fresh, agreed }) =
                (&mut hosted.transport, travels)
            {
                sockets.follow(now, fresh, agreed.as_deref());
                sockets.share(negotiated.rtcp_mux);
            }
            hosted.ceased |= !negotiated.receiving;
            hosted.leg.apply(now, negotiated);
        });
    }

    fn take(&mut self, made: Made) {
        match made {
            Made::Frame {
                conference,
                viewers,
                at,
                frame,
            } => {
                self.gauges.made.give(frame.data.len());
                let sent = self.metrics.video.frames_sent.clone();
                for (viewer, role) in viewers {
                    self.guarded((conference, viewer, role), |hosted| {
                        hosted.leg.send_frame(now(), at, &frame);
                        sent.inc();
                    });
                }
            }
            Made::Keyframe {
                conference,
                endpoint,
                role,
            } => self.guarded((conference, endpoint, role), |hosted| {
                hosted.leg.request_keyframe();
            }),
        }
    }

    /// Lets go the legs that are not in their rooms any more.
    fn look(&mut self) {
        let mut gone = Vec::new();
        for (key, hosted) in &mut self.legs {
            let version = hosted.room.version();
            if hosted.version == version {
                continue;
            }
            hosted.version = version;
            hosted.confirmed |= hosted.room.is_mixed(key.1);
            if !hosted.room.has_stream(key.1, key.2) {
                gone.push(*key);
            }
        }
        for key in gone {
            if let Some(mut hosted) = self.legs.remove(&key) {
                let (rtcp, wire) = (&mut self.rtcp, &mut self.wire);
                let mut branch = self.branches.get_mut(&(key.0, key.1));
                let said = caught(|| {
                    hosted.leg.write_bye(now(), rtcp);
                    if hosted.is_confirmed() {
                        send_rtcp(&mut hosted, branch.as_deref_mut(), rtcp, wire);
                    }
                    None
                });
                if said.is_some() {
                    self.metrics.video.failed.inc();
                }
                if let Some(branch) = branch {
                    branch.remove(key.2);
                }
                discard(hosted);
            }
        }
    }

    fn serve(&mut self) {
        self.datagrams.begin();
        let mut legs = std::mem::take(&mut self.legs);
        let mut over = self.receive_shared(now(), &mut legs);
        for (key, hosted) in &mut legs {
            let reason = caught(|| self.serve_one(now(), *key, hosted));
            over.extend(reason.map(|reason| (*key, reason)));
        }
        for key in self.turns.next(self.limits.handshakes_per_tick) {
            if let Some(hosted) = legs.get_mut(&key) {
                let reason = caught(|| match &mut hosted.transport {
                    Transport::Own(sockets) => sockets.drive(now()),
                    Transport::Shared { .. } => None,
                });
                over.extend(reason.map(|reason| (key, reason)));
            }
        }
        self.legs = legs;
        for (key, reason) in over {
            self.fail(key, &reason);
        }
    }

    /// Answers why the video of this leg is over, if it is.
    fn serve_one(&mut self, now: Instant, key: LegKey, hosted: &mut Hosted) -> Option<String> {
        let mut failed = None;
        if let Transport::Own(sockets) = &mut hosted.transport {
            self.receive(now, sockets, &mut hosted.leg);
            let waits;
            (failed, waits) = sockets.keep_up(now);
            if waits {
                self.turns.wait(key);
            }
        }
        self.hand_on(now, key, hosted);
        self.send(now, key, hosted);
        failed
    }

    /// Runs something on a leg, if it is still there.
    fn guarded(&mut self, key: LegKey, run: impl FnOnce(&mut Hosted)) {
        let Some(hosted) = self.legs.get_mut(&key) else {
            return;
        };
        let reason = caught(|| {
            run(hosted);
            None
        });
        if let Some(reason) = reason {
            self.fail(key, &reason);
        }
    }

    /// The video of a leg is over; its call goes on.
    fn fail(&mut self, (conference, endpoint, role): LegKey, reason: &str) {
        tracing::warn!(endpoint = endpoint.0, reason, "the video of a call failed");
        self.metrics.video.failed.inc();
        if let Some(hosted) = self.legs.remove(&(conference, endpoint, role)) {
            hosted.room.set_stream(endpoint, role, None);
            (self.sink)(McuEvent {
                conference,
                report: told(role, endpoint, None),
            });
            discard(hosted);
        }
    }

    /// What came by transports that are shared; which legs are over by it. A branch is let go with the sound, once no leg
    /// needs it.
    fn receive_shared(
        &mut self,
        now: Instant,
        legs: &mut BTreeMap<LegKey, Hosted>,
    ) -> Vec<(LegKey, String)> {
        let most = self.limits.video.bundled_datagrams;
        let mut over = Vec::new();
        self.branches.retain(|&(conference, endpoint), branch| {
            let of = [Role::Main, Role::Content].map(|role| (conference, endpoint, role));
            let there = branch.receive(now, most, |arrival, incoming| {
                for key in of {
                    let reason = legs.get_mut(&key).and_then(|hosted| {
                        caught(|| {
                            hosted.take(arrival, key.2, &incoming);
                            None
                        })
                    });
                    over.extend(reason.map(|reason| (key, reason)));
                }
            });
            there || of.iter().any(|key| legs.contains_key(key))
        });
        over
    }

    fn receive(&mut self, now: Instant, sockets: &mut Sockets, leg: &mut VideoLeg) {
        let most = self.limits.video.datagrams_per_read;
        if sockets.path.is_some() {
            sockets.receive(now, &mut self.datagrams, most, true, leg);
            return;
        }
        let datagrams = &mut self.datagrams;
        datagrams.read(&sockets.rtp, most, |arrival, from, packet| {
            leg.handle_rtp(arrival, from, packet);
            true
        });
        if let Some(socket) = &sockets.rtcp {
            datagrams.read(socket, most, |arrival, from, packet| {
                leg.handle_rtcp(arrival, from, packet);
                true
            });
        }
    }

    /// Frames and wishes of a leg to the picture thread.
    fn hand_on(&self, now: Instant, (conference, endpoint, role): LegKey, hosted: &mut Hosted) {
        // What is still under way when the peer has said that it sends no more is not shown.
        let shows = hosted.leg.negotiated().is_some_and(|it| it.receiving);
        self.note_ceased((conference, endpoint), now, hosted);
        for _ in 0..FRAMES {
            let Some(frame) = hosted.leg.poll_frame(now) else {
                break;
            };
            self.metrics.video.frames_received.inc();
            if role == Role::Content && shows {
                self.note_shown((conference, endpoint), true, now, &mut hosted.shown);
            }
            if hosted.broken && !frame.keyframe {
                continue;
            }
            let octets = frame.data.len();
            let work = Work::Frame {
                conference,
                source: (endpoint, role),
                frame,
            };
            hosted.broken = !self.hand_on_frame(octets, work);
            if hosted.broken {
                self.metrics.video.frames_dropped.inc();
                hosted.leg.request_keyframe();
            }
        }
        let target = hosted.leg.target(now);
        let class = rate::class(target);
        if class != hosted.class {
            let told = self.work.try_send(Work::Target {
                conference,
                viewer: (endpoint, role),
                target,
            });
            if told.is_ok() {
                hosted.class = class;
            }
        }
        while let Some(event) = hosted.leg.poll_event() {
            match event {
                VideoLegEvent::KeyframeNeeded => self.order(Work::Keyframe {
                    conference,
                    viewer: (endpoint, role),
                }),
                VideoLegEvent::KeyframeBySignalling => (self.sink)(McuEvent {
                    conference,
                    report: Report::KeyframeNeeded { endpoint },
                }),
            }
        }
    }

    /// The floor is told of slides that do not come any more: their peer has said so, or sends none.
    fn note_ceased(&self, ids: (ConferenceId, EndpointId), now: Instant, hosted: &mut Hosted) {
        let quiet = |at: Instant| now.saturating_duration_since(at) >= CEASED;
        if hosted.ceased || hosted.shown.is_some_and(quiet) {
            self.note_shown(ids, false, now, &mut hosted.shown);
            // What found no place is said in the next round.
            hosted.ceased = hosted.shown.is_some();
        }
    }

    /// Slides come, or have ceased: the floor is told when that changes.
    fn note_shown(
        &self,
        (conference, endpoint): (ConferenceId, EndpointId),
        shows: bool,
        now: Instant,
        shown: &mut Option<Instant>,
    ) {
        let mail = FloorMail::Shows {
            conference,
            endpoint,
            shows,
        };
        // What finds no place is said with the next frame, or in the next round.
        if shown.is_some() == shows || self.floors.try_send(mail).is_ok() {
            *shown = shows.then_some(now);
        }
    }

    fn send(&mut self, now: Instant, key: LegKey, hosted: &mut Hosted) {
        let mut branch = self.branches.get_mut(&(key.0, key.1));
        while let Some(packet) = hosted.leg.poll_rtp(now) {
            let Some(to) = hosted.leg.rtp_destination() else {
                continue;
            };
            let wire = &mut self.wire;
            let sent = match &mut hosted.transport {
                Transport::Own(sockets) if sockets.path.is_some() => {
                    sockets.send_by_path(0, to, &packet, wire)
                }
                Transport::Own(sockets) => sockets.send_rtp(to, &packet).is_ok(),
                Transport::Shared { .. } => branch
                    .as_mut()
                    .is_none_or(|branch| branch.send_rtp(&packet, wire)),
            };
            self.metrics.video.packets_sent.inc();
            self.metrics.sends_failed.inc_by(u64::from(!sent));
        }
        if hosted.is_confirmed() && hosted.leg.poll_rtcp(now, &mut self.rtcp) {
            send_rtcp(hosted, branch, &self.rtcp, &mut self.wire);
        }
    }

    /// False if the picture thread has no room for it.
    fn hand_on_frame(&self, octets: usize, frame: Work) -> bool {
        let waiting = &self.gauges.received;
        if !waiting.take(octets, self.limits.video.queue_octets) {
            return false;
        }
        let sent = self.work.try_send(frame).is_ok();
        if !sent {
            waiting.give(octets);
        }
        sent
    }

    /// What may be lost because it repeats itself.
    fn order(&self, work: Work) {
        if self.work.try_send(work).is_err() {
            self.metrics.video.frames_dropped.inc();
        }
    }
}

/// Runs something on a leg and answers why its video is over, if it is. A leg is never used again after a panic, so no
/// broken state can be seen.
fn caught(run: impl FnOnce() -> Option<String>) -> Option<String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Some(words(panic.as_ref())))
}

/// Dropping what a panic left behind may panic again.
fn discard(hosted: Hosted) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(hosted))));
}

fn send_rtcp(hosted: &mut Hosted, branch: Option<&mut Branch>, packet: &[u8], wire: &mut Vec<u8>) {
    let Some(to) = hosted.leg.rtcp_destination() else {
        return;
    };
    let sockets = match &mut hosted.transport {
        Transport::Own(sockets) => sockets,
        Transport::Shared { .. } => {
            if let Some(branch) = branch {
                branch.send_rtcp(packet, wire);
            }
            return;
        }
    };
    if sockets.path.is_some() {
        sockets.send_by_path(1, to, packet, wire);
        return;
    }
    let socket = sockets.rtcp.as_ref().unwrap_or(&sockets.rtp);
    // Reports repeat themselves.
    drop(socket.send_to(packet, to));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
