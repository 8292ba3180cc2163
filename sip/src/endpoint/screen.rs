//! Strangers: who may ask anything at all, and how little is done for those who may not be where
//! they say (RFC 3261 §26.3.2.4).
//!
//! Over UDP anybody can send in anybody's name. Whoever receives what we send there shows it by
//! things nobody else knows: the To tag of a refusal, a keyed checksum over transaction and source,
//! comes back in the ACK (§17.1.1.3), and that of a 2xx as well (§13.2.2.4). Until then
//!
//! * an INVITE is refused once, without a 100, a retransmission or any state (§8.2.7);
//! * a 2xx is sent again only [`crate::limits::Limits::unproven_repeats`] times, and a call that is
//!   never acknowledged ends without a BYE;
//! * other requests leave no state behind when they are refused, nor OPTIONS at all;
//! * [`crate::limits::Limits::half_open_unproven`] calls at most wait for their ACK, so that those
//!   who are known to be there find room.
//!
//! Who is known to be there, and who may not ask, is the [`Screen`]'s to say.

use super::server::{Arrival, Extra, ServerTx};
use super::{Answer, CommandError, EndCause, Endpoint, Flow, InviteId, ServerTxId};
use crate::dialog::Usage;
use crate::id::unhex;
use crate::msg::{Method, Request, StatusCode};
use crate::transaction::to_tag;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Instant;

/// Looks at what comes from outside of all calls. None of its functions may block.
pub trait Screen: Send + Debug {
    /// A request that belongs to no call, before anything is made of it; `None`: something that
    /// cannot be read.
    fn judge(&mut self, now: Instant, from: &Flow, request: Option<&Request>) -> Screened;

    /// What was judged so got this final answer; without a method it could not be read.
    fn handle_answer(
        &mut self,
        now: Instant,
        from: (&Flow, Screened),
        method: Option<&Method>,
        status: StatusCode,
    );

    /// A peer has shown to be where it says; of one on a stream that was known before.
    fn handle_proof(&mut self, now: Instant, from: &Flow, proof: Proof);
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screened {
    /// It goes on, and shows by itself that it comes from where it says.
    Proven,
    /// It goes on for what is known of where it says to come from. It may be forged.
    Known,
    /// It goes on, and nothing shows that anybody is where it says.
    Unproven,
    /// Nothing is done about it.
    Drop,
}

/// By what a peer has shown to receive what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By the ACK of a 2xx: a call is up.
    Confirmed,
    /// By the ACK of a refusal; by that of this one, where it is still known.
    Refused(Option<StatusCode>),
    /// By the ACK of a 503: there was no room for those who may not be there.
    TurnedAway,
}

/// What a transaction remembers of a sender outside of all calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    pub(super) from: Flow,
    /// How its request passed.
    pub(super) screened: Screened,
    /// The tag of our answers.
    tag: u64,
    /// The final answer.
    pub(super) answer: Option<StatusCode>,
    /// How often an answer was sent again.
    repeats: u32,
}

impl Stranger {
    pub(super) fn new(from: Flow, screened: Screened, tag: u64) -> Self {
        Self {
            from,
            screened,
            tag,
            answer: None,
            repeats: 0,
        }
    }

    /// It may not be where it says.
    pub(super) fn is_unproven(&self) -> bool {
        self.screened == Screened::Unproven
    }

    /// Whether an answer may be sent once more by a timer.
    pub(super) fn may_repeat(&mut self, most: u32) -> bool {
        self.repeats = self.repeats.saturating_add(1);
        !self.is_unproven() || self.repeats <= most
    }
}

impl Endpoint {
    /// Has this look at what comes from outside of all calls. Until then everything passes, and
    /// nobody is told how.
    pub fn set_screen(&mut self, screen: Box<dyn Screen>) {
        self.screen = Some(screen);
    }

