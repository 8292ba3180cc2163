//! Why a request was refused. The sender is at fault, or our limits.

use super::Reason;
use crate::xml::{self, AtFault};
use thiserror::Error;

/// A request that cannot be processed, with as much of its envelope as could be read: enough to
/// address a C3P failure where there is a `requestId`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("malformed C3P request: {defect}")]
pub struct Malformed {
    /// What is wrong.
    #[source]
    pub defect: Defect,
    /// What could be read.
    pub envelope: Envelope,
}

/// As much of a request as could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `requestId`, if it is one.
    pub request_id: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `to`.
    pub to: Option<String>,
    /// The name of the command, if there is one only.
    pub command: Option<String>,
}

/// What is wrong with a request. The names are those of elements and attributes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Defect {
    /// Not a document that we read.
    #[error(transparent)]
    Xml(#[from] xml::Error),
    /// Another document.
    #[error("the document is not a C3P request")]
    NotARequest,
    /// `requestId` is not digits (CB-021).
    #[error("requestId is not a row of digits")]
    RequestId,
    /// No command (CB-019).
    #[error("no command")]
    NoCommand,
    /// More than one command (CB-020).
    #[error("more than one command")]
    SeveralCommands,
    /// An element or attribute is missing or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An element is there more than once.
    #[error("{0} is there more than once")]
    Repeated(&'static str),
    /// A value that must be a SIP URI is none (CB-157, CB-158).
    #[error("{0} is not a SIP URI")]
    NotASipUri(&'static str),
    /// A value is none of those allowed.
    #[error("the value of {0} is not allowed")]
    BadValue(&'static str),
    /// An element that has no place there (CB-242).
    #[error("{0} has no place there")]
    Unexpected(&'static str),
    /// Some but not all of admission-policy, autopromote and pstn-lobby-bypass (CB-180).
    #[error("admission-policy, autopromote and pstn-lobby-bypass are not all there")]
    AllOrNone,
    /// Two parts that must name the same thing do not (CB-235, CB-242).
    #[error("{0} differs from its keys")]
    Mismatch(&'static str),
}

impl Defect {
    /// The reason of the response.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Xml(error) => match error.at_fault() {
                AtFault::Sender => Reason::RequestMalformed,
                AtFault::OurLimits => Reason::RequestTooLarge,
            },
            Self::NotARequest
            | Self::RequestId
            | Self::NoCommand
            | Self::SeveralCommands
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::NotASipUri(_)
            | Self::BadValue(_)
            | Self::Unexpected(_)
            | Self::AllOrNone
            | Self::Mismatch(_) => Reason::RequestMalformed,
        }
    }
}
