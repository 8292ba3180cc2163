//! The dialogs of subscriptions: who keeps them, and what happens to them when a call ends first
//! (RFC 5057 §4).

use super::in_dialog::Placed;
use super::receive::Refusal;
use super::server::{Arrival, ServerRole};
use super::{Contact, Endpoint, Event, InviteId};
use crate::dialog::{Dialog, Hop, Order, Usage};
use crate::event::{Alone, Holder, Members};
use crate::id::{DialogId, unhex};
use crate::msg::{Method, Request, StatusCode};
use crate::transaction::{from_tag, to_tag};
use std::time::Instant;

impl Endpoint {
    /// Who keeps the dialog a request names by its tags and Call-ID (§12.2.2).
    pub(super) fn find_holder(&self, request: &Request) -> Option<Holder> {
        let tag = unhex(to_tag(&request.headers)?.as_bytes())?;
        let holder = *self.tags.get(&tag)?;
        let remote = from_tag(&request.headers);
        let call_id = request.headers.call_id().ok()?;
        let found = match holder {
            Holder::Invite(id) => {
                let usage = self.usages.get(id)?;
                usage.call_id == call_id && usage.dialog_with(&remote).is_some()
            }
            Holder::Alone(id) => {
                let alone = self.alone.get(id)?;
                // RFC 6665 §4.4.1: a NOTIFY may come before the answer to the SUBSCRIBE. A BENOTIFY
                // has no Contact to make a dialog of.
                let theirs = match &alone.dialog {
                    Some(dialog) => dialog.remote_tag == remote,
                    None => request.method == Method::Notify,
                };
                alone.call_id == call_id && theirs
            }
        };
        found.then_some(holder)
    }

    /// The confirmed dialog of a subscription.
    pub(super) fn dialog_of(&mut self, holder: Holder) -> Option<&mut Dialog> {
        match holder {
            Holder::Invite(id) => self.usages.get_mut(id)?.dialogs.first_mut(),
            Holder::Alone(id) => self.alone.get_mut(id)?.dialog.as_mut(),
        }
    }

    /// Our Contact in that dialog.
    pub(super) fn contact_of_holder(&self, holder: Holder) -> Option<&Contact> {
        match holder {
            Holder::Invite(id) => self.usages.get(id).map(|usage| &usage.contact),
            Holder::Alone(id) => self.alone.get(id).map(|alone| &alone.contact),
        }
    }

    pub(super) fn set_contact(&mut self, holder: Holder, contact: Contact) {
        match holder {
            Holder::Invite(id) => {
                if let Some(usage) = self.usages.get_mut(id) {
                    usage.contact = contact;
                }
            }
            Holder::Alone(id) => {
                if let Some(alone) = self.alone.get_mut(id) {
                    alone.contact = contact;
                }
            }
        }
    }

    pub(super) fn members(&self, holder: Holder) -> Option<&Members> {
        match holder {
            Holder::Invite(id) => self.usages.get(id).map(|usage| &usage.members),
            Holder::Alone(id) => self.alone.get(id).map(|alone| &alone.members),
        }
    }

    pub(super) fn members_mut(&mut self, holder: Holder) -> Option<&mut Members> {
        match holder {
            Holder::Invite(id) => self.usages.get_mut(id).map(|usage| &mut usage.members),
            Holder::Alone(id) => self.alone.get_mut(id).map(|alone| &mut alone.members),
        }
    }

    /// Keeps a dialog that no call made.
    pub(super) fn keep_alone(&mut self, alone: Alone) -> DialogId {
        let tag = alone.local_tag;
        let id = self.alone.insert(alone);
        self.tags.insert(tag, Holder::Alone(id));
        id
    }

    /// The last subscription of a dialog without a call ends it.
    pub(super) fn drop_if_empty(&mut self, holder: Holder) {
        let Holder::Alone(id) = holder else { return };
        let empty = self.alone.get(id).is_some_and(|it| it.members.is_empty());
        if empty && let Some(alone) = self.alone.remove(id) {
            self.tags.remove(&alone.local_tag);
        }
    }

