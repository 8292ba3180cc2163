//! Commands by INFO (MS-CONFBAS §3.5; CB-144 to CB-175).
//!
//! ```text
//! INFO ─► 202, or a refusal that changes nothing
//!          └─► one undertaking ─► pending every 28 s ─► success or failure, by INFO of our own
//! ```
//!
//! | file | what it decides |
//! |---|---|
//! | `undertaking` | commands that are not answered yet |
//! | `of_user` | addUser, deleteUser, modifyUser, modifyUserRoles, setLobbyAccess, modifyEndpoint |
//! | `of_audio` | taking somebody's audio out and bringing it back |
//! | `of_conference` | lock, end, roster, announcements, rules of the mixer |
//! | `of_media` | who hears and is heard |
//! | `of_video` | who sees and is seen |
//! | `of_slides` | who may show slides |
//!
//! # Decisions
//! * What cannot be read or contradicts the message around it is answered by 202 and a C3P failure
//!   if it can be addressed at all, else by 400 (CB-145, CB-148, CB-160).
//! * A mixer that the conference does not have is a 603 before the 202 (CB-170, trap 26).
//! * A mixer that is not there at the moment is a 503 with `Retry-After` (CB-171).
//! * A command to the conference as a whole is answered by what the focus did; mixers are told and
//!   report what they do (CB-169).

mod of_audio;
mod of_conference;
mod of_media;
mod of_slides;
mod of_user;
mod of_video;
mod undertaking;

pub(crate) use undertaking::{Undertaking, is_undertaking};

use crate::answer;
use crate::authorization::{Party, Scope, may};
use crate::c3p::{
    AddUserForm, Command, CommandReason, Context, Diagnostics, Reason, Request as C3pRequest,
    Response, ResultBody, read_request, same_conference,
};
use crate::conference::Focus;
use crate::conference::join::{c3p_body, quotable};
use crate::disconnect::DisconnectReason;
use crate::output::{McuType, SipAction};
use crate::roster::{EndpointStatus, UserId};
use plenum_mcu::control::EndpointId;
use plenum_sip::endpoint::{Answer, ServerTxId};
use plenum_sip::msg::{Request, StatusCode};
use std::time::Instant;

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The sender may not (CB-163, CB-164).
    Unauthorized,
    /// For a reason that says everything.
    Reason(Reason),
    /// For a reason of the command.
    Command(CommandReason),
}

/// How far a command got at once.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done.
    Done(ResultBody),
    /// It is decided, and done when the sender has been told: it may concern the sender.
    DoneThen(ResultBody, After),
    /// It is being worked on, in so many parts; the result when all are done.
    UnderWay(ResultBody, usize),
}

/// What is done when the sender has been told.
#[derive(Debug)]
pub(crate) enum After {
    /// A user is removed, with everything (CB-188 to CB-195).
    Remove(UserId),
    /// The conference ends (CB-198).
    End,
}

/// What an INFO cannot be taken for.
enum NotTaken {
    /// It is refused.
    Refused(Box<Answer>),
    /// It is taken, and answered by a failure.
    Failed(Box<Response>),
}

impl Focus {
    /// An INFO with C3P in the dialog of a participant.
    pub(in crate::conference) fn handle_c3p_info(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        tx: ServerTxId,
        request: &Request,
    ) {
        let taken = self.take_command(endpoint, request);
        let answer = match &taken {
            Err(NotTaken::Refused(answer)) => Answer::clone(answer),
            Err(NotTaken::Failed(_)) | Ok(_) => Answer::new(StatusCode::ACCEPTED),
        };
        self.sip(SipAction::Respond { tx, answer });
        if taken.is_err() {
            self.settings.metrics.refused_commands.inc();
        }
        match taken {
            Ok(body) => self.carry_out(now, endpoint, body),
            Err(NotTaken::Failed(response)) => self.inform(endpoint, &response),
            Err(NotTaken::Refused(_)) => {}
        }
    }

