//! Responses to a request.

use super::{
    AddUserResult, Code, Coded, Command, CommandReason, CommandResult, ConferenceKeys, Diagnostics,
    LockResult, Malformed, MediaFiltersResult, Reason, Request, Response, ResultBody, UserResult,
};
use crate::info::{Role, Secrets, User};

impl Request {
    /// A response to it: the id copied, from and to swapped (CB-043, CB-044).
    pub fn response(&self, code: Code, result: Option<CommandResult>) -> Response {
        Response {
            result,
            ..Response::new(&*self.request_id, &*self.to, &*self.from, code)
        }
    }

    /// That it is still being worked on (CB-152).
    pub fn pending(&self) -> Response {
        self.response(Code::Pending, None)
    }

    /// That it succeeded.
    pub fn success(&self, result: impl Into<CommandResult>) -> Response {
        self.response(Code::Success, Some(result.into()))
    }

    /// That it failed; without result, the reason says everything.
    pub fn failure(&self, reason: Reason, result: Option<CommandResult>) -> Response {
        Response {
            reason: Some(reason.into()),
            ..self.response(Code::Failure, result)
        }
    }

    /// That it failed for a reason of the command, with the result given.
    pub fn failed_command(&self, reason: CommandReason, result: CommandResult) -> Response {
        let result = CommandResult {
            reason: Some(reason.into()),
            ..result
        };
        self.failure(Reason::OtherFailure, Some(result))
    }

    /// That it failed, with the command's own reason and diagnostics, and no more of a result than
    /// the schema wants.
    ///
    /// Somebody who may not is told by `Reason::Unauthorized`, `CommandReason::OtherFailure` and
    /// the diagnostics 3126 together (trap 25).
    pub fn failed(
        &self,
        reason: Reason,
        command_reason: impl Into<Coded<CommandReason>>,
        diagnostics: Diagnostics,
    ) -> Response {
        let result = self.command.empty_result().map(|body| CommandResult {
            diagnostics,
            reason: Some(command_reason.into()),
            ..CommandResult::new(body)
        });
        self.failure(reason, result)
    }
}

impl Malformed {
    /// The failure to send for it; `None` if not even that can be addressed.
    pub fn response(&self) -> Option<Response> {
        let request_id = self.envelope.request_id.as_deref()?;
        let (from, to) = (self.envelope.to.as_deref()?, self.envelope.from.as_deref()?);
        Some(Response {
            reason: Some(self.defect.reason().into()),
            display_string: Some(self.defect.to_string()),
            ..Response::new(request_id, from, to, Code::Failure)
        })
    }
}

impl super::AddUser {
    /// The result of a join: the user with the role that was granted, without endpoint (CB-046 to
    /// CB-049).
    pub fn granted(&self, role: Role) -> ResultBody {
        ResultBody::AddUser(AddUserResult {
            keys: Some(self.keys.clone()),
            user: Some(User {
                role: Some(role),
                ..User::new(self.user.entity.as_str())
            }),
            connection_info: Vec::new(),
        })
    }
}

impl Command {
    /// The result of this command that says no more than the schema wants; `None` if the command
    /// is not supported.
    pub fn empty_result(&self) -> Option<ResultBody> {
        let add_user = |keys: &ConferenceKeys| AddUserResult {
            keys: Some(keys.clone()),
            ..AddUserResult::default()
        };
        let user = |conf_entity: &str| UserResult {
            keys: Some(ConferenceKeys::new(conf_entity)),
            user: None,
        };
        Some(match self {
            Self::AddUser(command) => ResultBody::AddUser(add_user(&command.keys)),
            Self::ModifyUser(command) => ResultBody::ModifyUser(add_user(&command.keys)),
            Self::EndorseUser(command) => ResultBody::EndorseUser(Some(command.keys.clone())),
            Self::ModifyUserRoles(command) => {
                ResultBody::ModifyUserRoles(user(&command.keys.conf_entity))
            }
            Self::DeleteUser(command) => ResultBody::DeleteUser(user(&command.keys.conf_entity)),
            Self::ModifyConferenceLock(command) => ResultBody::ModifyConferenceLock(LockResult {
                conf_entity: Some(command.keys.conf_entity.clone()),
                ..LockResult::default()
            }),
            Self::DeleteConference(keys) => {
                ResultBody::DeleteConference(Some(keys.conf_entity.clone()))
            }
            Self::GetConference(_) => ResultBody::GetConference(None, Secrets::default()),
            Self::SetLobbyAccess(command) => {
                ResultBody::SetLobbyAccess(Some(command.keys.clone()), Vec::new())
            }
            Self::ModifyEndpoint(_) => ResultBody::ModifyEndpoint(None, None),
            Self::ModifyConferenceAnnouncements(command) => {
                ResultBody::ModifyConferenceAnnouncements(command.enabled)
            }
            Self::ModifyConference(command) => {
                ResultBody::ModifyConference(Some(command.conf_entity.clone()))
            }
            Self::AddEndpointMedia(_) => ResultBody::AddEndpointMedia(None, None),
            Self::ModifyEndpointMedia(_) => ResultBody::ModifyEndpointMedia(None, None),
            Self::DeleteEndpointMedia(_) => ResultBody::DeleteEndpointMedia(None, None),
            Self::ModifyUsersMediaFilters(command) => {
                ResultBody::ModifyUsersMediaFilters(MediaFiltersResult {
                    keys: command.keys.clone(),
                    unsupported_roles: Vec::new(),
                    unknown_users: Vec::new(),
                    unsupported_media_labels: Vec::new(),
                })
            }
            Self::Unsupported(_) => return None,
        })
    }
}
