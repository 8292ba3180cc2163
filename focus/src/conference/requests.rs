//! Requests that are no offers: INFO with digits, OPTIONS, and what is properly refused.

use crate::answer::{self, ACCEPT, ACCEPT_INFO};
use crate::c3p;
use crate::conference::Focus;
use crate::conference::call::SipLeg;
use crate::conference::pending::Purpose;
use crate::output::SipAction;
use crate::picture_update;
use crate::policy::Admission;
use crate::signalled_digit;
use plenum_mcu::control::{Action, EndpointId};
use plenum_sip::endpoint::{Answer, Flow, InviteId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method, Request, StatusCode, Text};
use std::time::Instant;

impl Focus {
    /// RFC 3261 §12.2.2: a request inside a call.
    pub(super) fn handle_in_dialog(
        &mut self,
        now: Instant,
        id: InviteId,
        tx: ServerTxId,
        request: &Request,
    ) {
        if let Some(endpoint) = self.attendance_of(id) {
            self.handle_in_attendance(now, endpoint, tx, request);
            return;
        }
        let call = self.endpoint_of(id).and_then(|endpoint| {
            let call = self.calls.get(&endpoint)?;
            (call.sip != SipLeg::Over).then_some(endpoint)
        });
        let answer = match (call, &request.method) {
            (None, _) => Answer::new(StatusCode::CALL_DOES_NOT_EXIST),
            (Some(endpoint), Method::Info) => self.handle_info(now, endpoint, request),
            (Some(_), _) => answer_without_call(&request.method, &self.settings.agent),
        };
        self.sip(SipAction::Respond { tx, answer });
    }

    /// A request in the dialog of a participant without media.
    fn handle_in_attendance(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        tx: ServerTxId,
        request: &Request,
    ) {
        let answer = match (request.method == Method::Info, c3p::is_carried(request)) {
            (true, true) => {
                self.handle_c3p_info(now, endpoint, tx, request);
                return;
            }
            (true, false) => {
                let mut answer = Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
                answer.headers.push(HeaderName::Accept, ACCEPT_C3P);
                answer
            }
            (false, _) => answer_without_call(&request.method, &self.settings.agent),
        };
        self.sip(SipAction::Respond { tx, answer });
    }

    /// RFC 6086 §4.2.2 and legacy use (§2): digits are understood, an empty INFO is a sign of
    /// life, anything else has no taker here.
    fn handle_info(&mut self, now: Instant, endpoint: EndpointId, request: &Request) -> Answer {
        if request
            .headers
            .has(&HeaderName::from_static("Info-Package"))
        {
            return Answer::new(BAD_INFO_PACKAGE);
        }
        if request.body.is_empty() {
            return Answer::new(StatusCode::OK);
        }
        let media_type = request.headers.content_type().ok().flatten();
        if media_type.as_ref().is_some_and(picture_update::understands) {
            // RFC 5168 §6: whoever asks for something else is told nothing.
            if picture_update::asks(&request.body) {
                self.mcu(now, Purpose::Nothing, Action::Keyframe { endpoint });
            }
            return Answer::new(StatusCode::OK);
        }
        let Some(media_type) = media_type.filter(signalled_digit::understands) else {
            let mut answer = Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            answer.headers.push(HeaderName::Accept, ACCEPT_INFO);
            return answer;
        };
        let peer = self.calls.get(&endpoint).map(|call| &call.peer);
        if peer.is_some_and(|peer| !self.terms_of(peer).dtmf.info) {
            let text = "Keys are not taken by INFO here";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return answer::warn(status, &self.settings.agent, text);
        }
        let Some((digit, duration)) = signalled_digit::read(&media_type, &request.body) else {
            let text = "There is no DTMF digit in the body";
            return answer::warn(StatusCode::BAD_REQUEST, &self.settings.agent, text);
        };
        let action = Action::SignalledDtmf {
            endpoint,
            digit,
            duration,
        };
        self.mcu(now, Purpose::Nothing, action);
        Answer::new(StatusCode::OK)
    }

    /// RFC 3261 §11.2: OPTIONS gets the status an INVITE would get now.
    pub(super) fn handle_request(&mut self, tx: ServerTxId, request: &Request, flow: &Flow) {
        let peer = self.peer_of(request, flow);
        let admission = self.admission(&peer);
        let answer = answer_for(&request.method, admission, &self.settings.agent);
        self.sip(SipAction::Respond { tx, answer });
    }
}

/// The answer to a request outside of calls to a conference that would admit its sender so.
pub(crate) fn answer_for(method: &Method, admission: Admission, agent: &str) -> Answer {
    match (method, admission) {
        (Method::Options, Admission::Refuse(refusal)) => answer::refuse(&refusal, agent),
        (method, Admission::Refuse(_) | Admission::Admit(_) | Admission::Lobby(_)) => {
            answer_without_call(method, agent)
        }
    }
}

/// The answer to a request that needs no call to be answered.
///
/// MESSAGE gets 405 and not 200: as long as there is nobody a text could be shown to, taking it
/// would be a lie to its sender. A SUBSCRIBE or REFER that comes as a plain request is of a package
/// that is not known (RFC 6665 §4.2.1.1), or not understood.
pub(crate) fn answer_without_call(method: &Method, agent: &str) -> Answer {
    match method {
        Method::Options => {
            let mut answer = Answer::new(StatusCode::OK);
            answer.headers.push(HeaderName::Accept, ACCEPT);
            answer
        }
        Method::Subscribe => Answer::new(StatusCode::BAD_EVENT),
        Method::Notify | Method::Benotify => {
            let text = "There is no subscription for this";
            answer::warn(StatusCode::CALL_DOES_NOT_EXIST, agent, text)
        }
        Method::Info
        | Method::Bye
        | Method::Ack
        | Method::Cancel
        | Method::Prack
        | Method::Update => Answer::new(StatusCode::CALL_DOES_NOT_EXIST),
        Method::Message => {
            let text = "There is no text chat in this conference";
            allowing(answer::warn(StatusCode::METHOD_NOT_ALLOWED, agent, text))
        }
        Method::Refer | Method::Register | Method::Publish | Method::Service | Method::Invite => {
            allowing(Answer::new(StatusCode::METHOD_NOT_ALLOWED))
        }
        Method::Extension(_) => Answer::new(StatusCode::NOT_IMPLEMENTED),
    }
}

/// RFC 3261 §21.4.6: a 405 says what is allowed.
fn allowing(mut answer: Answer) -> Answer {
    answer.headers.push(HeaderName::Allow, ALLOW);
    answer
}

/// The methods a focus has an answer for.
const ALLOW: Text =
    Text::from_static("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE, REFER");

/// What an INFO of a participant without media carries (CB-005).
const ACCEPT_C3P: Text = Text::from_static(c3p::MEDIA_TYPE);

/// RFC 6086 §4.3.
const BAD_INFO_PACKAGE: StatusCode = match StatusCode::new(469) {
    Some(status) => status,
    None => StatusCode::BAD_REQUEST,
};
