//! The floor control server of one conference (RFC 8855 §13), sans-IO: messages in, messages out, and who presents.
//!
//! Some users speak BFCP, others are known by what they do: who sends slides without floor control asks for the floor by
//! that, and gives it back by ceasing ([`FloorServer::present`], [`FloorServer::cease`]).

use super::queue::{Change, Floor, FloorPolicy};
use crate::metrics::FloorMetrics;
use plenum_media::bfcp::message::{RELIABLE, UNRELIABLE};
use plenum_media::bfcp::unreliable::{Incoming, Transactions};
use plenum_media::bfcp::{Attribute, ErrorCode, Fault, Message, Primitive, RequestStatus};
use plenum_media::sdp::floor::FLOOR;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// How a user's messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In datagrams: version 2, with repetition.
    Udp,
    /// In a stream: version 1.
    Tcp,
}

/// What the server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloorOutput {
    /// This goes to a user.
    Send {
        /// To whom.
        user: u16,
        /// The message.
        octets: Vec<u8>,
    },
    /// Somebody else presents now, or nobody.
    Presenter(Option<u16>),
}

/// Bounds of one conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorLimits {
    /// Requests that wait for the floor. Beyond: refused with error 8.
    pub requests: usize,
    /// Messages that wait for one user's answer, and answers kept for repeated requests. Beyond: the user is gone.
    pub transactions: usize,
    /// Octets of one message. Beyond: refused, and a stream is closed.
    pub message: usize,
}

impl Default for FloorLimits {
    /// 32 requests, 16 messages, 1,200 octets.
    fn default() -> Self {
        Self {
            requests: 32,
            transactions: 16,
            message: 1_200,
        }
    }
}

/// One user.
#[derive(Debug)]
struct User {
    name: String,
    admitted: bool,
    /// Wants to know of the floor (RFC 8855 §13.5).
    watches: bool,
    link: Link,
}

/// How a user is spoken to.
#[derive(Debug)]
enum Link {
    None,
    Udp(Transactions),
    Tcp,
}

/// The server.
#[derive(Debug)]
pub struct FloorServer {
    conference: u32,
    limits: FloorLimits,
    metrics: FloorMetrics,
    floor: Floor,
    users: BTreeMap<u16, User>,
    presenter: Option<u16>,
    outputs: VecDeque<FloorOutput>,
}

/// What [`Attribute::UserDisplayName`] has at most: all that is said of a request must fit into 255 octets.
const NAME: usize = 60;

impl FloorServer {
    /// Nobody is here. `conference`: the `confid` of session descriptions.
    pub fn new(
        conference: u32,
        policy: FloorPolicy,
        limits: FloorLimits,
        metrics: FloorMetrics,
    ) -> Self {
        Self {
            conference,
            floor: Floor::new(policy, limits.requests),
            limits,
            metrics,
            users: BTreeMap::new(),
            presenter: None,
            outputs: VecDeque::new(),
        }
    }

    /// Somebody comes, or speaks otherwise than before. Whoever is not `admitted` gets no floor.
    pub fn join(&mut self, user: u16, name: &str, admitted: bool, transport: Option<Transport>) {
        let name: String = name
            .char_indices()
            .take_while(|(at, letter)| at + letter.len_utf8() <= NAME)
            .map(|(_, letter)| letter)
            .collect();
        let known = self.users.remove(&user);
        let (watches, link) = match (known, transport) {
            (Some(before), Some(Transport::Udp)) if matches!(before.link, Link::Udp(_)) => {
                (before.watches, before.link)
            }
            (_, Some(Transport::Udp)) => (
                false,
                Link::Udp(Transactions::new(self.limits.transactions)),
            ),
            (Some(before), Some(Transport::Tcp)) => (before.watches, Link::Tcp),
            (None, Some(Transport::Tcp)) => (false, Link::Tcp),
            (_, None) => (false, Link::None),
        };
        let one = User {
            name,
            admitted,
            watches,
            link,
        };
        self.users.insert(user, one);
        if !admitted {
            self.cease(user);
        }
    }

    /// Somebody leaves.
    pub fn leave(&mut self, user: u16) {
        if self.users.remove(&user).is_some() {
            self.cease(user);
        }
    }

