//! Connections to the focus itself: participants who steer and watch, whether or not they have
//! media (MS-CONFBAS §3.2, CB-060 to CB-072, CB-120).

use super::notifier::diagnostics;
use crate::c3p::Response;
use crate::caller::Peer;
use crate::conference::{Focus, Phase};
use crate::disconnect::DisconnectReason;
use crate::info::ClientInfo;
use crate::output::{ConferenceEvent, SipAction};
use crate::roster::{EndpointStatus, UserId};
use plenum_mcu::control::{EndpointId, Quality};
use plenum_sip::endpoint::InviteId;
use plenum_sip::msg::Text;
use std::collections::BTreeSet;
use std::time::Instant;

/// One connection to the focus.
#[derive(Debug)]
pub(crate) struct Attendance {
    pub(crate) invite: InviteId,
    pub(crate) user: UserId,
    pub(crate) peer: Peer,
    /// The URI of From, as it was spelled: `from` of requests, `to` of responses.
    pub(crate) from: String,
    /// The conference-URI, as the participant spells it (trap 16).
    pub(crate) conf_uri: String,
    /// As the client named it (CB-028).
    pub(crate) entity: String,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) client_info: Option<ClientInfo>,
    pub(crate) recording: bool,
    pub(crate) epid: Option<String>,
    pub(crate) sip_instance: Option<String>,
    pub(crate) endpoint_uri: Option<String>,
    /// What names the dialog: a secret of the participant and the focus (CB-075).
    pub(crate) dialog: DialogSecret,
    /// Its commands that are not answered yet.
    pub(crate) undertakings: BTreeSet<u64>,
}

/// What names a dialog. Our tag is known from the ACK on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DialogSecret {
    pub(crate) call_id: String,
    pub(crate) remote_tag: String,
    pub(crate) local_tag: Option<Text>,
}

impl Attendance {
    /// A response to something whose own addresses are not to be trusted: it is from us to them,
    /// whatever it was said to be.
    pub(super) fn address(&self, response: Response) -> Response {
        Response {
            from: self.conf_uri.clone(),
            to: self.from.clone(),
            ..response
        }
    }
}

impl Focus {
    /// The connection a dialog is, if it is one.
    pub(super) fn attendance_of(&self, id: InviteId) -> Option<EndpointId> {
        let endpoint = self.endpoint_of(id)?;
        self.attendances.contains_key(&endpoint).then_some(endpoint)
    }

    /// The connection of a user with this name: names are a user's own (CB-063).
    pub(super) fn attendance_named(&self, user: UserId, entity: &str) -> Option<EndpointId> {
        let user = self.roster.user(user)?;
        let named = |id: &&EndpointId| {
            let attendance = self.attendances.get(*id);
            attendance.is_some_and(|attendance| attendance.entity == entity)
        };
        user.endpoints.iter().find(named).copied()
    }

    /// Whether a user is connected to the focus.
    pub(super) fn participates(&self, user: UserId) -> bool {
        let user = self.roster.user(user);
        let mut endpoints = user.into_iter().flat_map(|user| &user.endpoints);
        endpoints.any(|id| self.attendances.contains_key(id))
    }

    /// Whether a user is in the conference, with whatever (as opposed to in the lobby).
    pub(super) fn is_inside(&self, user: UserId) -> bool {
        let inside = |id: &EndpointId| {
            let status = self.roster.endpoint(*id).map(|endpoint| endpoint.status);
            status == Some(EndpointStatus::Connected)
        };
        let user = self.roster.user(user);
        user.is_some_and(|user| user.endpoints.iter().any(inside))
    }

    /// In the conference from here on: at once, or out of the lobby.
    pub(super) fn connect_attendance(&mut self, now: Instant, endpoint: EndpointId) {
        self.roster
            .set_status(now, endpoint, EndpointStatus::Connected);
        if let Some(user) = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user) {
            self.event(ConferenceEvent::Joined { endpoint, user });
            self.note_lead(now);
        }
    }

    /// Takes a connection to the focus out of the conference. The rest of the user stays
    /// (CB-061, CB-124). `over`: the dialog is over already.
    pub(super) fn end_attendance(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        reason: &DisconnectReason,
        over: bool,
    ) {
        let Some(attendance) = self.attendances.remove(&endpoint) else {
            return;
        };
        self.end_subscriptions_of(attendance.user, endpoint, reason);
        for undertaking in &attendance.undertakings {
            drop(self.forget_undertaking(*undertaking));
        }
        if over {
            self.by_invite.remove(&attendance.invite);
        } else {
            self.sip(SipAction::Bye {
                id: attendance.invite,
                reason: words(reason).into(),
                headers: diagnostics(reason, &self.settings.agent),
            });
        }
        self.settings.metrics.participants.dec();
        self.note_departure(attendance.user, attendance.entity, reason);
        let (quality, source) = (Quality::default(), attendance.peer.source);
        self.leave(now, endpoint, reason, quality, source);
    }

    /// Ends every connection to the focus (CB-071, CB-198).
    pub(super) fn end_attendances(&mut self, now: Instant, reason: &DisconnectReason) {
        let all: Vec<EndpointId> = self.attendances.keys().copied().collect();
        for endpoint in all {
            self.end_attendance(now, endpoint, reason, false);
        }
    }

    /// Whether new things may still begin.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }
}

/// CB-191, CB-198: the value of `Reason` in the BYE to those who know the protocol.
fn words(reason: &DisconnectReason) -> String {
    reason.verdict().map_or_else(
        || reason.header(),
        |verdict| format!("SIP;cause=481;text=\"{}\"", verdict.text),
    )
}
