//! Subscribers: what they are told, and what they make of it (RFC 4575 §4.4).

use super::{Bench, flow, request, trusted};
use plenum_focus::info::{ConferenceInfo, State, apply, read};
use plenum_focus::limits::ControlLimits;
use plenum_focus::output::SipAction;
use plenum_sip::endpoint::{Event, InviteId, NotifierEvent, NotifierId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method, Request};
use std::collections::BTreeMap;

/// What one subscriber knows.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub state: Option<ConferenceInfo>,
    pub version: u32,
    pub last: Option<State>,
    pub documents: usize,
    pub ended: Option<String>,
}

impl View {
    pub fn take(&mut self, octets: &[u8]) {
        let info = read(octets, &ControlLimits::default().c3p).unwrap();
        let version = info.version.expect("CB-102");
        assert!(self.documents == 0 || version == self.version + 1, "CB-102");
        self.version = version;
        self.last = Some(info.state);
        self.documents += 1;
        match &mut self.state {
            Some(state) if info.state == State::Partial => apply(state, &info).unwrap(),
            state => *state = Some(info),
        }
    }

    /// The users there are, sorted.
    pub fn users(&self) -> Vec<String> {
        let state = self.state.as_ref().expect("a document");
        let users = state.users.iter().flat_map(|users| &users.users);
        let mut users: Vec<_> = users.map(|user| user.entity.clone()).collect();
        users.sort();
        users
    }

    /// All of it, but for the version and for the order, which says nothing (RFC 4575 §4.4).
    pub fn content(&self) -> ConferenceInfo {
        let mut content = self.state.clone().expect("a document");
        content.version = None;
        content.state = State::Full;
        if let Some(users) = &mut content.users {
            users.users.sort_by(|a, b| a.entity.cmp(&b.entity));
        }
        if let Some(view) = &mut content.view {
            view.entities.sort_by(|a, b| a.entity.cmp(&b.entity));
        }
        content
    }
}

/// All subscribers of a conference, by the id of their subscription.
#[derive(Debug, Default)]
pub struct Views {
    pub views: BTreeMap<u64, View>,
    pub statuses: Vec<u16>,
}

pub fn subscribe_request(user: &str, supported: &str) -> Request {
    let uri = super::c3p::conference_uri();
    let mut request = request(Method::Subscribe, &uri, user, None);
    request.headers.push(HeaderName::Event, "conference");
    if !supported.is_empty() {
        request.headers.push(HeaderName::Supported, supported);
    }
    request
}

impl Views {
    /// Subscribes, in the dialog of a call or in none.
    pub fn subscribe(
        &mut self,
        bench: &mut Bench,
        invite: Option<u64>,
        user: &str,
        supported: &str,
    ) {
        self.request(bench, invite, subscribe_request(user, supported));
    }

    pub fn request(&mut self, bench: &mut Bench, invite: Option<u64>, request: Request) {
        bench.sip(Event::Subscribe {
            tx: ServerTxId(77),
            invite: invite.map(InviteId),
            package: "conference".into(),
            expires: 3600,
            request,
            flow: flow(trusted(1)),
        });
        self.collect(bench);
    }

    /// What the endpoint makes of what the focus says.
    pub fn collect(&mut self, bench: &mut Bench) {
        let (ours, others) = bench.actions().into_iter().partition(|action| {
            matches!(
                action,
                SipAction::AcceptSubscription { .. }
                    | SipAction::Notify { .. }
                    | SipAction::Terminate { .. }
                    | SipAction::Respond {
                        tx: ServerTxId(77),
                        ..
                    }
            )
        });
        bench.sip = others;
        let ours: Vec<SipAction> = ours;
        let quiet = ours.is_empty();
        for action in ours {
            self.take(bench, action);
        }
        if !quiet {
            self.collect(bench);
        }
    }

    fn take(&mut self, bench: &mut Bench, action: SipAction) {
        match action {
            SipAction::Respond { answer, .. } => self.statuses.push(answer.status.code()),
            SipAction::AcceptSubscription {
                subscription,
                accept,
                ..
            } => {
                self.statuses.push(200);
                let view = self.views.entry(subscription.0).or_default();
                view.take(&accept.first.expect("CB-093").body.unwrap().octets);
                let id = Some(NotifierId(subscription.0));
                bench.focus.handle_subscribed(bench.now, subscription, id);
                bench.drain();
            }
            SipAction::Notify { id, notification } => {
                let view = self.views.get_mut(&id.0).unwrap();
                assert!(view.ended.is_none(), "told after the end");
                view.take(&notification.body.unwrap().octets);
            }
            SipAction::Terminate { id, termination } => {
                let view = self.views.get_mut(&id.0).unwrap();
                view.ended = Some(termination.reason.to_string());
                let end = plenum_sip::endpoint::SubscriptionEnd::Local;
                self.event(bench, id.0, NotifierEvent::Ended(end));
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn event(&self, bench: &mut Bench, id: u64, event: NotifierEvent) {
        let id = NotifierId(id);
        bench.sip(Event::Notifier { id, event });
    }

    /// A subscriber has taken what it was told.
    pub fn deliver(&mut self, bench: &mut Bench, id: u64) {
        self.event(bench, id, NotifierEvent::Delivered { queued: 0 });
        self.collect(bench);
    }

    /// A subscriber wants to know all of it once more.
    pub fn refresh(&mut self, bench: &mut Bench, id: u64) {
        self.event(bench, id, NotifierEvent::Due { refresh: None });
        self.collect(bench);
    }
}

impl Bench {
    /// A join by C3P, while others watch.
    pub fn joined_quietly(&mut self, id: u64, user: &str, views: &mut Views) {
        let add = super::c3p::add_user(user, "{a}");
        let body = super::c3p::c3p(1, user, plenum_focus::c3p::Command::AddUser(add));
        self.invite_c3p(id, trusted(1), super::c3p::join_request(user, &body));
        views.collect(self);
        assert_eq!(self.answered(id).0, 200);
    }

    /// The status of the answer to a call with media.
    pub fn answered_status(&mut self, invite: u64) -> u16 {
        let answers = self
            .actions()
            .into_iter()
            .filter_map(|action| match action {
                SipAction::Accept { id, .. } if id.0 == invite => Some(200),
                SipAction::Reject { id, answer } if id.0 == invite => Some(answer.status.code()),
                _ => None,
            });
        answers.last().expect("an answer")
    }
}
