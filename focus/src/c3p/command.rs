//! What a client wants done.

use super::{ConferenceKeys, EndpointKeys, MediaKeys, UserKeys};
use crate::info::{
    AdmissionPolicy, ConferenceMedium, DialogId, Endpoint, JoiningMethod, Media, MediaFilter,
    MediaFiltersRules, PermissionOption, Role, User,
};
use crate::xml::tokens::tokens;

/// The one command of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Join, dial in, dial out (CB-024, CB-202, CB-209).
    AddUser(AddUser),
    /// Vouch for somebody (CB-074).
    EndorseUser(EndorseUser),
    /// Promote and demote (CB-176).
    ModifyUserRoles(ModifyUserRoles),
    /// Lock or unlock (CB-180).
    ModifyConferenceLock(ModifyConferenceLock),
    /// Remove somebody (CB-188).
    DeleteUser(DeleteUser),
    /// End the conference (CB-196).
    DeleteConference(ConferenceKeys),
    /// The roster (CB-218).
    GetConference(GetConference),
    /// Admit from the lobby, or deny (CB-226).
    SetLobbyAccess(SetLobbyAccess),
    /// Say that one records (CB-235).
    ModifyEndpoint(ModifyEndpoint),
    /// Announce who comes and goes, or not (CB-239).
    ModifyConferenceAnnouncements(ModifyConferenceAnnouncements),
    /// Change how an MCU works (CB-242).
    ModifyConference(ModifyConference),
    /// A stream for an endpoint (CB-247.7).
    AddEndpointMedia(EndpointMedia),
    /// Mute and unmute (CB-247.7).
    ModifyEndpointMedia(EndpointMedia),
    /// Take a stream from an endpoint (CB-247.8).
    DeleteEndpointMedia(DeleteEndpointMedia),
    /// Change a user at an MCU (CB-247.9).
    ModifyUser(AddUser),
    /// Mute everybody (CB-247.10).
    ModifyUsersMediaFilters(ModifyUsersMediaFilters),
    /// Of the Focus Factory, or unknown: the name of the element.
    Unsupported(String),
}

/// addUser and modifyUser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddUser {
    /// The conference.
    pub keys: ConferenceKeys,
    /// The MCU, for dial-in and dial-out.
    pub mcu_uri: Option<String>,
    /// Whether an older session may be replaced.
    pub allow_session_replace: bool,
    /// Who, with at most one endpoint. What only focus and MCUs may say of it is not read.
    pub user: User,
}

/// What an addUser asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddUserForm {
    /// To join the focus, in the body of an INVITE.
    Join,
    /// To be expected by an MCU.
    DialIn,
    /// That an MCU calls somebody.
    DialOut,
}

impl AddUser {
    /// What it asks for.
    pub fn form(&self) -> AddUserForm {
        let method = self.endpoint().and_then(|endpoint| endpoint.joining_method);
        match (&self.mcu_uri, method) {
            (None, _) => AddUserForm::Join,
            (Some(_), Some(JoiningMethod::DialedOut)) => AddUserForm::DialOut,
            (Some(_), Some(JoiningMethod::DialedIn | JoiningMethod::FocusOwner) | None) => {
                AddUserForm::DialIn
            }
        }
    }

    /// The endpoint.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.user.endpoints.first()
    }
}

/// endorseUser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorseUser {
    /// The conference.
    pub keys: ConferenceKeys,
    /// A SIP URI.
    pub endorsee: String,
    /// Their dialog with the focus: a secret that only they and the focus share (CB-075).
    pub dialog: DialogId,
}

/// modifyUserRoles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyUserRoles {
    /// Who.
    pub keys: UserKeys,
    /// What they shall be.
    pub role: Role,
    /// An MCU.
    pub mcu_uri: Option<String>,
}

/// modifyConferenceLock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyConferenceLock {
    /// The conference.
    pub keys: ConferenceKeys,
    /// Whether it shall be locked.
    pub locked: bool,
    /// All three or none (CB-180).
    pub policy: Option<LockPolicy>,
}

/// Who gets in and as what, as far as modifyConferenceLock can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockPolicy {
    /// Who gets in.
    pub admission_policy: AdmissionPolicy,
    /// Who becomes presenter (CB-057).
    pub autopromote: u32,
    /// Whether phones skip the lobby (CB-263).
    pub pstn_lobby_bypass: bool,
}

/// deleteUser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteUser {
    /// Who.
    pub keys: UserKeys,
    /// Why, as the client says; unknown reasons are ignored.
    pub client_reason: Option<ClientReason>,
    /// An MCU.
    pub mcu_uri: Option<String>,
}

