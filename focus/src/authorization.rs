//! Who may give which command (CB-162 to CB-166), as pure decisions.

use crate::info::Role;
use thiserror::Error;

/// What a command is about, which decides who may give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The conference (CB-163).
    Conference,
    /// Somebody who waits: never the sender, whoever it names (trap 53).
    Lobby,
    /// The role of a user.
    RoleOf(Party),
    /// A user otherwise (CB-164).
    User(Party),
}

/// Whether a command is about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// It is.
    First,
    /// It is about somebody else.
    Third,
}

impl Party {
    /// First if it is the same.
    pub const fn first_if(same: bool) -> Self {
        if same { Self::First } else { Self::Third }
    }
}

/// The sender may not do that (CB-163, CB-164).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the user does not have the privilege for the requested operation")]
pub struct Unauthorized;

/// Whether somebody of this role may give a command of this scope.
///
/// The letter of the rule lets an attendee promote itself; it is not let (CB-165, trap 51). A
/// presenter may everything (CB-166).
///
/// # Errors
/// [`Unauthorized`].
pub const fn may(role: Role, scope: Scope) -> Result<(), Unauthorized> {
    match (role, scope) {
        (Role::Presenter, _) | (Role::Attendee, Scope::User(Party::First)) => Ok(()),
        (
            Role::Attendee,
            Scope::Conference | Scope::Lobby | Scope::RoleOf(_) | Scope::User(Party::Third),
        ) => Err(Unauthorized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cb_162_to_cb_166_who_may_what() {
        for (scope, attendee) in [
            (Scope::Conference, false),
            (Scope::Lobby, false),
            (Scope::RoleOf(Party::First), false),
            (Scope::RoleOf(Party::Third), false),
            (Scope::User(Party::First), true),
            (Scope::User(Party::Third), false),
        ] {
            assert_eq!(may(Role::Presenter, scope), Ok(()), "{scope:?}");
            assert_eq!(may(Role::Attendee, scope).is_ok(), attendee, "{scope:?}");
        }
    }
}