    /// The call is over; its dialog goes on as long as it has subscriptions.
    pub(super) fn leave_dialog(&mut self, usage: &mut Usage) {
        if usage.members.is_empty() || usage.dialogs.is_empty() {
            return;
        }
        let members = std::mem::take(&mut usage.members);
        let (notifiers, subscribers) = (members.notifiers.clone(), members.subscribers.clone());
        let id = self.keep_alone(Alone {
            call_id: usage.call_id.clone(),
            local_tag: usage.local_tag,
            dialog: Some(usage.dialogs.swap_remove(0)),
            contact: usage.contact.clone(),
            members,
        });
        for notifier in notifiers {
            if let Some(notifier) = self.notifiers.get_mut(notifier) {
                notifier.home = Holder::Alone(id);
            }
        }
        for subscriber in subscribers {
            if let Some(subscriber) = self.subscribers.get_mut(subscriber) {
                subscriber.home = Holder::Alone(id);
            }
        }
    }

    /// A request that names a dialog without a call (§12.2.2).
    pub(super) fn on_in_alone(&mut self, now: Instant, id: DialogId, arrival: Arrival) {
        let holder = Holder::Alone(id);
        let seq = arrival.request.headers.cseq().map_or(0, |cseq| cseq.seq);
        let mut order = Order::InOrder;
        if let Some(dialog) = self.dialog_of(holder) {
            order = dialog.order(seq);
            if arrival.direct && dialog.is_direct() {
                dialog.hop = Hop::Flow(arrival.from);
            }
        }
        if order == Order::Old {
            let refusal = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR);
            return self.refuse(now, &arrival, refusal);
        }
        if let Err(refusal) = self.check_content(&arrival.request) {
            return self.refuse(now, &arrival, refusal);
        }
        let Placed::Elsewhere(arrival) = self.on_event_request(now, holder, arrival) else {
            return;
        };
        // RFC 5057 §5.1: there is no such usage, and the others are none of its business.
        let of_a_call = matches!(
            arrival.request.method,
            Method::Invite | Method::Update | Method::Prack | Method::Bye
        );
        if of_a_call {
            let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
            return self.refuse(now, &arrival, refusal);
        }
        let tx = self.open_server(now, &arrival, ServerRole::User, None, None);
        self.event(Event::Request {
            tx,
            request: arrival.request,
            flow: arrival.from,
        });
    }

    /// SUBSCRIBE, NOTIFY and REFER inside a dialog.
    pub(super) fn on_event_request(
        &mut self,
        now: Instant,
        holder: Holder,
        arrival: Arrival,
    ) -> Placed {
        if arrival.request.method == Method::Subscribe {
            self.on_subscribe(now, Some(holder), arrival);
            return Placed::Here;
        }
        if arrival.request.method == Method::Refer {
            self.on_refer(now, Some(holder), arrival);
            return Placed::Here;
        }
        if arrival.request.method == Method::Notify {
            self.on_notify(now, holder, arrival);
            return Placed::Here;
        }
        Placed::Elsewhere(arrival)
    }

    /// A transaction for the transaction user, inside the dialog of `holder` or outside any.
    pub(super) fn open_for_user(
        &mut self,
        now: Instant,
        holder: Option<Holder>,
        arrival: &Arrival,
        tag: Option<u64>,
    ) -> super::ServerTxId {
        match holder {
            Some(Holder::Invite(id)) => self.open_pending(now, id, arrival, ServerRole::User),
            Some(Holder::Alone(_)) => self.open_server(now, arrival, ServerRole::User, None, None),
            None => self.open_server(now, arrival, ServerRole::User, None, tag),
        }
    }

    /// The subscriptions bound to a call end before it does.
    pub(super) fn end_bound(&mut self, now: Instant, id: InviteId) {
        let bound = self
            .usages
            .get_mut(id)
            .map(|usage| std::mem::take(&mut usage.bound));
        for notifier in bound.into_iter().flatten() {
            self.on_bound_end(now, notifier);
        }
    }
}

/// The call a dialog belongs to.
pub(super) fn call_of(holder: Option<Holder>) -> Option<InviteId> {
    match holder {
        Some(Holder::Invite(id)) => Some(id),
        Some(Holder::Alone(_)) | None => None,
    }
}
