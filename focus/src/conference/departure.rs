//! How the endpoints of a user left, until the document that says that the user is gone
//! (RFC 4575 §5.7.3, §5.7.5).
//!
//! A user who stays is told of without the endpoints that left (CB-124, trap 41), so nothing of
//! theirs is kept.

use crate::conference::Focus;
use crate::disconnect::DisconnectReason;
use crate::info::{DisconnectionMethod, Endpoint, EndpointStatus, Execution, State};
use crate::roster::UserId;

impl Focus {
    /// Notes how an endpoint of this name left, if anybody who watches knows its user.
    pub(super) fn note_departure(
        &mut self,
        user: UserId,
        entity: String,
        reason: &DisconnectReason,
    ) {
        if !self.notifier.tells_of(user) {
            return;
        }
        let departed = self.notifier.departed.entry(user).or_default();
        if departed.len() < MOST {
            departed.push(departure(entity, reason));
        }
    }
}

fn departure(entity: String, reason: &DisconnectReason) -> Endpoint {
    Endpoint {
        state: State::Deleted,
        status: Some(EndpointStatus::Disconnected),
        disconnection_method: DisconnectionMethod::from_token(reason.method().as_str()),
        disconnection_info: Some(Execution {
            reason: Some(reason.header()),
            ..Execution::default()
        }),
        ..Endpoint::new(entity)
    }
}

/// Of one user, between two documents.
const MOST: usize = 8;
