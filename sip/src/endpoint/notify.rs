//! Notifications to subscribers: RFC 6665 §4.2.2, and best effort ones ([MS-SIP]).
//!
//! A NOTIFY is a transaction, and the next one waits for its answer. A BENOTIFY is octets: it has
//! no answer, so it never waits, except for the resolver.

use super::client::{Outcome, Purpose, Resolving};
use super::flow::domain_of;
use super::way::locate;
use super::{CommandError, Endpoint, Event, FlowId, InviteId, NotifierId, Output, Target, Via};
use crate::dialog::{Hop, next_hop};
use crate::event::Holder;
use crate::event::command::{Notification, Termination};
use crate::event::delivery::{Delivery, Verdict};
use crate::event::notifier::{Item, Mode, Notifier, Stage};
use crate::event::refer;
use crate::event::report::{NotifierEvent, SubscriptionEnd};
use crate::msg::{HeaderName, Method, Request, StatusCode, Text};
use crate::transaction::timer::{Owner, Timer};
use rand::Rng as _;
use std::time::{Duration, Instant};

impl Endpoint {
    /// Notifies a subscriber. A NOTIFY waits for the answer to the one before; the order is kept.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: the subscription is over; [`CommandError::Pending`]: too many wait
    /// already, so tell the state as it is once `Delivered` comes.
    pub fn notify(
        &mut self,
        now: Instant,
        id: NotifierId,
        notification: Notification,
    ) -> Result<(), CommandError> {
        let most = self.config.limits.events.queued_notifications;
        let notifier = self.open_notifier(id)?;
        if !notifier.delivery.is_free() && notifier.queue.len() >= most {
            self.metrics.refused_notifications.inc();
            return Err(CommandError::Pending);
        }
        if let (Stage::Alive(_), Some(standing)) = (notifier.stage, notification.standing) {
            notifier.stage = Stage::Alive(standing);
        }
        self.enqueue(now, id, Item::from(notification));
        Ok(())
    }

    /// Tells the referrer how the referred request goes (RFC 3515 §2.4.4, §2.4.5). A final status
    /// ends the subscription.
    ///
    /// # Errors
    /// As [`Self::notify`]; a final status is never refused with `Pending`.
    pub fn notify_refer(
        &mut self,
        now: Instant,
        id: NotifierId,
        status: StatusCode,
        reason: Option<&Text>,
    ) -> Result<(), CommandError> {
        let body = Some(refer::fragment(status, reason));
        if status.is_provisional() {
            let notification = Notification {
                body,
                ..Notification::default()
            };
            return self.notify(now, id, notification);
        }
        let termination = Termination {
            body,
            ..Termination::new(Text::from_static("noresource"))
        };
        self.terminate_subscription(now, id, termination)
    }

    /// Ends a subscription with a last notification, after those that wait. `Ended` follows.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: it is over.
    pub fn terminate_subscription(
        &mut self,
        now: Instant,
        id: NotifierId,
        termination: Termination,
    ) -> Result<(), CommandError> {
        self.open_notifier(id)?;
        self.finish(now, id, termination, SubscriptionEnd::Local);
        Ok(())
    }

    /// Seconds a subscription still has, and how many notifications wait; `None`: it is over.
    pub fn subscription(&self, now: Instant, id: NotifierId) -> Option<(Duration, usize)> {
        let notifier = self.notifiers.get(id).filter(|it| it.is_open())?;
        Some((notifier.remaining(now), notifier.queue.len()))
    }

    /// Every living subscription that we notify: what a drain has to end.
    pub fn subscriptions(&self) -> Vec<NotifierId> {
        let open = |id: &NotifierId| self.notifiers.get(*id).is_some_and(Notifier::is_open);
        self.notifiers.ids().filter(open).collect()
    }

    fn open_notifier(&mut self, id: NotifierId) -> Result<&mut Notifier, CommandError> {
        let notifier = self.notifiers.get_mut(id).filter(|it| it.is_open());
        notifier.ok_or(CommandError::Gone)
    }

