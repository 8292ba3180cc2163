//! What comes beside the calls, from a thread of its own: forged INVITEs, and phones that register.

use crate::clock;
use crate::codec::Codec;
use crate::digest::Login;
use crate::sdp;
use crate::wire::Message;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// INVITEs from many addresses, none of which acknowledges anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forged {
    /// The user part of the conference's URI that they ask for.
    pub conference: String,
    /// INVITEs a second.
    pub rate: u32,
    /// Addresses they come from: 127.9.0.0 and following.
    pub sources: u16,
}

/// Users that register again and again, with digests and nonce counts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registering {
    /// REGISTERs a second.
    pub rate: u32,
    /// Users `user0@example.com` and following, with the password `NAME-secret`.
    pub users: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Besides {
    /// Forged INVITEs sent.
    pub forged: u64,
    /// REGISTERs sent.
    pub registers: u64,
    /// REGISTERs answered 200.
    pub registered: u64,
}

/// The thread.
#[derive(Debug)]
pub struct Beside {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Besides>>,
}

impl Beside {
    /// Begins.
    pub fn start(
        forged: Option<Forged>,
        registering: Option<Registering>,
        server: SocketAddr,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut forger = forged.map(|one| Forger::new(one, server)).transpose()?;
            let mut registrants = registering
                .map(|one| Registrants::new(one, server))
                .transpose()?;
            let begun = clock::now();
            while !stopped.load(Ordering::Relaxed) {
                let passed = clock::now().saturating_sub(begun);
                if let Some(forger) = &mut forger {
                    forger.step(passed);
                }
                if let Some(registrants) = &mut registrants {
                    registrants.step(passed)?;
                }
                std::thread::sleep(STEP);
            }
            if let Some(registrants) = &mut registrants {
                std::thread::sleep(LAST);
                registrants.receive();
            }
            Ok(Besides {
                forged: forger.map_or(0, |forger| forger.sent),
                registers: registrants.as_ref().map_or(0, |one| one.sent),
                registered: registrants.as_ref().map_or(0, |one| one.accepted),
            })
        });
        Self { stop, thread }
    }

    /// Ends it.
    ///
    /// Fails when it could not do what it should.
    pub fn stop(self) -> io::Result<Besides> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the thread beside the calls has failed"))?
    }
}

/// Sends forged INVITEs.
struct Forger {
    settings: Forged,
    server: SocketAddr,
    sockets: Vec<UdpSocket>,
    sent: u64,
}

impl Forger {
    fn new(settings: Forged, server: SocketAddr) -> io::Result<Self> {
        let bind = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let socket = UdpSocket::bind(SocketAddr::from(([127, 9, high, low], 0)))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets: io::Result<Vec<_>> = (0..settings.sources.max(1)).map(bind).collect();
        Ok(Self {
            settings,
            server,
            sockets: sockets?,
            sent: 0,
        })
    }

    fn step(&mut self, passed: Duration) {
        let due = due(passed, self.settings.rate);
        while self.sent < due {
            let number = self.sent;
            self.sent += 1;
            let turn = usize::try_from(number).unwrap_or(0) % self.sockets.len();
            let Some(socket) = self.sockets.get(turn) else {
                continue;
            };
            let Ok(local) = socket.local_addr() else {
                continue;
            };
            let (to, name) = (self.server, &self.settings.conference);
            let offer = sdp::describe(local, Codec::Pcmu, 1, "sendrecv");
            let invite = format!(
                "INVITE sip:{name}@{to} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {local};branch=z9hG4bKf{number};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:f@{local}>;tag=f{number}\r\nTo: <sip:{name}@{to}>\r\n\
                 Call-ID: f{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:f@{local}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
                offer.len()
            );
            // What the kernel has no room for would be lost on the way as well.
            drop(socket.send_to(invite.as_bytes(), to));
        }
    }
}

/// Registers users.
struct Registrants {
    settings: Registering,
    socket: UdpSocket,
    /// Each user's login and challenge.
    users: Vec<(Login, String)>,
    sent: u64,
    accepted: u64,
}

impl Registrants {
    /// Asks for a challenge for each user first.
    fn new(settings: Registering, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        let mut this = Self {
            settings,
            socket,
            users: Vec::new(),
            sent: 0,
            accepted: 0,
        };
        for number in 0..settings.users.max(1) {
            let name = format!("user{number}");
            let login = Login::new(&name, &format!("{name}-secret"));
            let challenge = this.challenge(&name)?;
            this.users.push((login, challenge));
        }
        this.socket.set_nonblocking(true)?;
        Ok(this)
    }

    fn challenge(&self, name: &str) -> io::Result<String> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(PATIENCE))?;
        self.socket.send(self.request(name, 0, "").as_bytes())?;
        let read = self.socket.recv(&mut buffer)?;
        let text = buffer.get(..read).unwrap_or_default();
        let message = Message::parse(text);
        let challenge = message.as_ref().and_then(|message| {
            let mut all = message.headers("WWW-Authenticate", "");
            all.find(|one| one.contains("algorithm=SHA-256"))
        });
        let fault = || io::Error::other(format!("{name} is not asked for a password"));
        challenge.map(str::to_owned).ok_or_else(fault)
    }

    fn request(&self, name: &str, seq: u64, more: &str) -> String {
        let local = self.socket.local_addr();
        let local = local.map_or_else(|_| String::new(), |local| local.to_string());
        format!(
            "REGISTER sip:example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{name}x{seq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag=f\r\n\
             To: <sip:{name}@example.com>\r\nCall-ID: {name}x{seq}\r\nCSeq: {} REGISTER\r\n\
             Contact: <sip:{name}@{local}>\r\n{more}Content-Length: 0\r\n\r\n",
            seq + 1
        )
    }

    fn step(&mut self, passed: Duration) -> io::Result<()> {
        let due = due(passed, self.settings.rate);
        let users = u64::from(self.settings.users.max(1));
        while self.sent < due {
            let number = self.sent;
            self.sent += 1;
            let nc = u32::try_from(number / users + 1).unwrap_or(u32::MAX);
            let user = usize::try_from(number % users).unwrap_or(0);
            let Some((login, challenge)) = self.users.get(user) else {
                continue;
            };
            let said = login.answer(challenge, "REGISTER", "sip:example.com", nc);
            let said = said.ok_or_else(|| io::Error::other("a challenge cannot be answered"))?;
            let more = format!("Authorization: {said}\r\n");
            let request = self.request(&login.name, number + 1, &more);
            // What the kernel has no room for counts as not answered.
            drop(self.socket.send(request.as_bytes()));
        }
        self.receive();
        Ok(())
    }

    fn receive(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(read) = self.socket.recv(&mut buffer) {
            let accepted = buffer
                .get(..read)
                .is_some_and(|it| it.starts_with(b"SIP/2.0 200"));
            self.accepted += u64::from(accepted);
        }
    }
}

/// How many are due after this time.
fn due(passed: Duration, rate: u32) -> u64 {
    u64::try_from(passed.as_micros() * u128::from(rate) / 1_000_000).unwrap_or(u64::MAX)
}

const STEP: Duration = Duration::from_millis(1);
/// For the last answers.
const LAST: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(5);
