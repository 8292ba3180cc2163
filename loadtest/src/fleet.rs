//! Many simulated phones on one thread: every phone has sockets of its own, the phases of their
//! packets are spread evenly over the packet time, and the thread accounts for its own lateness.

use crate::call::{Call, CallPlan, CallState};
use crate::clock::{self, Moment};
use crate::codec::{self, Codec, CodecError};
use crate::crowd::Crowd;
use crate::netem::{Netem, NetemSettings};
use crate::rtp::{PACKET_TIME, RtpReceiver, RtpSender};
use crate::signal::Signal;
use crate::socket::{DATAGRAM, Inbox, LoopbackSocket};
use crate::srtp::{Master, Srtp};
use crate::storm::Storm;
use crate::wire::Message;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// The thread sleeps no longer than this, so that no packet waits longer to be read or sent.
const NAP: Duration = Duration::from_millis(1);
/// Packets due within this are sent together, late by no more than it.
const SHORTEST_NAP: Duration = Duration::from_micros(500);
/// How often call timers are looked at.
const TIMER_STEP: Duration = Duration::from_millis(10);
/// Receive buffer of a phone's RTP socket.
const RTP_BUFFER: usize = 1 << 17;

/// Why the fleet cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A socket of ours: out of descriptors (`ulimit -n`) or ports.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// epoll refused.
    #[error("epoll: {0}")]
    Epoll(#[from] nix::Error),
    /// A codec refused.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// One phone to be.
#[derive(Clone, Debug)]
pub struct PhoneSettings {
    /// The conference it calls.
    pub conference: String,
    /// The only codec it offers.
    pub codec: Codec,
    /// What its person says.
    pub signal: Signal,
    /// Where in the signal it begins, in packets.
    pub offset: usize,
    /// Keep what it hears for analysis.
    pub keep: bool,
    /// How fast its clock runs, parts per million.
    pub skew_ppm: f64,
    /// The network on the way to the server.
    pub network: Option<NetemSettings>,
    /// Its media is encrypted, with keys by SDES.
    pub srtp: bool,
}

impl PhoneSettings {
    /// A phone with a right clock on a clean network whose audio is kept.
    pub fn new(conference: &str, codec: Codec, signal: Signal) -> Self {
        Self {
            conference: conference.to_owned(),
            codec,
            signal,
            offset: 0,
            keep: true,
            skew_ppm: 0.0,
            network: None,
            srtp: false,
        }
    }
}

/// One phone.
#[derive(Debug)]
pub struct Phone {
    /// Its call.
    pub call: Call,
    /// What it sends.
    pub sender: RtpSender,
    /// What it receives.
    pub receiver: RtpReceiver,
    /// What it is.
    pub settings: PhoneSettings,
    sip: LoopbackSocket,
    rtp: LoopbackSocket,
    rtcp: LoopbackSocket,
    network: Option<Netem>,
    keys: Option<Keys>,
    period: Duration,
    sending: bool,
    unplugged: bool,
}

impl Phone {
    /// Pulls the plug, or puts it back: nothing is sent any more, nothing that comes is read.
    pub fn unplug(&mut self, unplugged: bool) {
        self.unplugged = unplugged;
    }
}

/// The keys of a call in force.
#[derive(Debug)]
struct Keys {
    masters: (Master, Master),
    sending: Srtp,
    receiving: Srtp,
    /// For what was on its way when the keys changed.
    former: Option<Srtp>,
}

impl Keys {
    fn new(masters: (Master, Master), former: Option<Srtp>) -> Self {
        let (ours, theirs) = &masters;
        Self {
            sending: Srtp::new(ours),
            receiving: Srtp::new(theirs),
            masters,
            former,
        }
    }

    /// Octets of the plain packet; 0 for none.
    fn unprotect(&mut self, packet: &mut [u8]) -> usize {
        let all = [Some(&mut self.receiving), self.former.as_mut()];
        let mut lengths = all.into_iter().flatten();
        let length = lengths.find_map(|keys| keys.unprotect(packet).map(<[u8]>::len));
        length.unwrap_or(0)
    }
}

/// How well the generator kept its own time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    /// Packets sent.
    pub sent: u64,
    /// The latest one was this late.
    pub worst: Duration,
    /// Packets more than half a packet time late.
    pub over_half: u64,
}

