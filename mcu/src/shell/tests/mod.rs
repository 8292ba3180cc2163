//! Real sockets on the loopback. Nothing here asserts how fast anything is; only what arrives.

mod addresses;
mod allocations;
mod checks;
mod moving;
mod soak;
mod video;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use bytes::Bytes;

use super::{AudioMcu, Config, EventSink};
use crate::audio::announce::Sounds;
use crate::control::{
    Action, Audience, CommandId, ConferenceId, ConferenceSettings, EndpointId, EndpointSettings,
    Mcu, McuCommand, McuError, McuEvent, MediaFilter, Offers, PlaybackId, Prompt, Report, Stage,
};
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Long enough for any machine; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(20);
const ROOM: ConferenceId = ConferenceId(1);

struct Bench {
    mcu: AudioMcu,
    events: Receiver<McuEvent>,
    metrics: Metrics,
    next: u64,
}

fn limits() -> Limits {
    Limits {
        conferences: 10,
        legs_per_worker: 100,
        load_permille: 100_000,
        ..Limits::default()
    }
}

impl Bench {
    fn new(ports: std::ops::RangeInclusive<u16>, limits: Limits) -> Self {
        let (send, events) = sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| drop(send.try_send(event)));
        Self::with_sink(ports, limits, sink, events)
    }

    fn with_sink(
        ports: std::ops::RangeInclusive<u16>,
        limits: Limits,
        sink: EventSink,
        events: Receiver<McuEvent>,
    ) -> Self {
        let config = Config {
            bind_v4: Some(Ipv4Addr::LOCALHOST),
            ports,
            workers: 2,
            ..Config::default()
        };
        Self::with_config(config, limits, sink, events)
    }

    fn with_config(
        config: Config,
        limits: Limits,
        sink: EventSink,
        events: Receiver<McuEvent>,
    ) -> Self {
        let metrics = Metrics::default();
        let (sounds, media) = (Sounds::shipped().unwrap(), Default::default());
        let mcu = AudioMcu::start(config, limits, sounds, metrics.clone(), media, sink).unwrap();
        Self {
            mcu,
            events,
            metrics,
            next: 0,
        }
    }

    fn send(&mut self, conference: ConferenceId, action: Action) -> CommandId {
        self.next += 1;
        let id = CommandId(self.next);
        self.mcu.command(McuCommand {
            id,
            conference,
            action,
        });
        id
    }

    /// Sends a command and waits for its result; returns the reports that came before it.
    fn run(
        &mut self,
        conference: ConferenceId,
        action: Action,
    ) -> (Result<(), McuError>, Vec<Report>) {
        let id = self.send(conference, action);
        let mut before = Vec::new();
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap();
            match event.report {
                Report::Done { command, result } if command == id => return (result, before),
                report => before.push(report),
            }
        }
    }

    fn create(&mut self, conference: ConferenceId) {
        let settings = ConferenceSettings {
            max_endpoints: 1_000,
            language: "en".to_owned(),
            video: Default::default(),
            audio_only: false,
        };
        self.run(conference, Action::Create(settings)).0.unwrap();
    }

    fn add(&mut self, conference: ConferenceId, endpoint: u64, peer: u16) -> Result<u16, McuError> {
        let action = Action::Add {
            endpoint: EndpointId(endpoint),
            offer: Some(offer(peer)),
            settings: settings(),
        };
        let (result, reports) = self.run(conference, action);
        result?;
        let answer = reports.iter().find_map(|report| match report {
            Report::Answer { sdp, .. } => Some(sdp.clone()),
            _ => None,
        });
        Ok(port_of(&answer.unwrap()))
    }

    fn wait_for(&self, wanted: impl Fn(&Report) -> bool) -> McuEvent {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap();
            if wanted(&event.report) {
                return event;
            }
        }
    }
}

