//! Joining by C3P: an INVITE with an addUser body makes a connection to the focus
//! (MS-CONFBAS §3.2.4.2, §3.2.5.2; CB-016 to CB-050).
//!
//! # Decisions
//! * A conference with a PIN lets nobody join by C3P whose identity is not believed, unless they
//!   have proved to know it (CB-055, CB-058): whoever routes INVITEs here asks, see
//!   [`crate::key_door`].
//! * A second endpoint of somebody inside takes no place and is not held up by a lock (CB-036).
//! * Nobody can join as a user that somebody else is (CB-025): 403.

use crate::access::Identity;
use crate::answer;
use crate::c3p::{
    AddUser, AddUserForm, Command, Context, MEDIA_TYPE, Request as C3pRequest, read_request,
    same_uri,
};
use crate::caller::{self, Peer};
use crate::conference::Focus;
use crate::conference::attendance::{Attendance, DialogSecret};
use crate::disconnect::DisconnectReason;
use crate::info::{Endpoint, Role};
use crate::output::{ConferenceEvent, SipAction};
use crate::pin_guard::PinOutcome;
use crate::policy::Admission;
use crate::refusal::Refusal;
use crate::roster::{EndpointStatus, JoiningMethod, SessionType};
use bytes::Bytes;
use plenum_mcu::control::EndpointId;
use plenum_sip::endpoint::{Accept, Answer, Body, InviteId, ServerTxId};
use plenum_sip::msg::{Contacts, HeaderName, NameAddr, Request, StatusCode, Text};
use std::collections::BTreeSet;
use std::time::Instant;

/// The media type of C3P.
const CCCP: Text = Text::from_static(MEDIA_TYPE);

/// Why a join is refused, with its status.
#[derive(Debug)]
pub(super) enum NotJoined {
    /// 400: the header fields or the body are wrong (CB-035).
    Malformed(String),
    /// 413: the body is larger than is read.
    TooLarge,
    /// 403: policy (CB-033), or on behalf of somebody else without saying so (CB-037).
    Forbidden(&'static str),
    /// 603: no place left (CB-036).
    Full,
    /// As any other caller.
    Refused(Refusal),
}

impl Focus {
    /// An INVITE whose body is C3P.
    pub(super) fn handle_c3p_invite(
        &mut self,
        now: Instant,
        id: InviteId,
        peer: Peer,
        request: &Request,
    ) {
        if let (Some(_), Some(source)) = (&self.record.pin, peer.source) {
            let outcome = if peer.key {
                PinOutcome::Right
            } else {
                PinOutcome::Wrong(0)
            };
            self.tell_guard(source, outcome, false);
        }
        let outcome = self
            .read_c3p(request)
            .and_then(|body| self.consider_c3p(now, id, peer.clone(), request, &body));
        if let Err(why) = outcome {
            let answer = self.refuse_join(why, &peer);
            self.sip(SipAction::Reject { id, answer });
        }
    }

    /// CB-022 to CB-024, CB-032: the body, in agreement with the message around it.
    fn read_c3p(&self, request: &Request) -> Result<C3pRequest, NotJoined> {
        if request.body.len() > self.settings.limits.control.c3p.octets {
            return Err(NotJoined::TooLarge);
        }
        let malformed = |error: &dyn std::fmt::Display| NotJoined::Malformed(error.to_string());
        let body = read_request(&request.body, &self.settings.limits.control.c3p)
            .map_err(|error| malformed(&error.defect))?;
        let from = request.headers.from().map_err(|error| malformed(&error))?;
        let to = request.headers.to().map_err(|error| malformed(&error))?;
        if !self.is_ours(&to.uri) {
            return Err(malformed(&"To is not the conference-URI"));
        }
        let (from, to) = (from.uri.to_string(), to.uri.to_string());
        let context = Context {
            from: &from,
            to: &to,
        };
        body.check(&context).map_err(|fault| malformed(&fault))?;
        // CB-017.
        match request.headers.contacts() {
            Ok(Contacts::List(contacts)) if !contacts.is_empty() => Ok(body),
            Ok(Contacts::List(_) | Contacts::Star) | Err(_) => Err(malformed(&"no Contact")),
        }
    }