    pub(super) fn notifier_event(&mut self, id: NotifierId, event: NotifierEvent) {
        self.event(Event::Notifier { id, event });
    }

    /// Ties the subscription to a call.
    pub(super) fn bind(&mut self, id: NotifierId, to: InviteId, reason: Text) {
        let Some(notifier) = self.notifiers.get_mut(id) else {
            return;
        };
        notifier.bound = Some((to, reason));
        if let Some(usage) = self.usages.get_mut(to) {
            usage.bound.push(id);
        }
    }

    /// The call it was bound to ends.
    pub(super) fn on_bound_end(&mut self, now: Instant, id: NotifierId) {
        let Ok(notifier) = self.open_notifier(id) else {
            return;
        };
        let reason = notifier.bound.take().map(|(_, reason)| reason);
        let termination = Termination::new(reason.unwrap_or_default());
        self.finish(now, id, termination, SubscriptionEnd::CallEnded);
    }

    /// `Expires: 0` of the subscriber (RFC 6665 §4.2.1.4).
    pub(super) fn on_unsubscribe(&mut self, now: Instant, id: NotifierId) {
        let termination = Termination::new(Text::from_static("timeout"));
        self.finish(now, id, termination, SubscriptionEnd::Unsubscribed);
    }

    /// The last notification is queued, and nothing can follow it.
    fn finish(
        &mut self,
        now: Instant,
        id: NotifierId,
        termination: Termination,
        cause: SubscriptionEnd,
    ) {
        let Some(notifier) = self.notifiers.get_mut(id) else {
            return;
        };
        notifier.stage = Stage::Ending;
        if !notifier.delivery.is_free() && self.timers.is_set(Owner::Notifier(id), Timer::Retry) {
            // What the subscriber did not want yet it does not need any more.
            notifier.delivery = Delivery::Idle;
            notifier.current = None;
        }
        self.timers.clear_all(Owner::Notifier(id));
        self.unbind(id);
        self.notifier_event(id, NotifierEvent::Ended(cause));
        self.enqueue(now, id, Item::from(termination));
    }

    fn unbind(&mut self, id: NotifierId) {
        let bound = self.notifiers.get_mut(id).and_then(|it| it.bound.take());
        if let Some(usage) = bound.and_then(|(to, _)| self.usages.get_mut(to)) {
            usage.bound.retain(|other| *other != id);
        }
    }

    /// It is over without a last notification.
    pub(super) fn over(&mut self, id: NotifierId, cause: SubscriptionEnd) {
        self.unbind(id);
        if self.notifiers.get(id).is_some_and(Notifier::is_open) {
            self.notifier_event(id, NotifierEvent::Ended(cause));
        }
        self.forget_notifier(id);
    }

    /// Nothing is left of it.
    pub(super) fn forget_notifier(&mut self, id: NotifierId) {
        self.timers.clear_all(Owner::Notifier(id));
        let Some(notifier) = self.notifiers.remove(id) else {
            return;
        };
        if let Some(flow) = notifier.flow {
            self.best_effort.remove(&(flow, id));
        }
        if let Some(members) = self.members_mut(notifier.home) {
            members.notifiers.retain(|other| *other != id);
        }
        self.drop_if_empty(notifier.home);
    }

    /// Sends the notification, or lets it wait for its turn.
    pub(super) fn enqueue(&mut self, now: Instant, id: NotifierId, item: Item) {
        let Some(notifier) = self.notifiers.get_mut(id) else {
            return;
        };
        let fetched = notifier.stage == Stage::Fetched;
        let item = if fetched { item.ends_fetch() } else { item };
        notifier.queue.push_back(item);
        if fetched {
            notifier.stage = Stage::Ending;
            self.timers.clear_all(Owner::Notifier(id));
            self.unbind(id);
            self.notifier_event(id, NotifierEvent::Ended(SubscriptionEnd::Unsubscribed));
        }
        self.send_queued(now, id);
    }

