//! An allocation on a TURN server (RFC 8656), over UDP, with long-term credentials.
//!
//! | state | what happens |
//! |---|---|
//! | `Asking` | Allocate without, then with credentials (§7) |
//! | `Allocated` | refreshed half way through its lifetime (§8); peers bound to channels (§12) |
//! | `Closed` | refused, lost, or given back with lifetime 0 |

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::stun::{Class, Key, Message, Method, TransactionId, Writer, kind};
use super::transaction::{Due, RTO, Transaction};

/// A permission lasts five minutes, a channel ten (RFC 8656 §9, §12); binding again renews both.
const REBIND: Duration = Duration::from_secs(240);
/// Channel numbers are 0x4000 to 0x4FFF (RFC 8656 §12).
const FIRST_CHANNEL: u16 = 0x4000;
/// Peers of one allocation. Beyond: no channel, so nothing is sent to them.
const MAX_CHANNELS: usize = 32;
/// What is asked for; a server may give less.
const LIFETIME: u32 = 600;
/// Rounds of 401 or 438 in a row before we believe that the credentials are wrong.
const MAX_CHALLENGES: u8 = 3;

/// What an allocation is made with. `Debug` does not show the password.
#[derive(Clone)]
pub struct TurnConfig {
    /// The server.
    pub server: SocketAddr,
    /// The user of the long-term credentials.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Makes transaction identifiers, which must not be guessed.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for TurnConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnConfig")
            .field("server", &self.server)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Why there is no allocation (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnFailure {
    /// Nothing came back.
    #[error("the TURN server does not answer: check its address and that UDP gets there")]
    NoAnswer,
    /// User or password are wrong.
    #[error("the TURN server refuses the user name or password")]
    Credentials,
    /// The server said so, by its error code (RFC 8656 §19).
    #[error("the TURN server refuses with error {0}")]
    Refused(u16),
    /// An answer lacks what it must have.
    #[error("the TURN server's answer cannot be read")]
    Unreadable,
}

/// What a client asks for or reports.
#[derive(Debug, PartialEq, Eq)]
pub enum TurnOutput {
    /// To be sent to the server.
    Transmit(Vec<u8>),
    /// The allocation is there.
    Allocated {
        /// The address on the server.
        relayed: SocketAddr,
        /// What the server sees us as.
        mapped: SocketAddr,
    },
    /// There is none (any more).
    Failed(TurnFailure),
    /// Nothing more until then.
    Timeout(Option<Instant>),
}

/// What a datagram from the server was.
#[derive(Debug, PartialEq, Eq)]
pub enum TurnInbound {
    /// Of the server's own business, or nothing we know.
    Consumed,
    /// What a peer sent: these octets of the datagram.
    Data {
        /// Who.
        peer: SocketAddr,
        /// Which octets.
        range: Range<usize>,
    },
}

/// The client of one allocation.
#[derive(Debug)]
pub struct TurnClient {
    config: TurnConfig,
    random: StdRng,
    state: State,
    login: Option<Login>,
    challenges: u8,
    requests: Vec<(Purpose, Transaction)>,
    channels: Vec<Channel>,
    outputs: VecDeque<TurnOutput>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Asking,
    Allocated {
        relayed: SocketAddr,
        refresh_at: Instant,
    },
    Closed,
}

/// What a challenge told us.
#[derive(Debug)]
struct Login {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Allocate,
    Refresh,
    Bind(u16),
    Release,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    bound: bool,
    renew_at: Instant,
}

impl TurnClient {
    /// Begins to allocate.
    pub fn new(now: Instant, config: TurnConfig) -> Self {
        let mut client = Self {
            random: StdRng::from_seed(config.seed),
            config,
            state: State::Asking,
            login: None,
            challenges: 0,
            requests: Vec::new(),
            channels: Vec::new(),
            outputs: VecDeque::new(),
        };
        client.request(now, Purpose::Allocate);
        client
    }

    /// The server's address.
    pub fn server(&self) -> SocketAddr {
        self.config.server
    }

    /// The relayed address, while there is one.
    pub fn relayed(&self) -> Option<SocketAddr> {
        match self.state {
            State::Allocated { relayed, .. } => Some(relayed),
            State::Asking | State::Closed => None,
        }
    }

    /// Lets a peer send to the relayed address and binds it to a channel (RFC 8656 §12).
    pub fn permit(&mut self, now: Instant, peer: SocketAddr) {
        let known = self.channels.iter().any(|channel| channel.peer == peer);
        let taken = u16::try_from(self.channels.len()).unwrap_or(u16::MAX);
        if known || usize::from(taken) >= MAX_CHANNELS || self.relayed().is_none() {
            return;
        }
        let number = FIRST_CHANNEL.saturating_add(taken);
        self.channels.push(Channel {
            number,
            peer,
            bound: false,
            renew_at: now + REBIND,
        });
        self.request(now, Purpose::Bind(number));
        self.handle_timeout(now);
    }

    /// Wraps a datagram to a peer: ChannelData where its channel is bound (RFC 8656 §12.4), else a Send indication.
    /// It is then to be sent to [`Self::server`].
    pub fn wrap(&mut self, peer: SocketAddr, packet: &mut Vec<u8>) {
        let channel = self.channels.iter().find(|c| c.peer == peer && c.bound);
        let Some(channel) = channel else {
            *packet = Writer::new(Class::Indication, Method::SEND, self.new_id())
                .xor_address(kind::XOR_PEER_ADDRESS, peer)
                .attribute(kind::DATA, packet)
                .finish();
            return;
        };
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let ([a, b], [c, d]) = (channel.number.to_be_bytes(), length.to_be_bytes());
        packet.splice(0..0, [a, b, c, d]);
    }

    /// The channel that a peer is bound to, once it is.
    pub fn channel(&self, peer: SocketAddr) -> Option<u16> {
        let channel = self.channels.iter().find(|c| c.peer == peer && c.bound);
        channel.map(|channel| channel.number)
    }

    /// Takes a datagram that came from [`Self::server`].
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> TurnInbound {
        if let [a @ 0x40..=0x4f, b, c, d, ..] = *datagram {
            let (number, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let end = 4 + usize::from(length);
            let channel = self.channels.iter().find(|c| c.number == number);
            return match channel {
                Some(channel) if end <= datagram.len() => TurnInbound::Data {
                    peer: channel.peer,
                    range: 4..end,
                },
                Some(_) | None => TurnInbound::Consumed,
            };
        }
        let Ok(message) = Message::parse(datagram) else {
            return TurnInbound::Consumed;
        };
        match message.class {
            Class::Indication if message.method == Method::DATA => data(datagram, &message),
            Class::Success | Class::Error => {
                self.handle_response(now, &message);
                TurnInbound::Consumed
            }
            Class::Indication | Class::Request => TurnInbound::Consumed,
        }
    }

    fn handle_response(&mut self, now: Instant, message: &Message<'_>) {
        let matching = |(_, request): &(Purpose, Transaction)| request.id == message.id;
        let Some(at) = self.requests.iter().position(matching) else {
            return;
        };
        let signed = match &self.login {
            Some(login) => message.is_signed_with(&login.key),
            None => false,
        };
        let code = message.error_code().unwrap_or_default();
        let challenge = message.class == Class::Error && matches!(code, 401 | 438);
        // RFC 8489 §9.2.5: what is not signed is dropped, but for challenges, which cannot be.
        if !signed && !challenge && self.login.is_some() {
            return;
        }
        let (purpose, _) = self.requests.swap_remove(at);
        if challenge {
            self.challenged(now, purpose, message);
        } else if message.class == Class::Error {
            self.refused(purpose, code);
        } else {
            self.challenges = 0;
            self.granted(now, purpose, message);
        }
        self.handle_timeout(now);
    }

    /// RFC 8489 §9.2.5: 401 asks for credentials, 438 gives a new nonce.
    fn challenged(&mut self, now: Instant, purpose: Purpose, message: &Message<'_>) {
        let (realm, nonce) = (
            message.attribute(kind::REALM),
            message.attribute(kind::NONCE),
        );
        self.challenges += 1;
        let again = message.error_code() == Some(401) && self.login.is_some();
        let (Some(realm), Some(nonce)) = (realm, nonce) else {
            return self.fail(TurnFailure::Unreadable);
        };
        if self.challenges > MAX_CHALLENGES || again && self.challenges > 1 {
            return self.fail(TurnFailure::Credentials);
        }
        let name = String::from_utf8_lossy(realm);
        self.login = Some(Login {
            key: Key::long_term(&self.config.user, &name, &self.config.password),
            realm: realm.to_vec(),
            nonce: nonce.to_vec(),
        });
        self.request(now, purpose);
    }

    fn refused(&mut self, purpose: Purpose, code: u16) {
        match purpose {
            Purpose::Allocate | Purpose::Refresh => self.fail(TurnFailure::Refused(code)),
            // A peer the server does not relay to: 403. Its checks fail, others may work.
            Purpose::Bind(_) | Purpose::Release => {}
        }
    }

    fn granted(&mut self, now: Instant, purpose: Purpose, message: &Message<'_>) {
        let lifetime = message.number(kind::LIFETIME).unwrap_or(LIFETIME);
        let refresh_at = now + Duration::from_secs(u64::from(lifetime / 2).max(5));
        match purpose {
            Purpose::Allocate => {
                let relayed = message.xor_address(kind::XOR_RELAYED_ADDRESS);
                let mapped = message.xor_address(kind::XOR_MAPPED_ADDRESS);
                let (Some(relayed), Some(mapped)) = (relayed, mapped) else {
                    return self.fail(TurnFailure::Unreadable);
                };
                self.state = State::Allocated {
                    relayed,
                    refresh_at,
                };
                self.outputs
                    .push_back(TurnOutput::Allocated { relayed, mapped });
            }
            Purpose::Refresh => {
                if let State::Allocated { relayed, .. } = self.state {
                    self.state = State::Allocated {
                        relayed,
                        refresh_at,
                    };
                }
            }
            Purpose::Bind(number) => {
                let mut channels = self.channels.iter_mut();
                if let Some(channel) = channels.find(|channel| channel.number == number) {
                    channel.bound = true;
                    channel.renew_at = now + REBIND;
                }
            }
            Purpose::Release => self.state = State::Closed,
        }
    }

    /// Gives the allocation back (RFC 8656 §8): sent once, for nobody waits.
    pub fn close(&mut self, now: Instant) {
        if self.relayed().is_some() {
            self.requests.clear();
            self.channels.clear();
            self.request(now, Purpose::Release);
            self.handle_timeout(now);
        }
        self.state = State::Closed;
        self.requests.clear();
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.renew(now);
        let mut expired = None;
        for (purpose, request) in &mut self.requests {
            match request.due(now) {
                Due::Nothing => {}
                Due::Send(bytes) => self.outputs.push_back(TurnOutput::Transmit(bytes.to_vec())),
                Due::Expired => expired = Some(*purpose),
            }
        }
        match expired {
            Some(Purpose::Allocate | Purpose::Refresh) => self.fail(TurnFailure::NoAnswer),
            Some(gone @ (Purpose::Bind(_) | Purpose::Release)) => {
                self.requests.retain(|(purpose, _)| *purpose != gone);
            }
            None => {}
        }
    }

    /// Asks again for what would run out.
    fn renew(&mut self, now: Instant) {
        let State::Allocated { refresh_at, .. } = self.state else {
            return;
        };
        if now >= refresh_at && !self.is_asking(Purpose::Refresh) {
            self.request(now, Purpose::Refresh);
        }
        let due = |channel: &&mut Channel| now >= channel.renew_at;
        let mut numbers = Vec::new();
        for channel in self.channels.iter_mut().filter(due) {
            channel.renew_at = now + REBIND;
            numbers.push(channel.number);
        }
        for number in numbers {
            self.request(now, Purpose::Bind(number));
        }
    }

    /// What to do, until a [`TurnOutput::Timeout`].
    pub fn poll_output(&mut self) -> TurnOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let requests = self.requests.iter().map(|(_, request)| request.next());
        let channels = self.channels.iter().map(|channel| channel.renew_at);
        let refresh = match self.state {
            // While a refresh is under way its own retransmission is what is due.
            State::Allocated { refresh_at, .. } if !self.is_asking(Purpose::Refresh) => {
                Some(refresh_at)
            }
            State::Allocated { .. } | State::Asking | State::Closed => None,
        };
        TurnOutput::Timeout(requests.chain(channels).chain(refresh).min())
    }

    fn is_asking(&self, purpose: Purpose) -> bool {
        self.requests.iter().any(|(known, _)| *known == purpose)
    }

    fn fail(&mut self, failure: TurnFailure) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.outputs.push_back(TurnOutput::Failed(failure));
        }
        self.requests.clear();
        self.channels.clear();
    }