fn settings() -> EndpointSettings {
    EndpointSettings {
        stage: Stage::Mix,
        filter: MediaFilter::default(),
        signalled_from: None,
        reached_at: None,
        agc: false,
        noise_gate: false,
        name: String::new(),
        looks: Box::default(),
        terms: Default::default(),
        offers: Offers::Phone,
    }
}

fn offer(port: u16) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n"
    ))
}

fn port_of(sdp: &Bytes) -> u16 {
    let text = std::str::from_utf8(sdp).unwrap();
    let media = text
        .lines()
        .find_map(|l| l.strip_prefix("m=audio "))
        .unwrap();
    media.split(' ').next().unwrap().parse().unwrap()
}

/// A phone that sends one µ-law sample value over and over, and counts what it hears.
struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    octet: u8,
    sequence: u16,
}

impl Phone {
    fn new(octet: u8) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        Self {
            socket,
            server: SocketAddr::from(([127, 0, 0, 1], 9)),
            octet,
            sequence: 0,
        }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Sends one packet: a square wave of 500 Hz, or silence.
    fn speak(&mut self) {
        self.sequence += 1;
        let mut packet = vec![0x80, 0];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend(u32::from(self.port()).to_be_bytes());
        let silent = self.octet == 0xff;
        packet.extend((0..160).map(|n| {
            let negative = n % 16 >= 8 && !silent;
            self.octet ^ if negative { 0x80 } else { 0 }
        }));
        self.socket.send_to(&packet, self.server).unwrap();
    }

    /// Waits up to 10 ms for a packet; returns whether it held sound.
    fn listen(&self) -> Option<bool> {
        let mut buffer = [0; 2_048];
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        let start = 12 + 4 * usize::from(buffer[0] & 0x0f);
        let rtp = length >= start + 160 && buffer[1] & 0x7f == 0;
        // Loud µ-law codes have small magnitudes after the inversion.
        rtp.then(|| {
            buffer[start..length]
                .iter()
                .filter(|x| (*x & 0x7f) < 0x50)
                .count()
                > 40
        })
    }
}

#[test]
fn two_phones_hear_each_other_over_sockets_and_not_themselves() {
    let mut bench = Bench::new(40_000..=40_099, limits());
    bench.create(ROOM);
    let (mut talker, mut listener) = (Phone::new(0x20), Phone::new(0xff));
    for (n, phone) in [&mut talker, &mut listener].into_iter().enumerate() {
        let port = bench.add(ROOM, n as u64, phone.port()).unwrap();
        phone.server.set_port(port);
    }
    let (mut heard, mut own) = (0, 0);
    for _ in 0..2_000 {
        talker.speak();
        listener.speak();
        heard += usize::from(listener.listen() == Some(true));
        own += usize::from(talker.listen() == Some(true));
        if heard >= 20 {
            break;
        }
    }
    assert!(heard >= 20, "the listener heard {heard} packets with sound");
    assert_eq!(own, 0, "the talker hears no echo");
    let qualities = bench.mcu.quality(ROOM);
    assert_eq!(qualities.len(), 2);
    assert!(qualities[0].1.packets_received > 0);
    bench.wait_for(|r| {
        matches!(
            r,
            Report::Talking {
                endpoint: EndpointId(0),
                talking: true
            }
        )
    });

    let (result, reports) = bench.run(
        ROOM,
        Action::Remove {
            endpoint: EndpointId(0),
        },
    );
    result.unwrap();
    let removed =
        |r: &Report| matches!(r, Report::Removed { quality, .. } if quality.packets_sent > 0);
    assert!(reports.iter().any(removed));
}