    fn consider_c3p(
        &mut self,
        now: Instant,
        id: InviteId,
        peer: Peer,
        request: &Request,
        body: &C3pRequest,
    ) -> Result<(), NotJoined> {
        match &body.command {
            Command::AddUser(add) if add.form() == AddUserForm::Join => {
                self.join(now, id, peer, request, body, add)
            }
            Command::EndorseUser(endorse) => self.endorse(now, id, &peer, request, body, endorse),
            Command::AddUser(_)
            | Command::ModifyUserRoles(_)
            | Command::ModifyConferenceLock(_)
            | Command::DeleteUser(_)
            | Command::DeleteConference(_)
            | Command::GetConference(_)
            | Command::SetLobbyAccess(_)
            | Command::ModifyEndpoint(_)
            | Command::ModifyConferenceAnnouncements(_)
            | Command::ModifyConference(_)
            | Command::AddEndpointMedia(_)
            | Command::ModifyEndpointMedia(_)
            | Command::DeleteEndpointMedia(_)
            | Command::ModifyUser(_)
            | Command::ModifyUsersMediaFilters(_)
            | Command::Unsupported(_) => Err(NotJoined::Malformed(
                "an INVITE takes addUser or endorseUser".into(),
            )),
        }
    }

    fn join(
        &mut self,
        now: Instant,
        id: InviteId,
        peer: Peer,
        request: &Request,
        body: &C3pRequest,
        add: &AddUser,
    ) -> Result<(), NotJoined> {
        let missing = || NotJoined::Malformed("no endpoint".into());
        let asked = add.endpoint().ok_or_else(missing)?;
        on_behalf_of(request, asked)?;
        if self.record.pin.is_some() && peer.identity == Identity::Anonymous && !peer.key {
            return Err(NotJoined::Forbidden("This conference asks for a PIN"));
        }
        let (role, status) = self.join_admission(&peer)?;
        let replaced = self.room_for(&peer, &asked.entity)?;
        let attendance = attendance(id, peer, request, body, asked);
        let endpoint = self.attend(now, attendance, role, status, add.user.display_text.clone());
        if let Some(earlier) = replaced {
            self.end_attendance(now, earlier, &DisconnectReason::Replaced, false);
        }
        self.accept_c3p(id, self.joined_body(endpoint, body, add));
        self.waiting_event(endpoint, status);
        Ok(())
    }

    /// CB-033, CB-036, CB-259: in, into the lobby, or not.
    fn join_admission(&self, peer: &Peer) -> Result<(Role, EndpointStatus), NotJoined> {
        let known = self.roster.user_of(peer);
        if let Some(user) = known.filter(|user| self.is_inside(user.id) && self.is_active()) {
            return Ok((user.role, EndpointStatus::Connected));
        }
        match self.admission(peer) {
            Admission::Admit(role) => Ok((role, EndpointStatus::Connected)),
            Admission::Lobby(role) => Ok((role, EndpointStatus::OnHold)),
            Admission::Refuse(Refusal::Full) => Err(NotJoined::Full),
            Admission::Refuse(refusal) => Err(NotJoined::Refused(refusal)),
        }
    }