    /// Whether something from outside of all calls goes on.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        from: &Flow,
        request: Option<&Request>,
    ) -> Screened {
        let screened = self
            .screen
            .as_mut()
            .map_or(Screened::Known, |screen| screen.judge(now, from, request));
        if screened == Screened::Drop {
            self.metrics.screened.inc();
        }
        screened
    }

    /// Tells the screen what became of a request.
    pub(super) fn note_answer(
        &mut self,
        now: Instant,
        from: (&Flow, Screened),
        method: Option<&Method>,
        status: StatusCode,
    ) {
        if let Some(screen) = &mut self.screen {
            screen.handle_answer(now, from, method, status);
        }
    }

    /// An ACK that belongs to no transaction: perhaps that of a refusal without state.
    pub(super) fn is_proof(&mut self, now: Instant, arrival: &Arrival) -> bool {
        let Some(tag) = shown_tag(arrival).filter(|_| !arrival.from.transport.is_reliable()) else {
            return false;
        };
        let is = |proof: &Proof| self.cookie(arrival, *proof) == tag;
        let Some(proof) = [Proof::Refused(None), Proof::TurnedAway]
            .into_iter()
            .find(is)
        else {
            return false;
        };
        if let Some(screen) = &mut self.screen {
            screen.handle_proof(now, &arrival.from, proof);
        }
        true
    }

    /// The ACK of a refusal whose transaction is still there: a proof, as only who got the refusal
    /// knows its tag, unless the INVITE was one itself.
    pub(super) fn note_refused(&mut self, now: Instant, id: ServerTxId, arrival: &Arrival) {
        let waiting = self.servers.get(id).and_then(ServerTx::unacknowledged);
        let Some((stranger, screen)) = waiting.zip(self.screen.as_mut()) else {
            return;
        };
        let proven = stranger.screened == Screened::Proven || stranger.from.transport.is_reliable();
        let same = same_peer(stranger.from.remote, arrival.from.remote);
        if proven || !same || shown_tag(arrival) != Some(stranger.tag) {
            return;
        }
        let proof = match stranger.answer {
            Some(StatusCode::SERVICE_UNAVAILABLE) => Proof::TurnedAway,
            answer => Proof::Refused(answer),
        };
        screen.handle_proof(now, &stranger.from, proof);
    }

    /// The ACK of a 2xx came from here.
    pub(super) fn note_confirmed(&mut self, now: Instant, from: &Flow) {
        if let Some(screen) = &mut self.screen {
            screen.handle_proof(now, from, Proof::Confirmed);
        }
    }

    /// A tag that only who receives our answer learns: it differs by transaction and by source, and
    /// nobody without the key can compute it.
    pub(super) fn cookie(&self, arrival: &Arrival, proof: Proof) -> u64 {
        let kind: &[u8] = match proof {
            Proof::Confirmed => b"c",
            Proof::Refused(_) => b"r",
            Proof::TurnedAway => b"t",
        };
        let peer = arrival.from.remote.ip();
        self.cookies.of(kind, peer, arrival.key.as_bytes())
    }

    /// As [`Endpoint::reject`], but a peer that may not be where it says is answered once only: the
    /// answer is not sent again, and nothing is remembered (§8.2.7, §26.3.2.4). A repeated INVITE is
    /// a new one.
    ///
    /// # Errors
    /// As [`Endpoint::reject`].
    pub fn reject_once(
        &mut self,
        now: Instant,
        id: InviteId,
        answer: Answer,
    ) -> Result<(), CommandError> {
        let incoming = self.usages.get_mut(id).and_then(Usage::incoming_mut);
        let tx = incoming.map(|incoming| incoming.tx);
        let Some(tx) = tx.filter(|tx| self.is_forgettable(*tx)) else {
            return self.reject(now, id, answer);
        };
        if !answer.status.is_final() || answer.status.is_success() {
            return Err(CommandError::BadStatus);
        }
        self.reply(now, tx, answer.status, Extra::from(answer));
        self.end(now, id, EndCause::Local);
        self.close_server(tx);
        Ok(())
    }

    /// Whether the transaction is of somebody who may not be there, and has sent nothing yet: a
    /// client that got a 100 does not ask again (§17.1.1.2).
    fn is_forgettable(&self, tx: ServerTxId) -> bool {
        self.servers
            .get(tx)
            .is_some_and(|server| server.is_silent() && server.is_unproven())
    }
}

/// The tag of ours that a request shows to know.
fn shown_tag(arrival: &Arrival) -> Option<u64> {
    unhex(to_tag(&arrival.request.headers)?.as_bytes())
}

/// The same peer, as far as addresses tell.
pub(super) fn same_peer(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip().to_canonical() == other.ip().to_canonical()
}