    /// A message of a user: one datagram, or one message of the stream.
    pub fn handle_message(&mut self, now: Instant, user: u16, octets: &[u8]) {
        self.metrics.messages.inc();
        let Some(one) = self.users.get_mut(&user) else {
            return;
        };
        let version = match one.link {
            Link::Udp(_) => UNRELIABLE,
            Link::Tcp => RELIABLE,
            Link::None => return,
        };
        if octets.len() > self.limits.message {
            self.metrics.refused.inc();
            return;
        }
        let message = match Message::read(octets, version) {
            Ok(message) => message,
            Err(fault) => return self.refuse_unread(user, version, &fault),
        };
        if let Link::Udp(transactions) = &mut one.link {
            match transactions.handle(now, &message) {
                Incoming::New => {}
                Incoming::Answer => return,
                Incoming::Repeated(octets) => {
                    self.outputs.push_back(FloorOutput::Send { user, octets });
                    return;
                }
            }
        }
        if message.conference != self.conference {
            return self.refuse(now, user, &message, ErrorCode::NoConference);
        }
        if message.user != user {
            return self.refuse(now, user, &message, ErrorCode::NoUser);
        }
        self.carry_out(now, user, &message);
    }

    /// RFC 8855 §13: what clients ask for.
    fn carry_out(&mut self, now: Instant, user: u16, message: &Message) {
        match message.primitive {
            Primitive::FloorRequest => self.request(now, user, message),
            Primitive::FloorRelease => self.release(now, user, message),
            Primitive::FloorRequestQuery => self.tell_request(now, user, message),
            Primitive::UserQuery => {
                let own = self.floor.standing().into_iter();
                let own = own.filter(|change| change.request.user == user);
                let all = own.map(|change| self.information(change)).collect();
                self.respond(now, user, message, Primitive::UserStatus, all);
            }
            Primitive::FloorQuery => self.tell_floor(now, user, message),
            Primitive::ChairAction => {
                // Nobody is a chair: operators act by other means.
                self.refuse(now, user, message, ErrorCode::Unauthorized);
            }
            Primitive::Hello => {
                let primitives = Primitive::ALL.map(Primitive::number).to_vec();
                // §5.2.10: the number is in the upper seven bits.
                let attributes = Attribute::KNOWN.map(|kind| kind << 1).collect();
                let both = vec![
                    Attribute::SupportedPrimitives(primitives),
                    Attribute::SupportedAttributes(attributes),
                ];
                self.respond(now, user, message, Primitive::HelloAck, both);
            }
            Primitive::Goodbye => {
                self.respond(now, user, message, Primitive::GoodbyeAck, Vec::new());
                self.part(user);
            }
            Primitive::Error
            | Primitive::FloorRequestStatusAck
            | Primitive::FloorStatusAck
            | Primitive::ChairActionAck
            | Primitive::HelloAck
            | Primitive::GoodbyeAck => {}
            Primitive::FloorRequestStatus | Primitive::UserStatus | Primitive::FloorStatus => {
                self.refuse(now, user, message, ErrorCode::UnknownPrimitive);
            }
        }
    }

    /// RFC 8855 §13.1.
    fn request(&mut self, now: Instant, user: u16, message: &Message) {
        let mut floors = message.floors();
        if floors.next() != Some(FLOOR) || floors.next().is_some() {
            return self.refuse(now, user, message, ErrorCode::InvalidFloor);
        }
        // Nobody asks for somebody else.
        let other = |attribute: &Attribute| matches!(attribute, Attribute::BeneficiaryId(whom) if *whom != user);
        let admitted = self.users.get(&user).is_some_and(|one| one.admitted);
        if !admitted || message.attributes.iter().any(other) {
            return self.refuse(now, user, message, ErrorCode::Unauthorized);
        }
        match self.floor.request(user) {
            Ok(changes) => {
                let own = changes.last().copied();
                let about = own.map(|change| self.information(change));
                let about = about.into_iter().collect();
                self.respond(now, user, message, Primitive::FloorRequestStatus, about);
                self.spread(&changes, own);
            }
            Err(_) => self.refuse(now, user, message, ErrorCode::TooManyRequests),
        }
    }

    /// RFC 8855 §13.4.
    fn release(&mut self, now: Instant, user: u16, message: &Message) {
        let changes = match message.request() {
            Some(id) => self.floor.give_back(user, Some(id)),
            None => Vec::new(),
        };
        let Some(own) = changes.first().copied() else {
            return self.refuse(now, user, message, ErrorCode::NoRequest);
        };
        let about = vec![self.information(own)];
        self.respond(now, user, message, Primitive::FloorRequestStatus, about);
        self.spread(&changes, Some(own));
    }

