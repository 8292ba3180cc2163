//! The border of users: between the SIP endpoint and the conferences.

use super::gate::{Decision, Gate, domain, said};
use super::registrations::Registrations;
use super::ringing::Ringing;
use crate::store::Store;
use plenum_focus::caller::Vouched;
use plenum_focus::output::Dialler;
use plenum_focus::refusal::Refusal;
use plenum_focus::shell::{Border, Passage, Placing};
use plenum_focus::store::Users;
use plenum_sip::auth::Origin;
use plenum_sip::endpoint::{Answer, Endpoint, Event, Flow, Invite};
use plenum_sip::msg::{Method, Request, StatusCode, Text};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// See the module documentation.
#[derive(Debug)]
pub struct UserBorder {
    gate: Gate,
    registrations: Registrations,
    ringing: Ringing,
    store: Arc<Store>,
    users: Arc<Users>,
    /// When expired bindings are next looked for.
    look: Option<Instant>,
    registrar: bool,
}

impl UserBorder {
    pub(super) fn new(
        gate: Gate,
        registrations: Registrations,
        store: Arc<Store>,
        registrar: bool,
        now: Instant,
    ) -> Self {
        let users = store.users();
        let mut border = Self {
            gate,
            registrations,
            ringing: Ringing::default(),
            store,
            users,
            look: Some(now),
            registrar,
        };
        border.registrations.handle_users(&border.users);
        border
    }

    /// What knows to whom challenges were sent.
    pub(crate) fn origin(&self) -> Origin {
        self.gate.origin()
    }

    /// Who sent a request that asks to come in; `Err`: what it is answered.
    fn admit(
        &mut self,
        now: Instant,
        vouched: &mut Option<Box<Vouched>>,
        request: &Request,
        from: (&Flow, &[Text]),
    ) -> Result<(), Box<Answer>> {
        // A trunk has said who it is.
        if vouched.is_some() {
            return Ok(());
        }
        let users = Arc::clone(&self.users);
        match self.gate.decide(now, &users, request, from) {
            Decision::Pass(proven) => {
                *vouched = proven.map(Box::new);
                Ok(())
            }
            Decision::Refuse(answer) => Err(Box::new(answer)),
        }
    }

    /// As [`Self::admit`], for a call, which may not be to a user.
    fn admit_call(
        &mut self,
        now: Instant,
        vouched: &mut Option<Box<Vouched>>,
        request: &Request,
        from: (&Flow, &[Text]),
    ) -> Result<(), Box<Answer>> {
        self.admit(now, vouched, request, from)?;
        if self.registrations.is_user(&self.users, &request.uri) {
            return Err(Box::new(no_proxy(vouched.is_some())));
        }
        Ok(())
    }

    fn plan_look(&mut self, now: Instant) {
        let left = self.registrations.seconds_left();
        self.look = left.map(|left| now + Duration::from_secs(left.clamp(1, 60)));
    }
}

impl Border for UserBorder {
    fn handle_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
        mut vouched: Option<Box<Vouched>>,
    ) -> Passage {
        match &event {
            Event::Invite { id, request, flow } => {
                let names = endpoint.certificate_names(flow.id);
                if let Err(answer) = self.admit_call(now, &mut vouched, request, (flow, names)) {
                    // A CANCEL may have been faster.
                    endpoint.reject_once(now, *id, *answer).unwrap_or_default();
                    return Passage::Kept;
                }
            }
            Event::Request { tx, request, flow } if request.method == Method::Register => {
                if !self.registrar {
                    return Passage::On(event, vouched);
                }
                let users = Arc::clone(&self.users);
                let names = endpoint.certificate_names(flow.id);
                let asked = (*tx, request, (flow, names));
                let answer = self
                    .registrations
                    .handle_register(now, &mut self.gate, &users, asked);
                if let Some(answer) = answer {
                    endpoint.respond_with(now, *tx, answer).unwrap_or_default();
                }
                return Passage::Kept;
            }
            Event::Request { request, .. } if request.method == Method::Options => {}
            Event::Request { tx, request, flow }
            | Event::Subscribe {
                tx,
                invite: None,
                request,
                flow,
                ..
            }
            | Event::Refer {
                tx,
                invite: None,
                request,
                flow,
            } => {
                let names = endpoint.certificate_names(flow.id);
                if let Err(answer) = self.admit(now, &mut vouched, request, (flow, names)) {
                    endpoint.respond_with(now, *tx, *answer).unwrap_or_default();
                    return Passage::Kept;
                }
            }
            Event::FlowClosed { flow, .. } => self.registrations.handle_flow_closed(*flow),
            Event::Refused { id, .. } => {
                if let Some(next) = self.ringing.next(*id) {
                    endpoint.invite_instead(now, *id, next).unwrap_or_default();
                    return Passage::Kept;
                }
            }
            Event::Answered { id, .. } | Event::Ended { id, .. } => self.ringing.forget(*id),
            Event::Subscribe { .. }
            | Event::Refer { .. }
            | Event::Cancelled { .. }
            | Event::Pracked { .. }
            | Event::Acked { .. }
            | Event::Modify { .. }
            | Event::InDialog { .. }
            | Event::Notifier { .. }
            | Event::Subscriber { .. }
            | Event::Progress { .. }
            | Event::Modified { .. }
            | Event::Response { .. } => {}
        }
        Passage::On(event, vouched)
    }

    /// Rings all devices of a user of ours.
    fn place(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        _by: &Dialler,
        invite: Box<Invite>,
    ) -> Placing {
        if !invite.uri.is_sip() || !self.users.has_domain(&domain(&invite.uri)) {
            return Placing::NotMine(invite);
        }
        let Some(groups) = self.registrations.find(&self.users, &invite.uri) else {
            return Placing::Refused(format!("there is no user {}", invite.uri));
        };
        let uri = invite.uri.clone();
        let Some((first, rest)) = Ringing::split(*invite, groups) else {
            return Placing::Refused(format!("{uri} is registered nowhere"));
        };
        let id = endpoint.invite(now, first);
        self.ringing.remember(id, rest);
        Placing::Placed(id)
    }

    fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let users = self.store.users();
        if !Arc::ptr_eq(&users, &self.users) {
            self.registrations.handle_users(&users);
            self.users = users;
        }
        self.registrations.handle_stored(now, endpoint);
        if self.look.is_none_or(|look| look <= now) {
            self.registrations.handle_timeout();
            self.plan_look(now);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.look
    }
}

/// A call from outside to a user: we are no proxy. Strangers hear what they hear of any name that is
/// not there.
fn no_proxy(known: bool) -> Answer {
    if known {
        let text = "Users are called from within conferences only";
        said(StatusCode::FORBIDDEN, text)
    } else {
        said(
            StatusCode::NOT_FOUND,
            &Refusal::UnknownConference.to_string(),
        )
    }
}
