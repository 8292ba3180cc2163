//! Why something failed (CB-172 to CB-174), and diagnostics (CB-161).

use crate::xml::tokens::tokens;

/// A token of a list that may grow: one that is known, or any other (CB-174).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Coded<T> {
    /// One of the list.
    Known(T),
    /// Any other.
    Other(String),
}

tokens! {
    /// Why a request failed.
    pub enum Reason {
        /// Try again later.
        ServerBusy = "serverBusy",
        /// No answer in time.
        Timeout = "timeout",
        /// The sender may not.
        Unauthorized = "unauthorized",
        /// The request does not parse, or contradicts itself.
        RequestMalformed = "requestMalformed",
        /// The request is larger than we read.
        RequestTooLarge = "requestTooLarge",
        /// The request was withdrawn.
        RequestCancelled = "requestCancelled",
        /// The command is not supported.
        NotSupported = "notSupported",
        /// Anything else; the command may say more.
        OtherFailure = "otherFailure",
    }
}

tokens! {
    /// Why a command failed. Which of them a command knows is in its schema; all are strings.
    pub enum CommandReason {
        /// No such conference.
        ConferenceDoesntExist = "conferenceDoesntExist",
        /// No such user.
        UserDoesntExist = "userDoesntExist",
        /// No such endpoint.
        EndpointDoesntExist = "endpointDoesntExist",
        /// No such stream.
        MediaDoesntExist = "mediaDoesntExist",
        /// The user is there already.
        UserExistsAlready = "userExistsAlready",
        /// The stream is there already.
        MediaExistsAlready = "mediaExistsAlready",
        /// The user called is busy.
        UserBusy = "userBusy",
        /// The user called does not answer.
        UserNotAnswered = "userNotAnswered",
        /// The user called does not want to.
        UserDeclined = "userDeclined",
        /// The user called is unknown.
        UserUnknown = "userUnknown",
        /// The sender may not; setLobbyAccess only.
        NotAuthorized = "notAuthorized",
        /// The MCU cannot; modifyConferenceAnnouncements only.
        NotSupported = "notSupported",
        /// The certificate is none.
        InvalidEncryptionKey = "invalidEncryptionKey",
        /// The conference may not be recorded.
        RecordingNotAllowed = "recordingNotAllowed",
        /// The version is not the current one.
        InvalidVersion = "invalidVersion",
        /// The medium is in use.
        ActiveMediaDeletionForbidden = "activeMediaDeletionForbidden",
        /// The MCU does not know the medium.
        MediaNotSupported = "mediaNotSupported",
        /// The sender may not change that.
        Forbidden = "forbidden",
        /// The policy is not possible here.
        InvalidAdmissionPolicy = "invalidAdmissionPolicy",
        /// Anything else.
        OtherFailure = "otherFailure",
    }
}

tokens! {
    /// What became of a user of setLobbyAccess (CB-229, CB-230).
    pub enum LobbyStatus {
        /// Admitted, or sent away.
        Success = "success",
        /// Stays in the lobby and can be admitted later.
        ConferenceFull = "conferenceFull",
        /// Is not there at all.
        UserDoesntExist = "userDoesntExist",
        /// Is in the conference already.
        AlreadyGranted = "alreadyGranted",
    }
}

macro_rules! coded {
    ($($name:ident),+) => {
        $(
            impl From<$name> for Coded<$name> {
                fn from(known: $name) -> Self {
                    Self::Known(known)
                }
            }

            impl Coded<$name> {
                /// The token it is written as.
                pub fn as_str(&self) -> &str {
                    match self {
                        Self::Known(known) => known.as_str(),
                        Self::Other(other) => other,
                    }
                }

                /// Any token.
                pub fn from_token(token: &str) -> Self {
                    let token = token.trim();
                    $name::from_token(token).map_or_else(|| Self::Other(token.into()), Self::Known)
                }
            }
        )+
    };
}

coded!(Reason, CommandReason, LobbyStatus);

/// What went wrong, for people and for support: keys and values, in the form of the SIP headers of
/// the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Diagnostics(pub Vec<(String, String)>);

impl Diagnostics {
    /// One entry that anybody may see: `id;reason="…";source="…"` under `ms-diagnostics-public`.
    pub fn public(id: u32, reason: &str, source: &str) -> Self {
        let value = format!(
            "{id};reason=\"{}\";source=\"{}\"",
            escaped(reason),
            escaped(source)
        );
        Self(vec![("ms-diagnostics-public".into(), value)])
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Inside a quoted string (RFC 3261 §25.1).
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
