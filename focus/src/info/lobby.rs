//! The document of somebody who waits in the lobby (CB-128 to CB-131).

use super::{Access, ConferenceInfo, Description, Endpoint, Execution, State, User, Users};
use std::sync::Arc;

/// Who may know nothing but that they wait: whether waiting makes sense, and their own
/// connections to the focus, stripped of everybody else's names.
///
/// Built up from nothing rather than cut down, so that nothing new in the model can leak.
pub(super) fn lobby_document(
    entity: &str,
    description: Option<&Description>,
    own: Option<&User>,
) -> ConferenceInfo {
    let access = description.and_then(|description| description.access.as_ref());
    ConferenceInfo {
        description: access.map(|access| Description {
            access: Some(Access {
                lobby_capable: access.lobby_capable,
                anonymous_type_allowed: access.anonymous_type_allowed,
                ..Access::default()
            }),
            ..Description::default()
        }),
        users: Some(Users {
            state: State::Full,
            users: own.map(own_presence).map(Arc::new).into_iter().collect(),
        }),
        ..ConferenceInfo::new(entity)
    }
}

fn own_presence(user: &User) -> User {
    User {
        display_text: user.display_text.clone(),
        role: user.role,
        endpoints: user
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.is_at_focus())
            .map(own_endpoint)
            .collect(),
        ..User::new(user.entity.as_str())
    }
}

fn own_endpoint(endpoint: &Endpoint) -> Endpoint {
    Endpoint {
        session_type: endpoint.session_type.clone(),
        epid: endpoint.epid.clone(),
        sip_instance: endpoint.sip_instance.clone(),
        endpoint_uri: endpoint.endpoint_uri.clone(),
        status: endpoint.status,
        joining_method: endpoint.joining_method,
        joining_info: endpoint.joining_info.as_ref().map(|info| Execution {
            when: info.when,
            ..Execution::default()
        }),
        client_info: endpoint.client_info.clone(),
        session_on_behalf_of: endpoint.session_on_behalf_of.clone(),
        ..Endpoint::new(endpoint.entity.as_str())
    }
}
