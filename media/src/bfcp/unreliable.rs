//! The transactions of one peer over UDP (RFC 8855 §8.3): what we say of our own accord is repeated until the peer
//! has answered it; what we answered is answered again, for the peer repeats its requests, too.
//!
//! | state of what we say | timer | what |
//! |---|---|---|
//! | waits | | another one of ours is under way: they arrive in their order |
//! | under way | T1, doubled each time | sent again, [`SENDINGS`] times in all; then the peer is gone |

use super::message::{Message, Primitive};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The first wait for an answer (RFC 8855 §8.3.1).
pub const T1: Duration = Duration::from_millis(500);
/// How long answers are kept for repeated requests (RFC 8855 §8.3.2).
pub const T2: Duration = Duration::from_secs(10);
/// How often a message goes out without an answer: four times, and the peer is gone after 7.5 s.
pub const SENDINGS: u32 = 4;

/// What to do with a message of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A request not seen before.
    New,
    /// A request that was answered: the answer is to be sent again.
    Repeated(Vec<u8>),
    /// The answer to what we said, or to something of long ago.
    Answer,
}

/// The peer is gone, or what waits for it has become too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer answers nothing")]
pub struct Silent;

/// The transactions of one peer.
#[derive(Debug)]
pub struct Transactions {
    last: u16,
    waiting: VecDeque<(u16, Vec<u8>)>,
    under_way: Option<UnderWay>,
    answered: VecDeque<Answered>,
    most: usize,
}

#[derive(Debug)]
struct UnderWay {
    transaction: u16,
    octets: Vec<u8>,
    sendings: u32,
    due: Instant,
}

#[derive(Debug)]
struct Answered {
    transaction: u16,
    primitive: Primitive,
    octets: Vec<u8>,
    until: Instant,
}

impl Transactions {
    /// None yet. `most`: messages that may wait, and answers that are kept.
    pub const fn new(most: usize) -> Self {
        Self {
            last: 0,
            waiting: VecDeque::new(),
            under_way: None,
            answered: VecDeque::new(),
            most,
        }
    }

    /// Something of our own accord; its transaction is set here.
    ///
    /// # Errors
    /// [`Silent`] when too much waits.
    pub fn say(&mut self, mut message: Message) -> Result<(), Silent> {
        // Over UDP a transaction of 0 does not occur (RFC 8855 §8).
        self.last = self.last.checked_add(1).unwrap_or(1);
        message.transaction = self.last;
        if self.waiting.len() >= self.most {
            return Err(Silent);
        }
        let octets = message.write();
        self.waiting
            .extend(octets.map(|octets| (self.last, octets)));
        Ok(())
    }

    /// What a message of the peer is.
    pub fn handle(&mut self, now: Instant, message: &Message) -> Incoming {
        self.answered.retain(|one| one.until > now);
        let acknowledges = matches!(
            message.primitive,
            Primitive::FloorRequestStatusAck | Primitive::FloorStatusAck | Primitive::GoodbyeAck
        );
        if acknowledges || message.responds {
            // An error of the peer about what we said ends the transaction as well.
            let ours = |one: &UnderWay| one.transaction == message.transaction;
            self.under_way.take_if(|one| ours(one));
            return Incoming::Answer;
        }
        let same = |one: &&Answered| {
            (one.transaction, one.primitive) == (message.transaction, message.primitive)
        };
        match self.answered.iter().find(same) {
            Some(before) => Incoming::Repeated(before.octets.clone()),
            None => Incoming::New,
        }
    }

    /// Remembers the answer to a request of the peer.
    pub fn answered(&mut self, now: Instant, request: &Message, octets: Vec<u8>) {
        if self.answered.len() >= self.most {
            self.answered.pop_front();
        }
        self.answered.push_back(Answered {
            transaction: request.transaction,
            primitive: request.primitive,
            octets,
            until: now + T2,
        });
    }

