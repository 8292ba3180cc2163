//! REFER to the focus: somebody is to be called (RFC 4579 §5.5) or removed (§5.11, `method=BYE`).
//!
//! Who may what is what it is for commands by C3P: presenters may refer anybody, everybody else
//! may remove themselves.

use crate::access::Role;
use crate::answer;
use crate::authorization::{Party, Scope, may};
use crate::caller::Peer;
use crate::conference::Focus;
use crate::conference::commands::Callee;
use crate::disconnect::DisconnectReason;
use crate::output::{CommandError, Dialler, RequestId, SipAction, SubscriptionId};
use crate::roster::{EndpointStatus, User};
use plenum_sip::endpoint::{AcceptRefer, Answer, Flow, InviteId, NotifierId, ServerTxId};
use plenum_sip::msg::{Headers, Request, StatusCode};
use std::time::Instant;

/// A referral that is under way: who is to be told how it goes, and how it went.
#[derive(Debug, Default)]
pub(crate) struct Referral {
    accepted: bool,
    notifier: Option<NotifierId>,
    outcome: Option<StatusCode>,
}

/// Referrals have ids apart from those of operators and of commands by C3P.
const REFERRAL: u64 = 1 << 62;

/// Whether a request is a referral.
pub(crate) const fn is_referral(request: RequestId) -> bool {
    request.0 & (REFERRAL << 1) == 0 && request.0 & REFERRAL != 0
}

impl Focus {
    /// RFC 3515 §2.4.2: accepted, and carried out; or refused.
    pub(super) fn handle_refer(
        &mut self,
        now: Instant,
        tx: ServerTxId,
        invite: Option<InviteId>,
        request: &Request,
        flow: &Flow,
    ) {
        let target = match self.consider_referral(invite, request, flow) {
            Ok(target) => target,
            Err(answer) => {
                let answer = *answer;
                self.sip(SipAction::Respond { tx, answer });
                return;
            }
        };
        self.last_referral += 1;
        let id = REFERRAL | self.last_referral;
        self.referrals.insert(id, Referral::default());
        let accept = AcceptRefer {
            contact: Some(self.contact()),
            ..AcceptRefer::default()
        };
        self.sip(SipAction::AcceptRefer {
            tx,
            subscription: SubscriptionId(id),
            accept: Box::new(accept),
        });
        let request = RequestId(id);
        match target {
            Target::Call(callee) => {
                let ringing = self.settings.ringing;
                if let Err(error) = self.dial_out(now, *callee, ringing, Some(request)) {
                    self.referral_done(request, Err(error));
                }
            }
            Target::Remove(user) => {
                self.remove_user(now, user);
                self.referral_done(request, Ok(()));
            }
        }
    }

    fn consider_referral(
        &self,
        invite: Option<InviteId>,
        request: &Request,
        flow: &Flow,
    ) -> Result<Target, Box<Answer>> {
        let agent = &self.settings.agent;
        let refuse = |status, text| Box::new(answer::warn(status, agent, text));
        let peer = self.peer_of(request, flow);
        let sender = self.referrer(invite, &peer);
        let sender = sender.filter(|_| !self.record.entry);
        let sender =
            sender.ok_or_else(|| refuse(StatusCode::FORBIDDEN, "Only participants may refer"))?;
        let refer_to = request.headers.refer_to();
        let refer_to =
            refer_to.map_err(|_| refuse(StatusCode::BAD_REQUEST, "Refer-To cannot be read"))?;
        let mut uri = refer_to.uri;
        let method = uri.param("method");
        let removing = method
            .as_ref()
            .is_some_and(|method| method.eq_ignore_case("BYE"));
        if !removing && method.is_some_and(|method| !method.eq_ignore_case("INVITE")) {
            return Err(refuse(
                StatusCode::NOT_ACCEPTABLE_HERE,
                "INVITE and BYE only",
            ));
        }
        uri.params.remove("method");
        uri.headers = None;
        let user = self.user_named(&uri.to_string());
        let party = Party::first_if(removing && user.is_some_and(|user| user.id == sender.id));
        may(sender.role, Scope::User(party))
            .map_err(|_| refuse(StatusCode::FORBIDDEN, "Only presenters may do that"))?;
        if removing {
            let user = user.map(|user| user.id);
            let unknown = || refuse(StatusCode::NOT_FOUND, "Nobody of that name is here");
            return user.map(Target::Remove).ok_or_else(unknown);
        }
        let by = match invite.and_then(|invite| self.endpoint_of(invite)) {
            Some(endpoint) => self.dialler(endpoint),
            None => Dialler::Participant(peer.aor.filter(|_| peer.trusted)),
        };
        Ok(Target::Call(Box::new(Callee {
            uri,
            to: None,
            headers: Headers::new(),
            from_mcu: false,
            replaces: false,
            entity: None,
            role: Role::Attendee,
            by,
        })))
    }