    /// CB-144 to CB-148, CB-160, CB-170: read, in agreement, and for a mixer that is there.
    fn take_command(
        &self,
        endpoint: EndpointId,
        request: &Request,
    ) -> Result<C3pRequest, NotTaken> {
        let agent = &self.settings.agent;
        let refuse =
            |status, text: &str| NotTaken::Refused(Box::new(answer::warn(status, agent, text)));
        let attendance = self.attendances.get(&endpoint);
        let Some(attendance) = attendance else {
            return Err(refuse(StatusCode::CALL_DOES_NOT_EXIST, "Not a participant"));
        };
        let status = self.roster.endpoint(endpoint).map(|it| it.status);
        if status != Some(EndpointStatus::Connected) || !self.is_active() {
            return Err(refuse(StatusCode::FORBIDDEN, "Not in the conference"));
        }
        let limits = &self.settings.limits.control;
        let body = read_request(&request.body, &limits.c3p).map_err(|malformed| {
            malformed.response().map_or_else(
                || {
                    refuse(
                        StatusCode::BAD_REQUEST,
                        &quotable(&malformed.defect.to_string()),
                    )
                },
                |response| NotTaken::Failed(Box::new(attendance.address(response))),
            )
        })?;
        let context = Context {
            from: &attendance.from,
            to: &attendance.conf_uri,
        };
        if body.check(&context).is_err() {
            let malformed = body.failure(Reason::RequestMalformed, None);
            return Err(NotTaken::Failed(Box::new(attendance.address(malformed))));
        }
        if body
            .command
            .mcu_uri()
            .is_some_and(|uri| self.mcu_named(uri).is_none())
        {
            let text = "The conference has no such MCU";
            return Err(refuse(StatusCode::DECLINE, text));
        }
        if body.command.mcu_uri().is_some() && !self.mixer_is_up() {
            let answer = answer::refuse(&self.no_mixer(), agent);
            return Err(NotTaken::Refused(Box::new(answer)));
        }
        if attendance.undertakings.len() >= limits.commands_per_participant {
            let busy = body.failure(Reason::ServerBusy, None);
            return Err(NotTaken::Failed(Box::new(busy)));
        }
        Ok(body)
    }

    /// The mixer a URI of the conference means.
    pub(super) fn mcu_named(&self, uri: &str) -> Option<McuType> {
        let named = |mcu: &McuType| same_conference(&self.uris.mcu(*mcu), uri);
        McuType::ALL.into_iter().find(named)
    }

    fn carry_out(&mut self, now: Instant, endpoint: EndpointId, request: C3pRequest) {
        let id = self.next_undertaking();
        let outcome = self
            .authorize(endpoint, &request)
            .and_then(|()| self.perform(now, endpoint, id, &request));
        let responder = request.command.mcu_uri().map(ToOwned::to_owned);
        let metrics = &self.settings.metrics;
        match &outcome {
            Ok(_) => metrics.commands.inc(),
            Err(_) => metrics.refused_commands.inc(),
        };
        match outcome {
            Ok(Outcome::Done(result)) => self.succeed(endpoint, &request, responder, result),
            Ok(Outcome::DoneThen(result, after)) => {
                self.succeed(endpoint, &request, responder, result);
                match after {
                    After::Remove(user) => self.remove_user(now, user),
                    After::End => {
                        self.begin_farewell(now, None, DisconnectReason::ConferenceEnded);
                    }
                }
            }
            Ok(Outcome::UnderWay(result, parts)) => {
                let undertaking = Undertaking {
                    endpoint,
                    request,
                    responder,
                    result,
                    parts,
                    failure: None,
                };
                self.undertake(now, id, undertaking);
            }
            Err(failure) => self.fail(endpoint, &request, responder, &failure),
        }
    }

    /// CB-162 to CB-166.
    fn authorize(&self, endpoint: EndpointId, request: &C3pRequest) -> Result<(), Failure> {
        let party = Party::first_if(request.is_first_party());
        let scope = match &request.command {
            Command::ModifyUserRoles(_) => Scope::RoleOf(party),
            Command::ModifyUser(command) if self.changes_role(command) => Scope::RoleOf(party),
            Command::SetLobbyAccess(_) => Scope::Lobby,
            Command::AddUser(_)
            | Command::EndorseUser(_)
            | Command::DeleteUser(_)
            | Command::ModifyEndpoint(_)
            | Command::AddEndpointMedia(_)
            | Command::ModifyEndpointMedia(_)
            | Command::DeleteEndpointMedia(_)
            | Command::ModifyUser(_) => Scope::User(party),
            Command::ModifyConferenceLock(_)
            | Command::DeleteConference(_)
            | Command::GetConference(_)
            | Command::ModifyConferenceAnnouncements(_)
            | Command::ModifyConference(_)
            | Command::ModifyUsersMediaFilters(_) => Scope::Conference,
            Command::Unsupported(_) => return Err(Failure::Reason(Reason::NotSupported)),
        };
        may(self.role_of(endpoint), scope).map_err(|_| Failure::Unauthorized)
    }

