//! What a command is about (CB-157 to CB-159).

/// A conference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConferenceKeys {
    /// The conference-URI.
    pub conf_entity: String,
    /// The id within the organizer's conferences.
    pub conference_id: Option<String>,
}

impl ConferenceKeys {
    /// By its URI alone.
    pub fn new(conf_entity: impl Into<String>) -> Self {
        Self {
            conf_entity: conf_entity.into(),
            conference_id: None,
        }
    }
}

/// A user of a conference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKeys {
    /// The conference-URI.
    pub conf_entity: String,
    /// A SIP URI.
    pub user_entity: String,
}

/// An endpoint of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointKeys {
    /// The conference-URI.
    pub conf_entity: String,
    /// A SIP URI.
    pub user_entity: String,
    /// Compared octet by octet (CB-159).
    pub endpoint_entity: String,
}

/// A stream of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaKeys {
    /// The conference-URI.
    pub conf_entity: String,
    /// A SIP URI.
    pub user_entity: String,
    /// Compared octet by octet (CB-159).
    pub endpoint_entity: String,
    /// The id of the stream within the endpoint.
    pub media_id: String,
}
