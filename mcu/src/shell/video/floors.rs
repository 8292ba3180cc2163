//! The thread of floors: who may show slides in every conference, and the clients that ask by BFCP.
//!
//! | every | what |
//! |---|---|
//! | 20 ms | mail; what clients sent; what is to be repeated; who is not in a room any more |
//!
//! Without anybody who has slides the thread sleeps until it gets mail.

use super::Gauges;
use super::room::Room;
use crate::control::{ConferenceId, EndpointId, McuEvent, Report};
use crate::floor::FloorPolicy;
use crate::floor::server::{FloorOutput, FloorServer, Transport};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::shell::floor_link::{FloorLink, Heard};
use crate::shell::mcu::EventSink;
use plenum_media::sdp::floor::AgreedFloor;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(20);
/// How long the thread sleeps at most while there is nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// Messages of one client in one round.
const MESSAGES: usize = 8;

/// What the other threads send.
#[derive(Debug)]
pub(super) enum FloorMail {
    /// Somebody has slides from now on, with floor control or without.
    Join {
        conference: ConferenceId,
        endpoint: EndpointId,
        room: Arc<Room>,
        user: u16,
        link: Option<Box<FloorLink>>,
    },
    /// Another agreement.
    Apply {
        conference: ConferenceId,
        endpoint: EndpointId,
        agreed: Option<Box<AgreedFloor>>,
    },
    /// Slides come from somebody, or do not any more.
    Shows {
        conference: ConferenceId,
        endpoint: EndpointId,
        shows: bool,
    },
    /// An operator takes the floor away.
    Revoke { conference: ConferenceId },
    /// And gives it to somebody.
    Give {
        conference: ConferenceId,
        endpoint: EndpointId,
    },
}

/// A conference with slides.
struct Hosted {
    room: Arc<Room>,
    version: u64,
    server: FloorServer,
    guests: BTreeMap<u16, Guest>,
}

struct Guest {
    endpoint: EndpointId,
    link: Option<Box<FloorLink>>,
    admitted: bool,
    name: Arc<str>,
}

/// The thread.
pub(super) struct Floors {
    policy: FloorPolicy,
    limits: Arc<Limits>,
    metrics: Metrics,
    sink: EventSink,
    gauges: Arc<Gauges>,
    mail: Receiver<FloorMail>,
    conferences: BTreeMap<ConferenceId, Hosted>,
    buffer: Vec<u8>,
}

