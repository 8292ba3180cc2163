//! From the entry to the conference of a number: finds it, and passes the call on.

use super::Inner;
use super::mailbox::{CallStage, Guarded, Mailbox, Message};
use crate::conference::Arrival;
use crate::output::HandOver;
use crate::pin_guard::{Asked, PinOutcome};
use crate::record::{ConferenceName, ConferenceRecord};
use crate::refusal::Refusal;
use plenum_sip::endpoint::{EndCause, Event, InviteId};
use std::sync::Arc;
use std::time::Instant;

impl Inner {
    /// Passes a call on to the conference whose number was keyed in at the entry. The answer of that conference comes to
    /// the entry as [`Message::HandedOver`].
    ///
    /// # Errors
    /// Why it does not even get that far. A number never makes a conference: it leads to one that is configured or
    /// active.
    pub(super) fn hand_over(
        self: &Arc<Self>,
        now: Instant,
        entry: &Arc<Mailbox>,
        it: HandOver,
    ) -> Result<(), Refusal> {
        let HandOver { number, arrival } = it;
        let name = self.numbered(&number).ok_or(Refusal::UnknownConference)?;
        let mailbox = self.find_or_activate(now, &name, Some(&arrival.peer))?;
        let guarded = match arrival.peer.source.zip(mailbox.asks) {
            Some((source, asked)) => {
                let admitted = self.door().guards.of(asked).admit(now, source.into());
                admitted.map_err(Refusal::PinGuard)?;
                Some(Guarded { source, asked })
            }
            None => None,
        };
        let call = arrival.call;
        let message = Message::Arrival {
            arrival: Box::new(arrival),
            entry: Arc::clone(entry),
            guarded,
        };
        if mailbox.push(message).is_err() {
            self.unguard(now, guarded);
            return Err(self.busy());
        }
        self.redirect(call, entry, &mailbox);
        Ok(())
    }

    /// The conference with this number: one that is configured to have it, else the one that is named so.
    fn numbered(&self, number: &str) -> Option<ConferenceName> {
        let door = self.door();
        if let Some(name) = door.factory.numbered(number) {
            return Some(name);
        }
        let name = ConferenceName::new(number, door.settings.limits.name_bytes)?;
        drop(door);
        let active = self.names.get(&name).map(|found| found.asks);
        active.filter(|asks| *asks != Some(Asked::Number))?;
        Some(name)
    }

    /// From here on what happens to the call is told to another conference; if it has ended by now, that is.
    fn redirect(&self, call: InviteId, from: &Mailbox, to: &Arc<Mailbox>) {
        from.forget_call(call);
        if let Some(mut found) = self.calls.get_mut(&call) {
            *found = Arc::clone(to);
            to.note_call(call, CallStage::Answered);
            return;
        }
        let event = Event::Ended {
            id: call,
            cause: EndCause::Local,
        };
        let message = Message::Sip {
            event,
            guarded: None,
            vouched: None,
        };
        // A conference that is over has no call to end.
        drop(to.push(message));
    }

    /// A conference has not taken a call in: it is the entry's again.
    pub(super) fn turn_back(
        &self,
        now: Instant,
        (arrival, guarded): (&Arrival, Option<Guarded>),
        (entry, mailbox): (&Arc<Mailbox>, Option<&Mailbox>),
        refusal: Refusal,
    ) {
        self.unguard(now, guarded);
        if let Some(mailbox) = mailbox {
            mailbox.forget_call(arrival.call);
        }
        if let Some(mut found) = self.calls.get_mut(&arrival.call) {
            *found = Arc::clone(entry);
            entry.note_call(arrival.call, CallStage::Answered);
        }
        let (_, endpoint) = arrival.from;
        // An entry that is over has hung up.
        drop(entry.push(Message::HandedOver(endpoint, Err(refusal))));
    }

    /// A call that was counted is not asked after all.
    pub(super) fn unguard(&self, now: Instant, guarded: Option<Guarded>) {
        if let Some(Guarded { source, asked }) = guarded {
            let mut door = self.door();
            let guard = door.guards.of(asked);
            guard.handle_outcome(now, source.into(), PinOutcome::Wrong(0));
        }
    }
}

/// What callers of a conference with this record are asked for.
pub(super) fn asked_by(record: &ConferenceRecord) -> Option<Asked> {
    if record.entry {
        return Some(Asked::Number);
    }
    record.pin.as_ref().map(|_| Asked::Pin)
}
