//! The conference notification service (RFC 4353 §3, RFC 4575, RFC 6665 §4.2; MS-CONFBAS §3.4.4;
//! CB-086 to CB-132).
//!
//! A change causes no notification: it is noted, and told when it is time. Time is the pace of the
//! conference, so that a crowd that comes costs notifications by time and not by heads; and a
//! subscriber is told nothing more until it has taken what it was told last. Whoever is told at
//! the same time of the same changes is sent the same octets.
//!
//! # Decisions
//! * Participants who came by C3P get documents with the extensions, everybody else those of
//!   RFC 4575.
//! * Who neither takes part nor waits may watch if the record says so (RFC 4575 §6), else 403
//!   (CB-089).
//! * A watcher does not keep a conference active, and is told when it ends.

use crate::answer;
use crate::caller::Peer;
use crate::conference::Focus;
use crate::conference::refer::is_referral;
use crate::disconnect::{DisconnectReason, Verdict};
use crate::info::{Audience, Endpoint, Sequence, Tracker, Watcher};
use crate::output::{McuType, RequestId, SipAction, SubscriptionId};
use crate::policy::Admission;
use crate::record::Watchers;
use crate::roster::{EndpointStatus, UserId};
use crate::timer::Timer;
use bytes::Bytes;
use plenum_mcu::control::EndpointId;
use plenum_sip::endpoint::{
    AcceptSubscription, Answer, Body, Bound, Flow, InviteId, Notification, NotifierEvent,
    NotifierId, ServerTxId, Termination,
};
use plenum_sip::msg::{HeaderName, Headers, MediaType, Request, StatusCode, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Everybody who is told what changes.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    by_notifier: BTreeMap<NotifierId, SubscriptionId>,
    /// Those who can be told something now.
    ready: BTreeSet<SubscriptionId>,
    /// What is known of the conference, while anybody is told.
    tracker: Option<Tracker>,
    /// What users were called when they were told of last.
    told: BTreeMap<UserId, String>,
    /// How endpoints left whose users may be gone.
    pub(super) departed: BTreeMap<UserId, Vec<Endpoint>>,
    /// The roster that was looked at last.
    version: u64,
    last: u64,
    /// Nobody is told anything before.
    not_before: Option<Instant>,
    /// Everybody who is ready knows everything up to here, or has nothing to know.
    settled: Option<Sequence>,
}

/// One subscription.
#[derive(Debug)]
struct Subscription {
    watcher: Watcher,
    /// Who, where the conference knows no user.
    entity: String,
    notifier: Option<NotifierId>,
    /// Whose, while they are known to the conference.
    user: Option<UserId>,
    /// The connection whose dialog it lives in.
    endpoint: Option<EndpointId>,
    /// It takes what it is told without saying so (CB-090).
    best_effort: bool,
    /// Its first document was in the answer to its SUBSCRIBE (CB-091).
    piggyback: bool,
}

impl Notifier {
    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether anybody was told of this user.
    pub(super) fn tells_of(&self, user: UserId) -> bool {
        self.tracker.is_some() && self.told.contains_key(&user)
    }

    /// It can be told something again, and perhaps there is something to tell.
    fn make_ready(&mut self, subscription: SubscriptionId) {
        self.ready.insert(subscription);
        let known = self.subscriptions.get(&subscription);
        if let (Some(known), Some(tracker)) = (known, &self.tracker)
            && known.watcher.is_due(tracker)
        {
            self.settled = None;
        }
    }
}

/// Who subscribes.
struct Subscriber {
    audience: Audience,
    user: Option<UserId>,
    endpoint: Option<EndpointId>,
    /// What the documents call them.
    entity: String,
}

impl Focus {
    /// RFC 6665 §4.2.1: a SUBSCRIBE that is none of a subscription there is.
    pub(super) fn handle_subscribe(
        &mut self,
        tx: ServerTxId,
        invite: Option<InviteId>,
        package: &Text,
        request: &Request,
        flow: &Flow,
    ) {
        match self.consider_subscriber(invite, package, request, flow) {
            Ok(subscriber) => self.subscribe(tx, invite, request, subscriber),
            Err(answer) => {
                self.settings.metrics.refused_subscriptions.inc();
                let answer = *answer;
                self.sip(SipAction::Respond { tx, answer });
            }
        }
    }