    /// RFC 8855 §13.2.
    fn tell_request(&mut self, now: Instant, user: u16, message: &Message) {
        let standing = self.floor.standing();
        let asked = message.request();
        let found = standing.iter().find(|one| Some(one.request.id) == asked);
        match found {
            Some(change) => {
                let about = vec![self.information(*change)];
                self.respond(now, user, message, Primitive::FloorRequestStatus, about);
            }
            None => self.refuse(now, user, message, ErrorCode::NoRequest),
        }
    }

    /// RFC 8855 §13.5.
    fn tell_floor(&mut self, now: Instant, user: u16, message: &Message) {
        if message.floors().any(|floor| floor != FLOOR) {
            return self.refuse(now, user, message, ErrorCode::InvalidFloor);
        }
        let watches = message.floors().next().is_some();
        if let Some(one) = self.users.get_mut(&user) {
            one.watches = watches;
        }
        let about = if watches {
            self.floor_status()
        } else {
            Vec::new()
        };
        self.respond(now, user, message, Primitive::FloorStatus, about);
    }

    /// Who has no floor control sends slides.
    pub fn present(&mut self, user: u16) {
        let admitted = self.users.get(&user).is_some_and(|one| one.admitted);
        if let (true, Ok(changes)) = (admitted, self.floor.request(user)) {
            self.spread(&changes, None);
        }
    }

    /// And does not any more; or somebody has no right to the floor any longer.
    pub fn cease(&mut self, user: u16) {
        let changes = self.floor.give_back(user, None);
        self.spread(&changes, None);
    }

    /// A connection is closed, or its peer is silent: what it had asked for is given back.
    pub fn part(&mut self, user: u16) {
        if let Some(one) = self.users.get_mut(&user) {
            one.watches = false;
        }
        self.cease(user);
    }

    /// The floor is taken away from whoever has it. Whether anybody had.
    pub fn revoke(&mut self) -> bool {
        let changes = self.floor.revoke();
        self.spread(&changes, None);
        !changes.is_empty()
    }

    /// The floor goes to a user, whether asked for or not, if it is admitted. Whether it went.
    pub fn give(&mut self, user: u16) -> bool {
        let admitted = self.users.get(&user).is_some_and(|one| one.admitted);
        let changes = if admitted {
            self.floor.give(user)
        } else {
            Vec::new()
        };
        self.spread(&changes, None);
        !changes.is_empty()
    }

    /// Who has the floor.
    pub fn presenter(&self) -> Option<u16> {
        self.presenter
    }