    fn send_queued(&mut self, now: Instant, id: NotifierId) {
        while let Some(notifier) = self.notifiers.get_mut(id)
            && let Some(item) = notifier.next()
        {
            self.send_notification(now, id, item);
        }
    }

    fn send_notification(&mut self, now: Instant, id: NotifierId, item: Item) {
        let Some(notifier) = self.notifiers.get(id) else {
            return;
        };
        let (home, mode) = (notifier.home, notifier.mode);
        let state = notifier.state(now, item.last.as_ref());
        let event = notifier.event.clone();
        let method = match mode {
            Mode::Notify => Method::Notify,
            Mode::BestEffort => Method::Benotify,
        };
        let Some(dialog) = self.dialog_of(home) else {
            return self.over(id, SubscriptionEnd::Local);
        };
        let seq = dialog.next_seq();
        let mut request = dialog.request(method, seq);
        let hop = dialog.hop.clone();
        request.headers.push(HeaderName::Event, event);
        request.headers.push(HeaderName::SubscriptionState, state);
        request.headers.append(&item.headers);
        Self::put_body(&mut request.headers, &mut request.body, item.body.as_ref());
        self.stamp_user_agent(&mut request);
        if mode == Mode::BestEffort {
            return self.send_best_effort(id, request, &hop, item.last.is_some());
        }
        self.metrics.notifications.inc();
        if let Some(notifier) = self.notifiers.get_mut(id) {
            notifier.delivery = notifier.delivery.sent();
            notifier.current = Some(item);
        }
        let contact = self.contact_of_holder(home).cloned();
        self.start_client(now, request, contact, Purpose::Notify(id), &hop);
    }

    /// BENOTIFY: no transaction, no timer, no answer.
    fn send_best_effort(&mut self, id: NotifierId, request: Request, hop: &Hop, last: bool) {
        let uri = next_hop(&request);
        let Some(via) = locate(hop, &uri) else {
            if let Some(notifier) = self.notifiers.get_mut(id) {
                notifier.delivery = notifier.delivery.sent();
            }
            let request = Box::new(request);
            return self.resolve(Resolving::BestEffort { id, request, last }, uri);
        };
        self.emit_best_effort(id, request, via, last);
    }

    /// Remembers the stream a best effort subscriber is behind.
    pub(super) fn note_flow(&mut self, id: NotifierId) {
        let flow = self.stream_of(id);
        let Some(notifier) = self.notifiers.get_mut(id) else {
            return;
        };
        if notifier.flow == flow || notifier.mode == Mode::Notify {
            return;
        }
        if let Some(before) = std::mem::replace(&mut notifier.flow, flow) {
            self.best_effort.remove(&(before, id));
        }
        if let Some(flow) = flow {
            self.best_effort.insert((flow, id));
        }
    }

    fn stream_of(&mut self, id: NotifierId) -> Option<FlowId> {
        let home = self.notifiers.get(id)?.home;
        match self.dialog_of(home)?.hop {
            Hop::Flow(flow) if flow.transport.is_reliable() => Some(flow.id),
            Hop::Flow(_) | Hop::Target(_) | Hop::Unknown => None,
        }
    }

    /// A stream is gone. Nothing else would tell that a best effort subscriber is gone with it; one
    /// that has come back on another stream has said so by a request in the dialog.
    pub(super) fn on_stream_lost(&mut self, flow: FlowId) {
        let behind = (flow, NotifierId(0))..=(flow, NotifierId(u64::MAX));
        let behind: Vec<_> = self.best_effort.range(behind).map(|(_, id)| *id).collect();
        for id in behind {
            if self.stream_of(id) == Some(flow) {
                self.metrics.failed_notifications.inc();
                let unreachable = StatusCode::SERVICE_UNAVAILABLE;
                self.over(id, SubscriptionEnd::NotifyFailed(unreachable));
            }
        }
    }

