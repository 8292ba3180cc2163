//! Subscriptions of ours: SUBSCRIBE and REFER to a peer, and its NOTIFYs (RFC 6665 §4.1).

use super::client::{Outcome, Purpose};
use super::{ClientTxId, CommandError, Contact, Endpoint, Event, InviteId, SubscriberId};
use crate::dialog::{Dialog, Hop, Order, Stage as CallStage, route};
use crate::event::command::{Refer, Subscribe, Wish};
use crate::event::report::{SubscriberEvent, SubscriptionEnd};
use crate::event::subscriber::{Stage, Subscriber, ends_subscription, refresh_after};
use crate::event::{Alone, Holder, Key, Members, refer};
use crate::id::hex;
use crate::msg::{
    CSeq, Event as EventField, HeaderName, Headers, Method, NameAddr, Request, Response,
    StatusCode, Text, Uri,
};
use crate::transaction::timer::{Owner, Timer};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The CSeq that a first notification within a 2xx would have ([MS-SIP] §3.4.5.1).
pub(super) const PIGGYBACK_CSEQ: HeaderName =
    HeaderName::Other(Text::from_static("ms-piggyback-cseq"));

/// Who asks whom, outside any dialog.
struct Parties {
    uri: Uri,
    to: NameAddr,
    from: NameAddr,
    contact: Option<Contact>,
    route: Vec<NameAddr>,
}