    fn consider_subscriber(
        &self,
        invite: Option<InviteId>,
        package: &Text,
        request: &Request,
        flow: &Flow,
    ) -> Result<Subscriber, Box<Answer>> {
        let agent = &self.settings.agent;
        if self.record.entry {
            let text = "Who is at the entry is nobody's to know";
            return Err(Box::new(answer::warn(StatusCode::FORBIDDEN, agent, text)));
        }
        if package.to_str() != Some(PACKAGE) {
            return Err(Box::new(Answer::new(StatusCode::BAD_EVENT)));
        }
        let media_type = MediaType::parse(&DOCUMENT).ok();
        if let (Ok(Some(accept)), Some(ours)) = (request.headers.accept(), media_type)
            && !accept.iter().any(|accepted| accepted.covers(&ours))
        {
            let mut answer = Answer::new(StatusCode::NOT_ACCEPTABLE);
            answer.headers.push(HeaderName::Accept, DOCUMENT);
            return Err(Box::new(answer));
        }
        let forbidden = |text| Box::new(answer::warn(StatusCode::FORBIDDEN, agent, text));
        let peer = self.peer_of(request, flow);
        let subscriber = self
            .subscriber(invite, &peer)
            .ok_or_else(|| forbidden("Only participants may watch this conference"))?;
        let limits = &self.settings.limits.control;
        let all = &self.notifier.subscriptions;
        let theirs = all.values().filter(|it| {
            it.user == subscriber.user && (it.user.is_some() || it.entity == subscriber.entity)
        });
        if theirs.count() >= limits.subscriptions_per_user {
            return Err(forbidden("Too many subscriptions of one user"));
        }
        if all.len() >= limits.subscriptions {
            let refusal = crate::refusal::Refusal::Busy(self.settings.limits.retry_after);
            return Err(Box::new(answer::refuse(&refusal, agent)));
        }
        Ok(subscriber)
    }

    /// CB-089: in the dialog of a participant, or of somebody who is one by another; or by policy.
    fn subscriber(&self, invite: Option<InviteId>, peer: &Peer) -> Option<Subscriber> {
        if !self.is_active() {
            return None;
        }
        if let Some(endpoint) = invite.and_then(|invite| self.endpoint_of(invite)) {
            let participant = self.roster.endpoint(endpoint)?;
            let user = self.roster.user(participant.user)?;
            let audience = match participant.status {
                EndpointStatus::OnHold => Audience::Lobby,
                EndpointStatus::Connected => self.audience_of(user.id),
                EndpointStatus::Pending
                | EndpointStatus::DialingOut
                | EndpointStatus::Alerting
                | EndpointStatus::Disconnecting => return None,
            };
            return Some(Subscriber {
                audience,
                user: Some(user.id),
                endpoint: Some(endpoint),
                entity: user.entity.clone(),
            });
        }
        if let Some(user) = self
            .roster
            .user_of(peer)
            .filter(|user| self.is_inside(user.id))
        {
            return Some(Subscriber {
                audience: self.audience_of(user.id),
                user: Some(user.id),
                endpoint: None,
                entity: user.entity.clone(),
            });
        }
        let may_watch = match self.record.watchers {
            Watchers::Participants => false,
            Watchers::Trusted => {
                peer.trusted && matches!(self.admission(peer), Admission::Admit(_))
            }
        };
        may_watch.then(|| Subscriber {
            audience: Audience::Standard,
            user: None,
            endpoint: None,
            entity: peer.aor.clone().unwrap_or_default(),
        })
    }

    fn audience_of(&self, user: UserId) -> Audience {
        if self.participates(user) {
            Audience::Extended
        } else {
            Audience::Standard
        }
    }

