//! Enumerated values of conference documents (RFC 4575 §5; CB-281, CB-282).

use crate::xml::tokens::tokens;

tokens! {
    /// How an element relates to the one a subscriber has (RFC 4575 §4.4, CB-103).
    pub enum State {
        /// It replaces the other.
        Full = "full",
        /// What it contains changes the other.
        Partial = "partial",
        /// The other is gone.
        Deleted = "deleted",
    }
}

tokens! {
    /// The two roles (CB-265).
    pub enum Role {
        /// May run every command.
        Presenter = "presenter",
        /// May run commands that concern itself.
        Attendee = "attendee",
    }
}

tokens! {
    /// Where an endpoint is (RFC 4575 §5.7.2; CB-282.1).
    pub enum EndpointStatus {
        /// Not yet joined, and not being called.
        Pending = "pending",
        /// The conference is about to call it.
        DialingOut = "dialing-out",
        /// It is on its way in.
        DialingIn = "dialing-in",
        /// Its phone rings.
        Alerting = "alerting",
        /// It has a session but takes no part; at the focus: it waits in the lobby.
        OnHold = "on-hold",
        /// It takes part.
        Connected = "connected",
        /// Connected, and what it sends is not distributed.
        MutedViaFocus = "muted-via-focus",
        /// On its way out.
        Disconnecting = "disconnecting",
        /// Gone.
        Disconnected = "disconnected",
    }
}

tokens! {
    /// How an endpoint joined (RFC 4575 §5.7.3; CB-282.2).
    pub enum JoiningMethod {
        /// It called the conference.
        DialedIn = "dialed-in",
        /// The conference called it.
        DialedOut = "dialed-out",
        /// It is the focus.
        FocusOwner = "focus-owner",
    }
}

tokens! {
    /// How an endpoint left (RFC 4575 §5.7.5; CB-282.3).
    pub enum DisconnectionMethod {
        /// By itself.
        Departed = "departed",
        /// It was removed.
        Booted = "booted",
        /// Its session failed.
        Failed = "failed",
        /// It was busy when called.
        Busy = "busy",
    }
}

tokens! {
    /// Directions of a media stream, as the endpoint sees them (RFC 4575 §5.8.4; CB-282.4).
    pub enum MediaStatus {
        /// Both.
        SendRecv = "sendrecv",
        /// From the endpoint.
        SendOnly = "sendonly",
        /// To the endpoint.
        RecvOnly = "recvonly",
        /// Neither.
        Inactive = "inactive",
    }
}

tokens! {
    /// Whether media passes into or out of the mix (CB-281.30).
    pub enum MediaFilter {
        /// It does not.
        Block = "block",
        /// It does.
        Unblock = "unblock",
    }
}

tokens! {
    /// How a participant was authenticated (CB-059).
    pub enum AuthMethod {
        /// As a user of this domain.
        Enterprise = "enterprise",
        /// By the conference key.
        Anonymous = "anonymous",
        /// By another domain.
        Federated = "federated",
    }
}

tokens! {
    /// From where a participant came (CB-059).
    pub enum AccessMethod {
        /// From outside.
        External = "external",
        /// From inside.
        Internal = "internal",
    }
}

tokens! {
    /// Who gets in without being admitted (CB-053 to CB-055).
    pub enum AdmissionPolicy {
        /// Invitees.
        ClosedAuthenticated = "closedAuthenticated",
        /// Everybody authenticated.
        OpenAuthenticated = "openAuthenticated",
        /// Everybody.
        Anonymous = "anonymous",
    }
}

tokens! {
    /// What a URI of the conference is for (RFC 4575 §5.3.1, CB-282.5).
    ///
    /// The purposes `web-internal` and `web-external` are missing on purpose: those URIs are
    /// never notified (trap 39).
    pub enum Purpose {
        /// The audio and video mixer.
        AudioVideo = "audio-video",
        /// The instant messaging MCU.
        Chat = "chat",
        /// The legacy web conferencing MCU.
        Meeting = "meeting",
        /// The web conferencing MCU.
        DataConf = "data-conf",
        /// The audio conferencing provider.
        PhoneConf = "phone-conf",
        /// The application sharing MCU.
        ApplicationSharing = "applicationsharing",
        /// Whoever calls it takes part (RFC 4575).
        Participation = "participation",
        /// Whoever opens it listens (RFC 4575).
        Streaming = "streaming",
    }
}

impl Purpose {
    /// Whether RFC 4575 defines it for the URIs of a conference.
    pub const fn is_standard(self) -> bool {
        match self {
            Self::Participation | Self::Streaming => true,
            Self::AudioVideo
            | Self::Chat
            | Self::Meeting
            | Self::DataConf
            | Self::PhoneConf
            | Self::ApplicationSharing => false,
        }
    }
}