/// A signal encoded once for all phones that send it.
#[derive(Debug)]
struct Encoded {
    codec: Codec,
    signal: Signal,
    payloads: Rc<[Vec<u8>]>,
}

/// All phones.
#[derive(Debug)]
pub struct Fleet {
    server: SocketAddr,
    ip: IpAddr,
    phones: Vec<Phone>,
    payloads: Vec<Encoded>,
    loop_packets: usize,
    seed: u64,
    epoll: Epoll,
    due: BinaryHeap<Reverse<(Moment, usize)>>,
    delayed: BinaryHeap<Reverse<(Moment, usize, Vec<u8>)>>,
    timers_at: Moment,
    lateness: Lateness,
    /// Calls that come and go beside the phones.
    pub storm: Option<Storm>,
    /// Participants that watch.
    pub crowd: Option<Crowd>,
}

impl Fleet {
    /// No phones yet. Signals repeat after `loop_time`; `seed` makes Call-IDs and networks distinct.
    pub fn new(server: SocketAddr, loop_time: Duration, seed: u64) -> Result<Self, FleetError> {
        let packets = loop_time.as_millis() / PACKET_TIME.as_millis();
        Ok(Self {
            server,
            ip: IpAddr::from([127, 0, 0, 1]),
            phones: Vec::new(),
            payloads: Vec::new(),
            loop_packets: usize::try_from(packets).unwrap_or(usize::MAX).max(1),
            seed,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            due: BinaryHeap::new(),
            delayed: BinaryHeap::new(),
            timers_at: Moment::ZERO,
            lateness: Lateness::default(),
            storm: None,
            crowd: None,
        })
    }