#[test]
fn every_command_is_answered_once_and_by_whom_it_must() {
    let mut bench = Bench::new(40_100..=40_199, limits());
    let unknown = Err(McuError::Unknown("conference"));
    assert_eq!(bench.run(ROOM, Action::Destroy).0, unknown);
    bench.create(ROOM);
    let again = bench.run(
        ROOM,
        Action::Create(ConferenceSettings {
            max_endpoints: 1,
            language: "en".to_owned(),
            video: Default::default(),
            audio_only: false,
        }),
    );
    assert!(matches!(again.0, Err(McuError::Unknown(_))));

    let endpoint = EndpointId(5);
    let bad = Action::Add {
        endpoint,
        offer: Some(Bytes::from_static(b"nonsense")),
        settings: settings(),
    };
    assert!(matches!(
        bench.run(ROOM, bad).0,
        Err(McuError::MalformedSdp(_))
    ));
    let encrypted = Action::Add {
        endpoint,
        offer: Some(Bytes::from_static(
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
              m=audio 9 RTP/AVP 18\r\n",
        )),
        settings: settings(),
    };
    assert!(matches!(
        bench.run(ROOM, encrypted).0,
        Err(McuError::Incompatible { warn_code: 305, .. })
    ));
    assert_eq!(
        bench.metrics.legs.get(),
        0,
        "what was refused gave everything back"
    );
    assert_eq!(bench.metrics.ports.get(), 0);
}

#[test]
fn our_offer_their_answer_their_offer_and_a_filter() {
    let mut bench = Bench::new(40_600..=40_699, limits());
    bench.create(ROOM);
    let endpoint = EndpointId(5);
    // Without an offer we make one; its answer puts the leg in force.
    let add = Action::Add {
        endpoint,
        offer: None,
        settings: settings(),
    };
    let (result, reports) = bench.run(ROOM, add);
    result.unwrap();
    assert!(matches!(&reports[..], [Report::Offer { .. }]));
    let answer = offer(30_000);
    bench
        .run(ROOM, Action::Answer { endpoint, answer })
        .0
        .unwrap();
    let (result, reports) = bench.run(
        ROOM,
        Action::Renegotiate {
            endpoint,
            offer: Some(offer(30_002)),
        },
    );
    result.unwrap();
    assert!(matches!(&reports[..], [Report::Answer { .. }]));

    let filter = MediaFilter {
        muted: true,
        ..MediaFilter::default()
    };
    let (result, reports) = bench.run(ROOM, Action::Filter { endpoint, filter });
    result.unwrap();
    let in_force = |r: &Report| matches!(r, Report::Media { filter, .. } if filter.muted);
    assert!(reports.iter().any(in_force), "reported before its Done");
    let stranger = EndpointId(99);
    let (result, _) = bench.run(
        ROOM,
        Action::Filter {
            endpoint: stranger,
            filter,
        },
    );
    assert_eq!(result, Err(McuError::Unknown("endpoint")));

    let (result, reports) = bench.run(ROOM, Action::Destroy);
    result.unwrap();
    assert!(reports.iter().any(|r| matches!(r, Report::Removed { .. })));
    assert_eq!(bench.metrics.legs.get(), 0);
}

#[test]
fn exhausted_ports_refuse_and_come_back() {
    let mut bench = Bench::new(40_200..=40_205, limits());
    bench.create(ROOM);
    for n in 0..3 {
        bench.add(ROOM, n, 30_000).unwrap();
    }
    let full = Err(McuError::Overloaded("media ports"));
    assert_eq!(bench.add(ROOM, 3, 30_000), full);
    assert_eq!(bench.metrics.refused_ports.get(), 1);
    bench
        .run(
            ROOM,
            Action::Remove {
                endpoint: EndpointId(1),
            },
        )
        .0
        .unwrap();
    assert!(bench.add(ROOM, 4, 30_000).is_ok());
}

#[test]
fn a_port_somebody_else_has_is_passed_over() {
    let taken = UdpSocket::bind("127.0.0.1:40212").unwrap();
    let mut bench = Bench::new(40_210..=40_215, limits());
    bench.create(ROOM);
    let mut ports = [
        bench.add(ROOM, 0, 30_000).unwrap(),
        bench.add(ROOM, 1, 30_000).unwrap(),
    ];
    ports.sort_unstable();
    assert_eq!(ports, [40_210, 40_214]);
    assert!(bench.add(ROOM, 2, 30_000).is_err());
    drop(taken);
    assert_eq!(bench.add(ROOM, 3, 30_000), Ok(40_212));
}

