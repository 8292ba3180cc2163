//! C3P, also called CCCP: requests of clients, responses of focus and MCUs, as plain data.
//!
//! | module | what it knows |
//! |---|---|
//! | [`name`] | the commands by name, and who may give them |
//! | [`keys`] | what a command is about |
//! | [`request`], [`command`] | a request and its one command |
//! | [`response`], [`result`], [`reason`] | a response, what a command returns, why it failed |
//! | [`read_request`], [`read_response`] | octets to data |
//! | `answer` | the responses to a request |
//! | [`context`] | what a request must agree with in the SIP message around it |
//! | [`malformed`] | why a request was refused, with as much of it as could be read |
//!
//! # What is read and what is written
//! The schema puts users, endpoints and extensions into their own namespaces; the examples of the
//! protocol leave them in the namespace of C3P and extension attributes unqualified. Both are
//! read (traps 1 to 3), space around URIs is dropped (trap 15), and what a command does not need
//! is ignored (CB-009). What is written is valid by the schema.
//!
//! # Decisions
//! * Commands of the Focus Factory, and names the schema does not know, are
//!   [`Command::Unsupported`]: the answer is `notSupported`
//!   (CB-175, CB-248).
//! * A second role is refused rather than ignored (CB-027).
//! * Foreign elements beside a command are not a second command (CB-009, CB-020).
//! * What a client says of its authentication and access is dropped (CB-059).

mod answer;
pub mod command;
pub mod context;
pub mod keys;
pub mod malformed;
pub mod name;
mod read_command;
mod read_result;
pub mod reason;
pub mod request;
pub mod response;
pub mod result;
mod scan;
mod write_command;
mod write_result;

pub use command::{
    AddUser, AddUserForm, ClientReason, Command, DeleteEndpointMedia, DeleteUser, EndorseUser,
    EndpointMedia, EntityChanges, GetConference, LobbyAccess, LockPolicy, ModifyConference,
    ModifyConferenceAnnouncements, ModifyConferenceLock, ModifyEndpoint, ModifyUserRoles,
    ModifyUsersMediaFilters, SetLobbyAccess,
};
pub use context::{Context, ContextFault, same_conference, same_uri};
pub use keys::{ConferenceKeys, EndpointKeys, MediaKeys, UserKeys};
pub use malformed::{Defect, Envelope, Malformed};
pub use name::{CommandName, Level};
pub use reason::{Coded, CommandReason, Diagnostics, LobbyStatus, Reason};
pub use request::{Request, read_request};
pub use response::{Code, Response, ResponseError, read_response};
pub use result::{
    AddUserResult, CommandResult, LockResult, MediaFiltersResult, ResultBody, UserResult,
};

/// The media type of C3P bodies (CB-005).
pub const MEDIA_TYPE: &str = "application/cccp+xml";

/// Whether a request has a body of C3P.
pub(crate) fn is_carried(request: &plenum_sip::msg::Request) -> bool {
    let media_type = request.headers.content_type().ok().flatten();
    media_type.is_some_and(|it| it.is("application", "cccp+xml"))
}