tokens! {
    /// Why a client removes somebody (CB-188).
    pub enum ClientReason {
        /// Somebody else presents now.
        NewPresenter = "newPresenter",
        /// They are thrown out.
        ParticipantEjected = "participantEjected",
        /// They are there with another endpoint.
        ConnectedAtAnotherEndpoint = "connectedAtAnotherEndpoint",
    }
}

/// getConference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetConference {
    /// The conference.
    pub keys: ConferenceKeys,
    /// Whether to be notified.
    pub notify: Option<bool>,
    /// An X.509 certificate in base64 without white space, not checked: for whom secrets are
    /// encrypted.
    pub certificate: Option<String>,
}

/// setLobbyAccess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLobbyAccess {
    /// The conference.
    pub keys: ConferenceKeys,
    /// SIP URIs, at least one.
    pub users: Vec<String>,
    /// What to do with them.
    pub access: LobbyAccess,
    /// An MCU.
    pub mcu_uri: Option<String>,
}

tokens! {
    /// What to do with somebody in the lobby (CB-226).
    pub enum LobbyAccess {
        /// Admit.
        Granted = "granted",
        /// Send away.
        Denied = "denied",
    }
}

/// modifyEndpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyEndpoint {
    /// Which endpoint.
    pub keys: EndpointKeys,
    /// What it shall be: replaces what clients can say of it (CB-237, trap 70).
    pub endpoint: Box<Endpoint>,
    /// An MCU.
    pub mcu_uri: Option<String>,
}

/// modifyConferenceAnnouncements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyConferenceAnnouncements {
    /// The conference.
    pub keys: ConferenceKeys,
    /// Whether to announce who comes and goes.
    pub enabled: bool,
    /// An MCU.
    pub mcu_uri: Option<String>,
}

/// modifyConference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyConference {
    /// The MCU.
    pub mcu_uri: String,
    /// The conference-URI.
    pub conf_entity: String,
    /// What to change at the MCU.
    pub changes: EntityChanges,
}

/// What a client changes at an MCU: settings, or what the examples send as state (trap 45).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityChanges {
    /// Who may unmute themselves, and how newcomers begin (CB-244).
    pub media_filters_rules: Option<MediaFiltersRules>,
    /// Media: how video is switched.
    pub media: Vec<ConferenceMedium>,
    /// Whether to announce who comes and goes (CB-283.18).
    pub entry_exit_announcements: Option<bool>,
    /// What presenters permit (CB-245).
    pub permission_options: Vec<PermissionOption>,
}

/// addEndpointMedia and modifyEndpointMedia.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointMedia {
    /// Which stream.
    pub keys: MediaKeys,
    /// What it shall be.
    pub media: Media,
    /// The MCU.
    pub mcu_uri: Option<String>,
}

/// deleteEndpointMedia.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteEndpointMedia {
    /// Which stream.
    pub keys: MediaKeys,
    /// The MCU.
    pub mcu_uri: Option<String>,
}

/// modifyUsersMediaFilters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyUsersMediaFilters {
    /// The conference.
    pub keys: ConferenceKeys,
    /// `main-audio` and so on, at least one.
    pub media_labels: Vec<String>,
    /// Towards the mix.
    pub ingress: Option<MediaFilter>,
    /// From the mix.
    pub egress: Option<MediaFilter>,
    /// Roles that are left as they are; unknown ones are reported.
    pub exclude_roles: Vec<String>,
    /// Users that are left as they are.
    pub exclude_users: Vec<String>,
    /// The MCU.
    pub mcu_uri: Option<String>,
}

impl Command {
    /// The name of its element.
    pub fn name(&self) -> &str {
        use super::CommandName as Name;
        match self {
            Self::AddUser(_) => Name::AddUser.as_str(),
            Self::EndorseUser(_) => Name::EndorseUser.as_str(),
            Self::ModifyUserRoles(_) => Name::ModifyUserRoles.as_str(),
            Self::ModifyConferenceLock(_) => Name::ModifyConferenceLock.as_str(),
            Self::DeleteUser(_) => Name::DeleteUser.as_str(),
            Self::DeleteConference(_) => Name::DeleteConference.as_str(),
            Self::GetConference(_) => Name::GetConference.as_str(),
            Self::SetLobbyAccess(_) => Name::SetLobbyAccess.as_str(),
            Self::ModifyEndpoint(_) => Name::ModifyEndpoint.as_str(),
            Self::ModifyConferenceAnnouncements(_) => Name::ModifyConferenceAnnouncements.as_str(),
            Self::ModifyConference(_) => Name::ModifyConference.as_str(),
            Self::AddEndpointMedia(_) => Name::AddEndpointMedia.as_str(),
            Self::ModifyEndpointMedia(_) => Name::ModifyEndpointMedia.as_str(),
            Self::DeleteEndpointMedia(_) => Name::DeleteEndpointMedia.as_str(),
            Self::ModifyUser(_) => Name::ModifyUser.as_str(),
            Self::ModifyUsersMediaFilters(_) => Name::ModifyUsersMediaFilters.as_str(),
            Self::Unsupported(name) => name,
        }
    }