impl Endpoint {
    /// Subscribes outside any dialog (§4.1.2.1). It is refreshed by itself until `unsubscribe`;
    /// NOTIFYs are answered by themselves. `Ended` is the last event.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe) -> SubscriberId {
        let parties = Parties {
            uri: subscribe.uri,
            to: subscribe.to,
            from: subscribe.from,
            contact: subscribe.contact,
            route: subscribe.route,
        };
        self.ask_outside(now, parties, Method::Subscribe, subscribe.wish)
    }

    /// Refers outside any dialog (RFC 3515 §2.4.1). The implicit subscription is ours.
    pub fn refer(&mut self, now: Instant, refer: Refer) -> SubscriberId {
        let wish = wish_of_refer(&refer.refer_to, refer.headers);
        let parties = Parties {
            uri: refer.uri,
            to: refer.to,
            from: refer.from,
            contact: refer.contact,
            route: refer.route,
        };
        self.ask_outside(now, parties, Method::Refer, wish)
    }

    /// Subscribes inside the dialog of a call that is up.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: the call is over; [`CommandError::WrongState`]: it is not up;
    /// [`CommandError::Pending`]: its dialog has a subscription to the same event and `id`.
    pub fn subscribe_in_dialog(
        &mut self,
        now: Instant,
        id: InviteId,
        wish: Wish,
    ) -> Result<SubscriberId, CommandError> {
        self.ask_inside(now, id, Method::Subscribe, wish)
    }

    /// Refers inside the dialog of a call that is up.
    ///
    /// # Errors
    /// As [`Self::subscribe_in_dialog`].
    pub fn refer_in_dialog(
        &mut self,
        now: Instant,
        id: InviteId,
        refer_to: &NameAddr,
        headers: Headers,
    ) -> Result<SubscriberId, CommandError> {
        let wish = wish_of_refer(refer_to, headers);
        self.ask_inside(now, id, Method::Refer, wish)
    }

    /// Ends a subscription of ours (§4.1.2.3): `Ended` follows with the last NOTIFY, or when none
    /// comes.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: it is over, or being ended.
    pub fn unsubscribe(&mut self, now: Instant, id: SubscriberId) -> Result<(), CommandError> {
        let subscriber = self.subscribers.get_mut(id).ok_or(CommandError::Gone)?;
        if subscriber.unwanted {
            return Err(CommandError::Gone);
        }
        subscriber.unwanted = true;
        if subscriber.tx.is_none() {
            self.leave(now, id);
        }
        Ok(())
    }

    pub(super) fn subscriber_event(&mut self, id: SubscriberId, event: SubscriberEvent) {
        self.event(Event::Subscriber { id, event });
    }

    fn ask_outside(
        &mut self,
        now: Instant,
        parties: Parties,
        method: Method,
        wish: Wish,
    ) -> SubscriberId {
        let tag = self.random_tag();
        let call_id = self.random_call_id();
        let contact = parties.contact.unwrap_or_else(|| Contact {
            user: parties.from.uri.user.clone(),
            ..Contact::default()
        });
        let from = parties.from.with_tag(&hex(tag));
        let mut to = parties.to;
        to.params.remove("tag");
        let mut headers = Headers::with_capacity(16);
        headers.push(HeaderName::MaxForwards, Text::from_static("70"));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &to);
        headers.push(HeaderName::CallId, call_id.clone());
        let first = CSeq {
            seq: 1,
            method: method.clone(),
        };
        headers.push(HeaderName::CSeq, first);
        let uri = route(&mut headers, &parties.route, parties.uri);
        let request = Request {
            method: method.clone(),
            uri,
            headers,
            body: Bytes::new(),
        };
        let home = Holder::Alone(self.keep_alone(Alone {
            call_id,
            local_tag: tag,
            dialog: None,
            contact,
            members: Members::default(),
        }));
        let id = self.insert_subscriber(home, method, 1, wish);
        self.send_subscribe(now, id, request, &Hop::Unknown);
        id
    }

    fn ask_inside(
        &mut self,
        now: Instant,
        id: InviteId,
        method: Method,
        wish: Wish,
    ) -> Result<SubscriberId, CommandError> {
        let event = EventField::parse(&wish.event).ok();
        let same = event.and_then(|event| self.find_subscriber(Holder::Invite(id), &event));
        if method == Method::Subscribe && same.is_some() {
            return Err(CommandError::Pending);
        }
        let usage = self.usages.get_mut(id).ok_or(CommandError::Gone)?;
        let CallStage::Up(_) = &usage.stage else {
            return Err(CommandError::WrongState);
        };
        let dialog = usage.dialogs.first_mut().ok_or(CommandError::Gone)?;
        let seq = dialog.next_seq();
        let (request, hop) = (dialog.request(method.clone(), seq), dialog.hop.clone());
        let id = self.insert_subscriber(Holder::Invite(id), method, seq, wish);
        self.send_subscribe(now, id, request, &hop);
        Ok(id)
    }

    fn insert_subscriber(
        &mut self,
        home: Holder,
        method: Method,
        seq: u32,
        wish: Wish,
    ) -> SubscriberId {
        let key = match EventField::parse(&wish.event) {
            Ok(event) if method == Method::Subscribe => Key::of(&event),
            Ok(_) | Err(_) => Key::refer(seq),
        };
        let id = self.subscribers.insert(Subscriber {
            home,
            key,
            method,
            wish,
            stage: Stage::Asking,
            tx: None,
            first: None,
            accepted: false,
            unwanted: false,
            raised: false,
        });
        if let Some(members) = self.members_mut(home) {
            members.subscribers.push(id);
        }
        id
    }

    /// Puts what is wished for into the request, and sends it.
    fn send_subscribe(&mut self, now: Instant, id: SubscriberId, mut request: Request, hop: &Hop) {
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        if matches!(hop, Hop::Unknown) && subscriber.stage == Stage::Asking {
            subscriber.first = Some(Box::new(request.clone()));
        }
        let (home, wish) = (subscriber.home, &subscriber.wish);
        let headers = &mut request.headers;
        if request.method == Method::Subscribe {
            let leaving = subscriber.stage == Stage::Leaving;
            let expires = if leaving { 0 } else { wish.expires };
            let event = if subscriber.method == Method::Refer {
                subscriber.key.field(false)
            } else {
                wish.event.clone()
            };
            headers.push(HeaderName::Event, event);
            headers.push(HeaderName::Expires, expires.to_string());
        }
        // A refresh of a REFER's subscription is a SUBSCRIBE, which refers nobody.
        if request.method == subscriber.method {
            headers.append(&wish.headers);
            Self::put_body(headers, &mut request.body, wish.body.as_ref());
        }
        self.stamp_user_agent(&mut request);
        let contact = self.contact_of_holder(home).cloned();
        let tx = self.start_client(now, request, contact, Purpose::Subscribe(id), hop);
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.tx = Some(tx);
        }
    }

    /// SUBSCRIBE again, inside its dialog: a refresh, or the end.
    fn send_again(&mut self, now: Instant, id: SubscriberId) -> bool {
        let Some(home) = self.subscribers.get(id).map(|it| it.home) else {
            return false;
        };
        let Some(dialog) = self.dialog_of(home) else {
            return false;
        };
        let seq = dialog.next_seq();
        let (request, hop) = (dialog.request(Method::Subscribe, seq), dialog.hop.clone());
        self.send_subscribe(now, id, request, &hop);
        true
    }

    /// `Expires: 0`, and some patience for the last NOTIFY.
    fn leave(&mut self, now: Instant, id: SubscriberId) {
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.stage = Stage::Leaving;
        }
        let owner = Owner::Subscriber(id);
        self.timers.clear_all(owner);
        if self.send_again(now, id) {
            let patience = self.config.times.patience();
            self.timers.set(owner, Timer::N, now + patience + patience);
        } else {
            self.subscriber_over(id, SubscriptionEnd::Local);
        }
    }

    /// A response to our SUBSCRIBE or REFER.
    pub(super) fn on_subscribe_response(
        &mut self,
        now: Instant,
        id: SubscriberId,
        tx: ClientTxId,
        outcome: Outcome,
    ) {
        let status = outcome.response.status;
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        if !status.is_final() || subscriber.tx != Some(tx) {
            return;
        }
        let home = subscriber.home;
        if status.is_success() {
            self.learn_dialog(id, home, &outcome.response);
            let mut response = outcome.response;
            self.drop_stale(home, &mut response);
            return self.on_subscribed(now, id, response);
        }
        subscriber.tx = None;
        self.on_subscribe_refused(now, id, outcome);
    }

    /// The dialog that the 2xx makes (§4.1.2.1), if no NOTIFY made it before.
    fn learn_dialog(&mut self, id: SubscriberId, home: Holder, response: &Response) {
        let first = self.subscribers.get_mut(id).and_then(|it| it.first.take());
        if let Some(dialog) = self.dialog_of(home) {
            return dialog.refresh_target(&response.headers);
        }
        let made = first.and_then(|first| Dialog::caller(&first, response));
        if let (Holder::Alone(id), Some(dialog)) = (home, made)
            && let Some(alone) = self.alone.get_mut(id)
        {
            alone.dialog = Some(dialog);
        }
    }

    /// A first notification within a 2xx that was overtaken by a later one tells nothing any more.
    fn drop_stale(&mut self, home: Holder, response: &mut Response) {
        let seq = response.headers.get(&PIGGYBACK_CSEQ).and_then(Text::to_str);
        let Some(seq) = seq.and_then(|seq| seq.trim().parse().ok()) else {
            return;
        };
        let order = self.dialog_of(home).map(|dialog| dialog.order_once(seq));
        if order == Some(Order::Old) {
            response.body = Bytes::new();
        }
    }

    /// 2xx (§4.1.2.1, §4.1.2.2).
    fn on_subscribed(&mut self, now: Instant, id: SubscriberId, response: Response) {
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        subscriber.tx = None;
        let (stage, unwanted) = (subscriber.stage, subscriber.unwanted);
        let asked = subscriber.wish.expires;
        let refer = subscriber.method == Method::Refer;
        if stage == Stage::Leaving {
            return;
        }
        let silent = refer && refer::says_no(&response.headers);
        let granted = response.headers.expires().ok().flatten().unwrap_or(asked);
        let told = !response.body.is_empty();
        if stage == Stage::Asking {
            subscriber.stage = if told { Stage::Alive } else { Stage::Waiting };
        }
        let waits = subscriber.stage == Stage::Waiting;
        let first = !std::mem::replace(&mut subscriber.accepted, true);
        if first || told {
            self.subscriber_event(id, SubscriberEvent::Accepted(response));
        }
        if silent {
            return self.subscriber_over(id, SubscriptionEnd::NoSubscription);
        }
        if unwanted {
            return self.leave(now, id);
        }
        if waits {
            let patience = self.config.times.patience();
            let owner = Owner::Subscriber(id);
            self.timers.set(owner, Timer::N, now + patience);
        } else if granted == 0 && told {
            return self.subscriber_over(id, SubscriptionEnd::Unsubscribed);
        }
        if !refer {
            self.run_subscription(now, id, granted);
        }
    }

    /// Anything but 2xx (§4.1.2.1, §4.1.2.2).
    fn on_subscribe_refused(&mut self, now: Instant, id: SubscriberId, outcome: Outcome) {
        let response = outcome.response;
        let status = response.status;
        let Some(subscriber) = self.subscribers.get_mut(id) else {
            return;
        };
        let first = subscriber.stage == Stage::Asking;
        let brief = status == StatusCode::INTERVAL_TOO_BRIEF && !subscriber.raised;
        if subscriber.stage == Stage::Leaving {
            return self.subscriber_over(id, SubscriptionEnd::Local);
        }
        if brief && let Some(least) = min_expires(&response.headers) {
            subscriber.raised = true;
            subscriber.wish.expires = least;
            if first {
                return self.ask_again(now, id, response);
            }
            self.send_again(now, id);
            return;
        }
        if first && outcome.made_up {
            return self.subscriber_over(id, SubscriptionEnd::Unreachable);
        }
        if first || (ends_subscription(status) && !outcome.made_up) {
            let end = SubscriptionEnd::Rejected(status, response.reason);
            return self.subscriber_over(id, end);
        }
        // §4.1.2.2: it lives on to the end of the time it had; once more before that.
        if subscriber.unwanted {
            self.leave(now, id);
        } else {
            let soon = now + self.config.times.patience();
            self.timers.set(Owner::Subscriber(id), Timer::Refresh, soon);
        }
    }

    /// The first SUBSCRIBE with the time a 423 named.
    fn ask_again(&mut self, now: Instant, id: SubscriberId, refused: Response) {
        let Some(home) = self.subscribers.get(id).map(|it| it.home) else {
            return;
        };
        if self.dialog_of(home).is_some() {
            self.send_again(now, id);
            return;
        }
        // The refusal repeats what the request said of the parties, but for the tag.
        let end = SubscriptionEnd::Rejected(refused.status, refused.reason);
        let first = self.subscribers.get_mut(id).and_then(|it| it.first.take());
        let Some(mut request) = first else {
            return self.subscriber_over(id, end);
        };
        let again = CSeq {
            seq: 2,
            method: Method::Subscribe,
        };
        request.headers.set(HeaderName::CSeq, again);
        self.send_subscribe(now, id, *request, &Hop::Unknown);
    }

    /// Its time runs anew: it is refreshed before the end, and over at the end.
    pub(super) fn run_subscription(&mut self, now: Instant, id: SubscriberId, expires: u32) {
        let owner = Owner::Subscriber(id);
        let whole = Duration::from_secs(u64::from(expires));
        let patience = self.config.times.patience();
        // What is on its way to us may be late.
        self.timers
            .set(owner, Timer::Expires, now + whole + patience);
        let refreshes = self.subscribers.get(id).is_some_and(|it| {
            it.method == Method::Subscribe && it.wish.expires > 0 && !it.unwanted
        });
        if refreshes {
            let after = refresh_after(expires, patience);
            self.timers.set(owner, Timer::Refresh, now + after);
        }
    }

    pub(super) fn on_subscriber_timer(&mut self, now: Instant, id: SubscriberId, timer: Timer) {
        let Some(subscriber) = self.subscribers.get(id) else {
            return;
        };
        let leaving = subscriber.stage == Stage::Leaving;
        if timer == Timer::Refresh {
            if subscriber.tx.is_none() {
                self.send_again(now, id);
            }
            return;
        }
        let end = if leaving {
            SubscriptionEnd::Local
        } else if timer == Timer::N {
            SubscriptionEnd::Unreachable
        } else {
            SubscriptionEnd::Expired
        };
        self.subscriber_over(id, end);
    }

    pub(super) fn subscriber_over(&mut self, id: SubscriberId, end: SubscriptionEnd) {
        self.timers.clear_all(Owner::Subscriber(id));
        let Some(subscriber) = self.subscribers.remove(id) else {
            return;
        };
        if let Some(members) = self.members_mut(subscriber.home) {
            members.subscribers.retain(|other| *other != id);
        }
        self.drop_if_empty(subscriber.home);
        self.subscriber_event(id, SubscriberEvent::Ended(end));
    }
}

fn wish_of_refer(refer_to: &NameAddr, mut headers: Headers) -> Wish {
    headers.push(HeaderName::ReferTo, refer_to);
    Wish {
        event: Text::from_static(refer::PACKAGE),
        expires: 0,
        headers,
        body: None,
    }
}

fn min_expires(headers: &Headers) -> Option<u32> {
    let value = headers.get(&HeaderName::MinExpires)?;
    value.to_str()?.trim().parse().ok()
}