    /// CB-060 to CB-063: how many endpoints a user may have, and whose a name is. The one that is
    /// replaced, if there is one of the same name.
    fn room_for(&self, peer: &Peer, entity: &str) -> Result<Option<EndpointId>, NotJoined> {
        let Some(user) = self.roster.user_of(peer) else {
            let taken = peer.aor.as_deref().map(caller::entity);
            let taken = taken.and_then(|entity| self.roster.by_entity(&entity));
            return match taken {
                Some(_) if !peer.trusted => Err(NotJoined::Forbidden("That user is here already")),
                Some(_) | None => Ok(None),
            };
        };
        let replaced = self.attendance_named(user.id, entity);
        let ours = user.endpoints.iter();
        let at_focus = ours.filter(|id| self.attendances.contains_key(id)).count();
        let most = self.settings.limits.control.focus_endpoints_per_user;
        if replaced.is_none() && at_focus >= most {
            return Err(NotJoined::Forbidden("Too many endpoints of one user"));
        }
        Ok(replaced)
    }

    fn attend(
        &mut self,
        now: Instant,
        mut attendance: Attendance,
        role: Role,
        status: EndpointStatus,
        display: Option<String>,
    ) -> EndpointId {
        let endpoint = self.next_endpoint();
        let peer = attendance.peer.clone();
        let (session, joining) = (SessionType::Focus, JoiningMethod::DialedIn);
        let user = self
            .roster
            .admit(endpoint, &peer, session, joining, role, now);
        if let Some(display) = display {
            self.roster.set_display(user, display);
        }
        attendance.user = user;
        self.by_invite.insert(attendance.invite, endpoint);
        self.attendances.insert(endpoint, attendance);
        self.founded = true;
        self.visited = true;
        self.settings.metrics.participants.inc();
        self.timers.set(crate::timer::Timer::Grace, None);
        self.event(ConferenceEvent::Admitted {
            endpoint,
            user,
            aor: peer.aor,
            source: peer.source,
            joining,
        });
        match status {
            EndpointStatus::Connected => self.connect_attendance(now, endpoint),
            EndpointStatus::Pending
            | EndpointStatus::DialingOut
            | EndpointStatus::Alerting
            | EndpointStatus::OnHold
            | EndpointStatus::Disconnecting => self.roster.set_status(now, endpoint, status),
        }
        endpoint
    }

    fn waiting_event(&mut self, endpoint: EndpointId, status: EndpointStatus) {
        let user = self.roster.endpoint(endpoint).map(|endpoint| endpoint.user);
        if let (Some(user), EndpointStatus::OnHold) = (user, status) {
            self.event(ConferenceEvent::Waiting { endpoint, user });
        }
    }

    /// CB-041 to CB-049: the role that was granted, whatever was asked for; no endpoint.
    fn joined_body(&self, endpoint: EndpointId, body: &C3pRequest, add: &AddUser) -> Body {
        let granted = add.granted(self.role_of(endpoint));
        c3p_body(body.success(granted).to_octets())
    }

    /// CB-038, CB-040, CB-042: 200, without a session, and the participant refreshes it.
    pub(super) fn accept_c3p(&mut self, id: InviteId, body: Body) {
        let accept = Accept {
            body: Some(body),
            contact: Some(self.contact()),
            no_session: true,
            peer_refreshes: true,
            ..Accept::default()
        };
        self.sip(SipAction::Accept { id, accept });
    }

    fn refuse_join(&mut self, why: NotJoined, peer: &Peer) -> Answer {
        self.settings.metrics.refused_joins.inc();
        let agent = &self.settings.agent;
        match why {
            NotJoined::Malformed(text) => {
                answer::warn(StatusCode::BAD_REQUEST, agent, &quotable(&text))
            }
            NotJoined::TooLarge => answer::warn(
                StatusCode::REQUEST_ENTITY_TOO_LARGE,
                agent,
                "The body is too large",
            ),
            NotJoined::Forbidden(text) => answer::warn(StatusCode::FORBIDDEN, agent, text),
            NotJoined::Full => answer::warn(StatusCode::DECLINE, agent, "This conference is full"),
            NotJoined::Refused(refusal) => {
                self.settings.metrics.refused(&refusal);
                let answer = answer::refuse(&refusal, agent);
                let source = peer.source;
                self.event(ConferenceEvent::Refused { source, refusal });
                answer
            }
        }
    }

