//! SUBSCRIBE from a peer: RFC 6665 §4.2.1, inside and outside of dialogs.
//!
//! | order | check | refusal |
//! |---|---|---|
//! | 1 | the package is one of ours | 489 with Allow-Events |
//! | 2 | it refreshes a living subscription of the dialog | – |
//! | 3 | Contact | 400 (RFC 3261 §12.1.1) |
//! | 4 | Expires | 423 with Min-Expires |
//! | 5 | room | 503 with Retry-After, 403 |
//!
//! Nothing is kept of a SUBSCRIBE but its transaction until the transaction user accepts it.

use super::holder::call_of;
use super::receive::Refusal;
use super::server::{Arrival, Extra};
use super::watch::PIGGYBACK_CSEQ;
use super::{Answer, CommandError, Contact, Endpoint, Event, NotifierId, ServerTxId};
use crate::dialog::{Dialog, Hop};
use crate::event::command::AcceptSubscription;
use crate::event::delivery::Delivery;
use crate::event::notifier::{Item, Mode, Notifier, Stage, grant, seconds};
use crate::event::report::{NotifierEvent, SubscriptionEnd};
use crate::event::{Alone, Holder, Key, Members};
use crate::msg::{HeaderName, Headers, Request, StatusCode, Text};
use crate::transaction::timer::{Owner, Timer};
use rand::Rng as _;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a SUBSCRIBE or REFER asks for, until it is answered.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) home: Home,
    pub(super) key: Key,
    /// What stands in the Event of its notifications.
    pub(super) event: Text,
    /// Seconds, as granted at most.
    pub(super) expires: u32,
    pub(super) mode: Mode,
    pub(super) extent: Extent,
}

/// In which dialog it is to live.
#[derive(Debug)]
pub(super) enum Home {
    /// In the one it makes.
    New(Box<Alone>),
    /// In the one it came in.
    In(Holder),
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// SUBSCRIBE; the first notification may be in the 200.
    Subscription { piggyback: bool },
    /// REFER: the referrer does without being told, or would.
    Refer { unwanted: bool, spared: bool },
}

impl Endpoint {
    /// A SUBSCRIBE that is new to its transaction.
    pub(super) fn on_subscribe(&mut self, now: Instant, holder: Option<Holder>, arrival: Arrival) {
        match self.read_subscribe(holder, &arrival) {
            Ok(Read::Refresh(id, expires)) => self.refresh_notifier(now, id, expires, arrival),
            Ok(Read::New(asking, tag)) => {
                let (expires, package) = (asking.expires, asking.key.field(true));
                let tx = self.open_asking(now, holder, &arrival, asking, tag);
                self.event(Event::Subscribe {
                    tx,
                    invite: call_of(holder),
                    package,
                    expires,
                    request: arrival.request,
                    flow: arrival.from,
                });
            }
            Err(refusal) => self.refuse_event(now, holder, &arrival, refusal),
        }
    }

    /// A refusal outside a dialog leaves no state behind.
    pub(super) fn refuse_event(
        &mut self,
        now: Instant,
        holder: Option<Holder>,
        arrival: &Arrival,
        refusal: Refusal,
    ) {
        match holder {
            Some(_) => self.refuse(now, arrival, refusal),
            None => self.refuse_stateless(now, arrival, refusal),
        }
    }

    pub(super) fn open_asking(
        &mut self,
        now: Instant,
        holder: Option<Holder>,
        arrival: &Arrival,
        asking: Asking,
        tag: Option<u64>,
    ) -> ServerTxId {
        let tx = self.open_for_user(now, holder, arrival, tag);
        if let Some(dialog) = holder.and_then(|holder| self.dialog_of(holder)) {
            dialog.refresh_target(&arrival.request.headers);
            if arrival.direct && dialog.is_direct() {
                dialog.hop = Hop::Flow(arrival.from);
            }
        }
        if let Some(server) = self.servers.get_mut(tx) {
            server.asking = Some(Box::new(asking));
        }
        tx
    }