    fn perform(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        id: u64,
        request: &C3pRequest,
    ) -> Result<Outcome, Failure> {
        match &request.command {
            Command::AddUser(add) => match add.form() {
                AddUserForm::Join => Err(Failure::Reason(Reason::RequestMalformed)),
                AddUserForm::DialIn => self.dial_in(endpoint, add),
                AddUserForm::DialOut => self.dial_out_user(now, endpoint, id, add),
            },
            Command::ModifyUserRoles(command) => self.modify_user_roles(now, command),
            Command::DeleteUser(command) => self.delete_user(command),
            Command::SetLobbyAccess(command) => Ok(self.set_lobby_access(now, command)),
            Command::ModifyEndpoint(command) => self.modify_endpoint(now, endpoint, command),
            Command::ModifyConferenceLock(command) => self.modify_lock(command),
            Command::DeleteConference(keys) => Ok(Outcome::DoneThen(
                ResultBody::DeleteConference(Some(keys.conf_entity.clone())),
                After::End,
            )),
            Command::GetConference(command) => self.get_conference(command),
            Command::ModifyConferenceAnnouncements(command) => {
                Ok(self.modify_announcements(command))
            }
            Command::ModifyConference(command) => self.modify_conference(now, command),
            Command::ModifyEndpointMedia(command) => {
                self.modify_endpoint_media(now, endpoint, id, command)
            }
            Command::ModifyUsersMediaFilters(command) => {
                Ok(self.modify_users_media_filters(now, id, command))
            }
            Command::AddEndpointMedia(command) => {
                self.add_endpoint_media(now, endpoint, id, command)
            }
            Command::DeleteEndpointMedia(command) => {
                self.delete_endpoint_media(now, endpoint, id, command)
            }
            Command::ModifyUser(command) => self.modify_user(now, command),
            // endorseUser comes by INVITE only (CB-248).
            Command::EndorseUser(_) | Command::Unsupported(_) => {
                Err(Failure::Reason(Reason::NotSupported))
            }
        }
    }

    pub(super) fn succeed(
        &mut self,
        endpoint: EndpointId,
        request: &C3pRequest,
        responder: Option<String>,
        result: ResultBody,
    ) {
        let response = request.success(result);
        self.inform(
            endpoint,
            &Response {
                responder,
                ..response
            },
        );
    }

    /// CB-172, CB-173, traps 24 and 25.
    pub(super) fn fail(
        &mut self,
        endpoint: EndpointId,
        request: &C3pRequest,
        responder: Option<String>,
        failure: &Failure,
    ) {
        let mut response = match failure {
            Failure::Unauthorized => {
                let source = self.settings.host.to_string();
                let diagnostics = Diagnostics::public(UNAUTHORIZED, UNAUTHORIZED_TEXT, &source);
                // CB-234: one command has a word of its own for it.
                let command = if matches!(&request.command, Command::SetLobbyAccess(_)) {
                    CommandReason::NotAuthorized
                } else {
                    CommandReason::OtherFailure
                };
                request.failed(Reason::Unauthorized, command, diagnostics)
            }
            Failure::Reason(reason) => request.failure(*reason, None),
            Failure::Command(reason) => {
                let diagnostics = Diagnostics::default();
                request.failed(Reason::OtherFailure, *reason, diagnostics)
            }
        };
        if let Some(result) = &mut response.result
            && let ResultBody::ModifyConferenceLock(lock) = &mut result.body
        {
            // CB-184.
            lock.locked = Some(self.access.locked);
        }
        self.inform(
            endpoint,
            &Response {
                responder,
                ..response
            },
        );
    }

    /// CB-149: a response is an INFO of ours.
    pub(super) fn inform(&mut self, endpoint: EndpointId, response: &Response) {
        if let Some(attendance) = self.attendances.get(&endpoint) {
            let id = attendance.invite;
            let body = c3p_body(response.to_octets());
            self.sip(SipAction::Info { id, body });
        }
    }
}

/// `ms-diagnostics-public` of somebody who may not.
const UNAUTHORIZED: u32 = 3126;
const UNAUTHORIZED_TEXT: &str =
    "Unauthorized - The user does not have the privilege for the requested operation";