impl Floors {
    pub(super) fn new(
        policy: FloorPolicy,
        limits: &Arc<Limits>,
        metrics: &Metrics,
        sink: EventSink,
        (gauges, mail): (Arc<Gauges>, Receiver<FloorMail>),
    ) -> Self {
        Self {
            policy,
            limits: Arc::clone(limits),
            metrics: metrics.clone(),
            sink,
            gauges,
            mail,
            conferences: BTreeMap::new(),
            buffer: vec![0; 2_048],
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        while !self.gauges.stop.load(Ordering::Relaxed) {
            let wait = if self.conferences.is_empty() {
                IDLE
            } else {
                ROUND
            };
            match self.mail.recv_timeout(wait) {
                Ok(mail) => self.deliver(mail),
                Err(RecvTimeoutError::Timeout) => {}
                // The control plane is gone and will say stop.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(IDLE),
            }
            while let Ok(mail) = self.mail.try_recv() {
                self.deliver(mail);
            }
            self.serve();
        }
    }

    fn deliver(&mut self, mail: FloorMail) {
        match mail {
            FloorMail::Join {
                conference,
                endpoint,
                room,
                user,
                link,
            } => self.join((conference, endpoint), room, user, link),
            FloorMail::Apply {
                conference,
                endpoint,
                agreed,
            } => {
                self.with(conference, endpoint, |hosted, user| {
                    hosted.apply(user, agreed.as_deref());
                });
            }
            FloorMail::Shows {
                conference,
                endpoint,
                shows,
            } => {
                self.with(conference, endpoint, |hosted, user| {
                    let controlled = hosted.guests.get(&user).is_some_and(|it| it.link.is_some());
                    match (controlled, shows) {
                        // With floor control it is asked for by that alone.
                        (true, _) => {}
                        (false, true) => hosted.server.present(user),
                        (false, false) => hosted.server.cease(user),
                    }
                });
            }
            FloorMail::Revoke { conference } => {
                if let Some(hosted) = self.conferences.get_mut(&conference) {
                    hosted.server.revoke();
                }
            }
            FloorMail::Give {
                conference,
                endpoint,
            } => self.with(conference, endpoint, |hosted, user| {
                // It may have been let in or allowed to a moment ago.
                hosted.look();
                hosted.server.give(user);
            }),
        }
    }

    fn join(
        &mut self,
        (conference, endpoint): (ConferenceId, EndpointId),
        room: Arc<Room>,
        user: u16,
        link: Option<Box<FloorLink>>,
    ) {
        let limits = self.limits.video.floor;
        let hosted = self.conferences.entry(conference).or_insert_with(|| {
            let (metrics, confid) = (self.metrics.floor.clone(), room.confid());
            Hosted {
                version: 0,
                server: FloorServer::new(confid, self.policy, limits, metrics),
                room,
                guests: BTreeMap::new(),
            }
        });
        let guest = Guest {
            endpoint,
            link,
            // The next look at the room tells.
            admitted: false,
            name: Arc::from(""),
        };
        hosted.guests.insert(user, guest);
        hosted.version = 0;
        hosted.look();
    }

    fn with(
        &mut self,
        conference: ConferenceId,
        endpoint: EndpointId,
        run: impl FnOnce(&mut Hosted, u16),
    ) {
        let Some(hosted) = self.conferences.get_mut(&conference) else {
            return;
        };
        let mut guests = hosted.guests.iter();
        let found = guests.find(|(_, guest)| guest.endpoint == endpoint);
        if let Some(user) = found.map(|(user, _)| *user) {
            run(hosted, user);
        }
    }

    fn serve(&mut self) {
        let now = now();
        let Self {
            conferences,
            buffer,
            metrics,
            sink,
            ..
        } = self;
        conferences.retain(|conference, hosted| {
            hosted.look();
            hosted.receive(now, buffer, metrics);
            hosted.server.handle_timeout(now);
            hosted.drain(*conference, sink);
            !hosted.guests.is_empty()
        });
    }
}

impl Hosted {
    /// Takes over what is new in the room.
    fn look(&mut self) {
        let version = self.room.version();
        if self.version == version {
            return;
        }
        self.version = version;
        let state = self.room.state();
        let server = &mut self.server;
        self.guests.retain(|user, guest| {
            let mut attendees = state.attendees.iter();
            let found = attendees.find(|one| one.endpoint == guest.endpoint);
            let Some(one) = found.filter(|one| one.content.is_some() && !state.over) else {
                server.leave(*user);
                return false;
            };
            let admitted = one.in_mix && !one.looks.barred;
            if (guest.admitted, guest.name.as_ref()) != (admitted, one.name.as_ref()) {
                guest.admitted = admitted;
                guest.name = Arc::clone(&one.name);
                server.join(*user, &guest.name, guest.admitted, guest.transport());
            }
            true
        });
    }

    fn apply(&mut self, user: u16, agreed: Option<&AgreedFloor>) {
        let Some(guest) = self.guests.get_mut(&user) else {
            return;
        };
        match (&mut guest.link, agreed) {
            (Some(link), Some(agreed)) => link.follow(agreed),
            (link @ Some(_), None) => {
                *link = None;
                self.server.part(user);
                self.server
                    .join(user, &guest.name, guest.admitted, guest.transport());
            }
            (None, _) => {}
        }
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8], metrics: &Metrics) {
        for (user, guest) in &mut self.guests {
            let Some(link) = &mut guest.link else {
                continue;
            };
            for heard in link.receive(buffer, MESSAGES) {
                match heard {
                    Heard::Message(octets) => self.server.handle_message(now, *user, &octets),
                    Heard::Closed => self.server.part(*user),
                    Heard::Stray => drop(metrics.floor.stray.inc()),
                }
            }
        }
    }

    fn drain(&mut self, conference: ConferenceId, sink: &EventSink) {
        while let Some(output) = self.server.poll_output() {
            match output {
                FloorOutput::Send { user, octets } => {
                    let guest = self.guests.get_mut(&user);
                    if let Some(link) = guest.and_then(|guest| guest.link.as_mut()) {
                        link.send(&octets);
                    }
                }
                FloorOutput::Presenter(user) => {
                    let guest = user.and_then(|user| self.guests.get(&user));
                    let endpoint = guest.map(|guest| guest.endpoint);
                    self.room.set_presenter(endpoint);
                    sink(McuEvent {
                        conference,
                        report: Report::Presenter { endpoint },
                    });
                }
            }
        }
    }
}

impl Guest {
    fn transport(&self) -> Option<Transport> {
        let link = self.link.as_ref()?;
        Some(if link.is_udp() {
            Transport::Udp
        } else {
            Transport::Tcp
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock for its cores"
)]
fn now() -> Instant {
    Instant::now()
}