    /// What is to be sent now.
    ///
    /// # Errors
    /// [`Silent`] when it went out often enough.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Vec<u8>>, Silent> {
        if self.under_way.is_none() {
            let next = self.waiting.pop_front();
            self.under_way = next.map(|(transaction, octets)| UnderWay {
                transaction,
                octets,
                sendings: 0,
                due: now,
            });
        }
        let Some(one) = self.under_way.as_mut().filter(|one| one.due <= now) else {
            return Ok(None);
        };
        if one.sendings >= SENDINGS {
            return Err(Silent);
        }
        one.due = now + T1 * 2_u32.pow(one.sendings);
        one.sendings += 1;
        Ok(Some(one.octets.clone()))
    }

    /// When there is something to do next.
    pub fn due(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|one| one.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bfcp::message::UNRELIABLE;

    fn message(primitive: Primitive, transaction: u16) -> Message {
        Message {
            version: UNRELIABLE,
            responds: false,
            primitive,
            conference: 1,
            transaction,
            user: 1,
            attributes: Vec::new(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test begins now")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn rfc8855_8_3_1_what_is_not_answered_is_repeated_after_doubled_times_and_then_the_peer_is_gone()
     {
        let begun = start();
        let mut transactions = Transactions::new(4);
        transactions
            .say(message(Primitive::FloorStatus, 0))
            .unwrap();
        transactions
            .say(message(Primitive::FloorStatus, 0))
            .unwrap();
        let mut sent = Vec::new();
        let mut now = begun;
        let gone = loop {
            match transactions.poll(now) {
                Ok(Some(octets)) => {
                    assert_eq!(Message::read(&octets, UNRELIABLE).unwrap().transaction, 1);
                    sent.push((now - begun).as_millis());
                }
                Ok(None) => now = transactions.due().unwrap(),
                Err(Silent) => break now - begun,
            }
        };
        assert_eq!(sent, [0, 500, 1_500, 3_500]);
        assert_eq!(gone.as_millis(), 7_500);
    }

    #[test]
    fn rfc8855_8_3_1_an_answer_lets_the_next_one_go() {
        let now = start();
        let mut transactions = Transactions::new(4);
        transactions
            .say(message(Primitive::FloorStatus, 0))
            .unwrap();
        transactions
            .say(message(Primitive::FloorRequestStatus, 0))
            .unwrap();
        assert!(transactions.poll(now).unwrap().is_some());
        assert_eq!(transactions.poll(now), Ok(None));
        let other = message(Primitive::FloorStatusAck, 9);
        assert_eq!(transactions.handle(now, &other), Incoming::Answer);
        assert_eq!(
            transactions.poll(now),
            Ok(None),
            "that was about something else"
        );
        transactions.handle(now, &message(Primitive::FloorStatusAck, 1));
        let next = transactions.poll(now).unwrap().unwrap();
        assert_eq!(Message::read(&next, UNRELIABLE).unwrap().transaction, 2);
    }

    #[test]
    fn rfc8855_8_3_2_a_repeated_request_is_answered_again_and_a_later_one_anew() {
        let now = start();
        let mut transactions = Transactions::new(1);
        let request = message(Primitive::FloorRequest, 5);
        assert_eq!(transactions.handle(now, &request), Incoming::New);
        transactions.answered(now, &request, vec![1]);
        assert_eq!(
            transactions.handle(now, &request),
            Incoming::Repeated(vec![1])
        );
        let release = message(Primitive::FloorRelease, 5);
        assert_eq!(transactions.handle(now, &release), Incoming::New);
        assert_eq!(transactions.handle(now + T2, &request), Incoming::New);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut transactions = Transactions::new(2);
        let status = || message(Primitive::FloorStatus, 0);
        assert_eq!(transactions.say(status()), Ok(()));
        assert_eq!(transactions.say(status()), Ok(()));
        assert_eq!(transactions.say(status()), Err(Silent));
    }
}
