//! Modifying a session that stands: RFC 3264 §8, RFC 3261 §14.2, RFC 3311 §5.2.

use crate::answer;
use crate::conference::Focus;
use crate::conference::call::SipLeg;
use crate::conference::pending::Purpose;
use crate::disconnect::DisconnectReason;
use crate::joining::{State, WhoOffered};
use crate::output::SipAction;
use crate::refusal::Refusal;
use crate::session_description;
use bytes::Bytes;
use plenum_mcu::control::{Action, EndpointId, McuError};
use plenum_sip::endpoint::{Answer, Body, InviteId, ServerTxId};
use plenum_sip::msg::{Method, StatusCode};
use std::time::Instant;

/// An offer/answer exchange the peer started in a call that stands.
#[derive(Debug)]
pub(crate) enum Renegotiation {
    /// None is under way.
    Idle,
    /// The mixer works on it.
    Asked {
        /// The request to answer; `None` when nobody waits for an answer.
        tx: Option<ServerTxId>,
        /// The request had the offer; else the mixer makes one.
        offer_given: bool,
        /// What the mixer made.
        sdp: Option<Bytes>,
    },
    /// The 200 had our offer; the ACK has the answer.
    Unacknowledged,
    /// The mixer works on the answer.
    Settling,
}

impl Focus {
    /// RFC 3261 §14.2, RFC 3311 §5.2: one exchange at a time; an UPDATE without an offer is a
    /// session refresh and needs nobody's opinion.
    pub(super) fn handle_modify(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ServerTxId,
        method: &Method,
        body: Option<&Body>,
    ) {
        if let Some(endpoint) = self.attendance_of(id) {
            self.refresh_attendance(endpoint, tx, body.map(|body| &body.octets));
            return;
        }
        let answer = match self.begin_modify(now, id, tx, method, body) {
            Ok(None) => return,
            Ok(Some(answer)) => answer,
            Err(refusal) => answer::refuse(&refusal, &self.settings.agent),
        };
        self.sip(SipAction::RespondModify { tx, answer });
    }

    fn begin_modify(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ServerTxId,
        method: &Method,
        body: Option<&Body>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(endpoint) = self.endpoint_of(id) else {
            return Ok(Some(Answer::new(StatusCode::CALL_DOES_NOT_EXIST)));
        };
        let offer = session_description::of_body(body)?;
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return Err(Refusal::Fault);
        };
        if !matches!(call.sip, SipLeg::Answered(_)) {
            return Ok(Some(Answer::new(StatusCode::CALL_DOES_NOT_EXIST)));
        }
        if offer.is_none() && *method == Method::Update {
            return Ok(Some(Answer::new(StatusCode::OK)));
        }
        let first_exchange = matches!(
            call.state,
            State::Settling | State::HandingOver(_) | State::Unacknowledged(WhoOffered::Focus)
        );
        if first_exchange || !matches!(call.renegotiation, Renegotiation::Idle) {
            return Ok(Some(Answer::new(StatusCode::REQUEST_PENDING)));
        }
        let offer_given = offer.is_some();
        call.renegotiation = Renegotiation::Asked {
            tx: Some(tx),
            offer_given,
            sdp: None,
        };
        self.mcu(
            now,
            Purpose::Renegotiate(endpoint),
            Action::Renegotiate { endpoint, offer },
        );
        Ok(None)
    }

    /// RFC 4028 §7.4: the answer to a session refresh of the endpoint's own is different from the
    /// last one. For the mixer that is an offer whose answer nobody waits for.
    pub(super) fn handle_refreshed(&mut self, now: Instant, id: InviteId, sdp: Bytes) {
        let Some(endpoint) = self.endpoint_of(id) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        if !matches!(call.renegotiation, Renegotiation::Idle)
            || !matches!(call.sip, SipLeg::Answered(_))
        {
            return;
        }
        call.renegotiation = Renegotiation::Asked {
            tx: None,
            offer_given: true,
            sdp: None,
        };
        let action = Action::Renegotiate {
            endpoint,
            offer: Some(sdp),
        };
        self.mcu(now, Purpose::Renegotiate(endpoint), action);
    }

    /// The mixer's answer or offer for the exchange, if there is one; else gives it back.
    pub(super) fn describe_renegotiation(
        &mut self,
        endpoint: EndpointId,
        described: Bytes,
    ) -> Option<Bytes> {
        match self
            .calls
            .get_mut(&endpoint)
            .map(|call| &mut call.renegotiation)
        {
            Some(Renegotiation::Asked { sdp, .. }) => {
                *sdp = Some(described);
                None
            }
            Some(Renegotiation::Idle | Renegotiation::Unacknowledged | Renegotiation::Settling)
            | None => Some(described),
        }
    }

    /// RFC 3261 §14.2: a session that cannot be modified stays as it was, and the answer is 488.
    pub(super) fn handle_renegotiated(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        result: Result<(), McuError>,
    ) {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        match std::mem::replace(&mut call.renegotiation, Renegotiation::Idle) {
            Renegotiation::Asked {
                tx: Some(tx),
                offer_given,
                sdp,
            } => {
                if result.is_ok() && sdp.is_some() && !offer_given {
                    call.renegotiation = Renegotiation::Unacknowledged;
                }
                let answer = self.modify_answer(result, sdp);
                self.sip(SipAction::RespondModify { tx, answer });
            }
            Renegotiation::Settling => {
                if let Err(error) = result {
                    let refusal = Refusal::from_mcu(error, self.settings.limits.retry_after);
                    self.release(now, endpoint, DisconnectReason::Refused(refusal));
                }
            }
            Renegotiation::Asked { tx: None, .. }
            | Renegotiation::Idle
            | Renegotiation::Unacknowledged => {}
        }
    }

    /// RFC 3261 §14.2, RFC 6337 §2.2: the ACK of a re-INVITE whose 200 had our offer has the
    /// answer. `false`: no such ACK was awaited.
    pub(super) fn acknowledge_renegotiation(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        sdp: Option<&Bytes>,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return false;
        };
        if !matches!(call.renegotiation, Renegotiation::Unacknowledged) {
            return false;
        }
        match sdp {
            Some(answer) => {
                call.renegotiation = Renegotiation::Settling;
                let action = Action::Answer {
                    endpoint,
                    answer: answer.clone(),
                };
                self.mcu(now, Purpose::Renegotiate(endpoint), action);
            }
            None => self.release(now, endpoint, DisconnectReason::NoAnswerSdp),
        }
        true
    }

    /// A call is on its way out while its peer waits for an answer.
    pub(super) fn abandon_renegotiation(&mut self, endpoint: EndpointId) {
        let Some(call) = self.calls.get_mut(&endpoint) else {
            return;
        };
        let before = std::mem::replace(&mut call.renegotiation, Renegotiation::Idle);
        if let Renegotiation::Asked { tx: Some(tx), .. } = before {
            let answer = Answer::new(StatusCode::REQUEST_TERMINATED);
            self.sip(SipAction::RespondModify { tx, answer });
        }
    }

    fn modify_answer(&self, result: Result<(), McuError>, sdp: Option<Bytes>) -> Answer {
        let refusal = match (result, sdp) {
            (Ok(()), Some(sdp)) => {
                let mut answer = Answer::new(StatusCode::OK);
                answer.body = Some(session_description::body(sdp));
                return answer;
            }
            (Ok(()), None) => Refusal::Fault,
            (Err(error), _) => Refusal::from_mcu(error, self.settings.limits.retry_after),
        };
        self.settings.metrics.refused(&refusal);
        answer::refuse(&refusal, &self.settings.agent)
    }
}