    fn read_subscribe(
        &mut self,
        holder: Option<Holder>,
        arrival: &Arrival,
    ) -> Result<Read, Refusal> {
        let headers = &arrival.request.headers;
        let Ok(Some(event)) = headers.event() else {
            return Err(self.bad_event());
        };
        let known = holder.and_then(|holder| self.find_notifier(holder, &event));
        let package = self.config.allow_events.contains(&event.package);
        if known.is_none() && !package {
            return Err(self.bad_event());
        }
        if !headers.has(&HeaderName::Contact) {
            return Err(Refusal::new(StatusCode::BAD_REQUEST));
        }
        let expires = self.grant_subscription(headers)?;
        if let Some(id) = known {
            return Ok(Read::Refresh(id, expires));
        }
        let (home, tag) = self.find_home(holder, arrival)?;
        let supported = headers.supported().unwrap_or_default();
        let best_effort = supported.has("ms-benotify");
        let piggyback = supported.has("ms-piggyback-first-notify");
        let key = Key::of(&event);
        let asking = Asking {
            home,
            event: key.field(false),
            key,
            expires,
            mode: if best_effort {
                Mode::BestEffort
            } else {
                Mode::Notify
            },
            extent: Extent::Subscription { piggyback },
        };
        Ok(Read::New(asking, tag))
    }