    /// Adds a phone that has not called yet and tells its number.
    pub fn add(&mut self, settings: PhoneSettings) -> Result<usize, FleetError> {
        let number = self.phones.len();
        let id = self
            .seed
            .wrapping_mul(0x10_0000)
            .wrapping_add(number as u64);
        let sip = LoopbackSocket::bind(SocketAddr::new(self.ip, 0), RTP_BUFFER)?;
        let (rtp, rtcp) = LoopbackSocket::bind_pair(self.ip, RTP_BUFFER)?;
        for (kind, socket) in [(0, &sip), (1, &rtp), (2, &rtcp)] {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64 * 4 + kind);
            self.epoll.add(socket, event)?;
        }
        let payloads = self.payloads_of(settings.codec, settings.signal)?;
        let seed = u32::try_from(number).unwrap_or(0).wrapping_add(1);
        let mut sender = RtpSender::new(settings.codec, payloads, settings.codec.payload(), seed);
        sender.begin_at(settings.offset);
        let call = Call::new(CallPlan {
            caller: format!("p{number}"),
            conference: settings.conference.clone(),
            server: self.server,
            local: sip.local(),
            rtp: rtp.local(),
            codec: settings.codec,
            key: settings.srtp.then(|| key(id)),
            control: false,
            id,
        });
        self.phones.push(Phone {
            call,
            sender,
            receiver: RtpReceiver::new(settings.codec, settings.keep),
            network: settings.network.map(|network| Netem::new(network, id)),
            keys: None,
            period: PACKET_TIME.mul_f64(1.0 + settings.skew_ppm * 1e-6),
            settings,
            sip,
            rtp,
            rtcp,
            sending: false,
            unplugged: false,
        });
        Ok(number)
    }

    /// Phone `number` calls.
    pub fn invite(&mut self, number: usize) {
        self.with_call(number, Call::invite);
    }

    /// Phone `number` hangs up.
    pub fn hang_up(&mut self, number: usize) {
        self.with_call(number, Call::hang_up);
    }

    /// Does something with a call and sends what comes of it.
    pub fn with_call(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Call, Moment, &mut Vec<String>),
    ) {
        let Some(phone) = self.phones.get_mut(number) else {
            return;
        };
        let mut out = Vec::new();
        act(&mut phone.call, clock::now(), &mut out);
        for text in out {
            phone.sip.send_to(text.as_bytes(), self.server);
        }
    }

    /// The phones in the order in which they were added.
    pub fn phones(&self) -> &[Phone] {
        &self.phones
    }

    /// The phones, to be changed.
    pub fn phones_mut(&mut self) -> &mut [Phone] {
        &mut self.phones
    }

    /// Another stream begins on phone `number`, as after a change of its microphone: a new source, whose count begins
    /// anew (RFC 3711 §3.2.3).
    pub fn change_source(&mut self, number: usize, ssrc: u32, sequence: u16) {
        if let Some(phone) = self.phones.get_mut(number) {
            phone.sender.renumber(ssrc, sequence);
            if let Some(keys) = &mut phone.keys {
                keys.sending = Srtp::new(&keys.masters.0);
            }
        }
    }

    /// How many calls are up.
    pub fn up(&self) -> usize {
        self.phones
            .iter()
            .filter(|phone| *phone.call.state() == CallState::Up)
            .count()
    }

    /// The generator's own lateness since the last [`Self::begin_window`].
    pub fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// What counts comes from here on.
    pub fn begin_window(&mut self) {
        self.lateness = Lateness::default();
        for phone in &mut self.phones {
            phone.receiver.begin_window();
        }
    }

    /// Runs for this long.
    pub fn run(&mut self, time: Duration) -> Result<(), FleetError> {
        self.run_until(time, |_| false).map(|_| ())
    }

    /// Runs until `done`, at most for `time`; tells whether it was done.
    pub fn run_until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, FleetError> {
        let end = clock::now() + time;
        let mut inbox = Inbox::new();
        let mut packet = Vec::with_capacity(DATAGRAM);
        loop {
            let now = clock::now();
            if done(self) {
                return Ok(true);
            }
            if now >= end {
                return Ok(false);
            }
            self.send_due(now, &mut packet);
            self.receive(&mut inbox)?;
            if now >= self.timers_at {
                self.timers_at = now + TIMER_STEP;
                self.handle_timers(now);
            }
            if let Some(storm) = &mut self.storm {
                storm.step(now, &mut inbox);
            }
            if let Some(crowd) = &mut self.crowd {
                crowd.step(now)?;
            }
            self.nap(now);
        }
    }

    /// Sleeps until the next packet is due, but neither so short that the sleep is the work nor so
    /// long that what comes in waits.
    fn nap(&self, now: Moment) {
        let due = self
            .due
            .peek()
            .map_or(now + NAP, |Reverse((when, _))| *when);
        let wake = due.clamp(now + SHORTEST_NAP, now + NAP);
        std::thread::sleep(wake.saturating_sub(clock::now()));
    }

    /// Encodes a signal once for all phones that send it.
    fn payloads_of(&mut self, codec: Codec, signal: Signal) -> Result<Rc<[Vec<u8>]>, CodecError> {
        let known = self
            .payloads
            .iter()
            .find(|e| e.codec == codec && e.signal == signal);
        if let Some(known) = known {
            return Ok(Rc::clone(&known.payloads));
        }
        let samples = signal.samples(codec.rate(), codec.frame() * self.loop_packets);
        let payloads: Rc<[Vec<u8>]> = codec::encode_loop(codec, &samples)?.into();
        self.payloads.push(Encoded {
            codec,
            signal,
            payloads: Rc::clone(&payloads),
        });
        Ok(payloads)
    }

    fn send_due(&mut self, now: Moment, packet: &mut Vec<u8>) {
        while let Some(Reverse((when, number))) = self.due.peek().copied() {
            if when > now {
                break;
            }
            self.due.pop();
            let Some(phone) = self.phones.get_mut(number) else {
                continue;
            };
            let to = phone.call.remote_audio().map(|audio| audio.rtp);
            let Some(to) = to.filter(|_| *phone.call.state() == CallState::Up) else {
                phone.sending = false;
                continue;
            };
            phone.sender.next_packet(now, packet);
            if let Some(keys) = &mut phone.keys {
                keys.sending.protect(packet);
            }
            match &mut phone.network {
                _ if phone.unplugged => {}
                None => {
                    phone.rtp.send_to(packet, to);
                }
                Some(network) => {
                    for at in network.departures(now) {
                        self.delayed.push(Reverse((at, number, packet.clone())));
                    }
                }
            }
            let late = now.saturating_sub(when);
            self.lateness.sent += 1;
            self.lateness.worst = self.lateness.worst.max(late);
            self.lateness.over_half += u64::from(late > PACKET_TIME / 2);
            self.due.push(Reverse((when + phone.period, number)));
        }
        while self
            .delayed
            .peek()
            .is_some_and(|Reverse((when, ..))| *when <= now)
        {
            let Some(Reverse((_, number, packet))) = self.delayed.pop() else {
                break;
            };
            let Some(phone) = self.phones.get(number) else {
                continue;
            };
            if let Some(audio) = phone.call.remote_audio() {
                phone.rtp.send_to(&packet, audio.rtp);
            }
        }
    }

    fn receive(&mut self, inbox: &mut Inbox) -> Result<(), FleetError> {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
            for event in events.iter().take(count) {
                let Ok(number) = usize::try_from(event.data() / 4) else {
                    continue;
                };
                self.receive_from(number, event.data() % 4, inbox);
            }
            if count < events.len() {
                return Ok(());
            }
        }
    }

    fn receive_from(&mut self, number: usize, kind: u64, inbox: &mut Inbox) {
        let Some(phone) = self.phones.get_mut(number) else {
            return;
        };
        match kind {
            0 => self.receive_sip(number, inbox),
            // One packet each time: a second one is rare, and epoll tells of it again.
            1 => {
                if let Some(arrival) = phone.rtp.receive(inbox) {
                    let packet = inbox.datagram_mut();
                    let plain = match &mut phone.keys {
                        Some(keys) => keys.unprotect(packet),
                        None => packet.len(),
                    };
                    let plain = packet.get(..plain).unwrap_or_default();
                    phone.receiver.handle_packet(arrival, plain);
                }
            }
            _ => drop(phone.rtcp.receive(inbox)),
        }
    }

    fn receive_sip(&mut self, number: usize, inbox: &mut Inbox) {
        let Some(phone) = self.phones.get_mut(number) else {
            return;
        };
        let mut out = Vec::new();
        while let Some(arrival) = phone.sip.receive(inbox) {
            if phone.unplugged {
                continue;
            }
            let Some(message) = Message::parse(inbox.datagram()) else {
                continue;
            };
            phone.call.handle_message(arrival, &message, &mut out);
        }
        for text in out {
            phone.sip.send_to(text.as_bytes(), self.server);
        }
        self.begin_media(number);
    }

    /// Starts sending once the call is up, at this phone's own phase of the packet time.
    fn begin_media(&mut self, number: usize) {
        let Some(phone) = self.phones.get_mut(number) else {
            return;
        };
        let Some(audio) = phone.call.remote_audio() else {
            return;
        };
        phone.sender.set_payload_types(audio.payload, audio.dtmf);
        let masters = phone.call.keys().filter(|_| !phone.call.busy());
        if masters.is_some() && masters != phone.keys.as_ref().map(|keys| keys.masters) {
            let former = phone.keys.take().map(|keys| keys.receiving);
            phone.keys = masters.map(|masters| Keys::new(masters, former));
        }
        if !phone.sending && *phone.call.state() == CallState::Up {
            phone.sending = true;
            self.due
                .push(Reverse((next_phase(clock::now(), number), number)));
        }
    }

    fn handle_timers(&mut self, now: Moment) {
        let mut out = Vec::new();
        for phone in &mut self.phones {
            if !phone.unplugged && phone.call.next_timeout().is_some_and(|when| when <= now) {
                phone.call.handle_timeout(now, &mut out);
                for text in out.drain(..) {
                    phone.sip.send_to(text.as_bytes(), self.server);
                }
            }
        }
    }
}

/// A key of a phone's own; loopback keeps no secrets.
fn key(id: u64) -> Master {
    let mut key = [0x5a; 30];
    for (octet, value) in key.iter_mut().zip(id.to_be_bytes()) {
        *octet = value;
    }
    key
}

/// The next moment at which phone `number` is to send: the golden ratio spreads any count evenly.
fn next_phase(now: Moment, number: usize) -> Moment {
    let packet = PACKET_TIME.as_nanos();
    let phase = (number as f64 * 0.618_033_988_75).fract();
    let begun = now.as_nanos() / packet * packet;
    let begun = Duration::from_nanos(u64::try_from(begun).unwrap_or(0));
    begun + PACKET_TIME + PACKET_TIME.mul_f64(phase)
}