    /// CB-091, CB-093 to CB-095: accepted, with a full document at once.
    fn subscribe(
        &mut self,
        tx: ServerTxId,
        invite: Option<InviteId>,
        request: &Request,
        subscriber: Subscriber,
    ) {
        self.track();
        self.notifier.last += 1;
        let subscription = SubscriptionId(self.notifier.last);
        let supported = request.headers.supported().unwrap_or_default();
        let mut watcher = Watcher::new(subscriber.entity.as_str(), subscriber.audience);
        let document = self.notifier.tracker.as_mut();
        let document = document.and_then(|tracker| watcher.document(tracker));
        self.notifier.subscriptions.insert(
            subscription,
            Subscription {
                watcher,
                entity: subscriber.entity,
                notifier: None,
                user: subscriber.user,
                endpoint: subscriber.endpoint,
                best_effort: supported.has("ms-benotify"),
                piggyback: supported.has("ms-piggyback-first-notify"),
            },
        );
        self.settings.metrics.subscriptions.inc();
        self.settings.metrics.notifications.inc();
        let accept = AcceptSubscription {
            first: document.map(notification),
            contact: Some(self.contact()),
            bound: invite.map(|to| Bound {
                to,
                reason: Text::from_static(NO_RESOURCE),
            }),
            ..AcceptSubscription::default()
        };
        self.sip(SipAction::AcceptSubscription {
            tx,
            subscription,
            accept: Box::new(accept),
        });
    }

    /// The subscription that was accepted by [`SipAction::AcceptSubscription`] is known as `id`
    /// from here on; `None` when it came too late.
    pub fn handle_subscribed(
        &mut self,
        now: Instant,
        subscription: SubscriptionId,
        id: Option<NotifierId>,
    ) {
        if is_referral(RequestId(subscription.0)) {
            self.handle_referral_accepted(subscription.0, id);
        }
        let known = self.notifier.subscriptions.get_mut(&subscription);
        match (known, id) {
            (None, _) if is_referral(RequestId(subscription.0)) => {}
            (Some(known), Some(id)) => {
                known.notifier = Some(id);
                self.notifier.by_notifier.insert(id, subscription);
                if known.best_effort || known.piggyback {
                    self.notifier.make_ready(subscription);
                }
            }
            (Some(_), None) => self.forget_subscription(subscription),
            (None, Some(id)) => self.terminate(id, Termination::new(NO_RESOURCE)),
            (None, None) => {}
        }
        self.settle(now);
    }

    /// What became of a subscription.
    pub(super) fn handle_notifier(&mut self, id: NotifierId, event: &NotifierEvent) {
        let Some(&subscription) = self.notifier.by_notifier.get(&id) else {
            return;
        };
        match event {
            NotifierEvent::Due { .. } => self.notify_full(subscription),
            NotifierEvent::Delivered { queued: 0 } => self.notifier.make_ready(subscription),
            NotifierEvent::Delivered { .. } => {}
            NotifierEvent::Ended(_) => self.forget_subscription(subscription),
        }
    }

    /// CB-096: a refresh is answered by the whole state, at once.
    fn notify_full(&mut self, subscription: SubscriptionId) {
        self.track();
        let notifier = &mut self.notifier;
        let Some(entry) = notifier.subscriptions.get_mut(&subscription) else {
            return;
        };
        entry.watcher.refresh();
        let document = notifier.tracker.as_mut();
        let document = document.and_then(|tracker| entry.watcher.document(tracker));
        if let (Some(id), Some(document)) = (entry.notifier, document) {
            if !entry.best_effort {
                notifier.ready.remove(&subscription);
            }
            let notification = notification(document);
            self.settings.metrics.notifications.inc();
            self.sip(SipAction::Notify { id, notification });
        }
    }