    /// The dialog a new subscription is to live in, if there is room, and the tag of a new one.
    pub(super) fn find_home(
        &mut self,
        holder: Option<Holder>,
        arrival: &Arrival,
    ) -> Result<(Home, Option<u64>), Refusal> {
        let limits = self.config.limits.events;
        if self.notifiers.len() >= limits.subscriptions {
            return Err(self.overload("Too many subscriptions"));
        }
        if let Some(holder) = holder {
            let many = self
                .members(holder)
                .map_or(0, |members| members.notifiers.len());
            if many >= limits.subscriptions_per_dialog {
                self.metrics.refused_subscriptions.inc();
                return Err(Refusal::new(StatusCode::FORBIDDEN));
            }
            return match self.dialog_of(holder) {
                Some(_) => Ok((Home::In(holder), None)),
                None => Err(Refusal::new(StatusCode::CALL_DOES_NOT_EXIST)),
            };
        }
        let tag = self.random_tag();
        let first_seq = self.rng.next_u32() & 0xFFFF;
        let alone = new_dialog(arrival, tag, first_seq);
        let alone = alone.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST))?;
        Ok((Home::New(Box::new(alone)), Some(tag)))
    }

    fn bad_event(&self) -> Refusal {
        let mut refusal = Refusal::new(StatusCode::BAD_EVENT);
        self.lists.push_allow_events(&mut refusal.headers);
        refusal
    }

    fn grant_subscription(&self, headers: &Headers) -> Result<u32, Refusal> {
        let events = &self.config.events;
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let asked = headers.expires().ok().flatten();
        let asked = asked.unwrap_or_else(|| seconds(events.expires));
        let granted = grant(
            asked,
            seconds(events.min_expires),
            seconds(events.max_expires),
        );
        granted.map_err(|least| {
            let refusal = Refusal::new(StatusCode::INTERVAL_TOO_BRIEF);
            refusal.with(HeaderName::MinExpires, least.to_string())
        })
    }

    /// Accepts a SUBSCRIBE: 200, then the first notification. Refuse with `respond_with`.
    ///
    /// # Errors
    /// [`CommandError::Gone`]: the transaction, its dialog or its call is over;
    /// [`CommandError::WrongState`]: it is no `Subscribe`.
    pub fn accept_subscription(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        accept: AcceptSubscription,
    ) -> Result<NotifierId, CommandError> {
        let asking = self.take_asking(now, tx, |extent| {
            matches!(extent, Extent::Subscription { .. })
        })?;
        let piggyback = asking.extent == (Extent::Subscription { piggyback: true });
        let expires = asking.expires.min(accept.expires.unwrap_or(u32::MAX));
        let id = self.insert_notifier(now, tx, asking, expires, accept.contact);
        if let Some(notifier) = self.notifiers.get_mut(id)
            && expires > 0
        {
            notifier.stage = Stage::Alive(accept.standing);
        }
        let orphan = accept
            .bound
            .as_ref()
            .is_some_and(|bound| self.usages.get(bound.to).is_none());
        if let Some(bound) = accept.bound {
            self.bind(id, bound.to, bound.reason);
        }
        let first = accept.first.map(Item::from);
        let (first, within) = match first {
            Some(first) if piggyback && first.body.is_some() => (None, Some(first)),
            other => (other, None),
        };
        let rides = within.is_some();
        self.reply_subscribed(now, tx, id, within, accept.headers);
        match first {
            Some(first) => self.enqueue(now, id, first),
            None if !rides => self.notifier_event(id, NotifierEvent::Due { refresh: None }),
            None if expires == 0 => self.over(id, SubscriptionEnd::Unsubscribed),
            None => {}
        }
        if orphan {
            self.on_bound_end(now, id);
        }
        Ok(id)
    }

    /// Takes what a SUBSCRIBE or REFER asked for, if it can be granted still.
    pub(super) fn take_asking(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        wanted: impl Fn(Extent) -> bool,
    ) -> Result<Asking, CommandError> {
        if !self.is_unanswered(tx) {
            return Err(CommandError::Gone);
        }
        let server = self.servers.get_mut(tx).ok_or(CommandError::Gone)?;
        let asking = server
            .asking
            .take_if(|asking| wanted(asking.extent))
            .ok_or(CommandError::WrongState)?;
        if let Home::In(holder) = asking.home
            && self.dialog_of(holder).is_none()
        {
            let gone = Answer::new(StatusCode::CALL_DOES_NOT_EXIST);
            self.respond_with(now, tx, gone)?;
            return Err(CommandError::Gone);
        }
        Ok(*asking)
    }

    /// The subscription begins; `Fetched` unless told otherwise.
    pub(super) fn insert_notifier(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        asking: Asking,
        expires: u32,
        contact: Option<Contact>,
    ) -> NotifierId {
        let home = match asking.home {
            Home::In(holder) => holder,
            Home::New(alone) => Holder::Alone(self.keep_alone(*alone)),
        };
        if let Some(contact) = contact {
            self.set_contact(home, contact);
        }
        let usage = self.servers.get(tx).and_then(|server| server.usage);
        if let Some(usage) = usage {
            self.unpend(usage, tx);
        }
        let mut lives = Duration::from_secs(u64::from(expires));
        if expires == 0 {
            // The transaction user has as long as a transaction to tell the state once.
            lives = self.config.times.patience();
        }
        let id = self.notifiers.insert(Notifier {
            home,
            key: asking.key,
            event: asking.event,
            stage: Stage::Fetched,
            expires: now + lives,
            mode: asking.mode,
            bound: None,
            flow: None,
            delivery: Delivery::Idle,
            current: None,
            queue: VecDeque::new(),
        });
        if let Some(members) = self.members_mut(home) {
            members.notifiers.push(id);
        }
        self.note_flow(id);
        let owner = Owner::Notifier(id);
        self.timers.set(owner, Timer::Expires, now + lives);
        id
    }

    /// The 200 to a SUBSCRIBE, perhaps with the first notification in it ([MS-SIP] §3.4.5.1).
    fn reply_subscribed(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        id: NotifierId,
        within: Option<Item>,
        extra: Headers,
    ) {
        let Some(notifier) = self.notifiers.get(id) else {
            return;
        };
        let (home, best_effort) = (notifier.home, notifier.mode == Mode::BestEffort);
        let fetch = notifier.stage == Stage::Fetched;
        let ends = within.clone().filter(|_| fetch).map(Item::ends_fetch);
        let last = ends.as_ref().and_then(|item| item.last.as_ref());
        let state = notifier.state(now, last);
        let event = notifier.event.clone();
        let left = if fetch {
            0
        } else {
            seconds(notifier.remaining(now))
        };
        let mut headers = self.holder_headers(tx, home);
        headers.push(HeaderName::Expires, left.to_string());
        if best_effort || within.is_some() {
            // What these clients read instead of Expires.
            headers.push(HeaderName::Event, event);
            headers.push(HeaderName::SubscriptionState, state);
        }
        let mut body = None;
        if let Some(item) = within {
            let seq = self.dialog_of(home).map_or(0, Dialog::next_seq);
            headers.push(PIGGYBACK_CSEQ, seq.to_string());
            headers.push(
                HeaderName::Supported,
                Text::from_static("ms-benotify, ms-piggyback-first-notify"),
            );
            headers.append(&item.headers);
            body = item.body;
        }
        headers.append(&extra);
        let extra = Extra {
            reason: None,
            headers,
            body,
        };
        self.reply(now, tx, StatusCode::OK, extra);
    }

    /// The Contact of a 2xx to SUBSCRIBE or REFER.
    pub(super) fn holder_headers(&self, tx: ServerTxId, holder: Holder) -> Headers {
        let mut headers = Headers::with_capacity(8);
        if let Some(contact) = self.contact_of_holder(holder) {
            headers.push(HeaderName::Contact, self.contact_for(tx, contact));
        }
        headers
    }

    /// A SUBSCRIBE for a living subscription (RFC 6665 §4.2.1.1, §4.2.1.3).
    fn refresh_notifier(&mut self, now: Instant, id: NotifierId, expires: u32, arrival: Arrival) {
        let Some(home) = self.notifiers.get(id).map(|notifier| notifier.home) else {
            return;
        };
        let tx = self.open_server(now, &arrival, super::server::ServerRole::Own, None, None);
        if let Some(dialog) = self.dialog_of(home) {
            dialog.refresh_target(&arrival.request.headers);
            if arrival.direct && dialog.is_direct() {
                dialog.hop = Hop::Flow(arrival.from);
            }
        }
        if expires == 0 {
            let mut headers = self.holder_headers(tx, home);
            headers.push(HeaderName::Expires, Text::from_static("0"));
            let extra = Extra {
                headers,
                ..Extra::default()
            };
            self.reply(now, tx, StatusCode::OK, extra);
            return self.on_unsubscribe(now, id);
        }
        let until = now + Duration::from_secs(u64::from(expires));
        if let Some(notifier) = self.notifiers.get_mut(id) {
            notifier.expires = until;
        }
        self.note_flow(id);
        self.timers.set(Owner::Notifier(id), Timer::Expires, until);
        self.reply_subscribed(now, tx, id, None, Headers::new());
        let refresh = Some(arrival.request);
        self.notifier_event(id, NotifierEvent::Due { refresh });
    }

    /// The living subscription of this dialog that an Event names.
    fn find_notifier(&self, holder: Holder, event: &crate::msg::Event) -> Option<NotifierId> {
        let members = self.members(holder)?;
        let named = |id: &&NotifierId| {
            let notifier = self.notifiers.get(**id);
            notifier
                .is_some_and(|it| matches!(it.stage, Stage::Alive(_)) && it.key.is_named_by(event))
        };
        members.notifiers.iter().find(named).copied()
    }
}

/// What a SUBSCRIBE turned out to be.
enum Read {
    /// Of this subscription, for this time.
    Refresh(NotifierId, u32),
    /// A new one, with the tag of its dialog if that is new too.
    New(Asking, Option<u64>),
}

/// The dialog that a request outside any makes (§12.1.1).
fn new_dialog(arrival: &Arrival, tag: u64, first_seq: u32) -> Option<Alone> {
    let request: &Request = &arrival.request;
    let mut dialog = Dialog::callee(request, tag, first_seq)?;
    if arrival.direct && dialog.is_direct() {
        dialog.hop = Hop::Flow(arrival.from);
    }
    Some(Alone {
        call_id: dialog.call_id.clone(),
        local_tag: tag,
        dialog: Some(dialog),
        contact: Contact {
            user: request.uri.user.as_ref().map(Text::detached),
            ..Contact::default()
        },
        members: Members::default(),
    })
}
