//! What a request must agree with in the SIP message around it.

use super::{AddUserForm, Command, Request};
use plenum_sip::msg::Uri;
use thiserror::Error;

/// The SIP message around a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'m> {
    /// The URI of From: who sends it, as the focus has authenticated them.
    pub from: &'m str,
    /// The conference-URI: that of To.
    pub to: &'m str,
}

/// What does not agree. The sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ContextFault {
    /// `from` is not the URI of From (CB-022).
    #[error("from differs from the URI of From")]
    From,
    /// `to` is not the conference-URI (CB-023).
    #[error("to differs from the conference-URI")]
    To,
    /// The command is about another conference (CB-024, CB-160).
    #[error("confEntity differs from the conference-URI")]
    ConfEntity,
    /// Somebody joins or dials in as somebody else (CB-025, CB-209).
    #[error("the user differs from the URI of From")]
    UserEntity,
}

impl Request {
    /// Checks what the request says of itself against the SIP message around it.
    ///
    /// # Errors
    /// The first thing that does not agree.
    pub fn check(&self, context: &Context<'_>) -> Result<(), ContextFault> {
        if !same_uri(&self.from, context.from) {
            return Err(ContextFault::From);
        }
        if !same_conference(&self.to, context.to) {
            return Err(ContextFault::To);
        }
        let conference = self.command.conf_entity();
        if conference.is_some_and(|conference| !same_conference(conference, context.to)) {
            return Err(ContextFault::ConfEntity);
        }
        if let Command::AddUser(add) = &self.command
            && add.form() != AddUserForm::DialOut
            && !same_uri(&add.user.entity, context.from)
        {
            return Err(ContextFault::UserEntity);
        }
        Ok(())
    }

    /// Whether the one user it is about is the sender (CB-164). Never for setLobbyAccess
    /// (trap 53) and commands about the conference.
    pub fn is_first_party(&self) -> bool {
        self.command
            .user_entity()
            .is_some_and(|user| same_uri(user, &self.from))
    }
}

/// Whether two conference-URIs name one conference: without regard to case, as the examples of
/// the protocol mix it (trap 16).
pub fn same_conference(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// Whether two URIs are equal by RFC 3261 §19.1.4; what does not parse, only octet by octet.
pub fn same_uri(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    let equivalent = || {
        let one = Uri::parse(one.as_bytes()).ok()?;
        let other = Uri::parse(other.as_bytes()).ok()?;
        Some(one.equivalent(&other))
    };
    one == other || equivalent() == Some(true)
}
