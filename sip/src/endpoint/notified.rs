//! NOTIFY and BENOTIFY to subscriptions of ours: RFC 6665 §4.1.3, [MS-SIP] best effort notify.

use super::receive::Refusal;
use super::server::{Arrival, Extra, ServerRole};
use super::{Endpoint, ServerTxId, SubscriberId};
use crate::dialog::{Dialog, Hop, Order};
use crate::event::Holder;
use crate::event::report::{SubscriberEvent, SubscriptionEnd};
use crate::event::subscriber::Stage;
use crate::msg::{Event as EventField, StatusCode, SubscriptionState};
use crate::transaction::timer::{Owner, Timer};
use std::time::Instant;

impl Endpoint {
    /// A NOTIFY inside a dialog (§4.1.3): answered at once, with 481 where nobody subscribed.
    pub(super) fn on_notify(&mut self, now: Instant, holder: Holder, arrival: Arrival) {
        let headers = &arrival.request.headers;
        let event = headers.event().ok().flatten();
        let named = event.and_then(|event| self.find_subscriber(holder, &event));
        let Some(id) = named else {
            self.metrics.stray_notifications.inc();
            let refusal = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST);
            return self.refuse(now, &arrival, refusal);
        };
        let state = headers.subscription_state();
        let Ok(Some(state)) = state else {
            return self.refuse(now, &arrival, Refusal::new(StatusCode::BAD_REQUEST));
        };
        let tx: ServerTxId = self.open_server(now, &arrival, ServerRole::Own, None, None);
        self.reply(now, tx, StatusCode::OK, Extra::default());
        self.on_notified(now, id, state, arrival);
    }

    /// A BENOTIFY: it is never answered ([MS-SIP]), so it has no transaction either.
    pub(super) fn on_best_effort_notify(&mut self, now: Instant, arrival: Arrival) {
        let headers = &arrival.request.headers;
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        let event = headers.event().ok().flatten();
        let state = headers.subscription_state().ok().flatten();
        let holder = self.find_holder(&arrival.request);
        let found = event.zip(holder).and_then(|(event, holder)| {
            let id = self.find_subscriber(holder, &event)?;
            let dialog = self.dialog_of(holder);
            let order = dialog.map_or(Order::InOrder, |dialog| dialog.order_once(seq));
            (order == Order::InOrder).then_some(id)
        });
        match found.zip(state) {
            Some((id, state)) => self.on_notified(now, id, state, arrival),
            None => {
                self.metrics.stray_notifications.inc();
            }
        }
    }

    fn on_notified(
        &mut self,
        now: Instant,
        id: SubscriberId,
        state: SubscriptionState,
        arrival: Arrival,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        let home = subscriber.home;
        let leaving = subscriber.stage == Stage::Leaving;
        if !leaving {
            subscriber.stage = Stage::Alive;
            self.timers.clear(Owner::Subscriber(id), Timer::N);
        }
        self.meet_notifier(id, home, &arrival);
        let terminated = state.state.eq_ignore_case("terminated");
        let end = SubscriptionEnd::Terminated(
            state.reason().map(|reason| reason.detached()),
            state.retry_after(),
        );
        let left = state.expires();
        self.subscriber_event(
            id,
            SubscriberEvent::Notified {
                state,
                request: arrival.request,
            },
        );
        if terminated && leaving {
            self.subscriber_over(id, SubscriptionEnd::Local);
        } else if terminated {
            self.subscriber_over(id, end);
        } else if let (Some(left), false) = (left, leaving) {
            self.run_subscription(now, id, left);
        }
    }

    /// The first NOTIFY makes the dialog where no 2xx did (§4.4.1); every one is a target refresh.
    fn meet_notifier(&mut self, id: SubscriberId, home: Holder, arrival: &Arrival) {
        if let Some(dialog) = self.dialog_of(home) {
            dialog.refresh_target(&arrival.request.headers);
            if arrival.direct && dialog.is_direct() {
                dialog.hop = Hop::Flow(arrival.from);
            }
            return;
        }
        let first = self.subscribers.get(id).and_then(|it| it.first.as_ref());
        let made = first.and_then(|first| Dialog::notified(first, &arrival.request));
        if let (Holder::Alone(id), Some(mut dialog)) = (home, made)
            && let Some(alone) = self.alone.get_mut(id)
        {
            if arrival.direct && dialog.is_direct() {
                dialog.hop = Hop::Flow(arrival.from);
            }
            alone.dialog = Some(dialog);
        }
    }

    /// The subscription of this dialog that an Event names.
    pub(super) fn find_subscriber(
        &self,
        holder: Holder,
        event: &EventField,
    ) -> Option<SubscriberId> {
        let members = self.members(holder)?;
        let named = |id: &&SubscriberId| {
            let subscriber = self.subscribers.get(**id);
            subscriber.is_some_and(|it| it.key.is_named_by(event))
        };
        members.subscribers.iter().find(named).copied()
    }
}