    /// Who refers: the participant in whose dialog it came, or who is one by another.
    fn referrer(&self, invite: Option<InviteId>, peer: &Peer) -> Option<&User> {
        match invite.and_then(|invite| self.endpoint_of(invite)) {
            Some(endpoint) => {
                let participant = self.roster.endpoint(endpoint)?;
                let inside = participant.status == EndpointStatus::Connected;
                self.roster.user(participant.user).filter(|_| inside)
            }
            None => self
                .roster
                .user_of(peer)
                .filter(|user| peer.trusted && self.is_inside(user.id)),
        }
    }

    /// How a referral went; told when it is known to whom.
    pub(super) fn referral_done(&mut self, request: RequestId, result: Result<(), CommandError>) {
        if let Some(referral) = self.referrals.get_mut(&request.0) {
            referral.outcome = Some(status_of(result));
            self.tell_referrer(request.0);
        }
    }

    /// The referral was accepted: this is who is to be told; `None` if nobody.
    pub(super) fn handle_referral_accepted(&mut self, id: u64, notifier: Option<NotifierId>) {
        if let Some(referral) = self.referrals.get_mut(&id) {
            referral.accepted = true;
            referral.notifier = notifier;
            self.tell_referrer(id);
        }
    }

    fn tell_referrer(&mut self, id: u64) {
        let Some(referral) = self.referrals.get(&id) else {
            return;
        };
        let (true, Some(status)) = (referral.accepted, referral.outcome) else {
            return;
        };
        let notifier = referral.notifier;
        self.referrals.remove(&id);
        if let Some(id) = notifier {
            self.sip(SipAction::NotifyRefer { id, status });
        }
    }
}

/// What a referral is about.
enum Target {
    Call(Box<Callee>),
    Remove(crate::roster::UserId),
}

/// RFC 3515 §2.4.5: the status line of what was referred to, as far as it is known.
fn status_of(result: Result<(), CommandError>) -> StatusCode {
    let Err(error) = result else {
        return StatusCode::OK;
    };
    match error {
        CommandError::NotJoined(DisconnectReason::Busy) => StatusCode::BUSY_HERE,
        CommandError::NotJoined(DisconnectReason::NoAnswer) => StatusCode::TEMPORARILY_UNAVAILABLE,
        CommandError::NotJoined(DisconnectReason::Rejected(status)) => status,
        CommandError::BadUri(_) | CommandError::BadSeat(_) => StatusCode::UNSUPPORTED_URI_SCHEME,
        CommandError::Refused(refusal) => refusal.status(),
        CommandError::NotJoined(_)
        | CommandError::UnknownEndpoint
        | CommandError::UnknownUser
        | CommandError::NotWaiting
        | CommandError::NobodyPresents
        | CommandError::NoSlides
        | CommandError::Barred
        | CommandError::UnknownConference
        | CommandError::Mcu(_)
        | CommandError::Recording(_)
        | CommandError::Ending
        | CommandError::Busy
        | CommandError::Fault => StatusCode::SERVICE_UNAVAILABLE,
    }
}