    fn new_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        self.random.fill_bytes(&mut id);
        TransactionId(id)
    }

    fn request(&mut self, now: Instant, purpose: Purpose) {
        let id = self.new_id();
        let new = |method| Writer::new(Class::Request, method, id);
        let writer = match purpose {
            Purpose::Allocate => new(Method::ALLOCATE)
                // UDP is protocol 17.
                .attribute(kind::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(kind::LIFETIME, &LIFETIME.to_be_bytes()),
            Purpose::Refresh => {
                new(Method::REFRESH).attribute(kind::LIFETIME, &LIFETIME.to_be_bytes())
            }
            Purpose::Release => new(Method::REFRESH).attribute(kind::LIFETIME, &[0; 4]),
            Purpose::Bind(number) => {
                let Some(channel) = self.channels.iter().find(|c| c.number == number) else {
                    return;
                };
                let [a, b] = number.to_be_bytes();
                new(Method::CHANNEL_BIND)
                    .attribute(kind::CHANNEL_NUMBER, &[a, b, 0, 0])
                    .xor_address(kind::XOR_PEER_ADDRESS, channel.peer)
            }
        };
        // RFC 8656 §7.1: an IPv6 address has to be asked for.
        let writer = if purpose == Purpose::Allocate && self.config.server.is_ipv6() {
            writer.attribute(kind::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
        } else {
            writer
        };
        let writer = match &self.login {
            Some(login) => writer
                .attribute(kind::USERNAME, self.config.user.as_bytes())
                .attribute(kind::REALM, &login.realm)
                .attribute(kind::NONCE, &login.nonce)
                .integrity(&login.key),
            None => writer,
        };
        let request = Transaction::new(now, id, writer.fingerprint(), RTO);
        self.requests.push((purpose, request));
        if purpose == Purpose::Allocate {
            self.handle_timeout(now);
        }
    }
}

/// A Data indication (RFC 8656 §11.4): where its data is in the datagram.
fn data(datagram: &[u8], message: &Message<'_>) -> TurnInbound {
    let found = || {
        let peer = message.xor_address(kind::XOR_PEER_ADDRESS)?;
        let data = message.attribute(kind::DATA)?;
        let start = data.as_ptr().addr().checked_sub(datagram.as_ptr().addr())?;
        Some((peer, start..start.checked_add(data.len())?))
    };
    match found() {
        Some((peer, range)) => TurnInbound::Data { peer, range },
        None => TurnInbound::Consumed,
    }
}

#[cfg(test)]
mod tests;