#[test]
fn a_phone_that_sends_nothing_is_reported_lost() {
    let mut short = limits();
    short.media_timeout = Duration::from_millis(300);
    let mut bench = Bench::new(40_700..=40_799, short);
    bench.create(ROOM);
    bench.add(ROOM, 3, 30_000).unwrap();
    let endpoint = EndpointId(3);
    bench.wait_for(|report| matches!(report, Report::MediaLost { endpoint: e } if *e == endpoint));
}

#[test]
fn places_on_a_worker_are_bounded() {
    let mut few = limits();
    few.legs_per_worker = 2;
    let mut bench = Bench::new(40_300..=40_399, few);
    bench.create(ROOM);
    for n in 0..2 {
        bench.add(ROOM, n, 30_000).unwrap();
    }
    let full = Err(McuError::Overloaded("places on a worker"));
    assert_eq!(bench.add(ROOM, 2, 30_000), full);
    assert_eq!(bench.metrics.refused_overload.get(), 1);
}

#[test]
fn a_panic_ends_one_conference_and_no_other() {
    let (send, events) = sync_channel(10_000);
    let sink: EventSink = Arc::new(move |event: McuEvent| {
        let playing = matches!(event.report, Report::Played { .. });
        drop(send.try_send(event));
        assert!(!playing, "a fault on purpose");
    });
    let mut bench = Bench::with_sink(40_400..=40_499, limits(), sink, events);
    let other = ConferenceId(2);
    for conference in [ROOM, other] {
        bench.create(conference);
        bench.add(conference, 1, 30_000).unwrap();
    }
    bench.send(
        ROOM,
        Action::Play {
            playback: PlaybackId(1),
            to: Audience::One(EndpointId(1)),
            prompts: vec![Prompt::EntryTone],
            over_mix: false,
        },
    );
    let failed = bench.wait_for(|r| matches!(r, Report::Failed { .. }));
    assert_eq!(failed.conference, ROOM);
    let gone = bench.run(
        ROOM,
        Action::Remove {
            endpoint: EndpointId(1),
        },
    );
    assert_eq!(gone.0, Err(McuError::Unknown("conference")));
    assert_eq!(bench.metrics.conferences_failed.get(), 1);
    assert_eq!(
        (bench.metrics.legs.get(), bench.metrics.ports.get()),
        (1, 1)
    );
    bench
        .run(
            other,
            Action::Remove {
                endpoint: EndpointId(1),
            },
        )
        .0
        .unwrap();
}

#[test]
fn a_thousand_times_in_and_out_leaves_nothing_behind() {
    let mut bench = Bench::new(40_500..=40_599, limits());
    bench.create(ROOM);
    let before = descriptors();
    for n in 0..1_000 {
        bench.add(ROOM, n, 30_000).unwrap();
        let endpoint = EndpointId(n);
        bench.send(ROOM, Action::Remove { endpoint });
        if n % 40 == 39 {
            // Removal happens at a tick; wait for it before the ports run out.
            bench.wait_for(|r| matches!(r, Report::Removed { endpoint: e, .. } if *e == endpoint));
        }
    }
    bench.run(ROOM, Action::Destroy).0.unwrap();
    assert_eq!(
        (bench.metrics.legs.get(), bench.metrics.ports.get()),
        (0, 0)
    );
    assert_eq!(bench.metrics.conferences.get(), 0);
    // Other tests of this process open sockets too; a leak would leave two thousand.
    let after = descriptors();
    assert!(
        after < before + 500,
        "{before} descriptors before, {after} after"
    );
    let timeout = bench.events.recv_timeout(Duration::from_millis(1));
    assert!(matches!(timeout, Ok(_) | Err(RecvTimeoutError::Timeout)));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