    /// After every input: what has changed is told now, or when it is time.
    pub(super) fn notify(&mut self, now: Instant) {
        if self.notifier.subscriptions.is_empty() {
            self.stop_tracking();
            return;
        }
        self.track();
        let sequence = self.notifier.tracker.as_ref().map(Tracker::sequence);
        if self.notifier.settled == sequence {
            return;
        }
        if self.notifier.not_before.is_some_and(|at| now < at) {
            self.timers.set(Timer::Notify, self.notifier.not_before);
            return;
        }
        self.notifier.settled = sequence;
        if self.tell() {
            self.notifier.not_before = Some(now + self.pace());
        }
    }

    /// How long to wait after telling everybody.
    fn pace(&self) -> Duration {
        let limits = &self.settings.limits.control;
        let watching = u32::try_from(self.notifier.len()).unwrap_or(u32::MAX);
        let spread = Duration::from_secs(1).saturating_mul(watching) / limits.notify_rate.max(1);
        limits.notify_pace.max(spread)
    }

    /// Tells everybody who is ready what they do not know. Whether there was anything to tell.
    fn tell(&mut self) -> bool {
        let mut told = false;
        let ready: Vec<SubscriptionId> = self.notifier.ready.iter().copied().collect();
        for subscription in ready {
            let audience = self.audience_now(subscription);
            let notifier = &mut self.notifier;
            let (Some(entry), Some(tracker)) = (
                notifier.subscriptions.get_mut(&subscription),
                notifier.tracker.as_mut(),
            ) else {
                continue;
            };
            entry.watcher.set_audience(audience);
            if !entry.watcher.is_due(tracker) {
                continue;
            }
            let document = entry.watcher.document(tracker);
            if let (Some(id), Some(document)) = (entry.notifier, document) {
                told = true;
                if !entry.best_effort {
                    notifier.ready.remove(&subscription);
                }
                let notification = notification(document);
                self.settings.metrics.notifications.inc();
                self.sip(SipAction::Notify { id, notification });
            }
        }
        told
    }

    /// CB-130: who was let in may know more from then on.
    fn audience_now(&self, subscription: SubscriptionId) -> Audience {
        let entry = self.notifier.subscriptions.get(&subscription);
        let Some(entry) = entry else {
            return Audience::Lobby;
        };
        match (entry.watcher.audience(), entry.user) {
            (Audience::Lobby, Some(user)) if self.is_inside(user) => self.audience_of(user),
            (audience, _) => audience,
        }
    }

    /// Brings the tracker up to the conference.
    fn track(&mut self) {
        let changed = self.roster.take_changed();
        let Some(mut tracker) = self.notifier.tracker.take() else {
            self.notifier.tracker = Some(self.tracked());
            let users = self.roster.users();
            self.notifier.told = users.map(|user| (user.id, user.entity.clone())).collect();
            self.notifier.version = self.roster.version();
            self.views_changed = false;
            return;
        };
        for id in changed {
            self.track_user(&mut tracker, id);
        }
        if self.notifier.version != self.roster.version() || self.views_changed {
            self.notifier.version = self.roster.version();
            self.views_changed = false;
            tracker.set_description(self.description());
            let state = self.conference_state(&tracker);
            tracker.set_conference_state(state);
            tracker.set_view(self.focus_view());
            if self.mixer_is_up() {
                tracker.set_view(self.mixer_view());
            } else {
                tracker.remove_view(&self.uris.mcu(McuType::AudioVideo));
            }
        }
        self.notifier.tracker = Some(tracker);
    }

    fn track_user(&mut self, tracker: &mut Tracker, id: UserId) {
        let document = self
            .roster
            .user(id)
            .and_then(|user| self.user_document(user));
        let before = match &document {
            Some(user) => self.notifier.told.insert(id, user.entity.clone()),
            None => self.notifier.told.remove(&id),
        };
        let departed = self.notifier.departed.remove(&id).unwrap_or_default();
        let renamed = document.as_ref().map(|user| user.entity.as_str());
        if let Some(before) = before.filter(|before| renamed != Some(before))
            && self
                .roster
                .by_entity(&before)
                .is_none_or(|user| user.id == id)
        {
            tracker.remove_departed(&before, departed);
        }
        if let Some(user) = document {
            tracker.set_user(user);
        }
    }

