//! The commands by name (CB-247, CB-248), and who may give them (CB-162 to CB-166).

use crate::xml::tokens::tokens;

tokens! {
    /// A command of the schema.
    pub enum CommandName {
        /// Of the Focus Factory.
        AddConference = "addConference",
        /// A stream for an endpoint.
        AddEndpointMedia = "addEndpointMedia",
        /// Join; or join an MCU, by calling it or being called.
        AddUser = "addUser",
        /// Vouch for somebody.
        EndorseUser = "endorseUser",
        /// End the conference.
        DeleteConference = "deleteConference",
        /// Take a stream from an endpoint.
        DeleteEndpointMedia = "deleteEndpointMedia",
        /// Remove somebody.
        DeleteUser = "deleteUser",
        /// Of the Focus Factory.
        GetAvailableMcuTypes = "getAvailableMcuTypes",
        /// The roster, and what is secret, encrypted.
        GetConference = "getConference",
        /// Of the Focus Factory.
        GetConferences = "getConferences",
        /// Of the Focus Factory.
        GetEncryptionKey = "getEncryptionKey",
        /// Change how an MCU works.
        ModifyConference = "modifyConference",
        /// Lock or unlock.
        ModifyConferenceLock = "modifyConferenceLock",
        /// Announce who comes and goes, or not.
        ModifyConferenceAnnouncements = "modifyConferenceAnnouncements",
        /// Say that one records.
        ModifyEndpoint = "modifyEndpoint",
        /// Mute and unmute.
        ModifyEndpointMedia = "modifyEndpointMedia",
        /// Change a user at an MCU.
        ModifyUser = "modifyUser",
        /// Mute everybody.
        ModifyUsersMediaFilters = "modifyUsersMediaFilters",
        /// Promote and demote.
        ModifyUserRoles = "modifyUserRoles",
        /// Admit from the lobby, or deny.
        SetLobbyAccess = "setLobbyAccess",
        /// Of the Focus Factory.
        GetConferencingCapabilities = "getConferencingCapabilities",
    }
}

/// What a command is about, which decides who may give it (CB-163, CB-164).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The conference: presenters only.
    Conference,
    /// A user: presenters, and attendees about themselves.
    User,
}

impl CommandName {
    /// What it is about; `None` for those of the Focus Factory.
    ///
    /// setLobbyAccess is about users, but never about oneself (trap 53).
    pub const fn level(self) -> Option<Level> {
        match self {
            Self::DeleteConference
            | Self::GetConference
            | Self::ModifyConference
            | Self::ModifyConferenceLock
            | Self::ModifyConferenceAnnouncements
            | Self::ModifyUsersMediaFilters => Some(Level::Conference),
            Self::AddEndpointMedia
            | Self::AddUser
            | Self::EndorseUser
            | Self::DeleteEndpointMedia
            | Self::DeleteUser
            | Self::ModifyEndpoint
            | Self::ModifyEndpointMedia
            | Self::ModifyUser
            | Self::ModifyUserRoles
            | Self::SetLobbyAccess => Some(Level::User),
            Self::AddConference
            | Self::GetAvailableMcuTypes
            | Self::GetConferences
            | Self::GetEncryptionKey
            | Self::GetConferencingCapabilities => None,
        }
    }
}