    fn emit_best_effort(&mut self, id: NotifierId, mut request: Request, via: Via, last: bool) {
        self.metrics.best_effort_notifications.inc();
        self.note_flow(id);
        let branch = self.rng.next_u64();
        self.push_via(&mut request, &via, branch);
        let domain = domain_of(&request, &via);
        let bytes = request.print();
        self.out.push_back(Output::Transmit {
            via,
            domain,
            bytes,
            tx: None,
        });
        if last {
            self.over(id, SubscriptionEnd::Local);
        }
    }

    /// The resolver's answer for a BENOTIFY.
    pub(super) fn on_best_effort_resolved(
        &mut self,
        now: Instant,
        id: NotifierId,
        request: Request,
        last: bool,
        target: Option<&Target>,
    ) {
        let Some(notifier) = self.notifiers.get_mut(id) else {
            return;
        };
        notifier.delivery = Delivery::Idle;
        let home = notifier.home;
        let Some(target) = target else {
            self.metrics.failed_notifications.inc();
            let unreachable = StatusCode::SERVICE_UNAVAILABLE;
            return self.over(id, SubscriptionEnd::NotifyFailed(unreachable));
        };
        self.learn_hop_of(home, Some(target));
        self.emit_best_effort(id, request, Via::Target(*target), last);
        self.send_queued(now, id);
    }

    /// The answer to a NOTIFY, or what stands for it.
    pub(super) fn on_notify_response(&mut self, now: Instant, id: NotifierId, outcome: &Outcome) {
        let response = &outcome.response;
        let status = response.status;
        let Some(notifier) = self.notifiers.get_mut(id).filter(|_| status.is_final()) else {
            return;
        };
        let retry_after = response.headers.retry_after().ok().flatten();
        let retry_after = retry_after
            .filter(|_| !outcome.made_up && notifier.is_open())
            .map(|after| Duration::from_secs(u64::from(after.seconds)));
        let remaining = notifier.remaining(now);
        let (delivery, verdict) = notifier.delivery.answered(status, retry_after, remaining);
        notifier.delivery = delivery;
        let (home, queued) = (notifier.home, notifier.queue.len());
        match verdict {
            Verdict::Delivered => {
                let item = notifier.current.take();
                let open = notifier.is_open();
                if let Some(dialog) = self.dialog_of(home) {
                    dialog.refresh_target(&response.headers);
                }
                if item.is_some_and(|item| item.last.is_some()) {
                    return self.over(id, SubscriptionEnd::Local);
                }
                if open {
                    self.notifier_event(id, NotifierEvent::Delivered { queued });
                }
                self.send_queued(now, id);
            }
            Verdict::Again(after) => {
                self.timers
                    .set(Owner::Notifier(id), Timer::Retry, now + after);
            }
            Verdict::Failed => {
                self.metrics.failed_notifications.inc();
                self.over(id, SubscriptionEnd::NotifyFailed(status));
            }
            Verdict::Nothing => {}
        }
    }

    pub(super) fn on_notifier_timer(&mut self, now: Instant, id: NotifierId, timer: Timer) {
        if timer == Timer::Retry {
            let item = self.notifiers.get_mut(id).and_then(|it| it.current.take());
            if let Some(item) = item {
                self.send_notification(now, id, item);
            }
            return;
        }
        if timer != Timer::Expires {
            return;
        }
        let Ok(notifier) = self.open_notifier(id) else {
            return;
        };
        let fetched = notifier.stage == Stage::Fetched;
        let cause = if fetched {
            SubscriptionEnd::Unsubscribed
        } else {
            SubscriptionEnd::Expired
        };
        let termination = Termination::new(Text::from_static("timeout"));
        self.finish(now, id, termination, cause);
    }

    /// The next hop of a dialog is resolved once; a target refresh forgets it.
    pub(super) fn learn_hop_of(&mut self, holder: Holder, target: Option<&Target>) {
        if let Some(dialog) = self.dialog_of(holder)
            && let (Hop::Unknown, Some(target)) = (&dialog.hop, target)
        {
            dialog.hop = Hop::Target(*target);
        }
    }
}