    fn stop_tracking(&mut self) {
        drop(self.roster.take_changed());
        self.notifier.settled = None;
        if self.notifier.tracker.take().is_some() {
            self.notifier.told.clear();
            self.notifier.departed.clear();
            self.timers.set(Timer::Notify, None);
        }
    }

    fn forget_subscription(&mut self, subscription: SubscriptionId) {
        let notifier = &mut self.notifier;
        notifier.ready.remove(&subscription);
        let Some(entry) = notifier.subscriptions.remove(&subscription) else {
            return;
        };
        self.settings.metrics.subscriptions.dec();
        if let Some(id) = entry.notifier {
            notifier.by_notifier.remove(&id);
        }
    }

    fn terminate(&mut self, id: NotifierId, termination: Termination) {
        let termination = Box::new(termination);
        self.sip(SipAction::Terminate { id, termination });
    }

    /// CB-098, CB-190, CB-199: a connection is gone, and with it what lived in its dialog; if it
    /// was the last of its user, also what lived elsewhere.
    pub(super) fn end_subscriptions_of(
        &mut self,
        user: UserId,
        endpoint: EndpointId,
        reason: &DisconnectReason,
    ) {
        if self.notifier.subscriptions.is_empty() {
            return;
        }
        let gone = self
            .roster
            .user(user)
            .is_none_or(|user| user.endpoints == [endpoint]);
        let theirs = |entry: &Subscription| {
            entry.endpoint == Some(endpoint)
                || (gone && entry.user == Some(user) && entry.endpoint.is_none())
        };
        let all = self.notifier.subscriptions.iter();
        let ended = all.filter(|(_, entry)| theirs(entry)).map(|(id, _)| *id);
        let ended: Vec<SubscriptionId> = ended.collect();
        for subscription in ended {
            self.end_subscription(subscription, reason);
        }
    }

    /// The conference is over: nobody is left to be told of.
    pub(super) fn end_subscriptions(&mut self, reason: &DisconnectReason) {
        let all: Vec<SubscriptionId> = self.notifier.subscriptions.keys().copied().collect();
        for subscription in all {
            self.end_subscription(subscription, reason);
        }
        self.stop_tracking();
    }

    fn end_subscription(&mut self, subscription: SubscriptionId, reason: &DisconnectReason) {
        let notifier = self.notifier.subscriptions.get(&subscription);
        let notifier = notifier.and_then(|entry| entry.notifier);
        self.forget_subscription(subscription);
        if let Some(id) = notifier {
            let termination = termination(reason, &self.settings.agent);
            self.terminate(id, termination);
        }
    }
}

/// CB-190, CB-199: one token (trap 27), and for people and support what the BYE says, too.
fn termination(reason: &DisconnectReason, agent: &str) -> Termination {
    let token = reason.verdict().map_or(NO_RESOURCE, |it| it.token);
    let mut termination = Termination::new(Text::from_static(token));
    termination.headers = diagnostics(reason, agent);
    termination
}

/// `ms-diagnostics-public` of the last notification and the BYE (CB-191, CB-198, CB-199).
pub(super) fn diagnostics(reason: &DisconnectReason, agent: &str) -> Headers {
    let mut headers = Headers::default();
    if let Some(Verdict { number, text, .. }) = reason.verdict() {
        let value = format!("{number};reason=\"{text}\";source=\"{agent}\"");
        headers.push(HeaderName::from_static(DIAGNOSTICS), value);
    }
    headers
}

fn notification(document: Bytes) -> Notification {
    Notification {
        body: Some(Body {
            content_type: DOCUMENT,
            octets: document,
        }),
        ..Notification::default()
    }
}

/// RFC 4575 §3.1.
const PACKAGE: &str = "conference";
/// RFC 4575 §6.1.
const DOCUMENT: Text = Text::from_static("application/conference-info+xml");
/// RFC 6665 §4.1.3.
const NO_RESOURCE: &str = "noresource";
const DIAGNOSTICS: &str = "ms-diagnostics-public";