    /// CB-064, CB-067: an UPDATE, or a re-INVITE with the same body, changes nothing and keeps the
    /// dialog alive.
    pub(super) fn refresh_attendance(
        &mut self,
        endpoint: EndpointId,
        tx: ServerTxId,
        octets: Option<&Bytes>,
    ) {
        let mut answer = Answer::new(StatusCode::OK);
        if let Some(octets) = octets.filter(|octets| !octets.is_empty()) {
            let read = read_request(octets, &self.settings.limits.control.c3p);
            if let Ok(body) = &read
                && let Command::AddUser(add) = &body.command
            {
                answer.body = Some(self.joined_body(endpoint, body, add));
            } else {
                let text = match &read {
                    Ok(body) => format!("{} has no place here", quotable(body.command.name())),
                    Err(error) => quotable(&error.defect.to_string()),
                };
                answer = answer::warn(StatusCode::BAD_REQUEST, &self.settings.agent, &text);
            }
        }
        self.sip(SipAction::RespondModify { tx, answer });
    }
}

/// CB-029, CB-037: who joins on behalf of somebody else says so in the header, too.
fn on_behalf_of(request: &Request, asked: &Endpoint) -> Result<(), NotJoined> {
    let Some(principal) = &asked.session_on_behalf_of else {
        return Ok(());
    };
    let header = request.headers.get(&HeaderName::from_static(ON_BEHALF_OF));
    let said = header.and_then(|value| NameAddr::parse(value).ok());
    match said {
        Some(said) if same_uri(&said.uri.to_string(), principal) => Ok(()),
        Some(_) | None => Err(NotJoined::Forbidden(
            "P-Session-On-Behalf-Of does not say so",
        )),
    }
}

fn attendance(
    invite: InviteId,
    peer: Peer,
    request: &Request,
    body: &C3pRequest,
    asked: &Endpoint,
) -> Attendance {
    let headers = &request.headers;
    let from = headers.from().ok();
    let contact = match headers.contacts() {
        Ok(Contacts::List(contacts)) => contacts.into_iter().next(),
        Ok(Contacts::Star) | Err(_) => None,
    };
    let gruu = contact
        .as_ref()
        .filter(|contact| contact.uri.param("gruu").is_some());
    let tag = from.as_ref().and_then(NameAddr::tag);
    Attendance {
        invite,
        user: crate::roster::UserId(0),
        peer,
        from: body.from.clone(),
        conf_uri: body.to.clone(),
        entity: asked.entity.clone(),
        on_behalf_of: asked.session_on_behalf_of.clone(),
        client_info: asked.client_info.clone(),
        recording: asked.client_recording,
        epid: from.and_then(|from| from.params.get_unquoted("epid")),
        sip_instance: contact
            .as_ref()
            .and_then(|contact| contact.params.get_unquoted("+sip.instance")),
        endpoint_uri: gruu
            .map(|contact| contact.uri.to_string())
            .or_else(|| asked.endpoint_uri.clone()),
        dialog: DialogSecret {
            call_id: headers
                .call_id()
                .map(|id| id.to_string())
                .unwrap_or_default(),
            remote_tag: tag.map(|tag| tag.to_string()).unwrap_or_default(),
            local_tag: None,
        },
        undertakings: BTreeSet::new(),
    }
}

pub(super) fn c3p_body(octets: Vec<u8>) -> Body {
    Body {
        content_type: CCCP,
        octets: octets.into(),
    }
}

/// What a quoted string of a Warning can hold.
pub(super) fn quotable(text: &str) -> String {
    let quotable = |c: char| {
        if c == '"' || c == '\\' || c.is_control() {
            '\''
        } else {
            c
        }
    };
    text.chars().take(200).map(quotable).collect()
}

const ON_BEHALF_OF: &str = "P-Session-On-Behalf-Of";
