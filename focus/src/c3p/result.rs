//! What a command returns.

use super::{
    Coded, CommandName, CommandReason, ConferenceKeys, Diagnostics, EndpointKeys, LobbyStatus,
    LockPolicy,
};
use crate::info::{ConferenceInfo, Endpoint, Media, Secrets, User};

/// The command element of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// What went wrong, for people.
    pub diagnostics: Diagnostics,
    /// Why it failed. endorseUser has no reasons and takes its `result` from here: none is
    /// success.
    pub reason: Option<Coded<CommandReason>>,
    /// The MCU that was named.
    pub mcu_uri: Option<String>,
    /// What it returns.
    pub body: ResultBody,
}

impl CommandResult {
    /// A result without diagnostics and reason.
    pub const fn new(body: ResultBody) -> Self {
        Self {
            diagnostics: Diagnostics(Vec::new()),
            reason: None,
            mcu_uri: None,
            body,
        }
    }
}

impl From<ResultBody> for CommandResult {
    fn from(body: ResultBody) -> Self {
        Self::new(body)
    }
}

/// What a command returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultBody {
    /// CB-046 to CB-049, CB-206, CB-210.
    AddUser(AddUserResult),
    /// CB-247.9.
    ModifyUser(AddUserResult),
    /// CB-082.
    EndorseUser(Option<ConferenceKeys>),
    /// CB-177.
    ModifyUserRoles(UserResult),
    /// CB-189.
    DeleteUser(UserResult),
    /// CB-183.
    ModifyConferenceLock(LockResult),
    /// CB-197: the conference-URI.
    DeleteConference(Option<String>),
    /// CB-219 to CB-222: the roster, and secrets encrypted for the requester.
    GetConference(Option<Box<ConferenceInfo>>, Secrets),
    /// CB-227: one status per user.
    SetLobbyAccess(Option<ConferenceKeys>, Vec<(String, Coded<LobbyStatus>)>),
    /// CB-236: need not say anything.
    ModifyEndpoint(Option<EndpointKeys>, Option<Box<Endpoint>>),
    /// CB-240: whether announcements are on.
    ModifyConferenceAnnouncements(bool),
    /// CB-243: the conference-URI.
    ModifyConference(Option<String>),
    /// CB-247.7.
    AddEndpointMedia(Option<EndpointKeys>, Option<Media>),
    /// CB-247.7.
    ModifyEndpointMedia(Option<EndpointKeys>, Option<Media>),
    /// CB-247.8.
    DeleteEndpointMedia(Option<EndpointKeys>, Option<Media>),
    /// CB-247.10.
    ModifyUsersMediaFilters(MediaFiltersResult),
}

impl ResultBody {
    /// Of which command.
    pub const fn name(&self) -> CommandName {
        match self {
            Self::AddUser(_) => CommandName::AddUser,
            Self::ModifyUser(_) => CommandName::ModifyUser,
            Self::EndorseUser(_) => CommandName::EndorseUser,
            Self::ModifyUserRoles(_) => CommandName::ModifyUserRoles,
            Self::DeleteUser(_) => CommandName::DeleteUser,
            Self::ModifyConferenceLock(_) => CommandName::ModifyConferenceLock,
            Self::DeleteConference(_) => CommandName::DeleteConference,
            Self::GetConference(..) => CommandName::GetConference,
            Self::SetLobbyAccess(..) => CommandName::SetLobbyAccess,
            Self::ModifyEndpoint(..) => CommandName::ModifyEndpoint,
            Self::ModifyConferenceAnnouncements(_) => CommandName::ModifyConferenceAnnouncements,
            Self::ModifyConference(_) => CommandName::ModifyConference,
            Self::AddEndpointMedia(..) => CommandName::AddEndpointMedia,
            Self::ModifyEndpointMedia(..) => CommandName::ModifyEndpointMedia,
            Self::DeleteEndpointMedia(..) => CommandName::DeleteEndpointMedia,
            Self::ModifyUsersMediaFilters(_) => CommandName::ModifyUsersMediaFilters,
        }
    }
}

/// Of addUser and modifyUser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddUserResult {
    /// As in the request.
    pub keys: Option<ConferenceKeys>,
    /// The user, with the role that was granted; in the answer to a join without endpoint.
    pub user: Option<User>,
    /// How to reach the MCU: keys and values (CB-211). Empty is none.
    pub connection_info: Vec<(String, String)>,
}

/// Of modifyUserRoles and deleteUser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserResult {
    /// As in the request.
    pub keys: Option<ConferenceKeys>,
    /// The user.
    pub user: Option<User>,
}

/// Of modifyConferenceLock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockResult {
    /// The conference-URI.
    pub conf_entity: Option<String>,
    /// Whether it is locked now; on failure, still.
    pub locked: Option<bool>,
    /// The values that apply, if the request had them (CB-183).
    pub policy: Option<LockPolicy>,
}

/// Of modifyUsersMediaFilters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFiltersResult {
    /// As in the request.
    pub keys: ConferenceKeys,
    /// Roles to leave alone that do not exist.
    pub unsupported_roles: Vec<String>,
    /// Users to leave alone that do not exist.
    pub unknown_users: Vec<String>,
    /// Labels that do not exist.
    pub unsupported_media_labels: Vec<String>,
}
