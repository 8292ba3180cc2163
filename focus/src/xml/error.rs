//! Why octets are not a document for us.

use thiserror::Error;

/// Whose fault it is that a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtFault {
    /// The sender: no reader would take it, or none that is careful.
    Sender,
    /// Nobody: it may be fine, but is larger than we read.
    OurLimits,
}

/// Why octets were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Not UTF-8.
    #[error("the document is not UTF-8")]
    NotUtf8,
    /// The XML declaration names another encoding than UTF-8.
    #[error("the XML declaration names another encoding than UTF-8")]
    Encoding,
    /// The XML declaration names another version than 1.0, or stands in the wrong place.
    #[error("the XML declaration is not that of an XML 1.0 document")]
    Declaration,
    /// A document type declaration.
    #[error("a document type declaration")]
    DocumentType,
    /// A processing instruction.
    #[error("a processing instruction")]
    ProcessingInstruction,
    /// A reference to an entity other than the five that are predefined.
    #[error("a reference to an entity that is not predefined")]
    Entity,
    /// A character that XML 1.0 does not know, written out or as a reference.
    #[error("a character that XML does not allow")]
    Character,
    /// A name that is none.
    #[error("a malformed name")]
    Name,
    /// A prefix that is not bound to a namespace.
    #[error("a prefix that is not bound to a namespace")]
    UnboundPrefix,
    /// An attribute twice in one element.
    #[error("an attribute occurs twice in one element")]
    RepeatedAttribute,
    /// Not well-formed otherwise.
    #[error("not well-formed at octet {at}: {words}")]
    Syntax {
        /// Counted from 0.
        at: u64,
        /// For people.
        words: String,
    },
    /// No element, or elements still open at the end.
    #[error("the document ends too early")]
    Truncated,
    /// Something other than space and comments around the one element.
    #[error("content outside the document element")]
    OutsideRoot,
    /// Too many octets.
    #[error("longer than {limit} octets")]
    TooLong {
        /// [`Limits::octets`](super::Limits::octets).
        limit: usize,
    },
    /// Nested too deep.
    #[error("nested deeper than {limit} elements")]
    TooDeep {
        /// [`Limits::depth`](super::Limits::depth).
        limit: usize,
    },
    /// Too many elements.
    #[error("more than {limit} elements")]
    TooManyElements {
        /// [`Limits::elements`](super::Limits::elements).
        limit: usize,
    },
    /// Too many attributes in one element.
    #[error("more than {limit} attributes in one element")]
    TooManyAttributes {
        /// [`Limits::attributes`](super::Limits::attributes).
        limit: usize,
    },
}

impl Error {
    /// Whose fault it is.
    pub const fn at_fault(&self) -> AtFault {
        match self {
            Self::TooLong { .. }
            | Self::TooDeep { .. }
            | Self::TooManyElements { .. }
            | Self::TooManyAttributes { .. } => AtFault::OurLimits,
            Self::NotUtf8
            | Self::Encoding
            | Self::Declaration
            | Self::DocumentType
            | Self::ProcessingInstruction
            | Self::Entity
            | Self::Character
            | Self::Name
            | Self::UnboundPrefix
            | Self::RepeatedAttribute
            | Self::Syntax { .. }
            | Self::Truncated
            | Self::OutsideRoot => AtFault::Sender,
        }
    }
}
