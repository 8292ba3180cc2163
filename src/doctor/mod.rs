//! `plenum doctor`: which of Contact, SDP address, ports, DNS, certificate or clock is wrong, and how to mend it.
//!
//! | module | what |
//! |---|---|
//! | [`facts`] | what is known of the machine and of how it is seen from outside |
//! | [`judge`] | pure: what follows from the facts |
//! | [`owner`] | who has a port, by `/proc` |
//! | [`sntp`] | the time by RFC 5905 |
//! | [`look`] | gathers the facts: sockets, name servers, STUN, TURN |

pub mod facts;
pub mod judge;
pub mod look;
pub mod owner;
pub mod sntp;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Some calls will fail, or will later.
    Warning,
    /// Calls fail.
    Serious,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The server itself.
    Server,
    /// Signalling ports.
    Ports,
    /// Media ports.
    MediaPorts,
    /// The address in Contact and Via.
    Contact,
    /// The address in session descriptions.
    Sdp,
    /// How a STUN server sees us.
    Stun,
    /// The TURN server.
    Turn,
    /// The domains that are ours.
    Dns,
    /// Certificates.
    Certificate,
    /// The clock.
    Clock,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What is so, and what to do about it.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Good => "good",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Serious => "error",
        };
        let subject = match self.subject {
            Subject::Server => "server",
            Subject::Ports => "ports",
            Subject::MediaPorts => "media ports",
            Subject::Contact => "Contact",
            Subject::Sdp => "SDP address",
            Subject::Stun => "STUN",
            Subject::Turn => "TURN",
            Subject::Dns => "DNS",
            Subject::Certificate => "certificate",
            Subject::Clock => "clock",
        };
        write!(f, "{severity}: {subject}: {}", self.text)
    }
}