    /// The conference it is about; `None` if it is not supported.
    pub fn conf_entity(&self) -> Option<&str> {
        match self {
            Self::AddUser(command) | Self::ModifyUser(command) => Some(&command.keys.conf_entity),
            Self::EndorseUser(command) => Some(&command.keys.conf_entity),
            Self::ModifyUserRoles(command) => Some(&command.keys.conf_entity),
            Self::ModifyConferenceLock(command) => Some(&command.keys.conf_entity),
            Self::DeleteUser(command) => Some(&command.keys.conf_entity),
            Self::DeleteConference(keys) => Some(&keys.conf_entity),
            Self::GetConference(command) => Some(&command.keys.conf_entity),
            Self::SetLobbyAccess(command) => Some(&command.keys.conf_entity),
            Self::ModifyEndpoint(command) => Some(&command.keys.conf_entity),
            Self::ModifyConferenceAnnouncements(command) => Some(&command.keys.conf_entity),
            Self::ModifyConference(command) => Some(&command.conf_entity),
            Self::AddEndpointMedia(command) | Self::ModifyEndpointMedia(command) => {
                Some(&command.keys.conf_entity)
            }
            Self::DeleteEndpointMedia(command) => Some(&command.keys.conf_entity),
            Self::ModifyUsersMediaFilters(command) => Some(&command.keys.conf_entity),
            Self::Unsupported(_) => None,
        }
    }

    /// The one user it is about, whose own request it may be (CB-164); `None` for a command about
    /// the conference, and for setLobbyAccess (trap 53).
    pub fn user_entity(&self) -> Option<&str> {
        match self {
            Self::AddUser(command) | Self::ModifyUser(command) => Some(&command.user.entity),
            Self::EndorseUser(command) => Some(&command.endorsee),
            Self::ModifyUserRoles(command) => Some(&command.keys.user_entity),
            Self::DeleteUser(command) => Some(&command.keys.user_entity),
            Self::ModifyEndpoint(command) => Some(&command.keys.user_entity),
            Self::AddEndpointMedia(command) | Self::ModifyEndpointMedia(command) => {
                Some(&command.keys.user_entity)
            }
            Self::DeleteEndpointMedia(command) => Some(&command.keys.user_entity),
            Self::ModifyConferenceLock(_)
            | Self::DeleteConference(_)
            | Self::GetConference(_)
            | Self::SetLobbyAccess(_)
            | Self::ModifyConferenceAnnouncements(_)
            | Self::ModifyConference(_)
            | Self::ModifyUsersMediaFilters(_)
            | Self::Unsupported(_) => None,
        }
    }

    /// The MCU it names (CB-167).
    pub fn mcu_uri(&self) -> Option<&str> {
        match self {
            Self::AddUser(command) | Self::ModifyUser(command) => command.mcu_uri.as_deref(),
            Self::ModifyUserRoles(command) => command.mcu_uri.as_deref(),
            Self::DeleteUser(command) => command.mcu_uri.as_deref(),
            Self::SetLobbyAccess(command) => command.mcu_uri.as_deref(),
            Self::ModifyEndpoint(command) => command.mcu_uri.as_deref(),
            Self::ModifyConferenceAnnouncements(command) => command.mcu_uri.as_deref(),
            Self::ModifyConference(command) => Some(&command.mcu_uri),
            Self::AddEndpointMedia(command) | Self::ModifyEndpointMedia(command) => {
                command.mcu_uri.as_deref()
            }
            Self::DeleteEndpointMedia(command) => command.mcu_uri.as_deref(),
            Self::ModifyUsersMediaFilters(command) => command.mcu_uri.as_deref(),
            Self::EndorseUser(_)
            | Self::ModifyConferenceLock(_)
            | Self::DeleteConference(_)
            | Self::GetConference(_)
            | Self::Unsupported(_) => None,
        }
    }
}