    /// Repeats what was not answered, and gives up on whoever is silent.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut silent = Vec::new();
        for (user, one) in &mut self.users {
            let Link::Udp(transactions) = &mut one.link else {
                continue;
            };
            match transactions.poll(now) {
                Ok(Some(octets)) => {
                    let user = *user;
                    self.outputs.push_back(FloorOutput::Send { user, octets });
                }
                Ok(None) => {}
                Err(_) => silent.push(*user),
            }
        }
        for user in silent {
            self.give_up(user);
        }
    }

    /// What is to be done; drain it after every call.
    pub fn poll_output(&mut self) -> Option<FloorOutput> {
        self.outputs.pop_front()
    }

    fn give_up(&mut self, user: u16) {
        self.metrics.silent.inc();
        self.part(user);
        // Nothing more is said to it, what it has just lost included, until it asks again.
        if let Some(one) = self.users.get_mut(&user) {
            one.link = Link::Udp(Transactions::new(self.limits.transactions));
        }
    }

    /// Tells everybody concerned what has changed, but for what `answered` was told already (RFC 8855 §13.1.2, §13.5.2).
    fn spread(&mut self, changes: &[Change], answered: Option<Change>) {
        if changes.is_empty() {
            return;
        }
        for change in changes {
            match change.status {
                RequestStatus::Granted => self.metrics.granted.inc(),
                RequestStatus::Revoked => self.metrics.revoked.inc(),
                RequestStatus::Pending
                | RequestStatus::Accepted
                | RequestStatus::Denied
                | RequestStatus::Cancelled
                | RequestStatus::Released => 0,
            };
        }
        for change in changes.iter().filter(|change| Some(**change) != answered) {
            let about = vec![self.information(*change)];
            self.say(change.request.user, Primitive::FloorRequestStatus, about);
        }
        let watching = self.users.iter().filter(|(_, one)| one.watches);
        let watching: Vec<u16> = watching.map(|(user, _)| *user).collect();
        for user in watching {
            let about = self.floor_status();
            self.say(user, Primitive::FloorStatus, about);
        }
        let holder = self.floor.holder();
        if holder != self.presenter {
            self.presenter = holder;
            self.outputs.push_back(FloorOutput::Presenter(holder));
        }
    }

    fn floor_status(&self) -> Vec<Attribute> {
        let standing = self.floor.standing().into_iter();
        // Who waits behind the first few is told by an own FloorRequestStatus.
        let about = standing.take(4).map(|change| self.information(change));
        std::iter::once(Attribute::FloorId(FLOOR))
            .chain(about)
            .collect()
    }

    /// RFC 8855 §5.2.15.
    fn information(&self, change: Change) -> Attribute {
        let Change {
            request,
            status,
            position,
        } = change;
        let standing = || vec![Attribute::RequestStatus { status, position }];
        let name = self.users.get(&request.user).map(|one| one.name.as_str());
        let name = name.unwrap_or_default().as_bytes().to_vec();
        Attribute::FloorRequestInformation(
            request.id,
            vec![
                Attribute::OverallRequestStatus(request.id, standing()),
                Attribute::FloorRequestStatus(FLOOR, standing()),
                Attribute::BeneficiaryInformation(
                    request.user,
                    vec![Attribute::UserDisplayName(name)],
                ),
            ],
        )
    }

    fn respond(
        &mut self,
        now: Instant,
        user: u16,
        request: &Message,
        primitive: Primitive,
        attributes: Vec<Attribute>,
    ) {
        let response = Message {
            version: request.version,
            responds: request.version == UNRELIABLE,
            primitive,
            conference: self.conference,
            transaction: request.transaction,
            user: request.user,
            attributes,
        };
        let Some(octets) = response.write() else {
            return;
        };
        if let Some(User {
            link: Link::Udp(transactions),
            ..
        }) = self.users.get_mut(&user)
        {
            transactions.answered(now, request, octets.clone());
        }
        self.outputs.push_back(FloorOutput::Send { user, octets });
    }

    /// RFC 8855 §13.8.
    fn refuse(&mut self, now: Instant, user: u16, request: &Message, code: ErrorCode) {
        self.metrics.refused.inc();
        let error = Attribute::ErrorCode {
            code: code.number(),
            details: Vec::new(),
        };
        self.respond(now, user, request, Primitive::Error, vec![error]);
    }

    /// The answer to what cannot be read, if it asks for one at all.
    fn refuse_unread(&mut self, user: u16, version: u8, fault: &Fault) {
        self.metrics.refused.inc();
        let Some(header) = fault.header else {
            return;
        };
        if header.responds || header.primitive == Primitive::Error.number() {
            return;
        }
        let error = Attribute::ErrorCode {
            code: fault.code.number(),
            // §5.2.6: the types are in the upper seven bits.
            details: fault.unknown.iter().map(|kind| kind << 1).collect(),
        };
        let response = Message {
            version,
            responds: version == UNRELIABLE,
            primitive: Primitive::Error,
            conference: header.conference,
            transaction: header.transaction,
            user: header.user,
            attributes: vec![error],
        };
        let octets = response.write();
        self.outputs
            .extend(octets.map(|octets| FloorOutput::Send { user, octets }));
    }

    /// Something of our own accord.
    fn say(&mut self, user: u16, primitive: Primitive, attributes: Vec<Attribute>) {
        let Some(one) = self.users.get_mut(&user) else {
            return;
        };
        let mut message = Message {
            version: UNRELIABLE,
            responds: false,
            primitive,
            conference: self.conference,
            transaction: 0,
            user,
            attributes,
        };
        match &mut one.link {
            Link::None => {}
            Link::Udp(transactions) => {
                if transactions.say(message).is_err() {
                    // The time-out of what is under way ends it; what came too much is lost.
                    self.metrics.refused.inc();
                }
            }
            Link::Tcp => {
                message.version = RELIABLE;
                let octets = message.write();
                self.outputs
                    .extend(octets.map(|octets| FloorOutput::Send { user, octets }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
