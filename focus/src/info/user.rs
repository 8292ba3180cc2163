//! Users, their endpoints and media (RFC 4575 §5.6 to §5.8; CB-116 to CB-124, CB-273).

use super::{
    AccessMethod, AuthMethod, DateTime, DisconnectionMethod, EndpointStatus, Extension,
    JoiningMethod, MediaFilter, MediaStatus, Role, State,
};

/// A participant, with everything it is there with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// A SIP URI.
    pub entity: String,
    /// Full unless it was read from a document that says otherwise.
    pub state: State,
    /// The display name.
    pub display_text: Option<String>,
    /// The role; never more than one is written (CB-118).
    pub role: Option<Role>,
    /// One per connection to the focus or an MCU. Keyed by session type and entity (CB-063).
    pub endpoints: Vec<Endpoint>,
    /// The mail address.
    pub smtp_address: Option<String>,
    /// Who endorsed this user last (CB-078).
    pub endorser: Option<Endorser>,
}

impl User {
    /// A user of whom nothing else is known.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            state: State::Full,
            display_text: None,
            role: None,
            endpoints: Vec::new(),
            smtp_address: None,
            endorser: None,
        }
    }

    /// A user that is gone.
    pub fn deleted(entity: impl Into<String>) -> Self {
        Self {
            state: State::Deleted,
            ..Self::new(entity)
        }
    }
}

/// Who endorsed a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endorser {
    /// A SIP URI.
    pub entity: String,
    /// For people.
    pub display_name: String,
}

/// One connection of a user (RFC 4575 §5.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// As the client named it: compared octet by octet (CB-028).
    pub entity: String,
    /// Full unless it was read from a document that says otherwise.
    pub state: State,
    /// `focus`, or the MCU-Type (CB-120, CB-123).
    pub session_type: Option<String>,
    /// Of the From or To header.
    pub epid: Option<String>,
    /// Of the Contact header.
    pub sip_instance: Option<String>,
    /// Where it can be reached: the GRUU of the Contact (CB-121).
    pub endpoint_uri: Option<String>,
    /// What an MCU puts into the Request-URI when it calls the endpoint, with headers.
    pub refer_to_uri: Option<String>,
    /// The identity of RFC 3325.
    pub asserted_identity: Option<String>,
    /// For people.
    pub display_text: Option<String>,
    /// By whom, when and why it was referred.
    pub referred: Option<Execution>,
    /// Where it is.
    pub status: Option<EndpointStatus>,
    /// How it joined.
    pub joining_method: Option<JoiningMethod>,
    /// By whom, when and why it joined.
    pub joining_info: Option<Execution>,
    /// How it left.
    pub disconnection_method: Option<DisconnectionMethod>,
    /// By whom, when and why it left.
    pub disconnection_info: Option<Execution>,
    /// Its streams; each id once.
    pub media: Vec<Media>,
    /// The role that the MCU knows (CB-266).
    pub role: Option<Role>,
    /// How the participant was authenticated.
    pub auth_method: Option<AuthMethod>,
    /// From where it came.
    pub access_method: Option<AccessMethod>,
    /// What the client says of itself.
    pub client_info: Option<ClientInfo>,
    /// What the endpoint can do, in the words of its MCU: one element of its vocabulary.
    pub capabilities: Option<Extension>,
    /// On whose behalf the participant is there (CB-029).
    pub session_on_behalf_of: Option<String>,
    /// Whether it is a phone.
    pub is_pstn_endpoint: Option<bool>,
    /// Whether it records (CB-237).
    pub client_recording: bool,
    /// Elements of other vocabularies.
    pub extensions: Vec<Extension>,
}

impl Endpoint {
    /// An endpoint of which nothing else is known.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            state: State::Full,
            session_type: None,
            epid: None,
            sip_instance: None,
            endpoint_uri: None,
            refer_to_uri: None,
            asserted_identity: None,
            display_text: None,
            referred: None,
            status: None,
            joining_method: None,
            joining_info: None,
            disconnection_method: None,
            disconnection_info: None,
            media: Vec::new(),
            role: None,
            auth_method: None,
            access_method: None,
            client_info: None,
            capabilities: None,
            session_on_behalf_of: None,
            is_pstn_endpoint: None,
            client_recording: false,
            extensions: Vec::new(),
        }
    }

    /// Whether it is a connection to the focus itself.
    pub fn is_at_focus(&self) -> bool {
        self.session_type.as_deref() == Some("focus")
    }
}

/// What a client says of itself (CB-278).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientInfo {
    /// Of the client's own bookkeeping.
    pub conversation_id: Option<String>,
    /// Of the client's own bookkeeping.
    pub thread_id: Option<String>,
    /// Its name.
    pub user_agent: Option<String>,
    /// Whether it can wait in a lobby (CB-030).
    pub lobby_capable: Option<bool>,
}

/// When, why and by whom something happened (RFC 4575 §5.7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Execution {
    /// When.
    pub when: Option<DateTime>,
    /// Why.
    pub reason: Option<String>,
    /// A SIP URI.
    pub by: Option<String>,
}

/// A stream (RFC 4575 §5.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Media {
    /// Unique within the endpoint.
    pub id: String,
    /// For people.
    pub display_text: Option<String>,
    /// `audio`, `video`, `message` and so on.
    pub media_type: Option<String>,
    /// Which stream of the conference: `main-audio` and so on.
    pub label: Option<String>,
    /// The source in the media itself: the SSRC.
    pub src_id: Option<String>,
    /// Which way it flows.
    pub status: Option<MediaStatus>,
    /// Towards the mix; absent means unblocked.
    pub ingress_filter: Option<MediaFilter>,
    /// From the mix.
    pub egress_filter: Option<MediaFilter>,
    /// It is shown to all: slides whose floor the endpoint has. An extension of ours like the next one.
    pub presenting: bool,
    /// Slides that the endpoint may not show.
    pub barred: bool,
    /// Somebody is speaking there: an extension of ours, in [`Ns::Talk`](crate::xml::Ns::Talk).
    pub talking: bool,
    /// Which layout it has: an extension of ours, in [`Ns::Pictures`](crate::xml::Ns::Pictures), told to those who
    /// speak C3P.
    pub layout: Option<String>,
    /// Who is in the panes of its picture, from pane 1: an extension of ours as well. URIs of users, or `-` for a pane
    /// that shows nobody.
    pub seen: Vec<String>,
}

impl Media {
    /// A stream of which nothing else is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            display_text: None,
            media_type: None,
            label: None,
            src_id: None,
            status: None,
            ingress_filter: None,
            egress_filter: None,
            presenting: false,
            barred: false,
            talking: false,
            layout: None,
            seen: Vec::new(),
        }
    }
}

/// What names a SIP dialog (CB-074).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// The tag of From in the request that made the dialog.
    pub from_tag: String,
    /// The tag of To in its response.
    pub to_tag: String,
}
